"""An adapter out of the workspace: as PEFT folder, merged model, GGUF file, or for Ollama.

    adapter + base -> (merged) -> written beside the target -> read back and compared -> renamed

Promises: what is written was read back by the program that will serve it (transformers,
llama.cpp) and compared with the adapter on its base, token by token; where it differs too much
nothing is left behind; nothing that exists is overwritten. See proof.py for the figures.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from loresmith.answering import unaided
from loresmith.config import ModelSection
from loresmith.training import adapters
from loresmith.training.adapters import Adapter
from loresmith.training.exporting import card
from loresmith.training.exporting.exported import Exported, size_of, writing
from loresmith.types import Message, Progress
from loresmith.workspace import translated_os_errors

Form = Literal["peft", "merged", "gguf", "ollama"]
Precision = Literal["bf16", "fp16"]
Quantisation = Literal["f32", "f16", "bf16", "q8_0"]

ANSWER_TOKENS = 32
QUESTIONS = 12

# Asked where the dataset is not at hand: what any model says something about.
_QUESTIONS = (
    "What is a centrifugal pump?",
    "Which torque do the bolts of the flange need?",
    "How often is the oil changed?",
    "Name the three steps of a safe start.",
    "What does the red lamp mean?",
    "Who made this machine, and in which year?",
)


def peft(adapter: Adapter, out: Path) -> Exported:
    """The adapter as PEFT, transformers, vLLM and others load it."""
    with writing(out) as folder:
        shutil.copyfile(adapter.folder / adapters.WEIGHTS, folder / adapters.WEIGHTS)
        config = json.loads((adapter.folder / adapters.CONFIG).read_text(encoding="utf-8"))
        # PEFT looks here for the base; a path of this machine would help nobody.
        config["base_model_name_or_path"] = card.public_name(adapter.base_model)
        (folder / adapters.CONFIG).write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
        use = (
            "```python\nfrom peft import PeftModel\n"
            'model = PeftModel.from_pretrained(base, "this folder")\n```\n\n'
            f"where `base` is `{card.public_name(adapter.base_model)}`, the very weights (fingerprint "
            f"`{adapter.base_fingerprint}`)."
        )
        _describe(folder, adapter, "A LoRA adapter.", use)
    return Exported(form="peft", path=out, adapter=adapter.id, bytes=size_of(out))


def merged(
    adapter: Adapter,
    out: Path,
    *,
    precision: Precision | None = None,
    conversations: Sequence[Sequence[Message]] = (),
    progress: Progress | None = None,
) -> Exported:
    """A model folder with the adapter in its weights, in 16 bits.

    Raises:
        TrainingError: it does not say what the adapter says, or cannot be merged.
    """
    from loresmith.training.base import DTYPES
    from loresmith.training.exporting import merge, proof

    with writing(out) as folder:
        judged = _Judged(adapter, conversations, progress)
        chosen = precision or ("fp16" if judged.precision == "fp16" else "bf16")
        if progress:
            progress("merging", 0, None)
        model = merge.merge(judged.ready(), chosen)
        config = model.config
        if hasattr(config, "quantization_config"):
            del config.quantization_config
        with translated_os_errors(out):
            model.save_pretrained(folder)
            judged.tokenizer.save_pretrained(folder)
        judged.release()
        del model
        from loresmith.models import transformers_model

        tokenizer, read = transformers_model.read(folder, DTYPES[chosen])
        seen = proof.read_along(read.to(judged.device).eval(), tokenizer, judged.told)
        verdict = judged.verdict(f"merged {chosen}", seen, chosen)
        use = (
            '```python\nmodel = transformers.AutoModelForCausalLM.from_pretrained("this folder")\n```\n\n'
            "or `loresmith ask --arm base --model THIS_FOLDER`."
        )
        _describe(folder, adapter, f"A whole model in {chosen}, the adapter merged in.", use, verdict)
    return Exported(form="merged", path=out, adapter=adapter.id, bytes=size_of(out), proof=verdict)


def gguf(
    adapter: Adapter,
    out: Path,
    *,
    quantise: Quantisation = "f16",
    conversations: Sequence[Sequence[Message]] = (),
    progress: Progress | None = None,
) -> Exported:
    """A folder with one GGUF file, the adapter merged in, for llama.cpp and what is built on it.

    Raises:
        TrainingError: it does not say what the adapter says, or cannot be written as GGUF.
    """
    with writing(out) as folder:
        path, verdict, _ = _gguf_file(adapter, folder, quantise, conversations, progress)
        use = f"`llama-cli -m {path.name}`, or `loresmith ask --arm base --model {path.name}`."
        _describe(folder, adapter, f"A GGUF file ({quantise}), the adapter merged in.", use, verdict)
    return Exported(form="gguf", path=out / path.name, adapter=adapter.id, bytes=size_of(out), proof=verdict)


def ollama(
    adapter: Adapter,
    out: Path,
    *,
    quantise: Quantisation = "q8_0",
    conversations: Sequence[Sequence[Message]] = (),
    progress: Progress | None = None,
) -> Exported:
    """A folder for `ollama create`: the merged GGUF and a Modelfile with template and stop marks.

    Raises:
        TrainingError: as `gguf`, or the chat template cannot be said in Ollama's language.
    """
    from loresmith.models import gguf as heads
    from loresmith.training.exporting import ollama as modelfiles
    from loresmith.training.tokens import Chat

    with writing(out) as folder:
        path, verdict, tokenizer = _gguf_file(adapter, folder, quantise, conversations, progress)
        chat = Chat(tokenizer)
        head = heads.read(path)
        window = min(ModelSection().context_tokens, head.context_length or ModelSection().context_tokens)
        text = modelfiles.modelfile(
            f"./{path.name}",
            modelfiles.pieces(chat.prompt, end=chat.end, drop=_start_token(head.metadata, tokenizer)),
            system=unaided.messages("")[0]["content"],
            stops=modelfiles.stop_marks(chat.end, tokenizer.chat_template),
            window=window,
            answer_tokens=ModelSection().max_tokens,
        )
        (folder / "Modelfile").write_text(text, encoding="utf-8")
        use = f"```\nollama create {adapter.id} -f Modelfile\nollama run {adapter.id}\n```"
        _describe(folder, adapter, f"An Ollama model ({quantise}), the adapter merged in.", use, verdict)
    return Exported(form="ollama", path=out, adapter=adapter.id, bytes=size_of(out), proof=verdict)


def _gguf_file(
    adapter: Adapter,
    folder: Path,
    quantise: Quantisation,
    conversations: Sequence[Sequence[Message]],
    progress: Progress | None,
) -> tuple[Path, dict[str, Any], Any]:
    from loresmith.models import llamacpp
    from loresmith.training.exporting import gguf_export, merge, proof

    judged = _Judged(adapter, conversations, progress)
    path = folder / f"{adapter.id}-{quantise}.gguf"
    model = judged.ready()
    gguf_export.write(
        path,
        merge.tensors(model),
        model.get_base_model().config,
        judged.tokenizer,
        name=f"{card.public_name(adapter.base_model)} {adapter.id}",
        quantise=quantise,
        base=judged.path if judged.path.is_file() else None,
        all_layers=adapter.method == "qlora",
        progress=progress,
    )
    judged.release()
    del model
    window = max(len(answer.prompt) + len(answer.said) for answer in judged.told) + 8
    served = llamacpp.load(ModelSection(name=str(path), context_tokens=max(256, window)))
    try:
        if progress:
            progress("reading the export back", 0, None)
        seen = proof.read_along_gguf(served, judged.told)
    finally:
        served.close()
    return path, judged.verdict(f"gguf {quantise}", seen, quantise), judged.tokenizer


def _start_token(metadata: Mapping[str, Any], tokenizer: Any) -> str:
    """The start token where llama.cpp puts it before every prompt (SentencePiece: unless told not to)."""
    adds = metadata.get("tokenizer.ggml.add_bos_token", metadata.get("tokenizer.ggml.model") == "llama")
    return str(tokenizer.bos_token or "") if adds else ""


class _Judged:
    """The adapter on its base, what it says to the questions, and what the bare base says."""

    def __init__(
        self, adapter: Adapter, conversations: Sequence[Sequence[Message]], progress: Progress | None
    ) -> None:
        from loresmith.models import lora
        from loresmith.training import base as bases
        from loresmith.training.exporting import merge, proof

        self._adapter = adapter
        trained = str(adapter.card.get("recipe", {}).get("precision") or "auto")
        path = bases.find(adapter.base_model, progress)
        lora.check_base(lora.read(adapter.folder), path, adapter.base_model)
        import torch

        # fp16 is a precision of CUDA; a CPU reads the same weights in float32.
        precision = "fp32" if trained == "fp16" and not torch.cuda.is_available() else trained
        self._base: Any = bases.load(
            adapter.base_model, method=adapter.method, precision=precision, progress=progress
        )
        self.path, self.precision, self.device = self._base.path, trained, self._base.device
        self.tokenizer = self._base.tokenizer
        self._model = merge.attached(self._base.model, adapter.folder)
        if progress:
            progress("asking the adapter", 0, None)
        asked = conversations or [unaided.messages(question) for question in _QUESTIONS]
        self.told = proof.tell(self._model, self.tokenizer, asked[:QUESTIONS], ANSWER_TOKENS)
        with self._model.disable_adapter():
            self._bare = proof.read_along(self._model, self.tokenizer, self.told)

    def ready(self) -> Any:
        """The PEFT model over 16-bit weights: for QLoRA those that its 4 bits stand for."""
        from loresmith.training import base as bases
        from loresmith.training.exporting import merge

        if self._adapter.method == "qlora":
            self._base.model = merge.detached(self._model)
            self._model = merge.attached(bases.dequantise(self._base), self._adapter.folder)
        return self._model

    def release(self) -> None:
        self._model = self._base = None

    def verdict(self, export: str, seen: Sequence[Any], precision: str) -> dict[str, Any]:
        """The proof as a dictionary.

        Raises:
            TrainingError: the export differs too much.
        """
        from loresmith.training.exporting import proof

        found = proof.compare(export, self.told, seen, self._bare)
        proof.check(found, precision)
        return {**found.to_dict(), "sentence": found.sentence()}


def _describe(
    folder: Path, adapter: Adapter, form: str, use: str, verdict: dict[str, Any] | None = None
) -> None:
    text = card.readme(adapter, form=form, use=use, proof=verdict)
    (folder / card.NAME).write_text(text, encoding="utf-8")
    told = card.without_place({**adapter.card, **({"export": verdict} if verdict else {})}, adapter)
    # They quote the data, and an export travels further than a bundle.
    told.pop("samples", None)
    (folder / adapters.CARD).write_text(
        json.dumps(told, ensure_ascii=False, indent=1) + "\n", encoding="utf-8"
    )


def conversations_of(examples: Sequence[Any], count: int = QUESTIONS) -> list[list[Message]]:
    """Prompts of dataset rows for the proof, the kinds in turn so that each is among them."""
    kinds: dict[str, list[list[Message]]] = {}
    for example in examples:
        kinds.setdefault(example.kind, []).append(list(example.messages[:-1]))
    chosen: list[list[Message]] = []
    while len(chosen) < count and any(kinds.values()):
        for rows in kinds.values():
            if rows and len(chosen) < count:
                chosen.append(rows.pop(0))
    return chosen
