"""Find rows with missing or infinite values, which some experts do not accept."""

from decimal import Decimal
from math import isinf

import narwhals.stable.v2 as nw
import numpy as np
from scipy.sparse import issparse

from sklearn_moe._frames import is_frame, is_missing


def rows_not_finite(X):
    """Return indices of rows that represent all missing and infinite values.

    For each column, there is one row with a missing value and one with an infinite
    value, if it has any. If X is not a table, its rows count as one column; an array of
    more than two dimensions has one column for each number of a row.

    Parameters
    ----------
    X : {array-like, CSR, frame} of shape (n_samples, ...)

    Returns
    -------
    rows : ndarray of int
    """
    X = _with_columns(X)
    if is_frame(X):
        masks = _masks_of_frame(X)
    elif X.dtype.kind == "O":
        masks = _masks_of_objects(X)
    elif X.dtype.kind != "f" or np.isfinite(X.data if issparse(X) else X).all():
        return np.empty(0, int)
    elif issparse(X):
        return _rows_of_sparse(X.tocoo())
    else:
        masks = [np.isnan(X), np.isinf(X)]
    found = [mask[:, mask.any(axis=0)].argmax(axis=0) for mask in masks]
    return np.unique(np.concatenate(found))


def _with_columns(X):
    if is_frame(X) or issparse(X):
        return X
    rows = X if isinstance(X, np.ndarray) else np.fromiter(X, dtype=object)
    return rows.reshape(len(rows), -1)


def _rows_of_sparse(X):
    found = []
    for mask in (np.isnan(X.data), np.isinf(X.data)):
        first = np.unique(X.col[mask], return_index=True)[1]
        found.append(X.row[mask][first])
    return np.unique(np.concatenate(found))


def _masks_of_objects(X):
    tests = is_missing, _is_infinite
    return [np.frompyfunc(test, 1, 1)(X).astype(bool) for test in tests]


def _is_infinite(value):
    return isinstance(value, (float, np.floating, Decimal)) and isinf(value)


def _masks_of_frame(X):
    if hasattr(X, "isna"):
        # This is a hundred times as fast for pandas as going column by column.
        floats = X.select_dtypes("floating").to_numpy(np.float64, na_value=np.nan)
        # `select_dtypes("object")` would select strings, too.
        objects = X.loc[:, [str(dtype) == "object" for dtype in X.dtypes]].to_numpy()
        return [X.isna().to_numpy(), np.isinf(floats), *_masks_of_objects(objects)]
    columns = list(nw.from_native(X, eager_only=True).iter_columns())
    floats = [column.to_numpy() for column in columns if column.dtype.is_float()]
    masks = [column.is_null().to_numpy() for column in columns]
    masks += [mask(column) for column in floats for mask in (np.isnan, np.isinf)]
    return [np.column_stack(masks)]
