"""Count the iterations that EM needs without acceleration, and with SQUAREM.

Linear experts are fitted to public tables, until the objective is within 1e-4 nats per
row of the optimum that plain EM converges to. Run it by
`python -m benchmarks.speed.acceleration`.
"""

import argparse
import time
import warnings

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from benchmarks.common.report import header, write
from benchmarks.common.tables import CLASSIFICATION, REGRESSION, load, preprocessing
from sklearn_moe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor

MARGIN = 1e-4


def best_so_far(name, max_rows, **params):
    """Return the best objective after each iteration, in nats per row."""
    X, y = load(name, max_rows)
    Mixture = (
        MixtureOfExpertsClassifier
        if name in CLASSIFICATION
        else MixtureOfExpertsRegressor
    )
    mixture = Mixture(tol=1e-8, max_iter=1000, random_state=0, **params)
    mixture.fit(preprocessing().fit_transform(X), y)
    return np.maximum.accumulate(mixture.objective_path_) / len(y)


def n_fits(path, target):
    """Count iterations until the target is reached; infinite if it is not."""
    return np.argmax(path >= target) + 1 if path[-1] >= target else np.inf


def measure(name, sharing, max_rows):
    """Return one row of the table."""
    plain = best_so_far(name, max_rows, sharing=sharing, acceleration=None)
    accelerated = best_so_far(name, max_rows, sharing=sharing, acceleration="squarem")
    target = plain[-1] - MARGIN
    fits, fewer = n_fits(plain, target), n_fits(accelerated, target)
    return {
        "table": name,
        "EM": fits,
        "SQUAREM": fewer,
        "ratio": fits / fewer,
        "optimum, SQUAREM - EM": accelerated[-1] - plain[-1],
    }


def report(title, results):
    """Return the table of one setting, as text."""
    ratio, gain = results["ratio"], results["optimum, SQUAREM - EM"]
    reached = ratio > 0
    worst = results.loc[ratio[reached].idxmin()]
    lines = [
        title,
        "=" * len(title),
        results.round({"ratio": 2, "optimum, SQUAREM - EM": 4}).to_string(index=False),
        "",
        f"times fewer fits: median {ratio.median():.2f} (where the optimum is not "
        "reached counts as 0);",
        f"where it is reached: median {ratio[reached].median():.2f}, "
        f"worst {worst['ratio']:.2f} ({worst['table']})",
        f"the optimum of EM is reached on {reached.sum()} of {len(results)} tables; "
        f"SQUAREM ends higher by {MARGIN} on {(gain > MARGIN).sum()}, "
        f"lower on {(gain < -MARGIN).sum()}",
        "",
    ]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--max-rows", type=int, default=1500)
    arguments = parser.parse_args()
    begin = time.process_time()
    packages = header("scikit-learn", "numpy", "numba")
    text = [
        f"{packages}, one thread",
        "",
        f"Tables of up to {arguments.max_rows} rows, four linear experts, tol=1e-8, at "
        "most 1000 iterations.",
        "",
    ]
    default = MixtureOfExpertsRegressor().sharing
    for sharing in (default, 0.0):
        rows = []
        for name in (*REGRESSION, *CLASSIFICATION):
            with warnings.catch_warnings(), threadpool_limits(1):
                warnings.simplefilter("ignore")
                rows.append(measure(name, sharing, arguments.max_rows))
            print(f"{name}: done", flush=True)
        text.append(report(f"sharing={sharing}", pd.DataFrame(rows)))
    write("speed/acceleration", text)
    print(f"{time.process_time() - begin:.0f} s of processor time")


if __name__ == "__main__":
    main()
