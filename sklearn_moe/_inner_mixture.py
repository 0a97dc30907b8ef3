"""Find the mixture of experts in a model that wraps it, such as a pipeline or a search.

Only this module knows the wrappers: which parameter holds the mixture, which attribute
holds the fitted mixture, and how the rows and targets are transformed for it.
"""

from dataclasses import dataclass, replace
from typing import Any

from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV
from sklearn.pipeline import Pipeline
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted

from sklearn_moe._base import BaseMixtureOfExperts
from sklearn_moe._estimators import (
    is_estimator,
    is_mixture,
    names_of_last_step,
    nested_estimators,
    rows_of_last_step,
    transformers_before,
)
from sklearn_moe._frames import is_frame, names_known, names_of, native

THRESHOLDS = (FixedThresholdClassifier, TunedThresholdClassifierCV)


@dataclass(frozen=True)
class Seen:
    """A fitted mixture in a model, and rows and targets as transformed for it.

    Attributes
    ----------
    mixture : fitted mixture
    X : {array-like, sparse matrix, frame} or None
        The rows, transformed by the steps in front of the mixture.
    y : array-like or None
        The targets, transformed for the mixture.
    steps_names : list of str or None
        Names of the columns of X, if the steps provide them.
    transformed : bool
        Whether the model transforms the targets for the mixture.
    calibrated : bool
        Whether the model calibrates the probabilities of the mixture.
    steps : tuple of fitted transformers
        Transformers of the rows in front of the mixture.
    target_steps : tuple of fitted transformers
        Transformers of the targets.
    """

    mixture: Any
    X: Any = None
    y: Any = None
    steps_names: list | None = None
    transformed: bool = False
    calibrated: bool = False
    steps: tuple = ()
    target_steps: tuple = ()

    @property
    def names(self):
        """Names of the columns of X; x0, x1, ... where they are unknown."""
        return names_known(native(self.X), self.steps_names)


def fitted_mixture(model: Any, X: Any = None) -> tuple[Any, Any]:
    """Return the fitted mixture in a model, and the rows as the mixture sees them.

    This gives access to the methods and attributes that only a mixture has
    (`predict_gate`, `apply`, `predict_interval`, `predict_distribution`, `experts_`,
    ...) in any model that wraps one.

    Read more in the :ref:`User Guide <guide_pipelines>`.

    Parameters
    ----------
    model : fitted estimator
        A mixture, or one of these around it, however they are nested: a
        :class:`~sklearn.pipeline.Pipeline` that ends in it, a search, of which
        `best_estimator_` is taken, :class:`~sklearn.frozen.FrozenEstimator`,
        :class:`~sklearn.compose.TransformedTargetRegressor`,
        :class:`~sklearn.calibration.CalibratedClassifierCV` that holds one fitted
        mixture (``ensemble=False``),
        :class:`~sklearn.model_selection.FixedThresholdClassifier` and
        :class:`~sklearn.model_selection.TunedThresholdClassifierCV`.
    X : {array-like, sparse matrix, frame} of shape (n_samples, n_features), \
default=None
        Rows as they are given to the model. None returns the mixture only.

    Returns
    -------
    mixture : fitted mixture
        The mixture itself, not a copy.
    X : {array-like, sparse matrix, frame} or None
        The rows, transformed by the steps in front of the mixture.

    Raises
    ------
    NotFittedError
        If the model is not fitted.
    TypeError
        If there is no mixture in the model, or it is one of several estimators that
        predict together, as in :class:`~sklearn.ensemble.StackingRegressor`.
    ValueError
        If the model has several fitted mixtures, or has not kept its best one
        (``refit=False``).

    See Also
    --------
    describe : Table of the experts of a model.

    Notes
    -----
    The mixture knows nothing of what comes after it. Behind a
    `TransformedTargetRegressor` its predictions, its intervals and its distribution are
    on the transformed scale, that of a logarithm for example: the inverse of an
    increasing transformation turns the ends of an interval into those of an interval of
    the same coverage in the units of the target, but not the mean into the mean. Behind
    a `CalibratedClassifierCV` its probabilities are those before calibration, and
    behind a chosen threshold its classes are the most probable ones.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_moe import MixtureOfExpertsRegressor
    >>> from sklearn_moe.inspection import fitted_mixture
    >>> X = np.linspace(-3, 3, 200).reshape(-1, 1)
    >>> y = np.abs(X[:, 0])
    >>> moe = MixtureOfExpertsRegressor(n_experts=2, random_state=0)
    >>> model = make_pipeline(StandardScaler(), moe).fit(X, y)
    >>> mixture, rows = fitted_mixture(model, X[:3])
    >>> mixture.predict_interval(rows).shape
    (3, 2)
    """
    seen = seen_by_mixture(model, X, caller="fitted_mixture")
    return seen.mixture, seen.X


def seen_by_mixture(model, X=None, y=None, *, caller):
    """Return the fitted mixture in a model, and rows and targets as transformed for it.

    Parameters
    ----------
    model : fitted estimator
        See `fitted_mixture`.
    X, y : array-like or None
        Rows and targets, as they are given to the model.
    caller : str
        Name of the function that needs them, for messages.

    Returns
    -------
    seen : Seen
    """
    mixture, wrappers = model, []
    while (inner := _fitted_part(mixture, caller)) is not None:
        wrappers.append(mixture)
        mixture = inner
    _check_mixture(mixture, model, caller)
    # Check this before a step in front of the mixture can raise another error.
    check_is_fitted(mixture)
    seen = Seen(mixture, X, y, names_of(X) if is_frame(X) else None)
    for wrapper in wrappers:
        seen = _handed_on(wrapper, seen)
    return seen


def unfitted_mixture(model, caller):
    """Return the unfitted mixture among the parameters of a model, to be fitted again.

    The mixture of a search, which must be fitted, is that of its best estimator.
    """
    mixture = model
    while (inner := _part(mixture, caller)) is not None:
        mixture = inner
    _check_mixture(mixture, model, caller)
    if hasattr(mixture, "to_local"):
        raise TypeError(
            f"{caller} fits a mixture again to rows in memory, which a mixture of "
            "sklearn_moe.dask does not support. Give it a mixture of sklearn_moe, such "
            "as the result of to_local()."
        )
    return mixture


def with_mixture(model, mixture):
    """Return an unfitted copy of a model, in which the mixture is replaced.

    For a search, it is a copy of the best estimator. `FrozenEstimator` is removed
    around the mixture; steps in front of the mixture that are frozen stay frozen.
    """
    inner = _part(model)
    if inner is None:
        return mixture
    inner, parameter = with_mixture(inner, mixture), _parameter(model)
    if parameter is None:
        return inner
    model = clone(model).set_params(**{parameter: inner})
    if isinstance(model, CalibratedClassifierCV):
        # A frozen mixture was a single one; without it there would be one for each
        # fold.
        model.set_params(ensemble=False)
    return model


def _parameter(model):
    """Return the name of the parameter that holds the predictor of a model, or None."""
    if isinstance(model, Pipeline):
        return model.steps[-1][0]
    if isinstance(model, TransformedTargetRegressor):
        return "regressor"
    if isinstance(model, (CalibratedClassifierCV, *THRESHOLDS)):
        return "estimator"
    return None


def _part(model, caller=None):
    """Return the unfitted estimator by which a model predicts, or None."""
    parameter = _parameter(model)
    if parameter is None or isinstance(model, Pipeline):
        return _fitted_part(model, caller)
    return getattr(model, parameter)


def _fitted_part(model, caller):
    """Return the fitted estimator by which a model predicts, or None."""
    if isinstance(model, Pipeline):
        return model[-1]
    if isinstance(model, FrozenEstimator):
        return model.estimator
    if isinstance(model, TransformedTargetRegressor):
        check_is_fitted(model, "regressor_")
        return model.regressor_
    if isinstance(model, THRESHOLDS):
        check_is_fitted(model, "estimator_")
        return model.estimator_
    if isinstance(model, CalibratedClassifierCV):
        check_is_fitted(model, "calibrated_classifiers_")
        number = len(model.calibrated_classifiers_)
        if number > 1:
            raise ValueError(
                f"{caller} needs one mixture of experts, but this "
                f"CalibratedClassifierCV has fitted {number}, one for each fold. Set "
                "ensemble=False, so that it fits one."
            )
        return model.calibrated_classifiers_[0].estimator
    if hasattr(model, "best_estimator_"):
        return model.best_estimator_
    if hasattr(model, "refit") and hasattr(model, "estimator"):
        check_is_fitted(model)
        raise ValueError(
            f"{caller} needs a fitted mixture of experts, but this "
            f"{type(model).__name__} has kept none: refit={model.refit!r}. Set "
            "refit=True, or give the name of a score."
        )
    return None


def _check_mixture(mixture, model, caller):
    """Raise TypeError if the innermost estimator of a model is not a mixture."""
    if isinstance(mixture, BaseMixtureOfExperts):
        return
    message = f"{caller} needs a mixture of experts; got {model!r}."
    if mixture is not model:
        message += f" It predicts by {mixture!r}."
    if any(is_mixture(e) for each in (model, mixture) for e in _estimators_in(each)):
        message += (
            " There is a mixture in it, but it does not predict by that alone. Give "
            "that mixture itself, or a pipeline that ends in it."
        )
    raise TypeError(message)


def _estimators_in(model):
    return nested_estimators(model) if is_estimator(model) else []


def _handed_on(model, seen):
    """Return the mixture, rows and targets as a fitted wrapper passes them on."""
    if isinstance(model, TransformedTargetRegressor):
        y = None if seen.y is None else _transformed(model, seen.y)
        target_steps = (*seen.target_steps, model.transformer_)
        return replace(seen, y=y, transformed=True, target_steps=target_steps)
    if isinstance(model, CalibratedClassifierCV):
        return replace(seen, calibrated=True)
    if isinstance(model, Pipeline) and seen.X is not None:
        return replace(
            seen,
            X=rows_of_last_step(model, seen.X),
            steps_names=names_of_last_step(model, seen.steps_names),
            steps=(*seen.steps, *transformers_before(model)),
        )
    return seen


def _transformed(model, y):
    """Return the targets as a TransformedTargetRegressor transforms them."""
    y = check_array(y, input_name="y", ensure_2d=False, allow_nd=True)
    transformed = model.transformer_.transform(y.reshape(len(y), -1))
    return transformed.reshape(y.shape) if y.ndim == 1 else transformed
