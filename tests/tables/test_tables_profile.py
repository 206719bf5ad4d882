"""What a table holds, in words that are marked as Loresmith's own."""

from __future__ import annotations

from pathlib import Path

from loresmith.locate import locate
from loresmith.passages import cut
from loresmith.tables import profile
from loresmith.tables.store import TableStore
from loresmith.tables.values import RawColumn, RawTable, Table
from loresmith.types import Block, Document


def table(tmp_path: Path, rows: int, columns: int = 4) -> Table:
    names = ["Job", "Date", "Hours (h)", "Kind", *(f"extra {n}" for n in range(columns - 4))]
    raw = RawTable(
        name="Log", columns=tuple(RawColumn(name=n) for n in names), sheet="Log", caption="Workshop 2024"
    )
    kinds = ("oil change", "repair", "inspection")
    data = [
        (
            n + 2,
            [f"J-{n}", f"2024-01-{n % 28 + 1:02}", f"{n % 7 + 0.5}", kinds[n % 3], *([""] * (columns - 4))],
        )
        for n in range(rows)
    ]
    with TableStore.open(tmp_path / "tables.db") as store:
        (made,), _ = store.replace("log.xlsx", "v1", [(raw, data)], title="maintenance")
    return made


def document(text: str = "Job: J-0; Hours: 0.5") -> Document:
    block = Block(kind="row", start=0, end=len(text), table="1")
    return Document(
        id="log.xlsx",
        source="",
        uri="",
        version="v1",
        media_type="",
        title="maintenance",
        text=text,
        blocks=(block,),
    )


def test_a_table_in_words(tmp_path: Path) -> None:
    text = profile.words(table(tmp_path, 100))
    assert text == (
        "Table Log (sheet Log of maintenance): 100 rows, 4 columns. Workshop 2024. Columns: Job, Date, "
        "Hours (h), Kind. One row for each Job.\n\n"
        "Log: Job, text, 100 different, such as J-0, J-1, J-10, J-11, J-12, J-13, J-14, J-15, different in "
        "every row; Date, date from 2024-01-01 to 2024-01-28; Hours (h), number from 0.5 to 6.5; Kind, text: "
        "oil change, inspection, repair."
    )


def test_few_rows_say_their_values_themselves(tmp_path: Path) -> None:
    text = profile.words(table(tmp_path, 5))
    assert "5 rows" in text
    assert "Hours (h), number" in text
    assert "0.5" not in text
    assert "oil change" not in text


def test_a_wide_table_does_not_drown_its_document(tmp_path: Path) -> None:
    text = profile.words(table(tmp_path, 60, columns=900))
    assert "and 840 more" in text
    assert len(text) < 6000


def test_the_words_are_passages_of_their_own_that_say_who_wrote_them(tmp_path: Path) -> None:
    plain = document()
    made = profile.described(plain, [table(tmp_path, 100)], ["a note"])
    assert made.text.startswith(plain.text)
    assert made.blocks[: len(plain.blocks)] == plain.blocks
    assert made.warnings == ("a note",)
    for before, after in zip(made.blocks, made.blocks[1:], strict=False):
        assert not made.text[before.end : after.start].strip()
    passages = cut(made, lambda text: len(text.split()), max_tokens=40)
    mine = [p for p in passages if profile.written_here(p)]
    assert len(mine) >= 2
    assert [p.text for p in passages if not profile.written_here(p)] == [plain.text]
    assert all("Job: J-0" not in p.text for p in mine)
    place = locate(made, mine[-1].locator.start or 0, mine[-1].locator.end or 0)
    assert place.heading == profile.HEADING


def test_without_tables_nothing_is_added() -> None:
    assert profile.described(document(), (), []) == document()
