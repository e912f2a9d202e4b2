"""Ollama: ``/api/embed``, ``/api/embeddings``, ``/api/tags``, ``/api/version``.

Longer texts are cut unless ``truncate`` is false, as Ollama documents; the answer says which ones were. What
the texts are goes behind the model's name, where Ollama has its tags: ``NAME:query``.
"""

import time
from datetime import UTC, datetime
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Depends
from pydantic import Field
from starlette.responses import Response

import quiver
from quiver.server.answers import answer, headers_of
from quiver.server.batching.call import Call
from quiver.server.dialects.shapes import Asked, ItemReport, Positive, Told, about, report_of
from quiver.server.errors import ErrorShape, Refusal
from quiver.server.gate import Gate
from quiver.server.models import LATEST
from quiver.server.roles import choose_role
from quiver.server.route import call_of, guarded_route
from quiver.server.service import Embedded, Service, Wish

KeepAlive = Annotated[float | str | None, Field(description="Has no effect: models stay loaded.")]
Options = Annotated[
    dict[str, Any] | None, Field(description="`num_ctx` lowers the length limit; others have no effect.")
]


class EmbedRequest(Asked):
    """Texts to vectors."""

    model: str
    input: str | Annotated[list[str], Field(fail_fast=True)] = Field(default_factory=list)
    truncate: bool | None = Field(None, description="Cut longer texts (the default) or refuse them.")
    options: Options = None
    keep_alive: KeepAlive = None
    dimensions: Positive | None = None


class EmbeddingsRequest(Asked):
    """One text to a vector, as older clients ask."""

    model: str
    prompt: str = ""
    options: Options = None
    keep_alive: KeepAlive = None


class EmbedResponse(Told):
    """Vectors in input order; durations in nanoseconds."""

    model: str
    embeddings: list[list[float]]
    total_duration: int
    load_duration: int
    prompt_eval_count: int
    input_type: str
    items: list[ItemReport]


class EmbeddingsResponse(Told):
    """One vector; empty for an empty prompt."""

    embedding: list[float]


class Tags(Told):
    """Models that requests may name."""

    models: list[dict[str, Any]]


class Version(Told):
    """Of this server."""

    version: str


class ErrorBody(Told):
    """What Ollama's clients read."""

    error: str


ERRORS = ErrorShape(lambda refusal: {"error": str(refusal)}, ErrorBody)


def router(service: Service, gate: Gate) -> APIRouter:
    """The routes of this dialect."""
    routes = APIRouter(route_class=guarded_route(gate, lambda asked: ERRORS), tags=["Ollama"])
    errors = ERRORS.responses()
    begun = datetime.now(UTC).isoformat()

    @routes.post("/api/embed", responses={200: {"model": EmbedResponse}, **errors})
    async def embed(asked: EmbedRequest, call: Annotated[Call, Depends(call_of)]) -> Response:
        """Embed texts."""
        started = time.perf_counter_ns()
        texts = [asked.input] if isinstance(asked.input, str) else asked.input
        wish = _wish(service, asked.model, asked.options, asked.truncate is not False, asked.dimensions)
        done = await service.embed(texts, wish, call)
        body = {
            "model": asked.model,
            "embeddings": np.asarray(done.vectors),
            "total_duration": time.perf_counter_ns() - started,
            "load_duration": 0,
            "prompt_eval_count": done.usage.tokens_in,
            "items": [report_of(item) for item in done.items],
            **about(done),
        }
        return answer(body, headers_of(done))

    @routes.post("/api/embeddings", responses={200: {"model": EmbeddingsResponse}, **errors})
    async def embeddings(asked: EmbeddingsRequest, call: Annotated[Call, Depends(call_of)]) -> Response:
        """Embed one text."""
        wish = _wish(service, asked.model, asked.options, True, None)
        if not asked.prompt:
            return answer({"embedding": []})
        done: Embedded = await service.embed([asked.prompt], wish, call)
        return answer({"embedding": np.asarray(done.vectors)[0], **about(done)}, headers_of(done))

    @routes.get("/api/tags", responses={200: {"model": Tags}, **ERRORS.responses("unauthorized")})
    async def tags() -> Response:
        """List the embedder, with the tags that say what texts are."""
        return answer({"models": _tags(service, begun)})

    @routes.get("/api/version", responses={200: {"model": Version}, **ERRORS.responses("unauthorized")})
    async def version() -> Response:
        """This server's version."""
        return answer({"version": quiver.__version__})

    return routes


def _wish(
    service: Service, model: str, options: dict[str, Any] | None, truncate: bool, dimension: int | None
) -> Wish:
    length = (options or {}).get("num_ctx")
    if length is not None and (type(length) is not int or length < 1):
        raise Refusal("invalid", "options.num_ctx must be a positive whole number", field="options")
    return Wish(
        role=choose_role(service.models.embedder_suffix(model)),
        on_too_long="truncate" if truncate else "error",
        max_length=length,
        dimension=dimension,
    )


def _tags(service: Service, begun: str) -> list[dict[str, Any]]:
    served = service.models.embedder
    if served is None:
        return []
    facts = {
        "modified_at": begun,
        "size": 0,
        "digest": served.embedder.fingerprint.weights,
        "details": {
            "parent_model": "",
            "format": "safetensors",
            "family": "qwen3",
            "families": ["qwen3"],
            "parameter_size": "",
            "quantization_level": served.embedder.precision,
        },
    }
    names = [f"{served.name}{tag}" for tag in (LATEST, ":query", ":document")]
    return [{"name": name, "model": name, **facts} for name in names]
