"""How people ask tables in German: wordings that need no gender of what they ask for.

Built as the English ones are (queries_en.py), with the same slots.
"""

from __future__ import annotations

import re
from random import Random

from loresmith.dataset.queries_columns import Place
from loresmith.dataset.queries_de_templates import FIGURES, MONTHS, TEMPLATES, WORDS
from loresmith.dataset.queries_plans import Filter, Meaning
from loresmith.dataset.queries_words import Words, unit
from loresmith.querying.plan import Ref
from loresmith.tables.names import fold

_PERIODS = {"year": "Jahr", "month": "Monat", "day": "Tag"}


class German:
    """Words one catalog's meanings."""

    language = "de"

    def __init__(self, words: Words, rng: Random) -> None:
        self.words, self.rng = words, rng

    def wordings(self, meaning: Meaning, count: int) -> list[str]:
        """Up to `count` different questions."""
        templates = TEMPLATES[meaning.style]
        order = self.rng.sample(templates, len(templates))
        found = dict.fromkeys(_tidy(self._filled(order[n % len(order)], meaning)) for n in range(2 * count))
        return list(found)[:count]

    def _filled(self, template: str, meaning: Meaning) -> str:
        noun, _ = self.rng.choice(self.words.rows(meaning.rows, "de")[:1])
        slots = {"all": noun, "n": str(meaning.number), "key": meaning.key, "group": ""}
        slots["rows"] = self._restricted(noun, meaning.filters)
        about = meaning.of or (meaning.show[-1] if meaning.show else None)
        if about:
            slots["col"] = self._column(about)
        if meaning.period:
            slots["group"] = _PERIODS[meaning.period]
        elif meaning.group:
            slots["group"] = self._column(meaning.group)
        if meaning.of and meaning.func in FIGURES:
            figure = self.rng.choice(FIGURES[meaning.func]).format(col=slots["col"])
            slots["figure"] = f"{figure} bei {slots['rows']}" if meaning.filters else figure
        slots["most"] = self.rng.choice(
            ("höchsten", "größten") if meaning.most else ("niedrigsten", "kleinsten")
        )
        slots["many"] = "die meisten" if meaning.most else "die wenigsten"
        if meaning.other:
            other, _ = self.words.rows(meaning.other, "de")[0]
            slots["other"] = (
                self._restricted(other, meaning.filters) if meaning.shape == "with_rows" else other
            )
        return template.format(**slots)

    def _column(self, place: Place) -> str:
        names = self.words.column(place.table, place.column, "de")
        return names[0] if self.rng.random() < 0.6 else self.rng.choice(names)

    def _restricted(self, noun: str, filters: tuple[Filter, ...]) -> str:
        parts = [noun]
        for one in filters:
            if one.through:
                owner, _ = self.words.rows(one.place.table, "de")[0]
                parts.append(f"{self.rng.choice(('zu', 'bei', 'von'))} {owner} {self._behind(one)}")
            else:
                parts.append(self._behind(one))
        return " ".join(parts)

    def _behind(self, one: Filter) -> str:
        column, values, name = one.place.column, one.condition.values, self._column(one.place)
        if one.condition.op == "null":
            return f"ohne {name}"
        if column.type in ("date", "datetime"):
            return self._date(one, name)
        if column.numeric:
            shown = [self._amount(v, one.place) for v in values]
            if one.condition.op == "between":
                return self.rng.choice(
                    (
                        f"mit {name} zwischen {' und '.join(shown)}",
                        f"mit {name} von {' bis '.join(shown)}",
                    )
                )
            than = {
                ">": ("über", "mehr als", "größer als"),
                ">=": ("mindestens", "ab"),
                "<": ("unter", "weniger als"),
                "<=": ("höchstens", "bis"),
            }[one.condition.op]
            return f"mit {name} {self.rng.choice(than)} {shown[0]}"
        value, words = str(values[0]), set(fold(column.name).split())
        options = [f"mit {name} {value}", f"bei {name} {value}", f"({name}: {value})"]
        if words & WORDS["place"]:
            options += [f"in {value}"] * 3
        elif words & (WORDS["maker"] | WORDS["doer"]):
            options += [f"von {value}"] * 2
        return self.rng.choice(options)

    def _amount(self, value: int | float | str | Ref, place: Place) -> str:
        text = str(value).replace(".", ",")
        long = unit(place.column, "de")
        if place.column.unit and self.rng.random() < 0.7:
            return f"{text} {long if long and self.rng.random() < 0.5 else place.column.unit}"
        return text

    def _date(self, one: Filter, name: str) -> str:
        value = str(one.condition.values[0])
        parts = value.split("-")
        if len(parts) == 1:
            told, inside = value, self.rng.choice(("im Jahr", "in"))
        elif len(parts) == 2:
            told, inside = f"{MONTHS[int(parts[1]) - 1]} {parts[0]}", "im"
        else:
            told, inside = f"{int(parts[2])}.{int(parts[1])}.{parts[0]}", "am"
        on = {"=": inside, "<": "vor", ">": "nach", ">=": "seit"}[one.condition.op]
        if len(parts) == 3 and on in ("vor", "nach", "seit"):
            on += " dem"
        alone = sum(c.type in ("date", "datetime") for c in one.place.table.columns) == 1
        return f"{on} {told}" if alone and self.rng.random() < 0.6 else f"mit {name} {on} {told}"


def _tidy(text: str) -> str:
    text = re.sub(r"\s+", " ", text).strip()
    return text[:1].upper() + text[1:] if text.split(" ")[0].isalpha() else text
