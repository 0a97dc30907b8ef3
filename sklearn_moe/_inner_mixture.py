"""The mixture of experts in a model: in a pipeline, in a search, behind a transformer.

Models that wrap a mixture are known here and nowhere else: which parameter they keep it
in, which attribute has it once they are fitted, and what it sees of rows and targets.
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
    """A fitted mixture in a model, and what it sees of rows and targets.

    Attributes
    ----------
    mixture : fitted mixture
    X : {array-like, sparse matrix, frame} or None
        The rows, as the steps in front of the mixture hand them on.
    y : array-like or None
        The targets, as they are transformed for the mixture.
    steps_names : list of str or None
        Names of the columns of X, if the steps tell them.
    transformed : bool
        Whether the targets of the mixture are not those of the model.
    calibrated : bool
        Whether its probabilities are not those of the model.
    steps : tuple of fitted transformers
        Those in front of the mixture.
    target_steps : tuple of fitted transformers
        Those that targets go through.
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
        """Names of the columns of X; x0, x1, ... where nobody knows them."""
        return names_known(native(self.X), self.steps_names)


def fitted_mixture(model: Any, X: Any = None) -> tuple[Any, Any]:
    """Return the fitted mixture in a model, and the rows as the mixture sees them.

    What only a mixture has (`predict_gate`, `apply`, `predict_interval`,
    `predict_distribution`, `experts_`, ...) can so be had of any model around one.

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
        Rows as they are given to the model. None means that only the mixture is
        wanted.

    Returns
    -------
    mixture : fitted mixture
        The mixture itself, no copy of it.
    X : {array-like, sparse matrix, frame} or None
        The rows, as the steps in front of the mixture hand them on to it.

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
    """Return the fitted mixture in a model, and what it sees of rows and targets.

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
    # Before any step can complain.
    check_is_fitted(mixture)
    seen = Seen(mixture, X, y, names_of(X) if is_frame(X) else None)
    for wrapper in wrappers:
        seen = _handed_on(wrapper, seen)
    return seen


def unfitted_mixture(model, caller):
    """Return the mixture that a model has as a parameter, to be fitted in memory.

    Of a search, which must be fitted, it is that of its best estimator.
    """
    mixture = model
    while (inner := _part(mixture, caller)) is not None:
        mixture = inner
    _check_mixture(mixture, model, caller)
    if hasattr(mixture, "to_local"):
        raise TypeError(
            f"{caller} fits a mixture again to rows in memory, which one over Dask "
            "collections is not made for. Give it a mixture of sklearn_moe, such as "
            "the result of to_local()."
        )
    return mixture


def with_mixture(model, mixture):
    """Return an unfitted model like this one, in which the mixture is another.

    Of a search it is like the best estimator. What is frozen around the mixture is so
    no longer; steps in front of it that are frozen stay as they are.
    """
    inner = _part(model)
    if inner is None:
        return mixture
    inner, parameter = with_mixture(inner, mixture), _parameter(model)
    if parameter is None:
        return inner
    model = clone(model).set_params(**{parameter: inner})
    if isinstance(model, CalibratedClassifierCV):
        # One mixture, which a frozen one was, or there would be one for each fold.
        model.set_params(ensemble=False)
    return model


def _parameter(model):
    """Name of the parameter with the estimator by which a model predicts, or None."""
    if isinstance(model, Pipeline):
        return model.steps[-1][0]
    if isinstance(model, TransformedTargetRegressor):
        return "regressor"
    if isinstance(model, (CalibratedClassifierCV, *THRESHOLDS)):
        return "estimator"
    return None


def _part(model, caller=None):
    """The estimator in a model by which it predicts, as it was given, or None."""
    parameter = _parameter(model)
    if parameter is None or isinstance(model, Pipeline):
        return _fitted_part(model, caller)
    return getattr(model, parameter)


def _fitted_part(model, caller):
    """The fitted estimator in a model by which it predicts, or None."""
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
    """Raise an error that says what there is in a model where there is no mixture."""
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
    """What the estimator in a fitted model sees of what the model is given."""
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
    """Targets as a TransformedTargetRegressor hands them on."""
    y = check_array(y, input_name="y", ensure_2d=False, allow_nd=True)
    transformed = model.transformer_.transform(y.reshape(len(y), -1))
    return transformed.reshape(y.shape) if y.ndim == 1 else transformed
