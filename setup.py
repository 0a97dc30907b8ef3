"""Build sklearn_moe; what is said of it stands in pyproject.toml."""

from setuptools import setup

setup()
