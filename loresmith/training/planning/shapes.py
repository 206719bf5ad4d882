"""The shapes of a decoder: its linear layers, its parameters, and how the families differ.

    config.json as a mapping -> Architecture

Promises: parameters are exact (the tests compare with the classes of transformers); a new family
is a row of `FAMILIES`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from loresmith.errors import ModelError

LinearKind = Literal["attention", "mlp", "experts", "router", "head"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Linear:
    """One linear layer by the last part of its name, and how often the model has it.

    Attributes:
        kind: "experts" are the fused tensors of a mixture, one matrix an expert: they carry no LoRA
            by default and bitsandbytes leaves them in 16 bits.
    """

    name: str
    inputs: int
    outputs: int
    count: int
    kind: LinearKind
    bias: bool = False

    @property
    def weights(self) -> int:
        """Elements of all `count` matrices, without biases."""
        return self.inputs * self.outputs * self.count

    @property
    def adaptable(self) -> bool:
        """Whether "all linear layers" means it too, for LoRA and for 4 bits."""
        return self.kind in ("attention", "mlp")


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """A causal language model's shapes.

    Attributes:
        family: `model_type` as transformers names it.
        linears: every linear layer, the output head too where it is not tied to the embedding.
        ffn: inner width of one feed-forward block (of one expert).
        other: parameters in no linear layer: embedding, norms, biases.
        tied: the output head is the embedding.
        trainable_here: False where only the model's own code, never trusted, could run it.
        origin: where this was read.
    """

    name: str
    family: str
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    ffn: int
    vocab: int
    context: int
    tied: bool
    linears: tuple[Linear, ...]
    other: int
    experts: int = 0
    experts_used: int = 0
    trainable_here: bool = True
    origin: str = ""

    @property
    def parameters(self) -> int:
        return self.other + sum(linear.weights for linear in self.linears)

    @property
    def adaptable(self) -> tuple[Linear, ...]:
        return tuple(linear for linear in self.linears if linear.adaptable)

    @property
    def quantisable(self) -> int:
        """Weights that QLoRA holds in 4 bits."""
        return sum(linear.weights for linear in self.adaptable)

    @property
    def active(self) -> int:
        """Weights that one token is multiplied with, without the output head (see plan)."""
        total = 0
        for linear in self.linears:
            share = self.experts_used / self.experts if linear.kind == "experts" else 1
            total += 0 if linear.kind == "head" else int(linear.weights * share)
        return total

    def lora_parameters(self, rank: int, targets: tuple[str, ...] = (), *, dora: bool = False) -> int:
        """Parameters of an adapter on `targets` (none: every adaptable layer).

        A (rank × inputs) and B (outputs × rank) of each layer; DoRA adds a magnitude an output.
        """
        return sum(
            linear.count * (rank * (linear.inputs + linear.outputs) + (linear.outputs if dora else 0))
            for linear in self.adaptable
            if not targets or linear.name in targets
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Family:
    """How a family's decoder differs from Llama's. A bias is always there or named by a key."""

    fused: bool = False
    gated: bool = True
    qkv_bias: bool | str = False
    out_bias: bool | str = False
    mlp_bias: bool | str = False
    norms: int = 2
    norm_bias: bool = False
    head_norms: bool = False
    tied: bool = False
    head_dim: int | None = None
    names: tuple[str, str, str] = ("o_proj", "gate_up_proj", "down_proj")
    experts_key: str = ""
    native: bool = True


FAMILIES: dict[str, _Family] = {
    "llama": _Family(qkv_bias="attention_bias", out_bias="attention_bias", mlp_bias="mlp_bias"),
    "mistral": _Family(),
    "ministral": _Family(),
    "granite": _Family(qkv_bias="attention_bias", out_bias="attention_bias", mlp_bias="mlp_bias"),
    "smollm3": _Family(
        qkv_bias="attention_bias", out_bias="attention_bias", mlp_bias="mlp_bias", tied=True
    ),
    "qwen2": _Family(qkv_bias=True),
    "qwen3": _Family(
        qkv_bias="attention_bias", out_bias="attention_bias", head_norms=True, head_dim=128
    ),
    "phi3": _Family(fused=True),
    "phi3small": _Family(
        fused=True, qkv_bias=True, out_bias=True, mlp_bias=True, norm_bias=True, tied=True, native=False,
        names=("dense", "up_proj", "down_proj"),
    ),
    "phimoe": _Family(
        qkv_bias="attention_bias", out_bias="attention_bias", norm_bias=True, experts_key="num_local_experts"
    ),
    "mixtral": _Family(experts_key="num_local_experts"),
    "gemma": _Family(qkv_bias="attention_bias", out_bias="attention_bias", tied=True, head_dim=256),
    "gemma2": _Family(
        qkv_bias="attention_bias", out_bias="attention_bias", norms=4, tied=True, head_dim=256
    ),
    "gemma3_text": _Family(
        qkv_bias="attention_bias", out_bias="attention_bias", norms=4, tied=True, head_dim=256,
        head_norms=True,
    ),
}  # fmt: skip


def from_config(raw: Mapping[str, Any], name: str, *, origin: str = "") -> Architecture:
    """From what a config.json holds; keys it leaves out have the family's defaults.

    Raises:
        ModelError: the family is not known, or a shape is missing.
    """
    family_name = str(raw.get("model_type", ""))
    if "text_config" in raw and family_name not in FAMILIES:
        raw = {**raw["text_config"]}
        family_name = str(raw.get("model_type", ""))
    family = FAMILIES.get(family_name)
    if family is None:
        raise ModelError(
            f"{name}: a model of the family {family_name or '(none named)'} cannot be read from its "
            f"config.json alone; known: {', '.join(sorted(FAMILIES))}.",
            "Name the folder with its safetensors, whose heads say the rest.",
        )
    try:
        return _decoder(raw, family_name, family, name, origin)
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise ModelError(
            f"{name}: its configuration does not say {error}.", "Fetch the model's config.json again."
        ) from error


def _decoder(
    raw: Mapping[str, Any], family_name: str, family: _Family, name: str, origin: str
) -> Architecture:
    def size(key: str, default: int | None = None) -> int:
        value = raw.get(key)
        if value is None and default is not None:
            return default
        number = int(raw[key])
        if number <= 0:
            raise ValueError(f"a positive {key}")
        return number

    def has(bias: bool | str) -> bool:
        return bool(raw.get(bias, False)) if isinstance(bias, str) else bias

    hidden, layers, vocab = size("hidden_size"), size("num_hidden_layers"), size("vocab_size")
    ffn, heads = size("intermediate_size"), size("num_attention_heads")
    kv_heads = size("num_key_value_heads", heads)
    head_dim = size("head_dim", family.head_dim or hidden // heads)
    tied = bool(raw.get("tie_word_embeddings", family.tied))
    experts = size(family.experts_key) if family.experts_key else 0
    queries, keys = heads * head_dim, kv_heads * head_dim
    out, up, down = family.names
    qkv_bias, out_bias, mlp_bias = has(family.qkv_bias), has(family.out_bias), has(family.mlp_bias)

    def linear(
        name: str, inputs: int, outputs: int, kind: LinearKind, bias: bool = False, each: int = 1
    ) -> Linear:
        return Linear(name=name, inputs=inputs, outputs=outputs, count=layers * each, kind=kind, bias=bias)

    if family.fused:
        fused_name = "query_key_value" if family_name == "phi3small" else "qkv_proj"
        found = [linear(fused_name, hidden, queries + 2 * keys, "attention", qkv_bias)]
    else:
        found = [
            linear("q_proj", hidden, queries, "attention", qkv_bias),
            linear("k_proj", hidden, keys, "attention", qkv_bias),
            linear("v_proj", hidden, keys, "attention", qkv_bias),
        ]
    found.append(linear(out, queries, hidden, "attention", out_bias))
    if experts:
        found += [
            linear("gate_up_proj", hidden, 2 * ffn, "experts", each=experts),
            linear("down_proj", ffn, hidden, "experts", each=experts),
            linear("router", hidden, experts, "router"),
        ]
    elif family.fused:
        found += [
            linear(up, hidden, 2 * ffn, "mlp", mlp_bias),
            linear(down, ffn, hidden, "mlp", mlp_bias),
        ]
    else:
        found += [
            linear("gate_proj", hidden, ffn, "mlp", mlp_bias),
            linear("up_proj", hidden, ffn, "mlp", mlp_bias),
            linear(down, ffn, hidden, "mlp", mlp_bias),
        ]
    norm = hidden * (2 if family.norm_bias else 1)
    other = vocab * hidden + norm * (family.norms * layers + 1)
    other += 2 * head_dim * layers if family.head_norms else 0
    other += sum(part.outputs * part.count for part in found if part.bias)
    if not tied:
        found.append(Linear(name="lm_head", inputs=hidden, outputs=vocab, count=1, kind="head"))
    other += vocab if raw.get("lm_head_bias") else 0
    return Architecture(
        name=name,
        family=family_name,
        layers=layers,
        hidden=hidden,
        heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        ffn=ffn,
        vocab=vocab,
        context=size("max_position_embeddings", 2048),
        tied=tied,
        linears=tuple(found),
        other=other,
        experts=experts,
        experts_used=size("num_experts_per_tok", 2) if experts else 0,
        trainable_here=family.native,
        origin=origin,
    )
