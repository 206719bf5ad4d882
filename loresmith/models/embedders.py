"""Local embedders: a sentence-transformers folder, run by onnxruntime where it is of the BERT family.

Promises: the vectors are those of sentence-transformers (cosine at least .999, tested on a stored
reference), a text's vector does not depend on what is embedded beside it, and nothing is padded.
Other architectures are handed to sentence-transformers itself (extra `transformers`).
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import platform
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

# Since 1.29 it reports to its makers by itself, from the moment of its import. Nothing leaves this machine.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import numpy as np
import onnxruntime
from safetensors import SafetensorError
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from loresmith.config import EmbedderSection
from loresmith.errors import ModelError, StorageError
from loresmith.models import bert_graph, cpu, download, registry
from loresmith.types import Embedder, Progress, Vectors
from loresmith.workspace import write_atomic

log = logging.getLogger(__name__)

CHUNK = 4096
"""Texts that are tokenised at once: enough to find equals in length, little enough for memory."""

RUN_TOKENS = 512
"""Tokens of one run: beyond it the activations leave the core's cache and speed falls."""


def load(settings: EmbedderSection, progress: Progress | None = None) -> Embedder:
    """Load `settings.name`: a registry name, a folder, or a hub id that lies in the hub's cache.

    Raises:
        ModelError: unknown name, or the folder is damaged or of a kind that cannot be run.
    """
    folder = _folder(settings.name, progress)
    config = _json(folder / "config.json")
    # Modules that have weights of their own (Dense) are sentence-transformers' to run.
    modules = [m["type"].rsplit(".", 1)[-1] for m in _json(folder / "modules.json", default=[])]
    plain = set(modules) <= {"Transformer", "Pooling", "Normalize"}
    known = (
        plain
        and config.get("model_type") in bert_graph.FAMILIES
        and config.get("hidden_act") == "gelu"
        and config.get("position_embedding_type", "absolute") == "absolute"
        and _pooling(folder) is not None
        and (folder / "tokenizer.json").exists()
    )
    if known:
        return OnnxEmbedder(folder, config, settings)
    from loresmith.models import embedder_torch

    return embedder_torch.load(folder, settings)


class OnnxEmbedder:
    """A BERT-like sentence embedder in onnxruntime, one single-threaded run per core."""

    def __init__(self, folder: Path, config: Mapping[str, Any], settings: EmbedderSection) -> None:
        self.name = settings.name
        self._query_prefix, self._passage_prefix = settings.query_prefix, settings.passage_prefix
        self._tokenizer = _tokenizer(folder)
        special = self._tokenizer.num_special_tokens_to_add(is_pair=False)
        length = _max_length(folder, config)
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(length)
        self._counter = _tokenizer(folder)
        self._counter.no_padding()
        self._counter.no_truncation()
        self.max_tokens = length - special
        self.dimension = int(config["hidden_size"])
        pooling = _pooling(folder) or "mean"
        digest = hashlib.sha256()
        for part in (
            _file_digest(folder / "model.safetensors"),
            _file_digest(folder / "tokenizer.json"),
            str((bert_graph.GRAPH_VERSION, pooling, length, self._query_prefix, self._passage_prefix)),
        ):
            digest.update(part.encode())
        self.fingerprint = f"{Path(self.name).name}:{digest.hexdigest()[:16]}"
        self._session = _load_graph(folder, config, pooling)
        self._pool: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        return self._embed(texts, self._passage_prefix)

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        return self._embed(texts, self._query_prefix)

    def count_tokens(self, text: str) -> int:
        return len(self._counter.encode(text, add_special_tokens=False).ids)

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None

    def _embed(self, texts: Sequence[str], prefix: str) -> Vectors:
        vectors = np.empty((len(texts), self.dimension), np.float32)
        for start in range(0, len(texts), CHUNK):
            chunk = [prefix + text for text in texts[start : start + CHUNK]]
            encoded = [e.ids for e in self._tokenizer.encode_batch_fast(chunk)]
            for rows, found in self._runs(encoded):
                vectors[[start + row for row in rows]] = found
        return vectors

    def _runs(self, encoded: Sequence[list[int]]) -> Iterator[tuple[list[int], Vectors]]:
        groups = list(_equal_lengths(encoded))
        if len(groups) == 1:
            yield groups[0], self._run([encoded[row] for row in groups[0]])
            return
        batches = ([encoded[row] for row in rows] for rows in groups)
        yield from zip(groups, self._workers().map(self._run, batches), strict=True)

    def _run(self, ids: list[list[int]]) -> Vectors:
        found: Vectors = self._session.run(None, {"ids": np.array(ids, np.int64)})[0]
        return found

    def _workers(self) -> ThreadPoolExecutor:
        # onnxruntime lets go of the interpreter lock while it runs, so independent runs on plain
        # threads use every core without the barriers of its own thread pool.
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(cpu.count(), "embedder")
            return self._pool


def _equal_lengths(encoded: Sequence[list[int]]) -> Iterator[list[int]]:
    """Row numbers of texts with the same number of tokens, longest first, at most RUN_TOKENS."""
    by_length: dict[int, list[int]] = defaultdict(list)
    for row, ids in enumerate(encoded):
        by_length[len(ids)].append(row)
    for length in sorted(by_length, reverse=True):
        rows = by_length[length]
        step = max(1, RUN_TOKENS // length)
        for start in range(0, len(rows), step):
            yield rows[start : start + step]


def _folder(name: str, progress: Progress | None) -> Path:
    path = Path(name).expanduser()
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise ModelError(
                f"{path}: not a sentence-transformers folder (no config.json).", "Check the path."
            )
        return path
    if path.is_file():
        raise ModelError(
            f"{path}: a file, where the embedder needs a folder.", "Name the folder of the model."
        )
    if registry.looks_like_place(name):
        if path.is_absolute():
            raise ModelError(f"{path}: no such folder.", "Check the path.")
        cached = download.hub_snapshot(name)
        if cached is None:
            raise ModelError(
                f"{name}: no such folder, and not in the hub's cache on this machine.",
                f"Download it with `hf download {name}`, or name a folder that holds it.",
            )
        return cached
    return download.ensure(registry.find(name, "embedder"), progress)


def _json(path: Path, default: Any = None) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if default is not None:
            return default
        raise ModelError(f"{path} is missing.", "Copy the complete folder of the model.") from None
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read: {error}.", "Copy the model's folder again.") from error


def _pooling(folder: Path) -> bert_graph.Pooling | None:
    """The pooling that the folder names, or None where this graph has it not."""
    settings = _json(folder / "1_Pooling" / "config.json", default={})
    modes = {key for key, value in settings.items() if key.startswith("pooling_mode_") and value is True}
    if modes <= {"pooling_mode_mean_tokens"}:
        return "mean"
    return "cls" if modes == {"pooling_mode_cls_token"} else None


def _max_length(folder: Path, config: Mapping[str, Any]) -> int:
    """Longest input in tokens, special tokens included."""
    positions = int(config["max_position_embeddings"])
    if bert_graph.FAMILIES[config["model_type"]]:
        positions -= int(config["pad_token_id"]) + 1
    return min(
        _json(folder / "sentence_bert_config.json", default={}).get("max_seq_length") or 512, positions
    )


def _tokenizer(folder: Path) -> Tokenizer:
    path = folder / "tokenizer.json"
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:
        raise ModelError(f"{path} cannot be read: {error}.", "Copy the model's folder again.") from error


def _file_digest(path: Path) -> str:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(
            f"{path} cannot be read: {error.strerror}.", "The weights must be safetensors; copy them again."
        ) from error


def _load_graph(folder: Path, config: Mapping[str, Any], pooling: bert_graph.Pooling) -> Any:
    """The model in onnxruntime: from the graph kept beside the weights, or built and kept there."""
    weights, int8 = folder / "model.safetensors", _multiplies_bytes()
    made_from = weights.stat()
    key = f"{bert_graph.GRAPH_VERSION}-{int8}-{pooling}-{made_from.st_size}-{made_from.st_mtime_ns}"
    kept = folder / f".loresmith-{hashlib.sha256(key.encode()).hexdigest()[:12]}.onnx"
    if kept.exists():
        try:
            return _session(kept.read_bytes())
        except Exception as error:  # noqa: BLE001 - onnxruntime's have no common base
            log.warning("%s is damaged and is built again: %s", kept, error)
    try:
        loaded = {
            name.removeprefix("bert.").removeprefix("roberta."): tensor.astype(np.float32, copy=False)
            for name, tensor in load_file(weights).items()
            if tensor.dtype.kind == "f"
        }
        model = bert_graph.build(config, loaded, pooling, int8=int8)
    except (SafetensorError, KeyError) as error:
        raise ModelError(f"{weights}: damaged or incomplete: {error}.", "Copy the model again.") from error
    if os.access(folder, os.W_OK):
        try:
            write_atomic(kept, model)
        except StorageError as error:
            log.info("the graph is not kept: %s", error)  # costs half a second at the next start
    return _session(model)


def _multiplies_bytes() -> bool:
    """Whether bytes are quick and exact here.

    Without VNNI an x86 processor adds the products of bytes in 16 bits, which overflow. Both graphs
    agree to a cosine of .999, so that an index may move between machines: one fingerprint.
    """
    if platform.machine().lower() in ("x86_64", "amd64"):
        return cpu.has("avx512_vnni", "avx_vnni")
    return True


def _session(model: bytes) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_mem_pattern = False  # lengths differ from run to run
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
