"""Measure the time of linear experts that are fitted together.

The normal equations of all experts are summed in one pass over the rows, and all
experts predict by one matrix product. The M-step, including predictions, is compared
with `fit` and `predict` of each expert. A whole fit of the same number of iterations is
compared with a mixture of an empty subclass of the same estimator: subclasses are not
recognised as least squares, so that their experts are fitted one by one. Run it by
`python -m benchmarks.speed.linear`.
"""

import argparse
import time
import warnings

import numpy as np
import pandas as pd
from scipy.special import softmax
from sklearn.base import clone
from sklearn.linear_model import LinearRegression, Ridge
from threadpoolctl import threadpool_limits

from benchmarks.common.report import header, verdict, write
from sklearn_moe import MixtureOfExpertsRegressor
from sklearn_moe._rows import Block, LocalRows
from sklearn_moe.experts.least_squares import LeastSquares

# The target to meet for the M-step of the experts, and the size for which it is set.
BAR = 2.0
BAR_AT = {"rows": 100_000, "features": 10, "experts": 8}
# Number of iterations of a whole fit, and of M-steps that are measured for each fit.
N_ITERATIONS = 10
N_M_STEPS = 5


class OwnRidge(Ridge):
    """Ridge as a subclass, whose experts are fitted one by one."""


class OwnLinearRegression(LinearRegression):
    """LinearRegression as a subclass, whose experts are fitted one by one."""


KINDS = {"Ridge": (Ridge, OwnRidge), "OLS": (LinearRegression, OwnLinearRegression)}
ASSIGNMENTS = ["soft", "hard"]


def problem(n_rows, n_features, n_experts):
    """Draw rows of linear regimes with borders, and matching responsibilities.

    Returns
    -------
    X : ndarray of shape (n_rows, n_features)
    y : ndarray of shape (n_rows,)
    responsibilities : ndarray of shape (n_rows, n_experts)
    regime : ndarray of shape (n_rows,), int
    """
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_rows, n_features))
    logits = 3 * X @ rng.standard_normal((n_features, n_experts))
    logits += rng.gumbel(size=logits.shape)
    regime = logits.argmax(axis=1)
    coef = rng.standard_normal((n_experts, n_features))
    y = np.einsum("ij,ij->i", X, coef[regime]) + 0.5 * rng.standard_normal(n_rows)
    responsibilities = softmax(logits, axis=1)
    return X, y, responsibilities, regime


def timed(call):
    """Return the seconds of a call, and its result."""
    begin = time.process_time()
    result = call()
    return time.process_time() - begin, result


class Weights:
    """Weights of the rows for each expert, computed on demand as in EM.

    Parameters
    ----------
    responsibilities : ndarray of shape (n_rows, n_experts)
    sharing : float
        Fraction of each row that all experts share.
    """

    def __init__(self, responsibilities, sharing):
        self.responsibilities, self.sharing = responsibilities, sharing
        self.n_experts = responsibilities.shape[1]

    def of(self, experts, rows=slice(None)):
        """Return the weights of rows for one expert or several."""
        weights = (1 - self.sharing) * self.responsibilities.T[experts, rows]
        if self.sharing:
            weights += self.sharing / self.n_experts
        return weights


def fit_alone(expert, X, y, weights):
    """Fit a single expert, and predict with it."""
    rows = slice(None) if weights.all() else weights > 0
    fitted = clone(expert).fit(X[rows], y[rows], sample_weight=weights[rows])
    return fitted, fitted.predict(X)


def m_step_alone(expert, X, y, weights):
    """Return an M-step in which the experts are fitted one by one."""
    experts = range(weights.n_experts)
    return lambda: [fit_alone(expert, X, y, weights.of(k))[0] for k in experts]


def m_step_together(expert, X, y, weights):
    """Return an M-step in which the experts are fitted together where possible.

    There are previous fits, as in all iterations but the first.
    """
    experts = range(weights.n_experts)
    previous = dict(enumerate(m_step_alone(expert, X, y, weights)()))
    least_squares = LeastSquares(LocalRows(Block(X, y, y, np.ones(len(X)))))

    def m_step():
        fitted = least_squares.fit(previous, weights)
        least_squares.predict(list(fitted.values()))
        return [
            fitted[k] if k in fitted else fit_alone(expert, X, y, weights.of(k))[0]
            for k in experts
        ]

    return m_step


def whole_fit(estimator, X, y, n_experts, assignment):
    """Return a function that fits a mixture."""
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
    """Return the largest difference of coefficients.

    It is relative to the largest coefficient of the expert.
    """
    return max(
        np.abs(a.coef_ - b.coef_).max() / np.abs(b.coef_).max()
        for a, b in zip(ours, rival)
    )


def measure(n_rows, n_features, n_experts, kind, assignment, n_repeats):
    """Measure seconds of both in alternating runs, and differences of coefficients."""
    X, y, responsibilities, regime = problem(n_rows, n_features, n_experts)
    weights = Weights(responsibilities, 0.05)
    if assignment == "hard":
        weights = Weights(np.eye(n_experts)[regime], 0.0)
    ours, own = (Estimator() for Estimator in KINDS[kind])
    calls = {
        "M-step": m_step_together(ours, X, y, weights),
        "own M-step": m_step_alone(ours, X, y, weights),
        "fit": whole_fit(ours, X, y, n_experts, assignment),
        "own fit": whole_fit(own, X, y, n_experts, assignment),
    }
    taken, results = {name: [] for name in calls}, {}
    for _ in range(n_repeats):
        for name in ["M-step", "own M-step"] * N_M_STEPS + ["fit", "own fit"]:
            seconds, results[name] = timed(calls[name])
            taken[name].append(seconds)
    medians = {name: np.median(seconds) for name, seconds in taken.items()}
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
        "difference": difference(results["M-step"], results["own M-step"]),
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
        # Have Numba compile before anything is measured.
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
    for what in ("M-step", "fit"):
        ratio = frame[f"{what} ratio"]
        text.append(
            f"{what}: median {ratio.median():.1f} times faster, from {ratio.min():.2f} "
            f"to {ratio.max():.1f}"
        )
    write("speed/linear", text)


if __name__ == "__main__":
    main()
