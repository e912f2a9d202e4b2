"""Results as runs leave them, with the scores that a test wants."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from quiver.evaluate.results import FORMAT, Result

SETS: Mapping[str, tuple[str, str, Sequence[str]]] = {
    "news-en": ("retrieval", "ndcg@10", ["en"]),
    "news-zh": ("retrieval", "ndcg@10", ["zh-Hans"]),
    "pairs-en": ("sts", "cosine_spearman", ["en"]),
    "pairs-de": ("pair_classification", "cosine_ap", ["de"]),
}
"""Name, type, metric, languages."""


def results(
    system: str,
    scores: Mapping[str, float],
    *,
    precision: str = "float32",
    dimension: int = 256,
    seconds: float = 2.0,
    data: str = "d1",
) -> list[Result]:
    fingerprint = f"quiver1:w-{precision}:t:last-token:p:{dimension}:{precision}"
    found = []
    for name, score in scores.items():
        kind, metric, languages = SETS.get(name, ("retrieval", "ndcg@10", ["en"]))
        result = Result(
            set=name,
            type=kind,
            languages=list(languages),
            metric=metric,
            score=score,
            scores={metric: score},
            system=system,
            identity=f"data {data}; {system.partition('@')[0]} {fingerprint} max_length=512",
            texts_cut=0,
            seconds=seconds,
        )
        found.append(result)
    return found


def write(path: Path, *groups: Sequence[Result]) -> Path:
    content = {"format": FORMAT, "results": [asdict(result) for group in groups for result in group]}
    path.write_text(json.dumps(content))
    return path


def everywhere(score: float) -> dict[str, float]:
    return {name: score + place / 100 for place, name in enumerate(SETS)}


def varied(folder: Path, *, name: str = "mini") -> list[Path]:
    """Two precisions, four dimensions and a reranker, in two files."""
    files = []
    for precision, lower in (("float32", 0.0), ("int8", 0.01)):
        whole = results(name, everywhere(0.6 - lower), precision=precision, seconds=3 + 100 * lower)
        cuts = [
            results(f"{name}@{dimension}", everywhere(0.3 + dimension / 1000 - lower), precision=precision)
            for dimension in (128, 64, 32)
        ]
        reranked = results(f"{name} + judge", everywhere(0.65 - lower), precision=precision, seconds=40)
        files.append(write(folder / f"{precision}.json", whole, *cuts, reranked))
    return files
