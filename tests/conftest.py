"""What all tests share."""

import pytest
from threadpoolctl import threadpool_limits


@pytest.fixture(scope="session", autouse=True)
def _one_thread_for_each_worker():
    """Keep parallel test processes from crowding each other out with BLAS threads."""
    with threadpool_limits(1):
        yield
