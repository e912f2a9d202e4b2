"""What holds for every store, beside a naive one that does the same in memory."""

import threading

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quiver.errors import IndexBusy
from quiver.search.filter_syntax import parse_filter
from quiver.search.store import Found, IndexedFile, Store
from tests.search.conftest import OpenStore
from tests.search.examples import NaiveStore, file, fingerprint, info, passage, vector

FILES = [
    file("docs/git.md", "git reset undoes a commit", "git clean deletes files", title="Git", page=3),
    file("docs/sea.md", "ships sail", "the sea is wide; ships cross it", headings=("World", "Water")),
    file(
        "空/中国.txt",
        "北京是中国的首都。",
        "上海是一座城市。",
        metadata={"year": 2024, "lang": "zh", "old": False},
    ),
    file(
        "it's.txt", "quotes ' and % and _ and \\ stay", metadata={"year": 2001.5, "a b": "x'y", "old": True}
    ),
    file("empty.txt"),
]


def both(open_store: OpenStore, files: list[IndexedFile] = FILES) -> tuple[Store, NaiveStore]:
    """A store and the naive one with the same content, put file by file."""
    stores = open_store(info()), NaiveStore(info())
    for store in stores:
        with store.writing():
            for each in files:
                store.put([each])
            store.optimize()
    return stores


def places(found: list[Found]) -> list[tuple[str, int]]:
    return [(each.passage.path, each.number) for each in found]


def same(one: Store, other: Store) -> None:
    """Both hold the same files, passages and vectors."""
    assert one.files() == other.files()
    assert one.count() == other.count()
    for path in other.files():
        here, there = one.read(path), other.read(path)
        assert here is not None
        assert there is not None
        assert (here.path, here.digest, list(here.passages)) == (path, there.digest, list(there.passages))
        assert np.array_equal(here.vectors, there.vectors)


def test_what_was_put_is_read_back(open_store: OpenStore) -> None:
    store, naive = both(open_store)
    same(store, naive)
    assert store.read("nowhere") is None


def test_everything_is_there_when_it_is_opened_again(open_store: OpenStore) -> None:
    both(open_store)[0].close()
    about = info(fingerprint=fingerprint(weights="others"))
    again = open_store(about)
    assert again.info == info()
    assert again.files() == {each.path: each.digest for each in FILES}


def test_a_changed_file_takes_the_place_of_the_old_one(open_store: OpenStore) -> None:
    store, naive = both(open_store)
    changes = [file("docs/sea.md", "dry"), file("empty.txt", "no more"), file("it's.txt"), file("new", "n")]
    for each in (store, naive):
        each.put(changes)
    same(store, naive)
    assert places(store.search_text("ships", 9)) == []


def test_removed_files_are_gone(open_store: OpenStore) -> None:
    store, naive = both(open_store)
    for each in (store, naive):
        each.remove(["docs/git.md", "it's.txt", "never there"])
    same(store, naive)
    assert places(store.search_text("git", 9)) == []
    assert "docs/git.md" not in dict(places(store.search_vectors(vector("x"), 99)))


@pytest.mark.parametrize("exact", [False, True])
def test_vectors_are_found_by_their_cosine(open_store: OpenStore, exact: bool) -> None:
    store, naive = both(open_store)
    for text in ("one", "two", "three"):
        found = store.search_vectors(vector(text), 4, exact=exact)
        expected = naive.search_vectors(vector(text), 4)
        assert places(found) == places(expected)
        assert [each.passage for each in found] == [each.passage for each in expected]
        np.testing.assert_allclose([f.score for f in found], [f.score for f in expected], atol=1e-6)


@pytest.mark.parametrize("query", ["git", "ships sail the seas", "deleting", "中国首都", "world", "Ships"])
def test_words_are_found_by_bm25(open_store: OpenStore, query: str) -> None:
    store, naive = both(open_store)
    found, expected = store.search_text(query, 5), naive.search_text(query, 5)
    assert places(found) == places(expected)
    assert expected
    np.testing.assert_allclose([f.score for f in found], [f.score for f in expected], rtol=1e-5)


@pytest.mark.parametrize("query", ["", "...", "zebra", "' OR 1=1 --", '"', "AND NOT (", "\x00", "a" * 10_000])
def test_queries_that_find_no_word(open_store: OpenStore, query: str) -> None:
    store, _ = both(open_store, [file("a", "plain words")])
    assert store.search_text(query, 5) == []


def test_an_empty_store_finds_nothing(open_store: OpenStore) -> None:
    store = open_store(info())
    with store.writing():
        store.optimize()
    assert store.search_vectors(vector("x"), 5) == []
    assert store.search_text("x", 5) == []
    assert (store.count(), store.files()) == (0, {})


def test_what_was_put_is_found_before_it_is_optimized(open_store: OpenStore) -> None:
    store = open_store(info())
    store.put([file("a", "red apples")])
    assert places(store.search_text("apples", 5)) == [("a", 0)]
    store.optimize()
    store.put([file("b", "green apples")])
    assert sorted(places(store.search_text("apples", 5))) == [("a", 0), ("b", 0)]
    assert sorted(places(store.search_vectors(vector("x"), 5))) == [("a", 0), ("b", 0)]


@pytest.mark.parametrize(
    "where",
    [
        "path = 'docs/git.md'",
        "path LIKE 'docs/%'",
        "path = 'it''s.txt'",
        "NOT path LIKE '%.md'",
        "title = 'Git' AND page = 3",
        "page IS NULL",
        "page <> 3",
        "NOT page = 3",
        "headings LIKE '%Water'",
        "metadata.year > 2001",
        "metadata.year IN (2001.5, 7)",
        "metadata.year BETWEEN 2002 AND 2024",
        "NOT metadata.year = 2024",
        "metadata.year = '2024'",
        "metadata.lang = 'zh' OR metadata['a b'] = 'x''y'",
        "metadata.old",
        "metadata.old = false",
        "metadata.lang IS NULL",
        "metadata.never IS NOT NULL",
        "first_line >= 1 AND last_line < 2",
        "path < 'docs/h'",
    ],
)
def test_filters(open_store: OpenStore, where: str) -> None:
    store, naive = both(open_store)
    parsed = parse_filter(where)
    query = vector("anything")
    expected = naive.search_vectors(query, 99, parsed)
    assert places(store.search_vectors(query, 99, parsed)) == places(expected)
    words = "git ships 北京 城市 quotes"
    assert places(store.search_text(words, 99, parsed)) == places(naive.search_text(words, 99, parsed))


def test_a_filter_does_not_cost_results(open_store: OpenStore) -> None:
    files = [file(f"{number % 10}/{number}", f"text {number}") for number in range(100)]
    store, naive = both(open_store, [])
    for each in (store, naive):
        each.put(files)
    parsed = parse_filter("path LIKE '7/%'")
    found = store.search_vectors(vector("x"), 10, parsed)
    assert places(found) == places(naive.search_vectors(vector("x"), 10, parsed))
    assert len(found) == 10


def test_short_vectors_find_and_whole_ones_order(open_store: OpenStore) -> None:
    about = info(shortlist_dimension=2)
    store, naive = open_store(about), NaiveStore(about)
    files = [file(f"{number:02}", f"text {number}") for number in range(60)]
    for each in (store, naive):
        each.put(files)
    query = vector("x")
    found = store.search_vectors(query, 3)
    truth = {place: each.score for each in naive.search_vectors(query, 60) for place in places([each])}
    assert [each.score for each in found] == pytest.approx(
        [truth[place] for place in places(found)], abs=1e-6
    )
    beginnings = {each.path: vector(f"text {int(each.path)}")[:2] for each in files}
    cosine = {path: row @ query[:2] / np.linalg.norm(row) for path, row in beginnings.items()}
    shortlist = sorted(cosine, key=lambda path: -cosine[path])[:30]
    best = sorted(shortlist, key=lambda path: -truth[path, 0])[:3]
    assert places(found) == [(path, 0) for path in best]
    assert places(store.search_vectors(query, 3, exact=True)) == places(naive.search_vectors(query, 3))


def test_a_second_writer_is_told_who_writes(open_store: OpenStore) -> None:
    first, second = open_store(info()), open_store(info())
    with first.writing():
        with pytest.raises(IndexBusy, match=r"is being written by .*; wait, or stop it"), second.writing():
            pass
        assert second.count() == 0
    with second.writing():
        second.put([file("a", "text")])


def test_readers_see_each_finished_put(open_store: OpenStore) -> None:
    writer, reader = open_store(info()), open_store(info())
    assert reader.count() == 0
    for number in range(3):
        writer.put([file("a", *[f"text {number}"] * (number + 1))])
        assert reader.count() == number + 1
        writer.optimize()
        assert reader.search_text(f"{number}", 1)[0].passage.text == f"text {number}"


def test_readers_never_see_half_a_file(open_store: OpenStore) -> None:
    writer, reader = open_store(info()), open_store(info())
    versions = [file("a", *[f"text {number}"] * 20) for number in range(2)]
    writer.put([versions[0]])
    done = threading.Event()
    seen: set[tuple[str, ...]] = set()

    def look() -> None:
        while not done.is_set():
            found = reader.search_vectors(vector("x"), 99)
            seen.add(tuple(sorted({each.passage.text for each in found})))
            assert len(found) == 20

    watcher = threading.Thread(target=look)
    watcher.start()
    for number in range(20):
        writer.put([versions[number % 2]])
    done.set()
    watcher.join()
    assert seen <= {("text 0",), ("text 1",)}


def test_texts_of_every_kind_come_back(open_store: OpenStore) -> None:
    texts = ["", " \n\t", "\U0001f642 e\u0301 \u202e", "'; DROP TABLE passages; --", "x" * 100_000, "\\x00"]
    odd = IndexedFile(
        path="odd\n\"'.txt",
        digest="d",
        passages=[
            passage(text, "odd\n\"'.txt", headings=("a > b", ""), metadata={"k": None, "n": -1, "f": 1e300})
            for text in texts
        ],
        vectors=np.stack([vector(str(number)) for number in range(len(texts))]),
    )
    store, naive = both(open_store, [odd])
    same(store, naive)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.sampled_from("abc"), st.none() | st.lists(st.sampled_from(["x", "y z", ""]), max_size=3)
        ),
        max_size=6,
    )
)
def test_any_sequence_of_puts_and_removals(
    open_store: OpenStore, steps: list[tuple[str, list[str] | None]]
) -> None:
    store, naive = open_store(info()), NaiveStore(info())
    store.remove(list(store.files()))
    for path, texts in steps:
        for each in (store, naive):
            if texts is None:
                each.remove([path])
            else:
                each.put([file(path, *texts)])
    same(store, naive)
