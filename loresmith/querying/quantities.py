"""What several amounts make together: costs and hours worked add up; temperatures and meter readings do not.

"Operating hours" in a log of jobs is what the machine's counter showed that day: a sum of such readings
counts the same hours again and again, and looks like an answer.
"""

from __future__ import annotations

import re

from loresmith.querying.vocabulary import unit_of
from loresmith.tables.names import fold
from loresmith.tables.values import Column, Table

_INTENSIVE = frozenset(("celsius", "fahrenheit", "pressure", "voltage", "rotation", "speed", "frequency"))
_COUNTERS = frozenset(
    """odometer mileage reading zahlerstand kilometerstand betriebsstunden laufleistung tachostand
    chilometraggio kilometrage kilometraje contachilometri contatore contador compteur""".split()  # noqa: SIM905
)
_HOURS = frozenset(("hours", "ore", "horas", "heures", "stunden", "hrs"))
_RUNNING = frozenset(
    """operating running engine machine runtime betriebs funzionamento lavoro funcionamiento fonctionnement
    marche""".split()  # noqa: SIM905
)


def intensive(column: Column) -> bool:
    """An amount of which several make no greater one, by its unit: temperatures, pressures, speeds."""
    return (unit_of(column.unit) or ("",))[0] in _INTENSIVE


def reading(column: Column, table: Table) -> bool:
    """A counter's state, in a table that has several rows of the same thing."""
    words = {w for name in (column.name, column.sql) for w in re.split(r"[\W_]+", fold(name)) if w}
    counted = bool(words & _COUNTERS) or bool(words & _HOURS and words & _RUNNING)
    columns = [table.column(key.column) for key in table.foreign]
    several = any(c is not None and not c.key for c in columns)
    dated = any(c.type in ("date", "datetime") for c in table.columns)
    return counted and several and dated
