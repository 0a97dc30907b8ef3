"""The EM algorithm for mixtures of experts: starts, iterations, restarts, routing."""

from sklearn_moe.em.given_starts import (
    check_start,
    given_responsibilities,
    is_learnt,
)
from sklearn_moe.em.loop import calibrate_likelihood, expectation_maximization
from sklearn_moe.em.online import RowsSeen, Stream, kept_fraction, online_step
from sklearn_moe.em.restarts import Shared, best_run
from sklearn_moe.em.routing import Router, exclude
from sklearn_moe.em.sharing import LearntSharing, unit_sharing
from sklearn_moe.em.starting_rules import STARTS
from sklearn_moe.em.starts import (
    beside_noise,
    initial_responsibilities,
    rows_of_start,
    starting_points,
    whole_subjects,
)
from sklearn_moe.em.step import (
    Estimates,
    Iteration,
    Learners,
    Posterior,
    e_step,
    log_prob_of_block,
    objective_of,
    working_weights_of,
)

__all__ = [
    "STARTS",
    "Estimates",
    "Iteration",
    "Learners",
    "LearntSharing",
    "Posterior",
    "Router",
    "RowsSeen",
    "Shared",
    "Stream",
    "beside_noise",
    "best_run",
    "calibrate_likelihood",
    "check_start",
    "e_step",
    "exclude",
    "expectation_maximization",
    "given_responsibilities",
    "initial_responsibilities",
    "is_learnt",
    "kept_fraction",
    "log_prob_of_block",
    "objective_of",
    "online_step",
    "rows_of_start",
    "starting_points",
    "unit_sharing",
    "whole_subjects",
    "working_weights_of",
]
