"""Labels that change: of a document, of a key, by a release; what was told before is not told again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from helpers import HashEmbedder
from leaking import (
    DRAWN,
    amounts,
    answer_in,
    canary,
    check,
    column,
    document_of,
    make,
    rows_of,
    table_of,
    text_of,
)
from serving import LOCAL, MANUAL, QUESTION, Serve
from starlette.testclient import TestClient

from loresmith import releases
from loresmith import workspace as folders
from loresmith.evaluation.comparison import store as reports
from loresmith.models.fake import FakeModel
from loresmith.server.app import create_app
from loresmith.server.models import Served
from loresmith.state import State, learning
from loresmith.sync import sync
from loresmith.training import adapters
from loresmith.types import LanguageModel, Message, Progress

HR = ("hr",)
WORD = canary(HR)
SECRET = f"What is the secret codeword of the {WORD} vault?"
FIGURE = f"What is the amount of {WORD} pump 3?"


@dataclass
class Plant:
    """A workspace in which the documents of `hr` are still for everybody."""

    root: Path
    serve: Serve
    client: TestClient
    prompts: list[str] = field(default_factory=list)

    def relabel(
        self,
        labels: Sequence[str],
        embedder: HashEmbedder | None = None,
        progress: Progress | None = None,
    ) -> None:
        folder = folders.open_dir(self.serve.root)
        folders.remove_source(folder, str(self.root / "papers"))
        folder = folders.open_dir(self.serve.root)
        folders.add_sources(folder, [str(self.root / "papers")], labels)
        sync(folders.open_dir(self.serve.root), embedder or HashEmbedder(), progress=progress)

    def ask(self, question: str, headers: dict[str, str], **more: Any) -> dict[str, Any]:
        answer = self.client.post("/api/ask", json={"question": question, **more}, headers=headers)
        return answer_in(answer.text)


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Plant]:
    (tmp_path / "papers").mkdir()
    (tmp_path / "docs").mkdir()
    (tmp_path / "papers" / document_of(HR)).write_text(text_of(HR))
    (tmp_path / "papers" / table_of(HR)).write_text(rows_of(HR))
    (tmp_path / "papers" / DRAWN).write_bytes(
        make.pdf([make.PdfPage([(72, 90, 12, f"The plan of {WORD}.")])])
    )
    (tmp_path / "docs" / "p-200.md").write_text(MANUAL)
    folder = folders.create(tmp_path / "plant", {"model.name": "none", "parsing.workers": 1})
    folder = folders.add_sources(folder, [str(tmp_path / "docs"), str(tmp_path / "papers")])
    assert not sync(folders.open_dir(folder.root), HashEmbedder()).failed
    with ExitStack() as stack:
        serve = Serve(tmp_path / "plant", stack)
        prompts: list[str] = []

        def parrot(messages: Sequence[Message]) -> str:
            shown = "\n".join(message["content"] for message in messages)
            prompts.append(shown)
            return shown[-600:]

        serve.key("olga", "owner")
        yield Plant(tmp_path, serve, serve(FakeModel(parrot)), prompts)


def faces(plant: Plant, headers: dict[str, str], passages: Sequence[str]) -> list[str]:
    """Everything through which the papers could be seen."""
    client = plant.client
    gets: list[tuple[str, dict[str, Any]]] = [
        ("/api/documents", {}),
        ("/api/status", {}),
        *(("/api/search", {"q": q, "k": 50, "mode": m}) for q in (SECRET, WORD) for m in ("text", "dense")),
        *(("/api/similar", {"document": d}) for d in (document_of(HR), "p-200.md")),
        *((f"/api/source/{passage}", {}) for passage in passages),
        *((f"/api/page/{DRAWN}/1.png", {}) for _ in range(1)),
        ("/api/tables", {"document": table_of(HR)}),
        ("/api/row", {"document": table_of(HR), "row": 3}),
    ]
    found = [client.get(path, params=params, headers=headers).text for path, params in gets]
    for question in (
        SECRET,
        FIGURE,
        f"How many rows are in {table_of(HR)[:-4]}?",
        "And that again?",
        QUESTION,
    ):
        for more in ({}, {"chat": "talk"}, {"documents": [document_of(HR), table_of(HR)]}):
            body = {"question": question, **more}
            found.append(client.post("/api/ask", json=body, headers=headers).text.replace(question, ""))
    return found


SENT = " ".join((SECRET, FIGURE, document_of(HR), table_of(HR), DRAWN))


def secrets(answers: Sequence[str]) -> list[str]:
    told = (f"{WORD}-4711", column(HR), *(str(n) for n in amounts(HR)), *(f"{n:,}" for n in amounts(HR)))
    return [secret for secret in told if any(secret in body for body in answers)]


def test_what_gets_a_label_is_gone_for_who_lacks_it(plant: Plant) -> None:
    ben, anna = plant.serve.key("ben"), plant.serve.key("anna", "reader", HR)
    told = plant.ask(SECRET, ben, chat="talk")
    assert f"{WORD}-4711" in told["answer"]["answer"]
    assert str(amounts(HR)[3]) in plant.ask(FIGURE, ben, chat="talk")["answer"]["answer"].replace(",", "")
    hits = plant.client.get("/api/search", params={"q": WORD, "k": 50}, headers=ben).json()["hits"]
    passages = [hit["passage"] for hit in hits if hit["document"] != "p-200.md"]
    assert plant.client.get(f"/api/page/{DRAWN}/1.png", headers=ben).status_code == 200
    assert len(secrets(faces(plant, ben, passages))) > 3
    plant.relabel(HR)
    plant.prompts.clear()
    assert secrets(faces(plant, ben, passages)) == []
    check((), SENT, [p.replace(SECRET, "").replace(FIGURE, "") for p in plant.prompts], "prompt")
    assert len(secrets(faces(plant, anna, passages))) > 3
    # What he says now of what he was told then is kept under the label.
    said = {"answer": told["id"], "verdict": "approved"}
    assert plant.client.post("/api/feedback", json=said, headers=ben).status_code == 201
    with State.open(folders.open_dir(plant.serve.root).state_path) as state:
        (row,) = learning.feedback(state)
    assert row.payload["labels"] == ["hr"]
    assert not [p for p in row.payload["passages"] if p["document"] != "p-200.md"]
    plant.relabel(())
    assert len(secrets(faces(plant, ben, passages))) > 3


def test_a_label_counts_also_while_a_new_index_is_being_built(plant: Plant) -> None:
    """The new index grows beside the old one, which answers until it is whole."""
    ben = plant.serve.key("ben")
    seen: list[list[str]] = []
    path = folders.open_dir(plant.serve.root).state_path

    def look(stage: str, done: int, total: int | None) -> None:
        with State.open(path) as state:
            labels = {info.id: info.labels for info in state.infos()}
        if labels[document_of(HR)] == HR:
            faces = ("/api/search", {"q": WORD, "k": 50}), ("/api/similar", {"document": "p-200.md", "k": 50})
            got = [plant.client.get(path, params=params, headers=ben).text for path, params in faces]
            got += [json.dumps(plant.ask(question, ben)) for question in (SECRET, FIGURE)]
            seen.append(secrets(got))

    plant.relabel(HR, HashEmbedder(dimension=48), look)
    assert seen
    assert not any(seen), seen


def test_a_key_that_loses_a_label_loses_what_it_was_told(plant: Plant) -> None:
    plant.relabel(HR)
    anna = plant.serve.key("anna", "reader", HR)
    for question in (SECRET, FIGURE):
        assert secrets([json.dumps(plant.ask(question, anna, chat="talk"))])
    path = folders.open_dir(plant.serve.root).keys_path
    content = json.loads(path.read_text())
    content["keys"][-1]["labels"] = []
    folders.write_atomic(path, json.dumps(content).encode())
    plant.prompts.clear()
    assert secrets(faces(plant, anna, ())) == []
    check((), SENT, [p.replace(SECRET, "").replace(FIGURE, "") for p in plant.prompts], "prompt")


def test_a_report_keeps_the_labels_of_documents_that_are_gone(plant: Plant) -> None:
    made = {"id": "0123456789ab", "arms": ["rag"], "settings": {}, "labels": ["board"], "asked": 0}
    reports.create(folders.open_dir(plant.serve.root).reports_dir, made, [])
    edi = plant.serve.key("edi", "editor", HR)
    mia = plant.serve.key("mia", "editor", ["board"])
    for path in ("/api/reports", "/api/reports/0123456789ab", "/api/jobs"):
        assert plant.client.get(path, headers=edi).status_code == 403
    assert plant.client.get("/api/reports", headers=mia).status_code == 200


# --- adapters ----------------------------------------------------------------------------------------


LEARNED = "It is learned-4711."


class Tuned(FakeModel):
    """A model that has learned the secret."""

    def __init__(self, adapter: str) -> None:
        super().__init__(LEARNED, name="tuned")
        self.adapter = adapter

    @property
    def base(self) -> LanguageModel:
        return FakeModel("No idea.")


def adapter(plant: Plant, name: str, **card: Any) -> str:
    folder = folders.open_dir(plant.serve.root).adapters_dir / name
    folder.mkdir(parents=True)
    card = {"id": name, "base_model": "m", "method": "lora", "labels": [], **card}
    (folder / "card.json").write_text(json.dumps(card))
    for file in ("adapter_config.json", "adapter_model.safetensors"):
        (folder / file).write_text("{}")
    return name


@contextmanager
def tuned(plant: Plant, name: str) -> Iterator[TestClient]:
    app = create_app(
        plant.serve.root,
        overrides={"model.name": "m"},
        models=Served(HashEmbedder(), FakeModel("No idea."), Tuned(name)),  # type: ignore[arg-type]
    )
    with TestClient(app, base_url=LOCAL) as client:
        yield client


def answered(client: TestClient, model: str, headers: dict[str, str]) -> tuple[int, str]:
    body = {"model": model, "messages": [{"role": "user", "content": "Which codeword?"}]}
    plain = client.post("/v1/chat/completions", json=body, headers=headers)
    streamed = client.post("/v1/chat/completions", json={**body, "stream": True}, headers=headers)
    newer = client.post("/v1/responses", json={"model": model, "input": "Which codeword?"}, headers=headers)
    assert plain.status_code == streamed.status_code == newer.status_code
    return plain.status_code, plain.text + streamed.text + newer.text


def test_an_adapter_answers_only_who_holds_all_its_labels(plant: Plant) -> None:
    name = adapter(plant, "lora-0123abcd", labels=["hr"])
    folder = folders.open_dir(plant.serve.root)
    adapters.use(folder.adapters_dir, name)
    ben, anna = plant.serve.key("ben", "reader", ["lab"]), plant.serve.key("anna", "reader", ["hr", "lab"])
    with tuned(plant, name) as client:
        assert "learned" in answered(client, "loresmith-tuned", anna)[1]
        # A release that comes while somebody is asking.
        for released in (False, True):
            if released:
                releases.promote(folder, "tuned", reason="a test")
                assert "learned" in answered(client, "loresmith", anna)[1]
            for model in ("loresmith-tuned", "loresmith-both"):
                assert answered(client, model, ben)[0] == 403
            status, text = answered(client, "loresmith", ben)
            assert (status, "learned" in text) == (200, False)
            for arm in ("tuned", "both"):
                asked = client.post("/api/ask", json={"question": "Which codeword?", "arm": arm}, headers=ben)
                assert (asked.status_code, "learned" in asked.text) == (403, False)
            shown = [client.get(path, headers=ben) for path in ("/api/status", "/v1/models")]
            assert not any(name in one.text or "tuned" in one.text for one in shown)
            assert client.get("/v1/models/loresmith-tuned", headers=ben).status_code == 404


def test_the_released_adapter_is_not_named_to_who_may_not_have_it(plant: Plant) -> None:
    """Also where another one is in use, which everybody may have."""
    hidden = adapter(plant, "lora-0123abcd", labels=["hr"])
    folder = folders.open_dir(plant.serve.root)
    adapters.use(folder.adapters_dir, hidden)
    releases.promote(folder, "tuned", reason="a test")
    public = adapter(plant, "lora-4567cdef")
    adapters.use(folder.adapters_dir, public)
    ben, anna = plant.serve.key("ben"), plant.serve.key("anna", "reader", ["hr"])
    with tuned(plant, hidden) as client:
        told = client.get("/api/status", headers=ben).json()
        assert (told["release"], told["adapter"]) == (None, public)
        assert client.get("/api/status", headers=anna).json()["release"]["adapter"] == hidden
        status, text = answered(client, "loresmith", ben)
        assert (status, "learned" in text) == (200, False)


def test_a_label_on_what_an_adapter_was_trained_on_counts_for_it(plant: Plant) -> None:
    name = adapter(plant, "lora-0123abcd", dataset={"documents": {document_of(HR): "v"}})
    adapters.use(folders.open_dir(plant.serve.root).adapters_dir, name)
    ben = plant.serve.key("ben")
    with tuned(plant, name) as client:
        assert answered(client, "loresmith-tuned", ben)[0] == 200
        plant.relabel(HR)
        status, text = answered(client, "loresmith-tuned", ben)
        assert (status, "learned" in text) == (403, False)
