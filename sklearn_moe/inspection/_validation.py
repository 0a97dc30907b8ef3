"""Validation of a fitted mixture and of the data that it is inspected on."""

from sklearn.utils import check_consistent_length

from sklearn_moe._base import check_fitted_mixture
from sklearn_moe._weights import count_rows


def check_data(mixture, X, y, sample_weight, caller, *, takes_exposure=False):
    """Check a mixture and its data; return X, and what each row counts.

    Error messages name the caller.
    """
    check_fitted_mixture(mixture, caller)
    X = mixture._checked_X(X)
    check_consistent_length(X, y)
    if mixture._targets_.exposed and not takes_exposure:
        raise ValueError(
            f"{caller} knows no 'exposure', but the mixture was fitted to counts of "
            "unequal exposure. Judge it by score_samples and summary, which do."
        )
    return X, count_rows(sample_weight, X)[0]
