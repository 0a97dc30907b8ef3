"""The noise models: what each says of a target, and how it is fitted."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import (
    LinearRegression,
    PoissonRegressor,
    QuantileRegressor,
    SGDRegressor,
)
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures
from sklearn.tree import DecisionTreeRegressor
from sklearn.utils import get_tags

from sklearn_moe import (
    GammaNoise,
    GaussianNoise,
    HeteroscedasticGaussian,
    LaplaceNoise,
    LogNormalNoise,
    MixtureOfExpertsRegressor,
    NegativeBinomialNoise,
    PoissonNoise,
    SoftmaxGate,
    StudentTNoise,
)
from sklearn_moe._statistics import Moments
from sklearn_moe.inspection import summary
from sklearn_moe.likelihoods import NOISES, Noise, Target, noise_model
from sklearn_moe.likelihoods.noise import RELATIVE_SCALE_FLOOR

DATA = Path(__file__).parent / "data"

MODELS = [
    GaussianNoise(),
    LaplaceNoise(),
    StudentTNoise(),
    StudentTNoise(df=4.0),
    PoissonNoise(),
    NegativeBinomialNoise(),
    GammaNoise(),
    LogNormalNoise(),
    HeteroscedasticGaussian(),
]
each_model = pytest.mark.parametrize("noise", MODELS, ids=repr)
# Those with one number to learn, by the name of the number.
LEARNT = {
    "scale_": [GaussianNoise(), LaplaceNoise(), StudentTNoise(), StudentTNoise(df=4.0)],
    "df_": [StudentTNoise()],
    "size_": [NegativeBinomialNoise()],
    "shape_": [GammaNoise()],
    "sigma_": [LogNormalNoise()],
}
each_learnt = pytest.mark.parametrize(
    ("name", "noise"),
    [(name, noise) for name, noises in LEARNT.items() for noise in noises],
)


def problem(n_samples=200, n_outputs=None, seed=0):
    """Rows, targets that every model can produce, predictions of two experts."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, (n_samples, 2))
    shape = (n_samples,) if n_outputs is None else (n_samples, n_outputs)
    mean = np.exp(1.5 + X[:, 0]).reshape(-1, *[1] * (len(shape) - 1))
    y = 1.0 + rng.negative_binomial(5, 5 / (5 + mean), shape)
    location = np.stack([np.broadcast_to(mean + 1, shape), np.full(shape, 4.0)], axis=1)
    weights = rng.dirichlet([1, 1], n_samples)
    return X, y, location, weights


def fitted(noise, X, y, location, weights, sample_weight=None):
    sample_weight = np.ones(len(y)) if sample_weight is None else sample_weight
    target = Target.of(Moments.of(y, sample_weight), X, y)
    model = clone(noise).fit(target, location, weights)
    return model, model.log_prob(y, location, X)


@each_model
@pytest.mark.parametrize("n_outputs", [None, 2])
def test_the_log_density_is_that_of_scipy(noise, n_outputs):
    X, y, location, weights = problem(n_outputs=n_outputs)
    model, log_prob = fitted(noise, X, y, location, weights)
    frozen = model.distribution(**model.parameters(location, X))
    log_density = frozen.logpmf if model.discrete else frozen.logpdf
    expected = log_density(np.broadcast_to(y[:, np.newaxis], location.shape))
    if n_outputs:
        expected = expected.sum(axis=2)
    np.testing.assert_allclose(log_prob, expected, rtol=1e-10)
    np.testing.assert_allclose(model.predictive(location), frozen.mean(), rtol=1e-10)


@each_learnt
def test_the_parameters_are_those_of_maximum_likelihood(name, noise):
    X, y, location, weights = problem()
    model, log_prob = fitted(noise, X, y, location, weights)
    best = np.sum(weights * log_prob, axis=0)
    for factor in (0.99, 1.01):
        other = clone(model)
        vars(other).update(model.fitted_parameters())
        setattr(other, name, getattr(model, name) * factor)
        assert np.all(np.sum(weights * other.log_prob(y, location, X), 0) < best)


@each_model
def test_a_weight_of_two_equals_the_row_twice(noise):
    X, y, location, _ = problem()
    weights = np.random.default_rng(1).integers(1, 4, (len(y), 1))
    twice = np.repeat(np.arange(len(y)), weights[:, 0])
    location = location[:, [0]]
    _, weighted = fitted(noise, X, y, location, weights, weights[:, 0])
    _, repeated = fitted(
        noise, X[twice], y[twice], location[twice], np.ones((len(twice), 1))
    )
    np.testing.assert_allclose(weighted[twice], repeated, rtol=1e-4)


@each_model
def test_an_expert_without_rows_has_a_finite_density(noise):
    X, y, location, weights = problem()
    weights[:, 1] = 0
    _, log_prob = fitted(noise, X, y, location, weights)
    assert np.isfinite(log_prob).all()


@each_model
def test_the_experts_can_be_put_in_another_order(noise):
    X, y, location, weights = problem()
    model, log_prob = fitted(noise, X, y, location, weights)
    swapped = model.take(np.array([1, 0])).log_prob(y, location[:, ::-1], X)
    np.testing.assert_allclose(swapped, log_prob[:, ::-1])


@each_model
def test_float32_stays_float32(noise):
    X, y, location, weights = problem()
    y, location = y.astype(np.float32), location.astype(np.float32)
    model, log_prob = fitted(noise, X, y, location, weights)
    assert log_prob.dtype == model.predictive(location).dtype == np.float32


@pytest.mark.parametrize("noise", [GammaNoise(), LogNormalNoise()], ids=str)
def test_a_floor_below_single_precision_is_one_in_double(noise):
    y = 1e-100 * np.arange(1.0, 11)
    target = Target.of(Moments.of(y, np.ones(10)), y=y)
    location = np.zeros((10, 1), dtype=np.float32)
    learnt = noise.fit(target, location, np.ones((10, 1)))
    assert np.isfinite(learnt.log_prob(y, location, None)).all()


@pytest.mark.parametrize("y", [-1e6, -800.0, 0.3, 800.0, 1e6])
def test_the_logarithms_of_laplace_noise_do_not_underflow(y):
    distribution = LaplaceNoise.distribution(loc=0, scale=1)
    np.testing.assert_allclose(distribution.logpdf(y), -abs(y) - np.log(2))
    near, far = np.log1p(-np.exp(-abs(y)) / 2), -abs(y) - np.log(2)
    tails = [distribution.logcdf(y), distribution.logsf(y)]
    np.testing.assert_allclose(tails, [near, far] if y > 0 else [far, near])


@pytest.mark.parametrize("unit", [1e-8, 1.0, 1e8])
@pytest.mark.parametrize("noise", [GaussianNoise(), LaplaceNoise(), StudentTNoise()])
def test_the_scale_has_a_floor_in_the_units_of_y(noise, unit):
    y = unit * np.arange(10.0)
    model, _ = fitted(noise, None, y, y[:, np.newaxis], np.ones((10, 1)))
    np.testing.assert_allclose(model.scale_, RELATIVE_SCALE_FLOOR * y.std())


@pytest.mark.parametrize(
    ("noise", "y"),
    [
        ("poisson", -1.0),
        ("poisson", 0.5),
        ("negative_binomial", -2.0),
        ("gamma", 0.0),
        ("lognormal", -0.5),
    ],
)
def test_a_target_that_the_model_cannot_produce_is_named(noise, y):
    X = np.arange(20.0).reshape(-1, 1)
    targets = np.r_[np.arange(1.0, 20), y]
    mixture = MixtureOfExpertsRegressor(n_experts=1, noise=noise)
    with pytest.raises(ValueError, match=rf"Noise models .* but y has {y}"):
        mixture.fit(X, targets)
    mixture.fit(X[:19], targets[:19])
    with pytest.raises(ValueError, match=rf"y has {y}"):
        mixture.score_samples(X, targets)


@pytest.mark.parametrize("noise", ["cauchy", GaussianNoise, None])
def test_what_is_no_noise_is_refused(noise):
    X = np.arange(20.0).reshape(-1, 1)
    with pytest.raises(ValueError, match="'noise'"):
        MixtureOfExpertsRegressor(n_experts=1, noise=noise).fit(X, X[:, 0])


@pytest.mark.parametrize("noise", ["cauchy", GaussianNoise, None])
def test_the_error_about_what_is_no_noise_says_what_there_is(noise):
    with pytest.raises(ValueError, match=r"'noise' .* 'gaussian', .*; got") as caught:
        noise_model(noise)
    assert repr(noise) in str(caught.value)


@pytest.mark.parametrize("df", [0, -1.0, np.nan, np.inf, "auto"])
def test_degrees_of_freedom_that_are_not_positive_and_finite_are_refused(df):
    X = np.arange(20.0).reshape(-1, 1)
    noise = StudentTNoise(df=df)
    with pytest.raises(ValueError, match=f"df of StudentTNoise must be .*got {df!r}"):
        MixtureOfExpertsRegressor(n_experts=1, noise=noise).fit(X, X[:, 0])


@pytest.mark.parametrize("name", NOISES)
def test_every_name_fits_a_mixture_with_the_experts_that_suit_it(name):
    X, y, _, _ = problem(100)
    if name == "beta":
        y = y / (y.max() + 1)
    mixture = MixtureOfExpertsRegressor(
        n_experts=2, noise=name, tol=1e-3, random_state=0
    ).fit(X, y)
    assert isinstance(mixture.noise_, NOISES[name])
    np.testing.assert_allclose(
        mixture.score_samples(X, y).sum(), mixture.log_likelihood_, rtol=1e-8
    )
    assert np.isfinite(mixture.predict(X)).all()
    assert np.isfinite(mixture.score_samples(X)).all()


@pytest.mark.parametrize(
    ("noise", "expert"),
    [
        (StudentTNoise(), LinearRegression()),
        (StudentTNoise(df=2.5), LinearRegression()),
        ("poisson", PoissonRegressor(alpha=0, solver="newton-cholesky", tol=1e-10)),
        ("negative_binomial", PoissonRegressor(alpha=0, solver="newton-cholesky")),
        ("lognormal", None),
        ("gamma", None),
    ],
)
@pytest.mark.parametrize("sharing", [0.0, 0.1])
def test_the_objective_never_decreases(noise, expert, sharing):
    X, y, _, _ = problem(300)
    mixture = MixtureOfExpertsRegressor(
        expert, n_experts=2, noise=noise, sharing=sharing, random_state=0
    )
    path = mixture.fit(X, y).objective_path_
    assert len(path) > 2
    assert np.diff(path).min() > -1e-3


def test_an_expert_of_negative_binomial_noise_is_that_of_maximum_likelihood():
    rng = np.random.default_rng(0)
    x = rng.uniform(-2, 2, 150)
    y = rng.negative_binomial(0.8, 0.8 / (0.8 + np.exp(1 + x)))

    def loss(parameters):
        intercept, slope, log_size = parameters
        size, mean = np.exp(log_size), np.exp(intercept + slope * x)
        return -stats.nbinom.logpmf(y, size, size / (size + mean)).sum()

    best = optimize.minimize(loss, [1.0, 1.0, 0.0])
    expert = PoissonRegressor(alpha=0, solver="newton-cholesky", tol=1e-8)
    mixture = MixtureOfExpertsRegressor(
        expert, n_experts=1, noise="negative_binomial", sharing=0, tol=1e-9
    ).fit(x.reshape(-1, 1), y)
    assert mixture.log_likelihood_ == pytest.approx(-best.fun, abs=1e-4)
    (expert,) = mixture.experts_
    found = [expert.intercept_, expert.coef_[0], np.log(mixture.noise_.size_[0])]
    np.testing.assert_allclose(found, best.x, atol=1e-3)


@pytest.mark.parametrize("noise", ["poisson", "negative_binomial", "gamma"])
def test_experts_that_predict_less_than_zero_are_held_at_the_floor(noise):
    X = np.linspace(-1, 1, 100).reshape(-1, 1)
    y = np.random.default_rng(0).poisson(np.exp(3 * X[:, 0])) + 1.0
    mixture = MixtureOfExpertsRegressor(
        LinearRegression(), n_experts=1, noise=noise, random_state=0
    ).fit(X, y)
    assert mixture.experts_[0].predict(X).min() < 0
    assert mixture.predict(X).min() > 0
    assert np.isfinite(mixture.score_samples(X, y)).all()


def test_the_parameters_of_a_noise_model_can_be_searched():
    X, y, _, _ = problem(60)
    search = GridSearchCV(
        MixtureOfExpertsRegressor(n_experts=1, noise=StudentTNoise()),
        {"noise__df": [2.0, 50.0], "noise": [StudentTNoise()]},
        cv=2,
    ).fit(X, y)
    assert search.best_estimator_.noise_.df_[0] in (2.0, 50.0)


def test_a_parameter_of_a_noise_that_is_a_name_can_be_set():
    mixture = MixtureOfExpertsRegressor(noise="student_t").set_params(noise__df=3.0)
    assert mixture.noise.df == 3.0
    mixture.set_params(noise="laplace", noise__reweight=False)
    assert isinstance(mixture.noise, LaplaceNoise)
    assert not mixture.noise.reweight


@pytest.mark.parametrize("noise", ["?", GaussianNoise, None])
def test_a_mixture_of_an_unknown_noise_can_be_drawn_asked_and_changed(noise):
    mixture = clone(MixtureOfExpertsRegressor(noise=noise))
    assert "MixtureOfExperts" in mixture._repr_html_()
    assert get_tags(mixture).estimator_type == "regressor"
    mixture.set_params(experts__alpha=2.0)
    assert mixture.get_params()["experts__alpha"] == 2.0


def test_an_error_of_the_scale_estimator_says_so():
    X, y, _, _ = problem(50)
    X[3, 0] = np.nan
    mixture = MixtureOfExpertsRegressor(
        HistGradientBoostingRegressor(max_iter=2), noise=HeteroscedasticGaussian()
    )
    with pytest.raises(ValueError, match="NaN") as caught:
        mixture.fit(X, y)
    assert "scale_estimator" in caught.value.__notes__[0]


class LogisticNoise(Noise):
    """As a user may write it: the scale from the moments."""

    distribution = stats.logistic

    def fit(self, target, location, weights):
        squares = (target.y[:, np.newaxis] - location) ** 2
        variance = np.average(squares, axis=0, weights=weights)
        self.scale_ = np.maximum(np.sqrt(3 * variance) / np.pi, target.floor)
        return self

    def parameters(self, location, X):
        return {"loc": location, "scale": self.scale_}


def test_a_noise_model_of_ones_own_is_as_good_as_any():
    X, y, _, _ = problem(100)
    mixture = MixtureOfExpertsRegressor(
        n_experts=2, noise=LogisticNoise(), tol=1e-3, random_state=0
    ).fit(X, y)
    distribution = mixture.predict_distribution(X)
    np.testing.assert_allclose(distribution.logpdf(y), mixture.score_samples(X, y))
    lower, upper = mixture.predict_interval(X, 0.8).T
    assert 0.7 < np.mean((lower <= y) & (y <= upper)) <= 1
    assert mixture.n_parameters() == 2 * (3 + 1) + 3


class Wide(GaussianNoise):
    def fit(self, target, location, weights):
        super().fit(target, location, weights)
        self.scale_ = np.full_like(self.scale_, 7)
        return self


def test_a_model_that_overrides_fit_is_fitted_by_it():
    X, y, _, _ = problem(100)
    mixture = MixtureOfExpertsRegressor(
        n_experts=2, noise=Wide(), tol=1e-3, random_state=0
    )
    np.testing.assert_array_equal(mixture.fit(X, y).noise_.scale_, 7)


# Outliers
# --------


def with_outliers():
    """Two lines, and a few targets far from both."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, 400)
    y = np.abs(x) * 3 + rng.normal(0, 0.1, 400)
    y[rng.choice(400, 20, replace=False)] = -8
    return x.reshape(-1, 1), y


def slopes(noise, X, y, expert=None):
    mixture = MixtureOfExpertsRegressor(
        expert or LinearRegression(),
        n_experts=2,
        noise=noise,
        sharing=0,
        init=(X[:, 0] > 0).astype(int),
        tol=1e-6,
        max_iter=300,
        random_state=0,
    ).fit(X, y)
    return [float(expert.coef_[0]) for expert in mixture.experts_]


def test_robust_noise_keeps_the_slopes_where_gaussian_noise_loses_them():
    X, y = with_outliers()
    for noise in ("student_t", "laplace", StudentTNoise(df=2.0)):
        np.testing.assert_allclose(slopes(noise, X, y), [-3, 3], atol=0.15)
    assert np.abs(np.subtract(slopes("gaussian", X, y), [-3, 3])).max() > 0.5


def test_experts_that_minimise_absolute_errors_are_not_reweighted():
    X, y = with_outliers()
    median = QuantileRegressor(alpha=0)
    found = slopes(LaplaceNoise(reweight=False), X, y, median)
    np.testing.assert_allclose(found, [-3, 3], atol=0.15)


def test_the_t_fit_of_the_tone_data_withstands_outliers():
    # Chamroukhi (2016), section 6.2: ten points (0, 4) are added to the data.
    tone = pd.read_csv(DATA / "tone.csv")
    clean = tone[["stretchratio"]].to_numpy(), tone["tuned"].to_numpy()
    spoilt = np.r_[clean[0], np.zeros((10, 1))], np.r_[clean[1], np.full(10, 4.0)]

    def change_of_slopes(noise):
        mixture = MixtureOfExpertsRegressor(
            LinearRegression(),
            n_experts=2,
            noise=noise,
            sharing=0,
            init="random",
            tol=1e-6,
            max_iter=500,
            warm_start=True,
            random_state=0,
        )
        before = [float(e.coef_[0]) for e in mixture.fit(*clean).experts_]
        after = [float(e.coef_[0]) for e in mixture.fit(*spoilt).experts_]
        return np.abs(np.subtract(sorted(before), sorted(after))).max()

    # The points are far from all others along both axes, so that a fit from scratch
    # gives them an expert of their own, whatever the noise. One that knows the lines
    # keeps them, with t noise.
    assert change_of_slopes("student_t") < 0.05
    assert change_of_slopes("gaussian") > 0.3


def test_the_degrees_of_freedom_are_found():
    rng = np.random.default_rng(0)
    y = 2 * rng.standard_t(3, 20_000)
    noise, _ = fitted(
        StudentTNoise(), None, y, np.zeros((len(y), 1)), np.ones((len(y), 1))
    )
    np.testing.assert_allclose(noise.df_, 3, rtol=0.1)
    np.testing.assert_allclose(noise.scale_, 2, rtol=0.05)


# A width that depends on the row
# -------------------------------


def widening(n_samples=600, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.uniform(0, 3, (n_samples, 1))
    scale = np.exp(X[:, 0] - 2)
    return X, 2 * X[:, 0] + scale * rng.standard_normal(n_samples), scale


@pytest.mark.parametrize(
    "scale_estimator",
    [
        None,
        DecisionTreeRegressor(min_samples_leaf=40),
        KNeighborsRegressor(60),
        HistGradientBoostingRegressor(max_iter=15, min_samples_leaf=40),
    ],
)
def test_the_width_of_the_noise_is_learnt(scale_estimator):
    X, y, scale = widening()
    noise = HeteroscedasticGaussian(scale_estimator)
    mixture = MixtureOfExpertsRegressor(n_experts=1, noise=noise, random_state=0)
    _, std = mixture.fit(X, y).predict(X, return_std=True)
    assert np.corrcoef(np.log(std), np.log(scale))[0, 1] > 0.9
    np.testing.assert_allclose(np.mean(((y - 2 * X[:, 0]) / std) ** 2), 1, atol=0.1)


def test_far_from_all_rows_the_width_is_none_that_was_never_seen():
    X, y, _ = widening()
    mixture = MixtureOfExpertsRegressor(
        n_experts=1, noise=HeteroscedasticGaussian(), random_state=0
    )
    far = [[-100.0], [100.0]]
    (narrow, wide), log_factor = (
        mixture.fit(X, y).predict(far, return_std=True)[1],
        mixture.noise_.log_factor_[0],
    )
    # Harvey's constant makes of a squared error what it is the mean of.
    factor = np.exp((np.euler_gamma + np.log(2) + log_factor) / 2)
    assert wide == pytest.approx(factor * np.abs(y - mixture.predict(X)).max())
    assert narrow == pytest.approx(factor * mixture.noise_.floor_[0])


def test_the_width_is_reproducible():
    X, y, _ = widening(200)
    noise = HeteroscedasticGaussian(DecisionTreeRegressor(splitter="random"))
    first, second = (
        MixtureOfExpertsRegressor(n_experts=2, noise=noise, max_iter=3, random_state=0)
        for _ in range(2)
    )
    with pytest.warns(UserWarning, match="converge"):
        first.fit(X, y)
    with pytest.warns(UserWarning, match="converge"):
        second.fit(X, y)
    np.testing.assert_array_equal(
        first.predict(X, return_std=True)[1], second.predict(X, return_std=True)[1]
    )
    assert noise.scale_estimator.random_state is None


# Published fits
# --------------


@pytest.mark.parametrize(
    ("n_experts", "init", "log_likelihood"),
    [(2, "tree", -218.4907693), (3, "random", -197.6750)],
)
def test_the_patent_data_reach_the_likelihood_of_flexmix(
    n_experts, init, log_likelihood
):
    patent = pd.read_csv(DATA / "patent.csv")
    expert = make_pipeline(
        make_column_transformer(("passthrough", ["lgRD"])),
        PoissonRegressor(alpha=0, max_iter=1000, tol=1e-7),
    )
    gate = make_pipeline(
        make_column_transformer(("passthrough", ["RDS"])), SoftmaxGate(alpha=0)
    )
    mixture = MixtureOfExpertsRegressor(
        expert,
        n_experts,
        gate=gate,
        noise="poisson",
        sharing=0,
        init=init,
        tol=1e-6,
        max_iter=500,
        random_state=3,
    ).fit(patent[["lgRD", "RDS"]], patent["Patents"])
    np.testing.assert_allclose(mixture.log_likelihood_, log_likelihood, rtol=2e-5)


# One scale for all
# -----------------


def common(**params):
    return MixtureOfExpertsRegressor(
        **{
            "n_experts": 2,
            "noise": GaussianNoise(common_scale=True),
            "random_state": 0,
        }
        | params
    )


@pytest.fixture(scope="module")
def npreg():
    data = pd.read_csv(DATA / "NPreg.csv")
    expert = make_pipeline(
        PolynomialFeatures(2, include_bias=False), LinearRegression()
    )
    mixture = common(
        experts=expert,
        gate=DummyClassifier(),
        cv=None,
        sharing=0,
        init="random",
        n_init=5,
        tol=1e-10,
        max_iter=1000,
    )
    return mixture.fit(data[["x"]], data["yn"])


def test_a_common_scale_is_that_of_the_maximum_by_mixtools(npreg):
    assert npreg.log_likelihood_ == pytest.approx(-642.532141432, abs=1e-5)
    np.testing.assert_allclose(npreg.noise_.scale_, 3.44779549403, rtol=1e-4)
    # That of flexmix, which divides by n - p.
    assert npreg.log_likelihood_ > -642.535405816


def test_a_common_scale_is_one_parameter(npreg):
    # Two parabolas, one probability and one scale, as in flexmix.
    assert npreg.n_parameters() == 3 + 3 + 1 + 1


def test_a_common_scale_is_the_mean_of_all_squares():
    X, y, _, _ = problem(200)
    mixture = common(sharing=0).fit(X, y)
    weights = mixture.responsibilities(X, y)
    squares = (y[:, np.newaxis] - mixture.transform(X)) ** 2
    variance = np.average(squares, weights=weights)
    np.testing.assert_allclose(mixture.noise_.scale_, np.sqrt(variance), rtol=1e-2)
    assert np.ptp(mixture.noise_.scale_) == 0


def test_each_output_has_a_common_scale_of_its_own():
    X, y, _, _ = problem(200)
    mixture = common().fit(X, np.column_stack([y, 10 * y]))
    first, second = mixture.noise_.scale_
    np.testing.assert_array_equal(first, second)
    assert first[1] == pytest.approx(10 * first[0])


def test_a_stream_has_a_common_scale():
    X, y, _, _ = problem(400)
    expert = SGDRegressor(eta0=0.01, learning_rate="constant", random_state=0)
    mixture = common(experts=expert)
    for rows in np.split(np.arange(400), 4):
        mixture.partial_fit(X[rows], y[rows])
        assert np.ptp(mixture.noise_.scale_) == 0


def test_the_objective_never_decreases_with_a_common_scale():
    X, y, _, _ = problem(200)
    mixture = common(
        experts=LinearRegression(), gate=SoftmaxGate(alpha=0.01), sharing=0, tol=1e-8
    ).fit(X, y)
    path = mixture.objective_path_
    assert np.diff(path).min() > -1e-8 * abs(path[-1])


def test_a_calibrated_common_scale_is_common():
    X, y, _, _ = problem(200)
    mixture = common(calibrate=True).fit(X, y)
    assert np.ptp(mixture.noise_.scale_) == 0


def test_a_common_scale_is_set_as_a_parameter():
    mixture = MixtureOfExpertsRegressor(n_experts=2).set_params(
        noise__common_scale=True
    )
    X, y, _, _ = problem(100)
    assert np.ptp(mixture.fit(X, y).noise_.scale_) == 0


def test_a_summary_of_a_common_scale_is_refused(npreg):
    data = pd.read_csv(DATA / "NPreg.csv")
    with pytest.raises(TypeError, match=r"scale for each expert.*common_scale=True"):
        summary(npreg, data[["x"]], data["yn"])


@pytest.mark.parametrize("df", [1.0, 2.5, 5.0])
def test_quantiles_of_student_t_have_the_sign_of_their_tail_at_any_level(df):
    distribution = StudentTNoise.distribution
    levels = np.logspace(-300, -1, 100)
    quantiles = distribution.ppf(levels, df)
    assert (np.diff(quantiles) > 0).all()
    assert quantiles[-1] < 0
    np.testing.assert_array_equal(distribution.isf(levels, df), -quantiles)
    moderate = levels > 1e-100
    np.testing.assert_allclose(
        distribution.cdf(quantiles[moderate], df), levels[moderate], rtol=1e-9
    )
