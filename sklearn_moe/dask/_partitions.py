"""The rows of one partition: checked, kept, and what is to be known of all."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import check_consistent_length, gen_batches

from sklearn_moe._compat import check_sample_weight, safe_indexing
from sklearn_moe.dask._cluster import Kept, Rows

# Numbers of a block, whose arrays stay in the processor's cache. They are 125 KB:
# workers return what is larger than 128 KB to the system at once, and to get it back
# takes longer than the arithmetic.
BLOCK_SIZE = 16_000


@dataclass(frozen=True)
class Partition:
    """The rows of one partition that EM sees: those of positive weight."""

    X: Any
    y: np.ndarray
    encoded_y: np.ndarray
    sample_weight: np.ndarray

    def take(self, rows):
        """Some of the rows, by number."""
        return Partition(
            safe_indexing(self.X, rows),
            self.y[rows],
            self.encoded_y[rows],
            self.sample_weight[rows],
        )


@dataclass(frozen=True)
class Report:
    """What a partition tells of itself before anything is fitted.

    Attributes
    ----------
    problem : str or None
        Why it cannot take part.
    n_rows : int
        Of positive weight.
    weight : float
        Of all of them.
    classes : ndarray or None
        The different labels, for a classifier.
    """

    problem: Any
    n_rows: int = 0
    weight: float = 0.0
    classes: Any = None


@dataclass(frozen=True)
class Schema:
    """What all partitions of a collection are to be like.

    Attributes
    ----------
    columns : list or None
        Names, of a frame.
    n_columns : float
        NaN where the collection does not know.
    dtypes : list of str
        Of each column of a frame; of an array, one.
    target_dtype : str
    """

    columns: Any
    n_columns: float
    dtypes: list
    target_dtype: str

    @classmethod
    def of(cls, X, y):
        """The schema of two collections."""
        return cls(_names(X), X.shape[1], _dtypes(X), str(y.dtype))

    def check(self, X, y):
        """Raise ValueError where a partition is not like the others."""
        if self.columns is None and not isinstance(X, np.ndarray):
            raise ValueError(f"it is a {type(X).__name__}; arrays must be dense.")
        if _names(X) != self.columns:
            raise ValueError(
                f"it has the columns {_names(X)}, and X as a whole {self.columns}."
            )
        if X.shape[1] != self.n_columns and not np.isnan(self.n_columns):
            raise ValueError(
                f"it has {X.shape[1]} columns, and X as a whole {self.n_columns}."
            )
        if str(y.dtype) != self.target_dtype:
            raise ValueError(
                f"its y has the dtype {y.dtype}, and y as a whole {self.target_dtype}."
            )
        for name, own, expected in zip(self.columns or ["X"], _dtypes(X), self.dtypes):
            if own != expected:
                raise ValueError(
                    f"its {name!r} has the dtype {own}, and as a whole {expected}."
                )


def _names(X):
    return list(X.columns) if hasattr(X, "columns") else None


def _dtypes(X):
    return [str(t) for t in (X.dtypes if hasattr(X, "columns") else [X.dtype])]


def block_of(X, y, sample_weight):
    """What the collections have in one partition."""
    return X, y, sample_weight


def look_at(block, schema, mixture):
    """Check one partition.

    Parameters
    ----------
    block : tuple
        Rows, targets, and weights or None.
    schema : Schema
    mixture : estimator
        Unfitted; knows what it can be fitted to.

    Returns
    -------
    report : Report
    """
    X, y, sample_weight = block
    try:
        schema.check(X, y)
        check_consistent_length(X, y, sample_weight)
        if len(X) == 0:
            return Report(None)
        y, weights = np.asarray(y), _checked_weights(sample_weight, X)
        classes = mixture._look_at_targets(y)
        if classes is not None:
            # A class without weight is no class.
            classes = np.unique(y[weights > 0])
    except (TypeError, ValueError) as error:
        return Report(str(error))
    return Report(None, np.count_nonzero(weights), float(weights.sum()), classes)


def make_partition(block, mixture):
    """The rows of a partition that take part, with targets as a likelihood wants them.

    Parameters
    ----------
    block : tuple
    mixture : estimator
        As in `look_at`, which found nothing wrong.

    Returns
    -------
    partition : Partition
    """
    X, y, sample_weight = block
    y, weights = np.asarray(y), _checked_weights(sample_weight, X)
    kept = np.flatnonzero(weights)
    if len(kept) < len(weights):
        X, y, weights = safe_indexing(X, kept), y[kept], weights[kept]
    return Partition(X, y, mixture._encode_y(y), weights)


def _checked_weights(sample_weight, X):
    if sample_weight is not None:
        sample_weight = np.asarray(sample_weight)
    return check_sample_weight(
        sample_weight, X, dtype=np.float64, ensure_non_negative=True
    )


def joined(partitions):
    """The rows of several, one after the other.

    Parameters
    ----------
    partitions : list of Partition

    Returns
    -------
    partition : Partition
    """
    return Partition(
        stack_rows([part.X for part in partitions]),
        np.concatenate([part.y for part in partitions]),
        np.concatenate([part.encoded_y for part in partitions]),
        np.concatenate([part.sample_weight for part in partitions]),
    )


def stack_rows(tables):
    """Arrays or frames, one below the other.

    Parameters
    ----------
    tables : list of ndarray or DataFrame

    Returns
    -------
    table : ndarray or DataFrame
    """
    if isinstance(tables[0], np.ndarray):
        return np.concatenate(tables)
    return pd.concat(tables, ignore_index=True)


def shares(total, sizes):
    """Divide a number in proportion, so that nothing is lost to rounding.

    Parameters
    ----------
    total : int
    sizes : ndarray of shape (n_partitions,), int

    Returns
    -------
    shares : list of int
        None is larger than its size.
    """
    n_rows = sizes.sum()
    if total >= n_rows:
        return sizes.tolist()
    ends = total * np.cumsum(sizes) // n_rows
    return np.diff(ends, prepend=0).tolist()


def blocks(n_rows, n_columns):
    """Slices of some rows of a partition, for arrays of so many columns.

    Parameters
    ----------
    n_rows, n_columns : int

    Yields
    ------
    rows : slice
    """
    return gen_batches(n_rows, max(250, BLOCK_SIZE // n_columns))


class TrainingPartitions:
    """All rows, as EM asks for them.

    Parameters
    ----------
    partitions : Rows
        Of `Partition`, none of them empty.
    n_rows : ndarray of shape (n_partitions,), int
    weights : ndarray of shape (n_partitions,)
        Total weight of the rows of each.
    """

    def __init__(self, partitions, n_rows, weights):
        self.partitions, self.n_rows, self.weights = partitions, n_rows, weights

    @property
    def shares(self):
        """Part of the weight of all rows that lies in each partition."""
        return Kept(list(self.weights / self.weights.sum()))

    def map(self, function, *arguments):
        """Rows that a function makes of each partition and more."""
        return Rows(function, self.partitions, *arguments)

    # What EM asks of the weights of the rows

    def sum(self):
        """The weight of all rows."""
        return self.weights.sum()

    def __matmul__(self, columns):
        """The weighted sum of the rows of `Columns`."""
        return columns.weighted_sum


@dataclass
class Columns:
    """An array with a column for each expert, whose rows lie in partitions.

    Attributes
    ----------
    rows : Rows
    shape : tuple
    weighted_sum : ndarray of shape (n_experts,) or None
        Of the rows, where it is known.
    """

    rows: Rows
    shape: tuple
    weighted_sum: Any = None
