"""Embedder: texts to unit vectors whose cosine is their similarity."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from quiver.engine.backends import Backend
from quiver.engine.execute import OneStep, Steps, plan_and_run, plan_steps
from quiver.engine.plan import Usage
from quiver.errors import FingerprintMismatch, InputError, NumericalError
from quiver.models.checkpoint import Checkpoint
from quiver.models.fingerprint import Fingerprint, digest
from quiver.opened import Wishes, open_embedder
from quiver.results import Embeddings, Floats
from quiver.text import tokenizer as tokens
from quiver.text.counting import TokenCounter
from quiver.text.prompts import PromptedText, Prompts, per_text
from quiver.text.sequences import Prepared
from quiver.text.tokenizer import TokenIds, TokenPiece
from quiver.text.truncation import LengthLimit, TooLongPolicy

STREAM_CHARACTERS = 1_000_000
"""Text that ``encode_stream`` holds at a time."""


class Embedder:
    """An embedding model: Qwen3-Embedding of any size, or the small built-in one.

    Args:
        model: a hub name, a folder, or None for the built-in model (or, with ``url``, for what is served).
        url: a server that runs the model, which is then not loaded here; docs/remote.md.
        device: ``cpu``, ``cuda``, ``cuda:N``, ``mps``; None takes the best there is.
        dtype: ``float32``, ``bfloat16``, ``float16`` (PyTorch), ``int8`` (native); ``auto`` takes what the
            device runs fast.
        backend: ``native`` (C++, x86-64 processors), ``torch``, ``vllm``, or ``auto``: native where it runs;
            ``Vllm(...)`` and ``Remote(...)`` hold settings.
        threads: processor threads; None takes OMP_NUM_THREADS, else as many as there are cores. With PyTorch
            the number holds for the whole process.
        max_length: longest sequence in tokens, prompt and end token included; None is the model's limit.
        on_too_long: ``error``, or ``truncate`` (``truncate_start``) to cut the ends (starts) of longer texts
            and report it.
        truncate_dim: length of the vectors (Matryoshka); None is the model's full length.
        parse_special_tokens: read strings such as ``<|im_end|>`` in texts as special tokens, as the
            reference does; the default takes them for plain text.
        token_budget: tokens that run together; bounds memory. None suits the device.
        revision: branch, tag or commit on the hub.
        token: access token for the hub; None uses HF_TOKEN or the stored login.

    Raises:
        CheckpointError: the model's files are absent, foreign or damaged.
        ModelKindError: the model is a reranker.
        DeviceError: the device or the type is not available.
        EndpointError: the server cannot be reached, refuses, or gives wrong numbers.
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
        truncate_dim: int | None = None,
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
        self._opened = open_embedder(model, wishes)
        self._engine, self._sequencer = self._opened.engine, self._opened.sequencer
        files = self._opened.files
        self.prompts = Prompts() if files is None else Prompts.from_folder(files.checkpoint.folder)
        self.truncate_dim = self._check_dimension(truncate_dim)

    @property
    def checkpoint(self) -> Checkpoint:
        """The model's files; raises InputError if a server is all that is known of it."""
        return self._opened.checkpoint

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
        """Longest sequence in tokens."""
        return self._sequencer.limit.max_length

    @property
    def embedding_dim(self) -> int:
        """Length of the vectors that this embedder returns by default."""
        return self.truncate_dim or self._opened.dimension

    @cached_property
    def fingerprint(self) -> Fingerprint:
        """Identity of the vector space: weights, tokenizer, pooling, prompts, dimension, precision."""
        return Fingerprint(
            weights=self._opened.weights,
            tokenizer=self._opened.tokenizer,
            pooling="last-token",
            prompts=digest([self.prompts.query, self.prompts.document]),
            dimension=self.embedding_dim,
            precision=self._engine.precision,
        )

    @property
    def count_tokens(self) -> TokenCounter:
        """Counts the tokens of texts without prompt and end token; a function that pickles."""
        files = self._opened.need_files()
        return TokenCounter(files.definition, files.tokenizer.parses_special_tokens)

    def encode_query(
        self,
        texts: str | Sequence[str],
        *,
        instruction: str | Sequence[str] | None = None,
        prompt: str | None = None,
        prompt_name: str | None = None,
        truncate_dim: int | None = None,
        show_progress_bar: bool | None = None,
    ) -> Embeddings:
        """Vectors of queries: [N, dimension], or [dimension] of a single string.

        ``instruction`` (one, or one for each text) replaces the default task description; ``prompt`` or
        ``prompt_name`` replace the whole text before the query (``prompt=""`` for none).
        """
        batch = _listed(texts)
        prepared = self.prepare_query(batch, instruction=instruction, prompt=prompt, prompt_name=prompt_name)
        return self._run(texts, prepared, truncate_dim, show_progress_bar)

    def encode_document(
        self,
        texts: str | Sequence[str],
        *,
        prompt: str | None = None,
        prompt_name: str | None = None,
        truncate_dim: int | None = None,
        show_progress_bar: bool | None = None,
    ) -> Embeddings:
        """Vectors of documents, which stand bare: [N, dimension], or [dimension] of a single string."""
        prepared = self.prepare_document(_listed(texts), prompt=prompt, prompt_name=prompt_name)
        return self._run(texts, prepared, truncate_dim, show_progress_bar)

    def encode(
        self,
        texts: str | Sequence[str],
        *,
        prompt: str | None = None,
        prompt_name: str | None = None,
        truncate_dim: int | None = None,
        show_progress_bar: bool | None = None,
    ) -> Embeddings:
        """Vectors of texts behind a prompt of your own: [N, dimension], or [dimension] of one string.

        Without ``prompt`` and ``prompt_name`` the checkpoint's default prompt applies, else none.
        """
        template = self._choose_prompt(prompt, prompt_name, self.prompts.named(None))
        return self._run(texts, self._prepare(_listed(texts), template), truncate_dim, show_progress_bar)

    def encode_stream(
        self,
        texts: Iterable[str],
        *,
        prompt_name: str | None = "document",
        prompt: str | None = None,
        instruction: str | None = None,
        truncate_dim: int | None = None,
        show_progress_bar: bool | None = None,
    ) -> Iterator[Embeddings]:
        """Vectors of a corpus larger than memory, as blocks [n, dimension] in input order.

        ``instruction`` makes queries of the texts. Cuts are numbered over the whole stream.
        """
        template = self._choose_prompt(prompt, None if prompt is not None else prompt_name, "")
        first = 0
        for block in _blocks(texts):
            prepared = self._prepare(block, template, instruction, first=first)
            yield self._run(block, prepared, truncate_dim, show_progress_bar)
            first += len(block)

    def prepare_query(
        self,
        texts: Sequence[str],
        *,
        instruction: str | Sequence[str] | None = None,
        prompt: str | None = None,
        prompt_name: str | None = None,
        on_too_long: TooLongPolicy | None = None,
        max_length: int | None = None,
    ) -> Prepared:
        """The sequences of ``encode_query``.

        ``on_too_long`` replaces the model's policy for this call, and ``max_length`` may lower its limit.
        ``prepare``, ``forward`` and ``finish`` are the parts of a call: a server runs the sequences of many
        calls together.
        """
        if instruction is not None and (prompt is not None or prompt_name is not None):
            raise InputError("give an instruction or a prompt, not both")
        template = self._choose_prompt(prompt, prompt_name, self.prompts.query)
        limit = self._sequencer.limit_for(on_too_long, max_length)
        return self._prepare(texts, template, instruction, limit=limit)

    def prepare_document(
        self,
        texts: Sequence[str],
        *,
        prompt: str | None = None,
        prompt_name: str | None = None,
        on_too_long: TooLongPolicy | None = None,
        max_length: int | None = None,
    ) -> Prepared:
        """The sequences of ``encode_document``."""
        template = self._choose_prompt(prompt, prompt_name, self.prompts.document)
        limit = self._sequencer.limit_for(on_too_long, max_length)
        return self._prepare(texts, template, limit=limit)

    def prepare_tokens(
        self,
        texts: Sequence[Sequence[int]],
        *,
        on_too_long: TooLongPolicy | None = None,
        max_length: int | None = None,
    ) -> Prepared:
        """The sequences of texts that come as token ids of the model, prompt included; the end token is ours.

        Raises InputError if an id is none of the model's.
        """
        end = self._opened.need_files().tokenizer.token_id(tokens.END_TOKEN)
        bodies = [np.asarray(ids, dtype=np.int64) for ids in texts]
        for position, ids in enumerate(bodies):
            if ids.ndim != 1 or np.any(ids < 0) or np.any(ids >= self.checkpoint.config.vocabulary):
                raise InputError(f"text {position} holds token ids that the model does not have")
        open_ended = [ids[:-1] if len(ids) and ids[-1] == end else ids for ids in bodies]
        return self._sequencer.limited_tokens(
            [ids.astype(np.int32) for ids in open_ended],
            limit=self._sequencer.limit_for(on_too_long, max_length),
        )

    def forward(
        self, sequences: Sequence[TokenIds], *, show_progress: bool | None = False
    ) -> tuple[Floats, Usage]:
        """The last row of each sequence, [N, hidden size], and what they cost."""
        return plan_and_run(self._engine, sequences, "Embedding", show_progress)

    def steps(self, sequences: Sequence[TokenIds], step_tokens: int | None = None) -> Steps | OneStep:
        """``forward`` in steps of about so many tokens, for whoever has other work to do in between."""
        return plan_steps(self._engine, sequences, step_tokens)

    def finish(
        self, prepared: Prepared, rows: Floats, usage: Usage, *, truncate_dim: int | None = None
    ) -> Embeddings:
        """Unit vectors of prepared texts by their rows [N, hidden size].

        Raises NumericalError if a row is not finite or has no direction.
        """
        dimension = self._check_dimension(truncate_dim) or self.embedding_dim
        rows = rows[:, :dimension] if prepared.sequences else np.empty((0, dimension), np.float32)
        _check_rows(rows, prepared.first)
        return Embeddings(normalize(rows), usage, prepared.cuts, self.fingerprint.with_dimension(dimension))

    def similarity(self, first: Floats, second: Floats) -> Floats:
        """Cosine of every vector of ``first`` with every one of ``second``: [len(first), len(second)].

        Raises FingerprintMismatch if the vectors are known to come from different spaces.
        """
        sides = [np.atleast_2d(np.asarray(side, dtype=np.float32)) for side in (first, second)]
        if sides[0].shape[1] != sides[1].shape[1]:
            raise FingerprintMismatch(
                f"vectors of {sides[0].shape[1]} and {sides[1].shape[1]} dimensions do not compare"
            )
        for side in (first, second):
            known = getattr(side, "fingerprint", None)
            if known is not None:
                self.fingerprint.with_dimension(np.shape(side)[-1]).check(known)
        unit = [normalize(side) for side in sides]
        cosines: Floats = unit[0] @ unit[1].T
        return cosines

    def tokenize(self, texts: Sequence[str], *, prompt: str = "") -> list[TokenIds]:
        """The exact sequences that the model would see: prompt, text and end token, uncut."""
        tokens.check_texts(texts)
        return self._sequencer.whole([PromptedText(prompt, text) for text in texts])

    def pieces(self, texts: Sequence[str], *, prompt: str = "") -> list[list[TokenPiece]]:
        """The tokens of prompt and text as pieces of them, uncut and without the end token."""
        tokens.check_texts(texts)
        tokenizer = self._opened.need_files().tokenizer
        return [tokenizer.pieces(PromptedText(prompt, text)) for text in texts]

    def _choose_prompt(self, prompt: str | None, prompt_name: str | None, default: str) -> str:
        if prompt is not None and prompt_name is not None:
            raise InputError("give prompt or prompt_name, not both")
        if prompt is not None:
            return prompt
        return default if prompt_name is None else self.prompts.named(prompt_name)

    def _prepare(
        self,
        texts: Sequence[str],
        template: str,
        instruction: str | Sequence[str] | None = None,
        *,
        first: int = 0,
        limit: LengthLimit | None = None,
    ) -> Prepared:
        """Sequences of texts behind a template, or behind instructions where these are given."""
        tokens.check_texts(texts, first=first)
        tokens.check_texts([template], what="prompt")
        if instruction is None:
            prompted = [PromptedText(template, text) for text in texts]
        else:
            instructions = per_text(instruction, len(texts), "instruction")
            tokens.check_texts(instructions, what="instruction")
            prompted = list(map(PromptedText.instructed_query, instructions, texts))
        return self._sequencer.limited(prompted, first=first, limit=limit)

    def _run(
        self,
        texts: str | Sequence[str],
        prepared: Prepared,
        truncate_dim: int | None,
        show_progress_bar: bool | None,
    ) -> Embeddings:
        """The vectors, in the shape of the texts."""
        self._check_dimension(truncate_dim)
        rows, usage = self.forward(prepared.sequences, show_progress=show_progress_bar)
        vectors = self.finish(prepared, rows, usage, truncate_dim=truncate_dim)
        if not isinstance(texts, str):
            return vectors
        single: Embeddings = vectors[0]
        single.usage, single.cuts = usage, prepared.cuts
        return single

    def _check_dimension(self, dimension: int | None) -> int | None:
        full = self._opened.dimension
        if dimension is not None and not 1 <= dimension <= full:
            raise InputError(f"truncate_dim must lie between 1 and {full}, not {dimension}")
        return dimension


def _check_rows(rows: Floats, first: int) -> None:
    lengths = np.linalg.norm(rows, axis=1)
    broken = np.flatnonzero(~np.isfinite(lengths) | (lengths == 0))
    if len(broken):
        raise NumericalError(
            f"text {int(broken[0]) + first} gave a vector that is not finite or has no direction; run "
            "doctor on the model, or use a wider dtype (float32)"
        )


def _listed(texts: str | Sequence[str]) -> list[str]:
    return [texts] if isinstance(texts, str) else list(texts)


def normalize(rows: Floats) -> Floats:
    """Unit vectors of rows [N, E]; a row of zeros stays as it is."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: Floats = rows / np.maximum(lengths, np.finfo(np.float32).tiny)
    return unit


def _blocks(texts: Iterable[str]) -> Iterator[list[str]]:
    """Consecutive texts, about STREAM_CHARACTERS at a time."""
    block: list[str] = []
    characters = 0
    for text in texts:
        block.append(text)
        characters += len(text) + 1
        if characters >= STREAM_CHARACTERS:
            yield block
            block, characters = [], 0
    if block:
        yield block
