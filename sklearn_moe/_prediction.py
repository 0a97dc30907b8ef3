"""What a fitted mixture says of rows: how far it trusts whom, and what they say."""

import numpy as np
from sklearn.utils import check_array, check_consistent_length
from sklearn.utils.validation import check_is_fitted, validate_data

from sklearn_moe import gates, kernels
from sklearn_moe._compat import safe_indexing
from sklearn_moe.experts import expert_answers
from sklearn_moe.routing import dispatch, dispatch_to_one, exclude, keep_largest


class PredictionMixin:
    """The answers of a fitted mixture that are the same for classes and numbers."""

    def predict_gate(self, X):
        """Weights that the gate gives to the experts.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)

        Returns
        -------
        gate_weights : ndarray of shape (n_samples, n_experts)
            Rows sum to one.
        """
        X = self._checked_X(X)
        return np.exp(self._log_gate(X))

    def apply(self, X):
        """Index of the expert with the largest gate weight, for each row.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)

        Returns
        -------
        chosen : ndarray of shape (n_samples,)
            Positions in `experts_`.
        """
        return self._most_trusted(self._checked_X(X))

    def responsibilities(self, X, y):
        """Posterior probability of each expert, given the row and its target.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)

        Returns
        -------
        responsibilities : ndarray of shape (n_samples, n_experts)
            Rows sum to one.
        """
        return self._posterior(X, y)[0]

    def score_samples(self, X, y=None):
        """Log density of each target under the mixture, log p(y | x).

        It is the density of the whole mixture, whatever `combination` says: that
        parameter is about predictions alone.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,), default=None
            Targets. None means the predictions of the mixture: the result then says
            how sure it is of each.

        Returns
        -------
        log_density : ndarray of shape (n_samples,)
        """
        return self._posterior(X, self._likely_y(X) if y is None else y)[1]

    def _posterior(self, X, y):
        X = self._checked_X(X)
        y = self._encode_y(y)
        check_consistent_length(X, y)
        outputs = self._answers_for(X, self._decode_y(y))
        log_prob = self._likelihood_.log_prob(y, outputs, X)
        return kernels.responsibilities(self._log_gate(X), log_prob, np.ones(len(y)))[
            :2
        ]

    def _answers_for(self, X, y=None):
        return expert_answers(self.named_experts_, X, y, self._answers_)

    def _pool(self, X):
        """What the experts expect, combined; each is asked about its own rows only."""
        X = self._checked_X(X)
        names = list(self.named_experts_)

        def ask(k, rows):
            own = X if len(rows) == X.shape[0] else safe_indexing(X, rows)
            expert = {names[k]: self.experts_[k]}
            outputs = expert_answers(expert, own, None, self._answers_)
            return self._likelihood_.take([k]).predictive(outputs)[:, 0]

        if self.combination == "argmax":
            single = getattr(X, "dtype", None) == np.float32
            dtype = np.float32 if single else np.float64
            return dispatch_to_one(self._most_trusted(X), len(names), ask, dtype)
        return dispatch(self._kept_weights(X), ask)

    def _most_trusted(self, X):
        """The expert of the largest weight, for each row."""
        if self._active_.all() and not gates.needs_folds(self.gate_):
            # The largest logit says it as well, without a softmax.
            return gates.most_trusted(self.gate_, X)
        return kernels.argmax(self._log_gate(X))

    def _kept_weights(self, X):
        """Weights of the experts that answer for a row."""
        weights = np.exp(self._log_gate(X))
        if self.combination == "argmax":
            return keep_largest(weights, 1)
        return weights if self.top_k is None else keep_largest(weights, self.top_k)

    def _likely_y(self, X):
        """Targets that the mixture thinks likely: its predictions."""
        return self.predict(X)

    def _expectations(self, X):
        return self._likelihood_.predictive(self._answers_for(X))

    def _log_gate(self, X):
        log_gate = gates.log_weights(self.gate_, X, len(self.experts_))
        return exclude(log_gate, self._active_)

    def _checked_X(self, X):
        check_is_fitted(self)
        return self._check_X(X, reset=False)

    def _check_X(self, X, y="no_validation", *, reset):
        """Validate X; a frame is looked at, never converted."""
        if not hasattr(X, "columns"):
            X = check_array(
                X,
                accept_sparse="csr",
                dtype=None,
                ensure_all_finite=False,
                estimator=self,
                input_name="X",
            )
        validate_data(self, X, y, reset=reset, skip_check_array=True)
        return X
