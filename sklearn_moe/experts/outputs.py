"""Outputs of fitted experts: numbers, or probabilities of classes."""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from sklearn import config_context

from sklearn_moe._estimators import (
    check_output,
    copy_if_overwriting,
    distributions,
    error_note,
    predict_probabilities,
)
from sklearn_moe._exposure import takes_exposure
from sklearn_moe._sklearn import num_samples
from sklearn_moe._statistics import LARGEST_FLOAT32_TO_SQUARE, LARGEST_TO_SQUARE
from sklearn_moe.experts.nested import has_density, nested_log_density


class Output(NamedTuple):
    """Output of one expert for some rows.

    Attributes
    ----------
    values : ndarray of shape (n_samples, ...)
        Predictions.
    log_density : ndarray of shape (n_samples,) or None
        Log density of the targets, if the expert has its own density.
    """

    values: np.ndarray
    log_density: Any = None


class Outputs(NamedTuple):
    """Outputs of experts, some of which have their own density.

    Attributes
    ----------
    values : ndarray of shape (n_samples, n_experts, ...)
        Predictions.
    log_density : ndarray of shape (n_samples, n_experts)
        Log density of the targets; NaN for an expert without a density of its own.
    """

    values: np.ndarray
    log_density: np.ndarray


@dataclass(frozen=True)
class Predictions:
    """The output of a regressor: its predictions.

    Attributes
    ----------
    shape : tuple
        Shape of the target of one row: () or (n_outputs,).
    exposure : float or ndarray of shape (n_samples,), default=None
        Exposure of the rows that are predicted. Experts that request it predict counts,
        which are divided by the exposure to obtain rates. None means no exposure.
    """

    shape: tuple = ()
    exposure: Any = None

    def at(self, exposure):
        """Return the same output with given exposures; None changes nothing."""
        return self if exposure is None else replace(self, exposure=exposure)

    def take(self, rows):
        """Return the same output for some of the rows."""
        return self.at(self.exposure[rows]) if np.ndim(self.exposure) else self

    def check_labels(self, expert, X):
        """Do nothing, since numbers have no labels."""

    def __call__(self, expert, X):
        """Return the predictions of an expert, of shape (n_samples, *shape)."""
        n_rows, X = num_samples(X), copy_if_overwriting(X, expert)
        exposure = None
        if self.exposure is not None and takes_exposure(expert, "predict"):
            exposure = np.broadcast_to(self.exposure, n_rows)
            with config_context(enable_metadata_routing=True):
                predicted = expert.predict(X, exposure=exposure)
        else:
            predicted = expert.predict(X)
        predictions = _at_most_double(np.asarray(predicted))
        if not self.shape and predictions.shape == (n_rows, 1):
            predictions = predictions.ravel()
        check_output(predictions, (n_rows, *self.shape), "predict")
        return predictions if exposure is None else (predictions.T / exposure).T


@dataclass(frozen=True)
class Probabilities:
    """The output of a classifier: probabilities of the classes of the mixture.

    Attributes
    ----------
    classes : ndarray of shape (n_classes,)
        Sorted classes, in the order of the columns.
    """

    classes: np.ndarray

    def at(self, exposure):
        """Return the same output: classes have no exposure; see `Predictions.at`."""
        return self

    def take(self, rows):
        """Return the same output for some of the rows."""
        return self

    def __call__(self, expert, X):
        """Return the probabilities of an expert, of shape (n_samples, n_classes).

        A class that the expert has never seen has probability zero. If the expert has
        no `predict_proba`, the class that it predicts has probability one. The
        probabilities of classes that the mixture does not know are dropped, and the
        others are rescaled to sum to one; if they are all zero, they become equal.

        Raises
        ------
        ValueError
            If the expert knows none of the classes.
        """
        known = getattr(expert, "classes_", None)
        alike = known is not None and np.array_equal(known, self.classes)
        places = None if known is None or alike else self._places(known)
        if not hasattr(expert, "predict_proba"):
            predicted = np.asarray(expert.predict(copy_if_overwriting(X, expert)))
            check_output(predicted, (num_samples(X),), "predict", kinds=None)
            votes = predicted[:, np.newaxis] == self.classes
            return distributions(votes.astype(np.float64))
        if known is None:
            raise TypeError(
                f"{type(expert).__name__} has predict_proba, but no classes_, which "
                "are needed to assign its columns to classes."
            )
        probabilities = _at_most_double(predict_probabilities(expert, X))
        if alike or np.array_equal(places, np.arange(len(self.classes))):
            return probabilities
        aligned = np.zeros((len(probabilities), len(self.classes)), probabilities.dtype)
        ours = places >= 0
        aligned[:, places[ours]] = probabilities[:, ours]
        return aligned if ours.all() else distributions(aligned)

    def check_labels(self, expert, X):
        """Raise ValueError if a fitted expert knows none of the classes.

        The classes of an expert without `classes_` are those that it predicts for `X`.
        """
        known = getattr(expert, "classes_", None)
        self._places(np.unique(expert.predict(X)) if known is None else known)

    def _places(self, labels):
        """Return the indices of labels among the classes, -1 for unknown labels."""
        # Compare as Python does: 1, 1.0 and True are equal, "1" is different.
        place_of = {label: k for k, label in enumerate(self.classes.tolist())}
        if np.ndim(labels[0]):
            raise ValueError(
                f"An expert predicts {len(labels)} targets at once; the mixture has "
                "one."
            )
        labels = np.asarray(labels).tolist()
        places = np.array([place_of.get(label, -1) for label in labels])
        if (places < 0).all():
            raise ValueError(
                f"An expert that knows the classes {labels} knows none of the "
                f"mixture's, {self.classes.tolist()}. Fit it to the labels that the "
                "mixture is fitted to, or the mixture to those of the expert."
            )
        return places


def _at_most_double(output):
    """Convert extended precision to float64, since SciPy does not support it."""
    too_long = output.dtype.kind == "f" and output.dtype.itemsize > 8
    return output.astype(np.float64) if too_long else output


def output_of_expert(expert, X, y, output_of):
    """Return the output of one fitted expert.

    Parameters
    ----------
    expert : fitted estimator
    X : array-like or frame of shape (n_samples, n_features)
    y : array-like of shape (n_samples,) or None
        Targets, for an expert with its own density; None means that the density is not
        computed.
    output_of : Predictions or Probabilities

    Returns
    -------
    output : Output
    """
    log_density = None
    if y is not None and has_density(expert):
        log_density = nested_log_density(expert, copy_if_overwriting(X, expert), y)
    return Output(output_of(expert, X), log_density)


def outputs_of_experts(named_experts, X, y, output_of):
    """Return the outputs of fitted experts.

    Parameters
    ----------
    named_experts : dict of fitted estimators
    X, y, output_of : object
        See `output_of_expert`.

    Returns
    -------
    outputs : ndarray of shape (n_samples, n_experts, ...) or Outputs

    Raises
    ------
    ValueError
        If an expert predicts NaN or infinity.
    """
    found = []
    for name, expert in named_experts.items():
        with error_note(f"expert {name!r}", X):
            found.append(output_of_expert(expert, X, y, output_of))
    return stack_outputs(found, named_experts)


def stack_outputs(outputs, names, *, of_training=False):
    """Join the outputs of all experts.

    Parameters
    ----------
    outputs : list of Output
    names : iterable of str
    of_training : bool, default=False
        Whether these are outputs for training rows, the squares of whose errors are
        summed.

    Returns
    -------
    outputs : ndarray of shape (n_samples, n_experts, ...) or Outputs

    Raises
    ------
    ValueError
        If an expert predicts NaN or infinity, or numbers whose squares overflow.
    """
    limit = LARGEST_TO_SQUARE if of_training else np.finfo(np.float64).max
    dtype = np.result_type(*(output.values for output in outputs))
    for name, output in zip(names, outputs):
        size = np.abs(output.values)
        largest = float(size.max(initial=0))
        if not largest <= limit:
            found = "NaN or infinity"
            if np.isfinite(largest):
                found = f"{largest:.3g}, whose square overflows"
            fine = size.astype(np.float64) <= limit
            rows = ~fine.reshape(len(size), -1).all(axis=1)
            raise ValueError(
                f"Expert {name!r} predicted {found} for {rows.sum()} of {len(rows)} "
                "rows. Look whether these rows are far from the others; scale its "
                "features, regularise it, or choose another estimator."
            )
        if largest > LARGEST_FLOAT32_TO_SQUARE:
            dtype = np.dtype(np.float64)
    # The values of each expert are contiguous.
    values = np.stack([output.values for output in outputs], dtype=dtype)
    values = values.swapaxes(0, 1)
    if all(output.log_density is None for output in outputs):
        return values
    return Outputs(values, np.stack([_densities(o) for o in outputs], axis=1))


def values_of(outputs):
    """Return predictions (n_samples, n_experts, ...) of outputs, without densities."""
    return outputs.values if isinstance(outputs, Outputs) else outputs


def join_folds(outputs, order, *, with_density):
    """Join the outputs of one expert for the rows of all folds.

    Parameters
    ----------
    outputs : list of Output
    order : ndarray of shape (n_samples,)
        Permutation that sorts the joined rows.
    with_density : bool
        Whether the expert has its own density. If a fold has only one class, the
        estimator that predicts it may be another one, without a density.

    Returns
    -------
    output : Output
    """
    values = np.concatenate([output.values for output in outputs])[order]
    if not with_density:
        return Output(values)
    return Output(values, np.concatenate([_densities(o) for o in outputs])[order])


def _densities(output):
    """Return log densities; NaN if there are none."""
    if output.log_density is None:
        return np.full(len(output.values), np.nan)
    return output.log_density
