"""Sufficient statistics: the sums over rows that an M-step needs."""

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from sklearn_moe._persistence import saved_as_dict

# Largest numbers whose sums of squares do not overflow, in float64 and in float32.
LARGEST_TO_SQUARE = 1e150
LARGEST_FLOAT32_TO_SQUARE = 1e15

# A standard deviation below this fraction of the mean counts as a rounding error.
ROUNDING = 1e-12


@dataclass(frozen=True)
class Sums:
    """Base class of statistics whose fields are sums over rows.

    ``a + b`` is the statistic of the rows of both, and ``factor * a`` that of rows each
    of which counts `factor` times.
    """

    def __add__(self, other):
        return type(self)(
            *(
                getattr(self, field.name) + getattr(other, field.name)
                for field in fields(self)
            )
        )

    def __rmul__(self, factor):
        return type(self)(
            *(factor * getattr(self, field.name) for field in fields(self))
        )


@saved_as_dict
@dataclass(frozen=True)
class Moments:
    """Weight, mean and variance of some rows; each is a number or an array.

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
        """Compute the moments of some rows.

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
    def constant(self):
        """Whether the spread is zero up to rounding."""
        return self.spread <= ROUNDING * np.abs(self.mean)

    @property
    def scale(self):
        """Standard deviation, or 1 where it is zero up to rounding."""
        return np.where(self.constant, 1.0, self.spread)

    def __rmul__(self, factor):
        return replace(self, weight=factor * self.weight)

    def __add__(self, other):
        """Return the moments of the rows of both [1]_.

        References
        ----------
        .. [1] T. F. Chan, G. H. Golub and R. J. LeVeque (1983). Algorithms for
           computing the sample variance. The American Statistician 37(3), 242-247.
        """
        weight = self.weight + other.weight
        # Where neither has any weight, their means are averaged.
        share = np.where(
            weight > 0, other.weight / np.where(weight > 0, weight, 1), 0.5
        )
        distance = other.mean - self.mean
        variance = (1 - share) * self.variance + share * other.variance
        return Moments(
            weight,
            self.mean + share * distance,
            variance + share * (1 - share) * distance**2,
        )


@saved_as_dict
@dataclass(frozen=True)
class TargetMoments(Moments):
    """Moments of targets, and their range.

    Attributes
    ----------
    least, largest : float or ndarray
    """

    least: Any
    largest: Any

    @classmethod
    def of(cls, values, sample_weight):
        """Compute the moments and the range of some rows; see `Moments.of`."""
        moments = Moments.of(values, sample_weight)
        return cls(
            moments.weight,
            moments.mean,
            moments.variance,
            values.min(axis=0),
            values.max(axis=0),
        )

    def __add__(self, other):
        """Return the moments and the range of the rows of both."""
        moments = super().__add__(other)
        return TargetMoments(
            moments.weight,
            moments.mean,
            moments.variance,
            np.minimum(self.least, other.least),
            np.maximum(self.largest, other.largest),
        )
