"""Run tasks in parallel, wherever joblib sends them."""

from contextlib import contextmanager

from joblib import effective_n_jobs, parallel_config
from joblib.parallel import get_active_backend
from sklearn.utils.parallel import Parallel


def run_parallel(n_jobs, tasks):
    """Run calls made by `sklearn.utils.parallel.delayed`; return a list of results."""
    # A cluster would otherwise use all of its workers for one job.
    alone = effective_n_jobs(n_jobs) == 1
    return Parallel(n_jobs=n_jobs, backend="sequential" if alone else None)(tasks)


@contextmanager
def scatter(n_jobs, *data):
    """Send some arguments of tasks to the workers of a Dask cluster once.

    Within this context they are not sent with each task. Processes on one machine share
    memory anyway.
    """
    client = getattr(get_active_backend()[0], "client", None)
    if client is None or effective_n_jobs(n_jobs) == 1:
        yield
        return
    with parallel_config("dask", client=client, scatter=list(data)):
        yield
