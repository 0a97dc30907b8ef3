"""What linear experts cost when they are fitted together.

The normal equations of all experts are summed in one pass over the rows, and all
experts answer in one product. The rival is a subclass of the same estimator that
changes nothing: it is not known to be least squares, so that each expert is fitted by
its own `fit` and asked by its own `predict`. Once for the M-step of the experts with
their answers, and once for a whole fit of the same number of iterations.
`python -m benchmarks.speed.linear`.
"""

import argparse
import time
import warnings

import numpy as np
import pandas as pd
from sklearn.linear_model import LinearRegression, Ridge
from threadpoolctl import threadpool_limits

from benchmarks.common.report import header, verdict, write
from sklearn_moe import MixtureOfExpertsRegressor, kernels
from sklearn_moe.em import TrainingWeights
from sklearn_moe.experts import ExpertPool, PointAnswers

# The M-step of the experts, at the size for which the bar is set.
BAR = 2.0
BAR_AT = {"rows": 100_000, "features": 10, "experts": 8}
# Of a whole fit, and M-steps for each of these.
N_ITERATIONS = 10
N_M_STEPS = 5


class OwnRidge(Ridge):
    """Ridge, fitted by itself."""


class OwnLinearRegression(LinearRegression):
    """LinearRegression, fitted by itself."""


KINDS = {"Ridge": (Ridge, OwnRidge), "OLS": (LinearRegression, OwnLinearRegression)}
ASSIGNMENTS = ["soft", "hard"]


def problem(n_rows, n_features, n_experts):
    """Rows of linear regimes with borders, and responsibilities that suit them."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_rows, n_features))
    logits = 3 * X @ rng.standard_normal((n_features, n_experts))
    logits += rng.gumbel(size=logits.shape)
    regime = logits.argmax(axis=1)
    coef = rng.standard_normal((n_experts, n_features))
    y = np.einsum("ij,ij->i", X, coef[regime]) + 0.5 * rng.standard_normal(n_rows)
    responsibilities = np.exp(kernels.log_softmax(logits))
    return X, y, responsibilities, regime


def timed(call):
    begin = time.process_time()
    result = call()
    return time.process_time() - begin, result


def m_step(estimator, X, y, parts, sharing):
    """The M-step of experts that were fitted before."""
    n_experts = parts.shape[1]
    pool = ExpertPool(
        [(f"expert{k}", estimator) for k in range(n_experts)],
        X,
        y,
        np.ones(len(X)),
        PointAnswers(),
        random_state=np.random.RandomState(0),
    )
    active = np.ones(n_experts, dtype=bool)
    weights = TrainingWeights(parts, np.ones(len(X)), sharing)
    previous, _ = pool.fit(weights, active, None)
    return lambda: pool.fit(weights, active, previous)


def whole_fit(estimator, X, y, n_experts, assignment):
    mixture = MixtureOfExpertsRegressor(
        estimator,
        n_experts=n_experts,
        assignment=assignment,
        max_iter=N_ITERATIONS,
        tol=0,
        random_state=0,
    )
    return lambda: mixture.fit(X, y)


def difference(ours, rival):
    """Largest difference of coefficients, relative to the largest of the expert."""
    return max(
        np.abs(a.coef_ - b.coef_).max() / np.abs(b.coef_).max()
        for a, b in zip(ours, rival)
    )


def measure(n_rows, n_features, n_experts, kind, assignment, n_repeats):
    """Seconds of both, in turns, and how far the coefficients are apart."""
    X, y, responsibilities, regime = problem(n_rows, n_features, n_experts)
    parts, sharing = responsibilities, 0.05
    if assignment == "hard":
        parts, sharing = np.eye(n_experts)[regime], 0.0
    calls = {}
    for name, Estimator in zip(("", "own "), KINDS[kind]):
        calls[name + "M-step"] = m_step(Estimator(), X, y, parts, sharing)
        calls[name + "fit"] = whole_fit(Estimator(), X, y, n_experts, assignment)
    taken, results = {name: [] for name in calls}, {}
    for _ in range(n_repeats):
        for name in ["M-step", "own M-step"] * N_M_STEPS + ["fit", "own fit"]:
            seconds, results[name] = timed(calls[name])
            taken[name].append(seconds)
    medians = {name: np.median(seconds) for name, seconds in taken.items()}
    members = [
        [member.estimator for member in results[name][0]]
        for name in ("M-step", "own M-step")
    ]
    return {
        "expert": kind,
        "assignment": assignment,
        "rows": n_rows,
        "features": n_features,
        "experts": n_experts,
        "M-step": medians["M-step"],
        "own M-step": medians["own M-step"],
        "M-step ratio": medians["own M-step"] / medians["M-step"],
        "fit": medians["fit"],
        "own fit": medians["own fit"],
        "fit ratio": medians["own fit"] / medians["fit"],
        "difference": difference(*members),
        "of fits": difference(results["fit"].experts_, results["own fit"].experts_),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--features", type=int, nargs="+", default=[2, 10, 50])
    parser.add_argument("--experts", type=int, nargs="+", default=[8])
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument(
        "--assignments", nargs="+", choices=ASSIGNMENTS, default=ASSIGNMENTS
    )
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    cases = [
        (n_rows, n_features, n_experts, kind, assignment)
        for kind in arguments.kinds
        for assignment in arguments.assignments
        for n_experts in arguments.experts
        for n_features in arguments.features
        for n_rows in arguments.rows
    ]
    rows = []
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")
        # Numba compiles.
        for assignment in arguments.assignments:
            measure(200, 2, 3, "Ridge", assignment, 1)
        for case in cases:
            rows.append(measure(*case, arguments.repeats))
            print(*case, "done", flush=True)
    frame = pd.DataFrame(rows)
    seconds = dict.fromkeys(["M-step", "own M-step", "fit", "own fit"], "{:.4f}")
    ratios = dict.fromkeys(["M-step ratio", "fit ratio"], "{:.1f}")
    differences = dict.fromkeys(["difference", "of fits"], "{:.0e}")
    formats = {
        name: text.format for name, text in (seconds | ratios | differences).items()
    }
    text = [
        header("scikit-learn", "numpy", "scipy", "numba"),
        "",
        f"Processor time in seconds, medians of runs that take turns: "
        f"{N_M_STEPS * arguments.repeats} of the M-step of the experts with their",
        f"answers, {arguments.repeats} of a whole fit of {N_ITERATIONS} iterations. "
        "'Own' are experts that are fitted one by one. The differences",
        "are those of the coefficients, relative to the largest of the expert, after "
        "one M-step and after a whole fit. Where experts have",
        "too few rows for their columns (hard assignment), both are fitted one by one.",
        "",
        frame.to_string(index=False, formatters=formats),
        "",
        "Bars",
        "====",
    ]
    at_bar = (frame[list(BAR_AT)] == pd.Series(BAR_AT)).all(axis=1)
    for _, row in frame[at_bar & (frame["assignment"] == "soft")].iterrows():
        text.append(
            f"M-step, {row['expert']}, {row['rows']} rows, {row['features']} features, "
            f"{row['experts']} experts: {row['M-step ratio']:.1f} times faster; bar "
            f"{BAR:.0f}: {verdict(row['M-step ratio'] >= BAR)}"
        )
    for part in ("M-step", "fit"):
        ratio = frame[f"{part} ratio"]
        text.append(
            f"{part}: median {ratio.median():.1f} times faster, from {ratio.min():.2f} "
            f"to {ratio.max():.1f}"
        )
    write("speed/linear", text)


if __name__ == "__main__":
    main()
