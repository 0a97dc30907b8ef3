"""The first responsibilities."""

import warnings
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
from scipy.sparse import issparse
from scipy.special import softmax
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils import check_array
from sklearn.utils.random import sample_without_replacement
from sklearn.utils.validation import has_fit_parameter

# Spread of the phase of the random waves, in radians, and their height.
FREQUENCY = 4.0
AMPLITUDE = 2.0

# What tells where EM begins looks at no more rows than this, drawn at random: it need
# not be precise.
START_ROWS = 20_000

KINDS = ("tree", "kmeans", "random")


def starting_points(init, n_init):
    """What each of `n_init` starts begins with: first `init`, then the other kinds.

    Starts that differ in kind find different optima more often than starts that differ
    in seed; after one of each kind, the rest is random.
    """
    given = init if isinstance(init, str) else None
    others = [kind for kind in KINDS if kind not in (given, "random")]
    return ([init, *others] + ["random"] * n_init)[:n_init]


def rows_of_init(init, kept, n_samples):
    """Select the kept rows of labels or responsibilities given for all rows.

    Raises
    ------
    ValueError
        If they are not one for each of the `n_samples` rows, or if there is NaN.
    """
    init = check_array(
        init,
        ensure_2d=False,
        allow_nd=True,
        dtype=None,
        ensure_min_samples=0,
        ensure_min_features=0,
        input_name="init",
    )
    if init.ndim not in (1, 2) or len(init) != n_samples:
        raise ValueError(
            "The 'init' array must have one label, or one row of responsibilities, for "
            f"each row of X: got shape {init.shape} for {n_samples} rows."
        )
    return init[kept]


def rows_of_start(n_samples, random_state):
    """Number of each row that tells where EM begins.

    They are the same wherever the rows lie, so that EM begins at the same place.

    Parameters
    ----------
    n_samples : int
    random_state : RandomState instance
        Left as it is: where there are few rows nothing is drawn.

    Returns
    -------
    rows : slice or ndarray of int
        All, or `START_ROWS` in their order.
    """
    if n_samples <= START_ROWS:
        return slice(None)
    return np.sort(
        sample_without_replacement(
            n_samples, START_ROWS, random_state=deepcopy(random_state)
        )
    )


def initial_responsibilities(
    init, features, y, n_experts, sample_weight, random_state, rows, *, n_classes
):
    """Responsibilities with which EM begins.

    Parameters
    ----------
    init : {"tree", "kmeans", "random"}, array-like or clusterer
        - one of `KINDS`: what `starting_rule` makes of some rows.
        - array-like of shape (n_samples,): a label for each row.
        - array-like of shape (n_samples, n_experts): responsibilities.
        - clusterer: its clusters, or its `predict_proba` where it has one. It is given
          the weights where its `fit` takes them. A row that it leaves out (label -1)
          is shared by all.
    features : {ndarray, CSR} of shape (n_samples, n_gate_features)
        What the gate sees.
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
    n_experts : int
    sample_weight : ndarray of shape (n_samples,)
    random_state : RandomState instance
    rows : slice or ndarray of int
        Of `rows_of_start`.
    n_classes : int or None
        None for numbers.

    Returns
    -------
    responsibilities : ndarray of shape (n_samples, n_experts)
        Rows sum to one; no column is empty.

    Raises
    ------
    ValueError
        If labels or responsibilities do not fit the rows and experts.
    """
    if isinstance(init, str):
        features = _with_short_indices(features)
        rule = starting_rule(
            init,
            features[rows],
            y[rows],
            n_experts,
            sample_weight[rows],
            random_state,
            n_classes=n_classes,
        )
        return rule(features, y)
    if hasattr(init, "fit_predict"):
        features = _with_short_indices(features)
        return _from_clusterer(init, features, n_experts, sample_weight)
    array = np.asarray(init)
    if array.ndim == 1:
        return _from_labels(array, n_experts)
    return _check_responsibilities(array, len(y), n_experts)


def _with_short_indices(features):
    """Trees and clusterers take no longer indices."""
    if issparse(features) and features.nnz <= np.iinfo(np.int32).max:
        features = features.copy()
        features.indices = features.indices.astype(np.int32, copy=False)
        features.indptr = features.indptr.astype(np.int32, copy=False)
    return features


def starting_rule(
    kind, features, y, n_experts, sample_weight, random_state, *, n_classes
):
    """Learn a rule that gives any row to experts.

    Parameters
    ----------
    kind : {"tree", "kmeans", "random"}
        - "tree": the leaves of a supervised tree with as many leaves as experts.
        - "kmeans": the clusters of the gate's features.
        - "random": random waves through the gate's features and the target. They are
          rough enough for rows that are neighbours to part, and smooth enough for rows
          that are equal to stay together.
    features : {ndarray, CSR} of shape (n_samples, n_gate_features)
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
    n_experts : int
    sample_weight : ndarray of shape (n_samples,)
    random_state : RandomState instance
    n_classes : int or None

    Returns
    -------
    rule : callable
        ``rule(features, y)`` are responsibilities of shape (n_rows, n_experts), none of
        whose columns is empty on the rows of which it was learnt.
    """
    if kind == "random":
        return Waves.draw(
            features, y, n_experts, sample_weight, random_state, n_classes
        )
    learn = {"tree": _tree_leaves, "kmeans": _clusters}[kind]
    label = learn(features, y, n_experts, sample_weight, random_state, n_classes)
    return Groups.learn(label, features, n_experts, sample_weight)


def _tree_leaves(features, y, n_experts, sample_weight, random_state, n_classes):
    if n_experts == 1:
        return _one_label
    tree_class = DecisionTreeRegressor if n_classes is None else DecisionTreeClassifier
    if n_classes is None:
        # A tree does not split where the variance is below 2e-16, whatever the unit.
        y = _standardise(y, *_centre_and_spread(y, sample_weight))
    tree = tree_class(
        max_leaf_nodes=n_experts,
        min_weight_fraction_leaf=0.25 / n_experts,
        random_state=random_state.randint(np.iinfo(np.int32).max),
    )
    return tree.fit(features, y, sample_weight).apply


def _one_label(features):
    return np.zeros(features.shape[0], dtype=np.intp)


def _clusters(features, y, n_experts, sample_weight, random_state, n_classes):
    # Here, since few need it and it takes a while to load.
    from sklearn.cluster import KMeans

    kmeans = KMeans(
        n_experts, random_state=random_state.randint(np.iinfo(np.int32).max)
    )
    with warnings.catch_warnings():
        # Fewer distinct rows than experts are dealt with by the caller.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return kmeans.fit(features, sample_weight=sample_weight).predict


@dataclass(frozen=True)
class Groups:
    """Gives each row to the expert of its group.

    Attributes
    ----------
    label : callable
        ``label(features)`` are labels of groups.
    labels : ndarray
        Those of the first experts.
    cuts : list of Cut
        The groups of the others.
    """

    label: Callable
    labels: np.ndarray
    cuts: list

    @classmethod
    def learn(cls, label, features, n_experts, sample_weight):
        """Learn from some rows, so that each expert has one."""
        labels, codes = np.unique(label(features), return_inverse=True)
        return cls(
            label, labels, _fill_groups(codes, features, n_experts, sample_weight)
        )

    def __call__(self, features, y):
        """Responsibilities of rows."""
        # A cluster may have none of the rows of which this was learnt.
        codes = np.searchsorted(self.labels, self.label(features))
        codes = np.minimum(codes, len(self.labels) - 1)
        for new, cut in enumerate(self.cuts, len(self.labels)):
            cut.apply(codes, features, new)
        return _one_hot(codes, len(self.labels) + len(self.cuts))


@dataclass(frozen=True)
class Cut:
    """What halves a group.

    Attributes
    ----------
    group : int
    column : int or None
        A feature. None means that no two rows differ: they are dealt out in turn.
    threshold : float
        What is above goes to the new group.
    """

    group: int
    column: int | None = None
    threshold: float = 0.0

    def apply(self, codes, features, new):
        """Write the number of the new group where it has rows."""
        rows = np.flatnonzero(codes == self.group)
        if self.column is None:
            codes[rows[1::2]] = new
        else:
            column = features[rows][:, [self.column]]
            column = column.toarray() if issparse(column) else column
            codes[rows[column.ravel() > self.threshold]] = new


def _fill_groups(codes, features, n_experts, sample_weight):
    """Halve the heaviest group until each expert has one.

    A group is cut at the mean of the feature that varies most in it. Nothing here
    depends on the order of the rows or on repeating a row instead of weighing it.

    Parameters
    ----------
    codes : ndarray of shape (n_samples,), int
        Groups 0, 1, ...; the others are written here.
    features : {ndarray, CSR} of shape (n_samples, n_gate_features)
    n_experts : int
    sample_weight : ndarray of shape (n_samples,)

    Returns
    -------
    cuts : list of Cut
        In their order.
    """
    cuts = []
    for missing in range(codes.max() + 1, n_experts):
        heaviest_first = np.argsort(-np.bincount(codes, sample_weight), kind="stable")
        cuts_of_groups = (
            _cut_at_mean(group, features, codes, sample_weight)
            for group in heaviest_first
        )
        cut = next(filter(None, cuts_of_groups), Cut(heaviest_first[0]))
        cut.apply(codes, features, missing)
        cuts.append(cut)
    return cuts


def _cut_at_mean(group, features, codes, sample_weight):
    """At that of the feature with the largest variance; None where none varies."""
    rows = np.flatnonzero(codes == group)
    features, weights = features[rows], sample_weight[rows] / sample_weight[rows].sum()
    mean = weights @ features
    squares = features.power(2) if issparse(features) else features**2
    variance = weights @ squares - mean**2
    widest = variance.argmax()
    return Cut(group, widest, mean[widest]) if variance[widest] > 1e-10 else None


@dataclass(frozen=True)
class Waves:
    """Gives rows to experts by the softmax of one random cosine for each.

    Attributes
    ----------
    directions : list of ndarray
        Of features and of targets, a column for each expert.
    phase : ndarray of shape (n_experts,)
    standards : tuple or None
        Centre and spread of targets that are numbers.
    """

    directions: list
    phase: np.ndarray
    standards: tuple | None

    @classmethod
    def draw(cls, features, y, n_experts, sample_weight, random_state, n_classes):
        """Draw waves for rows like these."""
        standards = None if n_classes else _centre_and_spread(y, sample_weight)
        n_targets = n_classes or y.reshape(len(y), -1).shape[1]
        directions = [
            random_state.standard_normal((n, n_experts))
            for n in (features.shape[1], n_targets)
        ]
        return cls(directions, random_state.uniform(0, 2 * np.pi, n_experts), standards)

    def __call__(self, features, y):
        """Responsibilities of rows."""
        if self.standards is None:
            targets = np.eye(len(self.directions[1]))[y]
        else:
            targets = _standardise(y, *self.standards).reshape(len(y), -1)
        phase = features @ self.directions[0] + targets @ self.directions[1]
        phase *= FREQUENCY / np.sqrt(sum(map(len, self.directions)))
        phase += self.phase
        return softmax(AMPLITUDE * np.cos(phase), axis=1)


def _centre_and_spread(y, sample_weight):
    centre = np.average(y, axis=0, weights=sample_weight)
    spread = np.sqrt(np.average((y - centre) ** 2, axis=0, weights=sample_weight))
    return centre, np.where(spread > 0, spread, 1.0)


def _standardise(y, centre, spread):
    return (y - centre) / spread


def _from_labels(labels, n_experts):
    names, codes = np.unique(labels, return_inverse=True)
    if len(names) != n_experts:
        raise ValueError(
            f"The 'init' labels must have one group for each expert: got {len(names)} "
            f"groups for {n_experts} experts."
        )
    return _one_hot(codes, n_experts)


def _check_responsibilities(array, n_samples, n_experts):
    if array.shape != (n_samples, n_experts):
        raise ValueError(
            "The 'init' responsibilities must have shape (n_samples, n_experts) = "
            f"({n_samples}, {n_experts}); got {array.shape}."
        )
    array = array.astype(np.float64)
    if array.min() < 0:
        raise ValueError(
            "The 'init' responsibilities must not be negative; row "
            f"{array.min(axis=1).argmin()} holds {array.min():.3g}."
        )
    sums = array.sum(axis=1)
    if not np.allclose(sums, 1, rtol=0, atol=1e-5):
        worst = np.abs(sums - 1).argmax()
        raise ValueError(
            "The 'init' responsibilities must sum to one in each row; row "
            f"{worst} sums to {sums[worst]:.6g}. Divide each row by its sum."
        )
    idle = np.flatnonzero(array.sum(axis=0) == 0)
    if len(idle):
        raise ValueError(
            f"The 'init' responsibilities leave experts {idle.tolist()} without a row; "
            "give each expert some, or ask for fewer experts."
        )
    return array / sums[:, np.newaxis]


def _from_clusterer(clusterer, features, n_experts, sample_weight):
    clusterer = clone(clusterer)
    weights = (
        {"sample_weight": sample_weight}
        if has_fit_parameter(clusterer, "sample_weight")
        else {}
    )
    labels = np.asarray(clusterer.fit_predict(features, **weights))
    if hasattr(clusterer, "predict_proba"):
        return _check_responsibilities(
            clusterer.predict_proba(features), len(labels), n_experts
        )
    left_out = labels < 0
    n_clusters = len(np.unique(labels[~left_out]))
    if not 1 <= n_clusters <= n_experts:
        raise ValueError(
            f"The clusterer given as 'init' found {n_clusters} clusters for "
            f"{n_experts} experts; it must find at least one, and no more than there "
            "are experts."
        )
    responsibilities = np.full((len(labels), n_experts), 1 / n_experts)
    kept = ~left_out
    codes = np.unique(labels[kept], return_inverse=True)[1]
    _fill_groups(codes, features[kept], n_experts, sample_weight[kept])
    responsibilities[kept] = _one_hot(codes, n_experts)
    return responsibilities


def _one_hot(codes, n_experts):
    return np.eye(n_experts)[codes]
