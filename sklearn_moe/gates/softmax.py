"""The softmax gate, which is also an estimator on its own."""

import warnings
from numbers import Integral, Real
from typing import Any, Literal

import numpy as np
from scipy.sparse import issparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import normalize
from sklearn.utils.extmath import safe_sparse_dot

from sklearn_moe import kernels
from sklearn_moe._rows import LocalRows
from sklearn_moe._sklearn import Interval, StrOptions
from sklearn_moe.gates._columns import (
    GateColumns,
    Standards,
    clip_outliers,
    fill_missing,
    outlier_bounds,
)
from sklearn_moe.gates._estimator import BaseGate
from sklearn_moe.gates._evidence import FIRST_ALPHA
from sklearn_moe.gates._objective import SoftmaxObjective
from sklearn_moe.gates.bound_softmax import BoundSoftmax

# The search for the strength of the penalty ends when its logarithm changes by less
# than SETTLED, or after MAX_STRENGTHS fits.
SETTLED = 1e-3
MAX_STRENGTHS = 100


class SoftmaxGate(BaseGate):
    r"""Multinomial logistic regression on hard labels or soft targets.

    Minimises the weighted mean cross-entropy plus an L2 penalty on standardised
    features,

    .. math::
        \frac{1}{\sum_i w_i} \sum_i w_i \sum_k -t_{ik} \log g_k(x_i)
        + \frac{\alpha}{2} \lVert W \rVert^2, \\
        g(x) = \mathrm{softmax}(W z(x) + b),

    where z standardises each column with its weighted mean and standard deviation, and
    replaces missing values by 0, the mean. The intercept b is not penalised. With two
    classes the penalty applies to the difference of the two rows of W, as in
    :class:`~sklearn.linear_model.LogisticRegression`; on standardised features the two
    agree at ``C = 1 / (alpha * sum(sample_weight))``.

    Read more in the :ref:`User Guide <guide_gates>`.

    Parameters
    ----------
    alpha : float or "auto", default="auto"
        Strength of the L2 penalty, relative to the mean cross-entropy. "auto" means
        that it is learnt by maximising the evidence for the prior that corresponds to
        the penalty [3]_: the gate gets sharp borders if the labels change sharply with
        the features, and constant weights if the labels do not depend on them. In a
        mixture, "auto" is 0.01 until EM has almost converged, so that experts find
        their rows under soft borders. It is then learnt in each iteration, in which it
        changes by a factor of two at most.
    clip : float, default=None
        Values farther from the mean of their column than this many standard deviations
        are clipped to this distance, in `fit` and in predictions. A row far from the
        training rows then gets the weights of a row at their edge. The zeros of sparse
        rows stay zeros. None means no limit.
    load_balance : float, default=0
        Strength of the Switch Transformer's load-balancing loss [2]_, which is added to
        the objective,

        .. math::
            \lambda K \sum_k f_k P_k,

        where :math:`f_k` is the fraction of rows whose largest target is class k, and
        :math:`P_k` the mean weight of class k. This reduces the weights of classes that
        have many rows.
    max_iter : int, default=100
        Largest number of Newton iterations of `fit`, for each value of `alpha_` that
        it tries.
    tol : float, default=1e-8
        The iterations stop when no element of the gradient is larger than this in
        absolute value.
    warm_start : bool, default=False
        Whether `fit` starts from the coefficients of the previous fit, and from its
        `alpha_` if ``alpha="auto"``.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels; ``0, ..., n_classes - 1`` after a fit to soft targets.
    coef_ : ndarray of shape (n_classes, n_features)
        Coefficients of the logits, in the units of the input. They sum to zero over the
        classes.
    intercept_ : ndarray of shape (n_classes,)
        Intercepts of the logits; they sum to zero.
    encoder_ : FrameEncoder or None
        Encodes the columns of a frame that are not numeric as numbers; None if there
        were none. The columns of `coef_` are the columns of its output.
    alpha_ : float
        Strength of the penalty, given or learnt.
    bounds_ : ndarray of shape (2, n_features)
        Lower and upper limit to which each column is clipped.
    feature_mean_ : ndarray of shape (n_features,)
        Means of the training columns, which replace missing values.
    n_iter_ : int
        Number of Newton iterations.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`. Defined only if X has feature names.

    See Also
    --------
    MixtureOfExpertsRegressor : Mixture that has this gate by default.

    References
    ----------
    .. [1] M. I. Jordan and R. A. Jacobs (1994). Hierarchical mixtures of experts and
       the EM algorithm. Neural Computation 6(2), section 3.
    .. [2] W. Fedus, B. Zoph and N. Shazeer (2021). Switch transformers: scaling to
       trillion parameter models with simple and efficient sparsity. JMLR 23, equation
       4.
    .. [3] D. J. C. MacKay (1992). The evidence framework applied to classification
       networks. Neural Computation 4(5), 720-736.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_moe import SoftmaxGate
    >>> X = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> trust = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.1, 0.9]])
    >>> gate = SoftmaxGate().fit(X, trust)
    >>> gate.predict_proba([[0.0], [3.0]]).round(2)
    array([[0.72, 0.28],
           [0.33, 0.67]])
    """

    bound_class = BoundSoftmax
    _accept_sparse = "csr"

    _parameter_constraints: dict = {
        "alpha": [Interval(Real, 0, None, closed="left"), StrOptions({"auto"})],
        "clip": [Interval(Real, 0, None, closed="neither"), None],
        "load_balance": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="neither")],
        "warm_start": ["boolean"],
    }

    def __init__(
        self,
        alpha: float | Literal["auto"] = "auto",
        *,
        clip: float | None = None,
        load_balance: float = 0.0,
        max_iter: int = 100,
        tol: float = 1e-8,
        warm_start: bool = False,
    ) -> None:
        self.alpha = alpha
        self.clip = clip
        self.load_balance = load_balance
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start

    def _fit_block(self, block):
        shape, start = (len(self.classes_), block.X.shape[1]), None
        goes_on = getattr(self, "coef_", np.empty(0)).shape == shape
        before = self.alpha_ if self.warm_start and goes_on else None
        columns = GateColumns(LocalRows(block), block.X, block.X)
        objective = self._objective(columns, len(self.classes_))
        if before is not None:
            start = objective.standards.from_input_units(self.coef_, self.intercept_)
            self.alpha_ = before if self.alpha == "auto" else self.alpha_
        self.n_iter_, self._information_ = 0, None
        for _ in range(MAX_STRENGTHS):
            solution, log_weights = objective.with_alpha(self.alpha_).solve(
                block.y, start, self.max_iter, self.tol
            )
            start = solution.parameters
            self.n_iter_ += solution.n_iter
            if self.alpha != "auto":
                break
            self._information_ = objective.information(log_weights)
            alpha = objective.learnt_alpha(self.alpha_, start, self._information_)
            if abs(np.log(alpha / self.alpha_)) < SETTLED:
                break
            self.alpha_ = alpha
        self._next_alpha_ = self.alpha_
        if not solution.converged:
            warnings.warn(
                f"SoftmaxGate stopped at max_iter={self.max_iter} before the gradient "
                f"fell below tol={self.tol}; increase max_iter or alpha.",
                ConvergenceWarning,
                stacklevel=4,
            )
        self._set_parameters(objective.standards, solution.parameters)

    def decision_function(self, X: Any) -> np.ndarray:
        """Return the logits of the classes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        logits : ndarray of shape (n_samples, n_classes) or (n_samples,)
            With two classes, the logit of the second class relative to the first, as in
            scikit-learn.
        """
        logits = self._logits_of(self._features(X))
        if len(self.classes_) == 2:
            return logits[:, 1] - logits[:, 0]
        return logits

    def _log_weights_of(self, features):
        return kernels.log_softmax(self._logits_of(features))

    def _chosen(self, X):
        return kernels.argmax(self._logits_of(self._features(X)))

    def _n_parameters_of_class(self):
        return self.coef_.shape[1] + 1

    def _logits_of(self, features):
        columns = softmax_columns(self, features)
        with np.errstate(over="ignore", invalid="ignore"):
            logits = safe_sparse_dot(columns, self.coef_.T, dense_output=True)
            logits += self.intercept_
            logits = logits.astype(columns.dtype, copy=False)
        finite = np.isfinite(logits)
        if not finite.all():
            overflowed = ~finite.all(axis=1)
            logits[overflowed] = self._logits_far_out(columns[overflowed])
        return logits

    def _logits_far_out(self, columns):
        """Return the logits of rows in which they overflow, minus the row's largest."""
        nearby, distance = normalize(
            columns.astype(np.float64), norm="max", return_norm=True
        )
        distance = distance[:, np.newaxis]
        logits = safe_sparse_dot(nearby, self.coef_.T, dense_output=True)
        logits += self.intercept_ / distance
        logits -= logits.max(axis=1, keepdims=True)
        with np.errstate(over="ignore"):
            logits *= distance
        return np.maximum(logits, np.finfo(columns.dtype).min)

    def _objective(self, columns, n_classes, moments=None, past=None):
        """Return the objective of a fit; set the bounds and the initial strength.

        In a stream, `moments` are the moments of the columns over all rows so far, and
        `past` is the memory of the previous rows.
        """
        given = moments
        moments = columns.moments() if given is None else given
        self.bounds_ = outlier_bounds(moments, self.clip)
        if self.clip is not None:
            columns = columns.clipped(self.bounds_)
            moments = columns.moments() if given is None else given
        if self.alpha != "auto":
            self.alpha_ = self.alpha
        elif given is None:
            self.alpha_ = FIRST_ALPHA
        standards = Standards.of(moments, centred=not issparse(columns.of_sample))
        return SoftmaxObjective(
            columns, standards, n_classes, self.alpha_, self.load_balance, past
        )

    def _set_parameters(self, standards, parameters):
        """Set the coefficients, from the parameters on standardised features."""
        self.coef_, self.intercept_ = standards.to_input_units(parameters)
        self.feature_mean_ = standards.mean


def softmax_columns(softmax, features):
    """Return the columns to which the coefficients of a fitted softmax gate apply.

    They are `gate_features`, clipped and with missing values replaced, but not
    standardised.
    """
    columns = clip_outliers(features, softmax.bounds_)
    return fill_missing(columns, softmax.feature_mean_)
