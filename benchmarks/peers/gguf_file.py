"""A Qwen3 checkpoint as a GGUF file for llama.cpp, without a vocabulary: it is given token ids.

llama.cpp's own converter is not in its packages; this one writes what its ``qwen3`` architecture reads,
matrices in one type (also the embedding, as its converter does) and norms in float32.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]

ARCHITECTURE = "qwen3"

TYPES = {
    "float32": gguf.GGMLQuantizationType.F32,
    "bfloat16": gguf.GGMLQuantizationType.BF16,
    "int8": gguf.GGMLQuantizationType.Q8_0,
}

NAMES = {
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
"""Weights of a layer, there and here."""


def write_gguf(folder: Path, precision: str, path: Path) -> None:
    """Convert the checkpoint in ``folder``."""
    config = json.loads((folder / "config.json").read_text())
    writer = gguf.GGUFWriter(path, ARCHITECTURE)
    _write_shape(writer, config)
    for source in sorted(folder.glob("*.safetensors")):
        for name, values in _read_safetensors(source):
            writer.add_tensor(*_converted(name.removeprefix("model."), values, precision))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _read_safetensors(path: Path) -> Iterator[tuple[str, Float32]]:
    """Names and values; by hand, since NumPy has no bfloat16 and PyTorch need not be here."""
    content = np.memmap(path, np.uint8, "r")
    start = 8 + int(content[:8].view("<u8")[0])
    for name, entry in json.loads(content[8:start].tobytes()).items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        values = content[start + begin : start + end].reshape(*entry["shape"], -1)
        if entry["dtype"] == "BF16":
            yield name, (values.view("<u2").astype("<u4") << 16).view("<f4")[..., 0]
        else:
            yield name, values.view({"F32": "<f4", "F16": "<f2"}[entry["dtype"]])[..., 0].astype(np.float32)


def _write_shape(writer: gguf.GGUFWriter, config: dict[str, Any]) -> None:
    rope = config.get("rope_parameters") or config
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_key_length(config["head_dim"])
    writer.add_value_length(config["head_dim"])
    writer.add_rope_freq_base(rope["rope_theta"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])
    writer.add_pooling_type(gguf.PoolingType.LAST)
    writer.add_tokenizer_model("no_vocab")


def _converted(
    name: str, values: Float32, precision: str
) -> tuple[str, npt.NDArray[Any], None, gguf.GGMLQuantizationType]:
    """What ``add_tensor`` takes: name, data, no shape, type."""
    wanted = TYPES[precision] if values.ndim == 2 else gguf.GGMLQuantizationType.F32
    return f"{_renamed(name)}.weight", gguf.quants.quantize(values, wanted), None, wanted


def _renamed(name: str) -> str:
    name = name.removesuffix(".weight")
    if not name.startswith("layers."):
        return {"embed_tokens": "token_embd", "norm": "output_norm", "lm_head": "output"}[name]
    _, layer, rest = name.split(".", 2)
    return f"blk.{layer}.{NAMES[rest]}"
