"""Runs: every system on every set, variants, and going on after a stop."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from quiver.errors import InputError, NumericalError
from quiver.evaluate import Bm25, RerankStage, Result, evaluate
from quiver.evaluate.meta import read_meta
from quiver.evaluate.ranking_files import read_retrieval
from quiver.evaluate.report import by_type
from quiver.evaluate.vectors import Embedding, cut_to
from quiver.interpolation import standardised
from quiver.results import Floats
from quiver.word_scores import word_heights
from tests.evaluate import sets
from tests.evaluate.sets import FixedEncoder


class Judge:
    """Prefers documents with a low number; notes what it was asked."""

    identity = "judge"

    def __init__(self) -> None:
        self.retrieval_weight = 0.0
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
        return np.asarray([-int(document.rsplit(" ", 1)[1]) for _, document in pairs], dtype=np.float32)


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    return [make(tmp_path / kind) for kind, make in sets.MAKERS.items()]


def test_every_type_by_its_own_metric(folders: list[Path]) -> None:
    encoder = FixedEncoder()
    results = evaluate(folders, {"fixed": encoder})
    assert [result.set for result in results] == list(sets.MAKERS)
    for result in results:
        assert result.score == result.scores[result.metric]
        assert -1 <= result.score <= 1
    asked = {instruction for instruction in encoder.instructions if isinstance(instruction, str)}
    assert asked == {f"Do {kind} well" for kind in sets.MAKERS if kind != "instruction_pairs"}
    own = [instruction for instruction in encoder.instructions if not isinstance(instruction, str)]
    assert own == [["Alike in: topic"] * 10] * 2 + [["Alike in: number"] * 10] * 2


def test_vectors_cut_to_fewer_dimensions(tmp_path: Path) -> None:
    encoder = FixedEncoder()
    results = evaluate([sets.sts(tmp_path / "sts")], {"fixed": encoder}, dimensions=[16, 4])
    scores = {result.system: result.score for result in results}
    assert list(scores) == ["fixed", "fixed@16", "fixed@4"]
    assert scores["fixed"] == scores["fixed@16"] != scores["fixed@4"]
    assert encoder.calls == 1


def test_a_dimension_that_vectors_do_not_have(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="vectors of 16 values cannot be cut to 17"):
        evaluate([sets.sts(tmp_path / "sts")], {"fixed": FixedEncoder()}, dimensions=[17])


def test_reranking_reorders_the_best_and_leaves_the_rest(tmp_path: Path) -> None:
    folder = sets.retrieval(tmp_path / "some", queries=20)
    judge = Judge()
    stage = RerankStage(name="judge", model=judge, top=10)
    before, after = evaluate([folder], {"fixed": FixedEncoder(), "BM25": Bm25()}, reranker=stage)[:2]
    assert (before.system, after.system) == ("fixed", "fixed + judge")
    assert len(judge.pairs) == 20 * 10
    assert judge.instructions == ["Do retrieval well"] * 2
    assert after.scores["recall@10"] == before.scores["recall@10"]
    assert after.scores["recall@100"] == before.scores["recall@100"]
    assert after.scores["ndcg@10"] != before.scores["ndcg@10"]


def test_a_small_reranker_counts_beside_the_first_ranking(tmp_path: Path) -> None:
    task = read_retrieval(read_meta(sets.retrieval(tmp_path / "some", queries=20)))
    vectors = task.embed(Embedding(FixedEncoder(), show_progress_bar=False))
    found = task.ranked_by_vectors(cut_to(vectors, None))
    judge = Judge()
    judge.retrieval_weight = 20.0
    stage = RerankStage(name="judge", model=judge, top=10)
    reranked = task.reranked(found, stage, show_progress_bar=False)
    texts = zip(task.document_ids, task.documents, strict=True)
    text_of = dict(texts)
    for (query, scores), asked in zip(found.items(), task.queries, strict=True):
        best = sorted(scores, key=lambda own: -scores[own])[:10]
        by_words = word_heights(asked, [text_of[own] for own in best])
        known = standardised([scores[own] for own in best]) + by_words
        odds = -np.array([int(text_of[own].rsplit(" ", 1)[1]) for own in best])
        expected = odds + 20 * odds.std() * known
        assert [reranked[query][own] for own in best] == pytest.approx(list(expected), rel=1e-5, abs=1e-4)


def test_reranking_gives_each_query_its_own_instruction(tmp_path: Path) -> None:
    folder = sets.retrieval(tmp_path / "some", queries=2)
    rows = [{"_id": f"q{q}", "text": "?", "instruction": f"task {q}"} for q in range(2)]
    (folder / "queries.jsonl").write_text(sets.jsonl(rows))
    judge = Judge()
    evaluate([folder], {"fixed": FixedEncoder()}, reranker=RerankStage(name="judge", model=judge, top=3))
    assert judge.instructions == [["task 0"] * 3 + ["task 1"] * 3]


def test_words_rank_but_have_no_vectors(folders: list[Path]) -> None:
    results = evaluate(folders, {"BM25": Bm25()})
    assert [result.type for result in results] == ["retrieval", "reranking"]
    assert all(0 < result.score < 1 for result in results)


def test_a_stopped_run_goes_on(folders: list[Path], tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    seen: list[Result] = []

    def stop_at_the_third(result: Result) -> None:
        seen.append(result)
        if len(seen) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(folders, {"fixed": FixedEncoder()}, results_file=path, on_result=stop_at_the_third)
    assert len(json.loads(path.read_text())["results"]) == 3
    encoder = FixedEncoder()
    results = evaluate(folders, {"fixed": encoder}, results_file=path)
    assert results[:3] == seen
    assert len(results) == len(folders)
    assert "Do retrieval well" not in encoder.instructions
    again = FixedEncoder()
    assert evaluate(folders, {"fixed": again}, results_file=path) == results
    assert again.calls == 0


def test_other_data_or_another_model_is_scored_anew(tmp_path: Path) -> None:
    path, folder = tmp_path / "results.json", sets.sts(tmp_path / "sts")
    evaluate([folder], {"fixed": FixedEncoder()}, results_file=path)
    with (folder / "pairs.tsv").open("a") as pairs:
        pairs.write("one more\tpair\t2.5\n")
    encoder = FixedEncoder()
    evaluate([folder], {"fixed": encoder}, results_file=path)
    assert encoder.calls == 1
    encoder.identity = "with other weights"
    evaluate([folder], {"fixed": encoder}, results_file=path)
    assert encoder.calls == 2
    assert len(json.loads(path.read_text())["results"]) == 1


@pytest.mark.parametrize(
    "content", ["not JSON", "[]", '{"format": "other"}', '{"format": "quiver evaluate 1", "results": [{}]}']
)
def test_a_file_that_holds_something_else_is_left_alone(tmp_path: Path, content: str) -> None:
    path = tmp_path / "notes.json"
    path.write_text(content)
    with pytest.raises(InputError, match=r"notes\.json"):
        evaluate([sets.sts(tmp_path / "sts")], {"fixed": FixedEncoder()}, results_file=path)
    assert path.read_text() == content


def test_no_folder_for_the_results(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no folder"):
        evaluate([], {"fixed": FixedEncoder()}, results_file=tmp_path / "nowhere" / "results.json")


def test_all_folders_are_checked_before_anything_runs(tmp_path: Path) -> None:
    encoder = FixedEncoder()
    with pytest.raises(InputError, match="no evaluation folder"):
        evaluate([sets.sts(tmp_path / "sts"), tmp_path], {"fixed": encoder})
    assert encoder.calls == 0


def test_two_sets_of_one_name(tmp_path: Path) -> None:
    folders = [sets.sts(tmp_path / place / "sts") for place in ("here", "there")]
    with pytest.raises(InputError, match="both call themselves 'sts'"):
        evaluate(folders, {"fixed": FixedEncoder()})


def test_a_system_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="mine: str has neither encode_query nor relevance"):
        evaluate([], {"mine": "a name"})  # type: ignore[dict-item]


def test_vectors_that_are_none(tmp_path: Path) -> None:
    class Broken(FixedEncoder):
        def vector(self, text: str) -> Floats:
            return np.full(16, np.nan, np.float32)

    with pytest.raises(NumericalError, match="not finite"):
        evaluate([sets.sts(tmp_path / "sts")], {"broken": Broken()})


def test_a_metric_that_the_data_cannot_give(tmp_path: Path) -> None:
    folder = sets.classification(tmp_path / "four")
    meta = json.loads((folder / "meta.json").read_text())
    (folder / "meta.json").write_text(json.dumps(meta | {"main_metric": "ap"}))
    with pytest.raises(InputError, match="the ap of fixed is undefined; ap needs two labels"):
        evaluate([folder], {"fixed": FixedEncoder()})


def test_the_extra_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = FixedEncoder()
    monkeypatch.setattr("quiver.evaluate.extra.find_spec", lambda module: None)
    with pytest.raises(InputError, match=r"needs pytrec_eval: pip install 'quiver-embed\[evaluate\]'"):
        evaluate([sets.sts(tmp_path / "sts")], {"fixed": encoder})
    monkeypatch.setitem(sys.modules, "bm25s", None)
    with pytest.raises(InputError, match="needs bm25s"):
        list(Bm25().relevance(["a"], ["b"], []))


def test_the_report_has_a_mean_for_each_type(tmp_path: Path) -> None:
    folders = [sets.retrieval(tmp_path / "a"), sets.retrieval(tmp_path / "b"), sets.sts(tmp_path / "c")]
    results = evaluate(folders, {"fixed": FixedEncoder(), "BM25": Bm25()})
    rows = list(by_type(results))
    assert [(row.name, row.metric) for row in rows] == [
        ("a", "ndcg@10"),
        ("b", "ndcg@10"),
        ("retrieval, 2 sets", "mean"),
        ("c", "cosine_spearman"),
        ("sts, 1 set", "mean"),
    ]
    mean = (rows[0].scores["BM25"] + rows[1].scores["BM25"]) / 2
    assert rows[2].scores["BM25"] == pytest.approx(mean)
    assert set(rows[4].scores) == {"fixed"}
