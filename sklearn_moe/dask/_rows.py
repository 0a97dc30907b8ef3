"""Training rows that lie in partitions, for EM."""

from dataclasses import replace
from functools import partial
from operator import itemgetter

import numpy as np

from sklearn_moe._fit_warnings import collect_from_calls
from sklearn_moe._rows import Block
from sklearn_moe.dask._cluster import Lazy, Stored, calls, tasks_of
from sklearn_moe.dask._collective import CollectiveFit
from sklearn_moe.dask._partitions import stack_rows
from sklearn_moe.dask._sampling import sample_rows


class PartitionedRows:
    """Rows in many blocks: a function of the rows is called where they are.

    See `sklearn_moe._contracts.Rows` for what each method means. A column is `Lazy` or
    `Stored`.

    Parameters
    ----------
    blocks : Lazy or Stored
        A `Block` of each partition, none of them empty.
    n_rows : ndarray of shape (n_partitions,), int
        Number of rows of each.
    total_weight : float
    sample : Block
        Some of the rows, with their own weights.
    cluster : Cluster
    capacity : int
        The most rows that an expert takes from all partitions together.
    seeds : list of int
        For the rows that are drawn from each partition where there are more.
    labelled : bool
        Whether the targets are classes, of each of which an expert is to see some rows.
    """

    in_one_block = False
    # The cluster knows how much runs at the same time.
    n_jobs = None

    def __init__(
        self,
        blocks,
        n_rows,
        total_weight,
        sample,
        cluster,
        *,
        capacity,
        seeds,
        labelled,
    ):
        self._blocks, self._cluster, self._labelled = blocks, cluster, labelled
        self._n_rows, self.n_samples = n_rows, n_rows.sum()
        self._capacity, self._seeds = Stored(divide(capacity, n_rows)), Stored(seeds)
        self.total_weight = total_weight
        factor = total_weight / sample.sample_weight.sum()
        self.sample = replace(sample, sample_weight=factor * sample.sample_weight)

    def map(self, function, *columns):
        """Call a function of each block when its value is needed."""
        return Lazy(function, self._blocks, *columns)

    def total(self, function, *columns):
        """Call a function of each block now, and add up what it returns."""
        return self._cluster.total(self.map(function, *columns))

    def keep(self, column):
        """Have the workers compute a column now, and keep it."""
        return self._cluster.keep(column)

    def share(self, value):
        """Hand a value to all workers."""
        return self._cluster.share(value)

    def extend(self, of_sample, function, *columns):
        """Call a function of each block when its value is needed."""
        return self.map(function, *columns)

    def gather(self, function, weights, tasks):
        """Bring the rows of each expert to a worker, and call a function there [1]_.

        References
        ----------
        .. [1] W. Fedus, B. Zoph and N. Shazeer (2021). Switch transformers: scaling to
           trillion parameter models with simple and efficient sparsity. JMLR 23,
           sections 2.2 and 5.
        """
        together = [isinstance(fit.fitter, CollectiveFit) for fit in tasks]
        alone = [fit for fit, collective in zip(tasks, together) if not collective]
        results = iter(self._fit_alone(function, weights, alone) if alone else ())
        return [
            self._fit_together(fit, weights[fit.k]) if collective else next(results)
            for fit, collective in zip(tasks, together)
        ]

    def _fit_alone(self, function, weights, tasks):
        """Fit each expert on one worker, all at the same time."""
        # All rows of an M-step in one pass: a partition is looked at once, and is done
        # before a worker that fits could let others wait for rows.
        experts = [fit.k for fit in tasks]
        selected = self._cluster.store(
            self.map(
                select_rows,
                experts,
                self._labelled,
                self._capacity,
                self._seeds,
                *(weights[k] for k in experts),
            )
        )
        unit = self.total_weight / self.n_samples
        arguments = [
            [tasks_of(Lazy(itemgetter(fit.k), selected)), unit, fit] for fit in tasks
        ]

        def run(call):
            fits = calls("fit_expert", call, arguments)
            names = {fit.key: f"expert {own.name!r}" for fit, own in zip(fits, tasks)}
            return self._cluster.fetch(fits, names)

        return collect_from_calls(run, partial(fit_gathered, function))

    def _fit_together(self, fit, weights):
        """Fit an expert that takes collections, on all workers."""
        rows = tasks_of(self.map(_rows_and_weights, weights, fit.k))
        sample, client = self.sample, self._cluster.client
        return fit.fitter.fit_rows(rows, self._n_rows, sample, client, fit.name), None


def select_rows(block, experts, labelled, capacity, seed, *weights):
    """Select the rows of a partition that travel to each expert.

    Returns
    -------
    selected : dict of {int: tuple}
        For each expert its rows, a `Block` whose weights stand for those of all, and
        the number of rows that it had taken without a limit.
    """
    # Not zero, and the same for all experts: what travels anyway travels together.
    uniforms = 1 - np.random.default_rng(seed).random(len(block.y))
    labels = block.y if labelled else None
    selected = {}
    for k, own in zip(experts, weights):
        own = block.sample_weight if own is None else own.of(k)
        rows, own, n_wanted = sample_rows(own, capacity, uniforms, labels)
        taken = block.take(rows)
        selected[k] = Block(taken.X, taken.y, None, own), n_wanted
    return selected


def fit_gathered(function, selected, unit, fit):
    """Call a function of what `select_rows` has found in each partition for an expert.

    `unit` is the mean weight of all rows.
    """
    blocks, n_wanted = zip(*selected)
    X = stack_rows([block.X for block in blocks])
    y = np.concatenate([block.y for block in blocks])
    weights = np.concatenate([block.sample_weight for block in blocks])
    # A resample is as much smaller as fewer rows have come.
    unit *= sum(n_wanted) / len(weights)
    return function(Block(X, y, None, weights), weights, unit, fit)


def _rows_and_weights(block, weights, k):
    return block.X, block.y, block.sample_weight if weights is None else weights.of(k)


def divide(total, sizes):
    """Divide a number in proportion to sizes, and none larger than its size.

    Nothing is lost to rounding.
    """
    n_rows = sizes.sum()
    if total >= n_rows:
        return sizes.tolist()
    ends = total * np.cumsum(sizes) // n_rows
    return np.diff(ends, prepend=0).tolist()
