"""Numbers, units, codes and names as written by people of several countries."""

from __future__ import annotations

import pytest

from loresmith.answering.facts import codes, names, numbers, units_in, years


@pytest.mark.parametrize(
    ("text", "values", "unit", "scale"),
    [
        ("25 Nm", {25}, "nm", ""),
        ("25Nm", {25}, "nm", ""),
        ("25 N·m", {25}, "nm", ""),
        ("-20 °C", {-20}, "°c", ""),
        ("−20 °C", {-20}, "°c", ""),
        ("0,5 bar", {0.5}, "bar", ""),
        ("1.234,5 kg", {1234.5}, "kg", ""),
        ("1,234.5 kg", {1234.5}, "kg", ""),
        ("4.000 Stunden", {4, 4000}, "h", ""),
        ("4,000 hours", {4, 4000}, "h", ""),
        ("12 %", {12}, "%", ""),
        ("12 percent", {12}, "%", ""),
        ("$82,959 million", {82.959, 82959}, "$", "million"),
        ("82.96 billion dollars", {82.96}, "$", "billion"),
        ("每500小时更换", {500}, "h", ""),
        ("3000 min-1", {3000}, "rpm", ""),
        ("1.500 U/min", {1.5, 1500}, "rpm", ""),
        ("40 m³/h", {40}, "m3/h", ""),
        ("5 A", {5}, "a", ""),
    ],
)
def test_number_with_unit(text: str, values: set[float], unit: str, scale: str) -> None:
    found = numbers(text)
    assert len(found) == 1
    assert (found[0].values, found[0].unit, found[0].scale) == (values, unit, scale)


def test_dates_and_ranges() -> None:
    assert [sorted(n.values) for n in numbers("10-15 bar")] == [[10], [15]]
    assert {v for n in numbers("2022-06-25") for v in n.values} == {2022, 6, 25}
    assert {v for n in numbers("25.06.2022") for v in n.values} == {2022, 6, 25}


def test_codes_have_one_spelling_and_units_are_none() -> None:
    assert codes("P-200, P200 and P 200") == {"p200"}
    assert codes("M8-Schrauben der P-200") == {"m8", "p200"}
    assert codes("pump-p-200-datasheet-en") == {"p200"}
    assert codes("third quarter of 2022") == codes("2022 Q3") == {"q3"}
    assert codes("25 Nm, 3 mm², 12V, 1st, 2022, 40 m3/h, EUR 500") == frozenset()
    assert codes("Error E-14 at ISO VG 68") == {"e14", "vg68"}


def test_names_and_years() -> None:
    assert names("The maker is Siemens AG. Apple's iPhone") == ("Siemens", "AG", "iPhone")
    assert years("In 2023 they made 2000 kg") == {2023.0}
    assert units_in("Torque [Nm] | Flow (m³/h) | (in millions)") == {"nm", "m3/h", "million"}
