"""Arrays in, arrays out: the numerical core of the package.

The functions of this module are the boundary of the room. They bring every array
to C order and one floating dtype, so that the compiled functions see few signatures,
and they load Numba on their first call, so that importing the package stays quick.
"""

import numpy as np

__all__ = [
    "argmax",
    "assign_with_capacity",
    "bracketed_newton",
    "choose_rows",
    "gaussian_crps",
    "log_softmax",
    "responsibilities",
    "softmax_cross_entropy",
]


def argmax(scores):
    """Column of the largest score of each row, the first of equals.

    NumPy's takes five times as long where rows are short.

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
    """Switch routing: each row to one expert, each expert with limited room [1]_.

    A row asks for the expert of its largest score. An expert takes the rows that ask
    for it, those of the largest score first, as long as there is room. In each further
    round of `reroute` the rows that found none ask for their next best.

    Parameters
    ----------
    scores : ndarray of shape (n_samples, n_experts)
    sample_weight : ndarray of shape (n_samples,)
        Room that a row takes.
    capacity : float
        Room of an expert; may be infinite.
    reroute : bool
        Whether rows may ask again.

    Returns
    -------
    assigned : ndarray of shape (n_samples,), int
        The expert of each row, -1 for none.

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


def bracketed_newton(search, excess, slope, size):
    """One step of the search for many roots at once: Newton's, or bisection.

    Bisection takes over where Newton's step leaves the bracket, or does not halve the
    last one [1]_.

    Parameters
    ----------
    search : ndarray of shape (4, ...)
        Lower end, upper end, point between them and length of the last step of each
        search. One that has ended has both ends at the point.
    excess : ndarray of shape (...)
        Value of the function at the point; it grows.
    slope : ndarray of shape (...)
        Its derivative.
    size : ndarray of shape (...)
        Size of the numbers; a search ends when a step is a few roundings of it.

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
        flat, *(_prepare(array, np.float64).ravel() for array in (excess, slope, size))
    )
    return flat.reshape(np.shape(search))


def choose_rows(scores, sample_weight, capacity):
    """Expert choice: each expert takes the rows of its largest scores [1]_.

    Parameters
    ----------
    scores : ndarray of shape (n_samples, n_experts)
    sample_weight : ndarray of shape (n_samples,)
        Room that a row takes.
    capacity : float
        Room of an expert.

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
    r"""Continuous ranked probability score of mixtures of gaussians [1]_.

    .. math::
        E|Y - y| - \tfrac{1}{2} E|Y - Y'|,

    Y and Y' independent draws: the mean distance of a gaussian from zero has a closed
    form.

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
    """Logarithm of the softmax of each row.

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

    logits = _prepare(logits, _float_dtype(logits))
    log_weights = np.empty_like(logits)
    _compiled.log_softmax(logits, log_weights)
    return log_weights


def responsibilities(log_gate, log_likelihood, sample_weight, overwrite_gate=False):
    r"""E-step: posterior of the experts and log-likelihood, in one pass.

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
        Log density of each target under each expert; -inf is allowed. Fortran order is
        as good as C order.
    sample_weight : ndarray of shape (n_samples,)
        Weight of each row in the total.
    overwrite_gate : bool, default=False
        Whether the responsibilities may take the memory of `log_gate`.

    Returns
    -------
    responsibilities : ndarray of shape (n_samples, n_experts)
        Rows sum to one.
    row_log_likelihood : ndarray of shape (n_samples,)
        Log-likelihood of each row, in float64.
    total : float
        Weighted sum of `row_log_likelihood`.
    """
    from sklearn_moe.kernels import _compiled

    dtype = _float_dtype(log_gate, log_likelihood)
    log_gate = _prepare(log_gate, dtype)
    in_place = overwrite_gate and log_gate.flags.writeable
    posterior = log_gate if in_place else np.empty_like(log_gate)
    row_log_likelihood = np.empty(len(log_gate))
    total = _compiled.responsibilities(
        log_gate,
        _prepare(log_likelihood, dtype, "A"),
        _prepare(sample_weight, np.float64),
        posterior,
        row_log_likelihood,
    )
    return posterior, row_log_likelihood, total


def softmax_cross_entropy(logits, targets, sample_weight):
    r"""Weighted cross-entropy of soft targets, and its derivative by the logits.

    .. math::
        \ell = -\sum_i w_i \sum_k t_{ik} \log \mathrm{softmax}(a_i)_k,
        \qquad \frac{\partial \ell}{\partial a_{ik}} =
        w_i (\mathrm{softmax}(a_i)_k - t_{ik})

    Parameters
    ----------
    logits : ndarray of shape (n_samples, n_classes)
        Finite values. Overwritten by the logarithm of their softmax where it is a
        C-ordered float64 array already.
    targets : ndarray of shape (n_samples, n_classes)
        Non-negative, rows sum to one.
    sample_weight : ndarray of shape (n_samples,)

    Returns
    -------
    loss : float
    derivative : ndarray of shape (n_samples, n_classes)
    log_weights : ndarray of shape (n_samples, n_classes)
        Logarithm of the softmax.
    """
    from sklearn_moe.kernels import _compiled

    logits = np.require(logits, np.float64, ["C", "W"])
    derivative = np.empty_like(logits)
    loss = _compiled.softmax_cross_entropy(
        logits,
        _prepare(targets, np.float64),
        _prepare(sample_weight, np.float64),
        derivative,
    )
    return loss, derivative, logits


def _float_dtype(*arrays):
    dtype = np.result_type(*arrays)
    return dtype if dtype == np.float32 else np.dtype(np.float64)


def _prepare(array, dtype, order="C"):
    return np.asarray(array, dtype, order)
