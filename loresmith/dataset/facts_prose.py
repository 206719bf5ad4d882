"""Running text -> statements: a sentence, and the questions that it answers.

English and German have grammars of their own (facts_prose_en, facts_prose_de); Spanish, French,
Italian, Portuguese, Dutch and Chinese a few sure patterns. A sentence that none of them fits gives
nothing.
"""

# ruff: noqa: E501  (patterns are easier to read on one line)

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from loresmith.answering.evidence import talks_to_model
from loresmith.answering.sentences import spans
from loresmith.dataset import facts_prose_de, facts_prose_en
from loresmith.dataset.facts import (
    Fact,
    Known,
    lowered,
    paths,
    readable,
    single_spaced,
    text_of,
    topic_of,
    without_number,
)
from loresmith.types import Document

Ask = Callable[[str, Known], list[str]]

_LONGEST = 300
_BULLET = re.compile(r"^(?:[-•*–▪]\s+)?(?:\[.?\]\s+|\(?\d{1,2}[.)]\s+)?")
_LEFT_OUT = re.compile(
    r"[{}\[\]<>|]|https?://|\S+@\S+|→|\bTable of Contents\b|^(?:Notes|Source|Quelle|From|To|Date):", re.I
)

# (pattern of a sentence, question made of it); groups of the pattern are filled in.
_S = r"(?P<s>[^,;:()]{3,70}?)"
_N = r"[\d.,]+(?:\s?[-–]\s?[\d.,]+)?"
_PATTERNS: dict[str, tuple[tuple[str, str], ...]] = {
    "es": (
        (rf"^{_S} (?P<v>dura|tarda) (?:normalmente |unos? |unas? )?{_N} ", "¿Cuánto {v} {s}?"),
        (rf"^{_S} (?P<v>cuesta|vale|pesa|mide) (?:unos? )?{_N}", "¿Cuánto {v} {s}?"),
        (rf"^{_S} (?P<v>es|son) de {_N}", "¿De cuánto {v} {s}?"),
        (rf"^{_S} (?P<v>es|son) (?:válid[oa]s? )(?:hasta) ", "¿Hasta cuándo {v} válido {s}?"),
        (rf"^{_S} (?P<v>es|son) válid[oa]s? durante ", "¿Durante cuánto tiempo es válido {s}?"),
        (rf"^{_S} (?P<v>tiene|tienen|incluye|recibe) {_N} (?P<n>[a-zñáéíóú]+as)\b", "¿Cuántas {n} {v} {s}?"),
        (rf"^{_S} (?P<v>tiene|tienen|incluye|recibe) {_N} (?P<n>[a-zñáéíóú]+os|[a-zñáéíóú]+es)\b", "¿Cuántos {n} {v} {s}?"),
        (rf"^{_S} (?P<v>debe|deben) (?P<r>[^,;:]{{3,60}}?) (?:dentro de|en un plazo de) ", "¿En qué plazo {v} {r} {s}?"),
        (rf"^{_S} (?P<v>debe|deben) (?P<r>[^,;:]{{3,60}}?) cada ", "¿Cada cuánto {v} {r} {s}?"),
        (rf"^{_S} (?P<v>abre|muestra|cubre|contiene|incluye|requiere) (?=el|la|los|las|un|una)", "¿Qué {v} {s}?"),
        (rf"^{_S} (?P<v>termina|empieza|comienza|finaliza) (?P<r>por sí mismo )?después de ", "¿Cuándo {v} {s}?"),
        (rf"^{_S} (?P<v>no cubre) ", "¿Qué {v} {s}?"),
    ),
    "fr": (
        (rf"^{_S} (?P<v>dure) (?:environ )?{_N} ", "Combien de temps dure {s} ?"),
        (rf"^{_S} (?P<v>coûte|pèse|mesure) {_N}", "Combien {v} {s} ?"),
        (rf"^{_S} (?P<v>est|sont) de {_N}", "À combien s'élève {s} ?"),
        (rf"^{_S} (?P<v>est valable) jusqu", "Jusqu'à quand {s} est-il valable ?"),
        (rf"^{_S} (?P<v>doit|doivent) être (?P<r>\w+) (?:tous|toutes) les ", "À quelle fréquence {s} {v} être {r} ?"),
        (rf"^{_S} (?P<v>doit|doivent) être (?P<r>\w+) dans (?:les|un délai)", "Dans quel délai {s} {v} être {r} ?"),
    ),
    "it": (
        (rf"^{_S} (?P<v>dura|richiede) (?:circa )?{_N} (?=ore|minuti|giorni|mesi|anni|secondi)", "Quanto dura {s}?"),
        (rf"^{_S} (?P<v>costa|pesa|misura) {_N}", "Quanto {v} {s}?"),
        (rf"^{_S} (?P<v>è|sono) di {_N}", "A quanto ammonta {s}?"),
        (rf"^{_S} (?P<v>è|sono) valid[aoie] fino ", "Fino a quando {v} valido {s}?"),
        (rf"^{_S} (?P<v>deve|devono|va|vanno) (?P<r>[^,;:]{{3,40}}?) ogni ", "Ogni quanto {v} {r} {s}?"),
        (rf"^{_S} (?P<v>contiene|comprende|richiede|mostra) (?=il|la|lo|le|gli|i|un|una|l')", "Che cosa {v} {s}?"),
    ),
    "pt": (
        (rf"^{_S} (?P<v>dura|demora) {_N} ", "Quanto tempo {v} {s}?"),
        (rf"^{_S} (?P<v>custa|pesa|mede) {_N}", "Quanto {v} {s}?"),
        (rf"^{_S} (?P<v>é|são) de {_N}", "De quanto {v} {s}?"),
    ),
    "nl": (
        (rf"^{_S} (?P<v>duurt|duren) {_N} ", "Hoe lang {v} {s}?"),
        (rf"^{_S} (?P<v>kost|kosten) {_N}", "Hoeveel {v} {s}?"),
        (rf"^{_S} (?P<v>bedraagt|bedragen) ", "Hoeveel {v} {s}?"),
        (rf"^{_S} (?P<v>moet|moeten) elke .* (?P<r>\w+)$", "Hoe vaak {v} {s} {r}?"),
    ),
    "zh": (
        (r"^(?P<s>[^，。；：]{2,24}?)(?:为|是|不超过|不得超过|约为|至少为)\s?[\d.]+", "{s}是多少？"),
        (r"^(?P<s>[^，。；：]{2,24}?)每(?:隔)?\s?[\d.,]+\s?(?:小时|天|周|个月|年)(?P<r>[^，。；]{2,12})", "{s}多久{r}？"),
    ),
}  # fmt: skip


def facts(document: Document, language: str) -> list[Fact]:
    """The statements of a document's running text, in its order."""
    ask = _asker(language)
    if ask is None:
        return []
    known = Known.of(document.text)
    topic = topic_of(document.title or document.id)
    out = []
    for block, path in zip(document.blocks, paths(document), strict=True):
        if block.kind not in ("paragraph", "list") or talks_to_model(text_of(document, block)):
            continue
        for start, end, sentence in _sentences(document, block.start, block.end):
            asked = ask(sentence, known)
            if asked:
                out.append(
                    Fact(
                        kind="statement",
                        document=document.id,
                        language=language,
                        start=start,
                        end=end,
                        quote=document.text[start:end],
                        subject=without_number(path[-1]) if path else "",
                        topic=topic,
                        value=sentence,
                        asked=tuple(asked),
                        answer=sentence,
                    )
                )
    return out


def _sentences(document: Document, start: int, end: int) -> Iterator[tuple[int, int, str]]:
    for span in spans(document.text, start, end):
        raw = document.text[span.start : span.end]
        skipped = _BULLET.match(raw)
        begin = span.start + (skipped.end() if skipped else 0)
        sentence = single_spaced(document.text[begin : span.end])
        # Lines that only the layout broke belong together; several short ones are a list or an address.
        broken = raw.count("\n") > 2 and max(map(len, raw.splitlines())) < 45
        if (
            12 <= len(sentence) <= _LONGEST
            and not broken
            and readable(sentence)
            and not _LEFT_OUT.search(sentence)
        ):
            yield begin, span.end, sentence


def _asker(language: str) -> Ask | None:
    if language == "en":
        return facts_prose_en.questions
    if language == "de":
        return facts_prose_de.questions
    patterns = _PATTERNS.get(language)
    if patterns is None:
        return None

    def ask(sentence: str, known: Known) -> list[str]:
        for pattern, question in patterns:
            found = re.match(pattern, sentence)
            if found is None:
                continue
            groups = {name: (value or "").strip() for name, value in found.groupdict().items()}
            if language != "zh":
                groups["s"] = lowered(groups["s"], known)
            return [" ".join(question.format(**groups).split())]
        return []

    return ask
