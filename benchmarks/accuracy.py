"""How well mixtures predict on public tables, beside what one would use instead.

Sixty tables, the same folds and the same preprocessing for all contestants. What has
been computed is kept in `results/accuracy.csv`, so that the program goes on where it
was stopped; delete lines of it to compute them anew. A third of the tables, chosen by
the hash of their names, is held out: no default may be chosen by them.
`python benchmarks/accuracy.py`.
"""

import argparse
import csv
import hashlib
import time
import warnings
from functools import cache, lru_cache

import numpy as np
import pandas as pd
from _report import RESULTS, header, verdict, write
from _tables import (
    CLASSIFICATION,
    MORE_CLASSIFICATION,
    MORE_REGRESSION,
    REGRESSION,
    is_classification,
    load,
    preprocessing,
)
from heterogeneous import CLASSIFIERS, REGRESSORS
from rich.progress import track
from scipy.stats import studentized_range, wilcoxon
from sklearn.base import clone
from sklearn.ensemble import (
    BaggingClassifier,
    BaggingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    StackingRegressor,
)
from sklearn.linear_model import (
    LogisticRegression,
    LogisticRegressionCV,
    Ridge,
    RidgeCV,
)
from sklearn.metrics import log_loss, r2_score
from sklearn.model_selection import (
    GridSearchCV,
    RepeatedKFold,
    RepeatedStratifiedKFold,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import SplineTransformer
from threadpoolctl import threadpool_limits

from sklearn_moe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor

FIELDS = ["table", "fold", "contestant", "score", "crps", "fit", "predict"]
CACHE = RESULTS / "accuracy.csv"
SEARCHED = {
    "n_experts": [2, 4, 8],
    "gate__alpha": [1e-3, 1e-2, 1e-1],
}
BOOSTING_GRID = {
    "learning_rate": [0.03, 0.1],
    "max_leaf_nodes": [7, 31],
    "min_samples_leaf": [5, 20],
}
# Where a mixture is compared with its own expert: the score may fall by so much.
TOLERANCE = 0.01
SMALL = 5000


def is_held_out(name):
    """Whether no default may be chosen by this table."""
    return int(hashlib.md5(name.encode()).hexdigest(), 16) % 3 == 0


def search(estimator, grid, classification):
    """A grid search on five folds inside the training rows."""
    scoring = "neg_log_loss" if classification else "r2"
    return GridSearchCV(estimator, grid, scoring=scoring, cv=5)


def regressors():
    """Contestants for numbers, by name."""
    mixture = MixtureOfExpertsRegressor(random_state=0)
    splines = make_pipeline(SplineTransformer(4, extrapolation="linear"), Ridge())
    boosting = HistGradientBoostingRegressor(random_state=0)
    return {
        "ridge": Ridge(),
        "ridge, tuned": RidgeCV(np.logspace(-3, 3, 13)),
        "mixture": mixture,
        "mixture, searched": search(mixture, SEARCHED, False),
        "mixture of splines": clone(mixture).set_params(experts=splines, n_experts=2),
        "mixture of boosting": clone(mixture).set_params(
            experts=clone(boosting).set_params(max_iter=50),
            n_experts=2,
            cv=5,
            max_iter=5,
        ),
        "mixture, unlike": MixtureOfExpertsRegressor(REGRESSORS, random_state=0),
        "stacking, unlike": StackingRegressor(REGRESSORS),
        "bagged ridge": BaggingRegressor(Ridge(), 20, random_state=0),
        "forest": RandomForestRegressor(random_state=0),
        "boosting": boosting,
        "boosting, searched": search(boosting, BOOSTING_GRID, False),
    }


def classifiers():
    """Contestants for classes, by name."""
    logistic = LogisticRegression(max_iter=1000)
    mixture = MixtureOfExpertsClassifier(random_state=0)
    splines = make_pipeline(SplineTransformer(4, extrapolation="linear"), logistic)
    boosting = HistGradientBoostingClassifier(random_state=0)
    return {
        "logistic": logistic,
        "logistic, tuned": LogisticRegressionCV(
            Cs=7, l1_ratios=(0,), scoring="neg_log_loss", max_iter=1000
        ),
        "mixture": mixture,
        "mixture, searched": search(mixture, SEARCHED, True),
        "mixture of splines": clone(mixture).set_params(experts=splines, n_experts=2),
        "mixture of boosting": clone(mixture).set_params(
            experts=clone(boosting).set_params(max_iter=50),
            n_experts=2,
            cv=5,
            max_iter=5,
        ),
        "mixture, unlike": MixtureOfExpertsClassifier(CLASSIFIERS, random_state=0),
        "stacking, unlike": StackingClassifier(CLASSIFIERS),
        "bagged logistic": BaggingClassifier(logistic, 20, random_state=0),
        "forest": RandomForestClassifier(random_state=0),
        "boosting": boosting,
        "boosting, searched": search(boosting, BOOSTING_GRID, True),
    }


# Computing
# ---------


@lru_cache(1)
def folds(name, max_rows, n_folds, n_repeats):
    """Prepared training and test rows of one table."""
    X, y = load(name, max_rows)
    splitter = RepeatedStratifiedKFold if is_classification(name) else RepeatedKFold
    divided = splitter(n_splits=n_folds, n_repeats=n_repeats, random_state=0)
    prepared = []
    for train, test in divided.split(X, y):
        prepare = preprocessing().fit(X.iloc[train])
        rows = prepare.transform(X.iloc[train]), prepare.transform(X.iloc[test])
        prepared.append((rows[0], y[train], rows[1], y[test]))
    return prepared


def measure(estimator, X, y, X_test, y_test, classification):
    """Score, CRPS and seconds of one fit."""
    begin = time.process_time()
    fitted = clone(estimator).fit(X, y)
    middle = time.process_time()
    crps = ""
    if classification:
        probabilities = fitted.predict_proba(X_test)
        score = -log_loss(y_test, probabilities, labels=fitted.classes_)
    else:
        score = r2_score(y_test, fitted.predict(X_test))
    end = time.process_time()
    best = getattr(fitted, "best_estimator_", fitted)
    if hasattr(best, "predict_distribution"):
        crps = best.predict_distribution(X_test).crps(y_test).mean()
    return {
        "score": score,
        "crps": crps,
        "fit": middle - begin,
        "predict": end - middle,
    }


def compute(arguments):
    """Fill the cache with what it does not have."""
    done = set()
    if CACHE.exists():
        done = set(map(tuple, read()[["table", "fold", "contestant"]].to_numpy()))
    wanted = [
        (name, fold, contestant)
        for name in arguments.tables
        for fold in range(arguments.folds * arguments.repeats)
        for contestant in contestants(name)
        if contestant in arguments.contestants and (name, fold, contestant) not in done
    ]
    RESULTS.mkdir(exist_ok=True)
    new = not CACHE.exists()
    with CACHE.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, FIELDS)
        if new:
            writer.writeheader()
        for name, fold, contestant in track(wanted, "Fitting"):
            result = measure(
                contestants(name)[contestant],
                *folds(name, arguments.max_rows, arguments.folds, arguments.repeats)[
                    fold
                ],
                is_classification(name),
            )
            place = {"table": name, "fold": fold, "contestant": contestant}
            writer.writerow(place | result)
            file.flush()


def contestants(name):
    return classifiers() if is_classification(name) else regressors()


def read():
    return pd.read_csv(CACHE)


# Reporting
# ---------


def paragraph(title, text):
    return [title, "=" * len(title), text, ""]


def report(title, results):
    """The tables of one kind of task, as lines."""
    order = list(dict.fromkeys(results["contestant"]))
    scores = results.pivot_table("score", "table", "contestant")[order].dropna()
    ranks = scores.rank(axis=1, ascending=False)
    seconds = results.pivot_table(["fit", "predict"], "contestant", aggfunc="median")
    summary = pd.DataFrame(
        {
            "mean rank": ranks.mean().round(2),
            "fit s": seconds["fit"].round(3),
            "predict s": seconds["predict"].round(4),
        }
    ).loc[order]
    names = [f"{name}{' *' if is_held_out(name) else ''}" for name in scores.index]
    shown = scores.set_axis(names).rename_axis(index=None, columns=None)
    crps = results.pivot_table("crps", "table", "contestant")
    lines = [
        *paragraph(title, shown.round(3).to_string()),
        *paragraph(
            f"{title}: mean ranks and medians of seconds",
            summary.rename_axis(index=None).sort_values("mean rank").to_string(),
        ),
        f"critical difference of mean ranks (Nemenyi, 5 %): "
        f"{critical_difference(ranks):.2f}",
        "",
        *paragraph(
            f"{title}: the row better than the column, of {len(scores)} tables; in "
            "brackets p of Wilcoxon's test",
            pairwise(scores).to_string(),
        ),
    ]
    if crps.size:
        columns = [name for name in order if name in crps]
        shown = crps[columns].rename_axis(index=None, columns=None)
        lines += paragraph(f"{title}: CRPS", shown.round(4).to_string())
    return lines


def critical_difference(ranks):
    """Mean ranks closer than this cannot be told apart (Demsar, 2006)."""
    n_tables, n_contestants = ranks.shape
    quantile = studentized_range.ppf(0.95, n_contestants, np.inf) / np.sqrt(2)
    return quantile * np.sqrt(n_contestants * (n_contestants + 1) / (6 * n_tables))


def pairwise(scores):
    """How often each contestant is better than each other."""
    cells = {}
    for column in scores:
        cells[column] = {
            row: "" if row == column else _versus(scores[row] - scores[column])
            for row in scores
        }
    return pd.DataFrame(cells)


def _versus(difference):
    p = wilcoxon(difference).pvalue if difference.any() else 1.0
    return f"{(difference > 0).sum()} ({p:.2f})"


def bars(results, held_out):
    """What was asked for, on the tables held out or on the others."""
    chosen = results[results["table"].map(is_held_out) == held_out]
    scores = chosen.pivot_table("score", "table", "contestant")
    numbers = ~scores.index.map(is_classification)
    expert = scores["ridge"].where(numbers, scores["logistic"])
    better = (scores["mixture"] > expert).mean()
    loss = (expert - scores["mixture"]) / expert.abs()
    small = scores.index[[size(name) < SMALL for name in scores.index]]
    searched = (
        scores.loc[small, "mixture, searched"] >= scores.loc[small, "boosting"]
    ).mean()
    ranks = scores[["mixture, unlike", "stacking, unlike"]].rank(
        axis=1, ascending=False
    )
    mixture, stacking = ranks.mean()
    where = "held out" if held_out else "not held out"
    title = f"Bars, on the {len(scores)} tables {where}"
    return paragraph(
        title,
        "\n".join(
            [
                f"mixture better than its expert alone: {better:.0%} of tables; bar "
                f"90 %: {verdict(better >= 0.9)}",
                f"... worse by more than {TOLERANCE:.0%} of its score: "
                f"{', '.join(loss.index[loss > TOLERANCE]) or 'nowhere'}; bar nowhere: "
                f"{verdict((loss <= TOLERANCE).all())}",
                f"mixture, searched, at least as good as default boosting, tables "
                f"under {SMALL} rows: {searched:.0%}; bar 50 %: "
                f"{verdict(searched >= 0.5)}",
                f"mean rank of unlike experts: mixture {mixture:.2f}, stacking "
                f"{stacking:.2f}; bar better: {verdict(mixture < stacking)}",
            ]
        ),
    )


@cache
def size(name):
    return len(load(name, np.inf)[0])


def main():
    tables = [*REGRESSION, *MORE_REGRESSION, *CLASSIFICATION, *MORE_CLASSIFICATION]
    everyone = list(dict.fromkeys([*regressors(), *classifiers()]))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--max-rows", type=int, default=2000)
    parser.add_argument("--tables", nargs="+", choices=tables, default=tables)
    parser.add_argument("--contestants", nargs="+", choices=everyone, default=everyone)
    arguments = parser.parse_args()
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")
        compute(arguments)
    results = read()
    numbers = ~results["table"].map(is_classification)
    write(
        "accuracy",
        [
            header("scikit-learn", "numpy", "scipy", "numba"),
            "",
            f"{arguments.folds} folds, {arguments.repeats} times, tables of up to "
            f"{arguments.max_rows} rows. Tables with a star are held out: no default "
            "was chosen by them.",
            "",
            *report("R2", results[numbers]),
            *report("Minus log loss", results[~numbers]),
            *bars(results, held_out=False),
            *bars(results, held_out=True),
        ],
    )


if __name__ == "__main__":
    main()
