"""Experts that learn their rows by heart."""

import warnings

import numpy as np
from sklearn.model_selection import KFold

# An expert whose misfit to its own rows is below this may know them by heart ...
SUSPICIOUS = 0.01

# ... and does, if it misses rows that it has not seen by this much.
REVEALING = 0.1

# With fewer rows than this, all that can be learnt is learnt by heart.
ENOUGH_ROWS = 20


def find_memorizers(pool, members, misfit, random_state):
    """Which experts reproduce their training targets, and only these.

    Each expert that does so is fitted once more, to every other of its rows, and asked
    about the rest: where the truth is as simple as it says, it will know.

    Parameters
    ----------
    pool : ExpertPool
    members : list of Member
    misfit : callable
        ``misfit(values, rows, weights)``: how far answers are from the targets of the
        rows, 0 for not at all, in units in which ignorance has about 1.
    random_state : RandomState instance

    Returns
    -------
    memorizes : ndarray of shape (n_experts,), bool
    """
    memorizes = np.zeros(len(members), dtype=bool)
    if pool.splits is not None or len(members) == 1:
        return memorizes
    everything = np.arange(len(pool.sample_weight))
    halves = KFold(2, shuffle=True, random_state=random_state)
    seen, unseen = next(halves.split(everything))
    for k, member in enumerate(members):
        weights = pool.weights(member)
        if pool.frozen[k] or _n_effective(weights) < ENOUGH_ROWS:
            continue
        if misfit(pool.ask(member.estimator, seen), seen, weights[seen]) > SUSPICIOUS:
            continue
        with warnings.catch_warnings():
            # They would be about an expert that nobody will have.
            warnings.simplefilter("ignore")
            expert = pool.refit(k, weights, seen)
        values = pool.ask(expert, unseen)
        memorizes[k] = misfit(values, unseen, weights[unseen]) > REVEALING
    return memorizes


def _n_effective(weights):
    """How many equal weights say as much as these (Kish, 1965)."""
    largest = weights.max()
    if largest == 0:
        return 0
    shares = weights / largest
    return shares.sum() ** 2 / np.sum(shares**2)
