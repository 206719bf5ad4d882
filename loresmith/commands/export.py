"""export and import: an adapter out of a workspace, for other programs or another machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from loresmith.commands.common import Call, command, counted
from loresmith.errors import LoresmithError, UsageError

if TYPE_CHECKING:
    from loresmith.training.adapters import Adapter
    from loresmith.training.exporting.exported import Exported
    from loresmith.types import Message, Progress
    from loresmith.workspace import WorkspaceDir

Form = Literal["peft", "merged", "gguf", "ollama", "bundle"]


def register(app: typer.Typer) -> None:
    command(app)(export)
    command(app, "import", in_workspace=False)(import_)


def export(
    call: Call,
    to: Annotated[
        Form,
        typer.Option(
            "--to",
            help="peft: the adapter alone; merged: a whole model in 16 bits; gguf: one file for llama.cpp; "
            "ollama: that with a Modelfile; bundle: for `loresmith import`.",
        ),
    ],
    adapter: Annotated[
        str | None,
        typer.Option("--adapter", metavar="ID", help="Not the adapter in use but this one (or a folder)."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="PATH", help="Folder (bundle: file) to write; must not be there yet."),
    ] = None,
    quantise: Annotated[
        Literal["q8_0", "f16", "bf16", "f32"] | None,
        typer.Option("--quantise", help="gguf, ollama: type of the weights; f16 and q8_0 by default."),
    ] = None,
    precision: Annotated[
        Literal["bf16", "fp16"] | None,
        typer.Option("--precision", help="merged: type of the weights; as it was trained by default."),
    ] = None,
    parts: Annotated[
        list[str] | None,
        typer.Option(
            "--with",
            metavar="documents|dataset|model",
            help="bundle: what goes along besides adapter, card and settings. Repeatable.",
        ),
    ] = None,
    labels: Annotated[
        list[str] | None,
        typer.Option("--label", metavar="LABEL", help="The receiver holds this access label. Repeatable."),
    ] = None,
) -> None:
    """Write an adapter for other programs or another machine, with a card.

    What is merged is read back and compared, token by token, with the adapter on its base; where it
    says something else, nothing is written.
    """
    for option, value, forms in (
        ("--quantise", quantise, ("gguf", "ollama")),
        ("--precision", precision, ("merged",)),
        ("--with", parts, ("bundle",)),
    ):
        if value and to not in forms:
            raise UsageError(
                f"{option} does nothing with --to {to}.", f"It is for --to {' and '.join(forms)}."
            )
    for part in parts or ():
        if part not in ("documents", "dataset", "model"):
            raise UsageError(f"--with {part}: no such part.", "There are: documents, dataset, model.")
    with call.workspace() as workspace, call.progress() as progress:
        from loresmith.training import adapters
        from loresmith.training.exporting import bundle

        folder = workspace.folder
        chosen = adapters.find(folder.adapters_dir, adapter or folder.config.model.adapter)
        bundle.check_labels(chosen, labels or ())
        default = f"{chosen.id}{bundle.SUFFIX}" if to == "bundle" else f"{chosen.id}-{to}"
        place = (out or Path(default)).expanduser().absolute()
        if to == "bundle":
            found = bundle.pack(
                folder, chosen, place, parts=parts or (), labels=labels or (), progress=progress
            )
        else:
            found = _export(to, folder, chosen, place, quantise, precision, progress)
    if call.json:
        call.emit(found.to_dict())
    call.say(f"{found.path} ({found.bytes / 1e6:,.1f} MB)")
    if found.proof:
        call.say(f"Compared with the adapter on its base: {found.proof['sentence']}")
    for note in found.notes:
        call.note(note)
    if to == "bundle":
        call.say(f"On the other machine: loresmith import {found.path.name}")


def _export(
    to: str,
    folder: WorkspaceDir,
    adapter: Adapter,
    place: Path,
    quantise: Any,
    precision: Any,
    progress: Progress,
) -> Exported:
    from loresmith.training.exporting import export as exports

    if to == "peft":
        return exports.peft(adapter, place)
    asked = _conversations(folder, adapter)
    if to == "merged":
        return exports.merged(adapter, place, precision=precision, conversations=asked, progress=progress)
    if to == "gguf":
        return exports.gguf(
            adapter, place, quantise=quantise or "f16", conversations=asked, progress=progress
        )
    return exports.ollama(adapter, place, quantise=quantise or "q8_0", conversations=asked, progress=progress)


def _conversations(folder: WorkspaceDir, adapter: Adapter) -> list[list[Message]]:
    """Questions for the proof from what the adapter was trained on, those it never saw first."""
    from loresmith.dataset import store
    from loresmith.training.exporting import export as exports

    data = adapter.card.get("dataset", {})
    try:
        dataset = store.load(folder.datasets_dir, data.get("id") if isinstance(data, dict) else data)
    except LoresmithError:
        return []  # the adapter came alone: general questions are asked
    return exports.conversations_of([*dataset.dev, *dataset.test, *dataset.train])


def import_(
    call: Call,
    bundle: Annotated[
        Path, typer.Argument(metavar="BUNDLE", help="A file of `loresmith export --to bundle`.")
    ],
    into: Annotated[
        Path | None,
        typer.Option("--into", metavar="DIR", help="A workspace, or a folder that becomes one."),
    ] = None,
) -> None:
    """Bring a bundle in: as a new workspace, or its adapter into one that is there.

    Names, sizes and hashes are checked first; nothing is overwritten. Documents that came along are
    made searchable at once.
    """
    with call.progress() as progress:
        from loresmith.training.exporting import unpack

        found = unpack.unpack(bundle.expanduser(), into, progress=progress)
        synced, notes = None, list(found.notes)
        if found.documents:
            synced, trouble = _sync(found.workspace, progress)
            notes += trouble
    if call.json:
        call.emit({**found.to_dict(), "notes": notes, "synced": synced})
    call.say(f"{found.workspace}: adapter {found.adapter} on {found.base_model}")
    if synced:
        call.say(f"{counted(synced['passages'], 'passage')} searchable")
    for note in notes:
        call.note(note)
    if found.base_here:
        call.say(f'Next: loresmith ask -w {found.workspace} --arm {"both" if synced else "tuned"} "…"')


def _sync(root: Path, progress: Progress) -> tuple[dict[str, Any] | None, list[str]]:
    """The sync of a new workspace; what hinders it is told, for the import itself is done."""
    from loresmith.expert import Workspace

    try:
        with Workspace.open(root) as workspace:
            return workspace.sync(progress).to_dict(), []
    except LoresmithError as error:
        return None, [f"Not searchable yet: {error} Then: loresmith sync -w {root}"]
