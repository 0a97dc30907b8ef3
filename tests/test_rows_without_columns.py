"""Rows that are no tables: texts, dicts, images; the experts and the gate read them."""

import pickle
from functools import partial

import numpy as np
import pandas as pd
import pytest
from _versions import needs
from sklearn.base import RegressorMixin, clone
from sklearn.ensemble import VotingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import (
    CountVectorizer,
    HashingVectorizer,
    TfidfVectorizer,
)
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree import DecisionTreeRegressor

from sklearn_moe import (
    MixtureOfExpertsClassifier,
    MixtureOfExpertsRegressor,
    SoftmaxGate,
)
from sklearn_moe.inspection import (
    GateDisplay,
    describe,
    diagnose,
    explain,
    gate_importance,
    gate_rules,
    local_slopes,
    summary,
)

# What makes a film good makes a play bad.
WORDS = np.random.default_rng(0).integers(0, 2, size=(80, 3))
TEXTS = [
    f"{'play' if play else 'film'} {'long' if long else 'brief'} "
    f"{'loud' if loud else 'calm'}"
    for play, long, loud in WORDS
]
STARS = np.where(WORDS[:, 0], 1.0, -1.0) * (2 * WORDS[:, 1] - 1)
STARS += np.random.default_rng(1).normal(0, 0.1, size=80)
LIKED = np.where(STARS > 0, "yes", "no")
DICTS = [dict(zip(["play", "long", "loud"], row.tolist())) for row in WORDS]
IMAGES = np.random.default_rng(2).normal(size=(80, 2, 3))


def flatten(images):
    return np.asarray(images).reshape(len(images), -1)


def words_of(tokens):
    return tokens


def tokens(texts):
    """Lists of several lengths."""
    return [text.split() + ["the"] * (i % 3) for i, text in enumerate(texts)]


# Rows of each kind, and what turns them to numbers.
KINDS = {
    "a list of texts": (TEXTS, TfidfVectorizer()),
    "a tuple of texts": (tuple(TEXTS), TfidfVectorizer()),
    "an array of strings": (np.array(TEXTS), TfidfVectorizer()),
    "an array of objects": (np.array(TEXTS, dtype=object), TfidfVectorizer()),
    "a series": (pd.Series(TEXTS, index=np.arange(80) + 5), TfidfVectorizer()),
    "a hashed list": (TEXTS, HashingVectorizer(n_features=8)),
    "a list of dicts": (DICTS, DictVectorizer()),
    "lists of tokens": (tokens(TEXTS), CountVectorizer(analyzer=words_of)),
    "an array of images": (IMAGES, FunctionTransformer(flatten)),
    "a list of images": (list(IMAGES), FunctionTransformer(flatten)),
    "an array of numbers": (WORDS[:, 1] * 1.0, FunctionTransformer(flatten)),
}
# Before, a pipeline of nothing but a hash counts as not fitted.
HASHES = needs("1.9", "pipeline without anything to learn")
each_kind = pytest.mark.parametrize(
    "kind",
    [pytest.param(k, marks=HASHES) if k == "a hashed list" else k for k in KINDS],
)
some_kinds = pytest.mark.parametrize(
    "kind", ["a list of texts", "a series", "a list of dicts", "an array of images"]
)


def mixture(transformer, expert=None, **params):
    """Two experts and a gate, each behind a transformer of its own."""
    given = {"n_experts": 2, "tol": 1e-2, "random_state": 0, **params}
    regressor = expert is None or isinstance(expert, RegressorMixin)
    kind = MixtureOfExpertsRegressor if regressor else MixtureOfExpertsClassifier
    given.setdefault("gate", make_pipeline(clone(transformer), SoftmaxGate()))
    return kind(make_pipeline(transformer, expert or Ridge()), **given)


of_texts = partial(mixture, TfidfVectorizer())


# What is fitted
# --------------


@each_kind
def test_a_mixture_of_rows_without_columns_is_that_of_their_numbers(kind):
    rows, transformer = KINDS[kind]
    fitted = mixture(transformer).fit(rows, STARS)
    numbers = transformer.fit_transform(rows)
    alone = MixtureOfExpertsRegressor(n_experts=2, tol=1e-2, random_state=0)
    alone.fit(numbers, STARS)
    np.testing.assert_allclose(fitted.predict(rows), alone.predict(numbers), rtol=1e-5)
    np.testing.assert_allclose(
        fitted.responsibilities(rows, STARS),
        alone.responsibilities(numbers, STARS),
        atol=1e-5,
    )


def test_a_classifier_reads_texts():
    fitted = of_texts(LogisticRegression()).fit(TEXTS, LIKED)
    assert fitted.score(TEXTS, LIKED) == 1
    assert fitted.predict(["long play", "long film"]).tolist() == ["yes", "no"]


@pytest.mark.parametrize(
    "params",
    [
        {"init": "kmeans", "top_k": 1},
        {"init": "random", "combination": "argmax"},
        {"init": np.arange(80) % 2},
        {"expert": DecisionTreeRegressor(max_depth=3)},
        {"cv": 3, "calibrate": True},
        {"assignment": "hard"},
        {"n_init": 2},
        {"n_experts": "auto"},
        {"specialize": False},
        {"noise": "student_t"},
        {"gate": make_pipeline(TfidfVectorizer(), LogisticRegression())},
    ],
    ids=str,
)
def test_texts_are_fitted_whatever_the_parameters(params):
    fitted = of_texts(**params).fit(TEXTS, STARS)
    assert fitted.predict(TEXTS).shape == (80,)
    assert fitted.predict_interval(TEXTS[:3]).shape == (3, 2)


@some_kinds
def test_rows_of_weight_zero_are_no_rows(kind):
    rows, transformer = KINDS[kind]
    weights = np.r_[np.zeros(20), np.ones(60)]
    with_none = mixture(transformer).fit(rows, STARS, weights)
    without = mixture(transformer).fit(rows[20:], STARS[20:])
    np.testing.assert_allclose(with_none.predict(rows), without.predict(rows))


@some_kinds
def test_experts_that_answer_for_some_rows_see_only_these(kind):
    rows, transformer = KINDS[kind]
    fitted = mixture(transformer).fit(rows, STARS)
    answers = fitted.transform(rows)
    chosen = answers[np.arange(80), fitted.apply(rows)]
    for params in ({"combination": "argmax"}, {"top_k": 1}):
        fitted.set_params(extrapolation="free", **params)
        np.testing.assert_allclose(fitted.predict(rows), chosen)


def test_a_warm_start_goes_on_with_texts():
    fitted = of_texts(warm_start=True).fit(TEXTS, STARS)
    before = fitted.log_likelihood_
    assert fitted.fit(TEXTS, STARS).log_likelihood_ >= before


def test_a_mixture_is_an_expert_that_reads_texts():
    experts = [
        ("one", of_texts(tol=0.1)),
        ("other", make_pipeline(TfidfVectorizer(), Ridge())),
    ]
    gate = make_pipeline(TfidfVectorizer(), SoftmaxGate())
    outer = MixtureOfExpertsRegressor(
        experts, gate=gate, specialize=True, max_iter=1, acceleration=None
    )
    with pytest.warns(ConvergenceWarning):
        outer.fit(TEXTS, STARS)
    assert outer.predict(TEXTS).shape == (80,)


def test_a_step_in_front_may_clean_texts_one_by_one():
    clean = FunctionTransformer(lambda texts: (text.upper() for text in texts))
    experts = make_pipeline(clean, TfidfVectorizer(), Ridge())
    fitted = of_texts().set_params(experts=experts).fit(TEXTS, STARS)
    np.testing.assert_allclose(
        fitted.predict(TEXTS), of_texts().fit(TEXTS, STARS).predict(TEXTS)
    )


# Scikit-learn
# ------------


def test_texts_are_cross_validated_searched_copied_and_pickled():
    search = GridSearchCV(of_texts(), {"experts__ridge__alpha": [1e-3, 1e3]}, cv=2)
    search.fit(TEXTS, STARS)
    assert search.best_params_ == {"experts__ridge__alpha": 1e-3}
    assert cross_val_score(of_texts(), TEXTS, STARS, cv=2).min() > 0.4
    copied = pickle.loads(pickle.dumps(clone(search.best_estimator_)))
    np.testing.assert_allclose(
        copied.fit(TEXTS, STARS).predict(TEXTS), search.predict(TEXTS)
    )


def test_it_stands_beside_others_in_a_vote_over_texts():
    plain = make_pipeline(TfidfVectorizer(), Ridge())
    vote = VotingRegressor([("mixture", of_texts()), ("plain", plain)])
    assert cross_val_predict(vote, TEXTS, STARS, cv=2).shape == (80,)


def test_a_number_of_features_is_known_of_tables_only():
    fitted = mixture(FunctionTransformer(flatten)).fit(WORDS, STARS)
    assert fitted.n_features_in_ == 3
    assert not hasattr(fitted.fit(IMAGES, STARS), "n_features_in_")
    frame = pd.DataFrame(WORDS, columns=["play", "long", "loud"])
    assert fitted.fit(frame, STARS).feature_names_in_.tolist() == [*frame.columns]
    assert not hasattr(fitted.fit(IMAGES, STARS), "feature_names_in_")


def test_lists_of_numbers_are_a_table():
    fitted = MixtureOfExpertsRegressor(n_experts=2, random_state=0, tol=1e-2)
    assert fitted.fit(WORDS.tolist(), STARS).n_features_in_ == 3


# What is refused
# ---------------


def test_the_gate_by_default_says_what_reads_texts():
    message = r"SoftmaxGate needs .* a list of str.*gate=make_pipeline\(TfidfVectorizer"
    with pytest.raises(ValueError, match=message):
        of_texts(gate=None).fit(TEXTS, STARS)
    with pytest.raises(ValueError, match=r"a list of dict.*DictVectorizer\(\)"):
        mixture(DictVectorizer(), gate=None).fit(DICTS, STARS)
    with pytest.raises(ValueError, match=r"a list of str.*TfidfVectorizer"):
        SoftmaxGate().fit(TEXTS, LIKED)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[1.0] * (1 + i % 2) for i in range(80)], "lists of different lengths"),
        (list(range(80)), "Expected 2D array, got 1D array"),
        (np.arange(80).astype(object), "Expected 2D array, got 1D array"),
        (np.zeros((80, 2, 2)), "array of 3 dimensions.*FunctionTransformer"),
        (pd.Series(pd.date_range("2026-01-01", periods=80)), "a Series of Timestamp"),
    ],
)
def test_rows_that_the_gate_by_default_does_not_read_are_told(rows, message):
    with pytest.raises(ValueError, match=message):
        MixtureOfExpertsRegressor(n_experts=2).fit(rows, STARS)


def test_an_expert_that_reads_no_texts_is_named():
    with pytest.raises(ValueError, match="could not convert") as error:
        of_texts().set_params(experts=Ridge()).fit(TEXTS, STARS)
    assert error.value.__notes__ == ["This is about expert 'expert0'."]


def test_a_start_by_rules_needs_columns():
    class ReadsTexts(LogisticRegression):
        def fit(self, X, y, sample_weight=None):
            return super().fit(list(map(numbers, X)), y, sample_weight)

        def predict_proba(self, X):
            return super().predict_proba(list(map(numbers, X)))

    def numbers(text):
        return ["play" in text, "long" in text]

    with pytest.raises(ValueError, match=r"'gate' ReadsTexts.* 'init' to labels"):
        of_texts(gate=ReadsTexts()).fit(TEXTS, STARS)
    fitted = of_texts(gate=ReadsTexts(), init=WORDS[:, 0]).fit(TEXTS, STARS)
    assert fitted.score(TEXTS, STARS) > 0.8


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], r"0 sample\(s\)"),
        (pd.DataFrame({"text": TEXTS}), "now it is a DataFrame"),
        ((text for text in TEXTS), "got a generator"),
        ("play long", "got a str"),
        ([1.0, 2.0], "no attribute 'lower'"),
    ],
)
def test_rows_of_another_kind_are_refused_in_predictions(rows, message):
    fitted = of_texts().fit(TEXTS, STARS)
    with pytest.raises((ValueError, TypeError, AttributeError), match=message):
        fitted.predict(rows)


@pytest.mark.parametrize("rows", [[], (text for text in TEXTS), TEXTS[:5]])
def test_rows_that_are_none_are_refused_in_fits(rows):
    with pytest.raises((ValueError, TypeError), match=r"sample|generator"):
        of_texts().fit(rows, STARS)


def test_texts_are_refused_where_a_table_was_fitted():
    fitted = MixtureOfExpertsRegressor(n_experts=2, random_state=0, tol=1e-2)
    fitted.fit(WORDS, STARS)
    with pytest.raises(ValueError, match="Expected 2D array"):
        fitted.predict(TEXTS)


def test_a_missing_row_is_refused_whoever_answers_for_it():
    fitted = mixture(FunctionTransformer(flatten), top_k=1).fit(IMAGES, STARS)
    images = IMAGES.copy()
    images[3, 1, 2] = np.nan
    with pytest.raises(ValueError, match="contains NaN"):
        fitted.predict(images)


def test_a_pipeline_over_texts_is_refused_in_a_stream():
    with pytest.raises(AttributeError, match="partial_fit") as error:
        of_texts().partial_fit(TEXTS, STARS)
    assert "in front of the mixture" in str(error.value.__cause__)


# Inspection
# ----------


def test_experts_are_described_by_the_columns_of_the_gate():
    fitted = of_texts().fit(TEXTS, STARS)
    trusted = describe(fitted, TEXTS, STARS)["trusted_where"]
    assert "film +" in trusted.sum()
    assert "film -" in trusted.sum()


# With one word of each pair no column follows from others.
FEW_WORDS = [
    " ".join(word for word in text.split() if word in ("film", "long", "loud"))
    for text in TEXTS
]


def test_criteria_tables_and_diagnoses_know_texts():
    fitted = of_texts(LinearRegression(), sharing=0, n_init=4)
    fitted.fit(FEW_WORDS, STARS)
    assert np.isfinite(fitted.bic(FEW_WORDS, STARS))
    assert "film" in summary(fitted, FEW_WORDS, STARS).to_string()
    assert "Worth it" in str(diagnose(fitted, FEW_WORDS, STARS, cv=4))


def test_texts_are_described_by_the_words_that_a_pipeline_makes_of_them():
    moe = MixtureOfExpertsRegressor(LinearRegression(), n_experts=2, random_state=0)
    model = make_pipeline(CountVectorizer(), moe).fit(TEXTS, STARS)
    table = describe(model, TEXTS, STARS)
    assert "long +" in table["trusted_where"].sum()
    # There is no column that was given.
    assert set(table["rules"]) == {""}


def test_what_goes_along_columns_is_refused():
    fitted = of_texts().fit(TEXTS, STARS)
    with pytest.raises(ValueError, match=r"gate_importance .* is a list of str"):
        gate_importance(fitted, TEXTS)
    for function in (explain, local_slopes, gate_rules):
        message = rf"{function.__name__} is about the columns .* X is a list of str"
        with pytest.raises(ValueError, match=message):
            function(fitted, TEXTS)
    with pytest.raises(ValueError, match=r"columns of a table .* is a list of str"):
        GateDisplay.from_estimator(fitted, TEXTS, 0)
