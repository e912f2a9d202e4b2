"""vLLM's ``/score``: texts against texts. Its ``/rerank`` is in ``tei``, which shares the path."""

import time
import uuid
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Depends
from pydantic import Field
from starlette.responses import Response

from quiver.server.answers import answer, headers_of, usage_of
from quiver.server.batching.call import Call
from quiver.server.dialects.shapes import Asked, Texts, TokenUsage, Told, about, report_of
from quiver.server.errors import STATUS, ErrorShape, Refusal
from quiver.server.gate import Gate
from quiver.server.roles import QUERY, Role
from quiver.server.route import call_of, guarded_route
from quiver.server.service import Judged, Service, Wish


class ScoreRequest(Asked):
    """A query and documents: one with many, or as many of each."""

    text_1: str | Texts
    text_2: str | Texts
    model: str | None = None
    truncate: bool | None = Field(None, description="Cut longer documents; else they are an error.")
    instruction: str | None = Field(None, description="The task, in one sentence, instead of the default.")
    user: str | None = Field(None, description="Has no effect.")
    priority: int | None = Field(None, description="Has no effect.")


class Score(Told):
    """A pair's relevance."""

    index: int
    object: Literal["score"]
    score: float
    log_odds: float


class ScoreResponse(Told):
    """Scores in input order."""

    id: str
    object: Literal["list"]
    created: int
    model: str
    data: list[Score]
    usage: TokenUsage


class ErrorBody(Told):
    """What vLLM's clients read."""

    error: dict[str, Any]


def error_body(refusal: Refusal) -> dict[str, Any]:
    """A refusal as vLLM writes it."""
    error = {
        "message": str(refusal),
        "type": refusal.kind,
        "param": refusal.field,
        "code": STATUS[refusal.kind],
    }
    return {"error": error}


ERRORS = ErrorShape(error_body, ErrorBody)


def router(service: Service, gate: Gate) -> APIRouter:
    """The routes of this dialect."""
    routes = APIRouter(route_class=guarded_route(gate, lambda asked: ERRORS), tags=["vLLM"])
    responses: dict[int | str, dict[str, Any]] = {200: {"model": ScoreResponse}, **ERRORS.responses()}

    @routes.post("/score", responses=responses)
    @routes.post("/v1/score", responses=responses)
    async def score(asked: ScoreRequest, call: Annotated[Call, Depends(call_of)]) -> Response:
        """Score pairs: `text_1` is the query, `text_2` the document."""
        service.models.check_reranker(asked.model)
        wish = Wish(
            role=Role(QUERY, asked.instruction), on_too_long="truncate" if asked.truncate else "error"
        )
        done = await service.score(_pairs(asked), wish, call)
        return answer(_body(done, service.models.need_reranker().name), headers_of(done))

    return routes


def _pairs(asked: ScoreRequest) -> list[tuple[str, str]]:
    queries = [asked.text_1] if isinstance(asked.text_1, str) else asked.text_1
    documents = [asked.text_2] if isinstance(asked.text_2, str) else asked.text_2
    if len(queries) == 1:
        queries = queries * len(documents)
    if len(queries) != len(documents):
        raise Refusal(
            "invalid",
            f"text_1 has {len(queries)} texts and text_2 has {len(documents)}; give one text_1, or as many",
            field="text_1",
        )
    return list(zip(queries, documents, strict=True))


def _body(done: Judged, model: str) -> dict[str, Any]:
    scores, log_odds = np.asarray(done.scores), done.scores.log_odds
    data = [
        {"index": i, "object": "score", "score": scores[i], "log_odds": log_odds[i], **report_of(item)}
        for i, item in enumerate(done.items)
    ]
    return {
        "id": f"score-{uuid.uuid4().hex}",
        "object": "list",
        "created": int(time.time()),
        "model": model,
        "data": data,
        "usage": usage_of(done.usage),
        **about(done),
    }
