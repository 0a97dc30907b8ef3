"""Weights of classes: those of the rows are multiplied by them."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight

from sklearn_moe import MixtureOfExpertsClassifier, dask
from sklearn_moe.inspection import diagnose, summary

RNG = np.random.default_rng(0)
X = RNG.uniform(-2, 2, (150, 2))
RARE = (np.abs(X[:, 0]) + 0.5 * RNG.normal(size=150)) > 1.9
Y = np.where(RARE, "yes", "no")
WEIGHTS = RNG.integers(0, 3, 150).astype(float)
BY_HAND = {"no": 1, "yes": 5}


def classifier(**params):
    params = {"n_experts": 2, "tol": 1e-2} | params
    return MixtureOfExpertsClassifier(random_state=0, **params)


def assert_equal(mixture, other):
    np.testing.assert_allclose(
        mixture.predict_proba(X), other.predict_proba(X), rtol=1e-9
    )
    assert mixture.log_likelihood_ == pytest.approx(other.log_likelihood_)


# What they are


@pytest.mark.parametrize("expert", [LogisticRegression(), DecisionTreeClassifier()])
@pytest.mark.parametrize("class_weight", ["balanced", BY_HAND])
def test_they_are_the_weights_of_the_rows_of_each_class(expert, class_weight):
    if isinstance(expert, DecisionTreeClassifier):
        expert.set_params(max_depth=3)
    weighted = classifier(experts=expert, class_weight=class_weight).fit(X, Y)
    rows = compute_sample_weight(class_weight, Y)
    assert_equal(weighted, classifier(experts=expert).fit(X, Y, sample_weight=rows))


def test_a_dict_multiplies_the_weights_of_the_rows():
    weighted = classifier(class_weight=BY_HAND).fit(X, Y, sample_weight=WEIGHTS)
    rows = WEIGHTS * np.where(RARE, 5, 1)
    assert_equal(weighted, classifier().fit(X, Y, sample_weight=rows))


def test_a_row_of_weight_two_is_two_rows_for_the_balance():
    weighted = classifier(class_weight="balanced").fit(X, Y, sample_weight=WEIGHTS)
    rows = np.repeat(np.arange(150), WEIGHTS.astype(int))
    repeated = classifier(class_weight="balanced").fit(X[rows], Y[rows])
    np.testing.assert_allclose(
        weighted.predict_proba(X), repeated.predict_proba(X), atol=1e-3
    )
    assert weighted.log_likelihood_ == pytest.approx(repeated.log_likelihood_, rel=1e-3)


def test_equal_weights_are_none():
    plain = classifier().fit(X, Y)
    for same in ({"no": 1, "yes": 1}, {}):
        assert_equal(classifier(class_weight=same).fit(X, Y), plain)


# Numbers of rows, and ratios


@pytest.mark.parametrize("scale", [1 / 150, 0.4, 1, 3])
def test_the_balance_changes_no_number_of_rows(scale):
    weights = np.full(150, float(scale))
    plain = classifier(max_iter=50).fit(X, Y, sample_weight=weights)
    balanced = classifier(class_weight="balanced", max_iter=50)
    balanced.fit(X, Y, sample_weight=weights)
    assert balanced._rows_seen_.n_rows == pytest.approx(plain._rows_seen_.n_rows)


def test_many_classes_are_balanced_without_changing_the_number_of_rows():
    y = np.r_[np.zeros(132), np.arange(1, 10), np.arange(1, 10)].astype(int)
    mixture = classifier(experts=GaussianNB(), n_experts=1, class_weight="balanced")
    assert mixture.fit(X, y)._rows_seen_.n_rows == pytest.approx(150)


def test_the_log_likelihood_is_that_of_the_weighted_rows():
    mixture = classifier(class_weight="balanced", n_experts=1).fit(X, Y)
    rows = compute_sample_weight("balanced", Y)
    log_density = mixture.score_samples(X, Y)
    assert mixture.log_likelihood_ == pytest.approx(rows @ log_density)


@pytest.mark.parametrize("class_weight", ["balanced", {"no": 0.01, "yes": 0.05}])
def test_information_criteria_are_of_the_log_likelihood_of_the_fit(class_weight):
    mixture = classifier(class_weight=class_weight).fit(X, Y)
    aic = 2 * (mixture.n_parameters() - mixture.log_likelihood_)
    assert mixture.aic(X, Y) == pytest.approx(aic)


def test_a_score_counts_each_row_once():
    mixture = classifier(class_weight="balanced").fit(X, Y)
    assert mixture.score(X, Y) == np.mean(mixture.predict(X) == Y)


def test_rare_classes_are_found_more_often():
    plain, balanced = (
        balanced_accuracy_score(
            Y, classifier(class_weight=class_weight).fit(X, Y).predict(X)
        )
        for class_weight in (None, "balanced")
    )
    assert balanced > plain + 0.05


# Everything else works with them


@pytest.mark.parametrize(
    "params",
    [
        {"n_experts": "auto"},
        {"cv": 2},
        {"assignment": "hard"},
        {"n_init": 2},
        {"warm_start": True},
        {"experts": [("a", LogisticRegression()), ("b", GaussianNB())]},
    ],
    ids=str,
)
def test_every_fit_counts_them_once(params):
    params = {"tol": 1e-2} | params
    weighted = classifier(class_weight=BY_HAND, **params).fit(X, Y)
    rows = compute_sample_weight(BY_HAND, Y)
    assert_equal(weighted, classifier(**params).fit(X, Y, sample_weight=rows))


def test_a_fit_that_begins_on_a_sample_counts_them_once(monkeypatch):
    monkeypatch.setattr("sklearn_moe._sampled_start.MANY_ROWS", 100)
    monkeypatch.setattr("sklearn_moe._sampled_start.ONE_IN", 2)
    weighted = classifier(class_weight=BY_HAND).fit(X, Y)
    rows = compute_sample_weight(BY_HAND, Y)
    assert_equal(weighted, classifier().fit(X, Y, sample_weight=rows))


@pytest.mark.parametrize("labels", [[0, 1], [False, True], [3, 7]])
def test_labels_may_be_of_any_kind(labels):
    y = np.asarray(labels)[RARE.astype(int)]
    weighted = classifier(class_weight=dict(zip(labels, [1, 5]))).fit(X, y)
    rows = np.where(RARE, 5, 1)
    assert_equal(weighted, classifier().fit(X, y, sample_weight=rows))


def test_a_class_of_weight_zero_is_no_class():
    y = np.where(X[:, 1] > 1.5, "third", Y)
    mixture = classifier(class_weight={"no": 1, "yes": 1, "third": 0}).fit(X, y)
    assert mixture.classes_.tolist() == ["no", "yes"]


def test_they_are_a_parameter_like_others():
    search = GridSearchCV(classifier(), {"class_weight": [None, "balanced", BY_HAND]})
    search.set_params(scoring="balanced_accuracy", cv=2, error_score="raise")
    assert search.fit(X, Y).best_params_["class_weight"] is not None
    mixture = clone(classifier(class_weight=BY_HAND)).fit(X, Y)
    assert_equal(pickle.loads(pickle.dumps(mixture)), mixture)


def test_frames_and_series_have_them_as_well():
    mixture = classifier(class_weight="balanced").fit(pd.DataFrame(X), pd.Series(Y))
    assert_equal(mixture, classifier(class_weight="balanced").fit(X, Y))


def test_the_given_weights_are_left_as_they_are():
    weights = np.ones(150)
    classifier(class_weight="balanced").fit(X, Y, sample_weight=weights)
    assert (weights == 1).all()


def test_standard_errors_are_those_of_the_weighted_rows():
    expert = LogisticRegression(C=np.inf, tol=1e-8)
    weighted = classifier(experts=expert, n_experts=1, class_weight=BY_HAND).fit(X, Y)
    rows = compute_sample_weight(BY_HAND, Y)
    by_rows = classifier(experts=expert, n_experts=1).fit(X, Y, sample_weight=rows)
    pd.testing.assert_frame_equal(summary(weighted, X, Y), summary(by_rows, X, Y, rows))


def test_the_unit_of_the_weights_of_classes_does_not_change_standard_errors():
    expert = LogisticRegression(C=np.inf, tol=1e-8)
    in_hundredths = {"no": 0.01, "yes": 0.05}
    weighted = classifier(experts=expert, n_experts=1, class_weight=in_hundredths)
    rows = compute_sample_weight(in_hundredths, Y)
    by_rows = classifier(experts=expert, n_experts=1).fit(X, Y, sample_weight=rows)
    pd.testing.assert_frame_equal(
        summary(weighted.fit(X, Y), X, Y), summary(by_rows, X, Y, rows)
    )


def test_a_diagnosis_gives_experts_alone_the_same_weights():
    mixture = classifier(class_weight=BY_HAND).fit(X, Y)
    diagnosis = diagnose(mixture, X, Y, cv=2)
    alone = LogisticRegression(class_weight=BY_HAND)
    own = diagnose(classifier(experts=alone).fit(X, Y), X, Y, cv=2)
    np.testing.assert_array_equal(
        diagnosis.baseline_scores["LogisticRegression"],
        own.baseline_scores["LogisticRegression"],
    )


# Streams


def test_a_stream_takes_a_dict_for_all_classes():
    expert = SGDClassifier(loss="log_loss", random_state=0)
    weighted = classifier(experts=expert, class_weight=BY_HAND)
    by_rows = classifier(experts=expert)
    rows = compute_sample_weight(BY_HAND, Y)
    # The last batch has one class only.
    order = np.argsort(RARE, kind="stable")
    order = np.r_[order[-30:], order[:-30]]
    for batch in (order[:60], order[60:100], order[100:]):
        weighted.partial_fit(X[batch], Y[batch], classes=["no", "yes"])
        by_rows.partial_fit(
            X[batch], Y[batch], classes=["no", "yes"], sample_weight=rows[batch]
        )
    assert_equal(weighted, by_rows)


def test_a_stream_follows_weights_that_are_changed():
    expert = GaussianNB()
    stream = classifier(experts=expert).partial_fit(X, Y, classes=["no", "yes"])
    other = clone(stream).partial_fit(X, Y, classes=["no", "yes"])
    stream.set_params(class_weight=BY_HAND).partial_fit(X, Y)
    other.partial_fit(X, Y, sample_weight=compute_sample_weight(BY_HAND, Y))
    assert_equal(stream, other)


def test_a_stream_refuses_to_balance_batches():
    mixture = classifier(experts=GaussianNB(), class_weight="balanced")
    with pytest.raises(ValueError, match=r"class_weight='balanced'.*a dict"):
        mixture.partial_fit(X, Y, classes=["no", "yes"])
    mixture.fit(X, Y)
    with pytest.raises(ValueError, match=r"class_weight='balanced'.*a dict"):
        mixture.partial_fit(X, Y)


# What is refused


def test_dask_collections_know_no_weights_of_classes():
    with pytest.raises(TypeError, match="class_weight"):
        dask.MixtureOfExpertsClassifier(class_weight="balanced")


@pytest.mark.parametrize(
    ("class_weight", "message"),
    [
        ("even", "'class_weight' parameter .*'balanced'"),
        ([1, 2], "'class_weight' parameter"),
        ({"maybe": 2}, r"The classes, \['no', 'yes'\], are not in class_weight"),
        ({"yes": 2, "maybe": 2}, r"The classes, \['no'\], are not in class_weight"),
        ({"yes": -1}, "'class_weight' .*got -1 for the class 'yes'"),
        ({"yes": np.nan}, "'class_weight' .*got nan for the class 'yes'"),
        ({"yes": "2"}, "'class_weight' .*got '2' for the class 'yes'"),
        ({"yes": 0}, "at least 2 classes"),
    ],
)
def test_wrong_weights_of_classes_are_refused(class_weight, message):
    mixture = classifier(class_weight=class_weight)
    with pytest.raises(ValueError, match=message):
        mixture.fit(X, Y)
    assert not hasattr(mixture, "experts_")


def test_balanced_weights_are_those_of_scikit_learn():
    repeated = np.repeat(Y, WEIGHTS.astype(int))
    of_classes = compute_class_weight("balanced", classes=np.unique(Y), y=repeated)
    by_dict = classifier(class_weight=dict(zip(np.unique(Y).tolist(), of_classes)))
    balanced = classifier(class_weight="balanced")
    assert_equal(
        balanced.fit(X, Y, sample_weight=WEIGHTS),
        by_dict.fit(X, Y, sample_weight=WEIGHTS),
    )


@pytest.mark.parametrize("params", [{}, {"solver": "liblinear"}], ids=str)
def test_balance_counts_the_weights_of_rows_as_logistic_regression_does(params):
    expert = LogisticRegression(tol=1e-8, **params)
    mixture = classifier(experts=expert, n_experts=1, class_weight="balanced")
    mixture.fit(X, Y, sample_weight=WEIGHTS)
    # Repeated rows, since scikit-learn before 1.7 balances classes by numbers of rows.
    repeated = np.repeat(np.arange(150), WEIGHTS.astype(int))
    alone = clone(expert).set_params(class_weight="balanced")
    alone.fit(X[repeated], Y[repeated])
    np.testing.assert_allclose(mixture.experts_[0].coef_, alone.coef_, rtol=1e-4)


def test_a_class_without_weight_has_no_part_in_the_balance():
    labels, weights = Y.astype(object), WEIGHTS.copy()
    labels[:30], weights[:30] = "neither", 0
    mixture = classifier(class_weight="balanced")
    mixture.fit(X, labels, sample_weight=weights)
    alone = classifier(class_weight="balanced")
    alone.fit(X[30:], Y[30:], sample_weight=WEIGHTS[30:])
    assert_equal(mixture, alone)


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_a_missing_label_is_refused_whatever_its_weight(missing):
    labels, weights = Y.astype(object), WEIGHTS.copy()
    labels[7], weights[7] = missing, 0
    with pytest.raises(ValueError, match=r"no label for row 7.*in 1 rows"):
        classifier(class_weight="balanced").fit(X, labels, sample_weight=weights)
