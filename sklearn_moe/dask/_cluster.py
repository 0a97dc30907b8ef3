"""Values that lie in partitions, and the cluster that computes with them."""

import pickle
from contextlib import ExitStack
from uuid import uuid4
from weakref import WeakSet

import cloudpickle
from dask import delayed
from distributed import Client, LocalCluster, futures_of, get_client
from sklearn.utils import gen_batches

# How many sums are added up in one task: the tree of a thousand partitions has three
# floors.
ADDED_AT_ONCE = 16


class Rows:
    """A value for each partition: what a function makes of others.

    Nothing is computed before it is asked for; then one task for each partition does
    all that leads from values that are there to those that are wanted.

    Parameters
    ----------
    function : callable
    *arguments : object
        `Rows` stand for the value in the same partition, `Shared` for what the workers
        hold; all else is handed over as it is, and should be small.
    """

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments


class Kept(Rows):
    """A value for each partition that is there, or in the graph of a collection.

    Parameters
    ----------
    parts : list of Delayed or object
    """

    def __init__(self, parts):
        self.parts = parts


class Shared:
    """One value, the same for all partitions.

    Parameters
    ----------
    value : Delayed
    """

    def __init__(self, value):
        self.value = value


class Cluster:
    """A Dask cluster while a mixture is being fitted on it.

    What is kept on a worker can be made anew from the graph of the collection and from
    what the scheduler holds: if a worker dies, the others make it again. When the
    block is left, nothing remains.

    Parameters
    ----------
    client : Client or None
        None means the one at hand, or else a cluster on this machine, for the time of
        the block.
    persist : bool
        Whether `keep` keeps anything.
    """

    def __init__(self, client, persist):
        self._given, self._persist = client, persist
        self._futures = WeakSet()

    def __enter__(self):
        with ExitStack() as stack:
            self.client = self._given or _client_at_hand() or _embedded(stack)
            stack.callback(self._forget)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error):
        self._stack.close()

    def keep(self, rows):
        """Have the workers keep these values, unless rows are not to be kept.

        Parameters
        ----------
        rows : Rows

        Returns
        -------
        rows : Rows
            The same.
        """
        return Kept(self._start(_tasks(rows))) if self._persist else rows

    def share(self, value):
        """Hand a value to all workers that ask for it.

        Parameters
        ----------
        value : object

        Returns
        -------
        shared : Shared
        """
        # In the graph, and not scattered: so it outlives every worker.
        return Shared(*self._start([task("model", unpickle, cloudpickle.dumps(value))]))

    def total(self, rows):
        """Sums over the partitions.

        Parameters
        ----------
        rows : Rows
            Tuples of numbers and arrays.

        Returns
        -------
        sums : tuple
        """
        tasks = _tasks(rows)
        while len(tasks) > 1:
            tasks = [
                task("add_up", add_up, tasks[some])
                for some in gen_batches(len(tasks), ADDED_AT_ONCE)
            ]
        return self.fetch(tasks)[0]

    def collect(self, rows):
        """The values themselves, which should be small.

        Parameters
        ----------
        rows : Rows

        Returns
        -------
        values : list
        """
        return self.fetch(_tasks(rows))

    def fetch(self, tasks):
        """Results of tasks.

        Parameters
        ----------
        tasks : list of Delayed

        Returns
        -------
        results : list
        """
        futures = self.client.compute(tasks)
        self._futures.update(futures)
        return self.client.gather(futures)

    def _start(self, tasks):
        started = self.client.persist(tasks)
        self._futures.update(futures_of(started))
        return started

    def _forget(self):
        # An error holds on to the frames it came through, and to what they hold.
        for future in list(self._futures):
            future.release()


def task(name, function, *arguments):
    """A call on the cluster.

    Parameters
    ----------
    name : str
        What the dashboard shows.
    function : callable
    *arguments : object

    Returns
    -------
    task : Delayed
    """
    return delayed(run)(function, *arguments, dask_key_name=f"{name}-{uuid4().hex}")


def run(function, *arguments):
    """Call a function.

    That all tasks begin with something of this module lets the threads of a new worker
    import the package one after the other, and not from two ends into a deadlock.
    """
    return function(*arguments)


def unpickle(pickled):
    """What was pickled."""
    return pickle.loads(pickled)


def in_each(rows):
    """The task of each partition.

    Parameters
    ----------
    rows : Rows

    Returns
    -------
    tasks : list of Delayed
    """
    return _tasks(rows)


def add_up(values):
    """Sum tuples, element by element.

    Parameters
    ----------
    values : list of tuple

    Returns
    -------
    sums : tuple
    """
    return tuple(map(sum, zip(*values)))


class Call:
    """A function and its arguments: calls, slots and constants."""

    def __init__(self, function, arguments):
        self.function, self.arguments = function, arguments


class Slot:
    """The place of a value that is there."""

    def __init__(self, position):
        self.position = position


def evaluate(call, *values):
    """Carry out the calls that lead to one value.

    Parameters
    ----------
    call : Call or Slot
    *values : object
        For the slots.

    Returns
    -------
    value : object
    """
    return _value_of(call, values, {})


def _value_of(node, values, done):
    # No function within `evaluate`: one that calls itself would hold on to all arrays
    # until Python looks for circles.
    if isinstance(node, Slot):
        return values[node.position]
    if not isinstance(node, Call):
        return node
    if id(node) not in done:
        arguments = [_value_of(inner, values, done) for inner in node.arguments]
        done[id(node)] = node.function(*arguments)
    return done[id(node)]


def _tasks(rows):
    if isinstance(rows, Kept):
        return rows.parts
    leaves = []
    call = _node_of(rows, leaves, {})
    n_partitions = max(len(leaf.parts) for leaf in leaves if isinstance(leaf, Kept))
    name = f"{_name(rows.function)}-{uuid4().hex}"
    return [
        delayed(evaluate)(
            call,
            *(
                leaf.parts[p] if isinstance(leaf, Kept) else leaf.value
                for leaf in leaves
            ),
            # The name of what it does is what the dashboard shows.
            dask_key_name=f"{name}-{p}",
        )
        for p in range(n_partitions)
    ]


def _node_of(argument, leaves, nodes):
    if not isinstance(argument, (Rows, Shared)):
        return argument
    if id(argument) not in nodes:
        if isinstance(argument, (Kept, Shared)):
            nodes[id(argument)] = Slot(len(leaves))
            leaves.append(argument)
        else:
            arguments = [_node_of(a, leaves, nodes) for a in argument.arguments]
            nodes[id(argument)] = Call(argument.function, arguments)
    return nodes[id(argument)]


def _name(function):
    return getattr(function, "__name__", type(function).__name__)


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
