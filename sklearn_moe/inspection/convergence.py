"""How EM climbed, from each of its starts."""

import numpy as np

from sklearn_moe._compat import check_matplotlib_support, validate_style_kwargs
from sklearn_moe.inspection._pictures import axes_for, fitted_mixture, look


class ConvergenceDisplay:
    """Plot of the objective of EM by iteration, a line for each start.

    The best start is drawn thicker, and a star marks the iteration that was kept.

    It is made by `from_estimator`.

    Parameters
    ----------
    objective_paths : list of ndarray
        The objective after each iteration of each start.
    n_samples : float, default=None
        Number of rows, or their total weight, by which the objective is divided. None
        means that it is not.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the plot.
    figure_ : matplotlib Figure
        Figure of the plot.
    lines_ : list of matplotlib Line2D
        A line for each start.
    star_ : matplotlib Line2D
        The mark of the iteration that was kept.
    best_start_ : int
        The start that was kept; the first is 1.
    best_iteration_ : int
        The iteration that was kept; the first is 1.

    See Also
    --------
    MixtureOfExpertsRegressor : Its `objective_paths_` are drawn.

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

    def __init__(self, *, objective_paths, n_samples=None):
        self.objective_paths = objective_paths
        self.n_samples = n_samples

    def plot(self, ax=None, *, line_kw=None):
        """Draw the plot.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None means a new figure.
        line_kw : dict, default=None
            Further arguments of `plot`, which draws the lines.

        Returns
        -------
        display : ConvergenceDisplay
        """
        self.ax_, self.figure_ = axes_for(self, ax)
        # The first start and the last iteration of equals, as EM keeps them.
        best = int(np.argmax([path.max() for path in self.objective_paths]))
        path = self.objective_paths[best]
        kept = int(np.flatnonzero(path == path.max())[-1])
        self.best_start_, self.best_iteration_ = best + 1, kept + 1
        self.lines_ = []
        for start, path in enumerate(self.objective_paths):
            style = {"color": "0.6", "linewidth": 1, "label": f"start {start + 1}"}
            if start == best:
                style |= {"linewidth": 2.5, "zorder": 3, **look(0, "color")}
            self.lines_ += self.ax_.plot(
                np.arange(1, len(path) + 1),
                path / (self.n_samples or 1),
                **validate_style_kwargs(style, line_kw or {}),
            )
        [self.star_] = self.ax_.plot(
            *self.lines_[best].get_xydata()[kept],
            marker="*",
            color="black",
            markersize=15,
            markeredgecolor="white",
            zorder=4,
            linestyle="none",
        )
        unit = "" if self.n_samples is None else " of a row"
        self.ax_.set(xlabel="Iteration of EM", ylabel=f"Penalised log-likelihood{unit}")
        self.ax_.xaxis.get_major_locator().set_params(integer=True)
        handles = [self.lines_[best], self.star_]
        labels = [f"start {best + 1}, the best", "kept"]
        if len(self.lines_) > 1:
            handles.append(self.lines_[0 if best > 0 else 1])
            labels.append("other starts")
        self.ax_.legend(handles, labels, frameon=False)
        return self

    @classmethod
    def from_estimator(cls, estimator, *, n_samples=None, ax=None, line_kw=None):
        """Draw how a fitted mixture was found.

        Parameters
        ----------
        estimator : fitted estimator
            A mixture, a pipeline that ends in one, or a search over such.
        n_samples : float, default=None
            Number of training rows, or their total weight. Where it is given the
            objective is the mean of a row, in the unit of `tol`.
        ax : matplotlib Axes, default=None
            Where to draw; None means a new figure.
        line_kw : dict, default=None
            Further arguments of `plot`, which draws the lines.

        Returns
        -------
        display : ConvergenceDisplay
        """
        check_matplotlib_support(f"{cls.__name__}.from_estimator")
        mixture, _ = fitted_mixture(estimator)
        display = cls(objective_paths=mixture.objective_paths_, n_samples=n_samples)
        return display.plot(ax, line_kw=line_kw)
