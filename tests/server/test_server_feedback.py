"""What people say of answers and of dataset rows, and what comes of it: reports, releases, adapters."""

from __future__ import annotations

import json
from typing import Any

import pytest
from serving import QUESTION, SECRET_QUESTION, Serve
from starlette.testclient import TestClient

from loresmith import workspace as folders
from loresmith.answering import unaided
from loresmith.dataset import pool, store
from loresmith.dataset.example import Example
from loresmith.models.fake import FakeModel
from loresmith.state import State, learning
from loresmith.types import Message

QUOTE = "The torque for the M8 flange bolts of the P-200 is 25 Nm."


def ask(client: TestClient, question: str = QUESTION, **more: Any) -> dict[str, Any]:
    """The event `answer`."""
    told = client.post("/api/ask", json={"question": question}, **more)
    assert told.status_code == 200, told.text
    found: dict[str, Any] = json.loads(told.text.rpartition("data: ")[2])
    return found


def kept(serve: Serve) -> list[dict[str, Any]]:
    with State.open(serve.root / ".loresmith" / "state.db") as state:
        return [dict(row.payload) for row in learning.feedback(state)]


def test_an_answer_comes_sentence_by_sentence_and_then_whole(serve: Serve) -> None:
    client = serve(FakeModel("It is 25 Nm. The moon is made of cheese."))
    told = client.post("/api/ask", json={"question": QUESTION})
    assert told.headers["content-type"].startswith("text/event-stream")
    assert told.headers["cache-control"] == "no-store"
    events = [part.split("\n") for part in told.text.strip().split("\n\n")]
    assert [lines[0] for lines in events] == ["event: sentence", "event: answer"]
    sentence, whole = (json.loads(lines[1].removeprefix("data: ")) for lines in events)
    assert sentence["text"] == "It is 25 Nm."
    assert sentence["citations"][0]["quote"] == QUOTE
    answer = whole["answer"]
    assert answer["sentences"] == [sentence]
    assert [dropped["text"] for dropped in answer["dropped"]] == ["The moon is made of cheese."]
    passage = answer["hits"][0]["passage"]
    assert client.get(f"/api/source/{passage}").json()["text"] == answer["hits"][0]["text"]


def test_arms_and_chats_by_the_page_s_route(serve: Serve) -> None:
    client = serve(FakeModel("It is 25 Nm."))
    base = client.post("/api/ask", json={"question": QUESTION, "arm": "base"}).text
    assert '"arm": "base"' in base
    refused = client.post("/api/ask", json={"question": QUESTION, "arm": "both"})
    assert refused.status_code == 404
    assert "adapter" in refused.json()["error"]["message"]
    assert "no-store" in refused.headers["cache-control"]
    only = client.post("/api/ask", json={"question": QUESTION, "documents": ["salaries.md"]}).text
    assert '"abstained": true' in only


def test_a_verdict_is_kept_with_what_proves_it(serve: Serve) -> None:
    client = serve()
    answer = ask(client)
    said = client.post("/api/feedback", json={"answer": answer["id"], "verdict": "approved"})
    assert said.status_code == 201
    (found,) = kept(serve)
    assert (found["question"], found["answer"], found["verdict"]) == (QUESTION, QUOTE, "approved")
    assert found["passages"][0]["document"] == "p-200.md"
    assert found["cited"] == [answer["answer"]["sentences"][0]["citations"][0]["passage"]]
    with State.open(serve.root / ".loresmith" / "state.db") as state:
        examples, _ = pool.collect(state)
    assert {example.kind for example in examples} == {"closed", "grounded"}


def test_a_correction_takes_the_answer_that_is_right(serve: Serve) -> None:
    client = serve()
    body = {"answer": ask(client)["id"], "verdict": "corrected", "question": QUESTION}
    assert client.post("/api/feedback", json=body).status_code == 400
    assert client.post("/api/feedback", json=body | {"correction": "Always 25 Nm."}).status_code == 201
    assert kept(serve)[0]["correction"] == "Always 25 Nm."
    assert client.post("/api/feedback", json=body | {"verdict": "rejected"}).status_code == 201


def test_feedback_is_for_an_answer_one_was_given(serve: Serve) -> None:
    client = serve()
    anna, erna = serve.key("anna"), serve.key("erna", labels=["staff"])
    answer = ask(client, headers=anna)["id"]
    body = {"answer": answer, "verdict": "approved"}
    assert client.post("/api/feedback", json=body, headers=erna).status_code == 404
    assert client.post("/api/feedback", json=body | {"answer": "0" * 24}, headers=anna).status_code == 404
    wrong = client.post("/api/feedback", json=body | {"question": "Another?"}, headers=anna)
    assert (wrong.status_code, wrong.json()["error"]["param"]) == (422, "question")
    assert client.post("/api/feedback", json=body | {"verdict": "nice"}, headers=anna).status_code == 422
    assert kept(serve) == []
    assert client.post("/api/feedback", json=body, headers=anna).status_code == 201


def test_feedback_outlives_a_restart_of_the_server(serve: Serve) -> None:
    told = ask(serve(FakeModel("It is 25 Nm.")))
    answer = told["answer"]
    shown = {"text": answer["answer"], "passages": [hit["passage"] for hit in answer["hits"]]}
    shown["cited"] = [answer["sentences"][0]["citations"][0]["passage"]]
    body = {"answer": told["id"], "verdict": "approved", "question": QUESTION, **shown}
    client = serve()  # another process, as it were
    erna = serve.key("erna", labels=[])
    assert client.post("/api/feedback", json=body | {"text": ""}, headers=erna).status_code == 404
    assert client.post("/api/feedback", json=body, headers=erna).status_code == 201
    (found,) = kept(serve)
    assert (found["answer"], found["cited"]) == ("It is 25 Nm.", shown["cited"])
    assert next(p["document"] for p in found["passages"]) == "p-200.md"
    assert "salaries.md" not in {p["document"] for p in found["passages"]}


def test_feedback_right_after_a_change_of_the_configuration(serve: Serve) -> None:
    client = serve()
    client.get("/api/search", params={"q": QUESTION})  # so that there is an expert to be replaced
    toml = serve.root / "loresmith.toml"
    toml.write_text(toml.read_text() + "\n[answer]\nrows = 7\n")
    body = {"answer": "x", "question": QUESTION, "text": "It is 25 Nm.", "verdict": "approved"}
    assert client.post("/api/feedback", json=body | {"passages": ["x"]}).status_code == 201


def test_feedback_carries_the_labels_of_what_was_read(serve: Serve) -> None:
    client = serve()
    erna = serve.key("erna", labels=["staff"])
    answer = ask(client, SECRET_QUESTION, headers=erna)["id"]
    client.post("/api/feedback", json={"answer": answer, "verdict": "approved"}, headers=erna)
    assert kept(serve)[0]["labels"] == ["staff"]


# --- rows of a dataset ------------------------------------------------------------------------------


def row(question: str, answer: str) -> Example:
    said = Message(role="assistant", content=answer)
    return Example(
        messages=(*unaided.messages(question), said),
        kind="closed",
        question=question,
        documents=("p-200.md",),
        origin=f"import:rows.jsonl#{question}",
        language="en",
    )


ROWS = [
    row("Which torque has the M8 bolt?", "25 Nm."),
    row("Which torque has the M10 bolt?", "49 Nm."),
    row("Which oil is used?", "ISO VG 46."),
    row("When is the oil changed?", "Every 4,000 hours."),
]


@pytest.fixture
def taught(serve: Serve) -> Serve:
    """With a dataset of four rows, one of them wrong."""
    folder = folders.open_dir(serve.root)
    splits = {example.id: "train" for example in ROWS} | {ROWS[3].id: "dev"}
    store.save(folder.datasets_dir, ROWS, splits)  # type: ignore[arg-type]
    with State.open(folder.state_path) as state:
        pool.put_imported(state, folder.root / "rows.jsonl", ROWS)
    return serve


def test_rows_are_listed_and_filtered(taught: Serve) -> None:
    client = taught()
    (made,) = client.get("/api/datasets").json()["datasets"]
    assert (made["current"], made["splits"]) == (True, {"train": 3, "dev": 1, "test": 0})
    told = client.get("/api/datasets/current").json()
    assert (told["dataset"], told["total"], len(told["rows"])) == (made["id"], 4, 4)
    assert {r["id"] for r in told["rows"]} == {example.id for example in ROWS}
    page = client.get("/api/datasets/current", params={"split": "train", "offset": 1, "limit": 1}).json()
    assert (page["total"], page["rows"][0]["id"]) == (3, told["rows"][1]["id"])
    assert client.get("/api/datasets/current", params={"kind": "grounded"}).json()["total"] == 0
    assert client.get("/api/datasets/current", params={"kind": "poem"}).status_code == 422


def test_a_review_is_heeded_by_the_next_dataset(taught: Serve) -> None:
    client = taught()
    accepted, rejected, mended, _ = ROWS
    for body in (
        {"id": accepted.id, "verdict": "accept"},
        {"id": rejected.id, "verdict": "reject"},
        {"id": mended.id, "verdict": "mend", "answer": "ISO VG 68."},
    ):
        assert client.post("/api/datasets/rows", json=body).status_code == 201
    rows = {r["id"]: r for r in client.get("/api/datasets/current").json()["rows"]}
    assert [rows[example.id]["review"] for example in ROWS] == ["accept", "reject", "mend", None]
    assert rows[mended.id]["correction"] == "ISO VG 68."
    left = client.get("/api/datasets/current", params={"review": "none"}).json()
    assert [r["id"] for r in left["rows"]] == [ROWS[3].id]
    with State.open(taught.root / ".loresmith" / "state.db") as state:
        examples, left_out = pool.collect(state)
    taught_now = {(example.question, example.answer) for example in examples}
    assert (rejected.question, rejected.answer) not in taught_now
    assert (mended.question, mended.answer) not in taught_now
    assert (mended.question, "ISO VG 68.") in taught_now
    assert {r.reason for r in left_out} == {"called wrong by a person"}


def test_a_review_that_makes_no_sense(taught: Serve) -> None:
    client = taught()
    row_id = ROWS[0].id
    assert client.post("/api/datasets/rows", json={"id": "0" * 16, "verdict": "accept"}).status_code == 404
    assert client.post("/api/datasets/rows", json={"id": row_id, "verdict": "praise"}).status_code == 422
    assert client.post("/api/datasets/rows", json={"id": row_id, "verdict": "mend"}).status_code == 400
    assert kept(taught) == []


# --- releases, adapters, settings -------------------------------------------------------------------


def test_promote_and_roll_back(serve: Serve) -> None:
    client = serve()
    shut = client.post("/api/releases", json={})
    assert (shut.status_code, shut.json()["error"]["code"]) == (409, "gate_closed")
    assert client.post("/api/releases", json={"arm": "rag"}).status_code == 409
    made = client.post("/api/releases", json={"arm": "rag", "reason": "everybody says so"})
    assert (made.status_code, made.json()["current"]) == (201, "r1")
    assert client.get("/api/releases").json()["releases"][0]["reason"] == "everybody says so"
    assert client.get("/api/status").json()["release"]["id"] == "r1"
    assert client.post("/api/releases", json={"report": "none"}).status_code == 404
    back = client.post("/api/releases/rollback")
    assert (back.status_code, back.json()["current"]) == (201, None)
    assert client.post("/api/releases/rollback").status_code == 409


def test_where_nothing_was_trained_or_compared(serve: Serve) -> None:
    client = serve()
    assert client.get("/api/adapters").json() == {"adapters": [], "current": None, "unfinished": []}
    assert client.get("/api/adapters/x").status_code == 404
    assert client.post("/api/adapters/use", json={"id": "x"}).status_code == 404
    assert client.post("/api/adapters/use", json={"id": "../x"}).status_code == 422
    assert client.get("/api/reports").json() == {"reports": []}
    for name in ("x", "..", "%2e%2e"):
        assert client.get(f"/api/reports/{name}").status_code == 404
        assert client.get(f"/api/reports/{name}/report.html").status_code == 404


def test_settings_are_changed_all_or_none(serve: Serve) -> None:
    client = serve()
    told = client.get("/api/settings").json()
    fields = {field["key"]: field for field in told["fields"]}
    assert (fields["retrieval.k"]["value"], fields["retrieval.k"]["default"]) == (8, 8)
    assert fields["retrieval.mode"]["choices"] == ["hybrid", "dense", "text"]
    assert "sources" not in told["settings"]
    answer = client.post(
        "/api/settings", json={"retrieval.k": 3, "retrieval.fusion": "rrf", "server.port": 9}
    )
    assert answer.status_code == 200
    assert answer.json()["restart"] == ["server.port"]
    before = (serve.root / "loresmith.toml").read_bytes()
    assert b"k = 3" in before
    for body in (
        {"retrieval.k": 5, "retrieval.mode": "magic"},
        {"retrieval.kk": 5},
        {"retrieval": 5},
        {"model.name.x": "y"},
        {"sources": []},
        {"retrieval.k": [1]},
    ):
        refused = client.post("/api/settings", json=body)
        assert (refused.status_code, refused.json()["error"]["type"]) == (422, "invalid_request_error")
    assert (serve.root / "loresmith.toml").read_bytes() == before
    assert len(client.get("/api/search", params={"q": "torque oil salary"}).json()["hits"]) <= 3
    client.post("/api/settings", json={"retrieval.k": None, "retrieval.fusion": None})
    assert b"k = 3" not in (serve.root / "loresmith.toml").read_bytes()


def test_settings_show_no_password_and_are_an_owners(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    client = serve()
    client.post("/api/settings", json={"model.endpoint": "http://user:pass-word@127.0.0.1:9/v1"})
    told = client.get("/api/settings").text
    assert "127.0.0.1:9/v1" in told
    assert "pass-word" not in told
    assert "sk-very-secret" not in told
    editor = serve.key("otto", "editor", ["staff"])
    assert client.get("/api/settings", headers=editor).status_code == 403
    assert client.post("/api/settings", json={"retrieval.k": 2}, headers=editor).status_code == 403
    assert client.get("/api/doctor", headers=editor).status_code == 403
