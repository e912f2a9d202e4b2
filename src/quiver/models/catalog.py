"""Catalogue: the published models and the built-in ones."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

ModelKind = Literal["embedder", "reranker"]

BUILTIN_FOLDER = Path(__file__).parent / "builtin"
BUILTIN_EMBEDDER = "quiver-embedding-mini"
BUILTIN_RERANKER = "quiver-reranker-mini"


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogEntry:
    """One model, as its card states it."""

    name: str
    kind: ModelKind
    parameters: str
    layers: int
    hidden_size: int
    embedding_dim: int | None
    """Length of the full vector; None for rerankers."""
    context: int
    """Longest text, in tokens."""
    mrl: bool
    """Whether vectors may be cut to shorter dimensions (Matryoshka)."""
    instruction_aware: bool
    builtin: bool = False


def _published() -> Iterator[CatalogEntry]:
    for parameters, layers, hidden_size in (("0.6B", 28, 1024), ("4B", 36, 2560), ("8B", 36, 4096)):
        for label, kind in (("Embedding", "embedder"), ("Reranker", "reranker")):
            embeds = kind == "embedder"
            yield CatalogEntry(
                name=f"Qwen/Qwen3-{label}-{parameters}",
                kind="embedder" if embeds else "reranker",
                parameters=parameters,
                layers=layers,
                hidden_size=hidden_size,
                embedding_dim=hidden_size if embeds else None,
                context=32768,
                mrl=embeds,
                instruction_aware=True,
            )


_BUILTIN = (
    CatalogEntry(
        name=BUILTIN_EMBEDDER,
        kind="embedder",
        parameters="49M",
        layers=14,
        hidden_size=416,
        embedding_dim=416,
        context=32768,
        mrl=True,
        instruction_aware=True,
        builtin=True,
    ),
    CatalogEntry(
        name=BUILTIN_RERANKER,
        kind="reranker",
        parameters="8M",
        layers=4,
        hidden_size=224,
        embedding_dim=None,
        context=32768,
        mrl=False,
        instruction_aware=True,
        builtin=True,
    ),
)

CATALOG: tuple[CatalogEntry, ...] = (*sorted(_published(), key=lambda e: e.kind), *_BUILTIN)


def find(name: str) -> CatalogEntry | None:
    """The entry of that name, with or without the ``Qwen/`` before it."""
    wanted = name.lower()
    for entry in CATALOG:
        if wanted in (entry.name.lower(), entry.name.lower().removeprefix("qwen/")):
            return entry
    return None
