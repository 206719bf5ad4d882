"""Where a citation leads: the passage in its context, the page as a picture; search and similar."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from helpers import HashEmbedder
from serving import QUESTION, Serve
from starlette.testclient import TestClient

from loresmith import workspace as folders
from loresmith.expert import Workspace
from loresmith.parsing import render

sys.path.insert(0, str(Path(__file__).parents[1] / "parsing"))

import make

SENTENCE = "The torque of the hall crane bolts is 77 Nm."


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("sources")
    (root / "docs").mkdir()
    (root / "secret").mkdir()
    lines = [(72, 90 + 40 * n, 12, f"Line {n} of the crane manual is here.") for n in range(3)]
    page = make.PdfPage([*lines, (72, 300, 12, SENTENCE)])
    content = make.pdf([make.PdfPage([(72, 90, 12, "The cover of the crane manual.")]), page])
    (root / "docs" / "crane.pdf").write_bytes(content)
    (root / "secret" / "hidden.pdf").write_bytes(content.replace(b"77 Nm", b"88 Nm"))
    (root / "docs" / "notes.txt").write_text(
        "".join(
            f"Note {n}: the valve number {n} opens at {n} bar and is greased monthly.\n\n" for n in range(60)
        )
    )
    with Workspace(folders.create(root / "plant", {"model.name": "none"}), embedder=HashEmbedder()) as made:
        made.add(str(root / "docs"))
        made.add(str(root / "secret"), labels=["staff"])
        made.sync()
    return root


@pytest.fixture
def serve(root: Path) -> Iterator[Serve]:
    with ExitStack() as stack:
        yield Serve(root / "plant", stack)
    (root / "plant" / ".loresmith" / "keys.json").unlink(missing_ok=True)


def hit(client: TestClient, words: str, document: str, **more: object) -> dict[str, object]:
    found = client.get("/api/search", params={"q": words, "k": 50}, **more).json()["hits"]  # type: ignore[arg-type]
    return next(one for one in found if one["document"] == document)


def pixels(client: TestClient, path: str) -> render.Pixels:
    answer = client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    return render.decode(answer.content)


def test_a_citation_opens_its_passage_with_what_stands_around(serve: Serve) -> None:
    client = serve()
    found = hit(client, "valve number 30 opens", "notes.txt")
    told = client.get(f"/api/source/{found['passage']}").json()
    assert told["text"] == found["text"]
    text = (serve.root.parent / "docs" / "notes.txt").read_text()
    assert told["context"]["before"] + told["text"] + told["context"]["after"] in text
    assert told["locator"]["start"] == told["start"]
    assert len(told["context"]["before"]) > 100
    assert (told["document"], told["title"], told["page"]) == ("notes.txt", "notes", None)


def test_the_page_is_drawn_with_the_quote_marked(serve: Serve) -> None:
    client = serve()
    told = client.post("/api/ask", json={"question": "What is the torque of the hall crane bolts?"}).text
    assert SENTENCE in told
    found = hit(client, "torque hall crane bolts", "crane.pdf")
    source = client.get(f"/api/source/{found['passage']}").json()
    assert source["page"] == 2
    boxes = ";".join(",".join(map(str, box)) for box in source["locator"]["boxes"])
    plain = pixels(client, "/api/page/crane.pdf/2.png")
    marked = pixels(client, f"/api/page/crane.pdf/2.png?boxes={boxes}")
    assert plain.shape == marked.shape
    changed = (plain[..., :3] != marked[..., :3]).any(axis=2)
    x0, y0, x1, y1 = (value * render.DPI / 72 for value in source["locator"]["boxes"][-1])
    inside = changed[round(y0) : round(y1), round(x0) : round(x1)]
    assert inside.mean() > 0.8  # paper under the quote is yellow now, and its letters are still black
    assert not changed[: round(source["locator"]["boxes"][0][1] * render.DPI / 72) - 6].any()
    assert (marked[changed][:, 2] < plain[changed][:, 2]).mean() > 0.9


def test_a_page_that_cannot_be_drawn_says_why(serve: Serve) -> None:
    client = serve()
    for path, status in {
        "crane.pdf/3.png": 422,
        "crane.pdf/0.png": 404,
        "crane.pdf/x.png": 422,
        "notes.txt/1.png": 415,
        "nowhere.pdf/1.png": 404,
        "crane.pdf/1.png?boxes=1,2,3": 422,
        "crane.pdf/1.png?boxes=nan,0,1,1": 422,
        "crane.pdf/1.png?boxes=1e99,0,1,1": 422,
        "crane.pdf/1.png?boxes=" + "0,0,1,1;" * 400: 422,
        "../../etc/passwd/1.png": 404,
    }.items():
        answer = client.get(f"/api/page/{path}")
        assert (path, answer.status_code) == (path, status)
        assert str(serve.root.parent) not in answer.text


def test_another_file_in_its_place_is_not_drawn(serve: Serve) -> None:
    client, file = serve(), serve.root.parent / "docs" / "crane.pdf"
    before = file.read_bytes()
    try:
        file.write_bytes(before.replace(b"77 Nm", b"99 Nm"))
        answer = client.get("/api/page/crane.pdf/2.png")
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "not_drawn")
        assert "changed since it was indexed" in answer.json()["error"]["message"]
    finally:
        file.write_bytes(before)


def test_what_is_not_for_a_reader_is_not_there(serve: Serve) -> None:
    client = serve()
    hidden = hit(client, "torque hall crane bolts", "hidden.pdf")
    reader, staff = serve.key("anna"), serve.key("erna", labels=["staff"])
    for path in (
        f"/api/source/{hidden['passage']}",
        "/api/page/hidden.pdf/2.png",
        "/api/similar?document=hidden.pdf",
    ):
        refused = client.get(path, headers=reader)
        assert (path, refused.status_code) == (path, 404)
        assert "88" not in refused.text
        assert client.get(path, headers=staff).status_code == 200
    assert "hidden" not in client.get("/api/search", params={"q": "crane", "k": 50}, headers=reader).text


def test_similar_names_other_documents(serve: Serve) -> None:
    found = serve().get("/api/similar", params={"document": "crane.pdf"}).json()["hits"]
    assert found[0]["document"] == "hidden.pdf"
    assert "crane.pdf" not in [one["document"] for one in found]


def test_search_says_what_is_wrong_with_a_question(serve: Serve) -> None:
    client = serve()
    for params, field in (
        ({}, "q"),
        ({"q": ""}, "q"),
        ({"q": "  "}, "q"),
        ({"q": "x" * 5_000}, "q"),
        ({"q": QUESTION, "k": "0"}, "k"),
        ({"q": QUESTION, "k": "many"}, "k"),
        ({"q": QUESTION, "mode": "magic"}, "mode"),
    ):
        answer = client.get("/api/search", params=params)
        assert (answer.status_code, answer.json()["error"]["param"]) == (422, field)


def test_pictures_survive_the_marking_pixel_by_pixel() -> None:
    random = np.random.default_rng(0)
    for channels in (3, 4):
        pixels = random.integers(0, 256, (37, 53, channels), dtype=np.uint8)
        assert (render.decode(render.encode(pixels)) == pixels).all()
        assert (render.decode(render.mark(render.encode(pixels), [], 1.5)) == pixels).all()
    with pytest.raises(ValueError, match="no PNG"):
        render.decode(b"GIF89a")
    assert hashlib.sha256(render.encode(pixels)).digest() == hashlib.sha256(render.encode(pixels)).digest()
