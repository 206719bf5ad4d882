"""What the tables gave, in the page and behind it: figures, chart, query, the rows, a file of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from helpers import HashEmbedder
from serving import Serve
from test_server_page_browser import Visit, ask, chromium  # noqa: F401

from loresmith import workspace as folders
from loresmith.expert import Workspace

PUMPS = "Pump,Technician,Hours (h),Remark\n" + "".join(
    f"P-{200 + n % 3},{'Anna' if n % 2 else 'Ben'},{n}.5,work {n} was done as planned\n" for n in range(1, 13)
)
REPORT = """<html><head><title>Annual report</title></head><body><h1>Sales</h1>
<p>Net sales by type of contract (in millions):</p><table>
<tr><td></td><td>2019</td><td>2018</td><td>2017</td></tr>
<tr><td>Fixed price</td><td>$ 1,452.4</td><td>$ 1,146.2</td><td>$ 1,036.9</td></tr>
<tr><td>Other</td><td>44.1</td><td>56.7</td><td>70.8</td></tr>
<tr><td>Total sales</td><td>$ 1,496.5</td><td>$ 1,202.9</td><td>$ 1,107.7</td></tr>
</table></body></html>"""
HOURS = "What is the total of hours per pump?"
CHANGE = "What is the percentage change in Other from 2018 to 2019?"
YEARS = "What were total sales in 2019, 2018 and 2017 respectively?"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("tables")
    (home / "docs").mkdir()
    (home / "secret").mkdir()
    (home / "docs" / "maintenance.csv").write_text(PUMPS)
    (home / "docs" / "report.html").write_text(REPORT)
    (home / "secret" / "wages.csv").write_text("Name,Wage\nErna,90000\nOtto,80000\n")
    folder = folders.create(home / "plant", {"model.name": "none"})
    with Workspace(folder, embedder=HashEmbedder()) as workspace:
        workspace.add(str(home / "docs"))
        workspace.add(str(home / "secret"), labels=["staff"])
        workspace.sync()
    return home / "plant"


@pytest.fixture
def serve(root: Path) -> Iterator[Serve]:
    with ExitStack() as stack:
        yield Serve(root, stack)
    (root / ".loresmith" / "keys.json").unlink(missing_ok=True)


@pytest.fixture
def visit(chromium: Any, serve: Serve) -> Iterator[Callable[..., Any]]:  # noqa: F811
    with ExitStack() as stack:
        made = Visit(chromium, stack, serve.live())
        yield made
    assert made.complaints == []
    assert made.foreign == []


# --- the row behind a result --------------------------------------------------------------------------


def answered(client: Any, question: str) -> dict[str, Any]:
    told = client.post("/api/ask", json={"question": question}).text
    data = next(part for part in told.split("\n\n") if part.startswith("event: answer"))
    found = json.loads(data.split("data: ", 1)[1])["answer"]
    assert isinstance(found, dict)
    return found


def test_each_row_that_a_result_rests_on_is_found_where_it_stands(serve: Serve) -> None:
    client = serve()
    basis = answered(client, HOURS)["result"]["basis"][0]
    assert basis["total"] == 12
    for row in basis["rows"]:
        place = {k: v for k, v in row["locator"].items() if k in ("start", "sheet", "row", "key")}
        told = client.get("/api/row", params={"document": basis["document"], **place}).json()
        assert str(row["cells"][-1]) in told["quote"]
        assert told["text"][told["locator"]["start"] - told["start"] :].startswith(told["quote"])


def test_the_row_of_a_report_is_found_by_its_span(serve: Serve) -> None:
    client = serve()
    basis = answered(client, CHANGE)["result"]["basis"][0]
    place = {"document": basis["document"], "start": basis["rows"][0]["locator"]["start"]}
    assert client.get("/api/row", params=place).json()["quote"].startswith("Other; 2019: 44.1")


@pytest.mark.parametrize(
    "place",
    [
        {"document": "maintenance.csv", "row": 999},
        {"document": "maintenance.csv", "key": "none"},
        {"document": "maintenance.csv"},
        {"document": "nothing.csv", "row": 2},
        {"document": "report.html", "start": 1_000_000},
    ],
)
def test_a_row_that_is_not_there_is_said_to_be_missing(serve: Serve, place: dict[str, Any]) -> None:
    answer = serve().get("/api/row", params=place)
    assert answer.status_code == 404
    assert answer.json()["error"]["message"]


def test_the_rows_of_a_labelled_table_are_for_its_readers_alone(serve: Serve) -> None:
    place = {"document": "wages.csv", "row": 2}
    outsider, insider = serve.key("anna"), serve.key("otto", "reader", ["staff"])
    client = serve()
    refused = client.get("/api/row", params=place, headers=outsider)
    assert refused.status_code == 404
    assert "90000" not in refused.text
    assert "90000" in client.get("/api/row", params=place, headers=insider).text


def test_the_tables_of_a_document_are_told_to_those_who_may_see_it(serve: Serve) -> None:
    outsider = serve.key("eva")
    client = serve()
    told = client.get("/api/tables", params={"document": "maintenance.csv"}, headers=outsider).json()[
        "tables"
    ]
    assert [(table["name"], table["rows"]) for table in told] == [("maintenance", 12)]
    assert [(c["name"], c["unit"]) for c in told[0]["columns"]][2] == ("Hours", "h")
    report = client.get("/api/tables", params={"document": "report.html"}, headers=outsider)
    assert report.json() == {"tables": []}
    hidden = client.get("/api/tables", params={"document": "wages.csv"}, headers=outsider)
    assert hidden.status_code == 404
    assert "Wage" not in hidden.text


# --- in a browser -------------------------------------------------------------------------------------


@pytest.mark.browser
def test_a_result_is_shown_as_table_and_chart_with_its_query_and_its_rows(visit: Callable[..., Any]) -> None:
    page = visit()
    turn = ask(page, HOURS)
    result = turn.locator(".result")
    result.wait_for()
    assert result.locator("thead th").first.inner_text() == "Pump"
    assert result.locator(".wide").first.locator("tbody tr").count() == 3
    spoken = result.locator(".chart svg").get_attribute("aria-label")
    assert "P-200" in spoken
    assert result.locator(".chart .bar").count() == 3
    query = result.locator("details.query")
    assert not query.locator("pre").is_visible()
    query.locator("summary").click()
    assert "SELECT" in query.locator("pre").inner_text()
    assert "Hours" in query.locator(".reading").inner_text()
    assert "from tables" in turn.locator(".foot .meta").inner_text()
    result.locator("details.basis summary").click()
    row = result.locator(".basis-table .link").first
    row.click()
    page.locator("#panel mark").wait_for()
    assert "work 1 was done" in page.locator("#panel mark").inner_text()


@pytest.mark.browser
def test_a_computed_figure_shows_its_formula_and_years_become_a_line(visit: Callable[..., Any]) -> None:
    page = visit()
    turn = ask(page, CHANGE)
    formula = turn.locator(".result .formula")
    formula.wait_for()
    assert "(44.1 − 56.7) / 56.7" in formula.inner_text()
    assert turn.locator(".result .chart").count() == turn.locator(".result details.query").count() == 0
    turn = ask(page, YEARS)
    turn.locator(".result .chart path").wait_for()
    assert turn.locator(".result .chart circle").count() == 3
    assert "2,019" not in turn.locator(".result").inner_text()


@pytest.mark.browser
def test_a_source_without_a_passage_opens_the_row_it_names(visit: Callable[..., Any]) -> None:
    """Of a row that no passage retrieved holds, a citation names only the place."""
    page = visit()
    ask(page, CHANGE)
    page.evaluate(
        """() => {
        const talk = JSON.parse(sessionStorage.getItem("loresmith.talk"));
        for (const one of talk.turns[0].answer.sentences.flatMap((said) => said.citations)) one.passage = "";
        sessionStorage.setItem("loresmith.talk", JSON.stringify(talk)); }"""
    )
    page.reload()
    page.locator(".turn .ref").first.click()
    page.locator("#panel mark").first.wait_for()
    assert "44.1" in page.locator("#panel mark").first.inner_text()


@pytest.mark.browser
def test_the_result_is_saved_as_a_file_that_runs_nothing(visit: Callable[..., Any], tmp_path: Path) -> None:
    page = visit()
    turn = ask(page, HOURS)
    turn.locator(".result").wait_for()
    with page.expect_download() as waiting:
        turn.locator(".result .actions button").click()
    waiting.value.save_as(tmp_path / "result.csv")
    lines = (tmp_path / "result.csv").read_text(encoding="utf-8-sig").splitlines()
    assert waiting.value.suggested_filename == "result.csv"
    assert lines[0].startswith("Pump,")
    assert len(lines) == 4
    made = page.evaluate(
        """async () => (await import("/page/js/result.js")).csv({
            columns: ["a", "b"], units: ["", "h"],
            rows: [["=1+1", -2], ["@SUM(A1)", null], ['say "x", y', 1.5], ["two\\nlines", 0]]})"""
    )
    assert made.split("\r\n") == ["a,b (h)", "'=1+1,-2", "'@SUM(A1),", '"say ""x"", y",1.5', '"two\nlines",0']


@pytest.mark.browser
def test_a_document_shows_its_tables(visit: Callable[..., Any]) -> None:
    page = visit("documents")
    page.locator(".doc", has_text="maintenance").click()
    page.locator("#panel h3", has_text="Tables").wait_for()
    assert "Hours (h)" in page.locator("#panel").inner_text()
    assert "12 rows" in page.locator("#panel").inner_text()


@pytest.mark.browser
@pytest.mark.parametrize("language", ["it", "es", "zh-CN"])
def test_a_phone_shows_it_without_going_over_the_edge(visit: Callable[..., Any], language: str) -> None:
    page = visit(viewport={"width": 360, "height": 740}, locale=language, color_scheme="dark")
    turn = ask(page, HOURS)
    turn.locator(".result details.basis summary").click()
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert "result." not in turn.locator(".result").inner_text()
