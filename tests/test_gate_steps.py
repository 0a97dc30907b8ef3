"""The steps of the softmax gate in the M-steps of EM, and the threads they take."""

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from scipy.special import softmax
from sklearn.dummy import DummyRegressor
from threadpoolctl import threadpool_info, threadpool_limits

from sklearn_moe import MixtureOfExpertsRegressor, SoftmaxGate
from sklearn_moe._parallel import in_one_blas_thread
from sklearn_moe._rows import Block, LocalRows
from sklearn_moe.gates import bind_gate
from sklearn_moe.gates._secants import MEMORY, NO_SECANTS

RNG = np.random.default_rng(0)
X = RNG.standard_normal((300, 3))
LOGITS = 2 * X @ RNG.standard_normal((3, 4))
TARGETS = softmax(LOGITS, axis=1)
MOVED = softmax(1.2 * LOGITS + 0.3, axis=1)


def bound_to(X, n_experts=4, alpha=1e-2):
    rows = LocalRows(Block(X, None, None, np.ones(X.shape[0])))
    return bind_gate(SoftmaxGate(alpha), rows, n_experts, random_state=None)


def objective_at(bound, fitted, targets):
    """The penalised mean cross-entropy of a fit."""
    log_weights = np.log(bound.estimator(fitted, np.arange(4)).predict_proba(X))
    return bound.penalty(fitted) - np.sum(targets * log_weights) / len(X)


def m_steps(bound, targets, start=None):
    """Fits of one M-step after the other."""
    for own in targets:
        start, _ = bound.fit(own, start)
        yield start


# What steps have shown of the curvature
# --------------------------------------


@given(
    seed=st.integers(0, 1000),
    n_steps=st.integers(1, MEMORY + 3),
    ridge=st.sampled_from([0.0, 1e-3, 1.0]),
)
def test_along_the_last_step_the_direction_is_that_of_newton(seed, n_steps, ridge):
    rng = np.random.default_rng(seed)
    root = rng.standard_normal((6, 6))
    curvature, ridge = root @ root.T + np.eye(6), np.full(3, ridge)
    secants = NO_SECANTS
    for _ in range(n_steps):
        step = rng.standard_normal((2, 3))
        change = (curvature @ step.ravel()).reshape(2, 3)
        secants = secants.with_step(step, change)
    direction = secants.direction(change + ridge * step, ridge, np.positive)
    np.testing.assert_allclose(direction, step, rtol=1e-7, atol=1e-9)


def test_as_many_steps_are_remembered_as_there_is_room_for():
    secants = NO_SECANTS
    for number in range(MEMORY + 2):
        secants = secants.with_step(number, number)
    assert secants.pairs[0] == (2, 2)
    assert len(secants.pairs) == MEMORY


def test_a_step_without_positive_curvature_is_left_out():
    step, gradient = np.ones((2, 3)), np.arange(6.0).reshape(2, 3)
    secants = NO_SECANTS.with_step(step, -step)
    direction = secants.direction(gradient, np.zeros(3), np.positive)
    np.testing.assert_array_equal(direction, gradient)


# M-steps
# -------


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("alpha", [1e-4, 1e-2])
def test_m_steps_for_the_same_targets_end_where_a_fit_does(container, alpha):
    whole = SoftmaxGate(alpha).fit(container(X), TARGETS)
    bound = bound_to(container(X), alpha=alpha)
    *_, last = m_steps(bound, [TARGETS] * 30)
    gate = bound.estimator(last, np.arange(4))
    np.testing.assert_allclose(gate.coef_, whole.coef_, atol=1e-5)
    np.testing.assert_allclose(gate.intercept_, whole.intercept_, atol=1e-5)


def test_many_columns_are_fitted_without_a_factorisation(monkeypatch):
    whole = SoftmaxGate(1e-2).fit(X, TARGETS)
    monkeypatch.setattr("sklearn_moe.gates._objective.MAX_DENSE_HESSIAN", 0)
    bound = bound_to(X)
    *_, last = m_steps(bound, [TARGETS] * 30)
    gate = bound.estimator(last, np.arange(4))
    np.testing.assert_allclose(gate.coef_, whole.coef_, atol=1e-5)


def test_no_m_step_makes_the_objective_worse():
    bound = bound_to(X)
    before = None
    for targets in softmax(RNG.standard_normal((8, 300, 4)), axis=2):
        start, _ = bound.fit(targets, before)
        if before is not None:
            reached, begun = (objective_at(bound, f, targets) for f in (start, before))
            assert reached <= begun + 1e-12
        before = start


def test_what_was_seen_of_the_curvature_holds_for_other_targets(monkeypatch):
    monkeypatch.setattr("sklearn_moe.gates.bound_softmax.MOST_STEPS", 1)
    bound = bound_to(X)
    *_, last = m_steps(bound, [TARGETS] * 20)
    assert last.secants.pairs
    knowing, _ = bound.fit(MOVED, last)
    ignorant, _ = bound.fit(MOVED, bound.recall(bound.estimator(last, np.arange(4))))
    assert objective_at(bound, knowing, MOVED) < objective_at(bound, ignorant, MOVED)


def test_a_class_that_no_row_wants_has_no_weight_after_one_m_step():
    bound = bound_to(X)
    *_, last = m_steps(bound, [TARGETS] * 3)
    targets = np.where([True, False, True, True], TARGETS, 0)
    targets /= targets.sum(axis=1, keepdims=True)
    fitted, log_weights = bound.fit(targets, last)
    assert np.exp(log_weights[:, 1]).max() < 1e-9
    # And it can have some again.
    *_, last = m_steps(bound, [TARGETS] * 30, fitted)
    gate = bound.estimator(last, np.arange(4))
    whole = SoftmaxGate(1e-2).fit(X, TARGETS)
    np.testing.assert_allclose(gate.predict_proba(X), whole.predict_proba(X), atol=1e-4)


# Threads
# -------


def n_blas_threads():
    return {
        own["num_threads"] for own in threadpool_info() if own["user_api"] == "blas"
    }


def test_blas_has_one_thread_within_and_what_it_had_after():
    with threadpool_limits(2, user_api="blas"):
        assert in_one_blas_thread(n_blas_threads)() == {1}
        assert n_blas_threads() == {2}


def test_an_error_within_restores_the_threads():
    def fail():
        raise ZeroDivisionError

    with threadpool_limits(2, user_api="blas"):
        with pytest.raises(ZeroDivisionError):
            in_one_blas_thread(fail)()
        assert n_blas_threads() == {2}


def test_other_threads_than_the_main_one_leave_blas_alone():
    found = []
    within = in_one_blas_thread(lambda: found.append(n_blas_threads()))
    with threadpool_limits(2, user_api="blas"):
        other = threading.Thread(target=within)
        other.start()
        other.join()
    assert found == [{2}]


def test_experts_of_users_have_all_threads():
    class Watched(DummyRegressor):
        def fit(self, X, y, sample_weight=None):
            found.append(n_blas_threads())
            return super().fit(X, y, sample_weight)

    found, y = [], X[:, 0]
    with threadpool_limits(2, user_api="blas"):
        MixtureOfExpertsRegressor(Watched(), 2, random_state=0, tol=0.1).fit(X, y)
    assert found
    assert all(own == {2} for own in found)
