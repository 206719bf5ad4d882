"""The page: what it says, that it asks the network for nothing, and that nothing in it can run."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import made_reports
import pytest

from loresmith.evaluation.comparison import report as reports
from loresmith.evaluation.reporting import html

POISON = (
    "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
    "' onload='x <!-- <svg/onload=alert(1)> javascript:alert(1) &lt; \u2028 ${1} ‮"
)


class Read(HTMLParser):
    """The elements of a page in order, their attributes, and the text of scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.inside: dict[str, str] = {}
        self.raw = ""
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(key, value or "") for key, value in attrs]
        self.raw = (dict(attrs).get("id") or tag) if tag in ("script", "style") else ""

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        self.raw = ""

    def handle_data(self, data: str) -> None:
        if self.raw:
            self.inside[self.raw] = self.inside.get(self.raw, "") + data
        else:
            self.text += data


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_reports.stored(tmp_path_factory.mktemp("reports"), 60)


@pytest.fixture(scope="module")
def report(folder: Path) -> dict[str, Any]:
    return reports.compute(folder)


@pytest.fixture(scope="module")
def page(folder: Path, report: dict[str, Any]) -> str:
    return html.render(report, reports.rows(folder))


@pytest.fixture(scope="module")
def poisoned(tmp_path_factory: pytest.TempPathFactory) -> str:
    hostile = made_reports.stored(tmp_path_factory.mktemp("hostile"), 60, poison=POISON)
    return html.render(reports.compute(hostile), reports.rows(hostile))


def data(page: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Read(page).inside["data"])
    return found


def test_the_verdict_comes_first_and_in_full(page, report):
    text = Read(page).text
    headline = report["verdict"]["headline"].replace("rag", "RAG")
    assert headline in text
    assert text.index(headline) < text.index("Questions served") < text.index("By kind of question")
    for arm in report["arms"].values():
        assert f"{100 * arm['correct']['value']:.0f}\u202f%" in text


def test_hostile_words_make_no_element_and_no_attribute(page, poisoned):
    clean, hostile = Read(page), Read(poisoned)
    assert hostile.tags == clean.tags
    assert [k for k, _ in hostile.attributes] == [k for k, _ in clean.attributes]
    assert not [k for k, _ in hostile.attributes if k.startswith("on") or k == "style"]
    for key, value in hostile.attributes:
        if key in ("href", "src"):
            assert re.match(r"#[\w%.~-]+$|data:image/svg\+xml,", value), value


def test_hostile_words_are_shown_as_they_are(poisoned):
    assert POISON in Read(poisoned).text
    found = data(poisoned)
    assert all(row["q"].endswith(POISON) for row in found["rows"])
    assert any(POISON in passage["t"] for passage in found["passages"])


def test_only_this_files_own_script_and_style_are_allowed(page):
    read = Read(page)
    policy = next(value for key, value in read.attributes if key == "content" and "default-src" in value)
    assert policy.startswith("default-src 'none';")
    for kind in ("script", "style"):
        digest = base64.b64encode(hashlib.sha256(read.inside[kind].encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}';" in policy
    assert "unsafe" not in policy
    assert "http" not in policy


def test_nothing_is_fetched(page):
    outside = re.findall(r"(?:https?:)?//[\w.-]+\.\w+|@import|url\(|fetch\(|XMLHttpRequest|import\(", page)
    assert [found for found in outside if "www.w3.org" not in found] == []  # the icon's namespace


def test_a_quote_is_marked_where_a_browser_finds_it(folder, page):
    found, marked = data(page), 0
    said = {row["question"]["id"]: row["arms"] for row in reports.rows(folder)}
    for row in found["rows"]:
        for arm, answer in row["arms"].items():
            for number, citation in enumerate(answer.get("cite", ())):
                units = found["passages"][citation["p"]]["t"].encode("utf-16-le")
                quote = units[2 * citation["from"] : 2 * citation["to"]].decode("utf-16-le")
                sentences = said[row["id"]][arm]["answer"]["sentences"]
                assert quote == sentences[number]["citations"][0]["quote"]
                marked += 1
    assert marked > 50


def test_a_quote_that_stands_nowhere_is_not_marked_in_a_passage(folder, report):
    rows = reports.rows(folder)
    row = next(r for r in rows if r["arms"].get("rag", {}).get("answer", {}).get("sentences"))
    row["arms"]["rag"]["answer"]["sentences"][0]["citations"][0]["quote"] = "tightened to 1 Nm exactly"
    shown = next(r for r in data(html.render(report, rows))["rows"] if r["id"] == row["question"]["id"])
    assert shown["arms"]["rag"]["cite"] == [
        {"d": row["question"]["documents"][0], "w": "p.\u00a04", "quote": "tightened to 1 Nm exactly"}
    ]


def test_each_passage_is_there_once(page):
    passages = [(p["d"], p["t"]) for p in data(page)["passages"]]
    assert len(passages) == len(set(passages))


def test_what_was_served_is_what_the_page_calls_right(folder, page):
    shown = {row["id"]: row["arms"] for row in data(page)["rows"]}
    for row in reports.rows(folder):
        for arm, found in row["arms"].items():
            outcome = shown[row["question"]["id"]][arm]["o"]
            assert (outcome in ("right", "silent")) == (found["score"]["success"] >= 0.5), outcome


def test_findings_lead_to_their_questions(page, report):
    links = {value for key, value in Read(page).attributes if key == "href"}
    listed = [row["id"] for rows in report["findings"].values() for row in rows]
    assert listed
    assert {f"#q-{name}" for name in listed} <= links


def test_a_report_without_adapter_or_answers(tmp_path):
    alone = made_reports.stored(tmp_path / "alone", 30, arms=("base", "rag"))
    text = Read(html.render(reports.compute(alone), reports.rows(alone))).text
    assert "RAG" in text
    assert "Tuned" not in text.split("Beside published figures")[0]
    empty = made_reports.stored(tmp_path / "empty", 10, arms=())
    assert "Every question" in Read(html.render(reports.compute(empty), reports.rows(empty))).text


def test_what_nobody_measured_is_a_dash(report, folder):
    for arm in report["arms"].values():
        assert arm["cost"]["peak_memory_bytes"] is None
    text = Read(html.render(report, [])).text
    assert "Peak memory" not in text  # nobody knows it: no row
    assert "Change one fact" in text
    assert "–" in text.split("Change one fact")[1][:40]


def test_the_same_report_is_the_same_page(folder, page):
    assert html.render(reports.compute(folder), reports.rows(folder)) == page


def test_broken_characters_of_a_document_do_not_break_the_page(folder, report):
    rows = reports.rows(folder)
    rows[0]["question"]["question"] = "half of a pair: \ud83d, and a null \0"
    broken = {**report, "workspace": "half \udc80"}
    html.render(broken, rows).encode()


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", [":root {", ':root[data-theme="dark"] {'])
def test_contrast_of_text_is_enough_in_light_and_dark(theme):
    """WCAG 2.2, 1.4.3: 4.5 to 1."""
    block = html.asset("report.css").split(theme, 1)[1].split("}", 1)[0]
    colour = {k: v if len(v) == 7 else "#" + "".join(2 * c for c in v[1:])
              for k, v in re.findall(r"--(\w+): (#\w+);", block)}  # fmt: skip
    text = {"ink": ("paper", "card", "tint", "mark"), "soft": ("paper", "card", "tint"),
            "link": ("paper", "card"), "good": ("card", "tint"), "bad": ("card", "tint"),
            "warn": ("warm", "paper"),
            "base": ("paper", "card"), "rag": ("paper", "card"), "tuned": ("paper", "card"),
            "both": ("paper", "card"), "control": ("paper", "card")}  # fmt: skip
    for front, backs in text.items():
        for back in backs:
            light, dark = sorted((luminance(colour[front]), luminance(colour[back])), reverse=True)
            ratio = (light + 0.05) / (dark + 0.05)
            assert ratio >= 4.5, f"{front} on {back}: {ratio:.2f}"


def test_both_ways_into_the_dark_have_the_same_colours():
    style = html.asset("report.css")
    by_button = style.split(':root[data-theme="dark"] {')[1].split("}")[0]
    by_system = style.split(':root:not([data-theme="light"]) {')[1].split("}")[0]
    assert by_button.split() == by_system.split()


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here (apt-get install chromium)")
def test_in_a_browser_hostile_words_do_not_run_and_the_question_opens(poisoned, tmp_path):
    file = tmp_path / "report.html"
    file.write_text(poisoned, encoding="utf-8")
    first = data(poisoned)["rows"][0]["id"]
    anchor = "".join(f"%{byte:02X}" for byte in first.encode())
    command = [
        str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu",
        f"--user-data-dir={tmp_path / 'profile'}",
        "--virtual-time-budget=4000", "--dump-dom", f"file://{file}#q-{anchor}",
    ]  # fmt: skip
    shown = Read(subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout)
    assert "img" not in shown.tags
    assert shown.tags.count("script") == 2
    assert "owned" not in re.sub(re.escape(POISON), "", shown.text)
    assert shown.tags.count("details") > 1
    assert "1 of 60 questions" in shown.text
    assert ("class", "answer arm-rag") in shown.attributes
    assert "mark" in shown.tags
