"""What the two estimators share: the outline of fit."""

import warnings
from abc import ABCMeta, abstractmethod
from dataclasses import dataclass
from functools import partial
from itertools import chain
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import TransformerMixin, is_classifier
from sklearn.callback import CallbackSupportMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import (
    Bunch,
    check_consistent_length,
    check_random_state,
)
from sklearn.utils.metadata_routing import (
    process_routing,
)
from sklearn.utils.validation import check_is_fitted

from sklearn_moe import gates
from sklearn_moe._atomic import all_or_nothing
from sklearn_moe._compat import (
    HasMethods,
    Interval,
    StrOptions,
    VisualBlock,
    check_sample_weight,
    fit_context,
    raise_for_params,
    safe_indexing,
    select_params,
)
from sklearn_moe._composition import PartsMixin
from sklearn_moe._criteria import InformationCriteriaMixin
from sklearn_moe._parallel import sent_once
from sklearn_moe._prediction import PredictionMixin
from sklearn_moe._run import best_run
from sklearn_moe.em import expectation_maximization
from sklearn_moe.experts import (
    ExpertPool,
    find_memorizers,
    has_own_density,
)
from sklearn_moe.folds import folds
from sklearn_moe.initialization import (
    KINDS,
    initial_responsibilities,
    rows_of_init,
    rows_of_start,
    starting_points,
)
from sklearn_moe.likelihoods import OwnDensityLikelihood
from sklearn_moe.online import RowsSeen
from sklearn_moe.routing import (
    Router,
)
from sklearn_moe.weighting import CannotGoOnError, seeded

# The largest part of a row that is shared automatically.
LARGEST_SHARED_PART = 0.5


@dataclass(frozen=True)
class TrainingSet:
    """The rows that EM sees: those of positive weight."""

    X: Any
    y: np.ndarray
    encoded_y: np.ndarray
    sample_weight: np.ndarray
    weighted: bool
    kept: np.ndarray
    n_given: int


class BaseMixtureOfExperts(
    PredictionMixin,
    InformationCriteriaMixin,
    CallbackSupportMixin,
    TransformerMixin,
    PartsMixin,
    metaclass=ABCMeta,
):
    """Base of the mixtures of experts; a subclass knows about its targets."""

    _parameter_constraints: dict = {
        "experts": [list, HasMethods(["fit"]), None],
        "n_experts": [Interval(Integral, 1, None, closed="left")],
        "gate": [HasMethods(["fit"]), None],
        "combination": [StrOptions({"weighted", "argmax"})],
        "top_k": [Interval(Integral, 1, None, closed="left"), None],
        "assignment": [StrOptions({"soft", "hard", "expert_choice"})],
        "capacity_factor": [Interval(Real, 0, None, closed="right"), None],
        "overflow": [StrOptions({"drop", "reroute"})],
        "sharing": [Interval(Real, 0, 1, closed="left"), StrOptions({"auto"})],
        "specialize": ["boolean", StrOptions({"auto"})],
        "cv": [StrOptions({"auto"}), "cv_object"],
        "init": [StrOptions(set(KINDS)), HasMethods("fit_predict"), "array-like"],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "acceleration": [StrOptions({"squarem"}), None],
        "warm_start": ["boolean"],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    # What a subclass knows
    # ---------------------

    @abstractmethod
    def _check_y(self, y):
        """Validate the training target; set what is learnt from it (`classes_`)."""

    @abstractmethod
    def _encode_y(self, y):
        """The target as the likelihood wants it."""

    @abstractmethod
    def _make_likelihood(self, training, random_state):
        """The likelihood at work on the training set."""

    @abstractmethod
    def _n_noise_parameters(self, experts):
        """Number of parameters of the likelihoods of some experts."""

    @abstractmethod
    def _make_answers(self, y):
        """What the mixture asks of its experts: a callable on (expert, X)."""

    # Fitting
    # -------

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y, sample_weight=None, **fit_params):
        """Fit the experts and the gate by EM.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
            Training rows. A frame reaches the experts as it is.
        y : array-like of shape (n_samples,)
            Training targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows. A weight of 2 equals the row twice, a weight of 0
            equals no row. None means equal weights.
        **fit_params : dict
            Further arguments of the experts' `fit`, by metadata routing; only where it
            is enabled.

        Returns
        -------
        self : estimator

        Raises
        ------
        ValueError
            If the data do not fit the parameters; what was fitted before stays as it
            was.
        TypeError
            If an expert or the gate is not an estimator of the right kind.
        """
        raise_for_params(fit_params, self, "fit")
        self._check_routing()
        named_experts = self._named_experts()
        gate = self._gate()
        with all_or_nothing(self):
            previous = self._previous_fit(len(named_experts))
            training = self._check_training_set(X, y, sample_weight, len(named_experts))
            random_state = check_random_state(self.random_state)
            rows = rows_of_start(len(training.sample_weight), random_state)
            names = [name for name, _ in named_experts]
            expert_params = self._expert_params(names, fit_params, X, training)
            n_starts = self.n_init if previous is None else 1
            parts_jobs, starts_jobs = self._jobs(n_starts)
            parts = self._parts_at_work(
                named_experts, gate, training, expert_params, random_state, parts_jobs
            )
            if previous is None:
                starts = self._starts(training, parts, rows, random_state)
            else:
                self._check_same_problem(previous)
                parts["first_gate"] = parts["gate"].parameters_of(previous["gate_"])
                outputs = self._answers_for(training.X, training.y)
                parts["first_emphasis"] = parts["likelihood"].emphasis(
                    self._likelihood_, outputs
                )
                starts = [[self.responsibilities(training.X, training.y)]]
            self._run_em(starts, n_starts, starts_jobs, training, parts, random_state)
        return self

    def _parts_at_work(
        self, named_experts, gate, training, expert_params, random_state, n_jobs
    ):
        """Experts, likelihood and gate, as EM knows them."""
        splits = self._splits(gate, training, random_state)
        return {
            "experts": ExpertPool(
                named_experts,
                training.X,
                training.y,
                training.sample_weight,
                self._answers_,
                random_state=random_state,
                splits=splits["experts"],
                specialize=self._specializes(),
                n_jobs=n_jobs,
                fit_params=expert_params,
            ),
            "likelihood": self._likelihood_of(
                [expert for _, expert in named_experts],
                self._make_likelihood(training, random_state),
            ),
            "gate": gates.gating(
                gate,
                training.X,
                training.sample_weight,
                random_state=random_state,
                splits=splits["gate"],
                n_jobs=n_jobs,
            ),
        }

    def _likelihood_of(self, experts, likelihood):
        """A likelihood that knows which experts have a density of their own."""
        nested = any(has_own_density(expert) for expert in experts)
        return OwnDensityLikelihood(likelihood) if nested else likelihood

    def _check_routing(self):
        """Raise an error where parameters of routing exclude each other."""
        if self.capacity_factor is not None and self.assignment == "soft":
            raise ValueError(
                f"capacity_factor={self.capacity_factor!r} limits the rows of an "
                "expert, but assignment='soft' trains every expert on every row. Set "
                "assignment='hard' or 'expert_choice', or capacity_factor=None."
            )
        if self.acceleration is not None and self.assignment != "soft":
            raise ValueError(
                f"acceleration={self.acceleration!r} extrapolates responsibilities, "
                f"but assignment={self.assignment!r} trains experts on chosen rows, "
                "which change by leaps. Set assignment='soft' or acceleration=None."
            )

    def _jobs(self, n_starts):
        """Number of jobs of each start, and of the starts: one level of parallelism."""
        # Given experts are fitted once, for all starts.
        starts_apart = n_starts > 1 and self._specializes()
        return (1, self.n_jobs) if starts_apart else (self.n_jobs, 1)

    def _shared_part(self, n_experts, total_weight):
        """The part of each row that all experts share equally.

        Automatically each gets as much as so many rows as a plane has coefficients.
        """
        if self.sharing != "auto":
            return self.sharing
        wanted = n_experts * (self.n_features_in_ + 1)
        return min(wanted / total_weight, LARGEST_SHARED_PART)

    def _splits(self, gate, training, random_state):
        """The folds of the experts and of the gate; None means in-sample answers."""
        wanted = {
            "experts": self.cv != "auto" or self._unlike() or not self._specializes(),
            "gate": gates.needs_folds(gate),
        }
        if self.cv is None or not any(wanted.values()):
            return {"experts": None, "gate": None}
        splits = self._folds(self.cv, training, random_state)
        return {part: splits if wanted[part] else None for part in wanted}

    def _folds(self, cv, training, random_state):
        return folds(
            cv,
            training.X,
            training.y,
            training.kept,
            training.n_given,
            random_state,
            classification=is_classifier(self),
        )

    def _check_training_set(
        self, X, y, sample_weight, n_experts, *, reset=True, check_y=None
    ):
        """Validate the data and drop the rows of weight zero."""
        check_y = self._check_y if check_y is None else check_y
        X = self._check_X(X, y, reset=reset)
        y = check_y(y)
        check_consistent_length(X, y)
        weighted = sample_weight is not None
        sample_weight = check_sample_weight(
            sample_weight, X, dtype=np.float64, ensure_non_negative=True
        )
        kept = np.flatnonzero(sample_weight)
        if reset and len(kept) < n_experts:
            raise ValueError(
                f"n_experts={n_experts} is more than the number of rows of positive "
                f"weight, n_samples={len(kept)}. Ask for fewer experts."
            )
        n_given = len(y)
        if len(kept) < n_given:
            # A class without weight is no class: y is checked again.
            X, y = safe_indexing(X, kept), check_y(y[kept])
            sample_weight = sample_weight[kept]
        if reset:
            self._answers_ = self._make_answers(y)
        return TrainingSet(
            X, y, self._encode_y(y), sample_weight, weighted, kept, n_given
        )

    def _expert_params(self, names, fit_params, X, training, method="fit"):
        """Further arguments of each expert's fit, by name, for the kept rows."""
        if not fit_params:
            return {}
        routed = process_routing(self, method, **fit_params)
        return {
            name: select_params(
                X,
                routed[name if isinstance(self.experts, list) else "experts"][method],
                training.kept,
            )
            for name in names
        }

    def _previous_fit(self, n_experts):
        """The attributes of the fit that a warm start goes on from, or None."""
        if self.warm_start and hasattr(self, "experts_"):
            return {**vars(self), "n_experts": n_experts}
        return None

    def _check_same_problem(self, previous):
        for name, old, new in (
            ("number of experts", len(previous["experts_"]), previous["n_experts"]),
            ("number of features", previous["n_features_in_"], self.n_features_in_),
            (
                "set of classes",
                np.asarray(previous.get("classes_", [])).tolist(),
                np.asarray(getattr(self, "classes_", [])).tolist(),
            ),
        ):
            if old != new:
                raise CannotGoOnError(
                    "warm_start=True goes on from the previous fit, but its "
                    f"{name} was {old} and is {new} now. Set warm_start=False to begin "
                    "anew."
                )

    def _starts(self, training, parts, rows, random_state):
        """Yield the responsibilities with which each start of EM begins, in a list."""
        init = self.init
        if hasattr(init, "fit_predict"):
            init = seeded(init, random_state)
        elif not isinstance(init, str):
            init = rows_of_init(init, training.kept, training.n_given)
        elif self._gate_is_frozen():
            # It will not follow the experts: they begin where it trusts them.
            n_experts = len(parts["experts"].names)
            even = np.full((training.X.shape[0], n_experts), 1 / n_experts)
            init = np.exp(parts["gate"].fit(even, None)[1])
        for start in starting_points(init, self.n_init):
            yield [
                initial_responsibilities(
                    start,
                    parts["gate"].features,
                    training.encoded_y,
                    len(parts["experts"].names),
                    training.sample_weight,
                    random_state,
                    rows,
                    n_classes=len(self.classes_) if is_classifier(self) else None,
                )
            ]

    def _run_em(
        self, starts, n_starts, n_jobs, training, parts, random_state, judge=True
    ):
        """Run EM from every start; set the fitted attributes of the best iterate.

        Experts are judged on rows that they have not seen, where `judge` says so.
        """
        pool, weights = parts["experts"], training.sample_weight
        # Not closures: they must be such that they can be sent to other processes.
        iterate = partial(
            expectation_maximization,
            **parts,
            sample_weight=weights,
            sharing=self._shared_part(len(pool.names), weights.sum()),
            tol=self.tol,
            route=Router(self.assignment, self.capacity_factor, self.overflow),
            acceleration=self.acceleration,
        )
        fitted_attributes = partial(self._fitted_attributes, parts, weights)
        hooks = {
            "estimator": self,
            "X": training.X,
            "y": training.y,
            "metadata": {"sample_weight": weights} if training.weighted else None,
        }
        context = self._init_callback_context(max_subtasks=n_starts)
        context.call_on_fit_task_begin(**hooks)
        indices = chain.from_iterable(pool.splits or ())
        with sent_once(pool.n_jobs, training.X, training.y, weights, *indices):
            best = best_run(
                starts,
                max_iter=self.max_iter,
                n_jobs=n_jobs,
                context=context,
                iterate=iterate,
                hooks=hooks,
                fitted_attributes=fitted_attributes,
                printed_name=type(self).__name__ if self.verbose else None,
            )
            # The starts are over: the last fits have all jobs for themselves.
            pool.n_jobs = self.n_jobs
            attributes = fitted_attributes(best)
        vars(self).update(attributes)
        order = self._order(best.best, weights)
        if judge:
            self._after_em(training, parts, best.best.experts, order, random_state)
        attributes["_likelihood_"] = self._likelihood_
        context.call_on_fit_task_end(**hooks, reconstruction_attributes=attributes)
        memorizers = np.zeros(len(order), dtype=bool)
        if judge:
            memorizers = find_memorizers(
                pool, best.best.experts, parts["likelihood"].misfit, random_state
            )
        self._warn_of_the_end(best.last, memorizers[order])

    def _after_em(self, training, parts, members, order, random_state):
        """What a subclass does with the best iterate, its attributes set."""

    def _fitted_attributes(self, parts, weights, run):
        """What makes a fitted mixture of the best iterate of a start."""
        pool, best = parts["experts"], run.best
        share = weights @ best.responsibilities / weights.sum()
        order = self._order(best, weights)
        experts = pool.estimators(best.experts, order)
        return {
            "experts_": experts,
            "named_experts_": Bunch(**dict(zip(pool.names, experts))),
            "gate_": parts["gate"].estimator(best.gate, order),
            "_likelihood_": best.likelihood.take(order),
            "_active_": best.active[order],
            "expert_share_": share[order],
            "expert_load_": best.load[order],
            "overflow_fraction_": np.array(run.overflow_path),
            "log_likelihood_": float(best.log_likelihood),
            "objective_path_": np.array(run.path),
            "objective_paths_": [np.array(path) for path in run.paths],
            "n_iter_": run.last.n_iter,
            "converged_": bool(run.last.converged),
            "_rows_seen_": RowsSeen(weights.sum(), weights.sum()),
        }

    def _order(self, iteration, weights):
        """Canonical order of experts of one kind: the one with most rows first.

        Ties are settled by the mean prediction. Experts that have names, or to which
        `init` or a frozen gate assigns rows, stay where they are.
        """
        init_names_them = not isinstance(self.init, str) and not hasattr(
            self.init, "fit_predict"
        )
        named = isinstance(self.experts, list) or self._gate_is_frozen()
        if named or init_names_them:
            return np.arange(len(iteration.experts))
        share = weights @ iteration.responsibilities
        means = [member.mean for member in iteration.experts]
        return np.lexsort([means, -np.round(share / weights.sum(), 8)])

    def _warn_of_the_end(self, last, memorizes):
        def names(chosen):
            return ", ".join(np.array(list(self.named_experts_))[chosen])

        if memorizes.any():
            warnings.warn(
                f"Experts {names(memorizes)} reproduce their training targets but not "
                "others: what they say of their own rows does not tell how good they "
                "are. Set cv=5, so that experts are judged on rows they have not seen, "
                "or regularise them.",
                UserWarning,
                stacklevel=5,
            )
        if not self._active_.all():
            warnings.warn(
                f"Experts {names(~self._active_)} lost their rows again and again and "
                "were retired. Ask for fewer experts, or raise 'sharing'.",
                UserWarning,
                stacklevel=5,
            )
        # A callback that stops EM earlier knows that it does.
        if not last.converged and last.n_iter == self.max_iter:
            # A first iteration, or a new start of an expert, has no change to tell.
            change = (
                f": the objective still changed by {last.change:.2g} a row"
                if np.isfinite(last.change)
                else ""
            )
            warnings.warn(
                f"EM did not converge in max_iter={self.max_iter} iterations{change}. "
                "Increase max_iter or tol.",
                ConvergenceWarning,
                stacklevel=5,
            )

    # Display
    # -------

    def _sk_visual_block_(self):
        names, parts = zip(*self._parts())
        if hasattr(self, "experts_"):
            parts = [self.gate_, *self.experts_]
            names = ["gate"] + [
                f"{name}: {share:.0%} of the rows{self._noise_in_words(k)}"
                for k, (name, share) in enumerate(
                    zip(self.named_experts_, self.expert_share_)
                )
            ]
        return VisualBlock("parallel", parts, names=names)

    def _noise_in_words(self, k):
        """What is said of the noise of an expert where the mixture is shown."""
        return ""


def check_fitted_mixture(estimator, caller):
    """Raise an error where an estimator is no mixture, or is not fitted.

    Parameters
    ----------
    estimator : object
    caller : str
        Name of the function that needs one, for the message.

    Raises
    ------
    TypeError, NotFittedError
    """
    if not isinstance(estimator, BaseMixtureOfExperts):
        raise TypeError(
            f"{caller} needs a mixture of experts; got {estimator!r}. Of a pipeline or "
            "a search, give it the fitted mixture inside and the rows that it sees."
        )
    check_is_fitted(estimator)
