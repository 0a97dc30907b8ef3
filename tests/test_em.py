"""The EM algorithm alone, with experts and gates of a few lines."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sklearn_moe._contracts import Experts
from sklearn_moe._rows import Block, LocalRows
from sklearn_moe._statistics import Moments
from sklearn_moe.em import Learners, expectation_maximization
from sklearn_moe.em.dead_experts import MAX_REVIVALS
from sklearn_moe.gates import SoftmaxGate, bind_gate
from sklearn_moe.likelihoods import GaussianNoise, NoiseLikelihood


class Lines(Experts):
    """Experts that are least-squares fits to the columns of X, exact maximisers."""

    def __init__(self, X, y):
        self.X, self.y = X, y

    def fit(self, weights, active, previous):
        roots = np.sqrt(weights)
        coefs = [
            np.linalg.lstsq(r[:, None] * self.X, r * self.y, rcond=None)[0]
            for r in roots.T
        ]
        return coefs, self.X @ np.transpose(coefs)


class Proportions:
    """A gate that gives every row the same weights."""

    learns_penalty = False

    def __init__(self, sample_weight):
        self.sample_weight = sample_weight

    def fit(self, responsibilities, previous, learn_penalty=True):
        share = np.average(responsibilities, axis=0, weights=self.sample_weight)
        log_share = np.log(np.maximum(share, 1e-300))
        return share, np.tile(log_share, (len(responsibilities), 1))

    def penalty(self, fitted, ahead=False):
        return 0.0


def two_lines(n_samples, seed, noise=0.3):
    rng = np.random.default_rng(seed)
    x = rng.uniform(-2, 2, n_samples)
    upper = rng.random(n_samples) < 1 / (1 + np.exp(-2 * x))
    y = np.where(upper, 2 + x, -1 - 2 * x) + noise * rng.standard_normal(n_samples)
    return np.column_stack([np.ones(n_samples), x]), y


def rows_of(X, y, sample_weight=None):
    weights = np.ones(len(y)) if sample_weight is None else sample_weight
    return LocalRows(Block(X, y, y, weights))


def noise_of(rows):
    block = rows.block
    return NoiseLikelihood(GaussianNoise(), Moments.of(block.y, block.sample_weight))


def softmax_on_last_column(rows, n_experts, alpha="auto"):
    block = rows.block
    seen = LocalRows(Block(block.X[:, 1:], block.y, block.y, block.sample_weight))
    return bind_gate(SoftmaxGate(alpha), seen, n_experts, random_state=None)


def run(rows, gate, n_experts, *, sharing, seed=0, tol=1e-8):
    block, rng = rows.block, np.random.default_rng(seed)
    iterations = expectation_maximization(
        rows,
        Learners(Lines(block.X, block.y), noise_of(rows), gate),
        rng.dirichlet(np.ones(n_experts), rows.n_samples),
        sharing=sharing,
        tol=tol,
    )
    return list(itertools.islice(iterations, 300))


@given(
    n_samples=st.integers(30, 150),
    n_experts=st.integers(1, 5),
    sharing=st.sampled_from([0.0, 0.05, 0.5]),
    alpha=st.sampled_from([0.0, 1e-3, 1.0]),
    seed=st.integers(0, 10_000),
)
@settings(max_examples=40)
def test_the_penalised_objective_never_decreases(
    n_samples, n_experts, sharing, alpha, seed
):
    X, y = two_lines(n_samples, seed)
    weights = np.random.default_rng(seed).uniform(0.1, 3, n_samples)
    rows = rows_of(X, y, weights)
    gate = softmax_on_last_column(rows, n_experts, alpha)
    iterations = run(rows, gate, n_experts, sharing=sharing, seed=seed)
    # Reinitialising a dead expert is a new start; the law is about EM proper.
    changes = [
        iteration.change for iteration in iterations if np.isfinite(iteration.change)
    ]
    assert min(changes, default=0) >= -1e-9


def test_responsibilities_are_those_of_the_returned_estimates():
    X, y = two_lines(100, 0)
    last = run(rows_of(X, y), Proportions(np.ones(100)), 2, sharing=0.05)[-1]
    estimates, posterior = last.estimates, last.posterior
    outputs = X @ np.transpose(estimates.experts)
    joint = np.log(estimates.gate) + estimates.likelihood.log_prob(y, outputs, None)
    expected = np.exp(joint - np.logaddexp.reduce(joint, axis=1, keepdims=True))
    np.testing.assert_allclose(posterior.responsibilities, expected, atol=1e-12)
    np.testing.assert_allclose(posterior.share, expected.mean(axis=0))
    log_likelihood = np.logaddexp.reduce(joint, axis=1).sum()
    assert posterior.log_likelihood == pytest.approx(log_likelihood)


def test_without_penalties_the_objective_is_the_log_likelihood():
    X, y = two_lines(100, 0)
    for iteration in run(rows_of(X, y), Proportions(np.ones(100)), 2, sharing=0):
        assert iteration.objective == iteration.posterior.log_likelihood


def test_sharing_adds_the_log_density_of_every_expert_to_the_objective():
    X, y = two_lines(100, 0)
    last = run(rows_of(X, y), Proportions(np.ones(100)), 2, sharing=0.2)[-1]
    outputs = X @ np.transpose(last.estimates.experts)
    log_prob = last.estimates.likelihood.log_prob(y, outputs, None)
    expected = last.posterior.log_likelihood + 0.2 / (2 * 0.8) * log_prob.sum()
    assert last.objective == pytest.approx(expected)


def test_the_penalty_of_the_gate_is_counted_per_unit_of_weight():
    X, y = two_lines(100, 0)
    rows = rows_of(X, y, np.full(100, 2.0))
    last = run(rows, softmax_on_last_column(rows, 2, alpha=0.1), 2, sharing=0)[-1]
    slopes = last.estimates.gate.parameters[:, 0]
    assert slopes.any()
    # Two classes: the penalty is that of their one logit.
    penalty = 200 * 0.1 * np.sum(slopes**2)
    assert last.objective == pytest.approx(last.posterior.log_likelihood - penalty)


def test_it_stops_when_the_change_is_below_the_tolerance():
    X, y = two_lines(100, 0)
    gate = Proportions(np.ones(100))
    iterations = run(rows_of(X, y), gate, 2, sharing=0.05, tol=1e-5)
    assert iterations[-1].converged
    assert 0 <= iterations[-1].change < 1e-5
    assert all(
        iteration.change >= 1e-5 and not iteration.converged
        for iteration in iterations[:-1]
    )


def test_it_recovers_two_lines():
    X, y = two_lines(500, 0, noise=0.05)
    rows = rows_of(X, y)
    last = run(rows, softmax_on_last_column(rows, 2), 2, sharing=0, seed=1)[-1]
    coefs = sorted(coef.tolist() for coef in last.estimates.experts)
    np.testing.assert_allclose(coefs, [[-1, -2], [2, 1]], atol=0.05)
    np.testing.assert_allclose(last.estimates.likelihood.scale_, 0.05, atol=0.01)


def test_scaling_the_weights_scales_the_objective():
    X, y = two_lines(80, 3)
    gate = Proportions(np.ones(80))
    once = run(rows_of(X, y), gate, 2, sharing=0.05)
    thrice = run(rows_of(X, y, np.full(80, 3.0)), gate, 2, sharing=0.05)
    np.testing.assert_allclose(
        [3 * iteration.objective for iteration in once],
        [iteration.objective for iteration in thrice],
    )


class OneSidedGate(Proportions):
    """A gate that never trusts its last expert."""

    def fit(self, responsibilities, previous, learn_penalty=True):
        log_share = np.array([0.0, -200.0])
        return np.exp(log_share), np.tile(log_share, (len(responsibilities), 1))


def test_an_expert_that_dies_again_and_again_is_retired():
    rows = rows_of(*two_lines(60, 0))
    iterations = run(rows, OneSidedGate(np.ones(60)), 2, sharing=0, tol=1e-12)
    last = iterations[-1]
    np.testing.assert_array_equal(last.active, [True, False])
    expected = np.tile([1.0, 0.0], (60, 1))
    np.testing.assert_allclose(last.posterior.responsibilities, expected)
    assert sum(np.isinf(i.change) for i in iterations) == 1 + MAX_REVIVALS
    assert last.converged


def test_an_expert_that_begins_with_next_to_nothing_is_fitted_once_at_least():
    X, y = two_lines(60, 0)
    rows = rows_of(X, y)
    iterations = expectation_maximization(
        rows,
        Learners(Lines(X, y), noise_of(rows), Proportions(np.ones(60))),
        np.tile([1 - 1e-9, 1e-9], (60, 1)),
        sharing=0,
        tol=1e-8,
    )
    assert next(iterations).active.all()


def test_a_reinitialised_expert_is_given_the_rows_explained_worst():
    X, y = two_lines(60, 0)
    y[:6] += 50
    received = []

    class Watched(Lines):
        def fit(self, weights, active, previous):
            received.append(weights.of(1))
            return super().fit(weights, active, previous)

    rows = rows_of(X, y)
    iterations = expectation_maximization(
        rows,
        Learners(Watched(X, y), noise_of(rows), OneSidedGate(np.ones(60))),
        np.full((60, 2), 0.5),
        sharing=0,
        tol=1e-8,
    )
    next(iterations)
    next(iterations)
    worst = np.flatnonzero(received[1] > 0.4)
    assert set(range(6)) <= set(worst)
    assert len(worst) == 15
