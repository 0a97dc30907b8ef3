"""The small parts: likelihoods, routing, first responsibilities, runs of EM."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.cluster import DBSCAN, KMeans
from sklearn.mixture import GaussianMixture
from sklearn.tree import DecisionTreeRegressor

from sklearn_moe._pooling import dispatch, dispatch_to_one, keep_largest
from sklearn_moe._rows import Block, LocalRows
from sklearn_moe.em import starts
from sklearn_moe.em.starts import (
    STARTS,
    initial_responsibilities,
    rows_of_start,
    starting_points,
)
from sklearn_moe.likelihoods import Categorical


def start(init, features, y, n_experts, *, seed=0, n_classes=None):
    random_state = np.random.RandomState(seed)
    return initial_responsibilities(
        init,
        LocalRows(Block(features, y, y, np.ones(len(y)))),
        SimpleNamespace(features=features, sample_features=features),
        n_experts,
        random_state,
        rows_of_start(len(y), random_state),
        n_classes=n_classes,
    )


@pytest.fixture
def blobs():
    rng = np.random.default_rng(0)
    group = np.repeat([0, 1, 2], 20)
    X = rng.standard_normal((60, 2)) + 20 * np.eye(3)[group][:, :2]
    return X, 10.0 * group + rng.standard_normal(60), group


def same_partition(responsibilities, group):
    chosen = responsibilities.argmax(axis=1)
    return len({*zip(chosen, group)}) == len(set(group))


def test_an_impossible_class_has_a_finite_log_probability():
    outputs = np.array([[[1.0, 0.0], [0.5, 0.5]]])
    log_prob = Categorical(np.zeros(2)).log_prob(np.array([1]), outputs, None)
    np.testing.assert_allclose(log_prob, [[np.log(np.finfo(float).eps), np.log(0.5)]])


def ask_about(outputs, asked=None):
    """Experts that give these outputs, and note which rows they are asked about."""

    def ask(k, rows):
        if asked is not None:
            asked[k] = rows
        return outputs[rows, k]

    return ask


@pytest.mark.parametrize("tail", [(), (4,)])
def test_dispatch_is_the_mean_under_the_weights(tail):
    rng = np.random.default_rng(0)
    weights, outputs = rng.dirichlet(np.ones(3), 6), rng.random((6, 3, *tail))
    expected = [w @ o for w, o in zip(weights, outputs)]
    np.testing.assert_allclose(dispatch(weights, ask_about(outputs)), expected)


@pytest.mark.parametrize("tail", [(), (4,)])
def test_one_kept_weight_gives_the_output_of_the_trusted_expert(tail):
    rng = np.random.default_rng(0)
    weights, outputs = rng.dirichlet(np.ones(3), 6), rng.random((6, 3, *tail))
    expected = [o[w.argmax()] for w, o in zip(weights, outputs)]
    kept = keep_largest(weights, 1)
    np.testing.assert_array_equal(dispatch(kept, ask_about(outputs)), expected)


@pytest.mark.parametrize("tail", [(), (4,)])
@pytest.mark.parametrize("chosen", [[1, 0, 2, 1], [2, 2, 2, 2], [3, 0, 0, 3]])
def test_dispatch_to_one_gives_the_output_of_the_chosen_expert(tail, chosen):
    chosen, asked = np.array(chosen), {}
    outputs = np.random.default_rng(0).random((4, 4, *tail))
    answers = dispatch_to_one(chosen, 4, ask_about(outputs, asked), np.float64)
    np.testing.assert_array_equal(answers, outputs[np.arange(4), chosen])
    assert {k: rows.tolist() for k, rows in asked.items()} == {
        k: np.flatnonzero(chosen == k).tolist() for k in np.unique(chosen)
    }


def test_an_expert_is_asked_about_its_own_rows_only():
    weights = np.array([[1.0, 0.0, 0.0], [0.5, 0.0, 0.5], [0.0, 0.0, 1.0]])
    asked = {}
    dispatch(weights, ask_about(np.zeros((3, 3)), asked))
    assert {k: rows.tolist() for k, rows in asked.items()} == {0: [0, 1], 2: [1, 2]}


@given(st.integers(1, 6), st.integers(1, 8), st.integers(0, 1000))
@settings(max_examples=50)
def test_the_largest_weights_are_kept_and_renormalised(n_experts, n_kept, seed):
    weights = np.random.default_rng(seed).dirichlet(np.ones(n_experts), 5)
    kept = keep_largest(weights, n_kept)
    np.testing.assert_allclose(kept.sum(axis=1), 1)
    assert ((kept > 0).sum(axis=1) == min(n_kept, n_experts)).all()
    for row, before in zip(kept, weights):
        assert before[row > 0].min() >= before[row == 0].max(initial=0)
        before = before[row > 0]
        np.testing.assert_allclose(row[row > 0], before / before.sum())


def test_of_equal_weights_the_first_are_kept():
    kept = keep_largest(np.full((1, 4), 0.25), 2)
    np.testing.assert_array_equal(kept, [[0.5, 0.5, 0, 0]])


@pytest.mark.parametrize("init", [*STARTS, KMeans(3, random_state=0)])
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_every_expert_begins_with_rows_of_its_own(blobs, init, container):
    X, y, _ = blobs
    R = start(init, container(X), y, 3)
    np.testing.assert_allclose(R.sum(axis=1), 1)
    assert (R.sum(axis=0) > 0).all()


@pytest.mark.parametrize("init", ["tree", "kmeans"])
def test_tree_and_kmeans_find_separate_groups(blobs, init):
    X, y, group = blobs
    assert same_partition(start(init, X, y, 3), group)


def test_the_tree_looks_at_the_target():
    X = np.random.default_rng(0).uniform(-1, 1, (200, 5))
    y = np.sign(X[:, 3])
    assert same_partition(start("tree", X, y, 2), y)


def test_the_tree_of_a_classifier_splits_classes():
    X = np.random.default_rng(0).uniform(-1, 1, (200, 5))
    y = (X[:, 3] > 0).astype(int)
    assert same_partition(start("tree", X, y, 2, n_classes=2), y)


def test_labels_become_one_hot():
    R = start(np.array(["b", "a", "b"]), np.zeros((3, 1)), np.zeros(3), 2)
    np.testing.assert_array_equal(R, [[0, 1], [1, 0], [0, 1]])


def test_given_responsibilities_are_used_as_they_are():
    given_ones = np.array([[0.2, 0.8], [0.5, 0.5]])
    np.testing.assert_allclose(
        start(given_ones, np.zeros((2, 1)), np.zeros(2), 2), given_ones
    )


def test_responsibilities_that_leave_an_expert_without_rows_are_refused():
    idle = np.array([[0.2, 0.0, 0.8], [0.5, 0.0, 0.5], [0.1, 0.0, 0.9]])
    with pytest.raises(ValueError, match=r"leave experts \[1\] without a row"):
        start(idle, np.zeros((3, 1)), np.zeros(3), 3)


def test_a_clusterer_with_probabilities_gives_soft_responsibilities(blobs):
    X, y, group = blobs
    R = start(GaussianMixture(3, random_state=0), X, y, 3)
    assert same_partition(R, group)
    assert ((R > 0) & (R < 1)).any()


def test_rows_that_a_clusterer_leaves_out_are_shared_by_all(blobs):
    X, y, group = blobs
    X = np.vstack([X, [[500.0, 500.0]]])
    R = start(DBSCAN(eps=5), X, np.append(y, 0.0), 3)
    np.testing.assert_allclose(R[-1], 1 / 3)
    assert same_partition(R[:-1], group)


def test_the_clusterer_of_the_user_is_not_fitted(blobs):
    X, y, _ = blobs
    clusterer = KMeans(3, random_state=0)
    start(clusterer, X, y, 3)
    assert not hasattr(clusterer, "labels_")


def test_a_clusterer_with_too_many_clusters_is_refused(blobs):
    X, y, _ = blobs
    with pytest.raises(ValueError, match="found 3 clusters for 2 experts"):
        start(KMeans(3, random_state=0), X, y, 2)


def test_identical_rows_are_dealt_out():
    R = start("kmeans", np.zeros((8, 2)), np.arange(8.0), 4)
    np.testing.assert_array_equal(np.sort(R.sum(axis=0)), [2, 2, 2, 2])


@pytest.mark.parametrize("init", ["tree", "kmeans"])
def test_too_few_groups_are_split_without_regard_to_row_order(init):
    X = np.random.default_rng(0).random((40, 3))
    y = np.repeat([0.0, 1.0], 20)
    order = np.random.default_rng(1).permutation(40)
    R = start(init, X, y, 5)
    permuted = start(init, X[order], y[order], 5)
    if init == "tree":
        np.testing.assert_array_equal(permuted, R[order])
    assert (R.sum(axis=0) > 0).all()


def test_further_starts_differ_in_kind():
    assert starting_points("tree", 1) == ["tree"]
    assert starting_points("tree", 4) == ["tree", "kmeans", "random", "random"]
    assert starting_points("random", 3) == ["random", "tree", "kmeans"]


@pytest.mark.parametrize(
    ("kind", "estimator"), [("tree", DecisionTreeRegressor), ("kmeans", KMeans)]
)
def test_of_many_rows_some_settle_where_em_begins(kind, estimator, monkeypatch):
    group = np.arange(3000) % 2
    X = group[:, np.newaxis] + 0.1 * np.random.default_rng(0).standard_normal((3000, 1))
    n_seen = []

    def fit(self, X, *args, **kwargs):
        n_seen.append(len(X))
        return original(self, X, *args, **kwargs)

    original = estimator.fit
    monkeypatch.setattr(estimator, "fit", fit)
    monkeypatch.setattr(starts, "START_ROWS", 300)
    first, second = (start(kind, X, 1.0 * group, 2) for _ in range(2))
    assert n_seen == [300, 300]
    assert same_partition(first, group)
    np.testing.assert_array_equal(first, second)
