"""Build sklearn_moe; all else that is said of it stands in pyproject.toml."""

import re
from pathlib import Path

from setuptools import setup

readme = Path(__file__).with_name("README.rst").read_text(encoding="utf-8")

setup(
    # PyPI shows no pictures that lie beside the README.
    long_description=re.sub(r"(?m)^\.\. image::.*\n( +.*\n)*\n", "", readme),
    long_description_content_type="text/x-rst",
)
