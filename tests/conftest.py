"""What all tests share."""

import multiprocessing
import os

# Without it scikit-learn skips its checks of array API input.
os.environ.setdefault("SCIPY_ARRAY_API", "1")

import hypothesis
import pytest
from threadpoolctl import threadpool_limits

# The same cases in each run, and no limit of time: a test passes or fails by what the
# code does, and not by luck or by what else the machine is doing. What takes next to
# nothing asks for more examples itself, what takes long for fewer.
hypothesis.settings.register_profile(
    "sklearn-moe",
    derandomize=True,
    deadline=None,
    max_examples=10,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("sklearn-moe")


@pytest.fixture(scope="session", autouse=True)
def _one_thread_for_each_worker():
    """Keep parallel test processes from crowding each other out with BLAS threads."""
    with threadpool_limits(1):
        yield


N_WORKERS = 2

# The cluster looks after itself less often, and takes less time while other tests run.
LITTLE_WORK_WHILE_IDLE = {
    "distributed.admin.system-monitor.interval": "10s",
    "distributed.admin.tick.interval": "1s",
    "distributed.worker.memory.monitor-interval": "1s",
    "distributed.worker.profile.enabled": False,
}
if "forkserver" in multiprocessing.get_all_start_methods():
    # Its workers, and those that replace one, begin with what Dask imports.
    LITTLE_WORK_WHILE_IDLE["distributed.worker.multiprocessing-method"] = "forkserver"


@pytest.fixture(scope="session")
def cluster():
    """A Dask cluster, which is not there before a test asks for it."""
    dask = pytest.importorskip("dask")
    distributed = pytest.importorskip("distributed")
    with (
        dask.config.set(LITTLE_WORK_WHILE_IDLE),
        distributed.LocalCluster(
            n_workers=N_WORKERS, threads_per_worker=1, dashboard_address=":0"
        ) as cluster,
    ):
        yield cluster


@pytest.fixture(scope="module")
def client(cluster):
    """The client at hand while the tests of a file run, of a cluster that is whole."""
    distributed = pytest.importorskip("distributed")
    with distributed.Client(cluster) as client:
        client.wait_for_workers(N_WORKERS)
        yield client
