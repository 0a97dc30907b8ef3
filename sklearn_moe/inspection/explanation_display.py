"""Plot of the explanation of a prediction."""

from numbers import Integral
from typing import Any, Self

import numpy as np

from sklearn_moe._sklearn import check_matplotlib_support
from sklearn_moe.inspection._plotting import (
    MixtureDisplay,
    expert_style,
    ink_on,
    name_ticks,
    paper_of,
    put_legend_outside,
    restyled,
)
from sklearn_moe.inspection.explanation import (
    Explanation,
    explain,
    largest,
    named_parts,
)

# Maximum number of experts with separate bars.
MAX_EXPERTS = 7

# Least height of a bar in a new figure, in inches.
BAR_HEIGHT = 0.3

# The axes have space for at least this number of bars.
LEAST_BARS = 6

# Maximum length of a name and value at a bar; the middle of longer ones is left out.
MAX_LENGTH = 28


class ExplanationDisplay(MixtureDisplay):
    """Bar plots of the contributions to a prediction, and of the terms of the gate.

    The first panel has a bar for each expert, its weight times its answer; these sum to
    the prediction. If answers of experts can be attributed to columns, a second panel
    has a bar for each column, with a segment for each expert; a diamond marks the sum
    of the segments. If the gate is linear, a third panel has the terms of its logit for
    the expert of largest weight. The largest bars are drawn, and one for the sum of the
    others. Create it with `from_estimator` or `from_explanation`.

    Read more in the :ref:`User Guide <guide_explanations>`.

    Parameters
    ----------
    explanation : Explanation
        Result of :func:`explain`.
    row : int, default=0
        Index of the row, among those that are explained.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes
        Axes of the panels.
    figure_ : matplotlib Figure
        Figure of the plot.
    expert_bars_ : list of matplotlib BarContainer
        Bar of each expert that is drawn, by descending weight, and of the others.
    part_bars_ : list of matplotlib BarContainer
        Segments of each of these experts in the bars of the columns.
    gate_bars_ : matplotlib BarContainer or None
        Bars of the gate's terms.

    See Also
    --------
    explain : Numbers in the plot.
    ExpertDisplay : Plot of the predictions of the experts along a feature.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_moe import MixtureOfExpertsRegressor
    >>> from sklearn_moe.inspection import ExplanationDisplay
    >>> X = np.random.default_rng(0).uniform(-3, 3, size=(300, 2))
    >>> y = np.where(X[:, 0] > 0, 2 * X[:, 1], 5 - X[:, 1])
    >>> moe = MixtureOfExpertsRegressor(n_experts=2, random_state=0).fit(X, y)
    >>> display = ExplanationDisplay.from_estimator(moe, [[2.0, 1.5]])
    >>> len(display.axes_)
    3
    """

    def __init__(self, *, explanation: Explanation, row: int = 0) -> None:
        self.explanation = explanation
        self.row = row

    def plot(
        self, ax: Any = None, *, max_parts: int = 10, bar_kw: dict | None = None
    ) -> Self:
        """Draw the plot.

        Parameters
        ----------
        ax : matplotlib Axes or array-like of such, default=None
            Axes to draw on, one for each panel. None means a new figure.
        max_parts : int, default=10
            Maximum number of columns with a separate bar.
        bar_kw : dict, default=None
            Further keyword arguments of `barh`, which draws the bars.

        Returns
        -------
        display : ExplanationDisplay
        """
        if not isinstance(max_parts, Integral) or max_parts < 1:
            raise ValueError(
                f"'max_parts' must be a positive integer; got {max_parts!r}."
            )
        explanation, row = self.explanation, self._checked_row()
        panels = [self._draw_experts]
        if explanation.has_parts:
            panels.append(self._draw_parts)
        if explanation.has_gate_terms:
            panels.append(self._draw_gate)
        n_bars = min(
            max(len(explanation.parts), len(explanation.expert_names)), max_parts
        )
        self.axes_, self.figure_ = self._find_axes(
            ax, len(panels), widening=1.2, least_height=BAR_HEIGHT * (n_bars + 5)
        )
        self.part_bars_, self.gate_bars_ = [], None
        for axes, draw in zip(self.axes_, panels):
            draw(axes, row, max_parts, bar_kw)
            axes.axvline(0, color=ink_on(axes), linewidth=0.8)
            # Leave space for the numbers at the bars of the first panel.
            axes.margins(x=0.35 if axes is self.axes_[0] else 0.1)
        # The names at the bars are a legend for the first panel only.
        if len(panels) > 1:
            names = [self._expert_label(row, group) for group in self._groups(row)]
            patches = [bars.patches[0] for bars in self.expert_bars_]
            for patch, name in zip(patches, names):
                patch.set_label(name)
            put_legend_outside(self.axes_[-1], patches)
        return self

    @classmethod
    def from_explanation(
        cls,
        explanation: Explanation,
        *,
        row: int = 0,
        ax: Any = None,
        max_parts: int = 10,
        bar_kw: dict | None = None,
    ) -> Self:
        """Draw a row of an explanation.

        Parameters
        ----------
        explanation : Explanation
            Result of :func:`explain`.
        row : int, default=0
            Index of the row, among those that are explained.
        ax : matplotlib Axes or array-like of such, default=None
            See `plot`.
        max_parts : int, default=10
            See `plot`.
        bar_kw : dict, default=None
            See `plot`.

        Returns
        -------
        display : ExplanationDisplay
        """
        display = cls(explanation=explanation, row=row)
        return display.plot(ax, max_parts=max_parts, bar_kw=bar_kw)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        row: int = 0,
        target: Any = None,
        coverage: float = 0.9,
        background: Any = None,
        ax: Any = None,
        max_parts: int = 10,
        bar_kw: dict | None = None,
    ) -> Self:
        """Explain a row, and draw the explanation.

        Parameters
        ----------
        estimator : fitted estimator
            See :func:`explain`.
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
            Rows, of which one is drawn.
        row : int, default=0
            Index of the row.
        target : int, str or class label, default=None
            See :func:`explain`.
        coverage : float, default=0.9
            See :func:`explain`.
        background : {array-like, sparse matrix, frame}, default=None
            See :func:`explain`.
        ax : matplotlib Axes or array-like of such, default=None
            See `plot`.
        max_parts : int, default=10
            See `plot`.
        bar_kw : dict, default=None
            See `plot`.

        Returns
        -------
        display : ExplanationDisplay
        """
        check_matplotlib_support(f"{cls.__name__}.from_estimator")
        explanation = explain(
            estimator, X, target=target, coverage=coverage, background=background
        )
        return cls.from_explanation(
            explanation, row=row, ax=ax, max_parts=max_parts, bar_kw=bar_kw
        )

    def _checked_row(self):
        n_rows = len(self.explanation.prediction)
        if not isinstance(self.row, Integral) or not 0 <= self.row < n_rows:
            raise ValueError(
                f"'row' must be the number of a row, 0 to {n_rows - 1}; got "
                f"{self.row!r}."
            )
        return self.row

    def _groups(self, row):
        """Return the indices of experts with separate bars, and of the others."""
        shown, others = largest(self.explanation.weights[row], MAX_EXPERTS)
        return [[k] for k in shown] + ([others] if len(others) else [])

    def _expert_label(self, row, group):
        names = self.explanation.expert_names
        name = names[group[0]] if len(group) == 1 else f"{len(group)} others"
        return f"{name} ({self.explanation.weights[row][group].sum():.0%})"

    def _style(self, ax, group, bar_kw):
        style = {"edgecolor": paper_of(ax), "linewidth": 0.5}
        if len(group) == 1:
            style |= expert_style(group[0], "color", "hatch")
        else:
            style["color"] = ink_on(ax, 0.4)
        return restyled(style, bar_kw)

    def _draw_experts(self, ax, row, max_parts, bar_kw):
        explanation, groups = self.explanation, self._groups(row)
        adds = explanation.weights[row] * explanation.expert_predictions[row]
        self.expert_bars_ = []
        for place, group in enumerate(groups):
            style = self._style(ax, group, bar_kw)
            bars = ax.barh([place], [adds[group].sum()], **style)
            ax.bar_label(bars, fmt="%.3g", padding=2)
            self.expert_bars_.append(bars)
        _name_bars(ax, [self._expert_label(row, group) for group in groups])
        ax.set_title(explanation.headline(row).replace(", ", "\n"))
        ax.set_xlabel(f"Contribution to the {explanation.of}")

    def _draw_parts(self, ax, row, max_parts, bar_kw):
        explanation = self.explanation
        contributions = np.nan_to_num(explanation.contributions[row])
        adds = contributions.sum(axis=0)
        bars = named_parts(explanation, row, explanation.parts_of(row), adds, max_parts)
        # Positive segments lie to the right of zero, negative ones to the left.
        ends = np.zeros((2, len(bars)))
        for group in self._groups(row):
            widths = np.array(
                [contributions[np.ix_(group, parts)].sum() for _, parts in bars]
            )
            left = np.where(widths < 0, ends[0], ends[1])
            style = self._style(ax, group, bar_kw)
            drawn = ax.barh(np.arange(len(bars)), widths, left=left, **style)
            self.part_bars_.append(drawn)
            ends += [np.minimum(widths, 0), np.maximum(widths, 0)]
        sums = [adds[parts].sum() for _, parts in bars]
        style = {"color": ink_on(ax), "markeredgecolor": paper_of(ax)}
        ax.plot(sums, np.arange(len(bars)), "D", markersize=5, zorder=3, **style)
        _name_bars(ax, [name for name, _ in bars])
        ax.set_title("Columns")
        ax.set_xlabel(f"Contribution to the {explanation.of}")

    def _draw_gate(self, ax, row, max_parts, bar_kw):
        explanation = self.explanation
        k = explanation.weights[row].argmax()
        terms = np.append(explanation.gate_intercept[k], explanation.gate_terms[row, k])
        bars = named_parts(explanation, row, np.arange(len(terms)), terms, max_parts)
        widths = [terms[parts].sum() for _, parts in bars]
        style = self._style(ax, [k], bar_kw)
        self.gate_bars_ = ax.barh(np.arange(len(bars)), widths, **style)
        _name_bars(ax, [name for name, _ in bars])
        ax.set_title(f"Why {explanation.expert_names[k]} has the largest weight")
        ax.set_xlabel("Term of the gate's logit")


def _name_bars(ax, names):
    """Label horizontal bars, with the first one on top."""
    name_ticks(ax.yaxis, np.arange(len(names)), names, MAX_LENGTH)
    # A minimum of space keeps a few bars from becoming too broad.
    ax.set_ylim(max(len(names), LEAST_BARS) - 0.5, -0.5)
