"""A reader of GBNF for tests: whether a grammar takes a text, without a model.

`Grammar(text).takes(sentence)`: sets of end positions, memoised; no left recursion.
"""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|\[(?:[^\]\\]|\\.)*\]|\{\d+(?:,\d*)?\}|[a-zA-Z][\w-]*|[()|?*+]')


class Grammar:
    def __init__(self, text: str) -> None:
        self.rules: dict[str, Any] = {}
        for line in text.splitlines():
            if line.strip():
                name, _, body = line.partition("::=")
                tokens = _TOKEN.findall(body)
                node, rest = _alternatives(tokens, 0)
                assert rest == len(tokens), (name, tokens[rest:])
                self.rules[name.strip()] = node

    def takes(self, sentence: str) -> bool:
        @cache
        def rule(name: str, at: int) -> frozenset[int]:
            return ends(self.rules[name], at)

        def ends(node: Any, at: int) -> frozenset[int]:
            kind, *rest = node
            if kind == "text":
                return frozenset([at + len(rest[0])] if sentence.startswith(rest[0], at) else [])
            if kind == "set":
                return frozenset([at + 1] if at < len(sentence) and rest[0].fullmatch(sentence[at]) else [])
            if kind == "rule":
                return rule(rest[0], at)
            if kind == "either":
                return frozenset(e for part in rest[0] for e in ends(part, at))
            if kind == "row":
                now = frozenset([at])
                for part in rest[0]:
                    now = frozenset(e for a in now for e in ends(part, a))
                return now
            part, low, high = rest
            now, found = frozenset([at]), frozenset([at] if low == 0 else [])
            count = 0
            while now and (high is None or count < high):
                now = frozenset(e for a in now for e in ends(part, a)) - found
                count += 1
                found |= now if count >= low else frozenset()
            return found

        return len(sentence) in rule("root", 0)


def _alternatives(tokens: list[str], at: int) -> tuple[Any, int]:
    rows, row = [], []
    while at < len(tokens) and tokens[at] != ")":
        token = tokens[at]
        if token == "|":
            rows.append(("row", row))
            row, at = [], at + 1
            continue
        if token == "(":
            node, at = _alternatives(tokens, at + 1)
            at += 1
        else:
            at += 1
            if token[0] == '"':
                node = ("text", json.loads(token))
            elif token[0] == "[":
                node = ("set", re.compile(token))
            else:
                node = ("rule", token)
        if at < len(tokens) and tokens[at][0] in "?*+{":
            mark, at = tokens[at], at + 1
            low, high = {"?": (0, 1), "*": (0, None), "+": (1, None)}.get(mark, (0, 0))
            if mark[0] == "{":
                first, _, last = mark[1:-1].partition(",")
                low, high = int(first), int(last or first)
            node = ("many", node, low, high)
        row.append(node)
    rows.append(("row", row))
    return ("either", rows), at
