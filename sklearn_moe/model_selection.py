"""Choice of a mixture: scores of its distribution, and the number of experts."""

import warnings
from numbers import Integral

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.model_selection import KFold, StratifiedKFold, check_cv
from sklearn.pipeline import Pipeline
from sklearn.utils import check_consistent_length, check_random_state, indexable
from sklearn.utils.parallel import Parallel, delayed

from sklearn_moe._compat import (
    check_matplotlib_support,
    check_pandas_support,
    check_sample_weight,
    safe_indexing,
)
from sklearn_moe.experts import has_own_density, mixture_within
from sklearn_moe.parameters import CannotCountError
from sklearn_moe.weighting import WeightedFit, last_step

__all__ = [
    "NumberOfExpertsDisplay",
    "log_likelihood_scorer",
    "neg_crps_scorer",
    "select_n_experts",
]

INFORMATION_CRITERIA = ("aic", "bic", "icl")


def log_likelihood_scorer(estimator, X, y, sample_weight=None):
    """Score a mixture by the log density that it gives to targets.

    It is the logarithmic score, the log-likelihood of a row; greater is better. Unlike
    R2 or accuracy it judges the whole distribution, and the uncertainty that it admits.

    Parameters
    ----------
    estimator : fitted estimator
        A mixture, a pipeline that ends in one, or a search over such.
    X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        The targets.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows; None means equal weights.

    Returns
    -------
    score : float
        Mean of ``score_samples(X, y)``.

    Raises
    ------
    TypeError
        If the estimator is no mixture.

    See Also
    --------
    neg_crps_scorer : In the units of the target, and gentler with outliers.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn_moe import MixtureOfExpertsRegressor
    >>> from sklearn_moe.model_selection import log_likelihood_scorer
    >>> X, y = load_diabetes(return_X_y=True)
    >>> search = GridSearchCV(
    ...     MixtureOfExpertsRegressor(tol=1e-3, random_state=0),
    ...     {"n_experts": [1, 3]},
    ...     scoring=log_likelihood_scorer,
    ...     cv=3,
    ... )
    >>> round(float(search.fit(X, y).best_score_), 1)
    -5.4
    """
    mixture, X = _fitted_mixture(estimator, X)
    return float(np.average(mixture.score_samples(X, y), weights=sample_weight))


def neg_crps_scorer(estimator, X, y, sample_weight=None):
    """Score a mixture of regressors by the distance of its distribution from targets.

    The continuous ranked probability score is in the units of the target; of a
    prediction without uncertainty it is the mean absolute error. This is minus that, so
    that greater is better.

    Parameters
    ----------
    estimator : fitted estimator
        A mixture of regressors, a pipeline that ends in one, or a search over such.
    X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        The targets.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows; None means equal weights.

    Returns
    -------
    score : float
        Minus the mean of :meth:`MixtureDistribution.crps`, over the outputs too.

    Raises
    ------
    TypeError
        If the estimator is no mixture of regressors.

    See Also
    --------
    log_likelihood_scorer : For classes as well.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.model_selection import cross_val_score
    >>> from sklearn_moe import MixtureOfExpertsRegressor
    >>> from sklearn_moe.model_selection import neg_crps_scorer
    >>> X, y = load_diabetes(return_X_y=True)
    >>> moe = MixtureOfExpertsRegressor(n_experts=2, tol=1e-3, random_state=0)
    >>> cross_val_score(moe, X, y, scoring=neg_crps_scorer, cv=3).round()
    array([-32., -33., -31.])
    """
    mixture, X = _fitted_mixture(estimator, X)
    if not hasattr(mixture, "predict_distribution"):
        raise TypeError(
            "The CRPS is a score of numbers, but the estimator is a "
            f"{type(mixture).__name__}. Use log_likelihood_scorer."
        )
    check_consistent_length(X, y)
    distribution = mixture.predict_distribution(X)
    crps = distribution.crps(np.asarray(y).reshape(distribution.shape))
    return -float(np.average(crps.T, axis=-1, weights=sample_weight).mean())


def select_n_experts(
    estimator,
    X,
    y,
    n_experts=range(1, 7),
    *,
    cv=5,
    sample_weight=None,
    n_jobs=None,
    random_state=None,
):
    """Fit a mixture with several numbers of experts, and compare.

    Give the estimator several starts (`n_init`), so that a start that ends on a minor
    top is not taken for a bad number of experts.

    Parameters
    ----------
    estimator : estimator
        A mixture whose `experts` is one estimator, or a pipeline that ends in one. It
        is cloned for each fit.
    X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        The targets.
    n_experts : iterable of int, default=range(1, 7)
        The numbers to compare.
    cv : int, splitter, iterable or None, default=5
        Folds, the same for all numbers. An integer is a number of shuffled ones,
        stratified for classes. None means no cross-validation.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows, in fits and scores.
    n_jobs : int, default=None
        Number of fits at the same time. The result does not depend on it. None means 1
        unless in a :obj:`joblib.parallel_backend` context.
    random_state : int, RandomState instance or None, default=None
        Seeds the folds, and the estimators whose own `random_state` is None.

    Returns
    -------
    results : pandas.DataFrame
        A row for each number of experts, with these columns:

        - log_likelihood: of all rows, under the fit to all rows,
        - n_parameters, aic, bic, icl: of that fit; less is better. NaN, with a
          warning, where it is not known how to count the parameters,
        - cv_log_likelihood: mean log density of a target that was held out, the mean of
          all folds; greater is better,
        - cv_standard_error: of that mean, from the spread of the folds.

    See Also
    --------
    NumberOfExpertsDisplay : Draws the result.
    count_parameters : Where types that it does not know can be registered.

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
    2                     8  124.0
    3                    13  140.0
    >>> int(results["cv_log_likelihood"].idxmax())
    2
    """
    pd = check_pandas_support("select_n_experts")
    X, y = indexable(X, y)
    y = np.asarray(y)
    weights = check_sample_weight(
        sample_weight, X, dtype=np.float64, ensure_non_negative=True
    )
    random_state = check_random_state(random_state)
    seed = random_state.randint(np.iinfo(np.int32).max)
    n_experts = list(n_experts)
    candidates = [
        WeightedFit(candidate, np.random.RandomState(seed))
        for candidate in _candidates(estimator, n_experts)
    ]
    outcomes = Parallel(n_jobs=n_jobs)(
        delayed(_fit_all)(candidate, X, y, weights) for candidate in candidates
    )
    index = pd.Index(n_experts, name="n_experts")
    results = pd.DataFrame([row for row, _ in outcomes], index)
    unknown = [error for _, error in outcomes if error is not None]
    if unknown:
        warnings.warn(
            f"The information criteria are NaN. {unknown[0]}", UserWarning, stacklevel=2
        )
    if cv is not None:
        splits = _splits(cv, X, y, random_state, is_classifier(estimator))
        scores = Parallel(n_jobs=n_jobs)(
            delayed(_fit_fold)(candidate, X, y, weights, train, test)
            for candidate in candidates
            for train, test in splits
        )
        scores = pd.DataFrame(np.reshape(scores, (-1, len(splits))), index)
        results["cv_log_likelihood"] = scores.mean(axis=1)
        results["cv_standard_error"] = scores.sem(axis=1)
    return results


class NumberOfExpertsDisplay:
    """Plot of how good a mixture is with several numbers of experts.

    It is made by `from_estimator` or `from_results`.

    Parameters
    ----------
    results : pandas.DataFrame
        What :func:`select_n_experts` returns.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the plot.
    figure_ : matplotlib Figure
        Figure of the plot.
    lines_ : list of matplotlib Line2D
        A line for each criterion.
    best_ : dict of str to int
        The number of experts that each criterion prefers, marked by a star.

    See Also
    --------
    select_n_experts : The numbers of the plot.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_moe import MixtureOfExpertsRegressor
    >>> from sklearn_moe.model_selection import NumberOfExpertsDisplay
    >>> X = np.linspace(-3, 3, 200).reshape(-1, 1)
    >>> y = np.abs(X[:, 0]) + np.random.default_rng(0).normal(0, 0.3, 200)
    >>> moe = MixtureOfExpertsRegressor(sharing=0, max_iter=500, random_state=0)
    >>> display = NumberOfExpertsDisplay.from_estimator(
    ...     moe, X, y, [1, 2, 3], cv=None
    ... )
    >>> display.best_
    {'aic': 3, 'bic': 2, 'icl': 2}
    """

    def __init__(self, *, results):
        self.results = results

    def plot(self, ax=None, *, criteria=None, line_kw=None):
        """Draw the plot.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None means a new figure.
        criteria : str or list of str, default=None
            Columns of the results: "cv_log_likelihood", drawn with its standard error,
            or "log_likelihood", or some of "aic", "bic" and "icl". None means the
            first where it is there, else the last three.
        line_kw : dict, default=None
            Further arguments of the lines.

        Returns
        -------
        display : NumberOfExpertsDisplay
        """
        check_matplotlib_support(f"{type(self).__name__}.plot")
        import matplotlib.pyplot as plt

        criteria = self._checked_criteria(criteria)
        if ax is None:
            _, ax = plt.subplots()
        self.ax_, self.figure_ = ax, ax.figure
        self.lines_, self.best_ = [], {}
        numbers = self.results.index
        style = {"marker": "o", **(line_kw or {})}
        for criterion in criteria:
            values = self.results[criterion]
            if criterion == "cv_log_likelihood":
                error = self.results["cv_standard_error"]
                drawn = ax.errorbar(numbers, values, error, capsize=3, **style)
                line = drawn.lines[0]
            else:
                [line] = ax.plot(numbers, values, label=criterion.upper(), **style)
            less_is_better = criterion in INFORMATION_CRITERIA
            best = values.idxmin() if less_is_better else values.idxmax()
            ax.plot(best, values[best], "*", color=line.get_color(), markersize=15)
            self.lines_.append(line)
            self.best_[criterion] = int(best)
        ax.set_xticks(numbers)
        ax.set_xlabel("Number of experts")
        ax.set_ylabel(
            {
                "log_likelihood": "Log-likelihood",
                "cv_log_likelihood": "Cross-validated log-likelihood of a row",
            }.get(criterion, "Information criterion (less is better)")
        )
        if len(criteria) > 1:
            ax.legend()
        return self

    @classmethod
    def from_results(cls, results, *, ax=None, criteria=None, line_kw=None):
        """Draw what `select_n_experts` has returned.

        Parameters
        ----------
        results : pandas.DataFrame
        ax : matplotlib Axes, default=None
            Where to draw; None means a new figure.
        criteria : str or list of str, default=None
            See `plot`.
        line_kw : dict, default=None
            Further arguments of the lines.

        Returns
        -------
        display : NumberOfExpertsDisplay
        """
        return cls(results=results).plot(ax, criteria=criteria, line_kw=line_kw)

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        y,
        n_experts=range(1, 7),
        *,
        cv=5,
        sample_weight=None,
        n_jobs=None,
        random_state=None,
        ax=None,
        criteria=None,
        line_kw=None,
    ):
        """Fit a mixture with several numbers of experts, and draw how good it is.

        Parameters
        ----------
        estimator : estimator
            A mixture whose `experts` is one estimator, or a pipeline that ends in one.
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            The targets.
        n_experts : iterable of int, default=range(1, 7)
            The numbers to compare.
        cv : int, splitter, iterable or None, default=5
            See :func:`select_n_experts`.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, in fits and scores.
        n_jobs : int, default=None
            Number of fits at the same time.
        random_state : int, RandomState instance or None, default=None
            Seeds the folds, and the estimators whose own `random_state` is None.
        ax : matplotlib Axes, default=None
            Where to draw; None means a new figure.
        criteria : str or list of str, default=None
            See `plot`.
        line_kw : dict, default=None
            Further arguments of the lines.

        Returns
        -------
        display : NumberOfExpertsDisplay
        """
        check_matplotlib_support(f"{cls.__name__}.from_estimator")
        results = select_n_experts(
            estimator,
            X,
            y,
            n_experts,
            cv=cv,
            sample_weight=sample_weight,
            n_jobs=n_jobs,
            random_state=random_state,
        )
        return cls.from_results(results, ax=ax, criteria=criteria, line_kw=line_kw)

    def _checked_criteria(self, criteria):
        """The criteria as a list; they have one unit, and numbers to draw."""
        known = {"log_likelihood", "cv_log_likelihood", *INFORMATION_CRITERIA}
        if criteria is None:
            validated = "cv_log_likelihood" in self.results
            criteria = "cv_log_likelihood" if validated else INFORMATION_CRITERIA
        criteria = [criteria] if isinstance(criteria, str) else list(criteria)
        comparable = len(criteria) == 1 or set(criteria) <= set(INFORMATION_CRITERIA)
        if not (criteria and set(criteria) <= known and comparable):
            raise ValueError(
                "'criteria' must be 'cv_log_likelihood', 'log_likelihood', or some of "
                f"{list(INFORMATION_CRITERIA)}; got {criteria!r}."
            )
        for criterion in criteria:
            if criterion not in self.results or self.results[criterion].isna().all():
                raise ValueError(
                    f"The results have no {criterion!r} to draw. Choose other "
                    "'criteria', or give select_n_experts folds ('cv') or parameters "
                    "that it can count."
                )
        return criteria


def _fitted_mixture(estimator, X):
    """The mixture in an estimator, and the rows that it sees."""
    estimator = getattr(estimator, "best_estimator_", estimator)
    if not has_own_density(estimator):
        raise TypeError(
            "The estimator must be a mixture of experts, or a pipeline that ends in "
            f"one; got {estimator!r}."
        )
    return mixture_within(estimator, X)


def _candidates(estimator, n_experts):
    """Yield clones of the estimator with each number of experts."""
    mixture = last_step(estimator)
    if not hasattr(mixture, "predict_gate"):
        raise TypeError(
            "select_n_experts needs a mixture of experts, or a pipeline that ends in "
            f"one; got {estimator!r}."
        )
    if isinstance(mixture.experts, list):
        raise ValueError(
            "The number of experts is that of the list given as 'experts', "
            f"{len(mixture.experts)}. Give one estimator as 'experts' to compare "
            "numbers of clones of it."
        )
    if not n_experts:
        raise ValueError("'n_experts' is empty; give one number at least.")
    parameter = "n_experts"
    if isinstance(estimator, Pipeline):
        parameter = f"{estimator.steps[-1][0]}__n_experts"
    for number in n_experts:
        yield clone(estimator).set_params(**{parameter: number})


def _splits(cv, X, y, random_state, classification):
    if isinstance(cv, Integral):
        splitter = StratifiedKFold if classification else KFold
        cv = splitter(cv, shuffle=True, random_state=random_state)
    return list(check_cv(cv, y, classifier=classification).split(X, y))


def _fit_all(candidate, X, y, weights):
    """Fit to all rows; return a row of the results, and why it is not whole."""
    mixture, X = _fitted_mixture(candidate.fit(X, y, weights), X)
    row = {"log_likelihood": float(weights @ mixture.score_samples(X, y))}
    try:
        row["n_parameters"] = mixture.n_parameters()
    except CannotCountError as error:
        missing = dict.fromkeys(["n_parameters", *INFORMATION_CRITERIA], np.nan)
        return row | missing, " ".join([str(error), *error.__notes__])
    for criterion in INFORMATION_CRITERIA:
        row[criterion] = getattr(mixture, criterion)(X, y, weights)
    return row, None


def _fit_fold(candidate, X, y, weights, train, test):
    """Fit to some rows, and score others."""
    fitted = candidate.fit(X, y, weights, rows=train)
    return log_likelihood_scorer(fitted, safe_indexing(X, test), y[test], weights[test])
