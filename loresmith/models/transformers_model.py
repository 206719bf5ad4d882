"""Language models by transformers: a local folder or a hub id (Phi-3 and its like), CPU or CUDA.

A GGUF file is taken too (`model.engine = "transformers"`), its weights unpacked to 16 or 32 bits.

Promises: safetensors or GGUF only, and no code that comes with a model is ever run; the model's own
chat template and stop tokens; text never becomes a control token; closing an iterator stops at once;
a hub id that is in the hub's cache needs no network.
"""

from __future__ import annotations

import copy
import logging
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from loresmith.config import ModelSection
from loresmith.errors import MissingExtra, ModelError, PromptTooLong
from loresmith.models import cpu, download, lora, registry, templates
from loresmith.types import Generated, Message, Progress

try:
    import jinja2
    import torch
    import transformers
except ImportError as missing:
    raise MissingExtra("A model by transformers", missing.name or "transformers", "transformers") from missing

log = logging.getLogger(__name__)
# Its bars would run into the answer on the terminal.
transformers.utils.logging.disable_progress_bar()

_PATTERNS = ["*.json", "*.safetensors", "*.model", "*.jinja", "*.txt"]


def load(
    settings: ModelSection, progress: Progress | None = None, *, adapter: Path | None = None
) -> TransformersModel:
    """Load `settings.name`: a folder, a hub id, a GGUF file or a registry name.

    Args:
        adapter: folder of the LoRA adapter to answer with.

    Raises:
        ModelError: no such folder or model, no safetensors, an architecture that only the model's
            own code knows, or an adapter that is not for it.
        MissingExtra: torch, transformers, or for an adapter peft, is not installed.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu":
        torch.set_num_threads(settings.threads or cpu.free())
    place = _place(settings.name, progress)
    worn = lora.read(adapter) if adapter else None
    if worn:
        lora.check_base(worn, place, settings.name)
    tokenizer, module = read(place, _dtype(device))
    if worn:
        module = _wearing(module, worn)
    return TransformersModel(
        settings.name, tokenizer, module.to(device), settings, adapter=worn.id if worn else None
    )


class _Weights:
    """The loaded weights, which a model and its base share. `module` is None once closed."""

    def __init__(self, module: Any, adapted: bool) -> None:
        self.module = module
        self.adapted = self.on = adapted
        # One question at a time: two in parallel would share the cores and the memory.
        self.step = threading.Lock()

    def wearing(self, wanted: bool) -> Any:
        """The module with its adapter on or off; to be called under `step`."""
        if self.adapted and wanted != self.on:
            layers = self.module.base_model
            (layers.enable_adapter_layers if wanted else layers.disable_adapter_layers)()
            self.on = wanted
        return self.module


class TransformersModel:
    """A causal language model, loaded. See `LanguageModel` for the methods."""

    def __init__(
        self, name: str, tokenizer: Any, module: Any, settings: ModelSection, *, adapter: str | None = None
    ) -> None:
        self.name = name
        self.adapter = adapter
        self.tokenizer = tokenizer
        self.device = str(module.device.type)
        self._weights = _Weights(module.eval(), adapter is not None)
        self.special_tokens = special_tokens_of(tokenizer)
        window = getattr(module.config.get_text_config(), "max_position_embeddings", None)
        self.context_tokens = min(settings.context_tokens, window or settings.context_tokens)
        self._end_tokens = self._ends()
        self._warned = False

    @property
    def model(self) -> Any:
        """The module; None after `close`."""
        return self._weights.module

    @property
    def base(self) -> TransformersModel:
        """The same weights in the same memory without the adapter; closing either closes both."""
        if self.adapter is None:
            return self
        plain = copy.copy(self)
        plain.adapter = None
        return plain

    @property
    def supports_grammar(self) -> bool:
        return False

    def count_tokens(self, messages: Sequence[Message]) -> int:
        return len(self._prompt(messages))

    def generate(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int,
        temperature: float = 0.0,
        seed: int = 0,
        stop: Sequence[str] = (),
        grammar: str | None = None,
    ) -> Iterator[Generated]:
        prompt = self._fitting(messages, max_tokens)
        if grammar and not self._warned:
            self._warned = True
            log.warning("transformers takes no grammar; the answers of %s are not constrained.", self.name)
        if not self.tokenizer.chat_template:
            stop = [*stop, *templates.PLAIN_STOP]
        return templates.until(self._pieces(prompt, max_tokens, temperature, seed), stop)

    def choice_logprobs(self, messages: Sequence[Message], choices: Sequence[str]) -> list[float] | None:
        prompt = self._fitting(messages, 1)
        first = [self.tokenizer.encode(choice, add_special_tokens=False)[:1] for choice in choices]
        if not all(first):
            raise ModelError(
                f"One of the choices {list(choices)} is empty.", "Give at least one character each."
            )
        logits, _ = self._forward(prompt, None)
        logprobs = torch.log_softmax(logits, dim=-1)
        return [float(logprobs[ids[0]]) for ids in first]

    def close(self) -> None:
        """Free the memory. Safe to call twice."""
        self._weights.module = None
        if self.device == "cuda":
            torch.cuda.empty_cache()

    # --- prompt -----------------------------------------------------------------------------------

    def render(self, messages: Sequence[Message], *, answer_follows: bool = True) -> str:
        """The prompt as text, by the model's own template, contents neutralised."""
        guarded = templates.guarded(messages, self.special_tokens)
        if not self.tokenizer.chat_template:
            return templates.plain(guarded)

        def apply(shown: list[Message]) -> str:
            return str(
                self.tokenizer.apply_chat_template(
                    shown, tokenize=False, add_generation_prompt=answer_follows
                )
            )

        return templates.render(guarded, apply, jinja2.TemplateError)

    def _prompt(self, messages: Sequence[Message]) -> list[int]:
        text = self.render(messages)
        start = self.tokenizer.bos_token
        # Most templates write the start token themselves; the tokenizer must not add a second one.
        add = not (start and text.startswith(start)) and not self.tokenizer.chat_template
        return list(self.tokenizer.encode(text, add_special_tokens=add))

    def _fitting(self, messages: Sequence[Message], max_tokens: int) -> list[int]:
        if self.model is None:
            raise ModelError(f"The model {self.name} is closed.", "Load it again.")
        prompt = self._prompt(messages)
        if len(prompt) + max_tokens > self.context_tokens:
            raise PromptTooLong(
                f"The prompt of {len(prompt)} tokens and {max_tokens} tokens of answer do not fit the "
                f"{self.context_tokens} tokens that {self.name} takes.",
                "Lower retrieval.context_tokens or model.max_tokens, or raise model.context_tokens.",
            )
        return prompt

    def _ends(self) -> frozenset[int]:
        """End tokens by the generation settings, the tokenizer, and the template's own turns."""
        configured = self.model.generation_config.eos_token_id
        ends = {configured} if isinstance(configured, int) else set(configured or ())
        ends.add(self.tokenizer.eos_token_id)
        if self.tokenizer.chat_template:
            conversation = [
                Message(role="user", content="Hello"),
                Message(role="assistant", content=templates.END_MARK),
            ]
            rendered = self.render(conversation, answer_follows=False)
            if mark := templates.end_of_turn(rendered, self.special_tokens):
                ends.add(self.tokenizer.convert_tokens_to_ids(mark))
        return frozenset(ends - {None})

    # --- generation -------------------------------------------------------------------------------

    def _pieces(
        self, prompt: list[int], max_tokens: int, temperature: float, seed: int
    ) -> Iterator[Generated]:
        """Token by token; text comes once its characters are complete."""
        random = torch.Generator(device=self.device).manual_seed(seed)
        cache: Any = None
        fed, said = prompt, list[int]()
        shown = read = 0
        tokens, logprob = 0, 0.0
        for _ in range(max_tokens):
            logits, cache = self._forward(fed, cache)
            logprobs = torch.log_softmax(logits, dim=-1)
            if temperature > 0:
                weights = torch.softmax(logits / temperature, dim=-1)
                token = int(torch.multinomial(weights, 1, generator=random))
            else:
                token = int(torch.argmax(logits))
            if token in self._end_tokens:
                break
            said.append(token)
            fed = [token]
            tokens, logprob = tokens + 1, logprob + float(logprobs[token])
            # Decoded with the tokens before it, since a token's blanks depend on its neighbours.
            before, now = self._decode(said[shown:read]), self._decode(said[shown:])
            if len(now) > len(before) and not now.endswith("\ufffd"):
                yield Generated(now[len(before) :], tokens, logprob)
                shown, read = read, len(said)
                tokens, logprob = 0, 0.0
        rest = self._decode(said[shown:])[len(self._decode(said[shown:read])) :]
        if tokens:
            yield Generated(rest, tokens, logprob)

    def _decode(self, tokens: list[int]) -> str:
        return str(
            self.tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        )

    def _forward(self, tokens: list[int], cache: Any) -> tuple[Any, Any]:
        """Logits of the next token in float32, and the cache that knows `tokens` too."""
        with self._weights.step, torch.inference_mode():
            if self.model is None:
                raise ModelError(f"The model {self.name} was closed.", "Load it again.")
            model = self._weights.wearing(self.adapter is not None)
            ids = torch.tensor([tokens], device=self.device)
            out = model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
        return out.logits[0, -1].float(), out.past_key_values


def special_tokens_of(tokenizer: Any) -> tuple[str, ...]:
    tags = {
        token.content
        for token in tokenizer.added_tokens_decoder.values()
        if token.special or templates.looks_like_tag(token.content)
    }
    return tuple(sorted({*tags, *tokenizer.all_special_tokens}, key=lambda text: (-len(text), text)))


def _dtype(device: str) -> Any:
    """bfloat16 where the processor computes it, else float32 on a CPU."""
    if device == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    return torch.bfloat16 if cpu.has("avx512_bf16", "amx_bf16", "bf16") else torch.float32


def read(place: Path, dtype: Any) -> tuple[Any, Any]:
    """Tokenizer and module of a folder or a GGUF file.

    Raises:
        ModelError: no model is there, or it cannot be loaded.
    """
    folder, more = place, dict[str, Any]()
    if place.is_dir():
        check_files(place)
    else:
        folder, more = place.parent, {"gguf_file": place.name}
    safe = {"local_files_only": True, "trust_remote_code": False}
    # Else transformers keeps the file's packed layers, which no adapter can be put on.
    packed = {} if place.is_dir() else {"quantization_config": transformers.GgufConfig(dequantize=True)}
    try:
        with _without_bar():
            tokenizer = transformers.AutoTokenizer.from_pretrained(folder, **safe, **more)
            module = transformers.AutoModelForCausalLM.from_pretrained(
                folder, **safe, **more, **packed, use_safetensors=True, dtype=dtype
            )
    except ImportError as error:
        raise MissingExtra("A GGUF file in transformers", error.name or "gguf", "train") from error
    # transformers and safetensors raise whatever they like for a damaged folder.
    except Exception as error:
        raise load_error(place, error) from error
    return tokenizer, module


@contextmanager
def _without_bar() -> Iterator[None]:
    """GGUF weights are unpacked under a bar of tqdm's own, which heeds no setting of transformers."""
    from transformers import modeling_gguf_pytorch_utils as reader

    bar, reader.tqdm = reader.tqdm, lambda items, **_: items
    try:
        yield
    finally:
        reader.tqdm = bar


def _wearing(module: Any, adapter: lora.Lora) -> Any:
    """The module with the adapter on it, as it was trained.

    Raises:
        ModelError: the adapter does not fit.
    """
    try:
        import peft
    except ImportError as missing:
        raise MissingExtra("An adapter in transformers", missing.name or "peft", "train") from missing
    if adapter.quantised:
        from loresmith.models import nf4  # needs bitsandbytes, which no other adapter does

        nf4.round_trip(module)
    misfit = ModelError(
        f"The adapter {adapter.id} (trained on {adapter.base_model or 'an unknown base'}) does not fit "
        f"{module.config.name_or_path or type(module).__name__}.",
        "Name its base as model.name, or another adapter as model.adapter.",
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it warns of is looked at below
        try:
            module = peft.PeftModel.from_pretrained(module, str(adapter.folder), is_trainable=False)
        # peft raises ValueError for modules that are not there, RuntimeError for other shapes.
        except Exception as error:
            raise misfit from error
    # Weights without a place are left out there without a word, and half the adapter would answer.
    taken = peft.get_peft_model_state_dict(module, save_embedding_layers=False)
    if set(taken) != lora.keys(adapter):
        raise misfit
    return module


def _place(name: str, progress: Progress | None) -> Path:
    path = Path(name).expanduser()
    if path.suffix.lower() == ".gguf" and path.is_file():
        return path
    if not registry.looks_like_place(name):
        return download.ensure(registry.find(name, "language"), progress)
    return folder_of(name, progress)


def folder_of(name: str, progress: Progress | None) -> Path:
    path = Path(name).expanduser()
    if path.is_dir():
        return path
    if path.is_absolute() or name.startswith((".", "~")) or name.count("/") != 1:
        raise ModelError(
            f"{name}: there is no such folder, and it is no hub id (owner/model).",
            "Correct model.name, or see `loresmith models list`.",
        )
    cached = download.hub_snapshot(name)
    if cached is not None and list(cached.glob("*.safetensors")):
        return cached
    import huggingface_hub

    if progress:
        progress(f"fetching {name}", 0, None)
    try:
        return Path(huggingface_hub.snapshot_download(name, allow_patterns=_PATTERNS))
    # The hub's client raises its own errors, the HTTP client's and the operating system's.
    except Exception as error:
        raise ModelError(
            f"{name} is not in the hub's cache and cannot be fetched: {_first_line(error).rstrip('.')}.",
            "Check the id and the network, or copy the model's folder here and name that.",
        ) from error


def check_files(folder: Path) -> None:
    if not (folder / "config.json").exists():
        raise ModelError(
            f"{folder} holds no model: config.json is missing.", "Name the folder that holds it."
        )
    if not list(folder.glob("*.safetensors")):
        pickled = [p.name for p in sorted(folder.glob("*.bin")) + sorted(folder.glob("*.pt"))]
        what = f" ({pickled[0]} is a pickle, which could run code)" if pickled else ""
        raise ModelError(
            f"{folder} holds no safetensors{what}.", "Convert the weights to safetensors, or use a GGUF file."
        )


def load_error(folder: Path, error: Exception) -> ModelError:
    text = _first_line(error)
    if "trust_remote_code" in str(error) or "does not recognize this architecture" in str(error):
        return ModelError(
            f"{folder} needs code of its own to run, which is never trusted here.",
            "Use a model that transformers knows, or a newer transformers: pip install -U transformers",
        )
    return ModelError(f"{folder} cannot be loaded: {text}", "Fetch the folder again; a file may be cut off.")


def _first_line(error: Exception) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)[:300]
