"""Begin EM on many rows where it ends on some of them.

Most iterations of EM find out which expert is for which rows, and for that some
thousand rows tell as much as all. What all rows have to say is the last word: EM on
them begins at the mixture of a sample, and ends at an optimum for all.
"""

from dataclasses import replace

import numpy as np

from sklearn_moe._fit_warnings import without_warnings
from sklearn_moe._fitting import diluted
from sklearn_moe._warm_start import begin_at

# From so many rows on EM begins on one in so many, and, where these are many, on one in
# so many of them before.
MANY_ROWS = 50_000
ONE_IN = 10


def sample_pays(mixture, rows, splits, fit_params):
    """Return whether EM begins on a sample of the rows.

    It does not where something is given for each row (a start, folds, subjects, further
    arguments of `fit`) or chooses rows, nor where the experts are not fitted again in
    each iteration, or memorise their rows.
    """
    return (
        rows.n_samples >= MANY_ROWS
        and isinstance(mixture.init, str)
        and mixture.assignment == "soft"
        and mixture._composition().shares_rows
        and splits is None
        and rows.block.subjects is None
        and not fit_params
    )


def begin_on_sample(mixture, learners, block, random_state):
    """Fit a mixture like this one to a sample, and begin EM on all rows there.

    Parameters
    ----------
    mixture : unfitted mixture
        It is left as it is.
    learners : Learners
    block : Block
        All rows.
    random_state : RandomState instance

    Returns
    -------
    begin : Begin or None
        None where a sample will not do: an encoder that was fitted to it may know of no
        category that is rare. Whatever else is wrong is so with all rows as well.
    """
    rows = representative_rows(block.y, mixture._targets_.classes, random_state)
    params = mixture.get_params(deep=False) | {
        "n_experts": len(learners.experts.names),
        "random_state": random_state.randint(np.iinfo(np.int32).max),
        "verbose": 0,
        "warm_start": False,
        # The weights of the rows are by class already.
        **dict.fromkeys({"class_weight"} & vars(mixture).keys()),
    }
    sampled = type(mixture)(**params)
    # The fit to all rows has warnings of its own.
    try:
        with without_warnings():
            sampled.fit(**block.take(rows).arguments())
            begin, _ = begin_at(sampled._fitted(), learners, block)
    except Exception:
        return None
    reached = sampled._reached_.model
    factor = learners.experts.rows.total_weight / sampled._rows_seen_.n_rows
    return replace(
        begin,
        sharing=diluted(reached.estimates.next_sharing, factor),
        learns=reached.learns,
    )


def representative_rows(y, classes, random_state):
    """Select one in `ONE_IN` rows at random, of each class alike.

    Parameters
    ----------
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
    classes : ndarray or None
        None for numbers.
    random_state : RandomState instance

    Returns
    -------
    rows : ndarray of int
        In ascending order; at least one of each class.
    """
    rows = random_state.permutation(len(y))
    if classes is None:
        return np.sort(rows[: len(y) // ONE_IN])
    rows = rows[np.argsort(y[rows], kind="stable")]
    first = np.flatnonzero(np.r_[True, y[rows][1:] != y[rows][:-1]])
    return np.sort(rows[np.union1d(np.arange(0, len(y), ONE_IN), first)])
