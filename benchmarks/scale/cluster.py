"""Compare mixtures over Dask collections and streams with local mixtures.

Time, memory and results are compared. All rows are drawn on the workers, in partitions,
and none on the client. Workers are processes with one thread on this machine; local
fits run in such a process, too. Run it by `python -m benchmarks.scale.cluster`.
"""

import argparse
import os
import signal
import time
import warnings
from collections import Counter, defaultdict
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path

import dask.array as da
import numpy as np
import pandas as pd
import psutil
from dask import delayed
from dask.utils import key_split, parse_bytes
from distributed import Client, LocalCluster, get_task_stream
from sklearn.linear_model import Ridge, SGDRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor
from threadpoolctl import threadpool_limits

import sklearn_moe
from benchmarks.common.profiler import Profiler
from benchmarks.common.report import header, verdict, write
from benchmarks.common.steps import STEPS, step_of_fit
from sklearn_moe import dask as moe_dask

# The targets to meet.
LEAST_SPEEDUP = 1.6
MOST_GROWTH = 1.3
MOST_DIFFERENCE = 0.005
MOST_STREAM_LOSS = 0.02

N_FEATURES, N_EXPERTS = 10, 4
# Maximum number of rows of a partition, which otherwise has an eighth of all rows.
PARTITION = 250_000
CAPACITY = 100_000
# Sizes for the data of twice the memory: wide rows fill the memory sooner.
WIDE, WIDE_PARTITION, WIDE_CAPACITY = 40, 25_000, 50_000
BATCH = 1000
# Number of rows for scores, and the number of their partition, which no other has.
HELD_OUT = 100_000
TEST = 10**6
ROOMY = "6GB"

# Bandwidth that the plan assumes for the network, in bytes per second: 10 Gbit/s.
BANDWIDTH = 1.25e9

EXPERTS = {
    "ridge": Ridge(),
    "tree": DecisionTreeRegressor(max_depth=6, random_state=0),
}
# Experts with which converged results are compared, and their capacity factors. The
# scaled ridge is a pipeline, which is not fitted from sums, so that its rows are sent.
TO_THE_END = {
    "ridge": (Ridge(), None),
    "scaled ridge": (make_pipeline(StandardScaler(), Ridge()), None),
    "scaled ridge, half": (make_pipeline(StandardScaler(), Ridge()), 0.5),
    "tree": (EXPERTS["tree"], None),
}

# Columns of the table by steps of an iteration. The E-step is the remainder.
COLUMNS = {
    STEPS["experts"]: "experts",
    STEPS["likelihoods"]: "experts",
    STEPS["gates"]: "gate",
}

# Descriptions of the tasks that take time, by their names on the dashboard.
KINDS = {
    "loss_of": "the gate's loss and gradient",
    "normal_equations": "normal equations of ridge experts",
    "select_rows": "choose the rows that travel",
    "fit_expert": "fit an expert to the rows that came",
    "_outputs_of_block": "what the experts answer",
    "summarize": "errors of the experts",
    "_posterior_of_block": "the E-step",
    "add_up": "add up sums",
}


# Rows


def draw(number, n_rows, n_features=N_FEATURES):
    """Draw one partition of rows, under piecewise linear rules.

    Parameters
    ----------
    number : int
        Number of the partition, as a seed; the rules are the same for all partitions.
    n_rows, n_features : int

    Returns
    -------
    X : ndarray of shape (n_rows, n_features)
    y : ndarray of shape (n_rows,)
    """
    rule = np.random.default_rng(0)
    gate = 5 * rule.normal(size=(n_features, N_EXPERTS))
    coef = rule.normal(size=(n_features + 1, N_EXPERTS))
    rng = np.random.default_rng([1, number])
    # Integers are cheap to draw, which is done in each pass if nothing is kept.
    X = rng.integers(2**16, size=(n_rows, n_features), dtype=np.uint16) / 2**15 - 1
    region = (X @ gate + rng.gumbel(size=(n_rows, N_EXPERTS))).argmax(axis=1)
    means = X @ coef[:-1] + coef[-1]
    y = np.take_along_axis(means, region[:, np.newaxis], axis=1)[:, 0]
    return X, y + 0.3 * rng.normal(size=n_rows)


def sizes_of(n_rows, partition=None):
    """Return the number of rows of each partition."""
    partition = partition or min(PARTITION, -(-n_rows // 8))
    full, rest = divmod(n_rows, partition)
    return [partition] * full + [rest] * (rest > 0)


def in_memory(n_rows):
    """Draw all rows in one process."""
    partitions = [draw(number, size) for number, size in enumerate(sizes_of(n_rows))]
    return tuple(map(np.concatenate, zip(*partitions)))


def in_partitions(n_rows, n_features=N_FEATURES, partition=None):
    """Return lazy collections of the same rows."""
    X, y = [], []
    for number, size in enumerate(sizes_of(n_rows, partition)):
        drawn = delayed(draw)(number, size, n_features)
        X.append(
            da.from_delayed(delayed(itemgetter(0))(drawn), (size, n_features), float)
        )
        y.append(da.from_delayed(delayed(itemgetter(1))(drawn), (size,), float))
    return da.concatenate(X), da.concatenate(y)


# Measures


def peak_memory():
    """Return the peak memory of this process since `forget_peak`, in bytes."""
    status = dict(
        line.split(":", 1)
        for line in Path("/proc/self/status").read_text().splitlines()
    )
    return 1024 * int(status["VmHWM"].split()[0])


def forget_peak():
    """Reset the peak memory of this process."""
    Path("/proc/self/clear_refs").write_text("5")


def sent():
    """Return the bytes that processes on this machine have sent to each other."""
    return psutil.net_io_counters(pernic=True)["lo"].bytes_sent


class Observer:
    """Base class of callbacks whose `look` is called after each iteration of EM."""

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        if context.task_name == "EM iteration":
            self.look(context.task_id)


@contextmanager
def quiet():
    """Ignore warnings in the block, and limit libraries to one thread."""
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")
        yield


class CountingClient(Client):
    """A client that counts how often it fetches results."""

    n_fetches = 0

    def gather(self, *futures, **options):
        """Fetch results."""
        self.n_fetches += 1
        return super().gather(*futures, **options)


class Meter(Observer):
    """A callback that measures the time of a fit and the costs of an iteration.

    Parameters
    ----------
    client : CountingClient or None
        Client with which the mixture is fitted.
    """

    def __init__(self, client=None):
        self.client = client
        self.profiler = Profiler(step_of_fit, time.perf_counter)
        self.readings = []

    @contextmanager
    def watch(self):
        """Measure the fit in the block, which must have this object as a callback."""
        with quiet(), self.profiler:
            begin = time.perf_counter()
            yield
            self.seconds = time.perf_counter() - begin

    def look(self, number):
        """Read the clocks."""
        reading = Counter(
            {
                "an iteration": time.time(),
                "rounds": getattr(self.client, "n_fetches", 0),
                "bytes": sent(),
            }
        )
        for step, column in COLUMNS.items():
            reading[column] += self.profiler.seconds[step]
        self.readings.append(reading)

    def an_iteration(self):
        """Return mean costs of iterations after the first, which includes the start."""
        first, last = pd.Series(self.readings[0]), pd.Series(self.readings[-1])
        mean = (last - first) / (len(self.readings) - 1)
        mean["E-step"] = mean["an iteration"] - mean["experts"] - mean["gate"]
        return mean.to_dict()


@contextmanager
def workers(n_workers, memory_limit=ROOMY):
    """Yield a client of a cluster with this number of processes.

    Imports and compilation are done on each of them.
    """
    with (
        LocalCluster(
            n_workers=n_workers,
            threads_per_worker=1,
            memory_limit=memory_limit,
            dashboard_address=":0",
        ) as cluster,
        CountingClient(cluster) as client,
        quiet(),
    ):
        client.run(warm_up)
        mixture(moe_dask, Ridge(), 1).fit(*in_partitions(1000))
        client.run(forget_peak)
        yield client


def warm_up():
    """Have Numba compile the functions that a fit needs."""
    with quiet():
        mixture(sklearn_moe, Ridge(), 2).fit(*draw(0, 500))


def mixture(kind, expert, n_iter, **params):
    """Return a mixture that runs a fixed number of iterations, unless `tol` is given.

    So all fits do the same work.
    """
    params = {"tol": 0, "random_state": 0} | params
    return kind.MixtureOfExpertsRegressor(expert, N_EXPERTS, max_iter=n_iter, **params)


def fit_local(n_rows, expert, n_iter, **params):
    """Fit a local mixture in a worker; return its costs and its results."""
    X, y = in_memory(n_rows)
    meter, moe = Meter(), mixture(sklearn_moe, expert, n_iter, **params)
    with meter.watch():
        moe.set_callbacks(meter).fit(X, y)
    return {
        "seconds": meter.seconds,
        **meter.an_iteration(),
        "peak MB": peak_memory() / 1e6,
        "log-likelihood": moe.log_likelihood_ / n_rows,
        "R2": moe.score(*draw(TEST, HELD_OUT)),
        "iterations": moe.n_iter_,
    }


def fit_distributed(client, rows, expert, n_iter, **params):
    """Fit a mixture on a cluster; return costs, results, and tasks of iterations."""
    meter = Meter(client)
    moe = mixture(moe_dask, expert, n_iter, client=client, **params)
    client.run(forget_peak)
    with get_task_stream(client) as stream, meter.watch():
        moe.set_callbacks(meter).fit(*rows)
    begin, end = (meter.readings[place]["an iteration"] for place in (0, -1))
    X, y = draw(TEST, HELD_OUT, moe.n_features_in_)
    return {
        "seconds": meter.seconds,
        **meter.an_iteration(),
        "peak MB": max(client.run(peak_memory).values()) / 1e6,
        "log-likelihood": moe.log_likelihood_ / len(rows[1]),
        "R2": moe.score(X, y),
        "iterations": moe.n_iter_,
        "tasks": work_between(stream.data, begin, end, len(meter.readings) - 1),
    }


def work_between(tasks, begin, end, n_iter):
    """Return the seconds of work and of transfers, and the number of tasks.

    Parameters
    ----------
    tasks : list of dict
        Tasks as recorded by the dashboard.
    begin, end : float
    n_iter : int
        Number of iterations in this time, over which values are averaged.

    Returns
    -------
    frame : DataFrame
        A row for each kind of task.
    """
    work = defaultdict(Counter)
    for one in tasks:
        steps = [s for s in one["startstops"] if begin <= s["start"] < end]
        for step in steps:
            kind = work[key_split(one["key"])]
            # Actions are "compute", "transfer" and others.
            kind[step["action"]] += (step["stop"] - step["start"]) / n_iter
        if any(step["action"] == "compute" for step in steps):
            work[key_split(one["key"])]["tasks"] += 1 / n_iter
    frame = pd.DataFrame(work).T.reindex(columns=["compute", "transfer", "tasks"])
    return frame.fillna(0).sort_values("compute", ascending=False)


# Comparisons


def compare(all_rows, n_iter, local_rows):
    """Compare local fits with fits on one worker and on two."""
    found = []
    for n_rows in all_rows:
        for name, expert in EXPERTS.items():
            line = {"rows": n_rows, "expert": name}
            if n_rows <= local_rows[name]:
                with workers(1, 0) as client:
                    fit = client.submit(fit_local, n_rows, expert, n_iter).result()
                found.append({**line, "where": "local", **fit})
                print(n_rows, name, "local", f"{fit['seconds']:.1f} s", flush=True)
            for n_workers, where in ((1, "1 worker"), (2, "2 workers")):
                with workers(n_workers) as client:
                    fit = fit_distributed(
                        client,
                        in_partitions(n_rows),
                        expert,
                        n_iter,
                        max_rows_per_expert=CAPACITY,
                    )
                found.append({**line, "where": where, **fit})
                print(n_rows, name, where, f"{fit['seconds']:.1f} s", flush=True)
    frame = pd.DataFrame(found)
    frame["experts + E-step"] = frame["experts"] + frame["E-step"]
    return frame


def results(all_rows, most_iterations):
    """Compare the results of local and distributed fits that have converged."""
    found = []
    params = {"tol": 1e-4, "n_iter": most_iterations}
    for n_rows in all_rows:
        for name, (expert, factor) in TO_THE_END.items():
            with workers(2) as client:
                # Differences to another seed show which differences are random.
                local, other = client.gather(
                    [
                        client.submit(
                            fit_local, n_rows, expert, random_state=seed, **params
                        )
                        for seed in (0, 1)
                    ]
                )
                there = fit_distributed(
                    client,
                    in_partitions(n_rows),
                    expert,
                    capacity_factor=factor,
                    **params,
                )
            fits = {"local": local, "another seed": other, "2 workers": there}
            found += [
                {"rows": n_rows, "expert": name, "where": where, **fit}
                for where, fit in fits.items()
            ]
            print(n_rows, name, "to the end", flush=True)
    columns = ["rows", "expert", "where", "iterations", "log-likelihood", "R2"]
    return pd.DataFrame(found)[[*columns, "seconds"]]


def memory(small, memory_limit, large=None):
    """Measure peak memory if nothing is kept.

    The data are small in one fit, and twice as large as the memory in another.
    """
    limit = parse_bytes(memory_limit)
    if large is None:
        twice = 2 * 2 * limit / (8 * (WIDE + 1))
        large = WIDE_PARTITION * int(np.ceil(twice / WIDE_PARTITION))
    found = []
    for n_rows in (small, large):
        with workers(2, memory_limit) as client:
            idle = max(client.run(peak_memory).values()) / 1e6
            fit = fit_distributed(
                client,
                in_partitions(n_rows, WIDE, WIDE_PARTITION),
                Ridge(),
                2,
                max_rows_per_expert=WIDE_CAPACITY,
                persist=False,
            )
        found.append(
            {
                "rows": n_rows,
                "data MB": 8 * n_rows * (WIDE + 1) / 1e6,
                "limit MB": limit / 1e6,
                "idle MB": idle,
                "peak MB": fit["peak MB"],
                "seconds": fit["seconds"],
            }
        )
        print(n_rows, "rows not kept", f"{fit['seconds']:.1f} s", flush=True)
    return pd.DataFrame(found)


def stream(n_rows):
    """Return the seconds and the score of one pass over a stream, in one process."""

    def batches():
        for number, size in enumerate(sizes_of(n_rows)):
            X, y = draw(number, size)
            for begin in range(0, size, BATCH):
                yield X[begin : begin + BATCH], y[begin : begin + BATCH]

    moe = sklearn_moe.MixtureOfExpertsRegressor(
        SGDRegressor(random_state=0), N_EXPERTS, random_state=0
    )
    # SGD experts need standardised features; the first batch determines the scale.
    scaler = StandardScaler()
    seconds = 0.0
    for X, y in batches():
        begin = time.perf_counter()
        if not seconds:
            scaler.fit(X)
        moe.partial_fit(scaler.transform(X), y)
        seconds += time.perf_counter() - begin
    X, y = draw(TEST, HELD_OUT)
    return {"seconds": seconds, "R2": moe.score(scaler.transform(X), y)}


def streamed(n_rows):
    """Run `stream` without warnings, and on one thread."""
    with quiet():
        return stream(n_rows)


class Killer(Observer):
    """A callback that kills a worker process after an iteration of a fit."""

    def __init__(self, client, n_iter):
        self.client, self.n_iter = client, n_iter
        self.begin, self.log = time.perf_counter(), []

    def say(self, text):
        self.log.append(f"{time.perf_counter() - self.begin:6.1f} s  {text}")

    def look(self, number):
        self.say(f"iteration {number} is done")
        if number == self.n_iter:
            process = min(self.client.run(os.getpid).values())
            os.kill(process, signal.SIGKILL)
            self.say(f"the worker with process id {process} is killed")


def fault(n_rows):
    """Fit a mixture while a worker is lost.

    Returns
    -------
    log : list of str
    equal : bool
        Whether the result equals that of a fit without a failure.
    """
    rows = in_partitions(n_rows)
    params = {"max_rows_per_expert": CAPACITY}
    with workers(2) as client:
        expected = mixture(moe_dask, EXPERTS["tree"], 4, client=client, **params).fit(
            *rows
        )
        before = set(client.run(os.getpid).values())
        killer = Killer(client, 1)
        harmed = mixture(moe_dask, EXPERTS["tree"], 4, client=client, **params)
        harmed.set_callbacks(killer).fit(*rows)
        killer.say("the fit is done")
        client.wait_for_workers(2)
        new = set(client.run(os.getpid).values()) - before
        killer.say(f"a worker has taken its place: process id {new}")
    equal = np.array_equal(harmed.objective_path_, expected.objective_path_)
    killer.say(
        "objectives of all iterations are equal to those of a fit without harm: "
        f"{equal}"
    )
    return killer.log, equal


# The plan


def seconds_a_task(client, n_tasks=2000):
    """Measure the overhead of client and scheduler per task, by tasks without work."""
    nothing = [delayed(abs)(number, pure=False) for number in range(n_tasks)]
    begin = time.perf_counter()
    client.gather(client.compute(nothing))
    return (time.perf_counter() - begin) / n_tasks


def constants(frame, task):
    """Return the constants of the plan, from fits to most rows on two workers.

    Parameters
    ----------
    frame : DataFrame
        Result of `compare`.
    task : float
        Seconds per task.

    Returns
    -------
    constants : dict of dict
        By the expert: seconds of work for each row and expert, seconds to fit an expert
        per row that it is sent, rounds of questions, and seconds per task.
    """
    known = {}
    for expert, lines in frame[frame["where"] == "2 workers"].groupby("expert"):
        line = lines.loc[lines["rows"].idxmax()]
        work = line["tasks"]["compute"]
        fits = work.get("fit_expert", 0.0)
        known[expert] = {
            "row": (work.sum() - fits - work.get("add_up", 0.0))
            / (line["rows"] * N_EXPERTS),
            "fit": fits / (N_EXPERTS * min(CAPACITY, line["rows"])),
            "rounds": line["rounds"],
            "task": task,
        }
    return known


def plan(known, expert, n_rows, n_features, n_experts, n_workers, capacity, partition):
    """Return the costs of an iteration by the cost model of the user guide."""
    n_partitions = n_rows / partition
    travels = expert != "ridge"
    # Costs are scaled from the measured number of features to this one.
    wide = (n_features + 1) / (N_FEATURES + 1)
    wide_sums = wide**2 if expert == "ridge" else wide
    rows = n_rows / n_workers * n_experts * known["row"] * wide_sums
    owned = np.ceil(n_experts / n_workers) * capacity * travels
    moved = 8 * (n_features + 2) * capacity * n_experts * travels
    answers = 3 * n_experts * (n_features + 1) + 4 * n_experts
    if expert == "ridge":
        answers += n_experts * (n_features + 2) ** 2
    fits = owned * known["fit"] * wide
    travel = owned * 8 * (n_features + 2) / BANDWIDTH
    scheduler = known["rounds"] * n_partitions * known["task"]
    kept = 8 * (2 * n_features + 2 * n_experts + 6) * n_rows / n_workers
    return {
        "expert": expert,
        "K": n_experts,
        "p": n_features,
        "capacity": capacity if travels else 0,
        "rows": rows,
        "fits": fits,
        "travel": travel,
        "scheduler": scheduler,
        "an iteration": rows + fits + travel + scheduler,
        "GB of rows moved": moved / 1e9,
        "GB of sums": 8 * answers * n_partitions / 1e9,
        "GB kept by a worker": kept / 1e9,
    }


# The table


def speedups(frame):
    """Return how much faster two workers are than one, by number of rows."""
    times = frame.pivot_table(
        index=["expert", "rows"],
        columns="where",
        values=["an iteration", "experts + E-step", "gate"],
    )
    return times.xs("1 worker", axis=1, level=1) / times.xs(
        "2 workers", axis=1, level=1
    )


def title(text):
    return ["", text, "=" * len(text)]


def table(frame, digits=3):
    return frame.to_string(index=False, float_format=f"{{:.{digits}f}}".format)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--rows", type=int, nargs="+", default=[100_000, 1_000_000, 10_000_000]
    )
    parser.add_argument("--iterations", type=int, default=4)
    parser.add_argument("--result-rows", type=int, nargs="+", default=[50_000])
    parser.add_argument("--result-iterations", type=int, default=100)
    parser.add_argument("--stream-rows", type=int, default=1_000_000)
    parser.add_argument("--fault-rows", type=int, default=200_000)
    parser.add_argument("--memory-rows", type=int, default=1_000_000)
    parser.add_argument(
        "--memory-rows-large", type=int, help="instead of twice what memory holds"
    )
    parser.add_argument("--memory-limit", default="1GB", help="of a worker")
    parser.add_argument(
        "--local-rows",
        type=int,
        nargs=2,
        default=[10_000_000, 100_000],
        help="most rows of local fits, of ridge experts and of trees",
    )
    arguments = parser.parse_args()
    begin = time.perf_counter()
    local_rows = dict(zip(EXPERTS, arguments.local_rows))
    frame = compare(arguments.rows, arguments.iterations, local_rows)
    ends = results(arguments.result_rows, arguments.result_iterations)
    peaks = memory(
        arguments.memory_rows, arguments.memory_limit, arguments.memory_rows_large
    )
    with workers(1, 0) as client:
        online = client.submit(streamed, arguments.stream_rows).result()
        print("streamed", flush=True)
        batch = client.submit(
            fit_local,
            arguments.stream_rows,
            Ridge(),
            arguments.result_iterations,
            tol=1e-4,
        ).result()
        print("batch EM done", flush=True)
    log, equal = fault(arguments.fault_rows)
    with workers(2) as client:
        known = constants(frame, seconds_a_task(client))

    most = max(arguments.rows)
    lines = [
        header("scikit-learn", "numpy", "dask", "distributed"),
        "",
        f"Rows of {N_FEATURES} features in partitions of an eighth of them, or "
        f"{PARTITION:,}; {N_EXPERTS} experts that take at most {CAPACITY:,} rows.",
        f"Seconds by the clock; fits of {arguments.iterations} iterations, and an "
        "iteration without the first, which belongs to the start. The E-step is "
        "what an iteration takes beside experts and gate.",
        "The peak is that of a process: of the only one, or of the worker that holds "
        "most.",
        *title("Local, one worker, two workers"),
        table(
            frame[
                [
                    *("rows", "expert", "where", "seconds", "an iteration"),
                    *("experts", "E-step", "gate", "peak MB"),
                ]
            ]
        ),
        *title("One worker / two workers"),
        speedups(frame).to_string(float_format="{:.2f}".format),
    ]
    for expert, group in frame[frame["where"] == "2 workers"].groupby("expert"):
        last = group[group["rows"] == most].iloc[0]
        work = last["tasks"]
        busy = work[["compute", "transfer"]].sum().sum()
        share = 100 * (1 - busy / (2 * last["an iteration"]))
        shown = work.head(8).assign(
            what=[KINDS.get(name, "") for name in work.head(8).index]
        )
        lines += [
            *title(f"An iteration of {expert} experts, {most:,} rows, two workers"),
            f"{last['rounds']:.1f} rounds of questions to all partitions, "
            f"{work['tasks'].sum():.0f} tasks, {last['bytes'] / 1e6:.2f} MB from "
            "process to process.",
            f"Seconds of both workers by the kind of task, as the dashboard shows "
            f"them; they wait for {share:.0f} % of the time.",
            shown.to_string(float_format="{:.2f}".format),
        ]
    lines += [
        *title("Nothing kept (persist=False), two workers"),
        f"Two iterations on rows of {WIDE} features in partitions of "
        f"{WIDE_PARTITION:,}; an expert takes {WIDE_CAPACITY:,}.",
        table(peaks, 1),
        *title("When EM has converged"),
        "Mean log-likelihood of training rows, R2 of others.",
        table(ends, 5),
        *title(f"A stream of {arguments.stream_rows:,} rows, once, beside batch EM"),
        f"SGD experts in batches of {BATCH}: {online['seconds']:.1f} s, R2 of other "
        f"rows {online['R2']:.4f}.",
        f"Ridge experts, {batch['iterations']} iterations: {batch['seconds']:.1f} s, "
        f"R2 {batch['R2']:.4f}.",
        *title(f"A worker is killed, {arguments.fault_rows:,} rows, trees"),
        *log,
        *title("The plan: 1,000,000,000 rows on 100 workers"),
        "By the cost model of the user guide and these constants, for each expert:",
    ]
    for expert, each in known.items():
        lines.append(
            f"{expert}: {1e9 * each['row']:.0f} ns for a row and an expert, "
            f"{1e9 * each['fit']:.0f} ns to fit a row that came, "
            f"{each['rounds']:.1f} rounds, {1e3 * each['task']:.2f} ms a task."
        )
    plans = pd.DataFrame(
        [
            plan(known[expert], expert, 10**9, 10, n_experts, 100, 10**6, 10**6)
            for expert in known
            for n_experts in (4, 100)
        ]
    )
    lines += ["Seconds of an iteration:", table(plans, 2)]

    lines += title("Bars")
    for expert, ratios in speedups(frame)["experts + E-step"].groupby("expert"):
        ratio = ratios.loc[expert, most]
        lines.append(
            f"{expert}, experts and E-step at {most:,} rows: two workers {ratio:.2f} "
            f"times one; bar {LEAST_SPEEDUP}: {verdict(ratio >= LEAST_SPEEDUP)}"
        )
    few, many = peaks["peak MB"]
    lines.append(
        f"peak of a worker, {peaks['rows'][1]:,} rows beside {peaks['rows'][0]:,}: "
        f"{many / few:.2f} times; bar {MOST_GROWTH}: "
        f"{verdict(many <= MOST_GROWTH * few)}"
    )
    data, limit = peaks["data MB"][1], 2 * peaks["limit MB"][1]
    lines.append(
        f"a fit to {data / limit:.1f} times the memory of all workers; bar 2: "
        f"{verdict(data >= 2 * limit)}"
    )
    for (expert, n_rows), pair in ends.groupby(["expert", "rows"]):
        local, other, there = pair["log-likelihood"]
        difference, by_seed = abs(there / local - 1), abs(other / local - 1)
        lines.append(
            f"{expert}, {n_rows:,} rows: log-likelihood {100 * difference:.3f} % from "
            f"that of the local fit (that with another seed {100 * by_seed:.3f} %); "
            f"bar {100 * MOST_DIFFERENCE} %: {verdict(difference <= MOST_DIFFERENCE)}"
        )
    loss = 1 - online["R2"] / batch["R2"]
    lines.append(
        f"a stream, once: R2 {100 * loss:.2f} % below batch EM's; bar "
        f"{100 * MOST_STREAM_LOSS:.0f} %: {verdict(loss <= MOST_STREAM_LOSS)}"
    )
    lines.append(f"a worker killed: the same result: {verdict(equal)}")
    lines += ["", f"All of this took {(time.perf_counter() - begin) / 60:.1f} minutes."]
    write("scale/cluster", lines)


if __name__ == "__main__":
    main()
