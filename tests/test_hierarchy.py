"""A mixture as an expert of a mixture."""

import pickle
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_moe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor

RNG = np.random.default_rng(0)
ROWS = RNG.uniform(-1, 1, (200, 2))
QUARTER = 2 * (ROWS[:, 0] > 0) + (ROWS[:, 1] > 0)
SLOPES = np.array([[3, 0], [0, 3], [-3, 0], [0, -3]])
SUMS = np.sum(SLOPES[QUARTER] * ROWS, axis=1)
TARGETS = {
    MixtureOfExpertsRegressor: SUMS + 0.1 * RNG.standard_normal(200),
    MixtureOfExpertsClassifier: (SUMS + 0.1 * RNG.standard_normal(200) > 0.5) * 1,
}
LEAVES = {
    MixtureOfExpertsRegressor: LinearRegression(),
    MixtureOfExpertsClassifier: LogisticRegression(C=100),
}
both = pytest.mark.parametrize("Mixture", TARGETS)


def two_levels(Mixture, **params):
    inner = Mixture(LEAVES[Mixture], n_experts=2)
    params = {"n_experts": 2, "init": ROWS[:, 0] > 0, **params}
    return Mixture(inner, **params)


@both
def test_two_levels_find_four_rules(Mixture):
    y = TARGETS[Mixture]
    assert two_levels(Mixture).fit(ROWS, y).score(ROWS, y) > 0.85


def test_two_levels_find_more_than_one():
    y = TARGETS[MixtureOfExpertsRegressor]
    one = MixtureOfExpertsRegressor(n_experts=2, init=ROWS[:, 0] > 0).fit(ROWS, y)
    two = two_levels(MixtureOfExpertsRegressor).fit(ROWS, y)
    assert one.score(ROWS, y) < 0.8 < two.score(ROWS, y)


@both
def test_three_levels(Mixture):
    y = TARGETS[Mixture]
    deep = Mixture(
        two_levels(Mixture, init="tree", max_iter=5), n_experts=2, max_iter=3
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert deep.fit(ROWS, y).score(ROWS, y) > 0.8


@both
def test_the_likelihood_of_a_mixture_is_its_own_density(Mixture):
    y = TARGETS[Mixture]
    mixture = two_levels(Mixture).fit(ROWS, y)
    inner = np.column_stack([e.score_samples(ROWS, y) for e in mixture.experts_])
    joint = np.log(mixture.predict_gate(ROWS)) + inner
    expected = np.logaddexp.reduce(joint, axis=1)
    np.testing.assert_allclose(mixture.score_samples(ROWS, y), expected, atol=1e-12)
    np.testing.assert_allclose(
        mixture.responsibilities(ROWS, y), np.exp(joint - expected[:, np.newaxis])
    )
    assert mixture.log_likelihood_ == pytest.approx(expected.sum())


def test_the_objective_never_falls_where_the_leaves_are_exact():
    mixture = two_levels(MixtureOfExpertsRegressor, sharing=0, tol=1e-7)
    mixture.set_params(experts__sharing=0, experts__tol=1e-7)
    mixture.fit(ROWS, TARGETS[MixtureOfExpertsRegressor])
    assert len(mixture.objective_path_) > 2
    # The inner gates are penalised, which the outer objective does not count.
    assert np.diff(mixture.objective_path_).min() > -0.05


@both
def test_an_inner_mixture_goes_on_from_its_last_fit(Mixture):
    y = TARGETS[Mixture]
    mixture = two_levels(Mixture).fit(ROWS, y)
    # Only the first M-step has a long way to go.
    assert all(len(expert.objective_path_) < 20 for expert in mixture.experts_)
    assert not any(expert.warm_start for expert in mixture.experts_)


@both
def test_the_pieces_of_work_inside_do_not_warn(Mixture):
    mixture = two_levels(Mixture).set_params(experts__max_iter=1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        mixture.fit(ROWS, TARGETS[Mixture])
    # Once for each inner mixture, in the first M-step.
    assert len([w for w in caught if "max_iter=1 " in str(w.message)]) <= 2


@both
def test_a_pipeline_may_end_in_a_mixture(Mixture):
    y = TARGETS[Mixture]
    inner = make_pipeline(StandardScaler(), Mixture(LEAVES[Mixture], n_experts=2))
    mixture = Mixture(inner, n_experts=2, init=ROWS[:, 0] > 0).fit(ROWS, y)
    assert mixture.score(ROWS, y) > 0.9
    inner = np.column_stack(
        [e[-1].score_samples(e[:-1].transform(ROWS), y) for e in mixture.experts_]
    )
    joint = np.log(mixture.predict_gate(ROWS)) + inner
    np.testing.assert_allclose(
        mixture.score_samples(ROWS, y), np.logaddexp.reduce(joint, axis=1), atol=1e-12
    )


def test_mixtures_and_plain_experts_mix():
    y = TARGETS[MixtureOfExpertsRegressor]
    experts = [
        ("line", Ridge()),
        ("mixture", MixtureOfExpertsRegressor(LinearRegression(), n_experts=2)),
    ]
    mixture = MixtureOfExpertsRegressor(
        experts, specialize=True, cv=None, init=ROWS[:, 0] > 0
    ).fit(ROWS, y)
    assert mixture.score(ROWS, y) > 0.7
    assert np.isfinite(mixture.noise_.scale).all()
    line = mixture.noise_.log_prob(y, mixture.transform(ROWS))[:, 0]
    own = mixture.named_experts_.mixture.score_samples(ROWS, y)
    joint = np.log(mixture.predict_gate(ROWS)) + np.column_stack([line, own])
    np.testing.assert_allclose(
        mixture.score_samples(ROWS, y), np.logaddexp.reduce(joint, axis=1), atol=1e-12
    )


@both
def test_a_hierarchy_is_cloned_and_pickled(Mixture):
    mixture = two_levels(Mixture).fit(ROWS, TARGETS[Mixture])
    copy = pickle.loads(pickle.dumps(mixture))
    np.testing.assert_array_equal(copy.predict(ROWS), mixture.predict(ROWS))
    assert not hasattr(clone(mixture), "experts_")


def test_parameters_of_every_level_have_names():
    mixture = two_levels(MixtureOfExpertsRegressor)
    mixture.set_params(experts__experts__fit_intercept=False, experts__gate__alpha=0.5)
    assert mixture.experts.experts.fit_intercept is False
    assert mixture.experts.gate.alpha == 0.5
