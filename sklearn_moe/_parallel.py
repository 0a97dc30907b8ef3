"""Run tasks in parallel by joblib, and small matrix products in a single BLAS thread.

BLAS threads wait for each other by spinning. For the small products of EM, several
threads use several times the processor time of one, the more the busier the machine is.
"""

from contextlib import contextmanager, nullcontext
from functools import cache, wraps
from threading import current_thread, main_thread

from joblib import effective_n_jobs, parallel_config
from joblib.parallel import get_active_backend
from sklearn.utils.parallel import Parallel, delayed
from threadpoolctl import ThreadpoolController

from sklearn_moe._fit_warnings import catch_in_threads, collect_from_calls


def run_parallel(n_jobs, function, arguments):
    """Call a function with each list of arguments; return the list of results."""
    if not arguments:
        return []
    # Without this, a Dask backend uses all of its workers even for one job.
    alone = effective_n_jobs(n_jobs) == 1
    parallel = Parallel(n_jobs=n_jobs, backend="sequential" if alone else None)

    def run(call):
        return parallel(delayed(call)(*own) for own in arguments)

    if alone:
        return run(function)
    in_threads = getattr(get_active_backend()[0], "uses_threads", False)
    with catch_in_threads() if in_threads else nullcontext():
        return collect_from_calls(run, function)


@contextmanager
def scatter(n_jobs, *data):
    """Send large arguments to the workers of a Dask cluster once, not with each task.

    Other backends need no such context: processes on one machine share memory.
    """
    client = getattr(get_active_backend()[0], "client", None)
    if client is None or effective_n_jobs(n_jobs) == 1:
        yield
        return
    with parallel_config("dask", client=client):
        # Each time under new keys. Keys that depend on the data (those of the option
        # `scatter` of the backend) are lost if an earlier fit to the same data releases
        # them at this moment, see https://github.com/dask/distributed/issues/3703.
        futures = client.scatter(list(data), broadcast=True, hash=False)
        backend = get_active_backend()[0]
        backend.data_futures = {id(x): future for x, future in zip(data, futures)}
        yield


def in_one_blas_thread(function):
    """Decorate a function of EM whose matrix products are too small for BLAS threads.

    Such a function must not call estimators of the user, such as experts: their fits
    may use all threads. The limit is set in the main thread only, since it holds for
    the whole process, and OpenBLAS does not obey it in every other thread.
    """

    @wraps(function)
    def limited(*args, **kwargs):
        if current_thread() is not main_thread():
            return function(*args, **kwargs)
        with _blas().limit(limits=1):
            return function(*args, **kwargs)

    return limited


@cache
def _blas():
    # Cached, since finding the libraries takes milliseconds.
    return ThreadpoolController().select(user_api="blas")
