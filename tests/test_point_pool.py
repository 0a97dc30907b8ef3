"""The pool of given experts that predicts the mean best."""

import pickle

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.special import softmax
from sklearn.base import clone
from sklearn.ensemble import StackingRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import KFold
from sklearn.neighbors import KNeighborsRegressor
from sklearn.tree import DecisionTreeRegressor

from sklearn_moe import HeteroscedasticGaussian, MixtureOfExpertsRegressor, SoftmaxGate
from sklearn_moe.gates.squared_error import Answers, learn_departure

UNLIKE = [
    ("line", Ridge()),
    ("tree", DecisionTreeRegressor(min_samples_leaf=20, random_state=0)),
    ("neighbours", KNeighborsRegressor(20)),
]
OF_EM = SoftmaxGate(alpha=0.3, clip=3.5)


def waves(n_samples, seed):
    """A line on one side and waves on the other, with noise."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-2, 2, (n_samples, 2))
    y = 2 * X[:, 0] + np.where(X[:, 1] > 0, np.sin(4 * X[:, 0]), 0)
    return X, y + rng.normal(0, 0.5, n_samples)


@pytest.fixture(scope="module")
def data():
    return waves(600, 0), waves(2000, 1)


@pytest.fixture(scope="module")
def fitted(data):
    (X, y), _ = data
    return MixtureOfExpertsRegressor(UNLIKE, random_state=0).fit(X, y)


def answers(features, predictions, y, weights=None, log_gate=0.0):
    """One output; all rows are the same where they have no weights."""
    weights = np.ones(len(y)) if weights is None else weights
    return Answers(
        features,
        predictions[..., np.newaxis],
        y[:, np.newaxis],
        weights / weights.sum(),
        np.broadcast_to(log_gate, predictions.shape),
    )


@pytest.fixture
def sides():
    """Features, two answers of which each is right on one side, and the truth."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(400, 3))
    y = rng.normal(size=400)
    wrong = rng.normal(size=(400, 2))
    right = np.column_stack([features[:, 0] > 0, features[:, 0] <= 0])
    return features, np.where(right, y[:, np.newaxis], wrong), y


def folds(n_samples):
    return list(KFold(5).split(np.empty(n_samples)))


def test_the_gradient_is_that_of_the_loss():
    rng = np.random.default_rng(0)
    known = Answers(
        rng.normal(size=(20, 3)),
        rng.normal(size=(20, 4, 2)),
        rng.normal(size=(20, 2)),
        rng.dirichlet(np.ones(20)),
        rng.normal(size=(20, 4)),
    )
    parameters, others = rng.normal(size=16), (0.3, (4, 4))
    np.testing.assert_allclose(
        known.loss(parameters, *others)[1],
        approx_fprime(parameters, lambda flat: known.loss(flat, *others)[0]),
        atol=1e-6,
    )


def test_who_is_right_where_is_learnt(sides):
    parameters = learn_departure(answers(*sides), folds(400))
    slope = parameters[0, :-1] - parameters[1, :-1]
    assert slope[0] > 5 * np.abs(slope[1:]).max()


def test_weights_are_the_same_for_all_rows_where_nothing_tells_them_apart():
    rng = np.random.default_rng(0)
    y = rng.normal(size=400)
    predictions = y[:, np.newaxis] + rng.normal(0, [1.0, 0.5], (400, 2))
    parameters = learn_departure(
        answers(rng.normal(size=(400, 3)), predictions, y), folds(400)
    )
    assert not parameters[:, :-1].any()
    # Errors of variances 1 and 1/4.
    np.testing.assert_allclose(softmax(parameters[:, -1]), [0.2, 0.8], atol=0.05)


def test_a_gate_that_no_other_beats_is_kept(sides):
    features, predictions, y = sides
    right = 100 * np.column_stack([features[:, 0], -features[:, 0]])
    known = answers(features, predictions, y, log_gate=right)
    assert not learn_departure(known, folds(400)).any()


def test_a_weight_of_two_equals_the_row_twice(sides):
    weights = np.random.default_rng(1).integers(1, 3, 400)
    twice, parts = np.repeat(np.arange(400), weights), folds(400)
    same_parts = [
        tuple(np.flatnonzero(np.isin(twice, own)) for own in part) for part in parts
    ]
    weighted = learn_departure(answers(*sides, weights), parts)
    repeated = learn_departure(answers(*(part[twice] for part in sides)), same_parts)
    np.testing.assert_allclose(weighted, repeated, rtol=0.01, atol=1e-3)


def test_the_unit_of_the_target_does_not_matter(sides):
    features, predictions, y = sides
    parameters = learn_departure(answers(*sides), folds(400))
    others = learn_departure(answers(features, 1e6 * predictions, 1e6 * y), folds(400))
    np.testing.assert_allclose(parameters, others, rtol=0.01, atol=1e-3)


def test_it_predicts_better_than_the_gate_of_em_and_as_well_as_stacking(data, fitted):
    (X, y), test = data
    density = MixtureOfExpertsRegressor(UNLIKE, gate=OF_EM, random_state=0).fit(X, y)
    stacking = StackingRegressor(UNLIKE).fit(X, y)
    assert fitted.score(*test) > density.score(*test)
    assert fitted.score(*test) > stacking.score(*test) - 0.002


def test_predictions_are_those_of_the_gate_and_of_the_distribution(data, fitted):
    X, _ = data[1]
    predicted = fitted.predict(X)
    pooled = (fitted.predict_gate(X) * fitted.transform(X)).sum(axis=1)
    np.testing.assert_allclose(predicted, pooled)
    np.testing.assert_allclose(predicted, fitted.predict_distribution(X).mean())


def test_the_noise_is_that_around_this_pool(data, fitted):
    X, y = data[1]
    low, high = fitted.predict_interval(X, 0.9).T
    assert 0.85 < np.mean((low <= y) & (y <= high)) < 0.95


def test_a_gate_of_the_user_is_that_of_em(data, fitted):
    (X, y), _ = data
    mixture = MixtureOfExpertsRegressor(UNLIKE, gate=OF_EM, random_state=0).fit(X, y)
    free = clone(mixture).set_params(calibrate=False).fit(X, y)
    np.testing.assert_array_equal(mixture.predict_gate(X), free.predict_gate(X))
    assert np.abs(mixture.predict_gate(X) - fitted.predict_gate(X)).max() > 0.01


def test_without_calibration_all_is_as_em_leaves_it(data, fitted):
    (X, y), _ = data
    mixture = clone(fitted).set_params(calibrate=False).fit(X, y)
    of_em = clone(fitted).set_params(calibrate=False, gate=OF_EM).fit(X, y)
    np.testing.assert_array_equal(mixture.predict_gate(X), of_em.predict_gate(X))


@pytest.mark.parametrize("noise", ["laplace", "student_t"])
def test_other_noise_keeps_the_gate_of_em(data, noise):
    (X, y), _ = data
    given = MixtureOfExpertsRegressor(
        UNLIKE, noise=noise, gate=OF_EM, random_state=0
    ).fit(X, y)
    mixture = MixtureOfExpertsRegressor(UNLIKE, noise=noise, random_state=0).fit(X, y)
    np.testing.assert_allclose(mixture.predict_gate(X), given.predict_gate(X))


def test_answers_of_rows_that_experts_have_seen_teach_no_pool(data):
    (X, y), _ = data
    mixture = MixtureOfExpertsRegressor(UNLIKE, cv=None, random_state=0).fit(X, y)
    given = MixtureOfExpertsRegressor(UNLIKE, cv=None, gate=OF_EM, random_state=0)
    np.testing.assert_allclose(mixture.predict_gate(X), given.fit(X, y).predict_gate(X))


def test_noise_of_a_width_for_each_row_goes_along(data):
    (X, y), test = data
    mixture = MixtureOfExpertsRegressor(
        UNLIKE, noise=HeteroscedasticGaussian(), random_state=0
    ).fit(X, y)
    np.testing.assert_allclose(
        mixture.predict(test[0]), mixture.predict_distribution(test[0]).mean()
    )


def test_frozen_experts_are_pooled_as_they_are(data):
    (X, y), test = data
    frozen = [(name, FrozenEstimator(expert.fit(*test))) for name, expert in UNLIKE]
    mixture = MixtureOfExpertsRegressor(frozen, random_state=0).fit(X, y)
    best = max(expert.score(X, y) for _, expert in frozen)
    assert mixture.score(X, y) > best


def test_several_outputs_share_a_gate(data):
    (X, y), (X_test, y_test) = data
    Y, Y_test = np.column_stack([y, -1e3 * y]), np.column_stack([y_test, -1e3 * y_test])
    mixture = MixtureOfExpertsRegressor(UNLIKE, random_state=0).fit(X, Y)
    np.testing.assert_allclose(
        mixture.predict(X_test), mixture.predict_distribution(X_test).mean()
    )
    assert mixture.score(X_test, Y_test) > 0.9


def test_a_mixture_may_be_one_of_the_experts(data):
    (X, y), test = data
    inner = MixtureOfExpertsRegressor(LinearRegression(), n_experts=2, random_state=0)
    experts = [("inner", inner), UNLIKE[1]]
    mixture = MixtureOfExpertsRegressor(experts, random_state=0).fit(X, y)
    np.testing.assert_allclose(
        mixture.predict(test[0]), mixture.predict_distribution(test[0]).mean()
    )


def test_it_is_pickled(data, fitted):
    X, _ = data[1]
    copy = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(copy.predict(X), fitted.predict(X))
