"""Which rows train which expert."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV

from sklearn_moe import (
    MixtureOfExpertsClassifier,
    MixtureOfExpertsRegressor,
    SoftmaxGate,
    kernels,
)
from sklearn_moe._rows import Block, LocalRows
from sklearn_moe.em import Posterior, Router

ROWS = np.random.default_rng(0).uniform(-1, 1, (120, 2))
SIDE = (ROWS[:, 0] > np.median(ROWS[:, 0])).astype(int)
NOISE = 0.05 * np.random.default_rng(1).standard_normal(120)
TARGETS = {
    MixtureOfExpertsRegressor: np.where(SIDE, ROWS[:, 1], -2 * ROWS[:, 1]) + NOISE,
    MixtureOfExpertsClassifier: (np.where(SIDE, 1, -1) * ROWS[:, 1] + NOISE > 0) * 1,
}
both = pytest.mark.parametrize("Mixture", TARGETS)


def fitted(Mixture, sample_weight=None, **params):
    params = {"n_experts": 3, "random_state": 0, **params}
    return Mixture(**params).fit(ROWS, TARGETS[Mixture], sample_weight)


@st.composite
def problems(draw):
    """Scores with ties, and a capacity factor."""
    n_samples, n_experts = draw(st.integers(1, 40)), draw(st.integers(1, 5))
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    scores = rng.integers(
        0, draw(st.sampled_from([2, 5, 1000])), (n_samples, n_experts)
    )
    factor = draw(st.sampled_from([0.3, 0.75, 1.0, 1.25, 2.0]))
    return scores.astype(float), np.ceil(factor * n_samples / n_experts), factor


laws = settings(max_examples=150)


@given(problems(), st.booleans())
@laws
def test_no_expert_is_above_capacity(problem, reroute):
    scores, capacity, _ = problem
    assigned = kernels.assign_with_capacity(
        scores, np.ones(len(scores)), capacity, reroute=reroute
    )
    assert np.bincount(assigned[assigned >= 0]).max(initial=0) <= capacity


@given(problems(), st.booleans(), st.integers(0, 1000))
@laws
def test_no_expert_is_above_capacity_in_weight(problem, reroute, seed):
    scores, capacity, _ = problem
    weights = np.random.default_rng(seed).uniform(0.1, 3, len(scores))
    assigned = kernels.assign_with_capacity(scores, weights, capacity, reroute=reroute)
    taken = assigned >= 0
    load = np.bincount(assigned[taken], weights[taken])
    assert load.max(initial=0) <= capacity * (1 + 1e-9)


@given(problems())
@laws
def test_a_row_is_dropped_only_where_its_expert_is_full(problem):
    scores, capacity, _ = problem
    assigned = kernels.assign_with_capacity(
        scores, np.ones(len(scores)), capacity, reroute=False
    )
    load = np.bincount(assigned[assigned >= 0], minlength=scores.shape[1])
    wished = scores.argmax(axis=1)
    assert (load[wished[assigned < 0]] == capacity).all()
    assert (assigned[assigned >= 0] == wished[assigned >= 0]).all()


@given(problems())
@laws
def test_an_expert_takes_the_largest_scores_first(problem):
    scores, capacity, _ = problem
    assigned = kernels.assign_with_capacity(
        scores, np.ones(len(scores)), capacity, reroute=False
    )
    for k in range(scores.shape[1]):
        wishing = scores.argmax(axis=1) == k
        taken, dropped = wishing & (assigned == k), wishing & (assigned < 0)
        if dropped.any():
            assert scores[taken, k].min(initial=np.inf) >= scores[dropped, k].max()


@given(problems())
@laws
def test_rerouting_drops_no_row_where_there_is_room_for_all(problem):
    scores, capacity, factor = problem
    assigned = kernels.assign_with_capacity(
        scores, np.ones(len(scores)), capacity, reroute=True
    )
    if factor >= 1:
        assert (assigned >= 0).all()
    n_taken = min(len(scores), int(capacity) * scores.shape[1])
    assert np.count_nonzero(assigned >= 0) == n_taken


@given(problems(), st.booleans())
@laws
def test_without_a_limit_it_is_plain_hard_assignment(problem, reroute):
    scores, _, _ = problem
    assigned = kernels.assign_with_capacity(
        scores, np.ones(len(scores)), np.inf, reroute=reroute
    )
    np.testing.assert_array_equal(assigned, scores.argmax(axis=1))


@given(problems())
@laws
def test_each_expert_chooses_its_best_rows(problem):
    scores, capacity, _ = problem
    chosen = kernels.choose_rows(scores, np.ones(len(scores)), capacity)
    n_chosen = int(min(capacity, len(scores)))
    assert (chosen.sum(axis=0) == n_chosen).all()
    for score, mine in zip(scores.T, chosen.T):
        assert score[mine].min() >= score[~mine].max(initial=-np.inf)


def route(router, responsibilities, weights=None):
    weights = np.ones(len(responsibilities)) if weights is None else weights
    rows = LocalRows(Block(None, None, None, weights))
    return router.route(rows, Posterior.given(rows, responsibilities))


@given(problems(), st.sampled_from(["hard", "expert_choice"]))
@laws
def test_the_gate_learns_a_distribution_over_the_experts(problem, assignment):
    scores, _, factor = problem
    responsibilities = (scores + 1) / (scores + 1).sum(axis=1, keepdims=True)
    routed = route(Router(assignment, factor), responsibilities)
    np.testing.assert_allclose(routed.targets.sum(axis=1), 1)
    dropped = routed.weights.sum(axis=1) == 0
    np.testing.assert_allclose(routed.targets[dropped], responsibilities[dropped])
    assert routed.overflow_fraction == pytest.approx(dropped.mean())
    np.testing.assert_allclose(routed.load, (routed.weights > 0).mean(axis=0))


def test_soft_routing_is_by_responsibility():
    responsibilities = np.random.default_rng(0).dirichlet(np.ones(3), 10)
    routed = route(Router(), responsibilities, np.arange(1.0, 11.0))
    assert routed.weights is responsibilities
    assert routed.targets is responsibilities
    assert routed.overflow_fraction == 0


class Recording(RegressorMixin, BaseEstimator):
    """A line that remembers how many rows it was fitted to."""

    def fit(self, X, y, sample_weight=None):
        self.n_rows_ = len(X)
        self.line_ = Ridge().fit(X, y, sample_weight)
        return self

    def predict(self, X):
        return self.line_.predict(X)


def test_with_hard_assignment_an_expert_is_fitted_to_its_own_rows_only():
    mixture = fitted(MixtureOfExpertsRegressor, experts=Recording(), assignment="hard")
    n_rows = [expert.n_rows_ for expert in mixture.experts_]
    assert sum(n_rows) == len(ROWS)
    np.testing.assert_allclose(mixture.expert_load_, np.array(n_rows) / len(ROWS))


def test_an_expert_trains_on_no_more_rows_than_its_capacity():
    mixture = fitted(
        MixtureOfExpertsRegressor,
        experts=Recording(),
        assignment="hard",
        capacity_factor=1.25,
    )
    assert max(expert.n_rows_ for expert in mixture.experts_) <= 50
    assert (mixture.expert_load_ <= 50 / 120 + 1e-12).all()


@both
@pytest.mark.parametrize(
    "params",
    [
        {"assignment": "hard"},
        {"assignment": "hard", "capacity_factor": 1.5},
        {"assignment": "hard", "capacity_factor": 1.0, "overflow": "reroute"},
        {"assignment": "expert_choice", "capacity_factor": 1.25},
    ],
)
def test_every_routing_finds_the_two_regimes(Mixture, params):
    gate = SoftmaxGate(1e-3)
    mixture = fitted(Mixture, n_experts=2, init=SIDE, gate=gate, **params)
    assert mixture.score(ROWS, TARGETS[Mixture]) > 0.9
    assert len(mixture.overflow_fraction_) == mixture.n_iter_
    assert np.isfinite(mixture.objective_path_).all()


def test_an_unlimited_capacity_is_plain_hard_assignment():
    plain = fitted(MixtureOfExpertsRegressor, assignment="hard")
    wide = fitted(MixtureOfExpertsRegressor, assignment="hard", capacity_factor=np.inf)
    np.testing.assert_array_equal(wide.predict(ROWS), plain.predict(ROWS))


def test_rerouting_at_factor_one_gives_every_expert_the_same_load():
    mixture = fitted(
        MixtureOfExpertsRegressor,
        assignment="hard",
        capacity_factor=1.0,
        overflow="reroute",
    )
    np.testing.assert_allclose(mixture.expert_load_, 1 / 3)
    np.testing.assert_array_equal(mixture.overflow_fraction_, 0)


def test_dropped_rows_are_reported():
    mixture = fitted(MixtureOfExpertsRegressor, assignment="hard", capacity_factor=0.5)
    assert (mixture.overflow_fraction_ >= 0.5 - 1e-9).all()
    assert mixture.expert_load_.sum() <= 0.5 + 1e-9


@both
def test_soft_assignment_loads_experts_by_their_share(Mixture):
    mixture = fitted(Mixture, n_experts=2)
    np.testing.assert_allclose(mixture.expert_load_.sum(), 1)
    np.testing.assert_array_equal(mixture.overflow_fraction_, 0)


def test_a_capacity_without_assignment_is_refused():
    with pytest.raises(ValueError, match=r"capacity_factor=1\.0 .*assignment='hard'"):
        fitted(MixtureOfExpertsRegressor, capacity_factor=1.0)


@pytest.mark.parametrize(
    "params",
    [{"assignment": "switch"}, {"overflow": "spill"}, {"capacity_factor": 0}],
)
def test_an_unknown_routing_is_refused(params):
    with pytest.raises(ValueError, match=f"The '{next(iter(params))}' parameter"):
        fitted(MixtureOfExpertsRegressor, **params)


@both
def test_a_search_can_choose_the_routing(Mixture):
    expert = Ridge() if Mixture is MixtureOfExpertsRegressor else LogisticRegression()
    grid = [
        {"assignment": ["soft"]},
        {"assignment": ["hard", "expert_choice"], "capacity_factor": [1.25, 2.0]},
    ]
    mixture = Mixture(expert, n_experts=2, random_state=0)
    search = GridSearchCV(mixture, grid, cv=2, error_score="raise")
    assert search.fit(ROWS, TARGETS[Mixture]).best_score_ > 0.5


@pytest.mark.parametrize("assignment", ["soft", "hard"])
def test_load_balancing_evens_out_the_load_of_a_skewed_problem(assignment):
    rng = np.random.default_rng(0)
    X = rng.uniform(0, 1, (400, 1))
    rare = X[:, 0] > 0.8
    y = np.where(rare, -X[:, 0], X[:, 0]) + rng.standard_normal(400)
    spread = [
        np.ptp(
            MixtureOfExpertsRegressor(
                n_experts=2,
                gate=SoftmaxGate(alpha=0.00125, load_balance=strength),
                assignment=assignment,
                sharing=0.01,
                init=rare,
            )
            .fit(X, y)
            .expert_load_
        )
        for strength in (0.0, 0.3, 1.0)
    ]
    assert spread[0] > spread[1] > spread[2]
