"""Losses against plain loops in Python's floats."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from quiver.train.losses import (
    ContrastiveBatch,
    InfoNCE,
    Matryoshka,
    cosine_distillation,
    listwise,
    similarity_distillation,
    yes_no,
)


def random_batch(rows: int, negatives: int, seed: int, dimension: int = 6) -> ContrastiveBatch:
    """Vectors close enough that the mask finds something, and some equal and absent documents."""
    generator = torch.Generator().manual_seed(seed)

    def vectors(*shape: int) -> Tensor:
        return torch.randn(*shape, dimension, generator=generator, dtype=torch.float64) + 0.7

    return ContrastiveBatch(
        vectors(rows),
        vectors(rows),
        vectors(rows, negatives),
        torch.randint(0, max(2, rows), (rows,), generator=generator),
        torch.randint(-1, max(2, rows), (rows, negatives), generator=generator),
    )


def cosine(a: Tensor, b: Tensor) -> float:
    x, y = [float(p) for p in a], [float(q) for q in b]
    product = sum(p * q for p, q in zip(x, y, strict=True))
    return product / math.sqrt(sum(p * p for p in x) * sum(q * q for q in y))


def naive_info_nce(batch: ContrastiveBatch, temperature: float, margin: float | None) -> float:
    rows, total = len(batch.queries), 0.0
    for i in range(rows):
        own = cosine(batch.queries[i], batch.positives[i])
        scores = []
        for k in range(batch.negatives.shape[1]):
            name = int(batch.negative_ids[i, k])
            if name >= 0 and name != int(batch.positive_ids[i]):
                scores.append(cosine(batch.queries[i], batch.negatives[i, k]))
        for j in range(rows):
            if int(batch.positive_ids[j]) != int(batch.positive_ids[i]):
                scores.append(cosine(batch.queries[i], batch.positives[j]))
                scores.append(cosine(batch.queries[i], batch.queries[j]))
                scores.append(cosine(batch.positives[i], batch.positives[j]))
        kept = [s for s in scores if margin is None or s <= own + margin]
        whole = math.exp(own / temperature) + sum(math.exp(s / temperature) for s in kept)
        total -= math.log(math.exp(own / temperature) / whole)
    return total / rows


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 7),
    negatives=st.integers(0, 4),
    seed=st.integers(0, 10_000),
    temperature=st.sampled_from([0.02, 0.1, 1.0]),
    margin=st.sampled_from([None, 0.1, -0.3]),
)
def test_info_nce_is_the_reports_formula(
    rows: int, negatives: int, seed: int, temperature: float, margin: float | None
) -> None:
    batch = random_batch(rows, negatives, seed)
    found = InfoNCE(temperature, margin)(batch)
    assert found.item() == pytest.approx(naive_info_nce(batch, temperature, margin), rel=1e-6, abs=1e-9)


def test_the_mask_carries_no_gradient_and_excluded_terms_none_either() -> None:
    batch = random_batch(4, 2, 1)
    for vectors in (batch.queries, batch.positives, batch.negatives):
        vectors.requires_grad_()
    InfoNCE(0.05, margin=-2.0)(batch).backward()
    assert batch.queries.grad is not None
    assert torch.equal(batch.queries.grad, torch.zeros_like(batch.queries))


def test_matryoshka_weighs_the_cuts() -> None:
    batch, loss = random_batch(5, 2, 3), InfoNCE(0.1)
    found = Matryoshka(loss, (6, 3), (1.0, 3.0))(batch)
    expected = (naive_info_nce(batch, 0.1, 0.1) + 3 * naive_info_nce(batch.cut(3), 0.1, 0.1)) / 4
    assert found.item() == pytest.approx(expected, rel=1e-6)


def test_cosine_distillation() -> None:
    batch = random_batch(5, 0, 4)
    expected = sum(1 - cosine(q, d) for q, d in zip(batch.queries, batch.positives, strict=True)) / 5
    assert cosine_distillation(batch.queries, batch.positives).item() == pytest.approx(expected, rel=1e-6)


def test_similarity_distillation() -> None:
    student, teacher, t = random_batch(4, 0, 5), random_batch(4, 0, 6, dimension=9), 0.1
    expected = 0.0
    for i in range(4):
        wanted = [math.exp(cosine(teacher.queries[i], d) / t) for d in teacher.positives]
        found = [math.exp(cosine(student.queries[i], d) / t) for d in student.positives]
        expected -= sum(
            w / sum(wanted) * math.log(f / sum(found)) for w, f in zip(wanted, found, strict=True)
        )
    loss = similarity_distillation(student.queries, student.positives, teacher.queries, teacher.positives, t)
    assert loss.item() == pytest.approx(expected / 4, rel=1e-6)


def test_yes_no_is_the_log_probability_of_the_label() -> None:
    logits = torch.tensor([[0.3, 1.2], [2.0, -1.0], [0.0, 0.1]], dtype=torch.float64)
    labels = torch.tensor([1, 0, 1])
    expected = 0.0
    for (no, yes), label in zip(logits.tolist(), labels.tolist(), strict=True):
        expected -= math.log(math.exp(yes if label else no) / (math.exp(no) + math.exp(yes)))
    assert yes_no(logits, labels).item() == pytest.approx(expected / 3, rel=1e-6)


def test_listwise_counts_present_documents_of_rows_with_a_relevant_one() -> None:
    logits = torch.randn(3, 4, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    labels = torch.tensor([[1.0, 0, 2, 0], [0, 0, 0, 0], [0, 1, 0, 5]])
    present = torch.tensor([[True, True, True, False], [True] * 4, [True, True, True, False]])
    expected = 0.0
    for i in (0, 2):
        documents = [j for j in range(4) if present[i, j]]
        scores = {j: float(logits[i, j, 1] - logits[i, j, 0]) for j in documents}
        whole = sum(math.exp(s) for s in scores.values())
        total = sum(float(labels[i, j]) for j in documents)
        expected -= sum(
            float(labels[i, j]) / total * math.log(math.exp(scores[j]) / whole) for j in documents
        )
    assert listwise(logits, labels, present).item() == pytest.approx(expected / 2, rel=1e-6)


def test_listwise_without_any_relevant_document_is_nothing() -> None:
    none = torch.zeros(1, 2)
    assert listwise(torch.randn(1, 2, 2), none, torch.ones(1, 2, dtype=torch.bool)).item() == 0.0
