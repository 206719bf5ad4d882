"""report.json's object and what the page shows beside it, from the folder of a comparison alone.

    compute(folder) -> dict      figures, verdict, findings
    rows(folder) -> [dict]       each question with the answers of every arm, scored and flagged
    write(folder)                report.json, report.md and report.html

Promises: nothing is asked and nothing is loaded but the folder's files, so a report can be made again
at any time; the same files give the same bytes; an unfinished comparison is reported as such.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from loresmith.evaluation.comparison import costs, findings, store, tally, verdict
from loresmith.evaluation.comparison import scores as scoring
from loresmith.evaluation.comparison.literature import PUBLISHED
from loresmith.evaluation.comparison.standing import Around, Part
from loresmith.evaluation.comparison.values import (
    CONTENDERS,
    CONTROLS,
    STRATA,
    ArmName,
    Question,
    Record,
    Score,
    Stratum,
)
from loresmith.workspace import write_atomic

SCHEMA = 1
ALPHA = 0.05
JSON, MARKDOWN, HTML = "report.json", "report.md", "report.html"


@dataclass(frozen=True)
class _Read:
    """A comparison as it lies in its folder, scored once."""

    folder: Path
    alpha: float

    @cached_property
    def manifest(self) -> dict[str, Any]:
        return store.manifest(self.folder)

    @cached_property
    def questions(self) -> list[Question]:
        return store.questions(self.folder)

    @cached_property
    def records(self) -> list[Record]:
        return store.records(self.folder)

    @cached_property
    def scores(self) -> list[Score]:
        known = {q.id: q for q in self.questions}
        return [scoring.score(known[r.question], r) for r in self.records]

    @cached_property
    def answers(self) -> dict[str, dict[ArmName, Record]]:
        """By question and arm; of several seeds the first."""
        found: dict[str, dict[ArmName, Record]] = {}
        for record in self.records:
            found.setdefault(record.question, {}).setdefault(record.arm, record)
        return found

    @cached_property
    def test(self) -> tally.Test:
        return tally.Test(seed=int(self.manifest["settings"].get("seed", 0)), alpha=self.alpha)

    @cached_property
    def arms(self) -> list[ArmName]:
        asked = {r.arm for r in self.records}
        return [arm for arm in (*CONTENDERS, *CONTROLS) if arm in asked]

    @cached_property
    def missing(self) -> list[dict[str, Any]]:
        return findings.documents_missing(self.questions, self.answers, self._checks.get("absent") or {})

    @cached_property
    def suspects(self) -> list[dict[str, Any]]:
        return findings.suspect_gold(self.questions, self.answers, self._checks.get("gold_unseen") or [])

    @property
    def _checks(self) -> dict[str, Any]:
        return self.manifest.get("checks") or {}


def compute(folder: Path, *, alpha: float = ALPHA) -> dict[str, Any]:
    """The object of report.json.

    Args:
        folder: of the comparison.
        alpha: of the tests; the intervals hold 95 % whatever it is.

    Raises:
        StorageError: the folder holds no comparison, or a damaged one.
    """
    return _compute(_Read(folder, alpha))


def rows(folder: Path, *, alpha: float = ALPHA) -> list[dict[str, Any]]:
    """Each question with its answers: {"question", "arms": {ARM: {"score", "answer"}}, "flags"}."""
    return list(_rows(_Read(folder, alpha)))


def write(folder: Path, *, alpha: float = ALPHA) -> dict[str, Any]:
    """Write report.json, report.md and report.html, and return the object of the first."""
    # The page is a later room than this one: only writing it needs it.
    from loresmith.evaluation.reporting import html, markdown

    read = _Read(folder, alpha)
    report = _compute(read)
    write_atomic(folder / HTML, html.render(report, _rows(read)).encode())
    write_atomic(folder / MARKDOWN, markdown.render(report).encode())
    write_atomic(folder / JSON, store.to_bytes(report))
    return report


def _compute(read: _Read) -> dict[str, Any]:
    manifest, test = read.manifest, read.test
    asked = [s for s in read.scores if s.stratum != "general"]
    board = tally.Board(asked)
    overall = board.part(test)
    strata = _strata(read.scores, board.compared(), test)
    cost = costs.costs(read.folder, read.records)
    by_arm = {arm: [s for s in read.scores if s.arm == arm] for arm in read.arms}
    latency = {
        arm: tally.latency([s for s in found if s.stratum != "general"]) for arm, found in by_arm.items()
    }
    unfinished = _unfinished(read, overall)
    # What rag took from tables tells nothing of retrieval, whose ceiling the oracle is.
    by_tables = {r.question for r in read.records if r.arm == "rag" and r.answer.get("via") == "tables"}
    around = Around(
        strata=strata,
        order=tally.order(cost, latency),
        oracle=board.beside("oracle", "rag", test, by_tables),
        format=board.beside("format", "base", test),
        missing=len(read.missing),
        answerable=sum(bool(q.answer) and q.stratum != "general" for q in read.questions),
        errors={arm: sum(bool(s.error) for s in found) for arm, found in by_arm.items()},
        skipped=(manifest.get("checks") or {}).get("skipped") or {},
        notes=unfinished,
    )
    decided = verdict.decide(overall, around, alpha=test.alpha)
    none = test.interval([], [])
    return {
        "schema": SCHEMA,
        "id": manifest["id"],
        "created": manifest.get("created", ""),
        "workspace": manifest.get("workspace", ""),
        "model": manifest.get("model"),
        "adapter": manifest.get("adapter"),
        "index": manifest.get("index"),
        "settings": {
            **manifest["settings"],
            "seeds": 1 + max((r.seed for r in read.records), default=0),
            "alpha": test.alpha,
            "resamples": test.resamples,
            "level": test.level,
        },
        "versions": manifest.get("versions") or {},
        "questions": {
            "asked": len(read.questions),
            "by_stratum": {s: n for s in STRATA if (n := sum(q.stratum == s for q in read.questions))},
            "removed": manifest.get("removed") or [],
            "warnings": [*(manifest.get("warnings") or []), *unfinished],
            "source": manifest.get("source", ""),
        },
        "arms": {
            arm: tally.arm(found, overall.arms.get(arm, none), cost.get(arm) or {}, test)
            for arm, found in by_arm.items()
        },
        "strata": {
            name: {
                "questions": max(part.asked, max((i.n for i in part.arms.values()), default=0)),
                "arms": {arm: tally.interval(share) for arm, share in part.arms.items()},
                "pairs": [tally.pair(p) for p in part.pairs],
                "winner": part.winner(),
                "recommended": part.recommended(around.order) if part.contenders else None,
            }
            for name, part in strata.items()
        },
        "pairs": [tally.pair(p) for p in overall.pairs],
        "forgetting": _forgetting(strata.get("general")),
        "verdict": {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(decided).items()},
        "findings": {"documents_missing": read.missing, "suspect_gold": read.suspects},
        "judgements": _judgements(read),
        "literature": [dict(line) for line in PUBLISHED],
    }


def _strata(scores: Sequence[Score], compared: Sequence[ArmName], test: tally.Test) -> dict[Stratum, Part]:
    """Every stratum by itself; Holm's correction runs over the pairs within one."""
    found: dict[Stratum, Part] = {}
    for name in STRATA:
        here = [s for s in scores if s.stratum == name and s.answerable is not None]
        if name != "general":
            here = [s for s in here if s.arm in (*compared, *CONTROLS)]
        if here:
            found[name] = tally.Board(here).part(test)
    return found


def _forgetting(part: Part | None) -> dict[str, Any] | None:
    pair = part.pair("tuned", "base") if part else None
    if part is None or pair is None:
        return None
    return {
        "base": round(part.arms["base"].value, 6),
        "tuned": round(part.arms["tuned"].value, 6),
        "difference": tally.interval(pair.difference),
        "p": float(f"{pair.p:.6g}"),
    }


def _judgements(read: _Read) -> list[dict[str, Any]]:
    """What raters said, and how far they agree with the scores; not part of the verdict."""
    # A later room, as in `write`.
    from loresmith.evaluation.reporting import rating

    return rating.agreement(rating.load(read.folder), read.scores, seed=read.test.seed)


def _unfinished(read: _Read, overall: Part) -> list[str]:
    """What a comparison that was broken off cannot say; empty where it is finished."""
    said = []
    for arm in read.manifest["arms"]:
        wanted = sum(arm in store.wanted(read.manifest, q) for q in read.questions)
        done = sum(arm in answers for answers in read.answers.values())
        if done < wanted:
            few = done and arm in CONTENDERS and arm not in overall.contenders
            said.append(
                f"{arm} answered {done:,} of {wanted:,} questions{' (too few to count)' if few else ''}"
            )
    if not said:
        return []
    return [f"The comparison is not finished: {', '.join(said)}. Run `loresmith compare` again: it goes on."]


def _rows(read: _Read) -> Iterator[dict[str, Any]]:
    missing, suspects = ({e["id"] for e in found} for found in (read.missing, read.suspects))
    scored: dict[tuple[str, ArmName], Score] = {}
    for score in read.scores:
        scored.setdefault((score.question, score.arm), score)
    for question in read.questions:
        answers: Mapping[ArmName, Record] = read.answers.get(question.id, {})
        flags = [
            flag
            for flag, ids in (("suspect_gold", suspects), ("nothing_found", missing))
            if question.id in ids
        ]
        yield {
            "question": question.to_dict(),
            "arms": {
                arm: {"score": asdict(scored[question.id, arm]), "answer": dict(answers[arm].answer)}
                for arm in read.arms
                if arm in answers
            },
            "flags": flags,
        }
