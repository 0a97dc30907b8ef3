"""Tasks side by side, wherever joblib runs them."""

from contextlib import contextmanager

from joblib import effective_n_jobs, parallel_config
from joblib.parallel import get_active_backend
from sklearn.utils.parallel import Parallel


def side_by_side(n_jobs, tasks):
    """Results of delayed calls, in their order.

    Parameters
    ----------
    n_jobs : int or None
        With one job nothing leaves this process; a cluster would take it for all of its
        workers.
    tasks : iterable
        Of `sklearn.utils.parallel.delayed`.

    Returns
    -------
    results : list
    """
    alone = effective_n_jobs(n_jobs) == 1
    return Parallel(n_jobs=n_jobs, backend="sequential" if alone else None)(tasks)


@contextmanager
def sent_once(n_jobs, *data):
    """Have a cluster hold some arguments of tasks, until the block is left.

    Parameters
    ----------
    n_jobs : int or None
    *data : object
        Each is sent to every worker of a Dask cluster, where joblib uses one, and not
        with the tasks. Processes on one machine share memory anyway.
    """
    client = getattr(get_active_backend()[0], "client", None)
    if client is None or effective_n_jobs(n_jobs) == 1:
        yield
        return
    with parallel_config("dask", client=client, scatter=list(data)):
        yield
