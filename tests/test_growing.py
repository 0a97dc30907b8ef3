"""Boosted experts get a few trees in each iteration of EM, instead of all anew."""

import pickle
from functools import partial

import numpy as np
import pytest
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.base import clone, is_classifier
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
)
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from xgboost import XGBClassifier, XGBRegressor, XGBRFRegressor

from sklearn_moe import (
    MixtureOfExpertsClassifier,
    MixtureOfExpertsRegressor,
    SoftmaxGate,
)
from sklearn_moe._estimators import GrowingFit, growth_of
from sklearn_moe._estimators.growing import growing_sizes
from sklearn_moe._rows import Block, LocalRows, TrainingWeights
from sklearn_moe.experts import ExpertPool, Predictions, fitter_of
from sklearn_moe.experts.growing import N_FITS

SIZE = 12
LIGHTGBM = {"n_estimators": SIZE, "n_jobs": 1, "verbose": -1}
REGRESSORS = [
    LGBMRegressor(**LIGHTGBM),
    XGBRegressor(n_estimators=SIZE, n_jobs=1),
    HistGradientBoostingRegressor(max_iter=SIZE),
    GradientBoostingRegressor(n_estimators=SIZE),
]
CLASSIFIERS = [
    LGBMClassifier(**LIGHTGBM),
    XGBClassifier(n_estimators=SIZE, n_jobs=1),
    HistGradientBoostingClassifier(max_iter=SIZE),
    GradientBoostingClassifier(n_estimators=SIZE),
]
EVERY_BOOSTER = pytest.mark.parametrize(
    "booster", REGRESSORS + CLASSIFIERS, ids=lambda e: type(e).__name__
)
EVERY_REGRESSOR = pytest.mark.parametrize(
    "booster", REGRESSORS, ids=lambda e: type(e).__name__
)


def data(booster=None, n_samples=150, seed=0):
    """Two lines with a border between them; for a classifier, three classes."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, (n_samples, 2))
    y = np.where(X[:, 0] > 0, 3 + X[:, 1], -3 - X[:, 1])
    y += 0.1 * rng.standard_normal(n_samples)
    if booster is not None and is_classifier(booster):
        y = np.array(["a", "b", "c"])[np.digitize(y, [-3, 3])]
    return X, y


def mixture_of(booster, **params):
    kind = (
        MixtureOfExpertsClassifier
        if is_classifier(booster)
        else MixtureOfExpertsRegressor
    )
    params = {"gate": SoftmaxGate(alpha=1e-3), "sharing": 0, "random_state": 0} | params
    return kind(booster, 2, **params)


def n_trees(estimator):
    fitted = getattr(estimator, "classifier_", estimator)
    return growth_of(fitted).count(fitted)


def answers(estimator, X):
    return (
        estimator.predict_proba(X) if is_classifier(estimator) else estimator.predict(X)
    )


def fits(fitter, X, y, weights):
    """Estimators of all fits, each of which goes on from the last."""
    found = [fitter.fit(X, y, weights)]
    while fitter.grows(found[-1], len(found)):
        further = fitter.after(len(found))
        found.append(further.fit(X, y, weights, previous=found[-1]))
    return found


# A fit that adds trees
# ---------------------


@EVERY_BOOSTER
def test_trees_that_are_added_are_those_of_one_fit(booster):
    X, y = data(booster)
    weights = np.random.default_rng(1).uniform(0.1, 1, len(y))
    fitter = GrowingFit(booster, np.random.RandomState(0), n_fits=4)
    *_, grown = fits(fitter, X, y, weights)
    whole = fitter.at_once(4).fit(X, y, weights)
    assert n_trees(grown) == n_trees(whole) == SIZE
    np.testing.assert_allclose(answers(grown, X), answers(whole, X), rtol=1e-4)


@EVERY_BOOSTER
def test_each_fit_adds_trees_until_there_are_all(booster):
    X, y = data(booster)
    fitter = GrowingFit(booster, np.random.RandomState(0), n_fits=3)
    found = fits(fitter, X, y, np.ones(len(y)))
    assert [n_trees(fitted) for fitted in found] == [3, 6, 12]


@EVERY_BOOSTER
def test_what_was_fitted_before_stays_as_it_was(booster):
    X, y = data(booster)
    fitter = GrowingFit(booster, np.random.RandomState(0), n_fits=3)
    first = fitter.fit(X, y, np.ones(len(y)))
    before = answers(first, X)
    second = fitter.after(1).fit(X, y, np.linspace(0, 1, len(y)), previous=first)
    assert np.abs(answers(second, X) - before).max() > 1e-3
    assert n_trees(first) == 3
    np.testing.assert_array_equal(answers(first, X), before)


@EVERY_REGRESSOR
def test_the_last_trees_are_learnt_under_the_last_weights(booster):
    X, y = data()
    booster = clone(booster).set_params(learning_rate=0.5)
    right = (X[:, 0] > 0).astype(float)
    fitter = GrowingFit(booster, np.random.RandomState(0), n_fits=2)
    first = fitter.fit(X, y, 1 - right)
    second = fitter.after(1).fit(X, y, right, previous=first)
    own = right == 1
    assert np.abs(first.predict(X[own]) - y[own]).mean() > 3
    assert np.abs(second.predict(X[own]) - y[own]).mean() < 1


def test_histograms_keep_their_bins_whatever_the_later_weights():
    # There are more values than bins, which are made under the first weights.
    X = np.random.default_rng(0).standard_normal((1000, 1))
    y = np.sign(X[:, 0])
    booster = HistGradientBoostingRegressor(max_iter=SIZE, learning_rate=1)
    fitter = GrowingFit(booster, np.random.RandomState(0), n_fits=2)
    right = X[:, 0] > -0.5
    first = fitter.fit(X, y, np.where(right, 1, 0.01))
    before = first.predict(X)
    second = fitter.after(1).fit(X, y, np.where(right, 0.01, 1), previous=first)
    near = np.abs(before - y) < 0.1
    assert near.mean() > 0.9
    np.testing.assert_allclose(second.predict(X)[near], y[near], atol=0.1)


@pytest.mark.parametrize(
    "booster",
    [
        LGBMRegressor(**LIGHTGBM, subsample=0.5, subsample_freq=1),
        XGBRegressor(n_estimators=SIZE, n_jobs=1, subsample=0.5),
        GradientBoostingRegressor(n_estimators=SIZE, subsample=0.5),
        HistGradientBoostingRegressor(max_iter=SIZE, max_features=0.5),
    ],
    ids=lambda e: type(e).__name__,
)
def test_steps_draw_other_rows_and_columns(booster):
    X, y = data()
    fitter = GrowingFit(booster, np.random.RandomState(0), n_fits=SIZE)
    found = [fitted.predict(X) for fitted in fits(fitter, X, y, np.ones(len(y)))]
    changes = np.diff(found, axis=0)
    # The same draw each time would give the same tree, but for its size.
    likeness = np.corrcoef(changes)[np.triu_indices(len(changes), 1)]
    assert likeness.min() < 0.99


def test_the_rounds_of_xgboost_need_not_be_given():
    X, y = data()
    fitter = GrowingFit(XGBRegressor(n_jobs=1), np.random.RandomState(0), n_fits=2)
    assert [n_trees(e) for e in fits(fitter, X, y, np.ones(len(y)))] == [10, 100]


@pytest.mark.parametrize("size", [1, 2, 7, 100, 1000])
@pytest.mark.parametrize("n_fits", [1, 2, 10, 300])
def test_each_fit_adds_a_larger_part_until_there_is_all(size, n_fits):
    sizes = growing_sizes(size, n_fits)
    assert 1 <= len(sizes) <= n_fits
    assert sizes[0] >= 1
    assert sizes[-1] == size
    assert np.all(np.diff(sizes) > 0)


def test_early_stopping_of_the_estimator_ends_its_growth():
    X, y = data()
    booster = HistGradientBoostingRegressor(
        max_iter=100, learning_rate=1, early_stopping=True, n_iter_no_change=3
    )
    fitter = GrowingFit(booster, np.random.RandomState(0), n_fits=10)
    *_, last = fits(fitter, X, y, np.ones(len(y)))
    assert n_trees(last) < 100


def test_a_pipeline_prepares_rows_as_its_first_fit_has_learnt():
    X, y = data()
    pipeline = make_pipeline(StandardScaler(), LGBMRegressor(**LIGHTGBM))
    fitter = GrowingFit(pipeline, np.random.RandomState(0), n_fits=3)
    weights = np.where(X[:, 0] > 0, 1.0, 0.0)
    first = fitter.fit(X, y, weights)
    second = fitter.after(1).fit(X, y, 1 - weights, previous=first)
    assert second[0] is first[0]
    assert [n_trees(fitted[-1]) for fitted in (first, second)] == [3, 6]
    assert second[-1].get_params()["n_estimators"] == SIZE


@pytest.mark.parametrize(
    "estimator",
    [
        Ridge(),
        RandomForestRegressor(),
        GradientBoostingRegressor(n_iter_no_change=5),
        LGBMRegressor(boosting_type="dart"),
        LGBMRegressor(boosting_type="rf"),
        XGBRegressor(booster="dart"),
        XGBRFRegressor(),
        TransformedTargetRegressor(LGBMRegressor()),
        make_pipeline(LGBMRegressor(), FunctionTransformer()),
    ],
)
def test_what_cannot_go_on_is_fitted_anew(estimator):
    assert growth_of(estimator) is None


# In a mixture
# ------------


@pytest.mark.parametrize("cv", [None, 2])
@EVERY_BOOSTER
def test_a_grown_expert_is_an_ordinary_estimator(booster, cv):
    X, y = data(booster)
    mixture = mixture_of(booster, cv=cv, max_iter=30).fit(X, y)
    for expert in mixture.experts_:
        fitted = getattr(expert, "classifier_", expert)
        given = booster.get_params() | {"random_state": None, "objective": None}
        kept = fitted.get_params() | {"random_state": None, "objective": None}
        assert str(kept) == str(given)
        assert n_trees(expert) <= SIZE
        copy = pickle.loads(pickle.dumps(expert))
        np.testing.assert_array_equal(answers(copy, X), answers(expert, X))
        again = clone(fitted).fit(X, np.unique(y, return_inverse=True)[1])
        assert n_trees(again) == SIZE


@pytest.mark.parametrize("max_iter", [2, 5, 60])
@EVERY_REGRESSOR
@pytest.mark.filterwarnings("ignore:EM did not converge")
def test_em_ends_with_all_trees(booster, max_iter):
    X, y = data()
    mixture = mixture_of(booster, cv=None, max_iter=max_iter).fit(X, y)
    assert [n_trees(expert) for expert in mixture.experts_] == [SIZE, SIZE]


def test_em_does_not_converge_before_all_trees_are_there():
    X, y = data()
    mixture = mixture_of(REGRESSORS[0], cv=None, tol=10.0).fit(X, y)
    assert mixture.converged_
    assert mixture.n_iter_ == len(growing_sizes(SIZE, N_FITS))


def test_what_is_held_out_says_how_many_trees_are_best():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((200, 3)), rng.standard_normal(200)
    booster = HistGradientBoostingRegressor(max_iter=60, min_samples_leaf=2)
    mixture = mixture_of(booster, cv=2).fit(X, y)
    best = np.argmax(mixture.objective_path_)
    assert best < 5
    size = growing_sizes(60, N_FITS)[best]
    assert {n_trees(expert) for expert in mixture.experts_} == {size}


def test_one_expert_is_fitted_at_once():
    X, y = data()
    alone = clone(REGRESSORS[0]).set_params(random_state=0)
    mixture = MixtureOfExpertsRegressor(alone, 1, random_state=0).fit(X, y)
    np.testing.assert_array_equal(mixture.predict(X), alone.fit(X, y).predict(X))


def test_growing_experts_find_a_border():
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (800, 2))
    y = np.where(X.sum(axis=1) > 0, 3 + 2 * X[:, 0], -3 - 2 * X[:, 1])
    train, test = slice(400), slice(400, None)
    booster = LGBMRegressor(**LIGHTGBM, max_depth=2, learning_rate=0.3)
    mixture = mixture_of(booster, cv=2).fit(X[train], y[train])

    def error(model):
        return np.mean((model.predict(X[test]) - y[test]) ** 2)

    assert error(mixture) < 0.5 * error(clone(booster).fit(X[train], y[train]))


def test_labels_of_any_kind_grow():
    X, y = data(CLASSIFIERS[1])
    mixture = mixture_of(CLASSIFIERS[1], cv=None).fit(X, y)
    assert {n_trees(expert) for expert in mixture.experts_} == {SIZE}
    assert mixture.score(X, y) > 0.8


def test_a_generator_of_random_numbers_goes_on_drawing():
    X, y = data()
    seeds = np.random.RandomState(3)
    booster = LGBMRegressor(**LIGHTGBM, random_state=seeds)
    mixture = mixture_of(booster, cv=None).fit(X, y)
    assert {n_trees(expert) for expert in mixture.experts_} == {SIZE}


def test_an_expert_that_is_given_other_rows_begins_anew():
    X, y = data()
    block = Block(X, y, y, np.ones(len(y)))
    booster = GradientBoostingRegressor(n_estimators=SIZE, learning_rate=1.0)
    pool = ExpertPool(
        [("first", booster), ("second", booster)],
        LocalRows(block),
        Predictions(()),
        fitter=partial(fitter_of, max_iter=3),
        random_state=np.random.RandomState(0),
    )
    right = (X[:, 0] > 0).astype(float)
    weights = TrainingWeights.of_block(block, np.column_stack([right, 1 - right]))
    active = np.ones(2, dtype=bool)
    fitted = None
    for _ in range(3):
        fitted, _ = pool.fit(weights, active, fitted)
    assert not pool.grows(fitted, active)
    swapped = TrainingWeights.of_block(block, np.column_stack([1 - right, right]))
    again, _ = pool.fit(swapped, active, pool.begin_anew(fitted, [0]))
    assert again[1].estimator is fitted[1].estimator
    assert n_trees(again[0].estimator) == 3
    own = right == 0
    assert np.abs(again[0].estimator.predict(X[own]) - y[own]).mean() < 1
    assert pool.grows(again, active)
    assert not pool.grows(again, np.array([False, True]))
