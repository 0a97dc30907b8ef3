"""The compiled kernels compute what the textbook formulas say."""

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.special import log_softmax as scipy_log_softmax
from scipy.special import logsumexp, softmax

from sklearn_moe import kernels
from sklearn_moe.kernels import _compiled

SHAPES = [(1, 1), (1, 5), (7, 1), (50, 2), (33, 17), (64, 3)]


def layouts(array):
    """The same numbers in C order, Fortran order and read-only."""
    frozen = array.copy()
    frozen.flags.writeable = False
    return [array.copy(), np.asfortranarray(array), frozen]


def oracle_responsibilities(log_gate, log_likelihood, sample_weight):
    joint = log_gate + log_likelihood
    rows = logsumexp(joint, axis=1)
    return np.exp(joint - rows[:, np.newaxis]), rows, sample_weight @ rows


def oracle_cross_entropy(logits, targets, sample_weight):
    weights = sample_weight[:, np.newaxis]
    loss = -np.sum(weights * targets * scipy_log_softmax(logits, axis=1))
    derivative = weights * (softmax(logits, axis=1) - targets)
    return loss, derivative, scipy_log_softmax(logits, axis=1)


def oracle_assignment(scores, sample_weight, capacity, reroute):
    n_samples, n_experts = scores.shape
    assigned, room = np.full(n_samples, -1), np.full(n_experts, capacity)
    wishes = scores.copy()
    for _ in range(n_experts if reroute else 1):
        pending = np.flatnonzero(assigned < 0)
        wished = wishes[pending].argmax(axis=1)
        for k in range(n_experts):
            asking = pending[wished == k]
            for i in asking[np.argsort(-scores[asking, k], kind="stable")]:
                if sample_weight[i] <= room[k]:
                    assigned[i] = k
                    room[k] -= sample_weight[i]
                else:
                    wishes[i, k] = -np.inf
    return assigned


def oracle_choice(scores, sample_weight, capacity):
    chosen = np.zeros(scores.shape, dtype=bool)
    for k in range(scores.shape[1]):
        room = capacity
        for i in np.argsort(-scores[:, k], kind="stable"):
            if sample_weight[i] <= room:
                chosen[i, k] = True
                room -= sample_weight[i]
    return chosen


def routing_problem(shape):
    """Scores with ties, and weights whose sums are exact."""
    rng = np.random.default_rng(3)
    scores = rng.integers(0, 6, shape) / 6
    return scores, rng.integers(1, 9, shape[0]) / 4


def units_in_the_last_place(result, exact):
    """Largest error, where `exact` has more digits than a float64."""
    return np.max(np.abs(result - exact) / np.spacing(np.abs(exact).astype(float)))


needs_long_double = pytest.mark.skipif(
    np.finfo(np.longdouble).nmant < 60, reason="no numbers of more digits"
)


@needs_long_double
@given(st.floats(-708, 0))
@settings(max_examples=100)
def test_exp_is_right_to_the_last_place(x):
    exact = np.exp(np.longdouble(x))
    assert units_in_the_last_place(_compiled._exp(np.float64(x)), exact) <= 2


@needs_long_double
@given(st.floats(1, 1e6))
@settings(max_examples=100)
def test_log_is_right_to_the_last_place(x):
    exact = np.log(np.longdouble(x))
    assert units_in_the_last_place(_compiled._log(np.float64(x)), exact) <= 2


@pytest.mark.parametrize("x", [-709.0, -1e300, -np.inf])
def test_exp_of_what_leaves_the_normal_numbers_is_zero(x):
    assert _compiled._exp(np.float64(x)) == 0


def test_exp_of_nan_is_nan():
    assert np.isnan(_compiled._exp(np.float64(np.nan)))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("scale", [1.0, 1e3])
def test_log_softmax_equals_scipy(shape, scale):
    logits = scale * np.random.default_rng(0).standard_normal(shape)
    for array in layouts(logits):
        result = kernels.log_softmax(array)
        np.testing.assert_allclose(
            result, scipy_log_softmax(logits, axis=1), rtol=1e-12, atol=1e-12
        )


def test_log_softmax_rules_out_a_logit_of_minus_infinity():
    result = kernels.log_softmax(np.array([[-np.inf, 0.0, 0.0]]))
    np.testing.assert_allclose(result, [[-np.inf, -np.log(2), -np.log(2)]])


@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=5)
)
@settings(max_examples=100)
def test_weights_sum_to_one_whatever_the_size_of_the_logits(logits):
    log_weights = kernels.log_softmax(np.array([logits]))
    np.testing.assert_allclose(np.exp(log_weights).sum(), 1, rtol=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1e8, 1e12, 1e17, 3e38])
def test_large_logits_that_are_equal_have_equal_weights(size, dtype):
    log_weights = kernels.log_softmax(np.array([[size, size, 0.0]], dtype))
    np.testing.assert_allclose(np.exp(log_weights), [[0.5, 0.5, 0]], rtol=1e-6)


def test_the_log_softmax_of_a_loss_keeps_the_weights_of_large_logits():
    logits, targets = np.array([[1e17, 1e17, 0.0]]), np.array([[0.5, 0.5, 0.0]])
    loss, derivative, log_weights = kernels.softmax_cross_entropy(
        logits, targets, np.ones(1)
    )
    assert loss == pytest.approx(np.log(2))
    np.testing.assert_allclose(derivative, 0, atol=1e-15)
    np.testing.assert_allclose(np.exp(log_weights), targets)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("scale", [1.0, 1e3])
def test_responsibilities_equal_numpy(shape, scale):
    rng = np.random.default_rng(1)
    log_gate = scipy_log_softmax(scale * rng.standard_normal(shape), axis=1)
    log_likelihood = scale * rng.standard_normal(shape)
    sample_weight = rng.uniform(0, 2, shape[0])
    expected = oracle_responsibilities(log_gate, log_likelihood, sample_weight)
    for gate, likelihood in zip(layouts(log_gate), layouts(log_likelihood)):
        result = kernels.responsibilities(gate, likelihood, sample_weight)
        for ours, theirs in zip(result, expected):
            np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


@given(
    st.lists(
        st.lists(
            st.one_of(st.floats(-1e3, 1e3), st.just(-np.inf)), min_size=3, max_size=3
        ),
        min_size=1,
        max_size=20,
    ),
    st.integers(0, 1000),
)
@settings(max_examples=100)
def test_responsibilities_are_a_distribution_whatever_the_likelihoods(rows, seed):
    log_likelihood = np.array(rows)
    logits = 10 * np.random.default_rng(seed).standard_normal(log_likelihood.shape)
    posterior, row_log_likelihood, _ = kernels.responsibilities(
        kernels.log_softmax(logits), log_likelihood, np.ones(len(rows))
    )
    np.testing.assert_allclose(posterior.sum(axis=1), 1, rtol=0, atol=1e-12)
    assert (posterior >= 0).all()
    assert not np.isnan(row_log_likelihood).any()


def test_a_row_that_nobody_explains_keeps_the_gates_weights():
    log_gate = np.log([[0.25, 0.75]])
    posterior, rows, total = kernels.responsibilities(
        log_gate, np.full((1, 2), -np.inf), np.ones(1)
    )
    np.testing.assert_allclose(posterior, [[0.25, 0.75]])
    assert rows[0] == total == -np.inf


def test_a_row_of_weight_zero_adds_nothing_even_when_impossible():
    log_likelihood = np.array([[-np.inf, -np.inf], [0.0, 0.0]])
    _, _, total = kernels.responsibilities(
        np.log(np.full((2, 2), 0.5)), log_likelihood, np.array([0.0, 1.0])
    )
    assert total == pytest.approx(0)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("scale", [1.0, 1e3])
def test_cross_entropy_and_its_derivative_equal_numpy(shape, scale):
    rng = np.random.default_rng(2)
    logits = scale * rng.standard_normal(shape)
    targets = rng.dirichlet(np.ones(shape[1]), shape[0])
    sample_weight = rng.uniform(0, 2, shape[0])
    expected = oracle_cross_entropy(logits, targets, sample_weight)
    for array, soft in zip(layouts(logits), layouts(targets)):
        result = kernels.softmax_cross_entropy(array, soft, sample_weight)
        for ours, theirs in zip(result, expected):
            np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_argmax_equals_numpy(shape):
    scores, _ = routing_problem(shape)
    scores[0, 0] = -np.inf
    for array in layouts(scores):
        np.testing.assert_array_equal(kernels.argmax(array), scores.argmax(axis=1))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("factor", [0.5, 1.0, 1.25, np.inf])
@pytest.mark.parametrize("reroute", [False, True])
def test_assignment_with_capacity_equals_numpy(shape, factor, reroute):
    scores, sample_weight = routing_problem(shape)
    capacity = factor * sample_weight.sum() / shape[1]
    expected = oracle_assignment(scores, sample_weight, capacity, reroute)
    for array, weight in zip(layouts(scores), layouts(sample_weight)):
        result = kernels.assign_with_capacity(array, weight, capacity, reroute=reroute)
        np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("factor", [0.5, 1.0, 1.25, np.inf])
def test_the_choice_of_the_experts_equals_numpy(shape, factor):
    scores, sample_weight = routing_problem(shape)
    capacity = factor * sample_weight.sum() / shape[1]
    expected = oracle_choice(scores, sample_weight, capacity)
    for array, weight in zip(layouts(scores), layouts(sample_weight)):
        result = kernels.choose_rows(array, weight, capacity)
        np.testing.assert_array_equal(result, expected)


def test_bracketed_newton_finds_every_root():
    goals = np.array([-8.0, 1e-9, 1.0, 27.0, 1e12])
    lower, upper = np.full(5, -1e5), np.full(5, 2e5)
    search = np.stack([lower, upper, (lower + upper) / 2, upper - lower])
    steps = 0
    while np.any(search[0] < search[1]):
        steps += 1
        search = kernels.bracketed_newton(
            search, search[2] ** 3 - goals, 3 * search[2] ** 2, 0.0
        )
        assert steps < 200
    np.testing.assert_allclose(search[2], np.cbrt(goals), rtol=1e-12)


def test_the_crps_of_one_gaussian_is_the_known_one():
    # Gneiting and Raftery (2007), equation 21.
    rng = np.random.default_rng(0)
    mean, scale, y = rng.normal(size=(3, 7))
    scale = np.abs(scale)
    z = (y - mean) / scale
    known = scale * (
        z * (2 * stats.norm.cdf(z) - 1) + 2 * stats.norm.pdf(z) - 1 / np.sqrt(np.pi)
    )
    halves = np.full((7, 2), 0.5)
    twice = (np.column_stack([part, part]) for part in (mean, scale))
    np.testing.assert_allclose(kernels.gaussian_crps(halves, *twice, y), known)


def test_read_only_logits_are_not_overwritten():
    logits = np.zeros((2, 2))
    logits.flags.writeable = False
    kernels.softmax_cross_entropy(logits, np.eye(2), np.ones(2))
    np.testing.assert_array_equal(logits, 0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_kernels_keep_the_floating_dtype(dtype):
    logits = np.zeros((3, 2), dtype)
    assert kernels.log_softmax(logits).dtype == dtype
    assert kernels.responsibilities(logits, logits, np.ones(3))[0].dtype == dtype


def test_kernels_compute_the_same_without_the_compiler():
    """Line coverage cannot look into compiled code, so run it as plain Python."""
    if os.environ.get("NUMBA_DISABLE_JIT") == "1":
        pytest.skip("this is the inner run")
    arguments = ["-q", "-p", "no:cacheprovider", "--no-cov", __file__]
    result = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout
