"""Reinitialisation, and finally retirement, of experts that lose their rows."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

# An expert is dead if its share of the rows is below this fraction of an equal share,
# 1 / n_experts.
DEAD_SHARE = 0.01

# Number of times that a dead expert is reinitialised before it is retired.
MAX_REVIVALS = 2

# Where the rows lie in several blocks, each block summarises the log-likelihoods of its
# rows by at most this many values.
MAX_LEVELS = 1000


class DeadExperts:
    """Detection and treatment of experts that lose their rows.

    A dead expert is given half of each of the rows that the mixture explains worst. If
    it dies again after `MAX_REVIVALS` such reinitialisations it is retired.

    Parameters
    ----------
    rows : Rows
    n_experts : int
    lives : ndarray of shape (n_experts,), bool, or False, default=False
        Experts that are never dead, however few rows they have.
    n_revivals : ndarray of shape (n_experts,), int, or 0, default=0
        How often each was reinitialised in the fits from which this one goes on. Where
        that was often enough, and in vain, the expert is left as it is.
    are_given : bool, default=False
        Whether EM does not fit the experts. Rows would not change them: dead ones are
        retired at once.

    Attributes
    ----------
    active : ndarray of shape (n_experts,), bool
        False for the experts that were retired.
    n_revivals : ndarray of shape (n_experts,), int
        How often each has been reinitialised.
    """

    def __init__(self, rows, n_experts, lives=False, n_revivals=0, *, are_given=False):
        self.active = np.ones(n_experts, dtype=bool)
        self.n_revivals = np.full(n_experts, n_revivals)
        self._lives = lives | (self.n_revivals >= MAX_REVIVALS)
        self._rows = rows
        self._most_revivals = 0 if are_given else MAX_REVIVALS

    def dead(self, share):
        """Return a mask of the dead experts, from the mean responsibility of each.

        Retired experts are not included.
        """
        few = share < DEAD_SHARE / len(self.active)
        return self.active & few & ~self._lives

    def reinitialise(self, posterior):
        """Give rows to the dead experts, or retire them.

        Parameters
        ----------
        posterior : Posterior

        Returns
        -------
        responsibilities : column of shape (n_samples, n_experts)
            Those of `posterior` itself if no expert is dead.
        reinitialised : list of int
            Experts that were given rows; the objective may fall because of this.
        """
        dead = self.dead(posterior.share)
        if not dead.any():
            return posterior.responsibilities, []
        given = {}
        bounds = self._bounds(dead.sum(), posterior.row_log_likelihood)
        for k, (lower, upper) in zip(np.flatnonzero(dead), bounds):
            # A range with equal ends contains no row.
            if self.n_revivals[k] < self._most_revivals and lower < upper:
                given[k] = lower, upper
                self.n_revivals[k] += 1
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
        """Return a range of log-likelihoods for each dead expert.

        The rows in each range have half the weight of an equal share, and the first
        range contains the rows that the mixture explains worst.
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
    """Distinct log-likelihoods, and the total weight of the rows at each of them.

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
    """Summarise the log-likelihoods of a block's rows by at most `max_levels` values.

    If there are more, they are divided into groups of about equal weight, each of which
    is represented by its largest value.
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
    """Remove retired experts from a block's rows, and give rows to reinitialised ones.

    `given` maps each reinitialised expert to a range of log-likelihoods (lower end
    excluded). The expert gets half of each row whose log-likelihood is in this range.
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
    """Round log-likelihoods, so that equal rows are treated alike in any order."""
    return np.round(row_log_likelihood, 6)
