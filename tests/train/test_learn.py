"""Whole runs on tiny models: they learn, stop and go on, and what is saved is what was trained."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sentence_transformers import SentenceTransformer
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM

from quiver import Embedder, Reranker
from quiver.errors import InputError
from quiver.models.catalog import BUILTIN_EMBEDDER, BUILTIN_FOLDER
from quiver.train.checks import TrainingError
from quiver.train.distill import distill
from quiver.train.embedder import ContrastSettings, train_embedder
from quiver.train.learn import TrainingReport
from quiver.train.reranker import JudgementSettings, train_reranker
from quiver.train.settings import LoraSettings, TrainingSettings
from tests.checkpoints import write_checkpoint
from tests.train.rows import make_rows

ROWS = make_rows(48, negatives=2)
SHORT = TrainingSettings(max_steps=6, batch_size=8, learning_rate=2e-3, save_every=2, max_length=64)
LONG = replace(SHORT, max_steps=24, save_every=8)

Train = Callable[[Path, TrainingSettings], TrainingReport | None]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


@pytest.mark.parametrize("lora", [None, LoraSettings(rank=8)], ids=["full", "lora"])
def test_an_embedder_learns_and_loads_everywhere(
    embedder_folder: Path, tmp_path: Path, lora: LoraSettings | None
) -> None:
    settings = replace(LONG, lora=lora, learning_rate=2e-3 if lora is None else 1e-2)
    report = train_embedder(
        ROWS, tmp_path / "out", model=embedder_folder, evaluation=ROWS, settings=settings, quiet=True
    )
    assert report is not None
    assert report.score_before is not None
    assert report.score_after is not None
    assert report.score_after > report.score_before + 0.1
    assert json.loads((tmp_path / "out" / "training.json").read_text())["score_after"] == report.score_after
    base, trained = weights(embedder_folder), weights(tmp_path / "out")
    assert {name: t.dtype for name, t in base.items()} == {name: t.dtype for name, t in trained.items()}
    text = "What is the capital of China?"
    vector = Embedder(tmp_path / "out", dtype="float32").encode_document(text)
    other = SentenceTransformer(str(tmp_path / "out"), device="cpu").encode(text, prompt="")
    np.testing.assert_allclose(vector, other, atol=1e-5)
    _, loading = AutoModel.from_pretrained(tmp_path / "out", output_loading_info=True)
    assert not any(loading.values())


@pytest.mark.parametrize("listwise", [False, True])
def test_a_reranker_learns_to_tell_answers_apart(
    reranker_folder: Path, tmp_path: Path, listwise: bool
) -> None:
    report = train_reranker(
        ROWS,
        tmp_path / "out",
        model=reranker_folder,
        evaluation=ROWS[:24],
        judgement=JudgementSettings(listwise=listwise),
        settings=replace(LONG, max_length=256),
        quiet=True,
    )
    assert report is not None
    assert report.score_before is not None
    assert report.score_after is not None
    assert report.score_after > report.score_before
    assert Reranker(tmp_path / "out").predict([("a", "b")]).shape == (1,)


def test_the_built_in_embedder_keeps_what_was_set_by_hand(tmp_path: Path) -> None:
    settings = replace(SHORT, max_steps=3, batch_size=8, max_length=128, learning_rate=1e-5)
    train_embedder(ROWS, tmp_path / "out", settings=settings, quiet=True)
    before, after = weights(BUILTIN_FOLDER / BUILTIN_EMBEDDER), weights(tmp_path / "out")
    for name, weight in before.items():
        assert torch.equal(weight.float() == 0, after[name].float() == 0), name
    texts = [row.positives[0] for row in ROWS[:8]]
    old, new = (np.asarray(Embedder(model).encode_document(texts)) for model in (None, tmp_path / "out"))
    assert 0.9 < (old * new).sum(axis=1).mean() < 0.99999


def test_the_last_layers_learn_alone(embedder_folder: Path, tmp_path: Path) -> None:
    settings = replace(SHORT, last_layers=1, weight_decay=0.0)
    report = train_embedder(ROWS, tmp_path / "out", model=embedder_folder, settings=settings, quiet=True)
    assert report is not None
    assert report.moved > 0
    assert not list((tmp_path / "out" / "run").glob("states-*"))
    before, after = weights(embedder_folder), weights(tmp_path / "out")
    layers = AutoConfig.from_pretrained(embedder_folder).num_hidden_layers
    learnt = {name for name in before if not torch.equal(before[name], after[name])}
    assert learnt == {name for name in before if name.startswith(f"layers.{layers - 1}.")}


def test_last_layers_need_a_model_that_has_them(embedder_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the model has"):
        train_embedder(ROWS, tmp_path / "out", model=embedder_folder, settings=replace(SHORT, last_layers=99))


def test_a_rerankers_last_layer_learns(reranker_folder: Path, tmp_path: Path) -> None:
    settings = replace(LONG, max_length=256, last_layers=1)
    report = train_reranker(
        ROWS, tmp_path / "out", model=reranker_folder, evaluation=ROWS[:24], settings=settings, quiet=True
    )
    assert report is not None
    assert report.score_before is not None
    assert report.score_after is not None
    assert report.score_after > report.score_before
    AutoModelForCausalLM.from_pretrained(tmp_path / "out")


def test_a_student_comes_nearer_to_its_teacher(embedder_folder: Path, tmp_path: Path) -> None:
    student = write_checkpoint(tmp_path / "student-embedding", seed=9, hidden_size=32)
    settings = replace(LONG, max_steps=30)
    assert distill(
        ROWS, tmp_path / "out", teacher=embedder_folder, model=student, settings=settings, quiet=True
    )
    texts = [row.positives[0] for row in ROWS[:8]]
    wanted = np.asarray(Embedder(embedder_folder, truncate_dim=32).encode_document(texts))
    before, after = (
        np.asarray(Embedder(folder).encode_document(texts)) for folder in (student, tmp_path / "out")
    )
    assert (wanted * after).sum(axis=1).mean() > (wanted * before).sum(axis=1).mean() + 0.1


def test_parts_of_a_batch_change_nothing(embedder_folder: Path, tmp_path: Path) -> None:
    for name, budget in (("whole", 100_000), ("parts", 64)):
        settings = replace(SHORT, token_budget=budget)
        train_embedder(ROWS, tmp_path / name, model=embedder_folder, settings=settings, quiet=True)
    whole, parts = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    for name, tensor in whole.items():
        torch.testing.assert_close(parts[name], tensor, atol=2e-4, rtol=0)


def test_accumulated_batches_are_averaged(embedder_folder: Path, tmp_path: Path) -> None:
    """A reranker's loss is a mean over documents, so two half batches are one whole one."""
    rows = [replace(row, negatives=row.negatives[:1]) for row in ROWS[:16]]
    for name, size, accumulate in (("whole", 16, 1), ("halves", 8, 2)):
        train_reranker(
            rows,
            tmp_path / name,
            model=write_checkpoint(tmp_path / f"base-reranker-{name}", "reranker"),
            settings=replace(SHORT, max_steps=2, batch_size=size, accumulate=accumulate, max_length=256),
            quiet=True,
        )
    for name, tensor in weights(tmp_path / "whole").items():
        torch.testing.assert_close(weights(tmp_path / "halves")[name], tensor, atol=2e-4, rtol=0)


KILLED = """
import os, sys
from quiver.train.trainer import CachedTrainer
step = CachedTrainer.training_step
def training_step(self, *given, **named):
    if self.state.global_step == int(sys.argv[3]):
        os._exit(9)
    return step(self, *given, **named)
CachedTrainer.training_step = training_step
from pathlib import Path
from tests.train import test_learn
getattr(test_learn, sys.argv[4])(sys.argv[1], Path(sys.argv[2]))
"""


def train_with_dropout(model: Path | str, out: Path) -> TrainingReport | None:
    settings = replace(SHORT, lora=LoraSettings(rank=4, dropout=0.2), learning_rate=1e-2)
    return train_embedder(ROWS, out, model=model, settings=settings, quiet=True)


def train_last_layer(model: Path | str, out: Path) -> TrainingReport | None:
    return train_embedder(ROWS, out, model=model, settings=replace(SHORT, last_layers=1), quiet=True)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Sums of several threads depend on how many there are, which may differ between processes."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("train", [train_with_dropout, train_last_layer])
@pytest.mark.parametrize("step", [1, 3, 5])
def test_a_killed_run_goes_on_to_the_same_weights(
    embedder_folder: Path, tmp_path: Path, step: int, train: Callable[[Path, Path], TrainingReport | None]
) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    train(embedder_folder, whole)
    child = subprocess.run(
        [sys.executable, "-c", KILLED, embedder_folder, killed, str(step), train.__name__],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        check=False,
    )
    assert child.returncode == 9, child.stderr.decode()
    assert not (killed / "model.safetensors").exists()
    assert train(embedder_folder, killed)
    expected, found = weights(whole), weights(killed)
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, atol=0, rtol=0)


def test_folders_that_hold_something_else_are_left_alone(embedder_folder: Path, tmp_path: Path) -> None:
    def train(out: Path, settings: TrainingSettings = SHORT) -> object:
        return train_embedder(ROWS, out, model=embedder_folder, settings=settings, quiet=True)

    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "diary.txt").write_text("mine")
    with pytest.raises(InputError, match="not empty"):
        train(tmp_path / "notes")
    out = tmp_path / "out"
    train(out)
    with pytest.raises(InputError, match="holds a trained model"):
        train(out)
    (out / "training.json").unlink()
    with pytest.raises(InputError, match="other rows or settings"):
        train(out, replace(SHORT, seed=1))


def test_early_stopping_keeps_the_best_weights(embedder_folder: Path, tmp_path: Path) -> None:
    settings = replace(SHORT, max_steps=40, learning_rate=0.3, patience=2)
    held_out = make_rows(60)[48:]
    try:
        report = train_embedder(
            ROWS, tmp_path / "out", model=embedder_folder, evaluation=held_out, settings=settings, quiet=True
        )
    except TrainingError:
        return  # such a learning rate may leave nothing worth keeping, and then it must say so
    assert report is not None
    assert report.steps < 40


def test_snapshots_are_models_to_be_merged(embedder_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    settings = replace(SHORT, snapshots=2)
    train_embedder(ROWS, out, model=embedder_folder, settings=settings, quiet=True)
    assert sorted(folder.name for folder in out.glob("step-*")) == ["step-4", "step-6"]
    last, final = weights(out / "step-6"), weights(out)
    for name, tensor in final.items():
        torch.testing.assert_close(last[name], tensor, atol=0, rtol=0)
    Embedder(out / "step-4").encode_query("Why?")


def test_logs_are_written_for_tensorboard(embedder_folder: Path, tmp_path: Path) -> None:
    train_embedder(ROWS, tmp_path / "out", model=embedder_folder, settings=SHORT, quiet=True)
    assert list((tmp_path / "out" / "run").rglob("events.out.tfevents.*"))


def test_a_reranker_without_negatives_is_refused(reranker_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="mine"):
        train_reranker(make_rows(8), tmp_path / "out", model=reranker_folder, quiet=True)


def test_negatives_within_can_be_left_out(embedder_folder: Path, tmp_path: Path) -> None:
    found = {}
    for within in (True, False):
        report = train_embedder(
            ROWS,
            tmp_path / str(within),
            model=embedder_folder,
            contrast=ContrastSettings(within=within),
            settings=SHORT,
            quiet=True,
        )
        assert report is not None
        found[within] = report.loss
    assert found[False] < found[True] - 0.1


def test_a_mask_that_is_off_is_another_run(embedder_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    train_embedder(ROWS, out, model=embedder_folder, settings=SHORT, quiet=True)
    (out / "training.json").unlink()
    with pytest.raises(InputError, match="other rows or settings"):
        train_embedder(
            ROWS,
            out,
            model=embedder_folder,
            contrast=ContrastSettings(margin=None),
            settings=SHORT,
            quiet=True,
        )
