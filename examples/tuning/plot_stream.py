"""
================================
Online learning with partial_fit
================================

Rows that arrive day after day, or that fit on a disk but not in memory, can be learnt
batch by batch. `partial_fit` is online EM [1]_: each batch is predicted with the
current mixture, learnt, and not kept. If the data change over time, old batches have to
be forgotten.

.. [1] O. Cappé and E. Moulines (2009). On-line expectation-maximization algorithm for
   latent data models. Journal of the Royal Statistical Society B 71(3), 593-613.
"""

# %%
# Every day 5,000 homes all over a continent report their power and the temperature
# outside. When it is cold they heat; when it is hot they cool. From the 80th day on
# they are insulated, and get heat pumps. Forty days later they heat below 10 degrees
# instead of 18, and with less power. The readings are simulated by a generator, so that
# there is never more than one day in memory.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import SGDRegressor

from sklearn_moe import MixtureOfExpertsRegressor, SoftmaxGate

N_DAYS, N_HOMES = 200, 5_000
CHANGE = 80, 120


def power(temperature, day):
    """Return the mean power of a home, in kW."""
    limit = np.interp(day, CHANGE, [18, 10])
    cold, hot = np.maximum(limit - temperature, 0), np.maximum(temperature - 22, 0)
    return 0.5 + np.interp(day, CHANGE, [0.25, 0.15]) * cold + 0.35 * hot


def days(seed=0):
    """Yield temperatures and power, day by day."""
    rng = np.random.default_rng(seed)
    for day in range(N_DAYS):
        temperature = rng.normal(16, 10, N_HOMES)
        noise = 0.3 * rng.normal(size=N_HOMES)
        yield temperature, power(temperature, day) + noise


def features(temperature):
    """Return the difference from 16 degrees, scaled for stochastic gradients."""
    return (np.asarray(temperature).reshape(-1, 1) - 16) / 10


# %%
# Two mixtures of three experts learn every day. One remembers: for noise and gate all
# days have the same weight (``learning_decay=1``), and the steps of its experts
# decrease, as is the default of stochastic gradient descent. The other forgets: its
# experts take steps of constant size, and for noise and gate the weight of a reading is
# halved after four days. A third mixture learns only the first day. The gates are
# penalised less than by default, since the borders are sharp.


def mixture(steps, **schedule):
    """Return a mixture of three experts that learn by stochastic gradients."""
    return MixtureOfExpertsRegressor(
        SGDRegressor(**steps),
        n_experts=3,
        gate=SoftmaxGate(alpha=1e-4),
        sharing=0.01,
        random_state=0,
        **schedule,
    )


mixtures = {
    "left alone": mixture({}),
    "remembers": mixture({}, learning_decay=1),
    "forgets": mixture(
        {"learning_rate": "constant", "eta0": 0.02}, half_life=4 * N_HOMES
    ),
}

# %%
# Each day is predicted before it is learnt, so that all errors are for readings that
# the mixture has not seen.

errors = {name: [] for name in mixtures}
grid, snapshots = np.linspace(-15, 40, 200), {}
for day, (temperature, reading) in enumerate(days()):
    X = features(temperature)
    for name, moe in mixtures.items():
        if day > 0:
            errors[name].append(np.sqrt(np.mean((reading - moe.predict(X)) ** 2)))
        if day == 0 or name != "left alone":
            moe.partial_fit(X, reading)
    if day + 1 in (CHANGE[0], N_DAYS):
        now = features(grid)
        moe = mixtures["forgets"]
        snapshots[day] = moe.transform(now), moe.predict_gate(now)

print(
    f"{N_DAYS * N_HOMES:,} readings. Root mean squared error; the noise alone is 0.30"
)
print("             days 2-80  81-120  121-200")
for name, path in errors.items():
    means = [np.mean(part) for part in np.split(path, [79, 119])]
    print(f"{name:<12}" + "".join(f"{mean:>9.2f}" for mean in means))

# %%
# The plot on the left shows the errors of each day; those of the mixture that was left
# alone exceed the limits of the plot. The plot on the right shows the predictions of
# the experts of the mixture that forgets, before and after the change, with lines that
# are darker where the expert is trusted more. The expert of cold homes has another rule
# and is trusted for fewer homes, while the others have kept their rules.

figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4.2), layout="constrained")
left.axvspan(*CHANGE, color="0.93")
left.annotate("heat pumps are installed", (100, 0.287), ha="center")
for (name, path), colour in zip(errors.items(), ["0.7", "#CC79A7", "black"]):
    left.plot(np.arange(2, N_DAYS + 1), path, color=colour, lw=1.5, label=name)
left.axhline(0.3, color="black", lw=1, linestyle=":")
left.annotate("noise", (200, 0.298), ha="right", va="top")
left.set(
    title="Error of each day, before it is learnt",
    xlabel="day",
    ylabel="root mean squared error [kW]",
    ylim=(0.28, 0.45),
)
left.legend(loc="upper left", frameon=False)

for day, (lines, trust) in snapshots.items():
    right.plot(grid, power(grid, day), color="black", lw=0.8, linestyle="--")
    for line, weight, colour in zip(
        lines.T, trust.T, ["#0072B2", "#D55E00", "#009E73"]
    ):
        right.scatter(grid, line, s=12, color=colour, alpha=weight, linewidths=0)
    right.annotate(f"day {day + 1}", (-16, power(-15, day)), ha="right", va="center")
right.set(
    title="The experts of the mixture that forgets (dashed: the truth)",
    xlabel="temperature [°C]",
    ylabel="power [kW]",
    xlim=(-23, 41),
    ylim=(-0.3, 9),
)
for ax in (left, right):
    ax.spines[["top", "right"]].set_visible(False)
plt.show()
