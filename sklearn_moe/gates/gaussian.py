"""The gaussian gate: as an estimator of its own, and at work in EM."""

from copy import copy
from dataclasses import dataclass
from numbers import Real

import numpy as np
from scipy.linalg import eigh
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.utils.validation import check_is_fitted

from sklearn_moe import kernels
from sklearn_moe._atomic import all_or_nothing
from sklearn_moe._compat import (
    Interval,
    StrOptions,
    check_sample_weight,
    fit_context,
)
from sklearn_moe.gates._features import (
    fill_missing,
    gate_features,
    join_pipeline,
    mean_and_scale,
    split_pipeline,
)
from sklearn_moe.gates._targets import check_targets
from sklearn_moe.parameters import count_parameters


class GaussianGate(ClassifierMixin, BaseEstimator):
    r"""Gate that gives each class a gaussian region of the features.

    The weight of a class is its posterior under a mixture of gaussians [1]_,

    .. math::
        g_k(x) = \frac{\pi_k \, \mathcal{N}(x; \mu_k, \Sigma_k)}
        {\sum_j \pi_j \, \mathcal{N}(x; \mu_j, \Sigma_j)}.

    Given the targets, means and covariances have a closed form, so that no optimiser is
    needed. The regions are bounded: far from all training rows no class is trusted
    because of a slope. Fitted inside a mixture, EM climbs the joint likelihood of rows
    and targets.

    Parameters
    ----------
    covariance_type : {"diag", "full"}, default="diag"
        Whether the features are independent in each region.
    reg_covar : float, default=1e-3
        Smallest variance in any direction, on standardised features.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels; ``0, ..., n_classes - 1`` after a fit to soft targets.
    priors_ : ndarray of shape (n_classes,)
        Share of each class.
    means_ : ndarray of shape (n_classes, n_features)
        Centres, in the units of the input.
    covariances_ : ndarray of shape (n_classes, n_features[, n_features])
        Variances ("diag") or covariances ("full"), in the units of the input.
    encoder_ : ColumnTransformer or None
        Turns the columns of a frame that do not hold numbers into numbers; None where
        there were none.
    feature_mean_ : ndarray of shape (n_features,)
        Means of the training columns, which stand in for missing values.
    feature_scale_ : ndarray of shape (n_features,)
        Standard deviations of the training columns.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, where X has names.

    See Also
    --------
    SoftmaxGate : Gate of linear logits, the default.

    References
    ----------
    .. [1] L. Xu, M. I. Jordan and G. E. Hinton (1995). An alternative model for
       mixtures of experts. Advances in Neural Information Processing Systems 7,
       equations 8 to 11.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_moe import GaussianGate
    >>> X = np.array([[0.0], [1.0], [4.0], [5.0]])
    >>> gate = GaussianGate().fit(X, [0, 0, 1, 1])
    >>> gate.predict([[0.5], [4.5]])
    array([0, 1])
    >>> gate.means_
    array([[0.5],
           [4.5]])
    """

    _parameter_constraints: dict = {
        "covariance_type": [StrOptions({"diag", "full"})],
        "reg_covar": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(self, covariance_type="diag", *, reg_covar=1e-3):
        self.covariance_type = covariance_type
        self.reg_covar = reg_covar

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        """Fit the gate.

        Parameters
        ----------
        X : {array-like, frame} of shape (n_samples, n_features)
            NaN counts as the mean of its column. The columns of a frame that do not
            hold numbers are one-hot encoded.
        y : array-like of shape (n_samples,) or (n_samples, n_classes)
            Labels, or soft targets: non-negative rows that sum to one.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows; None means equal weights.

        Returns
        -------
        self : GaussianGate

        Raises
        ------
        ValueError
            If there is one class only, or if soft targets are negative or do not sum to
            one.
        """
        with all_or_nothing(self):
            y_given = None if y is None else "no_validation"
            X = gate_features(self, X, y_given, reset=True, accept_sparse=False)
            classes, targets = check_targets(self, y, X.shape[0])
            sample_weight = check_sample_weight(
                sample_weight, X, dtype=np.float64, ensure_non_negative=True
            )
            design = self._standardise(X, sample_weight)
            weights = targets * sample_weight[:, np.newaxis]
            self.classes_ = classes
            return self._set_regions(
                fit_regions(design, weights, self.covariance_type, self.reg_covar)
            )

    def predict_log_proba(self, X):
        """Logarithm of the weights of the classes.

        Parameters
        ----------
        X : {array-like, frame} of shape (n_samples, n_features)

        Returns
        -------
        log_weights : ndarray of shape (n_samples, n_classes)
        """
        check_is_fitted(self)
        X = gate_features(self, X, reset=False, accept_sparse=False)
        joint = self._regions().log_joint(self._standardised(X))
        log_weights = kernels.log_softmax(joint).astype(X.dtype, copy=False)
        # A weight that rounds to one has the logarithm of one.
        return np.where(np.exp(log_weights) == 1, 0, log_weights)

    def predict_proba(self, X):
        """Weights of the classes.

        Parameters
        ----------
        X : {array-like, frame} of shape (n_samples, n_features)

        Returns
        -------
        weights : ndarray of shape (n_samples, n_classes)
            Rows sum to one.
        """
        return np.exp(self.predict_log_proba(X))

    def predict(self, X):
        """Class with the largest weight.

        Parameters
        ----------
        X : {array-like, frame} of shape (n_samples, n_features)

        Returns
        -------
        labels : ndarray of shape (n_samples,)
        """
        chosen = self.predict_log_proba(X).argmax(axis=1)
        return self.classes_[chosen]

    def _n_parameters_of_class(self):
        """Of its logit: the weights are ratios, of linear and quadratic terms."""
        n_features = self.means_.shape[1]
        full = self.covariance_type == "full"
        n_squares = n_features * (n_features + 1) // 2 if full else n_features
        return 1 + n_features + n_squares

    def _standardise(self, X, sample_weight):
        """Learn mean and spread of the features; return the standardised ones."""
        self.feature_mean_, self.feature_scale_ = mean_and_scale(X, sample_weight)
        return self._standardised(X)

    def _standardised(self, X):
        filled = fill_missing(X, self.feature_mean_).astype(np.float64, copy=False)
        return (filled - self.feature_mean_) / self.feature_scale_

    def _set_regions(self, regions):
        scale = self.feature_scale_
        squares = scale**2 if self.covariance_type == "diag" else np.outer(scale, scale)
        self.priors_ = regions.priors
        self.means_ = self.feature_mean_ + regions.means * scale
        self.covariances_ = regions.covariances * squares
        return self

    def _regions(self):
        """The regions on standardised features."""
        scale = self.feature_scale_
        squares = scale**2 if self.covariance_type == "diag" else np.outer(scale, scale)
        means = (self.means_ - self.feature_mean_) / scale
        return Regions(self.priors_, means, self.covariances_ / squares)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


@count_parameters.register
def _count_gate(gate: GaussianGate):
    check_is_fitted(gate)
    return (len(gate.classes_) - 1) * gate._n_parameters_of_class()


@dataclass(frozen=True)
class Regions:
    """A mixture of gaussians on standardised features.

    Attributes
    ----------
    priors : ndarray of shape (n_classes,)
    means : ndarray of shape (n_classes, n_features)
    covariances : ndarray of shape (n_classes, n_features[, n_features])
    """

    priors: np.ndarray
    means: np.ndarray
    covariances: np.ndarray

    def log_joint(self, design):
        """Log density of each row and class, shape (n_samples, n_classes)."""
        columns = []
        for prior, mean, covariance in zip(self.priors, self.means, self.covariances):
            centred = design - mean
            if covariance.ndim == 1:
                variances, axes = covariance, centred
            else:
                variances, vectors = eigh(covariance)
                axes = centred @ vectors
            with np.errstate(divide="ignore"):
                log_prior = np.log(prior)
            columns.append(
                log_prior
                - 0.5 * np.sum(axes**2 / variances, axis=1)
                - 0.5 * np.log(2 * np.pi * variances).sum()
            )
        return np.column_stack(columns)


def fit_regions(
    design, weights, covariance_type, smallest_variance, before=None, past=0.0
):
    """Weighted maximum likelihood under the smallest variance allowed.

    Clipping the eigenvalues of the empirical covariance is the exact solution, so that
    EM stays monotone.

    Parameters
    ----------
    design : ndarray of shape (n_samples, n_features)
        Standardised.
    weights : ndarray of shape (n_samples, n_classes)
    covariance_type : {"diag", "full"}
    smallest_variance : float
    before : Regions, default=None
        Of other rows, which take part.
    past : float, default=0
        The weight of these.

    Returns
    -------
    regions : Regions
    """
    total = weights.sum(axis=0)
    means = np.zeros((weights.shape[1], design.shape[1]))
    # A class without rows has the region of all rows, and no weight.
    covariances = [np.ones(design.shape[1])] * len(total)
    if covariance_type == "full":
        covariances = [np.eye(design.shape[1])] * len(total)
    if before is not None:
        means, covariances = before.means.copy(), [*before.covariances]
        of_past = past * before.priors
    for k in np.flatnonzero(total > 0):
        shares = weights[:, k] / total[k]
        mean = shares @ design
        centred = design - mean
        if covariance_type == "diag":
            covariance = shares @ centred**2
        else:
            covariance = (centred.T * shares) @ centred
        if before is not None:
            part = total[k] / (of_past[k] + total[k])
            distance = mean - means[k]
            square = np.outer(distance, distance)
            square = np.diag(square) if covariance_type == "diag" else square
            covariance = part * (covariance + (1 - part) * square)
            covariance += (1 - part) * covariances[k]
            mean = means[k] + part * distance
        means[k] = mean
        if covariance_type == "diag":
            covariances[k] = np.maximum(covariance, smallest_variance)
        else:
            variances, vectors = eigh(covariance)
            variances = np.maximum(variances, smallest_variance)
            covariances[k] = (vectors * variances) @ vectors.T
    if before is not None:
        total = of_past + total
    return Regions(total / total.sum(), means, np.array(covariances))


class GaussianGating:
    """A gaussian gate at work in EM: on one training set, for ever new targets.

    EM climbs the joint density of row and target: the log density of the rows under the
    regions is the gate's part of the objective.

    Parameters
    ----------
    gate : GaussianGate or Pipeline
        Not fitted, and not changed; a pipeline ends in a `GaussianGate`.
    X : array-like or frame
        Training rows.
    sample_weight : ndarray of shape (n_samples,)

    Attributes
    ----------
    features : ndarray of shape (n_samples, n_gate_features)
        What the gate sees, standardised and without missing values.
    """

    def __init__(self, gate, X, sample_weight):
        self._gate = clone(gate)
        self._head, self._gaussian, X = split_pipeline(self._gate, X)
        self._gaussian._validate_params()
        X = gate_features(self._gaussian, X, reset=True, accept_sparse=False)
        self.features = self._gaussian._standardise(X, sample_weight)
        self._sample_weight = sample_weight

    def parameters_of(self, fitted_gate):
        """Nothing: an M-step has a closed form, so that it starts from nowhere."""
        return

    def fit(self, responsibilities, previous):
        """M-step of the gate, in closed form.

        Parameters
        ----------
        responsibilities : ndarray of shape (n_samples, n_experts)
        previous : object
            Not used.

        Returns
        -------
        fitted : tuple of Regions and float
            The regions, and the mean log density of the rows.
        log_weights : ndarray of shape (n_samples, n_experts)
            On the training rows.
        """
        weights = responsibilities * self._sample_weight[:, np.newaxis]
        regions = fit_regions(
            self.features,
            weights,
            self._gaussian.covariance_type,
            self._gaussian.reg_covar,
        )
        joint = regions.log_joint(self.features)
        log_weights = kernels.log_softmax(joint)
        # The same for every class, but for one without rows.
        largest = regions.priors.argmax()
        log_density = joint[:, largest] - log_weights[:, largest]
        mean = np.average(log_density, weights=self._sample_weight)
        return (regions, mean), log_weights

    def penalty(self, fitted):
        """The gate's part of the objective, per unit of sample weight."""
        _, mean_log_density = fitted
        return -mean_log_density

    def estimator(self, fitted, order):
        """The fitted gate, or pipeline, of these regions, for experts in this order."""
        regions, _ = fitted
        gaussian = copy(self._gaussian)
        gaussian.classes_ = np.arange(len(order))
        gaussian._set_regions(
            Regions(
                regions.priors[order], regions.means[order], regions.covariances[order]
            )
        )
        return join_pipeline(self._gate, self._head, gaussian)
