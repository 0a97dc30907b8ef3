"""Measure the time of the import and of the first fit.

Each measurement runs in a new process. The first fit of an installation compiles
functions; the first fit of any later process loads the compiled functions. What Numba
takes for this alone is measured, too: its import and one call of one function. Run it
by `python -m benchmarks.speed.start`.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd

import sklearn_moe
from benchmarks.common.report import header, verdict, write

ALONE = "import sklearn"
SIMILAR = (
    "from sklearn.ensemble import StackingRegressor; "
    "from sklearn.linear_model import Ridge"
)
PACKAGE = "import sklearn_moe"
ESTIMATOR = "from sklearn_moe import MixtureOfExpertsRegressor"
AFTER = f"{ESTIMATOR}, after the second"

# By name: imports before the clock starts, and imports that are timed.
IMPORTS = {
    ALONE: ("", ALONE),
    SIMILAR: ("", SIMILAR),
    PACKAGE: ("", PACKAGE),
    ESTIMATOR: ("", ESTIMATOR),
    AFTER: (SIMILAR, ESTIMATOR),
}
IMPORT = """
import json, time
{before}
begin = time.process_time()
{timed}
print(json.dumps({{"seconds": time.process_time() - begin}}))
"""
FIT = """
import json, time
begin = time.process_time()
import numpy as np
from sklearn_moe import {mixture}
taken = {{"import": time.process_time() - begin}}
rng = np.random.default_rng(0)
X = rng.standard_normal((1000, 4))
y = np.abs(X[:, 0]) + 0.1 * rng.standard_normal(1000)
y = y > 1 if "{mixture}".endswith("Classifier") else y
for name in ("first fit", "second fit", "third fit"):
    begin = time.process_time()
    {mixture}(random_state=0, max_iter=20, tol=0).fit(X, y)
    taken[name] = time.process_time() - begin
print(json.dumps(taken))
"""
NUMBA = """
import json, time
import numpy as np
from sklearn_moe import kernels
begin = time.process_time()
kernels.log_softmax(np.zeros((2, 2)))
print(json.dumps({"seconds": time.process_time() - begin}))
"""
MIXTURES = ("MixtureOfExpertsRegressor", "MixtureOfExpertsClassifier")

# The targets to meet, in seconds.
MOST_OVER_IMPORT = 0.050
MOST_FOR_FIRST_FIT = 5.0
MOST_OVER_STEADY = 0.3


def run(code, cache):
    """Return the output of a new process that uses a folder as the cache of Numba."""
    path = [str(Path(sklearn_moe.__file__).parents[1]), os.environ.get("PYTHONPATH")]
    threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={
            **os.environ,
            **dict.fromkeys(threads, "1"),
            "NUMBA_CACHE_DIR": cache,
            "PYTHONPATH": os.pathsep.join(filter(None, path)),
        },
    )
    return json.loads(done.stdout)


def measure_imports(n_repeats):
    """Return the median seconds of each import."""
    taken = defaultdict(list)
    with tempfile.TemporaryDirectory() as cache:
        # The first round, which reads from the disk and writes bytecode, is ignored.
        for repeat in range(n_repeats + 1):
            for name, (before, timed) in IMPORTS.items():
                seconds = run(IMPORT.format(before=before, timed=timed), cache)
                if repeat:
                    taken[name].append(seconds["seconds"])
    return {name: np.median(seconds) for name, seconds in taken.items()}


def measure_fits(n_repeats):
    """Return median seconds of fits in a process, with a cold and a warm cache.

    The second result is what Numba alone takes with a warm cache.
    """
    taken, alone = defaultdict(list), []
    for _ in range(n_repeats):
        for mixture in MIXTURES:
            with tempfile.TemporaryDirectory() as cache:
                for state in ("cold", "warm"):
                    seconds = run(FIT.format(mixture=mixture), cache)
                    taken[mixture, state].append(seconds)
                # The first call compiles the function.
                alone.append([run(NUMBA, cache)["seconds"] for _ in range(2)][1])
        print("a round of fits done", flush=True)
    fits = pd.DataFrame(
        [
            {"mixture": mixture, "cache": state, **pd.DataFrame(runs).median()}
            for (mixture, state), runs in taken.items()
        ]
    )
    return fits, np.median(alone)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=11, help="of the imports")
    parser.add_argument("--fit-repeats", type=int, default=5)
    arguments = parser.parse_args()
    imports = measure_imports(arguments.repeats)
    print("imports done", flush=True)
    fits, alone = measure_fits(arguments.fit_repeats)
    packages = header("scikit-learn", "numpy", "scipy", "numba")
    lines = [
        f"{packages}, Python {sys.version.split()[0]}, one thread",
        "",
        f"Processor seconds, medians of {arguments.repeats} fresh processes for each "
        f"import and {arguments.fit_repeats} for the fits, which take turns.",
        "Fits are of 1000 rows, 4 features and 4 linear experts, 20 iterations. A cold "
        "cache is an empty folder for what",
        "Numba compiles; Python's own bytecode is there.",
        "",
        "Imports",
        "=======",
        *(f"{seconds:6.3f}  {name}" for name, seconds in imports.items()),
        "",
        "Fits",
        "====",
        fits.to_string(index=False, float_format="{:.3f}".format),
        "",
        f"Numba's import and the first call of one function, warm cache: {alone:.3f}",
        "",
        "Bars",
        "====",
    ]
    over = imports[AFTER]
    lines.append(
        f"{ESTIMATOR!r} after {SIMILAR!r}: {1000 * over:.0f} ms; bar "
        f"{1000 * MOST_OVER_IMPORT:.0f}: {verdict(over <= MOST_OVER_IMPORT)}"
    )
    for row in fits.to_dict("records"):
        name, first = f"{row['mixture']}, {row['cache']} cache", row["first fit"]
        if row["cache"] == "cold":
            met = first <= MOST_FOR_FIRST_FIT
            lines.append(
                f"{name}, first fit: {first:.2f} s; bar {MOST_FOR_FIRST_FIT:.0f}: "
                f"{verdict(met)}"
            )
        else:
            over = first - row["second fit"]
            lines.append(
                f"{name}, first fit over the second: {over:.2f} s; bar "
                f"{MOST_OVER_STEADY:.1f}: {verdict(over <= MOST_OVER_STEADY)}"
            )
    write("speed/start", lines)


if __name__ == "__main__":
    main()
