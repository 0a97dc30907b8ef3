"""What a gate sees of a table."""

import warnings

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from sklearn_moe.moments import Moments
from sklearn_moe.weighting import spared

FLOATS = (np.float64, np.float32)

# More categories than this share one column: a gate learns little from rare ones.
MAX_CATEGORIES = 20


def gate_features(gate, X, y="no_validation", *, reset, accept_sparse="csr"):
    """Validate the rows given to a gate, and turn the categories of a frame to numbers.

    Parameters
    ----------
    gate : estimator
        Its `encoder_` is set where `reset`, else used.
    X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
        Categories of a frame are one-hot encoded, a missing one as a category of its
        own; points in time are counted in seconds.
    y : None or "no_validation"
        None raises the error that scikit-learn raises where a target is required.
    reset : bool
        Whether the gate is being fitted.
    accept_sparse : str or bool, default="csr"

    Returns
    -------
    features : {ndarray, CSR} of shape (n_samples, n_gate_features)
        Numbers, of which some may be NaN.
    """
    encoder = _frame_encoder(X) if reset else gate.encoder_
    if encoder is None:
        features = validate_data(
            gate,
            X,
            y,
            accept_sparse=accept_sparse,
            dtype=FLOATS,
            ensure_all_finite="allow-nan",
            reset=reset,
        )
    else:
        validate_data(gate, X, y, reset=reset, skip_check_array=True)
        features = encoder.fit_transform(X) if reset else encoder.transform(X)
    if reset:
        gate.encoder_ = encoder
    return features


def numbers_of(X):
    """The rows as a gate sees them: the categories of a frame as numbers.

    Parameters
    ----------
    X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)

    Returns
    -------
    numbers : {ndarray, CSR} of shape (n_samples, n_columns)
        Some may be NaN.
    names : list of str
    """
    look = BaseEstimator()
    numbers = gate_features(look, X, reset=True)
    if look.encoder_ is not None:
        names = look.encoder_.get_feature_names_out()
    elif hasattr(X, "columns"):
        names = X.columns
    else:
        names = [f"x{j}" for j in range(numbers.shape[1])]
    return numbers, [str(name) for name in names]


def _frame_encoder(X):
    """An unfitted encoder for a frame that does not hold numbers only, else None."""
    if not hasattr(X, "columns"):
        return None
    kinds = np.array([_kind(dtype) for dtype in X.dtypes])
    if (kinds == "numbers").all():
        return None
    one_to_one = {"feature_names_out": "one-to-one"}
    one_hot = OneHotEncoder(
        max_categories=MAX_CATEGORIES,
        handle_unknown="infrequent_if_exist",
        sparse_output=False,
    )
    parts = [
        ("numbers", FunctionTransformer(_as_floats, **one_to_one)),
        ("dates", FunctionTransformer(_as_seconds, **one_to_one)),
        (
            "categories",
            make_pipeline(FunctionTransformer(_as_strings, **one_to_one), one_hot),
        ),
    ]
    columns = [(kind, part, np.flatnonzero(kinds == kind)) for kind, part in parts]
    encoder = ColumnTransformer(columns, verbose_feature_names_out=False)
    return encoder.set_output(transform="default")


def _kind(dtype):
    """What a column of a pandas or polars frame holds."""
    kind = getattr(dtype, "kind", "O") if str(dtype) != "category" else "O"
    if hasattr(dtype, "is_numeric"):
        numeric = dtype.is_numeric() or str(dtype) == "Boolean"
        # The hour of a day is no point in time.
        temporal = dtype.is_temporal() and str(dtype) != "Time"
        kind = "f" if numeric else "M" if temporal else "O"
    return "numbers" if kind in "biuf" else "dates" if kind in "mM" else "categories"


def _as_floats(frame):
    return check_array(frame, dtype=FLOATS, ensure_all_finite="allow-nan")


def _as_seconds(frame):
    """Points in time, and spans of it, as numbers; a missing one is NaN."""
    columns = []
    for name in frame.columns:
        column = frame[name]
        kind = getattr(column.dtype, "kind", None) or np.asarray(column).dtype.kind
        times = np.asarray(column, dtype=f"{kind}8[us]")
        seconds = times.astype(np.int64) / 1e6
        columns.append(np.where(np.isnat(times), np.nan, seconds))
    return np.column_stack(columns)


def _as_strings(frame):
    """Categories as strings, so that values of any kind may stand in one column.

    A missing one is NaN, whatever the frame's own word for it.
    """
    columns = []
    for name in frame.columns:
        column = frame[name]
        missing = column.isna() if hasattr(column, "isna") else column.is_null()
        strings = np.array([str(value) for value in column], dtype=object)
        strings[np.asarray(missing)] = np.nan
        columns.append(strings)
    return np.column_stack(columns)


def mean_and_scale(X, sample_weight):
    """Weighted mean and standard deviation of each column, NaN left out.

    A column without spread has the scale 1, one without a value the mean 0 as well.

    Raises
    ------
    ValueError
        If the squares of a column overflow.
    """
    scaler = _scaler(X, sample_weight)
    scale = np.nan_to_num(scaler.scale_, nan=1.0)
    return np.nan_to_num(scaler.mean_), np.where(scale > 0, scale, 1.0)


def moments_of(X, sample_weight):
    """Weight, mean and variance of each column, NaN left out.

    Raises
    ------
    ValueError
        If the squares of a column overflow.
    """
    scaler = _scaler(X, sample_weight)
    weight = np.broadcast_to(scaler.n_samples_seen_, scaler.mean_.shape)
    return Moments(
        weight * sample_weight.max(),
        np.nan_to_num(scaler.mean_),
        np.nan_to_num(scaler.var_),
    )


def _scaler(X, sample_weight):
    with warnings.catch_warnings():
        # A column without one value has neither mean nor spread.
        warnings.simplefilter("ignore", RuntimeWarning)
        scaler = StandardScaler(with_mean=not issparse(X)).fit(
            X, None, sample_weight / sample_weight.max()
        )
    overflowed = ~np.isfinite(scaler.var_) & ~np.isnan(scaler.mean_)
    if overflowed.any():
        column = overflowed.argmax()
        raise ValueError(
            f"Column {column} of X is too large to standardise: its mean is "
            f"{scaler.mean_[column]:.3g}, and squares overflow. Change its unit."
        )
    return scaler


def fill_missing(X, mean):
    """Put the column's mean in the place of NaN; X itself where nothing is missing."""
    if issparse(X):
        missing = np.isnan(X.data)
        if missing.any():
            X = X.copy()
            X.data[missing] = mean[X.indices[missing]]
        return X
    missing = np.isnan(X)
    return np.where(missing, mean.astype(X.dtype), X) if missing.any() else X


def bounds_of(X, sample_weight, clip):
    """Columns of the least and the largest number that is not an outlier.

    Parameters
    ----------
    X : {ndarray, CSR} of shape (n_samples, n_features)
    sample_weight : ndarray of shape (n_samples,)
    clip : float or None
        How many standard deviations they lie from the mean; None means infinitely many.

    Returns
    -------
    bounds : ndarray of shape (2, n_features)
    """
    if clip is None:
        return bounds_around(0.0, np.ones(X.shape[1]), None)
    return bounds_around(*mean_and_scale(X, sample_weight), clip)


def bounds_around(mean, scale, clip):
    """The bounds of columns of known mean and standard deviation; see `bounds_of`."""
    distance = np.full(len(scale), np.inf) if clip is None else clip * scale
    return np.stack([mean - distance, mean + distance])


def clip_outliers(X, bounds):
    """Move outliers to the bounds; the zeros of sparse rows stay zeros."""
    if np.isinf(bounds).all():
        return X
    bounds = bounds.astype(X.dtype, copy=False)
    if issparse(X):
        X = X.copy()
        np.clip(X.data, bounds[0, X.indices], bounds[1, X.indices], out=X.data)
        return X
    return np.clip(X, *bounds)


def split_pipeline(gate, X):
    """A gate's fitted preprocessing, its last step, and the rows that this step sees.

    Returns
    -------
    head : Pipeline or None
    last : estimator
    X : the rows, preprocessed
    """
    if not isinstance(gate, Pipeline):
        return None, gate, X
    if len(gate) == 1:
        return gate[:-1], gate[-1], X
    head = gate[:-1]
    return head, gate[-1], head.fit_transform(spared(X, head))


def join_pipeline(gate, head, last):
    """The fitted gate, of its fitted preprocessing and its fitted last step."""
    if head is None:
        return last
    return Pipeline([*head.steps, (gate.steps[-1][0], last)])
