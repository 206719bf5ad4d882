"""Tiny models that real engines load: what they say next is a table, written into their weights.

Embeddings are one-hot, attention and feed-forward add nothing, so the logits depend on the last
token alone: `LOGIT` for the token that the table names, 0 for all others. Hence exact expectations.
"""

from __future__ import annotations

import itertools
import json
import math
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

PHI3_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>\n' + message['content'] + '<|end|>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ '<|endoftext|>' }}{% endif %}"
)
PHI3_TAGS = ["<|endoftext|>", "<|assistant|>", "<|system|>", "<|end|>", "<|user|>"]
WORDS = ["The", " torque", " is", " 25", " Nm", ".", " It", " Yes", " No", " 49"]
LOGIT = 9.0


def logprob(said: bool, vocabulary: int) -> float:
    """What the table's word, or any other word, is worth by the softmax."""
    return (LOGIT if said else 0.0) - math.log(math.exp(LOGIT) + vocabulary - 1)


def vocabulary() -> list[str]:
    """Control tokens, 256 bytes and a few words, written as SentencePiece writes them."""
    words = [word.replace(" ", "▁") for word in WORDS]
    # SentencePiece builds a word by merges, so its beginnings must be tokens too.
    letters = sorted({w[:n] for w in words for n in range(1, len(w))} | set("".join(words)) - set(words))
    return ["<unk>", "<s>", "</s>", *(f"<0x{b:02X}>" for b in range(256)), *words, *letters, *PHI3_TAGS]


def chain(tokens: Sequence[str], answer: Sequence[str]) -> dict[int, int]:
    """The table: after the line feed behind <|assistant|> comes `answer`, piece by piece."""
    pieces = ["<0x0A>", *(piece.replace(" ", "▁") for piece in answer)]
    ids = [tokens.index(piece) for piece in pieces]
    return dict(itertools.pairwise(ids))


def weights(size: int, table: dict[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings and output matrix, both (size, size)."""
    head = np.zeros((size, size), np.float32)
    for before, after in table.items():
        # The norm makes the one-hot vector sqrt(size) long.
        head[after, before] = LOGIT / math.sqrt(size)
    return np.eye(size, dtype=np.float32), head


def write_phi3_gguf(
    path: Path, answer: Sequence[str], *, template: str | None = PHI3_TEMPLATE, context: int = 512
) -> Path:
    """A Phi-3 for llama.cpp that answers everything with `answer`."""
    tokens = vocabulary()
    kinds = [2, 3, 3] + [6] * 256 + [1] * (len(tokens) - 259 - len(PHI3_TAGS)) + [3] * len(PHI3_TAGS)
    scores = [0.0] * 259 + [-float(n) for n in range(len(tokens) - 259)]
    while len(tokens) % 32:
        tokens.append(f"unused{len(tokens)}")
        kinds.append(5)
        scores.append(-1000.0)
    size = len(tokens)
    embeddings, head = weights(size, chain(tokens, answer))
    nothing = np.zeros((size, size), np.float32)
    tensors = {
        "token_embd.weight": embeddings,
        "output.weight": head,
        "output_norm.weight": np.ones(size, np.float32),
        "blk.0.attn_norm.weight": np.ones(size, np.float32),
        "blk.0.attn_qkv.weight": np.zeros((3 * size, size), np.float32),
        "blk.0.attn_output.weight": nothing,
        "blk.0.ffn_norm.weight": np.ones(size, np.float32),
        "blk.0.ffn_up.weight": np.zeros((64, size), np.float32),
        "blk.0.ffn_down.weight": np.zeros((size, 32), np.float32),
    }
    metadata: dict[str, Any] = {
        "general.architecture": "phi3",
        "phi3.context_length": context,
        "phi3.embedding_length": size,
        "phi3.feed_forward_length": 32,
        "phi3.block_count": 1,
        "phi3.attention.head_count": 2,
        "phi3.attention.head_count_kv": 2,
        "phi3.attention.layer_norm_rms_epsilon": 1e-12,
        "phi3.rope.dimension_count": size // 2,
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.scores": scores,
        "tokenizer.ggml.token_type": kinds,
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": tokens.index("<|endoftext|>"),
        "tokenizer.ggml.unknown_token_id": 0,
    }
    if template:
        metadata["tokenizer.chat_template"] = template
    return write_gguf(path, metadata, tensors)


def write_lora(folder: Path, before: str, instead: str, *, feed_forward: int = 32, **card: Any) -> Path:
    """An adapter, as PEFT writes it, for the model of `write_phi3_gguf`: behind the token `before`
    the model goes on as if the token had been `instead`."""
    tokens = vocabulary()
    size = len(tokens) + -len(tokens) % 32
    up_a, up_b = np.zeros((1, size), np.float32), np.zeros((2 * feed_forward, 1), np.float32)
    down_a, down_b = np.zeros((1, feed_forward), np.float32), np.zeros((size, 1), np.float32)
    # The first unit of the feed-forward layer answers to `before`, and adds `instead` to the stream.
    up_a[0, tokens.index(before.replace(" ", "▁"))] = 1
    up_b[0] = up_b[feed_forward] = 1
    down_a[0, 0] = 1
    down_b[tokens.index(instead.replace(" ", "▁"))] = 1
    layer = "base_model.model.model.layers.0.mlp"
    folder.mkdir(parents=True)
    save_file(
        {
            f"{layer}.gate_up_proj.lora_A.weight": up_a,
            f"{layer}.gate_up_proj.lora_B.weight": up_b,
            f"{layer}.down_proj.lora_A.weight": down_a,
            f"{layer}.down_proj.lora_B.weight": down_b,
        },
        folder / "adapter_model.safetensors",
    )
    config = {"peft_type": "LORA", "r": 1, "lora_alpha": 1, "target_modules": ["gate_up_proj", "down_proj"]}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    (folder / "card.json").write_text(json.dumps({"id": folder.name, "method": "lora", **card}))
    return folder


def write_gguf(path: Path, metadata: dict[str, Any], tensors: dict[str, np.ndarray]) -> Path:
    """A GGUF file, version 3, float32 tensors."""
    head = [b"GGUF", struct.pack("<IQQ", 3, len(tensors), len(metadata))]
    for key, value in metadata.items():
        head += [_text(key), _typed(value)]
    data, offset = [], 0
    for name, tensor in tensors.items():
        shape = tensor.shape[::-1]
        head.append(_text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, 0, offset))
        raw = tensor.tobytes()
        raw += bytes(-len(raw) % 32)
        data.append(raw)
        offset += len(raw)
    start = b"".join(head)
    path.write_bytes(start + bytes(-len(start) % 32) + b"".join(data))
    return path


def _text(value: str) -> bytes:
    raw = value.encode()
    return struct.pack("<Q", len(raw)) + raw


def _typed(value: Any) -> bytes:
    if isinstance(value, str):
        return struct.pack("<I", 8) + _text(value)
    if isinstance(value, float):
        return struct.pack("<If", 6, value)
    if isinstance(value, int):
        return struct.pack("<II", 4, value)
    if isinstance(value[0], str):
        return struct.pack("<IIQ", 9, 8, len(value)) + b"".join(map(_text, value))
    kind, code = (6, "f") if isinstance(value[0], float) else (5, "i")
    return struct.pack(f"<IIQ{len(value)}{code}", 9, kind, len(value), *value)
