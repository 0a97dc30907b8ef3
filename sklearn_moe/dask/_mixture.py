"""What the two mixtures over Dask collections share: fit, and lazy predictions."""

from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from numbers import Integral

import dask.array as da
import numpy as np
from distributed import Client
from sklearn.base import clone, is_classifier
from sklearn.tree import DecisionTreeRegressor
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from sklearn_moe._atomic import all_or_nothing
from sklearn_moe._compat import (
    HasMethods,
    Interval,
    StrOptions,
    fit_context,
)
from sklearn_moe._mixture import TrainingSet
from sklearn_moe.dask._cluster import Cluster, Kept, Rows, in_each
from sklearn_moe.dask._collections import (
    Question,
    aligned,
    as_array,
    ask_lazily,
    check_collection,
    is_collection,
)
from sklearn_moe.dask._experts import DistributedPool
from sklearn_moe.dask._gate import DistributedGating
from sklearn_moe.dask._likelihoods import DistributedLikelihood
from sklearn_moe.dask._partitions import (
    Columns,
    Partition,
    Schema,
    TrainingPartitions,
    block_of,
    joined,
    look_at,
    make_partition,
    shares,
)
from sklearn_moe.dask._step import DistributedStep, column_sums
from sklearn_moe.experts import has_own_density
from sklearn_moe.gates import SoftmaxGate
from sklearn_moe.initialization import (
    KINDS,
    initial_responsibilities,
    rows_of_start,
    starting_points,
    starting_rule,
)
from sklearn_moe.weighting import last_step, seeded


class DistributedMixture:
    """Fit to Dask collections, and predictions that are computed when needed.

    It goes before a mixture of `sklearn_moe`, whose parameters it has in so far as they
    make sense here.
    """

    _distributed_constraints: dict = {
        "init": [StrOptions(set(KINDS)), HasMethods("fit_predict")],
        "max_rows_per_expert": [Interval(Integral, 1, None, closed="left"), None],
        "persist": ["boolean"],
        "client": [Client, None],
    }

    # Experts are fitted in each iteration, and judged on their own rows.
    specialize = True
    cv = None
    acceleration = None
    warm_start = False
    n_jobs = None

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y, sample_weight=None):
        """Fit the experts and the gate by EM.

        Parameters
        ----------
        X : dask Array or DataFrame of shape (n_samples, n_features)
            Training rows. A partition of a frame reaches the experts as a frame.
        y : dask Array or Series of shape (n_samples,)
            Training targets, in the same partitions.
        sample_weight : dask Array or Series of shape (n_samples,), default=None
            Weights of the rows, in the same partitions. A weight of 2 equals the row
            twice, a weight of 0 equals no row. None means equal weights.

        Returns
        -------
        self : estimator

        Raises
        ------
        ValueError
            If the data do not fit the parameters, or a partition is not like the
            others; what was fitted before stays as it was.
        TypeError
            If something is no Dask collection, or a part no estimator of the right
            kind.
        """
        named_experts, gate = self._named_experts(), self._gate()
        self._check_gate(gate)
        for name, collection in (("X", X), ("y", y), ("sample_weight", sample_weight)):
            if name != "sample_weight" or collection is not None:
                check_collection(collection, name)
        with all_or_nothing(self), Cluster(self.client, self.persist) as cluster:
            random_state = check_random_state(self.random_state)
            training = self._take_in(X, y, sample_weight, cluster)
            rows = training.sample_weight
            if rows.n_rows.sum() < len(named_experts):
                raise ValueError(
                    f"n_experts={len(named_experts)} is more than the number of rows "
                    f"of positive weight, n_samples={rows.n_rows.sum()}. Ask for fewer "
                    "experts."
                )
            drawn = rows_of_start(rows.n_rows.sum(), random_state)
            sample = self._bring(drawn, rows, cluster)
            self._check_X(sample.X, reset=True)
            few = sample.take(np.arange(2))
            self._example_ = few.X, few.y
            parts = self._parts_on_cluster(
                named_experts, gate, rows, sample, cluster, random_state
            )
            starts = self._distributed_starts(
                parts, rows, sample, cluster, random_state
            )
            self._run_em(starts, self.n_init, 1, training, parts, random_state)
        return self

    def _check_gate(self, gate):
        softmax = last_step(gate)
        if not isinstance(softmax, SoftmaxGate) or softmax.load_balance:
            raise ValueError(
                "On Dask collections the 'gate' must be a SoftmaxGate without "
                f"load_balance, or a pipeline that ends in one; got {gate!r}."
            )

    def _take_in(self, X, y, sample_weight, cluster):
        """Check every partition, and have its rows as EM wants them."""
        self._know_targets(y)
        blocks = in_each(
            Rows(
                block_of, *map(Kept, aligned(X, "y", y, "sample_weight", sample_weight))
            )
        )
        blocks = cluster.keep(Kept(blocks))
        reports = cluster.collect(
            Rows(look_at, blocks, Schema.of(X, y), cluster.share(self._checker()))
        )
        for number, report in enumerate(reports):
            if report.problem is not None:
                raise ValueError(f"Partition {number}: {report.problem}")
        # Those that are empty have nothing to say.
        full = [number for number, report in enumerate(reports) if report.n_rows]
        if not full:
            raise ValueError("X has no rows of positive weight.")
        reports = [reports[number] for number in full]
        self._know_classes([report.classes for report in reports])
        blocks = Kept([blocks.parts[number] for number in full])
        rows = TrainingPartitions(
            cluster.keep(Rows(make_partition, blocks, cluster.share(self._checker()))),
            np.array([report.n_rows for report in reports]),
            np.array([report.weight for report in reports]),
        )
        weighted = sample_weight is not None
        return TrainingSet(X, y, None, rows, weighted, None, rows.n_rows.sum())

    def _checker(self):
        """What knows which targets can be fitted, and how a likelihood wants them."""
        checker = clone(self).set_params(experts=None, gate=None, client=None)
        known = ("_answers_", "classes_")
        vars(checker).update({k: v for k, v in vars(self).items() if k in known})
        return checker

    def _bring(self, drawn, rows, cluster):
        """Rows for the client, by their numbers, with the weight of all."""
        ends = np.cumsum(rows.n_rows)
        if isinstance(drawn, slice):
            drawn = np.arange(ends[-1])
        places = np.split(drawn, np.searchsorted(drawn, ends[:-1]))
        own = [place - begin for place, begin in zip(places, ends - rows.n_rows)]
        sample = joined(cluster.collect(rows.map(Partition.take, Kept(own))))
        factor = rows.sum() / sample.sample_weight.sum()
        return replace(sample, sample_weight=factor * sample.sample_weight)

    def _parts_on_cluster(
        self, named_experts, gate, rows, sample, cluster, random_state
    ):
        """Experts, likelihood and gate, and the EM iteration that knows them."""
        own_density = any(has_own_density(expert) for _, expert in named_experts)
        likelihood = self._distributed_likelihood(rows, sample, cluster, random_state)
        return {
            "experts": DistributedPool(
                named_experts,
                rows,
                sample,
                self._answers_,
                capacity=self._capacity(rows, len(named_experts)),
                seeds=_seeds(random_state, len(rows.n_rows)),
                cluster=cluster,
                random_state=random_state,
            ),
            "likelihood": DistributedLikelihood(likelihood, rows, own_density, cluster),
            "gate": DistributedGating(
                seeded(gate, random_state), rows, sample, cluster
            ),
            "step": partial(
                DistributedStep,
                cluster=cluster,
                max_rows_per_expert=self.max_rows_per_expert,
            ),
        }

    def _capacity(self, rows, n_experts):
        """How many rows an expert takes from each partition."""
        n_rows = rows.n_rows.sum()
        limits = [n_rows]
        if self.assignment == "soft":
            # Where rows are assigned, the router counts them.
            if self.capacity_factor is not None:
                limits.append(int(np.ceil(self.capacity_factor * n_rows / n_experts)))
            if self.max_rows_per_expert is not None:
                limits.append(self.max_rows_per_expert)
        return shares(min(limits), rows.n_rows)

    def _distributed_starts(self, parts, rows, sample, cluster, random_state):
        """Yield the responsibilities with which each start of EM begins, in a list."""
        init = self.init
        if hasattr(init, "fit_predict"):
            init = seeded(init, random_state)
        shape = rows.n_rows.sum(), len(parts["experts"].names)
        for start in starting_points(init, self.n_init):
            learn = starting_rule if isinstance(start, str) else Followed.learn
            rule = learn(
                start,
                parts["gate"].features,
                sample.encoded_y,
                shape[1],
                sample.sample_weight,
                random_state,
                n_classes=len(self.classes_) if is_classifier(self) else None,
            )
            first = cluster.keep(
                rows.map(begin, parts["gate"].partitions, cluster.share(rule))
            )
            (load,) = cluster.total(rows.map(column_sums, first))
            yield [Columns(first, shape, load)]

    @property
    def partial_fit(self):
        """Not there: a stream has no partitions to go back to."""
        raise AttributeError(
            f"{type(self).__name__} has no partial_fit; to_local() makes an ordinary "
            "mixture, which has it."
        )

    # Prediction
    # ----------

    def to_local(self):
        """The same as an ordinary mixture, for arrays and frames.

        Returns
        -------
        mixture : estimator
            Fitted, of the class of the same name in `sklearn_moe`.
        """
        check_is_fitted(self)
        local = self._local_class()
        params = self.get_params(deep=False)
        known = {
            name: params[name] for name in local.get_params(False) if name in params
        }
        if self.assignment == "soft":
            # There it is a rule of assignment.
            known["capacity_factor"] = None
        local = clone(local.set_params(**known))
        fitted = {k: v for k, v in vars(self).items() if k.endswith("_")}
        vars(local).update(fitted)
        return local

    def predict(self, X):
        """Predict the target.

        Parameters
        ----------
        X : dask Array or DataFrame of shape (n_samples, n_features)
            Here, as in all methods, rows in memory are taken as well, and the result is
            then that of the mixture of `sklearn_moe`.

        Returns
        -------
        y : dask Array or Series of shape (n_samples,)
            Computed when it is needed.
        """
        return self._lazily("predict", X)

    def predict_gate(self, X):
        """Weights that the gate gives to the experts.

        Parameters
        ----------
        X : dask Array or DataFrame of shape (n_samples, n_features)

        Returns
        -------
        gate_weights : dask Array or DataFrame of shape (n_samples, n_experts)
            Rows sum to one. Computed when it is needed.
        """
        return self._lazily("predict_gate", X)

    def apply(self, X):
        """Index of the expert with the largest gate weight, for each row.

        Parameters
        ----------
        X : dask Array or DataFrame of shape (n_samples, n_features)

        Returns
        -------
        chosen : dask Array or Series of shape (n_samples,)
            Positions in `experts_`. Computed when it is needed.
        """
        return self._lazily("apply", X)

    def transform(self, X):
        """What each expert predicts.

        Parameters
        ----------
        X : dask Array or DataFrame of shape (n_samples, n_features)

        Returns
        -------
        predictions : dask Array or DataFrame of shape (n_samples, n_columns)
            As of the mixture of `sklearn_moe`. Computed when it is needed.
        """
        return self._lazily("transform", X)

    def responsibilities(self, X, y):
        """Posterior probability of each expert, given the row and its target.

        Parameters
        ----------
        X : dask Array or DataFrame of shape (n_samples, n_features)
        y : dask Array or Series of shape (n_samples,)

        Returns
        -------
        responsibilities : dask Array or DataFrame of shape (n_samples, n_experts)
            Rows sum to one. Computed when it is needed.
        """
        return self._lazily("responsibilities", X, y)

    def score_samples(self, X, y=None):
        """Log density of each target under the mixture, log p(y | x).

        Parameters
        ----------
        X : dask Array or DataFrame of shape (n_samples, n_features)
        y : dask Array or Series of shape (n_samples,), default=None
            Targets. None means the predictions of the mixture.

        Returns
        -------
        log_density : dask Array or Series of shape (n_samples,)
            Computed when it is needed.
        """
        return self._lazily("score_samples", X, y)

    def score(self, X, y, sample_weight=None):
        """Coefficient of determination of a regressor, accuracy of a classifier.

        Parameters
        ----------
        X : dask Array or DataFrame of shape (n_samples, n_features)
        y : dask Array or Series of shape (n_samples,)
        sample_weight : dask Array or Series of shape (n_samples,), default=None

        Returns
        -------
        score : float
            Computed at once; the rows stay where they are.
        """
        if not is_collection(X):
            return super().score(X, y, sample_weight)
        predicted, y, weights = map(as_array, (self.predict(X), y, sample_weight))
        weights = 1 if sample_weight is None else weights
        total = (weights * da.ones_like(y, dtype=float)).sum()
        if is_classifier(self):
            return float(((weights * (predicted == y)).sum() / total).compute())
        mean = (weights * y).sum() / total
        residual = (weights * (y - predicted) ** 2).sum()
        return float((1 - residual / (weights * (y - mean) ** 2).sum()).compute())

    def _lazily(self, method, X, *targets):
        """What a method of the local mixture says, of a collection when needed."""
        if not is_collection(X):
            return getattr(super(), method)(X, *targets)
        check_is_fitted(self)
        targets = [y for y in targets if y is not None]
        rows, labels = self._example_
        example = rows, *(labels for _ in targets)
        return ask_lazily(Question(self.to_local(), method, *example), X, *targets)

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
        """A clone with the same client, which cannot be copied."""
        params = self.get_params(deep=False)
        client = params.pop("client")
        copied = {name: clone(value, safe=False) for name, value in params.items()}
        return type(self)(**copied, client=client)

    def __getstate__(self):
        """What is pickled: all but the client, which belongs to this process."""
        return {**super().__getstate__(), "client": None}


@dataclass(frozen=True)
class Followed:
    """Gives each row to experts as a clusterer gave those of the sample that are near.

    Attributes
    ----------
    tree : DecisionTreeRegressor
    """

    tree: DecisionTreeRegressor

    @classmethod
    def learn(cls, clusterer, features, *others, **params):
        """Learn from what `initial_responsibilities` says, of the same arguments."""
        given = initial_responsibilities(
            clusterer, features, *others, slice(None), **params
        )
        return cls(DecisionTreeRegressor(random_state=0).fit(features, given))

    def __call__(self, features, y):
        """Responsibilities of rows."""
        return self.tree.predict(features)


def begin(partition, problem, rule):
    """The first responsibilities of a partition."""
    return rule(problem.design[:, :-1], partition.encoded_y)


def _seeds(random_state, n_seeds):
    """Seeds that leave the random state as it is: a local fit draws none."""
    return deepcopy(random_state).randint(2**31 - 1, size=n_seeds).tolist()
