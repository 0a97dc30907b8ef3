"""What a fit of a mixture is given, and what it leaves in the mixture."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import Bunch, check_consistent_length
from sklearn.utils.validation import validate_data

from sklearn_moe._class_weights import count_rows_by_class, weigh_classes
from sklearn_moe._estimators import last_step
from sklearn_moe._fit_warnings import summaries
from sklearn_moe._folds import out_of_fold_splits
from sklearn_moe._frames import is_frame
from sklearn_moe._parameters import CannotCountError, count_parameters
from sklearn_moe._rows import Block
from sklearn_moe._sklearn import num_samples, safe_indexing
from sklearn_moe._subjects import check_subjects
from sklearn_moe._weights import check_weights, count_rows_of_batch
from sklearn_moe.em import Iteration, RowsSeen, starting_points
from sklearn_moe.experts import LARGEST_RATIO


@dataclass(frozen=True)
class TrainingSet:
    """The rows that EM sees, those of positive weight, and where they stood.

    Attributes
    ----------
    block : Block
    weighted : bool
        Whether rows, or classes, were given weights.
    unit : float
        The weight that counts as one row, see `count_rows`.
    kept : ndarray of shape (n_samples,), int
        Numbers of the rows among those that were given.
    n_given : int
    of_splitter : dict, default={}
        What a splitter given as `cv` is given with these rows, such as groups.
    """

    block: Block
    weighted: bool
    unit: float
    kept: np.ndarray
    n_given: int
    of_splitter: dict = field(default_factory=dict)

    def folds(self, cv, random_state, *, classification):
        """Folds that hold each row out once; see `out_of_fold_splits`."""
        block = self.block
        return out_of_fold_splits(
            cv,
            block.X,
            block.y,
            self.kept,
            self.n_given,
            random_state,
            classification=classification,
            subjects=block.subjects,
            **self.of_splitter,
        )


def check_no_table(mixture, X, y, *, reset):
    """Validate rows without columns, as far as that is not for the parts to do.

    Parameters
    ----------
    mixture : mixture
        What it knows of the columns of a fit before is forgotten where `reset`.
    X : array-like of length n_samples
    y : array-like, None or "no_validation"
        None raises the error that scikit-learn raises where a target is required.
    reset : bool
        Whether the mixture is fitted.

    Returns
    -------
    X : array-like
        As it was.
    """
    if reset:
        for name in ("n_features_in_", "feature_names_in_"):
            vars(mixture).pop(name, None)
        if y is None:
            validate_data(mixture, X, y, skip_check_array=True)
    elif is_frame(X) or issparse(X):
        # As texts, they would be the names of their columns.
        raise ValueError(
            "In fit, X was no table, but rows of another kind, such as texts; now it "
            f"is a {type(X).__name__}. Give it rows like those of the fit."
        )
    if num_samples(X) == 0:
        raise ValueError(
            f"Found array with 0 sample(s): X is an empty {type(X).__name__}. Give "
            f"{type(mixture).__name__} one row at least."
        )
    return X


def check_training_set(
    X,
    y,
    sample_weight,
    targets,
    named_experts,
    *,
    subjects=None,
    exposure=None,
    stream=None,
):
    """Validate targets and weights, and drop the rows of weight zero.

    Parameters
    ----------
    X : array-like or frame of shape (n_samples, n_features)
        Validated.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
    sample_weight : array-like of shape (n_samples,) or None
    targets : NumberTargets or ClassTargets
    named_experts : list of (str, estimator)
    exposure : array-like of shape (n_samples,), default=None
    stream : tuple of (float, float), default=None
        The weight that counts as one row, and what the batches before have counted,
        from which `targets` are learnt; None means that these are the first.

    Returns
    -------
    training : TrainingSet
    targets : NumberTargets or ClassTargets
        As they were learnt.
    """
    learns = stream is None
    y = targets.check(y)
    check_consistent_length(X, y)
    class_weight, classes = targets.class_weight, targets.classes
    weighted = sample_weight is not None or class_weight is not None
    y, sample_weight, exposure, exposed = targets.with_exposure(
        X, y, sample_weight, exposure, named_experts
    )
    if exposed:
        targets = replace(targets, exposed=exposed)
    targets.check_exposure_known(exposure)
    learnt = targets.learnt_from(y, named_experts) if learns else targets
    if stream is None:
        sample_weight, unit = count_rows_by_class(
            class_weight, y, sample_weight, X, classes
        )
    else:
        unit, _ = stream
        sample_weight = check_weights(sample_weight, X)
        sample_weight = weigh_classes(class_weight, y, sample_weight, classes)
        sample_weight = count_rows_of_batch(sample_weight, X, *stream)
    kept, n_given = np.flatnonzero(sample_weight), len(y)
    if subjects is not None:
        subjects = check_subjects(subjects, X).weighted(sample_weight).take(kept)
    if learns:
        check_number_of_experts(len(named_experts), len(kept), subjects)
    if len(kept) < n_given:
        X, y, sample_weight = safe_indexing(X, kept), y[kept], sample_weight[kept]
        exposure = None if exposure is None else exposure[kept]
        if learns:
            # A class without weight is no class.
            learnt = targets.learnt_from(y, named_experts)
    block = Block(X, y, learnt.encode(y), sample_weight, subjects, exposure)
    if exposure is not None:
        block = replace(block, y=block.encoded_rate)
    return TrainingSet(block, weighted, unit, kept, n_given), learnt


def check_number_of_experts(n_experts, n_rows, subjects=None):
    """Raise ValueError where there are fewer rows of positive weight than experts.

    Or fewer subjects, where rows have some.
    """
    if subjects is not None and len(subjects) < n_experts:
        raise ValueError(
            f"n_experts={n_experts} is more than the number of 'subjects' with rows of "
            f"positive weight, {len(subjects)}. Lower n_experts, or take some out of "
            "the 'experts' list."
        )
    if n_rows < n_experts:
        raise ValueError(
            f"n_experts={n_experts} is more than the number of rows of positive "
            f"weight, n_samples={n_rows}. Lower n_experts, or take some out of the "
            "'experts' list."
        )


def check_routing(assignment, capacity_factor, acceleration, subjects=None):
    """Raise ValueError where parameters of routing exclude each other."""
    chooses = assignment == "expert_choice" or capacity_factor is not None
    if subjects is not None and chooses:
        raise ValueError(
            f"assignment={assignment!r} with capacity_factor={capacity_factor!r} "
            "chooses rows one by one, which would divide 'subjects'. Set "
            "assignment='soft' or 'hard', and capacity_factor=None."
        )
    if capacity_factor is not None and assignment == "soft":
        raise ValueError(
            f"capacity_factor={capacity_factor!r} limits the rows of an "
            "expert, but assignment='soft' trains every expert on every row. Set "
            "assignment='hard' or 'expert_choice', or capacity_factor=None."
        )
    if acceleration == "squarem" and assignment != "soft":
        raise ValueError(
            f"acceleration={acceleration!r} extrapolates responsibilities, "
            f"but assignment={assignment!r} trains experts on chosen rows, "
            "which change by leaps. Set assignment='soft' or acceleration=None."
        )


def count_coefficients(estimators, n_features):
    """How many coefficients each fitted expert has, or as many as a plane has.

    Where rows are no table, `n_features` is None: an expert may make columns of them.
    """
    counts = []
    for estimator in estimators:
        try:
            counts.append(count_parameters(estimator))
        except CannotCountError:
            own = n_features
            if own is None:
                own = getattr(last_step(estimator), "n_features_in_", 0)
            counts.append(own + 1)
    return np.array(counts)


def diluted(sharing, factor):
    """What is shared where so many times as many rows share as much as before."""
    odds = sharing / (1 - sharing) / factor
    return odds / (1 + odds)


@dataclass(frozen=True)
class Begin:
    """With what EM begins.

    Attributes
    ----------
    starts : iterable of list of one column
        Responsibilities of each start.
    n_starts : int
    n_jobs : int or None
        Number of starts at the same time.
    gate : object, default=None
        What the gate goes on from.
    working_weights : float or column of shape (n_samples, n_experts), default=1
        Factor on the weights of the experts' first fit.
    model : Iteration, default=None
        The model that EM goes on from, where its objective is known.
    sharing : float, default=None
        What experts share at first, where that is learnt; None means that it is learnt
        from nothing.
    learns : bool, default=False
        Whether the strengths of penalties are learnt from the first iteration on.
    first : {"init", "start"}, default="init"
        Which of them the first start was given as.
    """

    starts: Any
    n_starts: int
    n_jobs: int | None
    gate: Any = None
    working_weights: Any = 1.0
    model: Iteration | None = None
    sharing: float | None = None
    learns: bool = False
    first: str = "init"


def fitted_attributes(learners, keeps_order, run):
    """What makes a fitted mixture of the best iteration of a `Run`.

    The experts stand as they were given if they keep their order, else in canonical
    order.
    """
    best, pool = run.best, learners.experts
    weight = pool.rows.total_weight
    order = order_of_experts(learners, keeps_order, run)
    estimates = best.estimates
    if best.n_iter:
        experts = pool.estimators(estimates.experts, order)
        gate = learners.gate.estimator(estimates.gate, order)
    else:
        # A model that a warm start keeps.
        experts = [expert.estimator for expert in estimates.experts]
        gate = estimates.gate
    # The objective of a model that a warm start keeps is that of no iteration.
    first = [] if best.n_iter else [best.objective]
    return {
        "experts_": experts,
        "n_experts_": len(experts),
        "named_experts_": Bunch(**dict(zip(pool.names, experts))),
        "gate_": gate,
        "_likelihood_": best.estimates.likelihood.take(order),
        "_active_": best.active[order],
        "expert_share_": best.posterior.share[order],
        "expert_load_": best.load[order],
        "sharing_": best.estimates.sharing,
        "overflow_fraction_": np.array(run.overflow_path),
        "log_likelihood_": float(best.posterior.log_likelihood),
        "objective_path_": np.array(first + run.path),
        "objective_paths_": [np.array(first + path) for path in run.paths],
        "n_iter_": run.last.n_iter,
        "converged_": run.converged,
        "_rows_seen_": RowsSeen(weight, weight),
    }


def order_of_experts(learners, keeps_order, run):
    """Numbers of the experts in their order: the one with most rows comes first.

    Ties are settled by the mean prediction. See `fitted_attributes`. A model that a
    warm start keeps stays as it is.
    """
    share = np.round(run.best.posterior.share, 8)
    if keeps_order or not run.best.n_iter:
        return np.arange(len(share))
    means = np.zeros(len(share))
    if len(np.unique(share)) < len(share):
        experts = enumerate(run.best.estimates.experts)
        means = [learners.experts.mean_output(k, expert) for k, expert in experts]
    return np.lexsort([means, -share])


def warnings_of(mixture, run, interpolates):
    """What a fit has to warn of.

    Parameters
    ----------
    mixture : fitted mixture
    run : Run
    interpolates : ndarray of shape (n_experts,), bool
        Experts that reproduce their training targets, and only these.

    Yields
    ------
    message : str
    category : type
    """
    yield from summaries(run.fit_warnings)
    for number, error in run.failures.items():
        first = mixture.init if run.first == "init" else None
        init = starting_points(first, mixture.n_init)[number]
        kind = f"init={init!r}" if isinstance(init, str) else f"the given {run.first!r}"
        notes = " ".join(getattr(error, "__notes__", ()))
        yield (
            f"Start {number + 1} of {mixture.n_init}, {kind}, failed and is left out: "
            f"{type(error).__name__}: {error} {notes}".rstrip(),
            UserWarning,
        )

    def names(chosen):
        return ", ".join(np.array(list(mixture.named_experts_))[chosen])

    if interpolates.any():
        yield (
            f"Experts {names(interpolates)} reproduce their training targets but not "
            f"others, where their error is more than {LARGEST_RATIO} times as large: "
            "what they say of their own rows does not tell how good they are. Set "
            "cv=5, so that experts are judged on rows they have not seen, or "
            "regularise them.",
            UserWarning,
        )
    if not mixture._active_.all():
        # What is shared holds experts that are trained on every row.
        keep = "raise 'sharing', or " if mixture.assignment == "soft" else ""
        yield (
            f"Experts {names(~mixture._active_)} lost their rows again and again and "
            "were retired: predictions do without them. If you want to keep them, "
            f"{keep}try other starts with 'init' or 'n_init'.",
            UserWarning,
        )
    last = run.last
    # A callback that stops EM earlier knows that it does.
    if not run.converged and last.n_iter == mixture.max_iter:
        # A first iteration, or a new start of an expert, has no change to tell.
        change = (
            f": the objective still changed by {last.change:.2g} a row"
            if np.isfinite(last.change)
            else ""
        )
        yield (
            f"EM did not converge in max_iter={mixture.max_iter} iterations{change}. "
            "Increase max_iter or tol.",
            ConvergenceWarning,
        )
