"""Learning: from a base model and a task to a checked folder that serving can load."""

import dataclasses
import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from torch import nn
from transformers.trainer_utils import get_last_checkpoint, set_seed

from quiver.embedder import Embedder
from quiver.errors import InputError
from quiver.models.checkpoint import Checkpoint
from quiver.reranker import Reranker
from quiver.results import Floats
from quiver.train import checks
from quiver.train.frozen import FrozenLayers, split
from quiver.train.kept_states import KeptStates
from quiver.train.network import load_network, plain_tensors
from quiver.train.rows import TrainingRow
from quiver.train.save import save_like
from quiver.train.settings import TrainingSettings
from quiver.train.tasks import Task
from quiver.train.texts import EmbedderTexts, RerankerTexts
from quiver.train.trainer import CachedTrainer, library_arguments, token_budget_of
from quiver.whole_file import write_whole

REPORT_FILE = "training.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingReport:
    """What a run did."""

    folder: str
    rows: int
    steps: int
    loss: float
    """Mean over the steps since the run was last started."""
    cut_share: float
    """Share of the sequences that lost their end to ``max_length``."""
    moved: float
    """Mean distance of some rows' vectors, or chances of yes, from the base model's."""
    spread: float
    """Mean distance of the trained model's answers from their mean."""
    score_before: float | None
    """nDCG@10 on the evaluation set; None without one."""
    score_after: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """All that a run depends on."""

    base: Checkpoint
    texts: EmbedderTexts | RerankerTexts
    task: Task
    rows: Sequence[TrainingRow]
    evaluation: Sequence[TrainingRow]
    settings: TrainingSettings
    out: Path
    description: str
    """Of what the task learns by, to tell runs apart."""
    quiet: bool = False

    @property
    def work(self) -> Path:
        """Where saves and TensorBoard's files go."""
        return self.out / "run"

    @property
    def states(self) -> Path:
        """Where frozen layers' states are kept; processes of torchrun each have their own."""
        return self.work / f"states-{os.environ.get('RANK', '0')}"

    @property
    def answer_ids(self) -> tuple[int, int] | None:
        """A reranker's tokens."""
        return self.texts.answer_ids if isinstance(self.texts, RerankerTexts) else None

    def digest(self) -> str:
        """Equal for runs that would do the same."""
        digest = hashlib.sha256(repr((self.description, self.base.name, self.settings)).encode())
        for row in (*self.rows, *self.evaluation):
            digest.update(json.dumps(row.record(), sort_keys=True).encode("utf-8", "surrogatepass"))
        return digest.hexdigest()


def learn(run: Run) -> TrainingReport | None:
    """Train, going on from the last save of an equal run that was stopped; save, check and report.

    The processes of torchrun but the first return None. Raises InputError if the folder holds anything else,
    TrainingError if the trained model must not be used; its saves are kept.
    """
    _claim(run)
    arguments = library_arguments(run.settings, run.work, evaluates=bool(run.evaluation), quiet=run.quiet)
    arguments.distributed_state.wait_for_everyone()  # the folder is claimed before anyone writes into it
    set_seed(run.settings.seed)  # before adapters draw their first weights
    network, frozen = _network(run)
    trainer = CachedTrainer(
        network,
        run.task,
        run.rows,
        run.evaluation,
        run.settings,
        arguments,
        frozen=frozen,
        answer_ids=run.answer_ids,
        on_save=lambda trainer: _take_snapshot(trainer, run),
    )
    progress = trainer.train(resume_from_checkpoint=get_last_checkpoint(str(run.work)))
    answers = _ask(trainer, run)
    state = trainer.whole_state()
    if not trainer.is_world_process_zero():
        return None
    saved = save_like(run.base, plain_tensors(state, run.base, run.settings.lora), run.out)
    for kept in run.work.glob("states-*"):
        shutil.rmtree(kept)
    report = _check(run, saved, answers, progress.global_step, progress.training_loss)
    write_whole(run.out / REPORT_FILE, [json.dumps(dataclasses.asdict(report), indent=2)])
    return report


def _network(run: Run) -> tuple[nn.Module, FrozenLayers | None]:
    """What learns, and what lies below it and does not."""
    network, settings = load_network(run.base, run.settings.lora), run.settings
    if settings.last_layers is None:
        return network, None
    below, above = split(network, settings.last_layers)
    kept = KeptStates(run.states, run.base.config.hidden_size)
    return above, FrozenLayers(below, kept, token_budget_of(settings), bf16=settings.bf16)


def _claim(run: Run) -> None:
    """Make sure that the folder is new or holds a stopped run of the same rows and settings."""
    if not run.rows:
        raise InputError("no rows to train on")
    if os.environ.get("RANK", "0") != "0":
        return
    mark, digest = run.work / "digest", run.digest()
    if (run.out / REPORT_FILE).exists():
        raise InputError(f"{run.out} holds a trained model: give a new folder")
    if mark.exists():
        if mark.read_text() != digest:
            raise InputError(f"{run.out} holds a stopped run of other rows or settings: give a new folder")
        return
    if run.out.exists() and any(run.out.iterdir()):
        raise InputError(f"{run.out} is not empty: give a new folder")
    run.work.mkdir(parents=True, exist_ok=True)
    write_whole(mark, [digest])


def _take_snapshot(trainer: CachedTrainer, run: Run) -> None:
    if not run.settings.snapshots:
        return
    state = trainer.whole_state()
    if not trainer.is_world_process_zero():
        return
    tensors = plain_tensors(state, run.base, run.settings.lora)
    save_like(run.base, tensors, run.out / f"step-{trainer.state.global_step}")
    kept = sorted(run.out.glob("step-*"), key=lambda folder: int(folder.name.removeprefix("step-")))
    for folder in kept[: -run.settings.snapshots]:
        shutil.rmtree(folder)


def _ask(trainer: CachedTrainer, run: Run) -> Floats:
    """What the network in memory answers to the probes; ``checks.probe`` asks a folder the same."""
    probes = run.rows[: checks.PROBES]
    if isinstance(run.texts, EmbedderTexts):
        vectors = trainer.read_all(run.texts.make([run.texts.query(row) for row in probes])).cpu().numpy()
        unit: Floats = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return unit
    texts = run.texts
    pairs = [texts.pair(row, row.positives[0]) for row in probes]
    pairs += [texts.pair(row, probes[place - 1].positives[0]) for place, row in enumerate(probes)]
    chances: Floats = trainer.read_all(texts.make(pairs)).softmax(dim=1)[:, 1:].cpu().numpy()
    return chances


def _check(run: Run, saved: Checkpoint, answers: Floats, steps: int, loss: float) -> TrainingReport:
    before, after = (_serve(run, checkpoint.folder) for checkpoint in (run.base, saved))
    found = checks.probe(after, run.rows)
    moved = checks.check_moved(checks.probe(before, run.rows), found)
    rounding = 0.0
    if run.settings.bf16:
        rounding = checks.distance(found, checks.probe(_serve(run, saved.folder, "bfloat16"), run.rows))
    checks.check_saved(answers, found, moved, rounding)
    scored = bool(run.evaluation)
    return TrainingReport(
        folder=str(run.out),
        rows=len(run.rows),
        steps=steps,
        loss=loss,
        cut_share=run.texts.make.count.share,
        moved=moved,
        spread=checks.check_spread(found),
        score_before=checks.serving_score(before, run.evaluation) if scored else None,
        score_after=checks.serving_score(after, run.evaluation) if scored else None,
    )


def _serve(run: Run, folder: Path, dtype: Literal["float32", "bfloat16"] = "float32") -> Embedder | Reranker:
    kind = Embedder if isinstance(run.texts, EmbedderTexts) else Reranker
    limit = min(run.settings.max_length, run.base.config.max_length)
    return kind(folder, dtype=dtype, max_length=limit, on_too_long="truncate")
