"""Estimators that begin at the coefficients of the last fit."""

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

# Their `warm_start` says where a solver begins, which ends at the same optimum. That of
# SGD and of neural networks says more: these stop long before there is nothing left to
# learn, so that a fit which goes on is another one.
SOLVED_TO_TOLERANCE = (
    ElasticNet,
    GammaRegressor,
    HuberRegressor,
    LogisticRegression,
    PoissonRegressor,
    TweedieRegressor,
)


def begins_at_coefficients(estimator):
    """Return whether a fit may begin at the coefficients of the last one.

    Parameters
    ----------
    estimator : estimator
        Or a pipeline that ends in one.

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
    """Fit a clone of an estimator, beginning at the coefficients of the last fit.

    Parameters
    ----------
    previous : fitted estimator
        It is left as it is.
    estimator : estimator
        As it was given.
    X, y : object
    arguments : dict
        Further arguments of `fit`.

    Returns
    -------
    fitted : estimator or None
        With the parameters of `estimator`. None where the solver has not found its way
        from there.
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
            # Whatever else is wrong is so from the beginning, too.
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
    """Step of a pipeline before the last, which has coefficients of other columns.

    With other weights the steps before may make more or fewer columns.

    Parameters
    ----------
    last : estimator
        Fitted before. It forgets its coefficients if there are not as many columns.
    """

    def __init__(self, last):
        self.last = last

    def fit(self, X, y=None):
        """Look at the columns."""
        if X.shape[1] != self.last.n_features_in_:
            del self.last.coef_
        return self

    def transform(self, X):
        """Return the rows as they are."""
        return X
