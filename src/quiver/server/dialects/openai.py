"""OpenAI's and Jina's embeddings, which share a path, and OpenAI's list of models.

``input_type``, ``instruction`` (ours) and ``task`` (Jina's) say what the texts are; without them they are
bare documents.
"""

import time
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from pydantic import Field
from starlette.responses import Response

from quiver.server.answers import answer, headers_of, usage_of
from quiver.server.batching.call import Call
from quiver.server.dialects.shapes import (
    Asked,
    Positive,
    TextObject,
    Texts,
    TokenLists,
    Tokens,
    TokenUsage,
    Told,
    about,
    plain_texts,
    refuse_given,
    report_of,
    rows_of,
)
from quiver.server.errors import ErrorShape, Kind, Refusal
from quiver.server.gate import Gate
from quiver.server.roles import DOCUMENT, QUERY, choose_role
from quiver.server.route import call_of, guarded_route
from quiver.server.service import Embedded, Service, Wish

Encoding = Literal["float", "base64"]
JinaEncoding = Literal["float", "base64", "binary", "ubinary"]

TASKS = {
    "retrieval.query": QUERY,
    "retrieval.passage": DOCUMENT,
    "text-matching": DOCUMENT,
    "classification": DOCUMENT,
    "separation": DOCUMENT,
}
"""Jina's tasks. Those for one kind of text alone leave it bare, as the model was trained for both sides."""

UNSUPPORTED = {
    "late_chunking": "each text gets a vector of its own here; cut texts into passages and send these",
    "return_multivector": "a text gets one vector here",
}


class EmbeddingsRequest(Asked):
    """Texts, or lists of the model's own token ids, to vectors."""

    input: Annotated[
        str | Texts | Tokens | TokenLists | Annotated[list[TextObject], Field(min_length=1, fail_fast=True)],
        Field(description="Token ids must be the served model's own and bring their prompt along."),
    ]
    model: str | None = None
    encoding_format: Encoding | None = None
    dimensions: Positive | None = None
    user: str | None = Field(None, description="Has no effect.")
    input_type: str | None = Field(
        None, description="`query`, `document` (the default), or a prompt of the model's own."
    )
    instruction: str | None = Field(
        None, description="The task, in one sentence; makes queries of the texts."
    )
    task: str | None = Field(None, description=f"Jina's word for `input_type`: {', '.join(TASKS)}.")
    truncate: bool | None = Field(None, description="Cut the ends of longer texts; else they are an error.")
    embedding_type: JinaEncoding | None = Field(None, description="Jina's word for `encoding_format`.")
    normalized: bool | None = Field(None, description="Vectors always are; false is refused.")
    late_chunking: bool | None = Field(None, description="Refused if true.")
    return_multivector: bool | None = Field(None, description="Refused if true.")


class Embedding(Told):
    """One vector."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | str
    tokens: int
    kept: int
    cut: bool


class EmbeddingsResponse(Told):
    """Vectors in input order."""

    object: Literal["list"]
    data: list[Embedding]
    model: str
    usage: TokenUsage
    input_type: str
    fingerprint: str


class Model(Told):
    """A model that requests may name."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class ModelList(Told):
    """All of them."""

    object: Literal["list"]
    data: list[Model]


class ErrorDetail(Told):
    """What OpenAI's clients read."""

    message: str
    type: str
    param: str | None
    code: str


class ErrorBody(Told):
    """An error for both kinds of clients: ``detail`` is what Jina's read."""

    error: ErrorDetail
    detail: str


CODES: dict[Kind, str] = {
    "too_long": "context_length_exceeded",
    "unauthorized": "invalid_api_key",
    "unknown_model": "model_not_found",
    "overloaded": "rate_limit_exceeded",
}
TYPES: dict[Kind, str] = {
    "overloaded": "rate_limit_error",
    "broken_result": "server_error",
    "draining": "server_error",
    "deadline": "server_error",
}


def error_body(refusal: Refusal) -> dict[str, Any]:
    """A refusal as OpenAI writes it."""
    detail = {
        "message": str(refusal),
        "type": TYPES.get(refusal.kind, "invalid_request_error"),
        "param": refusal.field,
        "code": CODES.get(refusal.kind, refusal.kind),
    }
    return {"error": detail, "detail": str(refusal)}


ERRORS = ErrorShape(error_body, ErrorBody)


def router(service: Service, gate: Gate) -> APIRouter:
    """The routes of this dialect."""
    routes = APIRouter(route_class=guarded_route(gate, lambda asked: ERRORS), tags=["OpenAI, Jina"])
    begun = int(time.time())

    @routes.post("/v1/embeddings", responses={200: {"model": EmbeddingsResponse}, **ERRORS.responses()})
    async def embeddings(asked: EmbeddingsRequest, call: Annotated[Call, Depends(call_of)]) -> Response:
        """Embed texts."""
        refuse_given(asked, UNSUPPORTED)
        done = await service.embed(_texts(asked), _wish(asked, service), call)
        return answer(_body(done, _encoding(asked), service), headers_of(done))

    @routes.get("/v1/models", responses={200: {"model": ModelList}, **ERRORS.responses("unauthorized")})
    async def models() -> Response:
        """List the served models, with the names that say what texts are."""
        data = [_model(name, begun) for name in _names(service)]
        return answer({"object": "list", "data": data})

    @routes.get("/v1/models/{name:path}", responses={200: {"model": Model}, **ERRORS.responses("not_found")})
    async def model(name: str) -> Response:
        """One of the served models."""
        if name not in _names(service):
            raise Refusal("unknown_model", f"model {name!r} is not served here", field="model")
        return answer(_model(name, begun))

    return routes


def _texts(asked: EmbeddingsRequest) -> Any:  # noqa: ANN401  (texts or lists of tokens)
    given = asked.input
    if isinstance(given, str):
        return [given]
    if isinstance(given[0], int):
        return [given]
    return given if isinstance(given[0], list) else plain_texts(given)


def _wish(asked: EmbeddingsRequest, service: Service) -> Wish:
    if asked.normalized is False:
        raise Refusal("invalid", "normalized: vectors have length 1 here and no other", field="normalized")
    if asked.task is not None and asked.task not in TASKS:
        raise Refusal("invalid", f"task must be one of {', '.join(TASKS)}", field="task")
    suffix = service.models.embedder_suffix(asked.model)
    task = None if asked.task is None else TASKS[asked.task]
    return Wish(
        role=choose_role(asked.input_type, suffix, task, instruction=asked.instruction),
        on_too_long="truncate" if asked.truncate else "error",
        dimension=asked.dimensions,
    )


def _encoding(asked: EmbeddingsRequest) -> str:
    if asked.encoding_format and asked.embedding_type and asked.encoding_format != asked.embedding_type:
        raise Refusal("invalid", "encoding_format and embedding_type differ", field="embedding_type")
    return asked.embedding_type or asked.encoding_format or "float"


def _body(done: Embedded, encoding: str, service: Service) -> dict[str, Any]:
    rows = rows_of(done.vectors, encoding)
    data = [
        {"object": "embedding", "index": index, "embedding": row, **report_of(item)}
        for index, (row, item) in enumerate(zip(rows, done.items, strict=True))
    ]
    return {
        "object": "list",
        "data": data,
        "model": service.models.need_embedder().name,
        "usage": usage_of(done.usage),
        **about(done),
    }


def _names(service: Service) -> list[str]:
    embedder, reranker = service.models.embedder, service.models.reranker
    embeds = (
        [] if embedder is None else [embedder.name, f"{embedder.name}:query", f"{embedder.name}:document"]
    )
    return embeds + ([] if reranker is None else [reranker.name])


def _model(name: str, created: int) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": created, "owned_by": "quiver"}
