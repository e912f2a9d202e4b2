"""Evaluation: how well models find, group and compare texts, on folders of plain files and offline.

>>> from quiver import Embedder
>>> from quiver.evaluate import Bm25, evaluate
>>> results = evaluate(["sets/cranfield-en"], {"mini": Embedder(on_too_long="truncate"), "BM25": Bm25()})

The numbers are those of mteb on the same data. Nothing learns from a folder but the classifiers that mteb's
protocol fits on its ``train.tsv``. Needs the extra ``quiver-embed[evaluate]``.
"""

from quiver.evaluate.bm25 import Bm25
from quiver.evaluate.results import Result
from quiver.evaluate.run import evaluate
from quiver.evaluate.sentence_transformer import SentenceTransformerEncoder
from quiver.evaluate.systems import Encoder, Lexical, PairScorer, RerankStage, System

__all__ = [
    "Bm25",
    "Encoder",
    "Lexical",
    "PairScorer",
    "RerankStage",
    "Result",
    "SentenceTransformerEncoder",
    "System",
    "evaluate",
]
