"""report.md and report.html of a dataset: what is in it, what was left out and why, and rows to read.

The page is one file without scripts or anything from elsewhere. Promises: everything that comes
from a document or a user's file is escaped; personal data is shown masked.
"""

from __future__ import annotations

import html
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from loresmith.dataset import personal
from loresmith.dataset.example import Dataset, Example
from loresmith.dataset.figures import reason_kind

if TYPE_CHECKING:
    from loresmith.dataset.check import Checked

_SHOWN = 50  # rejected rows of one reason
_SAMPLES = 4  # rows of one kind and split
_LONG = 700

_KINDS = {
    "closed": "the question alone, as the arm tuned is asked",
    "grounded": "with passages, as the arm both is asked",
    "abstain": "with passages that do not hold the answer",
    "query": "with tables, as the arm both is asked for a query",
    "chat": "conversations as given",
}
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE = """
:root{--ink:#1c2430;--soft:#5b6675;--line:#dfe4ea;--tint:#f5f7f9;--main:#0b6e8f;--warn:#8a5a00;--warm:#fff8e6}
*{box-sizing:border-box}
body{margin:0 auto;max-width:62rem;padding:2rem 1.25rem 4rem;color:var(--ink);background:#fff;
  font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif}
h1{font-size:1.6rem;margin:0}h2{font-size:1.15rem;margin:2.2rem 0 .6rem}
code{font:.9em ui-monospace,Menlo,Consolas,monospace}
.sub{color:var(--soft);margin:.2rem 0 1.4rem}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(8.5rem,1fr));gap:.7rem}
.tile{border:1px solid var(--line);border-radius:.5rem;padding:.7rem .9rem}
.tile b{display:block;font-size:1.5rem;line-height:1.2}.tile span{color:var(--soft);font-size:.88rem}
.warn{background:var(--warm);border-left:4px solid #e0a100;padding:.55rem .9rem;margin:.5rem 0;color:#4a3500}
.ok{background:#eef8f1;border-left:4px solid #2e8b57;padding:.55rem .9rem;margin:.5rem 0}
table{border-collapse:collapse;width:100%;margin:.3rem 0}
th,td{text-align:left;padding:.35rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}
th{font-weight:600;color:var(--soft);font-size:.88rem}td.n,th.n{text-align:right;white-space:nowrap}
td.w{width:45%}.bar{background:var(--main);height:.7rem;border-radius:.2rem;min-width:2px}
details{border:1px solid var(--line);border-radius:.5rem;margin:.5rem 0;padding:0 .9rem}
summary{cursor:pointer;padding:.55rem 0;font-weight:600}details>*:last-child{margin-bottom:.8rem}
.row{border-top:1px solid var(--line);padding:.6rem 0}.row .where{color:var(--soft);font-size:.85rem}
.turn{display:grid;grid-template-columns:5.5rem 1fr;gap:.6rem;margin:.25rem 0}
.turn span{color:var(--soft);font-size:.85rem}
.turn p{margin:0;white-space:pre-wrap;overflow-wrap:anywhere}.assistant p{color:var(--main);font-weight:500}
td{overflow-wrap:break-word}td:first-child{min-width:9rem}
@media(prefers-color-scheme:dark){:root{--ink:#e6eaef;--soft:#9aa6b4;--line:#313a45;--main:#58b8d8}
 body{background:#14191f}.warn{background:#2b2410;color:#f0dca8}.ok{background:#12261a}}
@media(max-width:40rem){.turn{grid-template-columns:1fr;gap:0}}
"""


def pages(dataset: Dataset | None, manifest: Mapping[str, Any], checked: Checked | None) -> dict[str, str]:
    """File name to content of both reports.

    Args:
        manifest: as `store` writes it: splits, kinds, notes, figures.
        checked: None shows the dataset alone.
    """
    parts = _parts(dataset, manifest, checked)
    return {"report.md": _markdown(parts), "report.html": _html(parts)}


Table = tuple[tuple[str, ...], list[tuple[Any, ...]]]


class _Parts:
    """What both forms show, in order."""

    def __init__(self, title: str, subtitle: str) -> None:
        self.title, self.subtitle = title, subtitle
        self.tiles: list[tuple[str, str]] = []
        self.warnings: list[str] = []
        self.notes: list[str] = []
        self.tables: list[tuple[str, Table]] = []
        self.rejected: dict[str, list[tuple[str, str]]] = {}
        self.rejected_counts: dict[str, int] = {}
        self.repaired: list[tuple[str, str]] = []
        self.samples: list[tuple[str, list[Example]]] = []


def _parts(dataset: Dataset | None, manifest: Mapping[str, Any], checked: Checked | None) -> _Parts:
    figures: Mapping[str, Any] = checked.figures if checked is not None else {}
    name = f"Dataset {manifest['id']}" if manifest.get("id") else "Check of a dataset"
    parts = _Parts(name, f"Made {manifest['created']} by Loresmith {manifest['loresmith']}")
    splits = manifest["splits"]
    parts.tiles = [
        (f"{splits['train']:,}", "rows to train on"),
        (f"{splits['dev']:,}", "dev: when to stop"),
        (f"{splits['test']:,}", "test: held out"),
    ]
    if checked is not None:
        parts.tiles += [
            (f"{figures['facts']:,}", f"facts, {figures['wordings_per_fact']:.1f} wordings each"),
            (f"{len(checked.repaired):,}", "rows mended"),
            (f"{len(checked.rejected):,}", "rows rejected"),
        ]
        parts.warnings = list(checked.warnings)
    parts.notes = list(manifest["notes"])
    if manifest["labels"]:
        parts.warnings.append(
            f"Access labels: {', '.join(manifest['labels'])}. "
            "Who uses a model trained on this must hold them all."
        )
    kinds = sorted({kind for counts in manifest["kinds"].values() for kind in counts})
    parts.tables.append(
        (
            "What the rows teach",
            (
                ("kind", "train", "dev", "test"),
                [
                    (f"{kind}: {_KINDS.get(kind, '')}", *(manifest["kinds"][s].get(kind, 0) for s in splits))
                    for kind in kinds
                ],
            ),
        )
    )
    parts.tables.append(("Where they come from", (("origin", "rows"), list(manifest["origins"].items()))))
    parts.tables.append(("Languages", (("language", "rows"), list(manifest["languages"].items()))))
    if figures:
        tokens = figures["tokens"]
        about = "" if figures["tokens_exact"] else ", estimated"
        title = f"Length in tokens{about}: median {tokens['median']:,}, at most {tokens['max']:,}"
        parts.tables.append((title, (("tokens", "rows"), list(figures["lengths"].items()))))
        if figures["personal"]:
            rows = [(k, p["rows"], ", ".join(p["samples"])) for k, p in figures["personal"].items()]
            parts.tables.append(("What looks like personal data", (("kind", "rows", "for example"), rows)))
    if checked is not None:
        grouped: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for rejected in checked.rejected:
            where = _place(rejected.row, rejected.where)
            question = f" — {_cut(rejected.example.question, 120)}" if rejected.example else ""
            grouped[reason_kind(rejected.reason)].append((where, personal.hidden(rejected.reason) + question))
        parts.rejected_counts = {kind: len(rows) for kind, rows in grouped.items()}
        most = sorted(grouped, key=lambda kind: -len(grouped[kind]))
        parts.rejected = {kind: grouped[kind][:_SHOWN] for kind in most}
        parts.repaired = [(_place(r.row, r.where), ", ".join(r.done)) for r in checked.repaired[:_SHOWN]]
    if dataset is not None:
        for split, examples in dataset.splits().items():
            for kind in _KINDS:
                chosen = [e for e in examples if e.kind == kind]
                if chosen:
                    step = max(1, len(chosen) // _SAMPLES)
                    parts.samples.append((f"{split}, {kind}", chosen[::step][:_SAMPLES]))
    return parts


def _place(row: int | str, where: str) -> str:
    if where.startswith("import:"):
        return where.partition(":")[2]
    return f"{where}, {row}" if where else str(row)


def _cut(text: str, length: int) -> str:
    flat = " ".join(personal.hidden(text).split())
    return flat if len(flat) <= length else f"{flat[: length - 1]}…"


# --- Markdown ---------------------------------------------------------------------------------


def _markdown(parts: _Parts) -> str:
    out = [f"# {parts.title}", "", f"{parts.subtitle}.", ""]
    out += [f"- **{value}** {label}" for value, label in parts.tiles] + [""]
    for title, lines in (("What to know before training", parts.warnings), ("Splits", parts.notes)):
        if lines:
            out += [f"## {title}", "", *(f"- {_md(line)}" for line in lines), ""]
    for title, (head, rows) in parts.tables:
        if rows:
            out += [f"## {title}", "", *_md_table(head, rows), ""]
    if parts.rejected:
        out += ["## Rejected rows", ""]
        for kind, shown in parts.rejected.items():
            total = parts.rejected_counts[kind]
            out += [f"### {kind}: {total:,}", "", *(f"- {_md(where)}: {_md(text)}" for where, text in shown)]
            out += [f"- and {total - len(shown):,} more"] * (total > len(shown)) + [""]
    if parts.repaired:
        out += ["## Mended rows", "", *(f"- {_md(where)}: {_md(text)}" for where, text in parts.repaired), ""]
    if parts.samples:
        out += ["## Rows to read", ""]
    for title, examples in parts.samples:
        out += [f"### {title}", ""]
        for example in examples:
            out += [f"- **{_md(_cut(example.question, 300))}** → {_md(_cut(example.answer, 300))}"]
        out.append("")
    return "\n".join(out)


def _md_table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[str]:
    body = [
        "| " + " | ".join(_md(f"{c:,}" if isinstance(c, int) else str(c)) for c in row) + " |" for row in rows
    ]
    return ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head), *body]


def _md(text: str) -> str:
    """One line that no mark-up of a document can break out of."""
    flat = " ".join(text.split())
    for sign in "\\`*_[]<>|#":
        flat = flat.replace(sign, f"\\{sign}")
    return flat


# --- HTML -------------------------------------------------------------------------------------


def _html(parts: _Parts) -> str:
    e = html.escape
    out = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width,initial-scale=1">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        f"<title>{e(parts.title)}</title><style>{_STYLE}</style></head><body>",
        f'<h1>{e(parts.title)}</h1><p class="sub">{e(parts.subtitle)}</p>',
        '<div class="tiles">',
        *(
            f'<div class="tile"><b>{e(value)}</b><span>{e(label)}</span></div>'
            for value, label in parts.tiles
        ),
        "</div>",
        "<h2>What to know before training</h2>",
        *(f'<p class="warn">{e(line)}</p>' for line in parts.warnings),
    ]
    if not parts.warnings:
        out.append('<p class="ok">Nothing stands against training on this.</p>')
    if parts.notes:
        out += ["<h2>Splits</h2><ul>", *(f"<li>{e(line)}</li>" for line in parts.notes), "</ul>"]
    for title, (head, rows) in parts.tables:
        if rows:
            out += [f"<h2>{e(title)}</h2>", _html_table(head, rows)]
    if parts.rejected:
        out.append("<h2>Rejected rows</h2>")
        for kind, shown in parts.rejected.items():
            total = parts.rejected_counts[kind]
            rest = f"<p>and {total - len(shown):,} more</p>" if total > len(shown) else ""
            table = _html_table(("row", "reason"), shown)
            out.append(f"<details><summary>{e(kind)}: {total:,}</summary>{table}{rest}</details>")
    if parts.repaired:
        table = _html_table(("row", "what was done"), parts.repaired)
        out.append(
            f"<h2>Mended rows</h2><details><summary>{parts.tiles[4][0]} rows</summary>{table}</details>"
        )
    if parts.samples:
        out.append("<h2>Rows to read</h2>")
    for number, (title, examples) in enumerate(parts.samples):
        shown_rows = "".join(_html_row(example) for example in examples)
        opened = " open" if number == 0 else ""
        out.append(f"<details{opened}><summary>{e(title)}</summary>{shown_rows}</details>")
    return "\n".join([*out, "</body></html>", ""])


def _html_table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    e = html.escape
    numeric = [all(isinstance(row[i], int) for row in rows) for i in range(len(head))]
    bars = len(head) == 2 and numeric[1]
    most = max((row[1] for row in rows), default=1) if bars else 1
    mark = [' class="n"' if n else "" for n in numeric]
    out = ["<table><tr>", *(f"<th{m}>{e(h)}</th>" for h, m in zip(head, mark, strict=True))]
    out += ["<th></th></tr>" if bars else "</tr>"]
    for row in rows:
        cells = [f"{c:,}" if isinstance(c, int) else str(c) for c in row]
        out += ["<tr>", *(f"<td{m}>{e(c)}</td>" for c, m in zip(cells, mark, strict=True))]
        if bars:
            width = round(100 * row[1] / max(most, 1), 1)
            out.append(f'<td class="w"><div class="bar" style="width:{width}%"></div></td>')
        out.append("</tr>")
    return "".join([*out, "</table>"])


def _html_row(example: Example) -> str:
    e = html.escape
    turns = []
    for message in example.messages:
        text = personal.hidden(message["content"])
        if message["role"] == "system" and example.kind != "chat":
            continue
        # The question stands behind the passages, so both ends are shown.
        shown = text if len(text) <= _LONG else f"{text[: _LONG - 250]} […] {text[-250:]}"
        turns.append(
            f'<div class="turn {e(message["role"])}"><span>{e(message["role"])}</span><p>{e(shown)}</p></div>'
        )
    others = [d for d in example.documents if d not in example.origin]
    where = ", ".join(part for part in (example.origin, *others) if part)
    return f'<div class="row">{"".join(turns)}<div class="where">{e(where)}</div></div>'
