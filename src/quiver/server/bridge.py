"""Bridge: lets the synchronous Searcher, in a thread of its own, use models behind batchers.

One bridge lives for one request, so that its deadline, its client and its going away reach the batcher.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

import numpy as np

from quiver.errors import InputError
from quiver.models.fingerprint import Fingerprint
from quiver.results import Embeddings, RankedDocument, Ranking
from quiver.server.batching.call import Call
from quiver.server.batching.served import ServedEmbedder, ServedReranker

Result = TypeVar("Result")


class Bridge:
    """A thread's way to run coroutines on the server's event loop."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self._loop = asyncio.get_running_loop()
        self._is_open = True

    def close(self) -> None:
        """The request is over: whatever its thread still asks for is refused."""
        self._is_open = False

    def wait_for(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run work on the event loop and wait in this thread."""
        if not self._is_open:
            work.close()
            raise InputError("the request is over")
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


class BridgedEmbedder:
    """An embedder as the Searcher uses it."""

    def __init__(self, served: ServedEmbedder, bridge: Bridge) -> None:
        self._served, self._bridge = served, bridge

    @property
    def fingerprint(self) -> Fingerprint:
        """The vector space."""
        return self._served.embedder.fingerprint

    def encode_query(
        self,
        texts: Sequence[str],
        *,
        instruction: str | Sequence[str] | None = None,
        show_progress_bar: bool | None = None,
    ) -> Embeddings:
        """Unit vectors [N, E]."""
        prepared = self._served.embedder.prepare_query(texts, instruction=instruction)
        return self._bridge.wait_for(self._served.embed(prepared, self._bridge.call))


class BridgedReranker:
    """A reranker as the Searcher uses it."""

    def __init__(self, served: ServedReranker, bridge: Bridge) -> None:
        self._served, self._bridge = served, bridge

    @property
    def retrieval_weight(self) -> float:
        """What a spread of the retriever's scores counts beside the log-odds."""
        return self._served.reranker.retrieval_weight

    def rank(
        self,
        query: str,
        documents: Sequence[str],
        *,
        instruction: str | None = None,
        show_progress_bar: bool | None = None,
    ) -> Ranking:
        """Documents by their relevance; longer ones are cut, since passages come from the index."""
        pairs = [(query, document) for document in documents]
        prepared = self._served.reranker.prepare(pairs, instruction=instruction, on_too_long="truncate")
        scores = self._bridge.wait_for(self._served.score(prepared, self._bridge.call))
        ranked = [
            RankedDocument(
                corpus_id=index, score=float(scores[index]), log_odds=float(scores.log_odds[index])
            )
            for index in np.argsort(-scores.log_odds, kind="stable").tolist()
        ]
        return Ranking(ranked, scores.usage, scores.cuts)
