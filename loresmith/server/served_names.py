"""What a client may name as its model: the released expert, each arm, the embedder.

loresmith            what is released (`loresmith promote`), else rag
loresmith-rag …      one arm: base, rag, tuned, both
loresmith-embed      the workspace's embedder

Chat programs show the `name` of each, or its beginning: what it answers from, and whose documents it knows.
"""

from __future__ import annotations

from typing import Any, cast, get_args

from loresmith.errors import LoresmithError
from loresmith.server.access import Caller
from loresmith.server.engine import Engine
from loresmith.server.faults import ApiError
from loresmith.types import Arm

RELEASED = "loresmith"
EMBEDDER = "loresmith-embed"

_SHOWN: dict[Arm, str] = {
    "base": "Model alone",
    "rag": "Documents",
    "tuned": "Tuned alone",
    "both": "Tuned, with documents",
}


def arm_of(name: str) -> Arm | None:
    """The arm that a name means; None is what is released.

    Raises:
        ApiError: 404, there is no such model.
    """
    if name == RELEASED:
        return None
    if name == EMBEDDER:
        raise ApiError(
            404, f"{EMBEDDER} gives vectors (/v1/embeddings), no answers.", "model_not_found", param="model"
        )
    arm = name.removeprefix(f"{RELEASED}-")
    if arm == name or arm not in get_args(Arm):
        names = ", ".join([RELEASED, *(f"{RELEASED}-{arm}" for arm in get_args(Arm))])
        raise ApiError(
            404, f"There is no model {name[:80]!r}. Models: {names}.", "model_not_found", param="model"
        )
    return cast("Arm", arm)


def listing(engine: Engine, caller: Caller) -> list[dict[str, Any]]:
    """The models that this caller can use now. Blocks: it reads files."""
    released, _ = engine.released(caller)
    config = engine.workspace.folder.config
    found = [_model(RELEASED, config.name, arm=released)]
    found += [
        _model(f"{RELEASED}-{arm}", f"{_SHOWN[arm]}: {config.name}", arm=arm) for arm in arms(engine, caller)
    ]
    vectors = f"Vectors, no chat: {config.name}"
    return [*found, _model(EMBEDDER, vectors, embedder=config.embedder.name)]


def arms(engine: Engine, caller: Caller) -> list[Arm]:
    """The arms that can answer this caller. Blocks."""
    if not engine.has_model:
        return ["rag"]
    try:
        engine.expert.adapter(caller.where())
    except LoresmithError:  # none, not whole, or not for this reader
        return ["base", "rag"]
    return ["base", "rag", "tuned", "both"]


def _model(name: str, shown: str, **more: Any) -> dict[str, Any]:
    head = {"id": name, "object": "model", "created": 0, "owned_by": "loresmith"}
    return {**head, "name": shown, "loresmith": more}
