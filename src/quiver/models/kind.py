"""Kind: whether a checkpoint embeds or reranks.

``config.json`` does not tell: published embedders and rerankers both say Qwen3ForCausalLM. The evidence is
read in the order of its strength, and the first that speaks decides.
"""

import json
from collections.abc import Callable
from pathlib import Path

from quiver.errors import CheckpointError
from quiver.models.catalog import ModelKind
from quiver.models.config import ModelConfig
from quiver.models.json_file import read_json


def detect_kind(folder: Path, config: ModelConfig, name: str) -> ModelKind:
    """What the checkpoint is for; a bare causal language model counts as a reranker."""
    evidence: tuple[Callable[[], ModelKind | None], ...] = (
        lambda: _from_modules(folder),
        lambda: _from_architecture(config),
        lambda: _from_name(Path(name).name),
        lambda: _from_tokenizer(folder),
    )
    return next((kind for read in evidence if (kind := read()) is not None), "reranker")


def _from_modules(folder: Path) -> ModelKind | None:
    """sentence-transformers' own declaration."""
    types = _module_types(folder)
    if "LogitScore" in types:
        return "reranker"
    return "embedder" if "Pooling" in types else None


def _from_architecture(config: ModelConfig) -> ModelKind | None:
    by_architecture: dict[str, ModelKind] = {
        "Qwen3Model": "embedder",
        "Qwen3ForSequenceClassification": "reranker",
    }
    return by_architecture.get(config.architecture)


def _from_name(name: str) -> ModelKind | None:
    if "rerank" in name.lower():
        return "reranker"
    return "embedder" if "embed" in name.lower() else None


def _from_tokenizer(folder: Path) -> ModelKind | None:
    """Only embedders' tokenizers close a text with the end token by themselves."""
    tokenizer = read_json(folder / "tokenizer.json") or {}
    return "embedder" if "<|endoftext|>" in json.dumps(tokenizer.get("post_processor")) else None


def check_modules(folder: Path) -> None:
    """Raise CheckpointError if the embedder asks for more than last-token pooling and unit length."""
    unknown = set(_module_types(folder)) - {"Transformer", "Pooling", "Normalize"}
    if unknown:
        raise CheckpointError(
            f"{folder}/modules.json adds {', '.join(sorted(unknown))}, which would be left out: "
            "Quiver runs Transformer, Pooling and Normalize"
        )
    for pooling in sorted(folder.glob("*_Pooling/config.json")):
        settings = read_json(pooling) or {}
        modes = [mode for mode, chosen in settings.items() if mode.startswith("pooling_mode_") and chosen]
        declared = settings.get("pooling_mode")
        if declared not in (None, "lasttoken") or any(m != "pooling_mode_lasttoken" for m in modes):
            wanted = declared or ", ".join(modes)
            raise CheckpointError(f"{pooling} asks for {wanted}; Qwen3 embedding models pool the last token")


def _module_types(folder: Path) -> list[str]:
    modules = read_json(folder / "modules.json") or ()
    return [str(m.get("type", "")).rsplit(".", 1)[-1] for m in modules if isinstance(m, dict)]
