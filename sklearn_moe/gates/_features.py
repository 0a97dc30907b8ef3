"""What a gate sees of a table."""

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

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


def _frame_encoder(X):
    """An unfitted encoder for a frame that does not hold numbers only, else None."""
    if not hasattr(X, "columns"):
        return None
    kinds = np.array([_kind(X[name].dtype) for name in X.columns])
    if (kinds == "numbers").all():
        return None
    one_to_one = {"feature_names_out": "one-to-one"}
    categories = OneHotEncoder(
        max_categories=MAX_CATEGORIES,
        handle_unknown="infrequent_if_exist",
        sparse_output=False,
    )
    parts = [
        ("numbers", FunctionTransformer(_as_floats, **one_to_one)),
        ("dates", FunctionTransformer(_as_seconds, **one_to_one)),
        ("categories", categories),
    ]
    columns = [(kind, part, np.flatnonzero(kinds == kind)) for kind, part in parts]
    encoder = ColumnTransformer(columns, verbose_feature_names_out=False)
    return encoder.set_output(transform="default")


def _kind(dtype):
    """What a column of a pandas or polars frame holds."""
    kind = getattr(dtype, "kind", "O") if str(dtype) != "category" else "O"
    if hasattr(dtype, "is_numeric"):
        numeric = dtype.is_numeric() or str(dtype) == "Boolean"
        kind = "f" if numeric else "M" if dtype.is_temporal() else "O"
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
    return head, gate[-1], head.fit_transform(X)


def join_pipeline(gate, head, last):
    """The fitted gate, of its fitted preprocessing and its fitted last step."""
    if head is None:
        return last
    return Pipeline([*head.steps, (gate.steps[-1][0], last)])
