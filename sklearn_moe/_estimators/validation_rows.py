"""Rows for early stopping, which the user gives to the fit of an expert.

LightGBM and XGBoost take them as `eval_set`, LightGBM as `eval_X` and `eval_y` as well,
and HistGradientBoosting as `X_val` and `y_val`.
"""

import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.pipeline import Pipeline

from sklearn_moe._sklearn import check_method_params

ROWS = ("eval_set", "eval_X", "X_val")
LABELS = ("eval_y", "y_val")


def params_of_rows(X, params, rows):
    """Arguments of `fit` for some of the training rows.

    Arrays with one element for each row of X are reduced to these, but not those about
    rows for validation, even where these are as many.
    """
    others = {name: value for name, value in params.items() if _is_of_others(name)}
    own = {name: value for name, value in params.items() if name not in others}
    return {**check_method_params(X, own, rows), **others}


def _is_of_others(name):
    return name.startswith("eval_") or name.endswith(("_val", "_eval_set"))


def check_validation_rows(expert, params):
    """Refuse rows for validation that would reach an estimator as it does not see rows.

    Raises
    ------
    ValueError
        If a step of a pipeline, or a transformer of targets, stands before it and does
        not transform them.
    """
    for name in params.keys() & {*ROWS}:
        part = expert
        while isinstance(part, (Pipeline, TransformedTargetRegressor)):
            if isinstance(part, TransformedTargetRegressor):
                raise ValueError(
                    f"{name!r} would reach the regressor that learns transformed "
                    "targets with targets that are not. Transform the targets in front "
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
                    f"{name!r} would reach the last step of the pipeline as it is, "
                    f"without the steps before. {remedy}."
                )
            part = part.steps[-1][1]


def check_labels(params, y):
    """Refuse labels for validation that the training rows of a fit lack."""
    for name, labels in _labels_in(params):
        classes = np.unique(y)
        unknown = np.setdiff1d(labels, classes)
        if len(unknown):
            raise ValueError(
                f"{name!r} has the classes {unknown.tolist()}, which the rows of this "
                f"fit lack: they have {classes.tolist()}. Leave such rows "
                "out of it, or set 'cv' to folds that have all classes."
            )


def encoded(params, classes):
    """Arguments of `fit` in which labels for validation are numbers of the classes."""

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
    """Yield labels for validation, and the argument that they are in."""
    for name in params.keys() & {*LABELS}:
        labels = params[name]
        several = isinstance(labels, (list, tuple)) and not np.isscalar(labels[0])
        for own in labels if several else [labels]:
            yield name, np.asarray(own).ravel()
    pairs = params.get("eval_set") or ()
    for _, labels in [pairs] if isinstance(pairs, tuple) and len(pairs) else pairs:
        yield "eval_set", np.asarray(labels).ravel()
