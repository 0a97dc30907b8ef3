"""What each expert of a fitted mixture is, and which rows it has."""

import numpy as np
from scipy.sparse import issparse
from sklearn.base import is_classifier
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils import check_consistent_length

from sklearn_moe._compat import check_pandas_support, check_sample_weight
from sklearn_moe._mixture import check_fitted_mixture
from sklearn_moe.gates import numbers_of
from sklearn_moe.weighting import last_step

# How many features are named of the rows of an expert, and from which difference on.
MAX_FEATURES = 3
LEAST_DIFFERENCE = 0.1


def describe(mixture, X, y, sample_weight=None):
    """A table of the experts: what they are, where they are trusted, how good there.

    Parameters
    ----------
    mixture : MixtureOfExpertsRegressor or MixtureOfExpertsClassifier
        Fitted.
    X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
        The rows that it was fitted to, or others.
    y : array-like of shape (n_samples,)
        Their targets.
    sample_weight : array-like of shape (n_samples,), default=None
        Their weights. None means equal weights.

    Returns
    -------
    table : pandas.DataFrame
        One row for each expert, with the columns

        - `estimator`: its class;
        - `gate_weight`: the mean weight that the gate gives it;
        - `rows`: the part of the rows of which the gate trusts it most, its own;
        - `score`: how well it predicts its own rows, R2 or accuracy, NaN where that
          is not defined;
        - `score_elsewhere`: the same for all other rows. An expert that is as good
          there has not specialised;
        - one column for each parameter of the noise, of a regressor;
        - `trusted_where`: by what its rows differ from all: the columns of largest
          difference, in standard deviations. Rows count by their gate weight;
          categories are columns of zeros and ones.

    Raises
    ------
    ImportError
        If pandas is not installed.
    NotFittedError
        If the mixture is not fitted.
    TypeError
        If it is none.

    See Also
    --------
    diagnose : Whether the mixture was worth it.
    gate_importance : Which columns decide who is trusted.

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
    check_fitted_mixture(mixture, "describe")
    X = mixture._checked_X(X)
    check_consistent_length(X, y)
    weights = check_sample_weight(sample_weight, X, ensure_non_negative=True)
    gate_weights = mixture.predict_gate(X)
    own = mixture.apply(X)[:, np.newaxis] == np.arange(gate_weights.shape[1])
    answers = mixture.transform(X).reshape(len(own), own.shape[1], -1)
    table = {
        "estimator": [type(last_step(e)).__name__ for e in mixture.experts_],
        "gate_weight": np.average(gate_weights, axis=0, weights=weights),
        "rows": np.average(own, axis=0, weights=weights),
        "score": _scores(mixture, answers, y, weights, own),
        "score_elsewhere": _scores(mixture, answers, y, weights, ~own),
        **({} if is_classifier(mixture) else _noise(mixture.noise_)),
        "trusted_where": _differences(X, weights, gate_weights),
    }
    return pd.DataFrame(table, index=pd.Index(mixture.named_experts_, name="expert"))


def _scores(mixture, answers, y, weights, chosen):
    """Score of each expert on some rows of its own choice."""
    y = np.asarray(y)
    scores = np.full(answers.shape[1], np.nan)
    for k, rows in enumerate(chosen.T & (weights > 0)):
        # Of one row there is no R2.
        if np.count_nonzero(rows) < 2:
            continue
        predicted, truth, counts = answers[rows, k], y[rows], weights[rows]
        if is_classifier(mixture):
            labels = mixture.classes_[predicted.argmax(axis=1)]
            scores[k] = accuracy_score(truth, labels, sample_weight=counts)
        else:
            predicted = predicted.reshape(truth.shape)
            scores[k] = r2_score(truth, predicted, sample_weight=counts)
    return scores


def _noise(noise):
    """The parameters of the noise, a column for each and each output."""
    columns = {}
    for name, value in noise.fitted_parameters().items():
        name = name.rstrip("_")
        if value.dtype == object or name == "floor" or value.ndim > 2:
            continue
        if value.ndim == 1:
            columns[name] = value
        else:
            columns.update((f"{name}{j}", part) for j, part in enumerate(value.T))
    return columns


def _differences(X, weights, gate_weights):
    """By what the rows of each expert differ from all, in words."""
    columns, names = numbers_of(X)
    columns = columns.toarray() if issparse(columns) else columns
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
    differences = (means(weights[:, np.newaxis] * gate_weights) - mean) / scale
    return [_in_words(of_expert, names) for of_expert in differences]


def _in_words(differences, names):
    largest = np.argsort(-np.abs(differences), kind="stable")[:MAX_FEATURES]
    return ", ".join(
        f"{names[j]} {differences[j]:+.1f}"
        for j in largest
        if abs(differences[j]) >= LEAST_DIFFERENCE
    )
