"""The sections of the page that lead to the decision: verdict, arms, cost, strata, pairs.

Each function takes report.json's object and gives one section, or None where it has nothing to say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from loresmith.evaluation.reporting import charts, words
from loresmith.evaluation.reporting.charts import Spot
from loresmith.evaluation.reporting.markup import Markup, el

Report = Mapping[str, Any]

BESIDE = 3
"""Reasons beside the picture of the arms; the others stand below it."""


def section(anchor: str, title: str, lead: str | Markup | None, *parts: Markup | None) -> Markup:
    heading = [el("h2", title), el("p", lead, class_="lead") if lead else None]
    return el("section", el("div", heading, class_="head"), parts, id=anchor)


def link(question: Mapping[str, Any]) -> Markup:
    """A question's words, leading to its answers further down."""
    return el(
        "a", question.get("question") or question["id"], href=f"#q-{quote(str(question['id']), safe='')}"
    )


def verdict(report: Report) -> Markup:
    said = report["verdict"]
    arm = said["recommended"]
    kinds = [] if words.tells(said) else [said["kind"]]
    kinds += [finding for finding in said.get("findings", ()) if finding != said["kind"]]
    asked = max((words.dig(found, "correct", "n") or 0 for found in report["arms"].values()), default=0)
    head = el(
        "header",
        el("p", [el("span", _kind(said, kind), class_=f"kick kick-{kind}") for kind in kinds])
        if kinds
        else None,
        el("h1", words.sentence(said["headline"])),
        class_="headline",
    )
    reasons = [el("li", words.sentence(reason)) for reason in said.get("reasons", ())]
    beside = BESIDE if len(reasons) > BESIDE + 2 else len(reasons)
    first = el("ul", reasons[:beside], class_="reasons")
    rest = el("ul", reasons[beside:], class_="reasons rest") if reasons[beside:] else None
    chart = el(
        "div",
        el("h2", "Questions served"),
        el("p", f"Of {words.counted(asked, 'question')}; band: 95{words.NARROW}% interval", class_="lead"),
        charts.arms(words.arms(report), _correct(report), about=True, marked=arm),
        class_="card",
    )
    return el(
        "section",
        head,
        el("div", el("div", recommended(report), first), chart, class_="two"),
        rest,
        id="verdict",
    )


def _kind(said: Mapping[str, Any], kind: str) -> str:
    return f"Winner: {words.NAMES[said['winner']]}" if kind == "winner" else words.KINDS[kind]


def _correct(report: Report) -> dict[str, Any]:
    return {arm: report["arms"][arm].get("correct") for arm in report["arms"]}


def recommended(report: Report) -> Markup:
    """The arm to use, and what it costs, where that was measured."""
    said = report["verdict"]
    arm = said["recommended"]
    cost = report["arms"].get(arm, {})
    facts = [
        ("served", words.percent(words.dig(cost, "correct"))),
        ("an answer", words.seconds(words.dig(cost, "latency", "p50"))),
        ("to set up", words.seconds(words.setup(cost))),
        ("to change one fact", words.seconds(words.dig(cost, "cost", "change_one_fact_seconds"))),
        ("memory", words.size(words.dig(cost, "cost", "peak_memory_bytes"))),
    ]
    shown = [el("div", el("dd", value), el("dt", name)) for name, value in facts if value != words.UNKNOWN]
    worse = [words.STRATUM[s][0].lower() for s in said.get("worse", ()) if s in words.STRATUM]
    caution = None
    if worse:
        caution = el("p", f"Significantly worse than another arm on: {', '.join(worse)}.", class_="caution")
    return el(
        "div",
        el("p", "Recommended", class_="label"),
        el("p", el("b", words.NAMES[arm]), el("span", words.ABOUT[arm]), class_="choice"),
        el("dl", shown, class_="facts"),
        caution,
        class_=f"recommended arm-{arm}",
    )


def cost(report: Report) -> Markup:
    """Quality against cost, twice: for every answer, and once before the first."""
    names = words.arms(report)
    ways: list[tuple[str, Callable[[Mapping[str, Any]], Any], list[str]]] = [
        ("Seconds an answer (median)", lambda a: words.dig(a, "latency", "p50"), names),
        ("Seconds to set up: prepare, index, train", words.setup, words.contenders(report)),
    ]
    pictures = []
    for axis, seconds, shown in ways:
        spots = [
            Spot(arm=arm, correct=found["correct"], seconds=value)
            for arm in shown
            if words.dig(found := report["arms"][arm], "correct", "value") is not None
            and (value := words.number(seconds(found)))
        ]
        if len(spots) > 1:
            free = [words.NAMES[a] for a in shown if words.number(seconds(report["arms"][a])) == 0]
            note = f"{' and '.join(free)}: nothing to wait for." if free else ""
            pictures.append(charts.against(spots, axis, note))
    rows: list[Row] = [
        ("Answer, median", ("latency", "p50"), words.seconds),
        ("Answer, 95th percentile", ("latency", "p95"), words.seconds),
        ("Tokens written, an answer", ("cost", "tokens_per_answer"), words.count),
        ("Tokens read, an answer", ("cost", "tokens_per_prompt"), words.count),
        ("Peak memory", ("cost", "peak_memory_bytes"), words.size),
        ("On disk", ("cost", "disk_bytes"), words.size),
        ("Prepare training data", ("cost", "prepare_seconds"), words.seconds),
        ("Index the documents", ("cost", "index_seconds"), words.seconds),
        ("Train", ("cost", "train_seconds"), words.seconds),
        ("Change one fact", ("cost", "change_one_fact_seconds"), words.seconds),
    ]
    plots = el("div", pictures, class_="plots") if pictures else None
    lead = "Top left is good and cheap. A dash was not measured, and is not guessed."
    return section("cost", "Quality against cost", lead, plots, table(report, names, [("", rows)]))


Row = tuple[str, tuple[str, ...], Callable[[Any], str]]


def table(report: Report, names: Sequence[str], groups: Sequence[tuple[str, Sequence[Row]]]) -> Markup:
    """Figures with an arm a column; rows that nobody knows are left out."""
    head = el(
        "tr",
        el("th", scope="col"),
        [el("th", words.NAMES[a], scope="col", class_=f"n arm-{a}") for a in names],
    )
    bodies = []
    for title, rows in groups:
        lines = []
        for label, path, write in rows:
            values = [write(words.dig(report["arms"][arm], *path)) for arm in names]
            if any(value != words.UNKNOWN for value in values):
                cells = [el("td", value, class_="n") for value in values]
                lines.append(el("tr", el("th", label, scope="row"), cells))
        if lines:
            over = (
                el("tr", el("th", title, colspan=len(names) + 1, scope="rowgroup"), class_="over")
                if title
                else None
            )
            bodies.append(el("tbody", over, lines))
    return el("div", el("table", el("thead", head), bodies, class_="figures"), class_="wide", tabindex=0)


def quality(report: Report) -> Markup:
    """Every other figure that was measured of the answers."""
    share: Callable[[Any], str] = words.percent
    groups: list[tuple[str, list[Row]]] = [
        ("Answers", [
            ("Served", ("correct",), share), ("Right, whatever the form", ("right",), share),
            ("Exactly the accepted answer", ("secondary", "exact"), share),
            ("Figures right", ("secondary", "figures"), share),
            ("Token F1", ("secondary", "f1"), words.figure),
            ("ROUGE-L", ("secondary", "rouge_l"), words.figure),
            ("Failed calls", ("errors",), words.count),
        ]),
        ("Silence", [
            ("Silences that were right", ("abstention", "precision"), share),
            ("Unanswerable, kept silent", ("abstention", "recall"), share),
            ("False answers", ("abstention", "false_answers"), words.count),
            ("False refusals", ("abstention", "false_refusals"), words.count),
        ]),
        ("Citations", [
            ("Right document cited", ("citations", "precision"), share),
            ("Answers with the right document", ("citations", "recall"), share),
            ("Right page cited", ("citations", "page"), share),
            ("Quotes found word for word", ("citations", "quotes"), share),
        ]),
        ("Retrieval, first ten", [
            ("Recall", ("retrieval", "recall"), share), ("nDCG", ("retrieval", "ndcg"), words.figure),
            ("Mean reciprocal rank", ("retrieval", "mrr"), words.figure),
        ]),
    ]  # fmt: skip
    return section("quality", "Behind the score", None, table(report, words.arms(report), groups))


def strata(report: Report) -> Markup | None:
    """Each kind of question by itself, and what is sure about it."""
    cards = []
    for name in words.strata(report):
        found = report["strata"][name]
        title, about = words.STRATUM[name]
        shown = [arm for arm in words.arms(report) if arm in found.get("arms", {})]
        sure = [p for p in found.get("pairs", ()) if p["significant"]]
        cards.append(
            el(
                "article",
                el("h3", title, el("small", words.counted(found["questions"], "question"))),
                el("p", about, class_="lead"),
                charts.arms(shown, found["arms"], about=False, marked=report["verdict"]["recommended"]),
                el("p", _lead(sure, [a for a in shown if a in words.contenders(report)]), class_="say"),
                class_="card",
            )
        )
    if not cards:
        return None
    lead = "One overall score hides what matters: each kind of question by itself, with its own intervals."
    return section("strata", "By kind of question", lead, el("div", cards, class_="cards"))


def _lead(sure: Sequence[Mapping[str, Any]], shown: Sequence[str]) -> str:
    """Who is ahead of whom for sure, in one sentence."""
    behind: dict[str, list[str]] = {}
    for pair in map(words.better_first, sure):
        behind.setdefault(pair["one"], []).append(pair["other"])
    if not behind:
        return "No detectable difference between the arms." if len(shown) > 1 else ""
    parts = [
        f"{words.NAMES[arm]} over {' and '.join(words.NAMES[b] for b in shown if b in behind[arm])}"
        for arm in shown
        if arm in behind
    ]
    return "Clearly ahead: " + "; ".join(parts) + "."


def pairs(report: Report) -> Markup | None:
    """Each two arms on the same questions."""
    found = report.get("pairs") or []
    if not found:
        return None
    reach = max(abs(p["difference"][k]) for p in found for k in ("low", "high", "value")) or 1.0
    lines = [_pair(pair, min(1.0, reach * 1.05)) for pair in found]
    titles = ["", "Points", "", "Only one served", "p", "Sure?", "Would settle it"]
    head = el("tr", [el("th", t, scope="col", class_="n" if t in ("Points", "p") else None) for t in titles])
    alpha = words.dig(report, "settings", "alpha") or 0.05
    lead = (
        "The same questions, one arm less the other. Paired bootstrap intervals, exact McNemar tests, "
        f"Holm-corrected: sure means both agree at {100 * alpha:g}{words.NARROW}%."
    )
    body = el("table", el("thead", head), el("tbody", lines), class_="pairs")
    return section(
        "pairs", "Two arms at a time", lead, el("div", body, class_="wide", tabindex=0), forgetting(report)
    )


def _pair(pair: Mapping[str, Any], reach: float) -> Markup:
    pair = words.better_first(pair)
    one, other, found, sure = pair["one"], pair["other"], pair["difference"], pair["significant"]
    within = f"{words.points(found['low'])} to {words.points(found['high'])}"
    settle = "settled" if sure else _needed(pair.get("needed"))
    return el(
        "tr",
        el("th", el("b", words.NAMES[one], class_=f"arm-{one}"), " over ", words.NAMES[other], scope="row"),
        el("td", el("b", words.points(found["value"])), el("small", within), class_="n"),
        el("td", charts.difference(found, reach, sure=sure), class_="draw"),
        el("td", f"{pair['one_only']} : {pair['other_only']}"),
        el("td", words.probability(pair.get("p_holm", pair["p"])), class_="n"),
        el("td", "yes" if sure else "no", class_="yes" if sure else "no"),
        el("td", settle, class_="soft"),
    )


def _needed(questions: int | None) -> str:
    if questions is None:
        return words.UNKNOWN
    if questions > 20_000:
        return "more than 20,000 questions"
    return words.counted(questions, "question")


def forgetting(report: Report) -> Markup | None:
    text = words.forgetting(report)
    return el("div", el("h3", "Forgetting"), el("p", text), class_="aside") if text else None
