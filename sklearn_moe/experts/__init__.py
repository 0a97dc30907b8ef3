"""Any scikit-learn estimator as an expert."""

from sklearn_moe.experts.growing import fitter_of
from sklearn_moe.experts.interpolation import find_interpolating
from sklearn_moe.experts.nested import (
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

__all__ = [
    "ExpertPool",
    "FittedExpert",
    "Outputs",
    "Predictions",
    "Probabilities",
    "find_interpolating",
    "fitter_of",
    "has_density",
    "mixture_within",
    "nested_distribution",
    "outputs_of_experts",
    "through_common_steps",
    "values_of",
]
