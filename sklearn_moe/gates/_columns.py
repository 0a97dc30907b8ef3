"""The features of a gate: columns of numbers, clipped and standardised."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse import issparse
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_moe._estimators import copy_if_overwriting, last_step
from sklearn_moe._persistence import saved_as_dict
from sklearn_moe._statistics import Moments
from sklearn_moe.gates._features import gate_features

# The columns of a gate, for any storage of the rows
# --------------------------------------------------


@dataclass(frozen=True)
class GateColumns:
    """A column of the rows, together with its value for the sample of the rows.

    Attributes
    ----------
    rows : Rows
    of_sample : object
    of_all : column
    """

    rows: Any
    of_sample: Any
    of_all: Any

    def then(self, function, *arguments):
        """Return the columns ``function(block, columns, *arguments)`` of each block."""
        of_sample = function(self.rows.sample, self.of_sample, *arguments)
        of_all = self.rows.extend(of_sample, function, self.of_all, *arguments)
        return GateColumns(self.rows, of_sample, of_all)

    def kept(self):
        """Return the same columns, computed once and stored with the rows."""
        return GateColumns(self.rows, self.of_sample, self.rows.keep(self.of_all))

    def moments(self):
        """Return the moments of each column over all rows."""
        return self.rows.total(_moments_of, self.of_all)

    def clipped(self, bounds):
        """Return the columns with outliers clipped to the bounds."""
        return self.then(_clip, bounds)


def learn_columns(gate, rows):
    """Fit the preprocessing of a gate to the sample, and compute the gate's columns.

    The encoder of a frame and, if the gate is the last step of a pipeline, the previous
    steps are fitted in place.
    """
    last, X = last_step(gate), rows.sample.X
    last._validate_params()
    if last is not gate:
        head = gate[:-1]
        if head.steps:
            X = head.fit_transform(copy_if_overwriting(X, head))
        # A pipeline with a memory fits clones of its steps.
        gate.steps[:-1] = head.steps
    features = gate_features(last, X, reset=True)
    return _extended(gate, rows, _of_subjects(rows.sample, features))


def gate_columns(gate, rows):
    """Compute the columns from which a fitted gate learns a batch; some may be NaN."""
    return _extended(gate, rows, columns_of_block(rows.sample, gate, in_stream=True))


def with_last_step(gate, last):
    """Return `last`, after the preprocessing steps of `gate` if this is a pipeline."""
    if not isinstance(gate, Pipeline):
        return last
    return Pipeline([*gate.steps[:-1], (gate.steps[-1][0], last)])


def _extended(gate, rows, of_sample):
    """Return the columns of all rows, given those of the sample."""
    if issparse(of_sample) and not rows.in_one_block:
        raise ValueError(
            f"The 'gate' {gate!r} makes sparse columns; for Dask collections they must "
            "be dense."
        )
    of_all = rows.extend(of_sample, columns_of_block, rows.share(gate))
    return GateColumns(rows, of_sample, of_all)


def columns_of_block(block, gate, in_stream=False):
    """Return the columns of a fitted gate for a block; see `_of_subjects`."""
    last, X = last_step(gate), block.X
    if last is not gate and len(gate.steps) > 1:
        head = gate[:-1]
        X = head.transform(copy_if_overwriting(X, head))
    features = gate_features(last, X, reset=False, in_stream=in_stream)
    return _of_subjects(block, features)


def _of_subjects(block, features):
    """Return the mean features of each subject; those of the rows without subjects."""
    return features if block.subjects is None else block.subjects.means(features)


def _moments_of(block, columns):
    return column_moments(columns, block.sample_weight)


def _clip(block, columns, bounds):
    return clip_outliers(columns, bounds)


# Missing values, outliers and units
# ----------------------------------


def column_moments(X, sample_weight):
    """Return the moments of each column without NaN; a column of NaN has mean 0."""
    largest = sample_weight.max()
    with warnings.catch_warnings():
        # A column of NaN has neither mean nor variance.
        warnings.simplefilter("ignore", RuntimeWarning)
        scaler = StandardScaler(with_mean=not issparse(X)).fit(
            X, None, sample_weight / largest
        )
    overflowed = ~np.isfinite(scaler.var_) & ~np.isnan(scaler.mean_)
    if overflowed.any():
        column = overflowed.argmax()
        raise ValueError(
            f"Column {column} of X is too large to standardise: its mean is "
            f"{scaler.mean_[column]:.3g}, and squares overflow. Change its unit."
        )
    weight = np.broadcast_to(scaler.n_samples_seen_, scaler.mean_.shape)
    # The variance of a constant column may be negative due to rounding.
    variance = np.maximum(np.nan_to_num(scaler.var_), 0)
    return Moments(weight * largest, np.nan_to_num(scaler.mean_), variance)


def fill_missing(X, mean):
    """Replace NaN by the mean of the column; return X itself if nothing is missing."""
    if issparse(X):
        missing = np.isnan(X.data)
        if missing.any():
            X = X.copy()
            X.data[missing] = mean[X.indices[missing]]
        return X
    missing = np.isnan(X)
    return np.where(missing, mean.astype(X.dtype), X) if missing.any() else X


def outlier_bounds(moments, clip):
    """Return the bounds that are `clip` standard deviations from each column's mean.

    The bounds, of shape (2, n_features), are infinite if `clip` is None.
    """
    scale = moments.scale
    distance = np.full(len(scale), np.inf) if clip is None else clip * scale
    return np.stack([moments.mean - distance, moments.mean + distance])


def clip_outliers(X, bounds):
    """Clip outliers to the bounds; the implicit zeros of sparse rows stay zeros."""
    if np.isinf(bounds).all():
        return X
    bounds = bounds.astype(X.dtype, copy=False)
    if issparse(X):
        X = X.copy()
        np.clip(X.data, bounds[0, X.indices], bounds[1, X.indices], out=X.data)
        return X
    return np.clip(X, *bounds)


@saved_as_dict
@dataclass(frozen=True)
class Standards:
    """Standardisation of the columns of a softmax gate.

    Attributes
    ----------
    mean : ndarray of shape (n_features,)
        Replaces missing values.
    shift : ndarray of shape (n_features,)
        Subtracted from the columns.
    scale : ndarray of shape (n_features,)
        The shifted columns are divided by it.
    """

    mean: np.ndarray
    shift: np.ndarray
    scale: np.ndarray

    @classmethod
    def of(cls, moments, centred):
        """Return the standards of columns with these moments.

        Sparse columns are not centred: the unpenalised intercept absorbs the shift, so
        that the optimum is the same.
        """
        shift = moments.mean if centred else np.zeros(len(moments.mean))
        return cls(moments.mean, shift, moments.scale)

    @property
    def mean_squares(self):
        """Mean square of each standardised column."""
        return 1 + ((self.mean - self.shift) / self.scale) ** 2

    def design(self, X):
        """Return the standardised columns without NaN, and a last column of ones."""
        filled = fill_missing(X, self.mean).astype(np.float64, copy=False)
        if issparse(X):
            scaled = filled @ sparse.diags_array(1 / self.scale)
            ones = np.ones((X.shape[0], 1))
            return sparse.hstack([scaled, ones], format="csr")
        design = np.ones((X.shape[0], X.shape[1] + 1), order="F")
        np.subtract(filled, self.shift, out=design[:, :-1])
        design[:, :-1] /= self.scale
        return design

    def to_input_units(self, parameters):
        """Return coefficients and intercepts for columns that are not standardised."""
        # The gate's weights do not change if one vector is added to the parameters of
        # every class: choose parameters that sum to zero over the classes.
        parameters = parameters - parameters.mean(axis=0)
        coef = parameters[:, :-1] / self.scale
        return coef, parameters[:, -1] - coef @ self.shift

    def from_input_units(self, coef, intercept):
        """Invert `to_input_units`, up to a vector that is common to all classes."""
        return np.column_stack([coef * self.scale, intercept + coef @ self.shift])
