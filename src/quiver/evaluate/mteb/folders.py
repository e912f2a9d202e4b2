"""Folders as mteb's tasks: the same data under mteb's own evaluator."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from quiver.errors import InputError
from quiver.evaluate.bitext import BitextTask
from quiver.evaluate.extra import need
from quiver.evaluate.labelled import ClassificationTask, ClusteringTask, Labelled
from quiver.evaluate.meta import data_digest
from quiver.evaluate.pairs import PairClassificationTask, SimilarityTask
from quiver.evaluate.ranking import RankingTask
from quiver.evaluate.tasks import Task, read_task

SPLIT, WHOLE = "test", "default"

TYPES: dict[str, tuple[str, str, str]] = {
    "retrieval": ("Retrieval", "mteb.abstasks.retrieval", "AbsTaskRetrieval"),
    "reranking": ("Reranking", "mteb.abstasks.retrieval", "AbsTaskRetrieval"),
    "sts": ("STS", "mteb.abstasks.sts", "AbsTaskSTS"),
    "pair_classification": (
        "PairClassification",
        "mteb.abstasks.pair_classification",
        "AbsTaskPairClassification",
    ),
    "classification": ("Classification", "mteb.abstasks.classification", "AbsTaskClassification"),
    "clustering": ("Clustering", "mteb.abstasks.clustering", "AbsTaskClustering"),
    "bitext": ("BitextMining", "mteb.abstasks.text.bitext_mining", "AbsTaskBitextMining"),
}
"""By type of folder: mteb's type, and the class that has its protocol."""

METRICS = {"map": "map_at_1000", "mrr": "mrr_at_1000"}
"""Metrics of rankings that mteb knows with a cutoff only."""


def folder_task(folder: str | Path) -> Any:  # noqa: ANN401  (mteb's AbsTask)
    """An evaluation folder as a task of mteb with its data loaded.

    Raises InputError for a folder that cannot be read or whose type mteb has not.
    """
    task = read_task(folder)
    if task.meta.type not in TYPES:
        raise InputError(
            f"{folder}: mteb has no tasks of the type {task.meta.type!r}; leave out the folder, or --results"
        )
    kind, module, base = TYPES[task.meta.type]
    own = type(
        "FolderTask",
        (getattr(need(module), base),),
        {"metadata": _metadata(task, kind), "load_data": _load(task), **OPTIONS.get(kind, {})},
    )()
    own.load_data()
    return own


OPTIONS: dict[str, dict[str, Any]] = {
    "Clustering": {"max_document_to_embed": None, "max_fraction_of_documents_to_embed": None}
}
"""Where a folder's protocol departs from mteb's defaults: all texts are embedded."""


def _metadata(task: Task, kind: str) -> Any:  # noqa: ANN401  (mteb's TaskMetadata)
    meta = task.meta
    return need("mteb.abstasks.task_metadata").TaskMetadata(
        name=meta.name,
        description=f"The evaluation folder {meta.name}.",
        reference=None,
        dataset={"path": f"local/{meta.name}", "revision": data_digest(meta.folder)},
        type=kind,
        category="t2t",
        modalities=["text"],
        eval_splits=[SPLIT],
        eval_langs=_languages(task),
        main_score=_metric(meta.metric),
        prompt=meta.instruction,
        date=None,
        domains=None,
        task_subtypes=None,
        license=None,
        annotations_creators=None,
        dialect=None,
        sample_creation=None,
        bibtex_citation=None,
    )


def _languages(task: Task) -> Any:  # noqa: ANN401
    """Bitext has a part for each direction; mteb wants scripts, which folders lack: all say English."""
    if isinstance(task, BitextTask):
        return {f"{first}-{second}": ["eng-Latn"] for first, second in _directions(task)}
    return ["eng-Latn"]


def _metric(name: str) -> str:
    return METRICS.get(name, name.replace("@", "_at_"))


def _load(task: Task) -> Callable[..., None]:
    """What the task's class does when mteb asks it for its data."""

    def load_data(self: Any, *given: Any, **options: Any) -> None:  # noqa: ANN401
        if not self.data_loaded:
            self.dataset, self.data_loaded = _data(task), True

    return load_data


def _data(task: Task) -> Any:  # noqa: ANN401
    if isinstance(task, RankingTask):
        return {WHOLE: {SPLIT: _ranking(task)}}
    if isinstance(task, BitextTask):
        return {
            f"{first}-{second}": _splits(test=_pairs(task.sentences[first], task.sentences[second]))
            for first, second in _directions(task)
        }
    if isinstance(task, SimilarityTask):
        return _splits(test=_pairs(task.first, task.second, score=task.values))
    if isinstance(task, PairClassificationTask):
        return _splits(test=_pairs(task.first, task.second, labels=[int(value) for value in task.values]))
    if isinstance(task, ClassificationTask):
        names = sorted({*task.train.labels, *task.test.labels})
        return _splits(train=_labelled(task.train, names), test=_labelled(task.test, names))
    if isinstance(task, ClusteringTask):
        return _splits(test=_rows(sentences=task.test.texts, labels=task.test.labels))
    raise InputError(f"{task.meta.folder}: mteb has no tasks of the type {task.meta.type!r}")


def _ranking(task: RankingTask) -> dict[str, Any]:
    queries: dict[str, Sequence[Any]] = {"id": task.query_ids, "text": task.queries}
    if task.instruction is not None and not isinstance(task.instruction, str):
        queries["instruction"] = task.instruction
    candidates = None
    if task.candidates is not None:
        candidates = {
            query: [task.document_ids[position] for position in positions]
            for query, positions in zip(task.query_ids, task.candidates, strict=True)
        }
    return {
        "corpus": _rows(id=task.document_ids, text=task.documents),
        "queries": _rows(**queries),
        "relevant_docs": {query: dict(grades) for query, grades in task.grades.items()},
        "top_ranked": candidates,
    }


def _directions(task: BitextTask) -> list[tuple[str, str]]:
    pivot, *others = task.sentences
    return [pair for other in others for pair in ((other, pivot), (pivot, other))]


def _labelled(labelled: Labelled, names: Sequence[str]) -> Any:  # noqa: ANN401
    return _rows(text=labelled.texts, label=[names.index(label) for label in labelled.labels])


def _pairs(first: Sequence[str], second: Sequence[str], **values: Sequence[Any]) -> Any:  # noqa: ANN401
    return _rows(sentence1=first, sentence2=second, **values)


def _rows(**columns: Sequence[Any]) -> Any:  # noqa: ANN401
    return need("datasets").Dataset.from_dict({name: list(values) for name, values in columns.items()})


def _splits(**splits: Any) -> Any:  # noqa: ANN401
    return need("datasets").DatasetDict(splits)
