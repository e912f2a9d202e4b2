"""Served: what a server does, once the dialect and the model's name there are found."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from quiver.engine.backends import Remote
from quiver.engine.plan import Usage
from quiver.engine.remote.connection import Connection, KeepsFailing, Refused, TooMuch
from quiver.engine.remote.dialects import (
    EMBEDDING_DIALECTS,
    RERANKING_DIALECTS,
    EmbeddingDialect,
    Inputs,
    Judged,
    NotSpoken,
    RerankingDialect,
    Served,
    Vectors,
    embed,
    first_answered,
    rerank,
    served_models,
)
from quiver.errors import EndpointError

Request = TypeVar("Request")
Reply = TypeVar("Reply")
Item = TypeVar("Item")

DECLINED = (Refused, NotSpoken, KeepsFailing)


@dataclass(frozen=True, slots=True)
class ServedVectors:
    """A server's vectors: how and by which name they are asked for."""

    connection: Connection
    dialect: EmbeddingDialect
    model: str

    def __call__(self, *texts: str, dimension: int | None = None) -> Vectors:
        """Vectors of texts, sent as they are."""
        return self.ask(texts, dimension)

    def ask(self, inputs: Inputs, dimension: int | None = None) -> Vectors:
        """The same, or of token ids."""
        return embed(self.connection, self.dialect, self.model, inputs, dimension)


@dataclass(frozen=True, slots=True)
class ServedScores:
    """A server's scores, likewise."""

    connection: Connection
    dialect: RerankingDialect
    model: str

    def __call__(self, query: str, *documents: str, instruction: str | None = None) -> Judged:
        """Scores of documents in their order."""
        return rerank(self.connection, self.dialect, self.model, query, documents, instruction)


def connect(settings: Remote) -> Connection:
    """A connection whose too large requests can be divided."""
    return Connection(
        settings.url,
        api_key=settings.api_key,
        api_key_env=settings.api_key_env,
        timeout=settings.timeout,
        splits=True,
    )


def find_vectors(
    connection: Connection, models: Sequence[str]
) -> tuple[tuple[ServedVectors, Vectors] | None, list[str]]:
    """The first dialect and model that give vectors, with an answer, and why those before them did not."""
    found, reasons = first_answered(
        EMBEDDING_DIALECTS, models, lambda dialect, model: embed(connection, dialect, model, ["ab"])
    )
    if found is None:
        return None, reasons
    dialect, model, answer = found
    return (ServedVectors(connection, dialect, model), answer), reasons


def find_scores(
    connection: Connection, models: Sequence[str]
) -> tuple[tuple[ServedScores, Judged] | None, list[str]]:
    """The first dialect and model that give scores, likewise."""
    found, reasons = first_answered(
        RERANKING_DIALECTS, models, lambda dialect, model: rerank(connection, dialect, model, "a", ["ab"])
    )
    if found is None:
        return None, reasons
    dialect, model, answer = found
    return (ServedScores(connection, dialect, model), answer), reasons


def models_to_try(connection: Connection, served_as: str | None, name: str | None) -> list[str]:
    """The name that is given, else those that the server lists, with the one called ``name`` first."""
    if served_as is not None:
        return [served_as]
    listed = served_models(connection)
    if name is None:
        return listed
    alike = [each for each in listed if _last_part(each) == _last_part(name)]
    return alike or listed


def unknown_server(url: str, what: str, reasons: Sequence[str]) -> EndpointError:
    """What to raise where no dialect is answered."""
    said = "; ".join(dict.fromkeys(reasons))
    return EndpointError(f"{url} speaks no dialect that Quiver knows{what}: {said}")


def ask_in_parts(url: str, items: Sequence[Item], ask: Callable[[Sequence[Item]], Reply]) -> list[Reply]:
    """Answers to items in one request, or in ever smaller ones while the server says that it is too much.

    Raises EndpointError if the server declines.
    """
    try:
        return [ask(items)]
    except TooMuch as error:
        if len(items) == 1:
            raise EndpointError(f"a single text is too much for {url}: {error}") from None
        middle = len(items) // 2
        return [*ask_in_parts(url, items[:middle], ask), *ask_in_parts(url, items[middle:], ask)]
    except (Refused, NotSpoken) as error:
        raise EndpointError(f"{url} declines: {error}") from None


def ask_at_once(
    requests: Sequence[Request],
    ask: Callable[[Request], Reply],
    concurrency: int,
    done: Callable[[int], None],
) -> list[Reply]:
    """Replies to all requests in their order, at most ``concurrency`` of them under way.

    ``done`` is told, in this thread, the number of each request that was answered.
    """
    pool = ThreadPoolExecutor(max_workers=concurrency, thread_name_prefix="quiver-remote")
    try:
        waiting = [pool.submit(ask, request) for request in requests]
        replies = []
        for number, future in enumerate(waiting):
            replies.append(future.result())
            done(number)
        return replies
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def cut_into_requests(sizes: Sequence[int], most_items: int, most_size: int) -> list[range]:
    """Neighbours that go in one request: at most so many, of so much together, or one that is larger."""
    requests: list[range] = []
    start = size = 0
    for position, own in enumerate(sizes):
        if position > start and (position - start >= most_items or size + own > most_size):
            requests.append(range(start, position))
            start, size = position, 0
        size += own
    return [*requests, range(start, len(sizes))] if sizes else []


def usage_of(answers: Sequence[Served], tokens: int | None = None) -> Usage:
    """Tokens as they are known here, else as the server counted them, and those that it says it ran."""
    counted = sum(answer.tokens or 0 for answer in answers) if tokens is None else tokens
    computed = [answer.computed for answer in answers]
    return Usage(counted, counted if None in computed else sum(each or 0 for each in computed))


def _last_part(name: str) -> str:
    return name.rstrip("/").rpartition("/")[2].lower()
