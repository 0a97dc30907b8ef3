"""Frames of any library, and arrays: columns, their names, and conversions."""

import narwhals.stable.v2 as nw
import numpy as np
from scipy.sparse import issparse
from sklearn.utils import check_array

from sklearn_moe._frames.columns import NUMBERS, kind_by_dtype, kind_of, numbers_in
from sklearn_moe._in_memory import check_table


def is_frame(X):
    """Return whether X is a frame in memory: of pandas, polars, a pyarrow Table, ..."""
    # The most frequent case, an array, is fast to test.
    return type(X) is not np.ndarray and nw.dependencies.is_into_dataframe(X)


def native(X):
    """Return X, or the native frame if X is a frame of narwhals.

    Raises
    ------
    TypeError
        If X does not contain rows in memory.
    """
    check_table(X)
    return X if type(X) is np.ndarray else nw.to_native(X, pass_through=True)


def has_learnt_columns(estimator, X):
    """Return whether X, an array or frame, has the columns of a fitted estimator.

    This is a quick test to speed up predictions of few rows. It returns False in
    doubtful cases, which the slower `validate_data` then examines.
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
    """Return the values of an array or pandas frame, or None.

    They are returned if all are floats and finite, without conversion.
    """
    if type(X) is not np.ndarray:
        if not all(isinstance(dtype, np.dtype) for dtype in X.dtypes):
            return None
        X = X.to_numpy()
    if X.dtype not in (np.float64, np.float32):
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        return X if np.isfinite(X.sum()) else None


def library_of(frame):
    """Return the name of a frame's library, as an argument of `frame_of`."""
    return nw.from_native(frame).implementation.value


def names_of(X):
    """Return the names of the columns; those of an array are x0, x1, ..."""
    if is_frame(X):
        return list(nw.from_native(X).columns)
    return [f"x{j}" for j in range(X.shape[1])]


def columns_of(X):
    """Return the columns of a frame or an array; see `kind_of` and `values_in`."""
    return list(nw.from_native(X).iter_columns()) if is_frame(X) else list(X.T)


def values_of_column(frame, name):
    """Return a column of a frame as an array; missing values are NaN or None."""
    if nw.dependencies.is_pandas_dataframe(frame):
        # Narwhals does not support sparse columns.
        return np.asarray(frame[name])
    return nw.from_native(frame).get_column(name).to_numpy()


def values_by_index(values, frame):
    """Return the values of a pandas series or frame for a frame's rows, by index.

    Return None if one of them has no index, or if the index does not identify rows.
    """
    if not (hasattr(values, "loc") and hasattr(frame, "loc")):
        return None
    if not (values.index.is_unique and frame.index.isin(values.index).all()):
        return None
    return np.asarray(values.loc[frame.index])


def frame_of(columns, names, library):
    """Return a frame of columns, each from a frame or a one-dimensional array."""
    columns = [
        # Pandas would align columns that have an index.
        nw.maybe_reset_index(column).to_native()
        if isinstance(column, nw.Series)
        else column
        for column in columns
    ]
    return nw.from_dict(dict(zip(names, columns)), backend=library).to_native()


def named(X, names, library):
    """Return an array as a frame, in which object columns of numbers become floats.

    A sparse matrix becomes a sparse frame with pandas; it is returned unchanged with
    other libraries, which have no sparse frames.
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
    """Return a frame in which decimals and sparse booleans are converted to floats.

    Most estimators of scikit-learn do not support these dtypes.
    """
    if not nw.dependencies.is_pandas_dataframe(frame):
        frame = nw.from_native(frame)
        decimals = [name for name, dtype in frame.schema.items() if dtype == nw.Decimal]
        floats = [nw.col(name).cast(nw.Float64) for name in decimals]
        return frame.with_columns(floats).to_native()
    # Narwhals does not support sparse columns, and takes ten times as long for others.
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
    """Return the names of the columns of a frame whose dtypes are not numeric."""
    if nw.dependencies.is_pandas_dataframe(X):
        # Narwhals takes ten times as long for frames of pandas.
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
    """Convert rows to an array or a sparse matrix, as scikit-learn does."""
    return check_array(
        X,
        accept_sparse=accept_sparse,
        dtype=None,
        ensure_all_finite=False,
        estimator=estimator,
        input_name="X",
    )
