"""Labels: which documents answer which queries, as people have judged or clicked.

A row has a query, a document (its id or its text, or a list of them) and perhaps a grade or clicks; rows with
lists of positives and negatives, as for training, are labels too, and so is an evaluation folder.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from quiver.errors import InputError
from quiver.evaluate.lines import Line, check_text
from quiver.evaluate.measures import check_measure
from quiver.evaluate.meta import Meta
from quiver.evaluate.ranking import RankingTask
from quiver.evaluate.tasks import read_task
from quiver.evaluate.tune.corpus import ID_FIELDS, Corpus, read_corpus
from quiver.evaluate.tune.rows import read_rows, texts_of

QUERY_FIELDS = ("query", "question", "anchor")
DOCUMENT_FIELDS = (
    "document",
    "document_id",
    "doc_id",
    "corpus-id",
    "positive",
    "positives",
    "answer",
    "passage",
)
NEGATIVE_FIELDS = ("negative", "negatives")
GRADE_FIELDS = ("grade", "relevance", "score")
CLICK_FIELD = "clicks"
HIGHEST_GRADE = 1000

USUAL_METRIC = "ndcg@10"


def read_labels(
    path: str | Path, *, corpus: Sequence[str | Path] = (), metric: str | None = None
) -> RankingTask:
    """Read labels and the documents that they speak of.

    Args:
        path: rows as ``.csv``, ``.tsv``, ``.jsonl`` or ``.parquet``, or a folder that ``evaluate`` reads.
        corpus: all documents; without it, those of the labels are all there are.
        metric: what a ranking is scored by; ``ndcg@10``, or the folder's own.

    Raises InputError that names file and line.
    """
    path = Path(path)
    if metric is not None:
        check_measure(metric, "the metric")
    if path.is_dir():
        task = read_task(path)
        if not isinstance(task, RankingTask):
            raise InputError(
                f"{path} is a set of {task.meta.type}; advice needs rankings: queries and documents"
            )
        return replace(task, meta=replace(task.meta, metric=metric or task.meta.metric))
    judged = _Judged(read_corpus([Path(each) for each in corpus]) if corpus else Corpus(), bool(corpus))
    for line in read_rows(path):
        judged.add(line)
    return judged.task(path, metric or USUAL_METRIC)


@dataclass(slots=True)
class _Judged:
    """Labels as they are read."""

    corpus: Corpus
    corpus_is_whole: bool
    grades: dict[str, dict[int, int]] = field(default_factory=dict)
    """By query, the grade of each document by its position."""
    clicks: dict[tuple[str, int], float] = field(default_factory=dict)

    def add(self, line: Line) -> None:
        """Add one row."""
        query = check_text(line.fields[_field(line, QUERY_FIELDS, "query")], "query", line.where)
        if not query.strip():
            raise InputError(f"{line.where}: the query is empty")
        name = _field(line, DOCUMENT_FIELDS, "document")
        if name in ID_FIELDS and not self.corpus_is_whole:
            raise InputError(f"{line.where}: {name!r} names documents by id; give the corpus that has them")
        for text in texts_of(line, name):
            self._judge(query, self._position(text, line), line)
        for name in NEGATIVE_FIELDS:
            for text in texts_of(line, name) if line.fields.get(name) else ():
                self.grades.setdefault(query, {}).setdefault(self._position(text, line), 0)

    def task(self, path: Path, metric: str) -> RankingTask:
        """All labels; queries without a relevant document are left out."""
        for (query, document), clicks in self.clicks.items():
            self.grades[query][document] = _grade_of_clicks(clicks)
        kept = {query: own for query, own in self.grades.items() if max(own.values(), default=0) > 0}
        if not kept:
            raise InputError(f"{path}: no query has a relevant document")
        ids = self.corpus.ids
        numbered = {str(number): own for number, own in enumerate(kept.values())}
        return RankingTask(
            meta=Meta(folder=path.parent, name=path.stem, type="retrieval", metric=metric, instruction=None),
            query_ids=list(numbered),
            queries=list(kept),
            instruction=None,
            document_ids=ids,
            documents=self.corpus.texts,
            grades={
                q: {ids[document]: grade for document, grade in own.items()} for q, own in numbered.items()
            },
        )

    def _judge(self, query: str, document: int, line: Line) -> None:
        own = self.grades.setdefault(query, {})
        if line.fields.get(CLICK_FIELD) not in (None, ""):
            place = (query, document)
            self.clicks[place] = self.clicks.get(place, 0) + _number(line, CLICK_FIELD)
            own.setdefault(document, 0)
            return
        graded = next((name for name in GRADE_FIELDS if line.fields.get(name) not in (None, "")), None)
        grade = 1 if graded is None else _whole(line, graded)
        own[document] = max(grade, own.get(document, 0))

    def _position(self, text: str, line: Line) -> int:
        if not text.strip():
            raise InputError(f"{line.where}: the document is empty")
        if not self.corpus_is_whole:
            return self.corpus.add(None, text, line.where)
        found = self.corpus.find(text)
        if found is None:
            raise InputError(
                f"{line.where}: {text[:60]!r} is neither id nor text of a document in the corpus"
            )
        return found


def _field(line: Line, names: Sequence[str], what: str) -> str:
    """The first of the names that the row has."""
    found = next((name for name in names if line.fields.get(name) is not None), None)
    if found is None:
        raise InputError(
            f"{line.where}: no {what}: none of the fields {', '.join(names)}; found {', '.join(line.fields)}"
        )
    return found


def _grade_of_clicks(clicks: float) -> int:
    """1 click is grade 1, 3 are 2, 7 are 3: many clicks say little more than some."""
    return round(math.log2(1 + clicks))


def _whole(line: Line, name: str) -> int:
    number = _number(line, name)
    if number != int(number) or number > HIGHEST_GRADE:
        raise InputError(
            f"{line.where}: {name!r} must be a whole number up to {HIGHEST_GRADE}, not {number:g}"
        )
    return int(number)


def _number(line: Line, name: str) -> float:
    try:
        number = float(line.fields[name])
    except (TypeError, ValueError):
        number = math.nan
    if not 0 <= number < math.inf:
        raise InputError(f"{line.where}: {name!r} must be a number from 0 on, not {line.fields[name]!r}")
    return number
