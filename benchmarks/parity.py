"""Parity: Quiver's vectors and scores against transformers and sentence-transformers on the same checkpoint.

The truth is the model card's code (``benchmarks.contestants``) in float32, one text a call. Compared with it:
Quiver in float32, one text a call, all in one call, and all shuffled; Quiver in bfloat16;
sentence-transformers; and, to show how far the truth itself wavers, the model card's code on padded batches.
Texts are of exact lengths and in many scripts; many share a prefix (one instruction; one query) and many
share none.

Fails (exit 1) where vectors or scores differ by more than 1e-5, bfloat16 vectors have a cosine below 0.999, a
text's numbers depend by more than 1e-5 on its company, or token sequences differ at all.

Costs about six forward passes over 12,000 tokens (one contestant is in memory at a time), and for a
reranker the model card's logits of the whole vocabulary at every position: 5 GB at 8,192 tokens.
"""

import argparse
import gc
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import checkpoints
from benchmarks.command import Report, new_parser, run, use_threads, write_json
from benchmarks.parity_cases import Group, Item, Tokenize, embedding_groups, reranking_groups
from quiver import Embedder, Reranker
from quiver.models.checkpoint import open_checkpoint
from quiver.results import Embeddings, Floats, Scores

TOLERANCE = 1e-5
"""Largest difference of a component of a unit vector, or of a score, in float32."""

MIN_COSINE = 0.999
"""Of a bfloat16 vector with the float32 truth."""

LENGTHS = (1, 2, 17, 100, 512, 2048, 8192)

LONG = 600
"""Sequences of more tokens run one at a time in the contestants: padding others to them takes long."""

COLUMNS = (
    "case",
    "tokens saved",
    "transformers",
    "sentence-transformers",
    "alone / in batch",
    "shuffled",
    "bfloat16",
    "(transformers padded)",
)

Judge = Callable[[Sequence[Item]], Embeddings | Scores]
RunBatch = Callable[[Sequence[Any], int], Floats]
"""A contestant: inputs and batch size to unit vectors or scores."""


def main() -> int:
    """Compare every checkpoint; 1 if one is outside the tolerances."""
    options = _parse()
    use_threads(options.threads)
    reports = []
    for given in options.checkpoints or [None]:
        with checkpoints.checkpoint(given, options.kind, options) as folder:
            made = f"random {options.size} {options.kind}, {options.layers or 'all'} layers"
            reports.append(compare(folder, str(given or made), options.lengths))
        reports[-1].show()
    write_json(options.json, reports)
    return 0 if all(report.facts["verdict"] == "equal" for report in reports) else 1


def _parse() -> argparse.Namespace:
    parser = new_parser(
        "parity",
        "Compare Quiver with transformers and sentence-transformers on the same checkpoint.",
        "python -m benchmarks.parity --size 4B --layers 2 --kind reranker",
    )
    parser.add_argument("checkpoints", nargs="*", type=Path, metavar="CHECKPOINT", help="model folders")
    checkpoints.add_options(parser, layers=4)
    parser.add_argument("--kind", choices=("embedding", "reranker"), default="embedding")
    parser.add_argument(
        "--lengths", type=int, nargs="+", default=LENGTHS, help="tokens of the texts (at most 8192)"
    )
    return parser.parse_args()


def compare(folder: Path, name: str, lengths: Sequence[int]) -> Report:
    """Run every contestant in turn on one checkpoint and tabulate the differences."""
    begun = time.perf_counter()
    embeds = open_checkpoint(folder).kind == "embedder"
    groups = _run_quiver(folder, lengths, embeds)
    gc.collect()
    same_tokens = _run_truth(folder, groups, embeds)
    gc.collect()
    _run_peer(folder, groups, embeds)
    report = _tabulate(groups, f"Parity: {name}", embeds)
    report.facts["token sequences"] = "equal" if same_tokens else "DIFFERENT"
    if not same_tokens:
        report.facts["verdict"] = "OUTSIDE"
    report.facts["seconds"] = round(time.perf_counter() - begun)
    return report


def _run_quiver(folder: Path, lengths: Sequence[int], embeds: bool) -> list[Group]:
    """Build the groups with Quiver's token sequences and run them in both precisions."""
    open_model = _open_embedder if embeds else _open_reranker
    make_groups = embedding_groups if embeds else reranking_groups
    judge, tokenize = open_model(folder, "float32")
    groups = make_groups(folder, lengths, tokenize)
    for group in groups:
        together = judge(group.items)
        group.saved = together.usage.tokens_saved / together.usage.tokens_in
        group.results["together"] = _rows(together)
        group.results["alone"] = np.concatenate([_rows(judge([item])) for item in group.items])
        order = random.Random(1).sample(range(len(group.items)), len(group.items))
        shuffled = _rows(judge([group.items[i] for i in order]))
        group.results["shuffled"] = shuffled[np.argsort(order)]
    judge, _ = open_model(folder, "bfloat16")  # widened for the arithmetic on a CPU without such units
    for group in groups:
        group.results["bfloat16"] = _rows(judge(group.items))
    return groups


def _open_embedder(folder: Path, dtype: str) -> tuple[Judge, Tokenize]:
    embedder = Embedder(folder, dtype=dtype, device="cpu")

    def encode(items: Sequence[Item]) -> Embeddings:
        texts = [item.text for item in items]
        tasks = [item.instruction for item in items if item.instruction is not None]
        return embedder.encode_query(texts, instruction=tasks) if tasks else embedder.encode_document(texts)

    return encode, lambda item: embedder.tokenize([item.text], prompt=item.prompt)[0]


def _open_reranker(folder: Path, dtype: str) -> tuple[Judge, Tokenize]:
    reranker = Reranker(folder, dtype=dtype, device="cpu")

    def predict(items: Sequence[Item]) -> Scores:
        return reranker.predict([item.pair for item in items])

    return predict, lambda item: reranker.tokenize([item.pair])[0]


def _run_truth(folder: Path, groups: Sequence[Group], embeds: bool) -> bool:
    """The model card's code, one text a call and padded; returns whether its token sequences are Quiver's."""
    from benchmarks import contestants

    truth: Any = (contestants.TransformersEmbedder if embeds else contestants.TransformersReranker)(folder)
    same_tokens = True
    for group in groups:
        inputs = [item.whole for item in group.items]
        for given, sequence in zip(inputs, group.sequences, strict=True):
            same_tokens &= truth.tokenize(given) == sequence.tolist()
        group.results["truth"] = _rows(truth.run(inputs, 1))
        group.results["padded"] = _by_length(group, truth.run, group.results["truth"])
    return same_tokens


def _run_peer(folder: Path, groups: Sequence[Group], embeds: bool) -> None:
    from benchmarks.contestants import open_cross_encoder, open_sentence_transformer

    run_batch: RunBatch = (open_sentence_transformer if embeds else open_cross_encoder)(folder)
    for group in groups:
        group.results["peer"] = _by_length(group, run_batch)


def _by_length(group: Group, run_batch: RunBatch, of_long: Floats | None = None) -> Floats:
    """Short items in padded batches of 8, long ones alone or as already known; in input order."""
    lengths = [len(sequence) for sequence in group.sequences]
    long = [i for i, length in enumerate(lengths) if length > LONG]
    short = [i for i, length in enumerate(lengths) if length <= LONG]
    found = [_rows(run_batch([group.items[i].whole for i in short], 8))]
    if long and of_long is not None:
        found.append(of_long[long])
    elif long:
        found.append(_rows(run_batch([group.items[i].whole for i in long], 1)))
    return np.concatenate(found)[np.argsort([*short, *long])]


def _rows(found: Floats) -> Floats:
    """[N, E] vectors as they are, [N] scores as [N, 1]."""
    plain = np.asarray(found, dtype=np.float32)
    return plain if plain.ndim == 2 else plain[:, np.newaxis]


def _tabulate(groups: Sequence[Group], title: str, embeds: bool) -> Report:
    report = Report(title, COLUMNS)
    equal = True
    for group in groups:
        for label in dict.fromkeys(group.labels):
            chosen = np.asarray([other == label for other in group.labels])
            found = _differences({name: rows[chosen] for name, rows in group.results.items()}, embeds)
            equal &= _within(found, embeds)
            cells = [f"{found[name]:.1e}" for name in ("truth", "peer", "alone", "shuffled")]
            narrow = f"cosine {found['bfloat16']:.6f}" if embeds else f"{found['bfloat16']:.1e}"
            report.add(
                [label, f"{group.saved:.0%}", *cells, narrow, f"{found['padded']:.1e}"],
                {"case": label, "saved": group.saved, **found},
            )
    report.facts["differences"] = f"largest of {'a component' if embeds else 'a score'}, float32"
    report.facts["allowed"] = f"{TOLERANCE:.0e}" + (f"; bfloat16 cosine {MIN_COSINE}" if embeds else "")
    report.facts["verdict"] = "equal" if equal else "OUTSIDE"
    return report


def _differences(results: dict[str, Floats], embeds: bool) -> dict[str, float]:
    """Largest differences between the contestants' rows of one case."""
    truth, together = results["truth"], results["together"]
    cosine = float((truth * results["bfloat16"]).sum(axis=1).min())
    return {
        "truth": max(_largest(truth, together), _largest(truth, results["alone"])),
        "peer": _largest(results["peer"], together),
        "alone": _largest(results["alone"], together),
        "shuffled": _largest(results["shuffled"], together),
        "padded": _largest(truth, results["padded"]),
        "bfloat16": cosine if embeds else _largest(truth, results["bfloat16"]),
    }


def _largest(first: Floats, second: Floats) -> float:
    return float(np.abs(first - second).max())


def _within(found: dict[str, float], embeds: bool) -> bool:
    exact = all(found[name] <= TOLERANCE for name in ("truth", "peer", "alone", "shuffled"))
    return exact and (not embeds or found["bfloat16"] >= MIN_COSINE)


if __name__ == "__main__":
    run(main)
