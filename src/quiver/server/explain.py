"""Explain: queries beside documents, what the models think of each pair, and what they saw of the texts."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from quiver.embedder import Embedder
from quiver.engine.plan import Usage
from quiver.results import Floats
from quiver.server.batching.call import Call
from quiver.server.dialects.shapes import report_of
from quiver.server.roles import DOCUMENT, QUERY, Role
from quiver.server.service import Embedded, Judged, Service, Wish
from quiver.text.prompts import query_prompt


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be explained."""

    queries: Sequence[str]
    documents: Sequence[str]
    instruction: str | None
    dimension: int | None
    reranks: bool


@dataclass(frozen=True, slots=True)
class Explained:
    """The answer, as JSON says it."""

    body: dict[str, Any]
    fingerprint: str


async def explain(service: Service, question: Question, call: Call) -> Explained:
    """Cosines and scores of all pairs, tokens and cuts of all texts, and a map of the vectors.

    Longer texts are cut and reported. Raises what ``Service.embed`` and ``score`` raise.
    """
    embedder = service.models.need_embedder().embedder
    service.check([], len(question.queries) * len(question.documents))
    queries, documents = await asyncio.gather(
        service.embed(question.queries, _wish(question, QUERY), call),
        service.embed(question.documents, _wish(question, DOCUMENT), call),
    )
    judged = await _judge(service, question, call)
    vectors: Floats = np.concatenate([np.asarray(queries.vectors), np.asarray(documents.vectors)])
    pieces, places = await asyncio.to_thread(_drawn, embedder, question, vectors)
    shape = (len(question.queries), len(question.documents))
    instruction = question.instruction
    described = service.models.described()
    body = {
        "similarity": np.asarray(queries.vectors) @ np.asarray(documents.vectors).T,
        "scores": None if judged is None else np.asarray(judged.scores).reshape(shape),
        "log_odds": None if judged is None else judged.scores.log_odds.reshape(shape),
        "queries": _reports(queries, pieces[: shape[0]]),
        "documents": _reports(documents, pieces[shape[0] :]),
        "prompt": embedder.prompts.query if instruction is None else query_prompt(instruction),
        "map": places,
        "vectors_dimension": vectors.shape[1],
        "embedder": described["embedder"],
        "reranker": described["reranker"],
        "usage": _usage(queries.usage + documents.usage + (judged.usage if judged else Usage())),
    }
    return Explained(body, str(queries.fingerprint))


def plane(vectors: Floats) -> Floats:
    """Vectors [N, dimension] on the two axes along which they differ most: [N, 2]."""
    centred = vectors - vectors.mean(axis=0, keepdims=True) if len(vectors) else vectors
    if min(centred.shape) < 2:
        return np.zeros((len(vectors), 2), np.float32)
    left, sizes, axes = np.linalg.svd(centred, full_matrices=False)
    signs = np.sign(axes[np.arange(2), np.abs(axes[:2]).argmax(axis=1)])
    places: Floats = (left[:, :2] * sizes[:2] * signs).astype(np.float32)
    return places


async def _judge(service: Service, question: Question, call: Call) -> Judged | None:
    if service.models.reranker is None or not question.reranks:
        return None
    pairs = [(query, document) for query in question.queries for document in question.documents]
    return await service.score(pairs, _wish(question, QUERY), call)


def _wish(question: Question, role: str) -> Wish:
    instruction = question.instruction if role == QUERY else None
    return Wish(role=Role(role, instruction), on_too_long="truncate", dimension=question.dimension)


def _drawn(embedder: Embedder, question: Question, vectors: Floats) -> tuple[list[list[str]], Floats]:
    pieces = embedder.pieces([*question.queries, *question.documents])
    return [[piece.text for piece in text if piece.text] for text in pieces], plane(vectors)


def _reports(done: Embedded, pieces: Sequence[Sequence[str]]) -> list[dict[str, Any]]:
    return [{**report_of(item), "pieces": text} for item, text in zip(done.items, pieces, strict=True)]


def _usage(usage: Usage) -> dict[str, int]:
    return {
        "tokens_in": usage.tokens_in,
        "tokens_computed": usage.tokens_computed,
        "tokens_saved": usage.tokens_saved,
    }
