"""Fitting the score of abstention to questions whose answers are known.

Logistic regression (Newton's method, L2 penalty, classes weighted equally) over the features of
answering/abstain.py. A question with an answer gives two rows: its hits as found (to be answered)
and its hits without the gold document (to be refused); a question without one gives one row. The
threshold is the highest that refuses at most a given share of what should be answered: small,
because verification still stands behind it and a refusal has nothing behind it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from loresmith.answering import abstain, quoting
from loresmith.answering.abstain import FEATURES, Calibration
from loresmith.answering.evidence import gather, parse_question, rank, readable
from loresmith.errors import UsageError
from loresmith.evaluation.metrics import Gold, named, right
from loresmith.expert import CALIBRATION, Workspace
from loresmith.language import detect
from loresmith.types import Hit, Progress
from loresmith.workspace import write_atomic

FALSE_REFUSALS = 0.03
_FEWEST = 10


@dataclass(frozen=True, slots=True)
class Row:
    """Features of one question with one set of hits, and whether it should be answered."""

    features: Mapping[str, float]
    answerable: bool
    foreign: bool = False


def row(question: str, hits: Sequence[Hit], answerable: bool, stated: float = 0.0) -> Row:
    asked = parse_question(question, language=detect(question))
    values = abstain.features(asked, hits, rank(asked, gather(hits)), stated)
    return Row(values, answerable, abstain.foreign(asked, hits))


def quote_row(question: str, hits: Sequence[Hit], gold: Gold) -> Row | None:
    """Features of the piece that would be quoted without a model, and whether it is right; None
    where no piece may be quoted."""
    asked = parse_question(question, language=detect(question))
    ranked = rank(asked, gather(hits))
    retrieved = abstain.features(asked, hits, ranked)
    quote = quoting.best(asked, ranked, lambda _: "", retrieved)
    if quote is None:
        return None
    return Row(quote.features, right(readable(quote.piece), gold), abstain.foreign(asked, hits))


def fit(
    rows: Sequence[Row],
    *,
    names: Sequence[str] = FEATURES,
    penalty: float = 0.3,
    false_refusals: float = FALSE_REFUSALS,
    even: bool = True,
) -> tuple[Calibration, dict[str, float]]:
    """A calibration and how good it is on `rows`: AUC, false answers, false refusals.

    Args:
        names: the features to use.
        even: both kinds of rows count alike; else as often as they come, so that the score is a
            probability.

    Raises:
        UsageError: fewer than ten rows of either kind.
    """
    labels = np.array([r.answerable for r in rows], float)
    if min(labels.sum(), len(labels) - labels.sum()) < _FEWEST:
        raise UsageError(
            f"{int(labels.sum())} answerable and {int(len(labels) - labels.sum())} unanswerable questions: "
            f"at least {_FEWEST} of each are needed.",
            "Add questions; `answer` null marks one that the documents do not answer.",
        )
    raw = np.array([[r.features.get(name, 0.0) for name in names] for r in rows])
    used = [i for i in range(len(names)) if raw[:, i].std() > 1e-9]
    design = np.column_stack([raw[:, used], np.ones(len(rows))])
    share = labels.mean()
    weight = np.where(labels == 1, 0.5 / share, 0.5 / (1 - share)) if even else np.ones(len(labels))
    ridge = np.eye(design.shape[1]) * penalty
    ridge[-1, -1] = 0.0
    beta = np.zeros(design.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(design @ beta, -30, 30)))
        gradient = design.T @ (weight * (p - labels)) + ridge @ beta
        hessian = design.T @ (design * (weight * p * (1 - p))[:, None]) + ridge + 1e-9 * np.eye(len(beta))
        step = np.linalg.solve(hessian, gradient)
        beta -= step
        if np.abs(step).max() < 1e-8:
            break
    weights = {names[i]: round(float(b), 4) for i, b in zip(used, beta[:-1], strict=True)}
    bias = round(float(beta[-1]), 4)
    scores = np.array([Calibration(weights, bias, 0.5).probability(r.features) for r in rows])
    threshold = float(np.quantile(scores[labels == 1], false_refusals, method="lower"))
    calibration = Calibration(weights, bias, round(threshold, 4))
    return calibration, quality(calibration, rows)


def quality(calibration: Calibration, rows: Sequence[Row]) -> dict[str, float]:
    """AUC, and the shares of false answers and false refusals at the threshold."""
    scores = np.array([calibration.probability(r.features) for r in rows])
    labels = np.array([r.answerable for r in rows])
    good, bad = scores[labels], scores[~labels]
    pairs = (good[:, None] > bad[None, :]).mean() + 0.5 * (good[:, None] == bad[None, :]).mean()
    return {
        "auc": round(float(pairs), 4),
        "false_answers": round(float((bad >= calibration.threshold).mean()), 4),
        "false_refusals": round(float((good < calibration.threshold).mean()), 4),
    }


def rows_of(
    workspace: Workspace, questions: Sequence[Mapping[str, Any]], progress: Progress | None = None
) -> list[Row]:
    """Rows from questions about a workspace's own documents."""
    expert = workspace.expert(progress)
    out: list[Row] = []
    for number, line in enumerate(questions, start=1):
        text = str(line["question"])
        gold = line.get("documents") or []
        gold = [gold] if isinstance(gold, str) else list(gold)
        hits, _ = expert.find(text)
        if line.get("answer") is None:
            out.append(row(text, hits, answerable=False))
        else:
            # What was not found cannot be answered: such a row teaches when to refuse.
            out.append(
                row(text, hits, answerable=not gold or any(named(h.passage.document, gold) for h in hits))
            )
            if gold:
                k = workspace.folder.config.retrieval.k
                wide, _ = expert.find(text, 4 * k)
                without = [h for h in wide if not named(h.passage.document, gold)][:k]
                if without:
                    out.append(row(text, without, answerable=False))
        if progress is not None:
            progress("questions", number, len(questions))
    return out


def calibrate(workspace: Workspace, questions: Path, progress: Progress | None = None) -> dict[str, Any]:
    """Fit abstention to the user's own questions and keep it in the workspace.

    Returns the report: `questions`, `rows`, `threshold`, the quality before and after, `file`.

    Raises:
        UsageError: the file holds no usable questions, or too few.
    """
    lines = read_questions(questions)
    rows = [r for r in rows_of(workspace, [q for q in lines if "answer" in q], progress) if not r.foreign]
    before = quality(abstain.calibration_for(None), rows) if _both(rows) else {}
    calibration, after = fit(rows)
    path = workspace.folder.data / CALIBRATION
    own = {
        "weights": dict(calibration.weights),
        "bias": calibration.bias,
        "threshold": calibration.threshold,
    }
    with workspace.folder.writing():
        write_atomic(path, json.dumps(own, indent=1).encode())
    return {
        "questions": len(lines),
        "rows": len(rows),
        "threshold": calibration.threshold,
        "before": before,
        "after": after,
        "file": str(path),
    }


def read_questions(path: Path) -> list[dict[str, Any]]:
    """The lines of a question file.

    Raises:
        UsageError: names the line that is no JSON object with a `question`.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}.", "Check the path.") from error
    out: list[dict[str, Any]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except json.JSONDecodeError as error:
            raise UsageError(f"{path}, line {number}: not JSON: {error.msg}.", "Mend that line.") from error
        if not isinstance(value, dict) or not isinstance(value.get("question"), str):
            raise UsageError(f"{path}, line {number}: no `question`.", "Each line is a JSON object with one.")
        out.append(value)
    return out


def _both(rows: Sequence[Row]) -> bool:
    return any(r.answerable for r in rows) and any(not r.answerable for r in rows)
