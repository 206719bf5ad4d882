"""A language model writes a query: SQL, or the typed plan that code turns into SQL.

Promises: what comes out is text to be checked, never trusted; under a grammar where the engine has
them; the sum of the tokens is told, also of those that came to nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache

from loresmith.config import ModelSection
from loresmith.errors import PlanError
from loresmith.querying import grammar as grammars
from loresmith.querying.plan import from_json, to_sql
from loresmith.querying.prompt import Way
from loresmith.tables.values import Catalog
from loresmith.types import LanguageModel, Message

# The longest accepted query of the five databases that were measured has 190 tokens, the longest plan 330.
TOKENS: dict[Way, int] = {"sql": 200, "table": 200, "plan": 400}


@dataclass(frozen=True, slots=True)
class Written:
    """What a model wrote.

    Attributes:
        text: as it stands.
        sql: the statement, "" where the plan cannot be turned into one, for the reason `error`.
        tokens: generated.  logprob: mean over them, None where the engine does not say.
    """

    text: str
    sql: str
    error: str = ""
    tokens: int = 0
    logprob: float | None = None


def write(
    asked: Sequence[Message],
    model: LanguageModel,
    settings: ModelSection,
    catalog: Catalog,
    *,
    way: Way = "sql",
    grammar: bool = True,
) -> Written:
    """One query by the model.

    Args:
        asked: by `prompt.messages` or `prompt.repair`.
        catalog: what the prompt shows; the grammar is made from it.
        grammar: False lets the model write what it likes (to measure what the grammar brings).

    Raises:
        ModelError, EndpointError: the model cannot answer; PromptTooLong: the prompt does not fit.
    """
    rules = _grammar(catalog, way) if grammar and model.supports_grammar else None
    pieces: list[str] = []
    tokens, known, logprob = 0, 0, 0.0
    parts = model.generate(asked, max_tokens=TOKENS[way], temperature=settings.temperature, grammar=rules)
    with closing(parts) as stream:  # type: ignore[type-var]  # leaving early stops the engine
        for piece in stream:
            pieces.append(piece.text)
            tokens += piece.tokens
            if piece.logprob is not None:
                known += piece.tokens
                logprob += piece.logprob
    text = "".join(pieces).strip()
    sql, error = _statement(text, way, catalog)
    return Written(text, sql, error, tokens, logprob / known if known else None)


def _statement(text: str, way: Way, catalog: Catalog) -> tuple[str, str]:
    if way != "plan":
        return extract(text), ""
    try:
        raw = json.loads(extract(text))
    except json.JSONDecodeError:
        return "", "The plan is no whole JSON object; write a shorter one."
    try:
        return to_sql(from_json(raw, catalog), catalog), ""
    except PlanError as error:
        return "", error.problem


def extract(text: str) -> str:
    """The statement in what a model wrote without a grammar: what is fenced, else all of it."""
    fenced = re.search(r"```(?:\w+\n|\n)?(.*?)(?:```|$)", text, re.DOTALL)
    body = (fenced[1] if fenced else text).strip()
    return body.removesuffix(";").strip()


@lru_cache(maxsize=16)
def _grammar(catalog: Catalog, way: Way) -> str:
    return (
        grammars.plan_grammar(catalog) if way == "plan" else grammars.sql_grammar(catalog, joins=way == "sql")
    )
