"""From a question to a result by a model: what is run, what is repaired, what is refused."""

from __future__ import annotations

import pytest
from querying.worlds import MAINTENANCE, PUMPS, maintenance_world

from loresmith.config import ModelSection
from loresmith.models.fake import FakeModel
from loresmith.querying import judge, prompt
from loresmith.querying.ask import ask
from loresmith.querying.write import extract, write

SETTINGS = ModelSection(name="fake")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return maintenance_world(tmp_path_factory.mktemp("world"))


def asked(world, question, model, **options):
    path, catalog = world
    return ask(question, path, catalog, model, SETTINGS, **{"code": False, "threshold": 0.0, **options})


def test_the_models_query_is_run_and_said(world):
    model = FakeModel("SELECT SUM(hours) FROM maintenance WHERE pump = 'P-200'")
    found = asked(world, "How many hours of maintenance had pump P-200?", model)
    expected = sum(m[4] for m in MAINTENANCE if m[1] == "P-200")
    assert found.result is not None
    assert found.result.rows == ((pytest.approx(expected),),)
    assert found.result.by == "model"
    assert found.result.units == ("h",)
    assert found.result.basis[0].total == sum(m[1] == "P-200" for m in MAINTENANCE)
    assert f"{expected:g}" in found.sentences[0].text.replace(",", "")
    assert found.tokens > 0
    assert found.tried == ()


def test_code_answers_without_asking_the_model(world):
    model = FakeModel("SELECT 1 FROM pumps")
    found = asked(world, "How many pumps are there?", model, code=True)
    assert found.result is not None
    assert found.result.by == "code"
    assert found.result.rows == ((len(PUMPS),),)
    assert model.prompts == []


def test_the_grammar_names_what_the_prompt_shows(world):
    model = FakeModel("SELECT COUNT(*) FROM pumps")
    asked(world, "How many pumps are in Köln?", model)
    assert '"maintenance"' in model.grammars[0]
    assert '"_row"' not in model.grammars[0]
    other = FakeModel("SELECT COUNT(*) FROM pumps", supports_grammar=False)
    asked(world, "How many pumps are in Köln?", other)
    assert other.grammars == [None]


def test_a_refused_statement_is_repaired_with_its_reason(world):
    model = FakeModel(["SELECT weight FROM pumps", "SELECT MAX(power) FROM pumps"])
    found = asked(world, "What is the highest power of a pump?", model)
    assert found.result is not None
    assert found.result.rows == ((22.5,),)
    assert found.tried[0][0] == "SELECT weight FROM pumps"
    assert "weight" in found.tried[0][1]
    assert "weight" in model.prompts[1][-1]["content"]
    assert model.prompts[1][-2]["content"] == "SELECT weight FROM pumps"


def test_a_text_that_stands_nowhere_is_said_to_the_model(world):
    model = FakeModel(
        [
            "SELECT COUNT(*) FROM pumps WHERE model = 'Basel'",
            "SELECT COUNT(*) FROM pumps WHERE site = 'basel'",
        ]
    )
    found = asked(world, "How many pumps stand in Basel?", model)
    assert "it stands in pumps.site" in model.prompts[1][-1]["content"]
    assert found.result is not None
    assert found.result.rows == ((sum(p[2] == "Basel" for p in PUMPS),),)  # respelled as it stands there


def test_after_two_repairs_it_abstains_with_the_reason(world):
    model = FakeModel(
        ["SELECT a FROM pumps", "SELECT b FROM pumps", "SELECT c FROM pumps", "SELECT pump FROM pumps"]
    )
    found = asked(world, "Which pumps are there?", model)
    assert found.result is None
    assert len(model.prompts) == 3
    assert [sql for sql, _ in found.tried] == [
        "SELECT a FROM pumps",
        "SELECT b FROM pumps",
        "SELECT c FROM pumps",
    ]
    assert found.reason == found.tried[-1][1]


def test_who_repeats_itself_is_not_asked_a_third_time(world):
    model = FakeModel("SELECT a FROM pumps")
    assert asked(world, "Which pumps are there?", model).result is None
    assert len(model.prompts) == 2


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM pumps",
        "SELECT pump FROM pumps; DROP TABLE pumps",
        "ATTACH DATABASE '/etc/passwd' AS x",
        "PRAGMA writable_schema = 1",
        "SELECT name FROM sqlite_master",
        "SELECT load_extension('x')",
        "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT n FROM t",
    ],
)
def test_whatever_a_model_writes_only_reading_is_run(world, sql):
    path, _ = world
    before = path.read_bytes()
    found = asked(world, "Which pumps are there?", FakeModel(sql))
    assert found.result is None
    assert found.tried
    assert path.read_bytes() == before


def test_tables_that_a_reader_may_not_see_do_not_exist(world):
    path, catalog = world
    model = FakeModel("SELECT salary FROM salaries")
    found = ask("Which salary?", path, catalog.visible(()), model, SETTINGS, code=False, threshold=0.0)
    assert found.result is None
    assert "CANARY" not in str(found)
    assert not any("salaries" in m["content"] for p in model.prompts for m in p if m["role"] == "user")


@pytest.mark.parametrize(
    "question",
    [
        "Why is the sky blue?",
        "Who wrote the novel about the white whale?",
        "What are the advantages of remote work for large companies?",
    ],
)
def test_what_the_tables_do_not_hold_costs_nothing(world, question):
    model = FakeModel("SELECT COUNT(*) FROM pumps")
    found = asked(world, question, model, code=True)
    assert found.result is None
    assert found.reason
    assert model.prompts == []


def test_a_result_below_the_threshold_is_withheld_and_told(world):
    model = FakeModel("SELECT COUNT(*) FROM pumps")
    found = asked(world, "How many pumps are in Köln?", model, threshold=1.01)
    assert found.result is None
    assert "confidence" in found.reason
    assert found.tried[-1][0].startswith("SELECT COUNT(*) FROM pumps")


def test_no_tables_no_question(world):
    from loresmith.tables.values import Catalog

    assert ask("How many pumps?", world[0], Catalog(), None, SETTINGS).reason == "there are no tables"


def test_facts_of_documents_reach_the_model(world):
    model = FakeModel("SELECT pump FROM pumps WHERE power > 12")
    asked(world, "Which pumps have more power than allowed?", model, facts=["At most 12 kW are allowed."])
    assert "At most 12 kW are allowed." in model.prompts[0][-1]["content"]


def test_a_model_with_an_adapter_is_asked_as_it_was_trained(world):
    model = FakeModel("SELECT COUNT(*) FROM pumps")
    asked(world, "How many pumps are in Köln?", model, budget=prompt.TUNED_BUDGET)
    assert [m["role"] for m in model.prompts[0]] == ["system", "user"]
    assert '"JOIN ' in model.grammars[0]


def test_a_prompt_that_does_not_fit_shows_less(world):
    few = FakeModel("SELECT COUNT(*) FROM pumps", context_tokens=600)
    found = asked(world, "How many pumps are in Köln?", few)
    assert found.result is not None
    assert len(few.prompts) == 1
    assert "CREATE TABLE pumps" in few.prompts[0][-1]["content"]
    none = asked(world, "How many pumps are in Köln?", FakeModel("SELECT 1", context_tokens=210))
    assert none.result is None
    assert "too long" in none.reason


def test_the_plan_is_another_way_to_ask(world):
    plan = (
        '{"table": "maintenance", "show": [], "measures": [{"func": "sum", "column": "maintenance.hours"}], '
        '"where": [{"column": "maintenance.pump", "op": "=", "values": ["P-200"]}], "group": [], "order": []}'
    )
    found = asked(world, "How many hours of maintenance had pump P-200?", FakeModel(plan), way="plan")
    assert found.result is not None
    assert found.result.rows == ((pytest.approx(sum(m[4] for m in MAINTENANCE if m[1] == "P-200")),),)
    broken = asked(
        world, "How many hours of maintenance had P-200?", FakeModel('{"table": "pumps"'), way="plan"
    )
    assert broken.result is None
    assert "JSON" in broken.reason


@pytest.mark.parametrize(
    "text",
    [
        "```sql\nSELECT 1\n```",
        "Here it is:\n```\nSELECT 1;\n```\nIt counts.",
        "SELECT 1;",
        "```sql\nSELECT 1",
    ],
)
def test_a_statement_is_found_in_what_is_written_around_it(text):
    assert extract(text) == "SELECT 1"


def test_what_was_written_is_counted(world):
    written = write([{"role": "user", "content": "?"}], FakeModel("SELECT 1 FROM pumps"), SETTINGS, world[1])
    assert written.tokens == 4
    assert written.logprob == pytest.approx(-0.1)


def test_confidence_falls_with_what_the_statement_leaves_out(world):
    question = "How many hours of maintenance had pump P-200 in Köln?"
    full = asked(
        world,
        question,
        FakeModel("SELECT SUM(hours) FROM maintenance WHERE pump = 'P-200' AND site = 'Köln'"),
    )
    half = asked(world, question, FakeModel("SELECT SUM(hours) FROM maintenance"))
    assert full.result is not None
    assert half.confidence < full.confidence <= 1
    assert 0 < judge.THRESHOLD < 1
