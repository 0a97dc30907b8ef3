"""Gate weights, pooled predictions and posteriors of a fitted mixture."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sklearn_moe import gates, kernels
from sklearn_moe._estimators import distributions
from sklearn_moe._extrapolation import believed, beyond, hold
from sklearn_moe._missing_values import rows_not_finite
from sklearn_moe._pooling import dispatch, dispatch_to_one, keep_largest
from sklearn_moe._sklearn import num_samples, safe_indexing
from sklearn_moe.em import exclude
from sklearn_moe.experts import (
    Outputs,
    has_density,
    is_uniform,
    outputs_of_experts,
    through_common_steps,
    values_of,
)


@dataclass(frozen=True)
class FittedMixture:
    """A fitted mixture, applied to rows that are validated already.

    Attributes
    ----------
    named_experts : dict of {str: fitted estimator}
    gate : fitted estimator
    likelihood : FittedLikelihood
    active : ndarray of shape (n_experts,), bool
        False for the experts that were retired.
    targets : NumberTargets or ClassTargets
    target_range : ndarray of shape (2, ...) or None
        Least and largest target of the fit; None for classes.
    combination : {"weighted", "argmax"}
    top_k : int or None
    extrapolation : {"agreed", "free"}, default="free"
        See the parameters of the mixture.
    subjects : Subjects, default=None
        Subjects of the rows. None means that each row is a new subject.
    known : KnownSubjects, default=None
        Posterior weights of the experts for the subjects of the training rows.
    exposure : ndarray of shape (n_samples,), default=None
        Exposure of the rows. None means an exposure of one.
    """

    named_experts: dict
    gate: Any
    likelihood: Any
    active: np.ndarray
    targets: Any
    target_range: Any
    combination: str
    top_k: int | None
    extrapolation: str = "free"
    subjects: Any = None
    known: Any = None
    exposure: Any = None

    def log_gate(self, X, among=None):
        """Return the logarithm of the gate's weights, shape (n_samples, n_experts).

        The weights of each row sum to one over the active experts, or over those
        `among` them. The weights of a known subject are its posterior probabilities of
        the experts.
        """
        among = self.active if among is None else among
        subjects, n_experts = self.subjects, len(self.named_experts)
        log_gate = gates.log_weights(self.gate, X, n_experts, subjects)
        if subjects is not None and self.known is not None:
            log_gate = self.known.recall(log_gate, subjects, among)
        return exclude(log_gate, among)

    @property
    def answering(self):
        """Which experts contribute to the mean: all but retired ones and noise."""
        noise = np.array([is_uniform(expert) for expert in self.named_experts.values()])
        answering = self.active & ~noise
        return answering if answering.any() else self.active

    def most_trusted(self, X, among=None):
        """Return the expert of the largest weight for each row; see `log_gate`."""
        among = self.active if among is None else among
        by_logits = self.subjects is None and not gates.learns_labels(self.gate)
        if among.all() and by_logits:
            # The expert of the largest logit is the same, and needs no softmax.
            return gates.most_trusted(self.gate, X)
        return kernels.argmax(self.log_gate(X, among))

    def pooling_weights(self, X):
        """Return the weights of the experts in the mean, (n_samples, n_experts)."""
        weights = np.exp(self.log_gate(X, self.answering))
        if self.combination == "argmax":
            return keep_largest(weights, 1)
        return weights if self.top_k is None else keep_largest(weights, self.top_k)

    def distribution_weights(self, X):
        """Return the weights of the experts in the distribution of the target.

        They include the uniform noise component, unless `combination="argmax"` or
        `top_k` selects the experts of each row. The shape is (n_samples, n_experts).
        """
        if self.combination == "weighted" and self.top_k is None:
            return np.exp(self.log_gate(X))
        return self.pooling_weights(X)

    def outputs(self, X, y=None):
        """Return the outputs of the experts; see `outputs_of_experts`."""
        experts, X = through_common_steps(self.named_experts, X)
        return outputs_of_experts(experts, X, y, self.output_of)

    @property
    def output_of(self):
        """Function that returns the output of one expert for these rows."""
        return self.targets.output_of.at(self.exposure)

    def of_rows(self, rows):
        """Return the mixture for some of the rows, for the outputs of experts only.

        So the exposure is selected, but not the subjects, which only the gate needs.
        """
        if self.exposure is None:
            return self
        return replace(self, exposure=self.exposure[rows])

    def held(self, outputs, weights):
        """Return the outputs, clipped where the pooled prediction leaves the range.

        Parameters
        ----------
        outputs : ndarray of shape (n_samples, n_experts, ...) or Outputs
        weights : ndarray of shape (n_samples, n_experts)
            Weights with which the experts are pooled.

        Returns
        -------
        outputs : ndarray of the same shape, or Outputs
        """
        if self.extrapolation == "free":
            return outputs
        values, answering = values_of(outputs), self.answering
        least, largest = believed(self.target_range)
        if (answering < self.active).any():
            weights = distributions(np.where(answering, weights, 0))
        out = beyond(_pooled(weights, values), least, largest)
        if not out.any():
            return outputs
        # A mixture that is an expert clips its own predictions.
        own = [has_density(expert) for expert in self.named_experts.values()]
        own = np.reshape(own, (-1, *[1] * (values.ndim - 2)))
        held = hold(values, least, largest, answering)
        return _with_values(outputs, np.where(out[:, np.newaxis] & ~own, held, values))

    def expectations(self, X):
        """Return the mean of the target by each expert, (n_samples, n_experts, ...)."""
        return self.likelihood.predictive(self.outputs(X))

    def pool(self, X):
        """Return the combined prediction of the experts, shape (n_samples, ...).

        Where it leaves the range of the training targets, experts that do not agree are
        clipped; see `held`.
        """
        pooled = self._pool_as_answered(X)
        rows = self._rows_to_hold(pooled)
        if len(rows):
            whole, X = X, safe_indexing(X, rows)
            if self.subjects is None:
                weights = self.pooling_weights(X)
            else:
                # The gate needs all rows of a subject.
                weights = self.pooling_weights(whole)[rows]
            outputs = self.held(self.of_rows(rows).outputs(X), weights)
            pooled[rows] = _pooled(weights, self.likelihood.predictive(outputs))
        return pooled

    def answers(self, X):
        """Return the terms that `pool` combines, and their derivatives.

        Returns
        -------
        weights : ndarray of shape (n_samples, n_experts)
        outputs : ndarray of shape (n_samples, n_experts, ...) or Outputs
            Outputs of the experts.
        answers : ndarray of shape (n_samples, n_experts, ...)
            Means of the target by the experts, clipped as in `pool`.
        moves : ndarray of shape (n_samples, n_experts, ...)
            Derivatives of the answers by the outputs.
        """
        weights, outputs = self.pooling_weights(X), self.outputs(X)
        answers = np.array(self.likelihood.predictive(outputs))
        values = values_of(outputs).astype(np.float64)
        # The mean of each noise model is linear in the location, or constant, so that a
        # finite difference is exact.
        step = 1e-4 * np.maximum(np.abs(values), 1)
        moved = self.likelihood.predictive(_with_values(outputs, values + step))
        moves = np.where(answers == values, 1.0, (moved - answers) / step)
        rows = self._rows_to_hold(_pooled(weights, answers))
        if len(rows):
            held = self.held(outputs, weights)
            answers[rows] = self.likelihood.predictive(held)[rows]
            moves[rows] *= (values_of(held) == values_of(outputs))[rows]
        return weights, outputs, answers, moves

    def _rows_to_hold(self, pooled):
        """Return the indices of rows whose prediction leaves the range of targets."""
        if self.extrapolation == "free":
            return np.empty(0, dtype=int)
        # The mean of some noise models is larger than their location.
        edges = np.array(believed(self.target_range))[:, np.newaxis]
        edges = edges.repeat(len(self.active), axis=1)
        least, largest = self.likelihood.predictive(edges)
        out = beyond(pooled, least.max(axis=0), largest.min(axis=0))
        return np.flatnonzero(out.reshape(len(out), -1).any(axis=1))

    def _pool_as_answered(self, X):
        """Return the combined prediction before clipping.

        Each expert predicts its own rows only. All experts are also shown a few rows
        with missing or infinite values, so that the same rows raise an error whatever
        the gate chooses.
        """
        names, output_of = list(self.named_experts), self.output_of
        experts, shown = through_common_steps(self.named_experts, X)

        def predict(k, rows):
            own = shown if len(rows) == num_samples(X) else safe_indexing(shown, rows)
            expert = {names[k]: experts[names[k]]}
            outputs = outputs_of_experts(expert, own, None, output_of.take(rows))
            return self.likelihood.take([k]).predictive(outputs)[:, 0]

        if self.combination == "argmax":
            self._show_to_all(rows_not_finite(X), X)
            single = getattr(X, "dtype", None) == np.float32
            dtype = np.float32 if single else np.float64
            chosen = self.most_trusted(X, self.answering)
            return dispatch_to_one(chosen, len(names), predict, dtype)
        weights = self.pooling_weights(X)
        if not weights.all():
            self._show_to_all(rows_not_finite(X), X)
        return dispatch(weights, predict)

    def _show_to_all(self, rows, X):
        """Let every expert predict some rows, so that one that rejects them raises."""
        if len(rows):
            self.of_rows(rows).outputs(safe_indexing(X, rows))

    def posterior(self, X, encoded_y, outputs):
        """Return responsibilities (n_samples, n_experts) and log-likelihoods of rows.

        The targets are encoded as the likelihood needs them. The log-likelihood of a
        subject is divided among its rows.
        """
        log_gate = self.log_gate(X)
        outputs = self.held(outputs, np.exp(log_gate))
        likelihood = self.likelihood
        if self.exposure is not None:
            likelihood = likelihood.at(self.exposure)
        log_prob = likelihood.log_prob(encoded_y, outputs, X)
        if self.subjects is not None:
            return self.subjects.posterior(log_gate, log_prob)[:2]
        weights = np.ones(len(encoded_y))
        return kernels.responsibilities(log_gate, log_prob, weights)[:2]


def _with_values(outputs, values):
    return outputs._replace(values=values) if isinstance(outputs, Outputs) else values


def _pooled(weights, expectations):
    """Return the weighted mean over the second axis of `expectations`."""
    return np.einsum("nk,nk...->n...", weights, expectations)
