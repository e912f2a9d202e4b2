"""Reranking: a server's scores as an engine, whose sequences are pairs (``quiver.text.characters``)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from quiver.engine.backends import Remote
from quiver.engine.base import Floats
from quiver.engine.plan import Usage
from quiver.engine.remote.dialects import Judged
from quiver.engine.remote.embedding import CHARACTERS_OF_A_TOKEN
from quiver.engine.remote.first_look import look_at_scores, quietly
from quiver.engine.remote.identity import identity_of
from quiver.engine.remote.served import (
    ask_at_once,
    ask_in_parts,
    connect,
    cut_into_requests,
    find_scores,
    models_to_try,
    unknown_server,
    usage_of,
)
from quiver.errors import EndpointError, InputError
from quiver.text.characters import fields_of
from quiver.text.prompts import DEFAULT_INSTRUCTION
from quiver.text.tokenizer import TokenIds

LARGEST_LOG_ODDS = float(np.log(2.0**24))
"""Of a server that tells probabilities only: those that round to 0 or 1 say no more."""


@dataclass(frozen=True, slots=True)
class Question:
    """One request: a query and some of its documents, with their places among all pairs."""

    instruction: str
    query: str
    documents: list[str]
    places: list[int]


class RemoteReranking:
    """Sends pairs to a server, which puts its own template around them."""

    def __init__(self, settings: Remote, *, name: str | None = None) -> None:
        self._settings = settings
        self._connection = connect(settings)
        models = models_to_try(self._connection, settings.served_as, name)
        found, reasons = find_scores(self._connection, models)
        if found is None:
            raise unknown_server(self._connection.url, " for scores", reasons)
        self._served, answer = found
        self.identity = identity_of(answer.served, 1, self._served.model)
        if settings.check:
            quietly(look_at_scores, self._served)

    @property
    def precision(self) -> str:
        """What the server says, else ``served``."""
        return self.identity.precision

    @property
    def device(self) -> str:
        """The server and its dialect."""
        return f"{self._connection.url} ({self._served.dialect.name}, {self._served.model}, texts)"

    @property
    def sees_tokens(self) -> bool:
        """Pairs are characters."""
        return False

    def run_whole(
        self, sequences: Sequence[TokenIds], advance: Callable[[int], None]
    ) -> tuple[Floats, Usage]:
        """Log-odds of "yes" against "no" as logits [N, 2], the first of them 0, and tokens where known."""
        questions = self._questions(sequences)
        answers = ask_at_once(
            questions,
            self._ask,
            self._settings.concurrency,
            lambda number: advance(sum(len(sequences[place]) for place in questions[number].places)),
        )
        logits = np.zeros((len(sequences), 2), dtype=np.float32)
        for question, parts in zip(questions, answers, strict=True):
            logits[question.places, 1] = np.concatenate([self._log_odds(part) for part in parts])
        return logits, usage_of([part.served for answer in answers for part in answer])

    def _questions(self, sequences: Sequence[TokenIds]) -> list[Question]:
        by_query: dict[tuple[str, str], list[tuple[int, str]]] = {}
        for place, sequence in enumerate(sequences):
            instruction, query, document = fields_of(sequence)
            by_query.setdefault((instruction, query), []).append((place, document))
        questions = []
        most = self._settings.tokens_per_request * CHARACTERS_OF_A_TOKEN
        for (instruction, query), placed in by_query.items():
            self._check_instruction(instruction)
            sizes = [len(query) + len(document) for _, document in placed]
            for part in cut_into_requests(sizes, self._settings.texts_per_request, most):
                places, documents = zip(*(placed[position] for position in part), strict=True)
                questions.append(Question(instruction, query, list(documents), list(places)))
        return questions

    def _check_instruction(self, instruction: str) -> None:
        if instruction != DEFAULT_INSTRUCTION and not self.identity.is_quiver:
            raise InputError(
                f"{self._connection.url} is no server of Quiver's and has no field for an instruction; leave "
                "it out, or put it into the query if the server's template expects it there"
            )

    def _ask(self, question: Question) -> list[Judged]:
        instruction = None if question.instruction == DEFAULT_INSTRUCTION else question.instruction

        def ask(documents: Sequence[str]) -> Judged:
            return self._served(question.query, *documents, instruction=instruction)

        parts = ask_in_parts(self._connection.url, question.documents, ask)
        for part in parts:
            self.identity.check(self._connection.url, part.served, 1)
        return parts

    def _log_odds(self, judged: Judged) -> Floats:
        if judged.log_odds is not None:
            return judged.log_odds
        exact = judged.scores.astype(np.float64)
        if exact.min() < 0 or exact.max() > 1:
            raise EndpointError(
                f"{self._connection.url} scores from {exact.min():.2f} to {exact.max():.2f}, which are no "
                "probabilities"
            )
        with np.errstate(divide="ignore"):
            odds = np.log(exact) - np.log1p(-exact)
        found: Floats = np.clip(odds, -LARGEST_LOG_ODDS, LARGEST_LOG_ODDS).astype(np.float32)
        return found
