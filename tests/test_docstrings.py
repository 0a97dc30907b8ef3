"""The docstrings of the public names say all that numpydoc asks for."""

import inspect

import numpy as np
import pytest
from numpydoc.docscrape import ClassDoc
from numpydoc.validate import validate
from sklearn.linear_model import LinearRegression

import sklearn_moe
from sklearn_moe.likelihoods import Noise

# Not asked for: an extended summary everywhere, a verb as first word ("The ..." says
# what is returned), no name for what is returned (scikit-learn gives it one), and a
# description where name and type say it all.
IGNORED = {"ES01", "PR07", "RT02", "RT03", "SS05"}

# A method shares the examples and relatives of its class.
IGNORED_OF_METHODS = IGNORED | {"EX01", "SA01"}

NOISE_MODELS = [
    name
    for name in sklearn_moe.__all__
    if issubclass(getattr(sklearn_moe, name), Noise)
]
ESTIMATORS = [
    name
    for name in sklearn_moe.__all__
    if hasattr(getattr(sklearn_moe, name), "predict")
]
CLASSES = [f"sklearn_moe.{name}" for name in sklearn_moe.__all__]


def own_methods(name):
    """The public methods with a docstring of their own, written in this package."""
    cls = getattr(sklearn_moe, name)
    for method, function in inspect.getmembers(cls, inspect.isfunction):
        module = inspect.unwrap(function).__module__
        inherits = function.__doc__ is None and inspect.getdoc(function) is not None
        if method.startswith("_") or inherits:
            continue
        if module.startswith("sklearn_moe"):
            yield f"sklearn_moe.{name}.{method}"


METHODS = [method for name in sklearn_moe.__all__ for method in own_methods(name)]


@pytest.mark.parametrize("name", CLASSES)
def test_the_docstring_of_a_class_is_complete(name):
    errors = validate(name)["errors"]
    assert [error for error in errors if error[0] not in IGNORED] == []


@pytest.mark.parametrize("name", METHODS)
def test_the_docstring_of_a_method_is_complete(name):
    errors = validate(name)["errors"]
    assert [error for error in errors if error[0] not in IGNORED_OF_METHODS] == []


def documented_attributes(name):
    return {
        attribute.name
        for attribute in ClassDoc(getattr(sklearn_moe, name))["Attributes"]
    }


def learnt_attributes(fitted):
    return {
        attribute
        for attribute, _ in inspect.getmembers(fitted)
        if attribute.endswith("_") and not attribute.startswith("_")
    }


def rows_and_labels():
    rng = np.random.default_rng(0)
    return rng.normal(size=(100, 2)), rng.integers(1, 4, size=100)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_the_documented_attributes_are_those_of_a_fitted_estimator(name):
    fitted = getattr(sklearn_moe, name)().fit(*rows_and_labels())
    # It exists where X has names.
    learnt = learnt_attributes(fitted) | {"feature_names_in_"}
    assert documented_attributes(name) == learnt


@pytest.mark.parametrize("name", NOISE_MODELS)
def test_the_documented_attributes_are_those_of_a_fitted_noise_model(name):
    noise = getattr(sklearn_moe, name)()
    fitted = sklearn_moe.MixtureOfExpertsRegressor(
        LinearRegression(), n_experts=1, noise=noise
    ).fit(*rows_and_labels())
    assert documented_attributes(name) == learnt_attributes(fitted.noise_)
