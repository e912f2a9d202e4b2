"""Makes the reranker: the network of `judge.py` around a table of token vectors.

The vocabulary and the vectors are those of an embedder that was a token table (`--tables`: the built-in one
of commit 420318b), whose dimensions stand in the order of their weight. Entries that differ in case or in the
blank before them are one word.

    python reranker.py --work WORK --tables FOLDER
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from transformers import Qwen3ForCausalLM, Qwen3Model

from judge import CONTENT, FEED_FORWARD, HEADS, HIDDEN, LAYERS, Vocabulary, Weighing, start_as_judge
from rarity import rarities
from shape import configuration
from texts import read_pairs
from tokenizer import END_OF_TEXT, token_id

RETRIEVAL_WEIGHT = 1.0
"""What a spread of the retriever's scores counts beside the log-odds."""


def words_of(tokenizer: Tokenizer, entries: int) -> NDArray[np.int64]:
    """Give for each entry the number of its word; parts of characters and marks are words of their own."""
    numbers: dict[str, int] = {}
    texts = tokenizer.decode_batch([[entry] for entry in range(entries)])
    folded = (text.strip().lower() for text in texts)
    names = (f"#{entry}" if not text or "\ufffd" in text else text for entry, text in enumerate(folded))
    return np.array([numbers.setdefault(name, len(numbers)) for name in names])


def vectors_of(folder: Path) -> NDArray[np.float32]:
    """Give the token vectors whose mean is a text's, cut to the first dimensions."""
    model = Qwen3Model.from_pretrained(folder, dtype=torch.float32)
    # The norm before the means sees each row beside a constant of 1.
    rows = model.get_parameter("embed_tokens.weight").detach()
    dimensions = int(model.get_parameter("norm.weight").detach().count_nonzero())
    rows = rows[:, :dimensions]
    vectors: NDArray[np.float32] = (rows / (rows.square().sum(1, keepdim=True) + 1).sqrt()).numpy()
    return vectors[:, :CONTENT]


def reranker(
    vectors: NDArray[np.float32], tokenizer: Tokenizer, documents: Sequence[str]
) -> Qwen3ForCausalLM:
    """Set the network around token vectors; how rare words are is counted in the documents."""
    words = words_of(tokenizer, len(vectors))
    vocabulary = Vocabulary(vectors, words, rarities(documents, tokenizer, words))
    model = Qwen3ForCausalLM(
        configuration(
            len(vectors),
            token_id(tokenizer, END_OF_TEXT),
            hidden=HIDDEN,
            heads=HEADS,
            layers=LAYERS,
            feed_forward=FEED_FORWARD,
        )
    )
    start_as_judge(model, vocabulary, tokenizer, Weighing())
    model.config.retrieval_weight = RETRIEVAL_WEIGHT
    return model


def main() -> None:
    """Write the tokenizer and the network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--tables", type=Path, required=True)
    arguments = parser.parse_args()
    work: Path = arguments.work
    tokenizer = Tokenizer.from_file(str(arguments.tables / "tokenizer.json"))
    tokenizer.post_processor = None
    tokenizer.save(str(work / "reranker-tokenizer.json"), pretty=False)
    documents = [pair.document for pair in read_pairs(work / "rows.jsonl")]
    reranker(vectors_of(arguments.tables), tokenizer, documents).save_pretrained(work / "reranker")


if __name__ == "__main__":
    main()
