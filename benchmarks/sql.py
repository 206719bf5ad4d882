"""Questions to five databases: execution accuracy and right refusals, by code, by a model, by both.

    python benchmarks/sql.py [--data FOLDER] [--model NAME]... [--by code|model|all|plain]... [--way sql|plan]
                             [--split dev|test|all] [--limit N] [--unanswerable N] [--rows FILE] [--threads N]
                             [--tune N] [--setting KEY=VALUE]...

The folder holds dumps in PostgreSQL's syntax (`NAME.sql`), `questions.csv` (accepted queries separated
by ";") and `unanswerable.csv`. Each database is loaded into a store as `sync` would. dev: academic,
atis, restaurants (everything was chosen on these); test: geography, scholar.

Arms: code (`understand`, no model), model (the model alone under the grammar, checked and repaired),
all (as shipped: code first, then the model, abstaining by `judge`), plain (the same model with the
schema in its prompt and nothing else: no samples, no grammar, no repair; its first statement is run).

With --tune, each model is trained by `loresmith train` on the databases of dev (N rows that `dataset build`
derives from their tables, and the accepted queries of their questions), and asked again with its adapter:
`tuned model`, `tuned all`. What it knows of the databases of test, it knows from its prompt.

Right: as Defog's evaluator says it. The rows of an accepted query without duplicates, columns in any
order; `strict` no columns beside them; `right` also with further columns. Rows are compared as a set:
Defog's evaluator sorts them too, also where an order was asked; `in order` counts, of the questions
that ask for one, those whose rows come in the accepted query's order. Figures agree to 6 digits.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loresmith.config import ModelSection
from loresmith.models import load_language_model
from loresmith.querying import ask as asking
from loresmith.querying import prompt
from loresmith.querying.write import extract
from loresmith.tables.store import TableStore, read_catalog
from loresmith.tables.values import Catalog, ColumnType, RawColumn, RawTable
from loresmith.types import LanguageModel, Message

HERE = Path(__file__).resolve().parent.parent
DATA = HERE.parent / "shared" / "data" / "sql"
SPLITS = {"dev": ("academic", "atis", "restaurants"), "test": ("geography", "scholar")}
SPLITS["all"] = SPLITS["dev"] + SPLITS["test"]
ARMS = ("code", "model", "all", "plain")

# Of what a dump declares: everything else is text.
_TYPES: dict[str, ColumnType] = {
    "bigint": "integer", "integer": "integer", "smallint": "integer", "real": "real", "double": "real",
    "numeric": "real", "date": "date", "timestamp": "datetime", "boolean": "boolean",
}  # fmt: skip


_TABLES = "FROM sqlite_master WHERE type = 'table'"


@dataclass(frozen=True)
class Question:
    """`accepted` is empty where the data does not answer it."""

    database: str
    category: str
    text: str
    instructions: str
    accepted: tuple[str, ...] = ()

    @property
    def ordered(self) -> bool:
        return self.category == "order_by" or bool(
            re.search(r"\b(order|sort|arrange)", self.text, re.IGNORECASE)
        )


@dataclass
class Database:
    """path: of the store.  original: as the dump has it, for accepted queries and the plain prompt."""

    path: Path
    catalog: Catalog
    original: Path


@dataclass
class Given:
    """What an arm gave for a question: `rows` None where it refused or failed."""

    sql: str = ""
    rows: list[tuple[Any, ...]] | None = None
    reason: str = ""
    by: str = ""
    confidence: float = 0.0
    tokens: int = 0
    seconds: float = 0.0
    tried: list[tuple[str, str]] = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--model", action="append", help="a model's name; repeatable")
    parser.add_argument("--by", action="append", choices=ARMS, help="repeatable; default: all of them")
    parser.add_argument("--way", choices=("sql", "table", "plan"), help="what the model writes")
    parser.add_argument("--split", choices=tuple(SPLITS), default="all")
    parser.add_argument("--limit", type=int, help="at most so many questions, evenly spread")
    parser.add_argument("--unanswerable", type=int, help="at most so many of them, evenly spread")
    parser.add_argument("--rows", type=Path, help="write every answer with its judgement to this file")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--tune", type=int, metavar="N", help="train on dev with N derived rows")
    parser.add_argument("--setting", action="append", default=[], help="KEY=VALUE, for the training")
    options = parser.parse_args()
    arms = options.by or list(ARMS)
    names = SPLITS[options.split]
    questions = spread(read(options.data / "questions.csv", names), options.limit)
    refusals = spread(read(options.data / "unanswerable.csv", names, answerable=False), options.unanswerable)
    rows: list[dict[str, Any]] = []
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        databases = {name: load(options.data / f"{name}.sql", Path(folder)) for name in names}
        # The unanswerable questions come with a database each, of which only some are here.
        asked = [*questions, *(q for q in refusals if q.database in databases)]
        turns = [(name, None) for name in options.model or [None]]
        if options.tune:
            turns += [(name, train(name, options, Path(folder))) for name, _ in turns if name]
        for name, adapter in turns:
            model = None
            if name:
                settings = ModelSection(name=name, threads=options.threads, context_tokens=8192)
                model = load_language_model(settings, adapter=adapter)
            try:
                for arm in arms:
                    if model is None and arm in ("model", "plain"):
                        continue
                    if adapter is not None and arm in ("code", "plain"):
                        continue
                    if model is not None and arm == "code" and len(options.model) > 1 and "code" in figures:
                        continue
                    key = arm if arm == "code" else f"{name or 'none'}{' tuned' * bool(adapter)} {arm}"
                    judged = [
                        judged_row(q, run(arm, q, databases, model, options.way), databases) for q in asked
                    ]
                    rows += [{"arm": key, **row} for row in judged]
                    figures[key] = {
                        split: summary([r for r in judged if r["database"] in SPLITS[split]])
                        for split in ("dev", "test")
                        if set(SPLITS[split]) & set(names)
                    }
                    show(key, figures[key])
            finally:
                if model is not None:
                    model.close()
    if options.rows:
        options.rows.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    print(json.dumps(figures, indent=1))


def spread(questions: list[Question], limit: int | None) -> list[Question]:
    if not limit or len(questions) <= limit:
        return questions
    step = len(questions) / limit
    return [questions[int(i * step)] for i in range(limit)]


def read(path: Path, databases: Sequence[str], *, answerable: bool = True) -> list[Question]:
    """The questions of a file: those of `databases`, or the unanswerable of every database, each put to
    its own or, where that is not here, to one of these in turn."""
    found = []
    with open(path, encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.DictReader(file)):
            database = row["db_name"]
            if database not in databases:
                if answerable:
                    continue
                database = databases[number % len(databases)] if row["query_category"] != "cat_c" else ""
            accepted = tuple(q.strip() for q in row["query"].split(";") if q.strip()) if answerable else ()
            found.append(
                Question(database, row["query_category"], row["question"], row["instructions"], accepted)
            )
    return found


def load(dump: Path, folder: Path) -> Database:
    """A dump as a store: through SQLite, which reads it once casts and schema names are out."""
    text = re.sub(r"::\w+( precision| varying)?", "", dump.read_text(encoding="utf-8")).replace("public.", "")
    original = folder / f"{dump.stem}.original.db"
    with closing(sqlite3.connect(original)) as source:
        source.executescript(text)
        tables = [
            name
            for (name,) in source.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY rowid"
            )
        ]
        given = []
        for name in tables:
            columns = tuple(
                RawColumn(
                    name=column, type=_TYPES.get(str(declared).split("(")[0].split(" ")[0].lower(), "text")
                )
                for _, column, declared, *_ in source.execute(f"PRAGMA table_info({name})")
            )
            rows = source.execute(f"SELECT * FROM {name}").fetchall()
            given.append((RawTable(name=name, columns=columns, name_hint=name), list(enumerate(rows, 1))))
    path = folder / f"{dump.stem}.db"
    with TableStore.open(path) as store:
        store.replace(dump.stem, "1", given, title=dump.stem)
        store.link()
    return Database(path, read_catalog(path), original)


# --- training ---------------------------------------------------------------------------------


def train(name: str, options: argparse.Namespace, folder: Path) -> Path:
    """The adapter that `loresmith train` makes of the databases of dev."""
    from loresmith.config import DatasetSection
    from loresmith.dataset import queries, store
    from loresmith.dataset.queries_proof import Tables
    from loresmith.expert import Workspace
    from loresmith.tables.store import connect

    rows, refused = [], 0
    asked = read(options.data / "questions.csv", SPLITS["dev"])
    for number, database in enumerate(SPLITS["dev"]):
        place = folder / f"train-{database}"
        place.mkdir()
        loaded = load(options.data / f"{database}.sql", place)
        share = options.tune * (number + 1) // len(SPLITS["dev"]) - options.tune * number // len(
            SPLITS["dev"]
        )
        rows += queries.derived(loaded.path, loaded.catalog, DatasetSection(queries=share, wordings=2))
        with closing(connect(loaded.path)) as connection:
            tables = Tables(loaded.path, loaded.catalog, connection)
            for question in (q for q in asked if q.database == database):
                made = [queries.settle(queries.pair(question.text, q), tables) for q in question.accepted]
                good = next((one for one in made if not isinstance(one, str)), None)
                refused += good is None
                rows += [good] if good is not None else []
    rows = list({row.id: row for row in rows}.values())
    with Workspace.create(folder / f"train-{name}", {"model.name": name}) as workspace:
        store.save(workspace.folder.datasets_dir, rows, {row.id: "train" for row in rows})
    command = [sys.executable, "-m", "loresmith", "train", "-w", str(folder / f"train-{name}"), "--json"]
    command += ["--method", "lora", *(part for pair in options.setting for part in ("--set", pair))]
    done = json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
    told = f"{done['steps']} steps, {done['tokens']:,} tokens, {done['seconds']:.0f} s"
    print(f"{name} trained on {len(rows)} rows ({refused} questions of dev gave none): {told}", flush=True)
    return folder / f"train-{name}" / ".loresmith" / "adapters" / str(done["adapter"])


# --- the arms ---------------------------------------------------------------------------------


def run(
    arm: str, question: Question, databases: dict[str, Database], model: LanguageModel | None, way: Any
) -> Given:
    database = databases[question.database]
    clock = time.perf_counter()
    if arm == "plain":
        assert model is not None
        given = plain(question, database, model)
    else:
        given = ours(arm, question, database, model, way)
    given.seconds = time.perf_counter() - clock
    return given


def ours(arm: str, question: Question, database: Database, model: LanguageModel | None, way: Any) -> Given:
    settings = ModelSection(name=model.name if model else "none")
    facts = [question.instructions] if question.accepted and question.instructions else []
    tuned = getattr(model, "adapter", None) is not None
    outcome = asking.ask(
        question.text,
        database.path,
        database.catalog,
        None if arm == "code" else model,
        settings,
        facts=facts,
        limit=10_000,
        way=way,
        code=arm != "model",
        threshold=0.0 if arm == "model" else None,
        budget=prompt.TUNED_BUDGET if tuned else prompt.BUDGET,
    )
    found = outcome.result
    return Given(
        found.sql if found else "",
        list(found.rows) if found else None,
        outcome.reason,
        found.by if found else "",
        outcome.confidence,
        outcome.tokens,
        tried=list(outcome.tried),
    )


def plain(question: Question, database: Database, model: LanguageModel) -> Given:
    """The schema and the question, as the data's own evaluator asks; the first statement is run."""
    with closing(sqlite3.connect(database.original)) as connection:
        schema = "\n".join(f"{sql};" for (sql,) in connection.execute(f"SELECT sql {_TABLES}"))
    role = "Your role is to convert a user question to a sqlite query, given a database schema."
    request = (
        f"Generate a SQL query that answers the question `{question.text}`.\n{question.instructions}\n"
        f"This query will run on a database whose schema is represented in this string:\n{schema}\n\n"
        "Return only the SQL query, and nothing else."
    )
    messages = [Message(role="system", content=role), Message(role="user", content=request)]
    pieces = list(model.generate(messages, max_tokens=300))
    sql = extract("".join(piece.text for piece in pieces)).partition(";")[0]
    given = Given(sql, by="plain", tokens=sum(piece.tokens for piece in pieces))
    try:
        given.rows = execute(database.original, sql)
    except sqlite3.Error as error:
        given.reason = str(error)
    # "SELECT 'Alas, without the necessary data, I can''t provide an answer.' AS answer" refuses.
    if re.match(r"\s*SELECT\s+'[^']", sql, re.IGNORECASE) and "from" not in sql.casefold():
        given.rows, given.reason = None, "refused"
    return given


def execute(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        deadline = time.monotonic() + 10
        connection.set_progress_handler(lambda: time.monotonic() > deadline, 10_000)
        return list(connection.execute(sql).fetchmany(100_000))


# --- what is right ----------------------------------------------------------------------------


def judged_row(question: Question, given: Given, databases: dict[str, Database]) -> dict[str, Any]:
    strict = right = in_order = False
    if question.accepted and given.rows is not None:
        for query in question.accepted:
            try:
                gold = execute(databases[question.database].original, query)
            except sqlite3.Error as error:
                print(f"accepted query fails: {error}: {query}", file=sys.stderr)
                continue
            way = matching(gold, given.rows)
            if way is None:
                continue
            right = True
            strict |= not gold or not given.rows or len(gold[0]) == len(given.rows[0])
            in_order |= normal(gold) == [tuple(row[n] for n in way) for row in normal(given.rows)]
    return {
        "database": question.database,
        "category": question.category,
        "question": question.text,
        "answerable": bool(question.accepted),
        "ordered": question.ordered,
        "answered": given.rows is not None,
        "right": right,
        "strict": strict,
        "in_order": in_order,
        "sql": given.sql,
        "by": given.by,
        "reason": given.reason,
        "confidence": given.confidence,
        "tokens": given.tokens,
        "seconds": round(given.seconds, 3),
        "tried": given.tried,
    }


def normal(rows: Iterable[Sequence[Any]]) -> list[tuple[Any, ...]]:
    """Rows without duplicates, figures to 6 digits."""
    return list(dict.fromkeys(tuple(cell(value) for value in row) for row in rows))


def cell(value: Any) -> Any:
    if isinstance(value, int | float):
        return float(f"{value:.6g}")
    return value


def matching(gold: list[tuple[Any, ...]], given: list[tuple[Any, ...]]) -> list[int] | None:
    """Which columns of `given` are those of `gold`, so that the rows are the same; None: they are not."""
    if not gold or not given:
        return [] if not gold and not given else None
    wanted, found = normal(gold), normal(given)
    columns = [Counter(row[n] for row in found) for n in range(len(found[0]))]
    target = Counter(wanted)

    def search(chosen: list[int]) -> list[int] | None:
        if len(chosen) == len(wanted[0]):
            return chosen if Counter(tuple(r[n] for n in chosen) for r in found) == target else None
        values = Counter(row[len(chosen)] for row in wanted)
        for n, here in enumerate(columns):
            if n not in chosen and here == values and (way := search([*chosen, n])) is not None:
                return way
        return None

    return search([])


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    def share(part: Iterable[bool], whole: Sequence[Any]) -> float | None:
        return round(sum(part) / len(whole), 3) if whole else None

    asked = [r for r in rows if r["answerable"]]
    others = [r for r in rows if not r["answerable"]]
    ordered = [r for r in asked if r["ordered"]]
    return {
        "questions": len(asked),
        "right": share((r["right"] for r in asked), asked),
        "strict": share((r["strict"] for r in asked), asked),
        "answered": share((r["answered"] for r in asked), asked),
        "right_of_answered": share((r["right"] for r in asked), [r for r in asked if r["answered"]]),
        "in_order": share((r["in_order"] for r in ordered), ordered),
        "unanswerable": len(others),
        "right_refusals": share((not r["answered"] for r in others), others),
        "seconds_p50": round(statistics.median(r["seconds"] for r in rows), 2) if rows else None,
        "seconds_p90": round(sorted(r["seconds"] for r in rows)[int(len(rows) * 0.9)], 2) if rows else None,
        "by_category": {
            category: share((r["right"] for r in part), part)
            for category in sorted({r["category"] for r in asked})
            if (part := [r for r in asked if r["category"] == category])
        },
    }


def show(key: str, figures: dict[str, dict[str, Any]]) -> None:
    for split, values in figures.items():
        print(
            f"{key:34} {split:5}"
            + "  ".join(f"{n} {values[n]}" for n in values if n not in ("by_category",)),
            flush=True,
        )


if __name__ == "__main__":
    main()
