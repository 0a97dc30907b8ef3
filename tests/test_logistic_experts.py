"""Logistic experts are solved to more than the tolerance of their own fit."""

import pickle
from collections import Counter
from functools import wraps

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_moe import MixtureOfExpertsClassifier
from sklearn_moe._rows import Block, LocalRows, TrainingWeights
from sklearn_moe.experts import ExpertPool, Probabilities

RNG = np.random.default_rng(0)
X = RNG.standard_normal((400, 4))
LOGITS = np.where(X[:, 0] > 0, X @ [3, -1, 0, 2], X @ [-1, 2, 1, 0] + 1)
LOGITS = LOGITS + RNG.logistic(size=400)
TWO = (LOGITS > 0).astype(int)
THREE = np.digitize(LOGITS, [-1, 1])
WEIGHTS = np.asfortranarray(RNG.dirichlet([1, 1, 1], 400))

pytestmark = pytest.mark.filterwarnings("ignore:.*were retired:UserWarning")
each_target = pytest.mark.parametrize("y", [TWO, THREE], ids=["two", "three"])


class OwnLogisticRegression(LogisticRegression):
    """A subclass may do otherwise: it is fitted by its own `fit`."""


@pytest.fixture
def fits(monkeypatch):
    """Counts the calls of `fit` by class."""
    calls, fit = Counter(), LogisticRegression.fit

    @wraps(fit)
    def counted(self, *args, **kwargs):
        calls[type(self)] += 1
        return fit(self, *args, **kwargs)

    monkeypatch.setattr(LogisticRegression, "fit", counted)
    return calls


def pool(expert, X=X, y=TWO, **arguments):
    classes, codes = np.unique(y, return_inverse=True)
    return ExpertPool(
        [(f"expert{k}", expert) for k in range(3)],
        LocalRows(Block(X, y, codes, np.ones(len(y)))),
        Probabilities(classes),
        random_state=np.random.RandomState(0),
        **arguments,
    )


def m_steps(expert, X=X, y=TWO, weights=WEIGHTS, **arguments):
    """Estimators and outputs of an M-step that follows another."""
    work = pool(expert, X, y, **arguments)
    active = np.ones(weights.shape[1], dtype=bool)
    ones = np.ones(len(weights))
    members, _ = work.fit(TrainingWeights(np.ones_like(weights), ones), active, None)
    members, values = work.fit(TrainingWeights(weights, ones), active, members)
    return [member.estimator for member in members], values


def optimum(expert, X, y, weights):
    """What the estimator's own fit finds if it is made to go on."""
    expert = clone(expert).set_params(tol=1e-10, max_iter=10_000)
    return expert.fit(X, y, weights)


def distance(one, other):
    """Largest difference of coefficients and intercepts."""
    gaps = one.coef_ - other.coef_, one.intercept_ - other.intercept_
    return max(np.abs(gap).max() for gap in gaps)


def assert_at_optimum(expert, X=X, y=TWO, weights=WEIGHTS, atol=1e-4):
    """Assert that all experts are, and nearer than by their own fit."""
    ours, _ = m_steps(expert, X, y, weights)
    for k, found in enumerate(ours):
        best = optimum(expert, X, y, weights[:, k])
        by_itself = clone(expert).fit(X, y, weights[:, k])
        assert distance(found, best) <= max(1e-5, distance(by_itself, best))
        assert distance(found, best) < atol
    return ours


# That they are solved
# --------------------


@each_target
@pytest.mark.parametrize(("sharing", "n_fits"), [("auto", 1), (0, 3)])
def test_only_the_first_fit_is_that_of_the_estimators(sharing, n_fits, y, fits):
    expert = LogisticRegression()
    # To learn the sharing, one of the clones is fitted to all rows.
    mixture = MixtureOfExpertsClassifier(expert, 3, sharing=sharing, random_state=0)
    mixture.fit(X, y)
    assert fits[LogisticRegression] == n_fits


@pytest.mark.parametrize(
    "expert",
    [
        OwnLogisticRegression(),
        LogisticRegression(solver="newton-cholesky"),
        LogisticRegression(class_weight="balanced"),
        LogisticRegression(solver="liblinear"),
        make_pipeline(StandardScaler(), LogisticRegression()),
    ],
    ids=repr,
)
def test_estimators_that_do_otherwise_are_fitted_by_themselves(expert, fits):
    m_steps(expert)
    assert sum(fits.values()) == 2 * 3


@pytest.mark.parametrize(
    "X",
    [sparse.csr_array(X), np.repeat(X, 160, axis=1)],
    ids=["sparse", "too many columns"],
)
def test_data_that_are_computed_otherwise_are_left_to_the_estimators(X, fits):
    m_steps(LogisticRegression(), X)
    assert fits[LogisticRegression] == 2 * 3


def test_what_is_solved_warns_of_nothing_that_the_first_fit_has_warned_of():
    X, y = load_digits(return_X_y=True)
    with pytest.warns(ConvergenceWarning):
        LogisticRegression(max_iter=30).fit(X[:400], y[:400])
    expert = LogisticRegression(max_iter=30)
    mixture = MixtureOfExpertsClassifier(expert, n_experts=2, random_state=0, tol=1e-2)
    mixture.fit(X[:400], y[:400])


# That they are at the optimum
# ----------------------------


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("C", [1e-3, 1.0, 1e4, np.inf])
@each_target
def test_a_solution_is_nearer_to_the_optimum_than_that_of_the_estimator(
    C, fit_intercept, y
):
    assert_at_optimum(LogisticRegression(C=C, fit_intercept=fit_intercept), y=y)


@each_target
def test_the_first_fit_is_there_already(y):
    work, active = pool(LogisticRegression(), y=y), np.ones(3, dtype=bool)
    members, _ = work.fit(TrainingWeights(WEIGHTS, np.ones(400)), active, None)
    for k, member in enumerate(members):
        best = optimum(LogisticRegression(), X, y, WEIGHTS[:, k])
        assert distance(member.estimator, best) < 1e-4


@each_target
def test_labels_are_those_of_the_mixture(y):
    labels = np.array(["b", "c", "a"])[y]
    ours, _ = m_steps(LogisticRegression(), y=labels)
    assert list(ours[0].classes_) == sorted(set(labels))
    best = optimum(LogisticRegression(), X, labels, WEIGHTS[:, 0])
    assert distance(ours[0], best) < 1e-4


def test_rows_of_zero_or_negligible_weight_do_not_take_part(fits):
    weights = WEIGHTS.copy()
    weights[::3] = 0
    weights[1::3] *= 1e-11
    rest = np.arange(400) % 3 == 2
    ours, _ = m_steps(LogisticRegression(), weights=weights)
    assert fits[LogisticRegression] == 3
    best = optimum(LogisticRegression(), X[rest], TWO[rest], weights[rest, 0])
    assert distance(ours[0], best) < 1e-4


@each_target
def test_an_expert_whose_rows_lack_a_class_is_finite_and_sure_that_it_is_absent(y):
    weights = WEIGHTS.copy()
    weights[y == 0, 1] = 0
    ours, values = m_steps(LogisticRegression(), y=y, weights=weights)
    assert list(ours[1].classes_) == list(np.unique(y))
    assert np.isfinite(ours[1].coef_).all()
    assert values[:, 1, 0].max() < 0.01


def test_an_expert_without_any_weight_learns_from_all_rows_alike():
    weights = WEIGHTS.copy()
    weights[:, 1] = 0
    ours, _ = m_steps(LogisticRegression(), weights=weights)
    best = optimum(LogisticRegression(), X, TWO, None)
    assert distance(ours[1], best) < 1e-4


@pytest.mark.parametrize("C", [1.0, 1e8, np.inf])
@each_target
def test_separable_classes_give_finite_coefficients_and_sure_probabilities(C, y):
    separable = np.column_stack([X, 10 * y])
    ours, values = m_steps(LogisticRegression(C=C), separable, y)
    assert all(np.isfinite(expert.coef_).all() for expert in ours)
    assert (values.argmax(axis=2) == y[:, np.newaxis]).all()


@pytest.mark.parametrize("C", [1.0, np.inf])
def test_a_constant_column_is_no_hindrance(C):
    constant = np.column_stack([X, np.full(400, 7.0)])
    ours, values = m_steps(LogisticRegression(C=C), constant)
    _, expected = m_steps(LogisticRegression(C=C))
    if C == 1:
        assert ours[0].coef_[0, -1] == pytest.approx(0, abs=1e-4)
    np.testing.assert_allclose(values, expected, atol=1e-3)


def test_columns_that_are_large_or_far_from_zero_are_no_hindrance():
    # The estimator itself does not find the optimum here.
    far = X * [1e3, 1, 1e-2, 1] + [1e4, 100, 0, -1e3]
    ours, _ = m_steps(LogisticRegression(), far)
    best = LogisticRegression(solver="newton-cholesky", tol=1e-10, max_iter=1000)
    best.fit(far, TWO, WEIGHTS[:, 0])
    np.testing.assert_allclose(
        ours[0].predict_proba(far), best.predict_proba(far), atol=1e-4
    )


@pytest.mark.parametrize("order", ["C", "F"])
def test_neither_the_order_of_memory_nor_blocks_of_rows_matter(order):
    rng = np.random.default_rng(1)
    X = np.asarray(rng.standard_normal((20_011, 5)), order=order)
    y = np.digitize(X @ np.ones(5) + rng.logistic(size=len(X)), [-1, 2])
    assert_at_optimum(LogisticRegression(), X, y, rng.dirichlet([1, 1, 1], len(X)))


def test_a_frame_of_numbers_is_read_as_the_estimator_reads_it(fits):
    frame = pd.DataFrame(X, columns=list("abcd"))
    frame["c"] = (10 * frame["c"]).astype(int)
    ours, _ = m_steps(LogisticRegression(), frame)
    assert list(ours[0].feature_names_in_) == list("abcd")
    assert fits[LogisticRegression] == 3


# The estimators
# --------------


@each_target
def test_experts_are_real_estimators(y):
    mixture = MixtureOfExpertsClassifier(LogisticRegression(), n_experts=3)
    one = mixture.set_params(random_state=0).fit(X, y).experts_[0]
    own = LogisticRegression(random_state=0).fit(X, y)
    assert type(one) is LogisticRegression
    assert set(vars(one)) == set(vars(own))
    for name, expected in vars(own).items():
        found = getattr(one, name)
        assert type(found) is type(expected), name
        if isinstance(expected, np.ndarray):
            assert (found.shape, found.dtype) == (expected.shape, expected.dtype), name
    restored = pickle.loads(pickle.dumps(one))
    np.testing.assert_array_equal(restored.predict_proba(X), one.predict_proba(X))
    again = clone(one).fit(X, y)
    np.testing.assert_array_equal(again.coef_, own.coef_)


def test_earlier_experts_stay_as_they_were():
    work, active = pool(LogisticRegression()), np.ones(3, dtype=bool)
    ones = np.ones(400)
    first, _ = work.fit(TrainingWeights(np.ones((400, 3)), ones), active, None)
    before = [member.estimator.coef_.copy() for member in first]
    work.fit(TrainingWeights(WEIGHTS, ones), active, first)
    for member, coef in zip(first, before):
        np.testing.assert_array_equal(member.estimator.coef_, coef)


@each_target
def test_the_outputs_are_the_predictions(y):
    experts, values = m_steps(LogisticRegression(), y=y)
    for k, expert in enumerate(experts):
        expected = expert.predict_proba(X)
        np.testing.assert_allclose(values[:, k], expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    "params",
    [
        {"assignment": "hard"},
        {"sharing": 0.1},
        {"n_init": 2},
        {"acceleration": "squarem"},
    ],
    ids=str,
)
def test_mixtures_agree_with_those_of_exact_experts(params):
    params = {"n_experts": 2, "max_iter": 5, "random_state": 0, "tol": 0} | params
    exact = OwnLogisticRegression(tol=1e-9, max_iter=1000)
    with pytest.warns(ConvergenceWarning):
        ours, theirs = (
            MixtureOfExpertsClassifier(expert, **params).fit(X, THREE)
            for expert in (LogisticRegression(), exact)
        )
    np.testing.assert_allclose(ours.objective_path_, theirs.objective_path_, rtol=1e-5)
    np.testing.assert_allclose(
        ours.predict_proba(X), theirs.predict_proba(X), atol=1e-3
    )
