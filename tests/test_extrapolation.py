"""What is predicted for rows far from all that experts have learnt from."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import Ridge, SGDRegressor

from sklearn_moe import MixtureOfExpertsRegressor, SoftmaxGate
from sklearn_moe._extrapolation import hold
from sklearn_moe._statistics import TargetMoments

FAR = np.array([[-50.0], [50.0]])


class Line(RegressorMixin, BaseEstimator):
    """A line that is known, through the origin."""

    def __init__(self, slope=1.0):
        self.slope = slope

    def fit(self, X, y):
        self.n_features_in_ = np.shape(X)[1]
        return self

    def predict(self, X):
        return self.slope * np.asarray(X, dtype=np.float64)[:, 0]

    def __sklearn_is_fitted__(self):
        return True


def lines(*slopes):
    return [(f"line{k}", FrozenEstimator(Line(s))) for k, s in enumerate(slopes)]


def rows(n_samples=200):
    return np.linspace(-1, 1, n_samples).reshape(-1, 1)


@pytest.fixture(scope="module")
def disagreeing():
    """Experts of which each rules one half: targets are between 0 and 1."""
    X = rows()
    gate = SoftmaxGate(alpha=1e-4)
    experts = lines(-1.0, 1.0)
    return MixtureOfExpertsRegressor(experts, gate=gate).fit(X, np.abs(X[:, 0]))


def test_where_experts_disagree_predictions_stay_near_the_targets(disagreeing):
    np.testing.assert_allclose(disagreeing.predict(FAR), 1.1, atol=0.01)


def test_experts_are_believed_freely_if_so_wanted(disagreeing):
    free = clone(disagreeing).set_params(extrapolation="free")
    free.fit(rows(), np.abs(rows()[:, 0]))
    np.testing.assert_allclose(free.predict(FAR), 50, rtol=1e-6)


def test_it_may_be_set_after_the_fit(disagreeing):
    held = disagreeing.predict(FAR)
    disagreeing.set_params(extrapolation="free")
    free = disagreeing.predict(FAR)
    disagreeing.set_params(extrapolation="agreed")
    assert (free > held + 40).all()


@pytest.mark.parametrize("noise", [0.02, 0.1])
def test_a_line_of_all_experts_goes_on(noise):
    X = rows()
    y = X[:, 0] + np.random.default_rng(0).normal(0, noise, len(X))
    mixture = MixtureOfExpertsRegressor(n_experts=2, random_state=0).fit(X, y)
    np.testing.assert_allclose(mixture.predict([[-10], [10]]), [-10, 10], rtol=0.2)


def test_experts_agree_where_none_is_more_than_twice_as_far_as_another():
    values = np.array([[5.0, 10.0], [5.0, 10.1], [-10.0, -5.0], [-5.0, 5.0]])
    held = hold(values, -1.0, 1.0, np.array([True, True]))
    np.testing.assert_array_equal(held, [[5, 10], [1, 1], [-10, -5], [-1, 1]])


def test_one_expert_has_nobody_to_disagree_with():
    X = rows()
    mixture = MixtureOfExpertsRegressor(Ridge(), n_experts=1).fit(X, X[:, 0])
    expert = mixture.experts_[0]
    np.testing.assert_allclose(mixture.predict(FAR), expert.predict(FAR))


def test_a_retired_expert_is_not_asked(disagreeing):
    mixture = clone(disagreeing).fit(rows(), np.abs(rows()[:, 0]))
    mixture._active_ = np.array([False, True])
    np.testing.assert_allclose(mixture.predict(FAR[1:]), 50)


@pytest.mark.parametrize(
    "params", [{}, {"combination": "argmax"}, {"top_k": 1}, {"extrapolation": "free"}]
)
def test_distribution_and_intervals_are_those_of_the_prediction(disagreeing, params):
    mixture = clone(disagreeing).set_params(**params)
    mixture.fit(rows(), np.abs(rows()[:, 0]))
    X = np.vstack([FAR, rows(5)])
    distribution = mixture.predict_distribution(X)
    np.testing.assert_allclose(distribution.mean(), mixture.predict(X), rtol=1e-10)
    low, high = mixture.predict_interval(X).T
    assert (low < mixture.predict(X)).all()
    assert (mixture.predict(X) < high).all()


def test_so_is_the_density(disagreeing):
    y = np.array([1.0, 2.0])
    np.testing.assert_allclose(
        disagreeing.score_samples(FAR, y),
        disagreeing.predict_distribution(FAR).logpdf(y),
    )


def test_predictions_among_the_targets_are_left_as_they_are(disagreeing):
    X = rows()
    weights, answers = disagreeing.predict_gate(X), disagreeing.transform(X)
    np.testing.assert_allclose(disagreeing.predict(X), (weights * answers).sum(axis=1))


def test_transform_is_what_experts_say_themselves(disagreeing):
    np.testing.assert_array_equal(disagreeing.transform(FAR), [[50, -50], [-50, 50]])


def test_each_output_has_its_own_range():
    X = rows()
    Y = np.column_stack([np.abs(X[:, 0]), X[:, 0]])
    gate = SoftmaxGate(alpha=1e-4)
    mixture = MixtureOfExpertsRegressor(
        n_experts=2, gate=gate, sharing=0, random_state=0
    ).fit(X, Y)
    predicted = mixture.predict(FAR)
    np.testing.assert_allclose(predicted[:, 0], 1.1, rtol=0.01)
    np.testing.assert_allclose(predicted[:, 1], [-50, 50], rtol=0.2)
    np.testing.assert_allclose(mixture.predict_distribution(FAR).mean(), predicted)


@pytest.mark.parametrize("noise", ["lognormal", "gamma", "laplace"])
def test_whatever_the_noise(noise):
    X = rows()
    y = np.abs(X[:, 0]) + 10
    experts = [
        (f"e{k}", FrozenEstimator(Ridge(1e-6).fit(X, 10 + slope * X[:, 0])))
        for k, slope in enumerate((-1, 1))
    ]
    gate = SoftmaxGate(alpha=1e-4)
    mixture = MixtureOfExpertsRegressor(experts, gate=gate, noise=noise).fit(X, y)
    np.testing.assert_allclose(mixture.predict(FAR), 11.1, rtol=0.01)
    np.testing.assert_allclose(
        mixture.predict_distribution(FAR).mean(), mixture.predict(FAR)
    )


@pytest.mark.parametrize("container", [pd.DataFrame, sparse.csr_array])
def test_whatever_holds_the_rows(container):
    X = rows()
    gate = SoftmaxGate(alpha=1e-4)
    mixture = MixtureOfExpertsRegressor(
        n_experts=2, gate=gate, sharing=0, random_state=0
    ).fit(container(X), np.abs(X[:, 0]))
    np.testing.assert_allclose(mixture.predict(container(FAR)), 1.1, rtol=0.01)


def test_single_precision_stays():
    X = rows().astype(np.float32)
    mixture = MixtureOfExpertsRegressor(n_experts=2, random_state=0)
    mixture.fit(X, np.abs(X[:, 0]))
    predicted = mixture.predict(FAR.astype(np.float32))
    assert predicted.dtype == np.float32
    assert (predicted < 2).all()


def test_a_row_without_weight_does_not_widen_the_range():
    X = np.vstack([rows(), [[1.0]]])
    y = np.append(np.abs(rows()[:, 0]), 1000.0)
    weights = np.append(np.ones(200), 0.0)
    mixture = MixtureOfExpertsRegressor(lines(-1.0, 1.0)).fit(X, y, weights)
    assert (mixture.predict(FAR) < 1.2).all()


def test_the_range_of_rows_in_many_places_is_that_of_all():
    y = np.random.default_rng(0).normal(size=(100, 2))
    weights = np.ones(100)
    parts = [
        TargetMoments.of(y[rows], weights[rows]) for rows in (slice(60), slice(60, 100))
    ]
    both = 0.5 * parts[0] + parts[1]
    np.testing.assert_array_equal(both.least, y.min(axis=0))
    np.testing.assert_array_equal(both.largest, y.max(axis=0))


def test_a_stream_widens_the_range():
    X = rows()
    mixture = MixtureOfExpertsRegressor(
        SGDRegressor(random_state=0), n_experts=2, random_state=0
    )
    mixture.partial_fit(X, np.abs(X[:, 0]))
    mixture.partial_fit(X, 3 * np.abs(X[:, 0]))
    np.testing.assert_allclose(mixture._target_range_, [0, 3], atol=0.02)


def test_a_stream_after_a_fit_widens_the_range_of_the_fit():
    X = rows()
    mixture = MixtureOfExpertsRegressor(
        SGDRegressor(random_state=0), n_experts=2, random_state=0
    )
    mixture.fit(X, 3 * np.abs(X[:, 0]))
    mixture.partial_fit(X, X[:, 0])
    np.testing.assert_allclose(mixture._target_range_, [-1, 3], atol=0.02)


def test_an_impossible_row_does_not_ruin_the_score():
    rng = np.random.default_rng(0)
    length = rng.uniform(1, 4, 2000)
    width = length + rng.normal(0, 0.05, 2000)
    X = np.column_stack([length, width])
    y = 3 * np.log(length) + rng.normal(0, 0.05, 2000)
    mixture = MixtureOfExpertsRegressor(n_experts=4, random_state=0)
    mixture.fit(X[:1500], y[:1500])
    impossible = X[1500:].copy()
    impossible[0, 1] = 60.0
    assert mixture.score(impossible, y[1500:]) > 0.95
    mixture.set_params(extrapolation="free")
    assert mixture.score(impossible, y[1500:]) < 0.9


def test_an_unknown_rule_is_refused_after_the_fit_too(disagreeing):
    disagreeing.set_params(extrapolation="never")
    with pytest.raises(ValueError, match=r"extrapolation.*'agreed'.*'never'"):
        disagreeing.predict(FAR)
    disagreeing.set_params(extrapolation="agreed")
