"""The gate as a classifier of its own."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from scipy.optimize import minimize
from scipy.special import softmax
from sklearn.datasets import load_breast_cancer, load_iris, make_classification
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from sklearn_moe import MixtureOfExpertsRegressor, SoftmaxGate, kernels
from sklearn_moe.gates._objective import MAX_DENSE_HESSIAN


@pytest.fixture
def iris():
    return load_iris(return_X_y=True)


def soft_targets(n_samples, n_classes, seed=0):
    return np.random.default_rng(seed).dirichlet(np.ones(n_classes), n_samples)


@pytest.mark.parametrize("load", [load_iris, load_breast_cancer])
@pytest.mark.parametrize("alpha", [1e-3, 0.1])
def test_equals_logistic_regression_at_the_same_penalty(load, alpha):
    X, y = load(return_X_y=True)
    sample_weight = np.random.default_rng(0).uniform(0.5, 2, len(y))
    scaler = StandardScaler().fit(X, sample_weight=sample_weight)
    logistic = LogisticRegression(
        C=1 / (alpha * sample_weight.sum()), tol=1e-10, max_iter=10_000
    ).fit(scaler.transform(X), y, sample_weight)
    gate = SoftmaxGate(alpha=alpha).fit(X, y, sample_weight)
    np.testing.assert_allclose(
        gate.predict_proba(X),
        logistic.predict_proba(scaler.transform(X)),
        rtol=0,
        atol=1e-5,
    )
    np.testing.assert_array_equal(
        gate.predict(X), logistic.predict(scaler.transform(X))
    )


def test_soft_targets_equal_weighted_repetition_of_labels(iris):
    X, _ = iris
    targets = soft_targets(len(X), 3)
    gate = SoftmaxGate(tol=1e-9).fit(X, targets)
    repeated = SoftmaxGate(tol=1e-9).fit(
        np.repeat(X, 3, axis=0), np.tile(np.arange(3), len(X)), targets.ravel()
    )
    np.testing.assert_allclose(
        gate.predict_proba(X), repeated.predict_proba(X), atol=1e-8
    )


def test_one_hot_targets_equal_labels(iris):
    X, y = iris
    np.testing.assert_allclose(
        SoftmaxGate().fit(X, np.eye(3)[y]).predict_proba(X),
        SoftmaxGate().fit(X, y).predict_proba(X),
    )


def test_coefficients_are_in_the_units_of_the_input(iris):
    X, y = iris
    X = X * [1, 10, 100, 1e4] + [0, 5, -300, 1e5]
    gate = SoftmaxGate().fit(X, y)
    np.testing.assert_allclose(
        gate.predict_proba(X), softmax(X @ gate.coef_.T + gate.intercept_, axis=1)
    )


@given(
    st.lists(st.floats(1e-3, 1e3), min_size=4, max_size=4),
    st.lists(st.floats(-100, 100), min_size=4, max_size=4),
)
def test_scale_and_origin_of_the_features_do_not_matter(scale, shift):
    X, y = load_iris(return_X_y=True)
    np.testing.assert_allclose(
        SoftmaxGate().fit(X, y).predict_proba(X),
        SoftmaxGate().fit(X * scale + shift, y).predict_proba(X * scale + shift),
        atol=1e-5,
    )


@pytest.mark.parametrize("make_sparse", [sparse.csr_array, sparse.csr_matrix])
def test_sparse_input_equals_dense_input(iris, make_sparse):
    X, y = iris
    X = np.where(X > 1.5, X, 0)
    dense = SoftmaxGate(tol=1e-9).fit(X, y)
    scarce = SoftmaxGate(tol=1e-9).fit(make_sparse(X), y)
    np.testing.assert_allclose(
        scarce.predict_proba(make_sparse(X)), dense.predict_proba(X), atol=1e-7
    )


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_conjugate_gradients_reach_the_same_optimum(container, monkeypatch, iris):
    X, y = iris
    exact = SoftmaxGate(tol=1e-9).fit(container(X), y).predict_proba(container(X))
    monkeypatch.setattr("sklearn_moe.gates._objective.MAX_DENSE_HESSIAN", 0)
    by_cg = SoftmaxGate(tol=1e-9).fit(container(X), y).predict_proba(container(X))
    np.testing.assert_allclose(by_cg, exact, atol=1e-7)


def test_many_parameters_are_fitted_without_a_dense_hessian():
    X, y = make_classification(100, 400, n_informative=20, random_state=0)
    assert MAX_DENSE_HESSIAN < 2 * 401
    gate = SoftmaxGate().fit(X, y)
    assert gate.score(X, y) == 1


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_hessian_of_few_rows_leads_to_the_same_optimum(
    monkeypatch, container, weighted
):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((400, 3)), rng.dirichlet(np.ones(3), 400)
    weight = rng.exponential(size=400) if weighted else None
    expected = SoftmaxGate().fit(container(X), y, weight)
    monkeypatch.setattr("sklearn_moe.gates._objective.ROWS_PER_PARAMETER", 2)
    monkeypatch.setattr("sklearn_moe.gates._objective.LEAST_ROWS", 1)
    gate = SoftmaxGate().fit(container(X), y, weight)
    assert gate.n_iter_ != expected.n_iter_
    np.testing.assert_allclose(gate.coef_, expected.coef_, atol=1e-6)
    np.testing.assert_allclose(gate.intercept_, expected.intercept_, atol=1e-6)


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_a_missing_value_counts_as_the_mean_of_its_column(iris, container):
    X, y = iris
    holes = X.copy()
    holes[::7, 1] = np.nan
    filled = X.copy()
    filled[::7, 1] = np.nanmean(holes[:, 1])
    gate = SoftmaxGate().fit(container(holes), y)
    assert gate.feature_mean_[1] == pytest.approx(np.nanmean(holes[:, 1]))
    np.testing.assert_allclose(
        gate.predict_proba(container(holes)), gate.predict_proba(container(filled))
    )


def test_a_column_without_any_value_is_ignored(iris):
    X, y = iris
    blind = np.column_stack([X, np.full(len(X), np.nan)])
    np.testing.assert_allclose(
        SoftmaxGate(1e-3).fit(blind, y).predict_proba(blind),
        SoftmaxGate(1e-3).fit(X, y).predict_proba(X),
        atol=1e-6,
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_output_has_the_dtype_of_the_input(iris, dtype):
    X, y = iris
    X = X.astype(dtype)
    assert SoftmaxGate().fit(X, y).predict_proba(X).dtype == dtype


def test_a_weight_of_two_equals_the_row_twice(iris):
    X, y = iris
    weights = np.random.default_rng(0).integers(0, 3, len(y))
    np.testing.assert_allclose(
        SoftmaxGate().fit(X, y, weights).predict_proba(X),
        SoftmaxGate().fit(X.repeat(weights, 0), y.repeat(weights)).predict_proba(X),
        atol=1e-9,
    )


def test_warm_start_begins_at_the_previous_coefficients(iris):
    X, y = iris
    gate = SoftmaxGate(warm_start=True).fit(X, y)
    assert gate.n_iter_ > 1
    coef = gate.coef_
    assert gate.fit(X, y).n_iter_ == 0
    np.testing.assert_allclose(gate.coef_, coef)


def test_warm_start_with_other_classes_begins_anew(iris):
    X, y = iris
    gate = SoftmaxGate(warm_start=True).fit(X, y)
    fresh = SoftmaxGate().fit(X, y > 0)
    np.testing.assert_allclose(
        gate.fit(X, y > 0).predict_proba(X), fresh.predict_proba(X)
    )


def test_the_intercept_is_not_penalised():
    X = np.random.default_rng(0).standard_normal((200, 2))
    y = np.r_[np.zeros(20), np.ones(180)]
    gate = SoftmaxGate(alpha=1e6, tol=1e-10).fit(X, y)
    np.testing.assert_allclose(gate.predict_proba(X)[:, 0], 0.1, atol=1e-5)


def test_separable_classes_without_penalty_stay_finite():
    X = np.r_[-1.0, -0.5, 0.5, 1.0].reshape(-1, 1)
    gate = SoftmaxGate(alpha=0).fit(X, [0, 0, 1, 1])
    assert np.isfinite(gate.coef_).all()
    np.testing.assert_allclose(gate.predict_proba(X)[[0, -1], [0, 1]], 1, atol=1e-4)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_separable_classes_are_told_apart_without_penalty(seed, container):
    rng = np.random.default_rng(seed)
    groups = [np.eye(n)[rng.integers(0, n, 13)] for n in (5, 4)]
    X = np.column_stack([rng.normal(size=13), *groups])
    y = X[:, 0] > 0
    gate = SoftmaxGate(alpha=0, tol=1e-12).fit(container(X), y)
    np.testing.assert_allclose(gate.predict_proba(container(X))[:, 1], y, atol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_rows_whose_logits_overflow_have_the_weights_of_the_limit(dtype, container):
    rng = np.random.default_rng(0)
    X = 1e-10 * rng.normal(size=(200, 2))
    gate = SoftmaxGate().fit(X, (X[:, 0] > 0) + 0 + (X[:, 1] > 0))
    direction, huge = rng.normal(size=(20, 2)), np.finfo(dtype).max / 8
    far = container((huge * direction).astype(dtype))
    weights = gate.predict_proba(far)
    assert weights.dtype == dtype
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    np.testing.assert_array_equal(gate.predict(far), gate.predict(1e3 * direction))
    np.testing.assert_array_equal(weights.argmax(axis=1), gate.predict(far))
    assert np.isfinite(gate.decision_function(far)).all()


def test_stopping_early_warns_and_names_the_remedy(iris):
    with pytest.warns(ConvergenceWarning, match="increase max_iter or alpha"):
        SoftmaxGate(alpha=1e-3, max_iter=1).fit(*iris)


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        ([[0.5, 0.6], [0.5, 0.5]], "sum to one"),
        ([[-0.5, 1.5], [0.5, 0.5]], "non-negative"),
        ([[0.5, 0.5]], "X has 2 rows, but y has 1"),
        ([0, 0], "one class"),
        ([0, 1, 1], "X has 2 rows, but y has 3"),
    ],
)
def test_bad_targets_are_refused(targets, message):
    with pytest.raises(ValueError, match=message):
        SoftmaxGate().fit([[0.0], [1.0]], targets)


def test_predicting_before_fit_is_refused(iris):
    with pytest.raises(NotFittedError):
        SoftmaxGate().predict_proba(iris[0])


def test_a_common_shift_is_removed_from_coefficients(iris):
    gate = SoftmaxGate(alpha=0.01).fit(*iris)
    np.testing.assert_allclose(gate.coef_.sum(axis=0), 0, atol=1e-10)
    np.testing.assert_allclose(gate.intercept_.sum(), 0, atol=1e-8)


def test_load_balancing_adds_the_switch_loss_to_the_objective(iris):
    X, y = iris
    targets = np.random.default_rng(0).dirichlet([3, 1, 1], len(y))
    design = StandardScaler().fit_transform(X)

    def objective(flat):
        W, b = flat[:12].reshape(3, 4), flat[12:]
        weights = softmax(design @ W.T + b, axis=1)
        load = np.bincount(targets.argmax(axis=1), minlength=3) / len(y)
        cross_entropy = -np.sum(targets * np.log(weights), axis=1).mean()
        balance = 0.2 * 3 * load @ weights.mean(axis=0)
        return cross_entropy + 0.05 * np.sum(W**2) + balance

    best = minimize(objective, np.zeros(15), method="BFGS", options={"gtol": 1e-7})
    W, b = best.x[:12].reshape(3, 4), best.x[12:]
    gate = SoftmaxGate(alpha=0.1, load_balance=0.2).fit(X, targets)
    np.testing.assert_allclose(
        gate.predict_proba(X), softmax(design @ W.T + b, axis=1), atol=1e-4
    )


def test_load_balancing_evens_out_the_weights(iris):
    X, _ = iris
    y = np.r_[np.zeros(110, int), np.ones(40, int)]
    share = [
        SoftmaxGate(load_balance=strength).fit(X, y).predict_proba(X).mean(axis=0)[0]
        for strength in (0, 0.3, 1.0)
    ]
    assert share[0] > share[1] > share[2]


def test_outliers_count_as_lying_at_the_bounds(iris):
    X, y = iris
    mean, scale = X.mean(axis=0), X.std(axis=0)
    clipped = np.clip(X, mean - 1.5 * scale, mean + 1.5 * scale)
    gate = SoftmaxGate(clip=1.5).fit(X, y)
    np.testing.assert_allclose(gate.bounds_, [mean - 1.5 * scale, mean + 1.5 * scale])
    np.testing.assert_allclose(
        gate.predict_proba(X), SoftmaxGate().fit(clipped, y).predict_proba(clipped)
    )
    far, edge = gate.predict_proba([mean + 100 * scale, gate.bounds_[1]])
    np.testing.assert_array_equal(far, edge)


def test_clipping_leaves_missing_values_and_sparse_zeros_alone(iris):
    X, y = iris
    X = np.where(X < 2, 0, X)
    gate = SoftmaxGate(clip=2.0).fit(sparse.csr_array(X), y)
    np.testing.assert_allclose(
        gate.predict_proba(sparse.csr_array(X)), gate.predict_proba(X), atol=1e-12
    )
    missing = np.where(np.arange(X.shape[1]) == 1, np.nan, X)
    assert np.isfinite(SoftmaxGate(clip=2.0).fit(missing, y).predict_proba(X)).all()


@pytest.mark.parametrize("clip", [0, -1.0, "two"])
def test_a_clip_that_is_not_positive_is_refused(iris, clip):
    with pytest.raises(ValueError, match="'clip'"):
        SoftmaxGate(clip=clip).fit(*iris)


@pytest.mark.parametrize("assignment", ["soft", "hard", "expert_choice", None])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.filterwarnings("ignore:Experts .* lost their rows")
def test_the_kernel_need_not_convert_the_targets_in_each_batch(
    assignment, dtype, monkeypatch
):
    given = []

    def cross_entropy(logits, targets, *arguments):
        given.append(targets)
        return unwatched(logits, targets, *arguments)

    unwatched = kernels.softmax_cross_entropy
    monkeypatch.setattr(kernels, "softmax_cross_entropy", cross_entropy)
    X = np.random.default_rng(0).standard_normal((300, 2)).astype(dtype)
    if assignment is None:
        SoftmaxGate().fit(X, soft_targets(300, 3).astype(dtype))
    else:
        MixtureOfExpertsRegressor(n_experts=3, assignment=assignment, tol=1.0).fit(
            X, np.abs(X[:, 0])
        )
    assert given
    assert all(t.flags.f_contiguous and t.dtype == np.float64 for t in given)
