"""What the workspace itself says about the facts that advice rests on.

Promises: reads only; what the workspace does not show stays None. How often documents change is
measured where there is a record (syncs, and the versions that a dataset was made from) and else read
from the documents' own dates.
"""

from __future__ import annotations

import calendar
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from loresmith import timings
from loresmith.config import Config
from loresmith.dataset import store as datasets
from loresmith.dataset.example import Dataset
from loresmith.errors import DatasetError, LoresmithError, ModelError
from loresmith.evaluation.advice import vocabulary
from loresmith.evaluation.advice.facts import Changes, Facts, over
from loresmith.models import base_of, pieces
from loresmith.state import DocumentInfo, State
from loresmith.training.planning import architecture, hardware, lengths
from loresmith.training.planning import plan as planning
from loresmith.workspace import WorkspaceDir

DAY = 86_400.0
HERE = "the workspace"
_CHARACTERS = 2_000_000
"""Of text whose words are looked at: beyond that the share no longer moves."""
_TENTH = 0.1
_ENOUGH_DAYS = 14.0
_ONE_DAY = 0.3
"""Share of the documents with dates of one day from which on the dates are not believed."""
_USUAL_CHARACTERS = 4.0  # a token, in English prose


def collect(folder: WorkspaceDir, now: float | None = None) -> Facts:
    """The facts that `folder` shows.

    Args:
        now: seconds since the epoch.
    """
    now = time.time() if now is None else now
    facts = Facts()
    texts: list[str] = []
    with State.open(folder.state_path) as state:
        infos = state.infos()
        texts = list(_sample(state, infos))
    if infos:
        tokens = round(sum(info.characters for info in infos) / _USUAL_CHARACTERS)
        facts = over(facts, {"documents": len(infos), "tokens": tokens}, HERE)
        labelled = sum(bool(info.labels) for info in infos)
        if labelled:
            facts = over(facts, {"readers": True}, f"{HERE}: {labelled} documents have access labels")
    found = how_soon(folder, infos, now)
    if found is not None:
        facts = over(facts, {"changes": found[0]}, f"{HERE}: {found[1]}")
    dataset = _dataset(folder)
    if dataset is not None:
        facts = over(facts, _rows(dataset), f"{HERE}: dataset {dataset.id}")
    return _model(folder.config, facts, texts, dataset)


def of_model(config: Config) -> Facts:
    """What is known without a workspace: the base model and this machine."""
    return _model(config, Facts(), [], None)


def how_soon(folder: WorkspaceDir, infos: Sequence[DocumentInfo], now: float) -> tuple[Changes, str] | None:
    """How soon a tenth of the documents is no longer what it was, and how that is known; None where
    nothing shows it."""
    if not infos:
        return None
    found = [*_by_datasets(folder, infos, now), *_by_syncs(folder, infos, now)]
    if found:
        days, _, how = max(found, key=lambda measured: measured[1])
        return _named(days), how
    return _by_dates(infos, now)


def _by_datasets(
    folder: WorkspaceDir, infos: Sequence[DocumentInfo], now: float
) -> Iterator[tuple[float, float, str]]:
    """(days until a tenth changes, days looked at, in words) for each dataset: the versions its rows
    rest on against those of now."""
    versions = {info.id: info.version for info in infos}
    try:
        made = datasets.listing(folder.datasets_dir)
    except DatasetError:
        return
    for manifest in made:
        known: Mapping[str, str] = manifest["documents"]
        span = _days(str(manifest["created"]), now)
        changed = sum(versions.get(name) != version for name, version in known.items())
        if known and span:
            words = (
                f"{changed} of {len(known)} documents changed in the {span:.0f} days since a dataset was made"
            )
            yield from _rate(changed / len(known), span, words)


def _by_syncs(
    folder: WorkspaceDir, infos: Sequence[DocumentInfo], now: float
) -> Iterator[tuple[float, float, str]]:
    """The same by the record of syncs: what each found changed or removed."""
    syncs = timings.read(folder.data, "sync")
    span = _days(str(syncs[0].get("at")), now) if syncs else None
    if span is None:
        return
    changed = sum(_number(s, "changed") + _number(s, "removed") for s in syncs[1:])
    words = f"{changed} changes of {len(infos)} documents in {len(syncs)} syncs over {span:.0f} days"
    yield from _rate(changed / len(infos), span, words)


def _rate(share: float, span: float, words: str) -> Iterator[tuple[float, float, str]]:
    # A short look shows that much changes; that nothing does, it cannot show.
    if span >= _ENOUGH_DAYS or share >= _TENTH:
        yield (span * _TENTH / share if share else float("inf")), span, words


def _by_dates(infos: Sequence[DocumentInfo], now: float) -> tuple[Changes, str] | None:
    """By the documents' dates: the age that a tenth of them has not reached."""
    ages = sorted(max(0.0, (now - info.modified) / DAY) for info in infos if info.modified is not None)
    if len(ages) < 10 or len(ages) < len(infos) / 2:
        return None
    # Many of one day were copied or generated then: their dates say nothing of their content.
    many = max(2, int(_ONE_DAY * len(ages)))
    if any(ages[i + many - 1] - ages[i] < 1 for i in range(len(ages) - many + 1)):
        return None
    age = ages[int(_TENTH * len(ages))]
    return _named(age), f"a tenth of the documents is dated within the last {age:.0f} days"


def _named(days: float) -> Changes:
    bounds: tuple[tuple[float, Changes], ...] = (
        (2, "daily"),
        (14, "weekly"),
        (60, "monthly"),
        (730, "yearly"),
    )
    return next((name for bound, name in bounds if days <= bound), "never")


def _days(text: str, now: float) -> float | None:
    try:
        return max(0.0, now - calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))) / DAY
    except ValueError:
        return None


def _number(line: Mapping[str, Any], key: str) -> int:
    value = line.get(key, 0)
    return value if isinstance(value, int) else 0


def _dataset(folder: WorkspaceDir) -> Dataset | None:
    try:
        return datasets.load(folder.datasets_dir)
    except DatasetError:
        return None


def _rows(dataset: Dataset) -> dict[str, Any]:
    """Training rows: all, different facts, and those that people wrote."""
    return {
        "rows": len(dataset.train),
        "facts": len({e.fact or e.id for e in dataset.train}),
        "own": sum(e.origin.partition(":")[0] in ("import", "feedback") for e in dataset.train),
    }


def _model(config: Config, facts: Facts, texts: Sequence[str], dataset: Dataset | None) -> Facts:
    """The base model's size and vocabulary, and what training it takes here."""
    if config.model.name == "none" or config.model.endpoint:
        where = "an endpoint" if config.model.endpoint else "no language model"
        return over(facts, {"obstacle": f"{where} is configured"}, "loresmith.toml")
    try:
        name = base_of(config.model)
        broken = pieces.tokenizer(name) if texts else None
        shapes = architecture.read(name)
    except ModelError:
        return facts
    if broken is not None:
        words = vocabulary.measure(texts, broken)
        if words.words:
            facts = over(facts, {"vocabulary": words.share, "words": words}, f"{HERE}, tokenizer of {name}")
    facts = over(facts, {"parameters": shapes.parameters}, name)
    values = lengths.of(dataset.train, shapes, f"dataset {dataset.id}") if dataset else lengths.USUAL
    try:
        forecast = planning.plan(shapes, values, config.training, hardware.here())
    except LoresmithError:
        return facts
    ways = [forecast.method(name) for name in ("lora", "qlora")]
    fitting = [way for way in ways if way.fits]
    if not fitting:
        return over(facts, {"obstacle": ways[0].obstacle}, "`loresmith plan`")
    return over(facts, {"training": min(way.seconds for way in fitting)}, "`loresmith plan`, a forecast")


def _sample(state: State, infos: Sequence[DocumentInfo]) -> Iterator[str]:
    """Text of the documents, of every one where that is not too much, else of every n-th."""
    total = sum(info.characters for info in infos)
    step = max(1, -(-total // _CHARACTERS))
    for info in infos[::step]:
        yield state.document(info.id).text[:_CHARACTERS]
