"""Twins: the same page in two formats is one passage of a search."""

from typing import Any

import pytest

from quiver.search.searcher import Searcher
from quiver.search.store import Found
from quiver.search.twins import Twins
from tests.search.examples import NaiveStore, file, info, passage
from tests.search.test_searcher import Encoder

TEXT = "Reset moves the branch and may change the index and the working tree."
SOURCE = "git reset\n=========\nReset moves the branch and *may* change the index."


def found(path: str, text: str = TEXT, score: float = 1.0, **changes: Any) -> Found:
    return Found(passage(text, path, **changes), 0, score)


def paths(found: list[Found]) -> list[str]:
    return [each.passage.path for each in found]


@pytest.mark.parametrize(
    "source", ["git-reset.txt", "source/git-reset.adoc", "git-reset.rst.txt", "man/git-reset.1.gz"]
)
def test_a_page_stands_at_the_higher_rank_of_its_formats(source: str) -> None:
    ranking = [
        found(source, SOURCE, 3.0),
        found("other.md", "Else.", 2.0),
        found("git-reset.html", score=1.0),
    ]
    twins = Twins({"text": ranking})
    merged = twins.merged(ranking)
    assert paths(merged) == ["git-reset.html", "other.md"]
    assert [each.score for each in merged] == [3.0, 2.0]
    assert twins.other_paths(merged[0]) == (source,)
    assert twins.other_paths(merged[1]) == ()


def test_twins_meet_across_stages() -> None:
    dense, words = [found("reset.html")], [found("reset.txt", SOURCE)]
    twins = Twins({"dense": dense, "text": words})
    assert paths(twins.merged(dense)) == paths(twins.merged(words)) == ["reset.html"]


@pytest.mark.parametrize(
    ("first", "second", "text"),
    [
        ("v1/reset.html", "v2/reset.html", TEXT),  # two versions, both of them meant
        ("reset.c", "reset.h", TEXT),
        ("reset.csv", "reset.jsonl", TEXT),
        ("reset.html", "restore.txt", TEXT),
        ("reset-1.2.html", "reset-1.3.txt", TEXT),
        ("README.html", "README.md", "Another tree, with other words."),
    ],
)
def test_what_only_looks_alike_stays_apart(first: str, second: str, text: str) -> None:
    ranking = [found(first), found(second, text)]
    assert Twins({"text": ranking}).merged(ranking) == ranking


def test_a_search_names_the_other_files() -> None:
    store = NaiveStore(info())
    store.put([file("reset.html", TEXT), file("reset.txt", SOURCE), file("sea.md", "Ships sail.")])
    hits = Searcher(store, embedder=Encoder()).search("reset the index", explain=True)
    assert sorted(hit.passage.path for hit in hits) == ["reset.html", "sea.md"]
    [reset] = [hit for hit in hits if hit.other_paths]
    assert reset.other_paths == ("reset.txt",)
    assert [each.rank for each in reset.stages if each.stage == "text"] == [1]
