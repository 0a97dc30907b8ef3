"""Rows along a feature."""

from dataclasses import dataclass
from numbers import Integral

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import check_array


class Rows:
    """The columns of a table, to make other rows of.

    Parameters
    ----------
    X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
    """

    def __init__(self, X):
        if not hasattr(X, "columns"):
            X = check_array(
                X.toarray() if issparse(X) else X,
                dtype=None,
                ensure_all_finite=False,
                input_name="X",
            )
            names = [f"x{j}" for j in range(X.shape[1])]
            self._table, columns = np.column_stack, X.T
        else:
            names = list(X.columns)

            def table(columns):
                return type(X)(dict(zip(names, columns)))

            # Arrays without an index, by which pandas would put columns side by side.
            self._table = table
            columns = [getattr(X[name], "array", X[name]) for name in names]
        self.columns = [Column(str(n), entries) for n, entries in zip(names, columns)]

    def column(self, feature):
        """The column of a feature, given by its name or position."""
        names = [column.name for column in self.columns]
        if isinstance(feature, Integral) and 0 <= feature < len(names):
            return self.columns[feature]
        if isinstance(feature, str) and feature in names:
            return self.columns[names.index(feature)]
        raise ValueError(
            f"There is no feature {feature!r}. Name one of {names}, or give its "
            f"position, 0 to {len(names) - 1}."
        )

    def along(self, features, grid_resolution):
        """Rows in which some features vary, and the others are held.

        Parameters
        ----------
        features : list of {int, str}
        grid_resolution : int
            Number of values of a feature of numbers.

        Returns
        -------
        grid : list of ndarray
            The values of each feature: numbers, points in time, or the names of its
            categories.
        rows : ndarray or frame
            One for each combination, the last feature varies first.
        """
        if not isinstance(grid_resolution, Integral) or grid_resolution < 2:
            raise ValueError(
                "'grid_resolution' must be an integer of 2 or more; got "
                f"{grid_resolution!r}."
            )
        varied = [self.column(feature) for feature in features]
        grids = [column.grid(grid_resolution) for column in varied]
        points = np.indices([len(values) for values, _ in grids])
        points = points.reshape(len(grids), -1)
        held = np.zeros(points.shape[1], dtype=int)
        rows = [column.entries[held + column.typical_row()] for column in self.columns]
        for column, (_, entries), index in zip(varied, grids, points):
            rows[self.columns.index(column)] = entries[index]
        return [values for values, _ in grids], self._table(rows)


@dataclass(frozen=True, eq=False)
class Column:
    """A column of a table.

    Attributes
    ----------
    name : str
    entries : ndarray, pandas array or polars Series of shape (n_samples,)
    """

    name: str
    entries: object

    @property
    def values(self):
        """Numbers, points in time, or the names of categories."""
        dtype = self.entries.dtype
        kind = getattr(dtype, "kind", None) or np.asarray(self.entries).dtype.kind
        if str(dtype) != "category":
            if kind == "O":
                # It may hold numbers only.
                kind = np.array(list(self.entries)).dtype.kind
            if kind in "iuf":
                return np.asarray(self.entries, dtype=np.float64)
            if kind == "M":
                return np.asarray(self.entries, dtype="M8[us]")
        return np.array([str(entry) for entry in self.entries])

    def typical_row(self):
        """Number of a row that holds the median, or the most frequent category."""
        values = self.values
        if is_categorical(values):
            _, first, counts = np.unique(values, return_index=True, return_counts=True)
            return first[counts.argmax()]
        known = np.flatnonzero(~np.isnan(values))
        # Where all are missing, any will do.
        by_value = known[np.argsort(values[known])] if len(known) else [0]
        return by_value[(len(by_value) - 1) // 2]

    def grid(self, resolution):
        """Values along the column, and the entries that they stand for."""
        values = self.values
        if is_categorical(values):
            names, first = np.unique(values, return_index=True)
            if hasattr(self.entries, "categories"):
                # Pandas knows their order.
                order = [str(category) for category in self.entries.categories]
                rank = [order.index(n) if n in order else len(order) for n in names]
                names, first = names[np.argsort(rank)], first[np.argsort(rank)]
            grid, entries = names, self.entries[first]
        else:
            known = values[np.isfinite(values)]
            low, high = (known.min(), known.max()) if len(known) else (0, 0)
            grid = entries = low + (high - low) * np.linspace(0, 1, resolution)
        if grid[0] == grid[-1]:
            raise ValueError(
                f"All rows of X have the same value of feature {self.name!r}, or none: "
                "there is nothing to draw along it."
            )
        return grid, entries


def is_categorical(values):
    """Whether values of a column are the names of categories."""
    return np.asarray(values).dtype.kind in "OU"
