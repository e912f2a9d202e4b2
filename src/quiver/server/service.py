"""Service: what every dialect asks for. Texts with their roles in; vectors and scores out, and what was done.

Knows limits and models, and nothing of HTTP or of anyone's field names.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from quiver.engine.plan import Usage
from quiver.models.fingerprint import Fingerprint
from quiver.results import Embeddings, Scores
from quiver.server.batching.call import Call
from quiver.server.errors import Refusal
from quiver.server.models import ServedModels
from quiver.server.roles import DOCUMENT, QUERY, TOKENS, Role
from quiver.server.settings import Limits
from quiver.text.sequences import Prepared
from quiver.text.truncation import TooLongPolicy

QUICK_CHARACTERS = 4000
"""Texts up to here are tokenised at once; longer ones in a thread, so that others do not wait."""

Texts = Sequence[str]
TokenLists = Sequence[Sequence[int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How a client wants its texts treated."""

    role: Role = field(default_factory=Role)
    on_too_long: TooLongPolicy = "error"
    max_length: int | None = None
    """Tokens of a sequence, below the model's own limit."""
    max_document_tokens: int | None = None
    """Tokens of a document to rerank."""
    dimension: int | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """What became of one text."""

    tokens: int
    """With prompt and end token."""
    kept: int

    @property
    def cut(self) -> bool:
        """Whether the model saw less than all of it."""
        return self.kept < self.tokens


@dataclass(frozen=True, slots=True)
class Done:
    """What a call did, whatever it computed."""

    items: list[Item]
    usage: Usage
    fingerprint: Fingerprint
    input_type: str


@dataclass(frozen=True, slots=True)
class Embedded(Done):
    """Vectors [N, dimension] in input order."""

    vectors: Embeddings


@dataclass(frozen=True, slots=True)
class Judged(Done):
    """Scores [N] in input order."""

    scores: Scores


class Service:
    """The models of a server behind their batchers."""

    def __init__(self, models: ServedModels, limits: Limits) -> None:
        self.models = models
        self.limits = limits

    async def embed(self, texts: Texts | TokenLists, wish: Wish, call: Call) -> Embedded:
        """Vectors of texts, or of lists of the model's own tokens.

        Raises Refusal, or what ``Embedder.prepare_query`` and the batcher raise.
        """
        served = self.models.need_embedder()
        strings = [text for text in texts if isinstance(text, str)]
        self.check(strings, len(texts), wish.role.instruction)
        size = sum(map(len, texts))
        if strings or not texts:
            prepared = await _prepare(partial(self._sequences, strings, wish), size)
            role = wish.role
        else:
            make = partial(
                served.embedder.prepare_tokens,
                [ids for ids in texts if not isinstance(ids, str)],
                on_too_long=wish.on_too_long,
                max_length=wish.max_length,
            )
            prepared, role = await _prepare(make, size), Role(TOKENS)
        vectors = await served.embed(prepared, call, wish.dimension)
        assert vectors.fingerprint is not None
        return Embedded(items_of(prepared), vectors.usage, vectors.fingerprint, str(role), vectors)

    async def score(self, pairs: Sequence[tuple[str, str]], wish: Wish, call: Call) -> Judged:
        """Relevance of (query, document) pairs, in their order.

        Raises Refusal, or what ``Reranker.prepare`` and the batcher raise.
        """
        served = self.models.need_reranker()
        strings = list(dict.fromkeys(text for pair in pairs for text in pair))
        self.check(strings, len(pairs), wish.role.instruction)
        make = partial(
            served.reranker.prepare,
            pairs,
            instruction=wish.role.instruction,
            on_too_long=wish.on_too_long,
            max_length=wish.max_length,
            max_document_tokens=wish.max_document_tokens,
        )
        prepared = await _prepare(make, sum(len(query) + len(document) for query, document in pairs))
        scores = await served.score(prepared, call)
        fingerprint = served.reranker.fingerprint
        return Judged(items_of(prepared), scores.usage, fingerprint, "query, document", scores)

    def _sequences(self, texts: Texts, wish: Wish) -> Prepared:
        embedder = self.models.need_embedder().embedder
        role = wish.role
        if role.name == QUERY:
            return embedder.prepare_query(
                texts,
                instruction=role.instruction,
                on_too_long=wish.on_too_long,
                max_length=wish.max_length,
            )
        return embedder.prepare_document(
            texts,
            prompt_name=None if role.name == DOCUMENT else role.name,
            on_too_long=wish.on_too_long,
            max_length=wish.max_length,
        )

    def check(self, texts: Texts, items: int, instruction: str | None = None) -> None:
        """Raise Refusal if these are more, or longer, than one request may hold."""
        if items > self.limits.items:
            raise Refusal(
                "too_large",
                f"{items:,} texts or pairs in one request; at most {self.limits.items:,} are allowed",
            )
        most = self.limits.text_characters
        for text in (*texts, instruction or ""):
            if len(text) > most:
                raise Refusal(
                    "too_large", f"a text of {len(text):,} characters; at most {most:,} are allowed"
                )


def items_of(prepared: Prepared) -> list[Item]:
    """Token counts of prepared texts, in their order."""
    whole = {cut.index - prepared.first: cut.tokens for cut in prepared.cuts}
    lengths = [len(sequence) for sequence in prepared.sequences]
    return [Item(whole.get(index, length), length) for index, length in enumerate(lengths)]


async def _prepare(make: Callable[[], Prepared], size: int) -> Prepared:
    return make() if size <= QUICK_CHARACTERS else await asyncio.to_thread(make)
