"""Rules that give rows to experts before anything is known of either."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.sparse import issparse
from scipy.special import softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from sklearn_moe._statistics import Moments

# Spread of the phase of the random cosines, in radians, and their height.
FREQUENCY = 4.0
AMPLITUDE = 2.0


def tree_leaves(features, y, n_experts, sample_weight, random_state, n_classes):
    """Give each leaf of a supervised tree, with as many leaves as experts, to one."""
    if n_experts == 1:
        return Groups.learn(_one_label, features, 1, sample_weight)
    tree_class = DecisionTreeRegressor if n_classes is None else DecisionTreeClassifier
    if n_classes is None:
        # A tree does not split where the variance is below 2e-16, whatever the unit.
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
    """Give each cluster of the gate's features to one expert."""
    # Here, since few need it and it takes a while to load.
    from sklearn.cluster import KMeans

    kmeans = KMeans(
        n_experts, random_state=random_state.randint(np.iinfo(np.int32).max)
    )
    with warnings.catch_warnings():
        # There may be fewer distinct rows than experts: groups are halved then.
        warnings.simplefilter("ignore", ConvergenceWarning)
        label = kmeans.fit(features, sample_weight=sample_weight).predict
    return Groups.learn(label, features, n_experts, sample_weight)


def random_cosines(features, y, n_experts, sample_weight, random_state, n_classes):
    """Give rows to experts by random cosines of the gate's features and the target.

    They are rough enough for rows that are neighbours to part, and smooth enough for
    rows that are equal to stay together.
    """
    moments = None if n_classes else Moments.of(y, sample_weight)
    n_targets = n_classes or y.reshape(len(y), -1).shape[1]
    directions = [
        random_state.standard_normal((n, n_experts))
        for n in (features.shape[1], n_targets)
    ]
    phase = random_state.uniform(0, 2 * np.pi, n_experts)
    return RandomCosines(directions, phase, moments)


# How a rule is learnt, by the name of the start. The arguments are all the same, and
# `n_classes` is None for numbers. ``rule(features, y)`` returns responsibilities, and
# each expert has some of the rows that the rule was learnt from.
STARTS = {"tree": tree_leaves, "kmeans": clusters, "random": random_cosines}


@dataclass(frozen=True)
class Groups:
    """Gives each row to the expert of its group.

    Attributes
    ----------
    label : callable
        ``label(features)`` returns a label for each row.
    labels : ndarray
        Labels of the first groups.
    cuts : list of Cut
        How the other groups come about.
    """

    label: Callable
    labels: np.ndarray
    cuts: list

    @classmethod
    def learn(cls, label, features, n_experts, sample_weight):
        """Learn from some rows, so that each expert has one."""
        labels, codes = np.unique(label(features), return_inverse=True)
        return cls(
            label, labels, fill_groups(codes, features, n_experts, sample_weight)
        )

    def __call__(self, features, y):
        """Responsibilities of rows."""
        # A cluster may have none of the rows of which this was learnt.
        codes = np.searchsorted(self.labels, self.label(features))
        codes = np.minimum(codes, len(self.labels) - 1)
        for new, cut in enumerate(self.cuts, len(self.labels)):
            cut.apply(codes, features, new)
        return one_hot(codes, len(self.labels) + len(self.cuts))


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


def fill_groups(codes, features, n_experts, sample_weight):
    """Halve the heaviest group until each expert has one.

    A group is cut at the mean of the feature that varies most in it. Nothing here
    depends on the order of the rows or on repeating a row instead of weighing it. The
    new groups are written to `codes`, which are 0, 1, ...; the cuts are returned.
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
    """Cut a group at the mean of the feature that varies most; None if none does."""
    rows = np.flatnonzero(codes == group)
    features, weights = features[rows], sample_weight[rows] / sample_weight[rows].sum()
    mean = weights @ features
    squares = features.power(2) if issparse(features) else features**2
    variance = weights @ squares - mean**2
    widest = variance.argmax()
    return Cut(group, widest, mean[widest]) if variance[widest] > 1e-10 else None


@dataclass(frozen=True)
class RandomCosines:
    """Gives rows to experts by the softmax of a random cosine for each.

    Attributes
    ----------
    directions : list of ndarray
        Of features and of targets, a column for each expert.
    phase : ndarray of shape (n_experts,)
    moments : Moments or None
        Of targets that are numbers.
    """

    directions: list
    phase: np.ndarray
    moments: Moments | None

    def __call__(self, features, y):
        """Responsibilities of rows."""
        if self.moments is None:
            targets = np.eye(len(self.directions[1]))[y]
        else:
            targets = _standardised(y, self.moments).reshape(len(y), -1)
        phase = features @ self.directions[0] + targets @ self.directions[1]
        phase *= FREQUENCY / np.sqrt(sum(map(len, self.directions)))
        phase += self.phase
        return softmax(AMPLITUDE * np.cos(phase), axis=1)


def _standardised(y, moments):
    """Targets without unit; constant ones have no spread to be divided by."""
    return (y - moments.mean) / np.where(moments.spread > 0, moments.spread, 1.0)


class NearbyRows:
    """Gives each row to experts as the rows nearby were given.

    Parameters
    ----------
    features : ndarray of shape (n_samples, n_gate_features)
    responsibilities : ndarray of shape (n_samples, n_experts)
    """

    def __init__(self, features, responsibilities):
        tree = DecisionTreeRegressor(random_state=0)
        self._tree = tree.fit(features, responsibilities)

    def __call__(self, features, y):
        """Responsibilities of rows."""
        return self._tree.predict(features)


def one_hot(codes, n_experts):
    """Responsibilities of rows of which each has one expert."""
    return np.eye(n_experts)[codes]
