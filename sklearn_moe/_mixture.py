"""What the two estimators share: parameters, the outline of fit, the predictions."""

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
from sklearn.frozen import FrozenEstimator
from sklearn.utils import (
    Bunch,
    check_array,
    check_consistent_length,
    check_random_state,
    get_tags,
)
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    process_routing,
)
from sklearn.utils.validation import check_is_fitted, validate_data

from sklearn_moe import gates, kernels
from sklearn_moe._atomic import all_or_nothing
from sklearn_moe._compat import (
    HasMethods,
    Interval,
    NamedPartsMixin,
    StrOptions,
    VisualBlock,
    check_sample_weight,
    fit_context,
    raise_for_params,
    safe_indexing,
    select_params,
)
from sklearn_moe._criteria import InformationCriteriaMixin
from sklearn_moe._parallel import sent_once
from sklearn_moe._run import best_run
from sklearn_moe.em import expectation_maximization
from sklearn_moe.experts import (
    ExpertPool,
    expert_answers,
    find_memorizers,
    has_own_density,
)
from sklearn_moe.folds import folds
from sklearn_moe.gates import SoftmaxGate
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
    dispatch,
    dispatch_to_one,
    exclude,
    keep_largest,
)
from sklearn_moe.weighting import CannotGoOnError, last_step, seeded, thawed

# What a part must have to be cloned, asked for its tags, fitted and used.
ESTIMATOR_METHODS = ("fit", "get_params", "__sklearn_tags__")

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


def _predicts(expert):
    """Whether an estimator will predict; some show it only when they are fitted."""
    return hasattr(expert, "predict") or get_tags(expert).estimator_type is not None


def _predicts_probabilities(gate):
    """Whether a gate will do so; some classifiers show no method until fitted."""
    return hasattr(gate, "predict_proba") or (
        is_classifier(gate) and not hasattr(gate, "predict")
    )


class BaseMixtureOfExperts(
    InformationCriteriaMixin,
    CallbackSupportMixin,
    TransformerMixin,
    NamedPartsMixin,
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

    # Parameters that hold estimators, or stand for them.
    _part_params = ("experts", "gate")

    # What a subclass knows
    # ---------------------

    # L2 penalty of the default gate where the experts are given; see the user guide.
    _given_experts_alpha: float

    @abstractmethod
    def _default_expert(self):
        """The estimator that ``experts=None`` stands for."""

    @abstractmethod
    def _check_expert(self, name, expert):
        """Raise TypeError where an estimator is of the wrong kind."""

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

    # Parameters
    # ----------

    def get_params(self, deep=True):
        """Get the parameters of the mixture, its experts and its gate.

        Parameters
        ----------
        deep : bool, default=True
            Whether to include the parameters of the parts.

        Returns
        -------
        params : dict
        """
        if isinstance(self.experts, list):
            return self._get_params("experts", deep=deep)
        return super().get_params(deep=deep)

    def set_params(self, **params):
        """Set the parameters of the mixture, its experts and its gate.

        Parts are reached as ``experts__<parameter>`` (one estimator for all experts),
        ``<name>__<parameter>`` (a list of named experts) and ``gate__<parameter>``.
        Setting a parameter of a part that is None, or of a noise model that is a name,
        puts the part in its place first.

        Parameters
        ----------
        **params : dict

        Returns
        -------
        self : estimator
        """
        for part in self._part_params:
            addressed = any(name.startswith(f"{part}__") for name in params)
            given = params.get(part, getattr(self, part))
            if addressed and (given is None or isinstance(given, str)):
                params[part] = self._part_for(part, given)
        return self._set_params("experts", **params)

    def _part_for(self, part, given):
        """The object that None, or a name, stands for."""
        return self._default_expert() if part == "experts" else SoftmaxGate()

    def _named_experts(self):
        """The unfitted experts as (name, estimator), validated."""
        if isinstance(self.experts, list):
            for item in self.experts:
                is_pair = isinstance(item, tuple) and len(item) == 2
                if not (is_pair and isinstance(item[0], str)):
                    raise TypeError(
                        "The 'experts' list must hold (name, estimator) tuples, the "
                        f"name a string; got {item!r}."
                    )
            if not self.experts:
                raise ValueError("The 'experts' list is empty; give one at least.")
            self._validate_names([name for name, _ in self.experts])
            named = self.experts
        else:
            expert = self._default_expert() if self.experts is None else self.experts
            named = [(f"expert{k}", expert) for k in range(self.n_experts)]
        for name, expert in named:
            if isinstance(expert, type):
                raise TypeError(
                    f"Expert {name!r} must be an instance of an estimator; got the "
                    f"class {expert.__name__}. Write {expert.__name__}()."
                )
            if not (
                all(hasattr(expert, method) for method in ESTIMATOR_METHODS)
                and _predicts(expert)
            ):
                raise TypeError(
                    f"Expert {name!r} must be a scikit-learn estimator with fit and "
                    f"predict; got {expert!r}."
                )
            self._check_expert(name, expert)
            if isinstance(expert, FrozenEstimator):
                check_is_fitted(expert)
        return named

    def _gate(self):
        """The unfitted gate, validated."""
        gate = self._default_gate() if self.gate is None else self.gate
        if isinstance(gate, type) or not (
            all(hasattr(gate, method) for method in ESTIMATOR_METHODS)
            and _predicts_probabilities(gate)
        ):
            raise TypeError(
                "The 'gate' must be a gate, a pipeline that ends in one, or a "
                f"classifier with predict_proba; got {gate!r}."
            )
        if self._gate_is_frozen():
            check_is_fitted(last_step(gate))
        return gate

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

    def _default_gate(self):
        """The gate that ``gate=None`` stands for.

        Experts that specialise need sharp borders; the competence of given ones varies
        slowly, so that their gate is held back more, and no outlier may bend it.
        """
        if self._specializes():
            return SoftmaxGate()
        return SoftmaxGate(alpha=self._given_experts_alpha, clip=3.5)

    def _gate_is_frozen(self):
        return isinstance(last_step(self.gate), FrozenEstimator)

    def _shared_part(self, n_experts, total_weight):
        """The part of each row that all experts share equally.

        Automatically each gets as much as so many rows as a plane has coefficients.
        """
        if self.sharing != "auto":
            return self.sharing
        wanted = n_experts * (self.n_features_in_ + 1)
        return min(wanted / total_weight, LARGEST_SHARED_PART)

    def _specializes(self):
        """Whether EM fits the experts to their own rows."""
        return not self._unlike() if self.specialize == "auto" else self.specialize

    def _unlike(self):
        """Whether the experts are of different kinds."""
        if not isinstance(self.experts, list):
            return False
        return len({type(last_step(thawed(e))) for _, e in self.experts}) > 1

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

    def _check_X(self, X, y="no_validation", *, reset):
        """Validate X; a frame is looked at, never converted."""
        if not hasattr(X, "columns"):
            X = check_array(
                X,
                accept_sparse="csr",
                dtype=None,
                ensure_all_finite=False,
                estimator=self,
                input_name="X",
            )
        validate_data(self, X, y, reset=reset, skip_check_array=True)
        return X

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

    # Prediction
    # ----------

    def predict_gate(self, X):
        """Weights that the gate gives to the experts.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)

        Returns
        -------
        gate_weights : ndarray of shape (n_samples, n_experts)
            Rows sum to one.
        """
        X = self._checked_X(X)
        return np.exp(self._log_gate(X))

    def apply(self, X):
        """Index of the expert with the largest gate weight, for each row.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)

        Returns
        -------
        chosen : ndarray of shape (n_samples,)
            Positions in `experts_`.
        """
        return self._most_trusted(self._checked_X(X))

    def responsibilities(self, X, y):
        """Posterior probability of each expert, given the row and its target.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)

        Returns
        -------
        responsibilities : ndarray of shape (n_samples, n_experts)
            Rows sum to one.
        """
        return self._posterior(X, y)[0]

    def score_samples(self, X, y=None):
        """Log density of each target under the mixture, log p(y | x).

        It is the density of the whole mixture, whatever `combination` says: that
        parameter is about predictions alone.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,), default=None
            Targets. None means the predictions of the mixture: the result then says
            how sure it is of each.

        Returns
        -------
        log_density : ndarray of shape (n_samples,)
        """
        return self._posterior(X, self._likely_y(X) if y is None else y)[1]

    def _posterior(self, X, y):
        X = self._checked_X(X)
        y = self._encode_y(y)
        check_consistent_length(X, y)
        outputs = self._answers_for(X, self._decode_y(y))
        log_prob = self._likelihood_.log_prob(y, outputs, X)
        return kernels.responsibilities(self._log_gate(X), log_prob, np.ones(len(y)))[
            :2
        ]

    def _answers_for(self, X, y=None):
        return expert_answers(self.named_experts_, X, y, self._answers_)

    def _pool(self, X):
        """What the experts expect, combined; each is asked about its own rows only."""
        X = self._checked_X(X)
        names = list(self.named_experts_)

        def ask(k, rows):
            own = X if len(rows) == X.shape[0] else safe_indexing(X, rows)
            expert = {names[k]: self.experts_[k]}
            outputs = expert_answers(expert, own, None, self._answers_)
            return self._likelihood_.take([k]).predictive(outputs)[:, 0]

        if self.combination == "argmax":
            single = getattr(X, "dtype", None) == np.float32
            dtype = np.float32 if single else np.float64
            return dispatch_to_one(self._most_trusted(X), len(names), ask, dtype)
        return dispatch(self._kept_weights(X), ask)

    def _most_trusted(self, X):
        """The expert of the largest weight, for each row."""
        if self._active_.all() and not gates.needs_folds(self.gate_):
            # The largest logit says it as well, without a softmax.
            return gates.most_trusted(self.gate_, X)
        return kernels.argmax(self._log_gate(X))

    def _kept_weights(self, X):
        """Weights of the experts that answer for a row."""
        weights = np.exp(self._log_gate(X))
        if self.combination == "argmax":
            return keep_largest(weights, 1)
        return weights if self.top_k is None else keep_largest(weights, self.top_k)

    def _likely_y(self, X):
        """Targets that the mixture thinks likely: its predictions."""
        return self.predict(X)

    def _expectations(self, X):
        return self._likelihood_.predictive(self._answers_for(X))

    def _log_gate(self, X):
        log_gate = gates.log_weights(self.gate_, X, len(self.experts_))
        return exclude(log_gate, self._active_)

    def _checked_X(self, X):
        check_is_fitted(self)
        return self._check_X(X, reset=False)

    # Conventions of scikit-learn
    # ---------------------------

    def _parts(self):
        """All estimators in this one, unfitted, by name."""
        if isinstance(self.experts, list):
            experts = list(self.experts)
        else:
            # "or" would ask an ensemble that is not fitted for its length.
            expert = self._default_expert() if self.experts is None else self.experts
            experts = [("experts", expert)]
        gate = self._default_gate() if self.gate is None else self.gate
        return [("gate", gate), *experts]

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

    def get_metadata_routing(self):
        """Get the metadata routing of this object.

        `sample_weight` is used by the mixture itself, which gives each expert weights
        of its own; all else is routed to the experts.

        Returns
        -------
        routing : MetadataRouter
        """
        router = MetadataRouter(owner=self).add_self_request(self)
        for name, part in self._parts()[1:]:
            if isinstance(part, FrozenEstimator):
                continue
            router.add(
                **{name: part},
                method_mapping=MethodMapping()
                .add(caller="fit", callee="fit")
                .add(caller="partial_fit", callee="partial_fit"),
            )
        return router

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        inputs = [
            get_tags(part).input_tags
            for _, part in self._parts()
            if hasattr(part, "__sklearn_tags__")
        ]
        tags.input_tags.sparse = all(part.sparse for part in inputs)
        tags.input_tags.allow_nan = all(part.allow_nan for part in inputs)
        tags.input_tags.positive_only = any(part.positive_only for part in inputs)
        return tags


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
