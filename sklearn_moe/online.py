r"""Online EM for mixtures of experts that meet one batch of a stream after another.

Batch EM is a map of sums over the rows. Online EM [1]_ puts running sums in their
place,

.. math::
    S_t = d_t S_{t-1} + \sum_{i \in \text{batch } t} s_i,

where the statistics :math:`s_i` of a row are those of the E-step under the parts as
they are, which have not seen it. How much is kept of the sums before follows from the
step sizes :math:`\gamma_t` of the mean,

.. math::
    d_t = \frac{\gamma_{t-1}}{\gamma_t} (1 - \gamma_t), \qquad \gamma_t = t^{-a}.

All is counted in rows: t is the number of batches as large as this one that would have
brought as many rows as there have been.

Experts, likelihood and gate are known here by these methods only:

- ``experts.outputs(fitted)``; ``experts.learn(fitted, weights, active, kept)``,
- ``likelihood.log_prob(fitted, outputs)``, ``likelihood.emphasis(fitted, outputs)``;
  ``likelihood.partial_fit(fitted, outputs, weights, past)``,
- ``gate.log_weights(fitted)``; ``gate.learn(fitted, targets, weight, kept)``.

References
----------
.. [1] O. Cappé and E. Moulines (2009). On-line expectation-maximization algorithm for
   latent data models. Journal of the Royal Statistical Society B 71(3), 593-613.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from sklearn_moe import kernels
from sklearn_moe.em import BY_RESPONSIBILITY, TrainingWeights
from sklearn_moe.routing import exclude


@dataclass(frozen=True)
class RowsSeen:
    """What is remembered of the rows that a mixture has learnt from.

    Attributes
    ----------
    n_rows : float
        Their number, that is, the sum of their weights.
    weight : float
        The same, each row counted less the older it is.
    target : Moments or None
        Of the targets; None where it is not known, or not asked for.
    gate : object
        The memory of the gate; None where there is none yet.
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
        Of all rows so far, each counted less the older it is.
    experts, likelihood, gate : object
        The parts as fitted.
    active : ndarray of shape (n_experts,), bool
        False for the experts that are retired.
    share : ndarray of shape (n_experts,)
        Mean responsibility of each expert.
    load : ndarray of shape (n_experts,)
        Part of the weight of the rows that each expert was trained on.
    log_likelihood : float
        Weighted sum over the rows of the batch, under the parts before it.
    """

    weight: float
    experts: Any
    likelihood: Any
    gate: Any
    active: np.ndarray
    share: np.ndarray
    load: np.ndarray
    log_likelihood: float


def kept_part(n_rows, batch_weight, learning_decay, half_life=None):
    """What is kept of the sums of the batches before, the d of the module.

    Parameters
    ----------
    n_rows : float
        Weight of all rows before.
    batch_weight : float
        Weight of the rows of the batch.
    learning_decay : float
        The exponent a of the step sizes.
    half_life : float, default=None
        The weight of rows after which older ones count half at most.

    Returns
    -------
    kept : float
    """
    n_batches = n_rows / batch_weight
    before, now = n_batches**-learning_decay, (n_batches + 1) ** -learning_decay
    kept = before / now * (1 - now)
    if half_life is not None:
        kept = min(kept, 0.5 ** (batch_weight / half_life))
    return kept


def online_step(
    stream,
    experts,
    likelihood,
    gate,
    sample_weight,
    *,
    kept,
    sharing,
    route=BY_RESPONSIBILITY,
):
    """Learn a batch.

    Parameters
    ----------
    stream : Stream
        Left as it is.
    experts, likelihood, gate : object
        The parts at work on the batch; see the module.
    sample_weight : ndarray of shape (n_samples,)
        Positive.
    kept : float
        What is kept of the sums of the batches before.
    sharing : float
        In [0, 1), as in EM.
    route : Router, default=BY_RESPONSIBILITY
        Which rows train which expert.

    Returns
    -------
    stream : Stream
    """
    past, batch_weight = kept * stream.weight, sample_weight.sum()
    if route.assignment != "soft":
        sharing = 0.0

    # E-step
    outputs = experts.outputs(stream.experts)
    responsibilities, _, log_likelihood = kernels.responsibilities(
        exclude(gate.log_weights(stream.gate), stream.active),
        likelihood.log_prob(stream.likelihood, outputs),
        sample_weight,
    )

    # M-step
    routed = route(responsibilities, sample_weight)
    weights = np.asarray(TrainingWeights(routed.weights, sample_weight, sharing))
    emphasis = likelihood.emphasis(stream.likelihood, outputs)

    def running(mean, of_batch):
        return (past * mean + batch_weight * of_batch) / (past + batch_weight)

    return Stream(
        weight=past + batch_weight,
        experts=experts.learn(stream.experts, weights * emphasis, stream.active, kept),
        likelihood=likelihood.partial_fit(
            stream.likelihood,
            outputs,
            # Not with what is shared: the rows are new, so that this is calibrated.
            sample_weight[:, np.newaxis] * responsibilities,
            past * stream.share,
        ),
        gate=gate.learn(stream.gate, routed.targets, stream.weight, kept),
        active=stream.active,
        share=running(stream.share, sample_weight @ responsibilities / batch_weight),
        load=running(stream.load, routed.load),
        log_likelihood=log_likelihood,
    )
