"""What scikit-learn has not had from the oldest version on that the tests run with."""

from importlib.util import find_spec

import pytest
import sklearn
from sklearn.utils.fixes import parse_version

VERSION = parse_version(sklearn.__version__)
BEFORE_1_8 = parse_version("1.8") > VERSION
BEFORE_1_9 = parse_version("1.9") > VERSION

has_callbacks = pytest.mark.skipif(
    find_spec("sklearn.callback") is None, reason="scikit-learn has no callbacks"
)


def needs(version, what):
    """Skip a test where scikit-learn is older than the one that can do something."""
    return pytest.mark.skipif(
        parse_version(version) > VERSION,
        reason=f"scikit-learn before {version} has no {what}",
    )


def lasso_penalty(solver="saga", **params):
    """A logistic regression that is penalised by absolute values."""
    from sklearn.linear_model import LogisticRegression

    penalty = {"penalty": "l1"} if BEFORE_1_8 else {"l1_ratio": 1}
    return LogisticRegression(solver=solver, **penalty, **params)
