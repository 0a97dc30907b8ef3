"""Choice of a mixture: parameters counted, information criteria, scorers, K."""

import json
import sys
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from _versions import lasso_penalty
from sklearn import config_context
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import (
    Lasso,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    RidgeClassifier,
    TweedieRegressor,
)
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    cross_val_score,
    cross_validate,
)
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from sklearn.svm import SVR
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from sklearn_moe import (
    GaussianGate,
    HeteroscedasticGaussian,
    MixtureOfExpertsClassifier,
    MixtureOfExpertsRegressor,
    SoftmaxGate,
    StudentTNoise,
    count_parameters,
)
from sklearn_moe.inspection import NumberOfExpertsDisplay
from sklearn_moe.model_selection import (
    log_likelihood_scorer,
    neg_crps_scorer,
    select_n_experts,
)

DATA = Path(__file__).parent / "data"


def regression(n_samples=120, seed=0):
    """Two lines over three features, of which the first says which holds."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, (n_samples, 3))
    y = np.where(X[:, 0] > 0, 3, -3) * X[:, 1] + 0.3 * rng.normal(size=n_samples)
    return X, y


def labels(n_classes=2):
    X, y = regression()
    return X, np.digitize(y, np.quantile(y, np.linspace(0, 1, n_classes + 1)[1:-1]))


def regressor(experts=None, n_experts=2, **params):
    params = {"tol": 1e-3, "random_state": 0, **params}
    return MixtureOfExpertsRegressor(experts, n_experts, **params)


def classifier(experts=None, n_experts=2, **params):
    params = {"tol": 1e-3, "random_state": 0, **params}
    return MixtureOfExpertsClassifier(experts, n_experts, **params)


class Unknown(RegressorMixin, BaseEstimator):
    """An estimator whose parameters nobody has said how to count."""

    def fit(self, X, y, sample_weight=None):
        self.mean_ = np.average(y, weights=sample_weight)
        return self

    def predict(self, X):
        return np.full(len(X), self.mean_)


# Parameters of estimators
# ------------------------


@pytest.mark.parametrize(
    ("estimator", "n_parameters"),
    [
        (LinearRegression(), 4),
        (LinearRegression(fit_intercept=False), 3),
        (Ridge(), 4),
        (TweedieRegressor(), 4),
        (SVR(kernel="linear"), 4),
        (Lasso(alpha=10), 1),
        (DummyRegressor(), 1),
        (DummyRegressor(strategy="constant", constant=1.0), 0),
        # A tree of four leaves has three splits.
        (DecisionTreeRegressor(max_leaf_nodes=4), 7),
        (TransformedTargetRegressor(LinearRegression()), 4),
        (GridSearchCV(Ridge(), {"alpha": [1.0]}, cv=2), 4),
        (make_pipeline(StandardScaler(), Ridge()), 4),
        (make_pipeline(PolynomialFeatures(2, include_bias=False), Ridge()), 10),
    ],
    ids=str,
)
def test_the_parameters_of_a_regressor(estimator, n_parameters):
    X, y = regression()
    assert count_parameters(estimator.fit(X, y)) == n_parameters


@pytest.mark.parametrize(
    ("estimator", "n_parameters"),
    [
        (LinearRegression(), 8),
        (DecisionTreeRegressor(max_leaf_nodes=4), 11),
        (MultiOutputRegressor(Ridge()), 8),
        (DummyRegressor(), 2),
    ],
    ids=str,
)
def test_the_parameters_of_a_regressor_of_two_outputs(estimator, n_parameters):
    X, y = regression()
    assert count_parameters(estimator.fit(X, np.c_[y, X[:, 0]])) == n_parameters


@pytest.mark.parametrize(
    ("estimator", "two_classes", "three_classes"),
    [
        (LogisticRegression(), 4, 8),
        (LogisticRegression(fit_intercept=False), 3, 6),
        (lasso_penalty(C=1e-6), 1, 2),
        (LinearDiscriminantAnalysis(), 4, 8),
        # One against the rest: each class has a line of its own.
        (RidgeClassifier(), 4, 12),
        (DummyClassifier(), 1, 2),
        (DummyClassifier(strategy="uniform"), 0, 0),
        (DecisionTreeClassifier(max_leaf_nodes=4), 7, 11),
        (SoftmaxGate(), 4, 8),
        # Of a logit: constant, three linear and three quadratic terms.
        (GaussianGate(), 7, 14),
        (GaussianGate("full"), 10, 20),
    ],
    ids=str,
)
def test_the_parameters_of_a_classifier(estimator, two_classes, three_classes):
    assert count_parameters(estimator.fit(*labels(2))) == two_classes
    assert count_parameters(estimator.fit(*labels(3))) == three_classes


def test_what_is_frozen_has_no_parameters():
    frozen = FrozenEstimator(Ridge().fit(*regression()))
    assert count_parameters(frozen) == 0
    assert (
        count_parameters(make_pipeline(FrozenEstimator(StandardScaler()), frozen)) == 0
    )


def test_a_type_that_is_not_known_is_refused_with_the_remedy():
    forest = RandomForestRegressor(2).fit(*regression())
    with pytest.raises(
        TypeError,
        match=r"count the parameters of RandomForestRegressor.*"
        r"count_parameters.register\(RandomForestRegressor, function\)",
    ):
        count_parameters(forest)


def test_a_type_can_be_registered():
    class Known(Unknown):
        pass

    count_parameters.register(Known, lambda estimator: 1)
    X, y = regression()
    assert count_parameters(Known().fit(X, y)) == 1
    mixture = regressor(Known(), sharing=0).fit(X, y)
    assert mixture.n_parameters() == 2 * (1 + 1) + 4


@pytest.mark.parametrize(
    "estimator",
    [
        Ridge(),
        DecisionTreeRegressor(),
        LogisticRegression(),
        TransformedTargetRegressor(),
        make_pipeline(Ridge()),
        GridSearchCV(Ridge(), {}),
        MultiOutputRegressor(Ridge()),
        DummyClassifier(),
        DummyRegressor(),
        SoftmaxGate(),
        GaussianGate(),
        MixtureOfExpertsRegressor(),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_parameters_are_counted_of_fitted_estimators_only(estimator):
    with pytest.raises(NotFittedError):
        count_parameters(estimator)


# Parameters of mixtures
# ----------------------


@pytest.mark.parametrize(
    ("noise", "of_expert"),
    [
        ("gaussian", 1),
        ("laplace", 1),
        ("student_t", 2),
        (StudentTNoise(df=3), 1),
        # A line for the logarithm of the variance, and the factor.
        (HeteroscedasticGaussian(), 5),
        ("poisson", 0),
        ("negative_binomial", 1),
        ("gamma", 1),
        ("lognormal", 1),
    ],
    ids=str,
)
def test_the_noise_of_each_expert_is_counted(noise, of_expert):
    X, y = regression()
    y = np.round(y - y.min()) + 1
    mixture = regressor(Ridge(), noise=noise, tol=1e-2, max_iter=500).fit(X, y)
    assert mixture.n_parameters() == 2 * (4 + of_expert) + 4
    assert count_parameters(mixture) == mixture.n_parameters()


@pytest.mark.parametrize("n_experts", [1, 2, 3])
@pytest.mark.parametrize(
    ("gate", "of_class"),
    [
        (SoftmaxGate(1e-3), 4),
        (GaussianGate(), 7),
        (make_pipeline(PolynomialFeatures(2, include_bias=False), SoftmaxGate()), 10),
    ],
    ids=["softmax", "gaussian", "pipeline"],
)
def test_a_gate_has_no_parameters_for_the_first_expert(gate, of_class, n_experts):
    mixture = regressor(n_experts=n_experts, gate=gate, max_iter=500)
    mixture.fit(*regression())
    assert mixture.n_parameters() == n_experts * 5 + (n_experts - 1) * of_class


def test_a_gate_that_is_a_classifier_is_counted_as_such():
    gate = DecisionTreeClassifier(max_leaf_nodes=3, min_samples_leaf=10)
    mixture = regressor(gate=gate).fit(*regression())
    assert mixture.n_parameters() == 2 * 5 + count_parameters(mixture.gate_)


def test_frozen_experts_have_only_their_noise():
    X, y = regression()
    frozen = FrozenEstimator(Ridge().fit(X, y))
    mixture = regressor([("old", frozen), ("new", Ridge())]).fit(X, y)
    assert mixture.n_parameters() == 4 + 2 * 1 + 4


def test_a_frozen_gate_has_no_parameters():
    X, y = regression()
    gate = FrozenEstimator(SoftmaxGate().fit(X, X[:, 0] > 0))
    gate.estimator.classes_ = np.arange(2)
    assert regressor(gate=gate).fit(X, y).n_parameters() == 2 * 5


def test_retired_experts_have_no_parameters():
    X, y = regression()
    useless = FrozenEstimator(
        DummyRegressor(strategy="constant", constant=99).fit(X, y)
    )
    experts = [("good", Ridge()), ("useless", useless), ("tree", Ridge(2.0))]
    with pytest.warns(UserWarning, match="'?useless'? lost their rows"):
        mixture = regressor(experts, tol=1e-4, noise=StudentTNoise(df=3)).fit(X, y)
    assert mixture._active_.tolist() == [True, False, True]
    assert mixture.n_parameters() == 2 * (4 + 1) + 4


def test_a_mixture_in_a_mixture_is_counted_with_its_own_gate_and_noise():
    X, y = regression(300)
    inner = regressor(n_experts=2, tol=0.1)
    outer = regressor(inner, n_experts=2, tol=0.1).fit(X, y)
    of_branch = 2 * 5 + 4
    assert outer.n_parameters() == 2 * of_branch + 4
    piped = regressor(make_pipeline(StandardScaler(), inner), tol=0.1).fit(X, y)
    assert piped.n_parameters() == outer.n_parameters()


def test_several_outputs_have_a_noise_each():
    X, y = regression()
    mixture = regressor().fit(X, np.c_[y, -y])
    assert mixture.n_parameters() == 2 * (2 * 4 + 2) + 4


def test_a_mixture_of_classifiers():
    mixture = classifier().fit(*labels(3))
    assert mixture.n_parameters() == 2 * 8 + 4


def test_experts_that_vote_have_an_error_rate_each():
    X, y = labels(2)
    mixture = classifier(RidgeClassifier()).fit(X, y)
    assert mixture.n_parameters() == 2 * (4 + 1) + 4
    # Also where the votes are never wrong.
    mixture = classifier(RidgeClassifier(), n_experts=1).fit(X, X[:, 0] > 0)
    assert mixture.n_parameters() == 4 + 1


@pytest.mark.parametrize(
    ("params", "part"),
    [
        ({"experts": [("a", Unknown()), ("b", Unknown())]}, "expert 'a'"),
        ({"gate": RandomForestClassifier(5, max_depth=2)}, "the gate"),
        ({"noise": HeteroscedasticGaussian(Unknown())}, "the noise"),
    ],
    ids=["expert", "gate", "noise"],
)
def test_the_part_that_cannot_be_counted_is_named(params, part):
    mixture = regressor(tol=1e-2, **params).fit(*regression())
    with pytest.raises(TypeError, match=rf"register[\s\S]*This is about {part}"):
        mixture.n_parameters()


# Information criteria
# --------------------


def test_the_criteria_are_their_formulas():
    X, y = regression()
    mixture = regressor().fit(X, y)
    log_density = mixture.score_samples(X, y)
    n, p = len(y), mixture.n_parameters()
    deviance = -2 * log_density.sum()
    assert mixture.aic(X, y) == pytest.approx(deviance + 2 * p)
    assert mixture.bic(X, y) == pytest.approx(deviance + p * np.log(n))
    surest = mixture.responsibilities(X, y).max(axis=1)
    assert mixture.icl(X, y) == pytest.approx(
        mixture.bic(X, y) - 2 * np.log(surest).sum()
    )
    assert type(mixture.bic(X, y)) is float


@pytest.mark.parametrize("criterion", ["aic", "bic", "icl"])
@pytest.mark.parametrize(
    ("make", "data"), [(regressor, regression), (classifier, labels)]
)
def test_a_weight_of_two_equals_the_row_twice(criterion, make, data):
    X, y = data()
    weights = np.random.default_rng(1).integers(0, 3, len(y))
    twice = np.repeat(np.arange(len(y)), weights)
    evaluate = getattr(make().fit(X, y), criterion)
    assert evaluate(X, y, weights) == pytest.approx(evaluate(X[twice], y[twice]))


def test_one_expert_has_the_bic_of_a_linear_regression():
    X, y = regression()
    mixture = regressor(LinearRegression(), n_experts=1, sharing=0).fit(X, y)
    residuals = y - LinearRegression().fit(X, y).predict(X)
    n = len(y)
    expected = n * np.log(2 * np.pi * np.mean(residuals**2)) + n + 5 * np.log(n)
    assert mixture.bic(X, y) == pytest.approx(expected)
    assert mixture.icl(X, y) == pytest.approx(mixture.bic(X, y))


# As flexmix 2.3 prints them for the same data, for the best of 20 or 30 starts.
FLEXMIX = {
    "NPreg_k2": (10, 1304.1540, 1337.1372, 1373.7251),
    "CO2_k2": (8, 148.6790, 159.3366, 161.6705),
    "tone_k2": (8, -269.6765, -245.5914, -215.2093),
    "NO_k2": (8, -231.2161, -211.3974, -205.8932),
}


@pytest.mark.parametrize("name", FLEXMIX)
def test_the_criteria_of_gaussian_mixtures_are_near_those_of_flexmix(name):
    case = json.loads((DATA / "reference.json").read_text())[name]
    data = pd.read_csv(DATA / case["data"])
    X, y = data[[case["gate_features"]]], data[case["target"]]
    degree = 2 if "x2" in case["expert_features"] else 1
    expert = make_pipeline(
        PolynomialFeatures(degree, include_bias=False), LinearRegression()
    )
    mixture = regressor(
        expert,
        gate=SoftmaxGate(alpha=0),
        sharing=0,
        init="random",
        n_init=2,
        tol=1e-7,
        max_iter=1000,
    ).fit(X, y)
    n_parameters, aic, bic, icl = FLEXMIX[name]
    assert mixture.n_parameters() == n_parameters
    # flexmix divides the variance by n - p, so that its likelihood is a little less.
    assert aic - 0.1 < mixture.aic(X, y) <= aic
    assert bic - 0.1 < mixture.bic(X, y) <= bic
    assert mixture.icl(X, y) == pytest.approx(icl, abs=0.7)


def test_the_criteria_of_the_patent_data_are_those_of_flexmix():
    patent = pd.read_csv(DATA / "patent.csv")
    expert = make_pipeline(
        make_column_transformer(("passthrough", ["lgRD"])),
        PoissonRegressor(alpha=0, max_iter=1000, tol=1e-9),
    )
    gate = make_pipeline(
        make_column_transformer(("passthrough", ["RDS"])), SoftmaxGate(alpha=0)
    )
    mixture = regressor(
        expert, gate=gate, noise="poisson", sharing=0, tol=1e-9, max_iter=2000
    ).fit(patent[["lgRD", "RDS"]], patent["Patents"])
    data = patent[["lgRD", "RDS"]], patent["Patents"]
    assert mixture.n_parameters() == 6
    assert mixture.aic(*data) == pytest.approx(448.9815386, abs=1e-3)
    assert mixture.bic(*data) == pytest.approx(462.4725101, abs=1e-3)
    # The optimum is no stationary point of the ICL: it changes in the third decimal
    # when EM goes on from where flexmix stops.
    assert mixture.icl(*data) == pytest.approx(473.5475272, abs=1e-2)


# Scorers
# -------


@pytest.mark.parametrize(
    ("make", "data"), [(regressor, regression), (classifier, labels)]
)
def test_the_log_likelihood_scorer_is_the_mean_log_density(make, data):
    X, y = data()
    mixture = make().fit(X, y)
    score = log_likelihood_scorer(mixture, X, y)
    assert score == pytest.approx(mixture.score_samples(X, y).mean())


def test_the_log_likelihood_scorer_of_classes_is_minus_the_log_loss():
    X, y = labels(3)
    scores = cross_validate(
        classifier(),
        X,
        y,
        scoring={"ours": log_likelihood_scorer, "theirs": "neg_log_loss"},
    )
    np.testing.assert_allclose(scores["test_ours"], scores["test_theirs"])


def test_the_crps_scorer_is_minus_the_mean_crps():
    X, y = regression()
    mixture = regressor().fit(X, y)
    crps = mixture.predict_distribution(X).crps(y)
    assert neg_crps_scorer(mixture, X, y) == pytest.approx(-crps.mean())
    assert neg_crps_scorer(mixture, X, y[:, np.newaxis]) == pytest.approx(-crps.mean())
    assert neg_crps_scorer(mixture, X, pd.Series(y)) == pytest.approx(-crps.mean())


def test_the_crps_of_several_outputs_is_their_mean():
    X, y = regression()
    y = np.c_[y, X[:, 2]]
    mixture = regressor().fit(X, y)
    weights = np.arange(len(y))
    crps = mixture.predict_distribution(X).crps(y)
    expected = -np.average(crps, axis=0, weights=weights).mean()
    assert neg_crps_scorer(mixture, X, y, weights) == pytest.approx(expected)


@pytest.mark.parametrize("scorer", [log_likelihood_scorer, neg_crps_scorer])
def test_a_scorer_prefers_the_mixture_that_is_right(scorer):
    X, y = regression(200)
    search = GridSearchCV(regressor(), {"n_experts": [1, 2]}, scoring=scorer, cv=3)
    assert search.fit(X, y).best_params_ == {"n_experts": 2}


@pytest.mark.parametrize("scorer", [log_likelihood_scorer, neg_crps_scorer])
def test_a_scorer_weighs_the_rows(scorer):
    X, y = regression()
    mixture = regressor().fit(X, y)
    weights = np.random.default_rng(1).integers(0, 3, len(y))
    twice = np.repeat(np.arange(len(y)), weights)
    assert scorer(mixture, X, y, sample_weight=weights) == pytest.approx(
        scorer(mixture, X[twice], y[twice])
    )


@pytest.mark.parametrize("scorer", [log_likelihood_scorer, neg_crps_scorer])
def test_a_scorer_looks_for_the_mixture_in_pipelines_and_searches(scorer):
    X, y = regression()
    pipeline = make_pipeline(StandardScaler(), regressor()).fit(X, y)
    expected = scorer(pipeline[-1], pipeline[0].transform(X), y)
    assert scorer(pipeline, X, y) == expected
    assert scorer(FrozenEstimator(pipeline), X, y) == expected
    search = GridSearchCV(pipeline, {}, scoring=scorer, cv=2).fit(X, y)
    assert scorer(search, X, y) == pytest.approx(expected)


@pytest.mark.parametrize("scorer", [log_likelihood_scorer, neg_crps_scorer])
def test_a_scorer_works_where_metadata_routing_is_enabled(scorer):
    X, y = regression()
    plain = cross_val_score(regressor(), X, y, scoring=scorer, cv=2)
    with config_context(enable_metadata_routing=True):
        routed = cross_val_score(regressor(), X, y, scoring=scorer, cv=2)
    np.testing.assert_array_equal(plain, routed)


@pytest.mark.parametrize("scorer", [log_likelihood_scorer, neg_crps_scorer])
@pytest.mark.parametrize("estimator", [Ridge(), make_pipeline(Ridge())])
def test_what_is_no_mixture_has_no_score(scorer, estimator):
    X, y = regression()
    with pytest.raises(TypeError, match=r"needs a mixture of experts.*got .*Ridge"):
        scorer(estimator.fit(X, y), X, y)


def test_classes_have_no_crps():
    X, y = labels()
    with pytest.raises(TypeError, match="Use log_likelihood_scorer"):
        neg_crps_scorer(classifier().fit(X, y), X, y)


# Number of experts
# -----------------


@pytest.fixture(scope="module")
def results():
    X, y = regression(200)
    return select_n_experts(
        regressor(sharing=0, max_iter=500), X, y, [1, 2, 3], cv=3, random_state=0
    )


def test_the_results_have_a_row_for_each_number(results):
    assert results.index.name == "n_experts"
    assert results.index.tolist() == [1, 2, 3]
    assert results.columns.tolist() == [
        "log_likelihood",
        "n_parameters",
        "aic",
        "bic",
        "icl",
        "cv_log_likelihood",
        "cv_standard_error",
    ]
    assert not results.isna().any(axis=None)


@pytest.mark.parametrize("criterion", ["bic", "icl"])
def test_the_criteria_find_the_true_number(results, criterion):
    assert results[criterion].idxmin() == 2


def test_cross_validation_sees_that_one_expert_is_too_few(results):
    best = results["cv_log_likelihood"].max()
    error = results["cv_standard_error"].max()
    assert best - results.loc[1, "cv_log_likelihood"] > 3 * error > 0


def test_a_row_of_the_results_is_that_of_a_fit_by_hand(results):
    X, y = regression(200)
    mixture = regressor(sharing=0, max_iter=500).fit(X, y)
    row = results.loc[2]
    assert row["log_likelihood"] == pytest.approx(mixture.log_likelihood_)
    assert row["n_parameters"] == mixture.n_parameters()
    for criterion in ("aic", "bic", "icl"):
        assert row[criterion] == pytest.approx(getattr(mixture, criterion)(X, y))


def test_the_folds_can_be_given():
    X, y = regression()
    cv = KFold(4)
    scores = cross_val_score(regressor(), X, y, scoring=log_likelihood_scorer, cv=cv)
    for given in (cv, list(cv.split(X))):
        row = select_n_experts(regressor(), X, y, [2], cv=given).loc[2]
        assert row["cv_log_likelihood"] == pytest.approx(scores.mean())
        expected = scores.std(ddof=1) / np.sqrt(4)
        assert row["cv_standard_error"] == pytest.approx(expected)


def test_folds_are_shuffled_and_those_of_classes_stratified():
    # In order of the classes: else a fold would hold out all rows of one.
    X, y = labels(3)
    order = np.argsort(y, kind="stable")
    results = select_n_experts(
        classifier(), X[order], y[order], [1], cv=3, random_state=0
    )
    assert results.loc[1, "cv_log_likelihood"] > np.log(1 / 3)
    with pytest.warns(UserWarning, match="least populated class"):
        select_n_experts(classifier(), X[:40], y[:40] == 2, [1], cv=30)


def test_without_folds_there_are_no_columns_of_cross_validation():
    results = select_n_experts(regressor(), *regression(), [1, 2], cv=None)
    assert list(results) == ["log_likelihood", "n_parameters", "aic", "bic", "icl"]


def test_the_same_seed_gives_the_same_results_for_any_number_of_jobs():
    X, y = regression()
    mixture = regressor(DecisionTreeRegressor(max_depth=2, splitter="random"))
    mixture.set_params(random_state=None, max_iter=500)
    first = select_n_experts(mixture, X, y, [1, 2], cv=2, random_state=3)
    with joblib.parallel_backend("threading"):
        second = select_n_experts(mixture, X, y, [1, 2], cv=2, n_jobs=2, random_state=3)
    pd.testing.assert_frame_equal(first, second)


def test_weights_take_part_in_fits_and_scores():
    X, y = regression(80)
    weights = np.random.default_rng(1).integers(1, 3, len(y))
    twice = np.repeat(np.arange(len(y)), weights)
    pipeline = make_pipeline(StandardScaler(), regressor(sharing=0, max_iter=500))

    def halves(rows):
        first = rows < 40
        yield np.flatnonzero(first), np.flatnonzero(~first)
        yield np.flatnonzero(~first), np.flatnonzero(first)

    weighted = select_n_experts(
        pipeline, X, y, [1, 2], cv=halves(np.arange(80)), sample_weight=weights
    )
    repeated = select_n_experts(pipeline, X[twice], y[twice], [1, 2], cv=halves(twice))
    pd.testing.assert_frame_equal(weighted, repeated, rtol=1e-4)


def test_a_frame_reaches_a_pipeline_as_it_is():
    X, y = regression()
    frame = pd.DataFrame(X, columns=["side", "slope", "other"])
    select = make_column_transformer(("passthrough", ["side", "slope"]))
    pipeline = make_pipeline(select, regressor())
    results = select_n_experts(pipeline, frame, pd.Series(y), [2], cv=2)
    assert results.loc[2, "n_parameters"] == 2 * 4 + 3


def test_where_parameters_cannot_be_counted_one_warning_names_the_part():
    X, y = regression()
    with pytest.warns(UserWarning, match="Unknown.*expert 'expert0'") as record:
        results = select_n_experts(regressor(Unknown()), X, y, [1, 2], cv=2)
    assert len(record) == 1
    missing = results[["n_parameters", "aic", "bic", "icl"]]
    assert missing.isna().all(axis=None)
    rest = results[["log_likelihood", "cv_log_likelihood", "cv_standard_error"]]
    assert np.isfinite(rest).all(axis=None)


def test_the_estimator_is_not_changed():
    mixture = regressor(n_experts=4)
    select_n_experts(mixture, *regression(), [1], cv=None)
    assert mixture.n_experts == 4
    assert not hasattr(mixture, "experts_")


@pytest.mark.parametrize(
    ("estimator", "numbers", "error", "message"),
    [
        (Ridge(), [1], TypeError, r"needs a mixture of experts.*got Ridge"),
        (regressor([("a", Ridge())]), [1], ValueError, r"given as 'experts', 1"),
        (regressor(), [], ValueError, "'n_experts' is empty"),
        (regressor(), [0], ValueError, "'n_experts' parameter"),
        (regressor(), 3, TypeError, "n_experts must be a list .*; got 3"),
        (regressor(), None, TypeError, "n_experts must be a list .*; got None"),
        (regressor(), "bic", TypeError, "n_experts must be a list .*; got 'bic'"),
    ],
)
def test_what_has_no_number_to_choose_is_refused(estimator, numbers, error, message):
    with pytest.raises(error, match=message):
        select_n_experts(estimator, *regression(), numbers)


# That it is not needed to import the package is seen to by test_layers.py.
def test_what_is_optional_is_asked_for_only_when_it_is_needed(monkeypatch):
    for name in ("matplotlib", "pandas"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match="select_n_experts requires pandas"):
        select_n_experts(MixtureOfExpertsRegressor(), [[0.0]], [0.0])
    with pytest.raises(
        ImportError, match=r"NumberOfExpertsDisplay\.plot requires matplotlib"
    ):
        NumberOfExpertsDisplay.from_results(None)


# The plot
# --------


@pytest.fixture
def pyplot():
    pyplot = pytest.importorskip("matplotlib.pyplot")
    yield pyplot
    pyplot.close("all")


def test_the_plot_shows_the_cross_validated_log_likelihood(results, pyplot):
    display = NumberOfExpertsDisplay.from_results(results)
    [line] = display.lines_
    np.testing.assert_array_equal(line.get_xdata(), [1, 2, 3])
    np.testing.assert_array_equal(line.get_ydata(), results["cv_log_likelihood"])
    assert display.best_ == {"cv_log_likelihood": results["cv_log_likelihood"].idxmax()}
    assert "Cross-validated" in display.ax_.get_ylabel()
    assert display.figure_ is display.ax_.figure


@pytest.mark.parametrize("criteria", [["aic", "bic", "icl"], ["bic"], "icl"])
def test_the_plot_shows_information_criteria(results, pyplot, criteria):
    _, ax = pyplot.subplots()
    display = NumberOfExpertsDisplay.from_results(
        results, ax=ax, criteria=criteria, line_kw={"linestyle": "--"}
    )
    assert display.ax_ is ax
    names = [criteria] if isinstance(criteria, str) else criteria
    assert [line.get_label() for line in display.lines_] == [n.upper() for n in names]
    for name, line in zip(names, display.lines_):
        np.testing.assert_array_equal(line.get_ydata(), results[name])
        assert line.get_linestyle() == "--"
        assert display.best_[name] == results[name].idxmin()
    assert ax.get_ylabel() == "Information criterion (less is better)"


def test_the_plot_of_an_estimator_is_that_of_its_results(pyplot):
    X, y = regression()
    display = NumberOfExpertsDisplay.from_estimator(regressor(), X, y, [1, 2], cv=None)
    expected = select_n_experts(regressor(), X, y, [1, 2], cv=None)
    pd.testing.assert_frame_equal(display.results, expected)
    assert list(display.best_) == ["aic", "bic", "icl"]


@pytest.mark.parametrize(
    ("criteria", "message"),
    [
        ("r2", "'criteria' must be .*got .'r2'"),
        ([], "'criteria' must be"),
        (["bic", "cv_log_likelihood"], "'criteria' must be"),
        ("cv_log_likelihood", "no 'cv_log_likelihood' to draw"),
        ("bic", "no 'bic' to draw"),
    ],
)
def test_criteria_that_cannot_be_drawn_are_refused(results, pyplot, criteria, message):
    bare = results[["log_likelihood", "bic"]].assign(bic=np.nan)
    with pytest.raises(ValueError, match=message):
        NumberOfExpertsDisplay.from_results(bare, criteria=criteria)
