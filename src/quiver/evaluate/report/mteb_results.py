"""mteb's result folders as results: what ``quiver evaluate --results`` and mteb itself write."""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from quiver.errors import InputError
from quiver.evaluate.published.tasks import FILES, published_tasks
from quiver.evaluate.results import Result

OUR_TYPES = {
    "Retrieval": "retrieval",
    "Reranking": "reranking",
    "InstructionReranking": "instruction_pairs",
    "STS": "sts",
    "PairClassification": "pair_classification",
    "Classification": "classification",
    "Clustering": "clustering",
    "BitextMining": "bitext",
}
KNOWN_BY = {
    "ndcg_at_10": "retrieval",
    "cosine_spearman": "sts",
    "v_measure": "clustering",
    "max_ap": "pair_classification",
    "accuracy": "classification",
}
"""Types of tasks outside the benchmarks, whose files do not name them, by a metric that only they have."""
OTHER = "other"


def read_mteb_folder(folder: Path) -> list[Result]:
    """Results of all models and tasks under a folder; queries' scores come along where Quiver wrote them.

    Raises InputError for a folder without any, or a file that is damaged.
    """
    files = sorted(path for path in folder.rglob("*.json") if path.name != "model_meta.json")
    results = [result for path in files for result in _read(path, folder)]
    if not results:
        raise InputError(f"{folder} holds no results of mteb: no file with task_name and scores lies in it")
    return results


def _read(path: Path, folder: Path) -> Iterator[Result]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read as a result of mteb: {error}") from error
    if not isinstance(content, dict) or not {"task_name", "scores"} <= set(content):
        return
    try:
        yield _result(content, path, folder)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path} is no whole result of mteb: {error!r}") from error


def _result(content: Mapping[str, Any], path: Path, folder: Path) -> Result:
    parts = [part for split in content["scores"].values() for part in split]
    score = _mean([float(part["main_score"]) for part in parts])
    numbers = {
        name: _mean([float(part[name]) for part in parts])
        for name, value in parts[0].items()
        if isinstance(value, int | float) and all(isinstance(part.get(name), int | float) for part in parts)
    }
    metric = next((name for name, value in numbers.items() if name != "main_score" and value == score), "")
    task = str(content["task_name"])
    return Result(
        set=task,
        type=_types().get(task) or next((kind for name, kind in KNOWN_BY.items() if name in numbers), OTHER),
        languages=sorted({name.partition("-")[0] for part in parts for name in part.get("languages", ())}),
        metric=metric or "main_score",
        score=score,
        scores=numbers,
        system=_system(path),
        identity=f"data {content.get('dataset_revision')}; mteb {content.get('mteb_version')}",
        texts_cut=0,
        seconds=float(content.get("evaluation_time") or 0.0),
        by_query=_queries(path, folder),
    )


def _system(path: Path) -> str:
    """The model's name, and what else distinguishes the run."""
    below = path.parent
    experiment = f" ({below.name})" if below.parent.name == "experiments" else ""
    revision = below.parent.parent if experiment else below
    try:
        name = str(json.loads((revision / "model_meta.json").read_bytes())["name"])
    except (OSError, ValueError, KeyError, TypeError):
        name = revision.parent.name.replace("__", "/")
    return name + experiment


def _queries(path: Path, folder: Path) -> dict[str, float]:
    """Single queries' scores, which Quiver keeps beside mteb's files."""
    inside = path.relative_to(folder).parts
    root = folder.parent if folder.name == "results" else folder
    place = Path(*inside[1:]) if inside[0] == "results" else Path(*inside)
    try:
        found = json.loads((root / "queries" / place).read_bytes())
        return {f"{part} {name}": float(score) for part, own in found.items() for name, score in own.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


@cache
def _types() -> dict[str, str]:
    """Of the benchmarks' tasks."""
    return {
        task.name: OUR_TYPES.get(task.type, OTHER)
        for benchmark in FILES
        for task in published_tasks(benchmark)
    }


def _mean(numbers: Sequence[float]) -> float:
    return sum(numbers) / len(numbers)
