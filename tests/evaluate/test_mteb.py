"""The same numbers as mteb: its own tasks, given the same data and the same vectors."""

import json
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from quiver.evaluate import evaluate
from tests.evaluate import sets
from tests.evaluate.sets import FixedEncoder, TiedEncoder

mocks: ModuleType = pytest.importorskip("mteb.mocks.mock_tasks", reason="needs mteb")
clustering: ModuleType = pytest.importorskip("mteb.mocks.mock_tasks.clustering", reason="needs mteb")
datasets: ModuleType = pytest.importorskip("datasets", reason="needs mteb")

EXACT = 1e-6
ROUNDED = 6e-6
"""mteb rounds the means of trec_eval's measures to five digits."""

ENCODERS = pytest.mark.parametrize("encoder", [FixedEncoder(), TiedEncoder()], ids=["distinct", "tied"])


class MtebModel:
    """The same vectors behind mteb's interface."""

    mteb_model_meta = None

    def __init__(self, encoder: FixedEncoder) -> None:
        self._encoder = encoder

    def encode(self, inputs: Any, **options: Any) -> Any:
        return np.stack([self._encoder.vector(text) for batch in inputs for text in batch["text"]])

    def similarity(self, first: Any, second: Any) -> Any:
        first, second = (np.asarray(side) for side in (first, second))
        unit = [side / np.linalg.norm(side, axis=1, keepdims=True) for side in (first, second)]
        return unit[0] @ unit[1].T

    def similarity_pairwise(self, first: Any, second: Any) -> Any:
        return self.similarity(first, second).diagonal()


def mteb_scores(task: Any, data: Any, encoder: FixedEncoder) -> dict[str, Any]:
    task.dataset, task.data_loaded = data, True
    scores = task.evaluate(MtebModel(encoder), "test", encode_kwargs={"batch_size": 32})
    found: dict[str, Any] = scores["default"]
    return found


def ours(folder: Path, encoder: FixedEncoder) -> dict[str, float]:
    [result] = evaluate([folder], {"fixed": encoder})
    return dict(result.scores)


def columns(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> Any:
    return datasets.Dataset.from_dict(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)))


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@ENCODERS
def test_retrieval(tmp_path: Path, encoder: FixedEncoder) -> None:
    folder = sets.retrieval(tmp_path / "some")
    grades: dict[str, dict[str, int]] = {}
    for line in (folder / "qrels.tsv").read_text().splitlines()[1:]:
        query, document, grade = line.split("\t")
        grades.setdefault(query, {})[document] = int(grade)
    corpus, queries = (read_jsonl(folder / f"{name}.jsonl") for name in ("corpus", "queries"))
    data = {
        "corpus": columns(
            ("id", "title", "text"), [(row["_id"], row["title"], row["text"]) for row in corpus]
        ),
        "queries": columns(("id", "text"), [(row["_id"], row["text"]) for row in queries]),
        "relevant_docs": grades,
        "top_ranked": None,
    }
    theirs = mteb_scores(mocks.MockRetrievalTask(), {"default": {"test": data}}, encoder)
    found = ours(folder, encoder)
    assert found["mrr@10"] == pytest.approx(theirs["mrr_at_10"], abs=EXACT)
    for name, other in (("ndcg@10", "ndcg_at_10"), ("recall@10", "recall_at_10"), ("map", "map_at_1000")):
        assert found[name] == pytest.approx(theirs[other], abs=ROUNDED)
    assert 0.05 < found["ndcg@10"] < 0.95


@ENCODERS
def test_ranking_measures_unrounded(tmp_path: Path, encoder: FixedEncoder) -> None:
    from mteb._evaluators.retrieval_metrics import calculate_retrieval_scores

    from quiver.evaluate.ranking import RankingTask
    from quiver.evaluate.tasks import read_task
    from quiver.evaluate.vectors import Embedding, cut_to

    task = read_task(sets.retrieval(tmp_path / "some", metric="recall@2"))
    assert isinstance(task, RankingTask)
    run = task.ranked_by_vectors(cut_to(task.embed(Embedding(encoder, show_progress_bar=False)), None))
    grades = {query: dict(judged) for query, judged in task.grades.items()}
    theirs = calculate_retrieval_scores(run, grades, [2, 10, 100]).all_scores
    found = task.measure(run)
    trec = {"ndcg@10": "ndcg_cut_10", "recall@2": "recall_2", "recall@100": "recall_100"}
    for name, other in trec.items():
        mean = sum(scores[other] for scores in theirs.values()) / len(theirs)
        assert found[name] == pytest.approx(mean, abs=EXACT)


@ENCODERS
def test_reranking(tmp_path: Path, encoder: FixedEncoder) -> None:
    queries: list[tuple[str, str]] = []
    corpus: list[tuple[str, str]] = []
    grades: dict[str, dict[str, int]] = {}
    ranked: dict[str, list[str]] = {}
    for number, row in enumerate(sets.reranking_rows()):
        query = f"test_query{number}"
        queries.append((query, row["query"]))
        own = {f"apositive_{query}_{i:05}": text for i, text in enumerate(row["positive"])}
        own |= {f"negative_{query}_{i:05}": text for i, text in enumerate(row["negative"])}
        corpus += own.items()
        grades[query] = {document: int(document.startswith("a")) for document in own}
        ranked[query] = list(own)
    data = {
        "corpus": columns(("id", "text"), corpus),
        "queries": columns(("id", "text"), queries),
        "relevant_docs": grades,
        "top_ranked": ranked,
    }
    theirs = mteb_scores(mocks.MockRerankingTask(), {"default": {"test": data}}, encoder)
    found = ours(sets.reranking(tmp_path / "some"), encoder)
    assert found["map"] == pytest.approx(theirs["map_at_1000"], abs=ROUNDED)
    assert found["mrr@10"] == pytest.approx(theirs["mrr_at_10"], abs=EXACT)


@ENCODERS
def test_similarity(tmp_path: Path, encoder: FixedEncoder) -> None:
    data = columns(("sentence1", "sentence2", "score"), sets.pair_rows(graded=True))
    theirs = mteb_scores(mocks.MockSTSTask(), datasets.DatasetDict(test=data), encoder)
    found = ours(sets.sts(tmp_path / "some"), encoder)
    for metric in ("cosine_spearman", "cosine_pearson"):
        assert found[metric] == pytest.approx(theirs[metric], abs=EXACT)


@ENCODERS
def test_pair_classification(tmp_path: Path, encoder: FixedEncoder) -> None:
    data = columns(("sentence1", "sentence2", "labels"), sets.pair_rows(graded=False))
    theirs = mteb_scores(mocks.MockPairClassificationTask(), datasets.DatasetDict(test=data), encoder)
    found = ours(sets.pair_classification(tmp_path / "some"), encoder)
    assert found["cosine_ap"] == pytest.approx(theirs["cosine_ap"], abs=EXACT)


@ENCODERS
@pytest.mark.parametrize("labels", [2, 4])
def test_classification(tmp_path: Path, encoder: FixedEncoder, labels: int) -> None:
    data = datasets.DatasetDict(
        train=columns(("text", "label"), sets.labelled_rows(0, 200, labels)),
        test=columns(("text", "label"), sets.labelled_rows(500, 150, labels)),
    )
    task = mocks.MockClassificationTask()
    task.samples_per_label, task.n_experiments = 8, 10
    # mteb gives its classifier vectors as they are; ours are of unit length, as sentence-transformers' are.
    theirs = mteb_scores(task, data, unit(encoder))
    found = ours(sets.classification(tmp_path / "some", labels=labels), encoder)
    for metric in ("accuracy", "f1", *(["ap"] if labels == 2 else [])):
        assert found[metric] == pytest.approx(theirs[metric], abs=EXACT)
    assert 1 / labels < found["accuracy"] < 0.99


class AllClusteringTask(clustering.LegacyMockClusteringFastTask):  # type: ignore[misc, name-defined]
    """mteb's defaults instead of the mock's, and all documents."""

    max_document_to_embed = max_fraction_of_documents_to_embed = None
    n_clusters = clustering.AbsTaskClustering.n_clusters
    max_documents_per_cluster = clustering.AbsTaskClustering.max_documents_per_cluster


@ENCODERS
def test_clustering(tmp_path: Path, encoder: FixedEncoder) -> None:
    data = datasets.DatasetDict(test=columns(("sentences", "labels"), sets.labelled_rows(0, 300, 4)))
    task = AllClusteringTask()
    theirs = mteb_scores(task, data, unit(encoder))
    found = ours(sets.clustering(tmp_path / "some"), encoder)
    assert found["v_measure"] == pytest.approx(theirs["v_measure"], abs=EXACT)
    assert 0.05 < found["v_measure"] < 0.99


def test_bitext(tmp_path: Path) -> None:
    encoder = FixedEncoder()  # mteb leaves open which of equal neighbours is taken
    folder = sets.bitext(tmp_path / "some")
    texts = {language: (folder / f"{language}.txt").read_text().splitlines() for language in sets.LANGUAGES}
    found = ours(folder, encoder)
    means = []
    for pair in (("eng", "deu"), ("deu", "eng"), ("eng", "zho-CN"), ("zho-CN", "eng")):
        rows = list(zip(*(texts[language] for language in pair), strict=True))
        data = datasets.DatasetDict(test=columns(("sentence1", "sentence2"), rows))
        means.append(mteb_scores(mocks.MockBitextMiningTask(), data, encoder)["f1"])
        assert found[f"f1 {'-'.join(pair)}"] == pytest.approx(means[-1], abs=EXACT)
    assert found["f1"] == pytest.approx(np.mean(means), abs=EXACT)


def unit(encoder: FixedEncoder) -> FixedEncoder:
    """The same directions with vectors of unit length."""

    class Unit(FixedEncoder):
        def vector(self, text: str) -> Any:
            found = encoder.vector(text)
            return found / np.linalg.norm(found)

    return Unit()
