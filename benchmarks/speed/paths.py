"""Where the time of what one calls most goes, beside the physical limit.

A fit with ridge experts and with boosting, predictions by all experts and by the most
trusted one, an M-step of the gate, each taken apart by a stopwatch. The limits are
measured in the same run: the addition of two arrays of (n, K), and the products that
the normal equations of linear experts and the Hessian of the gate are made of, half of
each symmetric one, at the speed of a large matrix product:
`python -m benchmarks.speed.paths`.
"""

import argparse
import time
import warnings

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import Ridge
from threadpoolctl import threadpool_limits

from benchmarks.common.components import FIT
from benchmarks.common.problems import gated_lines
from benchmarks.common.report import header, write
from benchmarks.common.stopwatch import Stopwatch
from sklearn_moe import (
    MixtureOfExpertsRegressor,
    SoftmaxGate,
    _prediction,
    gates,
    kernels,
)
from sklearn_moe.experts.linear import LeastSquares
from sklearn_moe.gates._problem import SoftmaxProblem
from sklearn_moe.gates.softmax import SoftmaxGating

PREDICT = {
    "gate": [(gates, "log_weights"), (gates, "most_trusted")],
    "combination": [(_prediction, "dispatch"), (_prediction, "dispatch_to_one")],
}
M_STEP = {
    "Hessian": [(SoftmaxProblem, "_hessian")],
    "loss and gradient": [(SoftmaxProblem, "at")],
    "cross-entropy kernel": [(kernels, "softmax_cross_entropy")],
}


def median_time(call, n_repeats=5):
    taken = []
    for _ in range(n_repeats):
        begin = time.process_time()
        call()
        taken.append(time.process_time() - begin)
    return np.median(taken)


def limits(X, n_experts):
    """Seconds of what no program can do without."""
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


def apart(call, parts, rest):
    """Seconds of a call, and of each part of it."""
    stopwatch = Stopwatch()
    with stopwatch.watch(parts), stopwatch.part(rest):
        call(stopwatch)
    return dict(stopwatch.seconds)


def fit_path(expert, X, y, n_experts, n_iter):
    """A fit of so many iterations."""
    mixture = MixtureOfExpertsRegressor(
        expert, n_experts, max_iter=n_iter, tol=0, random_state=0
    )
    kind = type(expert)
    experts = [(kind, "fit"), (kind, "predict"), (LeastSquares, "fit")]
    return apart(lambda _: mixture.fit(X, y), FIT | {"experts": experts}, "rest")


def predict_path(mixture, X, combination):
    """A prediction."""
    mixture.set_params(combination=combination)

    def call(stopwatch):
        fitted = mixture.experts_
        parts = {"experts": [(type(fitted[0]), "predict")]}
        with stopwatch.watch(parts):
            mixture.predict(X)

    return apart(call, PREDICT, "rest")


def gate_path(X, y, mixture):
    """An M-step of the gate, as the last of a fit."""
    gating = SoftmaxGating(SoftmaxGate(), X, np.ones(len(X)))
    start = gating.parameters_of(mixture.gate_)
    responsibilities = mixture.responsibilities(X, y)
    return apart(lambda _: gating.fit(responsibilities, start), M_STEP, "rest")


def median_of(path, n_repeats):
    """Median seconds of the parts of a path, the first run left out."""
    runs = [path() for _ in range(n_repeats + 1)]
    return pd.DataFrame(runs[1:]).fillna(0.0).median()


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
        mixture = MixtureOfExpertsRegressor(
            Ridge(), n_experts, max_iter=n_iter, random_state=0
        ).fit(X, y)
        paths = {
            f"fit, ridge, {n_iter} iterations": lambda: fit_path(
                Ridge(), X, y, n_experts, n_iter
            ),
            f"fit, boosting, {len(X[few])} rows, 3 iterations": lambda: fit_path(
                boosting, X[few], y[few], n_experts, 3
            ),
            "predict, weighted": lambda: predict_path(mixture, X, "weighted"),
            "predict, argmax": lambda: predict_path(mixture, X, "argmax"),
            "M-step of the gate": lambda: gate_path(X, y, mixture),
        }
        tables = {}
        for name, path in paths.items():
            tables[name] = median_of(path, arguments.repeats)
            print(name, "done", flush=True)
        limit = limits(X, n_experts)
    packages = header("scikit-learn", "numpy", "scipy", "numba")
    lines = [
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
        lines += ["", name, "=" * len(name), f"{1e3 * seconds.sum():10.2f}  all"]
        lines += [
            f"{1e3 * taken:10.2f}  {100 * taken / seconds.sum():3.0f} %  {part}"
            for part, taken in seconds.sort_values(ascending=False).items()
        ]
    write("speed/paths", lines)


if __name__ == "__main__":
    main()
