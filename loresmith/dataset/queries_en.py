"""How people ask tables in English: several natural wordings of each meaning.

A wording is put together of how its rows are called, how they are restricted, how its figure is named and
how it is asked, each chosen by chance; so no two plans are asked in one tone. Templates hold
{rows} {row} (with filters), {all} {one} (without), {col} {cols}, {group} {groups}, {n}, {key}, {other}.
"""

from __future__ import annotations

import re
from random import Random

from loresmith.dataset.queries_columns import Place, summable
from loresmith.dataset.queries_en_templates import FIGURES, MONTHS, TEMPLATES, WORDS
from loresmith.dataset.queries_plans import Filter, Meaning
from loresmith.dataset.queries_words import Words, plural, singular, split, unit
from loresmith.querying.plan import Ref
from loresmith.tables.names import fold


class English:
    """Words one catalog's meanings."""

    language = "en"

    def __init__(self, words: Words, rng: Random) -> None:
        self.words, self.rng = words, rng

    def wordings(self, meaning: Meaning, count: int) -> list[str]:
        """Up to `count` different questions."""
        templates = self._templates(meaning)
        order = self.rng.sample(templates, len(templates))
        found = dict.fromkeys(_tidy(self._filled(order[n % len(order)], meaning)) for n in range(2 * count))
        return list(found)[:count]

    @staticmethod
    def _templates(meaning: Meaning) -> tuple[str, ...]:
        about = meaning.of or (meaning.show[-1] if meaning.show else None)
        done = TEMPLATES.get(f"done {meaning.shape} {meaning.most}")
        return done if about and _verb(about) and done else TEMPLATES[meaning.style]

    def _filled(self, template: str, meaning: Meaning) -> str:
        one, several = self.rng.choice(self.words.rows(meaning.rows, "en"))
        slots = {"one": one, "all": several, "n": f"{meaning.number:,}", "key": meaning.key}
        slots["rows"], slots["row"] = (self._restricted(noun, meaning.filters) for noun in (several, one))
        about = meaning.of or (meaning.show[-1] if meaning.show else None)
        if about:
            slots["col"] = self._column(about)
            slots["cols"] = plural(singular(slots["col"]))
            slots["verb"] = _verb(about)
        if meaning.period:
            slots["group"] = meaning.period
        elif meaning.group:
            slots["group"] = self._group(meaning.group, meaning)
        if "group" in slots:
            group = slots["group"]
            slots["groups"] = plural(singular(group))
            slots["by"] = self.rng.choice(
                (f"per {group}", f"by {group}", f"for each {group}", f"for every {group}")
            )
            slots["split"] = self.rng.choice(
                (f"by {group}", f"between the {slots['groups']}", f"across {slots['groups']}")
            )
        if meaning.of and meaning.func in FIGURES:
            figure = self.rng.choice(FIGURES[meaning.func]).format(col=slots["col"])
            slots["figure"] = f"{figure} of {slots['rows']}" if meaning.filters else figure
        most = meaning.most
        slots["most"] = self.rng.choice(
            ("highest", "largest", "most", "greatest") if most else ("lowest", "smallest", "least")
        )
        if not most or not meaning.of or not summable(meaning.of):
            slots["most"] = self.rng.choice(("highest", "largest") if most else ("lowest", "smallest"))
        slots["many"] = "most" if most else "fewest"
        slots["rank"], slots["often"] = ("first", "most often") if most else ("last", "least often")
        if meaning.other:
            _, others = self.rng.choice(self.words.rows(meaning.other, "en"))
            slots["other"] = (
                self._restricted(others, meaning.filters) if meaning.shape == "with_rows" else others
            )
            if meaning.shape == "with_rows":
                slots["rows"] = several
        return template.format(**slots)

    # --- parts --------------------------------------------------------------------------------

    def _column(self, place: Place) -> str:
        names = self.words.column(place.table, place.column, "en")
        # Its own name half of the time: other words are many, and it is one.
        name = names[0] if self.rng.random() < 0.5 else self.rng.choice(names)
        long = unit(place.column, "en")
        if long and long not in name and self.rng.random() < 0.15:
            return f"{name} in {long}"
        return name

    def _group(self, place: Place, meaning: Meaning) -> str:
        name = re.sub(r" in \w+$", "", self._column(place))
        if place.table.sql == meaning.rows.sql:
            return name
        one, _ = self.rng.choice(self.words.rows(place.table, "en"))
        return name if self.rng.random() < 0.5 else f"{one} {name}" if one not in name else name

    def _restricted(self, noun: str, filters: tuple[Filter, ...]) -> str:
        """ "open orders in Basel of more than 500 €" """
        before, behind = "", []
        for one in filters:
            if one.through:
                behind.append(self._through(one))
                continue
            kind = _family(one.place)
            value = one.condition.values[0] if one.condition.values else ""
            if one.condition.op == "=" and not before and kind in ("kind", "text") and isinstance(value, str):
                named = one.place.column.type == "text" and " " not in value.strip()
                if named and self.rng.random() < (0.5 if kind == "kind" else 0.15):
                    before = f"{value} "
                    continue
            behind.append(self._behind(one))
        return " ".join([f"{before}{noun}", *behind])

    def _through(self, one: Filter) -> str:
        """Of rows of another table that these belong to."""
        single, several = self.rng.choice(self.words.rows(one.place.table, "en"))
        rest = self._behind(one)
        link = self.rng.choice(("of", "for", "on", "belonging to"))
        return f"{link} {several} {rest}" if self.rng.random() < 0.6 else f"whose {single} is one {rest}"

    def _behind(self, one: Filter) -> str:
        column, values = one.place.column, one.condition.values
        name = re.sub(r" in \w+$", "", self._column(one.place))
        if one.condition.op == "null":
            return self.rng.choice((f"without a {name}", f"with no {name}", f"that have no {name}"))
        if column.type in ("date", "datetime"):
            return self._date(one, name)
        if column.numeric:
            return self._number(one, name)
        value = str(values[0])
        options = [
            f"with {name} {value}",
            f"where the {name} is {value}",
            f"whose {name} is {value}",
            f"for {value}",
        ]
        family = _family(one.place)
        if family == "place":
            options += [f"in {value}"] * 3 + [f"at {value}", f"from {value}"]
        elif family == "maker":
            options += [f"from {value}", f"by {value}", f"of {value}"]
        elif family == "doer":
            options += [f"by {value}", f"of {value}", f"done by {value}"]
        elif family == "kind":
            options += [f"of {name} {value}", f"that are {value}"]
        else:
            options += [f"of {value}"]
        return self.rng.choice(options)

    def _number(self, one: Filter, name: str) -> str:
        column, values = one.place.column, one.condition.values
        shown = [self._amount(v, one.place) for v in values]
        if one.condition.op == "between":
            return self.rng.choice(
                (f"with {name} between {' and '.join(shown)}", f"whose {name} is from {' to '.join(shown)}")
            )
        than = self.rng.choice({
            ">": ("more than", "over", "above", "greater than", "higher than", "exceeding"),
            ">=": ("at least", "no less than"),
            "<": ("less than", "under", "below", "lower than"),
            "<=": ("at most", "up to", "no more than"),
        }[one.condition.op])  # fmt: skip
        options = [f"with {name} {than} {shown[0]}", f"whose {name} is {than} {shown[0]}"]
        if than not in ("greater than", "higher than", "lower than", "exceeding"):
            options += [f"with a {name} of {than} {shown[0]}"] if not name.endswith("s") else []
            options += [f"of {than} {shown[0]}"] if unit(column, "en") else []
        return self.rng.choice(options)

    def _amount(self, value: int | float | str | Ref, place: Place) -> str:
        text = (
            f"{value:,}"
            if isinstance(value, int) and value >= 10_000 and self.rng.random() < 0.5
            else str(value)
        )
        column, long = place.column, unit(place.column, "en")
        if column.unit and self.rng.random() < 0.7:
            return f"{text} {long if long and self.rng.random() < 0.5 else column.unit}"
        return text

    def _date(self, one: Filter, name: str) -> str:
        value = str(one.condition.values[0])
        told = _moment(value, self.rng)
        on = {"=": "in", "<": "before", ">": "after", ">=": "since"}[one.condition.op]
        if one.condition.op == ">=":
            on = self.rng.choice(("since", "from"))
            told = told if on == "since" else f"{told} on"
        if verb := _verb(one.place):
            return self.rng.choice((f"{verb} {on} {told}", f"that were {verb} {on} {told}"))
        alone = sum(c.type in ("date", "datetime") for c in one.place.table.columns) == 1
        options = [f"with {name} {on} {told}"] if name != "date" else []
        return self.rng.choice([*options, *([f"{on} {told}"] * 2 if alone or not options else [])])


def _verb(place: Place) -> str:
    """What was done on a date, where its column is called that: "hired", "fired_on", "date built"."""
    if place.column.type not in ("date", "datetime"):
        return ""
    words = fold(split(place.column.name)).split()
    if len(words) > 1 and words[-1] in ("on", "at"):
        return words[-2]
    return next((w for w in words if w in WORDS["done"] or (w.endswith("ed") and len(w) > 4)), "")


def _family(place: Place) -> str:
    words = {singular(w) for w in fold(place.column.name).replace("_", " ").split()}
    for name in ("place", "maker", "doer", "kind"):
        if words & WORDS[name]:
            return name
    return "text"


def _moment(value: str, rng: Random) -> str:
    """ "2024-03-07" as people say it."""
    parts = value.split("-")
    if len(parts) == 1:
        return value
    month = MONTHS[int(parts[1]) - 1]
    if len(parts) == 2:
        return f"{month} {parts[0]}"
    day = int(parts[2])
    return rng.choice((value, f"{day} {month} {parts[0]}", f"{month} {day}, {parts[0]}"))


def _tidy(text: str) -> str:
    text = re.sub(r"\s+", " ", text).strip()
    text = re.sub(r"\b([Aa]) (?=[aeiou]\w)", r"\1n ", text)
    return text[:1].upper() + text[1:] if text.split(" ")[0].isalpha() else text
