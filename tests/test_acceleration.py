"""SQUAREM: fewer iterations of EM, whatever the experts are."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
from _versions import has_callbacks
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from sklearn_moe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor, kernels
from sklearn_moe._contracts import Experts
from sklearn_moe._rows import Block, LocalRows
from sklearn_moe._statistics import Moments
from sklearn_moe.em import Learners, Posterior, expectation_maximization
from sklearn_moe.em.acceleration import squarem
from sklearn_moe.gates import SoftmaxGate, bind_gate
from sklearn_moe.likelihoods import GaussianNoise, NoiseLikelihood

RNG = np.random.default_rng(0)
ROWS = RNG.uniform(-2, 2, (200, 2))
NOISE = RNG.standard_normal(200)
SIDE = RNG.random(200) < 1 / (1 + np.exp(-0.3 * ROWS[:, 0]))
# Experts that overlap, so that EM is slow.
LINE = np.where(SIDE, 0.5 + ROWS[:, 1], -0.5 - ROWS[:, 1])
TARGETS = {
    MixtureOfExpertsRegressor: LINE + NOISE,
    MixtureOfExpertsClassifier: (LINE + NOISE > 0) * 1,
}
# They maximise the likelihood, or nearly so: the objective climbs.
EXACT = {
    MixtureOfExpertsRegressor: LinearRegression(),
    MixtureOfExpertsClassifier: LogisticRegression(C=1000),
}
both = pytest.mark.parametrize("Mixture", TARGETS)


def fitted(Mixture, experts=None, sample_weight=None, **params):
    given = {"n_experts": 2, "gate": SoftmaxGate(1e-3), "sharing": 0.05}
    params = {**given, "random_state": 0, "acceleration": "squarem", **params}
    return Mixture(experts, **params).fit(ROWS, TARGETS[Mixture], sample_weight)


# The algorithm
# -------------


class ToyStep:
    """Goes half of the way from the logits to an optimum, and keeps a diary.

    Parameters
    ----------
    optimum : ndarray of shape (n_samples, n_experts)
    fails : bool, default=False
        Whether extrapolations end below all else.
    dying : bool, default=False
        Whether an expert would die.
    """

    def __init__(self, optimum, *, fails=False, dying=False):
        self.optimum = optimum
        self.fails = fails
        self.rows = LocalRows(Block(None, None, None, np.ones(len(optimum))))
        self.dead_experts = SimpleNamespace(dead=lambda share: np.array([dying]))
        self.calls = []

    def __call__(self, previous, ahead=None):
        self.calls.append((previous, ahead))
        posterior = previous.posterior if ahead is None else ahead
        logits = (np.log(posterior.responsibilities) + self.optimum) / 2
        distance = logits - self.optimum
        distance = np.linalg.norm(distance - distance.mean(axis=1, keepdims=True))
        failed = self.fails and ahead is not None
        return state(logits, -np.inf if failed else -distance)


def state(logits, objective=-np.inf, interrupted=False):
    posterior = Posterior(np.exp(kernels.log_softmax(logits)), None)
    return SimpleNamespace(
        posterior=posterior, objective=objective, interrupted=interrupted
    )


def toy_path(n_steps, **behaviour):
    start, optimum = np.random.default_rng(0).standard_normal((2, 10, 3))
    step = ToyStep(optimum, **behaviour)
    return step, list(itertools.islice(squarem(step, state(start)), n_steps))


def test_one_extrapolation_solves_an_iteration_that_is_linear_in_the_logits():
    step, path = toy_path(4)
    _, ahead = step.calls[3]
    expected = np.exp(kernels.log_softmax(step.optimum))
    np.testing.assert_allclose(ahead.responsibilities, expected)
    assert path[3].objective == pytest.approx(0, abs=1e-12)


def test_two_iterations_of_em_and_an_extrapolated_one_make_a_cycle():
    step, path = toy_path(7)
    extrapolated = [ahead is not None for _, ahead in step.calls]
    assert extrapolated == [False, False, False, True, False, False, True]
    assert [previous for previous, _ in step.calls[1:]] == path[:-1]


def test_an_extrapolation_that_fails_is_thrown_away():
    step, path = toy_path(5, fails=True)
    previous, ahead = step.calls[4]
    assert previous is path[2]
    assert ahead is None


def test_after_a_failure_the_step_is_no_longer_than_that_of_em():
    step, path = toy_path(7, fails=True)
    found, expected = step.calls[6][1], path[5].posterior
    np.testing.assert_allclose(found.responsibilities, expected.responsibilities)


def test_an_extrapolation_by_which_an_expert_would_die_is_not_tried():
    step, path = toy_path(8, dying=True)
    assert all(ahead is None for _, ahead in step.calls)
    assert [previous for previous, _ in step.calls[1:]] == path[:-1]


def test_a_path_that_goes_straight_on_is_followed_to_the_limit_of_the_step():
    drift = np.array([16.0, 0.0])

    class Drifting(ToyStep):
        def __call__(self, previous, ahead=None):
            self.calls.append((previous, ahead))
            return state(np.tile(drift * len(self.calls), (4, 1)), 0.0)

    step = Drifting(np.zeros((4, 2)))
    list(itertools.islice(squarem(step, state(np.zeros((4, 2)))), 4))
    # J_0 is one drift away from zero, and a step of -4 goes eight drifts farther.
    expected = np.exp(kernels.log_softmax(np.tile(9 * drift, (4, 1))))
    np.testing.assert_allclose(step.calls[3][1].responsibilities, expected)


def test_iterates_before_and_after_a_new_start_are_not_on_one_path():
    step = ToyStep(np.zeros((4, 2)))
    start = state(np.random.default_rng(0).standard_normal((4, 2)))
    path = squarem(step, start)
    for _ in range(2):
        next(path).interrupted = True
    for _ in range(3):
        next(path)
    assert [ahead is not None for _, ahead in step.calls] == [False] * 5


# EM with exact experts and noise
# --------------------------------


class Lines(Experts):
    """Experts that are least-squares fits, exact maximisers."""

    def __init__(self, X, y):
        self.X, self.y = X, y

    def fit(self, weights, active, previous):
        design = np.column_stack([np.ones(len(self.y)), self.X])
        coefs = [
            np.linalg.lstsq(r[:, np.newaxis] * design, r * self.y, rcond=None)[0]
            for r in np.sqrt(weights).T
        ]
        return coefs, design @ np.transpose(coefs)


def lines_path(seed, acceleration, *, n_experts, sharing, tol=1e-8, n_steps=200):
    rng = np.random.default_rng(seed)
    X = rng.uniform(-2, 2, (80, 1))
    upper = rng.random(80) < 1 / (1 + np.exp(-2 * X[:, 0]))
    y = np.where(upper, 2 + X[:, 0], -1 - 2 * X[:, 0]) + rng.standard_normal(80)
    weights = 80 * rng.dirichlet(np.full(80, 5))
    rows = LocalRows(Block(X, y, y, weights))
    iterations = expectation_maximization(
        rows,
        Learners(
            Lines(X, y),
            NoiseLikelihood(GaussianNoise(), Moments.of(y, weights)),
            bind_gate(SoftmaxGate(alpha=0.01), rows, n_experts, random_state=None),
        ),
        rng.dirichlet(np.ones(n_experts), 80),
        sharing=sharing,
        tol=tol,
        acceleration=acceleration,
    )
    return list(itertools.islice(iterations, n_steps))


@given(
    n_experts=st.integers(1, 4),
    sharing=st.sampled_from([0.0, 0.05]),
    seed=st.integers(0, 10_000),
)
def test_every_iteration_goes_on_from_the_best_so_far(n_experts, sharing, seed):
    best = -np.inf
    for iteration in lines_path(
        seed, "squarem", n_experts=n_experts, sharing=sharing, n_steps=60
    ):
        # Reinitialising a dead expert is a new start; the law is about EM proper.
        if np.isfinite(iteration.change):
            gone_on_from = iteration.objective - 80 * iteration.change
            assert gone_on_from == pytest.approx(best, abs=1e-7)
            best = max(best, iteration.objective)
        else:
            best = iteration.objective


@pytest.mark.parametrize("sharing", [0.0, 0.05])
@pytest.mark.parametrize("seed", range(5))
def test_it_is_never_behind_em_but_for_the_iterations_thrown_away(seed, sharing):
    setting = {"n_experts": 2, "sharing": sharing}
    plain = [i.objective for i in lines_path(seed, None, **setting)]
    kept = [
        i.objective for i in lines_path(seed, "squarem", **setting) if i.change > -1e-9
    ]
    common = min(len(plain), len(kept))
    assert np.all(np.array(kept[:common]) >= np.array(plain[:common]) - 1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_it_ends_at_the_optimum_of_em_in_fewer_iterations(seed):
    setting = {"n_experts": 2, "sharing": 0.05, "tol": 1e-9}
    plain = lines_path(seed, None, **setting)
    accelerated = lines_path(seed, "squarem", **setting)
    assert accelerated[-1].converged
    assert len(accelerated) < len(plain)
    assert accelerated[-1].objective >= plain[-1].objective - 1e-4


def test_an_extrapolated_iteration_does_not_settle_convergence():
    for seed in range(5):
        *_, last = lines_path(seed, "squarem", n_experts=2, sharing=0.05, tol=1e-4)
        assert last.converged
        assert 0 <= last.change < 1e-4
        assert last.n_iter % 3 != 1


# As an estimator
# ---------------


@both
@pytest.mark.parametrize("sharing", [0.0, 0.05])
def test_slow_em_needs_fewer_iterations_to_the_same_objective(Mixture, sharing):
    params = {"tol": 1e-7, "max_iter": 1000, "sharing": sharing}
    plain = fitted(Mixture, EXACT[Mixture], acceleration=None, **params)
    mixture = fitted(Mixture, EXACT[Mixture], **params)
    target = plain.objective_path_[-1] - 1e-4 * len(ROWS)
    n_plain, n_accelerated = (
        np.argmax(m.objective_path_ >= target) for m in (plain, mixture)
    )
    assert mixture.objective_path_.max() >= target
    assert n_accelerated < n_plain


@pytest.mark.filterwarnings("ignore:Experts expert3 lost their rows")
def test_iterations_thrown_away_count_and_are_on_the_path():
    Mixture = MixtureOfExpertsClassifier
    mixture = fitted(Mixture, EXACT[Mixture], n_experts=4, tol=1e-7, max_iter=600)
    path = mixture.objective_path_
    assert len(path) == mixture.n_iter_ == len(mixture.overflow_fraction_)
    assert np.diff(path).min() < 0
    np.testing.assert_allclose(
        mixture.score_samples(ROWS, TARGETS[Mixture]).sum(), mixture.log_likelihood_
    )


@pytest.mark.filterwarnings("ignore:EM did not converge")
@both
def test_the_first_cycle_begins_as_em_does(Mixture):
    plain, mixture = (
        fitted(Mixture, acceleration=a, max_iter=3) for a in (None, "squarem")
    )
    np.testing.assert_array_equal(plain.objective_path_, mixture.objective_path_)


@both
def test_a_weight_of_two_equals_the_row_twice(Mixture):
    y, twice = TARGETS[Mixture], np.arange(len(ROWS)) % 3 == 0
    rows = np.repeat(np.arange(len(ROWS)), 1 + twice)
    start = (ROWS[:, 0] > 0) * 1
    mixture = Mixture(n_experts=2, acceleration="squarem", init=start, max_iter=30)
    weighted = clone(mixture).fit(ROWS, y, sample_weight=1.0 + twice)
    repeated = mixture.set_params(init=start[rows]).fit(ROWS[rows], y[rows])
    assert weighted.n_iter_ == repeated.n_iter_
    np.testing.assert_allclose(
        weighted.objective_path_, repeated.objective_path_, rtol=1e-5
    )


@pytest.mark.filterwarnings("ignore:EM did not converge", "ignore:Experts .* reproduce")
@pytest.mark.parametrize(
    ("Mixture", "expert"),
    [
        (MixtureOfExpertsRegressor, DecisionTreeRegressor(max_depth=2)),
        (MixtureOfExpertsRegressor, HistGradientBoostingRegressor(max_iter=5)),
        (MixtureOfExpertsClassifier, DecisionTreeClassifier(max_depth=2)),
        (MixtureOfExpertsRegressor, MixtureOfExpertsRegressor(n_experts=2)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_experts_that_do_not_climb_keep_the_best_iterate(Mixture, expert):
    mixture = fitted(Mixture, expert, max_iter=20, sharing=0.05, cv=None)
    log_density = mixture.score_samples(ROWS, TARGETS[Mixture])
    np.testing.assert_allclose(log_density.sum(), mixture.log_likelihood_)
    assert mixture.objective_path_.max() >= mixture.objective_path_[0]


@pytest.mark.parametrize("params", [{"cv": 3}, {"specialize": False}], ids=str)
@both
def test_cross_fitted_and_given_experts_take_part(Mixture, params):
    params = {"tol": 1e-6, "max_iter": 500, **params}
    plain = fitted(Mixture, acceleration=None, **params)
    mixture = fitted(Mixture, **params)
    assert mixture.converged_
    assert mixture.objective_path_.max() >= plain.objective_path_.max() - 0.1


@pytest.fixture(params=["specialize=False", "all frozen"])
def given_experts(request):
    """Parameters of a mixture whose experts EM does not fit."""

    def params_of(Mixture, *experts):
        if request.param == "all frozen":
            experts = [FrozenEstimator(e.fit(ROWS, TARGETS[Mixture])) for e in experts]
            return {"experts": [*zip("ab", experts)]}
        return {"experts": [*zip("ab", experts)], "specialize": False}

    return params_of


TWO = {
    MixtureOfExpertsRegressor: (LinearRegression(), LinearRegression(positive=True)),
    MixtureOfExpertsClassifier: (LogisticRegression(), LogisticRegression(C=0.01)),
}


@both
def test_given_experts_are_accelerated_by_default(Mixture, given_experts):
    params = {"sharing": "auto", **given_experts(Mixture, *TWO[Mixture])}
    mixture = fitted(Mixture, acceleration="auto", **params)
    expected = fitted(Mixture, acceleration="squarem", **params)
    np.testing.assert_array_equal(mixture.objective_path_, expected.objective_path_)
    assert mixture.sharing_ == 0


def test_given_experts_stop_at_a_tenth_of_the_tolerance(given_experts):
    Mixture = MixtureOfExpertsRegressor
    params = given_experts(Mixture, *TWO[Mixture])
    mixture = fitted(Mixture, acceleration=None, tol=1e-2, **params)
    changes = np.diff(mixture.objective_path_) / len(ROWS)
    assert mixture.converged_
    assert abs(changes[-1]) < 1e-3 <= abs(changes[-2])


def test_a_given_expert_that_no_row_needs_is_retired_without_a_warning(given_experts):
    far = DummyRegressor(strategy="constant", constant=100.0)
    params = given_experts(MixtureOfExpertsRegressor, Ridge(), far)
    mixture = fitted(MixtureOfExpertsRegressor, tol=1e-6, **params)
    assert mixture.expert_share_[1] == 0
    np.testing.assert_array_equal(mixture.predict_gate(ROWS)[:, 1], 0)


def test_experts_of_different_kinds_take_part():
    experts = [("ridge", Ridge()), ("tree", DecisionTreeRegressor(max_depth=3))]
    mixture = fitted(MixtureOfExpertsRegressor, experts, max_iter=500)
    assert mixture.converged_


def test_noise_that_weighs_down_outliers_takes_part():
    params = {"noise": "student_t", "tol": 1e-6, "max_iter": 1000}
    plain = fitted(MixtureOfExpertsRegressor, acceleration=None, **params)
    mixture = fitted(MixtureOfExpertsRegressor, **params)
    assert mixture.converged_
    assert mixture.objective_path_.max() >= plain.objective_path_.max() - 0.1


@both
def test_a_warm_start_goes_on_where_the_last_fit_ended(Mixture):
    mixture = fitted(Mixture, EXACT[Mixture], warm_start=True, max_iter=300)
    reached = mixture.objective_path_.max()
    mixture.fit(ROWS, TARGETS[Mixture])
    assert mixture.objective_path_[0] >= reached - 1e-3


def test_an_expert_that_dies_again_and_again_is_retired():
    class OneSidedGate:
        """A gate that never trusts its last expert."""

        learns_penalty = False

        def fit(self, responsibilities, previous, learn_penalty=True):
            return None, np.tile([-0.7, -0.7, -200.0], (len(responsibilities), 1))

        def penalty(self, fitted, ahead=False):
            return 0.0

    X, y, weights = ROWS, TARGETS[MixtureOfExpertsRegressor], np.ones(200)
    *_, last = expectation_maximization(
        LocalRows(Block(X, y, y, weights)),
        Learners(
            Lines(X, y),
            NoiseLikelihood(GaussianNoise(), Moments.of(y, weights)),
            OneSidedGate(),
        ),
        np.random.default_rng(0).dirichlet(np.ones(3), 200),
        sharing=0.0,
        tol=1e-8,
        acceleration="squarem",
    )
    np.testing.assert_array_equal(last.active, [True, True, False])
    np.testing.assert_array_equal(last.posterior.responsibilities[:, 2], 0)
    assert last.converged


class StopAfter:
    """A callback that ends EM after some iterations."""

    def __init__(self, n_iterations):
        self.n_iterations = n_iterations
        self.n_iters = []

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context, *, fitted_estimator):
        if context.task_name == "EM iteration":
            self.n_iters.append(fitted_estimator.n_iter_)
        return len(self.n_iters) == self.n_iterations


@has_callbacks
@both
def test_a_callback_is_told_of_every_iteration(Mixture):
    callback = StopAfter(6)
    mixture = Mixture(n_experts=2, tol=0, acceleration="squarem", random_state=0)
    mixture.set_callbacks(callback).fit(ROWS, TARGETS[Mixture])
    assert callback.n_iters == [1, 2, 3, 4, 5, 6]
    assert mixture.n_iter_ == 6


@pytest.mark.parametrize("assignment", ["hard", "expert_choice"])
@both
def test_it_is_refused_where_rows_are_assigned(Mixture, assignment):
    with pytest.raises(ValueError, match=f"acceleration='squarem'.*'{assignment}'"):
        fitted(Mixture, assignment=assignment)


@both
def test_an_unknown_acceleration_is_refused(Mixture):
    with pytest.raises(ValueError, match="The 'acceleration' parameter"):
        fitted(Mixture, acceleration="anderson")
