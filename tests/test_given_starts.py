"""Starts that are given: a column, a function of the rows, or an argument of fit."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, Ridge, SGDRegressor
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    StratifiedKFold,
    cross_val_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_moe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor, dask
from sklearn_moe.inspection import diagnose

RNG = np.random.default_rng(0)
FRAME = pd.DataFrame({"x": RNG.uniform(-2, 2, 120), "site": RNG.integers(0, 2, 120)})
X = FRAME.to_numpy()
SITE = np.where(FRAME["site"] == 1, "north", "south")
# Two rules, that of the north first, where names are sorted.
Y = np.where(SITE == "north", 2, -2) * X[:, 0] + RNG.normal(0, 0.1, 120)


def regressor(**params):
    params = {"experts": Ridge(), "n_experts": 2, "sharing": 0, "tol": 1e-2} | params
    return MixtureOfExpertsRegressor(random_state=0, **params)


def classifier(**params):
    params = {"experts": LogisticRegression(), "n_experts": 2, "tol": 1e-2} | params
    return MixtureOfExpertsClassifier(random_state=0, **params)


def site_of_rows(X):
    return np.asarray(X)[:, 1]


def log_density(mixture, X=FRAME):
    return mixture.score_samples(X, Y)


def slopes(mixture):
    return [float(expert.coef_[0].round()) for expert in mixture.experts_]


@pytest.fixture
def metadata_routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


# What is given is what labels in an array are


@pytest.mark.parametrize("make", [regressor, classifier])
@pytest.mark.parametrize("init", ["site", site_of_rows])
def test_a_column_or_a_function_is_what_its_labels_are(make, init):
    y = Y if make is regressor else Y > 0
    by_labels = make(init=FRAME["site"]).fit(FRAME, y)
    given = make(init=init).fit(FRAME, y)
    np.testing.assert_array_equal(
        given.score_samples(FRAME, y), by_labels.score_samples(FRAME, y)
    )


@pytest.mark.parametrize("make", [regressor, classifier])
def test_start_is_what_init_is_and_goes_before_it(make):
    y = Y if make is regressor else Y > 0
    by_init = make(init=SITE).fit(X, y)
    by_start = make(init=np.roll(SITE, 1)).fit(X, y, start=SITE)
    np.testing.assert_array_equal(
        by_start.score_samples(X, y), by_init.score_samples(X, y)
    )


def test_experts_stand_in_the_order_of_the_labels():
    assert slopes(regressor().fit(X, Y, start=SITE)) == [2, -2]
    assert slopes(regressor().fit(X, Y, start=SITE == "north")) == [-2, 2]
    assert slopes(regressor(init="site").fit(FRAME, Y)) == [-2, 2]
    assert slopes(regressor(init=lambda X: X[:, 1] == 0).fit(X, Y)) == [2, -2]


@pytest.mark.parametrize("kind", [list, pd.Series, pl.Series, pd.Categorical])
def test_labels_may_be_of_any_kind(kind):
    by_array = regressor().fit(X, Y, start=SITE)
    mixture = regressor().fit(X, Y, start=kind(SITE))
    np.testing.assert_array_equal(log_density(mixture, X), log_density(by_array, X))


@pytest.mark.parametrize(
    "column",
    [
        pd.Series(SITE),
        pd.Series(SITE, dtype="category"),
        pd.Series(SITE, dtype="string"),
        pd.Series(SITE == "south"),
        pd.Series(SITE == "south", dtype="boolean"),
        pd.Series(SITE == "south", dtype="Int64"),
        pl.Series(SITE),
        pl.Series(SITE, dtype=pl.Categorical),
        pl.Series(SITE == "south"),
    ],
    ids=lambda column: f"{type(column).__module__.split('.')[0]} {column.dtype}",
)
def test_a_column_of_labels_may_be_of_any_kind(column):
    library = pd if isinstance(column, pd.Series) else pl
    frame = library.DataFrame({"x": X[:, 0], "where": column})
    expert = make_pipeline(FirstColumn(), Ridge())
    mixture = regressor(experts=expert, init="where").fit(frame, Y)
    assert [float(own[-1].coef_[0].round()) for own in mixture.experts_] == [2, -2]


class FirstColumn(StandardScaler):
    """The only column that Ridge can read."""

    def fit(self, X, y=None):
        return super().fit(np.asarray(X[["x"]]))

    def transform(self, X):
        return np.asarray(X[["x"]])


def test_responsibilities_are_taken_as_they_are():
    soft = np.where(SITE[:, np.newaxis] == "north", [0.9, 0.1], [0.1, 0.9])
    by_init = regressor(init=soft).fit(X, Y)
    for mixture in (
        regressor().fit(X, Y, start=soft),
        regressor(init=lambda X: np.where(X[:, [1]] == 1, [0.9, 0.1], [0.1, 0.9])).fit(
            X, Y
        ),
    ):
        np.testing.assert_array_equal(log_density(mixture, X), log_density(by_init, X))


def test_the_function_cannot_change_the_rows():
    def greedy(X):
        labels = X["site"].to_numpy(copy=True)
        X["x"] = 0.0
        return labels

    frame = FRAME.copy()
    regressor(init=greedy).fit(frame, Y)
    pd.testing.assert_frame_equal(frame, FRAME)


# Rows, weights and other ways of fitting


def test_rows_of_weight_zero_have_no_label():
    weights = np.r_[np.ones(100), np.zeros(20)]
    seen = []

    def labels(X):
        seen.append(len(X))
        return X["site"]

    third = np.r_[SITE[:100], np.full(20, "nowhere")]
    expected = log_density(regressor().fit(FRAME[:100], Y[:100], start=SITE[:100]))
    for mixture, own in (
        (regressor(), {"start": third}),
        (regressor(init=lambda X: 1 - labels(X)), {}),
    ):
        mixture.fit(FRAME, Y, sample_weight=weights, **own)
        np.testing.assert_allclose(log_density(mixture), expected, rtol=1e-9)
    assert seen == [100]


def test_the_other_starts_follow_what_is_given():
    three = regressor(n_init=3).fit(X, Y, start=SITE)
    assert len(three.objective_paths_) == 3
    alone = regressor().fit(X, Y, start=SITE)
    np.testing.assert_array_equal(three.objective_paths_[0], alone.objective_paths_[0])
    tree = regressor(n_init=2).fit(X, Y).objective_paths_[0]
    np.testing.assert_array_equal(three.objective_paths_[1], tree)


def test_a_warm_start_goes_on_from_a_fit_that_was_given_its_start():
    mixture = regressor(init="site", warm_start=True, max_iter=30).fit(FRAME, Y)
    reached = mixture.log_likelihood_
    assert mixture.fit(FRAME, Y).log_likelihood_ >= reached
    with pytest.raises(ValueError, match=r"'start'.*warm_start=True.*Leave 'start'"):
        mixture.fit(FRAME, Y, start=SITE)
    assert mixture.log_likelihood_ >= reached


@pytest.mark.parametrize("init", ["site", site_of_rows, SITE])
def test_a_start_for_one_number_of_experts_chooses_none(init):
    with pytest.raises(ValueError, match=r"tries several numbers of experts.*'init'"):
        regressor(n_experts="auto", init=init).fit(FRAME, Y)


def test_an_argument_for_one_number_of_experts_chooses_none():
    with pytest.raises(ValueError, match=r"tries several numbers of experts.*'start'"):
        regressor(n_experts="auto").fit(FRAME, Y, start=SITE)


def test_a_stream_begins_with_a_column_or_a_function():
    expert = SGDRegressor(random_state=0)
    for init in ("site", site_of_rows):
        online = regressor(experts=expert, init=init).partial_fit(FRAME, Y)
        assert slopes(online) == [-2, 2]


@pytest.mark.parametrize("routing", [False, True])
def test_a_stream_refuses_start_by_name(routing):
    online = regressor(experts=SGDRegressor(), init="site")
    with (
        sklearn.config_context(enable_metadata_routing=routing),
        pytest.raises((TypeError, ValueError), match=r"'start'.*'init'"),
    ):
        online.partial_fit(FRAME, Y, start=SITE)


@pytest.mark.parametrize("init", ["site", site_of_rows, SITE])
def test_dask_collections_refuse_what_is_given_for_each_row(init):
    over_dask = dask.MixtureOfExpertsRegressor(n_experts=2, init=init)
    with pytest.raises(ValueError, match="The 'init' parameter"):
        over_dask.fit(X, Y)
    with pytest.raises(TypeError, match="'start'"):
        over_dask.set_params(init="tree").fit(X, Y, start=SITE)


def test_all_rows_of_a_large_table_begin_as_they_are_told(monkeypatch):
    monkeypatch.setattr("sklearn_moe._sampled_start.MANY_ROWS", 100)
    for init, own in (("site", {}), ("tree", {"start": SITE})):
        large = regressor(init=init).fit(FRAME, Y, **own)
        with monkeypatch.context() as patch:
            patch.setattr("sklearn_moe._sampled_start.MANY_ROWS", 1000)
            expected = regressor(init=init).fit(FRAME, Y, **own)
        np.testing.assert_array_equal(log_density(large), log_density(expected))


# Cross-validation


@pytest.mark.parametrize("init", ["site", site_of_rows])
def test_a_column_and_a_function_go_through_folds_and_searches(init):
    mixture = regressor(init=init)
    by_hand = []
    for train, test in KFold(3).split(X):
        own = regressor(init=X[train, 1]).fit(FRAME.iloc[train], Y[train])
        by_hand.append(own.score(FRAME.iloc[test], Y[test]))
    scores = cross_val_score(mixture, FRAME, Y, cv=KFold(3), error_score="raise")
    np.testing.assert_array_equal(scores, by_hand)
    search = GridSearchCV(mixture, {"init": ["tree", init]}, cv=3, error_score="raise")
    assert search.fit(FRAME, Y).cv_results_["split0_test_score"][1] == by_hand[0]


def test_a_column_is_found_behind_steps_that_return_frames():
    pipeline = make_pipeline(StandardScaler(), regressor(init="site"))
    with pytest.raises(ValueError, match=r"'init'.*got 'site'.*X is no frame"):
        pipeline.fit(FRAME, Y)
    pipeline.set_output(transform="pandas").fit(FRAME, Y)
    assert slopes(pipeline[-1]) == [-2, 2]


@pytest.mark.parametrize("as_given", [pd.Series, pd.DataFrame])
def test_the_rows_of_a_fold_are_told_by_the_index_of_a_series(as_given):
    index = pd.Index(np.arange(len(X)) * 3)
    init = pd.Series(SITE, index)
    if as_given is pd.DataFrame:
        init = pd.get_dummies(init, dtype=float)
    rows, folds = FRAME.set_index(index), KFold(4, shuffle=True, random_state=0)
    expected = [
        regressor(init=np.asarray(init)[train])
        .fit(X[train], Y[train])
        .score(X[test], Y[test])
        for train, test in folds.split(X)
    ]
    scores = cross_val_score(regressor(init=init), rows, Y, cv=folds)
    np.testing.assert_allclose(scores, expected)


@pytest.mark.usefixtures("metadata_routing")
def test_start_is_routed_through_folds_searches_and_pipelines():
    mixture = regressor().set_fit_request(start=True)
    by_hand = []
    for train, test in KFold(3).split(X):
        own = regressor().fit(X[train], Y[train], start=SITE[train])
        by_hand.append(own.score(X[test], Y[test]))
    params = {"start": SITE}
    scores = cross_val_score(mixture, X, Y, params=params, cv=KFold(3))
    np.testing.assert_array_equal(scores, by_hand)
    search = GridSearchCV(mixture, {"n_init": [1]}, cv=KFold(3), error_score="raise")
    assert search.fit(X, Y, **params).best_score_ == np.mean(by_hand)
    assert slopes(search.best_estimator_) == [2, -2]
    pipeline = make_pipeline(StandardScaler(), mixture).fit(X, Y, **params)
    assert slopes(pipeline[-1]) == [2, -2]


def test_a_pipeline_passes_start_by_the_name_of_its_step():
    pipeline = make_pipeline(StandardScaler(), regressor())
    pipeline.fit(X, Y, mixtureofexpertsregressor__start=SITE)
    assert slopes(pipeline[-1]) == [2, -2]


def test_a_fold_without_a_label_is_refused_and_told_what_to_do():
    rows = np.flatnonzero(SITE == "north")
    with pytest.raises(ValueError, match=r"got 1 groups for 2.*fold.*StratifiedKFold"):
        regressor().fit(X[rows], Y[rows], start=SITE[rows])
    by_site = StratifiedKFold(3).split(X, SITE)
    ordered = np.argsort(SITE)
    scores = cross_val_score(regressor(init="site"), FRAME.iloc[ordered], Y, cv=by_site)
    assert np.isfinite(scores).all()


def test_an_array_that_cannot_be_cut_into_folds_is_told_what_can():
    with pytest.raises(ValueError, match=r"'init'.*the name of a column.*'start'"):
        cross_val_score(regressor(init=SITE), X, Y, error_score="raise")


@pytest.mark.parametrize("init", ["site", site_of_rows, SITE])
def test_the_diagnosis_begins_each_fold_as_the_mixture_began(init):
    mixture = regressor(init=init).fit(FRAME, Y)
    assert diagnose(mixture, FRAME, Y, cv=3).scores.shape == (3,)


@pytest.mark.parametrize("init", ["site", site_of_rows])
def test_a_mixture_is_cloned_and_pickled_with_its_start(init):
    mixture = clone(regressor(init=init)).fit(FRAME, Y)
    copied = pickle.loads(pickle.dumps(mixture))
    np.testing.assert_array_equal(log_density(copied), log_density(mixture))


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_starts_in_parallel_may_be_given_by_a_function(n_jobs):
    mixture = regressor(init=lambda X: X[:, 1] == 0, n_init=2, n_jobs=n_jobs)
    assert slopes(mixture.fit(X, Y)) == [2, -2]


# What is refused


@pytest.mark.parametrize(
    ("start", "message"),
    [
        (SITE[:100], r"'start' array .*got shape \(100,\) for 120 rows"),
        (np.zeros((120, 2, 1)), r"'start' array .*got shape \(120, 2, 1\)"),
        (np.full((120, 3), 1 / 3), r"'start' responsibilities .*got \(120, 3\)"),
        (np.full((120, 2), 0.4), "'start' responsibilities must sum to one"),
        (np.where(X[:, :1] > -9, [1, 0], 0), r"'start' .*leave experts \[1\] without"),
        (np.where(X[:, 1] == 1, np.nan, 1), "start contains NaN"),
        (np.zeros(120), "'start' labels .*got 1 groups for 2 experts"),
        (np.arange(120) % 3, "'start' labels .*got 3 groups for 2 experts.$"),
    ],
)
def test_a_wrong_start_is_refused(start, message):
    with pytest.raises(ValueError, match=message):
        regressor().fit(X, Y, start=start)


def test_labels_that_are_missing_are_refused():
    labels = np.where(SITE == "north", None, SITE)
    with pytest.raises((TypeError, ValueError), match=r"'start' labels .*missing"):
        regressor().fit(X, Y, start=labels)
    for missing in (None, np.nan, pd.NA):
        frame = FRAME.assign(where=pd.Series(SITE, dtype=object))
        frame.loc[3, "where"] = missing
        with pytest.raises((TypeError, ValueError), match=r"init|column 'where'"):
            regressor(init="where").fit(frame, Y)


@pytest.mark.parametrize(
    ("init", "message"),
    [
        ("place", r"'init' .*got 'place', and the columns are \['x', 'site'\]"),
        (lambda X: X[:3], r"'init' array .*for 120 rows"),
        (lambda X: np.zeros(len(X)), "'init' labels .*got 1 groups"),
        (lambda X: None, "function given as 'init'"),
    ],
)
def test_a_wrong_column_or_function_is_refused(init, message):
    mixture = regressor(init=init)
    with pytest.raises((TypeError, ValueError), match=message):
        mixture.fit(FRAME, Y)
    assert not hasattr(mixture, "experts_")


def test_an_error_names_the_column_that_it_is_about():
    with pytest.raises(ValueError, match="the column 'x', which 'init' names") as info:
        regressor(init="x").fit(FRAME, Y)
    assert "got 120 groups for 2 experts" in str(info.value)


def test_an_error_of_a_function_says_whose_it_is():
    def wrong(X):
        raise KeyError("site")

    with pytest.raises(KeyError, match="the function given as 'init'"):
        regressor(init=wrong).fit(X, Y)
