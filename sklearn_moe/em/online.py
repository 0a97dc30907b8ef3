r"""Online EM for mixtures of experts that are trained on a stream of batches.

An iteration of batch EM depends on the rows only by sums of sufficient statistics.
Online EM [1]_ replaces these by running sums,

.. math::
    S_t = d_t S_{t-1} + \sum_{i \in \text{batch } t} s_i,

where the statistics :math:`s_i` of a row come from an E-step under the current
estimates, which do not depend on this row yet. The fraction :math:`d_t` of the previous
sums that is kept follows from the step sizes :math:`\gamma_t` of the running mean,

.. math::
    d_t = \frac{\gamma_{t-1}}{\gamma_t} (1 - \gamma_t), \qquad \gamma_t = t^{-a}.

Batches may differ in size: t is the total weight of all rows so far, including the
batch, divided by the weight of the batch.

References
----------
.. [1] O. Cappé and E. Moulines (2009). On-line expectation-maximization algorithm for
   latent data models. Journal of the Royal Statistical Society B 71(3), 593-613.
"""

from dataclasses import dataclass
from math import expm1, log1p
from typing import Any

import numpy as np

from sklearn_moe._persistence import saved_as_dict
from sklearn_moe._rows import TrainingWeights
from sklearn_moe.em.loop import BY_RESPONSIBILITY
from sklearn_moe.em.step import e_step, log_prob_of_block, working_weights_of


@saved_as_dict
@dataclass(frozen=True)
class RowsSeen:
    """Summary of the rows that a mixture has been trained on.

    Attributes
    ----------
    n_rows : float
        Sum of the weights of the rows.
    weight : float
        Sum of the weights, with older rows discounted.
    target : Moments or None
        Moments of the targets; None if they are unknown or not needed.
    gate : object
        Summary of the rows that the gate keeps; None if there is none yet.
    """

    n_rows: float
    weight: float
    target: Any = None
    gate: Any = None


@dataclass(frozen=True)
class Stream:
    """The state of online EM after a batch.

    Attributes
    ----------
    weight : float
        Sum of the weights of all rows so far, with older rows discounted.
    experts : list of fitted estimators
    likelihood : FittedLikelihood
    gate : fitted estimator
    active : ndarray of shape (n_experts,), bool
        False for the experts that are retired.
    share : ndarray of shape (n_experts,)
        Mean responsibility of each expert.
    load : ndarray of shape (n_experts,)
        Fraction of the weight of the rows that each expert was trained on.
    log_likelihood : float
        Weighted sum over the rows of the batch, under the estimates before the batch.
    gate_memory : Statistic, default=None
        Summary of the rows so far that the gate keeps.
    """

    weight: float
    experts: Any
    likelihood: Any
    gate: Any
    active: np.ndarray
    share: np.ndarray
    load: np.ndarray
    log_likelihood: float
    gate_memory: Any = None


def kept_fraction(n_rows, batch_weight, learning_decay, half_life=None):
    """Return the fraction of the previous sums that is kept, :math:`d_t` above.

    Parameters
    ----------
    n_rows : float
        Weight of all rows before the batch.
    batch_weight : float
        Weight of the rows of the batch.
    learning_decay : float
        The exponent a of the step sizes.
    half_life : float, default=None
        Weight of new rows after which the weight of a row is at most halved.

    Returns
    -------
    kept : float
    """
    n_batches = n_rows / batch_weight
    before, now = n_batches**-learning_decay, (n_batches + 1) ** -learning_decay
    # 1 - now, without cancellation if the batch is large compared to all rows before.
    kept = before / now * -expm1(-learning_decay * log1p(n_batches))
    if half_life is not None:
        kept = min(kept, 0.5 ** (batch_weight / half_life))
    return kept


def online_step(
    stream, rows, learners, log_gate, *, kept, sharing, router=BY_RESPONSIBILITY
):
    """Run one step of online EM on a batch.

    Parameters
    ----------
    stream : Stream
        The state before the batch; it is not modified.
    rows : LocalRows
        The rows of the batch.
    learners : Learners
        Bound to the batch; the gate must be one that can continue from `stream`.
    log_gate : column of shape (n_samples, n_experts)
        Logarithm of the weights of the gate of `stream`. It may be overwritten.
    kept : float
        Fraction of the sums of the previous batches that is kept.
    sharing : float
        In [0, 1), as in batch EM.
    router : Router, default=BY_RESPONSIBILITY
        Decides which rows train which expert.

    Returns
    -------
    stream : Stream
        The state after the batch.
    """
    past, batch_weight = kept * stream.weight, rows.total_weight
    sharing = router.shared(sharing)

    # E-step
    outputs = learners.experts.outputs(stream.experts)
    log_prob = rows.map(log_prob_of_block, outputs, stream.likelihood)
    posterior = e_step(rows, log_gate, log_prob, stream.active)

    # M-step
    routed = router.route(rows, posterior)
    working_weights = working_weights_of(rows, stream.likelihood, outputs)
    experts = learners.experts.train(
        rows.map(TrainingWeights.of_experts, routed.weights, sharing, working_weights),
        stream.active,
        stream.experts,
    )
    # The likelihood is fitted without sharing, on predictions for rows that the experts
    # were not trained on; it is therefore calibrated.
    weights = rows.map(TrainingWeights.of_block, posterior.responsibilities)
    likelihood = learners.likelihood.solve(
        learners.likelihood.recall(stream.likelihood, past * stream.share)
        + rows.total(learners.likelihood.summarize, outputs, weights)
    )
    gate, _ = learners.gate.fit(routed.targets, learners.gate.recall(stream.gate))

    def running(mean, of_batch):
        return (past * mean + batch_weight * of_batch) / (past + batch_weight)

    return Stream(
        weight=past + batch_weight,
        experts=experts,
        likelihood=likelihood,
        gate=learners.gate.estimator(gate, np.arange(len(stream.active))),
        active=stream.active,
        share=running(stream.share, posterior.share),
        load=running(stream.load, routed.load),
        log_likelihood=posterior.log_likelihood,
        gate_memory=learners.gate.memory(gate),
    )
