"""Validation of a fitted mixture and of the data that it is inspected on."""

from sklearn.utils import check_consistent_length

from sklearn_moe._base import check_fitted_mixture
from sklearn_moe._sklearn import check_sample_weight


def check_data(mixture, X, y, sample_weight, caller):
    """Check a mixture and its data; return X, and weights, all one for None.

    Error messages name the caller.
    """
    check_fitted_mixture(mixture, caller)
    X = mixture._checked_X(X)
    check_consistent_length(X, y)
    return X, check_sample_weight(sample_weight, X, ensure_non_negative=True)
