"""Compiled functions of arrays: the numerical core of the package.

The functions of this module prepare the arguments of the compiled functions. They
convert every array to one memory order and one floating dtype, so that few signatures
are compiled, and they import Numba on their first call, so that importing the package
stays fast.
"""

import numpy as np

__all__ = [
    "add_weighted_products",
    "argmax",
    "assign_with_capacity",
    "bracketed_newton",
    "choose_rows",
    "gaussian_crps",
    "load",
    "log_softmax",
    "responsibilities",
    "softmax_cross_entropy",
]


def add_weighted_products(columns, weights, products, first=0):
    r"""Add the weighted sums of products of all pairs of columns, in place.

    .. math::
        P_{kij} \leftarrow P_{kij} + \sum_n w_{kn} x_{in} x_{jn}

    Parameters
    ----------
    columns : ndarray of shape (n_columns, n_samples)
    weights : ndarray of shape (n_experts, n_rows)
        Weights of `n_rows` consecutive rows.
    products : ndarray of shape (n_experts, n_columns, n_columns)
        Symmetric, of float64 and in C order. It is modified in place.
    first : int, default=0
        Index of the row to which the first weight belongs.
    """
    from sklearn_moe.kernels import _compiled

    columns, weights = (_prepare(array, np.float64) for array in (columns, weights))
    _compiled.add_weighted_products(columns, weights, first, products)


def argmax(scores):
    """Return the column of the largest score of each row, the first if there are ties.

    The function of NumPy takes five times as long for short rows.

    Parameters
    ----------
    scores : ndarray of shape (n_samples, n_experts)

    Returns
    -------
    columns : ndarray of shape (n_samples,), int
    """
    from sklearn_moe.kernels import _compiled

    return _compiled.argmax(_prepare(scores, _float_dtype(scores)))


def assign_with_capacity(scores, sample_weight, capacity, *, reroute):
    """Assign each row to one expert of limited capacity, as in Switch routing [1]_.

    Each row requests the expert with its largest score. An expert accepts the rows that
    request it in the order of their scores, up to its capacity. With `reroute` there
    are further rounds, in which rows without an expert request the expert with the next
    largest score.

    Parameters
    ----------
    scores : ndarray of shape (n_samples, n_experts)
    sample_weight : ndarray of shape (n_samples,)
        Capacity that each row uses.
    capacity : float
        Capacity of an expert, which may be infinite.
    reroute : bool
        Whether there are further rounds.

    Returns
    -------
    assigned : ndarray of shape (n_samples,), int
        Expert of each row, or -1 for none.

    References
    ----------
    .. [1] W. Fedus, B. Zoph and N. Shazeer (2021). Switch transformers: scaling to
       trillion parameter models with simple and efficient sparsity. JMLR 23, section
       2.2.
    """
    from sklearn_moe.kernels import _compiled

    scores = _prepare(scores, np.float64)
    wish = _compiled.argmax(scores)
    if np.bincount(wish, sample_weight).max() <= capacity:
        # No expert is over capacity: avoid sorting, and compiling the sort.
        return wish
    return _compiled.assign_with_capacity(
        scores, _prepare(sample_weight, np.float64), float(capacity), bool(reroute)
    )


def bracketed_newton(search, excess, slope, accuracy, bisect=False):
    """Take one step of many root searches, by Newton's method or bisection.

    A bisection step is taken if Newton's step leaves the bracket, or is more than half
    as long as the last step [1]_.

    Parameters
    ----------
    search : ndarray of shape (4, ...)
        Lower end, upper end, current point and length of the last step of each search.
        In a search that has ended, both ends are equal to the point.
    excess : ndarray of shape (...)
        Value of the function, which must be increasing, at the point.
    slope : ndarray of shape (...)
        Derivative of the function at the point.
    accuracy : float
        A search ends if the absolute excess is no larger than this; after a Newton step
        that is as small as the rounding errors of the excess; or, at the upper end, if
        there is no number between the ends.
    bisect : bool, default=False
        Whether all steps are bisection steps. If the magnitudes of the ends differ
        much, their magnitudes are bisected, so that about 70 steps are enough.

    Returns
    -------
    search : ndarray of shape (4, ...)

    References
    ----------
    .. [1] W. H. Press, S. A. Teukolsky, W. T. Vetterling and B. P. Flannery (2007).
       Numerical Recipes, section 9.4.
    """
    from sklearn_moe.kernels import _compiled

    flat = np.array(search, dtype=np.float64).reshape(4, -1)
    _compiled.bracketed_newton(
        flat,
        *(_prepare(array, np.float64).ravel() for array in (excess, slope)),
        float(accuracy),
        bool(bisect),
    )
    return flat.reshape(np.shape(search))


def choose_rows(scores, sample_weight, capacity):
    """Choose the rows with the largest scores for each expert: expert choice [1]_.

    Parameters
    ----------
    scores : ndarray of shape (n_samples, n_experts)
    sample_weight : ndarray of shape (n_samples,)
        Capacity that each row uses.
    capacity : float
        Capacity of an expert.

    Returns
    -------
    chosen : ndarray of shape (n_samples, n_experts), bool
        A row may be chosen by several experts, or by none.

    References
    ----------
    .. [1] Y. Zhou et al. (2022). Mixture-of-experts with expert choice routing.
       NeurIPS 35, section 3.2.
    """
    from sklearn_moe.kernels import _compiled

    return _compiled.choose_rows(
        _prepare(scores, np.float64),
        _prepare(sample_weight, np.float64),
        float(capacity),
    )


def gaussian_crps(weights, means, scales, y):
    r"""Return the continuous ranked probability score of mixtures of gaussians [1]_.

    .. math::
        E|Y - y| - \tfrac{1}{2} E|Y - Y'|,

    where Y and Y' are independent draws. It has a closed form, since the expected
    absolute value of a gaussian variable has one.

    Parameters
    ----------
    weights, means, scales : ndarray of shape (n_samples, n_components)
    y : ndarray of shape (n_samples,)

    Returns
    -------
    crps : ndarray of shape (n_samples,)

    References
    ----------
    .. [1] E. P. Grimit, T. Gneiting, V. J. Berrocal and N. A. Johnson (2006). The
       continuous ranked probability score for circular variables and its application
       to mesoscale forecast ensemble verification. QJRMS 132, equation 5.
    """
    from sklearn_moe.kernels import _compiled

    return _compiled.gaussian_crps(
        *(_prepare(array, np.float64) for array in (weights, means, scales, y))
    )


def log_softmax(logits):
    """Return the logarithm of the softmax of each row.

    Parameters
    ----------
    logits : ndarray of shape (n_samples, n_experts)
        Any finite values, or -inf for a class that is excluded.

    Returns
    -------
    log_weights : ndarray of shape (n_samples, n_experts)
        A new array of the dtype of `logits` (float32 or float64).
    """
    from sklearn_moe.kernels import _compiled

    log_weights = np.array(logits, _float_dtype(logits), order="F")
    _compiled.log_softmax(log_weights.T)
    return log_weights


def responsibilities(log_gate, log_likelihood, sample_weight, overwrite_gate=False):
    r"""Return the posterior of the experts and the log-likelihood: an E-step.

    .. math::
        r_{ik} = \frac{g_k(x_i) p_k(y_i | x_i)}{\sum_j g_j(x_i) p_j(y_i | x_i)},
        \qquad L = \sum_i w_i \log \sum_k g_k(x_i) p_k(y_i | x_i)

    If the target of a row is impossible under all experts (every term is -inf), its
    responsibilities are the gate's weights, and its log-likelihood is -inf.

    Parameters
    ----------
    log_gate : ndarray of shape (n_samples, n_experts)
        Logarithm of the gate's weights.
    log_likelihood : ndarray of shape (n_samples, n_experts)
        Log density of each target under each expert. It may be -inf.
    sample_weight : ndarray of shape (n_samples,)
        Weight of each row in the total.
    overwrite_gate : bool, default=False
        Whether the responsibilities may be written to the memory of `log_gate`.

    Returns
    -------
    responsibilities : ndarray of shape (n_samples, n_experts)
        Posterior of the experts. Rows sum to one.
    row_log_likelihood : ndarray of shape (n_samples,)
        Log-likelihood of each row, in float64.
    total : float
        Weighted sum of `row_log_likelihood`.
    """
    from sklearn_moe.kernels import _compiled

    dtype = _float_dtype(log_gate, log_likelihood)
    log_gate = _prepare(log_gate, dtype, "F")
    in_place = overwrite_gate and log_gate.flags.writeable
    posterior = log_gate if in_place else np.empty_like(log_gate)
    row_log_likelihood = np.empty(len(log_gate))
    total = _compiled.responsibilities(
        log_gate.T,
        _prepare(log_likelihood, dtype, "F").T,
        _prepare(sample_weight, np.float64),
        posterior.T,
        row_log_likelihood,
    )
    return posterior, row_log_likelihood, total


def softmax_cross_entropy(logits, targets, sample_weight, first=0):
    r"""Return the weighted cross-entropy of soft targets, and its gradient by logits.

    .. math::
        \ell = -\sum_i w_i \sum_k t_{ik} \log \mathrm{softmax}(a_i)_k,
        \qquad \frac{\partial \ell}{\partial a_{ik}} =
        w_i (\mathrm{softmax}(a_i)_k - t_{ik})

    Parameters
    ----------
    logits : ndarray of shape (n_rows, n_classes)
        Finite logits of `n_rows` consecutive rows. The array is overwritten by the
        logarithm of their softmax if it is in Fortran order and of float64.
    targets : ndarray of shape (n_samples, n_classes)
        Non-negative targets. Rows sum to one. All of them are converted in each call
        unless they are in Fortran order and of float64.
    sample_weight : ndarray of shape (n_samples,)
    first : int, default=0
        Index of the row to which the first logits belong.

    Returns
    -------
    loss : float
    derivative : ndarray of shape (n_rows, n_classes)
    log_weights : ndarray of shape (n_rows, n_classes)
        Logarithm of the softmax.
    """
    from sklearn_moe.kernels import _compiled

    logits = _prepare(logits, np.float64, "F")
    if not logits.flags.writeable:
        logits = logits.copy("F")
    derivative = np.empty_like(logits)
    loss = _compiled.softmax_cross_entropy(
        logits.T,
        _prepare(targets, np.float64, "F").T,
        _prepare(sample_weight, np.float64),
        first,
        derivative.T,
    )
    return loss, derivative, logits


def load():
    """Import the compiled functions now, with the warnings that this may raise."""
    from sklearn_moe.kernels import _compiled  # noqa: F401


def _float_dtype(*arrays):
    dtype = np.result_type(*arrays)
    return dtype if dtype == np.float32 else np.dtype(np.float64)


def _prepare(array, dtype, order="C"):
    return np.asarray(array, dtype, order)
