"""The experts at work on partitions: each is fitted where its rows have come to."""

from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.frozen import FrozenEstimator

from sklearn_moe._compat import safe_indexing
from sklearn_moe.dask._cluster import Kept, Rows, in_each, task
from sklearn_moe.dask._collective import CollectiveFit, takes_collections
from sklearn_moe.dask._moments import mean_and_variance
from sklearn_moe.dask._partitions import Columns, stack_rows
from sklearn_moe.dask._sampling import rows_that_travel
from sklearn_moe.em import TrainingWeights
from sklearn_moe.experts import (
    MAX_FEATURES,
    LeastSquares,
    blamed_on,
    expert_answers,
    has_own_density,
    is_least_squares,
    weighted_moments,
)
from sklearn_moe.weighting import WeightedFit


@dataclass(frozen=True)
class Ask:
    """What experts say of the rows of a partition.

    Attributes
    ----------
    names : list of str
    answers : callable
    """

    names: list
    answers: Any

    def __call__(self, partition, experts):
        """Their outputs."""
        named = dict(zip(self.names, experts))
        return expert_answers(named, partition.X, partition.y, self.answers)


class DistributedPool:
    """The experts at work in EM, on rows that lie in partitions.

    Parallelism is that of the experts [1]_: from each partition an expert takes at most
    its capacity there; the rows travel once in an M-step, to the worker that fits it.

    Parameters
    ----------
    named_experts : list of (str, estimator)
        Not changed.
    training : TrainingPartitions
    sample : Partition
        Some of the rows, which the client has.
    answers : callable
    capacity : list of int
        How many rows an expert takes from each partition.
    seeds : list of int
        Of the luck of the rows of each partition.
    cluster : Cluster
    random_state : RandomState instance

    Attributes
    ----------
    splits : tuple
        No folds: nobody is asked about rows held out.

    References
    ----------
    .. [1] W. Fedus, B. Zoph and N. Shazeer (2021). Switch transformers: scaling to
       trillion parameter models with simple and efficient sparsity. JMLR 23, sections
       2.2 and 5.
    """

    splits = ()
    # What runs at the same time is the cluster's business.
    n_jobs = None

    def __init__(
        self,
        named_experts,
        training,
        sample,
        answers,
        *,
        capacity,
        seeds,
        cluster,
        random_state,
    ):
        self.names = [name for name, _ in named_experts]
        self.frozen = [isinstance(e, FrozenEstimator) for _, e in named_experts]
        self._experts = [
            expert if frozen else _fit_of(expert)(expert, random_state)
            for (_, expert), frozen in zip(named_experts, self.frozen)
        ]
        self._training, self._sample, self._cluster = training, sample, cluster
        self._ask = Ask(self.names, answers)
        self._capacity, self._seeds = Kept(capacity), Kept(seeds)

    def fit(self, weights, active, previous):
        """M-step of the experts.

        Parameters
        ----------
        weights : TrainingWeights
            Its arrays lie in partitions.
        active : ndarray of shape (n_experts,), bool
            An expert that is not active is left as it was.
        previous : list of Fitted or None
            What the last M-step returned.

        Returns
        -------
        members : list of Fitted
        outputs : Columns
            Their answers on the training rows.
        """
        experts = [
            self._experts[k] if self.frozen[k] else previous and previous[k].estimator
            for k in range(len(self.names))
        ]
        learning = [k for k in range(len(experts)) if active[k] and not self.frozen[k]]
        solved = self._solve(learning, weights, experts) if previous else {}
        rest = [k for k in learning if k not in solved]
        together = [k for k in rest if isinstance(self._experts[k], CollectiveFit)]
        alone = [k for k in rest if k not in together]
        fits = self._fits(alone, weights, experts)
        solved.update(zip(alone, self._cluster.fetch(fits)))
        solved.update((k, self._fit_together(k, weights)) for k in together)
        experts = [solved.get(k, expert) for k, expert in enumerate(experts)]
        members = [
            Fitted(expert, self._ask.answers, self._sample) for expert in experts
        ]
        outputs = self._training.map(self._ask, self._cluster.share(experts))
        return members, Columns(self._cluster.keep(outputs), weights.parts.shape)

    def estimators(self, members, order):
        """The experts of an M-step, in another order."""
        return [members[k].estimator for k in order]

    def _solve(self, learning, weights, experts):
        """Fit the linear experts to all rows, of which none has to travel.

        The first fit of each is the estimator's own: it has checked its rows.
        """
        linear = {
            k: experts[k]
            for k in learning
            if is_least_squares(self._experts[k].estimator)
            and self._experts[k].way == "direct"
        }
        if not linear or not self._least_squares.serves:
            return {}
        return self._least_squares.solve(linear, weights)

    @cached_property
    def _least_squares(self):
        return DistributedLeastSquares(self._training, self._sample, self._cluster)

    def _fit_together(self, k, weights):
        """Fit an expert that takes Dask collections itself."""
        with blamed_on(f"expert {self.names[k]!r}"):
            return self._experts[k].fit(
                self._training, weights, k, self._sample, self._cluster.client
            )

    def _fits(self, learning, weights, previous):
        """The tasks that bring the rows of each expert together, and fit it."""
        if not learning:
            return []
        labelled = [is_classifier(self._experts[k].estimator) for k in learning]
        # Of all experts at once: a partition is looked at once, and has done its part
        # before a worker that fits could let others wait for rows.
        picked = self._training.map(
            pick,
            weights.parts.rows,
            getattr(weights.emphasis, "rows", weights.emphasis),
            weights.sharing,
            dict(zip(learning, labelled)),
            self._capacity,
            self._seeds,
        )
        picked = Kept(in_each(picked))
        return [
            self._fit_task(k, in_each(Rows(itemgetter(k), picked)), previous[k])
            for k in learning
        ]

    def _fit_task(self, k, picked, previous):
        """The task that fits an expert to the rows that have come to it."""
        go_on = previous is not None and has_own_density(previous)
        return task(
            "fit_expert",
            fit_expert,
            self.names[k],
            self._experts[k],
            picked,
            self._training.sum() / self._training.n_rows.sum(),
            previous if go_on else None,
        )


def _fit_of(expert):
    return CollectiveFit if takes_collections(expert) else WeightedFit


class DistributedLeastSquares(LeastSquares):
    """Weighted least squares of many experts on rows that lie in partitions.

    Parameters
    ----------
    training : TrainingPartitions
    sample : Partition
    cluster : Cluster

    Attributes
    ----------
    serves : bool
        Whether rows are such that it can be used.
    """

    def __init__(self, training, sample, cluster):
        X, y = sample.X, sample.encoded_y
        self.serves = (
            isinstance(X, np.ndarray)
            and X.dtype == np.float64
            and X.shape[1] <= MAX_FEATURES
            and y.ndim == 1
        )
        self._training, self._cluster = training, cluster
        if self.serves:
            centre = np.append(X.mean(axis=0), y.mean())
            columns = training.map(features_and_target)
            self._means, _ = mean_and_variance(columns, training, centre, cluster)

    def _worthwhile(self, estimators, weights):
        return list(estimators)

    def _moments(self, experts, weights, means):
        return self._cluster.total(
            self._training.map(
                moments_of,
                weights.parts.rows,
                getattr(weights.emphasis, "rows", weights.emphasis),
                weights.sharing,
                experts,
                means,
            )
        )


def features_and_target(partition):
    """Side by side."""
    return np.column_stack([partition.X, partition.encoded_y])


def moments_of(partition, parts, emphasis, sharing, experts, means):
    """What the normal equations of some experts sum up, of one partition."""
    weights = TrainingWeights(parts, partition.sample_weight, sharing, emphasis)
    y = np.asarray(partition.encoded_y, dtype=np.float64)
    return weighted_moments(partition.X, y, experts, weights, means)


class Fitted:
    """One expert after an M-step.

    Parameters
    ----------
    estimator : estimator
    answers : callable
    sample : Partition
    """

    def __init__(self, estimator, answers, sample):
        self.estimator = estimator
        self._answers, self._sample = answers, sample

    @cached_property
    def mean(self):
        """Of its answers on the sample."""
        values = self._answers(self.estimator, self._sample.X)
        weights = self._sample.sample_weight
        return np.average(values.reshape(len(weights), -1)[:, 0], weights=weights)


def pick(partition, parts, emphasis, sharing, learning, capacity, seed):
    """The rows of a partition that travel to each expert.

    Parameters
    ----------
    partition : Partition
    parts : ndarray of shape (n_samples, n_experts)
    emphasis : float or ndarray of shape (n_samples, n_experts)
    sharing : float
        These three as in `TrainingWeights`.
    learning : dict of {int: bool}
        The experts, and whether the targets of each are classes.
    capacity : int
        Of each expert, in this partition.
    seed : int
        Of this partition.

    Returns
    -------
    picked : dict of {int: tuple}
        X, y, weights and the number of rows that had been wanted.
    """
    weights = TrainingWeights(parts, partition.sample_weight, sharing, emphasis)
    # Not zero, and the same for all experts: what travels anyway travels together.
    luck = 1 - np.random.default_rng(seed).random(len(partition.y))
    picked = {}
    for k, labelled in learning.items():
        labels = partition.y if labelled else None
        rows, own, n_wanted = rows_that_travel(weights.of(k), capacity, luck, labels)
        X = safe_indexing(partition.X, rows)
        picked[k] = X, partition.y[rows], own, n_wanted
    return picked


def fit_expert(name, expert, picked, unit, previous):
    """Fit an expert to the rows that have come to it.

    Parameters
    ----------
    name : str
    expert : WeightedFit
    picked : list of tuple
        Of each partition, what `pick` found for the expert.
    unit : float
        The mean weight of all rows.
    previous : estimator or None
        The last fit, where a mixture goes on from it.

    Returns
    -------
    fitted : estimator
    """
    X, y, weights, n_wanted = zip(*picked)
    X, y, weights = stack_rows(X), np.concatenate(y), np.concatenate(weights)
    # A resample is as much smaller as fewer rows have come.
    unit *= sum(n_wanted) / len(weights)
    with blamed_on(f"expert {name!r}"):
        return expert.fit(X, y, weights, unit=unit, previous=previous)
