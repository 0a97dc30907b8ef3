"""Experts that take Dask collections themselves are given all rows."""

import numpy as np
import pandas as pd
import pytest

distributed = pytest.importorskip("distributed")
da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")
lightgbm = pytest.importorskip("lightgbm")
xgboost = pytest.importorskip("xgboost")

from xgboost import dask as xgboost_dask  # noqa: E402

from sklearn_moe.dask import (  # noqa: E402
    MixtureOfExpertsClassifier,
    MixtureOfExpertsRegressor,
)

N_ROWS, CHUNK = 600, 300
RNG = np.random.default_rng(0)
ROWS = RNG.uniform(-2, 2, (N_ROWS, 3))
FRAME = pd.DataFrame(ROWS, columns=["a", "b", "c"])
Y = np.where(ROWS[:, 0] > 0, np.sin(3 * ROWS[:, 1]), ROWS[:, 2] ** 2)
LABELS = (Y > 0.5).astype(int)
WEIGHTS = RNG.uniform(0.5, 2, N_ROWS)

FEW = {
    "n_estimators": 8,
    "learning_rate": 0.3,
    "max_depth": 3,
    "min_child_weight": 1,
    "random_state": 0,
}
REGRESSORS = {
    "lightgbm": lightgbm.DaskLGBMRegressor(**FEW, verbose=-1),
    "xgboost": xgboost_dask.DaskXGBRegressor(**FEW),
}
CLASSIFIERS = {
    "lightgbm": lightgbm.DaskLGBMClassifier(**FEW, verbose=-1),
    "xgboost": xgboost_dask.DaskXGBClassifier(**FEW),
}
LOCAL = {
    "lightgbm": (lightgbm.LGBMRegressor, lightgbm.LGBMClassifier),
    "xgboost": (xgboost.XGBRegressor, xgboost.XGBClassifier),
}

pytestmark = [
    pytest.mark.usefixtures("client"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


def spread(array):
    return da.from_array(array, chunks=(CHUNK, *array.shape[1:]))


@pytest.mark.parametrize("library", REGRESSORS)
def test_one_expert_is_what_the_library_makes_of_all_rows(library, client):
    # Few values, so that LightGBM finds the same bins wherever the rows lie.
    X, y, weights = spread(np.round(4 * ROWS) / 4), spread(Y), spread(WEIGHTS)
    alone = REGRESSORS[library]
    mixture = MixtureOfExpertsRegressor(alone, n_experts=1, max_iter=2)
    fitted = mixture.fit(X, y, sample_weight=weights)
    expected = alone.fit(X, y, sample_weight=weights).predict(X).compute()
    # LightGBM's fits differ a little by which worker holds which rows.
    np.testing.assert_allclose(fitted.predict(X).compute(), expected, atol=0.02)


@pytest.mark.parametrize("library", REGRESSORS)
@pytest.mark.parametrize("kind", ["array", "frame"])
def test_a_mixture_of_them_predicts_without_the_cluster(library, kind):
    X, y = spread(ROWS), spread(Y)
    if kind == "frame":
        X, y = dd.from_pandas(FRAME, npartitions=2), pd.Series(Y)
        y = dd.from_pandas(y, npartitions=2)
    mixture = MixtureOfExpertsRegressor(
        REGRESSORS[library], n_experts=2, max_iter=2, random_state=0
    ).fit(X, y)
    assert all(type(expert) is LOCAL[library][0] for expert in mixture.experts_)
    assert mixture.score(X, y) > 0.8
    rows = ROWS if kind == "array" else FRAME
    np.testing.assert_allclose(
        mixture.to_local().predict(rows), mixture.predict(X).compute(), rtol=1e-6
    )


@pytest.mark.parametrize("library", CLASSIFIERS)
def test_classifiers_take_collections_too(library):
    X, y = spread(ROWS), spread(LABELS)
    mixture = MixtureOfExpertsClassifier(
        CLASSIFIERS[library], n_experts=2, max_iter=2, random_state=0
    ).fit(X, y)
    assert all(type(expert) is LOCAL[library][1] for expert in mixture.experts_)
    assert mixture.score(X, y) > 0.8


@pytest.mark.parametrize("library", CLASSIFIERS)
def test_classifiers_learn_any_labels(library):
    names = ["low", "high"]
    X, y = spread(ROWS), spread(np.array(names)[LABELS])
    mixture = MixtureOfExpertsClassifier(
        CLASSIFIERS[library], n_experts=2, max_iter=2, random_state=0
    ).fit(X, y)
    assert all(set(e.classes_) == set(names) for e in mixture.experts_)
    assert mixture.score(X, y) > 0.8


def test_they_work_beside_experts_that_are_fitted_on_one_worker():
    from sklearn.linear_model import LogisticRegression

    experts = [
        ("boosting", CLASSIFIERS["lightgbm"]),
        ("logistic", LogisticRegression()),
    ]
    mixture = MixtureOfExpertsClassifier(experts, max_iter=2, random_state=0)
    mixture.fit(spread(ROWS), spread(LABELS))
    kinds = {name: type(e) for name, e in mixture.named_experts_.items()}
    assert kinds == {
        "boosting": lightgbm.LGBMClassifier,
        "logistic": LogisticRegression,
    }


def test_what_the_library_does_not_take_is_blamed_on_the_expert():
    expert = xgboost_dask.DaskXGBClassifier(tree_method="by guessing")
    mixture = MixtureOfExpertsClassifier(expert, n_experts=2)
    with pytest.raises(Exception, match="expert0"):
        mixture.fit(spread(ROWS), spread(LABELS))
    assert not hasattr(mixture, "experts_")
