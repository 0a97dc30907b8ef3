"""Shares: beta noise, and beta regression.

References are those of R's glmmTMB; see tests/data/README.rst.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import expit
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.ensemble import RandomForestRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, SGDRegressor
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_moe import (
    BetaNoise,
    BetaRegressor,
    MixtureOfExpertsRegressor,
    SoftmaxGate,
)
from sklearn_moe.model_selection import neg_crps_scorer

DATA = Path(__file__).parent / "data"
# Of glmmTMB(yield ~ batch + temp, family = beta_family()); the batches are 2 to 10.
INTERCEPT, TEMP = -4.4318408986, 0.0109668667
BATCHES = [
    -0.4051310463,
    -0.1554189880,
    -0.6680143069,
    -0.5939755703,
    -0.6875649070,
    -1.1840357265,
    -1.2318259292,
    -1.3419354770,
    -1.7277264854,
]
LOG_LIKELIHOOD, PRECISION = 84.797557961, 440.280513991


@pytest.fixture(scope="module")
def gasoline():
    data = pd.read_csv(DATA / "gasoline_yield.csv")
    batches = pd.get_dummies(data["batch"], prefix="batch", drop_first=True)
    X = pd.concat([data[["temp"]], batches], axis=1).astype(float)
    return X, data["yield"]


class Published(RegressorMixin, BaseEstimator):
    """The beta regression of R."""

    def fit(self, X, y):
        self.fitted_ = True
        return self

    def predict(self, X):
        return expit(np.asarray(X) @ np.array([TEMP, *BATCHES]) + INTERCEPT)


def shares(n=300, seed=0, precision=30):
    """Two regimes of the mean, on either side of zero."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-2, 2, (n, 2))
    mean = expit(2 * np.abs(X[:, 0]) - 1)
    return X, rng.beta(precision * mean, precision * (1 - mean))


def regressor(**params):
    return MixtureOfExpertsRegressor(
        **{"n_experts": 2, "noise": "beta", "tol": 1e-2, "random_state": 0} | params
    )


# The beta regression of R
# ------------------------


def test_a_given_regression_has_the_likelihood_and_precision_of_r(gasoline):
    X, y = gasoline
    expert = FrozenEstimator(Published().fit(X, y))
    mixture = regressor(experts=expert, n_experts=1).fit(X, y)
    assert mixture.log_likelihood_ == pytest.approx(LOG_LIKELIHOOD, abs=1e-6)
    assert mixture.noise_.precision_[0] == pytest.approx(PRECISION, rel=1e-4)


def test_the_regressor_is_that_of_r(gasoline):
    X, y = gasoline
    model = BetaRegressor(alpha=0).fit(X, y)
    assert model.intercept_ == pytest.approx(INTERCEPT, abs=1e-5)
    np.testing.assert_allclose(model.coef_, [TEMP, *BATCHES], atol=1e-5)
    assert model.precision_ == pytest.approx(PRECISION, rel=1e-4)


def test_one_expert_is_the_regression_of_r(gasoline):
    X, y = gasoline
    mixture = regressor(experts=BetaRegressor(alpha=0), n_experts=1).fit(X, y)
    assert mixture.log_likelihood_ == pytest.approx(LOG_LIKELIHOOD, abs=1e-5)
    # Eleven coefficients and the precision, as in R.
    assert mixture.n_parameters() == 12


# A mixture
# ---------


def test_two_regimes_are_found():
    X, y = shares()
    mixture = regressor(sharing=0).fit(X, y)
    assert sorted(e.coef_[0] for e in mixture.experts_) == pytest.approx(
        [-2, 2], abs=0.3
    )
    np.testing.assert_allclose(mixture.noise_.precision_, 30, rtol=0.35)
    assert all(isinstance(e, BetaRegressor) for e in mixture.experts_)


def test_the_objective_never_decreases():
    X, y = shares()
    mixture = regressor(
        experts=BetaRegressor(alpha=0),
        sharing=0,
        gate=SoftmaxGate(alpha=0.01),
        acceleration=None,
        tol=1e-7,
    ).fit(X, y)
    path = mixture.objective_path_
    assert np.diff(path).min() > -1e-7 * abs(path[-1])


def test_the_precision_maximises_the_likelihood():
    X, y = shares()
    mixture = regressor().fit(X, y)
    noise = clone(mixture.noise_)
    best = mixture.score_samples(X, y).sum()
    for factor in (0.9, 1.1):
        for name, value in mixture.noise_.fitted_parameters().items():
            setattr(noise, name, value * (factor if name == "precision_" else 1))
        density = np.exp(noise.log_prob(y, mixture.transform(X), X))
        other = np.log(np.sum(mixture.predict_gate(X) * density, axis=1)).sum()
        assert other < best


@pytest.mark.parametrize(
    "params",
    [
        {"sharing": 0.1},
        {"assignment": "hard"},
        {"cv": 3},
        {"n_init": 2},
        {"acceleration": "squarem"},
        {"experts": RandomForestRegressor(3, random_state=0)},
        {"experts": make_pipeline(StandardScaler(), BetaRegressor())},
        {"experts": LinearRegression()},
        {"experts": [("a", BetaRegressor()), ("b", BetaRegressor(alpha=1e-2))]},
    ],
    ids=str,
)
def test_every_kind_of_fit_takes_shares(params):
    X, y = shares()
    mixture = regressor(tol=1e-3).set_params(**params).fit(X, y)
    assert mixture.score(X, y) > 0.5
    assert np.isfinite(mixture.score_samples(X, y)).all()


def test_weights_are_numbers_of_rows():
    X, y = shares(100)
    weights = np.random.default_rng(0).integers(0, 3, 100)
    weighted = regressor().fit(X, y, sample_weight=weights)
    repeated = regressor().fit(np.repeat(X, weights, axis=0), np.repeat(y, weights))
    assert weighted.log_likelihood_ == pytest.approx(repeated.log_likelihood_, rel=1e-2)


def test_several_shares_have_a_precision_each():
    X, y = shares()
    Y = np.column_stack([y, 1 - y / 2])
    expert = RandomForestRegressor(3, random_state=0)
    mixture = regressor(experts=expert, tol=1e-2).fit(X, Y)
    assert mixture.noise_.precision_.shape == (2, 2)
    assert mixture.predict_interval(X[:3]).shape == (3, 2, 2)


def test_single_precision_is_enough():
    X, y = shares()
    mixture = regressor().fit(X.astype(np.float32), y.astype(np.float32))
    assert mixture.score(X, y) > 0.8


def test_a_grid_search_sets_its_experts():
    X, y = shares()
    search = GridSearchCV(regressor(tol=1e-3), {"experts__alpha": [1e-4, 100]}, cv=3)
    assert search.fit(X, y).best_params_ == {"experts__alpha": 1e-4}


def test_a_stream_is_refused_by_name():
    X, y = shares()
    with pytest.raises(ValueError, match="BetaNoise cannot be learnt from batches"):
        regressor(experts=SGDRegressor()).partial_fit(X, y)


# Degenerate shares
# -----------------


@pytest.mark.parametrize(
    "y",
    [
        np.full(100, 0.3),
        expit(np.linspace(-3, 3, 100)),
        np.clip(np.random.default_rng(0).beta(0.05, 0.05, 100), 1e-12, 1 - 1e-12),
        np.random.default_rng(0).uniform(1e-6, 2e-6, 100),
        1 - np.random.default_rng(0).uniform(1e-6, 2e-6, 100),
    ],
    ids=["constant", "exact", "at the ends", "near zero", "near one"],
)
def test_shares_of_every_kind_are_fitted(y):
    X = np.linspace(-3, 3, 100).reshape(-1, 1)
    mixture = regressor().fit(X, y)
    predicted = mixture.predict(X)
    assert np.all((predicted > 0) & (predicted < 1))
    assert predicted.mean() == pytest.approx(y.mean(), rel=0.2)
    assert np.isfinite(mixture.log_likelihood_)


@pytest.mark.parametrize("wrong", [0.0, 1.0, -0.1, 1.5])
def test_what_is_no_share_is_refused(wrong):
    X, y = shares()
    y[7] = wrong
    message = rf"BetaNoise models shares, .* but y has {wrong}\. .*\(n - 1\) \+ 0\.5"
    with pytest.raises(ValueError, match=message):
        regressor().fit(X, y)
    with pytest.raises(ValueError, match=message):
        BetaRegressor().fit(X, y)


def test_the_column_of_what_is_no_share_is_named():
    X, y = shares()
    Y = np.column_stack([y, y])
    Y[3, 1] = 1
    expert = RandomForestRegressor(3, random_state=0)
    with pytest.raises(ValueError, match=r"column 1 of y has 1\.0"):
        regressor(experts=expert).fit(X, Y)


# Its distribution
# ----------------


@pytest.fixture(scope="module")
def fitted():
    return regressor().fit(*shares())


def test_the_distribution_is_a_mixture_of_betas(fitted):
    X, y = shares(20, seed=1)
    mean, weights = fitted.transform(X), fitted.predict_gate(X)
    precision = fitted.noise_.precision_
    betas = stats.beta(mean * precision, (1 - mean) * precision)
    distribution = fitted.predict_distribution(X)
    for method in ("cdf", "sf", "pdf"):
        expected = np.sum(weights * getattr(betas, method)(y[:, np.newaxis]), axis=1)
        np.testing.assert_allclose(getattr(distribution, method)(y), expected)
    np.testing.assert_allclose(distribution.mean(), fitted.predict(X))
    np.testing.assert_allclose(distribution.cdf(distribution.ppf(0.2)), 0.2)
    lower, upper = fitted.predict_interval(X, 0.98).T
    assert np.all((lower > 0) & (lower < upper) & (upper < 1))


def test_its_crps_and_draws(fitted):
    X, y = shares(5, seed=1)
    distribution = fitted.predict_distribution(X)
    t = np.linspace(0, 1, 20_001)
    squares = (distribution.cdf(t[:, np.newaxis]) - (t[:, np.newaxis] >= y)) ** 2
    np.testing.assert_allclose(
        distribution.crps(y), np.trapezoid(squares, t, axis=0), atol=1e-4
    )
    assert neg_crps_scorer(fitted, X, y) == pytest.approx(-distribution.crps(y).mean())
    draws = fitted.sample(X, 4000, random_state=0)
    np.testing.assert_allclose(draws.mean(axis=1), distribution.mean(), atol=0.01)
    np.testing.assert_allclose(draws.std(axis=1), distribution.std(), atol=0.01)


def test_predictions_of_others_are_clipped():
    noise = BetaNoise()
    noise.floor_, noise.precision_ = np.array([1e-6]), np.array([10.0])
    np.testing.assert_allclose(
        noise.predictive(np.array([[-1.0], [0.5], [2.0]]))[:, 0], [1e-6, 0.5, 1 - 1e-6]
    )


# The regressor
# -------------


def test_weights_of_the_regressor_are_numbers_of_rows():
    X, y = shares(100)
    weights = np.random.default_rng(0).integers(0, 3, 100)
    weighted = BetaRegressor().fit(X, y, sample_weight=weights)
    repeated = BetaRegressor().fit(np.repeat(X, weights, axis=0), np.repeat(y, weights))
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, rtol=1e-5)


def test_its_penalty_is_in_the_units_of_the_columns():
    X, y = shares(100)
    free, held = (BetaRegressor(alpha=alpha).fit(X, y) for alpha in (0, 10))
    assert np.abs(held.coef_).max() < np.abs(free.coef_).max() / 5
    scaled = BetaRegressor(alpha=10 * 4).fit(2 * X, y)
    np.testing.assert_allclose(2 * scaled.coef_, held.coef_, rtol=1e-4)


def test_without_an_intercept_it_passes_through_one_half():
    X, y = shares(100)
    model = BetaRegressor(fit_intercept=False).fit(X, y)
    assert model.intercept_ == 0
    assert model.predict(np.zeros((1, 2))) == [0.5]


def test_columns_that_are_constant_or_far_from_zero_do_no_harm():
    X, y = shares(100)
    plain = BetaRegressor(alpha=0).fit(X, y)
    odd = np.column_stack([1e4 * X[:, 0] + 1e6, X[:, 1], np.ones(100)])
    model = BetaRegressor(alpha=0).fit(odd, y)
    np.testing.assert_allclose(model.predict(odd), plain.predict(X), rtol=1e-4)


def test_it_says_when_it_has_not_converged():
    X, y = shares(100)
    with pytest.warns(ConvergenceWarning, match="Increase max_iter=1"):
        BetaRegressor(max_iter=1).fit(X, y)
