"""Measure the calibration of predicted distributions and probabilities.

Mixtures of experts are compared with other regressors that predict a distribution or an
interval, on public tables and the same folds for all: by the coverage of central
intervals, CRPS, log score and interval score. Then their class probabilities are
compared with those of single experts, by log loss, Brier score and calibration. Run it
by `python -m benchmarks.quality.calibration`.
"""

import argparse
import time
import warnings
from collections import defaultdict

import numpy as np
import pandas as pd
from mapie.regression import CrossConformalRegressor
from ngboost import NGBRegressor
from quantile_forest import RandomForestQuantileRegressor
from scipy import stats
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
from sklearn.model_selection import KFold, StratifiedKFold
from threadpoolctl import threadpool_limits

from benchmarks.common.report import header, verdict, write
from benchmarks.common.tables import CLASSIFICATION, REGRESSION, load, preprocessing
from benchmarks.quality.heterogeneous import CLASSIFIERS, REGRESSORS
from sklearn_moe import (
    HeteroscedasticGaussian,
    MixtureOfExpertsClassifier,
    MixtureOfExpertsRegressor,
)

PACKAGES = ["scikit-learn", "numpy", "numba", "ngboost", "quantile-forest", "mapie"]

COVERAGES = [0.5, 0.8, 0.9, 0.95]
LEVELS = (np.arange(400) + 0.5) / 400
N_BINS = 10

# The targets to meet.
DEFAULTS = ["ridge", "unlike"]
MOST_OFF = 0.03

# A few small experts, since cross-fitting costs twelve fits in each iteration of EM.
BOOSTING = MixtureOfExpertsRegressor(
    HistGradientBoostingRegressor(
        learning_rate=0.2, max_iter=30, max_leaf_nodes=8, random_state=0
    ),
    n_experts=2,
    max_iter=5,
    random_state=0,
)
RIDGE = MixtureOfExpertsRegressor(random_state=0)
UNLIKE = MixtureOfExpertsRegressor(REGRESSORS, random_state=0)
MIXTURES = {
    "ridge": RIDGE,
    "ridge/c": clone(RIDGE).set_params(calibrate=True),
    "boosting": clone(BOOSTING).set_params(cv=5, calibrate=False),
    "boosting/c": clone(BOOSTING).set_params(calibrate=True),
    "unlike": UNLIKE,
    "unlike/e": clone(UNLIKE).set_params(calibrate=False),
    "unlike/t": clone(UNLIKE).set_params(noise="student_t", calibrate=False),
    "unlike/v": clone(UNLIKE).set_params(
        noise=HeteroscedasticGaussian(), calibrate=False
    ),
}
PROBABILITIES = {
    **dict(CLASSIFIERS),
    "4 logistic": MixtureOfExpertsClassifier(random_state=0),
    "unlike": MixtureOfExpertsClassifier(CLASSIFIERS, random_state=0),
}
LEGEND = """\
ridge       MixtureOfExpertsRegressor(), all defaults: 4 ridge experts
ridge/c     the same, calibrate=True
boosting    2 boosting experts that specialise in 5 iterations, cv=5, noise of EM
boosting/c  the same without cv, calibrate=True
unlike      ridge, boosting, support vectors and neighbours, all defaults
unlike/e    the same, calibrate=False: the noise of EM
unlike/t    the same, noise="student_t", calibrate=False
unlike/v    the same, noise=HeteroscedasticGaussian(), calibrate=False
NGBoost     NGBRegressor(), all defaults: a gaussian for each row
NGBoost/e   the same, early_stopping_rounds=20 on a tenth of the training rows
forest      RandomForestQuantileRegressor(); CRPS from 400 quantiles, no density
process     gaussian process, constant * RBF + white, normalised target
conformal   MAPIE's CrossConformalRegressor, CV+ of boosting; intervals alone
"""


# Predicted distributions
# -----------------------


class Normal:
    """Normal distribution of each row.

    Parameters
    ----------
    mean, scale : ndarray of shape (n_rows,)
    """

    def __init__(self, mean, scale):
        self.noise = stats.norm(mean, scale)

    def interval(self, coverage):
        """Return lower and upper end for each row."""
        return np.column_stack(self.noise.interval(coverage))

    def logpdf(self, y):
        """Return the logarithm of the density."""
        return self.noise.logpdf(y)

    def crps(self, y):
        """Return the CRPS in closed form (Gneiting and Raftery 2007, section 4.2)."""
        scale = self.noise.std()
        z = (y - self.noise.mean()) / scale
        norm = stats.norm
        return scale * (
            z * (2 * norm.cdf(z) - 1) + 2 * norm.pdf(z) - 1 / np.sqrt(np.pi)
        )


class Quantiles:
    """Quantiles of each row at any levels.

    Parameters
    ----------
    at : callable
        ``at(levels)`` returns the quantiles of all rows, a column for each level.
    """

    def __init__(self, at):
        self.at = at

    def interval(self, coverage):
        """Return lower and upper end for each row."""
        return self.at([(1 - coverage) / 2, (1 + coverage) / 2])

    def crps(self, y):
        """Return the CRPS as twice the mean pinball loss over all levels."""
        error = y[:, np.newaxis] - self.at(list(LEVELS))
        return 2 * np.maximum(LEVELS * error, (LEVELS - 1) * error).mean(axis=1)


class Intervals:
    """Central intervals, for the `COVERAGES` only.

    Parameters
    ----------
    intervals : list of ndarray of shape (n_rows, 2)
    """

    def __init__(self, intervals):
        self.intervals = dict(zip(COVERAGES, intervals))

    def interval(self, coverage):
        """Return lower and upper end for each row."""
        return self.intervals[coverage]


def mixture(estimator):
    def predict(X, y, X_test):
        return clone(estimator).fit(X, y).predict_distribution(X_test)

    return predict


def ngboost(**parameters):
    def predict(X, y, X_test):
        fitted = NGBRegressor(random_state=0, verbose=False, **parameters).fit(X, y)
        return Normal(*map(fitted.pred_dist(X_test).params.get, ("loc", "scale")))

    return predict


def forest(X, y, X_test):
    fitted = RandomForestQuantileRegressor(random_state=0).fit(X, y)
    return Quantiles(lambda levels: fitted.predict(X_test, quantiles=levels))


def process(X, y, X_test):
    kernel = ConstantKernel() * RBF() + WhiteKernel()
    fitted = GaussianProcessRegressor(kernel, normalize_y=True, random_state=0)
    return Normal(*fitted.fit(X, y).predict(X_test, return_std=True))


def conformal(X, y, X_test):
    fitted = CrossConformalRegressor(
        HistGradientBoostingRegressor(random_state=0),
        confidence_level=COVERAGES,
        cv=5,
        random_state=0,
    ).fit_conformalize(X, y)
    return Intervals(np.moveaxis(fitted.predict_interval(X_test)[1], 2, 0))


CONTESTANTS = {
    **{name: mixture(estimator) for name, estimator in MIXTURES.items()},
    "NGBoost": ngboost(),
    "NGBoost/e": ngboost(early_stopping_rounds=20),
    "forest": forest,
    "process": process,
    "conformal": conformal,
}


def folds(name, arguments):
    """Yield prepared training and test rows of a table."""
    X, y = load(name, arguments.max_rows)
    splitter = StratifiedKFold if name in CLASSIFICATION else KFold
    for train, test in splitter(arguments.folds, shuffle=True, random_state=0).split(
        X, y
    ):
        prepare = preprocessing().fit(X.iloc[train])
        yield (
            prepare.transform(X.iloc[train]),
            y[train],
            prepare.transform(X.iloc[test]),
            y[test],
        )


def scores(predicted, y):
    """Yield pairs of the name of a measure and a score for each row."""
    for coverage in COVERAGES:
        lower, upper = predicted.interval(coverage).T
        yield f"coverage {coverage:.0%}", (lower <= y) & (y <= upper)
        if coverage == 0.9:
            outside = np.maximum(lower - y, 0) + np.maximum(y - upper, 0)
            yield "width", upper - lower
            yield "interval score", upper - lower + outside * 2 / (1 - coverage)
    if hasattr(predicted, "crps"):
        yield "CRPS", predicted.crps(y)
    if hasattr(predicted, "logpdf"):
        yield "log score", -predicted.logpdf(y)


def measure_regression(name, arguments):
    """Return mean scores of all contestants on one table, as a list of rows."""
    collected, seconds = defaultdict(list), defaultdict(list)
    for X, y, X_test, y_test in folds(name, arguments):
        for contestant, predict in CONTESTANTS.items():
            begin = time.process_time()
            predicted = predict(X, y, X_test)
            seconds[contestant].append(time.process_time() - begin)
            for measure, values in scores(predicted, y_test):
                collected[contestant, measure].append(values)
    for contestant, times in seconds.items():
        collected[contestant, "seconds"] = [times]
    return as_rows(name, collected)


def as_rows(name, collected):
    return [
        {
            "table": name,
            "contestant": contestant,
            "measure": measure,
            "score": np.concatenate(values).mean(),
        }
        for (contestant, measure), values in collected.items()
    ]


def pivot(results, measure):
    """Return scores with a row for each table and a column for each contestant."""
    chosen = results[results["measure"] == measure]
    order = list(dict.fromkeys(chosen["contestant"]))
    return chosen.pivot(index="table", columns="contestant", values="score")[order]


def paragraph(title, frame, note="", digits=3):
    shown = frame.rename_axis(index=None, columns=None)
    text = shown.to_string(float_format=lambda value: f"{value:.{digits}f}")
    return "\n".join([title, "=" * len(title), text, *([note] if note else []), ""])


def mean_ranks(frame):
    ranks = frame.rank(axis=1).mean().sort_values()
    return "mean rank: " + ", ".join(f"{k} {rank:.1f}" for k, rank in ranks.items())


def report_regression(results):
    coverages = {f"coverage {c:.0%}": c for c in COVERAGES}
    text = [
        paragraph(title, frame := pivot(results, measure), mean_ranks(frame))
        for title, measure in (
            ("CRPS", "CRPS"),
            ("Log score: mean negative log density", "log score"),
            ("Interval score of 90 % intervals", "interval score"),
            ("Width of 90 % intervals", "width"),
        )
    ]
    frames = {nominal: pivot(results, name) for name, nominal in coverages.items()}
    for nominal, frame in frames.items():
        text.append(paragraph(f"Coverage of {nominal:.0%} intervals", frame))
    text.append(
        paragraph(
            "Coverage: points off, median of the tables",
            100 * off(frames).rename(index="{:.0%}".format),
            digits=1,
        )
    )
    seconds = pivot(results, "seconds").median().rename("seconds").to_frame().T
    text.append(
        paragraph("Fit and predict: processor seconds, median of the tables", seconds)
    )
    return text + bars(pivot(results, "CRPS"), off(frames))


def off(frames):
    """Return the median over the tables of the distance to the nominal coverage."""
    return pd.DataFrame(
        {
            nominal: frame.sub(nominal).abs().median()
            for nominal, frame in frames.items()
        }
    ).T


def bars(crps, points):
    lines = ["Bars", "===="]
    for name in MIXTURES:
        better = (crps[name] < crps["NGBoost"]).sum()
        met = verdict(2 * better >= len(crps)) if name in DEFAULTS else "no bar"
        lines.append(
            f"CRPS of {name} better than NGBoost's: {better} of {len(crps)} tables; "
            f"bar half: {met}"
        )
    for name in MIXTURES:
        worst = points[name].max()
        met = verdict(worst <= MOST_OFF) if name in DEFAULTS else "no bar"
        lines.append(
            f"coverage of {name} off by {100 * worst:.1f} points on the median table, "
            f"at its worst level ({points[name].idxmax():.0%}); "
            f"bar {100 * MOST_OFF:.0f}: {met}"
        )
    return [*lines, ""]


# Class probabilities
# -------------------


def measure_classification(name, arguments):
    """Return scores on one table, and predictions with outcomes."""
    collected, curves = defaultdict(list), {}
    predictions, came_true = defaultdict(list), []
    for X, y, X_test, y_test in folds(name, arguments):
        for contestant, estimator in PROBABILITIES.items():
            fitted = clone(estimator).fit(X, y)
            predictions[contestant].append(fitted.predict_proba(X_test)[:, 1])
        came_true.append(y_test == fitted.classes_[1])
    came_true = np.concatenate(came_true)
    for contestant, of_folds in predictions.items():
        predicted = np.concatenate(of_folds)
        of_truth = np.where(came_true, predicted, 1 - predicted)
        with np.errstate(divide="ignore"):
            smallest = np.finfo(float).eps
            collected[contestant, "log loss"] = [-np.log(of_truth.clip(smallest))]
        collected[contestant, "Brier score"] = [(1 - of_truth) ** 2]
        collected[contestant, "calibration"] = [[calibration(predicted, came_true)]]
        curves[contestant] = predicted, came_true
    return as_rows(name, collected), curves


def calibration(predicted, came_true):
    """Return the expected calibration error, with bins of equal numbers of rows."""
    order = np.argsort(predicted, kind="stable")
    return sum(
        abs(np.sum(predicted[rows] - came_true[rows]))
        for rows in np.array_split(order, N_BINS)
    ) / len(predicted)


def calibration_curves(curves):
    """Return observed frequencies over all tables by bins of predicted probability."""
    columns = {}
    for contestant in curves[0]:
        predicted, came_true = map(
            np.concatenate, zip(*(curve[contestant] for curve in curves))
        )
        bins = np.minimum((predicted * N_BINS).astype(int), N_BINS - 1)
        columns[contestant] = pd.Series(came_true).groupby(bins).mean()
    frame = pd.DataFrame(columns)
    frame.index = [f"{i / N_BINS:.1f} to {(i + 1) / N_BINS:.1f}" for i in frame.index]
    return frame


def report_classification(results, curves):
    text = [
        paragraph(title, frame := pivot(results, measure), mean_ranks(frame), digits=4)
        for title, measure in (
            ("Log loss", "log loss"),
            ("Brier score", "Brier score"),
            (
                f"Expected calibration error, {N_BINS} bins of as many rows each",
                "calibration",
            ),
        )
    ]
    title = "Calibration curves: how often it came true, all tables together"
    return [*text, paragraph(title, calibration_curves(curves))]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--max-rows", type=int, default=1500)
    arguments = parser.parse_args()
    text = [
        f"{header(*PACKAGES)}, one thread",
        "",
        f"{arguments.folds} folds, tables of up to {arguments.max_rows} rows, means "
        "over the rows that were not fitted.",
        "",
        "Regression",
        "----------",
        LEGEND,
    ]
    regression, classification, curves = [], [], []
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")
        for name in REGRESSION:
            regression += measure_regression(name, arguments)
            print(f"{name}: done", flush=True)
        for name in CLASSIFICATION:
            rows, curve = measure_classification(name, arguments)
            classification += rows
            curves.append(curve)
            print(f"{name}: done", flush=True)
    text += report_regression(pd.DataFrame(regression))
    text += ["Classification", "--------------", ""]
    text += report_classification(pd.DataFrame(classification), curves)
    write("quality/calibration", text)


if __name__ == "__main__":
    main()
