"""From files to searchable: Loresmith beside LlamaIndex and Haystack, and memory as documents grow.

    python benchmarks/ingest.py [--documents 200] [--rounds 3] [--others-python PYTHON]
    python benchmarks/ingest.py --memory 1000,20000

Comparison: the same text files (abstracts of SciFact, ../shared/data/scifact, four to a file), the same
all-MiniLM-L6-v2, passages of at most 200 tokens, each framework as its own documentation builds an
index. "bare embedder" embeds the passages that Loresmith cut, and does nothing else. Each runs in a
process of its own, all in turn, several rounds, the best of each counts; model loading is not counted.
Frameworks cut a little differently, so speed is also given in tokens of the files per second.

Memory: the peak of `sync` over many small files. `--others-python` names an interpreter that has
llama-index-core, llama-index-embeddings-huggingface, llama-index-vector-stores-lancedb and haystack-ai
with sentence-transformers (default: this one); what is not installed is left out.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("LORESMITH_SHARED_DATA", ROOT.parent / "shared/data")) / "scifact/corpus.jsonl"
PASSAGE_TOKENS = 200
WORDS = 150  # of English text are about 200 tokens
TITLES = {
    "loresmith": "Loresmith",
    "bare": "bare embedder",
    "llamaindex": "LlamaIndex",
    "haystack": "Haystack",
}

Result = dict[str, float]


def write_files(folder: Path, count: int, sentences: int | None = None) -> None:
    """`count` text files of four abstracts each; with `sentences`, of so many sentences each."""
    if not DATA.exists():
        sys.exit(f"{DATA} is missing: set LORESMITH_SHARED_DATA to the folder of the data sets.")
    with open(DATA, encoding="utf-8") as lines:
        found = [json.loads(line) for line in lines]
    for number in range(count):
        if sentences is None:
            chosen = [found[(4 * number + n) % len(found)] for n in range(4)]
            text = "\n\n".join(f"{d['title']}\n\n{d['text']}" for d in chosen)
        else:
            one = found[number % len(found)]
            text = f"Report {number}. " + ". ".join(one["text"].split(". ")[:sentences])
        place = folder / f"{number // 1000:03d}"
        place.mkdir(exist_ok=True)
        (place / f"{number:06d}.txt").write_text(text, encoding="utf-8")


# --- the ways; each is called in a process of its own -----------------------------------------


def loresmith(files: Path, model: Path, temporary: Path) -> tuple[Callable[[], int], int]:
    sys.path.insert(0, str(ROOT))
    from loresmith import workspace
    from loresmith.config import EmbedderSection
    from loresmith.models import load_embedder
    from loresmith.sync import sync

    opened = workspace.create(
        temporary / "expert", {"embedder.name": str(model), "passages.tokens": PASSAGE_TOKENS}
    )
    opened = workspace.add_sources(opened, [str(files)])
    embedder = load_embedder(EmbedderSection(name=str(model)))
    embedder.embed_passages(["warm"])
    tokens = sum(embedder.count_tokens(p.read_text(encoding="utf-8")) for p in files.rglob("*.txt"))
    return lambda: sync(opened, embedder).passages, tokens


def bare(files: Path, model: Path, temporary: Path) -> tuple[Callable[[], int], int]:
    ingest, tokens = loresmith(files, model, temporary)
    ingest()
    from loresmith import workspace
    from loresmith.config import EmbedderSection
    from loresmith.index import open_current
    from loresmith.models import load_embedder
    from loresmith.state import State

    opened = workspace.open_dir(temporary / "expert")
    with State.open(opened.state_path) as state:
        store = open_current(opened, state)
        texts = [p.indexed_text() for d in state.document_ids() for p in store.of_document(d)]
        store.close()
    embedder = load_embedder(EmbedderSection(name=str(model)))
    embedder.embed_passages(texts[:16])
    return lambda: len(embedder.embed_passages(texts)), tokens


def llamaindex(files: Path, model: Path, temporary: Path) -> tuple[Callable[[], int], int]:
    from llama_index.core import SimpleDirectoryReader, StorageContext, VectorStoreIndex
    from llama_index.core.node_parser import SentenceSplitter
    from llama_index.embeddings.huggingface import HuggingFaceEmbedding
    from llama_index.vector_stores.lancedb import LanceDBVectorStore

    embedder = HuggingFaceEmbedding(model_name=str(model), device="cpu", embed_batch_size=64)
    embedder.get_text_embedding("warm")
    # No more than what fits a passage elsewhere: the tokenizer of the model itself counts.
    tokenizer = embedder._model.tokenizer
    splitter = SentenceSplitter(
        chunk_size=PASSAGE_TOKENS,
        chunk_overlap=0,
        include_metadata=False,
        tokenizer=lambda text: tokenizer(text, add_special_tokens=False)["input_ids"],
    )
    store = LanceDBVectorStore(uri=str(temporary / "lance"), mode="overwrite")

    def ingest() -> int:
        documents = SimpleDirectoryReader(str(files), recursive=True).load_data()
        nodes = splitter.get_nodes_from_documents(documents)
        for node in nodes:
            node.excluded_embed_metadata_keys = list(node.metadata)
        context = StorageContext.from_defaults(vector_store=store)
        VectorStoreIndex(nodes, storage_context=context, embed_model=embedder)
        return len(nodes)

    return ingest, 0


def haystack(files: Path, model: Path, temporary: Path) -> tuple[Callable[[], int], int]:
    from haystack import Pipeline
    from haystack.components.converters import TextFileToDocument
    from haystack.components.preprocessors import DocumentSplitter
    from haystack.components.writers import DocumentWriter
    from haystack.document_stores.in_memory import InMemoryDocumentStore
    from haystack.utils import ComponentDevice

    try:
        from haystack.components.embedders import SentenceTransformersDocumentEmbedder
    except ImportError:  # moved to its own integration
        from haystack_integrations.components.embedders.sentence_transformers import (
            SentenceTransformersDocumentEmbedder,
        )

    store = InMemoryDocumentStore()
    embedder = SentenceTransformersDocumentEmbedder(
        model=str(model), device=ComponentDevice.from_str("cpu"), batch_size=64, progress_bar=False
    )
    embedder.warm_up()
    pipeline = Pipeline()
    pipeline.add_component("read", TextFileToDocument())
    pipeline.add_component("split", DocumentSplitter(split_by="word", split_length=WORDS, split_overlap=0))
    pipeline.add_component("embed", embedder)
    pipeline.add_component("write", DocumentWriter(store))
    for first, second in (("read", "split"), ("split", "embed"), ("embed", "write")):
        pipeline.connect(first, second)
    sources = sorted(files.rglob("*.txt"))
    return lambda: int(pipeline.run({"read": {"sources": sources}})["write"]["documents_written"]), 0


# --- measuring --------------------------------------------------------------------------------


def work(way: str, files: Path, model: Path) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        ingest, tokens = globals()[way](files, model, Path(temporary))
        start, used = time.perf_counter(), cpu_seconds()
        passages = ingest()
        spent = {"seconds": time.perf_counter() - start, "cpu": cpu_seconds() - used}
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    found = {"passages": passages, "tokens": tokens, "memory_mb": memory, "parser_mb": children}
    print(json.dumps(spent | found))


def cpu_seconds() -> float:
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(used.ru_utime + used.ru_stime for used in map(resource.getrusage, whose))


def run(way: str, python: str, files: Path, model: Path) -> Result | None:
    quiet = os.environ | {"HF_HUB_OFFLINE": "1", "HAYSTACK_TELEMETRY_ENABLED": "False"}
    command = [python, __file__, "--work", way, str(files), str(model)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=quiet)
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["no message"]
        print(f"{TITLES[way]}: left out ({last[0]})", file=sys.stderr)
        return None
    result: Result = json.loads(done.stdout.splitlines()[-1])
    return result


def compare(count: int, rounds: int, python: str, model: Path) -> None:
    best: dict[str, Result] = {}
    with tempfile.TemporaryDirectory() as temporary:
        files = Path(temporary)
        write_files(files, count)
        for _ in range(rounds):
            for way in TITLES:
                own = way in ("loresmith", "bare")
                if found := run(way, sys.executable if own else python, files, model):
                    known = best.setdefault(way, found)
                    best[way] = known | {k: min(known[k], found[k]) for k in ("seconds", "cpu")}
    tokens = best["loresmith"]["tokens"]
    print("| | passages | seconds | passages/s | tokens of the files/s | CPU-s | memory MB |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for way, found in best.items():
        print(
            f"| {TITLES[way]} | {found['passages']} | {found['seconds']:.1f} "
            f"| {found['passages'] / found['seconds']:.1f} | {tokens / found['seconds']:.0f} "
            f"| {found['cpu']:.1f} | {found['memory_mb']:.0f} |"
        )
    own = best["loresmith"]
    wall, cpu = (best["bare"][key] / own[key] for key in ("seconds", "cpu"))
    print(f"\nOf the bare embedder's speed: {wall:.0%} by the clock, {cpu:.0%} by CPU-seconds.")
    others = [best[way] for way in ("llamaindex", "haystack") if way in best]
    if others:
        wall = min(o["seconds"] for o in others) / own["seconds"]
        cpu = min(o["cpu"] for o in others) / own["cpu"]
        print(f"The better of the others takes {wall:.2f} times as long, {cpu:.2f} times the CPU-seconds.")


def memory(sizes: list[int], model: Path) -> None:
    print("| documents | passages | seconds | peak MB | peak MB of a parser |")
    print("| --- | --- | --- | --- | --- |")
    for size in sizes:
        with tempfile.TemporaryDirectory() as temporary:
            write_files(Path(temporary), size, sentences=2)
            if found := run("loresmith", sys.executable, Path(temporary), model):
                print(
                    f"| {size:,} | {found['passages']:,} | {found['seconds']:.0f} "
                    f"| {found['memory_mb']:.0f} | {found['parser_mb']:.0f} |",
                    flush=True,
                )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--documents", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--others-python", default=sys.executable)
    parser.add_argument("--memory", help="numbers of documents, such as 1000,20000")
    parser.add_argument("--work", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.work:
        way, files, folder = args.work
        work(way, Path(files), Path(folder))
        return
    sys.path.insert(0, str(ROOT))
    from loresmith.models import download, registry

    model = download.ensure(registry.find("all-MiniLM-L6-v2"))
    if args.memory:
        memory([int(size) for size in args.memory.split(",")], model)
    else:
        compare(args.documents, args.rounds, args.others_python, model)


if __name__ == "__main__":
    main()
