"""A sentence embedder of the BERT family as an ONNX graph, made from its safetensors by hand.

So the default install needs no torch. The graph takes `ids` (batch, length) and gives `vectors`
(batch, dimension) of unit length. There is no attention mask: a batch holds texts of one length
only (see embedders.py), so nothing is padded, and a vector does not depend on its neighbours.

With `int8` all matrices but the values' and the scores' are multiplied in bytes: a row of the
activations between its own minimum and maximum, a row of the weights symmetrically. The values
keep 32 bits (alone they would cost most of the accuracy), and the inner units go in blocks of
like weights. Measured on all-MiniLM-L6-v2: twice as fast, mean cosine to 32 bits .9995.

BERT: Devlin et al. 2019, https://arxiv.org/abs/1810.04805, section 3; mean pooling: Reimers and
Gurevych 2019, https://arxiv.org/abs/1908.10084, section 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from onnx import TensorProto, helper, numpy_helper

Weights = Mapping[str, npt.NDArray[np.float32]]
Pooling = Literal["mean", "cls"]

GRAPH_VERSION = 2
"""Part of the fingerprint: raise it when the vectors change."""

INNER_BLOCKS = 3
GELU_LOW = -0.17
"""Below the smallest value of GELU, -0.16997."""

FAMILIES = {"bert": 0, "roberta": 1, "xlm-roberta": 1}
"""Model types that this graph can say, and how their position ids start (padding id + offset)."""


def build(config: Mapping[str, Any], weights: Weights, pooling: Pooling, *, int8: bool) -> bytes:
    """The serialised model. `weights` are named as in the safetensors file, without a prefix."""
    graph = _Graph(weights, int8)
    heads, epsilon = int(config["num_attention_heads"]), float(config["layer_norm_eps"])
    hidden = _embed(graph, config, epsilon)
    for layer in range(int(config["num_hidden_layers"])):
        hidden = _layer(graph, f"encoder.layer.{layer}.", hidden, heads, epsilon)
    if pooling == "mean":
        pooled = graph.op("ReduceMean", hidden, graph.constant("axis_1", np.array([1])), keepdims=0)
    else:
        pooled = graph.op("Gather", hidden, graph.constant("first", np.array(0)), axis=1)
    graph.nodes.append(helper.make_node("LpNormalization", [pooled], ["vectors"], axis=-1, p=2))
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "sentence-embedder",
            [helper.make_tensor_value_info("ids", TensorProto.INT64, ["batch", "length"])],
            [helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["batch", config["hidden_size"]])],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)],
        ir_version=10,
    )
    serialised: bytes = model.SerializeToString()
    return serialised


@dataclass(frozen=True, slots=True)
class _Matrix:
    """The left side of a product. As bytes, its row r is levels[r] * scale[r] + bottom[r]."""

    values: str
    levels: str = ""
    scale: str = ""
    bottom: str = ""


class _Graph:
    """Nodes and constants so far; values are known by their names."""

    def __init__(self, weights: Weights, int8: bool) -> None:
        self.weights = weights
        self.int8 = int8
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, name: str, value: npt.NDArray[Any]) -> str:
        self.constants.append(numpy_helper.from_array(np.asarray(value, order="C"), name))
        return name

    def weight(self, name: str) -> str:
        return self.constant(name, self.weights[name])

    def ops(self, kind: str, *inputs: str, outputs: int, domain: str = "", **attributes: Any) -> list[str]:
        names = [f"{kind}_{len(self.nodes)}_{position}" for position in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, domain=domain, **attributes))
        return names

    def op(self, kind: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        return self.ops(kind, *inputs, outputs=1, domain=domain, **attributes)[0]

    def fused(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """An operator of onnxruntime's own, which does in one pass what ONNX says in many."""
        return self.op(kind, *inputs, domain="com.microsoft", **attributes)

    def matrix(self, hidden: str, low: float | None = None) -> _Matrix:
        """`hidden` made ready for `linear`; `low` is a bound below its values where one is known."""
        if not self.int8:
            return _Matrix(hidden)
        last = self.shared("last", np.array([-1]))
        if low is None:
            bottom = self.op("ReduceMin", hidden, last, keepdims=1)
        else:
            bottom = self.shared("low", np.array(low, np.float32))
        span = self.op("Sub", self.op("ReduceMax", hidden, last, keepdims=1), bottom)
        span = self.op("Max", span, self.shared("tiny", np.array(1e-9, np.float32)))
        scale = self.op("Mul", span, self.shared("step", np.array(1 / 255, np.float32)))
        levels = self.op("Round", self.op("Div", self.op("Sub", hidden, bottom), scale))
        return _Matrix(hidden, self.op("Cast", levels, to=TensorProto.UINT8), scale, bottom)

    def linear(self, hidden: _Matrix, weight: npt.NDArray[np.float32], name: str) -> str:
        """hidden @ weight.T; the bias is left to the operator behind it."""
        if not hidden.levels:
            return self.op("MatMul", hidden.values, self.constant(name, weight.T))
        step = np.maximum(np.abs(weight).max(axis=1), 1e-9) / 127
        levels = np.round(weight / step[:, None])
        product = self.fused(
            "MatMulIntegerToFloat",
            hidden.levels,
            self.constant(name + ".levels", levels.T.astype(np.int8)),
            self.shared("one", np.array(1, np.float32)),
            self.constant(name + ".step", step),
            self.shared("zero_byte", np.array(0, np.uint8)),
        )
        # The sum of the rounded weights, not of the true ones: where one channel stands out, a row's
        # bottom is far from zero, and only so do the two rounding errors cancel.
        sums = self.constant(name + ".sum", levels.sum(axis=1) * step)
        return self.op("Add", self.op("Mul", product, hidden.scale), self.op("Mul", hidden.bottom, sums))

    def shared(self, name: str, value: npt.NDArray[Any]) -> str:
        """A constant that may be asked for again."""
        return name if any(c.name == name for c in self.constants) else self.constant(name, value)


def _embed(graph: _Graph, config: Mapping[str, Any], epsilon: float) -> str:
    prefix = "embeddings."
    words = graph.weights[prefix + "word_embeddings.weight"]
    types = graph.weights[prefix + "token_type_embeddings.weight"][0]
    first = 0
    if FAMILIES[config["model_type"]]:
        first = int(config["pad_token_id"]) + 1
    positions = graph.weights[prefix + "position_embeddings.weight"][first:]
    hidden = graph.op("Gather", graph.constant("words", words + types), "ids")
    length = graph.op("Shape", "ids", start=1, end=2)
    zero = graph.constant("zero", np.array([0]))
    hidden = graph.op(
        "Add", hidden, graph.op("Slice", graph.constant("positions", positions), zero, length, zero)
    )
    return graph.op(
        "LayerNormalization",
        hidden,
        graph.weight(prefix + "LayerNorm.weight"),
        graph.weight(prefix + "LayerNorm.bias"),
        epsilon=epsilon,
    )


def _layer(graph: _Graph, prefix: str, hidden: str, heads: int, epsilon: float) -> str:
    query, key, value = (prefix + "attention.self." + part for part in ("query", "key", "value"))
    names = [part + ".bias" for part in (query, key, value)]
    bias = np.concatenate([graph.weights[name] for name in names])
    both = np.concatenate([graph.weights[query + ".weight"], graph.weights[key + ".weight"]])
    packed = graph.linear(graph.matrix(hidden), both, prefix + "query_key")
    attended = graph.fused(
        "MultiHeadAttention",
        *graph.ops("Split", packed, outputs=2, axis=-1, num_outputs=2),
        graph.linear(_Matrix(hidden), graph.weights[value + ".weight"], value),
        graph.constant(prefix + "attention.bias", bias),
        num_heads=heads,
    )
    output = graph.weights[prefix + "attention.output.dense.weight"]
    attended = graph.linear(graph.matrix(attended), output, prefix + "attention.output")
    hidden = _add_and_norm(graph, prefix + "attention.output.", attended, hidden, epsilon)
    return _add_and_norm(graph, prefix + "output.", _inner(graph, prefix, hidden), hidden, epsilon)


def _inner(graph: _Graph, prefix: str, hidden: str) -> str:
    """The two wide matrices, in blocks of inner units that have weights of like size."""
    up, up_bias = (graph.weights[prefix + "intermediate.dense." + part] for part in ("weight", "bias"))
    down = graph.weights[prefix + "output.dense.weight"]
    packed = graph.matrix(hidden)
    found = ""
    for number, block in enumerate(np.array_split(np.argsort(np.abs(down).max(axis=0)), INNER_BLOCKS)):
        name = f"{prefix}inner.{number}"
        inner = graph.linear(packed, up[block], name + ".up")
        inner = graph.fused("BiasGelu", inner, graph.constant(name + ".bias", up_bias[block]))
        part = graph.linear(graph.matrix(inner, low=GELU_LOW), down[:, block], name + ".down")
        found = graph.op("Add", found, part) if found else part
    return found


def _add_and_norm(graph: _Graph, prefix: str, hidden: str, residual: str, epsilon: float) -> str:
    # onnxruntime's fused SkipLayerNormalization takes five times as long on a CPU.
    hidden = graph.op("Add", hidden, graph.weight(prefix + "dense.bias"))
    return graph.op(
        "LayerNormalization",
        graph.op("Add", hidden, residual),
        graph.weight(prefix + "LayerNorm.weight"),
        graph.weight(prefix + "LayerNorm.bias"),
        epsilon=epsilon,
    )
