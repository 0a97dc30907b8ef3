"""Compare mixtures with one of their experts, boosting and stacking on large tables.

There are twenty public tables of 10,000 rows and more, by which no default is chosen.
All contestants are given the same random folds, and the same preprocessing. Results are
cached in `results/quality/large.csv`, so that the program resumes where it was stopped;
delete lines of the file to recompute them. Run it by
`python -m benchmarks.quality.large`.
"""

import argparse
import time
import warnings

import numpy as np
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.base import clone
from sklearn.ensemble import StackingClassifier, StackingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss, r2_score
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from threadpoolctl import threadpool_limits

from benchmarks.common.cache import Cache
from benchmarks.common.report import header, verdict, write
from benchmarks.common.tables import (
    LARGE_CLASSIFICATION,
    LARGE_REGRESSION,
    folds,
    is_classification,
)
from sklearn_moe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor

QUIET = {"n_jobs": 1, "verbose": -1, "random_state": 0}
SINGLE = ["linear", "LightGBM", "neighbours"]


def contestants(classification):
    """Return the contestants by name; those in `SINGLE` are the single experts."""
    if classification:
        linear, Mixture = LogisticRegression(max_iter=1000), MixtureOfExpertsClassifier
        single = [linear, LGBMClassifier(**QUIET), KNeighborsClassifier(50)]
        Stacking = StackingClassifier
    else:
        linear, Mixture = Ridge(), MixtureOfExpertsRegressor
        single = [linear, LGBMRegressor(**QUIET), KNeighborsRegressor(20)]
        Stacking = StackingRegressor
    given = list(zip(SINGLE, single))
    return {
        **dict(given),
        "mixture": Mixture(random_state=0),
        "mixture, auto": Mixture(n_experts="auto", random_state=0),
        "mixture, unlike": Mixture(given, random_state=0),
        "stacking, unlike": Stacking(given),
    }


def measure(table, max_rows, n_folds, names, cache):
    """Compute the results of one table that are not in the cache."""
    known = cache.places()
    classification = is_classification(table)
    for fold, rows in enumerate(folds(table, max_rows, n_folds, 1)):
        X, y, X_test, y_test = rows
        for name, contestant in contestants(classification).items():
            if name not in names or (table, fold, name) in known:
                continue
            begin = time.process_time()
            with warnings.catch_warnings(), threadpool_limits(1):
                # Ignore that EM stops after 100 iterations, or retires an expert.
                warnings.simplefilter("ignore")
                fitted = clone(contestant).fit(X, y)
                if classification:
                    probabilities = fitted.predict_proba(X_test)
                    score = -log_loss(y_test, probabilities, labels=fitted.classes_)
                else:
                    score = r2_score(y_test, fitted.predict(X_test))
            seconds = time.process_time() - begin
            result = {"score": score, "seconds": round(seconds, 3)}
            is_mixture = name.startswith("mixture")
            cache.add((table, fold, name), result, is_mixture=is_mixture)
    print(f"{table}: done", flush=True)


def report(title, scores, seconds, classification):
    """Return the table of one kind of task, and the targets to meet, as lines."""
    loss = -scores if classification else 1 - scores
    unlike, best = scores["mixture, unlike"], scores[SINGLE].max(axis=1)
    as_good = np.sum(unlike >= scores["stacking, unlike"] - 5e-5)
    behind = np.min((unlike - best) / best.abs())
    ahead = np.sum(scores["mixture"] > scores["linear"])
    lines = [
        title,
        "=" * len(title),
        scores.round(4).to_string(),
        "",
        "Median processor seconds of a fit and its predictions:",
        seconds.median().round(2).to_string(),
        "",
        f"unlike experts at least as good as stacking (bar: 7 of 10): {as_good} "
        f"({verdict(as_good >= 7)})",
        "unlike experts against the best single one at worst (bar: -0.2 %): "
        f"{behind:.2%} ({verdict(behind >= -0.002)})",
        f"linear experts ahead of one (bar: all): {ahead} of {len(scores)} "
        f"({verdict(ahead == len(scores))})",
    ]
    to_close = loss["linear"] - loss["LightGBM"]
    for name in scores.columns.intersection(["mixture", "mixture, auto"]):
        closed = (loss["linear"] - loss[name]) / to_close
        median = closed[to_close > 0].median()
        lines.append(
            f"{name}: median part of the gap between linear and LightGBM that it "
            f"closes (bar: 50 %): {median:.0%} ({verdict(median >= 0.5)})"
        )
    return [*lines, ""]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--max-rows", type=int, default=15_000)
    parser.add_argument("--folds", type=int, default=2)
    parser.add_argument("--tables", nargs="+")
    parser.add_argument("--contestants", nargs="+", default=list(contestants(False)))
    arguments = parser.parse_args()
    tables = arguments.tables or [*LARGE_REGRESSION, *LARGE_CLASSIFICATION]
    design = {"folds": arguments.folds, "max_rows": arguments.max_rows}
    cache = Cache("quality/large", design)
    for table in tables:
        measure(
            table, arguments.max_rows, arguments.folds, arguments.contestants, cache
        )
    found = cache.read()
    lines = [
        header("scikit-learn", "numpy", "lightgbm"),
        f"Tables of up to {arguments.max_rows} rows, {arguments.folds} folds, one "
        "thread.",
        "",
    ]
    for title, kind in (("R2", LARGE_REGRESSION), ("-log loss", LARGE_CLASSIFICATION)):
        own = found[found["table"].isin(kind)]
        scores, seconds = (
            own.pivot_table(index="table", columns="contestant", values=value)
            for value in ("score", "seconds")
        )
        if not own.empty:
            lines += report(title, scores, seconds, kind is LARGE_CLASSIFICATION)
    write("quality/large", lines)


if __name__ == "__main__":
    main()
