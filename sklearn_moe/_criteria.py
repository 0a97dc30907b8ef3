"""Information criteria of a fitted mixture."""

from __future__ import annotations

from math import log
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import check_is_fitted

from sklearn_moe import gates
from sklearn_moe._estimators import error_note
from sklearn_moe._parameters import count_parameters
from sklearn_moe._subjects import check_subjects
from sklearn_moe.experts import has_density


class InformationCriteriaMixin:
    """Methods of a mixture that weigh its likelihood against its parameters."""

    def n_parameters(self) -> int:
        """Return the number of free parameters of the mixture.

        They include those of the gate, of the experts and of their noise; an expert
        that was retired has none. See :func:`~sklearn_moe.count_parameters` for how
        they are counted, and for how to register other types of estimators.

        Returns
        -------
        n_parameters : int

        Raises
        ------
        TypeError
            If it is not known how to count the parameters of a part.
        """
        check_is_fitted(self)
        return count_mixture(self._fitted())

    def aic(
        self,
        X: Any,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        subjects: ArrayLike | None = None,
        exposure: ArrayLike | None = None,
    ) -> float:
        r"""Return Akaike's information criterion; less is better.

        .. math::
            -2 \sum_i w_i \log p(y_i | x_i) + 2 p

        with `p` parameters. It assumes maximum likelihood. If the fit is penalised
        (`sharing`, the gate's `alpha`, ridge experts), it is an approximation that
        counts all parameters as free ones. It evaluates the final experts on the given
        rows, whatever `cv` is.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
            The rows of the fit.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Their targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, as in `fit`.
        subjects : array-like of shape (n_samples,), default=None
            Labels of the subjects of the rows, as in `fit`.
        exposure : array-like of shape (n_samples,), default=None
            Exposure of counts, as in `fit`.

        Returns
        -------
        aic : float

        Raises
        ------
        TypeError
            If it is not known how to count the parameters of a part.
        """
        loss, _ = self._deviance(X, y, sample_weight, subjects, exposure)
        return loss + 2 * self.n_parameters()

    def bic(
        self,
        X: Any,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        subjects: ArrayLike | None = None,
        exposure: ArrayLike | None = None,
    ) -> float:
        r"""Return the Bayesian information criterion; less is better.

        .. math::
            -2 \sum_i w_i \log p(y_i | x_i) + p \log n

        with `p` parameters and `n` rows, the sum of their weights. The assumptions are
        those of `aic`.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
            The rows of the fit.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Their targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, as in `fit`.
        subjects : array-like of shape (n_samples,), default=None
            Labels of the subjects of the rows, as in `fit`.
        exposure : array-like of shape (n_samples,), default=None
            Exposure of counts, as in `fit`.

        Returns
        -------
        bic : float

        Raises
        ------
        TypeError
            If it is not known how to count the parameters of a part.
        """
        loss, n_rows = self._deviance(X, y, sample_weight, subjects, exposure)
        return loss + log(n_rows) * self.n_parameters()

    def icl(
        self,
        X: Any,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        subjects: ArrayLike | None = None,
        exposure: ArrayLike | None = None,
    ) -> float:
        r"""Return the integrated completed likelihood criterion; less is better.

        .. math::
            -2 \sum_i w_i \log \max_k g_k(x_i) p_k(y_i | x_i) + p \log n

        with `p` parameters and `n` rows, the sum of their weights [1]_. It is `bic`
        plus a penalty for rows whose expert is uncertain, so that it prefers fewer,
        well-separated experts. It follows the convention of R's flexmix and mclust,
        which use the expert of the largest responsibility, not the entropy.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
            The rows of the fit.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Their targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, as in `fit`.
        subjects : array-like of shape (n_samples,), default=None
            Labels of the subjects of the rows, as in `fit`.
        exposure : array-like of shape (n_samples,), default=None
            Exposure of counts, as in `fit`.

        Returns
        -------
        icl : float

        Raises
        ------
        TypeError
            If it is not known how to count the parameters of a part.

        References
        ----------
        .. [1] C. Biernacki, G. Celeux and G. Govaert (2000). Assessing a mixture model
           for clustering with the integrated completed likelihood. IEEE Transactions on
           Pattern Analysis and Machine Intelligence 22(7), 719-725.
        """
        loss, n_rows = self._deviance(
            X, y, sample_weight, subjects, exposure, completed=True
        )
        return loss + log(n_rows) * self.n_parameters()

    def _deviance(self, X, y, sample_weight, subjects, exposure, completed=False):
        """Return minus twice the log-likelihood, and the number of rows."""
        self._check_subjects_given(subjects)
        X, targets = self._checked_X(X), self._targets_
        y = targets.check(y)
        check_consistent_length(X, y)
        y, sample_weight, exposure, _ = targets.with_exposure(
            X, y, sample_weight, exposure, self.named_experts_.items()
        )
        posterior = self._posterior(X, y, subjects, exposure, sample_weight)
        weights = self._count_rows(X, y, sample_weight)
        if subjects is not None:
            subjects = check_subjects(subjects, X).weighted(weights)
        loss = deviance(posterior, weights, completed=completed, subjects=subjects)
        return loss, weights.sum()


def count_mixture(fitted):
    """Count the free parameters of gate, experts and likelihoods of a FittedMixture.

    An expert that was retired has no parameters.
    """
    with error_note("the gate"):
        total = gates.n_parameters(fitted.gate, fitted.active)
    named = list(fitted.named_experts.items())
    without_density = []
    for k in np.flatnonzero(fitted.active):
        name, expert = named[k]
        with error_note(f"expert {name!r}"):
            total += count_parameters(expert)
        if not has_density(expert):
            without_density.append(k)
    experts = [expert for _, expert in named]
    with error_note("the noise"):
        total += fitted.targets.n_parameters(
            fitted.likelihood, experts, without_density
        )
    return int(total)


def deviance(posterior, sample_weight, *, completed=False, subjects=None):
    """Return minus twice the log-likelihood of rows, given their posterior.

    With `completed`, it is the classification log-likelihood: each row, or subject,
    counts for the expert of its largest responsibility alone.
    """
    responsibilities, log_likelihood = posterior
    if completed:
        certainty = np.log(responsibilities.max(axis=1))
        if subjects is not None:
            certainty = subjects.divided(certainty[subjects.first])
        log_likelihood = log_likelihood + certainty
    return float(-2 * sample_weight @ log_likelihood)
