"""Mixtures over Dask collections are those over arrays, wherever the rows lie."""

import gc
import importlib
import multiprocessing
import pickle
import sys
import weakref
from inspect import signature

import numpy as np
import pandas as pd
import pytest
from _versions import has_callbacks
from numpydoc.docscrape import ClassDoc
from sklearn.base import clone
from sklearn.cluster import AgglomerativeClustering
from sklearn.compose import make_column_transformer
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

import sklearn_moe
from sklearn_moe import GaussianGate, GaussianNoise, SoftmaxGate
from sklearn_moe._rows import Block, TrainingWeights
from sklearn_moe._statistics import Moments
from sklearn_moe.em import starts
from sklearn_moe.experts.outputs import Outputs
from sklearn_moe.likelihoods import (
    CategoricalLikelihood,
    NestedDensityLikelihood,
    NoiseLikelihood,
)

distributed = pytest.importorskip("distributed")
da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")

from dask import delayed  # noqa: E402

from sklearn_moe.dask import (  # noqa: E402
    MixtureOfExpertsClassifier,
    MixtureOfExpertsRegressor,
)
from sklearn_moe.dask._cluster import (  # noqa: E402
    Lazy,
    Stored,
    tasks_of,
    value_of,
)
from sklearn_moe.dask._likelihood import InBatches  # noqa: E402
from sklearn_moe.dask._rows import divide, select_rows  # noqa: E402
from sklearn_moe.dask._sampling import priority_sample, sample_rows  # noqa: E402

N_ROWS, CHUNK = 240, 120
RNG = np.random.default_rng(0)
ROWS = RNG.uniform(-2, 2, (N_ROWS, 2))
Y = np.abs(ROWS[:, 0]) + 0.3 * ROWS[:, 1] + 0.2 * RNG.normal(size=N_ROWS)
LABELS = np.where(Y > 1, "high", np.where(Y > 0.3, "middle", "low"))
WEIGHTS = RNG.uniform(0.5, 2, N_ROWS)
WEIGHTS[::40] = 0

pytestmark = [
    pytest.mark.usefixtures("client"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]


def spread(array, chunk=CHUNK):
    """An array in partitions."""
    return da.from_array(array, chunks=(chunk, *array.shape[1:]))


def twins(n_classes=0, **params):
    """A mixture over collections, and the one over arrays that it should equal."""
    params = {"n_experts": 2, "max_iter": 2, "random_state": 0} | params
    local = {k: v for k, v in params.items() if k not in ("persist", "client")}
    local |= {"acceleration": None, "cv": None, "specialize": True}
    if n_classes:
        return (
            MixtureOfExpertsClassifier(**params),
            sklearn_moe.MixtureOfExpertsClassifier(**local),
        )
    return (
        MixtureOfExpertsRegressor(**params),
        sklearn_moe.MixtureOfExpertsRegressor(**local),
    )


# The result is that of a local fit

REGRESSIONS = {
    "lines": {"n_experts": 3},
    "one expert": {"n_experts": 1},
    "trees": {"experts": DecisionTreeRegressor(max_depth=2)},
    "named experts": {"experts": [("line", Ridge()), ("flat", Ridge(alpha=1e3))]},
    "a pipeline": {"experts": make_pipeline(StandardScaler(), Ridge())},
    "a dropped expert": {"experts": [("line", Ridge()), ("none", "drop")]},
    "a component of noise": {
        "experts": [("line", Ridge()), ("flat", Ridge(1e3)), ("outliers", "uniform")]
    },
    "hard": {"assignment": "hard", "n_experts": 3},
    "without sharing": {"sharing": 0.0},
    "heavy tails": {"noise": "laplace"},
    "k-means": {"init": "kmeans"},
    "several starts": {"n_init": 2},
    "a clipped gate": {"gate": SoftmaxGate(clip=1.5)},
    "a gate in a pipeline": {"gate": make_pipeline(StandardScaler(), SoftmaxGate())},
    "rows that are not kept": {"persist": False},
    "mixtures": {
        "experts": sklearn_moe.MixtureOfExpertsRegressor(n_experts=2, max_iter=2)
    },
}


@pytest.mark.parametrize("name", REGRESSIONS)
def test_a_regression_equals_that_of_the_local_mixture(name):
    distributed, local = twins(**REGRESSIONS[name])
    distributed.fit(spread(ROWS), spread(Y))
    local.fit(ROWS, Y)
    np.testing.assert_allclose(distributed.objective_path_, local.objective_path_)
    np.testing.assert_allclose(distributed.log_likelihood_, local.log_likelihood_)
    predicted = distributed.predict(spread(ROWS)).compute()
    np.testing.assert_allclose(predicted, local.predict(ROWS), atol=1e-8)


POSITIVE = {"poisson": np.floor, "gamma": np.asarray, "lognormal": np.asarray}


@pytest.mark.parametrize("noise", POSITIVE)
def test_noise_of_positive_targets_is_learnt_from_sums(noise):
    y = POSITIVE[noise](np.exp(Y))
    distributed, local = twins(noise=noise)
    distributed.fit(spread(ROWS), spread(y))
    local.fit(ROWS, y)
    np.testing.assert_allclose(
        distributed.log_likelihood_, local.log_likelihood_, rtol=1e-5
    )


CLASSIFICATIONS = {
    # By default its own fit stops some way from the optimum.
    "regressions": {"experts": LogisticRegression(tol=1e-12, max_iter=1000)},
    "trees": {"experts": DecisionTreeClassifier(max_depth=2)},
    "naive Bayes": {"experts": GaussianNB(), "sharing": 0.1},
}


@pytest.mark.parametrize("name", CLASSIFICATIONS)
def test_a_classification_equals_that_of_the_local_mixture(name):
    distributed, local = twins(n_classes=3, **CLASSIFICATIONS[name])
    distributed.fit(spread(ROWS), spread(LABELS))
    local.fit(ROWS, LABELS)
    assert distributed.classes_.tolist() == ["high", "low", "middle"]
    np.testing.assert_allclose(distributed.log_likelihood_, local.log_likelihood_)
    np.testing.assert_allclose(
        distributed.predict_proba(spread(ROWS)).compute(),
        local.predict_proba(ROWS),
        atol=1e-8,
    )


def test_weights_equal_those_of_a_local_fit():
    distributed, local = twins(n_experts=3)
    distributed.fit(spread(ROWS), spread(Y), sample_weight=spread(WEIGHTS))
    local.fit(ROWS, Y, WEIGHTS)
    np.testing.assert_allclose(distributed.objective_path_, local.objective_path_)
    np.testing.assert_allclose(distributed.expert_share_, local.expert_share_)


def test_a_partition_without_weight_is_as_good_as_none():
    weights = WEIGHTS.copy()
    weights[:CHUNK] = 0
    distributed, local = twins()
    distributed.fit(spread(ROWS), spread(Y), sample_weight=spread(weights))
    local.fit(ROWS, Y, weights)
    np.testing.assert_allclose(distributed.objective_path_, local.objective_path_)


def test_more_than_rows_of_weight_zero_is_needed():
    with pytest.raises(ValueError, match=r"positive weight, n_samples=0"):
        MixtureOfExpertsRegressor().fit(spread(ROWS), spread(Y), spread(0 * Y))


def test_one_row_is_enough_for_one_expert():
    fitted = MixtureOfExpertsRegressor(n_experts=1, max_iter=2)
    fitted.fit(spread(ROWS)[:1], spread(Y)[:1])
    np.testing.assert_allclose(fitted.predict(spread(ROWS)).compute(), Y[0])


def test_dead_experts_are_given_rows_as_in_a_local_fit():
    # Two experts say all that there is to say.
    params = {"n_experts": 4, "sharing": 0.0, "max_iter": 16, "init": "random"}
    distributed, local = twins(**params)
    with pytest.warns(UserWarning, match="were retired"):
        local.fit(ROWS, np.abs(ROWS[:, 0]))
    with pytest.warns(UserWarning, match="were retired"):
        distributed.fit(spread(ROWS), spread(np.abs(ROWS[:, 0])))
    np.testing.assert_allclose(distributed.objective_path_, local.objective_path_)


def test_what_fits_warn_of_on_the_workers_is_told_once_for_each_expert():
    mixture = MixtureOfExpertsClassifier(
        LogisticRegression(max_iter=1), n_experts=2, max_iter=2, random_state=0
    )
    with pytest.warns(ConvergenceWarning, match="lbfgs") as caught:
        mixture.fit(spread(ROWS), spread(Y > 0))
    messages = [str(w.message) for w in caught if "lbfgs" in str(w.message)]
    assert len(messages) == 2
    assert all("2 of its 2 fits" in message for message in messages)


def test_a_frozen_expert_stays_as_it_is():
    given = FrozenEstimator(Ridge().fit(ROWS, Y))
    experts = [("given", given), ("learnt", DecisionTreeRegressor(max_depth=2))]
    distributed, local = twins(experts=experts)
    distributed.fit(spread(ROWS), spread(Y))
    local.fit(ROWS, Y)
    np.testing.assert_allclose(distributed.objective_path_, local.objective_path_)


def test_partitions_of_any_size_give_the_same_result():
    first = MixtureOfExpertsRegressor(n_experts=2, max_iter=2)
    second = clone(first)
    first.fit(spread(ROWS), spread(Y))
    uneven = (7, 200, 33)
    second.fit(
        da.from_array(ROWS, chunks=(uneven, (1, 1))), da.from_array(Y, chunks=(uneven,))
    )
    np.testing.assert_allclose(second.objective_path_, first.objective_path_)


def test_an_empty_partition_changes_nothing():
    expected = MixtureOfExpertsRegressor(n_experts=2, max_iter=2)
    expected.fit(spread(ROWS), spread(Y))
    chunks = (80, 0, 160)
    X = da.from_array(ROWS, chunks=(chunks, (2,)))
    y = da.from_array(Y, chunks=(chunks,))
    assert X.numblocks == (3, 1)
    fitted = clone(expected).fit(X, y)
    np.testing.assert_allclose(fitted.objective_path_, expected.objective_path_)
    np.testing.assert_allclose(
        fitted.predict(X).compute(), expected.predict(spread(ROWS)).compute()
    )


# Frames

FRAME = pd.DataFrame(ROWS, columns=["a", "b"]).assign(c=np.where(Y > 1, "u", "v"))
FRAME.index += 1000
TARGET = pd.Series(Y, index=FRAME.index)


def mixed_expert(expert):
    columns = make_column_transformer((OneHotEncoder(), ["c"]), remainder="passthrough")
    return make_pipeline(columns, expert)


def test_a_frame_reaches_the_experts_as_a_frame():
    distributed, local = twins(experts=mixed_expert(Ridge()))
    X, y = dd.from_pandas(FRAME, npartitions=2), dd.from_pandas(TARGET, npartitions=2)
    distributed.fit(X, y)
    local.fit(X.compute(), Y)
    np.testing.assert_allclose(distributed.objective_path_, local.objective_path_)
    assert distributed.feature_names_in_.tolist() == ["a", "b", "c"]


def test_predictions_for_a_frame_keep_its_index():
    X, y = dd.from_pandas(FRAME, npartitions=2), dd.from_pandas(TARGET, npartitions=2)
    mixture = MixtureOfExpertsRegressor(
        mixed_expert(Ridge()), n_experts=2, max_iter=2, random_state=0
    ).fit(X, y)
    gate, single = mixture.predict_gate(X), mixture.predict(X)
    assert gate.divisions == single.divisions == X.divisions
    assert gate.compute().index.equals(FRAME.index)
    assert gate.columns.tolist() == ["expert0", "expert1"]
    assert single.compute().index.equals(FRAME.index)
    responsible = mixture.responsibilities(X, y).compute()
    np.testing.assert_allclose(
        responsible, mixture.to_local().responsibilities(X.compute(), Y)
    )
    assert responsible.index.equals(FRAME.index)


def test_targets_may_be_a_frame():
    X = dd.from_pandas(FRAME[["a", "b"]], npartitions=2)
    for given in (pd.DataFrame({"y": Y}), pd.DataFrame({"y": Y, "z": -2 * Y})):
        given.index = FRAME.index
        y = dd.from_pandas(given, npartitions=2)
        distributed, local = twins()
        distributed.fit(X, y)
        local.fit(X.compute(), np.squeeze(given))
        np.testing.assert_allclose(distributed.objective_path_, local.objective_path_)
        assert distributed.predict(X).compute().shape == np.squeeze(given).shape
        score = local.score(X.compute(), np.squeeze(given))
        assert distributed.score(X, y) == pytest.approx(score)


def test_probabilities_of_a_frame_are_named_by_class():
    X = dd.from_pandas(FRAME, npartitions=2)
    y = dd.from_pandas(pd.Series(LABELS, FRAME.index), npartitions=2)
    mixture = MixtureOfExpertsClassifier(
        mixed_expert(LogisticRegression()), n_experts=2, max_iter=2, random_state=0
    ).fit(X, y)
    assert mixture.predict_proba(X).columns.tolist() == ["high", "low", "middle"]
    assert mixture.predict(X).compute().isin(["high", "low", "middle"]).all()


# Predictions


@pytest.fixture(scope="module")
def regression(client):
    return MixtureOfExpertsRegressor(n_experts=2, max_iter=2, random_state=0).fit(
        spread(ROWS), spread(Y)
    )


METHODS = ["predict", "predict_gate", "apply", "transform", "score_samples"]
WITH_TARGETS = ["responsibilities", "score_samples"]


@pytest.mark.parametrize("method", METHODS)
def test_an_output_is_lazy_and_row_by_row_that_of_the_local_mixture(method, regression):
    X = spread(ROWS)
    output, expected = (
        getattr(mixture, method)(rows)
        for mixture, rows in ((regression, X), (regression.to_local(), ROWS))
    )
    assert isinstance(output, da.Array)
    assert output.chunks[0] == X.chunks[0]
    assert (output.shape, output.dtype) == (expected.shape, expected.dtype)
    np.testing.assert_array_equal(output.compute(), expected)


@pytest.mark.parametrize("method", WITH_TARGETS)
def test_an_output_for_targets_is_that_of_the_local_mixture(method, regression):
    output = getattr(regression, method)(spread(ROWS), spread(Y))
    expected = getattr(regression.to_local(), method)(ROWS, Y)
    assert output.shape == expected.shape
    np.testing.assert_array_equal(output.compute(), expected)


def test_single_precision_stays_what_it_is():
    X, y = ROWS.astype(np.float32), Y.astype(np.float32)
    mixture = MixtureOfExpertsRegressor(n_experts=2, max_iter=2).fit(
        spread(X), spread(y)
    )
    predicted = mixture.predict(spread(X))
    assert predicted.dtype == predicted.compute().dtype == np.float32


@pytest.mark.parametrize("method", METHODS)
def test_rows_in_memory_are_predicted_at_once(method, regression):
    np.testing.assert_array_equal(
        getattr(regression, method)(ROWS), getattr(regression.to_local(), method)(ROWS)
    )


def test_the_score_is_that_of_the_local_mixture(regression):
    X, y, weights = spread(ROWS), spread(Y), spread(WEIGHTS)
    local = regression.to_local()
    assert regression.score(X, y) == pytest.approx(local.score(ROWS, Y))
    assert regression.score(X, y, weights) == pytest.approx(
        local.score(ROWS, Y, WEIGHTS)
    )


def test_the_score_of_several_outputs_is_their_mean():
    y = np.column_stack([Y, 10 - 3 * RNG.permutation(Y)])
    fitted = MixtureOfExpertsRegressor(n_experts=2, max_iter=2)
    fitted.fit(spread(ROWS), spread(y))
    for weights in (None, WEIGHTS):
        given = None if weights is None else spread(weights)
        score = fitted.score(spread(ROWS), spread(y), given)
        assert score == pytest.approx(fitted.to_local().score(ROWS, y, weights))


def test_the_score_of_constant_targets_is_that_of_scikit_learn(regression):
    y = np.ones(N_ROWS)
    assert regression.score(spread(ROWS), spread(y)) == 0
    with_empty = da.from_array(ROWS, chunks=((80, 0, 160), 2))
    assert regression.score(with_empty, spread(y)) == 0


def test_arrays_and_series_go_together(regression):
    X, y = spread(ROWS), dd.from_pandas(pd.Series(Y), npartitions=2)
    assert regression.score(X, y) == pytest.approx(regression.score(X, spread(Y)))
    np.testing.assert_array_equal(
        regression.responsibilities(X, y), regression.responsibilities(X, spread(Y))
    )


def test_subjects_are_for_rows_in_memory(regression):
    labels = np.arange(len(ROWS))
    with pytest.raises(ValueError, match="'subjects' are not supported"):
        clone(regression).fit(spread(ROWS), spread(Y), subjects=spread(labels))
    with pytest.raises(TypeError, match=r"subjects=array.* is for rows in memory"):
        regression.predict(spread(ROWS), subjects=labels)


def test_an_option_for_rows_in_memory_is_refused_by_name(regression):
    with pytest.raises(TypeError, match="return_std=True is for rows in memory"):
        regression.predict(spread(ROWS), return_std=True)
    lazy = regression.predict(spread(ROWS), return_std=False)
    np.testing.assert_array_equal(lazy, regression.predict(ROWS))


def test_the_accuracy_is_that_of_the_local_mixture():
    mixture = MixtureOfExpertsClassifier(n_experts=2, max_iter=2, random_state=0)
    mixture.fit(spread(ROWS), spread(LABELS))
    expected = mixture.to_local().score(ROWS, LABELS, WEIGHTS)
    score = mixture.score(spread(ROWS), spread(LABELS), spread(WEIGHTS))
    assert score == pytest.approx(expected)


def test_what_needs_rows_in_memory_says_so(regression):
    with pytest.raises(TypeError, match="to_local"):
        regression.predict_distribution(spread(ROWS))


def test_the_local_mixture_is_an_ordinary_one(regression):
    local = regression.to_local()
    assert type(local) is sklearn_moe.MixtureOfExpertsRegressor
    assert local.predict_interval(ROWS).shape == (N_ROWS, 2)
    assert clone(local).fit(ROWS, Y).n_iter_ > 1


def test_before_fit_nothing_is_predicted():
    with pytest.raises(NotFittedError):
        MixtureOfExpertsRegressor().predict(spread(ROWS))


# Capacity


def test_an_expert_gets_no_more_rows_than_it_can_take():
    class Counting(Ridge):
        def fit(self, X, y, sample_weight=None):
            self.n_rows_ = len(X)
            return super().fit(X, y, sample_weight)

    mixture = MixtureOfExpertsRegressor(
        Counting(), n_experts=3, max_iter=1, max_rows_per_expert=50, random_state=0
    ).fit(spread(ROWS), spread(Y))
    assert [expert.n_rows_ for expert in mixture.experts_] == [50, 50, 50]
    mixture.set_params(max_rows_per_expert=None, capacity_factor=0.75)
    mixture.fit(spread(ROWS), spread(Y))
    assert [expert.n_rows_ for expert in mixture.experts_] == [60, 60, 60]


def test_a_capacity_without_limit_is_none():
    tree = DecisionTreeRegressor(max_depth=2)
    params = {"experts": tree, "n_experts": 2, "max_iter": 2, "random_state": 0}
    every = MixtureOfExpertsRegressor(**params, capacity_factor=np.inf)
    expected = MixtureOfExpertsRegressor(**params)
    for mixture in (every, expected):
        mixture.fit(spread(ROWS), spread(Y))
    # Workers add up partitions in the order in which they finish.
    np.testing.assert_allclose(
        every.objective_path_, expected.objective_path_, rtol=1e-12
    )


def test_each_expert_is_sent_rows_by_the_weights_that_are_its_own():
    block = Block(ROWS, Y, Y, WEIGHTS)
    fractions = np.repeat([[1.0, 0.0], [0.0, 1.0]], N_ROWS // 2, axis=0)
    own = TrainingWeights.of_block(block, fractions)
    selected = select_rows(block, [1, 0], False, N_ROWS, 0, own, None)
    halves = np.arange(N_ROWS) >= N_ROWS // 2
    for k, expected in ((1, halves & (WEIGHTS > 0)), (0, WEIGHTS > 0)):
        rows, n_wanted = selected[k]
        assert n_wanted == expected.sum()
        np.testing.assert_array_equal(rows.X, ROWS[expected])
        np.testing.assert_array_equal(rows.sample_weight, WEIGHTS[expected])


@pytest.mark.parametrize("assignment", ["hard", "expert_choice"])
def test_assigned_rows_respect_the_capacity_of_each_partition(assignment):
    mixture = MixtureOfExpertsRegressor(
        n_experts=3, max_iter=2, assignment=assignment, random_state=0
    )
    mixture.set_params(max_rows_per_expert=60).fit(spread(ROWS), spread(Y))
    assert mixture.expert_load_.max() <= 60 / N_ROWS + 1e-9


class Travelling(Ridge):
    """Is sent rows, as a subclass may do anything with them."""


def test_a_fit_to_some_rows_is_nearly_that_to_all():
    rng = np.random.default_rng(1)
    X = rng.uniform(-2, 2, (3000, 1))
    y = np.abs(X[:, 0]) + 0.1 * rng.normal(size=3000)
    whole = MixtureOfExpertsRegressor(
        Travelling(),
        n_experts=2,
        gate=SoftmaxGate(1e-3),
        sharing=0.05,
        max_iter=2,
        random_state=0,
    )
    whole.fit(spread(X, 1500), spread(y, 1500))
    part = clone(whole).set_params(max_rows_per_expert=300)
    part.fit(spread(X, 1500), spread(y, 1500))
    assert part.log_likelihood_ == pytest.approx(whole.log_likelihood_, abs=0.05 * 3000)


def test_sums_over_drawn_rows_are_right_on_average():
    rng = np.random.default_rng(0)
    weights, values = rng.exponential(size=50) ** 2, rng.normal(size=50)
    draws = [priority_sample(weights, 10, 1 - rng.random(50)) for _ in range(20_000)]
    assert {np.count_nonzero(draw) for draw in draws} == {10}
    sums = np.array(draws) @ np.column_stack([np.ones(50), values])
    error = 4 * sums.std(axis=0) / np.sqrt(len(sums))
    expected = weights @ np.column_stack([np.ones(50), values])
    assert (abs(sums.mean(axis=0) - expected) < error).all()


def test_all_rows_travel_where_there_is_room():
    weights = np.array([0.0, *np.linspace(0.1, 1, 20)])
    rows, sent, n_wanted = sample_rows(weights, 20, np.full(21, 0.5))
    assert rows.tolist() == list(range(1, 21))
    np.testing.assert_array_equal(sent, weights[1:])
    assert n_wanted == 20


def test_an_expert_is_sent_rows_of_every_class():
    weights, labels = np.ones(100), np.repeat([0, 1], [99, 1])
    uniforms = np.linspace(0.1, 0.9, 100)
    rows, _, _ = sample_rows(weights, 20, uniforms, labels)
    assert set(labels[rows]) == {0, 1}


def test_capacity_is_divided_without_loss():
    sizes = np.array([10, 0, 3, 87])
    assert divide(50, sizes) == [5, 0, 1, 44]
    assert divide(1000, sizes) == sizes.tolist()


def test_a_sample_may_leave_partitions_out(monkeypatch):
    monkeypatch.setattr(starts, "START_ROWS", 5)
    fitted = MixtureOfExpertsRegressor(n_experts=2, max_iter=1, random_state=0)
    fitted.fit(spread(ROWS, 24), spread(Y, 24))
    assert np.isfinite(fitted.log_likelihood_)


@pytest.mark.parametrize("init", ["tree", "kmeans", "random"])
def test_of_many_rows_em_begins_where_a_local_fit_begins(init, monkeypatch):
    monkeypatch.setattr(starts, "START_ROWS", 60)
    params = {"n_experts": 3, "init": init, "max_iter": 1, "random_state": 0}
    fitted = MixtureOfExpertsRegressor(**params).fit(spread(ROWS), spread(Y))
    local = sklearn_moe.MixtureOfExpertsRegressor(**params).fit(ROWS, Y)
    # The gate knows its Hessian from a sample, but the experts know all rows.
    intercepts = [
        sorted(expert.intercept_ for expert in mixture.experts_)
        for mixture in (fitted, local)
    ]
    np.testing.assert_allclose(*intercepts)


def test_other_rows_follow_those_that_a_clusterer_was_shown(monkeypatch):
    # Two groups that every clusterer tells apart.
    X = np.concatenate([ROWS, ROWS + 20])
    y = np.concatenate([ROWS[:, 0], -ROWS[:, 0]])
    whole = MixtureOfExpertsRegressor(
        n_experts=2, init=AgglomerativeClustering(2), max_iter=2, random_state=0
    )
    whole.fit(spread(X, N_ROWS), spread(y, N_ROWS))
    monkeypatch.setattr(starts, "START_ROWS", 60)
    sampled = clone(whole).fit(spread(X, N_ROWS), spread(y, N_ROWS))
    np.testing.assert_allclose(
        sampled.log_likelihood_, whole.log_likelihood_, rtol=1e-2
    )


def test_a_task_lets_go_of_what_it_has_computed_on_the_way():
    made = []

    def large():
        array = np.zeros(1000)
        made.append(weakref.ref(array))
        return array

    gc.disable()
    try:
        assert value_of(Lazy(np.sum, Lazy(large)), {}) == 0
        assert made[0]() is None
    finally:
        gc.enable()


def test_what_values_have_in_common_is_computed_once():
    calls = []
    common = Lazy(lambda: calls.append(1) or 2)
    assert value_of(Lazy(np.add, common, Lazy(np.negative, common)), {}) == 0
    assert calls == [1]


def test_a_pass_is_one_task_for_each_partition():
    stored = Stored([delayed(np.full)(1000, float(p)) for p in range(3)])
    doubled = Lazy(np.multiply, stored, 2)
    tasks = tasks_of(Lazy(np.subtract, doubled, Lazy(np.negative, stored)))
    # That of what is stored, and one that does all the rest.
    assert [len(dict(task.dask)) for task in tasks] == [2, 2, 2]
    values = [task.compute(scheduler="sync") for task in tasks]
    np.testing.assert_array_equal(values, np.repeat([[0], [3], [6]], 1000, axis=1))


@pytest.mark.parametrize("likelihood", ["numbers", "classes", "nested"])
def test_a_likelihood_sums_a_partition_batch_by_batch(likelihood):
    n_samples = 9000
    rng = np.random.default_rng(0)
    y, outputs = rng.normal(size=n_samples), rng.normal(size=(n_samples, 3))
    learns = NoiseLikelihood(GaussianNoise(), Moments.of(y, np.ones(n_samples)))
    if likelihood == "classes":
        y, outputs = rng.integers(2, size=n_samples), rng.random((n_samples, 3, 2))
        # An expert that only votes, and one that does so in some rows.
        outputs[:, 0] = np.eye(2)[rng.integers(2, size=n_samples)]
        outputs[:5000, 1] = np.eye(2)[0]
        learns = CategoricalLikelihood(2)
    elif likelihood == "nested":
        outputs = Outputs(outputs, outputs)
        learns = NestedDensityLikelihood(learns)
    block = Block(np.zeros((n_samples, 1)), y, y, rng.random(n_samples))
    weights = TrainingWeights.of_block(block, rng.random((n_samples, 3)), 0.1)
    whole = learns.solve(learns.summarize(block, outputs, weights))
    batched = InBatches(learns)
    batches = batched.solve(batched.summarize(block, outputs, weights))
    learnt = (getattr(fitted, "noise", fitted) for fitted in (batches, whole))
    name = "error_rate" if likelihood == "classes" else "scale_"
    np.testing.assert_allclose(*(getattr(own, name) for own in learnt))


# Manners


def test_the_partitions_of_x_and_y_must_be_the_same():
    X, y = dd.from_pandas(FRAME, npartitions=3), dd.from_pandas(TARGET, npartitions=2)
    with pytest.raises(ValueError, match="X has 3 partitions, but y has 2"):
        MixtureOfExpertsRegressor().fit(X, y)


def test_chunks_of_y_follow_those_of_x():
    mixture = MixtureOfExpertsRegressor(n_experts=2, max_iter=2)
    fitted = mixture.fit(spread(ROWS), spread(Y, 50))
    expected = clone(mixture).fit(spread(ROWS), spread(Y))
    assert fitted.log_likelihood_ == pytest.approx(expected.log_likelihood_)


@pytest.mark.parametrize(
    "gate", [GaussianGate(), GaussianGate("full"), SoftmaxGate(load_balance=1.0)]
)
def test_every_gate_is_fitted_as_in_one_place(gate):
    params = {"n_experts": 2, "gate": gate, "max_iter": 2, "random_state": 0}
    fitted = MixtureOfExpertsRegressor(**params).fit(spread(ROWS), spread(Y))
    local = sklearn_moe.MixtureOfExpertsRegressor(**params).fit(ROWS, Y)
    np.testing.assert_allclose(fitted.objective_path_, local.objective_path_)
    np.testing.assert_allclose(
        fitted.to_local().predict_gate(ROWS), local.predict_gate(ROWS), atol=1e-8
    )


@pytest.mark.parametrize(
    "gate",
    [LogisticRegression(), FrozenEstimator(SoftmaxGate().fit([[0], [1]], [0, 1]))],
)
def test_a_gate_that_needs_all_rows_is_refused(gate):
    with pytest.raises(ValueError, match="'gate' must be a SoftmaxGate"):
        MixtureOfExpertsRegressor(gate=gate).fit(spread(ROWS), spread(Y))


def test_targets_of_two_outputs_are_judged_lazily():
    y = np.column_stack([Y, -Y])
    fitted = MixtureOfExpertsRegressor(n_experts=2, max_iter=2)
    fitted.fit(spread(ROWS), spread(y))
    found = fitted.score_samples(spread(ROWS), spread(y))
    np.testing.assert_allclose(
        found.compute(scheduler="sync"), fitted.to_local().score_samples(ROWS, y)
    )


def test_noise_that_needs_all_rows_is_refused():
    with pytest.raises(ValueError, match="noise='student_t'"):
        MixtureOfExpertsRegressor(noise="student_t").fit(spread(ROWS), spread(Y))


def test_arrays_are_referred_to_the_local_mixture():
    with pytest.raises(TypeError, match=r"X must be a Dask array.*sklearn_moe"):
        MixtureOfExpertsRegressor().fit(ROWS, Y)


@pytest.mark.parametrize("n_dimensions", [1, 3])
def test_rows_without_columns_are_refused(n_dimensions, regression):
    X = da.ones((8, 2, 2)[:n_dimensions])
    for method in (lambda: regression.predict(X), lambda: clone(regression).fit(X, X)):
        with pytest.raises(ValueError, match=f"two dimensions.*got {n_dimensions}"):
            method()


@pytest.mark.parametrize("name", ["y", "sample_weight"])
def test_what_goes_with_a_collection_is_one_too(name, regression):
    given = {"y": spread(Y), "sample_weight": spread(WEIGHTS), name: WEIGHTS}
    for method in (regression.score, clone(regression).fit):
        with pytest.raises(TypeError, match=f"{name} must be a Dask array"):
            method(spread(ROWS), **given)


@has_callbacks
def test_a_clone_has_the_callbacks_and_the_output_of_its_original(client):
    from sklearn.callback import ProgressBar

    bar = ProgressBar()
    mixture = MixtureOfExpertsRegressor(Ridge(2), client=client)
    copied = clone(mixture.set_callbacks(bar).set_output(transform="pandas"))
    assert copied._skl_callbacks == [bar]
    assert copied._sklearn_output_config == {"transform": "pandas"}
    assert copied.experts.alpha == 2
    assert copied.experts is not mixture.experts
    assert mixture.client is client


def test_a_fitted_mixture_is_the_same_after_pickling(regression):
    restored = pickle.loads(pickle.dumps(regression))
    np.testing.assert_array_equal(
        restored.predict(spread(ROWS)), regression.predict(spread(ROWS))
    )
    np.testing.assert_array_equal(restored.predict(ROWS), regression.predict(ROWS))


class Listens:
    """Notes what a callback is told."""

    def __init__(self):
        self.told = []

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context, *, X, metadata, fitted_estimator):
        if context.task_name == "EM iteration":
            self.told.append((X, metadata, fitted_estimator.n_iter_))


@has_callbacks
def test_callbacks_are_given_the_collections_and_the_mixture_so_far():
    X, weights, listens = spread(ROWS), spread(WEIGHTS), Listens()
    mixture = MixtureOfExpertsRegressor(n_experts=2, max_iter=2, tol=0)
    mixture.set_callbacks(listens).fit(X, spread(Y), weights)
    assert [n_iter for _, _, n_iter in listens.told] == [1, 2]
    assert all(given is X for given, _, _ in listens.told)
    assert all(given["sample_weight"] is weights for _, given, _ in listens.told)


def test_iterations_are_printed(capsys):
    mixture = MixtureOfExpertsRegressor(n_experts=2, max_iter=2, tol=0, verbose=1)
    mixture.fit(spread(ROWS), spread(Y))
    printed = capsys.readouterr().out
    assert printed.count("[MixtureOfExpertsRegressor] start 1, iteration") == 2


def test_the_docstring_describes_each_parameter_in_a_paragraph_of_its_own():
    for mixture in (MixtureOfExpertsRegressor, MixtureOfExpertsClassifier):
        described = [parameter.name for parameter in ClassDoc(mixture)["Parameters"]]
        assert described == list(signature(mixture).parameters)


def test_a_clone_keeps_the_client_and_a_pickle_does_not(client):
    mixture = MixtureOfExpertsRegressor(client=client, n_experts=3)
    assert clone(mixture).client is client
    restored = pickle.loads(pickle.dumps(mixture))
    assert (restored.client, restored.n_experts) == (None, 3)


def test_without_a_client_a_cluster_is_there_while_it_is_needed(monkeypatch):
    from sklearn_moe.dask import _cluster

    monkeypatch.setattr(_cluster, "_client_at_hand", lambda: None)
    before = {process.pid for process in multiprocessing.active_children()}
    fitted = MixtureOfExpertsRegressor(n_experts=2, max_iter=2, random_state=0)
    fitted.fit(spread(ROWS), spread(Y))
    assert {process.pid for process in multiprocessing.active_children()} == before
    assert fitted.n_iter_ == 2


def test_without_dask_it_is_said_what_to_install(monkeypatch):
    for name in list(sys.modules):
        if name.startswith("sklearn_moe.dask"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ImportError, match=r'pip install "sklearn-moe\[dask\]"'):
        importlib.import_module("sklearn_moe.dask")
