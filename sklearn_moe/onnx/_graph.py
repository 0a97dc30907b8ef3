"""Build an ONNX graph of nodes, constants and whole models."""

import numpy as np
from onnx import compose, helper
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

# From this opset on, all reductions take their axes as an input.
LEAST_OPSET = 18

TYPES = {np.dtype(np.float32): FloatTensorType, np.dtype(np.float64): DoubleTensorType}


class Graph:
    """The graph that a converter adds nodes to; tensors are given by their names.

    Parameters
    ----------
    scope : Scope
    container : ModelComponentContainer
        Both are arguments that skl2onnx passes to a converter.
    """

    def __init__(self, scope, container):
        self._scope = scope
        self._container = container
        opset = container.target_opset_onnx
        if opset < LEAST_OPSET:
            raise ValueError(
                f"Mixtures and gates are converted for opset {LEAST_OPSET} and later; "
                f"got target_opset={opset}."
            )
        # All converters of trees support this version of the ML operators.
        self.opsets = {"": opset, "ai.onnx.ml": 3}

    def add(self, kind, *inputs, **attributes):
        """Add a node, and return the name of its last output.

        Inputs are names or arrays. The last output of TopK holds the indices of
        columns.
        """
        names = [
            value if isinstance(value, str) else self.constant(value)
            for value in inputs
        ]
        outputs = [self.new_name(kind.lower())]
        if kind == "TopK":
            outputs.insert(0, self.new_name("values"))
        self._container.add_node(
            kind,
            names,
            outputs,
            name=self._scope.get_unique_operator_name(kind),
            **attributes,
        )
        return outputs[-1]

    def look_up(self, keys, column, table):
        """Return rows of a table, looked up by the position of each value in `keys`.

        Values that are not among the keys get the last row.
        """
        # All runtimes support this version of the operator.
        number = self.add(
            "LabelEncoder",
            self.add("Reshape", column, np.array([-1])),
            op_domain="ai.onnx.ml",
            op_version=2,
            values_int64s=list(range(len(keys))),
            default_int64=len(table) - 1,
            **{"keys_int64s" if isinstance(keys[0], int) else "keys_strings": keys},
        )
        return self.add("Gather", table, number)

    def new_name(self, stem):
        """Return an unused name for a tensor."""
        return self._scope.get_unique_variable_name(f"moe_{stem}")

    def constant(self, array):
        """Add an array, and return its name."""
        array, name = np.asarray(array), self.new_name("constant")
        kind = helper.np_dtype_to_tensor_dtype(array.dtype)
        self._container.add_initializer(
            name, kind, list(array.shape), array.ravel().tolist()
        )
        return name

    def cast(self, tensor, dtype):
        """Convert a tensor to a dtype."""
        return self.add("Cast", tensor, to=helper.np_dtype_to_tensor_dtype(dtype))

    def output(self, tensor, variable):
        """Assign a tensor to a variable of skl2onnx."""
        self._container.add_node(
            "Identity",
            [tensor],
            [variable.full_name],
            name=self._scope.get_unique_operator_name("Identity"),
        )

    def merge(self, model, inputs):
        """Add the graph of a model.

        Parameters
        ----------
        model : ModelProto
        inputs : list of str
            Names of the tensors for its inputs.

        Returns
        -------
        outputs : list of str
        """
        prefix = self.new_name("part") + "/"
        graph = compose.add_prefix(model, prefix).graph
        for own, given in zip(graph.input, inputs):
            self._container.add_node(
                "Identity",
                [given],
                [own.name],
                name=self._scope.get_unique_operator_name("Identity"),
            )
        self._container.nodes.extend(graph.node)
        self._container.initializers.extend(graph.initializer)
        for opset in model.opset_import:
            self._container.node_domain_version_pair_sets.add(
                (opset.domain, opset.version)
            )
        return [own.name for own in graph.output]


def dtype_of(inputs):
    """Return the precision of computations with these variables."""
    double = any(isinstance(variable.type, DoubleTensorType) for variable in inputs)
    return np.dtype(np.float64 if double else np.float32)


def tensor_type(dtype, n_columns):
    """Return the skl2onnx type of a tensor with a number of columns."""
    return TYPES[dtype]([None, n_columns])
