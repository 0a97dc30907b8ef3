"""A gate is the same, wherever the rows lie."""

import numpy as np
import pandas as pd
import pytest
from _rows import ManyBlocks, block_of, rows_of
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, PolynomialFeatures, StandardScaler

from sklearn_moe import GaussianGate, SoftmaxGate
from sklearn_moe._rows import LocalRows
from sklearn_moe.gates import bind_gate, log_weights, remember_gate, resume_gate
from sklearn_moe.gates._columns import column_moments
from sklearn_moe.gates._regions import ClassMoments

GATES = [
    SoftmaxGate(),
    SoftmaxGate(0.01, clip=1.5),
    SoftmaxGate(load_balance=0.2),
    GaussianGate(),
    GaussianGate("full", reg_covar=0.05),
    make_pipeline(StandardScaler(), PCA(2, svd_solver="full"), SoftmaxGate()),
    make_pipeline(PolynomialFeatures(2, include_bias=False), GaussianGate()),
]
OF_ALL_KINDS = pytest.mark.parametrize("gate", GATES, ids=str)
LEARNERS = pytest.mark.parametrize(
    "gate", [SoftmaxGate(0.01), GaussianGate(), GaussianGate("full")], ids=str
)


def table(n_samples, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n_samples, 4)) * [1, 100, 0.1, 5] + [0, 500, -3, 1]


def frame(n_samples):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(table(n_samples), columns=list("abcd"))
    X.loc[rng.random(n_samples) < 0.2, "b"] = np.nan
    X["kind"] = rng.choice(["red", "green", None], n_samples)
    days = pd.to_timedelta(rng.integers(0, 1000, n_samples), "D")
    return X.assign(day=pd.Timestamp("2020-01-01") + days)


def weights_and_targets(n_samples, n_experts, seed=0):
    rng = np.random.default_rng(seed)
    targets = rng.dirichlet(np.full(n_experts, 0.3), n_samples)
    return rng.uniform(0.2, 3, n_samples), targets


def bound(gate, rows, n_experts):
    return bind_gate(gate, rows, n_experts, random_state=np.random.RandomState(0))


def assert_same_law(gate, X, n_experts):
    """What is learnt from blocks is what is learnt from all rows at once."""
    n_samples = len(X)
    weights, targets = weights_and_targets(n_samples, n_experts)
    block = block_of(X, weights)
    cuts = [n_samples // 7, n_samples // 7 + 3, n_samples // 2]
    one, many = LocalRows(block), ManyBlocks(block, cuts)
    whole, spread = bound(gate, one, n_experts), bound(gate, many, n_experts)
    np.testing.assert_allclose(
        spread.features.joined(), whole.features, rtol=1e-10, atol=1e-10
    )
    np.testing.assert_allclose(spread.sample_features, whole.features, atol=1e-10)
    previous = [None, None]
    for moved in (targets, np.roll(targets, 1, axis=1), targets**2 + 0.1):
        moved = moved / moved.sum(axis=1, keepdims=True)
        fitted, expected = whole.fit(moved, previous[0])
        of_blocks, found = spread.fit(many.column(moved), previous[1])
        previous = [fitted, of_blocks]
        np.testing.assert_allclose(found.joined(), expected, rtol=1e-10, atol=1e-10)
        assert spread.penalty(of_blocks) == pytest.approx(
            whole.penalty(fitted), rel=1e-10
        )
    order = np.arange(n_experts)[::-1]
    np.testing.assert_allclose(
        log_weights(spread.estimator(of_blocks, order), X, n_experts),
        log_weights(whole.estimator(fitted, order), X, n_experts),
        rtol=1e-8,
        atol=1e-10,
    )


@OF_ALL_KINDS
@pytest.mark.parametrize("n_experts", [1, 2, 4])
def test_a_gate_of_blocks_is_that_of_all_rows(gate, n_experts):
    assert_same_law(gate, table(300), n_experts)


@pytest.mark.parametrize("gate", GATES[:5], ids=str)
def test_so_it_is_with_categories_dates_and_missing_values(gate):
    assert_same_law(gate, frame(300), 3)


@pytest.mark.parametrize("gate", GATES[:2], ids=str)
def test_so_it_is_where_the_hessian_is_that_of_some_rows(gate):
    assert_same_law(gate, table(9000), 2)


def test_so_it_is_where_the_hessian_is_never_formed():
    X = np.random.default_rng(0).normal(size=(400, 150))
    assert_same_law(SoftmaxGate(), X, 4)


def test_a_sample_for_the_hessian_leads_to_the_same_optimum():
    X = table(2000)
    weights, targets = weights_and_targets(2000, 3)
    block = block_of(X, weights)
    sample = block_of(X[::5], weights[::5] * weights.sum() / weights[::5].sum())
    many = ManyBlocks(block, [700, 1500], sample)
    gates = [bound(SoftmaxGate(0.01), rows, 3) for rows in (LocalRows(block), many)]
    previous = [None, None]
    for _ in range(20):
        whole, expected = gates[0].fit(targets, previous[0])
        spread, found = gates[1].fit(many.column(targets), previous[1])
        previous = [whole, spread]
    np.testing.assert_allclose(found.joined(), expected, atol=1e-6)


@LEARNERS
def test_a_fitted_gate_is_recalled(gate):
    weights, targets = weights_and_targets(300, 3)
    block = block_of(table(300), weights)
    one, many = LocalRows(block), ManyBlocks(block, [100])
    whole, spread = bound(gate, one, 3), bound(gate, many, 3)
    estimator = whole.estimator(whole.fit(targets, None)[0], np.arange(3))
    _, expected = whole.fit(targets, whole.recall(estimator))
    _, found = spread.fit(many.column(targets), spread.recall(estimator))
    np.testing.assert_allclose(found.joined(), expected, atol=1e-10)


def test_a_gate_of_other_features_is_not_recalled():
    gate = SoftmaxGate().fit(table(50)[:, :2], np.arange(50) % 2)
    assert bound(SoftmaxGate(), rows_of(table(50)), 2).recall(gate) is None


def test_sparse_columns_need_one_block():
    gate = make_pipeline(OneHotEncoder(handle_unknown="ignore"), SoftmaxGate())
    X = np.arange(20.0).reshape(-1, 1) % 3
    assert sparse.issparse(bound(gate, rows_of(X), 2).features)
    with pytest.raises(ValueError, match="makes sparse columns"):
        bound(gate, ManyBlocks(block_of(X), [5]), 2)


def test_a_column_too_large_to_square_is_named_wherever_it_lies():
    X = table(20)
    X[:, 2] *= 1e200
    for rows in (rows_of(X), ManyBlocks(block_of(X), [5])):
        with pytest.raises(ValueError, match="Column 2 of X is too large"):
            bound(SoftmaxGate(), rows, 2)


@given(st.integers(0, 1000))
def test_moments_of_columns_add_up(seed):
    rng = np.random.default_rng(seed)
    X, weights = table(30, seed), rng.uniform(0.1, 5, 30)
    X[rng.random(X.shape) < 0.3] = np.nan
    X[:12, 0] = np.nan
    X[:, 1] = 0.1
    whole = column_moments(X, weights)
    halves = [column_moments(X[h], weights[h]) for h in (slice(12), slice(12, None))]
    added = halves[0] + halves[1]
    for name in ("weight", "mean", "variance", "scale"):
        np.testing.assert_allclose(
            getattr(added, name), getattr(whole, name), rtol=1e-9, atol=1e-30
        )
    assert whole.scale[1] == 1
    counted_twice = column_moments(X, 2 * weights)
    np.testing.assert_allclose((2 * whole).weight, counted_twice.weight)


@pytest.mark.parametrize("covariance_type", ["diag", "full"])
@given(st.integers(0, 1000))
def test_moments_of_classes_add_up(covariance_type, seed):
    X = table(30, seed)
    _, weights = weights_and_targets(30, 3, seed)
    # A class without rows in a block, and one without any.
    weights = np.column_stack([weights, np.zeros(30)])
    weights[:12, 0] = 0

    def moments(rows):
        block = block_of(X[rows])
        return ClassMoments.of_block(block, block.X, weights[rows], covariance_type)

    whole, added = moments(slice(None)), moments(slice(12)) + moments(slice(12, None))
    for name in ("weights", "means", "covariances"):
        np.testing.assert_allclose(
            getattr(added, name), getattr(whole, name), rtol=1e-9, atol=1e-9
        )


def resumed(gate, batches, n_experts, kept=1.0):
    """A gate fitted to the first batch, and taught the others; a column of weights."""
    weight = batches[0].total_weight
    targets = [weights_and_targets(b.n_samples, n_experts)[1] for b in batches]
    first = bound(gate, batches[0], n_experts)
    estimator = first.estimator(first.fit(targets[0], None)[0], np.arange(n_experts))
    memory = remember_gate(estimator, batches[0], n_experts, weight=weight)
    for rows, wanted in zip(batches[1:], targets[1:]):
        online = resume_gate(
            estimator,
            rows,
            n_experts,
            memory=memory,
            kept=kept,
            offset=0.5,
        )
        fitted, found = online.fit(wanted, None)
        estimator = online.estimator(fitted, np.arange(n_experts))
        memory = online.memory(fitted)
    return estimator, found


@LEARNERS
def test_the_weights_of_a_gate_in_a_stream_are_those_that_it_predicts(gate):
    batches = [rows_of(table(200, seed)) for seed in range(3)]
    estimator, found = resumed(gate, batches, 3, kept=0.8)
    expected = log_weights(estimator, batches[-1].sample.X, 3)
    np.testing.assert_allclose(found, expected, atol=1e-9)


@LEARNERS
@pytest.mark.parametrize("pipeline", [False, True])
def test_a_constant_column_of_a_stream_is_ignored(gate, pipeline):
    rng = np.random.default_rng(0)
    gate = make_pipeline(gate) if pipeline else gate
    batches = []
    for seed in range(3):
        X = table(200, seed)
        # Weighted, the variance of rounded numbers may come out below zero.
        X[:, 3] = 0.1
        batches.append(rows_of(X, rng.uniform(0.2, 3, 200)))
    _, found = resumed(gate, batches, 2)
    assert np.isfinite(found).all()


def test_frozen_gates_and_gates_of_one_expert_stay_as_they_are_in_a_stream():
    rows = rows_of(table(60))
    frozen = FrozenEstimator(
        LogisticRegression(max_iter=1000).fit(rows.sample.X, np.arange(60) % 2)
    )
    alone = bound(SoftmaxGate(), rows, 1)
    alone = alone.estimator(alone.fit(np.ones((60, 1)), None)[0], np.arange(1))
    for gate, n_experts in ((frozen, 2), (alone, 1)):
        memory = remember_gate(gate, rows, n_experts, weight=60.0)
        assert memory is None
        online = resume_gate(gate, rows, n_experts, memory=memory, kept=0.5, offset=0.5)
        _, targets = weights_and_targets(60, n_experts)
        fitted, _ = online.fit(targets, None)
        assert online.estimator(fitted, np.arange(n_experts)) is gate
        assert online.memory(fitted) is None
        assert online.penalty(fitted) == 0
