"""Experts that request the exposure: they learn counts, and say what it does to them.

References are those of R; see tests/data/README.rst.
"""

from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import AdaBoostRegressor, VotingRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import PoissonRegressor, SGDRegressor
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sklearn_moe._sampled_start
from sklearn_moe import MixtureOfExpertsRegressor
from sklearn_moe.inspection import summary

DATA = Path(__file__).parent / "data"


class Offset(RegressorMixin, BaseEstimator):
    """Poisson regression with an offset, by iteratively reweighted least squares."""

    def fit(self, X, y, sample_weight=None, exposure=None):
        X, y = np.asarray(X, float), np.asarray(y, float)
        self.is_given_ = y, sample_weight, exposure
        exposure = np.ones(len(y)) if exposure is None else exposure
        weights = np.ones(len(y)) if sample_weight is None else sample_weight
        design = np.column_stack([np.ones(len(X)), X])
        mean = (y + exposure * np.average(y / exposure, weights=weights * exposure)) / 2
        beta = np.zeros(design.shape[1])
        for _ in range(100):
            before = beta
            working = np.log(mean / exposure) + (y - mean) / mean
            root = np.sqrt(weights * mean)
            beta = np.linalg.lstsq(root[:, None] * design, root * working)[0]
            mean = exposure * np.exp(design @ beta)
            if np.abs(beta - before).max() < 1e-10:
                break
        self.intercept_, self.coef_ = beta[0], beta[1:]
        return self

    def predict(self, X):
        return np.exp(self.intercept_ + np.asarray(X, float) @ self.coef_)


class Elastic(PoissonRegressor):
    """Poisson regression in which a count grows with some power of the exposure."""

    def fit(self, X, y, sample_weight=None, exposure=None):
        return super().fit(self._with(exposure, X), y, sample_weight)

    def predict(self, X, exposure=None):
        return super().predict(self._with(exposure, X))

    def _with(self, exposure, X):
        return np.column_stack([np.asarray(X), np.log(exposure)])


def offset():
    with sklearn.config_context(enable_metadata_routing=True):
        return Offset().set_fit_request(exposure=True)


def elastic():
    expert = Elastic(alpha=0, solver="newton-cholesky", tol=1e-10, max_iter=10_000)
    with sklearn.config_context(enable_metadata_routing=True):
        expert.set_fit_request(exposure=True).set_predict_request(exposure=True)
    return expert


def of_rates():
    return PoissonRegressor(
        alpha=0, solver="newton-cholesky", tol=1e-10, max_iter=10_000
    )


def regressor(experts=None, n_experts=2, **params):
    params = {"noise": "poisson", "sharing": 0, "random_state": 0, "tol": 1e-3} | params
    experts = offset() if experts is None else experts
    return MixtureOfExpertsRegressor(experts, n_experts=n_experts, **params)


def claims(n=200, seed=0):
    """Two regimes of rates, and exposures that differ."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2))
    exposure = 3 * np.exp(rng.normal(0, 1, n))
    return X, rng.poisson(exposure * np.exp(np.abs(X[:, 0]))), exposure


def insurance():
    data = pd.read_csv(DATA / "insurance.csv")
    return data[["District", "Group", "Age"]], data.Claims, data.Holders


def seizures():
    data = pd.read_csv(DATA / "seizure.csv")
    data["Both"] = data.Treatment * data.LogDay
    return data[["Treatment", "LogDay", "Both"]], data.Seizures, data.Hours


def assert_same(one, other, X, exposure=None, rtol=1e-4):
    np.testing.assert_allclose(one.log_likelihood_, other.log_likelihood_, rtol=rtol)
    np.testing.assert_allclose(
        one.predict(X, exposure=exposure),
        other.predict(X, exposure=exposure),
        rtol=10 * rtol,
    )


# Other people's fits
# -------------------


def test_one_expert_with_an_offset_is_that_of_glm():
    X, y, exposure = insurance()
    mixture = regressor(n_experts=1).fit(X, y, exposure=exposure)
    assert mixture.log_likelihood_ == pytest.approx(-187.174145269, abs=1e-6)
    [expert] = mixture.experts_
    np.testing.assert_allclose(
        [expert.intercept_, *expert.coef_],
        [-1.9273874229814, 0.0548805241177, 0.1971536061065, -0.1792325422476],
        rtol=1e-7,
    )
    table = summary(mixture, X, y, exposure=exposure)
    np.testing.assert_allclose(
        table["std_error"],
        [0.0847877322774, 0.0179208509589, 0.0208105719014, 0.0185398826171],
        rtol=1e-5,
    )


def test_two_experts_with_an_offset_are_those_of_flexmix():
    X, y, exposure = seizures()
    mixture = regressor(
        gate=DummyClassifier(),
        cv=None,
        init="random",
        n_init=5,
        tol=1e-8,
        max_iter=1000,
    ).fit(X, y, exposure=exposure)
    assert mixture.log_likelihood_ == pytest.approx(-376.176205123, abs=1e-4)


def test_one_expert_that_learns_a_power_of_the_exposure_is_that_of_glm():
    X, y, exposure = insurance()
    mixture = regressor(elastic(), 1).fit(X, y, exposure=exposure)
    assert mixture.log_likelihood_ == pytest.approx(-187.04137998642, abs=1e-6)
    [expert] = mixture.experts_
    np.testing.assert_allclose(
        [expert.intercept_, *expert.coef_],
        [
            -1.845674164026679,
            0.046520612396793,
            0.190699504541137,
            -0.163474746952576,
            0.984098437659402,
        ],
        rtol=1e-5,
    )


def test_two_experts_that_learn_a_power_of_the_exposure_are_those_of_flexmix():
    X, y, exposure = seizures()
    mixture = regressor(
        elastic(),
        gate=DummyClassifier(),
        cv=None,
        init="random",
        n_init=5,
        tol=1e-8,
        max_iter=1000,
    ).fit(X, y, exposure=exposure)
    assert mixture.log_likelihood_ == pytest.approx(-375.20874571153, abs=1e-4)
    powers = sorted(expert.coef_[-1] for expert in mixture.experts_)
    np.testing.assert_allclose(powers, [0.974543710802, 1.206248084707], rtol=1e-2)


# What an expert is given
# -----------------------


def test_an_expert_that_requests_the_exposure_is_given_counts_and_responsibilities():
    X, y, exposure = claims()
    weights = np.random.default_rng(1).integers(1, 4, len(y)).astype(float)
    mixture = regressor(assignment="soft", init="random", max_iter=1, tol=0)
    with pytest.warns(sklearn.exceptions.ConvergenceWarning):
        mixture.fit(X, y, sample_weight=weights, exposure=exposure)
    total = np.zeros(len(y))
    for expert in mixture.experts_:
        counts, own, shown = expert.is_given_
        np.testing.assert_array_equal(counts, y)
        np.testing.assert_array_equal(shown, exposure)
        total += own
    np.testing.assert_allclose(total, weights)


def test_one_that_does_not_request_it_is_given_rates():
    X, y, exposure = claims()
    mixture = regressor(Offset(), 1).fit(X, y, exposure=exposure)
    rates, weights, shown = mixture.experts_[0].is_given_
    np.testing.assert_allclose(rates, y / exposure)
    np.testing.assert_allclose(weights, exposure)
    assert shown is None


def test_rows_without_weight_are_left_out_of_the_exposure():
    X, y, exposure = claims()
    weights = np.arange(len(y)) % 3 != 0
    weighted = regressor().fit(X, y, sample_weight=weights, exposure=exposure)
    alone = regressor().fit(X[weights], y[weights], exposure=exposure[weights])
    assert_same(weighted, alone, X, rtol=1e-9)


def test_rates_whose_weights_are_exposures_are_counts_to_it():
    X, y, exposure = claims()
    counted = regressor().fit(X, y, exposure=exposure)
    rates = regressor().fit(X, y / exposure, sample_weight=exposure)
    assert_same(rates, counted, X)


# Every kind of fit
# -----------------


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"sharing": "auto"},
        {"assignment": "hard"},
        {"cv": 3},
        {"n_init": 2, "n_jobs": 2},
        {"specialize": False},
        {"noise": "negative_binomial"},
        {"noise": "negative_binomial", "cv": 3, "calibrate": True},
        {"n_experts": "auto", "tol": 1e-3},
    ],
    ids=str,
)
def test_an_offset_is_what_rates_with_weights_are(params):
    X, y, exposure = claims()
    with joblib.parallel_config("threading"):
        mixture = regressor(**params).fit(X, y, exposure=exposure)
        rates = regressor(of_rates(), **params).fit(X, y, exposure=exposure)
    assert len(mixture.experts_) == len(rates.experts_)
    assert_same(mixture, rates, X)


@pytest.mark.parametrize(
    "params",
    [{"cv": 3}, {"assignment": "hard"}, {"top_k": 1}],
    ids=str,
)
def test_a_power_of_the_exposure_is_learnt_in_every_kind_of_fit(params):
    X, y, exposure = claims()
    mixture = regressor(elastic(), **params).fit(X, y, exposure=exposure)
    for expert in mixture.experts_:
        assert expert.coef_[-1] == pytest.approx(1, abs=0.1)
    assert mixture.score(X, y, exposure=exposure) > 0.9


def test_experts_that_request_it_and_others_go_together():
    X, y, exposure = claims()
    experts = [("offset", offset()), ("rates", of_rates())]
    mixed = regressor(experts, specialize=True, cv=None).fit(X, y, exposure=exposure)
    experts = [("one", of_rates()), ("rates", of_rates())]
    rates = regressor(experts, specialize=True, cv=None).fit(X, y, exposure=exposure)
    assert_same(mixed, rates, X)


@pytest.mark.parametrize("make", [offset, elastic], ids=["offset", "elastic"])
def test_a_pipeline_hands_it_on(make):
    X, y, exposure = claims()
    piped = regressor(make_pipeline(StandardScaler(), make()))
    piped.fit(X, y, exposure=exposure)
    alone = regressor(make()).fit(X, y, exposure=exposure)
    assert_same(piped, alone, X, exposure)


def test_a_frozen_expert_predicts_counts():
    X, y, exposure = claims()
    fitted = elastic().fit(X, y, exposure=exposure)
    mixture = regressor([("frozen", FrozenEstimator(fitted)), ("offset", offset())])
    mixture.fit(X, y, exposure=exposure)
    np.testing.assert_allclose(
        exposure
        * mixture.transform(X)[:, 0] ** 0
        * fitted.predict(X, exposure=exposure),
        exposure * fitted.predict(X, exposure=exposure),
    )


def test_a_warm_start_goes_on():
    X, y, exposure = claims()
    mixture = regressor(elastic(), warm_start=True).fit(X, y, exposure=exposure)
    before = mixture.objective_path_.max()
    mixture.fit(X, y, exposure=exposure)
    assert mixture.objective_path_.max() >= before - 1e-9


def test_em_begins_on_a_sample_with_its_exposures(monkeypatch):
    monkeypatch.setattr(sklearn_moe._sampled_start, "MANY_ROWS", 2000)
    X, y, exposure = claims(2000)
    begun = []
    begin = sklearn_moe._base.begin_on_sample

    def watched(*arguments):
        begun.append(begin(*arguments))
        return begun[-1]

    monkeypatch.setattr(sklearn_moe._base, "begin_on_sample", watched)
    mixture = regressor(elastic(), tol=1e-4).fit(X, y, exposure=exposure)
    monkeypatch.undo()
    assert len(begun) == 1
    assert begun[0] is not None
    whole = regressor(elastic(), tol=1e-4).fit(X, y, exposure=exposure)
    assert mixture.log_likelihood_ == pytest.approx(whole.log_likelihood_, rel=1e-4)


def test_a_grid_search_hands_it_on():
    X, y, exposure = claims()
    with sklearn.config_context(enable_metadata_routing=True):
        mixture = regressor(elastic(), tol=1e-3).set_fit_request(exposure=True)
        mixture.set_score_request(exposure=True)
        search = GridSearchCV(mixture, {"experts__alpha": [0, 10]}, cv=3)
        search.fit(X, y, exposure=exposure)
        assert search.best_params_ == {"experts__alpha": 0}
        assert search.score(X, y, exposure=exposure) > 0.9


def test_a_stream_hands_it_on():
    class Scaled(SGDRegressor):
        def partial_fit(self, X, y, sample_weight=None, exposure=None):
            np.testing.assert_array_equal(y, np.round(y))
            weights = exposure if sample_weight is None else sample_weight * exposure
            return super().partial_fit(X, y / exposure, weights)

    def stream(expert):
        expert.set_params(alpha=0, learning_rate="constant", eta0=1e-3, random_state=0)
        mixture = regressor(expert)
        for seed in range(3):
            X, y, exposure = claims(seed=seed)
            mixture.partial_fit(X, y, exposure=exposure / 9)
        return mixture.predict(X)

    with sklearn.config_context(enable_metadata_routing=True):
        requesting = Scaled().set_partial_fit_request(exposure=True)
    np.testing.assert_allclose(stream(requesting), stream(SGDRegressor()), rtol=0.02)


# What is predicted
# -----------------


def test_predictions_are_of_the_exposure():
    X, y, exposure = claims()
    mixture = regressor(elastic()).fit(X, y, exposure=exposure)
    counts = np.column_stack(
        [expert.predict(X, exposure=exposure) for expert in mixture.experts_]
    )
    expected = np.sum(mixture.predict_gate(X) * counts, axis=1)
    np.testing.assert_allclose(mixture.predict(X, exposure=exposure), expected)
    distribution = mixture.predict_distribution(X, exposure=exposure)
    np.testing.assert_allclose(distribution.mean(), expected)


def test_without_an_exposure_predictions_are_those_of_one():
    X, y, exposure = claims()
    mixture = regressor(elastic()).fit(X, y, exposure=exposure)
    ones = np.ones(len(y))
    np.testing.assert_allclose(mixture.predict(X), mixture.predict(X, exposure=ones))
    np.testing.assert_allclose(
        mixture.transform(X)[:, 0], mixture.experts_[0].predict(X, exposure=ones)
    )


def test_the_expert_that_is_chosen_predicts_for_its_own_rows():
    X, y, exposure = claims()
    mixture = regressor(elastic(), combination="argmax").fit(X, y, exposure=exposure)
    counts = np.column_stack(
        [expert.predict(X, exposure=exposure) for expert in mixture.experts_]
    )
    expected = counts[np.arange(len(X)), mixture.apply(X)]
    np.testing.assert_allclose(mixture.predict(X, exposure=exposure), expected)


# What is refused
# ---------------


def test_a_regressor_that_would_take_counts_for_rates_is_refused():
    X, y, exposure = claims()
    expert = VotingRegressor([("offset", offset()), ("rates", of_rates())])
    mixture = regressor(expert)
    with pytest.raises(ValueError, match="would take counts for rates"):
        mixture.fit(X, y, exposure=exposure)
    assert not hasattr(mixture, "experts_")


def test_one_that_does_not_hand_it_on_is_refused():
    X, y, exposure = claims()
    with pytest.raises(ValueError, match=r"'fit'.*not reach AdaBoostRegressor"):
        regressor(AdaBoostRegressor(offset())).fit(X, y, exposure=exposure)


@pytest.mark.parametrize(
    "request_", [{"exposure": "time"}, {"sample_weight": "exposure"}], ids=str
)
def test_it_has_no_other_name(request_):
    X, y, exposure = claims()
    with sklearn.config_context(enable_metadata_routing=True):
        expert = Offset().set_fit_request(**request_)
    with pytest.raises(ValueError, match=r"another name.*set_fit_request\(exposure=Tr"):
        regressor(expert).fit(X, y, exposure=exposure)


def test_clones_keep_the_request():
    X, y, exposure = claims()
    mixture = clone(regressor(tol=0.1)).fit(X, y, exposure=exposure)
    assert mixture.experts_[0].is_given_[2] is not None
