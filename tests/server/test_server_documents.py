"""/api/documents and /api/sources: what is listed for whom, what may come in, what may go."""

from __future__ import annotations

import io
import json
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

from helpers import HashEmbedder
from serving import MANUAL, Serve
from starlette.testclient import TestClient

from loresmith import workspace as folders
from loresmith.sync import sync

NOTE = b"The hall crane of bay seven lifts 12 tonnes.\n"


def send(client: TestClient, *files: tuple[str, bytes], labels: tuple[str, ...] = (), **more: Any) -> Any:
    parts = [("files", file) for file in files]
    return client.post("/api/documents", files=parts, data={"labels": list(labels)}, **more)


def synced(serve: Serve) -> None:
    sync(folders.open_dir(serve.root), HashEmbedder())


def names(client: TestClient, **more: Any) -> list[str]:
    return [document["id"] for document in client.get("/api/documents", **more).json()["documents"]]


def found(client: TestClient, words: str, **more: Any) -> list[str]:
    hits = client.get("/api/search", params={"q": words, "mode": "text"}, **more).json()["hits"]
    return [hit["document"] for hit in hits]


def test_the_list_tells_what_is_there_and_what_failed(serve: Serve) -> None:
    (serve.root.parent / "docs" / "photo.exe").write_bytes(b"MZ\x90\x00\x03" + bytes(range(256)))
    synced(serve)
    told = serve().get("/api/documents").json()
    by_id = {document["id"]: document for document in told["documents"]}
    assert set(by_id) == {"p-200.md", "salaries.md", "photo.exe"}
    assert (by_id["p-200.md"]["state"], by_id["p-200.md"]["passages"]) == ("indexed", 2)
    assert by_id["p-200.md"]["title"] == "P-200 service manual"
    assert by_id["salaries.md"]["labels"] == ["staff"]
    assert by_id["photo.exe"]["state"] == "failed"
    assert "not read" in by_id["photo.exe"]["reason"]
    assert [source["labels"] for source in told["sources"]] == [[], ["staff"]]
    assert told["last_sync"]["seconds"] > 0


def test_a_reader_is_told_of_nothing_that_is_not_for_him(serve: Serve) -> None:
    (serve.root.parent / "secret" / "bonus.exe").write_bytes(b"MZ\x90\x00\x03" + bytes(range(256)))
    synced(serve)
    reader = serve.key("anna")
    told = serve().get("/api/documents", headers=reader)
    assert [document["id"] for document in told.json()["documents"]] == ["p-200.md"]
    for word in ("salar", "secret", "bonus", "staff", str(serve.root.parent)):
        assert word not in told.text
    staff = serve.key("erna", labels=["staff"])
    assert set(names(serve(), headers=staff)) == {"p-200.md", "salaries.md", "bonus.exe"}


def test_an_upload_is_found_after_the_sync_and_gone_after_its_deletion(serve: Serve) -> None:
    client = serve()
    answer = send(client, ("crane.txt", NOTE), ("pump.md", MANUAL.encode()))
    assert answer.status_code == 201
    assert [(file["name"], file["stored"]) for file in answer.json()["files"]] == [
        ("crane.txt", True),
        ("pump.md", True),
    ]
    assert (serve.root / "uploads" / "crane.txt").read_bytes() == NOTE
    assert [w["name"] for w in client.get("/api/documents").json()["waiting"]] == ["crane.txt", "pump.md"]
    synced(serve)
    assert found(client, "crane") == ["crane.txt"]
    assert client.get("/api/documents").json()["waiting"] == []
    assert client.delete("/api/documents/crane.txt").json()["deleted"] == ["crane.txt"]
    synced(serve)
    assert found(client, "crane") == []
    assert "crane.txt" not in names(client)


def test_an_upload_carries_its_labels_before_it_is_there(serve: Serve) -> None:
    client = serve()
    send(client, ("crane.txt", NOTE), labels=("staff", "hall 7"))
    synced(serve)
    config = folders.open_dir(serve.root).config
    assert config.sources[-1].labels == ["hall 7", "staff"]
    assert found(client, "crane", headers=serve.key("anna", labels=["staff"])) == []
    assert found(client, "crane", headers=serve.key("erna", labels=["staff", "hall 7"])) == ["crane.txt"]


def test_the_same_name_again_replaces_the_file(serve: Serve) -> None:
    client = serve()
    send(client, ("crane.txt", NOTE))
    synced(serve)
    again = send(client, ("crane.txt", NOTE.replace(b"12", b"20"))).json()["files"][0]
    assert again["replaced"]
    assert [w["name"] for w in client.get("/api/documents").json()["waiting"]] == ["crane.txt"]
    synced(serve)
    hit = client.get("/api/search", params={"q": "crane", "mode": "text"}).json()["hits"][0]
    assert "20 tonnes" in hit["text"]


def form(*files: tuple[str, bytes]) -> dict[str, Any]:
    """A body by hand: clients mend names, and others do not."""
    parts = [
        b'--x\r\nContent-Disposition: form-data; name="files"; filename="'
        + name.encode("utf-8", "surrogatepass")
        + b'"\r\nContent-Type: text/plain\r\n\r\n'
        + content
        + b"\r\n"
        for name, content in files
    ]
    return {
        "content": b"".join(parts) + b"--x--\r\n",
        "headers": {"Content-Type": "multipart/form-data; boundary=x"},
    }


TRICKS = [
    "../outside.txt",
    "..",
    "folder/inside.txt",
    "/etc/cron.d/x.txt",
    "..%2foutside.txt/../x.txt",
    "bell\x07.txt",
    "gpj.\u202etxt.exe",
    "two\u2028lines.txt",
    "look\u200balike.txt",
    "look\ufeffalike.txt",
    "\u061clookalike.txt",
    ".hidden.txt",
    ".loresmith",
    "~$lock.docx",
    "half.part",
    " space.txt",
    "n" * 250 + ".txt",
    "half a character \ud800.txt",
]


def test_a_name_that_plays_tricks_is_refused(serve: Serve) -> None:
    before = {path for path in serve.root.parent.rglob("*") if ".loresmith" not in path.parts}
    answer = serve().post("/api/documents", **form(*[(name, NOTE) for name in TRICKS], ("fine.txt", NOTE)))
    assert answer.status_code == 201
    *refused, fine = answer.json()["files"]
    stored = {name: file for name, file in zip(TRICKS, refused, strict=True) if file["stored"]}
    # What is no text to the parser of the form comes as text with a sign in the place of it.
    assert all(name.startswith("half a character") for name in stored)
    assert {file["code"] for file in refused if not file["stored"]} == {"name"}
    assert fine["stored"]
    after = {path for path in serve.root.parent.rglob("*") if ".loresmith" not in path.parts}
    uploads = serve.root / "uploads"
    assert {path.parent for path in after - before} == {serve.root, uploads}
    assert {path.name for path in after - before} == {"uploads", "fine.txt"} | {
        file["name"] for file in stored.values()
    }


UNREADABLE = [
    ("program.pdf", b"MZ\x90\x00\x03" + bytes(range(256)), "type"),
    ("noise.txt", bytes(range(256)) * 40, "type"),
    ("archive.docx", b"PK\x03\x04 no archive at all", "type"),
    ("film.mp4", b"\x00\x00\x00\x18ftypmp42" + bytes(64), "type"),
    ("empty.txt", b"", "empty"),
    ("zeros.pdf", bytes(4096), "empty"),
]


def test_a_file_that_cannot_be_read_is_refused_at_the_door(serve: Serve) -> None:
    answer = send(serve(), *[(name, content) for name, content, _ in UNREADABLE])
    assert answer.status_code == 200  # nothing was created
    files = answer.json()["files"]
    assert [(f["name"], f["stored"], f["code"]) for f in files] == [
        (name, False, code) for name, _, code in UNREADABLE
    ]
    assert all(file["reason"] for file in files)
    assert list((serve.root / "uploads").iterdir()) == []


def test_a_package_is_not_unpacked_at_the_door(serve: Serve) -> None:
    """Whatever its directory says of its sizes: these are kilobytes that would be a gigabyte."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        with file.open("mimetype", "w") as entry:
            for _ in range(256):
                entry.write(bytes(4 << 20))
        file.writestr("word/document.xml", "<x/>")
    lie = bytearray(packed.getvalue())
    entry_at = lie.find(b"PK\x01\x02")
    lie[entry_at + 24 : entry_at + 28] = (10).to_bytes(4, "little")
    client = serve()
    tracemalloc.start()
    try:
        for content in (packed.getvalue(), bytes(lie)):
            assert send(client, ("bomb.docx", content)).status_code in (200, 201)
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()


def test_too_much_at_once_is_refused(serve: Serve) -> None:
    client = serve(overrides={"server.upload_mb": 1})
    assert send(client, ("large.txt", b"a word " * 200_000)).status_code == 413
    client = serve(overrides={"parsing.max_file_mb": 1})
    large = send(client, ("large.txt", b"a word " * 200_000)).json()["files"][0]
    assert (large["stored"], large["code"]) == (False, "size")
    assert send(client, *[(f"{n}.txt", NOTE) for n in range(501)]).status_code == 400


def test_who_may_upload_what(serve: Serve) -> None:
    client = serve()
    reader, editor = serve.key("anna"), serve.key("otto", "editor", ["hall 7"])
    assert send(client, ("crane.txt", NOTE), headers=reader).status_code == 403
    refused = send(client, ("crane.txt", NOTE), labels=("staff",), headers=editor)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "label")
    assert send(client, ("crane.txt", NOTE), labels=("hall 7",), headers=editor).status_code == 201
    assert client.post("/api/documents", json={"files": []}, headers=editor).status_code == 415
    assert client.post("/api/documents", data={"a": "b"}, files={}, headers=editor).status_code == 415
    nothing = client.post("/api/documents", files=[("labels", (None, b"x"))], headers=editor)
    assert nothing.status_code == 422


def test_what_was_not_uploaded_is_not_deleted_here(serve: Serve) -> None:
    client = serve()
    answer = client.delete("/api/documents/p-200.md")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "not_uploaded")
    assert "docs" in answer.json()["error"]["message"]
    assert (serve.root.parent / "docs" / "p-200.md").exists()
    editor = serve.key("otto", "editor")
    hidden = client.delete("/api/documents/salaries.md", headers=editor)
    nowhere = client.delete("/api/documents/nowhere.md", headers=editor)
    assert hidden.status_code == nowhere.status_code == 404
    assert hidden.text.replace("salaries", "") == nowhere.text.replace("nowhere", "")


def test_deleting_cannot_leave_the_folder_of_uploads(serve: Serve) -> None:
    client = serve()
    send(client, ("crane.txt", NOTE))
    for path in ("../loresmith.toml", "..%2floresmith.toml", "%2e%2e/loresmith.toml", "/etc/passwd"):
        assert client.delete(f"/api/documents/{path}").status_code in (404, 405)
    assert (serve.root / "loresmith.toml").exists()


def test_a_waiting_upload_is_deleted_by_its_name(serve: Serve) -> None:
    client = serve()
    send(client, ("crane.txt", NOTE), labels=("staff",))
    editor = serve.key("otto", "editor")
    assert client.delete("/api/documents/crane.txt", headers=editor).status_code == 404
    owner = serve.key("olga", "owner")
    assert client.delete("/api/documents/crane.txt", headers=owner).json()["deleted"] == ["crane.txt"]
    assert client.get("/api/documents", headers=owner).json()["waiting"] == []


def test_sources_come_and_go(serve: Serve, tmp_path: Path) -> None:
    client = serve()
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "crane.txt").write_bytes(NOTE)
    added = client.post("/api/sources", json={"uri": "../more", "labels": ["staff"]})
    assert added.status_code == 201
    assert added.json()["sources"][-1] == {"uri": "../more", "labels": ["staff"]}
    synced(serve)
    assert found(client, "crane") == ["crane.txt"]
    assert client.delete("/api/sources", params={"uri": "../more"}).status_code == 200
    synced(serve)
    assert found(client, "crane") == []
    assert client.delete("/api/sources", params={"uri": "../more"}).status_code == 404


NO_SOURCES = {
    "../nowhere": 404,
    "x" * 500: 422,  # longer than a name may be
    "ftp://example.org/x": 422,
    "sqlite:///x.db": 422,
    ".loresmith": 422,
    ".loresmith/keys.json": 422,
    "a\x00b": 422,
    "": 422,
    "\ud800": 422,
}


def test_a_source_that_makes_no_sense_is_refused(serve: Serve) -> None:
    before = (serve.root / "loresmith.toml").read_bytes()
    client = serve(headers={"Content-Type": "application/json"})
    for uri, status in NO_SOURCES.items():
        answer = client.post("/api/sources", content=json.dumps({"uri": uri}).encode())
        assert (uri, answer.status_code) == (uri, status)
        assert answer.json()["error"]["message"]
    assert (serve.root / "loresmith.toml").read_bytes() == before


def test_places_of_this_machine_are_an_owners(serve: Serve) -> None:
    client = serve()
    editor = serve.key("otto", "editor", ["staff"])
    assert client.post("/api/sources", json={"uri": "/etc"}, headers=editor).status_code == 403
    assert client.delete("/api/sources", params={"uri": "../docs"}, headers=editor).status_code == 403
    told = client.get("/api/documents", headers=editor)
    assert str(serve.root.parent) not in told.text
    refused = client.delete("/api/documents/p-200.md", headers=editor)
    assert str(serve.root.parent) not in refused.text
