"""Experts that have a density of their own: mixtures in a mixture."""

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class OwnDensity:
    """The density of an expert where it has one, else that of the noise around it.

    This is what makes a hierarchical mixture of experts [1]_: its inner likelihoods are
    those of the mixtures below.

    Attributes
    ----------
    noise : object
        The fitted likelihood of the other experts.

    References
    ----------
    .. [1] M. I. Jordan and R. A. Jacobs (1994). Hierarchical mixtures of experts and
       the EM algorithm. Neural Computation 6(2), equations 5 and 6.
    """

    noise: Any

    def log_prob(self, y, outputs, X):
        """Log density of each target under each expert; `outputs` are Outputs."""
        log_prob = self.noise.log_prob(y, outputs.values, X)
        return _prefer(outputs.log_density, log_prob)

    def predictive(self, outputs):
        """What each expert expects."""
        return self.noise.predictive(outputs)

    def take(self, order):
        """The same for the experts in another order."""
        return OwnDensity(self.noise.take(order))


class OwnDensityLikelihood:
    """Takes the density of an expert from the expert where it has one.

    Parameters
    ----------
    noise : likelihood
        For the other experts.
    """

    def __init__(self, noise):
        self._noise = noise
        self.misfit = noise.misfit

    def fit(self, outputs, weights):
        """Fit the noise of the others, and score the training targets.

        Parameters
        ----------
        outputs : Outputs
        weights : array-like of shape (n_samples, n_experts)

        Returns
        -------
        likelihood : OwnDensity
        log_prob : ndarray of shape (n_samples, n_experts)
        """
        noise, log_prob = self._noise.fit(outputs.values, weights)
        return OwnDensity(noise), _prefer(outputs.log_density, log_prob)

    def log_prob(self, fitted, outputs):
        """Score the targets under a likelihood that is fitted already."""
        return _prefer(
            outputs.log_density, self._noise.log_prob(fitted.noise, outputs.values)
        )

    def partial_fit(self, fitted, outputs, weights, past):
        """Stepwise M-step of the noise of the others."""
        noise = self._noise.partial_fit(fitted.noise, outputs.values, weights, past)
        return OwnDensity(noise)

    def emphasis(self, fitted, outputs):
        """Factor on the weights of the others; see the noise."""
        factor = self._noise.emphasis(fitted.noise, outputs.values)
        return np.where(np.isnan(outputs.log_density), factor, 1.0)


def _prefer(own, log_prob):
    """An expert's own density where there is one, in the precision of the others."""
    return np.where(np.isnan(own), log_prob, own.astype(log_prob.dtype, copy=False))
