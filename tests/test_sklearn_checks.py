"""scikit-learn's own suite: every check passes, no failure is expected."""

import pytest
import sklearn
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils.estimator_checks import estimator_checks_generator

from sklearn_moe import (
    GaussianGate,
    MixtureOfExpertsClassifier,
    MixtureOfExpertsRegressor,
    SoftmaxGate,
)

# EM may take a hundred iterations to divide the few rows of a check, which are often
# mere noise, and the checks ask nothing that two do not show. A gate that only
# chooses may take as many as it likes.
FEW = {"max_iter": 2}
WEAK_AND_STRONG = [
    ("weak", LogisticRegression(C=0.1)),
    ("strong", LogisticRegression()),
]

# Metadata routing changes how experts and gates are given their weights, and these are
# given them in different ways.
ROUTED = [
    MixtureOfExpertsRegressor(n_experts=2, **FEW),
    MixtureOfExpertsClassifier(n_experts=3, combination="argmax", **FEW),
    MixtureOfExpertsRegressor(n_experts=2, gate=LogisticRegression(), cv=None, **FEW),
    # Folds, as resamples, cannot be those of repeated rows: a weight of two would not
    # equal the row twice.
    MixtureOfExpertsRegressor(
        [("ridge", Ridge()), ("mean", DummyRegressor())], specialize=False, cv=None
    ),
    MixtureOfExpertsClassifier(WEAK_AND_STRONG, **FEW),
    # With partial_fit.
    MixtureOfExpertsClassifier(
        GaussianNB(), n_experts=2, gate=SoftmaxGate(1e-3), sharing=0.05, **FEW
    ),
]
# One takes missing values, the other does not.
RIDGE_AND_TREE = [("ridge", Ridge()), ("tree", DecisionTreeRegressor(max_depth=3))]
# The check of class_weight lets no tree have leaves for rows of next to no weight.
LINEAR_AND_TREE = [
    ("linear", LogisticRegression()),
    ("tree", DecisionTreeClassifier(max_depth=3, min_weight_fraction_leaf=0.01)),
]
ESTIMATORS = [
    MixtureOfExpertsRegressor(n_experts=3, **FEW),
    MixtureOfExpertsClassifier(n_experts=2, **FEW),
    SoftmaxGate(),
    GaussianGate(),
    GaussianGate("full"),
    MixtureOfExpertsClassifier(n_experts=2, gate=GaussianGate(), **FEW),
    # Between hard borders the steps of a softmax gate make much of rounding.
    MixtureOfExpertsRegressor(
        n_experts=2, assignment="hard", gate=GaussianGate(), **FEW
    ),
    MixtureOfExpertsRegressor(RIDGE_AND_TREE, combination="argmax", cv=None, **FEW),
    MixtureOfExpertsClassifier(LINEAR_AND_TREE, combination="argmax", cv=None, **FEW),
    # The first two are much like those above.
    *ROUTED[2:],
]

# The checks feed data sets of a few rows, for which the defaults of mixtures and of
# LogisticRegression warn with reason; of so few rows a tree knows each.
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*reproduce their training targets:UserWarning",
    "ignore:.*were retired:UserWarning",
    "ignore::sklearn.exceptions.ConvergenceWarning",
)


def checks_of(estimators, about=""):
    """Every check of estimators, or those whose name says what they are about."""
    return [
        pytest.param(estimator, check, id=f"{number}-{check.func.__name__}")
        for number, of_checks in enumerate(estimators)
        for estimator, check in estimator_checks_generator(of_checks)
        if about in check.func.__name__
    ]


@pytest.mark.parametrize(("estimator", "check"), checks_of(ESTIMATORS))
def test_scikit_learn_check(estimator, check):
    check(estimator)


# All else is as without routing.
@pytest.mark.parametrize(("estimator", "check"), checks_of(ROUTED, about="weight"))
def test_scikit_learn_check_of_weights_with_metadata_routing(estimator, check):
    with sklearn.config_context(enable_metadata_routing=True):
        check(estimator)
