"""Whom the gate trusts, along one feature or over two."""

import numpy as np

from sklearn_moe._compat import check_matplotlib_support, validate_style_kwargs
from sklearn_moe.inspection._pictures import (
    Scale,
    axes_for,
    fitted_mixture,
    look,
    put_legend_outside,
)
from sklearn_moe.inspection._rows import Rows


class GateDisplay:
    """Plot of the weights that the gate gives to the experts.

    Along one feature the weights are stacked areas, which together reach one, or lines.
    Over two features each expert has the region where its weight is the largest, the
    paler the less it is trusted. Any gate can be drawn.

    It is made by `from_estimator`.

    Parameters
    ----------
    grid : list of one or two ndarray
        The values of each feature: numbers, points in time, or names of categories.
    gate_weights : ndarray of shape (n_values, n_experts) or \
            (n_values, n_values_of_second, n_experts)
        The weights there.
    feature_names : list of one or two str
        The names of the features.
    expert_names : list of str
        The names of the experts.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the plot.
    figure_ : matplotlib Figure
        Figure of the plot.
    areas_ : list of matplotlib PolyCollection
        An area for each expert, the first at the bottom. Only along one feature.
    lines_ : list of matplotlib Line2D
        A line for each expert, with ``kind="line"``. Only along one feature.
    mesh_ : matplotlib QuadMesh
        Colours of the regions. Only over two features.
    hatches_ : list of matplotlib ContourSet
        Hatches of the regions, one for each expert that has a region. Only over two
        features.

    See Also
    --------
    ExpertDisplay : What the experts predict along a feature.
    MixtureOfExpertsRegressor.predict_gate : The weights that are drawn.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_moe import MixtureOfExpertsRegressor
    >>> from sklearn_moe.inspection import GateDisplay
    >>> X = np.linspace(-3, 3, 200).reshape(-1, 1)
    >>> y = np.abs(X[:, 0])
    >>> moe = MixtureOfExpertsRegressor(n_experts=2, random_state=0).fit(X, y)
    >>> display = GateDisplay.from_estimator(moe, X, 0)
    >>> display.gate_weights.shape
    (100, 2)
    """

    def __init__(self, *, grid, gate_weights, feature_names, expert_names):
        self.grid = grid
        self.gate_weights = gate_weights
        self.feature_names = feature_names
        self.expert_names = expert_names

    def plot(self, ax=None, *, kind="area", area_kw=None, line_kw=None, mesh_kw=None):
        """Draw the plot.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None means a new figure.
        kind : {"area", "line"}, default="area"
            Whether the weights along one feature are stacked, or lines.
        area_kw : dict, default=None
            Further arguments of `fill_between`, which draws the areas.
        line_kw : dict, default=None
            Further arguments of `plot`, which draws the lines.
        mesh_kw : dict, default=None
            Further arguments of `pcolormesh`, which draws the regions.

        Returns
        -------
        display : GateDisplay
        """
        if kind not in ("area", "line"):
            raise ValueError(f"'kind' must be 'area' or 'line'; got {kind!r}.")
        self.ax_, self.figure_ = axes_for(self, ax)
        scales = [Scale(*pair) for pair in zip(self.feature_names, self.grid)]
        scales[0].describe(self.ax_.xaxis)
        if len(scales) == 2:
            self._draw_regions(*scales, mesh_kw or {})
            return self
        if kind == "area":
            self._draw_areas(*scales, area_kw or {})
        else:
            self._draw_lines(*scales, line_kw or {})
        self.ax_.set(ylabel="Weight of the gate", ylim=(0, 1))
        self.ax_.margins(x=0)
        return self

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        features,
        *,
        grid_resolution=100,
        ax=None,
        kind="area",
        area_kw=None,
        line_kw=None,
        mesh_kw=None,
    ):
        """Draw the gate of a fitted mixture.

        All other features are held at the median of the rows given, a value that occurs
        among them, or at their most frequent category. Give rows in which a feature is
        constant to hold it elsewhere.

        Parameters
        ----------
        estimator : fitted estimator
            A mixture, a pipeline that ends in one, or a search over such.
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
            Rows, between whose extremes numbers vary. A sparse one is made dense.
        features : int, str, or pair of such
            One or two features, by position or name; x0, x1, ... where X has no names.
        grid_resolution : int, default=100
            Number of equally spaced values of a feature of numbers.
        ax : matplotlib Axes, default=None
            Where to draw; None means a new figure.
        kind : {"area", "line"}, default="area"
            Whether the weights along one feature are stacked, or lines.
        area_kw : dict, default=None
            Further arguments of `fill_between`, which draws the areas.
        line_kw : dict, default=None
            Further arguments of `plot`, which draws the lines.
        mesh_kw : dict, default=None
            Further arguments of `pcolormesh`, which draws the regions.

        Returns
        -------
        display : GateDisplay
        """
        check_matplotlib_support(f"{cls.__name__}.from_estimator")
        features = list(features) if isinstance(features, (list, tuple)) else [features]
        rows = Rows(X)
        names = [rows.column(feature).name for feature in features]
        if len(names) not in (1, 2) or len(set(names)) < len(names):
            raise ValueError(
                f"'features' must be one feature, or two different ones; got {names}."
            )
        grid, along = rows.along(features, grid_resolution)
        mixture, along = fitted_mixture(estimator, along)
        weights = mixture.predict_gate(along)
        display = cls(
            grid=grid,
            gate_weights=weights.reshape(*map(len, grid), -1),
            feature_names=names,
            expert_names=list(mixture.named_experts_),
        )
        return display.plot(
            ax, kind=kind, area_kw=area_kw, line_kw=line_kw, mesh_kw=mesh_kw
        )

    def _draw_areas(self, scale, area_kw):
        tops = self.gate_weights.cumsum(axis=1)
        self.areas_ = []
        for k, name in enumerate(self.expert_names):
            style = {"label": name, "linewidth": 0, "edgecolor": "white"}
            style |= look(k, "hatch") | {"facecolor": look(k, "color")["color"]}
            area = self.ax_.fill_between(
                scale.points,
                scale.heights(tops[:, k] - self.gate_weights[:, k]),
                scale.heights(tops[:, k]),
                **validate_style_kwargs(style, area_kw),
            )
            self.areas_.append(area)
        # In the order in which the areas lie upon each other.
        put_legend_outside(self.ax_, self.areas_[::-1])

    def _draw_lines(self, scale, line_kw):
        self.lines_ = []
        for k, name in enumerate(self.expert_names):
            style = {"label": name, **look(k, "color", "linestyle")}
            self.lines_ += self.ax_.plot(
                scale.points,
                scale.heights(self.gate_weights[:, k]),
                **validate_style_kwargs(style, line_kw),
            )
        put_legend_outside(self.ax_)

    def _draw_regions(self, across, up, mesh_kw):
        from matplotlib.colors import to_rgba
        from matplotlib.patches import Patch

        up.describe(self.ax_.yaxis)
        # An image has its second coordinate first.
        weights = self.gate_weights.swapaxes(0, 1)
        owner = weights.argmax(axis=2)
        experts = range(len(self.expert_names))
        colors = np.array([to_rgba(look(k, "color")["color"]) for k in experts])[owner]
        colors[:, :, 3] = weights.max(axis=2)
        style = validate_style_kwargs({"linewidth": 0}, mesh_kw)
        self.mesh_ = self.ax_.pcolormesh(across.edges, up.edges, colors, **style)
        # Corners of the cells, so that the hatches end where the colours do.
        x = self.ax_.convert_xunits(np.repeat(across.edges, 2)[1:-1])
        y = self.ax_.convert_yunits(np.repeat(up.edges, 2)[1:-1])
        owner = owner.repeat(2, axis=0).repeat(2, axis=1)
        self.hatches_ = [
            self.ax_.contourf(
                x,
                y,
                owner == k,
                levels=[0.5, 1.5],
                colors="none",
                hatches=[look(k, "hatch")["hatch"]],
            )
            for k in np.unique(owner)
        ]
        put_legend_outside(
            self.ax_,
            [
                Patch(
                    label=name,
                    facecolor=look(k, "color")["color"],
                    edgecolor="black",
                    linewidth=0,
                    **look(k, "hatch"),
                )
                for k, name in enumerate(self.expert_names)
            ],
        )
