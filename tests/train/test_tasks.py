from collections.abc import Sequence

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from quiver.models.checkpoint import open_checkpoint
from quiver.train.losses import ContrastiveBatch, InfoNCE, yes_no
from quiver.train.rows import TrainingRow
from quiver.train.tasks import Contrast, Judgement, number_documents, one_positive_each
from quiver.train.texts import EmbedderTexts, RerankerTexts

letters = st.sampled_from("abcde")
some_rows = st.lists(
    st.builds(
        lambda query, positive, negatives: TrainingRow(
            query, (f"+{positive}",), tuple(f"+{text}" for text in negatives if text != positive)
        ),
        letters,
        letters,
        st.lists(letters, max_size=3, unique=True),
    ),
    min_size=1,
    max_size=8,
)


def groups(rows: Sequence[TrainingRow]) -> list[set[str]]:
    """The slow way: documents are one group when chains of equal queries connect them."""
    found = [{row.query, row.positives[0]} for row in rows]
    for _ in rows:
        for group in found:
            for other in found:
                if group & other:
                    group |= other
                    other |= group
    return found


@given(some_rows)
def test_documents_of_equal_queries_have_one_number(rows: list[TrainingRow]) -> None:
    positive_ids, negative_ids = number_documents(rows, [row.negatives for row in rows])
    connected = groups(rows)
    for i, row in enumerate(rows):
        for j in range(len(rows)):
            assert (positive_ids[i] == positive_ids[j]).item() == (connected[i] == connected[j])
            for k, negative in enumerate(rows[j].negatives):
                assert (positive_ids[i] == negative_ids[j, k]).item() == (negative in connected[i])
        assert (negative_ids[i, len(row.negatives) :] == -1).all()


def test_rows_with_several_positives_become_several() -> None:
    rows = one_positive_each([TrainingRow("q", ("a", "b"), ("c",), "find")])
    assert [row.positives for row in rows] == [("a",), ("b",)]
    assert {(row.query, row.negatives, row.instruction) for row in rows} == {("q", ("c",), "find")}


def test_contrast_sorts_vectors_back_to_their_rows(embedder_folder: object) -> None:
    texts = EmbedderTexts.of(open_checkpoint(str(embedder_folder)), 64)
    seen: list[ContrastiveBatch] = []

    def criterion(batch: ContrastiveBatch) -> torch.Tensor:
        seen.append(batch)
        return InfoNCE()(batch)

    rows = [
        TrainingRow("q1", ("d1",), ("n1", "n2", "n3")),
        TrainingRow("q2", ("d2",)),
        TrainingRow("q3", ("d3",), ("n4",)),
    ]
    task = Contrast(texts, criterion, negatives=2)
    batch = task.collate(rows)
    vectors = torch.arange(1.0, len(batch["sequences"]) + 1)[:, None] * torch.ones(1, 4)
    assert torch.isfinite(task.loss(vectors, batch))
    (found,) = seen
    assert found.queries[:, 0].tolist() == [1, 2, 3]
    assert found.positives[:, 0].tolist() == [4, 5, 6]
    assert found.negatives[:, :, 0].tolist() == [[7, 8], [1, 1], [9, 1]]
    assert (found.negative_ids == -1).tolist() == [[False, False], [True, True], [False, True]]


@pytest.mark.parametrize("is_listwise", [False, True])
def test_judgement_labels_positives_yes(reranker_folder: object, is_listwise: bool) -> None:
    texts = RerankerTexts.of(open_checkpoint(str(reranker_folder)), 256)
    rows = [TrainingRow("q1", ("a", "b"), ("c",)), TrainingRow("q2", ("d",), ("e", "f", "g"))]
    task = Judgement(texts, negatives=2, is_listwise=is_listwise)
    batch = task.collate(rows)
    right = torch.tensor([[0.0, 9.0], [0, 9], [9, 0], [0, 9], [9, 0], [9, 0]])
    assert len(batch["sequences"]) == len(right)
    assert (
        task.loss(right, batch) < task.loss(torch.zeros_like(right), batch) < task.loss(right.flip(1), batch)
    )
    if not is_listwise:
        labels = torch.tensor([1.0, 1, 0, 1, 0, 0])
        torch.testing.assert_close(task.loss(right, batch), yes_no(right, labels))
