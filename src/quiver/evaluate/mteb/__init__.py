"""mteb: Quiver's models in mteb's own evaluator, on its benchmarks and on evaluation folders.

Nothing here imports mteb before a run begins: that alone takes seconds. Needs ``quiver-embed[eval]``.
"""

from quiver.evaluate.mteb.benchmarks import BENCHMARKS, benchmark_name, benchmark_tasks
from quiver.evaluate.mteb.folders import folder_task
from quiver.evaluate.mteb.instructions import folder_instruction, qwen3_instruction
from quiver.evaluate.mteb.models import (
    MtebCrossEncoder,
    MtebEncoder,
    is_mteb_model,
    open_mteb_model,
    reordering,
)
from quiver.evaluate.mteb.run import (
    RERANKED_TYPES,
    Candidates,
    Failure,
    Outcome,
    evaluate_tasks,
    rankings_folder,
)

__all__ = [
    "BENCHMARKS",
    "RERANKED_TYPES",
    "Candidates",
    "Failure",
    "MtebCrossEncoder",
    "MtebEncoder",
    "Outcome",
    "benchmark_name",
    "benchmark_tasks",
    "evaluate_tasks",
    "folder_instruction",
    "folder_task",
    "is_mteb_model",
    "open_mteb_model",
    "qwen3_instruction",
    "rankings_folder",
    "reordering",
]
