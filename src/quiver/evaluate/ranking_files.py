"""Ranking sets from files: ``corpus.jsonl``, ``queries.jsonl`` and ``qrels.tsv``, or ``rows.jsonl``."""

from collections.abc import Sequence
from pathlib import Path

from quiver.errors import InputError
from quiver.evaluate.lines import Line, read_jsonl, read_tsv
from quiver.evaluate.measures import Grades, check_measure
from quiver.evaluate.meta import Meta
from quiver.evaluate.ranking import RankingTask

QRELS = ("query-id", "corpus-id", "score")


def read_retrieval(meta: Meta) -> RankingTask:
    """Read a corpus, queries and judgements; queries without a relevant document are left out, as in mteb."""
    check_measure(meta.metric, str(meta.file("meta.json")))
    documents = _by_id(meta.file("corpus.jsonl"))
    queries = _by_id(meta.file("queries.jsonl"))
    grades = _grades(meta.file("qrels.tsv"), queries, documents)
    answerable = {query: queries[query] for query in queries if max(grades.get(query, {"": 0}).values()) > 0}
    if not answerable:
        raise InputError(f"{meta.file('qrels.tsv')}: no query has a relevant document")
    return RankingTask(
        meta=meta,
        query_ids=list(answerable),
        queries=[line.text("text") for line in answerable.values()],
        instruction=_instructions(list(answerable.values())) or meta.instruction,
        document_ids=list(documents),
        documents=[_document(line) for line in documents.values()],
        grades={query: grades[query] for query in answerable},
    )


def read_reranking(meta: Meta) -> RankingTask:
    """Read rows of a query with positive and negative documents.

    Ids let negatives stand before positives of the same score, as mteb's do. Rows without a positive are
    left out.
    """
    check_measure(meta.metric, str(meta.file("meta.json")))
    queries: list[str] = []
    ids: list[str] = []
    documents: list[str] = []
    grades: dict[str, dict[str, int]] = {}
    candidates: list[range] = []
    for number, line in enumerate(read_jsonl(meta.file("rows.jsonl"))):
        query, positives, negatives = line.text("query"), line.texts("positive"), line.texts("negative")
        if not positives:
            continue
        candidates.append(range(len(documents), len(documents) + len(positives) + len(negatives)))
        own = [f"a{number}-{i:05}" for i in range(len(positives))]
        own += [f"n{number}-{i:05}" for i in range(len(negatives))]
        grades[str(number)] = {each: int(each.startswith("a")) for each in own}
        queries.append(query)
        ids += own
        documents += [*positives, *negatives]
    if not queries:
        raise InputError(f"{meta.file('rows.jsonl')}: no row has a positive document")
    return RankingTask(meta, list(grades), queries, meta.instruction, ids, documents, grades, candidates)


def _by_id(path: Path) -> dict[str, Line]:
    lines: dict[str, Line] = {}
    for line in read_jsonl(path):
        own = line.text("_id")
        if own in lines:
            raise InputError(f"{line.where}: the id {own!r} stands on another line too")
        lines[own] = line
    if not lines:
        raise InputError(f"{path} is empty")
    return lines


def _document(line: Line) -> str:
    """Title and text, joined as in mteb."""
    title = line.text("title") if line.fields.get("title") is not None else ""
    return f"{title} {line.text('text')}".strip()


def _instructions(queries: Sequence[Line]) -> list[str] | None:
    """The queries' own instructions, if they have some; then every query needs one."""
    if not any("instruction" in line.fields for line in queries):
        return None
    instructions = []
    for line in queries:
        instructions.append(line.text("instruction"))
        if not instructions[-1].strip():
            raise InputError(f"{line.where}: the instruction is empty")
    return instructions


def _grades(path: Path, queries: dict[str, Line], documents: dict[str, Line]) -> Grades:
    grades: dict[str, dict[str, int]] = {}
    for line in read_tsv(path, QRELS):
        query, document, grade = (line.text(name) for name in QRELS)
        for own, known, file in ((query, queries, "queries.jsonl"), (document, documents, "corpus.jsonl")):
            if own not in known:
                raise InputError(f"{line.where}: the id {own!r} is not in {file}")
        judged = grades.setdefault(query, {})
        if document in judged:
            raise InputError(f"{line.where}: query {query!r} and document {document!r} are judged twice")
        judged[document] = _grade(grade, line.where)
    return grades


def _grade(text: str, where: str) -> int:
    try:
        grade = int(text)
    except ValueError:
        raise InputError(f"{where}: the score {text[:40]!r} is not a whole number") from None
    if not 0 <= grade <= 1000:
        raise InputError(f"{where}: the score {grade} is not between 0 and 1000")
    return grade
