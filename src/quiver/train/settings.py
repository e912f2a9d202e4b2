"""Settings of a training run: what a user decides, with defaults that work."""

import math
from dataclasses import dataclass

from quiver.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraSettings:
    """Low-rank adapters beside the frozen weights of every projection (Hu et al., arXiv:2106.09685)."""

    rank: int = 16
    alpha: int = 32
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if self.rank < 1 or self.alpha < 1 or not 0 <= self.dropout < 1:
            raise InputError(
                f"adapters of rank {self.rank}, alpha {self.alpha}, dropout {self.dropout} cannot be"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSettings:
    """How long, how much at once, how fast.

    The rows of a batch are each other's negatives, in each process by itself. ``token_budget`` bounds memory
    and changes nothing else: a batch of more tokens runs in parts (gradient caching).
    """

    epochs: float = 1.0
    max_steps: int | None = None
    """Takes the place of ``epochs``."""
    batch_size: int = 64
    """Rows, of one process."""
    token_budget: int | None = None
    """Tokens, padding included, that run together; None: 16,384 on a GPU, 2,048 on a processor, whose caches
    hold no more and which has no time for padding."""
    accumulate: int = 1
    """Batches whose gradients are averaged into one step."""
    max_length: int = 512
    """Tokens; longer texts are cut and counted."""
    learning_rate: float = 2e-5
    warmup: float = 0.1
    """Share of the steps; then the rate falls along a cosine."""
    weight_decay: float = 0.01
    bf16: bool = False
    """Products in bfloat16 beside weights in float32."""
    lora: LoraSettings | None = None
    """None trains all weights."""
    last_layers: int | None = None
    """Train so many of the last layers only; what lies below runs once a text. None trains all."""
    save_every: int = 100
    """Steps; a run that was killed goes on from its last save. The evaluation set is scored as often."""
    patience: int | None = None
    """Stop after that many scores without a better one."""
    snapshots: int = 0
    """How many of the last saves are kept as whole models, ``OUT/step-N``, to be merged."""
    fsdp: bool = False
    """Share the weights out over the processes of torchrun."""
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("batch_size", "token_budget", "accumulate", "max_length", "save_every", "last_layers"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"{name} must be at least 1, not {value}")
        if self.snapshots < 0 or self.weight_decay < 0:
            raise InputError("snapshots and weight_decay must be at least 0")
        for name in ("learning_rate", "epochs"):
            if not 0 < getattr(self, name) < math.inf:
                raise InputError(f"{name} must be above 0, not {getattr(self, name)}")
        if self.last_layers and (self.lora or self.fsdp):
            raise InputError("last_layers goes neither with adapters nor with fsdp")
        if not 0 <= self.warmup < 1:
            raise InputError(f"warmup is a share of the steps from 0 to 1, not {self.warmup}")
