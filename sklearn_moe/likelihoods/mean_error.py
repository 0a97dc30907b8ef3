"""Noise models that are fitted to the weighted mean of some error."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Self

import numpy as np

from sklearn_moe._statistics import Sums
from sklearn_moe.likelihoods.noise import Noise, Target


@dataclass(frozen=True)
class ErrorSums(Sums):
    """Statistic of a noise model that is fitted to the mean of some error.

    Attributes
    ----------
    errors : ndarray of shape (n_experts,) or (n_experts, n_outputs)
        Weighted sum of the errors.
    weight : ndarray of shape (n_experts,) or (n_experts, 1)
        Sum of the weights.
    """

    errors: np.ndarray
    weight: np.ndarray

    @classmethod
    def of(cls, errors, weights):
        """Return the weighted sums of errors of shape (n_samples, n_experts, ...)."""
        sums = np.einsum("nk,nk...->k...", weights, errors)
        return cls(sums, _of_each(weights.sum(axis=0), sums))

    @classmethod
    def known_by(cls, mean, weight):
        """Return the sums of rows with given weight (n_experts,) and mean errors."""
        weight = _of_each(weight, mean)
        return cls(mean * weight, weight)

    def pooled(self):
        """Return the sums over all experts, repeated for each expert."""
        errors = self.errors.sum(axis=0, keepdims=True)
        weight = self.weight.sum(axis=0, keepdims=True)
        return ErrorSums(
            np.broadcast_to(errors, self.errors.shape),
            np.broadcast_to(weight, self.weight.shape),
        )

    def mean(self, default):
        """Return the mean error of each expert and output.

        An expert without rows has the default.
        """
        mean = np.broadcast_to(default, self.errors.shape).astype(np.float64)
        return np.divide(self.errors, self.weight, out=mean, where=self.weight > 0)


def _of_each(weight, errors):
    """Reshape the weights of experts to broadcast against their errors."""
    return weight.reshape(-1, *[1] * (errors.ndim - 1))


class MeanErrorNoise(Noise):
    """Base of the noise models that are fitted to the weighted mean of some error.

    They only need sums over the rows, which can therefore be distributed, or arrive in
    batches. To define your own model, implement `errors`, `learn`, `mean_error` and
    `parameters`, and set `distribution`; it then works in `fit`, in `partial_fit` and
    with Dask collections.

    Read more in the :ref:`User Guide <guide_extending>`.

    See Also
    --------
    Noise : Base of all noise models, with further methods that can be overridden.
    sklearn_moe.LaplaceNoise : Implementation to use as a template.

    Examples
    --------
    Gaussian noise:

    >>> import numpy as np
    >>> from scipy import stats
    >>> from sklearn_moe import MixtureOfExpertsRegressor
    >>> from sklearn_moe.likelihoods import MeanErrorNoise
    >>> class SquaredErrorNoise(MeanErrorNoise):
    ...     distribution = stats.norm
    ...
    ...     def errors(self, target, location):
    ...         return (target.y[:, np.newaxis] - location) ** 2
    ...
    ...     def learn(self, target, mean):
    ...         self.scale_ = np.maximum(np.sqrt(mean), target.floor)
    ...         return self
    ...
    ...     def mean_error(self):
    ...         return self.scale_**2
    ...
    ...     def parameters(self, location, X):
    ...         return {"loc": location, "scale": self.scale_}
    >>> X = np.linspace(-3, 3, 200).reshape(-1, 1)
    >>> y = np.abs(X[:, 0]) + np.random.default_rng(0).normal(0, 0.3, 200)
    >>> moe = MixtureOfExpertsRegressor(
    ...     n_experts=2, noise=SquaredErrorNoise(), sharing=0, random_state=0
    ... )
    >>> moe.fit(X, y).noise_.scale_.round(1)
    array([0.3, 0.3])
    """

    @property
    def adds_up(self) -> bool:  # type: ignore[override]
        # A model that overrides `fit` must be fitted by its `fit`, to all rows.
        return type(self).fit is MeanErrorNoise.fit

    @abstractmethod
    def errors(self, target: Target, location: np.ndarray) -> np.ndarray:
        """Return the errors of predictions; they must not depend on fitted attributes.

        Parameters
        ----------
        target : Target
        location : ndarray of shape (n_samples, n_experts, ...)
            Predictions; there may be fewer experts than the mixture has.

        Returns
        -------
        errors : ndarray of the same shape
        """

    @abstractmethod
    def learn(self, target: Target, mean: np.ndarray) -> Self:
        """Set the fitted attributes, from mean errors.

        Parameters
        ----------
        target : Target
            It need not have rows (`X` and `y`): use only its moments and `floor`.
        mean : ndarray of shape (n_experts, ...)
            Weighted mean of the errors of each expert.

        Returns
        -------
        self : Noise
        """

    @abstractmethod
    def mean_error(self) -> np.ndarray:
        """Return the mean errors from which `learn` would set the same attributes.

        Returns
        -------
        mean : ndarray of shape (n_experts, ...)
        """

    def default_error(self, target: Target) -> float | np.ndarray:
        """Return the error of an expert that has never had a row.

        Parameters
        ----------
        target : Target

        Returns
        -------
        error : float or ndarray
        """
        return 1.0

    def mean_of(self, sums: ErrorSums, default: float | np.ndarray) -> np.ndarray:
        """Return the mean error of each expert, from its sums.

        Parameters
        ----------
        sums : ErrorSums
        default : float or ndarray
            The error of an expert without rows.

        Returns
        -------
        mean : ndarray of shape (n_experts, ...)
        """
        return sums.mean(default)

    def fit(self, target: Target, location: np.ndarray, weights: np.ndarray) -> Self:
        sums = self._summarize(target, location, weights)
        return self.learn(target, self.mean_of(sums, self.default_error(target)))

    def _summarize(self, target, location, weights):
        # One expert at a time, to save memory: the errors of all experts would be the
        # largest array of a fit.
        sums = [
            ErrorSums.of(self.errors(target, location[:, [k]]), weights[:, [k]])
            for k in range(location.shape[1])
        ]
        return ErrorSums(
            np.concatenate([of_expert.errors for of_expert in sums]),
            np.concatenate([of_expert.weight for of_expert in sums]),
        )

    def _solve(self, target, statistic):
        # An expert without rows keeps its parameters.
        fitted = self.fitted_parameters()
        default = self.mean_error() if fitted else self.default_error(target)
        return self.learn(target, self.mean_of(statistic, default))

    def _recall(self, weight):
        return ErrorSums.known_by(self.mean_error(), weight)
