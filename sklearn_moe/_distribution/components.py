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
        parameters = dict(self.parameters)
        location, scale = parameters.pop("loc", 0), parameters.pop("scale", 1)
        # Standard quantiles are computed once if the shape is the same in all rows.
        shapes = {
            name: value if value.strides[0] else value[:1]
            for name, value in parameters.items()
        }
        standard = getattr(self.family, method)(q, **shapes)
        return np.broadcast_to(location + scale * standard, self.shape)

    @property
    def means(self):
        """Mean of each distribution; for Student's t always the centre."""
        if self.family is stats.t:
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
        if self.family is stats.t:
            return self.parameters["df"] <= 0.5
        return np.zeros(self.shape, dtype=bool)
