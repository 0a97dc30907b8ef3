"""Estimators nested in an estimator: last steps, frozen ones, seeds, copies of X."""

import numpy as np
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

from sklearn_moe._sklearn import safe_indexing


def last_step(estimator):
    """Return the last step of a pipeline, or any other estimator itself."""
    return estimator[-1] if isinstance(estimator, Pipeline) else estimator


def unwrap_frozen(estimator):
    """Return the estimator in a FrozenEstimator, or any other estimator itself."""
    return estimator.estimator if isinstance(estimator, FrozenEstimator) else estimator


def seeded_clone(estimator, random_state):
    """Return a clone whose `random_state` parameters that are None are drawn."""
    estimator = clone(estimator)
    for nested in nested_estimators(estimator):
        if nested.get_params(deep=False).get("random_state", "none") is None:
            nested.set_params(random_state=random_state.randint(np.iinfo(np.int32).max))
    return estimator


def copy_if_overwriting(X, estimator):
    """Return X, or a copy of it if the estimator may overwrite its input."""
    return safe_indexing(X, np.arange(X.shape[0])) if may_overwrite(estimator) else X


def may_overwrite(estimator):
    """Return whether a parameter such as `copy_X` lets an estimator overwrite X."""
    return any(
        value is False
        for nested in nested_estimators(unwrap_frozen(estimator))
        for name, value in nested.get_params(deep=False).items()
        if name.lower() in ("copy", "copy_x")
    )


def nested_estimators(estimator):
    """Return the estimator and all estimators in its parameters.

    Frozen estimators are left out, and so are the experts and the gate of a mixture,
    which looks after them.
    """
    if isinstance(estimator, FrozenEstimator):
        return []
    if is_mixture(estimator):
        return [estimator]
    found = [estimator]
    for value in estimator.get_params(deep=False).values():
        for inner in _estimators_in(value):
            found.extend(nested_estimators(inner))
    return found


def _estimators_in(value):
    """Yield the estimators in a parameter, which may be a list, a tuple or a dict."""
    if is_estimator(value):
        yield value
    elif isinstance(value, (list, tuple, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _estimators_in(item)


def is_estimator(value):
    """Return whether a value is an instance of an estimator."""
    is_instance = not isinstance(value, type)
    return is_instance and hasattr(value, "fit") and hasattr(value, "get_params")


def is_mixture(estimator):
    """Return whether an estimator is a mixture of experts."""
    return hasattr(estimator, "predict_gate")
