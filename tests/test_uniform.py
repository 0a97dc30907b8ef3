"""A component of noise among the experts, "uniform", takes the outliers."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import logsumexp
from scipy.stats import norm
from sklearn.base import clone
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    Ridge,
    SGDRegressor,
)
from sklearn.model_selection import GridSearchCV
from sklearn.tree import DecisionTreeRegressor

from sklearn_moe import (
    GaussianGate,
    MixtureOfExpertsClassifier,
    MixtureOfExpertsRegressor,
    SoftmaxGate,
)
from sklearn_moe.inspection import describe, summary
from sklearn_moe.likelihoods import HeteroscedasticGaussian

RNG = np.random.default_rng(0)
X = RNG.uniform(-2, 2, (200, 1))
CLEAN = 1 + 2 * np.abs(X[:, 0]) + RNG.normal(0, 0.1, 200)
OUTLIERS = np.arange(200) % 10 == 0
Y = np.where(OUTLIERS, RNG.uniform(-30, 30, 200), CLEAN)
COUNTS = RNG.poisson(np.exp(1 + np.abs(X[:, 0]))) + 1.0
COUNTS[OUTLIERS] += RNG.integers(40, 200, 20)


def lines(expert=None, **params):
    """Two experts beside a component of noise."""
    expert = expert or LinearRegression()
    experts = [("left", expert), ("right", clone(expert)), ("outliers", "uniform")]
    return MixtureOfExpertsRegressor(experts, **{"random_state": 0, **params})


@pytest.fixture(scope="module")
def fitted():
    """A mixture that many tests look at, and none changes."""
    return lines().fit(X, Y)


# What is fitted
# --------------


def test_slopes_are_those_of_the_clean_rows(fitted):
    slopes = sorted(expert.coef_[0] for expert in fitted.experts_[:2])
    np.testing.assert_allclose(slopes, [-2, 2], atol=0.05)
    without = lines().set_params(outliers="drop").fit(X, Y)
    slopes = sorted(expert.coef_[0] for expert in without.experts_)
    assert np.abs(np.subtract(slopes, [-2, 2])).max() > 0.3


def test_outliers_are_told_by_their_responsibilities(fitted):
    of_noise = fitted.responsibilities(X, Y)[:, 2]
    far = OUTLIERS & (np.abs(Y - CLEAN) > 1)
    assert of_noise[far].min() > 0.99
    assert of_noise[~OUTLIERS].mean() < 0.05
    assert fitted.expert_share_[2] == pytest.approx(0.1, abs=0.03)


def test_clones_of_one_expert_specialise_beside_it(fitted):
    assert list(fitted.named_experts_) == ["left", "right", "outliers"]
    assert fitted.sharing_ == 0
    assert type(fitted.experts_[2]).__name__ == "UniformExpert"


def test_a_mixture_of_gaussians_and_noise_is_that_of_mclust():
    path = Path(__file__).parent / "data" / "faithful.csv"
    waiting = np.loadtxt(path, skiprows=1)
    y = np.r_[waiting, 5, 12, 20, 27, 130, 141, 155, 160, 9, 148]
    experts = [(name, DummyRegressor()) for name in ("short", "long")]
    mixture = MixtureOfExpertsRegressor(
        [*experts, ("outliers", "uniform")],
        gate=SoftmaxGate(alpha=0),
        init="random",
        tol=1e-11,
        max_iter=500,
        random_state=0,
    )
    mixture.fit(np.zeros((282, 1)), y)
    assert mixture.log_likelihood_ == pytest.approx(-1123.00591014, abs=1e-5)
    order = np.argsort([e.constant_.item() for e in mixture.experts_[:2]])
    means = [mixture.experts_[k].constant_.item() for k in order]
    np.testing.assert_allclose(means, [54.62995, 80.06549], atol=1e-3)
    variances = mixture.noise_.scale_[order] ** 2
    np.testing.assert_allclose(variances, [34.0152, 33.1746], atol=0.01)
    gate = mixture.predict_gate([[0.0]])[0, [*order, 2]]
    np.testing.assert_allclose(gate, [0.339317, 0.604428, 0.056255], atol=1e-4)
    z = mixture.responsibilities([[0.0]], [20.0])[0, 2]
    assert z == pytest.approx(0.99999859, abs=1e-7)


def test_regressions_and_noise_are_those_of_maximum_likelihood():
    def negative(parameters):
        scale = np.exp(parameters[4:6])
        mean = X * parameters[:2] + parameters[2:4]
        logits = np.c_[np.zeros(200), X * parameters[6:8] + parameters[8:]]
        density = np.full((200, 3), -np.log(np.ptp(Y)))
        density[:, :2] = norm.logpdf(Y[:, np.newaxis], mean, scale)
        joint = logits - logsumexp(logits, axis=1, keepdims=True) + density
        return -logsumexp(joint, axis=1).sum()

    start = [-2, 2, 1, 1, -2, -2, 1, 0, 0, -2]
    best = minimize(negative, start, method="BFGS", options={"gtol": 1e-4})
    # From where the optimum is close by.
    init = np.where(OUTLIERS, 2, X[:, 0] > 0)
    mixture = lines(gate=SoftmaxGate(alpha=0), tol=1e-10, max_iter=5000, init=init)
    mixture.fit(X, Y)
    assert mixture.log_likelihood_ == pytest.approx(-best.fun, abs=1e-3)
    slopes = [expert.coef_[0] for expert in mixture.experts_[:2]]
    np.testing.assert_allclose(slopes, best.x[:2], atol=1e-3)
    # Each expert has a slope, a constant and a scale; the gate has two logits.
    assert mixture.n_parameters() == best.x.size


@pytest.mark.parametrize(
    "params",
    [
        {"init": "kmeans", "n_init": 2},
        {"init": "random"},
        {"init": np.where(OUTLIERS, 2, X[:, 0] > 0)},
        {"assignment": "hard"},
        {"cv": 3, "calibrate": True},
        {"gate": GaussianGate()},
        {"gate": LogisticRegression()},
        {"noise": "laplace"},
        {"noise": "student_t"},
        {"noise": HeteroscedasticGaussian()},
        {"acceleration": "squarem"},
    ],
    ids=str,
)
def test_outliers_are_found_whatever_the_parameters(params):
    mixture = lines(**params).fit(X, Y)
    of_noise = mixture.responsibilities(X, Y)[:, 2]
    assert np.corrcoef(of_noise, OUTLIERS)[0, 1] > 0.8
    assert mixture.score(X[~OUTLIERS], CLEAN[~OUTLIERS]) > 0.9


@pytest.mark.parametrize("noise", ["poisson", "negative_binomial"])
def test_counts_have_a_uniform_probability_of_each_number(noise):
    default = MixtureOfExpertsRegressor(noise=noise)._targets().default_expert()
    mixture = lines(default, noise=noise).fit(X, COUNTS)
    # The responsibility of far outliers is that of the noise alone.
    distribution = mixture.predict_distribution(X)
    counts = np.arange(COUNTS.max() + 200)[:, np.newaxis]
    probability = distribution.pdf(counts)
    np.testing.assert_allclose(probability.sum(axis=0), 1)
    np.testing.assert_allclose(
        distribution.crps(COUNTS),
        ((distribution.cdf(counts) - (counts >= COUNTS)) ** 2).sum(axis=0),
        rtol=1e-3,
    )
    far = COUNTS.argmax()
    width = np.ptp(COUNTS) + 1
    log_density = mixture.score_samples(X[[far]], COUNTS[[far]])
    gate = mixture.predict_gate(X[[far]])[:, 2]
    np.testing.assert_allclose(log_density, np.log(gate / width))


def test_where_there_is_no_outlier_it_is_not_retired():
    mixture = lines().fit(X, CLEAN)
    alone = lines().set_params(outliers="drop", sharing=0).fit(X, CLEAN)
    assert mixture._active_.all()
    assert mixture.expert_share_[2] < 0.02
    np.testing.assert_allclose(mixture.predict(X), alone.predict(X), atol=0.05)


def test_its_range_is_that_of_all_rows_of_positive_weight():
    weights = np.where(Y.max() == Y, 0.0, 1.0)
    mixture = lines(cv=2).fit(X, Y, weights)
    noise = mixture.named_experts_.outliers
    assert (noise.least, noise.largest) == (Y.min(), Y[weights > 0].max())
    same = lines(cv=2).fit(X[weights > 0], Y[weights > 0])
    np.testing.assert_allclose(mixture.predict(X), same.predict(X))


def test_of_several_outputs_it_is_a_box():
    both = np.column_stack([Y, np.where(OUTLIERS, -Y, 3 * CLEAN)])
    mixture = lines().fit(X, both)
    beyond = both.max(axis=0) + np.array([[0, 1]])
    assert mixture.experts_[2].score_samples(X[:1], beyond) == -np.inf
    density = mixture.experts_[2].score_samples(X[:1], both[:1])
    np.testing.assert_allclose(density, -np.log(np.ptp(both, axis=0)).sum())
    distribution = mixture.predict_distribution(X)
    np.testing.assert_allclose(
        distribution.logpdf(both), mixture.score_samples(X, both)
    )
    assert mixture.predict_interval(X[:3]).shape == (3, 2, 2)


def test_experts_of_unlike_kinds_have_it_beside_them():
    experts = [("line", Ridge()), ("tree", DecisionTreeRegressor(max_depth=3))]
    mixture = MixtureOfExpertsRegressor(
        [("outliers", "uniform"), *experts], random_state=0
    ).fit(X, Y)
    assert np.corrcoef(mixture.responsibilities(X, Y)[:, 0], OUTLIERS)[0, 1] > 0.8


def test_it_stands_beside_a_mixture():
    inner = MixtureOfExpertsRegressor(LinearRegression(), 2, init="tree", tol=0.1)
    mixture = MixtureOfExpertsRegressor(
        [("inner", inner), ("outliers", "uniform")], random_state=0, tol=0.1
    ).fit(X, Y)
    assert np.corrcoef(mixture.responsibilities(X, Y)[:, 1], OUTLIERS)[0, 1] > 0.8
    np.testing.assert_allclose(
        mixture.predict_distribution(X).logpdf(Y), mixture.score_samples(X, Y)
    )


def test_a_warm_start_goes_on():
    mixture = lines(warm_start=True).fit(X, Y)
    before = mixture.objective_path_[-1]
    assert mixture.fit(X, Y).objective_path_[-1] >= before - 1e-9


def test_a_warm_start_has_the_range_of_its_own_rows():
    mixture = lines(warm_start=True).fit(X, Y)
    within = np.abs(Y) < 20
    mixture.fit(X[within], Y[within])
    assert mixture.experts_[2].largest == Y[within].max()


def test_ends_of_the_range_are_within_it_in_any_precision():
    y = Y.astype(np.float32)
    for fitted_to, asked in ((Y, y), (y, Y)):
        mixture = lines().fit(X, fitted_to)
        assert np.isfinite(mixture.experts_[2].score_samples(X, asked)).all()


# Predictions
# -----------


def test_the_mean_is_that_of_the_other_experts(fitted):
    gate, answers = fitted.predict_gate(X)[:, :2], fitted.transform(X)[:, :2]
    mean = (gate * answers).sum(axis=1) / gate.sum(axis=1)
    np.testing.assert_allclose(fitted.predict(X), mean)
    middle = (Y.min() + Y.max()) / 2
    np.testing.assert_allclose(fitted.transform(X)[:, 2], middle)


@pytest.mark.parametrize("params", [{"combination": "argmax"}, {"top_k": 1}])
def test_it_never_answers_for_a_row(params):
    rows = np.linspace(-2, 2, 40)[:, np.newaxis]
    # Here most rows are noise.
    y = np.where(OUTLIERS, CLEAN, np.resize(Y[OUTLIERS], 200))
    mixture = lines(**params).fit(X, y)
    assert (mixture.apply(rows) == 2).any()
    answers = mixture.transform(rows)[:, :2]
    assert np.isclose(mixture.predict(rows)[:, np.newaxis], answers).any(axis=1).all()
    noise = mixture.predict_distribution(rows).weights[:, 2]
    assert not noise.any()


def test_the_distribution_is_that_of_the_whole_mixture(fitted):
    distribution = fitted.predict_distribution(X)
    np.testing.assert_allclose(distribution.logpdf(Y), fitted.score_samples(X, Y))
    points = np.linspace(Y.min() - 1, Y.max() + 1, 20001)
    density = distribution[:3].pdf(points[:, np.newaxis])
    np.testing.assert_allclose(np.trapezoid(density, points, axis=0), 1, atol=1e-3)
    mean = (fitted.predict_gate(X) * fitted.transform(X)).sum(axis=1)
    np.testing.assert_allclose(distribution.mean(), mean)


@pytest.mark.parametrize("level", [0.001, 0.05, 0.5, 0.97, 0.9999])
def test_quantiles_are_those_of_the_distribution_function(fitted, level):
    distribution = fitted.predict_distribution(X)
    quantiles = fitted.predict_quantiles(X, level)
    np.testing.assert_allclose(distribution.cdf(quantiles), level, atol=1e-9)
    assert quantiles.min() >= Y.min()


def test_the_score_of_the_distribution_is_its_integral(fitted):
    distribution = fitted.predict_distribution(X[:3])
    points = np.linspace(-40, 40, 100001)[:, np.newaxis]
    squares = (distribution.cdf(points) - (points >= Y[:3])) ** 2
    np.testing.assert_allclose(
        distribution.crps(Y[:3]), np.trapezoid(squares, points, axis=0), atol=1e-3
    )


def test_draws_are_outliers_as_often_as_the_gate_says(fitted):
    draws = fitted.sample(X, n_samples=200, random_state=0)
    far = np.abs(draws - fitted.predict(X)[:, np.newaxis]) > 3
    expected = fitted.predict_gate(X)[:, 2].mean()
    assert far.mean() == pytest.approx(expected, rel=0.2)


def test_a_target_beyond_all_of_the_fit_is_no_noise(fitted):
    target = [Y.max() + 1]
    assert fitted.responsibilities([[1.0]], target)[0, 2] == 0
    assert np.isfinite(fitted.score_samples([[1.0]], target)).all()


def test_a_line_that_the_other_experts_agree_on_goes_on():
    line = 3 * X[:, 0] + RNG.normal(0, 0.1, 200)
    y = np.where(OUTLIERS, RNG.uniform(-8, 8, 200), line)
    mixture = lines().fit(X, y)
    assert mixture.predict([[10.0]]) == pytest.approx(30, abs=1)


# Conventions and inspection
# --------------------------


def test_it_is_a_choice_of_a_search():
    search = GridSearchCV(
        lines(tol=1e-2),
        {"outliers": ["drop", "uniform"]},
        scoring=lambda mixture, X, y: -np.abs(mixture.predict(X) - CLEAN[:100]).mean(),
        cv=[(np.arange(100, 200), np.arange(100))],
    )
    assert search.fit(X, Y).best_params_ == {"outliers": "uniform"}


def test_it_is_cloned_pickled_and_shown(fitted):
    assert clone(fitted).experts[2] == ("outliers", "uniform")
    copied = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_allclose(copied.predict(X), fitted.predict(X))
    html = fitted._repr_html_()
    assert "outliers: 1" in html
    assert "UniformExpert" in html


def test_tables_have_no_noise_around_it(fitted):
    table = describe(fitted, X, Y)
    assert np.isnan(table.loc["outliers", "scale"])
    assert np.isfinite(table.loc["left", "scale"])
    parts = summary(fitted, X, Y, covariance="opg").index.get_level_values("part")
    assert parts.unique().tolist() == ["left", "right", "gate: right", "gate: outliers"]


# What is refused
# ---------------


def test_classes_have_no_uniform_density():
    experts = [("plain", LogisticRegression()), ("noise", "uniform")]
    with pytest.raises(TypeError, match=r"'noise' is 'uniform', .* regressors"):
        MixtureOfExpertsClassifier(experts).fit(X, X[:, 0] > 0)


@pytest.mark.parametrize(
    ("experts", "message"),
    [
        ([("noise", "uniform")], "left out"),
        ([("a", "uniform"), ("line", Ridge()), ("b", "uniform")], "several 'uniform'"),
        ([("line", Ridge()), ("far", "Uniform")], "got 'Uniform'"),
    ],
)
def test_what_it_cannot_be_is_refused(experts, message):
    with pytest.raises((ValueError, TypeError), match=message):
        MixtureOfExpertsRegressor(experts).fit(X, Y)


def test_targets_that_are_all_the_same_have_no_range():
    with pytest.raises(ValueError, match=r"range of y, but y, .* is constant: 3"):
        lines().fit(X, np.full(200, 3.0))


def test_a_stream_does_not_know_the_range():
    experts = [("line", SGDRegressor()), ("noise", "uniform")]
    with pytest.raises(AttributeError, match="partial_fit") as error:
        MixtureOfExpertsRegressor(experts).partial_fit(X, Y)
    assert "'uniform'" in str(error.value.__cause__)
