"""The Qwen3 shape that the built-in models share."""

from __future__ import annotations

from transformers import Qwen3Config

HEAD_DIMENSION = 64
ROTARY_BASE = 1_000_000.0
EPSILON = 1e-6


def configuration(
    entries: int,
    end_id: int,
    *,
    hidden: int,
    heads: int,
    layers: int,
    feed_forward: int,
    head_dimension: int = HEAD_DIMENSION,
    rotary_base: float = ROTARY_BASE,
    causal: bool = True,
) -> Qwen3Config:
    """Give the Qwen3 configuration of a built-in model."""
    made = Qwen3Config(
        vocab_size=entries,
        hidden_size=hidden,
        head_dim=head_dimension,
        num_attention_heads=heads,
        # As many values as places: one layer can carry a whole mean.
        num_key_value_heads=heads,
        num_hidden_layers=layers,
        intermediate_size=feed_forward,
        max_position_embeddings=32768,
        rope_parameters={"rope_type": "default", "rope_theta": rotary_base},
        rms_norm_eps=EPSILON,
        tie_word_embeddings=True,
        attention_bias=False,
        bos_token_id=end_id,
        eos_token_id=end_id,
    )
    if not causal:
        # Readers take attention for causal where nothing is said.
        made.is_causal = False
    return made
