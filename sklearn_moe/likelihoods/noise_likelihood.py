"""The likelihood of regression, which fits a noise model in EM."""

from copy import copy
from dataclasses import dataclass, replace

import numpy as np

from sklearn_moe.likelihoods.noise import Target


@dataclass(frozen=True)
class AllRows:
    """All rows, as the statistic of a noise model that needs them at once.

    Attributes
    ----------
    target, location, weights : object
        The arguments of `Noise.fit`; they cannot be added to those of other blocks.
    """

    target: Target
    location: np.ndarray
    weights: np.ndarray


class NoiseLikelihood:
    """Likelihood of numbers under a noise model around the outputs.

    See `sklearn_moe._contracts.Likelihood`.

    Parameters
    ----------
    noise : Noise
        It is not modified. EM starts from its parameters if it is fitted.
    moments : Moments
        Moments of all targets.
    """

    def __init__(self, noise, moments):
        self.noise = noise
        self.target = Target.of(moments)

    def summarize(self, block, outputs, weights):
        target = replace(
            self.target, X=block.X, y=block.encoded_y, exposure=block.exposure
        )
        summarize = self.noise._summarize if self.noise.adds_up else AllRows
        return summarize(target, outputs, np.asarray(weights))

    def solve(self, statistic):
        noise = copy(self.noise)
        if isinstance(statistic, AllRows):
            return noise.fit(statistic.target, statistic.location, statistic.weights)
        return noise._solve(self.target, statistic)

    def recall(self, fitted, weight):
        if not fitted.adds_up:
            raise TypeError(f"{type(fitted).__name__} needs all rows in one place.")
        return fitted._recall(weight)

    def normalised_error(self, y, values, weights):
        """Return the root mean squared error in units of the target's spread."""
        spread = self.target.spread
        if not np.all(spread > 0):
            return np.inf
        error = ((y - values) / spread) ** 2
        return np.sqrt(np.average(error, axis=0, weights=weights).mean())
