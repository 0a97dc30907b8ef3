"""The docstrings of the public names say all that numpydoc asks for."""

import inspect
import re
from dataclasses import fields, is_dataclass
from importlib import import_module
from pathlib import Path

import dask.array as da
import numpy as np
import pytest
from numpydoc.docscrape import ClassDoc
from numpydoc.hooks.validate_docstrings import run_hook
from numpydoc.validate import validate
from sklearn.linear_model import LinearRegression

import sklearn_moe
from sklearn_moe import dask, inspection, model_selection
from sklearn_moe.likelihoods import Noise

# Not asked for: an extended summary everywhere, a verb as first word ("The ..." says
# what is returned), no name for what is returned (scikit-learn gives it one), and a
# description where name and type say it all.
IGNORED = {"ES01", "PR07", "RT02", "RT03", "SS05"}

# A method shares the examples and relatives of its class.
IGNORED_OF_METHODS = IGNORED | {"EX01", "SA01"}

# A result shares those of the function that returns it; its fields are attributes.
IGNORED_OF_RESULTS = IGNORED_OF_METHODS | {"PR01"}


def named(path):
    """What a dotted path names."""
    module, _, name = path.rpartition(".")
    return getattr(import_module(module), name)


PUBLIC = [
    *(f"sklearn_moe.{name}" for name in sklearn_moe.__all__),
    *(f"sklearn_moe.inspection.{name}" for name in inspection.__all__),
    *(f"sklearn_moe.model_selection.{name}" for name in model_selection.__all__),
    *(f"sklearn_moe.dask.{name}" for name in dask.__all__),
    # For noise models of one's own; the rest of that package is internal.
    "sklearn_moe.likelihoods.Noise",
    "sklearn_moe.likelihoods.MeanErrorNoise",
    "sklearn_moe.likelihoods.Target",
]
CLASSES = [path for path in PUBLIC if inspect.isclass(named(path))]
NOISE_MODELS = [
    path
    for path in CLASSES
    if issubclass(named(path), Noise) and not inspect.isabstract(named(path))
]
# Dataclasses that the package makes, and nobody else.
RESULTS = [
    path
    for path in CLASSES
    if is_dataclass(named(path)) and not path.endswith("MixtureDistribution")
]
ESTIMATORS = [path for path in CLASSES if hasattr(named(path), "predict")]


def own_methods(path):
    """The public methods with a docstring of their own, written in this package."""

    def is_python(member):
        return inspect.isfunction(member) or inspect.ismethod(member)

    for method, function in inspect.getmembers(named(path), is_python):
        module = inspect.unwrap(function).__module__
        inherits = function.__doc__ is None and inspect.getdoc(function) is not None
        if method.startswith("_") or inherits:
            continue
        if module.startswith("sklearn_moe"):
            yield f"{path}.{method}"


# A scorer is an object of scikit-learn's, with the docstring of its class.
SCORERS = {
    "sklearn_moe.model_selection.log_likelihood_scorer",
    "sklearn_moe.model_selection.neg_crps_scorer",
}
METHODS = [method for path in CLASSES for method in own_methods(path)]


@pytest.mark.parametrize("path", sorted({*PUBLIC} - SCORERS))
def test_a_public_name_leads_on_to_the_guide(path):
    [label] = re.findall(r":ref:`User Guide <(guide_\w+)>`", named(path).__doc__)
    pages = (Path(__file__).parents[1] / "doc").rglob("*.rst")
    assert any(f".. _{label}:" in page.read_text(encoding="utf-8") for page in pages)


@pytest.mark.parametrize("name", PUBLIC)
def test_the_docstring_of_a_public_name_is_complete(name):
    ignored = IGNORED_OF_RESULTS if name in RESULTS else IGNORED
    errors = validate(name)["errors"]
    assert [error for error in errors if error[0] not in ignored] == []


@pytest.mark.parametrize("name", METHODS)
def test_the_docstring_of_a_method_is_complete(name):
    errors = validate(name)["errors"]
    assert [error for error in errors if error[0] not in IGNORED_OF_METHODS] == []


@pytest.mark.parametrize("path", PUBLIC)
def test_signatures_show_annotations_as_they_are_written(path):
    shown = [named(path)] if callable(named(path)) else []
    if path in CLASSES:
        shown += [f for _, f in inspect.getmembers(named(path), inspect.isfunction)]
    own = [f for f in shown if f.__module__.startswith("sklearn_moe")]
    # An evaluated ArrayLike fills half a screen.
    assert [f for f in own if "numpy._typing" in str(inspect.signature(f))] == []


def test_the_docstrings_of_all_that_is_not_private_pass_the_hook():
    package = Path(sklearn_moe.__file__).resolve().parent
    files = [str(path) for path in sorted(package.rglob("*.py"))]
    assert run_hook(files, config=package.parent) == 0


def documented_attributes(name):
    documented = [attribute.name for attribute in ClassDoc(named(name))["Attributes"]]
    return set(", ".join(documented).split(", "))


def learnt_attributes(fitted):
    return {
        attribute
        for attribute, _ in inspect.getmembers(fitted)
        if attribute.endswith("_") and not attribute.startswith("_")
    }


@pytest.mark.parametrize("name", RESULTS)
def test_the_documented_attributes_are_the_fields_of_a_result(name):
    assert documented_attributes(name) == {field.name for field in fields(named(name))}


def rows_and_targets(name):
    rng = np.random.default_rng(0)
    X, labels = rng.normal(size=(100, 2)), rng.integers(1, 4, size=100)
    return X, labels / 4 if "Beta" in name else labels


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", ESTIMATORS)
def test_the_documented_attributes_are_those_of_a_fitted_estimator(name, request):
    rows, estimator = rows_and_targets(name), named(name)()
    if "dask" in name:
        request.getfixturevalue("client")
        rows = [da.from_array(array) for array in rows]
    if "max_iter" in estimator.get_params():
        estimator.set_params(max_iter=2)
    fitted = estimator.fit(*rows)
    # It exists where X has names.
    learnt = learnt_attributes(fitted) | {"feature_names_in_"}
    assert documented_attributes(name) == learnt


@pytest.mark.parametrize("name", NOISE_MODELS)
def test_the_documented_attributes_are_those_of_a_fitted_noise_model(name):
    noise = named(name)()
    fitted = sklearn_moe.MixtureOfExpertsRegressor(
        LinearRegression(), n_experts=1, noise=noise
    ).fit(*rows_and_targets(name))
    assert documented_attributes(name) == learnt_attributes(fitted.noise_)
