"""Base class of the mixtures over Dask collections: fit and lazy predictions."""

import warnings
from copy import copy, deepcopy
from dataclasses import replace
from functools import wraps
from inspect import signature
from numbers import Integral
from reprlib import repr as shortened
from typing import Any, Self

import numpy as np
from distributed import Client
from sklearn.base import clone
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from sklearn_moe._atomic import all_or_nothing
from sklearn_moe._base import BaseMixtureOfExperts
from sklearn_moe._composition import Composition
from sklearn_moe._fitting import Begin, check_number_of_experts, warnings_of
from sklearn_moe._rows import Block
from sklearn_moe._sklearn import HasMethods, Interval, StrOptions, fit_context
from sklearn_moe._weights import weight_of_one_row
from sklearn_moe.dask._cluster import Lazy, Stored, calls, cluster_of, tasks_of
from sklearn_moe.dask._collections import (
    PartitionMethod,
    aligned,
    as_targets,
    check_collections,
    is_collection,
)
from sklearn_moe.dask._collective import fitter_for
from sklearn_moe.dask._likelihood import InBatches
from sklearn_moe.dask._partitions import (
    Schema,
    given_block,
    join_blocks,
    make_block,
    report_on,
)
from sklearn_moe.dask._rows import PartitionedRows
from sklearn_moe.dask._score import score
from sklearn_moe.em import STARTS, Router, rows_of_start
from sklearn_moe.experts import ExpertPool
from sklearn_moe.gates import learns_labels

LAZY_NOTE = """
        The rows, and the targets if there are any, may be Dask collections. The result
        is then a lazy collection, too. For rows in memory, the result is that of the
        mixture of the same name in `sklearn_moe`.
"""


def lazy_method(method):
    """Decorate a method of a mixture to accept Dask collections as X and y as well.

    Its other arguments are supported for rows in memory only.
    """

    @wraps(method)
    def lazy(self, X, *args, **kwargs):
        if not is_collection(X):
            return method(self, X, *args, **kwargs)
        check_is_fitted(self)
        given = signature(method).bind(self, X, *args, **kwargs).arguments
        targets = {} if given.get("y") is None else {"y": given["y"]}
        check_collections(X, **targets)
        for name in given.keys() - {"self", "X", "y"}:
            # Compared by identity, since an array has no truth value.
            if given[name] is not None and given[name] is not False:
                raise TypeError(
                    f"{name}={shortened(given[name])} is for rows in memory; X is a "
                    "Dask collection. Map to_local() over the partitions."
                )
        example = self._example_[: 1 + len(targets)]
        of_partition = PartitionMethod(self.to_local(), method.__name__, *example)
        return of_partition.map(X, **targets)

    summary, _, rest = method.__doc__.partition("\n")
    lazy.__doc__ = summary + "\n" + LAZY_NOTE + rest
    return lazy


class DaskMixture:
    """Mixin that fits a mixture to Dask collections, and predicts lazily.

    It precedes a mixture of `sklearn_moe` among the base classes. Parameters of that
    mixture that do not apply to Dask collections are left out.
    """

    _dask_constraints: dict = {
        "n_experts": [Interval(Integral, 1, None, closed="left")],
        "init": [StrOptions(set(STARTS)), HasMethods("fit_predict")],
        "max_rows_per_expert": [Interval(Integral, 1, None, closed="left"), None],
        "persist": ["boolean"],
        "client": [Client, None],
    }

    @fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        subjects: Any = None,
        exposure: Any = None,
    ) -> Self:
        """Fit the experts and the gate by EM.

        Parameters
        ----------
        X : dask Array or DataFrame of shape (n_samples, n_features)
            Training rows. Experts are given partitions of a frame as frames.
        y : dask Array, Series or DataFrame of shape (n_samples,) or \
(n_samples, n_outputs)
            Training targets, in the same partitions.
        sample_weight : dask Array or Series of shape (n_samples,), default=None
            Weights of the rows, in the same partitions. A weight of 2 equals the row
            twice, a weight of 0 equals no row. None means equal weights.
        subjects : None
            Not supported, since all rows of a subject must be in one place.
        exposure : None
            Not supported; only rows in memory may have an exposure.

        Returns
        -------
        self : estimator

        Raises
        ------
        ValueError
            If the data do not match the parameters, or a partition does not match the
            others; the mixture is then unchanged.
        TypeError
            If an argument is not a Dask collection, or a part of the mixture is not an
            estimator of the right type.
        """
        if subjects is not None:
            raise ValueError(
                "On Dask collections 'subjects' are not supported: the rows of one "
                "could be in several partitions. Compute the rows, and fit the mixture "
                "of sklearn_moe to them."
            )
        if exposure is not None:
            raise ValueError(
                "'exposure' is for rows in memory; X is a Dask collection. Take the "
                f"{type(self).__name__} of sklearn_moe, or counts of equal exposure."
            )
        composition = self._composition()
        named_experts = composition.checked_experts(self.get_params(deep=False))
        gate = composition.checked_gate()
        if learns_labels(gate):
            raise ValueError(
                "On Dask collections the 'gate' must be a SoftmaxGate or a "
                f"GaussianGate, or a pipeline that ends in one; got {gate!r}."
            )
        composition.targets.check_partitions()
        check_collections(X, sample_weight, y=y)
        with all_or_nothing(self), cluster_of(self.client, self.persist) as cluster:
            random_state = check_random_state(self.random_state)
            rows = self._rows(X, y, sample_weight, named_experts, cluster, random_state)
            self._check_X(rows.sample.X, reset=True)
            few = rows.sample.take(np.arange(min(2, rows.n_samples)))
            self._example_ = few.X, few.y
            named_experts = self._targets_.over_range(named_experts, rows)
            pool = ExpertPool(
                named_experts,
                rows,
                self._targets_.output_of,
                fitter=fitter_for,
                random_state=random_state,
            )
            learners = self._learners(pool, gate, self._targets_, None, random_state)
            learners = replace(learners, likelihood=InBatches(learners.likelihood))
            starts = self._starts(learners, self._targets_, slice(None), random_state)
            weighted = sample_weight is not None
            metadata = {"sample_weight": sample_weight} if weighted else None
            run = self._run_em(
                learners,
                Begin(starts, self.n_init, 1),
                {"estimator": self, "X": X, "y": y, "metadata": metadata},
            )
            nothing = np.zeros(len(named_experts), dtype=bool)
            for message, category in warnings_of(self, run, nothing):
                warnings.warn(message, category, stacklevel=3)
        return self

    def _composition(self):
        # Experts are fitted in each iteration, and evaluated on their training rows.
        return Composition(
            self.experts, self.n_experts, self.gate, True, self._targets()
        )

    def _rows(self, X, y, sample_weight, named_experts, cluster, random_state):
        """Check every partition, and return the rows in the form that EM needs."""
        targets, y = self._targets(), as_targets(y)
        if targets.estimator_type == "regressor":
            targets = targets.learnt_from(y, named_experts)
        given = aligned(X, y=y, sample_weight=sample_weight)
        given = cluster.keep(Stored(calls("given_block", given_block, given)))
        reports = _reports(
            Lazy(report_on, given, Schema.of(X, y), cluster.share(targets)),
            len(named_experts),
            cluster,
        )
        if targets.estimator_type == "classifier":
            classes = np.concatenate([report.classes for report in reports.values()])
            targets = targets.learnt_from(classes, named_experts)
        self._set_targets(targets)
        self._weight_unit_, total_weight = _unit_and_total(reports.values())
        given = Stored([given.values[number] for number in reports])
        blocks = cluster.keep(
            Lazy(make_block, given, cluster.share(targets), self._weight_unit_)
        )
        n_rows = np.array([report.n_rows for report in reports.values()])
        drawn = rows_of_start(n_rows.sum(), random_state)
        # A local fit draws no such seeds: a copy leaves the random state unchanged.
        seeds = deepcopy(random_state).randint(2**31 - 1, size=len(n_rows))
        return PartitionedRows(
            blocks,
            n_rows,
            total_weight,
            _take(drawn, blocks, n_rows, cluster),
            cluster,
            capacity=self._capacity(n_rows.sum(), len(named_experts)),
            seeds=seeds.tolist(),
            labelled=targets.classes is not None,
        )

    def _capacity(self, n_rows, n_experts):
        """Return the maximum number of rows that are sent to an expert."""
        limits = [n_rows]
        # With the other assignments, the router applies the capacity.
        if self.assignment == "soft":
            if self.capacity_factor is not None:
                limits.append(np.ceil(self.capacity_factor * n_rows / n_experts))
            if self.max_rows_per_expert is not None:
                limits.append(self.max_rows_per_expert)
        return int(min(limits))

    def _router(self, rows, n_experts):
        factor = self.capacity_factor
        if self.max_rows_per_expert is not None:
            default = 1.0 if self.assignment == "expert_choice" else np.inf
            factor = min(
                default if factor is None else factor,
                self.max_rows_per_expert * n_experts / rows.n_samples,
            )
        return Router(self.assignment, factor, self.overflow)

    @property
    def partial_fit(self) -> Self:
        """Not available, since it learns from batches in memory."""
        raise AttributeError(
            f"{type(self).__name__} has no partial_fit; to_local() makes an ordinary "
            "mixture, which has it."
        )

    # Prediction
    # ----------

    def to_local(self) -> Any:
        """Return an ordinary fitted mixture, for arrays and frames in memory.

        Returns
        -------
        mixture : estimator
            Fitted mixture, of the class of the same name in `sklearn_moe`.
        """
        check_is_fitted(self)
        local = self._local_class()
        params = self.get_params(deep=False)
        known = {name: params[name] for name in params.keys() & local.get_params(False)}
        if self.assignment == "soft":
            # In memory, the capacity is not supported with "soft" assignment.
            known["capacity_factor"] = None
        local = clone(local.set_params(**known))
        fitted = {k: v for k, v in vars(self).items() if k.endswith("_")}
        vars(local).update(fitted)
        return local

    predict_gate = lazy_method(BaseMixtureOfExperts.predict_gate)
    apply = lazy_method(BaseMixtureOfExperts.apply)
    transform = lazy_method(BaseMixtureOfExperts.transform)
    responsibilities = lazy_method(BaseMixtureOfExperts.responsibilities)
    score_samples = lazy_method(BaseMixtureOfExperts.score_samples)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the R2 of a regressor, or the accuracy of a classifier.

        Parameters
        ----------
        X : dask Array or DataFrame of shape (n_samples, n_features)
            Rows, which stay on their workers.
        y : dask Array, Series or DataFrame of shape (n_samples,) or \
(n_samples, n_outputs)
            Their targets, in the same partitions.
        sample_weight : dask Array or Series of shape (n_samples,), default=None
            Their weights, in the same partitions.

        Returns
        -------
        score : float
            The score, which is computed immediately. It is the mean over the outputs if
            there are several.
        """
        if not is_collection(X):
            return super().score(X, y, sample_weight)
        local = self.to_local()
        check_collections(X, sample_weight, y=y)
        return score(local, aligned(X, y=as_targets(y), sample_weight=sample_weight))

    def _check_X(self, X, y="no_validation", *, reset):
        if is_collection(X):
            raise TypeError(
                "This method is for rows in memory; X is a Dask collection. Compute "
                "some rows, or map to_local() over the partitions."
            )
        return super()._check_X(X, y, reset=reset)

    # Conventions of scikit-learn
    # ---------------------------

    def __sklearn_clone__(self):
        """Return a clone with the same client, which cannot be copied."""
        # `copy` drops the client, as pickling does.
        cloned = super(DaskMixture, copy(self)).__sklearn_clone__()
        return cloned.set_params(client=self.client)

    def __getstate__(self):
        """Return the state without the client, which belongs to this process."""
        return {**super().__getstate__(), "client": None}


def _reports(reports, n_experts, cluster):
    """Return the reports of partitions with rows of positive weight, by their index.

    Raises
    ------
    ValueError
        If a partition is invalid, or there are fewer rows than experts.
    """
    reports = dict(enumerate(cluster.fetch(tasks_of(reports))))
    for number, report in reports.items():
        if report.problem is not None:
            raise ValueError(f"Partition {number}: {report.problem}")
    n_samples = sum(report.n_rows for report in reports.values())
    check_number_of_experts(n_experts, n_samples)
    return {number: report for number, report in reports.items() if report.n_rows}


def _unit_and_total(reports):
    """Return the weight that counts as one row, and the total weight in such units."""
    largest = max(report.largest_weight for report in reports)
    relative = [report.largest_weight / largest for report in reports]
    shares = sum(r.weight_shares * own for r, own in zip(reports, relative))
    squares = sum(r.weight_squares * own**2 for r, own in zip(reports, relative))
    n_rows = sum(report.n_rows for report in reports)
    unit = weight_of_one_row(largest, shares, squares, n_rows)
    return unit, shares * (largest / unit)


def _take(drawn, blocks, n_rows, cluster):
    """Fetch the rows of these indices to the client, as a `Block`."""
    ends = np.cumsum(n_rows)
    if isinstance(drawn, slice):
        drawn = np.arange(ends[-1])
    places = np.split(drawn, np.searchsorted(drawn, ends[:-1]))
    own = [place - begin for place, begin in zip(places, ends - n_rows)]
    return join_blocks(cluster.fetch(tasks_of(Lazy(Block.take, blocks, Stored(own)))))
