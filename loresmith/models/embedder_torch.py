"""Embedders of other architectures, run by sentence-transformers (extra `transformers`).

Promises: safetensors only, no code from the model's folder, no network.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from loresmith.config import EmbedderSection
from loresmith.errors import MissingExtra, ModelError
from loresmith.types import Vectors


def load(folder: Path, settings: EmbedderSection) -> TorchEmbedder:
    """Load a sentence-transformers folder.

    Raises:
        MissingExtra: sentence-transformers is not installed.
        ModelError: the folder cannot be loaded, or holds no safetensors.
    """
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError:
        raise MissingExtra(
            f"The embedder {settings.name} (not of the BERT family)", "sentence-transformers", "transformers"
        ) from None
    weights = sorted(folder.rglob("*.safetensors"))
    if not weights:
        raise ModelError(
            f"{folder}: no safetensors file.", "Weights in other formats can hold code and are not loaded."
        )
    try:
        model = SentenceTransformer(
            str(folder),
            trust_remote_code=False,
            local_files_only=True,
            model_kwargs={"use_safetensors": True},
        )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise ModelError(f"{folder}: cannot be loaded: {error}.", "Copy the model's folder again.") from error
    return TorchEmbedder(model, weights, settings)


class TorchEmbedder:
    """sentence-transformers behind the `Embedder` protocol."""

    def __init__(self, model: Any, weights: Sequence[Path], settings: EmbedderSection) -> None:
        self.name = settings.name
        self._model, self._settings = model, settings
        self.max_tokens = int(model.max_seq_length or 512) - 2
        self.dimension = int(model.get_embedding_dimension())
        digest = hashlib.sha256()
        for path in weights:
            with open(path, "rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        digest.update(repr((self.max_tokens, settings.query_prefix, settings.passage_prefix)).encode())
        self.fingerprint = f"{Path(self.name).name}:{digest.hexdigest()[:16]}"

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        return self._encode(texts, self._settings.passage_prefix)

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        return self._encode(texts, self._settings.query_prefix)

    def count_tokens(self, text: str) -> int:
        return len(self._model.tokenizer(text, add_special_tokens=False, truncation=False)["input_ids"])

    def close(self) -> None:
        self._model = None

    def _encode(self, texts: Sequence[str], prefix: str) -> Vectors:
        found = self._model.encode(
            [prefix + text for text in texts],
            batch_size=self._settings.batch_size,
            normalize_embeddings=True,
            convert_to_numpy=True,
            show_progress_bar=False,
        )
        return np.asarray(found, np.float32).reshape(len(texts), self.dimension)
