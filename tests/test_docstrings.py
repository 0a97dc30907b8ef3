"""The docstrings of the public names say all that numpydoc asks for."""

import inspect

import numpy as np
import pytest
from numpydoc.docscrape import ClassDoc
from numpydoc.validate import validate

import sklearn_moe

# Not asked for: an extended summary everywhere, a verb as first word ("The ..." says
# what is returned), no name for what is returned (scikit-learn gives it one), and a
# description where name and type say it all.
IGNORED = {"ES01", "PR07", "RT02", "RT03", "SS05"}

# A method shares the examples and relatives of its class.
IGNORED_OF_METHODS = IGNORED | {"EX01", "SA01"}

CLASSES = [f"sklearn_moe.{name}" for name in sklearn_moe.__all__]


def own_methods(name):
    """The public methods that are written in this package."""
    cls = getattr(sklearn_moe, name)
    for method, function in inspect.getmembers(cls, inspect.isfunction):
        module = inspect.unwrap(function).__module__
        if not method.startswith("_") and module.startswith("sklearn_moe"):
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


@pytest.mark.parametrize("name", sklearn_moe.__all__)
def test_the_documented_attributes_are_those_of_a_fitted_estimator(name):
    cls = getattr(sklearn_moe, name)
    documented = {attribute.name for attribute in ClassDoc(cls)["Attributes"]}
    rng = np.random.default_rng(0)
    fitted = cls().fit(rng.normal(size=(100, 2)), rng.integers(0, 3, size=100))
    public = {
        attribute
        for attribute, _ in inspect.getmembers(fitted)
        if attribute.endswith("_") and not attribute.startswith("_")
    }
    # It exists where X has names.
    assert documented == public | {"feature_names_in_"}
