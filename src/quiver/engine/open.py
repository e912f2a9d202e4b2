"""Open: choose the engine for a checkpoint. The one place that knows which engines there are."""

from quiver.engine.base import Engine
from quiver.errors import InputError
from quiver.models.checkpoint import Checkpoint


def open_engine(
    checkpoint: Checkpoint,
    *,
    device: str | None,
    dtype: str,
    token_budget: int | None,
    answer_ids: tuple[int, int] | None = None,
) -> Engine:
    """Load a checkpoint's weights into an engine.

    ``answer_ids`` are a reranker's tokens "no" and "yes". Raises DeviceError for a device or type that this
    machine does not have, CheckpointError for damaged weights.
    """
    from quiver.engine.torch import TorchEngine
    from quiver.engine.torch_device import resolve_precision

    if token_budget is not None and token_budget < 1:
        raise InputError(f"token_budget must be at least 1, not {token_budget}")
    precision = resolve_precision(device, dtype)
    return TorchEngine(checkpoint, precision, token_budget=token_budget, answer_ids=answer_ids)
