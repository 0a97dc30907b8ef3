"""Measure the overhead of a fit beyond the time of the experts.

The reference is the time of the experts alone: the sum of their `fit` and `predict`
with the weights of EM, times the number of iterations. The overhead is what a fit of
the mixture takes beyond that. Run it by `python -m benchmarks.speed.overhead`.
"""

import argparse
import time
import warnings
from functools import partial

import numpy as np
import pandas as pd
from sklearn.base import clone, is_classifier
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from threadpoolctl import threadpool_limits

from benchmarks.common.problems import gated_lines
from benchmarks.common.profiler import Profiler
from benchmarks.common.report import header, verdict, write
from benchmarks.common.steps import E_STEP, OWN, REST, STEPS, step_beside
from sklearn_moe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor

EXPERTS = {
    "ridge": Ridge(),
    "logistic": LogisticRegression(),
    "forest": RandomForestRegressor(
        n_estimators=10, max_depth=8, max_features=1 / 3, random_state=0
    ),
    "boosting": HistGradientBoostingRegressor(
        max_iter=30, max_bins=63, early_stopping=False, random_state=0
    ),
}
# Maximum overhead as a fraction of the time of a fit.
BARS = {"ridge": 0.30, "forest": 0.05, "boosting": 0.05}

SHARING = 0.05


def problem(n_rows, n_features, n_experts, classification):
    """Draw rows and targets."""
    X, y, _ = gated_lines(n_rows, n_features, n_experts)
    return X, (y > np.median(y)).astype(int) if classification else y


def mixture_of(expert, n_experts, n_iter):
    """Return a mixture with a fixed number of iterations, without folds."""
    kind = MixtureOfExpertsRegressor
    if is_classifier(expert):
        kind = MixtureOfExpertsClassifier
    return kind(
        expert,
        n_experts,
        sharing=SHARING,
        cv=None,
        max_iter=n_iter,
        tol=0,
        random_state=0,
    )


def answer_of(expert):
    """Return the name of the method by which a mixture predicts with an expert."""
    return "predict_proba" if is_classifier(expert) else "predict"


def timed(call):
    """Return the seconds of a call."""
    begin = time.process_time()
    call()
    return time.process_time() - begin


def fit_alone(expert, X, y, weights):
    """Fit the experts of one iteration outside a mixture, and predict with them."""
    for weight in weights:
        fitted = clone(expert).fit(X, y, sample_weight=weight)
        getattr(fitted, answer_of(expert))(X)


def steps_of_fit(expert, X, y, n_experts, n_iter):
    """Return the seconds of each step of a separate fit, measured by a profiler.

    The experts are of a subclass, for which no special algorithm is used.
    """
    kind = type(expert)
    own = type(kind.__name__, (kind,), {})(**expert.get_params(deep=False))
    mixture = mixture_of(own, n_experts, n_iter)
    with Profiler(step_beside(expert)) as profiler:
        mixture.fit(X, y)
    steps = dict.fromkeys([OWN, *STEPS.values(), E_STEP, REST])
    return {step: profiler.seconds[step] for step in steps}


def measure(name, n_rows, n_features, n_experts, n_iter, n_repeats):
    """Return medians of alternating runs, and the steps in per cent of a fit."""
    expert = EXPERTS[name]
    X, y = problem(n_rows, n_features, n_experts, is_classifier(expert))
    mixture = mixture_of(expert, n_experts, n_iter)
    times = {"fit": [], "alone": []}
    for _ in range(n_repeats):
        times["fit"].append(timed(partial(mixture.fit, X, y)))
        own = mixture.responsibilities(X, y).T
        weights = np.ascontiguousarray((1 - SHARING) * own + SHARING / n_experts)
        times["alone"].append(timed(partial(fit_alone, expert, X, y, weights)))
    seconds = np.median(times["fit"])
    alone = mixture.n_iter_ * np.median(times["alone"])
    steps = steps_of_fit(expert, X, y, n_experts, n_iter)
    total = sum(steps.values())
    percent = {step: 100 * taken / total for step, taken in steps.items()}
    return {
        "expert": name,
        "experts": n_experts,
        "fit s": seconds,
        "alone s": alone,
        "ours %": 100 * (1 - alone / seconds),
        "ours % inside": 100 - percent.pop(OWN),
        **{f"{step} %": share for step, share in percent.items()},
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--features", type=int, default=10)
    parser.add_argument("--experts", type=int, nargs="+", default=[4, 8])
    parser.add_argument("--kinds", nargs="+", default=list(EXPERTS), choices=EXPERTS)
    parser.add_argument("--iterations", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    rows = []
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")
        for name in arguments.kinds:
            # Have Numba compile before anything is measured.
            measure(name, 500, 2, 3, 2, 1)
            for n_experts in arguments.experts:
                rows.append(
                    measure(
                        name,
                        arguments.rows,
                        arguments.features,
                        n_experts,
                        arguments.iterations,
                        arguments.repeats,
                    )
                )
                print(name, n_experts, "done", flush=True)
    frame = pd.DataFrame(rows)
    formats = {
        column: ("{:.3f}" if column.endswith(" s") else "{:.1f}").format
        for column in frame.columns[2:]
    }
    packages = header("scikit-learn", "numpy", "scipy", "numba")
    lines = [
        f"{packages}, one thread",
        "",
        f"{arguments.rows} rows, {arguments.features} features, "
        f"{arguments.iterations} iterations: processor time in seconds, medians of "
        f"{arguments.repeats} runs that take turns.",
        "'alone' is what the experts' own fits and answers take, all iterations, with "
        "the weights of EM. 'ours' is what",
        "is left of the fit; below zero the mixture is quicker than the experts' own "
        "fits. 'inside' is the same in one",
        "fit that a profiler looks at every millisecond. The other steps of that fit "
        "follow; 'around experts' is what is",
        "done for them beside their own fits and answers, and 'E-step' has the choice "
        "of their rows in it. The experts are of",
        "a subclass there, so that no short cut is taken for their kind.",
        "",
        frame.to_string(index=False, formatters=formats),
        "",
        "Bars",
        "====",
    ]
    for name, bar in BARS.items():
        ours = frame.loc[frame["expert"] == name, "ours %"]
        if not ours.empty:
            lines.append(
                f"{name}: at most {ours.max():.1f} % ours; bar {100 * bar:.0f} %: "
                f"{verdict(ours.max() <= 100 * bar)}"
            )
    write("speed/overhead", lines)


if __name__ == "__main__":
    main()
