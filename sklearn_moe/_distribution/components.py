"""Distributions of the target of each row under each expert."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class Components:
    """Distributions from one family of SciPy, one for each row and expert.

    The parameters have the shape (n_samples, [n_outputs,] n_experts).
    """

    family: Any
    parameters: dict

    @classmethod
    def of(cls, noise, location, X):
        """Return the distributions of fitted experts, given their predictions."""
        parameters = {}
        for name, value in noise.parameters(location, X).items():
            # The experts are the last axis, so that targets broadcast against the rest.
            value = np.moveaxis(np.broadcast_to(value, location.shape), 1, -1)
            parameters[name] = value.astype(np.float64, copy=False)
        return cls(noise.distribution, parameters)

    def __getitem__(self, index):
        """Return the distributions of some rows, or experts."""
        return Components(
            self.family, {name: value[index] for name, value in self.parameters.items()}
        )

    @property
    def shape(self):
        """Shape of the parameters: (n_samples, [n_outputs,] n_experts)."""
        return next(iter(self.parameters.values())).shape

    def evaluate(self, method, *arguments, **options):
        """Call a method of the family with the parameters of each distribution."""
        # Call the methods directly: it takes longer to freeze a distribution.
        return getattr(self.family, method)(*arguments, **options, **self.parameters)

    def quantiles(self, method, q):
        """Return the quantiles of each distribution, by the method "ppf" or "isf"."""
        location, scale, shapes = self._of_rows(slice(None))
        standard = getattr(self.family, method)(q, *shapes)
        return np.broadcast_to(location + scale * standard, self.shape)

    def log_tail_and_density(self, tail, y, rows):
        """Return the logarithms of a tail, "cdf" or "sf", and of the density.

        A search calls it many times, also for few rows. It therefore calls the methods
        by which SciPy defines a distribution: the public ones take most of their time
        to check their arguments.

        Parameters
        ----------
        tail : {"cdf", "sf"}
        y : ndarray of shape (n_rows,)
        rows : ndarray of shape (n_rows,), int
            Row of each point.

        Returns
        -------
        log_tail, log_density : ndarray of shape (n_rows, n_experts)
        """
        family = self.family
        location, scale, shapes = self._of_rows(rows)
        z = (y[:, np.newaxis] - location) / scale
        inside = np.clip(z, *family._get_support(*shapes))
        log_name = f"_log{tail}"
        if getattr(type(family), log_name) is getattr(stats.rv_continuous, log_name):
            # SciPy's general method takes longer, to be exact where the tail is almost
            # one: it computes the median, which for a gamma distribution is slow.
            log_tail = np.log(getattr(family, f"_{tail}")(inside, *shapes))
        else:
            log_tail = getattr(family, log_name)(inside, *shapes)
        log_density = family._logpdf(inside, *shapes) - np.log(scale)
        return log_tail, np.where(inside == z, log_density, -np.inf)

    def _of_rows(self, rows):
        """Return location, scale and shapes of some rows; of one if all are the same.

        What depends on the shapes alone is then computed once.
        """
        values = {
            name: value[rows] if value.strides[0] else value[:1]
            for name, value in self.parameters.items()
        }
        location, scale = values.pop("loc", 0.0), values.pop("scale", 1.0)
        names = self.family.shapes.split(", ") if self.family.shapes else []
        return location, scale, [values[name] for name in names]

    @property
    def means(self):
        """Mean of each distribution; for Student's t always the centre."""
        if isinstance(self.family, type(stats.t)):
            return self.parameters["loc"]
        with np.errstate(over="ignore", invalid="ignore"):
            return self.evaluate("mean")

    @property
    def scales(self):
        """Standard deviation of each distribution; infinite if it is undefined."""
        with np.errstate(over="ignore", invalid="ignore"):
            scales = self.evaluate("std")
        return np.where(np.isnan(scales), np.inf, scales)

    @property
    def has_infinite_crps(self):
        """Whether the tails of each distribution are too heavy for a finite CRPS."""
        if isinstance(self.family, type(stats.t)):
            return self.parameters["df"] <= 0.5
        return np.zeros(self.shape, dtype=bool)
