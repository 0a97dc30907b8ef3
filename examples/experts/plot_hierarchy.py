"""
===============================
Hierarchical mixture of experts
===============================

Jordan and Jacobs [1]_ learnt the forward dynamics of a robot arm: which acceleration of
the joints follows from their position, velocity and torque? They found that a tree of
gates with linear experts at its leaves is far better than one linear model. This
example is a problem of the same kind, simulated from the equations of motion of a
planar arm with two links. The data are not those of the paper, whose arm had four
joints, so that the errors cannot be compared with the paper's, but the ranking of the
models can.

.. [1] M. I. Jordan and R. A. Jacobs (1994). Hierarchical mixtures of experts and the EM
   algorithm. Neural Computation 6(2), section 4.
"""

# %%
# Simulate the arm. Both links have mass 1 and length 1; the states are random.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import Ridge
from sklearn.model_selection import train_test_split

from sklearn_moe import MixtureOfExpertsRegressor
from sklearn_moe.inspection import gate_importance

rng = np.random.default_rng(0)
n_states = 4000
angle, velocity = (
    rng.uniform(-np.pi, np.pi, (2, n_states)),
    rng.normal(size=(2, n_states)),
)
torque = 5 * rng.normal(size=(2, n_states))

inertia = np.empty((n_states, 2, 2))
inertia[:, 0, 0] = 3 + 2 * np.cos(angle[1])
inertia[:, 0, 1] = inertia[:, 1, 0] = 1 + np.cos(angle[1])
inertia[:, 1, 1] = 1
drag = np.sin(angle[1])
coriolis = np.stack(
    [
        -drag * (2 * velocity[0] * velocity[1] + velocity[1] ** 2),
        drag * velocity[0] ** 2,
    ]
)
acceleration = np.linalg.solve(inertia, (torque - coriolis).T[:, :, np.newaxis])[
    :, :, 0
]

X = np.column_stack([*np.sin(angle), *np.cos(angle), *velocity, *torque])
X_train, X_test, y_train, y_test = train_test_split(X, acceleration, random_state=0)

# %%
# Compare one linear model, four linear experts with one gate, and a tree: one gate
# above two more, each with two linear experts. The tree is a mixture whose experts are
# mixtures.

models = {
    "linear regression": Ridge(),
    "one gate, 4 experts": MixtureOfExpertsRegressor(
        Ridge(), n_experts=4, random_state=0
    ),
    "tree of gates, 2 x 2 experts": MixtureOfExpertsRegressor(
        MixtureOfExpertsRegressor(Ridge(), n_experts=2), n_experts=2, random_state=0
    ),
}
print("Acceleration of a robot arm: squared error on new states, relative to the mean")
for name, model in models.items():
    error = 1 - model.fit(X_train, y_train).score(X_test, y_test)
    print(f"  {name:<29} {error:.2f}")

# %%
# What does the tree look like? The output shows the share of rows of each branch, and
# of each leaf within its branch.

print()
print("The tree:")
tree = models["tree of gates, 2 x 2 experts"]
for share, branch in zip(tree.expert_share_, tree.experts_):
    leaves = ", ".join(f"{leaf:.0%}" for leaf in branch.expert_share_)
    print(f"  a branch with {share:.0%} of the rows; its leaves have {leaves} of them")

# %%
# Which of the eight features decide which branch is trusted? Each feature is shuffled,
# to measure how much of the gate's weight moves. The upper gate, which chooses the
# branch, depends most on how far the elbow is bent, and less than half as much on the
# torque on it.

FEATURES = [
    f"{quantity} {joint}"
    for quantity in ("sin", "cos", "velocity", "torque")
    for joint in ("shoulder", "elbow")
]
print()
print("Fraction of the upper gate's weight that moves when a feature is shuffled:")
importance = gate_importance(tree, X_test, random_state=0).importances_mean
for j in np.argsort(-importance)[:3]:
    print(f"  {FEATURES[j]:<15} {importance[j]:.2f}")
bend, torque = (FEATURES.index(f"{name} elbow") for name in ("cos", "torque"))
assert importance.argmax() == bend
assert importance[torque] < importance[bend] / 2

# %%
# This agrees with physics: the inertia of the arm depends on the bend of the elbow
# only. Therefore the tree can be plotted against the angle of the elbow. The plot on
# the left shows the weight of each leaf: the product of the weights of its branch and
# within the branch (mean of the new states in steps of 12 degrees). The plot on the
# right shows by how much a torque accelerates the elbow. Each leaf has one coefficient
# for that; their mean, weighted by the gates, follows the law of motion, which the
# model was not told.

LEAVES = [("#0072B2", ""), ("#56B4E9", "//"), ("#D55E00", ""), ("#E69F00", "\\\\")]

by_branch = tree.predict_gate(X_test)[:, :, np.newaxis]
within = np.stack([branch.predict_gate(X_test) for branch in tree.experts_], axis=1)
weights = (by_branch * within).reshape(len(X_test), 4)

elbow = np.degrees(np.arctan2(X_test[:, 1], X_test[:, 3]))
edges = np.linspace(-180, 180, 31)
middles = (edges[:-1] + edges[1:]) / 2
step = np.digitize(elbow, edges) - 1
profile = np.array([weights[step == i].mean(axis=0) for i in range(len(middles))])

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
names = [f"branch {i}, leaf {j}" for i in range(2) for j in range(2)]
areas = left.stackplot(middles, profile.T, labels=names, edgecolor="white", lw=0.5)
for area, (colour, hatch) in zip(areas, LEAVES):
    area.set(facecolor=colour, hatch=hatch)
left.set(title="Weights of the leaves", ylabel="weight", ylim=(0, 1))
left.legend(loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=2, frameon=False)

# The last feature is the torque on the elbow, the last target its acceleration.
slopes = np.array([leaf.coef_[-1, -1] for b in tree.experts_ for leaf in b.experts_])
for slope, name, (colour, _) in zip(slopes, names, LEAVES):
    right.axhline(slope, color=colour, lw=1, linestyle="--")
    right.annotate(name, (178, slope), va="center", annotation_clip=False)
angles = np.linspace(-174, 174, 349)
cosine = np.cos(np.radians(angles))
law = (3 + 2 * cosine) / (2 - cosine**2)
right.plot(angles, law, color="0.6", lw=4, label="law of motion")
right.plot(middles, profile @ slopes, color="black", marker="o", ms=3, label="tree")
right.set(
    title="Effect of a torque on the elbow",
    ylabel="acceleration for a torque of 1",
    ylim=(0, None),
)
right.legend(loc="upper left", frameon=False)
for ax in (left, right):
    ax.set(
        xlabel="angle of the elbow [degrees], 0 is stretched",
        xlim=(-174, 174),
        xticks=np.arange(-120, 121, 60),
    )
    ax.spines[["top", "right"]].set_visible(False)
plt.show()
