"""What the two mixtures promise."""

import inspect
import re
import warnings
from copy import deepcopy

import joblib
import numpy as np
import pytest
from _versions import needs
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.base import BaseEstimator, ClusterMixin, clone
from sklearn.cluster import KMeans
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Lasso, LinearRegression, LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, r2_score
from sklearn.mixture import GaussianMixture
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, PolynomialFeatures
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from sklearn_moe import (
    MixtureOfExpertsClassifier,
    MixtureOfExpertsRegressor,
    SoftmaxGate,
)


def regression(seed=0, n_samples=120):
    """Three planes, each next to another."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-2, 2, (n_samples, 2))
    planes = [-1 - 2 * X[:, 1], 2 * X[:, 1], 3 + 0 * X[:, 1]]
    y = np.select([X[:, 0] < -0.7, X[:, 0] < 0.7], planes[:2], planes[2])
    return X, y + 0.3 * rng.standard_normal(n_samples)


def classification(seed=0, n_samples=120):
    """Two boundaries, opposite to the left and to the right, and some noise."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-2, 2, (n_samples, 2))
    y = (X[:, 0] > 0) ^ (X[:, 1] > 0) ^ (rng.random(n_samples) < 0.1)
    return X, y.astype(int)


PROBLEMS = {
    MixtureOfExpertsRegressor: regression,
    MixtureOfExpertsClassifier: classification,
}
both = pytest.mark.parametrize("Mixture", PROBLEMS)
# Where all iterations, and all starts, are to have the same objective.
GIVEN = {"sharing": 0.05, "gate": SoftmaxGate(alpha=0.01)}
may_stop_early = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning"
)
may_retire_experts = pytest.mark.filterwarnings("ignore:.*were retired:UserWarning")


def side(X):
    """A group for each row, left or right."""
    return (X[:, 0] > 0).astype(int)


def answers(mixture, X):
    """The numbers that a mixture predicts."""
    return getattr(mixture, "predict_proba", mixture.predict)(X)


def assert_same_model(one, other, X, **tolerance):
    np.testing.assert_allclose(answers(one, X), answers(other, X), **tolerance)
    np.testing.assert_allclose(one.predict_gate(X), other.predict_gate(X), **tolerance)


@pytest.fixture(scope="module", params=PROBLEMS)
def fitted(request):
    """A mixture fitted with weights, and what it was fitted to; not to be changed."""
    X, y = PROBLEMS[request.param]()
    weights = np.random.default_rng(1).uniform(0.5, 2, len(y))
    mixture = request.param(n_experts=3, random_state=0).fit(X, y, weights)
    return mixture, X, y, weights


# Experts


@pytest.mark.parametrize(
    ("Mixture", "kind"),
    [
        (MixtureOfExpertsRegressor, Ridge),
        (MixtureOfExpertsClassifier, LogisticRegression),
    ],
)
def test_the_default_experts_are_linear(Mixture, kind):
    mixture = Mixture(n_experts=2).fit(*PROBLEMS[Mixture]())
    assert [type(expert) for expert in mixture.experts_] == [kind, kind]


def test_one_estimator_becomes_n_experts_clones():
    expert = Ridge(alpha=3)
    X, y = regression()
    mixture = MixtureOfExpertsRegressor(expert, n_experts=2).fit(X, y)
    assert list(mixture.named_experts_) == ["expert0", "expert1"]
    assert list(mixture.named_experts_.values()) == mixture.experts_
    assert [fitted.alpha for fitted in mixture.experts_] == [3, 3]
    assert not hasattr(expert, "coef_")


def test_a_list_gives_each_expert_its_name_whatever_n_experts_says():
    X, y = regression()
    experts = [("line", Ridge()), ("steps", DecisionTreeRegressor(max_depth=2))]
    mixture = MixtureOfExpertsRegressor(experts, n_experts=7).fit(X, y)
    assert mixture.predict_gate(X).shape == (len(X), 2)
    assert mixture.named_experts_.line is mixture.experts_[0]
    assert mixture.named_experts_.steps is mixture.experts_[1]
    assert not hasattr(experts[0][1], "coef_")


@pytest.mark.parametrize(
    ("Mixture", "expert"),
    [
        (MixtureOfExpertsRegressor, RandomForestRegressor(5, max_depth=2)),
        (MixtureOfExpertsClassifier, RandomForestClassifier(5, max_depth=2)),
        (
            MixtureOfExpertsRegressor,
            make_pipeline(PolynomialFeatures(2), LinearRegression()),
        ),
        (
            MixtureOfExpertsClassifier,
            make_pipeline(PolynomialFeatures(2), LogisticRegression()),
        ),
    ],
    ids=["forest", "forest classifier", "pipeline", "pipeline classifier"],
)
def test_ensembles_and_pipelines_are_experts_like_any_other(Mixture, expert):
    X, y = PROBLEMS[Mixture]()
    mixture = Mixture(expert, n_experts=2, random_state=0, tol=1e-2).fit(X, y)
    assert mixture.score(X, y) > 0.75


@both
@pytest.mark.parametrize("as_list", [False, True])
def test_a_mixture_of_one_is_the_bare_expert(Mixture, as_list):
    X, y = PROBLEMS[Mixture]()
    weights = np.random.default_rng(0).uniform(0.5, 2, len(y))
    expert = Mixture()._targets().default_expert()
    mixture = Mixture([("only", expert)] if as_list else expert, n_experts=1)
    mixture.fit(X, y, weights)
    bare = clone(expert).fit(X, y, weights)
    np.testing.assert_allclose(answers(mixture, X), answers(bare, X))
    np.testing.assert_array_equal(mixture.predict_gate(X), np.ones((len(X), 1)))


@both
def test_two_experts_explain_what_one_cannot(Mixture):
    X, y = PROBLEMS[Mixture]()
    alone = Mixture(n_experts=1).fit(X, y).score(X, y)
    assert Mixture(n_experts=2).fit(X, y).score(X, y) > alone + 0.15


# Combination


@both
def test_the_weighted_prediction_is_the_mean_under_the_gate(Mixture):
    X, y = PROBLEMS[Mixture]()
    mixture = Mixture(n_experts=2).fit(X, y)
    outputs = mixture.transform(X).reshape(len(X), 2, -1)
    expected = np.einsum("nk,nkc->nc", mixture.predict_gate(X), outputs)
    np.testing.assert_allclose(answers(mixture, X), expected.squeeze())


@both
def test_the_argmax_prediction_is_that_of_the_chosen_expert(Mixture):
    X, y = PROBLEMS[Mixture]()
    mixture = Mixture(n_experts=2, combination="argmax").fit(X, y)
    outputs = mixture.transform(X).reshape(len(X), 2, -1)
    expected = outputs[np.arange(len(X)), mixture.apply(X)]
    np.testing.assert_array_equal(answers(mixture, X), expected.squeeze())


@both
def test_combination_changes_predictions_only(Mixture):
    X, y = PROBLEMS[Mixture]()
    weighted = Mixture(n_experts=2, random_state=0).fit(X, y)
    argmax = Mixture(n_experts=2, random_state=0, combination="argmax").fit(X, y)
    np.testing.assert_array_equal(argmax.transform(X), weighted.transform(X))
    np.testing.assert_array_equal(
        argmax.score_samples(X, y), weighted.score_samples(X, y)
    )
    assert not np.array_equal(answers(argmax, X), answers(weighted, X))


# Sharing


def test_experts_are_fitted_to_responsibilities_of_which_a_part_is_shared():
    X, y = regression()
    mixture = MixtureOfExpertsRegressor(
        LinearRegression(), 2, sharing=0.2, tol=1e-13, max_iter=1000
    ).fit(X, y)
    weights = 0.8 * mixture.responsibilities(X, y) + 0.2 / 2
    for k, expert in enumerate(mixture.experts_):
        again = LinearRegression().fit(X, y, weights[:, k])
        np.testing.assert_allclose(again.coef_, expert.coef_, atol=1e-5)
        squares = (y - again.predict(X)) ** 2
        assert mixture.noise_.scale_[k] == pytest.approx(
            np.sqrt(np.average(squares, weights=weights[:, k])), abs=1e-5
        )


@both
def test_experts_that_share_almost_all_are_almost_one(Mixture):
    X, y = PROBLEMS[Mixture]()
    mixture = Mixture(n_experts=2, sharing=1 - 1e-6, random_state=0).fit(X, y)
    first, second = (expert.coef_ for expert in mixture.experts_)
    np.testing.assert_allclose(first, second, atol=1e-4)


@both
def test_without_sharing_the_objective_is_likelihood_less_the_gate_s_penalty(Mixture):
    X, y = PROBLEMS[Mixture]()
    mixture = Mixture(
        n_experts=2, gate=SoftmaxGate(alpha=0.01), sharing=0, random_state=0
    ).fit(X, y)
    # Two classes of the gate: the penalty is that of the one logit, on features of
    # unit spread.
    logit = (mixture.gate_.coef_[1] - mixture.gate_.coef_[0]) * X.std(axis=0)
    penalty = len(X) * mixture.gate_.alpha_ / 2 * np.sum(logit**2)
    assert mixture.objective_path_.max() == pytest.approx(
        mixture.log_likelihood_ - penalty
    )


# First responsibilities

INITS = {
    "tree": lambda X: "tree",
    "kmeans": lambda X: "kmeans",
    "random": lambda X: "random",
    "labels": side,
    "named labels": lambda X: np.array(["left", "right"])[side(X)].tolist(),
    "responsibilities": lambda X: 0.1 + 0.8 * np.eye(2)[side(X)],
    "clusterer": lambda X: KMeans(2),
    "soft clusterer": lambda X: GaussianMixture(2),
}
any_init = pytest.mark.parametrize("init", INITS)


@both
@any_init
def test_every_init_leads_to_a_mixture_of_all_experts(Mixture, init):
    X, y = PROBLEMS[Mixture]()
    mixture = Mixture(n_experts=2, init=INITS[init](X), random_state=0).fit(X, y)
    assert mixture.converged_ is True
    assert mixture.expert_share_.min() > 0.1
    assert np.isfinite(answers(mixture, X)).all()


@both
def test_the_first_experts_are_fitted_to_the_initial_groups(Mixture):
    X, y = PROBLEMS[Mixture]()
    mixture = Mixture(n_experts=2, init=side(X), sharing=0, max_iter=1)
    with pytest.warns(ConvergenceWarning):
        mixture.fit(X, y)
    for k, expert in enumerate(mixture.experts_):
        group = side(X) == k
        alone = Mixture()._targets().default_expert().set_params(tol=1e-8)
        alone.fit(X[group], y[group])
        np.testing.assert_allclose(expert.coef_, alone.coef_, rtol=1e-3)


@both
def test_labels_equal_certain_responsibilities(Mixture):
    X, y = PROBLEMS[Mixture]()
    by_label = Mixture(n_experts=2, init=side(X)).fit(X, y)
    certain = Mixture(n_experts=2, init=np.eye(2)[side(X)]).fit(X, y)
    assert_same_model(by_label, certain, X)


@both
@given(order=st.permutations(range(3)), seed=st.integers(0, 1000))
@settings(max_examples=5)
@may_retire_experts
def test_the_order_of_the_experts_does_not_matter(Mixture, order, seed):
    X, y = PROBLEMS[Mixture](seed)
    start = np.random.default_rng(seed).dirichlet(np.ones(3), len(X))
    mixture = Mixture(n_experts=3, init=start, max_iter=5, tol=1e9).fit(X, y)
    other = Mixture(n_experts=3, init=start[:, order], max_iter=5, tol=1e9).fit(X, y)
    np.testing.assert_allclose(answers(other, X), answers(mixture, X), atol=1e-6)
    np.testing.assert_allclose(
        other.predict_gate(X), mixture.predict_gate(X)[:, order], atol=1e-6
    )


def test_a_clusterer_sees_what_the_gate_sees():
    seen = []

    class Halves(ClusterMixin, BaseEstimator):
        def fit(self, X, y=None):
            seen.append(X)
            self.labels_ = (X[:, 0] > 0).astype(int)
            return self

    X, y = regression()
    gate = make_pipeline(FunctionTransformer(lambda X: X[:, :1]), SoftmaxGate())
    MixtureOfExpertsRegressor(n_experts=2, gate=gate, init=Halves()).fit(X, y)
    standardised = (X[:, :1] - X[:, 0].mean()) / X[:, 0].std()
    np.testing.assert_allclose(seen[0], standardised)


@both
def test_experts_may_begin_with_a_single_row(Mixture):
    X, y = PROBLEMS[Mixture](n_samples=400)
    labels = np.zeros(400)
    labels[:2] = 1, 2
    mixture = Mixture(n_experts=3, init=labels, random_state=0, tol=1e-3).fit(X, y)
    assert mixture.converged_
    assert mixture.expert_share_.min() > 2 / 400


def test_responsibilities_that_leave_out_an_expert_are_refused():
    X, y = regression()
    start = np.eye(3)[side(X)]
    with pytest.raises(ValueError, match=r"leave experts \[2\] without a row"):
        MixtureOfExpertsRegressor(n_experts=3, init=start).fit(X, y)


# Restarts, iterations


@both
def test_the_start_with_the_best_objective_is_kept(Mixture, capsys):
    X, y = PROBLEMS[Mixture](n_samples=60)
    mixture = Mixture(
        n_experts=3,
        init="random",
        n_init=4,
        random_state=1,
        tol=1e-3,
        verbose=1,
        **GIVEN,
    ).fit(X, y)
    printed = capsys.readouterr().out
    printed = re.findall(r"start (\d), .*objective ([-\d.e+]+)", printed)
    assert {start for start, _ in printed} == set("1234")
    objectives = [float(objective) for _, objective in printed]
    assert max(objectives) == pytest.approx(mixture.objective_path_.max(), rel=1e-5)
    first = [float(objective) for start, objective in printed if start == "1"]
    assert max(objectives) > max(first)


@both
@pytest.mark.parametrize("n_jobs", [None, 2])
def test_the_path_of_every_start_is_kept(Mixture, n_jobs, capsys):
    X, y = PROBLEMS[Mixture](n_samples=60)
    mixture = Mixture(
        n_experts=3,
        init="random",
        n_init=3,
        random_state=0,
        tol=1e-3,
        n_jobs=n_jobs,
        **GIVEN,
    )
    with joblib.parallel_config(backend="threading"):
        mixture.set_params(verbose=1).fit(X, y)
    printed = capsys.readouterr().out
    for start, path in enumerate(mixture.objective_paths_, start=1):
        # Threads may print two lines as one.
        line = rf"start {start}, (?:(?!start ).)*objective ([-\d.e+]+)"
        objectives = re.findall(line, printed)
        np.testing.assert_allclose(path, np.array(objectives, float), rtol=1e-5)
    assert len(mixture.objective_paths_) == 3
    best = np.argmax([path.max() for path in mixture.objective_paths_])
    np.testing.assert_array_equal(
        mixture.objective_paths_[best], mixture.objective_path_
    )


@both
def test_more_starts_are_never_worse(Mixture):
    X, y = PROBLEMS[Mixture](n_samples=60)
    best = [
        Mixture(
            n_experts=3,
            init="kmeans",
            n_init=n_init,
            random_state=0,
            tol=1e-3,
            **GIVEN,
        )
        .fit(X, y)
        .objective_path_.max()
        for n_init in (1, 2, 3)
    ]
    assert best == sorted(best)


@both
def test_stopping_at_max_iter_warns_and_leaves_a_working_mixture(Mixture):
    X, y = PROBLEMS[Mixture]()
    mixture = Mixture(n_experts=2, max_iter=2)
    with pytest.warns(ConvergenceWarning, match=r"max_iter=2 .*Increase max_iter") as w:
        mixture.fit(X, y)
    assert w[0].filename == __file__
    assert not mixture.converged_
    assert mixture.n_iter_ == len(mixture.objective_path_) == 2
    assert mixture.score(X, y) > 0.5


@both
def test_it_converges_when_the_mean_objective_changes_by_less_than_tol(Mixture):
    X, y = PROBLEMS[Mixture]()
    mixture = Mixture(n_experts=2, tol=1e-3, **GIVEN).fit(X, y, np.full(len(y), 5.0))
    changes = np.diff(mixture.objective_path_) / (5 * len(y))
    assert mixture.converged_
    assert mixture.n_iter_ == len(mixture.objective_path_)
    assert abs(changes[-1]) < 1e-3
    assert (changes[:-1] >= 1e-3).all()


# Warm start


@both
@may_stop_early
def test_a_warm_start_goes_on_where_the_last_fit_ended(Mixture):
    X, y = PROBLEMS[Mixture]()
    params = {"n_experts": 2, "acceleration": None, "tol": 0}
    whole = Mixture(max_iter=7, **params).fit(X, y)
    parts = Mixture(max_iter=3, warm_start=True, **params).fit(X, y)
    first_path = parts.objective_path_
    parts.set_params(max_iter=4).fit(X, y)
    # The steps of the gate know what those before have found, but for the first.
    np.testing.assert_allclose(
        np.r_[first_path, parts.objective_path_], whole.objective_path_, rtol=1e-3
    )
    assert_same_model(parts, whole, X, atol=0.05)


@both
def test_a_warm_start_of_a_converged_mixture_stops_at_once(Mixture):
    X, y = PROBLEMS[Mixture]()
    mixture = Mixture(n_experts=2, warm_start=True, **GIVEN).fit(X, y)
    before = clone(mixture).fit(X, y)
    assert mixture.fit(X, y).n_iter_ == 1
    assert mixture.converged_
    assert_same_model(mixture, before, X, atol=0.05)


@both
@pytest.mark.parametrize("changed", [{}, {"cv": 3}, {"acceleration": "squarem"}])
def test_warm_starts_of_one_iteration_each_converge(Mixture, changed):
    X, y = PROBLEMS[Mixture]()
    params = {"max_iter": 1, "tol": 1e-3, "warm_start": True, "random_state": 0}
    mixture = Mixture(n_experts=2, **params, **changed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        objectives = [mixture.fit(X, y).objective_path_.max()]
        while not mixture.converged_ and len(objectives) < 50:
            objectives.append(mixture.fit(X, y).objective_path_.max())
    assert mixture.converged_
    assert len(objectives) > 2
    assert np.diff(objectives).min() >= 0


def test_warm_starts_of_few_iterations_do_not_revive_the_same_experts_for_ever():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(150, 2))
    y = np.where(X[:, 0] > 0, 2 * X[:, 1], -2 * X[:, 1]) + 0.3 * rng.normal(size=150)
    # Two of four experts have no rows: what revives them takes more than three
    # iterations to be as good as it was without.
    mixture = MixtureOfExpertsRegressor(
        max_iter=3, tol=1e-3, warm_start=True, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        objectives = [mixture.fit(X, y).objective_path_.max()]
        while not mixture.converged_ and len(objectives) < 40:
            objectives.append(mixture.fit(X, y).objective_path_.max())
    assert mixture.converged_
    assert np.diff(objectives).min() >= 0


# EM with trees does not climb from each of its iterations to the next.
TREES = {
    MixtureOfExpertsRegressor: DecisionTreeRegressor(max_depth=2),
    MixtureOfExpertsClassifier: DecisionTreeClassifier(max_depth=2),
}


@both
@pytest.mark.parametrize(
    "changed",
    [{"sharing": 0}, {"sharing": 0.2, "gate": SoftmaxGate(alpha=0.1)}, {"cv": 3}],
    ids=["plain", "penalised", "cross-fitted"],
)
def test_a_warm_start_never_ends_below_its_model(Mixture, changed):
    X, y = PROBLEMS[Mixture](seed=1)
    mixture = Mixture(
        TREES[Mixture], n_experts=2, warm_start=True, random_state=0, **changed
    )
    weights = np.linspace(0.5, 1.5, len(y))
    objectives = [mixture.fit(X, y, weights).objective_path_.max() for _ in range(3)]
    assert np.diff(objectives).min() >= 0


@both
def test_a_warm_start_keeps_its_model_where_no_iteration_is_as_good(Mixture):
    X, y = PROBLEMS[Mixture](seed=6)
    mixture = Mixture(
        TREES[Mixture],
        n_experts=2,
        gate=SoftmaxGate(alpha=0.05),
        sharing=0,
        warm_start=True,
        random_state=0,
    ).fit(X, y)
    before = deepcopy(mixture)
    mixture.fit(X, y)
    assert mixture.converged_
    assert mixture.objective_path_[0] == before.objective_path_.max()
    assert mixture.objective_path_[1:].max() < mixture.objective_path_[0]
    assert len(mixture.objective_path_) == mixture.n_iter_ + 1
    for name in ("log_likelihood_", "expert_share_", "expert_load_"):
        np.testing.assert_array_equal(getattr(mixture, name), getattr(before, name))
    assert_same_model(mixture, before, X, rtol=0)


def test_on_other_rows_a_warm_start_ends_no_lower_than_its_model_does_there():
    X, y = regression()
    mixture = MixtureOfExpertsRegressor(
        DecisionTreeRegressor(max_depth=2),
        n_experts=2,
        sharing=0,
        gate=SoftmaxGate(alpha=1e-12),
        cv=None,
        warm_start=True,
        random_state=0,
    ).fit(X, y)
    rng = np.random.default_rng(0)
    for _ in range(4):
        rows = rng.choice(len(y), len(y))
        there = mixture.score_samples(X[rows], y[rows]).sum()
        mixture.fit(X[rows], y[rows])
        again = mixture.score_samples(X[rows], y[rows]).sum()
        assert again == pytest.approx(mixture.log_likelihood_)
        assert again >= there - 1e-6


@pytest.mark.parametrize(
    "changed",
    [{"experts__max_depth": 1}, {"gate__alpha": 1.0}, {"noise": "laplace"}],
    ids=str,
)
@may_stop_early
def test_a_warm_start_with_other_parameters_keeps_no_model_of_the_old_ones(changed):
    X, y = regression()
    mixture = MixtureOfExpertsRegressor(
        DecisionTreeRegressor(max_depth=3),
        n_experts=2,
        gate=SoftmaxGate(alpha=0.01),
        max_iter=10,
        warm_start=True,
        random_state=0,
    ).fit(X, y)
    mixture.set_params(**changed).fit(X, y)
    assert len(mixture.objective_path_) == mixture.n_iter_
    assert {e.max_depth for e in mixture.experts_} == {mixture.experts.max_depth}


@both
def test_without_warm_start_fit_forgets(Mixture):
    X, y = PROBLEMS[Mixture]()
    mixture = Mixture(n_experts=2, random_state=0).fit(*PROBLEMS[Mixture](seed=1))
    fresh = Mixture(n_experts=2, random_state=0).fit(X, y)
    assert_same_model(mixture.fit(X, y), fresh, X, rtol=0)


def test_a_warm_start_goes_on_with_new_rows_of_the_same_kind():
    mixture = MixtureOfExpertsRegressor(n_experts=2, warm_start=True)
    cold = mixture.fit(*regression(seed=0)).n_iter_
    X, y = regression(seed=1, n_samples=200)
    assert mixture.fit(X, y).n_iter_ < cold
    again = clone(mixture).fit(X, y)
    assert mixture.log_likelihood_ > again.log_likelihood_ - 0.01 * len(y)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"n_experts": 3}, "number of experts was 2 and is 3"),
        ({"X": regression()[0][:, :1]}, "number of features was 2 and is 1"),
        ({"y": np.where(classification()[1], 5, 6)}, "classes was .*Set warm_start"),
    ],
    ids=["experts", "features", "classes"],
)
def test_a_warm_start_refuses_another_problem(changed, message):
    X, y = classification()
    mixture = MixtureOfExpertsClassifier(n_experts=2, warm_start=True).fit(X, y)
    before = mixture.predict_proba(X)
    mixture.set_params(n_experts=changed.get("n_experts", 2))
    with pytest.raises(ValueError, match=message):
        mixture.fit(changed.get("X", X), changed.get("y", y))
    np.testing.assert_array_equal(mixture.predict_proba(X), before)


def test_a_warm_start_refuses_another_number_of_outputs():
    X, y = regression()
    mixture = MixtureOfExpertsRegressor(n_experts=2, warm_start=True).fit(X, y)
    with pytest.raises(ValueError, match=r"shape of a target was \(\) and is \(2,\)"):
        mixture.fit(X, np.column_stack([y, y]))


@may_retire_experts
def test_a_warm_start_goes_on_from_retired_experts():
    X = np.linspace(-2, 2, 60).reshape(-1, 1)
    y = np.abs(X[:, 0]) + 0.1 * np.random.default_rng(0).standard_normal(60)
    mixture = MixtureOfExpertsRegressor(
        n_experts=8, warm_start=True, random_state=0, tol=1e-4, **GIVEN
    ).fit(X, y)
    assert np.sum(mixture.expert_share_ == 0) > 1
    objective = mixture.objective_path_.max()
    # They are retired again, and the others go on.
    assert mixture.fit(X, y).objective_path_.max() > objective - 1e-3 * len(y)


# Randomness


@both
@any_init
def test_the_same_seed_gives_the_same_mixture(Mixture, init):
    X, y = PROBLEMS[Mixture]()
    mixture = Mixture(
        n_experts=2, init=INITS[init](X), n_init=2, random_state=3, tol=1e-2
    )
    assert_same_model(clone(mixture).fit(X, y), mixture.fit(X, y), X, rtol=0)


def test_experts_draw_their_seeds_from_that_of_the_mixture():
    X, y = regression()
    tree = DecisionTreeRegressor(max_depth=3, splitter="random")
    mixture = MixtureOfExpertsRegressor(tree, n_experts=2, random_state=0)
    mixture.fit(X, y)
    seeds = [expert.random_state for expert in mixture.experts_]
    assert len(set(seeds)) == 2
    assert tree.random_state is None
    assert_same_model(clone(mixture).fit(X, y), mixture, X, rtol=0)


def test_the_seed_of_an_expert_is_kept():
    X, y = classification()
    tree = DecisionTreeClassifier(max_depth=2, random_state=7)
    mixture = MixtureOfExpertsClassifier(tree, n_experts=2, random_state=0).fit(X, y)
    assert [expert.random_state for expert in mixture.experts_] == [7, 7]


def test_a_random_state_instance_moves_on():
    X, y = regression()
    state = np.random.RandomState(0)
    mixture = MixtureOfExpertsRegressor(n_experts=3, init="random", random_state=state)
    first = mixture.fit(X, y).objective_path_[0]
    assert mixture.fit(X, y).objective_path_[0] != first


# Weights


@both
@given(init=st.sampled_from(sorted(INITS)), seed=st.integers(0, 1000))
@may_retire_experts
@may_stop_early
def test_a_weight_of_two_equals_the_row_twice_and_of_zero_no_row(Mixture, init, seed):
    X, y = PROBLEMS[Mixture](seed)
    weights = np.random.default_rng(seed).integers(0, 4, len(y))
    if init == "soft clusterer":
        # A GaussianMixture takes no weights.
        weights = np.minimum(weights, 1)
    start = INITS[init](X)
    repeated_start = start
    if not (isinstance(start, str) or hasattr(start, "fit")):
        repeated_start = np.repeat(np.asarray(start), weights, axis=0)
    settings_ = {"n_experts": 2, "random_state": seed, "max_iter": 5}
    weighted = Mixture(init=start, **settings_).fit(X, y, weights)
    repeated = Mixture(init=repeated_start, **settings_).fit(
        np.repeat(X, weights, axis=0), np.repeat(y, weights)
    )
    assert_same_model(weighted, repeated, X, atol=1e-5)
    assert weighted.log_likelihood_ == pytest.approx(repeated.log_likelihood_)


def test_a_class_without_weight_has_no_probability():
    X, y = classification()
    labels, weights = np.where(np.arange(len(y)) % 3, y, 9), np.ones(len(y))
    weights[labels == 9] = 0
    # The class without weight comes first, in the order of the labels.
    fitted = MixtureOfExpertsClassifier(n_experts=2, random_state=0)
    fitted.fit(X, -labels, weights)
    assert fitted.predict_proba(X).shape == (len(y), 2)
    without = clone(fitted).fit(X[labels != 9], -labels[labels != 9])
    assert_same_model(fitted, without, X, rtol=0)


@both
def test_equal_weights_equal_none(Mixture):
    X, y = PROBLEMS[Mixture]()
    mixture = Mixture(n_experts=2, random_state=0)
    unweighted = clone(mixture).fit(X, y)
    assert_same_model(mixture.fit(X, y, np.ones(len(y))), unweighted, X, rtol=0)


def test_the_unit_of_the_weights_does_not_matter_where_strengths_are_given():
    X, y = regression()
    weights = np.random.default_rng(0).uniform(0.5, 2, len(y))
    mixture = MixtureOfExpertsRegressor(
        LinearRegression(), 2, gate=SoftmaxGate(1e-3), sharing=0.05, random_state=0
    )
    once = clone(mixture).fit(X, y, weights)
    thrice = mixture.fit(X, y, 3 * weights)
    assert_same_model(once, thrice, X, atol=1e-8)
    assert thrice.log_likelihood_ == pytest.approx(3 * once.log_likelihood_)


def test_score_is_the_weighted_metric(fitted):
    mixture, X, y, weights = fitted
    metric = accuracy_score if hasattr(mixture, "classes_") else r2_score
    expected = metric(y, mixture.predict(X), sample_weight=weights)
    assert mixture.score(X, y, weights) == expected
    assert mixture.score(X, y, weights) != mixture.score(X, y)


def test_fitted_sums_are_weighted(fitted):
    mixture, X, y, weights = fitted
    assert mixture.log_likelihood_ == pytest.approx(
        weights @ mixture.score_samples(X, y)
    )
    np.testing.assert_allclose(
        mixture.expert_share_,
        np.average(mixture.responsibilities(X, y), axis=0, weights=weights),
    )


# Predictions


def test_weights_of_gate_and_responsibilities_are_distributions(fitted):
    mixture, X, y, _ = fitted
    for weights in (mixture.predict_gate(X), mixture.responsibilities(X, y)):
        assert weights.shape == (len(X), 3)
        assert weights.min() >= 0
        np.testing.assert_allclose(weights.sum(axis=1), 1)


def test_the_gate_s_weights_are_those_of_the_fitted_gate(fitted):
    mixture, X, _, _ = fitted
    np.testing.assert_array_equal(
        mixture.predict_gate(X), mixture.gate_.predict_proba(X)
    )


def test_apply_is_the_expert_that_the_gate_trusts_most(fitted):
    mixture, X, _, _ = fitted
    np.testing.assert_array_equal(
        mixture.apply(X), mixture.predict_gate(X).argmax(axis=1)
    )


def density_of_each_expert(mixture, X, y):
    """p_k(y | x), stated from the public predictions."""
    outputs = mixture.transform(X)
    if isinstance(mixture, MixtureOfExpertsRegressor):
        return stats.norm.pdf(y[:, np.newaxis], outputs, mixture.noise_.scale_)
    outputs = outputs.reshape(len(X), -1, len(mixture.classes_))
    return outputs[np.arange(len(X)), :, np.searchsorted(mixture.classes_, y)]


def test_responsibilities_follow_bayes_rule(fitted):
    mixture, X, y, _ = fitted
    joint = mixture.predict_gate(X) * density_of_each_expert(mixture, X, y)
    np.testing.assert_allclose(
        mixture.responsibilities(X, y),
        joint / joint.sum(axis=1, keepdims=True),
        atol=1e-12,
    )


def test_score_samples_is_the_log_density_of_the_mixture(fitted):
    mixture, X, y, _ = fitted
    joint = mixture.predict_gate(X) * density_of_each_expert(mixture, X, y)
    np.testing.assert_allclose(
        mixture.score_samples(X, y), np.log(joint.sum(axis=1)), atol=1e-10
    )


def test_score_samples_without_y_is_about_the_predictions(fitted):
    mixture, X, _, _ = fitted
    np.testing.assert_array_equal(
        mixture.score_samples(X), mixture.score_samples(X, mixture.predict(X))
    )


@pytest.fixture(scope="module")
def three_planes():
    return MixtureOfExpertsRegressor(n_experts=3, random_state=0).fit(*regression())


@given(x=st.tuples(st.floats(-3, 3), st.floats(-3, 3)))
def test_the_density_of_the_regressor_integrates_to_one(three_planes, x):
    mixture = three_planes
    centres = mixture.transform([x])
    margin = 10 * mixture.noise_.scale_.max()
    grid = np.linspace(centres.min() - margin, centres.max() + margin, 5000)
    density = np.exp(mixture.score_samples(np.tile(x, (len(grid), 1)), grid))
    assert np.trapezoid(density, grid) == pytest.approx(1, abs=1e-6)


def test_the_weighted_classifier_predicts_its_density():
    X, y = classification()
    mixture = MixtureOfExpertsClassifier(n_experts=3, random_state=0).fit(X, y)
    density = [
        np.exp(mixture.score_samples(X, np.full(len(X), label)))
        for label in mixture.classes_
    ]
    np.testing.assert_allclose(mixture.predict_proba(X), np.transpose(density))


@pytest.mark.parametrize("combination", ["weighted", "argmax"])
def test_probabilities_sum_to_one_and_decide_the_class(combination):
    X, y = classification()
    mixture = MixtureOfExpertsClassifier(3, 2, combination=combination)
    mixture = mixture.set_params(experts=None).fit(X, y)
    probabilities = mixture.predict_proba(X)
    assert probabilities.shape == (len(X), 2)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    np.testing.assert_array_equal(
        mixture.predict(X), mixture.classes_[probabilities.argmax(axis=1)]
    )


class SinglePrecision(LogisticRegression):
    """It answers in single precision, as boosting of other libraries does."""

    def predict_proba(self, X):
        return super().predict_proba(X).astype(np.float32)


@pytest.fixture(
    scope="module",
    params=[
        LogisticRegression(),
        GaussianNB(),
        DecisionTreeClassifier(max_depth=2),
        LinearSVC(),
        SinglePrecision(),
        [
            ("line", LogisticRegression()),
            ("votes", LinearSVC()),
            ("bayes", GaussianNB()),
        ],
    ],
    ids=["logistic", "bayes", "tree", "votes", "single precision", "unlike"],
)
def four_classes(request):
    X = np.random.default_rng(0).uniform(-2, 2, (120, 2))
    y = (X > 0) @ [2, 1]
    mixture = MixtureOfExpertsClassifier(
        request.param, n_experts=3, tol=1e-2, random_state=0
    )
    return mixture.fit(X, y)


@given(
    x=st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)),
    dtype=st.sampled_from([np.float64, np.int64]),
    combination=st.sampled_from(["weighted", "argmax"]),
    top_k=st.sampled_from([None, 2]),
)
@settings(max_examples=50)
def test_probabilities_sum_to_one_as_exactly_as_doubles_can(
    four_classes, x, dtype, combination, top_k
):
    four_classes.set_params(combination=combination, top_k=top_k)
    [probabilities] = four_classes.predict_proba(np.array([x]).astype(dtype))
    assert probabilities.min() >= 0
    assert probabilities.sum() == pytest.approx(1, abs=1e-12)


def test_double_probabilities_of_single_precision_rows_sum_to_one():
    X, y = classification()
    mixture = MixtureOfExpertsClassifier(LinearSVC(), n_experts=2, random_state=0)
    probabilities = mixture.fit(X, y).predict_proba(X.astype(np.float32))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-12)


def test_the_log_of_an_impossible_class_is_minus_infinity():
    X = np.arange(8.0).reshape(-1, 1)
    tree = DecisionTreeClassifier(max_depth=1)
    mixture = MixtureOfExpertsClassifier(tree, n_experts=1).fit(X, np.arange(8) > 3)
    log_probabilities = mixture.predict_log_proba(X)
    np.testing.assert_array_equal(np.exp(log_probabilities), mixture.predict_proba(X))
    assert np.isneginf(log_probabilities[0, 1])


def test_transform_of_the_regressor_holds_the_predictions_of_each_expert():
    X, y = regression()
    experts = [("line", Ridge()), ("steps", DecisionTreeRegressor(max_depth=2))]
    mixture = MixtureOfExpertsRegressor(experts).fit(X, y)
    np.testing.assert_array_equal(
        mixture.transform(X),
        np.transpose([expert.predict(X) for expert in mixture.experts_]),
    )
    assert mixture.get_feature_names_out().tolist() == [
        "mixtureofexpertsregressor_line",
        "mixtureofexpertsregressor_steps",
    ]


def test_transform_of_the_classifier_holds_the_probabilities_of_each_expert():
    X, y = classification()
    mixture = MixtureOfExpertsClassifier(n_experts=2).fit(X, np.array(["a", "b"])[y])
    np.testing.assert_array_equal(
        mixture.transform(X),
        np.hstack([expert.predict_proba(X) for expert in mixture.experts_]),
    )
    assert mixture.get_feature_names_out().tolist() == [
        f"mixtureofexpertsclassifier_{expert}_{label}"
        for expert in ("expert0", "expert1")
        for label in ("a", "b")
    ]


@both
def test_fit_transform_is_fit_then_transform(Mixture):
    X, y = PROBLEMS[Mixture]()
    mixture = Mixture(n_experts=2, random_state=0)
    np.testing.assert_array_equal(
        clone(mixture).fit_transform(X, y), mixture.fit(X, y).transform(X)
    )


def test_an_expert_that_saw_fewer_classes_gives_the_others_no_probability():
    rng = np.random.default_rng(0)
    X = np.r_[rng.uniform(-2, -1, (40, 1)), rng.uniform(1, 2, (40, 1))]
    y = np.r_[np.tile(["a", "b"], 20), np.tile(["c", "b"], 20)]

    class Nearby(LogisticRegression):
        """Looks at the rows of its own only."""

        def fit(self, X, y, sample_weight=None):
            if sample_weight is None:
                return super().fit(X, y)
            own = sample_weight > 0.5
            return super().fit(X[own], y[own])

    mixture = MixtureOfExpertsClassifier(Nearby(), 2, init=X[:, 0] > 0).fit(X, y)
    assert [len(expert.classes_) for expert in mixture.experts_] == [2, 2]
    outputs = mixture.transform(X).reshape(80, 2, 3)
    assert (outputs[:, 0, 2] == 0).all()
    assert (outputs[:, 1, 0] == 0).all()
    np.testing.assert_allclose(mixture.predict_proba(X).sum(axis=1), 1)
    assert set(mixture.predict(X)) <= {"a", "b", "c"}


@both
@given(seed=st.integers(0, 1000))
@settings(max_examples=5)
@may_retire_experts
def test_the_order_of_the_rows_does_not_matter(Mixture, seed):
    X, y = PROBLEMS[Mixture](seed)
    order = np.random.default_rng(seed).permutation(len(y))
    mixture = Mixture(n_experts=3, random_state=0, tol=1e-2).fit(X, y)
    permuted = Mixture(n_experts=3, random_state=0, tol=1e-2).fit(X[order], y[order])
    assert_same_model(permuted, mixture, X, atol=1e-5)


@pytest.mark.parametrize(
    ("Mixture", "dtype"),
    [
        (MixtureOfExpertsRegressor, np.float32),
        (MixtureOfExpertsRegressor, np.float64),
        pytest.param(
            MixtureOfExpertsClassifier,
            np.float32,
            marks=needs("1.9", "LogisticRegression in single precision"),
        ),
        (MixtureOfExpertsClassifier, np.float64),
    ],
)
def test_predictions_have_the_dtype_of_the_rows(Mixture, dtype):
    X, y = PROBLEMS[Mixture]()
    X = X.astype(dtype)
    mixture = Mixture(n_experts=2).fit(X, y.astype(dtype))
    assert answers(mixture, X).dtype == dtype
    assert mixture.predict_gate(X).dtype == dtype


# Attributes


def documented_attributes(Mixture):
    section = re.search(
        r"Attributes\n-+\n(.*?)\n\n", inspect.getdoc(Mixture), flags=re.DOTALL
    )
    return set(re.findall(r"^(\w+) : ", section[1], flags=re.MULTILINE))


@both
def test_the_fitted_attributes_are_those_documented(Mixture):
    pandas = pytest.importorskip("pandas")
    X, y = PROBLEMS[Mixture]()
    mixture = Mixture(n_experts=2).fit(pandas.DataFrame(X, columns=["a", "b"]), y)
    attributes = {
        name for name in dir(mixture) if re.fullmatch(r"[a-z]\w*[a-z]_", name)
    }
    assert attributes == documented_attributes(Mixture)


@both
def test_there_are_no_fitted_attributes_before_fit(Mixture):
    attributes = documented_attributes(Mixture)
    assert not [name for name in attributes if hasattr(Mixture(), name)]


# Parameters of the parts


def test_the_parameters_of_the_parts_are_reached_by_name():
    mixture = MixtureOfExpertsRegressor(Ridge(alpha=2), gate=SoftmaxGate(alpha=3))
    params = mixture.get_params()
    assert (params["experts__alpha"], params["gate__alpha"]) == (2, 3)
    mixture.set_params(experts__alpha=4, gate__alpha=5)
    assert (mixture.experts.alpha, mixture.gate.alpha) == (4, 5)


def test_the_parameters_of_named_experts_are_reached_by_name():
    mixture = MixtureOfExpertsRegressor([("ridge", Ridge()), ("lasso", Lasso())])
    mixture.set_params(ridge__alpha=2, lasso__alpha=3, n_experts=5)
    params = mixture.get_params()
    assert (params["ridge__alpha"], params["lasso__alpha"]) == (2, 3)
    assert mixture.n_experts == 5


def test_an_expert_of_a_classifier_may_be_called_noise():
    experts = [("noise", LogisticRegression()), ("other", LogisticRegression())]
    mixture = MixtureOfExpertsClassifier(experts).set_params(noise__C=2)
    assert dict(mixture.experts)["noise"].C == 2


def test_a_named_expert_is_replaced_by_name():
    experts = [("first", Ridge()), ("second", Ridge())]
    mixture = MixtureOfExpertsRegressor(experts).set_params(second=Lasso(alpha=3))
    assert [type(expert) for _, expert in mixture.experts] == [Ridge, Lasso]
    assert isinstance(experts[1][1], Ridge)


@both
@pytest.mark.parametrize("given_none", [{}, {"experts": None, "gate": None}])
def test_the_parameters_of_a_part_that_is_none_are_those_of_its_default(
    Mixture, given_none
):
    mixture = Mixture().set_params(**given_none, experts__tol=0.5, gate__alpha=0.25)
    assert type(mixture.experts) is type(Mixture()._targets().default_expert())
    assert mixture.experts.tol == 0.5
    assert isinstance(mixture.gate, SoftmaxGate)
    assert mixture.gate.alpha == 0.25


def test_the_penalty_of_the_gate_is_felt():
    X, y = regression()
    mixture = MixtureOfExpertsRegressor(n_experts=2).fit(X, y)
    steep = np.ptp(mixture.predict_gate(X)[:, 0])
    flat = np.ptp(mixture.set_params(gate__alpha=100).fit(X, y).predict_gate(X)[:, 0])
    assert flat < 0.01 < 0.5 < steep


@pytest.mark.parametrize(
    ("experts", "gate", "params"),
    [
        (None, None, {"experts__alpha": 2, "gate__alpha": 2}),
        (Ridge(), SoftmaxGate(), {"experts__alpha": 2, "gate__alpha": 2}),
        ([("ridge", Ridge())], None, {"ridge__alpha": 2, "gate__alpha": 2}),
        ([("ridge", Ridge())], None, {"ridge": Lasso()}),
        (make_pipeline(Ridge()), None, {"experts__ridge__alpha": 2}),
        (None, make_pipeline(SoftmaxGate()), {"gate__softmaxgate__alpha": 2}),
    ],
    ids=["none", "single", "list", "replaced", "pipeline", "gate pipeline"],
)
def test_parameters_set_on_a_clone_leave_the_original_alone(experts, gate, params):
    original = MixtureOfExpertsRegressor(experts, gate=gate)
    before = str(original.get_params())
    copy = clone(original).set_params(**params)
    assert str(original.get_params()) == before
    assert str(copy.get_params()) != before


@pytest.mark.parametrize("name", ["n_expert", "experts__alpa", "gate__alpa"])
def test_unknown_parameters_are_refused(name):
    with pytest.raises(ValueError, match="Invalid parameter"):
        MixtureOfExpertsRegressor().set_params(**{name: 1})
