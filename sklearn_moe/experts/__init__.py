"""Any scikit-learn estimator as an expert."""

from sklearn_moe.experts.answers import (
    ClassAnswers,
    PointAnswers,
    distributions,
    has_own_density,
    mixture_within,
    own_distribution,
)
from sklearn_moe.experts.incremental import IncrementalPool, OnlineExperts
from sklearn_moe.experts.linear import (
    MAX_FEATURES,
    LeastSquares,
    is_least_squares,
    weighted_moments,
)
from sklearn_moe.experts.memorization import find_memorizers
from sklearn_moe.experts.pool import ExpertPool, blamed_on, expert_answers

__all__ = [
    "MAX_FEATURES",
    "ClassAnswers",
    "ExpertPool",
    "IncrementalPool",
    "LeastSquares",
    "OnlineExperts",
    "PointAnswers",
    "blamed_on",
    "distributions",
    "expert_answers",
    "find_memorizers",
    "has_own_density",
    "is_least_squares",
    "mixture_within",
    "own_distribution",
    "weighted_moments",
]
