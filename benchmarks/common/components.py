"""The parts of the package, for a stopwatch."""

from sklearn_moe import _mixture, kernels
from sklearn_moe.experts import ExpertPool
from sklearn_moe.gates.softmax import SoftmaxGating
from sklearn_moe.likelihoods import CategoricalLikelihood, NoiseLikelihood

# What `fit` calls. "around experts" is what is done for them beside their own fits and
# answers: weights, copies of rows and clones.
FIT = {
    "start": [(_mixture, "initial_responsibilities")],
    "gate": [(SoftmaxGating, "fit")],
    "E-step": [(kernels, "responsibilities")],
    "likelihood": [(NoiseLikelihood, "fit"), (CategoricalLikelihood, "fit")],
    "around experts": [(ExpertPool, "fit")],
}


def watched(estimator, stopwatch, name, methods):
    """An estimator of a subclass whose methods a stopwatch counts to a part."""
    kind = type(estimator)
    timed = {method: stopwatch.timed(name, getattr(kind, method)) for method in methods}
    return type(kind.__name__, (kind,), timed)(**estimator.get_params(deep=False))
