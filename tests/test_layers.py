"""The layers of the package: which module may import what."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import sklearn_moe

PACKAGE = Path(sklearn_moe.__file__).resolve().parent

# From top to bottom. A module imports from the layers below its own only, and from
# its own package.
LAYERS = [
    {"__init__"},
    {"dask", "inspection"},
    {"model_selection", "onnx"},
    {"_inner_mixture"},
    {"classifier", "regressor"},
    {"_base"},
    {"_sampled_start", "_streams"},
    {"_warm_start"},
    {
        "_composition",
        "_criteria",
        "_fitting",
        "_given_start",
        "_metadata",
        "_number_of_experts",
        "_prediction",
    },
    {"_targets"},
    {"_extrapolation", "_pooling", "em"},
    {"_distribution", "experts", "gates", "likelihoods"},
    {"_class_weights", "_exposure", "_folds", "_rows"},
    {"_contracts"},
    {"_parameters"},
    {
        "_curvature",
        "_estimators",
        "_statistics",
        "_subjects",
        "_weights",
    },
    {"kernels"},
    {"_documentation", "_missing_values"},
    {"_atomic", "_callbacks", "_frames", "_parallel", "_persistence", "_sklearn"},
    {"_fit_warnings", "_in_memory", "_version"},
]
LAYER_OF = {module: layer for layer, modules in enumerate(LAYERS) for module in modules}

FILES = sorted(PACKAGE.rglob("*.py"))
NAMES = [path.relative_to(PACKAGE).as_posix() for path in FILES]
each_file = pytest.mark.parametrize("path", FILES, ids=NAMES)


def module_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path):
    """Yield each import of a file, in functions too, as (module, imported name)."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from ((node.module, alias.name) for alias in node.names)


def modules_imported(path):
    for module, name in imports(path):
        package, *modules = module.split(".")
        if package == "sklearn_moe":
            yield modules[0] if modules else name or "__init__"


def is_private(name):
    return name is not None and name.startswith("_") and not name.startswith("__")


def test_the_code_under_test_is_that_beside_the_tests():
    # `python -m pytest` looks here first; a bare `pytest` may find an installed copy.
    assert PACKAGE.parent == Path(__file__).resolve().parents[1]


@each_file
def test_every_module_is_in_a_layer(path):
    assert module_of(path) in LAYER_OF


@each_file
def test_imports_run_downwards(path):
    here = module_of(path)
    wrong = [
        module
        for module in modules_imported(path)
        if module != here and LAYER_OF[module] <= LAYER_OF[here]
    ]
    assert not wrong


@each_file
def test_only_the_kernels_import_numba(path):
    modules = {module.partition(".")[0] for module, _ in imports(path)}
    assert "numba" not in modules or module_of(path) == "kernels"


@each_file
def test_only_one_module_imports_the_private_names_of_scikit_learn(path):
    private = [
        f"{module}.{name}"
        for module, name in imports(path)
        if module.partition(".")[0] == "sklearn"
        and any(map(is_private, [*module.split("."), name]))
    ]
    assert not private or module_of(path) == "_sklearn"


def test_the_package_is_imported_without_what_is_slow_or_optional():
    # A module that is None cannot be imported. (scikit-learn imports pandas by itself
    # where it is installed.)
    code = """
import sys
absent = ["numba", "matplotlib", "dask", "distributed", "pandas", "polars", "rich"]
absent += ["onnx", "onnxruntime", "skl2onnx", "skops"]
sys.modules.update(dict.fromkeys(absent))
import sklearn_moe, sklearn_moe.inspection, sklearn_moe.model_selection
print(sklearn_moe.__all__)
"""
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=PACKAGE.parent,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == str(sklearn_moe.__all__)
