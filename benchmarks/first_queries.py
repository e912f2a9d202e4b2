"""First queries: a smaller set, where each query costs much."""

from dataclasses import replace

from quiver.evaluate.ranking import RankingTask


def first_queries(task: RankingTask, count: int) -> RankingTask:
    """The same with the first queries only; 0 keeps all."""
    if not count:
        return task
    instruction = task.instruction
    return replace(
        task,
        query_ids=task.query_ids[:count],
        queries=task.queries[:count],
        instruction=instruction if isinstance(instruction, str | None) else instruction[:count],
        grades={query: task.grades[query] for query in task.query_ids[:count]},
        candidates=task.candidates and task.candidates[:count],
    )
