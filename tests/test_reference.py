"""The optimum of R's flexmix, meteorits and mixtools; see tests/data/README.rst."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures

from sklearn_moe import MixtureOfExpertsRegressor, SoftmaxGate

DATA = Path(__file__).parent / "data"
REFERENCE = json.loads((DATA / "reference.json").read_text())


@pytest.fixture(scope="module", params=REFERENCE)
def fit(request):
    """A maximum-likelihood fit of one data set, and its reference."""
    case = REFERENCE[request.param]
    data = pd.read_csv(DATA / case["data"])
    degree = 2 if "x2" in case["expert_features"] else 1
    expert = make_pipeline(
        PolynomialFeatures(degree, include_bias=False), LinearRegression()
    )
    mixture = MixtureOfExpertsRegressor(
        expert,
        n_experts=case["k"],
        gate=SoftmaxGate(alpha=0),
        sharing=0,
        init="random",
        n_init=5,
        tol=1e-9,
        max_iter=1000,
        random_state=0,
    )
    return mixture.fit(data[[case["gate_features"]]], data[case["target"]]), case


def in_our_order(mixture, parameters):
    """Our experts in the order of the reference, which is that of the intercepts."""
    ours = [expert[-1].intercept_ for expert in mixture.experts_]
    theirs = np.array(parameters[next(iter(parameters))])[:, 0]
    return np.argsort(ours)[np.argsort(np.argsort(theirs))]


def test_log_likelihood_reaches_that_of_flexmix(fit):
    mixture, case = fit
    assert mixture.converged_
    assert mixture.log_likelihood_ >= case["log_likelihood"]


def test_log_likelihood_is_the_maximum(fit):
    mixture, case = fit
    assert mixture.log_likelihood_ == pytest.approx(
        case["maximum_likelihood"]["log_likelihood"], rel=1e-5
    )


def test_parameters_are_those_of_the_maximum(fit):
    mixture, case = fit
    parameters = case["maximum_likelihood"]["parameters"]
    experts, scale, gate = parameters.values()
    order = in_our_order(mixture, parameters)
    ours = [
        [mixture.experts_[k][-1].intercept_, *mixture.experts_[k][-1].coef_]
        for k in order
    ]
    np.testing.assert_allclose(ours, experts, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(mixture.noise_.scale_[order], scale, rtol=1e-3)
    first, second = order
    softmax = mixture.gate_
    against_first = [
        softmax.intercept_[second] - softmax.intercept_[first],
        *(softmax.coef_[second] - softmax.coef_[first]),
    ]
    np.testing.assert_allclose(against_first, gate, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("name", "log_likelihood"),
    [("tone_k2", 141.198), ("CO2_k2", -66.9398), ("NO_k2", 122.0384)],
)
def test_with_a_constant_gate_it_is_the_published_mixture_of_regressions(
    name, log_likelihood
):
    case = REFERENCE[name]
    data = pd.read_csv(DATA / case["data"])
    mixture = MixtureOfExpertsRegressor(
        LinearRegression(),
        n_experts=2,
        gate=DummyClassifier(),
        cv=None,
        sharing=0,
        init="random",
        n_init=3,
        tol=1e-8,
        max_iter=1000,
        random_state=0,
    ).fit(data[[case["expert_features"]]], data[case["target"]])
    assert mixture.log_likelihood_ == pytest.approx(log_likelihood, rel=2e-5)
