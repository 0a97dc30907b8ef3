"""Explanations of predictions, against numbers computed another way."""

import re

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from scipy.special import expit
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.decomposition import PCA
from sklearn.dummy import DummyRegressor
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import SelectKBest, f_regression
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    QuantileTransformer,
    RobustScaler,
    SplineTransformer,
    StandardScaler,
)
from sklearn.tree import DecisionTreeRegressor

from sklearn_moe import (
    GaussianGate,
    MixtureOfExpertsClassifier,
    MixtureOfExpertsRegressor,
    SoftmaxGate,
)
from sklearn_moe.inspection import ExplanationDisplay, explain, local_slopes

RNG = np.random.default_rng(0)
N = 240
X = RNG.uniform(-2, 2, (N, 3))
Y = np.where(X[:, 0] > 0, 2 * X[:, 1], 4 - X[:, 1]) + 0.3 * RNG.normal(size=N)
CLASSES = np.array(["high", "low", "middle"])[np.digitize(Y, [0.5, 3])]
FRAME = pd.DataFrame(
    {
        "age": 40 + 10 * X[:, 0],
        "dose": X[:, 1],
        "town": RNG.choice(["Bern", "Oslo", "Rome"], N),
        "smokes": RNG.uniform(size=N) < 0.5,
    },
    index=[f"patient {i}" for i in range(N)],
)
# Rows on both sides of the border, and near it.
SOME = slice(0, 40)

ENCODED = make_column_transformer(
    (OneHotEncoder(sparse_output=False), ["town"]),
    (StandardScaler(), ["dose", "age"]),
    remainder="passthrough",
)


def regressor(*args, **params):
    params = {"n_experts": 2, "tol": 5e-3, "random_state": 0, **params}
    return MixtureOfExpertsRegressor(*args, **params)


def classifier(**params):
    params = {"n_experts": 2, "tol": 5e-3, "random_state": 0, **params}
    return MixtureOfExpertsClassifier(**params)


def totals(explanation):
    return np.nansum(explanation.contributions, axis=(1, 2))


def differences(predict, rows, step=1e-5):
    """Derivatives of a prediction by the columns of numbers, of which frames know."""
    slopes = {}
    for name in rows.select_dtypes("float"):
        up, down = rows.copy(), rows.copy()
        up[name] += step
        down[name] -= step
        slopes[name] = (predict(up) - predict(down)) / (2 * step)
    return pd.DataFrame(slopes, index=rows.index)


# Contributions add up
# --------------------

MODELS = {
    "default": lambda: regressor(),
    "three experts": lambda: regressor(n_experts=3),
    "one expert": lambda: regressor(n_experts=1),
    "argmax": lambda: regressor(combination="argmax"),
    "top_k": lambda: regressor(n_experts=3, top_k=2),
    "gaussian gate": lambda: regressor(gate=GaussianGate()),
    "any gate": lambda: regressor(gate=LogisticRegression()),
    "clipped gate": lambda: regressor(gate=SoftmaxGate(clip=1.0)),
    "trees": lambda: regressor(DecisionTreeRegressor(max_depth=2)),
    "unlike experts": lambda: regressor(
        [("line", Ridge()), ("tree", DecisionTreeRegressor(max_depth=2))]
    ),
    "hierarchy": lambda: regressor(regressor(tol=0.1), tol=0.1),
    "scaled expert": lambda: regressor(make_pipeline(StandardScaler(), Ridge())),
    "components": lambda: make_pipeline(PCA(2), regressor()),
    "scaled target": lambda: regressor(
        TransformedTargetRegressor(Ridge(), transformer=StandardScaler())
    ),
    "noise and one dropped": lambda: regressor(
        [("a", Ridge()), ("out", "uniform"), ("b", Ridge()), ("none", "drop")]
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_the_contributions_of_a_row_sum_to_its_prediction(name):
    model = MODELS[name]().fit(X, Y)
    explanation = explain(model, X)
    np.testing.assert_allclose(totals(explanation), model.predict(X), atol=1e-10)
    np.testing.assert_allclose(explanation.prediction, model.predict(X), atol=1e-10)
    by_expert = explanation.weights * explanation.expert_predictions
    np.testing.assert_allclose(
        np.nansum(explanation.contributions, axis=2), by_expert, atol=1e-10
    )


@pytest.mark.parametrize("noise", ["gamma", "lognormal", "poisson", "student_t"])
def test_they_do_so_with_any_noise(noise):
    y = np.exp(Y / 2)
    y = np.round(y) if noise == "poisson" else y
    moe = regressor(noise=noise).fit(X, y)
    rows = np.vstack([X, 20 * X])
    np.testing.assert_allclose(
        totals(explain(moe, rows)), moe.predict(rows), atol=1e-10
    )


def test_shares_are_explained_on_the_log_odds():
    moe = regressor(noise="beta").fit(X, expit(Y))
    explanation = explain(moe, X)
    np.testing.assert_allclose(totals(explanation), moe.predict(X))
    assert explanation.scales == ["log odds", "log odds"]
    np.testing.assert_allclose(
        expit(explanation.terms.sum(axis=2)), explanation.expert_predictions
    )


def test_a_component_of_noise_has_trust_and_no_part_in_the_prediction():
    moe = MODELS["noise and one dropped"]().fit(X, Y)
    explanation = explain(moe, X)
    noise = explanation.expert_names.index("out")
    assert (explanation.gate_weights[:, noise] > 0).all()
    assert not explanation.weights[:, noise].any()
    assert not np.nansum(explanation.contributions[:, noise])
    assert "(not attributed)" not in explanation.parts


def test_without_subjects_each_row_is_a_new_one_as_predict_has_it():
    moe = regressor().fit(X, Y, subjects=np.arange(N) // 2)
    np.testing.assert_allclose(explain(moe, X).prediction, moe.predict(X))


def test_counts_per_exposure_are_explained_by_their_rates():
    counts, exposure = RNG.poisson(np.exp(Y / 2) * 3), np.full(N, 3.0)
    moe = regressor(noise="poisson").fit(X, counts, exposure=exposure)
    explanation = explain(moe, X)
    np.testing.assert_allclose(
        3 * explanation.prediction, moe.predict(X, exposure=exposure)
    )
    assert "rates" in explanation.note


@pytest.mark.parametrize("labels", [CLASSES, CLASSES == "high"])
def test_they_sum_to_the_probability_of_a_class(labels):
    moe = classifier().fit(X, labels)
    for position, label in enumerate(moe.classes_):
        explanation = explain(moe, X, target=label)
        expected = moe.predict_proba(X)[:, position]
        np.testing.assert_allclose(totals(explanation), expected, atol=1e-10)
        assert explanation.of == f"probability of {label}"


def test_of_two_classes_the_second_is_explained_on_the_log_odds():
    moe = classifier().fit(X, CLASSES == "high")
    explanation = explain(moe, X)
    assert explanation.of == "probability of True"
    assert explanation.scales == ["log odds", "log odds"]
    log_odds = explanation.terms.sum(axis=2)
    np.testing.assert_allclose(
        1 / (1 + np.exp(-log_odds)), explanation.expert_predictions, atol=1e-10
    )
    other = explain(moe, X, target=False)
    np.testing.assert_allclose(other.terms, -explanation.terms)


def test_each_of_several_outputs_is_explained():
    moe = regressor().fit(X, np.column_stack([Y, X[:, 0]]))
    for output in (0, 1):
        explanation = explain(moe, X, target=output)
        expected = moe.predict(X)[:, output]
        np.testing.assert_allclose(totals(explanation), expected, atol=1e-10)
        np.testing.assert_array_equal(
            explanation.interval, moe.predict_interval(X)[:, output]
        )


@pytest.mark.parametrize(
    ("model", "y", "target", "message"),
    [
        (classifier(), CLASSES, None, "'target' must be one of .*'high'.*got None"),
        (classifier(), CLASSES, "none", "got 'none'"),
        (regressor(), np.column_stack([Y, Y]), None, r"\[0, 1\]; got None"),
        (regressor(), Y, 1, r"\[0\]; got 1"),
    ],
)
def test_a_target_that_there_is_not_is_refused(model, y, target, message):
    model.fit(X, y)
    for function in (explain, local_slopes):
        with pytest.raises(ValueError, match=message):
            function(model, X, target=target)


# Terms
# -----


def test_the_terms_of_a_linear_expert_are_values_times_coefficients():
    moe = regressor(LinearRegression()).fit(X, Y)
    explanation = explain(moe, X)
    assert explanation.parts == ["(intercept)", "x0", "x1", "x2"]
    for k, expert in enumerate(moe.experts_):
        np.testing.assert_allclose(explanation.terms[:, k, 0], expert.intercept_)
        np.testing.assert_allclose(explanation.terms[:, k, 1:], X * expert.coef_)
        np.testing.assert_allclose(explanation.coefficients[k], expert.coef_)
    gate = moe.predict_gate(X)
    np.testing.assert_allclose(
        explanation.contributions, gate[:, :, np.newaxis] * explanation.terms
    )
    np.testing.assert_array_equal(explanation.interval, moe.predict_interval(X))


@pytest.mark.parametrize("gate", [SoftmaxGate(), SoftmaxGate(alpha=1e-3, clip=1.0)])
def test_the_terms_of_the_gate_are_those_of_logits_against_their_mean(gate):
    moe = regressor(n_experts=3, gate=gate).fit(X, Y)
    explanation = explain(moe, X)
    logits = explanation.gate_intercept + explanation.gate_terms.sum(axis=2)
    np.testing.assert_allclose(logits.sum(axis=1), 0, atol=1e-10)
    weights = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(weights, moe.predict_gate(X), atol=1e-10)
    # The mean row has no terms.
    at_mean = explain(moe, moe.gate_.feature_mean_[np.newaxis])
    np.testing.assert_allclose(at_mean.gate_terms, 0, atol=1e-10)


def test_values_may_be_compared_with_the_mean_of_other_rows():
    moe = regressor(LinearRegression()).fit(X, Y)
    explanation = explain(moe, X, background=X[:50])
    mean = X[:50].mean(axis=0)
    for k, expert in enumerate(moe.experts_):
        np.testing.assert_allclose(
            explanation.terms[:, k, 1:], (X - mean) * expert.coef_, atol=1e-12
        )
        np.testing.assert_allclose(
            explanation.terms[:, k, 0], expert.predict(mean[np.newaxis])[0]
        )
        terms = (X - mean) * moe.gate_.coef_[k]
        np.testing.assert_allclose(explanation.gate_terms[:, k], terms, atol=1e-12)
    np.testing.assert_allclose(totals(explanation), moe.predict(X), atol=1e-10)


def test_the_terms_of_an_exponential_expert_are_those_of_the_logarithm():
    moe = regressor(noise="poisson").fit(X, np.round(np.exp(Y / 2)))
    explanation = explain(moe, X)
    assert explanation.scales == ["logarithm", "logarithm"]
    np.testing.assert_allclose(
        np.exp(explanation.terms.sum(axis=2)), explanation.expert_predictions
    )


def test_of_other_experts_only_the_answer_is_known():
    moe = MODELS["unlike experts"]().fit(X, Y)
    explanation = explain(moe, X)
    assert explanation.scales == ["prediction", None]
    assert explanation.parts[-1] == "(not attributed)"
    assert np.isnan(explanation.contributions[:, 1, :-1]).all()
    np.testing.assert_allclose(
        explanation.contributions[:, 1, -1],
        explanation.weights[:, 1] * moe.experts_[1].predict(X),
    )
    assert np.isnan(explanation.contributions[:, 0, -1]).all()


def test_a_frozen_expert_is_seen_into():
    frozen = FrozenEstimator(Ridge().fit(X, Y))
    moe = regressor([("frozen", frozen), ("free", Ridge())]).fit(X, Y)
    assert explain(moe, X).scales == ["prediction", "prediction"]


def test_a_gate_that_is_not_linear_has_no_terms():
    explanation = explain(MODELS["gaussian gate"]().fit(X, Y), X)
    assert explanation.gate_terms is None
    assert explanation.gate_intercept is None
    assert "has the largest weight" not in repr(explanation)


def test_an_answer_that_is_held_is_a_part_of_its_own():
    moe = regressor().fit(X, Y)
    far = 20 * X
    explanation = explain(moe, far)
    assert explanation.parts[-1] == "(clipped)"
    held = ~np.isnan(explanation.contributions[:, :, -1])
    assert held.any()
    assert not held.all()
    np.testing.assert_allclose(totals(explanation), moe.predict(far), atol=1e-10)
    free = explain(moe.set_params(extrapolation="free"), far)
    assert "(clipped)" not in free.parts
    np.testing.assert_allclose(
        explanation.contributions[~held][:, :-1], free.contributions[~held]
    )


def test_a_retired_expert_adds_nothing():
    moe = regressor(n_experts=3).fit(X, Y)
    moe._active_ = np.array([True, True, False])
    explanation = explain(moe, X)
    np.testing.assert_array_equal(explanation.contributions[:, 2], 0)
    np.testing.assert_allclose(totals(explanation), moe.predict(X), atol=1e-10)
    logits = explanation.gate_intercept + explanation.gate_terms.sum(axis=2)
    np.testing.assert_allclose(logits[:, :2].sum(axis=1), 0, atol=1e-10)


# The user's own columns
# ----------------------


def in_front():
    return make_pipeline(ENCODED, regressor())


def within_experts():
    return regressor(make_pipeline(ENCODED, Ridge()))


def in_a_search():
    return GridSearchCV(in_front(), {"mixtureofexpertsregressor__n_experts": [2]}, cv=2)


each_place = pytest.mark.parametrize("place", [in_front, within_experts, in_a_search])


@each_place
def test_columns_are_the_users_behind_scalers_and_encoders(place):
    model = place().fit(FRAME, Y)
    explanation = explain(model, FRAME)
    assert explanation.columns == list(FRAME)
    assert explanation.note == ""
    assert explanation.index == list(FRAME.index)
    np.testing.assert_allclose(totals(explanation), model.predict(FRAME), atol=1e-10)
    # Coefficients are in the units of the columns.
    for column, step in (("age", 3.0), ("dose", 0.1)):
        moved = explain(model, FRAME.assign(**{column: FRAME[column] + step}))
        j = explanation.columns.index(column)
        change = moved.terms.sum(axis=2) - explanation.terms.sum(axis=2)
        expected = np.broadcast_to(step * explanation.coefficients[:, j], change.shape)
        np.testing.assert_allclose(change, expected, atol=1e-8)
        np.testing.assert_allclose(
            explanation.terms[:, :, 1 + j],
            FRAME[column].to_numpy()[:, np.newaxis] * explanation.coefficients[:, j],
        )
    assert np.isnan(explanation.coefficients[:, 2]).all()


def test_the_term_of_a_category_is_the_sum_over_its_dummies():
    model = in_front().fit(FRAME, Y)
    explanation = explain(model, FRAME)
    towns = ["Bern", "Oslo", "Rome"]
    place = np.array([towns.index(town) for town in FRAME["town"]])
    for k, expert in enumerate(model[-1].experts_):
        np.testing.assert_allclose(explanation.terms[:, k, 3], expert.coef_[:3][place])


def test_the_gate_tells_of_categories_and_flags_of_a_frame():
    moe = within_experts().fit(FRAME, Y)
    explanation = explain(moe, FRAME)
    logits = explanation.gate_intercept + explanation.gate_terms.sum(axis=2)
    weights = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(weights, moe.predict_gate(FRAME), atol=1e-10)
    by_town = pd.Series(explanation.gate_terms[:, 0, 2]).groupby(
        FRAME["town"].to_numpy()
    )
    assert (by_town.nunique() == 1).all()


STEPS = {
    "robust": RobustScaler(),
    "min-max": MinMaxScaler(),
    "max-abs": MaxAbsScaler(),
    "unscaled": StandardScaler(with_mean=False, with_std=False),
    "nothing": FunctionTransformer(),
    "imputer": SimpleImputer(add_indicator=True),
    "chosen": SelectKBest(f_regression, k=2),
    "ranks": QuantileTransformer(n_quantiles=20),
    "splines": SplineTransformer(n_knots=3),
    "powers": PolynomialFeatures(2, include_bias=False),
    "logarithm": FunctionTransformer(np.exp),
    "union": make_union(StandardScaler(), SplineTransformer(n_knots=3)),
    "passthrough": "passthrough",
}


@pytest.mark.parametrize("name", STEPS)
def test_steps_are_seen_through_or_it_is_said_that_they_are_not(name):
    rows = pd.DataFrame(X, columns=["a", "b", "c"])
    if name == "imputer":
        rows = rows.mask(RNG.uniform(size=rows.shape) < 0.1)
    model = make_pipeline(STEPS[name], StandardScaler(), regressor()).fit(rows, Y)
    explanation = explain(model, rows)
    np.testing.assert_allclose(totals(explanation), model.predict(rows), atol=1e-10)
    if name == "powers":
        assert "that the mixture sees, since PolynomialFeatures" in explanation.note
        assert explanation.columns[:4] == ["a", "b", "c", "a^2"]
        return
    assert explanation.columns == ["a", "b", "c"]
    assert explanation.note == ""
    for j, column in enumerate(rows):
        # A column decides on its own terms, and on no others.
        other = explain(
            model, rows.assign(**{column: rows[column].iloc[::-1].to_numpy()})
        )
        rest = np.delete(np.arange(3), j)
        np.testing.assert_allclose(
            other.terms[:, :, 1 + rest], explanation.terms[:, :, 1 + rest]
        )


def test_an_ordinal_code_has_a_term_and_no_coefficient():
    front = make_column_transformer(
        (OrdinalEncoder(), ["town"]), ("passthrough", ["age"])
    )
    explanation = explain(make_pipeline(front, regressor()).fit(FRAME, Y), FRAME)
    assert explanation.columns == list(FRAME)
    assert np.isnan(explanation.coefficients[:, 2]).all()
    assert np.abs(explanation.terms[:, :, 3]).max() > 0
    # Columns that nobody looks at add nothing.
    np.testing.assert_array_equal(explanation.terms[:, :, 2], 0)


@pytest.mark.parametrize(
    "to", [pl.DataFrame, lambda frame: frame.astype({"town": "category"})]
)
def test_frames_of_any_kind_are_explained_alike(to):
    expected = explain(within_experts().fit(FRAME, Y), FRAME)
    frame = to(FRAME)
    explanation = explain(within_experts().fit(frame, Y), frame)
    np.testing.assert_allclose(explanation.contributions, expected.contributions)
    np.testing.assert_allclose(explanation.gate_terms, expected.gate_terms)
    assert explanation.values == expected.values


def test_behind_a_transformer_of_targets_all_is_on_its_scale():
    model = TransformedTargetRegressor(in_front(), func=np.log, inverse_func=np.exp)
    explanation = explain(model.fit(FRAME, np.exp(Y)), FRAME)
    expected = np.log(model.predict(FRAME))
    np.testing.assert_allclose(totals(explanation), expected, atol=1e-10)
    assert explanation.columns == list(FRAME)
    assert "The target is transformed" in repr(explanation)


@pytest.mark.parametrize("scaler", [StandardScaler(), MinMaxScaler(), None])
def test_targets_that_are_scaled_are_explained_in_their_own_units(scaler):
    model = TransformedTargetRegressor(in_front(), transformer=scaler)
    y = 100 + 7 * Y
    explanation = explain(model.fit(FRAME, y), FRAME)
    np.testing.assert_allclose(totals(explanation), model.predict(FRAME), atol=1e-10)
    assert explanation.note == ""
    answers = explanation.terms.sum(axis=2)
    np.testing.assert_allclose(answers, explanation.expert_predictions)
    covered = (explanation.interval[:, 0] < y) & (y < explanation.interval[:, 1])
    assert 0.8 < covered.mean() < 1
    slopes = local_slopes(model, FRAME)[["age", "dose"]]
    expected = differences(model.predict, FRAME)
    pd.testing.assert_frame_equal(slopes, expected, rtol=1e-4, atol=1e-4)


def test_of_several_scaled_targets_each_has_its_own_units():
    model = TransformedTargetRegressor(regressor(), transformer=StandardScaler())
    model.fit(X, np.column_stack([Y, 100 - 50 * X[:, 0]]))
    for output in (0, 1):
        explanation = explain(model, X, target=output)
        expected = model.predict(X)[:, output]
        np.testing.assert_allclose(totals(explanation), expected, atol=1e-10)


def test_of_a_calibrated_classifier_the_mixture_is_explained():
    frozen = FrozenEstimator(classifier().fit(X, CLASSES == "high"))
    model = CalibratedClassifierCV(frozen, ensemble=False).fit(X, CLASSES == "high")
    explanation = explain(model, X)
    expected = frozen.predict_proba(X)[:, 1]
    np.testing.assert_allclose(totals(explanation), expected, atol=1e-10)
    assert "before calibration" in repr(explanation)


def test_sparse_rows_and_lists_are_explained():
    rows = np.where(np.abs(X) < 0.5, 0, X)
    moe = regressor().fit(sparse.csr_array(rows), Y)
    explanation = explain(moe, sparse.csr_array(rows))
    np.testing.assert_allclose(totals(explanation), moe.predict(rows), atol=1e-10)
    moe = regressor().fit(X, Y)
    np.testing.assert_array_equal(
        explain(moe, X[:3].tolist()).contributions, explain(moe, X[:3]).contributions
    )


# Tables, words and pictures
# --------------------------


def test_the_frame_has_all_parts():
    explanation = explain(in_front().fit(FRAME, Y), FRAME.iloc[SOME])
    frame = explanation.frame
    assert frame.index.names == ["row", "expert", "part"]
    assert list(frame) == ["value", "gate_term", "coefficient", "term", "contribution"]
    assert frame.loc[("patient 3", "expert1", "town"), "value"] == FRAME["town"].iloc[3]
    totals = frame.groupby(level="row", sort=False)["contribution"].sum()
    np.testing.assert_allclose(totals, explanation.prediction)
    experts = explanation.experts
    np.testing.assert_allclose(
        experts.groupby(level="row", sort=False)["contribution"].sum(),
        explanation.prediction,
    )
    np.testing.assert_allclose(experts["weight"], explanation.weights.ravel())


def test_the_frame_has_no_rows_for_parts_that_an_expert_does_not_have():
    frame = explain(MODELS["unlike experts"]().fit(X, Y), X[:1]).frame
    assert list(frame.loc[0, "line"].index) == ["(intercept)", "x0", "x1", "x2"]
    assert "(not attributed)" in frame.loc[0, "tree"].index


def test_it_is_told_in_words():
    explanation = explain(in_front().fit(FRAME, Y), FRAME.iloc[[2]])
    text, html = repr(explanation), explanation._repr_html_()
    assert re.match(r"Row patient 2: prediction .*, 90% interval .* to ", text)
    assert f"age = {FRAME['age'].iloc[2]:.4g}" in text
    for shown in (text, html):
        assert f"town = {FRAME['town'].iloc[2]}" in shown
        assert "has the largest weight" in shown
    assert html.count("<table>") == 3


def test_what_is_shown_is_short_and_escaped():
    wide = pd.DataFrame(RNG.normal(size=(N, 30)), columns=[f"<{j}>" for j in range(30)])
    explanation = explain(regressor(n_experts=2).fit(wide, Y), wide)
    text, html = repr(explanation), explanation._repr_html_()
    assert "23 others" in text
    assert f"... and {N - 3} more rows" in text
    assert "<1" not in html
    assert "&lt;1" in html


@pytest.fixture
def pyplot():
    pyplot = pytest.importorskip("matplotlib.pyplot")
    yield pyplot
    pyplot.close("all")


def widths(bars):
    return np.array([bar.get_width() for bar in bars])


def test_the_bars_sum_to_the_prediction(pyplot):
    moe = regressor(n_experts=3).fit(X, Y)
    display = ExplanationDisplay.from_estimator(moe, X, row=4)
    prediction = moe.predict(X[[4]])[0]
    assert len(display.axes_) == 3
    sums = [
        sum(widths(bars).sum() for bars in each)
        for each in (display.expert_bars_, display.part_bars_)
    ]
    np.testing.assert_allclose(sums, prediction)
    explanation = display.explanation
    k = explanation.weights[4].argmax()
    np.testing.assert_allclose(
        widths(display.gate_bars_).sum(),
        explanation.gate_intercept[k] + explanation.gate_terms[4, k].sum(),
    )
    display.figure_.canvas.draw()


def test_ten_experts_and_thirty_columns_are_drawn_by_the_largest(pyplot):
    wide = RNG.normal(size=(N, 30))
    explanation = explain(
        regressor(n_experts=10, max_iter=50, tol=0.1).fit(wide, Y), wide
    )
    display = ExplanationDisplay.from_explanation(explanation, row=1, max_parts=6)
    assert len(display.expert_bars_) == 8
    experts, parts, gate = display.axes_
    labels = [label.get_text() for label in parts.get_yticklabels()]
    assert len(labels) == 7
    assert labels[-1] == "25 others"
    assert "3 others" in experts.get_yticklabels()[-1].get_text()
    assert len(gate.get_legend().get_texts()) == 8
    total = sum(widths(bars).sum() for bars in display.part_bars_)
    np.testing.assert_allclose(total, explanation.prediction[1])


def test_panels_of_which_nothing_is_known_are_not_drawn(pyplot):
    moe = regressor(DecisionTreeRegressor(max_depth=2), gate=GaussianGate()).fit(X, Y)
    display = ExplanationDisplay.from_estimator(moe, X)
    assert len(display.axes_) == 1
    assert display.part_bars_ == []
    assert display.gate_bars_ is None


def test_axes_and_artists_may_be_given(pyplot):
    moe = regressor().fit(X, Y)
    _, axes = pyplot.subplots(1, 3)
    display = ExplanationDisplay.from_estimator(moe, X, ax=axes, bar_kw={"lw": 3})
    assert list(display.axes_) == list(axes)
    assert display.gate_bars_[0].get_linewidth() == 3
    with pytest.raises(TypeError, match="'ax' must be 3 matplotlib Axes"):
        display.plot(axes[0])


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"row": N}, f"'row' must be the number of a row, 0 to {N - 1}; got {N}"),
        ({"row": "patient 1"}, "got 'patient 1'"),
        ({"max_parts": 0}, "'max_parts' must be a positive integer; got 0"),
    ],
)
def test_what_cannot_be_drawn_is_refused(pyplot, params, message):
    with pytest.raises(ValueError, match=message):
        ExplanationDisplay.from_estimator(regressor().fit(X, Y), X, **params)


# Local slopes
# ------------

SMOOTH = {
    "default": lambda: regressor(),
    "argmax": lambda: regressor(combination="argmax"),
    "top_k": lambda: regressor(n_experts=3, top_k=2),
    "hierarchy": lambda: regressor(regressor(tol=0.1), tol=0.1),
    "clipped gate": lambda: regressor(gate=SoftmaxGate(alpha=1e-3, clip=1.0)),
    "scaled gate": lambda: regressor(
        gate=make_pipeline(StandardScaler(), SoftmaxGate())
    ),
    "pipeline": lambda: make_pipeline(RobustScaler(), regressor()),
    "noise and a constant": lambda: regressor(
        [("a", Ridge()), ("out", "uniform"), ("constant", DummyRegressor())]
    ),
    "scaled target": lambda: regressor(
        TransformedTargetRegressor(Ridge(), transformer=StandardScaler())
    ),
}


@pytest.mark.parametrize("far", [1, 20])
@pytest.mark.parametrize("name", SMOOTH)
def test_the_slopes_equal_finite_differences(name, far):
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    model, rows = SMOOTH[name]().fit(frame, Y), far * frame[SOME]
    slopes = local_slopes(model, rows)
    expected = differences(model.predict, rows)
    pd.testing.assert_frame_equal(slopes, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("noise", ["gamma", "lognormal", "poisson"])
def test_they_do_so_with_any_noise_and_link(noise):
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    y = np.round(np.exp(Y / 2)) + (noise != "poisson")
    moe, rows = regressor(noise=noise).fit(frame, y), frame[SOME]
    expected = differences(moe.predict, rows)
    pd.testing.assert_frame_equal(
        local_slopes(moe, rows), expected, rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("labels", [CLASSES, np.where(CLASSES == "high", "high", "no")])
def test_the_slopes_of_a_class_are_those_of_its_probability(labels):
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    moe, rows = classifier().fit(frame, labels), frame[SOME]
    expected = differences(lambda rows: moe.predict_proba(rows)[:, 0], rows)
    slopes = local_slopes(moe, rows, target="high")
    pd.testing.assert_frame_equal(slopes, expected, rtol=1e-5, atol=1e-5)


@each_place
def test_the_slopes_are_in_the_users_columns_and_units(place):
    model, rows = place().fit(FRAME, Y), FRAME.iloc[SOME]
    slopes = local_slopes(model, rows)
    assert list(slopes) == list(FRAME)
    expected = differences(model.predict, rows)
    pd.testing.assert_frame_equal(
        slopes[["age", "dose"]], expected, rtol=1e-5, atol=1e-5
    )
    assert slopes["town"].isna().all()


def test_a_missing_value_has_no_slope():
    front = make_pipeline(SimpleImputer(), regressor())
    rows = X.copy()
    rows[0, 1] = np.nan
    slopes = local_slopes(front.fit(rows, Y), rows)
    assert np.isnan(slopes.loc[0, "x1"])
    assert slopes.isna().to_numpy().sum() == 1


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gaussian gate", "gate whose logits are linear.*GaussianGate"),
        ("any gate", "gate whose logits are linear.*LogisticRegression"),
        ("unlike experts", "expert 'tree' is DecisionTreeRegressor"),
        ("trees", "expert 'expert0' is DecisionTreeRegressor"),
    ],
)
def test_slopes_that_are_not_known_are_refused(name, message):
    with pytest.raises(TypeError, match=message):
        local_slopes(MODELS[name]().fit(X, Y), X)


@pytest.mark.parametrize("function", [explain, local_slopes])
def test_what_is_no_fitted_mixture_is_refused(function):
    with pytest.raises(TypeError, match="needs a mixture of experts"):
        function(Ridge().fit(X, Y), X)
    with pytest.raises(NotFittedError):
        function(regressor(), X)
