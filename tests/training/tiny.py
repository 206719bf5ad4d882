"""Tiny random models of the real classes, in folders as a user's own would be.

    from training.tiny import tiny_llama, tiny_phi3

The tokenizer is byte-level BPE (what GGUF calls "gpt2", pre-tokeniser "gpt-2") with a few merged
words, so that every text can be written and rows stay short. The same arguments give the same bytes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the extra: pip install loresmith[train]")
transformers = pytest.importorskip("transformers", reason="pip install loresmith[train]")

PHI3_TAGS = ("<|endoftext|>", "<|assistant|>", "<|system|>", "<|end|>", "<|user|>")
PHI3_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'system' %}{{ '<|system|>\n' + message['content'] + '<|end|>\n' }}"
    "{% elif message['role'] == 'user' %}{{ '<|user|>\n' + message['content'] + '<|end|>\n' }}"
    "{% elif message['role'] == 'assistant' %}{{ '<|assistant|>\n' + message['content'] + '<|end|>\n' }}"
    "{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}"
)
CHATML_TAGS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
CHATML_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
WORDS = (
    "You", " answer", " questions", " in", " one", " or", " two", " short", " sentences", " the", " is",
    " of", " for", " and", " with", " not", " documents", " passages", "What", "Which", "The", " torque",
    " bolt", " pump", " Nm", "user", "assistant", "system",
)  # fmt: skip


def tiny_phi3(
    folder: Path,
    *,
    layers: int = 2,
    hidden: int = 64,
    vocab: int = 0,
    heads: int = 4,
    seed: int = 0,
    pad: bool = True,
    template: bool = True,
    window: int = 1024,
) -> Path:
    """A `Phi3ForCausalLM` with fused qkv_proj and gate_up_proj; float32, untied, <|end|> ends a turn.

    Args:
        vocab: rows of the embedding where more are wanted than there are tokens.
        pad: False leaves out the padding token.  template: False leaves out the chat template.
    """
    tokenizer = _tokenizer(PHI3_TAGS, PHI3_TEMPLATE if template else None, "<|endoftext|>", pad)
    config = transformers.Phi3Config(
        **_shape(tokenizer, layers, hidden, heads, vocab, window),
        num_key_value_heads=heads,
        original_max_position_embeddings=window,
        tie_word_embeddings=False,
    )
    return _save(transformers.Phi3ForCausalLM, config, tokenizer, folder, seed)


def tiny_llama(
    folder: Path,
    *,
    layers: int = 2,
    hidden: int = 64,
    vocab: int = 0,
    heads: int = 4,
    seed: int = 0,
    pad: bool = True,
    template: bool = True,
    window: int = 1024,
) -> Path:
    """A `LlamaForCausalLM` as SmolLM2: grouped-query heads, tied head, ChatML. See `tiny_phi3`."""
    tokenizer = _tokenizer(CHATML_TAGS, CHATML_TEMPLATE if template else None, "<|im_end|>", pad)
    config = transformers.LlamaConfig(
        **_shape(tokenizer, layers, hidden, heads, vocab, window),
        num_key_value_heads=max(1, heads // 2),
        tie_word_embeddings=True,
    )
    return _save(transformers.LlamaForCausalLM, config, tokenizer, folder, seed)


def _shape(tokenizer: Any, layers: int, hidden: int, heads: int, vocab: int, window: int) -> dict[str, Any]:
    size = max(len(tokenizer), vocab)
    return {
        "vocab_size": size + -size % 32,
        "hidden_size": hidden,
        "intermediate_size": 2 * hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "max_position_embeddings": window,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }


def _tokenizer(tags: tuple[str, ...], template: str | None, end: str, pad: bool) -> Any:
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    written = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    vocabulary = dict.fromkeys(sorted(pre_tokenizers.ByteLevel.alphabet()))
    merges: dict[tuple[str, str], None] = {}
    for word in WORDS:
        [(letters, _)] = written.pre_tokenize_str(word)
        for n in range(1, len(letters)):
            merges[(letters[:n], letters[n])] = None
            vocabulary[letters[: n + 1]] = None
    backend = Tokenizer(models.BPE(vocab={t: i for i, t in enumerate(vocabulary)}, merges=list(merges)))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens([AddedToken(t, special=True) for t in ("<s>", *tags)])
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token="<s>",
        eos_token=end,
        pad_token="<|endoftext|>" if pad else None,
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = template
    return tokenizer


def _save(kind: Any, config: Any, tokenizer: Any, folder: Path, seed: int) -> Path:
    state = torch.random.get_rng_state()
    torch.manual_seed(seed)
    kind(config).save_pretrained(folder)
    torch.random.set_rng_state(state)
    tokenizer.save_pretrained(folder)
    return folder
