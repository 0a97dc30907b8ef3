"""Table of the experts of a fitted mixture and of their rows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import issparse
from sklearn.base import is_classifier
from sklearn.metrics import accuracy_score, r2_score

from sklearn_moe._estimators import last_step
from sklearn_moe._frames import is_table
from sklearn_moe._sklearn import check_pandas_support
from sklearn_moe.experts import is_uniform
from sklearn_moe.gates import numbers_of
from sklearn_moe.inspection._derivatives import last_step_and_input
from sklearn_moe.inspection._validation import check_data
from sklearn_moe.inspection.rules import as_rows, rules_of

if TYPE_CHECKING:
    import pandas as pd

# Maximum number of features that describe the rows of an expert, and the smallest
# difference, in standard deviations, that is reported.
MAX_FEATURES = 3
MIN_DIFFERENCE = 0.1


def describe(
    model: Any,
    X: Any,
    y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    subjects: ArrayLike | None = None,
    exposure: ArrayLike | None = None,
) -> pd.DataFrame:
    """Describe each expert: its class, its weight, its rows and its score on them.

    Read more in the :ref:`User Guide <guide_inspection>`.

    Parameters
    ----------
    model : fitted estimator
        A mixture, or a model around one, such as a pipeline that ends in it or a
        search: see :func:`fitted_mixture`.
    X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
        Rows that the model was fitted to, or others.
    y : array-like of shape (n_samples,)
        Targets.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows. None means equal weights.
    subjects : array-like of shape (n_samples,), default=None
        Labels of what rows belong to: the weights of those that the mixture was fitted
        to are what their rows have told. None means that each row is a new one.
    exposure : array-like of shape (n_samples,), default=None
        Of counts, which are compared with what is predicted for it; needed where `fit`
        was given it.

    Returns
    -------
    table : pandas.DataFrame
        One row for each expert, with the columns

        - `estimator`: class of the expert;
        - `gate_weight`: mean weight that the gate gives to the expert;
        - `rows`: fraction of the rows for which the gate weight of the expert is the
          largest, its own rows;
        - `score`: R2 or accuracy of the expert on its own rows, NaN if it is not
          defined;
        - `score_elsewhere`: the same score on all other rows. An expert that is equally
          good there has not specialised;
        - one column for each parameter of the noise, if the mixture is a regressor;
        - `trusted_where`: features in which the rows of the expert, weighted by its
          gate weight, differ most from all rows, and the difference of the means in
          standard deviations. Categories are columns of zeros and ones. If the rows are
          not a table, the features are those that the gate's pipeline extracts;
        - `rules`: conditions under which the expert has the largest gate weight, from
          :func:`gate_rules`, on the columns of X. Empty if there are none.

        The features in `trusted_where` are those that the mixture sees, named by the
        steps in front of it. If the model transforms targets, scores and noise refer to
        the transformed targets.

    Raises
    ------
    ImportError
        If pandas is not installed.
    NotFittedError
        If the model is not fitted.
    TypeError
        If there is no mixture in the model.

    See Also
    --------
    diagnose : Comparison of the mixture with a single expert.
    gate_importance : Importance of features for the gate.
    gate_rules : The rules, and how faithful they are.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_moe import MixtureOfExpertsRegressor
    >>> from sklearn_moe.inspection import describe
    >>> X = np.random.default_rng(0).uniform(-3, 3, size=(300, 2))
    >>> y = np.abs(X[:, 0])
    >>> moe = MixtureOfExpertsRegressor(n_experts=2, random_state=0).fit(X, y)
    >>> describe(moe, X, y).loc["expert0", "trusted_where"]
    'x0 +0.7'
    """
    pd = check_pandas_support("describe")
    rows = as_rows(X)
    seen, weights = check_data(
        model, rows, y, sample_weight, "describe", takes_exposure=True
    )
    mixture, X, y = seen.mixture, seen.X, seen.y
    targets = mixture._targets_
    if targets.exposed == "exposure":
        targets.check_exposure_known(exposure)
    exposure = targets.check_exposure(exposure, X, mixture.named_experts_.items())
    gate_weights = mixture.predict_gate(X, subjects=subjects)
    chosen = mixture.apply(X, subjects=subjects)
    names = list(mixture.named_experts_)
    own = chosen[:, np.newaxis] == np.arange(gate_weights.shape[1])
    fitted = replace(mixture._fitted(), exposure=exposure)
    predictions = fitted.expectations(X).reshape(*own.shape, -1)
    if exposure is not None:
        predictions = predictions * exposure[:, np.newaxis, np.newaxis]
    rules = [""] * len(names)
    if is_table(rows):
        found = rules_of(rows, weights, gate_weights, chosen, names)
        rules = list(map(found.of, names))
    columns, names_of_columns = _columns(mixture.gate_, X, seen.names)
    table = {
        "estimator": [type(last_step(e)).__name__ for e in mixture.experts_],
        "gate_weight": np.average(gate_weights, axis=0, weights=weights),
        "rows": np.average(own, axis=0, weights=weights),
        "score": _scores(mixture, predictions, y, weights, own),
        "score_elsewhere": _scores(mixture, predictions, y, weights, ~own),
        **({} if is_classifier(mixture) else _noise_columns(mixture)),
        "trusted_where": _differences(columns, names_of_columns, weights, gate_weights),
        "rules": rules,
    }
    return pd.DataFrame(table, index=pd.Index(names, name="expert"))


def _scores(mixture, predictions, y, weights, masks):
    """Return the score of each expert on the rows of its column of `masks`."""
    y = np.asarray(y)
    scores = np.full(predictions.shape[1], np.nan)
    for k, mask in enumerate(masks.T & (weights > 0)):
        # R2 is not defined for one row.
        if np.count_nonzero(mask) < 2:
            continue
        predicted, truth, counts = predictions[mask, k], y[mask], weights[mask]
        if is_classifier(mixture):
            labels = mixture.classes_[predicted.argmax(axis=1)]
            scores[k] = accuracy_score(truth, labels, sample_weight=counts)
        else:
            predicted = predicted.reshape(truth.shape)
            scores[k] = r2_score(truth, predicted, sample_weight=counts)
    return scores


def _noise_columns(mixture):
    """Return a column for each parameter of the noise and each output."""
    columns, uniform = {}, list(map(is_uniform, mixture.experts_))
    for name, value in mixture.noise_.fitted_parameters().items():
        name = name.rstrip("_")
        if value.dtype == object or name == "floor":
            continue
        if any(uniform):
            # A uniform expert has no noise.
            value = value.astype(np.float64)
            value[uniform] = np.nan
        if value.ndim == 1:
            columns[name] = value
        elif value.ndim == 2:
            columns.update((f"{name}{j}", column) for j, column in enumerate(value.T))
    return columns


def _columns(gate, X, names):
    """Return numeric columns and their names; those of the gate if X is no table."""
    if not is_table(X):
        _, X, names = last_step_and_input(gate, X, names)
        if not is_table(X):
            return np.empty((len(X), 0)), []
    columns, names, _ = numbers_of(X, names)
    return columns, names


def _differences(columns, names, weights, gate_weights):
    """Return texts about where the rows of each expert differ most from all rows."""
    columns = columns.toarray() if issparse(columns) else columns
    # Missing values are left out.
    known = ~np.isnan(columns)
    counts = weights[:, np.newaxis] * known
    filled = np.where(known, columns, 0)

    def means(row_weights):
        total = np.maximum(row_weights.T @ known, np.finfo(np.float64).tiny)
        return row_weights.T @ filled / total

    mean = means(weights[:, np.newaxis])
    variance = np.sum(counts * (filled - mean) ** 2, axis=0)
    variance /= np.maximum(counts.sum(axis=0), np.finfo(np.float64).tiny)
    scale = np.sqrt(np.where(variance > 0, variance, np.inf))
    texts = []
    for row in (means(weights[:, np.newaxis] * gate_weights) - mean) / scale:
        # Rounding errors must not decide between equal differences, such as those of
        # the two columns of a binary category.
        sizes = np.abs(row).round(8)
        largest = np.argsort(-sizes, kind="stable")[:MAX_FEATURES]
        told = [j for j in largest if abs(row[j]) >= MIN_DIFFERENCE]
        texts.append(", ".join(f"{names[j]} {row[j]:+.1f}" for j in told))
    return texts
