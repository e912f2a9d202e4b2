"""Body: a request's bytes to a JSON value, within limits that are checked before anything is built."""

import asyncio
import re

from pydantic_core import from_json
from starlette.requests import Request

from quiver.server.errors import Refusal
from quiver.server.settings import Limits

LARGE = 1 << 16
"""Bytes from which on a body is parsed in a thread, so that others do not wait for it."""

DRAINED = 4
"""An oversized body is read up to this many times the limit before the answer: most clients do not look at
an answer while they are still sending."""

_STRUCTURE = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[{]|[\]}]', re.DOTALL)
_OPENING, _CLOSING, _QUOTE = b"[{", b"]}", ord('"')


async def read_json(request: Request, limits: Limits) -> object:
    """The value in a request's body.

    Raises Refusal if it is too large, too slow, too deep, or not JSON in UTF-8.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json" and not media_type.endswith("+json"):
        raise Refusal("not_json", "send JSON, with the header Content-Type: application/json")
    body = await _read(request, limits)
    if len(body) < LARGE:
        return parse_json(body, limits.json_depth)
    return await asyncio.to_thread(parse_json, body, limits.json_depth)


def parse_json(body: bytes, depth: int) -> object:
    """The value of a JSON text of at most that depth; raises Refusal."""
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise Refusal("invalid", f"the body is not UTF-8 at byte {error.start}") from None
    _check_depth(body, depth)
    try:
        return from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise Refusal("invalid", f"the body is not JSON: {error}") from None


def _check_depth(body: bytes, most: int) -> None:
    if body.count(b"[") + body.count(b"{") <= most:
        return
    depth = 0
    for token in _STRUCTURE.finditer(body):
        first = body[token.start()]
        if first == _QUOTE:
            continue
        depth += 1 if first in _OPENING else -1
        if depth > most:
            raise Refusal("invalid", f"the body nests lists and objects more than {most} deep")


async def _read(request: Request, limits: Limits) -> bytes:
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(limits.body_seconds):
            async for chunk in request.stream():
                size += len(chunk)
                if size <= limits.body_bytes:
                    chunks.append(chunk)
                elif size > DRAINED * limits.body_bytes:
                    break
    except TimeoutError:
        raise Refusal("slow_request", f"the body did not arrive within {limits.body_seconds:.0f} s") from None
    if size > limits.body_bytes:
        raise Refusal(
            "too_large", f"the body exceeds {limits.body_bytes:,} bytes; send fewer texts at a time"
        )
    return b"".join(chunks)
