"""Early stopping by rows of the user's own, which reach experts by metadata routing."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from _versions import needs
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import has_fit_parameter
from xgboost import XGBClassifier, XGBRegressor

from sklearn_moe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor

pytestmark = pytest.mark.filterwarnings(
    "ignore:Experts .* lost their rows:UserWarning",
    "ignore:EM did not converge",
    # Of LightGBM, which will have eval_X and eval_y alone.
    "ignore:The argument 'eval_set' is deprecated",
)
RNG = np.random.default_rng(0)
MOST = 40


def rows(n):
    X = RNG.normal(size=(n, 2))
    return X, np.abs(X[:, 0]) + 0.3 * RNG.normal(size=n)


X, Y = rows(80)
NEW, Y_NEW = rows(40)
# What these rows say of the target is the opposite: no tree is of any use.
OPPOSITE = Y.mean() - 10 * (Y_NEW - Y.mean())


def labels(y):
    return np.where(y > 0.7, "high", "low")


LIGHT = {"n_estimators": MOST, "early_stopping_round": 2, "num_leaves": 4}
LIGHT |= {"min_child_samples": 5, "verbose": -1, "n_jobs": 1}
XG = {"n_estimators": MOST, "early_stopping_rounds": 2, "max_depth": 2, "n_jobs": 1}
HIST = {"max_iter": MOST, "early_stopping": True, "n_iter_no_change": 2}
HIST |= {"max_leaf_nodes": 4, "min_samples_leaf": 5}


def asking(booster, *names):
    """Have a booster ask for arguments that its version knows."""
    known = [name for name in names if has_fit_parameter(booster, name)]
    with sklearn.config_context(enable_metadata_routing=True):
        return booster.set_fit_request(**dict.fromkeys(known, True))


HAS_X_VAL = needs("1.7", "rows for validation in HistGradientBoosting")


def light(kind=LGBMRegressor, *names):
    return asking(kind(**LIGHT), *(names or ["eval_set"]))


def xg(kind=XGBRegressor):
    return asking(kind(**XG), "eval_set")


def hist(kind=HistGradientBoostingRegressor):
    return asking(kind(**HIST), "X_val", "y_val")


def n_trees(expert):
    """How many trees an expert has, and how many it predicts with."""
    expert = getattr(expert, "classifier_", expert)
    if isinstance(expert, (LGBMRegressor, LGBMClassifier)):
        return expert.best_iteration_
    if isinstance(expert, (XGBRegressor, XGBClassifier)):
        return expert.best_iteration + 1
    return expert.n_iter_


def mixture(experts, Mixture=MixtureOfExpertsRegressor, **params):
    params = {"n_experts": 2, "max_iter": 2, "cv": None} | params
    return Mixture(experts, random_state=0, **params)


@pytest.fixture(autouse=True)
def metadata_routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


# It stops where the rows of the user say


GIVEN_NUMBERS = pytest.mark.parametrize(
    ("booster", "given"),
    [
        (light(), lambda y: {"eval_set": [(NEW, y)]}),
        (
            light(LGBMRegressor, "eval_X", "eval_y"),
            lambda y: {"eval_X": NEW, "eval_y": y},
        ),
        (xg(), lambda y: {"eval_set": [(NEW, y)]}),
        pytest.param(hist(), lambda y: {"X_val": NEW, "y_val": y}, marks=HAS_X_VAL),
    ],
    ids=["lightgbm", "lightgbm, eval_X", "xgboost", "hist"],
)
GIVEN_LABELS = pytest.mark.parametrize(
    ("booster", "given"),
    [
        (light(LGBMClassifier), lambda y: {"eval_set": [(NEW, y)]}),
        (xg(XGBClassifier), lambda y: {"eval_set": [(NEW, y)]}),
        pytest.param(
            hist(HistGradientBoostingClassifier),
            lambda y: {"X_val": NEW, "y_val": y},
            marks=HAS_X_VAL,
        ),
    ],
    ids=["lightgbm", "xgboost", "hist"],
)


@GIVEN_NUMBERS
@pytest.mark.parametrize("cv", [None, 2])
def test_experts_for_all_rows_stop_where_they_would_alone(booster, given, cv):
    alone = clone(booster).fit(X, Y, **given(Y_NEW))
    moe = mixture(booster, specialize=False, cv=cv).fit(X, Y, **given(Y_NEW))
    assert [n_trees(expert) for expert in moe.experts_] == [n_trees(alone)] * 2
    assert n_trees(alone) < MOST


@GIVEN_NUMBERS
@pytest.mark.parametrize("cv", [None, 2])
def test_experts_for_their_own_rows_stop_as_well(booster, given, cv):
    moe = mixture(booster, cv=cv).fit(X, Y, **given(OPPOSITE))
    assert all(n_trees(expert) < MOST for expert in moe.experts_)


@GIVEN_LABELS
@pytest.mark.parametrize("kind", [np.asarray, pd.Series, list])
def test_labels_for_validation_are_the_users_own(booster, given, kind):
    codes = {"high": 0, "low": 1}
    alone = clone(booster).fit(
        X,
        [codes[label] for label in labels(Y)],
        **given([codes[label] for label in labels(Y_NEW)]),
    )
    moe = mixture(booster, MixtureOfExpertsClassifier, specialize=False)
    moe.fit(X, labels(Y), **given(kind(labels(Y_NEW))))
    assert [n_trees(expert) for expert in moe.experts_] == [n_trees(alone)] * 2
    assert n_trees(alone) < MOST


def test_named_experts_get_rows_where_they_ask():
    experts = [("boosted", light()), ("line", LinearRegression())]
    moe = mixture(experts).fit(X, Y, eval_set=[(NEW, OPPOSITE)])
    assert n_trees(moe.named_experts_["boosted"]) < MOST


def test_frames_are_given_as_frames():
    frame, new = (pd.DataFrame(Z, columns=["a", "b"]) for Z in (X, NEW))
    moe = mixture(light()).fit(frame, pd.Series(Y), eval_set=[(new, OPPOSITE)])
    assert all(n_trees(expert) < MOST for expert in moe.experts_)


def test_rows_for_validation_go_through_cross_validation():
    params = {"eval_set": [(NEW, Y_NEW)]}
    scores = cross_val_score(
        mixture(light()), X, Y, cv=2, params=params, error_score="raise"
    )
    assert np.isfinite(scores).all()


class Recorder(LinearRegression):
    """It keeps what it is given for validation."""

    def fit(self, X, y, sample_weight=None, *, X_val=None, y_val=None):
        self.given_ = X_val, y_val
        return super().fit(X, y, sample_weight)


def test_as_many_rows_for_validation_as_for_training_stay_all():
    expert = asking(Recorder(), "X_val", "y_val")
    weights = np.arange(80) % 2
    moe = mixture(expert, cv=None).fit(X, Y, weights, X_val=-X, y_val=-Y)
    for each in moe.experts_:
        np.testing.assert_array_equal(each.given_[0], -X)
        np.testing.assert_array_equal(each.given_[1], -Y)


# Steps before the booster


@HAS_X_VAL
def test_a_pipeline_transforms_rows_where_it_is_told_to():
    pipeline = make_pipeline(StandardScaler(), hist(), transform_input=["X_val"])
    moe = mixture(pipeline).fit(X, Y, X_val=NEW, y_val=OPPOSITE)
    assert all(n_trees(expert[-1]) < MOST for expert in moe.experts_)


@pytest.mark.parametrize(
    ("pipeline", "given", "message"),
    [
        (
            make_pipeline(StandardScaler(), light()),
            {"eval_set": [(NEW, Y_NEW)]},
            "'eval_set' would reach the last step.*in front of the mixture",
        ),
        pytest.param(
            make_pipeline(StandardScaler(), hist()),
            {"X_val": NEW, "y_val": Y_NEW},
            r"'X_val' would reach the last step.*transform_input=\['X_val'\]",
            marks=HAS_X_VAL,
        ),
        (
            TransformedTargetRegressor(light(), func=np.exp, inverse_func=np.log),
            {"eval_set": [(NEW, Y_NEW)]},
            "'eval_set' .*transformed targets without transforming",
        ),
    ],
    ids=["eval_set", "X_val", "targets"],
)
def test_rows_that_steps_would_not_see_are_refused(pipeline, given, message):
    with pytest.raises(ValueError, match=message):
        mixture(pipeline).fit(X, Y, **given)


# What is refused


@GIVEN_LABELS
def test_a_class_that_was_not_learnt_is_refused(booster, given):
    y_new = np.where(NEW[:, 1] > 1, "huge", labels(Y_NEW))
    with pytest.raises(ValueError, match=r"(eval_set|y_val)' has the classes .*huge"):
        mixture(booster, MixtureOfExpertsClassifier).fit(X, labels(Y), **given(y_new))


def test_without_routing_rows_for_validation_are_refused():
    with (
        sklearn.config_context(enable_metadata_routing=False),
        pytest.raises(ValueError, match=r"'eval_set'.*sklearn.set_config"),
    ):
        mixture(light()).fit(X, Y, eval_set=[(NEW, Y_NEW)])
