"""What all tests share."""

import os

# Without it scikit-learn skips its checks of array API input.
os.environ.setdefault("SCIPY_ARRAY_API", "1")

import pytest
from threadpoolctl import threadpool_limits


@pytest.fixture(scope="session", autouse=True)
def _one_thread_for_each_worker():
    """Keep parallel test processes from crowding each other out with BLAS threads."""
    with threadpool_limits(1):
        yield
