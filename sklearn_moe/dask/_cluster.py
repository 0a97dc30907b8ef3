"""Values that lie in partitions, and the cluster that computes with them."""

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

# How many statistics are added up in one task: the tree of a thousand partitions has
# three levels.
ADDED_AT_ONCE = 16


class Lazy:
    """A value for each partition: what a function makes of others.

    Nothing is computed before it is needed. Then one task for each partition does all
    that leads from stored values to those that are needed, so that no array in between
    leaves it. (Dask itself fuses chains alone, and these values have arguments in
    common.) An argument that is lazy or stored stands for its value in the same
    partition; all else is handed over as it is, and should be small.
    """

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments


class Stored:
    """A value for each partition that is there, or in the graph of a collection.

    `values` is a list of them, or one Delayed that all partitions have in common.
    """

    def __init__(self, values):
        self.values = values

    def __reduce__(self):
        # What is sent to a partition is a place for its value.
        return Stored, (None,)

    def of(self, partition):
        """The value in a partition, by its number."""
        return self.values[partition] if self.n_partitions else self.values

    @property
    def n_partitions(self):
        """Number of values; 0 where all partitions have one in common."""
        return len(self.values) if isinstance(self.values, list) else 0


class Cluster:
    """A Dask cluster while a mixture is being fitted on it.

    What is stored on a worker can be made anew from the graph of the collection and
    from what the scheduler holds: if a worker dies, the others make it again.
    `persist` says whether `keep` stores anything.
    """

    def __init__(self, client, persist):
        self.client, self._persist = client, persist
        self._futures = WeakSet()

    def keep(self, values):
        """Have the workers store lazy values, unless rows are not to be kept."""
        return self.store(values) if self._persist else values

    def store(self, values):
        """Have the workers compute values now, and store them."""
        started = self.client.persist(tasks_of(values))
        self._futures.update(futures_of(started))
        return Stored(started)

    def share(self, value):
        """Hand a value to all workers that need it."""
        # In the graph, and not scattered: so it outlives every worker.
        task = calls("model", pickle.loads, [[cloudpickle.dumps(value)]])
        return Stored(self.store(Stored(task)).values[0])

    def total(self, values):
        """Sum of the values of all partitions, which are statistics."""
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
            What an error calls tasks, by their keys.

        Raises
        ------
        RuntimeError
            If workers die whenever they have one of the tasks.
        """
        futures = self.client.compute(tasks)
        self._futures.update(futures)
        try:
            return self.client.gather(futures)
        except KilledWorker as error:
            # A task that only waited at a worker is blamed with the one that ended it,
            # and may be met first.
            blamed = [own.exception() for own in futures if own.status == "error"]
            tasks = [own.task for own in blamed if isinstance(own, KilledWorker)]
            named = [names[task] for task in tasks if task in (names or {})]
            task = " or ".join(named) or f"task {error.task!r}"
            raise RuntimeError(
                f"Workers died again and again while they had {task} to do. Either it "
                "ends its process, or it needs more memory than a worker has: give "
                "the workers more, or an expert fewer rows (max_rows_per_expert)."
            ) from error

    def forget(self):
        """Release all that is stored, and take back the tasks that wait."""
        # An error holds on to the frames it came through, and to what they hold.
        for future in list(self._futures):
            future.release()


@contextmanager
def cluster_of(client, persist):
    """Have a `Cluster` within a block; when that is left, nothing remains on it.

    Where the client is None it is that at hand, or else that of a cluster on this
    machine for the time of the block.
    """
    with ExitStack() as stack:
        cluster = Cluster(client or _client_at_hand() or _embedded(stack), persist)
        stack.callback(cluster.forget)
        yield cluster


def calls(name, function, arguments):
    """Make a list of tasks that call a function, one for each list of arguments.

    The dashboard shows them by the name.
    """
    call, key = delayed(run), f"{name}-{uuid4().hex}"
    return [
        call(function, *own, dask_key_name=f"{key}-{number}")
        for number, own in enumerate(arguments)
    ]


def run(function, *arguments):
    """Call a function.

    That all tasks begin with something of this module lets the threads of a new worker
    import the package one after the other, and not from two ends into a deadlock.
    """
    return function(*arguments)


def add_up(statistics):
    """Sum a list of statistics."""
    return reduce(add, statistics)


def tasks_of(values):
    """The task that computes the value of each partition, as a list."""
    if isinstance(values, Stored):
        return values.values
    # Pickled once for all partitions.
    stored, pickled = stored_in(values), cloudpickle.dumps(values)
    n_partitions = max(own.n_partitions for own in stored)
    function = getattr(values.function, "func", values.function)
    return calls(
        getattr(function, "__name__", type(function).__name__),
        evaluate,
        ([pickled, *(own.of(p) for own in stored)] for p in range(n_partitions)),
    )


def stored_in(values):
    """The stored values from which lazy ones are made, in an order that is theirs."""
    found, pending = {}, [values]
    while pending:
        node = pending.pop()
        if isinstance(node, (Lazy, Stored)) and id(node) not in found:
            found[id(node)] = node
            pending.extend(getattr(node, "arguments", ()))
    return [node for node in found.values() if isinstance(node, Stored)]


def evaluate(pickled, *stored):
    """Compute a lazy value of one partition, where the stored ones are these."""
    lazy = pickle.loads(pickled)
    return value_of(lazy, dict(zip(map(id, stored_in(lazy)), stored)))


def value_of(argument, known):
    """The value of an argument of `Lazy`; those that are known are by their `id`."""
    # No function within `evaluate`: one that calls itself would hold on to all arrays
    # until Python looks for cycles.
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
