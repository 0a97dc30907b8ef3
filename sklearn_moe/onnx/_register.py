"""Register mixtures and gates with skl2onnx: outputs, shapes and converters."""

import numpy as np
from skl2onnx import update_registered_converter
from skl2onnx._parse import _apply_zipmap
from skl2onnx.common.data_types import Int64TensorType, StringTensorType
from sklearn.utils.validation import check_is_fitted

from sklearn_moe.classifier import MixtureOfExpertsClassifier
from sklearn_moe.gates import GaussianGate, SoftmaxGate
from sklearn_moe.onnx._gates import gate_logits
from sklearn_moe.onnx._graph import Graph, dtype_of, tensor_type
from sklearn_moe.onnx._mixtures import (
    convert_mixture_of_classifiers,
    convert_mixture_of_regressors,
)
from sklearn_moe.onnx._parts import inputs_of
from sklearn_moe.regressor import MixtureOfExpertsRegressor

ALIAS = "SklearnMoe{}".format

FLAG = [True, False]
OF_REGRESSORS = {"return_std": FLAG, "return_gate": FLAG}
OF_GATES = {
    "zipmap": [True, False, "columns"],
    "output_class_labels": [False, True],
    "nocl": FLAG,
}
OF_CLASSIFIERS = OF_GATES | {"return_gate": FLAG}


def register():
    """Register the converters of mixtures and gates with skl2onnx."""
    update_registered_converter(
        MixtureOfExpertsRegressor,
        ALIAS("MixtureOfExpertsRegressor"),
        shapes_of_regressor,
        convert_regressor,
        parser=parse_regressor,
        options=OF_REGRESSORS,
    )
    update_registered_converter(
        MixtureOfExpertsClassifier,
        ALIAS("MixtureOfExpertsClassifier"),
        shapes_of_classifier,
        convert_classifier,
        parser=parse_classifier,
        options=OF_CLASSIFIERS,
    )
    for gate in (SoftmaxGate, GaussianGate):
        update_registered_converter(
            gate,
            ALIAS(gate.__name__),
            shapes_of_classifier,
            convert_gate,
            parser=parse_classifier,
            options=OF_GATES,
        )


# Regressors
# ----------


def parse_regressor(scope, model, inputs, custom_parsers=None):
    """Declare the outputs of a mixture of regressors."""
    operator = _declare(scope, model, inputs)
    options = scope.get_options(model, {"return_std": False, "return_gate": False})
    names = ["variable"]
    names += [name for name in ("std", "gate") if options[f"return_{name}"]]
    dtype = dtype_of(inputs)
    for name in names:
        operator.outputs.append(
            scope.declare_local_variable(name, tensor_type(dtype, None))
        )
    return operator.outputs


def shapes_of_regressor(operator):
    """Set the shapes of the outputs of a mixture of regressors."""
    mixture, dtype = operator.raw_operator, dtype_of(operator.inputs)
    n_outputs = int(np.prod(mixture._targets_.shape, dtype=int))
    for output in operator.outputs:
        n_columns = n_outputs
        if output.raw_name == "gate":
            n_columns = len(mixture.experts_)
        output.type = tensor_type(dtype, n_columns)


def convert_regressor(scope, operator, container):
    """Convert a mixture of regressors."""
    graph, mixture = Graph(scope, container), operator.raw_operator
    variables = {output.raw_name: output for output in operator.outputs}
    found = convert_mixture_of_regressors(
        graph,
        mixture,
        inputs_of(operator),
        dtype_of(operator.inputs),
        "std" in variables,
    )
    for name, tensor in zip(("variable", "std", "gate"), found):
        if name in variables:
            graph.output(tensor, variables[name])


# Classifiers and gates
# ---------------------


def parse_classifier(scope, model, inputs, custom_parsers=None):
    """Declare the outputs of a mixture of classifiers, or of a gate."""
    operator = _declare(scope, model, inputs)
    defaults = {"zipmap": True, "nocl": False}
    if isinstance(model, MixtureOfExpertsClassifier):
        defaults["return_gate"] = False
    options = scope.get_options(model, defaults)
    dtype, labels = dtype_of(inputs), _label_type(scope, model)
    label = scope.declare_local_variable("label", labels([None]))
    probabilities = scope.declare_local_variable(
        "probabilities", tensor_type(dtype, len(model.classes_))
    )
    operator.outputs.extend([label, probabilities])
    outputs = [label, probabilities]
    if options["zipmap"]:
        outputs = _apply_zipmap(
            options["zipmap"], scope, model, probabilities.type, outputs
        )
    if options.get("output_class_labels", False):
        named = scope.declare_local_operator("SklearnClassLabels")
        named.classes = _classes(scope, model)
        own = scope.declare_local_variable(
            "class_labels", labels([len(model.classes_)])
        )
        named.outputs.append(own)
        outputs = [*outputs, own]
    if options.get("return_gate"):
        gate = scope.declare_local_variable(
            "gate", tensor_type(dtype, len(model.experts_))
        )
        operator.outputs.append(gate)
        outputs = [*outputs, gate]
    return outputs


def shapes_of_classifier(operator):
    """Set the shapes of the outputs of a mixture of classifiers, or of a gate."""
    model, dtype = operator.raw_operator, dtype_of(operator.inputs)
    label, probabilities, *gate = operator.outputs
    label.type = label.type.__class__([None])
    probabilities.type = tensor_type(dtype, len(model.classes_))
    for output in gate:
        output.type = tensor_type(dtype, len(model.experts_))


def convert_classifier(scope, operator, container):
    """Convert a mixture of classifiers."""
    graph, mixture = Graph(scope, container), operator.raw_operator
    probabilities, weights = convert_mixture_of_classifiers(
        graph, mixture, inputs_of(operator), dtype_of(operator.inputs)
    )
    _label_output(graph, scope, mixture, probabilities, operator)
    for output in operator.outputs[2:]:
        graph.output(weights, output)


def convert_gate(scope, operator, container):
    """Convert a gate."""
    graph, gate = Graph(scope, container), operator.raw_operator
    logits = gate_logits(graph, gate, inputs_of(operator), len(gate.classes_))
    weights = graph.add("Softmax", logits, axis=1)
    weights = graph.cast(weights, dtype_of(operator.inputs))
    _label_output(graph, scope, gate, weights, operator)


def _label_output(graph, scope, model, probabilities, operator):
    label, variable, *_ = operator.outputs
    graph.output(probabilities, variable)
    number = graph.add("ArgMax", probabilities, axis=1, keepdims=0)
    graph.output(graph.add("Gather", _classes(scope, model), number), label)


def _declare(scope, model, inputs):
    check_is_fitted(model)
    operator = scope.declare_local_operator(ALIAS(type(model).__name__), model)
    operator.inputs = inputs
    return operator


def _label_type(scope, model):
    whole = _classes(scope, model).dtype.kind == "i"
    return Int64TensorType if whole else StringTensorType


def _classes(scope, model):
    """Return the labels as integers or strings; as 0, 1, ... by the option "nocl"."""
    classes = model.classes_
    if scope.get_options(model, {"nocl": False})["nocl"]:
        return np.arange(len(classes))
    if classes.dtype.kind not in "biuf":
        return np.array([str(label) for label in classes])
    # Labels that are floats are whole numbers.
    return classes.astype(np.int64)
