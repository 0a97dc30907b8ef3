"""Plot of the criteria of a mixture for several numbers of experts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike

if TYPE_CHECKING:
    import pandas as pd

from sklearn_moe._sklearn import check_matplotlib_support
from sklearn_moe.inspection._plotting import (
    MixtureDisplay,
    ink_on,
    paper_of,
    restyled,
)
from sklearn_moe.model_selection import select_n_experts
from sklearn_moe.model_selection._number_of_experts import INFORMATION_CRITERIA


class NumberOfExpertsDisplay(MixtureDisplay):
    """Plot of the criteria of a mixture for several numbers of experts.

    Create it with `from_estimator` or `from_results`.

    Read more in the :ref:`User Guide <guide_number_of_experts>`.

    Parameters
    ----------
    results : pandas.DataFrame
        Result of :func:`~sklearn_moe.model_selection.select_n_experts`.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        Axes and figure of the plot.
    lines_ : list of matplotlib Line2D
        Line of each criterion.
    best_ : dict of str to int
        The number of experts that each criterion prefers, marked by a star. For
        "cv_log_likelihood" it is the one in the column "chosen", if the results have
        it.

    See Also
    --------
    sklearn_moe.model_selection.select_n_experts : Table of the numbers in the plot.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_moe import MixtureOfExpertsRegressor
    >>> from sklearn_moe.inspection import NumberOfExpertsDisplay
    >>> X = np.linspace(-3, 3, 200).reshape(-1, 1)
    >>> y = np.abs(X[:, 0]) + np.random.default_rng(0).normal(0, 0.3, 200)
    >>> moe = MixtureOfExpertsRegressor(sharing=0, max_iter=500, random_state=0)
    >>> display = NumberOfExpertsDisplay.from_estimator(
    ...     moe, X, y, [1, 2, 3], cv=None
    ... )
    >>> display.best_
    {'aic': 2, 'bic': 2, 'icl': 2}
    """

    def __init__(self, *, results: pd.DataFrame) -> None:
        self.results = results

    def plot(
        self,
        ax: Any = None,
        *,
        criteria: str | list[str] | None = None,
        line_kw: dict | None = None,
    ) -> Self:
        """Draw the plot.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. None means a new figure.
        criteria : str or list of str, default=None
            Columns of the results: "cv_log_likelihood", drawn with its standard error,
            or "log_likelihood", or some of "aic", "bic" and "icl". None means
            "cv_log_likelihood" if the results have it, otherwise the information
            criteria.
        line_kw : dict, default=None
            Further keyword arguments of the lines.

        Returns
        -------
        display : NumberOfExpertsDisplay
        """
        check_matplotlib_support(f"{type(self).__name__}.plot")
        criteria = self._check_criteria(criteria)
        [ax], self.figure_ = self._find_axes(ax)
        self.ax_, self.lines_, self.best_ = ax, [], {}
        numbers = self.results.index
        looks = {"linestyle": ["-", "--", ":"], "marker": ["o", "s", "^"]}
        for k, criterion in enumerate(criteria):
            values = self.results[criterion]
            # No colours, since they represent experts in the other displays.
            style = {name: look[k] for name, look in looks.items()}
            style = restyled({"color": ink_on(ax), **style}, line_kw)
            if criterion == "cv_log_likelihood":
                error = self.results["cv_standard_error"]
                drawn = ax.errorbar(numbers, values, error, capsize=3, **style)
                line = drawn.lines[0]
            else:
                [line] = ax.plot(numbers, values, label=criterion.upper(), **style)
            if criterion == "cv_log_likelihood" and "chosen" in self.results:
                best = self.results["chosen"].idxmax()
            elif criterion in INFORMATION_CRITERIA:
                best = values.idxmin()
            else:
                best = values.idxmax()
            star = {"color": line.get_color(), "markeredgecolor": paper_of(ax)}
            ax.plot(best, values[best], "*", markersize=18, **star)
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
            ax.legend(frameon=False)
        return self

    @classmethod
    def from_results(
        cls,
        results: pd.DataFrame,
        *,
        ax: Any = None,
        criteria: str | list[str] | None = None,
        line_kw: dict | None = None,
    ) -> Self:
        """Draw the result of `select_n_experts`.

        Parameters
        ----------
        results : pandas.DataFrame
        ax : matplotlib Axes, default=None
            See `plot`.
        criteria : str or list of str, default=None
            See `plot`.
        line_kw : dict, default=None
            See `plot`.

        Returns
        -------
        display : NumberOfExpertsDisplay
        """
        return cls(results=results).plot(ax, criteria=criteria, line_kw=line_kw)

    @classmethod
    def from_estimator(
        cls,
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
        ax: Any = None,
        criteria: str | list[str] | None = None,
        line_kw: dict | None = None,
    ) -> Self:
        """Fit a mixture with several numbers of experts, and draw its criteria.

        Parameters
        ----------
        estimator : estimator
            See :func:`~sklearn_moe.model_selection.select_n_experts`.
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
            See :func:`~sklearn_moe.model_selection.select_n_experts`.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            See :func:`~sklearn_moe.model_selection.select_n_experts`.
        n_experts : iterable of int or "auto", default=range(1, 7)
            See :func:`~sklearn_moe.model_selection.select_n_experts`.
        cv : int, splitter, iterable or None, default=5
            See :func:`~sklearn_moe.model_selection.select_n_experts`.
        groups : array-like of shape (n_samples,), default=None
            See :func:`~sklearn_moe.model_selection.select_n_experts`.
        one_standard_error : bool, default=False
            See :func:`~sklearn_moe.model_selection.select_n_experts`.
        sample_weight : array-like of shape (n_samples,), default=None
            See :func:`~sklearn_moe.model_selection.select_n_experts`.
        subjects : array-like of shape (n_samples,), default=None
            See :func:`~sklearn_moe.model_selection.select_n_experts`.
        exposure : array-like of shape (n_samples,), default=None
            See :func:`~sklearn_moe.model_selection.select_n_experts`.
        n_jobs : int, default=None
            See :func:`~sklearn_moe.model_selection.select_n_experts`.
        random_state : int, RandomState instance or None, default=None
            See :func:`~sklearn_moe.model_selection.select_n_experts`.
        ax : matplotlib Axes, default=None
            See `plot`.
        criteria : str or list of str, default=None
            See `plot`.
        line_kw : dict, default=None
            See `plot`.

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
            groups=groups,
            one_standard_error=one_standard_error,
            sample_weight=sample_weight,
            subjects=subjects,
            exposure=exposure,
            n_jobs=n_jobs,
            random_state=random_state,
        )
        return cls.from_results(results, ax=ax, criteria=criteria, line_kw=line_kw)

    def _check_criteria(self, criteria):
        """Return the criteria as a list; they must share a unit and have values."""
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
