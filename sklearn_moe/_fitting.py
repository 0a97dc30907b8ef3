"""Validated training data of a fit, and the fitted attributes that it sets."""

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
    """The rows of positive weight, on which EM works, and their original indices.

    Attributes
    ----------
    block : Block
    weighted : bool
        Whether sample weights or class weights were given.
    unit : float
        The weight that counts as one row, see `count_rows`.
    kept : ndarray of shape (n_samples,), int
        Indices of the rows among those that were given.
    n_given : int
        Number of rows that were given.
    of_splitter : dict, default={}
        Further arguments of a splitter given as `cv`, such as groups.
    """

    block: Block
    weighted: bool
    unit: float
    kept: np.ndarray
    n_given: int
    of_splitter: dict = field(default_factory=dict)

    def folds(self, cv, random_state, *, classification):
        """Return folds that hold each row out once; see `out_of_fold_splits`."""
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
    """Validate rows without columns; experts and gate validate the rest.

    Parameters
    ----------
    mixture : mixture
        With `reset`, its attributes about the columns of a previous fit are removed.
    X : array-like of length n_samples
    y : array-like, None or "no_validation"
        None raises scikit-learn's error for a missing target.
    reset : bool
        Whether the mixture is being fitted.

    Returns
    -------
    X : array-like
        The same object.
    """
    if reset:
        for name in ("n_features_in_", "feature_names_in_"):
            vars(mixture).pop(name, None)
        if y is None:
            validate_data(mixture, X, y, skip_check_array=True)
    elif is_frame(X) or issparse(X):
        # Iterating a frame as a list of texts would yield its column names.
        raise ValueError(
            "In fit, X was not a table, but rows of another kind, such as texts; now "
            f"it is a {type(X).__name__}. Give it rows like those of the fit."
        )
    if num_samples(X) == 0:
        raise ValueError(
            f"Found array with 0 sample(s): X is an empty {type(X).__name__}. Give "
            f"{type(mixture).__name__} at least one row."
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
        Validated rows.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
    sample_weight : array-like of shape (n_samples,) or None
    targets : NumberTargets or ClassTargets
    named_experts : list of (str, estimator)
    exposure : array-like of shape (n_samples,), default=None
    stream : tuple of (float, float), default=None
        The weight that counts as one row, and the number of rows of earlier batches,
        from which `targets` were learnt. None means that this is the first batch.

    Returns
    -------
    training : TrainingSet
    targets : NumberTargets or ClassTargets
        The targets as learnt from y.
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
            # Classes without any weight are left out.
            learnt = targets.learnt_from(y, named_experts)
    block = Block(X, y, learnt.encode(y), sample_weight, subjects, exposure)
    if exposure is not None:
        block = replace(block, y=block.encoded_rate)
    return TrainingSet(block, weighted, unit, kept, n_given), learnt


def check_number_of_experts(n_experts, n_rows, subjects=None):
    """Raise ValueError if there are fewer rows of positive weight than experts.

    If rows have subjects, there must also be enough of these.
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
    """Raise ValueError if parameters of routing exclude each other."""
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
            "which change abruptly. Set assignment='soft' or acceleration=None."
        )


def count_coefficients(estimators, n_features):
    """Return the number of coefficients of each fitted expert.

    If it cannot be counted, that of a linear model is used. `n_features` is None if the
    rows are not a table; an expert may still extract columns from them.
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
    """Return the `sharing` for more rows, by a factor, with the same shared weight."""
    odds = sharing / (1 - sharing) / factor
    return odds / (1 + odds)


@dataclass(frozen=True)
class Begin:
    """The state from which EM starts.

    Attributes
    ----------
    starts : iterable of list of one column
        Responsibilities of each start.
    n_starts : int
    n_jobs : int or None
        Number of starts at the same time.
    gate : object, default=None
        The `previous` of the first M-step of the gate.
    working_weights : float or column of shape (n_samples, n_experts), default=1
        Factor on the weights of the experts' first fit.
    model : Iteration, default=None
        The model from which EM continues, if its objective is known.
    sharing : float, default=None
        First value of `sharing`, if it is learnt. None means the default.
    learns : bool, default=False
        Whether the strengths of penalties are learnt from the first iteration on.
    first : {"init", "start"}, default="init"
        The argument by which the first start was given.
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
    """Return the fitted attributes of a mixture, from the best iteration of a `Run`.

    The experts are in their given order if `keeps_order`, otherwise sorted by their
    share.
    """
    best, pool = run.best, learners.experts
    weight = pool.rows.total_weight
    order = order_of_experts(learners, keeps_order, run)
    estimates = best.estimates
    if best.n_iter:
        experts = pool.estimators(estimates.experts, order)
        gate = learners.gate.estimator(estimates.gate, order)
    else:
        # A warm start keeps the previous model.
        experts = [expert.estimator for expert in estimates.experts]
        gate = estimates.gate
    # The objective of a previous model is not that of an iteration of this fit.
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
    """Return the indices of the experts in their final order, by descending share.

    Ties are broken by the mean prediction. The order is kept if `keeps_order`, and in a
    previous model that a warm start keeps. See `fitted_attributes`.
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
    """Yield the warnings of a fit.

    Parameters
    ----------
    mixture : fitted mixture
    run : Run
    interpolates : ndarray of shape (n_experts,), bool
        Which experts reproduce their training targets, but not other targets.

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
    # A given expert that no row needs is a result of the fit, not an accident.
    if not mixture._active_.all() and not mixture._composition().are_given:
        # Sharing keeps experts alive, but only with soft assignment.
        keep = "raise 'sharing', or " if mixture.assignment == "soft" else ""
        yield (
            f"Experts {names(~mixture._active_)} lost their rows repeatedly and were "
            "retired: predictions do not use them. If you want to keep them, "
            f"{keep}try other starts with 'init' or 'n_init'.",
            UserWarning,
        )
    last = run.last
    # No warning if a callback has stopped EM earlier.
    if not run.converged and last.n_iter == mixture.max_iter:
        # The change is not finite in a first iteration, or if an expert was restarted.
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
