"""Common parts of the displays: their base class, styles of experts, and legends."""

import numpy as np

from sklearn_moe._inner_mixture import seen_by_mixture
from sklearn_moe._sklearn import check_matplotlib_support, validate_style_kwargs

# Colours that colour-blind people can distinguish (Okabe and Ito, 2008); the colour of
# text is left for the mixture. In print without colours, hatches, line styles and
# markers differ. The lengths of the lists have no common divisor, so that the eighth
# expert does not look like the first.
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

# Maximum number of axes side by side in a new figure.
MAX_COLUMNS = 4

# Maximum number of names in a column of a legend.
MAX_NAMES = 16

# Width and height of a character, relative to its font size.
CHARACTER_WIDTH = 0.6
LINE_HEIGHT = 1.1

# Fraction of width and height that remains beside a legend and names of ticks.
LEFT_FOR_AXES = 0.75

# Maximum length of a name at a tick; the middle of longer names is left out.
MAX_LENGTH = 20


class MixtureDisplay:
    """Base class of the displays of a fitted mixture."""

    @classmethod
    def _seen(cls, estimator, X=None, y=None):
        """Return the mixture to draw and its data, after checking for matplotlib."""
        caller = f"{cls.__name__}.from_estimator"
        check_matplotlib_support(caller)
        return seen_by_mixture(estimator, X, y, caller=caller)

    def _find_axes(self, ax, n_axes=1, *, widening=1, least_height=0):
        """Return an array of the axes to draw on and the figure; None makes new ones.

        New axes are widened by a factor, and have a minimum height in inches.
        """
        check_matplotlib_support(f"{type(self).__name__}.plot")
        import matplotlib.pyplot as plt
        from matplotlib.axes import Axes

        if ax is None:
            n_columns = min(n_axes, MAX_COLUMNS)
            n_rows = -(-n_axes // n_columns)
            width, height = plt.rcParams["figure.figsize"]
            width *= widening * (0.5 + 0.5 * n_columns)
            height = max(height * (0.4 + 0.6 * n_rows), n_rows * least_height)
            figure, axes = plt.subplots(
                n_rows,
                n_columns,
                figsize=(width, height),
                layout="constrained",
                squeeze=False,
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
    """Return keyword arguments of an artist, overridden by those of the user."""
    return validate_style_kwargs(style, given or {})


def put_legend_outside(ax, handles=None):
    """Put a legend, of all artists with a label by default, to the right of axes."""
    n_names = len(ax.get_legend_handles_labels()[0] if handles is None else handles)
    ax.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(1, 1),
        frameon=False,
        ncols=-(-n_names // MAX_NAMES),
    )


def paper_of(ax):
    """Return the background colour of axes."""
    from matplotlib.colors import to_rgb, to_rgba

    for color in (ax.get_facecolor(), ax.figure.get_facecolor()):
        if to_rgba(color)[3] > 0:
            return to_rgb(color)
    return to_rgb("white")


def ink_on(ax, strength=1.0):
    """Return the colour of text, blended with the background by its strength."""
    import matplotlib.pyplot as plt
    from matplotlib.colors import to_rgb

    ink, paper = to_rgb(plt.rcParams["text.color"]), paper_of(ax)
    return tuple(strength * i + (1 - strength) * p for i, p in zip(ink, paper))


def name_ticks(axis, positions, names, max_length=MAX_LENGTH):
    """Label the ticks of a matplotlib axis, rotated or shrunk if space is short."""
    names = [abbreviated(name, max_length) for name in names]
    axis.set_ticks(positions, names)
    if not names:
        return
    labels, extent = axis.get_ticklabels(), axis.axes.get_window_extent()
    size, across = labels[0].get_fontsize(), axis.axis_name == "x"
    # The space for each name, in points.
    room = (extent.width if across else extent.height) * 72 / axis.axes.figure.dpi
    room *= LEFT_FOR_AXES / len(names)
    style = {}
    if across:
        longest = max(map(len, names)) + 1
        if longest * size * CHARACTER_WIDTH <= room:
            return
        slanted = size * LINE_HEIGHT <= room * np.sin(np.pi / 4)
        style = {"rotation": 45 if slanted else 90, "rotation_mode": "anchor"}
        style |= {"ha": "right", "va": "top" if slanted else "center"}
    for label in labels:
        label.set(fontsize=min(size, room / LINE_HEIGHT), **style)


def abbreviated(name, max_length):
    """Return a name, with its middle left out if it is too long."""
    name, half = str(name), max_length // 2
    if len(name) <= max_length:
        return name
    return f"{name[:half]}…{name[1 - half :]}"
