"""What a mixture is made of: its experts and its gate, as parameters hold them."""

from abc import abstractmethod

from sklearn.base import is_classifier
from sklearn.frozen import FrozenEstimator
from sklearn.utils import get_tags
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping
from sklearn.utils.validation import check_is_fitted

from sklearn_moe._compat import NamedPartsMixin
from sklearn_moe.gates import SoftmaxGate
from sklearn_moe.weighting import last_step, thawed

# What a part must have to be cloned, asked for its tags, fitted and used.
ESTIMATOR_METHODS = ("fit", "get_params", "__sklearn_tags__")


class PartsMixin(NamedPartsMixin):
    """Experts and gate of a mixture, unfitted; a subclass knows which it can have."""

    # Parameters that hold estimators, or stand for them.
    _part_params = ("experts", "gate")

    # L2 penalty of the default gate where the experts are given; see the user guide.
    _given_experts_alpha: float

    @abstractmethod
    def _default_expert(self):
        """The estimator that ``experts=None`` stands for."""

    @abstractmethod
    def _check_expert(self, name, expert):
        """Raise TypeError where an estimator is of the wrong kind."""

    # As parameters
    # -------------

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

    def _specializes(self):
        """Whether EM fits the experts to their own rows."""
        return not self._unlike() if self.specialize == "auto" else self.specialize

    def _unlike(self):
        """Whether the experts are of different kinds."""
        if not isinstance(self.experts, list):
            return False
        return len({type(last_step(thawed(e))) for _, e in self.experts}) > 1

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

    # Conventions of scikit-learn
    # ---------------------------

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


def _predicts(expert):
    """Whether an estimator will predict; some show it only when they are fitted."""
    return hasattr(expert, "predict") or get_tags(expert).estimator_type is not None


def _predicts_probabilities(gate):
    """Whether a gate will do so; some classifiers show no method until fitted."""
    return hasattr(gate, "predict_proba") or (
        is_classifier(gate) and not hasattr(gate, "predict")
    )
