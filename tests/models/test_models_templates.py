"""What is the same for every engine when messages become a prompt."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loresmith.models import templates
from loresmith.types import Generated, Message

SPECIAL = ("<|endoftext|>", "<|end|>", "<|user|>", "</s>", "<s>", "<0>")
soup = st.lists(st.sampled_from([*SPECIAL, "<", "|", ">", "<|", "|>", "end", "s", "/", "[INST]", "é", "\n"]))


@given(soup.map("".join))
def test_no_mark_survives_and_no_character_is_lost(text):
    safe = templates.neutralise(text, SPECIAL)
    assert not [mark for mark in (*SPECIAL, *templates.COMMON_MARKS) if mark in safe]
    assert safe.replace(templates.JOINER, "") == text


def test_plain_text_stays_as_it_is():
    text = "Set a < b | c > d to 25 Nm (see [1], <table>, x<y>z)."
    assert templates.neutralise(text, SPECIAL) == text


def test_tags_of_other_models_are_broken_too():
    """Behind an endpoint the model's own list is not known."""
    for tag in ("<|im_start|>", "[/INST]", "<start_of_turn>", "<｜User｜>", "<<SYS>>"):
        assert tag not in templates.neutralise(f"a {tag} b")


def test_system_text_moves_to_the_user():
    messages = [
        Message(role="system", content="Be brief."),
        Message(role="user", content="Hello"),
        Message(role="assistant", content="Hi"),
    ]
    assert templates.without_system(messages) == [
        Message(role="user", content="Be brief.\n\nHello"),
        Message(role="assistant", content="Hi"),
    ]


def test_a_template_that_fails_for_another_reason_is_not_hidden():
    def refuse(messages: list[Message]) -> str:
        raise ValueError("roles must alternate")

    with pytest.raises(ValueError, match="alternate"):
        templates.render([Message(role="user", content="x")], refuse, ValueError)


@pytest.mark.parametrize(
    ("rendered", "expected"),
    [
        (f"<|user|>\nHello<|end|>\n<|assistant|>\n{templates.END_MARK}<|end|>\n<|endoftext|>", "<|end|>"),
        (f"<s>[INST] Hello [/INST] {templates.END_MARK} </s>", "</s>"),
        (f"User: Hello\n\nAssistant: {templates.END_MARK}\n", None),
        ("a template that shows no answer", None),
    ],
)
def test_the_end_of_a_turn_is_read_from_the_template(rendered, expected):
    assert templates.end_of_turn(rendered, SPECIAL) == expected


def pieces(*texts):
    return iter([Generated(text) for text in texts])


def said(*texts, stop=()):
    return "".join(p.text for p in templates.until(pieces(*texts), stop))


def test_stop_texts_across_pieces():
    assert said("The torque", " is\nUs", "er: what", stop=["\nUser:"]) == "The torque is"
    assert said("one\nUs", "ual", stop=["\nUser:"]) == "one\nUsual"
    assert said("a", "b", "c", stop=["zzz", "bc"]) == "a"
    assert said("x", "END") == "xEND"


@given(st.lists(st.text("ab", max_size=4), max_size=8), st.text("ab", min_size=1, max_size=3))
def test_stopping_equals_cutting_the_whole_text(texts, mark):
    assert said(*texts, stop=[mark]) == "".join(texts).partition(mark)[0]


def test_no_token_is_forgotten_when_text_is_held_back():
    kept = list(templates.until(pieces("a", "E", "N", "b"), ["END"]))
    assert sum(p.tokens for p in kept) == 4
    assert "".join(p.text for p in kept) == "aENb"
