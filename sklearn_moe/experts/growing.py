"""Experts that grow with EM: they get a few more boosted trees in each iteration.

Only few trees are fitted under the imprecise responsibilities of the first iterations,
and later trees correct their errors. EM therefore takes little longer than fitting each
expert once. Moreover, experts with few trees have not memorised their rows yet when the
E-step compares the experts on these rows.
"""

from sklearn_moe._estimators import GrowingFit, WeightedFit, growth_of

# An expert has all its trees after this many iterations.
N_FITS = 8


def fitter_of(estimator, random_state, *, max_iter):
    """Return the fitter of an expert in EM, which grows the expert if possible.

    Parameters
    ----------
    estimator : estimator
    random_state : RandomState instance
    max_iter : int
        Largest number of iterations of EM; the expert has all trees by then.

    Returns
    -------
    fitter : WeightedFit
    """
    if growth_of(estimator) is None:
        return WeightedFit(estimator, random_state)
    return GrowingFit(estimator, random_state, n_fits=min(N_FITS, max_iter))


def is_growing(fitter, expert):
    """Return whether a `FittedExpert` continues to grow in the next M-step."""
    fits = expert.folds or [expert.estimator]
    return any(fitter.grows(fitted, expert.n_fits) for fitted in fits)


def next_step(fitter, expert):
    """Return the fitter for the next M-step after a `FittedExpert`, or the first."""
    if expert is None or not can_grow(fitter):
        return fitter
    return fitter.after(expert.n_fits)


def at_once(fitter, expert):
    """Return a fitter that fits all trees of a `FittedExpert` at once."""
    return fitter.at_once(expert.n_fits) if can_grow(fitter) else fitter


def can_grow(fitter):
    """Return whether a fitter grows its previous fit."""
    return isinstance(fitter, GrowingFit)


def goes_on(fitter):
    """Return whether a fit can start from the previous fit to the same rows."""
    return can_grow(fitter) or getattr(fitter, "begins_at_coefficients", False)
