"""Leading steps of pipelines whose fit does not depend on the weights.

A preprocessing step of an expert that uses neither the target nor the sample weights,
such as an encoder, is the same in each M-step, and in all clones of the expert. It is
therefore fitted only once, to all rows, which are also transformed only once, as if the
step preceded the mixture. An M-step fits only the remaining steps; after EM the fitted
pipeline is composed of both parts.

A step that uses the target, takes sample weights, or adds or drops rows is fitted in
each M-step, and so are all steps after it.
"""

from copy import copy
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.pipeline import Pipeline
from sklearn.utils import check_consistent_length

from sklearn_moe._estimators import (
    LabelEncodedClassifier,
    copy_if_overwriting,
    error_note,
    learns_rows_alone,
    leaves_rows_alone,
    nested_estimators,
    seeded_clone,
)
from sklearn_moe._frames import is_table
from sklearn_moe._rows import LocalRows
from sklearn_moe._sklearn import safe_indexing
from sklearn_moe.experts.scaled_columns import (
    ScaledColumns,
    place,
    with_scalers,
    without_scalers,
)


@dataclass(frozen=True)
class Division:
    """An unfitted expert, divided into the steps that are shared and the rest.

    Attributes
    ----------
    expert : estimator
        The whole expert.
    rest : estimator
        The part that is fitted in each M-step.
    front : Pipeline or None
        The shared steps, followed by "passthrough". None if no step is shared.
    key : object
        Equal for experts that share the same steps.
    """

    expert: Any
    rest: Any
    front: Any = None
    key: Any = None

    @classmethod
    def of(cls, k, expert, random_state):
        """Divide expert `k`; every `random_state` that is None is set to a seed."""
        front, rest = divide(expert)
        # An estimator that may overwrite its rows cannot share them.
        if front is None or not leaves_rows_alone(rest):
            return cls(expert, expert)
        key = tuple(map(id, _sources(expert)))
        if _draws(front):
            # Each clone has its own seed, so that clones do not share the steps.
            key = k, key
        expert = seeded_clone(expert, random_state)
        front, rest = divide(expert)
        return cls(expert, rest, front, key)


class PreparedRows:
    """Rows after the shared steps of each expert.

    Parameters
    ----------
    divisions : list of Division
    names : list of str
        Names of the experts.
    rows : Rows
        They must lie in one block if any step is shared.
    train : ndarray of int, default=None
        Rows to which the steps are fitted; None means all.
    """

    def __init__(self, divisions, names, rows, train=None):
        self._divisions = divisions
        self._prepared = {None: (None, rows)}
        for division, name in zip(divisions, names):
            if division.key not in self._prepared:
                with error_note(f"expert {name!r}", rows.block.X):
                    front, X = _prepare(clone(division.front), rows.block, train)
                prepared = LocalRows(replace(rows.block, X=X))
                self._prepared[division.key] = front, prepared

    def rows(self, k):
        """Return the rows to which the remaining steps of expert `k` are fitted."""
        return self._prepared[self._divisions[k].key][1]

    def block(self, k):
        """Return the block of these rows, or None if no step is shared."""
        return None if self._divisions[k].front is None else self.rows(k).block

    def fitter(self, k, fitter):
        """Return the fitter of expert `k` for these rows, with the columns to scale."""
        division = self._divisions[k]
        if division.front is None or not _scaled_columns(fitter.estimator):
            return fitter
        fitter = copy(fitter)
        fitter.estimator = clone(fitter.estimator)
        (scaled,) = _scaled_columns(fitter.estimator)
        place(scaled, _last_transformer(self._prepared[division.key][0]))
        return fitter

    def whole(self, k, rest):
        """Return the whole fitted expert `k`, given its fitted remaining steps."""
        division = self._divisions[k]
        if division.front is None:
            return rest
        return join(division.expert, self._prepared[division.key][0], rest)


def _prepare(front, block, train):
    """Fit the shared steps, and transform all rows."""
    own, y = copy_if_overwriting(block.X, front), block.y
    if train is not None:
        own, y = safe_indexing(own, train), y[train]
    # The result of `fit_transform` may differ from that of `transform`, which
    # predictions use.
    front.fit(own, y)
    X = _indexable(front.transform(copy_if_overwriting(block.X, front)))
    check_consistent_length(X, block.y)
    return front, X


def _indexable(X):
    """Convert X to a format whose rows can be selected."""
    if issparse(X):
        return X.tocsr()
    if hasattr(X, "shape"):
        return X
    # Texts may be an iterator.
    X = X if hasattr(X, "__len__") else list(X)
    return np.asarray(X) if is_table(X) else X


def _scaled_columns(rest):
    return [each for each in nested_estimators(rest) if isinstance(each, ScaledColumns)]


def _last_transformer(front):
    while isinstance(front, Pipeline):
        front = front.steps[-2][1]
    return front


def _sources(expert):
    """Return the objects in an expert that are shared."""
    if isinstance(expert, TransformedTargetRegressor):
        return _sources(expert.regressor)
    if isinstance(expert, ColumnTransformer):
        return [expert]
    shared = [step for _, step in _leading(expert)]
    _, following = expert.steps[len(shared)]
    if divide(following)[0] is not None:
        shared += _sources(following)
    return [step for step in shared if not _is_passthrough(step)]


def _draws(front):
    """Return whether some step has a `random_state` of None."""
    return any(
        step.get_params(deep=False).get("random_state", "none") is None
        for step in nested_estimators(front)
    )


def through_common_steps(named_experts, X):
    """Transform rows once by the leading steps that all experts have in common.

    Parameters
    ----------
    named_experts : dict of fitted estimators
    X : array-like or frame of shape (n_samples, n_features)

    Returns
    -------
    named_experts : dict of fitted estimators
        The experts without these steps.
    X : array-like or frame of shape (n_samples, n_other_features)
        The rows, transformed by the steps.
    """
    experts = named_experts.values()
    if len(experts) < 2 or any(type(expert) is not Pipeline for expert in experts):
        return named_experts, X
    steps = zip(*([step for _, step in expert.steps[:-1]] for expert in experts))
    n_common = sum(1 for _ in takewhile(_are_one, steps))
    if not n_common:
        return named_experts, X
    others = {
        name: _of_steps(expert, expert.steps[n_common:])
        for name, expert in named_experts.items()
    }
    if not all(map(leaves_rows_alone, others.values())):
        return named_experts, X
    first, *_ = experts
    front = _of_steps(first, first.steps[:n_common])
    with error_note("the experts", X):
        X = _indexable(front.transform(copy_if_overwriting(X, front)))
    return others, X


def _are_one(steps):
    return all(step is steps[0] for step in steps)


def divide(expert):
    """Divide an expert into the steps that are shared and the rest.

    Returns
    -------
    front : Pipeline or None
        The shared steps; None if there are none.
    rest : estimator
        The rest. Only changed estimators are copied.
    """
    # Subclasses are not divided, since they may override `fit`.
    if type(expert) is TransformedTargetRegressor:
        front, rest = divide(expert.regressor)
        if front is None:
            return None, expert
        return front, copy(expert).set_params(regressor=rest)
    if type(expert) is ColumnTransformer:
        return without_scalers(expert)
    if type(expert) is not Pipeline or not expert.steps:
        return None, expert
    if getattr(expert, "transform_input", None) is not None:
        return None, expert
    shared = _leading(expert)
    (name, following), *others = expert.steps[len(shared) :]
    inner, rest = divide(following)
    if inner is not None:
        shared = [*shared, (name, inner)]
    if not shared:
        return None, expert
    # "passthrough" comes last, since a pipeline with a memory caches all other steps.
    front = _of_steps(expert, [*shared, ("end of shared steps", "passthrough")])
    return front, _of_steps(expert, [(name, rest), *others]) if others else rest


def join(expert, front, rest):
    """Compose a fitted expert of its fitted parts: the inverse of `divide`.

    Parameters
    ----------
    expert : estimator
        The expert that was divided.
    front : Pipeline
        The fitted shared steps.
    rest : estimator
        The fitted rest. It is another estimator if a classifier was fitted to rows of
        one class.
    """
    if isinstance(rest, LabelEncodedClassifier):
        whole = join(expert, front, rest.classifier_)
        return LabelEncodedClassifier(expert).take(whole, rest.classes_)
    if isinstance(expert, TransformedTargetRegressor):
        return _join_regressor(expert, front, rest)
    if isinstance(expert, ColumnTransformer):
        return with_scalers(expert, front, rest)
    shared, n_shared = front.steps[:-1], len(_leading(expert))
    (name, following), *others = expert.steps[n_shared:]
    if others and not isinstance(rest, Pipeline):
        # Another estimator replaces all steps that were to be fitted.
        return _of_steps(expert, [*shared, (expert.steps[-1][0], rest)])
    (_, first), *others = rest.steps if others else [(name, rest)]
    if len(shared) > n_shared:
        first = join(following, shared[n_shared][1], first)
    return _of_steps(expert, [*shared[:n_shared], (name, first), *others])


def _join_regressor(expert, front, rest):
    whole = copy(rest)
    whole.regressor = expert.regressor
    whole.regressor_ = join(expert.regressor, front, rest.regressor_)
    vars(whole).pop("feature_names_in_", None)
    if hasattr(whole.regressor_, "feature_names_in_"):
        whole.feature_names_in_ = whole.regressor_.feature_names_in_
    return whole


def _leading(pipeline):
    """Return the leading steps of a pipeline that are shared as a whole."""
    return list(takewhile(_is_shared, pipeline.steps[:-1]))


def _is_shared(step):
    _, transformer = step
    return _is_passthrough(transformer) or learns_rows_alone(transformer)


def _is_passthrough(transformer):
    return transformer is None or transformer == "passthrough"


def _of_steps(pipeline, steps):
    """Return a copy of a pipeline with other steps."""
    other = copy(pipeline)
    other.steps = steps
    return other
