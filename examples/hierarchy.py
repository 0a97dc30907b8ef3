"""
===================
A tree of two gates
===================

Jordan and Jacobs [1]_ taught a robot arm its forward dynamics: which acceleration of
the joints follows from their position, velocity and torque? They found that a tree of
gates with linear experts at its leaves does far better than one linear model. Here is
the same kind of problem, simulated anew from the equations of motion of a planar arm
with two links. The data are not theirs, and their arm had four joints, so that the
figures are not to be compared with the paper's, but the ranking is.

.. [1] M. I. Jordan and R. A. Jacobs (1994). Hierarchical mixtures of experts and the EM
   algorithm. Neural Computation 6(2), section 4.
"""

# %%
# The arm. Both links have mass 1 and length 1; the state is drawn at random.

import numpy as np
from sklearn.linear_model import Ridge
from sklearn.model_selection import train_test_split

from sklearn_moe import MixtureOfExpertsRegressor

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
# One linear model, four linear experts under one gate, and a tree: one gate above two
# more, each with two linear experts. The tree is a mixture whose experts are mixtures.

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
# What does the tree look like? The share of rows of each branch, and within it of each
# leaf.

print()
print("The tree:")
tree = models["tree of gates, 2 x 2 experts"]
for share, branch in zip(tree.expert_share_, tree.experts_):
    leaves = ", ".join(f"{leaf:.0%}" for leaf in branch.expert_share_)
    print(f"  a branch with {share:.0%} of the rows; its leaves have {leaves} of them")
