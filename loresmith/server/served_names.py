"""What a client may name as its model: the released expert, each arm, the embedder.

loresmith            what is released (`loresmith promote`), else rag
loresmith-rag …      one arm: base, rag, tuned, both
loresmith-embed      the workspace's embedder
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


def arm_of(name: str) -> Arm | None:
    """The arm that a name means; None is what is released.

    Raises:
        ApiError: 404, there is no such model.
    """
    if name == RELEASED:
        return None
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
    found = [_model(RELEASED, arm=released)]
    found += [_model(f"{RELEASED}-{arm}", arm=arm) for arm in arms(engine, caller)]
    return [*found, _model(EMBEDDER, embedder=engine.workspace.folder.config.embedder.name)]


def arms(engine: Engine, caller: Caller) -> list[Arm]:
    """The arms that can answer this caller. Blocks."""
    if not engine.has_model:
        return ["rag"]
    try:
        engine.expert.adapter(caller.where())
    except LoresmithError:  # none, not whole, or not for this reader
        return ["base", "rag"]
    return ["base", "rag", "tuned", "both"]


def _model(name: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "loresmith", "loresmith": more}
