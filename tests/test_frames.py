"""Frames of any library, and what their columns hold, in fit and at prediction."""

import datetime
import pickle
import warnings
from copy import deepcopy
from decimal import Decimal
from fractions import Fraction

import matplotlib.pyplot as plt
import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from _versions import needs
from scipy import sparse
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import (
    Lasso,
    LinearRegression,
    LogisticRegression,
    Ridge,
    SGDRegressor,
)
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

from sklearn_moe import (
    GaussianGate,
    MixtureOfExpertsClassifier,
    MixtureOfExpertsRegressor,
    SoftmaxGate,
)
from sklearn_moe.inspection import (
    ExpertDisplay,
    GateDisplay,
    ResponsibilityDisplay,
    describe,
    diagnose,
    explain,
    gate_importance,
    gate_rules,
    local_slopes,
    summary,
)
from sklearn_moe.model_selection import (
    log_likelihood_scorer,
    neg_crps_scorer,
    select_n_experts,
)

N = 60
RNG = np.random.default_rng(0)
NUMBERS = RNG.standard_normal((N, 2))
SIDE = NUMBERS[:, 0] > 0
TARGET = np.where(SIDE, 3, -3) * NUMBERS[:, 0] + 0.1 * RNG.standard_normal(N)
FLOATS = pd.DataFrame(NUMBERS, columns=["a", "b"])
GAPS = FLOATS.mask(np.repeat(np.arange(N)[:, np.newaxis] == 3, 2, axis=1))
UTC = datetime.UTC
DAYS = [datetime.datetime(2020, 1, 1) + datetime.timedelta(i) for i in range(N)]
LATE = np.arange(N) >= N // 2

each_gate = pytest.mark.parametrize("gate_class", [SoftmaxGate, GaussianGate])


def two_experts(expert=None, **params):
    params = {"n_experts": 2, "tol": 1e-2, "random_state": 0} | params
    return MixtureOfExpertsRegressor(expert, **params)


def of_column(name, last=None):
    """An expert that sees one column of numbers."""
    columns = make_column_transformer((StandardScaler(), [name]))
    return make_pipeline(columns, last or Ridge())


def to_polars(X):
    return pl.DataFrame({name: X[name].tolist() for name in X})


def to_pyarrow(X):
    return pa.table({name: X[name].tolist() for name in X})


# Frames of any library
# ---------------------

KINDS_OF_FRAMES = {
    "pandas": lambda X: X,
    "objects": lambda X: X.astype(object),
    "nullable": lambda X: X.convert_dtypes(),
    "arrow": lambda X: X.convert_dtypes(dtype_backend="pyarrow"),
    "polars": to_polars,
    "pyarrow": to_pyarrow,
    "narwhals of pandas": nw.from_native,
    "narwhals of polars": lambda X: nw.from_native(to_polars(X)),
}
each_kind = pytest.mark.parametrize("to", KINDS_OF_FRAMES.values(), ids=KINDS_OF_FRAMES)


@each_kind
def test_a_frame_of_any_kind_is_its_numbers(to):
    frame = to(FLOATS)
    mixture, expected = two_experts(), two_experts().fit(NUMBERS, TARGET)
    mixture.fit(frame, TARGET)
    assert mixture.feature_names_in_.tolist() == ["a", "b"]
    for method in ("predict", "predict_gate", "transform", "apply"):
        np.testing.assert_allclose(
            getattr(mixture, method)(frame), getattr(expected, method)(NUMBERS)
        )
    np.testing.assert_allclose(
        mixture.score_samples(frame, TARGET), expected.score_samples(NUMBERS, TARGET)
    )


@each_kind
def test_rows_without_weight_are_dropped_from_a_frame_of_any_kind(to):
    weights = np.arange(N) % 3 > 0
    mixture = two_experts().fit(to(FLOATS), TARGET, weights.astype(float))
    expected = two_experts().fit(NUMBERS[weights], TARGET[weights])
    np.testing.assert_allclose(mixture.predict(to(FLOATS)), expected.predict(NUMBERS))


@each_kind
def test_a_gate_takes_a_frame_of_any_kind(to):
    gate = SoftmaxGate().fit(to(FLOATS), SIDE)
    expected = SoftmaxGate().fit(NUMBERS, SIDE)
    np.testing.assert_allclose(
        gate.predict_proba(to(FLOATS)), expected.predict_proba(NUMBERS)
    )


@each_kind
def test_a_stream_takes_frames_of_any_kind(to):
    mixture, expected = (
        MixtureOfExpertsClassifier(GaussianNB(), 2, max_iter=5, random_state=0)
        for _ in range(2)
    )
    for rows in (slice(0, 30), slice(30, N)):
        mixture.partial_fit(to(FLOATS[rows]), SIDE[rows], classes=[False, True])
        expected.partial_fit(NUMBERS[rows], SIDE[rows], classes=[False, True])
    np.testing.assert_allclose(
        mixture.predict_proba(to(FLOATS)), expected.predict_proba(NUMBERS)
    )


HAS_PYARROW = needs("1.9", "rows of pyarrow tables")


@pytest.mark.parametrize("to", [pytest.param(to_pyarrow, marks=HAS_PYARROW), to_polars])
def test_folds_are_taken_from_frames_of_other_libraries(to):
    search = GridSearchCV(two_experts(tol=0.1), {"gate__alpha": [0.1, 1.0]}, cv=2)
    search.fit(to(FLOATS), TARGET)
    expected = clone(search).fit(NUMBERS, TARGET)
    assert search.best_score_ == pytest.approx(expected.best_score_)


@pytest.mark.parametrize(
    "convert",
    [
        lambda frame: frame.astype(np.float32),
        lambda frame: frame.astype({"a": np.float32}),
        lambda frame: frame.round().astype({"b": np.int8}),
        lambda frame: frame > 0,
        lambda frame: frame.astype("Float64"),
        lambda frame: frame.astype(pd.SparseDtype(float, 0.0)),
        lambda frame: frame.astype(object),
        lambda frame: frame.where(frame > -1),
    ],
)
def test_rows_of_a_frame_are_their_numbers_whatever_the_dtypes(convert):
    mixture = MixtureOfExpertsRegressor(
        HistGradientBoostingRegressor(max_iter=3),
        n_experts=2,
        cv=None,
        tol=1e-2,
        random_state=0,
    ).fit(FLOATS, TARGET)
    rows = convert(FLOATS)
    numbers = pd.DataFrame(
        rows.to_numpy(np.float64, na_value=np.nan), columns=["a", "b"]
    )
    np.testing.assert_allclose(
        mixture.predict_gate(rows), mixture.predict_gate(numbers), rtol=1e-5
    )
    for i in (0, 7):
        one = mixture.predict_gate(rows[i : i + 1])
        np.testing.assert_allclose(one, mixture.predict_gate(rows)[[i]], rtol=1e-5)


ROW = FLOATS[:1]


@pytest.mark.parametrize("part", ["mixture", "gate"])
@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (ROW[["b", "a"]], "same order"),
        (ROW[["a"]], "now missing"),
        (ROW.assign(c=1.0), "unseen at fit time"),
        (ROW[:0], "0 sample"),
        (ROW.replace(ROW.iloc[0, 0], np.inf), "infinity"),
        (ROW.assign(a=1j), "[Cc]omplex"),
        (ROW.to_numpy()[:, :1], "1 features, but|valid feature names"),
        (ROW.to_numpy()[0], "Expected 2D|1D array|valid feature names"),
    ],
)
def test_bad_rows_are_named_where_good_ones_are_not_looked_at(rows, message, part):
    mixture = MixtureOfExpertsRegressor(n_experts=2, tol=1e-2, random_state=0)
    mixture.fit(FLOATS, TARGET)
    asked = mixture.predict if part == "mixture" else mixture.gate_.predict_proba
    with pytest.raises((ValueError, UserWarning), match=message):
        asked(rows)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (NUMBERS[:1, :1], "1 features, but"),
        (NUMBERS[0], "Expected 2D"),
        (NUMBERS[:0], "0 sample"),
        (np.full((1, 2), np.inf), "infinity"),
        (np.full((1, 2), 1j), "[Cc]omplex"),
        (np.full((1, 2), "word"), "word"),
        (np.full((1, 2, 2), 1.0), "dim 3"),
    ],
)
def test_bad_rows_of_an_array_are_named(rows, message):
    mixture = MixtureOfExpertsRegressor(n_experts=2, tol=1e-2, random_state=0)
    mixture.fit(NUMBERS, TARGET)
    with pytest.raises(ValueError, match=message):
        mixture.predict(rows)


@pytest.mark.parametrize("rows", [NUMBERS, FLOATS], ids=["array", "frame"])
def test_rows_like_those_of_the_fit_are_validated_by_the_experts_alone(
    monkeypatch, rows
):
    mixture = MixtureOfExpertsRegressor(n_experts=2, tol=1e-2, random_state=0)
    mixture.fit(rows, TARGET)
    expected = mixture.predict(rows)
    for module in ("sklearn_moe._base", "sklearn_moe.gates._features"):
        monkeypatch.delattr(f"{module}.validate_data")
    np.testing.assert_allclose(mixture.predict(rows[:1]), expected[:1])


def test_a_lazy_frame_is_refused():
    with pytest.raises(TypeError, match=r"LazyFrame.*collect\(\)"):
        two_experts().fit(to_polars(FLOATS).lazy(), TARGET)


def mixed(X):
    return X.assign(
        word=np.where(LATE, "late", "early"), day=DAYS, flag=SIDE, count=np.arange(N)
    )


MIXED = {
    "pandas": mixed,
    "objects": lambda X: mixed(X).astype(object),
    "polars": lambda X: to_polars(mixed(X)),
    "pyarrow": lambda X: to_pyarrow(mixed(X)),
    "narwhals": lambda X: nw.from_native(to_polars(mixed(X))),
    "some sparse": lambda X: mixed(X).astype({"b": pd.SparseDtype(float, 0.0)}),
    "time zone": lambda X: mixed(X).assign(day=pd.DatetimeIndex(DAYS, tz="Asia/Tokyo")),
}


@pytest.mark.parametrize(
    "to",
    [
        pytest.param(to, marks=HAS_PYARROW if name == "pyarrow" else (), id=name)
        for name, to in MIXED.items()
    ],
)
@pytest.mark.filterwarnings("ignore:The information matrix is not positive:UserWarning")
def test_inspection_and_selection_take_every_frame_that_fit_takes(to):
    X = to(FLOATS)
    expert = of_column("a", LinearRegression())
    mixture = two_experts(expert, max_iter=30, tol=1e-1).fit(X, TARGET)
    importance = gate_importance(mixture, X, random_state=0, n_repeats=1)
    assert importance.importances.shape == (6, 1)
    assert importance.importances_mean.max() > 0.05
    assert len(describe(mixture, X, TARGET)) == 2
    assert diagnose(mixture, X, TARGET, cv=2).gate_entropy >= 0
    assert "gate: expert1" in summary(mixture, X, TARGET).index.get_level_values(0)
    assert np.isfinite(log_likelihood_scorer(mixture, X, TARGET))
    assert np.isfinite(neg_crps_scorer(mixture, X, TARGET))
    assert len(select_n_experts(mixture, X, TARGET, [2], cv=2)) == 1
    for feature in ("word", "day", "flag"):
        weights = GateDisplay.from_estimator(mixture, X, feature).gate_weights
        np.testing.assert_allclose(weights.sum(axis=-1), 1)
        ExpertDisplay.from_estimator(mixture, X, feature, y=TARGET)
        plt.close("all")
    ResponsibilityDisplay.from_estimator(mixture, X, TARGET)
    explanation = explain(mixture, X)
    total = np.nansum(explanation.contributions, axis=(1, 2))
    np.testing.assert_allclose(total, mixture.predict(X), atol=1e-10)
    assert "a = " in repr(explanation)
    assert np.isfinite(local_slopes(mixture, X)["a"]).all()
    assert gate_rules(mixture, X).fidelity > 0.8


@pytest.mark.parametrize("to", [to_polars, to_pyarrow, lambda X: X.astype(object)])
def test_the_importance_is_the_same_in_frames_of_any_kind(to):
    mixture = two_experts().fit(FLOATS, TARGET)
    expected = gate_importance(mixture, FLOATS, random_state=0)
    found = gate_importance(mixture, to(FLOATS), random_state=0, max_samples=1.0)
    np.testing.assert_allclose(found.importances, expected.importances)


# Numbers in columns of objects
# -----------------------------

AS_OBJECTS = {
    "floats": float,
    "Decimal": lambda value: Decimal(repr(float(value))),
    "Fraction": lambda value: Fraction(float(value)),
    "numpy": np.float64,
}


@pytest.mark.parametrize("convert", AS_OBJECTS.values(), ids=AS_OBJECTS)
def test_numbers_in_columns_of_objects_are_numbers(convert):
    objects = FLOATS.map(convert).astype(object)
    mixture, expected = two_experts(), two_experts().fit(FLOATS, TARGET)
    mixture.fit(objects, TARGET)
    assert mixture.gate_.encoder_ is None
    np.testing.assert_allclose(mixture.predict(objects), expected.predict(FLOATS))
    # What they are is decided in fit.
    np.testing.assert_allclose(mixture.predict(FLOATS), expected.predict(FLOATS))
    np.testing.assert_allclose(expected.predict(objects), expected.predict(FLOATS))


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, Decimal("NaN"), pd.NaT])
def test_what_is_missing_among_numbers_is_missing(missing):
    objects = GAPS.astype(object)
    objects.loc[3] = missing
    gate, expected = SoftmaxGate().fit(objects, SIDE), SoftmaxGate().fit(GAPS, SIDE)
    np.testing.assert_allclose(
        gate.predict_proba(objects), expected.predict_proba(GAPS)
    )
    np.testing.assert_allclose(
        expected.predict_proba(objects), expected.predict_proba(GAPS)
    )


@pytest.mark.parametrize(
    "column",
    [
        pl.Series([Decimal(i % 2) for i in range(N)]),
        pl.Series([Decimal(i % 2) for i in range(N)], dtype=pl.Object),
    ],
    ids=["decimal", "object"],
)
def test_decimals_of_polars_are_numbers_for_the_gate(column):
    frame = pl.DataFrame({"a": NUMBERS[:, 0], "odd": column})
    numbers = np.column_stack([NUMBERS[:, 0], np.arange(N) % 2])
    y = np.arange(N) % 2
    np.testing.assert_allclose(
        SoftmaxGate().fit(frame, y).predict_proba(frame),
        SoftmaxGate().fit(numbers, y).predict_proba(numbers),
    )


class OfNumbers(SGDRegressor):
    """An expert for streams that leaves other columns alone."""

    def fit(self, X, y, sample_weight=None):
        return super().fit(X[["a", "b"]], y, sample_weight=sample_weight)

    def partial_fit(self, X, y, sample_weight=None):
        return super().partial_fit(X[["a", "b"]], y, sample_weight=sample_weight)

    def predict(self, X):
        return super().predict(X[["a", "b"]])


@pytest.fixture(scope="module")
def first_batch():
    """A stream whose first batch has no value in its last column."""
    first = FLOATS.assign(new=pd.Series([None] * N, dtype=object))
    expert = OfNumbers(random_state=0)
    return two_experts(expert, max_iter=5).partial_fit(first, TARGET)


@pytest.fixture
def begun(first_batch):
    return deepcopy(first_batch)


@pytest.mark.parametrize("convert", [float, np.timedelta64, np.datetime64])
def test_a_stream_learns_a_column_that_had_no_values_at_first(begun, convert):
    seconds = np.arange(N)
    values = seconds.astype(float)
    if convert is not float:
        values = [convert(int(second), "s") for second in seconds]
    begun.partial_fit(FLOATS.assign(new=values), TARGET)
    assert (begun.gate_.coef_[:, -1] != 0).all()


def test_categories_in_a_column_that_had_no_values_at_first_are_refused(begun):
    with pytest.raises(ValueError, match="Column 'new' had no values in the first"):
        begun.partial_fit(FLOATS.assign(new="u"), TARGET)
    assert len(begun.predict(FLOATS.assign(new="u"))) == N


DECIMALS = {
    "polars": lambda X: to_polars(X.map(AS_OBJECTS["Decimal"])),
    "pyarrow": lambda X: to_pyarrow(X.map(AS_OBJECTS["Decimal"])),
    "pandas": lambda X: X.astype(pd.ArrowDtype(pa.decimal128(12, 4))),
}


@pytest.mark.parametrize("to", DECIMALS.values(), ids=DECIMALS)
@pytest.mark.parametrize("gate", [None, LogisticRegression()])
def test_columns_of_decimals_are_floats_for_every_part(to, gate):
    rounded = FLOATS.round(4)
    mixture, expected = (two_experts(gate=gate, tol=0.1) for _ in range(2))
    mixture.fit(to(rounded), TARGET)
    expected.fit(rounded, TARGET)
    np.testing.assert_allclose(
        mixture.predict(to(rounded)), expected.predict(rounded), rtol=1e-6
    )


READ_TEXTS = needs("1.9", "numbers that a column of texts is read as")


@pytest.mark.parametrize(
    "dtype",
    [
        str,
        object,
        pytest.param("string", marks=READ_TEXTS),
        pytest.param("string[pyarrow]", marks=READ_TEXTS),
    ],
)
def test_fractions_spelt_as_text_are_numbers_as_they_are_for_experts(dtype):
    text = FLOATS.astype(str).astype(dtype)
    mixture = two_experts().fit(text, TARGET)
    expected = two_experts().fit(FLOATS, TARGET)
    np.testing.assert_allclose(mixture.predict(text), expected.predict(FLOATS))


@pytest.mark.parametrize(
    "words",
    [
        ["1", "2"],
        ["1.0", "2.0"],
        ["inf", "nan"],
        ["1.5", "x"],
        ["20200101", "20200102"],
        ["2020-01-01", "x"],
        ["1234-", "2020-01-0x"],
    ],
)
def test_codes_and_words_are_categories(words):
    frame = pd.DataFrame({"k": words * 9})
    for column in (frame["k"], frame["k"].astype(object)):
        gate = SoftmaxGate().fit(column.to_frame(), [0, 1] * 9)
        names = [f"k_{word}" for word in words]
        assert gate.encoder_.get_feature_names_out().tolist() == names


def test_flags_of_objects_are_numbers():
    flags = pd.DataFrame({"flag": pd.Series([True, None, False] * 20, dtype=object)})
    numbers = np.array([[1.0], [np.nan], [0.0]] * 20)
    y = [0, 1, 2] * 20
    np.testing.assert_allclose(
        SoftmaxGate().fit(flags, y).predict_proba(flags),
        SoftmaxGate().fit(numbers, y).predict_proba(numbers),
    )


def test_a_column_without_a_value_in_fit_says_nothing():
    frame = FLOATS.assign(none=pd.Series([None] * N, dtype=object))
    gate = SoftmaxGate().fit(frame, SIDE)
    expected = SoftmaxGate().fit(FLOATS.assign(none=np.nan), SIDE)
    for value in (None, "text", 1.5):
        np.testing.assert_allclose(
            gate.predict_proba(frame.assign(none=value)),
            expected.predict_proba(FLOATS.assign(none=np.nan)),
        )


@pytest.mark.parametrize("objects", [False, True])
def test_complex_numbers_are_refused(objects):
    column = pd.Series([1j] * N, dtype=object if objects else complex)
    with pytest.raises(ValueError, match="column 'c' holds complex"):
        SoftmaxGate().fit(FLOATS.assign(c=column), SIDE)


@pytest.mark.parametrize(
    ("value", "now"),
    [("x", "categories"), (pd.Timestamp("2020"), "dates"), (pd.Timedelta(1), "spans")],
)
def test_a_column_of_numbers_that_holds_something_else_is_refused_by_name(value, now):
    mixture = two_experts().fit(FLOATS, TARGET)
    for frame in (FLOATS.assign(b=value), FLOATS.assign(a=value, b=value)):
        name = "ab"["b" in frame and frame["a"].dtype == float]
        message = f"In fit, column '{name}' held numbers; now it holds {now}"
        with pytest.raises(ValueError, match=message):
            mixture.predict_gate(frame)


# Categories
# ----------

EQUAL = {
    "floats": [1.0, 2.0],
    "numpy": [np.int8(1), np.float32(2)],
    "Decimal": [Decimal(1), Decimal("2.0")],
    "Fraction": [Fraction(1), Fraction(2)],
    "text": ["1", "2"],
    "text of floats": ["1.0", "2.0"],
}


@pytest.mark.parametrize("values", EQUAL.values(), ids=EQUAL)
@each_gate
def test_equal_numbers_are_one_category(values, gate_class):
    gate = gate_class().fit(
        pd.DataFrame({"k": pd.Categorical([1, 2] * 30)}), [0, 1] * 30
    )
    same = gate.predict_proba(pd.DataFrame({"k": pd.Categorical([1, 2])}))
    for column in (pd.Categorical(values), pd.Series(values, dtype=object)):
        other = gate.predict_proba(pd.DataFrame({"k": column}))
        np.testing.assert_array_equal(other, same)


def test_categories_with_gaps_are_those_without():
    k = pd.Series(np.arange(N) % 2 + 1)
    gate = SoftmaxGate().fit(pd.DataFrame({"k": k.astype("category")}), k)
    gaps = k.where(k.index > 0)
    for column in (gaps.astype("category"), gaps):
        assert gate.predict(pd.DataFrame({"k": column}))[1:].tolist() == k[1:].tolist()


@pytest.mark.parametrize("now", [[1, 0], [1.0, 0.0], ["True", "False"], ["1", "0"]])
def test_truth_values_are_one_category_with_one_and_zero(now):
    frame, y = pd.DataFrame({"k": pd.Categorical([True, False] * 9)}), [1, 0] * 9
    other = pd.DataFrame({"k": pd.Categorical(now * 9)})
    assert SoftmaxGate().fit(frame, y).predict(other).tolist() == y
    assert SoftmaxGate().fit(other, y).predict(frame).tolist() == y


def test_spellings_that_fit_knows_stay_apart():
    frame, y = pd.DataFrame({"k": ["1", "1.0"] * 9}), [0, 1] * 9
    assert SoftmaxGate().fit(frame, y).predict(frame).tolist() == y


def test_fractions_are_one_category_whatever_their_type():
    frame = pd.DataFrame({"k": pd.Categorical([0.1, 0.7] * 9)})
    gate = SoftmaxGate().fit(frame, [0, 1] * 9)
    for values in ([Decimal("0.1"), Decimal("0.70")], np.float32([0.1, 0.7])):
        other = pd.DataFrame({"k": pd.Series([*values, "other"], dtype=object)[:2]})
        assert gate.predict_proba(other).argmax(axis=1).tolist() == [0, 1]


@pytest.mark.parametrize(
    "column",
    [
        pd.period_range("2020", periods=2),
        pd.interval_range(0, 2),
        pd.Categorical([7, 3]),
        pd.array(
            ["u", "v"], dtype=pd.ArrowDtype(pa.dictionary(pa.int8(), pa.string()))
        ),
    ],
    ids=["period", "interval", "category", "dictionary"],
)
def test_columns_without_order_are_categories(column):
    frame = pd.DataFrame({"k": column})
    gate = SoftmaxGate().fit(frame.loc[[0, 1] * 9].reset_index(drop=True), [0, 1] * 9)
    assert len(gate.encoder_.get_feature_names_out()) == 2
    assert gate.predict(frame).tolist() == [0, 1]


def test_a_missing_category_of_pyarrow_is_missing():
    word = pa.array(["u", "v", None] * 20).dictionary_encode()
    frame, y = pa.table({"word": word}), [0, 1, 2] * 20
    gate = SoftmaxGate().fit(frame, y)
    assert gate.score(frame, y) == 1
    assert gate.encoder_.get_feature_names_out()[-1] == "word_nan"


# Dates
# -----

DATES = pd.DataFrame({"x": NUMBERS[:, 0], "day": DAYS})


@pytest.mark.parametrize(
    "convert",
    [
        lambda day: day.date(),
        np.datetime64,
        pd.Timestamp,
        lambda day: day.isoformat(),
        lambda day: day.date().isoformat(),
    ],
    ids=["date", "datetime64", "Timestamp", "text", "text of a day"],
)
@each_gate
def test_a_date_is_a_date_whatever_it_comes_as(convert, gate_class):
    gate = gate_class().fit(DATES, LATE)
    column = pd.Series(list(map(convert, DAYS)), dtype=object)
    other = DATES.assign(day=column)
    np.testing.assert_allclose(gate.predict_proba(other), gate.predict_proba(DATES))


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_the_unit_of_dates_makes_no_difference(unit):
    gate = SoftmaxGate().fit(DATES, LATE)
    other = DATES.assign(day=DATES["day"].astype(f"M8[{unit}]"))
    np.testing.assert_array_equal(gate.predict_proba(other), gate.predict_proba(DATES))


@pytest.mark.parametrize(
    "day", [None, np.nan, pd.NaT, pd.NA, np.datetime64("NaT", "s")]
)
@each_gate
def test_a_missing_date_is_missing_whatever_its_name(day, gate_class):
    gate = gate_class().fit(DATES, LATE)
    missing = gate.predict_proba(
        pd.DataFrame({"x": [1.0], "day": pd.to_datetime([None])})
    )
    row = pd.DataFrame([{"x": 1.0, "day": day}])
    np.testing.assert_array_equal(gate.predict_proba(row), missing)


def test_dates_and_their_texts_may_stand_in_one_column():
    gate = SoftmaxGate().fit(DATES, LATE)
    column = [day.isoformat() if i % 2 else day for i, day in enumerate(DAYS)]
    for now in (pd.Series(column, dtype=object), pd.Categorical(DAYS)):
        np.testing.assert_array_equal(
            gate.predict_proba(DATES.assign(day=now)), gate.predict_proba(DATES)
        )


def test_an_error_shows_the_value_that_is_no_date():
    gate = SoftmaxGate().fit(DATES, LATE)
    column = [day.isoformat() for day in DAYS[:-1]] + ["never"]
    with pytest.raises(ValueError, match=r"'day' held dates.* such as 'never'"):
        gate.predict(DATES.assign(day=column))


@pytest.mark.parametrize("dtype", [str, object, "string[pyarrow]"])
def test_dates_spelt_as_text_are_dates_in_fit(dtype):
    text = pd.Series([day.isoformat() for day in DAYS], dtype=dtype).where(~LATE[::-1])
    gate = SoftmaxGate().fit(DATES.assign(day=text), LATE)
    expected = SoftmaxGate().fit(DATES.assign(day=pd.to_datetime(text)), LATE)
    np.testing.assert_allclose(gate.predict_proba(DATES), expected.predict_proba(DATES))


def test_text_of_times_in_a_zone_is_a_point_in_time():
    zone = datetime.timezone(datetime.timedelta(hours=9))
    text = [day.replace(tzinfo=UTC).astimezone(zone).isoformat() for day in DAYS]
    gate = SoftmaxGate().fit(DATES.assign(day=text), LATE)
    expected = SoftmaxGate().fit(DATES, LATE)
    np.testing.assert_allclose(
        gate.predict_proba(DATES.assign(day=text)), expected.predict_proba(DATES)
    )


def test_dates_of_objects_are_dates_in_fit():
    days = pd.Series([day.date() for day in DAYS], dtype=object).where(DATES.index > 0)
    gate = SoftmaxGate().fit(DATES.assign(day=days), LATE)
    assert gate.encoder_.get_feature_names_out().tolist() == ["x", "day"]
    expected = SoftmaxGate().fit(DATES.assign(day=pd.to_datetime(days)), LATE)
    np.testing.assert_allclose(gate.predict_proba(DATES), expected.predict_proba(DATES))


def test_spans_of_objects_are_spans():
    spans = [None, *(datetime.timedelta(i) for i in range(1, N))]
    frame = pd.DataFrame({"span": pd.Series(spans, dtype=object)})
    plain = pd.DataFrame({"span": pd.to_timedelta(spans)})
    gate = SoftmaxGate().fit(frame, LATE)
    np.testing.assert_allclose(
        gate.predict_proba(plain), SoftmaxGate().fit(plain, LATE).predict_proba(plain)
    )


@pytest.mark.parametrize(
    ("value", "now"),
    [
        (1.5, "numbers"),
        ("tomorrow", "categories"),
        (pd.Timedelta(1, "D"), "spans of time"),
        (pd.Timestamp("2020", tz="UTC"), "dates with a time zone"),
        ("2020-01-05T00:00+02:00", "dates with a time zone"),
    ],
)
def test_a_column_of_dates_that_holds_something_else_is_refused_by_name(value, now):
    gate = SoftmaxGate().fit(DATES, LATE)
    message = f"In fit, column 'day' held dates without a time zone; now it holds {now}"
    with pytest.raises(ValueError, match=message):
        gate.predict(DATES.assign(day=value))


def test_a_time_zone_shifts_no_point_in_time():
    aware = DATES.assign(day=pd.DatetimeIndex(DAYS, tz="UTC"))
    gate = SoftmaxGate().fit(aware, LATE)
    expected = gate.predict_proba(aware)
    moved = aware["day"].dt.tz_convert("Asia/Tokyo")
    for day in (moved, moved.astype(object), moved.map(lambda d: d.isoformat())):
        np.testing.assert_array_equal(
            gate.predict_proba(aware.assign(day=day)), expected
        )
    with pytest.raises(ValueError, match="column 'day' held dates with a time zone"):
        gate.predict(DATES)


def test_dates_of_which_some_have_a_time_zone_are_refused():
    days = pd.Series(
        [DAYS[0], *(day.replace(tzinfo=UTC) for day in DAYS[1:])], dtype=object
    )
    with pytest.raises(
        ValueError, match="'day' holds dates with and without a time zone"
    ):
        SoftmaxGate().fit(DATES.assign(day=days), LATE)


# Arrays after a frame, and frames after an array
# -----------------------------------------------


@pytest.mark.parametrize("frame", [mixed(FLOATS), DATES], ids=["mixed", "dates"])
@each_gate
def test_a_gate_fitted_to_a_frame_takes_an_array_of_the_same_columns(frame, gate_class):
    gate = gate_class().fit(frame, LATE)
    with pytest.warns(UserWarning, match="valid feature names") as warned:
        found = gate.predict_proba(frame.to_numpy())
    np.testing.assert_allclose(found, gate.predict_proba(frame))
    assert len(warned) == 1


@pytest.mark.parametrize("to", [lambda X: X, to_polars, to_pyarrow])
@pytest.mark.parametrize("gate", [None, GaussianGate(), LogisticRegression()])
def test_an_array_after_a_frame_is_warned_of_once(to, gate):
    mixture = two_experts(gate=gate, tol=0.1).fit(to(FLOATS), TARGET)
    for rows in (NUMBERS, NUMBERS.astype(object), NUMBERS[:1], NUMBERS.tolist()):
        with pytest.warns(UserWarning, match="valid feature names") as warned:
            found = mixture.predict(rows)
        assert len(warned) == 1
        np.testing.assert_allclose(found, mixture.predict(to(FLOATS))[: len(rows)])


def test_a_sparse_matrix_after_a_frame_is_warned_of_once():
    mixture = two_experts().fit(FLOATS, TARGET)
    with pytest.warns(UserWarning, match="valid feature names") as warned:
        found = mixture.predict(sparse.csr_array(NUMBERS))
    assert len(warned) == 1
    np.testing.assert_allclose(found, mixture.predict(FLOATS))


def test_experts_find_the_columns_of_an_array_after_a_frame():
    frame = mixed(FLOATS)
    mixture = two_experts(of_column("a")).fit(frame, TARGET)
    with pytest.warns(UserWarning, match="valid feature names"):
        found = mixture.predict(frame.to_numpy())
    np.testing.assert_allclose(found, mixture.predict(frame))


@pytest.mark.parametrize("to", [lambda X: X, to_polars, to_pyarrow])
def test_a_frame_after_an_array_is_warned_of_once(to):
    mixture = two_experts().fit(NUMBERS, TARGET)
    with pytest.warns(UserWarning, match="fitted without feature names") as warned:
        found = mixture.predict(to(FLOATS))
    assert len(warned) == 1
    np.testing.assert_allclose(found, mixture.predict(NUMBERS))


def test_columns_without_names_of_text_are_not_warned_of():
    frame = pd.DataFrame(NUMBERS)
    mixture = two_experts().fit(frame, TARGET)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = mixture.predict(NUMBERS)
        gate_importance(mixture, frame, n_repeats=1)
    np.testing.assert_allclose(found, mixture.predict(frame))


# Experts
# -------


@pytest.mark.parametrize("expert", [Ridge(), LinearRegression(), Lasso(0.01)])
def test_experts_take_sparse_frames_as_they_do_alone(expert):
    words = pd.Series(np.arange(N) % 3)
    frame = pd.get_dummies(words, prefix="k", sparse=True, dtype=float)
    y = words + NUMBERS[:, 0]
    params = {"init": LATE.astype(int), "tol": 1e3, "max_iter": 5}
    mixture = two_experts(expert, **params).fit(frame, y)
    matrix = sparse.csr_array(frame.to_numpy(float))
    expected = two_experts(expert, **params).fit(matrix, y)
    np.testing.assert_allclose(mixture.predict(frame), expected.predict(matrix))


@pytest.mark.parametrize(
    ("expert", "gate"),
    [
        (Lasso(0.01), None),
        (DecisionTreeRegressor(max_depth=2, random_state=0), None),
        (None, LogisticRegression()),
    ],
)
def test_sparse_frames_of_flags_are_numbers_for_every_part(expert, gate):
    dense = pd.get_dummies(pd.Series(["u", "v", "w"] * (N // 3)))
    flags = dense.astype(pd.SparseDtype(bool, fill_value=False))
    mixture, expected = (two_experts(expert, gate=gate, tol=0.1) for _ in range(2))
    mixture.fit(flags, TARGET)
    expected.fit(dense.astype(float), TARGET)
    np.testing.assert_allclose(
        mixture.predict(flags), expected.predict(dense.astype(float)), atol=1e-2
    )


def test_sparse_frames_of_flags_are_numbers_for_a_gate():
    flags = pd.get_dummies(pd.Series(np.arange(N) % 3), sparse=True)
    assert flags.dtypes.iloc[0] == pd.SparseDtype(bool)
    gate = SoftmaxGate().fit(flags, SIDE)
    expected = SoftmaxGate().fit(flags.to_numpy(float), SIDE)
    np.testing.assert_allclose(
        gate.predict_proba(flags),
        expected.predict_proba(flags.to_numpy(float)),
        atol=1e-3,
    )


@pytest.mark.parametrize("noise", ["poisson", "negative_binomial"])
def test_long_doubles_are_taken_by_noise_of_counts(noise):
    counts = np.rint(TARGET).clip(0)
    for X, y in (
        (NUMBERS.astype(np.longdouble), counts),
        (NUMBERS, counts.astype(np.longdouble)),
    ):
        mixture = two_experts(HistGradientBoostingRegressor(max_iter=2), noise=noise)
        mixture.set_params(max_iter=5, tol=1e3)
        assert np.isfinite(mixture.fit(X, y).score_samples(X, y)).all()


def test_an_expert_that_cannot_read_a_column_says_what_to_do():
    frame = FLOATS.assign(word=np.where(LATE, "late", "early"))
    with pytest.raises(ValueError, match="could not convert string to float") as raised:
        two_experts().fit(frame, TARGET)
    told = "\n".join(raised.value.__notes__)
    assert "expert 'expert0'" in told
    assert "['word']" in told
    assert "pipeline" in told


def test_a_classifier_gate_that_cannot_read_a_column_says_what_to_do():
    frame = FLOATS.assign(word=np.where(LATE, "late", "early"))
    mixture = two_experts(of_column("a"), gate=LogisticRegression())
    with pytest.raises(ValueError, match="could not convert string to float") as raised:
        mixture.fit(frame, TARGET)
    told = "\n".join(raised.value.__notes__)
    assert "This is about the gate" in told
    assert "['word']" in told


def test_words_in_an_array_are_refused_with_a_remedy():
    frame = FLOATS.assign(word=np.where(LATE, "late", "early"))
    with pytest.raises(ValueError, match="could not convert string to float") as raised:
        SoftmaxGate().fit(frame.to_numpy(), SIDE)
    assert "DataFrame" in raised.value.__notes__[0]


@each_gate
def test_labels_of_several_types_are_refused(gate_class):
    labels = np.array([1, "a"] * (N // 2), dtype=object)
    with pytest.raises(
        TypeError, match=r"all numbers or all strings; got .'int', 'str'"
    ):
        gate_class().fit(NUMBERS, labels)


def test_a_mixture_of_a_frame_is_pickled():
    mixture = two_experts(of_column("a")).fit(mixed(FLOATS), TARGET)
    loaded = pickle.loads(pickle.dumps(mixture))
    np.testing.assert_array_equal(
        loaded.predict(mixed(FLOATS)), mixture.predict(mixed(FLOATS))
    )
