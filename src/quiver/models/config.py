"""Config: the shape of a Qwen3 model, read from ``config.json`` of transformers 4 or 5."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from quiver.errors import CheckpointError
from quiver.models.json_file import read_json

MOST_LAYERS = 1000
"""A file may claim anything; what it claims is laid out before the weights are looked at."""

ARCHITECTURES = ("Qwen3Model", "Qwen3ForCausalLM", "Qwen3ForSequenceClassification")


@dataclass(frozen=True, slots=True, kw_only=True)
class RopeConfig:
    """Rotary position embedding."""

    kind: Literal["default", "linear", "yarn"] = "default"
    theta: float = 10_000.0
    factor: float = 1.0
    original_length: int = 0
    """Trained length in tokens that YaRN stretches."""
    beta_fast: float = 32.0
    beta_slow: float = 1.0
    attention_factor: float | None = None
    """YaRN's temperature on cos and sin; None means the paper's 0.1 ln(factor) + 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """Shape of the network; sizes in elements, lengths in tokens."""

    architecture: str
    layers: int
    hidden_size: int
    intermediate_size: int
    query_heads: int
    key_value_heads: int
    head_dim: int
    vocabulary: int
    max_length: int
    rms_norm_eps: float
    tied_embeddings: bool
    rope: RopeConfig
    labels: int = 0
    """Rows of a sequence-classification head; 0 where there is none."""
    causal: bool = True
    """Whether a token attends to those before it only; else to its whole text."""
    retrieval_weight: float = 0.0
    """What a spread of the retriever's scores counts in those of a reranker's log-odds; Quiver's own key."""

    @property
    def query_size(self) -> int:
        """Width of all query heads together."""
        return self.query_heads * self.head_dim

    @property
    def key_value_size(self) -> int:
        """Width of all key (or value) heads together."""
        return self.key_value_heads * self.head_dim

    def prefix_budget(self, memory: int, element_size: int) -> int:
        """Tokens whose keys and values, kept in every layer, fill so many bytes.

        None are kept for others where attention is bidirectional: they depend on all that follows.
        """
        if not self.causal:
            return 0
        return max(1, memory // (2 * self.layers * self.key_value_size * element_size))

    def attended(self, tokens: int) -> int:
        """Sum over the tokens of one text of the positions that each one attends to."""
        return tokens * (tokens + 1) // 2 if self.causal else tokens**2

    def flops(self, tokens: int, attended: int) -> int:
        """Floating-point operations of a forward pass without head.

        ``tokens`` are computed; ``attended`` is the sum of their texts' ``attended``.
        """
        projections = self.hidden_size * (2 * self.query_size + 2 * self.key_value_size)
        feed_forward = 3 * self.hidden_size * self.intermediate_size
        attention = 2 * self.query_size
        return 2 * self.layers * (tokens * (projections + feed_forward) + attended * attention)


def read_config(folder: Path) -> ModelConfig:
    """Read ``folder/config.json``.

    Raises CheckpointError if the file is absent, malformed, or describes another architecture.
    """
    path = folder / "config.json"
    settings = read_json(path)
    if settings is None:
        raise CheckpointError(
            f"{folder} is no checkpoint: it has no config.json; give a folder in the Hugging Face layout "
            "(config.json, tokenizer.json, model.safetensors)"
        )
    if not isinstance(settings, dict):
        raise CheckpointError(f"{path} must hold a JSON object")
    try:
        return parse_config(settings)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from None
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise CheckpointError(f"{path} is malformed: {type(error).__name__} {error}") from error


def parse_config(settings: Mapping[str, Any]) -> ModelConfig:
    """Turn the settings of ``config.json`` into a ModelConfig; raises CheckpointError or KeyError."""
    architecture = _architecture(settings)
    _refuse_variants(settings)
    heads = int(settings["num_attention_heads"])
    hidden_size = int(settings["hidden_size"])
    max_length = int(settings["max_position_embeddings"])
    labels = 0
    if architecture == "Qwen3ForSequenceClassification":
        labels = int(settings.get("num_labels") or len(settings.get("id2label") or (0, 1)))
    config = ModelConfig(
        architecture=architecture,
        layers=int(settings["num_hidden_layers"]),
        hidden_size=hidden_size,
        intermediate_size=int(settings["intermediate_size"]),
        query_heads=heads,
        key_value_heads=int(settings.get("num_key_value_heads") or heads),
        head_dim=int(settings.get("head_dim") or hidden_size // heads),
        vocabulary=int(settings["vocab_size"]),
        max_length=max_length,
        rms_norm_eps=float(settings.get("rms_norm_eps", 1e-6)),
        tied_embeddings=bool(settings.get("tie_word_embeddings", False)),
        rope=_rope(settings, max_length),
        labels=labels,
        causal=_is_causal(settings),
        retrieval_weight=float(settings.get("retrieval_weight", 0.0)),
    )
    _check_sizes(config)
    return config


def _architecture(settings: Mapping[str, Any]) -> str:
    named = settings.get("architectures") or []
    if settings.get("model_type") != "qwen3" or (named and named[0] not in ARCHITECTURES):
        found = named[0] if named else settings.get("model_type") or "nothing"
        raise CheckpointError(
            f"the architecture is {found}; Quiver runs Qwen3 models ({', '.join(ARCHITECTURES)})"
        )
    return str(named[0]) if named else "Qwen3Model"


def _is_causal(settings: Mapping[str, Any]) -> bool:
    """By the key that transformers 5 and vLLM read; another kind of value may mean either."""
    causal = settings.get("is_causal", True)
    if not isinstance(causal, bool):
        raise CheckpointError(f"is_causal is {causal!r}, but must be true or false")
    return causal


def _refuse_variants(settings: Mapping[str, Any]) -> None:
    """Refuse what Qwen3's config class allows but no Qwen3 embedding model uses."""
    refused = {
        "attention_bias": bool(settings.get("attention_bias")),
        "hidden_act": settings.get("hidden_act", "silu") != "silu",
        "use_sliding_window": bool(settings.get("use_sliding_window")),
        "quantization_config": bool(settings.get("quantization_config")),
        "layer_types": any(t != "full_attention" for t in settings.get("layer_types") or ()),
    }
    for name, is_refused in refused.items():
        if is_refused:
            raise CheckpointError(f"{name}={settings.get(name)!r} is a variant Quiver does not run")


def _rope(settings: Mapping[str, Any], max_length: int) -> RopeConfig:
    """Read ``rope_parameters`` (transformers 5) or ``rope_theta`` with ``rope_scaling`` (4)."""
    scaling = settings.get("rope_parameters") or settings.get("rope_scaling") or {}
    theta = float(scaling.get("rope_theta") or settings.get("rope_theta") or 10_000.0)
    kind: Any = scaling.get("rope_type") or scaling.get("type") or "default"
    if kind not in ("default", "linear", "yarn"):
        raise CheckpointError(f"rope type {kind!r} is not supported; default, linear and yarn are")
    if kind == "default":
        return RopeConfig(theta=theta)
    attention_factor = scaling.get("attention_factor")
    return RopeConfig(
        kind=kind,
        theta=theta,
        factor=float(scaling["factor"]),
        original_length=int(scaling.get("original_max_position_embeddings") or max_length),
        beta_fast=float(scaling.get("beta_fast") or 32.0),
        beta_slow=float(scaling.get("beta_slow") or 1.0),
        attention_factor=None if attention_factor is None else float(attention_factor),
    )


def _check_sizes(config: ModelConfig) -> None:
    sizes = {
        "num_hidden_layers": config.layers,
        "hidden_size": config.hidden_size,
        "intermediate_size": config.intermediate_size,
        "num_attention_heads": config.query_heads,
        "num_key_value_heads": config.key_value_heads,
        "head_dim": config.head_dim,
        "vocab_size": config.vocabulary,
        "max_position_embeddings": config.max_length,
    }
    for name, size in sizes.items():
        if size < 1:
            raise CheckpointError(f"{name} is {size}, but must be positive")
    if config.layers > MOST_LAYERS:
        raise CheckpointError(f"num_hidden_layers is {config.layers}; no model has over {MOST_LAYERS}")
    if not (config.rope.theta > 0 and config.rope.factor > 0 and config.rms_norm_eps >= 0):
        raise CheckpointError("rope_theta and rope factor must be positive, rms_norm_eps not negative")
    if not 0 <= config.retrieval_weight < math.inf:
        raise CheckpointError(f"retrieval_weight is {config.retrieval_weight}, but must be 0 or more")
    if config.query_heads % config.key_value_heads:
        raise CheckpointError("num_attention_heads must be a multiple of num_key_value_heads")
    if config.head_dim % 2:
        raise CheckpointError("head_dim must be even: rotary embedding turns pairs")
