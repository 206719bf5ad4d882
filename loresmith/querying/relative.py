"""Days and periods that are said from today: "last month", "this year", "gestern".

"last year" is the calendar year before this one, "last week" Monday to Sunday; "in the last year" and "the
past month" could be other days, and are none of these.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from loresmith.querying.atoms import Span, Word, text_of

_PHRASES = {
    "en": """year 0: this year
        year -1: last year|previous year
        month 0: this month
        month -1: last month|previous month
        week 0: this week
        week -1: last week|previous week
        day 0: today
        day -1: yesterday""",
    "de": """year 0: dieses jahr|diesem jahr|dieses jahres|in diesem jahr
        year -1: letztes jahr|letzten jahr|im letzten jahr|letzten jahres|voriges jahr|vorigen jahr
        month 0: diesen monat|diesem monat|dieses monats|in diesem monat
        month -1: letzten monat|letzten monats|vorigen monat|vergangenen monat
        week 0: diese woche|dieser woche
        week -1: letzte woche|letzter woche|vorige woche|voriger woche
        day 0: heute
        day -1: gestern""",
    "es": """year 0: este ano
        year -1: ano pasado|el ano pasado
        month 0: este mes
        month -1: mes pasado|el mes pasado
        week 0: esta semana
        week -1: semana pasada|la semana pasada
        day 0: hoy
        day -1: ayer""",
    "it": """year 0: quest anno|questo anno
        year -1: anno scorso|l anno scorso|scorso anno|lo scorso anno
        month 0: questo mese
        month -1: mese scorso|il mese scorso|scorso mese|lo scorso mese
        week 0: questa settimana
        week -1: settimana scorsa|la settimana scorsa|scorsa settimana
        day 0: oggi
        day -1: ieri""",
    "fr": """year 0: cette annee
        year -1: annee derniere|l annee derniere|an dernier|l an dernier
        month 0: ce mois|ce mois ci
        month -1: mois dernier|le mois dernier
        week 0: cette semaine
        week -1: semaine derniere|la semaine derniere
        day 0: aujourd hui
        day -1: hier""",
}
_ROLLING = frozenset(("the",))
"""Before "last year" these make it any twelve months."""


def _known(language: str) -> dict[str, tuple[str, int]]:
    found = {}
    for line in _PHRASES.get(language, "").splitlines():
        what, _, phrases = line.strip().partition(": ")
        unit, _, back = what.partition(" ")
        found.update(dict.fromkeys(phrases.split("|"), (unit, int(back))))
    return found


_KNOWN = {language: _known(language) for language in _PHRASES}
LONGEST = max(len(phrase.split()) for known in _KNOWN.values() for phrase in known)


def today() -> date:
    return date.today()


def spoken(words: Sequence[Word], first: int, last: int, language: str) -> Span | None:
    """The days that words [first, last) stand for today; None where they are no such words."""
    known = _KNOWN.get(language, {}).get(text_of(words, first, last))
    if known is None or any(w.quoted for w in words[first:last]):
        return None
    if first and words[first].folded == "last" and words[first - 1].folded in _ROLLING:
        return None
    unit, back = known
    now = today()
    if unit == "year":
        return Span(str(now.year + back), "", first, last)
    if unit == "month":
        month = now.year * 12 + now.month - 1 + back
        return Span(f"{month // 12}-{month % 12 + 1:02}", "", first, last)
    if unit == "day":
        return Span(str(now + timedelta(days=back)), "", first, last)
    monday = now - timedelta(days=now.weekday() - 7 * back)
    return Span(str(monday), str(monday + timedelta(days=6)), first, last)
