"""Nested estimators: last steps of pipelines, frozen estimators, seeds, copies of X."""

from contextlib import suppress
from copy import deepcopy

import numpy as np
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from sklearn_moe._estimators.label_encoding import LabelEncodedClassifier
from sklearn_moe._sklearn import own_params, safe_indexing

# The estimators of these libraries do not overwrite X unless a parameter allows it.
LIBRARIES = {"sklearn", "sklearn_moe", "lightgbm", "xgboost"}

# Copying up to this many numbers is faster than finding out whether it is necessary.
FEW_NUMBERS = 1000


def last_step(estimator):
    """Return the last step of a pipeline, or any other estimator itself."""
    if isinstance(estimator, LabelEncodedClassifier):
        estimator = estimator.classifier_
    return estimator[-1] if isinstance(estimator, Pipeline) else estimator


def rows_of_last_step(pipeline, X):
    """Return the rows for which the last step of a fitted pipeline predicts.

    Samplers are skipped, as in predictions.
    """
    before = _transformers(pipeline)
    return X if before is None else before.transform(X)


def names_of_last_step(pipeline, names):
    """Return the column names of `rows_of_last_step`, given those of the input.

    Return None if some transformer does not provide its output names.
    """
    before = _transformers(pipeline)
    if before is None:
        return names
    with suppress(AttributeError, ValueError):
        return before.get_feature_names_out(names).tolist()
    return None


def transformers_before(pipeline):
    """Return the steps of a pipeline that transform rows before the last step."""
    return [step for _, step in pipeline.steps[:-1] if not is_sampler(step)]


def _transformers(pipeline):
    """Return the steps before the last as a pipeline, or None if there are none."""
    steps = [named for named in pipeline.steps[:-1] if not is_sampler(named[1])]
    return Pipeline(steps) if steps else None


def is_sampler(step):
    """Return whether a step is a sampler, which adds or drops rows when fitted."""
    return hasattr(step, "fit_resample")


def unwrap_frozen(estimator):
    """Return the estimator in a FrozenEstimator, or any other estimator itself."""
    return estimator.estimator if isinstance(estimator, FrozenEstimator) else estimator


def seeded_clone(estimator, random_state):
    """Return a clone in which each `random_state` of None is replaced by a seed."""
    estimator = clone(estimator)
    for nested in nested_estimators(estimator):
        if nested.get_params(deep=False).get("random_state", "none") is None:
            nested.set_params(random_state=random_state.randint(np.iinfo(np.int32).max))
    return estimator


def reseeded(fitted, unfitted):
    """Return a copy of a fitted estimator with each `random_state` of a clone of it."""
    seeds = {
        name: value
        for name, value in unfitted.get_params().items()
        if name.rpartition("__")[2] == "random_state"
    }
    return deepcopy(fitted).set_params(**seeds)


def copy_if_overwriting(X, estimator):
    """Return X, or a copy of it if the estimator may overwrite its input."""
    if type(X) is np.ndarray and X.size <= FEW_NUMBERS:
        return X.copy(order="K")
    return copied(X) if may_overwrite(estimator) else X


def copied(X):
    """Return a copy of an array, frame, matrix or list that shares no memory."""
    if isinstance(X, (list, tuple)):
        return deepcopy(X)
    # Selecting all rows of a frame by a slice may return the frame itself.
    return X.copy() if hasattr(X, "copy") else safe_indexing(X, np.arange(X.shape[0]))


def may_overwrite(estimator):
    """Return whether a parameter such as `copy_X` lets an estimator overwrite X."""
    return any(
        value is False
        for nested in nested_estimators(unwrap_frozen(estimator))
        for name, value in own_params(nested).items()
        if name.lower() in ("copy", "copy_x")
    )


def leaves_rows_alone(estimator):
    """Return whether an estimator is known not to overwrite the rows passed to it.

    This is known for some libraries, unless a parameter allows it (see
    `may_overwrite`), but not for functions and classes of users.
    """
    return all(
        type(nested).__module__.partition(".")[0] in LIBRARIES
        and not (isinstance(nested, FunctionTransformer) and nested.func)
        for nested in nested_estimators(unwrap_frozen(estimator))
    )


def nested_estimators(estimator):
    """Return the estimator and all estimators in its parameters.

    Frozen estimators are left out, and so are the experts and the gate of a mixture,
    which handles these itself.
    """
    if isinstance(estimator, FrozenEstimator):
        return []
    if is_mixture(estimator):
        return [estimator]
    found = [estimator]
    for inner in parts_of(estimator):
        found.extend(nested_estimators(inner))
    return found


def parts_of(estimator):
    """Return the estimators in the parameters of an estimator, but not their parts."""
    return list(_estimators_in(_contents(estimator)))


def _estimators_in(values):
    """Yield the estimators among values, including those in lists, tuples and dicts."""
    for value in values:
        if is_estimator(value):
            yield value
        else:
            yield from _estimators_in(_contents(value))


def holds_itself(value, around=()):
    """Return whether an estimator, list, tuple or dict contains itself."""
    if any(value is outer for outer in around):
        return True
    return any(holds_itself(inner, (*around, value)) for inner in _contents(value))


def _contents(value):
    """Return the parameters of an estimator, or the items of a list, tuple or dict."""
    if is_estimator(value):
        value = own_params(value)
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, (list, tuple)) else ()


def is_estimator(value):
    """Return whether a value is an instance of an estimator."""
    is_instance = not isinstance(value, type)
    return is_instance and hasattr(value, "fit") and hasattr(value, "get_params")


def is_mixture(estimator):
    """Return whether an estimator is a mixture of experts."""
    return hasattr(estimator, "predict_gate")
