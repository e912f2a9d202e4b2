"""Trains the embedder: follow the teacher's vectors, and find each query's document in the batch.

Loss for a batch of pairs: one minus the cosine to the teacher's vector at every cut of the
dimensions (a translation follows the vector of its English side), plus contrastive loss at the longest and
shortest cut with repeated documents masked. The weights kept are a moving average.

    python embedder.py --work WORK --steps 4000
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch.nn.functional import cross_entropy, normalize
from tqdm import tqdm
from transformers import Qwen3ForCausalLM, Qwen3Model

from batches import Batch, batches
from extract import Pair
from held_out import measure
from label import Labels, load_labels, vocabulary_texts
from model import (
    CUTS,
    EMBEDDER_LAYERS,
    configuration,
    embed,
    last_states,
    scaled_table,
    start_as_static_embedder,
)
from texts import SEED, read_pairs
from tokenizer import END_OF_TEXT, script_of, token_id

LAYER_RATE = 6e-5
TABLE_RATE = 4e-5
TEMPERATURE = 0.05
TOKEN_BUDGET = 3584
AVERAGING = 0.99
_MARGIN = 0.1
_CHECKPOINT_STEPS = 100
_MEASURE_STEPS = 150
_COUNTED_TEXTS = 40_000


@dataclass(frozen=True)
class Space:
    """How the teacher's vectors are moved into the student's space."""

    query_mean: NDArray[np.float32]
    document_mean: NDArray[np.float32]
    basis: NDArray[np.float32]


@dataclass(frozen=True)
class Targets:
    """The teacher's vectors in the students' space, one row for each pair's side (NaN: none)."""

    queries: NDArray[np.float32]
    documents: NDArray[np.float32]
    vocabulary: NDArray[np.float32]


def _space(work: Path, documents: NDArray[np.float32], queries: NDArray[np.float32]) -> Space:
    """Fit the space of the targets once, on the labels there are, and keep it."""
    file = work / "space.npz"
    if not file.exists():
        known = documents[~np.isnan(documents[:, 0])]
        known_queries = queries[~np.isnan(queries[:, 0])]
        document_mean, query_mean = known.mean(0), known_queries.mean(0)
        sample = np.concatenate([known - document_mean, known_queries - query_mean])
        _, vectors = np.linalg.eigh(sample.T @ sample)
        basis = vectors[:, ::-1][:, : CUTS[0]]
        np.savez(file, query_mean=query_mean, document_mean=document_mean, basis=basis)
    with np.load(file) as kept:
        return Space(kept["query_mean"], kept["document_mean"], kept["basis"])


def make_targets(work: Path, labels: Labels, tokenizer: Tokenizer) -> Targets:
    """Centre the labels and turn them by PCA so that the first dimensions carry most."""
    documents = np.asarray(labels.document_vectors, dtype=np.float32)
    queries = np.asarray(labels.query_vectors, dtype=np.float32)
    space = _space(work, documents, queries)
    words = np.load(work / "labels/vocabulary.npy").astype(np.float32)
    return Targets(
        _unit((queries - space.query_mean) @ space.basis),
        _unit((documents - space.document_mean) @ space.basis),
        _unit(without_script_means(words, tokenizer) @ space.basis),
    )


def without_script_means(vectors: NDArray[np.float32], tokenizer: Tokenizer) -> NDArray[np.float32]:
    """Take each writing system's mean from its entries, so that languages lie upon each other."""
    scripts = np.array([script_of(text) for text in vocabulary_texts(tokenizer)])
    centred = vectors.copy()
    for script in np.unique(scripts):
        centred[scripts == script] -= vectors[scripts == script].mean(0)
    return centred


def _unit(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    unit: NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit.astype(np.float32, copy=False)


def count_entries(pairs: list[Pair], tokenizer: Tokenizer) -> NDArray[np.int64]:
    """Count the vocabulary entries in a sample of the texts."""
    texts = [text for pair in pairs[:_COUNTED_TEXTS] for text in (pair.query, pair.document)]
    counts = np.zeros(tokenizer.get_vocab_size(), dtype=np.int64)
    for encoding in tokenizer.encode_batch_fast(texts):
        np.add.at(counts, encoding.ids, 1)
    return counts


def distillation(students: torch.Tensor, teachers: torch.Tensor) -> torch.Tensor:
    """Give one minus the cosine at every cut, over the rows that have a label."""
    known = ~torch.isnan(teachers[:, 0])
    if not known.any():
        return students.sum() * 0
    students, teachers = students[known], teachers[known]
    losses = [1 - torch.cosine_similarity(students[:, :cut], teachers[:, :cut]).mean() for cut in CUTS]
    return torch.stack(losses).mean()


def contrastive(queries: torch.Tensor, documents: torch.Tensor, same: torch.Tensor, cut: int) -> torch.Tensor:
    """Give InfoNCE in both directions; `same` marks other lines' equal or too close documents."""
    scores = normalize(queries[:, :cut]) @ normalize(documents[:, :cut]).T / TEMPERATURE
    scores = scores.masked_fill(same, float("-inf"))
    right = torch.arange(len(scores))
    return (cross_entropy(scores, right) + cross_entropy(scores.T, right)) / 2


def not_negatives(
    batch: Batch, labels: Labels, teachers_of_queries: torch.Tensor, teachers: torch.Tensor
) -> torch.Tensor:
    """Mark cells that are no fair negatives: equal documents, or closer by the teacher's word."""
    rows = torch.from_numpy(labels.document_rows[batch.pairs])
    same = rows[:, None] == rows[None, :]
    scores = teachers_of_queries @ teachers.T
    # A comparison with NaN is false: without labels nothing is masked.
    same |= scores > scores.diagonal()[:, None] + _MARGIN
    close = teachers @ teachers.T
    same |= close > 0.95
    same.fill_diagonal_(False)
    return same


def taught_vectors(
    labels: Labels, targets: Targets, pairs: Sequence[int]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Give the teacher's vectors of the queries and documents; a translation has its document's."""
    query_rows, documents = labels.query_rows[pairs], targets.documents[labels.document_rows[pairs]]
    own = targets.queries[np.maximum(query_rows, 0)]
    queries = np.where((query_rows >= 0)[:, None], own, documents)
    return torch.from_numpy(queries), torch.from_numpy(documents)


def batch_loss(
    model: Qwen3Model, batch: Batch, labels: Labels, targets: Targets, end_id: int
) -> torch.Tensor:
    """Give the loss of one batch."""
    queries = last_states(model, batch.queries, end_id, batch.prefix)
    documents = last_states(model, batch.documents, end_id)
    taught_queries, taught_documents = taught_vectors(labels, targets, batch.pairs)
    same = not_negatives(batch, labels, taught_queries, taught_documents)
    follow = distillation(queries, taught_queries) + distillation(documents, taught_documents)
    find = contrastive(queries, documents, same, CUTS[0])
    find = find + 0.5 * contrastive(queries, documents, same, CUTS[2])
    return follow + find


def rate_share(step: int, steps: int) -> float:
    """Give the share of the peak learning rate: a short rise, then a line to nearly nothing."""
    return min((step + 1) / 60, 1.0) * max(0.02, 1 - step / steps)


class Trainer:
    """The model, its moving average and its optimizer, kept on disk to go on after a stop."""

    def __init__(
        self,
        model: Qwen3Model | Qwen3ForCausalLM,
        file: Path,
        layer_rate: float = LAYER_RATE,
        table_rate: float = TABLE_RATE,
    ) -> None:
        self.model = model
        self.average = {name: value.detach().clone() for name, value in model.named_parameters()}
        table = [model.get_input_embeddings().weight]
        layers = [value for value in model.parameters() if value is not table[0]]
        self.optimizer = torch.optim.AdamW(
            [{"params": layers, "peak": layer_rate}, {"params": table, "peak": table_rate}],
            betas=(0.9, 0.98),
            weight_decay=0.0,
        )
        self.step = 0
        self._file = file
        if file.exists():
            kept = torch.load(file, weights_only=True)
            model.load_state_dict(kept["model"])
            self.average = kept["average"]
            self.optimizer.load_state_dict(kept["optimizer"])
            self.step = kept["step"]

    def update(self, loss: torch.Tensor, share: float) -> None:
        """Take one step at a share of the peak rates and fold the weights into the average."""
        for group in self.optimizer.param_groups:
            group["lr"] = share * group["peak"]
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        weight = min(AVERAGING, self.step / (self.step + 20))
        with torch.no_grad():
            for name, value in self.model.named_parameters():
                self.average[name].lerp_(value, 1 - weight)

    def save(self) -> None:
        """Write everything that is needed to go on."""
        partial = self._file.with_suffix(".partial")
        state = {
            "model": self.model.state_dict(),
            "average": self.average,
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
        }
        torch.save(state, partial)
        partial.rename(self._file)


def averaged_model(trainer: Trainer) -> Qwen3Model:
    """Give a model that holds the moving average."""
    model: Qwen3Model = Qwen3Model(trainer.model.config).eval()
    model.load_state_dict(trainer.average)
    return model


def prompt_marks(tokenizer: Tokenizer) -> tuple[int, int]:
    """Give the tokens that tell a prompt: the first of "Instruct" and the whole of "Query"."""
    return tokenizer.encode("Instruct").ids[0], token_id(tokenizer, "Query")


def report(model: Qwen3Model, work: Path, tokenizer: Tokenizer, end_id: int) -> dict[str, float]:
    """Measure on the held-out pairs."""

    def vectors(texts: list[str]) -> NDArray[np.float32]:
        rows = [[*encoding.ids[:512], end_id] for encoding in tokenizer.encode_batch_fast(texts)]
        return embed(model, rows, end_id)

    return measure(read_pairs(work / "held_out.jsonl"), vectors)


def main() -> None:
    """Train, measuring now and then, and write the averaged weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--pairs-used", type=int, default=60_000, help="from the front")
    parser.add_argument("--name", default="embedder")
    arguments = parser.parse_args()
    work: Path = arguments.work
    torch.manual_seed(SEED)
    pairs = read_pairs(work / "rows.jsonl")
    tokenizer = Tokenizer.from_file(str(work / "tokenizer.json"))
    end_id = token_id(tokenizer, END_OF_TEXT)
    labels = load_labels(work, pairs)
    targets = make_targets(work, labels, tokenizer)
    model = Qwen3Model(configuration(tokenizer.get_vocab_size(), end_id, EMBEDDER_LAYERS))
    table = scaled_table(np.load(work / "static.npy"))
    instruct_id, query_id = prompt_marks(tokenizer)
    start_as_static_embedder(model, table, end_id, instruct_id, query_id)
    trainer = Trainer(model, work / f"{arguments.name}.checkpoint")
    if not trainer.step:
        averaged_model(trainer).save_pretrained(work / f"{arguments.name}-start")
    print("before", json.dumps(report(averaged_model(trainer), work, tokenizer, end_id)))
    usable = range(min(arguments.pairs_used, len(pairs)))
    source = batches(pairs, usable, tokenizer, end_id, TOKEN_BUDGET, SEED + trainer.step)
    tokens, start = 0, time.monotonic()
    for _ in tqdm(range(trainer.step, arguments.steps), desc="embedder", mininterval=20):
        batch = next(source)
        loss = batch_loss(model, batch, labels, targets, end_id)
        trainer.update(loss, rate_share(trainer.step, arguments.steps))
        tokens += sum(map(len, batch.queries)) + sum(map(len, batch.documents))
        if trainer.step % 20 == 0:
            speed = tokens / (time.monotonic() - start)
            print(f"step {trainer.step} loss {loss.item():.3f} {tokens:,} tokens {speed:,.0f}/s")
        if trainer.step % _CHECKPOINT_STEPS == 0:
            trainer.save()
            targets = make_targets(work, labels, tokenizer)  # labelling may still go on beside
        if trainer.step % _MEASURE_STEPS == 0:
            print("held out", json.dumps(report(averaged_model(trainer), work, tokenizer, end_id)))
    averaged_model(trainer).save_pretrained(work / arguments.name)
    print("after", json.dumps(report(averaged_model(trainer), work, tokenizer, end_id)))


if __name__ == "__main__":
    main()
