"""The head of a GGUF file: what llama.cpp must know of a model besides its weights.

    a GGUF base                    -> its own keys, unchanged
    config.json and the tokenizer  -> the keys that llama.cpp's converter would write

Promises: the tokenizer is written from the one that trained (its merges, types and special
tokens, the chat template), not from files that may be missing; what is not known well enough to be
written rightly is an error, never a guess. The proof of the export then compares real token ids.
Keys: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from loresmith.errors import MissingExtra, TrainingError

try:
    import gguf
except ImportError as missing:
    raise MissingExtra("Export to GGUF", missing.name or "gguf", "train") from missing

# transformers' model type -> llama.cpp's architecture.
ARCHITECTURES = {"llama": "llama", "mistral": "llama", "qwen2": "qwen2", "qwen3": "qwen3", "phi3": "phi3"}

# The expression that cuts text before merging -> llama.cpp's name of it. A digit rule apart.
_CUTS = {
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+": "qwen2",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+": "llama-bpe",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+": "gpt-4o",
}

Keys = list[tuple[str, Any, Any, Any]]
"""(key, value, GGUF type, type of the entries of an array)"""


def of_gguf(path: Path) -> Keys:
    """The keys of a GGUF file, all but what the writer adds itself."""
    own = ("GGUF.", "general.architecture", "general.file_type", "general.quantization_version")
    keys: Keys = []
    for field in gguf.GGUFReader(path).fields.values():
        if field.name.startswith(own):
            continue
        array = field.types[0] == gguf.GGUFValueType.ARRAY
        keys.append((field.name, field.contents(), field.types[0], field.types[-1] if array else None))
    return keys


def architecture_of(config: Any) -> str:
    """llama.cpp's name of a transformers model.

    Raises:
        TrainingError: it is none that is written here.
    """
    try:
        return ARCHITECTURES[config.model_type]
    except KeyError:
        raise TrainingError(
            f"A model of the type {config.model_type} is not written as GGUF here "
            f"(known: {', '.join(ARCHITECTURES)}).",
            "Export --to merged and use convert_hf_to_gguf.py of llama.cpp on that folder.",
        ) from None


def of_model(config: Any, tokenizer: Any, name: str) -> tuple[Keys, dict[str, Any]]:
    """Keys for a transformers model and its tokenizer, and the tensors (float32) that they need.

    Raises:
        TrainingError: the architecture or the tokenizer is not known well enough.
    """
    arch = architecture_of(config)
    backend = json.loads(tokenizer.backend_tokenizer.to_str())
    strips = any(token["rstrip"] for token in backend["added_tokens"])
    keys: Keys = [_key("general.type", "model"), _key("general.name", _name(name, strips))]
    shape, extra = _shape(config, arch)
    keys += [_key(f"{arch}.{key}", value) for key, value in shape.items()]
    keys += [_key(key, value) for key, value in _tokenizer(tokenizer, backend, config)]
    return keys, extra


def _key(name: str, value: Any) -> tuple[str, Any, Any, Any]:
    kinds = gguf.GGUFValueType
    if isinstance(value, list):
        kind = {str: kinds.STRING, int: kinds.INT32, float: kinds.FLOAT32}[type(value[0])]
        return name, value, kinds.ARRAY, kind
    kind = {bool: kinds.BOOL, str: kinds.STRING, int: kinds.UINT32, float: kinds.FLOAT32}[type(value)]
    return name, value, kind, None


def _name(name: str, strips: bool) -> str:
    """llama.cpp drops the white space behind Phi-3's tags by the model's *name* (GGUF has no field
    for it), so the name must say "phi-3" exactly where the tokenizer does that."""
    if strips:
        return name if "phi-3" in name.lower() or "phi3" in name.lower() else f"Phi-3 {name}"
    for written in ("Phi-3", "phi-3", "Phi3", "phi3", "PHI-3", "PHI3"):
        name = name.replace(written, f"{written[:3]} 3")
    return name


# --- shape ------------------------------------------------------------------------------------


def _shape(config: Any, arch: str) -> tuple[dict[str, Any], dict[str, Any]]:
    heads = config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // heads
    rope = dict(getattr(config, "rope_parameters", None) or {})
    rotated = int(width * rope.get("partial_rotary_factor", 1.0))
    keys: dict[str, Any] = {
        "context_length": int(config.max_position_embeddings),
        "embedding_length": int(config.hidden_size),
        "block_count": int(config.num_hidden_layers),
        "feed_forward_length": int(config.intermediate_size),
        "attention.head_count": int(heads),
        "attention.head_count_kv": int(config.num_key_value_heads or heads),
        "attention.layer_norm_rms_epsilon": float(config.rms_norm_eps),
        "rope.dimension_count": rotated,
        "rope.freq_base": float(rope.get("rope_theta", 10_000.0)),
        "vocab_size": int(config.vocab_size),
    }
    if width * heads != config.hidden_size:
        keys |= {"attention.key_length": width, "attention.value_length": width}
    if arch == "phi3":
        # Zero tells llama.cpp that it is a Phi-4, which has no window.
        keys["attention.sliding_window"] = int(config.sliding_window or 0)
        keys["rope.scaling.original_context_length"] = int(config.original_max_position_embeddings)
    scaling, extra = _scaling(config, rope, width, rotated)
    return keys | scaling, extra


def _scaling(
    config: Any, rope: Mapping[str, Any], width: int, rotated: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    kind = rope.get("rope_type", "default")
    if kind == "default":
        return {}, {}
    if kind == "linear":
        return {"rope.scaling.type": "linear", "rope.scaling.factor": float(rope["factor"])}, {}
    if kind == "yarn":
        original = rope.get("original_max_position_embeddings") or config.max_position_embeddings
        return {
            "rope.scaling.type": "yarn",
            "rope.scaling.factor": float(rope["factor"]),
            "rope.scaling.original_context_length": int(original),
        }, {}
    if kind == "llama3":
        return {}, {"rope_freqs.weight": _llama3(rope, width)}
    if kind == "longrope" and config.model_type == "phi3":
        original = config.original_max_position_embeddings
        scale = config.max_position_embeddings / original
        factor = rope.get("attention_factor") or (
            math.sqrt(1 + math.log(scale) / math.log(original)) if scale > 1 else 1.0
        )
        extra = {
            f"rope_factors_{which}.weight": np.asarray(rope[f"{which}_factor"], np.float32)
            for which in ("long", "short")
        }
        if any(len(values) != rotated // 2 for values in extra.values()):
            raise TrainingError("config.json: the factors of longrope do not fit the heads.", "Mend it.")
        return {"rope.scaling.attn_factor": float(factor)}, extra
    raise TrainingError(
        f"Position encodings scaled by {kind} are not written as GGUF here.",
        "Export --to merged and use convert_hf_to_gguf.py of llama.cpp on that folder.",
    )


def _llama3(rope: Mapping[str, Any], width: int) -> Any:
    """Divisors of the frequencies (transformers' `_compute_llama3_parameters`)."""
    frequencies = rope["rope_theta"] ** -(np.arange(0, width, 2) / width)
    waves = 2 * math.pi / frequencies
    low, high = rope["low_freq_factor"], rope["high_freq_factor"]
    window, factor = rope["original_max_position_embeddings"], rope["factor"]
    smooth = (window / waves - low) / (high - low)
    between = 1 / ((1 - smooth) / factor + smooth)
    return np.where(waves < window / high, 1.0, np.where(waves > window / low, factor, between)).astype(
        np.float32
    )


# --- tokenizer --------------------------------------------------------------------------------


def _tokenizer(tokenizer: Any, backend: Mapping[str, Any], config: Any) -> Iterator[tuple[str, Any]]:
    model = backend["model"]
    if model["type"] != "BPE":
        raise TrainingError(
            f"A tokenizer of the kind {model['type']} is not written as GGUF here.", "Export --to merged."
        )
    tokens, types = _vocabulary(backend, int(config.vocab_size), pieces=bool(model["byte_fallback"]))
    yield "tokenizer.ggml.tokens", tokens
    yield "tokenizer.ggml.token_type", types
    merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"]]
    if model["byte_fallback"]:
        yield "tokenizer.ggml.model", "llama"
        yield "tokenizer.ggml.pre", "default"
        yield "tokenizer.ggml.scores", _scores(tokens, merges)
        yield "tokenizer.ggml.add_space_prefix", _prefixed(backend)
    else:
        yield "tokenizer.ggml.model", "gpt2"
        yield "tokenizer.ggml.pre", _cut(backend)
        yield "tokenizer.ggml.merges", merges
        yield "tokenizer.ggml.add_space_prefix", False
    special = {
        "bos": tokenizer.bos_token_id, "eos": tokenizer.eos_token_id,
        "unknown": tokenizer.unk_token_id, "padding": tokenizer.pad_token_id,
    }  # fmt: skip
    for role, token in special.items():
        if token is not None:
            yield f"tokenizer.ggml.{role}_token_id", int(token)
    # The template writes what begins a prompt; a model without one gets what its tokenizer adds.
    begun = tokenizer.encode("a", add_special_tokens=True)[:1] == [tokenizer.bos_token_id]
    yield "tokenizer.ggml.add_bos_token", bool(begun and not tokenizer.chat_template)
    yield "tokenizer.ggml.add_eos_token", False
    if tokenizer.chat_template:
        yield "tokenizer.chat_template", str(tokenizer.chat_template)


def _vocabulary(backend: Mapping[str, Any], size: int, *, pieces: bool) -> tuple[list[str], list[int]]:
    """Texts and GGUF types of the tokens, filled up to the rows of the embedding."""
    kinds = gguf.TokenType
    texts = {index: text for text, index in backend["model"]["vocab"].items()}
    added = {token["id"]: token for token in backend["added_tokens"]}
    tokens, types = [], []
    for index in range(max([size, *(i + 1 for i in texts), *(i + 1 for i in added)])):
        text = added[index]["content"] if index in added else texts.get(index)
        if text is None:
            tokens.append(f"[PAD{index}]")
            types.append(kinds.UNUSED)
            continue
        tokens.append(text)
        if pieces and text == backend["model"].get("unk_token"):
            types.append(kinds.UNKNOWN)
        elif index in added:
            types.append(kinds.CONTROL if added[index]["special"] else kinds.USER_DEFINED)
        elif pieces and len(text) == 6 and text.startswith("<0x") and text.endswith(">"):
            types.append(kinds.BYTE)
        else:
            types.append(kinds.NORMAL)
    if len(tokens) > size:
        raise TrainingError(
            f"The tokenizer has {len(tokens)} tokens, the model's embedding only {size} rows.",
            "The folder's tokenizer belongs to another model.",
        )
    return tokens, [int(kind) for kind in types]


def _scores(tokens: list[str], merges: list[str]) -> list[float]:
    """SentencePiece merges the pair with the best score first: the rank of a token's first merge."""
    rank: dict[str, int] = {}
    for position, pair in enumerate(merges):
        rank.setdefault(pair.replace(" ", ""), position)
    return [-float(rank[token] + 1) if token in rank else 0.0 for token in tokens]


def _steps(section: Mapping[str, Any] | None, inner: str) -> list[Mapping[str, Any]]:
    if section is None:
        return []
    return list(section[inner]) if section["type"] == "Sequence" else [section]


def _prefixed(backend: Mapping[str, Any]) -> bool:
    """Whether a blank is put before each piece of text, as llama.cpp does behind control tokens."""
    normal = _steps(backend["normalizer"], "normalizers")
    cutting = _steps(backend["pre_tokenizer"], "pretokenizers")
    schemes = [step.get("prepend_scheme") for step in cutting if step["type"] == "Metaspace"]
    return any(step["type"] == "Prepend" for step in normal) or "always" in schemes


def _cut(backend: Mapping[str, Any]) -> str:
    """llama.cpp's name of the way in which a byte-level tokenizer cuts text before merging.

    Raises:
        TrainingError: none of the known ones.
    """
    steps = _steps(backend["pre_tokenizer"], "pretokenizers")
    kinds = [step["type"] for step in steps]
    if kinds == ["ByteLevel"] and steps[0].get("use_regex", True):
        return "gpt-2"
    if kinds == ["Digits", "ByteLevel"] and steps[0]["individual_digits"]:
        return "smollm"
    if kinds == ["Split", "ByteLevel"]:
        name = _CUTS.get(steps[0]["pattern"].get("Regex", ""))
        if name == "llama-bpe" and not backend["model"].get("ignore_merges"):
            return "dbrx"
        if name:
            return name
    raise TrainingError(
        "The tokenizer cuts text in a way that has no known name in llama.cpp.",
        "Export --to merged and use convert_hf_to_gguf.py of llama.cpp on that folder.",
    )
