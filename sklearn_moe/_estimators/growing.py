"""Boosted trees that grow: each fit adds a few trees to those of the last fit."""

from collections.abc import Callable
from copy import copy, deepcopy
from dataclasses import dataclass
from functools import partial
from inspect import signature
from numbers import Integral
from operator import attrgetter

import numpy as np
from sklearn.base import clone
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.pipeline import Pipeline

from sklearn_moe._estimators.label_encoding import LabelEncodedClassifier
from sklearn_moe._estimators.nested import last_step, rows_of_last_step
from sklearn_moe._estimators.weight_routing import changes_rows
from sklearn_moe._estimators.weighted import WeightedFit
from sklearn_moe._sklearn import add_trees_within_bins

# Kinds of boosting in which added trees leave earlier trees unchanged.
ADDITIVE = {None, "gbdt", "gbtree"}


@dataclass(frozen=True)
class Growth:
    """The way in which boosted trees of some library continue from a fit.

    Attributes
    ----------
    size : str
        Name of the parameter for the number of trees.
    count : callable
        ``count(fitted)`` returns the number of fitted trees.
    argument : str, default=None
        Argument of `fit` for the model from which to continue; `size` is the number of
        additional trees then. None means that the estimator has a `warm_start`, with
        which `size` is the number of all trees.
    """

    size: str
    count: Callable
    argument: str | None = None


def growth_of(estimator):
    """Return the `Growth` of an estimator, or of the last step of a pipeline.

    It is None for estimators that cannot grow. These include boosted trees that must be
    fitted at once: GradientBoosting with early stopping, whose count of iterations
    without improvement restarts in each fit, and kinds of boosting that change earlier
    trees.
    """
    booster = last_step(estimator)
    if not hasattr(booster, "fit") or changes_rows(estimator):
        return None
    if _has_bins(booster):
        return Growth("max_iter", attrgetter("n_iter_"))
    if isinstance(booster, (GradientBoostingClassifier, GradientBoostingRegressor)):
        stops = booster.n_iter_no_change is not None
        return None if stops else Growth("n_estimators", attrgetter("n_estimators_"))
    taken = signature(booster.fit).parameters
    if "xgb_model" in taken and booster.booster in ADDITIVE:
        # Forests of XGBoost fit all trees in one round.
        boosts = booster.get_num_boosting_rounds() > 1
        growth = Growth("n_estimators", _rounds_of_xgboost, "xgb_model")
        return growth if boosts else None
    if "init_model" in taken and getattr(booster, "boosting_type", "") in ADDITIVE:
        return Growth("n_estimators", attrgetter("n_estimators_"), "init_model")
    return None


def _has_bins(booster):
    return isinstance(
        booster, (HistGradientBoostingClassifier, HistGradientBoostingRegressor)
    )


def _rounds_of_xgboost(fitted):
    return fitted.get_booster().num_boosted_rounds()


class GrowingFit(WeightedFit):
    """Fit boosted trees, or a pipeline that ends in them, a few trees at a time.

    Each fit adds trees with its own weights, until their number is that of the
    estimator's parameter. Previous fits are not modified, and each result has the
    constructor parameters of the estimator. The preceding steps of a pipeline are
    fitted only in the first fit.

    Parameters
    ----------
    estimator : estimator
        An estimator whose `growth_of` is not None.
    random_state : RandomState instance
    n_fits : int
        Number of fits after which the estimator has all trees.
    """

    def __init__(self, estimator, random_state, *, n_fits):
        super().__init__(estimator, random_state)
        self._growth = growth_of(estimator)
        booster = last_step(self.estimator)
        params = booster.get_params(deep=False)
        self._seed = params["random_state"]
        self._size = params[self._growth.size]
        if self._size is None:
            # XGBoost has a default that is not among its parameters.
            self._size = booster.get_num_boosting_rounds()
        self._sizes = growing_sizes(self._size, n_fits)
        self._n_trees = self._sizes[0]

    def goes_on_from(self, last):
        """Return whether a fit adds trees to the last one.

        It does not if the last fit is another estimator, because its rows were of one
        class.
        """
        return type(last_step(last)) is type(last_step(self.estimator))

    def grows(self, last, n_fits):
        """Return whether there are trees to add to the result of `n_fits` fits.

        There are none if early stopping of the estimator has ended a fit.
        """
        if not self.goes_on_from(last) or n_fits == len(self._sizes):
            return False
        booster = last_step(last)
        stops = getattr(booster, "do_early_stopping_", False)
        return not stops or self._growth.count(booster) == self._sizes[n_fits - 1]

    def after(self, n_fits):
        """Return a fitter that adds trees to the result of `n_fits` fits."""
        sizes = [0, *self._sizes]
        return self._of_trees(sizes[n_fits + 1] - sizes[n_fits])

    def at_once(self, n_fits):
        """Return a fitter that fits at once as many trees as `n_fits` fits."""
        return self._of_trees(self._sizes[n_fits - 1])

    def _of_trees(self, n_trees):
        other = copy(self)
        other._n_trees = n_trees
        return other

    def _fit(self, X, y, arguments, previous):
        if previous is not None:
            # The only argument, if any, is the sample weights.
            weights = next(iter(arguments.values()), None)
            return self._add_trees(previous, self.estimator, X, y, weights)
        begun = copy(self)
        begun.estimator = clone(self.estimator)
        last_step(begun.estimator).set_params(**{self._growth.size: self._n_trees})
        fitted = super(GrowingFit, begun)._fit(X, y, arguments, None)
        if self.goes_on_from(fitted):
            last_step(fitted).set_params(**{self._growth.size: self._size})
        return fitted

    def _add_trees(self, fitted, unfitted, X, y, weights):
        if isinstance(fitted, LabelEncodedClassifier):
            unfitted, codes = fitted.classifier, np.searchsorted(fitted.classes_, y)
            grown = self._add_trees(fitted.classifier_, unfitted, X, codes, weights)
            return LabelEncodedClassifier(unfitted).take(grown, fitted.classes_)
        if isinstance(fitted, Pipeline):
            X = rows_of_last_step(fitted, X)
            name, booster = fitted.steps[-1]
            booster = self._add_trees(booster, unfitted[-1], X, y, weights)
            grown = copy(fitted)
            grown.steps = [*fitted.steps[:-1], (name, booster)]
            return grown
        growth, n_before = self._growth, self._growth.count(fitted)
        if growth.argument is None:
            grown, arguments = deepcopy(fitted), {}
            size, kept = n_before + self._n_trees, {"warm_start": unfitted.warm_start}
            grown.set_params(warm_start=True)
        else:
            grown, arguments = deepcopy(unfitted), {growth.argument: fitted}
            size, kept = self._n_trees, {"random_state": self._seed}
            if isinstance(self._seed, Integral):
                # With the same seed, it would draw the same rows and columns again.
                grown.set_params(random_state=self._seed + n_before)
        grown.set_params(**{growth.size: size})
        fit = partial(add_trees_within_bins, grown) if _has_bins(grown) else grown.fit
        fit(X, y, sample_weight=weights, **arguments)
        return grown.set_params(**kept, **{growth.size: self._size})


def growing_sizes(size, n_fits):
    """Return the number of trees after each fit.

    It grows geometrically, so that few trees are fitted in the first iterations, in
    which the borders between the experts are imprecise.
    """
    sizes = np.geomspace(np.sqrt(size), size, n_fits) if n_fits > 1 else [size]
    return np.unique(np.round(sizes).astype(int)).tolist()
