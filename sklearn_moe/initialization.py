"""The first responsibilities."""

import warnings

import numpy as np
from scipy.sparse import issparse
from scipy.special import softmax
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils import check_array
from sklearn.utils.validation import has_fit_parameter

# Spread of the phase of the random waves, in radians, and their height.
FREQUENCY = 4.0
AMPLITUDE = 2.0

# The tree and k-means look at no more rows than this, drawn at random: where EM begins
# need not be precise.
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


def initial_responsibilities(
    init, features, y, n_experts, sample_weight, random_state, *, classification
):
    """Responsibilities with which EM begins.

    Parameters
    ----------
    init : {"tree", "kmeans", "random"}, array-like or clusterer
        - "tree": the leaves of a supervised tree with as many leaves as experts.
        - "kmeans": the clusters of the gate's features. Both are found on no more than
          `START_ROWS` rows.
        - "random": random waves through the gate's features and the target. They are
          rough enough for rows that are neighbours to part, and smooth enough for rows
          that are equal to stay together.
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
    classification : bool

    Returns
    -------
    responsibilities : ndarray of shape (n_samples, n_experts)
        Rows sum to one; no column is empty.

    Raises
    ------
    ValueError
        If labels or responsibilities do not fit the rows and experts.
    """
    if issparse(features) and features.nnz <= np.iinfo(np.int32).max:
        # Trees and clusterers take no longer indices.
        features = features.copy()
        features.indices = features.indices.astype(np.int32, copy=False)
        features.indptr = features.indptr.astype(np.int32, copy=False)
    if isinstance(init, str):
        start = {"tree": _tree_leaves, "kmeans": _clusters, "random": _waves}
        groups = start[init](
            features, y, n_experts, sample_weight, random_state, classification
        )
        if init == "random":
            return groups
        return _one_hot(
            _fill_groups(groups, features, n_experts, sample_weight), n_experts
        )
    if hasattr(init, "fit_predict"):
        return _from_clusterer(init, features, n_experts, sample_weight)
    array = np.asarray(init)
    if array.ndim == 1:
        return _from_labels(array, n_experts)
    return _check_responsibilities(array, len(y), n_experts)


def _tree_leaves(features, y, n_experts, sample_weight, random_state, classification):
    if n_experts == 1:
        return np.zeros(len(y), dtype=np.intp)
    tree_class = DecisionTreeClassifier if classification else DecisionTreeRegressor
    if not classification:
        # A tree does not split where the variance is below 2e-16, whatever the unit.
        y = _standardise(y, sample_weight)
    tree = tree_class(
        max_leaf_nodes=n_experts,
        min_weight_fraction_leaf=0.25 / n_experts,
        random_state=random_state.randint(np.iinfo(np.int32).max),
    )
    rows = _some_rows(len(y), random_state)
    return tree.fit(features[rows], y[rows], sample_weight[rows]).apply(features)


def _clusters(features, y, n_experts, sample_weight, random_state, classification):
    # Here, since few need it and it takes a while to load.
    from sklearn.cluster import KMeans

    kmeans = KMeans(
        n_experts, random_state=random_state.randint(np.iinfo(np.int32).max)
    )
    with warnings.catch_warnings():
        # Fewer distinct rows than experts are dealt with by the caller.
        warnings.simplefilter("ignore", ConvergenceWarning)
        rows = _some_rows(len(y), random_state)
        kmeans.fit(features[rows], sample_weight=sample_weight[rows])
        return kmeans.predict(features)


def _some_rows(n_samples, random_state):
    if n_samples <= START_ROWS:
        return slice(None)
    return np.sort(random_state.choice(n_samples, START_ROWS, replace=False))


def _waves(features, y, n_experts, sample_weight, random_state, classification):
    """Softmax of one random cosine for each expert."""
    if classification:
        target = np.eye(y.max() + 1)[y]
    else:
        target = _standardise(y, sample_weight).reshape(len(y), -1)
    n_columns = features.shape[1], target.shape[1]
    directions = [random_state.standard_normal((n, n_experts)) for n in n_columns]
    phase = features @ directions[0] + target @ directions[1]
    phase *= FREQUENCY / np.sqrt(sum(n_columns))
    phase += random_state.uniform(0, 2 * np.pi, n_experts)
    return softmax(AMPLITUDE * np.cos(phase), axis=1)


def _standardise(y, sample_weight):
    centred = y - np.average(y, axis=0, weights=sample_weight)
    spread = np.sqrt(np.average(centred**2, axis=0, weights=sample_weight))
    return centred / np.where(spread > 0, spread, 1.0)


def _fill_groups(labels, features, n_experts, sample_weight):
    """Relabel to 0, 1, ..., and halve the heaviest group until each expert has one.

    A group is cut at the mean of the feature that varies most in it. Nothing here
    depends on the order of the rows or on repeating a row instead of weighing it.
    """
    codes = np.unique(labels, return_inverse=True)[1]
    for missing in range(codes.max() + 1, n_experts):
        heaviest_first = np.argsort(-np.bincount(codes, sample_weight), kind="stable")
        for group in heaviest_first:
            rows = np.flatnonzero(codes == group)
            cut = _above_mean(features[rows], sample_weight[rows])
            if cut.any():
                codes[rows[cut]] = missing
                break
        else:
            # No two rows of any group differ: deal out the heaviest in turn.
            rows = np.flatnonzero(codes == heaviest_first[0])
            codes[rows[1::2]] = missing
    return codes


def _above_mean(features, sample_weight):
    """Rows above the weighted mean of the feature with the largest variance."""
    weights = sample_weight / sample_weight.sum()
    mean = weights @ features
    squares = features.power(2) if issparse(features) else features**2
    variance = weights @ squares - mean**2
    widest = variance.argmax()
    if not variance[widest] > 1e-10:
        return np.zeros(len(weights), dtype=bool)
    column = features[:, [widest]]
    column = column.toarray() if issparse(features) else column
    return column.ravel() > mean[widest]


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
    codes = _fill_groups(labels[kept], features[kept], n_experts, sample_weight[kept])
    responsibilities[kept] = _one_hot(codes, n_experts)
    return responsibilities


def _one_hot(codes, n_experts):
    return np.eye(n_experts)[codes]
