"""Questions to tables as training rows: each query runs, each prompt is the one that will be sent, nobody
is shown more than they may see, and what does not hold is refused with its reason."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from helpers import HashEmbedder
from querying.gbnf import Grammar

from loresmith import workspace as folders
from loresmith.config import Config, DatasetSection, ModelSection
from loresmith.dataset import build, check, feedback, formats, pool, queries, queries_proof, split
from loresmith.dataset.example import Example
from loresmith.dataset.queries_words import Words
from loresmith.errors import PlanError
from loresmith.expert import Workspace
from loresmith.models.fake import FakeModel
from loresmith.querying import ask as asking
from loresmith.querying import prompt
from loresmith.querying.grammar import sql_grammar
from loresmith.state import State
from loresmith.training import record
from loresmith.types import Message

PUMPS = [
    ("P-100", "Aqua 40", "Basel", "2015-03-12", 5.5), ("P-101", "Aqua 40", "Basel", "2016-07-01", 5.5),
    ("P-200", "Aqua 80", "Cologne", "2018-11-23", 11.0), ("P-201", "Aqua 80", "Cologne", "2019-02-14", 12.0),
    ("P-202", "Hydro X2", "Lyon", "2020-05-05", 15.0), ("P-300", "Hydro X2", "Lyon", "2021-09-30", 16.5),
    ("P-301", "Hydro X5", "Cologne", "2023-01-09", 22.5), ("P-302", "Hydro X5", "Basel", "2024-02-01", 24.0),
]  # fmt: skip
KINDS = ("inspection", "seal replacement", "oil change")
JOBS = [
    (f"J-{n:02}", f"{2022 + n // 15}-{n % 12 + 1:02}-{n + 1 - n // 20 * 20:02}",
     PUMPS[n * 5 % 7][0], KINDS[n % 3], n % 8 + 1)
    for n in range(40)
]  # fmt: skip
SALARIES = [(f"Person {n}", "Basel" if n % 2 else "Lyon", 50_000 + 1000 * n * n % 9000) for n in range(1, 9)]
KUNDEN = [(f"Kunde {n}", ("Bern", "Wien", "Graz")[n % 3], 100 * n + 7 * n * n) for n in range(1, 13)]


def csv(path: Path, head: str, rows: Sequence[Sequence[Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([head, *(",".join(map(str, row)) for row in rows)]) + "\n", encoding="utf-8")


def house(folder: Path) -> Workspace:
    csv(folder / "docs" / "pumps.csv", "Pump,Model,Site,Installed,Power (kW)", PUMPS)
    csv(folder / "docs" / "jobs.csv", "Job,Date,Pump,Kind of work,Hours (h)", JOBS)
    csv(folder / "docs" / "kunden.csv", "Kunde,Ort,Umsatz (€)", KUNDEN)
    csv(folder / "hr" / "salaries.csv", "Name,Site,Salary (€)", SALARIES)
    workspace = Workspace(folders.create(folder / "w"), embedder=HashEmbedder())
    workspace.add(str(folder / "docs"))
    workspace.add(str(folder / "hr"), labels=["hr"])
    workspace.sync()
    return workspace


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    with house(tmp_path_factory.mktemp("house")) as workspace:
        yield workspace


@pytest.fixture(scope="module")
def tables(plant: Workspace) -> Iterator[queries_proof.Tables]:
    with State.open(plant.folder.state_path) as state:
        found = queries_proof.opened(plant.folder.tables_path, state)
    assert found is not None
    with closing(found.store):
        yield found


@pytest.fixture(scope="module")
def rows(tables: queries_proof.Tables) -> list[Example]:
    return queries.derived(tables.path, tables.catalog, DatasetSection(queries=120, seed=2))


def settled(plant: Workspace, *pairs: Example) -> tuple[list[Example], dict[str, str]]:
    """What becomes of pairs: rows, and the reason by question."""
    with State.open(plant.folder.state_path) as state:
        kept, refused = pool.settle(pairs, state, plant.folder.tables_path)
    return kept, {r.example.question: r.reason for r in refused if r.example is not None}


def test_every_derived_query_runs_and_gives_the_value_that_the_row_says(rows, tables):
    assert len(rows) == 120
    for row in rows:
        proof = queries_proof.proved(row.answer, tables)
        assert isinstance(proof, queries_proof.Proof), (row.question, proof)
        assert proof.sql == row.answer
        assert proof.rows.rows
        if row.value:
            cell = proof.rows.rows[0][0]
            assert row.value == (f"{cell:.10g}" if isinstance(cell, float) else str(cell))


def test_a_count_and_a_sum_are_those_of_the_file(tables):
    meant = {
        "SELECT COUNT(*) FROM jobs WHERE kind_of_work = 'oil change'": sum(
            j[3] == "oil change" for j in JOBS
        ),
        "SELECT SUM(hours) FROM jobs WHERE pump = 'P-200'": sum(j[4] for j in JOBS if j[2] == "P-200"),
    }
    for sql, value in meant.items():
        proof = queries_proof.proved(sql, tables)
        assert isinstance(proof, queries_proof.Proof)
        assert proof.rows.rows == ((value,),)


def test_a_row_is_asked_as_the_model_with_an_adapter_will_be(rows, tables, monkeypatch):
    monkeypatch.setattr(asking.judge, "hopeless", lambda *_: "")  # what is asked, not what is withheld
    for row in [r for r in rows if not r.labels][::9]:
        model = FakeModel("SELECT COUNT(*) FROM pumps")
        visible = tables.catalog.visible(())
        asking.ask(
            row.question, tables.path, visible, model, ModelSection(name="fake"), code=False,
            budget=prompt.TUNED_BUDGET,
        )  # fmt: skip
        assert model.prompts[:1] == [list(row.messages[:-1])], row.question


def test_the_grammar_lets_a_model_write_what_it_is_taught(rows, tables):
    for row in rows:
        shown = set(re.findall(r"^CREATE TABLE (\w+)", row.messages[-2]["content"], re.MULTILINE))
        seen = tables.catalog.only([t for t in tables.catalog.tables if t.sql in shown])
        assert Grammar(sql_grammar(seen)).takes(row.answer), row.answer


def test_there_are_many_kinds_of_questions_in_several_wordings(rows):
    text = " ".join(row.answer for row in rows)
    for part in ("COUNT(", "SUM(", "AVG(", "GROUP BY", "ORDER BY", "LIMIT", "JOIN", "DISTINCT", "BETWEEN"):
        assert part in text, part
    by_fact: dict[str, set[str]] = {}
    for row in rows:
        by_fact.setdefault(row.fact, set()).add(row.question)
    assert max(map(len, by_fact.values())) == queries.WORDINGS
    assert len({row.answer for row in rows}) >= 35


def test_no_question_is_asked_of_two_queries(rows):
    assert len({row.question for row in rows}) == len({(row.question, row.answer) for row in rows})


def test_a_table_of_german_heads_is_asked_for_in_german(rows):
    german = [row for row in rows if row.documents == ("kunden.csv",)]
    assert german
    assert {row.language for row in german} == {"de"}
    assert any(re.search(r"\b(Wie|Anzahl|Welche|Summe|Liste|Nenne|Zeige)\b", row.question) for row in german)


def test_a_row_carries_the_labels_of_every_table_that_it_shows(rows):
    assert any(row.labels == ("hr",) for row in rows)
    for row in rows:
        shown = " ".join(message["content"] for message in row.messages)
        assert ("hr" in row.labels) == ("salar" in shown.casefold()), row.question
        assert not any(name.startswith("Person ") for name in re.findall(r"Person \d", shown)) or row.labels


def test_the_same_seed_gives_the_same_rows(tables):
    one, same, other = (
        [r.id for r in queries.derived(tables.path, tables.catalog, DatasetSection(queries=20, seed=seed))]
        for seed in (2, 2, 3)
    )
    assert one == same
    assert one != other


def test_none_are_made_where_none_are_wanted_or_the_tables_are_tiny(tables):
    assert queries.derived(tables.path, tables.catalog, DatasetSection(queries=0)) == []
    tiny = tables.catalog.only([replace(t, rows=3) for t in tables.catalog.tables][:0])
    assert queries.derived(tables.path, tiny, DatasetSection()) == []


def test_another_word_is_used_only_where_nothing_else_is_called_so(tables):
    jobs, pumps = tables.catalog.table("jobs"), tables.catalog.table("pumps")
    assert jobs is not None
    assert pumps is not None
    both = Words.of(tables.catalog)
    site = pumps.column("site")
    hours = jobs.column("hours")
    assert site is not None
    assert hours is not None
    assert "location" in both.column(pumps, site, "en")
    assert "time" in both.column(jobs, hours, "en")
    taken = Words(tables.catalog, both.taken | {"location"})
    assert "location" not in taken.column(pumps, site, "en")


def test_what_code_is_sure_to_read_otherwise_is_left_out(tables):
    question = "How many pumps are there?"
    links = queries._links(question, tables)
    right = queries_proof.proved("SELECT COUNT(*) FROM pumps", tables)
    wrong = queries_proof.proved("SELECT COUNT(*) FROM jobs", tables)
    assert isinstance(right, queries_proof.Proof)
    assert isinstance(wrong, queries_proof.Proof)
    assert not queries._read_otherwise(question, links, right, tables)
    assert queries._read_otherwise(question, links, wrong, tables)


# --- a person's pairs -------------------------------------------------------------------------


def test_pairs_of_a_file_are_proved_and_refused_with_their_reason(plant, tmp_path):
    path = tmp_path / "pairs.csv"
    csv(path, "question,sql", [
        ("How many pumps in Basel", "select count(*) as n from pumps p where p.site = 'Basel';"),
        ("Power of P-200", "SELECT powr FROM pumps WHERE pump = 'P-200'"),
        ("All the pumpz", "SELECT * FROM pumpz"),
        ("Away with it", "DELETE FROM pumps"),
        ("Two at once", "SELECT 1; SELECT 2"),
        ("Sites of the moon", "SELECT site FROM pumps WHERE site = 'Moon'"),
        ("No query", ""),
    ])  # fmt: skip
    read = formats.read(path)
    assert read.format == "question/SQL, CSV"
    assert [r.reason for r in read.rejected] == ["no query"]
    kept, refused = settled(plant, *read.rows)
    (row,) = kept
    assert row.kind == "query"
    assert row.value == str(sum(p[2] == "Basel" for p in PUMPS))
    assert " AS n" not in row.answer
    assert row.origin == "import:pairs.csv#2"
    assert row.messages[0]["content"] == prompt.SYSTEM
    assert "power" in refused["Power of P-200"]
    assert "pumps" in refused["All the pumpz"]
    assert "SELECT" in refused["Away with it"]
    assert "One statement" in refused["Two at once"]
    assert refused["Sites of the moon"] == "query: its query gives no rows"


def test_a_column_called_query_is_sql_only_beside_a_question():
    from loresmith.dataset.shapes import columns_of

    assert columns_of(["question", "query"], {}) == {"question": "question", "sql": "query"}
    assert columns_of(["db_id", "question", "query"], {})["database"] == "db_id"
    assert columns_of(["query", "answer"], {}) == {"question": "query", "answer": "answer"}
    assert "sql" not in columns_of(["question", "answer", "query"], {})


def test_a_pair_may_name_its_table(plant):
    sql = "SELECT COUNT(*) FROM pumps"
    good = queries.pair("All of them", sql, among=["pumps.csv"], origin="import:x#1")
    elsewhere = queries.pair("All of it", sql, among=["pumpz.csv"], origin="import:x#2")
    kept, refused = settled(plant, good, elsewhere)
    assert [row.question for row in kept] == ["All of them"]
    assert "jobs" not in kept[0].messages[1]["content"]
    assert "nearest is pumps.csv" in refused["All of it"]


def test_a_pair_of_a_labelled_table_is_for_its_readers_alone(plant):
    pair = queries.pair(
        "What salary do we pay in all?", "SELECT SUM(salary) FROM salaries", origin="import:x#1"
    )
    public = queries.pair("Pumps?", "SELECT COUNT(*) FROM pumps", origin="import:x#2", labels=("own",))
    kept, _ = settled(plant, pair, public)
    assert kept[0].labels == ("hr",)
    assert kept[1].labels == ("own",)
    assert "salar" not in kept[1].messages[1]["content"]


def test_without_tables_no_pair_is_taught():
    pair = queries.pair("Pumps?", "SELECT COUNT(*) FROM pumps", origin="import:x#1")
    assert isinstance(queries.settle(pair, None), str)
    assert [r.reason for r in check.check([pair]).rejected] == ["query: not proved on any tables"]


def test_a_row_of_another_workspace_is_proved_on_the_tables_that_are_here(rows, plant, tmp_path):
    chosen = next(row for row in rows if "pumps" in row.answer and not row.labels)
    path = tmp_path / "examples.jsonl"
    path.write_text(json.dumps(chosen.to_dict()) + "\n" + json.dumps(chosen.to_dict()) + "\n")
    read = formats.read(path)
    kept, _ = settled(plant, read.rows[0])
    assert kept[0].messages == chosen.messages
    gone = json.dumps(chosen.to_dict()).replace("pumps", "wells")
    path.write_text(f"{gone}\n{gone}\n")
    assert settled(plant, formats.read(path).rows[0])[0] == []


# --- checked, split, out of date -----------------------------------------------------------------


def test_two_queries_that_disagree_on_a_question_are_both_refused(plant):
    one = queries.pair("Pumps that count", "SELECT COUNT(*) FROM pumps", origin="import:x#1")
    other = queries.pair(
        "pumps that count?", "SELECT COUNT(*) FROM pumps WHERE power > 12", origin="import:x#2"
    )
    same = queries.pair("The pumps that count", "SELECT COUNT(pump) FROM pumps", origin="import:x#3")
    kept, _ = settled(plant, one, other, same)
    found = check.check(kept)
    assert {r.row for r in found.rejected if r.reason.startswith("contradiction")} == {1, 2, 3}
    assert [row.origin for row in check.check([kept[0], kept[2]]).accepted] == ["import:x#1", "import:x#3"]


def test_a_users_pair_stands_against_a_derived_one(plant, rows):
    derived = next(row for row in rows if row.value and not row.labels and "FROM pumps" in row.answer)
    given, _ = settled(
        plant, queries.pair(derived.question, "SELECT MAX(power) + 1 FROM pumps", origin="import:x#1")
    )
    found = check.check([derived, *given])
    assert [row.origin for row in found.accepted] == ["import:x#1"]


def test_signs_of_comparison_are_no_matter_of_spelling(plant):
    pairs = [
        queries.pair(
            "Strong ones", f"SELECT COUNT(*) FROM pumps WHERE power {sign} 11", origin=f"import:x#{n}"
        )
        for n, sign in enumerate((">", "<"), 1)
    ]
    kept, _ = settled(plant, *pairs)
    assert all(r.reason.startswith("contradiction") for r in check.check(kept).rejected)


def test_unseen_wordings_are_held_out_and_no_question_is_in_two_splits(rows):
    splits = split.split(rows, DatasetSection(dev_share=0.1, test_share=0.1))
    named = {name: [r for r in rows if splits.get(r.id) == name] for name in ("train", "dev", "test")}
    assert named["dev"]
    assert named["test"]
    assert splits.figures["test_unseen_wordings"]
    trained = {row.fact for row in named["train"]}
    assert any(row.fact in trained for row in named["test"])
    questions = {name: {row.question for row in held} for name, held in named.items()}
    assert questions["train"].isdisjoint(questions["dev"] | questions["test"])


def test_a_held_out_table_is_asked_for_in_no_training_row():
    row = Example(
        messages=(Message(role="user", content="q"), Message(role="assistant", content="a")), kind="query"
    )
    made = [
        replace(
            row, question=f"Q {n}?", documents=(f"t{n % 8}.csv",), fact=f"f{n}",
            messages=(*row.messages[:1], Message(role="assistant", content=f"SELECT {n} FROM t{n % 8}")),
        )
        for n in range(160)
    ]  # fmt: skip
    splits = split.split(made, DatasetSection(dev_share=0.15, test_share=0.15))
    homes: dict[str, set[str]] = {}
    for example in made:
        homes.setdefault(example.documents[0], set()).add(splits[example.id])
    assert all(len(held) == 1 for held in homes.values())
    assert {"test"} in homes.values()


def test_a_dataset_of_the_workspace_holds_queries_and_teaches_both(plant):
    settings = DatasetSection(queries=30, max_rows=20)
    made = build.build(plant.folder, settings=settings)
    assert sum(row.kind == "query" for row in made) == 30
    with State.open(plant.folder.state_path) as state:
        pool.put_built(state, made)
        examples, left_out = pool.collect(state, plant.folder.tables_path)
    assert not left_out
    config = Config.model_validate({"dataset": settings.model_dump()})
    found = pool.examine(examples, config, access=[])
    assert not any("salar" in str(row.messages) for row in found.checked.accepted if row.kind == "query")
    assert "both" in record.arms([row for row in made if row.kind == "query"])


def test_a_row_is_out_of_date_when_any_table_that_it_shows_has_changed(tmp_path):
    with house(tmp_path) as workspace:
        folder = workspace.folder
        made = build.build(folder, settings=DatasetSection(queries=30, max_rows=1, grounded=0))
        made = [row for row in made if row.kind == "query"]
        beside = next(row for row in made if "jobs.csv" in row.beside)
        with State.open(folder.state_path) as state:
            pool.put_built(state, [beside])
            assert len(pool.collect(state, folder.tables_path)[0]) == 1
        csv(tmp_path / "docs" / "jobs.csv", "Job,Date,Pump,Kind of work,Hours (h)", JOBS[:-3])
        workspace.sync()
        with State.open(folder.state_path) as state:
            kept, left_out = pool.collect(state, folder.tables_path)
        assert kept == []
        assert [r.reason for r in left_out] == ["document changed: jobs.csv; run `loresmith dataset build`"]


# --- feedback -----------------------------------------------------------------------------------


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Workspace]:
    with house(tmp_path) as workspace:
        yield workspace


def lessons(workspace: Workspace) -> list[Example]:
    with State.open(workspace.folder.state_path) as state:
        return pool.collect(state, workspace.folder.tables_path)[0]


def test_an_approved_answer_from_tables_teaches_its_query_and_not_its_figure(told):
    answer = told.ask("How many pumps are in Basel?", arm="rag")
    assert answer.result is not None
    assert answer.via == "tables"
    told.feedback(answer, "approved")
    (row,) = lessons(told)
    assert row.kind == "query"
    assert row.origin.startswith("feedback:")
    assert row.value == str(sum(p[2] == "Basel" for p in PUMPS))
    with pytest.raises(StopIteration):
        next(r for r in lessons(told) if r.kind == "closed")


def test_a_rejected_query_is_taught_from_nowhere(told):
    question, sql = "Pumps of ours", "SELECT COUNT(*) FROM pumps WHERE site = 'Basel'"
    with State.open(told.folder.state_path) as state:
        pool.put_imported(state, Path("x.csv"), [queries.pair(question, sql, origin="import:x.csv#2")])
    assert [row.answer for row in lessons(told)] == [sql]
    written = "select count(*) as n from pumps where pumps.site = 'Basel'"
    feedback.record(told.folder, question, "There are 3.", "rejected", sql=written)
    assert lessons(told) == []


def test_a_correction_that_is_a_query_is_the_pair(told):
    feedback.record(
        told.folder, "Strongest pump", "It is P-100.", "corrected",
        correction="SELECT pump FROM pumps ORDER BY power DESC LIMIT 1", sql="SELECT pump FROM pumps LIMIT 1",
    )  # fmt: skip
    (row,) = lessons(told)
    assert (row.kind, row.value) == ("query", "P-302")
    feedback.record(
        told.folder, "Who pays?", "Nobody.", "corrected", correction="Select the payer from the list."
    )
    assert {row.kind for row in lessons(told)} == {"query", "closed"}


def test_a_plan_that_no_statement_comes_of_makes_no_row(tables):
    from loresmith.dataset.queries_plans import Meaning
    from loresmith.querying.plan import Measure, Plan, Ref, to_sql

    pumps = tables.catalog.table("pumps")
    assert pumps is not None
    plan = Plan("pumps", measures=(Measure("sum", Ref("pumps", "site")),))
    with pytest.raises(PlanError):
        to_sql(plan, tables.catalog)
    assert isinstance(queries._derived_proof(Meaning("figure", plan, pumps), tables), str)
