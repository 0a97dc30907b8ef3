"""Experts that have a density of their own: mixtures in a mixture, and noise."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from sklearn_moe._persistence import saved_as_dict


@saved_as_dict
@dataclass(frozen=True)
class NestedDensity:
    """The density of an expert where it has one, else that of the noise around it.

    Outputs are `Outputs`.

    This is what makes a hierarchical mixture of experts [1]_: its inner likelihoods are
    those of the mixtures below.

    Attributes
    ----------
    noise : FittedLikelihood
        The likelihood of the other experts.

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
        # In the precision of the others.
        return np.where(np.isnan(own), log_prob, own.astype(log_prob.dtype, copy=False))

    def working_weights(self, y, outputs):
        factor = self.noise.working_weights(y, outputs.values)
        return np.where(np.isnan(outputs.log_density), factor, 1.0)

    def predictive(self, outputs):
        return self.noise.predictive(outputs)

    def take(self, order):
        return NestedDensity(self.noise.take(order))


class NestedDensityLikelihood:
    """Likelihood that takes the density of an expert from it where it has one.

    See `sklearn_moe._contracts.Likelihood`; outputs are `Outputs`.

    Parameters
    ----------
    noise : Likelihood
        For the other experts.
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
