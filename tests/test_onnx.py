"""Mixtures and gates in ONNX say what they say in Python."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from lightgbm import LGBMClassifier, LGBMRegressor
from scipy import stats
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LogisticRegression, Perceptron, PoissonRegressor, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, PolynomialFeatures, StandardScaler
from sklearn.svm import SVR, LinearSVC
from sklearn.tree import DecisionTreeRegressor
from xgboost import XGBClassifier, XGBRegressor

from sklearn_moe import (
    GaussianGate,
    HeteroscedasticGaussian,
    MixtureOfExpertsClassifier,
    MixtureOfExpertsRegressor,
    SoftmaxGate,
    StudentTNoise,
)
from sklearn_moe.likelihoods import GaussianNoise, Noise

skl2onnx = pytest.importorskip("skl2onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("sklearn_moe.onnx")

from skl2onnx.common.data_types import (  # noqa: E402
    DoubleTensorType,
    FloatTensorType,
    Int64TensorType,
    StringTensorType,
)

pytestmark = [
    # Few iterations are enough to have something to convert.
    pytest.mark.filterwarnings("ignore:EM did not converge"),
    pytest.mark.filterwarnings("ignore:.*reproduce their training targets"),
    # Those of skl2onnx and onnxmltools, and of boosted trees asked without names.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore:X does not have valid feature names"),
]

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 3))
Y = np.abs(X[:, 0]) + 0.1 * RNG.normal(size=200)
COUNTS = RNG.poisson(np.exp(Y))
TWO = np.column_stack([Y, X[:, 1] - Y])
LABELS = np.where((X[:, 0] > 0) ^ (X[:, 1] > 0), "yes", "no")
# Some are far from all rows of the fit, where experts are not believed.
ROWS = np.concatenate([X, 8 * RNG.normal(size=(50, 3))])


def regressor(experts=None, **params):
    return MixtureOfExpertsRegressor(
        experts, **{"n_experts": 3, "max_iter": 5, "random_state": 0} | params
    )


def classifier(experts=None, **params):
    return MixtureOfExpertsClassifier(
        experts, **{"n_experts": 3, "max_iter": 5, "random_state": 0} | params
    )


def run(model, rows):
    """What a model says of an array, or of a dict of columns: values by name."""
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    feed = rows if isinstance(rows, dict) else {"X": rows}
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, feed)))


def exported(model, rows, **options):
    """What a fitted estimator says of rows when it has gone through ONNX."""
    options = {id(model): options} if options else None
    return run(skl2onnx.to_onnx(model, rows[:1], options=options), rows)


def assert_close(found, expected, tolerance):
    """Assert that numbers agree, relative to themselves or to the usual ones."""
    expected = np.asarray(expected, dtype=np.float64)
    finite = np.abs(expected[np.isfinite(expected)])
    usual = np.median(finite) if finite.size else 1.0
    np.testing.assert_allclose(
        np.reshape(found, expected.shape), expected, tolerance, tolerance * usual
    )


def check_regressor(mixture, y, tolerance, rows=ROWS, *, std=True):
    mixture.fit(X, y)
    for dtype, own in ((np.float64, tolerance), (np.float32, 1e-5)):
        typed = rows.astype(dtype)
        found = exported(mixture, typed, return_std=std, return_gate=True)
        assert found["variable"].dtype == dtype
        mean, deviation = mixture.predict(typed, return_std=True)
        assert_close(found["variable"], mean, own)
        if std:
            assert_close(found["std"], deviation, max(own, 1e-8))
        assert_close(found["gate"], mixture.predict_gate(typed), own)


def check_classifier(mixture, y, tolerance, rows=ROWS):
    mixture.fit(X, y)
    for dtype, own in ((np.float64, tolerance), (np.float32, 1e-5)):
        typed = rows.astype(dtype)
        found = exported(mixture, typed, zipmap=False, return_gate=True)
        assert_close(found["probabilities"], mixture.predict_proba(typed), own)
        assert_close(found["gate"], mixture.predict_gate(typed), own)
        np.testing.assert_array_equal(found["label"], mixture.predict(typed))


# Regressors
# ----------

DOUBLE, SINGLE = 1e-9, 1e-5

NESTED = regressor(regressor(n_experts=2, max_iter=3), n_experts=2, max_iter=3)
REGRESSORS = {
    "default": (regressor(), Y),
    "one expert": (regressor(n_experts=1), Y),
    "argmax": (regressor(combination="argmax"), Y),
    "top_k": (regressor(top_k=2), Y),
    "free extrapolation": (regressor(extrapolation="free"), Y),
    "clip": (regressor(gate=SoftmaxGate(clip=1.5)), Y),
    "gaussian gate": (regressor(gate=GaussianGate()), Y),
    "full covariances": (regressor(gate=GaussianGate("full")), Y),
    "pipeline as gate": (
        regressor(gate=make_pipeline(StandardScaler(), SoftmaxGate())),
        Y,
    ),
    "classifier as gate": (regressor(gate=LogisticRegression()), Y),
    "frozen gate": (
        regressor(n_experts=2, gate=FrozenEstimator(SoftmaxGate().fit(X, X[:, 0] > 0))),
        Y,
    ),
    "pipelines": (regressor(make_pipeline(StandardScaler(), Ridge())), Y),
    "frozen expert": (
        regressor([("a", FrozenEstimator(Ridge().fit(X, Y))), ("b", Ridge())]),
        Y,
    ),
    "several outputs": (regressor(), TWO),
    "nested": (NESTED, Y),
    "nested, several outputs": (clone(NESTED), TWO),
    "nested in pipelines": (
        clone(NESTED).set_params(
            experts=make_pipeline(StandardScaler(), clone(NESTED.experts))
        ),
        Y,
    ),
    "transformed target": (
        regressor(TransformedTargetRegressor(Ridge(), transformer=StandardScaler())),
        Y,
    ),
}


@pytest.mark.parametrize(("mixture", "y"), REGRESSORS.values(), ids=REGRESSORS)
def test_a_regressor_predicts_the_same(mixture, y):
    check_regressor(mixture, y, DOUBLE)


@pytest.mark.parametrize(
    ("noise", "y"),
    [
        ("laplace", Y),
        ("student_t", Y),
        (StudentTNoise(df=1.5), Y),
        (HeteroscedasticGaussian(), Y),
        (HeteroscedasticGaussian(), TWO),
        ("lognormal", np.exp(Y)),
        ("gamma", np.exp(Y)),
        ("poisson", COUNTS),
        ("negative_binomial", COUNTS),
    ],
)
def test_mean_and_standard_deviation_are_those_of_the_noise(noise, y):
    # Two different formulas lose digits of a variance close to that of Poisson.
    check_regressor(regressor(noise=noise), y, DOUBLE)


@pytest.mark.parametrize(
    "expert",
    [
        DecisionTreeRegressor(max_depth=3),
        HistGradientBoostingRegressor(max_iter=5),
        LGBMRegressor(n_estimators=5, n_jobs=1, verbose=-1),
        XGBRegressor(n_estimators=5, n_jobs=1),
        SVR(tol=1e-6),
        make_pipeline(PolynomialFeatures(2), Ridge()),
    ],
    ids=lambda expert: type(expert).__name__,
)
def test_experts_that_onnx_has_in_single_precision_only(expert):
    if "XGB" in type(expert).__name__ or "LGBM" in type(expert).__name__:
        pytest.importorskip("onnxmltools")
    check_regressor(regressor(expert, n_experts=2, cv=None), Y, SINGLE, X)


def test_unlike_experts_that_were_given():
    experts = [("line", Ridge()), ("tree", DecisionTreeRegressor(max_depth=3))]
    check_regressor(regressor(experts), Y, SINGLE, X)


def test_retired_experts_have_no_part():
    mixture = regressor(n_experts=3, sharing=0).fit(X, Y)
    mixture._active_ = np.array([True, False, True])
    found = exported(mixture, ROWS, return_std=True, return_gate=True)
    mean, std = mixture.predict(ROWS, return_std=True)
    assert_close(found["variable"], mean, DOUBLE)
    assert_close(found["std"], std, DOUBLE)
    assert_close(found["gate"], mixture.predict_gate(ROWS), DOUBLE)
    assert (found["gate"][:, 1] == 0).all()


def test_rows_on_the_thresholds_of_boosted_trees_stay_on_their_side():
    # With more than 255 different numbers the thresholds are among them.
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 2))
    mixture = regressor(HistGradientBoostingRegressor(max_iter=20), n_experts=2)
    mixture.fit(X, np.abs(X[:, 0]))
    for rows in (X, X.astype(np.float32)):
        assert_close(exported(mixture, rows)["variable"], mixture.predict(rows), SINGLE)


def test_missing_values_are_those_of_gate_and_experts():
    rows = X.copy()
    rows[::3, 0] = np.nan
    mixture = regressor(HistGradientBoostingRegressor(max_iter=5), n_experts=2)
    mixture.fit(rows, Y)
    found = exported(mixture, rows, return_gate=True)
    assert_close(found["variable"], mixture.predict(rows), SINGLE)
    assert_close(found["gate"], mixture.predict_gate(rows), DOUBLE)


def test_an_expert_without_weight_is_not_asked_what_overflows():
    experts = [("counts", PoissonRegressor()), ("line", Ridge())]
    mixture = regressor(experts, combination="argmax", extrapolation="free", cv=None)
    mixture.fit(X, COUNTS)
    far = np.array([[40.0, 0.0, 0.0], [-40.0, 0.0, 0.0]])
    row = far[mixture.apply(far) == 1][:1]
    mixture.named_experts_["counts"].coef_ = np.sign(row[0]) * 20
    assert_close(exported(mixture, row)["variable"], mixture.predict(row), DOUBLE)


# Classifiers
# -----------

CLASSIFIERS = {
    "default": (classifier(), LABELS, DOUBLE),
    "argmax": (classifier(combination="argmax"), LABELS, DOUBLE),
    "top_k": (classifier(top_k=2), LABELS, DOUBLE),
    "three classes": (classifier(), np.digitize(X[:, 0], [-0.5, 0.5]), DOUBLE),
    "true and false": (classifier(), LABELS == "yes", DOUBLE),
    "naive Bayes": (classifier(GaussianNB()), LABELS, DOUBLE),
    "experts that only vote": (classifier(Perceptron()), LABELS, DOUBLE),
    "more that only vote": (classifier(LinearSVC()), LABELS, DOUBLE),
    "pipelines": (
        classifier(make_pipeline(StandardScaler(), LogisticRegression())),
        LABELS,
        DOUBLE,
    ),
    "nested": (
        classifier(classifier(n_experts=2, max_iter=3), n_experts=2, max_iter=3),
        LABELS,
        DOUBLE,
    ),
    "forest as gate": (
        classifier(gate=RandomForestClassifier(3, max_depth=3), n_experts=2, cv=None),
        LABELS,
        SINGLE,
    ),
    "boosting": (
        classifier(HistGradientBoostingClassifier(max_iter=5), n_experts=2),
        LABELS,
        SINGLE,
    ),
    "LightGBM": (
        classifier(
            LGBMClassifier(n_estimators=5, n_jobs=1, verbose=-1), n_experts=2, cv=None
        ),
        LABELS,
        SINGLE,
    ),
    "codes for XGBoost": (
        classifier(
            [("a", XGBClassifier(n_estimators=5, n_jobs=1)), ("b", GaussianNB())]
        ),
        LABELS,
        SINGLE,
    ),
}


@pytest.mark.parametrize(
    ("mixture", "y", "tolerance"), CLASSIFIERS.values(), ids=CLASSIFIERS
)
def test_a_classifier_predicts_the_same(mixture, y, tolerance):
    if tolerance == SINGLE:
        pytest.importorskip("onnxmltools")
    rows = ROWS if tolerance == DOUBLE else X
    check_classifier(mixture, y, tolerance, rows)


def test_classes_that_experts_do_not_share():
    y = np.where(X[:, 0] > 0, np.where(X[:, 1] > 0, "a", "b"), "c")

    def given(*labels):
        return FrozenEstimator(
            LogisticRegression().fit(X, np.where(X[:, 0] > 0, *labels))
        )

    experts = [
        ("all", LogisticRegression()),
        ("two", given("a", "c")),
        ("others", given("a", "other")),
    ]
    mixture = classifier(experts).fit(X, y)
    # In single precision nothing may be left of what is shared out.
    found = exported(mixture, X, zipmap=False)
    assert_close(found["probabilities"], mixture.predict_proba(X), DOUBLE)


def test_an_expert_that_has_met_one_class():
    # Where a classifier is to be fitted to one, this stands in for it.
    one = DummyClassifier(strategy="prior").fit(X[:5], ["yes"] * 5)
    experts = [("one", FrozenEstimator(one)), ("both", LogisticRegression())]
    check_classifier(classifier(experts, gate=SoftmaxGate(alpha=0.01)), LABELS, DOUBLE)


def test_probabilities_are_named_by_class_unless_asked_otherwise():
    rows = X.astype(np.float32)
    mixture = classifier().fit(X, LABELS)
    found = exported(mixture, rows)
    for named, row in zip(found["output_probability"], mixture.predict_proba(rows)):
        assert named == pytest.approx(dict(zip(mixture.classes_, row)), abs=1e-5)
    columns = exported(mixture, rows, zipmap="columns")
    alone = exported(LogisticRegression().fit(X, LABELS), rows, zipmap="columns")
    assert columns.keys() == alone.keys()
    both = exported(mixture, rows, zipmap=False, output_class_labels=True)
    assert both["class_labels"].tolist() == ["no", "yes"]
    numbered = exported(mixture, rows, zipmap=False, nocl=True)
    assert set(numbered["label"]) == {0, 1}


# Gates
# -----


@pytest.mark.parametrize("gate", [SoftmaxGate(), SoftmaxGate(clip=1.0), GaussianGate()])
def test_a_gate_is_a_classifier(gate):
    gate.fit(X, LABELS)
    found = exported(gate, ROWS, zipmap=False)
    assert_close(found["probabilities"], gate.predict_proba(ROWS), DOUBLE)
    np.testing.assert_array_equal(found["label"], gate.predict(ROWS))


def test_a_gate_is_accurate_where_features_are_far_from_zero():
    rows = X + 1e5
    gate = SoftmaxGate().fit(rows, LABELS)
    single = rows.astype(np.float32)
    found = exported(gate, single, zipmap=False)
    assert_close(found["probabilities"], gate.predict_proba(single), 1e-5)


# Frames and pipelines
# --------------------

FRAME = pd.DataFrame(
    {
        "number": X[:, 0],
        "other": X[:, 1],
        "kind": LABELS,
        "code": RNG.integers(0, 40, len(X)),
    }
)
FRAME["code"] = FRAME["code"].astype("category")
FRAME.loc[::7, "kind"] = None
FRAME.loc[::11, "number"] = np.nan
TYPES = [
    ("number", DoubleTensorType([None, 1])),
    ("other", DoubleTensorType([None, 1])),
    ("kind", StringTensorType([None, 1])),
    ("code", Int64TensorType([None, 1])),
]


def columns_of(frame):
    """The columns as ONNX takes them: an empty text is a missing one."""
    return {
        "number": frame[["number"]].to_numpy(),
        "other": frame[["other"]].to_numpy(),
        "kind": frame[["kind"]].fillna("").to_numpy(dtype=object),
        "code": frame[["code"]].to_numpy(dtype=np.int64),
    }


def test_the_categories_of_a_frame_are_encoded_by_the_gate():
    head = make_column_transformer((SimpleImputer(), ["number", "other"]))
    mixture = regressor(make_pipeline(head, Ridge()), n_experts=2).fit(FRAME, Y)
    rare = mixture.gate_.encoder_._one_hot.infrequent_categories_
    assert any(categories is not None for categories in rare)
    model = skl2onnx.convert_sklearn(
        mixture, initial_types=TYPES, options={id(mixture): {"return_gate": True}}
    )
    rows = FRAME.copy()
    rows["code"] = rows["code"].astype(int)
    rows.loc[3, "kind"], rows.loc[4, "code"] = "unknown", 99
    found = run(model, columns_of(rows))
    assert_close(found["variable"], mixture.predict(rows), SINGLE)
    assert_close(found["gate"], mixture.predict_gate(rows), DOUBLE)


def test_experts_encode_texts_themselves():
    head = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["kind"]),
        ("passthrough", ["other"]),
    )
    frame = FRAME[["other", "kind"]].fillna({"kind": "none"})
    mixture = regressor(make_pipeline(head, Ridge()), n_experts=2).fit(frame, Y)
    model = skl2onnx.convert_sklearn(mixture, initial_types=TYPES[1:3])
    rows = {name: frame[[name]].to_numpy() for name in frame}
    rows["kind"] = rows["kind"].astype(object)
    assert_close(run(model, rows)["variable"], mixture.predict(frame), SINGLE)


def test_a_frame_of_numbers_may_come_as_columns_or_as_a_matrix():
    frame = FRAME[["other", "number"]].fillna(0.0)
    mixture = regressor().fit(frame, Y)
    columns = {name: frame[[name]].to_numpy() for name in frame}
    types = [(name, DoubleTensorType([None, 1])) for name in frame]
    model = skl2onnx.convert_sklearn(mixture, initial_types=types)
    assert_close(run(model, columns)["variable"], mixture.predict(frame), DOUBLE)
    found = exported(mixture, frame.to_numpy())["variable"]
    assert_close(found, mixture.predict(frame), DOUBLE)


def test_whole_numbers_are_computed_with_in_single_precision():
    rows = RNG.integers(-5, 5, size=(100, 2))
    mixture = regressor(n_experts=2).fit(rows, rows[:, 0] ** 2.0)
    found = exported(mixture, rows)["variable"]
    assert found.dtype == np.float32
    assert_close(found, mixture.predict(rows), SINGLE)


@pytest.mark.parametrize(
    ("mixture", "y"), [(regressor(), Y), (classifier(), LABELS)], ids=["y", "labels"]
)
def test_a_mixture_ends_a_pipeline(mixture, y):
    pipeline = make_pipeline(StandardScaler(), mixture).fit(X, y)
    if hasattr(pipeline, "predict_proba"):
        found = exported(pipeline, ROWS, zipmap=False)["probabilities"]
        assert_close(found, pipeline.predict_proba(ROWS), DOUBLE)
    else:
        assert_close(
            exported(pipeline, ROWS)["variable"], pipeline.predict(ROWS), DOUBLE
        )


# What cannot be converted
# ------------------------


def converts(mixture, y=Y, rows=X):
    return exported(mixture.fit(rows, y), rows)


def test_an_expert_without_a_converter_is_named():
    experts = [("line", Ridge()), ("kernel", KernelRidge())]
    with pytest.raises(TypeError, match=r"Expert 'kernel', a KernelRidge, cannot"):
        converts(regressor(experts))


def test_a_target_that_no_operator_transforms_back_is_named():
    expert = TransformedTargetRegressor(
        Ridge(), func=np.tan, inverse_func=np.arctan, check_inverse=False
    )
    with pytest.raises(TypeError, match=r"Expert 'expert0' .*arctan"):
        converts(regressor(expert))


class TwiceTheScaler(StandardScaler):
    """A step that nobody has a converter for."""


def test_a_gate_without_a_converter_is_named():
    gate = make_pipeline(TwiceTheScaler(), SoftmaxGate())
    with pytest.raises(TypeError, match="The steps in front of the gate, a Pipeline"):
        converts(regressor(gate=gate))


def test_categories_that_boosted_trees_divide_are_refused():
    frame = pd.DataFrame({"code": FRAME["code"], "other": X[:, 1]})
    expert = HistGradientBoostingRegressor(
        max_iter=3, categorical_features=[0], min_samples_leaf=2
    )
    y = frame["code"].astype(int) % 2
    mixture = regressor(expert, n_experts=2, cv=None).fit(frame.astype(float), y)
    with pytest.raises(TypeError, match="it splits categories"):
        exported(mixture, frame.to_numpy(dtype=float))


class OwnNoise(GaussianNoise):
    def predictive(self, location):
        return location + 1


class OwnScale(Noise):
    """Noise that nobody has a standard deviation for."""

    distribution = stats.norm

    def fit(self, target, location, weights):
        self.scale_ = np.ones(location.shape[1])
        return self

    def parameters(self, location, X):
        return {"loc": location, "scale": self.scale_}


def test_noise_with_a_mean_of_its_own_is_refused():
    with pytest.raises(TypeError, match=r"OwnNoise\(\) has a mean of its own"):
        converts(regressor(noise=OwnNoise()))


def test_noise_of_the_user_has_a_mean_and_no_standard_deviation():
    mixture = regressor(noise=OwnScale()).fit(X, Y)
    assert_close(exported(mixture, X)["variable"], mixture.predict(X), DOUBLE)
    with pytest.raises(TypeError, match=r"return_std=True: .* OwnScale\(\)"):
        exported(mixture, X, return_std=True)


def test_times_are_refused_by_the_name_of_their_column():
    dates = pd.date_range("2024-01-01", periods=len(X))
    frame = pd.DataFrame({"when": dates, "other": X[:, 1]})
    head = make_column_transformer(("passthrough", ["other"]))
    mixture = regressor(make_pipeline(head, Ridge()), n_experts=2).fit(frame, Y)
    types = [("when", Int64TensorType([None, 1])), TYPES[1]]
    with pytest.raises(TypeError, match="Column 'when' holds dates"):
        skl2onnx.convert_sklearn(mixture, initial_types=types)


def test_a_matrix_for_a_frame_of_categories_is_refused():
    mixture = SoftmaxGate().fit(FRAME, LABELS)
    with pytest.raises(TypeError, match="a frame of 4 columns"):
        skl2onnx.convert_sklearn(
            mixture, initial_types=[("X", FloatTensorType([None, 4]))]
        )


def test_texts_for_numbers_are_refused():
    frame = FRAME[["other"]]
    with pytest.raises(TypeError, match="input 'other' is a StringTensorType"):
        skl2onnx.convert_sklearn(
            SoftmaxGate().fit(frame, LABELS),
            initial_types=[("other", StringTensorType([None, 1]))],
        )


def test_an_old_opset_is_refused():
    with pytest.raises(ValueError, match="opset 18 and later; got target_opset=15"):
        skl2onnx.to_onnx(regressor().fit(X, Y), X[:1], target_opset=15)


def test_an_expert_that_its_converter_makes_something_else_of_is_refused(monkeypatch):
    from skl2onnx.common._registration import _converter_pool

    other = _converter_pool["SklearnLinearRegressor"]

    def wrong(scope, operator, container):
        operator.raw_operator.coef_ = 2 * operator.raw_operator.coef_
        other(scope, operator, container)
        operator.raw_operator.coef_ = operator.raw_operator.coef_ / 2

    wrong.get_allowed_options = other.get_allowed_options
    monkeypatch.setitem(_converter_pool, "SklearnLinearRegressor", wrong)
    with pytest.raises(TypeError, match=r"Expert 'expert0', a Ridge, .* something"):
        converts(regressor())


# Without Python's machine learning
# ---------------------------------


def test_a_process_with_the_runtime_alone_predicts(tmp_path):
    mixture = regressor(make_pipeline(StandardScaler(), Ridge())).fit(X, Y)
    model = skl2onnx.to_onnx(mixture, X[:1])
    path = tmp_path / "mixture.onnx"
    path.write_bytes(model.SerializeToString())
    np.save(tmp_path / "rows.npy", X)
    code = """
import sys
absent = ["sklearn", "sklearn_moe", "scipy", "numba", "onnx", "skl2onnx", "pandas"]
sys.modules.update(dict.fromkeys(absent))
import numpy as np, onnxruntime
session = onnxruntime.InferenceSession("mixture.onnx")
(found,) = session.run(None, {"X": np.load("rows.npy")})
np.save("found.npy", found)
"""
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    assert_close(np.load(tmp_path / "found.npy"), mixture.predict(X), DOUBLE)
