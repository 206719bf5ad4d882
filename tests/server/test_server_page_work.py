"""Long work in the page: review by keyboard, what was killed, comparisons to read, releases, adapters."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from helpers import HashEmbedder
from serving import QUESTION, Serve
from test_server_page_browser import Visit, chromium, visit  # noqa: F401

from loresmith import workspace as folders
from loresmith.answering import unaided
from loresmith.dataset import feedback, store
from loresmith.dataset.duplicates import normal
from loresmith.dataset.example import Example
from loresmith.evaluation.comparison import prepare, report, run
from loresmith.evaluation.comparison import questions as files
from loresmith.expert import Workspace
from loresmith.server import jobs
from loresmith.state import State
from loresmith.workspace import WorkspaceDir, write_atomic

pytestmark = pytest.mark.browser

ROWS = 3


@pytest.fixture
def folder(serve: Serve) -> WorkspaceDir:
    return folders.open_dir(serve.root)


@pytest.fixture
def rows(folder: WorkspaceDir) -> list[Example]:
    """A dataset of a few rows, in the order in which the page shows them."""
    made = []
    for n in range(ROWS):
        question = f"What is part {n} called?"
        messages = (*unaided.messages(question), {"role": "assistant", "content": f"Part {n} is a bolt."})
        made.append(
            Example(messages=messages, kind="closed", question=question, fact=f"f{n}", origin="import:x")
        )  # type: ignore[arg-type]
    store.save(folder.datasets_dir, made, {row.id: "train" for row in made})
    return list(store.load(folder.datasets_dir).train)


@pytest.fixture
def compared(folder: WorkspaceDir, tmp_path: Path) -> str:
    """The id of a real comparison, of the one way that needs no model."""
    asked = tmp_path / "questions.jsonl"
    asked.write_text(json.dumps({"id": "q1", "question": QUESTION, "answer": "25 Nm"}) + "\n")
    held = run.hold(folder, None)
    arms, skipped = run.possible(held, None, (), ("rag",), with_controls=False)
    with Workspace(held, embedder=HashEmbedder()) as workspace:
        prepared = prepare.prepare(workspace, files.read(asked), adapter=None, general=False)
        place = run.compare(workspace, prepared, arms=arms, skipped=skipped)
    report.write(place)
    return place.name


def ended_job(folder: WorkspaceDir, kind: str, end: dict[str, Any], stage: str) -> str:
    """What a job of the past has left."""
    place, name = jobs.jobs_dir(folder), "20260101-000000-000abcd"
    place.mkdir(exist_ok=True)
    told = {"id": name, "kind": kind, "options": {"method": "lora"}, "created": time.time() - 60}
    for ending, content in (
        ("json", told),
        ("started", {"started": time.time() - 50}),
        ("progress", {"stage": stage, "done": 12, "total": 20}),
        ("end", {"finished": time.time() - 5, **end}),
    ):
        write_atomic(place / f"{name}.{ending}", json.dumps(content).encode())
    return name


def test_rows_are_judged_by_keyboard_and_the_next_build_heeds_it(
    visit: Callable[..., Visit],  # noqa: F811
    folder: WorkspaceDir,
    rows: list[Example],
) -> None:
    page = visit()("teach/review", ready=".row-card h2")
    card = page.locator(".row-card h2")
    assert card.inner_text() == rows[0].question
    page.keyboard.press("r")
    page.locator(".row-card h2", has_text=rows[1].question).wait_for()
    page.keyboard.press("m")
    page.locator("textarea#mend").fill("That part is a washer.")
    page.keyboard.press("Control+Enter")
    page.locator(".row-card h2", has_text=rows[2].question).wait_for()
    page.keyboard.press("a")
    page.get_by_text("3 rows are judged").wait_for()
    # What is still to do, and what was mended, can be looked at alone.
    page.get_by_label("Your verdict").first.select_option("none")
    page.get_by_text("No row of this kind").wait_for()
    page.get_by_label("Your verdict").first.select_option("mend")
    page.locator(".row-answer", has_text="That part is a washer.").wait_for()
    with State.open(folder.state_path) as state:
        lessons = feedback.lessons(state)
    taught = {lesson.question: lesson.answer for lesson in lessons.examples}
    assert taught == {rows[1].question: "That part is a washer.", rows[2].question: rows[2].answer}
    assert {question for question, _ in lessons.wrong} == {
        normal(rows[0].question),
        normal(rows[1].question),
    }


def test_a_training_that_was_killed_is_told_after_a_reload_and_can_be_gone_on_with(
    visit: Callable[..., Visit],  # noqa: F811
    folder: WorkspaceDir,
    rows: list[Example],
) -> None:
    name = ended_job(folder, "train", {"status": -9, "stopped": False}, "training")
    page = visit()("teach/train", ready=".job")
    for _ in range(3):  # whichever comes first, the view or the list of jobs
        page.reload()
        page.get_by_text("The training was interrupted").wait_for()
    assert "ended from outside (signal 9)" in page.locator(".job .caution").inner_text()
    assert page.get_by_role("button", name="Start training").is_visible()
    page.locator(".job").get_by_role("button", name="Go on").click()
    page.get_by_text("The training failed").wait_for(timeout=60_000)  # there is no run here to go on with
    last = jobs.listing(folder)[0]
    assert (last.id != name, last.options) == (True, {"resume": True})


def test_a_training_that_never_began_is_begun_again_as_it_was_asked_for(
    visit: Callable[..., Visit],  # noqa: F811
    folder: WorkspaceDir,
    rows: list[Example],
) -> None:
    ended_job(folder, "train", {"status": 130, "stopped": True}, "loading tiny")
    page = visit()("teach/train", ready=".job")
    page.locator(".job").get_by_role("button", name="Go on").click()
    page.get_by_text("The training failed").wait_for(timeout=60_000)  # this workspace has no model
    assert jobs.listing(folder)[0].options == {"method": "lora"}


def test_without_rows_training_leads_to_them(visit: Callable[..., Visit]) -> None:  # noqa: F811
    page = visit()("teach/train", ready=".nothing")
    page.get_by_role("link", name="To the rows").click()
    page.get_by_role("button", name="Make rows").wait_for()


def test_nothing_is_released_unmeasured_without_a_reason(
    visit: Callable[..., Visit],  # noqa: F811
    folder: WorkspaceDir,
) -> None:
    begun = visit()
    page = begun("releases")
    page.get_by_text("Nothing was compared to the end yet").wait_for()
    page.get_by_role("button", name="Release", exact=True).click()
    said = page.locator("[role=alert]")
    said.get_by_text("Nothing was compared that speaks for").wait_for()
    assert said.get_by_role("link", name="Go to Compare").get_attribute("href") == "#/compare"
    page.keyboard.type("A trial.")  # the reason has the focus
    page.keyboard.press("Enter")
    page.get_by_text("r1 answers from now on.").wait_for()
    page.locator(".history q", has_text="A trial.").wait_for()
    begun.complaints[:] = [text for text in begun.complaints if "409" not in text]


def test_a_comparison_is_read_and_its_way_released(
    visit: Callable[..., Visit],  # noqa: F811
    compared: str,
) -> None:
    begun = visit()
    page = begun("compare", ready=".verdict")
    assert page.locator(".score b").first.inner_text() == "With documents"
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Read the whole report").click()
    opened.value.get_by_text(QUESTION).first.wait_for()
    page.goto(f"{begun.url}/#/releases")
    page.get_by_role("button", name="Release", exact=True).click()
    page.get_by_text("r1 answers from now on.").wait_for()


@pytest.fixture
def locked(serve: Serve) -> dict[str, str]:
    return serve.key("olga", "owner")


def test_with_a_key_the_report_opens_in_a_tab_that_never_sees_the_key(
    chromium: Any,  # noqa: F811
    serve: Serve,
    compared: str,
    locked: dict[str, str],
) -> None:
    secret = locked["Authorization"].removeprefix("Bearer ")
    with ExitStack() as stack:
        begun = Visit(chromium, stack, serve.live())
        page = begun(ready="dialog")
        page.get_by_label("Access key").fill(secret)
        with page.expect_navigation():  # the page begins anew with a key
            page.keyboard.press("Enter")
        page.wait_for_load_state("networkidle")
        page.goto(f"{begun.url}/#/compare")
        with page.context.expect_page() as opened:
            page.get_by_role("button", name="Read the whole report").click()
        tab = opened.value
        tab.wait_for_url("**/report.html?ticket=*")
        tab.get_by_text(QUESTION).first.wait_for()
        assert secret not in tab.url
        assert tab.evaluate("window.opener") is None
        tab.reload()
        assert "opens once" in tab.inner_text("body")


def test_a_ticket_opens_one_report_once_and_only_while_its_key_does(
    serve: Serve, compared: str, locked: dict[str, str]
) -> None:
    client = serve()
    where = f"/api/reports/{compared}"
    assert client.post(f"{where}/ticket").status_code == 401
    assert client.post("/api/reports/none/ticket", headers=locked).status_code == 404
    reader = serve.key("rita", "reader")
    assert client.post(f"{where}/ticket", headers=reader).status_code == 403

    made = client.post(f"{where}/ticket", headers=locked).json()
    assert (
        client.get(f"/api/reports/other/report.html?{made['address'].partition('?')[2]}").status_code == 410
    )
    assert client.get(made["address"]).status_code == 410  # tried elsewhere, it is used up
    address = client.post(f"{where}/ticket", headers=locked).json()["address"]
    opened = client.get(address)
    assert opened.status_code == 200
    assert "sandbox" in opened.headers["content-security-policy"]
    assert client.get(address).status_code == 410

    address = client.post(f"{where}/ticket", headers=locked).json()["address"]
    serve.revoke("olga")
    assert client.get(address).status_code == 401
