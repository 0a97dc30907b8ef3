"""Experts, folds and starts run on a Dask cluster, where joblib is told to."""

import os

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from sklearn_moe import MixtureOfExpertsRegressor

distributed = pytest.importorskip("distributed")

RNG = np.random.default_rng(0)
ROWS = RNG.uniform(-1, 1, (500, 8))
Y = np.abs(ROWS[:, 0]) + 0.1 * RNG.normal(size=500)
UNLIKE = [("trees", DecisionTreeRegressor(max_depth=3)), ("line", Ridge())]
MIXTURES = {
    "experts": MixtureOfExpertsRegressor(
        DecisionTreeRegressor(max_depth=3), n_experts=3, max_iter=4
    ),
    "folds": MixtureOfExpertsRegressor(UNLIKE, specialize=True, cv=3, max_iter=3),
    "folds of a gate": MixtureOfExpertsRegressor(
        DecisionTreeRegressor(max_depth=3),
        n_experts=2,
        gate=DecisionTreeClassifier(max_depth=2),
        cv=3,
        max_iter=3,
    ),
    "starts": MixtureOfExpertsRegressor(
        DecisionTreeRegressor(max_depth=3), n_experts=2, n_init=3, max_iter=3
    ),
}
pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning",
    "ignore:.*reproduce their training targets:UserWarning",
)


@pytest.fixture
def sent(client, monkeypatch):
    """The size of all that is sent to the workers beforehand."""
    sizes = []

    def scatter(self, data, **options):
        given = data if isinstance(data, (list, tuple)) else [data]
        # A block of rows is sent as a whole.
        arrays = (getattr(item, "X", item) for item in given)
        sizes.extend(getattr(array, "nbytes", 0) for array in arrays)
        return unwatched(self, data, **options)

    unwatched = distributed.Client.scatter
    monkeypatch.setattr(distributed.Client, "scatter", scatter)
    return sizes


def fitted(name, n_jobs=2):
    mixture = clone(MIXTURES[name]).set_params(n_jobs=n_jobs, random_state=0)
    return mixture.fit(ROWS, Y)


@pytest.mark.parametrize("name", MIXTURES)
def test_the_result_on_a_cluster_is_that_of_one_job(name, client):
    expected = fitted(name, n_jobs=1).predict(ROWS)
    with joblib.parallel_config("dask"):
        np.testing.assert_array_equal(fitted(name).predict(ROWS), expected)


@pytest.mark.parametrize("name", ["experts", "folds", "folds of a gate"])
def test_the_rows_are_sent_once_in_a_fit(name, sent):
    with joblib.parallel_config("dask"):
        fitted(name)
    assert sent.count(ROWS.nbytes) == 1
    # Weights and responsibilities are new in each iteration.
    assert max(size for size in sent if size != ROWS.nbytes) < ROWS.nbytes


def test_fits_to_the_same_rows_release_no_data_of_each_other(client, monkeypatch):
    keys = []

    def scatter(self, data, **options):
        futures = unwatched(self, data, **options)
        if options.get("broadcast"):
            keys.extend(future.key for future in futures)
        return futures

    unwatched = distributed.Client.scatter
    monkeypatch.setattr(distributed.Client, "scatter", scatter)
    for _ in range(2):
        with joblib.parallel_config("dask"):
            fitted("folds")
    assert len(keys) == len(set(keys)) > 2


class Pickled(DecisionTreeRegressor):
    """Counts how often it leaves this process before it is fitted."""

    times = 0

    def __getstate__(self):
        if not hasattr(self, "tree_"):
            Pickled.times += 1
        return super().__getstate__()


def test_what_starts_have_in_common_is_sent_once(client):
    def times_sent(n_init):
        Pickled.times = 0
        mixture = MixtureOfExpertsRegressor(
            Pickled(max_depth=3), n_experts=2, n_init=n_init, max_iter=1, n_jobs=2
        )
        with joblib.parallel_config("dask"):
            mixture.fit(ROWS, Y)
        return Pickled.times

    assert times_sent(n_init=6) == times_sent(n_init=2) > 0


class Witness(DecisionTreeRegressor):
    """Notes in which process it was fitted."""

    def fit(self, X, y, sample_weight=None):
        self.process_ = os.getpid()
        return super().fit(X, y, sample_weight)


def test_one_job_stays_in_this_process(client):
    mixture = MixtureOfExpertsRegressor(
        Witness(max_depth=3), n_experts=2, max_iter=2, random_state=0, n_jobs=1
    )
    with joblib.parallel_config("dask"):
        mixture.fit(ROWS, Y)
    assert {expert.process_ for expert in mixture.experts_} == {os.getpid()}
