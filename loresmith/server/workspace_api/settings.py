"""Settings and doctor: loresmith.toml as it counts, changed key by key, and what the machine lacks."""

from __future__ import annotations

from typing import Any, get_args
from urllib.parse import urlsplit

import tomlkit
from fastapi import APIRouter
from pydantic import BaseModel

from loresmith import config as configuration
from loresmith.config import FILE_NAME, Config
from loresmith.errors import ConfigError
from loresmith.server.commands import printed
from loresmith.server.faults import ApiError
from loresmith.server.workspace_api.shared import ERRORS, Name, Owner, Text, toml_edited
from loresmith.workspace import WorkspaceDir, write_atomic

router = APIRouter(tags=["settings"], responses=ERRORS)

Value = bool | int | float | Text | list[Text] | None

# Sources have a route of their own, which looks at them.
_ELSEWHERE = ("sources",)
# What a running server cannot take on; it says so.
_AT_START = ("server.",)


@router.get("/settings", summary="Every setting as it counts, with its default and what it means")
def settings(here: Owner) -> dict[str, Any]:
    """Keys never stand in loresmith.toml; `*_api_key_env` names the variable that holds one."""
    return _shown(here.folder)


def _shown(folder: WorkspaceDir) -> dict[str, Any]:
    config = folder.config.model_dump(mode="json")
    return {
        "file": FILE_NAME,
        "settings": {k: _without_password(v) for k, v in config.items() if k not in _ELSEWHERE},
        "fields": list(_fields(config)),
    }


def _fields(config: dict[str, Any]) -> list[dict[str, Any]]:
    found = []
    for section, field in Config.model_fields.items():
        if section in _ELSEWHERE:
            continue
        kind = field.annotation
        if not (isinstance(kind, type) and issubclass(kind, BaseModel)):
            found.append(_field(section, field, config[section]))
            continue
        found += [_field(f"{section}.{k}", f, config[section][k]) for k, f in kind.model_fields.items()]
    return found


def _field(key: str, field: Any, value: Any) -> dict[str, Any]:
    choices = [c for c in get_args(field.annotation) if isinstance(c, str)]
    return {
        "key": key,
        "value": _without_password(value),
        "default": field.get_default(call_default_factory=True),
        "description": field.description or "",
        "type": getattr(field.annotation, "__name__", str(field.annotation)).replace("typing.", ""),
        "choices": choices or None,
        "restart": key.startswith(_AT_START),
    }


def _without_password(value: Any) -> Any:
    """An address without the user and password that somebody may have written into it."""
    if isinstance(value, dict):
        return {k: _without_password(v) for k, v in value.items()}
    if isinstance(value, str) and "://" in value and "@" in value:
        try:
            parts = urlsplit(value)
        except ValueError:
            return ""
        return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    return value


@router.post("/settings", summary="Change settings: {key: value}, null takes a key out of the file")
def change(body: dict[Name, Value], here: Owner) -> dict[str, Any]:
    """All of them or none. They count from the next question on; those of `server` after a restart."""
    for key in body:
        if key.split(".")[0] in _ELSEWHERE:
            raise ApiError(422, "Sources are changed by POST /api/sources.", "sources", param=key)
    path = here.folder.root / FILE_NAME
    with toml_edited(here):
        document = tomlkit.parse(path.read_text(encoding="utf-8"))
        try:
            for key, value in body.items():
                if value is None:
                    _take_out(document, key)
                else:
                    configuration.put(document, key, value)
            configuration.validate(document.unwrap(), {"": FILE_NAME})
        except ConfigError as error:
            raise ApiError(422, str(error), "config_error") from error
        write_atomic(path, tomlkit.dumps(document).encode())
    with toml_edited(here) as folder:
        return _shown(folder) | {"restart": [key for key in body if key.startswith(_AT_START)]}


def _take_out(document: Any, key: str) -> None:
    *parents, last = key.split(".")
    for parent in parents:
        document = document.get(parent)
        if not isinstance(document, dict):
            return
    document.pop(last, None)


@router.get("/doctor", summary="What is installed, what is missing, and the line that brings it")
async def doctor(here: Owner) -> dict[str, Any]:
    """As `loresmith doctor --json`."""
    return await printed(here.folder, ["doctor"], in_workspace=False)
