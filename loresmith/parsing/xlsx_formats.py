"""Number formats of spreadsheets: what a stored number looks like, and what it is.

Dates read YYYY-MM-DD whatever the format: "03/04" says nothing without knowing the country.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from functools import lru_cache

BUILT_IN = {
    1: "0", 2: "0.00", 3: "#,##0", 4: "#,##0.00", 9: "0%", 10: "0.00%", 11: "0.00E+00",
    14: "yyyy-mm-dd", 15: "yyyy-mm-dd", 16: "yyyy-mm-dd", 17: "yyyy-mm", 18: "hh:mm", 19: "hh:mm:ss",
    20: "hh:mm", 21: "hh:mm:ss", 22: "yyyy-mm-dd hh:mm", 37: "#,##0", 38: "#,##0", 39: "#,##0.00",
    40: "#,##0.00", 45: "hh:mm:ss", 46: "[h]:mm:ss", 47: "hh:mm:ss",
}  # fmt: skip


@lru_cache(maxsize=1024)
def kind_of(code: str) -> tuple[bool, bool, str]:
    """(is it a date, is it a percentage, the unit beside the number) of a format."""
    section = code.split(";")[0]
    bare = re.sub(r'"[^"]*"|\\.|_.|\*.|\[(?!h|m|s)[^\]]*\]', "", section, flags=re.IGNORECASE)
    if re.search(r"[ymdhs]", bare, re.IGNORECASE) and not re.search(r"[0#?]", bare.replace("ss.0", "")):
        return True, False, ""
    if "%" in bare:
        return False, True, "%"
    literal = re.sub(r"_.|\*.|\[\$([^\]-]*)[^\]]*\]|\[[^\]]*\]", r"\1", section)
    literal = re.sub(r'"([^"]*)"|\\(.)', r"\1\2", literal)
    match = re.search(r"[0#?][0#?,. ]*[0#?]|[0#?]", literal)
    if match is None:
        return False, False, ""
    beside = (literal[: match.start()] + " " + literal[match.end() :]).strip(" ()-+")
    return False, False, beside if len(beside) <= 12 and beside.casefold() != "general" else ""


def show(raw: str, code: str, epoch: datetime) -> str:
    """A stored number as the cell's format shows it.

    >>> show("0.125", "0.0%", datetime(1899, 12, 30))
    '12.5%'
    """
    try:
        number = float(raw)
    except ValueError:
        return raw
    sections = code.split(";")
    section = sections[1] if number < 0 and len(sections) > 1 and sections[1] else sections[0]
    bare = re.sub(r'"[^"]*"|\\.|_.|\*.|\[(?!h|m|s)[^\]]*\]', "", section, flags=re.IGNORECASE)
    if re.search(r"[ymdhs]", bare, re.IGNORECASE) and not re.search(r"[0#?]", bare.replace("ss.0", "")):
        return _date(number, bare.lower(), epoch)
    if not re.search(r"[0#?]", bare) or "E" in bare.upper():
        return _plain(number)
    decimals = len(re.sub(r"[^0#?]", "", bare.split(".", 1)[1].split("%")[0])) if "." in bare else 0
    shown = abs(number) * 100 if "%" in bare else abs(number)
    text = f"{shown:,.{decimals}f}" if "," in bare else f"{shown:.{decimals}f}"
    if "." in text and re.search(r"\.0*#+", bare):
        kept = len(re.sub(r"[^0]", "", bare.split(".", 1)[1]))
        whole, _, fraction = text.partition(".")
        text = (whole + "." + fraction[:kept] + fraction[kept:].rstrip("0")).rstrip(".")
    literal = re.sub(r"_.|\*.|\[\$([^\]-]*)[^\]]*\]|\[[^\]]*\]", r"\1", section)
    literal = re.sub(r'"([^"]*)"|\\(.)', r"\1\2", literal)
    match = re.search(r"[0#?][0#?,. ]*[0#?]|[0#?]", literal)
    before, after = (literal[: match.start()], literal[match.end() :]) if match else ("", "")
    own_sign = number < 0 and not (len(sections) > 1 and sections[1])
    return ("-" if own_sign and text.strip("0.,") else "") + (before + text + after).strip()


def _plain(number: float) -> str:
    """As a general format shows it: 15 digits, no trailing zeros."""
    if number == int(number) and abs(number) < 1e15:
        return str(int(number))
    return f"{number:.15g}"


def _date(number: float, code: str, epoch: datetime) -> str:
    if "[h]" in code:
        seconds = round(number * 86400)
        return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    # The program believes that 1900 was a leap year: days before March 1900 are one off.
    shift = 1 if epoch.year == 1899 and 0 < number < 60 else 0
    try:
        moment = epoch + timedelta(seconds=round((number + shift) * 86400))
    except OverflowError:
        return _plain(number)
    has_date = "y" in code or "d" in code
    has_time = "h" in code or "s" in code
    if has_date and "d" not in code and not has_time:
        return moment.strftime("%Y-%m") if "y" in code else moment.strftime("%m")
    clock = moment.strftime("%H:%M:%S" if moment.second or "s" in code else "%H:%M")
    if has_date and has_time:
        return f"{moment:%Y-%m-%d} {clock}"
    return f"{moment:%Y-%m-%d}" if has_date else clock
