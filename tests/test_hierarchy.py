"""A mixture as an expert of a mixture."""

import functools
import pickle
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import KFold
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeRegressor

from sklearn_moe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor
from sklearn_moe._estimators import WeightedFit, last_step

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


piped_too = pytest.mark.parametrize("piped", [False, True], ids=["plain", "piped"])


def two_levels(Mixture, piped=False, inner_params=None, **params):
    inner = Mixture(LEAVES[Mixture], n_experts=2, tol=1e-2)
    inner.set_params(**(inner_params or {}))
    if piped:
        inner = make_pipeline(StandardScaler(), inner)
    params = {"n_experts": 2, "init": ROWS[:, 0] > 0, "tol": 1e-2, **params}
    return Mixture(inner, **params)


@functools.cache
def fitted(Mixture, *, piped):
    """Two levels that many tests look at, and none changes."""
    mixture = two_levels(Mixture, piped, {"tol": 1e-3})
    return mixture.fit(ROWS, TARGETS[Mixture])


@both
def test_two_levels_find_four_rules(Mixture):
    assert fitted(Mixture, piped=False).score(ROWS, TARGETS[Mixture]) > 0.85


def test_two_levels_find_more_than_one():
    y = TARGETS[MixtureOfExpertsRegressor]
    one = MixtureOfExpertsRegressor(n_experts=2, init=ROWS[:, 0] > 0).fit(ROWS, y)
    two = fitted(MixtureOfExpertsRegressor, piped=False)
    assert one.score(ROWS, y) < 0.85 < two.score(ROWS, y)


@both
def test_three_levels(Mixture):
    y = TARGETS[Mixture]
    deep = Mixture(
        two_levels(Mixture, inner_params={"max_iter": 5}, init="tree", max_iter=3),
        n_experts=2,
        max_iter=2,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert deep.fit(ROWS, y).score(ROWS, y) > 0.8


@both
def test_the_likelihood_of_a_mixture_is_its_own_density(Mixture):
    y, mixture = TARGETS[Mixture], fitted(Mixture, piped=False)
    inner = np.column_stack([e.score_samples(ROWS, y) for e in mixture.experts_])
    joint = np.log(mixture.predict_gate(ROWS)) + inner
    expected = np.logaddexp.reduce(joint, axis=1)
    np.testing.assert_allclose(mixture.score_samples(ROWS, y), expected, atol=1e-12)
    np.testing.assert_allclose(
        mixture.responsibilities(ROWS, y),
        np.exp(joint - expected[:, np.newaxis]),
        atol=1e-12,
    )
    assert mixture.log_likelihood_ == pytest.approx(expected.sum())


def test_the_objective_never_falls_where_the_leaves_are_exact():
    # A penalty of the inner gates would not be counted by the outer objective.
    inner_params = {"sharing": 0, "tol": 1e-9, "gate__alpha": 1e-6}
    mixture = two_levels(
        MixtureOfExpertsRegressor, inner_params=inner_params, sharing=0, tol=1e-4
    )
    mixture.fit(ROWS, TARGETS[MixtureOfExpertsRegressor])
    assert len(mixture.objective_path_) > 3
    assert np.diff(mixture.objective_path_).min() > -1e-6


@both
@piped_too
def test_an_inner_mixture_goes_on_from_its_last_fit(Mixture, piped):
    mixture = fitted(Mixture, piped=piped)
    # Only the first M-step has a long way to go.
    assert all(last_step(expert).n_iter_ <= 5 for expert in mixture.experts_)


@both
@pytest.mark.parametrize(
    ("piped", "warm_start"), [(False, False), (False, True), (True, False)]
)
def test_going_on_leaves_the_parameters_of_the_inner_mixture(
    Mixture, piped, warm_start
):
    mixture = two_levels(Mixture, piped, {"warm_start": warm_start}, tol=0.1)
    mixture.fit(ROWS, TARGETS[Mixture])
    assert {last_step(e).warm_start for e in mixture.experts_} == {warm_start}


def test_a_pipeline_that_makes_other_columns_begins_anew():
    y = TARGETS[MixtureOfExpertsRegressor]
    colours = np.array(["blue", "green", "red"])[np.arange(200) % 3].reshape(-1, 1)
    columns = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    inner = MixtureOfExpertsRegressor(LinearRegression(), n_experts=2)
    expert = WeightedFit(make_pipeline(columns, inner), np.random.RandomState(0))
    three = expert.fit(colours, y, np.ones(200))
    without_red = np.where(colours[:, 0] == "red", 0.0, 1.0)
    two = expert.fit(colours, y, without_red, previous=three)
    anew = expert.fit(colours, y, without_red)
    assert (three[-1].n_features_in_, two[-1].n_features_in_) == (3, 2)
    np.testing.assert_array_equal(two.predict(colours), anew.predict(colours))


def warnings_of(mixture, X, y, about):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        mixture.fit(X, y)
    return [str(w.message) for w in caught if about in str(w.message)]


@both
@piped_too
def test_each_inner_mixture_warns_once_of_slow_convergence(Mixture, piped):
    mixture = two_levels(Mixture, piped, {"max_iter": 1, "tol": 0})
    # In the end inner ones may have found nothing better any more.
    mixture.set_params(max_iter=3)
    told = warnings_of(mixture, ROWS, TARGETS[Mixture], "max_iter=1 ")
    assert mixture.n_iter_ > 1
    assert 1 <= len(told) <= 2


def test_each_inner_mixture_warns_once_of_retired_experts():
    X = np.linspace(-1, 1, 60).reshape(-1, 1)
    y = np.where(X[:, 0] > 0, 3, -1) * X[:, 0]
    inner = MixtureOfExpertsRegressor(
        LinearRegression(), n_experts=4, sharing=0, init="random"
    )
    mixture = MixtureOfExpertsRegressor(inner, n_experts=2, random_state=0)
    told = warnings_of(mixture, X, y, "were retired")
    assert mixture.n_iter_ > 1
    assert 1 <= len(told) <= 2


def test_each_mixture_warns_once_of_experts_that_memorize():
    inner = MixtureOfExpertsRegressor(DecisionTreeRegressor(), n_experts=2, cv=None)
    mixture = MixtureOfExpertsRegressor(
        inner, n_experts=2, cv=None, random_state=0, max_iter=4
    )
    y = TARGETS[MixtureOfExpertsRegressor]
    told = warnings_of(mixture, ROWS, y, "reproduce their training targets")
    # Two inner mixtures and the one around them.
    assert 1 <= len(told) <= 3


@both
def test_a_pipeline_may_end_in_a_mixture(Mixture):
    y, mixture = TARGETS[Mixture], fitted(Mixture, piped=True)
    assert mixture.score(ROWS, y) > 0.85
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
    assert np.isfinite(mixture.noise_.scale_).all()
    line = mixture.noise_.log_prob(y, mixture.transform(ROWS), None)[:, 0]
    own = mixture.named_experts_.mixture.score_samples(ROWS, y)
    joint = np.log(mixture.predict_gate(ROWS)) + np.column_stack([line, own])
    np.testing.assert_allclose(
        mixture.score_samples(ROWS, y), np.logaddexp.reduce(joint, axis=1), atol=1e-12
    )


@pytest.mark.filterwarnings("ignore:Experts line lost .*were retired:UserWarning")
def test_a_line_is_retired_where_a_mixture_explains_all_rows_better():
    X = RNG.uniform(-3, 3, (150, 1))
    line = np.select([X < -1, X < 1], [-2 * X - 4, 2 * X], 3 - X)[:, 0]
    y = line + 0.1 * RNG.standard_normal(150)
    inner = MixtureOfExpertsRegressor(n_experts=2, random_state=0)
    experts = [("mixture", inner), ("line", Ridge())]
    mixture = MixtureOfExpertsRegressor(experts, cv=None, tol=1e-4, random_state=0)
    mixture.fit(X, y)
    np.testing.assert_array_equal(mixture.predict_gate(X)[:, 1], 0)
    # A first little weight would change the log-likelihood by this, less one, a row.
    line = mixture.noise_.log_prob(y, mixture.transform(X), None)[:, 1]
    own = mixture.named_experts_.mixture.score_samples(X, y)
    assert np.exp(line - own).mean() < 1


def test_in_a_list_of_unlike_experts_a_mixture_is_judged_on_rows_not_seen():
    y = TARGETS[MixtureOfExpertsRegressor]
    inner = MixtureOfExpertsRegressor(LinearRegression(), n_experts=2)
    experts = [
        ("near", KNeighborsRegressor()),
        ("mixture", inner),
        ("piped", make_pipeline(StandardScaler(), inner)),
    ]
    cross_fitted = MixtureOfExpertsRegressor(experts, random_state=0).fit(ROWS, y)
    in_sample = clone(cross_fitted).set_params(cv=None).fit(ROWS, y)
    assert cross_fitted.log_likelihood_ < in_sample.log_likelihood_
    assert cross_fitted.score(ROWS, y) > 0.85
    assert np.isfinite(cross_fitted.noise_.scale_).all()
    own = [
        cross_fitted.named_experts_.mixture.score_samples(ROWS, y),
        cross_fitted.named_experts_.piped[-1].score_samples(
            cross_fitted.named_experts_.piped[:-1].transform(ROWS), y
        ),
    ]
    near = cross_fitted.noise_.log_prob(y, cross_fitted.transform(ROWS), None)[:, 0]
    joint = np.log(cross_fitted.predict_gate(ROWS)) + np.column_stack([near, *own])
    total = np.logaddexp.reduce(joint, axis=1, keepdims=True)
    np.testing.assert_allclose(
        cross_fitted.responsibilities(ROWS, y), np.exp(joint - total), atol=1e-12
    )


@both
@piped_too
def test_a_frozen_mixture_has_its_own_density(Mixture, piped):
    y, inner = TARGETS[Mixture], fitted(Mixture, piped=piped).experts_[0]
    experts = [("given", FrozenEstimator(inner)), ("other", LEAVES[Mixture])]
    mixture = Mixture(experts, random_state=0, tol=1e-2).fit(ROWS, y)
    rows = inner[:-1].transform(ROWS) if piped else ROWS
    given = last_step(inner).score_samples(rows, y)
    weights, posterior = mixture.predict_gate(ROWS), mixture.responsibilities(ROWS, y)
    np.testing.assert_allclose(
        weights[:, 0] * np.exp(given - mixture.score_samples(ROWS, y)),
        posterior[:, 0],
        atol=1e-9,
    )


def test_a_hierarchy_predicts_several_targets():
    y = TARGETS[MixtureOfExpertsRegressor]
    both_signs = np.column_stack([y, -y])
    mixture = two_levels(MixtureOfExpertsRegressor).fit(ROWS, both_signs)
    assert mixture.score(ROWS, both_signs) > 0.75
    assert mixture.noise_.scale_.shape == (2, 2)
    np.testing.assert_allclose(mixture.predict(ROWS) @ [1, 1], np.zeros(200), atol=1e-6)


@both
def test_weights_reach_the_leaves(Mixture):
    y, weights = TARGETS[Mixture], np.arange(200) % 3
    start = np.repeat(ROWS[:, 0] > 0, weights)
    weighted = two_levels(Mixture).fit(ROWS, y, weights.astype(float))
    repeated = two_levels(Mixture, init=start)
    repeated.fit(np.repeat(ROWS, weights, axis=0), np.repeat(y, weights))
    assert weighted.log_likelihood_ == pytest.approx(
        repeated.log_likelihood_, rel=1e-3, abs=0.1
    )


@both
def test_a_hierarchy_is_cloned_and_pickled(Mixture):
    mixture = fitted(Mixture, piped=False)
    copy = pickle.loads(pickle.dumps(mixture))
    np.testing.assert_array_equal(copy.predict(ROWS), mixture.predict(ROWS))
    assert not hasattr(clone(mixture), "experts_")


def test_parameters_of_every_level_have_names():
    mixture = two_levels(MixtureOfExpertsRegressor)
    mixture.set_params(experts__experts__fit_intercept=False, experts__gate__alpha=0.5)
    assert mixture.experts.experts.fit_intercept is False
    assert mixture.experts.gate.alpha == 0.5


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_class_that_an_inner_mixture_never_saw_has_no_probability():
    labels = TARGETS[MixtureOfExpertsClassifier].copy()
    # In one fold only, so that the inner mixtures of one are judged on it unseen.
    labels[0] = 2
    outer = two_levels(
        MixtureOfExpertsClassifier,
        inner_params={"max_iter": 5},
        cv=KFold(2),
        max_iter=2,
        random_state=0,
    )
    outer.fit(ROWS, labels)
    assert np.isfinite(outer.log_likelihood_)
    assert outer.predict_proba(ROWS).shape == (200, 3)
