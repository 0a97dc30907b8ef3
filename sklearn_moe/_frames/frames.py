"""Frames of any library, and arrays: rows and names of columns."""

import narwhals.stable.v2 as nw
import numpy as np
from scipy.sparse import issparse
from sklearn.utils import check_array

from sklearn_moe._frames.columns import NUMBERS, kind_by_dtype, kind_of, numbers_in
from sklearn_moe._in_memory import check_table


def is_frame(X):
    """Whether X is a frame in memory: of pandas, polars, a pyarrow Table, ..."""
    # What most rows are is asked first: it takes next to no time.
    return type(X) is not np.ndarray and nw.dependencies.is_into_dataframe(X)


def native(X):
    """X itself, or the frame in it where it is one of narwhals.

    Raises
    ------
    TypeError
        If it is nothing that rows in memory can be taken from.
    """
    check_table(X)
    return X if type(X) is np.ndarray else nw.to_native(X, pass_through=True)


def has_learnt_columns(estimator, X):
    """Whether X, an array or frame, has the columns that a fitted estimator has learnt.

    It is asked for the sake of few rows, and takes no closer look: where it is not sure
    it says no, and `validate_data` finds out, in many times the time.
    """
    names = getattr(estimator, "feature_names_in_", None)
    if type(X) is np.ndarray:
        numbers = names is None and X.ndim == 2 and X.dtype.kind in "biuf"
        n_columns = getattr(estimator, "n_features_in_", None)
        return numbers and len(X) > 0 and X.shape[1] == n_columns
    if names is None or not nw.dependencies.is_pandas_dataframe(X):
        return False
    return len(X) > 0 and X.columns.tolist() == names.tolist()


def floats_at_hand(X):
    """The values of an array or pandas frame that are floats, all finite; else None."""
    if type(X) is not np.ndarray:
        if not all(isinstance(dtype, np.dtype) for dtype in X.dtypes):
            return None
        X = X.to_numpy()
    if X.dtype not in (np.float64, np.float32):
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        return X if np.isfinite(X.sum()) else None


def library_of(frame):
    """Name of the library of a frame, from which `frame_of` makes others."""
    return nw.from_native(frame).implementation.value


def names_of(X):
    """Names of the columns; those of an array are x0, x1, ..."""
    if is_frame(X):
        return list(nw.from_native(X).columns)
    return [f"x{j}" for j in range(X.shape[1])]


def columns_of(X):
    """The columns of a frame or an array, which the functions below take."""
    return list(nw.from_native(X).iter_columns()) if is_frame(X) else list(X.T)


def values_of_column(frame, name):
    """The values of a column of a frame as an array; missing ones are NaN or None."""
    if nw.dependencies.is_pandas_dataframe(frame):
        # Narwhals knows no sparse columns.
        return np.asarray(frame[name])
    return nw.from_native(frame).get_column(name).to_numpy()


def values_by_index(values, frame):
    """Values of a series or frame of pandas for the rows of a frame, by the index.

    None where one of them has no index, or rows cannot be told by it.
    """
    if not (hasattr(values, "loc") and hasattr(frame, "loc")):
        return None
    if not (values.index.is_unique and frame.index.isin(values.index).all()):
        return None
    return np.asarray(values.loc[frame.index])


def frame_of(columns, names, library):
    """A frame of columns, each of a frame or an array of one dimension."""
    columns = [
        # Pandas would align columns that have an index.
        nw.maybe_reset_index(column).to_native()
        if isinstance(column, nw.Series)
        else column
        for column in columns
    ]
    return nw.from_dict(dict(zip(names, columns)), backend=library).to_native()


def named(X, names, library):
    """The rows of an array as a frame, in which objects that are numbers are floats.

    Only pandas has sparse frames: for other libraries a sparse matrix stays one.
    """
    if issparse(X):
        if library != "pandas":
            return X
        import pandas as pd

        return pd.DataFrame.sparse.from_spmatrix(X, columns=names)
    columns = [
        numbers_in(column, name, NUMBERS)
        if X.dtype == object and kind_of(column, name) == NUMBERS
        else column
        for column, name in zip(X.T, names)
    ]
    return frame_of(columns, names, library)


def calculable(frame):
    """A frame in which decimals and sparse flags are floats; others as they are.

    Most estimators of scikit-learn cannot calculate with these dtypes.
    """
    if not nw.dependencies.is_pandas_dataframe(frame):
        frame = nw.from_native(frame)
        decimals = [name for name, dtype in frame.schema.items() if dtype == nw.Decimal]
        floats = [nw.col(name).cast(nw.Float64) for name in decimals]
        return frame.with_columns(floats).to_native()
    # Narwhals knows no sparse columns, and looks at others ten times as long.
    floats = {
        name: _float_dtype(dtype)
        for name, dtype in zip(frame.columns, frame.dtypes)
        if not isinstance(dtype, np.dtype)
        and str(dtype).startswith(("decimal", "Sparse[bool"))
    }
    return frame.astype(floats) if floats else frame


def _float_dtype(dtype):
    if str(dtype).startswith("Sparse"):
        return type(dtype)(np.float64, 0.0)
    return np.dtype(np.float64)


def columns_without_numbers(X):
    """Names of the columns of a frame whose dtypes are not of numbers."""
    if nw.dependencies.is_pandas_dataframe(X):
        # Narwhals takes ten times as long to look at the columns of pandas.
        kinds = [getattr(dtype, "kind", "O") for dtype in X.dtypes]
        return [name for name, kind in zip(X.columns, kinds) if kind not in "biuf"]
    if not is_frame(X):
        return []
    return [
        name
        for name, dtype in nw.from_native(X).schema.items()
        if kind_by_dtype(dtype) != NUMBERS or dtype == nw.Decimal
    ]


def as_array(X, accept_sparse="csr", estimator=None):
    """The rows as an array, or sparse matrix, such as scikit-learn makes of them."""
    return check_array(
        X,
        accept_sparse=accept_sparse,
        dtype=None,
        ensure_all_finite=False,
        estimator=estimator,
        input_name="X",
    )
