"""The unfitted experts and the gate of a mixture, as its parameters give them."""

from dataclasses import dataclass
from typing import Any

from sklearn.base import is_classifier
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from sklearn_moe._estimators import (
    changes_rows,
    error_note,
    holds_itself,
    isolates_rows,
    last_step,
    unwrap_frozen,
)
from sklearn_moe.experts import UniformExpert
from sklearn_moe.gates import SoftmaxGate, learns_labels

# Words that may replace a named expert: "drop" leaves it out, and "uniform" makes it a
# uniform noise component.
DROP, UNIFORM = "drop", "uniform"

# Methods that an expert or a gate must have to be cloned, asked for its tags and
# fitted.
ESTIMATOR_METHODS = ("fit", "get_params", "__sklearn_tags__")

# Number of folds by which clones of one expert are cross-fitted by default, and the
# number of rows for each expert that this takes.
FOLDS_OF_CLONES = 2
FEW_ROWS = 20


@dataclass(frozen=True)
class Composition:
    """The parts of a mixture, unfitted: its experts and its gate.

    Attributes
    ----------
    experts : estimator, list of (str, estimator) or None
    n_experts : int
    gate : estimator or None
    specialize : bool or "auto"
        The four attributes up to here are parameters of the mixture.
    targets : NumberTargets or ClassTargets
        Decides which experts are possible.
    """

    experts: Any
    n_experts: int
    gate: Any
    specialize: Any
    targets: Any

    @property
    def named(self):
        """Whether the experts have names of their own."""
        return isinstance(self.experts, list)

    @property
    def unlike(self):
        """Whether the experts are of different kinds."""
        if not self.named:
            return False
        experts = [last_step(unwrap_frozen(e)) for _, e in self.expert_parts()]
        # A constant learns nothing, so that it does not count as a kind of its own.
        return len({type(e) for e in experts if not _is_constant(e)}) > 1

    @property
    def specializes(self):
        """Whether EM fits the experts to their own rows."""
        return not self.unlike if self.specialize == "auto" else self.specialize

    @property
    def are_given(self):
        """Whether EM does not fit the experts, but the gate alone."""
        frozen = (isinstance(e, FrozenEstimator) for _, e in self.expert_parts())
        return not self.specializes or all(frozen)

    def folds_unasked(self, n_rows):
        """Return the folds for `cv="auto"`, by which EM evaluates the experts.

        Experts of different kinds are always compared out-of-fold, since some overfit
        more than others. So are experts of one kind that memorise their training rows:
        their training error says little about which of them is right, and about the
        noise, which a single expert has as well. The latter are fitted in each
        iteration, so that folds are expensive, and they need enough rows for each
        expert.
        """
        if self.unlike or not self.specializes:
            return "auto"
        n_experts = self._n_experts
        needless = n_experts == 1 and not self.targets.has_noise
        if needless or n_rows < FEW_ROWS * n_experts:
            return None
        return FOLDS_OF_CLONES if self._isolates_rows else None

    @property
    def shares_rows(self):
        """Whether `sharing="auto"` trains experts on each other's rows as well.

        Rows of other experts regularise an expert unless it isolates rows, as trees do.
        """
        return (
            not self.are_given
            and self._n_experts > 1
            and not self._isolates_rows
            # No expert should learn from the rows that belong to the noise component.
            and not self.has_uniform
        )

    @property
    def _n_experts(self):
        return len(_kept(self.experts)) if self.named else self.n_experts

    @property
    def has_uniform(self):
        """Whether there is a uniform noise component among the experts."""
        return self.named and UNIFORM in map(_word, _kept(self.experts))

    @property
    def _isolates_rows(self):
        return any(isolates_rows(expert) for _, expert in self.expert_parts())

    @property
    def gate_is_frozen(self):
        """Whether the gate is not to be fitted."""
        return isinstance(last_step(self.gate), FrozenEstimator)

    def parts(self):
        """All estimators in the mixture by name, the gate first.

        Clones of one expert are one part. Objects that are not estimators are left out:
        `fit` raises an error about them, but tags and representations must not.
        """
        return [*_estimators([("gate", self._gate())]), *self.expert_parts()]

    def expert_parts(self):
        """The experts among the `parts`."""
        if self.named:
            return _estimators(filter(_is_pair, self.experts))
        return _estimators([("experts", self._expert())])

    def _expert(self):
        # `self.experts or ...` would call len() of an ensemble that is not fitted.
        return self.targets.default_expert() if self.experts is None else self.experts

    def _gate(self):
        if self.gate is not None:
            return self.gate
        # Experts that specialise need sharp borders. The competence of given experts
        # varies slowly, so that their gate has a stronger penalty and clips outliers.
        if self.specializes:
            return SoftmaxGate()
        return SoftmaxGate(alpha=self.targets.given_experts_alpha, clip=3.5)

    def checked_experts(self, taken_names):
        """Return the validated experts, a list of (name, estimator), without "drop".

        No expert may have one of the `taken_names`, those of parameters.
        """
        if self.named:
            _check_named(self.experts, taken_names)
            named = [
                (pair[0], UniformExpert()) if _word(pair) == UNIFORM else pair
                for pair in _kept(self.experts)
            ]
        else:
            expert = self._expert()
            named = [(f"expert{k}", expert) for k in range(self.n_experts)]
        for name, expert in named:
            self._check_expert(name, expert)
        return named

    def _check_expert(self, name, expert):
        if isinstance(expert, UniformExpert):
            self.targets.check_uniform(name)
            return
        if isinstance(expert, type):
            raise TypeError(
                f"Expert {name!r} must be an instance of an estimator; got the "
                f"class {expert.__name__}. Write {expert.__name__}()."
            )
        _check_ends(f"Expert {name!r}", expert)
        if not (_is_estimator(expert) and _predicts(expert)):
            remedy = ""
            if self.named and (expert is None or isinstance(expert, str)):
                remedy = " To leave it out, write 'drop'."
            raise TypeError(
                f"Expert {name!r} must be a scikit-learn estimator with fit and "
                f"predict; got {expert!r}.{remedy}"
            )
        wanted, kind = self.targets.estimator_type, get_tags(expert).estimator_type
        if kind not in (wanted, None):
            raise TypeError(
                f"Expert {name!r}, a {type(expert).__name__}, is a {kind}; a mixture "
                f"of {wanted}s needs {wanted}s."
            )
        if isinstance(expert, FrozenEstimator):
            with error_note(f"expert {name!r}"):
                check_is_fitted(expert)

    def checked_gate(self):
        """Validate the gate."""
        gate = self._gate()
        _check_ends("The 'gate'", gate)
        if not (_is_estimator(gate) and _predicts_probabilities(gate)):
            remedy = f" Write {gate.__name__}()." if isinstance(gate, type) else ""
            raise TypeError(
                "The 'gate' must be a gate, a pipeline that ends in one, or a "
                f"classifier with predict_proba; got {gate!r}.{remedy}"
            )
        if changes_rows(gate) and not learns_labels(gate):
            raise TypeError(
                "A step of the 'gate' adds or drops rows, but the gate needs weights "
                f"of the experts for each row; got {gate!r}. Leave this step "
                "out, or end the pipeline in a classifier that is no gate."
            )
        if self.gate_is_frozen:
            check_is_fitted(last_step(gate))
        return gate


def expert_params(experts):
    """Parameters of named experts, as `get_params` returns them.

    The list may be invalid: items that are not (name, estimator) pairs are left out.
    """
    params = {}
    for name, expert in filter(_is_pair, experts):
        params[name] = expert
        if _is_estimator(expert):
            for key, value in expert.get_params(deep=True).items():
                params[f"{name}__{key}"] = value
    return params


def replace_experts(experts, params):
    """Replace named experts by those in `params`, from which they are removed.

    Raises
    ------
    ValueError
        If there are parameters of an expert that is a word, such as "drop".
    """
    names = [name for name, _ in filter(_is_pair, experts)]
    if len(names) == len(experts) and not params.keys().isdisjoint(names):
        experts = [(name, params.pop(name, expert)) for name, expert in experts]
    words = {n: e for n, e in filter(_is_pair, experts) if isinstance(e, str)}
    for key in params:
        name = key.partition("__")[0]
        if name in words and name != key:
            raise ValueError(
                f"The parameter {key!r} cannot be set: expert {name!r} is "
                f"{words[name]!r}, which has none. Set {name!r} to an estimator first, "
                "or with it; in a search, give one grid for each of the two."
            )
    return experts


def _word(pair):
    """Return the word that replaces an expert, or None if it is an estimator."""
    return pair[1] if isinstance(pair[1], str) else None


def _kept(experts):
    """Return the named experts that are not dropped."""
    return [pair for pair in filter(_is_pair, experts) if _word(pair) != DROP]


def _check_named(experts, taken_names):
    for item in experts:
        if not _is_pair(item):
            raise TypeError(
                "The 'experts' list must hold (name, estimator) tuples, the "
                f"name a string; got {item!r}."
            )
    if not experts:
        raise ValueError("The 'experts' list is empty; give one at least.")
    words = list(map(_word, _kept(experts)))
    if set(words) <= {UNIFORM}:
        raise ValueError(
            f"All of the 'experts' are left out: {experts!r}. Give one at least that "
            "is an estimator."
        )
    if words.count(UNIFORM) > 1:
        raise ValueError(
            "There are several 'uniform' among the 'experts', which are the same "
            "density. Keep one."
        )
    names = [name for name, _ in experts]
    if len(set(names)) < len(names):
        raise ValueError(f"The names of 'experts' are not unique: {names}.")
    taken = sorted(set(names).intersection(taken_names))
    if taken:
        raise ValueError(
            f"The names {taken} in 'experts' are parameters of the mixture; rename "
            "these experts."
        )
    underscored = [name for name in names if "__" in name]
    if underscored:
        raise ValueError(
            f"The names in 'experts' must not contain __; got {underscored}."
        )


def _is_constant(expert):
    dummy = isinstance(expert, (DummyClassifier, DummyRegressor))
    return dummy and expert.strategy == "constant"


def _is_pair(item):
    return isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], str)


def _check_ends(name, part):
    """Raise ValueError if an estimator contains itself, so that it cannot be cloned."""
    if holds_itself(part):
        raise ValueError(
            f"{name}, a {type(part).__name__}, is in its own parameters. Put a clone "
            "of it there."
        )


def _is_estimator(part):
    return not isinstance(part, type) and all(
        hasattr(part, method) for method in ESTIMATOR_METHODS
    )


def _estimators(named):
    return [(name, part) for name, part in named if _is_estimator(part)]


def _predicts(expert):
    """Whether an estimator has `predict`; some have it only once they are fitted."""
    return hasattr(expert, "predict") or get_tags(expert).estimator_type is not None


def _predicts_probabilities(gate):
    """Whether a gate has `predict_proba`; some have it only once they are fitted."""
    return hasattr(gate, "predict_proba") or (
        is_classifier(gate) and not hasattr(gate, "predict")
    )
