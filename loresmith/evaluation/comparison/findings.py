"""What the answers say about the questions: accepted answers to look at again, documents that are missing.

Neither is proved here; both point a person to a place. Promises: each finding names the question, the
words that were said and where they stand; nothing is taken out of the comparison for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from loresmith.answering import facts
from loresmith.dataset.duplicates import normal
from loresmith.evaluation import metrics
from loresmith.evaluation.comparison import scores
from loresmith.evaluation.comparison.values import ArmName, Question, Record

READING: tuple[ArmName, ...] = ("oracle", "rag", "both")
"""The arms that see passages, the one whose passages are surest first."""

_SAME_WORDS = 0.6
"""Share of words (Jaccard) from which two answers without figures or codes say the same."""

Answers = Mapping[ArmName, Record]


def documents_missing(
    questions: Sequence[Question], answers: Mapping[str, Answers], absent: Mapping[str, Sequence[str]]
) -> list[dict[str, Any]]:
    """Answerable questions whose documents are not in the index, and those of which nobody says where
    the answer stands and for which no arm found anything.

    Args:
        answers: by question id.
        absent: gold documents that are not in the index, by question id.
    """
    found = []
    for question in questions:
        if question.id in absent:
            found.append(_entry(question, documents=list(absent[question.id]), why="not in the index"))
        elif _found_nothing(question, answers.get(question.id, {})):
            found.append(_entry(question, documents=[], why="nothing was found"))
    return found


def _found_nothing(question: Question, answers: Answers) -> bool:
    # The house's words need not stand in any document: that is what training them is for.
    if not question.answer or question.documents or question.stratum in ("general", "style"):
        return False
    said = [answers[arm].answer for arm in READING if arm in answers and not answers[arm].error]
    if not said or not all(answer.get("abstained", True) for answer in said):
        return False
    texts = {str(hit["text"]) for answer in said for hit in answer.get("hits", ())}
    return not any(scores.right(question.question, text, question.answer) for text in texts)


def suspect_gold(
    questions: Sequence[Question], answers: Mapping[str, Answers], unseen: Sequence[str]
) -> list[dict[str, Any]]:
    """Accepted answers that a quoted passage and two arms speak against, and those that stand nowhere
    in their documents; the ones of which both is true come first.

    Args:
        unseen: ids of questions whose accepted answer stands nowhere in their gold documents.
    """
    found: list[tuple[int, dict[str, Any]]] = []
    for question in questions:
        if not question.answer or question.stratum == "general":
            continue
        told = _against(question, answers.get(question.id, {}))
        if told is None and question.id not in unseen:
            continue
        why = [] if told is None else ["two arms quote otherwise"]
        why += ["it stands nowhere in its documents"] if question.id in unseen else []
        said = told or {"said": "", "arms": [], "document": "", "quote": ""}
        entry = _entry(question, gold=list(question.answer), **said, why=" and ".join(why))
        found.append((-len(why), entry))
    return [entry for _, entry in sorted(found, key=lambda pair: pair[0])]


def _against(question: Question, answers: Answers) -> dict[str, Any] | None:
    """What two or more arms say that no accepted answer says, one of them with a quote from a passage
    that does not hold the accepted answer either."""
    gold = question.answer or ()
    wrong = {
        arm: record.answer
        for arm, record in answers.items()
        if not record.error
        and not record.answer.get("abstained", True)
        and not scores.right(question.question, str(record.answer["answer"]), gold)
    }
    for arm in READING:
        if arm not in wrong:
            continue
        said = str(wrong[arm]["answer"])
        for citation, text in _quoted(wrong[arm]):
            if scores.right(question.question, text, gold):
                continue
            agreeing = [a for a in wrong if _agree(question.question, said, str(wrong[a]["answer"]))]
            if len(agreeing) > 1 and _agree(question.question, said, str(citation["quote"]), within=True):
                return {
                    "said": said,
                    "arms": agreeing,
                    "document": citation["document"],
                    "quote": citation["quote"],
                }
    return None


def _quoted(answer: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Citations whose quote stands verbatim in a passage, each with that passage's text."""
    for sentence in answer.get("sentences", ()):
        for citation in sentence["citations"]:
            for hit in answer.get("hits", ()):
                if hit["document"] == citation["document"] and citation["quote"] in hit["text"]:
                    yield citation, str(hit["text"])
                    break


def _agree(question: str, one: str, other: str, *, within: bool = False) -> bool:
    """Whether two answers give the same figures and codes beyond those of the question (one of them
    may give more), or, without any, the same words; `within`: whether `other` holds what `one` gives."""
    ours, theirs = _hard(one, question), _hard(other, question)
    if within and ours:
        return ours <= theirs
    if not within and (ours or theirs):
        return bool(ours and theirs) and (ours <= theirs or theirs <= ours)
    asked = set(normal(question).split())
    mine, yours = set(normal(one).split()) - asked, set(normal(other).split()) - asked
    if not mine or not yours:
        return False
    whole = mine if within else mine | yours
    return len(mine & yours) / len(whole) >= _SAME_WORDS


def _hard(text: str, question: str) -> frozenset[str]:
    """Figures (their value and unit) and codes that the question does not name itself."""
    asked = {tuple(sorted(n.values)) for n in facts.numbers(question)}
    figures = {
        f"{min(n.values):g} {n.unit}" for n in metrics.figures(text) if tuple(sorted(n.values)) not in asked
    }
    return frozenset(figures | (facts.codes(text) - facts.codes(question)))


def _entry(question: Question, **more: Any) -> dict[str, Any]:
    return {"id": question.id, "question": question.question, **more}
