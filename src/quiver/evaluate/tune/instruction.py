"""Instruction: which task description before the queries finds most; documents are embedded once for all."""

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

import numpy as np

from quiver.evaluate.extra import check_installed
from quiver.evaluate.ranking import RankingTask
from quiver.evaluate.report.charts import Axis, DotChart, Figure
from quiver.evaluate.report.tables import Column, Table
from quiver.evaluate.systems import Encoder
from quiver.evaluate.tune.advice import Advice, Verdict, judged_gain
from quiver.evaluate.tune.halves import Indices, Values, choose_and_check, interval
from quiver.evaluate.vectors import Embedding, cut_to

USUAL_INSTRUCTIONS = tuple(
    files("quiver.evaluate.tune").joinpath("instructions.txt").read_text(encoding="utf-8").splitlines()
)
"""Tried when nobody names others."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """What may stand before a query: the model's own prompt, nothing, or an instruction."""

    instruction: str | None = None
    bare: bool = False

    @property
    def name(self) -> str:
        """What tables call it."""
        if self.bare:
            return "no instruction"
        return "the model's own prompt" if self.instruction is None else self.instruction

    @property
    def python(self) -> str:
        """The call that embeds queries so."""
        if self.bare:
            return 'embedder.encode_query(queries, prompt="")'
        if self.instruction is None:
            return "embedder.encode_query(queries)"
        return (
            f"embedder.encode_query(queries, instruction={json.dumps(self.instruction, ensure_ascii=False)})"
        )

    @property
    def shell(self) -> str:
        """The command that does."""
        if self.bare:
            return "quiver embed --prompt '' --input queries.txt"
        if self.instruction is None:
            return "quiver embed --as query --input queries.txt"
        return f"quiver embed --instruction {shlex.quote(self.instruction)} --input queries.txt"


OWN_PROMPT = Candidate()
BARE = Candidate(bare=True)


def tune_instruction(
    labels: RankingTask,
    embedder: Encoder,
    instructions: Sequence[str] = USUAL_INSTRUCTIONS,
    *,
    show_progress_bar: bool | None = None,
) -> Advice[Candidate]:
    """Compare instructions, the model's own prompt and none.

    Args:
        labels: queries, documents and which answers which.
        embedder: embeds the documents once, and the queries behind each instruction.
        instructions: sentences that name the task.
        show_progress_bar: None shows bars if standard error is a terminal.

    Texts that the labels' own set suggests are tried too. The default is the model's own prompt.
    """
    check_installed()
    own = [labels.instruction] if isinstance(labels.instruction, str) else []
    sentences = dict.fromkeys(text for text in (*own, *instructions) if text.strip())
    candidates = [OWN_PROMPT, BARE, *(Candidate(text) for text in sentences)]
    values = _values(labels, Embedding(embedder, show_progress_bar=show_progress_bar), candidates)

    def pick(queries: Indices) -> int:
        return int(np.argmax(values[:, queries].mean(axis=1)))

    checked = choose_and_check(values, pick, default=0)
    names = [candidate.name for candidate in candidates]
    verdict, reason = judged_gain(labels, values, checked, names, range(len(names)))
    best = candidates[checked.chosen if verdict is Verdict.HOLDS else 0]
    table = _table(labels, candidates, values)
    return Advice(
        title="Which instruction",
        value=best,
        recommended=best.name,
        verdict=verdict,
        reason=reason,
        python=best.python,
        shell=best.shell,
        table=table,
        figures=[_figure(labels, candidates, values, table)],
    )


def _values(labels: RankingTask, embedding: Embedding, candidates: Sequence[Candidate]) -> Values:
    """The metric of each query under each candidate [S, Q]."""
    documents = cut_to({"documents": embedding.documents(labels.documents)}, None)["documents"]
    rows = []
    for candidate in candidates:
        if candidate.bare:
            queries = embedding.documents(labels.queries)
        else:
            queries = embedding.queries(labels.queries, candidate.instruction)
        unit = cut_to({"queries": queries}, None)["queries"]
        found = labels.measure_queries(labels.ranked_by_vectors({"queries": unit, "documents": documents}))
        rows.append([found[query] for query in labels.query_ids])
    return np.asarray(rows)


def _table(labels: RankingTask, candidates: Sequence[Candidate], values: Values) -> Table:
    """Best first, each beside the default."""
    metric = labels.meta.metric
    columns = [Column("instruction"), Column(metric, ".4f"), Column("gain", "+.4f")]
    columns += [Column("from", "+.4f"), Column("to", "+.4f")]
    gains = [interval(row - values[0]) for row in values]
    order = sorted(range(len(candidates)), key=lambda place: -gains[place].mean)
    rows = [
        (candidates[i].name, float(values[i].mean()), gains[i].mean, gains[i].low, gains[i].high)
        for i in order
    ]
    note = "On all queries; the gain over the model's own prompt, and where it lies in 95 % of resamples."
    return Table("Instructions", columns, rows, note)


def _figure(labels: RankingTask, candidates: Sequence[Candidate], values: Values, table: Table) -> Figure:
    names = [f"{place}. {row[0]}" for place, row in enumerate(table.rows, start=1)]
    means = [float(row[1] or 0) for row in table.rows]
    return Figure(
        title=f"Quality by instruction: {labels.meta.metric}",
        chart=DotChart(Axis(labels.meta.metric), "instruction", names, [("all queries", means)]),
        caption="Best first. Marks that lie close together are not told apart by these queries.",
        table=table,
    )
