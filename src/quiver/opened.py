"""Opened: the parts of a model that is ready to run, on this machine or on a server."""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from quiver.engine.backends import Backend, Remote
from quiver.engine.base import AnyEngine
from quiver.engine.open import open_engine
from quiver.errors import InputError
from quiver.models.catalog import ModelKind
from quiver.models.checkpoint import Checkpoint, open_checkpoint
from quiver.models.fingerprint import tokenizer_digest, weights_digest
from quiver.text.characters import CharacterSequencer
from quiver.text.sequences import Sequencer
from quiver.text.tokenizer import TextTokenizer, read_definition
from quiver.text.truncation import LengthLimit, TooLongPolicy

AnySequencer: TypeAlias = Sequencer | CharacterSequencer


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """How a model is to be opened; the arguments of ``Embedder`` and ``Reranker``."""

    url: str | None
    backend: Backend
    device: str | None
    dtype: str
    threads: int | None
    max_length: int | None
    on_too_long: TooLongPolicy
    parse_special_tokens: bool
    token_budget: int | None
    revision: str | None
    token: str | None


@dataclass(frozen=True, slots=True)
class Files:
    """What a model's folder says about texts; its weights may be elsewhere."""

    checkpoint: Checkpoint
    definition: bytes
    """The content of ``tokenizer.json``."""
    tokenizer: TextTokenizer

    @property
    def tokenizer_identity(self) -> str:
        """For fingerprints."""
        return tokenizer_digest(self.definition, self.tokenizer.parses_special_tokens)


@dataclass(frozen=True, slots=True)
class Opened:
    """An engine, and what turns texts into its sequences."""

    engine: AnyEngine
    sequencer: AnySequencer
    files: Files | None
    """None where a server is all that is known."""
    dimension: int
    """Length of the engine's rows."""
    served_weights: str | None = None
    served_tokenizer: str | None = None

    @property
    def checkpoint(self) -> Checkpoint:
        """The model's files; raises InputError if they are not at hand."""
        return self.need_files().checkpoint

    @property
    def weights(self) -> str:
        """Identity of the weights, for fingerprints."""
        return weights_digest(self.checkpoint) if self.served_weights is None else self.served_weights

    @property
    def tokenizer(self) -> str:
        """Identity of the tokenizer, for fingerprints."""
        if self.files is not None:
            return self.files.tokenizer_identity
        return self.served_tokenizer or "served"

    def need_files(self) -> Files:
        """The files; raises InputError if they are not at hand."""
        if self.files is None:
            raise InputError(
                "this needs the model's own files, and a server is all that is known: give the model's name "
                "or folder beside the server's address"
            )
        return self.files


def open_embedder(model: str | Path | None, wishes: Wishes) -> Opened:
    """The parts of an embedder."""
    remote = _remote(wishes)
    if remote is None:
        files = _read_files(model, "embedder", wishes)
        engine = _open_engine(files, wishes)
        sequencer = Sequencer.for_embedder(files.tokenizer, _limit(files, wishes))
        return Opened(engine, sequencer, files, files.checkpoint.config.hidden_size)
    from quiver.engine.remote.open import open_embedding

    files_at_hand = None if model is None else _read_files(model, "embedder", wishes, weights=False)
    if files_at_hand is None:
        _refuse_limits(wishes)
        served = open_embedding(remote)
        chosen: AnySequencer = CharacterSequencer()
    else:
        checkpoint = files_at_hand.checkpoint
        served = open_embedding(
            remote,
            name=checkpoint.name,
            tokenizer=files_at_hand.tokenizer,
            tokenizer_identity=files_at_hand.tokenizer_identity,
            dimension=checkpoint.config.hidden_size,
        )
        if wishes.on_too_long != "error" and not served.sends_token_ids:
            raise InputError(
                f"{served.url} takes texts, not token ids, so that they cannot be cut exactly: leave "
                "on_too_long at 'error' and cut texts before"
            )
        chosen = Sequencer.for_embedder(files_at_hand.tokenizer, _limit(files_at_hand, wishes))
    identity = served.identity
    return Opened(served, chosen, files_at_hand, identity.dimension, identity.weights, identity.tokenizer)


def open_reranker(model: str | Path | None, wishes: Wishes) -> Opened:
    """The parts of a reranker; a server puts pairs into its own template, so no files are read for one."""
    remote = _remote(wishes)
    if remote is None:
        files = _read_files(model, "reranker", wishes)
        answer_ids = files.tokenizer.token_id("no"), files.tokenizer.token_id("yes")
        engine = _open_engine(files, wishes, answer_ids)
        sequencer = Sequencer.for_reranker(files.tokenizer, _limit(files, wishes))
        return Opened(engine, sequencer, files, 2)
    from quiver.engine.remote.open import open_reranking

    _refuse_limits(wishes)
    served = open_reranking(remote, name=None if model is None else str(model))
    identity = served.identity
    return Opened(served, CharacterSequencer(), None, 2, identity.weights, identity.tokenizer)


def _remote(wishes: Wishes) -> Remote | None:
    """The server that is wished for; raises InputError for wishes that are the server's to decide."""
    backend = wishes.backend
    if wishes.url is not None:
        if backend != "auto":
            raise InputError(
                "give a url or a backend, not both; Remote(url=...) holds more settings of a server"
            )
        backend = Remote(url=wishes.url)
    if not isinstance(backend, Remote):
        return None
    given = {"device": wishes.device, "threads": wishes.threads, "token_budget": wishes.token_budget}
    if wishes.dtype != "auto":
        given["dtype"] = wishes.dtype
    for name, value in given.items():
        if value is not None:
            raise InputError(
                f"{name} is for the server to decide; start it with what you need, or leave it out"
            )
    return backend


def _refuse_limits(wishes: Wishes) -> None:
    if wishes.max_length is not None or wishes.on_too_long != "error":
        raise InputError(
            "max_length and on_too_long count tokens, which are the server's here: cut texts before, or (for "
            "an embedder) give the model's name or folder, so that its tokenizer is read"
        )


def _read_files(model: str | Path | None, kind: ModelKind, wishes: Wishes, *, weights: bool = True) -> Files:
    checkpoint = open_checkpoint(model, kind, revision=wishes.revision, token=wishes.token, weights=weights)
    definition = read_definition(checkpoint.folder)
    tokenizer = TextTokenizer(definition, parse_special_tokens=wishes.parse_special_tokens)
    return Files(checkpoint, definition, tokenizer)


def _open_engine(files: Files, wishes: Wishes, answer_ids: tuple[int, int] | None = None) -> AnyEngine:
    backend = wishes.backend
    assert not isinstance(backend, Remote)
    return open_engine(
        files.checkpoint,
        backend=backend,
        device=wishes.device,
        dtype=wishes.dtype,
        threads=wishes.threads,
        token_budget=wishes.token_budget,
        max_length=wishes.max_length,
        answer_ids=answer_ids,
    )


def _limit(files: Files, wishes: Wishes) -> LengthLimit:
    longest = files.checkpoint.config.max_length
    return LengthLimit(longest if wishes.max_length is None else wishes.max_length, wishes.on_too_long)
