"""Trace columns through fitted transformers to the columns of the user's table."""

import re
from collections import UserList
from copy import copy
from dataclasses import dataclass

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.feature_selection import SelectorMixin
from sklearn.impute import SimpleImputer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    SplineTransformer,
    StandardScaler,
    TargetEncoder,
)

from sklearn_moe._estimators import transformers_before

# Transformers that name output columns after input columns. Each output of a single
# input column is a nonlinear function of it.
NAMED_AFTER_ONE = (
    KBinsDiscretizer,
    OneHotEncoder,
    PolynomialFeatures,
    SplineTransformer,
    TargetEncoder,
)

# Transformers that map each column to one column by a nonlinear function.
CURVED = (OrdinalEncoder, PowerTransformer, QuantileTransformer)

# Marks the end of a column's index in a generated name; names of users do not have it.
MARK = "\x1f"


class UntraceableError(Exception):
    """Raised for a step whose output columns cannot be traced to single columns."""


@dataclass(frozen=True)
class Origins:
    """Origins of columns, each of which is a function of one column of a user's table.

    Attributes
    ----------
    columns : ndarray of shape (n_columns,), int
        Indices of the user's columns.
    slopes, offsets : ndarray of shape (n_columns,)
        Slope and offset of each function that is linear; for others the slope is NaN
        and the offset zero.
    names : list of str
        Names of the columns, for steps that select columns by name.
    """

    columns: np.ndarray
    slopes: np.ndarray
    offsets: np.ndarray
    names: list

    @classmethod
    def of_table(cls, names):
        """Return the origins of the user's own columns."""
        n = len(names)
        return cls(np.arange(n), np.ones(n), np.zeros(n), list(names))

    def take(self, places):
        """Return the origins of some of the columns, by index or mask."""
        places = np.arange(len(self.columns))[places]
        names = [self.names[place] for place in places]
        return Origins(
            self.columns[places], self.slopes[places], self.offsets[places], names
        )

    def on_lines(self, slopes, offsets):
        """Return the origins of linear functions of the columns."""
        return Origins(
            self.columns,
            self.slopes * slopes,
            np.where(np.isnan(self.slopes), 0, self.offsets * slopes + offsets),
            self.names,
        )

    def on_curves(self, places=slice(None)):
        """Return the origins of nonlinear functions of some of the columns."""
        taken = self.take(places)
        n = len(taken.columns)
        return Origins(taken.columns, np.full(n, np.nan), np.zeros(n), taken.names)

    def sums(self, values, n_columns):
        """Sum values of the last axis over all columns from the same user's column.

        Returns
        -------
        sums : ndarray of shape (..., n_columns)
        """
        sums = np.zeros((*values.shape[:-1], n_columns))
        np.add.at(sums, (..., self.columns), values)
        return sums


def joined(parts):
    """Concatenate the origins of the columns of several parts."""
    return Origins(
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("columns", "slopes", "offsets")
        ),
        [name for part in parts for name in part.names],
    )


def trace(step, origins):
    """Return the origins of the output columns of a fitted step.

    Raises
    ------
    UntraceableError
        If some columns are functions of several columns, or of unknown ones.
    """
    if step is None or step == "passthrough":
        return origins
    traced = _traced(step, origins)
    # Later steps may select columns by the names that this step gives them.
    try:
        names = list(map(str, step.get_feature_names_out()))
    except (AttributeError, ValueError):
        # Some steps do not know the names of their columns.
        return traced
    if len(names) != len(traced.columns):
        raise UntraceableError(step)
    return Origins(traced.columns, traced.slopes, traced.offsets, names)


def trace_pipeline(pipeline, origins):
    """Return the origins of the columns that the last step of a pipeline sees."""
    for step in transformers_before(pipeline):
        origins = trace(step, origins)
    return origins


def _traced(step, origins):
    # Types are compared exactly, since a subclass may transform otherwise.
    kind = type(step)
    if kind is Pipeline:
        for _, each in step.steps:
            origins = trace(each, origins)
        return origins
    if kind is ColumnTransformer:
        return _trace_parts(step, origins)
    if kind is FeatureUnion:
        parts = [each for _, each in step.transformer_list if each != "drop"]
        return joined([trace(each, origins) for each in parts])
    if isinstance(step, SelectorMixin):
        return origins.take(step.get_support())
    line = line_of(step)
    if line is not None:
        return origins.on_lines(*line)
    if kind is SimpleImputer:
        return _trace_imputer(step, origins)
    if kind is FunctionTransformer and isinstance(step.func, np.ufunc):
        return origins.on_curves()
    if kind in CURVED:
        return origins.on_curves()
    if kind in NAMED_AFTER_ONE:
        return _trace_names(step, origins)
    raise UntraceableError(step)


def line_of(step):
    """Return slope and offset of each column of a fitted scaler; None for others."""
    kind = type(step)
    if kind is StandardScaler:
        slope = 1.0 if step.scale_ is None else 1 / step.scale_
        return slope, -slope * (step.mean_ if step.with_mean else 0.0)
    if kind is RobustScaler:
        slope = 1.0 if step.scale_ is None else 1 / step.scale_
        return slope, -slope * (0.0 if step.center_ is None else step.center_)
    if kind is MinMaxScaler and not step.clip:
        return step.scale_, step.min_
    if kind is MaxAbsScaler and not getattr(step, "clip", False):
        return 1 / step.scale_, 0.0
    if kind is FunctionTransformer and step.func is None:
        return 1.0, 0.0
    return None


def _trace_parts(step, origins):
    """Trace each transformer of a ColumnTransformer."""
    n_made = max((rows.stop for rows in step.output_indices_.values()), default=0)
    parts = []
    for name, transformer, columns in step.transformers_:
        made = step.output_indices_[name]
        if isinstance(transformer, str) and transformer == "drop":
            continue
        places = _places(columns, step, origins.names)
        if len(places):
            traced = trace(transformer, origins.take(places))
            if len(traced.columns) != made.stop - made.start:
                raise UntraceableError(step)
            parts.append((made.start, traced))
    parts.sort(key=lambda part: part[0])
    traced = joined([traced for _, traced in parts]) if parts else origins.take([])
    if len(traced.columns) != n_made:
        raise UntraceableError(step)
    return traced


def _places(columns, step, names):
    """Return the indices of a transformer's columns among the present columns."""
    learnt = list(getattr(step, "feature_names_in_", []))
    # Before scikit-learn 1.9 the remainder is a list that warns when it is read.
    columns = columns.data if isinstance(columns, UserList) else columns
    columns = [columns] if isinstance(columns, (str, int)) else columns
    if isinstance(columns, slice) and any(
        isinstance(end, str) for end in (columns.start, columns.stop)
    ):
        start, stop = (
            None if end is None else learnt.index(end)
            for end in (columns.start, columns.stop)
        )
        columns = slice(start, None if stop is None else stop + 1)
    if not isinstance(columns, slice):
        columns = list(columns)
        if columns and isinstance(columns[0], str):
            columns = [learnt.index(column) for column in columns]
    places = np.arange(step.n_features_in_)[columns]
    if learnt and set(learnt) <= set(names):
        return np.array([names.index(learnt[place]) for place in places], dtype=int)
    return places


def _trace_imputer(step, origins):
    if len(step.statistics_) != len(origins.columns):
        raise UntraceableError(step)
    dropped = np.array([_is_nan(value) for value in step.statistics_])
    kept = ~dropped | step.keep_empty_features
    traced = origins.take(kept)
    if step.add_indicator:
        traced = joined([traced, origins.on_curves(step.indicator_.features_)])
    return traced


def _is_nan(value):
    return isinstance(value, (float, np.floating)) and np.isnan(value)


def _trace_names(step, origins):
    """Trace a step whose output names contain the names of input columns."""
    anonymous = copy(step)
    vars(anonymous).pop("feature_names_in_", None)
    marks = [f"{place}{MARK}" for place in range(len(origins.columns))]
    places = []
    for name in anonymous.get_feature_names_out(marks):
        # With "|" for MARK, "3|_red" has one origin, and "3|^2 4|" has two.
        named = set(re.findall(rf"(\d+){MARK}", str(name)))
        if len(named) != 1:
            raise UntraceableError(step)
        places.append(int(named.pop()))
    return origins.on_curves(places)
