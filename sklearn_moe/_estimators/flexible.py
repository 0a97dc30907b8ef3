"""Recognition of estimators that fit some rows independently of all other rows."""

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

# Name of the argument of `fit` for the model from which boosting continues: in LightGBM
# and CatBoost, and in XGBoost. It identifies boosted trees.
MODELS_TO_GO_ON_FROM = {"init_model", "xgb_model"}


def isolates_rows(estimator):
    """Return whether an estimator fits some rows independently of all other rows.

    The prediction of a leaf of a tree, or of a neighbourhood, is the mean of the rows
    in one region, however small their weights are compared to those of other rows. With
    a small additional weight on all rows, such an expert is therefore not shrunk, but
    fits rows that belong to other experts. This is the case for trees, nearest
    neighbours, ensembles of these, and meta-estimators in which they learn the target
    (last steps, searches, transformed targets, experts of a mixture). It is not the
    case for a frozen estimator, which is not fitted.
    """
    estimator = last_step(estimator)
    if isinstance(estimator, FrozenEstimator) or not is_estimator(estimator):
        return False
    if isinstance(estimator, ISOLATING):
        return True
    if isinstance(estimator, BaseEnsemble):
        # The default estimator of all these ensembles is a tree.
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
