"""Identity: which model a server runs, and whether it still does."""

from dataclasses import dataclass

from quiver.engine.remote.dialects import Served
from quiver.errors import EndpointError, FingerprintMismatch
from quiver.models.fingerprint import Fingerprint, digest

UNKNOWN = "served"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedIdentity:
    """What a server says, or what can be told from outside, of the model that it runs."""

    fingerprint: str | None
    """As a server of Quiver's sends it with every answer."""
    dimension: int
    """Length of its vectors; 1 for scores."""
    weights: str
    tokenizer: str | None
    precision: str

    @property
    def is_quiver(self) -> bool:
        """Whether it is a server of Quiver's: those alone send fingerprints."""
        return self.fingerprint is not None

    def check(self, url: str, served: Served, dimension: int) -> None:
        """Raise FingerprintMismatch if an answer comes from another model than the first one did."""
        if served.fingerprint != self.fingerprint:
            raise FingerprintMismatch(
                f"{url} began with fingerprint {self.fingerprint} and now answers with {served.fingerprint}: "
                "its model was changed, or several servers stand behind it; embed all texts with one"
            )
        if dimension != self.dimension:
            raise FingerprintMismatch(
                f"{url} began with vectors of {self.dimension} dimensions and now gives {dimension}"
            )


def identity_of(served: Served, dimension: int, model: str) -> ServedIdentity:
    """By the fingerprint where there is one, else by the model's name on the server."""
    if served.fingerprint is None:
        name = f"{UNKNOWN}-{digest([model])}"
        return ServedIdentity(
            fingerprint=None, dimension=dimension, weights=name, tokenizer=None, precision=UNKNOWN
        )
    try:
        told = Fingerprint.parse(served.fingerprint)
    except FingerprintMismatch as error:
        raise EndpointError(f"the server sends a fingerprint that cannot be read: {error}") from None
    return ServedIdentity(
        fingerprint=served.fingerprint,
        dimension=dimension,
        weights=told.weights,
        tokenizer=told.tokenizer,
        precision=told.precision,
    )
