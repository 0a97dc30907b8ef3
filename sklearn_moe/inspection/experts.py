"""Plot of the predictions of the experts and of the mixture along a feature."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import is_classifier
from sklearn.utils import check_consistent_length

from sklearn_moe.inspection._grid import FeatureAxis, FeatureTable
from sklearn_moe.inspection._plotting import (
    MixtureDisplay,
    expert_style,
    ink_on,
    put_legend_outside,
    restyled,
)

# Width of the band of an expert where its gate weight is one, in points.
MAX_BAND_WIDTH = 7

# Number of markers on the line of an expert.
N_MARKERS = 6

# The limits of the plot include an expert where its gate weight is at least this.
MIN_WEIGHT_IN_LIMITS = 0.05


class ExpertDisplay(MixtureDisplay):
    """Plot of the predictions of each expert and of the mixture along a feature.

    Each expert has a thin line on a band, which is wider and darker where its gate
    weight is larger. The prediction of the mixture is black, or white on a dark
    background. The line of an expert may leave the plot where its gate weight is small.
    Create it with `from_estimator`.

    Read more in the :ref:`User Guide <guide_plots>`.

    Parameters
    ----------
    grid : ndarray of shape (n_values,)
        Values of the feature: numbers, points in time, or names of categories.
    gate_weights : ndarray of shape (n_values, n_experts)
        Gate weight of each expert at these values.
    expert_predictions : ndarray of shape (n_values, n_experts)
        Prediction of each expert: a number, or the probability of a class.
    prediction : ndarray of shape (n_values,)
        Prediction of the mixture.
    interval, coverage : ndarray of shape (n_values, 2) and float, default=None
        Ends of the prediction interval, and its probability. None draws no interval.
    points : tuple of two ndarray of shape (n_samples,), default=None
        Values of the feature, and targets. None draws no points.
    feature_name, target_name : str
        Names of the feature and of the target.
    expert_names : list of str
        Names of the experts.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        Axes and figure of the plot.
    expert_lines_ : list of matplotlib Line2D
        Thin line of each expert.
    weight_bands_ : list of matplotlib LineCollection
        Band of each expert, with a segment from each point to the next.
    line_ : matplotlib Line2D
        Line of the prediction of the mixture.
    band_, points_ : matplotlib PolyCollection and PathCollection, or None
        Band of the prediction interval of the mixture, and points of the rows.

    See Also
    --------
    GateDisplay : Plot of the gate weights alone.
    sklearn_moe.MixtureOfExpertsRegressor.transform : Predictions of the experts.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_moe import MixtureOfExpertsRegressor
    >>> from sklearn_moe.inspection import ExpertDisplay
    >>> X = np.linspace(-3, 3, 200).reshape(-1, 1)
    >>> y = np.abs(X[:, 0])
    >>> moe = MixtureOfExpertsRegressor(n_experts=2, random_state=0).fit(X, y)
    >>> display = ExpertDisplay.from_estimator(moe, X, 0, y=y)
    >>> [line.get_label() for line in display.expert_lines_]
    ['expert0', 'expert1']
    """

    def __init__(
        self,
        *,
        grid: Any,
        gate_weights: np.ndarray,
        expert_predictions: np.ndarray,
        prediction: np.ndarray,
        interval: np.ndarray | None = None,
        coverage: float | None = None,
        points: Any = None,
        feature_name: str,
        target_name: str,
        expert_names: list[str],
    ) -> None:
        self.grid = grid
        self.gate_weights = gate_weights
        self.expert_predictions = expert_predictions
        self.prediction = prediction
        self.interval = interval
        self.coverage = coverage
        self.points = points
        self.feature_name = feature_name
        self.target_name = target_name
        self.expert_names = expert_names

    def plot(
        self,
        ax: Any = None,
        *,
        expert_kw: dict | None = None,
        line_kw: dict | None = None,
        band_kw: dict | None = None,
        points_kw: dict | None = None,
    ) -> Self:
        """Draw the plot.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. None means a new figure.
        expert_kw, line_kw : dict, default=None
            Further keyword arguments of `plot`, which draws the lines of the experts
            and the line of the mixture.
        band_kw, points_kw : dict, default=None
            Further keyword arguments of `fill_between`, which draws the interval, and
            of `scatter`, which draws the rows.

        Returns
        -------
        display : ExpertDisplay
        """
        [self.ax_], self.figure_ = self._find_axes(ax)
        x_axis = FeatureAxis(self.feature_name, self.grid)
        x_axis.set_labels(self.ax_.xaxis)
        self.ax_.set_ylabel(self.target_name)
        self.points_ = self.band_ = None
        if self.interval is not None:
            style = {"color": ink_on(self.ax_, 0.12), "linewidth": 0, "zorder": 1}
            style["label"] = f"{self.coverage:.0%} interval"
            x, ends = x_axis.curve(self.interval)
            self.band_ = self.ax_.fill_between(x, *ends.T, **restyled(style, band_kw))
        if self.points is not None:
            color = ink_on(self.ax_, 0.55)
            style = {"color": color, "s": 8, "linewidth": 0, "zorder": 1.5}
            x, y = x_axis.positions(self.points[0]), self.points[1]
            self.points_ = self.ax_.scatter(x, y, **restyled(style, points_kw))
        style = {"color": ink_on(self.ax_), "linewidth": 1.5, "zorder": 3}
        style["label"] = "mixture"
        x, y = x_axis.curve(self.prediction)
        [self.line_] = self.ax_.plot(x, y, **restyled(style, line_kw))
        self._draw_experts(x_axis, expert_kw)
        put_legend_outside(self.ax_)
        return self

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        feature: int | str,
        *,
        y: ArrayLike | None = None,
        target: Any = None,
        coverage: float = 0.9,
        grid_resolution: int = 100,
        ax: Any = None,
        expert_kw: dict | None = None,
        line_kw: dict | None = None,
        band_kw: dict | None = None,
        points_kw: dict | None = None,
    ) -> Self:
        """Draw the predictions of the experts of a fitted mixture.

        All other features are fixed at their lower median, a value that occurs in X, or
        at their most frequent category. To fix a feature at another value, set it to
        that constant in X.

        Parameters
        ----------
        estimator : fitted estimator
            A mixture, or a model around one: see :func:`fitted_mixture`.
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
            Rows that determine the range of a numeric feature. A sparse X is made
            dense.
        feature : int or str
            Position or name of the feature; without names in X it is x0, x1, ...
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Targets of the rows of X, drawn as points. Other features of these rows may
            differ from the fixed values. None draws no points.
        target : int, str or class label, default=None
            Class whose probability is drawn, or index of the output. It may be None if
            there are two classes, of which the second is drawn, or if there is one
            output.
        coverage : float, default=0.9
            Probability of the prediction interval of a regressor. For a classifier no
            interval is drawn.
        grid_resolution : int, default=100
            Number of equally spaced values of a numeric feature.
        ax : matplotlib Axes, default=None
            See `plot`.
        expert_kw : dict, default=None
            See `plot`.
        line_kw : dict, default=None
            See `plot`.
        band_kw : dict, default=None
            See `plot`.
        points_kw : dict, default=None
            See `plot`.

        Returns
        -------
        display : ExpertDisplay
        """
        table = FeatureTable(X)
        column = table.column(feature)
        [grid], X_grid, at_values = table.grid([feature], grid_resolution)
        seen = cls._seen(estimator, X_grid, y)
        mixture, X_grid = seen.mixture, seen.X
        names = list(mixture.named_experts_)
        # Reshape so that the last axis is that of classes or outputs.
        predictions = np.asarray(mixture.transform(X_grid))
        n_rows = len(predictions)
        predictions = predictions.reshape(n_rows, len(names), -1)
        target_name = getattr(y, "name", None) or "target"
        if seen.transformed:
            target_name = f"{target_name} (transformed)"
        if y is not None:
            check_consistent_length(X, y)
            y = np.asarray(seen.y).reshape(len(column.values), -1)
        if is_classifier(mixture):
            targets = mixture.classes_.tolist()
            chosen = _position(target, targets, n_by_default=2)
            target_name = f"Probability of {targets[chosen]}"
            prediction = mixture.predict_proba(X_grid)
            interval = coverage = None
            heights = None if y is None else (y[:, 0] == targets[chosen]).astype(float)
        else:
            targets = list(range(predictions.shape[2]))
            chosen = _position(target, targets, n_by_default=1)
            if len(targets) > 1:
                target_name = f"output {chosen}"
            prediction = mixture.predict(X_grid).reshape(n_rows, -1)
            interval = mixture.predict_interval(X_grid, coverage)
            interval = at_values(interval.reshape(n_rows, -1, 2)[:, chosen])
            heights = None if y is None else y[:, chosen]
        display = cls(
            grid=grid,
            gate_weights=at_values(mixture.predict_gate(X_grid)),
            expert_predictions=at_values(predictions[:, :, chosen]),
            prediction=at_values(prediction[:, chosen]),
            interval=interval,
            coverage=coverage,
            points=None if y is None else (column.values, heights),
            feature_name=column.name,
            target_name=target_name,
            expert_names=names,
        )
        return display.plot(
            ax,
            expert_kw=expert_kw,
            line_kw=line_kw,
            band_kw=band_kw,
            points_kw=points_kw,
        )

    def _draw_experts(self, x_axis, expert_kw):
        from matplotlib.collections import LineCollection
        from matplotlib.colors import to_rgba
        from matplotlib.lines import Line2D

        self.expert_lines_, self.weight_bands_ = [], []
        x, predictions = x_axis.curve(self.expert_predictions)
        _, gate_weights = x_axis.curve(self.gate_weights)
        x = self.ax_.convert_xunits(x)
        step = max(len(x) // N_MARKERS, 1)
        experts = zip(self.expert_names, predictions.T, gate_weights.T)
        for k, (name, y, weights) in enumerate(experts):
            style = {"label": name, "linewidth": 1, "markersize": 5, "zorder": 2}
            # Markers of one expert lie between those of the others.
            style["markevery"] = (k * step // len(self.expert_names), step)
            style |= expert_style(k, "color", "linestyle", "marker")
            line = Line2D(x, y, **restyled(style, expert_kw))
            corners = np.column_stack([x, y])
            segment_weights = (weights[:-1] + weights[1:]) / 2
            band = LineCollection(
                np.stack([corners[:-1], corners[1:]], axis=1),
                linewidths=MAX_BAND_WIDTH * segment_weights,
                colors=[to_rgba(line.get_color(), w) for w in segment_weights],
                capstyle="butt",
                zorder=line.get_zorder() - 0.1,
            )
            # Unlike `plot` and `add_collection`, `add_artist` does not change limits.
            self.expert_lines_.append(self.ax_.add_artist(line))
            self.weight_bands_.append(self.ax_.add_artist(band))
            self.ax_.update_datalim(corners[weights >= MIN_WEIGHT_IN_LIMITS])
        self.ax_.autoscale_view()


def _position(target, targets, n_by_default):
    """Return the position of a target; None is the last one of `n_by_default`."""
    if target is None and len(targets) == n_by_default:
        return n_by_default - 1
    if target not in targets:
        raise ValueError(f"'target' must be one of {targets}; got {target!r}.")
    return targets.index(target)
