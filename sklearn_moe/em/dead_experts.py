"""Experts that lose their rows: they are reinitialised, and retired at last."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

# An expert whose share of the rows is below this fraction of an even one is dead.
DEAD_SHARE = 0.01

# How often one dead expert is reinitialised before it is retired.
MAX_REVIVALS = 2

# A block of many tells its log-likelihoods in so many numbers.
MAX_LEVELS = 1000


class DeadExperts:
    """Watches over experts that lose their rows.

    A dead expert is given half of each of the rows that the mixture explains worst, a
    bounded number of times; then it is retired.

    Parameters
    ----------
    rows : Rows
    n_experts : int
    lives : ndarray of shape (n_experts,), bool, or False, default=False
        Experts that are never dead, however few rows they have.

    Attributes
    ----------
    active : ndarray of shape (n_experts,), bool
        False for the experts that were retired.
    """

    def __init__(self, rows, n_experts, lives=False):
        self.active = np.ones(n_experts, dtype=bool)
        self._lives = lives
        self._rows = rows
        self._n_revivals = np.zeros(n_experts, dtype=int)

    def dead(self, share):
        """Which experts have next to no rows, the retired ones aside.

        `share` has the mean responsibility of each.
        """
        few = share < DEAD_SHARE / len(self.active)
        return self.active & few & ~np.asarray(self._lives)

    def reinitialise(self, posterior):
        """Give rows to the dead experts, or retire them.

        Parameters
        ----------
        posterior : Posterior

        Returns
        -------
        responsibilities : column of shape (n_samples, n_experts)
            A new one where something changed.
        reinitialised : list of int
            Experts that were given rows, so that the objective may have fallen.
        """
        dead = self.dead(posterior.share)
        if not dead.any():
            return posterior.responsibilities, []
        given = {}
        bounds = self._bounds(dead.sum(), posterior.row_log_likelihood)
        for k, (lower, upper) in zip(np.flatnonzero(dead), bounds):
            # A range that ends where it begins holds no row.
            if self._n_revivals[k] < MAX_REVIVALS and lower < upper:
                given[k] = lower, upper
                self._n_revivals[k] += 1
            else:
                self.active = self.active & (np.arange(len(dead)) != k)
        responsibilities = self._rows.map(
            redistribute,
            posterior.responsibilities,
            posterior.row_log_likelihood,
            given,
            self.active,
        )
        return self._rows.keep(responsibilities), list(given)

    def _bounds(self, n_dead, row_log_likelihood):
        """A range of log-likelihoods for each dead expert, with half an even share.

        The first has the rows that are explained worst.
        """
        max_levels = None if self._rows.in_one_block else MAX_LEVELS
        found = self._rows.total(levels_of_block, row_log_likelihood, max_levels)
        levels = np.quantile(
            found.levels,
            0.5 * np.arange(1, n_dead + 1) / len(self.active),
            weights=found.weights,
            method="inverted_cdf",
        )
        return list(pairwise([-np.inf, *levels]))


@dataclass(frozen=True)
class Levels:
    """Log-likelihoods of rows, and the weight of the rows that have each.

    Attributes
    ----------
    levels, weights : ndarray of shape (n_levels,)
    """

    levels: np.ndarray
    weights: np.ndarray

    def __add__(self, other):
        return Levels(
            np.concatenate([self.levels, other.levels]),
            np.concatenate([self.weights, other.weights]),
        )


def levels_of_block(block, row_log_likelihood, max_levels=None):
    """Log-likelihoods of the rows of a block, no more than `max_levels` of them.

    Where there are more, the largest of each group of equal weight stands for it.
    """
    if max_levels is None:
        return Levels(_level(row_log_likelihood), block.sample_weight)
    levels, index = np.unique(_level(row_log_likelihood), return_inverse=True)
    weights = np.bincount(index, block.sample_weight)
    if len(levels) > max_levels:
        groups = np.ceil(max_levels * np.cumsum(weights) / weights.sum()).astype(int)
        ends = np.flatnonzero(np.diff(groups, append=groups[-1] + 1))
        weights = np.diff(np.cumsum(weights)[ends], prepend=0.0)
        levels = levels[ends]
    return Levels(levels, weights)


def redistribute(block, responsibilities, row_log_likelihood, given, active):
    """Take the retired experts out, and give rows of a block to the reinitialised.

    `given` has, for each expert that is reinitialised, the range of the log-likelihoods
    of the rows of which it gets half; the lower end is left out.
    """
    responsibilities = np.where(active, responsibilities, 0)
    level = _level(row_log_likelihood)
    for k, (lower, upper) in given.items():
        own = (level > lower) & (level <= upper)
        responsibilities[own] *= 0.5
        responsibilities[own, k] += 0.5
    orphaned = responsibilities.sum(axis=1) == 0
    responsibilities[orphaned] = active
    return responsibilities / responsibilities.sum(axis=1, keepdims=True)


def _level(row_log_likelihood):
    """Log-likelihoods, so rounded that the order of equal rows decides nothing."""
    return np.round(row_log_likelihood, 6)
