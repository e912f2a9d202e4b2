"""Single queries' scores, which mteb computes, averages and forgets."""

import math
from collections.abc import Mapping
from typing import Any, Self

CUTOFFS = {"ndcg_at_": "ndcg_cut_", "map_at_": "map_cut_", "recall_at_": "recall_", "precision_at_": "P_"}
"""What mteb's main scores are called by trec_eval; reciprocal ranks and p-MRR are not among them."""

ROUNDING = 1e-4
"""mteb rounds means to five digits."""


class QueryScores:
    """Listens to a ranking task while it is evaluated.

    mteb hands every query's scores to ``task_specific_scores``, which tasks override to add measures.
    """

    def __init__(self, task: Any) -> None:  # noqa: ANN401  (mteb's AbsTask)
        self._task = task
        self._seen: dict[str, Mapping[str, Mapping[str, float]]] = {}

    def __enter__(self) -> Self:
        if hasattr(self._task, "task_specific_scores"):
            original = self._task.task_specific_scores

            def listen(scores: Any, *given: Any, hf_split: str, hf_subset: str, **options: Any) -> Any:  # noqa: ANN401
                self._seen[f"{hf_split}/{hf_subset}"] = scores
                return original(scores, *given, hf_split=hf_split, hf_subset=hf_subset, **options)

            self._task.task_specific_scores = listen
        return self

    def __exit__(self, *error: object) -> None:
        self._task.__dict__.pop("task_specific_scores", None)

    def of_main_score(self, result: Any) -> dict[str, dict[str, float]]:  # noqa: ANN401  (mteb's TaskResult)
        """By part (``split/subset``) the main score of each query.

        Empty unless every part of the result was heard and its queries' mean is its score.
        """
        name = _trec_name(self._task.metadata.main_score)
        found: dict[str, dict[str, float]] = {}
        for split, parts in result.scores.items():
            for part in parts:
                heard = self._seen.get(f"{split}/{part['hf_subset']}")
                if not heard or not all(name in scores for scores in heard.values()):
                    return {}
                own = {query: float(scores[name]) for query, scores in heard.items()}
                if not math.isclose(sum(own.values()) / len(own), part["main_score"], abs_tol=ROUNDING):
                    return {}
                found[f"{split}/{part['hf_subset']}"] = own
        return found


def _trec_name(main_score: str) -> str:
    for ours, trec in CUTOFFS.items():
        if main_score.startswith(ours):
            return trec + main_score.removeprefix(ours)
    return ""
