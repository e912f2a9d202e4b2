"""Checkpoints of the real shapes with random weights, in the layout of the published models.

Speed, memory and parity do not depend on what the weights say; quality does: never read it off these.
Queries and keys are scaled so that attention is about as peaked as in a trained model, which lets errors of
position show. A 0.6B checkpoint takes 1.2 GB on disk, one layer of 8B 1.6 GB (reranker 2.9 GB).
"""

import argparse
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from benchmarks.command import BenchmarkError, need
from quiver.models.catalog import BUILTIN_EMBEDDER, BUILTIN_FOLDER
from quiver.text.prompts import DEFAULT_INSTRUCTION, query_prompt

Kind = Literal["embedding", "reranker"]

SHAPES: dict[str, dict[str, int]] = {
    "0.6B": {
        "hidden_size": 1024,
        "intermediate_size": 3072,
        "num_hidden_layers": 28,
        "num_attention_heads": 16,
    },
    "4B": {
        "hidden_size": 2560,
        "intermediate_size": 9728,
        "num_hidden_layers": 36,
        "num_attention_heads": 32,
    },
    "8B": {
        "hidden_size": 4096,
        "intermediate_size": 12288,
        "num_hidden_layers": 36,
        "num_attention_heads": 32,
    },
}
"""From the published config.json files; all have 8 key/value heads of 128."""

END = "<|endoftext|>"
DEFAULT_TOKENIZER = BUILTIN_FOLDER / BUILTIN_EMBEDDER / "tokenizer.json"


def add_options(parser: argparse.ArgumentParser, *, layers: int | None) -> None:
    """The options that say which checkpoint to make when none is given."""
    parser.add_argument("--size", choices=SHAPES, default="0.6B", help="shapes of the checkpoint to make")
    parser.add_argument(
        "--layers", type=int, default=layers, help=f"its layers (default: {layers or 'as published'}; 0: all)"
    )
    parser.add_argument(
        "--tokenizer", type=Path, default=DEFAULT_TOKENIZER, help="its tokenizer.json (default: built-in)"
    )


def describe(options: argparse.Namespace) -> str:
    """Which checkpoint a report is about."""
    return str(options.checkpoint or f"random {options.size}, {options.layers or 'all'} layers")


@contextmanager
def checkpoint(given: Path | None, kind: Kind, options: argparse.Namespace) -> Iterator[Path]:
    """The given folder, or a new random checkpoint that is removed afterwards."""
    if given is not None:
        if not (given / "config.json").is_file():
            raise BenchmarkError(f"{given} is no checkpoint: it has no config.json")
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="quiver-benchmark-") as folder:
        os.environ["XDG_CACHE_HOME"] = folder  # packed weights of a checkpoint that nobody will open again
        path = Path(folder) / f"{kind}-{options.size}"
        make_checkpoint(
            path, kind=kind, size=options.size, layers=options.layers or None, tokenizer=options.tokenizer
        )
        yield path


def make_checkpoint(
    folder: Path, *, kind: Kind, size: str, layers: int | None, tokenizer: Path, seed: int = 0
) -> None:
    """Write a checkpoint in bfloat16, as the published ones are."""
    if not tokenizer.is_file():
        raise BenchmarkError(f"there is no tokenizer at {tokenizer}; name one with --tokenizer FILE")
    shape = dict(SHAPES[size])
    if layers is not None:
        shape["num_hidden_layers"] = layers
    _write_weights(folder, kind, size, shape, seed)
    _write_tokenizer(folder, kind, tokenizer)
    if kind == "embedding":
        _write_modules(folder, shape["hidden_size"])


def _write_weights(folder: Path, kind: Kind, size: str, shape: dict[str, int], seed: int) -> None:
    import torch

    transformers = need("transformers")
    transformers.utils.logging.disable_progress_bar()
    config = transformers.Qwen3Config(
        vocab_size=151_665 if size == "8B" and kind == "embedding" else 151_669,
        head_dim=128,
        num_key_value_heads=8,
        max_position_embeddings=32_768 if size == "0.6B" else 40_960,
        rope_parameters={"rope_type": "default", "rope_theta": 1_000_000},
        rms_norm_eps=1e-6,
        tie_word_embeddings=size != "8B",
        attention_bias=False,
        **shape,
    )
    torch.manual_seed(seed)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        model = (transformers.Qwen3Model if kind == "embedding" else transformers.Qwen3ForCausalLM)(config)
    finally:
        torch.set_default_dtype(before)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "norm" in name:
                peak = 1.5 if "q_norm" in name or "k_norm" in name else 1.0
                weight.copy_(peak * (1 + 0.1 * torch.randn_like(weight)))
    model.save_pretrained(folder)


def _write_tokenizer(folder: Path, kind: Kind, source: Path) -> None:
    tokenizers, transformers = need("tokenizers"), need("transformers")
    tokenizer = tokenizers.Tokenizer.from_file(str(source))
    closing = [(END, tokenizer.token_to_id(END))]
    tokenizer.post_processor = (
        tokenizers.processors.TemplateProcessing(
            single=f"$A {END}", pair=f"$A {END} $B {END}", special_tokens=closing
        )
        if kind == "embedding"
        else tokenizers.processors.ByteLevel(trim_offsets=False)
    )
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",
        pad_token=END,
        padding_side="left",
        model_max_length=131_072,
    ).save_pretrained(folder)
    settings = folder / "tokenizer_config.json"
    written = json.loads(settings.read_text()) | {"tokenizer_class": "PreTrainedTokenizerFast"}
    settings.write_text(json.dumps(written, indent=2))  # a name that older transformers know, too


def _write_modules(folder: Path, hidden_size: int) -> None:
    """The files by which sentence-transformers knows the folder."""
    kinds = (("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize"))
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (path, kind) in enumerate(kinds)
    ]
    pooling = {
        "word_embedding_dimension": hidden_size,
        "pooling_mode_lasttoken": True,
        "pooling_mode_cls_token": False,
        "pooling_mode_mean_tokens": False,
        "include_prompt": True,
    }
    prompts = {"query": query_prompt(DEFAULT_INSTRUCTION), "document": ""}
    settings: dict[str, Any] = {
        "modules.json": modules,
        "1_Pooling/config.json": pooling,
        "config_sentence_transformers.json": {
            "prompts": prompts,
            "default_prompt_name": None,
            "similarity_fn_name": "cosine",
        },
    }
    (folder / "2_Normalize").mkdir()
    for name, content in settings.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content, indent=2))
