"""Shapes: what the bodies of all dialects have in common."""

import base64
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from quiver.results import Embeddings, Floats
from quiver.server.errors import Refusal
from quiver.server.service import Done, Item

NonNegative = Annotated[int, Field(ge=0, le=2**31 - 1)]
Positive = Annotated[int, Field(ge=1, le=2**31 - 1)]
TokenId = NonNegative
Texts = Annotated[list[str], Field(min_length=1, fail_fast=True)]
Tokens = Annotated[list[TokenId], Field(min_length=1, fail_fast=True)]
TokenLists = Annotated[list[Tokens], Field(min_length=1, fail_fast=True)]


class Asked(BaseModel):
    """A request's body: unknown fields are errors, and nothing is read as what it is not."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Told(BaseModel):
    """A response's body, for the OpenAPI document; responses are built without it."""

    model_config = ConfigDict(extra="allow")


class TextObject(Asked):
    """A text as some clients wrap it."""

    text: str


class ItemReport(Told):
    """What became of one text."""

    tokens: int
    kept: int
    cut: bool


class TokenUsage(Told):
    """Tokens of a request."""

    prompt_tokens: int
    total_tokens: int
    tokens_computed: int
    tokens_saved: int


def refuse_given(asked: BaseModel, reasons: Mapping[str, str]) -> None:
    """Raise Refusal for the first of these fields that was sent with a value other than null or false."""
    for name, reason in reasons.items():
        if getattr(asked, name) not in (None, False):
            raise Refusal("invalid", f"{name}: {reason}", field=name)


def plain_texts(given: Sequence[str | TextObject]) -> list[str]:
    """Texts, unwrapped."""
    return [each if isinstance(each, str) else each.text for each in given]


def report_of(item: Item) -> dict[str, Any]:
    """What became of one text, as a field."""
    return {"tokens": item.tokens, "kept": item.kept, "cut": item.cut}


def about(done: Done) -> dict[str, Any]:
    """What was done, as fields for the dialects that have room for them."""
    return {"input_type": done.input_type, "fingerprint": str(done.fingerprint)}


def rows_of(vectors: Embeddings, encoding: str) -> list[Any]:
    """Vectors as ``float`` lists, ``base64`` of little-endian float32, or ``binary`` / ``ubinary`` signs.

    A binary vector packs eight signs (1 for positive) in a byte, the first one highest; ``binary`` reads the
    bytes as signed ones, 128 less. Raises Refusal where eight do not divide the dimension.
    """
    rows: Floats = np.asarray(vectors)
    if encoding == "base64":
        return [base64.b64encode(row.astype("<f4").tobytes()).decode() for row in rows]
    if encoding in ("binary", "ubinary"):
        if rows.shape[1] % 8:
            raise Refusal(
                "invalid", f"{encoding} vectors need a dimension that 8 divides, not {rows.shape[1]}"
            )
        packed = np.packbits(rows > 0, axis=1)
        return list(packed if encoding == "ubinary" else (packed.astype(np.int16) - 128).astype(np.int8))
    return list(rows)
