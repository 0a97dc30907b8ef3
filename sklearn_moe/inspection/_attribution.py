"""Attribute answers of experts and logits of the gate to the columns of a table."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import issparse
from scipy.special import expit, softmax
from sklearn.base import is_classifier
from sklearn.compose import TransformedTargetRegressor
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.pipeline import Pipeline

from sklearn_moe._estimators import last_step, rows_of_last_step, unwrap_frozen
from sklearn_moe._sklearn import num_samples
from sklearn_moe.experts import ends_in_mixture, is_uniform, mixture_within, values_of
from sklearn_moe.gates import SoftmaxGate, softmax_columns
from sklearn_moe.inspection._derivatives import agree, dense
from sklearn_moe.inspection._origins import (
    Origins,
    UntraceableError,
    line_of,
    trace_pipeline,
)

# Number of quadrature nodes on the path from the reference to a row, for more than two
# classes.
N_NODES = 64

# The scales of linear predictors.
PREDICTION, LOGARITHM, LOG_ODDS = "prediction", "logarithm", "log odds"
SCORE = "score against the mean of the classes"


@dataclass(frozen=True)
class Attribution:
    """Contributions of columns of a table to the answer of an expert, for some rows.

    Attributes
    ----------
    scale : str or None
        Scale of the linear predictor that the terms sum to; None if there is none.
    intercept : ndarray of shape (n_samples,)
        The linear predictor without the terms.
    terms : ndarray of shape (n_samples, n_columns)
        Values times coefficients.
    coefficients : ndarray of shape (n_columns,)
        NaN for columns without a coefficient.
    adds : ndarray of shape (n_samples, n_columns)
        Contribution of each column to the answer; NaN where it is unknown.
    slopes : ndarray of shape (n_samples, n_columns)
        Derivatives of the answer by the columns; NaN where there is none.
    smooth : bool
        Whether the derivatives are known.
    """

    scale: str | None
    intercept: np.ndarray
    terms: np.ndarray
    coefficients: np.ndarray
    adds: np.ndarray
    slopes: np.ndarray
    smooth: bool = True

    @classmethod
    def unknown(cls, n_samples, n_columns):
        """Return the attribution of an expert of which only the answer is known."""
        nothing = np.full((n_samples, n_columns), np.nan)
        return cls(None, nothing[:, 0], nothing, nothing[0], nothing, nothing, False)

    def before(self, slope, offset):
        """Return the attribution in the units of targets before a linear transform."""
        units = replace(self, adds=self.adds / slope, slopes=self.slopes / slope)
        if self.scale != PREDICTION:
            return units
        return replace(
            units,
            intercept=(self.intercept - offset) / slope,
            terms=self.terms / slope,
            coefficients=self.coefficients / slope,
        )


@dataclass(frozen=True)
class GateTerms:
    """The terms of the logits of a gate, relative to their mean over the experts.

    Attributes
    ----------
    intercept : ndarray of shape (n_experts,)
        Logits at the reference.
    terms : ndarray of shape (n_samples, n_experts, n_columns)
    slopes : ndarray of shape (n_samples, n_experts, n_columns)
        Derivatives of the logits by the columns; NaN where there is none.
    """

    intercept: np.ndarray
    terms: np.ndarray
    slopes: np.ndarray


@dataclass(frozen=True)
class Breakdown:
    """A prediction of a mixture, broken down by experts and by columns.

    Attributes
    ----------
    gate_weights, weights : ndarray of shape (n_samples, n_experts)
        Weights of the gate, and weights with which answers are pooled.
    answers : ndarray of shape (n_samples, n_experts)
        The values that are pooled.
    experts : list of Attribution
    predicted : ndarray of shape (n_samples, n_experts)
        Predictions of the experts. They equal the answers unless these are clipped, or
        the mean of the noise differs from its location.
    moves : ndarray of shape (n_samples, n_experts)
        Derivatives of the answers by the predictions: zero where answers are clipped.
    gate : GateTerms or None
    """

    gate_weights: np.ndarray
    weights: np.ndarray
    answers: np.ndarray
    experts: list
    predicted: np.ndarray
    moves: np.ndarray
    gate: GateTerms | None

    def before(self, slope, offset):
        """Return the breakdown in the units of targets before a linear transform.

        Parameters
        ----------
        slope, offset : float
            The linear transform of the targets.

        Returns
        -------
        breakdown : Breakdown
        """
        experts = [expert.before(slope, offset) for expert in self.experts]
        return replace(
            self,
            answers=(self.answers - offset) / slope,
            predicted=(self.predicted - offset) / slope,
            experts=experts,
        )

    @property
    def held(self):
        """Whether an answer is clipped, and so does not depend on the prediction."""
        return self.moves == 0

    @property
    def column_contributions(self):
        """Contribution of each column through each expert; NaN where it is unknown."""
        adds = np.stack([expert.adds for expert in self.experts], axis=1)
        known = ~np.isnan(adds)
        adds = np.where(self.held[:, :, np.newaxis] & known, 0.0, adds)
        return (self.weights * self.moves)[:, :, np.newaxis] * adds

    @property
    def slopes(self):
        """Derivatives of the prediction by the columns, (n_samples, n_columns)."""
        slopes = np.stack([expert.slopes for expert in self.experts], axis=1)
        weights = self.weights[:, :, np.newaxis]
        # The slopes of an expert of zero weight, which may be NaN, do not matter.
        by_experts = np.where(
            weights > 0, weights * self.moves[:, :, np.newaxis] * slopes, 0
        ).sum(axis=1)
        if self.gate is None:
            return np.full_like(by_experts, np.nan)
        mean = np.sum(weights * self.gate.slopes, axis=1, keepdims=True)
        moved = weights * (self.gate.slopes - mean)
        return by_experts + np.sum(self.answers[:, :, np.newaxis] * moved, axis=1)


def break_down(mixture, X, origins, n_columns, target, background=None):
    """Break predictions of a mixture down by experts and columns.

    Parameters
    ----------
    mixture : fitted mixture
    X : array-like or frame
        Rows as the mixture sees them.
    origins : Origins
        Origins of the columns of X.
    n_columns : int
        Number of columns of the user's table.
    target : int
        Index of the class or output.
    background : array-like or frame, default=None
        Rows whose mean is the reference, as the mixture sees them.

    Returns
    -------
    breakdown : Breakdown
    """
    X, fitted = mixture._checked_X(X), mixture._fitted()
    if background is not None:
        background = mixture._checked_X(background)
    weights, outputs, answers, moves = fitted.answers(X)
    predicted, answers, moves = (
        _of_target(each, target) for each in (values_of(outputs), answers, moves)
    )
    experts = [
        _attribute(
            expert, mixture, X, predicted[:, k], origins, n_columns, target, background
        )
        for k, expert in enumerate(mixture.experts_)
    ]
    return Breakdown(
        gate_weights=np.exp(fitted.log_gate(X)).astype(np.float64),
        weights=weights.astype(np.float64),
        answers=answers,
        experts=experts,
        predicted=predicted,
        moves=moves,
        gate=_gate_terms(mixture, X, origins, n_columns, background),
    )


def _of_target(values, target):
    """Return the values (n_samples, n_experts) of one class or output."""
    values = np.asarray(values, dtype=np.float64)
    return values if values.ndim == 2 else values[:, :, target]


# Experts
# -------


def _attribute(expert, mixture, X, predicted, origins, n_columns, target, background):
    """Return the attribution of an expert's prediction of a class or an output."""
    unknown = Attribution.unknown(len(predicted), n_columns)
    expert = unwrap_frozen(expert)
    if is_uniform(expert) or isinstance(last_step(expert), DummyRegressor):
        # The prediction does not depend on any column.
        nothing = np.zeros_like(unknown.adds)
        return replace(unknown, adds=nothing, slopes=nothing, smooth=True)
    try:
        if ends_in_mixture(expert):
            return _of_nested(
                expert, X, predicted, origins, n_columns, target, background
            )
        linear = _linear(expert, X, origins, background)
    except UntraceableError:
        return unknown
    if linear is None:
        return unknown
    if is_classifier(mixture):
        known = getattr(expert, "classes_", None)
        if not np.array_equal(known, mixture.classes_):
            return unknown
        if len(linear.coef) > 1:
            return _of_softmax(linear, predicted, n_columns, target) or unknown
        sign = 1 if target == 1 else -1
        linear = linear.scaled(sign, 0.0)
        return _of_link(linear, LOG_ODDS, expit, predicted, n_columns) or unknown
    if len(linear.coef) > 1:
        linear = linear.output(target)
    for scale, link in LINKS:
        attribution = _of_link(linear, scale, link, predicted, n_columns)
        if attribution is not None:
            return attribution
    return unknown


LINKS = (
    (PREDICTION, lambda values: values),
    (LOGARITHM, np.exp),
    (LOGARITHM, np.expm1),
    (LOG_ODDS, expit),
)


@dataclass(frozen=True)
class _Linear:
    """A linear model, its input columns, and the origins of these columns."""

    coef: np.ndarray
    intercept: np.ndarray
    columns: np.ndarray
    origins: Origins
    reference: np.ndarray

    @property
    def values(self):
        return self.columns @ self.coef.T + self.intercept

    @property
    def base(self):
        return self.coef @ self.reference + self.intercept

    def scaled(self, slope, offset):
        """Return the model with linearly transformed predictors."""
        return replace(
            self,
            coef=self.coef * np.reshape(slope, (-1, 1)),
            intercept=self.intercept * slope + offset,
        )

    def output(self, target):
        """Return the model of one output."""
        one = slice(target, target + 1)
        return replace(self, coef=self.coef[one], intercept=self.intercept[one])

    def terms(self, n_columns):
        """Return the terms of the columns, (n_samples, n_predictors, n_columns)."""
        products = (self.columns - self.reference)[:, np.newaxis] * self.coef
        return self.origins.sums(products, n_columns)

    def coefficients(self, n_columns):
        """Return coefficients in the user's units, (n_predictors, n_columns)."""
        return self.origins.sums(self.coef * self.origins.slopes, n_columns)


def _linear(expert, X, origins, background):
    """Return the linear model at the end of an expert, or None."""
    last, columns, own = _last_step(expert, X, origins)
    if background is not None:
        _, background, _ = _last_step(expert, background, None)
    slope, offset = 1.0, 0.0
    if type(last) is TransformedTargetRegressor:
        if last.transformer is not None:
            line = line_of(last.transformer_)
            if line is None:
                return None
            slope, offset = 1 / line[0], -line[1] / line[0]
        ttr, (last, columns, own) = last, _last_step(last.regressor_, columns, own)
        if background is not None:
            _, background, _ = _last_step(ttr.regressor_, background, None)
    if not (hasattr(last, "coef_") and hasattr(last, "intercept_")):
        return None
    coef = last.coef_ if issparse(last.coef_) else np.atleast_2d(last.coef_)
    coef, columns = dense(coef), dense(columns)
    if coef.shape[1] != columns.shape[1]:
        return None
    intercept = np.broadcast_to(np.ravel(last.intercept_), len(coef))
    reference = own.offsets if background is None else dense(background).mean(axis=0)
    return _Linear(coef, intercept, columns, own, reference).scaled(slope, offset)


def _last_step(estimator, X, origins):
    """Return the last step of a fitted pipeline, its input rows, and their origins.

    If `origins` is None, origins are not traced.
    """
    while isinstance(estimator, Pipeline):
        if origins is not None:
            origins = trace_pipeline(estimator, origins)
        if len(estimator) > 1:
            X = rows_of_last_step(estimator, X)
        estimator = unwrap_frozen(estimator[-1])
    return estimator, X, origins


def _of_link(linear, scale, link, predicted, n_columns):
    """Return the attribution of a link function of a linear predictor.

    It is None if the link does not reproduce the predictions.
    """
    end, [base] = linear.values[:, 0], linear.base
    with np.errstate(over="ignore", invalid="ignore"):
        if not agree(link(end), predicted):
            return None
        way = end - base
        step = 1e-6 * np.maximum(1.0, np.abs(end))
        slope = _derivative(link, end)
        # The mean derivative on the path from the reference to the row.
        mean = np.where(
            np.abs(way) > step,
            (link(end) - link(base)) / np.where(np.abs(way) > step, way, 1.0),
            _derivative(link, base + way / 2),
        )
    [terms] = np.moveaxis(linear.terms(n_columns), 1, 0)
    [coefficients] = linear.coefficients(n_columns)
    return Attribution(
        scale,
        np.full(len(end), base),
        terms,
        coefficients,
        mean[:, np.newaxis] * terms,
        slope[:, np.newaxis] * coefficients,
    )


def _derivative(link, values):
    if link is expit:
        return expit(values) * expit(-values)
    return np.exp(values) if link in (np.exp, np.expm1) else np.ones_like(values)


def _of_softmax(linear, predicted, n_columns, target):
    """Return the attribution of the probability of one of several classes.

    It is None if the softmax does not reproduce the predictions.
    """
    end, base = linear.values, linear.base
    if not agree(softmax(end, axis=1)[:, target], predicted):
        return None
    terms = linear.terms(n_columns)
    coefficients = linear.coefficients(n_columns)
    nodes, node_weights = np.polynomial.legendre.leggauss(N_NODES)
    mean = 0
    for node, weight in zip((nodes + 1) / 2, node_weights / 2):
        mean = mean + weight * _softmax_derivatives(base + node * (end - base), target)
    return Attribution(
        SCORE,
        np.full(len(end), base[target] - base.mean()),
        terms[:, target] - terms.mean(axis=1),
        coefficients[target] - coefficients.mean(axis=0),
        np.einsum("nc,ncp->np", mean, terms),
        _softmax_derivatives(end, target) @ coefficients,
    )


def _softmax_derivatives(logits, target):
    """Return the derivatives of the probability of a class by all logits."""
    probability = softmax(logits, axis=1)
    own = np.arange(probability.shape[1]) == target
    return probability[:, [target]] * (own - probability)


def _of_nested(expert, X, predicted, origins, n_columns, target, background):
    """Return the attribution of a mixture that is an expert."""
    if isinstance(expert, Pipeline):
        origins = trace_pipeline(expert, origins)
    if background is not None:
        _, background = mixture_within(expert, background)
    mixture, X = mixture_within(expert, X)
    inner = break_down(mixture, X, origins, n_columns, target, background)
    unknown = Attribution.unknown(len(predicted), n_columns)
    contributions = inner.column_contributions
    known = ~np.isnan(contributions)
    contributions = np.where(known, contributions, 0).sum(axis=1)
    return Attribution(
        None,
        unknown.intercept,
        unknown.terms,
        unknown.coefficients,
        np.where(known.any(axis=1), contributions, np.nan),
        inner.slopes,
        smooth=inner.gate is not None and all(each.smooth for each in inner.experts),
    )


# The gate
# --------


def _gate_terms(mixture, X, origins, n_columns, background):
    """Return the terms of the gate's logits, or None if they are not linear."""
    n_experts = len(mixture.experts_)
    # Logits are centred at their mean over the active experts.
    centre = np.eye(n_experts) - mixture._active_ / mixture._active_.sum()
    gate = unwrap_frozen(mixture.gate_)
    last = last_step(gate)
    if n_experts == 1 or isinstance(last, DummyClassifier):
        if n_experts > 1 and last.strategy in ("stratified", "uniform"):
            return None
        log_weights = mixture._fitted().log_gate(X)[0].astype(np.float64)
        log_weights = np.where(mixture._active_, log_weights, 0)
        nothing = np.zeros((num_samples(X), n_experts, n_columns))
        return GateTerms(centre @ log_weights, nothing, nothing)
    if not isinstance(last, SoftmaxGate):
        return None
    if background is not None:
        _, background, _ = _last_step(gate, background, None)
    try:
        last, X, origins = _last_step(gate, X, origins)
    except UntraceableError:
        return None
    linear, moves = _of_softmax_gate(last, X, origins, background)
    slopes = linear.origins.sums(
        moves[:, np.newaxis] * (linear.coef * linear.origins.slopes), n_columns
    )
    return GateTerms(
        centre @ linear.base,
        np.einsum("km,nmp->nkp", centre, linear.terms(n_columns)),
        np.einsum("km,nmp->nkp", centre, slopes),
    )


def _of_softmax_gate(gate, X, origins, background):
    """Return the linear model of a softmax gate, and which values are not clipped."""
    if gate.encoder_ is not None:
        sources, numbers = gate.encoder_.sources()
        origins = origins.take(sources).on_lines(np.where(numbers, 1.0, np.nan), 0.0)
    features = gate._features(X)
    columns = dense(softmax_columns(gate, features))
    reference = gate.feature_mean_
    if background is not None:
        background = softmax_columns(gate, gate._features(background))
        reference = dense(background).mean(axis=0)
    linear = _Linear(
        np.asarray(gate.coef_, np.float64),
        np.asarray(gate.intercept_, np.float64),
        columns,
        origins,
        np.asarray(reference, np.float64),
    )
    return linear, dense(features) == columns
