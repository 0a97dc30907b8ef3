"""The experts of a mixture, which can be any scikit-learn estimators."""

from sklearn_moe.experts.growing import fitter_of
from sklearn_moe.experts.interpolation import LARGEST_RATIO, find_interpolating
from sklearn_moe.experts.nested import (
    ends_in_mixture,
    has_density,
    mixture_within,
    nested_distribution,
)
from sklearn_moe.experts.outputs import (
    Outputs,
    Predictions,
    Probabilities,
    outputs_of_experts,
    values_of,
)
from sklearn_moe.experts.pool import ExpertPool, FittedExpert
from sklearn_moe.experts.shared_steps import through_common_steps
from sklearn_moe.experts.uniform import UniformExpert, is_uniform, over_range

__all__ = [
    "LARGEST_RATIO",
    "ExpertPool",
    "FittedExpert",
    "Outputs",
    "Predictions",
    "Probabilities",
    "UniformExpert",
    "ends_in_mixture",
    "find_interpolating",
    "fitter_of",
    "has_density",
    "is_uniform",
    "mixture_within",
    "nested_distribution",
    "outputs_of_experts",
    "over_range",
    "through_common_steps",
    "values_of",
]
