"""Convert mixtures to ONNX: all experts predict all rows, and the gate weights them."""

import numpy as np

from sklearn_moe._estimators import unwrap_frozen
from sklearn_moe._extrapolation import AGREEMENT, believed
from sklearn_moe._targets import without_nested
from sklearn_moe.experts import has_density, is_uniform
from sklearn_moe.onnx._gates import gate_logits
from sklearn_moe.onnx._noise import keeps_location, mean_of, scale_of
from sklearn_moe.onnx._parts import (
    convert_classifier,
    convert_part,
    convert_regressor,
    shared_out,
)


class GatedExperts:
    """The gate and the active experts of a mixture in a graph.

    Parameters
    ----------
    graph : Graph
    mixture : fitted mixture
    inputs : list of Input
    dtype : dtype
        Precision of the predictions.
    """

    def __init__(self, graph, mixture, inputs, dtype):
        self.graph, self.inputs, self.dtype = graph, inputs, dtype
        self.numbers = np.flatnonzero(mixture._active_)
        names = list(mixture.named_experts_)
        for name, expert in mixture.named_experts_.items():
            if is_uniform(expert):
                raise TypeError(
                    f"Expert {name!r} is 'uniform', a density that predictions leave "
                    "out, and cannot be converted to ONNX. Fit the mixture without it."
                )
        self.experts = {
            f"Expert {names[k]!r}": mixture.experts_[k] for k in self.numbers
        }
        n_experts = len(mixture.experts_)
        logits = gate_logits(graph, mixture.gate_, inputs, n_experts)
        if len(self.numbers) < n_experts:
            logits = graph.add("Gather", logits, self.numbers, axis=1)
        weights = graph.add("Softmax", logits, axis=1)
        self.gate_weights = self._of_all(weights, n_experts)
        largest = 1 if mixture.combination == "argmax" else mixture.top_k
        if largest is not None and largest < len(self.numbers):
            weights = self._keep_largest(logits, weights, largest)
        self.weights = graph.cast(weights, dtype)
        # Add an axis for the outputs or classes.
        self.columns = graph.add("Unsqueeze", self.weights, np.array([2]))
        self._has_none = graph.add("Equal", self.columns, dtype.type(0))

    def _of_all(self, weights, n_experts):
        """Return the weights of all experts, zero for those that are not active."""
        if len(self.numbers) < n_experts:
            places = np.zeros((len(self.numbers), n_experts))
            places[np.arange(len(self.numbers)), self.numbers] = 1
            weights = self.graph.add("MatMul", weights, places)
        return self.graph.cast(weights, self.dtype)

    def _keep_largest(self, logits, weights, n_kept):
        graph = self.graph
        chosen = graph.add("TopK", logits, np.array([n_kept]), axis=1)
        kept = graph.add("GatherElements", weights, chosen, axis=1)
        total = graph.add("ReduceSum", kept, np.array([1]), keepdims=1)
        kept = graph.add("Div", kept, total)
        nothing = graph.add("Mul", weights, np.array(0.0))
        return graph.add("ScatterElements", nothing, chosen, kept, axis=1)

    def stack(self, predictions, n_columns):
        """Stack predictions of experts to shape (n_samples, n_experts, n_columns)."""
        shape = np.array([-1, 1, n_columns])
        parts = [self.graph.add("Reshape", each, shape) for each in predictions]
        if len(parts) == 1:
            return parts[0]
        return self.graph.add("Concat", *parts, axis=1)

    def pool(self, values):
        """Return the weighted mean over the experts, ignoring those of zero weight."""
        graph = self.graph
        weighted = graph.add("Mul", self.columns, values)
        weighted = graph.add("Where", self._has_none, self.dtype.type(0), weighted)
        return graph.add("ReduceSum", weighted, np.array([1]), keepdims=0)


def convert_mixture_of_classifiers(graph, mixture, inputs, dtype):
    """Add a mixture; return its probabilities, and the weights of its gate."""
    gated = GatedExperts(graph, mixture, inputs, dtype)
    of_classes = mixture._targets_.output_of
    n_classes = len(mixture.classes_)
    zeros = graph.add("Mul", gated.weights, dtype.type(0))
    zeros = graph.add("ReduceSum", zeros, np.array([1]), keepdims=1)
    found = [
        convert_classifier(graph, expert, inputs, of_classes, zeros, dtype, what)
        for what, expert in gated.experts.items()
    ]
    probabilities = gated.stack(found, n_classes)
    error_rate = without_nested(mixture._likelihood_).error_rate[gated.numbers]
    if error_rate.any():
        slip = (error_rate / (n_classes - 1)).reshape(1, -1, 1)
        factor = (1 - n_classes * slip).astype(dtype)
        probabilities = graph.add(
            "Add", graph.add("Mul", probabilities, factor), slip.astype(dtype)
        )
    pooled = shared_out(graph, gated.pool(probabilities), n_classes, dtype)
    return pooled, gated.gate_weights


def convert_mixture_of_regressors(graph, mixture, inputs, dtype, return_std):
    """Add a mixture; return its prediction, standard deviation or None, and gate."""
    gated = GatedExperts(graph, mixture, inputs, dtype)
    n_outputs = int(np.prod(mixture._targets_.shape, dtype=int))
    noise = mixture.noise_.take(gated.numbers)
    found, inner = [], {}
    for k, (what, expert) in enumerate(gated.experts.items()):
        if return_std and has_density(expert):
            inner[k] = _nested(graph, expert, inputs, n_outputs, dtype, what)
            found.append(inner[k][0])
        else:
            found.append(
                convert_regressor(graph, expert, inputs, n_outputs, dtype, what)
            )
    location = gated.stack(found, n_outputs)
    if mixture.extrapolation == "agreed":
        held = _held(gated, mixture, location)
        pooled = gated.pool(mean_of(graph, noise, held, dtype))
        if not keeps_location(noise):
            pooled = _where_beyond(gated, mixture, noise, location, pooled)
    else:
        held = location
        pooled = gated.pool(mean_of(graph, noise, location, dtype))
    std = None
    if return_std:
        std = _deviation(gated, noise, held, inner, n_outputs)
    return pooled, std, gated.gate_weights


def _nested(graph, expert, inputs, n_outputs, dtype, what):
    """Return the prediction and standard deviation of a mixture that is an expert."""
    outputs = convert_part(
        graph, unwrap_frozen(expert), inputs, what, {"return_std": True}
    )
    shape = np.array([-1, n_outputs])
    return [
        graph.cast(graph.add("Reshape", each, shape), dtype) for each in outputs[:2]
    ]


def _held(gated, mixture, location):
    """Clip predictions outside the range of the targets; see `FittedMixture.held`."""
    graph, dtype = gated.graph, gated.dtype
    least, largest = (
        np.reshape(edge, (1, -1)).astype(dtype)
        for edge in believed(mixture._target_range_)
    )
    middle = ((least + largest) / 2)[np.newaxis]
    out = _beyond(graph, gated.pool(location), least, largest)
    out = graph.add("Unsqueeze", out, np.array([1]))
    own = [has_density(expert) for expert in gated.experts.values()]
    if any(own):
        others = ~np.reshape(own, (1, -1, 1))
        out = graph.add("And", out, others)
    from_middle = graph.add("Sub", location, middle)
    axis, twice = np.array([1]), dtype.type(AGREEMENT)
    lowest = graph.add("ReduceMin", from_middle, axis, keepdims=1)
    highest = graph.add("ReduceMax", from_middle, axis, keepdims=1)
    agreed = graph.add(
        "Or",
        graph.add("LessOrEqual", highest, graph.add("Mul", lowest, twice)),
        graph.add("GreaterOrEqual", lowest, graph.add("Mul", highest, twice)),
    )
    clipped = graph.add("Min", location, largest[np.newaxis])
    clipped = graph.add("Max", clipped, least[np.newaxis])
    held = graph.add("Where", agreed, location, clipped)
    return graph.add("Where", out, held, location)


def _beyond(graph, predictions, least, largest):
    return graph.add(
        "Or",
        graph.add("Less", predictions, least),
        graph.add("Greater", predictions, largest),
    )


def _where_beyond(gated, mixture, noise, location, of_held):
    """Use the clipped mean only in rows whose mean is outside the range of targets.

    The mean of some noise models is larger than their location; see
    `FittedMixture.pool`.
    """
    graph, dtype = gated.graph, gated.dtype
    pooled = gated.pool(mean_of(graph, noise, location, dtype))
    edges = np.array(believed(mixture._target_range_))[:, np.newaxis]
    edges = edges.repeat(len(gated.numbers), axis=1)
    least, largest = noise.predictive(edges)
    least, largest = (
        np.reshape(edge, (1, -1)).astype(dtype)
        for edge in (least.max(axis=0), largest.min(axis=0))
    )
    out = graph.cast(_beyond(graph, pooled, least, largest), np.dtype(np.int64))
    any_out = graph.add("ReduceMax", out, np.array([1]), keepdims=1)
    any_out = graph.add("Greater", any_out, np.array(0))
    return graph.add("Where", any_out, of_held, pooled)


def _deviation(gated, noise, location, inner, n_outputs):
    """Return the standard deviation of the target, within and between the experts."""
    graph, dtype = gated.graph, gated.dtype
    means = mean_of(graph, noise, location, dtype)
    scales = scale_of(noise, graph, location, gated.inputs, dtype)
    if inner:
        scales = graph.add("Add", graph.add("Mul", means, dtype.type(0)), scales)
        columns = []
        for part, tensor in enumerate((means, scales)):
            own = [
                inner[k][part]
                if k in inner
                else graph.add("Gather", tensor, np.array(k), axis=1)
                for k in range(len(gated.experts))
            ]
            columns.append(gated.stack(own, n_outputs))
        means, scales = columns
    mean = graph.add("Unsqueeze", gated.pool(means), np.array([1]))
    between = graph.add("Sub", means, mean)
    variance = graph.add(
        "Add", graph.add("Mul", scales, scales), graph.add("Mul", between, between)
    )
    return graph.add("Sqrt", gated.pool(variance))
