"""Models: language models and embedders, by name, folder, file or endpoint.

`load_embedder`, `load_language_model` and `load_reranker` are the only doors; what they load (onnxruntime,
llama.cpp, transformers, the openai client) is imported when it is needed and not before.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from loresmith.config import EmbedderSection, ModelSection
from loresmith.types import Embedder, LanguageModel, Progress

if TYPE_CHECKING:
    from loresmith.models.reranker import Scorer

__all__ = ["load_embedder", "load_language_model", "load_reranker"]


def load_embedder(settings: EmbedderSection, progress: Progress | None = None) -> Embedder:
    """The embedder of the configuration, fetched first where it is a registry name.

    Raises:
        ModelError: unknown name, damaged or missing files.  EndpointError: wrong address or key.
    """
    if settings.provider != "local":
        from loresmith.models import embedder_endpoint

        return embedder_endpoint.load(settings)
    from loresmith.models import embedders

    return embedders.load(settings, progress)


def load_language_model(settings: ModelSection, progress: Progress | None = None) -> LanguageModel:
    """The language model of the configuration.

    A registry name is fetched first; "auto" takes what `auto.choose_language_model` chooses.

    Raises:
        ModelError: unknown name, missing or damaged file, or name "none" (which loads nothing).
        EndpointError: wrong address or key.
    """
    if settings.endpoint:
        from loresmith.models import endpoint

        return endpoint.load(settings)
    if settings.name == "auto":
        from loresmith.models import auto

        row, _ = auto.choose_language_model(settings)
        settings = settings.model_copy(update={"name": row.name})
    if _engine(settings) == "transformers":
        from loresmith.models import transformers_model

        return transformers_model.load(settings, progress)
    from loresmith.models import llamacpp

    return llamacpp.load(settings, progress)


def load_reranker(folder: str) -> Scorer:
    """The cross-encoder in a folder, loaded once.

    Raises:
        ModelError: there is none, or it cannot be loaded.
    """
    from loresmith.models import reranker

    return reranker.load(folder)


def _engine(settings: ModelSection) -> str:
    """GGUF files and registry names are llama.cpp's, folders and hub ids transformers'."""
    if settings.engine != "auto":
        return settings.engine
    from loresmith.models import registry

    path = Path(settings.name).expanduser()
    if path.suffix.lower() == ".gguf" or path.is_file() or not registry.looks_like_place(settings.name):
        return "llama.cpp"
    return "transformers"
