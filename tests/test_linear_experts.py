"""Linear experts are fitted together where that changes nothing but the time."""

import pickle
from collections import Counter
from functools import wraps

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
from _versions import needs
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import clone
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import SplineTransformer, StandardScaler

from sklearn_moe import MixtureOfExpertsRegressor
from sklearn_moe._rows import Block, LocalRows, TrainingWeights
from sklearn_moe.experts import ExpertPool, Predictions
from sklearn_moe.experts.least_squares import MAX_FEATURES

RNG = np.random.default_rng(0)
X = RNG.standard_normal((300, 4))
Y = np.where(X[:, 0] > 0, X @ [3, -1, 0, 2], X @ [-1, 2, 1, 0] + 4)
Y = Y + 0.3 * RNG.standard_normal(300)
FAR = np.array([1e6, 0, -1e4, 0])
WEIGHTS = np.asfortranarray(RNG.dirichlet([1, 1, 1], 300))

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning",
    "ignore:.*were retired:UserWarning",
)


class OwnRidge(Ridge):
    """A subclass may do otherwise: it is fitted by its own `fit`."""


class OwnLinearRegression(LinearRegression):
    """As OwnRidge."""


OWN = {Ridge: OwnRidge, LinearRegression: OwnLinearRegression}
LINEAR = [
    Ridge(),
    Ridge(0.01, solver="cholesky"),
    Ridge(0),
    Ridge(100, fit_intercept=False),
    LinearRegression(),
    LinearRegression(fit_intercept=False),
]
each_linear = pytest.mark.parametrize("expert", LINEAR, ids=repr)


def own(expert):
    """The same estimator, fitted by itself."""
    if isinstance(expert, list):
        return [(name, own(one)) for name, one in expert]
    if type(expert) not in OWN:
        return expert
    return OWN[type(expert)](**expert.get_params())


@pytest.fixture
def fits(monkeypatch):
    """Counts the calls of `fit` by class."""
    calls = Counter()
    for Estimator in OWN:

        @wraps(Estimator.fit)
        def counted(self, *args, _fit=Estimator.fit, **kwargs):
            calls[type(self)] += 1
            return _fit(self, *args, **kwargs)

        monkeypatch.setattr(Estimator, "fit", counted)
    return calls


def pool(experts, X=X, y=Y, **arguments):
    if not isinstance(experts, list):
        experts = [(f"expert{k}", experts) for k in range(3)]
    return ExpertPool(
        experts,
        LocalRows(Block(X, y, y, np.ones(len(y)))),
        Predictions(y.shape[1:]),
        random_state=np.random.RandomState(0),
        **arguments,
    )


def training_weights(weights):
    return TrainingWeights(weights, np.ones(len(weights)), sharing=0.0)


def m_steps(experts, X=X, y=Y, weights=WEIGHTS, **arguments):
    """Estimators and outputs of an M-step that follows another."""
    work = pool(experts, X, y, **arguments)
    active = np.ones(weights.shape[1], dtype=bool)
    members, _ = work.fit(training_weights(np.ones_like(weights)), active, None)
    members, values = work.fit(training_weights(weights), active, members)
    return [member.estimator for member in members], values


def assert_same_experts(ours, theirs):
    for one, other in zip(ours, theirs, strict=True):
        assert set(vars(one)) == set(vars(other))
        for name, expected in vars(other).items():
            found = getattr(one, name)
            assert type(found) is type(expected), name
            if name in ("coef_", "intercept_", "singular_"):
                np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-8)
            else:
                np.testing.assert_array_equal(found, expected)


def assert_same_m_step(experts, X=X, y=Y, weights=WEIGHTS):
    ours, values = m_steps(experts, X, y, weights)
    theirs, expected = m_steps(own(experts), X, y, weights)
    assert_same_experts(ours, theirs)
    np.testing.assert_allclose(values, expected, rtol=1e-8, atol=1e-8)
    return ours


def assert_same_mixture(mixture, X=X, y=Y, sample_weight=None):
    ours = clone(mixture).fit(X, y, sample_weight=sample_weight)
    theirs = clone(mixture).set_params(experts=own(mixture.experts))
    theirs.fit(X, y, sample_weight=sample_weight)
    assert ours.n_iter_ == theirs.n_iter_ > 1
    for name, expert in theirs.named_experts_.items():
        if type(expert) in OWN.values():
            assert_same_experts([ours.named_experts_[name]], [expert])
    np.testing.assert_allclose(ours.objective_path_, theirs.objective_path_, rtol=1e-8)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-8, atol=1e-8)


def mixture(experts=LINEAR[0], **params):
    params = {"n_experts": 3, "max_iter": 8, "random_state": 0} | params
    return MixtureOfExpertsRegressor(experts, **params)


# That they are fitted together
# -----------------------------


@each_linear
def test_only_the_first_fit_of_a_mixture_is_that_of_the_estimators(expert, fits):
    mixture(expert, sharing=0.05).fit(X, Y)
    assert fits == {type(expert): 3}


def test_a_subclass_is_fitted_by_itself(fits):
    moe = mixture(OwnRidge(), sharing=0.05).fit(X, Y)
    assert fits == {OwnRidge: 3 * moe.n_iter_}


@pytest.mark.parametrize(
    "expert",
    [
        Ridge(solver="svd"),
        Ridge(positive=True),
        Ridge(np.array([1.0])),
        LinearRegression(positive=True),
        make_pipeline(SplineTransformer(), Ridge()),
    ],
    ids=repr,
)
def test_estimators_that_do_otherwise_are_fitted_by_themselves(expert, fits):
    m_steps(expert)
    assert sum(fits.values()) == 2 * 3


SCALED = [
    make_pipeline(StandardScaler(), Ridge()),
    make_pipeline(StandardScaler(), Ridge(100)),
    make_pipeline(StandardScaler(with_std=False), Ridge(0)),
    make_pipeline(StandardScaler(with_mean=False), Ridge(10, fit_intercept=False)),
    make_pipeline(StandardScaler(), LinearRegression()),
]
UNLIKE_UNITS = X * [1e-3, 1, 1e4, 1] + [0, 5, 1e5, -3]


def assert_same_scaled_experts(ours, theirs):
    for one, other in zip(ours, theirs, strict=True):
        scaler, expected = one[0], other[0]
        assert set(vars(scaler)) == set(vars(expected))
        for name in ("mean_", "var_", "scale_", "n_samples_seen_"):
            found, value = getattr(scaler, name), getattr(expected, name)
            assert type(found) is type(value)
            if value is not None:
                np.testing.assert_allclose(found, value, rtol=1e-9)
        np.testing.assert_allclose(one[1].coef_, other[1].coef_, rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(one[1].intercept_, other[1].intercept_, rtol=1e-7)


@pytest.mark.parametrize("expert", SCALED, ids=repr)
@pytest.mark.parametrize("frame", [False, True])
def test_a_weighted_scaler_in_front_is_part_of_the_equations(expert, frame, fits):
    rows = pd.DataFrame(UNLIKE_UNITS, columns=list("abcd")) if frame else UNLIKE_UNITS
    ours, values = m_steps(expert, rows)
    assert sum(fits.values()) == 3
    theirs, expected = m_steps(make_pipeline(expert[0], own(expert[1])), rows)
    assert_same_scaled_experts(ours, theirs)
    np.testing.assert_allclose(values, expected, rtol=1e-8, atol=1e-8)
    for k, fitted in enumerate(ours):
        np.testing.assert_allclose(fitted.predict(rows), values[:, k], rtol=1e-8)


@pytest.mark.parametrize(
    "expert",
    [
        make_pipeline(StandardScaler(), Ridge(fit_intercept=False)),
        make_pipeline(StandardScaler(with_mean=False, with_std=False), Ridge()),
        make_pipeline(StandardScaler(), StandardScaler(), Ridge()),
    ],
    ids=repr,
)
def test_other_scalers_are_left_to_the_pipeline(expert, fits):
    m_steps(expert)
    assert sum(fits.values()) == 2 * 3


@pytest.mark.parametrize("column", [0 * X[:, 0], 7 + 1e-7 * X[:, 0]], ids=["0", "7"])
def test_a_column_without_spread_is_left_to_the_scaler(column, fits):
    rows = np.column_stack([X, column])
    ours, _ = m_steps(make_pipeline(StandardScaler(), Ridge()), rows)
    assert sum(fits.values()) == 2 * 3
    theirs, _ = m_steps(make_pipeline(StandardScaler(), OwnRidge()), rows)
    np.testing.assert_array_equal(ours[0][0].scale_, theirs[0][0].scale_)


WIDE = RNG.standard_normal((300, MAX_FEATURES + 1))


@pytest.mark.parametrize(
    ("X", "y"),
    [
        (X.astype(np.float32), Y),
        (sparse.csr_array(X), Y),
        (pd.DataFrame(X, dtype=np.float32), Y),
        (X, np.column_stack([Y, Y])),
        (WIDE, Y),
        (WIDE[:40, :40], Y[:40]),
    ],
    ids=["float32", "sparse", "float32 frame", "two targets", "wide", "few rows"],
)
def test_data_that_are_computed_otherwise_are_left_to_the_estimators(X, y, fits):
    work = pool(Ridge(), X, y)
    active, weights = np.ones(3, dtype=bool), training_weights(WEIGHTS[: len(y)])
    members, _ = work.fit(weights, active, None)
    work.fit(weights, active, members)
    assert fits == {Ridge: 2 * 3}


def test_cross_fitted_experts_are_fitted_by_themselves(fits):
    halves = np.arange(150), np.arange(150, 300)
    m_steps(Ridge(), splits=[halves, halves[::-1]])
    assert fits == {Ridge: 2 * 2 * 3}


def test_an_expert_that_is_asked_not_to_take_weights_is_not_given_any(fits):
    with sklearn.config_context(enable_metadata_routing=True):
        m_steps(Ridge().set_fit_request(sample_weight=False))
    assert fits == {Ridge: 2 * 3}


def test_of_many_rows_an_expert_with_few_is_fitted_to_these_alone(fits, monkeypatch):
    monkeypatch.setattr("sklearn_moe.experts.least_squares.FEW_PRODUCTS", 0)
    weights = np.zeros_like(WEIGHTS)
    weights[:, 0], weights[:12, 1], weights[12:, 2] = 1, 1, 1
    assert_same_m_step(Ridge(), weights=weights)
    assert fits[Ridge] == 3 + 1


def test_weights_of_several_experts_in_some_rows_are_those_of_each():
    working_weights = 1 + WEIGHTS
    weights = TrainingWeights(WEIGHTS, np.arange(1.0, 301), 0.2, working_weights)
    rows = slice(5, 50, 3)
    expected = [weights.of(2)[rows], weights.of(0)[rows]]
    np.testing.assert_array_equal(weights.of([2, 0], rows), expected)


# That it changes nothing
# -----------------------


@each_linear
def test_a_fit_is_that_of_the_estimator(expert):
    assert_same_m_step(expert)


@each_linear
def test_rows_of_zero_or_negligible_weight_do_not_take_part(expert, fits):
    weights = WEIGHTS.copy()
    weights[::3] = 0
    weights[1::3] *= 1e-11
    # What they say would be heard.
    y = np.where(np.arange(300) % 3 == 1, 1e5, Y)
    assert_same_m_step(expert, y=y, weights=weights)
    assert fits[type(expert)] == 3


def test_an_expert_without_any_weight_learns_from_all_rows_alike():
    weights = WEIGHTS.copy()
    weights[:, 1] = 0
    assert_same_m_step(Ridge(), weights=weights)


@pytest.mark.parametrize("expert", [Ridge(), LinearRegression()], ids=repr)
def test_large_means_cost_no_digits(expert, fits):
    assert_same_m_step(expert, X + FAR, Y + 1e5)
    assert fits[type(expert)] == 3


@pytest.mark.parametrize("expert", LINEAR[-3:], ids=repr)
def test_means_too_large_to_do_without_an_intercept_are_left_to_the_estimator(expert):
    assert_same_m_step(expert, X + FAR, Y)


def test_targets_too_far_from_the_others_are_left_to_the_estimator(fits):
    weights = np.asfortranarray(np.eye(3)[np.arange(300) % 3])
    y = np.where(weights[:, 0], 1e9, Y)
    assert_same_m_step(Ridge(), y=y, weights=weights)
    assert fits[Ridge] == 2 * 3


def test_rows_too_far_from_the_others_are_left_to_the_estimator(fits):
    weights = np.asfortranarray(np.eye(3)[np.arange(300) % 3])
    assert_same_m_step(Ridge(), X + 1e6 * weights[:, :1], weights=weights)
    assert fits[Ridge] == 2 * 3


def test_without_an_intercept_rows_far_from_the_others_lose_nothing(fits):
    weights = np.asfortranarray(np.eye(3)[np.arange(300) % 3])
    near = weights[:, :1] == 0
    far = np.where(near, X, 1e6 * X + 1e6)
    assert_same_m_step(Ridge(fit_intercept=False), far, weights=weights)
    assert fits[Ridge] == 3


@each_linear
def test_a_frame_of_numbers_is_read_as_the_estimator_reads_it(expert, fits):
    frame = pd.DataFrame(X, columns=list("abcd"))
    frame["c"] = (10 * frame["c"]).astype(int)
    frame["d"] = frame["d"] > 0
    ours = assert_same_m_step(expert, frame)
    assert list(ours[0].feature_names_in_) == list("abcd")
    assert fits[type(expert)] == 3


@pytest.mark.parametrize("order", ["C", "F"])
def test_neither_the_order_of_memory_nor_blocks_of_rows_matter(order):
    rng = np.random.default_rng(1)
    X = np.asarray(rng.standard_normal((20_011, 5)), order=order)
    weights = rng.dirichlet([1, 1, 1], len(X))
    y = X.sum(axis=1) ** 2
    assert_same_m_step(Ridge(), X, y, weights)


def test_a_column_without_variation_has_no_coefficient():
    ours = assert_same_m_step(Ridge(), np.column_stack([X, np.full(300, 7.0)]))
    assert ours[0].coef_[-1] == pytest.approx(0, abs=1e-12)


def test_columns_that_depend_on_each_other_are_left_to_the_estimator(fits):
    dependent = np.column_stack([X, X @ [1, 2, 0, 0]])
    ours = assert_same_m_step(LinearRegression(), dependent)
    assert ours[0].rank_ == 4
    assert fits[LinearRegression] == 2 * 3


def test_columns_that_come_to_depend_on_each_other_are_left_to_the_estimator(fits):
    weights = WEIGHTS.copy()
    weights[:50, 0] = 0
    twin = np.where(np.arange(300) < 50, 0, X[:, 0])
    ours = assert_same_m_step(
        LinearRegression(), np.column_stack([X, twin]), weights=weights
    )
    assert [expert.rank_ for expert in ours] == [4, 5, 5]
    assert fits[LinearRegression] == 3 + 1


@pytest.mark.filterwarnings("ignore::scipy.linalg.LinAlgWarning")
def test_nearly_dependent_columns_are_left_to_the_estimator(fits):
    twin = X[:, 0] + 1e-5 * RNG.standard_normal(300)
    assert_same_m_step(Ridge(0), np.column_stack([X, twin]))
    assert fits[Ridge] == 2 * 3


@needs("1.9", "tolerance of LinearRegression")
def test_a_tolerance_that_cuts_off_a_direction_is_left_to_the_estimator(fits):
    ours = assert_same_m_step(LinearRegression(tol=1e-2), X * [1, 1, 1, 1e-3])
    assert ours[0].rank_ == 3
    assert fits[LinearRegression] == 2 * 3


@pytest.mark.filterwarnings("ignore::scipy.linalg.LinAlgWarning")
@settings(max_examples=60)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(LINEAR),
    st.floats(0, 8),
    st.floats(-4, 4),
    st.floats(0, 4),
)
def test_coefficients_are_those_of_the_estimator(
    seed, expert, closeness, magnitude, distance
):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((60, 3))
    X[:, 2] = X[:, 1] + 10**-closeness * X[:, 2]
    X[:, :2] += 10**distance
    X[:, 0] *= 10**magnitude
    y = X @ (rng.standard_normal(3) / X.std(axis=0)) + rng.standard_normal(60)
    weights = rng.dirichlet([0.5, 0.5, 0.5], 60)
    ours, _ = m_steps(expert, X, y, weights)
    theirs, _ = m_steps(own(expert), X, y, weights)
    for one, other in zip(ours, theirs):
        # In units of the columns: what a digit of it does to the predictions.
        spread = X.std(axis=0) / y.std()
        expected = other.coef_ * spread
        size = max(1, np.abs(expected).max())
        np.testing.assert_allclose(one.coef_ * spread, expected, atol=1e-8 * size)


# Whole mixtures
# --------------


@each_linear
def test_a_mixture_is_that_of_experts_fitted_one_by_one(expert):
    assert_same_mixture(mixture(expert))


@pytest.mark.parametrize(
    "params",
    [
        {"sharing": 0},
        {"assignment": "hard"},
        {"assignment": "hard", "capacity_factor": 1.0},
        {"noise": "student_t"},
        {"n_init": 2},
        {"acceleration": "squarem"},
        {"n_experts": 1, "tol": 0},
        {"n_experts": 8},
        {"n_jobs": 2},
        {"n_jobs": 2, "n_init": 2},
    ],
    ids=str,
)
def test_so_it_is_whatever_the_parameters_of_the_mixture(params):
    with joblib.parallel_config("threading"):
        assert_same_mixture(mixture(**params))


def test_so_it_is_with_weights_of_rows():
    sample_weight = np.random.default_rng(0).integers(0, 4, 300) / 2
    assert_same_mixture(mixture(), sample_weight=sample_weight)


def test_each_expert_has_its_own_penalty(fits):
    experts = [("weak", Ridge(1e-3)), ("strong", Ridge(1e3)), ("none", Ridge(0))]
    assert_same_mixture(mixture(experts, sharing=0.05))
    assert fits[Ridge] == 3


def test_the_linear_experts_among_others_are_fitted_together(fits):
    forest = RandomForestRegressor(2, max_depth=2, random_state=0)
    experts = [("ridge", Ridge()), ("forest", forest), ("ols", LinearRegression())]
    assert_same_mixture(mixture(experts, specialize=True, cv=None, max_iter=3))
    assert fits[Ridge] == fits[LinearRegression] == 1


def test_a_warm_start_goes_on_as_it_would():
    ours, theirs = (
        mixture(expert, max_iter=2, warm_start=True).fit(X, Y).fit(X, Y)
        for expert in (Ridge(), OwnRidge())
    )
    assert_same_experts(ours.experts_, theirs.experts_)


# The estimators
# --------------


def test_earlier_experts_stay_as_they_were():
    work, active = pool(Ridge()), np.ones(3, dtype=bool)
    first, _ = work.fit(training_weights(np.ones_like(WEIGHTS)), active, None)
    before = [member.estimator.coef_.copy() for member in first]
    work.fit(training_weights(WEIGHTS), active, first)
    for member, coef in zip(first, before):
        np.testing.assert_array_equal(member.estimator.coef_, coef)


@each_linear
def test_experts_are_real_estimators(expert):
    one = mixture(expert).fit(X, Y).experts_[0]
    assert type(one) is type(expert)
    restored = pickle.loads(pickle.dumps(one))
    np.testing.assert_array_equal(restored.predict(X), one.predict(X))
    again = clone(one).fit(X, Y)
    np.testing.assert_array_equal(again.coef_, clone(expert).fit(X, Y).coef_)


def test_the_outputs_are_the_predictions():
    experts, values = m_steps(Ridge())
    for k, expert in enumerate(experts):
        np.testing.assert_allclose(values[:, k], expert.predict(X), rtol=1e-12)
