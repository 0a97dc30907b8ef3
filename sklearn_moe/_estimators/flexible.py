"""Whether an estimator can learn some rows by themselves, however light they are."""

from inspect import signature

from sklearn.base import is_classifier, is_regressor
from sklearn.ensemble import (
    BaseEnsemble,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.frozen import FrozenEstimator
from sklearn.neighbors import (
    KNeighborsClassifier,
    KNeighborsRegressor,
    RadiusNeighborsClassifier,
    RadiusNeighborsRegressor,
)
from sklearn.tree import BaseDecisionTree

from sklearn_moe._estimators.nested import (
    is_estimator,
    is_mixture,
    last_step,
    parts_of,
)

ISOLATING = (
    BaseDecisionTree,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    KNeighborsClassifier,
    KNeighborsRegressor,
    RadiusNeighborsClassifier,
    RadiusNeighborsRegressor,
)

# What `fit` of boosted trees calls the model that it goes on from: LightGBM, CatBoost,
# and XGBoost.
MODELS_TO_GO_ON_FROM = {"init_model", "xgb_model"}


def isolates_rows(estimator):
    """Return whether an estimator answers some rows apart from all others.

    A leaf of a tree and a neighbourhood hold rows of one region alone. What they answer
    is the mean of these rows, whatever their weights are beside those of other rows: a
    little weight on all rows does not hold such an expert back, it has the expert learn
    what it was not meant to. Trees, neighbours, ensembles of them, and what has one of
    them learn the target (last steps, searches, transformed targets, experts of a
    mixture) do so. A frozen estimator learns from no rows.
    """
    estimator = last_step(estimator)
    if isinstance(estimator, FrozenEstimator) or not is_estimator(estimator):
        return False
    if isinstance(estimator, ISOLATING):
        return True
    if isinstance(estimator, BaseEnsemble):
        # The default of all ensembles of this kind is a tree.
        inner = getattr(estimator, "estimator", None)
        return inner is None or isolates_rows(inner)
    if MODELS_TO_GO_ON_FROM & signature(estimator.fit).parameters.keys():
        return True
    return any(map(isolates_rows, _learners_in(estimator)))


def _learners_in(estimator):
    """Return the parts of a meta-estimator that learn the target."""
    if is_mixture(estimator):
        experts = estimator.experts
        return [e for _, e in experts] if isinstance(experts, list) else [experts]
    return [e for e in parts_of(estimator) if is_classifier(e) or is_regressor(e)]
