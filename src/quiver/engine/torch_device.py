"""Device and precision: what was asked for, against what this machine does fast."""

from dataclasses import dataclass

import torch

from quiver.errors import DeviceError

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}

TOKEN_BUDGET = {"cpu": 4096}
"""Tokens a batch by device; small enough on a CPU that activations are reused from the cache."""

DEFAULT_TOKEN_BUDGET = 16384


@dataclass(frozen=True, slots=True)
class Precision:
    """Where a network runs, in which type its weights are stored and in which products are computed."""

    device: torch.device
    storage: torch.dtype
    compute: torch.dtype

    @property
    def name(self) -> str:
        """``bfloat16``, or ``bfloat16+float32`` where narrow weights are widened for the arithmetic."""
        storage, compute = (str(t).removeprefix("torch.") for t in (self.storage, self.compute))
        return storage if storage == compute else f"{storage}+{compute}"

    @property
    def token_budget(self) -> int:
        """Tokens that a batch holds by default."""
        return TOKEN_BUDGET.get(self.device.type, DEFAULT_TOKEN_BUDGET)


def resolve_precision(device: str | None, dtype: str) -> Precision:
    """Choose device and types; ``None`` and "auto" take the best this machine has.

    Raises DeviceError for a device that is absent or a type that is unknown.
    """
    place = _resolve_device(device)
    if dtype == "auto":
        dtype = _best_dtype(place)
    if dtype not in DTYPES:
        raise DeviceError(f"dtype {dtype!r} is unknown; use auto, {', '.join(DTYPES)}")
    storage = DTYPES[dtype]
    if place.type == "cpu":
        fast = storage == torch.bfloat16 and _cpu_multiplies_bfloat16()
        return Precision(place, storage, storage if fast else torch.float32)
    return Precision(place, storage, storage)


def _resolve_device(device: str | None) -> torch.device:
    if device is None:
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        place = torch.device(device)
    except RuntimeError:
        raise DeviceError(f"device {device!r} is unknown; use cpu, cuda, cuda:N or mps") from None
    if place.type not in ("cpu", "cuda", "mps"):
        raise DeviceError(f"device {device!r} is not supported; use cpu, cuda, cuda:N or mps")
    cuda_count = torch.cuda.device_count() if place.type == "cuda" else 0
    absent = (place.type == "cuda" and (place.index or 0) >= cuda_count) or (
        place.type == "mps" and not torch.backends.mps.is_available()
    )
    if absent:
        raise DeviceError(f"this machine (or this build of PyTorch) has no {device}; use device='cpu'")
    return place


def _best_dtype(device: torch.device) -> str:
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float16"
    if device.type == "mps":
        return "float16"
    return "bfloat16" if _cpu_multiplies_bfloat16() else "float32"


def _cpu_multiplies_bfloat16() -> bool:
    """Whether bfloat16 products run on units of their own; elsewhere they are slower than float32."""
    probes = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")  # PyTorch has no public names
    return any(getattr(torch.cpu, probe, bool)() for probe in probes)


def use_threads(count: int) -> None:
    """Run PyTorch's work on the processor on this many threads, in the whole process."""
    torch.set_num_threads(count)
