"""dataset build, import, check, show, remove: what a model is trained on, and why the rest is not."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from loresmith import timings
from loresmith.commands.common import (
    DONE,
    FAILED,
    Call,
    EmbedderOption,
    SetOption,
    command,
    counted,
    overrides,
)
from loresmith.errors import DatasetError, StorageError, UsageError
from loresmith.types import Filter

if TYPE_CHECKING:
    from loresmith.dataset.example import Example
    from loresmith.dataset.formats import Imported, Rejected
    from loresmith.dataset.pool import Made
    from loresmith.expert import Workspace

FileArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help="JSON lines, JSON, CSV, TSV or XLSX; the content decides.")
]
MapOption = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        metavar="PART=COLUMN",
        help="What a column holds where its name does not tell: question, answer, sql, input, context, "
        "system, messages, language, labels, fact. Repeatable.",
    ),
]
LabelOption = Annotated[
    list[str] | None,
    typer.Option("--label", metavar="LABEL", help="Access label of every row of the file. Repeatable."),
]
AccessOption = Annotated[
    list[str] | None,
    typer.Option(
        "--access",
        metavar="LABEL",
        help="Only what a reader with this label may see; repeatable. Without it, everything.",
    ),
]
PublicOption = Annotated[bool, typer.Option("--public", help="Only what carries no access label.")]

_SHOWN = 3  # rejected rows shown of each reason


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="What a model is trained on: build, import, check, show.", no_args_is_help=True)
    command(group)(build)
    command(group, "import")(import_file)
    command(group)(check)
    command(group)(show)
    command(group)(remove)
    app.add_typer(group, name="dataset")


def build(
    call: Call,
    access: AccessOption = None,
    public: PublicOption = False,
    teacher: Annotated[
        str | None,
        typer.Option(
            "--teacher",
            metavar="NAME",
            help="A language model that writes further rows, each verified; 'model': the configured one.",
        ),
    ] = None,
    embedder: EmbedderOption = None,
    settings: SetOption = None,
) -> int:
    """Make questions and answers of the documents, and a dataset of all that is there.

    Imported files and feedback are part of it. Nothing leaves this machine.
    """
    from loresmith.dataset import build as builder
    from loresmith.dataset import pool
    from loresmith.state import State

    started = time.monotonic()
    flags = overrides(settings, embedder=embedder)
    if teacher is not None:
        flags["dataset.teacher"] = teacher
    with call.workspace(flags) as workspace:
        folder = workspace.folder
        with call.progress() as progress:
            with State.open(folder.state_path) as state:
                indexed = state.current() is not None
            if public:
                access = []
            # What stands beside the right passage is found as the expert finds it.
            where = Filter(access=None if access is None else tuple(access))
            built = (
                builder.build(
                    folder,
                    settings=folder.config.dataset,
                    retrieve=lambda query, k: workspace.expert(progress).find(query, k, where)[0],
                    progress=progress,
                )
                if indexed
                else []
            )
        with folder.writing():
            with State.open(folder.state_path) as state:
                pool.put_built(state, built)
                examples, left_out = pool.collect(state, folder.tables_path)
            if not examples and not indexed:
                raise StorageError(f"{folder.root}: nothing is indexed yet.", "Run `loresmith sync`.")
            made = pool.examine(examples, folder.config, left_out=left_out, access=access)
            made = _published(call, workspace, made)
        if made.dataset is not None:
            timings.note(
                folder.data,
                "dataset build",
                time.monotonic() - started,
                dataset=made.dataset.id,
                rows=len(examples),
            )
    _tell(call, workspace, made, started)
    return DONE


def import_file(
    call: Call,
    file: FileArgument,
    mapping: MapOption = None,
    label: LabelOption = None,
    settings: SetOption = None,
) -> int:
    """Add a training file to what is there, and make a dataset of all of it.

    Alpaca, ShareGPT, messages, prompt and completion, question and answer, with or without context;
    question and SQL, proved on the tables that are there.
    The same file again replaces its rows. `dataset check FILE` shows what would happen.
    """
    from loresmith.dataset import formats, pool
    from loresmith.state import State

    started = time.monotonic()
    with call.workspace(overrides(settings)) as workspace:
        folder = workspace.folder
        imported = formats.read(file, mapping=_mapping(mapping), labels=label or ())
        if not imported.rows:
            return _only_bad(call, file, imported)
        _introduce(call, imported)
        with folder.writing():
            with State.open(folder.state_path) as state:
                pool.put_imported(state, file, imported.rows)
                examples, left_out = pool.collect(state, folder.tables_path)
            made = pool.examine(examples, folder.config, left_out=[*imported.rejected, *left_out])
            made = _published(call, workspace, made)
    _tell(call, workspace, made, started, imported=imported, file=file)
    return DONE


def check(
    call: Call,
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="Without it: all that is there.")
    ] = None,
    mapping: MapOption = None,
    label: LabelOption = None,
    settings: SetOption = None,
) -> int:
    """Say what a file, or all that is there, would come to. Nothing is stored."""
    from loresmith.dataset import formats, pool
    from loresmith.state import State

    started = time.monotonic()
    imported = None
    with call.workspace(overrides(settings)) as workspace:
        folder = workspace.folder
        examples: Sequence[Example]
        left_out: Sequence[Rejected]
        if file is not None:
            imported = formats.read(file, mapping=_mapping(mapping), labels=label or ())
            if not imported.rows:
                return _only_bad(call, file, imported)
            _introduce(call, imported)
            with State.open(folder.state_path) as state:
                examples, refused = pool.settle(imported.rows, state, folder.tables_path)
            left_out = [*imported.rejected, *refused]
        else:
            if mapping or label:
                raise UsageError("--map and --label go with a file.", "Name the file.")
            with State.open(folder.state_path) as state:
                examples, left_out = pool.collect(state, folder.tables_path)
            if not examples and not left_out:
                raise DatasetError(
                    "There is nothing to check.", "Run `loresmith dataset build`, or name a file."
                )
        made = pool.examine(examples, folder.config, left_out=left_out)
    _tell(call, workspace, made, started, imported=imported, file=file)
    return DONE if made.checked.accepted else FAILED


def show(
    call: Call,
    dataset: Annotated[
        str | None,
        typer.Argument(metavar="ID", help="A dataset's id or its beginning; without it the current one."),
    ] = None,
    all_of_them: Annotated[bool, typer.Option("--all", help="Every dataset, one a line.")] = False,
    rows: Annotated[int, typer.Option("--rows", metavar="N", min=0, help="So many rows of each kind.")] = 2,
) -> None:
    """Show a dataset: its splits, where its rows come from, some of them, and its report."""
    from loresmith import workspace as folders
    from loresmith.dataset import store

    folder = folders.open_dir(call.path)
    if all_of_them:
        listed = store.listing(folder.datasets_dir)
        if call.json:
            call.emit({"datasets": listed})
        for found in listed:
            mark = "*" if found["current"] else " "
            call.say(f"{mark} {found['id']}  {found['created']}  {_splits(found['splits'])}")
        if not listed:
            call.say("No dataset yet. Next: loresmith dataset build")
        return
    found = store.manifest(folder.datasets_dir, dataset)
    loaded = store.load(folder.datasets_dir, found["id"])
    report = folder.datasets_dir / found["id"] / "report.html"
    chosen = _samples(loaded.train, rows)
    if call.json:
        call.emit({**found, "report": str(report), "examples": [e.to_dict() for e in chosen]})
    call.say(f"Dataset {found['id']}, {found['created']}: {_splits(found['splits'])}.")
    call.say("  from " + ", ".join(f"{origin} {count:,}" for origin, count in found["origins"].items()))
    for line in (*((found["check"] or {}).get("warnings", ())), *found["notes"]):
        call.say(f"  {line}")
    for example in chosen:
        call.say(f"\n[{example.kind}] {_flat(example.question, 300)}\n    → {_flat(example.answer, 300)}")
    call.say(f"\nReport: {report}")


def remove(
    call: Call,
    origin: Annotated[
        str, typer.Argument(metavar="FILE", help="An imported file, or 'documents' for what was built.")
    ],
) -> None:
    """Take the rows of an imported file out again; the next dataset is made without them."""
    from loresmith import workspace as folders
    from loresmith.state import State, learning

    folder = folders.open_dir(call.path)
    with folder.writing(), State.open(folder.state_path) as state:
        known = learning.example_origins(state)
        meant = [o for o in (origin, str(Path(origin).absolute())) if o in known]
        meant = meant or [o for o in known if Path(o).name == origin]
        if len(meant) != 1:
            names = ", ".join(f"{o} ({n:,})" for o, n in known.items()) or "nothing"
            raise UsageError(f"{origin}: no rows come from there.", f"What is there: {names}.")
        gone = learning.remove_examples(state, meant[0])
    if call.json:
        call.emit({"removed": meant[0], "rows": gone})
    call.say(f"{counted(gone, 'row')} of {meant[0]} removed. Next: loresmith dataset build")


# --- the parts --------------------------------------------------------------------------------


def _mapping(given: Sequence[str] | None) -> dict[str, str]:
    found = {}
    for entry in given or ():
        part, equals, column = entry.partition("=")
        if not equals or not part.strip() or not column.strip():
            raise UsageError(f"--map {entry}: not PART=COLUMN.", "Example: --map question=Frage")
        found[part.strip()] = column.strip()
    return found


def _published(call: Call, workspace: Workspace, made: Made) -> Made:
    """Store the dataset; where no row is left, say first why each one went."""
    from loresmith.dataset import pool

    if not made.checked.accepted:
        _reasons(call, made.checked.rejected)
    return pool.publish(workspace.folder, made)


def _introduce(call: Call, imported: Imported) -> None:
    columns = ", ".join(f"{part} from {name}" for part, name in imported.columns.items() if part != name)
    unused = f"; not used: {', '.join(imported.unused)}" if imported.unused else ""
    call.say(f"Read as {imported.format}" + (f" ({columns}{unused})" if columns or unused else "") + ".")
    for row in imported.preview[:2]:
        call.say(f"  row {row['row']}: {_flat(row['question'], 90)} → {_flat(row['answer'], 60)}")
    for note in imported.notes:
        call.say(f"  {note}")


def _only_bad(call: Call, file: Path, imported: Imported) -> int:
    result = _result(None, imported.rejected, 0, 0)
    if call.json:
        call.emit({**result, "format": imported.format, "columns": imported.columns})
    _reasons(call, imported.rejected)
    call.stderr.print(
        f"Error: {file}: none of its {len(imported.rejected):,} rows can be used; nothing was changed.",
        markup=False,
    )
    return FAILED


def _result(
    dataset: str | None, rejected: Sequence[Rejected], accepted: int, repaired: int
) -> dict[str, Any]:
    return {
        "dataset": dataset,
        "accepted": accepted,
        "repaired": repaired,
        "rejected": [r.to_dict() for r in rejected],
        "splits": {"train": 0, "dev": 0, "test": 0},
    }


def _tell(
    call: Call,
    workspace: Workspace,
    made: Made,
    started: float,
    *,
    imported: Imported | None = None,
    file: Path | None = None,
) -> None:
    """The result of build, import and check. Of an import, what is accepted, mended and rejected is
    told of the file's own rows; the splits are those of the whole dataset."""
    checked, splits = made.checked, made.splits
    mine = f"import:{file.name}#" if file is not None else ""
    accepted = [e for e in checked.accepted if e.origin.startswith(mine)]
    rejected = [r for r in checked.rejected if r.where.startswith(mine)]
    repaired = [r for r in checked.repaired if r.where.startswith(mine)]
    sizes = Counter(splits.values())
    shown = {name: sizes[name] for name in ("train", "dev", "test")}
    name = made.dataset.id if made.dataset is not None else None
    report = workspace.folder.datasets_dir / name / "report.html" if name else None
    if call.json:
        result = _result(name, rejected, len(accepted), len(repaired)) | {
            "splits": shown,
            "rows": len(checked.accepted),
            "kinds": checked.figures["kinds"],
            "facts": checked.figures["facts"],
            "wordings_per_fact": checked.figures["wordings_per_fact"],
            "languages": checked.figures["languages"],
            "personal": {kind: seen["rows"] for kind, seen in checked.figures["personal"].items()},
            "warnings": list(checked.warnings),
            "notes": splits.notes,
            "report": str(report) if report else None,
            "seconds": round(time.monotonic() - started, 3),
        }
        if imported is not None:
            result |= {
                "format": imported.format,
                "columns": imported.columns,
                "unused": list(imported.unused),
                "preview": imported.preview,
            }
        call.emit(result)
    mended = f" ({len(repaired):,} of them mended)" if repaired else ""
    call.say(f"{counted(len(accepted), 'row')} accepted{mended}, {len(rejected):,} rejected.")
    _reasons(call, rejected)
    if mine and len(checked.accepted) > len(accepted):
        call.say(f"With what was there before: {counted(len(checked.accepted), 'row')}.")
    kinds = ", ".join(f"{kind} {count:,}" for kind, count in checked.figures["kinds"].items())
    call.say((f"Dataset {name}: " if name else "It would come to: ") + f"{_splits(shown)} ({kinds}).")
    for note in splits.notes:
        call.say(f"  {note}")
    for warning in checked.warnings:
        call.say(f"  Warning: {warning}", style="yellow")
    if report is not None:
        call.say(f"Report: {report}")
        call.say("Next: loresmith train")


def _splits(sizes: Mapping[str, int]) -> str:
    return f"{sizes['train']:,} train, {sizes['dev']:,} dev, {sizes['test']:,} test"


def _reasons(call: Call, rejected: Sequence[Rejected]) -> None:
    """Each reason with its count and some rows."""
    from loresmith.dataset.figures import reason_kind

    groups: dict[str, list[Rejected]] = {}
    for entry in rejected:
        groups.setdefault(reason_kind(entry.reason), []).append(entry)
    for reason, entries in sorted(groups.items(), key=lambda item: -len(item[1])):
        call.say(f"  {len(entries):,} × {reason}")
        for entry in entries[:_SHOWN]:
            where = entry.where.partition(":")[2] if entry.where.startswith("import:") else entry.where
            detail = entry.reason.removeprefix(reason).lstrip(": ")
            call.say(f"      {where or entry.row}" + (f": {_flat(detail, 200)}" if detail else ""))


def _samples(examples: Sequence[Example], rows: int) -> list[Example]:
    chosen: list[Example] = []
    for kind in dict.fromkeys(e.kind for e in examples):
        chosen += [e for e in examples if e.kind == kind][:rows]
    return chosen


def _flat(text: str, length: int) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= length else f"{flat[: length - 1]}…"
