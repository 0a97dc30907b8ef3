"""Helpers for the tables that the benchmarks write."""

import platform
from importlib.metadata import version
from pathlib import Path

import sklearn_moe
from benchmarks.common import defaults

RESULTS = Path(__file__).parents[1] / "results"


def header(*packages):
    """Return a line with versions of sklearn_moe and packages, and the machine."""
    ours = [f"sklearn_moe {sklearn_moe.__version__}", f"defaults {defaults.VERSION}"]
    versions = [f"{package} {version(package)}" for package in packages]
    return ", ".join([*ours, *versions, platform.machine()])


def verdict(met):
    return "met" if met else "MISSED"


def write(program, lines):
    """Print lines, and write them to a file of results.

    Parameters
    ----------
    program : str
        Folder and name, such as "speed/gate".
    lines : list of str
    """
    text = "\n".join([*lines, ""])
    path = RESULTS / f"{program}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    print(text)
