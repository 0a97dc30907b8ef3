"""What a fit holds in memory: a few arrays of one number for each row and expert."""

import tracemalloc

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_moe import (
    MixtureOfExpertsClassifier,
    MixtureOfExpertsRegressor,
    SoftmaxGate,
    kernels,
)
from sklearn_moe._rows import TrainingWeights

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

N_SAMPLES, N_EXPERTS = 60_000, 16


class Mean(RegressorMixin, BaseEstimator):
    """An expert that needs next to no memory."""

    def fit(self, X, y, sample_weight=None):
        self.mean_ = np.average(y, weights=sample_weight)
        return self

    def predict(self, X):
        return np.full(len(X), self.mean_)


class Share(ClassifierMixin, BaseEstimator):
    """The same for two classes."""

    def fit(self, X, y, sample_weight=None):
        self.classes_ = np.unique(y)
        self.share_ = np.average(y == self.classes_[1], weights=sample_weight)
        return self

    def predict_proba(self, X):
        return np.tile([1 - self.share_, self.share_], (len(X), 1))


def peak(mixture, X, y):
    """Most memory that a fit holds at a time, in arrays of (n_samples, n_experts)."""
    # What is loaded and compiled once is not counted.
    mixture.fit(X[:500], y[:500])
    tracemalloc.start()
    try:
        mixture.fit(X, y)
        return tracemalloc.get_traced_memory()[1] / (8 * N_SAMPLES * N_EXPERTS)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("sharing", [0.05, 0.0])
@pytest.mark.parametrize("max_iter", [2, 6])
def test_a_fit_holds_no_more_than_five_arrays_however_long_it_takes(sharing, max_iter):
    X = np.random.default_rng(0).uniform(-1, 1, (N_SAMPLES, 1))
    y = np.sin(9 * X[:, 0])
    mixture = MixtureOfExpertsRegressor(
        Mean(), N_EXPERTS, sharing=sharing, max_iter=max_iter, tol=0, random_state=0
    )
    assert peak(mixture, X, y) < 5


def test_a_classifier_holds_as_many_more_as_experts_predict_classes():
    X = np.random.default_rng(0).uniform(-1, 1, (N_SAMPLES, 1))
    mixture = MixtureOfExpertsClassifier(
        Share(), N_EXPERTS, acceleration=None, max_iter=3, tol=0, random_state=0
    )
    assert peak(mixture, X, np.sin(9 * X[:, 0]) > 0) < 7


def test_acceleration_holds_the_responsibilities_of_two_iterations_more():
    X = np.random.default_rng(0).uniform(-1, 1, (N_SAMPLES, 1))
    mixture = MixtureOfExpertsClassifier(
        Share(), N_EXPERTS, max_iter=4, tol=0, random_state=0
    )
    assert peak(mixture, X, np.sin(9 * X[:, 0]) > 0) < 11


def test_training_weights_are_the_columns_of_their_array():
    rng = np.random.default_rng(0)
    fractions, working_weights = rng.random((2, 7, 3))
    sample_weight = rng.random(7)
    weights = TrainingWeights(fractions, sample_weight, 0.2, working_weights)
    expected = sample_weight[:, np.newaxis] * (0.8 * fractions + 0.2 / 3)
    expected *= working_weights
    np.testing.assert_allclose(np.asarray(weights), expected)
    np.testing.assert_array_equal(weights.of(1), np.asarray(weights)[:, 1])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_responsibilities_may_take_the_place_of_the_gates_weights(dtype):
    log_gate, log_prob = np.random.default_rng(0).normal(size=(2, 50, 3)).astype(dtype)
    log_prob[3] = -np.inf
    log_gate = kernels.log_softmax(log_gate)
    expected = kernels.responsibilities(log_gate, log_prob, np.ones(50))
    found = kernels.responsibilities(
        log_gate, log_prob, np.ones(50), overwrite_gate=True
    )
    for a, b in zip(found, expected):
        np.testing.assert_array_equal(a, b)
    assert np.shares_memory(found[0], log_gate)


def test_read_only_weights_of_a_gate_are_not_overwritten():
    log_gate = np.log(np.full((4, 2), 0.5))
    log_gate.flags.writeable = False
    kernels.responsibilities(
        log_gate, np.zeros((4, 2)), np.ones(4), overwrite_gate=True
    )
    np.testing.assert_array_equal(log_gate, np.log(0.5))


# Rows belong to the user
# -----------------------

ROWS = np.random.default_rng(0).normal(5, 3, (200, 2))
Y = np.abs(ROWS[:, 0] - 5)


def scaled(last, *, copy):
    return make_pipeline(StandardScaler(copy=copy), last)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_experts_that_overwrite_their_rows_get_rows_of_their_own(n_jobs):
    def predictions(copy):
        X = ROWS.copy()
        experts = [
            ("scaled", scaled(Ridge(copy_X=copy), copy=copy)),
            ("plain", Ridge(2, copy_X=copy)),
        ]
        mixture = MixtureOfExpertsRegressor(
            experts, specialize=True, max_iter=4, n_jobs=n_jobs, random_state=0
        )
        predicted = mixture.fit(X, Y).predict(X)
        np.testing.assert_array_equal(X, ROWS)
        return predicted

    np.testing.assert_allclose(predictions(copy=False), predictions(copy=True))


@pytest.mark.parametrize("combination", ["weighted", "argmax"])
def test_so_does_a_gate(combination):
    X = ROWS.copy()
    gate = scaled(SoftmaxGate(), copy=False)
    mixture = MixtureOfExpertsRegressor(
        n_experts=2, gate=gate, combination=combination, random_state=0
    )
    mixture.fit(X, Y).predict(X)
    np.testing.assert_array_equal(X, ROWS)
