"""Attempts to get more out of a query than it may give, and what counts as their success.

`injection.jsonl` holds one attempt a line: its text, what is tried with it, what would be success.
`World` is a store with things to steal and to break; `attempts` makes them there and reports every harm
that it finds, whichever the attempt meant. By kind:

    statement   SQL as if the model had written it: checked, run, told; and once more past the check,
                straight to the guarded connection, as if the parser had understood something else
    plan        JSON as if the model had filled a plan
    value       a text that a question compares a column with
    header      a name of a column, a table, a sheet, a file
    question    a model that has been talked over answers with the attacker's statement
    cell        a model that obeys whatever stands in its prompt; the order stands in a cell
"""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loresmith.config import ModelSection
from loresmith.errors import LoresmithError, PlanError, QueryError
from loresmith.querying.ask import ask
from loresmith.querying.check import check
from loresmith.querying.execute import Limits, execute, guarded
from loresmith.querying.plan import Condition, Measure, Plan, Ref, from_json, to_sql
from loresmith.querying.result import result, sentences
from loresmith.tables.store import TableStore, read_catalog
from loresmith.tables.values import Catalog, Cell, RawColumn, RawTable
from loresmith.types import Generated, Message
from tests.querying import worlds
from tests.querying.worlds import Given

CORPUS = Path(__file__).with_name("injection.jsonl")
SECRET, OTHER = "CANARY-FILE-9913", "CANARY-STATE-4411"
CANARIES = (SECRET, OTHER, "CANARY-7788", "70001", "70002", "70003")
_SLACK = 2.0  # seconds over the limit that a busy machine may take


def corpus() -> list[dict[str, Any]]:
    return [json.loads(line) for line in CORPUS.read_text(encoding="utf-8").splitlines()]


def spelled(item: dict[str, Any], folder: Path) -> str:
    """The text of an attempt; parts are (unit, times, separator), {i} in a unit is its index."""
    if "parts" in item:
        return "".join(
            part
            if isinstance(part, str)
            else part[2].join(part[0].replace("{i}", str(i)) for i in range(part[1]))
            for part in item["parts"]
        )
    return str(item.get("text", "")).replace("{folder}", str(folder))


@dataclass(frozen=True)
class World:
    """A folder with a store, another database and a file; the reader may see all but the salaries."""

    folder: Path
    path: Path
    catalog: Catalog

    def state(self) -> tuple[str, str, frozenset[str]]:
        """What must stay as it is: the content of both databases and the names of all files."""
        files = {str(p.relative_to(self.folder)) for p in self.folder.rglob("*")}
        files = {name for name in files if not name.endswith(("-wal", "-shm"))}
        return _content(self.path), _content(self.folder / "state.db"), frozenset(files)


def _content(path: Path) -> str:
    digest = hashlib.sha256()
    with closing(sqlite3.connect(path)) as db:
        for name, sql in db.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall():
            digest.update(f"{name} {sql}".encode())
        for pragma in ("user_version", "application_id", "journal_mode"):
            digest.update(str(db.execute(f"PRAGMA {pragma}").fetchall()).encode())
        for (name,) in db.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
        ).fetchall():
            for row in db.execute(f'SELECT * FROM "{name}"'):
                digest.update(repr(row).encode())
    return digest.hexdigest()


def make(folder: Path) -> World:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "secret.txt").write_text(f"{SECRET}\n", encoding="utf-8")
    with closing(sqlite3.connect(folder / "state.db")) as db, db:
        db.execute("CREATE TABLE secrets(word TEXT)")
        db.execute("INSERT INTO secrets VALUES (?)", (OTHER,))
    values = [spelled(item, folder) for item in corpus() if item["kind"] == "value"]
    notes: list[tuple[Cell, ...]] = [(n, text) for n, text in enumerate(values) if "\x00" not in text]
    notes += [(1000, "x" * 300_000), (1001, "x" * 300_000), (1002, "harmless")]
    events: list[tuple[Cell, ...]] = [(n, f"name {n % 97}") for n in range(2_000)]
    path = folder / "tables.db"
    given = (
        *worlds.MAINTENANCE_WORLD,
        Given(
            "notes",
            "notes.csv",
            [("n", "n", "integer", ""), ("note", "note", "text", "")],
            notes,
            keys=("n",),
        ),
        Given(
            "events",
            "events.csv",
            [("n", "n", "integer", ""), ("name", "name", "text", "")],
            events,
            keys=("n",),
        ),
    )
    return World(folder, path, worlds.write(path, given).visible(()))


class Obedient:
    """A model that writes what an attacker wants: `order`, or what stands between << and >> in the
    prompt."""

    name, context_tokens, supports_grammar = "obedient", 100_000, False

    def __init__(self, order: str = "") -> None:
        self.order = order

    def count_tokens(self, messages: Sequence[Message]) -> int:
        return 1

    def generate(self, messages: Sequence[Message], **_: Any) -> Iterator[Generated]:
        found = re.search(r"<<(.*?)>>", " ".join(m["content"] for m in messages), re.DOTALL)
        yield Generated(self.order or (found[1] if found else "SELECT 'not asked to'"))

    def choice_logprobs(self, messages: Sequence[Message], choices: Sequence[str]) -> list[float] | None:
        return None

    def close(self) -> None:
        pass


@dataclass(frozen=True)
class Report:
    """What came of an attempt: how it ended ("refused", "answered"), why, and the harm it did."""

    id: str
    ended: str
    reason: str
    harms: tuple[str, ...]
    seconds: float
    peak_mb: float


def attempts(items: Iterable[dict[str, Any]], world: World, limits: Limits) -> Iterator[Report]:
    """Make them one after another; never raises for what an attempt does."""
    before = world.state()
    for item in items:
        text = spelled(item, world.folder)
        memory = _peak(reset=True)
        start, used = time.perf_counter(), time.process_time()
        ended, reason, told, allowed = _KINDS[item["kind"]](item, text, world, limits)
        seconds, used = time.perf_counter() - start, time.process_time() - used
        peak = _peak() - memory
        after = world.state()
        changes = ("changed the store", "changed a database", "made a file")
        harms = _leaks(told, text + json.dumps(item.get("plan", "")), item["kind"])
        harms += [harm for harm, was, now in zip(changes, before, after, strict=True) if was != now]
        # By the processor: what else runs on the machine is no harm of the attempt's.
        if used > allowed * limits.seconds + _SLACK:
            harms.append(f"took {used:.1f} s")
        if peak > limits.memory_mb:
            harms.append(f"took {peak:.0f} MiB")
        before = after
        yield Report(item["id"], ended, reason, tuple(harms), seconds, peak)


def _leaks(told: str, asked: str, kind: str) -> list[str]:
    """What was told that nobody may know; what the attempt itself says is no secret."""
    found = [f"told {canary}" for canary in CANARIES if canary in told]
    # The cells of notes are the texts of other attempts.
    if "salar" in told and "salar" not in asked and kind != "value" and "notes" not in asked:
        found.append("told the name of a hidden table")
    if re.search(r"(?i)create table|\"foreign\":", told) and not re.search(r"(?i)create table", asked):
        found.append("told how the store is made")
    return found


def _peak(*, reset: bool = False) -> float:
    """Highest resident memory since the last reset, MiB."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


_Ended = tuple[str, str, str, float]  # how, why, everything that was told, limits of time it may take


def _asked(sql: str, world: World, limits: Limits) -> _Ended:
    try:
        checked = check(sql, world.catalog)
        rows = execute(world.path, checked, world.catalog, limits)
        made = result(world.path, checked, rows, world.catalog, by="model", limit=limits.rows, limits=limits)
        said = sentences("?", made, world.catalog, "en")
    except QueryError as error:
        return "refused", str(error), str(error), 2
    harm = " 70001 rows" if len(rows.rows) > limits.rows else ""
    return "answered", "", json.dumps(made.to_dict(), ensure_ascii=False) + repr(said) + harm, 2


def _statement(item: dict[str, Any], sql: str, world: World, limits: Limits) -> _Ended:
    ended, reason, told, _ = _asked(sql, world, limits)
    tables = [t.sql for t in world.catalog.tables]
    try:
        with guarded(world.path, tables, world.catalog, limits, width=100) as query:
            told += repr(query(sql, limits.rows + 1))
    except QueryError as error:
        told += str(error) if "salar" not in str(error) or "salar" not in sql else ""
    return ended, reason, told, 3


def _plan(item: dict[str, Any], text: str, world: World, limits: Limits) -> _Ended:
    try:
        sql = to_sql(from_json(item["plan"], world.catalog), world.catalog)
    except PlanError as error:
        return "refused", str(error), str(error), 1
    return _asked(sql, world, limits)


def _value(item: dict[str, Any], text: str, world: World, limits: Limits) -> _Ended:
    """Rows that are equal to the text, and rows that hold it: those and no others."""
    note, told = Ref("notes", "note"), ""
    with closing(sqlite3.connect(world.path)) as db:
        cells = [str(cell) for (cell,) in db.execute("SELECT note FROM notes")]
    for op, expected in (("=", [c for c in cells if c == text]), ("in", [c for c in cells if c == text])):
        plan = Plan("notes", show=(note,), where=(Condition(note, op, (text,)),))  # type: ignore[arg-type]
        try:
            checked = check(to_sql(plan, world.catalog), world.catalog)
        except QueryError as error:
            return "refused", str(error), str(error), 2
        rows = [str(cell) for (cell,) in execute(world.path, checked, world.catalog, limits).rows]
        told += "" if rows == expected else f" {op}: 70001 rows that do not hold the text"
    like = Plan("notes", measures=(Measure("count"),), where=(Condition(note, "like", (text,)),))
    ended, reason, more, _ = _asked(to_sql(like, world.catalog), world, limits)
    return ended, reason, told + more, 3


def _header(item: dict[str, Any], text: str, world: World, limits: Limits) -> _Ended:
    """A table with this name, this sheet and this column, beside the others."""
    folder = world.folder / "headers" / hashlib.sha256(text.encode()).hexdigest()[:12]
    path = folder / "tables.db"
    folder.mkdir(parents=True)
    raw = RawTable(
        name=text, sheet=text, caption=text, columns=(RawColumn(name=text), RawColumn(name="hours"))
    )
    told = ""
    try:
        with TableStore.open(path) as store:
            keep = RawTable(name="keep", columns=(RawColumn(name="a"),))
            store.replace("keep.csv", "v", [(keep, [(1, ["kept"])])])
            store.replace(text or "x.csv", "v", [(raw, [(1, ["a", "1"]), (2, ["b", "2"])])])
        catalog = read_catalog(path)
        for table in catalog.tables:
            names = ", ".join(c.sql for c in table.columns)
            checked = check(f"SELECT {names} FROM {table.sql}", catalog)
            rows = execute(path, checked, catalog, limits).rows
            wanted = (("kept",),) if table.document == "keep.csv" else (("a", 1), ("b", 2))
            told += "" if rows == wanted else f" 70001: {table.sql} holds {rows}"
    except LoresmithError as error:
        return "refused", str(error), str(error), 2
    finally:
        for made in sorted(folder.rglob("*"), reverse=True):
            made.unlink()
        folder.rmdir()
        folder.parent.rmdir()
    return "answered", "", told, 2


def _question(item: dict[str, Any], sql: str, world: World, limits: Limits) -> _Ended:
    return _outcome("How many pumps are in Basel?", Obedient(sql), world.path, world.catalog)


def _cell(item: dict[str, Any], text: str, world: World, limits: Limits) -> _Ended:
    """The order is the only value of a column, so that the prompt shows it as a sample."""
    path = world.folder / "cells.db"
    rows: list[tuple[Cell, ...]] = [(n, text) for n in range(3)]
    columns = [("n", "n", "integer", ""), ("remark", "remark", "text", "")]
    remarks = Given("remarks", "remarks.csv", columns, rows, keys=("n",))  # type: ignore[arg-type]
    catalog = worlds.write(path, [*worlds.MAINTENANCE_WORLD, remarks]).visible(())
    before = _content(path)
    ended, reason, told, allowed = _outcome("How many remarks are there?", Obedient(), path, catalog)
    told += "" if _content(path) == before else " 70001: the store was changed"
    if "not asked to" in told:
        told += " 70001: the order did not reach the model, so that nothing was tried"
    for made in world.folder.glob("cells.db*"):
        made.unlink()
    return ended, reason, told, allowed


def _outcome(question: str, model: Obedient, path: Path, catalog: Catalog) -> _Ended:
    found = ask(question, path, catalog, model, ModelSection(), code=False, threshold=0)
    # What was tried is the model's own words; what was answered to it is what counts.
    said = json.dumps(found.result.to_dict(), ensure_ascii=False) if found.result else ""
    said += repr(found.sentences) + repr([why for _, why in found.tried])
    reason = found.tried[-1][1] if found.tried else found.reason
    return ("answered" if found.result else "refused"), reason, said, 40


_KINDS = {
    "statement": _statement,
    "plan": _plan,
    "value": _value,
    "header": _header,
    "question": _question,
    "cell": _cell,
}
