"""Compare mixtures with one expert on data with and without clear regimes.

In the first data set, two very different rules hold on the two sides of a plane. In the
second one, the features reveal the state of a hidden chain only in part, so that there
is little to gain. Both data sets, and the published results, are those of the README of
LightGBM-MoE. The third is a curve of one feature with two jumps, a test of the mixture
of smt [1]_, which requires a relative error of at most 0.3. Run it by
`python -m benchmarks.quality.regimes`.

References
----------
.. [1] P. Saves et al. (2024). SMT 2.0: a surrogate modeling toolbox with a focus on
   hierarchical and mixed variables Gaussian processes. Advances in Engineering Software
   188, 103571.
"""

import argparse
import contextlib
import io
import time
import warnings

import numpy as np
import pandas as pd
from lightgbm import LGBMRegressor
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression, Ridge
from smt.applications import MOE
from threadpoolctl import threadpool_limits

from benchmarks.common.report import header, verdict, write
from sklearn_moe import MixtureOfExpertsRegressor

SEEDS = (42, 43, 44)
LIGHTGBM = LGBMRegressor(n_jobs=1, verbose=-1, random_state=0)
HISTOGRAMS = HistGradientBoostingRegressor(random_state=0)
ALONE = "LightGBM"
GROWN = "2 LightGBM, grown"
CROSS_FITTED = "2 LightGBM, cv=3"
CONTESTANTS = {
    ALONE: LIGHTGBM,
    "histograms": HISTOGRAMS,
    "ridge": Ridge(),
    "mixture": MixtureOfExpertsRegressor(random_state=0),
    "mixture of 2": MixtureOfExpertsRegressor(n_experts=2, random_state=0),
    GROWN: MixtureOfExpertsRegressor(LIGHTGBM, 2, random_state=0),
    "2 LightGBM, cv=None": MixtureOfExpertsRegressor(
        LIGHTGBM, 2, cv=None, random_state=0
    ),
    CROSS_FITTED: MixtureOfExpertsRegressor(LIGHTGBM, 2, cv=3, random_state=0),
    "2 histograms, grown": MixtureOfExpertsRegressor(HISTOGRAMS, 2, random_state=0),
}
# RMSE of LightGBM alone, and of LightGBM-MoE after 500 trials of tuning.
PUBLISHED = {"two rules": (4.840, 3.792), "hidden chain": (2.216, 2.255)}


class Toolbox(RegressorMixin, BaseEstimator):
    """The mixture of smt as its own test has it: clusters, each with its best model."""

    def fit(self, X, y):
        # Its clusters are drawn from NumPy's global state.
        np.random.seed(0)  # noqa: NPY002
        self.mixture_ = MOE(
            smooth_recombination=True,
            heaviside_optimization=True,
            n_clusters=3,
            xt=X,
            yt=y[:, np.newaxis],
        )
        with contextlib.redirect_stdout(io.StringIO()):
            self.mixture_.train()
        return self

    def predict(self, X):
        return self.mixture_.predict_values(X)[:, 0]


# The first draw is that of smt's test, and so are the rows that are asked about.
JUMP_SEEDS, ASKED_SEED, JUMP_ROWS, JUMP_BAR = range(6), 3, 50, 0.3
OF_JUMPS = {
    "ridge": Ridge(),
    "mixture": MixtureOfExpertsRegressor(random_state=0),
    "3 lines": MixtureOfExpertsRegressor(LinearRegression(), 3, random_state=0),
    "smt": Toolbox(),
}


def two_rules(seed, n_rows=2000):
    """Draw rows with a different rule on each side of a plane."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_rows, 5))
    second = 0.5 * X[:, 1] + 0.3 * X[:, 2] - 0.2 * X[:, 3] > 0
    y = np.where(
        second,
        -5 * X[:, 0] - 2 * X[:, 1] ** 2 + 3 * np.cos(2 * X[:, 4]) - 10,
        5 * X[:, 0] + 3 * X[:, 0] * X[:, 2] + 2 * np.sin(2 * X[:, 3]) + 10,
    )
    return X, y + 0.5 * rng.standard_normal(n_rows)


def hidden_chain(seed, n_rows=2000, n_states=3):
    """Draw targets by the state of a chain, with which two features correlate."""
    rng = np.random.default_rng(seed)
    change = np.full((n_states, n_states), 0.05 / (n_states - 1))
    np.fill_diagonal(change, 0.95)
    mean, sd = np.linspace(-3, 3, n_states), np.linspace(0.4, 1, n_states)
    state = rng.integers(0, n_states)
    states, y = np.empty(n_rows, int), np.empty(n_rows)
    for t in range(n_rows):
        states[t], y[t] = state, rng.normal(mean[state], sd[state])
        state = rng.choice(n_states, p=change[state])
    X = rng.standard_normal((n_rows, 5))
    signal = (states - states.mean()) / states.std()
    X[:, 0] += 0.6 * signal
    X[:, 1] += 0.4 * signal
    return X, y


def jumps(seed, n_rows=JUMP_ROWS):
    """Draw points of a parabola, a line and a sine, one after the other."""
    x = np.random.default_rng(seed).random(n_rows)
    y = np.where(x < 0.4, x**2, np.where(x < 0.8, 3 * x + 1, np.sin(10 * x)))
    return x[:, np.newaxis], y


DRAWS = {"two rules": two_rules, "hidden chain": hidden_chain}


def measure(draw, model, n_rows):
    """Return the mean RMSE on the last fifth of the rows, and the seconds of a fit."""
    errors, seconds = [], []
    for seed in SEEDS:
        X, y = draw(seed, n_rows)
        n_train = 4 * n_rows // 5
        begin = time.process_time()
        fitted = clone(model).fit(X[:n_train], y[:n_train])
        seconds.append(time.process_time() - begin)
        missed = y[n_train:] - fitted.predict(X[n_train:])
        errors.append(np.sqrt(np.mean(missed**2)))
    return np.mean(errors), np.median(seconds)


def measure_jumps(model):
    """Return what is said of the errors of a model on draws of the jumps."""
    X_asked, y_asked = jumps(ASKED_SEED)
    errors, failure = [], ""
    for seed in JUMP_SEEDS:
        try:
            predicted = clone(model).fit(*jumps(seed)).predict(X_asked)
        except IndexError as error:
            # A cluster of smt may be without a row to choose its model by.
            failure = f"{type(error).__name__}: {error}"
            errors.append(np.nan)
            continue
        missed = np.linalg.norm(predicted - y_asked)
        errors.append(missed / np.linalg.norm(y_asked))
    return {
        "smt's draw": errors[0],
        "mean": np.nanmean(errors),
        "worst": np.nanmax(errors),
        "draws that failed": np.isnan(errors).sum(),
        "why": failure,
    }


def report_of_jumps(results):
    """Return the table of the jumps, as text."""
    return "\n".join(
        [
            "jumps: relative error",
            "=====================",
            results.drop(columns="why").round(3).to_string(),
            *(f"{name}: {why}" for name, why in results["why"].items() if why),
            "",
        ]
    )


def report(title, results):
    """Return the table of one data set, as text."""
    alone, tuned = PUBLISHED[title]
    return "\n".join(
        [
            title,
            "=" * len(title),
            results.round(3).to_string(),
            f"published: LightGBM {alone:.3f}, LightGBM-MoE, tuned, {tuned:.3f}",
            "",
        ]
    )


def verdicts(rules, chain, of_jumps):
    """Yield a line for each target to meet."""
    for name, bar in (("mixture", 2.8), (CROSS_FITTED, 2.2), (GROWN, 2.2)):
        error = rules.loc[name, "RMSE"]
        yield f"two rules, {name}: {error:.2f}, bar {bar}: {verdict(error <= bar)}"
    ratio = rules.loc[GROWN, "times LightGBM"]
    yield f"two rules, {GROWN}: time {ratio:.1f}, bar 10: {verdict(ratio <= 10)}"
    for name, rival in (("mixture", "ridge"), (GROWN, ALONE), (CROSS_FITTED, ALONE)):
        ratio = chain.loc[name, "RMSE"] / chain.loc[rival, "RMSE"]
        yield (
            f"hidden chain, {name} / {rival}: {ratio:.3f}, bar 1.01: "
            f"{verdict(ratio <= 1.01)}"
        )
    error = of_jumps.loc["mixture", "smt's draw"]
    yield (f"jumps, mixture: {error:.2f}, bar {JUMP_BAR}: {verdict(error <= JUMP_BAR)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2000)
    arguments = parser.parse_args()
    # Compilation and imports in a first fit are not measured.
    X, y = two_rules(0, 100)
    for model in CONTESTANTS.values():
        clone(model).fit(X, y)
    tables = {}
    for title, draw in DRAWS.items():
        with threadpool_limits(1):
            measured = {
                name: measure(draw, model, arguments.rows)
                for name, model in CONTESTANTS.items()
            }
        table = pd.DataFrame(measured, index=["RMSE", "seconds"]).T
        table["times LightGBM"] = table["seconds"] / table.loc[ALONE, "seconds"]
        tables[title] = table
    with threadpool_limits(1):
        measured = {name: measure_jumps(model) for name, model in OF_JUMPS.items()}
    of_jumps = pd.DataFrame.from_dict(measured, orient="index")
    write(
        "quality/regimes",
        [
            header("scikit-learn", "lightgbm", "smt", "numpy") + ", one thread",
            "",
            f"{arguments.rows} rows, the last fifth held out. The error is the mean of "
            f"{len(SEEDS)} draws, the time of the processor that of the median fit. Of "
            f"the jumps there are {JUMP_ROWS} rows in each of {len(JUMP_SEEDS)} draws, "
            "and others that are asked about; means leave out draws that failed.",
            "",
            *(report(title, table) for title, table in tables.items()),
            report_of_jumps(of_jumps),
            *verdicts(*tables.values(), of_jumps),
        ],
    )


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        main()
