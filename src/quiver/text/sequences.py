"""Sequences: prompted texts to exactly what a model sees. Serving and training both come through here."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from quiver.text.prompts import RERANKER_PREFIX, RERANKER_SUFFIX, PromptedText
from quiver.text.tokenizer import END_TOKEN, TextTokenizer, TokenIds
from quiver.text.truncation import Cut, LengthLimit, TooLongPolicy


@dataclass(frozen=True, slots=True)
class Prepared:
    """Sequences within the length limit, ready to run, and what was cut to make them."""

    sequences: list[TokenIds]
    cuts: tuple[Cut, ...] = ()
    first: int = 0
    """Number of the first text in messages and cuts."""


@dataclass(frozen=True, slots=True)
class Sequencer:
    """Puts a model's own tokens around every text, and keeps to the length limit."""

    tokenizer: TextTokenizer
    limit: LengthLimit
    before: TokenIds
    after: TokenIds

    @classmethod
    def for_embedder(cls, tokenizer: TextTokenizer, limit: LengthLimit) -> "Sequencer":
        """One end token closes every text: its row is the vector."""
        end = np.asarray([tokenizer.token_id(END_TOKEN)], dtype=np.int32)
        return cls(tokenizer, limit, np.empty(0, np.int32), end)

    @classmethod
    def for_reranker(cls, tokenizer: TextTokenizer, limit: LengthLimit) -> "Sequencer":
        """The published template: its last row answers."""
        before, after = (tokenizer.encode_trusted(text) for text in (RERANKER_PREFIX, RERANKER_SUFFIX))
        return cls(tokenizer, limit, before, after)

    def whole(self, texts: Sequence[PromptedText]) -> list[TokenIds]:
        """The sequences, of any length."""
        return self._framed(self.tokenizer.encode(texts))

    def limited(
        self,
        texts: Sequence[PromptedText],
        *,
        first: int = 0,
        limit: LengthLimit | None = None,
    ) -> Prepared:
        """The sequences within a limit, by default the model's; texts are numbered from ``first``."""
        bodies = self.tokenizer.encode(texts)
        return self._limited(
            bodies, lambda position: self.tokenizer.protected_length(texts[position]), first, limit
        )

    def limited_tokens(self, bodies: Sequence[TokenIds], *, limit: LengthLimit | None = None) -> Prepared:
        """The same for texts that come as token ids."""
        return self._limited(
            bodies, lambda position: self.tokenizer.opening_length(bodies[position]), 0, limit
        )

    def limit_for(
        self,
        on_too_long: TooLongPolicy | None,
        max_length: int | None = None,
        max_text_tokens: int | None = None,
    ) -> LengthLimit:
        """The model's limit with a call's wishes; none can exceed it."""
        longest = self.limit.max_length
        return LengthLimit(
            longest if max_length is None else min(max_length, longest),
            on_too_long or self.limit.policy,
            max_text_tokens,
        )

    def _limited(
        self,
        bodies: Sequence[TokenIds],
        protected: Callable[[int], int],
        first: int,
        limit: LengthLimit | None,
    ) -> Prepared:
        reserved = len(self.before) + len(self.after)
        chosen = limit or self.limit
        shortened, cuts = chosen.apply(bodies, reserved=reserved, protected=protected, first=first)
        return Prepared(self._framed(shortened), cuts, first)

    def _framed(self, bodies: Sequence[TokenIds]) -> list[TokenIds]:
        return [np.concatenate([self.before, body, self.after]) for body in bodies]
