"""Open: choose the engine for a checkpoint. The one place that knows which engines there are."""

from pathlib import Path
from typing import Literal, TypeAlias

from quiver.engine.backends import Vllm
from quiver.engine.base import AnyEngine, Engine, WholeEngine
from quiver.errors import DeviceError, InputError
from quiver.models.checkpoint import Checkpoint

LocalBackend: TypeAlias = Literal["auto", "native", "torch", "vllm"] | Vllm

NATIVE_DTYPES = ("auto", "float32", "bfloat16", "int8")


def open_engine(
    checkpoint: Checkpoint,
    *,
    backend: LocalBackend = "auto",
    device: str | None,
    dtype: str,
    threads: int | None = None,
    token_budget: int | None,
    max_length: int | None = None,
    answer_ids: tuple[int, int] | None = None,
) -> AnyEngine:
    """Load a checkpoint's weights into an engine.

    ``auto`` takes the native engine on x86-64 processors with AVX2, and PyTorch elsewhere and for GPUs.
    ``max_length`` is the longest sequence to come, for which vLLM sets memory aside.
    ``answer_ids`` are a reranker's tokens "no" and "yes". Raises DeviceError for a device, type or backend
    that this machine does not have, CheckpointError for damaged weights.
    """
    if not isinstance(backend, Vllm) and backend not in ("auto", "native", "torch", "vllm"):
        raise InputError(f"backend {backend!r} is unknown; use auto, native, torch or vllm")
    if token_budget is not None and token_budget < 1:
        raise InputError(f"token_budget must be at least 1, not {token_budget}")
    if threads is not None and threads < 1:
        raise InputError(f"threads must be at least 1, not {threads}")
    if backend == "vllm" or isinstance(backend, Vllm):
        settings = backend if isinstance(backend, Vllm) else Vllm()
        return _open_vllm(checkpoint, settings, device, dtype, threads, token_budget, max_length, answer_ids)
    obstacle = None if backend == "torch" else _obstacle_to_native(checkpoint, device, dtype)
    if backend == "native" and obstacle:
        raise DeviceError(f"the native engine cannot run: {obstacle}; use backend='torch'")
    if backend == "native" or (backend == "auto" and not obstacle and not (device is None and _has_gpu())):
        from quiver.engine.native import NativeEngine

        return NativeEngine(
            checkpoint, dtype, threads=threads, token_budget=token_budget, answer_ids=answer_ids
        )
    return _open_torch(checkpoint, device, dtype, threads, token_budget, answer_ids, obstacle)


def _open_torch(
    checkpoint: Checkpoint,
    device: str | None,
    dtype: str,
    threads: int | None,
    token_budget: int | None,
    answer_ids: tuple[int, int] | None,
    obstacle: str | None,
) -> Engine:
    try:
        from quiver.engine.torch import TorchEngine
        from quiver.engine.torch_device import resolve_precision, use_threads
    except ModuleNotFoundError as error:
        reason = f"the native engine cannot run ({obstacle}), and " if obstacle else ""
        raise DeviceError(f"{reason}PyTorch is absent: pip install 'quiver-embed[torch]'") from error
    if threads is not None:
        use_threads(threads)
    precision = resolve_precision(device, dtype)
    return TorchEngine(checkpoint, precision, token_budget=token_budget, answer_ids=answer_ids)


def _open_vllm(
    checkpoint: Checkpoint,
    settings: Vllm,
    device: str | None,
    dtype: str,
    threads: int | None,
    token_budget: int | None,
    max_length: int | None,
    answer_ids: tuple[int, int] | None,
) -> WholeEngine:
    if threads is not None:
        raise InputError("vLLM has its own threads; on a processor set VLLM_CPU_OMP_THREADS_BIND")
    from quiver.engine.vllm import VllmEngine

    return VllmEngine(
        checkpoint,
        settings,
        device=device,
        dtype=dtype,
        max_length=max_length or checkpoint.config.max_length,
        token_budget=token_budget,
        answer_ids=answer_ids,
    )


def _obstacle_to_native(checkpoint: Checkpoint, device: str | None, dtype: str) -> str | None:
    """Why the native engine cannot do what was asked for; None if it can."""
    if device not in (None, "cpu"):
        return f"it runs on the CPU, not on {device}"
    if dtype not in NATIVE_DTYPES:
        return f"it has no {dtype} (only {', '.join(NATIVE_DTYPES)})"
    try:
        from quiver import _native
    except ImportError:
        return "this installation has no extension for x86-64 processors"
    if not _native.instruction_sets():
        return "this processor has no AVX2"
    if checkpoint.config.head_dim > _native.MOST_HEAD_CHANNELS:
        return f"it has no heads of more than {_native.MOST_HEAD_CHANNELS} channels"
    return None


def _has_gpu() -> bool:
    """Whether a GPU of NVIDIA's is there; looking for it must not import PyTorch."""
    return Path("/dev/nvidiactl").exists()
