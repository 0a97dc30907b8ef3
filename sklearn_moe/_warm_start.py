"""Warm start: resume EM at the previous fit, and never end with a lower objective."""

from dataclasses import dataclass, replace
from numbers import Number
from typing import Any

import joblib
import numpy as np

from sklearn_moe._estimators import WarmStartError
from sklearn_moe._fitting import Begin
from sklearn_moe._persistence import saved_as_dict
from sklearn_moe.em import (
    Posterior,
    e_step,
    log_prob_of_block,
    objective_of,
    working_weights_of,
)
from sklearn_moe.experts import FittedExpert

# Parameters that change how a mixture is fitted or predicts, but not the objective.
NOT_OF_THE_MODEL = {
    "init",
    "n_init",
    "max_iter",
    "tol",
    "acceleration",
    "warm_start",
    "n_jobs",
    "random_state",
    "verbose",
    "combination",
    "top_k",
    "learning_decay",
    "half_life",
}


@saved_as_dict
@dataclass(frozen=True)
class Reached:
    """The model and the training rows of a fit, and the objective that it has reached.

    Attributes
    ----------
    params : dict
        Parameters of the mixture and its parts that determine the objective.
    rows : str or None
        Hash of the training rows; None if `warm_start` is False.
    model : Iteration or None
        The iteration that is kept, without fitted experts and arrays of all rows.
    """

    params: dict
    rows: str | None
    model: Any = None

    @classmethod
    def begun(cls, mixture, training):
        """Return the record of a fit that begins, without a model yet."""
        params = mixture.get_params()
        for name in NOT_OF_THE_MODEL:
            params.pop(name, None)
        block = training.block
        rows = (
            *(block.X, block.y, block.sample_weight, block.exposure),
            block.subjects and block.subjects.codes,
            training.of_splitter,
        )
        return cls(params, joblib.hash(rows) if mixture.warm_start else None)

    def at(self, iteration, n_revivals):
        """Return the record with the iteration that EM has reached.

        Experts that were reinitialised after that iteration were so in vain.
        """
        estimates = replace(
            iteration.estimates,
            experts=None,
            likelihood=None,
            gate=None,
            working_weights=1.0,
        )
        model = replace(
            iteration, estimates=estimates, posterior=None, n_revivals=n_revivals
        )
        return replace(self, model=model)

    def has_params_of(self, other):
        """Whether the objectives of two fits to the same rows are comparable.

        Estimators and arrays must be the same objects.
        """
        return self.params.keys() == other.params.keys() and all(
            value is other.params[name]
            or (isinstance(value, (str, Number)) and value == other.params[name])
            for name, value in self.params.items()
        )


def model_to_go_on_from(mixture):
    """Return the previous fit and its number of features, or None if there is none."""
    if not hasattr(mixture, "experts_"):
        return None
    return mixture._fitted(), getattr(mixture, "n_features_in_", None)


def begin_warm(mixture, previous, learners, block, reached):
    """Return the start of EM at the previous fit.

    `reached` is the record of the fit that begins.
    """
    fitted, n_features = previous
    classes = [
        np.asarray([] if targets.classes is None else targets.classes).tolist()
        for targets in (fitted.targets, mixture._targets_)
    ]
    for name, old, new in (
        (
            "number of experts",
            len(fitted.named_experts),
            len(learners.experts.names),
        ),
        (
            "number of features",
            n_features,
            getattr(mixture, "n_features_in_", None),
        ),
        ("shape of a target", fitted.targets.shape, mixture._targets_.shape),
        ("set of classes", *classes),
    ):
        if old != new:
            raise WarmStartError(
                "warm_start=True goes on from the previous fit, but its "
                f"{name} was {old} and is {new} now. Set warm_start=False to start "
                "afresh."
            )
    begin, posterior = begin_at(fitted, learners, block)
    return replace(
        begin,
        model=_model_before(mixture, fitted, posterior, learners, reached),
        sharing=_next_sharing(mixture),
    )


def begin_at(fitted, learners, block):
    """Return the start of EM at a fitted mixture, which may be a fit to other rows.

    Parameters
    ----------
    fitted : FittedMixture
    learners : Learners
    block : Block

    Returns
    -------
    begin : Begin
    posterior : Posterior
        Posterior of the rows under the mixture.
    """
    # Posteriors of known subjects are not used: they may come from these very rows.
    fitted = replace(
        fitted, subjects=block.subjects, known=None, exposure=block.exposure
    )
    rows, outputs = learners.experts.rows, fitted.outputs(block.X, block.y)
    posterior = e_step(
        rows,
        fitted.log_gate(block.X),
        log_prob_of_block(block, outputs, fitted.likelihood),
        fitted.active,
        sums=True,
    )
    begin = Begin(
        [[posterior.responsibilities]],
        1,
        1,
        learners.gate.recall(fitted.gate),
        working_weights_of(rows, fitted.likelihood, outputs),
    )
    return begin, posterior


def _model_before(mixture, fitted, posterior, learners, reached):
    """Return the previous fit as an iteration, or None if its objective is unknown."""
    before = getattr(mixture, "_reached_", None)
    # EM makes retired experts active again, which changes the objective.
    if not (before and before.has_params_of(reached) and fitted.active.all()):
        return None
    pool, model = learners.experts, before.model
    share, log_likelihood = mixture.expert_share_, mixture.log_likelihood_
    if before.rows is None or before.rows != reached.rows:
        recalled = learners.gate.recall(fitted.gate)
        if pool.splits is not None or recalled is None or np.any(pool.is_noise):
            # For new rows the objective cannot be computed in three cases: experts
            # that were fitted to all rows have no out-of-fold predictions, the penalty
            # of a gate without `recall` depends on its training rows, and the uniform
            # density depends on the range of the training targets.
            return None
        share, log_likelihood = posterior.share, posterior.log_likelihood
        estimates = model.estimates
        objective, ahead = (
            objective_of(
                posterior, penalty, fitted.active, sharing, pool.rows.total_weight
            )
            for penalty, sharing in (
                (model.penalty, estimates.sharing),
                (model.next_penalty, estimates.next_sharing),
            )
        )
        model = replace(
            model,
            objective=objective,
            drift=0.0,
            next_drift=ahead - objective,
            n_revivals=0,
        )
    return replace(
        model,
        n_iter=0,
        estimates=replace(
            model.estimates,
            experts=[FittedExpert(e) for e in fitted.named_experts.values()],
            likelihood=fitted.likelihood,
            gate=fitted.gate,
        ),
        posterior=Posterior(None, share, log_likelihood),
        active=fitted.active,
        load=mixture.expert_load_,
    )


def _next_sharing(mixture):
    """Return the `sharing` of the next iteration, had EM continued."""
    before = getattr(mixture, "_reached_", None)
    return mixture.sharing_ if before is None else before.model.estimates.next_sharing
