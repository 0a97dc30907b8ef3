"""The number of experts, chosen by rows held out."""

import joblib
import numpy as np
import pandas as pd
import pytest
from _versions import has_callbacks
from sklearn import config_context
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, Ridge, SGDClassifier, SGDRegressor
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_moe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor
from sklearn_moe._number_of_experts import Trials, double
from sklearn_moe.inspection import NumberOfExpertsDisplay, describe
from sklearn_moe.model_selection import select_n_experts


def two_lines(n_samples=100, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, (n_samples, 2))
    return X, np.where(X[:, 0] > 0, 3, -3) * X[:, 1] + 0.3 * rng.normal(size=n_samples)


def one_line(n_samples=100, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, (n_samples, 2))
    return X, X[:, 1] + 0.3 * rng.normal(size=n_samples)


def regressor(experts=None, **params):
    params = {"n_experts": "auto", "tol": 1e-2, "random_state": 0} | params
    return MixtureOfExpertsRegressor(experts, **params)


def classifier(experts=None, **params):
    params = {"n_experts": "auto", "tol": 1e-2, "random_state": 0} | params
    return MixtureOfExpertsClassifier(experts, **params)


class Recorder(Ridge):
    """Ridge regression that notes how many rows it is given, and their marks."""

    fits = []

    def fit(self, X, y, sample_weight=None, marks=None):
        self.fits.append((len(X), None if marks is None else len(marks)))
        return super().fit(X, y, sample_weight)


# The rule
# --------


def trials(*log_densities, weights=None):
    numbers = [2**k for k in range(len(log_densities))]
    values = [np.array(own, dtype=float) for own in log_densities]
    weights = np.ones(len(values[0])) if weights is None else np.array(weights)
    return Trials(numbers, values, weights)


def test_differences_to_the_best_have_the_standard_error_of_a_mean():
    one, two = np.array([0.0, 1.0, 5.0]), np.array([1.0, 3.0, 5.0])
    differences, errors = trials(one, two).differences()
    np.testing.assert_allclose(differences, [1, 0])
    np.testing.assert_allclose(errors, [np.std(two - one, ddof=1) / np.sqrt(3), 0])


def test_a_weight_of_two_equals_the_row_held_out_twice():
    one, two = np.array([0.0, 1.0, 5.0]), np.array([1.0, 3.0, 5.0])
    rows = [0, 0, 1, 2]
    np.testing.assert_allclose(
        trials(one, two, weights=[2.0, 1, 1]).differences(),
        trials(one[rows], two[rows]).differences(),
    )


def test_the_smallest_number_within_a_standard_error_of_the_best_is_chosen():
    hard_for_all = np.array([-50.0, 0, 0, 0])
    gain = np.array([0.1, 0.1, 0.1, 0.3])
    # The error is that of the differences: rows that are hard for all do not blur it.
    assert trials(hard_for_all, hard_for_all + gain).chosen() == 2
    assert trials(hard_for_all, hard_for_all + gain * [1, -1, 1, -1]).chosen() == 1


def test_a_number_that_takes_a_target_for_impossible_is_not_chosen():
    assert trials([0, -np.inf, 0], [0, -1, 0]).chosen() == 2
    assert trials([0, -np.inf, 0], [1, -np.inf, 0]).chosen() == 1


def tried(means, largest=32):
    """The numbers that are tried where each has such a mean."""
    return double(lambda k: np.full(2, means[k]), np.ones(2), largest).numbers


def test_numbers_are_doubled_until_the_last_is_no_better():
    assert tried({1: 0, 2: 1, 4: 2, 8: 3, 16: 3}) == [1, 2, 4, 8, 16]
    assert tried({1: 0, 2: 1, 4: 2}, largest=5) == [1, 2, 4]


def test_four_experts_are_tried_where_two_are_of_no_use():
    assert tried({1: 0, 2: 0, 4: 0}) == [1, 2, 4]
    assert tried({1: 0, 2: -1, 4: 1, 8: 0}) == [1, 2, 4, 8]


def test_a_number_that_cannot_be_fitted_ends_the_trials_with_a_warning():
    def fails_from(first):
        def log_densities_of(number):
            if number >= first:
                raise ValueError("too few rows")
            return np.zeros(2)

        return double(log_densities_of, np.ones(2), 32)

    ended = fails_from(2)
    assert ended.numbers == [1]
    [(message, category)] = ended.warnings()
    assert "with 2 experts the fit failed. ValueError: too few rows" in message
    assert category is UserWarning
    with pytest.raises(ValueError, match="too few rows"):
        fails_from(1)


# Mixtures that choose
# --------------------


def test_two_lines_have_two_experts():
    X, y = two_lines()
    mixture = regressor().fit(X, y)
    assert mixture.n_experts_ == len(mixture.experts_) == 2
    assert mixture.n_experts == "auto"


def test_one_line_has_one_expert_and_says_so():
    X, y = one_line()
    mixture = regressor().fit(X, y)
    assert mixture.n_experts_ == 1
    assert mixture.n_experts_path_["n_experts"].tolist() == [1, 2]
    assert "gate: 1 expert, chosen among 1, 2<" in mixture._repr_html_()
    assert len(describe(mixture, X, y)) == 1


@pytest.mark.parametrize("several", [False, True])
def test_classes_choose_as_well(several):
    X, y = two_lines() if several else one_line(200)
    mixture = classifier().fit(X, np.where(y > 0, "high", "low"))
    assert (mixture.n_experts_ > 1) == several


def test_the_path_tells_how_far_each_number_is_below_the_best():
    path = regressor().fit(*two_lines()).n_experts_path_
    assert list(path) == ["n_experts", "log_likelihood", "difference", "standard_error"]
    best = path["log_likelihood"].argmax()
    np.testing.assert_allclose(
        path["difference"], path["log_likelihood"][best] - path["log_likelihood"]
    )
    assert path["standard_error"][best] == 0
    assert path["difference"][0] > path["standard_error"][0] > 0


@pytest.mark.parametrize("seed", [0, np.random.RandomState(0)], ids=["int", "state"])
def test_the_fit_is_that_of_the_number_had_it_been_given(seed):
    X, y = two_lines()
    given = regressor(n_experts=2, random_state=clone(seed, safe=False)).fit(X, y)
    chosen = regressor(random_state=seed).fit(X, y)
    assert given.n_experts_ == chosen.n_experts_ == 2
    assert given.n_experts_path_ is None
    np.testing.assert_array_equal(chosen.predict(X), given.predict(X))


def test_the_choice_does_not_depend_on_the_number_of_jobs():
    X, y = two_lines()
    alone = regressor().fit(X, y)
    with joblib.parallel_backend("threading"):
        together = regressor(n_jobs=2).fit(X, y)
    for name, values in alone.n_experts_path_.items():
        np.testing.assert_array_equal(together.n_experts_path_[name], values)


def test_a_weight_of_zero_equals_no_row():
    X, y = two_lines()
    outlier = np.r_[y, 1e6]
    weights = np.r_[np.ones(len(y)), 0]
    weighted = regressor().fit(np.r_[X, X[:1]], outlier, weights)
    assert weighted.n_experts_ == 2
    np.testing.assert_allclose(weighted.predict(X), regressor().fit(X, y).predict(X))


def test_few_rows_are_for_one_expert_and_nothing_is_tried():
    mixture = regressor().fit([[0.0], [1.0], [2.0]], [0.0, 1.0, 3.0])
    assert mixture.n_experts_ == 1
    assert np.isnan(mixture.n_experts_path_["log_likelihood"]).all()


def test_many_rows_hold_a_third_out_once():
    Recorder.fits.clear()
    X, y = one_line(420)
    regressor(Recorder(), cv=None, sharing=0.1).fit(X, y)
    assert {n_rows for n_rows, _ in Recorder.fits} == {280, 420}


def test_a_class_of_one_row_is_always_trained_on():
    X, y = one_line()
    y = np.where(y > 0, "high", "low").astype(object)
    y[0] = "once"
    assert classifier().fit(X, y).n_experts_ == 1


def test_trials_are_not_told_of():
    X, y = one_line()
    with pytest.warns(ConvergenceWarning) as told:
        # The fit that is kept has one expert, and does not converge in an iteration.
        regressor(max_iter=1, tol=0).fit(X, y)
    assert len(told) == 1


class Watcher:
    """Notes the tasks that end, and how many experts each is of."""

    def __init__(self):
        self.ended = []

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context, *, fitted_estimator):
        fitted = fitted_estimator
        self.ended.append((context.task_name, fitted.n_experts_))
        assert fitted.n_experts_path_["n_experts"].tolist() == [1, 2]


@has_callbacks
def test_callbacks_see_the_final_fit_alone():
    watcher = Watcher()
    mixture = regressor().set_callbacks(watcher).fit(*two_lines())
    iterations = [("EM iteration", 2)] * mixture.n_iter_
    assert watcher.ended == [*iterations, ("EM start", 2), ("fit", 2)]


def test_verbose_prints_the_final_fit_alone(capsys):
    mixture = regressor(verbose=1).fit(*two_lines())
    assert len(capsys.readouterr().out.splitlines()) == mixture.n_iter_


# Together with other parameters
# ------------------------------


def test_a_list_of_experts_has_its_own_number():
    X, y = two_lines()
    mixture = regressor([("a", Ridge()), ("b", Ridge(2))]).fit(X, y)
    assert mixture.n_experts_ == 2
    assert mixture.n_experts_path_ is None


@pytest.mark.parametrize(
    "init", [np.arange(100) % 2, KMeans(2)], ids=["labels", "clusterer"]
)
def test_a_start_for_one_number_is_refused(init):
    with pytest.raises(ValueError, match=r"n_experts='auto' tries.*'init'"):
        regressor(init=init).fit(*two_lines())


def test_a_frozen_gate_is_refused():
    X, y = two_lines()
    gate = FrozenEstimator(regressor(n_experts=2).fit(X, y).gate_)
    with pytest.raises(ValueError, match=r"n_experts='auto' tries.*'gate'"):
        regressor(gate=gate).fit(X, y)


def test_another_word_is_refused():
    with pytest.raises(ValueError, match=r"'n_experts' parameter.*'auto'"):
        regressor(n_experts="best").fit(*two_lines())


def test_a_refit_chooses_anew():
    mixture = regressor().fit(*two_lines())
    assert mixture.fit(*one_line()).n_experts_ == 1
    assert mixture.fit([[0.0], [1.0]], [0.0, 1.0]).n_experts_ == 1
    mixture.set_params(n_experts=2).fit(*two_lines())
    assert mixture.n_experts_ == 2
    assert mixture.n_experts_path_ is None


def test_a_fit_that_fails_leaves_the_choice_as_it_was():
    mixture = regressor().fit(*two_lines())
    with pytest.raises(ValueError, match="y contains"):
        mixture.fit([[0.0], [1.0]], [0.0, np.inf])
    assert mixture.n_experts_ == 2
    assert mixture.n_experts_path_["n_experts"][0] == 1


def test_a_warm_start_keeps_the_number():
    mixture = regressor(warm_start=True).fit(*two_lines())
    path = mixture.n_experts_path_
    mixture.fit(*two_lines(seed=1))
    assert mixture.n_experts_ == 2
    assert mixture.n_experts_path_ is path


def test_folds_that_are_given_hold_rows_out():
    X, y = two_lines()
    folds = GroupKFold(4).split(X, y, np.arange(100) // 5)
    Recorder.fits.clear()
    regressor(Recorder(), cv=list(folds), sharing=0.1, tol=0.1).fit(X, y)
    # All rows, those of three folds, and of two where the third is judged within.
    assert {n_rows for n_rows, _ in Recorder.fits} == {100, 75, 50}


def test_two_folds_that_are_given_are_enough():
    X, y = two_lines()
    folds = list(GroupKFold(2).split(X, y, np.arange(100) % 4))
    assert regressor(cv=folds).fit(X, y).n_experts_ == 2


def test_further_arguments_of_a_fit_reach_the_rows_of_a_trial():
    X, y = one_line()
    Recorder.fits.clear()
    with config_context(enable_metadata_routing=True):
        expert = Recorder().set_fit_request(marks=True, sample_weight=True)
        regressor(expert, sharing=0.1).fit(X, y, marks=np.arange(len(y)))
    assert len({n_rows for n_rows, _ in Recorder.fits}) > 1
    assert all(n_rows == n_marks for n_rows, n_marks in Recorder.fits)


@pytest.mark.filterwarnings("ignore:Experts .* lost their rows")
def test_the_number_can_be_searched_and_the_mixture_cloned():
    X, y = two_lines(200)
    search = GridSearchCV(regressor(tol=1e-2), {"n_experts": [1, "auto"]}, cv=2).fit(
        X, y
    )
    assert search.best_params_ == {"n_experts": "auto"}
    assert clone(search.best_estimator_).n_experts == "auto"


def test_a_mixture_in_a_mixture_chooses_for_itself():
    X, y = two_lines()
    outer = regressor(regressor(max_iter=20), n_experts=1).fit(X, y)
    assert outer.experts_[0].n_experts_ == 2


def test_frames_are_frames_in_trials():
    X, y = two_lines()
    frame = pd.DataFrame(X, columns=["side", "slope"])
    mixture = regressor(make_pipeline(StandardScaler(), Ridge())).fit(frame, y)
    assert mixture.n_experts_ == 2
    assert mixture.feature_names_in_.tolist() == ["side", "slope"]


# Streams
# -------


def test_a_stream_chooses_by_its_first_batch():
    X, y = two_lines(200)
    stream = regressor(SGDRegressor(random_state=0), max_iter=10)
    stream.partial_fit(X[:100], y[:100])
    path = stream.n_experts_path_
    assert stream.n_experts_ == len(stream.experts_) == 2
    stream.partial_fit(X[100:], y[100:])
    assert stream.n_experts_path_ is path


def test_a_stream_of_classes_need_not_have_all_of_them_in_its_first_batch():
    X, y = one_line()
    y = np.where(y > 0, "high", "low")
    expert = SGDClassifier(loss="log_loss", random_state=0)
    stream = classifier(expert, max_iter=5)
    stream.partial_fit(X, y, classes=["high", "low", "never"])
    assert stream.n_experts_ >= 1
    assert stream.classes_.tolist() == ["high", "low", "never"]


def test_a_cluster_refuses_to_choose():
    dask = pytest.importorskip("sklearn_moe.dask")
    da = pytest.importorskip("dask.array")
    X, y = map(da.from_array, two_lines())
    with pytest.raises(ValueError, match=r"'n_experts' parameter.*'auto'"):
        dask.MixtureOfExpertsRegressor(n_experts="auto").fit(X, y)


# The table of numbers
# --------------------


@pytest.fixture(scope="module")
def results():
    mixture = regressor(LinearRegression(), n_experts=3)
    settings = {"cv": 4, "one_standard_error": True, "random_state": 0}
    return select_n_experts(mixture, *two_lines(), "auto", **settings)


def test_the_table_has_the_numbers_of_the_path(results):
    assert results.index.tolist() == [1, 2]
    assert results["cv_difference"].min() == 0
    assert results.index[results["chosen"]].tolist() == [2]


def test_the_table_marks_the_smallest_number_within_a_standard_error(results):
    good = results["cv_difference"] <= results["cv_difference_error"]
    assert results["chosen"].idxmax() == good.idxmax()
    assert results["chosen"].sum() == 1


def test_numbers_may_be_given_in_any_order():
    mixture = MixtureOfExpertsRegressor(tol=1e-3, random_state=0)
    table = select_n_experts(
        mixture, *one_line(80), [2, 1], cv=2, one_standard_error=True, random_state=0
    )
    assert table.index[table["chosen"]].tolist() == [1]


def test_the_plot_marks_the_number_that_is_chosen(results):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    display = NumberOfExpertsDisplay.from_results(results)
    assert display.best_ == {"cv_log_likelihood": 2}
    pyplot.close("all")


@pytest.mark.parametrize(
    ("numbers", "one_standard_error"), [("auto", False), ([1], True)]
)
def test_without_rows_held_out_there_is_no_choice(numbers, one_standard_error):
    with pytest.raises(ValueError, match="cv=None holds none out"):
        select_n_experts(
            regressor(),
            *one_line(),
            numbers,
            cv=None,
            one_standard_error=one_standard_error,
        )
