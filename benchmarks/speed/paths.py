"""Profile fits and predictions, and compare their times with lower limits.

A profiler divides the time of a fit with ridge experts and with boosting, of the
M-steps of the gate in the first of them, and of predictions by all experts and by the
one of largest weight. Lower limits are measured in the same run: the addition of two
arrays of (n, K), and the Gram matrices in the normal equations of linear experts and in
the Hessian of the gate, half of each symmetric one, at the speed of a large matrix
product. Run it by `python -m benchmarks.speed.paths`.
"""

import argparse
import time
import warnings
from functools import partial

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import Ridge
from threadpoolctl import threadpool_limits

from benchmarks.common.problems import gated_lines
from benchmarks.common.profiler import Profiler
from benchmarks.common.report import header, write
from benchmarks.common.steps import OWN, REST, STEPS, names_within, step_of_fit
from sklearn_moe import MixtureOfExpertsRegressor

# Predictions take a few milliseconds; they are repeated for this number of seconds.
LEAST_SECONDS = 1.0
# Functions of the gate that take less than this share of its time share one line.
LEAST_SHARE = 0.02
M_STEP = "M-step of the gate, mean of the fit with ridge"


def median_time(call, n_repeats=5):
    """Return the median seconds of a call."""
    taken = []
    for _ in range(n_repeats):
        begin = time.process_time()
        call()
        taken.append(time.process_time() - begin)
    return np.median(taken)


def limits(X, n_experts):
    """Return the seconds of the computations that are lower limits."""
    shape = len(X), n_experts
    left, right, out = np.ones(shape), np.ones(shape), np.empty(shape)
    square = np.ones((1000, 1000))
    second_per_flop = median_time(lambda: square @ square) / (2 * square.size * 1000)
    gram = len(X) * (X.shape[1] + 1) ** 2 * second_per_flop
    pairs = n_experts * (n_experts - 1) // 2
    return {
        "addition of two (n, K)": median_time(lambda: np.add(left, right, out=out)),
        f"{n_experts} Gram matrices: experts, one M-step": n_experts * gram,
        f"{pairs} Gram matrices: Hessian of the gate on all rows": pairs * gram,
    }


def step_with_experts(stack):
    """Return the step of a fit, where all work on the experts is one step."""
    step = step_of_fit(stack)
    return OWN if step == STEPS["experts"] else step


def function_of_gate(stack):
    """Return the innermost function of the package in an M-step of the gate.

    It is None elsewhere.
    """
    if step_of_fit(stack) != STEPS["gates"] or "em" not in names_within(stack):
        return None
    ours = [function for module, function in stack if module.startswith("sklearn_moe.")]
    return ours[-1]


def step_of_prediction(stack):
    """Return the step of a prediction."""
    names = names_within(stack)
    if "gates" in names:
        return "gate"
    if "experts" in names:
        return OWN
    return "combination" if "_pooling" in names else REST


def profiled(kind_of, call, least_seconds=0.0):
    """Return the seconds of a call by their kind.

    Parameters
    ----------
    kind_of : callable
        See `Profiler`.
    call : callable
    least_seconds : float, default=0
        The call is repeated until this time is over.

    Returns
    -------
    seconds : dict of float
    """
    n_calls, begin = 0, time.process_time()
    with Profiler(kind_of) as profiler:
        while not n_calls or time.process_time() - begin < least_seconds:
            call()
            n_calls += 1
    return {kind: seconds / n_calls for kind, seconds in profiler.seconds.items()}


def fit_path(mixture, X, y):
    """Return the seconds of the steps of a fit."""
    return profiled(step_with_experts, lambda: mixture.fit(X, y))


def predict_path(mixture, X, combination):
    """Return the seconds of the steps of a prediction."""
    mixture.set_params(combination=combination)
    return profiled(step_of_prediction, lambda: mixture.predict(X), LEAST_SECONDS)


def gate_path(mixture, X, y):
    """Return mean seconds of the functions in an M-step of the gate, over a fit."""
    seconds = profiled(function_of_gate, lambda: mixture.fit(X, y))
    seconds.pop(None, None)
    return {name: taken / mixture.n_iter_ for name, taken in seconds.items()}


def median_of(path, n_repeats):
    """Return median seconds of the lines of a path, without the first run."""
    runs = [path() for _ in range(n_repeats + 1)]
    return pd.DataFrame(runs[1:]).fillna(0.0).median()


def shortened(seconds):
    """Sum up the functions that take a negligible time in one line."""
    small = seconds < LEAST_SHARE * seconds.sum()
    return (
        seconds.rename(lambda name: REST if small[name] else name)
        .groupby(level=0)
        .sum()
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--features", type=int, default=10)
    parser.add_argument("--experts", type=int, default=8)
    parser.add_argument("--iterations", type=int, default=20)
    parser.add_argument("--boosting-rows", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    X, y, _ = gated_lines(arguments.rows, arguments.features, arguments.experts)
    few = slice(arguments.boosting_rows)
    n_experts, n_iter = arguments.experts, arguments.iterations
    boosting = HistGradientBoostingRegressor(
        max_iter=30, max_bins=63, early_stopping=False, random_state=0
    )
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")
        lines, boosted = (
            MixtureOfExpertsRegressor(
                expert, n_experts, max_iter=max_iter, tol=0, random_state=0
            )
            for expert, max_iter in ((Ridge(), n_iter), (boosting, 3))
        )
        paths = {
            f"fit, ridge, {n_iter} iterations": partial(fit_path, lines, X, y),
            f"fit, boosting, {len(X[few])} rows, 3 iterations": partial(
                fit_path, boosted, X[few], y[few]
            ),
            "predict, weighted": partial(predict_path, lines, X, "weighted"),
            "predict, argmax": partial(predict_path, lines, X, "argmax"),
            M_STEP: partial(gate_path, lines, X, y),
        }
        tables = {}
        for name, path in paths.items():
            tables[name] = median_of(path, arguments.repeats)
            print(name, "done", flush=True)
        limit = limits(X, n_experts)
    tables[M_STEP] = shortened(tables[M_STEP])
    packages = header("scikit-learn", "numpy", "scipy", "numba")
    text = [
        f"{packages}, one thread",
        "",
        f"{arguments.rows} rows, {arguments.features} features, {n_experts} experts: "
        "processor time in milliseconds, medians",
        f"of {arguments.repeats} runs.",
        "",
        "Limits",
        "======",
        *(f"{1e3 * seconds:10.2f}  {name}" for name, seconds in limit.items()),
    ]
    for name, seconds in tables.items():
        text += ["", name, "=" * len(name), f"{1e3 * seconds.sum():10.2f}  all"]
        text += [
            f"{1e3 * taken:10.2f}  {100 * taken / seconds.sum():3.0f} %  {step}"
            for step, taken in seconds.sort_values(ascending=False).items()
        ]
    write("speed/paths", text)


if __name__ == "__main__":
    main()
