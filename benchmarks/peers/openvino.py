"""OpenVINO through optimum-intel, as sentence-transformers' ``backend="openvino"`` uses it."""

from collections.abc import Sequence
from pathlib import Path

import openvino
from optimum.intel import OVModelForFeatureExtraction, OVWeightQuantizationConfig

from benchmarks.peers.padding import PADDED_BATCH_SIZES, Rectangle, encode_padded
from benchmarks.peers.worker import Loaded, Text, Vectors

HINTS = {"float32": "f32", "bfloat16": "bf16", "int8": "f32"}
"""Arithmetic to prefer; int8 stands for the weights."""


def load(folder: Path, precision: str, threads: int) -> Loaded:
    """Export the checkpoint and compile it for throughput of one caller."""
    model = OVModelForFeatureExtraction.from_pretrained(
        folder,
        export=True,
        quantization_config=OVWeightQuantizationConfig(bits=8) if precision == "int8" else None,
        ov_config={
            "INFERENCE_PRECISION_HINT": HINTS[precision],
            "INFERENCE_NUM_THREADS": str(threads),
            "PERFORMANCE_HINT": "LATENCY",
        },
    )

    def run(ids: Rectangle, mask: Rectangle) -> Vectors:
        states: Vectors = model(input_ids=ids, attention_mask=mask).last_hidden_state
        return states

    def encode(texts: Sequence[Text], batch_size: int) -> Vectors:
        return encode_padded(texts, batch_size, run)

    return Loaded(openvino.__version__, encode, PADDED_BATCH_SIZES)
