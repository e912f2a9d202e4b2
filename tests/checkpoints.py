"""Tiny random checkpoints in the published layout, written by transformers: the oracle's own files."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from tokenizers.trainers import BpeTrainer
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM, Qwen3Model

QWEN_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SPECIAL_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
PLAIN_ADDED_TOKENS = ("<think>", "</think>")
CORPUS = (
    "Judge whether the Document meets the requirements. The answer can only be yes or no. " * 3,
    "Instruct: Given a web search query, retrieve relevant passages.\nQuery: Why? Who?\nWhat?\n" * 3,
    "yes\nno\n" * 9,
    "What is the capital of China? The capital of China is Beijing. 北京是中国的首都。 naïve café" * 3,
)
QUERY_PROMPT = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"


def make_tokenizer(*, appends_end: bool = False) -> Tokenizer:
    """A byte-level BPE tokenizer with Qwen3's pattern and special tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(QWEN_PATTERN), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = BpeTrainer(vocab_size=400, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in SPECIAL_TOKENS])
    tokenizer.add_tokens([AddedToken(token, special=False) for token in PLAIN_ADDED_TOKENS])
    end = "<|endoftext|>"
    if appends_end:
        pair = (end, tokenizer.token_to_id(end))
        tokenizer.post_processor = processors.TemplateProcessing(single=f"$A {end}", special_tokens=[pair])
    return tokenizer


def write_checkpoint(
    folder: Path,
    kind: str = "embedding",
    *,
    causal: bool = False,
    tied: bool = True,
    dtype: torch.dtype = torch.float32,
    max_shard_size: str = "1GB",
    seed: int = 0,
    **config: Any,
) -> Path:
    """Write a random model of the kind: Qwen3Model for an embedder, Qwen3ForCausalLM for a reranker."""
    tokenizer = make_tokenizer(appends_end=kind == "embedding")
    shape: dict[str, Any] = {
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "initializer_range": 0.15,
    }
    settings = Qwen3Config(
        vocab_size=tokenizer.get_vocab_size(),
        max_position_embeddings=2048,
        tie_word_embeddings=tied,
        **(shape | config),
    )
    torch.manual_seed(seed)
    model = (Qwen3ForCausalLM if causal or kind == "reranker" else Qwen3Model)(settings)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "norm" in name:
                weight.copy_(1 + 0.1 * torch.randn_like(weight))
    model.to(dtype=dtype)  # type: ignore[call-arg]
    model.save_pretrained(folder, max_shard_size=max_shard_size)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>", padding_side="left"
    ).save_pretrained(folder)
    if kind == "embedding":
        _write_sentence_transformers_files(folder, settings.hidden_size)
    return folder


def write_mixed_types(folder: Path) -> Path:
    """A random embedder stored in eight bits, but for some tensors of its first layer's attention."""
    write_checkpoint(folder, dtype=torch.float8_e4m3fn)
    tensors = load_file(folder / "model.safetensors")
    wider = {"q_proj": torch.bfloat16, "o_proj": torch.float32, "q_norm": torch.float32}
    for name, dtype in wider.items():
        key = f"layers.0.self_attn.{name}.weight"
        tensors[key] = tensors[key].to(dtype)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    return folder


def edit_json(path: Path, **changes: Any) -> None:
    """Overwrite keys of a JSON file; a value of None removes the key."""
    settings = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in settings.items() if value is not None}))


def break_embedding_table(folder: Path) -> None:
    """Make every token's vector NaN."""
    tensors = load_file(folder / "model.safetensors")
    table = next(name for name in tensors if name.endswith("embed_tokens.weight"))
    tensors[table].fill_(torch.nan)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


def _write_sentence_transformers_files(folder: Path, hidden_size: int) -> None:
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
        {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
    ]
    pooling = {"word_embedding_dimension": hidden_size, "pooling_mode_lasttoken": True}
    off = ("cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens")
    pooling |= {f"pooling_mode_{mode}": False for mode in off} | {"include_prompt": True}
    prompts = {"prompts": {"query": QUERY_PROMPT, "document": ""}, "similarity_fn_name": "cosine"}
    (folder / "1_Pooling").mkdir(exist_ok=True)
    (folder / "2_Normalize").mkdir(exist_ok=True)
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    (folder / "config_sentence_transformers.json").write_text(json.dumps(prompts))
