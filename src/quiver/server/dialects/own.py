"""Our own dialect: ``/search`` over the served index and ``/explain``, and the shape of its errors."""

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from pydantic import Field
from starlette.responses import Response

from quiver.search.hits import Hit, SearchResult
from quiver.search.searcher import Searcher
from quiver.server.answers import answer
from quiver.server.batching.call import Call
from quiver.server.bridge import Bridge, BridgedEmbedder, BridgedReranker
from quiver.server.dialects.shapes import Asked, NonNegative, Positive, Told
from quiver.server.errors import ErrorShape, Refusal
from quiver.server.explain import Explained, Question, explain
from quiver.server.gate import Gate
from quiver.server.route import call_of, guarded_route
from quiver.server.service import Service

MOST_PASSAGES = 1000


class SearchRequest(Asked):
    """A query for the served index; ``quiver search`` has the same options."""

    query: str
    top_k: Annotated[int, Field(ge=1, le=MOST_PASSAGES)] = 10
    mode: Literal["hybrid", "dense", "text"] = "hybrid"
    candidates: Annotated[int, Field(ge=1, le=MOST_PASSAGES)] = 100
    rerank_top: Annotated[int, Field(ge=0, le=MOST_PASSAGES)] = 20
    instruction: str | None = None
    where: str | None = Field(None, description="A filter, such as `path LIKE 'docs/%'`.")
    budget_ms: Annotated[float, Field(ge=0, le=1e9)] | None = None
    explain: bool = False


class ExplainRequest(Asked):
    """Queries and documents to compare."""

    queries: Annotated[list[str], Field(max_length=256)] = Field(default_factory=list)
    documents: Annotated[list[str], Field(max_length=2048)] = Field(default_factory=list)
    instruction: str | None = None
    dimensions: Positive | None = None
    rerank: bool = True


class SearchResponse(Told):
    """Passages, the best first."""

    hits: list[dict[str, Any]]
    candidates: NonNegative
    reranked: NonNegative
    skipped: NonNegative
    seconds: float
    usage: dict[str, int]


class ExplainResponse(Told):
    """Cosines and scores of queries [N] with documents [M], and what the texts became."""

    similarity: list[list[float]]
    scores: list[list[float]] | None
    log_odds: list[list[float]] | None
    queries: list[dict[str, Any]]
    documents: list[dict[str, Any]]
    prompt: str
    map: list[list[float]]
    vectors_dimension: int
    embedder: dict[str, Any]
    reranker: dict[str, Any] | None
    usage: dict[str, int]


class ErrorDetail(Told):
    """What is wrong."""

    type: str
    message: str


class ErrorBody(Told):
    """An error of ours."""

    error: ErrorDetail


ERRORS = ErrorShape(lambda refusal: {"error": {"type": refusal.kind, "message": str(refusal)}}, ErrorBody)


def router(service: Service, gate: Gate) -> APIRouter:
    """The routes of this dialect."""
    routes = APIRouter(route_class=guarded_route(gate, lambda asked: ERRORS), tags=["Quiver"])
    errors = ERRORS.responses()

    @routes.post("/search", responses={200: {"model": SearchResponse}, **errors})
    async def search(asked: SearchRequest, call: Annotated[Call, Depends(call_of)]) -> Response:
        """Find passages in the served index."""
        found = await _search(service, asked, call)
        headers = {"x-quiver-fingerprint": str(service.models.need_embedder().embedder.fingerprint)}
        return answer(_found(found, asked.explain), headers)

    @routes.post("/explain", responses={200: {"model": ExplainResponse}, **errors})
    async def explain_(asked: ExplainRequest, call: Annotated[Call, Depends(call_of)]) -> Response:
        """Compare queries with documents, and show what the model saw of them."""
        question = Question(asked.queries, asked.documents, asked.instruction, asked.dimensions, asked.rerank)
        explained: Explained = await explain(service, question, call)
        return answer(explained.body, {"x-quiver-fingerprint": explained.fingerprint})

    return routes


async def _search(service: Service, asked: SearchRequest, call: Call) -> SearchResult:
    if service.models.store is None:
        raise Refusal("not_found", "this server has no index: it was started without --index")
    service.check([asked.query], 1, asked.instruction)
    bridge = Bridge(call)
    reranker = service.models.reranker
    searcher = Searcher(
        service.models.store,
        embedder=BridgedEmbedder(service.models.need_embedder(), bridge),
        reranker=None if reranker is None else BridgedReranker(reranker, bridge),
    )
    try:
        return await asyncio.to_thread(
            searcher.search,
            asked.query,
            top_k=asked.top_k,
            mode=asked.mode,
            candidates=asked.candidates,
            rerank_top=asked.rerank_top,
            instruction=asked.instruction,
            where=asked.where,
            budget_ms=asked.budget_ms,
            explain=asked.explain,
        )
    finally:
        bridge.close()


def _found(found: SearchResult, explained: bool) -> dict[str, Any]:
    usage = found.usage
    return {
        "hits": [_hit(hit, explained) for hit in found],
        "candidates": found.candidates,
        "reranked": found.reranked,
        "skipped": found.skipped,
        "seconds": found.seconds,
        "usage": {
            "tokens_in": usage.tokens_in,
            "tokens_computed": usage.tokens_computed,
            "tokens_saved": usage.tokens_saved,
        },
    }


def _hit(hit: Hit, explained: bool) -> dict[str, Any]:
    passage, span = hit.passage, hit.span
    told: dict[str, Any] = {
        "score": hit.score,
        "stage": hit.stage,
        "path": passage.path,
        "title": passage.title,
        "headings": list(passage.headings),
        "first_line": passage.first_line,
        "last_line": passage.last_line,
        "page": passage.page,
        "other_paths": list(hit.other_paths),
        "text": passage.text,
        "span": None
        if span is None
        else {"start": span.start, "stop": span.stop, "words": [list(word) for word in span.words]},
    }
    if explained:
        told["stages"] = {each.stage: {"rank": each.rank, "score": each.score} for each in hit.stages}
    return told
