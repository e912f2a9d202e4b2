"""Models: an Embedder and a Reranker as mteb runs them, and mteb's own by name."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from quiver.embedder import normalize
from quiver.errors import InputError, QuiverError
from quiver.evaluate.extra import need
from quiver.evaluate.meta import data_digest
from quiver.evaluate.mteb.instructions import InstructionOf, Side
from quiver.evaluate.systems import Encoder, PairScorer, identity_of
from quiver.results import Floats, Scores

MTEB, SENTENCE_TRANSFORMERS = "mteb:", "sentence-transformers:"
"""What names of models begin with that mteb opens."""

LOCAL = "local"
"""The organisation of models that lie in a folder."""


class MtebEncoder:
    """An encoder behind mteb's ``EncoderProtocol``; ``instruction_of`` says what stands before texts.

    ``own_instructions``: queries that carry an instruction stand behind that one; else it is a part of the
    query's text, as mteb gives it.
    """

    def __init__(
        self, encoder: Encoder, name: str, instruction_of: InstructionOf, *, own_instructions: bool = False
    ) -> None:
        self._encoder = encoder
        self._instruction_of = instruction_of
        self._own_instructions = own_instructions
        self.mteb_model_meta = model_meta(name, encoder, "dense", embed_dim=_dimension(encoder))

    def encode(
        self,
        inputs: Any,  # noqa: ANN401  (a DataLoader of batches)
        *,
        task_metadata: Any,  # noqa: ANN401
        prompt_type: Any = None,  # noqa: ANN401
        show_progress_bar: bool | None = None,
        **options: Any,  # noqa: ANN401
    ) -> Floats:
        """Unit vectors [N, E] of the texts of all batches."""
        batches = list(inputs)
        side = _side(prompt_type)
        instruction: str | Sequence[str] | None = self._instruction_of(task_metadata, side)
        texts = _column(batches, "text")
        if self._own_instructions and side == "query" and "instruction" in batches[0]:
            texts, instruction = _column(batches, "query"), _column(batches, "instruction")
        show = False if show_progress_bar is False else None
        if instruction is None:
            vectors = self._encoder.encode_document(texts, show_progress_bar=show)
        else:
            vectors = self._encoder.encode_query(texts, instruction=instruction, show_progress_bar=show)
        return normalize(np.asarray(vectors, dtype=np.float32))

    def similarity(self, first: Any, second: Any) -> Floats:  # noqa: ANN401
        """Cosines [N, M]."""
        found: Floats = _unit(first) @ _unit(second).T
        return found

    def similarity_pairwise(self, first: Any, second: Any) -> Floats:  # noqa: ANN401
        """Cosines [N] of each vector with its counterpart."""
        found: Floats = (_unit(first) * _unit(second)).sum(axis=-1)
        return found


class MtebCrossEncoder:
    """A reranker behind mteb's ``CrossEncoderProtocol``; queries' own instructions go before the task's."""

    def __init__(self, scorer: PairScorer, name: str, instruction_of: InstructionOf) -> None:
        self._scorer = scorer
        self._instruction_of = instruction_of
        self.mteb_model_meta = model_meta(name, scorer, "cross-encoder")

    def predict(
        self,
        inputs1: Any,  # noqa: ANN401  (a DataLoader of batches)
        inputs2: Any,  # noqa: ANN401
        *,
        task_metadata: Any,  # noqa: ANN401
        show_progress_bar: bool | None = None,
        **options: Any,  # noqa: ANN401
    ) -> Floats:
        """Scores [N] of the pairs: log-odds, since probabilities round to 1 where documents still differ."""
        batches = list(inputs1)
        instruction: str | Sequence[str] | None = self._instruction_of(task_metadata, "query")
        queries = _column(batches, "text")
        if batches and "instruction" in batches[0]:
            queries, instruction = _column(batches, "query"), _column(batches, "instruction")
        found = self._scorer.predict(
            list(zip(queries, _column(list(inputs2), "text"), strict=True)),
            instruction=instruction,
            show_progress_bar=False if show_progress_bar is False else None,
        )
        return np.asarray(found.log_odds if isinstance(found, Scores) else found)


def model_meta(name: str, model: object, kind: str, *, embed_dim: int | None = None) -> Any:  # noqa: ANN401
    """What mteb files results under: name, and a revision that changes with weights and limits."""
    revision = hashlib.sha256(identity_of(model).encode()).hexdigest()[:16]
    classes = need("mteb.models.model_meta")
    return classes.ModelMeta.create_empty(
        overwrites={
            "name": mteb_name(name),
            "revision": revision,
            "model_type": [kind],
            "similarity_fn_name": classes.ScoringFunction.COSINE if kind == "dense" else None,
            "use_instructions": True,
            "embed_dim": embed_dim,
        }
    )


def reordering(model: Any, candidates: str) -> Any:  # noqa: ANN401  (mteb's model)
    """The same reranker, its results filed apart by whose candidates it reorders."""
    model.mteb_model_meta = model.mteb_model_meta.model_copy(
        update={"experiment_kwargs": {"candidates": candidates}}
    )
    return model


def mteb_name(name: str) -> str:
    """A hub name as it is; folders and built-in models under an organisation of their own."""
    organisation, _, own = name.rstrip("/").rpartition("/")
    if Path(name).exists() or organisation.count("/"):
        return f"{LOCAL}/{Path(name).resolve().name}"
    return f"{organisation or 'quiver'}/{own}"


def is_mteb_model(name: str | None) -> bool:
    """Whether mteb opens the model that is named so."""
    return name is not None and name.startswith((MTEB, SENTENCE_TRANSFORMERS))


def open_mteb_model(name: str, *, device: str | None, revision: str | None) -> Any:  # noqa: ANN401
    """``mteb:NAME`` as mteb implements it, or ``sentence-transformers:NAME`` from the hub or a folder."""
    try:
        if name.startswith(MTEB):
            return need("mteb").get_model(name.removeprefix(MTEB), revision=revision, device=device)
        own = name.removeprefix(SENTENCE_TRANSFORMERS)
        opened = need("sentence_transformers").SentenceTransformer(own, revision=revision, device=device)
        wrapped = need("mteb.models").SentenceTransformerEncoderWrapper(opened, revision=revision)
        known = (
            data_digest(Path(own)) if Path(own).is_dir() else wrapped.mteb_model_meta.revision or "unknown"
        )
        wrapped.mteb_model_meta = wrapped.mteb_model_meta.model_copy(
            update={"name": mteb_name(own), "revision": known}
        )
    except (OSError, ValueError, KeyError, ImportError) as error:
        if isinstance(error, QuiverError):
            raise
        raise InputError(f"mteb cannot open {name}: {error}") from error
    return wrapped


def _side(prompt_type: Any) -> Side:  # noqa: ANN401
    if prompt_type is None:
        return None
    return "query" if prompt_type.value == "query" else "document"


def _column(batches: Sequence[Any], name: str) -> list[str]:
    return list(_texts(batches, name))


def _texts(batches: Sequence[Any], name: str) -> Iterator[str]:
    for batch in batches:
        yield from batch[name]


def _dimension(encoder: Encoder) -> int | None:
    found = getattr(encoder, "embedding_dim", None)
    return found if isinstance(found, int) else None


def _unit(vectors: Any) -> Floats:  # noqa: ANN401  (array or tensor)
    return normalize(np.atleast_2d(np.asarray(vectors, dtype=np.float32)))
