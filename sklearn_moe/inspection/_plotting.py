"""What the displays share: a mixture, axes, and the looks of experts and legends."""

import numpy as np

from sklearn_moe._inner_mixture import seen_by_mixture
from sklearn_moe._sklearn import check_matplotlib_support, validate_style_kwargs

# Colours that colour-blind people tell apart (Okabe and Ito, 2008); black is left for
# the mixture. In print without colours, hatches, line styles and markers differ. The
# lengths of the lists have no common divisor, so that the eighth expert does not look
# like the first.
EXPERT_STYLES = {
    "color": [
        "#0072B2",
        "#E69F00",
        "#009E73",
        "#CC79A7",
        "#56B4E9",
        "#D55E00",
        "#F0E442",
    ],
    "hatch": ["", "//", "..", "\\\\", "xx"],
    "linestyle": ["-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1))],
    "marker": ["o", "s", "^", "D", "v", "P", "X", "*"],
}

# Largest number of axes beside each other in a new figure.
MAX_COLUMNS = 4


class MixtureDisplay:
    """Base of the displays of a fitted mixture."""

    @classmethod
    def _seen(cls, estimator, X=None, y=None):
        """Return the mixture to draw, and what it sees, if there is matplotlib."""
        caller = f"{cls.__name__}.from_estimator"
        check_matplotlib_support(caller)
        return seen_by_mixture(estimator, X, y, caller=caller)

    def _find_axes(self, ax, n_axes=1):
        """Return an array of the axes to draw on, new ones for None, and the figure."""
        check_matplotlib_support(f"{type(self).__name__}.plot")
        import matplotlib.pyplot as plt
        from matplotlib.axes import Axes

        if ax is None:
            n_columns = min(n_axes, MAX_COLUMNS)
            n_rows = -(-n_axes // n_columns)
            width, height = plt.rcParams["figure.figsize"]
            size = (width * (0.5 + 0.5 * n_columns), height * (0.4 + 0.6 * n_rows))
            figure, axes = plt.subplots(
                n_rows, n_columns, figsize=size, layout="constrained", squeeze=False
            )
            for unused in axes.flat[n_axes:]:
                unused.remove()
            return axes.ravel()[:n_axes], figure
        axes = np.ravel(np.asarray(ax, dtype=object))
        if len(axes) != n_axes or not all(isinstance(each, Axes) for each in axes):
            wanted = "a matplotlib Axes" if n_axes == 1 else f"{n_axes} matplotlib Axes"
            raise TypeError(f"'ax' must be {wanted}; got {ax!r}.")
        return axes, axes[0].figure


def expert_style(k, *properties):
    """Return properties of the artists of the k-th expert, as keyword arguments."""
    return {p: EXPERT_STYLES[p][k % len(EXPERT_STYLES[p])] for p in properties}


def restyled(style, given):
    """Return keyword arguments of an artist, in place of which a user may give some."""
    return validate_style_kwargs(style, given or {})


def put_legend_outside(ax, handles=None):
    """Put a legend, of all artists with a label by default, to the right of axes."""
    ax.legend(handles=handles, loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
