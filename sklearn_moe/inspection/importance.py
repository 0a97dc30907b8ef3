"""What decides which expert is trusted."""

import numpy as np
from sklearn.inspection import permutation_importance

from sklearn_moe._mixture import check_fitted_mixture


def gate_importance(
    mixture,
    X,
    sample_weight=None,
    *,
    n_repeats=5,
    random_state=None,
    n_jobs=None,
    max_samples=1.0,
):
    r"""Permutation importance [1]_ of the columns for the gate.

    How much of the gate's weight moves from one expert to another when the values of a
    column are shuffled: the mean over the rows of the total variation distance

    .. math::
        \tfrac{1}{2} \sum_k |g_k(x_i) - g_k(\tilde{x}_i)|,

    from 0, the gate does not look at the column, to 1. It is about whom the mixture
    trusts, not about how well it predicts: for that there is
    :func:`sklearn.inspection.permutation_importance`.

    Parameters
    ----------
    mixture : MixtureOfExpertsRegressor or MixtureOfExpertsClassifier
        Fitted.
    X : {array-like, frame} of shape (n_samples, n_features)
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows. None means equal weights.
    n_repeats : int, default=5
        How often each column is shuffled.
    random_state : int, RandomState instance or None, default=None
        Of the shuffles.
    n_jobs : int, default=None
        Number of columns at the same time.
    max_samples : int or float, default=1.0
        How many of the rows, or which part of them, to draw for each repetition.

    Returns
    -------
    result : Bunch
        - `importances_mean`, `importances_std`: ndarray of shape (n_features,), over
          the repetitions;
        - `importances`: ndarray of shape (n_features, n_repeats).

    Raises
    ------
    NotFittedError
        If the mixture is not fitted.
    TypeError
        If it is none.

    See Also
    --------
    describe : By what the rows of each expert differ.

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
    check_fitted_mixture(mixture, "gate_importance")
    return permutation_importance(
        mixture,
        X,
        mixture.predict_gate(X),
        scoring=_unmoved_weight,
        n_repeats=n_repeats,
        random_state=random_state,
        n_jobs=n_jobs,
        sample_weight=sample_weight,
        max_samples=max_samples,
    )


def _unmoved_weight(mixture, X, gate_weights, sample_weight=None):
    """The part of the gate's weights that stays with its expert."""
    distance = np.abs(mixture.predict_gate(X) - gate_weights).sum(axis=1) / 2
    return 1 - np.average(distance, weights=sample_weight)
