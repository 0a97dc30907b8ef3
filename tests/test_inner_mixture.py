"""Inspection finds the mixture wherever it is, and works in the columns of the user."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.ensemble import StackingRegressor
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    KFold,
    RandomizedSearchCV,
    TunedThresholdClassifierCV,
    cross_val_score,
)
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from sklearn_moe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor
from sklearn_moe.inspection import (
    ExpertDisplay,
    ResponsibilityDisplay,
    describe,
    diagnose,
    fitted_mixture,
    gate_importance,
    summary,
)
from sklearn_moe.model_selection import (
    log_likelihood_scorer,
    neg_crps_scorer,
    select_n_experts,
)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

rng = np.random.default_rng(0)
X = pd.DataFrame(
    {
        "size": rng.uniform(-2, 2, 150),
        "kind": rng.choice(["house", "flat", "boat"], 150),
        "age": rng.standard_normal(150),
    },
    index=np.arange(150) + 7,
)
LOG_PRICE = np.abs(X["size"]) + (X["kind"] == "boat") + 0.1 * rng.standard_normal(150)
PRICE = np.exp(LOG_PRICE).rename("price")
LABELS = np.where((X["size"] > 0) == (X["kind"] == "flat"), "dear", "cheap")


def regressor(**params):
    return MixtureOfExpertsRegressor(
        **{"n_experts": 2, "tol": 1e-2, "random_state": 0} | params
    )


def classifier():
    return MixtureOfExpertsClassifier(n_experts=2, tol=1e-2, random_state=0)


def columns():
    return make_column_transformer(
        (OneHotEncoder(sparse_output=False), ["kind"]),
        ("drop", ["age"]),
        remainder="passthrough",
    )


def piped(last=None):
    return make_pipeline(columns(), StandardScaler(), last or regressor())


def logarithms(last=None):
    return TransformedTargetRegressor(last or piped(), func=np.log, inverse_func=np.exp)


def found_in(fitted, steps):
    """The mixture and its rows, by hand."""
    return fitted[-1], fitted[:steps].transform(X)


# The mixture, and the rows that it sees
# --------------------------------------


def searched(fitted):
    return found_in(fitted.best_estimator_, 2)


REGRESSORS = {
    "pipeline": (piped, lambda fitted: found_in(fitted, 2)),
    "nested": (
        lambda: make_pipeline(columns(), make_pipeline(StandardScaler(), regressor())),
        lambda fitted: (fitted[-1][-1], piped().fit(X, PRICE)[:2].transform(X)),
    ),
    "passthrough": (
        lambda: Pipeline(
            [("a", "passthrough"), ("b", columns()), ("c", None), ("d", regressor())]
        ),
        lambda fitted: (fitted[-1], fitted["b"].transform(X)),
    ),
    "search": (lambda: GridSearchCV(piped(), {}, cv=2), searched),
    "random search": (
        lambda: RandomizedSearchCV(
            piped(), {"mixtureofexpertsregressor__n_experts": [2]}, n_iter=1, cv=2
        ),
        searched,
    ),
    "search as a step": (
        lambda: piped(GridSearchCV(regressor(), {}, cv=2)),
        lambda fitted: (fitted[-1].best_estimator_, fitted[:2].transform(X)),
    ),
    "transformed target": (
        logarithms,
        lambda fitted: found_in(fitted.regressor_, 2),
    ),
}
CLASSIFIERS = {
    "calibrated": (
        lambda: CalibratedClassifierCV(piped(classifier()), ensemble=False, cv=2),
        lambda fitted: found_in(fitted.calibrated_classifiers_[0].estimator, 2),
    ),
    "fixed threshold": (
        lambda: FixedThresholdClassifier(piped(classifier()), threshold=0.3),
        lambda fitted: found_in(fitted.estimator_, 2),
    ),
    "tuned threshold": (
        lambda: TunedThresholdClassifierCV(
            piped(classifier()), scoring="accuracy", cv=2
        ),
        lambda fitted: found_in(fitted.estimator_, 2),
    ),
}


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize(
    ("make", "by_hand", "y"),
    [
        *((make, by_hand, PRICE) for make, by_hand in REGRESSORS.values()),
        *((make, by_hand, LABELS) for make, by_hand in CLASSIFIERS.values()),
    ],
    ids=[*REGRESSORS, *CLASSIFIERS],
)
def test_the_mixture_is_found_with_the_rows_that_it_sees(make, by_hand, y, frozen):
    model = make().fit(X, y)
    expected, rows = by_hand(model)
    mixture, seen = fitted_mixture(FrozenEstimator(model) if frozen else model, X)
    assert mixture is expected
    np.testing.assert_array_equal(seen, rows)


def test_a_mixture_alone_sees_the_rows_that_it_is_given():
    rows = X[["size", "age"]]
    model = regressor().fit(rows, PRICE)
    mixture, seen = fitted_mixture(model, rows)
    assert mixture is model
    assert seen is rows
    assert fitted_mixture(model) == (model, None)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_rows_that_steps_make_frames_of_are_frames(library):
    pytest.importorskip(library)
    model = piped().set_output(transform=library).fit(X, PRICE)
    _, seen = fitted_mixture(model, X)
    assert list(seen.columns)[-1] == "remainder__size"
    table = describe(model, X, PRICE)
    plain = describe(piped().fit(X, PRICE), X, PRICE)
    pd.testing.assert_frame_equal(table, plain, rtol=1e-3)
    assert diagnose(model, X, PRICE, cv=2).scores.shape == (2,)


# What is refused
# ---------------


def test_what_is_not_fitted_is_refused():
    for model in (piped(), GridSearchCV(piped(), {}), logarithms()):
        with pytest.raises(NotFittedError):
            fitted_mixture(model, X)


def test_a_search_that_has_kept_no_model_is_refused():
    search = GridSearchCV(piped(), {}, cv=2, refit=False).fit(X, PRICE)
    with pytest.raises(ValueError, match=r"this GridSearchCV has kept none: refit=F"):
        fitted_mixture(search, X)


def test_several_mixtures_are_refused():
    model = CalibratedClassifierCV(piped(classifier()), cv=3).fit(X, LABELS)
    with pytest.raises(ValueError, match=r"has fitted 3, one for each fold.*ensemble="):
        describe(model, X, LABELS)


def test_a_mixture_among_others_is_refused():
    model = StackingRegressor([("moe", piped()), ("line", piped(Ridge()))], cv=2)
    with pytest.raises(TypeError, match=r"got StackingReg.*(?s:.)*a mixture in it, bu"):
        gate_importance(model.fit(X, PRICE), X)


def test_a_mixture_before_the_last_step_is_refused():
    model = piped(make_pipeline(regressor(), Ridge())).fit(X, PRICE)
    with pytest.raises(TypeError, match=r"(?s)predicts by Ridge.*a mixture in it, but"):
        fitted_mixture(model)


def test_a_model_without_a_mixture_is_refused():
    for model in (Ridge(), piped(Ridge()), MixtureOfExpertsRegressor):
        with pytest.raises(TypeError, match="fitted_mixture needs a mixture") as raised:
            fitted_mixture(model)
        assert "There is a mixture" not in str(raised.value)


# In the columns of the user
# --------------------------


@pytest.mark.parametrize("make", [piped, logarithms], ids=["piped", "logarithms"])
@pytest.mark.parametrize("frame", [True, False])
def test_the_importance_is_that_of_columns_in_front_of_the_pipeline(make, frame):
    rows, model = X, make()
    if not frame:
        rows, last = X[["size", "age"]].to_numpy(), make_pipeline(StandardScaler())
        last.steps.append(("moe", regressor()))
        model = last if make is piped else logarithms(last)
    model.fit(rows, PRICE)

    def unmoved(model, rows, expected, sample_weight=None):
        mixture, seen = fitted_mixture(model, rows)
        moved = np.abs(mixture.predict_gate(seen) - expected).sum(axis=1) / 2
        return 1 - moved.mean()

    mixture, seen = fitted_mixture(model, rows)
    expected = permutation_importance(
        model, rows, mixture.predict_gate(seen), scoring=unmoved, random_state=1
    )
    found = gate_importance(model, rows, random_state=1)
    np.testing.assert_allclose(found.importances, expected.importances, atol=1e-12)
    assert found.importances.shape == (rows.shape[1], 5)


def test_a_column_that_is_dropped_has_no_importance():
    model = piped(regressor(tol=1e-4)).fit(X, PRICE)
    found = gate_importance(model, X, random_state=0)
    size, kind, age = found.importances_mean
    assert size > kind > age == 0


def test_what_has_no_columns_has_no_importance():
    texts = make_pipeline(
        FunctionTransformer(lambda texts: np.array([[len(t)] for t in texts])),
        regressor(),
    ).fit(X["kind"], PRICE)
    with pytest.raises(ValueError, match="columns of a table, and X is a Series"):
        gate_importance(texts, X["kind"])


def test_the_tables_name_columns_as_the_steps_do():
    union = FeatureUnion([("scaled", StandardScaler()), ("same", "passthrough")])
    inner = make_pipeline(union, regressor())
    model = make_pipeline(columns(), inner).fit(X, PRICE)
    told = describe(model, X, PRICE)["trusted_where"]
    assert told["expert1"].startswith("scaled__onehotencoder__kind_boat +")
    # Columns that repeat each other have no standard errors.
    with pytest.warns(UserWarning, match="The information matrix"):
        table = summary(model, X, PRICE)
    names = [*columns().fit(X).get_feature_names_out()]
    expected = [f"{step}__{name}" for step in ("scaled", "same") for name in names]
    assert [*table.loc["expert0"].index] == ["(intercept)", *expected, "(scale)"]
    assert [*table.loc["gate: expert1"].index] == ["(intercept)", *expected]


def test_columns_that_steps_do_not_name_are_numbered():
    cubes = FunctionTransformer(lambda rows: np.asarray(rows) ** 3)
    model = make_pipeline(cubes, regressor()).fit(X[["age", "size"]], PRICE)
    told = describe(model, X[["age", "size"]], PRICE)["trusted_where"]
    assert any(text.startswith("x1 ") for text in told)


# In the units of the mixture
# ---------------------------


def test_targets_are_transformed_as_in_the_fit():
    model = logarithms().fit(X, PRICE)
    inner = model.regressor_
    expected = describe(inner, X, np.log(PRICE))
    pd.testing.assert_frame_equal(describe(model, X, PRICE), expected)
    for scorer in (log_likelihood_scorer, neg_crps_scorer):
        assert scorer(model, X, PRICE) == scorer(inner, X, np.log(PRICE))
    drawn, expected = (
        ResponsibilityDisplay.from_estimator(*given).responsibilities
        for given in ((model, X, PRICE), (inner, X, np.log(PRICE)))
    )
    np.testing.assert_allclose(drawn, expected)
    plt.close("all")


def test_a_picture_says_that_the_target_is_transformed():
    display = ExpertDisplay.from_estimator(
        logarithms().fit(X, PRICE), X, "size", y=PRICE
    )
    assert display.ax_.get_ylabel() == "price (transformed)"
    np.testing.assert_allclose(display.points[1], np.log(PRICE))
    plt.close("all")


def test_several_targets_are_transformed_together():
    targets = np.column_stack([PRICE, 1 / PRICE])
    model = TransformedTargetRegressor(piped(), transformer=StandardScaler())
    model.fit(X, targets)
    scaled = StandardScaler().fit_transform(targets)
    expected = describe(model.regressor_, X, scaled)
    pd.testing.assert_frame_equal(describe(model, X, targets), expected)


# Fitted again, as a whole
# ------------------------

FOLDS = KFold(2, shuffle=True, random_state=0)


@pytest.mark.parametrize(
    ("model", "alone", "y"),
    [
        (piped(), piped(Ridge(tol=1e-8)), PRICE),
        (logarithms(), logarithms(piped(Ridge(tol=1e-8))), PRICE),
        (
            FixedThresholdClassifier(piped(classifier()), threshold=0.3),
            FixedThresholdClassifier(piped(LogisticRegression()), threshold=0.3),
            LABELS,
        ),
        (
            CalibratedClassifierCV(piped(classifier()), ensemble=False, cv=2),
            CalibratedClassifierCV(piped(LogisticRegression()), ensemble=False, cv=2),
            LABELS,
        ),
    ],
    ids=["pipeline", "transformed target", "threshold", "calibrated"],
)
def test_a_diagnosis_fits_all_steps_in_each_fold(model, alone, y):
    found = diagnose(clone(model).fit(X, y), X, y, cv=FOLDS)
    np.testing.assert_allclose(found.scores, cross_val_score(model, X, y, cv=FOLDS))
    [baseline] = found.baseline_scores.values()
    expected = cross_val_score(alone, X, y, cv=FOLDS)
    np.testing.assert_allclose(baseline, expected, atol=1e-6)


def test_of_a_search_the_best_model_is_diagnosed():
    grid = {"mixtureofexpertsregressor__n_experts": [1, 2]}
    search = GridSearchCV(piped(), grid, cv=2).fit(X, PRICE)
    best = search.best_estimator_
    expected = diagnose(best, X, PRICE, cv=FOLDS)
    for model in (search, FrozenEstimator(search), FrozenEstimator(best)):
        found = diagnose(model, X, PRICE, cv=FOLDS)
        np.testing.assert_array_equal(found.scores, expected.scores)


def test_rows_of_a_diagnosis_count_by_their_weights_in_all_steps():
    weights = rng.integers(1, 3, 150).astype(float)
    folds = list(FOLDS.split(X))
    repeats = [np.repeat(rows, weights[rows].astype(int)) for _, rows in folds]
    order = np.concatenate(repeats)
    ends = np.cumsum([0, *map(len, repeats)])
    tests = [np.arange(*ends[i : i + 2]) for i in range(2)]
    again = [(np.setdiff1d(np.arange(len(order)), test), test) for test in tests]
    model = piped(regressor(init="kmeans")).fit(X, PRICE)
    one = diagnose(model, X, PRICE, weights, cv=folds)
    other = diagnose(model, X.iloc[order], PRICE.iloc[order], cv=again)
    [weighted], [repeated] = (d.baseline_scores.values() for d in (one, other))
    np.testing.assert_allclose(weighted, repeated)


def test_a_start_of_each_row_is_that_of_the_rows_of_a_fold():
    init = (X["size"] > 0).to_numpy().astype(int)
    model = piped(regressor(init=init)).fit(X, PRICE)
    folds = list(FOLDS.split(X))
    found = diagnose(model, X, PRICE, cv=folds)
    train, test = folds[0]
    alone = piped(regressor(init=init[train])).fit(X.iloc[train], PRICE.iloc[train])
    assert found.scores[0] == alone.score(X.iloc[test], PRICE.iloc[test])
    weights = np.where(np.arange(150) % 5, 1.0, 0.0)
    assert np.isfinite(diagnose(model, X, PRICE, weights, cv=folds).scores).all()


def test_numbers_of_experts_are_compared_in_any_model():
    for model, inner, y in (
        (logarithms(), piped(), np.log(PRICE)),
        (GridSearchCV(piped(), {}, cv=2).fit(X, PRICE), piped(), PRICE),
    ):
        given = {"n_experts": [1, 2], "cv": 2, "random_state": 0}
        pd.testing.assert_frame_equal(
            select_n_experts(model, X, PRICE, **given),
            select_n_experts(inner, X, y, **given),
        )


def test_numbers_of_experts_are_not_compared_in_a_search_that_is_not_fitted():
    with pytest.raises(NotFittedError, match="GridSearchCV"):
        select_n_experts(GridSearchCV(piped(), {}), X, PRICE)
