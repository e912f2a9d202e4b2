"""Embedding: a server's vectors as an engine."""

from collections.abc import Callable, Sequence

import numpy as np

from quiver.engine.backends import Remote
from quiver.engine.base import Floats
from quiver.engine.plan import Usage
from quiver.engine.remote.dialects import Inputs, Vectors
from quiver.engine.remote.first_look import (
    check_reading_of_texts,
    look_at_vectors,
    quietly,
    reads_token_ids,
)
from quiver.engine.remote.identity import ServedIdentity, identity_of
from quiver.engine.remote.served import (
    ask_at_once,
    ask_in_parts,
    connect,
    cut_into_requests,
    find_vectors,
    models_to_try,
    unknown_server,
    usage_of,
)
from quiver.errors import EndpointError
from quiver.text.characters import text_of
from quiver.text.tokenizer import TextTokenizer, TokenIds

CHARACTERS_OF_A_TOKEN = 4


class RemoteEmbedding:
    """Runs sequences on a server: as token ids where it takes them, else as the texts that they spell.

    Without a tokenizer the sequences are texts by themselves (``quiver.text.characters``).
    """

    def __init__(
        self,
        settings: Remote,
        *,
        name: str | None = None,
        tokenizer: TextTokenizer | None = None,
        tokenizer_identity: str | None = None,
        dimension: int | None = None,
    ) -> None:
        self._settings, self._tokenizer = settings, tokenizer
        self._connection = connect(settings)
        models = models_to_try(self._connection, settings.served_as, name)
        found, reasons = find_vectors(self._connection, models)
        if found is None:
            raise unknown_server(self._connection.url, " for vectors", reasons)
        self._served, answer = found
        self.identity = self._identify(answer, dimension, tokenizer_identity)
        self._sends_ids = tokenizer is not None and reads_token_ids(self._served, tokenizer, str(name))
        if settings.check:
            quietly(look_at_vectors, self._served)
            if tokenizer is not None and not self._sends_ids:
                quietly(check_reading_of_texts, self._served, tokenizer, str(name))

    def _identify(
        self, answer: Vectors, dimension: int | None, tokenizer_identity: str | None
    ) -> ServedIdentity:
        identity = identity_of(answer.served, answer.rows.shape[1], self._served.model)
        if dimension is not None and identity.dimension != dimension:
            raise EndpointError(
                f"{self._connection.url} gives vectors of {identity.dimension} dimensions where the model "
                f"has {dimension}: it runs another model, or cuts them"
            )
        if tokenizer_identity and identity.tokenizer not in (None, tokenizer_identity):
            raise EndpointError(f"{self._connection.url} runs a model with another tokenizer.json")
        return identity

    @property
    def precision(self) -> str:
        """What the server says, else ``served``."""
        return self.identity.precision

    @property
    def url(self) -> str:
        """The server's address, without what it may hold of a login."""
        return self._connection.url

    @property
    def device(self) -> str:
        """The server, its dialect, and what is sent."""
        sent = "token ids" if self._sends_ids else "texts"
        return f"{self._connection.url} ({self._served.dialect.name}, {self._served.model}, {sent})"

    @property
    def sees_tokens(self) -> bool:
        """Whether a tokenizer is at hand."""
        return self._tokenizer is not None

    @property
    def sends_token_ids(self) -> bool:
        """Whether the server sees our tokens; else it sees texts, and tokenises for itself."""
        return self._sends_ids

    def run_whole(
        self, sequences: Sequence[TokenIds], advance: Callable[[int], None]
    ) -> tuple[Floats, Usage]:
        """Vectors [N, dimension] and tokens, where these are known."""
        inputs, sizes = self._spelled(sequences), [len(sequence) for sequence in sequences]
        most = self._settings.tokens_per_request * (1 if self._tokenizer else CHARACTERS_OF_A_TOKEN)
        requests = cut_into_requests(sizes, self._settings.texts_per_request, most)

        def ask(positions: range) -> list[Vectors]:
            chosen = [inputs[position] for position in positions]
            parts = ask_in_parts(self._connection.url, chosen, self._served.ask)
            for part in parts:
                self.identity.check(self._connection.url, part.served, part.rows.shape[1])
            return parts

        answers = ask_at_once(
            requests,
            ask,
            self._settings.concurrency,
            lambda number: advance(sum(sizes[position] for position in requests[number])),
        )
        parts = [part for answer in answers for part in answer]
        known = sum(sizes) if self._tokenizer else None
        return np.concatenate([part.rows for part in parts]), usage_of([p.served for p in parts], known)

    def _spelled(self, sequences: Sequence[TokenIds]) -> Inputs:
        if self._tokenizer is None:
            return [text_of(sequence) for sequence in sequences]
        if self._sends_ids:
            return [sequence.tolist() for sequence in sequences]
        plain = self.identity.is_quiver
        return [self._tokenizer.spell(sequence[:-1], read_as_plain=plain) for sequence in sequences]
