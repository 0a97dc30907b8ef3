"""Gaussian regions of the features, and the class moments that determine them."""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh

from sklearn_moe import kernels

# Lower limit of the variances of standardised features, even if `reg_covar` is smaller:
# variances below it would consist of rounding errors.
LEAST_VARIANCE = 1e-10

# Rows farther from the mean than this, in standard deviations, are moved to this
# distance in the same direction, so that squares stay finite.
FARTHEST = 1e100


def shrink_far_rows(design):
    """Limit the distance of standardised rows from the centre; may overwrite them."""
    if np.abs(design).max(initial=0) <= FARTHEST:
        return design
    # The standardisation may have overflowed.
    design = np.nan_to_num(design, copy=False)
    distance = np.abs(design).max(axis=1, keepdims=True)
    design *= FARTHEST / np.maximum(distance, FARTHEST)
    return design


@dataclass(frozen=True)
class Regions:
    """Mixture of gaussians on standardised features, one for each class.

    Attributes
    ----------
    priors : ndarray of shape (n_classes,)
    means : ndarray of shape (n_classes, n_features)
    covariances : ndarray of shape (n_classes, n_features[, n_features])
        Variances, or covariances.
    """

    priors: np.ndarray
    means: np.ndarray
    covariances: np.ndarray

    def take(self, order):
        """Return the regions with the classes in another order."""
        return Regions(self.priors[order], self.means[order], self.covariances[order])

    def class_moments(self, weight):
        """Return the moments of rows of a given weight whose regions are these."""
        return ClassMoments(weight * self.priors, self.means, self.covariances)

    def log_joint(self, design):
        """Return the joint log density of rows and classes (n_samples, n_classes)."""
        columns = []
        for prior, mean, covariance in zip(self.priors, self.means, self.covariances):
            centred = design - mean
            if covariance.ndim == 1:
                variances, axes = np.maximum(covariance, LEAST_VARIANCE), centred
            else:
                variances, vectors = eigh(covariance)
                variances = np.maximum(variances, LEAST_VARIANCE)
                axes = centred @ vectors
            with np.errstate(divide="ignore"):
                log_prior = np.log(prior)
            columns.append(
                log_prior
                - 0.5 * np.sum(axes**2 / variances, axis=1)
                - 0.5 * np.log(2 * np.pi * variances).sum()
            )
        return np.column_stack(columns)


@dataclass(frozen=True)
class ClassMoments:
    """Weight, mean and covariance of the rows of each class.

    ``a + b`` are the moments of the union of the rows.

    Attributes
    ----------
    weights : ndarray of shape (n_classes,)
    means : ndarray of shape (n_classes, n_features)
    covariances : ndarray of shape (n_classes, n_features[, n_features])
        Variances, or covariances. A class without rows has those of all rows.
    """

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray

    @classmethod
    def of_block(cls, block, design, targets, covariance_type):
        """Return the moments of the standardised rows of a block, `design`."""
        weights = targets * block.sample_weight[:, np.newaxis]
        n_classes, n_features = weights.shape[1], design.shape[1]
        total = weights.sum(axis=0)
        means = np.zeros((n_classes, n_features))
        diagonal = covariance_type == "diag"
        covariance = np.ones(n_features) if diagonal else np.eye(n_features)
        covariances = np.array([covariance] * n_classes)
        for k in np.flatnonzero(total > 0):
            fractions = weights[:, k] / total[k]
            means[k] = fractions @ design
            centred = design - means[k]
            if diagonal:
                covariances[k] = fractions @ centred**2
            else:
                covariances[k] = (centred.T * fractions) @ centred
        return cls(total, means, covariances)

    def __add__(self, other):
        weights = self.weights + other.weights
        fraction = other.weights / np.where(weights > 0, weights, 1)
        distance = other.means - self.means
        if self.covariances.ndim == 2:
            square = distance**2
        else:
            square = distance[:, :, np.newaxis] * distance[:, np.newaxis]
        of_class = fraction.reshape(-1, *[1] * (square.ndim - 1))
        within = (1 - of_class) * self.covariances + of_class * other.covariances
        between = of_class * (1 - of_class) * square
        means = self.means + fraction[:, np.newaxis] * distance
        return ClassMoments(weights, means, within + between)

    def regions(self, smallest_variance):
        """Maximise the likelihood with a lower limit of the variance in any direction.

        Clipping the eigenvalues of the empirical covariance is the exact solution, so
        that EM remains monotone. A class without rows has the region of all rows and
        the prior zero.
        """
        smallest_variance = max(smallest_variance, LEAST_VARIANCE)
        covariances = self.covariances.copy()
        for k in np.flatnonzero(self.weights > 0):
            if covariances.ndim == 2:
                covariances[k] = np.maximum(covariances[k], smallest_variance)
            else:
                variances, vectors = eigh(covariances[k])
                variances = np.maximum(variances, smallest_variance)
                covariances[k] = (vectors * variances) @ vectors.T
        return Regions(self.weights / self.weights.sum(), self.means, covariances)


# Functions of each block of rows


def log_joint_of(block, design, regions):
    """Return the joint log density of a block, of shape (n_samples, n_classes)."""
    return regions.log_joint(design)


def log_weights_of(block, log_joint):
    """Return the gate's log weights on a block, of shape (n_samples, n_classes)."""
    return kernels.log_softmax(log_joint)


def log_density_of(block, log_joint, log_weights, k):
    """Sum the weighted log densities of a block's rows, computed from class k."""
    log_density = log_joint[:, k] - log_weights[:, k]
    return np.multiply(log_density, block.sample_weight).sum()
