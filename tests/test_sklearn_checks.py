"""scikit-learn's own suite: every check passes, no failure is expected."""

import pytest
import sklearn
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_moe import (
    GaussianGate,
    MixtureOfExpertsClassifier,
    MixtureOfExpertsRegressor,
    SoftmaxGate,
)

ESTIMATORS = [
    SoftmaxGate(),
    GaussianGate(),
    GaussianGate("full"),
    MixtureOfExpertsRegressor(n_experts=2, gate=GaussianGate()),
    MixtureOfExpertsClassifier(n_experts=2, gate=GaussianGate()),
    MixtureOfExpertsRegressor(n_experts=2, gate=LogisticRegression(), cv=None),
    MixtureOfExpertsRegressor(n_experts=2, assignment="hard"),
    # Folds, as resamples, cannot be those of repeated rows: a weight of two would not
    # equal the row twice.
    MixtureOfExpertsRegressor(
        [("ridge", Ridge()), ("mean", DummyRegressor())], specialize=False, cv=None
    ),
    # With partial_fit.
    MixtureOfExpertsClassifier(
        GaussianNB(), n_experts=2, gate=SoftmaxGate(1e-3), sharing=0.05
    ),
    *(
        MixtureOfExpertsRegressor(experts, n_experts=3, combination=combination)
        for experts in (None, [("ridge", Ridge()), ("linear", LinearRegression())])
        for combination in ("weighted", "argmax")
    ),
    *(
        MixtureOfExpertsClassifier(experts, n_experts=3, combination=combination)
        for experts in (
            None,
            [("weak", LogisticRegression(C=0.1)), ("strong", LogisticRegression())],
        )
        for combination in ("weighted", "argmax")
    ),
]

# The checks feed data sets of a few rows, for which the defaults of mixtures and of
# LogisticRegression warn with reason.
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*were retired:UserWarning",
    "ignore::sklearn.exceptions.ConvergenceWarning",
)


@parametrize_with_checks(ESTIMATORS)
def test_scikit_learn_check(estimator, check):
    check(estimator)


@parametrize_with_checks(ESTIMATORS)
def test_scikit_learn_check_with_metadata_routing(estimator, check):
    with sklearn.config_context(enable_metadata_routing=True):
        check(estimator)
