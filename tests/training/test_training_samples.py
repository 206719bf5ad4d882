"""Which questions are asked before and after, and that the answers are the model's own."""

from __future__ import annotations

import numpy as np
import pytest

from loresmith.answering import unaided
from loresmith.config import ModelSection
from loresmith.dataset.example import Dataset, Example
from loresmith.training.values import Row

torch = pytest.importorskip("torch", reason="needs the extra: pip install loresmith[train]")

from loresmith.models import transformers_model  # noqa: E402
from loresmith.training import base, samples, tokens  # noqa: E402


def example(number, kind="closed", fact="", answer="25 Nm."):
    question = f"Which torque for pump {number}?"
    messages = (*unaided.messages(question), {"role": "assistant", "content": answer})
    return Example(messages=messages, kind=kind, question=question, fact=fact)


def dataset(**splits):
    return Dataset(id="d", **{"train": (), **splits})


@pytest.fixture(scope="module")
def loaded(phi3):
    return base.load(str(phi3), method="lora", precision="fp32", device="cpu")


def test_held_out_questions_are_asked_of_every_kind_in_turn():
    kinds = ("closed", "grounded", "abstain")
    train = tuple(example(n) for n in range(50))
    dev = tuple(example(100 + n, kind=kinds[n % 3]) for n in range(30))
    chosen = samples.choose(dataset(train=train, dev=dev))
    assert len(chosen) == 10
    assert not {e.id for e in chosen} & {e.id for e in train}
    assert sorted(e.kind for e in chosen) == ["abstain"] * 4 + ["closed"] * 3 + ["grounded"] * 3


def test_the_choice_does_not_depend_on_the_order_of_the_rows():
    rows = tuple(example(n) for n in range(40))
    assert samples.choose(dataset(dev=rows)) == samples.choose(dataset(dev=rows[::-1]))


def test_each_question_is_about_another_fact_while_there_are_any():
    rows = tuple(example(n, fact=f"fact {n % 12}") for n in range(60))
    assert len({e.fact for e in samples.choose(dataset(dev=rows))}) == 10


def test_without_held_out_rows_trained_ones_are_asked():
    rows = tuple(example(n) for n in range(4))
    chosen = samples.choose(dataset(train=rows))
    assert {e.id for e in chosen} == {e.id for e in rows}


def test_a_prompt_is_the_row_up_to_its_last_answer():
    row = Row(ids=np.arange(10, dtype=np.int32), loss=np.isin(np.arange(10), (2, 3, 7, 8)))
    assert samples.prompt_of(row) == ([0, 1, 2, 3, 4, 5, 6], 8)


def test_it_says_what_the_answering_engine_says(loaded, phi3):
    # In one batch, padded on the left, and one by one with the engine's own loop: the same words.
    asked = [example(n) for n in (1, 22, 333, 4444)]
    rows, problems = tokens.rows(asked, loaded.tokenizer, max_length=512)
    assert problems == []
    said = samples.say(loaded.model, loaded.tokenizer, rows)
    engine = transformers_model.load(ModelSection(name=str(phi3), context_tokens=1024))
    # In float32 both, so that padding cannot tip a close decision.
    engine.model.float().load_state_dict(loaded.model.state_dict())
    for one, text in zip(asked, said, strict=True):
        pieces = engine.generate(list(one.messages[:-1]), max_tokens=samples.ANSWER_TOKENS)
        assert "".join(piece.text for piece in pieces).strip() == text
    assert len(set(said)) > 1


def test_long_prompts_are_read_one_by_one():
    assert samples._groups([10, 5000, 20, 30, 5000]) == [[0, 2, 3], [1], [4]]


def test_asking_leaves_the_model_in_its_mode(loaded):
    rows, _ = tokens.rows([example(1)], loaded.tokenizer, max_length=512)
    loaded.model.train()
    samples.say(loaded.model, loaded.tokenizer, rows)
    assert loaded.model.training


def test_the_general_text_is_all_target_but_each_rows_first_token(loaded):
    rows = samples.general_rows(loaded.tokenizer)
    whole = "".join(loaded.tokenizer.decode(row.ids) for row in rows)
    assert whole.startswith("The market opens before the sun is up.")
    assert len(whole) > 3500
    assert all(not row.loss[0] and row.loss[1:].all() for row in rows)


@pytest.mark.parametrize(
    ("expected", "said", "counts"),
    [
        ("The torque is 25 Nm.", "the  torque is 25 Nm", True),
        ("25 Nm", "It is 25 Nm, dry.", True),
        ("The torque is 25 Nm.", "The torque is 26 Nm.", False),
        ("The torque is 25 Nm.", "", False),
    ],
)
def test_an_answer_as_expected_says_the_same_words(expected, said, counts):
    assert samples.like_expected([{"expected": expected, "after": said}], "after") == counts
