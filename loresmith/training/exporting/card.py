"""The model card (README.md) of an export: data, licence, figures, limits, how to use it.

Promises: every figure comes from the adapter's own card and from the proof of this export; what is
not known (a licence) is said to be unknown; nothing of the data itself is quoted, since a card
travels further than the labels of what was trained on. Torch-free.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from loresmith.errors import ModelError
from loresmith.models import fingerprint, registry
from loresmith.training.adapters import Adapter

NAME = "README.md"


def readme(
    adapter: Adapter,
    *,
    form: str,
    use: str,
    proof: Mapping[str, Any] | None = None,
    notes: Sequence[str] = (),
) -> str:
    """The card in Markdown, with the head that model hubs read.

    Args:
        form: what this folder holds, in a sentence.
        use: how to load it, as Markdown.
        proof: `Proof.to_dict()` and "sentence" of this export.
    """
    card = adapter.card
    licence = licence_of(adapter.base_model)
    parts = [
        _head(adapter, licence),
        f"# {adapter.id}",
        f"{form} Fine-tuned by Loresmith ({adapter.method}) from `{public_name(adapter.base_model)}`.",
        "## Use\n\n" + use,
        "## Data\n\n" + _data(card),
        "## Licence\n\n" + _licence(licence, adapter),
        "## Figures\n\n" + _figures(card, proof),
        "## Limits\n\n" + _bullets([*card.get("limits", ()), *notes] or ["None were recorded."]),
        "## How it was trained\n\n" + _recipe(card),
    ]
    return "\n\n".join(parts) + "\n"


def licence_of(base_model: str) -> str:
    """The licence of the base by registry row, GGUF head or its folder's card; "" where unknown."""
    place = fingerprint.place(base_model) if not _registered(base_model) else None
    row = _registered(base_model)
    if row:
        return row.licence
    if place is None:
        return ""
    if place.is_file():
        from loresmith.models import gguf

        return str(gguf.read(place).metadata.get("general.license", ""))
    described = place / NAME
    if described.is_file():
        for line in described.read_text(encoding="utf-8", errors="replace").splitlines()[:60]:
            key, _, value = line.partition(":")
            if key.strip() == "license" and value.strip():
                return value.strip().strip("\"'")
    return ""


def _registered(name: str) -> registry.ModelRow | None:
    if registry.looks_like_place(name):
        return None
    try:
        return registry.find(name, "language")
    except ModelError:
        return None


def public_name(name: str) -> str:
    """The base's name without a path of the machine where it was trained."""
    path = Path(name).expanduser()
    return path.name if path.is_absolute() or name.startswith((".", "~")) else name


def without_place(value: Any, adapter: Adapter) -> Any:
    """A card or record with the base's place on this machine replaced by its name."""
    if isinstance(value, Mapping):
        return {key: without_place(below, adapter) for key, below in value.items()}
    if isinstance(value, list | tuple):
        return [without_place(below, adapter) for below in value]
    return public_name(value) if value == adapter.base_model else value


def _head(adapter: Adapter, licence: str) -> str:
    lines = ["---", f"base_model: {json.dumps(public_name(adapter.base_model))}"]
    if licence:
        lines.append(f"license: {licence.lower()}")
    languages = _dataset(adapter.card).get("languages", [])
    if languages:
        lines += ["language:", *(f"- {language}" for language in languages)]
    return "\n".join([*lines, "pipeline_tag: text-generation", "tags:", "- lora", "- loresmith", "---"])


def _dataset(card: Mapping[str, Any]) -> Mapping[str, Any]:
    """The data of a card, which older ones name by id alone."""
    data = card.get("dataset", {})
    return data if isinstance(data, Mapping) else {"id": data}


def _data(card: Mapping[str, Any]) -> str:
    data = _dataset(card)
    lines = [f"Dataset `{data.get('id', 'unknown')}` (the hash of its rows and splits)."]
    for key, title in (("rows", "Rows"), ("kinds", "Kinds of training rows"), ("origins", "Origins")):
        if data.get(key):
            lines.append(f"- {title}: " + ", ".join(f"{name} {n:,}" for name, n in data[key].items()))
    if data.get("documents"):
        lines.append(f"- Documents it rests on: {len(data['documents'])}")
    if data.get("languages"):
        lines.append(f"- Languages: {', '.join(data['languages'])}")
    labels = card.get("labels", ())
    lines.append(
        f"- Access labels: **{', '.join(labels)}**: whoever uses this must hold them all."
        if labels
        else "- Access labels: none."
    )
    return "\n".join(lines)


def _licence(licence: str, adapter: Adapter) -> str:
    base = public_name(adapter.base_model)
    known = f"{licence} ({base})" if licence else f"unknown; look at the card of {base}"
    return (
        f"- Base model: {known}.\n"
        "- Training data: as the documents it was made from; nothing here grants rights to them."
    )


def _figures(card: Mapping[str, Any], proof: Mapping[str, Any] | None) -> str:
    figures = card.get("figures", {})
    rows = []
    for split, loss in (figures.get("loss") or {}).items():
        if loss is not None:
            rows.append((f"Loss ({split}), nats per token", f"{loss:.4f}"))
    for text, values in (figures.get("perplexity") or {}).items():
        if values and values.get("before") and values.get("after"):
            rows.append(
                (f"Perplexity ({text}), before → after", f"{values['before']:.2f} → {values['after']:.2f}")
            )
    for key, title, form in (
        ("steps", "Steps", "{:,}"),
        ("tokens", "Tokens seen", "{:,}"),
        ("seconds", "Seconds of training", "{:,.0f}"),
        ("tokens_per_second", "Tokens per second", "{:,.0f}"),
        ("peak_memory_bytes", "Peak memory, bytes", "{:,}"),
    ):
        if figures.get(key) is not None:
            rows.append((title, form.format(figures[key])))
    table = ["| | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows)]
    if proof:
        table += ["", f"This export, compared with the adapter on its base: {proof['sentence']}"]
    return "\n".join(table)


def _bullets(sentences: Sequence[str]) -> str:
    return "\n".join(f"- {sentence}" for sentence in sentences)


def _recipe(card: Mapping[str, Any]) -> str:
    shown = {**card.get("recipe", {}), "model": public_name(str(card.get("base_model", "")))}
    versions = ", ".join(f"{name} {version}" for name, version in card.get("versions", {}).items())
    told = json.dumps(shown, ensure_ascii=False, indent=1)
    return (
        f"```json\n{told}\n```\n\nVersions: {versions or 'not recorded'}. Created {card.get('created', '?')}."
    )
