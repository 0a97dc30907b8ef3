"""Rows in many blocks, all in this process: what any partitions have to be like."""

from functools import reduce
from operator import add

import numpy as np
import pandas as pd

from sklearn_moe._rows import Block, LocalRows


class PerBlock(list):
    """A column: its value for each block."""

    def joined(self):
        """The rows of all blocks, one below the other."""
        return np.concatenate(self)


class ManyBlocks:
    """The rows of a block, cut into several; see `sklearn_moe._contracts.Rows`.

    Parameters
    ----------
    block : Block
    cuts : list of int
        Numbers of the rows at which a new block begins.
    sample : Block, default=None
        None means all rows.
    """

    in_one_block = False
    n_jobs = None

    def __init__(self, block, cuts, sample=None):
        self.sample = block if sample is None else sample
        self.n_samples = len(block.sample_weight)
        self.total_weight = block.sample_weight.sum()
        self._pieces = np.split(np.arange(self.n_samples), cuts)
        self.blocks = PerBlock(block.take(rows) for rows in self._pieces)

    def column(self, values):
        """A column of an array of all rows."""
        return PerBlock(values[rows] for rows in self._pieces)

    def map(self, function, *columns):
        return PerBlock(
            function(block, *(c[b] if isinstance(c, PerBlock) else c for c in columns))
            for b, block in enumerate(self.blocks)
        )

    def total(self, function, *columns):
        return reduce(add, self.map(function, *columns))

    def keep(self, column):
        return column

    def share(self, value):
        return value

    def extend(self, of_sample, function, *columns):
        return self.map(function, *columns)

    def gather(self, function, weights, tasks):
        unit = self.total_weight / self.n_samples
        block = joined(self.blocks)
        results = []
        for task in tasks:
            own = block.sample_weight
            if weights[task.k] is not None:
                own = np.concatenate([w.of(task.k) for w in weights[task.k]])
            results.append(function(block, own, unit, task))
        return results


def joined(blocks):
    """One block of the rows of several."""
    tables = [block.X for block in blocks]
    stack = pd.concat if hasattr(tables[0], "columns") else np.concatenate
    return Block(
        stack(tables),
        *(
            np.concatenate([getattr(block, name) for block in blocks])
            for name in ("y", "encoded_y", "sample_weight")
        ),
    )


def block_of(X, sample_weight=None, y=None, encoded_y=None):
    """A block of rows, of equal weights and without targets unless they are given."""
    n_samples = X.shape[0]
    y = np.zeros(n_samples) if y is None else y
    return Block(
        X,
        y,
        y if encoded_y is None else encoded_y,
        np.ones(n_samples) if sample_weight is None else sample_weight,
    )


def rows_of(X, sample_weight=None, y=None, n_jobs=None):
    """The same, as rows that lie in one block."""
    return LocalRows(block_of(X, sample_weight, y), n_jobs)
