"""What was published: the tables of Qwen3 Embedding's README, and scores by task from mteb's results.

The tables (Apache-2.0, https://github.com/QwenLM/Qwen3-Embedding) hold every row and column to the last
digit. The scores by task (``tasks/``, CC0, https://github.com/embeddings-benchmark/results, August 2026) are
those of the models in the tables; ``benchmarks/published_tasks.py`` wrote them.
"""

from quiver.evaluate.published.tables import (
    TABLES,
    Column,
    Table,
    TableRow,
    published_table,
    published_tables,
)
from quiver.evaluate.published.tasks import published_tasks

__all__ = [
    "TABLES",
    "Column",
    "Table",
    "TableRow",
    "published_table",
    "published_tables",
    "published_tasks",
]
