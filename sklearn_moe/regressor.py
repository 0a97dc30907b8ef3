"""Mixture of experts for regression."""

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.linear_model import Ridge
from sklearn.utils import check_array, column_or_1d, get_tags
from sklearn.utils.validation import check_is_fitted

from sklearn_moe._mixture import BaseMixtureOfExperts
from sklearn_moe.experts import predict_mean
from sklearn_moe.likelihoods import GaussianLikelihood


class MixtureOfExpertsRegressor(RegressorMixin, BaseMixtureOfExperts):
    r"""Mixture of regressors, weighed by a softmax gate, fitted by EM.

    The density of a target is

    .. math::
        p(y | x) = \sum_k g_k(x) \, \mathcal{N}(y; f_k(x), \sigma_k^2),

    where the gate g trusts each expert f_k where it is good. EM [1]_ [2]_ fits the
    experts, their noise scales and the gate together.

    Parameters
    ----------
    experts : estimator or list of (str, estimator), default=None
        One regressor, of which `n_experts` clones are made, or a list of named
        regressors. None means :class:`~sklearn.linear_model.Ridge`.
    n_experts : int, default=4
        Number of experts. Not used where `experts` is a list.
    gate : SoftmaxGate or Pipeline, default=None
        The gate, or a pipeline that ends in one. None means ``SoftmaxGate()``.
    combination : {"weighted", "argmax"}, default="weighted"
        Whether a prediction is the mean of the experts' under the gate's weights, or
        that of the expert with the largest weight alone.
    sharing : float, default=0.05
        Part of the weight of each row that is shared equally by all experts, in [0, 1).
        It keeps experts from fitting few rows too closely; 0 is textbook EM.
    init : {"tree", "kmeans", "random"}, array-like or clusterer, default="tree"
        The responsibilities with which EM begins:

        - "tree": the leaves of a supervised tree with one leaf for each expert,
        - "kmeans": clusters of what the gate sees,
        - "random": the cells around randomly drawn rows,
        - array-like of shape (n_samples,): a label for each row, one group for each
          expert,
        - array-like of shape (n_samples, n_experts): responsibilities, rows sum to one,
        - a clusterer, which sees what the gate sees.
    n_init : int, default=1
        Number of starts. The first is `init`, the others are of the other kinds, then
        random. The fit with the best objective is kept.
    max_iter : int, default=100
        Largest number of EM iterations of a start.
    tol : float, default=1e-4
        EM stops when the objective changes by less than this, in nats a row.
    warm_start : bool, default=False
        Whether `fit` goes on from the model of the previous fit.
    random_state : int, RandomState instance or None, default=None
        Seeds the start and the experts whose own `random_state` is None.
    verbose : int, default=0
        Whether to print each iteration: its objective, change and time.

    Attributes
    ----------
    experts_ : list of estimators
        The fitted experts.
    named_experts_ : :class:`~sklearn.utils.Bunch`
        The fitted experts by name; clones are called expert0, expert1, ...
    gate_ : SoftmaxGate or Pipeline
        The fitted gate.
    noise_ : GaussianNoise
        The noise of the experts; ``noise_.scale`` holds a standard deviation for each,
        in the units of y.
    expert_share_ : ndarray of shape (n_experts,)
        Mean responsibility of each expert for the training rows.
    log_likelihood_ : float
        Weighted log-likelihood of the training rows.
    objective_path_ : ndarray of shape (`n_iter_`,)
        Penalised log-likelihood after each iteration of the best start.
    n_iter_ : int
        Number of iterations of the best start.
    converged_ : bool
        Whether the best start converged.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, where X has names.

    See Also
    --------
    MixtureOfExpertsClassifier : The same for classes.

    Notes
    -----
    The noise scale of an expert is not allowed below a hundredth of the standard
    deviation of y, where the likelihood would grow without bound.

    References
    ----------
    .. [1] R. A. Jacobs, M. I. Jordan, S. J. Nowlan and G. E. Hinton (1991). Adaptive
       mixtures of local experts. Neural Computation 3(1), 79-87.
    .. [2] M. I. Jordan and R. A. Jacobs (1994). Hierarchical mixtures of experts and
       the EM algorithm. Neural Computation 6(2), 181-214.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_moe import MixtureOfExpertsRegressor
    >>> X = np.linspace(-3, 3, 200).reshape(-1, 1)
    >>> y = np.abs(X[:, 0])
    >>> moe = MixtureOfExpertsRegressor(n_experts=2, sharing=0, random_state=0)
    >>> moe.fit(X, y).predict([[-2.0], [2.0]]).round(1)
    array([2., 2.])
    >>> [float(expert.coef_[0].round(1)) for expert in moe.experts_]
    [-1.0, 1.0]
    """

    def __init__(
        self,
        experts=None,
        n_experts=4,
        *,
        gate=None,
        combination="weighted",
        sharing=0.05,
        init="tree",
        n_init=1,
        max_iter=100,
        tol=1e-4,
        warm_start=False,
        random_state=None,
        verbose=0,
    ):
        self.experts = experts
        self.n_experts = n_experts
        self.gate = gate
        self.combination = combination
        self.sharing = sharing
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    def predict(self, X):
        """Predict the target.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)

        Returns
        -------
        y : ndarray of shape (n_samples,)
        """
        return self._pool(X)

    def transform(self, X):
        """Predictions of each expert.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)

        Returns
        -------
        predictions : ndarray of shape (n_samples, n_experts)
        """
        return self._outputs(self._checked_X(X))

    def get_feature_names_out(self, input_features=None):
        """Names of the columns of `transform`.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Not used, present for API consistency.

        Returns
        -------
        names : ndarray of str
        """
        check_is_fitted(self)
        prefix = type(self).__name__.lower()
        return np.array([f"{prefix}_{name}" for name in self.named_experts_], object)

    @property
    def noise_(self):
        """The noise model of the experts."""
        check_is_fitted(self)
        return self._likelihood_

    def _default_expert(self):
        return Ridge()

    def _check_expert(self, name, expert):
        kind = get_tags(expert).estimator_type
        if kind not in ("regressor", None):
            raise TypeError(
                f"Expert {name!r}, a {type(expert).__name__}, is a {kind}; "
                f"{type(self).__name__} needs regressors."
            )

    def _check_y(self, y):
        y = check_array(y, ensure_2d=False, dtype="numeric", input_name="y")
        return column_or_1d(y, warn=True)

    def _encode_y(self, y):
        return self._check_y(y).astype(np.float64)

    def _make_likelihood(self, training):
        return GaussianLikelihood(training.encoded_y, training.sample_weight)

    def _respond(self, expert, X):
        return predict_mean(expert, X)
