"""Noise that is fitted around experts which have not seen the row."""

import joblib
import numpy as np
import pytest
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.ensemble import RandomForestRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import KFold
from sklearn.tree import DecisionTreeRegressor

from sklearn_moe import MixtureOfExpertsRegressor

NOISE = 0.3


def two_regimes(n_samples=300, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.uniform(-3, 3, (n_samples, 1))
    return X, np.abs(X[:, 0]) + NOISE * rng.standard_normal(n_samples)


def mixture(expert=None, **parameters):
    defaults = {"n_experts": 2, "max_iter": 30, "tol": 1e-3, "random_state": 0}
    return MixtureOfExpertsRegressor(expert, **(defaults | parameters))


def coverage(fitted, X, y):
    lower, upper = fitted.predict_interval(X, 0.9).T
    return np.mean((lower <= y) & (y <= upper))


@pytest.mark.filterwarnings("ignore:Experts .* reproduce:UserWarning")
def test_intervals_of_flexible_experts_hold_their_coverage():
    forest = RandomForestRegressor(20, min_samples_leaf=2)
    train, test = two_regimes(), two_regimes(seed=1)
    plain = mixture(forest, max_iter=10, tol=0.1, cv=None)
    calibrated = clone(plain).set_params(calibrate=True)
    assert coverage(plain.fit(*train), *test) < 0.75
    assert 0.85 < coverage(calibrated.fit(*train), *test) < 0.97


def test_points_and_gate_stay_as_they_are():
    X, y = two_regimes()
    plain, calibrated = mixture().fit(X, y), mixture(calibrate=True).fit(X, y)
    np.testing.assert_array_equal(plain.predict(X), calibrated.predict(X))
    np.testing.assert_array_equal(plain.predict_gate(X), calibrated.predict_gate(X))
    assert plain.log_likelihood_ == calibrated.log_likelihood_
    assert not np.array_equal(plain.noise_.scale_, calibrated.noise_.scale_)


def test_the_rows_that_sharing_gives_to_an_expert_widen_its_noise_less():
    X, y = two_regimes(1000)
    shared = mixture(sharing=0.1).fit(X, y)
    calibrated = mixture(sharing=0.1, calibrate=True).fit(X, y)
    excess = calibrated.noise_.scale_ - NOISE
    assert np.all(excess < 0.7 * (shared.noise_.scale_ - NOISE))


def test_the_scale_is_that_of_the_errors_on_rows_not_seen():
    X, y = two_regimes(100)
    folds = KFold(4)
    expert = DecisionTreeRegressor(random_state=0)
    fitted = mixture(
        expert, n_experts=1, cv=folds, calibrate=True, sharing=0, max_iter=5
    ).fit(X, y)
    held_out = np.empty(100)
    for train, test in folds.split(X):
        held_out[test] = clone(expert).fit(X[train], y[train]).predict(X[test])
    np.testing.assert_allclose(
        fitted.noise_.scale_, [np.sqrt(np.mean((y - held_out) ** 2))]
    )


class Counted(RegressorMixin, BaseEstimator):
    """Counts its fits, of all clones together."""

    fits = 0

    def fit(self, X, y, sample_weight=None):
        Counted.fits += 1
        self.line_ = LinearRegression().fit(X, y, sample_weight)
        return self

    def predict(self, X):
        return self.line_.predict(X)


def fits_of(**parameters):
    Counted.fits = 0
    mixture(Counted(), **parameters).fit(*two_regimes(100))
    return Counted.fits


def test_it_costs_one_fit_of_each_expert_and_fold():
    assert fits_of(calibrate=True) == fits_of(calibrate=False) + 2 * 5


def test_experts_that_are_cross_fitted_already_are_not_fitted_again():
    assert fits_of(calibrate=True, cv=3) == fits_of(calibrate=False, cv=3)


@pytest.mark.parametrize(("cv", "alike"), [(3, True), (None, False)])
def test_by_default_it_is_done_where_it_costs_nothing(cv, alike):
    X, y = two_regimes()
    default, same = mixture(cv=cv), mixture(cv=cv, calibrate=alike)
    np.testing.assert_array_equal(
        default.fit(X, y).noise_.scale_, same.fit(X, y).noise_.scale_
    )


def test_frozen_experts_stay_as_they_are():
    X, y = two_regimes()
    frozen = FrozenEstimator(LinearRegression().fit(X[X[:, 0] > 0], y[X[:, 0] > 0]))
    fitted = MixtureOfExpertsRegressor(
        [("right", frozen), ("left", LinearRegression())],
        specialize=True,
        cv=None,
        calibrate=True,
        init=(X[:, 0] < 0).astype(int),
        random_state=0,
    ).fit(X, y)
    assert fitted.named_experts_.right is frozen
    np.testing.assert_allclose(fitted.noise_.scale_, NOISE, rtol=0.5)


def test_inner_mixtures_keep_their_own_density():
    X, y = two_regimes()
    fitted = MixtureOfExpertsRegressor(
        [("tree", mixture()), ("line", Ridge())],
        specialize=True,
        cv=None,
        calibrate=True,
        tol=1e-2,
        random_state=0,
    ).fit(X, y)
    np.testing.assert_allclose(
        fitted.predict_distribution(X).logpdf(y), fitted.score_samples(X, y)
    )


def test_several_outputs_and_any_number_of_jobs():
    X, y = two_regimes()
    y = np.column_stack([y, -2 * y])
    with joblib.parallel_config("threading"):
        one, two = (
            mixture(LinearRegression(), calibrate=True, n_jobs=n_jobs).fit(X, y)
            for n_jobs in (1, 2)
        )
    np.testing.assert_array_equal(one.noise_.scale_, two.noise_.scale_)
    np.testing.assert_allclose(one.noise_.scale_[:, 1], 2 * one.noise_.scale_[:, 0])


def test_what_is_neither_true_nor_false_is_refused():
    with pytest.raises(ValueError, match="'calibrate'"):
        mixture(calibrate="yes").fit(*two_regimes())
