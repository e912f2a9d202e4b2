"""Reranking as Cohere, Jina and vLLM ask for it: a query, ``documents``, and results best first.

They share paths and differ in little, so one answer serves all: ``relevance_score`` for everyone, ``meta``
for Cohere's clients, ``usage`` and ``model`` for Jina's and vLLM's.
"""

import uuid
from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Depends
from pydantic import ConfigDict, Field
from starlette.responses import Response

from quiver.server.answers import answer, headers_of, usage_of
from quiver.server.batching.call import Call
from quiver.server.dialects import cohere
from quiver.server.dialects.shapes import (
    Asked,
    NonNegative,
    Positive,
    TokenUsage,
    Told,
    about,
    refuse_given,
    report_of,
)
from quiver.server.errors import ErrorShape, Refusal
from quiver.server.gate import Gate
from quiver.server.roles import QUERY, Role
from quiver.server.route import call_of, guarded_route
from quiver.server.service import Judged, Service, Wish

UNSUPPORTED = {
    "max_chunks_per_doc": "a document is read whole here; give max_tokens_per_doc to cut it",
    "relevant_spans": "no spans are marked here",
}


Scalar = str | bool | Annotated[int, Field(ge=-(2**63), lt=2**63)] | float | None


class Document(Asked):
    """A document as an object; its ``text`` is ranked, and what else it holds comes back with it."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)
    __pydantic_extra__: dict[str, Scalar]

    text: str


class RerankRequest(Asked):
    """A query and documents."""

    query: str
    documents: Annotated[list[str | Document], Field(min_length=1, fail_fast=True)]
    model: str | None = None
    top_n: NonNegative | None = Field(None, description="Results to return; all if 0 or absent.")
    return_documents: bool | None = None
    max_tokens_per_doc: Positive | None = Field(
        None, description="Longer documents are cut, and reported; without it, longer than fits is an error."
    )
    truncate: bool | None = Field(None, description="Cut documents that are longer than fits.")
    instruction: str | None = Field(None, description="The task, in one sentence, instead of the default.")
    rank_fields: list[str] | None = Field(None, description='Only ["text"].')
    max_chunks_per_doc: Positive | None = Field(None, description="Refused.")
    relevant_spans: dict[str, Any] | None = Field(None, description="Refused.")
    user: str | None = Field(None, description="Has no effect.")
    priority: int | None = Field(None, description="Has no effect.")


class RerankResult(Told):
    """A document's relevance."""

    index: int
    relevance_score: float
    log_odds: float
    tokens: int
    kept: int
    cut: bool


class RerankResponse(Told):
    """Documents, the best first."""

    id: str
    model: str
    object: str
    results: list[RerankResult]
    usage: TokenUsage
    meta: dict[str, Any]


class ErrorBody(Told):
    """``message`` for Cohere's clients, ``detail`` for Jina's, ``error`` for vLLM's."""

    message: str
    detail: str
    error: dict[str, Any]


def error_body(refusal: Refusal) -> dict[str, Any]:
    """A refusal that clients of all three can read."""
    message = str(refusal)
    error = {"message": message, "type": refusal.kind, "param": refusal.field, "code": refusal.kind}
    return {"message": message, "detail": message, "error": error}


ERRORS = ErrorShape(error_body, ErrorBody)


def router(service: Service, gate: Gate) -> APIRouter:
    """The routes of this dialect; ``/rerank`` itself is shared with TEI."""
    routes = APIRouter(route_class=guarded_route(gate, lambda asked: ERRORS), tags=["Cohere, Jina, vLLM"])
    responses: dict[int | str, dict[str, Any]] = {200: {"model": RerankResponse}, **ERRORS.responses()}

    @routes.post("/v1/rerank", responses=responses)
    async def rerank(asked: RerankRequest, call: Annotated[Call, Depends(call_of)]) -> Response:
        """Rank documents; as Jina has it, they come back unless `return_documents` is false."""
        return await reranked(service, asked, call, version="1", returns_documents=True)

    @routes.post("/v2/rerank", responses=responses)
    async def rerank_v2(asked: RerankRequest, call: Annotated[Call, Depends(call_of)]) -> Response:
        """Rank documents."""
        return await reranked(service, asked, call, version="2", returns_documents=False)

    return routes


async def reranked(
    service: Service, asked: RerankRequest, call: Call, *, version: str, returns_documents: bool
) -> Response:
    """The answer to a request; ``returns_documents`` is what its path does by default."""
    refuse_given(asked, UNSUPPORTED)
    if asked.rank_fields not in (None, ["text"]):
        raise Refusal("invalid", 'rank_fields: only ["text"] is ranked here', field="rank_fields")
    service.models.check_reranker(asked.model)
    wish = Wish(
        role=Role(QUERY, asked.instruction),
        on_too_long="truncate" if asked.truncate or asked.max_tokens_per_doc else "error",
        max_document_tokens=asked.max_tokens_per_doc,
    )
    done = await service.score([(asked.query, _text(each)) for each in asked.documents], wish, call)
    if asked.return_documents is not None:
        returns_documents = asked.return_documents
    body = {
        "id": str(uuid.uuid4()),
        "model": service.models.need_reranker().name,
        "object": "list",
        "results": _results(done, asked, returns_documents),
        "usage": usage_of(done.usage),
        "meta": {**cohere.meta(done, version), **about(done)},
    }
    return answer(body, headers_of(done))


def best_first(done: Judged) -> list[int]:
    """Positions by relevance; equal ones in input order."""
    order: list[int] = np.argsort(-done.scores.log_odds, kind="stable").tolist()
    return order


def _results(done: Judged, asked: RerankRequest, returns_documents: bool) -> list[dict[str, Any]]:
    results = []
    for index in best_first(done)[: asked.top_n or None]:
        result: dict[str, Any] = {
            "index": index,
            "relevance_score": np.float32(done.scores[index]),
            "log_odds": np.float32(done.scores.log_odds[index]),
            **report_of(done.items[index]),
        }
        if returns_documents:
            result["document"] = _object(asked.documents[index])
        results.append(result)
    return results


def _text(document: str | Document) -> str:
    return document if isinstance(document, str) else document.text


def _object(document: str | Document) -> Mapping[str, Any]:
    return {"text": document} if isinstance(document, str) else document.model_dump()
