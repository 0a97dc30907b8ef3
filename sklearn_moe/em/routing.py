"""Routing of rows to the experts that are trained on them."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from sklearn_moe import kernels
from sklearn_moe._rows import field
from sklearn_moe._statistics import Sums


def exclude(log_gate, active):
    """Redistribute the gate weights of inactive experts among the active ones.

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
    """Assignment of rows to the experts that they train, in one M-step.

    Attributes
    ----------
    weights : column of shape (n_samples, n_experts)
        Fraction of the weight of each row that each expert is trained on.
    targets : column of shape (n_samples, n_experts)
        Targets of the gate; rows sum to one.
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
    """Total weight of the rows that train each expert, or none.

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
    """Assignment of a block's rows to the experts that they train; see `Routed`."""

    weights: np.ndarray
    targets: np.ndarray
    load: Load


@dataclass(frozen=True)
class Router:
    """Rule that assigns rows to experts, given the responsibilities.

    Attributes
    ----------
    assignment : {"soft", "hard", "expert_choice"}
        Each row trains every expert with its responsibility as weight ("soft"), only
        the expert with the largest responsibility, as in classification EM [1]_
        ("hard"), or those experts that choose it, with its responsibility as weight
        ("expert_choice").
    capacity_factor : float or None
        An expert is trained on at most ``ceil(capacity_factor * n_samples /
        n_experts)`` rows of mean weight; the limit applies to each block separately.
        None means no limit ("hard") or 1 ("expert_choice").
    overflow : {"drop", "reroute"}
        Whether a row whose expert is full trains no expert, or the expert with the next
        largest responsibility that has room.

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
        """Return the sharing in effect: none unless the assignment is "soft"."""
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
            # The responsibilities weight the chosen rows, as the gate scores multiply
            # the experts' outputs in expert-choice routing: an expert with spare
            # capacity also chooses rows of little weight.
            weights = np.where(trains, responsibilities, 0)
            load = sample_weight @ trains
        return RoutedBlock(
            weights,
            _gate_targets(weights, responsibilities),
            Load(load, sample_weight @ ~trains.any(axis=1)),
        )

    def _capacity(self, responsibilities, sample_weight):
        """Return the largest weight of rows that an expert is trained on."""
        n_samples, n_experts = responsibilities.shape
        factor = self.capacity_factor
        if factor is None:
            factor = np.inf if self.assignment == "hard" else 1.0
        if np.isinf(factor):
            return np.inf
        return np.ceil(factor * n_samples / n_experts) * sample_weight.mean()


def _gate_targets(weights, responsibilities):
    """Return the targets of the gate, from the rows that train each expert."""
    total = weights.sum(axis=1, keepdims=True)
    if (total == 1).all():
        return weights
    # The gate also learns from rows that train no expert, by their responsibilities.
    targets = np.where(total > 0, weights, responsibilities)
    targets /= targets.sum(axis=1, keepdims=True)
    return targets
