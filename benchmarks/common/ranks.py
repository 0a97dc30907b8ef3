"""Compare contestants over many tables: mean ranks, pairwise tests, and a plot.

References
----------
J. Demsar (2006). Statistical comparisons of classifiers over multiple data sets. JMLR
7, 1-30.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.stats import studentized_range, wilcoxon


def mean_ranks(scores):
    """Return the mean rank of each column, in ascending order; rank 1 is the best.

    Parameters
    ----------
    scores : DataFrame of shape (n_tables, n_contestants)
        Scores, where larger is better.
    """
    return scores.rank(axis=1, ascending=False).mean().sort_values()


def critical_difference(n_tables, n_contestants):
    """Return the critical difference of mean ranks in Nemenyi's test at 5 %."""
    quantile = studentized_range.ppf(0.95, n_contestants, np.inf) / np.sqrt(2)
    return quantile * np.sqrt(n_contestants * (n_contestants + 1) / (6 * n_tables))


def pairwise(scores):
    """Count how often the row is better than the column; add p of Wilcoxon's test."""
    cells = {}
    for column in scores:
        cells[column] = {
            row: "" if row == column else _versus(scores[row] - scores[column])
            for row in scores
        }
    return pd.DataFrame(cells)


def _versus(difference):
    p = wilcoxon(difference).pvalue if difference.any() else 1.0
    return f"{(difference > 0).sum()} ({p:.2f})"


def draw(ax, scores, title):
    """Plot mean ranks, with bars that join ranks without significant differences."""
    ranks = mean_ranks(scores)
    difference = critical_difference(*scores.shape)
    rows = np.arange(len(ranks))
    ax.plot(ranks, rows, "o", color="tab:blue")
    for row, (name, rank) in enumerate(ranks.items()):
        weight = "bold" if name.startswith("mixture") else "normal"
        ax.annotate(
            f"{name}  {rank:.1f}",
            (rank, row),
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
            fontweight=weight,
        )
    for first, last in cliques(ranks.to_numpy(), difference):
        ax.plot([ranks.iloc[first]] * 2, [first, last], color="tab:gray", lw=3)
    ax.set(
        title=f"{title}\n{len(scores)} tables, critical difference {difference:.1f}",
        xlabel="mean rank (1 is best)",
        xlim=(0.5, len(ranks) + 4),
        yticks=[],
    )
    ax.invert_yaxis()


def cliques(ranks, difference):
    """Yield the ends of each maximal run of ranks within a difference.

    Parameters
    ----------
    ranks : ndarray of shape (n_contestants,)
        Sorted.
    difference : float
    """
    reached = 0
    for first, rank in enumerate(ranks):
        last = np.searchsorted(ranks, rank + difference, side="right") - 1
        if last > max(first, reached):
            yield first, last
            reached = last


def save(path, pictures):
    """Plot mean ranks side by side, and save the figure.

    Parameters
    ----------
    path : Path
    pictures : dict of str to DataFrame
        Scores by title.
    """
    style = {"svg.hashsalt": "ranks", "svg.fonttype": "none", "font.size": 8}
    with plt.rc_context(style):
        figure, axes = plt.subplots(1, len(pictures), figsize=(9, 4), squeeze=False)
        for ax, (title, scores) in zip(axes.flat, pictures.items()):
            draw(ax, scores, title)
        figure.tight_layout()
        figure.savefig(path, metadata={"Date": None})
        plt.close(figure)
