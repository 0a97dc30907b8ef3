"""Values of partitions, and the cluster that computes with them."""

import pickle
from contextlib import ExitStack, contextmanager
from functools import reduce
from operator import add
from uuid import uuid4
from weakref import WeakSet

import cloudpickle
from dask import delayed
from distributed import Client, KilledWorker, LocalCluster, futures_of, get_client
from sklearn.utils import gen_batches

# Number of statistics that are added in one task: with a thousand partitions, the tree
# of sums has three levels.
ADDED_AT_ONCE = 16


class Lazy:
    """A deferred value for each partition: a function of other values.

    Nothing is computed before it is needed. Then one task for each partition computes
    all steps from stored values to the result, so that no intermediate array leaves the
    task. (Dask itself fuses linear chains only, but these values share arguments.) An
    argument that is lazy or stored represents its value in the same partition; other
    arguments are passed unchanged, and should be small.
    """

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments


class Stored:
    """A value for each partition that is stored, or in the graph of a collection.

    `values` is a list with one value for each partition, or a single Delayed that all
    partitions share.
    """

    def __init__(self, values):
        self.values = values

    def __reduce__(self):
        # Only a placeholder is pickled; `evaluate` is given the values separately.
        return Stored, (None,)

    def of(self, partition):
        """Return the value of a partition, by its index."""
        return self.values[partition] if self.n_partitions else self.values

    @property
    def n_partitions(self):
        """Number of values; 0 if all partitions share a single one."""
        return len(self.values) if isinstance(self.values, list) else 0


class Cluster:
    """A Dask cluster on which a mixture is being fitted.

    Values that are stored on a worker can be recomputed from the graph of the
    collection and from what the scheduler holds, so that other workers recompute them
    if a worker dies. `persist` is whether `keep` stores anything.
    """

    def __init__(self, client, persist):
        self.client, self._persist = client, persist
        self._futures = WeakSet()

    def keep(self, values):
        """Compute and store lazy values on the workers, if `persist` is True."""
        return self.store(values) if self._persist else values

    def store(self, values):
        """Compute values now, and store them on the workers."""
        started = self.client.persist(tasks_of(values))
        self._futures.update(futures_of(started))
        return Stored(started)

    def share(self, value):
        """Make a value available to all workers."""
        # The value is in the graph, not scattered, so that it survives lost workers.
        task = calls("model", pickle.loads, [[cloudpickle.dumps(value)]])
        return Stored(self.store(Stored(task)).values[0])

    def total(self, values):
        """Return the sum of statistics over all partitions."""
        tasks = tasks_of(values)
        while len(tasks) > 1:
            batches = gen_batches(len(tasks), ADDED_AT_ONCE)
            tasks = calls("add_up", add_up, [[tasks[batch]] for batch in batches])
        return self.fetch(tasks)[0]

    def fetch(self, tasks, names=None):
        """Compute tasks, and return their results as a list.

        Parameters
        ----------
        tasks : list of Delayed
        names : dict of {str: str}, default=None
            Names of tasks in error messages, by their keys.

        Raises
        ------
        RuntimeError
            If workers die repeatedly while they run a task.
        """
        futures = self.client.compute(tasks)
        self._futures.update(futures)
        try:
            return self.client.gather(futures)
        except KilledWorker as error:
            # Dask also blames tasks that were only waiting on the worker, so that the
            # first error may name an innocent task.
            blamed = [own.exception() for own in futures if own.status == "error"]
            tasks = [own.task for own in blamed if isinstance(own, KilledWorker)]
            named = [names[task] for task in tasks if task in (names or {})]
            task = " or ".join(named) or f"task {error.task!r}"
            raise RuntimeError(
                f"Workers died again and again while they had {task} to do. Either it "
                "ends its process, or it needs more memory than a worker has: give the "
                "workers more memory, or an expert fewer rows (max_rows_per_expert)."
            ) from error

    def forget(self):
        """Release all stored values, and cancel the tasks that wait."""
        # Explicit release, since the traceback of an error keeps references to futures.
        for future in list(self._futures):
            future.release()


@contextmanager
def cluster_of(client, persist):
    """Yield a `Cluster`, and release everything on it when the block is left.

    If the client is None, the current client is used, or otherwise a temporary cluster
    on this machine.
    """
    with ExitStack() as stack:
        cluster = Cluster(client or _client_at_hand() or _embedded(stack), persist)
        stack.callback(cluster.forget)
        yield cluster


def calls(name, function, arguments):
    """Make a list of tasks that call a function, one for each list of arguments.

    `name` is their name on the dashboard.
    """
    call, key = delayed(run), f"{name}-{uuid4().hex}"
    return [
        call(function, *own, dask_key_name=f"{key}-{number}")
        for number, own in enumerate(arguments)
    ]


def run(function, *arguments):
    """Call a function.

    All tasks start with this function, so that the threads of a new worker import this
    module first. Imports from different modules could end in a deadlock.
    """
    return function(*arguments)


def add_up(statistics):
    """Sum a list of statistics."""
    return reduce(add, statistics)


def tasks_of(values):
    """Return a list of tasks that compute the values of the partitions."""
    if isinstance(values, Stored):
        return values.values
    # The lazy value is pickled once for all partitions.
    stored, pickled = stored_in(values), cloudpickle.dumps(values)
    n_partitions = max(own.n_partitions for own in stored)
    function = getattr(values.function, "func", values.function)
    return calls(
        getattr(function, "__name__", type(function).__name__),
        evaluate,
        ([pickled, *(own.of(p) for own in stored)] for p in range(n_partitions)),
    )


def stored_in(values):
    """Return the stored values that a lazy value depends on, in a fixed order."""
    found, pending = {}, [values]
    while pending:
        node = pending.pop()
        if isinstance(node, (Lazy, Stored)) and id(node) not in found:
            found[id(node)] = node
            pending.extend(getattr(node, "arguments", ()))
    return [node for node in found.values() if isinstance(node, Stored)]


def evaluate(pickled, *stored):
    """Compute a lazy value of one partition, given the stored values."""
    lazy = pickle.loads(pickled)
    return value_of(lazy, dict(zip(map(id, stored_in(lazy)), stored)))


def value_of(argument, known):
    """Return the value of an argument of `Lazy`; `known` holds values by `id`."""
    # Not a closure in `evaluate`: a recursive closure is a reference cycle, which would
    # keep all arrays until the next garbage collection.
    if not isinstance(argument, (Lazy, Stored)):
        return argument
    if id(argument) not in known:
        arguments = [value_of(inner, known) for inner in argument.arguments]
        known[id(argument)] = argument.function(*arguments)
    return known[id(argument)]


def _client_at_hand():
    try:
        return get_client()
    except ValueError:
        return None


def _embedded(stack):
    cluster = stack.enter_context(
        LocalCluster(threads_per_worker=1, dashboard_address=":0")
    )
    return stack.enter_context(Client(cluster, set_as_default=False))
