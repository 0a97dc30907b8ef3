"""Leading steps of pipelines that learn no target and no weights are fitted once."""

import pickle
import warnings
from functools import wraps

import numpy as np
import pandas as pd
import pytest
import sklearn
from scipy import sparse
from sklearn.base import (
    BaseEstimator,
    RegressorMixin,
    TransformerMixin,
    clone,
)
from sklearn.compose import (
    TransformedTargetRegressor,
    make_column_selector,
    make_column_transformer,
)
from sklearn.decomposition import NMF
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.feature_selection import SelectKBest, f_regression
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    OneHotEncoder,
    PolynomialFeatures,
    SplineTransformer,
    StandardScaler,
    TargetEncoder,
)
from sklearn.tree import DecisionTreeRegressor
from sklearn.utils.validation import check_is_fitted
from xgboost import XGBClassifier

from sklearn_moe import (
    MixtureOfExpertsClassifier,
    MixtureOfExpertsRegressor,
    SoftmaxGate,
)
from sklearn_moe._rows import Block, LocalRows, TrainingWeights
from sklearn_moe.experts import ExpertPool, Predictions

RNG = np.random.default_rng(0)
N = 120
X = pd.DataFrame(RNG.normal(size=(N, 2)), columns=["a", "b"])
X["kind"] = RNG.choice(["u", "v", "w"], N)
LEFT = (X["a"] < 0).to_numpy()
Y = np.where(LEFT, 3 * X["b"] + (X["kind"] == "u"), 2 - X["b"])
Y = Y + 0.1 * RNG.normal(size=N)
LABELS = np.where(Y > 1, "yes", "no")

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning",
    "ignore:.*were retired:UserWarning",
    "ignore:.*reproduce their training targets:UserWarning",
)


class Recorder(TransformerMixin, BaseEstimator):
    """Remembers how many rows each fit and each transform was given, for all copies."""

    calls = []

    def fit(self, X, y=None):
        self.calls.append(("fit", len(X)))
        self.first_ = X.index if hasattr(X, "index") else None
        return self

    def transform(self, X):
        check_is_fitted(self)
        self.calls.append(("transform", len(X)))
        return X


class WeightedRecorder(Recorder):
    """The same, with weights."""

    def fit(self, X, y=None, sample_weight=None):
        return super().fit(X, y)


class TargetRecorder(Recorder):
    """The same, with the target."""

    def fit(self, X, y):
        return super().fit(X, y)


@pytest.fixture
def calls(monkeypatch):
    monkeypatch.setattr(Recorder, "calls", [])

    def of(kind):
        return [n for called, n in Recorder.calls if called == kind]

    return of


def encoder(**others):
    return make_column_transformer(
        (OneHotEncoder(**others), ["kind"]), remainder="passthrough"
    )


def regressor(experts=None, **params):
    params = {"n_experts": 2, "random_state": 0, "max_iter": 3} | params
    return MixtureOfExpertsRegressor(experts, **params)


def classifier(experts=None, **params):
    params = {"n_experts": 2, "random_state": 0, "max_iter": 3} | params
    return MixtureOfExpertsClassifier(experts, **params)


def behind(steps):
    """A gate that sees what these steps make of the rows."""
    return make_pipeline(clone(steps), SoftmaxGate())


def assert_as_in_front(mixture, expert, steps, X=X, y=Y, sample_weight=None, **params):
    """The steps in each expert do what they do in front of the mixture."""
    ours = mixture(make_pipeline(steps, expert), gate=behind(steps), **params)
    ours.fit(X, y, sample_weight=sample_weight)
    front = clone(steps).fit(X)
    theirs = mixture(expert, gate=SoftmaxGate(), **params)
    theirs.fit(front.transform(X), y, sample_weight=sample_weight)
    np.testing.assert_allclose(ours.objective_path_, theirs.objective_path_, rtol=1e-8)
    answer = "predict_proba" if mixture is classifier else "predict"
    found, expected = getattr(ours, answer)(X), getattr(theirs, answer)
    np.testing.assert_allclose(found, expected(front.transform(X)), atol=1e-8)


# What is fitted once
# -------------------


@pytest.mark.parametrize("last", [Ridge(), DecisionTreeRegressor(max_depth=2)])
def test_an_encoder_is_fitted_once_for_all_iterations_and_clones(last, calls):
    expert = make_pipeline(encoder(), Recorder(), last)
    mixture = regressor(expert, cv=None).fit(X, Y)
    assert mixture.n_iter_ > 1
    assert calls("fit") == [N]
    # When it is fitted, and as a prediction would.
    assert len(calls("transform")) == 2


def test_it_learns_from_rows_that_an_expert_has_no_part_in(calls):
    given = np.stack([LEFT, ~LEFT], axis=1).astype(float)
    expert = make_pipeline(Recorder(), DecisionTreeRegressor(max_depth=1))
    regressor(
        expert, init=given, assignment="hard", cv=None, gate=SoftmaxGate(), max_iter=2
    ).fit(X[["a", "b"]], Y)
    assert calls("fit") == [N]


def test_named_experts_share_the_steps_that_are_the_same_objects(calls):
    step = Recorder()
    experts = [
        ("stiff", make_pipeline(step, Ridge(10))),
        ("soft", make_pipeline(step, Ridge(0.1))),
        ("other", make_pipeline(Recorder(), Ridge(0.1))),
    ]
    regressor(experts).fit(X[["a", "b"]], Y)
    assert calls("fit") == [N, N]


def test_each_clone_has_its_own_seed_where_none_is_given():
    params = {"gate": SoftmaxGate(), "max_iter": 2}
    expert = make_pipeline(Nystroem(n_components=5), Ridge())
    own = regressor(expert, **params).fit(X[["a", "b"]], Y).experts_
    assert own[0][0].random_state != own[1][0].random_state
    assert not np.array_equal(own[0][0].components_, own[1][0].components_)
    expert.set_params(nystroem__random_state=0)
    own = regressor(expert, **params).fit(X[["a", "b"]], Y).experts_
    assert own[0][0] is own[1][0]


def test_linear_experts_behind_an_encoder_are_solved_together(monkeypatch):
    fits, fit = [], Ridge.fit

    @wraps(fit)
    def counted(*args, **kwargs):
        fits.append(1)
        return fit(*args, **kwargs)

    monkeypatch.setattr(Ridge, "fit", counted)
    mixture = regressor(make_pipeline(encoder(), Ridge()), sharing=0.1).fit(X, Y)
    assert mixture.n_iter_ > 1
    assert len(fits) == 2


# What is not
# -----------


@pytest.mark.parametrize("step", [WeightedRecorder(), TargetRecorder()], ids=repr)
def test_what_learns_weights_or_the_target_is_fitted_in_each_m_step(step, calls):
    mixture = regressor(make_pipeline(step, LinearRegression())).fit(X[["a", "b"]], Y)
    assert len(calls("fit")) >= 2 * mixture.n_iter_ > 2


@pytest.mark.parametrize(
    "step",
    [
        StandardScaler(),
        SelectKBest(f_regression, k=1),
        make_column_transformer((StandardScaler(), ["a"]), remainder="passthrough"),
        make_pipeline(PolynomialFeatures(2, include_bias=False), StandardScaler()),
    ],
    ids=lambda step: type(step).__name__,
)
def test_such_steps_of_scikit_learn_differ_from_expert_to_expert(step):
    mixture = regressor(make_pipeline(step, Ridge()), sharing=0.1)
    one, other = mixture.fit(X[["a", "b"]], Y).experts_
    assert pickle.dumps(one[0]) != pickle.dumps(other[0])


def test_weights_that_a_step_is_not_to_get_do_not_part_it_from_the_others(calls):
    with sklearn.config_context(enable_metadata_routing=True):
        step = StandardScaler().set_fit_request(sample_weight=False)
        expert = make_pipeline(step, Recorder(), Ridge())
        one, other = regressor(expert).fit(X[["a", "b"]], Y).experts_
    assert one[0] is other[0]
    np.testing.assert_allclose(one[0].mean_, X[["a", "b"]].mean())


def test_steps_behind_one_that_learns_the_target_are_fitted_with_it(calls):
    expert = make_pipeline(SelectKBest(f_regression, k=1), Recorder(), Ridge())
    mixture = regressor(expert).fit(X[["a", "b"]], Y)
    assert len(calls("fit")) >= 2 * mixture.n_iter_ > 2


def test_steps_in_front_of_one_that_learns_the_target_are_not(calls):
    expert = make_pipeline(Recorder(), TargetEncoder(target_type="continuous"), Ridge())
    mixture = regressor(expert, gate=SoftmaxGate()).fit(X, Y)
    assert calls("fit") == [N]
    one, other = mixture.experts_
    assert one[0] is other[0]
    assert one[1] is not other[1]


def test_further_arguments_reach_all_steps_of_each_fit(calls):
    class Asking(Recorder):
        __module__ = __name__

        def fit(self, X, y=None, factor=None):
            assert factor == 2
            return super().fit(X, y)

    with sklearn.config_context(enable_metadata_routing=True):
        step = Asking().set_fit_request(factor=True)
        expert = make_pipeline(step, Ridge().set_fit_request(sample_weight=True))
        mixture = regressor(expert, max_iter=2).fit(X[["a", "b"]], Y, factor=2)
    assert len(calls("fit")) >= 2 * mixture.n_iter_


# Weighted scalers beside what is shared
# --------------------------------------


class OwnScaler(StandardScaler):
    """A subclass may do otherwise: all that it is part of is fitted in each M-step."""


def columns_with(scaler, kind="recipe"):
    """A ColumnTransformer that encodes texts and scales numbers."""
    texts = make_column_selector(dtype_exclude="number")
    one_hot = OneHotEncoder(drop="first")
    numbers = make_pipeline(SimpleImputer(), clone(scaler))
    return {
        "recipe": make_column_transformer((one_hot, texts), remainder=scaler),
        "imputed": make_column_transformer((numbers, ["a", "b"]), (one_hot, texts)),
        "one by one": make_column_transformer(
            (scaler, ["b"]), (one_hot, texts), (clone(scaler), ["a"])
        ),
        "some": make_column_transformer((scaler, ["b"]), remainder=one_hot),
        "nothing": make_column_transformer(
            (scaler, []), (one_hot, texts), (clone(scaler), ["a", "b"])
        ),
        "sparse": make_column_transformer(
            (OneHotEncoder(), texts), remainder=scaler, sparse_threshold=1
        ),
        "dropped": make_column_transformer((scaler, ["a"]), (one_hot, texts)),
        "in place": make_column_transformer(
            (one_hot, texts), remainder=clone(scaler).set_params(copy=False)
        ),
    }[kind]


def frame_for(kind):
    return X.drop(columns="a") if kind == "some" else X


def assert_same_fits(make, mixture=regressor, X=X, y=Y, **params):
    """With experts that share what they can, and with those that share nothing."""
    ours, theirs = (
        mixture(make(scaler), gate=SoftmaxGate(), **params).fit(X, y)
        for scaler in (StandardScaler(), OwnScaler())
    )
    np.testing.assert_allclose(ours.objective_path_, theirs.objective_path_, rtol=1e-7)
    np.testing.assert_allclose(ours.transform(X), theirs.transform(X), atol=1e-6)
    return ours, theirs


KINDS = ["recipe", "imputed", "one by one", "some", "nothing", "sparse", "dropped"]


@pytest.mark.parametrize("kind", [*KINDS, "in place"])
def test_scalers_are_weighted_beside_an_encoder_that_is_shared(kind):
    def make(scaler):
        return make_pipeline(columns_with(scaler, kind), Ridge())

    rows = frame_for(kind)
    ours, theirs = assert_same_fits(make, X=rows, sharing=0.1)
    for one, other in zip(ours.experts_, theirs.experts_):
        one, other = one[0], other[0]
        assert [name.split("__")[1] for name in one.get_feature_names_out()] == [
            name.split("__")[1] for name in other.get_feature_names_out()
        ]
        # By itself a step that scales in place does so.
        found, expected = (each.transform(rows.copy()) for each in (one, other))
        assert sparse.issparse(found) == sparse.issparse(expected)
        if sparse.issparse(found):
            found, expected = found.toarray(), expected.toarray()
        np.testing.assert_allclose(found, expected, atol=1e-8)


def test_the_encoder_beside_a_scaler_is_fitted_once(calls):
    columns = make_column_transformer(
        (make_pipeline(Recorder(), OneHotEncoder()), ["kind"]),
        remainder=StandardScaler(),
    )
    one, other = regressor(make_pipeline(columns, Ridge())).fit(X, Y).experts_
    assert calls("fit") == [N]
    assert one[0].transformers_[0][1] is other[0].transformers_[0][1]
    assert not np.array_equal(
        one[0].named_transformers_["remainder"].mean_,
        other[0].named_transformers_["remainder"].mean_,
    )


@pytest.mark.parametrize(
    ("mixture", "last", "y"),
    [
        (classifier, LogisticRegression(), LABELS),
        (regressor, DecisionTreeRegressor(max_depth=3, random_state=0), Y),
        (regressor, KNeighborsRegressor(5), Y),
        (regressor, HistGradientBoostingRegressor(max_iter=10, random_state=0), Y),
    ],
    ids=lambda value: type(value).__name__,
)
def test_they_are_weighted_in_front_of_any_expert(mixture, last, y):
    def make(scaler):
        return make_pipeline(columns_with(scaler), last)

    assert_same_fits(make, mixture, y=y)


@pytest.mark.parametrize("params", [{"cv": 3}, {"calibrate": True}], ids=repr)
def test_they_are_weighted_in_folds_with_other_columns(params):
    rare = X.assign(kind=np.where(np.arange(N) == 7, "rare", X["kind"]))

    def make(scaler):
        one_hot = OneHotEncoder(handle_unknown="ignore")
        columns = make_column_transformer((one_hot, ["kind"]), remainder=scaler)
        return make_pipeline(columns, Ridge())

    assert_same_fits(make, X=rare, **params)


def test_columns_of_an_array_are_scaled_as_well():
    values = np.column_stack([X["a"] > 0, X["a"], X["b"]])

    def make(scaler):
        columns = make_column_transformer(
            (OneHotEncoder(), [0]), (scaler, slice(1, None))
        )
        return make_pipeline(columns, Ridge())

    ours, theirs = (
        regressor(make(scaler)).fit(values, Y)
        for scaler in (StandardScaler(), OwnScaler())
    )
    np.testing.assert_allclose(ours.predict(values), theirs.predict(values), atol=1e-7)


def test_integers_of_pandas_are_scaled_as_well():
    rows = X.assign(n=pd.array(RNG.integers(0, 9, N), dtype="Int64"))

    def make(scaler):
        return make_pipeline(columns_with(scaler), Ridge())

    assert_same_fits(make, X=rows)


def test_pipelines_may_hold_such_columns_anywhere():
    def make(scaler):
        inner = make_pipeline(columns_with(scaler), PolynomialFeatures(2))
        return TransformedTargetRegressor(make_pipeline(inner, Ridge()))

    assert_same_fits(make)


@pytest.mark.parametrize(
    "columns",
    [
        columns_with(StandardScaler()).set_params(
            transformer_weights={"onehotencoder": 2}
        ),
        columns_with(StandardScaler())
        .set_params(onehotencoder__sparse_output=False)
        .set_output(transform="pandas"),
        make_column_transformer(
            (SplineTransformer(), ["a"]), (OneHotEncoder(), ["kind"])
        ),
    ],
    ids=["weights of parts", "frames", "other weighted steps"],
)
def test_other_columns_are_fitted_as_a_whole(columns):
    one, other = regressor(make_pipeline(columns, Ridge())).fit(X, Y).experts_
    encoders = [
        part
        for expert in (one, other)
        for _, part, _ in expert[0].transformers_
        if isinstance(part, OneHotEncoder)
    ]
    assert encoders[0] is not encoders[1]
    one.predict(X)


def test_an_expert_of_one_class_needs_no_scaler():
    labels = np.where(LEFT, LABELS, "yes")
    given = np.stack([LEFT, ~LEFT], axis=1).astype(float)
    expert = make_pipeline(columns_with(StandardScaler()), LogisticRegression())
    mixture = classifier(expert, init=given, assignment="hard", max_iter=1, cv=None)
    assert set(mixture.fit(X, labels).experts_[1].predict(X)) == {"yes"}


# The same as in front of the mixture
# -----------------------------------


@pytest.mark.parametrize(
    "expert",
    [
        Ridge(),
        LinearRegression(),
        DecisionTreeRegressor(max_depth=3, random_state=0),
        KNeighborsRegressor(5),
        HistGradientBoostingRegressor(max_iter=10, min_samples_leaf=5),
        TransformedTargetRegressor(Ridge()),
    ],
    ids=lambda expert: type(expert).__name__,
)
@pytest.mark.parametrize("cv", [None, "auto"])
def test_regressors_predict_as_with_the_encoder_in_front(expert, cv):
    assert_as_in_front(regressor, expert, encoder(drop="first"), cv=cv)


@pytest.mark.parametrize(
    "params",
    [
        {"sharing": 0.2},
        {"n_init": 2},
        {"acceleration": "squarem"},
        {"assignment": "hard"},
        {"specialize": False},
        {"calibrate": True},
        {"n_experts": 1},
        {"noise": "laplace"},
    ],
    ids=repr,
)
def test_so_they_do_whatever_the_parameters_of_the_mixture(params):
    assert_as_in_front(regressor, Ridge(), encoder(drop="first"), **params)


def test_classifiers_predict_as_with_the_encoder_in_front():
    steps = encoder(drop="first")
    assert_as_in_front(classifier, LogisticRegression(), steps, y=LABELS)


def test_sample_weights_count_as_with_the_encoder_in_front():
    weights = RNG.uniform(0.5, 2, N)
    steps = encoder(drop="first")
    assert_as_in_front(regressor, Ridge(), steps, sample_weight=weights)


@pytest.mark.parametrize("make", [sparse.csc_array, sparse.coo_matrix])
def test_sparse_columns_of_any_format_do(make):
    steps = FunctionTransformer(make)
    ours = regressor(make_pipeline(steps, Ridge()), cv=2).fit(X[["a", "b"]], Y)
    theirs = regressor(Ridge(), cv=2).fit(X[["a", "b"]], Y)
    expected = theirs.predict(X[["a", "b"]])
    np.testing.assert_allclose(ours.predict(X[["a", "b"]]), expected, rtol=1e-3)


# Whole pipelines
# ---------------


def test_the_experts_are_whole_fitted_pipelines():
    given = make_pipeline(encoder(), PolynomialFeatures(), LinearRegression())
    mixture = regressor(given).fit(X, Y)
    for k, expert in enumerate(mixture.experts_):
        assert type(expert) is Pipeline
        assert list(expert.named_steps) == list(given.named_steps)
        assert str(expert.get_params()) == str(given.get_params())
        np.testing.assert_array_equal(expert.feature_names_in_, X.columns)
        np.testing.assert_array_equal(expert.predict(X), mixture.transform(X)[:, k])


def nested(last):
    return make_pipeline(
        make_pipeline(encoder(), StandardScaler()),
        make_pipeline(PolynomialFeatures(), last),
    )


def test_pipelines_in_pipelines_are_divided_where_weights_come_in():
    mixture = regressor(nested(Ridge()), sharing=0.1).fit(X, Y)
    one, other = mixture.experts_
    assert [type(step) for step in one] == [Pipeline, Pipeline]
    assert one[0][0] is other[0][0]
    assert not np.array_equal(one[0][1].mean_, other[0][1].mean_)
    np.testing.assert_array_equal(one.predict(X), mixture.transform(X)[:, 0])


def test_a_pipeline_that_ends_another_is_divided_too():
    expert = make_pipeline(encoder(), make_pipeline(PolynomialFeatures(), Ridge()))
    one, other = regressor(expert).fit(X, Y).experts_
    assert one[0] is other[0]
    assert one[1][0] is other[1][0]
    assert one[1][1] is not other[1][1]
    assert one.predict(X).shape == (N,)


def test_so_is_the_pipeline_within_a_transformed_target():
    inner = make_pipeline(encoder(), LinearRegression())
    expert = TransformedTargetRegressor(inner, func=np.log, inverse_func=np.exp)
    mixture = regressor(expert).fit(X, np.exp(Y))
    one, other = mixture.experts_
    assert type(one) is TransformedTargetRegressor
    assert one.regressor_[0] is other.regressor_[0]
    assert str(one.regressor) == str(inner)
    np.testing.assert_array_equal(one.feature_names_in_, X.columns)
    np.testing.assert_array_equal(one.predict(X), mixture.transform(X)[:, 0])


def test_an_expert_that_meets_one_class_is_a_whole_pipeline():
    labels = np.where(LEFT, LABELS, "yes")
    given = np.stack([LEFT, ~LEFT], axis=1).astype(float)
    expert = make_pipeline(encoder(), LogisticRegression())
    mixture = classifier(expert, init=given, assignment="hard", max_iter=1, cv=None)
    other = mixture.fit(X, labels).experts_[1]
    assert type(other) is Pipeline
    assert set(other.predict(X)) == {"yes"}


def test_classifiers_of_codes_know_the_labels_behind_shared_steps(calls):
    codes_only = XGBClassifier(n_estimators=2, n_jobs=1)
    expert = make_pipeline(Recorder(), encoder(), codes_only)
    mixture = classifier(expert, cv=None).fit(X, LABELS)
    assert calls("fit") == [N]
    assert set(mixture.experts_[0].predict(X)) == {"yes", "no"}


# Folds
# -----


def test_the_steps_of_a_fold_never_see_the_rows_that_it_holds_out(calls):
    expert = make_pipeline(Recorder(), Ridge())
    mixture = regressor(expert, cv=4).fit(X[["a", "b"]], Y)
    assert mixture.n_iter_ > 1
    assert sorted(calls("fit")) == 4 * [N * 3 // 4] + [N]


def test_what_a_fold_has_not_seen_is_unknown_to_its_encoder():
    rare = X.assign(kind=np.where(np.arange(N) == 7, "rare", X["kind"]))
    expert = make_pipeline(encoder(), Ridge())
    with pytest.raises(ValueError, match="unknown categories"):
        regressor(expert, cv=2).fit(rare, Y)


# Other kinds of steps
# --------------------


def test_a_frozen_step_is_left_as_it_is():
    step = FrozenEstimator(encoder().fit(X))
    mixture = regressor(make_pipeline(step, Ridge())).fit(X, Y)
    assert mixture.experts_[0][0] is step
    assert mixture.experts_[1][0] is step


def test_different_frozen_steps_are_different(calls):
    halves = [X[LEFT], X[~LEFT]]
    experts = [
        (
            f"e{k}",
            make_pipeline(FrozenEstimator(StandardScaler().fit(h[["a"]])), Ridge()),
        )
        for k, h in enumerate(halves)
    ]
    mixture = regressor(experts).fit(X[["a"]], Y)
    for given, expert in zip(experts, mixture.experts_):
        assert expert[0] is given[1][0]
        np.testing.assert_array_equal(
            expert.predict(X[["a"]]), mixture.named_experts_[given[0]].predict(X[["a"]])
        )


@pytest.mark.parametrize("nothing", ["passthrough", None])
def test_steps_may_do_nothing(nothing):
    expert = Pipeline([("nothing", nothing), ("encoder", encoder()), ("last", Ridge())])
    plain = make_pipeline(encoder(), Ridge())
    mixture = regressor(expert).fit(X, Y)
    assert mixture.experts_[0].steps[0] == ("nothing", nothing)
    expected = regressor(plain).fit(X, Y).predict(X)
    np.testing.assert_array_equal(mixture.predict(X), expected)


def test_a_pipeline_with_a_memory_finds_the_steps_there(tmp_path, calls):
    expert = make_pipeline(Recorder(), encoder(), Ridge(), memory=str(tmp_path))
    mixture = regressor(expert).fit(X, Y)
    assert mixture.experts_[0].memory == str(tmp_path)
    regressor(expert, random_state=1).fit(X, Y)
    assert calls("fit") == [N]


def test_frames_that_steps_make_reach_the_last_one():
    steps = encoder(sparse_output=False).set_output(transform="pandas")
    mixture = regressor(make_pipeline(steps, Ridge())).fit(X, Y)
    for expert in mixture.experts_:
        names = expert[0].get_feature_names_out()
        np.testing.assert_array_equal(expert[-1].feature_names_in_, names)
        expert.predict(X)


def test_a_step_that_overwrites_its_input_leaves_the_rows_as_they_are():
    values = X[["a", "b"]].to_numpy()
    kept = values.copy()
    expert = make_pipeline(MinMaxScaler(copy=False), Ridge())
    regressor(expert).fit(values, Y)
    np.testing.assert_array_equal(values, kept)


# Predictions
# -----------


@pytest.mark.parametrize("combination", ["weighted", "argmax"])
def test_rows_go_through_the_steps_once_to_be_predicted(combination, calls):
    expert = make_pipeline(Recorder(), encoder(), Ridge())
    mixture = regressor(expert, combination=combination, extrapolation="free")
    mixture.fit(X, Y)
    alone = np.stack([expert.predict(X) for expert in mixture.experts_], axis=1)
    Recorder.calls.clear()
    found = mixture.predict(X)
    assert calls("transform") == [N]
    weights = mixture.predict_gate(X)
    if combination == "argmax":
        weights = np.eye(2)[mixture.apply(X)]
    np.testing.assert_allclose(found, (weights * alone).sum(axis=1))
    Recorder.calls.clear()
    np.testing.assert_allclose(mixture.transform(X), alone)
    assert calls("transform") == [N]


def test_rows_go_through_steps_that_differ_one_by_one():
    params = {"gate": SoftmaxGate(), "sharing": 0.1}
    expert = make_pipeline(encoder(), StandardScaler(), Ridge())
    mixture = regressor(expert, **params).fit(X, Y)
    alone = np.stack([expert.predict(X) for expert in mixture.experts_], axis=1)
    np.testing.assert_allclose(mixture.transform(X), alone)
    np.testing.assert_allclose(
        mixture.predict(X), (mixture.predict_gate(X) * alone).sum(axis=1)
    )


# What is kept
# ------------


def test_nothing_is_prepared_anew_in_another_process(calls):
    values = X[["a", "b"]].to_numpy()
    pool = ExpertPool(
        2 * [("expert", make_pipeline(Recorder(), Ridge()))],
        LocalRows(Block(values, Y, Y, np.ones(N))),
        Predictions(),
        random_state=np.random.RandomState(0),
    )
    weights = TrainingWeights(np.stack([LEFT, ~LEFT], axis=1) + 0.1, np.ones(N))
    active = np.ones(2, dtype=bool)
    expected = pool.fit(weights, active, None)[1]
    again = pickle.loads(pickle.dumps(pool)).fit(weights, active, None)[1]
    np.testing.assert_array_equal(again, expected)
    assert calls("fit") == [N]


def test_the_pipeline_of_the_user_is_not_touched():
    expert = nested(Ridge())
    before = pickle.dumps(expert)
    regressor(expert).fit(X, Y)
    assert pickle.dumps(expert) == before


def test_a_fitted_mixture_can_be_cloned_and_pickled():
    mixture = regressor(make_pipeline(encoder(), Ridge())).fit(X, Y)
    expected = mixture.predict(X)
    again = pickle.loads(pickle.dumps(mixture))
    np.testing.assert_array_equal(again.predict(X), expected)
    np.testing.assert_array_equal(clone(mixture).fit(X, Y).predict(X), expected)


def test_no_training_rows_are_pickled():
    mixture = regressor(make_pipeline(encoder(), Ridge()), max_iter=2)
    small = len(pickle.dumps(mixture.fit(X, Y)))
    many = pd.concat(20 * [X], ignore_index=True), np.tile(Y, 20)
    assert len(pickle.dumps(mixture.fit(*many))) < small + 1000


def test_a_warm_start_goes_on_from_whole_pipelines():
    params = {"warm_start": True, "max_iter": 1, "gate": SoftmaxGate(0.1), "sharing": 0}
    mixture = regressor(make_pipeline(encoder(), Ridge()), **params).fit(X, Y)
    first = mixture.objective_path_[-1]
    mixture.set_params(max_iter=4).fit(X, Y)
    assert mixture.objective_path_[-1] > first
    assert [type(expert) for expert in mixture.experts_] == 2 * [Pipeline]
    assert mixture.predict(X).shape == (N,)


def test_steps_may_make_lists():
    listed = FunctionTransformer(np.ndarray.tolist)
    values = X[["a", "b"]].to_numpy()
    found = regressor(make_pipeline(listed, Ridge())).fit(values, Y).predict(values)
    np.testing.assert_allclose(found, regressor(Ridge()).fit(values, Y).predict(values))


def test_steps_that_lose_rows_unasked_are_refused():
    expert = make_pipeline(FunctionTransformer(lambda X: X[1:]), Ridge())
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        regressor(expert).fit(X[["a", "b"]], Y)


def test_an_error_of_a_shared_step_says_which_expert_it_is_of():
    broken = make_pipeline(make_column_transformer((OneHotEncoder(), ["no"])), Ridge())
    experts = [("fine", make_pipeline(encoder(), Ridge())), ("broken", broken)]
    with pytest.raises(ValueError, match=r"not (a column|columns)") as error:
        regressor(experts).fit(X, Y)
    assert "expert 'broken'" in "".join(error.value.__notes__)


# What writes into its rows
# -------------------------


class Centre(TransformerMixin, BaseEstimator):
    """Takes weights, and so is fitted in each M-step; it writes into its rows."""

    def fit(self, X, y=None, sample_weight=None):
        self.mean_ = np.average(X, axis=0, weights=sample_weight)
        return self

    def transform(self, X):
        X -= self.mean_
        return X


class HalvingRidge(RegressorMixin, BaseEstimator):
    """A last step that writes into its rows."""

    def fit(self, X, y, sample_weight=None):
        X *= 0.5
        self.ridge_ = Ridge().fit(X, y, sample_weight)
        return self

    def predict(self, X):
        X *= 0.5
        return self.ridge_.predict(X)


@pytest.mark.parametrize(
    "rest",
    [
        [Centre(), Ridge()],
        [HalvingRidge()],
        [StandardScaler(copy=False), FunctionTransformer(np.negative), Ridge()],
    ],
    ids=["a step", "the last step", "a parameter"],
)
def test_steps_are_shared_with_nothing_that_may_write_into_its_rows(rest):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(500, 3))
    y = np.where(rows[:, 0] > 0, 3 * rows[:, 1], -2 * rows[:, 2])
    mixture = MixtureOfExpertsRegressor(
        make_pipeline(MinMaxScaler(), *rest), n_experts=2, random_state=0
    ).fit(rows, y)
    assert mixture.score(rows, y) > 0.65
    assert mixture.log_likelihood_ == pytest.approx(
        mixture.score_samples(rows, y).sum()
    )
    for expert, said in zip(mixture.experts_, mixture.transform(rows).T):
        np.testing.assert_allclose(expert.predict(rows.copy()), said)


def test_experts_are_judged_by_what_predictions_see():
    rows = np.random.default_rng(0).uniform(size=(200, 4))
    y = rows[:, 0] - rows[:, 1]
    expert = make_pipeline(NMF(2, max_iter=5, tol=0), Ridge())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mixture = regressor(expert, max_iter=5).fit(rows, y)
        likelihood = mixture.score_samples(rows, y).sum()
    assert mixture.log_likelihood_ == pytest.approx(likelihood)
