"""Trains the reranker: from its hand-built start, "yes" for a group's right document, else "no".

Each group is a query with its document and seven others: four that the embedder puts high for it
and three at random, all read with the published reranking text; what the group shares (system
turn, instruction, query) runs once. Loss: cross-entropy on yes/no for every document, and over the
group. Cost on one busy AVX2 core: about three seconds a step of four groups.

    python reranker.py --work WORK --steps 300
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy
from tqdm import tqdm
from transformers import Qwen3ForCausalLM, Qwen3Model

from embedder import Trainer, rate_share
from extract import Pair
from held_out import GROUPS
from judge import judge_table, start_as_judge
from model import CONTENT, RERANKER_LAYERS, configuration, embed, last_states, scaled_table
from prompts import (
    RERANKER_PREFIX,
    RERANKER_SUFFIX,
    WEB_SEARCH,
    embedder_query,
    reranker_body,
    some_instruction,
)
from texts import SEED, read_pairs
from tokenizer import END_OF_TEXT, token_id

THRESHOLD = 0.45
_PAIRS = 5_000
_GROUPS_A_STEP = 4
_CLOSE, _RANDOM = 4, 3
_RANKS = range(1, 40)
_SAME = 0.93
_DOCUMENT_TOKENS = 96
_RERANKED = 20
_LAYER_RATE, _TABLE_RATE = 5e-5, 2e-5
_YES_SHARE = 0.3


@dataclass(frozen=True)
class Group:
    """A request with its documents, the right one first."""

    prefix: list[int]
    documents: list[list[int]]


class Texts:
    """Turns requests into token ids exactly as the published rerankers read them."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._before = tokenizer.encode(RERANKER_PREFIX).ids
        self._after = tokenizer.encode(RERANKER_SUFFIX).ids

    def group(self, instruction: str, query: str, documents: Sequence[str]) -> Group:
        """Split requests where the documents begin; a document's first token takes the blank."""
        shared = reranker_body(instruction, query, "").removesuffix(" ")
        rows = self._tokenizer.encode_batch_fast([" " + text.strip() for text in documents])
        return Group(
            [*self._before, *self._tokenizer.encode(shared).ids],
            [[*row.ids[:_DOCUMENT_TOKENS], *self._after] for row in rows],
        )


def log_odds(model: Qwen3ForCausalLM, group: Group, answers: tuple[int, int], filler: int) -> torch.Tensor:
    """Give the logit of "yes" less the logit of "no" for each document of a group."""
    states = last_states(model.model, group.documents, filler, group.prefix)
    yes, no = answers
    odds: torch.Tensor = states @ (model.lm_head.weight[yes] - model.lm_head.weight[no])
    return odds


def group_loss(odds: torch.Tensor) -> torch.Tensor:
    """Give the loss of one group, the right document first."""
    wanted = torch.zeros_like(odds)
    wanted[0] = 1
    # The one right document counts for more than one of eight, yet less than all the others.
    weights = torch.full_like(odds, (1 - _YES_SHARE) / (len(odds) - 1))
    weights[0] = _YES_SHARE
    each = binary_cross_entropy_with_logits(odds, wanted, weight=weights, reduction="sum")
    return each + 0.5 * cross_entropy(odds[None], torch.tensor([0]))


@dataclass(frozen=True)
class Pool:
    """The pairs trained on, their distinct documents, and the close ones of each query."""

    pairs: list[Pair]
    documents: list[str]
    close: list[list[int]]


def mine(pairs: list[Pair], vectors: NDArray[np.float32], queries: NDArray[np.float32]) -> Pool:
    """Find for each pair the documents the embedder puts high that are not its own again."""
    documents = list(dict.fromkeys(pair.document for pair in pairs))
    places = {text: place for place, text in enumerate(documents)}
    close: list[list[int]] = []
    for pair, query in zip(pairs, queries, strict=True):
        own = places[pair.document]
        order = np.argsort(-(vectors @ query))[: _RANKS.stop]
        fresh = [int(i) for i in order if vectors[i] @ vectors[own] < _SAME and i != own]
        close.append(fresh)
    return Pool(pairs, documents, close)


def groups(pool: Pool, texts: Texts, seed: int) -> Iterator[Group]:
    """Draw groups for ever."""
    generator = random.Random(seed)
    while True:
        order = list(range(len(pool.pairs)))
        generator.shuffle(order)
        for i in order:
            pair = pool.pairs[i]
            chosen = generator.sample(pool.close[i], min(_CLOSE, len(pool.close[i])))
            others = generator.sample(pool.documents, _RANDOM)
            documents = [pair.document, *(pool.documents[j] for j in chosen)]
            documents += [text for text in others if text != pair.document]
            instruction = some_instruction(pair.kind, pair.source, generator)
            yield texts.group(instruction, pair.query, documents)


class Embedding:
    """The trained embedder, for mining and for the order that is to be bettered."""

    def __init__(self, folder: Path, tokenizer: Tokenizer, end_id: int) -> None:
        self._model = Qwen3Model.from_pretrained(folder).eval()
        self._tokenizer, self._end = tokenizer, end_id

    def __call__(self, texts: list[str]) -> NDArray[np.float32]:
        """Embed texts, cut to the length that the reranker sees."""
        rows = [
            [*encoding.ids[:_DOCUMENT_TOKENS], self._end]
            for encoding in self._tokenizer.encode_batch_fast(texts)
        ]
        return embed(self._model, rows, self._end)


@torch.inference_mode()
def reranked(
    model: Qwen3ForCausalLM,
    embedding: Embedding,
    pairs: list[Pair],
    texts: Texts,
    answers: tuple[int, int],
    filler: int,
) -> str:
    """Compare the embedder's order of its best documents with the reranker's, group by group."""
    lines: list[str] = []
    for name, belongs in GROUPS.items():
        chosen = [pair for pair in pairs if belongs(pair)][:50]
        documents = list(dict.fromkeys(pair.document for pair in chosen))
        vectors = embedding(documents)
        queries = embedding([embedder_query(WEB_SEARCH, pair.query) for pair in chosen])
        before: list[float] = []
        after: list[float] = []
        right_odds: list[float] = []
        other_odds: list[float] = []
        for pair, query in zip(chosen, queries, strict=True):
            top = np.argsort(-(vectors @ query))[:_RERANKED]
            place = np.flatnonzero(top == documents.index(pair.document))
            if not len(place):
                continue
            group = texts.group(WEB_SEARCH, pair.query, [documents[i] for i in top])
            odds = log_odds(model, group, answers, filler).numpy()
            before.append(1 / (place[0] + 1))
            after.append(1 / (1 + int((odds > odds[place[0]]).sum())))
            right_odds.append(float(odds[place[0]]))
            other_odds += [float(x) for x in np.delete(odds, place[0])]
        ranks = f"embedder {np.sum(before) / len(chosen):.3f}"
        ranks += f" reranker {np.sum(after) / len(chosen):.3f}"
        right, wrong = np.mean(np.array(right_odds) > 0), np.mean(np.array(other_odds) > 0)
        lines.append(f"{name}: {ranks}; yes for right {right:.2f}, for others {wrong:.2f}")
    return "\n".join(lines)


def built_model(work: Path, pairs: list[Pair], tokenizer: Tokenizer) -> Qwen3ForCausalLM:
    """Build the model at its start."""
    end_id = token_id(tokenizer, END_OF_TEXT)
    model = Qwen3ForCausalLM(configuration(tokenizer.get_vocab_size(), end_id, RERANKER_LAYERS))
    table = scaled_table(np.load(work / "static.npy"))
    rarity = np.linalg.norm(table[:, :CONTENT], axis=1)
    yes, no = token_id(tokenizer, "yes"), token_id(tokenizer, "no")
    start_as_judge(model, judge_table(table, rarity, yes, no), tokenizer, THRESHOLD)
    return model


def averaged(trainer: Trainer) -> Qwen3ForCausalLM:
    """Give a model that holds the moving average."""
    model: Qwen3ForCausalLM = Qwen3ForCausalLM(trainer.model.config).eval()
    model.load_state_dict(trainer.average, strict=False)
    model.tie_weights()
    return model


def main() -> None:
    """Mine, train and write the averaged weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--embedder", default="embedder")
    parser.add_argument("--name", default="reranker")
    arguments = parser.parse_args()
    work: Path = arguments.work
    torch.manual_seed(SEED)
    pairs = read_pairs(work / "rows.jsonl")
    held = read_pairs(work / "held_out.jsonl")
    tokenizer = Tokenizer.from_file(str(work / "tokenizer.json"))
    end_id = token_id(tokenizer, END_OF_TEXT)
    answers = (token_id(tokenizer, "yes"), token_id(tokenizer, "no"))
    texts, embedding = Texts(tokenizer), Embedding(work / arguments.embedder, tokenizer, end_id)
    trainer = Trainer(
        built_model(work, pairs, tokenizer),
        work / f"{arguments.name}.checkpoint",
        _LAYER_RATE,
        _TABLE_RATE,
    )
    if arguments.steps:
        _train(trainer, arguments.steps, _mined(pairs, embedding), texts, answers, end_id)
    model = averaged(trainer)
    model.save_pretrained(work / arguments.name)
    print(reranked(model, embedding, held, texts, answers, end_id))


def _mined(pairs: list[Pair], embedding: Embedding) -> Pool:
    chosen = [pair for pair in pairs[: 3 * _PAIRS] if pair.kind == "retrieval"]
    chosen += [pair for pair in pairs[:_PAIRS] if pair.kind != "retrieval"][: len(chosen) // 4]
    chosen = chosen[:_PAIRS]
    documents = embedding(list(dict.fromkeys(pair.document for pair in chosen)))
    return mine(chosen, documents, embedding([pair.query for pair in chosen]))


def _train(
    trainer: Trainer,
    steps: int,
    pool: Pool,
    texts: Texts,
    answers: tuple[int, int],
    filler: int,
) -> None:
    assert isinstance(trainer.model, Qwen3ForCausalLM)
    source = groups(pool, texts, SEED + trainer.step)
    start, losses = time.monotonic(), []
    for _ in tqdm(range(trainer.step, steps), desc="reranker", mininterval=20):
        loss = torch.stack(
            [
                group_loss(log_odds(trainer.model, next(source), answers, filler))
                for _ in range(_GROUPS_A_STEP)
            ]
        ).mean()
        trainer.update(loss, rate_share(trainer.step, steps))
        losses.append(loss.item())
        if trainer.step % 20 == 0:
            seconds = time.monotonic() - start
            print(f"step {trainer.step} loss {np.mean(losses[-20:]):.3f} after {seconds:.0f} s")
        if trainer.step % 50 == 0:
            trainer.save()


if __name__ == "__main__":
    main()
