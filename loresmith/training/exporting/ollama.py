"""An Ollama Modelfile: the chat template in Ollama's language, stop marks, parameters.

    the model's own rendering of a probe conversation -> its fixed pieces -> TEMPLATE

A Jinja template is not translated word by word: it is asked to render a conversation of marks, what
stands between the marks is what the template adds, and the pieces put together again must render
other conversations exactly as the model's own template does. Promises: a template that cannot be
said so is an error, never an approximation. Torch-free.

Ollama's templates are Go's text/template (https://github.com/ollama/ollama/blob/main/docs/template.md);
`.System` holds every system message, so the system role is skipped among `.Messages`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from loresmith.errors import TrainingError
from loresmith.models import templates
from loresmith.types import Message

Render = Callable[[Sequence[Message]], str]
"""A conversation to the prompt for its next answer."""

_MARKS = {name: f"mark{name}mark" for name in "SUAV"}


@dataclass(frozen=True, slots=True)
class Pieces:
    """What a chat template writes around the contents.

    Attributes:
        plain: before the first turn without a system text.
        before_system, after_system: around it.
        before_user: of each user turn.  before_answer: behind it, up to where the answer begins.
        lead: between there and an earlier answer's words.  after_answer: behind an earlier answer.
    """

    plain: str
    before_system: str
    after_system: str
    before_user: str
    before_answer: str
    lead: str
    after_answer: str

    def render(self, messages: Sequence[Message]) -> str:
        """As Ollama renders `template()`."""
        system = "\n\n".join(m["content"] for m in messages if m["role"] == "system")
        text = f"{self.before_system}{system}{self.after_system}" if system else self.plain
        for message in messages:
            if message["role"] == "user":
                text += self.before_user + message["content"] + self.before_answer
            elif message["role"] == "assistant":
                text += self.lead + message["content"] + self.after_answer
        return text

    def template(self) -> str:
        """The same in Go's text/template."""
        for piece in (self.plain, self.before_system, self.after_system, self.before_user,
                      self.before_answer, self.lead, self.after_answer):  # fmt: skip
            if "{{" in piece or "}}" in piece or '"""' in piece:
                raise _unsayable(f"it writes {piece!r}")
        return (
            "{{ if .System }}" + self.before_system + "{{ .System }}" + self.after_system
            + "{{ else }}" + self.plain + "{{ end }}"
            + "{{ range .Messages }}"
            + '{{ if eq .Role "user" }}' + self.before_user + "{{ .Content }}" + self.before_answer
            + '{{ else if eq .Role "assistant" }}' + self.lead + "{{ .Content }}" + self.after_answer
            + "{{ end }}{{ end }}"
        )  # fmt: skip


def pieces(render: Render, *, end: str = "", drop: str = "") -> Pieces:
    """The fixed pieces of a model's chat template.

    Args:
        end: the mark that ends a turn; it belongs to the turn before, not to the next.
        drop: text that the engine puts before every prompt itself (the start token).

    Raises:
        TrainingError: the template does more than put pieces around contents.
    """

    def own(messages: Sequence[Message]) -> str:
        return render(messages).removeprefix(drop)

    full = _cut(own(_conversation("SUAV")), "SUAV")
    alone = _cut(own(_conversation("U")), "U")
    before_system, to_user, to_answer, to_second, before_answer = full
    before_user = _common_end(to_user, to_second, alone[0])
    if end and end in before_user:
        before_user = before_user.rpartition(end)[2].lstrip()
    if not to_answer.startswith(before_answer):
        raise _unsayable("an earlier answer begins otherwise than the next one")
    found = Pieces(
        plain=alone[0].removesuffix(before_user),
        before_system=before_system,
        after_system=to_user.removesuffix(before_user),
        before_user=before_user,
        before_answer=before_answer,
        lead=to_answer.removeprefix(before_answer),
        after_answer=to_second.removesuffix(before_user),
    )
    for names in ("U", "SU", "UAV", "SUAV", "SUAVAU"):
        conversation = _conversation(names)
        if found.render(conversation) != own(conversation):
            raise _unsayable(f"a conversation of {len(conversation)} turns comes out otherwise")
    return found


def modelfile(
    model: str, found: Pieces, *, system: str, stops: Sequence[str], window: int, answer_tokens: int
) -> str:
    """The text of a Modelfile.

    Args:
        model: what FROM names: a file beside the Modelfile, as "./x.gguf".
        system: the system text that the model was trained with.
        window: tokens of prompt and answer together.
    """
    for stop in stops:
        if '"' in stop or "\n" in stop:
            raise _unsayable(f"it ends with {stop!r}")
    return "\n".join(
        [
            f"FROM {model}",
            f'TEMPLATE """{found.template()}"""',
            f'SYSTEM """{system}"""',
            *(f'PARAMETER stop "{stop}"' for stop in stops),
            "PARAMETER temperature 0",
            f"PARAMETER num_ctx {window}",
            f"PARAMETER num_predict {answer_tokens}",
            "",
        ]
    )


def stop_marks(end: str, chat_template: Any) -> list[str]:
    """What ends an answer: the model's end of turn; without a template the next speaker's name."""
    return [end, *([] if chat_template else [mark.strip() for mark in templates.PLAIN_STOP])]


def _conversation(names: str) -> list[Message]:
    """Turns whose contents are marks: S system, U and V the user's, A the assistant's."""
    roles: dict[str, Any] = {"S": "system", "A": "assistant"}
    return [Message(role=roles.get(name, "user"), content=_MARKS[name]) for name in names]


def _cut(text: str, names: str) -> list[str]:
    parts = []
    for name in names:
        before, found, text = text.partition(_MARKS[name])
        if not found:
            raise _unsayable("it leaves out or changes the words of a turn")
        parts.append(before)
    return [*parts, text]


def _common_end(*texts: str) -> str:
    length = 0
    while length < min(map(len, texts)) and len({text[len(text) - length - 1] for text in texts}) == 1:
        length += 1
    return texts[0][len(texts[0]) - length :]


def _unsayable(why: str) -> TrainingError:
    return TrainingError(
        f"The model's chat template cannot be said in Ollama's language: {why}.",
        "Export --to gguf; Ollama then uses the template that it knows for the model.",
    )
