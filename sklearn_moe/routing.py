"""Which rows train which expert, which experts answer for a row, and how."""

from dataclasses import dataclass

import numpy as np

from sklearn_moe import kernels


def exclude(log_gate, active):
    """Share the weights of the experts that are not active among the others.

    Parameters
    ----------
    log_gate : ndarray of shape (n_samples, n_experts)
        Logarithm of the gate's weights.
    active : ndarray of shape (n_experts,), bool

    Returns
    -------
    log_gate : ndarray of shape (n_samples, n_experts)
        -inf for the experts that are not active; rows of weights sum to one.
    """
    if active.all():
        return log_gate
    return kernels.log_softmax(np.where(active, log_gate, -np.inf))


def keep_largest(gate_weights, n_kept):
    """The largest weights of each row, renormalised; zero for the others.

    Parameters
    ----------
    gate_weights : ndarray of shape (n_samples, n_experts)
        Rows sum to one.
    n_kept : int
        Number of weights to keep [1]_; the first of equals.

    Returns
    -------
    weights : ndarray of shape (n_samples, n_experts)
        Rows sum to one.

    References
    ----------
    .. [1] N. Shazeer et al. (2017). Outrageously large neural networks: the
       sparsely-gated mixture-of-experts layer. ICLR, equations 3 to 5.
    """
    if n_kept >= gate_weights.shape[1]:
        return gate_weights
    rows = np.arange(len(gate_weights))
    weights = np.zeros_like(gate_weights, order="F")
    rest = gate_weights.copy()
    for _ in range(n_kept):
        chosen = kernels.argmax(rest)
        weights[rows, chosen] = gate_weights[rows, chosen]
        rest[rows, chosen] = -1
    weights /= weights.sum(axis=1, keepdims=True)
    return weights


def dispatch(weights, ask):
    """Weighted mean of the experts' answers, each asked about its own rows only.

    Parameters
    ----------
    weights : ndarray of shape (n_samples, n_experts)
        Rows sum to one. Weights of the gate make the mean under the gate [1]_; where
        many are zero, each row pays for few experts.
    ask : callable
        ``ask(k, rows)``: what expert k expects for these rows. An expert without rows
        is not asked.

    Returns
    -------
    pooled : ndarray of shape (n_samples, ...)

    References
    ----------
    .. [1] R. A. Jacobs, M. I. Jordan, S. J. Nowlan and G. E. Hinton (1991). Adaptive
       mixtures of local experts. Neural Computation 3(1), equation 1.2.
    """
    pooled = None
    # Columns in one piece: each is looked at alone.
    weights = np.asfortranarray(weights)
    for k, expert_weights in enumerate(weights.T):
        rows = np.flatnonzero(expert_weights != 0)
        if not len(rows):
            continue
        expected = ask(k, rows)
        if pooled is None:
            dtype = np.result_type(weights, expected)
            pooled = np.zeros((len(weights), *expected.shape[1:]), dtype)
        # A slice of all rows is quicker than their numbers.
        own = slice(None) if len(rows) == len(weights) else rows
        row_weights = expert_weights[own].reshape(-1, *[1] * (expected.ndim - 1))
        pooled[own] += row_weights * expected
    return pooled


def dispatch_to_one(chosen, n_experts, ask, dtype):
    """Answer of one expert for each row, each asked about its own rows only.

    Parameters
    ----------
    chosen : ndarray of shape (n_samples,), int
        The expert of each row.
    n_experts : int
    ask : callable
        As in `dispatch`.
    dtype : dtype
        The least that holds the answers; more where an expert answers in more.

    Returns
    -------
    answers : ndarray of shape (n_samples, ...)
    """
    # Small integers are sorted by radix, without comparing them.
    order = np.argsort(chosen.astype(np.min_scalar_type(n_experts)), kind="stable")
    ends = np.cumsum(np.bincount(chosen, minlength=n_experts))
    own_rows = [(k, r) for k, r in enumerate(np.split(order, ends[:-1])) if len(r)]
    parts = [ask(k, rows) for k, rows in own_rows]
    answers = np.empty(
        (len(chosen), *parts[0].shape[1:]), np.result_type(dtype, *parts)
    )
    for (_, rows), part in zip(own_rows, parts):
        answers[rows] = part
    return answers


@dataclass(frozen=True)
class Routed:
    """Which rows train which experts in one M-step.

    Attributes
    ----------
    weights : ndarray of shape (n_samples, n_experts)
        Part of the weight of each row that each expert trains on.
    targets : ndarray of shape (n_samples, n_experts)
        What the gate learns; rows sum to one.
    load : ndarray of shape (n_experts,)
        Part of all rows, by weight, that each expert trains on.
    overflow_fraction : float
        Part of the weight of all rows that trains no expert.
    """

    weights: np.ndarray
    targets: np.ndarray
    load: np.ndarray
    overflow_fraction: float


@dataclass(frozen=True)
class Router:
    """From responsibilities to the rows that train each expert.

    Attributes
    ----------
    assignment : {"soft", "hard", "expert_choice"}
        Each row trains every expert by its responsibility; the expert of its largest
        responsibility alone, as in classification EM [1]_; or those experts that choose
        it, by its responsibility.
    capacity_factor : float or None
        An expert trains on at most ``ceil(capacity_factor * n_samples / n_experts)``
        rows of mean weight. None means no limit ("hard") or 1 ("expert_choice").
    overflow : {"drop", "reroute"}
        Whether a row that finds no room trains no expert, or the next best with room.

    References
    ----------
    .. [1] G. Celeux and G. Govaert (1992). A classification EM algorithm for clustering
       and two stochastic versions. Computational Statistics and Data Analysis 14(3),
       315-332.
    """

    assignment: str = "soft"
    capacity_factor: float | None = None
    overflow: str = "drop"

    def __call__(self, responsibilities, sample_weight):
        """Route the rows.

        Parameters
        ----------
        responsibilities : ndarray of shape (n_samples, n_experts)
        sample_weight : ndarray of shape (n_samples,)

        Returns
        -------
        routed : Routed
        """
        shares = sample_weight / sample_weight.sum()
        if self.assignment == "soft":
            load = shares @ responsibilities
            return Routed(responsibilities, responsibilities, load, 0.0)
        if self.assignment == "hard":
            experts = self._assign(responsibilities, sample_weight)
            one_hot = experts[:, np.newaxis] == np.arange(responsibilities.shape[1])
            weights = one_hot.astype(responsibilities.dtype)
            load, left_out = shares @ weights, experts < 0
        else:
            capacity = self._capacity(responsibilities, sample_weight)
            chosen = kernels.choose_rows(responsibilities, sample_weight, capacity)
            # As in the paper, where the gate's score multiplies what an expert learns:
            # room that is left over goes to rows that matter little.
            weights = np.where(chosen, responsibilities, 0)
            load, left_out = shares @ chosen, ~chosen.any(axis=1)
        targets = _gate_targets(weights, responsibilities)
        return Routed(weights, targets, load, float(shares @ left_out))

    def _assign(self, responsibilities, sample_weight):
        return kernels.assign_with_capacity(
            responsibilities,
            sample_weight,
            self._capacity(responsibilities, sample_weight),
            reroute=self.overflow == "reroute",
        )

    def _capacity(self, responsibilities, sample_weight):
        """Room of an expert, in units of weight."""
        n_samples, n_experts = responsibilities.shape
        factor = self.capacity_factor
        if factor is None:
            factor = np.inf if self.assignment == "hard" else 1.0
        if np.isinf(factor):
            return np.inf
        return np.ceil(factor * n_samples / n_experts) * sample_weight.mean()


def _gate_targets(weights, responsibilities):
    """What the gate learns from the rows that train each expert."""
    total = weights.sum(axis=1, keepdims=True)
    if (total == 1).all():
        return weights
    # What trained no expert still tells the gate whom it should have trained.
    targets = np.where(total > 0, weights, responsibilities)
    targets /= targets.sum(axis=1, keepdims=True)
    return targets
