"""Reranker: how likely a document meets a query, read from a language model's "yes" and "no"."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from quiver.engine.backends import Backend
from quiver.engine.execute import OneStep, Steps, plan_and_run, plan_steps
from quiver.engine.plan import Usage
from quiver.errors import InputError, NumericalError
from quiver.models.checkpoint import Checkpoint
from quiver.models.fingerprint import Fingerprint, digest
from quiver.opened import Wishes, open_reranker
from quiver.results import Floats, RankedDocument, Ranking, Scores
from quiver.text import prompts
from quiver.text.prompts import PromptedText
from quiver.text.sequences import Prepared
from quiver.text.tokenizer import TokenIds, check_texts
from quiver.text.truncation import TooLongPolicy


class Reranker:
    """A reranking model: Qwen3-Reranker of any size, or the small built-in one.

    The arguments and errors are those of ``Embedder``; a cut takes the document's end and never the query
    or the template.
    """

    def __init__(
        self,
        model: str | Path | None = None,
        *,
        url: str | None = None,
        device: str | None = None,
        dtype: str = "auto",
        backend: Backend = "auto",
        threads: int | None = None,
        max_length: int | None = None,
        on_too_long: TooLongPolicy = "error",
        parse_special_tokens: bool = False,
        token_budget: int | None = None,
        revision: str | None = None,
        token: str | None = None,
    ) -> None:
        wishes = Wishes(
            url=url,
            backend=backend,
            device=device,
            dtype=dtype,
            threads=threads,
            max_length=max_length,
            on_too_long=on_too_long,
            parse_special_tokens=parse_special_tokens,
            token_budget=token_budget,
            revision=revision,
            token=token,
        )
        self._opened = open_reranker(model, wishes)
        self._engine, self._sequencer = self._opened.engine, self._opened.sequencer

    @property
    def checkpoint(self) -> Checkpoint:
        """The model's files; raises InputError if a server is all that is known of it."""
        return self._opened.checkpoint

    @property
    def answer_ids(self) -> dict[str, int]:
        """The tokens "no" and "yes"."""
        tokenizer = self._opened.need_files().tokenizer
        return {word: tokenizer.token_id(word) for word in ("no", "yes")}

    @property
    def device(self) -> str:
        """Where the model runs, such as ``cpu (native, avx2, 2 threads)``."""
        return self._engine.device

    @property
    def precision(self) -> str:
        """Number format of the weights and the arithmetic, such as ``bfloat16+float32``."""
        return self._engine.precision

    @property
    def max_length(self) -> int:
        """Longest sequence in tokens, template included."""
        return self._sequencer.limit.max_length

    @property
    def retrieval_weight(self) -> float:
        """What a spread of the retriever's scores counts in those of the log-odds, where both are known.

        ``Searcher`` and ``quiver evaluate`` do. 0 for the published models, and if only a server is known.
        """
        return self._opened.files.checkpoint.config.retrieval_weight if self._opened.files else 0.0

    @cached_property
    def fingerprint(self) -> Fingerprint:
        """Identity of the judge: weights, tokenizer, head, template, precision."""
        return Fingerprint(
            weights=self._opened.weights,
            tokenizer=self._opened.tokenizer,
            pooling="yes-no",
            prompts=digest([prompts.RERANKER_PREFIX, prompts.RERANKER_SUFFIX, prompts.DEFAULT_INSTRUCTION]),
            dimension=1,
            precision=self._engine.precision,
        )

    @property
    def turn_end(self) -> int:
        """The token that ends a turn; users' text cannot produce it unless special tokens are parsed."""
        return self._opened.need_files().tokenizer.token_id("<|im_end|>")

    def predict(
        self,
        pairs: Sequence[tuple[str, str]],
        *,
        instruction: str | Sequence[str] | None = None,
        show_progress_bar: bool | None = None,
    ) -> Scores:
        """Score (query, document) pairs: [N] probabilities of "yes", and their log-odds.

        ``instruction`` (one, or one for each pair) replaces the default task description.
        """
        prepared = self.prepare(pairs, instruction=instruction)
        return self.finish(prepared, *self.forward(prepared.sequences, show_progress=show_progress_bar))

    def prepare(
        self,
        pairs: Sequence[tuple[str, str]],
        *,
        instruction: str | Sequence[str] | None = None,
        on_too_long: TooLongPolicy | None = None,
        max_length: int | None = None,
        max_document_tokens: int | None = None,
    ) -> Prepared:
        """The sequences of ``predict``.

        ``on_too_long`` replaces the model's policy for this call; ``max_length`` (of whole sequences) and
        ``max_document_tokens`` may lower its limit.
        """
        queries, documents = _split(pairs)
        instructions = prompts.per_text(
            prompts.DEFAULT_INSTRUCTION if instruction is None else instruction,
            len(queries),
            "instruction",
        )
        limit = self._sequencer.limit_for(on_too_long, max_length, max_document_tokens)
        return self._sequencer.limited(_bodies(instructions, queries, documents), limit=limit)

    def forward(
        self, sequences: Sequence[TokenIds], *, show_progress: bool | None = False
    ) -> tuple[Floats, Usage]:
        """The logits of "no" and "yes" after each sequence, [N, 2], and what they cost."""
        logits, usage = plan_and_run(self._engine, sequences, "Reranking", show_progress)
        return logits.reshape(-1, 2), usage

    def steps(self, sequences: Sequence[TokenIds], step_tokens: int | None = None) -> Steps | OneStep:
        """``forward`` in steps of about so many tokens, for whoever has other work to do in between."""
        return plan_steps(self._engine, sequences, step_tokens)

    def finish(self, prepared: Prepared, logits: Floats, usage: Usage) -> Scores:
        """Scores of prepared pairs by their logits [N, 2].

        Raises NumericalError if a logit is not finite.
        """
        broken = np.flatnonzero(~np.isfinite(logits).all(axis=1))
        if len(broken):
            raise NumericalError(
                f"pair {int(broken[0])} gave a score that is not finite; run doctor on the model, or use a "
                "wider dtype (float32)"
            )
        no, yes = logits.reshape(-1, 2).T
        return Scores(yes - no, usage, prepared.cuts)

    def rank(
        self,
        query: str,
        documents: Sequence[str],
        *,
        top_k: int | None = None,
        return_documents: bool = False,
        instruction: str | None = None,
        show_progress_bar: bool | None = None,
    ) -> Ranking:
        """Order documents by relevance to a query, the best ``top_k`` or all."""
        if isinstance(documents, str):
            raise InputError("documents must be a sequence of texts, not one string")
        scores = self.predict(
            [(query, document) for document in documents],
            instruction=instruction,
            show_progress_bar=show_progress_bar,
        )
        ranked: list[RankedDocument] = []
        for index in np.argsort(-scores.log_odds, kind="stable")[:top_k].tolist():
            entry = RankedDocument(
                corpus_id=index, score=float(scores[index]), log_odds=float(scores.log_odds[index])
            )
            if return_documents:
                entry["text"] = documents[index]
            ranked.append(entry)
        return Ranking(ranked, scores.usage, scores.cuts)

    def tokenize(self, pairs: Sequence[tuple[str, str]], *, instruction: str | None = None) -> list[TokenIds]:
        """The exact sequences that the model would see, uncut."""
        queries, documents = _split(pairs)
        instructions = [instruction or prompts.DEFAULT_INSTRUCTION] * len(queries)
        return self._sequencer.whole(_bodies(instructions, queries, documents))


def _bodies(
    instructions: Sequence[str], queries: Sequence[str], documents: Sequence[str]
) -> list[PromptedText]:
    check_texts(set(instructions), what="instruction")
    return list(map(PromptedText.reranker_body, instructions, queries, documents))


def _split(pairs: Sequence[tuple[str, str]]) -> tuple[list[str], list[str]]:
    for index, pair in enumerate(pairs):
        if isinstance(pair, str) or len(pair) != 2:
            raise InputError(f"pair {index} is not a (query, document) pair")
    queries, documents = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    check_texts(queries, what="query")
    check_texts(documents, what="document")
    return queries, documents
