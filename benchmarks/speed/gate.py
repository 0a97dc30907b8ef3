"""Compare the M-step of the gate with LogisticRegression.

Both minimise the same objective. For soft targets, `LogisticRegression` is fitted in
the usual way: each row is repeated for every expert, with the responsibility as its
weight. In a cold start, both start at zeros and minimise to the same gradient. In a
warm start, responsibilities have changed a little, as between iterations of EM, and
both start at their last solution; the gate takes a few steps only, as in EM. Both
follow several such changes before one is measured. Run it by
`python -m benchmarks.speed.gate`.
"""

import argparse
import time
import warnings

import numpy as np
import pandas as pd
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from benchmarks.common.report import header, verdict, write
from sklearn_moe import SoftmaxGate
from sklearn_moe._rows import Block, LocalRows
from sklearn_moe.gates import bind_gate

ALPHA = 1e-3
# Both stop when the largest element of the gradient is below this.
TOLERANCE = 1e-6
# Number of changes of the responsibilities before one is measured.
N_MOVES = 5
BARS = {"cold": 5.0, "warm": 15.0}


def problem(n_rows, n_features, n_experts):
    """Draw rows, and responsibilities that change as in successive iterations of EM.

    Returns
    -------
    X : ndarray of shape (n_rows, n_features)
    path : list of ndarray of shape (n_rows, n_experts)
    """
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_rows, n_features))
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    logits = X @ rng.standard_normal((n_features, n_experts))
    logits += rng.standard_normal(logits.shape)
    move = 0.1 * X @ rng.standard_normal((n_features, n_experts))
    return X, [softmax(logits + n * move, axis=1) for n in range(N_MOVES + 2)]


class Rival:
    """LogisticRegression with each row repeated for every expert.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features)
    n_experts : int
    """

    def __init__(self, X, n_experts):
        self.X = np.repeat(X, n_experts, axis=0)
        self.y = np.tile(np.arange(n_experts), len(X))
        self.model = LogisticRegression(
            C=1 / (ALPHA * len(X)), tol=TOLERANCE, max_iter=10_000, warm_start=True
        )

    def fit(self, responsibilities):
        """Fit, starting at the last solution."""
        self.model.fit(self.X, self.y, sample_weight=responsibilities.ravel())

    def weights(self, X):
        """Return the probability of each expert."""
        return self.model.predict_proba(X)


def objective(weights, responsibilities, coef):
    """Return the penalised mean cross-entropy.

    With two classes, the single logit is penalised.
    """
    if len(coef) == 2:
        coef = coef[1] - coef[0]
    penalty = ALPHA / 2 * np.sum(coef**2)
    return penalty - np.mean(np.sum(responsibilities * np.log(weights), axis=1))


def timed(call):
    """Return the seconds of a call."""
    begin = time.process_time()
    call()
    return time.process_time() - begin


def measure(n_rows, n_features, n_experts, n_repeats):
    """Measure seconds and objectives of both, for cold and warm starts."""
    X, path = problem(n_rows, n_features, n_experts)
    before, after = path[0], path[-1]
    times = {name: [] for name in ("cold", "rival cold", "warm", "rival warm")}
    for _ in range(n_repeats):
        gate = SoftmaxGate(ALPHA, tol=TOLERANCE)
        times["cold"].append(timed(lambda gate=gate: gate.fit(X, before)))
        rival = Rival(X, n_experts)
        times["rival cold"].append(timed(lambda rival=rival: rival.fit(before)))
        excess = objective(gate.predict_proba(X), before, gate.coef_) - objective(
            rival.weights(X), before, rival.model.coef_
        )
        # As in EM, the design is standardised once, before the first iteration.
        rows = LocalRows(Block(X, before, before, np.ones(n_rows)))
        bound = bind_gate(SoftmaxGate(ALPHA), rows, n_experts, random_state=None)
        start = bound.recall(gate)
        for responsibilities in path[:-1]:
            start, _ = bound.fit(responsibilities, start)
            rival.fit(responsibilities)
        fitted = []
        times["warm"].append(
            timed(
                lambda bound=bound, start=start, fitted=fitted: fitted.append(
                    bound.fit(after, start)[0]
                )
            )
        )
        times["rival warm"].append(timed(lambda rival=rival: rival.fit(after)))
        warm = bound.estimator(fitted[0], np.arange(n_experts))
        excess_warm = objective(warm.predict_proba(X), after, warm.coef_) - objective(
            rival.weights(X), after, rival.model.coef_
        )
    medians = {name: np.median(taken) for name, taken in times.items()}
    return {
        "rows": n_rows,
        "features": n_features,
        "experts": n_experts,
        **medians,
        "cold ratio": medians["rival cold"] / medians["cold"],
        "warm ratio": medians["rival warm"] / medians["warm"],
        "cold excess": excess,
        "warm excess": excess_warm,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--features", type=int, nargs="+", default=[4, 20])
    parser.add_argument("--experts", type=int, nargs="+", default=[2, 4, 16])
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    rows = []
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")
        # Have Numba compile before anything is measured.
        measure(200, 2, 3, 1)
        for n_rows in arguments.rows:
            for n_features in arguments.features:
                for n_experts in arguments.experts:
                    rows.append(
                        measure(n_rows, n_features, n_experts, arguments.repeats)
                    )
                    print(n_rows, n_features, n_experts, "done", flush=True)
    frame = pd.DataFrame(rows)
    seconds = dict.fromkeys(["cold", "rival cold", "warm", "rival warm"], "{:.4f}")
    ratios = dict.fromkeys(["cold ratio", "warm ratio"], "{:.1f}")
    excesses = dict.fromkeys(["cold excess", "warm excess"], "{:.0e}")
    formats = {
        name: text.format for name, text in (seconds | ratios | excesses).items()
    }
    packages = header("scikit-learn", "numpy", "scipy", "numba")
    text = [
        f"{packages}, one thread",
        "",
        f"Processor time in seconds, medians of {arguments.repeats} runs that take "
        "turns. The rival is LogisticRegression(solver='lbfgs')",
        f"on each row once for every expert, with tol={TOLERANCE:g}. An excess is our "
        "objective less the rival's: what one of them",
        "leaves on the table.",
        "",
        frame.to_string(index=False, formatters=formats),
        "",
        "Bars",
        "====",
    ]
    for name, bar in BARS.items():
        ratio = frame[f"{name} ratio"]
        text.append(
            f"{name}: median {ratio.median():.1f} times faster, from {ratio.min():.1f} "
            f"to {ratio.max():.1f}; bar {bar:.0f}: {verdict(ratio.median() >= bar)}"
        )
    write("speed/gate", text)


if __name__ == "__main__":
    main()
