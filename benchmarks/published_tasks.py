"""Scores by task of the models in the published tables, drawn from a clone of mteb's results.

git clone https://github.com/embeddings-benchmark/results
python benchmarks/published_tasks.py results/results src/quiver/evaluate/published/tasks

Scores that the clone has for other splits or subsets than the benchmark's are left out, as in mteb.
"""

import argparse
import csv
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mteb.results import TaskResult

from quiver.evaluate.mteb.benchmarks import benchmark_tasks
from quiver.evaluate.published.tables import published_table
from quiver.evaluate.published.tasks import FILES

HUB_NAMES = {
    "NV-Embed-v2": "nvidia/NV-Embed-v2",
    "GritLM-7B": "GritLM/GritLM-7B",
    "BGE-M3": "BAAI/bge-m3",
    "multilingual-e5-large-instruct": "intfloat/multilingual-e5-large-instruct",
    "gte-Qwen2-1.5B-instruct": "Alibaba-NLP/gte-Qwen2-1.5B-instruct",
    "gte-Qwen2-7b-Instruct": "Alibaba-NLP/gte-Qwen2-7B-instruct",
    "gte-Qwen2-7B-instruct": "Alibaba-NLP/gte-Qwen2-7B-instruct",
    "text-embedding-3-large": "openai/text-embedding-3-large",
    "Cohere-embed-multilingual-v3.0": "Cohere/Cohere-embed-multilingual-v3.0",
    "gemini-embedding-exp-03-07": "google/gemini-embedding-001",
    "stella_en_1.5B_v5": "NovaSearch/stella_en_1.5B_v5",
    "bge-multilingual-gemma2": "BAAI/bge-multilingual-gemma2",
    "ritrieve_zh_v1": "richinfoai/ritrieve_zh_v1",
    "Qwen3-Embedding-0.6B": "Qwen/Qwen3-Embedding-0.6B",
    "Qwen3-Embedding-4B": "Qwen/Qwen3-Embedding-4B",
    "Qwen3-Embedding-8B": "Qwen/Qwen3-Embedding-8B",
}
"""What the tables' models are called among mteb's results; Gemini's preview was later renamed."""

TABLE_OF = {
    "MTEB(Multilingual, v2)": "multilingual",
    "MTEB(eng, v2)": "english",
    "MTEB(cmn, v1)": "chinese",
    "MTEB(Code, v1)": "multilingual",
}
"""Whose models are asked about a benchmark; code has no table of embedders."""


def scores_of(task: Any, folder: Path) -> Iterator[float]:  # noqa: ANN401  (mteb's task)
    """The model's score on a task in percent, if the results have all of its splits and subsets."""
    for path in sorted(folder.glob(f"*/{task.metadata.name}.json")):
        try:
            result = TaskResult.from_disk(path, load_historic_data=False).validate_and_filter_scores(task)
        except ValueError:
            continue
        score = 100 * float(result.get_score())
        if score == score:
            yield score


def write(benchmark: str, results: Path, target: Path) -> None:
    """One CSV: a row for each task, a column for each model that has a score at all."""
    models = [row.model for row in published_table(TABLE_OF[benchmark]).rows]
    rows = []
    for task in benchmark_tasks(benchmark):
        cells = []
        for model in models:
            found = list(scores_of(task, results / HUB_NAMES[model].replace("/", "__")))
            cells.append(f"{found[-1]:.4f}" if found else "")
        rows.append([task.metadata.name, task.metadata.type, *cells])
    with target.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["task", "type", *models])
        writer.writerows(rows)


def main() -> None:
    """Read the command line and write every file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("results", type=Path, help="the folder 'results' of the clone")
    parser.add_argument("target", type=Path)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    given.target.mkdir(exist_ok=True)
    for benchmark, name in FILES.items():
        write(benchmark, given.results, given.target / name)


if __name__ == "__main__":
    main()
