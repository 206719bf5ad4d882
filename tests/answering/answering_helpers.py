"""Passages and hits written in the tests themselves."""

from __future__ import annotations

from loresmith.types import Hit, Locator, Passage


def make_hit(
    text: str,
    *,
    document: str = "manual.pdf",
    title: str = "",
    heading: tuple[str, ...] = (),
    context: str = "",
    rank: int = 1,
    page: int | None = 3,
    dense: float = 0.6,
    bm25: float = 12.0,
) -> Hit:
    passage = Passage(
        id=f"{document}#{rank}",
        document=document,
        ordinal=rank,
        text=text,
        locator=Locator(start=100, end=100 + len(text), page=page),
        title=title,
        heading=heading,
        context=context,
    )
    return Hit(passage=passage, rank=rank, score=1 / rank, scores={"dense": dense, "text": bm25})


def place(passage: Passage, start: int, end: int) -> Locator:
    first = passage.locator.start or 0
    return Locator(start=first + start, end=first + end, page=passage.locator.page)


TORQUES = (
    "Fastener: M6 cover screw; Torque: 10 Nm\n"
    "Fastener: M8 flange bolt; Torque: 25 Nm\n"
    "Fastener: M10 foot bolt; Torque: 49 Nm"
)


def torque_hits() -> list[Hit]:
    return [
        make_hit(TORQUES, title="P-200 Service Manual", heading=("Maintenance", "Torques")),
        make_hit(
            "Fastener: M8 flange bolt; Torque: 22 Nm",
            document="p300.pdf",
            title="P-300 Service Manual",
            rank=2,
        ),
        make_hit(
            "Change the oil every 4,000 operating hours. Use ISO VG 68 only. "
            "Do not use mineral oil below -20 °C.",
            title="P-200 Service Manual",
            heading=("Lubrication",),
            rank=3,
        ),
    ]
