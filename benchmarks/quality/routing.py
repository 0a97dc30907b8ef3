"""Measure the effect of routing on time and on scores.

Fit and predict times of soft, hard and switch routing are compared with those of a
single expert, on rows drawn from sixteen regions with a linear rule each. Test scores
are those on public tables. Run it by `python -m benchmarks.quality.routing`.
"""

import argparse
import time
import warnings
from collections import defaultdict
from copy import copy

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.neighbors import KNeighborsRegressor
from sklearn.neural_network import MLPRegressor
from threadpoolctl import threadpool_limits

from benchmarks.common.report import header, verdict, write
from benchmarks.common.tables import CLASSIFICATION, REGRESSION, load, preprocessing
from sklearn_moe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor

EXPERTS = {
    "ridge": Ridge(),
    "network": MLPRegressor(hidden_layer_sizes=(32,), max_iter=5, random_state=0),
    "boosting": HistGradientBoostingRegressor(
        max_iter=30, max_bins=63, early_stopping=False, random_state=0
    ),
    "neighbours": KNeighborsRegressor(10),
}
# Experts whose fit time is proportional to the number of rows.
LINEAR = ("ridge", "network", "boosting")

ROUTINGS = {
    "soft": {},
    "hard": {"assignment": "hard"},
    "switch 1": {"assignment": "hard", "capacity_factor": 1.0},
    "switch 1.25": {"assignment": "hard", "capacity_factor": 1.25},
    "switch 2": {"assignment": "hard", "capacity_factor": 2.0},
}
COMBINATIONS = {
    "weighted": {"combination": "weighted", "top_k": None},
    "top 2": {"combination": "weighted", "top_k": 2},
    "argmax": {"combination": "argmax", "top_k": None},
}
SUITE = {
    "soft": {},
    "soft, no sharing": {"sharing": 0},
    "hard": {"assignment": "hard"},
    "switch, drop": {"assignment": "hard", "capacity_factor": 1.25},
    "switch, reroute": {
        "assignment": "hard",
        "capacity_factor": 1.25,
        "overflow": "reroute",
    },
}

# The targets to meet, and the number of experts for which they hold.
BAR_EXPERTS = 16
MOST_FOR_ARGMAX = 1.5
MOST_FOR_HARD_FIT = 2.0
MOST_LOSS_OF_SWITCH = 0.01


# Time
# ----


def regions(n_samples, seed):
    """Draw rows of sixteen regions of different sizes, each with a linear rule."""
    X = np.random.default_rng(seed).uniform(-1, 1, (n_samples, 4))
    region = (X > [-0.2, 0.0, 0.2, 0.4]) @ [1, 2, 4, 8]
    rng = np.random.default_rng(0)
    slopes, levels = rng.normal(size=(16, 4)), rng.normal(size=16)
    y = np.sum(slopes[region] * X, axis=1) + levels[region]
    return X, y + 0.2 * np.random.default_rng(seed + 1).standard_normal(n_samples)


class IterationTimer:
    """A callback that measures the time of each EM iteration."""

    def __init__(self):
        self.seconds = []

    def setup(self, estimator, context):
        """Do nothing; there is nothing to prepare."""

    def on_fit_task_begin(self, estimator, context):
        """Start the clock."""
        if context.task_name == "EM iteration":
            self._begin = time.process_time()

    def on_fit_task_end(self, estimator, context):
        """Stop the clock."""
        if context.task_name == "EM iteration":
            self.seconds.append(time.process_time() - self._begin)
        return False

    def teardown(self, estimator, context):
        """Do nothing; there is nothing to clean up."""


def seconds(calls, n_repeats):
    """Return the median time of each call, with the calls alternating."""
    taken = defaultdict(list)
    for _ in range(n_repeats):
        for name, call in calls.items():
            begin = time.process_time()
            call()
            taken[name].append(time.process_time() - begin)
    return {name: np.median(times) for name, times in taken.items()}


def fit(expert, n_experts, routing, X, y, n_iter):
    """Return a fitted mixture, and the median time of an iteration."""
    timer = IterationTimer()
    mixture = MixtureOfExpertsRegressor(
        clone(expert), n_experts, max_iter=n_iter, tol=0, random_state=0, **routing
    )
    mixture.set_callbacks(timer).fit(X, y)
    return mixture, np.median(timer.seconds)


def measure(expert, n_experts, n_rows, arguments):
    """Return times and scores of a single expert and of its mixtures."""
    X, y = regions(n_rows, seed=1)
    X_test, y_test = regions(n_rows, seed=3)
    alone = clone(expert).fit(X, y)
    own = slice(None, n_rows // n_experts)
    times = seconds(
        {
            "fit alone": lambda: clone(expert).fit(X, y),
            "fit to a share": lambda: clone(expert).fit(X[own], y[own]),
            "answer": lambda: alone.predict(X),
        },
        arguments.repeats,
    )
    scores = {"alone": alone.score(X_test, y_test)}
    for routing, params in ROUTINGS.items():
        mixture, times[f"fit {routing}"] = fit(
            expert, n_experts, params, X, y, arguments.iterations
        )
        scores[routing] = mixture.score(X_test, y_test)
        if routing != "soft":
            continue
        variants = {
            name: variant_of(mixture, params) for name, params in COMBINATIONS.items()
        }
        predict = {"alone": alone, **variants}
        times |= {
            f"predict {name}": taken
            for name, taken in seconds(
                {
                    name: lambda model=model: model.predict(X_test)
                    for name, model in predict.items()
                },
                arguments.repeats,
            ).items()
        }
        for name in ("top 2", "argmax"):
            scores[f"soft, {name}"] = variants[name].score(X_test, y_test)
    return times, scores


def variant_of(mixture, params):
    """Return the same fitted mixture with other parameters of prediction."""
    return copy(mixture).set_params(**params)


def report_times(name, n_rows, measured):
    """Return the table of one expert, as text."""
    times = pd.DataFrame({k: times for k, (times, _) in measured.items()}).T
    scores = pd.DataFrame({k: scores for k, (_, scores) in measured.items()}).T
    fits = [f"fit {routing}" for routing in ROUTINGS]
    predictions = [f"predict {combination}" for combination in COMBINATIONS]
    title = f"{name}, {n_rows} rows: {' '.join(str(EXPERTS[name]).split())}"
    lines = [
        title,
        "=" * len(title),
        f"one expert alone: fit {times['fit alone'].median():.3g} s, "
        f"predict {times['predict alone'].median():.3g} s",
        "",
        "an EM iteration / fit of one expert to all rows, by number of experts:",
        table(times[fits].div(times["fit alone"], axis=0), "fit ", 1),
        "",
        "predict / predict of one expert:",
        table(times[predictions].div(times["predict alone"], axis=0), "predict ", 2),
        "",
        "test R2:",
        table(scores, "", 3),
        "",
    ]
    return "\n".join(lines)


def table(frame, prefix, digits):
    frame = frame.rename(columns=lambda column: column.removeprefix(prefix))
    frame.index.name = "experts"
    return frame.to_string(float_format=lambda value: f"{value:.{digits}f}")


def time_bars(measured):
    """Return lines on the targets for times, and on the parts of an iteration."""
    lines = []
    for name, by_number in measured.items():
        times = by_number[BAR_EXPERTS][0]
        ratio = times["predict argmax"] / times["predict alone"]
        lines.append(
            f"argmax predict, {name}: {ratio:.2f} of one expert's predict; "
            f"bar {MOST_FOR_ARGMAX}: {verdict(ratio <= MOST_FOR_ARGMAX)}"
        )
    for name, by_number in measured.items():
        times = by_number[BAR_EXPERTS][0]
        taken = {
            "an iteration": times["fit hard"],
            "fits": BAR_EXPERTS * times["fit to a share"],
            "answers": BAR_EXPERTS * times["answer"],
        }
        taken["gate and the rest"] = (
            taken["an iteration"] - taken["fits"] - taken["answers"]
        )
        total, *rest = (value / times["fit alone"] for value in taken.values())
        consists = ", ".join(f"{k} {v:.2f}" for k, v in zip(list(taken)[1:], rest))
        bar = f"bar {MOST_FOR_HARD_FIT}: {verdict(total <= MOST_FOR_HARD_FIT)}"
        lines.append(
            f"hard fit, {name}: {total:.2f} of one expert's fit ({consists}); "
            f"{bar if name in LINEAR else 'cost not linear, no bar'}"
        )
    return lines


# Scores on public tables
# -----------------------


def score(name, n_folds, max_rows):
    """Return mean scores of all routings on one table, as a list of rows."""
    classification = name in CLASSIFICATION
    X, y = load(name, max_rows)
    splitter = StratifiedKFold if classification else KFold
    Mixture = (
        MixtureOfExpertsClassifier if classification else MixtureOfExpertsRegressor
    )
    contestants = {
        "one expert": LogisticRegression(max_iter=1000) if classification else Ridge(),
        **{key: Mixture(random_state=0, **params) for key, params in SUITE.items()},
    }
    scores = defaultdict(list)
    for train, test in splitter(n_folds, shuffle=True, random_state=0).split(X, y):
        prepare = preprocessing().fit(X.iloc[train])
        X_train, X_test = (
            prepare.transform(X.iloc[train]),
            prepare.transform(X.iloc[test]),
        )
        for contestant, estimator in contestants.items():
            fitted = clone(estimator).fit(X_train, y[train])
            scores[contestant, "score"].append(fitted.score(X_test, y[test]))
            if classification:
                loss = log_loss(
                    y[test], fitted.predict_proba(X_test), labels=fitted.classes_
                )
                scores[contestant, "log loss"].append(-loss)
    return [
        {
            "table": name,
            "contestant": contestant,
            "measure": measure,
            "score": np.mean(values),
        }
        for (contestant, measure), values in scores.items()
    ]


def report_scores(title, results):
    """Return the table of one measure, and the relative differences to soft EM."""
    scores = results.pivot(index="table", columns="contestant", values="score")
    scores = scores[["one expert", *SUITE]]
    relative = scores.sub(scores["soft"], axis=0).div(scores["soft"].abs(), axis=0)
    relative = relative[[name for name in SUITE if name != "soft"]]
    lines = [
        title,
        "=" * len(title),
        scores.round(4).to_string(),
        "",
        "relative difference to soft, median over the tables:",
        (100 * relative.median()).map("{:+.2f} %".format).to_string(),
        "",
    ]
    return "\n".join(lines), relative


def score_bars(relative, of):
    lines = []
    for name in relative.columns:
        loss = -relative[name].median()
        bar = f"bar 1 %: {verdict(loss <= MOST_LOSS_OF_SWITCH)}"
        lines.append(
            f"{name}, {of}: {-loss:+.2%} of soft EM, median of {len(relative)} tables"
            + (f"; {bar}" if name.startswith("switch") else "")
        )
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--neighbours-rows", type=int, default=10_000)
    parser.add_argument("--experts", type=int, nargs="+", default=[2, 4, 8, 16, 32])
    parser.add_argument("--kinds", nargs="+", choices=EXPERTS, default=list(EXPERTS))
    parser.add_argument("--iterations", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--max-rows", type=int, default=1500)
    arguments = parser.parse_args()
    packages = header("scikit-learn", "numpy", "numba")
    text = [
        f"{packages}, one thread",
        "",
        "Times are processor times, so that other work on the machine does not count: "
        "medians of",
        f"{arguments.repeats} runs that take turns, and of {arguments.iterations} EM "
        "iterations. As many new rows are predicted as were fitted.",
        "Scores are those after these iterations. Neighbours are slow to answer: they "
        "have fewer rows.",
        "",
    ]
    measured = defaultdict(dict)
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")
        # Have Numba compile before anything is measured.
        for params in ROUTINGS.values():
            fit(Ridge(), 2, params, *regions(100, seed=0), 1)
        for kind in arguments.kinds:
            n_rows = (
                arguments.neighbours_rows if kind == "neighbours" else arguments.rows
            )
            for n_experts in arguments.experts:
                measured[kind][n_experts] = measure(
                    EXPERTS[kind], n_experts, n_rows, arguments
                )
                print(f"{n_experts} experts, {kind}: done", flush=True)
            text.append(report_times(kind, n_rows, measured[kind]))
        rows = []
        for name in (*REGRESSION, *CLASSIFICATION):
            rows += score(name, arguments.folds, arguments.max_rows)
            print(f"{name}: done", flush=True)
    results = pd.DataFrame(rows)
    text.append(
        f"Public tables of up to {arguments.max_rows} rows, {arguments.folds} folds, "
        "4 linear experts, capacity factor 1.25.\n"
    )
    relative = {}
    for title, tables, measure_name in (
        ("Regression: R2", REGRESSION, "score"),
        ("Classification: accuracy", CLASSIFICATION, "score"),
        ("Classification: minus log loss", CLASSIFICATION, "log loss"),
    ):
        chosen = results["table"].isin(tables) & (results["measure"] == measure_name)
        paragraph, relative[title] = report_scores(title, results[chosen])
        text.append(paragraph)
    text += ["Bars", "===="]
    if BAR_EXPERTS in arguments.experts:
        text += time_bars(measured)
    r2, accuracy, loss = relative.values()
    text += score_bars(pd.concat([r2, accuracy]), "R2 and accuracy")
    text += score_bars(pd.concat([r2, loss]), "R2 and minus log loss")
    write("quality/routing", text)


if __name__ == "__main__":
    main()
