"""Experts that grow with EM: they get a few trees in each iteration.

Under the responsibilities of the first iterations, which know little of the borders
yet, few trees are learnt, and later ones mend what these have got wrong. So EM takes
little longer than fitting each expert once, and experts with few trees have not
memorised their own rows when these are judged by them.
"""

from sklearn_moe._estimators import GrowingFit, WeightedFit, growth_of

# All trees are there after this many iterations.
N_FITS = 8


def fitter_of(estimator, random_state, *, max_iter):
    """Return how an expert is fitted in EM: it grows if it can.

    Parameters
    ----------
    estimator : estimator
    random_state : RandomState instance
    max_iter : int
        Largest number of iterations of EM; all trees are there before.

    Returns
    -------
    fitter : WeightedFit
    """
    if growth_of(estimator) is None:
        return WeightedFit(estimator, random_state)
    return GrowingFit(estimator, random_state, n_fits=min(N_FITS, max_iter))


def is_growing(fitter, expert):
    """Return whether the next M-step goes on building a `FittedExpert`."""
    fits = expert.folds or [expert.estimator]
    return any(fitter.grows(fitted, expert.n_fits) for fitted in fits)


def next_step(fitter, expert):
    """Return the fitter that goes on building a `FittedExpert`, or builds it anew."""
    if expert is None or not can_grow(fitter):
        return fitter
    return fitter.after(expert.n_fits)


def at_once(fitter, expert):
    """Return a fitter that makes in one fit as much as there is of a `FittedExpert`."""
    return fitter.at_once(expert.n_fits) if can_grow(fitter) else fitter


def can_grow(fitter):
    """Return whether a fitter goes on building what it has fitted before."""
    return isinstance(fitter, GrowingFit)


def goes_on(fitter):
    """Return whether fits to the same rows go on from each other."""
    return can_grow(fitter) or getattr(fitter, "begins_at_coefficients", False)
