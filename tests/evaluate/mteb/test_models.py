"""Quiver's own models and sentence-transformers' behind mteb's interfaces."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from quiver import Embedder, Reranker
from quiver.errors import InputError
from quiver.evaluate.mteb import (
    Candidates,
    MtebCrossEncoder,
    MtebEncoder,
    evaluate_tasks,
    folder_instruction,
    folder_task,
    open_mteb_model,
    rankings_folder,
)
from quiver.evaluate.mteb.models import mteb_name
from tests.evaluate import sets


def test_they_are_what_mteb_takes(embedder: Embedder, reranker: Reranker) -> None:
    from mteb.models import CrossEncoderProtocol, EncoderProtocol

    encoder = MtebEncoder(embedder, "tiny", folder_instruction)
    scorer = MtebCrossEncoder(reranker, "judge", folder_instruction)
    assert isinstance(encoder, EncoderProtocol)
    assert isinstance(scorer, CrossEncoderProtocol)
    assert encoder.mteb_model_meta.embed_dim == embedder.embedding_dim
    assert encoder.mteb_model_meta.revision != scorer.mteb_model_meta.revision


def test_both_stages_with_weights(embedder: Embedder, reranker: Reranker, tmp_path: Path) -> None:
    tasks = [folder_task(sets.retrieval(tmp_path / "some", queries=4, documents=60))]
    encoder = MtebEncoder(embedder, "tiny", folder_instruction)
    first = evaluate_tasks(tasks, encoder, folder=tmp_path / "results", show_progress_bar=False)
    scorer = MtebCrossEncoder(reranker, "judge", folder_instruction)
    candidates = Candidates(rankings_folder(encoder, tmp_path / "results"), top=5)
    second = evaluate_tasks(
        tasks, scorer, folder=tmp_path / "results", candidates=candidates, show_progress_bar=False
    )
    assert first.failures == second.failures == []
    assert 0 <= second.scores[0].score <= 1


def test_a_sentence_transformer_has_the_numbers_that_mteb_gives_it(
    embedder_folder: Path, tmp_path: Path
) -> None:
    """Through our command and through mteb's own ``evaluate``: every number of the result file."""
    import mteb
    from sentence_transformers import SentenceTransformer

    folders = [sets.MAKERS[kind](tmp_path / kind) for kind in ("retrieval", "sts", "clustering")]
    model = open_mteb_model(f"sentence-transformers:{embedder_folder}", device="cpu", revision=None)
    ours = evaluate_tasks(
        [folder_task(folder) for folder in folders], model, folder=tmp_path / "ours", show_progress_bar=False
    )
    cache = mteb.ResultCache(tmp_path / "theirs")
    theirs = mteb.evaluate(
        SentenceTransformer(str(embedder_folder), device="cpu"),
        [folder_task(folder) for folder in folders],
        cache=cache,
        co2_tracker=False,
        show_progress_bar=False,
    )
    assert ours.failures == []
    for score, result in zip(ours.scores, theirs.task_results, strict=True):
        filed = mteb.ResultCache(tmp_path / "ours").load_task_result(score.task, model.mteb_model_meta)
        assert numbers(filed) == pytest.approx(numbers(result), abs=EXACT, nan_ok=True)


EXACT = 1e-6


def numbers(result: Any) -> dict[str, float]:
    [part] = result.scores["test"]
    return {name: value for name, value in part.items() if isinstance(value, float)}


@pytest.mark.parametrize("name", ["sentence-transformers:nothing/here", "mteb:nothing/here"])
def test_a_model_that_cannot_be_opened(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match=f"mteb cannot open {name}: "):
        open_mteb_model(name, device="cpu", revision=None)


def test_names_to_file_results_under(tmp_path: Path) -> None:
    assert mteb_name("Qwen/Qwen3-Embedding-0.6B") == "Qwen/Qwen3-Embedding-0.6B"
    assert mteb_name("quiver-embedding-mini") == "quiver/quiver-embedding-mini"
    assert mteb_name(f"{tmp_path}/") == f"local/{tmp_path.name}"


def test_similarity_is_the_cosine(embedder: Embedder) -> None:
    model = MtebEncoder(embedder, "tiny", folder_instruction)
    first, second = np.array([[2.0, 0.0], [0.0, 3.0]]), np.array([[1.0, 1.0], [0.0, 5.0]])
    assert model.similarity(first, second) == pytest.approx(
        np.array([[0.5**0.5, 0], [0.5**0.5, 1]]), abs=1e-6
    )
    assert model.similarity_pairwise(first, second) == pytest.approx(np.array([0.5**0.5, 1]), abs=1e-6)
