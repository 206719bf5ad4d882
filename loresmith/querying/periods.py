"""Years, quarters and dates in the heads and labels of report tables, and in questions about them.

A period is a set of parts: {("y", 2019), ("q", 4)}, or ("n", 9) for nine months.
A question's "2019" names the column "December 31, 2019" because its parts are among that column's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from loresmith.answering.text import fold

Period = frozenset[tuple[str, int]]

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "january jan januar enero gennaio janvier",
            "february feb februar febrero febbraio février",
            "march mar märz marzo mars",
            "april apr abril aprile avril",
            "may mai mayo maggio",
            "june jun juni junio giugno juin",
            "july jul juli julio luglio juillet",
            "august aug agosto août",
            "september sep sept septiembre settembre septembre",
            "october oct oktober okt octubre ottobre octobre",
            "november nov noviembre novembre",
            "december dec dezember dez diciembre dicembre décembre",
        ),
        start=1,
    )
    for name in names.split()
}
_ORDINALS = {"first": 1, "second": 2, "third": 3, "fourth": 4, "1st": 1, "2nd": 2, "3rd": 3, "4th": 4}
_COUNTS = {"three": 3, "six": 6, "nine": 9, "twelve": 12, "thirteen": 13, "twenty-six": 26, "thirty-nine": 39}
_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
_YEAR = r"(?:19|20)\d\d"
_PATTERN = re.compile(
    rf"\b(?P<iso>{_YEAR})-(?P<im>\d\d)-(?P<id>\d\d)\b"
    rf"|\b(?P<mf>{_MONTH})\.?[\s\-]+(?P<df>\d{{1,2}})(?:st|nd|rd|th)?,?(?=\W|$)(?!\d)"
    rf"|\b(?P<dl>\d{{1,2}})\.?[\s\-]+(?:de\s+)?(?P<ml>{_MONTH})\b\.?(?:,|\s+de\b)?"
    rf"|\b(?P<mo>{_MONTH})\.?,?[\s\-]+(?={_YEAR}\b)"
    rf"|\b(?P<qo>{'|'.join(_ORDINALS)})[\s\-]+(?:fiscal\s+)?quarter\b"
    r"|\bq(?P<q>[1-4])(?=\b|\d\d)|\b(?P<qd>[1-4])\.\s*quartal\b|\b(?P<ql>[1-4])q(?=\b|\d\d)"
    rf"|\b(?:fy|f)\s?'?(?P<fy>{_YEAR})\b|\b(?:fy|f)\s?'?(?P<fs>\d\d)\b"
    rf"|\b(?P<ya>{_YEAR})\s?(?:[/–-]\s?(?P<yb>\d\d)\b(?![\d,.])|/\s?(?P<yc>{_YEAR})\b)"
    rf"|(?<![\d.,$€£])(?P<y>{_YEAR})(?![\d%]|[.,]\d)"
    r"|(?<=')(?P<ys>[012]\d)\b"
    rf"|\b(?P<dn>{'|'.join(_COUNTS)}|\d\d?)[ -](?P<du>months?|weeks?)(?=[ -](?:periods? )?(?:ended|ending)\b)"
)
# Words that stand around a period and say nothing else.
_AROUND = re.compile(
    r"\b(?:for|as|at|of|and|the|in|on|fiscal|financial|calendar|years?|ended|ending|end|months?|quarters?|"
    r"weeks?|period|periods|twelve|three|six|nine|fiftytwo|52|53|fy|date|annual|jahr|geschäftsjahr|zum|"
    r"stand|ejercicio|año|esercizio|anno|exercice|année|au|al)\b"
)


def parts(text: str) -> list[tuple[tuple[int, int], Period]]:
    """Every mention of (a part of) a period with its span in `fold(text)`, in order."""
    found: list[tuple[tuple[int, int], Period]] = []
    for match in _PATTERN.finditer(fold(text)):
        found.append((match.span(), _parts_of(match)))
    return found


def _parts_of(match: re.Match[str]) -> Period:
    g = match.groupdict()
    if g["iso"]:
        return frozenset({("y", int(g["iso"])), ("m", int(g["im"])), ("d", int(g["id"]))})
    if g["mf"]:
        return frozenset({("m", _MONTHS[g["mf"]]), ("d", int(g["df"]))})
    if g["ml"]:
        return frozenset({("m", _MONTHS[g["ml"]]), ("d", int(g["dl"]))})
    if g["mo"]:
        return frozenset({("m", _MONTHS[g["mo"]])})
    if g["qo"]:
        return frozenset({("q", _ORDINALS[g["qo"]])})
    if g["dn"]:
        count = _COUNTS.get(g["dn"]) or int(g["dn"])
        return frozenset({("w" if g["du"].startswith("week") else "n", count)})
    quarter = g["q"] or g["qd"] or g["ql"]
    if quarter:
        return frozenset({("q", int(quarter))})
    if g["ya"]:
        first = int(g["ya"])
        if g["yc"]:
            return frozenset({("y", first), ("y", int(g["yc"]))})
        return frozenset({("y", first), ("y", first // 100 * 100 + int(g["yb"]))})
    short = g["fs"] or g["ys"]
    year = int(short) + 2000 if short else int(g["fy"] or g["y"])
    return frozenset({("y", year)})


def period(text: str) -> Period:
    """All parts that stand in a head or a label."""
    return frozenset().union(*(p for _, p in parts(text)))


def cut(text: str) -> str:
    """`text`, folded, without its periods."""
    folded = fold(text)
    for (start, end), _ in reversed(parts(text)):
        folded = f"{folded[:start]} {folded[end:]}"
    return " ".join(folded.split())


def without(text: str) -> str:
    """`text`, folded, without its periods and the words around them."""
    return " ".join(_AROUND.sub(" ", cut(text)).split())


def asked(text: str) -> list[Period]:
    """The periods that a question names, in its order: "Q4 2019 and 2018" gives Q4 2019, Q4 2018."""
    groups: list[list[tuple[str, int]]] = []
    spans: list[tuple[int, int]] = []
    folded = fold(text)
    for span, found in parts(text):
        kinds = {kind for kind, _ in found}
        open_kinds = {kind for kind, _ in groups[-1]} if groups else set()
        gap = folded[spans[-1][1] : span[0]] if spans else ""
        joined = re.fullmatch(r"[\s,]*(?:of|in|the|fiscal|year|ended|,|\s)*", gap) is not None
        if groups and joined and not kinds & open_kinds:
            groups[-1] += sorted(found)
            spans[-1] = (spans[-1][0], span[1])
        else:
            groups.append(sorted(found))
            spans.append(span)
    return _completed(groups)


def _completed(groups: Sequence[Sequence[tuple[str, int]]]) -> list[Period]:
    """Missing years and quarters taken from the neighbour that has them."""
    years = [[p for p in group if p[0] == "y"] for group in groups]
    finer = [[p for p in group if p[0] != "y"] for group in groups]
    found: list[Period] = []
    for at in range(len(groups)):
        year = years[at] or next((y for y in years[at + 1 :] if y), []) or next((y for y in years if y), [])
        fine = finer[at]
        if not fine and at and finer[at - 1] and finer[at - 1][0][0] == "q":
            fine = finer[at] = finer[at - 1]
        found.append(frozenset([*year, *fine]))
    return list(dict.fromkeys(found))


def year_of(value: Period) -> int | None:
    years = [number for kind, number in value if kind == "y"]
    return max(years) if years else None


def order(value: Period) -> tuple[int, int, int, int]:
    """For sorting in time."""
    held = dict(sorted(value))
    return year_of(value) or 0, held.get("q", 0), held.get("m", 0), held.get("d", 0)


def comparable(values: Iterable[Period]) -> bool:
    """All of one length: three months are not added to nine, nor compared with them."""
    return len({frozenset(p for p in value if p[0] in "nw") for value in values}) <= 1


def pick(wanted: Period, among: Iterable[Period]) -> list[Period]:
    """Those of `among` that `wanted` names: exact ones, else those that say more, else the same year
    where that is all that can be compared."""
    listed = list(dict.fromkeys(among))
    exact = [p for p in listed if p == wanted]
    if exact:
        return exact
    years = {p for p in wanted if p[0] == "y"}
    finer = [p for p in listed if wanted <= p and {q for q in p if q[0] == "y"} == years]
    if finer:
        return finer
    # "December 31, 2019" asks for the column "2019"; "Q4 2019" and "nine months" do not.
    if any(kind in "qnw" for kind, _ in wanted):
        return []
    coarser = [p for p in listed if p and p <= wanted]
    # The fiscal year 2018/2019 is "FY2019".
    return coarser or [p for p in listed if len(years) == 1 and p > wanted and year_of(p) == year_of(wanted)]


_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def said(value: Period) -> str:
    """A period in words: "Q4 2019", "Sep 28, 2019", "2017–2019"."""
    held = {kind: sorted(n for k, n in value if k == kind) for kind in "yqmdnw"}
    if held["n"] or held["w"]:
        length = f"{held['n'][0]} months" if held["n"] else f"{held['w'][0]} weeks"
        return f"{length} to {said(frozenset(p for p in value if p[0] not in 'nw'))}"
    years = "–".join(str(y) for y in held["y"])
    if held["q"]:
        return f"Q{held['q'][0]} {years}".strip()
    if held["m"]:
        month = _NAMES[held["m"][0] - 1]
        return f"{month} {held['d'][0]}, {years}" if held["d"] else f"{month} {years}"
    return years
