"""Gaussian noise around the predictions of regressors."""

from dataclasses import dataclass
from math import log, pi

import numpy as np

# Smallest noise scale, relative to the spread of the target. Without a floor an expert
# that meets a handful of rows exactly has an infinite likelihood (Day, 1969).
RELATIVE_SCALE_FLOOR = 1e-2


@dataclass(frozen=True)
class GaussianNoise:
    """Gaussian noise around the prediction of each expert.

    Attributes
    ----------
    scale : ndarray of shape (n_experts,) or (n_experts, n_outputs)
        Standard deviation, in the units of the target. The outputs of an expert are
        independent given the row.
    """

    scale: np.ndarray

    def log_prob(self, y, outputs):
        """Log density of each target under each expert.

        Parameters
        ----------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        outputs : ndarray of shape (n_samples, n_experts) or \
                (n_samples, n_experts, n_outputs)
            Predictions of the experts.

        Returns
        -------
        log_prob : ndarray of shape (n_samples, n_experts)
        """
        scale = self.scale.astype(np.result_type(y, outputs), copy=False)
        standardised = (y[:, np.newaxis] - outputs) / scale
        log_prob = -0.5 * standardised**2 - np.log(scale) - 0.5 * log(2 * pi)
        return log_prob.reshape(*log_prob.shape[:2], -1).sum(axis=2)

    def predictive(self, outputs):
        """The mean of each expert's density: its prediction."""
        return outputs

    def take(self, order):
        """The noise of the experts in another order."""
        return GaussianNoise(self.scale[order])


class GaussianLikelihood:
    """Maximum-likelihood scale of gaussian noise, one for each expert and output.

    Parameters
    ----------
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        Training targets.
    sample_weight : ndarray of shape (n_samples,)
    """

    def __init__(self, y, sample_weight):
        self.y = y
        mean = np.average(y, axis=0, weights=sample_weight)
        self.spread = np.sqrt(
            np.average((y - mean) ** 2, axis=0, weights=sample_weight)
        )
        eps, size = np.finfo(np.float64).eps, np.maximum(np.abs(mean), 1e-100)
        # A target that is constant but for rounding still needs a positive scale of a
        # sensible unit.
        self.floor = np.where(
            self.spread <= 100 * eps * size,
            np.sqrt(eps) * size,
            RELATIVE_SCALE_FLOOR * self.spread,
        )

    def fit(self, outputs, weights):
        """Fit the scales.

        Parameters
        ----------
        outputs : ndarray of shape (n_samples, n_experts) or \
                (n_samples, n_experts, n_outputs)
            Predictions of the experts.
        weights : ndarray of shape (n_samples, n_experts)
            The weights with which the experts were fitted.

        Returns
        -------
        noise : GaussianNoise
        log_prob : ndarray of shape (n_samples, n_experts)
        """
        squares = np.einsum(
            "nk,nk...->k...", weights, (self.y[:, np.newaxis] - outputs) ** 2
        )
        total = weights.sum(axis=0).reshape(-1, *[1] * (squares.ndim - 1))
        # An expert without rows knows nothing better than the spread of y.
        variance = np.broadcast_to(self.spread**2, squares.shape).copy()
        np.divide(squares, total, out=variance, where=total > 0)
        noise = GaussianNoise(np.maximum(np.sqrt(variance), self.floor))
        return noise, noise.log_prob(self.y, outputs)

    def misfit(self, values, rows, weights):
        """Root mean squared error relative to the spread of the target."""
        if not np.all(self.spread > 0):
            return np.inf
        error = ((self.y[rows] - values) / self.spread) ** 2
        return np.sqrt(np.average(error, axis=0, weights=weights).mean())
