"""Penalties of the gate, and what experts share, learnt by maximising the evidence."""

from types import SimpleNamespace

import numpy as np
import pytest
from _rows import ManyBlocks, block_of, rows_of
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression, Ridge, SGDRegressor
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures
from sklearn.tree import DecisionTreeRegressor

from sklearn_moe import (
    MixtureOfExpertsClassifier,
    MixtureOfExpertsRegressor,
    SoftmaxGate,
)
from sklearn_moe._fitting import count_coefficients, diluted
from sklearn_moe.em import LearntSharing, unit_sharing
from sklearn_moe.gates import bind_gate
from sklearn_moe.gates._evidence import (
    FIRST_ALPHA,
    LARGEST_FACTOR,
    label_information,
    learnt_alpha,
)

may_stop_early = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning"
)


def noisy_labels(seed=0, n_samples=200):
    """Three labels, of which two change gradually with two features, unlike scaled."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_samples, 2)) @ [[1, 0.6], [0, 2]] + [3, 0]
    logits = np.c_[X[:, 0] - 3, 0.5 * X[:, 1], np.zeros(n_samples)]
    return X, (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)


def one_border(seed=0, n_samples=200):
    """A line that turns round at a step."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, (n_samples, 1))
    left = X[:, 0] < 0.2
    y = np.where(left, 1 + X[:, 0], -2 * X[:, 0])
    return X, y + 0.05 * rng.standard_normal(n_samples)


def crossing_lines(n_samples=1000):
    """Each row lies on either of two lines, wherever it is."""
    rng = np.random.default_rng(0)
    X = rng.uniform(-3, 3, (n_samples, 1))
    first = rng.random(n_samples) < 0.5
    y = np.where(first, 3 + X[:, 0], -3 - X[:, 0])
    return X, y + 0.2 * rng.standard_normal(n_samples)


# The gate: the formula


def test_the_penalty_follows_from_what_the_rows_determine():
    rng = np.random.default_rng(0)
    parameters, features = rng.normal(size=(3, 3)), rng.normal(size=(50, 2))
    probabilities = rng.dirichlet(np.ones(3), 50)
    information = np.mean([np.diag(p) - np.outer(p, p) for p in probabilities], axis=0)
    covariance = np.cov(features.T, bias=True)
    hessian, alpha = np.kron(information, covariance), 0.003
    n_determined = np.trace(hessian @ np.linalg.inv(hessian + alpha * np.eye(6)))
    expected = n_determined / (500 * np.sum(parameters[:, :-1] ** 2))
    assert alpha / LARGEST_FACTOR < expected < alpha * LARGEST_FACTOR
    found = learnt_alpha(
        alpha, parameters, information, np.linalg.eigvalsh(covariance), 500
    )
    assert found == pytest.approx(expected)


def test_the_penalty_changes_by_a_factor_at_most():
    flat, steep = np.full((2, 2), 1e-3), np.array([[20.0, 0], [-20.0, 0]])
    information, spectrum = 0.2 * np.array([[1, -1], [-1, 1]]), np.ones(1)
    assert learnt_alpha(1e-3, flat, information, spectrum, 100) == 2e-3
    assert learnt_alpha(1e-1, steep, information, spectrum, 100) == 5e-2


def test_the_penalty_of_a_gate_of_two_is_where_the_evidence_of_the_logit_is_largest():
    # One feature of two values, and labels that are alike on both sides but for their
    # names: the information about the slope is exactly that of the formula.
    x = np.repeat([-1.0, 1.0], 100)
    labels = np.r_[np.arange(100) < 20, np.arange(100) >= 20].astype(int)
    gate = SoftmaxGate().fit(x[:, np.newaxis], labels)
    slope = (gate.coef_[1] - gate.coef_[0])[0]
    p = gate.predict_proba(x[:, np.newaxis])[:, 1]
    design = np.c_[x, np.ones(200)]
    of_both = design.T @ ((p * (1 - p))[:, np.newaxis] * design) / 200
    of_slope = 1 / np.linalg.inv(of_both)[0, 0]
    n_determined = of_slope / (of_slope + gate.alpha_)
    assert gate.alpha_ == pytest.approx(n_determined / (200 * slope**2), rel=3e-3)


def test_the_penalty_of_a_gate_is_a_fixed_point_of_the_formula():
    X, labels = noisy_labels()
    weights = np.random.default_rng(1).uniform(0.5, 2, len(X))
    gate = SoftmaxGate().fit(X, labels, weights)
    p = gate.predict_proba(X)
    mean = np.average(X, axis=0, weights=weights)
    spread = np.sqrt(np.average((X - mean) ** 2, axis=0, weights=weights))
    information = np.diag(weights @ p) - p.T @ (weights[:, np.newaxis] * p)
    of_labels = np.linalg.eigvalsh(information / weights.sum())
    correlation = np.cov(X.T, aweights=weights)
    correlation /= np.sqrt(np.outer(np.diag(correlation), np.diag(correlation)))
    eigenvalues = np.outer(of_labels, np.linalg.eigvalsh(correlation))
    n_determined = np.sum(eigenvalues / (eigenvalues + gate.alpha_))
    assert gate.alpha_ == pytest.approx(
        n_determined / (weights.sum() * np.sum((gate.coef_ * spread) ** 2)), rel=3e-3
    )


def test_labels_that_are_not_known_tell_less():
    p = np.full((10, 2), 0.5)
    sure, block = np.eye(2)[np.arange(10) % 2], block_of(np.ones((10, 1)))
    seen = SimpleNamespace(sample_weight=block.sample_weight)
    known = label_information(block, seen, np.log(p))
    np.testing.assert_allclose(known, 2.5 * np.array([[1, -1], [-1, 1]]))
    np.testing.assert_allclose(label_information(block, seen, np.log(p), sure), known)
    unknown = label_information(block, seen, np.log(p), p)
    np.testing.assert_allclose(unknown, 0, atol=1e-12)


# The gate: what it learns


def test_a_gate_is_flat_for_labels_that_do_not_depend_on_the_features_and_else_steep():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 2))
    by_chance = SoftmaxGate().fit(X, rng.integers(2, size=400))
    sharp = SoftmaxGate().fit(X, X[:, 0] > 0.1)
    assert np.ptp(by_chance.predict_proba(X)[:, 0]) < 0.1
    assert np.median(sharp.predict_proba(X).max(axis=1)) > 0.99
    assert by_chance.alpha_ > 1e3 * sharp.alpha_


def test_a_penalty_that_is_given_is_kept():
    X, labels = noisy_labels()
    assert SoftmaxGate(alpha=0.03).fit(X, labels).alpha_ == 0.03
    X, y = one_border()
    gate = SoftmaxGate(alpha=0.03)
    mixture = MixtureOfExpertsRegressor(n_experts=2, gate=gate, tol=1e-2).fit(X, y)
    assert mixture.gate_.alpha_ == 0.03


def test_a_warm_start_goes_on_from_the_penalty_learnt():
    X, labels = noisy_labels()
    cold = SoftmaxGate(warm_start=True).fit(X, labels)
    alpha, n_iter = cold.alpha_, cold.n_iter_
    assert cold.fit(X, labels).n_iter_ < n_iter / 2
    assert cold.alpha_ == pytest.approx(alpha, rel=1e-2)


def test_mixtures_find_a_sharp_border():
    X, y = one_border()
    mixture = MixtureOfExpertsRegressor(n_experts=2, random_state=0).fit(X, y)
    assert mixture.gate_.alpha_ < 1e-4
    gate = np.sort(mixture.predict_gate(X), axis=1)
    # All but the rows next to the border are certain.
    assert np.mean(gate[:, 1] > 0.99) > 0.9


@may_stop_early
def test_where_there_are_no_regimes_the_gate_is_nearly_flat():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 2))
    y = X[:, 0] + rng.standard_normal(200)
    mixture = MixtureOfExpertsRegressor(n_experts=2, random_state=0).fit(X, y)
    assert np.ptp(mixture.predict_gate(X)[:, 0]) < 0.1
    assert mixture.gate_.alpha_ > 0.1


def learn(rows, column, n_experts, n_steps=12):
    """The strengths with which a gate begins each of some M-steps."""
    bound, fitted, alphas = (
        bind_gate(SoftmaxGate(), rows, n_experts, random_state=0),
        None,
        [],
    )
    for _ in range(n_steps):
        fitted, _ = bound.fit(column, fitted)
        alphas.append(fitted.alpha)
    return alphas


@pytest.mark.parametrize("n_experts", [2, 3])
def test_rows_in_many_blocks_teach_the_same_penalty(n_experts):
    X, labels = noisy_labels()
    targets = 0.1 / n_experts + 0.9 * np.eye(n_experts)[labels % n_experts]
    block = block_of(X, np.random.default_rng(1).uniform(0.5, 2, len(X)))
    whole = learn(rows_of(X, block.sample_weight), targets, n_experts)
    many = ManyBlocks(block, [20, 90, 91])
    cut = learn(many, many.column(targets), n_experts)
    np.testing.assert_allclose(cut, whole, rtol=1e-6)
    changes = np.array(whole[1:]) / whole[:-1]
    assert whole[0] == FIRST_ALPHA
    assert changes[0] > 1
    assert changes.max() <= 2


def test_a_stream_goes_on_learning_the_penalty():
    X, labels = noisy_labels(n_samples=2000)
    y = np.select([labels == 0, labels == 1], [5 + X[:, 0], -5 - X[:, 0]], 0 * X[:, 0])
    mixture = MixtureOfExpertsRegressor(SGDRegressor(), n_experts=3, random_state=0)
    alphas = [
        mixture.partial_fit(X[rows], y[rows]).gate_.alpha_
        for rows in np.split(np.arange(2000), 20)
    ]
    whole = MixtureOfExpertsRegressor(n_experts=3, random_state=0).fit(X, y)
    assert len(set(alphas)) > 10
    # Older rows fade: the stream counts fewer than there were.
    assert whole.gate_.alpha_ < alphas[-1] < alphas[0] / 2


@may_stop_early
@pytest.mark.parametrize(
    "Mixture", [MixtureOfExpertsRegressor, MixtureOfExpertsClassifier]
)
def test_a_weight_of_two_teaches_what_the_row_twice_does(Mixture):
    X, y = one_border(n_samples=80)
    if Mixture is MixtureOfExpertsClassifier:
        y = y > 0.3
    n_times = np.random.default_rng(1).integers(1, 3, 80)
    start = (X[:, 0] > 0) * 1
    weighted = Mixture(n_experts=2, init=start, max_iter=10, tol=0).fit(X, y, n_times)
    twice = np.repeat(np.arange(80), n_times)
    repeated = Mixture(n_experts=2, init=start[twice], max_iter=10, tol=0)
    repeated.fit(X[twice], y[twice])
    assert weighted.gate_.alpha_ != FIRST_ALPHA
    assert 0 < weighted.sharing_ < 0.5
    assert weighted.gate_.alpha_ == pytest.approx(repeated.gate_.alpha_, rel=1e-4)
    assert weighted.sharing_ == pytest.approx(repeated.sharing_, rel=1e-4)


# What experts share: the formula


def sharing_of(n_coefficients, total_weight):
    rows = SimpleNamespace(total_weight=total_weight)
    return LearntSharing(rows, np.array(n_coefficients), None)


def test_what_is_shared_follows_from_how_far_the_experts_have_moved():
    learnt, own, active = sharing_of([3, 5], 200.0), np.array([60, 90]), [True, True]
    sharing, divergence = 0.03, 250.0
    strength = sharing / (2 * (1 - sharing))
    n_determined = 3 * 60 / (60 + strength * 200) + 5 * 90 / (90 + strength * 200)
    strength = n_determined / (2 * divergence)
    found = learnt.learn(
        sharing, divergence, SimpleNamespace(squares=own), np.array(active)
    )
    # The strength is sharing / (K (1 - sharing)).
    assert found / (2 * (1 - found)) == pytest.approx(strength)


@pytest.mark.parametrize("divergence", [-1.0, 0.0, 1e-3])
def test_experts_that_hardly_differ_share_a_row_for_each_coefficient(divergence):
    learnt, own = sharing_of([3, 5], 200.0), SimpleNamespace(squares=np.array([60, 90]))
    found = learnt.learn(0.03, divergence, own, np.ones(2, dtype=bool))
    assert found == learnt.largest == unit_sharing(8, 200) == 8 / 200


def test_no_more_than_half_of_a_row_is_shared():
    assert unit_sharing(300, 200) == 0.5


def test_retired_experts_do_not_count_where_sharing_is_learnt():
    active = np.array([True, False])
    with_it = sharing_of([3, 5], 200.0).learn(
        0.02, 90.0, SimpleNamespace(squares=np.array([60, 0])), active
    )
    larger = sharing_of([3, 50], 200.0).learn(
        0.02, 90.0, SimpleNamespace(squares=np.array([60, 70])), active
    )
    assert with_it == larger


class Constant(RegressorMixin, BaseEstimator):
    """Predicts the mean, and does not tell how many parameters that takes."""

    def fit(self, X, y, sample_weight=None):
        self.mean_ = np.average(y, weights=sample_weight)
        return self

    def predict(self, X):
        return np.full(len(X), self.mean_)


def test_experts_count_their_coefficients_or_as_many_as_a_plane_has():
    X, y = noisy_labels()
    quadratic = make_pipeline(PolynomialFeatures(2, include_bias=False), Ridge())
    experts = [estimator.fit(X, y) for estimator in (Ridge(), quadratic, Constant())]
    np.testing.assert_array_equal(count_coefficients(experts, 2), [3, 6, 3])


# What experts share: what is learnt


def test_lines_that_contradict_each_other_share_next_to_nothing():
    X, y = crossing_lines()
    mixture = MixtureOfExpertsRegressor(n_experts=2, n_init=3, random_state=0).fit(X, y)
    assert mixture.sharing_ < 0.1 * unit_sharing(4, 1000)
    np.testing.assert_allclose(mixture.noise_.scale_, 0.2, rtol=0.1)


def test_lines_that_hardly_differ_share_all_they_may():
    rng = np.random.default_rng(0)
    X = rng.uniform(-3, 3, (300, 1))
    y = X[:, 0] + rng.standard_normal(300)
    mixture = MixtureOfExpertsRegressor(
        n_experts=2, random_state=0, tol=1e-2, max_iter=200
    ).fit(X, y)
    assert mixture.sharing_ == pytest.approx(unit_sharing(4, 300), rel=0.2)


@may_stop_early
def test_experts_of_more_coefficients_share_more():
    X, y = noisy_labels(n_samples=100)
    lines, quadratic = (
        MixtureOfExpertsRegressor(expert, n_experts=2, max_iter=1, tol=1e9).fit(X, y)
        for expert in (Ridge(), make_pipeline(PolynomialFeatures(2), Ridge()))
    )
    assert lines.sharing_ == unit_sharing(2 * 3, 100)
    assert quadratic.sharing_ > 1.5 * lines.sharing_


@may_stop_early
@pytest.mark.parametrize(
    "expert",
    [
        DecisionTreeRegressor(max_depth=2),
        RandomForestRegressor(5, max_depth=2),
        KNeighborsRegressor(5),
        make_pipeline(PolynomialFeatures(2), DecisionTreeRegressor(max_depth=2)),
    ],
    ids=lambda expert: type(expert).__name__,
)
@pytest.mark.filterwarnings("ignore:Experts .* reproduce")
def test_experts_that_isolate_rows_share_nothing(expert):
    X, y = one_border()
    mixture = MixtureOfExpertsRegressor(
        expert, n_experts=2, max_iter=2, random_state=0
    ).fit(X, y)
    assert mixture.sharing_ == 0


@pytest.mark.parametrize(
    "params",
    [
        {"assignment": "hard"},
        {"n_experts": 1},
        {"specialize": False, "experts": [("a", Ridge()), ("b", LinearRegression())]},
    ],
    ids=["hard", "one expert", "given experts"],
)
def test_where_no_rows_can_be_shared_none_are(params):
    X, y = one_border()
    params = {"n_experts": 2, "tol": 1e-2, "random_state": 0, **params}
    assert MixtureOfExpertsRegressor(**params).fit(X, y).sharing_ == 0


def test_what_is_given_is_shared():
    X, y = one_border()
    mixture = MixtureOfExpertsRegressor(n_experts=2, sharing=0.2, tol=1e-2).fit(X, y)
    assert mixture.sharing_ == 0.2


def test_a_warm_start_that_is_to_learn_sharing_begins_with_some():
    X, y = one_border()
    mixture = MixtureOfExpertsRegressor(
        n_experts=2, sharing=0, tol=1e-2, warm_start=True, random_state=0
    ).fit(X, y)
    assert mixture.set_params(sharing="auto").fit(X, y).sharing_ > 0


def test_a_stream_shares_less_of_each_row_the_more_rows_there_are():
    X, y = one_border(n_samples=300)
    mixture = MixtureOfExpertsRegressor(SGDRegressor(), n_experts=2, random_state=0)
    first = mixture.partial_fit(X[:100], y[:100]).sharing_
    mixture.partial_fit(X[100:], y[100:])
    # All rows, as far as they are shared, are worth as many as before.
    worth = [n * s / (1 - s) for n, s in ((100, first), (300, mixture.sharing_))]
    assert worth[0] == pytest.approx(worth[1])
    assert mixture.sharing_ == pytest.approx(diluted(first, 3))
