"""Plot of the gate weights along one feature or over two."""

from typing import Any, Literal, Self

import numpy as np

from sklearn_moe.inspection._grid import FeatureAxis, FeatureTable
from sklearn_moe.inspection._plotting import (
    MixtureDisplay,
    expert_style,
    ink_on,
    paper_of,
    put_legend_outside,
    restyled,
)


class GateDisplay(MixtureDisplay):
    """Plot of the weights that the gate gives to the experts.

    Along one feature the weights are drawn as stacked areas, which sum to one, or as
    lines. Over two features each expert has the region where its weight is the largest;
    the region is paler where this weight is smaller. Any gate can be drawn. Create it
    with `from_estimator`.

    Read more in the :ref:`User Guide <guide_plots>`.

    Parameters
    ----------
    grid : list of one or two ndarray
        Values of each feature: numbers, points in time, or names of categories.
    gate_weights : ndarray of shape (n_values, n_experts) or \
            (n_values, n_values_of_second, n_experts)
        Gate weight of each expert at these values.
    feature_names : list of one or two str
        Names of the features.
    expert_names : list of str
        Names of the experts.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        Axes and figure of the plot.
    areas_ : list of matplotlib PolyCollection
        Area of each expert, the first at the bottom. Only along one feature.
    lines_ : list of matplotlib Line2D
        Line of each expert, with ``kind="line"``. Only along one feature.
    mesh_ : matplotlib QuadMesh
        Colours of the regions. Only over two features.
    hatches_ : list of matplotlib ContourSet
        Hatches of the regions, one for each expert that has a region. Only over two
        features.

    See Also
    --------
    ExpertDisplay : Plot of the predictions of the experts along a feature.
    sklearn_moe.MixtureOfExpertsRegressor.predict_gate : Weights that are drawn.

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

    def __init__(
        self,
        *,
        grid: Any,
        gate_weights: np.ndarray,
        feature_names: list[str],
        expert_names: list[str],
    ) -> None:
        self.grid = grid
        self.gate_weights = gate_weights
        self.feature_names = feature_names
        self.expert_names = expert_names

    def plot(
        self,
        ax: Any = None,
        *,
        kind: Literal["area", "line"] = "area",
        area_kw: dict | None = None,
        line_kw: dict | None = None,
        mesh_kw: dict | None = None,
    ) -> Self:
        """Draw the plot.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. None means a new figure.
        kind : {"area", "line"}, default="area"
            Whether the weights along one feature are stacked areas or lines.
        area_kw, line_kw, mesh_kw : dict, default=None
            Further keyword arguments of `fill_between`, which draws the areas, of
            `plot`, which draws the lines, and of `pcolormesh`, which draws the regions.

        Returns
        -------
        display : GateDisplay
        """
        if kind not in ("area", "line"):
            raise ValueError(f"'kind' must be 'area' or 'line'; got {kind!r}.")
        [self.ax_], self.figure_ = self._find_axes(ax)
        axes = [FeatureAxis(*pair) for pair in zip(self.feature_names, self.grid)]
        axes[0].set_labels(self.ax_.xaxis)
        if len(axes) == 2:
            self._draw_regions(axes[0], axes[1], mesh_kw)
            return self
        if kind == "area":
            self._draw_areas(axes[0], area_kw)
        else:
            self._draw_lines(axes[0], line_kw)
        self.ax_.set(ylabel="Weight of the gate", ylim=(0, 1))
        self.ax_.margins(x=0)
        return self

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        features: Any,
        *,
        grid_resolution: int = 100,
        ax: Any = None,
        kind: Literal["area", "line"] = "area",
        area_kw: dict | None = None,
        line_kw: dict | None = None,
        mesh_kw: dict | None = None,
    ) -> Self:
        """Draw the gate weights of a fitted mixture.

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
        features : int, str, or pair of such
            One or two features, by position or name; without names in X these are x0,
            x1, ...
        grid_resolution : int, default=100
            Number of equally spaced values of a numeric feature.
        ax : matplotlib Axes, default=None
            See `plot`.
        kind : {"area", "line"}, default="area"
            See `plot`.
        area_kw : dict, default=None
            See `plot`.
        line_kw : dict, default=None
            See `plot`.
        mesh_kw : dict, default=None
            See `plot`.

        Returns
        -------
        display : GateDisplay
        """
        features = list(features) if isinstance(features, (list, tuple)) else [features]
        table = FeatureTable(X)
        names = [table.column(feature).name for feature in features]
        if len(names) not in (1, 2) or len(set(names)) < len(names):
            raise ValueError(
                f"'features' must be one feature, or two different ones; got {names}."
            )
        grid, X_grid, at_values = table.grid(features, grid_resolution)
        seen = cls._seen(estimator, X_grid)
        display = cls(
            grid=grid,
            gate_weights=at_values(seen.mixture.predict_gate(seen.X)),
            feature_names=names,
            expert_names=list(seen.mixture.named_experts_),
        )
        return display.plot(
            ax, kind=kind, area_kw=area_kw, line_kw=line_kw, mesh_kw=mesh_kw
        )

    def _draw_areas(self, x_axis, area_kw):
        x, weights = x_axis.curve(self.gate_weights)
        tops = weights.cumsum(axis=1)
        self.areas_ = []
        for k, name in enumerate(self.expert_names):
            style = {"label": name, "linewidth": 0}
            style |= {"edgecolor": paper_of(self.ax_), **_face_style(k)}
            style = restyled(style, area_kw)
            bottom = tops[:, k] - weights[:, k]
            self.areas_.append(self.ax_.fill_between(x, bottom, tops[:, k], **style))
        # The legend lists the experts from top to bottom, like the areas.
        put_legend_outside(self.ax_, self.areas_[::-1])

    def _draw_lines(self, x_axis, line_kw):
        x, weights = x_axis.curve(self.gate_weights)
        self.lines_ = []
        for k, name in enumerate(self.expert_names):
            style = {"label": name, **expert_style(k, "color", "linestyle")}
            self.lines_ += self.ax_.plot(x, weights[:, k], **restyled(style, line_kw))
        put_legend_outside(self.ax_)

    def _draw_regions(self, x_axis, y_axis, mesh_kw):
        from matplotlib.colors import to_rgba
        from matplotlib.patches import Patch

        y_axis.set_labels(self.ax_.yaxis)
        # The first index of a mesh runs along the vertical axis.
        weights = self.gate_weights.swapaxes(0, 1)
        owner = weights.argmax(axis=2)
        faces = [_face_style(k) for k in range(len(self.expert_names))]
        colors = np.array([to_rgba(face["facecolor"]) for face in faces])[owner]
        # The fourth channel is the opacity.
        colors[:, :, 3] = weights.max(axis=2)
        x, y = x_axis.cell_edges, y_axis.cell_edges
        style = restyled({"linewidth": 0}, mesh_kw)
        self.mesh_ = self.ax_.pcolormesh(x, y, colors, **style)
        # Use the corners of the cells, so that hatches end where colours do.
        x = self.ax_.convert_xunits(np.repeat(x, 2)[1:-1])
        y = self.ax_.convert_yunits(np.repeat(y, 2)[1:-1])
        owner = owner.repeat(2, axis=0).repeat(2, axis=1)
        self.hatches_ = []
        ink = ink_on(self.ax_)
        for k in np.unique(owner):
            hatch = {"levels": [0.5, 1.5], "hatches": [faces[k]["hatch"]]}
            hatches = self.ax_.contourf(x, y, owner == k, colors="none", **hatch)
            hatches.set_edgecolor(ink)
            hatches.set_linewidth(0)
            self.hatches_.append(hatches)
        patches = [
            Patch(label=name, edgecolor=ink, linewidth=0, **face)
            for name, face in zip(self.expert_names, faces)
        ]
        put_legend_outside(self.ax_, patches)


def _face_style(k):
    """Return the hatch and the face colour of the k-th expert."""
    face_color = expert_style(k, "color")["color"]
    return {"facecolor": face_color, **expert_style(k, "hatch")}
