"""An expert that is always zero is a point mass at zero, whatever the noise of counts.

References are those of R's pscl; see tests/data/README.rst.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import (
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    SGDRegressor,
)
from sklearn.tree import DecisionTreeRegressor

from sklearn_moe import (
    MixtureOfExpertsClassifier,
    MixtureOfExpertsRegressor,
    NegativeBinomialNoise,
    PoissonNoise,
    SoftmaxGate,
)
from sklearn_moe._rows import Block
from sklearn_moe._statistics import TargetMoments
from sklearn_moe.inspection import summary
from sklearn_moe.likelihoods import NoiseLikelihood
from sklearn_moe.model_selection import neg_crps_scorer

DATA = Path(__file__).parent / "data"
NOISES = ["poisson", "negative_binomial"]
REFERENCE = {
    "poisson": (-1604.77285321, 3233.54570642),
    "negative_binomial": (-1549.99088705, 3125.98177409),
}
PARAMETERS = {
    "poisson": (
        [0.6408380, -0.2091446, 0.1037509, -0.1433197, -0.0061661, 0.0180977],
        [-0.5770603, 0.1097472, -0.3540135, 0.2171006, 0.0012722, -0.1341135],
    ),
    "negative_binomial": (
        [0.4167466, -0.1955068, 0.0975826, -0.1517325, -0.0007001, 0.0247862],
        [-0.1916861, 0.6359326, -1.4994690, 0.6284274, -0.0377153, -0.8822933],
    ),
}
each_noise = pytest.mark.parametrize("noise", NOISES)
NEVER = DummyRegressor(strategy="constant", constant=0)


class Never(RegressorMixin, BaseEstimator):
    """Zero, for batches as well."""

    def fit(self, X, y, sample_weight=None):
        self.fitted_ = True
        return self

    partial_fit = fit

    def predict(self, X):
        return np.zeros(len(X))


def zero_inflated(noise="poisson", **params):
    counts = PoissonRegressor(alpha=0, solver="newton-cholesky", tol=1e-10)
    return MixtureOfExpertsRegressor(
        [("never", NEVER), ("some", counts)], noise=noise, **params
    )


def textbook(noise, **params):
    return zero_inflated(
        noise, gate=SoftmaxGate(alpha=0), sharing=0, tol=1e-10, max_iter=2000, **params
    )


@pytest.fixture(scope="module")
def biochemists():
    data = pd.read_csv(DATA / "biochemists.csv")
    return data.drop(columns="art"), data["art"]


@pytest.fixture(scope="module", params=NOISES)
def fitted(request, biochemists):
    return textbook(request.param).fit(*biochemists)


def rows(n=300, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2))
    y = rng.poisson(np.exp(1 + 0.5 * X[:, 1])) * (rng.uniform(size=n) < 0.7)
    return X, y


# The zero-inflated regressions of R
# ----------------------------------


def test_the_likelihood_is_that_of_zeroinfl(fitted, biochemists):
    log_likelihood, aic = REFERENCE[fitted.noise]
    assert fitted.log_likelihood_ == pytest.approx(log_likelihood, abs=1e-6)
    # A point mass has neither a rate nor a dispersion.
    assert fitted.aic(*biochemists) == pytest.approx(aic, abs=1e-5)


def test_the_standard_errors_are_those_of_zeroinfl(biochemists):
    table = summary(textbook("poisson").fit(*biochemists), *biochemists)
    # Zero has nothing that was estimated.
    assert table.index.get_level_values("part").unique().tolist() == [
        "some",
        "gate: some",
    ]
    np.testing.assert_allclose(
        table.loc["some", "std_error"],
        [
            0.121306781128,
            0.063404661916,
            0.071110942610,
            0.047429319202,
            0.031008151174,
            0.002294345406,
        ],
        rtol=1e-3,
    )
    np.testing.assert_allclose(
        table.loc["gate: some", "std_error"],
        [
            0.50938658888,
            0.28008238546,
            0.31761143185,
            0.19648182215,
            0.14526286646,
            0.04524277499,
        ],
        rtol=1e-3,
    )


def test_the_parameters_are_those_of_zeroinfl(fitted):
    counts, gate = fitted.named_experts_.some, fitted.gate_
    rate, zero = PARAMETERS[fitted.noise]
    np.testing.assert_allclose([counts.intercept_, *counts.coef_], rate, atol=5e-4)
    logit = gate.intercept_[0] - gate.intercept_[1], *(gate.coef_[0] - gate.coef_[1])
    np.testing.assert_allclose(logit, zero, atol=1e-3)
    if fitted.noise == "negative_binomial":
        assert fitted.noise_.size_[1] == pytest.approx(2.65476582, rel=1e-3)


# What is natural to write
# ------------------------


@each_noise
def test_defaults_fit_the_counts_to_rows_that_are_not_zero_for_ever(noise):
    X, y = rows()
    mixture = zero_inflated(noise, random_state=0).fit(X, y)
    assert mixture.expert_share_[0] == pytest.approx(0.3, abs=0.1)
    some = mixture.named_experts_.some
    assert some.intercept_ == pytest.approx(1, abs=0.15)
    assert np.isfinite(mixture.log_likelihood_)


def test_a_constant_makes_no_list_of_experts_unlike():
    X, y = rows()
    lines = [("never", NEVER), ("a", Ridge()), ("b", Ridge())]
    mixture = MixtureOfExpertsRegressor(lines, random_state=0).fit(X, y)
    assert not np.allclose(mixture.experts_[1].coef_, mixture.experts_[2].coef_)


def test_a_constant_class_makes_no_list_of_experts_unlike():
    X, y = rows()
    always = DummyClassifier(strategy="constant", constant=0)
    experts = [("always", always), ("a", LogisticRegression())]
    alone = LogisticRegression().fit(X, y > 0)
    mixture = MixtureOfExpertsClassifier(experts, random_state=0)
    mixture.fit(X, (y > 0).astype(int))
    assert not np.allclose(mixture.named_experts_.a.coef_, alone.coef_)


@pytest.mark.parametrize("given", [0.0, 0.2, "auto"])
def test_what_is_shared_counts_no_point_mass(given):
    X, y = rows()
    mixture = zero_inflated(sharing=given, random_state=0).fit(X, y)
    assert np.isfinite(mixture.objective_path_).all()
    assert mixture.expert_share_[0] > 0.1


@pytest.mark.parametrize("never", [FrozenEstimator(clone(NEVER).fit([[0, 0]], [0]))])
def test_a_frozen_zero_is_a_point_mass_as_well(never):
    X, y = rows()
    one, other = (
        zero_inflated(random_state=0).set_params(never=expert).fit(X, y)
        for expert in (NEVER, never)
    )
    assert one.log_likelihood_ == pytest.approx(other.log_likelihood_, rel=1e-6)


@each_noise
@pytest.mark.parametrize(
    "params",
    [
        {"assignment": "hard"},
        {"acceleration": "squarem"},
        {"cv": 3},
        {"n_init": 3},
        {"specialize": False},
        {"init": "random"},
    ],
    ids=str,
)
def test_every_kind_of_fit_knows_a_point_mass(noise, params):
    X, y = rows(150)
    mixture = zero_inflated(noise, random_state=0, tol=1e-3).set_params(**params)
    mixture.fit(X, y)
    assert mixture.noise_.floor_[0] == 0 < mixture.noise_.floor_[1]
    assert np.isfinite(mixture.score_samples(X, y)).all()


def test_a_warm_start_keeps_it():
    X, y = rows()
    mixture = zero_inflated(warm_start=True, random_state=0).fit(X, y)
    before = mixture.objective_path_.max()
    assert mixture.fit(X, y).objective_path_.max() >= before - 1e-9


def test_a_stream_knows_a_point_mass():
    line = SGDRegressor(learning_rate="constant", eta0=0.01, random_state=0)
    batches = MixtureOfExpertsRegressor(
        [("never", Never()), ("some", line)],
        noise="poisson",
        specialize=True,
        random_state=0,
    )
    for seed in range(3):
        X, y = rows(seed=seed)
        batches.partial_fit(X, y)
        assert batches.noise_.floor_[0] == 0 < batches.noise_.floor_[1]
        assert np.isfinite(batches.score_samples(X, y)).all()


def test_rows_in_many_places_tell_of_a_point_mass():
    X, y = rows(20)
    location = np.column_stack([np.zeros(20), np.ones(20)])
    moments = TargetMoments.of(y, np.ones(20))
    noise = PoissonNoise().of_experts([Never(), Ridge()])
    likelihood = NoiseLikelihood(noise, moments)
    whole, halves = Block(X, y, y, np.ones(20)), (slice(10), slice(10, 20))
    first, second = (
        likelihood.summarize(whole.take(half), location[half], np.ones((10, 2)))
        for half in halves
    )
    noise = likelihood.solve(first + second)
    assert noise.floor_[0] == 0 < noise.floor_[1]
    again = likelihood.solve(likelihood.recall(noise, np.array([5.0, 5.0])) + second)
    np.testing.assert_array_equal(again.floor_, noise.floor_)


# Its density and distribution
# ----------------------------


@each_noise
def test_a_count_is_not_explained_by_a_point_mass(noise, fitted, biochemists):
    X, y = biochemists
    responsibilities = fitted.responsibilities(X, y)
    assert np.isfinite(responsibilities).all()
    assert not responsibilities[y > 0, 0].any()
    assert responsibilities[y == 0, 0].min() > 0


def test_the_distribution_has_more_zeros(fitted, biochemists):
    X = biochemists[0][:20]
    distribution = fitted.predict_distribution(X)
    gate = fitted.predict_gate(X)
    mean = fitted.named_experts_.some.predict(X)
    if isinstance(fitted.noise_, PoissonNoise):
        some = stats.poisson(mean)
    else:
        size = fitted.noise_.size_[1]
        some = stats.nbinom(size, size / (size + mean))
    np.testing.assert_allclose(
        distribution.cdf(np.full(20, 2)), gate[:, 0] + gate[:, 1] * some.cdf(2)
    )
    np.testing.assert_allclose(
        distribution.pdf(np.zeros(20)), gate[:, 0] + gate[:, 1] * some.pmf(0)
    )
    np.testing.assert_allclose(fitted.predict(X), gate[:, 1] * mean)
    np.testing.assert_allclose(distribution.mean(), gate[:, 1] * mean)


def test_quantiles_crps_and_draws_know_it(fitted, biochemists):
    X, y = biochemists[0][:20], biochemists[1][:20]
    distribution = fitted.predict_distribution(X)
    quantiles = fitted.predict_quantiles(X, 0.5)
    counts = np.arange(60)[:, np.newaxis]
    cdf = distribution.cdf(np.broadcast_to(counts, (60, 20)))
    np.testing.assert_array_equal(quantiles, (cdf >= 0.5).argmax(axis=0))
    crps = np.sum((cdf - (counts >= y.to_numpy())) ** 2, axis=0)
    np.testing.assert_allclose(distribution.crps(y), crps, atol=1e-6)
    assert neg_crps_scorer(fitted, X, y) == pytest.approx(-crps.mean(), abs=1e-6)
    draws = fitted.sample(X, 2000, random_state=0)
    np.testing.assert_allclose(
        (draws == 0).mean(axis=1), distribution.cdf(np.zeros(20)), atol=0.05
    )


@each_noise
def test_a_point_mass_alone_is_certain(noise, fitted, biochemists):
    fitted = clone(fitted).set_params(noise=noise, combination="argmax", tol=1e-3)
    X, y = rows()
    # The gate trusts the point mass on one side.
    y = np.where(X[:, 0] > 0, 0, y)
    fitted.fit(X, y)
    X = np.array([[3.0, 0.0]])
    assert fitted.apply(X) == [0]
    distribution = fitted.predict_distribution(X)
    assert distribution.ppf(0.99) == [0]
    assert distribution.std() == [0]
    assert distribution.logpdf([0]) == [0]
    assert distribution.logpdf([1]) == [-np.inf]


def test_single_precision_is_kept():
    X, y = rows()
    mixture = zero_inflated(random_state=0).fit(X, y)
    noise, location = mixture.noise_, np.array([[0.0, 1.0]], np.float32)
    assert noise.parameters(location, None)["mu"].dtype == np.float32


# Who is no point mass
# --------------------


@each_noise
def test_an_expert_alone_is_none(noise):
    X, y = rows(50)
    mixture = MixtureOfExpertsRegressor(NEVER, n_experts=1, noise=noise).fit(X, y)
    assert np.isfinite(mixture.log_likelihood_)


def test_an_expert_that_predicts_less_than_zero_somewhere_is_none():
    X, y = rows()
    mixture = MixtureOfExpertsRegressor(Ridge(), n_experts=2, noise="poisson")
    assert (mixture.fit(X, y).noise_.floor_ > 0).all()
    assert np.isfinite(mixture.score_samples(X, y)).all()


TREES = [(name, DecisionTreeRegressor(random_state=0)) for name in ("a", "b")]


@each_noise
@pytest.mark.parametrize(
    "experts", [TREES, DummyRegressor(strategy="median")], ids=["trees", "clones"]
)
def test_what_has_learnt_that_its_rows_are_zero_is_none(noise, experts):
    X, y = rows(80)
    y = np.where(X[:, 0] > 0, 0, y)
    mixture = MixtureOfExpertsRegressor(
        experts,
        n_experts=2,
        noise=noise,
        init=(X[:, 0] > 0).astype(int),
        assignment="hard",
        tol=1e-2,
    ).fit(X, y)
    assert (mixture.noise_.floor_ > 0).all()
    assert np.isfinite(mixture.score_samples(X, y)).all()


@pytest.mark.parametrize("noise", [PoissonNoise(), NegativeBinomialNoise()], ids=str)
def test_of_several_outputs_each_may_have_its_own(noise):
    X, y = rows()
    Y = np.column_stack([y, y + 1])
    never = DummyRegressor(strategy="constant", constant=[0, 1])
    always = DummyRegressor(strategy="mean")
    mixture = MixtureOfExpertsRegressor(
        [("never", never), ("some", always)], noise=noise, specialize=True
    )
    floor = mixture.fit(X, Y).noise_.floor_
    np.testing.assert_array_equal(floor > 0, [[False, True], [True, True]])
    assert np.isfinite(mixture.log_likelihood_)
