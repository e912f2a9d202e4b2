"""vLLM's processor build, which packs batches by itself."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.peers.padding import unit
from benchmarks.peers.worker import Loaded, Text, Vectors

LONGEST = 4096
"""Tokens of a text; bounds the memory that it sets aside."""


def load(folder: Path, precision: str, threads: int) -> Loaded:
    """The engine in this process; its prefix cache would answer repeated texts, so it is off."""
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
    os.environ["VLLM_CPU_KVCACHE_SPACE"] = "1"
    import vllm

    model = vllm.LLM(
        str(folder),
        runner="pooling",
        dtype=precision,
        max_model_len=LONGEST,
        enable_prefix_caching=False,
        enforce_eager=True,
    )

    def encode(texts: Sequence[Text], batch_size: int) -> Vectors:
        prompts = [vllm.inputs.TokensPrompt(prompt_token_ids=text.ids) for text in texts]
        found = model.embed(prompts, use_tqdm=False)
        return unit(np.asarray([each.outputs.embedding for each in found], np.float32))

    return Loaded(vllm.__version__, encode)
