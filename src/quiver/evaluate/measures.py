"""Measures: rankings to scores by trec_eval, through pytrec_eval as mteb does.

Documents of equal score stand in descending order of their ids, which is trec_eval's rule.
"""

import re
from collections.abc import Iterable, Mapping

from quiver.errors import InputError

Run = dict[str, dict[str, float]]
"""Scores of found documents by query id and document id."""

Grades = Mapping[str, Mapping[str, int]]
"""Judged relevance by query id and document id; 0 is judged irrelevant."""

MEASURE = re.compile(r"(ndcg|map|mrr|recall|precision|hit_rate)(?:@([1-9]\d{0,5}))?")
TREC_NAMES = {
    "ndcg": ("ndcg", "ndcg_cut"),
    "map": ("map", "map_cut"),
    "mrr": ("recip_rank", "recip_rank"),
    "recall": ("", "recall"),
    "precision": ("", "P"),
    "hit_rate": ("", "success"),
}
"""trec_eval's measures over the whole ranking and at a cutoff."""


def check_measure(name: str, where: str) -> None:
    """Raise InputError if a ranking cannot be scored by this measure."""
    _trec_measure(name, where)


def measure(run: Run, grades: Grades, names: Iterable[str]) -> dict[str, float]:
    """Means over all judged queries; a query that found nothing counts as 0."""
    found = measure_queries(run, grades, names)
    return {name: sum(scores.values()) / len(grades) for name, scores in found.items()}


def measure_queries(run: Run, grades: Grades, names: Iterable[str]) -> dict[str, dict[str, float]]:
    """By measure the score of each judged query."""
    import pytrec_eval

    wanted = {name: _trec_measure(name, "the measure") for name in names}
    judged = {query: dict(documents) for query, documents in grades.items()}
    found = pytrec_eval.RelevanceEvaluator(judged, {trec for trec, _ in wanted.values()}).evaluate(run)
    scores = {}
    for name, (trec, cutoff) in wanted.items():
        values = {query: found[query][trec.replace(".", "_")] for query in grades if query in found}
        if trec == "recip_rank" and cutoff:
            values = {query: value for query, value in values.items() if value and round(1 / value) <= cutoff}
        scores[name] = {query: float(values.get(query, 0.0)) for query in grades}
    return scores


def _trec_measure(name: str, where: str) -> tuple[str, int | None]:
    """The name that trec_eval knows, and the cutoff."""
    parts = MEASURE.fullmatch(name)
    cutoff = int(parts[2]) if parts and parts[2] else None
    trec = TREC_NAMES[parts[1]][cutoff is not None] if parts else ""
    if not trec:
        raise InputError(f"{where}: {name!r} is no measure of rankings; ndcg@10, mrr@10, recall@10, map are")
    return (trec if cutoff is None or trec == "recip_rank" else f"{trec}.{cutoff}"), cutoff
