"""Reads what a GGUF file says about itself: architecture, window, chat template, special tokens.

Only the head of the file is read; weights are never touched. Promises: a file that is missing, is
not GGUF, or was cut off is told apart and named before llama.cpp, which says nothing, sees it.
Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import math
import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loresmith.errors import ModelError
from loresmith.models import templates

# GGUF value type -> struct format; 8 is a string, 9 an array.
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}

# ggml tensor type -> (elements per block, bytes per block). Unlisted types are not size-checked.
_BLOCKS = {
    0: (1, 4),
    1: (1, 2),
    2: (32, 18),
    3: (32, 20),
    6: (32, 22),
    7: (32, 24),
    8: (32, 34),
    9: (32, 36),
    10: (256, 84),
    11: (256, 110),
    12: (256, 144),
    13: (256, 176),
    14: (256, 210),
    15: (256, 292),
    20: (32, 18),
    23: (256, 136),
    24: (1, 1),
    25: (1, 2),
    26: (1, 4),
    27: (1, 8),
    28: (1, 8),
    30: (1, 2),
}

_LENGTH = struct.Struct("<Q")
_UNKNOWN, _CONTROL, _USER_DEFINED = 2, 3, 4


@dataclass(frozen=True, slots=True)
class GGUF:
    """The head of a GGUF file.

    Attributes:
        metadata: the key-value pairs; arrays other than the vocabulary's are kept as lists of at
            most 64 entries.
        vocabulary: number of tokens.
        special_tokens: the texts that tokenise to control tokens, longest first.
        tensors: shape of each tensor, in GGUF's order (the contiguous dimension first).
    """

    path: Path
    metadata: Mapping[str, Any]
    vocabulary: int
    special_tokens: tuple[str, ...]
    tensors: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def architecture(self) -> str:
        return str(self.metadata.get("general.architecture", ""))

    @property
    def context_length(self) -> int:
        """The window the model was trained for, in tokens; 0 where the file does not say."""
        return int(self.metadata.get(f"{self.architecture}.context_length", 0))

    @property
    def chat_template(self) -> str:
        return str(self.metadata.get("tokenizer.chat_template", ""))


def read(path: Path) -> GGUF:
    """Read the head of `path`.

    Raises:
        ModelError: not there, not GGUF, of another version, or cut off.
    """
    try:
        with path.open("rb") as file:
            if file.read(4) != b"GGUF":
                raise ModelError(
                    f"{path} is not a GGUF file.",
                    "Name a .gguf file, a folder with safetensors, or a model of `loresmith models list`.",
                )
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return _parse(path, data)
    except FileNotFoundError as error:
        raise ModelError(
            f"{path} does not exist.", "Correct the path, or see `loresmith models list`."
        ) from error
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}.", "Check its permissions.") from error


def arrays(path: Path, *keys: str) -> dict[str, list[Any]]:
    """Arrays of the head at their full length, which `read` leaves out; a key that is not there is
    left out.

    Raises:
        ModelError: as `read`.
    """
    read(path)
    found: dict[str, list[Any]] = {}
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        reader = _Reader(data)
        reader.number("I"), reader.number("Q")
        for _ in range(reader.number("Q")):
            key, kind = reader.string(), reader.number("I")
            if key in keys and kind == 9:
                found[key] = reader.array(limit=None)
            else:
                reader.value(kind)
    return found


def _parse(path: Path, data: mmap.mmap) -> GGUF:
    try:
        reader = _Reader(data)
        version = reader.number("I")
        if version not in (2, 3):
            raise ModelError(
                f"{path} is GGUF version {version}; versions 2 and 3 can be read.", "Convert the file anew."
            )
        tensors, pairs = reader.number("Q"), reader.number("Q")
        metadata: dict[str, Any] = {}
        tokens: list[tuple[int, int]] = []
        for _ in range(pairs):
            key = reader.string()
            kind = reader.number("I")
            if key == "tokenizer.ggml.tokens":
                tokens = reader.string_spans()
            elif key == "tokenizer.ggml.token_type":
                metadata[key] = reader.array(limit=None)
            else:
                metadata[key] = reader.value(kind)
        shapes: dict[str, tuple[int, ...]] = {}
        end = max((reader.tensor_end(shapes) for _ in range(tensors)), default=0)
        alignment = int(metadata.get("general.alignment", 32))
        start = -(-reader.position // alignment) * alignment
    except (struct.error, IndexError, UnicodeDecodeError, OverflowError) as error:
        raise _cut_off(path) from error
    if start + end > len(data):
        raise _cut_off(path, f" ({len(data):,} of {start + end:,} bytes are there)")
    kinds = metadata.pop("tokenizer.ggml.token_type", [])
    texts = {
        text
        for (at, size), kind in zip(tokens, kinds, strict=False)
        if kind in (_UNKNOWN, _CONTROL, _USER_DEFINED)
        for text in [data[at : at + size].decode("utf-8", "replace")]
        # User-defined tokens are often plain words or runs of blanks: only tags steer a model.
        if kind != _USER_DEFINED or templates.looks_like_tag(text)
    }
    special = tuple(sorted(texts, key=lambda text: (-len(text), text)))
    return GGUF(path, metadata, len(tokens), special, shapes)


def _cut_off(path: Path, detail: str = "") -> ModelError:
    return ModelError(
        f"{path} is cut off or damaged{detail}.",
        "Delete it and fetch it again (`loresmith models get NAME` continues where it stopped).",
    )


class _Reader:
    """A cursor over the file's bytes; reading past the end raises struct.error."""

    def __init__(self, data: mmap.mmap) -> None:
        self.data = data
        self.position = 4

    def number(self, code: str) -> Any:
        value = struct.unpack_from("<" + code, self.data, self.position)[0]
        self.position += struct.calcsize("<" + code)
        return value

    def skip(self, size: int) -> int:
        at = self.position
        if size > len(self.data) - at:
            raise struct.error("length beyond the end of the file")
        self.position = at + size
        return at

    def string(self) -> str:
        size = self.number("Q")
        at = self.skip(size)
        return self.data[at : at + size].decode("utf-8")

    def string_spans(self) -> list[tuple[int, int]]:
        """Where each string of an array stands; decoding 300,000 of them would take a second."""
        self.number("I")
        count = self.number("Q")
        spans = []
        read_size, data, position = _LENGTH.unpack_from, self.data, self.position
        for _ in range(count):
            size = read_size(data, position)[0]
            spans.append((position + 8, size))
            position += 8 + size
        self.skip(position - self.position)
        return spans

    def array(self, limit: int | None = 64) -> list[Any]:
        kind, count = self.number("I"), self.number("Q")
        if kind in _SCALARS:
            size = struct.calcsize("<" + _SCALARS[kind])
            at = self.skip(size * count)
            kept = count if limit is None else min(count, limit)
            return list(struct.unpack_from(f"<{kept}{_SCALARS[kind]}", self.data, at))
        if kind == 8:
            self.position -= 12
            spans = self.string_spans()[:limit]
            return [self.data[at : at + size].decode("utf-8", "replace") for at, size in spans]
        return [self.value(kind) for _ in range(count)]

    def value(self, kind: int) -> Any:
        if kind == 8:
            return self.string()
        if kind == 9:
            return self.array()
        if kind not in _SCALARS:
            raise struct.error(f"unknown value type {kind}")
        return self.number(_SCALARS[kind])

    def tensor_end(self, shapes: dict[str, tuple[int, ...]]) -> int:
        """Offset behind one tensor's data, from the start of the data section; notes its shape."""
        name = self.string()
        shape = tuple(int(self.number("Q")) for _ in range(self.number("I")))
        shapes[name] = shape
        elements = math.prod(shape)
        kind, offset = self.number("I"), self.number("Q")
        per_block, block_bytes = _BLOCKS.get(kind, (0, 0))
        return int(offset + (elements // per_block * block_bytes if per_block else 0))
