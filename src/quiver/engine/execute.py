"""Execute: run a plan on an engine and give every sequence its last row."""

from collections.abc import Callable, Sequence

import numpy as np

from quiver.engine.base import AnyEngine, Batch, Engine, Floats, Prefix, WholeEngine
from quiver.engine.plan import Piece, PrefixNode, Step, Usage, make_plan
from quiver.progress import token_progress
from quiver.text.tokenizer import TokenIds


def plan_and_run(
    engine: AnyEngine, sequences: Sequence[TokenIds], label: str = "", show_progress: bool | None = False
) -> tuple[Floats, Usage]:
    """The last row of each non-empty sequence, in input order: [len(sequences), E or 2].

    ``label`` names the work on the progress bar.
    """
    if isinstance(engine, WholeEngine):
        return _run_whole(engine, sequences, label, show_progress)
    plan = make_plan(sequences, engine.token_budget, engine.prefix_budget)
    with token_progress(label, plan.usage.tokens_computed, show_progress) as advance:
        rows = _run_steps(engine, plan.steps, sequences, advance)
    if not sequences:
        return np.empty((0, 0), dtype=np.float32), plan.usage
    return np.stack([rows[int(stand_in)] for stand_in in plan.representative]), plan.usage


def _run_whole(
    engine: WholeEngine, sequences: Sequence[TokenIds], label: str, show_progress: bool | None
) -> tuple[Floats, Usage]:
    """Every distinct sequence once, by the engine's own plan."""
    if not sequences:
        return np.empty((0, 0), dtype=np.float32), Usage()
    places: dict[bytes, int] = {}
    stand_ins = [places.setdefault(sequence.tobytes(), len(places)) for sequence in sequences]
    distinct = [np.frombuffer(content, dtype=np.int32) for content in places]
    with token_progress(label, sum(map(len, distinct)), show_progress) as advance:
        rows, usage = engine.run_whole(distinct, advance)
    repeated = sum(map(len, sequences)) - sum(map(len, distinct)) if engine.sees_tokens else 0
    return rows[stand_ins], Usage(usage.tokens_in + repeated, usage.tokens_computed)


def _run_steps(
    engine: Engine, steps: Sequence[Step], sequences: Sequence[TokenIds], advance: Callable[[int], None]
) -> dict[int, Floats]:
    """The last row of every sequence that a step ends."""
    kept: dict[PrefixNode, Prefix] = {}
    rows: dict[int, Floats] = {}
    for step in steps:
        if step.pieces:
            batch = _pack_batch(step.pieces, sequences, kept)
            if step.nodes:
                kept.update(zip(step.nodes, engine.keep(batch), strict=True))
            else:
                output = engine.run(batch, batch.last_rows)
                rows.update((p.sequence, row) for p, row in zip(step.pieces, output, strict=True))
            advance(len(batch.token_ids))
        for node in step.release:
            del kept[node]
    return rows


def _pack_batch(
    pieces: Sequence[Piece], sequences: Sequence[TokenIds], kept: dict[PrefixNode, Prefix]
) -> Batch:
    token_ids = np.concatenate([sequences[p.sequence][p.start : p.stop] for p in pieces])
    boundaries = np.cumsum([0, *(piece.length for piece in pieces)], dtype=np.int64)
    prefixes = [None if piece.prefix is None else kept[piece.prefix] for piece in pieces]
    return Batch(token_ids, boundaries, prefixes)
