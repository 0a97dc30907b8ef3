"""Tables of every kind: frames of mixed columns, several targets, sparse, missing."""

import datetime

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
from _versions import needs
from scipy import sparse
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import (
    GammaRegressor,
    LinearRegression,
    LogisticRegression,
    MultiTaskLasso,
    Ridge,
)
from sklearn.multioutput import MultiOutputRegressor
from sklearn.naive_bayes import MultinomialNB
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVR
from sklearn.utils import get_tags

from sklearn_moe import (
    GaussianGate,
    MixtureOfExpertsClassifier,
    MixtureOfExpertsRegressor,
    SoftmaxGate,
)

N = 120
RNG = np.random.default_rng(0)
NUMBERS = RNG.standard_normal((N, 3))
LETTERS = RNG.choice(list("xyz"), N)
TARGET = np.where(LETTERS == "x", NUMBERS[:, 0], -NUMBERS[:, 0])
TARGET = TARGET + 0.1 * RNG.standard_normal(N)
CLASSES = (TARGET > 0).astype(int)
DAYS = [datetime.datetime(2020, 1, 1) + datetime.timedelta(days=i) for i in range(N)]


def pandas_frame():
    frame = pd.DataFrame(
        {
            "number": NUMBERS[:, 0],
            "count": pd.array(RNG.integers(0, 5, N), dtype="Int64"),
            "letter": pd.Categorical(LETTERS),
            "text": RNG.choice(["u", "v", None], N),
            "flag": NUMBERS[:, 1] > 0,
            "day": DAYS,
        }
    )
    frame.loc[3, "number"] = np.nan
    frame.loc[4, "count"] = pd.NA
    frame.loc[5, "day"] = pd.NaT
    return frame


def polars_frame():
    return pl.DataFrame(
        {
            "number": [None, *NUMBERS[1:, 0]],
            "letter": pl.Series(LETTERS.tolist(), dtype=pl.Categorical),
            "text": RNG.choice(["u", "v", None], N).tolist(),
            "flag": (NUMBERS[:, 1] > 0).tolist(),
            "day": DAYS,
        }
    )


FRAMES = pytest.mark.parametrize("make_frame", [pandas_frame, polars_frame])


def expert(last):
    columns = make_column_transformer(
        (SimpleImputer(), ["number"]),
        (OneHotEncoder(handle_unknown="ignore"), ["text"]),
    )
    return make_pipeline(columns, last)


@FRAMES
@pytest.mark.parametrize("gate", [None, GaussianGate()])
def test_the_gate_takes_a_mixed_frame_by_itself(make_frame, gate):
    frame = make_frame()
    mixture = MixtureOfExpertsRegressor(
        expert(Ridge()), n_experts=2, gate=gate, init=LETTERS == "x"
    ).fit(frame, TARGET)
    assert mixture.score(frame, TARGET) > 0.85
    trusted = mixture.apply(frame)
    assert (trusted == (LETTERS == "x")).mean() > 0.95


@FRAMES
def test_classifiers_take_a_mixed_frame(make_frame):
    frame = make_frame()
    mixture = MixtureOfExpertsClassifier(
        expert(LogisticRegression()), n_experts=2, init=LETTERS == "x"
    ).fit(frame, CLASSES)
    assert mixture.score(frame, CLASSES) > 0.9


def test_the_encoded_columns_have_names():
    gate = SoftmaxGate().fit(pandas_frame(), LETTERS)
    names = gate.encoder_.get_feature_names_out().tolist()
    assert names[:4] == ["number", "count", "flag", "day"]
    assert names[4:] == [
        "letter_x",
        "letter_y",
        "letter_z",
        "text_u",
        "text_v",
        "text_nan",
    ]
    assert gate.coef_.shape == (3, len(names))
    assert gate.feature_names_in_.tolist() == list(pandas_frame().columns)


MISSING = pytest.mark.parametrize(
    "text",
    [
        pd.array(["u", "v", pd.NA] * 40, dtype="string"),
        # What is "str" depends on the version of pandas.
        pd.Series(["u", "v", None] * 40),
        pd.Series(["u", "v", None] * 40, dtype=object),
        pd.Series(["u", "v", pd.NA] * 40, dtype=object),
        pd.Series(["u", "v", np.nan] * 40, dtype=object),
        pd.Categorical(["u", "v", None] * 40),
    ],
    ids=["string", "own", "None", "NA", "nan", "category"],
)


@MISSING
@pytest.mark.parametrize("gate_class", [SoftmaxGate, GaussianGate])
def test_a_missing_text_is_a_category_whatever_its_name(text, gate_class):
    gate = gate_class().fit(pd.DataFrame({"text": text}), [0, 1, 2] * 40)
    names = gate.encoder_.get_feature_names_out().tolist()
    assert names == ["text_u", "text_v", "text_nan"]
    assert gate.score(pd.DataFrame({"text": text}), [0, 1, 2] * 40) == 1


def test_a_missing_text_of_polars_is_a_category():
    frame = pl.DataFrame({"text": ["u", "v", None] * 40})
    assert SoftmaxGate().fit(frame, [0, 1, 2] * 40).score(frame, [0, 1, 2] * 40) == 1


@pytest.mark.parametrize(
    ("frame_class", "column"),
    [
        (pl.DataFrame, pl.Series(["u", "v", None] * 40)),
        (pl.DataFrame, pl.Series(["u", "v", None] * 40, dtype=pl.Categorical)),
        (pl.DataFrame, pl.Series([False, False, True] * 40)),
        (pd.DataFrame, pd.array(["u", "v", pd.NA] * 40, dtype="string")),
        (pd.DataFrame, pd.Categorical(["u", "v", None] * 40)),
        (pd.DataFrame, pd.array([False, pd.NA, True] * 40, dtype="boolean")),
    ],
    ids=["pl text", "pl category", "pl flag", "text", "category", "flag"],
)
def test_a_column_of_any_kind_may_part_the_experts(frame_class, column):
    frame = frame_class({"number": NUMBERS[:, 0], "column": column})
    third = np.arange(N) % 3 == 2
    y = np.where(third, 1, -1) * NUMBERS[:, 0]
    columns = make_column_transformer(("passthrough", ["number"]))
    mixture = MixtureOfExpertsRegressor(
        make_pipeline(columns, Ridge()), n_experts=2, init=third, sharing=0
    ).fit(frame, y)
    assert mixture.score(frame, y) > 0.95
    np.testing.assert_array_equal(mixture.apply(frame), third)


def test_missing_numbers_and_flags_of_nullable_columns_are_missing():
    frame = pd.DataFrame(
        {
            "count": pd.array([1, 2, pd.NA] * 40, dtype="Int64"),
            "flag": pd.array([True, pd.NA, False] * 40, dtype="boolean"),
        }
    )
    numbers = np.array([[1, 1], [2, np.nan], [np.nan, 0]] * 40)
    y = [0, 1, 2] * 40
    np.testing.assert_allclose(
        SoftmaxGate().fit(frame, y).predict_proba(frame),
        SoftmaxGate().fit(numbers, y).predict_proba(numbers),
    )


@pytest.mark.parametrize(
    "values",
    [
        ["a", 3, None],
        [datetime.time(1), datetime.time(2), datetime.time(3)],
        [datetime.date(2020, 1, 1), "never", True],
    ],
)
def test_values_of_any_kind_are_categories(values):
    frame = pd.DataFrame({"any": pd.Series(values * 40, dtype=object)})
    assert SoftmaxGate().fit(frame, [0, 1, 2] * 40).score(frame, [0, 1, 2] * 40) == 1


def test_the_hour_of_polars_is_a_category():
    frame = pl.DataFrame({"hour": [datetime.time(i) for i in range(3)] * 40})
    assert SoftmaxGate().fit(frame, [0, 1, 2] * 40).score(frame, [0, 1, 2] * 40) == 1


def test_whole_categories_stay_whole_where_some_are_missing():
    gate = SoftmaxGate().fit(pd.DataFrame({"k": pd.Categorical([1, 2] * 60)}), CLASSES)
    names = gate.encoder_.get_feature_names_out().tolist()
    assert names == ["k_1", "k_2"]
    complete = pd.DataFrame({"k": pd.Categorical([1, 2])})
    gaps = pd.DataFrame({"k": pd.Categorical([1, 2, None])})
    np.testing.assert_array_equal(
        gate.predict_proba(gaps)[:2], gate.predict_proba(complete)
    )


def test_time_is_counted_in_seconds():
    frame = pd.DataFrame(
        {
            "naive": DAYS[:3],
            "aware": pd.DatetimeIndex(DAYS[:3], tz="Europe/Paris"),
            "span": pd.to_timedelta([1, 2, None], unit="D"),
        }
    )
    gate = SoftmaxGate().fit(frame, [0, 1, 1])
    encoded = gate.encoder_.transform(frame)
    np.testing.assert_array_equal(np.diff(encoded[:, 0]), 86400)
    assert encoded[0, 0] - encoded[0, 1] == 3600
    np.testing.assert_array_equal(encoded[:, 2], [86400, 2 * 86400, np.nan])


def test_an_unknown_category_is_no_error():
    frame = pandas_frame()
    mixture = MixtureOfExpertsRegressor(expert(Ridge()), n_experts=2).fit(frame, TARGET)
    frame["letter"] = "unheard"
    frame["text"] = "of"
    assert np.isfinite(mixture.predict(frame)).all()


def test_rare_categories_share_a_column():
    names = pd.DataFrame({"name": [f"n{i % 60}" for i in range(N)], "x": NUMBERS[:, 0]})
    gate = SoftmaxGate().fit(names, CLASSES)
    assert gate.coef_.shape[1] == 1 + 20


def test_a_mixture_on_a_mixed_frame_is_drawn_and_transforms_to_a_frame():
    frame = pandas_frame()
    mixture = MixtureOfExpertsRegressor(expert(Ridge()), n_experts=2)
    mixture.set_output(transform="pandas").fit(frame, TARGET)
    assert list(mixture.transform(frame).columns) == [
        "mixtureofexpertsregressor_expert0",
        "mixtureofexpertsregressor_expert1",
    ]
    assert "SoftmaxGate" in mixture._repr_html_()


TWO = np.column_stack([TARGET, 100 * NUMBERS[:, 1]])


def test_several_targets():
    mixture = MixtureOfExpertsRegressor(
        n_experts=3, gate=SoftmaxGate(1e-3), sharing=0.05, random_state=0
    ).fit(NUMBERS, TWO)
    assert mixture.predict(NUMBERS).shape == (N, 2)
    assert mixture.transform(NUMBERS).shape == (N, 6)
    assert mixture.noise_.scale_.shape == (3, 2)
    assert mixture.score_samples(NUMBERS, TWO).shape == (N,)
    assert mixture.responsibilities(NUMBERS, TWO).shape == (N, 3)
    assert mixture.log_likelihood_ == pytest.approx(
        mixture.score_samples(NUMBERS, TWO).sum()
    )
    names = mixture.get_feature_names_out()
    assert names[:2].tolist() == [
        "mixtureofexpertsregressor_expert0_0",
        "mixtureofexpertsregressor_expert0_1",
    ]


def test_one_expert_for_several_targets_is_the_expert():
    mixture = MixtureOfExpertsRegressor(n_experts=1).fit(NUMBERS, TWO)
    np.testing.assert_allclose(
        mixture.predict(NUMBERS), Ridge().fit(NUMBERS, TWO).predict(NUMBERS)
    )


def test_each_target_has_noise_of_its_own_unit():
    mixture = MixtureOfExpertsRegressor(LinearRegression(), n_experts=1)
    scale = mixture.fit(NUMBERS, TWO).noise_.scale_[0]
    wide = mixture.fit(NUMBERS, TWO * [1, 1000]).noise_.scale_[0]
    np.testing.assert_allclose(wide, scale * [1, 1000])


def test_experts_of_one_target_are_wrapped():
    expert = MultiOutputRegressor(SVR(kernel="linear"))
    mixture = MixtureOfExpertsRegressor(expert, n_experts=2, random_state=0)
    assert mixture.fit(NUMBERS, TWO).predict(NUMBERS).shape == (N, 2)


def test_a_target_of_another_shape_is_refused():
    mixture = MixtureOfExpertsRegressor(n_experts=2).fit(NUMBERS, TWO)
    with pytest.raises(ValueError, match=r"target in fit, \(2,\); got \(\)"):
        mixture.score_samples(NUMBERS, TARGET)


# Experts of sparse rows are not solved with those of dense ones.
EXACT = {
    MixtureOfExpertsRegressor: Ridge(),
    MixtureOfExpertsClassifier: LogisticRegression(tol=1e-12, max_iter=1000),
}


@pytest.mark.parametrize("container", [sparse.csr_array, sparse.csc_array])
def test_sparse_rows_equal_dense_rows(container):
    X = np.where(np.abs(NUMBERS) > 0.5, NUMBERS, 0)
    for Mixture, y in (
        (MixtureOfExpertsRegressor, TARGET),
        (MixtureOfExpertsClassifier, CLASSES),
    ):
        mixture = Mixture(EXACT[Mixture], 2, init=LETTERS == "x")
        dense = clone(mixture).fit(X, y)
        scarce = clone(mixture).fit(container(X), y)
        np.testing.assert_allclose(
            scarce.predict_gate(container(X)), dense.predict_gate(X), atol=1e-3
        )


@pytest.mark.parametrize("init", ["tree", "kmeans", "random"])
def test_sparse_rows_may_have_long_indices(init):
    X = sparse.csr_array(np.where(np.abs(NUMBERS) > 0.5, NUMBERS, 0))
    long = sparse.csr_array(
        (X.data, X.indices.astype(np.int64), X.indptr.astype(np.int64)), shape=X.shape
    )
    params = {"n_experts": 2, "init": init, "random_state": 0}
    np.testing.assert_allclose(
        MixtureOfExpertsRegressor(**params).fit(long, TARGET).predict(X),
        MixtureOfExpertsRegressor(**params).fit(X, TARGET).predict(X),
    )


def test_experts_that_take_missing_values_get_them():
    X = NUMBERS.copy()
    X[::5, 0] = np.nan
    expert = HistGradientBoostingRegressor(max_iter=5)
    mixture = MixtureOfExpertsRegressor(expert, n_experts=2, random_state=0)
    assert np.isfinite(mixture.fit(X, TARGET).predict(X)).all()


def test_pipelines_and_frozen_experts_get_missing_values():
    X = NUMBERS.copy()
    X[::5, 0] = np.nan
    trees = HistGradientBoostingRegressor(max_iter=5).fit(X, TARGET)
    experts = [
        ("given", FrozenEstimator(trees)),
        ("imputed", make_pipeline(SimpleImputer(), Ridge())),
    ]
    mixture = MixtureOfExpertsRegressor(experts, random_state=0).fit(X, TARGET)
    np.testing.assert_array_equal(mixture.transform(X)[:, 0], trees.predict(X))
    assert np.isfinite(mixture.predict(X)).all()


@pytest.mark.parametrize("dtype", [bool, np.int32, np.uint8])
def test_whole_numbers_are_numbers(dtype):
    X = (NUMBERS > 0).astype(dtype)
    mixture = MixtureOfExpertsRegressor(n_experts=2, random_state=0).fit(X, TARGET)
    expected = MixtureOfExpertsRegressor(n_experts=2, random_state=0)
    expected = expected.fit(X.astype(float), TARGET)
    np.testing.assert_allclose(mixture.predict(X), expected.predict(X.astype(float)))


def test_numbers_in_single_precision_stay_so():
    X, y = NUMBERS.astype(np.float32), TARGET.astype(np.float32)
    regressor = MixtureOfExpertsRegressor(n_experts=2, random_state=0).fit(X, y)
    for array in (
        regressor.predict(X),
        regressor.transform(X),
        regressor.predict_gate(X),
        regressor.responsibilities(X, y),
    ):
        assert array.dtype == np.float32


IN_SINGLE_PRECISION = needs("1.9", "LogisticRegression in single precision")


@IN_SINGLE_PRECISION
def test_probabilities_in_single_precision_stay_so():
    X = NUMBERS.astype(np.float32)
    classifier = MixtureOfExpertsClassifier(n_experts=2, random_state=0).fit(X, CLASSES)
    for array in (
        classifier.predict_proba(X),
        classifier.transform(X),
        classifier.predict_gate(X),
        classifier.responsibilities(X, CLASSES),
    ):
        assert array.dtype == np.float32


@pytest.mark.parametrize(
    "params",
    [
        {"gate": GaussianGate("full")},
        pytest.param({"gate": LogisticRegression()}, marks=IN_SINGLE_PRECISION),
        {"gate": make_pipeline(StandardScaler(), SoftmaxGate())},
        {"experts": MixtureOfExpertsRegressor(n_experts=2, tol=0.1)},
        {
            "experts": [
                ("a", MixtureOfExpertsRegressor(n_experts=2, tol=0.1)),
                ("b", Ridge()),
            ]
        },
    ],
    ids=["gaussian", "classifier", "pipeline", "hierarchy", "half a hierarchy"],
)
@pytest.mark.filterwarnings("ignore:.*were retired:UserWarning")
def test_float32_stays_float32_with_other_parts(params):
    X, y = NUMBERS.astype(np.float32), TARGET.astype(np.float32)
    mixture = MixtureOfExpertsRegressor(n_experts=2, random_state=0, tol=1e-2)
    mixture.set_params(**params).fit(X, y)
    assert mixture.predict(X).dtype == np.float32
    assert mixture.predict_gate(X).dtype == np.float32
    assert mixture.responsibilities(X, y).dtype == np.float32


def test_float32_is_nearly_float64():
    X, y = NUMBERS.astype(np.float32), TARGET.astype(np.float32)
    params = {"n_experts": 2, "init": LETTERS == "x"}
    single = MixtureOfExpertsRegressor(**params).fit(X, y)
    double = MixtureOfExpertsRegressor(**params).fit(X.astype(float), y.astype(float))
    np.testing.assert_allclose(single.predict(X), double.predict(X), atol=1e-3)


@pytest.mark.parametrize(
    ("Mixture", "y"),
    [(MixtureOfExpertsRegressor, TARGET), (MixtureOfExpertsClassifier, CLASSES)],
)
def test_read_only_memory_maps(Mixture, y, tmp_path):
    joblib.dump((NUMBERS, y, np.ones(N)), tmp_path / "table")
    X, y, weights = joblib.load(tmp_path / "table", mmap_mode="r")
    mixture = Mixture(n_experts=2, random_state=0).fit(X, y, weights)
    assert mixture.responsibilities(X, y).shape == (N, 2)


@pytest.mark.parametrize(
    ("X", "first", "second"),
    [
        (NUMBERS, [0], [1, 2]),
        (pd.DataFrame(NUMBERS, columns=["a", "b", "c"]), ["a"], ["b", "c"]),
    ],
)
def test_experts_see_groups_of_columns(X, first, second):
    experts = [
        (
            name,
            make_pipeline(make_column_transformer(("passthrough", columns)), Ridge()),
        )
        for name, columns in (("first", first), ("second", second))
    ]
    y = np.where(NUMBERS[:, 2] > 0, 3 * NUMBERS[:, 0], 3 * NUMBERS[:, 1])
    mixture = MixtureOfExpertsRegressor(experts, init=NUMBERS[:, 2] <= 0).fit(X, y)
    assert mixture.named_experts_.first[-1].coef_.shape == (1,)
    assert mixture.named_experts_.second[-1].coef_.shape == (2,)
    assert mixture.score(X, y) > 0.9


TREES = HistGradientBoostingRegressor()


@pytest.mark.parametrize(
    ("experts", "sparse_rows", "missing", "several"),
    [
        (Ridge(), True, False, True),
        (TREES, False, True, False),
        # A pipeline of scikit-learn never says that it takes missing values.
        (make_pipeline(TREES), False, False, False),
        (FrozenEstimator(TREES), False, True, False),
        ([("a", FrozenEstimator(TREES)), ("b", TREES)], False, True, False),
        ([("a", FrozenEstimator(TREES)), ("b", Ridge())], False, False, False),
        (KNeighborsRegressor(), True, False, True),
        ([("a", Ridge()), ("b", TREES)], False, False, False),
        ([("a", FrozenEstimator(Ridge())), ("b", Ridge())], True, False, True),
        (make_pipeline(SimpleImputer(), Ridge()), True, False, True),
    ],
)
def test_the_tags_say_what_all_parts_can(experts, sparse_rows, missing, several):
    tags = get_tags(MixtureOfExpertsRegressor(experts))
    assert tags.input_tags.sparse == sparse_rows
    assert tags.input_tags.allow_nan == missing
    assert tags.target_tags.multi_output == several


@pytest.mark.parametrize(
    ("expert", "single", "positive"),
    [
        (Ridge(), True, False),
        (GammaRegressor(), True, True),
        (MultiTaskLasso(), False, False),
        (FrozenEstimator(GammaRegressor()), True, True),
    ],
)
def test_the_tags_say_which_targets_a_part_needs(expert, single, positive):
    tags = get_tags(MixtureOfExpertsRegressor([("a", expert), ("b", Ridge())]))
    assert tags.target_tags.single_output == single
    assert tags.target_tags.positive_only == positive


@pytest.mark.parametrize(
    ("params", "positive"),
    [
        ({}, False),
        ({"experts": MultinomialNB()}, True),
        ({"gate": MultinomialNB()}, True),
        ({"experts": [("a", make_pipeline(MultinomialNB()))]}, False),
    ],
)
def test_the_tags_say_whether_rows_must_be_positive(params, positive):
    tags = get_tags(MixtureOfExpertsClassifier(**params))
    assert tags.input_tags.positive_only == positive


@pytest.mark.parametrize(
    ("gate", "sparse_rows", "missing"),
    [(SoftmaxGate(), True, True), (GaussianGate(), False, True)],
)
def test_the_tags_of_a_gate_say_what_it_takes(gate, sparse_rows, missing):
    tags = get_tags(gate).input_tags
    assert (tags.sparse, tags.allow_nan) == (sparse_rows, missing)
    mixture = MixtureOfExpertsRegressor(KNeighborsRegressor(), gate=gate)
    assert get_tags(mixture).input_tags.sparse == sparse_rows
