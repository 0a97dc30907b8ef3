"""Go on from the fit before, which a warm start never ends below."""

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

# Parameters that say how a mixture is fitted, or predicts, and not what is fitted.
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
    """What has been fitted to which rows, and how far it has come.

    Attributes
    ----------
    params : dict
        Parameters of the mixture and its parts that say what is fitted.
    rows : str or None
        Hash of the training rows; None where no warm start is asked for.
    model : Iteration or None
        The one that is kept, without what is of the size of the rows or of the experts.
    """

    params: dict
    rows: str | None
    model: Any = None

    @classmethod
    def begun(cls, mixture, training):
        """What a mixture begins to fit to the rows of a training set."""
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

    def at(self, iteration):
        """The same when EM has reached an iteration."""
        estimates = replace(
            iteration.estimates,
            experts=None,
            likelihood=None,
            gate=None,
            working_weights=1.0,
        )
        model = replace(iteration, estimates=estimates, posterior=None)
        return replace(self, model=model)

    def has_params_of(self, other):
        """Whether objectives of the two compare, where the rows are the same.

        A part, or an array, that is not the same object counts as another.
        """
        return self.params.keys() == other.params.keys() and all(
            value is other.params[name]
            or (isinstance(value, (str, Number)) and value == other.params[name])
            for name, value in self.params.items()
        )


def model_to_go_on_from(mixture):
    """The fit before, from which this one goes on, or None."""
    if not hasattr(mixture, "experts_"):
        return None
    return mixture._fitted(), getattr(mixture, "n_features_in_", None)


def begin_warm(mixture, previous, learners, block, reached):
    """Begin EM at the fit before.

    `reached` is what begins to be fitted.
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
                f"{name} was {old} and is {new} now. Set warm_start=False to begin "
                "anew."
            )
    begin, posterior = begin_at(fitted, learners, block)
    return replace(
        begin,
        model=_model_before(mixture, fitted, posterior, learners, reached),
        sharing=_next_sharing(mixture),
    )


def begin_at(fitted, learners, block):
    """Begin EM at a fitted mixture, of whatever rows.

    Parameters
    ----------
    fitted : FittedMixture
    learners : Learners
    block : Block

    Returns
    -------
    begin : Begin
    posterior : Posterior
        What the mixture says of the rows.
    """
    # What it knows of subjects is from rows that it may be about to see again.
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
    """The fit before as an iteration of EM, or None if its objective is unknown."""
    before = getattr(mixture, "_reached_", None)
    # EM gives retired experts another chance, and counts them again.
    if not (before and before.has_params_of(reached) and fitted.active.all()):
        return None
    pool, model = learners.experts, before.model
    share, log_likelihood = mixture.expert_share_, mixture.log_likelihood_
    if before.rows is None or before.rows != reached.rows:
        recalled = learners.gate.recall(fitted.gate)
        if pool.splits is not None or recalled is None or np.any(pool.is_noise):
            # What was fitted to all rows is not out-of-fold, a gate that is fitted
            # from nowhere has a term that is about its own rows, and the density of
            # noise is about the range of its own.
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
            model, objective=objective, drift=0.0, next_drift=ahead - objective
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
    """What the experts would have shared next, had EM gone on."""
    before = getattr(mixture, "_reached_", None)
    return mixture.sharing_ if before is None else before.model.estimates.next_sharing
