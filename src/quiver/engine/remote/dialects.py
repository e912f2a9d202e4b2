"""Dialects: how OpenAI-, TEI-, Cohere-, Jina-, vLLM- and Ollama-shaped servers are asked, and answer."""

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import numpy as np

from quiver.engine.base import Floats
from quiver.engine.remote.connection import Answer, Connection, KeepsFailing, Refused

Json: TypeAlias = dict[str, Any]
Dialect = TypeVar("Dialect")
Reply = TypeVar("Reply")
Inputs: TypeAlias = Sequence[str | list[int]]
"""Texts, or token ids where the dialect takes them."""

MOST_MODELS = 8
"""So many of a server's models are tried, in the order of its list."""


class NotSpoken(Exception):
    """An answer is not shaped as the dialect says."""


@dataclass(frozen=True, slots=True)
class Served:
    """What an answer tells beside its numbers; None where the server does not say."""

    fingerprint: str | None
    tokens: int | None
    """Of all texts together."""
    computed: int | None
    """Of these, those that the server ran."""


@dataclass(frozen=True, slots=True)
class Vectors:
    """Vectors [N, dimension]."""

    rows: Floats
    served: Served

    @property
    def tokens(self) -> int | None:
        """Tokens of all texts together, where the server counts."""
        return self.served.tokens


@dataclass(frozen=True, slots=True)
class Judged:
    """Scores [N] in the order of the documents; ``log_odds`` where the server has them."""

    scores: Floats
    log_odds: Floats | None
    served: Served


@dataclass(frozen=True, slots=True)
class EmbeddingDialect:
    """One way to ask for vectors."""

    name: str
    path: str
    body: Callable[[str, Inputs], Json]
    dimension_field: str
    read: Callable[[Any], tuple[list[Any], int | None]]
    takes_token_ids: bool = False


@dataclass(frozen=True, slots=True)
class RerankingDialect:
    """One way to ask for scores of documents; ``read`` gives the items, ``score`` names theirs."""

    name: str
    path: str
    body: Callable[[str, str, Sequence[str]], Json]
    read: Callable[[Any], list[Json]]
    score: str


def _openai_vectors(answer: Any) -> tuple[list[Any], int | None]:  # noqa: ANN401 - any JSON
    items = sorted(answer["data"], key=lambda item: item["index"])
    return [item["embedding"] for item in items], (answer.get("usage") or {}).get("prompt_tokens")


def _cohere_vectors(answer: Any) -> tuple[list[Any], int | None]:  # noqa: ANN401 - any JSON
    billed = (answer.get("meta") or {}).get("billed_units") or {}
    return answer["embeddings"]["float"], billed.get("input_tokens")


def _openai(name: str, encoding: str) -> EmbeddingDialect:
    return EmbeddingDialect(
        name,
        "/v1/embeddings",
        lambda model, texts: {"model": model, "input": list(texts), "encoding_format": encoding},
        "dimensions",
        _openai_vectors,
        takes_token_ids=True,
    )


EMBEDDING_DIALECTS = (
    _openai("OpenAI", "base64"),
    _openai("OpenAI, without base64", "float"),
    EmbeddingDialect(
        "TEI",
        "/embed",
        lambda _, texts: {"inputs": list(texts)},
        "dimensions",
        lambda answer: (list(answer), None),
        takes_token_ids=True,
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


def _results(answer: Any) -> list[Json]:  # noqa: ANN401 - any JSON
    return list(answer["results"])


RERANKING_DIALECTS = (
    RerankingDialect("Cohere", "/v2/rerank", _ranked, _results, "relevance_score"),
    RerankingDialect("Jina", "/v1/rerank", _ranked, _results, "relevance_score"),
    RerankingDialect(
        "TEI",
        "/rerank",
        lambda _, query, documents: {"query": query, "texts": list(documents), "raw_scores": False},
        list,
        "score",
    ),
    RerankingDialect("Jina, without /v1", "/rerank", _ranked, _results, "relevance_score"),
    RerankingDialect(
        "vLLM",
        "/score",
        lambda model, query, documents: {"model": model, "text_1": query, "text_2": list(documents)},
        lambda answer: list(answer["data"]),
        "score",
    ),
)


def embed(
    connection: Connection,
    dialect: EmbeddingDialect,
    model: str,
    inputs: Inputs,
    dimension: int | None = None,
) -> Vectors:
    """Vectors of texts or token ids, sent as they are.

    Raises Refused as the connection does, NotSpoken if the answer is of another shape.
    """
    body = dialect.body(model, inputs)
    if dimension is not None:
        body[dialect.dimension_field] = dimension
    answer = connection.post(dialect.path, body)
    try:
        lists, tokens = dialect.read(answer.content)
        rows = np.asarray([_floats(each) for each in lists], dtype=np.float32)
    except (LookupError, TypeError, ValueError, AttributeError):
        raise NotSpoken(f"{dialect.path} does not answer as {dialect.name} does") from None
    if rows.ndim != 2 or len(rows) != len(inputs):
        raise NotSpoken(f"{dialect.path} gives an array of shape {rows.shape} for {len(inputs)} texts")
    return Vectors(rows, _served(answer, tokens))


def rerank(
    connection: Connection,
    dialect: RerankingDialect,
    model: str,
    query: str,
    documents: Sequence[str],
    instruction: str | None = None,
) -> Judged:
    """Scores of documents for a query; raises as ``embed`` does.

    ``instruction`` is a field that Quiver's servers know and others may ignore.
    """
    body = dialect.body(model, query, documents)
    if instruction is not None:
        body["instruction"] = instruction
    answer = connection.post(dialect.path, body)
    try:
        items = {int(item["index"]): item for item in dialect.read(answer.content)}
        in_order = [items[index] for index in range(len(documents))]
        scores = np.array([float(item[dialect.score]) for item in in_order], dtype=np.float32)
        odds = [item.get("log_odds") for item in in_order]
        log_odds = None if None in odds else np.array(odds, dtype=np.float32)
        tokens = _told_tokens(answer.content)
    except (LookupError, TypeError, ValueError, AttributeError):
        raise NotSpoken(f"{dialect.path} does not answer as {dialect.name} does") from None
    return Judged(scores, log_odds, _served(answer, tokens))


def _floats(given: Any) -> Any:  # noqa: ANN401 - a list of numbers, or base64 of float32
    return np.frombuffer(base64.b64decode(given, validate=True), "<f4") if isinstance(given, str) else given


def _told_tokens(answer: Any) -> int | None:  # noqa: ANN401 - any JSON
    if not isinstance(answer, Mapping):
        return None
    usage = answer.get("usage")
    return usage.get("prompt_tokens") if isinstance(usage, Mapping) else None


def _served(answer: Answer, tokens: object) -> Served:
    def count(name: str) -> int | None:
        value = answer.headers.get(name, "")
        return int(value) if value.isdecimal() else None

    told = count("x-quiver-tokens-in")
    return Served(
        answer.headers.get("x-quiver-fingerprint"),
        tokens if isinstance(tokens, int) else told,
        count("x-quiver-tokens-computed"),
    )


def first_answered(
    dialects: Sequence[Dialect], models: Sequence[str], probe: Callable[[Dialect, str], Reply]
) -> tuple[tuple[Dialect, str, Reply] | None, list[str]]:
    """The first dialect and model with which a probe succeeds, what it gave, and why those before did not."""
    reasons: list[str] = []
    for dialect in dialects:
        for model in models:
            try:
                reply = probe(dialect, model)
            except (Refused, NotSpoken, KeepsFailing) as error:
                reasons.append(str(error))
            else:
                return (dialect, model, reply), reasons
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
