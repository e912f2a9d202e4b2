"""Trains the network of `transplant.py` by distillation; the losses are those of the token tables, too.

Loss of a batch at every cut of the dimensions: one minus the cosine to the teacher's vector (a translation
follows its English side's), the squared difference of the texts' cosines among each other, as much of each
pair's own cosine, and the divergence of who is near whom; and InfoNCE between queries and documents of one
source, equal and too close documents masked. The weights kept are a moving average; a run that was stopped
goes on from its last checkpoint.

    python embedder.py --work WORK --steps 400
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch.nn.functional import cosine_similarity, cross_entropy, kl_div, log_softmax, normalize, softmax
from transformers import Qwen3Model

from batches import Batch, Batches, token_rows
from extract import Pair
from held_out import report_of
from label import QUERY, Labels, PairLabels, pair_labels, query_text
from network import Network, embed
from optimizer import Optimizer, share_gradients
from pieces import DOCUMENT_MARKS, QUERY_MARKS
from processes import learning_parser, together
from stream import CONTENT
from texts import SEED, read_pairs
from tokenizer import END_OF_TEXT, token_id

CUTS = (CONTENT, CONTENT // 2, CONTENT // 4)
TEMPERATURE = 0.05
RELATION_SHARE, PAIR_SHARE, NEAR_SHARE, FIND_SHARE = 10.0, 10.0, 0.5, 4.0
MASKED_ABOVE = 0.9
AVERAGING = 0.99
_WARM_STEPS = 30
_RELATED = 512
_CHECKPOINT_STEPS = 25
_NORM_RATE, _MATRIX_RATE = 5e-4, 1.5e-3
_SOURCES, _EACH, _TOKENS, _INSTRUCTED, _FIND_SHARE = 3, 256, 2_000, 0.4, 1.0


class Targets:
    """The teacher's vectors, centred for each side and turned so that the first dimensions carry most."""

    def __init__(self, work: Path, labels: PairLabels, pairs: list[Pair]) -> None:
        self._vectors, self._queries, self._documents = labels.vectors, labels.queries, labels.documents
        # A translation's label is its English side's, made as a document.
        asked = np.array([pair.kind not in {"parallel", "single", "apart"} for pair in pairs])
        file = work / "space.npz"
        if not file.exists():
            queries = np.unique(labels.queries[asked & (labels.queries >= 0)])
            documents = np.unique(labels.documents[labels.documents >= 0])
            parts = [np.asarray(labels.vectors[rows], dtype=np.float32) for rows in (queries, documents)]
            means = [part.mean(0) for part in parts]
            sample = np.concatenate([part - mean for part, mean in zip(parts, means, strict=True)])
            _, axes = np.linalg.eigh(sample.T @ sample)
            np.savez(file, query=means[0], document=means[1], basis=axes[:, ::-1])
        with np.load(file) as kept:
            self.document_mean, self.basis = kept["document"], kept["basis"]
            self._asked, self._query_mean = asked, kept["query"]

    def of(self, pairs: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """Give the vectors to follow for the queries and the documents of pairs, NaN where there is none."""
        queries, documents = self._queries[pairs], self._documents[pairs]
        query_means = np.where(self._asked[pairs][:, None], self._query_mean, self.document_mean)
        sides = (queries, query_means), (documents, self.document_mean)
        found = []
        for rows, mean in sides:
            vectors = (self._vectors[rows].astype(np.float32) - mean) @ self.basis
            vectors[rows < 0] = np.nan
            found.append(normalize(torch.from_numpy(vectors), dim=-1))
        return found[0], found[1]


def relation(found: torch.Tensor, taught: torch.Tensor) -> torch.Tensor:
    """Give how much the texts' cosines among each other differ, and who is near whom."""
    ours, theirs = normalize(found, dim=-1), normalize(taught, dim=-1)
    our_cosines, their_cosines = ours @ ours.T, theirs @ theirs.T
    apart = (our_cosines - their_cosines).square().mean()
    itself = torch.eye(len(ours), dtype=torch.bool)
    our_near, their_near = (
        part.masked_fill(itself, -1e4) / TEMPERATURE for part in (our_cosines, their_cosines)
    )
    near = kl_div(log_softmax(our_near, 1), softmax(their_near, 1), reduction="batchmean")
    return RELATION_SHARE * apart + NEAR_SHARE * near


def apart_in_pairs(
    found: tuple[torch.Tensor, torch.Tensor], taught_cosines: torch.Tensor, cut: int
) -> torch.Tensor:
    """Give how much the cosines of the pairs' own texts differ from the teacher's, NaN where it has none."""
    known = ~torch.isnan(taught_cosines)
    ours = cosine_similarity(found[0][known, :cut], found[1][known, :cut])
    return (ours - taught_cosines[known]).square().sum() / len(taught_cosines)


def contrastive(queries: torch.Tensor, documents: torch.Tensor, same: torch.Tensor, cut: int) -> torch.Tensor:
    """Give InfoNCE in both directions; `same` marks other lines' equal or too close documents."""
    scores = normalize(queries[:, :cut], dim=-1) @ normalize(documents[:, :cut], dim=-1).T / TEMPERATURE
    scores = scores.masked_fill(same, float("-inf"))
    right = torch.arange(len(scores))
    return (cross_entropy(scores, right) + cross_entropy(scores.T, right)) / 2


def equal_documents(documents: Sequence[NDArray[np.int32]]) -> torch.Tensor:
    """Mark the lines that have one and the same document."""
    texts = [row.tobytes() for row in documents]
    number = {text: place for place, text in enumerate(texts)}
    numbers = torch.tensor([number[text] for text in texts])
    return numbers[:, None] == numbers[None, :]


def not_negatives(batch: Batch, taught: torch.Tensor, part: slice) -> torch.Tensor:
    """Mark a part's other lines whose document is equal or, by the teacher's vectors, too close."""
    # A comparison with NaN is false: without labels only equal documents are masked.
    close = taught[part] @ taught[part].T > MASKED_ABOVE
    return (close | equal_documents(batch.documents[part])).fill_diagonal_(False)


def batch_loss(
    found: tuple[torch.Tensor, torch.Tensor],
    taught: tuple[torch.Tensor, torch.Tensor],
    batch: Batch,
    cuts: Sequence[int] = CUTS,
    find_share: float = FIND_SHARE,
) -> torch.Tensor:
    """Give the loss of one batch from its queries and documents, at several numbers of dimensions."""
    theirs = torch.cat(taught)
    known = (~torch.isnan(theirs[:, 0])).nonzero()[:, 0]
    share_known = len(known) / len(theirs)
    ours, theirs = torch.cat(found)[known], theirs[known]
    some = torch.randperm(len(ours))[:_RELATED]
    taught_cosines = cosine_similarity(*taught)
    masks = [not_negatives(batch, taught[1], part) for part in batch.related]
    # A batch of words alone that have no labels yet teaches nothing.
    losses = [found[0].sum() * 0]
    for cut in cuts:
        if len(some) > 1:
            shared = min(cut, theirs.shape[1])
            away = 1 - cosine_similarity(ours[:, :shared], theirs[:, :shared]).mean()
            losses.append(share_known * (away + relation(ours[some, :cut], theirs[some, :cut])))
            losses.append(PAIR_SHARE * apart_in_pairs(found, taught_cosines, cut))
        for part, same in zip(batch.related, masks, strict=True):
            share = (part.stop - part.start) / len(batch.pairs)
            losses.append(find_share * share * contrastive(found[0][part], found[1][part], same, cut))
    return torch.stack(losses).sum() / len(cuts)


def rate_share(step: int, steps: int) -> float:
    """Give the share of the peak rates: a short rise, then a line to nearly nothing."""
    return min((step + 1) / _WARM_STEPS, max(0.02, 1 - step / steps))


class Trainer:
    """The network, its moving average and its optimizer, kept on disk to go on after a stop."""

    def __init__(self, network: Network, file: Path) -> None:
        self.network, self._file, self.step = network, file, 0
        self.optimizer = Optimizer(network.model, _NORM_RATE, _MATRIX_RATE)
        self.average = {name: value.detach().clone() for name, value in network.model.named_parameters()}
        if file.exists():
            kept = torch.load(file, weights_only=True)
            network.model.load_state_dict(kept["model"])
            self.average, self.step = kept["average"], kept["step"]
            self.optimizer.load(kept["optimizer"])

    def update(self, share: float) -> None:
        """Take one step at a share of the peak rates and fold the weights into the average."""
        self.optimizer.step(share)
        self.step += 1
        weight = min(AVERAGING, self.step / (self.step + 20))
        with torch.no_grad():
            for name, value in self.network.model.named_parameters():
                self.average[name].lerp_(value, 1 - weight)

    def averaged(self) -> Network:
        """Give a network of the moving average."""
        model = Qwen3Model(self.network.model.config).eval()
        model.load_state_dict(self.average)
        return Network(model)

    def save(self) -> None:
        """Write everything that is needed to go on."""
        partial = self._file.with_suffix(".partial")
        state = {
            "model": self.network.model.state_dict(),
            "average": self.average,
            "optimizer": self.optimizer.state(),
            "step": self.step,
        }
        torch.save(state, partial)
        partial.rename(self._file)


def report(network: Network, work: Path, tokenizer: Tokenizer, labels: Labels) -> dict[str, float]:
    """Measure on the held-out pairs: who is found, and how well the nearness of texts is the teacher's."""
    end_id = token_id(tokenizer, END_OF_TEXT)

    def vectors(texts: list[str]) -> NDArray[np.float32]:
        return embed(network, list(token_rows(texts, tokenizer, end_id, 512)), end_id)

    return report_of(vectors, work, labels)


def open_targets(work: Path, pairs: list[Pair]) -> tuple[Labels, Targets]:
    """Open the labels that there are by now."""
    labels = Labels(work / "labels")
    known = pair_labels(labels, pairs)
    print(f"{(known.documents >= 0).sum():,} of {len(pairs):,} documents have labels", flush=True)
    return labels, Targets(work, known, pairs)


def open_network(work: Path) -> Network:
    """Open the network that training begins from; its token table and the layer of places stay."""
    model = Qwen3Model.from_pretrained(work / "start", dtype=torch.float32)
    for name, weight in model.named_parameters():
        if name.startswith(("embed_tokens.", "layers.0.")):
            weight.requires_grad_(False)
    network = Network(model)
    for layer in range(1, network.layers - 1):
        for part in ("self_attn.o_proj", "mlp.down_proj"):
            network.weight(layer, part).register_hook(_contents_only)
    return network


def _contents_only(gradient: torch.Tensor) -> torch.Tensor:
    """Keep training from writing to the stream's constant and its marks, on which the layers above rely."""
    kept = gradient.clone()
    kept[CONTENT:] = 0
    return kept


def asked_rows(batch: Batch, pairs: Sequence[Pair], tokenizer: Tokenizer) -> list[NDArray[np.int32]]:
    """Give the queries as the network reads them: behind an instruction, behind a query's marks, or bare.

    Labels of translations and of sentences beside each other were made as a document's, so they go bare.
    """
    marks = np.array([token_id(tokenizer, mark) for mark in QUERY_MARKS], dtype=np.int32)
    prefix = np.array(batch.prefix, dtype=np.int32)
    rows = []
    for place, (number, row) in enumerate(zip(batch.pairs, batch.queries, strict=True)):
        if place < batch.prefixed:
            rows.append(np.concatenate([prefix, row]))
        elif query_text(pairs[number]).startswith(QUERY):
            rows.append(np.concatenate([marks, row[len(DOCUMENT_MARKS) :]]))
        else:
            rows.append(row)
    return rows


def train(rank: int, arguments: argparse.Namespace) -> None:
    """Train as one of several processes, each with a thread and batches of its own, alike in weights."""
    work, processes = arguments.work, arguments.processes
    torch.manual_seed(SEED)
    pairs = read_pairs(work / "rows.jsonl")
    tokenizer = Tokenizer.from_file(str(work / "tokenizer.json"))
    end_id = token_id(tokenizer, END_OF_TEXT)
    labels, targets = open_targets(work, pairs)
    trainer = Trainer(open_network(work), work / "embedder.checkpoint")
    marks = len(DOCUMENT_MARKS)
    source = Batches(pairs, tokenizer, end_id, work / "tokens", before_query="", begin=marks)
    tokens, start = 0, time.monotonic()
    while trainer.step < arguments.steps:
        generator = random.Random(SEED + trainer.step * processes + rank)
        batch = source.draw(generator, _SOURCES, _EACH, _TOKENS, _INSTRUCTED)
        rows = [*asked_rows(batch, pairs, tokenizer), *batch.documents]
        states = trainer.network.last_states(rows, end_id)
        found = states[: len(batch.queries)], states[len(batch.queries) :]
        loss = batch_loss(found, targets.of(batch.pairs), batch, find_share=_FIND_SHARE)
        loss.backward()
        share_gradients(trainer.network.model)
        trainer.update(rate_share(trainer.step, arguments.steps))
        tokens += sum(map(len, rows))
        if rank:
            continue
        if trainer.step % 5 == 0:
            speed = processes * tokens / (time.monotonic() - start)
            print(f"step {trainer.step} loss {loss.item():.3f}, {speed:,.0f} tokens/s", flush=True)
        if trainer.step % _CHECKPOINT_STEPS == 0:
            trainer.save()
        if trainer.step % arguments.measure_every == 0:
            print("held out", json.dumps(report(trainer.averaged(), work, tokenizer, labels)), flush=True)
    if not rank:
        trainer.averaged().model.save_pretrained(work / "embedder")
        print("after", json.dumps(report(trainer.averaged(), work, tokenizer, labels)), flush=True)


def main() -> None:
    """Train, measuring now and then, and write the averaged weights."""
    parser = learning_parser(__doc__, 1500)
    parser.add_argument("--measure-every", type=int, default=250)
    together(train, parser.parse_args())


if __name__ == "__main__":
    main()
