"""Choose the number of experts by information criteria and cross-validation."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

from numpy.typing import ArrayLike

if TYPE_CHECKING:
    import pandas as pd

import warnings

import numpy as np
from sklearn import config_context
from sklearn.base import clone, is_classifier
from sklearn.utils import check_random_state, indexable
from sklearn.utils.parallel import Parallel, delayed

from sklearn_moe._estimators import WeightedFit
from sklearn_moe._exposure import check_exposure
from sklearn_moe._folds import check_undivided, shuffled_splits
from sklearn_moe._frames import native
from sklearn_moe._inner_mixture import (
    seen_by_mixture,
    unfitted_mixture,
    with_mixture,
)
from sklearn_moe._metadata import check_groups, groups_routed
from sklearn_moe._number_of_experts import Trials, double, most_experts
from sklearn_moe._parameters import CannotCountError
from sklearn_moe._sklearn import check_pandas_support, safe_indexing
from sklearn_moe._subjects import check_subjects
from sklearn_moe._weights import count_rows

INFORMATION_CRITERIA = ("aic", "bic", "icl")


def select_n_experts(
    estimator: Any,
    X: Any,
    y: ArrayLike,
    n_experts: Iterable[int] | Literal["auto"] = range(1, 7),
    *,
    cv: Any = 5,
    groups: ArrayLike | None = None,
    one_standard_error: bool = False,
    sample_weight: ArrayLike | None = None,
    subjects: ArrayLike | None = None,
    exposure: ArrayLike | None = None,
    n_jobs: int | None = None,
    random_state: int | np.random.RandomState | None = None,
) -> pd.DataFrame:
    """Fit a mixture with several numbers of experts, and compare the fits.

    Set several starts (`n_init`) in the estimator, so that a poor local optimum is not
    mistaken for a bad number of experts.

    Read more in the :ref:`User Guide <guide_number_of_experts>`.

    Parameters
    ----------
    estimator : estimator
        A mixture whose `experts` is one estimator, or a model around such a mixture:
        see :func:`~sklearn_moe.inspection.fitted_mixture`. It is cloned for each fit,
        with all steps in front of the mixture. For a search, which must be fitted, the
        best estimator is cloned.
    X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        The targets.
    n_experts : iterable of int or "auto", default=range(1, 7)
        Numbers of experts to compare. "auto" means 1, 2, 4, 8, ... until held-out rows
        are predicted no better, as in a mixture with ``n_experts="auto"``.
    cv : int, splitter, iterable or None, default=5
        Folds, which are the same for all numbers of experts. An integer is a number of
        shuffled folds, stratified by class. None means no cross-validation.
    groups : array-like of shape (n_samples,), default=None
        Groups of rows, which no fold divides: neither those of `cv`, nor those of the
        mixture if its own `cv` is a splitter that requests groups.
    one_standard_error : bool, default=False
        Whether to choose the smallest number within one standard error of the best.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows in fits and scores.
    subjects : array-like of shape (n_samples,), default=None
        Labels of the subjects of the rows, as in `fit`. No fold divides a subject, and
        held-out subjects are scored as new ones, each of which counts once.
    exposure : array-like of shape (n_samples,), default=None
        Exposure of counts, as in `fit`.
    n_jobs : int, default=None
        Number of parallel fits. The result does not depend on it. None means 1 unless
        in a :obj:`joblib.parallel_backend` context.
    random_state : int, RandomState instance or None, default=None
        Seed of the folds, and of the estimators whose own `random_state` is None.

    Returns
    -------
    results : pandas.DataFrame
        One row for each number of experts, with the columns

        - log_likelihood: log-likelihood of all rows under the fit to all rows;
        - n_parameters: number of parameters of that fit. If it is not known how to
          count them, it is NaN, as are the criteria, and there is a warning;
        - aic, bic, icl: information criteria of that fit; less is better. They assume
          maximum likelihood, and are not reliable if the fit is penalised (`sharing`,
          the gate's `alpha`, ridge experts: the defaults). They count a penalised
          parameter as a free one, and may prefer one expert although several predict
          held-out rows far better;
        - cv_log_likelihood: mean log density of the held-out targets, averaged over the
          folds; greater is better. With subjects, it is the log density of all targets
          of a subject;
        - cv_standard_error: standard error of that mean, from the spread over the
          folds;
        - cv_difference, cv_difference_error: with `one_standard_error` only. Mean
          difference to the best number in the log density of a held-out row (or
          subject), and the standard error of this mean of paired differences;
        - chosen: with `one_standard_error` only. Whether this is the smallest number
          whose difference is at most its standard error.

    Raises
    ------
    ValueError
        If `cv` is None although rows have to be held out.
    TypeError
        If there is no mixture in the estimator.

    See Also
    --------
    sklearn_moe.inspection.NumberOfExpertsDisplay : Plot of the result.
    sklearn_moe.count_parameters : Function that can count other types of estimators.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_moe import MixtureOfExpertsRegressor
    >>> from sklearn_moe.model_selection import select_n_experts
    >>> X = np.linspace(-3, 3, 200).reshape(-1, 1)
    >>> y = np.abs(X[:, 0]) + np.random.default_rng(0).normal(0, 0.3, 200)
    >>> moe = MixtureOfExpertsRegressor(sharing=0, max_iter=500, random_state=0)
    >>> results = select_n_experts(moe, X, y, [1, 2, 3], random_state=0)
    >>> results[["n_parameters", "bic"]].round()
               n_parameters    bic
    n_experts
    1                     3  543.0
    2                     8  110.0
    3                    13  129.0
    >>> int(results["cv_log_likelihood"].idxmax())
    2
    """
    pd = check_pandas_support("select_n_experts")
    X, y = indexable(native(X), y)
    y = np.asarray(y)
    weights, _ = count_rows(sample_weight, X)
    groups = check_groups(groups, len(y))
    subjects = None if subjects is None else check_subjects(subjects, X)
    given = {} if subjects is None else {"subjects": subjects.codes}
    if exposure is not None:
        given["exposure"] = check_exposure(exposure, X)
    random_state = check_random_state(random_state)
    seed = random_state.randint(np.iinfo(np.int32).max)
    doubles = isinstance(n_experts, str) and n_experts == "auto"
    if not doubles and (isinstance(n_experts, str) or not np.iterable(n_experts)):
        raise TypeError(
            "n_experts must be a list of numbers to compare, such as [1, 2, 4], or "
            f"'auto'; got {n_experts!r}."
        )
    if cv is None and (doubles or one_standard_error):
        raise ValueError(
            "n_experts='auto' and one_standard_error=True need held-out rows, but "
            "cv=None holds none out. Set 'cv' to a number of folds."
        )
    numbers = [1] if doubles else list(n_experts)
    unfitted = _check_choice(estimator, numbers, given)
    parallel = Parallel(n_jobs=n_jobs)

    def candidate(number):
        mixture = clone(unfitted).set_params(n_experts=number)
        if given:
            with config_context(enable_metadata_routing=True):
                mixture.set_fit_request(**dict.fromkeys(given, True))
        model = with_mixture(estimator, mixture)
        return WeightedFit(model, np.random.RandomState(seed))

    def log_densities(numbers):
        candidates = [candidate(number) for number in numbers]
        rows = parallel(
            delayed(_fit_fold)(each, X, y, weights, groups, given, *split)
            for each in candidates
            for split in splits
        )
        size = len(splits)
        return [
            np.concatenate(rows[first : first + size])
            for first in range(0, len(rows), size)
        ]

    if cv is not None:
        classification = is_classifier(estimator)
        whole = groups if groups is not None else given.get("subjects")
        splits = shuffled_splits(
            cv, X, y, random_state, classification=classification, groups=whole
        )
        if subjects is not None:
            by_groups = "" if groups is None else " by 'groups'"
            check_undivided(splits, subjects, f"cv={cv!r}{by_groups}")
        folds = [weights[test] for _, test in splits]
        if subjects is not None:
            subjects = subjects.weighted(weights)
            folds = [1.0 * (subjects.take(test).totals > 0) for _, test in splits]
        held_out = np.concatenate(folds)
        if doubles:
            largest = most_experts(min(len(train) for train, _ in splits))
            if subjects is not None:
                fewest = min(len(subjects.take(train)) for train, _ in splits)
                largest = min(largest, fewest)
            trials = double(
                lambda number: log_densities([number])[0], held_out, largest
            )
            numbers = trials.numbers
        else:
            trials = Trials(numbers, log_densities(numbers), held_out)
        for message, category in trials.warnings():
            warnings.warn(message, category, stacklevel=2)
    outcomes = parallel(
        delayed(_fit_all)(candidate(number), X, y, weights, groups, given)
        for number in numbers
    )
    index = pd.Index(numbers, name="n_experts")
    results = pd.DataFrame([row for row, _ in outcomes], index)
    reason = next((reason for _, reason in outcomes if reason is not None), None)
    if reason is not None:
        message = f"The information criteria are NaN. {reason}"
        warnings.warn(message, UserWarning, stacklevel=2)
    if cv is None:
        return results
    ends = np.cumsum([len(fold) for fold in folds])[:-1]
    scores = [
        [
            np.average(own, weights=fold_weights)
            for own, fold_weights in zip(np.split(values, ends), folds)
        ]
        for values in trials.log_densities
    ]
    scores = pd.DataFrame(scores, index)
    results["cv_log_likelihood"] = scores.mean(axis=1)
    results["cv_standard_error"] = scores.sem(axis=1)
    if one_standard_error:
        results["cv_difference"], results["cv_difference_error"] = trials.differences()
        results["chosen"] = index == trials.chosen()
    return results


def _check_choice(estimator, n_experts, given):
    """Return the unfitted mixture for which several numbers are tried."""
    mixture = unfitted_mixture(estimator, caller="select_n_experts")
    mixture._check_subjects_given(given.get("subjects"))
    if hasattr(mixture, "_targets_"):
        mixture._targets_.check_exposure_known(given.get("exposure"))
    if isinstance(mixture.experts, list):
        raise ValueError(
            "The number of experts is that of the list given as 'experts', "
            f"{len(mixture.experts)}. Give one estimator as 'experts' to compare "
            "numbers of clones of it."
        )
    if not n_experts:
        raise ValueError("'n_experts' is empty; give at least one number.")
    return mixture


def _fit_all(candidate, X, y, weights, groups, given):
    """Fit to all rows; return a row of results, and the reason for missing criteria."""
    with groups_routed(candidate.estimator, groups) as own:
        fitted = candidate.fit(X, y, weights, fit_params=own | given)
    mixture, X, y = _seen(fitted, X, y)
    log_density = mixture.score_samples(X, y, sample_weight=weights, **given)
    counts = weights
    if "subjects" in given:
        # In which classes are weighed.
        counts = mixture._count_rows(X, np.asarray(y), weights)
    row = {"log_likelihood": float(counts @ log_density)}
    try:
        row["n_parameters"] = mixture.n_parameters()
    except CannotCountError as error:
        missing = dict.fromkeys(["n_parameters", *INFORMATION_CRITERIA], np.nan)
        return row | missing, " ".join([str(error), *error.__notes__])
    for criterion in INFORMATION_CRITERIA:
        row[criterion] = getattr(mixture, criterion)(X, y, weights, **given)
    return row, None


def _fit_fold(candidate, X, y, weights, groups, given, train, test):
    """Return log densities of the test rows after a fit to the training rows.

    With subjects, return the log densities of the test subjects.
    """
    with groups_routed(candidate.estimator, groups) as own:
        fitted = candidate.fit(X, y, weights, rows=train, fit_params=own | given)
    mixture, X, y = _seen(fitted, safe_indexing(X, test), y[test])
    given = {name: values[test] for name, values in given.items()}
    weights = weights[test]
    log_density = mixture.score_samples(X, y, sample_weight=weights, **given)
    if "subjects" not in given:
        return log_density
    weights = mixture._count_rows(X, np.asarray(y), weights)
    return check_subjects(given["subjects"], X).sums(log_density, weights)


def _seen(model, X, y):
    seen = seen_by_mixture(model, X, y, caller="select_n_experts")
    return seen.mixture, seen.X, seen.y
