"""Sequences: prompted texts to exactly what a model sees. Serving and training both come through here."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from quiver.text.prompts import RERANKER_PREFIX, RERANKER_SUFFIX, PromptedText
from quiver.text.tokenizer import END_TOKEN, TextTokenizer, TokenIds
from quiver.text.truncation import Cut, LengthLimit


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
        self, texts: Sequence[PromptedText], *, first: int = 0
    ) -> tuple[list[TokenIds], tuple[Cut, ...]]:
        """The sequences within the limit, and what was cut; texts are numbered from ``first``."""
        bodies, cuts = self.limit.apply(
            self.tokenizer.encode(texts),
            reserved=len(self.before) + len(self.after),
            protected=lambda position: self.tokenizer.protected_length(texts[position]),
            first=first,
        )
        return self._framed(bodies), cuts

    def _framed(self, bodies: Sequence[TokenIds]) -> list[TokenIds]:
        return [np.concatenate([self.before, body, self.after]) for body in bodies]
