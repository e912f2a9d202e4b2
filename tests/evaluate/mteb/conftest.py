"""Folders of every type as mteb's tasks, and models without weights."""

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from quiver.evaluate.mteb import MtebCrossEncoder, MtebEncoder, folder_instruction, folder_task
from quiver.results import Floats
from tests.evaluate import sets
from tests.evaluate.sets import FixedEncoder

FOLDERS = {kind: make for kind, make in sets.MAKERS.items() if kind != "instruction_pairs"}
"""The types that mteb has."""


@pytest.fixture(autouse=True)
def mteb_warnings() -> Iterator[None]:
    """What mteb's own code warns about is not ours to fail on."""
    pytest.importorskip("mteb", reason="needs mteb")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    return {kind: make(tmp_path / kind) for kind, make in FOLDERS.items()}


@pytest.fixture
def tasks(folders: dict[str, Path]) -> list[Any]:
    return [folder_task(folder) for folder in folders.values()]


class Overlap:
    """Prefers documents that share words with the query; notes what it was asked."""

    identity = "overlap"

    def __init__(self) -> None:
        self.pairs: list[tuple[str, str]] = []
        self.instructions: list[str | Sequence[str] | None] = []

    def predict(
        self,
        pairs: Sequence[tuple[str, str]],
        *,
        instruction: str | Sequence[str] | None = None,
        show_progress_bar: bool | None = None,
    ) -> Floats:
        self.pairs += pairs
        self.instructions.append(instruction)
        scores = [len({*query.split()} & {*text.split()}) + 1e-3 * (len(text) % 97) for query, text in pairs]
        return np.asarray(scores, dtype=np.float32)


@pytest.fixture
def encoder() -> FixedEncoder:
    return FixedEncoder()


@pytest.fixture
def model(encoder: FixedEncoder) -> MtebEncoder:
    return MtebEncoder(encoder, "some/encoder", folder_instruction, own_instructions=True)


@pytest.fixture
def judge() -> Overlap:
    return Overlap()


@pytest.fixture
def mteb_reranker(judge: Overlap) -> MtebCrossEncoder:
    return MtebCrossEncoder(judge, "some/reranker", folder_instruction)
