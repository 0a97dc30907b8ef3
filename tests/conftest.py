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


N_WORKERS = 2


@pytest.fixture(scope="session")
def cluster():
    """A Dask cluster, which is not there before a test asks for it."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=N_WORKERS, threads_per_worker=1, dashboard_address=":0"
    ) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def client(cluster):
    """The client at hand while the tests of a file run, of a cluster that is whole."""
    distributed = pytest.importorskip("distributed")
    with distributed.Client(cluster) as client:
        client.wait_for_workers(N_WORKERS)
        yield client
