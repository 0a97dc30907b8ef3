"""Compare a mixture of experts of different kinds with voting and stacking.

The experts are ridge or logistic regression, boosting, a support vector machine and
nearest neighbours; all are given the same folds of public tables. Run it by
`python -m benchmarks.quality.heterogeneous`.
"""

import argparse
import time
import warnings
from collections import defaultdict

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss, r2_score
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR
from threadpoolctl import threadpool_limits

from benchmarks.common.report import header, write
from benchmarks.common.tables import CLASSIFICATION, REGRESSION, load, preprocessing
from sklearn_moe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor

REGRESSORS = [
    ("ridge", Ridge()),
    ("boosting", HistGradientBoostingRegressor(random_state=0)),
    ("svr", TransformedTargetRegressor(SVR(), transformer=StandardScaler())),
    ("neighbours", KNeighborsRegressor(10)),
]
CLASSIFIERS = [
    ("logistic", LogisticRegression(max_iter=1000)),
    ("boosting", HistGradientBoostingClassifier(random_state=0)),
    ("svc", CalibratedClassifierCV(SVC(), ensemble=False)),
    ("neighbours", KNeighborsClassifier(10)),
]


def contestants(classification):
    """Yield (name, estimator), the single experts first."""
    experts = CLASSIFIERS if classification else REGRESSORS
    yield from experts
    if classification:
        yield "voting", VotingClassifier(experts, voting="soft")
        yield "stacking", StackingClassifier(experts)
        yield "mixture", MixtureOfExpertsClassifier(experts, random_state=0)
    else:
        yield "voting", VotingRegressor(experts)
        yield "stacking", StackingRegressor(experts)
        yield "mixture", MixtureOfExpertsRegressor(experts, random_state=0)


def measure(name, n_folds, max_rows):
    """Return scores and fit times of contestants on one table, as a list of rows."""
    classification = name in CLASSIFICATION
    X, y = load(name, max_rows)
    splitter = StratifiedKFold if classification else KFold
    scores, seconds = defaultdict(list), defaultdict(list)
    for train, test in splitter(n_folds, shuffle=True, random_state=0).split(X, y):
        prepare = preprocessing().fit(X.iloc[train])
        X_train, X_test = (
            prepare.transform(X.iloc[train]),
            prepare.transform(X.iloc[test]),
        )
        for contestant, estimator in contestants(classification):
            begin = time.perf_counter()
            fitted = clone(estimator).fit(X_train, y[train])
            seconds[contestant].append(time.perf_counter() - begin)
            scores[contestant].append(
                -log_loss(y[test], fitted.predict_proba(X_test), labels=fitted.classes_)
                if classification
                else r2_score(y[test], fitted.predict(X_test))
            )
    return [
        {
            "table": name,
            "rows": len(X),
            "contestant": contestant,
            "score": np.mean(scores[contestant]),
            "seconds": np.median(seconds[contestant]),
        }
        for contestant in scores
    ]


def report(title, results):
    """Return the table of one kind of task, as text."""
    scores = results.pivot(index="table", columns="contestant", values="score")
    scores = scores[list(dict.fromkeys(results["contestant"]))]
    singles = list(scores.columns[:4])
    best_single = scores[singles].max(axis=1)
    loss = (best_single - scores["mixture"]) / best_single.abs()
    seconds = results.pivot(index="table", columns="contestant", values="seconds")
    ratio = seconds["mixture"] / seconds["stacking"]
    lines = [
        title,
        "=" * len(title),
        scores.round(4).to_string(),
        "",
        "mean rank:",
        scores.rank(axis=1, ascending=False).mean().sort_values().round(2).to_string(),
        "",
        f"mixture at least as good as stacking: {wins(scores, 'stacking')}",
        f"mixture at least as good as voting:   {wins(scores, 'voting')}",
        f"mixture below the best single expert by more than 2 % of its score: "
        f"{', '.join(loss.index[loss > 0.02]) or 'nowhere'}",
        f"fit time, mixture / stacking: median {ratio.median():.1f}, "
        f"from {ratio.min():.1f} to {ratio.max():.1f}",
        "",
    ]
    return "\n".join(lines)


def wins(scores, rival):
    return f"{(scores['mixture'] >= scores[rival]).sum()} of {len(scores)}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--max-rows", type=int, default=1500)
    arguments = parser.parse_args()
    packages = header("scikit-learn", "numpy", "numba")
    text = [
        f"{packages}, one thread",
        "",
        f"{arguments.folds} folds, tables of up to {arguments.max_rows} rows.",
        "",
    ]
    for title, tables in (
        ("Regression: R2", REGRESSION),
        ("Classification: minus log loss", CLASSIFICATION),
    ):
        rows = []
        for name in tables:
            with warnings.catch_warnings(), threadpool_limits(1):
                warnings.simplefilter("ignore")
                rows += measure(name, arguments.folds, arguments.max_rows)
            print(f"{name}: done", flush=True)
        text.append(report(title, pd.DataFrame(rows)))
    write("quality/heterogeneous", text)


if __name__ == "__main__":
    main()
