"""The report as one HTML file: the decision first, then every question with its answers.

    render(report, rows) -> str

Promises: the file needs nothing else and asks the network for nothing; whatever came from a
document, a model or a person is text and cannot run. The first is kept by a content policy that
allows this file's own script and style by their hashes and nothing else, the second by `markup.el`
on this side and `textContent` on the other. The same input gives the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from importlib import resources
from typing import Any

from loresmith.evaluation.reporting import evidence, rows, sections, words
from loresmith.evaluation.reporting.markup import Markup, el

ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Crect width='16' "
    "height='16' rx='4' fill='%231f6f8b'/%3E%3Cpath d='M4 11V6m4 5V3m4 8V8' stroke='white' stroke-width='2' "
    "stroke-linecap='round'/%3E%3C/svg%3E"
)
NAVIGATION = {
    "verdict": "Verdict",
    "strata": "Kinds",
    "cost": "Cost",
    "pairs": "Pairs",
    "findings": "Look at",
    "method": "Method",
    "questions": "Questions",
}


def render(report: Mapping[str, Any], rows_: Iterable[Mapping[str, Any]]) -> str:
    """The whole page.

    Args:
        report: report.json's object.
        rows_: a question with its answers each: {"question", "arms": {arm: {"score", "answer"}}, "flags"}.
    """
    style, script = asset("report.css"), asset("report.js")
    policy = (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    body = [
        sections.verdict(report),
        sections.strata(report),
        sections.cost(report),
        sections.pairs(report),
        sections.quality(report),
        evidence.findings(report),
        evidence.fairness(report),
        evidence.judgements(report),
        evidence.literature(report),
        evidence.method(report),
    ]
    name = str(report.get("workspace") or "")
    shown = {key for key in NAVIGATION if any(part and f' id="{key}"' in part for part in body)}
    head = [
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=policy),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("meta", name="referrer", content="no-referrer"),
        el("title", f"{words.KINDS[report['verdict']['kind']]}: {name}"),
        el("link", rel="icon", href=ICON),
        el("style", Markup(style)),
    ]
    page = el(
        "html",
        el("head", head),
        el(
            "body",
            el("a", "To the questions", href="#questions", class_="skip"),
            _top(name, [*(k for k in NAVIGATION if k in shown), "questions"]),
            el("main", body, _questions()),
            el(
                "footer",
                f"Loresmith, report {report['id']}. Made on this machine; nothing was sent anywhere.",
            ),
            el("script", Markup(_data(rows.data(report, rows_))), type="application/json", id="data"),
            el("script", Markup(script)),
        ),
        lang="en",
    )
    # A lone surrogate, as a broken document may hold, cannot be written as UTF-8.
    return f"<!doctype html>\n{page}\n".encode("utf-8", "replace").decode()


def asset(name: str) -> str:
    """A file that lies beside this module in the package."""
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _data(value: Any) -> str:
    """JSON that cannot end the element it stands in."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _top(name: str, anchors: Iterable[str]) -> Markup:
    links = [el("a", NAVIGATION[key], href=f"#{key}") for key in anchors]
    theme = el("button", "Dark", type="button", id="theme", hidden=True)
    title = el("span", el("b", "Loresmith"), el("span", name), class_="brand")
    return el("nav", title, el("span", links, class_="links"), theme, class_="top", aria_label="Sections")


def _questions() -> Markup:
    """The frame that the script fills."""
    need = el("noscript", el("p", "The list of questions needs JavaScript; the figures above do not."))
    return el(
        "section",
        el(
            "div",
            el("h2", "Every question"),
            el("p", id="count", class_="lead", role="status"),
            class_="head",
        ),
        need,
        el("div", id="filters"),
        el("div", id="list"),
        el("div", id="more"),
        id="questions",
    )
