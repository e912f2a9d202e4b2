"""Trains the embedder by distillation, first as one layer that pools token vectors, then with a layer below.

A network of one layer is a weighted mean of token vectors (its attention says how much each counts) and a
feed-forward part: cheap, so it sees every text several times and makes the token table. Then layers are put
below it whose output is nothing at first (`--layers`), and the whole trains on.

Loss of a batch at every cut of the dimensions: one minus the cosine to the teacher's vector (a translation
follows its English side's), the squared difference of the texts' cosines among each other, as much of each
pair's own cosine, and the divergence of who is near whom; and InfoNCE between queries and documents of one
source, equal and too close documents masked. The weights kept are a moving average; a run that was stopped
goes on from its last checkpoint.

    python embedder.py --work WORK --layers 1 --steps 1500
    python embedder.py --work WORK --layers 2 --steps 1000
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch.multiprocessing.spawn import spawn
from torch.nn.functional import cosine_similarity, cross_entropy, kl_div, log_softmax, normalize, softmax
from transformers import Qwen3Model

from batches import Batch, Batches, token_rows
from extract import Pair
from held_out import report_of
from label import PASSAGE, Labels, PairLabels, pair_labels, vocabulary_texts
from network import CUTS, FEED_FORWARD, HEADS, HIDDEN, Network, PoolingNetwork, embed, slow_places
from optimizer import Optimizer
from scripts import script_of
from shape import configuration
from texts import SEED, read_pairs
from tokenizer import END_OF_TEXT, token_id

TABLE_SCALE = 0.25
TEMPERATURE = 0.05
RELATION_SHARE, PAIR_SHARE, NEAR_SHARE, FIND_SHARE = 10.0, 10.0, 0.5, 4.0
MASKED_ABOVE = 0.9
AVERAGING = 0.99
_WARM_STEPS = 30
_RELATED = 512
_CHECKPOINT_STEPS = 50
_QUIET_QUERIES = 0.1


@dataclass(frozen=True)
class Stage:
    """What differs between the pooling layer alone and the deeper network."""

    table_rate: float
    norm_rate: float
    matrix_rate: float
    sources: int
    each: int
    tokens: int
    instructed: float


STAGES = {
    1: Stage(8e-3, 1e-2, 2e-3, sources=4, each=256, tokens=32_000, instructed=0.0),
    2: Stage(2e-3, 2e-3, 3e-3, sources=4, each=256, tokens=4_000, instructed=0.6),
}


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
            np.savez(file, query=means[0], document=means[1], basis=axes[:, ::-1][:, :HIDDEN])
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


def vocabulary_table(labels: Labels, targets: Targets, tokenizer: Tokenizer) -> torch.Tensor:
    """Give the teacher's vectors of the vocabulary's entries, each writing system's mean taken out."""
    texts = vocabulary_texts(tokenizer)
    vectors = labels.vectors()[labels.rows(texts)].astype(np.float32)
    scripts = np.array([script_of(text.removeprefix(PASSAGE)) for text in texts])
    for script in np.unique(scripts):
        vectors[scripts == script] -= vectors[scripts == script].mean(0)
    table: torch.Tensor = normalize(torch.from_numpy(vectors @ targets.basis), dim=-1)
    table *= HIDDEN**0.5 * TABLE_SCALE
    return table


@torch.no_grad()
def start_pooling(network: Network, table: torch.Tensor) -> None:
    """Let the only layer begin as the mean of the texts' token vectors."""
    network.model.get_parameter("embed_tokens.weight").copy_(table)
    for side in ("v", "o"):
        network.weight(0, f"self_attn.{side}_proj").copy_(torch.eye(HIDDEN))
    for side in ("q", "k"):
        network.weight(0, f"self_attn.{side}_proj").mul_(slow_places().repeat(HEADS)[:, None])
    network.weight(0, "self_attn.q_norm").fill_(_QUIET_QUERIES)
    network.weight(0, "mlp.down_proj").zero_()


@torch.no_grad()
def put_below(network: Network, shallow: Network) -> None:
    """Take over a shallower network's layers as the last ones; the new ones below add nothing at first."""
    new = network.layers - shallow.layers
    kept = dict(shallow.model.named_parameters())
    for name, value in network.model.named_parameters():
        part = name.split(".")
        if part[0] != "layers":
            value.copy_(kept[name])
        elif int(part[1]) >= new:
            value.copy_(kept[".".join(["layers", str(int(part[1]) - new), *part[2:]])])
        elif name.endswith(("o_proj.weight", "down_proj.weight")):
            value.zero_()


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


def equal_documents(batch: Batch, part: slice) -> torch.Tensor:
    """Mark the lines of a part that have one and the same document."""
    texts = [row.tobytes() for row in batch.documents[part]]
    number = {text: place for place, text in enumerate(texts)}
    numbers = torch.tensor([number[text] for text in texts])
    return numbers[:, None] == numbers[None, :]


def not_negatives(batch: Batch, taught: torch.Tensor, part: slice) -> torch.Tensor:
    """Mark a part's other lines whose document is equal or, by the teacher's vectors, too close."""
    # A comparison with NaN is false: without labels only equal documents are masked.
    close = taught[part] @ taught[part].T > MASKED_ABOVE
    return (close | equal_documents(batch, part)).fill_diagonal_(False)


def batch_loss(
    found: tuple[torch.Tensor, torch.Tensor],
    taught: tuple[torch.Tensor, torch.Tensor],
    batch: Batch,
    cuts: Sequence[int] = CUTS,
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
            losses.append(FIND_SHARE * share * contrastive(found[0][part], found[1][part], same, cut))
    return torch.stack(losses).sum() / len(cuts)


def rate_share(step: int, steps: int) -> float:
    """Give the share of the peak rates: a short rise, then a line to nearly nothing."""
    return min((step + 1) / _WARM_STEPS, max(0.02, 1 - step / steps))


class Trainer:
    """The network, its moving average and its optimizer, kept on disk to go on after a stop."""

    def __init__(self, network: Network, stage: Stage, file: Path) -> None:
        self.network, self._file, self.step = network, file, 0
        self.optimizer = Optimizer(network.model, stage.table_rate, stage.norm_rate, stage.matrix_rate)
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
        return type(self.network)(model)

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
        if isinstance(network, PoolingNetwork):  # a single layer cannot tell an instruction from its query
            texts = [text.rsplit("\nQuery", 1)[-1] for text in texts]
        return embed(network, list(token_rows(texts, tokenizer, end_id, 512)), end_id)

    return report_of(vectors, work, labels)


def open_targets(work: Path, pairs: list[Pair]) -> tuple[Labels, Targets]:
    """Open the labels that there are by now."""
    labels = Labels(work / "labels")
    known = pair_labels(labels, pairs)
    print(f"{(known.documents >= 0).sum():,} of {len(pairs):,} documents have labels", flush=True)
    return labels, Targets(work, known, pairs)


def open_network(work: Path, layers: int, tokenizer: Tokenizer, labels: Labels, targets: Targets) -> Network:
    """Make the network that training begins from."""
    end_id = token_id(tokenizer, END_OF_TEXT)
    model = Qwen3Model(
        configuration(
            tokenizer.get_vocab_size(),
            end_id,
            hidden=HIDDEN,
            heads=HEADS,
            layers=layers,
            feed_forward=FEED_FORWARD,
        )
    )
    if layers == 1:
        pooling = PoolingNetwork(model)
        start_pooling(pooling, vocabulary_table(labels, targets, tokenizer))
        return pooling
    network = Network(model)
    put_below(network, Network(Qwen3Model.from_pretrained(work / "embedder-1")))
    return network


def share_gradients(network: Network) -> None:
    """Give every process the mean of all processes' gradients."""
    for value in network.model.parameters():
        if value.grad is None:
            value.grad = torch.zeros_like(value)
        dist.all_reduce(value.grad)
        value.grad /= dist.get_world_size()


def train(rank: int, arguments: argparse.Namespace) -> None:
    """Train as one of several processes, each with a thread and batches of its own, alike in weights."""
    work, layers, processes = arguments.work, arguments.layers, arguments.processes
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    meeting = (work / f"embedder-{layers}.meeting").absolute()
    dist.init_process_group("gloo", f"file://{meeting}", rank=rank, world_size=processes)
    pairs = read_pairs(work / "rows.jsonl")
    tokenizer = Tokenizer.from_file(str(work / "tokenizer.json"))
    end_id = token_id(tokenizer, END_OF_TEXT)
    labels, targets = open_targets(work, pairs)
    stage = STAGES[min(layers, 2)]
    trainer = Trainer(
        open_network(work, layers, tokenizer, labels, targets), stage, work / f"embedder-{layers}.checkpoint"
    )
    source = Batches(pairs, tokenizer, end_id, work / "tokens")
    tokens, start = 0, time.monotonic()
    while trainer.step < arguments.steps:
        generator = random.Random(SEED + trainer.step * processes + rank)
        batch = source.draw(generator, stage.sources, stage.each, stage.tokens, stage.instructed)
        rows = [*batch.queries, *batch.documents]
        states = trainer.network.last_states(rows, end_id, batch.prefixed, batch.prefix)
        found = states[: len(batch.queries)], states[len(batch.queries) :]
        loss = batch_loss(found, targets.of(batch.pairs), batch)
        loss.backward()
        share_gradients(trainer.network)
        trainer.update(rate_share(trainer.step, arguments.steps))
        tokens += sum(map(len, rows))
        if rank:
            continue
        if trainer.step % 10 == 0:
            speed = processes * tokens / (time.monotonic() - start)
            print(f"step {trainer.step} loss {loss.item():.3f}, {speed:,.0f} tokens/s", flush=True)
        if trainer.step % _CHECKPOINT_STEPS == 0:
            trainer.save()
        if trainer.step % arguments.measure_every == 0:
            print("held out", json.dumps(report(trainer.averaged(), work, tokenizer, labels)), flush=True)
    if not rank:
        trainer.averaged().model.save_pretrained(work / f"embedder-{layers}")
        print("after", json.dumps(report(trainer.averaged(), work, tokenizer, labels)), flush=True)


def main() -> None:
    """Train, measuring now and then, and write the averaged weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--layers", type=int, default=1)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--measure-every", type=int, default=250)
    arguments = parser.parse_args()
    (arguments.work / f"embedder-{arguments.layers}.meeting").unlink(missing_ok=True)
    spawn(train, (arguments,), nprocs=arguments.processes)


if __name__ == "__main__":
    main()
