"""Embedders of other architectures, by sentence-transformers: a tiny random MPNet of the real class."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

from loresmith.config import EmbedderSection
from loresmith.errors import MissingExtra, ModelError
from loresmith.models import load_embedder
from loresmith.types import Embedder

VOCABULARY = ["<pad>", "<s>", "</s>", "[UNK]", "<mask>", "pump", "valve", "oil", "the", "is"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    torch = pytest.importorskip("torch", reason="torch is not installed (extra transformers)")
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    made = tmp_path_factory.mktemp("mpnet")
    torch.manual_seed(0)
    config = transformers.MPNetConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=24,
    )
    transformers.MPNetModel(config, add_pooling_layer=False).save_pretrained(made)
    tokenizer = Tokenizer(models.WordLevel({word: n for n, word in enumerate(VOCABULARY)}, "[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.BertProcessing(("</s>", 2), ("<s>", 1))
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="[UNK]", pad_token="<pad>", cls_token="<s>", sep_token="</s>"
    ).save_pretrained(made)
    (made / "1_Pooling").mkdir()
    pooling = {"word_embedding_dimension": 16, "pooling_mode_mean_tokens": True}
    (made / "1_Pooling/config.json").write_text(json.dumps(pooling))
    modules = [("", "models.Transformer"), ("1_Pooling", "models.Pooling")]
    listed = [
        {"idx": n, "name": str(n), "path": path, "type": f"sentence_transformers.{kind}"}
        for n, (path, kind) in enumerate(modules)
    ]
    (made / "modules.json").write_text(json.dumps(listed))
    (made / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 20}))
    return made


def test_vectors_of_another_architecture(folder):
    pytest.importorskip("sentence_transformers", reason="sentence-transformers is not installed")
    made = load_embedder(EmbedderSection(name=str(folder)))
    assert isinstance(made, Embedder)
    found = made.embed_passages(["the pump", "the valve is oil", ""])
    assert found.shape == (3, 16) == (3, made.dimension)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert made.embed_queries([]).shape == (0, 16)
    assert (made.count_tokens("the pump is"), made.max_tokens) == (3, 18)
    again = load_embedder(EmbedderSection(name=str(folder), query_prefix="the "))
    assert again.fingerprint != made.fingerprint
    np.testing.assert_allclose(again.embed_queries(["pump"]), found[:1], atol=1e-5)
    made.close()
    again.close()


def test_without_the_extra_the_install_line_is_said(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(MissingExtra, match=r'pip install "loresmith\[transformers\]"'):
        load_embedder(EmbedderSection(name=str(folder)))


def test_pickled_weights_are_not_loaded(folder, tmp_path):
    pytest.importorskip("sentence_transformers", reason="sentence-transformers is not installed")
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x04N.")
    with pytest.raises(ModelError, match="no safetensors"):
        load_embedder(EmbedderSection(name=str(tmp_path)))
