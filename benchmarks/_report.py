"""What the tables of the benchmarks have in common."""

import platform
from importlib.metadata import version
from pathlib import Path

import sklearn_moe

RESULTS = Path(__file__).parent / "results"


def header(*packages):
    """One line: versions of the package, of others, and the machine."""
    versions = [f"{package} {version(package)}" for package in packages]
    return ", ".join(
        [f"sklearn_moe {sklearn_moe.__version__}", *versions, platform.machine()]
    )


def verdict(met):
    return "met" if met else "MISSED"


def write(name, lines):
    """Print the lines, and keep them under the name of the program."""
    text = "\n".join([*lines, ""])
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.txt").write_text(text, encoding="utf-8")
    print(text)
