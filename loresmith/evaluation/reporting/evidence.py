"""The sections of the page that say how far to believe it: what looks wrong, what was left out,
who judged, what others found, and under which settings all of it came out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from loresmith.evaluation.reporting import words
from loresmith.evaluation.reporting.markup import Child, Markup, el
from loresmith.evaluation.reporting.sections import Report, link, section

SHOWN = 25
"""Rows of a list before the rest is folded away."""


def findings(report: Report) -> Markup | None:
    """Questions a person should look at: gold answers in doubt, documents that are missing."""
    found = report.get("findings") or {}
    gold, missing = found.get("suspect_gold") or [], found.get("documents_missing") or []
    if not gold and not missing:
        return None
    parts = []
    if gold:
        lead = "The arms agree on something else, or the accepted answer stands nowhere in its documents."
        parts.append(_list("Accepted answers in doubt", lead, [_suspect(row) for row in gold]))
    if missing:
        lead = (
            "They have an accepted answer, but nothing here holds it. Add the documents, sync, compare again."
        )
        parts.append(_list("Questions without documents", lead, [_missing(row) for row in missing]))
    return section("findings", "Look at these yourself", None, el("div", parts, class_="cards roomy"))


def _suspect(row: Mapping[str, Any]) -> Markup:
    gold = row.get("gold")
    gold = gold if isinstance(gold, str) else " / ".join(gold or ())
    arms = " and ".join(words.NAMES.get(arm, arm) for arm in row.get("arms") or ())
    said: list[Child] = ["Accepted: ", el("b", gold or words.UNKNOWN)]
    if row.get("said"):
        said += [f". {arms or 'Answers'}: ", el("b", row["said"])]
    source = [el("q", row["quote"]), " "] if row.get("quote") else None
    place = el("p", source, row["document"], class_="soft") if row.get("document") else None
    why = el("p", f"In doubt because {row['why']}.", class_="soft") if row.get("why") else None
    return el("li", link(row), el("p", said), place, why)


def _missing(row: Mapping[str, Any]) -> Markup:
    where = ", ".join(row.get("documents") or ())
    why = ": ".join(part for part in (row.get("why"), where) if part)
    return el("li", link(row), el("p", why[:1].upper() + why[1:], class_="soft") if why else None)


def _list(title: str, lead: str, items: Sequence[Markup]) -> Markup:
    rest = None
    if len(items) > SHOWN:
        more = words.counted(len(items) - SHOWN, "more question")
        rest = el("details", el("summary", more), el("ul", items[SHOWN:], class_="plain"))
    head = el("h3", title, el("small", f"{len(items):,}"))
    body = el("ul", items[:SHOWN], class_="plain")
    return el("div", head, el("p", lead, class_="lead"), body, rest, class_="card")


def fairness(report: Report) -> Markup:
    """What was left out and what was odd."""
    asked = report["questions"]
    removed, warnings = asked.get("removed") or [], asked.get("warnings") or []
    parts: list[Markup | None] = [el("p", warning, class_="caution") for warning in warnings]
    if removed:
        rows = [
            el(
                "tr",
                el("td", r["question"]),
                el("td", r.get("beside") or ""),
                el("td", r["reason"], class_="soft"),
            )
            for r in removed
        ]
        head = el("tr", [el("th", t, scope="col") for t in ("Left out", "Beside", "Why")])
        inner = el(
            "div", el("table", el("thead", head), el("tbody", rows), class_="text"), class_="wide", tabindex=0
        )
        title = words.left_out(removed)
        parts.append(el("details", el("summary", title), inner, open=len(removed) <= 5))
    else:
        parts.append(el("p", "No question had to be left out."))
    lead = (
        "A question that stands in the training data, or nearly, measures memory only; one asked twice "
        "counts twice. Both are left out, and counted here."
    )
    return section("fairness", "Leaks and warnings", lead, *parts)


def judgements(report: Report) -> Markup | None:
    """Ratings by people or a model, beside the automatic score."""
    found = report.get("judgements") or []
    if not found:
        return None
    rows = []
    for row in found:
        sort = "a person" if row["kind"] == "person" else "a language model"
        rows.append(_agreed(row["rater"], f"{sort}, with the automatic score", row))
        others = [other for other in row.get("with") or () if other["n"] and other["kind"] == "person"]
        rows += [_agreed("", f"with {other['rater']}", other) for other in others]
    titles = ("Rater", "Answers", "Agreement", "Cohen’s κ")
    lead = "How far others agree with the automatic score. κ is agreement beyond chance: 1 is all, 0 is none."
    return section("judges", "Second opinions", lead, _table(titles, rows, numbers=(1, 2, 3)))


def _agreed(who: str, beside: str, found: Mapping[str, Any]) -> Markup:
    return el(
        "tr",
        el("th", who, el("small", beside), scope="row"),
        el("td", words.count(found["n"]), class_="n"),
        el("td", words.percent(found.get("agreement")), class_="n"),
        el("td", words.kappa(found.get("kappa")), class_="n"),
    )


def literature(report: Report) -> Markup | None:
    """Published figures, ours first."""
    found = report.get("literature") or []
    if not found:
        return None
    columns = ("base", "rag", "tuned", "both")
    ours = {arm: words.dig(report["arms"].get(arm), "correct") for arm in columns}
    here = words.dig(report, "model", "name") or ""
    rows = [_published("This comparison", here, ours, columns, ours=True)]
    rows += [_published(r["source"], r.get("setting", ""), r, columns, ours=False) for r in found]
    titles = ("", *(words.NAMES[c] for c in columns))
    lead = "Other data, other models: the pattern can be compared, the height cannot."
    return section("literature", "Beside published figures", lead, _table(titles, rows, numbers=(1, 2, 3, 4)))


def _published(
    source: str, setting: str, values: Mapping[str, Any], columns: Iterable[str], *, ours: bool
) -> Markup:
    digits = 0 if ours else 1
    cells = [el("td", words.percent(values.get(column), digits), class_="n") for column in columns]
    return el(
        "tr",
        el("th", source, el("small", setting), scope="row"),
        cells,
        class_="ours" if ours else None,
    )


def _table(titles: Sequence[str], rows: Sequence[Markup], *, numbers: Sequence[int]) -> Markup:
    head = el(
        "tr", [el("th", t, scope="col", class_="n" if i in numbers else None) for i, t in enumerate(titles)]
    )
    body = el("table", el("thead", head), el("tbody", rows), class_="text")
    return el("div", body, class_="wide", tabindex=0)


def method(report: Report) -> Markup:
    """Under which settings: what is needed to get the same again."""
    model, adapter, index = (report.get(k) or {} for k in ("model", "adapter", "index"))
    settings = report.get("settings") or {}
    facts: list[tuple[str, Any]] = [
        ("Report", report["id"]),
        ("Made", report.get("created")),
        ("Questions", report["questions"].get("source")),
        ("Model", _joined(model.get("name"), model.get("engine"))),
        ("Weights", model.get("fingerprint")),
        ("Adapter", _joined(adapter.get("id"), adapter.get("method"), adapter.get("created")) or "none"),
        ("Trained on", adapter.get("dataset") and f"dataset {adapter['dataset']}"),
        ("Index", _index(index) or "none"),
        *((key.replace("_", " ").capitalize(), value) for key, value in settings.items()),
        ("Versions", _joined(*(f"{k} {v}" for k, v in (report.get("versions") or {}).items()))),
    ]
    shown = [
        el("div", el("dt", name), el("dd", str(value))) for name, value in facts if value not in (None, "")
    ]
    lead = (
        "Every arm had the same questions, weights, decoding, output limit and instructions; both arms that "
        "read had the same index. The controls show the ceiling of retrieval (Oracle) and how much is only "
        "the form of the answer (Format); they never win."
    )
    return section("method", "How it was measured", lead, el("dl", shown, class_="method"))


def _joined(*parts: Any) -> str:
    return ", ".join(str(p) for p in parts if p not in (None, ""))


def _index(index: Mapping[str, Any]) -> str:
    counts = [f"{words.count(index[k])} {k}" for k in ("documents", "passages") if index.get(k) is not None]
    return _joined(index.get("generation"), *counts, index.get("embedder"))
