"""Every classifier and every regressor of scikit-learn is an expert."""

import inspect
import warnings

import lightgbm
import numpy as np
import pytest
import sklearn
import xgboost
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cross_decomposition import CCA, PLSCanonical
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import (
    ElasticNetCV,
    LassoCV,
    LogisticRegression,
    LogisticRegressionCV,
    MultiTaskElasticNetCV,
    MultiTaskLassoCV,
    RANSACRegressor,
    Ridge,
    TheilSenRegressor,
)
from sklearn.model_selection import TunedThresholdClassifierCV
from sklearn.naive_bayes import CategoricalNB, GaussianNB
from sklearn.neighbors import (
    RadiusNeighborsClassifier,
    RadiusNeighborsRegressor,
)
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.semi_supervised import SelfTrainingClassifier
from sklearn.svm import NuSVC
from sklearn.tree import DecisionTreeRegressor
from sklearn.utils import all_estimators, get_tags

from sklearn_moe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor
from sklearn_moe._estimators import WeightedFit

# What a few cannot do without, or take long without.
ARGUMENTS = {
    AdaBoostClassifier: {"n_estimators": 3},
    AdaBoostRegressor: {"n_estimators": 3},
    BaggingClassifier: {"n_estimators": 3},
    BaggingRegressor: {"n_estimators": 3},
    CalibratedClassifierCV: {"cv": 2},
    ElasticNetCV: {"alphas": [0.01, 0.1], "cv": 3},
    ExtraTreesClassifier: {"n_estimators": 3},
    ExtraTreesRegressor: {"n_estimators": 3},
    GradientBoostingClassifier: {"n_estimators": 3},
    GradientBoostingRegressor: {"n_estimators": 3},
    HistGradientBoostingClassifier: {"max_iter": 3},
    HistGradientBoostingRegressor: {"max_iter": 3},
    # Folds hold out rows beyond all others.
    IsotonicRegression: {"out_of_bounds": "clip"},
    LassoCV: {"alphas": [0.01, 0.1], "cv": 3},
    LogisticRegressionCV: {"Cs": [0.1, 1], "cv": 3},
    MLPClassifier: {"max_iter": 10},
    MLPRegressor: {"max_iter": 10},
    MultiTaskElasticNetCV: {"alphas": [0.01, 0.1], "cv": 3},
    MultiTaskLassoCV: {"alphas": [0.01, 0.1], "cv": 3},
    # An expert that has hardly any rows of a class needs a small nu.
    NuSVC: {"nu": 0.001},
    # The same rows need not span all directions.
    QuadraticDiscriminantAnalysis: {"reg_param": 0.1},
    RANSACRegressor: {"max_trials": 5},
    RadiusNeighborsClassifier: {"radius": 10},
    RadiusNeighborsRegressor: {"radius": 10},
    RandomForestClassifier: {"n_estimators": 3},
    RandomForestRegressor: {"n_estimators": 3},
    SelfTrainingClassifier: {"estimator": LogisticRegression()},
    StackingClassifier: {
        "estimators": [("logistic", LogisticRegression()), ("bayes", GaussianNB())],
        "cv": 2,
    },
    StackingRegressor: {
        "estimators": [("ridge", Ridge()), ("tree", DecisionTreeRegressor())],
        "cv": 2,
    },
    TheilSenRegressor: {"max_subpopulation": 100},
    TunedThresholdClassifierCV: {
        "estimator": LogisticRegression(),
        "cv": 2,
        "thresholds": 3,
    },
    VotingClassifier: {
        "estimators": [("logistic", LogisticRegression()), ("bayes", GaussianNB())]
    },
    VotingRegressor: {
        "estimators": [("ridge", Ridge()), ("tree", DecisionTreeRegressor())]
    },
}

# They want several targets for each row, which is no task of a mixture of classifiers.
REFUSE_ONE_LABEL_FOR_EACH_ROW = {"ClassifierChain", "MultiOutputClassifier"}

CLASSIFIERS = dict(all_estimators("classifier"))
REGRESSORS = dict(all_estimators("regressor"))
TAKEN = sorted(CLASSIFIERS.keys() - REFUSE_ONE_LABEL_FOR_EACH_ROW)
IN_AND_OUT_OF_SAMPLE = pytest.mark.parametrize("cv", [None, 3])
EVERY_WAY = pytest.mark.parametrize(
    ("cv", "routing"),
    [(None, False), (3, False), (None, True)],
    ids=["in-sample", "out-of-fold", "metadata routing"],
)


def make(estimator_class):
    """An estimator of which nothing is set but what it needs."""
    with warnings.catch_warnings():
        # One that goes soon is still one of scikit-learn's.
        warnings.simplefilter("ignore", FutureWarning)
        if estimator_class in ARGUMENTS:
            return estimator_class(**ARGUMENTS[estimator_class])
        first = next(iter(inspect.signature(estimator_class).parameters.values()), None)
        if first is None or first.default is not first.empty:
            return estimator_class()
        is_classifier = estimator_class.__name__ in CLASSIFIERS
        return estimator_class(LogisticRegression() if is_classifier else Ridge())


def positive_features(n_samples=90):
    return np.random.default_rng(0).uniform(0, 2, (n_samples, 3))


def regression(regressor):
    """Positive numbers; two for each row where the regressor wants several."""
    X = positive_features()
    noise = np.random.default_rng(1).uniform(0, 0.2, len(X))
    y = np.where(X[:, 0] > 1, 3 * X[:, 1] + 1, 5 - 2 * X[:, 1]) + noise
    if isinstance(regressor, IsotonicRegression):
        X = X[:, :1]
    several = isinstance(regressor, (CCA, PLSCanonical))
    if several or not get_tags(regressor).target_tags.single_output:
        y = np.column_stack([y, 1 + X[:, 2]])
    return X, y


def classification(classifier):
    """Four classes, of which two and two change places; two where no more may be."""
    X = positive_features()
    noise = np.random.default_rng(1).uniform(-0.2, 0.2, len(X))
    y = (X[:, 0] > 1) ^ (X[:, 1] + noise > 1) + 2 * (X[:, 2] > 1.4)
    if isinstance(classifier, CategoricalNB):
        X = X.round().astype(int)
    if not get_tags(classifier).classifier_tags.multi_class:
        y = y > 0
    return X, y.astype(int)


def fit(mixture, X, y):
    """Fit; the experts may warn of so few rows and rounds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return mixture.fit(X, y)


def fit_two(Mixture, expert, X, y, cv):
    return fit(Mixture(expert, 2, cv=cv, max_iter=2, random_state=0), X, y)


def assert_classifies(mixture, X, y):
    n_classes = len(np.unique(y))
    probabilities = mixture.predict_proba(X)
    assert probabilities.shape == (len(X), n_classes)
    assert (probabilities >= 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)
    assert mixture.predict(X).shape == y.shape
    assert set(mixture.predict(X)) <= set(y)
    assert mixture.transform(X).shape == (len(X), 2 * n_classes)
    assert_density(mixture, X, y)


def assert_predicts(mixture, X, y):
    assert mixture.predict(X).shape == y.shape
    assert np.isfinite(mixture.predict(X)).all()
    assert mixture.transform(X).shape == (len(X), 2 * y[0].size)
    assert_density(mixture, X, y)


def assert_density(mixture, X, y):
    log_density = mixture.score_samples(X, y)
    assert np.isfinite(log_density).all()
    if mixture.cv is None:
        np.testing.assert_allclose(
            log_density.sum(), mixture.log_likelihood_, rtol=1e-5, atol=1e-8
        )


@EVERY_WAY
@pytest.mark.parametrize("name", TAKEN)
def test_every_classifier_is_an_expert(name, cv, routing):
    classifier = make(CLASSIFIERS[name])
    X, y = classification(classifier)
    with sklearn.config_context(enable_metadata_routing=routing):
        mixture = fit_two(MixtureOfExpertsClassifier, classifier, X, y, cv)
    assert [type(expert) for expert in mixture.experts_] == [type(classifier)] * 2
    assert_classifies(mixture, X, y)


@EVERY_WAY
@pytest.mark.parametrize("name", REGRESSORS)
def test_every_regressor_is_an_expert(name, cv, routing):
    regressor = make(REGRESSORS[name])
    X, y = regression(regressor)
    with sklearn.config_context(enable_metadata_routing=routing):
        mixture = fit_two(MixtureOfExpertsRegressor, regressor, X, y, cv)
    assert [type(expert) for expert in mixture.experts_] == [type(regressor)] * 2
    assert_predicts(mixture, X, y)


@pytest.mark.parametrize("name", sorted(REFUSE_ONE_LABEL_FOR_EACH_ROW))
def test_only_what_refuses_the_data_itself_is_left_out(name):
    classifier = make(CLASSIFIERS[name])
    with pytest.raises((ValueError, IndexError)):
        classifier.fit(*classification(classifier))
    assert not get_tags(classifier).target_tags.single_output


def test_no_estimator_is_forgotten(capsys):
    n_classifiers, n_regressors = len(TAKEN), len(REGRESSORS)
    refused = sorted(REFUSE_ONE_LABEL_FOR_EACH_ROW)
    with capsys.disabled():
        print(
            f"\nscikit-learn {sklearn.__version__}: {n_classifiers} classifiers and "
            f"{n_regressors} regressors are experts; {', '.join(refused)} refuse one "
            "label for each row."
        )
    listed = len(all_estimators(["classifier", "regressor"]))
    assert n_classifiers + n_regressors + len(refused) == listed


# Experts of other families
# -------------------------

OTHERS = {
    "LightGBM": (
        lightgbm.LGBMClassifier(
            n_estimators=5, min_child_samples=5, n_jobs=1, verbose=-1
        ),
        lightgbm.LGBMRegressor(
            n_estimators=5, min_child_samples=5, n_jobs=1, verbose=-1
        ),
    ),
    "XGBoost": (
        xgboost.XGBClassifier(n_estimators=5, n_jobs=1),
        xgboost.XGBRegressor(n_estimators=5, n_jobs=1),
    ),
}


@IN_AND_OUT_OF_SAMPLE
@pytest.mark.parametrize("library", OTHERS)
def test_boosted_trees_of_other_libraries_are_experts(library, cv):
    classifier, regressor = OTHERS[library]
    X, y = classification(classifier)
    mixture = fit_two(MixtureOfExpertsClassifier, classifier, X, y, cv)
    assert_classifies(mixture, X, y)
    X, y = regression(regressor)
    mixture = fit_two(MixtureOfExpertsRegressor, regressor, X, y, cv)
    assert_predicts(mixture, X, y)
    assert [type(expert) for expert in mixture.experts_] == [type(regressor)] * 2


@pytest.mark.parametrize("library", OTHERS)
def test_boosted_trees_of_other_libraries_get_weights_and_seeds(library):
    _, regressor = OTHERS[library]
    X, y = regression(regressor)
    fitted = WeightedFit(regressor, np.random.RandomState(0))
    assert fitted.weighting == "direct"
    assert isinstance(fitted.estimator.random_state, int)
    one_side = np.where(X[:, 0] > 1, 1.0, 0.0)
    expert = fitted.fit(X, y, one_side)
    alone = clone(fitted.estimator).fit(X[X[:, 0] > 1], y[X[:, 0] > 1])
    np.testing.assert_allclose(expert.predict(X), alone.predict(X), rtol=1e-6)
