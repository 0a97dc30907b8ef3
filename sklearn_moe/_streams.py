"""A mixture that learns from a stream: what `partial_fit` of both estimators shares."""

import warnings
from dataclasses import replace
from numbers import Real

from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import Bunch, check_random_state

from sklearn_moe import gates
from sklearn_moe._compat import Interval, raise_for_params
from sklearn_moe._mixture import BaseMixtureOfExperts
from sklearn_moe.experts import IncrementalPool, OnlineExperts
from sklearn_moe.gates import OnlineFit, OnlineGating
from sklearn_moe.incremental import can_learn
from sklearn_moe.initialization import rows_of_start
from sklearn_moe.online import RowsSeen, Stream, kept_part, online_step
from sklearn_moe.routing import Router


def learns_from_batches(mixture):
    """Whether all parts of a mixture have `partial_fit`, as `available_if` asks.

    Raises
    ------
    AttributeError
        It names the part that has none.
    """
    for name, part in mixture._parts():
        able = gates.gate_can_learn(part) if name == "gate" else can_learn(part)
        if not able:
            what = "the gate" if name == "gate" else f"expert {name!r}"
            raise AttributeError(
                "partial_fit needs parts that have it themselves, but "
                f"{what}, a {type(part).__name__}, has none. Take SGDRegressor, "
                "SGDClassifier, naive Bayes or a neural network, and do the "
                "preprocessing in front of the mixture."
            )
    return True


class StreamedMixture(BaseMixtureOfExperts):
    """Base of the mixtures of experts that adds online EM."""

    _parameter_constraints: dict = {
        **BaseMixtureOfExperts._parameter_constraints,
        "learning_decay": [Interval(Real, 0.5, 1, closed="right")],
        "half_life": [Interval(Real, 0, None, closed="neither"), None],
    }

    def _check_batch_y(self, y):
        """Validate the target of a batch."""
        return self._check_y(y)

    def _check_stream(self):
        """Raise an error where the likelihood cannot be learnt from batches."""

    def _moments_of(self, y, sample_weight):
        """Moments of the target, where the likelihood asks for them."""

    def _batch_likelihood(self, training, moments):
        """The likelihood at work on a batch."""
        return self._make_likelihood(training, None)

    def _learn_batch(self, X, y, sample_weight, fit_params):
        """Fit the first batch, or learn another."""
        raise_for_params(fit_params, self, "partial_fit")
        self._check_routing()
        self._check_stream()
        begins = not hasattr(self, "experts_")
        if begins:
            named_experts, gate = self._named_experts(), self._gate()
            names = [name for name, _ in named_experts]
        else:
            names = list(self.named_experts_)
        training = self._check_training_set(
            X, y, sample_weight, len(names), reset=begins, check_y=self._check_batch_y
        )
        params = self._expert_params(names, fit_params, X, training, "partial_fit")
        random_state = check_random_state(self.random_state)
        if begins:
            self._begin_stream(named_experts, gate, training, params, random_state)
        else:
            self._go_on(names, training, params, random_state)
        return self

    def _begin_stream(self, named_experts, gate, training, params, random_state):
        """EM on the first batch, at which the experts look again and again."""
        X, weight = training.X, training.sample_weight
        parts_jobs, starts_jobs = self._jobs(self.n_init)
        experts = [expert for _, expert in named_experts]
        parts = {
            "experts": IncrementalPool(
                named_experts,
                X,
                training.y,
                weight,
                self._answers_,
                random_state=random_state,
                specialize=self._specializes(),
                n_jobs=parts_jobs,
                fit_params=params,
            ),
            "likelihood": self._likelihood_of(
                experts, self._make_likelihood(training, random_state)
            ),
            "gate": gates.gating(
                gate,
                X,
                weight,
                random_state=random_state,
                splits=None,
                n_jobs=parts_jobs,
            ),
        }
        rows = rows_of_start(len(weight), random_state)
        with warnings.catch_warnings():
            # The stream goes on.
            warnings.simplefilter("ignore", ConvergenceWarning)
            self._run_em(
                self._starts(training, parts, rows, random_state),
                self.n_init,
                starts_jobs,
                training,
                parts,
                random_state,
                judge=False,
            )
        self._rows_seen_ = self._remembered(training)

    def _remembered(self, training):
        """What is remembered; where nothing is, as if all rows had been like these."""
        rows_seen = self._rows_seen_
        online_gate = OnlineGating(
            training.X,
            training.sample_weight,
            len(self.experts_),
            offset=0.5,
            n_rows=rows_seen.n_rows,
        )
        if rows_seen.gate is None:
            gate = online_gate.remember(OnlineFit(self.gate_), rows_seen.weight)
            rows_seen = replace(rows_seen, gate=gate.memory)
        if rows_seen.target is None:
            target = self._moments_of(training.encoded_y, training.sample_weight)
            if target is not None:
                target = replace(target, weight=rows_seen.weight)
            rows_seen = replace(rows_seen, target=target)
        return rows_seen

    def _go_on(self, names, training, params, random_state):
        """A step of online EM."""
        seen, weight = self._remembered(training), training.sample_weight
        kept = kept_part(seen.n_rows, weight.sum(), self.learning_decay, self.half_life)
        moments = self._moments_of(training.encoded_y, weight)
        if moments is not None:
            moments = seen.target.times(kept).joined(moments)
        offset = random_state.uniform()
        stream = Stream(
            weight=seen.weight,
            experts=self.experts_,
            likelihood=self._likelihood_,
            gate=OnlineFit(self.gate_, seen.gate),
            active=self._active_,
            share=self.expert_share_,
            load=self.expert_load_,
            log_likelihood=self.log_likelihood_,
        )
        stream = online_step(
            stream,
            OnlineExperts(
                names,
                training.X,
                training.y,
                weight,
                self._answers_,
                offset=offset,
                specialize=self._specializes(),
                n_jobs=self.n_jobs,
                fit_params=params,
            ),
            self._likelihood_of(
                self.experts_, self._batch_likelihood(training, moments)
            ),
            OnlineGating(training.X, weight, len(names), offset, seen.n_rows),
            weight,
            kept=kept,
            sharing=self._shared_part(len(names), seen.n_rows + weight.sum()),
            route=Router(self.assignment, self.capacity_factor, self.overflow),
        )
        self.experts_ = stream.experts
        self.named_experts_ = Bunch(**dict(zip(names, stream.experts)))
        self.gate_ = stream.gate.estimator
        self._likelihood_ = stream.likelihood
        self.expert_share_, self.expert_load_ = stream.share, stream.load
        self.log_likelihood_ = float(stream.log_likelihood)
        self._rows_seen_ = RowsSeen(
            seen.n_rows + weight.sum(), stream.weight, moments, stream.gate.memory
        )
