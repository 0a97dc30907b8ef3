"""How the work is divided among the experts."""

import numpy as np

from sklearn_moe._compat import check_matplotlib_support, validate_style_kwargs
from sklearn_moe.inspection._pictures import fitted_mixture, panels_for

# Thickness of a bar; an expert has two of them.
THICKNESS = 0.38


class ExpertLoadDisplay:
    """Plot of the part of the rows that each expert has.

    Of each expert there are two bars: its share, the mean responsibility, and its load,
    the part of the rows that it was trained on. Where rows are assigned to experts
    (``assignment="hard"`` or ``"expert_choice"``) a second panel has the part of the
    rows that trained no expert, by iteration.

    It is made by `from_estimator`.

    Parameters
    ----------
    share : ndarray of shape (n_experts,)
        Mean responsibilities.
    load : ndarray of shape (n_experts,)
        Parts of the rows that the experts were trained on.
    capacity : float, default=None
        The part of the rows that an expert has room for. None means no limit.
    overflow : ndarray of shape (n_iter,), default=None
        The part of the rows that trained no expert, in each iteration. None means that
        there is nothing to draw.
    expert_names : list of str
        The names of the experts.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes
        Axes of the bars and, where there is one, of the overflow.
    figure_ : matplotlib Figure
        Figure of the plot.
    bars_ : list of matplotlib BarContainer
        The bars of the share, and those of the load.
    capacity_line_ : matplotlib Line2D or None
        The line that no load is beyond.
    overflow_line_ : matplotlib Line2D or None
        The overflow by iteration.

    See Also
    --------
    MixtureOfExpertsRegressor : Its `expert_share_`, `expert_load_` and
        `overflow_fraction_` are drawn.

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

    def __init__(self, *, share, load, capacity=None, overflow=None, expert_names):
        self.share = share
        self.load = load
        self.capacity = capacity
        self.overflow = overflow
        self.expert_names = expert_names

    def plot(self, ax=None, *, bar_kw=None, line_kw=None):
        """Draw the plot.

        Parameters
        ----------
        ax : matplotlib Axes or array-like of two, default=None
            Where to draw: one for the bars, and one for the overflow where there is
            one. None means a new figure.
        bar_kw : dict, default=None
            Further arguments of `barh`, which draws the bars.
        line_kw : dict, default=None
            Further arguments of the lines of capacity and overflow.

        Returns
        -------
        display : ExpertLoadDisplay
        """
        n_panels = 1 if self.overflow is None else 2
        self.axes_, self.figure_ = panels_for(self, ax, n_panels)
        bars_ax = self.axes_[0]
        places = np.arange(len(self.expert_names))
        # No colours, which are those of experts elsewhere.
        series = [
            ("share", self.share, {"color": "0.45"}),
            ("load", self.load, {"color": "0.75", "hatch": "//"}),
        ]
        self.bars_ = []
        for side, (name, heights, own) in zip((-0.5, 0.5), series):
            style = {"label": name, "height": THICKNESS, "edgecolor": "white", **own}
            style = validate_style_kwargs(style, bar_kw or {})
            self.bars_.append(bars_ax.barh(places + side * THICKNESS, heights, **style))
        line = validate_style_kwargs({"color": "black"}, line_kw or {})
        self.capacity_line_ = self.overflow_line_ = None
        if self.capacity is not None:
            style = {"linestyle": "--", "label": "capacity"}
            self.capacity_line_ = bars_ax.axvline(self.capacity, **(style | line))
        bars_ax.set_yticks(places, self.expert_names)
        # The first on top.
        bars_ax.set(xlabel="Part of the rows", ylim=(len(places) - 0.5, -0.5))
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
    def from_estimator(cls, estimator, *, ax=None, bar_kw=None, line_kw=None):
        """Draw how a fitted mixture divides the work.

        The capacity is ``capacity_factor / n_experts``. A load may lie beyond it by
        less than a row, since capacities are rounded up to whole rows.

        Parameters
        ----------
        estimator : fitted estimator
            A mixture, a pipeline that ends in one, or a search over such.
        ax : matplotlib Axes or array-like of two, default=None
            Where to draw: one for the bars, and one for the overflow where rows are
            assigned to experts. None means a new figure.
        bar_kw : dict, default=None
            Further arguments of `barh`, which draws the bars.
        line_kw : dict, default=None
            Further arguments of the lines of capacity and overflow.

        Returns
        -------
        display : ExpertLoadDisplay
        """
        check_matplotlib_support(f"{cls.__name__}.from_estimator")
        mixture, _ = fitted_mixture(estimator)
        names = list(mixture.named_experts_)
        factor = mixture.capacity_factor
        if factor is None and mixture.assignment == "expert_choice":
            factor = 1
        # Room for all rows is no limit.
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
