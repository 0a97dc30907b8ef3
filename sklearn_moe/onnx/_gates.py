"""Convert gates to ONNX: their logits, in double precision."""

import numpy as np
from scipy.linalg import eigh
from skl2onnx.common.data_types import Int64TensorType, StringTensorType
from sklearn.pipeline import Pipeline

from sklearn_moe import gates
from sklearn_moe._estimators import last_step, unwrap_frozen
from sklearn_moe._frames import CATEGORIES, TIMES
from sklearn_moe.gates import GATE_SHARING, GaussianGate
from sklearn_moe.gates._regions import FARTHEST, LEAST_VARIANCE
from sklearn_moe.onnx._parts import Input, convert_part

DOUBLE = np.dtype(np.float64)


def gate_logits(graph, gate, inputs, n_experts):
    """Add a gate; return logits, shape (n_samples, n_experts), in double precision.

    They are always computed in double precision: if features are far from zero, logits
    are small differences of large numbers.
    """
    if gates.learns_labels(gate):
        return _classifier_logits(graph, gate, inputs, n_experts)
    last = last_step(gate)
    if isinstance(gate, Pipeline) and len(gate.steps) > 1:
        head = Pipeline(gate.steps[:-1])
        seen, *_ = convert_part(graph, head, inputs, "The steps in front of the gate")
        type_ = inputs[0].type.__class__([None, last.n_features_in_])
        inputs = [Input("X", type_, seen)]
        columns = graph.cast(seen, DOUBLE)
    else:
        columns = gate_columns(graph, last, inputs)
    return logits_of_columns(graph, last, columns)


def logits_of_columns(graph, gate, columns):
    """Return the logits of a softmax or gaussian gate, given its numeric columns."""
    mean = gate.feature_mean_[np.newaxis]
    missing = graph.add("IsNaN", columns)
    columns = graph.add("Where", missing, mean, columns)
    if isinstance(gate, GaussianGate):
        return _gaussian_logits(graph, gate, columns)
    if np.isfinite(gate.bounds_).any():
        least, largest = gate.bounds_[:, np.newaxis]
        columns = graph.add("Max", graph.add("Min", columns, largest), least)
    product = graph.add("MatMul", columns, gate.coef_.T)
    return graph.add("Add", product, gate.intercept_[np.newaxis])


def _gaussian_logits(graph, gate, columns):
    """Return the joint log density of each row and class; see `Regions.log_joint`."""
    scale = gate.feature_scale_
    factor = np.divide(1, scale, out=np.zeros_like(scale), where=scale > 0)
    centred = graph.add("Sub", columns, gate.feature_mean_[np.newaxis])
    design = graph.add("Mul", centred, factor[np.newaxis])
    distance = graph.add(
        "ReduceMax", graph.add("Abs", design), np.array([1]), keepdims=1
    )
    farthest = np.array(FARTHEST)
    shrunk = graph.add("Div", farthest, graph.add("Max", distance, farthest))
    design = graph.add("Mul", design, shrunk)
    regions, joint = gate._regions(), []
    with np.errstate(divide="ignore"):
        log_priors = np.log(regions.priors)
    for log_prior, mean, covariance in zip(
        log_priors, regions.means, regions.covariances
    ):
        along = graph.add("Sub", design, mean[np.newaxis])
        variances = covariance
        if covariance.ndim == 2:
            variances, vectors = eigh(covariance)
            along = graph.add("MatMul", along, vectors)
        variances = np.maximum(variances, LEAST_VARIANCE)
        squares = graph.add("Mul", along, along)
        total = graph.add("MatMul", squares, -0.5 / variances[:, np.newaxis])
        constant = log_prior - 0.5 * np.log(2 * np.pi * variances).sum()
        joint.append(graph.add("Add", total, np.array([[constant]])))
    return joined(graph, joint)


def _classifier_logits(graph, gate, inputs, n_experts):
    """Return the logits of a classifier that was fitted to the experts as labels."""
    gate = unwrap_frozen(gate)
    outputs = convert_part(graph, gate, inputs, "The gate")
    weights = graph.cast(outputs[1], DOUBLE)
    known = np.asarray(gate.classes_).astype(int)
    if not np.array_equal(known, np.arange(n_experts)):
        placing = (known[:, np.newaxis] == np.arange(n_experts)).astype(float)
        weights = graph.add("MatMul", weights, placing)
    scaled = graph.add("Mul", weights, np.array(1 - GATE_SHARING))
    return graph.add(
        "Log", graph.add("Add", scaled, np.array(GATE_SHARING / n_experts))
    )


# Columns
# -------


def gate_columns(graph, gate, inputs):
    """Add the encoding of a gate; return its numeric columns in double precision."""
    encoder = gate.encoder_
    if encoder is None:
        for each in inputs:
            if not each.is_numeric:
                raise TypeError(
                    f"The gate was fitted to numbers, but the input {each.name!r} is a "
                    f"{type(each.type).__name__}."
                )
        return joined(graph, [graph.cast(each.tensor, DOUBLE) for each in inputs])
    if len(inputs) != len(encoder.kinds):
        raise TypeError(
            f"The gate was fitted to a frame of {len(encoder.kinds)} columns, some of "
            f"which are no numbers. Give `initial_types` an input for each; got "
            f"{len(inputs)}."
        )
    numbers, categories = {}, []
    tables = iter(encoder.tables())
    for j, ((name, kind), own) in enumerate(zip(encoder.kinds, inputs)):
        if kind in TIMES:
            raise TypeError(
                f"Column {name!r} holds {kind}, which ONNX does not support. Convert "
                "them to numbers before the mixture is fitted."
            )
        if kind == CATEGORIES:
            categories.append(_one_hot(graph, name, own, *next(tables)))
        elif own.is_numeric:
            column = graph.add("Reshape", own.tensor, np.array([-1, 1]))
            numbers[j] = graph.cast(column, DOUBLE)
        else:
            raise TypeError(
                f"The gate was fitted to numbers in column {name!r}, but its input is "
                f"a {type(own.type).__name__}."
            )
    return joined(graph, [*numbers.values(), *categories])


def joined(graph, columns):
    """Concatenate columns side by side."""
    return columns[0] if len(columns) == 1 else graph.add("Concat", *columns, axis=1)


def _one_hot(graph, name, own, categories, table):
    """Return the one-hot columns of a categorical column.

    The last row of the table is for unknown categories, and the one before for missing
    values, which the empty string represents.
    """
    if isinstance(own.type, StringTensorType):
        keys = categories if "" in categories else [*categories, ""]
    elif isinstance(own.type, Int64TensorType):
        rows = [row for row, text in enumerate(categories) if _is_whole(text)]
        keys, table = [int(categories[row]) for row in rows], table[[*rows, -1]]
    else:
        raise TypeError(
            f"Column {name!r} holds categories: its input has to be of strings or of "
            f"int64, but is a {type(own.type).__name__}."
        )
    return graph.look_up(keys, own.tensor, table)


def _is_whole(text):
    try:
        return str(int(text)) == text
    except ValueError:
        return False
