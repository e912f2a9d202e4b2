"""Answers: JSON with arrays as they are, and the headers that say what was done to the texts."""

from collections.abc import Mapping
from typing import Any

import orjson
from starlette.responses import Response

from quiver.engine.plan import Usage
from quiver.server.service import Done

MOST_HEADER_CHARACTERS = 4000
"""Per-text counts go into a header up to here; some clients refuse longer ones."""


def answer(content: object, headers: Mapping[str, str] | None = None, *, status: int = 200) -> Response:
    """A JSON response; NumPy arrays become lists of the shortest decimals that give the same float32."""
    body = orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(body, status, headers, media_type="application/json")


def headers_of(done: Done) -> dict[str, str]:
    """What was done to the texts, for dialects whose bodies have no room for it."""
    cut = ",".join(str(index) for index, item in enumerate(done.items) if item.cut)
    counts = ",".join(str(item.kept) for item in done.items)
    headers = {
        "x-quiver-fingerprint": str(done.fingerprint),
        "x-quiver-input-type": done.input_type,
        "x-quiver-tokens-in": str(done.usage.tokens_in),
        "x-quiver-tokens-computed": str(done.usage.tokens_computed),
        "x-quiver-tokens-saved": str(done.usage.tokens_saved),
        "x-quiver-cut": cut,
        "x-quiver-item-tokens": counts,
    }
    return {name: value for name, value in headers.items() if 0 < len(value) <= MOST_HEADER_CHARACTERS}


def usage_of(usage: Usage) -> dict[str, Any]:
    """Tokens as OpenAI's and Jina's clients read them, and what Quiver did not have to compute."""
    return {
        "prompt_tokens": usage.tokens_in,
        "total_tokens": usage.tokens_in,
        "tokens_computed": usage.tokens_computed,
        "tokens_saved": usage.tokens_saved,
    }
