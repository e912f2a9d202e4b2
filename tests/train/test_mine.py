"""Mining against a naive implementation: every score computed, every document looked at."""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quiver import Embedder, Reranker
from quiver.errors import InputError
from quiver.train import nearest
from quiver.train.mine import MiningRule, mine
from quiver.train.nearest import NearestDocuments
from quiver.train.rows import TrainingRow, read_rows, write_rows

WORDS = tuple("abcdefgh")
EVERYTHING = MiningRule(negatives=100)


@pytest.fixture
def no_margin(monkeypatch: pytest.MonkeyPatch) -> None:
    """For random models, whose positives score no higher than the rest."""
    monkeypatch.setattr(MiningRule, "limit", lambda self, positive: 2.0)


def grid_vectors(count: int) -> st.SearchStrategy[list[list[int]]]:
    """Small whole numbers: products are exact in any order, and ties are common."""
    return st.lists(st.lists(st.integers(-2, 2), min_size=2, max_size=2), min_size=count, max_size=count)


class GridEmbedder:
    """Looks texts up; instructions turn the vector round. Documents come two at a time."""

    embedding_dim = 2

    def __init__(self, vectors: dict[str, list[int]]) -> None:
        self.vectors = vectors

    def encode_query(
        self, texts: Sequence[str], *, instruction: Sequence[str] | None = None, **_: object
    ) -> Any:
        turned = [-1 if instruction else 1] * len(texts)
        return np.asarray([self.vectors[t] for t in texts], np.float32).reshape(-1, 2) * (turned[:1] or [1])

    def encode_stream(self, texts: Iterable[str], **_: object) -> Iterator[Any]:
        vectors = np.asarray([self.vectors[text] for text in texts], np.float32)
        yield from (vectors[start : start + 2] for start in range(0, len(vectors), 2))


def naive(
    rows: Sequence[TrainingRow], corpus: Sequence[str], vectors: dict[str, list[int]], rule: MiningRule
) -> list[list[str]]:
    documents = list(dict.fromkeys([p for row in rows for p in row.positives] + list(corpus)))
    mined = []
    for row in rows:
        sign = -1 if row.instruction else 1
        score = {d: sign * float(np.dot(vectors[row.query], vectors[d])) for d in documents}
        answers = {p for other in rows if other.query == row.query for p in other.positives}
        others = [d for d in documents if d not in answers | {row.query, *row.negatives}]
        ranked = sorted(others, key=lambda d: -score[d])[rule.first_rank - 1 : rule.last_rank]
        weakest = min(score[p] for p in row.positives)
        fit = [d for d in ranked if score[d] <= weakest - (1 - rule.share_of_positive) * abs(weakest)]
        mined.append(fit[: rule.negatives])
    return mined


texts = st.sampled_from(WORDS)
some_rows = st.builds(
    lambda query, documents, split, instruction: TrainingRow(
        query, tuple(documents[:split]), tuple(documents[split:]), instruction
    ),
    texts,
    st.lists(texts, min_size=1, max_size=4, unique=True),
    st.integers(1, 4),
    st.sampled_from([None, "turn"]),
)
rules = st.builds(
    lambda negatives, first, more, share: MiningRule(
        negatives=negatives, first_rank=first, last_rank=first + more, share_of_positive=share
    ),
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(0, 4),
    st.sampled_from([0.5, 0.75, 1.0]),
)


@given(st.lists(some_rows, min_size=1, max_size=5), st.lists(texts), grid_vectors(len(WORDS)), rules)
def test_mined_as_by_hand(
    rows: list[TrainingRow], corpus: list[str], grid: list[list[int]], rule: MiningRule
) -> None:
    vectors = dict(zip(WORDS, grid, strict=True))
    mined = mine(rows, cast(Embedder, GridEmbedder(vectors)), corpus=corpus, rule=rule)
    expected = naive(rows, corpus, vectors, rule)
    assert [list(m.negatives[len(r.negatives) :]) for m, r in zip(mined.rows, rows, strict=True)] == expected
    assert sum(n * count for n, count in mined.report.rows_by_negatives.items()) == sum(map(len, expected))
    for before, after in zip(rows, mined.rows, strict=True):
        assert (after.query, after.positives, after.instruction) == (
            before.query,
            before.positives,
            before.instruction,
        )
        assert after.negatives[: len(before.negatives)] == before.negatives


@given(st.data(), st.integers(1, 6), st.integers(1, 9), st.integers(1, 5), st.integers(1, 4))
def test_nearest_documents_in_any_blocks(
    data: st.DataObject, queries: int, documents: int, count: int, block: int
) -> None:
    ours = np.asarray(data.draw(grid_vectors(queries)), np.float32)
    theirs = np.asarray(data.draw(grid_vectors(documents)), np.float32)
    excluded = data.draw(st.lists(st.sets(st.integers(0, documents - 1)), min_size=queries, max_size=queries))
    found = NearestDocuments(ours, count, excluded)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nearest, "SCORES_AT_ONCE", 3)
        for start in range(0, documents, block):
            found.add(theirs[start : start + block])
    scores = ours @ theirs.T
    for query in range(queries):
        left = [d for d in range(documents) if d not in excluded[query]]
        best = sorted(left, key=lambda d: -scores[query, d])[:count]
        assert found.documents[query].tolist() == best + [-1] * (count - len(best))
        assert found.scores[query, : len(best)].tolist() == scores[query, best].tolist()
        assert {d: found.excluded_scores[query, d] for d in excluded[query]} == {
            d: scores[query, d] for d in excluded[query]
        }


@pytest.mark.usefixtures("no_margin")
def test_texts_that_differ_in_white_space_are_one_document(embedder: Embedder) -> None:
    rows = [TrainingRow("q", ("The answer.",)), TrainingRow("r", ("Another.",))]
    mined = mine(rows, embedder, corpus=["The  answer.\n", "", "q", "Third."], rule=EVERYTHING)
    assert mined.report.documents == 4
    assert set(mined.rows[0].negatives) == {"Another.", "Third."}
    assert set(mined.rows[1].negatives) == {"The answer.", "q", "Third."}


@pytest.mark.usefixtures("no_margin")
def test_positives_of_the_same_query_in_other_rows_are_no_negatives(embedder: Embedder) -> None:
    rows = [TrainingRow("q", ("one",)), TrainingRow("q", ("two",)), TrainingRow("r", ("three",))]
    assert [m.negatives for m in mine(rows, embedder, rule=EVERYTHING).rows[:2]] == [("three",), ("three",)]


@pytest.mark.usefixtures("no_margin")
def test_a_seed_samples_and_repeats(embedder: Embedder) -> None:
    rows = [TrainingRow("q", ("p",))]
    corpus = [f"document {number}" for number in range(40)]

    def sampled(seed: int | None) -> tuple[str, ...]:
        rule = MiningRule(negatives=5, seed=seed)
        return mine(rows, embedder, corpus=corpus, rule=rule).rows[0].negatives

    assert sampled(1) == sampled(1)
    assert len({sampled(None), sampled(1), sampled(2)}) == 3
    assert all(len(set(sampled(seed))) == 5 for seed in (None, 1, 2))


@pytest.mark.usefixtures("no_margin")
def test_the_reranker_drops_what_it_says_yes_to(embedder: Embedder, reranker: Reranker) -> None:
    rows = [TrainingRow("q", ("p",), instruction="i"), TrainingRow("r", ("s",))]
    corpus = [f"document {number}" for number in range(10)]
    scores = reranker.predict([("q", d) for d in corpus], instruction="i")
    highest = float(np.median(scores))
    rule = MiningRule(negatives=100, highest_relevance=highest)
    mined = mine(rows, embedder, corpus=corpus, rule=rule, reranker=reranker)
    expected = {d for d, s in zip(corpus, scores.tolist(), strict=True) if s <= highest}
    assert set(mined.rows[0].negatives) - {"s"} == expected
    assert mined.report.relevant >= len(corpus) - len(expected)


def test_no_row_and_no_other_document(embedder: Embedder) -> None:
    alone = mine([TrainingRow("q", ("p",))], embedder)
    assert alone.rows == [TrainingRow("q", ("p",))]
    assert alone.report.rows_by_negatives == {0: 1}
    assert np.isnan(alone.report.negative_score)
    assert mine([], embedder).rows == []


@pytest.mark.parametrize(
    "fields",
    [
        {"negatives": 0},
        {"first_rank": 0},
        {"first_rank": 5, "last_rank": 4},
        {"share_of_positive": 1.5},
        {"highest_relevance": -1.0},
    ],
)
def test_rules_that_cannot_be(fields: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        MiningRule(**fields)


def test_a_margin_below_zero_is_still_a_margin() -> None:
    assert MiningRule().limit(0.8) == pytest.approx(0.76)
    assert MiningRule().limit(-0.2) == pytest.approx(-0.21)


def test_rows_come_back_as_they_were_written(tmp_path: Path) -> None:
    raw = {"anchor": "q", "pos": ["p"], "negative_1": "n", "task": "t", "source": {"page": 3}}
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(raw))
    rows = read_rows([path])
    assert rows[0].other == {"source": {"page": 3}}
    write_rows(path, rows)
    assert read_rows([path]) == rows
    assert [p.name for p in tmp_path.iterdir()] == ["rows.jsonl"]
    with pytest.raises(AttributeError):
        write_rows(path, [*rows, None])  # type: ignore[list-item]
    assert read_rows([path]) == rows
    assert [p.name for p in tmp_path.iterdir()] == ["rows.jsonl"]
