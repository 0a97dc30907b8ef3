"""Rules that assign rows to experts at the start of EM."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.sparse import issparse
from scipy.special import softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from sklearn_moe._statistics import Moments

# Standard deviation of the argument of the random cosines, in radians, and their
# amplitude.
FREQUENCY = 4.0
AMPLITUDE = 2.0


def tree_leaves(features, y, n_experts, sample_weight, random_state, n_classes):
    """Assign each leaf of a supervised tree with `n_experts` leaves to one expert."""
    if n_experts == 1:
        return Groups.learn(_one_label, features, 1, sample_weight)
    tree_class = DecisionTreeRegressor if n_classes is None else DecisionTreeClassifier
    if n_classes is None:
        # A tree does not split a node whose variance is below 2e-16, in any unit.
        moments = Moments.of(y, sample_weight)
        y = _standardised(y, moments)
    tree = tree_class(
        max_leaf_nodes=n_experts,
        min_weight_fraction_leaf=0.25 / n_experts,
        random_state=random_state.randint(np.iinfo(np.int32).max),
    )
    label = tree.fit(features, y, sample_weight).apply
    return Groups.learn(label, features, n_experts, sample_weight)


def _one_label(features):
    return np.zeros(features.shape[0], dtype=np.intp)


def clusters(features, y, n_experts, sample_weight, random_state, n_classes):
    """Assign each k-means cluster of the gate's features to one expert."""
    # Imported here, since it is slow to import and rarely needed.
    from sklearn.cluster import KMeans

    kmeans = KMeans(
        n_experts, random_state=random_state.randint(np.iinfo(np.int32).max)
    )
    with warnings.catch_warnings():
        # If there are fewer distinct rows than experts, `Groups` splits the clusters.
        warnings.simplefilter("ignore", ConvergenceWarning)
        label = kmeans.fit(features, sample_weight=sample_weight).predict
    return Groups.learn(label, features, n_experts, sample_weight)


def random_cosines(features, y, n_experts, sample_weight, random_state, n_classes):
    """Assign rows to experts by random cosines of the gate's features and the target.

    The cosines vary enough to separate neighbouring rows, but equal rows get equal
    responsibilities.
    """
    moments = None if n_classes else Moments.of(y, sample_weight)
    n_targets = n_classes or y.reshape(len(y), -1).shape[1]
    directions = [
        random_state.standard_normal((n, n_experts))
        for n in (features.shape[1], n_targets)
    ]
    phase = random_state.uniform(0, 2 * np.pi, n_experts)
    return RandomCosines(directions, phase, moments)


# The functions that learn a rule, by the name of the start. They take the same
# arguments; `n_classes` is None in regression. The rule that they return is called as
# ``rule(features, y)`` and returns responsibilities. Each expert has some of the rows
# from which the rule was learnt.
STARTS = {"tree": tree_leaves, "kmeans": clusters, "random": random_cosines}


@dataclass(frozen=True)
class Groups:
    """Rule that assigns each row to the expert of its group.

    Attributes
    ----------
    label : callable
        ``label(features)`` returns a label for each row.
    labels : ndarray
        Labels of the first groups.
    cuts : list of Cut
        The cuts that split the other groups off.
    """

    label: Callable
    labels: np.ndarray
    cuts: list

    @classmethod
    def learn(cls, label, features, n_experts, sample_weight):
        """Learn the rule from rows, such that each expert has at least one of them."""
        labels, codes = np.unique(label(features), return_inverse=True)
        return cls(
            label, labels, fill_groups(codes, features, n_experts, sample_weight)
        )

    def __call__(self, features, y):
        """Return the responsibilities of rows."""
        # A label may be new if none of the rows from which the rule was learnt has it.
        codes = np.searchsorted(self.labels, self.label(features))
        codes = np.minimum(codes, len(self.labels) - 1)
        for new, cut in enumerate(self.cuts, len(self.labels)):
            cut.apply(codes, features, new)
        return one_hot(codes, len(self.labels) + len(self.cuts))


@dataclass(frozen=True)
class Cut:
    """Split of a group into two.

    Attributes
    ----------
    group : int
        Number of the group that is split.
    column : int or None
        Feature by which the group is split. None means that all rows are equal; every
        second row goes to the new group then.
    threshold : float
        Rows in which the feature is above this go to the new group.
    """

    group: int
    column: int | None = None
    threshold: float = 0.0

    def apply(self, codes, features, new):
        """Set the codes of the rows of the new group to `new`, in place."""
        rows = np.flatnonzero(codes == self.group)
        if self.column is None:
            codes[rows[1::2]] = new
        else:
            column = features[rows][:, [self.column]]
            column = column.toarray() if issparse(column) else column
            codes[rows[column.ravel() > self.threshold]] = new


def fill_groups(codes, features, n_experts, sample_weight):
    """Split the heaviest group until there is one group for each expert.

    A group is split at the mean of its feature with the largest variance. Neither the
    order of the rows matters, nor whether a row is repeated or given a larger weight.
    `codes`, which are 0, 1, ..., are updated in place; the cuts are returned.
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
    """Return the cut of a group at the mean of its most variable feature.

    Return None if all features are constant in the group.
    """
    rows = np.flatnonzero(codes == group)
    features, weights = features[rows], sample_weight[rows] / sample_weight[rows].sum()
    mean = weights @ features
    squares = features.power(2) if issparse(features) else features**2
    variance = weights @ squares - mean**2
    widest = variance.argmax()
    return Cut(group, widest, mean[widest]) if variance[widest] > 1e-10 else None


@dataclass(frozen=True)
class RandomCosines:
    """Rule whose responsibilities are the softmax of one random cosine per expert.

    Attributes
    ----------
    directions : list of ndarray
        Coefficients of the features and of the targets, with a column for each expert.
    phase : ndarray of shape (n_experts,)
    moments : Moments or None
        Moments of the targets in regression, None in classification.
    """

    directions: list
    phase: np.ndarray
    moments: Moments | None

    def __call__(self, features, y):
        """Return the responsibilities of rows."""
        if self.moments is None:
            targets = np.eye(len(self.directions[1]))[y]
        else:
            targets = _standardised(y, self.moments).reshape(len(y), -1)
        phase = features @ self.directions[0] + targets @ self.directions[1]
        phase *= FREQUENCY / np.sqrt(sum(map(len, self.directions)))
        phase += self.phase
        return softmax(AMPLITUDE * np.cos(phase), axis=1)


def _standardised(y, moments):
    """Standardise targets; constant targets are only centred."""
    return (y - moments.mean) / np.where(moments.spread > 0, moments.spread, 1.0)


class NearbyRows:
    """Rule that predicts the responsibilities of rows by a tree on the features.

    Parameters
    ----------
    features : ndarray of shape (n_samples, n_gate_features)
    responsibilities : ndarray of shape (n_samples, n_experts)
    """

    def __init__(self, features, responsibilities):
        tree = DecisionTreeRegressor(random_state=0)
        self._tree = tree.fit(features, responsibilities)

    def __call__(self, features, y):
        """Return the responsibilities of rows."""
        return self._tree.predict(features)


def one_hot(codes, n_experts):
    """Return the responsibilities of rows that belong to one expert each."""
    return np.eye(n_experts)[codes]
