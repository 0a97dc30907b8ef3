"""One EM iteration on rows that lie in partitions."""

from dataclasses import replace
from operator import attrgetter

import numpy as np

from sklearn_moe import kernels
from sklearn_moe.dask._cluster import Rows
from sklearn_moe.dask._partitions import Columns
from sklearn_moe.em import Starvation, Step, explained, redistribute
from sklearn_moe.routing import Routed, exclude

# How many numbers a partition tells of the log-likelihoods of its rows.
DIGEST = 1000


class DistributedStep(Step):
    """One EM iteration: the E-step, and what else is asked of each row.

    Parameters
    ----------
    experts, likelihood, gate, sample_weight, sharing, tol, route : object
        As in `expectation_maximization`, on partitions.
    cluster : Cluster
    max_rows_per_expert : int or None
        Most rows that are assigned to an expert.
    """

    def __init__(
        self,
        experts,
        likelihood,
        gate,
        sample_weight,
        sharing,
        tol,
        route,
        *,
        cluster,
        max_rows_per_expert,
    ):
        if max_rows_per_expert is not None:
            part = max_rows_per_expert * len(experts.names) / sample_weight.n_rows.sum()
            route = replace(route, capacity_factor=_least(route, part))
        route = DistributedRouter(route, sample_weight, cluster)
        super().__init__(experts, likelihood, gate, sample_weight, sharing, tol, route)
        self._cluster = cluster

    def _expect(self, log_gate, log_prob, active):
        posterior = self._cluster.keep(
            self.sample_weight.map(expect, log_gate.rows, log_prob.rows, active)
        )
        log_likelihood, load, log_prob.weighted_sum = self._cluster.total(
            Rows(attrgetter("sums"), posterior)
        )
        responsibilities = Columns(
            Rows(attrgetter("responsibilities"), posterior), log_prob.shape, load
        )
        row_log_likelihood = Rows(attrgetter("row_log_likelihood"), posterior)
        return responsibilities, row_log_likelihood, log_likelihood

    def _watch(self, n_experts):
        return DistributedStarvation(n_experts, self.sample_weight, self._cluster)


def _least(route, factor):
    """The capacity factor, if it is less than another."""
    default = 1.0 if route.assignment == "expert_choice" else np.inf
    own = default if route.capacity_factor is None else route.capacity_factor
    return min(own, factor)


class Posterior:
    """What the E-step makes of a partition.

    Parameters
    ----------
    responsibilities : ndarray of shape (n_samples, n_experts)
    row_log_likelihood : ndarray of shape (n_samples,)
    sums : tuple
        Log-likelihood, and weighted sums of the responsibilities and of the log
        densities under each expert.
    """

    def __init__(self, responsibilities, row_log_likelihood, sums):
        self.responsibilities = responsibilities
        self.row_log_likelihood = row_log_likelihood
        self.sums = sums


def expect(partition, log_gate, log_prob, active):
    """E-step of a partition."""
    weights = partition.sample_weight
    log_gate = exclude(log_gate, active)
    responsibilities, rows, total = kernels.responsibilities(
        log_gate, log_prob, weights, overwrite_gate=True
    )
    sums = total, weights @ responsibilities, weights @ log_prob
    return Posterior(responsibilities, rows, sums)


class DistributedRouter:
    """Which rows train which expert: in each partition as in a table of its own.

    Parameters
    ----------
    route : Router
    training : TrainingPartitions
    cluster : Cluster
    """

    def __init__(self, route, training, cluster):
        self._route, self._training, self._cluster = route, training, cluster
        self.assignment = route.assignment

    def __call__(self, responsibilities, sample_weight):
        """Route the rows; as `Router`, on `Columns`."""
        if self.assignment == "soft":
            load = sample_weight @ responsibilities / sample_weight.sum()
            return Routed(responsibilities, responsibilities, load, 0.0)
        routed = self._cluster.keep(
            self._training.map(route_rows, responsibilities.rows, self._route)
        )
        load, overflow = self._cluster.total(
            Rows(weighted_load, routed, self._training.shares)
        )
        shape = responsibilities.shape
        return Routed(
            Columns(Rows(attrgetter("weights"), routed), shape),
            Columns(Rows(attrgetter("targets"), routed), shape),
            load,
            overflow,
        )


def route_rows(partition, responsibilities, route):
    """Route the rows of a partition."""
    return route(responsibilities, partition.sample_weight)


def weighted_load(routed, share):
    """Part of a partition in load and overflow."""
    return share * routed.load, share * routed.overflow_fraction


class DistributedStarvation(Starvation):
    """Watches over experts that lose their rows, which lie in partitions.

    Parameters
    ----------
    n_experts : int
    training : TrainingPartitions
    cluster : Cluster
    """

    def __init__(self, n_experts, training, cluster):
        super().__init__(n_experts)
        self._training, self._cluster = training, cluster

    def _bounds(self, n_starved, sample_weight, row_log_likelihood):
        digests = self._cluster.collect(self._training.map(digest, row_log_likelihood))
        levels, weights = map(np.concatenate, zip(*digests))
        return super()._bounds(n_starved, weights, levels)

    def _redistribute(self, responsibilities, row_log_likelihood, given):
        changed = self._cluster.keep(
            Rows(
                redistribute,
                responsibilities.rows,
                row_log_likelihood,
                given,
                self.active,
            )
        )
        (load,) = self._cluster.total(self._training.map(column_sums, changed))
        return Columns(changed, responsibilities.shape, load)


def digest(partition, row_log_likelihood):
    """The log-likelihoods of a partition in few numbers: levels, and their weights."""
    levels, place = np.unique(explained(row_log_likelihood), return_inverse=True)
    weights = np.bincount(place, partition.sample_weight)
    if len(levels) > DIGEST:
        groups = np.ceil(DIGEST * np.cumsum(weights) / weights.sum()).astype(int)
        # The largest of each group stands for it.
        ends = np.flatnonzero(np.diff(groups, append=groups[-1] + 1))
        weights = np.diff(np.cumsum(weights)[ends], prepend=0.0)
        levels = levels[ends]
    return levels, weights


def column_sums(partition, columns):
    """Weighted sum of the rows of a partition."""
    return (partition.sample_weight @ columns,)
