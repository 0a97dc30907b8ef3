"""Probabilities of classes."""

from dataclasses import dataclass

import numpy as np

# One confident mistake must not have an infinite say.
SMALLEST_PROBABILITY = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Categorical:
    """The probability that a classifier gives to the class that came true.

    A classifier that says with certainty one class or another, right or wrong, has an
    error rate e: the class that it names has probability 1 - e, and each of the others
    e / (n_classes - 1). It may abstain, by giving all classes the same probability.

    Attributes
    ----------
    error_rate : ndarray of shape (n_experts,)
        Zero for the experts that give probabilities of their own.
    """

    error_rate: np.ndarray

    def log_prob(self, y, outputs, X):
        """Log probability of each target under each expert.

        Parameters
        ----------
        y : ndarray of shape (n_samples,)
            Classes, encoded as integers 0, ..., n_classes - 1.
        outputs : ndarray of shape (n_samples, n_experts, n_classes)
            Class probabilities of the experts.
        X : object
            Not used: some noise models of regression depend on the row.

        Returns
        -------
        log_prob : ndarray of shape (n_samples, n_experts)
        """
        chosen = np.take_along_axis(outputs, y[:, np.newaxis, np.newaxis], axis=2)
        probability = self._with_errors(chosen[:, :, 0], outputs.shape[2])
        np.maximum(probability, SMALLEST_PROBABILITY, out=probability)
        return np.log(probability, out=probability)

    def predictive(self, outputs):
        """Class probabilities, mistakes reckoned with."""
        n_classes = outputs.shape[2]
        return self._with_errors(outputs.swapaxes(1, 2), n_classes).swapaxes(1, 2)

    def take(self, order):
        """The error rates of the experts in another order."""
        return Categorical(self.error_rate[order])

    def _with_errors(self, probabilities, n_classes):
        """Map certainties 1 and 0 to 1 - e and e / (n_classes - 1); experts last."""
        if not self.error_rate.any():
            return probabilities
        error_rate = self.error_rate.astype(probabilities.dtype, copy=False)
        slip = error_rate / (n_classes - 1)
        return slip + (1 - n_classes * slip) * probabilities


class CategoricalLikelihood:
    """Likelihood of classes; it estimates the error rates of experts that only vote.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
        Training classes, encoded as integers 0, ..., n_classes - 1.
    """

    def __init__(self, y):
        self.y = y

    def fit(self, outputs, weights):
        """Score the training targets.

        Parameters
        ----------
        outputs : ndarray of shape (n_samples, n_experts, n_classes)
            Class probabilities of the experts.
        weights : array-like of shape (n_samples, n_experts)
            The weights with which the experts were fitted.

        Returns
        -------
        likelihood : Categorical
        log_prob : ndarray of shape (n_samples, n_experts)
        """
        likelihood = self.learn_sums(outputs.shape[2], *self.sums(outputs, weights))
        return likelihood, likelihood.log_prob(self.y, outputs, None)

    def sums(self, outputs, weights):
        """Sums over the rows, which add up to those over more rows.

        Parameters
        ----------
        outputs : ndarray of shape (n_samples, n_experts, n_classes)
        weights : array-like of shape (n_samples, n_experts)

        Returns
        -------
        unsure : ndarray of shape (n_experts,), int
            Number of rows for which an expert gives probabilities.
        wrong, decided : ndarray of shape (n_experts,)
            Weight of the rows on which an expert that only votes is wrong, and of all
            on which it does not abstain; zero for the others.
        """
        n_classes = outputs.shape[2]
        certain = (outputs == 0) | (outputs == 1)
        abstains = np.all(outputs == 1 / n_classes, axis=2)
        unsure = np.count_nonzero(~(certain.all(axis=2) | abstains), axis=0)
        misses = outputs[np.arange(len(self.y)), :, self.y] == 0
        wrong, decided = np.zeros((2, outputs.shape[1]))
        weights = None if unsure.all() else np.asarray(weights)
        for k in np.flatnonzero(unsure == 0):
            wrong[k] = weights[misses[:, k], k].sum()
            decided[k] = weights[~abstains[:, k], k].sum()
        return unsure, wrong, decided

    @staticmethod
    def learn_sums(n_classes, unsure, wrong, decided):
        """The likelihood that follows from what `sums` returns, of all rows.

        Parameters
        ----------
        n_classes : int
        unsure, wrong, decided : ndarray of shape (n_experts,)

        Returns
        -------
        likelihood : Categorical
        """
        votes = (unsure == 0) & (decided > 0)
        error_rate = np.divide(wrong, decided, out=np.zeros(len(votes)), where=votes)
        # An expert that errs more often than chance is not turned upside down.
        return Categorical(np.minimum(error_rate, 1 - 1 / n_classes))

    def log_prob(self, fitted, outputs):
        """Score the targets under a likelihood that is fitted already."""
        return fitted.log_prob(self.y, outputs, None)

    def partial_fit(self, fitted, outputs, weights, past):
        """Stepwise M-step: error rates go on from those that other rows have taught.

        Parameters
        ----------
        fitted : Categorical
            Not changed.
        outputs : ndarray of shape (n_samples, n_experts, n_classes)
        weights : ndarray of shape (n_samples, n_experts)
        past : ndarray of shape (n_experts,)
            The weight of the other rows for each expert.

        Returns
        -------
        likelihood : Categorical
        """
        batch, _ = self.fit(outputs, weights)
        total = weights.sum(axis=0)
        part = np.divide(total, past + total, out=np.zeros_like(total), where=total > 0)
        step = batch.error_rate - fitted.error_rate
        return Categorical(fitted.error_rate + part * step)

    def emphasis(self, fitted, outputs):
        """Experts are fitted with the weights of EM as they are."""
        return 1.0

    def misfit(self, values, rows, weights):
        """Probability given to other classes than the one that came true."""
        chosen = values[np.arange(len(rows)), self.y[rows]]
        return 1 - np.average(chosen, weights=weights)
