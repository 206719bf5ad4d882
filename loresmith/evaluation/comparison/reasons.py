"""The sentences of a verdict: plain words, each with its figures and the questions it rests on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from loresmith.evaluation import statistics
from loresmith.evaluation.comparison.standing import Around, Beside, Part
from loresmith.evaluation.comparison.values import (
    CONTENDERS,
    Contender,
    Interval,
    Pair,
    Stratum,
    VerdictKind,
)

PLACES: Mapping[Stratum, str] = {
    "trained": "For facts that the adapter was trained on",
    "indexed": "For facts of documents that it was never trained on",
    "changed": "For facts changed after training",
    "tables": "For figures of tables",
    "unanswerable": "For questions that the documents do not answer",
    "style": "For the house's vocabulary and form",
    "other": "For the other questions",
}
NOTHING = "Nothing could be compared: no question has both a known answer and an arm that answered it."

LEARNED: tuple[Contender, ...] = ("tuned", "both")
"""The arms that need training."""

_SMALL = 0.05
"""A lead of tuned over base that needs no explanation."""
_LACKING = 0.1
"""A lead of the oracle over rag from which on retrieval is called lacking."""


_POOR = 0.3
"""Share served below which it is no praise of the base model that nothing beats it."""


def headline(
    kind: VerdictKind, overall: Part, recommended: Contender, ahead: Pair | None, around: Around
) -> str:
    """One sentence. `ahead`: the arm that looks better than the recommended one, where it is open."""
    n = counted(overall.asked, "question")
    others = [arm for arm in overall.contenders if arm != recommended]
    beside = listed([f"{arm} {served(overall.arms[arm])}" for arm in others])
    mine = f"{recommended} served {served(overall.arms[recommended])} of {n}"
    if kind == "winner" and recommended == "base":
        return f"Nothing is worth it: {mine}, significantly more than any other arm ({beside})."
    if kind == "winner":
        return f"{recommended} wins: it served {served(overall.arms[recommended])} of {n}, {beside}."
    if kind == "documents_missing":
        return _missing(around)
    if not others:
        return f"Only one arm was compared: {mine}."
    if kind == "more_questions" and ahead is not None:
        beaten = [arm for arm in others if overall.better(recommended, arm)]
        if beaten:
            rest = listed([f"{arm} ({served(overall.arms[arm])})" for arm in beaten])
            return (
                f"{mine}, clearly more than {rest}; whether {ahead.one} ({served(overall.arms[ahead.one])})"
                " is better still takes more questions."
            )
        return (
            f"More questions are needed: {ahead.one} served {served(overall.arms[ahead.one])} of {n},"
            f" {recommended} {served(overall.arms[recommended])}, and that may be chance."
        )
    if kind == "more_questions":
        return f"More questions are needed: {n} can settle little ({mine}, {beside})."
    if kind == "do_not_fine_tune":
        learned = listed([f"{arm} {served(overall.arms[arm])}" for arm in others if arm in LEARNED])
        plain = [f"{arm} {served(overall.arms[arm])}" for arm in others if arm not in LEARNED]
        aside = f" ({listed(plain)})" if plain else ""
        return f"Do not fine-tune: {mine}{aside}, and fine-tuning brought nothing beyond that ({learned})."
    if recommended == "base" and overall.arms["base"].value < _POOR:
        return f"No arm serves well: {mine}, and no other one detectably more ({beside})."
    if recommended == "base":
        return f"Nothing is worth it: {mine}, and no other arm detectably more ({beside})."
    level = [arm for arm in overall.level(around.order) if arm != recommended]
    same = listed([f"{arm} ({served(overall.arms[arm])})" for arm in level])
    return f"No detectable difference between {recommended} and {same}: {mine} and is the cheaper."


def figures(
    overall: Part, recommended: Contender, order: Sequence[Contender], kind: VerdictKind
) -> Iterator[str]:
    """The recommended arm beside each of the others."""
    for other in overall.contenders:
        pair = overall.pair(recommended, other)
        if pair is None:
            continue
        head = f"{recommended} served {served(overall.arms[recommended])} of"
        head += f" {counted(pair.difference.n, 'question')}, {other} {served(overall.arms[other])}"
        if not pair.one_only and not pair.other_only:
            yield f"{head}: they differed on none."
        else:
            yield f"{head}; {spread(pair.difference)}{'' if pair.significant else ': it may be chance'}."
    level = overall.level(order)
    if kind not in ("winner", "more_questions") and len(level) > 1:
        yield f"Of what cannot be told apart ({listed(level)}), {recommended} is the cheapest to keep."


def doubt(overall: Part, kind: VerdictKind, needed: int | None) -> Iterator[str]:
    """How many questions would settle what is open."""
    if needed is None:
        return
    n = overall.asked
    if kind == "more_questions":
        share = min(max(overall.arms[overall.best()].value, 0.05), 0.95)
        # The normal distribution says nothing of fewer than ten.
        sizes = sorted({max(n, 10), max(3 * n, 30), max(needed, n)})
        widths = [f"±{100 * statistics.half_width(share, size):.1f} points with {size:,}" for size in sizes]
        yield (
            f"About {needed:,} questions would settle it (80 % power). A share of {100 * share:.0f} % is"
            f" known to {listed(widths)} questions."
        )
    elif kind in ("no_difference", "do_not_fine_tune") and needed > n:
        yield f"To find a difference of 10 points takes about {needed:,} questions (80 % power), not {n:,}."


def circumstances(kind: VerdictKind, around: Around) -> Iterator[str]:
    """What stood in the way: missing documents, failed calls, arms that were not asked."""
    yield from around.notes
    if around.missing:
        if kind != "documents_missing":
            yield _missing(around)
        yield "Add the documents that hold those answers, sync, and compare again."
    failed = [f"{arm} {n}" for arm, n in around.errors.items() if n]
    if failed:
        yield f"Some calls failed and count as not served: {listed(failed)}."
    for arm in CONTENDERS:
        if arm in around.skipped:
            yield f"{arm} was not asked: {around.skipped[arm].rstrip('.')}."


def _missing(around: Around) -> str:
    return (
        f"Documents are missing: {around.missing} of {counted(around.answerable, 'question')} that should"
        " have an answer found nothing to answer from."
    )


def by_stratum(strata: Mapping[Stratum, Part], order: Sequence[Contender]) -> Iterator[str]:
    """Where arms differ significantly within a stratum."""
    for stratum, part in strata.items():
        if stratum not in PLACES or len(part.contenders) < 2:
            continue
        level = part.level(order)
        behind = [arm for arm in part.contenders if arm not in level]
        if not behind:
            continue
        best, nearest = part.best(order), max(behind, key=lambda arm: part.arms[arm].value)
        pair = part.pair(best, nearest)
        lead = listed([f"{arm} ({served(part.arms[arm])})" for arm in level])
        rest = listed([f"{arm} ({served(part.arms[arm])})" for arm in behind])
        end = f"; {best} before {nearest}: {spread(pair.difference)}" if pair else ""
        yield (f"{PLACES[stratum]} ({counted(part.asked, 'question')}) {lead} served more than {rest}{end}.")


def controls(overall: Part, around: Around) -> Iterator[str]:
    """What the controls explain: how much is retrieval, and how much is style."""
    oracle = around.oracle
    if oracle is not None and oracle.difference.value >= _LACKING and oracle.difference.low > 0:
        yield (
            f"Retrieval is what is lacking: given the right passages the model serves {_of(oracle)}, with"
            f" those it finds {served(oracle.contender)}; {spread(oracle.difference)}."
        )
    elif oracle is not None and oracle.control.n and oracle.control.value < 0.5:
        yield (
            f"The model is what is lacking, more than retrieval: even given the right passages it serves"
            f" {_of(oracle)}, with those it finds {served(oracle.contender)}."
        )
    lead = overall.pair("tuned", "base")
    if around.format is None or lead is None or lead.difference.value < _SMALL or not lead.significant:
        return
    style = around.format.difference.value
    if style >= lead.difference.value / 2:
        yield (
            f"Style, not knowledge: tuned leads base by {points(lead.difference.value)}, and base that is"
            f" only shown sample answers leads it by {points(style)}."
        )


def forgetting(strata: Mapping[Stratum, Part]) -> Iterator[str]:
    """What tuning did to general ability."""
    part = strata.get("general")
    pair = part.pair("tuned", "base") if part else None
    if part is None or pair is None:
        return
    head = f"base served {served(part.arms['base'])} of {counted(pair.difference.n, 'general question')},"
    head += f" tuned {served(part.arms['tuned'])}; {spread(pair.difference)}."
    if not pair.significant:
        # An interval that reaches far down has shown nothing either way.
        far = pair.difference.value <= -0.05 and pair.difference.low < -0.1
        found = "Forgetting was not shown, and cannot be excluded" if far else "No forgetting was detected"
        yield f"{found}: {head}"
    elif pair.difference.value < 0:
        yield f"Fine-tuning made the model forget: {head}"
    else:
        yield f"Fine-tuning helped general ability: {head}"


# --- words ------------------------------------------------------------------------------------


def served(share: Interval) -> str:
    """How many questions: whole, or with one decimal where several seeds differ."""
    number = share.value * share.n
    return f"{number:,.0f}" if abs(number - round(number)) < 0.05 else f"{number:,.1f}"


def _of(beside: Beside) -> str:
    return f"{served(beside.control)} of {counted(beside.control.n, 'question')}"


def spread(difference: Interval) -> str:
    """ "the difference of 69 points lies between 60 and 77"."""
    value, low, high = difference.value, difference.low, difference.high
    if value < 0:
        value, low, high = -value, -high, -low
    return f"the difference of {points(value)} lies between {_whole(low)} and {_whole(high)}"


def points(share: float) -> str:
    text = _whole(share)
    return f"{text} point" if text == "1" else f"{text} points"


def _whole(share: float) -> str:
    """Whole points, with a real minus sign and no negative zero."""
    number = round(100 * share)
    return f"−{-number}" if number < 0 else str(number)


def counted(n: int, noun: str) -> str:
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def listed(parts: Sequence[str]) -> str:
    """ "a, b and c"."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
