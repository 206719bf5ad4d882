import pytest

from loresmith.locate import heading_path, locate
from loresmith.types import Block, Box, Document


def document(text: str, blocks: list[Block], *, lined: bool = False) -> Document:
    return Document(
        id="d", source="s", uri="u", version="v", media_type="text/plain", title="D",
        text=text, blocks=tuple(blocks), lined=lined,
    )  # fmt: skip


def test_page_and_clipped_boxes_of_a_quote_over_two_lines() -> None:
    text = "abcdefghij\nklmnopqrst"
    block = Block(
        kind="paragraph",
        start=0,
        end=21,
        page=14,
        lines=((0, 10, Box(0, 0, 100, 10)), (11, 21, Box(0, 12, 100, 22))),
    )
    place = locate(document(text, [block]), 5, 14)
    assert place.page == 14
    assert place.boxes == (Box(50, 0, 100, 10), Box(0, 12, 30, 22))
    assert place.describe() == "p. 14"


def test_cells_of_one_row_are_drawn_as_one_box() -> None:
    block = Block(
        kind="row", start=0, end=7, page=1, table="1",
        lines=((0, 3, Box(0, 0, 30, 10)), (4, 7, Box(35, 0, 60, 10))),
    )  # fmt: skip
    assert locate(document("abc|def", [block]), 0, 7).boxes == (Box(0, 0, 60, 10),)


def test_boxes_stay_on_the_page_where_the_span_begins() -> None:
    blocks = [
        Block(kind="paragraph", start=0, end=3, page=1, box=Box(0, 0, 9, 9)),
        Block(kind="paragraph", start=4, end=7, page=2, box=Box(1, 1, 8, 8)),
    ]
    place = locate(document("abc\ndef", blocks), 0, 7)
    assert (place.page, place.boxes) == (1, (Box(0, 0, 9, 9),))


def test_heading_path_closes_deeper_and_equal_sections() -> None:
    text = "One\nTwo\nalpha\nThree\nbeta\nFour\ngamma"
    kinds = [("heading", 1), ("heading", 2), ("paragraph", 0), ("heading", 2), ("paragraph", 0)]
    kinds += [("heading", 1), ("paragraph", 0)]
    blocks, at = [], 0
    for line, (kind, level) in zip(text.split("\n"), kinds, strict=True):
        blocks.append(Block(kind=kind, start=at, end=at + len(line), level=level))  # type: ignore[arg-type]
        at += len(line) + 1
    made = document(text, blocks)
    assert heading_path(made, text.index("alpha")) == ("One", "Two")
    assert locate(made, text.index("beta"), text.index("beta") + 4).heading == "One › Three"
    assert heading_path(made, text.index("Three")) == ("One", "Three")
    assert heading_path(made, text.index("gamma")) == ("Four",)


def test_sheet_row_and_key_are_the_blocks() -> None:
    block = Block(kind="row", start=0, end=5, sheet="Log", row=12, key="W-7", table="1")
    place = locate(document("a | b", [block]), 0, 5)
    assert (place.sheet, place.row, place.key, place.table) == ("Log", 12, "W-7", "1")


def test_line_numbers_only_where_the_text_is_the_files_own() -> None:
    text = "first\n\nthird line\n"
    blocks = [Block(kind="paragraph", start=0, end=5), Block(kind="paragraph", start=7, end=17)]
    assert locate(document(text, blocks, lined=True), 7, 12).line == 3
    assert locate(document(text, blocks, lined=True), 0, 5).line == 1
    assert locate(document(text, blocks), 7, 12).line is None


def test_white_space_before_a_block_belongs_to_it() -> None:
    blocks = [
        Block(kind="paragraph", start=0, end=1, page=1),
        Block(kind="paragraph", start=3, end=4, page=2),
    ]
    assert locate(document("a\n\nb", blocks), 1, 4).page == 2


def test_a_document_without_blocks_and_a_span_outside() -> None:
    assert locate(document("abc", []), 0, 3).to_dict() == {"start": 0, "end": 3}
    with pytest.raises(ValueError, match="no span 2:9"):
        locate(document("abc", []), 2, 9)
