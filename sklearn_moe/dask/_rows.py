"""Training rows in partitions, for EM."""

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
    """Rows in many blocks; functions of the rows are called on their workers.

    See `sklearn_moe._contracts.Rows` for the methods. A column is `Lazy` or `Stored`.

    Parameters
    ----------
    blocks : Lazy or Stored
        A `Block` for each partition, none of them empty.
    n_rows : ndarray of shape (n_partitions,), int
        Number of rows of each partition.
    total_weight : float
    sample : Block
        Some of the rows, with their own weights.
    cluster : Cluster
    capacity : int
        Maximum number of rows that an expert is given from all partitions together.
    seeds : list of int
        Seeds of the samples of each partition, if there are more rows.
    labelled : bool
        Whether the targets are classes, so that samples must have rows of each class.
    """

    in_one_block = False
    # The cluster schedules parallel tasks itself.
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
        """Call a function of each block lazily."""
        return Lazy(function, self._blocks, *columns)

    def total(self, function, *columns):
        """Call a function of each block now, and return the sum of the results."""
        return self._cluster.total(self.map(function, *columns))

    def keep(self, column):
        """Compute a column now, and keep it on the workers."""
        return self._cluster.keep(column)

    def share(self, value):
        """Make a value available to all workers."""
        return self._cluster.share(value)

    def extend(self, of_sample, function, *columns):
        """Call a function of each block lazily."""
        return self.map(function, *columns)

    def gather(self, function, weights, tasks):
        """Send the rows of each expert to a worker, and call a function there [1]_.

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
        # Rows for all experts are selected in one pass: each partition is read once,
        # and before any fit starts, so that no fit blocks a worker that others wait
        # for.
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
        """Fit an expert to Dask collections, on all workers."""
        rows = tasks_of(self.map(_rows_and_weights, weights, fit.k))
        sample, client = self.sample, self._cluster.client
        return fit.fitter.fit_rows(rows, self._n_rows, sample, client, fit.name), None


def select_rows(block, experts, labelled, capacity, seed, *weights):
    """Select the rows of a partition that are sent to each expert.

    Returns
    -------
    selected : dict of {int: tuple}
        For each expert its rows, a `Block` whose weights represent those of all rows,
        and the number of rows that would be selected without a limit.
    """
    # Uniform in (0, 1], and the same for all experts, so that samples overlap.
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
    """Call a function with the rows that `select_rows` has selected for an expert.

    `unit` is the mean weight of all rows.
    """
    blocks, n_wanted = zip(*selected)
    X = stack_rows([block.X for block in blocks])
    y = np.concatenate([block.y for block in blocks])
    weights = np.concatenate([block.sample_weight for block in blocks])
    # A sample has fewer rows, each of which represents several.
    unit *= sum(n_wanted) / len(weights)
    return function(Block(X, y, None, weights), weights, unit, fit)


def _rows_and_weights(block, weights, k):
    return block.X, block.y, block.sample_weight if weights is None else weights.of(k)


def divide(total, sizes):
    """Divide a number in proportion to sizes; no part exceeds its size.

    The parts sum to the total exactly.
    """
    n_rows = sizes.sum()
    if total >= n_rows:
        return sizes.tolist()
    ends = total * np.cumsum(sizes) // n_rows
    return np.diff(ends, prepend=0).tolist()
