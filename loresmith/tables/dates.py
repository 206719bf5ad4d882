"""Dates, moments and times as people write them.

A cell's `shape` says in which orders it can be read; the column decides (inference.py).

    ymd   2024-12-31, 2024/12/31, 31 December 2024: no doubt
    dmy   31/12/2024: the first cannot be a month
    mdy   12/31/2024: the second cannot be a month
    x.    01.02.2024: with points, day first everywhere
    x     01/02/2024: either
    tm    14:05, 14:05:30
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, timezone

DATES = frozenset(("ymd", "dmy", "mdy", "x", "x."))
_MONTHS = {
    name: number
    for number, names in enumerate(
        """jan january januar janvier enero ene gennaio gen januari janeiro jänner
        feb february februar février fevrier fév febrero febbraio februari fevereiro
        mar march märz marz mrz mär mars marzo maart março
        apr april avril avr abril abr aprile
        may mai mayo maggio mag mei maio
        jun june juni juin junio giugno giu junho
        jul july juli juillet juil julio luglio lug julho
        aug august août aout agosto ago augustus
        sep sept september septembre septiembre settembre set setembro
        oct october oktober okt octobre octubre ottobre ott outubro
        nov november novembre noviembre novembro
        dec december dezember dez décembre decembre déc diciembre dic dicembre dezembro""".splitlines(),
        start=1,
    )
    for name in names.split()
}
_CLOCK = (
    r"(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,](?P<fraction>\d{1,9}))?)?"
    r"(?:\s*(?P<half>[AaPp])\.?[Mm]\.?)?(?:\s?(?P<zone>Z|UTC|[+\-]\d{2}:?\d{2}|[+\-]\d{2}(?!\d)))?(?:\s?Uhr)?"
)
_WEEKDAY = r"(?:[^\W\d]{2,10}\.?,?\s+)?"
_YEAR_FIRST = re.compile(
    rf"^(?P<year>\d{{4}})(?P<mark>[-/.])(?P<a>\d{{1,2}})(?P=mark)(?P<b>\d{{1,2}})(?:(?:T|,?\s+){_CLOCK})?$"
)
_YEAR_LAST = re.compile(
    rf"^{_WEEKDAY}(?P<a>\d{{1,2}})(?P<mark>[-/.])(?P<b>\d{{1,2}})(?P=mark)(?P<year>\d{{4}}|\d{{2}})(?:,?\s+{_CLOCK})?$"
)
_DAY_NAME = re.compile(
    rf"^{_WEEKDAY}(?P<a>\d{{1,2}})(?:\.|st|nd|rd|th|er)?[\s-]+(?:de\s+)?(?P<name>[^\W\d]{{3,10}})\.?,?[\s-]+(?:de\s+)?"
    rf"(?P<year>\d{{4}})(?:,?\s+{_CLOCK})?$"
)
_NAME_DAY = re.compile(
    rf"^{_WEEKDAY}(?P<name>[^\W\d]{{3,10}})\.?\s+(?P<a>\d{{1,2}})(?:st|nd|rd|th)?,?\s+(?P<year>\d{{4}})(?:,?\s+{_CLOCK})?$"
)
_HINT = re.compile(r"\d:\d\d|\d[-/.]\d\d?[-/.]\d|\s\d{4}(?!\d)")
_TIME = re.compile(rf"^{_CLOCK}$")


@dataclass(frozen=True, slots=True)
class Moment:
    """A cell taken apart. `first` and `second` are what stands beside the year, in their order;
    `clock` in seconds, None where the cell has no time; `offset` in minutes from UTC."""

    shape: str
    year: int = 0
    first: int = 0
    second: int = 0
    clock: int | None = None
    offset: int | None = None


def read(text: str) -> Moment | None:
    """The date, moment or time that a cell (stripped, not empty) holds, or None."""
    if not 4 <= len(text) <= 45 or _HINT.search(text) is None:
        return None
    if found := _YEAR_FIRST.match(text):
        shape = "ymd"
    elif found := _YEAR_LAST.match(text):
        shape = _order(int(found["a"]), int(found["b"]), found["mark"])
    elif (found := _DAY_NAME.match(text)) or (found := _NAME_DAY.match(text)):
        month = _MONTHS.get(found["name"].casefold())
        if month is None:
            return None
        return _checked(Moment("ymd", int(found["year"]), month, int(found["a"])), found)
    elif found := _TIME.match(text):
        return _checked(Moment("tm"), found)
    else:
        return None
    year = int(found["year"])
    if len(found["year"]) == 2:
        year += 1900 if year > 68 else 2000
    return _checked(Moment(shape, year, int(found["a"]), int(found["b"])), found) if shape else None


def _order(a: int, b: int, mark: str) -> str:
    if a > 31 or b > 31 or (a > 12 and b > 12) or not a or not b:
        return ""
    if a > 12:
        return "dmy"
    if b > 12:
        return "mdy"
    return "x." if mark == "." else "x"


def _checked(moment: Moment, found: re.Match[str]) -> Moment | None:
    if found["hour"] is not None:
        hour, minute, second = int(found["hour"]), int(found["minute"]), int(found["second"] or 0)
        half = (found["half"] or "").lower()
        if half and not 1 <= hour <= 12:
            return None
        if half:
            hour = hour % 12 + (12 if half == "p" else 0)
        if hour > 23 or minute > 59 or second > 60:
            return None
        zone = found["zone"]
        offset = None
        if zone:
            digits = zone[1:].replace(":", "") if zone[0] in "+-" else ""
            offset = (
                (int(digits[:2]) * 60 + int(digits[2:] or 0)) * (-1 if zone[0] == "-" else 1) if digits else 0
            )
        moment = replace(moment, clock=hour * 3600 + minute * 60 + min(second, 59), offset=offset)
    if moment.shape == "tm":
        return moment
    order = moment.shape if moment.shape in ("ymd", "mdy") else "dmy"
    try:
        _day(moment, order)
    except ValueError:
        return None
    return moment


def _day(moment: Moment, order: str) -> date:
    first, second = moment.first, moment.second
    if moment.shape == "ymd" or order != "dmy":
        return date(moment.year, first, second)
    return date(moment.year, second, first)


def as_date(moment: Moment, order: str) -> str:
    """YYYY-MM-DD; `order` ("dmy" or "mdy") counts where the cell leaves it open.

    Raises:
        ValueError: there is no such day.
    """
    return _day(moment, order).isoformat()


def as_moment(moment: Moment, order: str) -> str:
    """YYYY-MM-DD HH:MM:SS, in UTC where the cell names its zone.

    Raises:
        ValueError, OverflowError: there is no such day.
    """
    day = _day(moment, order)
    at = datetime(day.year, day.month, day.day) + timedelta(seconds=moment.clock or 0)
    if moment.offset is not None:
        at = at.replace(tzinfo=timezone(timedelta(minutes=moment.offset))).astimezone(UTC)
    return at.strftime("%Y-%m-%d %H:%M:%S") if at.year >= 1000 else f"{at.year:04}{at:-%m-%d %H:%M:%S}"


def as_time(moment: Moment) -> str:
    """HH:MM:SS."""
    seconds = moment.clock or 0
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
