"""vLLM: the network run by vLLM's pooling models, which are handed token ids and nothing else.

It packs batches, shares prefixes and divides layers among GPUs by itself. Vectors come from its last-token
pooling; scores from a head of the two rows "no" and "yes", which it cuts out of the checkpoint's head.
"""

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from quiver.engine.backends import Vllm
from quiver.engine.base import Floats
from quiver.engine.plan import Usage
from quiver.errors import CheckpointError, DeviceError, InputError
from quiver.models.checkpoint import Checkpoint
from quiver.text.tokenizer import TokenIds

DTYPES = ("auto", "float32", "bfloat16", "float16")
BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
SEQUENCES_IN_MEMORY = 2
"""On a processor, keys and values of so many of the longest sequences are set aside, and at least 1 GiB."""
LEAST_KEYS_AND_VALUES = 2**30


class VllmEngine:
    """One checkpoint in vLLM. Results are the checkpoint's, to the precision of vLLM's arithmetic."""

    sees_tokens = True

    def __init__(
        self,
        checkpoint: Checkpoint,
        settings: Vllm,
        *,
        device: str | None,
        dtype: str,
        max_length: int,
        token_budget: int | None,
        answer_ids: tuple[int, int] | None,
    ) -> None:
        if dtype not in DTYPES:
            raise DeviceError(f"vLLM is used with {', '.join(DTYPES)} here, not with {dtype!r}")
        vllm = _import_vllm(settings)
        self._platform = str(vllm.platforms.current_platform.device_type)
        if device is not None and device.partition(":")[0] != self._platform:
            raise DeviceError(
                f"this vLLM runs on {self._platform}, not on {device}; choose GPUs by its environment"
            )
        self._checkpoint, self._settings, self._reranks = checkpoint, settings, answer_ids is not None
        given = self._arguments(dtype, max_length, token_budget)
        try:
            self._model = vllm.LLM(**given)
        except (ValueError, RuntimeError) as error:
            raise DeviceError(f"vLLM cannot run {checkpoint.name}: {_first_line(error)}") from error
        self._turn = threading.Lock()
        self._tokens_prompt = vllm.inputs.TokensPrompt
        self._raw = vllm.PoolingParams(use_activation=False)
        self.precision = str(self._model.llm_engine.model_config.dtype).removeprefix("torch.")
        """Of the weights and the arithmetic."""

    def _arguments(self, dtype: str, max_length: int, token_budget: int | None) -> dict[str, Any]:
        given: dict[str, Any] = {
            "model": str(self._checkpoint.folder),
            "runner": "pooling",
            "dtype": dtype,
            "max_model_len": max_length,
            "tensor_parallel_size": self._settings.tensor_parallel_size,
            "enable_prefix_caching": self._settings.prefix_caching,
            "max_num_batched_tokens": token_budget,
            "trust_remote_code": False,
            "load_format": "safetensors",
        }
        if not self._checkpoint.config.causal:  # vLLM reads that itself, but fails if told to share or to cut
            given["enable_prefix_caching"] = False
            if token_budget is not None:
                given["max_num_batched_tokens"] = max(token_budget, max_length)
        if self._settings.memory_share is not None:
            given["gpu_memory_utilization"] = self._settings.memory_share
        elif self._platform == "cpu" and not os.environ.get("VLLM_CPU_KVCACHE_SPACE"):
            given["kv_cache_memory_bytes"] = self._memory_of_keys_and_values(dtype, max_length)
        if self._platform == "cpu":
            given["enforce_eager"] = True  # compiling takes minutes and a compiler
        if self._reranks:
            given["hf_overrides"] = self._head()
        else:
            given["convert"] = "embed"
            given["pooler_config"] = {"pooling_type": "LAST", "use_activation": False}
        return given

    def _head(self) -> Mapping[str, Any]:
        """What makes a causal model score by its two rows; converted rerankers have their head already."""
        if self._checkpoint.config.labels:
            return {}
        return {
            "architectures": ["Qwen3ForSequenceClassification"],
            "classifier_from_token": ["no", "yes"],
            "method": "no_post_processing",
            "num_labels": 2,
        }

    def _memory_of_keys_and_values(self, dtype: str, max_length: int) -> int:
        config = self._checkpoint.config
        of_a_token = 2 * config.layers * config.key_value_size * BYTES.get(dtype, 4)
        return max(LEAST_KEYS_AND_VALUES, SEQUENCES_IN_MEMORY * max_length * of_a_token)

    @property
    def device(self) -> str:
        """Such as ``cuda (vLLM, 2 devices)``."""
        count = self._settings.tensor_parallel_size
        return f"{self._platform} (vLLM{f', {count} devices' if count > 1 else ''})"

    def run_whole(
        self, sequences: Sequence[TokenIds], advance: Callable[[int], None]
    ) -> tuple[Floats, Usage]:
        """Rows [N, E] or logits [N, 2]; tokens whose keys and values vLLM still had count as saved."""
        self._check_vocabulary(sequences)
        prompts = [self._tokens_prompt(prompt_token_ids=sequence.tolist()) for sequence in sequences]
        run = self._model.classify if self._reranks else self._model.embed
        with self._turn:
            outputs = run(prompts, pooling_params=self._raw, use_tqdm=False)
        given = sum(map(len, sequences))
        advance(given)
        cached = sum(output.num_cached_tokens or 0 for output in outputs)
        found = [output.outputs.probs if self._reranks else output.outputs.embedding for output in outputs]
        rows = np.asarray(found, dtype=np.float32)
        if self._reranks and rows.shape[1] == 1:
            rows = np.concatenate([np.zeros_like(rows), rows], axis=1)
        return rows, Usage(given, given - cached)

    def _check_vocabulary(self, sequences: Sequence[TokenIds]) -> None:
        size = self._checkpoint.config.vocabulary
        highest = max(int(sequence.max()) for sequence in sequences)
        if highest >= size:
            raise CheckpointError(
                f"token {highest} lies outside the model's vocabulary of {size}: tokenizer.json belongs to "
                "another model, or a special token was parsed that this model does not know"
            )


def _import_vllm(settings: Vllm) -> Any:  # noqa: ANN401  (vLLM has no types)
    """vLLM, kept from writing among results, from telling its makers about them, and in this process."""
    defaults = {
        "VLLM_LOGGING_LEVEL": "ERROR",
        "VLLM_LOGGING_STREAM": "ext://sys.stderr",
        "VLLM_NO_USAGE_STATS": "1",
    }
    if settings.tensor_parallel_size == 1:
        defaults["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
    else:
        defaults["VLLM_CPU_OMP_THREADS_BIND"] = _shares_of_processors(settings.tensor_parallel_size)
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
    try:
        import vllm
        import vllm.inputs
        import vllm.platforms
    except ImportError as error:
        raise InputError(f"backend='vllm' needs vLLM ({error}): pip install 'quiver-embed[vllm]'") from error
    return vllm


def _shares_of_processors(count: int) -> str:
    """Divide this process's processors among so many; vLLM itself divides whole memory nodes only."""
    processors = sorted(os.sched_getaffinity(0))
    shares = (
        processors[rank * len(processors) // count :][: len(processors) // count] for rank in range(count)
    )
    return "|".join(",".join(map(str, share)) for share in shares)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
