r"""Counts with unequal exposure: different times, areas or numbers of people.

An expert predicts a rate, the mean count per unit of exposure e, so that the mean of a
count y is :math:`e \mu(x)`. For a Poisson distribution the log-likelihood in the rate,

.. math::
    y \log(e \mu) - e \mu = e \left(\tfrac{y}{e} \log \mu - \mu\right) + const,

is that of the observed rate y / e with the weight e. With a logarithmic link, the
exposure is the offset log e.

An expert that requests the exposure, by metadata routing, is given the counts and the
exposure instead, and must handle them itself.
"""

import numpy as np
from sklearn.base import is_regressor
from sklearn.utils import check_array
from sklearn.utils.metadata_routing import get_routing_for_object

from sklearn_moe._estimators import nested_estimators
from sklearn_moe._in_memory import check_in_memory
from sklearn_moe._sklearn import metadata_request, num_samples
from sklearn_moe._weights import check_weights

# Relative tolerance for products of rates and exposures to be whole numbers, which
# allows for rounding in single precision.
ROUNDING = 1e-6


def check_exposure(exposure, X):
    """Validate exposures.

    Parameters
    ----------
    exposure : array-like of shape (n_samples,)
    X : array-like or frame of shape (n_samples, n_features)

    Returns
    -------
    exposure : ndarray of shape (n_samples,)
    """
    check_in_memory(exposure=exposure)
    exposure = check_array(
        exposure,
        ensure_2d=False,
        allow_nd=True,
        ensure_min_samples=0,
        dtype=np.float64,
        input_name="exposure",
    )
    n_samples = num_samples(X)
    if exposure.shape not in ((n_samples,), (n_samples, 1)):
        raise ValueError(
            "'exposure' must have a number for each row of X; got "
            f"shape {exposure.shape} for {n_samples} rows."
        )
    exposure = exposure.ravel()
    wrong = np.flatnonzero(exposure <= 0)
    if len(wrong):
        raise ValueError(
            f"'exposure' must be positive; row {wrong[0]} has "
            f"{exposure[wrong[0]].item()!r}. Leave rows without exposure out."
        )
    return exposure


def takes_exposure(expert, method):
    """Return whether an expert requests the exposure in a method.

    Requests are those of metadata routing.
    """
    if "_metadata_request" in vars(expert) and len(nested_estimators(expert)) == 1:
        # Packages may add methods to all requests. In processes that have not imported
        # them these get lost, and `get_routing_for_object` fails.
        return metadata_request(expert, method, "exposure") is True
    try:
        routing = get_routing_for_object(expert)
    except NotImplementedError:
        # Some meta-estimators do not support metadata routing.
        return False
    return bool(routing.consumes(method, ["exposure"]))


def check_requests(expert, name):
    """Raise ValueError if only a part of an expert requests the exposure.

    Parameters
    ----------
    expert : estimator
    name : str

    Raises
    ------
    ValueError
        If a regressor in the expert does not request the exposure although another one
        does, the request does not reach it, or it requests it by another name.
    """
    nested = nested_estimators(expert)
    learners = [
        each
        for each in nested
        if is_regressor(each) and len(nested_estimators(each)) == 1
    ]
    for method in ("fit", "partial_fit", "predict"):
        for each in learners:
            _check_name(each, method, name)
        if not any(takes_exposure(each, method) for each in nested):
            continue
        for each in (expert, *learners):
            if not takes_exposure(each, method):
                raise ValueError(
                    f"Within expert {name!r} 'exposure' is requested for {method!r}, "
                    f"but does not reach {type(each).__name__}, which would take counts"
                    f" for rates. Set set_{method}_request(exposure=True) of every "
                    "regressor in it, or of none."
                )


def _check_name(learner, method, name):
    routing = get_routing_for_object(learner)
    requests = getattr(getattr(routing, method, None), "requests", {})
    for argument, alias in requests.items():
        if isinstance(alias, str) and "exposure" in (argument, alias):
            raise ValueError(
                f"Within expert {name!r} 'exposure' has another name: {argument!r} of "
                f"{method!r} requests {alias!r}. Set "
                f"set_{method}_request(exposure=True), or None."
            )


def counts_of_rates(y, sample_weight, X):
    """Return counts and exposures if targets are rates weighted by their exposures.

    This is assumed if some target is not a whole number, but all products of targets
    and weights are.

    Parameters
    ----------
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
    sample_weight : array-like of shape (n_samples,)
    X : array-like or frame of shape (n_samples, n_features)

    Returns
    -------
    given : tuple of (counts, weights, exposure), or None
        None if they are not rates. A weight of zero remains a weight of zero, with an
        exposure of one.
    """
    if y.dtype.kind not in "fc" or np.array_equal(y, np.round(y)):
        return None
    weights = check_weights(sample_weight, X)
    counts = (y.T * weights).T
    whole = np.round(counts)
    if np.any(np.abs(counts - whole) > ROUNDING * np.maximum(whole, 1)):
        return None
    return whole, (weights > 0).astype(np.float64), np.where(weights > 0, weights, 1.0)
