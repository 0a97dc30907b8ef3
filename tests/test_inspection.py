"""What a fitted mixture tells of its experts, its gate and its worth."""

import sys

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.stats import t
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.metrics import r2_score
from sklearn.model_selection import KFold, ShuffleSplit, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from sklearn_moe import (
    GaussianGate,
    HeteroscedasticGaussian,
    MixtureOfExpertsClassifier,
    MixtureOfExpertsRegressor,
    SoftmaxGate,
)
from sklearn_moe.inspection import (
    describe,
    diagnose,
    gate_importance,
    gate_rules,
    summary,
)
from sklearn_moe.inspection.diagnosis import _worth, compare
from sklearn_moe.model_selection import log_likelihood_scorer

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

rng = np.random.default_rng(0)
X = rng.uniform(-3, 3, (240, 3))
Y = np.where(X[:, 0] > 0, 1 + X[:, 1], -1 - X[:, 1]) + 0.1 * rng.standard_normal(240)
LABELS = np.where((X[:, 0] > 0) == (X[:, 1] > 0), "yes", "no")
WEIGHTS = rng.integers(0, 3, 240).astype(float)


@pytest.fixture(scope="module")
def regressor():
    return MixtureOfExpertsRegressor(
        n_experts=2, gate=SoftmaxGate(1e-3), random_state=0
    ).fit(X, Y)


@pytest.fixture(scope="module")
def classifier():
    return MixtureOfExpertsClassifier(n_experts=2, random_state=0).fit(X, LABELS)


# A table of the experts
# ----------------------


def test_each_expert_is_described_by_what_it_is_and_what_it_has(regressor):
    table = describe(regressor, X, Y)
    assert list(table.index) == ["expert0", "expert1"]
    assert (table["estimator"] == "Ridge").all()
    np.testing.assert_allclose(
        table["gate_weight"], regressor.predict_gate(X).mean(axis=0)
    )
    np.testing.assert_allclose(table["rows"], np.bincount(regressor.apply(X)) / len(X))
    np.testing.assert_allclose(table["scale"], regressor.noise_.scale_)


def test_the_score_of_an_expert_is_that_on_its_own_rows(regressor):
    own = regressor.apply(X) == 1
    table = describe(regressor, X, Y, WEIGHTS).loc["expert1"]
    predicted = regressor.experts_[1].predict(X)
    for name, rows in (("score", own), ("score_elsewhere", ~own)):
        expected = r2_score(Y[rows], predicted[rows], sample_weight=WEIGHTS[rows])
        assert table[name] == pytest.approx(expected)


def test_the_score_of_a_classifier_is_accuracy(classifier):
    own = classifier.apply(X) == 0
    expected = np.mean(classifier.experts_[0].predict(X[own]) == LABELS[own])
    assert describe(classifier, X, LABELS).loc["expert0", "score"] == expected


@pytest.mark.filterwarnings("ignore:.*were retired")
def test_an_expert_without_rows_has_no_score():
    experts = [("left", Ridge()), ("none", Ridge())]
    gate = DecisionTreeClassifier().fit(X[:, :1], np.zeros(240, dtype=int))
    mixture = MixtureOfExpertsRegressor(
        experts, gate=FrozenEstimator(gate), sharing=0.5
    )
    mixture.fit(X[:, :1], Y)
    table = describe(mixture, X[:, :1], Y)
    assert np.isnan(table.loc["none", "score"])
    assert table.loc["none", "rows"] == 0
    assert np.isnan(table.loc["left", "score_elsewhere"])


def test_rows_are_told_apart_by_the_columns_that_differ(regressor):
    told = describe(regressor, X, Y)["trusted_where"]
    assert {text.split()[0] for text in told} == {"x0"}
    assert {text.split()[1][0] for text in told} == {"+", "-"}
    weights = regressor.predict_gate(X)
    difference = np.average(X[:, 0], weights=weights[:, 0]) - X[:, 0].mean()
    assert f"x0 {difference / X[:, 0].std():+.1f}" in told.iloc[0]


def test_columns_of_frames_go_by_their_names_and_categories():
    side = np.where(X[:, 0] > 0, "right", "left")
    frame = pd.DataFrame({"height": X[:, 1], "side": side})
    frame.loc[0, "height"] = np.nan
    expert = make_pipeline(
        StandardScaler().set_output(transform="default"), LinearRegression()
    )
    mixture = MixtureOfExpertsRegressor(
        [("a", clone(expert)), ("b", clone(expert))],
        init=(X[:, 0] > 0).astype(int),
        random_state=0,
    )
    mixture.set_params(
        a=make_pipeline(_Column("height"), expert),
        b=make_pipeline(_Column("height"), expert),
    )
    told = describe(mixture.fit(frame, Y), frame, Y)["trusted_where"]
    assert "side_right -" in told["a"]
    assert "side_left +" in told["a"]
    assert "side_right +" in told["b"]


class _Column(StandardScaler):
    """One column of a frame as numbers, missing ones as the mean."""

    def __init__(self, name):
        super().__init__()
        self.name = name

    def fit(self, X, y=None):
        return super().fit(X[[self.name]])

    def transform(self, X):
        return np.nan_to_num(super().transform(X[[self.name]]))


def test_sparse_rows_are_described_as_dense_ones():
    rows = np.where(np.abs(X) > 1, X, 0)
    dense = MixtureOfExpertsRegressor(n_experts=2, random_state=0).fit(rows, Y)
    expected = describe(dense, rows, Y)
    pd.testing.assert_frame_equal(describe(dense, sparse.csr_matrix(rows), Y), expected)


def test_noise_of_several_outputs_has_a_column_for_each():
    two = np.column_stack([Y, -Y])
    mixture = MixtureOfExpertsRegressor(n_experts=2, random_state=0).fit(X, two)
    table = describe(mixture, X, two)
    np.testing.assert_allclose(table[["scale0", "scale1"]], mixture.noise_.scale_)


def test_noise_that_an_estimator_predicts_has_no_column():
    mixture = MixtureOfExpertsRegressor(
        n_experts=2, noise=HeteroscedasticGaussian(), random_state=0
    ).fit(X, Y)
    assert "scale_estimators" not in describe(mixture, X, Y)


def test_a_description_needs_pandas(regressor, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="describe requires pandas"):
        describe(regressor, X, Y)


@pytest.mark.parametrize("inspect", [describe, diagnose, gate_importance, summary])
def test_a_mixture_that_is_not_fitted_has_nothing_to_tell(inspect):
    with pytest.raises(NotFittedError):
        inspect(MixtureOfExpertsRegressor(), X, Y)


@pytest.mark.parametrize("inspect", [describe, diagnose, gate_importance, summary])
def test_what_is_no_mixture_is_refused(inspect):
    name = inspect.__name__
    with pytest.raises(TypeError, match=rf"{name} needs a mixture of experts; got Ri"):
        inspect(Ridge().fit(X, Y), X, Y)


@pytest.mark.parametrize("inspect", [describe, diagnose])
def test_targets_of_another_number_are_refused(inspect, regressor):
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples: \[240, 9"):
        inspect(regressor, X, Y[:9])


@pytest.mark.parametrize("name", ["regressor", "classifier"])
def test_the_html_of_a_fitted_mixture_tells_the_share_of_each_expert(name, request):
    mixture = request.getfixturevalue(name)
    html = mixture._repr_html_()
    noise = f", scale {mixture.noise_.scale_[0]:.3g}" if name == "regressor" else ""
    share = mixture.expert_share_[0]
    assert f"expert0: {share:.0%} of the rows{noise}<" in html
    assert "% of the rows" not in clone(mixture)._repr_html_()


# Whether it was worth it
# -----------------------


def test_a_mixture_is_compared_with_its_expert_on_the_same_folds(regressor):
    cv = KFold(4, shuffle=True, random_state=1)
    found = diagnose(regressor, X, Y, cv=cv)
    np.testing.assert_allclose(found.scores, cross_val_score(regressor, X, Y, cv=cv))
    assert found.baseline == "Ridge"
    np.testing.assert_allclose(
        found.baseline_scores["Ridge"], cross_val_score(Ridge(tol=1e-8), X, Y, cv=cv)
    )
    assert found.gain == np.mean(found.scores - found.baseline_scores["Ridge"])


def test_the_standard_error_allows_for_rows_in_common(regressor):
    cv = ShuffleSplit(6, test_size=0.25, random_state=0)
    found = diagnose(regressor, X, Y, cv=cv)
    gain = found.scores - found.baseline_scores["Ridge"]
    # Nadeau and Bengio (2003), equation 6.
    expected = np.sqrt((1 / 6 + 0.25 / 0.75) * gain.var(ddof=1))
    assert found.gain_std_error == pytest.approx(expected)


@pytest.mark.filterwarnings("ignore:.*were retired")
def test_the_best_of_unlike_experts_is_the_rival():
    experts = [("flat", Ridge(1e6)), ("line", Ridge())]
    mixture = MixtureOfExpertsRegressor(experts, random_state=0).fit(X, X[:, 0])
    found = diagnose(mixture, X, X[:, 0])
    assert set(found.baseline_scores) == {"flat", "line"}
    assert found.baseline == "line"


def verdict_of(gains, ratio=0.25):
    """What is said of a mixture that has these gains over an expert in the folds."""
    gains = np.asarray(gains, float)
    return compare(gains, {"line": np.zeros(len(gains))}, ratio)


def test_the_test_of_the_gain_is_that_of_nadeau_and_bengio():
    gains = np.array([0.03, 0.05, 0.01, 0.04, 0.02])
    found = verdict_of(gains)
    statistic = gains.mean() / np.sqrt((1 / 5 + 1 / 4) * gains.var(ddof=1))
    assert found.p_value == pytest.approx(2 * t.sf(statistic, df=4))
    assert found.outcome == "better"


@pytest.mark.parametrize("scale", [1, 100])
@pytest.mark.parametrize(
    "gains",
    [
        [0.03, 0.05, 0.01, 0.04, 0.02],
        [0.03, 0.05, -0.02, 0.04, 0.02],
        [0.05, 0.06, 0.04, 0.05, -0.25],
        [0.01, 0.01, 0.01, 0.01, 0.01],
        [0, 0, 0, 0, 0],
    ],
)
def test_the_mixture_and_the_expert_are_judged_alike(gains, scale):
    opposite = {"better": "worse", "worse": "better", None: None}
    opposite["no clear difference"] = "no clear difference"
    found, other = verdict_of(gains), verdict_of(-scale * np.array(gains))
    assert found.p_value == pytest.approx(other.p_value)
    assert found.outcome == opposite[other.outcome]
    assert found.deciding_fold == other.deciding_fold
    assert found.outcome_without == opposite[other.outcome_without]


def test_one_bad_fold_makes_nothing_clear_and_is_found():
    found = verdict_of([0.05, 0.06, 0.04, 0.05, -0.25])
    assert found.gain < 0
    assert found.outcome == "no clear difference"
    assert (found.deciding_fold, found.outcome_without) == (4, "better")
    # Nor does a good one make a mixture better.
    assert verdict_of([0, 0.01, -0.01, 0, 0.9]).outcome == "no clear difference"


def test_no_fold_decides_where_any_might():
    borderline = verdict_of([0.02, 0.03, 0.05, 0.06, 0.02])
    assert borderline.outcome == "better"
    assert borderline.deciding_fold is None
    assert verdict_of([0.01, -0.02, 0.01, 0.0, -0.01]).deciding_fold is None


def test_one_fold_tells_no_difference():
    found = verdict_of([0.3])
    assert np.isnan(found.p_value)
    assert found.outcome == "no clear difference"


def test_the_fold_that_decides_is_named():
    # Where x is beyond all training rows lines go astray, and in one fold it is.
    rows = np.linspace(0, 1, 200)[:, np.newaxis]
    y = np.abs(rows[:, 0] - 0.5) + 0.02 * np.random.default_rng(1).normal(size=200)
    rows[160:] += 3
    folds = [*KFold(4, shuffle=True, random_state=0).split(rows[:160])]
    folds.append((np.arange(160), np.arange(160, 200)))
    mixture = MixtureOfExpertsRegressor(n_experts=2, random_state=0).fit(rows, y)
    found = diagnose(mixture, rows, y, cv=folds, scoring="neg_mean_absolute_error")
    points = found.points
    assert points.outcome == "no clear difference"
    assert (points.deciding_fold, points.outcome_without) == (4, "better")
    gains = points.scores - points.baseline_scores["Ridge"]
    [said] = [each for each in found.verdict if "neg_mean_absolute" in each]
    assert (
        f"This depends on fold 5, whose difference is {gains[4]:.2g}: without it the "
        "mean would be " in said
    )
    assert said.endswith("and the mixture would be clearly better.")


def test_the_density_counts_as_well():
    # One line, around which the noise is small here and large there.
    noise = np.where(X[:, 0] > 0, 1.5, 0.1) * np.random.default_rng(0).normal(size=240)
    y = X[:, 1] + noise
    mixture = MixtureOfExpertsRegressor(n_experts=2, random_state=0).fit(X, y)
    found = diagnose(mixture, X, y)
    assert found.points.outcome == "no clear difference"
    assert found.density.outcome == "better"
    assert found.worth == "worth it"
    assert found.verdict[0].startswith("Worth it: log-likelihood ")
    assert found.verdict[1].startswith("By the score there is no clear difference: ")


def test_the_density_is_that_of_score_samples(regressor, classifier):
    cv = KFold(2, shuffle=True, random_state=0)
    one = {"n_experts": 1, "specialize": False}
    for mixture, y in ((regressor, Y), (classifier, LABELS)):
        found = diagnose(mixture, X, y, cv=cv).density
        alone = clone(mixture).set_params(**one)
        [baseline] = found.baseline_scores.values()
        for model, expected in ((mixture, found.scores), (alone, baseline)):
            scores = cross_val_score(model, X, y, cv=cv, scoring=log_likelihood_scorer)
            np.testing.assert_allclose(scores, expected)


def test_experts_that_know_their_own_rows_are_judged_by_others():
    y = np.random.default_rng(0).standard_normal(240)
    trees = [("tree", DecisionTreeRegressor(random_state=0)), ("line", Ridge())]
    mixture = MixtureOfExpertsRegressor(trees, random_state=0).fit(X, y)
    alone = diagnose(mixture, X, y, cv=2).density.baseline_scores
    # Two normal targets that differ by more than one has deviations.
    assert alone["tree"].mean() > -2.5


def test_scores_that_contradict_each_other_leave_the_choice():
    better, worse = verdict_of(np.arange(5) + 9), verdict_of(-np.arange(5) - 9)
    assert _worth(better, worse) == _worth(worse, better) == "no clear difference"
    unclear = verdict_of([1, -1, 0])
    assert _worth(better, better) == _worth(unclear, better) == "worth it"
    assert _worth(worse, worse) == _worth(worse, unclear) == "not worth it"
    assert _worth(unclear, unclear) == "no clear difference"


def test_a_score_that_is_not_finite_is_refused(regressor):
    folds = [
        (np.arange(239), np.arange(239, 240)),
        (np.arange(120), np.arange(120, 240)),
    ]
    with (
        pytest.warns(UserWarning, match="R.* score is not well-defined"),
        pytest.raises(
            ValueError, match=r"score of fold 1 of 2 is not finite; got \[nan"
        ),
    ):
        diagnose(regressor, X, Y, cv=folds)


def test_a_fold_without_weight_is_refused(regressor):
    weights = np.where(np.arange(240) < 120, 1.0, 0.0)
    with pytest.raises(ValueError, match="holds out no row with a positive weight"):
        diagnose(regressor, X, Y, weights, cv=KFold(2))


def test_a_class_that_is_held_out_altogether_is_no_hindrance():
    labels = np.where(np.arange(240) == 0, "rare", LABELS)
    mixture = MixtureOfExpertsClassifier(n_experts=2, random_state=0).fit(X, labels)
    found = diagnose(mixture, X, labels, cv=KFold(3))
    assert np.isfinite(found.density.scores).all()


def test_a_mixture_that_helps_is_worth_it(regressor):
    assert diagnose(regressor, X, Y).verdict[0].startswith("Worth it: score 0.9")


def test_a_mixture_of_what_one_line_explains_is_not_worth_it():
    y = X[:, 0] + rng.standard_normal(240)
    mixture = MixtureOfExpertsRegressor(n_experts=3, random_state=0).fit(X, y)
    verdict = str(diagnose(mixture, X, y))
    assert verdict.startswith(("Not worth it", "No clear difference"))
    assert "Ridge alone" in verdict


def test_any_score_can_be_compared(classifier):
    found = diagnose(classifier, X, LABELS, scoring="neg_log_loss")
    assert found.verdict[0].startswith("Worth it: neg_log_loss -")
    assert (found.scores < 0).all()


def test_rows_without_weight_count_for_nothing(regressor):
    spoilt = np.where(WEIGHTS > 0, Y, 1e3)
    cv = [(np.arange(160), np.arange(160, 240)), (np.arange(80, 240), np.arange(80))]
    first, second = (diagnose(regressor, X, y, WEIGHTS, cv=cv) for y in (Y, spoilt))
    np.testing.assert_allclose(first.scores, second.scores)
    np.testing.assert_allclose(
        first.baseline_scores["Ridge"], second.baseline_scores["Ridge"]
    )
    np.testing.assert_allclose(first.expert_share, second.expert_share)
    np.testing.assert_allclose(first.error_correlation, second.error_correlation)


def test_the_same_whatever_the_number_of_jobs(regressor):
    one, two = (diagnose(regressor, X, Y, n_jobs=n) for n in (1, 2))
    np.testing.assert_array_equal(one.scores, two.scores)


def test_a_gate_that_decides_has_little_entropy(regressor):
    found = diagnose(regressor, X, Y)
    gate_weights = regressor.predict_gate(X)
    bits = -(gate_weights * np.log2(np.maximum(gate_weights, 1e-300))).sum(axis=1)
    assert found.gate_entropy == pytest.approx(bits.mean())
    assert "The gate trusts one expert for nearly every row." in found.verdict


def test_a_gate_that_does_not_decide_is_named():
    # Two slopes, and nothing in X that tells of which a row is.
    slope = np.where(np.arange(240) % 2, 1, -1)
    y = slope * (3 + X[:, 1]) + 0.1 * rng.standard_normal(240)
    mixture = MixtureOfExpertsRegressor(
        n_experts=2, init=slope > 0, gate=SoftmaxGate(alpha=0.1), random_state=0
    ).fit(X, y)
    verdict = str(diagnose(mixture, X, y))
    assert "The gate gives the experts nearly equal weights" in verdict


def test_rows_are_assigned_with_their_mean_posterior(regressor):
    found = diagnose(regressor, X, Y)
    posterior = regressor.responsibilities(X, Y)
    assigned = posterior.argmax(axis=1) == 1
    assert found.assigned_posterior[1] == pytest.approx(posterior[assigned, 1].mean())


def test_experts_that_make_the_same_errors_are_named():
    experts = [("one", Ridge()), ("other", Ridge(1.1))]
    mixture = MixtureOfExpertsRegressor(experts, specialize=False, random_state=0)
    y = X[:, 0] + 0.5 * rng.standard_normal(240)
    verdict = str(diagnose(mixture.fit(X, y), X, y))
    assert "one and other make the same errors (correlation 1.00)" in verdict


def test_errors_of_classifiers_are_those_of_their_probabilities(classifier):
    found = diagnose(classifier, X, LABELS)
    errors = [
        (e.predict_proba(X) - (LABELS[:, np.newaxis] == e.classes_)).ravel()
        for e in classifier.experts_
    ]
    np.testing.assert_allclose(found.error_correlation, np.corrcoef(errors))


@pytest.mark.parametrize(
    ("experts", "name", "advice"),
    [
        ([("all", Ridge()), ("few", Ridge())], "few", "Leave it out of the list."),
        (Ridge(), "expert1", "Use 1 expert."),
    ],
    ids=["a list", "clones"],
)
def test_experts_without_rows_are_named(experts, name, advice):
    gate = DecisionTreeClassifier().fit(X, (X[:, 0] > 2.9).astype(int))
    mixture = MixtureOfExpertsRegressor(
        experts, 2, gate=FrozenEstimator(gate), sharing=0.5
    ).fit(X, X[:, 1])
    found = diagnose(mixture, X, X[:, 1])
    assert found.collapsed == [name]
    assert f"{name} has almost no rows. {advice}" in found.verdict


def test_of_one_expert_there_is_nothing_but_the_worth():
    mixture = MixtureOfExpertsRegressor(n_experts=1, random_state=0).fit(X, Y)
    found = diagnose(mixture, X, Y)
    assert len(found.verdict) == 3
    assert found.gain == pytest.approx(0, abs=1e-9)
    assert found.worth == "no clear difference"
    assert found.verdict[-1] == "Ridge alone is simpler."


def test_a_diagnosis_leaves_the_mixture_as_it_was(regressor):
    before = regressor.predict(X)
    diagnose(regressor, X, Y)
    np.testing.assert_array_equal(regressor.predict(X), before)


# What decides who is trusted
# ---------------------------


@pytest.mark.parametrize("gate", [None, GaussianGate(), LogisticRegression()])
def test_the_column_that_parts_the_experts_moves_the_gate(gate):
    mixture = MixtureOfExpertsRegressor(n_experts=2, gate=gate, random_state=0)
    found = gate_importance(mixture.fit(X, Y), X, random_state=0)
    assert found.importances.shape == (3, 5)
    assert found.importances_mean[0] > 0.3
    assert found.importances_mean[1:].max() < 0.1


def test_the_importance_is_the_weight_that_moves(regressor):
    found = gate_importance(regressor, X, n_repeats=1, random_state=0)
    shuffled = X.copy()
    seed = np.random.RandomState(0).randint(np.iinfo(np.int32).max + 1)
    shuffled[:, 0] = X[np.random.RandomState(seed).permutation(240), 0]
    moved = np.abs(regressor.predict_gate(shuffled) - regressor.predict_gate(X)) / 2
    assert found.importances_mean[0] == pytest.approx(moved.sum(axis=1).mean())


def test_rows_count_by_their_weight_for_the_gate_too(regressor):
    far = np.where(X[:, 0] > 0, 1.0, 0.0)
    even = gate_importance(regressor, X, np.ones(240), random_state=0)
    plain = gate_importance(regressor, X, random_state=0)
    right = gate_importance(regressor, X, far, random_state=0)
    np.testing.assert_allclose(even.importances, plain.importances)
    assert not np.allclose(right.importances, plain.importances)


def test_columns_of_frames_are_shuffled_too(classifier):
    rows, labels = make_classification(120, 4, random_state=0)
    frame = pd.DataFrame(rows, columns=list("abcd"))
    mixture = MixtureOfExpertsClassifier(n_experts=2, random_state=0)
    found = gate_importance(mixture.fit(frame, labels), frame, random_state=0)
    expected = gate_importance(clone(mixture).fit(rows, labels), rows, random_state=0)
    np.testing.assert_allclose(found.importances, expected.importances)


# Rules
# -----


def test_experts_are_described_by_rules_on_the_columns_of_the_user(regressor):
    table = describe(regressor, X, Y)
    rules = gate_rules(regressor, X)
    assert table["rules"].to_dict() == {name: rules.of(name) for name in table.index}
    pipe = make_pipeline(StandardScaler(), clone(regressor)).fit(X, Y)
    named = describe(pipe, X, Y)["rules"]
    assert named.to_dict() == {
        name: gate_rules(pipe, X).of(name) for name in named.index
    }
