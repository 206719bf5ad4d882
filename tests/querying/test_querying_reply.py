"""Questions to an expert whose knowledge stands in manuals, tables and a report: who answers, from what."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import HashEmbedder

from loresmith import workspace as folders
from loresmith.expert import Workspace
from loresmith.models.fake import FakeModel
from loresmith.querying import rules
from loresmith.server.citing import Footnotes
from loresmith.state import State, learning
from loresmith.tables.profile import written_here
from loresmith.types import Filter, Sentence

PUMPS = """Pump;Model;Site;Hours since service (h);Power in kW
A-101;Aqua 40;Basel;1,850;5.5
A-102;Aqua 40;Basel;2,310;5.5
A-205;Aqua 80;Lyon;3,900;11
A-206;Aqua 80;Lyon;4,120.5;11
A-311;Hydro X5;Lyon;9,000;22
"""
SALARIES = "Name,Salary (EUR)\nErna Frost,91234\nTom Low,45678\n"
REPORT = """# Sales 2024

| in thousands | 2024 | 2023 |
| --- | --- | --- |
| Seals | 44.1 | 56.7 |
| Bearings | 120.0 | 96.0 |
"""


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Workspace]:
    docs, secret = tmp_path / "docs", tmp_path / "secret"
    docs.mkdir()
    secret.mkdir()
    for model, hours in (("Aqua 40", "2,000"), ("Aqua 80", "4,000")):
        text = f"# {model} operating manual\n\nThe service interval of the {model} is {hours} hours.\n"
        (docs / f"{model.lower().replace(' ', '-')}.md").write_text(text, encoding="utf-8")
    (docs / "pumps.csv").write_text(PUMPS, encoding="utf-8")
    (docs / "report.md").write_text(REPORT, encoding="utf-8")
    (secret / "salaries.csv").write_text(SALARIES, encoding="utf-8")
    folder = folders.create(tmp_path / "plant", {"model.name": "none"})
    with Workspace(folder, embedder=HashEmbedder()) as workspace:
        workspace.add(str(docs))
        workspace.add(str(secret), labels=["hr"])
        workspace.sync()
        yield workspace


def test_a_count_comes_from_the_table_with_its_rows(plant: Workspace) -> None:
    shown: list[Sentence] = []
    answer = plant.ask("How many pumps are at the site Lyon?", on_sentence=shown.append)
    assert answer.via == "tables"
    assert not answer.abstained
    assert answer.result is not None
    assert answer.result.rows == ((3,),)
    assert "3" in answer.answer
    assert answer.result.sql.startswith("SELECT")
    (basis,) = answer.result.basis
    assert (basis.document, basis.total) == ("pumps.csv", 3)
    assert [row.locator.row for row in basis.rows] == [4, 5, 6]
    assert list(answer.sentences) == shown
    cited = answer.sentences[0].citations[0]
    passage = plant.expert().passages([cited.passage])[0]
    assert cited.quote in passage.text


def test_a_sum_has_its_unit(plant: Workspace) -> None:
    answer = plant.ask("What is the total power of the pumps in Basel?")
    assert answer.result is not None
    assert answer.result.rows == ((11,),)
    assert "11 kW" in answer.answer


def test_what_the_manual_says_comes_from_the_manual(plant: Workspace) -> None:
    answer = plant.ask("What is the service interval of the Aqua 80?")
    assert answer.via == "passages"
    assert "4,000" in answer.answer
    assert answer.sentences[0].citations[0].document == "aqua-80.md"


def test_a_rule_of_the_manual_is_applied_to_the_rows_of_its_own_model(plant: Workspace) -> None:
    answer = plant.ask("Which pumps are past the service interval the manual gives?")
    assert answer.via == "both"
    assert answer.result is not None
    assert [row[0] for row in answer.result.rows] == ["A-206", "A-102"]
    cited = {c.document for s in answer.sentences for c in s.citations}
    assert {"aqua-40.md", "aqua-80.md", "pumps.csv"} <= cited
    assert "Hydro X5" in answer.reason


def test_a_figure_of_a_report_is_computed_from_its_cells(plant: Workspace) -> None:
    answer = plant.ask("What is the change in Seals in 2024 from 2023?")
    assert answer.via == "tables"
    assert answer.result is not None
    assert answer.result.formula
    assert "12.6" in answer.answer
    assert {c.document for s in answer.sentences for c in s.citations} == {"report.md"}


def test_a_reader_without_the_label_has_no_such_table(plant: Workspace) -> None:
    question = "What is the average salary?"
    own = plant.ask(question)
    assert own.result is not None
    assert own.result.rows == ((68456,),)
    other = plant.ask(question, where=Filter(access=()))
    assert other.result is None
    assert other.abstained
    told = str(other.to_dict())
    assert not any(word in told for word in ("91234", "45678", "68456", "salaries"))


def test_a_filter_on_documents_holds_for_tables(plant: Workspace) -> None:
    only = plant.ask("How many pumps are at the site Lyon?", where=Filter(documents=("aqua-40.md",)))
    assert only.result is None


def test_tables_can_be_left_to_the_passages(plant: Workspace, tmp_path: Path) -> None:
    folder = folders.open_dir(tmp_path / "plant", {"answer.tables": False})
    with Workspace(folder, embedder=HashEmbedder()) as workspace:
        assert workspace.ask("How many pumps are at the site Lyon?").via == "passages"


def test_a_changed_table_answers_anew(plant: Workspace, tmp_path: Path) -> None:
    question = "How many pumps are at the site Lyon?"
    assert plant.ask(question).answer
    (tmp_path / "docs" / "pumps.csv").write_text(PUMPS.replace("Hydro X5;Lyon", "Hydro X5;Basel"), "utf-8")
    plant.sync()
    found = plant.ask(question).result
    assert found is not None
    assert found.rows == ((2,),)
    (tmp_path / "docs" / "pumps.csv").unlink()
    plant.sync()
    assert plant.ask(question).result is None


@pytest.mark.parametrize(
    ("question", "noun", "beyond"),
    [
        ("Which pumps are past the service interval the manual gives?", "service interval", True),
        ("Which motors exceed the maximum permitted bearing temperature?", None, True),
        ("Which assets are below the minimum flow stated in the manual?", "minimum flow", False),
        (
            "Welche Pumpen überschreiten das im Handbuch angegebene Wartungsintervall?",
            "Wartungsintervall",
            True,
        ),
    ],
)
def test_what_must_be_looked_up(question: str, noun: str | None, beyond: bool) -> None:
    asked = rules.wanted(question)
    assert asked is not None
    assert asked.beyond is beyond
    assert noun is None or asked.noun == noun


@pytest.mark.parametrize(
    "question",
    [
        "Which pumps have more than 5000 hours?",
        "Which parts cost more than 100 EUR?",
        "How many parts are in stock?",
        "Which customers are over the credit line?",
    ],
)
def test_what_gives_its_own_figure_is_no_rule(question: str) -> None:
    assert rules.wanted(question) is None


def test_what_loresmith_wrote_of_a_table_is_never_quoted(plant: Workspace) -> None:
    found = plant.search("Description of the data pumps columns Model Site", 10)
    assert any(written_here(hit.passage) for hit in found)
    for question in ("Which columns does the table pumps have?", "What is known of each pump?"):
        answer = plant.ask(question)
        assert not any("Description of the data" in c.quote for s in answer.sentences for c in s.citations)
        cited = {c.passage for s in answer.sentences for c in s.citations if c.passage}
        assert not any(written_here(p) for p in plant.expert().passages(sorted(cited)))


def test_a_follow_up_is_put_to_the_tables_as_the_whole_question(plant: Workspace) -> None:
    first = "How many pumps are at the site Lyon?"
    answer = plant.ask("and Basel?", history=[(first, "3 rows.")])
    assert answer.question == "and Basel?"
    assert answer.result is not None
    assert answer.result.rows == ((2,),)
    assert answer.result.asked == "How many pumps are at the site Basel?"
    assert "Basel" in answer.answer  # what was asked is said
    assert answer.to_dict()["result"]["asked"] == answer.result.asked
    alone = plant.ask(first, history=[(first, "3 rows.")])
    assert alone.result is not None
    assert alone.result.asked == ""


def test_a_chat_of_many_turns_is_followed(plant: Workspace) -> None:
    plant.ask("How many pumps are at the site Lyon?", chat="one")
    assert plant.ask("What is the service interval of the Aqua 80?", chat="one").via == "passages"
    plant.ask("How many pumps are at the site Lyon?", chat="one")
    plant.ask("and Basel?", chat="one")
    last = plant.ask("How many of them have a power over 10 kW?", chat="one")
    assert last.result is not None
    assert last.result.rows == ((0,),)
    assert "Basel" in last.result.reading


def test_what_they_are_is_never_left_out(plant: Workspace) -> None:
    history = [("What is the service interval of the Aqua 80?", "4,000 hours.")]
    answer = plant.ask("What is the total power of them?", history=history)
    assert answer.result is None  # not of all pumps


def test_a_correction_of_a_follow_up_teaches_the_whole_question(plant: Workspace) -> None:
    answer = plant.ask("and Basel?", history=[("How many pumps are at the site Lyon?", "3 rows.")])
    plant.feedback(answer, "approved")
    with State.open(plant.folder.state_path) as state:
        (row,) = learning.feedback(state)
    assert row.payload["question"] == "How many pumps are at the site Basel?"


NOTHING = [
    "Which pumps have a power over 500 kW?",  # no row
    "How many pumps have a power over 500 kW?",  # 0
    "What is the total power of the pumps with a power over 500 kW?",  # no value
]


@pytest.mark.parametrize("question", NOTHING)
def test_what_rests_on_no_row_cites_the_table_that_was_looked_through(
    question: str, plant: Workspace
) -> None:
    answer = plant.ask(question)
    assert not answer.abstained
    assert answer.via == "tables"
    assert answer.result is not None
    assert "500 kW" in answer.answer  # what was asked
    (cited,) = answer.sentences[0].citations
    assert cited.document == "pumps.csv"
    passage = plant.expert().passages([cited.passage])[0]
    assert cited.quote in passage.text
    assert cited.quote.startswith("Pump")
    told = answer.to_dict()
    assert told["result"]["sql"].startswith("SELECT")
    assert told["sentences"][0]["citations"][0]["quote"] == cited.quote
    footnotes = Footnotes()
    text, _ = footnotes.sentence(answer.sentences[0])
    assert text.endswith("[^1]")
    assert "pumps.csv" in footnotes.rest()


def test_a_refused_query_is_counted_where_passages_have_the_last_word(plant: Workspace) -> None:
    question = "How many of the pumps we run does the site Lyon hold?"
    plant._model = FakeModel(["SELECT weight FROM pumps", "SELECT weight FROM pumps"])
    refused = plant.ask(question)
    assert refused.via == "passages"
    assert [d.text for d in refused.dropped] == ["SELECT weight FROM pumps"] * 2
    assert refused.tokens["query"] > 0
    assert refused.tokens["query_prompt"] > 400  # both prompts: the tables are in them
    plant._model = FakeModel(["SELECT COUNT(*) FROM pumps WHERE site = 'Lyon'"])
    found = plant.ask(question)
    assert found.result is not None
    assert found.result.by == "model"
    assert found.usage == (found.tokens["query_prompt"], found.tokens["query"])
    assert found.tokens["answer"] == 0  # a limit of the answer's length has nothing to do with it
    assert plant.ask("How many pumps are at the site Lyon?").usage == (0, 0)  # by code
