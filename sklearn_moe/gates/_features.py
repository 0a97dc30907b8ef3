"""Tables as numbers: the categories and dates of a frame, encoded for a gate."""

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from sklearn_moe._in_memory import check_table

FLOATS = (np.float64, np.float32)

# More categories than this share one column: a gate learns little from rare ones.
MAX_CATEGORIES = 20


def gate_features(gate, X, y="no_validation", *, reset):
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
        Whether the gate is fitted.

    Returns
    -------
    features : {ndarray, CSR} of shape (n_samples, n_gate_features)
        Numbers, of which some may be NaN.
    """
    check_table(X)
    encoder = _frame_encoder(X) if reset else gate.encoder_
    if encoder is None:
        features = validate_data(
            gate,
            X,
            y,
            accept_sparse=gate._accept_sparse,
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


class _AnyGate(BaseEstimator):
    _accept_sparse = "csr"


def numbers_of(X):
    """The rows as a gate sees them, shape (n_samples, n_columns), and their names."""
    gate = _AnyGate()
    numbers = gate_features(gate, X, reset=True)
    if gate.encoder_ is not None:
        names = gate.encoder_.get_feature_names_out()
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
    encoders = [
        ("numbers", FunctionTransformer(_as_floats, **one_to_one)),
        ("dates", FunctionTransformer(_as_seconds, **one_to_one)),
        (
            "categories",
            make_pipeline(FunctionTransformer(_as_strings, **one_to_one), one_hot),
        ),
    ]
    columns = [
        (kind, encoder, np.flatnonzero(kinds == kind)) for kind, encoder in encoders
    ]
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
