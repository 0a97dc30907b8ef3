"""Columns of a ColumnTransformer that are standardised with each expert's weights.

The rest of the ColumnTransformer can be shared: see `sklearn_moe.experts.shared_steps`.
"""

from copy import copy

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from sklearn_moe._estimators import learns_rows_alone
from sklearn_moe._sklearn import makes_frames


class ScaledColumns(TransformerMixin, BaseEstimator):
    """Standardise some columns, and pass the others through.

    Parameters
    ----------
    scalers : list of (str, StandardScaler)
    columns : list of slice, default=None
        The columns of each scaler, in order and without overlap.

    Attributes
    ----------
    scalers_ : list of StandardScaler
        The fitted scalers.
    """

    def __init__(self, scalers, columns=None):
        self.scalers = scalers
        self.columns = columns

    def fit(self, X, y=None, sample_weight=None):
        """Fit the scalers to their columns."""
        self.scalers_ = [
            clone(scaler).fit(_of(X, own, scaler), sample_weight=sample_weight)
            for (_, scaler), own in zip(self.scalers, self.columns)
        ]
        return self

    def transform(self, X):
        """Standardise the columns."""
        check_is_fitted(self)
        pieces, end = [], 0
        for scaler, own in zip(self.scalers_, self.columns):
            scaled = scaler.transform(_of(X, own, scaler), copy=True)
            pieces += [X[:, end : own.start], scaled]
            end = own.stop
        pieces.append(X[:, end:])
        if sparse.issparse(X):
            return sparse.hstack([sparse.csr_array(piece) for piece in pieces]).tocsr()
        return np.hstack(pieces)


def _of(X, columns, scaler):
    """Return the columns of a scaler, as a dense array if it centres them."""
    own = X[:, columns]
    return own.toarray() if sparse.issparse(own) and scaler.with_mean else own


def without_scalers(transformer):
    """Divide a ColumnTransformer into a shared part and its StandardScalers.

    In the shared part, the scalers check numbers but do not change them.

    Returns
    -------
    shared : ColumnTransformer or None
        None if the transformer cannot be divided.
    scaled : ScaledColumns or ColumnTransformer
        Scalers for the output of `shared`. Their `columns` are set when `shared` is
        fitted. The whole transformer if it cannot be divided.
    """
    # Weights of the parts, and names of columns in frames, apply to the final output.
    if transformer.transformer_weights or makes_frames(transformer):
        return None, transformer
    parts = [(name, part) for name, part, _ in transformer.transformers]
    parts.append(("remainder", transformer.remainder))
    scalers = [(name, _last(part)) for name, part in parts if _ends_in_scaler(part)]
    others = [part for _, part in parts if not _ends_in_scaler(part)]
    if not scalers or not all(map(_is_shared, others)):
        return None, transformer
    shared = copy(transformer).set_params(
        transformers=[
            (name, _neutral(part), columns)
            for name, part, columns in transformer.transformers
        ],
        remainder=_neutral(transformer.remainder),
    )
    return shared, ScaledColumns(scalers)


def place(scaled, shared):
    """Set the `columns` of ScaledColumns, in place, given the fitted shared part."""
    places = shared.output_indices_
    # Scalers without columns are left out.
    own = [
        (name, scaler)
        for name, scaler in scaled.scalers
        if places[name].start < places[name].stop
    ]
    own.sort(key=lambda named: places[named[0]].start)
    scaled.set_params(scalers=own, columns=[places[name] for name, _ in own])


def with_scalers(transformer, shared, scaled):
    """Return a fitted ColumnTransformer, composed of its fitted parts."""
    fitted = dict(zip([name for name, _ in scaled.scalers], scaled.scalers_))
    whole = copy(shared)
    whole.transformers = transformer.transformers
    whole.remainder = transformer.remainder
    whole.transformers_ = [
        (name, _with_scaler(part, fitted.get(name)), columns)
        for name, part, columns in shared.transformers_
    ]
    return whole


def _with_scaler(part, scaler):
    if scaler is None:
        return part
    if isinstance(part, Pipeline):
        whole, (name, last) = copy(part), part.steps[-1]
        whole.steps = [*part.steps[:-1], (name, _with_scaler(last, scaler))]
        return whole
    # The part in the shared transformer has the names of its columns.
    whole = copy(part)
    vars(whole).update(vars(scaler))
    return whole


def _last(part):
    return part.steps[-1][1] if isinstance(part, Pipeline) else part


def _ends_in_scaler(part):
    if type(part) is Pipeline and part.steps:
        *first, (_, part) = part.steps
        if not all(_is_shared(step) for _, step in first):
            return False
    return type(part) is StandardScaler and not learns_rows_alone(part)


def _is_shared(part):
    return part is None or isinstance(part, str) or learns_rows_alone(part)


def _neutral(part):
    """Return the same part with a scaler that only checks numbers."""
    if not _ends_in_scaler(part):
        return part
    if isinstance(part, Pipeline):
        *first, (name, last) = part.steps
        return copy(part).set_params(steps=[*first, (name, _neutral(last))])
    return copy(part).set_params(with_mean=False, with_std=False)
