"""A small plant for the tests of building: two sibling pumps, a log, a glossary, rules in prose.

Synchronised once for a session with the hashing embedder of the tests, then only read.
"""

from __future__ import annotations

from pathlib import Path

from helpers import HashEmbedder

from loresmith import workspace as folders
from loresmith.config import DatasetSection
from loresmith.sync import sync
from loresmith.workspace import WorkspaceDir

MANUAL = """# {model} Operating Manual

## Tightening torques

| Bolt | Place | Torque in Nm |
| --- | --- | --- |
| M8 flange bolt | Casing cover | {m8} |
| M12 foot bolt | Base plate | {m12} |
| M5 guard screw | Coupling guard | 4 |

## Technical data

| Property | Value | Unit |
| --- | --- | --- |
| Largest head | {head} | m |
| Weight | {weight} | kg |

## Replacing the seal

1. Close both valves of the {model}.
2. Drain the casing into the sump.
3. Undo the eight bolts of the casing cover.
4. Pull the impeller with the puller.

## Maintenance

The oil must be changed every {oil} operating hours. Preserved pumps can be stored for {store} months.
If the pump whistles, open the vent. The spare parts kit costs {kit} euro.
"""

RULES = """# Hausordnung Werk Süd

## Besuche

Besuche sind von 9 bis 17 Uhr erlaubt. Der Besucherausweis gilt drei Monate.

## Parken

Die Parkgebühr beträgt 4 Euro pro Tag.
"""

GLOSSARY = """# Glossary

- Wear ring: Exchangeable ring that keeps the gap between impeller and casing small.
- Quench: Unpressurised liquid on the atmospheric side of a seal that cools it.
"""

LOG = """Job,Date,Asset,Work done,Technician,Minutes
J-001,2025-01-14,A-101,Oil refilled,Tomasz Kowalik,35
J-002,2025-01-20,A-115,Seal replaced,Ines Maurer,150
J-003,2025-02-02,A-101,Alignment checked,Tomasz Kowalik,45
"""


def write_documents(folder: Path) -> Path:
    """The documents of the plant, as files."""
    folder.mkdir(parents=True)
    p200 = MANUAL.format(model="P-200", m8=25, m12=85, head=42, weight=64, oil="4,000", store=12, kit=180)
    p250 = MANUAL.format(model="P-250", m8=31, m12=95, head=55, weight=81, oil="6,000", store=18, kit=240)
    (folder / "p-200.md").write_text(p200, encoding="utf-8")
    (folder / "p-250.md").write_text(p250, encoding="utf-8")
    (folder / "hausordnung.md").write_text(RULES, encoding="utf-8")
    (folder / "glossary.md").write_text(GLOSSARY, encoding="utf-8")
    (folder / "log.csv").write_text(LOG, encoding="utf-8")
    return folder


def plant(folder: Path, documents: Path, *, labels: tuple[str, ...] = ()) -> WorkspaceDir:
    """A synchronised workspace over `documents`."""
    made = folders.create(folder)
    made = folders.add_sources(made, [str(documents)], labels)
    sync(made, HashEmbedder())
    return made


SETTINGS = DatasetSection(wordings=4, seed=3)
