"""Partitions of Dask collections, and methods that are applied to each of them."""

import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
from dask import delayed


def is_collection(rows):
    """Whether an object is a Dask array, data frame or series."""
    return isinstance(rows, (da.Array, dd.DataFrame, dd.Series))


def check_collections(X, sample_weight=None, **targets):
    """Raise an error if an argument is not a collection, or X is not a table."""
    for name, given in {"X": X, **targets, "sample_weight": sample_weight}.items():
        optional = name == "sample_weight" and given is None
        if not (optional or is_collection(given)):
            raise TypeError(
                f"{name} must be a Dask array, data frame or series; got a "
                f"{type(given).__name__}. For data in memory use the mixture of the "
                "same name from sklearn_moe."
            )
    if X.ndim != 2:
        raise ValueError(
            f"X must have two dimensions, rows and columns; got {X.ndim}. Reshape an "
            "array of one feature with X.reshape(-1, 1)."
        )


def as_targets(y):
    """Return targets as an array or series; a single column becomes one-dimensional."""
    if isinstance(y, dd.DataFrame):
        y = y.to_dask_array()
    return y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y


def aligned(X, **others):
    """Iterate over the partitions of X and of other collections with the same rows.

    Each item is a tuple of Delayed, one for each collection; None stays None.
    """
    X = _one_chunk_of_columns(X)
    partitions = [_partitions(X)]
    for name, other in others.items():
        if other is None:
            partitions.append([None] * len(partitions[0]))
            continue
        if _known_chunks(X) and _known_chunks(other) and X.shape[0] == other.shape[0]:
            other = other.rechunk({0: X.chunks[0]})
        own = _partitions(_one_chunk_of_columns(other))
        if len(own) != len(partitions[0]):
            raise ValueError(
                f"X has {len(partitions[0])} partitions, but {name} has {len(own)}. "
                "They must hold the same rows in the same partitions: repartition one."
            )
        partitions.append(own)
    return zip(*partitions)


def _known_chunks(collection):
    return isinstance(collection, da.Array) and not np.isnan(collection.chunks[0]).any()


def _one_chunk_of_columns(array):
    if isinstance(array, da.Array) and array.ndim == 2 and array.numblocks[1] > 1:
        return array.rechunk({1: -1})
    return array


def _partitions(collection):
    return list(np.ravel(collection.to_delayed()))


class PartitionMethod:
    """A method of a fitted mixture, applied to the rows of a partition.

    For an empty partition, dtype and columns of the output are found with a few
    training rows, and their targets if the method takes targets.
    """

    def __init__(self, mixture, method, *example):
        self._mixture, self._method = mixture, method
        # The name on the dashboard.
        self.__name__ = method
        self._example = example

    def __call__(self, X, *targets):
        """Return the output; for a frame, as a frame or series with its index."""
        if len(X) == 0:
            # An estimator would raise an error.
            return self.example(getattr(X, "dtype", None))
        output = getattr(self._mixture, self._method)(X, *map(np.asarray, targets))
        if not hasattr(X, "columns"):
            return output
        if output.ndim == 1:
            return pd.Series(output, X.index)
        return pd.DataFrame(output, X.index, self._columns(output))

    def example(self, dtype):
        """Return the output for no rows, of an array of a dtype or of a frame."""
        X, *targets = self._example
        return self(X if dtype is None else X.astype(dtype), *targets)[:0]

    def _columns(self, output):
        if self._method in ("predict_proba", "predict_log_proba"):
            return self._mixture.classes_
        if self._method == "transform":
            return self._mixture.get_feature_names_out()
        if self._method == "predict":
            return range(output.shape[1])
        return list(self._mixture.named_experts_)

    def map(self, X, y=None):
        """Apply the method lazily to each partition of a collection."""
        if isinstance(X, dd.DataFrame):
            meta = self.example(None)
            if y is None:
                return X.map_partitions(self, meta=meta)
            tasks = [delayed(self)(*own) for own in aligned(X, y=y)]
            return dd.from_delayed(tasks, meta=meta, divisions=X.divisions)
        meta = self.example(X.dtype)
        targets = ()
        if y is not None:
            if not isinstance(y, da.Array):
                y = y.to_dask_array(lengths=X.chunks[0])
            targets = (y, "il"[: y.ndim])
        return da.blockwise(
            self,
            "ik"[: meta.ndim],
            _one_chunk_of_columns(X),
            "ij",
            *targets,
            new_axes={"k": meta.shape[1]} if meta.ndim == 2 else {},
            concatenate=True,
            dtype=meta.dtype,
            meta=meta,
        )
