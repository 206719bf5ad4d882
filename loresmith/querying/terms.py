"""The words of labels, heads and questions, as they are compared in report tables."""

from __future__ import annotations

import re
from functools import lru_cache

from loresmith.answering.text import stem, words

# Words that ask or frame and name nothing in a table.
_FRAME = frozenset(
    """a about above across after all also altogether an and any are as at be been before being below both
    by can company company's compared corporation could did do does each end ended ending entity
    every fiscal following for from fy group had has have her his how i in inc incl include included
    including into is it its itself last ltd many me more most much of on one only or other's our
    out over per please reported recorded represented represent respective respectively same show
    shown shows since table tell than that the their them then there these they this those through
    to two three four five under up us use using was we were what whats what's when where whether
    which who whole whose why will with within would year years year's annual annually period
    periods quarter quarters month months day value values amount amounts figure figures number
    given give provided provide thousand thousands million millions billion billions dollars dollar
    usd usds between during against arising came come comes calculated whereby based upon date der
    die das den dem des ein eine einer eines und oder von vom zum zur im am auf für mit wie welche
    welcher welches wieviel viel hoch hat hatte war waren ist sind betrug beträgt lag jahr jahre
    jahren el la los las de del en y o cuál cuánto fue es por para entre año años il lo gli le di
    nel nella e quanto qual quale era tra anno anni du les au aux et ou quel quelle était combien
    pour l'année zwischen gab wurde wurden worden höhe jeweils insgesamt gegenüber vergleich
    verglichen viele um cuáles fueron ser eran ha han sido hubo se cuántos cuántas respecto qué
    ejercicio è stato stata stati state erano quali sono dal al ai alla dalla dei degli delle della
    sul sulla quanti quante esercizio quels quelles étaient sont est ont été avait eu dans par
    exercice""".split()  # noqa: SIM905
)
# Words that may belong to a label or to the operation: they help where the label has them.
_OPTIONAL = frozenset(
    """total average mean change percentage percent proportion ratio increase decrease difference sum
    highest lowest largest smallest higher lower larger smaller greater greatest nominal
    constitution growth absolute out less least maximum minimum grow grew rise rose decline declined
    increased decreased yearly exceed exceeded count combined summe gesamt durchschnitt
    durchschnittlich veränderung änderung prozentual prozentuale differenz anteil verhältnis
    gestiegen gesunken erhöht verringert zugenommen abgenommen stieg sank anzahl hohe hohen höher
    niedriger größer kleiner aumento disminución aumentó disminuyó más alto alta bajo baja mayor
    menor cambio aumentato diminuito più basso bassa maggiore minore crescita augmenté diminué
    augmentation diminution élevé élevée bas basse quota proporción proporzione zunahme abnahme
    höchste höchsten niedrigste niedrigsten größte kleinste prozent suma promedio media variazione
    variación variation somme moyenne totale porcentaje percentuale pourcentage""".split()  # noqa: SIM905
)


_DIGITS = {"one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "ten": "10"}
CHANGES = frozenset("change variance growth difference increase decrease veränderung delta".split())  # noqa: SIM905


def terms(text: str) -> list[str]:
    """Words as they are compared here: folded, plural and possessive endings taken off."""
    return list(_terms(text))


@lru_cache(maxsize=16_384)
def _terms(text: str) -> tuple[str, ...]:
    found: list[str] = []
    for word in words(text):
        for part in re.split(r"[-/–]", word):
            bare = part.strip(".'").removesuffix("'s").removesuffix("'")
            if re.fullmatch(r"[^\W\d]{4,}\d", bare):  # the mark of a footnote: "year1"
                bare = bare[:-1]
            if bare:
                found.append(_DIGITS.get(bare) or _singular(bare))
    return tuple(found)


def _singular(word: str) -> str:
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("sses", "xes", "ches", "shes")):
        return word[:-2]
    plural = len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is"))
    return word[:-1] if plural else word


FRAMES = frozenset(_singular(w) for w in _FRAME) | _FRAME
OPTIONALS = frozenset(_singular(w) for w in _OPTIONAL)


def content(text: str) -> set[str]:
    """The words that name something."""
    return {t for t in terms(text) if t not in FRAMES and t not in OPTIONALS}


def core(label: str) -> list[str]:
    """The words of a label without what stands in brackets, unless that is all."""
    return terms(re.sub(r"\([^()]*\)", " ", label)) or terms(label)


def near(term: str, others: frozenset[str] | set[str]) -> bool:
    """The same word with another ending ("operation", "operating" no; "amortisation", "-zation" yes)."""
    if term in others:
        return True
    if len(term) < 6 or term.isdigit():
        return False
    return any(len(other) >= 6 and _alike(term, other) for other in others)


@lru_cache(maxsize=65_536)
def _alike(one: str, other: str) -> bool:
    return stem(one) == stem(other) or _spelling(one) == _spelling(other) or _inflected(one, other)


def _inflected(one: str, other: str) -> bool:
    """ "Umsatzerlöse", "Umsatzerlösen": an ending of one or two letters more."""
    short, long = sorted((one, other), key=len)
    return long.startswith(short) and len(long) - len(short) <= 2


def _spelling(word: str) -> str:
    return word.replace("isation", "ization").replace("ise", "ize").replace("our", "or")
