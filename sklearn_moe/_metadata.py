"""Route further arguments of `fit` by scikit-learn's metadata routing.

Experts may request arguments, and a group splitter given as `cv` requests groups.
"""

from contextlib import contextmanager
from copy import copy

from sklearn import config_context
from sklearn.utils import check_array
from sklearn.utils.metadata_routing import get_routing_for_object, process_routing

from sklearn_moe._folds import asks_for_groups
from sklearn_moe._sklearn import check_method_params, num_samples, routing_enabled

ENABLE = "sklearn.set_config(enable_metadata_routing=True)"

# Arguments of `fit` that `partial_fit` does not take, and an explanation for each.
OF_FIT_ALONE = {
    "start": "A stream begins as 'init' says, which may be a column or a function.",
    "groups": "A stream evaluates rows before it learns them, and needs no folds.",
}


def check_metadata(mixture, method, params):
    """Raise an error about further arguments that cannot be routed.

    Parameters
    ----------
    mixture : mixture
    method : {"fit", "partial_fit"}
    params : dict

    Raises
    ------
    ValueError
        If metadata routing is not enabled.
    TypeError
        If there is an argument that a stream does not take, or there are groups that
        nothing requests.
    """
    caller = f"{type(mixture).__name__}.{method}"
    if method == "partial_fit":
        for name in OF_FIT_ALONE.keys() & params.keys():
            raise TypeError(f"{caller} takes no {name!r}. {OF_FIT_ALONE[name]}")
    if not params:
        return
    if not routing_enabled():
        raise ValueError(
            f"{caller} got {sorted(params)}: further arguments are only supported if "
            f"enable_metadata_routing=True. Call {ENABLE} first, so that they reach "
            "what asks for them: a group splitter given as 'cv', or experts with "
            "set_fit_request."
        )
    asked = get_routing_for_object(mixture).consumes(method, params.keys())
    if "groups" in params and "groups" not in asked:
        raise TypeError(
            f"{caller} got groups, but cv={getattr(mixture, 'cv', None)!r} does not "
            "ask for them. Set 'cv' to a splitter that does, such as GroupKFold(5)."
        )


def is_splitter(cv):
    """Whether the `cv` of a mixture is a splitter, to which metadata are routed."""
    return hasattr(cv, "split") and not isinstance(cv, str)


def params_of_splitter(mixture, fit_params, X, kept):
    """Return the arguments of `fit` that the splitter given as `cv` requests.

    Parameters
    ----------
    mixture : mixture
    fit_params : dict
    X : array-like or frame of shape (n_samples, n_features)
    kept : ndarray of int
        Indices of the rows of positive weight.

    Returns
    -------
    params : dict
        Arguments for the rows that are kept.

    Raises
    ------
    ValueError
        If a group splitter is given no groups, or the groups do not match the rows.
    """
    cv = getattr(mixture, "cv", None)
    if not is_splitter(cv):
        return {}
    params = {}
    if fit_params:
        params = dict(process_routing(mixture, "fit", **fit_params)["cv"]["split"])
    if params.get("groups") is not None:
        params["groups"] = check_groups(params["groups"], num_samples(X))
    elif asks_for_groups(cv):
        raise ValueError(
            f"cv={cv!r} divides rows by groups, but fit was given no groups. Call "
            f"{ENABLE}, and fit(X, y, groups=groups)."
        )
    return check_method_params(X, params, kept)


def params_of_experts(mixture, fit_params):
    """Return the arguments of `fit` that experts request, by their original names."""
    if not is_splitter(mixture.cv):
        return fit_params
    without = copy(mixture).set_params(cv=None)
    asked = get_routing_for_object(without).consumes("fit", fit_params.keys())
    return {name: value for name, value in fit_params.items() if name in asked}


def check_groups(groups, n_samples):
    """Validate groups of rows; None stays None."""
    if groups is None:
        return None
    groups = check_array(groups, ensure_2d=False, dtype=None, input_name="groups")
    if len(groups) != n_samples:
        raise ValueError(
            f"'groups' must have one element for each row of X: got {len(groups)} for "
            f"{n_samples} rows."
        )
    return groups


@contextmanager
def groups_routed(estimator, groups):
    """Yield further arguments of `fit`: the groups, if an estimator requests them.

    If it does, metadata routing is enabled within the context.
    """
    asks = groups is not None and bool(
        get_routing_for_object(estimator).consumes("fit", ["groups"])
    )
    with config_context(enable_metadata_routing=asks or routing_enabled()):
        yield {"groups": groups} if asks else {}
