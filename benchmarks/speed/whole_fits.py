"""Compare whole fits with those of boosting, of stacking and of a single expert.

The most common alternative to a mixture is LightGBM with its defaults: all times are
also given as multiples of its time. Tables are drawn from mixtures of linear experts,
or are real tables of up to 15,000 rows. Runs of the contestants alternate. Run it by
`python -m benchmarks.speed.whole_fits`.
"""

import argparse
import time
import warnings

import numpy as np
import pandas as pd
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.base import clone
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    StackingClassifier,
    StackingRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from benchmarks.common.problems import gated_lines
from benchmarks.common.report import header, verdict, write
from benchmarks.common.tables import LARGE_REGRESSION, load, preprocessing
from sklearn_moe import (
    MixtureOfExpertsClassifier,
    MixtureOfExpertsRegressor,
    SoftmaxGate,
)

RIVAL = "LightGBM"
REAL = [
    *["diamonds, large", "wages 1988", "wages of women", "storms"],
    *["weather", "food budgets", "baseball"],
]
MAX_ROWS = 15_000
# Rows, settings and folds of the grid search.
SEARCH_ROWS = 1500
GRID = {
    "n_experts": [1, 2, 3, 4, 6, 8],
    "gate__alpha": np.logspace(-4, -1, 10).tolist(),
}
SEARCH_FOLDS = 5


def contestants(n_experts, classification, n_threads):
    """Return the contestants by name."""
    quiet = {"n_jobs": n_threads, "verbose": -1, "random_state": 0}
    if classification:
        expert, Mixture = LogisticRegression(), MixtureOfExpertsClassifier
        boosting, histograms = LGBMClassifier(**quiet), HistGradientBoostingClassifier()
        Stacking = StackingClassifier
    else:
        expert, Mixture = Ridge(), MixtureOfExpertsRegressor
        boosting, histograms = LGBMRegressor(**quiet), HistGradientBoostingRegressor()
        Stacking = StackingRegressor
    stack = [(f"expert{k}", expert) for k in range(n_experts)]
    return {
        RIVAL: boosting,
        "mixture": Mixture(n_experts=n_experts, random_state=0),
        "histograms": histograms,
        "stacking": Stacking(stack),
        "one expert": expert,
    }


def drawn(n_rows, classification):
    """Draw rows of ten features that follow the model."""
    X, y, _ = gated_lines(n_rows)
    return X, (y > np.median(y)).astype(int) if classification else y


def real(name):
    """Return the preprocessed rows of a table."""
    X, y = load(name, MAX_ROWS)
    return preprocessing().fit_transform(X), y


def measure(models, X, y, repeats, clock):
    """Return medians of seconds by name, and the iterations of EM."""
    seconds = {name: [] for name in models}
    for _ in range(repeats):
        for name, model in models.items():
            begin = clock()
            fitted = clone(model).fit(X, y)
            seconds[name].append(clock() - begin)
            if name == "mixture":
                n_iter = fitted.n_iter_
    return {name: np.median(found) for name, found in seconds.items()}, n_iter


def compare(problems, repeats, n_threads):
    """Return one row for each problem: seconds, and multiples of the rival's."""
    lines = {}
    for title, (n_experts, classification, make, names) in problems.items():
        X, y = make()
        models = contestants(n_experts, classification, n_threads)
        models = {name: models[name] for name in names}
        few = repeats if len(y) < 100_000 else 1
        # Threads share the work, but not the processor time.
        clock = time.process_time if n_threads == 1 else time.perf_counter
        seconds, n_iter = measure(models, X, y, few, clock)
        of_rival = {
            f"{name} / {RIVAL}": seconds[name] / seconds[RIVAL]
            for name in names
            if name != RIVAL
        }
        lines[title] = {
            "iterations": n_iter,
            **{f"{name}, s": seconds[name] for name in (RIVAL, "mixture")},
            **of_rival,
        }
        print(f"{title}: done", flush=True)
    return pd.DataFrame(lines).T


def problems(arguments):
    """Return (number of experts, classification, rows, contestants) by title."""
    everyone = list(contestants(2, False, 1))
    found = {}
    for classification, kind in ((False, "ridge"), (True, "logistic")):
        for n_rows in arguments.rows:
            for n_experts in arguments.experts:
                if n_experts * n_rows > arguments.most:
                    continue
                names = everyone if n_experts == 4 else everyone[:2]
                found[f"{n_experts} {kind}, {n_rows:,} drawn rows"] = (
                    n_experts,
                    classification,
                    lambda n=n_rows, c=classification: drawn(n, c),
                    names,
                )
    for n_experts in arguments.experts:
        for name in arguments.tables:
            found[f"{n_experts} ridge, {name}"] = (
                n_experts,
                False,
                lambda table=name: real(table),
                everyone if n_experts == 4 else everyone[:2],
            )
    return found


def encoded_in_experts(repeats):
    """Return the seconds of fits with an encoder in front, and within each expert."""
    X, y = load("diamonds, large", MAX_ROWS)
    mixture = MixtureOfExpertsRegressor(random_state=0)
    front = make_pipeline(preprocessing(), mixture)
    within = clone(mixture).set_params(experts=make_pipeline(preprocessing(), Ridge()))
    seconds = {"front": [], "within": []}
    for _ in range(repeats):
        for name, model in (("front", front), ("within", within)):
            begin = time.process_time()
            clone(model).fit(X, y)
            seconds[name].append(time.process_time() - begin)
    front, within = (np.median(found) for found in seconds.values())
    return front, within


def search():
    """Return the number of fits of a grid search, and its seconds for both rivals."""
    X, y, _ = gated_lines(SEARCH_ROWS)
    X = StandardScaler().fit_transform(X)
    fits = len(GRID["n_experts"]) * len(GRID["gate__alpha"]) * SEARCH_FOLDS
    mixture = MixtureOfExpertsRegressor(gate=SoftmaxGate(), random_state=0)
    boosting = LGBMRegressor(n_jobs=1, verbose=-1, random_state=0)
    grid = {
        "num_leaves": [3, 7, 15, 31, 63, 127],
        "reg_lambda": np.logspace(-3, 2, 10).tolist(),
    }
    seconds = []
    for model, of_model in ((mixture, GRID), (boosting, grid)):
        begin = time.process_time()
        GridSearchCV(model, of_model, cv=SEARCH_FOLDS).fit(X, y)
        seconds.append(time.process_time() - begin)
    return fits, *seconds


def bars(table):
    """Yield a line for each target to meet."""
    ratio = table[f"mixture / {RIVAL}"]

    def of(kind, *, holds):
        chosen = ratio[
            [title.startswith(kind) and holds(title) for title in ratio.index]
        ]
        return chosen.to_numpy()

    def is_real(title):
        return not title.endswith("rows")

    everything = {
        "4 ridge, median of real tables": (of("4 ridge", holds=is_real), np.median, 1),
        "4 ridge, a million rows": (
            of("4 ridge", holds=lambda title: "1,000,000" in title),
            np.max,
            0.5,
        ),
        "16 ridge, worst of all": (of("16 ridge", holds=bool), np.max, 4),
        "4 logistic, worst of all": (of("4 logistic", holds=bool), np.max, 2),
    }
    # Leave out targets for which nothing was measured.
    found = [
        (title, summary(values), bar)
        for title, (values, summary, bar) in everything.items()
        if len(values)
    ]
    for title, value, bar in found:
        yield (
            f"{title}: {value:.2f} times {RIVAL}, bar {bar}: {verdict(value <= bar)}"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    sizes = [1000, 10_000, 100_000, 1_000_000]
    parser.add_argument("--rows", nargs="+", type=int, default=sizes)
    parser.add_argument("--experts", nargs="+", type=int, default=[4, 16, 32])
    parser.add_argument(
        "--tables", nargs="+", choices=list(LARGE_REGRESSION), default=REAL
    )
    parser.add_argument(
        "--most", type=int, default=4_000_000, help="rows times experts"
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    # Compilation and imports in a first fit are not measured.
    for classification in (False, True):
        X, y = drawn(200, classification)
        for model in contestants(2, classification, 1).values():
            clone(model).fit(X, y)
    with threadpool_limits(arguments.threads):
        table = compare(problems(arguments), arguments.repeats, arguments.threads)
        front, within = encoded_in_experts(arguments.repeats)
        n_fits, seconds, of_rival = search()
    several = arguments.threads > 1
    suffix = f"_{arguments.threads}_threads" if several else ""
    write(
        f"speed/whole_fits{suffix}",
        [
            header("scikit-learn", "lightgbm", "numpy", "numba")
            + f", {arguments.threads} thread(s)",
            "",
            f"{'Elapsed' if several else 'Processor'} seconds of whole fits, medians "
            f"of {arguments.repeats} (from 100,000 rows on of one), and multiples of "
            "LightGBM's in the same run.",
            "",
            table.round(2).to_string(),
            "",
            *bars(table),
            f"experts that encode the rows themselves: {within:.2f} s, the encoder in "
            f"front: {front:.2f} s, ratio {within / front:.2f}, bar 1.5: "
            f"{verdict(within <= 1.5 * front)}",
            f"a grid search of {n_fits} fits to {SEARCH_ROWS} drawn rows: "
            f"{seconds:.0f} s, LightGBM's of as many {of_rival:.0f} s",
        ],
    )


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        main()
