"""Estimators nested in an estimator: last steps, frozen ones, seeds, copies of X."""

from contextlib import suppress
from copy import deepcopy

import numpy as np
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from sklearn_moe._estimators.label_encoding import LabelEncodedClassifier
from sklearn_moe._sklearn import own_params, safe_indexing

# Their estimators write into no rows unasked.
LIBRARIES = {"sklearn", "sklearn_moe", "lightgbm", "xgboost"}

# So many numbers are copied sooner than an estimator tells whether that is necessary.
FEW_NUMBERS = 1000


def last_step(estimator):
    """Return the last step of a pipeline, or any other estimator itself."""
    if isinstance(estimator, LabelEncodedClassifier):
        estimator = estimator.classifier_
    return estimator[-1] if isinstance(estimator, Pipeline) else estimator


def rows_of_last_step(pipeline, X):
    """Return rows as the last step of a fitted pipeline is shown them to predict.

    A sampler has no part in that.
    """
    before = _transformers(pipeline)
    return X if before is None else before.transform(X)


def names_of_last_step(pipeline, names):
    """Return the names of the columns of these rows, given those of the pipeline's.

    None means that nobody knows them: not all transformers can tell.
    """
    before = _transformers(pipeline)
    if before is None:
        return names
    with suppress(AttributeError, ValueError):
        return before.get_feature_names_out(names).tolist()
    return None


def transformers_before(pipeline):
    """Return the steps of a pipeline that rows go through before the last."""
    return [step for _, step in pipeline.steps[:-1] if not is_sampler(step)]


def _transformers(pipeline):
    """Return the steps before the last as a pipeline, or None if there are none."""
    steps = [named for named in pipeline.steps[:-1] if not is_sampler(named[1])]
    return Pipeline(steps) if steps else None


def is_sampler(step):
    """Return whether a step is one that adds or drops rows when it is fitted."""
    return hasattr(step, "fit_resample")


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
    if type(X) is np.ndarray and X.size <= FEW_NUMBERS:
        return X.copy(order="K")
    return copied(X) if may_overwrite(estimator) else X


def copied(X):
    """Return a copy of an array, frame, matrix or list that shares no memory."""
    if isinstance(X, (list, tuple)):
        return deepcopy(X)
    # A frame that is asked for all of its rows may return itself.
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
    """Return whether an estimator is known not to write into the rows it is given.

    That is known of libraries, unless a parameter lets them (see `may_overwrite`), and
    of no function or class of a user's.
    """
    return all(
        type(nested).__module__.partition(".")[0] in LIBRARIES
        and not (isinstance(nested, FunctionTransformer) and nested.func)
        for nested in nested_estimators(unwrap_frozen(estimator))
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
    for inner in parts_of(estimator):
        found.extend(nested_estimators(inner))
    return found


def parts_of(estimator):
    """Return the estimators that are in the parameters of an estimator itself."""
    return list(_estimators_in(_contents(estimator)))


def _estimators_in(values):
    """Yield the estimators among values, or in lists, tuples and dicts among them."""
    for value in values:
        if is_estimator(value):
            yield value
        else:
            yield from _estimators_in(_contents(value))


def holds_itself(value, around=()):
    """Return whether an estimator, or a list, tuple or dict, is found within itself."""
    if any(value is outer for outer in around):
        return True
    return any(holds_itself(inner, (*around, value)) for inner in _contents(value))


def _contents(value):
    """Parameters of an estimator, or what is in a list, a tuple or a dict."""
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
