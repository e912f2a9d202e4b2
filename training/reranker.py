"""Makes the reranker: a small vocabulary, and the network of `judge.py` around a table of token vectors.

The vocabulary is the embedder's, cut to its first entries (byte-level BPE learns its merges in that order).
The table is that of `compared.py`. At the end the order of the embedder's best documents is
compared with the reranker's, on held-out pairs and on a documentation that no model was trained on.

    python reranker.py --cache CACHE --work WORK
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from transformers import Qwen3ForCausalLM, Qwen3Model

from batches import token_rows
from extract import Pair, asked_by_sentence, html_sections
from judge import FEED_FORWARD, HEADS, HIDDEN, LAYERS, Content, Weighing, start_as_judge
from prompts import RERANKER_PREFIX, RERANKER_SUFFIX, WEB_SEARCH, embedder_query, reranker_body
from rarity import rarities
from shape import configuration
from sources import MEASURED_SOURCE, unpacked
from texts import SEED, read_pairs
from tokenizer import END_OF_TEXT, rebuilt, token_id, with_entries

ENTRIES = 14_500
MARKS = ("Query", "Document")
EMBEDDER = "embedder"
_QUESTIONS, _RERANKED = 30, 40
_MEASURED = frozenset(
    (
        *("r-cran-janeaustenr", "wordnet-base", "tldr-command-en", "jsquad-valid-ja", "drcd-dev-zh-hant"),
        *("libreoffice-help-en-us", "libreoffice-help-ru-parallel", "tatoeba-other-languages"),
    )
)


def small_tokenizer(full: Tokenizer) -> Tokenizer:
    """Cut a vocabulary to its first entries; the special tokens follow them."""
    made = json.loads(full.to_str())
    words: dict[str, int] = made["model"]["vocab"]
    kept = {text: number for text, number in words.items() if number < ENTRIES}
    joined = [merge if isinstance(merge, list) else merge.split(" ") for merge in made["model"]["merges"]]
    merges = [merge for merge in joined if "".join(merge) in kept]
    # The words that mark the parts of a request are entries, and others where a blank stands before them.
    small = rebuilt(full, kept, merges)
    return with_entries(small, (before + text for text in MARKS for before in ("", " ")))


def spaced(pairs: Sequence[Pair]) -> list[Pair]:
    """Put the blank before either text that stands there in a request."""
    return [dataclasses.replace(p, query=" " + p.query, document=" " + p.document) for p in pairs]


def questions(cache: Path, work: Path) -> dict[str, list[Pair]]:
    """Give groups to measure on: held-out pairs by source, and a documentation that was never trained on."""
    generator = random.Random(SEED)
    sections = list(html_sections(unpacked(MEASURED_SOURCE, cache), "sections"))
    groups: dict[str, list[Pair]] = {"sections": generator.sample(sections, _QUESTIONS)}
    for pair in generator.sample(sections, 4 * _QUESTIONS):
        if asked := asked_by_sentence(pair, generator):
            groups.setdefault("sentences", []).append(asked)
    for pair in read_pairs(work / "held_out.jsonl"):
        if pair.source in _MEASURED:
            groups.setdefault(pair.source, []).append(pair)
    return {name: pairs[:_QUESTIONS] for name, pairs in groups.items()}


class Judge:
    """The reranker in transformers, reading the published text."""

    def __init__(self, model: Qwen3ForCausalLM, tokenizer: Tokenizer) -> None:
        self._model, self._tokenizer = model.eval(), tokenizer
        self._answers = [token_id(tokenizer, "yes"), token_id(tokenizer, "no")]

    @torch.inference_mode()
    def __call__(self, query: str, documents: Sequence[str]) -> NDArray[np.float32]:
        """Give the logit of "yes" less the logit of "no" for each document."""
        rows = [
            [
                i
                for part in (RERANKER_PREFIX, reranker_body(WEB_SEARCH, query, text), RERANKER_SUFFIX)
                for i in self._tokenizer.encode(part).ids
            ]
            for text in documents
        ]
        last = torch.tensor([len(row) - 1 for row in rows])
        ids = torch.zeros(len(rows), int(last.max()) + 1, dtype=torch.long)
        for line, row in enumerate(rows):
            ids[line, : len(row)] = torch.tensor(row)
        states = self._model.model(ids).last_hidden_state[torch.arange(len(rows)), last]
        yes, no = (self._model.lm_head.weight[answer] for answer in self._answers)
        odds: NDArray[np.float32] = (states @ (yes - no)).numpy()
        return odds


@torch.inference_mode()
def embedded(model: Qwen3Model, rows: Sequence[NDArray[np.int32]]) -> NDArray[np.float32]:
    """Embed token rows one after the other; they are few."""
    ids = (torch.from_numpy(row.astype(np.int64))[None] for row in rows)
    last = torch.stack([model(each).last_hidden_state[0, -1] for each in ids])
    vectors: NDArray[np.float32] = torch.nn.functional.normalize(last, dim=-1).numpy()
    return vectors


def compare(judge: Judge, work: Path, groups: dict[str, list[Pair]]) -> None:
    """Print nDCG@10 of the embedder's order and of the reranker's among its best documents."""
    tokenizer = Tokenizer.from_file(str(work / "tokenizer.json"))
    end_id = token_id(tokenizer, END_OF_TEXT)
    model = Qwen3Model.from_pretrained(work / EMBEDDER).eval()
    for name, pairs in groups.items():
        documents = list(dict.fromkeys(pair.document for pair in pairs))
        queries = [embedder_query(WEB_SEARCH, pair.query) for pair in pairs]
        vectors, asked = (
            embedded(model, list(token_rows(texts, tokenizer, end_id, 512))) for texts in (documents, queries)
        )
        gains = np.zeros((len(pairs), 2))
        for number, (pair, query) in enumerate(zip(pairs, asked, strict=True)):
            best = np.argsort(-(vectors @ query))[:_RERANKED]
            right = np.flatnonzero(best == documents.index(pair.document))
            if len(right):
                odds = judge(pair.query, [documents[i] for i in best])
                ranks = right[0] + 1, 1 + int((odds > odds[right[0]]).sum())
                gains[number] = [1 / np.log2(1 + rank) if rank <= 10 else 0 for rank in ranks]
        before, after = gains.mean(0)
        print(f"{name:28} embedder {before:.3f}, reranked {after:.3f} ({after - before:+.3f})", flush=True)


def main() -> None:
    """Make the vocabulary, the table and the network, and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    arguments = parser.parse_args()
    work: Path = arguments.work
    pairs = spaced(read_pairs(work / "rows.jsonl"))
    tokenizer = small_tokenizer(Tokenizer.from_file(str(work / "tokenizer.json")))
    tokenizer.save(str(work / "reranker-tokenizer.json"), pretty=False)
    with np.load(work / "reranker-table.npz") as trained:
        weights = [trained[name] for name in ("table", "gate", "up", "down")]
        content = Content(weights[0], weights[1], weights[2], weights[3], float(trained["typical"]))
    model = Qwen3ForCausalLM(
        configuration(
            len(content.table),
            token_id(tokenizer, END_OF_TEXT),
            hidden=HIDDEN,
            heads=HEADS,
            layers=LAYERS,
            feed_forward=FEED_FORWARD,
        )
    )
    start_as_judge(model, content, rarities(pairs, tokenizer), tokenizer, Weighing())
    model.save_pretrained(work / "reranker")
    compare(Judge(model, tokenizer), work, questions(arguments.cache, work))


if __name__ == "__main__":
    main()
