"""What `partial_fit` promises: batch after batch, online EM."""

import pickle
import warnings
from copy import deepcopy

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
from _rows import rows_of
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    Perceptron,
    Ridge,
    SGDClassifier,
    SGDRegressor,
)
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputRegressor
from sklearn.naive_bayes import BernoulliNB, CategoricalNB, GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import gen_batches
from sklearn.utils.estimator_checks import (
    check_dataframe_column_names_consistency,
    check_estimators_partial_fit_n_features,
    check_n_features_in_after_fitting,
)

from sklearn_moe import (
    GaussianGate,
    HeteroscedasticGaussian,
    MixtureOfExpertsClassifier,
    MixtureOfExpertsRegressor,
    SoftmaxGate,
    StudentTNoise,
    inspection,
)
from sklearn_moe._estimators.incremental import decay_counts
from sklearn_moe._rows import Block, LocalRows
from sklearn_moe._statistics import Moments
from sklearn_moe.em import Learners, Stream, kept_fraction, online_step
from sklearn_moe.gates import remember_gate, resume_gate

CLASSES = ["no", "yes"]


def rules(n_samples, seed=0, turned=False):
    """One rule to the left and one to the right, `turned` into others."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-2, 2, (n_samples, 2))
    right = X[:, 0] > 0
    slope = np.where(right, 2.0, -2.0) * (-1 if turned else 1)
    return X, 3 * right + slope * X[:, 1] + 0.3 * rng.standard_normal(n_samples)


def labels(n_samples, seed=0):
    X, y = rules(n_samples, seed)
    return X, np.where(y > 1.5, "yes", "no")


def regressor(experts=None, **params):
    experts = SGDRegressor() if experts is None else experts
    return MixtureOfExpertsRegressor(
        experts, **{"n_experts": 2, "tol": 1e-2, "random_state": 0, **params}
    )


def classifier(experts=None, **params):
    experts = SGDClassifier(loss="log_loss") if experts is None else experts
    return MixtureOfExpertsClassifier(
        experts, **{"n_experts": 2, "tol": 1e-2, "random_state": 0, **params}
    )


STREAMS = {
    "regressor": (regressor, rules, {}),
    "classifier": (classifier, labels, {"classes": CLASSES}),
}
both = pytest.mark.parametrize(("make", "data", "first"), STREAMS.values(), ids=STREAMS)


def stream(mixture, X, y, *, size=200, sample_weight=None, **first):
    """Learn rows in batches; `first` is what the first call is told."""
    for rows in gen_batches(len(y), size):
        weights = None if sample_weight is None else sample_weight[rows]
        mixture.partial_fit(X[rows], y[rows], sample_weight=weights, **first)
        first = {}
    return mixture


def state_of(mixture):
    """All that was learnt, as bytes."""
    learnt = {name: v for name, v in vars(mixture).items() if name.endswith("_")}
    return pickle.dumps(learnt)


# Quality


def test_one_pass_of_a_regressor_is_as_good_as_batch_em():
    X, y = rules(6000)
    X_new, y_new = rules(3000, seed=1)
    whole = regressor(LinearRegression(), calibrate=True, tol=5e-4).fit(X, y)
    online = stream(regressor(tol=5e-4), X, y, size=300)
    assert online.score(X_new, y_new) > 0.98 * whole.score(X_new, y_new)
    assert online.score_samples(X_new, y_new).mean() == pytest.approx(
        whole.score_samples(X_new, y_new).mean(), abs=0.05
    )


def test_one_pass_of_a_classifier_is_as_good_as_batch_em():
    X, y = labels(6000)
    X_new, y_new = labels(3000, seed=1)
    whole = classifier(LogisticRegression()).fit(X, y)
    online = stream(classifier(), X, y, size=300, classes=CLASSES)
    assert online.score(X_new, y_new) > 0.98 * whole.score(X_new, y_new)


def test_further_batches_improve_on_the_first():
    X, y = rules(4000)
    X_new, y_new = rules(3000, seed=1)
    online = regressor().partial_fit(X[:60], y[:60])
    first = online.score_samples(X_new, y_new).mean()
    stream(online, X[60:], y[60:])
    assert online.score_samples(X_new, y_new).mean() > first + 0.1


@pytest.mark.parametrize(
    "gate",
    [
        GaussianGate(),
        GaussianGate("full"),
        SGDClassifier(loss="log_loss"),
        GaussianNB(),
        make_pipeline(StandardScaler(), SoftmaxGate()),
        SoftmaxGate(clip=3, load_balance=0.01),
    ],
    ids=str,
)
def test_every_kind_of_gate_goes_on(gate):
    X, y = rules(2000)
    X_new, y_new = rules(1000, seed=1)
    online = stream(regressor(gate=gate, max_iter=20), X, y)
    assert online.score(X_new, y_new) > 0.85
    before = online.predict_gate(X_new)
    online.partial_fit(*rules(200, seed=2))
    assert not np.allclose(online.predict_gate(X_new), before, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    "expert",
    [
        GaussianNB(),
        BernoulliNB(),
        MLPClassifier(),
        Perceptron(),
        OneVsRestClassifier(Perceptron()),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:.*were retired:UserWarning")
def test_every_kind_of_expert_goes_on(expert):
    X, y = labels(1000)
    online = stream(classifier(expert, max_iter=10), X, y, classes=CLASSES)
    before = [pickle.dumps(expert) for expert in online.experts_]
    online.partial_fit(*labels(200, seed=2))
    after = [pickle.dumps(expert) for expert in online.experts_]
    assert all(one != other for one, other in zip(before, after))
    assert online.score(*labels(1000, seed=1)) > 0.5


def test_a_given_expert_is_not_changed():
    X, y = rules(1000)
    frozen = FrozenEstimator(LinearRegression().fit(X[:, 1:].repeat(2, 1), y))
    online = stream(regressor([("given", frozen), ("sgd", SGDRegressor())]), X, y)
    assert online.experts_[0] is frozen


def test_several_targets_are_learnt():
    X, y = rules(2000)
    y = np.column_stack([y, 100 * X[:, 1]])
    experts = MultiOutputRegressor(SGDRegressor())
    online = stream(regressor(experts, max_iter=10), X, y)
    assert online.noise_.scale_.shape == (2, 2)
    assert online.predict(X).shape == (2000, 2)


def test_a_mixture_is_an_expert_of_a_stream():
    X, y = rules(800)
    online = stream(regressor(regressor(max_iter=10), max_iter=5), X, y)
    assert online.score(*rules(1000, seed=1)) > 0.8


def test_sparse_rows_are_learnt():
    X, y = labels(1000)
    X = np.maximum(X, 0)
    mixture = classifier(BernoulliNB(binarize=0.5), init=(X[:200, 1] > 0.5) * 1)
    dense = stream(clone(mixture), X, y, classes=CLASSES)
    online = stream(mixture, sparse.csr_array(X), y, classes=CLASSES)
    np.testing.assert_allclose(online.transform(X), dense.transform(X), atol=0.05)


# The algorithm


class ToyExperts:
    """Experts of which it is known what they learn."""

    def outputs(self, fitted):
        return None

    def train(self, weights, active, fitted):
        return np.asarray(weights), active


class ToyLikelihood:
    """A likelihood of given densities, whose statistic is the weights."""

    has_working_weights = False

    def log_prob(self, y, outputs, X):
        return np.log([[0.9, 0.1], [0.2, 0.8]])

    def recall(self, fitted, weight):
        return np.array([weight, 0 * weight])

    def summarize(self, block, outputs, weights):
        return np.array([0 * np.ones(2), np.asarray(weights).sum(axis=0)])

    def solve(self, statistic):
        return statistic


class ToyGate:
    """An even gate of which it is known what it learns."""

    def recall(self, estimator):
        return None

    def fit(self, targets, previous):
        return targets, None

    def estimator(self, fitted, order):
        return fitted

    def memory(self, fitted):
        return None


def step_of_toys(**params):
    """A step with an even gate, two rows and two experts."""
    stream = Stream(
        weight=10.0,
        experts=None,
        likelihood=ToyLikelihood(),
        gate=None,
        active=np.ones(2, dtype=bool),
        share=np.array([0.5, 0.5]),
        load=np.array([0.5, 0.5]),
        log_likelihood=0.0,
    )
    params = {"kept": 0.5, "sharing": 0.0, **params}
    rows = LocalRows(Block(None, None, None, np.array([1.0, 3.0])))
    learners = Learners(ToyExperts(), ToyLikelihood(), ToyGate())
    return online_step(stream, rows, learners, np.log([[0.5, 0.5]] * 2), **params)


def test_experts_learn_with_the_responsibilities_under_the_estimates_as_they_are():
    weights, active = step_of_toys().experts
    np.testing.assert_allclose(weights, [[0.9, 0.1], [0.6, 2.4]])
    assert active.all()


def test_sharing_gives_every_expert_a_fraction_of_each_row():
    weights, _ = step_of_toys(sharing=0.2).experts
    np.testing.assert_allclose(weights, [[0.82, 0.18], [0.78, 2.22]])


def test_the_noise_is_told_how_much_each_expert_knows_already():
    past, weights = step_of_toys(sharing=0.2).likelihood
    np.testing.assert_allclose(weights, [1.5, 2.5])
    np.testing.assert_allclose(past, [2.5, 2.5])


def test_the_gate_learns_responsibilities():
    targets = step_of_toys().gate
    np.testing.assert_allclose(targets, [[0.9, 0.1], [0.2, 0.8]])


def test_shares_are_means_over_the_rows_seen():
    after = step_of_toys()
    assert after.weight == 9
    np.testing.assert_allclose(after.share, np.array([2.5 + 1.5, 2.5 + 2.5]) / 9)


@given(st.floats(0.51, 1), st.integers(1, 1000))
def test_a_batch_has_the_weight_of_its_step_size(learning_decay, n_batches):
    weight = 50.0
    for t in range(1, n_batches + 1):
        weight = kept_fraction(50.0 * t, 50.0, learning_decay) * weight + 50
    assert 50 / weight == pytest.approx((n_batches + 1) ** -learning_decay)


def test_a_row_fades_the_rows_before_the_less_the_more_there_are():
    kept = [kept_fraction(n_rows, 1.0, 0.6) for n_rows in (1, 10, 1e5)]
    assert kept == sorted(kept)
    assert kept[-1] > 0.99


def test_with_a_decay_of_one_nothing_fades():
    assert kept_fraction(7.0, 3.0, 1.0) == pytest.approx(1)


def test_older_rows_count_half_after_the_half_life():
    assert kept_fraction(1e12, 500.0, 0.6, half_life=1000) == pytest.approx(0.5**0.5)


def test_two_batches_fade_as_one_of_both():
    both = kept_fraction(1e12, 300.0, 1.0, half_life=1000)
    parts = [kept_fraction(1e12, n, 1.0, half_life=1000) for n in (100.0, 200.0)]
    assert both == pytest.approx(np.prod(parts))


# What the parts keep


@given(st.integers(0, 1000))
def test_moments_of_two_batches_are_those_of_all_rows(seed):
    rng = np.random.default_rng(seed)
    X, w = 5 + rng.normal(size=(20, 3)), rng.uniform(0.1, 2, 20)
    joined = Moments.of(X[:7], w[:7]) + Moments.of(X[7:], w[7:])
    whole = Moments.of(X, w)
    np.testing.assert_allclose(joined.mean, whole.mean)
    np.testing.assert_allclose(joined.variance, whole.variance)


def test_a_column_that_is_empty_in_one_batch_has_the_moments_of_the_other():
    empty = Moments(np.zeros(1), np.zeros(1), np.zeros(1))
    other = Moments(np.array([3.0]), np.array([2.0]), np.array([4.0]))
    assert empty + other == other
    assert other + empty == other


def test_error_rates_of_experts_that_only_vote_go_on():
    X, y = labels(2000)
    online = stream(classifier(Perceptron()), X, y, classes=CLASSES)
    assert (online._likelihood_.error_rate > 0).all()
    assert (online._likelihood_.error_rate < 0.3).all()


def targets_of(X, border=0.0):
    soft = 1 / (1 + np.exp(-4 * (X[:, 0] - border)))
    return np.column_stack([1 - soft, soft])


def learn_targets(gate, X, targets, *, kept=1.0, size=250):
    """A gate fitted to the first rows, and taught the others batch by batch."""
    n_experts = targets.shape[1]
    gate.fit(X[:size], targets[:size])
    memory = remember_gate(gate, rows_of(X[:size]), n_experts, weight=float(size))
    for batch in list(gen_batches(X.shape[0], size))[1:]:
        online = resume_gate(
            gate,
            rows_of(X[batch]),
            n_experts,
            memory=memory,
            kept=kept,
            offset=0.5,
        )
        fitted, _ = online.fit(targets[batch], None)
        gate, memory = (
            online.estimator(fitted, np.arange(n_experts)),
            online.memory(fitted),
        )
    return gate


@pytest.mark.parametrize("covariance_type", ["diag", "full"])
def test_a_gaussian_gate_of_batches_is_that_of_all_rows(covariance_type):
    mixed = [[2, 1, 0], [0, 1, 0], [0, 0, 9]]
    X = np.random.default_rng(0).normal(size=(1000, 3)) @ mixed
    whole = GaussianGate(covariance_type).fit(X, targets_of(X))
    online = learn_targets(GaussianGate(covariance_type), X, targets_of(X))
    np.testing.assert_allclose(online.means_, whole.means_)
    np.testing.assert_allclose(online.covariances_, whole.covariances_)
    np.testing.assert_allclose(online.priors_, whole.priors_)


def test_a_softmax_gate_of_batches_is_nearly_that_of_all_rows():
    X = np.random.default_rng(0).normal([0, 5, 0], size=(3000, 3))
    whole = SoftmaxGate(alpha=1e-3).fit(X, targets_of(X))
    online = learn_targets(SoftmaxGate(alpha=1e-3), X, targets_of(X))
    np.testing.assert_allclose(
        online.predict_proba(X), whole.predict_proba(X), atol=0.003
    )


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_the_units_of_a_softmax_gate_do_not_matter(container):
    X = np.random.default_rng(0).normal(size=(1000, 2))
    # The spread of the second column grows on the way.
    X[:, 1] *= np.linspace(0.1, 3, 1000)
    units = np.array([1e6, 1e-6])
    gates = [
        learn_targets(SoftmaxGate(alpha=0.1), container(rows), targets_of(X))
        for rows in (X, X * units)
    ]
    np.testing.assert_allclose(gates[0].coef_, gates[1].coef_ * units, rtol=1e-5)


def test_a_softmax_gate_forgets_as_far_as_it_is_told_to():
    X = np.random.default_rng(0).normal(size=(4000, 2))
    targets = np.vstack([targets_of(X[:2000], -1), targets_of(X[2000:], 1)])
    now = targets_of(X, 1)
    errors = [
        np.abs(
            learn_targets(SoftmaxGate(), X, targets, kept=kept).predict_proba(X) - now
        ).mean()
        for kept in (1.0, 0.5)
    ]
    assert errors[1] < 0.2 * errors[0]


def test_outliers_are_clipped_by_the_moments_of_all_rows():
    X = np.random.default_rng(0).normal(size=(1000, 1))
    online = learn_targets(SoftmaxGate(clip=2), X, targets_of(X))
    expected = X.mean() + 2 * X.std() * np.array([[-1], [1]])
    np.testing.assert_allclose(online.bounds_, expected)


def test_a_softmax_gate_of_too_many_parameters_is_refused():
    X = np.random.default_rng(0).normal(size=(50, 1000))
    with pytest.raises(ValueError, match="2002 parameters, more than the 2000"):
        regressor(SGDRegressor(eta0=1e-4), max_iter=1).partial_fit(X, X[:, 0])


@pytest.mark.parametrize("expert", [GaussianNB, BernoulliNB, CategoricalNB])
def test_naive_bayes_forgets_what_it_has_counted(expert):
    X, y = np.array([[0], [1], [1], [0]]), np.array([0, 0, 1, 1])
    fitted = expert().fit(X, y)
    decay_counts(fitted, 0.25)
    fitted.partial_fit(X[:2], y[:2])
    np.testing.assert_allclose(fitted.class_count_, [2.5, 0.5])


# Weights


EXACT_PARTS = pytest.mark.parametrize("gate", [SoftmaxGate(), GaussianGate()], ids=str)


@EXACT_PARTS
@settings(max_examples=5)
@given(seed=st.integers(0, 1000))
@pytest.mark.filterwarnings("ignore:.*were retired:UserWarning")
def test_a_weight_of_two_equals_the_row_twice_and_of_zero_no_row(gate, seed):
    X, y = labels(600, seed)
    weights = np.random.default_rng(seed).integers(0, 4, 600)
    mixture = classifier(GaussianNB(), gate=gate, max_iter=5, half_life=300)
    weighted = stream(clone(mixture), X, y, sample_weight=weights, classes=CLASSES)
    for rows in gen_batches(600, 200):
        repeated = np.repeat(np.arange(600)[rows], weights[rows])
        mixture.partial_fit(X[repeated], y[repeated], classes=CLASSES)
    np.testing.assert_allclose(
        weighted.predict_proba(X), mixture.predict_proba(X), atol=1e-5
    )


def test_the_noise_counts_weights():
    X, y = rules(800)
    first = regressor().partial_fit(X[:400], y[:400])
    twice = deepcopy(first).partial_fit(
        np.repeat(X[400:], 2, axis=0), np.repeat(y[400:], 2)
    )
    weighted = first.partial_fit(X[400:], y[400:], np.full(400, 2.0))
    np.testing.assert_allclose(weighted.noise_.scale_, twice.noise_.scale_)


# Forgetting


def test_old_rows_are_forgotten_with_a_half_life():
    X, y = rules(3000)
    steady = SGDRegressor(learning_rate="constant", eta0=0.02)
    scales = []
    for half_life in (None, 300):
        schedule = {"learning_decay": 1, "half_life": half_life}
        online = stream(regressor(steady, n_experts=1, **schedule), X, y)
        stream(online, X, 5 * y)
        error = (5 * y - online.predict(X)).std()
        scales.append(online.noise_.scale_[0] / error)
    assert scales[0] < 0.8
    assert scales[1] == pytest.approx(1, abs=0.1)


def test_naive_bayes_follows_a_stream_that_changes():
    X, y = labels(3000)
    turned = np.where(y == "yes", "no", "yes")
    scores = []
    for half_life in (None, 300):
        schedule = {"learning_decay": 1, "half_life": half_life}
        online = classifier(GaussianNB(), n_experts=1, **schedule)
        stream(online, X, y, classes=CLASSES)
        scores.append(stream(online, X[:1200], turned[:1200]).score(X, turned))
    assert scores[1] > scores[0] + 0.1


# Beginning and going on


def test_what_is_kept_does_not_grow_with_the_stream():
    X, y = rules(4000)
    online = stream(regressor(), X[:1000], y[:1000])
    size = len(state_of(online))
    assert len(state_of(stream(online, X, y))) < 1.05 * size


def test_the_size_of_the_batches_hardly_matters_to_the_gate():
    X = np.random.default_rng(0).normal(size=(3000, 2))
    gate = SoftmaxGate(alpha=1e-3)
    gates = [learn_targets(clone(gate), X, targets_of(X), size=n) for n in (50, 1000)]
    np.testing.assert_allclose(*(gate.predict_proba(X) for gate in gates), atol=0.01)


def test_a_stream_goes_on_from_fit():
    X, y = rules(3000)
    X_new, y_new = rules(3000, seed=1)
    online = regressor().fit(X[:200], y[:200])
    experts = online.experts_
    before = online.score(X_new, y_new)
    stream(online, X[200:], y[200:])
    assert online.score(X_new, y_new) > before
    # What `fit` has returned is left as it was.
    assert not np.allclose(experts[0].coef_, online.experts_[0].coef_, rtol=1e-3)


def test_a_classifier_goes_on_from_fit_without_being_told_the_classes():
    X, y = labels(600)
    online = classifier().fit(X[:200], y[:200])
    assert stream(online, X[200:], y[200:]).classes_.tolist() == CLASSES


def test_fit_begins_anew():
    X, y = rules(600)
    used = stream(regressor(), X, y).fit(X, y)
    fresh = regressor().fit(X, y)
    np.testing.assert_array_equal(used.predict(X), fresh.predict(X))
    for online in (used, fresh):
        online.partial_fit(X[:100], y[:100])
    np.testing.assert_array_equal(used.predict(X), fresh.predict(X))


@both
def test_the_same_seed_gives_the_same_model(make, data, first):
    X, y = data(600)
    one, other = (stream(make(max_iter=10), X, y, **first) for _ in range(2))
    np.testing.assert_array_equal(one.predict_gate(X), other.predict_gate(X))
    np.testing.assert_array_equal(one.transform(X), other.transform(X))


@both
def test_the_number_of_jobs_does_not_matter(make, data, first):
    X, y = data(600)
    one = stream(make(max_iter=10), X, y, **first)
    with joblib.parallel_config(backend="threading"):
        other = stream(make(max_iter=10, n_jobs=2), X, y, **first)
    np.testing.assert_array_equal(one.transform(X), other.transform(X))


@both
def test_a_stream_goes_on_after_pickling(make, data, first):
    X, y = data(600)
    online = stream(make(max_iter=10), X[:400], y[:400], **first)
    copy = pickle.loads(pickle.dumps(online)).partial_fit(X[400:], y[400:])
    online.partial_fit(X[400:], y[400:])
    np.testing.assert_array_equal(copy.transform(X), online.transform(X))


@both
def test_all_that_a_fitted_mixture_can_do_works(make, data, first):
    X, y = data(400)
    online = stream(make(max_iter=10), X, y, **first)
    assert online.predict(X).shape == y.shape
    np.testing.assert_allclose(online.predict_gate(X).sum(axis=1), 1)
    np.testing.assert_allclose(online.responsibilities(X, y).sum(axis=1), 1)
    assert np.isfinite(online.score_samples(X, y)).all()
    assert len(inspection.describe(online, X, y)) == 2
    assert np.isfinite(online.bic(X, y))
    assert "rows" in online._repr_html_()
    assert online.expert_share_.sum() == pytest.approx(1)


def test_a_distribution_is_predicted():
    X, y = rules(2000)
    online = stream(regressor(), X, y)
    interval = online.predict_interval(X, coverage=0.9)
    covered = (interval[:, 0] < y) & (y < interval[:, 1])
    assert covered.mean() == pytest.approx(0.9, abs=0.05)


def test_the_schedule_is_a_parameter_to_be_searched():
    X, y = rules(300)
    grid = {"half_life": [None, 100], "learning_decay": [0.6, 1]}
    search = GridSearchCV(regressor(tol=0.1), grid, cv=2).fit(X, y)
    assert set(search.best_params_) == set(grid)


def test_a_file_is_read_in_chunks(tmp_path):
    X, y = rules(1000)
    table = pd.DataFrame(X, columns=["side", "dose"]).assign(effect=y)
    table.to_csv(tmp_path / "table.csv", index=False)
    online = regressor()
    for chunk in pd.read_csv(tmp_path / "table.csv", chunksize=250):
        online.partial_fit(chunk[["side", "dose"]], chunk["effect"])
    assert online.feature_names_in_.tolist() == ["side", "dose"]
    assert online.score(table[["side", "dose"]], y) > 0.85


# Classes


def test_the_classes_are_needed_with_the_first_batch():
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        classifier().partial_fit(*labels(50))


def test_one_class_is_not_enough():
    with pytest.raises(ValueError, match=r"at least 2 classes; got classes=\['yes'\]"):
        classifier().partial_fit(*labels(50), classes=["yes"])


def test_other_classes_than_before_are_refused():
    online = classifier().partial_fit(*labels(50), classes=CLASSES)
    with pytest.raises(ValueError, match="is not the same as on last call"):
        online.partial_fit(*labels(50), classes=["no", "perhaps"])


def test_an_unknown_label_is_refused():
    online = classifier().partial_fit(*labels(50), classes=CLASSES)
    with pytest.raises(ValueError, match=r"not seen in fit: \['perhaps'\]"):
        online.partial_fit(*labels(50)[:1], ["perhaps"] * 50)


@pytest.mark.parametrize(
    "expert", [SGDClassifier(loss="log_loss"), MLPClassifier()], ids=str
)
def test_a_batch_may_lack_classes(expert):
    X, y = labels(300)
    named = {"classes": ["perhaps", "yes", "no"]}
    online = stream(classifier(expert, max_iter=5), X, y, size=100, **named)
    only = y == "yes"
    online.partial_fit(X[only], y[only])
    assert online.classes_.tolist() == sorted(named["classes"])
    assert online.predict_proba(X).shape == (300, 3)


# What is refused


@both
def test_a_first_batch_smaller_than_the_number_of_experts_is_refused(make, data, first):
    message = r"n_experts=5 is more than the number of rows .* n_samples=4"
    with pytest.raises(ValueError, match=message):
        make(n_experts=5).partial_fit(*data(4), **first)


@both
def test_a_later_batch_may_be_a_single_row(make, data, first):
    online = make().partial_fit(*data(100), **first)
    X, y = data(1, seed=1)
    before = online._rows_seen_.weight
    assert online.partial_fit(X, y)._rows_seen_.weight < before + 1


@pytest.mark.parametrize(
    ("mixture", "part"),
    [
        (regressor(Ridge()), "expert 'experts', a Ridge"),
        (MixtureOfExpertsRegressor(), "expert 'experts', a Ridge"),
        (
            regressor([("sgd", SGDRegressor()), ("ols", LinearRegression())]),
            "expert 'ols', a LinearRegression",
        ),
        (
            regressor(make_pipeline(StandardScaler(), SGDRegressor())),
            "expert 'experts', a Pipeline",
        ),
        (regressor(gate=LogisticRegression()), "the gate, a LogisticRegression"),
    ],
)
def test_there_is_no_partial_fit_unless_all_parts_have_it(mixture, part):
    assert not hasattr(mixture, "partial_fit")
    with pytest.raises(AttributeError) as error:
        _ = mixture.partial_fit
    assert part in str(error.value.__cause__)


def test_a_stream_goes_on_with_the_parts_of_the_fit_whatever_was_set_since():
    X, y = rules(200)
    fitted = regressor().fit(X, y).set_params(experts=Ridge(), gate=LinearRegression())
    assert isinstance(fitted.partial_fit(X, y).experts_[0], SGDRegressor)
    fitted = regressor(Ridge()).fit(X, y).set_params(experts=SGDRegressor())
    with pytest.raises(AttributeError) as error:
        _ = fitted.partial_fit
    assert "expert 'expert0', a Ridge" in str(error.value.__cause__)


def test_targets_are_those_of_the_noise_that_was_fitted():
    X, y = rules(200)
    fitted = regressor().fit(X, y)
    expected = fitted.score_samples(X, y)
    fitted.set_params(noise="poisson")
    np.testing.assert_array_equal(fitted.score_samples(X, y), expected)


@pytest.mark.parametrize(
    ("noise", "message"),
    [
        (
            "negative_binomial",
            "NegativeBinomialNoise cannot be learnt from batches",
        ),
        (
            HeteroscedasticGaussian(),
            "HeteroscedasticGaussian cannot .* 'gaussian', 'la",
        ),
        ("student_t", r"degrees of freedom .* StudentTNoise\(df=4\)"),
    ],
)
def test_a_noise_that_cannot_be_learnt_from_batches_is_refused(noise, message):
    X, y = rules(50)
    y = np.round(np.abs(y))
    with pytest.raises(ValueError, match=message):
        regressor(noise=noise).partial_fit(X, y)
    fitted = regressor(noise=noise).fit(X, y)
    with pytest.raises(ValueError, match=message):
        fitted.partial_fit(X, y)


@pytest.mark.parametrize("noise", ["laplace", "poisson", StudentTNoise(df=4)], ids=str)
def test_other_noises_are_learnt(noise):
    X, y = rules(1000)
    y = np.round(10 + y)
    online = stream(regressor(noise=noise, max_iter=20), X - 0.5, y)
    assert np.isfinite(online.score_samples(X, y)).all()


def test_another_number_of_features_is_refused():
    X, y = rules(50)
    online = regressor().partial_fit(X, y)
    with pytest.raises(ValueError, match="X has 1 features, but"):
        online.partial_fit(X[:, :1], y)


class Fragile(RegressorMixin, BaseEstimator):
    """It changes, and then breaks where a target is above the limit."""

    def __init__(self, limit=100):
        self.limit = limit

    def fit(self, X, y, sample_weight=None):
        return self.partial_fit(X, y, sample_weight)

    def partial_fit(self, X, y, sample_weight=None):
        self.mean_ = np.average(y, weights=sample_weight)
        if y.max() > self.limit:
            raise RuntimeError("too large")
        return self

    def predict(self, X):
        return np.full(len(X), self.mean_)


def test_a_failed_batch_leaves_the_state_as_it_was():
    X, y = rules(200)
    named = [("sgd", SGDRegressor()), ("fragile", Fragile())]
    online = regressor(named, specialize=True).partial_fit(X, y)
    before = state_of(online)
    with pytest.raises(RuntimeError, match="too large") as error:
        online.partial_fit(X, y + 1000)
    assert "expert 'fragile'" in error.value.__notes__[0]
    assert state_of(online) == before


def test_a_failed_batch_leaves_a_random_generator_as_it_was():
    X, y = rules(200)
    online = regressor(Fragile(), random_state=np.random.RandomState(0))
    online.partial_fit(X, y)
    before = pickle.dumps(online.random_state)
    with pytest.raises(RuntimeError, match="too large"):
        online.partial_fit(X, y + 1000)
    assert pickle.dumps(online.random_state) == before


def test_a_failed_first_batch_leaves_nothing():
    X, y = rules(50)
    fragile = regressor(Fragile())
    with pytest.raises(RuntimeError, match="too large"):
        fragile.partial_fit(X, y + 1000)
    assert not [name for name in vars(fragile) if name.endswith("_")]


# Conventions of scikit-learn


class Tagged(SGDRegressor):
    """It learns something that is routed to it."""

    def partial_fit(self, X, y, sample_weight=None, tag=None):
        self.tags_ = [*getattr(self, "tags_", []), tag]
        return super().partial_fit(X, y, sample_weight)


def test_further_arguments_are_routed_to_the_experts():
    X, y = rules(100)
    with sklearn.config_context(enable_metadata_routing=True):
        online = regressor(Tagged().set_partial_fit_request(tag=True))
        online.partial_fit(X, y, tag="first").partial_fit(X, y, tag="second")
    assert {*online.experts_[0].tags_[:-1]} == {"first"}
    assert online.experts_[0].tags_[-1] == "second"


def test_further_arguments_are_refused_where_routing_is_not_enabled():
    with pytest.raises(ValueError, match="only supported if enable_metadata_routing"):
        regressor(Tagged()).partial_fit(*rules(50), tag="first")


@pytest.mark.parametrize(
    "check",
    [
        check_estimators_partial_fit_n_features,
        check_n_features_in_after_fitting,
        check_dataframe_column_names_consistency,
    ],
)
def test_scikit_learn_check(check):
    # The others are in test_sklearn_checks: weights of SGD equal no repeated rows.
    check("MixtureOfExpertsRegressor", regressor(tol=0.1))


def test_the_first_batch_is_accelerated_where_fits_are():
    X, y = rules(300)
    plain, quick = (
        regressor(acceleration=acceleration, max_iter=10).partial_fit(X, y)
        for acceleration in (None, "squarem")
    )
    assert not np.array_equal(plain.objective_path_, quick.objective_path_)


def test_what_does_not_converge_in_the_first_batch_is_silent():
    X, y = rules(200)
    gate = SGDClassifier(loss="log_loss", max_iter=2, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        regressor(gate=gate, max_iter=3).partial_fit(X, y)


def test_a_stream_keeps_the_noise_with_which_it_began():
    X, y = rules(200)
    online = regressor().partial_fit(X[:100], y[:100]).set_params(noise="laplace")
    message = "began with GaussianNoise; 'noise' is LaplaceNoise now"
    with pytest.raises(ValueError, match=message):
        online.partial_fit(X[100:], y[100:])
