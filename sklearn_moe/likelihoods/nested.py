"""Likelihood for experts with their own density: nested mixtures and noise."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from sklearn_moe._persistence import saved_as_dict


@saved_as_dict
@dataclass(frozen=True)
class NestedDensity:
    """The own density of an expert if it has one, otherwise the noise around it.

    The outputs of the experts are `Outputs`. This yields a hierarchical mixture of
    experts [1]_, in which the density of an inner mixture is that of an expert.

    Attributes
    ----------
    noise : FittedLikelihood
        The likelihood of experts without a density of their own.

    References
    ----------
    .. [1] M. I. Jordan and R. A. Jacobs (1994). Hierarchical mixtures of experts and
       the EM algorithm. Neural Computation 6(2), equations 5 and 6.
    """

    noise: Any

    @property
    def has_working_weights(self):
        return self.noise.has_working_weights

    def log_prob(self, y, outputs, X):
        own = outputs.log_density
        log_prob = self.noise.log_prob(y, outputs.values, X)
        # Keep the precision of the noise's log density.
        return np.where(np.isnan(own), log_prob, own.astype(log_prob.dtype, copy=False))

    def working_weights(self, y, outputs):
        factor = self.noise.working_weights(y, outputs.values)
        return np.where(np.isnan(outputs.log_density), factor, 1.0)

    def predictive(self, outputs):
        return self.noise.predictive(outputs)

    def take(self, order):
        return NestedDensity(self.noise.take(order))


class NestedDensityLikelihood:
    """Likelihood that uses the own density of an expert if it has one.

    See `sklearn_moe._contracts.Likelihood`. The outputs of the experts are `Outputs`.

    Parameters
    ----------
    noise : Likelihood
        The likelihood of experts without a density of their own.
    """

    def __init__(self, noise):
        self.noise = noise
        self.normalised_error = noise.normalised_error

    def summarize(self, block, outputs, weights):
        return self.noise.summarize(block, outputs.values, weights)

    def solve(self, statistic):
        return NestedDensity(self.noise.solve(statistic))

    def recall(self, fitted, weight):
        return self.noise.recall(fitted.noise, weight)
