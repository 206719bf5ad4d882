"""Training files of every usual shape become examples; what cannot be read is told row by row."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from parsing.make import cells, xlsx

from loresmith.answering import prompt, unaided
from loresmith.dataset import formats
from loresmith.errors import DatasetError, UsageError


def lines(*records: Any) -> str:
    return "\n".join(r if isinstance(r, str) else json.dumps(r, ensure_ascii=False) for r in records)


def read(tmp_path: Path, content: str | bytes, name: str = "rows.jsonl", **options: Any) -> formats.Imported:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return formats.read(path, **options)


def pairs(imported: formats.Imported) -> list[tuple[str, str]]:
    return [(e.question, e.answer) for e in imported.rows]


QA = {"question": "Which torque?", "answer": "25 Nm"}
SHAPES = {
    "Alpaca": {"instruction": "Which torque?", "input": "", "output": "25 Nm"},
    "ShareGPT": {
        "conversations": [{"from": "human", "value": "Which torque?"}, {"from": "gpt", "value": "25 Nm"}]
    },
    "messages": {
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "Which torque?"}]},
            {"role": "assistant", "content": "25 Nm"},
        ]
    },
    "prompt/completion": {"prompt": "Which torque? ->", "completion": " 25 Nm END"},
    "question/answer": QA,
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["JSON", "JSON lines"])
def test_each_shape_is_recognised_and_asked_as_the_tuned_arm_asks(tmp_path, shape, kind):
    record = SHAPES[shape]
    text = json.dumps([record, record]) if kind == "JSON" else lines(record, record)
    found = read(tmp_path, text, "file.dat")
    assert found.format == f"{shape}, {kind}"
    assert found.rejected == []
    assert found.rows[0].kind == "closed"
    assert list(found.rows[0].messages[:-1]) == unaided.messages("Which torque?")
    assert found.rows[0].answer == "25 Nm"
    assert found.rows[1].origin == "import:file.dat#2"


def test_messages_in_prompt_and_completion(tmp_path):
    record = {
        "prompt": [{"role": "user", "content": "Q"}],
        "completion": [{"role": "assistant", "content": "A"}],
    }
    assert pairs(read(tmp_path, lines(record))) == [("Q", "A")]


def test_alpaca_input_stands_behind_the_instruction(tmp_path):
    found = read(tmp_path, lines({"instruction": "Translate.", "input": "Pumpe", "output": "pump"}))
    assert found.rows[0].question == "Translate.\n\nPumpe"


def test_several_turns_and_a_system_text_stay_a_chat(tmp_path):
    turns = [("system", "Speak like a fitter."), ("human", "a"), ("gpt", "b"), ("human", "c"), ("gpt", "d")]
    found = read(tmp_path, lines({"conversations": [{"from": f, "value": v} for f, v in turns]}))
    assert found.rows[0].kind == "chat"
    assert [(m["role"], m["content"]) for m in found.rows[0].messages] == [
        ("system", "Speak like a fitter."),
        ("user", "a"),
        ("assistant", "b"),
        ("user", "c"),
        ("assistant", "d"),
    ]


def test_a_system_text_that_says_nothing_is_left_out_and_told(tmp_path):
    system = {"role": "system", "content": "You are a helpful assistant."}
    talk = [system, {"role": "user", "content": "Q?"}, {"role": "assistant", "content": "A"}]
    found = read(tmp_path, lines({"messages": talk}))
    assert found.rows[0].kind == "closed"
    assert "System texts that say nothing" in found.notes[0]


def test_context_becomes_passages_and_no_answer_an_abstention(tmp_path):
    context = "The torque is 25 Nm."
    found = read(
        tmp_path,
        lines(
            {"question": "Which torque?", "context": context, "answers": {"text": ["25 Nm", "25"]}},
            {"question": "Which colour?", "context": context, "answers": {"text": []}},
        ),
        "squad.jsonl",
    )
    assert [(e.kind, e.answer) for e in found.rows] == [
        ("grounded", "25 Nm"),
        ("abstain", "The documents do not say."),
    ]
    asked = found.rows[0].messages
    assert asked[0]["content"] == prompt.SYSTEM
    assert asked[1]["content"].startswith(f'[1] squad.jsonl\n"""\n{context}\n"""')


def test_our_own_rows_come_back(tmp_path):
    first = read(tmp_path, lines({**QA, "context": "25 Nm it is."})).rows[0]
    again = read(tmp_path, lines(first.to_dict()), "examples.jsonl", labels=["hr"])
    assert again.format == "Loresmith, JSON lines"
    assert (again.rows[0].id, again.rows[0].kind, again.rows[0].labels) == (first.id, "grounded", ("hr",))


@pytest.mark.parametrize(
    ("name", "text", "format_"),
    [
        ("a.csv", "Frage;Antwort;Nr\nWelches Moment?;25 Nm;1\n", "question/answer, CSV"),
        ("a.csv", "sep=,\nquestion,answer\nWelches Moment?,25 Nm\n", "question/answer, CSV"),
        ("a.txt", "question\tanswer\nWelches Moment?\t25 Nm\n", "question/answer, TSV"),
        ("a.csv", "\ufeffQuestion Text,Answer\nWelches Moment?,25 Nm\n", "question/answer, CSV"),
    ],
)
def test_tables_with_a_header(tmp_path, name, text, format_):
    found = read(tmp_path, text, name)
    assert found.format == format_
    assert pairs(found) == [("Welches Moment?", "25 Nm")]
    assert found.rows[0].origin in ("import:a.csv#2", "import:a.csv#3", "import:a.txt#2")


def test_legacy_encodings_are_read(tmp_path):
    found = read(tmp_path, "Frage;Antwort\nGröße?;Über 5 mm\n".encode("cp1252"), "a.csv")
    assert pairs(found) == [("Größe?", "Über 5 mm")]


def test_a_spreadsheet_with_a_title_above_the_header_and_line_breaks_in_cells(tmp_path):
    sheet = cells({1: ["Our questions"], 3: ["No", "Question", "Answer"], 4: ["1", "Which\ntorque?", 25.5]})
    old = cells({1: ["question", "answer"], 2: ["x", "y"]})
    book = xlsx({"FAQ": sheet, "Notes": cells({1: ["a", "b"]}), "Old": old}, hidden=["Old"])
    found = read(tmp_path, book, "faq.xlsx")
    assert pairs(found) == [("Which\ntorque?", "25.5")]
    assert found.rows[0].origin == "import:faq.xlsx#4"
    assert found.unused == ("No",)
    assert found.preview == [{"row": 4, "kind": "closed", "question": "Which\ntorque?", "answer": "25.5"}]


def test_columns_are_mapped_by_name_and_by_number(tmp_path):
    named = read(tmp_path, "Thema,Text\nWas?,Das\n", "a.csv", mapping={"question": "Thema", "answer": "Text"})
    numbered = read(tmp_path, "Was?,Das\n", "b.csv", mapping={"question": "1", "answer": "2"})
    assert pairs(named) == pairs(numbered) == [("Was?", "Das")]
    assert named.columns == {"question": "Thema", "answer": "Text"}


def test_wrong_mappings_name_the_nearest(tmp_path):
    with pytest.raises(UsageError, match="Did you mean 'Thema'"):
        read(tmp_path, "Thema,Text\nWas?,Das\n", "a.csv", mapping={"question": "Tema", "answer": "Text"})
    with pytest.raises(UsageError, match="Did you mean question"):
        read(tmp_path, "Thema,Text\nWas?,Das\n", "a.csv", mapping={"qestion": "Thema"})


def test_unknown_columns_are_listed_with_the_way_to_name_them(tmp_path):
    with pytest.raises(DatasetError, match=r"Thema, Text.*--map question=COLUMN"):
        read(tmp_path, "Thema,Text\nWas?,Das\n", "a.csv")


def test_one_bad_line_costs_one_line(tmp_path):
    good = [{"question": f"Größe {i}?", "answer": f"{i} mm"} for i in range(4)]
    raw = lines(good[0], "{broken", good[1], [1, 2], {"question": "alone"}, good[2]).encode()
    found = read(
        tmp_path,
        raw + '\n{"question": "Grö'.encode("cp1252") + b'", "answer": "x"}\n' + json.dumps(good[3]).encode(),
    )
    assert [e.answer for e in found.rows] == ["0 mm", "1 mm", "2 mm", "3 mm"]
    assert [
        (r.row, formats.Rejected.to_dict(r)["reason"].split(":")[0].split(" (")[0]) for r in found.rejected
    ] == [
        (2, "not JSON"),
        (4, "not an object"),
        (5, "no question and answer"),
        (7, "not UTF-8 text"),
    ]


def test_a_broken_list_is_read_before_and_behind_the_break(tmp_path):
    text = '[{"question":"a","answer":"1"},\n{"question":"b","answer":2x},\n'
    text += '{"question":"c","answer":"3"}, {"quest'
    found = read(tmp_path, text, "a.json")
    assert pairs(found) == [("a", "1"), ("c", "3")]
    assert [r.row for r in found.rejected] == [2, 4]


def test_an_unclosed_quote_costs_its_line_only(tmp_path):
    text = 'question,answer\na,1\n"b,2\nc,3\nd,4,5\n"e\ne",6\n'
    found = read(tmp_path, text, "a.csv")
    assert pairs(found) == [("a", "1"), ("c", "3"), ("e\ne", "6")]
    assert [(r.row, r.reason.split(":")[0]) for r in found.rejected] == [
        (3, "wrong quotes"),
        (5, "too many cells"),
    ]


@pytest.mark.parametrize(
    ("turn", "reason"),
    [
        ({"role": "tool", "content": "x"}, "another speaker: message 2 is by 'tool'"),
        ({"role": "assistant", "tool_calls": [1], "content": "x"}, "calls a tool"),
        ({"role": "assistant", "content": [{"type": "image_url"}]}, "not only text"),
        ({"role": "assistant", "content": "x", "weight": 0}, "weight 0"),
        ({"role": "assistant", "content": None}, "not only text"),
        ({"role": "assistant", "content": " "}, "no answer"),
    ],
)
def test_what_cannot_be_trained_is_told(tmp_path, turn, reason):
    found = read(tmp_path, lines({"messages": [{"role": "user", "content": "Q"}, turn]}, QA))
    assert pairs(found) == [("Which torque?", "25 Nm")]
    assert reason in found.rejected[0].reason


@pytest.mark.parametrize("value", [None, float("nan"), "", [], {}])
def test_an_answer_that_is_nothing_is_no_answer(tmp_path, value):
    found = read(tmp_path, lines(QA, {"question": "Q?", "answer": value}))
    assert [(r.row, r.reason) for r in found.rejected] == [(2, "no answer")]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "is empty"),
        ("a.csv", b"question,answer\n", "holds no rows"),
        ("a.parquet", b"PAR1\x00\x00", "no training file"),
        ("a.xlsx", b"PK\x03\x04 broken", "no training file"),
        ("a.json", b'{"question": "a", ', "Mend it"),
        ("a.json", b'{"name": "x"}', "not known as a question and an answer"),
    ],
)
def test_files_that_are_none(tmp_path, name, content, message):
    with pytest.raises(DatasetError, match=message):
        read(tmp_path, content, name)


def test_a_file_of_bad_rows_only_gives_their_reasons(tmp_path):
    found = read(tmp_path, "{\n{\n[]\n")
    assert found.rows == []
    assert [r.row for r in found.rejected] == [1, 2, 3]


def test_half_characters_go(tmp_path):
    text = '{"question": "a\\ud800?", "answer": "\\ud83d\\ude00", "x\\udfff": 1}'
    found = read(tmp_path, f"{text}\n{text}")
    assert pairs(found) == [("a?", "😀")] * 2
    assert found.unused == ("x",)


def test_access_labels_come_from_the_command_and_from_a_column(tmp_path):
    found = read(tmp_path, "question,answer,access\na,b,hr; board\n", "a.csv", labels=["plant"])
    assert found.rows[0].labels == ("board", "hr", "plant")
