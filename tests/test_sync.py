"""Sync on real files: what changed is read, what did not is left alone, what went is gone."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from helpers import HashEmbedder, texts_of

from loresmith import workspace as folders
from loresmith.errors import EndpointError, WorkspaceLocked
from loresmith.index import open_current
from loresmith.index.analysis import query_terms
from loresmith.state import MemoryRow, State
from loresmith.sync import sync
from loresmith.types import Filter, Vectors
from loresmith.verify import verify
from loresmith.workspace import WorkspaceDir


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "pump.txt").write_text("The P-200 pump delivers 40 litres.\n\nTighten the bolts to 25 Nm.\n")
    (folder / "valve.md").write_text(
        "# Valve\n\nThe valve opens at 3 bar.\n\n## Care\n\nGrease it monthly.\n"
    )
    (folder / "log.csv").write_text("date,work\n2026-01-02,seal replaced\n2026-02-03,bearing greased\n")
    return folder


@pytest.fixture
def plant(tmp_path: Path, docs: Path) -> WorkspaceDir:
    return folders.add_sources(folders.create(tmp_path / "plant", {"parsing.workers": 1}), [str(docs)])


def found(plant: WorkspaceDir, words: str, where: Filter | None = None) -> list[str]:
    with State.open(plant.state_path) as state:
        hits = open_current(plant, state).search_text(
            query_terms(words, state.languages()), 10, where or Filter()
        )
        return [p.document for p, _ in hits]


def counts(report: dict[str, object]) -> tuple[int, ...]:
    documents = report["documents"]
    assert isinstance(documents, dict)
    return tuple(documents[kind] for kind in ("added", "changed", "removed", "unchanged"))


def test_the_first_sync_makes_everything_searchable(plant: WorkspaceDir) -> None:
    embedder = HashEmbedder()
    report = sync(plant, embedder).to_dict()
    assert counts(report) == (3, 0, 0, 0)
    assert report["passages"] == report["embedded"] == len(embedder.embedded) > 0
    assert found(plant, "25") == ["pump.txt"]
    assert found(plant, "bearing") == found(plant, "2026-02-03") == ["log.csv"]
    assert verify(plant).ok


def test_unchanged_data_is_neither_parsed_nor_embedded(
    plant: WorkspaceDir, docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync(plant, HashEmbedder())
    os.utime(docs / "pump.txt", (1, 1))  # another time, the same bytes
    monkeypatch.setattr("loresmith.sync.reading.ParserPool", None)
    embedder = HashEmbedder()
    report = sync(plant, embedder).to_dict()
    assert counts(report) == (0, 0, 0, 3)
    assert embedder.embedded == []
    assert report["embedded"] == 0


def test_a_changed_file_replaces_its_passages_and_embeds_only_new_text(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    sections = [f"# Part {n}\n\nThe part number {n} weighs {n} kg.\n\n" for n in range(20)]
    (docs / "parts.md").write_text("".join(sections))
    plant = folders.add_sources(folders.create(tmp_path / "plant", {"parsing.workers": 1}), [str(docs)])
    before = sync(plant, HashEmbedder())
    sections[7] = "# Part 7\n\nPart seven was withdrawn.\n\n"
    (docs / "parts.md").write_text("".join(sections))
    embedder = HashEmbedder()
    report = sync(plant, embedder)
    assert (report.changed, report.passages) == (1, before.passages)
    assert [t for t in embedder.embedded if "withdrawn" in t] == embedder.embedded
    assert len(embedder.embedded) == 1
    assert len(found(plant, "withdrawn")) == 1
    assert "The part number 7 weighs 7 kg." not in "".join(texts_of(plant))
    assert verify(plant).ok


def test_a_deleted_file_is_gone_also_from_memory(plant: WorkspaceDir, docs: Path) -> None:
    sync(plant, HashEmbedder())
    with State.open(plant.state_path) as state:
        for number, document in enumerate(("valve.md", "pump.txt", "log.csv")):
            state.remember(
                MemoryRow(
                    id=str(number),
                    chat="c",
                    question="q",
                    answer="a",
                    documents=(document,),
                    labels=(),
                    created=1,
                )
            )
    (docs / "valve.md").unlink()
    (docs / "pump.txt").write_text("Something else.")
    report = sync(plant, HashEmbedder())
    assert (report.changed, report.removed, report.unchanged) == (1, 1, 1)
    assert found(plant, "valve") == found(plant, "25") == []
    with State.open(plant.state_path) as state:
        assert [entry.documents for entry in state.memory()] == [("log.csv",)]
    assert verify(plant).ok


def test_a_source_taken_off_the_list_takes_its_documents_along(plant: WorkspaceDir, docs: Path) -> None:
    sync(plant, HashEmbedder())
    plant = folders.remove_source(plant, str(docs))
    report = sync(plant, HashEmbedder())
    assert (report.removed, report.passages) == (3, 0)
    assert verify(plant).ok


def test_a_folder_that_is_not_mounted_is_reported_and_its_documents_stay(
    plant: WorkspaceDir, docs: Path
) -> None:
    before = sync(plant, HashEmbedder())
    docs.rename(docs.with_name("elsewhere"))
    report = sync(plant, HashEmbedder())
    assert (report.removed, report.passages) == (0, before.passages)
    assert [f.source for f in report.failed] == [str(docs)]
    assert "loresmith remove" in report.failed[0].reason
    assert "stays searchable" in report.failed[0].reason


def test_a_single_file_that_was_deleted_is_reported_and_gone(tmp_path: Path) -> None:
    file = tmp_path / "pump.txt"
    file.write_text("The pump delivers 80 litres a minute.")
    plant = folders.add_sources(folders.create(tmp_path / "plant"), [str(file)])
    sync(plant, HashEmbedder())
    file.unlink()
    report = sync(plant, HashEmbedder())
    assert (report.removed, report.passages) == (1, 0)
    assert [f.source for f in report.failed] == [str(file)]


def test_an_unreadable_file_is_one_line_and_not_tried_again(
    plant: WorkspaceDir, docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (docs / "broken.pdf").write_bytes(b"%PDF-1.4 nothing that follows is a PDF")
    first = sync(plant, HashEmbedder())
    assert first.added == 3
    assert [f.source for f in first.failed] == ["broken.pdf"]
    monkeypatch.setattr("loresmith.sync.reading.ParserPool", None)
    second = sync(plant, HashEmbedder())
    assert second.failed == first.failed
    assert verify(plant).ok


def test_a_file_that_turns_unreadable_loses_its_old_text(plant: WorkspaceDir, docs: Path) -> None:
    (docs / "a.pdf").write_text("x")
    sync(plant, HashEmbedder())
    (docs / "valve.md").write_bytes(b"")
    report = sync(plant, HashEmbedder())
    assert "valve.md" in [f.source for f in report.failed]
    assert found(plant, "valve") == []
    assert verify(plant).ok


def test_new_labels_are_set_without_embedding(plant: WorkspaceDir, docs: Path) -> None:
    sync(plant, HashEmbedder())
    assert found(plant, "25", Filter(access=())) == ["pump.txt"]
    plant = folders.add_sources(plant, [str(docs)], labels=["plant-a"])
    embedder = HashEmbedder()
    report = sync(plant, embedder)
    assert (report.changed, embedder.embedded) == (3, [])
    assert found(plant, "25", Filter(access=())) == []
    assert found(plant, "25", Filter(access=("plant-a",))) == ["pump.txt"]
    with State.open(plant.state_path) as state:
        assert state.document("pump.txt").labels == ("plant-a",)
    assert verify(plant).ok


def test_another_embedder_builds_a_new_generation_and_swaps(plant: WorkspaceDir, docs: Path) -> None:
    sync(plant, HashEmbedder(32, "one"))
    (docs / "valve.md").unlink()
    embedder = HashEmbedder(48, "two")
    report = sync(plant, embedder)
    assert report.passages == len(embedder.embedded)
    with State.open(plant.state_path) as state:
        current = state.current()
        assert current is not None
        assert (current.embedder, current.dimension) == ("two", 48)
        assert [g.status for g in state.generations()] == ["old", "current"]
        vector = embedder.embed_queries(["bolts 25 Nm"])[0]
        assert open_current(plant, state).search_dense(vector, 1, Filter())[0][0].document == "pump.txt"
    assert found(plant, "valve") == []
    assert verify(plant).ok


def test_another_metric_reuses_the_vectors(plant: WorkspaceDir, tmp_path: Path) -> None:
    sync(plant, HashEmbedder())
    embedder = HashEmbedder()
    report = sync(folders.open_dir(plant.root, {"index.metric": "l2"}), embedder)
    assert (report.embedded, embedder.embedded) == (0, [])
    with State.open(plant.state_path) as state:
        store = open_current(plant, state)
        vector = embedder.embed_queries(["bolts"])[0]
        assert store.metric == "l2"
        assert store.search_dense(vector, 1, Filter())[0][1] < 0
    assert verify(plant).ok


def test_old_generations_are_swept_once_no_reader_can_use_them(
    plant: WorkspaceDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync(plant, HashEmbedder(32, "one"))
    sync(plant, HashEmbedder(32, "two"))
    sync(plant, HashEmbedder(32, "two"))
    assert len(list(plant.index_dir.iterdir())) == 2
    monkeypatch.setattr("loresmith.sync.generations.KEEP_OLD_SECONDS", -1.0)
    sync(plant, HashEmbedder(32, "two"))
    assert len(list(plant.index_dir.iterdir())) == 1
    assert verify(plant).ok


def test_other_passage_settings_cut_again_but_do_not_parse(
    plant: WorkspaceDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync(plant, HashEmbedder())
    monkeypatch.setattr("loresmith.sync.reading.ParserPool", None)
    report = sync(folders.open_dir(plant.root, {"passages.tokens": 20}), HashEmbedder())
    assert report.unchanged == 3
    assert verify(plant).ok


def test_what_was_committed_before_an_endpoint_failed_stays(
    plant: WorkspaceDir, docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing(HashEmbedder):
        def embed_passages(self, texts: Sequence[str]) -> Vectors:
            if len(self.embedded) > 2:
                raise EndpointError("The endpoint is down.", "Try later.")
            return super().embed_passages(texts)

    monkeypatch.setattr("loresmith.sync.indexing.FIRST_BATCH", 1)
    monkeypatch.setattr("loresmith.sync.indexing.BATCH", 1)
    for number in range(10):
        (docs / f"note{number}.txt").write_text(f"Note number {number} about pumps.")
    with pytest.raises(EndpointError, match="down"):
        sync(plant, Failing())
    assert verify(plant).ok
    rest = HashEmbedder()
    report = sync(plant, rest)
    assert report.unchanged > 0
    assert 0 < len(rest.embedded) < report.passages
    assert sorted(set(found(plant, "note"))) == [f"note{n}.txt" for n in range(10)]


def test_a_second_writer_is_told_who_writes(plant: WorkspaceDir) -> None:
    with plant.writing(), pytest.raises(WorkspaceLocked, match=str(os.getpid())):
        sync(plant, HashEmbedder())


def test_progress_names_the_stages_in_order(plant: WorkspaceDir) -> None:
    seen: list[tuple[str, int, int | None]] = []
    sync(plant, HashEmbedder(), progress=lambda *event: seen.append(event))
    stages = list(dict.fromkeys(stage for stage, _, _ in seen))
    assert stages == ["scanning", "reading", "embedding", "indexing"]
    assert [e for e in seen if e[0] == "reading"][-1] == ("reading", 3, 3)
    done = [n for stage, n, _ in seen if stage == "embedding"]
    assert done == sorted(done)


def test_two_sources_with_one_name_stay_apart(plant: WorkspaceDir, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "pump.txt").write_text("The other pump is a submersible.")
    plant = folders.add_sources(plant, [str(other)], labels=["x"])
    assert sync(plant, HashEmbedder()).added == 4
    assert found(plant, "submersible") == ["other/pump.txt"]
    assert found(plant, "submersible", Filter(access=())) == []


def test_file_names_that_are_not_utf8_are_told_apart_and_read(plant: WorkspaceDir, docs: Path) -> None:
    for name, word in ((b"pomp\xff.txt", "alpha"), (b"pomp\xfe.txt", "omega")):
        (docs / os.fsdecode(name)).write_text(f"The {word} pump delivers.\n")
    assert sync(plant, HashEmbedder()).added == 5
    assert found(plant, "alpha") == ["pomp\\xff.txt"]
    assert found(plant, "omega") == ["pomp\\xfe.txt"]
    again = HashEmbedder()
    assert sync(plant, again).unchanged == 5
    assert not again.embedded


def test_what_was_never_read_is_not_said_to_stay(plant: WorkspaceDir) -> None:
    plant = folders.add_sources(plant, ["http://127.0.0.1:9/page"])
    (failure,) = sync(plant, HashEmbedder()).failed
    assert "private address" in failure.reason
    assert "stays searchable" not in failure.reason
