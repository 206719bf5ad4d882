"""Makes the binary documents of examples/documents from the texts in examples/sources.

    pip install --group examples && python examples/make_documents.py

The result is committed, so nobody needs this to use Loresmith. Running it again gives the same bytes
(with the same versions of the generating packages). HTML, Markdown, text, CSV and JSON documents are
written by hand and stay as they are.
"""

from __future__ import annotations

import argparse
import datetime
import io
import random
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any

import renderers

HERE = Path(__file__).resolve().parent
SOURCES = HERE / "sources"

PDF = [
    "manuals/p-200-operating-manual",
    "manuals/p-250-operating-manual",
    "manuals/d-40-dosing-pump-manual",
    "manuals/s-12-submersible-pump-manual",
    "manuals/c-7-error-codes",
    "manuals/g-80-betriebsanleitung",
    "manuals/v-9-manuale",
    "quality/p-200-test-certificate-200-2417",
    "catalogue/price-list-2026",
]
DOCX = [
    "service/seal-replacement-p-200",
    "service/wartungsvertrag-lindach",
    "service/lockout-tagout-instruction",
    "quality/8d-report-2025-031",
]
PPTX = ["sales/p-200-launch", "training/formacion-controlador-c-7"]
MAIL = [
    "mail/2025-03-12-seal-leak-lindach",
    "mail/2025-06-30-delivery-delay",
    "mail/2025-09-02-quotation-caldera",
    "mail/2025-11-18-richiesta-ricambi",
]

TECHNICIANS = [
    ("T-01", "Tomasz Kowalik", "Ravensburg", "centrifugal pumps", 2011),
    ("T-02", "Luca Moretti", "Brescia", "vacuum pumps", 2016),
    ("T-03", "Sabine Vogt", "Ravensburg", "controllers", 2019),
    ("T-04", "Diego Lafuente", "Zaragoza", "dosing pumps", 2020),
    ("T-05", "Nils Petersen", "Hamburg", "submersible pumps", 2014),
]
# Asset, model, customer, site, year of installation, operating hours at the end of 2025.
PUMPS = [
    ("A-101", "P-250", "Stadtwerke Lindach", "Wasserwerk Nord", 2019, 38210),
    ("A-102", "P-250", "Stadtwerke Lindach", "Wasserwerk Nord", 2019, 37954),
    ("A-115", "S-18", "Stadtwerke Lindach", "Pumpwerk Hafen", 2022, 5120),
    ("A-204", "V-9", "Cartiera Valsola", "Paper machine 2", 2021, 24600),
    ("A-205", "V-9", "Cartiera Valsola", "Paper machine 2", 2021, 24600),
    ("A-230", "D-40-PV", "Aguas del Moncayo", "Chlorination east", 2023, 13870),
    ("A-231", "D-40-PV", "Aguas del Moncayo", "Chlorination west", 2023, 12440),
    ("A-256", "P-250", "Aguas del Moncayo", "Irrigation station 4", 2020, 21035),
    ("A-310", "S-12", "Hafenbetriebe Norderau", "Quay 7", 2018, 8905),
    ("A-311", "S-12", "Hafenbetriebe Norderau", "Quay 9", 2018, 9410),
    ("A-340", "G-80", "Papierfabrik Auental", "Calender lubrication", 2017, 51300),
    ("A-355", "P-250", "Papierfabrik Auental", "White water", 2015, 66720),
]
# Jobs that questions ask about: date, asset, job, technician, minutes, part, cost.
PLANTED = [
    ("2025-01-22", "A-355", "Bearings replaced after vibration alarm", "T-01", 285, "2504-140", 611.40),
    ("2025-02-18", "A-310", "Cable with entry replaced", "T-05", 95, "S-1240", 238.75),
    ("2025-03-27", "A-230", "Diaphragm ruptured, gear rinsed", "T-04", 170, "D-4010", 322.10),
    ("2025-04-29", "A-204", "Calcium deposits removed with citric acid", "T-02", 240, "", 196.00),
    ("2025-05-14", "A-101", "Wear ring replaced, gap was 0.71 mm", "T-01", 205, "2504-133", 402.60),
    ("2025-06-19", "A-340", "Shaft seal replaced", "T-01", 130, "G-8021", 214.30),
    ("2025-07-08", "A-311", "Rags removed from impeller", "T-05", 55, "", 74.50),
    ("2025-08-21", "A-256", "Controller board C-7 replaced, error E-22", "T-03", 150, "C-7012", 873.20),
    ("2025-09-30", "A-231", "Calibration, factor corrected to 1.07", "T-04", 45, "", 68.00),
    ("2025-11-12", "A-115", "Leakage probe reported water, seal set replaced", "T-05", 190, "S-1822", 517.85),
]
ROUTINE = {
    "P-250": [("Oil change", "", 45, 64.0), ("Seal checked", "", 20, 32.0), ("Oiler refilled", "", 10, 14.5)],
    "S": [("Oil chamber checked", "", 40, 58.0), ("Float switch cleaned", "", 25, 37.0)],
    "V-9": [("Bearings greased", "", 30, 52.0), ("Water filter cleaned", "", 15, 24.0)],
    "D-40": [("Valves cleaned", "", 35, 49.0), ("Diaphragm replaced", "D-4010", 60, 143.0)],
    "G-80": [("Suction filter cleaned", "", 25, 36.0), ("Tightness checked", "", 15, 21.0)],
}


def _header(sheet: Any, row: int, names: list[str]) -> None:
    from openpyxl.styles import Font, PatternFill

    for column, name in enumerate(names, 1):
        cell = sheet.cell(row, column, name)
        cell.font = Font(bold=True)
        cell.fill = PatternFill("solid", fgColor="DFE8F1")


def _log() -> list[tuple[str, str, str, str, int, int, str, float]]:
    """The planted jobs among routine ones, 104 in all, by date."""
    numbers = random.Random(2025)
    jobs = list(PLANTED)
    owner = {"S": "T-05", "V-9": "T-02", "D-40": "T-04", "P-250": "T-01", "G-80": "T-03"}
    while len(jobs) < 104:
        asset, model, *_ = PUMPS[numbers.randrange(len(PUMPS))]
        kind = next(k for k in ROUTINE if model.startswith(k))
        job, part, minutes, cost = ROUTINE[kind][numbers.randrange(len(ROUTINE[kind]))]
        day = datetime.date(2025, 1, 7) + datetime.timedelta(days=numbers.randrange(340))
        if day.weekday() > 4:
            continue
        minutes += 5 * numbers.randrange(4)
        jobs.append((day.isoformat(), asset, job, owner[kind], minutes, part, cost + numbers.randrange(9)))
    return [(*job[:4], _hours(job[1], job[0]), *job[4:]) for job in sorted(jobs)]


def _hours(asset: str, day: str) -> int:
    """Operating hours of an asset on a day: it ran evenly since the middle of its first year."""
    installed, hours = next(pump[4:] for pump in PUMPS if pump[0] == asset)
    start = datetime.date(installed, 7, 1)
    ran = (datetime.date.fromisoformat(day) - start) / (datetime.date(2025, 12, 31) - start)
    return int(hours * ran)


def maintenance_log() -> bytes:
    """Workbook with the sheets Log, Pumps, Technicians and Budget (merged header)."""
    from openpyxl import Workbook

    book = Workbook()
    log = book.active
    log.title = "Log"
    log["A1"] = "Maintenance log 2025"
    _header(
        log,
        3,
        ["Job", "Date", "Asset", "Work done", "Technician", "Operating hours", "Minutes", "Part", "Cost EUR"],
    )
    for number, (day, asset, job, who, hours, minutes, part, cost) in enumerate(_log(), 1):
        date = datetime.date.fromisoformat(day)
        log.append([f"J-{number:03d}", date, asset, job, who, hours, minutes, part or None, cost])
        log.cell(log.max_row, 2).number_format = "yyyy-mm-dd"
        log.cell(log.max_row, 9).number_format = "0.00"
    log.freeze_panes = "A4"
    log.column_dimensions["D"].width = 46
    pumps = book.create_sheet("Pumps")
    _header(pumps, 1, ["Asset", "Model", "Customer", "Site", "Installed", "Operating hours"])
    for pump in PUMPS:
        pumps.append(pump)
    people = book.create_sheet("Technicians")
    _header(people, 1, ["Number", "Name", "Base", "Specialised in", "With us since"])
    for person in TECHNICIANS:
        people.append(person)
    budget = book.create_sheet("Budget")
    _header(budget, 1, ["Cost centre", "First half", "", "Second half", ""])
    _header(budget, 2, ["", "Plan", "Actual", "Plan", "Actual"])
    budget.merge_cells("A1:A2")
    budget.merge_cells("B1:C1")
    budget.merge_cells("D1:E1")
    for line in (
        ("Spare parts", 14000, 15260, 14500, 13910),
        ("Travel", 8200, 7640, 8200, 9075),
        ("Training", 3000, 2850, 4500, 4120),
        ("Tools", 2600, 3115, 1800, 1690),
    ):
        budget.append(line)
    return _saved(book, "Maintenance log 2025", datetime.datetime(2025, 12, 19, 8))


def test_bench() -> bytes:
    """Workbook with the results of the endurance test of the G-80 and of seals of the P-200."""
    from openpyxl import Workbook

    book = Workbook()
    gear = book.active
    gear.title = "G-80 endurance"
    _header(gear, 1, ["Hours", "Pressure in bar", "Flow in l/min", "Oil temperature in °C", "Power in kW"])
    for hours, pressure, flow, heat, power in (
        (0, 20, 80.4, 52, 3.31),
        (250, 20, 80.1, 54, 3.33),
        (500, 20, 79.6, 55, 3.36),
        (750, 22, 78.2, 58, 3.58),
        (1000, 22, 77.9, 59, 3.61),
        (1500, 25, 75.3, 64, 3.94),
        (2000, 25, 74.8, 66, 3.97),
    ):
        gear.append([hours, pressure, flow, heat, power])
    seals = book.create_sheet("Seal leakage")
    _header(seals, 1, ["Specimen", "Batch", "Lubricant", "Swelling in %", "Leakage in ml/h", "Passed"])
    for row in (
        ("S1", "K-4471", "mineral grease", 9.2, 14.8, "no"),
        ("S2", "K-4471", "mineral grease", 8.7, 11.3, "no"),
        ("S3", "K-4498", "soapy water", 0.4, 0.2, "yes"),
        ("S4", "K-4498", "soapy water", 0.3, 0.1, "yes"),
        ("S5", "K-4502", "silicone oil", 1.1, 0.6, "yes"),
    ):
        seals.append(row)
    return _saved(book, "Test bench results", datetime.datetime(2025, 5, 28, 8))


def _saved(book: Any, title: str, date: datetime.datetime) -> bytes:
    book.properties.title = title
    book.properties.creator = "Brunnholt Pumpen GmbH"
    book.properties.created = book.properties.modified = date
    out = io.BytesIO()
    book.save(out)
    return renderers.repack(out.getvalue(), date)


def mail(path: Path) -> bytes:
    """An e-mail from `Header: value` lines, an empty line and the body; `Attach:` names a file."""
    head, _, body = path.read_text(encoding="utf-8").partition("\n\n")
    message = EmailMessage(policy=SMTP)
    attachment = ""
    for line in head.splitlines():
        name, _, value = line.partition(": ")
        if name == "Attach":
            attachment = value
        else:
            message[name] = value
    message.set_content(body, charset="utf-8", cte="quoted-printable")
    if attachment.endswith(".csv"):
        data = (path.parent / attachment).read_bytes()
        message.add_attachment(data, "text", "csv", filename=attachment)
    elif attachment:
        data = renderers.pdf(renderers.read(path.parent / attachment))
        name = Path(attachment).with_suffix(".pdf").name
        message.add_attachment(data, "application", "pdf", filename=name)
    if attachment:
        message.set_boundary("=_brunnholt_" + path.stem)
    return message.as_bytes()


def make(target: Path) -> list[Path]:
    """Write every generated document under `target` and return their paths."""
    made: dict[str, bytes] = {}
    for names, suffix, render in (
        (PDF, ".pdf", renderers.pdf),
        (DOCX, ".docx", renderers.docx),
        (PPTX, ".pptx", renderers.pptx),
    ):
        for name in names:
            made[name + suffix] = render(renderers.read(SOURCES / f"{name}.txt"))
    for name in MAIL:
        made[name + ".eml"] = mail(SOURCES / f"{name}.txt")
    made["service/maintenance-log-2025.xlsx"] = maintenance_log()
    made["quality/test-bench-results.xlsx"] = test_bench()
    paths = []
    for name, data in made.items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        paths.append(path)
    return paths


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=HERE / "documents", help="folder to write to")
    for written in make(parser.parse_args().out):
        print(written.name, written.stat().st_size)
