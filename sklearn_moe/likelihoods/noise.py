"""The base class of all noise models, and the targets that they are fitted to."""

from abc import ABCMeta, abstractmethod
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.linear_model import Ridge

from sklearn_moe._documentation import Documented
from sklearn_moe._sklearn import own_params

# Smallest noise scale, relative to the spread of the target. Without this floor, an
# expert that fits a few rows exactly would have an infinite likelihood (Day, 1969).
RELATIVE_SCALE_FLOOR = 1e-2


@dataclass(frozen=True)
class Target:
    """Training targets and their moments, as passed to a noise model.

    Read more in the :ref:`User Guide <guide_extending>`.

    Attributes
    ----------
    X : array-like or frame of shape (n_samples, n_features), or None
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs), or None
    mean, spread : ndarray of shape () or (n_outputs,)
        Weighted mean and standard deviation of all targets; `y` may be a part of them.
    floor : ndarray of shape () or (n_outputs,)
        Smallest scale of noise.
    exposure : ndarray of shape (n_samples,) or None
        Exposure of counts, whose mean is the exposure times the location. `mean` and
        `spread` are those of the rates then.

    See Also
    --------
    Noise : Base of the noise models, which are fitted to a `Target`.
    """

    X: Any
    y: np.ndarray
    mean: np.ndarray
    spread: np.ndarray
    floor: np.ndarray
    exposure: Any = None

    @classmethod
    def of(cls, moments: Any, X: Any = None, y: Any = None) -> Self:
        """Return a `Target` for some rows, given the moments of all targets.

        Parameters
        ----------
        moments : Moments
            Moments of all targets.
        X : array-like or frame of shape (n_samples, n_features), default=None
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs), default=None

        Returns
        -------
        target : Target
        """
        mean, spread = moments.mean, moments.spread
        eps, size = np.finfo(np.float64).eps, np.maximum(np.abs(mean), 1e-100)
        # A target that is constant up to rounding needs a positive floor as well, in
        # proportion to its size.
        floor = np.where(
            spread <= 100 * eps * size,
            np.sqrt(eps) * size,
            RELATIVE_SCALE_FLOOR * spread,
        )
        return cls(X, y, mean, spread, floor)


class Noise(Documented, BaseEstimator, metaclass=ABCMeta):
    """Base of the noise models: the density of the target around a prediction.

    The constructor parameters are set by the user. `fit` sets attributes that end in an
    underscore, with one value for each expert and output. To define your own model,
    implement `fit` and `parameters`, and set `distribution`.

    Read more in the :ref:`User Guide <guide_extending>`.

    See Also
    --------
    sklearn_moe.GaussianNoise : The default.
    sklearn_moe.LaplaceNoise : Implementation to use as a template, with
        `working_weights`.

    Examples
    --------
    Gaussian noise of one scale for all experts:

    >>> import numpy as np
    >>> from scipy import stats
    >>> from sklearn_moe import MixtureOfExpertsRegressor
    >>> from sklearn_moe.likelihoods import Noise
    >>> class CommonNoise(Noise):
    ...     distribution = stats.norm
    ...
    ...     def fit(self, target, location, weights):
    ...         squares = (target.y[:, np.newaxis] - location) ** 2
    ...         variance = np.average(squares, weights=weights)
    ...         scale = max(np.sqrt(variance), target.floor)
    ...         self.scale_ = np.full(location.shape[1], scale)
    ...         return self
    ...
    ...     def parameters(self, location, X):
    ...         return {"loc": location, "scale": self.scale_}
    ...
    ...     def n_parameters(self):
    ...         return 1
    >>> X = np.linspace(-3, 3, 200).reshape(-1, 1)
    >>> y = np.abs(X[:, 0]) + np.random.default_rng(0).normal(0, 0.3, 200)
    >>> moe = MixtureOfExpertsRegressor(
    ...     n_experts=2, noise=CommonNoise(), sharing=0, random_state=0
    ... )
    >>> moe.fit(X, y).noise_.scale_.round(1)
    array([0.3, 0.3])
    """

    # The distribution, from scipy.stats.
    distribution: Any

    # For error messages: the targets that the model allows, and what to do with others.
    targets = "numbers"
    remedy = "Choose another 'noise', or transform y."

    # Whether targets may be counts with an exposure. The model then has a method `at`.
    takes_exposure = False

    # Whether the model is fitted to sums over the rows, which may then be distributed.
    # It then has the methods `_summarize`, `_solve` and `_recall`, which
    # `NoiseLikelihood` calls.
    adds_up = False

    @abstractmethod
    def fit(self, target: Target, location: np.ndarray, weights: np.ndarray) -> Self:
        """Fit the parameters of the noise: the M-step of EM.

        Parameters
        ----------
        target : Target
        location : ndarray of shape (n_samples, n_experts) or \
                (n_samples, n_experts, n_outputs)
            Predictions of the experts.
        weights : ndarray of shape (n_samples, n_experts)

        Returns
        -------
        self : Noise
        """

    @abstractmethod
    def parameters(self, location: np.ndarray, X: Any) -> dict[str, np.ndarray]:
        """Return the parameters of the distribution of each target, by SciPy's names.

        Parameters
        ----------
        location : ndarray of shape (n_samples, n_experts, ...)
        X : array-like or frame of shape (n_samples, n_features)

        Returns
        -------
        parameters : dict of ndarray
            Each broadcasts against `location`.
        """

    def check_stream(self) -> None:
        """Raise an error if the model cannot be updated from batch to batch.

        Raises
        ------
        ValueError
        """
        if not self.adds_up:
            raise ValueError(
                f"{type(self).__name__} cannot be learnt from batches: its parameters "
                "do not follow from sums over the rows. Set 'noise' to one of "
                "'gaussian', 'laplace', 'poisson', 'gamma', 'lognormal' and "
                "StudentTNoise(df=...)."
            )

    def of_experts(self, experts: list) -> Self:
        """Return the same noise, adapted to the experts that it is used with.

        Parameters
        ----------
        experts : list of estimators
            The unfitted experts, as set by the user. Experts that are clones of one
            estimator are the same object in this list.

        Returns
        -------
        noise : Noise
        """
        return self

    def log_prob(self, y: np.ndarray, location: np.ndarray, X: Any) -> np.ndarray:
        """Return the log density of each target under each expert.

        Parameters
        ----------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        location : ndarray of shape (n_samples, n_experts, ...)
        X : array-like or frame of shape (n_samples, n_features)

        Returns
        -------
        log_prob : ndarray of shape (n_samples, n_experts)
            Log densities are summed over outputs, which are independent given the row
            and the expert.
        """
        family = self.distribution
        # Call the methods directly: it takes longer to freeze a distribution.
        log_density = family.logpmf if self.discrete else family.logpdf
        log_prob = log_density(y[:, np.newaxis], **self.parameters(location, X))
        dtype = np.result_type(y, location)
        return over_outputs(log_prob).astype(dtype, copy=False)

    def predictive(self, location: np.ndarray) -> np.ndarray:
        """Return the mean of the target under each expert.

        Parameters
        ----------
        location : ndarray of shape (n_samples, n_experts, ...)

        Returns
        -------
        mean : ndarray of the same shape
            The location, by default.
        """
        return location

    @property
    def has_working_weights(self) -> bool:
        """Whether `working_weights` are other than 1."""
        return type(self).working_weights is not Noise.working_weights

    def working_weights(
        self, y: np.ndarray, location: np.ndarray
    ) -> float | np.ndarray:
        """Return the factor on the weight of each row in the experts' next fit.

        Parameters
        ----------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        location : ndarray of shape (n_samples, n_experts, ...)

        Returns
        -------
        factor : float or ndarray of shape (n_samples, n_experts)
            1, unless the loss of the experts differs from the likelihood: for example,
            squared errors give outliers more influence than heavy-tailed noise.
        """
        return 1.0

    def take(self, order: np.ndarray) -> Self:
        """Return the noise with the experts in another order.

        Parameters
        ----------
        order : ndarray of shape (n_experts,)

        Returns
        -------
        noise : Noise
        """
        # `clone` would take longer than the prediction of a row.
        taken = type(self)(**own_params(self))
        for name, value in self.fitted_parameters().items():
            setattr(taken, name, value[order])
        return taken

    def fitted_parameters(self) -> dict[str, np.ndarray]:
        """Return the fitted attributes, by name.

        Returns
        -------
        parameters : dict of ndarray of shape (n_experts, ...)
        """
        return {name: value for name, value in vars(self).items() if name[-1] == "_"}

    def n_parameters(self) -> int:
        """Return the number of free parameters of all experts and outputs.

        Returns
        -------
        n_parameters : int
            `floor_` is not counted, since it is not fitted to the errors.
        """
        learnt = self.fitted_parameters()
        return sum(np.size(learnt[name]) for name in learnt if name != "floor_")

    def default_expert(self) -> Any:
        """Return the regressor that maximises this likelihood, for ``experts=None``.

        Returns
        -------
        expert : regressor
        """
        # On sparse rows Ridge uses an iterative solver: a small tolerance makes its
        # M-step exact enough for EM.
        return Ridge(tol=1e-8)

    @property
    def discrete(self) -> bool:
        """Whether targets are counts."""
        return not hasattr(self.distribution, "pdf")

    def possible(self, y: np.ndarray) -> np.ndarray:
        """Return a mask of the targets that are possible under the model.

        Parameters
        ----------
        y : ndarray

        Returns
        -------
        possible : ndarray of bool of the same shape
        """
        return np.ones(y.shape, dtype=bool)

    def check_target(self, y: np.ndarray) -> None:
        """Raise an error if a target is impossible under the model.

        Parameters
        ----------
        y : ndarray

        Raises
        ------
        ValueError
            If a target is impossible; the message names the first one.
        """
        impossible = np.argwhere(~self.possible(y))
        if len(impossible):
            row, *output = impossible[0]
            where = f"column {output[0]} of y" if output else "y"
            raise ValueError(
                f"{type(self).__name__} models {self.targets}, but {where} has "
                f"{y[row, *output].item()!r}. {self.remedy}"
            )


def over_outputs(log_prob):
    """Sum a log density over the outputs, if there are several."""
    return log_prob if log_prob.ndim == 2 else log_prob.sum(axis=2)
