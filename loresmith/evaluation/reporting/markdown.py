"""The report as Markdown: what fits into a ticket, a mail or a commit.

Promises: what came from a document, a model or a person is plain text: it opens no link, no image
and no HTML, and cannot break a table.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from loresmith.evaluation.reporting import words

Report = Mapping[str, Any]

LISTED = 20
"""Questions of a list; the rest is in report.html."""

_SPECIAL = re.compile(r"([\\`*_\[\]<>#|~$!&@]|:(?=//)|(?<=www)\.)", re.IGNORECASE)
"""What marks up, and what GitHub makes a link of by itself."""


def render(report: Report) -> str:
    """A summary of a page or two."""
    parts = [
        _verdict(report),
        _arms(report),
        _strata(report),
        _pairs(report),
        _forgetting(report),
        _findings(report),
        _fairness(report),
        _judgements(report),
        _literature(report),
        _method(report),
    ]
    text = "\n\n".join("\n".join(part) for part in map(list, parts) if part)
    return text.replace(words.NARROW, " ").encode("utf-8", "replace").decode() + "\n"


def plain(text: object) -> str:
    """Words as Markdown shows them, on one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(words.printable(str(text)).split()))


def table(titles: Sequence[str], rows: Iterable[Sequence[str]], *, words_: int = 1) -> Iterator[str]:
    """Lines of a table; the first `words_` columns to the left, figures to the right."""
    yield f"| {' | '.join(titles)} |"
    yield f"| {' | '.join('---' if i < words_ else '---:' for i in range(len(titles)))} |"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _verdict(report: Report) -> Iterator[str]:
    said = report["verdict"]
    yield f"# {plain(words.sentence(said['headline']))}"
    yield ""
    kinds = [words.KINDS[kind] for kind in (said["kind"], *said.get("findings", ()))]
    arm = said["recommended"]
    yield f"**{'. '.join(dict.fromkeys(kinds))}.** Recommended: **{words.NAMES[arm]}** ({words.ABOUT[arm]})."
    yield ""
    for reason in said.get("reasons", ()):
        yield f"- {plain(words.sentence(reason))}"
    worse = [words.STRATUM[s][0].lower() for s in said.get("worse", ()) if s in words.STRATUM]
    if worse:
        yield f"- Significantly worse than another arm on: {', '.join(worse)}."


def _arms(report: Report) -> Iterator[str]:
    names = words.arms(report)
    yield "## The arms"
    yield ""
    titles = ("", "served", "interval", "an answer", "95th pct.", "set up", "one fact changed", "memory")
    rows = []
    for arm in names:
        found = report["arms"][arm]
        served, cost = words.dig(found, "correct"), found.get("cost") or {}
        rows.append(
            (
                f"{words.NAMES[arm]}",
                words.percent(served),
                words.bounds(served) or words.UNKNOWN,
                words.seconds(words.dig(found, "latency", "p50")),
                words.seconds(words.dig(found, "latency", "p95")),
                words.seconds(words.setup(found)),
                words.seconds(cost.get("change_one_fact_seconds")),
                words.size(cost.get("peak_memory_bytes")),
            )
        )
    yield from table(titles, rows)


def _strata(report: Report) -> Iterator[str]:
    shown = words.strata(report)
    if not shown:
        return
    names = words.arms(report)
    yield "## By kind of question"
    yield ""
    rows = []
    for name in shown:
        found = report["strata"][name]
        shares = [_share(found["arms"].get(arm)) for arm in names]
        rows.append((words.STRATUM[name][0], words.count(found["questions"]), *shares))
    yield from table(("", "n", *(words.NAMES[arm] for arm in names)), rows)


def _share(found: Mapping[str, Any] | None) -> str:
    if not found:
        return words.UNKNOWN
    span = words.bounds(found)
    return f"{words.percent(found)} ({span})" if span else words.percent(found)


def _pairs(report: Report) -> Iterator[str]:
    found = report.get("pairs") or []
    if not found:
        return
    yield "## Two arms at a time"
    yield ""
    rows = []
    for pair in map(words.better_first, found):
        difference = pair["difference"]
        rows.append(
            (
                f"{words.NAMES[pair['one']]} over {words.NAMES[pair['other']]}",
                words.points(difference["value"]),
                f"{words.points(difference['low'])} to {words.points(difference['high'])}",
                f"{pair['one_only']} : {pair['other_only']}",
                words.probability(pair.get("p_holm", pair["p"])),
                "**yes**" if pair["significant"] else "no",
            )
        )
    titles = ("", "points", "interval", "only one served", "p (Holm)", "sure")
    yield from table(titles, rows)


def _forgetting(report: Report) -> Iterator[str]:
    if text := words.forgetting(report):
        yield "## Forgetting"
        yield ""
        yield text


def _findings(report: Report) -> Iterator[str]:
    found = report.get("findings") or {}
    gold, missing = found.get("suspect_gold") or [], found.get("documents_missing") or []
    if gold:
        yield "## Accepted answers in doubt"
        yield ""
        yield from _some([f"{_question(row)}: {_doubt(row)}" for row in gold])
    if gold and missing:
        yield ""
    if missing:
        yield "## Questions without documents"
        yield ""
        yield from _some([_question(row) for row in missing])


def _question(row: Mapping[str, Any]) -> str:
    return f"{plain(row.get('question') or '')} ({plain(row['id'])})"


def _doubt(row: Mapping[str, Any]) -> str:
    gold = row.get("gold")
    accepted = gold if isinstance(gold, str) else " / ".join(gold or ())
    said = (
        f", but {' and '.join(words.NAMES.get(a, a) for a in row['arms'])} say “{plain(row['said'])}”"
        if row.get("said")
        else ""
    )
    return (
        f"accepted is “{plain(accepted)}”{said}{'; ' + plain(row['document']) if row.get('document') else ''}"
    )


def _some(lines: Sequence[str]) -> Iterator[str]:
    yield from (f"- {line}" for line in lines[:LISTED])
    if len(lines) > LISTED:
        yield f"- and {len(lines) - LISTED:,} more in report.html"


def _fairness(report: Report) -> Iterator[str]:
    asked = report["questions"]
    removed, warnings = asked.get("removed") or [], asked.get("warnings") or []
    if not removed and not warnings:
        return
    yield "## Leaks and warnings"
    yield ""
    yield from (f"- {plain(warning)}" for warning in warnings)
    if removed:
        yield f"- {plain(words.left_out(removed))}:"
        for row in removed[:LISTED]:
            yield f"  - {plain(row['question'])} ({plain(row['reason'])})"


def _judgements(report: Report) -> Iterator[str]:
    found = report.get("judgements") or []
    if not found:
        return
    yield "## Second opinions"
    yield ""
    rows = [
        (
            plain(row["rater"]) + (" (a language model)" if row["kind"] == "model" else ""),
            words.count(row.get("rated")),
            words.percent(row.get("agreement")),
            words.kappa(row.get("kappa")),
        )
        for row in found
    ]
    yield from table(("rater", "answers", "agreement", "Cohen's κ"), rows)


def _literature(report: Report) -> Iterator[str]:
    found = report.get("literature") or []
    if not found:
        return
    columns = ("base", "rag", "tuned", "both")
    ours = [words.percent(words.dig(report["arms"].get(arm), "correct")) for arm in columns]
    rows = [("**This comparison**", plain(words.dig(report, "model", "name") or ""), *ours)]
    for row in found:
        figures = [words.percent(row.get(column), 1) for column in columns]
        rows.append((plain(row["source"]), plain(row.get("setting", "")), *figures))
    yield "## Beside published figures"
    yield ""
    yield from table(("", "", *(words.NAMES[c] for c in columns)), rows, words_=2)


def _method(report: Report) -> Iterator[str]:
    asked, model, adapter = report["questions"], report.get("model") or {}, report.get("adapter") or {}
    settings = report.get("settings") or {}
    seeds = settings.get("seeds") or 1
    yield (
        f"{words.counted(asked['asked'], 'question')} from {plain(asked.get('source') or 'the workspace')}, "
        f"model {plain(model.get('name') or 'none')}, adapter {plain(adapter.get('id') or 'none')}, "
        f"{words.counted(seeds, 'seed')}, 95 % bootstrap intervals, exact McNemar tests with Holm's "
        f"correction. Report {plain(report['id'])}, {plain(report.get('created') or '')}."
    )
