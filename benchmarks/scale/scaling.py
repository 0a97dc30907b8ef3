"""Measure how time and memory of a fit grow with rows, features and experts.

Ridge experts are fitted for a few iterations. The time of a fit of one iteration is
subtracted, to separate the iterations from the start and the end of a fit. Memory is
the peak of NumPy's allocations during a separate fit. Run it by
`python -m benchmarks.scale.scaling`.
"""

import argparse
import time
import tracemalloc
import warnings

import numpy as np
import pandas as pd
from sklearn.linear_model import Ridge
from threadpoolctl import threadpool_limits

from benchmarks.common.problems import gated_lines
from benchmarks.common.report import header, verdict, write
from sklearn_moe import MixtureOfExpertsRegressor

# Maximum slope of log(seconds) against log(rows).
MOST_SLOPE = 1.1
# Maximum memory in float64 arrays of shape (rows, experts).
MOST_MEMORY = 4.0


def timed(call):
    """Return the seconds of a call."""
    begin = time.process_time()
    call()
    return time.process_time() - begin


def peak_of(call):
    """Return the peak memory of a call, in bytes, beyond that before it."""
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    call()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak - before


def measure(n_rows, n_features, n_experts, n_iter, n_repeats):
    """Return the seconds of a fit and of an iteration, and the memory of a fit."""
    X, y, _ = gated_lines(n_rows, n_features, n_experts)

    def fit(max_iter):
        mixture = MixtureOfExpertsRegressor(
            Ridge(), n_experts, max_iter=max_iter, tol=0, random_state=0
        )
        return lambda: mixture.fit(X, y)

    times = {1: [], n_iter: []}
    for _ in range(n_repeats):
        for max_iter, taken in times.items():
            taken.append(timed(fit(max_iter)))
    seconds, short = np.median(times[n_iter]), np.median(times[1])
    peak = peak_of(fit(n_iter))
    alone = peak_of(lambda: Ridge().fit(X, y, sample_weight=np.ones(n_rows)))
    array = 8 * n_rows * n_experts
    iteration = (seconds - short) / (n_iter - 1)
    return {
        "rows": n_rows,
        "features": n_features,
        "experts": n_experts,
        "seconds": seconds,
        "an iteration": iteration,
        "ns an element": 1e9 * iteration / (n_rows * n_experts),
        "peak MB": peak / 1e6,
        "peak": peak / array,
        "one expert": alone / array,
        "beyond": (peak - alone) / array,
    }


def slope(frame, column):
    """Return the slope of the logarithm of a column over that of the rows."""
    return np.polyfit(np.log(frame["rows"]), np.log(frame[column]), 1)[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000, 10_000_000]
    )
    parser.add_argument("--features", type=int, nargs="+", default=[2, 4, 8, 16, 32])
    parser.add_argument("--experts", type=int, nargs="+", default=[2, 4, 8, 16, 32])
    parser.add_argument(
        "--base",
        type=int,
        nargs=3,
        default=[100_000, 4, 4],
        help="rows, features and experts while another grows",
    )
    parser.add_argument("--iterations", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    n_rows, n_features, n_experts = arguments.base
    sweeps = {
        "Rows": [(n, n_features, n_experts) for n in arguments.rows],
        "Features": [(n_rows, d, n_experts) for d in arguments.features],
        "Experts": [(n_rows, n_features, k) for k in arguments.experts],
    }
    frames = {}
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")
        # Have Numba compile before anything is measured.
        measure(200, 2, 3, 2, 1)
        for title, sizes in sweeps.items():
            rows = []
            for size in sizes:
                rows.append(measure(*size, arguments.iterations, arguments.repeats))
                print(title, *size, "done", flush=True)
            frames[title] = pd.DataFrame(rows)
    packages = header("scikit-learn", "numpy", "scipy", "numba")
    lines = [
        f"{packages}, one thread",
        "",
        f"Processor time in seconds of a fit of {arguments.iterations} iterations, "
        f"medians of {arguments.repeats} runs that take turns, ridge experts.",
        "'an iteration' is without the first, to which start and end of the fit "
        "belong; an element is one",
        "of (n, K). The peak is of what NumPy allocates during the fit, beyond X and "
        "y: in megabytes, and in float64",
        "arrays of (n, K), then what the fit of one expert alone allocates, and what "
        "is beyond that.",
        "",
    ]
    digits = {
        **dict.fromkeys(["seconds", "an iteration"], "{:.4f}"),
        **dict.fromkeys(["ns an element", "peak MB"], "{:.1f}"),
        **dict.fromkeys(["peak", "one expert", "beyond"], "{:.1f}"),
    }
    formats = {name: text.format for name, text in digits.items()}
    for title, frame in frames.items():
        lines += [title, "=" * len(title)]
        lines += [frame.to_string(index=False, formatters=formats), ""]
    lines += ["Bars", "===="]
    frame = frames["Rows"]
    for column in ("seconds", "an iteration"):
        whole, last = slope(frame, column), slope(frame[-2:], column)
        lines.append(
            f"log of {column} over log of rows: slope {whole:.2f}, {last:.2f} between "
            f"the last two; bar {MOST_SLOPE}: {verdict(max(whole, last) <= MOST_SLOPE)}"
        )
    for column in ("peak", "beyond"):
        arrays = pd.concat(frames.values())[column]
        lines.append(
            f"memory, {column}: {arrays.min():.1f} to {arrays.max():.1f} arrays of "
            f"(n, K); bar {MOST_MEMORY:.0f}: {verdict(arrays.max() <= MOST_MEMORY)}"
        )
    write("scale/scaling", lines)


if __name__ == "__main__":
    main()
