"""Identifiers that never need quotes, and the folded form by which values are compared.

`identifier("Torque (Nm)")` is `torque_nm`; it is lower case, of letters, digits and underscores, no
keyword, and begins with a letter: names that begin with an underscore are the store's own.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container

_LENGTH = 40
# What SQLite or sqlglot does not take for a name without quotes (tried, word by word).
_RESERVED = frozenset(
    """
    add all alter and any as asc autoincrement begin between by case cast check collate commit
    connect_by_root constraint create cross cube current_date current_time current_timestamp current_user
    default deferrable delete desc describe distinct drop else end escape except exists false fetch for
    foreign from glob grant group having if ilike in index inner insert intersect interval into is isnull
    join lateral like limit lock not nothing notnull null offset oid on or order outer partitioned_by
    primary qualify raise references regexp returning revoke rlike rollback rollup rowid select set table
    tablesample then to transaction true uncache union unique unnest update using values when where
    window with xor
    """.split()  # noqa: SIM905
)
_LETTERS = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "æ": "ae", "ø": "o", "đ": "d", "ł": "l"}
)


def fold(text: str) -> str:
    """`text` as values are compared: casefolded, without accents and punctuation, single spaces."""
    if text.isascii():
        return " ".join(_ASCII_NOISE.sub(" ", text.lower()).split())
    plain = "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
    return " ".join("".join(c if c.isalnum() else " " for c in plain).split())


_ASCII_NOISE = re.compile(r"[^0-9a-z]+")


def identifier(name: str, taken: Container[str] = (), *, otherwise: str = "column") -> str:
    """An identifier made of `name` that is not in `taken` (identifiers, casefolded)."""
    # Umlauts as their letters when typed without them; other accents simply go.
    text = name.casefold().translate(_LETTERS)
    text = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    words = [word for word in re.split(r"[^\w]+|_+", _spoken(text)) if word]
    made = _shortened("_".join(words)) or otherwise
    if made[0].isdigit():
        made = f"{'y' if re.fullmatch(r'(?:19|20)[0-9]{2}.*', made) else otherwise[0]}{made}"
    if made in _RESERVED or made.startswith("sqlite"):
        made += "_"
    if made not in taken:
        return made
    joint = "" if made.endswith("_") else "_"
    number = 2
    while f"{made}{joint}{number}" in taken:
        number += 1
    return f"{made}{joint}{number}"


def _spoken(text: str) -> str:
    """Marks that carry the meaning, as words: "%" and "#" alone would leave nothing."""
    for mark, word in (("%", " percent "), ("#", " number "), ("€", " eur "), ("$", " usd "), ("£", " gbp ")):
        text = text.replace(mark, word)
    return "".join(c if c == "_" or c.isalnum() else " " for c in text.replace("²", "2").replace("³", "3"))


def _shortened(text: str) -> str:
    if len(text) <= _LENGTH:
        return text
    cut = text[:_LENGTH].rsplit("_", 1)[0] if "_" in text[:_LENGTH] else text[:_LENGTH]
    return cut.strip("_")
