"""Plot of the share and load of the experts."""

from typing import Any, Self

import numpy as np

from sklearn_moe.inspection._plotting import (
    MixtureDisplay,
    ink_on,
    name_ticks,
    paper_of,
    restyled,
)

# Height of one of the two horizontal bars of an expert; experts are 1 apart.
BAR_HEIGHT = 0.38

# Least height of an expert in a new figure, in inches.
EXPERT_HEIGHT = 0.25


class ExpertLoadDisplay(MixtureDisplay):
    """Plot of the share and load of each expert.

    Each expert has two bars: its share, which is the mean responsibility, and its load,
    the fraction of the rows that it was trained on. If rows are assigned to experts
    (``assignment="hard"`` or ``"expert_choice"``) a second panel shows the fraction of
    the rows that trained no expert, by iteration. Create it with `from_estimator`.

    Read more in the :ref:`User Guide <guide_plots>`.

    Parameters
    ----------
    share, load : ndarray of shape (n_experts,)
        Mean responsibility of each expert, and fraction of the rows that it was trained
        on.
    capacity : float, default=None
        Largest fraction of the rows that an expert may be trained on. None means no
        limit.
    overflow : ndarray of shape (n_iter,), default=None
        Fraction of the rows that trained no expert, in each iteration. If None, it is
        not drawn.
    expert_names : list of str
        Names of the experts.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes
        Axes of the bars and, if it is drawn, of the overflow.
    figure_ : matplotlib Figure
        Figure of the plot.
    bars_ : list of matplotlib BarContainer
        Bars of the shares, and bars of the loads.
    capacity_line_, overflow_line_ : matplotlib Line2D or None
        Line of the capacity, and line of the overflow by iteration.

    See Also
    --------
    sklearn_moe.MixtureOfExpertsRegressor : Estimator whose `expert_share_`,
        `expert_load_` and `overflow_fraction_` are drawn.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_moe import MixtureOfExpertsRegressor
    >>> from sklearn_moe.inspection import ExpertLoadDisplay
    >>> X = np.linspace(-1, 3, 200).reshape(-1, 1)
    >>> y = np.abs(X[:, 0])
    >>> moe = MixtureOfExpertsRegressor(
    ...     n_experts=2, assignment="hard", capacity_factor=1.25, random_state=0
    ... )
    >>> display = ExpertLoadDisplay.from_estimator(moe.fit(X, y))
    >>> display.capacity
    0.625
    """

    def __init__(
        self,
        *,
        share: np.ndarray,
        load: np.ndarray,
        capacity: float | None = None,
        overflow: np.ndarray | None = None,
        expert_names: list[str],
    ) -> None:
        self.share = share
        self.load = load
        self.capacity = capacity
        self.overflow = overflow
        self.expert_names = expert_names

    def plot(
        self, ax: Any = None, *, bar_kw: dict | None = None, line_kw: dict | None = None
    ) -> Self:
        """Draw the plot.

        Parameters
        ----------
        ax : matplotlib Axes or array-like of two, default=None
            Axes to draw on: one for the bars and, if it is drawn, one for the overflow.
            None means a new figure.
        bar_kw, line_kw : dict, default=None
            Further keyword arguments of `barh`, which draws the bars, and of the lines
            of capacity and overflow.

        Returns
        -------
        display : ExpertLoadDisplay
        """
        n_axes = 1 if self.overflow is None else 2
        height = EXPERT_HEIGHT * len(self.expert_names)
        self.axes_, self.figure_ = self._find_axes(ax, n_axes, least_height=height)
        bars_ax = self.axes_[0]
        positions = np.arange(len(self.expert_names))
        # Shades of grey, since colours represent experts in the other displays.
        share = {"label": "share", "color": ink_on(bars_ax, 0.55)}
        load = {"label": "load", "color": ink_on(bars_ax, 0.25), "hatch": "//"}
        series = [(-0.5, self.share, share), (0.5, self.load, load)]
        self.bars_ = []
        for side, widths, style in series:
            style |= {"height": BAR_HEIGHT, "edgecolor": paper_of(bars_ax)}
            heights = positions + side * BAR_HEIGHT
            self.bars_.append(bars_ax.barh(heights, widths, **restyled(style, bar_kw)))
        line = restyled({"color": ink_on(bars_ax)}, line_kw)
        self.capacity_line_ = self.overflow_line_ = None
        if self.capacity is not None:
            style = {"linestyle": "--", "label": "capacity"}
            self.capacity_line_ = bars_ax.axvline(self.capacity, **(style | line))
        name_ticks(bars_ax.yaxis, positions, self.expert_names)
        # The first expert is on top.
        bars_ax.set(xlabel="Fraction of the rows", ylim=(len(positions) - 0.5, -0.5))
        bars_ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, frameon=False)
        if self.overflow is not None:
            ax = self.axes_[1]
            iterations = np.arange(1, len(self.overflow) + 1)
            [self.overflow_line_] = ax.plot(iterations, self.overflow, **line)
            ax.set(xlabel="Iteration of EM", ylabel="Rows that train no expert")
            ax.set_ylim(0, max(1.05 * self.overflow.max(), 0.05))
            ax.xaxis.get_major_locator().set_params(integer=True)
        return self

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        ax: Any = None,
        bar_kw: dict | None = None,
        line_kw: dict | None = None,
    ) -> Self:
        """Draw the shares and loads of the experts of a fitted mixture.

        The capacity is ``capacity_factor / n_experts``. A load may exceed it by less
        than a row, since capacities are rounded up to whole rows.

        Parameters
        ----------
        estimator : fitted estimator
            A mixture, or a model around one: see :func:`fitted_mixture`.
        ax : matplotlib Axes or array-like of two, default=None
            See `plot`.
        bar_kw : dict, default=None
            See `plot`.
        line_kw : dict, default=None
            See `plot`. The overflow is drawn if rows are assigned to experts.

        Returns
        -------
        display : ExpertLoadDisplay
        """
        mixture = cls._seen(estimator).mixture
        names = list(mixture.named_experts_)
        factor = mixture.capacity_factor
        if factor is None and mixture.assignment == "expert_choice":
            factor = 1
        # A capacity of all rows does not limit anything.
        limited = factor is not None and factor < len(names)
        soft = mixture.assignment == "soft"
        display = cls(
            share=mixture.expert_share_,
            load=mixture.expert_load_,
            capacity=factor / len(names) if limited else None,
            overflow=None if soft else mixture.overflow_fraction_,
            expert_names=names,
        )
        return display.plot(ax, bar_kw=bar_kw, line_kw=line_kw)
