"""Compare the default gate and experts of a mixture with others.

All are given the same folds of public tables. Run it by
`python -m benchmarks.quality.choices`.
"""

import argparse
import time
import warnings

import numpy as np
import pandas as pd
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import SplineTransformer
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from threadpoolctl import threadpool_limits

from benchmarks.common.report import header, write
from benchmarks.common.tables import REGRESSION, load, preprocessing
from sklearn_moe import GaussianGate, MixtureOfExpertsRegressor, SoftmaxGate

CURVES = SplineTransformer(n_knots=3, degree=2, include_bias=False)
TREE = DecisionTreeRegressor(max_depth=3, random_state=0)


def mixture(**params):
    return MixtureOfExpertsRegressor(**{"random_state": 0, **params})


GATES = {
    "one ridge": Ridge(),
    "softmax": mixture(),
    "alpha=1e-2": mixture(gate=SoftmaxGate(alpha=1e-2)),
    "clip=3": mixture(gate=SoftmaxGate(clip=3)),
    "splines": mixture(gate=make_pipeline(CURVES, SoftmaxGate(alpha=1e-2))),
    "gaussian": mixture(gate=GaussianGate()),
    "tree": mixture(gate=DecisionTreeClassifier(max_depth=3, random_state=0)),
    "constant": mixture(gate=DummyClassifier(strategy="prior"), init="random"),
}
EXPERTS = {
    "one ridge": Ridge(),
    "4 ridge": mixture(),
    "one splines": make_pipeline(CURVES, Ridge()),
    "4 splines": mixture(experts=make_pipeline(CURVES, Ridge())),
    "one tree": TREE,
    "4 trees": mixture(experts=TREE),
}
COMPARISONS = {
    "gates": ("Gates of four ridge experts: R2", GATES),
    "experts": ("Experts, alone and four of them: R2", EXPERTS),
}


def measure(contestants, max_rows):
    """Return mean R2 of contestants on each table, and processor seconds of each."""
    scores, seconds = {}, dict.fromkeys(contestants, 0.0)
    folds = KFold(5, shuffle=True, random_state=0)
    for table in REGRESSION:
        X, y = load(table, max_rows)
        scores[table] = {}
        for name, contestant in contestants.items():
            begin = time.process_time()
            with warnings.catch_warnings(), threadpool_limits(1):
                # Ignore that EM stops after 100 iterations, or retires an expert.
                warnings.simplefilter("ignore")
                of_folds = cross_val_score(
                    make_pipeline(preprocessing(), contestant), X, y, cv=folds
                )
            scores[table][name] = np.mean(of_folds)
            seconds[name] += time.process_time() - begin
        print(f"{table}: done", flush=True)
    return pd.DataFrame(scores).T, pd.Series(seconds)


def report(title, scores, seconds):
    """Return the table of some contestants, as lines."""
    ranks = scores.rank(axis=1, ascending=False).mean()
    summary = pd.DataFrame(
        {
            "mean rank": ranks.round(1),
            "median R2": scores.median().round(3),
            "seconds": seconds.round(0).astype(int),
        }
    )
    return [
        title,
        "=" * len(title),
        scores.round(3).to_string(),
        "",
        summary.to_string(),
        "",
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--max-rows", type=int, default=600)
    parser.add_argument(
        "--comparisons", nargs="+", choices=COMPARISONS, default=list(COMPARISONS)
    )
    arguments = parser.parse_args()
    for name in arguments.comparisons:
        title, contestants = COMPARISONS[name]
        lines = [
            header("scikit-learn", "numpy"),
            f"Tables of up to {arguments.max_rows} rows, 5 shuffled folds, one thread; "
            "processor seconds of all fits.",
            "",
            *report(title, *measure(contestants, arguments.max_rows)),
        ]
        write(f"quality/choices_{name}", lines)


if __name__ == "__main__":
    main()
