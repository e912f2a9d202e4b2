"""Runs through mteb: our numbers on every type, two stages, and what stays when tasks fail or a run stops."""

import json
from pathlib import Path
from typing import Any

import pytest

from quiver.evaluate import RerankStage, evaluate
from quiver.evaluate.mteb import (
    Candidates,
    Failure,
    MtebCrossEncoder,
    MtebEncoder,
    Outcome,
    evaluate_tasks,
    folder_instruction,
    folder_task,
    rankings_folder,
    reordering,
)
from quiver.evaluate.scores import TaskScore
from tests.evaluate import sets
from tests.evaluate.mteb.conftest import Overlap
from tests.evaluate.sets import FixedEncoder

EXACT = 1e-6
ROUNDED = 6e-6
"""mteb rounds the means of trec_eval's measures to five digits; those of its queries' scores are exact."""


def run(tasks: list[Any], model: Any, folder: Path, **more: Any) -> Outcome:
    return evaluate_tasks(tasks, model, folder=folder, show_progress_bar=False, **more)


def mean_of_queries(score: TaskScore) -> float:
    [queries] = score.by_query.values()
    return sum(queries.values()) / len(queries)


def test_every_type_has_our_numbers(
    folders: dict[str, Path], tasks: list[Any], model: MtebEncoder, tmp_path: Path
) -> None:
    ours = {result.set: result for result in evaluate(list(folders.values()), {"fixed": FixedEncoder()})}
    outcome = run(tasks, model, tmp_path / "results")
    assert outcome.failures == []
    assert [score.task for score in outcome.scores] == list(folders)
    for score in outcome.scores:
        ranking = score.task in ("retrieval", "reranking")
        assert score.score == pytest.approx(ours[score.task].score, abs=ROUNDED if ranking else EXACT)
        assert bool(score.by_query) == ranking
        if ranking:
            assert mean_of_queries(score) == pytest.approx(ours[score.task].score, abs=EXACT)


def test_two_stages_have_our_numbers(
    folders: dict[str, Path], model: MtebEncoder, mteb_reranker: MtebCrossEncoder, tmp_path: Path
) -> None:
    """The best ten in the reranker's order; ours keeps those below, which nDCG@10 does not see."""
    stage = RerankStage(name="judge", model=Overlap(), top=10)
    chosen = [folders["retrieval"]]
    [_, ours] = evaluate(chosen, {"fixed": FixedEncoder()}, reranker=stage)
    tasks, results = [folder_task(folder) for folder in chosen], tmp_path / "results"
    run(tasks, model, results)
    candidates = Candidates(rankings_folder(model, results), top=10)
    [score] = run(tasks, reordering(mteb_reranker, candidates.origin), results, candidates=candidates).scores
    assert mean_of_queries(score) == pytest.approx(ours.score, abs=EXACT)
    assert score.score == pytest.approx(ours.score, abs=ROUNDED)


def test_a_reranker_is_asked_once_a_candidate(
    folders: dict[str, Path],
    model: MtebEncoder,
    mteb_reranker: MtebCrossEncoder,
    judge: Overlap,
    tmp_path: Path,
) -> None:
    tasks, results = [folder_task(folders["retrieval"])], tmp_path / "results"
    run(tasks, model, results)
    run(tasks, mteb_reranker, results, candidates=Candidates(rankings_folder(model, results), top=7))
    assert len(judge.pairs) == 30 * 7
    assert judge.instructions == ["Do retrieval well"]


def test_tasks_with_candidates_of_their_own_need_no_first_stage(
    folders: dict[str, Path], mteb_reranker: MtebCrossEncoder, tmp_path: Path
) -> None:
    tasks = [folder_task(folders["reranking"])]
    [score] = run(tasks, mteb_reranker, tmp_path / "results", candidates=Candidates(tmp_path, top=100)).scores
    stage = RerankStage(name="judge", model=Overlap())
    [_, ours] = evaluate([folders["reranking"]], {"fixed": FixedEncoder()}, reranker=stage)
    assert mean_of_queries(score) == pytest.approx(ours.score, abs=EXACT)


def test_a_first_stage_that_never_ran(
    folders: dict[str, Path], mteb_reranker: MtebCrossEncoder, tmp_path: Path
) -> None:
    tasks = [folder_task(folders["retrieval"])]
    outcome = run(tasks, mteb_reranker, tmp_path / "results", candidates=Candidates(tmp_path / "none"))
    assert outcome.scores == []
    assert "run the embedder on this task first" in outcome.failures[0].reason


def test_what_is_done_is_not_done_again(
    tasks: list[Any], model: MtebEncoder, encoder: FixedEncoder, tmp_path: Path
) -> None:
    first = run(tasks[:3], model, tmp_path / "results")
    calls = encoder.calls
    second = run(tasks[:4], model, tmp_path / "results")
    assert second.scores[:3] == first.scores
    assert second.scores[3].task == "pair_classification"
    assert calls < encoder.calls
    calls = encoder.calls
    run(tasks[:4], model, tmp_path / "results")
    assert encoder.calls == calls


def test_other_weights_are_filed_apart(tasks: list[Any], tmp_path: Path) -> None:
    for identity in ("first", "second"):
        encoder = FixedEncoder()
        encoder.identity = identity
        run(tasks[2:3], MtebEncoder(encoder, "some/encoder", folder_instruction), tmp_path / "results")
        assert encoder.calls > 0
    assert len(list((tmp_path / "results" / "results" / "some__encoder").iterdir())) == 2


def test_changed_data_are_scored_anew(
    folders: dict[str, Path], model: MtebEncoder, encoder: FixedEncoder, tmp_path: Path
) -> None:
    run([folder_task(folders["sts"])], model, tmp_path / "results")
    calls = encoder.calls
    with (folders["sts"] / "pairs.tsv").open("a") as pairs:
        pairs.write("one more\tpair\t2.5\n")
    run([folder_task(folders["sts"])], model, tmp_path / "results")
    assert encoder.calls > calls


def test_a_ranking_that_was_removed_is_made_again(
    tasks: list[Any], model: MtebEncoder, tmp_path: Path
) -> None:
    run(tasks[:1], model, tmp_path / "results")
    [ranking] = rankings_folder(model, tmp_path / "results").iterdir()
    ranking.unlink()
    run(tasks[:1], model, tmp_path / "results")
    assert set(json.loads(ranking.read_text())["default"]["test"]) == {f"q{query}" for query in range(30)}


class Fragile(FixedEncoder):
    def vector(self, text: str) -> Any:
        if "pear" in text:
            raise ValueError("no pears")
        return super().vector(text)


def test_a_failed_task_does_not_stop_the_others(folders: dict[str, Path], tmp_path: Path) -> None:
    (folders["sts"] / "pairs.tsv").write_text("sentence1\tsentence2\tscore\npear\tb\t1\nc\td\t2\n")
    tasks = [folder_task(folders[kind]) for kind in ("sts", "pair_classification")]
    seen: list[Failure] = []
    model = MtebEncoder(Fragile(), "some/encoder", folder_instruction)
    outcome = run(tasks, model, tmp_path / "results", on_failure=seen.append)
    assert [score.task for score in outcome.scores] == ["pair_classification"]
    assert outcome.failures == seen == [Failure("sts", "ValueError: no pears")]


def test_a_data_set_that_cannot_be_reached(
    model: MtebEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mteb

    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    outcome = run([mteb.get_task("STS12")], model, tmp_path / "results")
    assert outcome.scores == []
    assert "its data set mteb/sts12-sts cannot be downloaded" in outcome.failures[0].reason


def test_a_stopped_run_stops(tasks: list[Any], tmp_path: Path) -> None:
    class Stopped(FixedEncoder):
        def vector(self, text: str) -> Any:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tasks, MtebEncoder(Stopped(), "some/encoder", folder_instruction), tmp_path / "results")


def test_queries_instructions(tmp_path: Path) -> None:
    folder = sets.retrieval(tmp_path / "own", queries=2)
    rows = [{"_id": f"q{q}", "text": f"question {q}", "instruction": f"in language {q}"} for q in range(2)]
    (folder / "queries.jsonl").write_text(sets.jsonl(rows))
    encoder, judge = FixedEncoder(), Overlap()
    model = MtebEncoder(encoder, "some/encoder", folder_instruction, own_instructions=True)
    reranker = MtebCrossEncoder(judge, "some/reranker", folder_instruction)
    tasks, results = [folder_task(folder)], tmp_path / "results"
    run(tasks, model, results)
    run(tasks, reranker, results, candidates=Candidates(rankings_folder(model, results), top=1))
    assert encoder.instructions == [["in language 0", "in language 1"]]
    assert judge.instructions == [["in language 0", "in language 1"]]
    assert [query for query, _ in judge.pairs] == ["question 0", "question 1"]
