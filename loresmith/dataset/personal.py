"""What looks like personal data: e-mail addresses, telephone numbers, IBANs, payment cards, US social
security numbers. Numbers with a checksum count only where it holds.

It is a net with known holes: names, postal addresses and dates of birth are not looked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_EMAIL = re.compile(r"\b[\w.+%-]+@[\w-]+(?:\.[\w-]+)*\.[A-Za-z]{2,}\b")
_DIGITS = re.compile(r"\d(?:[\s()/.\-–]{0,3}\d){6}")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
_CARD = re.compile(
    r"(?<![\d.,-])(?:\d{4}[ -]?){3}\d{1,7}(?![\d.,-]\d|\d)|(?<![\d.,-])3[47]\d{2}[ -]?\d{6}[ -]?\d{5}(?!\d)"
)
_PHONE = re.compile(
    r"(?<![\w.])\+\d{1,3}(?:[ ./()-]{0,2}\d){6,13}(?!\w)"
    r"|(?<![\w.])\(\d{2,5}\)[ ./-]?\d(?:[ ./-]?\d){4,9}(?!\w)"
    r"|(?<![\w.-])\d{3}[.-]\d{3}[.-]\d{4}(?![\w-])"
    r"|(?i:\b(?:tel|telephone|telefon|téléphone|teléfono|telefono|phone|mobile|mobil|handy|fax|call)\b)"
    r"[^\w+]{0,3}(?:[^\W\d]{1,12}[^\w+]{1,3})?\+?\d(?:[ ./()-]{0,3}\d){5,13}(?!\w)"
)
_SSN = re.compile(r"(?<![\d-])(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\d-])")
_CARD_STARTS = ("3", "4", "5", "6", "2")


def find(text: str) -> Iterator[tuple[str, str]]:
    """(kind, as it stands) of everything in `text` that looks personal.

    >>> list(find("Write to ann.lee@example.com, IBAN DE89 3704 0044 0532 0130 00"))
    [('e-mail address', 'ann.lee@example.com'), ('IBAN', 'DE89 3704 0044 0532 0130 00')]
    """
    if "@" in text:
        for match in _EMAIL.finditer(text):
            yield "e-mail address", match[0]
    if not _DIGITS.search(text):
        return
    taken: list[tuple[int, int]] = []
    for kind, pattern in (
        ("IBAN", _IBAN),
        ("payment card", _CARD),
        ("social security number", _SSN),
        ("telephone number", _PHONE),
    ):
        for match in pattern.finditer(text):
            if any(start < match.end() and match.start() < end for start, end in taken):
                continue
            if (kind == "IBAN" and not is_iban(match[0])) or (
                kind == "payment card" and not is_card(match[0])
            ):
                continue
            taken.append(match.span())
            yield kind, match[0]


def is_iban(text: str) -> bool:
    """Whether the checksum of ISO 13616 holds."""
    bare = text.replace(" ", "")
    if not 15 <= len(bare) <= 34:
        return False
    return int("".join(str(int(c, 36)) for c in bare[4:] + bare[:4])) % 97 == 1


def is_card(text: str) -> bool:
    """Whether it has the length and beginning of a card's number, and Luhn's checksum holds."""
    digits = [int(c) for c in text if c.isdigit()]
    if not 13 <= len(digits) <= 19 or text[0] not in _CARD_STARTS or len(set(digits)) < 2:
        return False
    doubled = [d if i % 2 == 0 else sum(divmod(2 * d, 10)) for i, d in enumerate(reversed(digits))]
    return sum(doubled) % 10 == 0


def masked(text: str) -> str:
    """Enough to find it, too little to use it: "a…@example.com", "DE…00".

    >>> masked("ann.lee@example.com")
    'a…@example.com'
    """
    name, at, domain = text.partition("@")
    return f"{name[0]}…@{domain}" if at else f"{text[:2]}…{text[-2:]}"


def hidden(text: str) -> str:
    """`text` with everything that looks personal masked."""
    for _, found in list(find(text)):
        text = text.replace(found, masked(found))
    return text
