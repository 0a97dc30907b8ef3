"""Which experts learn some rows apart from all others, however light these are."""

import pytest
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingRegressor,
    ExtraTreesClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
    RandomTreesEmbedding,
    StackingRegressor,
    VotingRegressor,
)
from sklearn.feature_selection import SelectFromModel
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.multioutput import MultiOutputRegressor
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, RadiusNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, SplineTransformer, StandardScaler
from sklearn.svm import SVR
from sklearn.tree import (
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    ExtraTreeRegressor,
)
from xgboost import XGBClassifier, XGBRegressor

from sklearn_moe import MixtureOfExpertsRegressor
from sklearn_moe._estimators import isolates_rows

TREE = DecisionTreeRegressor()


def name(estimator):
    return "".join(str(estimator).split())[:60]


@pytest.mark.parametrize(
    "estimator",
    [
        TREE,
        DecisionTreeClassifier(max_depth=2),
        ExtraTreeRegressor(),
        RandomForestRegressor(),
        ExtraTreesClassifier(),
        GradientBoostingRegressor(init=Ridge()),
        HistGradientBoostingRegressor(),
        LGBMRegressor(),
        LGBMClassifier(),
        XGBRegressor(),
        XGBClassifier(),
        KNeighborsClassifier(),
        RadiusNeighborsRegressor(),
        BaggingRegressor(),
        AdaBoostClassifier(),
    ],
    ids=name,
)
def test_trees_ensembles_of_them_and_neighbours_do(estimator):
    assert isolates_rows(estimator)


@pytest.mark.parametrize(
    "estimator",
    [
        Ridge(),
        LogisticRegression(),
        GaussianNB(),
        DummyRegressor(),
        SVR(),
        BaggingRegressor(Ridge()),
        AdaBoostRegressor(Ridge()),
        make_pipeline(SplineTransformer(), Ridge()),
    ],
    ids=name,
)
def test_what_weighs_all_its_rows_against_each_other_does_not(estimator):
    assert not isolates_rows(estimator)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda inner: make_pipeline(StandardScaler(), inner),
        lambda inner: make_pipeline(make_pipeline(inner)),
        TransformedTargetRegressor,
        MultiOutputRegressor,
        BaggingRegressor,
        lambda inner: GridSearchCV(inner, {}),
        lambda inner: VotingRegressor([("a", DummyRegressor()), ("b", inner)]),
        lambda inner: StackingRegressor([("a", inner)], LinearRegression()),
        lambda inner: MixtureOfExpertsRegressor(inner, 2),
        lambda inner: MixtureOfExpertsRegressor([("a", Ridge()), ("b", inner)]),
        lambda inner: make_pipeline(
            TransformedTargetRegressor(GridSearchCV(inner, {}))
        ),
    ],
)
def test_a_meta_estimator_is_what_learns_the_target_in_it(wrap):
    assert isolates_rows(wrap(TREE))
    assert not isolates_rows(wrap(Ridge()))


def test_a_calibrated_classifier_is_its_classifier():
    assert isolates_rows(CalibratedClassifierCV(DecisionTreeClassifier()))
    assert not isolates_rows(CalibratedClassifierCV())


@pytest.mark.parametrize(
    "transformer",
    [
        SelectFromModel(RandomForestRegressor()),
        RandomTreesEmbedding(),
        make_column_transformer((OneHotEncoder(), [0])),
    ],
    ids=name,
)
def test_trees_that_make_features_do_not_learn_the_target(transformer):
    assert not isolates_rows(make_pipeline(transformer, Ridge()))


def test_parts_that_were_dropped_do_not_count():
    assert not isolates_rows(VotingRegressor([("a", Ridge()), ("b", "drop")]))
    assert not isolates_rows(make_pipeline(StandardScaler(), "passthrough"))


def test_the_gate_of_a_mixture_is_no_expert_of_it():
    inner = MixtureOfExpertsRegressor(Ridge(), 2, gate=DecisionTreeClassifier())
    assert not isolates_rows(inner)
    assert not isolates_rows(MixtureOfExpertsRegressor())


def test_a_frozen_estimator_learns_no_rows():
    assert not isolates_rows(FrozenEstimator(TREE))
