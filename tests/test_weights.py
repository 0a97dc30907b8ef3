"""Sample weights as numbers of rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.ensemble import AdaBoostClassifier
from sklearn.linear_model import LinearRegression, SGDRegressor

from sklearn_moe import (
    GaussianGate,
    MixtureOfExpertsClassifier,
    MixtureOfExpertsRegressor,
    SoftmaxGate,
)
from sklearn_moe._weights import (
    count_rows,
    count_rows_of_batch,
    weight_of_one_row,
    weight_sums,
)
from sklearn_moe.inspection import describe, diagnose, gate_importance, summary
from sklearn_moe.model_selection import (
    log_likelihood_scorer,
    neg_crps_scorer,
    select_n_experts,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 2))
Y = np.where(X[:, 0] > 0, 3.0, -3.0) * X[:, 1] + 0.1 * RNG.normal(size=120)
LABELS = (X[:, 0] * X[:, 1] > 0).astype(int)
UNEQUAL = RNG.uniform(0.1, 1, size=120)

# Weights of equal rows that cannot be numbers of rows.
NO_COUNTS = [1 / 120, 1e-310, 1e-3, 0.4, 1e16, 1e300, 1e307]


@given(st.lists(st.integers(0, 5), min_size=2, max_size=20).filter(sum))
def test_whole_numbers_are_numbers_of_rows(weights):
    counts, unit = count_rows(weights, np.zeros((len(weights), 1)))
    assert unit == 1
    assert counts.tolist() == weights


@pytest.mark.parametrize("weight", NO_COUNTS)
def test_equal_weights_that_are_no_numbers_of_rows_are_ones(weight):
    counts, unit = count_rows(np.full(120, weight), X)
    assert unit == pytest.approx(weight)
    assert_allclose(counts, 1)


@pytest.mark.parametrize("total", [1e-300, 1e-3, 1.0, 1e300])
def test_of_weights_that_are_no_numbers_of_rows_the_ratios_count(total):
    counts, _ = count_rows(UNEQUAL / UNEQUAL.sum() * total, X)
    assert_allclose(counts, UNEQUAL / UNEQUAL.mean())


def test_one_larger_weight_makes_no_numbers_of_rows_of_the_others():
    weights = np.r_[0.6, np.full(399, 0.01)]
    counts, _ = count_rows(weights, np.zeros((400, 1)))
    assert_allclose(counts, weights / weights.mean())


def test_rows_of_weight_zero_are_not_counted():
    counts, _ = count_rows([0, 0.25, 0.75], np.zeros((3, 1)))
    assert_allclose(counts, [0, 0.5, 1.5])


def test_no_row_of_positive_weight_is_lost():
    counts, _ = count_rows([1e-320, 1e300], np.zeros((2, 1)))
    assert (counts > 0).all()


def test_the_unit_of_parts_is_that_of_the_whole():
    weights = np.array([1e-320, 1e300, 2.0, 1e307, 0])
    sums = [weight_sums(weights[i::2]) for i in (0, 1)]
    largest, shares, squares, n_rows = np.transpose(sums)
    relative = largest / largest.max()
    parts = largest.max(), shares @ relative, squares @ relative**2, n_rows.sum()
    assert weight_of_one_row(*parts) == weight_of_one_row(*weight_sums(weights))


@pytest.mark.parametrize("weight", NO_COUNTS)
@pytest.mark.parametrize("gate", [SoftmaxGate(), GaussianGate()], ids=str)
def test_a_mixture_with_such_equal_weights_is_that_without_weights(gate, weight):
    mixture = MixtureOfExpertsRegressor(
        LinearRegression(), 2, gate=gate, random_state=0, max_iter=500
    )
    plain = clone(mixture).fit(X, Y)
    weighted = mixture.fit(X, Y, np.full(120, weight))
    assert_allclose(weighted.predict(X), plain.predict(X), atol=1e-6)
    assert_allclose(weighted.bic(X, Y, np.full(120, weight)), plain.bic(X, Y))


@pytest.mark.parametrize("gate", [SoftmaxGate(), GaussianGate()], ids=str)
def test_a_gate_with_such_equal_weights_is_that_without_weights(gate):
    weighted = clone(gate).fit(X, LABELS, np.full(120, 1e-5))
    plain = gate.fit(X, LABELS)
    assert_allclose(weighted.predict_proba(X), plain.predict_proba(X), atol=1e-6)


def test_boosting_gives_a_mixture_weights_that_sum_to_one():
    boosting = AdaBoostClassifier(
        MixtureOfExpertsClassifier(n_experts=2, random_state=0),
        n_estimators=3,
        random_state=0,
    )
    assert boosting.fit(X, LABELS).score(X, LABELS) > 0.9


# Functions of a fitted mixture
# -----------------------------


@pytest.fixture(scope="module")
def fitted():
    return MixtureOfExpertsRegressor(n_experts=2, sharing=0, random_state=0).fit(X, Y)


@pytest.mark.parametrize("total", [1e-310, 1.0, 1e300, 1e308])
@pytest.mark.parametrize(
    "judge",
    [
        lambda m, w: summary(m, X, Y, w)["std_error"],
        lambda m, w: summary(m, X, Y, w, covariance="sandwich")["std_error"],
        lambda m, w: summary(m, X, Y, w, covariance="opg")["std_error"],
        lambda m, w: describe(m, X, Y, w)["score"],
        lambda m, w: diagnose(m, X, Y, w, cv=2, random_state=0).expert_share,
        lambda m, w: gate_importance(m, X, w, random_state=0).importances_mean,
        lambda m, w: select_n_experts(m, X, Y, [1], cv=None, sample_weight=w),
        lambda m, w: log_likelihood_scorer(m, X, Y, w),
        lambda m, w: neg_crps_scorer(m, X, Y, w),
    ],
    ids=lambda judge: "_".join(judge.__code__.co_names),
)
def test_what_judges_a_mixture_counts_rows_as_fit_does(fitted, judge, total):
    weights = UNEQUAL / UNEQUAL.sum()
    # Of the smallest numbers there are too few for the ratios to be exact.
    rtol = 1e-2 if total < 1e-300 else 1e-6
    expected = judge(fitted, weights * len(X))
    assert_allclose(judge(fitted, weights * total), expected, rtol=rtol)


# Streams
# -------


def stream_of(*weights):
    mixture = MixtureOfExpertsRegressor(
        SGDRegressor(random_state=0), 2, random_state=0, max_iter=5
    )
    for weight in weights:
        mixture.partial_fit(X, Y, np.full(120, weight))
    return mixture


def test_all_batches_have_the_unit_of_the_first():
    stream = stream_of(1e-4, 1e-4, 2e-4)
    assert_allclose(stream.predict(X), stream_of(1, 1, 2).predict(X))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_stream_goes_on_in_the_unit_of_fit():
    def stream(weight):
        mixture = MixtureOfExpertsRegressor(SGDRegressor(random_state=0), 2)
        mixture.set_params(random_state=0, max_iter=5)
        weights = np.full(120, weight)
        return mixture.fit(X, Y, weights).partial_fit(X, Y, weights)

    assert_allclose(stream(1e-4).predict(X), stream(1.0).predict(X))


@pytest.mark.parametrize(
    "weights",
    [(1e200, 1.0), (1.0, 1e200), (1e-200, 1.0), (1e-310, 1e300), (1.0, 1e308)],
)
def test_a_batch_beside_which_others_count_for_nothing_is_refused(weights):
    stream = stream_of(weights[0])
    before = vars(stream).copy(), stream.predict(X)
    with pytest.raises(ValueError, match="weights of the same unit"):
        stream.partial_fit(X, Y, np.full(120, weights[1]))
    assert vars(stream) == before[0]
    assert_allclose(stream.predict(X), before[1], rtol=0)


def test_the_sums_of_weights_are_told_in_the_unit_that_was_given():
    with pytest.raises(ValueError, match=r"sums to 1e\+20, and .* before to 0.001"):
        count_rows_of_batch(np.full(10, 1e19), X[:10], 1e-4, 10.0)
