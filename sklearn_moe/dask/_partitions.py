"""Check the rows of one partition, and select those of positive weight."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import check_consistent_length

from sklearn_moe._frames import calculable, is_frame
from sklearn_moe._rows import Block
from sklearn_moe._sklearn import safe_indexing
from sklearn_moe._weights import check_weights, in_rows, weight_sums


@dataclass(frozen=True)
class Report:
    """Result of the check of a partition, before anything is fitted.

    `problem` is an error message, or None. Rows of zero weight are not counted.
    """

    problem: Any = None
    # The results of `weight_sums`.
    largest_weight: float = 0.0
    weight_shares: float = 0.0
    weight_squares: float = 0.0
    n_rows: int = 0
    classes: Any = None


@dataclass(frozen=True)
class Schema:
    """Columns and dtypes that all partitions of a collection must have.

    An array has no column names, and one dtype. If its number of columns is unknown, it
    is NaN.
    """

    columns: Any
    n_columns: float
    dtypes: list
    target_dtype: str

    @classmethod
    def of(cls, X, y):
        """Return the schema of two collections."""
        return cls(_names(X), X.shape[1], _dtypes(X), str(y.dtype))

    def check(self, X, y):
        """Raise ValueError if a partition does not match the collection."""
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


def given_block(X, y, sample_weight):
    """Return the parts of the collections in one partition; weights may be None."""
    return X, y, sample_weight


def report_on(block, schema, targets):
    """Check one partition, and return a `Report`."""
    X, y, sample_weight = block
    try:
        schema.check(X, y)
        check_consistent_length(X, y, sample_weight)
        weights = _checked_weights(sample_weight, X) if len(X) else np.zeros(0)
        if not weights.any():
            return Report()
        kept, classes = targets.check(np.asarray(y))[weights > 0], None
        if targets.estimator_type == "classifier":
            classes = np.unique(kept)
        else:
            targets.encode(kept)
    except (TypeError, ValueError) as error:
        return Report(str(error))
    return Report(None, *weight_sums(weights), classes)


def make_block(block, targets, unit):
    """Return the rows of positive weight of a partition, as a `Block`."""
    X, y, sample_weight = block
    y, weights = np.asarray(y), in_rows(_checked_weights(sample_weight, X), unit)
    kept = np.flatnonzero(weights)
    if len(kept) < len(weights):
        X, y, weights = safe_indexing(X, kept), y[kept], weights[kept]
    return Block(calculable(X) if is_frame(X) else X, y, targets.encode(y), weights)


def _checked_weights(sample_weight, X):
    if sample_weight is not None:
        sample_weight = np.asarray(sample_weight)
    # Other partitions may have positive weights.
    return check_weights(sample_weight, X, allow_all_zero=True)


def join_blocks(blocks):
    """Concatenate the rows of several blocks."""
    return Block(
        stack_rows([block.X for block in blocks]),
        np.concatenate([block.y for block in blocks]),
        np.concatenate([block.encoded_y for block in blocks]),
        np.concatenate([block.sample_weight for block in blocks]),
    )


def stack_rows(tables):
    """Concatenate arrays or frames along the rows."""
    if isinstance(tables[0], np.ndarray):
        return np.concatenate(tables)
    return pd.concat(tables, ignore_index=True)
