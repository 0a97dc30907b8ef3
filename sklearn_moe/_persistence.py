"""Save fitted mixtures and gates as arrays, dicts and known estimators only.

Formats that trust known classes only, such as that of skops, ask the user to confirm
every other class in a file. So the classes of the package that only hold values, which
are marked by `saved_as_dict`, are saved as dicts.
"""

import warnings
from dataclasses import fields, is_dataclass

from sklearn.utils.metadata_routing import MetadataRequest

from sklearn_moe._version import __version__

# Key of a dict that represents an object; its value is the name of the class.
CLASS = "class of sklearn_moe"

# Key of the package version that saved an estimator.
SAVED_BY = "_sklearn_moe_version"

_classes: dict[str, type] = {}


def saved_as_dict(kind):
    """Mark a class whose objects are fully described by their attributes."""
    _classes[kind.__name__] = kind
    return kind


class SavedAsDicts:
    """Estimator whose fitted attributes are saved as arrays, dicts and estimators."""

    def __getstate__(self):
        state = dict(super().__getstate__())
        for name, value in state.items():
            if name.endswith("_"):
                state[name] = _to_dicts(value)
        if "_metadata_request" in state:
            # A MetadataRequest refers to the estimator, which makes a reference cycle.
            state["_metadata_request"] = _requests_of(state["_metadata_request"])
        return state | {SAVED_BY: __version__}

    def __setstate__(self, state):
        state = {
            name: _from_dicts(value) if name.endswith("_") else value
            for name, value in state.items()
        }
        saved_by = state.pop(SAVED_BY, __version__)
        if saved_by != __version__:
            warnings.warn(
                f"This {type(self).__name__} was saved by sklearn_moe {saved_by} and "
                f"is loaded by {__version__}, which may fail or predict differently. "
                "Load it with the version that saved it, or fit it again.",
                stacklevel=2,
            )
        requests = state.get("_metadata_request")
        if isinstance(requests, dict):
            state["_metadata_request"] = _request_of(self, requests)
        super().__setstate__(state)


def _to_dicts(value):
    """Return a value with objects of marked classes as dicts; itself if it has none."""
    if isinstance(value, list):
        items = list(map(_to_dicts, value))
        changed = any(new is not old for new, old in zip(items, value))
        return items if changed else value
    name = type(value).__name__
    # A subclass may be defined by a user.
    if type(value) is not _classes.get(name):
        return value
    own = vars(value)
    if is_dataclass(value):
        # Cached properties are left out, since they follow from the fields.
        own = {each.name: own[each.name] for each in fields(value)}
    return {CLASS: name} | {key: _to_dicts(part) for key, part in own.items()}


def _from_dicts(value):
    """Invert `_to_dicts`."""
    if isinstance(value, list):
        items = list(map(_from_dicts, value))
        changed = any(new is not old for new, old in zip(items, value))
        return items if changed else value
    if not isinstance(value, dict) or CLASS not in value:
        return value
    kind = _classes[value[CLASS]]
    made = kind.__new__(kind)
    vars(made).update(
        (key, _from_dicts(own)) for key, own in value.items() if key != CLASS
    )
    return made


def _requests_of(request):
    """Return the requests of a MetadataRequest as a dict, by method."""
    return {
        method: dict(own.requests)
        for method, own in vars(request).items()
        if method != "owner" and own.requests
    }


def _request_of(owner, requests):
    """Invert `_requests_of`."""
    request = MetadataRequest(owner=owner)
    for method, own in requests.items():
        for parameter, alias in own.items():
            getattr(request, method).add_request(param=parameter, alias=alias)
    return request
