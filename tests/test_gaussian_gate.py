"""GaussianGate, alone and in EM."""

import itertools

import numpy as np
import pytest
from _rows import rows_of
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.datasets import load_iris
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_moe import (
    GaussianGate,
    MixtureOfExpertsClassifier,
    MixtureOfExpertsRegressor,
)
from sklearn_moe._contracts import Experts
from sklearn_moe._statistics import Moments
from sklearn_moe.em import Learners, expectation_maximization
from sklearn_moe.gates import bind_gate
from sklearn_moe.likelihoods import GaussianNoise, NoiseLikelihood

TYPES = pytest.mark.parametrize("covariance_type", ["diag", "full"])


@pytest.fixture(scope="module")
def iris():
    return load_iris(return_X_y=True)


def test_diagonal_regions_equal_naive_bayes(iris):
    X, y = iris
    gate = GaussianGate("diag", reg_covar=1e-9).fit(X, y)
    bayes = GaussianNB(var_smoothing=0).fit(X, y)
    np.testing.assert_allclose(gate.means_, bayes.theta_)
    np.testing.assert_allclose(gate.covariances_, bayes.var_)
    np.testing.assert_allclose(gate.priors_, bayes.class_prior_)
    np.testing.assert_allclose(
        gate.predict_proba(X), bayes.predict_proba(X), rtol=1e-6, atol=1e-12
    )


def test_full_regions_equal_the_density_of_scipy(iris):
    X, y = iris
    gate = GaussianGate("full", reg_covar=1e-9).fit(X, y)
    joint = np.column_stack(
        [
            gate.priors_[k]
            * stats.multivariate_normal(gate.means_[k], gate.covariances_[k]).pdf(X)
            for k in range(3)
        ]
    )
    np.testing.assert_allclose(
        gate.predict_proba(X), joint / joint.sum(axis=1, keepdims=True), atol=1e-9
    )


def test_full_regions_agree_with_quadratic_discriminants(iris):
    X, y = iris
    gate = GaussianGate("full", reg_covar=1e-9).fit(X, y)
    quadratic = QuadraticDiscriminantAnalysis().fit(X, y)
    assert (gate.predict(X) == quadratic.predict(X)).mean() > 0.99


@TYPES
def test_soft_targets_equal_repeated_weighted_rows(iris, covariance_type):
    X, _ = iris
    targets = np.random.default_rng(0).dirichlet(np.ones(3), len(X))
    soft = GaussianGate(covariance_type).fit(X, targets)
    hard = GaussianGate(covariance_type).fit(
        np.repeat(X, 3, axis=0), np.tile(np.arange(3), len(X)), targets.ravel()
    )
    np.testing.assert_allclose(hard.predict_proba(X), soft.predict_proba(X), rtol=1e-6)


@TYPES
def test_unit_and_origin_of_the_features_do_not_matter(iris, covariance_type):
    X, y = iris
    scale, shift = np.array([1, 10, 1e-3, 1e4]), np.array([0, -5, 1, 1e5])
    there = GaussianGate(covariance_type).fit(X * scale + shift, y)
    np.testing.assert_allclose(
        there.predict_proba(X * scale + shift),
        GaussianGate(covariance_type).fit(X, y).predict_proba(X),
        rtol=1e-5,
        atol=1e-9,
    )


@TYPES
def test_a_weight_of_two_equals_the_row_twice(iris, covariance_type):
    X, y = iris
    weights = np.random.default_rng(0).integers(0, 3, len(y))
    np.testing.assert_allclose(
        GaussianGate(covariance_type).fit(X, y, weights).predict_proba(X),
        GaussianGate(covariance_type)
        .fit(X.repeat(weights, 0), y.repeat(weights))
        .predict_proba(X),
        rtol=1e-6,
        atol=1e-12,
    )


def test_no_variance_is_below_the_smallest():
    X = np.column_stack([np.repeat([0.0, 1.0], 20), np.zeros(40)])
    gate = GaussianGate("full", reg_covar=0.01).fit(X, X[:, 0] > 0.5)
    np.testing.assert_allclose(gate.covariances_[0][0, 0], 0.01 * 0.25)
    assert np.isfinite(gate.predict_proba(X)).all()


# Far from the rows, and close to nothing
# ---------------------------------------


@TYPES
@given(row=st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32)))
@settings(max_examples=50)
def test_weights_sum_to_one_wherever_a_row_lies(iris, covariance_type, row):
    X, y = iris
    gate = GaussianGate(covariance_type).fit(X, y)
    rows = np.resize(np.array([*row, 1e300, -1e308, 0.0, 1e8]), (3, 4))
    np.testing.assert_allclose(gate.predict_proba(rows).sum(axis=1), 1, rtol=1e-14)


@TYPES
def test_far_out_the_widest_region_along_the_ray_is_trusted(covariance_type):
    rng = np.random.default_rng(0)
    y = np.arange(400) % 2
    # The first class is wide in the first column, the second in the second.
    X = rng.normal(size=(400, 2)) * np.where(y[:, np.newaxis] == [1, 0], 1.0, 3.0)
    gate = GaussianGate(covariance_type).fit(X, y)
    for distance in (1e2, 1e9, 1e99, 1e101, 1e160, 1e300):
        rows = distance * np.array([[1.0, 0.1], [0.1, 1.0], [-1.0, 0.1]])
        np.testing.assert_array_equal(gate.predict(rows), [0, 1, 0])


@TYPES
@pytest.mark.parametrize("later", [86_400.0, 3e7, 1e30, 1e300])
def test_a_column_that_did_not_vary_tells_no_class_from_another(covariance_type, later):
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=(100, 2)), np.full(100, 1.7e9)])
    y = (X[:, 0] > 0) + (X[:, 1] > 0.5)
    gate = GaussianGate(covariance_type).fit(X, y)
    np.testing.assert_allclose(
        gate.predict_proba(X + np.array([0, 0, later])),
        gate.predict_proba(X),
        rtol=1e-8,
    )


@TYPES
def test_a_mixture_predicts_as_ever_after_a_column_that_did_not_vary(covariance_type):
    X = np.column_stack([np.linspace(-2, 2, 100), np.full(100, 1.7e9)])
    mixture = MixtureOfExpertsRegressor(
        n_experts=2, gate=GaussianGate(covariance_type), tol=1e-2, random_state=0
    ).fit(X, np.abs(X[:, 0]))
    later = mixture.predict(X + np.array([0, 30 * 86_400]))
    # The default expert has learnt nothing of that column either.
    np.testing.assert_allclose(later, mixture.predict(X), rtol=1e-6)


@TYPES
@pytest.mark.parametrize("reg_covar", [1e-15, 1e-300])
def test_weights_are_numbers_where_columns_repeat_others(
    iris, covariance_type, reg_covar
):
    X, y = iris
    X = np.column_stack([X, X.sum(axis=1), 1 + 1e-9 * X[:, 0]])
    gate = GaussianGate(covariance_type, reg_covar=reg_covar).fit(X, y)
    np.testing.assert_allclose(gate.predict_proba(X).sum(axis=1), 1)
    assert gate.score(X, y) > 0.9


@TYPES
def test_one_row_may_outweigh_all_others(iris, covariance_type):
    X, y = iris
    weights = np.ones(len(y))
    weights[7] = 1e21
    gate = GaussianGate(covariance_type).fit(X, y, weights)
    np.testing.assert_allclose(gate.predict_proba(X).sum(axis=1), 1)
    assert gate.predict(X[[7]]) == y[7]


def test_a_missing_value_counts_as_the_mean_of_its_column(iris):
    X, y = iris
    holes = X.copy()
    holes[::7, 1] = np.nan
    filled = np.where(np.isnan(holes), np.nanmean(holes, axis=0), holes)
    gate = GaussianGate().fit(holes, y)
    np.testing.assert_allclose(gate.predict_proba(holes), gate.predict_proba(filled))


def test_a_column_without_any_value_is_ignored(iris):
    X, y = iris
    blind = np.column_stack([X, np.full(len(X), np.nan)])
    np.testing.assert_allclose(
        GaussianGate().fit(blind, y).predict_proba(blind),
        GaussianGate().fit(X, y).predict_proba(X),
        atol=1e-9,
    )


@TYPES
@pytest.mark.parametrize("unit", [1e-300, 1e300])
def test_the_unit_of_the_weights_does_not_matter(iris, covariance_type, unit):
    X, y = iris
    np.testing.assert_allclose(
        GaussianGate(covariance_type).fit(X, y, np.full(150, unit)).predict_proba(X),
        GaussianGate(covariance_type).fit(X, y).predict_proba(X),
        atol=1e-9,
    )


@TYPES
@given(labels=st.permutations(range(3)), seed=st.integers(0, 1000))
def test_the_names_of_the_classes_do_not_matter(covariance_type, labels, seed):
    rng = np.random.default_rng(seed)
    X, targets = rng.standard_normal((30, 2)), rng.dirichlet(np.ones(3), 30)
    gate = GaussianGate(covariance_type).fit(X, targets)
    renamed = GaussianGate(covariance_type).fit(X, targets[:, labels])
    np.testing.assert_allclose(
        renamed.predict_proba(X), gate.predict_proba(X)[:, labels], atol=1e-9
    )
    np.testing.assert_allclose(gate.predict_proba(X).sum(axis=1), 1)


@TYPES
@given(
    scale=st.tuples(st.floats(1e-3, 1e3), st.floats(1e-3, 1e3)),
    shift=st.tuples(st.floats(-100, 100), st.floats(-100, 100)),
)
def test_regions_move_with_the_features(covariance_type, scale, shift):
    X = np.random.default_rng(0).standard_normal((40, 2))
    y = X[:, 0] > 0
    gate = GaussianGate(covariance_type).fit(X, y)
    moved = GaussianGate(covariance_type).fit(X * scale + shift, y)
    np.testing.assert_allclose(
        moved.means_, gate.means_ * scale + shift, rtol=1e-6, atol=1e-6
    )
    squares = np.square(scale) if covariance_type == "diag" else np.outer(scale, scale)
    np.testing.assert_allclose(
        moved.covariances_, gate.covariances_ * squares, rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_output_has_the_dtype_of_the_input(iris, dtype):
    X, y = iris
    X = X.astype(dtype)
    assert GaussianGate().fit(X, y).predict_proba(X).dtype == dtype


def test_far_from_all_rows_the_widest_region_is_trusted():
    X = np.r_[np.random.default_rng(0).standard_normal(50) * 5, np.linspace(20, 21, 50)]
    gate = GaussianGate().fit(X.reshape(-1, 1), np.repeat([0, 1], 50))
    np.testing.assert_array_equal(gate.predict([[-1e3], [20.5], [1e3]]), [0, 1, 0])


@pytest.mark.parametrize(
    ("params", "y", "message"),
    [
        ({"covariance_type": "tied"}, [0, 1], "The 'covariance_type' parameter"),
        ({"reg_covar": 0}, [0, 1], "The 'reg_covar' parameter"),
        ({}, [0, 0], "GaussianGate needs at least 2 classes"),
        ({}, [[0.5, 0.6], [0.5, 0.5]], "sum to one"),
    ],
)
def test_bad_input_is_refused_and_nothing_is_fitted(params, y, message):
    gate = GaussianGate(**params)
    with pytest.raises(ValueError, match=message):
        gate.fit([[0.0], [1.0]], y)
    with pytest.raises(NotFittedError):
        gate.predict([[0.0]])


def test_a_failed_fit_leaves_a_fitted_gate_as_it_was(iris):
    X, y = iris
    gate = GaussianGate().fit(X, y)
    before = gate.predict_proba(X)
    with pytest.raises(ValueError, match="2 classes"):
        gate.fit(X[:, :2], np.zeros(len(y)))
    np.testing.assert_array_equal(gate.predict_proba(X), before)


class Lines(Experts):
    """Experts that are least-squares fits, exact maximisers."""

    def __init__(self, X, y):
        self.X, self.y = X, y

    def fit(self, weights, active, previous):
        coefs = [
            np.linalg.lstsq(r[:, None] * self.X, r * self.y, rcond=None)[0]
            for r in np.sqrt(weights).T
        ]
        return coefs, self.X @ np.transpose(coefs)


@TYPES
def test_a_retired_expert_has_no_region_and_changes_no_density(covariance_type):
    X = np.random.default_rng(0).standard_normal((30, 2))
    halves = np.eye(2)[(X[:, 0] > 0).astype(int)]
    gate = bind_gate(GaussianGate(covariance_type), rows_of(X), 3, random_state=None)
    without, log_weights = gate.fit(halves, None)
    retired, with_it = gate.fit(np.insert(halves, 1, 0, axis=1), None)
    np.testing.assert_array_equal(with_it[:, 1], -np.inf)
    np.testing.assert_allclose(with_it[:, [0, 2]], log_weights)
    assert gate.penalty(retired) == pytest.approx(gate.penalty(without))


@TYPES
@given(
    n_experts=st.integers(1, 4),
    sharing=st.sampled_from([0.0, 0.05, 0.5]),
    reg_covar=st.sampled_from([1e-6, 1e-3, 0.5]),
    seed=st.integers(0, 10_000),
)
def test_em_climbs_the_joint_likelihood_of_rows_and_targets(
    covariance_type, n_experts, sharing, reg_covar, seed
):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((80, 2))
    y = np.abs(X[:, 0]) + 0.3 * rng.standard_normal(80)
    weights = rng.uniform(0.1, 3, 80)
    gate = GaussianGate(covariance_type, reg_covar=reg_covar)
    rows = rows_of(X, weights, y)
    learners = Learners(
        Lines(np.column_stack([np.ones(80), X]), y),
        NoiseLikelihood(GaussianNoise(), Moments.of(y, weights)),
        bind_gate(gate, rows, n_experts, random_state=None),
    )
    start = rng.dirichlet(np.ones(n_experts), 80)
    iterations = expectation_maximization(
        rows, learners, start, sharing=sharing, tol=1e-9
    )
    # Reinitialising a dead expert is a new start; the law is about EM proper.
    changes = [i.change for i in itertools.islice(iterations, 100)]
    assert min(filter(np.isfinite, changes), default=0) >= -1e-9


def test_the_objective_is_the_joint_likelihood_of_rows_and_targets(iris):
    X, y = iris
    mixture = MixtureOfExpertsRegressor(
        n_experts=2, gate=GaussianGate(), sharing=0, extrapolation="free"
    ).fit(X, y)
    gate = mixture.gate_
    density = [
        prior * stats.norm(mean, np.sqrt(variance)).pdf(X).prod(axis=1)
        for prior, mean, variance in zip(gate.priors_, gate.means_, gate.covariances_)
    ]
    # The gate sees standardised rows; their density is larger by the scales.
    rows = np.log(np.sum(density, axis=0)) + np.log(X.std(axis=0)).sum()
    assert mixture.objective_path_[-1] == pytest.approx(
        mixture.score_samples(X, y).sum() + rows.sum()
    )


@TYPES
def test_a_mixture_learns_bounded_regions(covariance_type):
    rng = np.random.default_rng(0)
    X = rng.uniform(-3, 3, (400, 1))
    inside = np.abs(X[:, 0]) < 1
    y = np.where(inside, 5.0, X[:, 0]) + 0.1 * rng.standard_normal(400)
    mixture = MixtureOfExpertsRegressor(
        n_experts=2, gate=GaussianGate(covariance_type), sharing=0, init=inside
    ).fit(X, y)
    # A straight border would part no more than two thirds of them.
    assert (mixture.apply(X) == inside).mean() > 0.85


def test_a_pipeline_may_end_in_it(iris):
    X, y = iris
    gate = make_pipeline(StandardScaler(), GaussianGate("full"))
    mixture = MixtureOfExpertsClassifier(
        LogisticRegression(max_iter=1000), n_experts=2, gate=gate, random_state=0
    )
    assert mixture.fit(X, y).score(X, y) > 0.95
    assert isinstance(mixture.gate_[-1], GaussianGate)
