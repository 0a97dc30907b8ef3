"""What goes wrong on a cluster costs time, or is told in words."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
from _versions import has_callbacks
from sklearn.linear_model import Ridge
from sklearn.tree import DecisionTreeRegressor

distributed = pytest.importorskip("distributed")
da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")

from dask import delayed  # noqa: E402

from sklearn_moe.dask import (  # noqa: E402
    MixtureOfExpertsClassifier,
    MixtureOfExpertsRegressor,
)
from sklearn_moe.dask._cluster import Cluster  # noqa: E402

N_ROWS, CHUNK = 400, 100
RNG = np.random.default_rng(0)
ROWS = RNG.uniform(-2, 2, (N_ROWS, 2))
Y = np.abs(ROWS[:, 0]) + 0.1 * RNG.normal(size=N_ROWS)

pytestmark = [
    pytest.mark.usefixtures("client"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]


def collections(X=ROWS, y=Y):
    return da.from_array(X, (CHUNK, X.shape[1])), da.from_array(y, CHUNK)


@pytest.fixture(autouse=True)
def _the_cluster_is_whole_again(client):
    """Leave no test to a cluster that still replaces a worker."""
    yield
    client.wait_for_workers(2, timeout=300)


def comes_true(condition, seconds=60):
    """Whether a condition is met; the limit is for those that never are."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


def no_task_is_left(client):
    """Whether the scheduler forgets all tasks."""

    def count(dask_scheduler):
        return len(dask_scheduler.tasks)

    return comes_true(lambda: client.run_on_scheduler(count) == 0)


def mixture(expert=None, **params):
    params = {"n_experts": 2, "max_iter": 2, "random_state": 0} | params
    return MixtureOfExpertsRegressor(expert, **params)


# Workers die


class Kills:
    """Kills a worker after an iteration of EM, by the number of its process."""

    def __init__(self, client, n_iter):
        self.client, self.n_iter, self.killed = client, n_iter, []

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        if (context.task_name, context.task_id) == ("EM iteration", self.n_iter):
            process = next(iter(self.client.run(os.getpid).values()))
            os.kill(process, signal.SIGKILL)
            self.killed.append(process)


@has_callbacks
def test_a_worker_that_is_killed_costs_time_and_not_the_result(client):
    experts = DecisionTreeRegressor(max_depth=2)
    expected = mixture(experts).fit(*collections())
    harmed, kills = mixture(experts), Kills(client, 1)
    harmed.set_callbacks(kills).fit(*collections())
    assert len(kills.killed) == 1
    # Another process adds up in another order.
    np.testing.assert_allclose(
        harmed.objective_path_, expected.objective_path_, rtol=1e-12
    )
    assert no_task_is_left(client)


class Deadly(Ridge):
    """Kills the worker that fits it, but once."""

    def __init__(self, alpha=1.0, trace=None):
        super().__init__(alpha=alpha)
        self.trace = trace

    def fit(self, X, y, sample_weight=None):
        try:
            with open(self.trace, "x"):
                os.kill(os.getpid(), signal.SIGKILL)
        except FileExistsError:
            return super().fit(X, y, sample_weight)


def test_a_worker_that_dies_at_work_is_replaced(client, tmp_path):
    survived = mixture(Deadly(trace=tmp_path / "trace")).fit(*collections())
    assert (tmp_path / "trace").exists()
    expected = mixture(Deadly(trace=tmp_path / "trace")).fit(*collections())
    np.testing.assert_allclose(
        survived.objective_path_, expected.objective_path_, rtol=1e-12
    )


class AlwaysDeadly(Ridge):
    """Kills every worker that fits it."""

    def fit(self, X, y, sample_weight=None):
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture
def _one_death_is_enough(client):
    """Have the scheduler give a task up when one worker has died of it."""

    def allow(number, dask_scheduler):
        before, dask_scheduler.allowed_failures = (
            dask_scheduler.allowed_failures,
            number,
        )
        return before

    before = client.run_on_scheduler(allow, 0)
    yield
    client.run_on_scheduler(allow, before)


@pytest.mark.usefixtures("_one_death_is_enough")
def test_an_expert_that_kills_every_worker_is_named():
    failing = mixture([("good", Ridge()), ("deadly", AlwaysDeadly())])
    with pytest.raises(RuntimeError, match=r"had .*expert 'deadly' to do.*more memory"):
        failing.fit(*collections())
    assert not hasattr(failing, "experts_")


class Failed:
    """A future of which the scheduler says that a worker died of a task."""

    status = "error"

    def __init__(self, task):
        self.task = task

    def exception(self):
        return distributed.KilledWorker(self.task, None, 0)


class GivesUp:
    """A client all of whose tasks have failed; it raises the error of the first."""

    def compute(self, tasks):
        return [Failed(task) for task in tasks]

    def gather(self, futures):
        raise futures[0].exception()


@pytest.mark.parametrize(
    ("tasks", "named"),
    [
        (["rows of good", "fit deadly"], "expert 'deadly'"),
        (["fit deadly", "rows of good"], "expert 'deadly'"),
        (["fit good", "fit deadly"], "expert 'good' or expert 'deadly'"),
        (["rows of good", "rows of deadly"], "task 'rows of good'"),
    ],
)
def test_a_task_that_waited_at_a_dead_worker_hides_no_expert(tasks, named):
    names = {"fit good": "expert 'good'", "fit deadly": "expert 'deadly'"}
    with pytest.raises(RuntimeError, match=f"while they had {named} to do"):
        Cluster(GivesUp(), persist=True).fetch(tasks, names)


# Partitions that are not like the others


def from_blocks(*blocks, columns=2):
    """An array that says nothing of what its blocks are really like."""
    return da.concatenate(
        [
            da.from_delayed(delayed(block), (CHUNK, columns), dtype=np.float64)
            for block in blocks
        ]
    )


BLOCKS = np.split(ROWS, 4)
TARGETS = np.split(Y, 4)
WRONG_BLOCKS = {
    "has 3 columns, and X as a whole 2": np.ones((CHUNK, 3)),
    "has the dtype float32": BLOCKS[2].astype(np.float32),
    "inconsistent numbers of samples": BLOCKS[2][:-1],
}


@pytest.mark.parametrize("message", WRONG_BLOCKS)
def test_an_array_of_another_kind_is_named_by_its_number(message):
    X = from_blocks(BLOCKS[0], BLOCKS[1], WRONG_BLOCKS[message], BLOCKS[3])
    with pytest.raises(ValueError, match=f"Partition 2: .*{message}"):
        mixture().fit(X, collections()[1])


def frames(*wrong):
    parts = [pd.DataFrame(block, columns=["a", "b"]) for block in BLOCKS]
    meta = parts[0].iloc[:0]
    for number, change in wrong:
        parts[number] = change(parts[number])
    return dd.from_delayed(
        [delayed(part) for part in parts], meta=meta, verify_meta=False
    )


WRONG_FRAMES = {
    "has the columns": lambda frame: frame.rename(columns={"b": "other"}),
    "'b' has the dtype int64": lambda frame: frame.assign(b=1),
}


@pytest.mark.parametrize("message", WRONG_FRAMES)
def test_a_frame_of_another_kind_is_named_by_its_number(message):
    X = frames((3, WRONG_FRAMES[message]))
    with pytest.raises(ValueError, match=f"Partition 3: .*{message}"):
        mixture().fit(X, collections()[1])


def test_missing_targets_are_named_by_the_number_of_their_partition():
    y = Y.copy()
    y[150] = np.nan
    with pytest.raises(ValueError, match=r"Partition 1: .*NaN"):
        mixture().fit(*collections(y=y))


def test_impossible_targets_are_named_by_the_number_of_their_partition():
    y = np.ones(N_ROWS)
    y[350] = -1
    with pytest.raises(ValueError, match="Partition 3: PoissonNoise models counts"):
        mixture(noise="poisson").fit(*collections(y=y))


def test_negative_weights_are_named_by_the_number_of_their_partition():
    weights = np.ones(N_ROWS)
    weights[-1] = -1
    with pytest.raises(ValueError, match=r"Partition 3: .*[Nn]egative"):
        mixture().fit(*collections(), sample_weight=da.from_array(weights, CHUNK))


def test_a_partition_without_weight_is_like_an_empty_one():
    X, y, weights = ROWS.copy(), np.abs(np.round(Y)), np.ones(N_ROWS)
    X[100:200], y[100:200], weights[100:200] = np.nan, -1, 0
    y[150] = np.nan
    weights = da.from_array(weights, CHUNK)
    whole = mixture(noise="poisson").fit(*collections(X, y), sample_weight=weights)
    kept = np.r_[:100, 200:400]
    expected = mixture(noise="poisson").fit(*collections(X[kept], y[kept]))
    np.testing.assert_allclose(
        whole.objective_path_, expected.objective_path_, rtol=1e-12
    )
    assert np.isfinite(whole.score(*collections(X, y), sample_weight=weights))


def test_a_score_without_weight_is_refused():
    fitted, (X, y) = mixture().fit(*collections()), collections()
    with pytest.raises(ValueError, match=r"nothing to score: .*sample_weight is zero"):
        fitted.score(X, y, sample_weight=da.zeros(N_ROWS, chunks=CHUNK))


def test_one_class_in_all_partitions_is_refused():
    classes = np.zeros(N_ROWS, dtype=int)
    with pytest.raises(ValueError, match="needs at least 2 classes"):
        MixtureOfExpertsClassifier().fit(*collections(y=classes))


def test_classes_need_not_be_in_every_partition():
    fitted = MixtureOfExpertsClassifier(n_experts=2, max_iter=2, random_state=0)
    fitted.fit(*collections(y=np.repeat([2, 0, 1, 0], CHUNK)))
    assert fitted.classes_.tolist() == [0, 1, 2]


# Fits that fail or are stopped


class Refuses(Ridge):
    """Cannot be fitted."""

    def fit(self, X, y, sample_weight=None):
        raise ValueError("no")


def test_a_fit_that_fails_leaves_nothing_behind(client):
    failing = mixture(Refuses())
    with pytest.raises(ValueError, match="no") as caught:
        failing.fit(*collections())
    assert "This is about expert 'expert" in "".join(caught.value.__notes__)
    assert not [name for name in vars(failing) if name.endswith("_")]
    assert no_task_is_left(client)


def test_a_fit_that_fails_leaves_the_last_one_as_it_was(client):
    fitted = mixture().fit(*collections())
    before = fitted.predict(ROWS)
    with pytest.raises(ValueError, match="no"):
        fitted.set_params(experts=Refuses()).fit(*collections())
    np.testing.assert_array_equal(fitted.predict(ROWS), before)


class Interrupts(Kills):
    """Does what Ctrl-C does, after an iteration."""

    def on_fit_task_end(self, estimator, context):
        if (context.task_name, context.task_id) == ("EM iteration", self.n_iter):
            raise KeyboardInterrupt


@has_callbacks
def test_a_fit_that_is_interrupted_leaves_nothing_behind(client):
    stopped = mixture().set_callbacks(Interrupts(client, 0))
    with pytest.raises(KeyboardInterrupt):
        stopped.fit(*collections())
    assert not [name for name in vars(stopped) if name.endswith("_")]
    assert no_task_is_left(client)


class Waits(Ridge):
    """Says in a folder that its fit has begun, and goes on when told to there."""

    def __init__(self, folder=None, alpha=1.0):
        super().__init__(alpha=alpha)
        self.folder = folder

    def fit(self, X, y, sample_weight=None):
        (self.folder / "begun").touch()
        comes_true((self.folder / "go on").exists)
        return super().fit(X, y, sample_weight)


@pytest.fixture
def _interruptible():
    """Have SIGINT interrupt this process, also where it began in the background.

    A shell has processes in the background ignore the signal.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_interruptible")
def test_tasks_that_wait_are_taken_back_when_a_fit_is_interrupted(client, tmp_path):
    def interrupt():
        if comes_true((tmp_path / "begun").exists):
            os.kill(os.getpid(), signal.SIGINT)

    waiting, rows = mixture(Waits(tmp_path), n_experts=6), collections()
    try:
        with ThreadPoolExecutor() as thread:
            thread.submit(interrupt)
            with pytest.raises(KeyboardInterrupt) as caught:
                waiting.fit(*rows)
        # The error is there still, with all the frames it came through, and no expert
        # is done: the workers have one each, and the others wait for them.
        assert caught.traceback
        assert no_task_is_left(client)
    finally:
        (tmp_path / "go on").touch()


def test_what_the_user_keeps_on_the_cluster_stays_there(client):
    X, y = (collection.persist() for collection in collections())
    mixture().fit(X, y)
    np.testing.assert_array_equal(X.compute(), ROWS)
    del X, y
    assert no_task_is_left(client)


def test_exposures_are_refused_by_name():
    X, y = collections(y=np.ones(N_ROWS))
    with pytest.raises(ValueError, match="'exposure' is for rows in memory"):
        mixture(noise="poisson").fit(X, y, exposure=y)


def test_shares_are_refused_by_name():
    with pytest.raises(ValueError, match="noise='beta' cannot be fitted"):
        mixture(noise="beta").fit(*collections(y=np.full(N_ROWS, 0.5)))
