"""Information criteria of a fitted mixture."""

from math import log

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sklearn_moe import gates
from sklearn_moe._compat import check_sample_weight
from sklearn_moe.experts import blamed_on, has_own_density
from sklearn_moe.parameters import count_parameters


class InformationCriteriaMixin:
    """AIC, BIC and ICL, for a mixture that counts the parameters of its noise."""

    def n_parameters(self):
        """Number of free parameters of the mixture.

        Those of the gate, and of the experts and their noise; an expert that was
        retired has none. :func:`count_parameters` tells how they are counted, and is
        where estimators of other types can be registered.

        Returns
        -------
        n_parameters : int

        Raises
        ------
        TypeError
            If it is not known how to count the parameters of a part.
        """
        check_is_fitted(self)
        with blamed_on("the gate"):
            total = gates.n_parameters(self.gate_, self._active_)
        noisy = []
        for k in np.flatnonzero(self._active_):
            expert = self.experts_[k]
            with blamed_on(f"expert {list(self.named_experts_)[k]!r}"):
                total += count_parameters(expert)
            if not has_own_density(expert):
                noisy.append(k)
        with blamed_on("the noise"):
            return int(total + self._n_noise_parameters(noisy))

    def aic(self, X, y, sample_weight=None):
        r"""Akaike's information criterion; less is better.

        .. math::
            -2 \sum_i w_i \log p(y_i | x_i) + 2 p

        with `p` parameters. It supposes maximum likelihood. Where the fit is penalised
        (`sharing`, the gate's `alpha`, ridge experts) it is an approximation, which
        charges for all parameters as for free ones. It is about the experts as they
        are, on the rows given; `cv` makes no difference.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
            The rows of the fit.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Their targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, as in `fit`.

        Returns
        -------
        aic : float

        Raises
        ------
        TypeError
            If it is not known how to count the parameters of a part.
        """
        deviance, _ = self._deviance(X, y, sample_weight)
        return deviance + 2 * self.n_parameters()

    def bic(self, X, y, sample_weight=None):
        r"""Bayesian information criterion; less is better.

        .. math::
            -2 \sum_i w_i \log p(y_i | x_i) + p \log n

        with `p` parameters and `n` rows, the sum of their weights. What is said of
        `aic` holds for it too.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
            The rows of the fit.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Their targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, as in `fit`.

        Returns
        -------
        bic : float

        Raises
        ------
        TypeError
            If it is not known how to count the parameters of a part.
        """
        deviance, n_rows = self._deviance(X, y, sample_weight)
        return deviance + log(n_rows) * self.n_parameters()

    def icl(self, X, y, sample_weight=None):
        r"""Integrated completed likelihood criterion; less is better.

        .. math::
            -2 \sum_i w_i \log \max_k g_k(x_i) p_k(y_i | x_i) + p \log n

        with `p` parameters and `n` rows, the sum of their weights [1]_. It is `bic`
        plus a charge for rows of which it is not clear whose they are, so that it
        prefers fewer experts, well apart. It takes the convention of R's flexmix and
        mclust: the expert of the largest responsibility, not the entropy.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
            The rows of the fit.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Their targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, as in `fit`.

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
        deviance, n_rows = self._deviance(X, y, sample_weight, completed=True)
        return deviance + log(n_rows) * self.n_parameters()

    def _deviance(self, X, y, sample_weight, completed=False):
        """Minus twice the log-likelihood, and the number of rows."""
        responsibilities, log_likelihood = self._posterior(X, y)
        if completed:
            log_likelihood = log_likelihood + np.log(responsibilities.max(axis=1))
        weights = check_sample_weight(
            sample_weight, log_likelihood, dtype=np.float64, ensure_non_negative=True
        )
        return float(-2 * weights @ log_likelihood), float(weights.sum())


@count_parameters.register
def _count_mixture(mixture: InformationCriteriaMixin):
    return mixture.n_parameters()
