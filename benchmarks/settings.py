"""What the parameters of a mixture do to its score, one changed at a time.

Ridge experts on public tables, the same folds for all: `python benchmarks/settings.py`.
"""

import argparse
import warnings

import pandas as pd
from _report import header, write
from _tables import load, preprocessing
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits

from sklearn_moe import MixtureOfExpertsRegressor

TABLES = ["concrete", "auto", "boston", "college", "hitters", "diabetes"]
CHANGES = [
    {},
    {"n_experts": 2},
    {"n_experts": 8},
    {"sharing": 0},
    {"sharing": 0.15},
    {"gate__alpha": 1e-4},
    {"gate__alpha": 1e-2},
    {"gate__alpha": 1e-1},
    {"init": "kmeans"},
    {"init": "random"},
    {"n_init": 5},
    {"combination": "argmax"},
    {"assignment": "hard"},
]


def contestants():
    """Yield (name, estimator)."""
    yield "one ridge regression", Ridge()
    for change in CHANGES:
        name = ", ".join(f"{key}={value!r}" for key, value in change.items())
        mixture = MixtureOfExpertsRegressor(random_state=0)
        yield name or "4 experts, defaults", mixture.set_params(**change)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--max-rows", type=int, default=1500)
    arguments = parser.parse_args()
    folds = KFold(arguments.folds, shuffle=True, random_state=0)
    columns = {}
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")
        for table in TABLES:
            X, y = load(table, arguments.max_rows)
            columns[f"{table} {len(X)} x {X.shape[1]}"] = {
                name: cross_val_score(
                    make_pipeline(preprocessing(), estimator), X, y, cv=folds
                ).mean()
                for name, estimator in contestants()
            }
            print(f"{table}: done", flush=True)
    scores = pd.DataFrame(columns)
    scores["mean"] = scores.mean(axis=1)
    write(
        "settings",
        [
            header("scikit-learn", "numpy", "numba"),
            "",
            f"R2, mean of {arguments.folds} shuffled folds; each line changes one "
            "parameter of the second.",
            "",
            scores.round(3).to_string(),
        ],
    )


if __name__ == "__main__":
    main()
