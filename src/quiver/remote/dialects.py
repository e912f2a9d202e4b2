"""Dialects: how OpenAI-, TEI-, Cohere-, Jina-, vLLM- and Ollama-shaped servers are asked, and answer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import numpy as np

from quiver.remote.connection import Connection, KeepsFailing, Refused
from quiver.results import Floats

Json: TypeAlias = dict[str, Any]
Dialect = TypeVar("Dialect")

MOST_MODELS = 8
"""So many of a server's models are tried, in the order of its list."""


class NotSpoken(Exception):
    """An answer is not shaped as the dialect says."""


@dataclass(frozen=True, slots=True)
class Vectors:
    """Vectors [N, dimension] and, where the server counts, the tokens of all texts together."""

    rows: Floats
    tokens: int | None


@dataclass(frozen=True, slots=True)
class EmbeddingDialect:
    """One way to ask for vectors."""

    name: str
    path: str
    body: Callable[[str, Sequence[str]], Json]
    dimension_field: str
    read: Callable[[Any], tuple[list[list[float]], int | None]]


@dataclass(frozen=True, slots=True)
class RerankingDialect:
    """One way to ask for scores of documents; ``read`` gives (index, score) pairs."""

    name: str
    path: str
    body: Callable[[str, str, Sequence[str]], Json]
    read: Callable[[Any], list[tuple[int, float]]]


def _openai_vectors(answer: Any) -> tuple[list[list[float]], int | None]:  # noqa: ANN401 - any JSON
    items = sorted(answer["data"], key=lambda item: item["index"])
    return [item["embedding"] for item in items], (answer.get("usage") or {}).get("prompt_tokens")


def _cohere_vectors(answer: Any) -> tuple[list[list[float]], int | None]:  # noqa: ANN401 - any JSON
    billed = (answer.get("meta") or {}).get("billed_units") or {}
    return answer["embeddings"]["float"], billed.get("input_tokens")


EMBEDDING_DIALECTS = (
    EmbeddingDialect(
        "OpenAI",
        "/v1/embeddings",
        lambda model, texts: {"model": model, "input": list(texts), "encoding_format": "float"},
        "dimensions",
        _openai_vectors,
    ),
    EmbeddingDialect(
        "TEI",
        "/embed",
        lambda _, texts: {"inputs": list(texts)},
        "dimensions",
        lambda answer: (list(answer), None),
    ),
    EmbeddingDialect(
        "Cohere",
        "/v2/embed",
        lambda model, texts: {
            "model": model,
            "texts": list(texts),
            "input_type": "search_document",
            "embedding_types": ["float"],
            "truncate": "NONE",
        },
        "output_dimension",
        _cohere_vectors,
    ),
    EmbeddingDialect(
        "Ollama",
        "/api/embed",
        lambda model, texts: {"model": model, "input": list(texts), "truncate": False},
        "dimensions",
        lambda answer: (answer["embeddings"], answer.get("prompt_eval_count")),
    ),
)


def _ranked(model: str, query: str, documents: Sequence[str]) -> Json:
    return {"model": model, "query": query, "documents": list(documents), "top_n": len(documents)}


def _ranked_scores(answer: Any) -> list[tuple[int, float]]:  # noqa: ANN401 - any JSON
    return [(item["index"], item["relevance_score"]) for item in answer["results"]]


RERANKING_DIALECTS = (
    RerankingDialect("Cohere", "/v2/rerank", _ranked, _ranked_scores),
    RerankingDialect("Jina", "/v1/rerank", _ranked, _ranked_scores),
    RerankingDialect(
        "TEI",
        "/rerank",
        lambda _, query, documents: {"query": query, "texts": list(documents), "raw_scores": False},
        lambda answer: [(item["index"], item["score"]) for item in answer],
    ),
    RerankingDialect("Jina, without /v1", "/rerank", _ranked, _ranked_scores),
    RerankingDialect(
        "vLLM",
        "/score",
        lambda model, query, documents: {"model": model, "text_1": query, "text_2": list(documents)},
        lambda answer: [(item["index"], item["score"]) for item in answer["data"]],
    ),
)


def embed(
    connection: Connection,
    dialect: EmbeddingDialect,
    model: str,
    texts: Sequence[str],
    dimension: int | None = None,
) -> Vectors:
    """Vectors of texts, sent as they are.

    Raises Refused as the connection does, NotSpoken if the answer is of another shape.
    """
    body = dialect.body(model, texts)
    if dimension is not None:
        body[dialect.dimension_field] = dimension
    answer = connection.post(dialect.path, body)
    try:
        lists, tokens = dialect.read(answer)
        rows = np.asarray(lists, dtype=np.float32)
    except (LookupError, TypeError, ValueError, AttributeError):
        raise NotSpoken(f"{dialect.path} does not answer as {dialect.name} does") from None
    if rows.ndim != 2 or len(rows) != len(texts):
        raise NotSpoken(f"{dialect.path} gives an array of shape {rows.shape} for {len(texts)} texts")
    return Vectors(rows, tokens if isinstance(tokens, int) else None)


def rerank(
    connection: Connection, dialect: RerankingDialect, model: str, query: str, documents: Sequence[str]
) -> Floats:
    """Scores of documents for a query, in their order: [N]; raises as ``embed`` does."""
    answer = connection.post(dialect.path, dialect.body(model, query, documents))
    try:
        found = {int(index): float(score) for index, score in dialect.read(answer)}
        scores = np.array([found[index] for index in range(len(documents))], dtype=np.float32)
    except (LookupError, TypeError, ValueError, AttributeError):
        raise NotSpoken(f"{dialect.path} does not answer as {dialect.name} does") from None
    return scores


def first_answered(
    dialects: Sequence[Dialect], models: Sequence[str], probe: Callable[[Dialect, str], object]
) -> tuple[tuple[Dialect, str] | None, list[str]]:
    """The first dialect and model with which a probe succeeds, and why those before them did not."""
    reasons: list[str] = []
    for dialect in dialects:
        for model in models:
            try:
                probe(dialect, model)
            except (Refused, NotSpoken, KeepsFailing) as error:
                reasons.append(str(error))
            else:
                return (dialect, model), reasons
    return None, reasons


def served_models(connection: Connection) -> list[str]:
    """The first models that the server lists; "default" if it lists none."""
    for path, field in (("/v1/models", "data"), ("/api/tags", "models")):
        try:
            listed = connection.get(path)[field][:MOST_MODELS]
            return [str(entry.get("id") or entry["model"]) for entry in listed] or ["default"]
        except (Refused, KeepsFailing, LookupError, TypeError, AttributeError):
            continue
    return ["default"]
