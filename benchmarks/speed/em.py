"""Compare whole fits with mixture packages of R and another one of Python.

Each rival fits a mixture and reports its log-likelihood. Our fit starts at the same
clusters, and two times are measured: until it reaches this log-likelihood, and until it
converges. Run it by `python -m benchmarks.speed.em`; README.rst describes how to
install the rivals, and `em_*.R` are the programs in R.

- flexmix: linear experts, softmax gate; the same model throughout, by EM from the same
  clusters. It divides the noise variance by n - p instead of n, so that it ends
  slightly below the maximum.
- mixtools: `hmeEM` has a gate as well, but only of one feature, for two experts.
  `regmixEM` has more experts and features, but constant weights; it is compared with
  our mixture with a constant gate. Both start at experts and gates fitted to the same
  clusters.
- cgmm: linear experts, softmax gate. It chooses its own start, and as of 0.5.1 its gate
  never changes (it handles the error of a SciPy call with an unknown argument by a step
  in the wrong direction), so that it ends far below the maximum.
"""

import argparse
import json
import os
import subprocess
import tempfile
import time
import warnings
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from cgmm import MixtureOfExpertsRegressor as RivalMixture
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LinearRegression, PoissonRegressor
from threadpoolctl import threadpool_limits

from benchmarks.common.problems import gated_lines
from benchmarks.common.report import header, verdict, write
from sklearn_moe import MixtureOfExpertsRegressor, SoftmaxGate

HERE = Path(__file__).parent
DATA = HERE.parents[1] / "tests" / "data"

# The rivals stop when the log-likelihood grows by less than this fraction of itself;
# our fit stops when it grows by less than this per row, or even less if it would
# otherwise end below a rival.
TOLERANCE = 1e-6
SMALLEST_TOLERANCE = 1e-12
MOST_ITERATIONS = 5000

GATE_STAYS = (
    ", and its gate has not left its start in a fit of 50 iterations: what it reaches "
    "is far below the maximum."
)

BAR_ROWS = 20_000
BAR = 20.0

# name: (file, target, features, number of experts, family)
TABLES = {
    "CO2": ("CO2.csv", "CO2", ["GNP"], 2, "gaussian"),
    "patent": ("patent.csv", "Patents", ["lgRD"], 3, "poisson"),
    "NO": ("NO.csv", "Equivalence", ["NO"], 2, "gaussian"),
    "tone": ("tone.csv", "tuned", ["stretchratio"], 2, "gaussian"),
    "NPreg": ("NPreg.csv", "yn", ["x", "x2"], 2, "gaussian"),
}


@dataclass(frozen=True)
class Problem:
    """Data, and the clusters at which all fits start.

    Attributes
    ----------
    name : str
    X : ndarray of shape (n_rows, n_features)
    y : ndarray of shape (n_rows,)
    start : ndarray of shape (n_rows,), int
        Index of the cluster of each row.
    family : {"gaussian", "poisson"}
    """

    name: str
    X: np.ndarray = field(repr=False)
    y: np.ndarray = field(repr=False)
    start: np.ndarray = field(repr=False)
    family: str = "gaussian"

    @property
    def n_experts(self):
        """Number of experts: one for each cluster."""
        return self.start.max() + 1

    def ours(self, gate, **parameters):
        """Return our unfitted mixture."""
        expert = (
            PoissonRegressor(alpha=0, solver="newton-cholesky", tol=1e-8)
            if self.family == "poisson"
            else LinearRegression()
        )
        return MixtureOfExpertsRegressor(
            expert,
            n_experts=self.n_experts,
            gate=gate,
            noise=self.family,
            sharing=0,
            cv=None,
            init=self.start,
            **parameters,
        )


def synthetic(n_rows, n_features=10, n_experts=4):
    """Draw rows, with true clusters for half of them and random ones for the others."""
    X, y, expert = gated_lines(n_rows, n_features, n_experts, seed=n_rows)
    rng = np.random.default_rng(0)
    lost = rng.random(n_rows) < 0.5
    start = np.where(lost, rng.integers(n_experts, size=n_rows), expert)
    return Problem("synthetic", X, y, start)


def table(name):
    """Load a classic table, clustered by the residuals of one line through all rows."""
    file, target, features, n_experts, family = TABLES[name]
    frame = pd.read_csv(DATA / file)
    X, y = frame[features].to_numpy(float), frame[target].to_numpy(float)
    residuals = y - LinearRegression().fit(X, y).predict(X)
    start = residuals.argsort().argsort() * n_experts // len(y)
    return Problem(name, X, y, start, family)


# Maximum number of seconds for one fit of a rival.
PATIENCE = 120


class RivalFailedError(Exception):
    """Raised when a rival fails to fit."""


def run_r(program, problem):
    """Fit a problem by a program in R, and return the result that it prints.

    Parameters
    ----------
    program : str
        Name of a file in this folder.
    problem : Problem

    Returns
    -------
    outcome : dict
        Seconds, log-likelihood and number of iterations.
    """
    columns = {f"x{j}": column for j, column in enumerate(problem.X.T)}
    frame = pd.DataFrame({"y": problem.y, **columns, "start": problem.start + 1})
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder, "data.csv")
        frame.to_csv(data, index=False)
        told = [data, problem.n_experts, problem.family, TOLERANCE]
        try:
            run = subprocess.run(
                ["Rscript", program, *map(str, told)],
                cwd=HERE,
                capture_output=True,
                text=True,
                env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
                timeout=PATIENCE,
            )
        except subprocess.TimeoutExpired as error:
            raise RivalFailedError(f"not done in {PATIENCE} seconds") from error
    if run.returncode:
        raise RivalFailedError(run.stderr.strip())
    return json.loads(run.stdout.splitlines()[-1])


def run_cgmm(problem):
    """Fit a problem by cgmm, and return the same kind of result."""
    rival = RivalMixture(
        problem.n_experts, gating_penalty=0, tol=TOLERANCE, random_state=0
    )
    begin = time.process_time()
    rival.fit(problem.X, problem.y)
    return {
        "seconds": time.process_time() - begin,
        "log_likelihood": len(problem.y) * rival.lower_bound_,
        "n_iter": rival.n_iter_,
    }


def gate_of_cgmm_moves(problem):
    """Return whether a fit of cgmm changes its gate after the first iteration."""
    gates = []
    for max_iter in (1, 50):
        rival = RivalMixture(problem.n_experts, max_iter=max_iter, random_state=0)
        gates.append(rival.fit(problem.X, problem.y)._params.W)
    return not np.array_equal(*gates)


RIVALS = {
    "flexmix": partial(run_r, "em_flexmix.R"),
    "mixtools hmeEM": partial(run_r, "em_hme.R"),
    "mixtools regmixEM": partial(run_r, "em_regmix.R"),
    "cgmm": run_cgmm,
}


def gate_beside(rival):
    """Return our gate for a comparison with a rival."""
    if rival == "mixtools regmixEM":
        return DummyClassifier(strategy="prior")
    return SoftmaxGate(alpha=0)


def comparisons(rows, rival_rows):
    """Yield pairs (rival, problem)."""
    problems = [table(name) for name in TABLES]
    problems += [synthetic(n_rows) for n_rows in rows if n_rows <= rival_rows]
    pairs = [synthetic(n, 1, 2) for n in rows if n <= rival_rows]
    for problem in problems:
        yield "flexmix", problem
    for problem in [*problems, *pairs]:
        if problem.family == "poisson":
            continue
        if problem.X.shape[1] == 1 and problem.n_experts == 2:
            yield "mixtools hmeEM", problem
        else:
            yield "mixtools regmixEM", problem
        yield "cgmm", problem


def timed(call):
    """Return the seconds of a call, and its result."""
    begin = time.process_time()
    result = call()
    return time.process_time() - begin, result


def reach(problem, gate, log_likelihood):
    """Find the settings with which our mixture reaches the log-likelihood of a rival.

    Returns
    -------
    tol : float
        The tolerance with which it is reached.
    n_iter : int or None
        Number of iterations until it is reached; None if EM converges to a lower one.
    """
    tol = TOLERANCE
    while True:
        ours = problem.ours(gate, tol=tol, max_iter=MOST_ITERATIONS)
        # Without penalties, the objective is the log-likelihood.
        path = ours.fit(problem.X, problem.y).objective_path_
        reached = np.flatnonzero(path >= log_likelihood)
        if len(reached):
            return tol, reached[0] + 1
        if tol <= SMALLEST_TOLERANCE:
            return TOLERANCE, None
        tol /= 10


def measure(rival, problem, n_repeats):
    """Return a row of the table, with medians of alternating runs."""
    gate = gate_beside(rival)
    theirs = [RIVALS[rival](problem)]
    target = theirs[0]["log_likelihood"]
    tol, n_reach = reach(problem, gate, target)
    whole = problem.ours(gate, tol=tol, max_iter=MOST_ITERATIONS)
    until_there = problem.ours(gate, tol=tol, max_iter=n_reach or 1)
    times = {"converge": [], "reach": []}
    for repeat in range(n_repeats):
        if repeat:
            theirs.append(RIVALS[rival](problem))
        seconds, ours = timed(lambda: whole.fit(problem.X, problem.y))
        times["converge"].append(seconds)
        if n_reach is not None:
            times["reach"].append(
                timed(lambda: until_there.fit(problem.X, problem.y))[0]
            )
    rival_seconds = np.median([run["seconds"] for run in theirs])
    to_reach = np.median(times["reach"]) if times["reach"] else np.nan
    to_converge = np.median(times["converge"])
    return {
        "rival": rival,
        "problem": problem.name,
        "rows": len(problem.y),
        "features": problem.X.shape[1],
        "experts": problem.n_experts,
        "rival iter": theirs[0]["n_iter"],
        "rival log-lik": target,
        "our log-lik": ours.log_likelihood_,
        "iter": ours.n_iter_,
        "rival s": rival_seconds,
        "reach s": to_reach,
        "converge s": to_converge,
        "rival / reach": rival_seconds / to_reach,
        "rival / converge": rival_seconds / to_converge,
    }


def measure_alone(n_rows, n_repeats):
    """Measure our fit without a rival."""
    problem = synthetic(n_rows)
    mixture = problem.ours(SoftmaxGate(alpha=0), tol=TOLERANCE, max_iter=1000)
    times = [
        timed(lambda: mixture.fit(problem.X, problem.y))[0] for _ in range(n_repeats)
    ]
    seconds = np.median(times)
    return {
        "rows": n_rows,
        "iterations": mixture.n_iter_,
        "log-likelihood": mixture.log_likelihood_,
        "seconds": seconds,
        "ns a row and iteration": 1e9 * seconds / n_rows / mixture.n_iter_,
    }


def bars(results):
    """Yield a line for each rival."""
    flexmix = results[results["rival"] == "flexmix"]
    at_bar = flexmix[flexmix["rows"] == BAR_ROWS]
    for ratio in at_bar["rival / reach"]:
        yield (
            f"flexmix, {BAR_ROWS} rows, to its log-likelihood: {ratio:.1f} times "
            f"faster; bar {BAR:.0f}: {verdict(ratio >= BAR)}"
        )
    if at_bar.empty:
        yield f"flexmix, {BAR_ROWS} rows: not run"
    for rival, rows in results.groupby("rival", sort=False):
        for what in ("reach", "converge"):
            ratio = rows[f"rival / {what}"]
            slowest = rows.loc[ratio.fillna(-np.inf).idxmin()]
            met = (ratio >= 1).all()
            yield (
                f"{rival}, to {what}: from {ratio.min():.1f} to {ratio.max():.1f} "
                f"times faster, least on {slowest['problem']}, {slowest['rows']} rows; "
                f"{ratio.isna().sum()} not reached; bar 1 everywhere: {verdict(met)}"
            )


def versions_of(rivals):
    """Return the versions of the packages that the rivals come from."""
    packages = dict.fromkeys(rival.split()[0] for rival in rivals)
    return ", ".join(
        f"cgmm {version('cgmm')}" if package == "cgmm" else f"R's {r_version(package)}"
        for package in packages
    )


def r_version(package):
    run = subprocess.run(
        ["Rscript", "-e", f"cat(as.character(packageVersion('{package}')))"],
        capture_output=True,
        text=True,
        check=True,
    )
    return f"{package} {run.stdout}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--rows",
        type=int,
        nargs="+",
        default=[1000, 10_000, 20_000, 100_000, 1_000_000],
    )
    parser.add_argument(
        "--rival-rows", type=int, default=20_000, help="more are ours alone"
    )
    parser.add_argument("--rivals", nargs="+", default=list(RIVALS), choices=RIVALS)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    rivals_versions = versions_of(arguments.rivals)
    compared, failed, alone = [], [], []
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")
        # Have Numba compile before anything is measured.
        tiny = synthetic(200)
        for rival in RIVALS:
            tiny.ours(gate_beside(rival), max_iter=3).fit(tiny.X, tiny.y)
        moves = gate_of_cgmm_moves(tiny)
        for rival, problem in comparisons(arguments.rows, arguments.rival_rows):
            if rival not in arguments.rivals:
                continue
            try:
                compared.append(measure(rival, problem, arguments.repeats))
                print(rival, problem.name, len(problem.y), "done", flush=True)
            except RivalFailedError as error:
                failed += [f"{rival} on {problem.name}, {len(problem.y)} rows: {error}"]
                print(failed[-1], flush=True)
        for n_rows in arguments.rows:
            alone.append(measure_alone(n_rows, arguments.repeats))
            print(n_rows, "alone done", flush=True)
    results = pd.DataFrame(compared)
    digits = {
        **dict.fromkeys(["rival log-lik", "our log-lik"], "{:.2f}"),
        **dict.fromkeys(["rival s", "reach s", "converge s"], "{:.4f}"),
        **dict.fromkeys(["rival / reach", "rival / converge"], "{:.1f}"),
    }
    formats = {name: text.format for name, text in digits.items()}
    packages = header("scikit-learn", "numpy", "numba")
    lines = [
        f"{packages}, one thread",
        rivals_versions,
        "",
        f"Processor time of the fit in seconds, medians of {arguments.repeats} runs "
        "that take turns, from the same clusters.",
        "'reach' is our fit to the log-likelihood that the rival ends with (NaN: ours "
        "ends at another optimum),",
        f"'converge' our fit to a change of {TOLERANCE:g} a row, or less where that "
        "ends below the rival.",
        "",
        "flexmix divides the noise variance by n - p, and ends a little below the "
        "maximum. mixtools: hmeEM knows one",
        "feature and two experts; regmixEM has constant weights, as has our mixture "
        "beside it. cgmm begins at clusters",
        "of its own" + ("." if moves else GATE_STAYS),
        "",
        results.to_string(index=False, formatters=formats),
        *(["", "Rivals that failed", "==================", *failed] if failed else []),
        "",
        "Ours alone, 10 features, 4 experts",
        "==================================",
        pd.DataFrame(alone).to_string(
            index=False,
            formatters={
                "log-likelihood": "{:.1f}".format,
                "seconds": "{:.3f}".format,
                "ns a row and iteration": "{:.0f}".format,
            },
        ),
        "",
        "Bars",
        "====",
        *bars(results),
    ]
    write("speed/em", lines)


if __name__ == "__main__":
    main()
