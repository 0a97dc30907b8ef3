"""Run tasks in parallel, wherever joblib sends them, and small products in one thread.

Threads of BLAS wait for each other by spinning: for products of the size of EM's they
take several times the processor time of one, and the longer the busier a machine is.
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
    """Call a function with each of many lists of arguments; return the results."""
    # A cluster would otherwise use all of its workers for one job.
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


def in_one_blas_thread(function):
    """Decorate a function of EM: its products are too small for threads of BLAS.

    What users bring, such as experts, is not called from such a function: their fits
    may use all threads. The number is that of the process, and OpenBLAS does not heed
    every thread that sets it: only the main thread does.
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
    # To find the libraries takes milliseconds.
    return ThreadpoolController().select(user_api="blas")
