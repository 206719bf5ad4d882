"""The report as Markdown and on a terminal."""

from __future__ import annotations

import io
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import made_reports
import pytest
from rich.console import Console

from loresmith.evaluation.comparison import report as reports
from loresmith.evaluation.reporting import markdown, terminal, words

POISON = (
    "<img src=x> [a](http://evil.example) ![b](http://evil.example/p.png) | `c` *d* \x1b[31m www.evil.example"
)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return reports.compute(made_reports.stored(tmp_path_factory.mktemp("reports"), 60))


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return reports.compute(made_reports.stored(tmp_path_factory.mktemp("reports"), 60, poison=POISON))


def printed(report: dict[str, Any]) -> str:
    out = io.StringIO()
    Console(file=out, width=100, force_terminal=False).print(terminal.render(report))
    return out.getvalue()


def test_markdown_says_what_the_verdict_says(report):
    text = markdown.render(report)
    assert text.startswith(f"# {markdown.plain(words.sentence(report['verdict']['headline']))}\n")
    served = report["arms"]["rag"]["correct"]
    row = f"| RAG | {100 * served['value']:.0f} % | {100 * served['low']:.0f}–{100 * served['high']:.0f} |"
    assert row in text
    assert "Changed since training" in text
    assert "1 question left out: nearly a training row, with the same figures (1):" in text


def test_tables_of_markdown_have_as_many_cells_in_every_row(hostile):
    lines = markdown.render(hostile).splitlines()
    tables = [line for line in lines if line.startswith("|")]
    assert len(tables) > 20
    for one, other in pairwise(lines):
        if one.startswith("|") and other.startswith("|"):
            assert one.replace("\\|", "").count("|") == other.replace("\\|", "").count("|"), other


def test_markdown_opens_no_link_image_or_element(hostile):
    text = markdown.render(hostile)
    assert "evil" in text
    assert "\x1b" not in text
    for opening in ("<", "[a", "!", "`", "*d", "://", "www."):
        bare = re.findall(r"(?<!\\)" + re.escape(opening), text.replace("< 0.001", ""))
        assert not bare, opening


def test_a_terminal_is_not_steered_by_a_document(hostile):
    text = printed(hostile)
    assert "\x1b" not in text
    assert "The index is from before the last change of 3 documents." in text


def test_a_terminal_shows_every_arm_with_its_interval(report):
    text = printed(report)
    for arm in ("Base", "RAG", "Tuned", "Both", "Oracle", "Format"):
        line = next(line for line in text.splitlines() if line.startswith(arm))
        low, high = (f"{100 * report['arms'][arm.lower()]['correct'][k]:.0f}" for k in ("low", "high"))
        assert f"{low}–{high}" in line
        assert "●" in line
    assert f"Recommended: {words.NAMES[report['verdict']['recommended']]}" in text


def test_figures_are_written_as_a_person_would():
    narrow = [words.seconds(s).replace(words.NARROW, " ") for s in (0.012, 0.5, 1.44, 42, 100, 720, 9000)]
    assert narrow == ["12 ms", "0.5 s", "1.4 s", "42 s", "1.7 min", "12 min", "2.5 h"]
    sizes = [words.size(b).replace(words.NARROW, " ") for b in (12, 999_999, 1_300_000_000)]
    assert sizes == ["12 B", "1.0 MB", "1.3 GB"]
    assert [words.points(p) for p in (0.461, -0.03, -0.001, None)] == ["+46", "−3", "0", "–"]
    assert words.percent(None) == words.seconds(None) == words.size(None) == "–"
    assert words.percent(-0.0001) == f"0{words.NARROW}%"
    assert [words.probability(p) for p in (0.0001, 0.0312, 0.4)] == ["< 0.001", "0.031", "0.40"]


def test_setting_up_is_unknown_where_a_part_of_it_is():
    cost = {"prepare_seconds": 1.0, "index_seconds": 2.0, "train_seconds": None}
    assert words.setup({"cost": cost}) is None
    assert words.setup({"cost": {**cost, "train_seconds": 3.0}}) == 6.0


def test_a_pair_is_read_with_the_better_arm_first():
    pair = {
        "one": "tuned",
        "other": "rag",
        "difference": {"value": -0.2, "low": -0.3, "high": -0.1, "n": 50},
        "one_only": 3,
        "other_only": 13,
    }
    turned = words.better_first(pair)
    assert (turned["one"], turned["other"], turned["one_only"]) == ("rag", "tuned", 13)
    assert turned["difference"] == {"value": 0.2, "low": 0.1, "high": 0.3, "n": 50}


def test_writing_a_report_leaves_all_three_files(tmp_path: Path):
    folder = made_reports.stored(tmp_path, 12)
    reports.write(folder)
    assert {"report.html", "report.md", "report.json"} <= {p.name for p in folder.iterdir()}
