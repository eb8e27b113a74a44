"""Writes operators/*.onnx: `python make_operators.py` (onnx 1.23).

Small graphs of operators that nets written here do not have, with numbers from a fixed seed. The damaging of files begins with them.
"""

import os

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "operators")
rng = np.random.default_rng(3)


class Net:
    def __init__(self, **inputs):
        self.nodes, self.constants, self.inputs, self.count = [], [], inputs, 0

    def constant(self, value, dtype="f"):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def numbers(self, *shape):
        return self.constant(rng.uniform(-0.5, 0.5, shape))

    def integers(self, *values):
        return self.constant(values, "int64")

    def add(self, operator, *inputs, outputs=1, **attributes):
        names = [f"v{self.count + i}" for i in range(outputs)]
        self.count += outputs
        self.nodes.append(helper.make_node(operator, list(inputs), names, **attributes))
        return names[0] if outputs == 1 else names

    def write(self, name, **ranks):
        ends = [helper.make_tensor_value_info(x, TensorProto.FLOAT, [None] * rank) for x, rank in ranks.items()]
        starts = [helper.make_tensor_value_info(x, TensorProto.FLOAT, dims) for x, dims in self.inputs.items()]
        graph = helper.make_graph(self.nodes, name, starts, ends, self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
        onnx.checker.check_model(model)
        with open(os.path.join(HERE, name + ".onnx"), "wb") as file:
            file.write(model.SerializeToString())


def recurrent():
    net = Net(x=["N", 5, 3])
    y, _, _ = net.add("LSTM", net.add("Transpose", "x", perm=[1, 0, 2]), net.numbers(2, 8, 3), net.numbers(2, 8, 2), net.numbers(2, 16), outputs=3, hidden_size=2, direction="bidirectional")
    y = net.add("Reshape", net.add("Transpose", y, perm=[0, 2, 1, 3]), net.integers(0, 0, -1))
    y, _ = net.add("GRU", y, net.numbers(1, 6, 4), net.numbers(1, 6, 2), outputs=2, hidden_size=2, linear_before_reset=1)
    y, last = net.add("RNN", net.add("Squeeze", y, net.integers(1)), net.numbers(1, 3, 2), net.numbers(1, 3, 3), outputs=2, hidden_size=3, direction="reverse")
    net.write("recurrent", **{net.add("Squeeze", last, net.integers(0)): 2})


def attention():
    net = Net(x=["N", 4, 6])
    q, k, v = net.add("Split", net.add("MatMul", "x", net.numbers(6, 12)), axis=2, outputs=3, num_outputs=3)
    scores = net.add("Einsum", q, k, equation="bij,bkj->bik")
    scores = net.add("Where", net.constant(np.tri(4), "bool"), scores, net.constant(-1e4))
    y = net.add("MatMul", net.add("Softmax", scores, axis=-1), v)
    y = net.add("LayerNormalization", y, net.numbers(4), net.numbers(4))
    y = net.add("Gather", y, net.integers(0, 2, 1), axis=1)
    y = net.add("Slice", net.add("Tile", y, net.integers(1, 2, 1)), net.integers(-1), net.integers(-7), net.integers(1), net.integers(-2))
    net.write("attention", **{net.add("ReduceMean", y, net.integers(1), keepdims=0): 2, net.add("CumSum", v, net.integers(1)): 3})


def quantised():
    net = Net(x=["N", 2, 6, 6])
    scale, zero = net.constant(0.02), net.constant(3, "int8")
    x = net.add("DequantizeLinear", net.add("QuantizeLinear", "x", scale, zero), scale, zero)
    kernel = net.constant(rng.integers(-100, 100, (3, 2, 3, 3)), "int8")
    kernel = net.add("DequantizeLinear", kernel, net.constant([0.01, 0.02, 0.03]), net.constant([0, 1, 0], "int8"), axis=0)
    y = net.add("Relu", net.add("Conv", x, kernel, pads=[1, 1, 1, 1]))
    net.write("quantised", **{net.add("ReduceMax", y, net.integers(2, 3)): 4})


def sizes():
    net = Net(x=["N", 2, 4, 6])
    y = net.add("Resize", "x", "", net.constant([1, 1, 2, 0.5]), mode="cubic", antialias=1)
    z = net.add("Resize", "x", "", "", net.integers(8, 3), axes=[2, 3], mode="nearest", nearest_mode="floor")
    z = net.add("Pad", z, net.integers(0, 0, 1, 2, 0, 0, 0, 1), mode="reflect")
    z = net.add("CenterCropPad", net.add("Add", net.add("Slice", z, net.integers(1, 2), net.integers(9, 5), net.integers(2, 3)), y),
                net.integers(6, 4), axes=[2, 3])
    x = net.add("Concat", "x", net.add("Mul", "x", net.constant(2)), axis=1)
    first, second = net.add("Split", net.add("DepthToSpace", x, blocksize=2), net.integers(3, 5), axis=2, outputs=2)
    top, _ = net.add("TopK", net.add("Flatten", z), net.integers(3), outputs=2)
    net.write("sizes", **{z: 4, top: 2, first: 4, second: 4})


def branches():
    net = Net(x=["N", 3, 4])
    size = net.add("Gather", net.add("Shape", "x"), net.constant(2, "int64"))
    info = helper.make_tensor_value_info("t", TensorProto.FLOAT, None)

    def branch(operator):
        return helper.make_graph([helper.make_node(operator, ["x"], ["t"])], operator, [], [info])

    y = net.add("If", net.add("Equal", size, net.constant(4, "int64")), then_branch=branch("Tanh"), else_branch=branch("Neg"))
    y = net.add("Reshape", y, net.add("Concat", net.integers(0), net.integers(-1), axis=0))
    picked = net.add("OneHot", net.add("ArgMax", y, axis=1, keepdims=0), net.constant(12, "int64"), net.constant([0.0, 1.0]))
    net.write("branches", **{net.add("Sum", y, picked): 2, net.add("Expand", net.add("Trilu", "x"), net.integers(1, 3, 4)): 3})


if __name__ == "__main__":
    os.makedirs(HERE, exist_ok=True)
    for make in (recurrent, attention, quantised, sizes, branches):
        make()
