"""The mixture of experts within a pipeline or a search."""

from sklearn.utils.validation import check_is_fitted

from sklearn_moe._estimators import last_step, unwrap_frozen
from sklearn_moe.experts import ends_in_mixture, mixture_within


def inner_mixture(estimator, X=None):
    """Return the fitted mixture within an estimator, and X as the mixture sees it."""
    estimator = getattr(estimator, "best_estimator_", estimator)
    if not ends_in_mixture(estimator):
        raise TypeError(
            "The estimator must be a mixture of experts, or a pipeline that ends in "
            f"one; got {estimator!r}."
        )
    mixture = last_step(unwrap_frozen(estimator))
    check_is_fitted(mixture)
    return (mixture, None) if X is None else mixture_within(estimator, X)
