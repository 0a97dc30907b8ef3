"""Gates that go on learning from one batch after another."""

from copy import copy, deepcopy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

from sklearn_moe import kernels
from sklearn_moe._compat import safe_indexing
from sklearn_moe.gates._features import (
    bounds_around,
    clip_outliers,
    gate_features,
    join_pipeline,
    moments_of,
)
from sklearn_moe.gates._problem import SoftmaxProblem
from sklearn_moe.gates.classifier import log_gate_weights
from sklearn_moe.gates.gaussian import GaussianGate, fit_regions
from sklearn_moe.gates.softmax import (
    GRADIENT_PER_M_STEP,
    STEPS_PER_M_STEP,
    SoftmaxGate,
)
from sklearn_moe.incremental import can_learn, forget, learn
from sklearn_moe.moments import Moments
from sklearn_moe.weighting import last_step, spared

# The largest softmax gate whose curvature is kept from batch to batch: 32 megabytes.
MAX_PARAMETERS = 2000


def gate_can_learn(gate):
    """Whether a gate learns from batches, or need not learn at all."""
    last = last_step(gate)
    return isinstance(last, (SoftmaxGate, GaussianGate)) or can_learn(gate)


@dataclass(frozen=True)
class Memory:
    """What a gate keeps of the rows before, beside its parameters.

    Attributes
    ----------
    moments : Moments
        Of the columns that the gate sees.
    surrogate : Surrogate or None
        Of a softmax gate.
    """

    moments: Moments
    surrogate: Any = None


@dataclass(frozen=True)
class OnlineFit:
    """A gate after a batch.

    Attributes
    ----------
    estimator : fitted estimator
    memory : Memory or None
        None where there is none yet, and for a gate that looks after itself.
    """

    estimator: Any
    memory: Any = None


class OnlineGating:
    """A fitted gate that meets a batch.

    Preprocessing in a pipeline stays as it was learnt from the first batch.

    Parameters
    ----------
    X : array-like or frame of shape (n_samples, n_features)
    sample_weight : ndarray of shape (n_samples,)
    n_experts : int
    offset : float
        In [0, 1); the randomness of a resample, for a classifier without weights.
    n_rows : float
        Weight of all rows before, however old: what there is against a prior.
    """

    def __init__(self, X, sample_weight, n_experts, offset, n_rows):
        self._X = X
        self._sample_weight = sample_weight
        self._n_experts = n_experts
        self._offset = offset
        self._n_rows = n_rows

    def log_weights(self, fitted):
        """Logarithm of the gate's weights, shape (n_samples, n_experts)."""
        gate = fitted.estimator
        if not isinstance(last_step(gate), (SoftmaxGate, GaussianGate)):
            return log_gate_weights(gate, self._X, self._n_experts)
        return gate.predict_log_proba(spared(self._X, gate))

    def remember(self, fitted, weight):
        """The memory of a gate, as if all rows before had been like these.

        Parameters
        ----------
        fitted : OnlineFit
        weight : float
            Of the rows before.

        Returns
        -------
        fitted : OnlineFit
        """
        _, last, X = self._split(fitted.estimator)
        if not isinstance(last, (SoftmaxGate, GaussianGate)):
            return fitted
        X = gate_features(last, X, reset=False)
        moments = moments_of(X, self._sample_weight)
        memory = Memory(moments.times(weight / self._sample_weight.sum()))
        if isinstance(last, SoftmaxGate) and self._n_experts > 1:
            problem = BatchProblem(
                last, X, self._sample_weight, memory.moments, self._n_rows
            )
            memory = replace(memory, surrogate=problem.recalled(last))
        return replace(fitted, memory=memory)

    def learn(self, fitted, targets, weight, kept):
        """Stepwise M-step of the gate.

        Parameters
        ----------
        fitted : OnlineFit
            With its memory.
        targets : ndarray of shape (n_samples, n_experts)
            Rows sum to one.
        weight : float
            Of the rows before.
        kept : float
            What is left of it.

        Returns
        -------
        fitted : OnlineFit
        """
        head, last, X = self._split(fitted.estimator)
        if isinstance(last, FrozenEstimator) or self._n_experts == 1:
            return fitted
        if not isinstance(last, (SoftmaxGate, GaussianGate)):
            return OnlineFit(self._learn_labels(fitted.estimator, targets, kept))
        X = gate_features(last, X, reset=False)
        moments = fitted.memory.moments.times(kept)
        moments = moments.joined(moments_of(X, self._sample_weight))
        if isinstance(last, SoftmaxGate):
            past = kept * weight
            part = 1 - past / (past + self._sample_weight.sum())
            n_rows = self._n_rows + self._sample_weight.sum()
            problem = BatchProblem(last, X, self._sample_weight, moments, n_rows)
            last, surrogate = problem.step(last, fitted.memory, targets, part)
        else:
            weights = targets * self._sample_weight[:, np.newaxis]
            last = _gaussian_step(last, X, weights, moments, kept * weight)
            surrogate = None
        gate = join_pipeline(fitted.estimator, head, last)
        return OnlineFit(gate, Memory(moments, surrogate))

    def _split(self, gate):
        """A fitted gate's preprocessing, its last step, and what this step sees."""
        if not isinstance(gate, Pipeline):
            return None, gate, self._X
        head = gate[:-1]
        return head, gate[-1], head.transform(spared(self._X, head))

    def _learn_labels(self, classifier, targets, kept):
        """A row stands there once for each expert, as in `ClassifierGating`."""
        classifier = deepcopy(classifier)
        forget(classifier, kept)
        n_samples, n_experts = targets.shape
        weights = targets * self._sample_weight[:, np.newaxis]
        learn(
            classifier,
            safe_indexing(self._X, np.tile(np.arange(n_samples), n_experts)),
            np.repeat(np.arange(n_experts), n_samples),
            weights.T.ravel(),
            classes=np.arange(n_experts),
            unit=self._sample_weight.mean(),
            offset=self._offset,
        )
        return classifier


def _gaussian_step(gate, X, weights, moments, past):
    """Exact: the moments of the regions are all that EM knows of the rows."""
    gate = copy(gate)
    gate.feature_mean_, gate.feature_scale_ = moments.mean, moments.scale
    regions = fit_regions(
        gate._standardised(X),
        weights,
        gate.covariance_type,
        gate.reg_covar,
        before=gate._regions(),
        past=past,
    )
    return gate._set_regions(regions)


@dataclass(frozen=True)
class Surrogate:
    """A quadratic function of a softmax gate's parameters, about the rows before.

    It stands for their mean cross-entropy as the working responses of iteratively
    reweighted least squares do: their sums are statistics that fade like any others.

    Attributes
    ----------
    curvature : ndarray of shape (n_parameters, n_parameters)
    slope : ndarray of shape (n_classes, n_features + 1)
        The function is ``0.5 * p @ curvature @ p - slope.ravel() @ p`` of the
        parameters p on standardised features, the intercept of each class last.
    shift, scale : ndarray of shape (n_features,)
        What standardises the features.
    """

    curvature: np.ndarray
    slope: np.ndarray
    shift: np.ndarray
    scale: np.ndarray

    def gradient(self, parameters):
        """Its derivative, in the shape of the parameters."""
        product = self.curvature @ parameters.ravel()
        return product.reshape(parameters.shape) - self.slope

    def value(self, parameters):
        """Of the function."""
        return 0.5 * np.vdot(parameters, self.gradient(parameters) - self.slope)

    def moved(self, shift, scale):
        """The same function of the parameters on features standardised anew.

        The design changes to ``design @ change.T``, so that curvature, a sum of outer
        products of its rows, and slope, a sum of its rows, follow.
        """
        change = np.diag(np.append(self.scale / scale, 1.0))
        change[:-1, -1] = (self.shift - shift) / scale
        n_classes, n_columns = self.slope.shape
        blocks = self.curvature.reshape(n_classes, n_columns, n_classes, n_columns)
        blocks = np.einsum("aj,kjlm,bm->kalb", change, blocks, change, optimize=True)
        curvature = blocks.reshape(self.curvature.shape)
        return Surrogate(curvature, self.slope @ change.T, shift, scale)


class BatchProblem(SoftmaxProblem):
    """The objective of a softmax gate: exact on a batch, a surrogate for the rest.

    It is the penalised cross-entropy of all rows, of which each counts less the older
    it is. The features are standardised by all rows, so that their units do not matter.

    Parameters
    ----------
    gate : fitted SoftmaxGate
    X : {ndarray, CSR} of shape (n_samples, n_gate_features)
    sample_weight : ndarray of shape (n_samples,)
    moments : Moments
        Of the columns, of all rows.
    n_rows : float
        Weight of all rows, however old.
    """

    def __init__(self, gate, X, sample_weight, moments, n_rows):
        self._bounds = bounds_around(moments.mean, moments.scale, gate.clip)
        super().__init__(
            clip_outliers(X, self._bounds),
            sample_weight,
            gate._strength(X.shape[1], n_rows),
            gate.load_balance,
            standards=(moments.mean, moments.scale),
        )
        self._part, self._past = 1.0, None

    def recalled(self, gate):
        """The surrogate of a gate's rows, if they were like these and it fits them.

        Raises
        ------
        ValueError
            If there are too many parameters.
        """
        parameters = self.from_input_units(gate.coef_, gate.intercept_)
        if parameters.size > MAX_PARAMETERS:
            n_classes, n_columns = parameters.shape
            raise ValueError(
                f"A SoftmaxGate of {n_classes} experts and {n_columns - 1} columns has "
                f"{parameters.size} parameters, more than the {MAX_PARAMETERS} for "
                "which it can learn from batches. Set gate=SGDClassifier("
                "loss='log_loss'), or give it fewer columns in a pipeline."
            )
        log_weights = kernels.log_softmax(
            np.asarray(self.design @ parameters.T, dtype=np.float64)
        )
        hessian = self._hessian(self.design, self.sample_weight, np.exp(log_weights))
        # Where the gate fits, the penalty holds the balance.
        return self._surrogate(parameters, hessian, np.zeros_like(parameters))

    def step(self, gate, memory, targets, part):
        """A few Newton steps from where the gate stands.

        Parameters
        ----------
        gate : fitted SoftmaxGate
        memory : Memory
        targets : ndarray of shape (n_samples, n_classes)
        part : float
            Part of the batch in the weight of all rows.

        Returns
        -------
        gate : SoftmaxGate
        surrogate : Surrogate
        """
        self._part = part
        self._past = memory.surrogate.moved(self.shift, self.scale)
        self.sample_weight = part * self.sample_weight
        point = self.solve(
            targets,
            self.from_input_units(gate.coef_, gate.intercept_),
            STEPS_PER_M_STEP,
            gate.tol,
            GRADIENT_PER_M_STEP,
        ).point
        hessian = self._hessian(
            self.design, self.sample_weight, np.exp(point.log_weights)
        )
        gate = copy(gate)
        gate.alpha_ = self.alpha
        gate.bounds_ = self._bounds
        gate._set_solution(self, point.parameters, gate.n_iter_)
        return gate, self._surrogate(point.parameters, hessian, point.gradient)

    def at(self, parameters, targets, log_weights):
        point = super().at(parameters, targets, log_weights)
        kept = 1 - self._part
        return replace(
            point,
            loss=point.loss + kept * self._past.value(parameters),
            gradient=point.gradient + kept * self._past.gradient(parameters),
        )

    def _surrogate(self, parameters, hessian, gradient):
        """The objective close to some parameters, its penalty left out."""
        ridge = self._ridge(len(parameters))
        curvature = hessian - np.diag(np.tile(ridge, len(parameters)))
        product = (curvature @ parameters.ravel()).reshape(parameters.shape)
        slope = product - (gradient - ridge * parameters)
        return Surrogate(curvature, slope, self.shift, self.scale)

    def _hessian(self, design, sample_weight, probabilities):
        hessian = super()._hessian(design, sample_weight, probabilities)
        if self._past is not None:
            hessian += (1 - self._part) * self._past.curvature
        return hessian

    def _forms_hessian(self, n_parameters):
        return True

    def _sample(self, n_rows):
        return slice(None), self.design, self.sample_weight

    def _load(self, targets):
        load = super()._load(targets)
        return None if load is None else load / self._part
