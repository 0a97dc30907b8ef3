"""Summary of the previous rows of a stream, which a gate keeps for its next fit."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sklearn_moe._persistence import saved_as_dict
from sklearn_moe._statistics import Moments


@saved_as_dict
@dataclass(frozen=True)
class Memory:
    """Summary of the previous rows that a gate keeps beside its parameters.

    ``kept * memory`` summarises the same rows with their weights multiplied by `kept`.

    Attributes
    ----------
    weight : float
        Weight of the rows.
    moments : Moments
        Moments of the columns that the gate sees.
    surrogate : Surrogate or None
        Quadratic approximation of the rows' mean cross-entropy, for a softmax gate.
    information : ndarray of shape (n_experts, n_experts) or None
        Mean covariance of the labels, for a softmax gate that learns its penalty.
    """

    weight: float
    moments: Moments
    surrogate: Any = None
    information: Any = None

    def __rmul__(self, factor):
        return replace(self, weight=factor * self.weight, moments=factor * self.moments)


@saved_as_dict
@dataclass(frozen=True)
class Surrogate:
    """Quadratic approximation of the mean cross-entropy of previous rows.

    It is a function of a softmax gate's parameters, and corresponds to the working
    responses of iteratively reweighted least squares. Its coefficients are sums over
    the rows, so that they can be discounted like any sufficient statistic.

    Attributes
    ----------
    curvature : ndarray of shape (n_parameters, n_parameters)
    slope : ndarray of shape (n_classes, n_features + 1)
        The function is ``0.5 * p @ curvature @ p - slope.ravel() @ p`` of the
        parameters p on standardised features, the intercept of each class last.
    standards : Standards
        Standardisation of the features.
    """

    curvature: np.ndarray
    slope: np.ndarray
    standards: Any

    @classmethod
    def about(cls, parameters, gradient, curvature, standards):
        """Return the function with given gradient and curvature at some parameters."""
        product = (curvature @ parameters.ravel()).reshape(parameters.shape)
        return cls(curvature, product - gradient, standards)

    def gradient(self, parameters):
        """Return the gradient of the function, in the shape of the parameters."""
        product = self.curvature @ parameters.ravel()
        return product.reshape(parameters.shape) - self.slope

    def value(self, parameters):
        """Return the value of the function."""
        return 0.5 * np.vdot(parameters, self.gradient(parameters) - self.slope)

    def moved(self, standards):
        """Return the same function of the parameters on other standardised features.

        The design becomes ``design @ change.T``. The curvature, a sum of outer products
        of the rows of the design, and the slope, a sum of these rows, are transformed
        accordingly.
        """
        scale, before = standards.scale, self.standards
        change = np.diag(np.append(before.scale / scale, 1.0))
        change[:-1, -1] = (before.shift - standards.shift) / scale
        n_classes, n_columns = self.slope.shape
        blocks = self.curvature.reshape(n_classes, n_columns, n_classes, n_columns)
        blocks = np.einsum("aj,kjlm,bm->kalb", change, blocks, change, optimize=True)
        curvature = blocks.reshape(self.curvature.shape)
        return Surrogate(curvature, self.slope @ change.T, standards)
