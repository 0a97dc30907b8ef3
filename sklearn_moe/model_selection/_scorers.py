"""Scores of the predicted distribution of a mixture."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_consistent_length
from sklearn.utils.metadata_routing import MetadataRequest

from sklearn_moe._inner_mixture import seen_by_mixture
from sklearn_moe._weights import count_rows


def log_likelihood_scorer(
    estimator: Any,
    X: Any,
    y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    subjects: ArrayLike | None = None,
    exposure: ArrayLike | None = None,
) -> float:
    """Score a mixture by the mean log density of the targets.

    This is the logarithmic score; greater is better. Unlike R2 or accuracy, it
    evaluates the whole predicted distribution, with its uncertainty.

    It is the score of the mixture itself: of transformed targets if the model
    transforms them, and of probabilities before calibration. Scores of models that
    transform the target in different ways are not comparable.

    Parameters
    ----------
    estimator : fitted estimator
        A mixture, or a model around one: see
        :func:`~sklearn_moe.inspection.fitted_mixture`.
    X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        The targets.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows. None means equal weights.
    subjects : array-like of shape (n_samples,), default=None
        Labels of the subjects of the rows, which have a joint density; required if the
        fit had them. With metadata routing they are requested, as is the exposure.
    exposure : array-like of shape (n_samples,), default=None
        Exposure of counts; required if `fit` was given it.

    Returns
    -------
    score : float
        Mean of ``score_samples(X, y)`` over the rows, also if there are subjects.

    Raises
    ------
    TypeError
        If there is no mixture in the estimator.

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
    seen = seen_by_mixture(estimator, X, y, caller="log_likelihood_scorer")
    weights, _ = count_rows(sample_weight, seen.X)
    mixture, given = seen.mixture, {"subjects": subjects, "exposure": exposure}
    mixture._check_subjects_given(subjects)
    if subjects is not None:
        weights = mixture._count_rows(seen.X, np.asarray(seen.y), sample_weight)
    log_density = mixture.score_samples(
        seen.X, seen.y, sample_weight=sample_weight, **given
    )
    return float(np.average(log_density, weights=weights))


def neg_crps_scorer(
    estimator: Any,
    X: Any,
    y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    subjects: ArrayLike | None = None,
    exposure: ArrayLike | None = None,
) -> float:
    """Score a mixture of regressors by its continuous ranked probability score (CRPS).

    The CRPS is in the units of the target. For a prediction without uncertainty it is
    the mean absolute error. Its sign is changed here, so that greater is better.

    It is the score of the mixture itself. If the model transforms targets, it is in the
    units of the transformed targets: scores of models that transform the target in
    different ways are not comparable.

    Parameters
    ----------
    estimator : fitted estimator
        A mixture of regressors, or a model around one: see
        :func:`~sklearn_moe.inspection.fitted_mixture`.
    X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        The targets.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows. None means equal weights.
    subjects : array-like of shape (n_samples,), default=None
        Labels of the subjects of the rows, as in `predict_distribution`. Each target is
        scored separately. None means that each row is a new subject. With metadata
        routing they are requested, as is the exposure.
    exposure : array-like of shape (n_samples,), default=None
        Exposure of counts; required if `fit` was given it.

    Returns
    -------
    score : float
        Minus the mean of :meth:`~sklearn_moe.MixtureDistribution.crps` over rows and
        outputs.

    Raises
    ------
    TypeError
        If there is no mixture of regressors in the estimator.

    See Also
    --------
    log_likelihood_scorer : Score that is defined for classifiers as well.

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
    seen = seen_by_mixture(estimator, X, y, caller="neg_crps_scorer")
    mixture, X, y = seen.mixture, seen.X, seen.y
    if not hasattr(mixture, "predict_distribution"):
        raise TypeError(
            "The CRPS is a score for numerical targets, but the estimator is a "
            f"{type(mixture).__name__}. Use log_likelihood_scorer."
        )
    check_consistent_length(X, y)
    mixture._targets_.check_exposure_known(exposure)
    distribution = mixture.predict_distribution(X, subjects=subjects, exposure=exposure)
    crps = distribution.crps(np.asarray(y).reshape(distribution.shape))
    weights, _ = count_rows(sample_weight, X)
    return -float(np.average(crps.T, axis=-1, weights=weights).mean())


def _requests_of(scorer):
    """Return the metadata that scorers request when metadata routing is enabled.

    They are required to score a mixture that was fitted with them.
    """
    request = MetadataRequest(owner=scorer.__name__)
    for name in ("subjects", "exposure"):
        request.score.add_request(param=name, alias=True)
    return request


for _scorer in (log_likelihood_scorer, neg_crps_scorer):
    route = partial(_requests_of, _scorer)
    _scorer.get_metadata_routing = route  # type: ignore[attr-defined]
