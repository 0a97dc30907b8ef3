"""The engine over rows that lie anywhere: many blocks are as good as one."""

import itertools

import numpy as np
import pytest
from _rows import ManyBlocks, PerBlock
from sklearn import config_context
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

from sklearn_moe import GaussianGate, SoftmaxGate
from sklearn_moe._fitting import check_training_set
from sklearn_moe._rows import LocalRows
from sklearn_moe._targets import ClassTargets, NumberTargets
from sklearn_moe.em import (
    Learners,
    Router,
    expectation_maximization,
    initial_responsibilities,
)
from sklearn_moe.experts import ExpertPool
from sklearn_moe.gates import bind_gate

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 2))
NUMBERS = np.abs(X[:, 0]) + X[:, 1] + 0.2 * RNG.normal(size=300)
CLASSES = np.where(X[:, 0] * X[:, 1] > 0, "same", "other")
WEIGHTS = RNG.uniform(0.5, 2, 300)
# By default the fits of many blocks stop some way from the optimum.
EXACT_LOGISTIC = LogisticRegression(solver="newton-cholesky", tol=1e-10)


def problem(targets, y, expert, n_experts):
    named = [(f"expert{k}", expert) for k in range(n_experts)]
    training, targets = check_training_set(X, y, WEIGHTS, targets, named)
    return named, training.block, targets


def objectives(rows, named, targets, gate, init, router, sharing, n_iter=6):
    """The objective after each iteration of EM."""
    random_state = np.random.RandomState(0)
    pool = ExpertPool(named, rows, targets.output_of, random_state=random_state)
    learners = Learners(
        pool,
        targets.likelihood(targets.summarize(rows), pool.unfitted, random_state),
        bind_gate(gate, rows, len(named), random_state=random_state),
    )
    start = initial_responsibilities(
        init,
        rows,
        learners.gate,
        len(named),
        random_state,
        n_classes=None if targets.classes is None else len(targets.classes),
    )
    iterations = expectation_maximization(
        rows, learners, start, sharing=sharing, tol=0, router=router
    )
    return [i.objective for i in itertools.islice(iterations, n_iter)]


@pytest.mark.parametrize(
    ("targets", "y", "expert", "gate"),
    [
        (NumberTargets(), NUMBERS, Ridge(), SoftmaxGate()),
        (NumberTargets("laplace"), NUMBERS, Ridge(), GaussianGate()),
        (NumberTargets("gamma"), np.exp(NUMBERS), Ridge(), SoftmaxGate(clip=2)),
        (NumberTargets(), np.c_[NUMBERS, -NUMBERS], Ridge(), GaussianGate("full")),
        (
            NumberTargets(),
            NUMBERS,
            DecisionTreeRegressor(max_depth=2, random_state=0),
            SoftmaxGate(load_balance=0.1),
        ),
        (ClassTargets(), CLASSES, EXACT_LOGISTIC, SoftmaxGate()),
        (ClassTargets(), CLASSES, GaussianNB(), GaussianGate()),
    ],
)
@pytest.mark.parametrize("init", ["tree", "random"])
@pytest.mark.parametrize("sharing", [0.0, 0.1])
def test_em_over_many_blocks_is_em_over_one(targets, y, expert, gate, init, sharing):
    named, block, targets = problem(targets, y, expert, 3)
    settings = named, targets, gate, init, Router(), sharing
    expected = objectives(LocalRows(block), *settings)
    found = objectives(ManyBlocks(block, [40, 170]), *settings)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize("weighted", [True, False])
def test_scalers_in_front_of_experts_are_weighted_as_they_ask(weighted):
    with config_context(enable_metadata_routing=True):
        scaler = StandardScaler().set_fit_request(sample_weight=weighted)
    expert = make_pipeline(scaler, Ridge(10))
    named, block, targets = problem(NumberTargets(), NUMBERS, expert, 3)
    settings = named, targets, SoftmaxGate(), "tree", Router(), 0.1
    expected = objectives(LocalRows(block), *settings)
    found = objectives(ManyBlocks(block, [40, 170]), *settings)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_where_experts_die_they_are_given_the_same_rows():
    y = np.where(X[:, 0] > 0, 1.0, 0.0)
    named, block, targets = problem(NumberTargets(), y, Ridge(), 6)
    settings = named, targets, SoftmaxGate(1e-4), "random", Router(), 0.0, 40
    expected = objectives(LocalRows(block), *settings)
    found = objectives(ManyBlocks(block, [40, 170]), *settings)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("assignment", ["hard", "expert_choice"])
def test_each_block_is_routed_as_a_table_of_its_own(assignment):
    _, block, _ = problem(NumberTargets(), NUMBERS, Ridge(), 2)
    rows = ManyBlocks(block, [100])
    responsibilities = rows.column(RNG.dirichlet(np.ones(2), 300))
    router = Router(assignment, 0.5)
    found = PerBlock(rows.map(router.route_block, responsibilities))
    for own, piece in zip(found, rows.blocks):
        capacity = np.ceil(0.5 * len(piece.y) / 2) * piece.sample_weight.mean()
        trained = piece.sample_weight @ (own.weights > 0)
        assert (trained <= capacity + piece.sample_weight.max()).all()
