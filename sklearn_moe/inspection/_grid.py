"""Grids of rows along features, and axes of plots along features."""

from dataclasses import dataclass
from functools import cached_property
from numbers import Integral

import numpy as np
from scipy.sparse import issparse

from sklearn_moe._frames import (
    AWARE_DATES,
    DATES,
    NUMBERS,
    as_array,
    category_names,
    column_like,
    columns_of,
    frame_of,
    holds_flags,
    is_frame,
    is_table,
    kind_of,
    library_of,
    names_of,
    native,
    numbers_in,
    rows_in_words,
    times_in,
)
from sklearn_moe.inspection._plotting import name_ticks

# Half the width of the bar of a category. Neighbouring bars are 1 apart.
HALF_BAR_WIDTH = 0.4

# Maximum number of categories that are drawn separately: the most frequent ones.
MAX_CATEGORIES = 15


class FeatureTable:
    """Columns of an array or a frame, from which grids of rows are made."""

    def __init__(self, X):
        X = native(X)
        if not is_table(X):
            raise ValueError(
                f"There is a plot along the columns of a table only, and X is "
                f"{rows_in_words(X)}, which has none."
            )
        if is_frame(X):
            names, library = names_of(X), library_of(X)
            self._join = lambda columns: frame_of(columns, names, library)
        else:
            X = as_array(X.toarray() if issparse(X) else X)
            self._join = np.column_stack
        self.columns = list(map(Column, map(str, names_of(X)), columns_of(X)))

    def column(self, feature):
        """Return the column of a feature, given by its name or position."""
        names = [column.name for column in self.columns]
        if isinstance(feature, Integral) and 0 <= feature < len(names):
            return self.columns[feature]
        if isinstance(feature, str) and feature in names:
            return self.columns[names.index(feature)]
        raise ValueError(
            f"There is no feature {feature!r}. Name one of {names}, or give its "
            f"position, 0 to {len(names) - 1}."
        )

    def grid(self, features, grid_resolution):
        """Return values of each feature, rows of all combinations, and a function.

        The other features are fixed at typical values. The last feature varies fastest
        in the rows, which are an array or a frame like X. The function takes
        predictions for the rows, and returns them in the shape of the grid of values.
        For categories that are drawn together it takes the mean over the rows of X.
        """
        if not isinstance(grid_resolution, Integral) or grid_resolution < 2:
            raise ValueError(
                "'grid_resolution' must be an integer of 2 or more; got "
                f"{grid_resolution!r}."
            )
        varied = [self.column(feature) for feature in features]
        grids = [column.grid(grid_resolution) for column in varied]
        shape = [len(entries) for _, entries, _ in grids]
        points = np.indices(shape)
        points = points.reshape(len(grids), -1)
        zeros = np.zeros(points.shape[1], dtype=int)
        columns = [
            column.entries[zeros + column.typical_row()] for column in self.columns
        ]
        for column, (_, entries, _), index in zip(varied, grids, points):
            columns[self.columns.index(column)] = entries[index]

        def at_values(predictions):
            predictions = predictions.reshape(*shape, *predictions.shape[1:])
            for axis, (_values, _entries, means) in enumerate(grids):
                if means is not None:
                    moved = np.tensordot(means, predictions, (1, axis))
                    predictions = np.moveaxis(moved, 0, axis)
            return predictions

        return [values for values, _, _ in grids], self._join(columns), at_values


@dataclass(frozen=True, eq=False)
class Column:
    """Column of a table, with its original entries."""

    name: str
    entries: object

    @cached_property
    def values(self):
        """Entries as numbers, points in time, or names of categories."""
        kind = kind_of(self.entries, self.name)
        if kind == NUMBERS and not holds_flags(self.entries):
            return numbers_in(self.entries, self.name, kind)
        if kind in (DATES, AWARE_DATES):
            return times_in(self.entries)
        return np.array([str(entry) for entry in self.entries])

    def typical_row(self):
        """Return the index of a row with the median or the most frequent category."""
        values = self.values
        if is_categorical(values):
            _, first, counts = np.unique(values, return_index=True, return_counts=True)
            return first[counts.argmax()]
        known = np.flatnonzero(~np.isnan(values))
        # If all values are missing, use the first row.
        by_value = known[np.argsort(values[known])] if len(known) else [0]
        return by_value[(len(by_value) - 1) // 2]

    def grid(self, resolution):
        """Return values along the column, entries to predict for, and means.

        The means are None, or a matrix (n_values, n_entries) that maps predictions for
        the entries to predictions at the values.
        """
        values, means = self.values, None
        if is_categorical(values):
            grid, first, counts = np.unique(
                values, return_index=True, return_counts=True
            )
            order = category_names(self.entries)
            if order:
                rank = [order.index(n) if n in order else len(order) for n in grid]
                order = np.argsort(rank, kind="stable")
                grid, first, counts = grid[order], first[order], counts[order]
            entries = self.entries[first]
            grid, means = _most_frequent(grid, counts)
        else:
            known = values[np.isfinite(values)]
            low, high = (known.min(), known.max()) if len(known) else (0, 0)
            grid = low + (high - low) * np.linspace(0, 1, resolution)
            entries = column_like(self.entries, grid)
        if grid[0] == grid[-1]:
            raise ValueError(
                f"All rows of X have the same value of feature {self.name!r}, or none: "
                "there is nothing to draw along it."
            )
        return grid, entries, means


def _most_frequent(categories, counts):
    """Return the most frequent categories and "others", and means over the others.

    The means are None if no category is among the others.
    """
    n_categories = len(categories)
    if n_categories <= MAX_CATEGORIES + 1:
        return categories, None
    chosen = np.sort(np.argsort(-counts, kind="stable")[:MAX_CATEGORIES])
    others = np.setdiff1d(np.arange(n_categories), chosen)
    means = np.zeros((MAX_CATEGORIES + 1, n_categories))
    means[np.arange(MAX_CATEGORIES), chosen] = 1
    means[-1, others] = counts[others] / counts[others].sum()
    return np.array([*categories[chosen], f"{len(others)} others"]), means


@dataclass(frozen=True)
class FeatureAxis:
    """Axis of a plot along which a feature varies over a grid of values.

    Numbers and points in time are their own positions. Each category has a bar, the
    first at position 0, the second at 1, and so on.
    """

    name: str
    values: np.ndarray

    def positions(self, values):
        """Return the positions of values on the axis."""
        if not is_categorical(self.values):
            return values
        positions = {value: position for position, value in enumerate(self.values)}
        # Categories that are not drawn separately are in the last bar, "others".
        last = len(self.values) - 1
        return np.array([positions.get(value, last) for value in values])

    def curve(self, heights):
        """Return positions and heights of a curve, given a height for each value.

        A category has three points, the ends and the middle of its bar, and a NaN that
        ends the curve there. Heights may have a second axis, for several curves.
        """
        if not is_categorical(self.values):
            return self.values, heights
        offsets = np.array([-HALF_BAR_WIDTH, 0, HALF_BAR_WIDTH, np.nan])
        positions = self.positions(self.values)[:, np.newaxis] + offsets
        return positions.ravel(), np.repeat(heights, len(offsets), axis=0)

    @property
    def cell_edges(self):
        """Edges of the cells around the values, which are equally spaced."""
        positions = self.positions(self.values)
        step = positions[1] - positions[0]
        return np.append(positions, positions[-1] + step) - step / 2

    def set_labels(self, axis):
        """Label a matplotlib axis with the feature, and its ticks with categories."""
        axis.set_label_text(self.name)
        if is_categorical(self.values):
            name_ticks(axis, self.positions(self.values), self.values)


def is_categorical(values):
    """Return whether the values of a column are names of categories."""
    return np.asarray(values).dtype.kind in "OU"
