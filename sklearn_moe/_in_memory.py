"""Check that data are tables in memory, with errors that say what else was given."""

import sys
from collections.abc import Mapping, Set

import numpy as np
from scipy.sparse import issparse


def check_table(X):
    """Raise TypeError if X is not a table in memory."""
    # A sparse matrix in DOK format may be a dict.
    if type(X) is np.ndarray or issparse(X):
        return
    check_in_memory(X=X)
    if not _is_sized(X) or isinstance(X, (str, bytes, Mapping, Set, type)):
        problem = f"got a {type(X).__name__}"
    elif isinstance(X, list) and X and hasattr(X[0], "columns"):
        problem = "got a list of frames"
    else:
        return
    raise TypeError(
        f"X must be an array, a frame or a sparse matrix, in memory; {problem}."
        + _remedy(X)
    )


def check_in_memory(**given):
    """Raise TypeError if one of several arguments is a Dask collection."""
    for name, value in given.items():
        if hasattr(value, "__dask_graph__") and _is_dask_collection(value):
            raise TypeError(
                f"{name} must be in memory; got a Dask {type(value).__name__}. For "
                "Dask arrays and frames take the mixtures of sklearn_moe.dask; what "
                "fits into memory can be given as the result of compute()."
            )


def _is_dask_collection(value):
    # If the object is a Dask collection, Dask is imported already.
    dask = sys.modules.get("dask")
    return dask is not None and dask.is_dask_collection(value)


def _is_sized(X):
    return any(hasattr(X, name) for name in ("__len__", "__array__", "shape"))


def _remedy(X):
    if hasattr(X, "collect"):
        return " Give it the result of collect()."
    if isinstance(X, Mapping):
        return " Make it a frame, as by pandas.DataFrame(X)."
    if isinstance(X, list):
        return " Put them together, as by pandas.concat(X)."
    return ""
