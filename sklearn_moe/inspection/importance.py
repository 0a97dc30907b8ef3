"""Importance of features for the gate."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.inspection import permutation_importance
from sklearn.utils import Bunch

from sklearn_moe._frames import (
    as_array,
    columns_of,
    frame_of,
    is_frame,
    is_table,
    library_of,
    names_of,
    native,
    rows_in_words,
)
from sklearn_moe._inner_mixture import seen_by_mixture
from sklearn_moe._weights import count_rows


def gate_importance(
    model: Any,
    X: Any,
    sample_weight: ArrayLike | None = None,
    *,
    n_repeats: int = 5,
    random_state: int | np.random.RandomState | None = None,
    n_jobs: int | None = None,
    max_samples: float = 1.0,
) -> Bunch:
    r"""Compute the permutation importance [1]_ of the features for the gate.

    The importance is the weight that the gate moves between experts when the values of
    a feature are shuffled: the mean over the rows of the total variation distance

    .. math::
        \tfrac{1}{2} \sum_k |g_k(x_i) - g_k(\tilde{x}_i)|.

    It is between 0, if the gate does not use the feature, and 1. For the importance of
    features for the predictions of the mixture, see
    :func:`sklearn.inspection.permutation_importance`.

    Read more in the :ref:`User Guide <guide_inspection>`.

    Parameters
    ----------
    model : fitted estimator
        A mixture, or a model around one, such as a pipeline that ends in it or a
        search: see :func:`fitted_mixture`.
    X : {array-like, frame} of shape (n_samples, n_features)
        Rows as they are given to the model. Their columns are shuffled, not those that
        the steps of a pipeline make of them.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows. None means equal weights.
    n_repeats : int, default=5
        Number of times that each feature is shuffled.
    random_state : int, RandomState instance or None, default=None
        Seed of the shuffles.
    n_jobs : int, default=None
        Number of features that are shuffled at the same time.
    max_samples : int or float, default=1.0
        Number or fraction of the rows to draw for each repetition.

    Returns
    -------
    result : Bunch
        - `importances_mean`, `importances_std`: mean and standard deviation over the
          repetitions, ndarray of shape (n_features,);
        - `importances`: ndarray of shape (n_features, n_repeats).

    Raises
    ------
    NotFittedError
        If the model is not fitted.
    TypeError
        If there is no mixture in the model.

    See Also
    --------
    describe : Table of the experts and their rows.

    References
    ----------
    .. [1] L. Breiman (2001). Random forests. Machine Learning 45(1), 5-32.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_moe import MixtureOfExpertsRegressor
    >>> from sklearn_moe.inspection import gate_importance
    >>> X = np.random.default_rng(0).uniform(-3, 3, size=(300, 2))
    >>> y = np.abs(X[:, 0]) + X[:, 1]
    >>> moe = MixtureOfExpertsRegressor(n_experts=2, random_state=0).fit(X, y)
    >>> gate_importance(moe, X, random_state=0).importances_mean.round(1)
    array([0.5, 0. ])
    """
    X = native(X)
    if not is_table(X):
        raise ValueError(
            f"gate_importance shuffles the columns of a table, and X is "
            f"{rows_in_words(X)}, which has none."
        )
    gate_weights = _gate_weights(model, X)
    scoring = _unmoved_weight
    if is_frame(X):
        # Row indices are shuffled instead of values, so that columns keep their dtype.
        scoring = partial(_unmoved_weight, frame=X)
        rows = np.tile(np.arange(X.shape[0])[:, np.newaxis], X.shape[1])
    else:
        rows = as_array(X, accept_sparse=False)
    return permutation_importance(
        model,
        rows,
        gate_weights,
        scoring=scoring,
        n_repeats=n_repeats,
        random_state=random_state,
        n_jobs=n_jobs,
        sample_weight=count_rows(sample_weight, X)[0],
        max_samples=max_samples,
    )


def _gate_weights(model, X):
    seen = seen_by_mixture(model, X, caller="gate_importance")
    return seen.mixture.predict_gate(seen.X)


def _unmoved_weight(model, X, gate_weights, sample_weight=None, *, frame=None):
    """Return the mean gate weight that stays with its expert.

    If a frame is given, X holds the row index of each entry.
    """
    if frame is not None:
        X = frame_of(
            [column[rows] for column, rows in zip(columns_of(frame), X.T)],
            names_of(frame),
            library_of(frame),
        )
    distance = np.abs(_gate_weights(model, X) - gate_weights).sum(axis=1) / 2
    return 1 - np.average(distance, weights=sample_weight)
