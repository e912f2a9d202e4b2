"""Mistakes: what a server's numbers would be if it read texts wrongly in one of the known ways."""

from collections.abc import Iterator, Sequence

import numpy as np

from quiver.embedder import Embedder, normalize
from quiver.reranker import Reranker
from quiver.results import Floats, Scores
from quiver.text import prompts
from quiver.text.prompts import PromptedText
from quiver.text.tokenizer import TextTokenizer, TokenIds

RIGHT = "as published"


def vectors_by_reading(embedder: Embedder, texts: Sequence[str]) -> Iterator[tuple[str, Floats]]:
    """Unit vectors [N, dimension] of texts, read rightly first and then in every known wrong way.

    Where attention is causal, the state at a token is the last state of the text up to it; other pooling is
    told apart there only.
    """
    whole = embedder.prepare_document(texts).sequences
    yield RIGHT, _last_states(embedder, whole)
    yield "without the end token", _last_states(embedder, [ids[:-1] for ids in whole])
    yield "with two end tokens", _last_states(embedder, [np.append(ids, ids[-1:]) for ids in whole])
    if embedder.checkpoint.config.causal:
        yield "pooled by the mean", _mean_states(embedder, whole)
        yield "pooled by the mean without the end token", _mean_states(embedder, [ids[:-1] for ids in whole])
        yield "pooled at the first token", _last_states(embedder, [ids[:1] for ids in whole])
    queries = embedder.prepare_query(texts).sequences
    yield "with the query's prompt before a text that goes bare", _last_states(embedder, queries)


def _last_states(embedder: Embedder, sequences: Sequence[TokenIds]) -> Floats:
    return normalize(embedder.forward(sequences)[0])


def _mean_states(embedder: Embedder, sequences: Sequence[TokenIds]) -> Floats:
    prefixes = [ids[: end + 1] for ids in sequences for end in range(len(ids))]
    rows, _ = embedder.forward(prefixes)
    ends = np.cumsum([len(ids) for ids in sequences])
    return normalize(np.stack([states.mean(axis=0) for states in np.split(rows, ends[:-1])]))


def scores_by_reading(reranker: Reranker, pairs: Sequence[tuple[str, str]]) -> Iterator[tuple[str, Floats]]:
    """Probabilities of "yes" [N] of (query, document) pairs, read rightly first and then wrongly."""
    tokenizer = TextTokenizer.from_folder(reranker.checkpoint.folder)
    before = len(tokenizer.encode_trusted(prompts.RERANKER_PREFIX))
    after = len(tokenizer.encode_trusted(prompts.RERANKER_SUFFIX))
    whole = reranker.tokenize(pairs)
    joined = tokenizer.encode([PromptedText("", query + document) for query, document in pairs])
    readings = {
        RIGHT: whole,
        "without the template's turns": [ids[before : len(ids) - after] for ids in whole],
        "without the turn that asks for the answer": [ids[: len(ids) - after] for ids in whole],
        "as query and document alone, without any template": joined,
        "with query and document exchanged": reranker.tokenize([(text, query) for query, text in pairs]),
    }
    for name, sequences in readings.items():
        yield name, _probabilities(reranker, sequences)


def _probabilities(reranker: Reranker, sequences: Sequence[TokenIds]) -> Floats:
    logits, usage = reranker.forward(sequences)
    no, yes = logits.T
    return np.asarray(Scores(yes - no, usage, ()))
