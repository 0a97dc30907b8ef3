"""Compare the predictions of mixtures and of alternatives on sixty public tables.

All contestants are given the same folds and the same preprocessing. Results are cached
in `results/quality/accuracy.csv` by design and version of the defaults, so that the
program resumes where it was stopped; delete lines of the file to recompute them. A
third of the tables, chosen by the hash of
their names, is held out: no default may be chosen by them. Run it by
`python -m benchmarks.quality.accuracy`.

Trees of linear models and DESlib need a compatibility layer for current versions of
scikit-learn; see `common/rivals.py`. TabPFN is left out, because it downloads its
weights.
"""

import argparse
import time
import warnings
from functools import cache

import numpy as np
import pandas as pd
from lightgbm import LGBMClassifier, LGBMRegressor
from rich.progress import track
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
from sklearn.metrics import accuracy_score, log_loss, r2_score
from sklearn.model_selection import (
    GridSearchCV,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import SplineTransformer
from threadpoolctl import threadpool_limits

from benchmarks.common import ranks
from benchmarks.common.cache import Cache
from benchmarks.common.report import RESULTS, header, verdict, write
from benchmarks.common.rivals import (
    DynamicSelection,
    LinearClassificationTree,
    LinearRegressionTree,
)
from benchmarks.common.tables import (
    CLASSIFICATION,
    MORE_CLASSIFICATION,
    MORE_REGRESSION,
    REGRESSION,
    folds,
    is_classification,
    is_held_out,
    load,
)
from benchmarks.quality.heterogeneous import CLASSIFIERS, REGRESSORS
from sklearn_moe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor

BOOSTING_GRID = {
    "learning_rate": [0.03, 0.1],
    "max_leaf_nodes": [7, 31],
    "min_samples_leaf": [5, 20],
}
# Scores on different folds do not tell which contestant is better.
DESIGN = ["folds", "repeats", "max_rows"]
# Relative loss of score that is tolerated against a single expert.
TOLERANCE = 0.005
SMALL = 5000


def search(estimator, grid, classification):
    """Return a grid search with three folds within the training rows."""
    scoring = "neg_log_loss" if classification else "r2"
    return GridSearchCV(estimator, grid, scoring=scoring, cv=3)


def regressors():
    """Return the contestants for regression, by name."""
    mixture = MixtureOfExpertsRegressor(random_state=0)
    splines = make_pipeline(SplineTransformer(4, extrapolation="linear"), Ridge())
    boosting = HistGradientBoostingRegressor(random_state=0)
    return {
        "ridge": Ridge(),
        "ridge, tuned": RidgeCV(np.logspace(-3, 3, 13)),
        "linear tree": LinearRegressionTree(Ridge()),
        "mixture": mixture,
        "mixture, auto": clone(mixture).set_params(n_experts="auto"),
        "mixture of splines": clone(mixture).set_params(experts=splines, n_experts=2),
        "mixture of boosting": clone(mixture).set_params(
            experts=LGBMRegressor(
                n_estimators=50, n_jobs=1, random_state=0, verbose=-1
            ),
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
    """Return the contestants for classification, by name."""
    logistic = LogisticRegression(max_iter=1000)
    mixture = MixtureOfExpertsClassifier(random_state=0)
    splines = make_pipeline(SplineTransformer(4, extrapolation="linear"), logistic)
    boosting = HistGradientBoostingClassifier(random_state=0)
    return {
        "logistic": logistic,
        "logistic, tuned": LogisticRegressionCV(
            Cs=7, l1_ratios=(0,), scoring="neg_log_loss", max_iter=1000
        ),
        "linear tree": LinearClassificationTree(logistic, max_bins=10),
        "mixture": mixture,
        "mixture, auto": clone(mixture).set_params(n_experts="auto"),
        "mixture of splines": clone(mixture).set_params(experts=splines, n_experts=2),
        "mixture of boosting": clone(mixture).set_params(
            experts=LGBMClassifier(
                n_estimators=50, n_jobs=1, random_state=0, verbose=-1
            ),
            n_experts=2,
            cv=5,
            max_iter=5,
        ),
        "mixture, unlike": MixtureOfExpertsClassifier(CLASSIFIERS, random_state=0),
        "stacking, unlike": StackingClassifier(CLASSIFIERS),
        "DESlib, unlike": DynamicSelection(CLASSIFIERS),
        "bagged logistic": BaggingClassifier(logistic, 20, random_state=0),
        "forest": RandomForestClassifier(random_state=0),
        "boosting": boosting,
        "boosting, searched": search(boosting, BOOSTING_GRID, True),
    }


# Computing
# ---------


def measure(estimator, X, y, X_test, y_test, classification):
    """Return the scores and the seconds of one fit."""
    begin = time.process_time()
    fitted = clone(estimator).fit(X, y)
    middle = time.process_time()
    crps = accuracy = ""
    if classification:
        probabilities = fitted.predict_proba(X_test)
        accuracy = accuracy_score(y_test, fitted.classes_[probabilities.argmax(axis=1)])
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
        "accuracy": accuracy,
        "fit": middle - begin,
        "predict": end - middle,
    }


def compute(arguments, known):
    """Compute the results that are not in the cache, and add them to it."""
    done = known.places()
    wanted = [
        (name, fold, contestant)
        for name in arguments.tables
        for fold in range(arguments.folds * arguments.repeats)
        for contestant in contestants(name)
        if contestant in arguments.contestants and (name, fold, contestant) not in done
    ]
    for name, fold, contestant in track(wanted, "Fitting"):
        result = measure(
            contestants(name)[contestant],
            *folds(name, arguments.max_rows, arguments.folds, arguments.repeats)[fold],
            is_classification(name),
        )
        place = name, fold, contestant
        known.add(place, result, is_mixture=contestant.startswith("mixture"))


def contestants(name):
    return classifiers() if is_classification(name) else regressors()


# Reporting
# ---------


def paragraph(title, text):
    return [title, "=" * len(title), text, ""]


def mean_scores(results, field="score"):
    """Return mean scores over the folds, tables as rows and contestants as columns."""
    order = list(dict.fromkeys(results["contestant"]))
    scores = results.pivot_table(field, "table", "contestant")
    scores = scores[[name for name in order if name in scores]].dropna()
    return scores.rename_axis(index=None, columns=None)


def starred(scores):
    """Mark the tables that are held out with a star."""
    return scores.rename(lambda name: f"{name} *" if is_held_out(name) else name)


def report(title, results):
    """Return the tables of one kind of task, as lines."""
    scores = mean_scores(results)
    seconds = results.pivot_table(["fit", "predict"], "contestant", aggfunc="median")
    held_out = scores[scores.index.map(is_held_out)]
    summary = pd.DataFrame(
        {
            "mean rank": ranks.mean_ranks(scores).round(2),
            "held out": ranks.mean_ranks(held_out).round(2),
            "fit s": seconds["fit"].round(3),
            "predict s": seconds["predict"].round(4),
        }
    )
    lines = [
        *paragraph(title, starred(scores).round(3).to_string()),
        *paragraph(
            f"{title}: mean ranks and medians of seconds",
            summary.rename_axis(index=None).sort_values("mean rank").to_string(),
        ),
        f"critical difference of mean ranks (Nemenyi, 5 %): "
        f"{ranks.critical_difference(*scores.shape):.2f}; on the tables held out "
        f"{ranks.critical_difference(*held_out.shape):.2f}",
        "",
        *paragraph(
            f"{title}: the row better than the column, of {len(scores)} tables; in "
            "brackets p of Wilcoxon's test",
            ranks.pairwise(scores).to_string(),
        ),
    ]
    for field, name in (("crps", "CRPS"), ("accuracy", "Accuracy")):
        if results[field].notna().any():
            shown = starred(mean_scores(results, field))
            lines += paragraph(name, shown.round(4).to_string())
    return lines


def bars(results, held_out):
    """Return lines on which targets are met, on held-out tables or on the others."""
    chosen = results[results["table"].map(is_held_out) == held_out]
    classes = chosen["table"].map(is_classification)
    kinds = mean_scores(chosen[~classes]), mean_scores(chosen[classes])
    scores = pd.concat(kinds)
    expert = pd.concat([kinds[0]["ridge"], kinds[1]["logistic"]])
    small = scores[[size(name) < SMALL for name in scores.index]]
    chosen_number = (small["mixture, auto"] >= small["boosting"]).mean()
    of_each = pd.concat([kind.rank(axis=1, ascending=False) for kind in kinds]).mean()
    lines = [
        *_against_one("mixture", scores, expert),
        *_against_one("mixture, auto", scores, expert),
        *_mean_losses(kinds),
        _ahead(of_each, "mixture", "linear tree"),
        f"mixture, auto, at least as good as default boosting, tables under "
        f"{SMALL} rows: {chosen_number:.0%}; bar 50 %: "
        f"{verdict(chosen_number >= 0.5)}",
        _ahead(of_each, "mixture, unlike", "stacking, unlike"),
    ]
    where = "held out" if held_out else "not held out"
    return paragraph(f"Bars, on the {len(scores)} tables {where}", "\n".join(lines))


def _against_one(name, scores, expert):
    """Return lines on where a mixture is better or worse than its expert alone."""
    better = (scores[name] > expert).mean()
    loss = (expert - scores[name]) / expert.abs()
    worse = loss[loss > TOLERANCE].sort_values(ascending=False)
    where = ", ".join(f"{table} {share:.1%}" for table, share in worse.items())
    return [
        f"{name}: better than its expert alone on {better:.0%} of tables; bar 85 %: "
        f"{verdict(better >= 0.85)}",
        f"{name}: worse by more than {TOLERANCE:.1%} of the expert's score: "
        f"{where or 'nowhere'}; bar nowhere: {verdict(not len(worse))}",
    ]


def _mean_losses(kinds):
    """Return lines on the mean change of the loss against the expert, in per cent."""
    numbers, classes = kinds
    bounds = {"mean squared error": -18, "log loss": -7}
    losses = {
        "mean squared error": (1 - numbers, "ridge"),
        "log loss": (-classes, "logistic"),
    }
    lines = []
    for kind, (loss, expert) in losses.items():
        for name in ("mixture", "mixture, auto"):
            change = 100 * (loss[name] / loss[expert] - 1).mean()
            lines.append(
                f"{name}: {kind} {change:.1f} % on the mean; bar {bounds[kind]} %: "
                f"{verdict(change <= bounds[kind])}"
            )
    return lines


def _ahead(mean_ranks, ours, rival):
    return (
        f"mean rank of {ours} {mean_ranks[ours]:.2f}, of {rival} "
        f"{mean_ranks[rival]:.2f}; bar better: "
        f"{verdict(mean_ranks[ours] < mean_ranks[rival])}"
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
    design = {name: getattr(arguments, name) for name in DESIGN}
    known = Cache("quality/accuracy", design)
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")
        compute(arguments, known)
    results = known.read()
    numbers = ~results["table"].map(is_classification)
    ranks.save(
        RESULTS / "quality/accuracy.svg",
        {
            "R2": mean_scores(results[numbers]),
            "log loss": mean_scores(results[~numbers]),
        },
    )
    write(
        "quality/accuracy",
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
