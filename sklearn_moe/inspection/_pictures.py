"""What the displays share: the mixture, the axes, and how experts look."""

from dataclasses import dataclass

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sklearn_moe._compat import check_matplotlib_support
from sklearn_moe.experts import has_own_density, mixture_within
from sklearn_moe.inspection._rows import is_categorical
from sklearn_moe.weighting import last_step, thawed

# The colours of Okabe and Ito (2008), which colour-blind people tell apart; black is
# the mixture's. What is printed in grey differs in shape. The numbers of looks have no
# common divisor, so that the eighth expert does not look like the first.
LOOKS = {
    "color": (
        "#0072B2",
        "#E69F00",
        "#009E73",
        "#CC79A7",
        "#56B4E9",
        "#D55E00",
        "#F0E442",
    ),
    "hatch": ("", "//", "..", "\\\\", "xx"),
    "linestyle": ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1))),
    "marker": ("o", "s", "^", "D", "v", "P", "X", "*"),
}

# Half the width of the bar of a category; those of neighbours are 1 apart.
HALF_A_BAR = 0.4

# So many panels stand side by side.
PANELS_IN_A_ROW = 4


def look(k, *properties):
    """Properties of the artists of the k-th expert, as keyword arguments."""
    return {p: LOOKS[p][k % len(LOOKS[p])] for p in properties}


def fitted_mixture(estimator, X=None):
    """The mixture in an estimator, and the rows that it sees.

    Parameters
    ----------
    estimator : estimator
        A mixture, a pipeline that ends in one, or a search over such.
    X : {array-like, sparse matrix, frame} of shape (n_samples, n_features), \
            default=None
        What the estimator sees.

    Returns
    -------
    mixture : fitted mixture
    X : rows, or None
    """
    estimator = getattr(estimator, "best_estimator_", estimator)
    if not has_own_density(estimator):
        raise TypeError(
            "The estimator must be a mixture of experts, or a pipeline that ends in "
            f"one; got {estimator!r}."
        )
    mixture = last_step(thawed(estimator))
    check_is_fitted(mixture)
    return (mixture, None) if X is None else mixture_within(estimator, X)


@dataclass(frozen=True)
class Scale:
    """The axis of a picture along which a feature varies.

    Numbers and points in time stand where they are. A category has a bar of its own,
    the first at 0.

    Attributes
    ----------
    name : str
    values : ndarray of shape (n_values,)
    """

    name: str
    values: np.ndarray

    def place(self, values):
        """Where values stand."""
        if not is_categorical(self.values):
            return values
        places = {value: place for place, value in enumerate(self.values)}
        return np.array([places[value] for value in values])

    @property
    def points(self):
        """Where the points of a curve stand, NaN between one bar and the next."""
        if not is_categorical(self.values):
            return self.values
        offsets = np.array([-HALF_A_BAR, 0, HALF_A_BAR, np.nan])
        return (self.place(self.values)[:, np.newaxis] + offsets).ravel()

    def heights(self, heights):
        """Heights of those points, given one for each value."""
        return np.repeat(heights, len(self.points) // len(self.values), axis=0)

    @property
    def edges(self):
        """Borders of the cells around the values."""
        places = self.place(self.values)
        step = places[1] - places[0]
        return np.append(places, places[-1] + step) - step / 2

    def describe(self, axis):
        """Name an axis of a picture, and its categories."""
        axis.set_label_text(self.name)
        if is_categorical(self.values):
            axis.set_ticks(self.place(self.values), self.values)


def axes_for(display, ax):
    """The axes to draw on, and their figure.

    Parameters
    ----------
    display : display
    ax : matplotlib Axes or None
        None means a new figure.

    Returns
    -------
    ax : matplotlib Axes
    figure : matplotlib Figure
    """
    [ax], figure = panels_for(display, ax, 1)
    return ax, figure


def panels_for(display, axes, n_panels):
    """The axes of the panels of a picture, and their figure.

    Parameters
    ----------
    display : display
    axes : array-like of matplotlib Axes, or None
        None means a new figure.
    n_panels : int

    Returns
    -------
    axes : ndarray of shape (n_panels,)
    figure : matplotlib Figure
    """
    check_matplotlib_support(f"{type(display).__name__}.plot")
    import matplotlib.pyplot as plt
    from matplotlib.axes import Axes

    if axes is None:
        n_columns = min(n_panels, PANELS_IN_A_ROW)
        n_rows = -(-n_panels // n_columns)
        width, height = plt.rcParams["figure.figsize"]
        size = (width * (0.5 + 0.5 * n_columns), height * (0.4 + 0.6 * n_rows))
        figure, axes = plt.subplots(
            n_rows, n_columns, figsize=size, layout="constrained", squeeze=False
        )
        for ax in axes.flat[n_panels:]:
            ax.remove()
        return axes.ravel()[:n_panels], figure
    given, axes = axes, np.ravel(np.asarray(axes, dtype=object))
    if len(axes) != n_panels or not all(isinstance(ax, Axes) for ax in axes):
        wanted = "a matplotlib Axes" if n_panels == 1 else f"{n_panels} matplotlib Axes"
        raise TypeError(f"'ax' must be {wanted}; got {given!r}.")
    return axes, axes[0].figure


def put_legend_outside(ax, handles=None):
    """Put the legend of axes that are full where it hides nothing.

    Parameters
    ----------
    ax : matplotlib Axes
    handles : list of artists, default=None
        What it explains; None means all that has a label.
    """
    ax.legend(handles=handles, loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
