"""Score the distribution of a mixture, and choose the number of experts."""

from sklearn_moe.model_selection._number_of_experts import select_n_experts
from sklearn_moe.model_selection._scorers import (
    log_likelihood_scorer,
    neg_crps_scorer,
)

__all__ = [
    "log_likelihood_scorer",
    "neg_crps_scorer",
    "select_n_experts",
]
