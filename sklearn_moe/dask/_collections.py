"""Dask collections: their partitions, and what is computed from each when needed."""

import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
from dask import delayed


def check_collection(collection, name):
    """Raise TypeError where something is no Dask array, frame or series.

    Parameters
    ----------
    collection : object
    name : str
        That of the argument.
    """
    if is_collection(collection):
        return
    kind = type(collection).__name__
    raise TypeError(
        f"{name} must be a Dask array, data frame or series; got a {kind}. For what "
        "fits into memory take the mixture of the same name from sklearn_moe."
    )


def is_collection(rows):
    """Whether something is a Dask array, data frame or series."""
    return isinstance(rows, (da.Array, dd.DataFrame, dd.Series))


def aligned(X, *others):
    """The partitions of X, and those of other collections with the same rows.

    Parameters
    ----------
    X : dask Array or DataFrame of shape (n_samples, n_features)
    *others : dask Array, DataFrame or Series
        Names and collections, by turns; None stays None.

    Returns
    -------
    parts : list of list of Delayed
    """
    X = _one_chunk_of_columns(X)
    parts = [_partitions(X)]
    for name, other in zip(others[::2], others[1::2]):
        if other is None:
            parts.append([None] * len(parts[0]))
            continue
        if _known_chunks(X) and _known_chunks(other) and X.shape[0] == other.shape[0]:
            other = other.rechunk({0: X.chunks[0]})
        own = _partitions(_one_chunk_of_columns(other))
        if len(own) != len(parts[0]):
            raise ValueError(
                f"X has {len(parts[0])} partitions, but {name} has {len(own)}. They "
                "must hold the same rows in the same partitions: repartition one."
            )
        parts.append(own)
    return parts


def _known_chunks(collection):
    return isinstance(collection, da.Array) and not np.isnan(collection.chunks[0]).any()


def _one_chunk_of_columns(array):
    if isinstance(array, da.Array) and array.ndim == 2 and array.numblocks[1] > 1:
        return array.rechunk({1: -1})
    return array


def _partitions(collection):
    return list(np.ravel(collection.to_delayed()))


def is_frame(collection):
    """Whether a collection is a data frame or a series."""
    return isinstance(collection, (dd.DataFrame, dd.Series))


def as_array(collection):
    """A series as an array; anything else as it is."""
    return collection.to_dask_array() if is_frame(collection) else collection


class Question:
    """A method of a fitted mixture, for the rows of a partition.

    Parameters
    ----------
    mixture : estimator
    method : str
    X : ndarray or DataFrame
        A few rows of the training set, which stand in where there is none.
    *targets : ndarray
        Theirs, where the method asks for them.
    """

    def __init__(self, mixture, method, X, *targets):
        self._mixture, self._method = mixture, method
        # What the dashboard shows.
        self.__name__ = method
        self._example = X, *targets

    def __call__(self, X, *targets):
        """The answer; of a frame, a frame or series with its index."""
        if len(X) == 0:
            # No error, as it is for an estimator.
            return self.example(getattr(X, "dtype", None))
        answer = getattr(self._mixture, self._method)(X, *map(np.asarray, targets))
        if not hasattr(X, "columns"):
            return answer
        if answer.ndim == 1:
            return pd.Series(answer, X.index)
        return pd.DataFrame(answer, X.index, self._columns())

    def example(self, dtype):
        """The answer for no rows, of an array of this dtype or of a frame."""
        X, *targets = self._example
        return self(X if dtype is None else X.astype(dtype), *targets)[:0]

    def _columns(self):
        if self._method in ("predict_proba", "predict_log_proba"):
            return self._mixture.classes_
        if self._method == "transform":
            return self._mixture.get_feature_names_out()
        return list(self._mixture.named_experts_)


def ask_lazily(question, X, y=None):
    """Ask each partition when the answer is needed.

    Parameters
    ----------
    question : Question
    X : dask Array or DataFrame of shape (n_samples, n_features)
    y : dask Array or Series of shape (n_samples,), default=None
        Targets, for a method that takes them.

    Returns
    -------
    answer : dask Array, DataFrame or Series
    """
    if isinstance(X, dd.DataFrame):
        meta = question.example(None)
        if y is None:
            return X.map_partitions(question, meta=meta)
        tasks = [delayed(question)(*own) for own in zip(*aligned(X, "y", y))]
        return dd.from_delayed(tasks, meta=meta, divisions=X.divisions)
    meta = question.example(X.dtype)
    targets = ()
    if y is not None:
        targets = (as_array(y), "i")
    return da.blockwise(
        question,
        "ik"[: meta.ndim],
        _one_chunk_of_columns(X),
        "ij",
        *targets,
        new_axes={"k": meta.shape[1]} if meta.ndim == 2 else {},
        concatenate=True,
        dtype=meta.dtype,
        meta=meta,
    )
