"""Compare methods for a rare class.

Class weights and a tuned threshold both find rare classes more often, but have
different effects on the ranking of the rows (AUC) and on probabilities (log loss). The
tables are those with a rare class that are not held out. Run it by
`python -m benchmarks.quality.rare_classes`.
"""

import argparse
import warnings

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, log_loss, roc_auc_score
from sklearn.model_selection import StratifiedKFold, TunedThresholdClassifierCV
from threadpoolctl import threadpool_limits

from benchmarks.common.report import header, write
from benchmarks.common.tables import is_held_out, load, preprocessing
from sklearn_moe import MixtureOfExpertsClassifier

TABLES = ("churn", "attrition")
EXPERTS = {
    "logistic": LogisticRegression(max_iter=1000),
    "boosting": HistGradientBoostingClassifier(
        max_iter=30, early_stopping=False, random_state=0
    ),
}
WAYS = {
    "as it is": lambda expert: mixture(expert),
    "class_weight of the mixture": lambda expert: mixture(
        expert, class_weight="balanced"
    ),
    "class_weight of the experts": lambda expert: mixture(
        expert, experts__class_weight="balanced"
    ),
    "tuned threshold": lambda expert: TunedThresholdClassifierCV(
        mixture(expert), scoring="balanced_accuracy", cv=3, random_state=0
    ),
}
SCORES = ("balanced accuracy", "AUC", "log loss")


def mixture(expert, **params):
    made = MixtureOfExpertsClassifier(clone(expert), n_experts=2, random_state=0)
    return made.set_params(**params)


def scores_on(name, expert, max_rows, n_folds):
    """Return mean scores of each method on a table, and the share of its rare class."""
    X, y = load(name, max_rows)
    labels, counts = np.unique(y, return_counts=True)
    rare = labels[counts.argmin()]
    y = (y == rare).astype(int)
    folds = StratifiedKFold(n_folds, shuffle=True, random_state=0)
    found = {way: [] for way in WAYS}
    for train, test in folds.split(X, y):
        prepare = preprocessing().fit(X.iloc[train])
        old, new = (prepare.transform(X.iloc[rows]) for rows in (train, test))
        for way, make in WAYS.items():
            fitted = make(expert).fit(old, y[train])
            probability = fitted.predict_proba(new)[:, 1]
            found[way].append(
                (
                    balanced_accuracy_score(y[test], fitted.predict(new)),
                    roc_auc_score(y[test], probability),
                    log_loss(y[test], probability),
                )
            )
    return pd.DataFrame(
        {way: np.mean(values, axis=0) for way, values in found.items()}, SCORES
    ).T, y.mean()


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--max-rows", type=int, default=5000)
    parser.add_argument("--folds", type=int, default=3)
    args = parser.parse_args()
    assert not any(map(is_held_out, TABLES))
    lines = [
        header("scikit-learn"),
        f"Means over {args.folds} folds, up to {args.max_rows} rows; two experts. The "
        "probabilities of the tuned threshold",
        "are those of the mixture as it is, fitted to all training rows.",
    ]
    for name in TABLES:
        for kind, expert in EXPERTS.items():
            with warnings.catch_warnings(), threadpool_limits(1):
                warnings.simplefilter("ignore")
                table, share = scores_on(name, expert, args.max_rows, args.folds)
            title = f"{name}, {share:.0%} in the rare class, {kind} experts"
            lines += ["", title, "-" * len(title), table.round(3).to_string()]
            print(title, table.round(3), sep="\n", flush=True)
    write("quality/rare_classes", lines)


if __name__ == "__main__":
    main()
