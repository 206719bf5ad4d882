"""The report on a terminal: verdict, arms with their intervals, reasons.

Promises: what came from elsewhere is plain text there too: no control characters, no markup.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from loresmith.evaluation.reporting import words

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

Report = Mapping[str, Any]

COLOURS = {
    "base": "default",
    "rag": "cyan",
    "tuned": "yellow",
    "both": "magenta",
    "oracle": "dim",
    "format": "dim",
}
WIDTH = 20
"""Characters of a bar, so that the table fits 80 columns: a step is five points."""


def render(report: Report) -> RenderableType:
    """What `compare` and `report` print, for a rich console."""
    from rich.console import Group
    from rich.text import Text

    said = report["verdict"]
    winner, best = said.get("winner"), said["recommended"]
    kind = f"Winner: {words.NAMES[winner]}" if winner else words.KINDS[said["kind"]]
    parts: list[RenderableType] = [
        *([] if words.tells(said) else [Text(kind, style="bold green" if winner else "bold yellow")]),
        Text(words.printable(words.sentence(said["headline"])), style="bold"),
        Text(),
        _arms(report),
        Text(),
        *(Text(f"· {words.printable(words.sentence(reason))}") for reason in said.get("reasons", ())),
    ]
    if odd := _odd(report):
        parts += [Text(), *odd]
    parts += [Text(), Text.assemble("Recommended: ", (words.NAMES[best], "bold"), f", {words.ABOUT[best]}.")]
    return Group(*parts)


def _arms(report: Report) -> RenderableType:
    from rich.table import Table

    shown = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    titles = (
        "",
        "0" + " " * (WIDTH - 4) + "100",
        "served",
        "interval",
        "an answer",
        "set up",
        "new fact",
    )
    for i, title in enumerate(titles):
        shown.add_column(title, justify="left" if i < 2 else "right", header_style="dim", no_wrap=True)
    for arm in words.arms(report):
        found = report["arms"][arm]
        served = words.dig(found, "correct")
        shown.add_row(
            words.NAMES[arm],
            bar(served, COLOURS[arm]),
            words.printable(words.percent(served)),
            words.bounds(served) or words.UNKNOWN,
            words.printable(words.seconds(words.dig(found, "latency", "p50"))),
            words.printable(words.seconds(words.setup(found))),
            words.printable(words.seconds(words.dig(found, "cost", "change_one_fact_seconds"))),
            style="dim" if arm in ("oracle", "format") else "",
        )
    return shown


def bar(found: Mapping[str, Any] | None, colour: str) -> Text:
    """The interval as a line, the mean as a dot."""
    from rich.text import Text

    line = Text("·" * WIDTH, style="dim")
    if not found or found.get("value") is None:
        return line
    low, value, high = (round((WIDTH - 1) * min(1.0, max(0.0, found[k]))) for k in ("low", "value", "high"))
    cells = ["━" if low <= i <= high else "·" for i in range(WIDTH)]
    cells[value] = "●"
    made = Text("".join(cells))
    made.stylize("dim")
    made.stylize(f"not dim {colour}" if colour != "dim" else "dim", low, high + 1)
    return made


def _odd(report: Report) -> list[Text]:
    """What a person should look at, in a line each."""
    from rich.text import Text

    findings, asked = report.get("findings") or {}, report["questions"]
    lines = [(len(findings.get("suspect_gold") or ()), "with an accepted answer in doubt")]
    lines.append((len(findings.get("documents_missing") or ()), "without documents"))
    found = [f"{words.counted(count, 'question')} {what}" for count, what in lines if count]
    if removed := asked.get("removed"):
        found.append(words.printable(words.left_out(removed)))
    found += [words.printable(warning) for warning in asked.get("warnings") or ()]
    return [Text(f"! {text}", style="yellow") for text in found]
