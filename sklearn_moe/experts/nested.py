"""Experts with a density of their own: nested mixtures and noise components."""

import numpy as np
from sklearn.pipeline import Pipeline

from sklearn_moe._estimators import last_step, rows_of_last_step, unwrap_frozen
from sklearn_moe._sklearn import safe_indexing
from sklearn_moe.experts.uniform import is_uniform


def ends_in_mixture(expert):
    """Return whether an expert is a mixture, or a pipeline that ends in one."""
    last = last_step(unwrap_frozen(expert))
    return hasattr(last, "predict_gate") and hasattr(last, "score_samples")


def has_density(expert):
    """Return whether an expert has its own density, and needs no noise model."""
    return is_uniform(expert) or ends_in_mixture(expert)


def nested_log_density(expert, X, y):
    """Return the log density of the targets under an expert with its own density.

    It is NaN for classes that a nested mixture has never seen; the likelihood of the
    outer mixture decides how to handle these.
    """
    if is_uniform(expert):
        return expert.score_samples(X, y)
    mixture, X = mixture_within(expert, X)
    known = np.isin(y, mixture.classes_) if hasattr(mixture, "classes_") else True
    if np.all(known):
        return mixture.score_samples(X, y)
    log_density, rows = np.full(len(y), np.nan), np.flatnonzero(known)
    if len(rows):
        log_density[rows] = mixture.score_samples(safe_indexing(X, rows), y[rows])
    return log_density


def nested_distribution(expert, X):
    """Return the distribution of the targets under a mixture that is an expert."""
    mixture, X = mixture_within(expert, X)
    return mixture.predict_distribution(X)


def mixture_within(expert, X):
    """Return the mixture at the end of an expert, and the rows transformed for it."""
    expert = unwrap_frozen(expert)
    if not isinstance(expert, Pipeline):
        return expert, X
    return expert[-1], rows_of_last_step(expert, X)
