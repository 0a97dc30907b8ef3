"""What is refused, in which words, and what a refused fit leaves behind."""

import functools
import itertools
from copy import deepcopy
from functools import partial

import joblib
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.cluster import KMeans
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Ridge, SGDRegressor
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR, LinearSVC
from sklearn.utils import get_tags

from sklearn_moe import (
    GaussianGate,
    MixtureOfExpertsClassifier,
    MixtureOfExpertsRegressor,
    SoftmaxGate,
)

MIXTURES = [MixtureOfExpertsRegressor, MixtureOfExpertsClassifier]
GATES = [SoftmaxGate, GaussianGate]
ESTIMATORS = [*MIXTURES, *GATES]
EVEN = np.full((40, 2), 0.5)
ONE_CLASS = r"at least 2 classes in y; got one class: 'low'"


def make(estimator_class, **params):
    """An estimator that fits the data of these tests without a warning."""
    if estimator_class in GATES:
        return estimator_class(**params)
    return estimator_class(**{"n_experts": 2, "tol": 1e-3, "random_state": 0, **params})


def data(estimator_class):
    """Two noisy regimes in the first column: 40 rows, 3 columns."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 3))
    y = np.abs(X[:, 0]) + 0.3 * rng.standard_normal(40)
    regression = estimator_class is MixtureOfExpertsRegressor
    return X, y if regression else np.where(y > 0.7, "high", "low")


@functools.cache
def fitted_once(estimator_class, *, frame=False):
    X, y = data(estimator_class)
    X = pd.DataFrame(X, columns=["x", "y", "z"]) if frame else X
    return make(estimator_class).fit(X, y)


def fitted(estimator_class, **params):
    """A fitted estimator, which a test may change."""
    if not params:
        return deepcopy(fitted_once(estimator_class))
    return make(estimator_class, **params).fit(*data(estimator_class))


def with_row(array, value, row=3):
    """A copy of the array with another row."""
    array = array.copy()
    array[row] = value
    return array


# Parameters
# ----------


@pytest.mark.parametrize("mixture", MIXTURES)
@pytest.mark.parametrize(
    ("parameter", "value", "allowed"),
    [
        ("init", "leaves", "a str among .*'tree'"),
        ("init", None, "fit_predict"),
        ("combination", "mean", "a str among .*'argmax'"),
        ("n_experts", 0, r"int in the range \[1, inf\)"),
        ("n_experts", 2.0, r"int in the range \[1, inf\)"),
        ("sharing", 1.0, r"in the range \[0.0, 1.0\)"),
        ("n_init", 0, r"int in the range \[1, inf\)"),
        ("max_iter", 0, r"int in the range \[1, inf\)"),
        ("tol", -1e-3, r"in the range \[0.0, inf\)"),
        ("warm_start", "yes", "bool"),
        ("random_state", "seed", "RandomState"),
        ("experts", "ridge", "implementing 'fit'"),
        ("gate", "softmax", "implementing 'fit'"),
    ],
)
def test_a_bad_parameter_is_named_with_what_is_allowed(
    mixture, parameter, value, allowed
):
    with pytest.raises(ValueError, match=f"The '{parameter}' parameter .*{allowed}"):
        make(mixture, **{parameter: value}).fit(*data(mixture))


@pytest.mark.parametrize("mixture", MIXTURES)
def test_more_experts_than_rows_are_refused(mixture):
    with pytest.raises(
        ValueError, match=r"n_experts=41 .*n_samples=40.*Lower n_experts"
    ):
        make(mixture, n_experts=41).fit(*data(mixture))


@pytest.mark.parametrize("mixture", MIXTURES)
def test_rows_without_weight_do_not_count_for_experts(mixture):
    X, y = data(mixture)
    with pytest.raises(ValueError, match=r"n_experts=3 .*positive weight, n_samples=2"):
        make(mixture, n_experts=3).fit(X, y, np.r_[1, 1, np.zeros(38)])


def test_a_longer_list_of_experts_than_rows_is_refused():
    experts = [(f"ridge{k}", Ridge()) for k in range(41)]
    with pytest.raises(ValueError, match=r"n_experts=41 is .*out of the 'experts'"):
        make(MixtureOfExpertsRegressor, experts=experts).fit(
            *data(MixtureOfExpertsRegressor)
        )


@pytest.mark.parametrize("mixture", MIXTURES)
def test_a_bad_parameter_of_the_gate_is_named(mixture):
    with pytest.raises(ValueError, match="The 'alpha' parameter of SoftmaxGate"):
        make(mixture, gate=SoftmaxGate(alpha=-1)).fit(*data(mixture))


@pytest.mark.parametrize(
    ("parameter", "value"),
    [("alpha", -1), ("max_iter", 0), ("tol", 0), ("warm_start", "yes")],
)
def test_a_bad_parameter_of_a_gate_alone_is_named(parameter, value):
    with pytest.raises(ValueError, match=f"The '{parameter}' parameter of SoftmaxGate"):
        SoftmaxGate(**{parameter: value}).fit(*data(SoftmaxGate))


@pytest.mark.parametrize("mixture", MIXTURES)
@pytest.mark.parametrize(
    "gate",
    [
        SoftmaxGate,
        KMeans(),
        LinearSVC(),
        VotingClassifier([("softmax", SoftmaxGate())], voting="hard"),
        StackingClassifier([("softmax", SoftmaxGate())], LinearSVC()),
        make_pipeline(StandardScaler()),
        make_pipeline(StandardScaler(), LinearSVC()),
        FrozenEstimator(LinearSVC()),
    ],
    ids=lambda gate: getattr(gate, "__name__", type(gate).__name__),
)
def test_a_gate_without_probabilities_is_refused(mixture, gate):
    with pytest.raises(TypeError, match=r"'gate'.*predict_proba"):
        make(mixture, gate=gate).fit(*data(mixture))


@pytest.mark.parametrize("mixture", MIXTURES)
def test_a_class_as_a_gate_is_told_how_to_be_an_instance(mixture):
    with pytest.raises(TypeError, match=r"'gate'.*Write SoftmaxGate\(\)"):
        make(mixture, gate=SoftmaxGate).fit(*data(mixture))


@pytest.mark.parametrize("mixture", MIXTURES)
@pytest.mark.parametrize("gate", [SoftmaxGate(), LogisticRegression()])
def test_a_frozen_gate_must_be_fitted(mixture, gate):
    with pytest.raises(NotFittedError, match="FrozenEstimator instance is not fitted"):
        make(mixture, gate=FrozenEstimator(gate)).fit(*data(mixture))


# First responsibilities
# ----------------------


@pytest.mark.parametrize("mixture", MIXTURES)
@pytest.mark.parametrize(
    ("init", "message"),
    [
        (np.full((40, 3), 1 / 3), r"'init' .*\(40, 2\); got \(40, 3\)"),
        (EVEN[:39], r"'init' .*got shape \(39, 2\) for 40 rows"),
        (EVEN[:, :, np.newaxis], r"'init' .*got shape \(40, 2, 1\) for 40 rows"),
        ([], r"'init' .*got shape \(0,\) for 40 rows"),
        (with_row(EVEN, [-0.5, 1.5]), "'init' .*not be negative; row 3 holds -0.5"),
        (with_row(EVEN, [0.5, 0.4]), "'init' .*row 3 sums to 0.9. Divide each row"),
        (with_row(EVEN, [np.nan, 1.0]), "init contains NaN"),
        (with_row(EVEN, [np.inf, 1.0]), "init contains infinity"),
    ],
)
def test_bad_responsibilities_are_refused(mixture, init, message):
    with pytest.raises(ValueError, match=message):
        make(mixture, init=init).fit(*data(mixture))


@pytest.mark.parametrize("mixture", MIXTURES)
@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros(40), "'init' labels .*got 1 groups for 2 experts"),
        (np.arange(40) % 3, "'init' labels .*got 3 groups for 2 experts"),
        (np.arange(39) % 2, r"'init' .*got shape \(39,\) for 40 rows"),
        (with_row(np.arange(40) % 2.0, np.nan), "init contains NaN"),
    ],
)
def test_bad_labels_are_refused(mixture, labels, message):
    with pytest.raises(ValueError, match=message):
        make(mixture, init=labels).fit(*data(mixture))


# Experts
# -------


class Plain:
    """Has the methods of an estimator, and is none of scikit-learn's."""

    def fit(self, X, y, sample_weight=None):
        return self

    def predict(self, X):
        return np.zeros(len(X))

    predict_proba = predict


@pytest.mark.parametrize(
    ("mixture", "expert", "message"),
    [
        (
            MixtureOfExpertsRegressor,
            LogisticRegression(),
            "is a classifier; .*regressors",
        ),
        (
            MixtureOfExpertsRegressor,
            make_pipeline(StandardScaler(), LogisticRegression()),
            "a Pipeline, is a classifier; .*needs regressors",
        ),
        (MixtureOfExpertsRegressor, KMeans(), "is a clusterer; .*needs regressors"),
        (MixtureOfExpertsClassifier, Ridge(), "a Ridge, is a regressor; .*classifiers"),
        (
            MixtureOfExpertsClassifier,
            make_pipeline(StandardScaler(), Ridge()),
            "a Pipeline, is a regressor; .*needs classifiers",
        ),
        (MixtureOfExpertsClassifier, KMeans(), "is a clusterer; .*needs classifiers"),
        (MixtureOfExpertsRegressor, Ridge, r"got the class Ridge. Write Ridge\(\)"),
        (
            MixtureOfExpertsClassifier,
            LogisticRegression,
            r"got the class LogisticRegression. Write LogisticRegression\(\)",
        ),
        (MixtureOfExpertsRegressor, StandardScaler(), "estimator with fit and predict"),
        (MixtureOfExpertsRegressor, Plain(), "must be a scikit-learn estimator"),
        (MixtureOfExpertsClassifier, Plain(), "must be a scikit-learn estimator"),
    ],
)
@pytest.mark.parametrize("in_a_list", [False, True])
def test_an_expert_of_the_wrong_kind_is_refused_by_name(
    mixture, expert, message, in_a_list
):
    good = mixture()._targets().default_expert()
    experts = [("good", good), ("bad", expert)] if in_a_list else expert
    name = "bad" if in_a_list else "expert0"
    with pytest.raises(TypeError, match=f"Expert '{name}'.*{message}"):
        make(mixture, experts=experts).fit(*data(mixture))


@pytest.mark.parametrize(
    ("experts", "error", "message"),
    [
        ([], ValueError, "'experts' list is empty"),
        ([Ridge()], TypeError, r"'experts' .*tuples, .*got Ridge\(\)"),
        (["ridge"], TypeError, "'experts' .*tuples, .*got 'ridge'"),
        ([(1, Ridge())], TypeError, r"'experts' .*name a string; got \(1, Ridge\(\)\)"),
        ([(None, Ridge())], TypeError, "'experts' .*name a string"),
        ([("a", None)], TypeError, "Expert 'a' must be .*got None"),
        ([("a", Ridge()), ("b", "none")], TypeError, "Expert 'b' must be .*got 'none'"),
        ([("a", Ridge()), ("a", Ridge())], ValueError, r"not unique: \['a', 'a'\]"),
        ([("a__b", Ridge())], ValueError, "must not contain __; got .'a__b'"),
        ([("init", Ridge())], ValueError, "'init'.* are parameters of the mixture"),
    ],
)
def test_a_bad_list_of_experts_is_refused(experts, error, message):
    with pytest.raises(error, match=message):
        make(MixtureOfExpertsRegressor, experts=experts).fit(
            *data(MixtureOfExpertsRegressor)
        )


NO_EXPERTS = [
    [Ridge(), SVR()],
    [("a", SGDRegressor()), SVR()],
    [("a", Ridge(), 1)],
    [(Ridge(), "a")],
    [("a", Ridge)],
    [("a", None)],
    [None],
    (("a", Ridge()),),
    {"a": Ridge()},
    np.array([Ridge(), SVR()]),
    Ridge,
    "ridge",
]


@pytest.mark.parametrize("experts", NO_EXPERTS, ids=str)
def test_what_are_no_experts_is_told_in_the_same_words_everywhere(experts):
    moe = make(MixtureOfExpertsRegressor, experts=experts)
    X, y = data(MixtureOfExpertsRegressor)
    told = []
    for use in (moe.fit, moe.partial_fit, partial(cross_val_score, moe)):
        settings = {"error_score": "raise"} if isinstance(use, partial) else {}
        with pytest.raises((TypeError, ValueError), match=r"[Ee]xpert") as caught:
            use(X, y, **settings)
        # scikit-learn puts the name of its own function in place of the mixture's.
        told.append(str(caught.value).replace("cross_val_score", type(moe).__name__))
    assert told[1:] == told[:1] * 2


@pytest.mark.parametrize(
    "params",
    [
        *({"experts": experts} for experts in NO_EXPERTS),
        {"gate": SoftmaxGate},
        {"gate": "softmax"},
        {"gate": SoftmaxGate, "experts": [Ridge()]},
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "use",
    [
        repr,
        clone,
        get_tags,
        lambda moe: moe._repr_html_(),
        lambda moe: moe.get_params(),
        lambda moe: moe.get_metadata_routing(),
    ],
)
def test_what_is_no_expert_or_gate_can_be_shown_and_copied(params, use):
    use(MixtureOfExpertsRegressor(**params))


class ForgetfulRegressor(RegressorMixin, BaseEstimator):
    def fit(self, X, y, sample_weight=None):
        return self

    def predict(self, X):
        return np.full(len(X), np.nan)


class ForgetfulClassifier(ClassifierMixin, BaseEstimator):
    def fit(self, X, y, sample_weight=None):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        return np.full((len(X), len(self.classes_)), np.nan)

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


@pytest.mark.parametrize(
    ("mixture", "forgetful"),
    [
        (MixtureOfExpertsRegressor, ForgetfulRegressor()),
        (MixtureOfExpertsClassifier, ForgetfulClassifier()),
    ],
)
def test_an_expert_that_predicts_nan_is_refused_by_name(mixture, forgetful):
    experts = [
        ("good", mixture()._targets().default_expert()),
        ("forgetful", forgetful),
    ]
    with pytest.raises(ValueError, match="Expert 'forgetful' predicted NaN"):
        make(mixture, experts=experts).fit(*data(mixture))


# Targets and weights
# -------------------


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_target_that_is_not_finite_is_refused(estimator, value):
    X, _ = data(estimator)
    y = with_row(np.arange(40) % 2.0, value)
    with pytest.raises(ValueError, match=r"Input y contains (NaN|infinity)"):
        make(estimator).fit(X, y)


def test_labels_of_two_types_are_refused():
    X, y = data(MixtureOfExpertsClassifier)
    y = with_row(y.astype(object), 1)
    with pytest.raises(TypeError, match=r"labels in y .*got .*'int'"):
        make(MixtureOfExpertsClassifier).fit(X, y)


@pytest.mark.parametrize("estimator", [MixtureOfExpertsClassifier, *GATES])
def test_one_class_is_refused(estimator):
    X, _ = data(estimator)
    with pytest.raises(ValueError, match=ONE_CLASS):
        make(estimator).fit(X, np.full(40, "low"))


def test_a_class_without_weight_is_no_class():
    X, y = data(MixtureOfExpertsClassifier)
    with pytest.raises(ValueError, match=ONE_CLASS):
        make(MixtureOfExpertsClassifier).fit(X, y, y == "low")
    y = with_row(y, "odd")
    moe = make(MixtureOfExpertsClassifier).fit(X, y, y != "odd")
    np.testing.assert_array_equal(moe.classes_, ["high", "low"])


@pytest.mark.parametrize("estimator", [MixtureOfExpertsClassifier, *GATES])
def test_continuous_labels_are_refused(estimator):
    X, y = data(MixtureOfExpertsRegressor)
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        make(estimator).fit(X, y)


def test_a_target_of_strings_is_refused_by_the_regressor():
    X, y = data(MixtureOfExpertsClassifier)
    with pytest.raises(ValueError, match="Convert your data to numeric"):
        make(MixtureOfExpertsRegressor).fit(X, y)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_target_of_another_length_is_refused(estimator):
    X, y = data(estimator)
    with pytest.raises(ValueError, match=r"40\D+39"):
        make(estimator).fit(X, y[:39])


def test_labels_of_two_columns_are_refused():
    X, y = data(MixtureOfExpertsClassifier)
    with pytest.raises(ValueError, match=r"y should be a 1d array, .*\(40, 2\)"):
        make(MixtureOfExpertsClassifier).fit(X, np.column_stack([y, y]))


def test_two_targets_for_experts_of_one_are_refused():
    X, y = data(MixtureOfExpertsRegressor)
    moe = make(MixtureOfExpertsRegressor, experts=[("line", Ridge()), ("svr", SVR())])
    with pytest.raises(ValueError, match=r"2 outputs, but expert 'svr'.*MultiOutput"):
        moe.fit(X, np.column_stack([y, y]))


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_missing_target_is_refused(estimator):
    with pytest.raises(ValueError, match=f"{estimator.__name__} .*requires y"):
        make(estimator).fit(data(estimator)[0], None)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.zeros(40), "weights must contain at least one non-zero"),
        (with_row(np.ones(40), -1), "Negative values .*`sample_weight`"),
        (with_row(np.ones(40), np.nan), "sample_weight contains NaN"),
        (with_row(np.ones(40), np.inf), "sample_weight contains infinity"),
        (np.ones(39), r"sample_weight.shape == \(39,\), expected \(40,\)"),
        (np.ones((40, 2)), "Sample weights must be 1D"),
    ],
)
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_bad_weights_are_refused(estimator, weights, message):
    with pytest.raises(ValueError, match=message):
        make(estimator).fit(*data(estimator), weights)


# Features
# --------


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_infinite_features_are_refused(estimator):
    X, y = data(estimator)
    with pytest.raises(ValueError, match="Input X contains infinity"):
        make(estimator).fit(with_row(X, np.inf), y)


@pytest.mark.parametrize("mixture", MIXTURES)
def test_missing_values_are_refused_by_an_expert_that_cannot_have_them(mixture):
    X, y = data(mixture)
    with pytest.raises(ValueError, match=r"(Ridge|LogisticRegression) does not accept"):
        make(mixture).fit(with_row(X, np.nan), y)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_column_whose_squares_overflow_is_named(estimator):
    X, y = data(estimator)
    with pytest.raises(ValueError, match="Column 1 of X is too large to standardise"):
        make(estimator).fit(X * [1, 1e160, 1], y)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((40,), "Expected 2D array, got 1D"),
        ((0, 3), r"0 sample\(s\)"),
        ((40, 0), r"0 feature\(s\)"),
    ],
)
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_features_of_another_shape_are_refused(estimator, shape, message):
    y = data(estimator)[1]
    with pytest.raises(ValueError, match=message):
        make(estimator).fit(np.zeros(shape), y[: shape[0]])


# Rows that are not in memory
# ---------------------------

FRAME = pd.DataFrame(np.zeros((40, 3)))
NO_TABLES = {
    "got a dict. Make it a frame": {"a": np.zeros(40)},
    "got a generator": (row for row in np.zeros((40, 3))),
    "got a zip": zip(np.zeros(40), np.zeros(40)),
    "got a str": "rows.csv",
    "got a set": {1, 2},
    "got a NoneType": None,
    "got a method": FRAME.head,
    "got a list of frames. Put them together": [FRAME, FRAME],
}


@pytest.mark.parametrize("message", NO_TABLES)
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_what_is_no_table_is_refused_by_its_kind(estimator, message):
    y = data(estimator)[1]
    with pytest.raises(TypeError, match=f"X must be an array.* {message}"):
        make(estimator).fit(NO_TABLES[message], y)
    with pytest.raises(TypeError, match=f"X must be an array.* {message}"):
        fitted(estimator).predict(NO_TABLES[message])


@pytest.mark.parametrize("mixture", MIXTURES)
def test_a_lazy_frame_is_to_be_collected(mixture):
    lazy = pytest.importorskip("polars").LazyFrame(data(mixture)[0])
    with pytest.raises(TypeError, match=r"got a LazyFrame. .* result of collect\(\)"):
        make(mixture).fit(lazy, data(mixture)[1])


def test_a_sparse_matrix_that_is_a_dict_is_a_table():
    X, y = data(MixtureOfExpertsRegressor)
    moe = make(MixtureOfExpertsRegressor).fit(sparse.dok_array(X), y)
    assert moe.predict(sparse.dok_array(X)).shape == y.shape


def collections(estimator):
    """The rows, targets and weights of these tests, and the same in Dask's hands."""
    da = pytest.importorskip("dask.array")
    dd = pytest.importorskip("dask.dataframe")
    X, y = data(estimator)
    given = {"X": X, "y": y, "sample_weight": np.ones(40)}
    frame = dd.from_pandas(pd.DataFrame(X), npartitions=2)
    in_parts = {name: da.from_array(array) for name, array in given.items()}
    return given, [{"X": frame}, *({name: own} for name, own in in_parts.items())]


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("which", range(4))
def test_a_dask_collection_is_sent_to_the_mixtures_for_it(estimator, which):
    given, in_parts = collections(estimator)
    [name] = in_parts[which]
    message = rf"{name} must be in memory; got a Dask .*sklearn_moe\.dask.*compute\(\)"
    with pytest.raises(TypeError, match=message):
        make(estimator).fit(**given | in_parts[which])
    if name == "X":
        with pytest.raises(TypeError, match=message):
            fitted(estimator).predict(in_parts[which]["X"])


@pytest.mark.parametrize("mixture", MIXTURES)
def test_a_delayed_table_is_to_be_computed(mixture):
    X, y = data(mixture)
    delayed = pytest.importorskip("dask").delayed(X)
    with pytest.raises(TypeError, match=r"X must be in memory.* compute\(\)"):
        make(mixture).fit(delayed, y)


# Use of a fitted estimator
# -------------------------

METHODS = {
    MixtureOfExpertsRegressor: [
        "predict",
        "transform",
        "predict_gate",
        "apply",
        "responsibilities",
        "score_samples",
        "score",
    ],
    SoftmaxGate: [
        "predict",
        "predict_proba",
        "predict_log_proba",
        "decision_function",
        "score",
    ],
}
METHODS[GaussianGate] = [m for m in METHODS[SoftmaxGate] if m != "decision_function"]
METHODS[MixtureOfExpertsClassifier] = [
    *METHODS[MixtureOfExpertsRegressor],
    "predict_proba",
    "predict_log_proba",
]
EVERY_METHOD = [
    pytest.param(estimator, method, id=f"{estimator.__name__}.{method}")
    for estimator, methods in METHODS.items()
    for method in methods
]
NEEDS_Y = ("responsibilities", "score_samples", "score")


def call(estimator, method, X):
    y = data(type(estimator))[1]
    arguments = (X, y[: len(X)]) if method in NEEDS_Y else (X,)
    return getattr(estimator, method)(*arguments)


@pytest.mark.parametrize(("estimator", "method"), EVERY_METHOD)
def test_every_method_before_fit_says_not_fitted(estimator, method):
    with pytest.raises(
        NotFittedError, match=f"This {estimator.__name__} instance is not"
    ):
        call(make(estimator), method, data(estimator)[0])


@pytest.mark.parametrize("mixture", MIXTURES)
def test_names_of_columns_before_fit_say_not_fitted(mixture):
    with pytest.raises(NotFittedError):
        make(mixture).get_feature_names_out()


def test_the_noise_before_fit_says_not_fitted():
    moe = make(MixtureOfExpertsRegressor)
    with pytest.raises(NotFittedError, match="This MixtureOfExpertsRegressor instance"):
        _ = moe.noise_
    assert not hasattr(moe, "noise_")


@pytest.mark.parametrize(("estimator", "method"), EVERY_METHOD)
def test_another_number_of_features_is_refused(estimator, method):
    message = f"X has 2 features, but {estimator.__name__} is expecting 3 features"
    with pytest.raises(ValueError, match=message):
        call(fitted(estimator), method, np.zeros((5, 2)))


@pytest.mark.parametrize(("estimator", "method"), EVERY_METHOD)
def test_other_names_of_columns_are_refused(estimator, method):
    X, y = data(estimator)
    model = make(estimator).fit(pd.DataFrame(X, columns=["a", "b", "c"]), y)
    with pytest.raises(ValueError, match=r"unseen at fit time:\n- d"):
        call(model, method, pd.DataFrame(X, columns=["a", "b", "d"]))


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_names_in_another_order_are_refused(estimator):
    X, y = data(estimator)
    X = pd.DataFrame(X, columns=["a", "b", "c"])
    with pytest.raises(ValueError, match="must be in the same order"):
        make(estimator).fit(X, y).predict(X[["b", "a", "c"]])


@pytest.mark.parametrize("method", ["score_samples", "responsibilities"])
def test_a_class_that_was_not_seen_in_fit_is_named(method):
    X, y = data(MixtureOfExpertsClassifier)
    moe = fitted(MixtureOfExpertsClassifier)
    message = r"y has classes .*not seen in fit: \['mid'\].*knows \['high', 'low'\]"
    with pytest.raises(ValueError, match=message):
        getattr(moe, method)(X, with_row(y, "mid"))


@pytest.mark.parametrize("method", ["score_samples", "responsibilities"])
@pytest.mark.parametrize("mixture", MIXTURES)
def test_scoring_a_target_of_another_length_is_refused(mixture, method):
    X, y = data(mixture)
    with pytest.raises(ValueError, match=r"inconsistent numbers .*\[40, 39\]"):
        getattr(fitted(mixture), method)(X, y[:39])


PREDICTIONS = [
    "predict",
    "transform",
    "predict_gate",
    "apply",
    "responsibilities",
    "score_samples",
    "score",
]


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("combination", "arg_max"),
        ("combination", "mean"),
        ("combination", None),
        ("top_k", 0),
        ("top_k", -1),
        ("top_k", 1.0),
        ("top_k", "all"),
    ],
)
@pytest.mark.parametrize("method", PREDICTIONS)
@pytest.mark.parametrize("mixture", MIXTURES)
def test_a_parameter_of_predictions_that_is_set_after_fit_is_checked(
    mixture, method, parameter, value
):
    moe = fitted(mixture).set_params(**{parameter: value})
    message = f"The '{parameter}' parameter of {mixture.__name__} must be"
    with pytest.raises(ValueError, match=message):
        call(moe, method, data(mixture)[0])


# Warm start
# ----------


@pytest.mark.parametrize("mixture", MIXTURES)
def test_warm_start_with_another_number_of_experts_is_refused(mixture):
    moe = fitted(mixture, warm_start=True).set_params(n_experts=3)
    message = "number of experts was 2 and is 3 now. Set warm_start=False"
    with pytest.raises(ValueError, match=message):
        moe.fit(*data(mixture))


@pytest.mark.parametrize("mixture", MIXTURES)
def test_warm_start_with_another_number_of_features_is_refused(mixture):
    X, y = data(mixture)
    moe = fitted(mixture, warm_start=True)
    with pytest.raises(ValueError, match="number of features was 3 and is 2 now"):
        moe.fit(X[:, :2], y)


def test_warm_start_with_other_classes_is_refused():
    X, y = data(MixtureOfExpertsClassifier)
    moe = fitted(MixtureOfExpertsClassifier, warm_start=True)
    message = r"classes was \['high', 'low'\] and is \['high', 'middle'\] now"
    with pytest.raises(ValueError, match=message):
        moe.fit(X, np.where(y == "low", "middle", y))


@pytest.mark.parametrize("mixture", MIXTURES)
def test_without_warm_start_another_problem_is_fitted_anew(mixture):
    X, y = data(mixture)
    moe = fitted(mixture).set_params(n_experts=1)
    assert moe.fit(X[:, :2], y).predict_gate(X[:, :2]).shape == (40, 1)


# A failed fit
# ------------


def fail_with(message, *, X=None, y=None, sample_weight=None, **params):
    """A fit that fails by its parameters or its data."""

    def fail(model, monkeypatch):
        good_X, good_y = data(type(model))
        model.set_params(**params)
        before = joblib.hash(model)
        with pytest.raises((ValueError, TypeError), match=message):
            model.fit(
                good_X if X is None else X, good_y if y is None else y, sample_weight
            )
        return before

    return fail


def fail_in_the_third_iteration(error):
    """A fit whose experts raise once each has been fitted twice."""

    def fail(model, monkeypatch):
        # By these solvers each is fitted by its own `fit`, in every iteration.
        if isinstance(model, MixtureOfExpertsRegressor):
            model.set_params(experts=Ridge(solver="svd"))
        else:
            model.set_params(experts=LogisticRegression(solver="newton-cg"))
        expert_class = type(model._targets().default_expert())
        fits, fit = itertools.count(), expert_class.fit

        @functools.wraps(fit)
        def fit_twice_each(*args, **kwargs):
            if next(fits) >= 2 * model.n_experts:
                raise error
            return fit(*args, **kwargs)

        monkeypatch.setattr(expert_class, "fit", fit_twice_each)
        before = joblib.hash(model)
        with pytest.raises(type(error)):
            model.fit(*data(type(model)))
        return before

    return fail


def fail_by_a_warning(model, monkeypatch):
    model.set_params(max_iter=1)
    before = joblib.hash(model)
    with pytest.raises(ConvergenceWarning, match=r"[Ii]ncrease max_iter"):
        model.fit(*data(type(model)))
    return before


def fail_by_interrupting_the_gate(model, monkeypatch):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    # By the gate itself, and by a mixture.
    for method in ("solve", "improve"):
        name = f"sklearn_moe.gates._objective.SoftmaxObjective.{method}"
        monkeypatch.setattr(name, interrupt)
    before = joblib.hash(model)
    with pytest.raises(KeyboardInterrupt):
        model.fit(*data(type(model)))
    return before


FAILURES_OF_ALL = {
    "infinity in X": fail_with("infinity", X=np.full((40, 3), np.inf)),
    "infinity in other columns": fail_with(
        "infinity", X=pd.DataFrame(np.full((40, 2), np.inf), columns=["a", "b"])
    ),
    "another length": fail_with("39", X=np.zeros((39, 3))),
    "NaN in y": fail_with("NaN", y=with_row(np.arange(40) % 2.0, np.nan)),
    "a negative weight": fail_with("Negative", sample_weight=with_row(np.ones(40), -1)),
    "no weight": fail_with("non-zero", sample_weight=np.zeros(40)),
}
FAILURES_OF_WHAT_ITERATES = {
    "a warning": fail_by_a_warning,
    "an interrupted gate": fail_by_interrupting_the_gate,
}
FAILURES_OF_A_MIXTURE = {
    "labels of one group": fail_with("groups", init=np.zeros(40)),
    "a bad gate": fail_with("predict_proba", gate=LinearSVC()),
    "a bad parameter": fail_with("n_experts", n_experts=0),
    "too many experts": fail_with("n_experts", n_experts=41),
    "an expert in the third iteration": fail_in_the_third_iteration(RuntimeError()),
    "Ctrl-C in the third iteration": fail_in_the_third_iteration(KeyboardInterrupt()),
}
EVERY_FAILURE = [
    pytest.param(estimator, fail, id=f"{estimator.__name__}-{name}")
    for estimator in ESTIMATORS
    for name, fail in {
        **FAILURES_OF_ALL,
        **({} if estimator is GaussianGate else FAILURES_OF_WHAT_ITERATES),
        **(FAILURES_OF_A_MIXTURE if estimator in MIXTURES else {}),
    }.items()
]


@pytest.mark.parametrize(("estimator", "fail"), EVERY_FAILURE)
def test_a_failed_fit_leaves_an_unfitted_estimator_unfitted(
    estimator, fail, monkeypatch
):
    model = make(estimator)
    before = fail(model, monkeypatch)
    assert joblib.hash(model) == before
    with pytest.raises(NotFittedError):
        model.predict(data(estimator)[0])


@pytest.mark.parametrize(("estimator", "fail"), EVERY_FAILURE)
def test_a_failed_fit_leaves_a_fitted_estimator_as_it_was(estimator, fail, monkeypatch):
    X = pd.DataFrame(data(estimator)[0], columns=["x", "y", "z"])
    model = deepcopy(fitted_once(estimator, frame=True))
    predicted = model.predict(X)
    before = fail(model, monkeypatch)
    assert joblib.hash(model) == before
    np.testing.assert_array_equal(model.predict(X), predicted)


@pytest.mark.parametrize("mixture", MIXTURES)
def test_a_failed_fit_leaves_a_random_generator_as_it_was(mixture, monkeypatch):
    model = make(mixture).set_params(random_state=np.random.RandomState(0))
    before = fail_in_the_third_iteration(RuntimeError())(model, monkeypatch)
    assert joblib.hash(model) == before
    assert model.random_state.randint(2**31) == np.random.RandomState(0).randint(2**31)


@pytest.mark.parametrize("mixture", MIXTURES)
def test_a_failed_warm_start_leaves_the_mixture_as_it_was(mixture):
    X, y = data(mixture)
    moe = fitted(mixture, warm_start=True)
    before = joblib.hash(moe)
    with pytest.raises(ValueError, match="number of features"):
        moe.fit(X[:, :2], y)
    assert joblib.hash(moe) == before


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_failed_fit_can_be_repeated_with_better_data(estimator):
    X, y = data(estimator)
    model = make(estimator)
    with pytest.raises(ValueError, match="infinity"):
        model.fit(np.full((40, 2), np.inf), y)
    np.testing.assert_array_equal(
        model.fit(X, y).predict(X), fitted(estimator).predict(X)
    )
