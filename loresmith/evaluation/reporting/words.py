"""Names and figures as every face of a report writes them: page, Markdown, terminal.

Promises: an unknown figure is a dash, never a zero; shares become percent, differences points.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from loresmith.evaluation.comparison.values import CONTENDERS, CONTROLS, STRATA

UNKNOWN = "–"
NARROW = "\u202f"
"""The narrow no-break space between a number and its unit."""

NAMES = {
    "base": "Base",
    "rag": "RAG",
    "tuned": "Tuned",
    "both": "Both",
    "oracle": "Oracle",
    "format": "Format",
}
ABOUT = {
    "base": "the model alone",
    "rag": "finds and quotes passages",
    "tuned": "adapter, no documents",
    "both": "adapter and passages",
    "oracle": "given the right passages",
    "format": "base with sample answers",
}
STRATUM = {
    "trained": ("Trained facts", "in documents the adapter learned, asked in new words"),
    "indexed": ("Indexed only", "in documents that were never trained on"),
    "changed": ("Changed since training", "the document is newer than the adapter"),
    "tables": ("Tables", "a figure that a query gives"),
    "unanswerable": ("Not answerable", "not in the documents: silence is right"),
    "style": ("Vocabulary and style", "the house's words and form"),
    "general": ("General ability", "what tuning may make a model forget"),
    "other": ("Other questions", "nobody knows where the answer stands"),
}
KINDS = {
    "winner": "A winner",
    "no_difference": "No detectable difference",
    "do_not_fine_tune": "Do not fine-tune",
    "more_questions": "More questions are needed",
    "documents_missing": "Documents are missing",
}


def contenders(report: Mapping[str, Any]) -> list[str]:
    return [arm for arm in CONTENDERS if arm in report["arms"]]


def arms(report: Mapping[str, Any]) -> list[str]:
    """Contenders, then controls, as they are always ordered."""
    return [*contenders(report), *(arm for arm in CONTROLS if arm in report["arms"])]


def strata(report: Mapping[str, Any]) -> list[str]:
    return [stratum for stratum in STRATA if stratum in report.get("strata", {})]


def dig(values: Mapping[str, Any] | None, *keys: str) -> Any:
    """`values[keys[0]][keys[1]]…`, None where any step is missing."""
    found: Any = values
    for key in keys:
        if not isinstance(found, Mapping):
            return None
        found = found.get(key)
    return found


def number(value: Any) -> float | None:
    """The figure of a plain number or of an interval."""
    found = value.get("value") if isinstance(value, Mapping) else value
    return None if found is None or isinstance(found, (bool, str)) else float(found)


def percent(value: Any, digits: int = 0) -> str:
    share = number(value)
    return UNKNOWN if share is None else f"{_plain(100 * share, digits)}{NARROW}%"


def bounds(interval: Mapping[str, Any] | None) -> str:
    """ "72–88" in percent."""
    if not interval or interval.get("low") is None or interval.get("high") is None:
        return ""
    return f"{100 * interval['low']:.0f}–{100 * interval['high']:.0f}"


def points(value: float | None, digits: int = 0) -> str:
    """A difference of shares with its sign: "+46", "−3", "0"."""
    if value is None:
        return UNKNOWN
    text = _plain(100 * abs(value), digits)
    if not float(text):
        return text
    return ("+" if value > 0 else "\u2212") + text


def _plain(value: float, digits: int) -> str:
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if not float(text) else text


def figure(value: Any, digits: int = 2) -> str:
    known = number(value)
    return UNKNOWN if known is None else f"{known:.{digits}f}"


def count(value: Any) -> str:
    known = number(value)
    return UNKNOWN if known is None else f"{known:,.0f}"


def sentence(text: str) -> str:
    """A sentence of the verdict as a page has it: the arm is called RAG, percent signs stay with
    their figures when the line breaks."""
    text = re.sub(r"\brag\b", NAMES["rag"], text).replace(" %", f"{NARROW}%")
    return text[:1].upper() + text[1:]


def tells(verdict: Mapping[str, Any]) -> bool:
    """Whether the headline begins with the kind of verdict, so that it need not be said twice."""
    return str(verdict["headline"]).startswith(KINDS[verdict["kind"]])


def printable(text: str) -> str:
    """Without control characters, and without the narrow space, which not every terminal has."""
    return "".join(c if c.isprintable() else " " for c in text.replace(NARROW, " "))


def counted(value: int, noun: str) -> str:
    return f"{value:,} {noun}" if value == 1 else f"{value:,} {noun}s"


def seconds(value: Any) -> str:
    """A time in the unit a person would take: "85 ms", "1.4 s", "12 min", "3.1 h"."""
    known = number(value)
    if known is None:
        return UNKNOWN
    if known < 0.0005:
        return f"0{NARROW}s"
    if known < 0.0995:
        return f"{1000 * known:.0f}{NARROW}ms"
    if known < 9.95:
        return f"{known:.1f}{NARROW}s"
    if known < 99.5:
        return f"{known:.0f}{NARROW}s"
    if known < 5970:
        return f"{known / 60:.0f}{NARROW}min" if known >= 570 else f"{known / 60:.1f}{NARROW}min"
    return f"{known / 3600:.1f}{NARROW}h"


def size(value: Any) -> str:
    """Bytes in decimal units."""
    known = number(value)
    if known is None:
        return UNKNOWN
    for unit in ("B", "kB", "MB", "GB"):
        if known < 999.5:
            return (
                f"{known:.0f}{NARROW}{unit}" if known >= 9.95 or unit == "B" else f"{known:.1f}{NARROW}{unit}"
            )
        known /= 1000
    return f"{known:.1f}{NARROW}TB"


def probability(p: float | None) -> str:
    if p is None:
        return UNKNOWN
    return "< 0.001" if p < 0.001 else f"{p:.3f}" if p < 0.0995 else f"{p:.2f}"


def kappa(value: Any) -> str:
    """ "0.82 (0.71 to 0.92)"; the interval where there is one."""
    text = figure(value)
    low, high = dig(value, "low"), dig(value, "high")
    return text if low is None or high is None else f"{text} ({low:.2f} to {high:.2f})"


def left_out(removed: Sequence[Mapping[str, Any]]) -> str:
    """How many questions were left out, and why."""
    reasons = Counter(str(row["reason"]) for row in removed)
    parts = ", ".join(f"{reason} ({number})" for reason, number in reasons.most_common(4))
    return f"{counted(len(removed), 'question')} left out: {parts}{', …' if len(reasons) > 4 else ''}"


def setup(arm: Mapping[str, Any]) -> float | None:
    """Seconds of preparing, indexing and training together; None where one of them is not known."""
    parts = [number(dig(arm, "cost", f"{part}_seconds")) for part in ("prepare", "index", "train")]
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None


def better_first(pair: Mapping[str, Any]) -> dict[str, Any]:
    """The pair turned so that its difference is not negative."""
    found = pair["difference"]
    if found["value"] >= 0:
        return dict(pair)
    turned = {**found, "value": -found["value"], "low": -found["high"], "high": -found["low"]}
    return {
        **pair,
        "one": pair["other"],
        "other": pair["one"],
        "difference": turned,
        "one_only": pair["other_only"],
        "other_only": pair["one_only"],
    }


def forgetting(report: Mapping[str, Any]) -> str:
    """What tuning cost in general ability, in a sentence; empty where it was not asked."""
    found = report.get("forgetting")
    if not found:
        return ""
    difference = found.get("difference")
    low, high = dig(difference, "low"), dig(difference, "high")
    span = f" ({points(low)} to {points(high)})" if low is not None and high is not None else ""
    return (
        f"General ability: base {percent(found.get('base'))}, tuned {percent(found.get('tuned'))}, "
        f"a difference of {points(number(difference))} points{span}, p {probability(found.get('p'))}."
    )
