"""Chat templates said in Ollama's language: pieces found by asking, refused where they do not fit."""

from __future__ import annotations

import jinja2
import pytest

from loresmith.errors import TrainingError
from loresmith.models import templates
from loresmith.training.exporting import ollama
from loresmith.types import Message

CHATML_WITH_DEFAULT = (
    "{% for m in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are SmolLM.<|im_end|>\n' }}{% endif %}"
    "{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
GEMMA = (
    "{{ '<bos>' }}{% if messages[0]['role'] == 'system' %}{{ raise('no system role') }}{% endif %}"
    "{% for m in messages %}"
    "{{ '<start_of_turn>' + ('model' if m['role'] == 'assistant' else 'user') + '\n' + m['content'] | trim "
    "+ '<end_of_turn>\n' }}{% endfor %}{{ '<start_of_turn>model\n' }}"
)
LLAMA3 = (
    "{% for m in messages %}{% set c = '<|start_header_id|>' + m['role'] + '<|end_header_id|>\n\n' "
    "+ m['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set c = '<|begin_of_text|>' + c %}"
    "{% endif %}{{ c }}{% endfor %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}"
)
NUMBERED = (
    "{% for m in messages %}{{ loop.index }}. {{ m['role'] }}: {{ m['content'] }}\n{% endfor %}assistant: "
)


def render_by(template):
    def fail(text):
        raise jinja2.TemplateError(text)

    compiled = jinja2.Environment(trim_blocks=True, lstrip_blocks=True).from_string(template)

    def apply(messages):
        return compiled.render(messages=messages, add_generation_prompt=True, **{"raise": fail})

    return lambda messages: templates.render(messages, apply, jinja2.TemplateError)


SYSTEM = Message(role="system", content="Be brief.")
USER = Message(role="user", content="Which torque?")
TOLD = Message(role="assistant", content="25 Nm.")


@pytest.mark.parametrize("template", [CHATML_WITH_DEFAULT, GEMMA, LLAMA3])
@pytest.mark.parametrize(
    "messages", [[USER], [SYSTEM, USER], [USER, TOLD, USER], [SYSTEM, USER, TOLD, USER, TOLD, USER]]
)
def test_the_pieces_render_as_the_template_does(template, messages):
    render = render_by(template)
    for end in ("", "<|im_end|>", "<end_of_turn>", "<|eot_id|>"):
        assert ollama.pieces(render, end=end).render(messages) == render(messages)


def test_a_default_system_text_is_kept_for_questions_without_one():
    template = ollama.pieces(render_by(CHATML_WITH_DEFAULT), end="<|im_end|>").template()
    assert "{{ else }}<|im_start|>system\nYou are SmolLM.<|im_end|>\n{{ end }}" in template


def test_a_model_without_a_template_is_asked_plainly():
    found = ollama.pieces(templates.plain)
    assert found.render([USER, TOLD, USER]) == templates.plain([USER, TOLD, USER])
    assert ollama.stop_marks("</s>", None) == ["</s>", "User:", "System:"]


def test_a_start_token_that_the_engine_writes_is_not_written_twice():
    template = ollama.pieces(render_by(LLAMA3), drop="<|begin_of_text|>").template()
    assert "begin_of_text" not in template
    assert template.count("<|start_header_id|>user<|end_header_id|>") == 1


@pytest.mark.parametrize(
    "template",
    [
        NUMBERED,
        "{% for m in messages %}{{ m['content'] | upper }}{% endfor %}",
        "{% for m in messages[-1:] %}{{ m['content'] }}{% endfor %}",
    ],
)
def test_a_template_that_does_more_is_refused(template):
    with pytest.raises(TrainingError, match="cannot be said in Ollama's language"):
        ollama.pieces(render_by(template))


def test_text_that_go_would_take_for_its_own_is_refused():
    found = ollama.pieces(render_by("{% for m in messages %}{{ '{{x}}' + m['content'] }}{% endfor %}"))
    with pytest.raises(TrainingError, match="cannot be said"):
        found.template()
