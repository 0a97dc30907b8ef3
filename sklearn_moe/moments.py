"""Mean and variance of numbers that come in batches."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

# A spread below this part of the mean is rounding.
ROUNDING = 1e-10


@dataclass(frozen=True)
class Moments:
    """Weight, mean and variance of some rows, a number or an array of each.

    Attributes
    ----------
    weight : float or ndarray
        Sum of the weights of the rows.
    mean, variance : float or ndarray
    """

    weight: Any
    mean: Any
    variance: Any

    @classmethod
    def of(cls, values, sample_weight):
        """Moments of some rows.

        Parameters
        ----------
        values : ndarray of shape (n_samples, ...)
        sample_weight : ndarray of shape (n_samples,)

        Returns
        -------
        moments : Moments
        """
        mean = np.average(values, axis=0, weights=sample_weight)
        variance = np.average((values - mean) ** 2, axis=0, weights=sample_weight)
        return cls(sample_weight.sum(), mean, variance)

    @property
    def spread(self):
        """Standard deviation."""
        return np.sqrt(self.variance)

    @property
    def scale(self):
        """Standard deviation, and 1 where there is none but for rounding."""
        constant = self.spread <= ROUNDING * np.abs(self.mean)
        return np.where(constant, 1.0, self.spread)

    def times(self, factor):
        """Moments of the same rows with other weights."""
        return replace(self, weight=self.weight * factor)

    def joined(self, other):
        """Moments of these rows and of others [1]_.

        References
        ----------
        .. [1] T. F. Chan, G. H. Golub and R. J. LeVeque (1983). Algorithms for
           computing the sample variance. The American Statistician 37(3), 242-247.
        """
        weight = self.weight + other.weight
        # Of nothing and nothing, nothing is a half.
        part = np.where(weight > 0, other.weight / np.where(weight > 0, weight, 1), 0.5)
        distance = other.mean - self.mean
        variance = (1 - part) * self.variance + part * other.variance
        return Moments(
            weight,
            self.mean + part * distance,
            variance + part * (1 - part) * distance**2,
        )
