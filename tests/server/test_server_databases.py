"""Databases seen through the server: rows open at their key, and only the owner sees where they are."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from helpers import HashEmbedder
from serving import Serve

from loresmith import workspace as folders
from loresmith.expert import Workspace


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    with closing(sqlite3.connect(tmp_path / "stock.db")) as db:
        db.executescript("""CREATE TABLE log (id TEXT PRIMARY KEY, note TEXT);
            INSERT INTO log VALUES ('A-7', 'the mechanical seal leaked'), ('A-8', 'bearing replaced');""")
    with Workspace(
        folders.create(tmp_path / "plant", {"model.name": "none"}), embedder=HashEmbedder()
    ) as made:
        made.add(f"sqlite:///{tmp_path}/stock.db", labels=["stores"])
        assert made.sync().added == 1
    with ExitStack() as stack:
        yield Serve(tmp_path / "plant", stack)


def test_a_row_is_found_and_opens_with_its_key(serve: Serve) -> None:
    client = serve()
    hit = client.get("/api/search", params={"q": "mechanical seal leaked", "k": 5}).json()["hits"][0]
    assert hit["document"] == "stock/log"
    assert "note: the mechanical seal leaked" in hit["text"]
    opened = client.get(f"/api/source/{hit['passage']}").json()
    assert opened["document"] == "stock/log"
    assert "A-7" in opened["text"]


def test_a_reader_sees_neither_place_nor_user_of_a_database(serve: Serve, tmp_path: Path) -> None:
    client = serve()
    owner = serve.key("olga", "owner")
    seen = client.get("/api/documents", headers=owner).json()
    assert seen["documents"][0]["uri"] == f"sqlite:///{tmp_path}/stock.db#log"
    seen = client.get("/api/documents", headers=serve.key("rita", "reader", ["stores"])).json()
    (entry,) = seen["documents"]
    assert (entry["uri"], entry["source"]) == ("stock/log", "stock")
    assert seen["sources"] == [{"uri": "stock", "labels": ["stores"]}]
    assert client.get("/api/documents", headers=serve.key("otto", "reader")).json()["documents"] == []


@pytest.mark.parametrize(
    "uri",
    ["sqlite:///../stock.db", "postgresql://${HOME}@example.org/x", "mysql://reader:s3same@example.org/x"],
)
def test_no_database_is_added_over_the_server(serve: Serve, uri: str) -> None:
    answer = serve().post("/api/sources", json={"uri": uri})
    assert answer.status_code == 422
    assert "s3same" not in answer.text
