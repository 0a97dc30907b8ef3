"""The mixtures among their neighbours: scikit-learn's tools, frames, routing."""

import pickle

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from _versions import needs
from imblearn.over_sampling import SMOTE
from imblearn.pipeline import make_pipeline as make_sampling_pipeline
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.ensemble import BaggingClassifier, VotingRegressor
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, PredefinedSplit, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler, TargetEncoder
from xgboost import XGBClassifier

from sklearn_moe import (
    GaussianGate,
    MixtureOfExpertsClassifier,
    MixtureOfExpertsRegressor,
    SoftmaxGate,
    StudentTNoise,
    _documentation,
)
from sklearn_moe.inspection import describe


def regression():
    """The slope of the price by size is another in each city."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {
            "size": rng.uniform(20, 120, 150),
            "age": rng.uniform(0, 50, 150),
            "latitude": rng.uniform(-1, 1, 150),
        }
    )
    slope = np.where(X["latitude"] > 0, 3, -1)
    y = slope * X["size"] - X["age"] + 10 * rng.standard_normal(150)
    return X, y.rename("price")


def classification():
    """Large is dear in one city, and cheap in the other."""
    X, _ = regression()
    noise = 5 * np.random.default_rng(1).standard_normal(150)
    dear = (X["size"] + noise > 70) == (X["latitude"] > 0)
    return X, np.where(dear, "dear", "cheap")


def to_polars(X):
    return pl.DataFrame({name: X[name].to_list() for name in X.columns})


PROBLEMS = {
    MixtureOfExpertsRegressor: regression,
    MixtureOfExpertsClassifier: classification,
}
both = pytest.mark.parametrize("Mixture", PROBLEMS)


def two_experts(Mixture, **params):
    # On unscaled columns LogisticRegression needs its time.
    expert = make_pipeline(StandardScaler(), Mixture()._targets().default_expert())
    return Mixture(expert, n_experts=2, random_state=0, tol=1e-2, **params)


def answers(mixture, X):
    return getattr(mixture, "predict_proba", mixture.predict)(X)


@pytest.fixture
def metadata_routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


# Model selection


@both
@pytest.mark.filterwarnings("ignore:.*were retired:UserWarning")
def test_grid_search_finds_parameters_of_mixture_gate_and_experts(Mixture):
    X, y = PROBLEMS[Mixture]()
    strength = "alpha" if Mixture is MixtureOfExpertsRegressor else "C"
    grid = {
        "moe__n_experts": [1, 2],
        "moe__combination": ["weighted", "argmax"],
        "moe__gate__alpha": [1e-3, 10.0],
        f"moe__experts__{strength}": [0.01, 1.0],
    }
    mixture = Mixture(random_state=0, tol=1e-2)
    pipeline = Pipeline([("scale", StandardScaler()), ("moe", mixture)])
    search = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(X, y)
    best = search.best_estimator_["moe"]
    assert search.best_params_["moe__n_experts"] == len(best.experts_) == 2
    assert search.best_params_["moe__gate__alpha"] == best.gate_.alpha == 1e-3
    assert [getattr(expert, strength) for expert in best.experts_] == [
        search.best_params_[f"moe__experts__{strength}"]
    ] * 2
    assert search.best_params_["moe__combination"] == best.combination
    assert (
        search.best_score_
        > cross_val_score(pipeline.set_params(moe__n_experts=1), X, y, cv=2).mean()
    )
    # The search worked on clones.
    assert mixture.gate is None
    assert mixture.experts is None


def test_grid_search_chooses_among_named_experts():
    X, y = regression()
    experts = [("a", Ridge()), ("b", Ridge())]
    mixture = MixtureOfExpertsRegressor(experts, specialize=True, cv=2, tol=1e-2)
    grid = {"a__alpha": [1.0, 2.0], "b": [Ridge(1e6), LinearRegression()]}
    search = GridSearchCV(mixture, grid, cv=2, error_score="raise").fit(X, y)
    best = search.best_estimator_.named_experts_
    assert isinstance(best.b, LinearRegression)
    assert best.a.alpha == search.best_params_["a__alpha"]


@both
def test_cross_val_score_is_that_of_each_fold(Mixture):
    X, y = PROBLEMS[Mixture]()
    fold = np.arange(len(y)) % 3
    scores = cross_val_score(two_experts(Mixture), X, y, cv=PredefinedSplit(fold))
    for k, score in enumerate(scores):
        mixture = two_experts(Mixture).fit(X[fold != k], y[fold != k])
        assert score == mixture.score(X[fold == k], y[fold == k]) > 0.7


# Copies


@both
@pytest.mark.parametrize("fitted", [False, True])
def test_a_clone_has_equal_parameters_and_no_fit(Mixture, fitted):
    X, y = PROBLEMS[Mixture]()
    mixture = two_experts(Mixture, gate=SoftmaxGate(alpha=0.1), init=X["age"] > 20)
    if fitted:
        mixture.fit(X, y)
    copy = clone(mixture)
    assert str(copy.get_params()) == str(mixture.get_params())
    assert copy.experts is not mixture.experts
    assert copy.gate is not mixture.gate
    assert not hasattr(copy, "experts_")


def by_pickle(mixture, path):
    path.write_bytes(pickle.dumps(mixture))
    return pickle.loads(path.read_bytes())


def by_joblib(mixture, path):
    joblib.dump(mixture, path)
    return joblib.load(path)


def by_memory_map(mixture, path):
    joblib.dump(mixture, path)
    return joblib.load(path, mmap_mode="r")


@both
@pytest.mark.parametrize("round_trip", [by_pickle, by_joblib, by_memory_map])
def test_a_mixture_comes_back_from_disk_as_it_was(Mixture, round_trip, tmp_path):
    X, y = PROBLEMS[Mixture]()
    mixture = two_experts(Mixture).fit(X, y)
    loaded = round_trip(mixture, tmp_path / "mixture")
    np.testing.assert_array_equal(answers(loaded, X), answers(mixture, X))
    np.testing.assert_array_equal(
        loaded.responsibilities(X, y), mixture.responsibilities(X, y)
    )
    assert loaded.get_params().keys() == mixture.get_params().keys()
    assert loaded.log_likelihood_ == mixture.log_likelihood_


# Frames


@both
def test_transform_gives_a_pandas_frame_where_asked(Mixture):
    X, y = PROBLEMS[Mixture]()
    X.index += 1000
    mixture = two_experts(Mixture).fit(X, y).set_output(transform="pandas")
    frame = mixture.transform(X)
    assert isinstance(frame, pd.DataFrame)
    assert frame.columns.tolist() == mixture.get_feature_names_out().tolist()
    assert frame.index.equals(X.index)
    plain = mixture.set_output(transform="default").transform(X)
    np.testing.assert_array_equal(frame, plain)


@both
def test_transform_gives_a_polars_frame_where_asked(Mixture):
    X, y = PROBLEMS[Mixture]()
    mixture = two_experts(Mixture).fit(X, y).set_output(transform="polars")
    frame = mixture.transform(X)
    assert isinstance(frame, pl.DataFrame)
    assert frame.columns == mixture.get_feature_names_out().tolist()


@both
@pytest.mark.parametrize("make_frame", [pd.DataFrame, to_polars])
def test_a_frame_gives_the_same_model_as_its_numbers(Mixture, make_frame):
    X, y = PROBLEMS[Mixture]()
    frame = make_frame(X)
    target = pl.Series(y.tolist()) if make_frame is to_polars else pd.Series(y)
    by_frame = two_experts(Mixture).fit(frame, target)
    by_array = two_experts(Mixture).fit(X.to_numpy(), np.asarray(y))
    assert by_frame.feature_names_in_.tolist() == ["size", "age", "latitude"]
    assert not hasattr(by_array, "feature_names_in_")
    np.testing.assert_allclose(
        answers(by_frame, frame), answers(by_array, X.to_numpy())
    )
    np.testing.assert_allclose(
        by_frame.score_samples(frame, target),
        by_array.score_samples(X.to_numpy(), np.asarray(y)),
    )


@pytest.mark.parametrize("make_frame", [pd.DataFrame, to_polars])
def test_rows_of_weight_zero_are_dropped_from_frames(make_frame):
    X, y = regression()
    weights = np.arange(len(y)) % 3 > 0
    weighted = two_experts(MixtureOfExpertsRegressor)
    weighted.fit(make_frame(X), y, weights.astype(float))
    dropped = two_experts(MixtureOfExpertsRegressor)
    dropped.fit(make_frame(X[weights].reset_index(drop=True)), y[weights])
    np.testing.assert_allclose(
        weighted.predict(make_frame(X)), dropped.predict(make_frame(X))
    )


@both
def test_other_names_at_prediction_are_refused(Mixture):
    X, y = PROBLEMS[Mixture]()
    mixture = two_experts(Mixture).fit(X, y)
    with pytest.raises(ValueError, match="feature names should match"):
        mixture.predict(X.rename(columns={"age": "years"}))


@pytest.mark.parametrize("make_frame", [pd.DataFrame, to_polars])
@pytest.mark.parametrize("Mixture", PROBLEMS)
def test_experts_and_gate_pick_their_columns_by_name(Mixture, make_frame):
    X, y = PROBLEMS[Mixture]()
    X["city"] = np.where(X.pop("latitude") > 0, "north", "south")
    expert = make_pipeline(
        make_column_transformer((StandardScaler(), ["size", "age"])),
        Mixture()._targets().default_expert(),
    )
    gate = make_pipeline(
        make_column_transformer((OneHotEncoder(drop="first"), ["city"])), SoftmaxGate()
    )
    mixture = Mixture(expert, n_experts=2, gate=gate, random_state=0)
    mixture.fit(make_frame(X), y)
    assert mixture.score(make_frame(X), y) > 0.9
    assert [expert[-1].n_features_in_ for expert in mixture.experts_] == [2, 2]
    assert mixture.gate_[-1].n_features_in_ == 1
    # The gate knows two cities, and nothing else.
    weights = mixture.predict_gate(make_frame(X))
    assert len(np.unique(weights.round(10), axis=0)) == 2
    assert (mixture.apply(make_frame(X)) == mixture.apply(make_frame(X))[0]).sum() == (
        X["city"] == X["city"][0]
    ).sum()


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["cheap", "dear"]),
        np.array(["cheap", "dear"], dtype=object),
        np.array([False, True]),
        np.array([-7, 3]),
    ],
    ids=["str", "object", "bool", "int"],
)
def test_labels_may_be_of_any_kind(labels):
    X, y = classification()
    codes = (y == "dear").astype(int)
    mixture = two_experts(MixtureOfExpertsClassifier).fit(X, labels[codes])
    np.testing.assert_array_equal(mixture.classes_, labels)
    assert set(mixture.predict(X)) == set(labels)
    assert mixture.score(X, labels[codes]) > 0.85
    coded = two_experts(MixtureOfExpertsClassifier).fit(X, codes)
    np.testing.assert_allclose(mixture.predict_proba(X), coded.predict_proba(X))
    np.testing.assert_allclose(
        mixture.responsibilities(X, labels[codes]), coded.responsibilities(X, codes)
    )


def test_categorical_labels_are_labels():
    X, y = classification()
    mixture = two_experts(MixtureOfExpertsClassifier).fit(X, pd.Categorical(y))
    assert mixture.classes_.tolist() == ["cheap", "dear"]
    assert mixture.score(X, y) > 0.85


# Representation


@both
@pytest.mark.parametrize("as_list", [False, True])
@pytest.mark.parametrize("fitted", [False, True])
def test_the_html_shows_gate_and_experts(Mixture, as_list, fitted):
    expert = make_pipeline(StandardScaler(), Mixture()._targets().default_expert())
    experts = [("careful", expert), ("daring", expert)] if as_list else expert
    mixture = Mixture(experts, n_experts=2, random_state=0, cv=None, tol=0.1)
    if fitted:
        mixture.fit(*PROBLEMS[Mixture]())
    html = mixture._repr_html_()
    assert Mixture.__name__ in html
    assert html.count("<div><div>SoftmaxGate</div>") == 1
    expert_name = type(expert[-1]).__name__
    shows_both = as_list or fitted
    assert html.count(f"<div><div>{expert_name}</div>") == (2 if shows_both else 1)
    unnamed = ["expert0", "expert1"] if fitted else ["experts"]
    for name in ["careful", "daring"] if as_list else unnamed:
        assert f"<label>{name}{': ' if fitted else '</label>'}" in html
    assert "<label>gate</label>" in html


@both
def test_the_html_shows_the_parts_that_are_there_by_default(Mixture):
    html = Mixture()._repr_html_()
    assert "<div><div>SoftmaxGate</div>" in html
    assert (
        f"<div><div>{type(Mixture()._targets().default_expert()).__name__}</div>"
        in html
    )


@both
def test_the_html_of_a_fitted_mixture_tells_whether_em_converged(Mixture):
    X, y = PROBLEMS[Mixture]()
    mixture = two_experts(Mixture).fit(X, y)
    iterations = f"after {mixture.n_iter_} iterations"
    assert f"converged, {iterations}" in mixture._repr_html_()
    mixture.converged_ = False
    assert f"stopped before it converged, {iterations}" in mixture._repr_html_()


ALL = [
    MixtureOfExpertsRegressor,
    MixtureOfExpertsClassifier,
    SoftmaxGate,
    GaussianGate,
    StudentTNoise,
]


SHOWS_HELP = needs("1.9", "help in notebooks")


@SHOWS_HELP
@pytest.mark.parametrize("cls", ALL)
def test_the_html_shows_help_for_parameters(cls):
    html = cls()._repr_html_()
    assert html.count("param-doc-description") > len(cls().get_params(deep=False))
    # There is no page to link to.
    assert "nowhere" not in html
    assert f"Documentation for {cls.__name__}" not in html


@SHOWS_HELP
def test_the_html_shows_help_for_fitted_attributes():
    html = MixtureOfExpertsRegressor(n_experts=2).fit(*regression())._repr_html_()
    assert "Mean responsibility of each expert for the training rows" in html
    assert "nowhere" not in html


@SHOWS_HELP
@pytest.mark.parametrize("cls", ALL)
def test_the_html_links_to_the_page_of_the_class_where_there_is_one(cls, monkeypatch):
    monkeypatch.setattr(_documentation, "ADDRESS", "https://example.org/")
    page = f"https://example.org/api/generated/sklearn_moe.{cls.__name__}.html"
    html = cls()._repr_html_()
    assert f'href="{page}"' in html
    name = next(iter(cls().get_params()))
    assert f'href="{page}#:~:text={name}' in html


# Inspection


def test_partial_dependence_of_a_regressor_is_the_mean_prediction():
    X, y = regression()
    mixture = two_experts(MixtureOfExpertsRegressor).fit(X, y)
    result = partial_dependence(mixture, X, ["latitude"], grid_resolution=5)
    for value, mean in zip(result["grid_values"][0], result["average"][0]):
        expected = mixture.predict(X.assign(latitude=value)).mean()
        assert mean == pytest.approx(expected)


def test_partial_dependence_of_a_classifier_is_a_probability():
    X, y = classification()
    mixture = two_experts(MixtureOfExpertsClassifier).fit(X, y)
    result = partial_dependence(mixture, X, ["latitude"], grid_resolution=5)
    for value, mean in zip(result["grid_values"][0], result["average"][0]):
        expected = mixture.predict_proba(X.assign(latitude=value))[:, 1].mean()
        assert mean == pytest.approx(expected)


@both
def test_permutation_importance_knows_what_the_gate_needs(Mixture):
    X, y = PROBLEMS[Mixture]()
    X["nothing"] = np.random.default_rng(1).standard_normal(len(X))
    mixture = two_experts(Mixture).fit(X, y)
    result = permutation_importance(mixture, X, y, n_repeats=3, random_state=0)
    importance = dict(zip(X.columns, result.importances_mean))
    assert importance["latitude"] > 0.2
    assert abs(importance["nothing"]) < 0.1


# Metadata routing


class NotedRidge(Ridge):
    """Takes a note for each row, and keeps them."""

    def fit(self, X, y, sample_weight=None, *, notes=None):
        self.notes_ = notes
        return super().fit(X, y, sample_weight)


class NotedLogistic(LogisticRegression):
    """Takes a note for each row, and keeps them."""

    def fit(self, X, y, sample_weight=None, *, notes=None):
        self.notes_ = notes
        return super().fit(X, y, sample_weight)


NOTED = {
    MixtureOfExpertsRegressor: NotedRidge,
    MixtureOfExpertsClassifier: NotedLogistic,
}


def numbers(Mixture):
    """Standardised rows, so that every linear expert converges at once."""
    X, y = PROBLEMS[Mixture]()
    return StandardScaler().fit_transform(X), np.asarray(y)


@needs("1.9", "routing to the score of a pipeline in a search")
@both
@pytest.mark.usefixtures("metadata_routing")
def test_sample_weight_goes_through_search_and_pipeline(Mixture):
    X, y = numbers(Mixture)
    weights = np.random.default_rng(0).integers(0, 3, len(y)).astype(float)
    mixture = Mixture(n_experts=2, random_state=0, tol=1e-2)
    mixture.set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
    scaler = StandardScaler().set_fit_request(sample_weight=True)
    search = GridSearchCV(
        Pipeline([("scale", scaler), ("moe", mixture)]),
        {"moe__n_experts": [2]},
        cv=PredefinedSplit(np.arange(len(y)) % 2),
        error_score="raise",
    ).fit(X, y, sample_weight=weights)

    def by_hand(rows):
        scaler = StandardScaler().fit(X[rows], sample_weight=weights[rows])
        mixture = Mixture(n_experts=2, random_state=0, tol=1e-2)
        return scaler, mixture.fit(scaler.transform(X[rows]), y[rows], weights[rows])

    scaler, mixture = by_hand(np.arange(len(y)))
    np.testing.assert_allclose(
        answers(search.best_estimator_, X), answers(mixture, scaler.transform(X))
    )
    odd = np.arange(len(y)) % 2 == 1
    scaler, mixture = by_hand(odd)
    assert search.cv_results_["split0_test_score"][0] == pytest.approx(
        mixture.score(scaler.transform(X[~odd]), y[~odd], weights[~odd])
    )


@both
@pytest.mark.usefixtures("metadata_routing")
def test_sample_weight_that_nobody_asked_for_is_refused(Mixture):
    X, y = numbers(Mixture)
    search = GridSearchCV(Mixture(), {"n_experts": [2]}, cv=2)
    with pytest.raises(UnsetMetadataPassedError, match="sample_weight"):
        search.fit(X, y, sample_weight=np.ones(len(y)))


@both
@pytest.mark.usefixtures("metadata_routing")
@pytest.mark.parametrize("as_list", [False, True])
def test_further_arguments_reach_the_experts_that_ask_for_them(Mixture, as_list):
    X, y = numbers(Mixture)
    notes = np.arange(len(y))
    asking = NOTED[Mixture]().set_fit_request(notes=True)
    silent = NOTED[Mixture]().set_fit_request(notes=False)
    experts = [("asking", asking), ("silent", silent)] if as_list else asking
    mixture = Mixture(experts, n_experts=2, tol=0.1).fit(X, y, notes=notes)
    received = [expert.notes_ for expert in mixture.experts_]
    np.testing.assert_array_equal(received[0], notes)
    if as_list:
        assert received[1] is None
    else:
        np.testing.assert_array_equal(received[1], notes)


@both
@pytest.mark.usefixtures("metadata_routing")
def test_further_arguments_lose_the_rows_of_weight_zero_too(Mixture):
    X, y = numbers(Mixture)
    weights = (np.arange(len(y)) % 3).astype(float)
    expert = NOTED[Mixture]().set_fit_request(notes=True)
    mixture = Mixture(expert, n_experts=2, tol=0.1)
    mixture.fit(X, y, sample_weight=weights, notes=np.arange(len(y)))
    np.testing.assert_array_equal(
        mixture.experts_[0].notes_, np.arange(len(y))[weights > 0]
    )


@both
@pytest.mark.usefixtures("metadata_routing")
def test_further_arguments_go_through_search_and_pipeline(Mixture):
    X, y = numbers(Mixture)
    notes = np.arange(len(y))
    expert = NOTED[Mixture]().set_fit_request(notes=True)
    pipeline = make_pipeline(StandardScaler(), Mixture(expert, n_experts=2, tol=0.1))
    search = GridSearchCV(pipeline, {}, cv=2, error_score="raise")
    search.fit(X, y, notes=notes)
    received = search.best_estimator_[-1].experts_[0].notes_
    np.testing.assert_array_equal(received, notes)


@both
@pytest.mark.usefixtures("metadata_routing")
def test_further_arguments_that_no_expert_knows_are_refused(Mixture):
    X, y = numbers(Mixture)
    with pytest.raises(TypeError, match=r"unexpected argument.*notes"):
        Mixture(n_experts=2).fit(X, y, notes=np.arange(len(y)))


@both
def test_without_routing_further_arguments_are_refused(Mixture):
    X, y = numbers(Mixture)
    with pytest.raises(ValueError, match="enable_metadata_routing"):
        Mixture(NOTED[Mixture](), n_experts=2).fit(X, y, notes=np.arange(len(y)))


@both
@pytest.mark.usefixtures("metadata_routing")
def test_a_pipeline_that_asks_for_weights_is_an_expert(Mixture):
    X, y = PROBLEMS[Mixture]()
    expert = make_pipeline(
        StandardScaler().set_fit_request(sample_weight=False),
        Mixture()._targets().default_expert().set_fit_request(sample_weight=True),
    )
    routed = Mixture(expert, n_experts=2, random_state=0).fit(X, y)
    with sklearn.config_context(enable_metadata_routing=False):
        plain = Mixture(expert, n_experts=2, random_state=0).fit(X, y)
    np.testing.assert_array_equal(answers(routed, X), answers(plain, X))


# Experts that need help
# ----------------------


def test_a_target_encoder_learns_from_the_rows_of_its_own_expert():
    rng = np.random.default_rng(0)
    effect, x = rng.integers(0, 8, 600), rng.normal(size=600)
    X = pd.DataFrame({"x": x, "kind": [f"kind{k}" for k in effect]})
    y = np.where(x < 0, effect, -effect) + 0.2 * rng.normal(size=600)
    expert = make_pipeline(
        make_column_transformer((TargetEncoder(target_type="continuous"), ["kind"])),
        Ridge(),
    )
    gate = make_pipeline(make_column_transformer(("passthrough", ["x"])), SoftmaxGate())
    mixture = MixtureOfExpertsRegressor(expert, 2, gate=gate, init=x < 0)
    assert mixture.fit(X, y).score(X, y) > 0.9


@pytest.mark.parametrize(
    "place",
    ["expert", "expert in a search", "before an inner mixture", "gate"],
    ids=lambda place: place,
)
def test_a_sampler_may_be_part_of_an_expert_or_of_the_gate(place):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3))
    y = np.where(X[:, 0] * X[:, 1] > 0.5, "yes", "no")
    part = make_sampling_pipeline(SMOTE(random_state=0), LogisticRegression())
    if place == "expert in a search":
        part = GridSearchCV(part, {"logisticregression__C": [1.0]}, cv=2)
    if place == "before an inner mixture":
        inner = MixtureOfExpertsClassifier(n_experts=2, tol=1e-2, random_state=0)
        part = make_sampling_pipeline(StandardScaler(), SMOTE(random_state=0), inner)
    parts = {"gate": part} if place == "gate" else {"experts": part}
    mixture = MixtureOfExpertsClassifier(n_experts=2, tol=1e-2, random_state=0, **parts)
    assert mixture.fit(X, y).score(X, y) > 0.8


@pytest.mark.parametrize("gate", [SoftmaxGate(), GaussianGate()], ids=str)
def test_a_sampler_before_what_learns_responsibilities_is_refused(gate):
    mixture = MixtureOfExpertsClassifier(gate=make_sampling_pipeline(SMOTE(), gate))
    with pytest.raises(TypeError, match="'gate' adds or drops rows"):
        mixture.fit(np.eye(4), [0, 1, 0, 1])


def with_rare_class(name):
    """Two classes, and one row of a third."""
    X = np.random.default_rng(0).normal(size=(120, 3))
    y = np.where(X[:, 0] > 0, *name[:2])
    y[0] = name[2]
    return X, y


@pytest.mark.parametrize("names", [("high", "low", "none"), (0, 2, 1)], ids=str)
def test_xgboost_learns_labels_that_are_texts_or_missing_in_a_fold(names):
    X, y = with_rare_class(names)
    boosting = XGBClassifier(n_estimators=5, n_jobs=1)
    experts = [("boosting", boosting), ("logistic", LogisticRegression())]
    mixture = MixtureOfExpertsClassifier(experts, random_state=0).fit(X, y)
    assert mixture.score(X, y) > 0.9
    assert set(mixture.predict(X)) <= set(names)


def test_labels_do_not_hide_what_an_expert_is():
    X, y = with_rare_class(("high", "low", "low"))
    boosting = XGBClassifier(n_estimators=5, n_jobs=1)
    mixture = MixtureOfExpertsClassifier(boosting, 2, random_state=0).fit(X, y)
    assert list(describe(mixture, X, y)["estimator"]) == ["XGBClassifier"] * 2
    assert mixture.experts_[0].feature_importances_.shape == (3,)
    assert list(mixture.experts_[0].classes_) == ["high", "low"]
    assert "XGBClassifier" in mixture._repr_html_()


@pytest.mark.parametrize("place", ["Expert 'expert0'", "The 'gate'"])
@pytest.mark.parametrize("within", ["itself", "a pipeline", "a list"])
def test_an_estimator_that_is_in_its_own_parameters_is_refused(place, within):
    bagging = BaggingClassifier()
    inside = {"itself": bagging, "a pipeline": make_pipeline(bagging), "a list": []}
    bagging.estimator = inside[within]
    if within == "a list":
        bagging.estimator.append(bagging)
    parts = {"gate": bagging} if "gate" in place else {"experts": bagging}
    mixture = MixtureOfExpertsClassifier(n_experts=2, **parts)
    with pytest.raises(ValueError, match=f"{place}.* is in its own parameters"):
        mixture.fit([[0.0], [1.0], [2.0]], [0, 1, 1])


def test_an_estimator_may_be_in_another_twice():
    X, y = regression()
    ridge = Ridge()
    twice = VotingRegressor([("one", ridge), ("other", ridge)])
    MixtureOfExpertsRegressor(twice, n_experts=1).fit(X, y)
