"""Fits that begin at the coefficients of the last one."""

from functools import wraps

import numpy as np
import pytest
from _versions import lasso_penalty, needs
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_selection import SelectKBest, f_regression
from sklearn.linear_model import (
    ElasticNet,
    GammaRegressor,
    HuberRegressor,
    Lasso,
    LogisticRegression,
    LogisticRegressionCV,
    MultiTaskLasso,
    PoissonRegressor,
    Ridge,
    SGDClassifier,
    TweedieRegressor,
)
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from sklearn_moe import MixtureOfExpertsRegressor
from sklearn_moe._estimators import WeightedFit

RNG = np.random.default_rng(0)
X = RNG.standard_normal((500, 4))
LINE = X @ [1.0, -1.0, 0.5, 0.0]
BEFORE = RNG.uniform(0.1, 1, 500)
NOW = BEFORE * np.exp(0.2 * RNG.standard_normal(500))
NUMBERS = LINE + 0.3 * RNG.standard_normal(500)
COUNTS = RNG.poisson(np.exp(LINE / 3))
LABELS = np.array(["a", "b", "c"])[np.digitize(LINE + RNG.logistic(size=500), [-1, 1])]

FITS = [
    (LogisticRegression(), LABELS),
    (LogisticRegression(), LABELS == "a"),
    (LogisticRegression(solver="newton-cg"), LABELS),
    (lasso_penalty(max_iter=1000), LABELS),
    (PoissonRegressor(), COUNTS),
    (PoissonRegressor(solver="newton-cholesky"), COUNTS),
    (GammaRegressor(), COUNTS + 0.1),
    (TweedieRegressor(power=1.5), COUNTS),
    (HuberRegressor(), NUMBERS),
    (Lasso(0.01), NUMBERS),
    (ElasticNet(0.01), NUMBERS),
    pytest.param(
        MultiTaskLasso(0.01),
        np.column_stack([NUMBERS, LINE]),
        marks=needs("1.9", "MultiTaskLasso with weights"),
    ),
    (make_pipeline(PolynomialFeatures(2), StandardScaler(), Lasso(0.01)), NUMBERS),
    (make_pipeline(StandardScaler(), LogisticRegression()), LABELS),
]
each_fit = pytest.mark.parametrize(("estimator", "y"), FITS, ids=lambda p: repr(p)[:60])

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")


def fitter(estimator):
    return WeightedFit(estimator, np.random.RandomState(0))


def last(estimator):
    return estimator[-1] if hasattr(estimator, "steps") else estimator


def n_iter(fitted):
    return np.max(last(fitted).n_iter_)


@each_fit
def test_the_result_does_not_depend_on_where_it_has_begun(estimator, y):
    work = fitter(estimator)
    previous = work.fit(X, y, BEFORE)
    assert work.goes_on_from(previous)
    warm, cold = work.fit(X, y, NOW, previous=previous), work.fit(X, y, NOW)
    # A gradient of 1e-4, the tolerance, is a few thousandths of a coefficient.
    np.testing.assert_allclose(last(warm).coef_, last(cold).coef_, atol=6e-3)


@each_fit
def test_a_fit_that_goes_on_from_its_own_result_stays_there(estimator, y):
    work = fitter(estimator)
    previous = work.fit(X, y, NOW)
    again = work.fit(X, y, NOW, previous=previous)
    assert n_iter(again) <= n_iter(previous)
    np.testing.assert_allclose(last(again).coef_, last(previous).coef_, atol=1e-3)


@each_fit
def test_neither_the_parameters_nor_the_last_fit_are_changed(estimator, y):
    work = fitter(estimator)
    previous = work.fit(X, y, BEFORE)
    coef = last(previous).coef_.copy()
    fitted = work.fit(X, y, NOW, previous=previous)
    assert repr(fitted) == repr(previous)
    assert last(fitted).warm_start is False
    np.testing.assert_array_equal(last(previous).coef_, coef)


def test_warm_start_of_the_estimator_itself_stays_what_it_is():
    work = fitter(Lasso(0.01, warm_start=True))
    fitted = work.fit(X, NUMBERS, NOW, previous=work.fit(X, NUMBERS, BEFORE))
    assert fitted.warm_start is True


@pytest.mark.parametrize(
    "estimator",
    [
        Ridge(),
        SGDClassifier(),
        MLPRegressor(),
        LogisticRegression(solver="liblinear"),
        LogisticRegressionCV(),
    ],
    ids=repr,
)
def test_others_begin_anew(estimator):
    assert not fitter(estimator).begins_at_coefficients


class Widening(TransformerMixin, BaseEstimator):
    """Makes as many columns as the heaviest row says."""

    def fit(self, X, y=None, sample_weight=None):
        self.n_columns_ = 2 + int(np.argmax(sample_weight) % 3)
        return self

    def transform(self, X):
        return X[:, : self.n_columns_]


@pytest.mark.parametrize("heaviest", [0, 1, 2])
@pytest.mark.parametrize(
    ("last_step", "y"), [(Lasso(0.01), NUMBERS), (LogisticRegression(), LABELS)]
)
def test_a_pipeline_whose_columns_change_begins_anew(heaviest, last_step, y):
    work = fitter(make_pipeline(Widening(), last_step))
    before, now = NOW.copy(), NOW.copy()
    before[1], now[heaviest] = 100, 100
    warm = work.fit(X, y, now, previous=work.fit(X, y, before))
    cold = work.fit(X, y, now)
    assert last(warm).n_features_in_ == last(warm).coef_.shape[-1] == 2 + heaviest
    np.testing.assert_allclose(last(warm).coef_, last(cold).coef_, atol=6e-3)
    assert [name for name, _ in warm.steps] == [name for name, _ in cold.steps]


def test_a_resample_begins_anew():
    work = fitter(make_pipeline(SelectKBest(f_regression, k=2), Lasso(0.01)))
    assert work.weighting == "resample"
    assert not work.goes_on_from(work.fit(X, NUMBERS, BEFORE))


def test_other_labels_begin_anew():
    work = fitter(LogisticRegression())
    previous = work.fit(X, LABELS, BEFORE)
    fitted = work.fit(X, LABELS == "a", NOW, previous=previous)
    cold = work.fit(X, LABELS == "a", NOW)
    np.testing.assert_array_equal(fitted.coef_, cold.coef_)


def test_a_single_class_begins_anew_and_is_not_gone_on_from():
    work = fitter(LogisticRegression(solver="newton-cg"))
    single = work.fit(X, np.full(500, "a"), BEFORE)
    assert not work.goes_on_from(single)
    several = work.fit(X, LABELS, BEFORE)
    again = work.fit(X, np.full(500, "a"), NOW, previous=several)
    assert type(again) is type(single)


def test_a_solver_that_finds_no_way_from_there_begins_anew():
    work = fitter(PoissonRegressor())
    previous = work.fit(X, COUNTS, BEFORE)
    previous.coef_ = previous.coef_ + 1e4
    with np.errstate(all="ignore"):
        fitted = work.fit(X, COUNTS, NOW, previous=previous)
    np.testing.assert_allclose(fitted.coef_, work.fit(X, COUNTS, NOW).coef_, atol=6e-3)


def test_what_a_fit_that_goes_on_warns_of_is_told():
    work = fitter(Lasso(1e-6, max_iter=1, tol=1e-12))
    with pytest.warns(ConvergenceWarning):
        previous = work.fit(X, NUMBERS, BEFORE)
    with pytest.warns(ConvergenceWarning, match="did not converge"):
        work.fit(X, NUMBERS, NOW, previous=previous)


@pytest.mark.parametrize("cv", [None, 2])
def test_mixtures_go_on_and_agree_with_those_that_begin_anew(cv, monkeypatch):
    params = {"n_experts": 2, "cv": cv, "max_iter": 5, "tol": 0, "random_state": 0}
    mixture = MixtureOfExpertsRegressor(PoissonRegressor(tol=1e-8), **params)
    counts = []
    fit = PoissonRegressor.fit

    @wraps(fit)
    def counted(self, *args, **kwargs):
        fit(self, *args, **kwargs)
        counts.append(self.n_iter_)
        return self

    monkeypatch.setattr(PoissonRegressor, "fit", counted)
    with pytest.warns(ConvergenceWarning):
        warm = clone(mixture).fit(X, COUNTS)
    n_warm, counts[:] = sum(counts), []
    monkeypatch.setattr(WeightedFit, "goes_on_from", lambda self, last: False)
    with pytest.warns(ConvergenceWarning):
        cold = clone(mixture).fit(X, COUNTS)
    assert n_warm < sum(counts)
    np.testing.assert_allclose(warm.objective_path_, cold.objective_path_, rtol=1e-5)
    np.testing.assert_allclose(warm.predict(X), cold.predict(X), atol=1e-3)
