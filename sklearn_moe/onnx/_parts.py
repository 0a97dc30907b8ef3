"""Convert experts, steps and classifiers by their own converters."""

import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx
import onnxruntime
from skl2onnx import convert_sklearn
from skl2onnx._supported_operators import sklearn_operator_name_map
from skl2onnx.common._registration import get_converter
from skl2onnx.common.data_types import (
    DoubleTensorType,
    FloatTensorType,
    Int64TensorType,
)
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    BaseEnsemble,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR, NuSVC, NuSVR
from sklearn.tree import BaseDecisionTree

from sklearn_moe._estimators import (
    LabelEncodedClassifier,
    last_step,
    nested_estimators,
    unwrap_frozen,
)
from sklearn_moe._sklearn import nodes_of_boosting
from sklearn_moe.onnx._boosters import BOOSTERS, register_boosters

# Estimators that compute in single precision, in scikit-learn or in the runtime.
SINGLE = (BaseDecisionTree, BaseEnsemble, SVC, SVR, NuSVC, NuSVR)

HISTOGRAMS = (HistGradientBoostingClassifier, HistGradientBoostingRegressor)

# Attributes of the trees of HISTOGRAMS in ONNX, beside the thresholds.
OTHER_NUMBERS = ("nodes_hitrates", "base_values", "target_weights", "class_weights")

DTYPES = {
    FloatTensorType: np.float32,
    DoubleTensorType: np.float64,
    Int64TensorType: np.int64,
}

# Number of random rows by which converters are checked, and the fraction that must
# agree.
N_ROWS, MOST_ROWS = 100, 0.9

# Inverse functions of the target for which ONNX has an operator.
INVERSES = {np.exp: "Exp", np.log: "Log", np.sqrt: "Sqrt"}


@dataclass(frozen=True)
class Input:
    """An input tensor of a part of a mixture.

    Attributes
    ----------
    name : str
        Name of the column, if there are several.
    type : object
        Type of the tensor, for skl2onnx.
    tensor : str
        Name of the tensor in the graph.
    """

    name: str
    type: Any
    tensor: str

    @property
    def is_numeric(self):
        """Whether the tensor holds numbers."""
        numeric = (FloatTensorType, DoubleTensorType, Int64TensorType)
        return isinstance(self.type, numeric)

    def cast(self, graph, dtype):
        """Convert an input of floating point numbers to another precision."""
        kind = {np.float32: FloatTensorType, np.float64: DoubleTensorType}[dtype]
        floats = isinstance(self.type, (FloatTensorType, DoubleTensorType))
        if not floats or isinstance(self.type, kind):
            return self
        tensor = graph.cast(self.tensor, np.dtype(dtype))
        return replace(self, type=kind(self.type.shape), tensor=tensor)


def inputs_of(operator):
    """Return the inputs of an operator of skl2onnx."""
    return [Input(v.raw_name, v.type, v.full_name) for v in operator.inputs]


def convert_part(graph, part, inputs, what, options=None):
    """Add an estimator to a graph by its own converter.

    Parameters
    ----------
    graph : Graph
    part : fitted estimator
    inputs : list of Input
    what : str
        Description of the part, for error messages.
    options : dict, default=None
        Options of the last step of the part.

    Returns
    -------
    outputs : list of str
        Names of tensors, in single precision or double.

    Raises
    ------
    TypeError
        If an estimator in it has no converter.
    """
    register_boosters(part, what)
    precisions = [np.float64, np.float32]
    double = any(isinstance(each.type, DoubleTensorType) for each in inputs)
    if not double or any(map(_is_single, nested_estimators(part))):
        precisions = [np.float32]
    inputs = _as_taken(graph, part, inputs)
    for precision in precisions:
        own = [each.cast(graph, precision) for each in inputs]
        try:
            model = _convert(part, own, graph.opsets, options)
            session = onnxruntime.InferenceSession(
                model.SerializeToString(), providers=["CPUExecutionProvider"]
            )
            break
        except Exception as error:
            # Not all operators exist in double precision.
            if precision is precisions[-1]:
                reason = str(error).strip().partition("\n")[0]
                raise TypeError(
                    f"{what}, a {type(part).__name__}, cannot be converted to ONNX: "
                    f"{type(error).__name__}: {reason}"
                ) from error
    _check_answers(session, part, own, what)
    return graph.merge(model, [each.tensor for each in own])


def _as_taken(graph, part, inputs):
    """Concatenate numeric columns, unless the part selects columns by name."""
    first = part.steps[0][1] if isinstance(part, Pipeline) else part
    if (
        len(inputs) == 1
        or isinstance(first, (ColumnTransformer, FeatureUnion))
        or not all(each.is_numeric for each in inputs)
    ):
        return inputs
    double = any(isinstance(each.type, DoubleTensorType) for each in inputs)
    dtype, kind = (np.float64, DoubleTensorType), (np.float32, FloatTensorType)
    dtype, kind = dtype if double else kind
    columns = [graph.cast(each.tensor, np.dtype(dtype)) for each in inputs]
    tensor = graph.add("Concat", *columns, axis=1)
    return [Input("X", kind([None, len(columns)]), tensor)]


def _check_answers(session, part, inputs, what):
    """Raise TypeError if the converted part predicts otherwise than the estimator.

    They are compared on random numbers. Parts with text columns are not checked, since
    random texts would be unknown categories.
    """
    if not all(each.is_numeric for each in inputs) or len(inputs) > 1:
        return
    (own,), predict = inputs, getattr(part, "predict_proba", None)
    n_features = getattr(part, "n_features_in_", None)
    predict = predict or getattr(part, "predict", None)
    if predict is None or n_features is None:
        return
    rows = np.random.default_rng(0).normal(size=(N_ROWS, n_features))
    rows = rows.astype(DTYPES[type(own.type)])
    found = session.run(None, {session.get_inputs()[0].name: rows})
    with warnings.catch_warnings():
        # Estimators that were fitted to frames warn of missing column names.
        warnings.simplefilter("ignore")
        try:
            expected = np.asarray(predict(rows))
        except (TypeError, ValueError):
            return
    found = np.asarray(found[1 if hasattr(part, "predict_proba") else 0])
    found = found.reshape(expected.shape)
    if expected.dtype.kind in "iuf":
        size = np.abs(expected[np.isfinite(expected)]).max(initial=1e-300)
        same = np.isclose(found, expected, 1e-3, 1e-3 * size, equal_nan=True)
    else:
        same = found.astype(str) == expected.astype(str)
    # Rounding may send a row to the other side of a threshold.
    if same.reshape(len(rows), -1).all(axis=1).mean() < MOST_ROWS:
        raise TypeError(
            f"{what}, a {type(part).__name__}, cannot be converted to ONNX: for random "
            "rows the converted model predicts something else than the estimator. Try "
            "other versions of skl2onnx or onnxmltools, or another estimator."
        )


def _is_single(estimator):
    library = type(estimator).__module__.partition(".")[0]
    return isinstance(estimator, SINGLE) or library in BOOSTERS


def _convert(part, inputs, opsets, options):
    names = ["X"] if len(inputs) == 1 else [each.name for each in inputs]
    types = [(name, each.type) for name, each in zip(names, inputs)]
    last = last_step(part)
    options = dict(options or {})
    if "zipmap" in _options_of(last):
        options["zipmap"] = False
    model = convert_sklearn(
        part,
        initial_types=types,
        target_opset=opsets,
        options={id(last): options} if options else None,
    )
    _restore_thresholds(model, part)
    return model


def _options_of(estimator):
    """Return the options of the converter of an estimator."""
    alias = sklearn_operator_name_map.get(type(estimator))
    return {} if alias is None else get_converter(alias).get_allowed_options() or {}


def _restore_thresholds(model, part):
    """Restore the thresholds of HistGradientBoosting in double precision.

    Thresholds are often values of the training rows: rounded to single precision, they
    would send such rows to the other side.
    """
    boosters = [e for e in nested_estimators(part) if isinstance(e, HISTOGRAMS)]
    graph = model.graph
    trees = [node for node in graph.node if node.op_type.startswith("TreeEnsemble")]
    if boosters and len(boosters) != len(trees):
        raise TypeError("HistGradientBoosting is combined with other trees.")
    for booster, node in zip(boosters, trees):
        nodes = nodes_of_boosting(booster)
        if nodes["is_categorical"].any():
            raise TypeError(
                "it splits categories, for which skl2onnx has no operator. Encode them "
                "in a pipeline, and set categorical_features=None."
            )
        attributes = []
        for attribute in node.attribute:
            name = attribute.name
            if name == "nodes_values":
                attribute = _tensor(name, nodes["num_threshold"])
            elif name in OTHER_NUMBERS:
                attribute = _tensor(name, attribute.floats)
            attributes.append(attribute)
        del node.attribute[:]
        node.attribute.extend(attributes)
        (seen,) = node.input
        node.input[0] = f"{seen}_double"
        cast = onnx.helper.make_node(
            "Cast",
            [seen],
            [node.input[0]],
            name=f"{node.name}_cast",
            to=onnx.TensorProto.DOUBLE,
        )
        graph.node.insert(list(graph.node).index(node), cast)
        for output in graph.output:
            if output.name == node.output[-1]:
                output.type.tensor_type.elem_type = onnx.TensorProto.FLOAT
        for opset in model.opset_import:
            if opset.domain == "ai.onnx.ml":
                # The first version in which these attributes can be tensors.
                opset.version = max(opset.version, 3)


def _tensor(name, values):
    values = np.array(values, dtype=np.float64)
    return onnx.helper.make_attribute(
        f"{name}_as_tensor", onnx.numpy_helper.from_array(values, name)
    )


# Predictions of experts
# ----------------------


def convert_regressor(graph, expert, inputs, n_outputs, dtype, what):
    """Add a regressor; return its predictions, shape (n_samples, n_outputs)."""
    expert = unwrap_frozen(expert)
    if type(expert) is TransformedTargetRegressor:
        predicted = convert_regressor(
            graph, expert.regressor_, inputs, n_outputs, dtype, what
        )
        return _invert(graph, expert.transformer_, predicted, dtype, what)
    predicted, *_ = convert_part(graph, expert, inputs, what)
    predicted = graph.add("Reshape", predicted, np.array([-1, n_outputs]))
    return graph.cast(predicted, dtype)


def _invert(graph, transformer, predicted, dtype, what):
    """Invert the transformation of the target by a TransformedTargetRegressor."""
    if isinstance(transformer, StandardScaler):
        for kind, values in ("Mul", transformer.scale_), ("Add", transformer.mean_):
            if values is not None:
                predicted = graph.add(kind, predicted, values.astype(dtype))
        return predicted
    inverse = getattr(transformer, "inverse_func", transformer)
    if inverse is None:
        return predicted
    if inverse is np.expm1:
        return graph.add("Sub", graph.add("Exp", predicted), dtype.type(1))
    if inverse in INVERSES:
        return graph.add(INVERSES[inverse], predicted)
    raise TypeError(
        f"{what} cannot be converted to ONNX: its target is transformed back by "
        f"{inverse!r}, for which there is no operator. There is one for a "
        "StandardScaler, and for the inverse_func np.exp, np.expm1, np.log, np.sqrt."
    )


def convert_classifier(graph, expert, inputs, probabilities, zeros, dtype, what):
    """Add a classifier; return its probabilities of the classes of a mixture.

    Parameters
    ----------
    probabilities : Probabilities
        The classes of the mixture, and how it handles other classes.
    zeros : str
        A column of zeros, one for each row.

    Returns
    -------
    probabilities : str
        Shape (n_samples, n_classes).
    """
    expert = unwrap_frozen(expert)
    known = np.asarray(expert.classes_)
    if isinstance(expert, LabelEncodedClassifier):
        expert = expert.classifier_
    if isinstance(expert, DummyClassifier) and expert.strategy == "prior":
        prior = np.reshape(expert.class_prior_, (1, -1)).astype(dtype)
        found = graph.add("Add", graph.cast(zeros, dtype), prior)
    else:
        outputs = convert_part(graph, expert, inputs, what)
        if not hasattr(expert, "predict_proba"):
            return _votes(graph, outputs[0], known, probabilities, dtype)
        found = graph.cast(outputs[1], dtype)
    places = probabilities._places(known)
    n_classes = len(probabilities.classes)
    if np.array_equal(places, np.arange(n_classes)):
        return found
    found = graph.add("MatMul", found, _placing(places, n_classes).astype(dtype))
    return found if (places >= 0).all() else shared_out(graph, found, n_classes, dtype)


def _placing(places, n_classes):
    """Return the matrix that moves columns to their places; place -1 drops a column."""
    return (np.asarray(places)[:, np.newaxis] == np.arange(n_classes)).astype(float)


def _votes(graph, label, known, probabilities, dtype):
    """Turn labels into one-hot probabilities; unknown labels become uniform."""
    n_classes = len(probabilities.classes)
    table = _placing(probabilities._places(known), n_classes)
    table[table.sum(axis=1) == 0] = 1 / n_classes
    keys = [str(label) for label in known]
    if known.dtype.kind in "biuf":
        keys = known.astype(np.int64).tolist()
    return graph.look_up(keys, label, table.astype(dtype))


def shared_out(graph, shares, n_classes, dtype):
    """Divide rows by their sums; a row of zeros becomes uniform."""
    sums = graph.add("ReduceSum", shares, np.array([1]), keepdims=1)
    empty = graph.add("LessOrEqual", sums, dtype.type(0))
    divided = graph.add("Div", shares, graph.add("Where", empty, dtype.type(1), sums))
    return graph.add("Where", empty, dtype.type(1 / n_classes), divided)
