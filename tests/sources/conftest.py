"""Servers that the tests of databases share, and what they look at."""

from __future__ import annotations

from collections.abc import Iterator

import databases
import pytest


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[databases.Server]:
    try:
        with databases.postgresql() as server:
            yield server
    except FileNotFoundError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[databases.Server]:
    try:
        with databases.mariadb() as server:
            yield server
    except FileNotFoundError as error:
        pytest.skip(str(error))
