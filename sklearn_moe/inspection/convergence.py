"""Plot of the objective of EM by iteration."""

from typing import Any, Self

import numpy as np

from sklearn_moe.inspection._plotting import (
    MixtureDisplay,
    expert_style,
    ink_on,
    paper_of,
    restyled,
)


class ConvergenceDisplay(MixtureDisplay):
    """Plot of the objective of EM by iteration, with a line for each start.

    The line of the best start is thicker, and a star marks the iteration that was kept.
    Create it with `from_estimator`.

    Read more in the :ref:`User Guide <guide_plots>`.

    Parameters
    ----------
    objective_paths : list of ndarray
        Objective after each iteration, for each start.
    n_samples : float, default=None
        Number of rows, or their total weight, by which the objective is divided. If it
        is None, the objective is not divided.
    best_start : int, default=None
        Position of the start that was kept. None means the first of those with the best
        objective.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        Axes and figure of the plot.
    lines_ : list of matplotlib Line2D
        Line of each start.
    star_ : matplotlib Line2D
        Mark of the iteration that was kept.
    best_start_, best_iteration_ : int
        Start and iteration that were kept, counted from 1.

    See Also
    --------
    sklearn_moe.MixtureOfExpertsRegressor : Estimator whose paths are drawn.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_moe import MixtureOfExpertsRegressor
    >>> from sklearn_moe.inspection import ConvergenceDisplay
    >>> X = np.linspace(-3, 3, 200).reshape(-1, 1)
    >>> y = np.abs(X[:, 0])
    >>> moe = MixtureOfExpertsRegressor(n_experts=2, n_init=3, random_state=0)
    >>> display = ConvergenceDisplay.from_estimator(moe.fit(X, y), n_samples=200)
    >>> len(display.lines_)
    3
    """

    def __init__(
        self,
        *,
        objective_paths: list[np.ndarray],
        n_samples: float | None = None,
        best_start: int | None = None,
    ) -> None:
        self.objective_paths = objective_paths
        self.n_samples = n_samples
        self.best_start = best_start

    def plot(self, ax: Any = None, *, line_kw: dict | None = None) -> Self:
        """Draw the plot.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. None means a new figure.
        line_kw : dict, default=None
            Further keyword arguments of `plot`, which draws the lines.

        Returns
        -------
        display : ConvergenceDisplay
        """
        [self.ax_], self.figure_ = self._find_axes(ax)
        # EM keeps the first of equal starts, and the last of equal iterations.
        best = self.best_start
        if best is None:
            best = int(np.argmax([path.max() for path in self.objective_paths]))
        path = self.objective_paths[best]
        kept = int(np.flatnonzero(path == path.max())[-1])
        self.best_start_, self.best_iteration_ = best + 1, kept + 1
        unit = self.n_samples or 1
        self.lines_ = []
        for start, path in enumerate(self.objective_paths):
            grey = ink_on(self.ax_, 0.4)
            style = {"color": grey, "linewidth": 1, "label": f"start {start + 1}"}
            if start == best:
                style |= {"linewidth": 2.5, "zorder": 3, **expert_style(0, "color")}
            x, style = np.arange(1, len(path) + 1), restyled(style, line_kw)
            self.lines_ += self.ax_.plot(x, path / unit, **style)
        style = {"color": ink_on(self.ax_), "markersize": 15}
        style["markeredgecolor"] = paper_of(self.ax_)
        x, y = self.lines_[best].get_xydata()[kept]
        [self.star_] = self.ax_.plot(x, y, "*", zorder=4, **style)
        of_a_row = "" if self.n_samples is None else " of a row"
        label = f"Penalised log-likelihood{of_a_row}"
        self.ax_.set(xlabel="Iteration of EM", ylabel=label)
        self.ax_.xaxis.get_major_locator().set_params(integer=True)
        handles = [self.lines_[best], self.star_]
        labels = [f"start {best + 1}, the best", "kept"]
        if len(self.lines_) > 1:
            handles.append(self.lines_[0 if best > 0 else 1])
            labels.append("other starts")
        self.ax_.legend(handles, labels, frameon=False)
        return self

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        n_samples: float | None = None,
        ax: Any = None,
        line_kw: dict | None = None,
    ) -> Self:
        """Draw the objective of the fit of a mixture.

        Parameters
        ----------
        estimator : fitted estimator
            A mixture, or a model around one: see :func:`fitted_mixture`.
        n_samples : float, default=None
            Number of training rows, or their total weight. If given, the objective is
            divided by it: it is a mean over the rows, in the unit of `tol`.
        ax : matplotlib Axes, default=None
            See `plot`.
        line_kw : dict, default=None
            See `plot`.

        Returns
        -------
        display : ConvergenceDisplay
        """
        mixture = cls._seen(estimator).mixture
        paths, kept = mixture.objective_paths_, mixture.objective_path_
        # The largest objective need not be the best start: objectives of starts with
        # different learnt penalties are not comparable.
        same = [np.array_equal(path, kept) for path in paths]
        display = cls(
            objective_paths=paths, n_samples=n_samples, best_start=same.index(True)
        )
        return display.plot(ax, line_kw=line_kw)
