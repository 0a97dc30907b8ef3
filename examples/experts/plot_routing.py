"""
=============================
Soft, hard and switch routing
=============================

Which rows train which expert? With *soft* assignment each row trains every expert,
weighted by its responsibility. With *hard* assignment a row trains one expert only, and
with a *capacity* an expert takes a limited number of rows, as in the Switch Transformer
[1]_. In this example homes on a map, most of them in one town, are divided among linear
experts that predict their price.

.. [1] W. Fedus, B. Zoph and N. Shazeer (2021). Switch transformers: scaling to trillion
   parameter models with simple and efficient sparsity. JMLR 23, section 2.2.
"""

# %%
# Simulate the homes. Seven of ten are in the town in the south-west, where the price
# falls quickly with the distance from the centre. Elsewhere it rises slowly towards the
# east.

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap

from sklearn_moe import MixtureOfExpertsRegressor


def homes(n_homes, seed):
    """Return places on a map of 2 by 2, and prices."""
    rng = np.random.default_rng(seed)
    in_town = rng.random((n_homes, 1)) < 0.7
    town = rng.normal(-0.5, 0.2, (n_homes, 2))
    places = np.where(in_town, town, rng.uniform(-1, 1, (n_homes, 2))).clip(-1, 1)
    distance = np.hypot(*(places + 0.5).T)
    price = 1.5 * np.exp(-((distance / 0.35) ** 2)) + places[:, 0]
    return places, price + 0.1 * rng.normal(size=n_homes)


X, y = homes(1500, seed=0)
X_test, y_test = homes(1500, seed=1)

# %%
# Four linear experts are fitted with four kinds of routing. With a capacity factor of
# 1.25 an expert takes at most 1.25 / 4 = 31 % of the homes. A home in excess of the
# capacity is dropped from this iteration, or rerouted to the next best expert that has
# room.

routings = {
    "soft": {},
    "hard": {"assignment": "hard"},
    "switch, drop": {"assignment": "hard", "capacity_factor": 1.25},
    "switch, reroute": {
        "assignment": "hard",
        "capacity_factor": 1.25,
        "overflow": "reroute",
    },
}
mixtures = {
    name: MixtureOfExpertsRegressor(n_experts=4, random_state=0, **params).fit(X, y)
    for name, params in routings.items()
}

# %%
# The maps show which expert is trusted most, and the fraction of the homes that each
# expert was trained on. Experts are sorted by their share. Without a capacity one of
# them has most of the town; with a capacity, two or three have to divide it.

COLOURS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7"]
edges = np.linspace(-1, 1, 201)
middles = (edges[:-1] + edges[1:]) / 2
grid = np.stack(np.meshgrid(middles, middles), axis=-1).reshape(-1, 2)

figure, axes = plt.subplots(
    1, 4, figsize=(12, 3.6), sharex=True, sharey=True, layout="constrained"
)
for ax, (name, mixture) in zip(axes, mixtures.items()):
    owner = mixture.apply(grid)
    ax.pcolormesh(
        edges,
        edges,
        owner.reshape(200, 200),
        cmap=ListedColormap(COLOURS),
        alpha=0.5,
        vmin=0,
        vmax=3,
    )
    for k in np.unique(owner):
        ax.annotate(
            f"{mixture.expert_load_[k]:.0%}",
            grid[owner == k].mean(axis=0),
            ha="center",
            va="center",
            bbox={"boxstyle": "round", "fc": "white", "ec": COLOURS[k], "lw": 1.5},
        )
    ax.scatter(*X.T, s=3, c="black", alpha=0.2, linewidths=0)
    ax.set(
        title=f"{name}\nR2 on new homes {mixture.score(X_test, y_test):.2f}",
        aspect="equal",
        xticks=[],
        yticks=[],
    )
plt.show()

# %%
# How evenly are the homes divided, and how many are dropped? Many homes are dropped at
# first, and few once the experts have divided the town. With rerouting none is dropped,
# as long as the factor is at least 1.

figure, (left, right) = plt.subplots(1, 2, figsize=(12, 3.6), layout="constrained")
for k, colour in enumerate(COLOURS):
    loads = [mixture.expert_load_[k] for mixture in mixtures.values()]
    left.bar(np.arange(4) + 0.2 * (k - 1.5), loads, 0.18, color=colour)
left.axhline(1.25 / 4, color="black", linestyle="--", linewidth=1)
left.text(3.45, 1.25 / 4 + 0.01, "capacity", ha="right")
left.set(
    xticks=np.arange(4),
    xticklabels=routings,
    ylabel="fraction of the homes",
    title="Load of each expert",
)

for factor, style in [(1.0, "-"), (1.25, "--"), (1.5, ":")]:
    mixture = MixtureOfExpertsRegressor(
        n_experts=4, assignment="hard", capacity_factor=factor, random_state=0
    ).fit(X, y)
    overflow = mixture.overflow_fraction_
    iterations = np.arange(1, mixture.n_iter_ + 1)
    right.plot(iterations, overflow, style, color="black", label=f"{factor:g}")
right.legend(title="capacity factor", frameon=False)
right.set(
    xlabel="EM iteration",
    ylabel="fraction of the homes",
    title="Overflow: homes that train no expert",
    ylim=(0, None),
)
for ax in (left, right):
    ax.spines[["top", "right"]].set_visible(False)
plt.show()

# %%
# Here the capacity improves the score, since the price is most curved where there are
# most homes. If one rule held for all homes of the town, there would be nothing to
# divide, and a capacity would lower the score.
