"""A sentence embedder of the BERT family as an ONNX graph, made from its safetensors by hand.

So the default install needs no torch. The graph takes `ids` (batch, length) and gives `vectors`
(batch, dimension) of unit length. There is no attention mask: a batch holds texts of one length
only (see embedders.py), so nothing is padded, and a vector does not depend on its neighbours.

BERT: Devlin et al. 2019, https://arxiv.org/abs/1810.04805, section 3; mean pooling: Reimers and
Gurevych 2019, https://arxiv.org/abs/1908.10084, section 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from onnx import TensorProto, helper, numpy_helper

Weights = Mapping[str, npt.NDArray[np.float32]]
Pooling = Literal["mean", "cls"]

GRAPH_VERSION = 1
"""Part of the fingerprint: raise it when the vectors change."""

FAMILIES = {"bert": 0, "roberta": 1, "xlm-roberta": 1}
"""Model types that this graph can say, and how their position ids start (padding id + offset)."""


def build(config: Mapping[str, Any], weights: Weights, pooling: Pooling) -> bytes:
    """The serialised model. `weights` are named as in the safetensors file, without a prefix."""
    graph = _Graph(weights)
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


class _Graph:
    """Nodes and constants so far; values are known by their names."""

    def __init__(self, weights: Weights) -> None:
        self.weights = weights
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, name: str, value: npt.NDArray[Any]) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
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

    def linear(self, hidden: str, weight: npt.NDArray[np.float32], name: str) -> str:
        """hidden @ weight.T; the bias is left to the operator behind it."""
        return self.op("MatMul", hidden, self.constant(name, weight.T))


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
    parts = [prefix + "attention.self." + part for part in ("query", "key", "value")]
    joined = np.concatenate([graph.weights[part + ".weight"] for part in parts])
    bias = np.concatenate([graph.weights[part + ".bias"] for part in parts])
    attended = graph.fused(
        "MultiHeadAttention",
        *graph.ops("Split", graph.linear(hidden, joined, prefix + "qkv"), outputs=3, axis=-1, num_outputs=3),
        graph.constant(prefix + "qkv.bias", bias),
        num_heads=heads,
    )
    hidden = _add_and_norm(graph, prefix + "attention.output.", attended, hidden, epsilon)
    inner = graph.linear(hidden, graph.weights[prefix + "intermediate.dense.weight"], prefix + "inner")
    inner = graph.fused("BiasGelu", inner, graph.weight(prefix + "intermediate.dense.bias"))
    return _add_and_norm(graph, prefix + "output.", inner, hidden, epsilon)


def _add_and_norm(graph: _Graph, prefix: str, hidden: str, residual: str, epsilon: float) -> str:
    return graph.fused(
        "SkipLayerNormalization",
        graph.linear(hidden, graph.weights[prefix + "dense.weight"], prefix + "dense"),
        residual,
        graph.weight(prefix + "LayerNorm.weight"),
        graph.weight(prefix + "LayerNorm.bias"),
        graph.weight(prefix + "dense.bias"),
        epsilon=epsilon,
    )
