"""What a gate remembers of the rows that a stream has brought before."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sklearn_moe._persistence import saved_as_dict
from sklearn_moe._statistics import Moments


@saved_as_dict
@dataclass(frozen=True)
class Memory:
    """What a gate knows of the rows before, beside its parameters.

    ``kept * memory`` is the memory of the same rows, each of which counts `kept` times.

    Attributes
    ----------
    weight : float
        Weight of the rows.
    moments : Moments
        Moments of the columns that the gate sees.
    surrogate : Surrogate or None
        It stands for the mean cross-entropy of the rows, for a softmax gate.
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
    """A quadratic function of a softmax gate's parameters, for the rows before.

    It stands for their mean cross-entropy as the working responses of iteratively
    reweighted least squares do: their sums are statistics that fade like any others.

    Attributes
    ----------
    curvature : ndarray of shape (n_parameters, n_parameters)
    slope : ndarray of shape (n_classes, n_features + 1)
        The function is ``0.5 * p @ curvature @ p - slope.ravel() @ p`` of the
        parameters p on standardised features, the intercept of each class last.
    standards : Standards
        What standardises the features.
    """

    curvature: np.ndarray
    slope: np.ndarray
    standards: Any

    @classmethod
    def about(cls, parameters, gradient, curvature, standards):
        """The function of this gradient and curvature at some parameters."""
        product = (curvature @ parameters.ravel()).reshape(parameters.shape)
        return cls(curvature, product - gradient, standards)

    def gradient(self, parameters):
        """Derivative of the function, in the shape of the parameters."""
        product = self.curvature @ parameters.ravel()
        return product.reshape(parameters.shape) - self.slope

    def value(self, parameters):
        """Value of the function."""
        return 0.5 * np.vdot(parameters, self.gradient(parameters) - self.slope)

    def moved(self, standards):
        """The same function of the parameters on features standardised anew.

        The design changes to ``design @ change.T``, so that curvature, a sum of outer
        products of its rows, and slope, a sum of its rows, follow.
        """
        scale, before = standards.scale, self.standards
        change = np.diag(np.append(before.scale / scale, 1.0))
        change[:-1, -1] = (before.shift - standards.shift) / scale
        n_classes, n_columns = self.slope.shape
        blocks = self.curvature.reshape(n_classes, n_columns, n_classes, n_columns)
        blocks = np.einsum("aj,kjlm,bm->kalb", change, blocks, change, optimize=True)
        curvature = blocks.reshape(self.curvature.shape)
        return Surrogate(curvature, self.slope @ change.T, standards)
