"""Distribution of the target of each row: a mixture of the experts' distributions."""

from sklearn_moe._distribution.components import Components
from sklearn_moe._distribution.mixture import MixtureDistribution

__all__ = ["Components", "MixtureDistribution"]
