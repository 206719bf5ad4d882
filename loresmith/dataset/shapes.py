"""One record of a training file -> one example, or why it cannot be one (see formats.py)."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from loresmith.answering import prompt, unaided
from loresmith.answering.generate import abstention
from loresmith.dataset import queries
from loresmith.dataset.example import Example, Kind
from loresmith.dataset.rows import Fault
from loresmith.language import detect
from loresmith.types import Hit, Locator, Message, Passage

ROLES = ("question", "answer", "input", "context", "title", "system", "messages", "history", "language",
         "labels", "fact", "sql", "database")  # fmt: skip
"""What a column can be mapped to."""

_NAMES: dict[str, tuple[str, ...]] = {
    "messages": ("messages", "conversations", "conversation", "dialogue", "dialog", "turns"),
    "question": (
        "question", "questiontext", "frage", "pregunta", "domanda", "vraag", "pergunta", "întrebare",
        "intrebare", "问题", "質問", "질문", "вопрос", "query", "userquery", "instruction", "anweisung",
        "prompt", "userprompt", "input", "user", "human", "q",
    ),
    "answer": (
        "answer", "answers", "answertext", "antwort", "réponse", "reponse", "respuesta", "risposta",
        "antwoord", "resposta", "răspuns", "raspuns", "答案", "回答", "답변", "ответ", "completion",
        "response", "output", "modeloutput", "reply", "assistant", "a",
    ),
    "context": ("context", "contexts", "passage", "passages", "kontext", "contexto", "contesto", "上下文"),
    "title": ("title", "document", "titel", "titre"),
    "system": ("system", "systemprompt", "systemmessage"),
    "history": ("history",),
    "language": ("language", "lang", "sprache", "langue", "idioma", "lingua", "taal"),
    "labels": ("access", "accesslabels"),
    "fact": ("fact", "factid"),
    "sql": ("sql", "sqlquery", "goldsql", "goldquery", "sqlite", "query"),
    "database": ("database", "databases", "db", "dbid", "dbname", "tables", "table"),
}  # fmt: skip
_SPEAKERS = {
    "user": "user", "human": "user", "prompter": "user", "customer": "user",
    "assistant": "assistant", "gpt": "assistant", "bot": "assistant", "chatgpt": "assistant",
    "model": "assistant", "bard": "assistant", "bing": "assistant", "claude": "assistant",
    "system": "system", "developer": "system",
}  # fmt: skip
# System texts that say nothing: with them a pair is still asked as the arm "tuned" asks.
_EMPTY_SYSTEM = re.compile(
    r"you are (?:a|an) (?:helpful|useful|friendly)?[\w ,]*\b(?:assistant|chatbot|bot|ai)\.?"
    r"|you are chatgpt\b.{0,80}|below is an instruction that describes a task\b.{0,160}",
    re.IGNORECASE | re.DOTALL,
)
_OWN_KINDS: tuple[Kind, ...] = ("closed", "grounded", "abstain", "query", "chat")
_QUERIED = ("sql", "database")


@dataclass(slots=True)
class Reader:
    """What stays the same from row to row of one file, and what is counted on the way."""

    file: str
    mapping: Mapping[str, str]
    labels: tuple[str, ...]
    shapes: Counter[str] = field(default_factory=Counter)
    used: dict[str, str] = field(default_factory=dict)
    seen: dict[str, bool] = field(default_factory=dict)
    """Every column of the file, and whether something is read from it."""
    dropped_systems: int = 0
    known: dict[tuple[str, ...], dict[str, str]] = field(default_factory=dict)

    def columns(self, record: Mapping[str, Any]) -> dict[str, str]:
        names = tuple(record)
        if names not in self.known:
            self.known[names] = columns_of(names, self.mapping)
            for name in names:
                self.seen[name] = self.seen.get(name, False) or name in self.known[names].values()
            for role, name in self.known[names].items():
                self.used.setdefault(role, name)
        return self.known[names]


def columns_of(names: Sequence[str], mapping: Mapping[str, str]) -> dict[str, str]:
    """Part to column name, for the parts that these columns hold; {} where nothing can be made of them.

    >>> columns_of(["Frage", "Antwort", "Nr"], {})
    {'question': 'Frage', 'answer': 'Antwort'}
    """
    bare = {re.sub(r"[\W_]+", "", name.casefold()): name for name in reversed(names)}
    found = {role: name for role, name in mapping.items() if name in names}
    for role, words in _NAMES.items():
        # A database alone says nothing, and beside an answer a query is the user's words.
        if role in _QUERIED and ("question" not in found or "answer" in found or "messages" in found):
            continue
        if role == "database" and "sql" not in found:
            continue
        if role not in found:
            name = next((bare[w] for w in words if w in bare and bare[w] not in found.values()), None)
            if name is not None:
                found[role] = name
    if "instruction" in bare and "input" in bare and found.get("question") == bare["instruction"]:
        found.setdefault("input", bare["input"])
    whole = (
        "messages" in found or {"question", "answer"} <= found.keys() or {"question", "sql"} <= found.keys()
    )
    return found if whole else {}


def listed(names: Iterable[str]) -> str:
    """Some of the names, for a message."""
    names = list(names)
    return ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")


def example(reader: Reader, row: int | str, record: Any) -> Example | Fault:
    if isinstance(record, list) and record and all(isinstance(turn, dict) for turn in record):
        record = {"messages": record}
    if not isinstance(record, Mapping):
        return Fault(f"not an object: {_kind_of(record)}")
    columns = reader.columns(record)
    if not columns:
        return Fault(f"no question and answer: its columns are {listed(map(str, record)) or 'none'}")
    values = {role: record[name] for role, name in columns.items() if name in record}
    origin = f"import:{reader.file}#{row}"
    if record.get("kind") in _OWN_KINDS and "messages" in values:
        reader.shapes["Loresmith"] += 1
        return _own(record, origin, reader.labels)
    if values.get("messages"):
        turns = _turns(values["messages"])
        named = columns["messages"]
        reader.shapes["messages" if named == "messages" else "ShareGPT"] += 1
    elif _speaks(values.get("question")) or _speaks(values.get("answer")):
        turns = _joined(values)
        reader.shapes["prompt/completion"] += 1
    else:
        turns = []
        reader.shapes[_shape(columns)] += 1
    if isinstance(turns, Fault):
        return turns
    extra = {
        "origin": origin,
        "labels": _labels(reader.labels, values.get("labels")),
        "fact": _text(values.get("fact")),
    }
    if "sql" in values and not turns:
        return _queried(values, extra)
    if turns:
        return _conversation(reader, turns, values, extra)
    return _pair(reader, values, extra)


def _kind_of(value: Any) -> str:
    names = {list: "a list", str: "a text", type(None): "null", bool: "true or false"}
    return names.get(type(value), "a number")


def _shape(columns: Mapping[str, str]) -> str:
    if "sql" in columns:
        return "question/SQL"
    name = columns["question"].casefold()
    if "instruction" in name:
        return "Alpaca" if "context" not in columns else "instruction/context/response"
    return "prompt/completion" if "prompt" in name else "question/answer"


def _own(record: Mapping[str, Any], origin: str, labels: tuple[str, ...]) -> Example | Fault:
    """A row of examples.jsonl. Documents and passages are of another workspace: what belongs
    together stays together by its fact."""
    try:
        made = Example.from_dict(record)
    except (KeyError, TypeError, ValueError) as error:
        return Fault(f"a damaged row of examples.jsonl ({error})")
    if not made.messages or any(m["role"] not in _SPEAKERS.values() for m in made.messages):
        return Fault("a damaged row of examples.jsonl (its messages)")
    labels = tuple(sorted({*labels, *made.labels}))
    if made.kind == "query":  # its prompt shows tables of elsewhere: it is proved on those that are here
        return queries.pair(
            made.question, made.answer, fact=made.fact, origin=origin, labels=labels, language=made.language
        )
    return Example(
        messages=made.messages,
        kind=made.kind,
        question=made.question,
        quote=made.quote,
        fact=made.fact or " ".join(made.documents),
        origin=origin,
        labels=labels,
        language=made.language,
    )


def _turns(value: Any) -> list[Message] | Fault:
    """Messages under any of the usual names of their parts."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return Fault("no messages: not JSON")
    if isinstance(value, Mapping) and isinstance(value.get("messages"), list):
        value = value["messages"]
    if not isinstance(value, list) or not value:
        return Fault("no messages: empty")
    turns: list[Message] = []
    for number, turn in enumerate(value, 1):
        if not isinstance(turn, Mapping):
            return Fault(f"not a message: number {number} is no object")
        speaker = next((turn[k] for k in ("role", "from", "speaker", "author") if k in turn), None)
        role = _SPEAKERS.get(str(speaker).casefold())
        if role is None:
            return Fault(
                f"another speaker: message {number} is by {speaker!r} (only system, user, assistant)"
            )
        if turn.get("tool_calls") or turn.get("function_call"):
            return Fault(f"not only text: message {number} calls a tool")
        if turn.get("weight") == 0:
            return Fault(f"weight 0: message {number} shall not be learned, and answers cannot be kept apart")
        content = next((turn[k] for k in ("content", "value", "text") if k in turn), None)
        if isinstance(content, list):
            parts = [p.get("text") if isinstance(p, Mapping) else p for p in content]
            if not all(isinstance(p, str) for p in parts):
                return Fault(f"not only text: message {number} holds something else")
            content = "\n\n".join(map(str, parts))
        if not isinstance(content, str):
            return Fault(f"not only text: message {number} has none")
        turns.append(Message(role=role, content=content))  # type: ignore[typeddict-item]
    return turns


def _joined(values: Mapping[str, Any]) -> list[Message] | Fault:
    """Prompt and completion where one of them, or both, is messages."""
    turns: list[Message] = []
    for part, role in (("question", "user"), ("answer", "assistant")):
        value = values.get(part)
        if not _speaks(value):
            turns.append(Message(role=role, content=_text(value)))  # type: ignore[typeddict-item]
            continue
        found = _turns(value if isinstance(value, list) else [value])
        if isinstance(found, Fault):
            return found
        turns += found
    return turns


def _speaks(value: Any) -> bool:
    """Whether a value is a message or a list of them."""
    first = value[0] if isinstance(value, list) and value else value
    return isinstance(first, Mapping) and any(k in first for k in ("role", "from"))


def _conversation(
    reader: Reader, turns: list[Message], values: Mapping[str, Any], extra: dict[str, Any]
) -> Example | Fault:
    system = _text(values.get("system"))
    if system and turns[0]["role"] != "system":
        turns = [Message(role="system", content=system), *turns]
    said = [turn for turn in turns if turn["role"] != "system"]
    if not any(turn["role"] == "assistant" and turn["content"].strip() for turn in said):
        return Fault("no answer: nothing by the assistant")
    question = next((turn["content"].strip() for turn in said if turn["role"] == "user"), "")
    if not question:
        return Fault("no question: nothing by the user")
    if [turn["role"] for turn in said] == ["user", "assistant"] and "context" not in values:
        pair = {**values, "question": said[0]["content"], "answer": said[1]["content"]}
        pair["system"] = "\n\n".join(turn["content"] for turn in turns if turn["role"] == "system")
        return _pair(reader, pair, extra)
    language = _language(values.get("language")) or detect(" ".join(t["content"] for t in said))
    return Example(messages=tuple(turns), kind="chat", question=question, language=language, **extra)


def _pair(reader: Reader, values: Mapping[str, Any], extra: dict[str, Any]) -> Example | Fault:
    question = re.sub(r"\s*(?:\n\n###\n\n|\s->)\s*\Z", "", _text(values.get("question")))
    more = _text(values.get("input"))
    question = f"{question}\n\n{more}" if question and more else question or more
    if not question:
        return Fault("no question")
    answer = re.sub(r"\s+END\Z", "", _text(values.get("answer")))
    passages = list(_passages(reader, values))
    language = _language(values.get("language")) or detect(f"{question} {answer}")
    if not answer and not (passages and _is_null(values.get("answer"))):
        return Fault("no answer")
    if passages:
        hits = [Hit(passage=p, rank=rank, score=0.0) for rank, p in enumerate(passages, 1)]
        asked = detect(question)
        kind: Kind = "grounded" if answer else "abstain"
        said = Message(role="assistant", content=answer or abstention(asked))
        built = (*prompt.messages(question, hits, language=asked), said)
        return Example(messages=built, kind=kind, question=question, language=language, **extra)
    said = Message(role="assistant", content=answer)
    system, past = _text(values.get("system")), list(_history(values.get("history")))
    own = unaided.messages(question)
    if system and system != own[0]["content"] and _EMPTY_SYSTEM.fullmatch(system):
        reader.dropped_systems += 1
        system = ""
    if past or (system and system != own[0]["content"]):
        head = [Message(role="system", content=system)] if system else []
        asked_now = Message(role="user", content=question)
        built = (*head, *past, asked_now, said)
        return Example(messages=built, kind="chat", question=question, language=language, **extra)
    return Example(messages=(*own, said), kind="closed", question=question, language=language, **extra)


def _queried(values: Mapping[str, Any], extra: dict[str, Any]) -> Example | Fault:
    """A question with its query; whether it runs on the tables is found out where they are."""
    question, sql = _text(values.get("question")), _text(values.get("sql")).rstrip(";").rstrip()
    if not question or not sql:
        return Fault("no question" if not question else "no query")
    named = values.get("database")
    among = named if isinstance(named, list) else re.split(r"[,;]", _text(named))
    language = _language(values.get("language")) or detect(question)
    names = [str(name).strip() for name in among if str(name).strip()]
    return queries.pair(question, sql, among=names, language=language, **extra)


def _passages(reader: Reader, values: Mapping[str, Any]) -> Iterator[Passage]:
    value = values.get("context")
    texts = value if isinstance(value, list) else [value]
    title = _text(values.get("title"))
    for ordinal, text in enumerate(filter(None, map(_text, texts))):
        yield Passage(
            id=hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32],
            document=title or reader.file,
            ordinal=ordinal,
            text=text,
            locator=Locator(),
        )


def _history(value: Any) -> Iterator[Message]:
    """Earlier turns as [[question, answer], …]."""
    for pair in value if isinstance(value, list) else []:
        if isinstance(pair, list | tuple) and len(pair) == 2:
            yield Message(role="user", content=_text(pair[0]))
            yield Message(role="assistant", content=_text(pair[1]))


def _is_null(value: Any) -> bool:
    return value is None or (isinstance(value, Mapping | list) and not _text(value))


def _text(value: Any) -> str:
    """A value as text: the first of several accepted answers, "" for nothing."""
    if isinstance(value, str):
        return value.strip()
    if value is None or value != value:  # NaN, as pandas writes it
        return ""
    if isinstance(value, Mapping):
        return _text(value.get("text", value.get("content")))
    if isinstance(value, list):
        return _text(value[0]) if value else ""
    return str(value)


def _labels(own: tuple[str, ...], value: Any) -> tuple[str, ...]:
    given = value if isinstance(value, list) else re.split(r"[,;]", _text(value))
    return tuple(sorted({*own, *(str(label).strip() for label in given if str(label).strip())}))


def _language(value: Any) -> str:
    code = re.match(r"[a-z]{2}(?=$|[-_])", _text(value).casefold())
    return code[0] if code else ""
