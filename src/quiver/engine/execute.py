"""Execute: run a plan on an engine and give every sequence its last row."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from quiver.engine.base import AnyEngine, Batch, Engine, Floats, Prefix, WholeEngine
from quiver.engine.plan import Piece, Plan, PrefixNode, Usage, make_plan
from quiver.progress import token_progress
from quiver.text.tokenizer import TokenIds


@dataclass(frozen=True, slots=True)
class Ended:
    """What one step of a plan did."""

    sequences: Sequence[int]
    """Positions of the sequences that it ended, equal ones included."""
    rows: Sequence[Floats]
    """Their last rows."""
    tokens: int
    """That it ran."""


@dataclass(frozen=True, slots=True)
class Steps:
    """A plan about to run: every ``next`` runs one step. Whoever iterates may do other work in between."""

    engine: Engine
    plan: Plan
    sequences: Sequence[TokenIds]

    @property
    def usage(self) -> Usage:
        """What all steps together cost."""
        return self.plan.usage

    def __iter__(self) -> Iterator[Ended]:
        kept: dict[PrefixNode, Prefix] = {}
        stands_for: dict[int, list[int]] = {}
        for position, stand_in in enumerate(self.plan.representative.tolist()):
            stands_for.setdefault(stand_in, []).append(position)
        for step in self.plan.steps:
            positions: list[int] = []
            rows: list[Floats] = []
            tokens = 0
            if step.pieces:
                batch = _pack_batch(step.pieces, self.sequences, kept)
                tokens = len(batch.token_ids)
                if step.nodes:
                    kept.update(zip(step.nodes, self.engine.keep(batch), strict=True))
                else:
                    output = self.engine.run(batch, batch.last_rows)
                    for piece, row in zip(step.pieces, output, strict=True):
                        positions += stands_for[piece.sequence]
                        rows += [row] * len(stands_for[piece.sequence])
            for node in step.release:
                del kept[node]
            if tokens:
                yield Ended(positions, rows, tokens)


@dataclass(frozen=True, slots=True)
class OneStep:
    """All sequences at once, on an engine that plans for itself; equal ones run once."""

    engine: WholeEngine
    sequences: Sequence[TokenIds]

    @property
    def usage(self) -> Usage:
        """What it costs if the engine shares nothing."""
        tokens_in = sum(map(len, self.sequences)) if self.engine.sees_tokens else 0
        return Usage(tokens_in, tokens_in)

    def __iter__(self) -> Iterator[Ended]:
        rows, usage = _run_whole(self.engine, self.sequences, "", False)
        yield Ended(range(len(rows)), list(rows), usage.tokens_computed)


def plan_steps(
    engine: AnyEngine, sequences: Sequence[TokenIds], step_tokens: int | None = None
) -> Steps | OneStep:
    """A plan for non-empty sequences; ``step_tokens`` makes steps smaller than the engine's own budget."""
    if isinstance(engine, WholeEngine):
        return OneStep(engine, sequences)
    return _plan(engine, sequences, step_tokens)


def plan_and_run(
    engine: AnyEngine, sequences: Sequence[TokenIds], label: str = "", show_progress: bool | None = False
) -> tuple[Floats, Usage]:
    """The last row of each non-empty sequence, in input order: [len(sequences), E or 2].

    ``label`` names the work on the progress bar.
    """
    if isinstance(engine, WholeEngine):
        return _run_whole(engine, sequences, label, show_progress)
    steps = _plan(engine, sequences)
    rows: dict[int, Floats] = {}
    with token_progress(label, steps.usage.tokens_computed, show_progress) as advance:
        for ended in steps:
            rows.update(zip(ended.sequences, ended.rows, strict=True))
            advance(ended.tokens)
    if not sequences:
        return np.empty((0, 0), dtype=np.float32), steps.usage
    return np.stack([rows[position] for position in range(len(sequences))]), steps.usage


def _plan(engine: Engine, sequences: Sequence[TokenIds], step_tokens: int | None = None) -> Steps:
    if step_tokens is None or step_tokens >= engine.token_budget:
        return Steps(engine, make_plan(sequences, engine.token_budget, engine.prefix_budget), sequences)
    plan = make_plan(sequences, step_tokens, engine.prefix_budget, split_longer=True)
    return Steps(engine, plan, sequences)


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


def _pack_batch(
    pieces: Sequence[Piece], sequences: Sequence[TokenIds], kept: dict[PrefixNode, Prefix]
) -> Batch:
    token_ids = np.concatenate([sequences[p.sequence][p.start : p.stop] for p in pieces])
    boundaries = np.cumsum([0, *(piece.length for piece in pieces)], dtype=np.int64)
    prefixes = [None if piece.prefix is None else kept[piece.prefix] for piece in pieces]
    return Batch(token_ids, boundaries, prefixes)
