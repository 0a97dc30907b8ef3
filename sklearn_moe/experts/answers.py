"""What a fitted expert is asked, and what it answers."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from sklearn.pipeline import Pipeline

from sklearn_moe.weighting import last_step, thawed


class Outputs(NamedTuple):
    """Answers of experts of which some have a density of their own.

    Attributes
    ----------
    values : ndarray of shape (n_samples, n_experts, ...)
        Predictions.
    log_density : ndarray of shape (n_samples, n_experts)
        Of the targets; NaN for an expert without a density of its own.
    """

    values: np.ndarray
    log_density: np.ndarray


@dataclass(frozen=True)
class PointAnswers:
    """What the mixture asks of regressors: point predictions.

    Attributes
    ----------
    shape : tuple
        Shape of the target of one row: () or (n_outputs,).
    """

    shape: tuple = ()

    def __call__(self, expert, X):
        """Predictions, shape (n_samples, *shape)."""
        predictions = np.asarray(expert.predict(X))
        if not self.shape and predictions.shape == (X.shape[0], 1):
            return predictions.ravel()
        _check_answers(predictions, (X.shape[0], *self.shape), "predict")
        return predictions


@dataclass(frozen=True)
class ClassAnswers:
    """What the mixture asks of classifiers: class probabilities.

    Attributes
    ----------
    classes : ndarray of shape (n_classes,)
        Sorted; the order of the columns.
    """

    classes: np.ndarray

    def __call__(self, expert, X):
        """Probabilities, shape (n_samples, n_classes).

        A class that the expert never saw has probability zero. An expert without
        probabilities is sure of the class that it predicts. What it gives to classes
        that the mixture does not know is lost: the others share it in proportion, or
        equally where they have nothing.
        """
        if not hasattr(expert, "predict_proba"):
            predicted = np.asarray(expert.predict(X))
            _check_answers(predicted, X.shape[:1], "predict", kinds=None)
            votes = predicted[:, np.newaxis] == self.classes
            return distributions(votes.astype(np.float64))
        probabilities = np.asarray(expert.predict_proba(X))
        known = np.asarray(expert.classes_)
        _check_answers(probabilities, (X.shape[0], *known.shape), "predict_proba")
        if np.array_equal(known, self.classes):
            return probabilities
        aligned = np.zeros((len(probabilities), len(self.classes)), probabilities.dtype)
        ours = np.isin(known, self.classes)
        columns = np.searchsorted(self.classes, known[ours])
        aligned[:, columns] = probabilities[:, ours]
        return aligned if ours.all() else distributions(aligned)


def distributions(shares):
    """Divide rows by their sums; a row of zeros is shared equally.

    Parameters
    ----------
    shares : ndarray of shape (n_samples, n_classes)

    Returns
    -------
    probabilities : ndarray of shape (n_samples, n_classes)
    """
    sums = shares.sum(axis=1, keepdims=True)
    return np.where(sums > 0, shares / np.where(sums > 0, sums, 1), 1 / shares.shape[1])


def _check_answers(answers, shape, method, kinds="biuf"):
    if answers.shape != shape or (kinds and answers.dtype.kind not in kinds):
        raise ValueError(
            f"{method} returned an array of shape {answers.shape} and dtype "
            f"{answers.dtype}; the mixture needs shape {shape}"
            + (" and numbers." if kinds else ".")
        )


def has_own_density(expert):
    """Whether an expert is a mixture itself, or a pipeline that ends in one."""
    last = last_step(thawed(expert))
    return hasattr(last, "predict_gate") and hasattr(last, "score_samples")


def own_log_density(expert, X, y):
    """Log density of the targets under an expert that has one."""
    mixture, X = mixture_within(expert, X)
    return mixture.score_samples(X, y)


def own_distribution(expert, X):
    """Distribution of the targets under an expert that has one."""
    mixture, X = mixture_within(expert, X)
    return mixture.predict_distribution(X)


def mixture_within(expert, X):
    """The mixture at the end of an expert, and the rows that it sees."""
    expert = thawed(expert)
    if not isinstance(expert, Pipeline):
        return expert, X
    return expert[-1], expert[:-1].transform(X) if len(expert) > 1 else X
