"""Distribution of the target of each row: a mixture of those of the experts."""

from sklearn_moe._distribution.components import Components
from sklearn_moe._distribution.mixture import MixtureDistribution

__all__ = ["Components", "MixtureDistribution"]
