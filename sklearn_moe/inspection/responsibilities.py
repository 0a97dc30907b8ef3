"""Plot of the distribution of the responsibilities."""

from __future__ import annotations

from numbers import Integral
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from sklearn_moe._sklearn import check_sample_weight
from sklearn_moe.inspection._plotting import (
    MixtureDisplay,
    expert_style,
    paper_of,
    restyled,
)


class ResponsibilityDisplay(MixtureDisplay):
    """Rootograms of the responsibilities, one for each expert.

    A rootogram is a histogram whose heights are square roots of numbers of rows, so
    that small numbers are visible beside large ones [1]_. Rows with a responsibility of
    one certainly belong to the expert; rows in the middle may belong to another one.
    Responsibilities of `eps` and less are left out, since most rows have a negligible
    responsibility. The R package flexmix has the same plot. Create it with
    `from_estimator`.

    Read more in the :ref:`User Guide <guide_plots>`.

    Parameters
    ----------
    responsibilities : ndarray of shape (n_samples, n_experts)
        Posterior probabilities of the experts.
    sample_weight : ndarray of shape (n_samples,), default=None
        Weights of the rows. None means that each row counts once.
    expert_names : list of str
        Names of the experts.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes of shape (n_experts,)
        Axes of the panels.
    figure_ : matplotlib Figure
        Figure of the plot.
    bars_ : list of matplotlib BarContainer
        Bars of each expert, whose heights are numbers of rows.

    See Also
    --------
    sklearn_moe.MixtureOfExpertsRegressor.responsibilities : Numbers in the plot.

    References
    ----------
    .. [1] F. Leisch (2004). Exploring the structure of mixture model components.
       COMPSTAT 2004, Proceedings in Computational Statistics, 1405-1412.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_moe import MixtureOfExpertsRegressor
    >>> from sklearn_moe.inspection import ResponsibilityDisplay
    >>> X = np.linspace(-3, 3, 200).reshape(-1, 1)
    >>> y = np.abs(X[:, 0])
    >>> moe = MixtureOfExpertsRegressor(n_experts=2, random_state=0).fit(X, y)
    >>> display = ResponsibilityDisplay.from_estimator(moe, X, y)
    >>> len(display.bars_)
    2
    """

    def __init__(
        self,
        *,
        responsibilities: np.ndarray,
        sample_weight: np.ndarray | None = None,
        expert_names: list[str],
    ) -> None:
        self.responsibilities = responsibilities
        self.sample_weight = sample_weight
        self.expert_names = expert_names

    def plot(
        self,
        ax: Any = None,
        *,
        bins: int | None = None,
        eps: float = 1e-4,
        bar_kw: dict | None = None,
    ) -> Self:
        """Draw the plot.

        Parameters
        ----------
        ax : matplotlib Axes or array-like of such, default=None
            Axes to draw on, one for each expert. None means a new figure.
        bins : int, default=None
            Number of bars between zero and one. None means one more than the binary
            logarithm of the number of rows, as in flexmix.
        eps : float, default=1e-4
            Largest responsibility that is left out.
        bar_kw : dict, default=None
            Further keyword arguments of `bar`, which draws the bars.

        Returns
        -------
        display : ResponsibilityDisplay
        """
        n_samples, n_experts = self.responsibilities.shape
        if bins is None:
            bins = max(round(np.log2(n_samples)) + 1, 3)
        elif not isinstance(bins, Integral) or bins < 1:
            raise ValueError(f"'bins' must be a positive integer; got {bins!r}.")
        weights = self.sample_weight
        if weights is None:
            weights = np.ones(n_samples)
        self.axes_, self.figure_ = self._find_axes(ax, n_experts)
        edges = np.linspace(0, 1, bins + 1)
        self.bars_ = []
        for k, (ax, name) in enumerate(zip(self.axes_, self.expert_names)):
            # In single precision, a responsibility may exceed one by rounding.
            r = np.minimum(self.responsibilities[:, k], 1)
            heights, _ = np.histogram(r[r > eps], edges, weights=weights[r > eps])
            style = {"align": "edge", "width": 1 / bins, "edgecolor": paper_of(ax)}
            style = restyled(style | expert_style(k, "color", "hatch"), bar_kw)
            self.bars_.append(ax.bar(edges[:-1], heights, **style))
            ax.set(title=name, xlabel="Responsibility", xlim=(0, 1), xticks=(0, 0.5, 1))
        top = max(bar.get_height() for bars in self.bars_ for bar in bars)
        for ax in self.axes_:
            ax.set_yscale("function", functions=(_root, np.square))
            ax.set_ylim(0, 1.1 * top if top > 0 else 1)
        self.axes_[0].set_ylabel("Rows (square-root scale)")
        return self

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        subjects: ArrayLike | None = None,
        exposure: ArrayLike | None = None,
        ax: Any = None,
        bins: int | None = None,
        eps: float = 1e-4,
        bar_kw: dict | None = None,
    ) -> Self:
        """Draw the responsibilities of the experts of a fitted mixture.

        Parameters
        ----------
        estimator : fitted estimator
            A mixture, or a model around one: see :func:`fitted_mixture`.
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows. None means that each row counts once.
        subjects : array-like of shape (n_samples,), default=None
            Labels of the subjects of the rows, as in `fit`.
        exposure : array-like of shape (n_samples,), default=None
            Exposure of counts, as in `fit`.
        ax : matplotlib Axes or array-like of such, default=None
            See `plot`.
        bins : int, default=None
            See `plot`.
        eps : float, default=1e-4
            See `plot`.
        bar_kw : dict, default=None
            See `plot`.

        Returns
        -------
        display : ResponsibilityDisplay
        """
        seen = cls._seen(estimator, X, y)
        mixture = seen.mixture
        responsibilities = mixture.responsibilities(
            seen.X,
            seen.y,
            subjects=subjects,
            exposure=exposure,
            sample_weight=sample_weight,
        )
        if sample_weight is not None:
            sample_weight = check_sample_weight(
                sample_weight, responsibilities, ensure_non_negative=True
            )
        display = cls(
            responsibilities=responsibilities,
            sample_weight=sample_weight,
            expert_names=list(mixture.named_experts_),
        )
        return display.plot(ax, bins=bins, eps=eps, bar_kw=bar_kw)


def _root(heights):
    # Matplotlib transforms default limits below zero before the limits are set.
    return np.sqrt(np.maximum(heights, 0))
