"""Compiled functions of arrays: the numerical core of the package.

The functions of this module prepare the arguments of the compiled functions. They bring
every array to one order and one floating dtype, so that few signatures are compiled,
and they import Numba on their first call, so that importing the package stays fast.
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
    r"""Add the weighted products of each two columns to those of other rows.

    .. math::
        P_{kij} \leftarrow P_{kij} + \sum_n w_{kn} x_{in} x_{jn}

    Parameters
    ----------
    columns : ndarray of shape (n_columns, n_samples)
    weights : ndarray of shape (n_experts, n_rows)
        Those of some of the rows.
    products : ndarray of shape (n_experts, n_columns, n_columns)
        Symmetric, of float64 and in C order. It is changed in place.
    first : int, default=0
        The first of the weights is that of the row of this number.
    """
    from sklearn_moe.kernels import _compiled

    columns, weights = (_prepare(array, np.float64) for array in (columns, weights))
    _compiled.add_weighted_products(columns, weights, first, products)


def argmax(scores):
    """Return the column of the largest score of each row, the first of equals.

    The function of NumPy takes five times as long if rows are short.

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
    """Assign each row to one expert of limited capacity, as Switch routing does [1]_.

    A row asks for the expert of its largest score. An expert takes the rows that ask
    for it, those of the largest score first, up to its capacity. With `reroute` there
    are further rounds, in which rows without an expert ask for that of their next
    largest score.

    Parameters
    ----------
    scores : ndarray of shape (n_samples, n_experts)
    sample_weight : ndarray of shape (n_samples,)
        Capacity that a row takes.
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
        # Nobody has to queue: nothing is sorted, and no sort compiled.
        return wish
    return _compiled.assign_with_capacity(
        scores, _prepare(sample_weight, np.float64), float(capacity), bool(reroute)
    )


def bracketed_newton(search, excess, slope, accuracy, bisect=False):
    """Take a step, by Newton's method or bisection, of the search for many roots.

    A step of bisection is taken where Newton's step leaves the bracket, or is more than
    half as long as the last step [1]_.

    Parameters
    ----------
    search : ndarray of shape (4, ...)
        Lower end, upper end, point between them and length of the last step of each
        search. A search that has ended has both ends at the point.
    excess : ndarray of shape (...)
        Value of the function, which is increasing, at the point.
    slope : ndarray of shape (...)
        Derivative of the function at the point.
    accuracy : float
        A search ends where the excess is no larger; with Newton's step where that is
        lost to the rounding of the excess; or where no number is left between the ends,
        then at the upper one.
    bisect : bool, default=False
        Whether all steps are of bisection: of the magnitudes, where the ends differ
        much in these, so that it ends after some 70 of them.

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
    """Choose the rows of the largest scores for each expert: expert choice [1]_.

    Parameters
    ----------
    scores : ndarray of shape (n_samples, n_experts)
    sample_weight : ndarray of shape (n_samples,)
        Capacity that a row takes.
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

    where Y and Y' are independent draws. It has a closed form, since the mean distance
    of a gaussian from zero has one.

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
        Any finite values, or -inf for a class that is ruled out.

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
    r"""Take an E-step: return the posterior of the experts and the log-likelihood.

    .. math::
        r_{ik} = \frac{g_k(x_i) p_k(y_i | x_i)}{\sum_j g_j(x_i) p_j(y_i | x_i)},
        \qquad L = \sum_i w_i \log \sum_k g_k(x_i) p_k(y_i | x_i)

    A row that no expert can explain (every term is -inf) keeps its prior, the gate's
    weights, as responsibilities, and has a log-likelihood of -inf.

    Parameters
    ----------
    log_gate : ndarray of shape (n_samples, n_experts)
        Logarithm of the gate's weights.
    log_likelihood : ndarray of shape (n_samples, n_experts)
        Log density of each target under each expert. It may be -inf.
    sample_weight : ndarray of shape (n_samples,)
        Weight of each row in the total.
    overwrite_gate : bool, default=False
        Whether the responsibilities may take the memory of `log_gate`.

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
    r"""Return the weighted cross-entropy of soft targets, and its derivative by logits.

    .. math::
        \ell = -\sum_i w_i \sum_k t_{ik} \log \mathrm{softmax}(a_i)_k,
        \qquad \frac{\partial \ell}{\partial a_{ik}} =
        w_i (\mathrm{softmax}(a_i)_k - t_{ik})

    Parameters
    ----------
    logits : ndarray of shape (n_rows, n_classes)
        Finite values of some of the rows. The array is overwritten by the logarithm of
        their softmax if it is in Fortran order and of float64.
    targets : ndarray of shape (n_samples, n_classes)
        Non-negative targets. Rows sum to one.
    sample_weight : ndarray of shape (n_samples,)
    first : int, default=0
        The first row of the logits is that of this number.

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
    """Import the compiled functions now, with the warnings that this may give."""
    from sklearn_moe.kernels import _compiled  # noqa: F401


def _float_dtype(*arrays):
    dtype = np.result_type(*arrays)
    return dtype if dtype == np.float32 else np.dtype(np.float64)


def _prepare(array, dtype, order="C"):
    return np.asarray(array, dtype, order)
