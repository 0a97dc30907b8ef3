"""Learn from batches: EM on the first, a step of online EM for each further one."""

import warnings
from dataclasses import replace
from functools import partial

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import Bunch, check_random_state

from sklearn_moe import gates
from sklearn_moe._estimators import (
    IncrementalFit,
    OnlineFit,
    params_of_rows,
    supports_batches,
)
from sklearn_moe._fitting import (
    Begin,
    check_routing,
    check_training_set,
    diluted,
    warnings_of,
)
from sklearn_moe._given_start import given_start
from sklearn_moe._metadata import check_metadata
from sklearn_moe._parallel import scatter
from sklearn_moe._rows import LocalRows
from sklearn_moe.em import (
    Learners,
    RowsSeen,
    Stream,
    kept_fraction,
    online_step,
    rows_of_start,
)
from sklearn_moe.experts import ExpertPool


def learns_from_batches(mixture):
    """Whether all parts of a mixture have `partial_fit`, as `available_if` asks.

    Raises
    ------
    AttributeError
        If a part has no `partial_fit`; the message names it.
    """
    composition = mixture._composition()
    if composition.has_uniform:
        raise AttributeError(
            "partial_fit does not support a 'uniform' expert: its density depends on "
            "the range of all targets, which a stream does not know. Leave it out, or "
            "use fit."
        )
    parts = composition.parts()
    if hasattr(mixture, "experts_"):
        # Parameters that were changed after the first batch do not affect the stream.
        named = zip(mixture.named_experts_.items(), mixture._active_)
        parts = [("gate", mixture.gate_), *(own for own, active in named if active)]
    for name, part in parts:
        able = gates.gate_can_learn(part) if name == "gate" else supports_batches(part)
        if not able:
            what = "the gate" if name == "gate" else f"expert {name!r}"
            raise AttributeError(
                "partial_fit needs parts that have it themselves, but "
                f"{what}, a {type(part).__name__}, has none. Take SGDRegressor, "
                "SGDClassifier, naive Bayes or a neural network, and do the "
                "preprocessing in front of the mixture."
            )
    return True


def learn_batch(
    mixture, X, y, sample_weight, fit_params, targets, *, subjects=None, exposure=None
):
    """Fit the first batch of a stream, or learn a further one.

    Parameters
    ----------
    X, y, sample_weight, exposure : object
        As given to `partial_fit`.
    fit_params : dict
    targets : NumberTargets or ClassTargets
        Target information from before the first batch.
    subjects : array-like of shape (n_samples,), default=None
        As given to `partial_fit`.

    Returns
    -------
    warnings : iterable of (message, category)
    """
    check_metadata(mixture, "partial_fit", fit_params)
    check_routing(
        mixture.assignment, mixture.capacity_factor, mixture.acceleration, subjects
    )
    begins = not hasattr(mixture, "experts_")
    if not begins:
        targets = targets.going_on_from(mixture._targets_)
    targets.check_stream()
    if begins:
        composition = mixture._composition()
        named_experts = composition.checked_experts(mixture.get_params(deep=False))
        gate = composition.checked_gate()
    else:
        named_experts = list(mixture.named_experts_.items())
    X = mixture._check_X(X, y, reset=begins)
    training, targets = check_training_set(
        X,
        y,
        sample_weight,
        targets,
        named_experts,
        subjects=subjects,
        exposure=exposure,
        stream=None if begins else (mixture._weight_unit_, mixture._rows_seen_.n_rows),
    )
    if not begins:
        _check_subjects_go_on(mixture, training.block.subjects)
    mixture._set_targets(targets)
    mixture._weight_unit_ = training.unit
    params = mixture._expert_params(
        named_experts, fit_params, X, training, "partial_fit"
    )
    random_state = check_random_state(mixture.random_state)
    if begins:
        choice_warnings = []
        if mixture._chooses_n_experts:
            classes = targets.classes
            named_experts, choice_warnings = mixture._choose_n_experts(
                training,
                random_state,
                fit="partial_fit",
                fit_params=params_of_rows(X, fit_params, training.kept),
                **({} if classes is None else {"classes": classes}),
            )
            params = mixture._expert_params(
                named_experts, fit_params, X, training, "partial_fit"
            )
        return choice_warnings + _begin_stream(
            mixture, named_experts, gate, training, params, random_state
        )
    _go_on(mixture, named_experts, training, params, random_state)
    return ()


def _begin_stream(mixture, named_experts, gate, training, params, random_state):
    """Fit the first batch by EM, with many calls of the experts' `partial_fit`."""
    targets = mixture._targets_
    jobs, starts_jobs = mixture._jobs(mixture.n_init)
    rows = LocalRows(training.block, jobs)
    pool = ExpertPool(
        named_experts,
        rows,
        targets.output_of,
        fitter=partial(IncrementalFit, classes=targets.classes),
        random_state=random_state,
        are_given=mixture._composition().are_given,
        fit_params=params,
    )
    learners = mixture._learners(pool, gate, targets, None, random_state)
    drawn = rows_of_start(rows.n_samples, random_state)
    given = given_start(mixture, None, training, len(named_experts))
    starts = mixture._starts(learners, targets, drawn, random_state, given)
    with scatter(rows.n_jobs, rows.block), warnings.catch_warnings():
        # Convergence on the first batch does not matter, since the stream goes on.
        warnings.simplefilter("ignore", ConvergenceWarning)
        run = mixture._run_em(
            learners,
            Begin(starts, mixture.n_init, starts_jobs),
            mixture._hooks(training),
            # Experts that learn by steps do not increase the objective monotonically.
            acceleration=None
            if mixture.acceleration == "auto"
            else mixture.acceleration,
        )
    mixture._rows_seen_ = _remembered(mixture, rows)
    mixture._remember_subjects(training.block)
    nothing = np.zeros(len(pool.names), dtype=bool)
    return [
        (message, category)
        for message, category in warnings_of(mixture, run, nothing)
        if category is not ConvergenceWarning
    ]


def _check_subjects_go_on(mixture, subjects):
    """Raise ValueError if the subjects of a batch do not match the earlier batches."""
    known = mixture._known_subjects_
    if (known is None) != (subjects is None):
        began, batch = ("without" if s is None else "with" for s in (known, subjects))
        raise ValueError(
            f"The mixture began {began} 'subjects', and this batch is {batch} them. "
            "Give subjects with all batches, or with none."
        )
    if known is not None:
        known.check_new(subjects)


def _remembered(mixture, rows):
    """Return the statistics of the stream so far.

    Statistics that do not exist yet are computed as if all earlier rows had been like
    those of this batch.
    """
    seen = mixture._rows_seen_
    if seen.gate is None:
        memory = gates.remember_gate(
            mixture.gate_,
            rows,
            len(mixture.experts_),
            weight=seen.weight,
        )
        seen = replace(seen, gate=memory)
    if seen.target is None:
        moments = mixture._targets_.summarize(rows)
        if moments is not None:
            moments = replace(moments, weight=seen.weight)
        seen = replace(seen, target=moments)
    return seen


def _go_on(mixture, named_experts, training, params, random_state):
    """Take a step of online EM with a batch."""
    rows, targets = LocalRows(training.block, mixture.n_jobs), mixture._targets_
    seen, weight = _remembered(mixture, rows), rows.total_weight
    kept = kept_fraction(seen.n_rows, weight, mixture.learning_decay, mixture.half_life)
    moments = targets.summarize(rows)
    if moments is not None:
        moments = kept * seen.target + moments
        mixture._target_range_ = targets.range_of(moments, mixture._target_range_)
    offset = random_state.uniform()
    pool = ExpertPool(
        named_experts,
        rows,
        targets.output_of,
        fitter=partial(OnlineFit, classes=targets.classes, kept=kept, offset=offset),
        random_state=None,
        are_given=mixture._composition().are_given,
        fit_params=params,
    )
    learners = Learners(
        pool,
        targets.next_likelihood(mixture._likelihood_, moments, mixture.experts_),
        gates.resume_gate(
            mixture.gate_,
            rows,
            len(pool.names),
            memory=seen.gate,
            kept=kept,
            offset=offset,
        ),
    )
    sharing = mixture.sharing
    if sharing == "auto":
        sharing = diluted(mixture.sharing_, (seen.n_rows + weight) / seen.n_rows)
    stream = online_step(
        Stream(
            weight=seen.weight,
            experts=mixture.experts_,
            likelihood=mixture._likelihood_,
            gate=mixture.gate_,
            active=mixture._active_,
            share=mixture.expert_share_,
            load=mixture.expert_load_,
            log_likelihood=mixture.log_likelihood_,
        ),
        rows,
        learners,
        gates.log_weights(
            mixture.gate_, training.block.X, len(pool.names), training.block.subjects
        ),
        kept=kept,
        sharing=sharing,
        router=mixture._router(rows, len(pool.names)),
    )
    # A step of a stream is not a fit that a warm start could resume.
    mixture._reached_ = None
    mixture.experts_ = stream.experts
    mixture.named_experts_ = Bunch(**dict(zip(pool.names, stream.experts)))
    mixture.gate_ = stream.gate
    mixture._likelihood_ = stream.likelihood
    mixture.expert_share_, mixture.expert_load_ = stream.share, stream.load
    mixture.sharing_ = sharing
    mixture.log_likelihood_ = float(stream.log_likelihood)
    mixture._rows_seen_ = RowsSeen(
        seen.n_rows + weight, stream.weight, moments, stream.gate_memory
    )
    mixture._remember_subjects(training.block)
