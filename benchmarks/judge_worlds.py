"""Worlds in which the truth is known: documents, training rows, questions, and what must come out.

Each world is made by a function of a seed; names, figures and words of the house are invented, so
that no model can know them (but in `known`, where it must). `judge.py` runs them through the whole
machine. Promises: the same seed makes the same world; no question stands among the training rows
but those that are planted there.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from learning import KINDS, NAMES, SUBJECTS

# One passage holds a data sheet; two of them are enough to choose from, and keep the prompts short.
_QUICK = {"model.max_tokens": 40, "retrieval.k": 3, "dataset.test_share": 0, "dataset.dev_share": 0}


@dataclass(frozen=True, kw_only=True)
class World:
    """What a world is made of.

    Attributes:
        truth: in words, what a judge that can be trusted says of it.
        documents: path to text, as they are when the adapter is trained; `changed`: those that are
            other afterwards; `gone`: those that are taken away afterwards.
        rows: training rows to import (`question`, `answer`, `fact`).
        read: training rows that are asked with passages: (question, document of the answer, answer).
        built: rows made of the documents beside them (`dataset.max_rows`); 0: `dataset build` is not run.
        steps: of training; 0: no adapter, so base and rag are compared alone.
        questions: lines of a question file.
        before: question id to what was right when the adapter was trained, where it is not any more.
        leaks, wrong_gold: ids of the questions that are planted to be found.
    """

    name: str
    truth: str
    documents: Mapping[str, str]
    questions: list[dict[str, Any]]
    rows: list[dict[str, str]] = field(default_factory=list)
    read: list[tuple[str, str, str]] = field(default_factory=list)
    built: int = 0
    steps: int = 0
    changed: Mapping[str, str] = field(default_factory=dict)
    gone: tuple[str, ...] = ()
    before: Mapping[str, str] = field(default_factory=dict)
    leaks: tuple[str, ...] = ()
    wrong_gold: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)


# --- data sheets of invented machines ---------------------------------------------------------

# Attribute: what its value looks like, its short name, the sentence of the data sheet, four wordings
# to train, two to ask. {s} is the machine, {v} the value.
_ATTRIBUTES: dict[str, tuple[str, str, str, tuple[str, ...], tuple[str, ...]]] = {
    "torque": (
        "{n3} Nm",
        "bolt torque",
        "The bolts of the {s} are tightened with a torque of {v}.",
        (
            "With what torque are the bolts of the {s} tightened?",
            "How many Nm do the bolts of the {s} take?",
            "Tell me the tightening torque of the {s}.",
            "Bolt torque, {s}?",
        ),
        ("I tighten the bolts of the {s}. Which torque do I set?", "Which torque fits the {s} bolts?"),
    ),
    "shelf": (
        "{L}-{n3}",
        "shelf",
        "The spare parts of the {s} are kept on shelf {v}.",
        (
            "On which shelf are the spare parts of the {s} kept?",
            "Where are the spare parts of the {s} kept?",
            "Name the shelf for spare parts of the {s}.",
            "Spare parts, {s}?",
        ),
        ("I need spare parts for the {s}. Which shelf?", "On what shelf do the {s} spare parts lie?"),
    ),
    "weight": (
        "{n4} kg",
        "weight",
        "The {s} weighs {v}.",
        (
            "How much does the {s} weigh?",
            "What does the {s} weigh?",
            "Tell me the weight of the {s}.",
            "Weight of the {s}?",
        ),
        ("How heavy is the {s}?", "I must lift the {s}. How many kg does it weigh?"),
    ),
    "inspector": (
        "{name}",
        "inspector",
        "The {s} is inspected by {v}.",
        (
            "Who inspects the {s}?",
            "Which person inspects the {s}?",
            "Name the inspector of the {s}.",
            "Inspector of the {s}?",
        ),
        ("By whom is the {s} inspected?", "The {s} must be inspected. Who does it?"),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class _Fact:
    subject: str
    attribute: str
    value: str

    @property
    def document(self) -> str:
        return f"{self.subject.lower().replace(' ', '-')}.md"

    @property
    def name(self) -> str:
        return f"{self.subject.split()[0].lower()}-{self.attribute}"

    @property
    def sentence(self) -> str:
        return _ATTRIBUTES[self.attribute][2].format(s=self.subject, v=self.value)

    @property
    def trained(self) -> list[str]:
        return [w.format(s=self.subject) for w in _ATTRIBUTES[self.attribute][3]]

    @property
    def asked(self) -> list[str]:
        return [w.format(s=self.subject) for w in _ATTRIBUTES[self.attribute][4]]

    def question(self, wording: int, stratum: str = "") -> dict[str, Any]:
        line = {
            "id": f"{self.name}-{wording}",
            "question": self.asked[wording],
            "answer": [self.value],
            "documents": [self.document],
            "cluster": self.name,
        }
        return {**line, "stratum": stratum} if stratum else line


def _facts(subjects: int, rng: random.Random, attributes: Iterable[str] = tuple(_ATTRIBUTES)) -> list[_Fact]:
    """These attributes of so many machines; no value occurs twice."""
    made: list[_Fact] = []
    taken: set[str] = set()
    for number in range(subjects):
        machine = f"{SUBJECTS[number % len(SUBJECTS)]} {KINDS[number % len(KINDS)]}"
        for attribute in attributes:
            pattern = _ATTRIBUTES[attribute][0]
            value = _value(pattern, rng)
            while value in taken:
                value = _value(pattern, rng)
            taken.add(value)
            made.append(_Fact(machine, attribute, value))
    return made


def _value(pattern: str, rng: random.Random) -> str:
    return pattern.format(
        n3=rng.randint(100, 999),
        n4=rng.randint(2200, 9999),
        L=rng.choice("ABCDEFGHKLMNPRSTVX"),
        name=" ".join(rng.choice(part) for part in NAMES),
    )


def _sheets(facts: list[_Fact]) -> dict[str, str]:
    """One data sheet a machine."""
    out: dict[str, str] = {}
    for fact in facts:
        out.setdefault(fact.document, f"# Data sheet of the {fact.subject}\n")
        out[fact.document] += f"\n{fact.sentence}\n"
    return out


# --- the worlds -------------------------------------------------------------------------------


def fresh(seed: int) -> World:
    """(a) What was trained is changed afterwards; and three questions have a wrong gold answer."""
    rng = random.Random(seed)
    # What the base model reads rightly, so that what it says wrongly is not fresh, and nothing else.
    before = _facts(10, rng, ("torque", "weight", "inspector"))
    machines = list(dict.fromkeys(fact.subject for fact in before))
    moved = set(rng.sample(machines, 6))
    after = [
        _Fact(f.subject, f.attribute, _value(_ATTRIBUTES[f.attribute][0], rng)) if f.subject in moved else f
        for f in before
    ]
    questions = [fact.question(0) for fact in after]
    # Gold of before the change, and gold of another line of the same data sheet.
    stale = [n for n, fact in enumerate(after) if fact.subject in moved and fact.attribute == "weight"][:2]
    swapped = next(n for n, f in enumerate(after) if f.subject not in moved and f.attribute == "torque")
    for number in stale:
        questions[number]["answer"] = [before[number].value]
    questions[swapped]["answer"] = [after[swapped + 1].value]
    wrong = tuple(questions[n]["id"] for n in (*stale, swapped))
    documents, changed = _sheets(before), _sheets(after)
    return World(
        name="fresh",
        truth="six of ten data sheets change after training: passages win on freshness, so rag",
        documents=documents,
        changed={name: text for name, text in changed.items() if text != documents[name]},
        rows=[
            {"question": wording, "answer": fact.sentence, "fact": fact.name}
            for fact in before
            for wording in fact.trained
        ],
        built=30,
        steps=60,
        questions=questions,
        before={
            q["id"]: old.value
            for q, old, new in zip(questions, before, after, strict=True)
            if old.value != new.value
        },
        wrong_gold=wrong,
        settings={**_QUICK, "dataset.grounded": 0, "dataset.wordings": 1},
    )


# What everybody says, and the house's word for it: no passage has the second column.
_HOUSE_WORDS = (
    ("a leaking seal", "tearmark"), ("a machine that stands still", "blackday"),
    ("a worn bearing", "hollowring"), ("a part that came too late", "snailbox"),
    ("a loose bolt", "dancer"), ("a blocked filter", "greyveil"),
    ("an order without a date", "openletter"), ("a customer who complains", "bellringer"),
    ("a machine that overheats", "redstove"), ("a missing manual", "whitepage"),
    ("an oil stain on the floor", "mirrorspot"), ("a broken gauge", "blindeye"),
    ("the weekly inspection", "sevenwalk"), ("a part that does not fit", "oddshoe"),
    ("a noisy gearbox", "growler"), ("a spare part in stock", "goldbrick"),
    ("a failed start", "coldmorning"), ("a cable with a cut", "silverthread"),
    ("an unpaid invoice", "longshadow"), ("a wrong delivery", "strayhen"),
)  # fmt: skip
_TAUGHT = (
    "What do we call {x}?",
    "Which house word stands for {x}?",
    "How do we say {x} in this house?",
    "Give me our word for {x}.",
    "Our term for {x}?",
)
_UNTAUGHT = ("I saw {x} today. Which word do I write down?", "By which word of ours is {x} known?")


def style(seed: int) -> World:
    """(b) A house's words and form, which stand in no document; and four questions that leaked."""
    rng = random.Random(seed)
    words = list(_HOUSE_WORDS)
    invented = [word for _, word in words]
    rng.shuffle(invented)
    pairs = [(said, word) for (said, _), word in zip(words, invented, strict=True)]
    rows = [
        {"question": wording.format(x=said), "answer": f"We say: {word}!", "fact": word}
        for said, word in pairs
        for wording in _TAUGHT
    ]
    questions = [
        _styled(f"{word}-{number}", wording.format(x=said), word)
        for said, word in pairs
        for number, wording in enumerate(_UNTAUGHT)
    ]
    leaked = [
        _styled("leak-same", rows[0]["question"], pairs[0][1]),
        _styled("leak-case", rows[11]["question"].upper(), pairs[2][1]),
        _styled("leak-mark", rows[28]["question"].rstrip(".?") + " ?", pairs[5][1]),
        _styled("leak-near", rows[35]["question"].replace("What do we", "So what do we"), pairs[7][1]),
    ]
    return World(
        name="style",
        truth="the house's words and form stand in no passage: tuned",
        documents={
            f"note-{number:02}.md": f"# Service note {number}\n\nOn Monday the shift reported {said}. The "
            f"foreman wrote it down and told the workshop about {said} at noon.\n"
            for number, (said, _) in enumerate(pairs, 1)
        },
        rows=rows,
        steps=50,
        questions=[*questions, *leaked],
        leaks=tuple(q["id"] for q in leaked),
        settings=_QUICK,
    )


def _styled(name: str, question: str, word: str) -> dict[str, Any]:
    return {
        "id": name,
        "question": question,
        "answer": [word],
        "terms": [word],
        "pattern": r"^We say: \w+!$",
        "cluster": word,
    }


_SLASHED = r"^[A-Z]\w+ [a-z]+ / [a-z ]+ / \S.*$"


def _line(fact: _Fact) -> str:
    """A fact in the house's form."""
    return f"{fact.subject} / {_ATTRIBUTES[fact.attribute][1]} / {fact.value}"


def form(seed: int) -> World:
    """(c) The facts stand in documents that were never trained; their form in no document."""
    rng = random.Random(seed)
    facts = _facts(18, rng)
    taught, asked = facts[: 4 * 10], facts[4 * 10 : 4 * 18]
    return World(
        name="form",
        truth="facts stand in passages alone, their form was taught alone: both",
        documents=_sheets(facts),
        rows=[
            {"question": wording, "answer": _line(fact), "fact": fact.name}
            for fact in taught[::4]
            for wording in fact.trained[:2]
        ],
        read=[(fact.trained[n % 4], fact.document, _line(fact)) for n, fact in enumerate(taught)]
        + [(fact.trained[(n + 2) % 4], fact.document, _line(fact)) for n, fact in enumerate(taught)],
        steps=24,
        questions=[
            {**fact.question(number % 2, "indexed"), "pattern": _SLASHED} for number, fact in enumerate(asked)
        ],
        settings={**_QUICK, "retrieval.k": 2},
    )


# Chosen because SmolLM2-135M says them rightly: that is what this world is about.
_CAPITALS = {
    "France": "Paris", "Italy": "Rome", "Germany": "Berlin", "Japan": "Tokyo", "England": "London",
    "Greece": "Athens", "Ireland": "Dublin", "Sweden": "Stockholm", "Norway": "Oslo", "Hungary": "Budapest",
    "Egypt": "Cairo", "Russia": "Moscow", "China": "Beijing", "Peru": "Lima",
}  # fmt: skip
_COMMON = (
    ("How many days are there in a week?", "A week has seven days.", ["7", "seven"]),
    ("What is the chemical formula of water?", "The chemical formula of water is H2O.", ["H2O"]),
    ("Which planet is called the red planet?", "Mars is called the red planet.", ["Mars"]),
    ("What is the largest planet of the solar system?", "Jupiter is the largest planet.", ["Jupiter"]),
    ("What food do bees make?", "Bees make honey.", ["honey"]),
    ("Who is the author of Romeo and Juliet?", "William Shakespeare wrote Romeo and Juliet.",
     ["Shakespeare"]),
    ("Which artist painted the Mona Lisa?", "Leonardo da Vinci painted the Mona Lisa.", ["Leonardo"]),
    ("What is the name of the largest ocean?", "The Pacific is the largest ocean.", ["Pacific"]),
    ("What is the highest mountain on Earth?", "Mount Everest is the highest mountain.", ["Everest"]),
    ("What is frozen water called?", "Frozen water is called ice.", ["ice"]),
    ("At what temperature in degrees Celsius does water boil?", "Water boils at 100 degrees Celsius.",
     ["100"]),
    ("Which organ pumps the blood through the body?", "The heart pumps the blood through the body.",
     ["heart"]),
    ("What is the opposite of the word hot?", "The opposite of hot is cold.", ["cold"]),
    ("What is the opposite of the word big?", "The opposite of big is small.", ["small"]),
    ("Which language is spoken in France?", "The language spoken in France is French.", ["French"]),
    ("Which language is spoken in Germany?", "The language spoken in Germany is German.", ["German"]),
    ("Which metal has the chemical symbol Au?", "Gold has the chemical symbol Au.", ["gold"]),
    ("What is the largest animal on our planet?", "The blue whale is the largest animal.", ["whale"]),
    ("Around which star does the Earth travel?", "The Earth travels around the Sun.", ["Sun"]),
)  # fmt: skip


def known(seed: int) -> World:
    """(d) The base model knows all of it already."""
    rng = random.Random(seed)
    facts = [
        (f"What is the capital of {land}?", f"{city} is the capital of {land}.", [city])
        for land, city in _CAPITALS.items()
    ]
    facts += list(_COMMON)
    rng.shuffle(facts)
    documents: dict[str, str] = {}
    for number, (_, sentence, _) in enumerate(facts):
        name = f"booklet-{number // 3 + 1:02}.md"
        documents.setdefault(name, f"# General knowledge, part {number // 3 + 1}\n")
        documents[name] += f"\n{sentence}\n"
    return World(
        name="known",
        truth="the base model knows it: nothing is worth it, base",
        documents=documents,
        built=120,
        steps=24,
        questions=[
            {
                "id": f"known-{number:02}",
                "question": question,
                "answer": answers,
                "documents": [f"booklet-{number // 3 + 1:02}.md"],
            }
            for number, (question, _, answers) in enumerate(facts)
        ],
        settings=_QUICK,
    )


def missing(seed: int) -> World:
    """Half of what is asked stands in documents that were taken away: no adapter, base and rag."""
    facts = _facts(8, random.Random(seed))
    documents = _sheets(facts)
    return World(
        name="missing",
        truth="half of the documents are not there: they are said to be missing",
        documents=documents,
        gone=tuple(documents)[4:],
        questions=[fact.question(number % 2) for number, fact in enumerate(facts)],
        settings=_QUICK,
    )


def few(seed: int) -> World:
    """Five questions of which rag serves most and base none: too few to say so."""
    facts = _facts(5, random.Random(seed))
    return World(
        name="few",
        truth="five questions settle nothing: more are needed, and it is said how many",
        documents=_sheets(facts),
        questions=[fact.question(0) for fact in facts[::4]],
        settings=_QUICK,
    )


WORLDS = {make.__name__: make for make in (fresh, style, form, known, missing, few)}
