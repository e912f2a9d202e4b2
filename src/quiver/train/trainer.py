"""Trainer: transformers' own, with the loss over a whole batch and the network run in parts of it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor, nn
from torch.utils.data import Dataset
from transformers.trainer_utils import EvalLoopOutput

from quiver.train.frozen import FrozenLayers
from quiver.train.gradient_cache import backward_in_parts
from quiver.train.network import cut_in_parts, last_rows
from quiver.train.rows import TrainingRow
from quiver.train.settings import TrainingSettings
from quiver.train.tasks import Batch, Task


class RowDataset(Dataset[TrainingRow]):
    """Rows, as the library takes them."""

    def __init__(self, rows: Sequence[TrainingRow]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> TrainingRow:
        return self._rows[index]


class CachedTrainer(transformers.Trainer):
    """Trains a network on a task, and scores it on an evaluation set as often as it saves."""

    def __init__(
        self,
        network: nn.Module,
        task: Task,
        rows: Sequence[TrainingRow],
        evaluation: Sequence[TrainingRow],
        settings: TrainingSettings,
        arguments: transformers.TrainingArguments,
        *,
        frozen: FrozenLayers | None,
        answer_ids: tuple[int, int] | None,
        on_save: Callable[["CachedTrainer"], None],
    ) -> None:
        callbacks: list[Any] = [_OnSave(self, on_save)]
        if settings.patience and evaluation:
            callbacks.append(transformers.EarlyStoppingCallback(settings.patience))
        super().__init__(
            model=network,
            args=arguments,
            data_collator=task.collate,
            train_dataset=RowDataset(rows),
            eval_dataset=RowDataset(evaluation) if evaluation else None,
            callbacks=callbacks,
        )
        if arguments.disable_tqdm:
            self.remove_callback(transformers.PrinterCallback)
        self._task, self._evaluation, self._answer_ids = task, evaluation, answer_ids
        self._frozen = frozen
        self._adapts = settings.lora is not None
        self._token_budget = token_budget_of(settings)

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """The library's optimizer; weights that are zero stay so, but for adapters, which begin there."""
        optimizer: torch.optim.Optimizer = super().create_optimizer(model)
        if not self._adapts:
            optimizer.register_step_pre_hook(keep_zeros)
        return optimizer

    def training_step(self, model: nn.Module, inputs: Batch, num_items_in_batch: object = None) -> Tensor:
        """Add one batch's gradients; its loss."""
        model.train()
        batch: Batch = self._prepare_inputs(inputs)
        sequences = self._inputs(batch)
        order, parts = cut_in_parts(sequences, self._token_budget)
        places = torch.tensor(order).argsort()
        if self.args.world_size > 1:
            parts = self._as_many_everywhere(parts)
        share = self.current_gradient_accumulation_steps
        return backward_in_parts(
            parts,
            lambda part: self._read(model, part),
            lambda found: self._task.loss(found[: len(order)][places], batch) / share,
            no_sync=lambda: self.accelerator.no_sync(model),
        )

    def _inputs(self, batch: Batch) -> Sequence[Tensor]:
        """What the network that learns reads: tokens, or states of the layers below it."""
        sequences: Sequence[Tensor] = batch["sequences"]
        return self._frozen(sequences) if self._frozen else sequences

    def _as_many_everywhere(self, parts: list[list[Tensor]]) -> list[list[Tensor]]:
        """Processes wait for each other and so run the network equally often; repeats are ignored."""
        counts = self.accelerator.gather(torch.tensor([len(parts)], device=self.args.device))
        missing = int(counts.max()) - len(parts)
        return parts + [parts[-1][-1:]] * missing

    def _read(self, model: nn.Module, sequences: Sequence[Tensor]) -> Tensor:
        with self.compute_loss_context_manager():
            return last_rows(model, sequences, self._answer_ids)

    def whole_state(self) -> dict[str, Tensor]:
        """All weights by the network's names, frozen layers' with them; for all processes at once."""
        state: dict[str, Tensor] = self.accelerator.get_state_dict(self.model_wrapped)
        return self._frozen.joined(state) if self._frozen else state

    @torch.no_grad()
    def read_all(self, sequences: Sequence[Tensor]) -> Tensor:
        """What the network says at the ends of sequences, without gradients."""
        model = self.model_wrapped
        model.eval()
        moved: Batch = self._prepare_inputs({"sequences": sequences})
        order, parts = cut_in_parts(self._inputs(moved), self._token_budget)
        found = torch.cat([self._read(model, part) for part in parts])
        return found[torch.tensor(order).argsort()]

    def evaluation_loop(self, *_: Any, metric_key_prefix: str = "eval", **__: Any) -> EvalLoopOutput:  # noqa: ANN401
        """The score of the evaluation set, which is ranked as a whole and not in batches."""
        score = self._task.score(self._evaluation, self.read_all)
        return EvalLoopOutput(None, None, {f"{metric_key_prefix}_score": score}, len(self._evaluation))  # type: ignore[arg-type]


class _OnSave(transformers.TrainerCallback):
    def __init__(self, trainer: CachedTrainer, act: Callable[[CachedTrainer], None]) -> None:
        self._trainer, self._act = trainer, act

    def on_save(self, *_: Any, **__: Any) -> None:  # noqa: ANN401
        self._act(self._trainer)


def keep_zeros(optimizer: torch.optim.Optimizer, *_: object) -> None:
    """Take the gradients of weights that are exactly zero, so that a step leaves them alone.

    A pruned network stays pruned. In the built-in models, parts of which were set by hand, zeros keep large
    constants out of what else is read, and small steps away from zero undid them (docs/training.md).
    """
    for group in optimizer.param_groups:
        for weight in group["params"]:
            if weight.grad is not None:
                weight.grad.mul_(weight != 0)


def token_budget_of(settings: TrainingSettings) -> int:
    """Tokens that run together, also where nobody says how many."""
    return settings.token_budget or (16_384 if torch.cuda.is_available() else 2_048)


def library_arguments(
    settings: TrainingSettings, work: Path, *, evaluates: bool, quiet: bool
) -> transformers.TrainingArguments:
    """Our settings in the library's words; saves and TensorBoard's files go to ``work``."""
    return transformers.TrainingArguments(
        output_dir=str(work),
        num_train_epochs=settings.epochs,
        max_steps=settings.max_steps or -1,
        per_device_train_batch_size=settings.batch_size,
        gradient_accumulation_steps=settings.accumulate,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=settings.warmup,
        weight_decay=settings.weight_decay,
        bf16=settings.bf16,
        seed=settings.seed,
        data_seed=settings.seed,
        eval_strategy="steps" if evaluates else "no",
        eval_steps=settings.save_every,
        save_strategy="steps",
        save_steps=settings.save_every,
        save_total_limit=2,
        load_best_model_at_end=evaluates,
        metric_for_best_model="eval_score" if evaluates else None,
        greater_is_better=True if evaluates else None,
        logging_steps=10,
        report_to=["tensorboard"],
        disable_tqdm=quiet,
        remove_unused_columns=False,
        fsdp="full_shard auto_wrap" if settings.fsdp else None,
        use_cpu=not torch.cuda.is_available(),
    )
