"""Systems: BM25, and SentenceTransformers as encoders."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from quiver import Embedder, Reranker
from quiver.errors import InputError
from quiver.evaluate import Bm25, Encoder, Lexical, RerankStage, SentenceTransformerEncoder, evaluate
from tests.evaluate import sets


def test_bm25_stems_words() -> None:
    [row] = Bm25().relevance(["sailing ships"], ["A ship sailed.", "Bread was baked."], ["en"])
    assert row[0] > 0 == row[1]


def test_bm25_pairs_characters_where_no_spaces_are_written() -> None:
    documents = ["北京是中国的首都。", "上海是一座城市。", "東京は日本の首都です。"]
    rows = list(Bm25().relevance(["中国首都", "日本"], documents, ["zh"]))
    assert [int(row.argmax()) for row in rows] == [0, 2]


def test_bm25_without_a_word_in_common() -> None:
    rows = list(Bm25().relevance(["zebra", "...", ""], ["ships", "birds"], ["en"]))
    assert [row.tolist() for row in rows] == [[0.0, 0.0]] * 3
    assert [row.tolist() for row in Bm25().relevance(["a"], ["", "!"], [])] == [[0.0, 0.0]]


def test_what_is_a_system() -> None:
    assert isinstance(Bm25(), Lexical)
    assert not isinstance(Bm25(), Encoder)


def test_quivers_own_models(tmp_path: Path, embedder: Embedder, reranker: Reranker) -> None:
    folders = [sets.retrieval(tmp_path / "some", queries=4, documents=60), sets.sts(tmp_path / "sts")]
    stage = RerankStage(name="reranker", model=reranker, top=3)
    results = evaluate(folders, {"tiny": embedder}, dimensions=[8], reranker=stage, show_progress_bar=False)
    assert [(result.set, result.system) for result in results] == [
        ("some", "tiny"),
        ("some", "tiny@8"),
        ("some", "tiny + reranker"),
        ("sts", "tiny"),
        ("sts", "tiny@8"),
    ]
    assert str(embedder.fingerprint) in results[0].identity
    assert str(reranker.fingerprint) in results[2].identity


def test_texts_that_are_cut_are_counted(tmp_path: Path, embedder_folder: Path) -> None:
    short = Embedder(embedder_folder, device="cpu", max_length=30, on_too_long="truncate")
    [result] = evaluate([sets.sts(tmp_path / "sts")], {"short": short})
    assert result.texts_cut > 0


class PlainTransformer:
    """As much of a SentenceTransformer as is used here."""

    def __init__(self, query_prompt: str) -> None:
        self.prompts = {"query": query_prompt}
        self.seen: list[str] = []

    def encode_query(self, texts: list[str], *, prompt: str | None = None, **options: Any) -> Any:
        before = self.prompts["query"] if prompt is None else prompt
        self.seen += [before + text for text in texts]
        return np.ones((len(texts), 4), np.float32)


@pytest.mark.parametrize(
    ("own", "instruction", "seen"),
    [
        ("query: ", "Find it", ["query: a", "query: b"]),
        ("query: ", ["Find it", "Name it"], ["query: a", "query: b"]),
        ("Instruct: Search\nQuery:", "Find it", ["Instruct: Find it\nQuery:a", "Instruct: Find it\nQuery:b"]),
        ("Instruct: Search\nQuery:", None, ["Instruct: Search\nQuery:a", "Instruct: Search\nQuery:b"]),
        (
            "Instruct: Search\nQuery:",
            ["Find it", "Name it"],
            ["Instruct: Find it\nQuery:a", "Instruct: Name it\nQuery:b"],
        ),
    ],
)
def test_prompts_of_sentence_transformers(own: str, instruction: Any, seen: list[str]) -> None:
    model = PlainTransformer(own)
    SentenceTransformerEncoder(model).encode_query(["a", "b"], instruction=instruction)
    assert model.seen == seen


def test_sentence_transformers_gives_the_same_scores(
    tmp_path: Path, embedder: Embedder, embedder_folder: Path
) -> None:
    pytest.importorskip("sentence_transformers")
    theirs = SentenceTransformerEncoder(str(embedder_folder), device="cpu")
    folder = sets.retrieval(tmp_path / "some", queries=8, documents=60)
    results = evaluate([folder], {"ours": embedder, "theirs": theirs}, show_progress_bar=False)
    assert results[0].score == pytest.approx(results[1].score, abs=1e-3)


def test_a_sentence_transformer_that_is_none(tmp_path: Path) -> None:
    pytest.importorskip("sentence_transformers")
    with pytest.raises(InputError, match="sentence-transformers cannot open"):
        SentenceTransformerEncoder(str(tmp_path / "nothing"))
