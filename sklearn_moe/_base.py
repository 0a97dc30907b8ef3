"""Base class of the mixtures of experts for regression and classification."""

from __future__ import annotations

import warnings
from abc import ABCMeta, abstractmethod
from dataclasses import replace
from functools import partial
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, TransformerMixin, is_classifier
from sklearn.frozen import FrozenEstimator
from sklearn.utils import (
    Bunch,
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
from sklearn_moe._callbacks import CallbackSupportMixin
from sklearn_moe._class_weights import count_rows_by_class
from sklearn_moe._composition import Composition, expert_params, replace_experts
from sklearn_moe._criteria import InformationCriteriaMixin
from sklearn_moe._documentation import Documented
from sklearn_moe._estimators import (
    WeightedFit,
    check_validation_rows,
    error_note,
    params_of_rows,
    seeded_clone,
)
from sklearn_moe._exposure import takes_exposure
from sklearn_moe._fit_warnings import collect_fit_warnings
from sklearn_moe._fitting import (
    Begin,
    check_no_table,
    check_routing,
    check_training_set,
    count_coefficients,
    fitted_attributes,
    order_of_experts,
    warnings_of,
)
from sklearn_moe._frames import (
    as_array,
    calculable,
    has_learnt_columns,
    is_frame,
    is_table,
    library_of,
    named,
    native,
)
from sklearn_moe._given_start import check_start_of_any_number, given_start
from sklearn_moe._metadata import (
    check_metadata,
    is_splitter,
    params_of_experts,
    params_of_splitter,
)
from sklearn_moe._number_of_experts import try_numbers
from sklearn_moe._parallel import scatter
from sklearn_moe._parameters import count_parameters
from sklearn_moe._persistence import SavedAsDicts
from sklearn_moe._prediction import FittedMixture
from sklearn_moe._rows import LocalRows
from sklearn_moe._sampled_start import begin_on_sample, sample_pays
from sklearn_moe._sklearn import (
    HasMethods,
    Interval,
    StrOptions,
    VisualBlock,
    fit_context,
    validate_parameter_constraints,
)
from sklearn_moe._subjects import KnownSubjects, check_subjects
from sklearn_moe._warm_start import Reached, begin_warm, model_to_go_on_from
from sklearn_moe.em import (
    Learners,
    LearntSharing,
    Router,
    Shared,
    beside_noise,
    best_run,
    expectation_maximization,
    is_learnt,
    rows_of_start,
    starting_points,
)
from sklearn_moe.experts import (
    ExpertPool,
    find_interpolating,
    fitter_of,
)

# Factor on the tolerance of EM if experts are not fitted in its iterations: these take
# little time, and their steps are small.
TOL_OF_GATE_ALONE = 0.1


class BaseMixtureOfExperts(
    Documented,
    InformationCriteriaMixin,
    CallbackSupportMixin,
    TransformerMixin,
    SavedAsDicts,
    BaseEstimator,
    metaclass=ABCMeta,
):
    """Base class of the mixtures of experts, which differ in their `_targets`."""

    _parameter_constraints: dict = {
        "experts": [list, HasMethods(["fit"]), None],
        "n_experts": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "gate": [HasMethods(["fit"]), None],
        "combination": [StrOptions({"weighted", "argmax"})],
        "top_k": [Interval(Integral, 1, None, closed="left"), None],
        "assignment": [StrOptions({"soft", "hard", "expert_choice"})],
        "capacity_factor": [Interval(Real, 0, None, closed="right"), None],
        "overflow": [StrOptions({"drop", "reroute"})],
        "sharing": [Interval(Real, 0, 1, closed="left"), StrOptions({"auto"})],
        "specialize": ["boolean", StrOptions({"auto"})],
        "cv": [StrOptions({"auto"}), "cv_object"],
        "init": [str, HasMethods("fit_predict"), callable, "array-like"],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "acceleration": [StrOptions({"auto", "squarem"}), None],
        "learning_decay": [Interval(Real, 0.5, 1, closed="right")],
        "half_life": [Interval(Real, 0, None, closed="neither"), None],
        "warm_start": ["boolean"],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    # Posteriors of the subjects of the fit; None if `fit` was given none.
    _known_subjects_ = None

    @abstractmethod
    def _targets(self):
        """Return unfitted NumberTargets or ClassTargets."""

    def _composition(self):
        n_experts = self.n_experts
        if n_experts == "auto":
            # Until the number is chosen, tags and checks assume one expert.
            n_experts = getattr(self, "n_experts_", 1)
        return Composition(
            self.experts,
            n_experts,
            self.gate,
            self.specialize,
            self._targets(),
        )

    # Parameters
    # ----------

    def get_params(self, deep: bool = True) -> dict:
        """Get the parameters of the mixture, its experts and its gate.

        Parameters
        ----------
        deep : bool, default=True
            Whether to include the parameters of the parts.

        Returns
        -------
        params : dict
        """
        params = super().get_params(deep=deep)
        if deep and isinstance(self.experts, list):
            params.update(expert_params(self.experts))
        return params

    def set_params(self, **params: Any) -> Self:
        """Set the parameters of the mixture, its experts and its gate.

        Parameters of parts are set by ``experts__<parameter>`` (one estimator for all
        experts), ``<name>__<parameter>`` (a list of named experts) and
        ``gate__<parameter>``. If the part is None, or the noise model is given by its
        name, it is replaced by the default object first.

        Parameters
        ----------
        **params : dict

        Returns
        -------
        self : estimator
        """
        # In a classifier, "noise" is not a parameter, and may be the name of an expert.
        for name in {"experts", "gate", "noise"} & vars(self).keys():
            if any(key.startswith(f"{name}__") for key in params):
                given = params.get(name, getattr(self, name))
                if given is None or isinstance(given, str):
                    params[name] = self._default_of(name, given)
        if "experts" in params:
            self.experts = params.pop("experts")
        if isinstance(self.experts, list):
            self.experts = replace_experts(self.experts, params)
        return super().set_params(**params)

    def _default_of(self, name, given):
        """Return the object that None or a name represents as a parameter."""
        targets = self._targets()
        return targets.default_expert() if name == "experts" else gates.SoftmaxGate()

    # Fitting
    # -------

    @fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: Any,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        subjects: ArrayLike | None = None,
        exposure: ArrayLike | None = None,
        start: ArrayLike | None = None,
        **fit_params: Any,
    ) -> Self:
        """Fit the experts and the gate by EM.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
            Training rows. Frames are passed to the experts unchanged, and so are rows
            that are not a table, such as a list of texts, if experts and gate accept
            them.
        y : array-like of shape (n_samples,)
            Training targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows. A weight of 2 equals the row twice, a weight of 0
            equals no row. Weights that cannot be numbers of rows, such as weights that
            sum to one, have a relative meaning only; see the user guide. None means
            equal weights.
        subjects : array-like of shape (n_samples,), default=None
            Labels of the subjects of the rows, such as persons with repeated measures.
            All rows of a subject share one expert, and the gate sees the mean of their
            features. A subject counts once for the gate. None: each row is a subject.
        exposure : array-like of shape (n_samples,), default=None
            The time, area or number of people over which each target was counted, for
            a regressor with the noise of counts. Experts are rates, which are fitted to
            ``y / exposure`` with weights in proportion to it. None means one, unless y
            are rates whose weights are their exposures: not all whole numbers, but
            multiplied by `sample_weight` they are.
        start : array-like of shape (n_samples,) or (n_samples, n_experts), default=None
            A label, or responsibilities, for each row, from which EM starts instead of
            `init`. Experts are in the order of the labels.
        **fit_params : dict
            Further arguments by metadata routing, only if it is enabled: those of the
            experts' `fit`, and `groups` if `cv` is a splitter that divides rows by
            groups.

        Returns
        -------
        self : estimator

        Raises
        ------
        ValueError
            If the data do not match the parameters; the mixture is then unchanged.
        TypeError
            If an expert or the gate is not an estimator of the right type.
        """
        check_metadata(self, "fit", fit_params)
        check_routing(
            self.assignment, self.capacity_factor, self.acceleration, subjects
        )
        with all_or_nothing(self):
            previous = model_to_go_on_from(self) if self.warm_start else None
            if previous is not None and start is not None:
                raise ValueError(
                    "EM cannot begin with 'start' and continue from the previous fit, "
                    "as warm_start=True does. Leave 'start' out, or set "
                    "warm_start=False."
                )
            if previous is None:
                for name in ("n_experts_", "n_experts_path_"):
                    self.__dict__.pop(name, None)
            # Posteriors of the subjects of a previous fit belong to other rows.
            self._known_subjects_ = None
            composition = self._composition()
            named_experts = composition.checked_experts(self.get_params(deep=False))
            gate = composition.checked_gate()
            X = self._check_X(X, y, reset=True)
            training, targets = check_training_set(
                X,
                y,
                sample_weight,
                composition.targets,
                named_experts,
                subjects=subjects,
                exposure=exposure,
            )
            self._set_targets(targets)
            self._weight_unit_ = training.unit
            training = replace(
                training,
                of_splitter=params_of_splitter(self, fit_params, X, training.kept),
            )
            random_state = check_random_state(self.random_state)
            told = []
            if previous is None and self._chooses_n_experts:
                own = params_of_rows(
                    X, params_of_experts(self, fit_params), training.kept
                )
                named_experts, told = self._choose_n_experts(
                    training,
                    random_state,
                    start,
                    fit_params=own,
                    given_folds=self._given_folds(training),
                )
            if self.experts is None:
                named_experts = targets.default_experts(named_experts, training.block)
            given = None
            if previous is None:
                given = given_start(self, start, training, len(named_experts))
            drawn = rows_of_start(len(training.block.y), random_state)
            n_starts = self.n_init if previous is None else 1
            jobs, starts_jobs = self._jobs(n_starts)
            rows = LocalRows(training.block, jobs)
            named_experts = targets.over_range(named_experts, rows)
            expert_splits, gate_splits = self._splits(gate, training, random_state)
            expert_params = self._expert_params(named_experts, fit_params, X, training)
            pool = ExpertPool(
                named_experts,
                rows,
                targets.output_of,
                fitter=self._fitter(named_experts, expert_params),
                random_state=random_state,
                splits=expert_splits,
                are_given=composition.are_given,
                fit_params=expert_params,
            )
            learners = self._learners(pool, gate, targets, gate_splits, random_state)
            reached = Reached.begun(self, training)
            begin = None
            if previous is not None:
                begin = begin_warm(self, previous, learners, training.block, reached)
            elif given is None and sample_pays(
                self, rows, expert_splits or gate_splits, fit_params
            ):
                begin = begin_on_sample(self, learners, training.block, random_state)
            if begin is None:
                starts = self._starts(learners, targets, drawn, random_state, given)
                first = "init" if start is None else "start"
                begin = Begin(starts, n_starts, starts_jobs, first=first)
            with scatter(
                rows.n_jobs, rows.block, *(expert_splits or gate_splits or ())
            ):
                run = self._run_em(
                    learners,
                    begin,
                    self._hooks(training),
                    acceleration=self._acceleration(),
                    after=partial(self._calibrate, training, learners, random_state),
                )
            best, order = run.best, run.order
            self._reached_ = reached.at(best, run.last.n_revivals[order])
            found = best.posterior.responsibilities
            self._remember_subjects(
                training.block, None if found is None else found[:, order]
            )
            interpolates = np.zeros(len(order), dtype=bool)
            if best.n_iter:
                interpolates = find_interpolating(
                    pool, best.estimates.experts, learners.likelihood, random_state
                )
            for message, category in (
                *told,
                *warnings_of(self, run, interpolates[order]),
            ):
                warnings.warn(message, category, stacklevel=3)
        return self

    @property
    def _chooses_n_experts(self):
        return self.n_experts == "auto" and not self._composition().named

    def _choose_n_experts(self, training, random_state, start=None, **how):
        """Choose the number of experts by trials; see `try_numbers`.

        Returns
        -------
        named_experts : list of (str, estimator)
        warnings : list of (message, category)
        """
        check_start_of_any_number(self, start)
        trials = try_numbers(self, training, random_state, **how)
        self.n_experts_, self.n_experts_path_ = trials.chosen(), trials.table()
        named = self._composition().checked_experts(self.get_params(deep=False))
        return named, list(trials.warnings())

    def _set_targets(self, targets):
        self._targets_ = targets
        if targets.classes is not None:
            self.classes_ = targets.classes

    def _fitter(self, named_experts, expert_params):
        """Return the class that fits an expert: ``fitter(estimator, random_state)``."""
        anew = len(named_experts) == 1 or self._composition().are_given
        if anew or any(expert_params.values()):
            # Further arguments, such as rows for early stopping, require whole fits.
            return WeightedFit
        return partial(fitter_of, max_iter=self.max_iter)

    def _jobs(self, n_starts):
        """Return the numbers of jobs within each start and for the starts."""
        # Given experts are fitted once, for all starts.
        starts_apart = n_starts > 1 and not self._composition().are_given
        return (1, self.n_jobs) if starts_apart else (self.n_jobs, 1)

    def _given_folds(self, training):
        """Return the folds of a `cv` that is a splitter or an iterable, or None."""
        if self.cv is None or isinstance(self.cv, (str, Integral)):
            return None
        return training.folds(self.cv, None, classification=is_classifier(self))

    def _splits(self, gate, training, random_state):
        """Return folds of the experts and of the gate; None means in-sample outputs."""
        cv = self.cv
        if cv == "auto":
            cv = self._composition().folds_unasked(len(training.kept))
        for_gate = self.cv is not None and gates.learns_labels(gate)
        if cv is None and not for_gate:
            return None, None
        splits = training.folds(
            "auto" if cv is None else cv,
            random_state,
            classification=is_classifier(self),
        )
        return splits if cv is not None else None, splits if for_gate else None

    def _expert_params(self, named_experts, fit_params, X, training, method="fit"):
        """Return further arguments of each expert's fit for the training rows."""
        exposure = training.block.exposure
        if not fit_params and exposure is None:
            return {}
        routed = process_routing(self, method, **fit_params) if fit_params else {}
        params = {}
        for name, expert in named_experts:
            part = name if isinstance(self.experts, list) else "experts"
            # Frozen experts are not fitted, and have no routed arguments.
            own = routed.get(part, {}).get(method, {})
            params[name] = params_of_rows(X, own, training.kept)
            if exposure is not None and takes_exposure(expert, method):
                params[name] = params[name] | {"exposure": exposure}
            with error_note(f"expert {name!r}"):
                check_validation_rows(expert, params[name])
        return params

    def _learners(self, pool, gate, targets, gate_splits, random_state):
        """Return the experts, likelihood and gate, bound to the training rows."""
        pool.check_frozen()
        moments = targets.summarize(pool.rows)
        self._target_range_ = targets.range_of(moments)
        likelihood = targets.likelihood(moments, pool.unfitted, random_state)
        with error_note("the gate"):
            bound = gates.bind_gate(
                gate,
                pool.rows,
                len(pool.names),
                random_state=random_state,
                splits=gate_splits,
            )
        return Learners(pool, likelihood, bound)

    def _starts(self, learners, targets, drawn, random_state, given=None):
        """Yield the responsibilities of each start of EM, in a list."""
        rows, n_experts = learners.experts.rows, len(learners.experts.names)
        init = self.init if given is None else given
        if hasattr(init, "fit_predict"):
            init = seeded_clone(init, random_state)
        elif given is None and self._composition().gate_is_frozen:
            # A frozen gate does not adapt to the experts: they start from its weights.
            even = np.full((rows.n_samples, n_experts), 1 / n_experts)
            init = np.exp(learners.gate.fit(even, None)[1])
        for start in starting_points(init, self.n_init):
            if start is given:
                yield [given]
                continue
            yield [
                beside_noise(
                    start,
                    rows,
                    learners.gate,
                    learners.experts.is_noise,
                    random_state,
                    drawn,
                    whole_rows=self.assignment == "hard",
                    n_classes=None if targets.classes is None else len(targets.classes),
                )
            ]

    def _run_em(self, learners, begin, hooks, *, acceleration=None, after=None):
        """Run EM from every start; set the fitted attributes of the best iteration.

        Parameters
        ----------
        learners : Learners
        begin : Begin
        hooks : dict
            Arguments of every callback hook.
        acceleration : {"squarem"}, default=None
        after : callable, default=None
            ``after(run)`` is called when the attributes are set.

        Returns
        -------
        run : Run
        """
        rows, n_experts = learners.experts.rows, len(learners.experts.names)
        vars(self).setdefault("n_experts_path_", None)
        # Loading may warn, which must not be attributed to a fit.
        kernels.load()
        sharing, learnt_sharing = self._sharing(learners.experts, begin.sharing)
        # Partials instead of closures, since both are sent to other processes.
        iterate = partial(
            expectation_maximization,
            rows,
            learners,
            sharing=sharing,
            learnt_sharing=learnt_sharing,
            tol=self._tolerance(),
            router=self._router(rows, n_experts),
            first_gate=begin.gate,
            first_working_weights=begin.working_weights,
            model=begin.model,
            learns=begin.learns,
            acceleration=acceleration,
        )
        keeps_order = self._keeps_order(begin.first)
        attributes_of = partial(fitted_attributes, learners, keeps_order)
        context = self._init_callback_context(max_subtasks=begin.n_starts)
        context.call_on_fit_task_begin(**hooks)
        with collect_fit_warnings() as fit_warnings:
            run = best_run(
                begin.starts,
                Shared(
                    iterate,
                    hooks,
                    attributes_of,
                    type(self).__name__ if self.verbose else None,
                    begin.model,
                ),
                max_iter=self.max_iter,
                n_jobs=begin.n_jobs,
                context=context,
            )
            fit_warnings.extend(run.fit_warnings)
            if rows.n_jobs == 1:
                # The starts are finished, so that the last fits may use all jobs.
                rows.n_jobs = begin.n_jobs
            attributes = attributes_of(run)
            run.first = begin.first
            run.order = order_of_experts(learners, keeps_order, run)
            vars(self).update(attributes)
            if after is not None and run.best.n_iter:
                after(run)
        run.fit_warnings = fit_warnings
        attributes.update(gate_=self.gate_, _likelihood_=self._likelihood_)
        context.call_on_fit_task_end(**hooks, reconstruction_attributes=attributes)
        return run

    def _remember_subjects(self, block, responsibilities=None):
        """Store the posterior of each subject, by default that of the mixture."""
        if block.subjects is None:
            return
        if responsibilities is None:
            fitted = replace(self._fitted(block.subjects), known=None)
            fitted = replace(fitted, exposure=block.exposure)
            outputs = fitted.outputs(block.X, block.y)
            responsibilities, _ = fitted.posterior(block.X, block.encoded_y, outputs)
        known = KnownSubjects.of(block.subjects, responsibilities)
        before = self._known_subjects_
        self._known_subjects_ = known if before is None else before + known

    def _hooks(self, training):
        """Return the arguments of every callback hook."""
        block = training.block
        weighted = training.weighted or block.exposure is not None
        metadata = {"sample_weight": block.expert_weight} if weighted else None
        return {"estimator": self, "X": block.X, "y": block.y, "metadata": metadata}

    def _sharing(self, pool, first=None):
        """Return the first value of `sharing`, and what learns it, or None."""
        if self.sharing != "auto":
            return self.sharing, None
        if self.assignment != "soft" or not self._composition().shares_rows:
            return 0.0, None
        estimators, outputs = pool.fit_to_all()
        n_features = getattr(self, "n_features_in_", None)
        n_coefficients = count_coefficients(estimators, n_features)
        learnt = LearntSharing(pool.rows, n_coefficients, outputs)
        return first or learnt.largest, learnt

    def _acceleration(self):
        """Return the acceleration of EM for rows in one block, or None."""
        if self.acceleration != "auto":
            return self.acceleration
        composition = self._composition()
        if self.assignment != "soft":
            return None
        if composition.are_given:
            return "squarem"
        return "squarem" if composition.shares_rows and self.sharing == "auto" else None

    def _tolerance(self):
        """Return the tolerance of EM, which is smaller if it fits the gate alone."""
        return self.tol * (TOL_OF_GATE_ALONE if self._composition().are_given else 1)

    def _router(self, rows, n_experts):
        return Router(self.assignment, self.capacity_factor, self.overflow)

    def _keeps_order(self, first):
        """Whether experts keep their order: they are named, or rows are assigned."""
        composition = self._composition()
        given_rows = first == "start" or not is_learnt(self.init)
        return composition.named or composition.gate_is_frozen or given_rows

    def _calibrate(self, training, learners, random_state, run):
        """Refit the likelihood after EM; only mixtures of regressors do."""

    # Prediction
    # ----------

    def predict_gate(self, X: Any, *, subjects: ArrayLike | None = None) -> np.ndarray:
        """Predict the weights that the gate gives to the experts.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
        subjects : array-like of shape (n_samples,), default=None
            Labels of the subjects of the rows. A subject of the fit has its posterior
            probabilities as weights, and a new one the weights that the gate gives to
            the mean of its rows. None means that each row is a new subject.

        Returns
        -------
        gate_weights : ndarray of shape (n_samples, n_experts)
            Rows sum to one.
        """
        X = self._checked_X(X)
        return np.exp(self._fitted_to(X, subjects).log_gate(X))

    def apply(self, X: Any, *, subjects: ArrayLike | None = None) -> np.ndarray:
        """Return the index of the expert with the largest gate weight for each row.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
        subjects : array-like of shape (n_samples,), default=None
            Labels of the subjects of the rows. A subject of the fit has its posterior
            probabilities as weights, and a new one the weights that the gate gives to
            the mean of its rows. None means that each row is a new subject.

        Returns
        -------
        chosen : ndarray of shape (n_samples,)
            Positions in `experts_`.
        """
        X = self._checked_X(X)
        return self._fitted_to(X, subjects).most_trusted(X)

    def transform(self, X: Any) -> np.ndarray:
        """Return the predictions of each expert.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)

        Returns
        -------
        predictions : ndarray of shape (n_samples, n_columns)
            A column for each expert. A classifier has a column for each class of the
            first expert, then of the second, and so on; a regressor with several
            outputs has a column for each output of each expert.
        """
        X = self._checked_X(X)
        expectations = self._fitted().expectations(X)
        return expectations.reshape(len(expectations), -1)

    def get_feature_names_out(
        self, input_features: ArrayLike | None = None
    ) -> np.ndarray:
        """Return the names of the columns of `transform`.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Not used, present for API consistency.

        Returns
        -------
        names : ndarray of str
        """
        check_is_fitted(self)
        prefix = type(self).__name__.lower()
        names = [f"{prefix}_{name}" for name in self.named_experts_]
        for labels in self._targets_.column_labels:
            names = [f"{name}_{label}" for name in names for label in labels]
        return np.array(names, object)

    def responsibilities(
        self,
        X: Any,
        y: ArrayLike,
        *,
        subjects: ArrayLike | None = None,
        exposure: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> np.ndarray:
        """Return the posterior probability of each expert, given row and target.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        subjects : array-like of shape (n_samples,), default=None
            Labels of the subjects of the rows. The posterior of a subject is given the
            rows here only, even for subjects of the fit. None: each row is a subject.
        exposure : array-like of shape (n_samples,), default=None
            Exposure of counts, as in `fit`; required if `fit` was given it.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row within its subject, as in `fit`. Without subjects, the
            posterior does not depend on the weights.

        Returns
        -------
        responsibilities : ndarray of shape (n_samples, n_experts)
            Rows sum to one.
        """
        return self._posterior(X, y, subjects, exposure, sample_weight)[0]

    def score_samples(
        self,
        X: Any,
        y: ArrayLike | None = None,
        *,
        subjects: ArrayLike | None = None,
        exposure: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> np.ndarray:
        """Return the log density of each target under the mixture, log p(y | x).

        It is the density of the whole mixture, whatever `combination` is, since that
        parameter applies to predictions only.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,), default=None
            Targets. None means the predictions of the mixture: the result is then a
            measure of their certainty.
        subjects : array-like of shape (n_samples,), default=None
            Labels of the subjects of the rows. The joint log density of all targets of
            a subject is divided equally among its rows, so that the sum is the
            log-likelihood. None means that each row is a subject.
        exposure : array-like of shape (n_samples,), default=None
            Exposure of counts, as in `fit`; required if `fit` was given it.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row within its subject, as in `fit`; the weighted sum is then
            the log-likelihood.

        Returns
        -------
        log_density : ndarray of shape (n_samples,)
        """
        if y is None:
            y = self._predicted_targets(X, subjects, exposure)
        return self._posterior(X, y, subjects, exposure, sample_weight)[1]

    def _predicted_targets(self, X, subjects, exposure):
        """Return predictions in the domain of the targets."""
        return self.predict(X, subjects=subjects)

    def _posterior(self, X, y, subjects=None, exposure=None, sample_weight=None):
        X = self._checked_X(X)
        targets = self._targets_
        fitted = replace(self._fitted_to(X, subjects), known=None)
        targets.check_exposure_known(exposure)
        exposure = targets.check_exposure(exposure, X, self.named_experts_.items())
        encoded_y = targets.encode(y)
        check_consistent_length(X, encoded_y)
        if subjects is not None:
            # Use the unit of the fit, since these may be some of its rows.
            weights = self._count_rows(
                X, targets.decode(encoded_y), sample_weight, self._weight_unit_
            )
            fitted = replace(fitted, subjects=fitted.subjects.weighted(weights))
        fitted = replace(fitted, exposure=exposure)
        outputs = fitted.outputs(X, targets.decode(encoded_y))
        return fitted.posterior(X, encoded_y, outputs)

    def _count_rows(self, X, y, sample_weight, unit=None):
        """Return weights as numbers of rows, with class weights, as in fit."""
        targets = self._targets_
        return count_rows_by_class(
            targets.class_weight, y, sample_weight, X, targets.classes, unit
        )[0]

    def _check_subjects_given(self, subjects):
        """Raise ValueError if subjects are missing that the fit had."""
        known = self._known_subjects_
        if subjects is None and known is not None:
            raise ValueError(
                "The mixture was fitted with 'subjects', whose rows have a joint "
                "likelihood. Give the same subjects here."
            )

    # Parameters of predictions, not of fits.
    _of_predictions: tuple[str, ...] = ("combination", "top_k")

    def _fitted_to(self, X, subjects):
        """Return the fitted mixture for rows that may have subjects."""
        if subjects is None:
            return self._fitted()
        if self._known_subjects_ is None:
            raise ValueError(
                "'subjects' were given, but this mixture was fitted without them. Give "
                "fit its subjects, too."
            )
        return self._fitted(check_subjects(subjects, X))

    def _fitted(self, subjects=None):
        used = {name: getattr(self, name) for name in self._of_predictions}
        # These parameters may have been changed after the fit.
        validate_parameter_constraints(
            {name: self._parameter_constraints[name] for name in used},
            used,
            caller_name=type(self).__name__,
        )
        return FittedMixture(
            self.named_experts_,
            self.gate_,
            self._likelihood_,
            self._active_,
            self._targets_,
            self._target_range_,
            subjects=subjects,
            known=self._known_subjects_,
            **used,
        )

    def _checked_X(self, X):
        if not hasattr(self, "experts_"):
            # `check_is_fitted` is slow, since it reads the tags of all parts.
            check_is_fitted(self)
        return self._check_X(X, reset=False)

    def _check_X(self, X, y="no_validation", *, reset):
        """Validate X, and return it as a frame or array, as it was in fit.

        A frame is converted only where necessary.
        """
        X = native(X)
        if not reset and has_learnt_columns(self, X):
            return X if type(X) is np.ndarray else calculable(X)
        # Rows that are not a table have no number of features.
        if not (is_table(X) if reset else hasattr(self, "n_features_in_")):
            return check_no_table(self, X, y, reset=reset)
        framed = is_frame(X)
        X = calculable(X) if framed else as_array(X, estimator=self)
        validate_data(self, X, y, reset=reset, skip_check_array=True)
        if reset:
            self._frames_ = library_of(X) if framed else None
            return X
        # Column names are checked above, for the parts as well.
        if self._frames_ is None:
            return as_array(X) if framed else X
        names = getattr(self, "feature_names_in_", None)
        if names is None or framed:
            return X
        return named(X, names, self._frames_)

    # Conventions of scikit-learn
    # ---------------------------

    def __getstate__(self):
        state = super().__getstate__()
        if "named_experts_" in state:
            # Save names only, since the experts themselves are in `experts_`.
            state["named_experts_"] = list(self.named_experts_)
        return state

    def __setstate__(self, state):
        super().__setstate__(state)
        if hasattr(self, "named_experts_"):
            named = dict(zip(self.named_experts_, self.experts_))
            self.named_experts_ = Bunch(**named)

    def get_metadata_routing(self) -> Any:
        """Get the metadata routing of this object.

        `sample_weight` and `start` are used by the mixture itself, which passes
        different weights to each expert. `groups` are routed to a splitter that is
        given as `cv`, and all other arguments to the experts.

        Returns
        -------
        routing : MetadataRouter
        """
        router = MetadataRouter(owner=self).add_self_request(self)
        for name, part in self._composition().expert_parts():
            if isinstance(part, FrozenEstimator):
                continue
            router.add(
                **{name: part},
                method_mapping=MethodMapping()
                .add(caller="fit", callee="fit")
                .add(caller="partial_fit", callee="partial_fit"),
            )
        cv = getattr(self, "cv", None)
        if is_splitter(cv):
            # No expert can have the name "cv", since it is a parameter.
            mapping = MethodMapping().add(caller="fit", callee="split")
            router.add(cv=cv, method_mapping=mapping)
        return router

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        inputs = [get_tags(part).input_tags for _, part in self._composition().parts()]
        tags.input_tags.sparse = all(part.sparse for part in inputs)
        tags.input_tags.allow_nan = all(part.allow_nan for part in inputs)
        tags.input_tags.positive_only = any(part.positive_only for part in inputs)
        return tags

    def _sk_visual_block_(self):
        named_parts = self._composition().parts()
        if hasattr(self, "experts_"):
            shares = zip(self.named_experts_.items(), self.expert_share_)
            named_parts = [(f"gate{self._choice_in_words()}", self.gate_)] + [
                (f"{name}: {share:.0%} of the rows{self._noise_in_words(k)}", expert)
                for k, ((name, expert), share) in enumerate(shares)
            ]
            named_parts.append(("EM", self._convergence_in_words()))
        names, parts = [list(column) for column in zip(*named_parts)] or ([], [])
        return VisualBlock("parallel", parts, names=names)

    def _choice_in_words(self):
        """Return a text on the number of experts, if it was chosen."""
        if self.n_experts_path_ is None:
            return ""
        tried = ", ".join(map(str, self.n_experts_path_["n_experts"]))
        experts = "expert" if self.n_experts_ == 1 else "experts"
        return f": {self.n_experts_} {experts}, chosen among {tried}"

    def _convergence_in_words(self):
        """Return a text on the iterations of EM."""
        how = "converged" if self.converged_ else "stopped before it converged"
        iterations = "iteration" if self.n_iter_ == 1 else "iterations"
        return f"{how}, after {self.n_iter_} {iterations}"

    def _noise_in_words(self, k):
        """Return a text on the noise of an expert."""
        return ""


@count_parameters.register
def _count_mixture(mixture: BaseMixtureOfExperts):
    return mixture.n_parameters()
