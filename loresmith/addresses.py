"""Addresses of databases: what may stand in them, what may be shown of them, what they become.

`postgresql://reader:${STOCK_PASSWORD}@db/stock` is stored and shown as it stands here; `expanded`
puts the environment's values in, for the one call that connects. Promises: a password in plain is
refused (`check`), and no message made of `masked` text holds one.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import unquote

from loresmith.errors import SourceError, UsageError

_KINDS = {
    "postgresql": "postgresql",
    "postgres": "postgresql",
    "postgresql+psycopg": "postgresql",
    "mysql": "mysql",
    "mysql+pymysql": "mysql",
    "mariadb": "mysql",
    "mariadb+pymysql": "mysql",
    "sqlite": "sqlite",
}
_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*)://")
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_SECRET_KEYS = re.compile(r"(?i)[?&]([^=&]*(?:passw|passwd|pwd|secret|token|apikey|api_key)[^=&]*)=([^&]*)")
# Greedy on purpose: a password may hold "@" and "/", and showing too little is the smaller harm.
_USERINFO = re.compile(r"(?<=://)([^:/?#@\s]*):(.*)@", re.DOTALL)


def kind_of(uri: str) -> str | None:
    """ "postgresql", "mysql" or "sqlite" (None: not the address of a database that is read)."""
    scheme = _SCHEME.match(uri)
    return _KINDS.get(scheme.group(1).lower()) if scheme else None


def masked(text: str) -> str:
    """`text` without the passwords of the addresses in it; names of variables stay."""
    text = _USERINFO.sub(lambda m: f"{m.group(1)}:{_shown(m.group(2))}@", text)
    return _SECRET_KEYS.sub(lambda m: m.group(0)[: m.start(2) - m.start()] + _shown(m.group(2)), text)


def _shown(secret: str) -> str:
    # What follows a variable's "@" in a greedy match is the rest of an ordinary address.
    head, _, rest = secret.partition("@")
    if _VARIABLE.fullmatch(head) and ":" not in rest:
        return secret
    return secret if not secret or _VARIABLE.fullmatch(secret) else "***"


def check(uri: str) -> None:
    """Refuse an address with a secret in plain.

    Raises:
        UsageError: says where it belongs; the message does not hold it.
    """
    rest = uri[_SCHEME.match(uri).end() :] if _SCHEME.match(uri) else ""  # type: ignore[union-attr]
    user, colon, after = rest.partition(":")
    plain = None
    if colon and "@" in after and not re.search(r"[@/?#]", user):
        password = after.partition("@")[0]
        plain = "password" if password and not _VARIABLE.fullmatch(password) else None
    for key, value in _SECRET_KEYS.findall(uri):
        if value and not _VARIABLE.fullmatch(value):
            plain = unquote(key)
    if plain:
        raise UsageError(
            f"{masked(uri)}: a {plain} in plain does not belong into an address.",
            "Put it into an environment variable and write its name: "
            "postgresql://reader:${STOCK_PASSWORD}@host/database",
        )


def expanded(text: str, where: str) -> str:
    """`text` with the environment's values in the place of ${NAME}.

    Raises:
        SourceError: a variable is not set.
    """

    def value(match: re.Match[str]) -> str:
        found = os.environ.get(match.group(1))
        if found is None:
            raise SourceError(
                f"{masked(where)}: the environment variable {match.group(1)} is not set.",
                f"Set it where Loresmith runs: export {match.group(1)}=…",
            )
        return found

    return _VARIABLE.sub(value, text)


def variables(uri: str) -> list[str]:
    """The names of the environment variables in an address."""
    return _VARIABLE.findall(uri)


def name_of(uri: str) -> str:
    """The short name of a database: what its documents' ids begin with."""
    if kind_of(uri) == "sqlite":
        return Path(sqlite_path(uri)).stem or "database"
    path = re.split(r"[?#]", uri[_SCHEME.match(uri).end() :])[0]  # type: ignore[union-attr]
    path = path.rpartition("@")[2]
    host, _, database = path.partition("/")
    return unquote(database.strip("/")).replace("/", "-") or host.partition(":")[0] or "database"


def host_of(uri: str) -> str:
    """Where a database is: its host, or the folder of its file."""
    if kind_of(uri) == "sqlite":
        return Path(sqlite_path(uri)).parent.name or "root"
    path = re.split(r"[?#]", uri[_SCHEME.match(uri).end() :])[0]  # type: ignore[union-attr]
    return path.rpartition("@")[2].partition("/")[0].partition(":")[0] or "local"


def public(uri: str) -> str:
    """The address without user, password and options: what a document of it may show."""
    if kind_of(uri) == "sqlite":
        return uri
    scheme, _, rest = uri.partition("://")
    return f"{scheme}://{re.split(r'[?#]', rest)[0].rpartition('@')[2]}"


def sqlite_path(uri: str) -> str:
    """The file of sqlite:///relative or sqlite:////absolute."""
    return unquote(uri[_SCHEME.match(uri).end() :]).removeprefix("/")  # type: ignore[union-attr]


def sqlite_uri(path: str) -> str:
    return "sqlite:///" + path.replace("%", "%25")
