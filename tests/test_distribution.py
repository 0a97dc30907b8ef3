"""The distribution of a target under a mixture."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, optimize, special, stats
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_moe import (
    HeteroscedasticGaussian,
    MixtureDistribution,
    MixtureOfExpertsRegressor,
    StudentTNoise,
)
from sklearn_moe._distribution import Components
from sklearn_moe.likelihoods import NOISES


def gaussians(weights, means, scales):
    """Mixtures of gaussians, one for each row."""
    parameters = {"loc": np.atleast_2d(means), "scale": np.atleast_2d(scales)}
    return MixtureDistribution(
        np.atleast_2d(weights), (Components(stats.norm, parameters),)
    )


def two_regimes(n_samples=150, n_outputs=None, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.uniform(-2, 2, (n_samples, 1))
    y = np.abs(X[:, 0]) + 0.2 * rng.standard_normal(n_samples) + 1.5
    return X, y if n_outputs is None else np.column_stack([y, 3 - y**2])


def targets(noise):
    _, y = two_regimes()
    if noise == "beta":
        return special.expit(y - 2.5)
    return np.round(y) if noise in ("poisson", "negative_binomial") else y


def fit(noise="gaussian", **parameters):
    X, _ = two_regimes()
    mixture = MixtureOfExpertsRegressor(
        n_experts=2, noise=noise, tol=1e-3, random_state=0, **parameters
    )
    return mixture.fit(X, targets(noise))


mixtures = st.integers(1, 4).flatmap(
    lambda n: st.tuples(
        st.lists(st.floats(1e-6, 1), min_size=n, max_size=n),
        st.lists(st.floats(-50, 50), min_size=n, max_size=n),
        st.lists(st.floats(1e-3, 20), min_size=n, max_size=n),
    )
)


# Quantiles
# ---------


@given(
    mixture=mixtures,
    q=st.one_of(st.floats(1e-6, 1 - 1e-6), st.sampled_from([1e-300, 1e-30, 1e-12])),
)
@settings(max_examples=150)
def test_the_probability_of_less_than_a_quantile_is_its_level(mixture, q):
    weights, means, scales = map(np.array, mixture)
    weights = weights / weights.sum()
    distribution = gaussians(weights, means, scales)
    [y] = distribution.ppf(q)
    log_cdf = special.logsumexp(np.log(weights) + stats.norm.logcdf(y, means, scales))
    log_pdf = special.logsumexp(np.log(weights) + stats.norm.logpdf(y, means, scales))
    # How far off the quantile is, to first order.
    error = abs(log_cdf - np.log(q)) / np.exp(log_pdf - log_cdf)
    assert error <= 1e-8 * max(abs(y), scales.min())


@pytest.mark.parametrize("q", [1e-14, 0.2, 0.5, 1 - 1e-12])
def test_quantiles_equal_those_of_a_slow_root_finder(q):
    weights, means, scales = [0.5, 0.2, 0.3], [-1000.0, 0.0, 3.0], [1.0, 1e-3, 2.0]
    [ours] = gaussians(weights, means, scales).ppf(q)

    def excess(y):
        if q <= 0.5:
            return np.dot(weights, stats.norm.cdf(y, means, scales)) - q
        return 1 - q - np.dot(weights, stats.norm.sf(y, means, scales))

    theirs = optimize.brentq(excess, -2000, 100, xtol=1e-13, rtol=1e-15)
    # Between the modes the distribution is flat: many numbers are right.
    assert ours == pytest.approx(theirs, rel=1e-8) or excess(ours) == 0


def test_a_quantile_between_far_modes_is_found():
    [y] = gaussians([0.5, 0.5], [-1e6, 1e6], [1.0, 1.0]).ppf(0.25)
    np.testing.assert_allclose(y, -1e6, rtol=1e-14)


def test_quantiles_of_levels_zero_and_one_are_the_ends_of_the_support():
    distribution = gaussians([0.5, 0.5], [0.0, 1.0], [1.0, 1.0])
    np.testing.assert_array_equal(distribution.ppf([0, 1]), [[-np.inf, np.inf]])


def test_a_component_without_weight_does_not_count():
    distribution = gaussians([1.0, 0.0], [0.0, 1e9], [1.0, 1e-9])
    np.testing.assert_allclose(
        distribution.ppf([0.1, 0.9]), stats.norm.ppf([[0.1, 0.9]])
    )
    np.testing.assert_allclose([distribution.mean(), distribution.std()], [[0], [1]])


@pytest.mark.parametrize("noise", ["poisson", "negative_binomial"])
def test_a_quantile_of_counts_is_the_least_count_of_enough_probability(noise):
    mixture = fit(noise)
    X, _ = two_regimes()
    distribution = mixture.predict_distribution(X)
    for q in (1e-9, 0.1, 0.5, 0.9, 1 - 1e-9):
        count = distribution.ppf(q)
        np.testing.assert_array_equal(count, np.round(count))
        assert np.all(distribution.cdf(count) >= q * (1 - 1e-12))
        assert np.all(distribution.cdf(count - 1) < q)


def mixture_of(weights, family, **parameters):
    """A mixture for one row."""
    parameters = {name: np.array([value]) for name, value in parameters.items()}
    return MixtureDistribution(np.array([weights]), (Components(family, parameters),))


def assert_inverse(distribution, q):
    """The level lies between the probabilities of the neighbours of its quantile."""
    [y] = distribution.ppf(q)
    around = distribution.cdf(np.nextafter(y, [[-np.inf], [np.inf]]))[:, 0]
    assert around[0] - 1e-9 <= q <= around[1] + 1e-9


FAR_APART = [
    mixture_of([0.5, 0.5], stats.norm, loc=[0.0, 1e16], scale=[1.0, 1.0]),
    mixture_of([0.3, 0.3, 0.4], stats.norm, loc=[0, -1e16, 1e16], scale=[1.0] * 3),
    mixture_of([0.5, 0.5], stats.norm, loc=[0.0, 0.0], scale=[1e-8, 1e8]),
    mixture_of([0.5, 0.5], stats.norm, loc=[3.0, 1e8], scale=[1e-8, 1e-8]),
    mixture_of([1.0, 1e-300], stats.norm, loc=[0.0, 1e9], scale=[1.0, 1.0]),
    mixture_of([0.2, 0.8], stats.laplace, loc=[0.0, 1e16], scale=[1e-5, 1e5]),
    mixture_of([0.4, 0.6], stats.t, df=[0.2, 200], loc=[0.0, 1e6], scale=[1.0, 2.0]),
    mixture_of([0.5, 0.5], stats.lognorm, s=[1.0, 60.0], scale=[1.0, 1e10]),
    mixture_of([0.5, 0.5], stats.gamma, a=[0.01, 100], scale=[1.0, 1e-5]),
]


@pytest.mark.parametrize("distribution", FAR_APART)
def test_quantiles_are_as_precise_as_numbers_are_however_far_the_experts(distribution):
    levels = [1e-10, 0.01, 0.3, 0.7, 0.99]
    for q in levels:
        assert_inverse(distribution, q)
    assert np.all(np.diff(distribution.ppf(levels)) >= 0)


@given(
    means=st.lists(st.floats(-1e16, 1e16), min_size=3, max_size=3),
    scales=st.lists(st.floats(-8, 8), min_size=3, max_size=3),
    q=st.floats(1e-9, 1 - 1e-9),
)
@settings(max_examples=30)
def test_quantiles_are_precise_whatever_the_size_of_the_experts(means, scales, q):
    scales = 10 ** np.array(scales)
    assert_inverse(gaussians([0.2, 0.3, 0.5], means, scales), q)


def counting(family, name):
    """The family, and a list of how many points each call of a method is about."""
    points = []

    class Counting(type(family)):
        pass

    def method(self, x, *shapes):
        points.append(x.size)
        return getattr(super(Counting, self), name)(x, *shapes)

    setattr(Counting, name, method)
    return Counting(name=family.name, a=family.a), points


@pytest.mark.parametrize("q", [1e-6, 0.05, 0.5])
@pytest.mark.parametrize(
    ("family", "distance", "parameters"),
    [
        (stats.norm, "loc", {"scale": 0.3}),
        (stats.t, "loc", {"df": 5.0, "scale": 0.3}),
        (stats.lognorm, "scale", {"s": 0.1}),
        (stats.gamma, "scale", {"a": 145.0}),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_the_search_for_a_quantile_ends_where_it_has_arrived(
    family, distance, parameters, q
):
    rng = np.random.default_rng(0)
    shape, (family, points) = (200, 3), counting(family, "_logpdf")
    where = 3 * rng.standard_normal(shape)
    where = np.exp(where) if distance == "scale" else where
    parameters = {name: np.full(shape, value) for name, value in parameters.items()}
    distribution = MixtureDistribution(
        rng.dirichlet([0.3] * 3, 200),
        (Components(family, {distance: where, **parameters}),),
    )
    y = distribution.ppf(q)
    np.testing.assert_allclose(distribution.cdf(y), q, rtol=1e-11)
    # On average a row is looked at a few times, and none again and again.
    assert len(points) <= 25
    assert sum(points) <= 9 * where.size


def test_the_search_for_a_quantile_of_counts_begins_near_it():
    rng = np.random.default_rng(0)
    family, points = counting(stats.poisson, "_cdf")
    weights = np.array([[1 - 1e-9, 1e-9]] * 200)
    means = np.column_stack([rng.uniform(1, 1e4, 200), np.full(200, 1e12)])
    distribution = MixtureDistribution(weights, (Components(family, {"mu": means}),))
    count = distribution.ppf(0.9)
    np.testing.assert_array_equal(count, stats.poisson.ppf(0.9, means[:, 0]))
    assert sum(points) <= 5 * means.size


def test_a_quantile_near_that_of_the_likeliest_expert_is_not_another():
    # Most of the weight lies far above, and the level just below what is left.
    [y] = gaussians([0.05, 0.95], [0.0, 1e6], [1.0, 1.0]).ppf(0.05 - 1e-9)
    np.testing.assert_allclose(y, stats.norm.isf(2e-8), rtol=1e-6)


COUNTS = [
    mixture_of([1.0], stats.poisson, mu=[1e-9]),
    mixture_of([0.5, 0.5], stats.poisson, mu=[1e18, 1e3]),
    mixture_of([1.0], stats.poisson, mu=[1e9]),
    mixture_of([0.5, 0.5], stats.nbinom, n=[5.0, 1e-3], p=[5e-18, 1e-15]),
    mixture_of([0.9, 0.1], stats.nbinom, n=[1e6, 2.0], p=[1e-3, 0.9]),
]


@pytest.mark.parametrize("distribution", COUNTS)
@pytest.mark.parametrize("q", [1e-12, 0.3, 0.5, 0.99])
def test_quantiles_of_counts_of_any_size_are_found(distribution, q):
    count = distribution.ppf(q)
    assert distribution.cdf(count) >= q * (1 - 1e-12)
    if count > 0:
        fewer = np.minimum(count - 1, np.nextafter(count, -np.inf))
        assert distribution.cdf(fewer) < q


def test_quantiles_of_counts_are_between_zero_and_infinity():
    distribution = mixture_of([1.0], stats.poisson, mu=[3.0])
    np.testing.assert_array_equal(distribution.ppf([0, 1]), [[0, np.inf]])


@pytest.mark.parametrize("mean", [0.0, 1e-300])
def test_counts_that_are_all_zero_are_certain(mean):
    distribution = mixture_of([1.0], stats.nbinom, n=[1e6], p=[1e6 / (1e6 + mean)])
    np.testing.assert_array_equal(distribution.ppf([0.1, 0.999]), [[0, 0]])
    np.testing.assert_array_equal(distribution.crps([2]), [2])


@pytest.mark.parametrize("q", [[], -0.1, 1.1, np.nan, [[0.5]], "median", [0.5, None]])
def test_levels_that_are_none_are_refused(q):
    distribution = gaussians([1.0], [0.0], [1.0])
    with pytest.raises(ValueError, match="a number between 0 and 1"):
        distribution.ppf(q)


@pytest.mark.parametrize("coverage", [-0.1, 90, "all", None])
def test_a_coverage_that_is_none_is_refused(coverage):
    mixture = fit()
    with pytest.raises(ValueError, match="coverage must be a number between 0 and 1"):
        mixture.predict_interval([[0.0]], coverage)


@pytest.mark.parametrize("n_samples", [0, -1, 2.5, None])
def test_a_number_of_draws_that_is_none_is_refused(n_samples):
    with pytest.raises(ValueError, match="n_samples must be a whole number above 0"):
        fit().sample([[0.0]], n_samples)


@pytest.mark.parametrize("method", ["pdf", "logpdf", "cdf", "sf", "crps"])
def test_targets_of_another_number_of_rows_are_refused(method):
    distribution = fit().predict_distribution([[0.0], [1.0], [2.0]])
    with pytest.raises(ValueError, match=r"shape \(3,\); got the shape \(2,\)"):
        getattr(distribution, method)([0.0, 1.0])


# What the families have in common
# --------------------------------


@pytest.fixture(scope="module", params=[*NOISES, HeteroscedasticGaussian()], ids=str)
def distribution(request):
    X, _ = two_regimes(5)
    mixture = fit(request.param)
    return mixture.predict_distribution(X)


def test_the_density_is_the_derivative_of_the_probability(distribution):
    y = distribution.ppf([0.1, 0.5, 0.9]).T
    if distribution.discrete:
        np.testing.assert_allclose(
            distribution.pdf(y), distribution.cdf(y) - distribution.cdf(y - 1)
        )
    else:
        step = 1e-5 * distribution.scales.min()
        slope = (distribution.cdf(y + step) - distribution.cdf(y - step)) / (2 * step)
        np.testing.assert_allclose(distribution.pdf(y), slope, rtol=1e-3)
    np.testing.assert_allclose(distribution.cdf(y) + distribution.sf(y), 1)


def test_an_interval_holds_its_coverage(distribution):
    lower, upper = distribution.interval(0.8).T
    held = distribution.cdf(upper) - distribution.cdf(
        lower - 1 if distribution.discrete else lower
    )
    if distribution.discrete:
        assert np.all(held >= 0.8 - 1e-12)
    else:
        np.testing.assert_allclose(held, 0.8, rtol=1e-10)
        np.testing.assert_allclose(distribution.cdf(lower), 0.1, rtol=1e-10)


def test_draws_have_the_moments_of_the_distribution(distribution):
    draws = distribution.sample(20_000, random_state=0)
    error = np.maximum(distribution.std(), 1e-3) / np.sqrt(20_000)
    spread = np.abs(draws.mean(axis=0) - distribution.mean()) / error
    assert spread.max() < 6
    levels = (draws <= distribution.ppf(0.7)).mean(axis=0)
    np.testing.assert_allclose(
        levels, distribution.cdf(distribution.ppf(0.7)), atol=0.02
    )


def test_the_crps_is_the_integral_of_its_definition(distribution):
    y = distribution.ppf(0.8) + 1

    def squares(t, row):
        return (distribution[[row]].cdf(t)[0] - (t >= y[row])) ** 2

    for row, ours in enumerate(distribution.crps(y)):
        if distribution.discrete:
            expected = sum(squares(t, row) for t in np.arange(0, 400.0))
        else:
            ends = [*distribution[[row]].ppf([1e-9, 0.5])[0], y[row]]
            ends.append(float(distribution[[row]].interval(1 - 2e-9)[0, 1]))
            expected = sum(
                integrate.quad(squares, a, b, args=(row,), limit=200)[0]
                for a, b in zip(sorted(ends), sorted(ends)[1:])
            )
        np.testing.assert_allclose(ours, expected, rtol=1e-4)


# Numbers
# -------


def test_the_crps_of_gaussians_equals_the_closed_form():
    # Grimit, Gneiting, Berrocal and Johnson (2006), equations 4 and 5.
    rng = np.random.default_rng(0)
    weights, means = rng.dirichlet(np.ones(3), 20), rng.normal(0, 3, (20, 3))
    scales, y = rng.uniform(0.1, 2, (20, 3)), rng.normal(0, 3, 20)

    def expected_distance(mean, scale):
        z = mean / scale
        return 2 * scale * stats.norm.pdf(z) + mean * (2 * stats.norm.cdf(z) - 1)

    pairs = expected_distance(
        means[:, :, None] - means[:, None],
        np.sqrt(scales[:, :, None] ** 2 + scales[:, None] ** 2),
    )
    closed = np.sum(weights * expected_distance(y[:, None] - means, scales), axis=1)
    closed -= 0.5 * np.einsum("ni,nj,nij->n", weights, weights, pairs)
    ours = gaussians(weights, means, scales).crps(y)
    np.testing.assert_allclose(ours, closed, rtol=1e-6)


@pytest.mark.parametrize(
    ("distribution", "largest"),
    [
        (mixture_of([0.5, 0.5], stats.poisson, mu=[0.1, 3.0]), 60),
        (mixture_of([0.3, 0.7], stats.poisson, mu=[1e5, 3.0]), 110_000),
        (mixture_of([0.3, 0.7], stats.nbinom, n=[0.5, 5], p=[1e-4, 0.05]), 300_000),
        (mixture_of([1.0], stats.nbinom, n=[0.01], p=[1e-4]), 300_000),
    ],
)
def test_the_crps_of_counts_is_a_sum_over_all_counts(distribution, largest):
    t = np.arange(largest)[:, np.newaxis]
    cdf = distribution.cdf(t)
    for y in (0, 4, largest // 4, largest // 2):
        expected = np.sum((cdf - (t >= y)) ** 2)
        assert distribution.crps([y]) == pytest.approx(
            expected, abs=1e-7 * distribution.std().item()
        )
    # Between whole numbers, and below zero, it goes on in straight lines.
    assert distribution.crps([2.5]) == pytest.approx(
        (distribution.crps([2]) + distribution.crps([3])) / 2
    )
    assert distribution.crps([-1.5]) == pytest.approx(distribution.crps([0]) + 1.5)


def test_the_crps_of_huge_counts_is_that_of_a_gaussian():
    counts = mixture_of([1.0], stats.poisson, mu=[1e12])
    gaussian = gaussians([1.0], [1e12], [1e6])
    np.testing.assert_allclose(
        counts.crps([1e12 + 5e5]), gaussian.crps([1e12 + 5e5]), rtol=1e-5
    )


# What has no mean, or no variance
# --------------------------------


@pytest.mark.parametrize("df", [0.5, 1, 1.5, 2])
def test_a_student_t_without_a_variance_has_an_infinite_one(df):
    X, y = two_regimes()
    mixture = MixtureOfExpertsRegressor(
        n_experts=2, noise=StudentTNoise(df=df), tol=1e-2, random_state=0
    ).fit(X, y)
    mean, std = mixture.predict(X, return_std=True)
    assert np.all(std == np.inf)
    distribution = mixture.predict_distribution(X)
    np.testing.assert_allclose(distribution.mean(), mean)
    assert np.isfinite(distribution.interval(0.9)).all()


@pytest.mark.parametrize(("df", "finite"), [(0.5, False), (0.6, True)])
def test_the_crps_of_a_student_t_is_infinite_up_to_half_a_degree_of_freedom(df, finite):
    distribution = mixture_of([1.0], stats.t, df=[df], loc=[0.0], scale=[1.0])
    assert np.isfinite(distribution.crps([1.0])).tolist() == [finite]


def test_an_expert_without_weight_makes_no_variance_infinite():
    distribution = mixture_of([1.0, 0.0], stats.t, df=[3, 1], loc=[0, 0], scale=[1, 1])
    np.testing.assert_allclose(distribution.std(), np.sqrt(3))


def test_a_lognormal_mean_beyond_all_numbers_is_refused():
    X, _ = two_regimes()
    mixture = fit("lognormal")
    mixture.noise_.sigma_[:] = 40.0
    with pytest.raises(ValueError, match=r"sigma_ is up to 40\..*predict_quantiles"):
        mixture.predict(X)
    assert np.isfinite(mixture.predict_quantiles(X, 0.5)).all()
    assert np.all(mixture.predict_distribution(X).std() == np.inf)


def test_the_variance_includes_the_spread_between_the_experts():
    distribution = gaussians([0.5, 0.5], [-1.0, 1.0], [0.5, 0.5])
    np.testing.assert_allclose(distribution.var(), [0.25 + 1])


def test_predict_returns_the_standard_deviation_on_request():
    X, _ = two_regimes()
    mixture = fit()
    mean, std = mixture.predict(X, return_std=True)
    np.testing.assert_array_equal(mean, mixture.predict(X))
    distribution = mixture.predict_distribution(X)
    np.testing.assert_allclose(mean, distribution.mean())
    np.testing.assert_allclose(std, distribution.std())


@pytest.mark.parametrize("noise", [*NOISES, HeteroscedasticGaussian()], ids=str)
def test_the_density_equals_score_samples(noise):
    X, _ = two_regimes()
    y, mixture = targets(noise), fit(noise)
    np.testing.assert_allclose(
        mixture.predict_distribution(X).logpdf(y),
        mixture.score_samples(X, y),
        rtol=1e-9,
    )


def test_a_column_of_points_is_given_to_every_row():
    distribution = gaussians([[0.5, 0.5]] * 3, [[0.0, 1.0]] * 3, [[1.0, 1.0]] * 3)
    grid = np.linspace(-8, 9, 2001)
    density = distribution.pdf(grid[:, np.newaxis])
    assert density.shape == (2001, 3)
    np.testing.assert_allclose(integrate.trapezoid(density, grid, axis=0), 1)


# Which experts
# -------------


@pytest.mark.parametrize("parameters", [{"combination": "argmax"}, {"top_k": 1}])
def test_the_distribution_is_that_of_the_experts_that_answer(parameters):
    X, _ = two_regimes()
    mixture = fit(**parameters)
    weights = mixture.predict_distribution(X).weights
    np.testing.assert_array_equal(weights.max(axis=1), 1)
    np.testing.assert_array_equal(weights.argmax(axis=1), mixture.apply(X))
    mean, std = mixture.predict(X, return_std=True)
    np.testing.assert_allclose(std, mixture.noise_.scale_[mixture.apply(X)])
    np.testing.assert_allclose(mean, mixture.predict_distribution(X).mean())


@pytest.mark.parametrize("scaled", [False, True])
def test_the_distribution_of_a_tree_of_gates_is_that_of_its_leaves(scaled):
    X, y = two_regimes()
    inner = MixtureOfExpertsRegressor(n_experts=2, noise="laplace", tol=1e-2)
    inner = make_pipeline(StandardScaler(), inner) if scaled else inner
    mixture = MixtureOfExpertsRegressor(
        [("tree", inner), ("line", Ridge())],
        specialize=True,
        cv=None,
        tol=1e-2,
        random_state=0,
    ).fit(X, y)
    distribution = mixture.predict_distribution(X)
    assert distribution.weights.shape == (len(X), 3)
    np.testing.assert_allclose(distribution.weights.sum(axis=1), 1)
    np.testing.assert_allclose(distribution.logpdf(y), mixture.score_samples(X, y))
    np.testing.assert_allclose(distribution.mean(), mixture.predict(X))
    np.testing.assert_allclose(distribution.cdf(distribution.ppf(0.3)), 0.3)
    assert distribution.sample(4, random_state=0).shape == (4, len(X))


# Several outputs
# ---------------


@pytest.fixture(scope="module")
def two_outputs():
    X, y = two_regimes(n_outputs=2)
    mixture = MixtureOfExpertsRegressor(
        LinearRegression(), n_experts=2, tol=1e-3, random_state=0
    )
    return X, y, mixture.fit(X, y)


def test_intervals_and_quantiles_are_about_each_output(two_outputs):
    X, y, mixture = two_outputs
    assert mixture.predict_quantiles(X, [0.1, 0.5, 0.9]).shape == (len(X), 2, 3)
    interval = mixture.predict_interval(X, 0.9)
    assert interval.shape == (len(X), 2, 2)
    inside = (y >= interval[..., 0]) & (y <= interval[..., 1])
    assert inside.mean(axis=0).min() > 0.8
    distribution = mixture.predict_distribution(X)
    np.testing.assert_allclose(distribution.cdf(interval[..., 0]), 0.05)
    assert distribution.crps(y).shape == y.shape
    assert mixture.predict(X, return_std=True)[1].shape == y.shape


def test_the_density_is_that_of_all_outputs_together(two_outputs):
    X, y, mixture = two_outputs
    np.testing.assert_allclose(
        mixture.predict_distribution(X).logpdf(y), mixture.score_samples(X, y)
    )


def test_a_draw_comes_from_one_expert():
    components = Components(
        stats.norm,
        {
            "loc": np.array([[[-5.0, 5.0], [-5.0, 5.0]]]),
            "scale": np.full((1, 2, 2), 1e-3),
        },
    )
    draws = MixtureDistribution(np.array([[0.5, 0.5]]), (components,)).sample(100, 0)
    assert draws.shape == (100, 1, 2)
    np.testing.assert_allclose(draws[..., 0], draws[..., 1], atol=0.1)


# Draws
# -----


def test_draws_are_reproducible():
    X, _ = two_regimes()
    mixture = fit()
    first = mixture.sample(X, 3, random_state=0)
    assert first.shape == (len(X), 3)
    np.testing.assert_array_equal(first, mixture.sample(X, 3, random_state=0))
    assert not np.array_equal(first, mixture.sample(X, 3, random_state=1))


@pytest.mark.parametrize("quantiles", [0.5, [0.1, 0.5, 0.9]])
def test_quantiles_rise_with_their_level(quantiles):
    X, _ = two_regimes()
    found = fit().predict_quantiles(X, quantiles)
    assert found.shape == (len(X), *np.shape(quantiles))
    if np.ndim(quantiles):
        assert np.all(np.diff(found, axis=1) > 0)
