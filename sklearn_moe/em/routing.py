"""Switch routing: which rows train which expert."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from sklearn_moe import kernels
from sklearn_moe._rows import field
from sklearn_moe._statistics import Sums


def exclude(log_gate, active):
    """Share the weights of the experts that are not active among the others.

    Parameters
    ----------
    log_gate : ndarray of shape (n_samples, n_experts)
        Logarithm of the gate's weights.
    active : ndarray of shape (n_experts,), bool

    Returns
    -------
    log_gate : ndarray of shape (n_samples, n_experts)
        -inf for the experts that are not active; rows of weights sum to one.
    """
    if active.all():
        return log_gate
    return kernels.log_softmax(np.where(active, log_gate, -np.inf))


@dataclass(frozen=True)
class Routed:
    """Which rows train which experts in one M-step.

    Attributes
    ----------
    weights : column of shape (n_samples, n_experts)
        Fraction of the weight of each row that each expert is trained on.
    targets : column of shape (n_samples, n_experts)
        What the gate learns; rows sum to one.
    load : ndarray of shape (n_experts,)
        Fraction of all rows, by weight, that each expert is trained on.
    overflow_fraction : float
        Fraction of the weight of all rows that trains no expert.
    """

    weights: Any
    targets: Any
    load: np.ndarray
    overflow_fraction: float = 0.0


@dataclass(frozen=True)
class Load(Sums):
    """Weight of rows that train experts.

    Attributes
    ----------
    load : ndarray of shape (n_experts,)
        Weight of the rows that each expert is trained on.
    overflow : float
        Weight of the rows that train no expert.
    """

    load: np.ndarray
    overflow: float


class RoutedBlock(NamedTuple):
    """Which rows of a block train which experts; see `Routed`."""

    weights: np.ndarray
    targets: np.ndarray
    load: Load


@dataclass(frozen=True)
class Router:
    """From responsibilities to the rows that train each expert.

    Attributes
    ----------
    assignment : {"soft", "hard", "expert_choice"}
        Each row trains every expert by its responsibility; the expert of its largest
        responsibility alone, as in classification EM [1]_; or those experts that choose
        it, by its responsibility.
    capacity_factor : float or None
        An expert is trained on at most ``ceil(capacity_factor * n_samples /
        n_experts)`` rows of mean weight, in each block as in a table of its own. None
        means no limit ("hard") or 1 ("expert_choice").
    overflow : {"drop", "reroute"}
        Whether a row that finds no room trains no expert, or the next best with room.

    References
    ----------
    .. [1] G. Celeux and G. Govaert (1992). A classification EM algorithm for clustering
       and two stochastic versions. Computational Statistics and Data Analysis 14(3),
       315-332.
    """

    assignment: str = "soft"
    capacity_factor: float | None = None
    overflow: str = "drop"

    def shared(self, sharing):
        """What is shared of each row: nothing where an expert has its own rows only."""
        return sharing if self.assignment == "soft" else 0.0

    def route(self, rows, posterior):
        """Route all rows by the responsibilities of a `Posterior`."""
        responsibilities = posterior.responsibilities
        if self.assignment == "soft":
            return Routed(responsibilities, responsibilities, posterior.share)
        routed = rows.keep(rows.map(self.route_block, responsibilities))
        total = rows.total(field, routed, "load")
        return Routed(
            rows.map(field, routed, "weights"),
            rows.map(field, routed, "targets"),
            total.load / rows.total_weight,
            float(total.overflow / rows.total_weight),
        )

    def route_block(self, block, responsibilities):
        """Route each row of a block to some of the experts."""
        sample_weight = block.sample_weight
        capacity = self._capacity(responsibilities, sample_weight)
        if self.assignment == "hard":
            experts = kernels.assign_with_capacity(
                responsibilities,
                sample_weight,
                capacity,
                reroute=self.overflow == "reroute",
            )
            trains = experts[:, np.newaxis] == np.arange(responsibilities.shape[1])
            weights = trains.astype(responsibilities.dtype)
            load = sample_weight @ weights
        else:
            trains = kernels.choose_rows(responsibilities, sample_weight, capacity)
            # As in the paper, where the gate's score multiplies what an expert learns:
            # room that is left over goes to rows that matter little.
            weights = np.where(trains, responsibilities, 0)
            load = sample_weight @ trains
        return RoutedBlock(
            weights,
            _gate_targets(weights, responsibilities),
            Load(load, sample_weight @ ~trains.any(axis=1)),
        )

    def _capacity(self, responsibilities, sample_weight):
        """Room of an expert, in units of weight."""
        n_samples, n_experts = responsibilities.shape
        factor = self.capacity_factor
        if factor is None:
            factor = np.inf if self.assignment == "hard" else 1.0
        if np.isinf(factor):
            return np.inf
        return np.ceil(factor * n_samples / n_experts) * sample_weight.mean()


def _gate_targets(weights, responsibilities):
    """What the gate learns from the rows that train each expert."""
    total = weights.sum(axis=1, keepdims=True)
    if (total == 1).all():
        return weights
    # What trained no expert still tells the gate whom it should have trained.
    targets = np.where(total > 0, weights, responsibilities)
    targets /= targets.sum(axis=1, keepdims=True)
    return targets
