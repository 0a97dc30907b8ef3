"""Distributions of the experts for each row."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class Components:
    """Distributions of one family of SciPy, one for each row and expert.

    The parameters have the shape (n_samples, [n_outputs,] n_experts).
    """

    family: Any
    parameters: dict

    @classmethod
    def of(cls, noise, location, X):
        """Return the distributions of fitted experts, given their predictions."""
        parameters = {}
        for name, value in noise.parameters(location, X).items():
            # The experts are last, so that targets broadcast against the rest.
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
        # To freeze a distribution takes longer than to ask it.
        return getattr(self.family, method)(*arguments, **options, **self.parameters)

    def quantiles(self, method, q):
        """Quantiles of each distribution, by the method "ppf" or "isf"."""
        parameters = dict(self.parameters)
        location, scale = parameters.pop("loc", 0), parameters.pop("scale", 1)
        # A shape that is the expert's, the same in all rows, is looked at once.
        shapes = {
            name: value if value.strides[0] else value[:1]
            for name, value in parameters.items()
        }
        standard = getattr(self.family, method)(q, **shapes)
        return np.broadcast_to(location + scale * standard, self.shape)

    @property
    def means(self):
        """Mean of each distribution, and the centre of one that has no mean."""
        if self.family is stats.t:
            return self.parameters["loc"]
        with np.errstate(over="ignore", invalid="ignore"):
            return self.evaluate("mean")

    @property
    def scales(self):
        """Standard deviation of each distribution, infinite where there is none."""
        with np.errstate(over="ignore", invalid="ignore"):
            scales = self.evaluate("std")
        return np.where(np.isnan(scales), np.inf, scales)

    @property
    def has_infinite_crps(self):
        """Whether the tails of each distribution are too heavy for a CRPS."""
        if self.family is stats.t:
            return self.parameters["df"] <= 0.5
        return np.zeros(self.shape, dtype=bool)
