"""Rules in words for which expert the gate chooses."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import issparse
from sklearn.model_selection import KFold
from sklearn.tree import DecisionTreeRegressor

from sklearn_moe._frames import (
    AWARE_DATES,
    CATEGORIES,
    DATES,
    NUMBERS,
    TIMES,
    columns_of,
    holds_flags,
    is_table,
    kind_of,
    names_of,
    native,
    rows_in_words,
)
from sklearn_moe._inner_mixture import seen_by_mixture
from sklearn_moe._weights import count_rows
from sklearn_moe.gates import numbers_of

# With fewer rows than this, none are held out to evaluate the rules.
MIN_ROWS = 50
N_FOLDS = 5

# Minimum fraction of the rows for which a rule holds.
MIN_FRACTION = 0.01


@dataclass(frozen=True, repr=False)
class GateRules:
    """Result of :func:`~sklearn_moe.inspection.gate_rules`. Print it to read it.

    Read more in the :ref:`User Guide <guide_inspection>`.

    Attributes
    ----------
    conditions : list of str
        Condition of each rule. Exactly one rule holds for each row.
    experts : list of str
        Name of the expert with the largest mean gate weight where the rule holds.
    weights : ndarray of shape (n_rules,)
        Mean gate weight of that expert where the rule holds.
    rows : ndarray of shape (n_rules,)
        Fraction of the rows for which the rule holds.
    fidelity : float
        Fraction of the rows for which the expert of the rule is the one with the
        largest gate weight.
    held_out : bool
        Whether the fidelity is that of held-out rows, by cross-validation. With few
        rows it is that of the training rows.

    See Also
    --------
    gate_rules : Function that returns rules.
    """

    conditions: list
    experts: list
    weights: np.ndarray
    rows: np.ndarray
    fidelity: float
    held_out: bool

    def of(self, expert: str) -> str:
        """Return where an expert has the largest gate weight, in words.

        Parameters
        ----------
        expert : str
            Name of the expert.

        Returns
        -------
        text : str
            Conditions, by descending number of rows; empty if there are none.
        """
        own = [c for c, name in zip(self.conditions, self.experts) if name == expert]
        return "; ".join(own)

    def __repr__(self):
        lines = [
            f"{condition}: {expert} (weight {weight:.0%}, {rows:.0%} of the rows)"
            for condition, expert, weight, rows in zip(
                self.conditions, self.experts, self.weights, self.rows
            )
        ]
        rows = "held-out rows" if self.held_out else "the rows they were fitted to"
        lines.append(f"The rules agree with the gate in {self.fidelity:.0%} of {rows}.")
        return "\n".join(lines)


def gate_rules(
    model: Any,
    X: Any,
    sample_weight: ArrayLike | None = None,
    *,
    max_rules: int = 8,
    random_state: int | np.random.RandomState | None = 0,
) -> GateRules:
    """Return rules in words for which expert the gate chooses.

    They are the leaves of a small regression tree that predicts the gate's weights from
    the columns, as a surrogate of the gate [1]_. Rules can be found for any gate; their
    fidelity measures how well they describe it.

    Read more in the :ref:`User Guide <guide_inspection>`.

    Parameters
    ----------
    model : fitted estimator
        A mixture, or a model around one: see :func:`fitted_mixture`.
    X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
        Rows that the mixture was fitted to, or others. The rules refer to their
        columns, even if there are steps in front of the mixture.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows. None means equal weights.
    max_rules : int, default=8
        Maximum number of rules.
    random_state : int, RandomState instance or None, default=0
        Seed of the folds, and of the tree, which chooses at random between splits that
        are equally good.

    Returns
    -------
    rules : GateRules
        The rules, by descending number of rows.

    Raises
    ------
    NotFittedError
        If the mixture is not fitted.
    TypeError
        If there is no mixture in `model`.

    See Also
    --------
    describe : Table of the experts, with these rules.
    gate_importance : Importance of features for the gate.
    explain : Explanation of predictions, and of the gate's weights, by row.

    References
    ----------
    .. [1] M. W. Craven and J. W. Shavlik (1996). Extracting tree-structured
       representations of trained networks. Advances in Neural Information Processing
       Systems 8, 24-30.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_moe import MixtureOfExpertsRegressor
    >>> from sklearn_moe.inspection import gate_rules
    >>> X = np.random.default_rng(0).uniform(-3, 3, size=(300, 2))
    >>> y = np.where(X[:, 0] > 0, 2 * X[:, 1], 5 - X[:, 1])
    >>> moe = MixtureOfExpertsRegressor(n_experts=2, sharing=0, random_state=0)
    >>> gate_rules(moe.fit(X, y), X)
    x0 > 0.003: expert0 (weight 99%, 57% of the rows)
    x0 <= 0.003: expert1 (weight 99%, 43% of the rows)
    The rules agree with the gate in 100% of held-out rows.
    """
    if not isinstance(max_rules, Integral) or max_rules < 1:
        raise ValueError(f"'max_rules' must be a positive integer; got {max_rules!r}.")
    X = as_table(X, "gate_rules")
    seen = seen_by_mixture(model, X, caller="gate_rules")
    mixture = seen.mixture
    return rules_of(
        X,
        count_rows(sample_weight, X)[0],
        mixture.predict_gate(seen.X),
        mixture.apply(seen.X),
        list(mixture.named_experts_),
        max_rules=max_rules,
        random_state=random_state,
    )


def as_table(X, caller):
    """Return rows with a shape; raise ValueError if they have no columns."""
    X = as_rows(X)
    if not is_table(X):
        raise ValueError(
            f"{caller} is about the columns of a table, and X is {rows_in_words(X)}, "
            "which has none."
        )
    return X


def as_rows(X):
    """Return a table as an object with a shape; other kinds of rows unchanged."""
    X = native(X)
    return X if hasattr(X, "shape") or not is_table(X) else np.asarray(X)


def rules_of(X, weights, gate_weights, chosen, names, *, max_rules=8, random_state=0):
    """Return rules for the weights of a gate; see `gate_rules`.

    Parameters
    ----------
    X : array or frame of shape (n_samples, n_features)
    weights : ndarray of shape (n_samples,)
        Weights of the rows.
    gate_weights : ndarray of shape (n_samples, n_experts)
    chosen : ndarray of shape (n_samples,)
        Index of the expert with the largest gate weight.
    names : list of str
        Names of the experts.
    max_rules : int, default=8
    random_state : int, RandomState instance or None, default=0

    Returns
    -------
    rules : GateRules
    """
    columns, tests = _columns_and_tests(X)
    counted = np.flatnonzero(weights > 0)
    columns, weights = columns[counted], weights[counted]
    gate_weights, chosen = gate_weights[counted], chosen[counted]

    def fitted(rows):
        surrogate = DecisionTreeRegressor(
            max_leaf_nodes=max(max_rules, 2),
            max_depth=None if max_rules > 1 else 1,
            min_samples_leaf=max(int(MIN_FRACTION * len(rows)), 1),
            random_state=random_state,
        )
        targets = gate_weights[rows]
        if max_rules == 1:
            targets = np.broadcast_to(targets.mean(axis=0), targets.shape)
        return surrogate.fit(columns[rows], targets, weights[rows])

    n_rows = len(columns)
    held_out = n_rows >= MIN_ROWS
    named = np.empty(n_rows, dtype=int)
    everything = np.arange(n_rows)
    splits = [(everything, everything)]
    if held_out:
        splits = KFold(N_FOLDS, shuffle=True, random_state=random_state).split(columns)
    for train, test in splits:
        predicted = fitted(train).predict(columns[test])
        named[test] = predicted.reshape(len(test), -1).argmax(axis=1)
    leaves = _leaves(fitted(everything).tree_)
    leaves.sort(key=lambda leaf: -leaf.weight)
    return GateRules(
        conditions=[_in_words(leaf.path, columns, tests) for leaf in leaves],
        experts=[names[leaf.expert] for leaf in leaves],
        weights=np.array([leaf.means[leaf.expert] for leaf in leaves]),
        rows=np.array([leaf.weight for leaf in leaves]) / weights.sum(),
        fidelity=float(np.average(named == chosen, weights=weights)),
        held_out=held_out,
    )


# The tree
# --------


@dataclass(frozen=True)
class _Leaf:
    """A leaf of the tree, or several merged leaves of the same expert.

    A step of the path is a column, a threshold, whether the side is at or below the
    threshold, and whether missing values are on this side.
    """

    path: tuple
    means: np.ndarray
    weight: float

    @property
    def expert(self):
        return int(self.means.argmax())


def _leaves(tree, node=0, path=()):
    """Return the leaves below a node, merged if all are of the same expert."""
    left, right = tree.children_left[node], tree.children_right[node]
    means, weight = tree.value[node, :, 0], tree.weighted_n_node_samples[node]
    if left < 0:
        return [_Leaf(path, means, weight)]
    step = int(tree.feature[node]), float(tree.threshold[node])
    missing_left = bool(tree.missing_go_to_left[node])
    leaves = [
        *_leaves(tree, left, (*path, (*step, True, missing_left))),
        *_leaves(tree, right, (*path, (*step, False, not missing_left))),
    ]
    if len({leaf.expert for leaf in leaves}) == 1:
        return [_Leaf(path, means, weight)]
    return leaves


# Text
# ----


@dataclass(frozen=True)
class _Test:
    """Meaning of an encoded numeric column, by the user's column it comes from."""

    name: str
    kind: str
    value: str | None = None


FLAGS = "flags"


def _columns_and_tests(X):
    """Return the rows as numbers, and the meaning of each column."""
    own = list(map(str, names_of(X)))
    numbers, names, places = numbers_of(X, own)
    numbers = numbers.toarray() if issparse(numbers) else numbers
    entries = columns_of(X)
    tests = []
    for name, place in zip(names, places):
        kind = kind_of(entries[place], own[place])
        if kind == CATEGORIES:
            value = name.removeprefix(f"{own[place]}_")
            tests.append(_Test(own[place], kind, value))
        elif kind == NUMBERS and holds_flags(entries[place]):
            tests.append(_Test(own[place], FLAGS))
        else:
            tests.append(_Test(own[place], kind))
    return numbers, tests


def _in_words(path, columns, tests):
    """Return the condition of a path, in words."""
    if not path:
        return "everywhere"
    steps = {}
    for column, *step in path:
        steps.setdefault(tests[column].name, []).append((column, *step))
    return " and ".join(
        _condition(name, own, columns, tests) for name, own in steps.items()
    )


def _condition(name, steps, columns, tests):
    """Return the condition on one of the user's columns."""
    test = tests[steps[0][0]]
    if test.kind == CATEGORIES:
        chosen = [column for column, _, below, _ in steps if not below]
        excluded = [column for column, *_ in steps]
        # Of two remaining categories the tree may split off either one; the words are
        # the same.
        left = chosen or _categories_besides(excluded, columns, tests)
        if len(left) == 1:
            return f"{name} is {_category(tests[left[0]].value)}"
        others = [_category(tests[column].value) for column in excluded]
        return f"{name} is not {' or '.join(others)}"
    if test.kind == FLAGS:
        return f"{name} is {not steps[-1][2]}"
    low = [(threshold, column) for column, threshold, below, _ in steps if not below]
    high = [(threshold, column) for column, threshold, below, _ in steps if below]
    text = name
    if low:
        threshold, column = max(low)
        bound = _bound(columns[:, column], threshold, test.kind)
        text = f"{name} > {bound}" if not high else f"{bound} < {name}"
    if high:
        threshold, column = min(high)
        text += f" <= {_bound(columns[:, column], threshold, test.kind)}"
    missing = np.isnan(columns[:, steps[0][0]]).any()
    if missing and all(step[3] for step in steps):
        text = f"({text} or missing)"
    return text


def _categories_besides(excluded, columns, tests):
    """Return the columns of the other categories, of those that occur in the rows."""
    name = tests[excluded[0]].name
    return [
        column
        for column, test in enumerate(tests)
        if test.name == name and column not in excluded and columns[:, column].any()
    ]


def _category(value):
    return {"nan": "missing", "infrequent_sklearn": "rare"}.get(value, value)


def _bound(values, threshold, kind):
    """Return the shortest number or time that splits values as a threshold does."""
    low = values[values <= threshold].max(initial=-np.inf)
    high = values[values > threshold].min(initial=np.inf)
    if kind in TIMES:
        return _time_between(low, high, threshold, kind)
    for digits in range(1, 17):
        bound = float(f"{threshold:.{digits}g}")
        if low <= bound < high:
            return f"{bound:.12g}"
    return repr(threshold)


def _time_between(low, high, threshold, kind):
    """Return a time between two, in the coarsest unit of days, minutes or seconds."""
    cls = np.datetime64 if kind in (DATES, AWARE_DATES) else np.timedelta64
    for unit, seconds in (("D", 86400), ("m", 60)):
        count = int(threshold // seconds)
        if low <= count * seconds < high:
            return str(cls(count, unit))
    return str(cls(int(threshold), "s"))
