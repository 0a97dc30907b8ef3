"""The initial responsibilities of EM."""

from copy import deepcopy

import numpy as np
from scipy.sparse import issparse
from sklearn.base import clone
from sklearn.utils.random import sample_without_replacement
from sklearn.utils.validation import has_fit_parameter

from sklearn_moe.em.given_starts import given_responsibilities
from sklearn_moe.em.starting_rules import STARTS, NearbyRows, fill_groups, one_hot

# Starts are learnt from at most this many rows, drawn at random: they need not be
# precise.
START_ROWS = 5_000

# The initial responsibility of a noise component for each row.
NOISE_SHARE = 0.05


def starting_points(init, n_init):
    """Return the kind of each of `n_init` starts: first `init`, then the other kinds.

    Starts of different kinds find different optima more often than starts of one kind
    with different seeds. After one start of each kind, all others are random.
    """
    given = init if isinstance(init, str) else None
    others = [kind for kind in STARTS if kind not in (given, "random")]
    return ([init, *others] + ["random"] * n_init)[:n_init]


def rows_of_start(n_samples, random_state):
    """Select the rows from which a start is learnt: all, or `START_ROWS` in order.

    The selection does not depend on how the rows are stored, so that EM starts from the
    same state for arrays and partitions. The random state is not advanced, as it would
    otherwise depend on the number of rows.
    """
    if n_samples <= START_ROWS:
        return slice(None)
    return np.sort(
        sample_without_replacement(
            n_samples, START_ROWS, random_state=deepcopy(random_state)
        )
    )


def beside_noise(
    init,
    rows,
    gate,
    is_noise,
    random_state,
    drawn=slice(None),
    *,
    n_classes=None,
    whole_rows=False,
):
    """Return the initial responsibilities where some experts are noise components.

    A start that is learnt from the rows assigns them to the other experts; a noise
    component gets a small responsibility for each row.

    Parameters
    ----------
    init, rows, gate : object
        See `initial_responsibilities`.
    is_noise : ndarray of shape (n_experts,), bool
    random_state, drawn, n_classes : object
        See `initial_responsibilities`.
    whole_rows : bool, default=False
        Whether a noise component gets a few rows with responsibility one instead. This
        is needed for hard assignments, in which a small responsibility never wins.

    Returns
    -------
    responsibilities : column of shape (n_samples, n_experts)
    """
    by_rule = isinstance(init, str) or hasattr(init, "fit_predict")
    n_experts = np.count_nonzero(~is_noise) if by_rule else len(is_noise)
    found = initial_responsibilities(
        init, rows, gate, n_experts, random_state, drawn, n_classes=n_classes
    )
    if n_experts == len(is_noise):
        return found
    return rows.keep(rows.map(_insert_noise, found, is_noise, whole_rows))


def _insert_noise(block, responsibilities, is_noise, whole_rows):
    share = np.full((len(responsibilities), 1), NOISE_SHARE)
    if whole_rows:
        # The rows of a subject stay together.
        numbers = (
            np.arange(len(share)) if block.subjects is None else block.subjects.codes
        )
        share[:, 0] = numbers % round(1 / NOISE_SHARE) == 0
    found = share * is_noise
    found[:, ~is_noise] = (1 - share) * responsibilities
    return found


def initial_responsibilities(
    init, rows, gate, n_experts, random_state, drawn=slice(None), *, n_classes=None
):
    """Return the initial responsibilities.

    Parameters
    ----------
    init : {"tree", "kmeans", "random"}, array-like or clusterer
        - a name: the rule of this name in `STARTS`, learnt from the drawn rows.
        - array-like of shape (n_samples,): a label for each row.
        - array-like of shape (n_samples, n_experts): responsibilities.
        - clusterer: its `predict_proba` if it has one, otherwise its clusters. It is
          passed the sample weights if its `fit` accepts them. A row that belongs to no
          cluster (label -1) has equal responsibilities.
    rows : Rows
    gate : Gate
        The start is learnt from its features.
    n_experts : int
    random_state : RandomState instance
    drawn : slice or ndarray of int, default=slice(None)
        Rows of the sample from which a rule is learnt; see `rows_of_start`.
    n_classes : int, default=None
        Number of classes; None in regression.

    Returns
    -------
    responsibilities : column of shape (n_samples, n_experts)
        Rows sum to one; no column is zero throughout. The rows of a subject have equal
        responsibilities.

    Raises
    ------
    ValueError
        If labels or responsibilities do not match the rows and the experts.
    """
    sample = rows.sample
    if isinstance(init, str):
        rule = STARTS[init](
            _with_short_indices(gate.sample_features)[drawn],
            sample.encoded_rate[drawn],
            n_experts,
            sample.expert_weight[drawn],
            random_state,
            n_classes,
        )
        return _grouped(_apply(rule, rows, gate), sample.subjects)
    if hasattr(init, "fit_predict"):
        found = _from_clusterer(
            init,
            _with_short_indices(gate.sample_features),
            n_experts,
            sample.sample_weight,
        )
        if rows.in_one_block:
            return _grouped(found, sample.subjects)
        return _apply(NearbyRows(gate.sample_features, found), rows, gate)
    values = given_responsibilities(np.asarray(init), n_experts)
    return whole_subjects(values, sample.subjects)


def whole_subjects(responsibilities, subjects):
    """Replace the responsibilities of each row by their mean over its subject."""
    if subjects is None:
        return responsibilities
    return subjects.sums(responsibilities, subjects.shares)[subjects.codes]


def _grouped(responsibilities, subjects):
    """Assign each subject to the expert whose standardised mean is largest for it.

    If rows were assigned one by one, all subjects may have almost equal mean
    responsibilities, and EM would not move away from these. The means are therefore
    standardised over the subjects before they are compared.
    """
    if subjects is None:
        return responsibilities
    n_experts = responsibilities.shape[1]
    means = subjects.sums(responsibilities, subjects.shares)
    # A smaller spread is due to rounding, and must not separate the subjects.
    spread = np.maximum(means.std(axis=0), 1e-8)
    scores = (means - means.mean(axis=0)) / spread
    codes = np.unique(scores.argmax(axis=1), return_inverse=True)[1]
    fill_groups(codes, scores, n_experts, np.ones(len(subjects)))
    return one_hot(codes, n_experts)[subjects.codes]


def _apply(rule, rows, gate):
    """Apply a rule to all rows."""
    return rows.keep(rows.map(_apply_to_block, gate.features, rows.share(rule)))


def _apply_to_block(block, features, rule):
    return rule(_with_short_indices(features), block.encoded_rate)


def _with_short_indices(features):
    """Return features whose sparse indices are int32, as trees and clusterers need."""
    if issparse(features) and features.nnz <= np.iinfo(np.int32).max:
        features = features.copy()
        features.indices = features.indices.astype(np.int32, copy=False)
        features.indptr = features.indptr.astype(np.int32, copy=False)
    return features


def _from_clusterer(clusterer, features, n_experts, sample_weight):
    clusterer = clone(clusterer)
    weights = (
        {"sample_weight": sample_weight}
        if has_fit_parameter(clusterer, "sample_weight")
        else {}
    )
    labels = np.asarray(clusterer.fit_predict(features, **weights))
    if hasattr(clusterer, "predict_proba"):
        return given_responsibilities(clusterer.predict_proba(features), n_experts)
    left_out = labels < 0
    n_clusters = len(np.unique(labels[~left_out]))
    if not 1 <= n_clusters <= n_experts:
        raise ValueError(
            f"The clusterer given as 'init' found {n_clusters} clusters for "
            f"{n_experts} experts; it must find at least one cluster, and no more "
            "clusters than there are experts."
        )
    responsibilities = np.full((len(labels), n_experts), 1 / n_experts)
    kept = ~left_out
    codes = np.unique(labels[kept], return_inverse=True)[1]
    fill_groups(codes, features[kept], n_experts, sample_weight[kept])
    responsibilities[kept] = one_hot(codes, n_experts)
    return responsibilities
