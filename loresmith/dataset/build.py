"""build(): the workspace's documents -> examples, offline and deterministic for a seed.

    documents -> facts -> proved, told apart -> wordings -> closed rows (arm "tuned")
                                                         -> with passages (arm "both")
                                                         -> abstaining rows (arm "both")
    tables    -> questions with their queries (queries.py)           (arm "both")

Promises: the answer of every row passed the verification that answers pass; a question that two
documents answer differently names its document, or is left out; every row keeps its documents and
their labels.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from random import Random

from loresmith.answering import unaided
from loresmith.answering.text import fold
from loresmith.config import DatasetSection, ModelSection
from loresmith.dataset import facts_prose, facts_tables, facts_text, grounded, queries, teacher, unanswerable
from loresmith.dataset.example import Example, Kind
from loresmith.dataset.facts import Fact, Known, codes_of, distinct
from loresmith.dataset.wordings import Wording, wordings
from loresmith.index import open_current
from loresmith.language import detect
from loresmith.models import load_language_model
from loresmith.state import State
from loresmith.tables.profile import written_here
from loresmith.tables.store import read_catalog
from loresmith.types import Document, Hit, LanguageModel, Message, Passage, Progress
from loresmith.workspace import WorkspaceDir

_EXTRACT: tuple[Callable[[Document, str], list[Fact]], ...] = (
    facts_tables.facts,
    facts_text.facts,
    facts_prose.facts,
)


@dataclass(frozen=True)
class Corpus:
    """What the rows are made of: documents with how they write, and their passages."""

    documents: Mapping[str, Document]
    known: Mapping[str, Known]
    passages: Mapping[str, Sequence[Passage]]

    def passage_of(self, fact: Fact) -> Passage | None:
        """The passage that holds most of the fact's quote."""
        best: tuple[int, Passage] | None = None
        for passage in self.passages[fact.document]:
            first, last = passage.locator.start or 0, passage.locator.end or 0
            shared = min(last, fact.end) - max(first, fact.start)
            if shared > 0 and (best is None or shared > best[0]):
                best = (shared, passage)
        return best[1] if best else None

    def all(self) -> list[Passage]:
        return [p for several in self.passages.values() for p in several]


@dataclass(frozen=True)
class _Proved:
    """A fact with its passage and its wordings."""

    fact: Fact
    passage: Passage
    wordings: tuple[Wording, ...]


def build(
    workspace: WorkspaceDir,
    *,
    settings: DatasetSection,
    retrieve: grounded.Retrieve | None = None,
    progress: Progress = lambda stage, done, total: None,
    writer: LanguageModel | None = None,
) -> list[Example]:
    """The rows that the workspace's documents and tables give.

    Args:
        retrieve: the expert's search, for distractors as the expert meets them; without it a
            search by shared words.
        writer: the teacher, instead of the one that `settings.teacher` names.

    Raises:
        StorageError: nothing has been synchronised yet.  ModelError: the teacher cannot be loaded.
    """
    corpus = read(workspace)
    asked = _queries(workspace, corpus, settings, progress)
    facts = told_apart(extract(corpus, progress))
    taught = list(_taught(workspace, settings, corpus, writer, progress))
    proved = list(_proved(corpus, _in_turn([*taught, *facts]), settings, progress))
    closed = _closed(corpus, proved, settings)
    if not settings.grounded:
        return [*closed, *asked]
    search = retrieve or grounded.by_words(corpus.all())
    wanted = _grounded_rows(len(closed), settings)
    both = _grounded(corpus, proved, search, settings, wanted, progress)
    return _unique([*(closed if settings.grounded < 1 else ()), *both, *asked])


def _queries(
    workspace: WorkspaceDir, corpus: Corpus, settings: DatasetSection, progress: Progress
) -> list[Example]:
    versions = {name: document.version for name, document in corpus.documents.items()}
    catalog = read_catalog(workspace.tables_path, versions)
    return queries.derived(workspace.tables_path, catalog, settings, progress)


def read(workspace: WorkspaceDir) -> Corpus:
    """Documents and passages as the last sync left them."""
    with State.open(workspace.state_path) as state:
        store = open_current(workspace, state)
        try:
            documents = {d: state.document(d) for d in state.document_ids()}
            # What Loresmith wrote of the tables is nobody's knowledge.
            passages = {
                d: sorted((p for p in store.of_document(d) if not written_here(p)), key=lambda p: p.ordinal)
                for d in documents
            }
        finally:
            store.close()
    return Corpus(documents, _known(documents), passages)


def _known(documents: Mapping[str, Document]) -> dict[str, Known]:
    """How each document writes its words. What any document of its language writes small is no name."""
    own = {d: Known.of(v.text) for d, v in documents.items()}
    small: dict[str, set[str]] = defaultdict(set)
    names: dict[str, set[str]] = defaultdict(set)
    for d, known in own.items():
        small[documents[d].language] |= known.small
        names[documents[d].language] |= known.names
    usual = max(small, key=lambda code: len(small[code]), default="")
    out = {}
    for d in own:
        code = documents[d].language or usual
        lower = frozenset(small[code] | own[d].small)
        out[d] = Known(lower, frozenset(n for n in names[code] | own[d].names if fold(n) not in lower))
    return out


def extract(corpus: Corpus, progress: Progress = lambda stage, done, total: None) -> list[Fact]:
    """Every fact of every document, in their order."""
    out: list[Fact] = []
    usual = _usual_language(corpus)
    for number, document in enumerate(corpus.documents.values(), 1):
        for make in _EXTRACT:
            out += make(document, document.language or detect(document.text) or usual)
        progress("reading facts", number, len(corpus.documents))
    return distinct(out)


def _usual_language(corpus: Corpus) -> str:
    """Of most documents: what a table of names and figures is taken to be written in."""
    counts: dict[str, int] = defaultdict(int)
    for document in corpus.documents.values():
        counts[document.language] += bool(document.language)
    return max(counts, key=lambda code: (counts[code], code == "en"), default="en") or "en"


def told_apart(facts: Sequence[Fact]) -> list[Fact]:
    """Facts with `sure` set: what two documents tell differently must name its document, what one
    document tells differently in two places is left out."""
    values: dict[tuple[str, ...], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for fact in facts:
        for name in _names(fact):
            values[name][fact.document].add(fold(fact.value))
    out = []
    for fact in facts:
        theirs = [values[name] for name in _names(fact)]
        if any(len(v[fact.document]) > 1 for v in theirs):
            continue
        same = all(len(set().union(*v.values())) == 1 for v in theirs)
        out.append(fact if same else replace(fact, sure=False))
    return out


def _names(fact: Fact) -> list[tuple[str, ...]]:
    """What a reader of the question alone would take the fact for."""
    if fact.asked:
        return [("asked", fold(q)) for q in fact.asked]
    if fact.kind in ("procedure", "section", "definition"):
        return [(fact.kind, fold(fact.subject))]
    if fact.kind == "step":
        return [("step", fold(fact.subject), fact.key)]
    if fact.kind == "reverse":
        return [("reverse", fold(fact.attribute), fold(fact.value), fold(fact.subject))]
    if fact.kind == "field" and not fact.subject and codes_of(fact.topic) != (fact.topic,):
        return [("field", fold(fact.attribute))]
    subject = fact.subject or fact.topic
    return [("cell", fold(subject), fold(fact.attribute))]


def _in_turn(facts: Iterable[Fact]) -> list[Fact]:
    """Documents in turn, and in each document kinds and tables in turn, so that a long log does
    not crowd out a short manual."""
    shelves: dict[str, dict[str, list[Fact]]] = defaultdict(lambda: defaultdict(list))
    for fact in facts:
        shelves[fact.document][fact.kind if fact.kind != "cell" else f"cell:{fact.attribute}"].append(fact)
    queues = []
    for document, kinds in sorted(shelves.items()):
        rng = Random(document)
        mixed = [rng.sample(several, len(several)) for _, several in sorted(kinds.items())]
        rng.shuffle(mixed)
        queues.append([f for turn in zip_longest(*mixed) for f in turn if f is not None])
    return [f for turn in zip_longest(*queues) for f in turn if f is not None]


def _proved(
    corpus: Corpus, facts: Sequence[Fact], settings: DatasetSection, progress: Progress
) -> Iterator[_Proved]:
    """Facts whose answer passes verification for the question, until there are enough."""
    enough = settings.max_rows
    for number, fact in enumerate(facts, 1):
        progress("proving", number, len(facts))
        passage = corpus.passage_of(fact)
        if passage is None or enough <= 0:
            continue
        kept = _worded(corpus, fact, passage, settings)
        if not kept and fact.unit:  # the scale of the table stands in none of its passages' own words
            fact = replace(fact, unit="")
            kept = _worded(corpus, fact, passage, settings)
        if kept:
            enough -= min(len(kept), settings.wordings)
            yield _Proved(fact, passage, tuple(kept))


def _worded(corpus: Corpus, fact: Fact, passage: Passage, settings: DatasetSection) -> list[Wording]:
    """The wordings whose answer passes."""
    rng = _rng(settings.seed, fact.id)
    beside = corpus.passages[fact.document] if fact.kind == "procedure" else [passage]
    return [
        w
        for w in wordings(fact, corpus.known[fact.document], rng, 2 * settings.wordings)
        if not isinstance(grounded.proved(w.question, w.answer, beside, fact.language), str)
    ]


def _closed(corpus: Corpus, proved: Sequence[_Proved], settings: DatasetSection) -> list[Example]:
    """The question alone. At least one wording of each names its document where one does."""
    room = settings.max_rows - _grounded_rows_of(settings.max_rows, settings)
    out: list[Example] = []
    for one in proved:
        # A question without passages must say what it is about: half of them at least.
        there = [w for w in one.wordings if w.placed]
        bare = [w for w in one.wordings if not w.placed]
        ordered = [w for pair in zip_longest(there, bare) for w in pair if w is not None]
        for wording in ordered[: settings.wordings]:
            out.append(_example(corpus, one, "closed", wording, unaided.messages(wording.question)))
        if len(out) >= room:
            break
    return _unique(out)[:room] if settings.grounded < 1 else []


def _grounded_rows_of(rows: int, settings: DatasetSection) -> int:
    return round(rows * settings.grounded)


def _grounded_rows(closed: int, settings: DatasetSection) -> int:
    if settings.grounded >= 1:
        return settings.max_rows
    return min(round(closed * settings.grounded / (1 - settings.grounded)), settings.max_rows - closed)


def _grounded(
    corpus: Corpus,
    proved: Sequence[_Proved],
    search: grounded.Retrieve,
    settings: DatasetSection,
    wanted: int,
    progress: Progress,
) -> list[Example]:
    """Rows with passages: answered ones, and the share that must abstain."""
    rng = _rng(settings.seed, "grounded")
    subjects = unanswerable.Subjects.of([p.fact for p in proved], corpus.all())
    abstaining = round(wanted * settings.abstain)
    out: list[Example] = []
    refused: list[Example] = []
    turn = 0
    most = max((len(p.wordings) for p in proved), default=0)
    while len(out) + len(refused) < wanted and turn < most:
        for one in proved:
            if len(out) + len(refused) >= wanted:
                break
            if turn >= len(one.wordings):
                continue
            wording = one.wordings[-1 - turn]
            found = search(wording.question, grounded.WIDELY)
            if len(out) < wanted - abstaining:
                built = grounded.answered(wording.question, one.passage, found, settings.distractors, rng)
                if built is not None:
                    out.append(_example(corpus, one, "grounded", wording, built))
            if (
                len(refused) * max(wanted - abstaining, 1) < len(out) * abstaining
                or len(out) >= wanted - abstaining
            ):
                row = _refused(corpus, one, wording, found, search, subjects, settings, rng)
                if row is not None and len(refused) < abstaining:
                    refused.append(row)
            progress("rows with passages", len(out) + len(refused), wanted)
        turn += 1
    return _unique([*out, *refused])


def _refused(
    corpus: Corpus,
    one: _Proved,
    wording: Wording,
    found: Sequence[Hit],
    search: grounded.Retrieve,
    subjects: unanswerable.Subjects,
    settings: DatasetSection,
    rng: Random,
) -> Example | None:
    """A row that must abstain: the right passage taken away, or a question that nothing answers."""
    known = corpus.known[one.fact.document]
    other = unanswerable.question(one.fact, subjects, known, rng)
    vague = one.fact.kind in ("section", "procedure") and not wording.placed
    if other is not None and (vague or rng.random() < 0.6):
        question = other
        found = search(question, grounded.WIDELY)
        built = grounded.unanswered(question, "", "", found, settings.distractors, rng, lambda p: False)
    elif vague:
        return None
    else:
        question = wording.question
        built = grounded.unanswered(
            question,
            wording.answer,
            one.fact.value,
            found,
            settings.distractors,
            rng,
            lambda p: p.id == one.passage.id,
        )
    if built is None:
        return None
    shown = Wording(question, grounded.abstained(question, one.fact.language))
    row = replace(_example(corpus, one, "abstain", shown, built), passages=(), quote="")
    return replace(row, value="" if question == other else one.fact.value or wording.answer)


def _example(
    corpus: Corpus, one: _Proved, kind: Kind, wording: Wording, prompt: Sequence[Message]
) -> Example:
    fact = one.fact
    return Example(
        messages=(*prompt, {"role": "assistant", "content": wording.answer}),
        kind=kind,
        question=wording.question,
        documents=(fact.document,),
        passages=(one.passage.id,),
        quote=fact.quote,
        value=_value(fact, wording.answer),
        fact=fact.id,
        origin=fact.origin,
        labels=corpus.documents[fact.document].labels,
        language=fact.language,
    )


def _value(fact: Fact, answer: str) -> str:
    """The value, with its unit where the answer has it too; "" where the answer words it otherwise."""
    told = fold(answer)
    forms = (f"{fact.value} {fact.unit}".strip(), fact.value)
    return next((form for form in forms if form and fold(form) in told), "")


def _taught(
    workspace: WorkspaceDir,
    settings: DatasetSection,
    corpus: Corpus,
    writer: LanguageModel | None,
    progress: Progress,
) -> Iterator[Fact]:
    """What the teacher writes, where there is one."""
    if writer is not None:
        yield from teacher.write(writer, corpus.all(), corpus.documents, settings, progress)
    elif settings.teacher:
        own = workspace.config.model
        model = load_language_model(
            own if settings.teacher == "model" else ModelSection(name=settings.teacher)
        )
        try:
            yield from teacher.write(model, corpus.all(), corpus.documents, settings, progress)
        finally:
            model.close()


def _unique(rows: Iterable[Example]) -> list[Example]:
    return list({row.id: row for row in rows}.values())


def _rng(seed: int, name: str) -> Random:
    return Random(hashlib.sha256(f"{seed}\0{name}".encode()).digest())
