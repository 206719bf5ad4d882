"""A cross-encoder of the user's own that orders candidates anew (extra `transformers`).

Promises: safetensors only, no code from the model's folder, no network.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

from loresmith.errors import MissingExtra, ModelError

Scorer = Callable[[str, Sequence[str]], list[float]]
"""`score(query, texts)`: one number a text, higher is better."""

_BATCH = 16


@lru_cache(maxsize=1)
def load(name: str) -> Scorer:
    """The cross-encoder in the folder `name`, loaded once.

    Raises:
        MissingExtra: sentence-transformers is not installed.
        ModelError: there is no such folder, it cannot be loaded, or it is no cross-encoder.
    """
    folder = Path(name).expanduser()
    if not (folder / "config.json").is_file():
        raise ModelError(
            f"retrieval.rerank = {name!r}: no folder with a cross-encoder (config.json).",
            'Name its folder, or "model" for the language model.',
        )
    if not any(folder.glob("*.safetensors")):
        raise ModelError(
            f"{folder}: no safetensors file.", "Weights in other formats can hold code and are not loaded."
        )
    try:
        import transformers
        from sentence_transformers import CrossEncoder
    except ImportError:
        raise MissingExtra("A cross-encoder", "sentence-transformers", "transformers") from None
    transformers.utils.logging.disable_progress_bar()
    try:
        model = CrossEncoder(
            str(folder),
            trust_remote_code=False,
            local_files_only=True,
            model_kwargs={"use_safetensors": True},
        )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise ModelError(f"{folder}: cannot be loaded: {error}.", "Copy the model's folder again.") from error
    if model.num_labels != 1:
        raise ModelError(
            f"{folder}: gives {model.num_labels} scores a pair, not one.", "Name a reranker's folder."
        )

    def score(query: str, texts: Sequence[str]) -> list[float]:
        pairs = [(query, text) for text in texts]
        return [float(s) for s in model.predict(pairs, batch_size=_BATCH, show_progress_bar=False)]

    return score
