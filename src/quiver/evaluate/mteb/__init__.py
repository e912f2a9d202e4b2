"""mteb: Quiver's models in mteb's own evaluator, on its benchmarks and on evaluation folders.

Nothing here imports mteb before a run begins: that alone takes seconds. Needs ``quiver-embed[evaluate]``.
"""

from quiver.evaluate.mteb.benchmarks import BENCHMARKS, benchmark_name
from quiver.evaluate.mteb.run import Candidates, Failure, Outcome, evaluate_tasks

__all__ = ["BENCHMARKS", "Candidates", "Failure", "Outcome", "benchmark_name", "evaluate_tasks"]
