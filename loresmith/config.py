"""Settings of a workspace: `loresmith.toml`, with flag > environment > file > default.

The environment overrides one value as `LORESMITH_SECTION__KEY` (`LORESMITH_MODEL__NAME=…`).
An unknown section or key is an error that names the nearest known one. Secrets never stand in
the file: a section names the environment variable that holds the key (`api_key_env`).
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from loresmith import addresses
from loresmith.errors import ConfigError, UsageError

FILE_NAME = "loresmith.toml"
ENV_PREFIX = "LORESMITH_"


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SourceEntry(Section):
    """One `[[sources]]` entry: a path (relative to the workspace), a URL or the address of a database.

    Of a database `tables` are the ones to read (none named: all), and `since` names for a table the
    time or growing key column by which only newer rows are read.
    """

    uri: str
    labels: list[str] = []
    tables: list[str] = []
    since: dict[str, str] = {}

    def shown(self) -> dict[str, Any]:
        """What a list of sources shows: of a database also what is read of it."""
        return self.model_dump(exclude={n for n in ("tables", "since") if not getattr(self, n)})


class ModelSection(Section):
    """The language model that answers.

    `name` is "auto", "none" (quotes only, nothing generated), a registry name, a GGUF file, a
    folder, or a hub id; with `endpoint` it is the model's name at that OpenAI-compatible address.
    """

    name: str = Field(
        "auto",
        description="'auto', 'none', registry name, GGUF file, folder, hub id, or the name at the endpoint",
    )
    endpoint: str | None = Field(
        None, description="address of an OpenAI-compatible server; unset: the model runs here"
    )
    api_key_env: str = Field("OPENAI_API_KEY", description="environment variable that holds the key")
    api_version: str | None = Field(None, description="Azure OpenAI only")
    engine: Literal["auto", "llama.cpp", "transformers"] = Field(
        "auto", description="auto: GGUF by llama.cpp, folders and hub ids by transformers"
    )
    context_tokens: int = Field(4096, ge=256, description="window of prompt and answer together")
    max_tokens: int = Field(256, ge=8, description="upper bound of one answer")
    temperature: float = Field(0.0, ge=0, le=2, description="0: the most likely token always")
    threads: int = Field(0, ge=0, description="0: as many as are free")
    parallel: int = Field(
        1, ge=1, le=64, description="answers that llama.cpp computes together; `serve`: server.parallel"
    )
    timeout_seconds: float = Field(120, gt=0, description="of one request to an endpoint")
    adapter: str = Field(
        "auto",
        description="for the arms tuned and both: 'auto' (the one in use), an adapter's id, or a folder",
    )


class EmbedderSection(Section):
    """The embedder. `name` is a registry name, a sentence-transformers folder, or, with
    `provider`, the model's name at that provider's endpoint."""

    name: str = Field(
        "all-MiniLM-L6-v2", description="a registry name, a folder, or the name at the provider"
    )
    provider: Literal["local", "openai", "jina", "azure"] = Field(
        "local", description="who embeds: this machine or an endpoint"
    )
    endpoint: str | None = Field(None, description="address, where it is not the provider's own")
    api_key_env: str | None = Field(
        None, description="environment variable that holds the key; unset: the provider's usual one"
    )
    api_version: str | None = Field(None, description="Azure OpenAI only")
    dimensions: int | None = Field(None, ge=1, description="shorter vectors, where the model can")
    task: str | None = Field(None, description="Jina only")
    query_prefix: str = Field("", description="put before each question")
    passage_prefix: str = Field("", description="put before each passage")
    batch_size: int = Field(64, ge=1, description="texts in one request or one run")
    price_per_million_tokens: float | None = Field(None, ge=0, description="to show a running cost")
    timeout_seconds: float = Field(60, gt=0, description="of one request")


class PassagesSection(Section):
    tokens: int = Field(200, ge=20, description="upper bound of a passage, in embedder tokens")
    summaries: Literal["extractive", "model", "off"] = Field(
        "extractive", description="how the stored summary of documents and sections is made"
    )


class IndexSection(Section):
    metric: Literal["cosine", "dot", "l2"] = Field("cosine", description="of the vectors")


class RetrievalSection(Section):
    mode: Literal["hybrid", "dense", "text"] = Field(
        "hybrid", description="vectors and full text together, or one of them"
    )
    k: int = Field(8, ge=1, description="passages returned")
    candidates: int = Field(100, ge=1, description="taken from each side before fusion")
    fusion: Literal["weighted", "rrf"] = Field(
        "weighted", description="of normalised scores, or of reciprocal ranks"
    )
    dense_weight: float = Field(0.5, ge=0, le=1, description="share of the vectors in the weighted fusion")
    diversity: float = Field(
        0.0, ge=0, le=1, description="0: by score only; towards 1: unlike passages first (MMR)"
    )
    duplicates: float = Field(0.95, gt=0, le=1, description="overlap above which a passage is a duplicate")
    rerank: str | None = Field(None, description="cross-encoder folder, or 'model' for the language model")
    context_tokens: int = Field(
        600,
        ge=64,
        description="budget of passages in a prompt; twice that where several documents are asked for",
    )


class AnswerSection(Section):
    abstain_below: float | None = Field(
        None, ge=0, le=1, description="unset: the calibrated threshold that ships for the model"
    )
    max_sentences: int = Field(6, ge=1, description="upper bound of one answer")
    memory: bool = Field(True, description="a chat's earlier turns are remembered")
    tables: bool = Field(True, description="questions about figures are put to the tables, as a query")
    rows: int = Field(100, ge=1, le=1000, description="rows of a query's result that are shown")


class DatasetSection(Section):
    """What `loresmith dataset build` makes of the documents."""

    wordings: int = Field(5, ge=1, description="wordings of each fact; accuracy grows with them")
    grounded: float = Field(0.5, ge=0, le=1, description="share of rows that come with passages (arm both)")
    distractors: int = Field(2, ge=0, description="passages beside the right one")
    without_gold: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share of grounded rows answered although the right passage is missing; "
        "0: such an answer cannot be cited, and verification would drop it",
    )
    abstain: float = Field(0.25, ge=0, le=1, description="share of grounded rows that must abstain")
    max_rows: int = Field(5000, ge=1, description="rows made from documents, spread over them evenly")
    queries: int = Field(
        200, ge=0, description="rows made from tables beside them: questions with the query that answers each"
    )
    dev_share: float = Field(0.1, ge=0, lt=1, description="share of documents (and wordings) for dev")
    test_share: float = Field(0.1, ge=0, lt=1, description="share of documents kept out of training")
    languages: list[str] = Field([], description="only rows in these (ISO 639-1); empty: in every one")
    personal_data: Literal["report", "reject"] = Field(
        "report", description="rows that look as if they held personal data"
    )
    teacher: str | None = Field(
        None, description="language model that writes further rows: a name, or 'model' for the configured one"
    )
    seed: int = 0


class TrainingSection(Section):
    """How `loresmith train` trains; unset values follow from model, data and effort."""

    method: Literal["auto", "lora", "qlora"] = Field("auto", description="auto: what fits and is faster")
    effort: Literal["quick", "normal", "thorough"] = Field("normal", description="how long to train")
    rank: int = Field(16, ge=1, description="of the adapter")
    alpha: float | None = Field(None, gt=0, description="scale of the adapter; unset: 2 × rank")
    dropout: float = Field(0.0, ge=0, lt=1, description="of the adapter's input")
    targets: list[str] = Field(
        ["all-linear"], description="module names that carry the adapter; default: every linear layer"
    )
    rslora: bool = Field(False, description="scale by the root of the rank")
    dora: bool = Field(False, description="magnitude and direction apart")
    learning_rate: float | None = Field(None, gt=0, description="unset: by model size")
    schedule: Literal["cosine", "linear", "constant"] = Field("cosine", description="of the learning rate")
    warmup: float = Field(0.05, ge=0, lt=1, description="share of the steps")
    weight_decay: float = Field(0.0, ge=0)
    clip: float = Field(1.0, gt=0, description="largest norm of the gradient")
    epochs: float | None = Field(None, gt=0, description="passes over the data; unset: by effort")
    max_steps: int | None = Field(None, ge=1, description="upper bound of optimiser steps")
    batch_tokens: int | None = Field(None, ge=16, description="tokens of one optimiser step; unset: by data")
    micro_tokens: int | None = Field(None, ge=16, description="tokens of one forward pass; unset: by memory")
    max_length: int = Field(1024, ge=16, description="longer rows are left out, and reported")
    precision: Literal["auto", "bf16", "fp16", "fp32"] = Field(
        "auto", description="auto: what the hardware has"
    )
    checkpointing: Literal["auto", "on", "off"] = Field(
        "auto", description="activations are computed again instead of kept; auto: where memory is short"
    )
    seed: int = 0
    eval_every: int | None = Field(None, ge=1, description="steps between looks at the dev split")
    patience: int = Field(
        8, ge=0, description="looks at the dev split without more tokens right before stopping; 0: never"
    )
    checkpoint_seconds: float = Field(300, gt=0, description="between two checkpoints")
    strategy: Literal["ddp", "fsdp2"] = Field(
        "ddp", description="under torchrun: every process holds the model (ddp), or a share of it (fsdp2)"
    )
    tracker: Literal["none", "mlflow", "wandb", "trackio"] = Field(
        "none", description="where curves go besides the run's own record"
    )


class ParsingSection(Section):
    workers: int = Field(0, ge=0, description="0: one per core")
    memory_mb: int = Field(1024, ge=128, description="limit of one parsing process")
    seconds: float = Field(120, gt=0, description="limit of one document")
    max_file_mb: int = Field(512, ge=1, description="larger files are not read")
    rows: int = Field(
        5000, ge=1, description="rows of one table that are found by their words; all of them are counted"
    )
    ocr: bool = Field(True, description="read scanned pages and images where tessdata is installed")
    ocr_languages: list[str] = Field(["eng"], description="as tesseract names them")


class WebSection(Section):
    allow_private: bool = Field(False, description="fetch from private and loopback addresses too")
    timeout_seconds: float = Field(30, gt=0, description="of one page")
    max_mb: int = Field(50, ge=1, description="larger pages are not read")


class ServerSection(Section):
    """`loresmith serve`: where it listens, and how much it takes on at once."""

    host: str = Field("127.0.0.1", description="address to listen on; beyond this machine only with keys")
    port: int = Field(8321, ge=0, le=65535, description="0: any that is free")
    hosts: list[str] = Field([], description="names it is reached by besides its own, as behind a proxy")
    parallel: int = Field(
        2,
        ge=1,
        le=64,
        description="answers computed at the same time; each has a window of the model's memory for itself",
    )
    queue: int = Field(64, ge=0, description="questions that may wait; one more is refused with 429")
    connections: int = Field(512, ge=1, description="requests at the same time; one more is told 503")
    upload_mb: int = Field(200, ge=1, description="largest upload")
    request_mb: int = Field(4, ge=1, description="largest request of any other kind")
    body_seconds: float = Field(30, gt=0, description="longest silence of a client that is still sending")
    grace_seconds: float = Field(30, ge=0, description="what runs may finish within, when it is stopped")
    warm: bool = Field(True, description="load the models at the start and not with the first question")


class Config(Section):
    name: str = "expert"
    sources: list[SourceEntry] = []
    model: ModelSection = ModelSection()
    embedder: EmbedderSection = EmbedderSection()
    passages: PassagesSection = PassagesSection()
    index: IndexSection = IndexSection()
    retrieval: RetrievalSection = RetrievalSection()
    answer: AnswerSection = AnswerSection()
    dataset: DatasetSection = DatasetSection()
    training: TrainingSection = TrainingSection()
    parsing: ParsingSection = ParsingSection()
    web: WebSection = WebSection()
    server: ServerSection = ServerSection()


def load(path: Path, overrides: dict[str, Any] | None = None) -> Config:
    """Read `path`, then the environment, then `overrides` ({"model.name": "…"}, from flags).

    Raises:
        ConfigError: names the file, the line or key, and the nearest known key.
    """
    try:
        text = path.read_text(encoding="utf-8")
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}.", "Mend that line.") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text (byte {error.start}).", "Save it as UTF-8.") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}.", "Check its permissions.") from error
    where = {"": str(path)}
    for key, value in _environment():
        put(raw, key, value)
        where[key] = f"environment variable {ENV_PREFIX}{key.upper().replace('.', '__')}"
    for key, value in (overrides or {}).items():
        if value is not None:
            put(raw, key, value)
            where[key] = f"flag for {key}"
    return validate(raw, where)


def validate(raw: dict[str, Any], where: dict[str, str] | None = None) -> Config:
    """Check a parsed configuration; `where` names the origin of single keys for the message."""
    try:
        checked = Config.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        origins = where or {}
        beneath = (place for name, place in origins.items() if f"{name}.".startswith(f"{key}."))
        origin = next(beneath, origins.get("", FILE_NAME))
        if first["type"] == "extra_forbidden":
            near = _nearest(first["loc"])
            hint = f"Did you mean {near}?" if near else f"Known keys: {', '.join(_known(first['loc']))}."
            raise ConfigError(f"{origin}: unknown key {key}.", hint) from error
        message = first["msg"][0].lower() + first["msg"][1:]
        if first["type"] == "model_type":
            message = "a section with keys of its own is wanted"
        given = addresses.masked(repr(first["input"]))
        raise ConfigError(f"{origin}: {key} = {given}: {message}.", "Correct the value.") from None
    for source in checked.sources:
        try:
            addresses.check(source.uri)
        except UsageError as error:
            place = (where or {}).get("", FILE_NAME)
            raise ConfigError(f"{place}: {error.problem}", error.remedy) from None
        if (source.tables or source.since) and addresses.kind_of(source.uri) is None:
            raise ConfigError(
                f"{(where or {}).get('', FILE_NAME)}: {addresses.masked(source.uri)} is no database: "
                "it has neither tables nor since.",
                "Take them out, or write the address of a database.",
            )
    return checked


def _environment() -> list[tuple[str, str]]:
    return [
        (name[len(ENV_PREFIX) :].lower().replace("__", "."), value)
        for name, value in sorted(os.environ.items())
        if name.startswith(ENV_PREFIX) and "__" in name
    ]


def put(raw: MutableMapping[str, Any], key: str, value: Any) -> None:
    """Set a dotted key in a parsed or a tomlkit document, making its section where it is not there.

    Raises:
        ConfigError: a part of the key before its last is no section.
    """
    *parents, last = key.split(".")
    for position, parent in enumerate(parents, 1):
        section = raw.setdefault(parent, {})
        if not isinstance(section, MutableMapping):
            name = ".".join(parents[:position])
            raise ConfigError(f"{key}: {name} is no section.", "`loresmith config` lists every key.")
        raw = section
    raw[last] = value


def _known(loc: tuple[int | str, ...]) -> list[str]:
    model: type[BaseModel] = Config
    for part in loc[:-1]:
        if isinstance(part, int):
            continue
        annotation = model.model_fields[part].annotation
        model = SourceEntry if part == "sources" else annotation  # type: ignore[assignment]
    return list(model.model_fields)


def _nearest(loc: tuple[int | str, ...]) -> str | None:
    names = difflib.get_close_matches(str(loc[-1]), _known(loc), n=1, cutoff=0.5)
    return ".".join([*(str(p) for p in loc[:-1]), names[0]]) if names else None
