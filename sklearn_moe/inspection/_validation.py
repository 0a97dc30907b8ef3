"""Validation of a fitted mixture and of the data that it is inspected on."""

from dataclasses import replace

from sklearn.utils import check_consistent_length

from sklearn_moe._inner_mixture import seen_by_mixture
from sklearn_moe._weights import count_rows


def check_data(model, X, y, sample_weight, caller, *, takes_exposure=False):
    """Check a model and its data; return its mixture's data, and weights of rows.

    Error messages name the caller.
    """
    seen = seen_by_mixture(model, X, y, caller=caller)
    seen = replace(seen, X=seen.mixture._checked_X(seen.X))
    check_consistent_length(seen.X, seen.y)
    if seen.mixture._targets_.exposed and not takes_exposure:
        raise ValueError(
            f"{caller} knows no 'exposure', but the mixture was fitted to counts of "
            "unequal exposure. Judge it by score_samples, describe and summary."
        )
    return seen, count_rows(sample_weight, seen.X)[0]
