"""What an expert's prediction says about the target: p_k(y | x).

Each likelihood is fitted to the experts' outputs on the training rows and returns
two things: a small immutable object that can score new rows, and the log density of
every training target under every expert.
"""

from dataclasses import dataclass

import numpy as np

# Smallest noise scale, relative to the spread of the target. Without a floor an expert
# that meets a handful of rows exactly has an infinite likelihood (Day, 1969).
RELATIVE_SCALE_FLOOR = 1e-2


@dataclass(frozen=True)
class GaussianNoise:
    """Gaussian noise around the prediction of each expert.

    Attributes
    ----------
    scale : ndarray of shape (n_experts,)
        Standard deviation, in the units of the target.
    """

    scale: np.ndarray

    def log_prob(self, y, outputs):
        """Log density of each target under each expert.

        Parameters
        ----------
        y : ndarray of shape (n_samples,)
        outputs : ndarray of shape (n_samples, n_experts)
            Predictions of the experts.

        Returns
        -------
        log_prob : ndarray of shape (n_samples, n_experts)
        """
        standardised = (y[:, np.newaxis] - outputs) / self.scale
        return -0.5 * (standardised**2 + np.log(2 * np.pi)) - np.log(self.scale)


class GaussianLikelihood:
    """Maximum-likelihood scale of gaussian noise, one for each expert.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
        Training targets.
    sample_weight : ndarray of shape (n_samples,)
    """

    def __init__(self, y, sample_weight):
        self.y = y
        mean = np.average(y, weights=sample_weight)
        self.spread = np.sqrt(np.average((y - mean) ** 2, weights=sample_weight))
        self.floor = RELATIVE_SCALE_FLOOR * self.spread
        eps, size = np.finfo(np.float64).eps, max(np.abs(mean), 1e-100)
        if self.spread <= 100 * eps * size:
            # A target that is constant but for rounding still needs a positive scale
            # of a sensible unit.
            self.floor = np.sqrt(eps) * size

    def fit(self, outputs, weights):
        """Fit the scales.

        Parameters
        ----------
        outputs : ndarray of shape (n_samples, n_experts)
            Predictions of the experts.
        weights : ndarray of shape (n_samples, n_experts)
            The weights with which the experts were fitted.

        Returns
        -------
        noise : GaussianNoise
        log_prob : ndarray of shape (n_samples, n_experts)
        """
        residuals = self.y[:, np.newaxis] - outputs
        total = weights.sum(axis=0)
        # An expert without rows knows nothing better than the spread of y.
        variance = np.full(len(total), self.spread**2)
        squares = np.sum(weights * residuals**2, axis=0)
        np.divide(squares, total, out=variance, where=total > 0)
        noise = GaussianNoise(np.maximum(np.sqrt(variance), self.floor))
        return noise, noise.log_prob(self.y, outputs)


@dataclass(frozen=True)
class Categorical:
    """The probability that a classifier gives to the class that came true."""

    def log_prob(self, y, outputs):
        """Log probability of each target under each expert.

        Parameters
        ----------
        y : ndarray of shape (n_samples,)
            Classes, encoded as integers 0, ..., n_classes - 1.
        outputs : ndarray of shape (n_samples, n_experts, n_classes)
            Class probabilities of the experts.

        Returns
        -------
        log_prob : ndarray of shape (n_samples, n_experts)
        """
        chosen = np.take_along_axis(outputs, y[:, np.newaxis, np.newaxis], axis=2)
        # One confident mistake must not have an infinite say.
        return np.log(np.clip(chosen[:, :, 0], np.finfo(np.float64).eps, None))


class CategoricalLikelihood:
    """Likelihood of classes; it has no parameters of its own.

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
        weights : ndarray of shape (n_samples, n_experts)
            Not used: there is nothing to estimate.

        Returns
        -------
        likelihood : Categorical
        log_prob : ndarray of shape (n_samples, n_experts)
        """
        likelihood = Categorical()
        return likelihood, likelihood.log_prob(self.y, outputs)
