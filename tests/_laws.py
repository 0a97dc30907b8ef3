"""What holds of a mixture whatever it is fitted to, or is refused in words.

Each law takes a `Scenario` and its fitted mixture, and raises AssertionError where it
does not hold. `violations` tries all of them.
"""

import pickle
import warnings
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, PoissonRegressor
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

import sklearn_moe
from sklearn_moe._estimators import isolates_rows

PACKAGE = Path(sklearn_moe.__file__).parent
LEVELS = (0.01, 0.3, 0.5, 0.9, 0.999)

# Experts whose fit to a row of weight two is that to the row twice, and whose weights
# of zero count as no row, to rounding.
EXACT = (
    LinearRegression,
    PoissonRegressor,
    DecisionTreeClassifier,
    DecisionTreeRegressor,
)


def violations(scenario, laws=None):
    """Fit the mixture of a scenario, and say which laws it breaks.

    Parameters
    ----------
    scenario : Scenario
    laws : iterable of callable, default=LAWS

    Returns
    -------
    refusal : str or None
        The error of a fit that was refused in words.
    broken : list of (str, str)
        Names of the laws, and what was found.
    """
    broken = []
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            fitted = scenario.fit(clone(scenario.mixture))
        except Exception as error:
            problem = _not_in_words(error)
            return str(error), [("errors name their cause", problem)] * bool(problem)
        for law in LAWS if laws is None else laws:
            try:
                law(scenario, fitted)
            except (AssertionError, pytest.fail.Exception) as error:
                broken.append((law.__name__, " ".join(str(error).split())[:300]))
            except Exception as error:
                if problem := _not_in_words(error):
                    broken.append((law.__name__, problem))
                elif law not in REFUSING and MEAN_OVERFLOWS not in str(error):
                    broken.append((law.__name__, f"refused: {error}"[:300]))
    broken.extend(
        ("no RuntimeWarning of ours", f"{w.filename}:{w.lineno}: {w.message}")
        for w in told
        if issubclass(w.category, RuntimeWarning)
        and PACKAGE in Path(w.filename).parents
    )
    return None, list(dict.fromkeys(broken))


def _not_in_words(error):
    """What is wrong about an error; empty where it says what a user can mend."""
    said = isinstance(error, (ValueError, TypeError, NotFittedError))
    inner = (np.linalg.LinAlgError, UnicodeError)
    if said and not isinstance(error, inner) and " " in str(error):
        return ""
    return f"{type(error).__name__}: {error}"[:300]


# What a fitted mixture says
# --------------------------


def weights_are_distributions(scenario, fitted):
    told = [
        fitted.predict_gate(scenario.X),
        fitted.responsibilities(scenario.X, scenario.y),
        fitted.expert_share_[np.newaxis],
    ]
    if not scenario.regresses:
        told.append(fitted.predict_proba(scenario.X))
    for weights in told:
        assert (weights >= 0).all()
        assert_allclose(weights.sum(axis=1), 1, atol=1e-6)


def what_is_said_is_finite(scenario, fitted):
    for name, value in {
        "predict": fitted.predict(scenario.X) if scenario.regresses else 0,
        "transform": fitted.transform(scenario.X),
        "log_likelihood_": fitted.log_likelihood_,
        "objective_path_": fitted.objective_path_,
        "expert_load_": fitted.expert_load_,
        "score_samples": fitted.score_samples(scenario.X, scenario.y),
    }.items():
        assert np.isfinite(value).all(), f"{name} is not finite: {value}"


def quantiles_rise_and_invert_the_distribution(scenario, fitted):
    if not scenario.regresses:
        return
    distribution = fitted.predict_distribution(scenario.X)
    quantiles = distribution.ppf(LEVELS)
    assert np.isfinite(quantiles).all()
    assert (np.diff(quantiles, axis=-1) >= 0).all(), "quantiles fall"
    for level, y in zip(LEVELS, np.moveaxis(quantiles, -1, 0)):
        if distribution.discrete:
            assert (distribution.cdf(y) >= level - 1e-9).all(), f"cdf(ppf({level}))"
            # Of large numbers the one before is more than one less.
            less = np.minimum(y - 1, np.nextafter(y, -np.inf))
            assert (distribution.cdf(less) < level + 1e-9).all(), "not the smallest"
            continue
        # The nearest floating point numbers may be far apart in probability, above all
        # next to zero.
        least = 1e-300 * (1 + distribution.std())
        below = distribution.cdf(np.nextafter(y, -np.inf) - least)
        above = distribution.cdf(np.nextafter(y, np.inf) + least)
        assert (below <= level + 1e-7).all(), f"cdf(ppf({level})) is too large"
        assert (above >= level - 1e-7).all(), f"cdf(ppf({level})) is too small"


def the_density_is_that_of_the_distribution(scenario, fitted):
    if not scenario.regresses or fitted.combination != "weighted" or fitted.top_k:
        return
    assert_allclose(
        fitted.predict_distribution(scenario.X).logpdf(scenario.y),
        fitted.score_samples(scenario.X, scenario.y),
        rtol=1e-4,
        atol=1e-3,
    )


def a_row_alone_is_predicted_as_among_others(scenario, fitted):
    from _scenarios import take

    rows = np.array([0, len(scenario.y) // 2])
    for method in _methods(scenario, fitted):
        together = method(scenario.X)
        alone = np.concatenate([method(take(scenario.X, [row])) for row in rows])
        _assert_same(alone, together[rows], rtol=1e-5)


def rows_may_stand_in_any_order(scenario, fitted):
    from _scenarios import take

    order = np.random.default_rng(scenario.number).permutation(len(scenario.y))
    for method in _methods(scenario, fitted):
        _assert_same(
            method(take(scenario.X, order)), method(scenario.X)[order], rtol=1e-5
        )


def _methods(scenario, fitted):
    if scenario.regresses:
        return [fitted.predict, fitted.predict_gate]
    return [fitted.predict_proba, fitted.predict_gate]


def _assert_same(actual, expected, rtol):
    """Equal up to rounding, which is relative to the largest of all numbers."""
    size = np.abs(expected).max(initial=1e-300)
    assert_allclose(actual / size, expected / size, rtol=rtol, atol=rtol)


# What other fits say
# -------------------


def a_pickle_says_the_same(scenario, fitted):
    copied = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(
        copied.predict(scenario.X), fitted.predict(scenario.X)
    )


def a_second_fit_says_the_same(scenario, fitted):
    again = scenario.fit(clone(fitted))
    assert_allclose(again.predict_gate(scenario.X), fitted.predict_gate(scenario.X))
    np.testing.assert_array_equal(again.predict(scenario.X), fitted.predict(scenario.X))


def a_weight_of_two_is_the_row_twice(scenario, fitted):
    from _scenarios import take

    mixture, weights = scenario.mixture, scenario.sample_weight
    exact = isinstance(mixture.experts, EXACT) and mixture.cv is None
    of_gate = _has_own_gate(mixture)
    if (
        scenario.drawn["weights"] != "whole numbers"
        or not (exact and of_gate)
        # A start at random draws another number for each row.
        or mixture.init != "tree"
        or mixture.n_init > 1
        # Rows that cannot be divided fill the capacity otherwise.
        or mixture.assignment != "soft"
        or scenario.batches is not None
    ):
        return
    copies = np.repeat(np.arange(len(scenario.y)), weights.astype(int))
    repeated = clone(mixture).fit(take(scenario.X, copies), scenario.y[copies])
    assert_allclose(
        repeated.log_likelihood_, fitted.log_likelihood_, rtol=1e-3, atol=1e-3
    )


def _has_own_gate(mixture):
    return mixture.gate is None or hasattr(type(mixture.gate), "bound_class")


def the_unit_of_the_target_does_not_matter(scenario, fitted):
    mixture = scenario.mixture
    if not scenario.regresses or scenario.batches is not None:
        return
    exact = isinstance(mixture.experts, (LinearRegression, DecisionTreeRegressor))
    # Rounding may change which rows a resample holds.
    if not exact or not _has_own_gate(mixture):
        return
    # Counts have no unit, and what is constant has a floor of noise that has none.
    if fitted.noise_.discrete or np.ptp(scenario.y) == 0:
        return
    # To the last bit, but for logarithms.
    scaled = clone(mixture).fit(scenario.X, 1024 * scenario.y, scenario.sample_weight)
    _assert_same(
        scaled.predict(scenario.X), 1024 * fitted.predict(scenario.X), rtol=1e-3
    )


def a_fit_that_fails_changes_nothing(scenario, fitted):
    before = vars(fitted).copy()
    said = fitted.predict_gate(scenario.X)
    broken = scenario.y[:-1]
    learn = fitted.fit if scenario.batches is None else fitted.partial_fit
    with pytest.raises(ValueError, match="number"):
        learn(scenario.X, broken)
    assert vars(fitted) == before
    np.testing.assert_array_equal(fitted.predict_gate(scenario.X), said)


def parameters_are_checked_where_they_are_used(scenario, fitted):
    for name, value in (("combination", "mean"), ("top_k", 0)):
        wrong = deepcopy(fitted).set_params(**{name: value})
        with pytest.raises(ValueError, match=name):
            wrong.predict(scenario.X)


# Over partitions
# ---------------


def a_fit_over_partitions_says_the_same(scenario, fitted):
    """It needs a client of Dask, and is tried where one is asked for."""
    import dask.array as da

    import sklearn_moe.dask

    mixture = scenario.mixture
    exact = mixture.experts is None or isinstance(mixture.experts, EXACT)
    of_gate = _has_own_gate(mixture)
    if (
        not isinstance(scenario.X, np.ndarray)
        or not (exact and of_gate)
        or scenario.batches is not None
        or scenario.drawn.get("noise") in NOT_IN_PARTS
        or (mixture.cv, mixture.assignment, mixture.init) != ("auto", "soft", "tree")
        or mixture.n_init > 1
        or mixture.acceleration is not None
        # One machine judges such experts by rows that they have not seen.
        or isolates_rows(mixture.experts)
    ):
        return
    parts = getattr(sklearn_moe.dask, type(mixture).__name__)()
    params = mixture.get_params(deep=False)
    parts.set_params(
        **{name: params[name] for name in params.keys() & parts.get_params()}
    )
    chunk = len(scenario.y) // 2 + 1
    X, y, weights = (
        None if given is None else da.from_array(given, (chunk, *given.shape[1:]))
        for given in (scenario.X, scenario.y, scenario.sample_weight)
    )
    parts.fit(X, y, sample_weight=weights)
    assert_allclose(parts.log_likelihood_, fitted.log_likelihood_, rtol=1e-4, atol=1e-4)
    assert_allclose(
        parts.predict_gate(X).compute(), fitted.predict_gate(scenario.X), atol=1e-3
    )


NOT_IN_PARTS = ("student_t", "heteroscedastic", "negative_binomial")

LAWS = (
    weights_are_distributions,
    what_is_said_is_finite,
    quantiles_rise_and_invert_the_distribution,
    the_density_is_that_of_the_distribution,
    a_row_alone_is_predicted_as_among_others,
    rows_may_stand_in_any_order,
    a_pickle_says_the_same,
    a_second_fit_says_the_same,
    a_weight_of_two_is_the_row_twice,
    the_unit_of_the_target_does_not_matter,
    a_fit_that_fails_changes_nothing,
    parameters_are_checked_where_they_are_used,
)

# Of lognormal noise there may be no mean to predict.
MEAN_OVERFLOWS = "The mean of lognormal noise is too large"

# Laws about another fit, which may be refused as any.
REFUSING = {
    a_weight_of_two_is_the_row_twice,
    the_unit_of_the_target_does_not_matter,
    a_fit_over_partitions_says_the_same,
}
