"""Watching a fit: progress bars, scores of each iteration, stopping, printing."""

import re

import numpy as np
import pytest
import sklearn
from joblib import parallel_config
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression
from sklearn.metrics import accuracy_score, log_loss, r2_score
from sklearn.model_selection import GridSearchCV

from sklearn_moe import (
    MixtureOfExpertsClassifier,
    MixtureOfExpertsRegressor,
    SoftmaxGate,
)

callback = pytest.importorskip("sklearn.callback", reason="scikit-learn before 1.9")
ProgressBar, ScoringMonitor = callback.ProgressBar, callback.ScoringMonitor


def regression():
    rng = np.random.default_rng(0)
    X = rng.uniform(-2, 2, (90, 2))
    y = np.where(X[:, 0] > 0, 3 - X[:, 1], X[:, 1]) + 0.3 * rng.standard_normal(90)
    return X, y


def classification():
    rng = np.random.default_rng(0)
    X = rng.uniform(-2, 2, (90, 2))
    y = (X[:, 0] > 0) ^ (X[:, 1] > 0) ^ (rng.random(90) < 0.1)
    return X, np.where(y, "yes", "no")


PROBLEMS = {
    MixtureOfExpertsRegressor: regression,
    MixtureOfExpertsClassifier: classification,
}
METRICS = {
    MixtureOfExpertsRegressor: ("r2", r2_score),
    MixtureOfExpertsClassifier: ("accuracy", accuracy_score),
}
both = pytest.mark.parametrize("Mixture", PROBLEMS)


class Watcher:
    """Notes the hooks that are called, and stops a task where told to.

    Parameters
    ----------
    stop_at : dict, default={}
        Name of a task, and the number of the one that is the last.
    """

    def __init__(self, **stop_at):
        self.stop_at = stop_at
        self.events = []
        self.fitted = []

    def setup(self, estimator, context):
        self.events.append("setup")

    def teardown(self, estimator, context):
        self.events.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.events.append(("begin", context.task_name, context.task_id))

    def on_fit_task_end(self, estimator, context, *, fitted_estimator):
        self.events.append(("end", context.task_name, context.task_id))
        self.fitted.append((context.task_name, fitted_estimator))
        return self.stop_at.get(context.task_name.split()[-1]) == context.task_id

    def ended(self, task_name):
        """Numbers of the tasks of one name that have ended."""
        return [event[2] for event in self.events if event[:2] == ("end", task_name)]


class Interrupt(Watcher):
    """Raises in the second iteration."""

    def on_fit_task_begin(self, estimator, context):
        super().on_fit_task_begin(estimator, context)
        if context.task_name == "EM iteration" and context.task_id == 1:
            raise RuntimeError("enough")


# The tasks of a fit


@both
def test_a_fit_is_starts_of_iterations(Mixture):
    watcher = Watcher()
    mixture = Mixture(
        n_experts=2,
        gate=SoftmaxGate(alpha=0.01),
        sharing=0.05,
        max_iter=2,
        tol=1e9,
        n_init=2,
        random_state=0,
    )
    mixture.set_callbacks(watcher).fit(*PROBLEMS[Mixture]())
    assert watcher.events == [
        "setup",
        ("begin", "fit", 0),
        ("begin", "EM start", 0),
        ("begin", "EM iteration", 0),
        ("end", "EM iteration", 0),
        ("begin", "EM iteration", 1),
        ("end", "EM iteration", 1),
        ("end", "EM start", 0),
        ("begin", "EM start", 1),
        ("begin", "EM iteration", 0),
        ("end", "EM iteration", 0),
        ("begin", "EM iteration", 1),
        ("end", "EM iteration", 1),
        ("end", "EM start", 1),
        ("end", "fit", 0),
        "teardown",
    ]


@both
def test_callbacks_change_nothing_in_the_fit(Mixture):
    X, y = PROBLEMS[Mixture]()
    plain = Mixture(n_experts=2, random_state=0).fit(X, y)
    watched = Mixture(n_experts=2, random_state=0).set_callbacks(Watcher()).fit(X, y)
    np.testing.assert_array_equal(watched.objective_path_, plain.objective_path_)
    np.testing.assert_array_equal(watched.transform(X), plain.transform(X))


@both
def test_the_mixture_of_each_iteration_is_kept_apart(Mixture):
    X, y = PROBLEMS[Mixture]()
    watcher = Watcher()
    mixture = Mixture(
        n_experts=2, gate=SoftmaxGate(alpha=0.01), sharing=0.05, random_state=0
    )
    mixture.set_callbacks(watcher).fit(X, y)
    log_likelihoods = [
        fitted.score_samples(X, y).sum()
        for task_name, fitted in watcher.fitted
        if task_name == "EM iteration"
    ]
    assert len(set(log_likelihoods)) == mixture.n_iter_
    assert log_likelihoods[-1] == pytest.approx(mixture.log_likelihood_)
    task_name, last = watcher.fitted[-1]
    assert task_name == "fit"
    np.testing.assert_array_equal(last.transform(X), mixture.transform(X))


@both
def test_a_warm_start_is_one_start(Mixture):
    X, y = PROBLEMS[Mixture]()
    mixture = Mixture(n_experts=2, n_init=2, warm_start=True, random_state=0).fit(X, y)
    watcher = Watcher()
    mixture.set_callbacks(watcher).fit(X, y)
    assert watcher.ended("EM start") == [0]


def kind_of(X):
    """A kind of rows that no start finds by itself."""
    return np.floor(50 * X[:, 0]) % 2


class Choosy(LinearRegression):
    """Fails where all rows that it is to be fitted to are of one kind."""

    def fit(self, X, y, sample_weight=None):
        if np.ptp(kind_of(X)) == 0:
            raise ZeroDivisionError("all rows are alike")
        return super().fit(X, y, sample_weight)


def choosy(**params):
    params = {"n_experts": 2, "sharing": 0, "random_state": 0} | params
    return MixtureOfExpertsRegressor(Choosy(), **params)


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_a_start_that_fails_is_left_out_with_a_warning(n_jobs):
    X, y = regression()
    mixture = choosy(n_init=3, n_jobs=n_jobs, init=kind_of(X))
    message = "Start 1 of 3, the given 'init', failed .*: ZeroDivisionError: all rows"
    with parallel_config("threading"), pytest.warns(UserWarning, match=message) as told:
        mixture.fit(X, y)
    assert len(told) == 1
    assert "This is about expert 'expert0'" in str(told[0].message)
    assert len(mixture.objective_paths_) == 2
    alone = choosy(init="tree").fit(X, y).objective_path_
    np.testing.assert_allclose(mixture.objective_paths_[0], alone, rtol=1e-6)


@pytest.mark.filterwarnings("ignore:Start 1 of 3")
def test_the_tasks_of_a_start_that_fails_end():
    X, y = regression()
    watcher, mixture = Watcher(), choosy(n_init=3, init=kind_of(X), tol=1e9)
    mixture.set_callbacks(watcher).fit(X, y)
    assert watcher.events[2:6] == [
        ("begin", "EM start", 0),
        ("begin", "EM iteration", 0),
        ("end", "EM iteration", 0),
        ("end", "EM start", 0),
    ]
    assert watcher.ended("EM start") == [0, 1, 2]
    assert [fitted is None for _, fitted in watcher.fitted[:3]] == [True, True, False]


def test_where_all_starts_fail_the_error_of_the_first_is_raised():
    X, y = regression()
    alike = kind_of(X) == 0
    mixture = choosy(n_init=3)
    with pytest.raises(ZeroDivisionError, match="all rows are alike") as caught:
        mixture.fit(X[alike], y[alike])
    assert "This is about expert 'expert0'." in caught.value.__notes__
    assert not hasattr(mixture, "experts_")


def test_an_interrupt_ends_all_starts():
    class Interrupted(LinearRegression):
        def fit(self, X, y, sample_weight=None):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        MixtureOfExpertsRegressor(Interrupted(), n_init=3).fit(*regression())


# Stopping


@both
def test_a_callback_stops_the_iterations_of_a_start(Mixture):
    X, y = PROBLEMS[Mixture]()
    watcher = Watcher(iteration=2)
    mixture = Mixture(n_experts=2, tol=0, n_init=2, random_state=0)
    # Who stops EM needs no warning that it did not converge.
    mixture.set_callbacks(watcher).fit(X, y)
    assert mixture.n_iter_ == len(mixture.objective_path_) == 3
    assert not mixture.converged_
    assert watcher.ended("EM iteration") == [0, 1, 2, 0, 1, 2]
    assert mixture.score(X, y) > 0.5


@both
def test_a_callback_stops_the_starts(Mixture):
    watcher = Watcher(start=1)
    mixture = Mixture(n_experts=2, tol=1e-2, n_init=4, random_state=0)
    mixture.set_callbacks(watcher).fit(*PROBLEMS[Mixture]())
    assert watcher.ended("EM start") == [0, 1]


@both
def test_stopping_at_max_iter_warns_with_a_callback_too(Mixture):
    mixture = Mixture(n_experts=2, tol=0, max_iter=2).set_callbacks(Watcher())
    with pytest.warns(ConvergenceWarning, match="max_iter=2"):
        mixture.fit(*PROBLEMS[Mixture]())


@both
def test_a_callback_that_raises_leaves_the_mixture_as_it_was(Mixture):
    X, y = PROBLEMS[Mixture]()
    mixture = Mixture(n_experts=2, random_state=0).fit(X, y)
    before = mixture.transform(X)
    watcher = Interrupt()
    mixture.set_params(n_experts=3).set_callbacks(watcher)
    with pytest.raises(RuntimeError, match="enough"):
        mixture.fit(X[::2], y[::2])
    assert watcher.events[-1] == "teardown"
    np.testing.assert_array_equal(mixture.transform(X), before)


# ScoringMonitor


def scores(monitor, name, task_name="EM iteration"):
    """Scores in the order of the tasks, one list for each parent task."""
    groups = {}
    for row in monitor.get_logs().data:
        if row["task_name"] == task_name:
            groups.setdefault(row["parent_task_id_path"], []).append(row[name])
    return list(groups.values())


@both
def test_the_monitor_logs_a_score_for_each_iteration(Mixture):
    X, y = PROBLEMS[Mixture]()
    name, metric = METRICS[Mixture]
    monitor, watcher = ScoringMonitor(scoring=name), Watcher()
    mixture = Mixture(n_experts=2, n_init=2, random_state=0)
    mixture.set_callbacks(monitor, watcher).fit(X, y)
    logged = scores(monitor, name)
    assert len(logged) == 2
    expected = [
        metric(y, fitted.predict(X))
        for task_name, fitted in watcher.fitted
        if task_name == "EM iteration"
    ]
    assert [score for path in logged for score in path] == pytest.approx(expected)
    assert scores(monitor, name, "fit") == [[pytest.approx(mixture.score(X, y))]]


def test_the_monitor_scores_probabilities():
    X, y = classification()
    monitor = ScoringMonitor(scoring=["neg_log_loss", "accuracy"])
    mixture = MixtureOfExpertsClassifier(n_experts=2, random_state=0)
    mixture.set_callbacks(monitor).fit(X, y)
    [logged] = scores(monitor, "neg_log_loss")
    assert len(logged) == mixture.n_iter_
    assert logged[-1] == pytest.approx(-log_loss(y, mixture.predict_proba(X)))
    assert logged[-1] > logged[0]


@both
def test_the_monitor_weighs_the_rows_as_fit_does(Mixture):
    X, y = PROBLEMS[Mixture]()
    weights = np.random.default_rng(0).integers(0, 3, len(y)).astype(float)
    name, metric = METRICS[Mixture]
    monitor = ScoringMonitor(scoring=name)
    mixture = Mixture(n_experts=2, random_state=0).set_callbacks(monitor)
    mixture.fit(X, y, weights)
    [logged] = scores(monitor, name)
    weighted = metric(y, mixture.predict(X), sample_weight=weights)
    assert logged[-1] == pytest.approx(weighted)


@both
@pytest.mark.parametrize("routing", [False, True])
def test_without_weights_the_scorer_is_given_none(Mixture, routing):
    given = []

    def score(estimator, X, y, **metadata):
        given.append(metadata)
        return {"mean": estimator.score(X, y)}

    monitors = [
        ScoringMonitor(scoring=score),
        ScoringMonitor(scoring=METRICS[Mixture][0]),
    ]
    mixture = Mixture(n_experts=2, random_state=0).set_callbacks(*monitors)
    with sklearn.config_context(enable_metadata_routing=routing):
        mixture.fit(*PROBLEMS[Mixture]())
    assert not any(given)
    assert scores(monitors[0], "mean") == scores(monitors[1], METRICS[Mixture][0])


@both
def test_the_monitor_follows_a_mixture_into_a_search(Mixture):
    X, y = PROBLEMS[Mixture]()
    name, _ = METRICS[Mixture]
    monitor = ScoringMonitor(scoring=name)
    mixture = Mixture(random_state=0, tol=1e-3).set_callbacks(monitor)
    search = GridSearchCV(mixture, {"n_experts": [1, 2]}, cv=2).fit(X, y)
    log = monitor.get_logs()
    assert log.estimator_name == "GridSearchCV"
    # Two candidates on two folds, and the best on all rows.
    logged = scores(monitor, name)
    assert len(logged) == 5
    last = [score for path in logged for score in path[-1:]]
    assert search.best_estimator_.score(X, y) in last
    assert search.best_estimator_.n_iter_ in [len(path) for path in logged]
    assert len(log.data_as_pandas) == len(log.data)


# ProgressBar


@pytest.fixture
def wide_console(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")


@both
@pytest.mark.usefixtures("wide_console")
def test_progress_bars_show_the_starts_of_a_fit(Mixture, capsys):
    mixture = Mixture(n_experts=2, n_init=2, random_state=0)
    mixture.set_callbacks(ProgressBar()).fit(*PROBLEMS[Mixture]())
    bars = capsys.readouterr().out.strip().splitlines()
    assert [bar.split("━")[0].strip() for bar in bars] == [
        f"{Mixture.__name__} - fit",
        f"{Mixture.__name__} - EM start #0",
        f"{Mixture.__name__} - EM start #1",
    ]
    # EM converged before max_iter: its bars end full all the same.
    assert all("100%" in bar for bar in bars)


@both
def test_the_bar_of_a_start_grows_with_its_iterations(Mixture):
    told = []

    class Listener(Watcher):
        def on_fit_task_begin(self, estimator, context):
            told.append((context.task_name, context.max_subtasks))

    mixture = Mixture(n_experts=2, n_init=3, max_iter=50, random_state=0, tol=1e-2)
    mixture.set_callbacks(Listener()).fit(*PROBLEMS[Mixture]())
    assert set(told) == {("fit", 3), ("EM start", 50), ("EM iteration", 0)}


@both
@pytest.mark.usefixtures("wide_console")
def test_progress_bars_of_a_search_show_the_mixtures_in_it(Mixture, capsys):
    search = GridSearchCV(
        Mixture(random_state=0, tol=1e-2), {"n_experts": [1, 2]}, cv=2
    )
    search.set_callbacks(ProgressBar(max_propagation_depth=None))
    search.fit(*PROBLEMS[Mixture]())
    printed = capsys.readouterr().out
    assert printed.count(f"| {Mixture.__name__} - fit") == 5
    assert printed.count(f"{Mixture.__name__} - EM start #0") == 5
    assert not re.search(r"\b\d{1,2}%", printed)


# Printing

LINE = re.compile(
    r"\[(?P<name>\w+)\] start (?P<start>\d+), iteration (?P<iteration>\d+): "
    r"objective (?P<objective>\S+?)(, change (?P<change>\S+) a row)?, "
    r"time (?P<time>\d+\.\d{3}) s"
)


@both
def test_verbose_prints_objective_change_and_time_of_each_iteration(Mixture, capsys):
    X, y = PROBLEMS[Mixture]()
    # An iteration that is thrown away is followed by the change from the one before.
    mixture = Mixture(n_experts=2, acceleration=None, random_state=0, verbose=1)
    mixture.fit(X, y)
    lines = [LINE.fullmatch(line) for line in capsys.readouterr().out.splitlines()]
    assert [int(line["iteration"]) for line in lines] == [
        *range(1, mixture.n_iter_ + 1)
    ]
    assert {line["name"] for line in lines} == {Mixture.__name__}
    np.testing.assert_allclose(
        [float(line["objective"]) for line in lines], mixture.objective_path_, rtol=1e-5
    )
    assert lines[0]["change"] is None
    np.testing.assert_allclose(
        [float(line["change"]) for line in lines[1:]],
        np.diff(mixture.objective_path_) / len(y),
        rtol=1e-2,
    )
    times = [float(line["time"]) for line in lines]
    assert times == sorted(times)


@both
def test_verbose_numbers_the_starts(Mixture, capsys):
    mixture = Mixture(n_experts=2, n_init=3, random_state=0, tol=1e-2, verbose=1)
    mixture.fit(*PROBLEMS[Mixture]())
    lines = [LINE.fullmatch(line) for line in capsys.readouterr().out.splitlines()]
    assert {line["start"] for line in lines} == {"1", "2", "3"}
    first_lines = [line for line in lines if line["iteration"] == "1"]
    assert [line["start"] for line in first_lines] == ["1", "2", "3"]


@both
def test_a_silent_fit_prints_nothing(Mixture, capsys):
    Mixture(n_experts=2, random_state=0).fit(*PROBLEMS[Mixture]())
    assert capsys.readouterr().out == ""
