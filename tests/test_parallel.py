"""The result does not depend on how many fits run at the same time."""

import os

import joblib
import numpy as np
import pytest
import sklearn
from _versions import has_callbacks
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from sklearn_moe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor

ROWS = np.random.default_rng(0).uniform(-1, 1, (80, 2))
Y = np.abs(ROWS[:, 0]) + 0.1 * ROWS[:, 1]
UNLIKE = [
    ("trees", DecisionTreeRegressor(max_depth=3)),
    ("near", KNeighborsRegressor()),
]
MIXTURES = {
    "clones": MixtureOfExpertsRegressor(n_experts=2, max_iter=5),
    "unlike experts": MixtureOfExpertsRegressor(UNLIKE),
    "specialised, cross-fitted": MixtureOfExpertsRegressor(
        UNLIKE, specialize=True, max_iter=3
    ),
    "a classifier as the gate": MixtureOfExpertsRegressor(
        Ridge(), n_experts=2, gate=DecisionTreeClassifier(max_depth=2), max_iter=3
    ),
    "several starts": MixtureOfExpertsRegressor(n_experts=2, n_init=3, max_iter=5),
    "several starts, cross-fitted": MixtureOfExpertsRegressor(
        n_experts=2, n_init=2, cv=2, max_iter=3
    ),
    "several starts for given experts": MixtureOfExpertsRegressor(UNLIKE, n_init=2),
    "several starts of classifiers": MixtureOfExpertsClassifier(
        n_experts=2, n_init=3, max_iter=5
    ),
    "a tree of gates": MixtureOfExpertsRegressor(
        MixtureOfExpertsRegressor(n_experts=2, max_iter=3), n_experts=2, max_iter=3
    ),
    "classifiers": MixtureOfExpertsClassifier(
        LogisticRegression(), n_experts=2, cv=3, max_iter=3
    ),
}
pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning",
    "ignore:.*were retired:UserWarning",
)


def predictions(mixture, n_jobs):
    mixture = clone(mixture).set_params(n_jobs=n_jobs, random_state=0)
    if isinstance(mixture, MixtureOfExpertsClassifier):
        return mixture.fit(ROWS, Y > 0.5).predict_proba(ROWS)
    return mixture.fit(ROWS, Y).predict(ROWS)


@pytest.mark.parametrize("name", MIXTURES)
@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_the_same_for_any_number_of_jobs_and_backend(name, backend):
    expected = predictions(MIXTURES[name], 1)
    with joblib.parallel_config(backend=backend):
        np.testing.assert_array_equal(predictions(MIXTURES[name], 2), expected)


@pytest.mark.parametrize("name", ["clones", "several starts"])
def test_without_n_jobs_the_context_says_how_many(name):
    expected = predictions(MIXTURES[name], 1)
    with joblib.parallel_config(backend="loky", n_jobs=2):
        np.testing.assert_array_equal(predictions(MIXTURES[name], None), expected)


@pytest.mark.parametrize("n_jobs", [0, 1.5, "two"])
@pytest.mark.parametrize("name", ["clones", "several starts"])
def test_a_bad_number_of_jobs_is_refused(name, n_jobs):
    with pytest.raises(ValueError, match="n_jobs"):
        predictions(MIXTURES[name], n_jobs)


class Witness(Ridge):
    """Notes where it was fitted, with what, and what it was asked about."""

    def fit(self, X, y, sample_weight=None, colour=None):
        self.process_ = os.getpid()
        self.assume_finite_ = sklearn.get_config()["assume_finite"]
        self.colour_ = colour
        return super().fit(X, y, sample_weight)

    def predict(self, X):
        # Asked for the first time: later it may be in another process.
        if not hasattr(self, "read_only_"):
            self.read_only_ = not X.flags.writeable
        return super().predict(X)


def witnesses(n_init=1, **fit_params):
    expert = Witness().set_fit_request(colour=True) if fit_params else Witness()
    mixture = MixtureOfExpertsRegressor(
        expert, n_experts=2, n_init=n_init, max_iter=2, n_jobs=2, random_state=0
    )
    return mixture.fit(ROWS, Y, **fit_params).experts_


each_level = pytest.mark.parametrize("n_init", [1, 2], ids=["experts", "starts"])


@each_level
def test_experts_are_fitted_in_other_processes(n_init):
    with joblib.parallel_config(backend="loky"):
        fitted = witnesses(n_init)
    assert os.getpid() not in {expert.process_ for expert in fitted}


def test_one_start_fits_all_of_its_experts_in_one_process():
    with joblib.parallel_config(backend="loky"):
        assert len({expert.process_ for expert in witnesses(2)}) == 1


@each_level
def test_the_configuration_reaches_the_workers(n_init):
    with joblib.parallel_config(backend="loky"):
        with sklearn.config_context(assume_finite=True):
            assert all(expert.assume_finite_ for expert in witnesses(n_init))
        assert not any(expert.assume_finite_ for expert in witnesses(n_init))


@each_level
def test_routed_metadata_reach_the_workers(n_init):
    with (
        joblib.parallel_config(backend="loky"),
        sklearn.config_context(enable_metadata_routing=True),
    ):
        fitted = witnesses(n_init, colour="red")
    assert [expert.colour_ for expert in fitted] == ["red", "red"]


# Starts at the same time


def test_starts_in_other_processes_leave_a_frozen_expert_the_same():
    given = FrozenEstimator(Ridge().fit(ROWS, Y))
    experts = [("given", given), ("learnt", Ridge())]
    mixture = MixtureOfExpertsRegressor(
        experts, n_init=2, max_iter=2, n_jobs=2, random_state=0
    )
    with joblib.parallel_config(backend="loky"):
        assert mixture.fit(ROWS, Y).experts_[0] is given


class Stop:
    """Stops EM after one iteration of a start, or the starts after one of them."""

    def __init__(self, task_name, task_id):
        self.task = task_name, task_id

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        return (context.task_name, context.task_id) == self.task


@has_callbacks
@pytest.mark.parametrize("name", ["clones", "several starts for given experts"])
def test_starts_stay_here_where_their_parts_are_fitted_side_by_side(name):
    ended = []

    class Listener(Stop):
        def on_fit_task_end(self, estimator, context):
            ended.append(context.task_name)

    mixture = clone(MIXTURES[name]).set_callbacks(Listener("none", 0))
    with joblib.parallel_config(backend="loky", n_jobs=2):
        mixture.fit(ROWS, Y)
    assert ended.count("EM start") == mixture.n_init


@has_callbacks
@pytest.mark.parametrize("backend", ["threading", "loky"])
@pytest.mark.parametrize("task", [("EM iteration", 1), ("EM start", 0)])
def test_a_callback_stops_starts_that_run_at_the_same_time(task, backend):
    def fit(n_jobs):
        mixture = MixtureOfExpertsRegressor(
            n_experts=3, n_init=3, n_jobs=n_jobs, random_state=0, tol=1e-6
        )
        return mixture.set_callbacks(Stop(*task)).fit(ROWS, Y)

    free = MixtureOfExpertsRegressor(
        n_experts=3, n_init=3, random_state=0, tol=1e-6
    ).fit(ROWS, Y)
    expected = fit(None)
    with joblib.parallel_config(backend=backend):
        stopped = fit(2)
    np.testing.assert_array_equal(stopped.objective_path_, expected.objective_path_)
    assert not np.array_equal(stopped.objective_path_, free.objective_path_)
    assert len(stopped.objective_paths_) == len(expected.objective_paths_)


@has_callbacks
@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_the_monitor_follows_starts_that_run_at_the_same_time(backend):
    from sklearn import callback

    def log(n_jobs):
        monitor = callback.ScoringMonitor(scoring="r2")
        mixture = MixtureOfExpertsRegressor(
            n_experts=2, n_init=3, max_iter=3, n_jobs=n_jobs, random_state=0
        )
        mixture.set_callbacks(monitor).fit(ROWS, Y)
        return {row["task_id_path"]: row["r2"] for row in monitor.get_logs().data}

    expected = log(None)
    with joblib.parallel_config(backend=backend):
        assert log(2) == expected
    assert len(expected) > 6


@has_callbacks
@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_progress_bars_show_starts_that_run_at_the_same_time(
    backend, capsys, monkeypatch
):
    from sklearn import callback

    monkeypatch.setenv("COLUMNS", "200")
    mixture = MixtureOfExpertsRegressor(n_experts=2, n_init=3, n_jobs=2, max_iter=3)
    with joblib.parallel_config(backend=backend):
        mixture.set_callbacks(callback.ProgressBar()).fit(ROWS, Y)
    bars = capsys.readouterr().out.strip().splitlines()
    assert len(bars) == 4
    assert all("100%" in bar for bar in bars)


# Last, since these need new processes


class Refuses(Ridge):
    """Cannot be fitted."""

    def fit(self, X, y, sample_weight=None):
        raise ValueError("no")


@each_level
def test_an_error_in_a_worker_leaves_the_mixture_as_it_was(n_init):
    mixture = MixtureOfExpertsRegressor(n_experts=2, n_jobs=2, random_state=0)
    before = mixture.fit(ROWS, Y).predict(ROWS)
    mixture.set_params(experts=Refuses(), n_init=n_init)
    with joblib.parallel_config(backend="loky"), pytest.raises(ValueError, match="no"):
        mixture.fit(ROWS, Y)
    np.testing.assert_array_equal(mixture.predict(ROWS), before)


@each_level
def test_workers_may_share_the_rows_as_read_only_memory(n_init):
    with joblib.parallel_config(backend="loky", max_nbytes=1):
        assert all(expert.read_only_ for expert in witnesses(n_init))


@pytest.mark.parametrize("name", MIXTURES)
def test_read_only_memory_changes_nothing(name):
    expected = predictions(MIXTURES[name], 1)
    with joblib.parallel_config(backend="loky", max_nbytes=1):
        shared = predictions(MIXTURES[name], 2)
    np.testing.assert_allclose(shared, expected, rtol=1e-8, atol=1e-10)
