"""HTML that is safe by construction: whatever is not `Markup` is escaped.

Promises: a document's or a model's words reach a page only through `el`, which escapes text and
attribute values; no other module of this folder writes a "<".
"""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import TypeAlias


class Markup(str):
    """Finished HTML, to be used as it is."""

    __slots__ = ()


Child: TypeAlias = "str | Markup | Iterable[Child] | None"

_VOID = frozenset(("meta", "link", "br", "hr", "line", "rect", "circle", "path"))


def el(name: str, /, *children: Child, **attributes: object) -> Markup:
    """One element.

    Args:
        children: text (escaped), markup (as it is), lists of either; None is left out.
        attributes: `class_` is written "class", `data_x` "data-x"; None and False are left out,
            True stands alone.
    """
    opening = name + "".join(
        f" {key.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{html.escape(str(value))}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if name in _VOID:
        return Markup(f"<{opening}/>")
    return Markup(f"<{opening}>{flat(children)}</{name}>")


def flat(children: Child) -> Markup:
    """Children as one piece of markup."""
    if children is None:
        return Markup("")
    if isinstance(children, Markup):
        return children
    if isinstance(children, str):
        return Markup(html.escape(children, quote=False))
    return Markup("".join(flat(child) for child in children))
