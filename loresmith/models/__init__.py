"""Models: language models and embedders, by name, folder, file or endpoint.

`load_embedder`, `load_language_model` and `load_reranker` are the only doors; what they load (onnxruntime,
llama.cpp, transformers, the openai client) is imported when it is needed and not before.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, overload

from loresmith.config import EmbedderSection, ModelSection
from loresmith.errors import ModelError
from loresmith.types import Embedder, LanguageModel, Progress, TunedModel

if TYPE_CHECKING:
    from loresmith.models.reranker import Scorer

__all__ = ["base_of", "load_embedder", "load_language_model", "load_reranker"]


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


@overload
def load_language_model(settings: ModelSection, progress: Progress | None = None) -> LanguageModel: ...


@overload
def load_language_model(
    settings: ModelSection, progress: Progress | None = None, *, adapter: Path
) -> TunedModel: ...


def load_language_model(
    settings: ModelSection, progress: Progress | None = None, *, adapter: Path | None = None
) -> LanguageModel:
    """The language model of the configuration.

    A registry name is fetched first; "auto" takes what `auto.choose_language_model` chooses, with an
    adapter its base.

    Args:
        adapter: folder of a LoRA adapter; the model answers with it, its `base` without it.

    Raises:
        ModelError: unknown name, missing or damaged file, name "none" (which loads nothing), or an
            adapter that was not trained on this model.
        EndpointError: wrong address or key.
    """
    if settings.endpoint:
        if adapter:
            raise ModelError(
                f"The endpoint {settings.endpoint} cannot be given an adapter of this machine.",
                "Serve the adapter there and set model.name to its name, or unset model.endpoint.",
            )
        from loresmith.models import endpoint

        return endpoint.load(settings)
    if settings.name == "auto":
        settings = settings.model_copy(update={"name": _automatic(settings, adapter)})
    if _engine(settings, adapter) == "transformers":
        from loresmith.models import transformers_model

        return transformers_model.load(settings, progress, adapter=adapter)
    from loresmith.models import llamacpp

    return llamacpp.load(settings, progress, adapter=adapter)


def load_reranker(folder: str) -> Scorer:
    """The cross-encoder in a folder, loaded once.

    Raises:
        ModelError: there is none, or it cannot be loaded.
    """
    from loresmith.models import reranker

    return reranker.load(folder)


def base_of(settings: ModelSection) -> str:
    """The name of the model that answers without an adapter: what "auto" chooses, else as it stands."""
    return settings.name if settings.name != "auto" else _automatic(settings, None)


def _automatic(settings: ModelSection, adapter: Path | None) -> str:
    if adapter:
        from loresmith.models import lora

        base = lora.read(adapter).base_model
        if not base:
            raise ModelError(f"{adapter} does not say what its base is.", "Name it as model.name.")
        return base
    from loresmith.models import auto

    return auto.choose_language_model(settings)[0].name


def _engine(settings: ModelSection, adapter: Path | None) -> str:
    """GGUF files and registry names are llama.cpp's, folders and hub ids transformers'."""
    if settings.engine != "auto":
        return settings.engine
    from loresmith.models import registry

    path = Path(settings.name).expanduser()
    if not (path.suffix.lower() == ".gguf" or path.is_file() or not registry.looks_like_place(settings.name)):
        return "transformers"
    if adapter:
        from loresmith.models import lora

        if lora.read(adapter).dora:  # no low-rank sum, which is all that llama.cpp can add
            return "transformers"
    return "llama.cpp"
