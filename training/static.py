"""Trains the token table as a static embedder: a text is the mean of its tokens' vectors.

A step costs a look-up per token and one product per batch, a thousandth of a transformer's, so every pair is
seen many times. The loss is InfoNCE in both directions over large batches of one source (its own texts are
the hard negatives) at every cut of the dimensions, plus, where the teacher has a vector, one minus the
cosine to it and the squared difference of the batch's cosines among each other. A translation follows its
English side's vector. The table is then where `embedder.py` begins. About 20 minutes on two cores.

    python static.py --work WORK --epochs 12
"""

from __future__ import annotations

import argparse
import json
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch.nn.functional import embedding_bag, normalize
from tqdm import tqdm

from embedder import contrastive, count_entries, make_targets, taught_vectors
from extract import Pair
from held_out import agreement, measure
from label import Labels, held_out_texts, load_labels
from model import CONTENT, token_table
from texts import SEED, read_pairs
from tokenizer import END_OF_TEXT

CUTS = (CONTENT, 192, 96)
LEARNING_RATE = 2e-3
BATCH = 1024
MAX_QUERY, MAX_DOCUMENT = 96, 192
TEACHER_SHARE = 1.0
RELATION_SHARE = 10.0
ASKED_SHARE = 0.5
_EXPONENT = 0.8
# The prompt's colon stands before a query without a blank and joins its first word's pieces.
_BEFORE_QUERY = ":"


@dataclass(frozen=True)
class Bags:
    """Token rows laid end to end, and where each begins."""

    tokens: torch.Tensor
    starts: torch.Tensor


def bags(rows: Sequence[NDArray[np.int64]]) -> Bags:
    """Lay rows end to end; an empty row stays empty."""
    lengths = torch.tensor([0, *map(len, rows)])
    return Bags(torch.from_numpy(np.concatenate(rows)), lengths.cumsum(0)[:-1])


def as_seen(table: torch.Tensor) -> torch.Tensor:
    """Give the token vectors as the transformer's norms will see them."""
    # Beside a constant 1 in the hidden state, RMSNorm divides a vector by sqrt(1 + its square).
    return table / (1 + table.square().sum(1, keepdim=True)).sqrt()


def means(seen: torch.Tensor, texts: Bags) -> torch.Tensor:
    """Give each text's mean of token vectors."""
    return embedding_bag(texts.tokens, seen, texts.starts, mode="mean")


def token_rows(texts: Sequence[str], tokenizer: Tokenizer, limit: int) -> list[NDArray[np.int64]]:
    """Tokenise and cut."""
    return [np.asarray(e.ids[:limit], dtype=np.int64) for e in tokenizer.encode_batch_fast(list(texts))]


def drawn_batches(pairs: Sequence[Pair], generator: random.Random) -> Iterator[list[int]]:
    """Batches of one source each, for ever; large sources come more often, but less than their size."""
    by_source: dict[str, list[int]] = defaultdict(list)
    for number, pair in enumerate(pairs):
        by_source[pair.source].append(number)
    sources = [members for members in by_source.values() if len(members) >= 64]
    weights = [len(members) ** _EXPONENT for members in sources]
    while True:
        (members,) = generator.choices(sources, weights)
        yield generator.sample(members, min(BATCH, len(members)))


def relation(found: torch.Tensor, taught: torch.Tensor) -> torch.Tensor:
    """Give the mean squared difference of the texts' cosines among each other."""
    ours, theirs = normalize(found), normalize(taught)
    return (ours @ ours.T - theirs @ theirs.T).square().mean()


def equal_texts(labels: Labels, numbers: Sequence[int]) -> torch.Tensor:
    """Mark the other lines that have a line's very query or document."""
    documents = torch.from_numpy(labels.document_rows[numbers])
    queries = torch.from_numpy(labels.query_rows[numbers])
    same = documents[:, None] == documents[None, :]
    same |= (queries[:, None] == queries[None, :]) & (queries >= 0)[:, None]
    return same.fill_diagonal_(False)


def batch_loss(
    found: tuple[torch.Tensor, torch.Tensor],
    taught: tuple[torch.Tensor, torch.Tensor],
    same: torch.Tensor,
) -> torch.Tensor:
    """Give the loss of one batch from its queries and documents."""
    parts = [contrastive(*found, same, cut) for cut in CUTS]
    loss = parts[0] + 0.5 * torch.stack(parts[1:]).sum()
    for ours, theirs in zip(found, taught, strict=True):
        known = ~torch.isnan(theirs[:, 0])
        if known.sum() > 1:
            for cut in CUTS:
                away = 1 - torch.cosine_similarity(ours[known, :cut], theirs[known, :cut]).mean()
                apart = relation(ours[known, :cut], theirs[known, :cut])
                taught_loss = TEACHER_SHARE * away + RELATION_SHARE * apart
                loss = loss + known.float().mean() * taught_loss / len(CUTS)
    return loss


def report(table: torch.Tensor, work: Path, tokenizer: Tokenizer) -> dict[str, float]:
    """Measure on the held-out pairs; the prompt before queries counts for nothing, as in the transformer."""

    def vectors(texts: list[str]) -> NDArray[np.float32]:
        bare = [text.rsplit("\nQuery", 1)[-1] for text in texts]
        with torch.no_grad():
            found = normalize(means(as_seen(table), bags(token_rows(bare, tokenizer, 512))))
        return found.numpy()

    results = measure(read_pairs(work / "held_out.jsonl"), vectors)
    taught = np.load(work / "labels/held_out.npy").astype(np.float32)
    results["teacher"] = agreement(vectors(held_out_texts(work)), taught)
    return {name: round(value, 3) for name, value in results.items()}


def main() -> None:
    """Train and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, help="default: WORK/static.npy")
    parser.add_argument("--epochs", type=float, default=12)
    parser.add_argument("--start", type=Path, help="go on from this table, at half the learning rate")
    arguments = parser.parse_args()
    work: Path = arguments.work
    generator = random.Random(SEED)
    torch.manual_seed(SEED)
    pairs = read_pairs(work / "rows.jsonl")
    tokenizer = Tokenizer.from_file(str(work / "tokenizer.json"))
    labels = load_labels(work, pairs)
    targets = make_targets(work, labels, tokenizer)
    if arguments.start:
        start, peak = np.load(arguments.start), LEARNING_RATE / 2
    else:
        start = token_table(targets.vocabulary, count_entries(pairs, tokenizer))[:, :CONTENT]
        start[tokenizer.token_to_id(END_OF_TEXT)] = 0
        peak = LEARNING_RATE
    table = torch.nn.Parameter(torch.from_numpy(start.copy()))
    bare = token_rows([pair.query for pair in pairs], tokenizer, MAX_QUERY)
    asked = token_rows([_BEFORE_QUERY + pair.query for pair in pairs], tokenizer, MAX_QUERY)
    documents = token_rows([pair.document for pair in pairs], tokenizer, MAX_DOCUMENT)
    print("before", json.dumps(report(table, work, tokenizer)))
    optimizer = torch.optim.Adam([table], lr=peak)
    steps = int(arguments.epochs * len(pairs) / BATCH)
    source = drawn_batches(pairs, generator)
    for step in tqdm(range(steps), desc="static", mininterval=10):
        numbers = next(source)
        queries = asked if generator.random() < ASKED_SHARE else bare
        chosen = bags([queries[i] for i in numbers]), bags([documents[i] for i in numbers])
        seen = as_seen(table)
        found = means(seen, chosen[0]), means(seen, chosen[1])
        queries_taught, documents_taught = taught_vectors(labels, targets, numbers)
        taught = queries_taught[:, :CONTENT], documents_taught[:, :CONTENT]
        loss = batch_loss(found, taught, equal_texts(labels, numbers))
        optimizer.param_groups[0]["lr"] = peak * max(0.02, 1 - step / steps)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if (step + 1) % 500 == 0:
            print(
                f"step {step + 1} loss {loss.item():.3f}",
                json.dumps(report(table, work, tokenizer)),
                flush=True,
            )
    np.save(arguments.out or work / "static.npy", table.detach().numpy())
    print("after", json.dumps(report(table, work, tokenizer)))


if __name__ == "__main__":
    main()
