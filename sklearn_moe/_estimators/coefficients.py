"""Warm starts of linear estimators from the coefficients of the last fit."""

import warnings
from copy import deepcopy

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import (
    ElasticNet,
    GammaRegressor,
    HuberRegressor,
    LogisticRegression,
    PoissonRegressor,
    TweedieRegressor,
)
from sklearn.pipeline import Pipeline

from sklearn_moe._estimators.nested import last_step
from sklearn_moe._estimators.weight_routing import copy_requests
from sklearn_moe._fit_warnings import held_back

# Estimators whose solver reaches the same optimum with and without `warm_start`. This
# is different for SGD and neural networks, which stop long before the optimum, so that
# a warm start changes the result.
SOLVED_TO_TOLERANCE = (
    ElasticNet,
    GammaRegressor,
    HuberRegressor,
    LogisticRegression,
    PoissonRegressor,
    TweedieRegressor,
)


def begins_at_coefficients(estimator):
    """Return whether a fit may start from the coefficients of the last fit.

    Parameters
    ----------
    estimator : estimator
        The estimator, or a pipeline that ends in it.

    Returns
    -------
    begins : bool
    """
    if isinstance(estimator, Pipeline) and estimator.memory is not None:
        return False
    last = last_step(estimator)
    if not isinstance(last, SOLVED_TO_TOLERANCE):
        return False
    params = last.get_params(deep=False)
    return "warm_start" in params and params.get("solver") != "liblinear"


def fit_from_coefficients(previous, estimator, X, y, arguments):
    """Fit a clone of an estimator, starting from the coefficients of the last fit.

    Parameters
    ----------
    previous : fitted estimator
        The last fit. It is not modified.
    estimator : estimator
        The unfitted estimator.
    X, y : object
    arguments : dict
        Further arguments of `fit`.

    Returns
    -------
    fitted : estimator or None
        It has the constructor parameters of `estimator`. None if the solver has not
        converged from these coefficients, or if these belong to other classes.
    """
    last = deepcopy(last_step(previous)).set_params(warm_start=True)
    copy_requests(last_step(estimator), last)
    if hasattr(last, "classes_") and not np.array_equal(last.classes_, np.unique(y)):
        return None
    fitted = last
    if isinstance(estimator, Pipeline):
        fitted = clone(estimator)
        guard = "columns of the last fit", SameColumns(last)
        fitted.steps[-1:] = [guard, (fitted.steps[-1][0], last)]
    with held_back() as warned:
        try:
            fitted.fit(X, y, **arguments)
        except ValueError:
            # Any other error will be raised by a fit without warm start as well.
            return None
    failed = any(issubclass(category, ConvergenceWarning) for category, _ in warned)
    if failed and np.max(last.n_iter_) < last.max_iter:
        return None
    for (category, _), text in warned.items():
        warnings.warn(text, category, stacklevel=2)
    last.set_params(warm_start=last_step(estimator).warm_start)
    if fitted is not last:
        del fitted.steps[-2]
    return fitted


class SameColumns(TransformerMixin, BaseEstimator):
    """Step before the last one of a pipeline, which compares the number of columns.

    With other weights, the preceding steps may return more or fewer columns.

    Parameters
    ----------
    last : estimator
        The last step, with the coefficients of its last fit. These are deleted if the
        number of columns differs.
    """

    def __init__(self, last):
        self.last = last

    def fit(self, X, y=None):
        """Delete the coefficients if the number of columns differs."""
        if X.shape[1] != self.last.n_features_in_:
            del self.last.coef_
        return self

    def transform(self, X):
        """Return the rows unchanged."""
        return X
