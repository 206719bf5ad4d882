"""Which documents a question names."""

from __future__ import annotations

import pytest

from loresmith.answering.evidence import parse_question
from loresmith.answering.routing import Entry, Route, route

FILINGS = [
    Entry(f"{y} {q} AAPL.pdf", "10-Q") for y, q in ((2022, "Q3"), (2023, "Q1"), (2023, "Q2"), (2023, "Q3"))
]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("What was the gross margin in the latest 10-Q?", Route(("2023 Q3 AAPL.pdf",))),
        ("What were the inventories in Q3 2022?", Route(("2022 Q3 AAPL.pdf",))),
        ("What was sold in the first quarter of 2023?", Route(("2023 Q1 AAPL.pdf",))),
        ("How have total net sales changed over time?", Route((), several=True)),
        ("What is the tax rate in these quarters?", Route((), several=True)),
        ("Which torque for the M8 bolts?", Route()),
        ("What was sold in 2019?", Route()),
    ],
)
def test_route(question: str, expected: Route) -> None:
    assert route(parse_question(question), FILINGS) == expected
