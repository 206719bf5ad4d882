"""The values of a comparison, and how they lie on disk.

    questions file / dataset -> Question -> (arm, question) -> Record -> Score -> statistics -> report

    reports/<id>/manifest.json   what is compared: written first; the same comparison has the same id
    reports/<id>/questions.jsonl the questions that are asked, as `Question.to_dict` gives them
    reports/<id>/answers.jsonl   one Record a line, appended and fsynced: a kill loses at most one answer
    reports/<id>/ratings.jsonl   what people (or a judging model) said of answers
    reports/<id>/report.{json,md,html}  computed from the above, again whenever asked

Promises: a report is a function of manifest, questions, answers and ratings alone, so it can be
computed again without asking anything again; same data and seed give the same bytes but for times.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Contender = Literal["base", "rag", "tuned", "both"]
Control = Literal["oracle", "format"]
ArmName = Literal["base", "rag", "tuned", "both", "oracle", "format"]
"""The four arms, and two controls that never win: `oracle` is given the passages that hold the answer
(the ceiling of retrieval); `format` is the base model shown examples of the answers that tuning
teaches (separates style from knowledge)."""

CONTENDERS: tuple[Contender, ...] = ("base", "rag", "tuned", "both")
"""From the cheapest to keep to the dearest: a tie is recommended from the left."""
CONTROLS: tuple[Control, ...] = ("oracle", "format")

Stratum = Literal["trained", "indexed", "changed", "tables", "unanswerable", "style", "general", "other"]
STRATA: tuple[Stratum, ...] = (
    "trained", "indexed", "changed", "tables", "unanswerable", "style", "general", "other",
)  # fmt: skip
"""trained: facts of documents that the adapter was trained on, in unseen wording.
indexed: facts of documents in the index that were never trained on.
changed: facts whose document was changed (or came) after training: freshness.
tables: figures that a query over tables gives, by people's own pairs of question and query.
unanswerable: of the domain, but not answered by the documents: abstention.
style: the house's vocabulary and form.
general: general ability, asked of base and tuned alone: forgetting. Not part of the overall score.
other: nobody knows which document the answer stands in."""

Success = float
"""Whether a question was served, in [0, 1]: right (and in the wanted form) where it can be answered,
abstained where it cannot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question of a comparison.

    Attributes:
        answer: accepted answers; None: not answerable from the documents; empty: nobody knows, so it
            is asked, but counts in latency and refusals only (`Score.answerable` None).
        documents: ids (or patterns) of the documents that hold the answer.
        pages: where the answer stands, from 1; empty where unknown.
        passages: ids of the passages that hold the answer, where known (built questions).
        terms: words that must stand in the answer as written, case and all (house vocabulary).
        avoid: words that must not.
        pattern: regular expression that the whole answer must match (`re.search`), the house's form.
        cluster: questions that share it (wordings of one fact) are drawn together by the bootstrap.
        origin: "file:<name>#<line>" or "dataset:<id>#<example>" or "shipped:general".
    """

    id: str
    question: str
    answer: tuple[str, ...] | None
    stratum: Stratum
    documents: tuple[str, ...] = ()
    pages: tuple[int, ...] = ()
    passages: tuple[str, ...] = ()
    kind: str = ""
    terms: tuple[str, ...] = ()
    avoid: tuple[str, ...] = ()
    pattern: str = ""
    language: str = ""
    cluster: str = ""
    origin: str = ""

    def to_dict(self) -> dict[str, Any]:
        """JSON form; what is empty is left out, but never `answer`."""
        raw = {k: v for k, v in asdict(self).items() if k == "answer" or v not in ("", ())}
        return {k: list(v) if isinstance(v, tuple) else v for k, v in raw.items()}

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Question:
        """The question of `to_dict`."""
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in raw.items()}
        return cls(**values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One stored answer: a line of answers.jsonl.

    Attributes:
        answer: `Answer.to_dict()` of the expert.
        seconds: of the whole call, by the clock.
        tokens: of the prompt and of the answer.
        seed: index of the adapter's seed, 0 where one adapter is compared.
        error: why there is no answer ("" where there is one); a failed call counts as not served.
    """

    question: str
    arm: ArmName
    answer: Mapping[str, Any]
    seconds: float
    tokens: Mapping[str, int] = field(default_factory=dict)
    seed: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One answer, judged. None: does not apply.

    Attributes:
        success: what arms are compared by, see `Success`; 0 and not to be averaged where `answerable`
            is None (no accepted answer is known).
        right: the fact is there (`metrics.right`), whatever the form.
        form: terms, avoid and pattern hold.
        exact, f1, rouge_l, figures: secondary figures of answered, answerable questions.
        citation_precision, citation_recall: of cited documents (and pages, where gold has one).
        quotes: share of quotes found verbatim in the passages shown.
        ndcg, recall, mrr: of the documents found, at 10.
    """

    question: str
    arm: ArmName
    stratum: Stratum
    cluster: str
    success: Success
    answered: bool
    answerable: bool | None
    right: bool | None
    form: bool | None = None
    exact: bool | None = None
    f1: float | None = None
    rouge_l: float | None = None
    figures: float | None = None
    citation_precision: float | None = None
    citation_recall: float | None = None
    page: bool | None = None
    quotes: float | None = None
    ndcg: float | None = None
    recall: float | None = None
    mrr: float | None = None
    seconds: float = 0.0
    tokens: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rating:
    """What one rater said of one answer: a line of ratings.jsonl. Of two by the same rater of the
    same answer the later one counts.

    Attributes:
        rater: a person's name, or the judging model's.
        accepted: the rater would take this answer as serving the question; held against `success`.
        export: id of the blinded sheet it came from, "" where there was none.
    """

    rater: str
    kind: Literal["person", "model"]
    question: str
    arm: ArmName
    accepted: bool
    comment: str = ""
    export: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A mean with its bootstrap interval. Shares are in [0, 1], differences in [-1, 1]."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two arms on the same questions.

    Attributes:
        difference: mean success of `one` less that of `other`, paired bootstrap over clusters.
        one_only, other_only: questions that only one of them served (McNemar's discordant pairs).
        p: exact McNemar, two-sided, over clusters (`statistics.signs`).  p_holm: the same after Holm's
            correction over all pairs of arms.
        significant: the interval excludes zero and p_holm < alpha.
        needed: questions that would settle a difference of this size with 80 % power; None where the
            arms did not differ at all.
    """

    one: Contender
    other: Contender
    difference: Interval
    one_only: int
    other_only: int
    p: float
    p_holm: float
    significant: bool
    needed: int | None


VerdictKind = Literal["winner", "no_difference", "do_not_fine_tune", "more_questions", "documents_missing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the comparison says.

    Attributes:
        kind: the headline. "winner" only where `winner` is not None.
        winner: the arm that is significantly better than every other one, else None.
        recommended: the cheapest of the arms that are not significantly worse than the best one.
        headline: one sentence in plain words.
        reasons: further sentences, each with its figures.
        findings: further verdicts that hold beside the headline ("documents_missing" …).
        needed: questions that would settle what is open, where something is.
        worse: protected strata in which `recommended` is significantly worse than another arm.
    """

    kind: VerdictKind
    winner: Contender | None
    recommended: Contender
    headline: str
    reasons: tuple[str, ...] = ()
    findings: tuple[VerdictKind, ...] = ()
    needed: int | None = None
    worse: tuple[str, ...] = ()
