"""Grammars for llama.cpp: what a text must look like, from a JSON schema."""

from __future__ import annotations

import xllamacpp


def of_schema(schema: str) -> str:
    """The grammar (GBNF) of a JSON schema given as JSON.

    Raises:
        ValueError, RuntimeError: it is no schema that llama.cpp can follow.
    """
    return str(xllamacpp.json_schema_to_grammar(schema))
