r"""A softmax gate that pools given experts with the least squared error.

EM maximises the density of the targets. For given experts, the pooled prediction with
the least squared error has other weights [1]_, which minimise

.. math::
    \frac{1}{2 s^2 \sum_i w_i} \sum_i w_i \Bigl(y_i - \sum_k g_k(x_i) f_k(x_i)\Bigr)^2
    + \frac{\alpha}{2} \lVert W - W_0 \rVert^2,

where s is the root mean squared error with the gate of EM, :math:`W_0` are the
coefficients of this gate, and f are out-of-fold predictions of the experts.

References
----------
.. [1] R. A. Jacobs, M. I. Jordan, S. J. Nowlan and G. E. Hinton (1991). Adaptive
   mixtures of local experts. Neural Computation 3(1), equations 1.1 to 1.3.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import softmax

# Candidate strengths of the penalty; with infinity only the intercepts change.
ALPHAS = (np.inf, 1.0, 0.1, 0.01, 0.001)

# Penalty of the intercepts, so that they remain finite if a weight tends to zero.
INTERCEPT_ALPHA = 1e-6

# Steps of L-BFGS for each strength, starting from the solution of the stronger one.
STEPS = 50


@dataclass(frozen=True)
class Answers:
    """Predictions of the experts for some rows, with the gate's features and targets.

    Attributes
    ----------
    features : {ndarray, CSR} of shape (n_samples, n_gate_features)
        Standardised features of the gate.
    predictions : ndarray of shape (n_samples, n_experts, n_outputs)
    y : ndarray of shape (n_samples, n_outputs)
    weights : ndarray of shape (n_samples,)
        They sum to one.
    log_gate : ndarray of shape (n_samples, n_experts)
        Logits of the gate of EM, to which those of the parameters are added.
    """

    features: Any
    predictions: np.ndarray
    y: np.ndarray
    weights: np.ndarray
    log_gate: np.ndarray

    def take(self, rows):
        """Return some of the rows, with weights that sum to one."""
        weights = self.weights[rows]
        return Answers(
            self.features[rows],
            self.predictions[rows],
            self.y[rows],
            weights / weights.sum(),
            self.log_gate[rows],
        )

    def pooled(self, parameters):
        """Return the gate's weights and the pooled predictions.

        Their shapes are (n_samples, n_experts) and (n_samples, n_outputs). The
        `parameters` (n_experts, n_gate_features + 1) are added to those of EM's gate.
        """
        logits = self.features @ parameters[:, :-1].T + parameters[:, -1]
        gate = softmax(self.log_gate + logits, axis=1)
        return gate, np.einsum("nk,nkm->nm", gate, self.predictions)

    def errors(self, parameters):
        """Return the pool's mean squared error for each output, shape (n_outputs,)."""
        _, pooled = self.pooled(parameters)
        return self.weights @ (self.y - pooled) ** 2

    def loss(self, flat, alpha, shape):
        """Return the penalised loss and its gradient."""
        parameters = flat.reshape(shape)
        gate, pooled = self.pooled(parameters)
        residuals = self.y - pooled
        weighted = self.weights[:, np.newaxis] * residuals
        along = np.einsum(
            "nm,nkm->nk", weighted, self.predictions - pooled[:, np.newaxis]
        )
        slopes = -gate * along
        penalties = np.full(shape[1], alpha)
        penalties[-1] = INTERCEPT_ALPHA
        gradient = penalties * parameters
        gradient[:, :-1] += (self.features.T @ slopes).T
        gradient[:, -1] += slopes.sum(axis=0)
        loss = np.sum(weighted * residuals) + np.sum(penalties * parameters**2)
        return loss / 2, gradient.ravel()

    def minimize(self, start, alpha):
        """Minimise the loss from a start, and return the parameters."""
        if np.isinf(alpha):
            everywhere = replace(self, features=self.features[:, :0])
            parameters = np.zeros_like(start)
            parameters[:, -1:] = everywhere.minimize(start[:, -1:], 0.0)
            return parameters
        found = minimize(
            self.loss,
            start.ravel(),
            (alpha, start.shape),
            method="L-BFGS-B",
            jac=True,
            options={"maxiter": STEPS},
        )
        return found.x.reshape(start.shape)


def squared_error_gate(bound, fitted, block, predictions, active, folds):
    """Fit the gate of the pool with the least squared error, starting from that of EM.

    Parameters
    ----------
    bound : BoundSoftmax
        Bound to the rows of the block.
    fitted : SoftmaxFit
        The gate of EM, with the experts in the order of the predictions.
    block : Block
    predictions : ndarray of shape (n_samples, n_experts, ...)
        Out-of-fold predictions of the experts.
    active : ndarray of shape (n_experts,), bool
        The weights of inactive experts count as zero.
    folds : list of (train, test)

    Returns
    -------
    gate : SoftmaxGate
        The fitted gate.
    """
    n_samples, n_active = len(predictions), np.count_nonzero(active)
    features = bound.features
    parameters = np.array(fitted.parameters, dtype=np.float64)
    own = parameters[active]
    answers = Answers(
        features,
        predictions[:, active].reshape(n_samples, n_active, -1).astype(np.float64),
        block.encoded_y.reshape(n_samples, -1).astype(np.float64),
        block.sample_weight / block.sample_weight.sum(),
        features @ own[:, :-1].T + own[:, -1],
    )
    parameters[active] += learn_departure(answers, folds)
    return bound.estimator(
        replace(fitted, parameters=parameters), np.arange(len(active))
    )


def learn_departure(answers, folds):
    """Fit the departure of the best pool's coefficients from those of the gate of EM.

    Parameters
    ----------
    answers : Answers
    folds : list of (train, test)
        Folds in which each row is held out once. The penalty with the least squared
        error on held-out rows is chosen.

    Returns
    -------
    parameters : ndarray of shape (n_experts, n_gate_features + 1)
        Differences of the coefficients, with the intercepts in the last column. They
        are zero if no penalty has a smaller error than the gate of EM.
    """
    start = np.zeros((answers.predictions.shape[1], answers.features.shape[1] + 1))
    errors = answers.errors(start)
    unit = np.sqrt(np.where(errors > 0, errors, 1.0))
    answers = replace(
        answers, predictions=answers.predictions / unit, y=answers.y / unit
    )
    parts = [(answers.take(train), answers.take(test), test) for train, test in folds]
    found, losses = [start] * len(parts), [answers.errors(start).sum()]
    for alpha in ALPHAS:
        found = [part[0].minimize(last, alpha) for part, last in zip(parts, found)]
        losses.append(
            sum(
                answers.weights[test].sum() * held_out.errors(parameters).sum()
                for (_, held_out, test), parameters in zip(parts, found)
            )
        )
    parameters = start
    for alpha in ALPHAS[: np.argmin(losses)]:
        parameters = answers.minimize(parameters, alpha)
    return parameters
