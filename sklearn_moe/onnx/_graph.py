"""Build a graph: nodes, constants, and whole models in it."""

import numpy as np
from onnx import compose, helper
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

# From it on, sums and extremes over an axis are told the axis in one way.
LEAST_OPSET = 18

TYPES = {np.dtype(np.float32): FloatTensorType, np.dtype(np.float64): DoubleTensorType}


class Graph:
    """The graph that a converter adds to, by the names of its tensors.

    Parameters
    ----------
    scope : Scope
    container : ModelComponentContainer
        Both are what skl2onnx gives to a converter.
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
        # Those that all converters of trees know.
        self.opsets = {"": opset, "ai.onnx.ml": 3}

    def add(self, kind, *inputs, **attributes):
        """Add a node, and return the name of its last output.

        Inputs are names or arrays. Of the two outputs of TopK the last are the numbers
        of columns.
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
        """Rows of a table, of which that of a key is as far down as the key.

        The last row is that of all that is no key.
        """
        # The version of the operator that all runtimes know.
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
        """Return a name that no tensor has."""
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
        """Convert the numbers of a tensor."""
        return self.add("Cast", tensor, to=helper.np_dtype_to_tensor_dtype(dtype))

    def output(self, tensor, variable):
        """Let a tensor be the value of a variable of skl2onnx."""
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
            What its inputs are.

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
    """The precision in which variables are computed with."""
    double = any(isinstance(variable.type, DoubleTensorType) for variable in inputs)
    return np.dtype(np.float64 if double else np.float32)


def tensor_type(dtype, n_columns):
    """The type of a tensor of some columns, for skl2onnx."""
    return TYPES[dtype]([None, n_columns])
