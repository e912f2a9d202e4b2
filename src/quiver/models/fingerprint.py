"""Fingerprint: what a vector's meaning depends on, so that vectors of different spaces are never compared."""

import dataclasses
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass

from quiver.errors import FingerprintMismatch
from quiver.models.checkpoint import Checkpoint
from quiver.models.contents import contents_digest

DIGEST_LENGTH = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """Identity of a vector space; two vectors compare only if all fields are equal."""

    weights: str
    """Digest of every tensor, however the files are split, and of attention that is bidirectional."""
    tokenizer: str
    """Digest of tokenizer.json and of how users' special-token strings are read."""
    pooling: str
    prompts: str
    """Digest of the prompts that queries and documents get by default."""
    dimension: int
    precision: str

    def __str__(self) -> str:
        return (
            f"quiver1:{self.weights}:{self.tokenizer}:{self.pooling}:{self.prompts}"
            f":{self.dimension}:{self.precision}"
        )

    @classmethod
    def parse(cls, text: str) -> "Fingerprint":
        """Read what ``str()`` wrote; raises FingerprintMismatch for anything else."""
        parts = text.split(":")
        if len(parts) != 7 or parts[0] != "quiver1" or not parts[5].isdecimal():
            raise FingerprintMismatch(f"{text!r} is no fingerprint of this version of Quiver")
        _, weights, tokenizer, pooling, prompts, dimension, precision = parts
        return cls(
            weights=weights,
            tokenizer=tokenizer,
            pooling=pooling,
            prompts=prompts,
            dimension=int(dimension),
            precision=precision,
        )

    def with_dimension(self, dimension: int) -> "Fingerprint":
        """The fingerprint of the same vectors cut to ``dimension``."""
        return dataclasses.replace(self, dimension=dimension)

    def check(self, other: "Fingerprint") -> None:
        """Raise FingerprintMismatch, naming what differs, unless both are equal."""
        fields = [field.name for field in dataclasses.fields(self)]
        differing = [name for name in fields if getattr(self, name) != getattr(other, name)]
        if differing:
            details = ", ".join(f"{n} ({getattr(self, n)} and {getattr(other, n)})" for n in differing)
            raise FingerprintMismatch(
                f"these vectors differ in {details}; embed both sides with the same model and settings"
            )


def digest(parts: Iterable[object]) -> str:
    """A short digest of JSON values."""
    return hashlib.sha256(json.dumps(list(parts), sort_keys=True).encode()).hexdigest()[:DIGEST_LENGTH]


def tokenizer_digest(definition: bytes, parses_special_tokens: bool) -> str:
    """Digest of ``tokenizer.json`` and of how users' special-token strings are read."""
    return digest([hashlib.sha256(definition).hexdigest(), parses_special_tokens])


def weights_digest(checkpoint: Checkpoint) -> str:
    """A short digest of all tensors, however the files are split, and of what tokens attend to."""
    contents = contents_digest(checkpoint)
    return contents[:DIGEST_LENGTH] if checkpoint.config.causal else digest([contents, "bidirectional"])
