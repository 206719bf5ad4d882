"""Who asks, and what they may see: keys with roles and access labels.

    .loresmith/keys.json   {"format": 1, "keys": [{id, name, role, labels, hash, created, revoked}]}

A key is 256 random bits, shown once; kept is its SHA-256, from which nobody finds 256 random bits.
Promises: the file is looked at in every request, so that a revocation holds at once; a damaged file
lets nobody in. Without any key ever made, whoever reaches a loopback address is the owner (the
middleware of app.py sees to it that no web page of elsewhere does); on any other address nobody is.
A revoked key stays listed, so that revoking the last one does not open the door.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import logging
import os
import secrets
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal, cast, get_args

from fastapi import Request
from starlette.requests import HTTPConnection

from loresmith.errors import StorageError, UsageError
from loresmith.server.faults import ApiError
from loresmith.types import Filter
from loresmith.workspace import WorkspaceDir, write_atomic

Role = Literal["owner", "editor", "reader"]
ROLES: tuple[Role, ...] = get_args(Role)

log = logging.getLogger("loresmith.server")

FORMAT = 1
PREFIX = "lore_"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks.

    Attributes:
        name: of the key; "owner" where there are no keys.
        role: a reader asks and gives feedback, an editor changes documents, data and releases, an
            owner the settings too.
        labels: the access labels held; None means everything (an owner).
        key: id of the key, "" without one.
    """

    name: str
    role: Role
    labels: tuple[str, ...] | None
    key: str = ""

    def where(self, **wanted: Any) -> Filter:
        """A filter for the store with this caller's labels in it."""
        return Filter(access=self.labels, **wanted)

    def holds(self, labels: Iterable[str]) -> bool:
        """Whether this caller holds every one of `labels`."""
        return self.labels is None or set(labels) <= set(self.labels)

    def may(self, role: Role) -> bool:
        return ROLES.index(self.role) <= ROLES.index(role)


OWNER = Caller("owner", "owner", None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key as it is kept; `labels` is None for an owner, who needs none."""

    id: str
    name: str
    role: Role
    labels: tuple[str, ...] | None
    hash: str
    created: str
    revoked: str | None = None


class Keys:
    """The keys of a workspace, read anew whenever the file has changed."""

    def __init__(self, folder: WorkspaceDir, *, local: bool) -> None:
        self._folder = folder
        self._local = local
        self._lock = threading.Lock()
        self._seen: tuple[int, ...] | None = None
        self._by_hash: dict[str, Key] = {}

    def needed(self) -> bool:
        """Whether a request must bring a key."""
        return bool(self._current()) or not self._local

    def caller(self, secret: str | None) -> Caller:
        """Who shows this key.

        Raises:
            ApiError: 401, there is no such key, or it was revoked.
        """
        known = self._current()
        if not known and self._local:
            return OWNER
        if not secret:
            raise _refused("A key is needed: Authorization: Bearer KEY.", "missing_api_key")
        key = known.get(_hash(secret))
        if key is None or key.revoked is not None:
            raise _refused("This key is unknown or was revoked.", "invalid_api_key")
        return Caller(key.name, key.role, None if key.role == "owner" else key.labels or (), key.id)

    def _current(self) -> dict[str, Key]:
        try:
            seen = _stamp(self._folder)
            with self._lock:
                if seen != self._seen:
                    self._by_hash = {key.hash: key for key in listing(self._folder)}
                    self._seen = seen
                return self._by_hash
        except StorageError as error:
            log.error("nobody is let in: %s", error)
            raise ApiError(503, "The keys cannot be read; the server's log says why.", "keys") from error


def caller(request: Request) -> Caller:
    """The one who asks (a FastAPI dependency)."""
    known = getattr(request.state, "caller", None)
    if known is None:
        keys: Keys = request.app.state.keys
        known = request.state.caller = keys.caller(shown(request))
    return cast("Caller", known)


def needs(role: Role) -> Callable[[Request], Caller]:
    """A dependency that lets pass who has at least this role."""

    def check(request: Request) -> Caller:
        found = caller(request)
        if not found.may(role):
            raise ApiError(403, f"This needs the role {role}; this key has {found.role}.", "role")
        return found

    return check


# --- the file -----------------------------------------------------------------------------------


def listing(folder: WorkspaceDir) -> list[Key]:
    """Every key, revoked ones too, oldest first.

    Raises:
        StorageError: keys.json is damaged or of a newer program; nobody is let in.
    """
    path = folder.keys_path
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if raw["format"] > FORMAT:
            raise StorageError(f"{path}: written by a newer version of Loresmith.", "Use that version.")
        return [_key(entry) for entry in raw["keys"]]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StorageError(
            f"{path} cannot be read: {error}.", "Nobody is let in until it is mended or removed."
        ) from error


def create(
    folder: WorkspaceDir, name: str, role: Role = "reader", labels: Sequence[str] = ()
) -> tuple[Key, str]:
    """Make a key; returns it and its secret, which nobody can show again.

    Raises:
        UsageError: the name is in use or empty, or an owner is given labels.
    """
    name = " ".join(name.split())
    if not name:
        raise UsageError("The key has no name.", "As in: loresmith keys create anna --role reader")
    if role == "owner" and labels:
        raise UsageError("An owner sees everything and has no labels.", "Leave --label away.")
    secret = PREFIX + secrets.token_urlsafe(32)
    with folder.granting():
        known = listing(folder)
        if any(key.name == name and key.revoked is None for key in known):
            raise UsageError(f"There is a key {name!r} already.", "Revoke it first, or take another name.")
        made = Key(
            id=secrets.token_hex(4),
            name=name,
            role=role,
            labels=None if role == "owner" else tuple(sorted(set(labels))),
            hash=_hash(secret),
            created=_now(),
        )
        _write(folder, [*known, made])
    return made, secret


def revoke(folder: WorkspaceDir, name: str) -> Key:
    """Take a key back, by name or id; it opens nothing from the next request on.

    Raises:
        UsageError: there is no such key in use.
    """
    with folder.granting():
        known = listing(folder)
        found = next((key for key in known if name in (key.name, key.id) and key.revoked is None), None)
        if found is None:
            names = ", ".join(key.name for key in known if key.revoked is None) or "none"
            raise UsageError(f"There is no key {name!r} in use.", f"In use: {names}.")
        gone = replace(found, revoked=_now())
        _write(folder, [gone if key is found else key for key in known])
    return gone


def _key(entry: dict[str, Any]) -> Key:
    labels = entry["labels"]
    key = Key(**{**entry, "labels": None if labels is None else tuple(map(str, labels))})
    if key.role not in ROLES:
        raise ValueError(f"{key.role} is no role")
    return key


def _write(folder: WorkspaceDir, keys: Sequence[Key]) -> None:
    content = {"format": FORMAT, "keys": [asdict(key) for key in keys]}
    write_atomic(folder.keys_path, (json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode())


def _stamp(folder: WorkspaceDir) -> tuple[int, ...]:
    """What changes whenever the file does: it is written anew under its name, never in place."""
    try:
        found = os.stat(folder.keys_path)
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise StorageError(
            f"{folder.keys_path} cannot be read: {error.strerror}.", "Check its permissions."
        ) from error
    return (found.st_mtime_ns, found.st_ino, found.st_size)


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine alone."""
    if host.casefold() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def shown(request: HTTPConnection) -> str | None:
    """The key that a request brings, if any."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" else None


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _refused(message: str, code: str) -> ApiError:
    return ApiError(401, message, code, headers={"WWW-Authenticate": "Bearer"})


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
