"""Validation rows for early stopping, which the user passes to the fit of an expert.

LightGBM and XGBoost accept them as `eval_set`, LightGBM also as `eval_X` and `eval_y`,
and HistGradientBoosting as `X_val` and `y_val`.
"""

import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.pipeline import Pipeline

from sklearn_moe._sklearn import check_method_params

ROWS = ("eval_set", "eval_X", "X_val")
LABELS = ("eval_y", "y_val")


def params_of_rows(X, params, rows):
    """Return the arguments of `fit` for some of the training rows.

    Arrays with one element for each row of X are reduced to these rows. Arguments for
    validation rows are not, even if there are as many validation rows.
    """
    others = {name: value for name, value in params.items() if _is_of_others(name)}
    own = {name: value for name, value in params.items() if name not in others}
    return {**check_method_params(X, own, rows), **others}


def _is_of_others(name):
    return name.startswith("eval_") or name.endswith(("_val", "_eval_set"))


def check_validation_rows(expert, params):
    """Check that validation rows are transformed like the training rows.

    Raises
    ------
    ValueError
        If a preceding step of a pipeline, or a transformer of targets, would transform
        the training rows but not the validation rows.
    """
    for name in params.keys() & {*ROWS}:
        part = expert
        while isinstance(part, (Pipeline, TransformedTargetRegressor)):
            if isinstance(part, TransformedTargetRegressor):
                raise ValueError(
                    f"{name!r} would be passed to a regressor of transformed targets "
                    "without transforming its targets. Transform the targets in front "
                    "of the mixture."
                )
            before = [s for _, s in part.steps[:-1] if s not in (None, "passthrough")]
            transformed = part.transform_input or ()
            if before and (name == "eval_set" or name not in transformed):
                remedy = (
                    "Put these steps in front of the mixture, and give it rows that "
                    "they have transformed"
                )
                if name != "eval_set":
                    remedy += f", or set transform_input=[{name!r}] of the pipeline"
                raise ValueError(
                    f"{name!r} would reach the last step of the pipeline without being "
                    f"transformed by the previous steps. {remedy}."
                )
            part = part.steps[-1][1]


def check_labels(params, y):
    """Raise ValueError if validation rows have labels that the training rows lack."""
    for name, labels in _labels_in(params):
        classes = np.unique(y)
        unknown = np.setdiff1d(labels, classes)
        if len(unknown):
            raise ValueError(
                f"{name!r} has the classes {unknown.tolist()}, which the training rows "
                f"of this fit lack: they have {classes.tolist()}. Leave such rows out "
                f"of {name!r}, or set 'cv' to folds that have all classes."
            )


def encoded(params, classes):
    """Return the arguments of `fit` with the validation labels encoded as integers."""

    def code(labels):
        if isinstance(labels, (list, tuple)) and not np.isscalar(labels[0]):
            return type(labels)(map(code, labels))
        return np.searchsorted(classes, np.asarray(labels).ravel())

    changed = {name: code(params[name]) for name in params.keys() & {*LABELS}}
    if "eval_set" in params:
        pairs = params["eval_set"]
        pairs = [pairs] if isinstance(pairs, tuple) else pairs
        changed["eval_set"] = [(X, code(y)) for X, y in pairs]
    return params | changed


def _labels_in(params):
    """Yield the name of the argument and the labels of validation rows."""
    for name in params.keys() & {*LABELS}:
        labels = params[name]
        several = isinstance(labels, (list, tuple)) and not np.isscalar(labels[0])
        for own in labels if several else [labels]:
            yield name, np.asarray(own).ravel()
    pairs = params.get("eval_set") or ()
    for _, labels in [pairs] if isinstance(pairs, tuple) and len(pairs) else pairs:
        yield "eval_set", np.asarray(labels).ravel()
