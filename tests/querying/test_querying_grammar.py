"""The grammar of queries: what exists is taken, everything else is not."""

from __future__ import annotations

import json

import pytest
from models.tiny_models import write_phi3_gguf
from querying.gbnf import Grammar
from querying.worlds import maintenance_world

from loresmith.config import ModelSection
from loresmith.models import llamacpp
from loresmith.querying import prompt
from loresmith.querying.grammar import plan_grammar, sql_grammar


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    return maintenance_world(tmp_path_factory.mktemp("world"))[1]


@pytest.fixture(scope="module")
def whole(catalog):
    return Grammar(sql_grammar(catalog))


@pytest.fixture(scope="module")
def single(catalog):
    return Grammar(sql_grammar(catalog, joins=False))


QUERIES = (
    "SELECT COUNT(*) FROM pumps",
    "SELECT DISTINCT site FROM pumps ORDER BY site DESC LIMIT 5;",
    "SELECT pumps.site, SUM(maintenance.hours) AS total FROM maintenance WHERE maintenance.date "
    "BETWEEN '2023-01-01' AND '2023-12-31' GROUP BY pumps.site HAVING SUM(maintenance.hours) > 10.5 "
    "ORDER BY total",
    "SELECT SUM(CASE WHEN parts.stock = 0 THEN 1 ELSE 0 END) * 1.0 / COUNT(*) FROM parts",
    "SELECT pump FROM pumps WHERE pump NOT IN (SELECT pump FROM maintenance WHERE kind_of_work LIKE '%oil%')",
    "SELECT COUNT(*) FROM (SELECT pump FROM maintenance GROUP BY pump HAVING COUNT(*) > 3) AS t",
    "SELECT STRFTIME('%Y', maintenance.date), ROUND(AVG(cost), 2) FROM maintenance "
    "GROUP BY STRFTIME('%Y', date)",
    "SELECT name FROM technicians WHERE name = 'Tom O''Neill' OR hired IS NULL",
    "SELECT (hours - 1) * cost FROM maintenance WHERE NOT (part = '03001' OR part IS NULL)",
    "SELECT site FROM pumps UNION SELECT supplier FROM parts",
    "SELECT CAST(COUNT(*) AS REAL) / COUNT(DISTINCT pump) FROM maintenance",
)
JOINED = (
    "SELECT team, COUNT(*) FROM maintenance JOIN technicians ON maintenance.technician = technicians.name "
    "GROUP BY team",
    "SELECT T2.team FROM maintenance AS T1 LEFT JOIN technicians AS T2 ON T1.technician = T2.name",
)
REFUSED = (
    "DROP TABLE pumps",
    "SELECT * FROM pumps",
    "SELECT secret FROM pumps",
    "SELECT pump FROM valves",
    "SELECT pumps.hours FROM pumps",
    "SELECT pump FROM pumps; DELETE FROM pumps",
    "SELECT LOAD_EXTENSION('x') FROM pumps",
    "SELECT READFILE('x') FROM pumps",
    "SELECT pump FROM sqlite_master",
    "SELECT _row FROM pumps",
    "INSERT INTO pumps VALUES (1)",
    "PRAGMA table_info(pumps)",
    "SELECT pump FROM pumps WHERE pump = 'a\nb'",
    "SELECT pump FROM pumps LIMIT (SELECT 1)",
    "SELECT LOWER(LOWER(LOWER(pump))) FROM pumps",
    "SELECT ((((hours)))) FROM maintenance",
    "SELECT pump AS secret FROM pumps",
    "",
)


@pytest.mark.parametrize("sql", QUERIES)
def test_queries_over_the_tables_are_taken(whole, single, sql):
    assert whole.takes(sql)
    assert single.takes(sql)


@pytest.mark.parametrize("sql", JOINED)
def test_joins_and_aliases_only_where_they_are_the_models(whole, single, sql):
    assert whole.takes(sql)
    assert not single.takes(sql)


@pytest.mark.parametrize("sql", REFUSED)
def test_nothing_else_is(whole, single, sql):
    assert not whole.takes(sql)
    assert not single.takes(sql)


def test_the_examples_of_the_prompt_are_sentences_of_the_grammar(tmp_path):
    from querying.worlds import Given, write

    tables = [
        Given(
            "customer",
            "c",
            [("id", "id", "integer", ""), ("n", "name", "text", ""), ("c", "city", "text", "")],
            [],
        ),
        Given(
            "delivery",
            "d",
            [
                ("id", "id", "integer", ""),
                ("c", "customer_id", "integer", ""),
                ("day", "day", "date", ""),
                ("w", "weight", "real", ""),
                ("r", "returned", "boolean", ""),
            ],
            [],
        ),
    ]
    catalog = write(tmp_path / "t.db", tables)
    for way in ("sql", "table"):
        grammar = Grammar(sql_grammar(catalog, joins=way == "sql"))
        turns = prompt.messages("?", catalog, None, way=way, examples=True)
        said = [m["content"] for m in turns if m["role"] == "assistant"]
        assert len(said) == 6
        assert all(grammar.takes(sql) for sql in said)


@pytest.mark.parametrize("joins", [True, False])
def test_llama_cpp_follows_it(tmp_path, catalog, joins):
    """A model that would say something else altogether begins a query."""
    path = write_phi3_gguf(tmp_path / "phi3.gguf", ["The", " torque", " is", " 25", " Nm", ".", "<|end|>"])
    model = llamacpp.load(ModelSection(name=str(path), threads=1))
    try:
        asked = [{"role": "user", "content": "How many pumps?"}]
        rules = sql_grammar(catalog, joins=joins)
        text = "".join(p.text for p in model.generate(asked, max_tokens=12, grammar=rules))
        assert text
        assert text.startswith("SELECT "[: len(text)])
    finally:
        model.close()


def test_plans_have_a_grammar_too(catalog):
    assert "maintenance.hours" in plan_grammar(catalog)


def test_names_with_quotes_cannot_break_the_grammar():
    """Identifiers are never in need of quotes; a grammar made of others would still be one."""
    from loresmith.querying import grammar

    assert grammar._literal('a"b\\') == json.dumps('a"b\\')


@pytest.mark.parametrize(
    "question",
    [
        "How many hours of maintenance by technician in 2023, highest first?",
        "What percentage of pumps are in Köln?",
        "How many inspections per year?",
        "How many different models of pumps are there?",
        "Which pumps had no maintenance?",
        "Average cost of an oil change by site",
        "Top 3 parts by unit price",
        "Which technicians worked more than 20 hours?",
    ],
)
def test_what_code_writes_is_taken_since_adapters_learn_it(tmp_path, question):
    from contextlib import closing

    from loresmith.querying.linking import link
    from loresmith.querying.plan import to_sql
    from loresmith.querying.understand import plans
    from loresmith.tables.store import connect

    path, catalog = maintenance_world(tmp_path)
    grammar = Grammar(sql_grammar(catalog))
    with closing(connect(path)) as connection:
        found = plans(question, link(question, catalog, connection), catalog)
    assert found
    for plan in found:
        sql = to_sql(plan, catalog)
        assert grammar.takes(sql), sql
