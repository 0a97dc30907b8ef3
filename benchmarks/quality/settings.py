"""Measure the effect of each parameter on the loss, changing one at a time.

The defaults were chosen by this program. It fits ridge or logistic experts to the
public tables that `accuracy.py` does not hold out, with the same folds for all. Results
are cached in `results/quality/settings.csv`, so that the program resumes where it was
stopped. Run it by `python -m benchmarks.quality.settings`.
"""

import argparse
import time
import warnings

import numpy as np
import pandas as pd
from rich.progress import track
from sklearn.ensemble import VotingClassifier, VotingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss, mean_squared_error
from threadpoolctl import threadpool_limits

from benchmarks.common.cache import Cache
from benchmarks.common.report import header, write
from benchmarks.common.tables import (
    CLASSIFICATION,
    MORE_CLASSIFICATION,
    MORE_REGRESSION,
    REGRESSION,
    folds,
    is_classification,
    is_held_out,
)
from sklearn_moe import (
    MixtureOfExpertsClassifier,
    MixtureOfExpertsRegressor,
    SoftmaxGate,
)

EXPERT = "the expert alone"
DEFAULTS = "defaults"
CHANGES = {
    DEFAULTS: {},
    "sharing 0": {"sharing": 0},
    "sharing 0.05": {"sharing": 0.05},
    "sharing by formula": {"sharing": "formula"},
    "alpha 1e-5": {"alpha": 1e-5},
    "alpha 0.001": {"alpha": 1e-3},
    "alpha 0.01": {"alpha": 1e-2},
    "alpha by formula": {"alpha": "formula"},
    "both by formula": {"sharing": "formula", "alpha": "formula"},
    "n_experts 2": {"n_experts": 2},
    "n_experts 3": {"n_experts": 3},
    "n_experts 8": {"n_experts": 8},
    "n_experts auto": {"n_experts": "auto"},
    "init kmeans": {"init": "kmeans"},
    "init random": {"init": "random"},
    "n_init 3": {"n_init": 3},
    "tol 0.0001": {"tol": 1e-4},
    "tol 0.001": {"tol": 1e-3},
    "max_iter 10": {"max_iter": 10},
    "hard": {"assignment": "hard"},
    "argmax": {"combination": "argmax"},
    "mean of 5 starts": {"starts": 5},
}


def mixture(
    classification,
    n_rows,
    n_features,
    *,
    n_experts=4,
    sharing="auto",
    alpha="auto",
    starts=1,
    **parameters,
):
    """Return a mixture with some parameters changed.

    With "formula", the shared weight is one row for each coefficient, and alpha is half
    a row for each feature.
    """
    if sharing == "formula":
        sharing = min(0.5, n_experts * (n_features + 1) / n_rows)
    if alpha == "formula":
        alpha = min(0.1, n_features / 2 / n_rows)
    kind = MixtureOfExpertsClassifier if classification else MixtureOfExpertsRegressor
    changed = kind(
        n_experts=n_experts,
        sharing=sharing,
        gate=SoftmaxGate(alpha),
        random_state=0,
        **parameters,
    )
    if starts > 1:
        inits = (["tree", "kmeans"] + ["random"] * starts)[:starts]
        members = [
            (f"start{i}", kind(**changed.get_params(deep=False) | {"init": init}))
            for i, init in enumerate(inits)
        ]
        for seed, (_, member) in enumerate(members):
            member.set_params(random_state=seed)
        if classification:
            return VotingClassifier(members, voting="soft")
        return VotingRegressor(members)
    return changed


def estimator(setting, classification, n_rows, n_features):
    """Return the estimator of a setting, given by its name."""
    if setting == EXPERT:
        return LogisticRegression(max_iter=1000) if classification else Ridge()
    return mixture(classification, n_rows, n_features, **CHANGES[setting])


def measure(name, fold, setting, arguments):
    """Return the loss and the seconds of one fit."""
    X, y, X_test, y_test = folds(name, arguments.max_rows, arguments.folds, 1)[fold]
    begin = time.process_time()
    fitted = estimator(setting, is_classification(name), *X.shape).fit(X, y)
    seconds = time.process_time() - begin
    if is_classification(name):
        loss = log_loss(y_test, fitted.predict_proba(X_test), labels=fitted.classes_)
    else:
        loss = mean_squared_error(y_test, fitted.predict(X_test))
    return {"loss": loss, "seconds": seconds}


def compute(names, arguments, cache):
    """Compute the results that are not in the cache, and add them to it."""
    done = cache.places()
    wanted = [
        (name, fold, setting)
        for name in names
        for fold in range(arguments.folds)
        for setting in [EXPERT, *CHANGES]
        if (name, fold, setting) not in done
    ]
    for name, fold, setting in track(wanted, "Fitting"):
        result = measure(name, fold, setting, arguments)
        cache.add((name, fold, setting), result, is_mixture=setting != EXPERT)


def summary(results):
    """Return a summary of the losses of settings, and log ratios to one expert."""
    losses = results.pivot_table("loss", "table", "setting").dropna()
    ratios = np.log(losses.div(losses[EXPERT], axis=0)).drop(columns=EXPERT)
    seconds = results.groupby("setting")["seconds"].median()
    lines = pd.DataFrame(
        {
            "mean": 100 * np.expm1(ratios.mean()),
            "median": 100 * np.expm1(ratios.median()),
            "worst": 100 * np.expm1(ratios.max()),
            "better": (ratios < 0).sum(),
            "worse by 1 %": (ratios > np.log(1.01)).sum(),
            "time": seconds / seconds[DEFAULTS],
        }
    ).loc[list(CHANGES)]
    return lines.rename_axis(index=None), ratios


def nested(ratios):
    """Return a line on the loss when each setting is chosen by the other tables."""
    chosen = {table: ratios.drop(index=table).mean().idxmin() for table in ratios.index}
    own = [ratios.loc[table, setting] for table, setting in chosen.items()]
    names = pd.Series(chosen).value_counts()
    return (
        f"chosen by the other tables: {100 * np.expm1(np.mean(own)):.1f} % in the "
        f"mean; {', '.join(f'{name} ({n})' for name, n in names.items())}"
    )


def main():
    tables = [*REGRESSION, *MORE_REGRESSION, *CLASSIFICATION, *MORE_CLASSIFICATION]
    tables = [name for name in tables if not is_held_out(name)]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--max-rows", type=int, default=700)
    parser.add_argument("--tables", nargs="+", choices=tables, default=tables)
    arguments = parser.parse_args()
    design = {"folds": arguments.folds, "max_rows": arguments.max_rows}
    cache = Cache("quality/settings", design)
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")
        compute(arguments.tables, arguments, cache)
    results = cache.read().rename(columns={"contestant": "setting"})
    classes = results["table"].map(is_classification)
    lines = [
        header("scikit-learn", "numpy", "numba"),
        "",
        f"Loss against that of the expert alone, in per cent (less is better): "
        f"{arguments.folds} folds, up to {arguments.max_rows} rows; the number of "
        "tables where it is better and where it is worse by more than 1 %; processor "
        "time of a fit against the defaults'.",
    ]
    for title, chosen in (
        ("Mean squared error, ridge experts", results[~classes]),
        ("Log loss, logistic experts", results[classes]),
    ):
        table, ratios = summary(chosen)
        shown = table.round({"mean": 1, "median": 1, "worst": 1, "time": 2}).to_string()
        lines += ["", f"{title}, {len(ratios)} tables", "", shown, "", nested(ratios)]
    write("quality/settings", lines)


if __name__ == "__main__":
    main()
