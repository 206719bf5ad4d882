"""How much memory a training step takes, part by part, from shapes alone.

    Architecture + Setup -> Footprint (bytes by part, and their peak)

The parts follow what the loop of this package holds (optimiser.py, loss.py, nf4.py) and what
autograd keeps for the backward pass through a decoder whose weights are frozen: a frozen linear
layer keeps nothing, the adapter on it keeps its input. Sources: Dettmers et al. 2023 (QLoRA, §3:
double quantisation), Chen et al. 2016 (checkpointing: the input of each layer stays, one layer is
computed again at a time), Korthikanti et al. 2022 (§4: activations per layer).

Promises: torch is not imported; the sum is compared with what real runs measured in docs/planning.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from loresmith.training.packing import MULTIPLE
from loresmith.training.planning.shapes import Architecture

Approach = Literal["full", "lora", "qlora"]

NF4_BLOCK, CONSTANT_BLOCK = 64, 256
"""Weights that share one 8-bit constant, and constants that share one float32."""

LOGIT_CHUNK = 32 << 20
"""Bytes of float32 logits at once (loss.CHUNK_BYTES)."""

HOLES = 0.19
"""Share by which glibc's heap outgrows the activations in it: blocks that are freed between others are
not given back. Measured, as are the next ones: docs/planning.md."""

KERNELS = 270 << 20
"""What oneDNN's kernels come to over a run of rows of many lengths (base.py bounds their number)."""

LEFT_OF_GGUF, LEFT_OF_16_BITS = 0.1, 0.3
"""Shares of what loading freed (float32 weights, weights before they were quantised) that nothing uses
again."""

LOGIT_BYTES = {"cpu": 33, "cuda": 10}
"""A logit of one chunk in its several forms (16 bits, float32, its gradient), and on a processor what
the matrix products with the head and the heap take beside them."""

# The process with torch, transformers, PEFT (and bitsandbytes) imported, and a tokenizer; measured
# as resident memory on Linux x86-64, torch 2.13. On CUDA: the context and the libraries' buffers.
LIBRARIES = 460 << 20
BITSANDBYTES = 10 << 20
TOKENIZER = 50 << 20
CUDA_CONTEXT = 600 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What decides the memory of a step besides the model.

    Attributes:
        itemsize: bytes of a weight and of an activation in the run's precision.
        micro_tokens: tokens of one forward pass.
        longest: tokens of the longest row (attention reaches no further).
        varied: whether rows differ in length.
        learned: share of the tokens that carry loss.
        from_gguf: the weights come out of a GGUF file, which are float32 for a moment.
        world: processes that shard the frozen decoder layers among themselves.
    """

    method: Approach
    rank: int = 16
    targets: tuple[str, ...] = ()
    dora: bool = False
    dropout: float = 0.0
    itemsize: int = 2
    micro_tokens: int = 1024
    longest: int = 1024
    varied: bool = False
    learned: float = 0.2
    checkpointing: bool = False
    device: Literal["cpu", "cuda"] = "cpu"
    from_gguf: bool = False
    world: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """Bytes by part, of one process.

    Attributes:
        base: the process and its libraries, or the CUDA context.
        quantisation: constants of the 4-bit blocks.
        gradients, optimizer: of what is trained; the optimiser's float32 copy of it included.
        activations: kept for the backward pass, as the setup has it; `kept` without checkpointing,
            `checkpointed` with it.
        logits: of one chunk of labelled tokens.
        workspace: what exists for a moment: gradients of activations, weights out of 4 bits,
            gathered shards.
        heap: freed between blocks in use and not given back, and kernels; on a processor only.
        mapped: pages of a safetensors file that were read to be quantised; they count as the process's
            until the system wants them back.
        loading: the most that reading the weights takes, before anything is trained.
    """

    base: int
    weights: int
    quantisation: int
    adapter: int
    gradients: int
    optimizer: int
    activations: int
    kept: int
    checkpointed: int
    logits: int
    workspace: int
    heap: int
    mapped: int
    loading: int

    @property
    def steady(self) -> int:
        """What is there between two steps."""
        return self.base + self.weights + self.quantisation + self.adapter + self.gradients + self.optimizer

    @property
    def moment(self) -> int:
        """What a step has beyond that at its largest moment: logits are gone before the backward pass
        through the layers begins."""
        return self.activations + max(self.logits, self.workspace)

    @property
    def peak(self) -> int:
        step = self.steady + self.moment + self.heap + self.mapped
        return max(step, self.base + self.loading)

    @property
    def needed(self) -> int:
        """The peak without what the system can take back."""
        return self.peak - self.mapped

    def to_dict(self) -> dict[str, int]:
        """The JSON form, "peak" last."""
        return {
            "base": self.base,
            "weights": self.weights,
            "quantisation": self.quantisation,
            "adapter": self.adapter,
            "gradients": self.gradients,
            "optimizer": self.optimizer,
            "activations": self.activations,
            "activations_kept": self.kept,
            "activations_checkpointed": self.checkpointed,
            "logits": self.logits,
            "workspace": self.workspace,
            "heap": self.heap,
            "mapped": self.mapped,
            "loading": self.loading,
            "peak": self.peak,
        }


def footprint(model: Architecture, setup: Setup) -> Footprint:
    """The memory of one process that trains `model` as `setup` says."""
    if setup.device == "cpu":
        setup = replace(setup, micro_tokens=math.ceil(setup.micro_tokens / MULTIPLE) * MULTIPLE)
    quantised = model.quantisable if setup.method == "qlora" else 0
    replicated, sharded = _frozen(model, setup)
    if setup.method == "full":
        replicated, sharded = 0, replicated + sharded
    weights = replicated + _share(sharded, setup.world)
    constants = _share(nf4_constants(quantised), setup.world)
    trained = trainable(model, setup)
    kept = activations(model, setup, checkpointing=False)
    checkpointed = activations(model, setup, checkpointing=True)
    adapter, gradients, optimizer = _trained_bytes(trained, setup)
    rows = min(math.ceil(setup.learned * setup.micro_tokens), max(1, LOGIT_CHUNK // (4 * model.vocab)))
    workspace = _workspace(model, setup)
    logits = rows * model.vocab * LOGIT_BYTES[setup.device]
    live = checkpointed if setup.checkpointing else kept
    return Footprint(
        base=_process(setup),
        weights=weights,
        quantisation=constants,
        adapter=adapter,
        gradients=gradients,
        optimizer=optimizer,
        activations=checkpointed if setup.checkpointing else kept,
        kept=kept,
        checkpointed=checkpointed,
        logits=logits,
        workspace=workspace,
        heap=_holes(model, setup, live),
        mapped=quantised * setup.itemsize if setup.device == "cpu" and not setup.from_gguf else 0,
        loading=_loading(model, setup),
    )


def trainable(model: Architecture, setup: Setup) -> int:
    """Parameters that are trained."""
    if setup.method == "full":
        return model.parameters
    return model.lora_parameters(setup.rank, setup.targets, dora=setup.dora)


def nf4_constants(quantised: int) -> int:
    """Bytes of the constants of `quantised` weights: 8 bits a block, float32 a block of those."""
    blocks = math.ceil(quantised / NF4_BLOCK)
    return blocks + 4 * math.ceil(blocks / CONSTANT_BLOCK)


def _share(size: int, world: int) -> int:
    return math.ceil(size / world)


def _frozen(model: Architecture, setup: Setup) -> tuple[int, int]:
    """Bytes of weights that each process holds (embedding, head), and of those that are shared out."""
    outside = model.vocab * model.hidden * (1 if model.tied else 2)
    inside = model.parameters - outside
    quantised = model.quantisable if setup.method == "qlora" else 0
    return outside * setup.itemsize, (inside - quantised) * setup.itemsize + quantised // 2


def _trained_bytes(trained: int, setup: Setup) -> tuple[int, int, int]:
    """(adapter, gradients, optimiser) in bytes."""
    if setup.method == "full":
        # The weights themselves are trained: 16-bit gradients, two float32 moments (Adam).
        return 0, _share(trained * setup.itemsize, setup.world), _share(8 * trained, setup.world)
    # optimiser.py: gradients and two moments in float32, and a float32 copy of 16-bit weights.
    copy = 4 if setup.itemsize < 4 else 0
    return trained * setup.itemsize, 4 * trained, (8 + copy) * trained


def activations(model: Architecture, setup: Setup, *, checkpointing: bool) -> int:
    """Bytes that autograd keeps between the forward and the backward pass."""
    one = layer_activations(model, setup)
    if not checkpointing:
        return one * model.layers
    return setup.itemsize * model.hidden * setup.micro_tokens * model.layers + one


def layer_activations(model: Architecture, setup: Setup) -> int:
    """Bytes that one decoder layer keeps for its backward pass, weights frozen."""
    size, hidden, full = setup.itemsize, model.hidden, setup.method == "full"
    queries, keys = model.heads * model.head_dim, model.kv_heads * model.head_dim
    width = model.ffn * (model.experts_used if model.experts else 1)
    # fused.py keeps less, where the layers are what it knows.
    lean = not full and not setup.dora and not setup.dropout

    def adapted(*names: str) -> bool:
        return full or not setup.targets or bool(set(names) & set(setup.targets))

    # Of a norm its input and one number a token; plain ones compute in float32 and keep that copy.
    norms = 4 if model.family in ("gemma2", "gemma3_text") else 2
    each = norms * (4 + hidden * (size if lean and model.family not in _PLAIN_NORMS else 4))
    if adapted("q_proj", "k_proj", "v_proj", "qkv_proj", "query_key_value"):
        each += size * hidden
    # Queries and keys after rotation, values, and the output (attention.py computes scores again).
    each += size * (2 * queries + 2 * keys)
    if model.family in ("phi3", "phi3small"):
        # The values are a view that keeps the whole product.
        each += size * (queries + keys)
    # Feed-forward: its input, gate and up; plain ones keep the activated gate and the product too.
    if adapted("gate_proj", "up_proj", "gate_up_proj"):
        each += size * hidden
    whole = all(adapted(linear.name) for linear in model.adaptable if linear.kind == "mlp")
    gated = lean and whole and not model.experts and model.family not in _NOT_SILU
    each += size * width * (2 if gated else 4)
    if model.experts:
        each += size * hidden * 2 * model.experts_used + 8 * model.experts
    for linear in model.adaptable:
        if not full and (not setup.targets or linear.name in setup.targets):
            each += size * setup.rank
            # DoRA scales what the frozen layer says by a learned magnitude, and keeps it.
            each += 2 * size * linear.outputs if setup.dora else 0
    return each * setup.micro_tokens


_NOT_SILU = ("gemma", "gemma2", "gemma3_text", "phi3small")
_PLAIN_NORMS = (*_NOT_SILU, "phimoe")


def _workspace(model: Architecture, setup: Setup) -> int:
    """What a moment of the backward pass needs beyond what was kept."""
    width = model.ffn * (model.experts_used if model.experts else 1)
    flowing = setup.itemsize * setup.micro_tokens * (4 * width + 2 * model.hidden)
    unpacked = 0
    largest = max((x.inputs * x.outputs for x in model.adaptable), default=0)
    if setup.method == "qlora":
        unpacked = largest * setup.itemsize
    gathered = 0
    if setup.world > 1:
        _, sharded = _frozen(model, setup)
        # The layer at work and the one fetched ahead of it.
        gathered = 2 * sharded // model.layers
    return flowing + unpacked + gathered


def _loading(model: Architecture, setup: Setup) -> int:
    """The most that reading the weights takes."""
    if setup.from_gguf:
        return 4 * model.parameters
    if setup.device == "cuda":
        return 0  # read on the processor, moved or quantised layer by layer
    return model.parameters * setup.itemsize + TOKENIZER


def _holes(model: Architecture, setup: Setup, live: int) -> int:
    if setup.device != "cpu":
        return 0
    holes = HOLES * live + (KERNELS if setup.varied else 0)
    if setup.from_gguf:
        holes += LEFT_OF_GGUF * 4 * model.parameters
    if setup.method == "qlora":
        holes += LEFT_OF_16_BITS * model.quantisable * setup.itemsize
    return round(holes)


def _process(setup: Setup) -> int:
    if setup.device == "cuda":
        return CUDA_CONTEXT
    return LIBRARIES + TOKENIZER + (BITSANDBYTES if setup.method == "qlora" else 0)
