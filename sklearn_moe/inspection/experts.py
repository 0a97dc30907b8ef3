"""What the experts predict along a feature, and what they predict together."""

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils import check_consistent_length

from sklearn_moe._compat import check_matplotlib_support, validate_style_kwargs
from sklearn_moe.inspection._pictures import (
    Scale,
    axes_for,
    fitted_mixture,
    look,
    put_legend_outside,
)
from sklearn_moe.inspection._rows import Rows

# Width of the line of an expert that is trusted alone, in points.
WIDEST = 7

# Number of markers on the line of an expert.
N_MARKERS = 6

# An expert that is trusted less does not widen the picture.
LEAST_TRUST = 0.05


class ExpertDisplay:
    """Plot of what each expert predicts along a feature, and of what the mixture does.

    Each expert has a thin line, which lies on a band as wide and as dark as the gate
    trusts the expert there. The prediction of the mixture is black. The picture is high
    enough for what is trusted; elsewhere experts may leave it.

    It is made by `from_estimator`.

    Parameters
    ----------
    grid : ndarray of shape (n_values,)
        The values of the feature: numbers, points in time, or names of categories.
    gate_weights : ndarray of shape (n_values, n_experts)
        Weights of the gate there.
    expert_predictions : ndarray of shape (n_values, n_experts)
        What each expert predicts there: a number, or the probability of a class.
    prediction : ndarray of shape (n_values,)
        What the mixture predicts.
    interval : ndarray of shape (n_values, 2), default=None
        Ends of the prediction interval. None means that there is no band to draw.
    coverage : float, default=None
        Probability of the interval.
    points : tuple of two ndarray of shape (n_samples,), default=None
        Values of the feature, and targets. None means that there are none to draw.
    feature_name : str
        The name of the feature.
    target_name : str
        What is predicted.
    expert_names : list of str
        The names of the experts.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the plot.
    figure_ : matplotlib Figure
        Figure of the plot.
    expert_lines_ : list of matplotlib Line2D
        The thin line of each expert.
    trust_ : list of matplotlib LineCollection
        How far each expert is trusted, a segment from each point to the next.
    line_ : matplotlib Line2D
        The prediction of the mixture.
    band_ : matplotlib PolyCollection or None
        The prediction interval of the mixture.
    points_ : matplotlib PathCollection or None
        The rows.

    See Also
    --------
    GateDisplay : The weights of the gate alone.
    MixtureOfExpertsRegressor.transform : The predictions of the experts.

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
        grid,
        gate_weights,
        expert_predictions,
        prediction,
        interval=None,
        coverage=None,
        points=None,
        feature_name,
        target_name,
        expert_names,
    ):
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
        self, ax=None, *, expert_kw=None, line_kw=None, band_kw=None, points_kw=None
    ):
        """Draw the plot.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None means a new figure.
        expert_kw : dict, default=None
            Further arguments of `plot`, which draws the lines of the experts.
        line_kw : dict, default=None
            Further arguments of `plot`, which draws the prediction of the mixture.
        band_kw : dict, default=None
            Further arguments of `fill_between`, which draws its interval.
        points_kw : dict, default=None
            Further arguments of `scatter`, which draws the rows.

        Returns
        -------
        display : ExpertDisplay
        """
        self.ax_, self.figure_ = axes_for(self, ax)
        scale = Scale(self.feature_name, self.grid)
        scale.describe(self.ax_.xaxis)
        self.ax_.set_ylabel(self.target_name)
        self.points_ = self.band_ = None
        if self.interval is not None:
            style = {"color": "0.88", "linewidth": 0, "zorder": 1}
            style["label"] = f"{self.coverage:.0%} interval"
            self.band_ = self.ax_.fill_between(
                scale.points,
                *scale.heights(self.interval).T,
                **validate_style_kwargs(style, band_kw or {}),
            )
        if self.points is not None:
            values, targets = self.points
            style = {"color": "0.45", "s": 8, "linewidth": 0, "zorder": 1.5}
            self.points_ = self.ax_.scatter(
                scale.place(values),
                targets,
                **validate_style_kwargs(style, points_kw or {}),
            )
        style = {"color": "black", "linewidth": 1.5, "zorder": 3, "label": "mixture"}
        [self.line_] = self.ax_.plot(
            scale.points,
            scale.heights(self.prediction),
            **validate_style_kwargs(style, line_kw or {}),
        )
        self._draw_experts(scale, expert_kw or {})
        put_legend_outside(self.ax_)
        return self

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        feature,
        *,
        y=None,
        target=None,
        coverage=0.9,
        grid_resolution=100,
        ax=None,
        expert_kw=None,
        line_kw=None,
        band_kw=None,
        points_kw=None,
    ):
        """Draw the experts of a fitted mixture.

        All other features are held at the median of the rows given, a value that occurs
        among them, or at their most frequent category. Give rows in which a feature is
        constant to hold it elsewhere.

        Parameters
        ----------
        estimator : fitted estimator
            A mixture, a pipeline that ends in one, or a search over such.
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
            Rows, between whose extremes numbers vary. A sparse one is made dense.
        feature : int or str
            By position or name; x0, x1, ... where X has no names.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Targets of the rows, drawn as points, wherever the other features of a row
            are. None draws no points.
        target : int, str or class label, default=None
            The class whose probability is drawn, or the number of the output. It may be
            None if there are two classes, of which the second is drawn, or if there is
            one output.
        coverage : float, default=0.9
            Probability of the prediction interval of a regressor. A classifier has
            none.
        grid_resolution : int, default=100
            Number of equally spaced values of a feature of numbers.
        ax : matplotlib Axes, default=None
            Where to draw; None means a new figure.
        expert_kw : dict, default=None
            Further arguments of `plot`, which draws the lines of the experts.
        line_kw : dict, default=None
            Further arguments of `plot`, which draws the prediction of the mixture.
        band_kw : dict, default=None
            Further arguments of `fill_between`, which draws its interval.
        points_kw : dict, default=None
            Further arguments of `scatter`, which draws the rows.

        Returns
        -------
        display : ExpertDisplay
        """
        check_matplotlib_support(f"{cls.__name__}.from_estimator")
        rows = Rows(X)
        column = rows.column(feature)
        [grid], along = rows.along([feature], grid_resolution)
        mixture, along = fitted_mixture(estimator, along)
        n_values, names = len(grid), list(mixture.named_experts_)
        # Of each expert, for each class or output.
        predictions = np.asarray(mixture.transform(along))
        predictions = predictions.reshape(n_values, len(names), -1)
        if is_classifier(mixture):
            targets = mixture.classes_.tolist()
            chosen = _position(target, targets, n_clear=2)
            target_name = f"Probability of {targets[chosen]}"
            prediction = mixture.predict_proba(along)
            interval = coverage = None
        else:
            targets = list(range(predictions.shape[2]))
            chosen = _position(target, targets, n_clear=1)
            name = getattr(y, "name", None) or "target"
            target_name = name if len(targets) == 1 else f"output {chosen}"
            prediction = mixture.predict(along).reshape(n_values, -1)
            interval = mixture.predict_interval(along, coverage)
            interval = interval.reshape(n_values, -1, 2)[:, chosen]
        points = None
        if y is not None:
            check_consistent_length(X, y)
            y = np.asarray(y).reshape(len(column.values), -1)
            if is_classifier(mixture):
                points = column.values, (y[:, 0] == targets[chosen]).astype(float)
            else:
                points = column.values, y[:, chosen]
        display = cls(
            grid=grid,
            gate_weights=mixture.predict_gate(along),
            expert_predictions=predictions[:, :, chosen],
            prediction=prediction[:, chosen],
            interval=interval,
            coverage=coverage,
            points=points,
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

    def _draw_experts(self, scale, expert_kw):
        from matplotlib.collections import LineCollection
        from matplotlib.colors import to_rgba
        from matplotlib.lines import Line2D

        self.expert_lines_, self.trust_ = [], []
        x = self.ax_.convert_xunits(scale.points)
        step = max(len(x) // N_MARKERS, 1)
        for k, name in enumerate(self.expert_names):
            y = scale.heights(self.expert_predictions[:, k])
            style = {"label": name, "linewidth": 1, "markersize": 5, "zorder": 2}
            # Markers of one expert stand between those of the others.
            style["markevery"] = (k * step // len(self.expert_names), step)
            style |= look(k, "color", "linestyle", "marker")
            line = Line2D(x, y, **validate_style_kwargs(style, expert_kw))
            corners = np.column_stack([x, y])
            weights = scale.heights(self.gate_weights[:, k])
            trust = (weights[:-1] + weights[1:]) / 2
            segments = LineCollection(
                np.stack([corners[:-1], corners[1:]], axis=1),
                linewidths=WIDEST * trust,
                colors=[to_rgba(line.get_color(), weight) for weight in trust],
                capstyle="butt",
                zorder=line.get_zorder() - 0.1,
            )
            # Unlike `plot` and `add_collection` this leaves the limits as they are.
            self.expert_lines_.append(self.ax_.add_artist(line))
            self.trust_.append(self.ax_.add_artist(segments))
            self.ax_.update_datalim(corners[weights >= LEAST_TRUST])
        self.ax_.autoscale_view()


def _position(target, targets, n_clear):
    """Position of a class or an output; of `n_clear` the last need not be named."""
    if target is None and len(targets) == n_clear:
        return n_clear - 1
    if target not in targets:
        raise ValueError(f"'target' must be one of {targets}; got {target!r}.")
    return targets.index(target)
