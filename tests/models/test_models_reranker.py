"""The user's cross-encoder: a tiny random BERT of the real class orders what retrieval found."""

from __future__ import annotations

import pytest

from loresmith.errors import ModelError
from loresmith.models import load_reranker

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "pump", "valve", "oil", "the", "is"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    torch = pytest.importorskip("torch", reason="torch is not installed (extra transformers)")
    pytest.importorskip("sentence_transformers", reason="sentence-transformers is not installed")
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    made = tmp_path_factory.mktemp("reranker")
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=24,
        num_labels=1,
        initializer_range=1.0,
    )
    transformers.BertForSequenceClassification(config).save_pretrained(made)
    tokenizer = Tokenizer(models.WordLevel({word: n for n, word in enumerate(VOCABULARY)}, "[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="[UNK]", pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]"
    ).save_pretrained(made)
    return made


def test_each_text_gets_its_own_score_whatever_stands_beside_it(folder):
    score = load_reranker(str(folder))
    together = score("the pump", ["the valve is oil", "pump", "oil oil oil the"])
    alone = [score("the pump", [text])[0] for text in ("the valve is oil", "pump", "oil oil oil the")]
    assert together == pytest.approx(alone, abs=1e-5)
    assert len({round(s, 6) for s in together}) == 3


@pytest.mark.parametrize("files", [[], ["config.json"]])
def test_a_folder_without_a_model_is_named(tmp_path, files):
    for name in files:
        (tmp_path / name).write_text("{}")
    with pytest.raises(ModelError, match=str(tmp_path)):
        load_reranker(str(tmp_path))
