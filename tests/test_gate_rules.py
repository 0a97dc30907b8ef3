"""Rules for where each expert is trusted, on gates of which they are known."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn.compose import make_column_transformer
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from sklearn_moe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor
from sklearn_moe.inspection import gate_rules
from sklearn_moe.inspection.rules import rules_of

RNG = np.random.default_rng(0)
N = 300
FRAME = pd.DataFrame(
    {
        "age": RNG.integers(1, 90, N),
        "town": RNG.choice(["Bern", "Oslo", "Rome"], N),
        "open": RNG.uniform(size=N) < 0.5,
        "since": pd.Timestamp("2020-01-01")
        + pd.to_timedelta(RNG.integers(0, 900, N), "D"),
    }
)
NAMES = ["careful", "daring"]


def rules_for(chosen, frame=FRAME, names=NAMES, weights=None, **params):
    """Rules for a gate that is sure of the experts with these numbers."""
    chosen = np.asarray(chosen, dtype=int)
    gate_weights = np.where(chosen[:, np.newaxis] == np.arange(len(names)), 0.9, 0)
    gate_weights[gate_weights == 0] = 0.1 / (len(names) - 1)
    weights = np.ones(len(chosen)) if weights is None else weights
    return rules_of(frame, weights, gate_weights, chosen, names, **params)


def mixture(**params):
    params = {"n_experts": 2, "tol": 1e-3, "random_state": 0, **params}
    return MixtureOfExpertsRegressor(**params)


# Words


@pytest.mark.parametrize(
    ("chosen", "conditions"),
    [
        (FRAME["age"] > 40, {"age > 40", "age <= 40"}),
        (FRAME["town"] == "Oslo", {"town is Oslo", "town is not Oslo"}),
        (FRAME["open"], {"open is True", "open is False"}),
        (FRAME["since"] > "2021-03-01", {"since > 2021-03", "since <= 2021-03"}),
        (FRAME["age"] > 0, {"everywhere"}),
    ],
)
def test_a_rule_names_columns_and_values(chosen, conditions):
    rules = rules_for(chosen)
    assert len(rules.conditions) == len(conditions)
    for condition, expected in zip(sorted(rules.conditions), sorted(conditions)):
        assert condition.startswith(expected)
    assert rules.fidelity > 0.98


def test_conditions_on_one_column_are_one():
    rules = rules_for((FRAME["age"] > 20) & (FRAME["age"] <= 60))
    assert "20 < age <= 60" in rules.conditions
    assert rules.of("daring") == "20 < age <= 60"
    assert rules.of("careful").count(";") == 1


def test_conditions_on_several_columns_hold_together():
    rules = rules_for((FRAME["age"] <= 40) & (FRAME["town"] == "Rome"))
    first, second = sorted(rules.of("daring").split(" and "))
    assert (first, second) == ("age <= 40", "town is Rome")


def test_a_category_that_is_none_of_several_is_told_so():
    frame = pd.DataFrame({"town": RNG.choice(["Bern", "Kyiv", "Oslo", "Rome"], N)})
    regimes = frame["town"].map({"Bern": 0, "Kyiv": 1, "Oslo": 2, "Rome": 2})
    rules = rules_for(regimes, frame, names=["a", "b", "c"])
    assert rules.of("c") in {"town is not Bern or Kyiv", "town is not Kyiv or Bern"}


def test_the_only_category_that_is_left_is_named():
    towns = FRAME["town"].map({"Bern": 0, "Oslo": 1, "Rome": 2})
    rules = rules_for(towns, FRAME[["town"]], names=["a", "b", "c"])
    assert sorted(rules.conditions) == ["town is Bern", "town is Oslo", "town is Rome"]
    # The third town has no rows that count.
    weights = np.where(FRAME["town"] == "Rome", 0, 1)
    rules = rules_for(FRAME["town"] == "Oslo", FRAME[["town"]], weights=weights)
    assert sorted(rules.conditions) == ["town is Bern", "town is Oslo"]


def test_words_do_not_depend_on_which_of_equal_splits_the_tree_draws():
    towns = FRAME["town"].map({"Bern": 0, "Oslo": 1, "Rome": 2}).to_numpy()
    gate_weights, names = np.eye(3)[towns], ["a", "b", "c"]
    texts = {
        rules_of(FRAME, np.ones(N), gate_weights, towns, names, random_state=seed).of(k)
        for seed in range(10)
        for k in names
    }
    assert texts == {"town is Bern", "town is Oslo", "town is Rome"}


def test_where_missing_values_go_is_told():
    ages = FRAME["age"].astype(float).mask(FRAME["age"] % 3 == 0)
    rules = rules_for((ages > 40) | ages.isna(), FRAME[["town"]].assign(age=ages))
    assert rules.of("daring") == "(age > 40 or missing)"


def test_a_bound_is_the_shortest_number_that_parts_the_rows():
    values = np.repeat([0.137, 0.2512, 14, 28], 20)[:, np.newaxis]
    assert rules_for(values[:, 0] > 20, values).of("daring") == "x0 > 20"
    assert rules_for(values[:, 0] > 0.2, values).of("daring") == "x0 > 0.2"


def test_each_row_is_in_the_rule_that_says_so():
    values = RNG.normal(size=(N, 2)) * [1e-3, 1e6]
    chosen = values[:, 0] > 0.4e-3
    rules = rules_for(chosen, values)
    frame = pd.DataFrame(values, columns=["x0", "x1"])
    for condition, rows in zip(rules.conditions, rules.rows):
        np.testing.assert_allclose(frame.eval(condition).mean(), rows)


# Numbers


def test_trust_and_rows_are_those_of_the_leaves():
    rules = rules_for(FRAME["age"] > 40)
    np.testing.assert_allclose(rules.weights, 0.9)
    expected = np.mean(FRAME["age"] > 40)
    np.testing.assert_allclose(sorted(rules.rows), sorted([expected, 1 - expected]))
    assert rules.rows[0] >= rules.rows[1]


def test_a_weight_counts_as_rows_and_zero_as_none():
    weights = np.where(FRAME["age"] > 40, 3.0, 1.0)
    weights[FRAME["town"] == "Oslo"] = 0
    rules = rules_for(FRAME["age"] > 40, weights=weights)
    expected = np.average(FRAME["age"] > 40, weights=weights)
    np.testing.assert_allclose(rules.rows[rules.conditions.index("age > 40")], expected)
    same = rules_for(
        (FRAME["age"] > 40)[FRAME["town"] != "Oslo"],
        FRAME[FRAME["town"] != "Oslo"],
        weights=weights[FRAME["town"] != "Oslo"],
    )
    assert repr(same) == repr(rules)


def test_the_fidelity_is_one_of_rows_held_out():
    # A gate that no tree can learn.
    noise = RNG.uniform(size=N) < 0.5
    rules = rules_for(noise)
    assert rules.held_out
    assert rules.fidelity < 0.65
    few = rules_for(noise[:40], FRAME[:40])
    assert not few.held_out
    assert "of the rows they were fitted to" in repr(few)


def test_there_are_no_more_rules_than_asked_for():
    chosen = (FRAME["age"] // 10) % 2
    assert len(rules_for(chosen, max_rules=20).conditions) == 9
    assert len(rules_for(chosen, max_rules=4).conditions) <= 4
    assert rules_for(chosen, max_rules=1).conditions == ["everywhere"]


# Of a mixture


@pytest.fixture(scope="module")
def two_regimes():
    y = np.where(FRAME["age"] <= 40, 300, FRAME["age"]) + RNG.normal(size=N)
    return FRAME[["age", "town"]], y


def test_the_rules_of_a_mixture_find_its_regimes(two_regimes):
    frame, y = two_regimes
    line = make_pipeline(make_column_transformer(("passthrough", ["age"])), Ridge())
    moe = mixture(experts=line).fit(frame, y)
    rules = gate_rules(moe, frame)
    assert sorted(rules.conditions) == ["age <= 40", "age > 40"]
    chosen = moe.apply(frame)
    for condition, expert in zip(rules.conditions, rules.experts):
        k = list(moe.named_experts_).index(expert)
        assert np.mean(chosen[frame.eval(condition)] == k) > 0.95
    text = repr(rules)
    assert text.splitlines()[-1].startswith("The rules agree with the gate in ")
    assert text.startswith(f"{rules.conditions[0]}: {rules.experts[0]} (weight ")


def test_they_are_about_the_users_columns_in_front_of_a_pipeline(two_regimes):
    frame, y = two_regimes
    front = make_column_transformer(
        (OneHotEncoder(), ["town"]), (StandardScaler(), ["age"])
    )
    pipe = make_pipeline(front, mixture(experts=LinearRegression()))
    search = GridSearchCV(pipe, {"mixtureofexpertsregressor__n_experts": [2]}, cv=2)
    for model in (pipe.fit(frame, y), search.fit(frame, y)):
        assert sorted(gate_rules(model, frame).conditions) == ["age <= 40", "age > 40"]


@pytest.mark.parametrize("gate", [None, DecisionTreeClassifier(max_depth=2)])
def test_any_gate_can_be_put_into_rules(two_regimes, gate):
    frame, y = two_regimes
    rows = frame[["age"]].to_numpy(dtype=float)
    rules = gate_rules(mixture(gate=gate).fit(rows, y), rows)
    assert sorted(rules.conditions) == ["x0 <= 40", "x0 > 40"]


@pytest.mark.parametrize(
    "to", [pl.DataFrame, lambda f: f.astype({"town": "category"}), pd.DataFrame.copy]
)
def test_rows_of_any_kind_have_the_same_rules(two_regimes, to):
    frame, y = two_regimes
    line = make_pipeline(make_column_transformer(("passthrough", ["age"])), Ridge())
    moe = mixture(experts=line).fit(to(frame), y)
    assert sorted(gate_rules(moe, to(frame)).conditions) == ["age <= 40", "age > 40"]


def test_lists_and_sparse_rows_have_rules():
    rows = np.round(RNG.normal(size=(60, 2)), 2)
    labels = rows[:, 0] * rows[:, 1] > 0
    moe = MixtureOfExpertsClassifier(n_experts=2, random_state=0).fit(rows, labels)
    expected = repr(gate_rules(moe, rows))
    assert repr(gate_rules(moe, rows.tolist())) == expected
    assert repr(gate_rules(moe, sparse.csr_array(rows))) == expected


def test_one_expert_is_trusted_everywhere(two_regimes):
    rows, y = two_regimes[0][["age"]], two_regimes[1]
    rules = gate_rules(mixture(n_experts=1).fit(rows, y), rows)
    assert rules.conditions == ["everywhere"]
    assert rules.fidelity == 1


def test_what_cannot_be_put_into_rules_is_refused(two_regimes):
    rows, y = two_regimes[0][["age"]], two_regimes[1]
    with pytest.raises(TypeError, match="needs a mixture of experts"):
        gate_rules(Ridge().fit(rows, y), rows)
    with pytest.raises(NotFittedError):
        gate_rules(mixture(), rows)
    with pytest.raises(ValueError, match="'max_rules' must be a positive integer; got"):
        gate_rules(mixture().fit(rows, y), rows, max_rules=0)
