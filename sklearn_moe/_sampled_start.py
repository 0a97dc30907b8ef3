"""Start EM on many rows from a mixture that was fitted to a sample of them.

Most iterations of EM find out which expert is for which rows, for which some thousand
rows are enough. EM on all rows then starts at the mixture of the sample, and converges
to an optimum for all rows.
"""

from dataclasses import replace

import numpy as np

from sklearn_moe._fit_warnings import without_warnings
from sklearn_moe._fitting import diluted
from sklearn_moe._warm_start import begin_at

# From MANY_ROWS rows on, EM begins on one in ONE_IN rows; if these are still many, it
# begins on one in ONE_IN of them first.
MANY_ROWS = 50_000
ONE_IN = 10


def sample_pays(mixture, rows, splits, fit_params):
    """Return whether EM should begin on a sample of the rows.

    It should not if the user gives something for each row (a start, folds, subjects,
    further arguments of `fit`), if the assignment is not soft, or if the experts are
    not fitted in each iteration, or memorise their rows.
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
    """Fit a copy of a mixture to a sample, and return the start of EM from it.

    Parameters
    ----------
    mixture : unfitted mixture
        It is not changed.
    learners : Learners
    block : Block
        All rows.
    random_state : RandomState instance

    Returns
    -------
    begin : Begin or None
        None if the fit to the sample fails: for example, an encoder that was fitted to
        the sample may not know a rare category. Any other error is raised again by the
        fit to all rows.
    """
    rows = representative_rows(block.y, mixture._targets_.classes, random_state)
    params = mixture.get_params(deep=False) | {
        "n_experts": len(learners.experts.names),
        "random_state": random_state.randint(np.iinfo(np.int32).max),
        "verbose": 0,
        "warm_start": False,
        # The sample weights include the class weights already.
        **dict.fromkeys({"class_weight"} & vars(mixture).keys()),
    }
    sampled = type(mixture)(**params)
    # The fit to all rows reports its own warnings.
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
    """Select one in `ONE_IN` rows at random, stratified by class.

    Parameters
    ----------
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
    classes : ndarray or None
        None for regression targets.
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
