"""Parameters of linear experts and gates, and derivatives by their predictors."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import block_diag
from scipy.sparse import issparse
from scipy.special import softmax
from sklearn.base import is_classifier
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

from sklearn_moe._estimators import names_of_last_step, rows_of_last_step
from sklearn_moe._frames import as_array, names_known
from sklearn_moe.experts import is_uniform
from sklearn_moe.gates import SoftmaxGate, softmax_columns
from sklearn_moe.likelihoods import GaussianNoise, PoissonNoise


@dataclass(frozen=True)
class Derivatives:
    """Linear predictors of an expert or of the gate, and derivatives by them.

    The score of an expert holds the derivatives of the log density of each target, of
    shape (n_samples, n_predictors). That of the gate holds the derivatives of the
    logarithm of each weight, of shape (n_samples, n_experts, n_predictors). The
    curvature holds the negative second derivatives, of shape (n_samples, n_predictors,
    n_predictors), which are the same for all gate weights.
    """

    predictors: list
    score: np.ndarray
    curvature: np.ndarray


@dataclass(frozen=True)
class LinearPredictor:
    """Parameters whose product with a design matrix is one number for each row.

    The label of a parameter is a pair: an expert or ``"gate: <expert>"``, and its own
    name. The columns of the design, of shape (n_samples, n_parameters), are
    standardised, so that units and origins do not matter. The Jacobian holds the
    derivatives of the parameters by those of the standardised design. The expected
    information is that of one row about the predictor if it is known which expert the
    row came from. `tested` is whether a test of zero makes sense for the parameters.
    """

    labels: list
    estimate: np.ndarray
    design: np.ndarray
    jacobian: np.ndarray
    expected_information: float
    tested: bool = True


@dataclass(frozen=True)
class LinearModel:
    """Coefficients of a linear model, with its input columns and the weights of rows.

    The coefficients have the shape (n_predictors, n_columns). The intercept is None for
    a model without one. The offset is a number that was given, not estimated.
    """

    names: list
    columns: np.ndarray
    weights: np.ndarray
    coef: np.ndarray
    intercept: np.ndarray | None
    offset: float = 0.0

    @classmethod
    def of(cls, estimator, X, weights, names, link=None):
        """Return the linear model at the end of a fitted expert, or None.

        `link` makes a linear predictor of what a constant predicts.
        """
        last, seen, names = last_step_and_input(estimator, X, names)
        if link and isinstance(last, DummyRegressor):
            return cls._constant(last, weights, link)
        # The coefficients of a frozen estimator were given, not estimated.
        frozen = isinstance(last, FrozenEstimator)
        if frozen or not (hasattr(last, "coef_") and hasattr(last, "intercept_")):
            return None
        columns = dense(seen)
        coef = np.atleast_2d(np.asarray(last.coef_, np.float64))
        if coef.shape[1] != columns.shape[1]:
            return None
        intercept = None
        if getattr(last, "fit_intercept", True):
            intercept = np.asarray(last.intercept_, np.float64).reshape(len(coef))
        return cls(names, columns, weights, coef, intercept)

    @classmethod
    def _constant(cls, dummy, weights, link):
        """Return the model of a constant: a mean, or a number that was given."""
        nothing = [], np.empty((len(weights), 0)), weights, np.empty((1, 0))
        with np.errstate(divide="ignore"):
            value = link(dummy.constant_.ravel())
        if dummy.strategy == "mean":
            return cls(*nothing, value)
        given = dummy.strategy == "constant"
        return cls(*nothing, None, value.item()) if given else None

    @property
    def values(self):
        """Values of the linear predictors, shape (n_samples, n_predictors)."""
        values = self.columns @ self.coef.T + self.offset
        return values if self.intercept is None else values + self.intercept

    def against_first(self):
        """Return the model of the differences to the first linear predictor."""
        intercept = self.intercept
        if intercept is not None:
            intercept = intercept[1:] - intercept[0]
        return replace(self, coef=self.coef[1:] - self.coef[0], intercept=intercept)

    def predictors(self, prefixes, expected_information):
        """Return a list of linear predictors.

        A prefix is a pair: the name of an expert or of the gate, and a prefix for the
        name of each parameter.
        """
        names, estimates = self.names, self.coef
        mean = np.zeros(self.columns.shape[1])
        if self.intercept is not None:
            names = ["(intercept)", *names]
            estimates = np.column_stack([self.intercept, self.coef])
            mean = np.average(self.columns, axis=0, weights=self.weights)
        centred = self.columns - mean
        scale = np.sqrt(np.average(centred**2, axis=0, weights=self.weights))
        # A column that varies by rounding only is constant.
        constant = scale <= 1e-12 * np.abs(mean)
        design = np.where(constant, 0.0, centred / np.where(constant, 1.0, scale))
        jacobian = np.diag(1 / np.where(constant, 1.0, scale))
        if self.intercept is not None:
            design = np.column_stack([np.ones(len(design)), design])
            jacobian = block_diag(1.0, jacobian)
            jacobian[0, 1:] = -mean * jacobian.diagonal()[1:]
        predictors = []
        for (part, prefix), estimate in zip(prefixes, estimates):
            labels = [(part, prefix + name) for name in names]
            predictors.append(
                LinearPredictor(
                    labels, estimate, design, jacobian, expected_information
                )
            )
        return predictors


def expert_derivatives(mixture, X, y, weights, column_names, exposure=None):
    """Return the derivatives of the log density of encoded targets for each expert."""
    if y.ndim > 1:
        raise ValueError(
            f"summary needs a mixture with one target; y has {y.shape[1]} of them."
        )
    # Settings are the values that a log density needs besides the linear predictors.
    settings, link = [None] * len(mixture.experts_), None
    point_mass = np.zeros(len(mixture.experts_), dtype=bool)
    noise = None if is_classifier(mixture) else mixture.noise_
    if is_classifier(mixture):
        differentiate, supported = _logistic_expert, "LogisticRegression"
        settings = [mixture.classes_] * len(mixture.experts_)
    elif isinstance(noise, GaussianNoise) and not noise.common_scale:
        differentiate, supported = _gaussian_expert, "such as LinearRegression"
        settings, link = noise.scale_, np.copy
    elif isinstance(noise, PoissonNoise):
        differentiate, supported = _poisson_expert, "PoissonRegressor"
        exposure = np.ones(len(y)) if exposure is None else np.asarray(exposure)
        settings, link = [exposure] * len(mixture.experts_), np.log
        point_mass = noise.floor_ == 0
    else:
        raise TypeError(
            "summary supports Poisson noise, and gaussian noise of a scale for each "
            f"expert; the noise of this mixture is {noise!r}."
        )
    experts = []
    for k, (name, expert) in enumerate(mixture.named_experts_.items()):
        if is_uniform(expert) or point_mass[k]:
            # Its density has no parameters.
            nothing = np.empty((len(y), 0))
            experts.append(Derivatives([], nothing, nothing[:, :, np.newaxis]))
            continue
        model = LinearModel.of(expert, X, weights, column_names, link)
        derivatives = None
        if model is not None:
            derivatives = differentiate(model, name, expert, X, y, settings[k])
        if derivatives is None:
            raise TypeError(
                f"summary needs linear experts that EM has fitted, here {supported}, "
                f"or pipelines that end in one; expert {name!r} is {expert!r}."
            )
        experts.append(derivatives)
    return experts


def _gaussian_expert(model, name, expert, X, y, scale):
    [mean] = model.values.T
    if not agree(mean, expert.predict(X)):
        return None
    error = (y - mean) / scale
    # The logarithm of a scale is closer to normal in small samples than the scale.
    log_scale = LinearPredictor(
        [(name, "(scale)")],
        np.array([scale]),
        np.ones((len(y), 1)),
        np.array([[scale]]),
        2.0,
        tested=False,
    )
    curvature = np.empty((len(y), 2, 2))
    curvature[:, 0, 0] = 1 / scale**2
    curvature[:, 0, 1] = curvature[:, 1, 0] = 2 * error / scale
    curvature[:, 1, 1] = 2 * error**2
    score = np.column_stack([error / scale, error**2 - 1])
    predictors = [*model.predictors([(name, "")], 1 / scale**2), log_scale]
    return Derivatives(predictors, score, curvature)


def _poisson_expert(model, name, expert, X, y, exposure):
    mean = np.exp(model.values)
    if not agree(mean[:, 0], expert.predict(X)):
        return None
    mean = mean * exposure.reshape(-1, 1)
    predictors = model.predictors([(name, "")], np.average(y, weights=model.weights))
    return Derivatives(predictors, y[:, np.newaxis] - mean, mean[:, :, np.newaxis])


def _logistic_expert(model, name, expert, X, y, classes):
    prefixes = [(name, "")]
    if len(model.coef) > 1:
        prefixes = [(name, f"{label}: ") for label in classes[1:]]
        model = model.against_first()
    logits = np.column_stack([np.zeros(len(y)), model.values])
    probability = softmax(logits, axis=1)
    if not (
        hasattr(expert, "predict_proba")
        and agree(probability, expert.predict_proba(X))
        and np.array_equal(expert.classes_, classes)
    ):
        return None
    observed = y[:, np.newaxis] == np.arange(len(classes))
    score = (observed - probability)[:, 1:]
    return Derivatives(
        model.predictors(prefixes, 1.0), score, _softmax_curvature(probability)
    )


def agree(computed, predicted):
    """Return whether the predictions of an expert match its coefficients."""
    tolerance = 1e-4 * np.abs(computed).max()
    return computed.shape == predicted.shape and np.allclose(
        computed, predicted, rtol=1e-4, atol=tolerance
    )


def gate_derivatives(mixture, X, weights, column_names, subjects=None):
    """Return derivatives of log gate weights by logits relative to the first expert."""
    fitted = replace(mixture._fitted(), subjects=subjects, known=None)
    gate_weights = np.exp(fitted.log_gate(X)).astype(np.float64)
    others = list(mixture.named_experts_)[1:]
    predictors = []
    if others:
        model = _gate_model(
            mixture.gate_, X, weights, gate_weights, column_names, subjects
        ).against_first()
        predictors = model.predictors([(f"gate: {name}", "") for name in others], 1.0)
    score = (np.eye(len(others) + 1) - gate_weights[:, np.newaxis])[:, :, 1:]
    return Derivatives(predictors, score, _softmax_curvature(gate_weights))


def _gate_model(gate, X, weights, gate_weights, names, subjects):
    """Return the linear model of the gate's logits."""
    last, X, names = last_step_and_input(gate, X, names)
    if isinstance(last, SoftmaxGate):
        if last.encoder_ is not None:
            names = list(last.encoder_.get_feature_names_out())
        features = last._features(X)
        if subjects is not None:
            features = subjects.means(features)[subjects.codes]
        columns = dense(softmax_columns(last, features))
        return LinearModel(names, columns, weights, last.coef_, last.intercept_)
    if isinstance(last, DummyClassifier) and last.strategy == "prior":
        # All rows have the same weights. The weight of a retired expert is zero.
        log_prior = np.log(np.maximum(gate_weights[0], np.finfo(np.float64).tiny))
        columns = np.empty((len(gate_weights), 0))
        coef = np.empty((len(log_prior), 0))
        return LinearModel([], columns, weights, coef, log_prior)
    raise TypeError(
        "summary needs a SoftmaxGate, a pipeline that ends in one, or a constant gate, "
        f'DummyClassifier(strategy="prior"); the gate is {gate!r}.'
    )


def _softmax_curvature(probability):
    """Return the negative Hessian of log probabilities by logits without the first."""
    others = probability[:, 1:, np.newaxis]
    return others * (np.eye(others.shape[1]) - others.swapaxes(1, 2))


def last_step_and_input(estimator, X, names):
    """Return the last step of a fitted pipeline, its input, and the columns' names."""
    while isinstance(estimator, Pipeline):
        names = names_of_last_step(estimator, names)
        X = rows_of_last_step(estimator, X)
        estimator = estimator[-1]
    return estimator, X, names_known(X, names)


def dense(columns):
    """Return columns as a dense array of float64."""
    columns = as_array(columns)
    columns = columns.toarray() if issparse(columns) else columns
    return columns.astype(np.float64)
