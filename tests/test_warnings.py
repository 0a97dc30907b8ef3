"""Warnings of fits are told at the end of EM: once, and of what is kept."""

import warnings

import joblib
import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Lasso, LinearRegression, LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures

from sklearn_moe import (
    HeteroscedasticGaussian,
    MixtureOfExpertsClassifier,
    MixtureOfExpertsRegressor,
)
from sklearn_moe._fit_warnings import catching

X = np.random.default_rng(0).normal(size=(80, 2))
Y = 3 * np.abs(X[:, 0]) + X[:, 1]


class TroubleWarning(UserWarning):
    """A category of its own."""


class WarningOfManyParts(TroubleWarning):
    """Cannot be made of a text alone."""

    def __init__(self, *, name, value):
        super().__init__(f"{name} is {value}")


class Troubled(RegressorMixin, BaseEstimator):
    """A line whose fits, or predictions, warn of a number that differs each time."""

    def __init__(self, when="fit", category=TroubleWarning):
        self.when = when
        self.category = category

    def _warn(self, number):
        if self.category is WarningOfManyParts:
            warnings.warn(self.category(name="gap", value=number), stacklevel=2)
        else:
            warnings.warn(f"Gap: {number}.", self.category, stacklevel=2)

    def fit(self, X, y, sample_weight=None):
        self.line_ = LinearRegression().fit(X, y, sample_weight)
        weight = len(X) if sample_weight is None else np.sum(sample_weight**2)
        if self.when == "fit":
            self._warn(weight)
        return self

    def predict(self, X):
        if self.when == "predict":
            self._warn(self.line_.coef_[0])
        return self.line_.predict(X)


class TroubledClassifier(ClassifierMixin, BaseEstimator):
    """A gate whose fits warn."""

    def fit(self, X, y, sample_weight=None):
        warnings.warn(f"Gap: {np.sum(sample_weight)}.", TroubleWarning, stacklevel=2)
        self.model_ = LogisticRegression().fit(X, y, sample_weight)
        self.classes_ = self.model_.classes_
        return self

    def predict_proba(self, X):
        return self.model_.predict_proba(X)


def mixture(expert=None, **params):
    settings = {"n_experts": 2, "tol": 0, "max_iter": 4, "random_state": 0, **params}
    expert = Troubled() if expert is None else expert
    return MixtureOfExpertsRegressor(expert, **settings)


def told(model, X=X, y=Y, category=TroubleWarning, method="fit"):
    """Messages of a category that a fit has issued."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        getattr(model, method)(X, y)
    return [str(w.message) for w in caught if issubclass(w.category, category)]


def parts(messages):
    """What they are about."""
    notes = (message.rpartition("This is about ")[2] for message in messages)
    return [note.removesuffix(".").partition(" as it is kept")[0] for note in notes]


@pytest.mark.parametrize("when", ["fit", "predict"])
def test_each_expert_has_one_summary_with_the_count(when):
    first, second = told(mixture(Troubled(when)))
    assert first.startswith("Gap: ")
    assert "expert 'expert0' as it is kept; 4 of its 4 fits warned so." in first
    assert "expert 'expert1' as it is kept; 4 of its 4 fits warned so." in second


def test_a_solver_that_does_not_converge_is_told_of_as_often_as_there_are_experts():
    expert = make_pipeline(PolynomialFeatures(5), Lasso(1e-3, max_iter=20))
    messages = told(mixture(expert, tol=1e-4), category=ConvergenceWarning)
    about_fits = [m for m in messages if "Objective did not converge" in m]
    assert sorted(parts(about_fits)) == ["expert 'expert0'", "expert 'expert1'"]


def test_the_text_is_that_of_the_fit_that_is_kept():
    model = mixture(n_experts=1)
    (message,) = told(model)
    assert message.startswith(f"Gap: {len(X)}.")


class TroubledAtFirst(Troubled):
    """Warns in its first two fits."""

    n_fits = 0

    def fit(self, X, y, sample_weight=None):
        TroubledAtFirst.n_fits += 1
        self.when = "fit" if self.n_fits <= 2 else "never"
        return super().fit(X, y, sample_weight)


@pytest.mark.parametrize(("max_iter", "n_told"), [(1, 2), (2, 0)])
def test_a_fit_that_is_kept_and_did_not_warn_has_no_summary(
    max_iter, n_told, monkeypatch
):
    monkeypatch.setattr(TroubledAtFirst, "n_fits", 0)
    # Two experts, which are fitted once in each iteration.
    model = mixture(TroubledAtFirst(), cv=None, sharing=0, max_iter=max_iter)
    assert len(told(model)) == n_told


@pytest.mark.parametrize("cv", [None, 2])
def test_folds_and_earlier_fits_are_only_counted(cv):
    messages = told(mixture(cv=cv, calibrate=True))
    assert sorted(parts(messages)) == ["expert 'expert0'", "expert 'expert1'"]
    n_fits = 4 if cv is None else 4 * 2 + 1
    assert all(f"{n_fits} of its {n_fits} fits" in message for message in messages)


@pytest.mark.parametrize("n_init", [1, 2])
@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_the_same_is_told_wherever_fits_run(backend, n_init):
    model = mixture(n_init=n_init)
    expected = told(model)
    with joblib.parallel_config(backend=backend):
        assert told(model.set_params(n_jobs=2)) == expected


def test_threads_leave_the_filters_of_python_as_they_were():
    before = warnings.filters[:], warnings.showwarning
    with joblib.parallel_config(backend="threading"):
        for n_init in (1, 2):
            told(mixture(n_init=n_init, n_jobs=2))
    assert (warnings.filters, warnings.showwarning) == before


def test_a_context_of_another_thread_that_ends_later_puts_the_filters_back():
    before = warnings.filters[:]
    others = warnings.catch_warnings()
    with warnings.catch_warnings():
        with catching:
            others.__enter__()
        others.__exit__()
        assert warnings.filters == before


def test_an_error_leaves_the_filters_of_python_as_they_were():
    before = warnings.filters[:], warnings.showwarning
    with pytest.raises(ValueError, match="NaN"):
        mixture(Ridge()).fit(np.full_like(X, np.nan), Y)
    assert (warnings.filters, warnings.showwarning) == before
    assert catching._n_inside == 0


@pytest.mark.parametrize(
    "ignored",
    [
        {"category": TroubleWarning},
        {"message": "Gap: "},
        {"module": __name__.replace(".", r"\.")},
    ],
    ids=lambda ignored: next(iter(ignored)),
)
def test_what_a_user_ignores_is_not_told(ignored):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", **ignored)
        mixture().fit(X, Y)


@pytest.mark.parametrize("given", [{"category": TroubleWarning}, {"message": "Gap: "}])
def test_what_a_user_calls_an_error_is_one_when_em_is_over(given):
    model = mixture()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X, Y)
        before = model.experts_
        warnings.filterwarnings("error", **given)
        with pytest.raises(TroubleWarning, match="4 of its 4 fits"):
            model.fit(X, Y)
    assert model.experts_ is before


def test_the_category_is_kept():
    for category in (FutureWarning, RuntimeWarning, ConvergenceWarning):
        messages = told(mixture(Troubled(category=category)), category=category)
        assert sum("Gap" in message for message in messages) == 2


def test_a_warning_that_needs_more_than_a_text_is_told_as_the_kind_above_it():
    messages = told(mixture(Troubled(category=WarningOfManyParts)))
    assert len(messages) == 2
    assert all(message.startswith("gap is ") for message in messages)


class TwiceTroubled(Troubled):
    """Warns of two things, of one of them for several experts of its own."""

    def fit(self, X, y, sample_weight=None):
        for text in ("Slow.", "gap0 is wide", "gap1 is wide", "Gap: 1.5e-3", "Gap: 2"):
            warnings.warn(text, TroubleWarning, stacklevel=2)
        return super().fit(X, y, sample_weight)


def test_different_texts_are_told_each_unless_numbers_alone_differ():
    messages = told(mixture(TwiceTroubled(when="never"), n_experts=1))
    texts = [message.partition("\n")[0] for message in messages]
    assert texts == ["Slow.", "gap0 is wide", "gap1 is wide", "Gap: 2"]


@pytest.mark.parametrize("cv", ["auto", None])
def test_a_classifier_as_the_gate_has_one_summary(cv):
    model = mixture(LinearRegression(), gate=TroubledClassifier(), cv=cv)
    assert parts(told(model)) == ["the gate"]


def test_the_estimator_of_a_scale_has_one_summary():
    noise = HeteroscedasticGaussian(scale_estimator=Troubled())
    (about,) = parts(told(mixture(LinearRegression(), noise=noise)))
    assert about == "the scale_estimator of the noise, Troubled()"


def test_classifiers_as_experts_are_summarized():
    model = MixtureOfExpertsClassifier(
        LogisticRegression(max_iter=1), n_experts=2, max_iter=3, random_state=0
    )
    messages = told(model, y=Y > 2, category=ConvergenceWarning)
    assert sum("lbfgs" in message for message in messages) == 2


def test_a_mixture_of_mixtures_names_both():
    inner = mixture(max_iter=2)
    messages = told(mixture(inner, max_iter=2))
    assert len(messages) == 4
    assert all(
        "expert 'expert" in inner and "expert 'expert" in outer
        for _, inner, outer in map(str.splitlines, messages)
    )


def test_given_experts_that_are_fitted_once_have_no_count():
    experts = [("a", Troubled()), ("b", LinearRegression())]
    (message,) = told(mixture(experts, cv=None))
    assert message.endswith("\nThis is about expert 'a'.")


def test_what_the_mixture_itself_has_to_say_is_told_as_before():
    messages = told(mixture(max_iter=1), category=ConvergenceWarning)
    assert len(messages) == 1
    assert messages[0].startswith("EM did not converge")


class TroubledStream(Troubled):
    """Warns in each batch."""

    def partial_fit(self, X, y, sample_weight=None):
        return self.fit(X, y, sample_weight)


def test_the_first_batch_of_a_stream_is_told_of_as_a_fit_and_later_ones_at_once():
    model = mixture(TroubledStream())
    first = told(model, method="partial_fit")
    assert sorted(parts(first)) == ["expert 'expert0'", "expert 'expert1'"]
    assert len(told(model, method="partial_fit")) == 2
