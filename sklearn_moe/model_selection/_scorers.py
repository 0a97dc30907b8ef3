"""Scores of the predicted distribution of a mixture."""

import numpy as np
from sklearn.utils import check_consistent_length

from sklearn_moe._inner_mixture import inner_mixture
from sklearn_moe._weights import count_rows


def log_likelihood_scorer(estimator, X, y, sample_weight=None, *, exposure=None):
    """Score a mixture by the mean log density of the targets.

    This is the logarithmic score; greater is better. Unlike R2 or accuracy it judges
    the whole predicted distribution, with its uncertainty.

    Parameters
    ----------
    estimator : fitted estimator
        A mixture, a pipeline that ends in one, or a search over such.
    X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        The targets.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows. None means equal weights.
    exposure : array-like of shape (n_samples,), default=None
        Of counts; needed where `fit` was given it.

    Returns
    -------
    score : float
        Mean of ``score_samples(X, y)``.

    Raises
    ------
    TypeError
        If the estimator is not a mixture.

    See Also
    --------
    neg_crps_scorer : Score in the units of the target, less sensitive to outliers.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn_moe import MixtureOfExpertsRegressor
    >>> from sklearn_moe.model_selection import log_likelihood_scorer
    >>> X, y = load_diabetes(return_X_y=True)
    >>> search = GridSearchCV(
    ...     MixtureOfExpertsRegressor(tol=1e-3, random_state=0),
    ...     {"n_experts": [1, 3]},
    ...     scoring=log_likelihood_scorer,
    ...     cv=3,
    ... )
    >>> round(float(search.fit(X, y).best_score_), 1)
    -5.4
    """
    mixture, X = inner_mixture(estimator, X)
    weights, _ = count_rows(sample_weight, X)
    log_density = mixture.score_samples(X, y, exposure=exposure)
    return float(np.average(log_density, weights=weights))


def neg_crps_scorer(estimator, X, y, sample_weight=None, *, exposure=None):
    """Score a mixture of regressors by its continuous ranked probability score (CRPS).

    The CRPS is in the units of the target. For a prediction without uncertainty it is
    the mean absolute error. Its sign is changed here, so that greater is better.

    Parameters
    ----------
    estimator : fitted estimator
        A mixture of regressors, a pipeline that ends in one, or a search over such.
    X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        The targets.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows. None means equal weights.
    exposure : array-like of shape (n_samples,), default=None
        Of counts; needed where `fit` was given it.

    Returns
    -------
    score : float
        Minus the mean of :meth:`MixtureDistribution.crps` over rows and outputs.

    Raises
    ------
    TypeError
        If the estimator is not a mixture of regressors.

    See Also
    --------
    log_likelihood_scorer : Score that classifiers have as well.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.model_selection import cross_val_score
    >>> from sklearn_moe import MixtureOfExpertsRegressor
    >>> from sklearn_moe.model_selection import neg_crps_scorer
    >>> X, y = load_diabetes(return_X_y=True)
    >>> moe = MixtureOfExpertsRegressor(n_experts=2, tol=1e-3, random_state=0)
    >>> cross_val_score(moe, X, y, scoring=neg_crps_scorer, cv=3).round()
    array([-31., -33., -31.])
    """
    mixture, X = inner_mixture(estimator, X)
    if not hasattr(mixture, "predict_distribution"):
        raise TypeError(
            "The CRPS is a score of numbers, but the estimator is a "
            f"{type(mixture).__name__}. Use log_likelihood_scorer."
        )
    check_consistent_length(X, y)
    mixture._targets_.check_exposure_known(exposure)
    distribution = mixture.predict_distribution(X, exposure=exposure)
    crps = distribution.crps(np.asarray(y).reshape(distribution.shape))
    weights, _ = count_rows(sample_weight, X)
    return -float(np.average(crps.T, axis=-1, weights=weights).mean())
