"""Write the inventory of scikit-learn's documentation: `python doc/inventories.py`.

Sphinx links to it without asking a server. It is made from the public names of the
installed version, whose pages have regular addresses, and the labels that docstrings
inherited from scikit-learn refer to.
"""

import inspect
import pkgutil
import zlib
from importlib import import_module
from pathlib import Path

import sklearn

PATH = Path(__file__).parent / "inventories" / "sklearn.inv"
LABELS = {
    "accuracy_score": "modules/model_evaluation.html#accuracy-score",
    "metadata_routing": "metadata_routing.html#metadata-routing",
    "r2_score": "modules/model_evaluation.html#r2-score",
}


def defined(module):
    """Return the public names that a module without `__all__` defines itself."""
    return [
        name
        for name, value in vars(module).items()
        if getattr(value, "__module__", None) == module.__name__ and name[0] != "_"
    ]


def public_names():
    """Yield the dotted names of public classes and functions, and their roles."""
    for module in pkgutil.iter_modules(sklearn.__path__, "sklearn."):
        if module.name.rpartition(".")[2].startswith(("_", "tests", "conftest")):
            continue
        found = import_module(module.name)
        for name, value in vars(found).items():
            if name not in getattr(found, "__all__", defined(found)):
                continue
            if inspect.isclass(value) or inspect.isroutine(value):
                role = "class" if inspect.isclass(value) else "function"
                yield f"{module.name}.{name}", role
    yield "sklearn.utils.class_weight.compute_class_weight", "function"


def main():
    lines = [
        f"{name} py:{role} 1 modules/generated/{name}.html#$ -"
        for name, role in sorted(public_names())
    ]
    lines += [f"{label} std:label -1 {page} {label}" for label, page in LABELS.items()]
    head = [
        "# Sphinx inventory version 2",
        "# Project: scikit-learn",
        f"# Version: {sklearn.__version__}",
        "# The remainder of this file is compressed using zlib.",
    ]
    body = zlib.compress("\n".join([*lines, ""]).encode(), 9)
    PATH.write_bytes("\n".join([*head, ""]).encode() + body)


if __name__ == "__main__":
    main()
