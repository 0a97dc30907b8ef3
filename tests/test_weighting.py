"""Weights of rows get where they belong, in whatever estimator is the expert."""

import pickle

import numpy as np
import pytest
import sklearn
from _versions import BEFORE_1_9, needs
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from imblearn import FunctionSampler
from imblearn.over_sampling import SMOTE
from imblearn.pipeline import make_pipeline as make_sampling_pipeline
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    RegressorMixin,
    TransformerMixin,
    clone,
    is_classifier,
)
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingRegressor,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
    StackingRegressor,
    VotingRegressor,
)
from sklearn.feature_selection import (
    RFECV,
    SelectFromModel,
    SelectKBest,
    SequentialFeatureSelector,
    f_regression,
)
from sklearn.frozen import FrozenEstimator
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF
from sklearn.linear_model import (
    Lasso,
    LinearRegression,
    LogisticRegression,
    LogisticRegressionCV,
    Ridge,
)
from sklearn.metrics import make_scorer, r2_score
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.multioutput import MultiOutputRegressor, RegressorChain
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    PolynomialFeatures,
    StandardScaler,
    TargetEncoder,
)
from sklearn.svm import LinearSVC, NuSVC
from sklearn.tree import DecisionTreeRegressor

from sklearn_moe import (
    MixtureOfExpertsClassifier,
    MixtureOfExpertsRegressor,
    SoftmaxGate,
)
from sklearn_moe._estimators import (
    MIN_ROWS,
    MIN_ROWS_OF_CLASS,
    WeightedFit,
    seeded_clone,
    substantial_rows,
    systematic_resample,
    with_all_classes,
)

NEIGHBORS_OF = {
    MixtureOfExpertsRegressor: KNeighborsRegressor(3),
    MixtureOfExpertsClassifier: KNeighborsClassifier(3),
}
both = pytest.mark.parametrize("Mixture", NEIGHBORS_OF)
ROUTING = pytest.mark.parametrize("routing", [False, True], ids=["plain", "routing"])


@pytest.fixture(autouse=True)
def _routing(request):
    """Metadata routing as the test asks for it by its parameter `routing`."""
    params = getattr(request.node, "callspec", None)
    routing = params is not None and params.params.get("routing", False)
    with sklearn.config_context(enable_metadata_routing=routing):
        yield


def weighted_fit(estimator, X, y, weights, seed=0, **arguments):
    fitting = WeightedFit(estimator, np.random.RandomState(seed))
    return fitting.fit(X, y, weights, **arguments)


def way(estimator):
    return WeightedFit(estimator, np.random.RandomState(0)).weighting


def two_regimes(Mixture, n_samples=80):
    """Rows, targets whose rule changes at zero, and a small count for each row."""
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (n_samples, 2))
    y = np.where(X[:, 0] > 0, X[:, 1], -X[:, 1]) + 0.2 * rng.standard_normal(n_samples)
    if Mixture is MixtureOfExpertsClassifier:
        y = (y > 0).astype(int)
    return X, y, rng.integers(1, 4, n_samples)


# Which way
# ---------

RIDGE = make_pipeline(StandardScaler(), Ridge(1e-6))
NEIGHBORS = KNeighborsRegressor(2)
ONE_RIDGE = {"ridge__alpha": [1e-6, 1e-5]}
BINS = KBinsDiscretizer(2, encode="ordinal", strategy="uniform")
COLUMNS = make_column_transformer((StandardScaler(), [0]), remainder="passthrough")


class MeanOfTarget(TransformerMixin, BaseEstimator):
    """A transformer that does not tell by a tag that it learns the target."""

    def fit(self, X, y):
        self.mean_ = np.mean(y)
        return self

    def transform(self, X):
        return np.column_stack([X, np.full(len(X), self.mean_)])


class MeanOfTargetIfGiven(MeanOfTarget):
    """The same, which can do without a target."""

    def fit(self, X, y=None):
        self.mean_ = 0.0 if y is None else np.mean(y)
        return self


class Nothing(TransformerMixin, BaseEstimator):
    """A transformer that has no use for the target."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return X


def each_row_twice(X, y):
    return np.concatenate([X, X]), np.concatenate([y, y])


TWICE = make_sampling_pipeline(
    FunctionSampler(func=each_row_twice, validate=False), Ridge(1e-6)
)

WAYS = {
    "direct": {
        "estimator": Ridge(1e-6),
        "boosting by weights": AdaBoostRegressor(LinearRegression(), n_estimators=3),
        "bagging of trees": BaggingRegressor(n_estimators=3),
        "mixture": MixtureOfExpertsRegressor(n_experts=1),
        "mixture of neighbours": MixtureOfExpertsRegressor(NEIGHBORS, n_experts=1),
    },
    "routed": {
        "pipeline": RIDGE,
        "pipeline with columns": make_pipeline(COLUMNS, Ridge(1e-6)),
        "pipeline with a union": make_pipeline(
            make_union(StandardScaler(), PolynomialFeatures(2)), Ridge(1e-6)
        ),
        "pipeline with a selection": make_pipeline(
            SelectFromModel(Lasso(1e-3)), Ridge(1e-6)
        ),
        "pipeline with a selection by scores": make_pipeline(
            SequentialFeatureSelector(Ridge(1e-6), n_features_to_select=1, cv=3),
            Ridge(1e-6),
        ),
        "pipeline with a step that does not use the target": make_pipeline(
            Nothing(), Ridge(1e-6)
        ),
        "pipeline with a frozen step": make_pipeline(
            FrozenEstimator(FunctionTransformer()), Ridge(1e-6)
        ),
        "pipeline with a word for a score": make_pipeline(
            StandardScaler(),
            HistGradientBoostingRegressor(
                scoring="loss", max_iter=300, min_samples_leaf=2
            ),
        ),
        "search in a pipeline": GridSearchCV(RIDGE, ONE_RIDGE),
        "search by several scores": GridSearchCV(
            RIDGE, ONE_RIDGE, scoring=["r2", "neg_max_error"], refit="r2"
        ),
        "search by a function": GridSearchCV(
            RIDGE, ONE_RIDGE, scoring=lambda estimator, X, y: estimator.score(X, y)
        ),
        "search among estimators": GridSearchCV(
            RIDGE, {"ridge": [Ridge(1e-6), LinearRegression()]}
        ),
        "search among pipelines": GridSearchCV(
            RIDGE, [{"standardscaler": [StandardScaler(), None]}, ONE_RIDGE]
        ),
        "pipeline with a search": make_pipeline(
            StandardScaler(), GridSearchCV(Ridge(), {"alpha": [1e-6, 1e-5]})
        ),
        "transformed target": TransformedTargetRegressor(
            RIDGE, transformer=StandardScaler()
        ),
        "bagging": BaggingRegressor(Ridge(1e-6), 3),
        "bagging of pipelines": BaggingRegressor(RIDGE, 3),
        "voting": VotingRegressor(
            [("ridge", RIDGE), ("tree", DecisionTreeRegressor())]
        ),
        "stacking": StackingRegressor(
            [("ridge", RIDGE), ("lasso", Lasso(1e-3))], LinearRegression()
        ),
        "stacking by default": StackingRegressor([("ridge", RIDGE)]),
        "pipeline with a mixture": make_pipeline(
            StandardScaler(), MixtureOfExpertsRegressor(Ridge(1e-6), n_experts=1)
        ),
    },
    "steps": {
        "pipeline with boosting by weights": make_pipeline(
            StandardScaler(), AdaBoostRegressor(LinearRegression(), n_estimators=3)
        ),
    },
    "resample": {
        "pipeline with target encoding": make_pipeline(
            make_union(
                StandardScaler(),
                make_pipeline(BINS, TargetEncoder(cv=KFold(3))),
            ),
            Ridge(1e-6),
        ),
        "pipeline with a step that asks for the target": make_pipeline(
            MeanOfTarget(), Ridge(1e-6)
        ),
        "pipeline with a step that uses the target": make_pipeline(
            MeanOfTargetIfGiven(), Ridge(1e-6)
        ),
        "pipeline with a selection by a test": make_pipeline(
            SelectKBest(f_regression, k=1), Ridge(1e-6)
        ),
        "pipeline with a selection that cannot be routed": make_pipeline(
            RFECV(LinearRegression()), Ridge(1e-6)
        ),
        "pipeline with a selection before boosting by weights": make_pipeline(
            SelectFromModel(Lasso(1e-3)),
            AdaBoostRegressor(LinearRegression(), n_estimators=3),
        ),
        "pipeline with a step that adds rows": TWICE,
        "search for a pipeline with a step that adds rows": GridSearchCV(
            TWICE, ONE_RIDGE
        ),
        "neighbours": NEIGHBORS,
        "gaussian process": GaussianProcessRegressor(
            RBF(1.0), alpha=1e-6, optimizer=None
        ),
        "pipeline with neighbours": make_pipeline(StandardScaler(), NEIGHBORS),
        "search for neighbours": GridSearchCV(NEIGHBORS, {"n_neighbors": [1, 2]}),
        "search that may end with neighbours": GridSearchCV(
            RIDGE, {"ridge": [Ridge(1e-6), NEIGHBORS]}
        ),
        "voting with neighbours": VotingRegressor(
            [("ridge", RIDGE), ("neighbours", NEIGHBORS)]
        ),
        "bagging of neighbours": BaggingRegressor(NEIGHBORS, 3),
        "transformed target of neighbours": TransformedTargetRegressor(
            NEIGHBORS, transformer=StandardScaler()
        ),
    },
}
NEEDED = {
    "bagging of trees": needs("1.9", "bagging that draws rows by their weights"),
    "pipeline with target encoding": needs("1.9", "target encoding by any folds"),
}
ANY_WAY = pytest.mark.parametrize(
    ("expected", "name"),
    [
        pytest.param(way, name, marks=NEEDED.get(name, ()))
        for way in WAYS
        for name in WAYS[way]
    ],
)


def crossing_lines(n_samples=80):
    """Two lines over the same rows, far apart; and which row is on which."""
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (n_samples, 2))
    rising = np.arange(n_samples) % 2 == 0
    return X, np.where(rising, 2 + X[:, 0], -20 - X[:, 0]), rising


@ROUTING
@ANY_WAY
def test_only_rows_with_weight_are_learnt(expected, name, routing):
    X, y, rising = crossing_lines()
    estimator = WAYS[expected][name]
    # Others can be routed in older versions.
    assert way(estimator) == expected or BEFORE_1_9
    # Too heavy to be left out, too light to be felt.
    fitted = weighted_fit(estimator, X, y, np.where(rising, 1.0, 1e-7))
    error = np.abs(fitted.predict(X[rising]) - y[rising])
    assert error.max() < 0.7
    assert np.median(error) < 0.25


@ANY_WAY
def test_metadata_routing_of_the_user_changes_nothing(expected, name):
    X, y, _ = crossing_lines()
    weights = np.random.default_rng(1).uniform(size=len(X))
    estimator = WAYS[expected][name]
    plain = weighted_fit(estimator, X, y, weights).predict(X)
    with sklearn.config_context(enable_metadata_routing=True):
        routed = weighted_fit(estimator, X, y, weights).predict(X)
    np.testing.assert_array_equal(plain, routed)


# Its own score cannot be asked to be weighted.
OWN_SCORE = LogisticRegressionCV(cv=3, scoring=None)
if "use_legacy_attributes" in OWN_SCORE.get_params():
    OWN_SCORE.set_params(l1_ratios=(0,), use_legacy_attributes=False)


def test_an_expert_that_must_transform_two_targets_gets_weights():
    X, y, rising = crossing_lines()
    both = np.column_stack([y, -y])
    weights = np.where(rising, 1.0, 1e-7)
    for wrap in (MultiOutputRegressor, RegressorChain):
        fitted = weighted_fit(wrap(RIDGE), X, both, weights)
        np.testing.assert_allclose(fitted.predict(X)[rising], both[rising], atol=1e-3)


@pytest.mark.parametrize(
    "classifier",
    [
        make_pipeline(StandardScaler(), LogisticRegression()),
        make_pipeline(StandardScaler(), OWN_SCORE),
        CalibratedClassifierCV(LinearSVC()),
        CalibratedClassifierCV(KNeighborsClassifier()),
        CalibratedClassifierCV(make_pipeline(StandardScaler(), AdaBoostClassifier())),
        make_sampling_pipeline(SMOTE(), LogisticRegression()),
        GridSearchCV(LogisticRegression(), {"C": [1, 10]}, scoring="roc_auc"),
        KNeighborsClassifier(),
    ],
    ids=lambda classifier: str(classifier)[:40],
)
@ROUTING
def test_classifiers_learn_only_rows_with_weight(classifier, routing):
    X, _, rising = crossing_lines()
    right = X[:, 0] > 0
    y = np.where(rising, right, ~right)
    fitted = weighted_fit(classifier, X, y, np.where(rising, 1.0, 1e-7))
    assert np.mean(fitted.predict(X[rising]) == y[rising]) > 0.9


# Weights equal repetition
# ------------------------


@pytest.mark.parametrize(
    "estimator",
    [
        make_pipeline(StandardScaler(), Ridge(10.0)),
        make_pipeline(make_union(StandardScaler(), StandardScaler()), Ridge(10.0)),
        make_pipeline(COLUMNS, Ridge(10.0)),
        TransformedTargetRegressor(make_pipeline(StandardScaler(), LinearRegression())),
        VotingRegressor([("scaled", make_pipeline(StandardScaler(), Ridge(10.0)))]),
        make_pipeline(StandardScaler(), GridSearchCV(Ridge(), {"alpha": [10.0]})),
        GridSearchCV(make_pipeline(StandardScaler(), Ridge()), {"ridge__alpha": [10]}),
    ],
    ids=lambda estimator: str(estimator)[:40].replace("\n", ""),
)
@ROUTING
def test_a_weight_of_three_equals_the_row_three_times_in_every_step(estimator, routing):
    X, y, _ = crossing_lines()
    counts = np.random.default_rng(2).integers(1, 4, len(X))
    weighted = weighted_fit(estimator, X, y, counts.astype(float))
    rows = np.repeat(np.arange(len(X)), counts)
    repeated = clone(estimator).fit(X[rows], y[rows])
    np.testing.assert_allclose(weighted.predict(X), repeated.predict(X))


def test_the_steps_of_a_pipeline_that_cannot_be_routed_are_weighted():
    X, y, _ = crossing_lines()
    boosting = AdaBoostRegressor(LinearRegression(), n_estimators=1)
    counts = np.random.default_rng(2).integers(1, 4, len(X))
    pipeline = weighted_fit(
        make_pipeline(StandardScaler(), boosting), X, y, counts.astype(float)
    )
    repeated = StandardScaler().fit(np.repeat(X, counts, axis=0))
    np.testing.assert_allclose(pipeline[0].mean_, repeated.mean_)


@both
@ROUTING
def test_a_mixture_of_pipelines_is_that_of_the_repeated_rows(Mixture, routing):
    X, y, counts = two_regimes(Mixture)
    expert = make_pipeline(StandardScaler(), Mixture()._targets().default_expert())
    weighted = Mixture(expert, 2, init="kmeans", random_state=0)
    repeated = clone(weighted)
    weighted.fit(X, y, counts)
    repeated.fit(np.repeat(X, counts, axis=0), np.repeat(y, counts))
    np.testing.assert_allclose(weighted.transform(X), repeated.transform(X), rtol=1e-5)
    for one, other in zip(weighted.experts_, repeated.experts_):
        np.testing.assert_allclose(one[0].mean_, other[0].mean_, atol=1e-8)


# Scores that choose
# ------------------

CONSTANTS = {"constant": [0.0, 10.0]}


@ROUTING
@pytest.mark.parametrize("scoring", [None, "r2", make_scorer(r2_score), ["r2"]])
def test_a_search_chooses_by_weighted_scores(scoring, routing):
    X = np.zeros((60, 1))
    y = np.tile([0.0, 10.0, 10.0], 20) + np.arange(60) % 2
    search = GridSearchCV(
        DummyRegressor(strategy="constant", constant=0),
        CONSTANTS,
        scoring=scoring,
        refit="r2" if isinstance(scoring, list) else True,
    )
    assert clone(search).fit(X, y).best_params_ == {"constant": 10.0}
    fitted = weighted_fit(search, X, y, np.where(y < 5, 10.0, 1.0))
    assert fitted.best_params_ == {"constant": 0.0}


def test_a_scorer_that_the_user_keeps_from_weights_stays_as_it_is():
    X = np.zeros((60, 1))
    y = np.tile([0.0, 10.0, 10.0], 20) + np.arange(60) % 2
    with sklearn.config_context(enable_metadata_routing=True):
        scorer = make_scorer(r2_score).set_score_request(sample_weight=False)
    dummy = DummyRegressor(strategy="constant", constant=0)
    search = GridSearchCV(dummy, CONSTANTS, scoring=scorer)
    fitted = weighted_fit(search, X, y, np.where(y < 5, 10.0, 1.0))
    assert fitted.best_params_ == {"constant": 10.0}


# Requests of the user
# --------------------


class Recorder(RegressorMixin, BaseEstimator):
    """Keeps what its fit is given."""

    def fit(self, X, y, sample_weight=None):
        self.X_, self.y_, self.sample_weight_ = X, y, sample_weight
        return self

    def predict(self, X):
        return np.full(len(X), self.y_.mean())


class ClassRecorder(ClassifierMixin, Recorder):
    def fit(self, X, y, sample_weight=None):
        self.classes_ = np.unique(y)
        return super().fit(X, y, sample_weight)

    def predict(self, X):
        return np.full(len(X), self.classes_[0])


def requesting(estimator, **requests):
    with sklearn.config_context(enable_metadata_routing=True):
        return estimator.set_fit_request(**requests)


@ROUTING
def test_an_expert_that_the_user_keeps_from_weights_is_resampled(routing):
    X, y, rising = crossing_lines()
    expert = requesting(Recorder(), sample_weight=False)
    weights = np.where(rising, 1.0, 0.0)
    for estimator in (expert, make_pipeline(StandardScaler(), expert)):
        assert way(estimator) == "resample"
        fitted = weighted_fit(estimator, X, y, weights)
        recorder = fitted if estimator is expert else fitted[-1]
        assert recorder.sample_weight_ is None
        np.testing.assert_array_equal(recorder.y_, y[rising])


@ROUTING
def test_a_meta_estimator_that_the_user_keeps_from_weights_is_resampled(routing):
    bagging = requesting(BaggingRegressor(Ridge()), sample_weight=False)
    assert way(bagging) == "resample"
    assert way(make_pipeline(StandardScaler(), bagging)) == "resample"


@ROUTING
def test_a_step_that_the_user_keeps_from_weights_is_not_weighted(routing):
    X, y, _ = crossing_lines()
    scaler = requesting(StandardScaler(), sample_weight=False)
    weights = np.random.default_rng(0).uniform(size=len(X))
    for last in (Ridge(), AdaBoostRegressor(n_estimators=1)):
        fitted = weighted_fit(make_pipeline(scaler, last), X, y, weights)
        np.testing.assert_allclose(fitted[0].mean_, X.mean(axis=0))
    plain = weighted_fit(make_pipeline(StandardScaler(), Ridge()), X, y, weights)
    assert np.abs(plain[0].mean_ - X.mean(axis=0)).max() > 0.01


def test_the_estimator_of_the_user_is_left_as_it_is():
    estimator = GridSearchCV(RIDGE, {"ridge": [Ridge(1e-6)]}, scoring="r2")
    before = sorted(map(str, estimator.get_params(deep=True).items()))
    WeightedFit(estimator, np.random.RandomState(0))
    assert sorted(map(str, estimator.get_params(deep=True).items())) == before
    candidate = estimator.param_grid["ridge"][0]
    for part in (estimator, RIDGE[0], RIDGE[1], candidate):
        assert "_metadata_request" not in vars(part)


# Seeds
# -----


def test_every_open_random_state_is_drawn():
    frozen = FrozenEstimator(RandomForestRegressor(2))
    estimator = GridSearchCV(
        make_pipeline(frozen, BaggingRegressor(DecisionTreeRegressor(random_state=5))),
        {"baggingregressor": [RandomForestRegressor()]},
    )
    one, other = (seeded_clone(estimator, np.random.RandomState(0)) for _ in range(2))
    bagging, [forest] = one.estimator[-1], one.param_grid["baggingregressor"]
    assert isinstance(bagging.random_state, int)
    assert isinstance(forest.random_state, int)
    assert forest.random_state != bagging.random_state
    assert bagging.random_state == other.estimator[-1].random_state
    assert bagging.estimator.random_state == 5
    assert frozen.estimator.random_state is None


# Systematic resampling
# ---------------------

WEIGHTS = arrays(
    float,
    st.integers(1, 40),
    elements=st.one_of(st.just(0.0), st.floats(1e-12, 1e12), st.integers(1, 3)),
).filter(np.any)
OFFSETS = st.floats(0, 1, exclude_max=True)


def resample(weights, offset):
    """As many rows as there are."""
    return systematic_resample(weights, offset, weights.mean())


@given(weights=WEIGHTS, offset=OFFSETS, unit=st.floats(0.1, 10))
@settings(max_examples=100)
def test_each_row_is_drawn_as_often_as_its_weight_asks_for(weights, offset, unit):
    unit *= weights.mean()
    rows = systematic_resample(weights, offset, unit)
    expected = weights / weights.sum() * len(rows)
    copies = np.bincount(rows, minlength=len(weights))
    assert (copies >= np.floor(expected - 1e-9)).all()
    assert (copies <= np.ceil(expected + 1e-9)).all()


@given(weights=WEIGHTS, offset=OFFSETS, unit=st.floats(0.1, 10))
@settings(max_examples=100)
def test_a_resample_is_as_large_as_the_weights(weights, offset, unit):
    unit *= weights.mean()
    rows = systematic_resample(weights, offset, unit)
    fewest = min(MIN_ROWS, len(weights))
    assert len(rows) == max(round(weights.sum() / unit), fewest)


@given(weights=WEIGHTS, offset=OFFSETS)
@settings(max_examples=100)
def test_a_row_without_weight_is_never_drawn(weights, offset):
    assert (weights[resample(weights, offset)] > 0).all()


@given(weights=WEIGHTS, offset=OFFSETS)
@settings(max_examples=100)
def test_a_resample_depends_on_weights_and_offset_alone(weights, offset):
    first, second = (resample(weights, offset) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_over_all_offsets_rows_are_drawn_in_proportion():
    weights = np.random.default_rng(0).uniform(size=20)
    offsets = (np.arange(1000) + 0.5) / 1000
    drawn = np.concatenate([systematic_resample(weights, o, 0.5) for o in offsets])
    np.testing.assert_allclose(
        np.bincount(drawn) / len(drawn), weights / weights.sum(), atol=1e-4
    )


@pytest.mark.parametrize("unit", [1e-300, 1e300])
def test_the_unit_of_the_weights_does_not_change_the_resample(unit):
    weights = np.random.default_rng(0).uniform(size=20)
    np.testing.assert_array_equal(
        systematic_resample(weights, 0.3, 0.5),
        systematic_resample(unit * weights, 0.3, unit * 0.5),
    )


def test_equal_weights_draw_each_row_once():
    rows = systematic_resample(np.full(30, 0.1), 0.5, 0.1)
    np.testing.assert_array_equal(rows, np.arange(30))


@both
def test_experts_that_are_resampled_are_reproducible(Mixture):
    X, y, _ = two_regimes(Mixture)
    mixture = Mixture(
        NEIGHBORS_OF[Mixture], 2, gate=SoftmaxGate(1e-3), sharing=0.05, random_state=0
    )
    first, second = (clone(mixture).fit(X, y).transform(X) for _ in range(2))
    other = mixture.set_params(random_state=1).fit(X, y).transform(X)
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()


# Which rows a fit is given
# -------------------------


@given(
    weights=WEIGHTS,
    labels=st.lists(st.integers(0, 3), min_size=40, max_size=40).map(np.array),
)
@settings(max_examples=100)
def test_a_resample_of_classes_holds_some_rows_of_each(weights, labels):
    labels = labels[: len(weights)]
    drawn = resample(weights, 0.5)
    rows = with_all_classes(drawn, weights, labels)
    for label in np.unique(labels):
        members = labels == label
        n_held = np.count_nonzero(np.isin(np.flatnonzero(members), rows))
        assert n_held >= min(MIN_ROWS_OF_CLASS, members.sum())
    copies = (np.bincount(r, minlength=len(weights)) for r in (rows, drawn))
    assert np.isin(np.subtract(*copies), [0, 1]).all()


@given(weights=WEIGHTS)
@settings(max_examples=100)
def test_the_substantial_rows_are_all_but_the_negligible(weights):
    rows = substantial_rows(weights)
    negligible = weights <= 1e-10 * weights.max()
    assert set(np.flatnonzero(~negligible)) <= set(rows)
    assert len(rows) == max(np.count_nonzero(~negligible), min(MIN_ROWS, len(weights)))
    left_out = np.delete(weights, rows)
    assert left_out.max(initial=0) <= weights[rows].min()


def test_negligible_rows_are_not_passed_to_fit():
    X, y, rising = crossing_lines()
    for negligible in (0.0, 1e-12):
        expert = weighted_fit(Recorder(), X, y, np.where(rising, 2.0, negligible))
        np.testing.assert_array_equal(expert.X_, X[rising])
        np.testing.assert_array_equal(expert.y_, y[rising])
        np.testing.assert_array_equal(expert.sample_weight_, 2.0)


def test_an_expert_that_has_lost_its_rows_is_fitted_to_the_heaviest_all_the_same():
    X, y, _ = crossing_lines()
    weights = np.where(np.arange(len(X)) == 7, 1.0, 1e-12 * np.arange(len(X)))
    expert = weighted_fit(Recorder(), X, y, weights)
    heaviest = [7, *range(len(X) - MIN_ROWS + 1, len(X))]
    np.testing.assert_array_equal(expert.y_, y[heaviest])
    assert (expert.sample_weight_ > 0).all()


def test_an_expert_without_any_weight_is_fitted_to_all_rows_alike():
    X, y, _ = crossing_lines()
    expert = weighted_fit(Recorder(), X, y, np.zeros(len(X)))
    np.testing.assert_array_equal(expert.X_, X)
    assert expert.sample_weight_ is None


def test_weights_of_one_are_not_handed_over():
    X, y, rising = crossing_lines()
    for estimator in (Recorder(), make_pipeline(StandardScaler(), Recorder())):
        expert = weighted_fit(estimator, X, y, np.where(rising, 1.0, 0.0))
        recorder = expert if isinstance(expert, Recorder) else expert[-1]
        assert recorder.sample_weight_ is None
        np.testing.assert_array_equal(recorder.y_, y[rising])


def test_equal_weights_other_than_one_are_handed_over():
    X, y, rising = crossing_lines()
    expert = weighted_fit(Recorder(), X, y, np.where(rising, 0.5, 0.0))
    np.testing.assert_array_equal(expert.sample_weight_, 0.5)


def test_all_classes_stay_known_where_their_rows_are_negligible():
    X, _, rising = crossing_lines()
    y = np.where(rising, "a", np.where(X[:, 0] > 0, "b", "c"))
    weights = np.where(rising, 1.0, 0.0)
    expert = weighted_fit(ClassRecorder(), X, y, weights)
    assert expert.classes_.tolist() == ["a", "b", "c"]
    assert [np.sum(expert.y_ == label) for label in "abc"] == [40, MIN_ROWS, MIN_ROWS]
    strangers = expert.sample_weight_[expert.y_ != "a"]
    assert (strangers > 0).all()
    assert (strangers <= 1e-10).all()
    np.testing.assert_array_equal(expert.sample_weight_[expert.y_ == "a"], 1.0)


def test_all_classes_stay_known_to_classifiers_that_are_resampled():
    X, _, rising = crossing_lines()
    y = np.where(rising, "a", np.where(X[:, 0] > 0, "b", "c"))
    expert = weighted_fit(KNeighborsClassifier(), X, y, np.where(rising, 1.0, 0.0))
    assert expert.classes_.tolist() == ["a", "b", "c"]


@pytest.mark.parametrize(
    "classifier", [LogisticRegression(), LinearSVC(), KNeighborsClassifier()]
)
def test_an_expert_that_sees_one_class_only_is_sure_of_it(classifier):
    X, _, rising = crossing_lines()
    y = np.where(rising, "a", "b")
    expert = weighted_fit(
        classifier, X, y, np.ones(len(X)), rows=np.flatnonzero(rising)
    )
    assert set(expert.predict(X)) == {"a"}
    np.testing.assert_array_equal(expert.predict_proba(X), 1)


@pytest.mark.parametrize(
    "classifier", [LogisticRegression(), LinearSVC(), KNeighborsClassifier()]
)
def test_folds_of_one_class_do_not_stop_the_mixture(classifier):
    X, y, _ = two_regimes(MixtureOfExpertsClassifier)
    zero, one = np.flatnonzero(y == 0), np.flatnonzero(y == 1)
    mixture = MixtureOfExpertsClassifier(
        [("first", classifier), ("second", clone(classifier))],
        specialize=True,
        cv=[(zero, one), (one, zero)],
        random_state=0,
    ).fit(X, y)
    assert [expert.classes_.tolist() for expert in mixture.experts_] == [[0, 1]] * 2
    np.testing.assert_allclose(mixture.predict_proba(X).sum(axis=1), 1)


@pytest.mark.parametrize("k_neighbors", [5, 15])
def test_a_step_that_looks_for_neighbours_in_each_class_has_enough_of_each(k_neighbors):
    X, y, _ = two_regimes(MixtureOfExpertsClassifier)
    weights = np.where(y == 1, 1.0, 1e-7)
    sampled = make_sampling_pipeline(
        SMOTE(k_neighbors=k_neighbors), LogisticRegression()
    )
    assert len(weighted_fit(sampled, X, y, weights).classes_) == 2


@pytest.mark.parametrize("n_neighbors", [5, 25])
def test_neighbours_are_fitted_to_the_few_rows_of_an_expert(n_neighbors):
    X, y, _ = two_regimes(MixtureOfExpertsRegressor)
    weights = np.zeros(len(y))
    weights[:2] = 1.0
    fitted = weighted_fit(KNeighborsRegressor(n_neighbors), X, y, weights)
    predicted = fitted.predict(X)
    assert y[:2].min() <= predicted.min() <= predicted.max() <= y[:2].max()


def test_a_share_of_support_vectors_that_no_expert_can_have_is_explained():
    X, y, _ = two_regimes(MixtureOfExpertsClassifier)
    weights = np.where(y == 1, 1.0, 0.01)
    with pytest.raises(ValueError, match="infeasible") as caught:
        weighted_fit(NuSVC(nu=0.5), X, y, weights)
    assert "smaller nu" in caught.value.__notes__[0]


# Classifiers that demand the labels 0, 1, ...
# --------------------------------------------


class OnlyCodes(ClassifierMixin, BaseEstimator):
    """A logistic regression that refuses other labels than 0, 1, ..."""

    def __init__(self, objective="binary", C=1.0):
        self.objective = objective
        self.C = C

    def fit(self, X, y, sample_weight=None):
        n_classes = len(np.unique(y))
        if not np.array_equal(np.unique(y), np.arange(n_classes)):
            raise ValueError("labels")
        if self.C < 0:
            raise ValueError("C must not be negative")
        if n_classes == 2 and self.objective != "binary":
            raise ValueError("two are not many")
        logistic = LogisticRegression(C=self.C).fit(X, y, sample_weight)
        self.coef_, self.classes_ = logistic.coef_, logistic.classes_
        self.logistic_ = logistic
        return self

    def predict(self, X):
        return self.logistic_.predict(X)

    def predict_proba(self, X):
        return self.logistic_.predict_proba(X)


def of_names(names):
    """Rows, a label for each out of some names, and weights."""
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (90, 2))
    y = np.array(names)[np.digitize(X[:, 0], np.linspace(-1, 1, len(names) + 1)[1:-1])]
    return X, y, rng.uniform(0.5, 1, 90)


NESTED_CODES = pytest.mark.parametrize(
    "classifier",
    [
        OnlyCodes(),
        make_pipeline(StandardScaler(), OnlyCodes()),
        GridSearchCV(OnlyCodes(), {"C": [1.0]}, cv=2),
        CalibratedClassifierCV(OnlyCodes(), cv=2),
    ],
    ids=lambda classifier: str(classifier)[:20],
)


@NESTED_CODES
@pytest.mark.parametrize("names", [["no", "yes"], [0, 2], [-1, 5, 9]], ids=str)
def test_a_classifier_that_demands_codes_learns_any_labels(classifier, names):
    X, y, weights = of_names(names)
    fitted = weighted_fit(classifier, X, y, weights)
    codes = np.unique(y, return_inverse=True)[1]
    expected = weighted_fit(classifier, X, codes, weights)
    np.testing.assert_array_equal(fitted.classes_, names)
    np.testing.assert_array_equal(
        fitted.predict(X), np.array(names)[expected.predict(X)]
    )
    np.testing.assert_array_equal(fitted.predict_proba(X), expected.predict_proba(X))


def test_a_classifier_that_has_its_codes_is_fitted_as_it_is():
    X, y, weights = of_names([0, 1])
    assert type(weighted_fit(OnlyCodes(), X, y, weights)) is OnlyCodes


def test_an_objective_for_more_classes_is_the_default_for_two():
    X, y, weights = of_names([0, 1])
    fitted = weighted_fit(OnlyCodes("multi:softprob"), X, y, weights)
    assert fitted.score(X, y) > 0.9


def test_what_a_classifier_of_codes_knows_is_to_be_seen():
    X, y, weights = of_names(["no", "yes"])
    fitted = weighted_fit(OnlyCodes(), X, y, weights)
    assert fitted.coef_.shape == (1, 2)
    assert not hasattr(fitted, "feature_importances_")
    assert is_classifier(clone(fitted))
    copied = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(copied.predict(X), fitted.predict(X))


def test_an_error_that_is_not_about_labels_is_the_one_that_is_raised():
    X, y, weights = of_names(["no", "yes"])
    with pytest.raises(ValueError, match="C must not be negative"):
        weighted_fit(OnlyCodes(C=-1.0), X, y, weights)


def test_classifiers_of_scikit_learn_are_not_tried_twice():
    X, y, weights = of_names(["no", "yes"])
    # It would be fitted to codes without an error, and mean the wrong class.
    with pytest.raises(ValueError, match="class_weight"):
        weighted_fit(LogisticRegression(class_weight={0: 1, 1: 5}), X, y, weights)


def test_a_resampled_expert_without_any_weight_has_learnt_from_no_row_in_particular():
    fitter = WeightedFit(KNeighborsRegressor(), np.random.RandomState(0))
    nothing = np.zeros(20)
    np.testing.assert_array_equal(fitter.learnt_weights(nothing, nothing, 1.0), nothing)
