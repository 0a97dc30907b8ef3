"""Groups of rows that no fold divides: by metadata routing, to a splitter as `cv`."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    LeaveOneGroupOut,
    StratifiedGroupKFold,
    cross_val_score,
)
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_moe import (
    MixtureOfExpertsClassifier,
    MixtureOfExpertsRegressor,
    count_parameters,
)
from sklearn_moe.inspection import NumberOfExpertsDisplay, diagnose
from sklearn_moe.model_selection import select_n_experts

RNG = np.random.default_rng(0)
N = 80
GROUPS = np.arange(N) // 10
# The first column is the group, so that an expert can tell which it has seen.
X = np.column_stack([GROUPS, RNG.normal(size=(N, 2))])
Y = 3 * np.abs(X[:, 1]) + RNG.normal(0, 0.1, N)
MEDIAN = np.median(Y)
ENABLE = r"sklearn\.set_config\(enable_metadata_routing=True\)"


class Witness(RegressorMixin, BaseEstimator):
    """A line that is asked about whole groups only, whether or not it has seen them."""

    def fit(self, X, y, sample_weight=None):
        self.line_ = LinearRegression().fit(X[:, 1:], y, sample_weight)
        return self

    def predict(self, X):
        _, counts = np.unique(X[:, 0], return_counts=True)
        assert (counts == 10).all()
        return self.line_.predict(X[:, 1:])


count_parameters.register(Witness, lambda fitted: 3)


def regressor(**params):
    params = {"experts": Ridge(), "n_experts": 2, "cv": GroupKFold(4)} | params
    return MixtureOfExpertsRegressor(random_state=0, tol=0.1, **params)


def classifier(**params):
    params = {
        "experts": [
            ("line", LogisticRegression()),
            ("neighbours", KNeighborsClassifier()),
        ],
        "cv": StratifiedGroupKFold(3),
    } | params
    return MixtureOfExpertsClassifier(random_state=0, tol=0.1, **params)


def log_density(mixture):
    return mixture.score_samples(X, Y)


def by_folds(X=X, Y=Y, groups=GROUPS, **params):
    return regressor(cv=list(GroupKFold(4).split(X, Y, groups)), **params)


@pytest.fixture(autouse=True)
def metadata_routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


# Groups reach the splitter


@pytest.mark.parametrize("kind", [list, pd.Series, pl.Series, pd.Categorical])
def test_groups_divide_rows_as_the_folds_that_they_make(kind):
    mixture = regressor().fit(X, Y, groups=kind([f"g{g:02}" for g in GROUPS]))
    np.testing.assert_array_equal(
        log_density(mixture), log_density(by_folds().fit(X, Y))
    )


def test_groups_of_a_classifier_are_those_of_its_folds():
    y = np.where(Y > MEDIAN, "high", "low")
    given = classifier().fit(X, y, groups=GROUPS)
    folds = list(StratifiedGroupKFold(3).split(X, y, GROUPS))
    fixed = classifier(cv=folds).fit(X, y)
    np.testing.assert_array_equal(given.predict_proba(X), fixed.predict_proba(X))


def test_rows_of_weight_zero_have_no_group():
    weights = np.r_[np.ones(60), np.zeros(20)]
    groups = np.r_[GROUPS[:60], np.arange(20)]
    mixture = regressor().fit(X, Y, sample_weight=weights, groups=groups)
    alone = regressor().fit(X[:60], Y[:60], groups=GROUPS[:60])
    np.testing.assert_array_equal(log_density(mixture), log_density(alone))


def test_a_splitter_may_ask_for_groups_by_another_name():
    cv = GroupKFold(4).set_split_request(groups="farm")
    mixture = regressor(cv=cv).fit(X, Y, farm=GROUPS)
    np.testing.assert_array_equal(
        log_density(mixture), log_density(by_folds().fit(X, Y))
    )


def test_experts_may_ask_for_groups_as_well():
    inner = GridSearchCV(Ridge(), {"alpha": [0.1, 10]}, cv=GroupKFold(2))
    both = regressor(experts=inner, cv=GroupKFold(2)).fit(X, Y, groups=GROUPS)
    assert log_density(both).shape == (N,)
    only_experts = regressor(experts=inner, cv=None).fit(X, Y, groups=GROUPS)
    assert log_density(only_experts).shape == (N,)


def test_an_expert_may_be_called_splitter():
    experts = [("splitter", Ridge()), ("line", LinearRegression())]
    mixture = regressor(experts=experts).fit(X, Y, groups=GROUPS)
    assert list(mixture.named_experts_) == ["splitter", "line"]


# No group is divided


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"specialize": False},
        {"experts": [("one", Witness()), ("two", Witness())]},
        {"n_init": 2},
        {"calibrate": True},
        {"n_experts": "auto"},
        {"n_experts": "auto", "cv": GroupKFold(2)},
        {"assignment": "hard"},
    ],
    ids=str,
)
def test_a_fit_divides_no_group(params):
    regressor(**{"experts": Witness()} | params).fit(X, Y, groups=GROUPS)


def test_a_large_table_divides_no_group(monkeypatch):
    monkeypatch.setattr("sklearn_moe._sampled_start.MANY_ROWS", 100)
    regressor(experts=Witness(), calibrate=True).fit(X, Y, groups=GROUPS)


def test_trials_of_a_classifier_leave_out_groups_of_a_class_of_their_own(monkeypatch):
    # All rows of the rare class are of one group.
    y = np.where(GROUPS == 3, "rare", np.where(Y > MEDIAN, "high", "low"))
    seen = []
    fit = MixtureOfExpertsClassifier.fit

    def spy(self, X, y, *args, **kwargs):
        seen.append(np.unique(X[:, 0], return_counts=True)[1])
        return fit(self, X, y, *args, **kwargs)

    monkeypatch.setattr(MixtureOfExpertsClassifier, "fit", spy)
    expert = LogisticRegression()
    mixture = classifier(experts=expert, n_experts="auto", cv=GroupKFold(3))
    mixture.fit(X, y, groups=GROUPS)
    assert len(seen) > 3
    assert all((counts == 10).all() for counts in seen)


def test_for_a_warm_start_rows_of_other_groups_are_other_rows():
    mixture = regressor(warm_start=True)
    reached = [
        mixture.fit(X, Y, groups=groups)._reached_.rows
        for groups in (GROUPS, GROUPS, np.arange(N) % 8)
    ]
    assert reached[0] == reached[1] != reached[2]


# Among scikit-learn's tools


def test_groups_go_through_cross_validation():
    by_hand = []
    for train, test in GroupKFold(3).split(X, Y, GROUPS):
        own = by_folds(X[train], Y[train], GROUPS[train]).fit(X[train], Y[train])
        by_hand.append(own.score(X[test], Y[test]))
    scores = cross_val_score(
        regressor(), X, Y, cv=GroupKFold(3), params={"groups": GROUPS}
    )
    np.testing.assert_array_equal(scores, by_hand)


def test_groups_go_through_pipelines_and_searches():
    pipeline = make_pipeline(StandardScaler().set_fit_request(), regressor())
    grid = {"mixtureofexpertsregressor__n_experts": [1, 2]}
    search = GridSearchCV(pipeline, grid, cv=GroupKFold(3), error_score="raise")
    search.fit(X, Y, groups=GROUPS)
    rows = StandardScaler().fit_transform(X)
    n_experts = search.best_estimator_[-1].n_experts_
    alone = by_folds(n_experts=n_experts).fit(rows, Y)
    np.testing.assert_array_equal(search.predict(X), alone.predict(rows))


def test_folds_that_are_given_cannot_be_those_of_a_part():
    fixed = by_folds()
    fixed.fit(X, Y)
    with pytest.raises(ValueError, match=r"'cv'.*cross-validated.*group splitter"):
        cross_val_score(fixed, X, Y, error_score="raise")


@pytest.mark.parametrize(("cv", "routing"), [(3, False), (GroupKFold(3), True)])
def test_a_diagnosis_divides_no_group(cv, routing):
    mixture = regressor(experts=Witness()).fit(X, Y, groups=GROUPS)
    with sklearn.config_context(enable_metadata_routing=routing):
        diagnosis = diagnose(mixture, X, Y, cv=cv, groups=GROUPS)
    assert len(diagnosis.scores) == 3


def test_a_diagnosis_of_classes_divides_no_group():
    y = np.where(Y > MEDIAN, "high", "low")
    mixture = classifier().fit(X, y, groups=GROUPS)
    assert len(diagnose(mixture, X, y, cv=3, groups=GROUPS).scores) == 3


@pytest.mark.parametrize("routing", [False, True])
def test_the_number_of_experts_is_selected_without_dividing_a_group(routing):
    with sklearn.config_context(enable_metadata_routing=routing):
        table = select_n_experts(
            regressor(experts=Witness()), X, Y, [1, 2], cv=3, groups=GROUPS
        )
    assert np.isfinite(table["cv_log_likelihood"]).all()


def test_the_number_of_experts_in_a_pipeline_is_selected_by_groups():
    pipeline = make_pipeline(StandardScaler(), regressor())
    display = NumberOfExpertsDisplay.from_estimator(
        pipeline, X, Y, [1, 2], cv=3, groups=GROUPS
    )
    assert display.best_["cv_log_likelihood"] in (1, 2)


@pytest.mark.parametrize("see", [diagnose, select_n_experts])
def test_folds_that_would_divide_groups_are_refused(see):
    mixture = regressor().fit(X, Y, groups=GROUPS)
    with pytest.raises(ValueError, match=r"cv=KFold.*would divide the groups"):
        see(mixture, X, Y, cv=KFold(3), groups=GROUPS)
    with pytest.raises(ValueError, match=r"'groups' .*got 79 for 80 rows"):
        see(mixture, X, Y, groups=GROUPS[1:])


# What is refused


def test_without_routing_groups_are_refused_and_told_how():
    with (
        sklearn.config_context(enable_metadata_routing=False),
        pytest.raises(ValueError, match=rf"'groups'.*{ENABLE}"),
    ):
        regressor().fit(X, Y, groups=GROUPS)


@pytest.mark.parametrize("routing", [False, True])
@pytest.mark.parametrize("cv", [GroupKFold(3), LeaveOneGroupOut()])
def test_a_group_splitter_without_groups_is_told_how(cv, routing):
    with (
        sklearn.config_context(enable_metadata_routing=routing),
        pytest.raises(ValueError, match=rf"cv={cv!s:.10}.*{ENABLE}.*groups=groups"),
    ):
        regressor(cv=cv).fit(X, Y)


@pytest.mark.parametrize("cv", [None, "auto", 3, KFold(3), [([0], [1])]])
def test_groups_that_nothing_asks_for_are_refused(cv):
    with pytest.raises(TypeError, match=r"groups.*'cv' to a splitter.*GroupKFold"):
        regressor(cv=cv).fit(X, Y, groups=GROUPS)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (GROUPS[1:], "'groups' must have one element .*got 79 for 80 rows"),
        (np.where(GROUPS > 5, np.nan, GROUPS), "groups contains NaN"),
    ],
)
def test_wrong_groups_are_refused(groups, message):
    with pytest.raises(ValueError, match=message):
        regressor().fit(X, Y, groups=groups)


def test_a_stream_refuses_groups_by_name():
    from sklearn.linear_model import SGDRegressor

    with pytest.raises(TypeError, match="partial_fit takes no 'groups'"):
        regressor(experts=SGDRegressor()).partial_fit(X, Y, groups=GROUPS)
