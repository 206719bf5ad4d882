"""Grammars for llama.cpp: what a text must look like, from a JSON schema."""

from __future__ import annotations

import json

import xllamacpp


def of_schema(schema: str) -> str:
    """The grammar (GBNF) of a JSON schema given as JSON.

    Raises:
        ValueError, RuntimeError: it is no schema, or none that llama.cpp can follow.
    """
    from jsonschema import Draft202012Validator, SchemaError

    try:
        # llama.cpp takes what is none without a word, and then holds the model to nothing.
        Draft202012Validator.check_schema(json.loads(schema))
    except SchemaError as error:
        raise ValueError(f"it is no JSON schema ({error.message})") from error
    return str(xllamacpp.json_schema_to_grammar(schema))
