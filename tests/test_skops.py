"""What skops saves of fitted mixtures and gates, and whom it asks to trust for it."""

import pickle
from copy import copy, deepcopy

import numpy as np
import pandas as pd
import pytest
from _versions import needs
from lightgbm import LGBMRegressor
from sklearn import config_context
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import (
    LogisticRegression,
    Perceptron,
    Ridge,
    SGDClassifier,
    SGDRegressor,
)
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeRegressor
from xgboost import XGBClassifier

from sklearn_moe import (
    GaussianGate,
    HeteroscedasticGaussian,
    MixtureOfExpertsClassifier,
    MixtureOfExpertsRegressor,
    SoftmaxGate,
    StudentTNoise,
)

skops = pytest.importorskip("skops.io")

# Few iterations are enough to have something to save.
pytestmark = pytest.mark.filterwarnings("ignore:EM did not converge")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(160, 2))
Y = np.abs(X[:, 0]) + 0.1 * RNG.normal(size=160)
COUNTS = RNG.poisson(np.exp(Y))
LABELS = np.where((X[:, 0] > 0) ^ (X[:, 1] > 0), "yes", "no")
FRAME = pd.DataFrame({"number": X[:, 0], "kind": LABELS})
FRAME.loc[::9, "kind"] = None

# What skops may ask for: the four estimators of the package.
PUBLIC = {MixtureOfExpertsRegressor, MixtureOfExpertsClassifier}
PUBLIC |= {SoftmaxGate, GaussianGate}


def regressor(experts=None, **params):
    return MixtureOfExpertsRegressor(
        experts, **{"n_experts": 2, "max_iter": 10, "random_state": 0} | params
    )


def classifier(experts=None, **params):
    return MixtureOfExpertsClassifier(
        experts, **{"n_experts": 2, "max_iter": 10, "random_state": 0} | params
    )


def through_skops(estimator):
    """Save and load; return the copy and the classes that have to be trusted."""
    data = skops.dumps(estimator)
    asked = skops.get_untrusted_types(data=data)
    return skops.loads(data, trusted=asked), set(asked)


def names_of(classes):
    return {f"{each.__module__}.{each.__qualname__}" for each in classes}


def fitted(mixture, X=X, y=Y):
    return mixture.fit(X, y)


def assert_same(loaded, original, X=X, y=Y):
    """Assert that two fitted mixtures say the same of rows, to the last digit."""
    assert type(loaded) is type(original)
    for method in ("predict", "predict_gate", "transform"):
        answers = (getattr(each, method)(X) for each in (loaded, original))
        np.testing.assert_array_equal(*answers)
    answers = (each.score_samples(X, y) for each in (loaded, original))
    np.testing.assert_array_equal(*answers)
    assert list(loaded.named_experts_) == list(original.named_experts_)
    for expert, named in zip(loaded.experts_, loaded.named_experts_.values()):
        assert expert is named


REGRESSORS = {
    "linear": regressor(),
    "gaussian gate": regressor(gate=GaussianGate("full")),
    "classifier as gate": regressor(gate=GaussianNB(), cv=None),
    "pipeline as gate": regressor(gate=make_pipeline(StandardScaler(), SoftmaxGate())),
    "pipelines": regressor(make_pipeline(StandardScaler(), Ridge())),
    "chosen number": regressor(n_experts="auto"),
    "cross-fitted": regressor(cv=3),
    "given experts": regressor(specialize=False),
    "frozen experts": regressor(
        [("up", FrozenEstimator(Ridge().fit(X[Y > 1], Y[Y > 1]))), ("all", Ridge())],
    ),
    "nested": regressor(regressor(max_iter=3), max_iter=3),
    "nested in a pipeline": regressor(
        make_pipeline(StandardScaler(), regressor(max_iter=3)), max_iter=3
    ),
    "clipped gate": regressor(gate=SoftmaxGate(alpha=0.1, clip=2.0)),
    "a component of noise": regressor(
        [("line", Ridge()), ("outliers", "uniform")], noise="gaussian"
    ),
    "heteroscedastic": regressor(noise=HeteroscedasticGaussian(Ridge())),
}


@pytest.mark.parametrize("mixture", REGRESSORS.values(), ids=REGRESSORS)
def test_a_regressor_is_loaded_as_it_was(mixture):
    original = fitted(mixture)
    loaded, asked = through_skops(original)
    assert_same(loaded, original)
    own = PUBLIC
    if isinstance(mixture.noise, HeteroscedasticGaussian):
        # It was given, and is a parameter.
        own = PUBLIC | {HeteroscedasticGaussian}
    assert asked <= names_of(own)


@pytest.mark.parametrize(
    ("noise", "y"),
    [
        ("gaussian", Y),
        ("laplace", Y),
        ("student_t", Y),
        ("lognormal", np.exp(Y)),
        ("gamma", np.exp(Y)),
        ("poisson", COUNTS),
        ("negative_binomial", COUNTS),
    ],
)
def test_noise_by_name_need_not_be_trusted(noise, y):
    original = fitted(regressor(noise=noise), y=y)
    loaded, asked = through_skops(original)
    assert asked <= names_of(PUBLIC)
    assert_same(loaded, original, y=y)
    for name, value in original.noise_.fitted_parameters().items():
        np.testing.assert_array_equal(getattr(loaded.noise_, name), value)


def test_noise_that_was_given_is_asked_for():
    _, asked = through_skops(fitted(regressor(noise=StudentTNoise(df=4))))
    assert names_of({StudentTNoise}) < asked <= names_of({StudentTNoise, *PUBLIC})


CLASSIFIERS = {
    "logistic": classifier(),
    "experts that only vote": classifier(Perceptron()),
    "pipelines": classifier(make_pipeline(StandardScaler(), LogisticRegression())),
    "named": classifier([("a", LogisticRegression()), ("b", GaussianNB())]),
    "nested": classifier(classifier(max_iter=3), max_iter=3),
}


@pytest.mark.parametrize("mixture", CLASSIFIERS.values(), ids=CLASSIFIERS)
def test_a_classifier_is_loaded_as_it_was(mixture):
    original = fitted(mixture, y=LABELS)
    loaded, asked = through_skops(original)
    assert asked <= names_of(PUBLIC)
    assert_same(loaded, original, y=LABELS)


@pytest.mark.parametrize(
    ("mixture", "y", "of_others"),
    [
        (
            regressor(HistGradientBoostingRegressor(max_iter=9)),
            Y,
            {"sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"},
        ),
        (
            classifier(RandomForestClassifier(3, max_depth=2), cv=None),
            LABELS,
            {"sklearn.tree._tree.Tree"},
        ),
        (
            regressor([("a", Ridge()), ("b", DecisionTreeRegressor(max_depth=2))]),
            Y,
            {"sklearn.tree._tree.Tree"},
        ),
    ],
    ids=["boosting", "forests", "unlike experts"],
)
def test_trees_are_what_skops_asks_for_beside(mixture, y, of_others):
    original = fitted(mixture, y=y)
    loaded, asked = through_skops(original)
    assert asked <= names_of(PUBLIC) | of_others
    assert_same(loaded, original, y=y)


@pytest.mark.parametrize(
    ("mixture", "y"),
    [
        (classifier(XGBClassifier(n_estimators=3)), LABELS),
        (regressor(LGBMRegressor(n_estimators=3, verbose=-1)), Y),
    ],
    ids=["labels encoded for XGBoost", "LightGBM"],
)
def test_boosters_of_others_bring_no_private_class_of_ours(mixture, y):
    data = skops.dumps(fitted(mixture, y=y))
    asked = skops.get_untrusted_types(data=data)
    ours = {name for name in asked if name.startswith("sklearn_moe")}
    assert ours <= names_of(PUBLIC)


def test_labels_that_were_encoded_for_a_booster_are_pickled_and_copied():
    original = fitted(classifier(XGBClassifier(n_estimators=3)), y=LABELS)
    for again in (pickle.loads(pickle.dumps(original)), deepcopy(original)):
        assert_same(again, original, y=LABELS)


@pytest.mark.parametrize("gate", [SoftmaxGate(), GaussianGate()])
def test_a_gate_of_a_frame_is_loaded_as_it_was(gate):
    gate.fit(FRAME, LABELS)
    loaded, asked = through_skops(gate)
    assert asked == names_of({type(gate)})
    np.testing.assert_array_equal(
        loaded.predict_log_proba(FRAME), gate.predict_log_proba(FRAME)
    )
    assert list(loaded.encoder_.get_feature_names_out()) == list(
        gate.encoder_.get_feature_names_out()
    )


@needs("1.9", "transformer of columns that skops knows")
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_mixture_of_a_frame_is_loaded_as_it_was(library):
    frame = FRAME
    if library == "polars":
        polars = pytest.importorskip("polars")
        columns = FRAME.astype(object).where(FRAME.notna(), None)
        frame = polars.DataFrame(columns.to_dict("list"))
    encoder = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["kind"]),
        ("passthrough", ["number"]),
    )
    original = fitted(regressor(make_pipeline(encoder, Ridge())), frame)
    loaded, asked = through_skops(original)
    assert asked <= names_of(PUBLIC)
    assert_same(loaded, original, frame)


# Fits that go on after loading
# -----------------------------


@pytest.mark.parametrize(
    ("mixture", "y", "options"),
    [
        (regressor(SGDRegressor()), Y, {}),
        (regressor(SGDRegressor(), gate=GaussianGate()), Y, {}),
        (regressor(SGDRegressor(), noise="poisson"), COUNTS, {}),
        (
            classifier(SGDClassifier(loss="log_loss")),
            LABELS,
            {"classes": ["no", "yes"]},
        ),
        (
            classifier(GaussianNB(), gate=GaussianNB()),
            LABELS,
            {"classes": ["no", "yes"]},
        ),
    ],
    ids=["softmax", "gaussian", "counts", "classes", "naive Bayes"],
)
@pytest.mark.parametrize("n_batches", [1, 2])
def test_a_stream_goes_on_after_loading_as_without(mixture, y, options, n_batches):
    stream = deepcopy(mixture)
    for rows in np.array_split(np.arange(120), 2)[:n_batches]:
        stream.partial_fit(X[rows], y[rows], **options)
    loaded, asked = through_skops(stream)
    assert asked <= names_of(PUBLIC)
    assert_same(loaded, stream, y=y)
    for each in (loaded, stream):
        each.partial_fit(X[120:], y[120:])
    assert_same(loaded, stream, y=y)


def test_a_stream_goes_on_after_a_fit_that_was_loaded():
    original = fitted(regressor(SGDRegressor()))
    loaded, _ = through_skops(original)
    for each in (loaded, original):
        each.partial_fit(X[:50], Y[:50])
    assert_same(loaded, original)


@pytest.mark.parametrize(
    "mixture",
    [
        regressor(warm_start=True),
        regressor(Ridge(alpha=2.0), warm_start=True, gate=SoftmaxGate(0.1)),
        regressor([("a", Ridge()), ("b", Ridge(3.0))], warm_start=True, cv=3),
        regressor(noise=StudentTNoise(df=4), warm_start=True),
    ],
    ids=["default", "parts", "cross-fitted list", "noise"],
)
def test_a_warm_start_goes_on_after_loading_as_without(mixture):
    original = fitted(mixture)
    loaded, _ = through_skops(original)
    for each in (loaded, original):
        fitted(each.set_params(max_iter=3))
    np.testing.assert_array_equal(loaded.objective_path_, original.objective_path_)
    assert_same(loaded, original)


# Metadata requests
# -----------------


PIPELINE = make_pipeline(StandardScaler(), Ridge())


@pytest.mark.parametrize(
    "expert", [PIPELINE, GridSearchCV(Ridge(), {"alpha": [0.1, 1.0]}, cv=3)]
)
def test_experts_keep_no_request_that_their_fit_needed(expert):
    for each in fitted(regressor(expert)).experts_:
        with config_context(enable_metadata_routing=True):
            requested = each.get_metadata_routing().consumes("fit", ["sample_weight"])
        assert not requested


def test_experts_keep_the_requests_of_the_user():
    with config_context(enable_metadata_routing=True):
        ridge = Ridge().set_fit_request(sample_weight=True)
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        mixture = fitted(regressor(make_pipeline(scaler, ridge)))
        for each in mixture.experts_:
            routing = each[0].get_metadata_routing()
            assert routing.fit.requests == {"sample_weight": False}
            assert each[1].get_metadata_routing().fit.requests["sample_weight"] is True


def test_a_warm_start_weighs_pipelines_that_keep_no_requests():
    inner = make_pipeline(StandardScaler(), regressor(max_iter=3))
    mixture = regressor(inner, max_iter=3, warm_start=True)
    half = np.arange(160) < 80
    weighted = deepcopy(mixture)
    for each, rows, weights in (
        (weighted, slice(None), half.astype(float)),
        (mixture, half, None),
    ):
        for _ in range(2):
            each.fit(X[rows], Y[rows], sample_weight=weights)
    np.testing.assert_allclose(weighted.predict(X), mixture.predict(X), rtol=1e-8)


def test_requests_of_a_mixture_itself_are_saved():
    with config_context(enable_metadata_routing=True):
        mixture = regressor(gate=SoftmaxGate().set_fit_request(sample_weight="own"))
        mixture.set_fit_request(sample_weight=True).set_score_request(
            sample_weight="weight"
        )
        loaded, asked = through_skops(fitted(mixture))
        assert asked <= names_of(PUBLIC)
        routing = loaded.get_metadata_routing()
        assert routing.consumes("fit", ["sample_weight"]) == {"sample_weight"}
        assert routing.consumes("score", ["weight"]) == {"weight"}
        request = loaded.gate.get_metadata_routing()
        assert request.fit.requests == {"sample_weight": "own"}


# Other ways to copy
# ------------------


@pytest.mark.parametrize(
    "again", [copy, deepcopy, lambda m: pickle.loads(pickle.dumps(m))]
)
def test_a_copy_is_what_it_was(again):
    original = fitted(regressor())
    assert_same(again(original), original)


def test_a_shallow_copy_shares_its_experts():
    original = fitted(regressor())
    for one, other in zip(copy(original).experts_, original.experts_):
        assert one is other


def test_an_unfitted_mixture_is_loaded():
    loaded, asked = through_skops(regressor(Ridge(alpha=2.0)))
    assert asked == names_of({MixtureOfExpertsRegressor})
    assert loaded.get_params()["experts__alpha"] == 2.0


@pytest.mark.parametrize(
    "labels",
    [
        np.arange(40),
        np.array([f"s{k}" for k in range(40)], object),
        pd.MultiIndex.from_product([["north", "south"], range(20)]).to_numpy(),
    ],
    ids=["numbers", "strings", "pairs"],
)
def test_subjects_are_known_after_loading(labels):
    subjects = np.repeat(labels, 4)
    original = regressor().fit(X, Y, subjects=subjects)
    # What is looked up is not saved.
    original.predict(X, subjects=subjects)
    loaded, asked = through_skops(original)
    assert asked <= names_of(PUBLIC)
    answers = (each.predict(X, subjects=subjects) for each in (loaded, original))
    np.testing.assert_array_equal(*answers)


def test_shares_and_exposures_are_saved():
    share = 1 / (1 + np.exp(-Y))
    beta, asked = through_skops(regressor(Ridge(), noise="beta").fit(X, share))
    assert asked <= names_of(PUBLIC)
    assert np.isfinite(beta.score_samples(X, share)).all()
    exposure = RNG.uniform(1, 3, 160)
    original = regressor(noise="poisson").fit(X, COUNTS, exposure=exposure)
    loaded, asked = through_skops(original)
    assert asked <= names_of(PUBLIC)
    answers = (
        each.score_samples(X, COUNTS, exposure=exposure) for each in (loaded, original)
    )
    np.testing.assert_array_equal(*answers)
