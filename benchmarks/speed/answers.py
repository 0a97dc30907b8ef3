"""Measure the time of predictions: of single rows, and of intervals for many rows.

Single rows are predicted in online services; there the rivals are stacking of the same
experts and boosting. Prediction intervals are compared with predictions of the same
rows, for each noise model, and with two quantiles by boosting. Run it by
`python -m benchmarks.speed.answers`.
"""

import argparse
import time
import warnings
from functools import partial

import numpy as np
import pandas as pd
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    StackingClassifier,
    StackingRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge
from threadpoolctl import threadpool_limits

from benchmarks.common.problems import gated_lines
from benchmarks.common.report import header, verdict, write
from sklearn_moe import (
    HeteroscedasticGaussian,
    MixtureOfExpertsClassifier,
    MixtureOfExpertsRegressor,
)

N_EXPERTS = 4
NOISES = [
    "gaussian",
    HeteroscedasticGaussian(),
    "student_t",
    "laplace",
    "gamma",
    "lognormal",
    "poisson",
    "negative_binomial",
]
# Maximum ratio to the time of stacking, and to that of `predict`.
ONE_ROW_BAR, INTERVAL_BAR = 1.3, 10


def taking_turns(calls, arguments, n_runs):
    """Return the median milliseconds of each call, over all arguments and runs."""
    times = {name: [] for name in calls}
    for run in range(n_runs + 1):
        for argument in arguments:
            for name, call in calls.items():
                begin = time.process_time()
                call(argument)
                if run:
                    times[name].append(time.process_time() - begin)
    return {name: 1e3 * np.median(taken) for name, taken in times.items()}


def alternatives(classification):
    """Return a mixture, stacking of the same experts, and boosting."""
    if classification:
        expert, stack = LogisticRegression(), StackingClassifier
        mixture, boosting = MixtureOfExpertsClassifier, HistGradientBoostingClassifier
    else:
        expert, stack = Ridge(), StackingRegressor
        mixture, boosting = MixtureOfExpertsRegressor, HistGradientBoostingRegressor
    return {
        "mixture": mixture(expert, N_EXPERTS, random_state=0),
        "stack": stack([(f"expert{k}", expert) for k in range(N_EXPERTS)]),
        "boosting": boosting(random_state=0),
    }


def measure_one_row(X, y, n_runs):
    """Return a table of the times of single rows, of arrays and of frames."""
    rows = []
    frame = pd.DataFrame(X, columns=[f"column{j}" for j in range(X.shape[1])])
    for classification in (False, True):
        for kind, table in (("array", X), ("frame", frame)):
            calls = {}
            for name, model in alternatives(classification).items():
                model.fit(table, y > np.median(y) if classification else y)
                calls[name] = model.predict_proba if classification else model.predict
            ms = taking_turns(calls, [table[i : i + 1] for i in range(20)], n_runs)
            rows.append(
                {
                    "experts": "logistic" if classification else "ridge",
                    "row of": kind,
                    **{f"{name} ms": taken for name, taken in ms.items()},
                    "mixture / stack": ms["mixture"] / ms["stack"],
                }
            )
    return pd.DataFrame(rows)


def targets_for(noise, y):
    """Return targets that the noise model can produce."""
    if noise in ("poisson", "negative_binomial"):
        return np.random.default_rng(0).poisson(np.exp(1 + y / y.std()))
    return np.exp(y / y.std()) if noise in ("gamma", "lognormal") else y


def measure_intervals(X, y, n_asked, n_runs):
    """Return a table of the times of intervals and of predictions."""
    rows, asked = [], X[:n_asked]
    for noise in NOISES:
        mixture = MixtureOfExpertsRegressor(
            None, N_EXPERTS, noise=noise, max_iter=30, random_state=0
        ).fit(X, targets_for(noise, y))
        calls = {"predict": mixture.predict, "interval": mixture.predict_interval}
        ms = taking_turns(calls, [asked], n_runs)
        rows.append({"noise": str(noise), **ms})
    frame = pd.DataFrame(rows)
    frame["interval / predict"] = frame["interval"] / frame["predict"]
    return frame


def measure_boosted_quantiles(X, y, n_asked, n_runs):
    """Return the milliseconds of predicting two quantiles by boosting."""
    fits = [
        HistGradientBoostingRegressor(loss="quantile", quantile=q).fit(X, y)
        for q in (0.05, 0.95)
    ]

    def both(rows):
        return [fit.predict(rows) for fit in fits]

    return taking_turns({"both": both}, [X[:n_asked]], n_runs)["both"]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--asked", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=15)
    arguments = parser.parse_args()
    X, y, _ = gated_lines(arguments.rows)
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")
        one_row = measure_one_row(X, y, arguments.repeats)
        asked = X, y, arguments.asked, arguments.repeats
        intervals = measure_intervals(*asked)
        boosted = measure_boosted_quantiles(*asked)
    show = partial(pd.DataFrame.to_string, index=False, float_format="{:.2f}".format)
    gaussian = intervals["interval / predict"][0]
    lines = [
        f"{header('scikit-learn', 'numpy', 'scipy', 'pandas')}, one thread",
        "",
        f"Mixtures of {N_EXPERTS} experts, fitted to {arguments.rows} rows: processor "
        "time in milliseconds,",
        f"medians of {arguments.repeats} runs that take turns.",
        "",
        "One row (of 20): predict or predict_proba",
        "=========================================",
        show(one_row),
        "",
        f"Intervals of {arguments.asked} rows, with the default experts of each noise",
        "============================================================",
        show(intervals),
        "",
        f"Two quantiles by two fits of boosting: {boosted:.2f} ms",
        "",
        "Bars",
        "====",
        *(
            f"one row of {row[1]}, {row[0]}: {row[-1]:.2f} times the stack; bar "
            f"{ONE_ROW_BAR}: {verdict(row[-1] <= ONE_ROW_BAR)}"
            for row in one_row.itertuples(index=False)
        ),
        f"interval, gaussian noise: {gaussian:.1f} times predict; bar {INTERVAL_BAR}: "
        f"{verdict(gaussian <= INTERVAL_BAR)}",
        "interval, all noise models: at most "
        f"{intervals['interval / predict'].max():.1f} times predict; bar "
        f"{INTERVAL_BAR}: "
        f"{verdict(intervals['interval / predict'].max() <= INTERVAL_BAR)}",
    ]
    write("speed/answers", lines)


if __name__ == "__main__":
    main()
