"""The local embedder: the vectors of sentence-transformers, alone or beside others."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from loresmith.config import EmbedderSection
from loresmith.errors import ModelError
from loresmith.models import bert_graph, embedders, load_embedder
from loresmith.types import Embedder

REFERENCE = json.loads(Path(__file__).with_name("minilm_reference.json").read_text("utf-8"))
TEXTS = REFERENCE["texts"]
VECTORS = np.frombuffer(base64.b64decode(REFERENCE["vectors"]), "<f4").reshape(len(TEXTS), -1)


@pytest.fixture(scope="module")
def minilm(model_files):
    model_files("all-MiniLM-L6-v2")
    made = load_embedder(EmbedderSection())
    yield made
    made.close()


@pytest.fixture
def copied(model_files, tmp_path):
    (folder,) = model_files("all-MiniLM-L6-v2")
    copy = tmp_path / "model"
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns(".*"))
    return copy


def test_the_engine_reports_to_nobody(tmp_path):
    """What onnxruntime counts for its makers begins with a name for this machine, kept in the cache."""
    environment = {k: v for k, v in os.environ.items() if k not in ("CI", "ORT_DISABLE_TELEMETRY")}
    environment |= {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    program = "from loresmith.models import embedders; embedders.onnxruntime.SessionOptions()"
    subprocess.run([sys.executable, "-c", program], env=environment, check=True, timeout=120)
    assert [path for path in tmp_path.rglob("*") if "onnx" in path.name] == []


@pytest.mark.models
def test_the_vectors_are_those_of_sentence_transformers(minilm):
    cosines = (minilm.embed_passages(TEXTS) * VECTORS).sum(axis=1)
    assert cosines.min() > 0.999
    assert isinstance(minilm, Embedder)


@pytest.mark.models
@pytest.mark.parametrize("int8", [True, False], ids=["bytes", "32 bits"])
def test_both_graphs_give_them(copied, monkeypatch, int8):
    monkeypatch.setattr(embedders, "_multiplies_bytes", lambda: int8)
    made = load_embedder(EmbedderSection(name=str(copied)))
    cosines = (made.embed_passages(TEXTS) * VECTORS).sum(axis=1)
    made.close()
    assert cosines.min() > (0.999 if int8 else 0.99999)


@pytest.mark.models
def test_a_text_has_the_same_vector_in_any_company(minilm):
    alone = np.concatenate([minilm.embed_passages([text]) for text in TEXTS])
    together = minilm.embed_passages([*TEXTS, *reversed(TEXTS)])
    np.testing.assert_allclose(together[: len(TEXTS)], alone, atol=1e-5)
    np.testing.assert_allclose(together[len(TEXTS) :][::-1], alone, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(alone, axis=1), 1, atol=1e-5)


@pytest.mark.models
def test_odd_input(minilm):
    found = minilm.embed_passages(["", " ", "\x00", "a", "\U0001f600", "x" * 50_000])
    assert found.shape == (6, 384)
    assert np.isfinite(found).all()
    assert minilm.embed_passages([]).shape == (0, 384)
    assert minilm.embed_queries(["a"]).dtype == np.float32


@pytest.mark.models
def test_tokens_are_counted_as_the_limit_counts_them(minilm):
    assert minilm.max_tokens == 254
    assert minilm.count_tokens("") == 0
    assert minilm.count_tokens("pump " * 300) == 300
    longest = "pump " * 254
    assert np.allclose(
        minilm.embed_passages([longest]), minilm.embed_passages([longest + "valve"]), atol=1e-6
    )
    assert not np.allclose(
        minilm.embed_passages(["pump " * 253]), minilm.embed_passages(["pump " * 253 + "valve"]), atol=1e-3
    )


@pytest.mark.models
def test_fingerprint_follows_what_makes_the_vectors(copied, minilm):
    same = load_embedder(EmbedderSection(name=str(copied)))
    prefixed = load_embedder(EmbedderSection(name=str(copied), passage_prefix="passage: "))
    assert same.fingerprint.partition(":")[2] == minilm.fingerprint.partition(":")[2]
    assert prefixed.fingerprint != same.fingerprint
    assert np.allclose(prefixed.embed_passages(["pump"]), same.embed_passages(["passage: pump"]), atol=1e-6)
    weights = bytearray((copied / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (copied / "model.safetensors").write_bytes(weights)
    other = load_embedder(EmbedderSection(name=str(copied)))
    assert other.fingerprint != same.fingerprint


@pytest.mark.models
@pytest.mark.parametrize(
    ("name", "damage", "said"),
    [
        ("model.safetensors", None, "model.safetensors"),
        ("model.safetensors", lambda data: data[:1000], "model.safetensors"),
        ("tokenizer.json", lambda data: b"{}", "tokenizer.json"),
        ("config.json", lambda data: b"[", "config.json"),
        ("config.json", None, "config.json"),
    ],
)
def test_a_damaged_folder_is_named(copied, name, damage, said):
    path = copied / name
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ModelError, match=said):
        load_embedder(EmbedderSection(name=str(copied)))


@pytest.mark.models
def test_a_damaged_kept_graph_is_built_again(copied):
    first = load_embedder(EmbedderSection(name=str(copied))).embed_queries(["pump"])
    (kept,) = copied.glob(".*.onnx")
    kept.write_bytes(kept.read_bytes()[:5000])
    assert np.allclose(load_embedder(EmbedderSection(name=str(copied))).embed_queries(["pump"]), first)


@pytest.mark.parametrize("name", ["all-minilm-l6", "no/such-model", "./nowhere"])
def test_an_unknown_name_says_what_is_known(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises(ModelError, match=name) as raised:
        load_embedder(EmbedderSection(name=name))
    if name == "all-minilm-l6":
        assert "Did you mean all-MiniLM-L6-v2?" in str(raised.value)


@pytest.mark.parametrize("pooling", ["mean", "cls"])
@pytest.mark.parametrize("kind", ["bert", "xlm-roberta"])
def test_the_graph_of_a_tiny_model_agrees_with_transformers(pooling, kind, tmp_path):
    torch = pytest.importorskip("torch", reason="torch is not installed (extra transformers)")
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    shape = {
        "vocab_size": 50,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "max_position_embeddings": 40,
        "pad_token_id": 1,
        "type_vocab_size": 1,
    }
    made = {"bert": "Bert", "xlm-roberta": "XLMRoberta"}[kind]
    torch.manual_seed(0)
    config = getattr(transformers, made + "Config")(**shape)
    model = getattr(transformers, made + "Model")(config, add_pooling_layer=False).eval()
    ids = np.array([[5, 9, 17, 2], [8, 8, 30, 2]])
    with torch.no_grad():
        hidden = model(input_ids=torch.tensor(ids)).last_hidden_state.numpy()
    expected = hidden.mean(axis=1) if pooling == "mean" else hidden[:, 0]
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    weights = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    graph = bert_graph.build(config.to_dict(), weights, pooling, int8=False)
    (found,) = embedders._session(graph).run(None, {"ids": ids})
    np.testing.assert_allclose(found, expected, atol=1e-5)
