"""Losses of embedders and rerankers, as functions of what the network gave.

The report is the Qwen3 Embedding technical report (arXiv:2506.05176). Letters in shape comments: N rows of a
batch, K hard negatives of each (fewer are marked absent), E dimensions, D documents of a list.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True, slots=True)
class ContrastiveBatch:
    """Vectors of N rows, of any length, and which documents are the same text."""

    queries: Tensor
    """[N, E]"""
    positives: Tensor
    """[N, E]"""
    negatives: Tensor
    """[N, K, E]"""
    positive_ids: Tensor
    """[N] equal numbers are equal documents."""
    negative_ids: Tensor
    """[N, K] -1 where a row has fewer than K negatives."""

    def cut(self, dimension: int) -> "ContrastiveBatch":
        """The same batch with the first dimensions of every vector."""
        queries, positives, negatives = (
            vectors[..., :dimension] for vectors in (self.queries, self.positives, self.negatives)
        )
        return ContrastiveBatch(queries, positives, negatives, self.positive_ids, self.negative_ids)


@dataclass(frozen=True, slots=True)
class InfoNCE:
    """The contrastive loss of the report (section 3.1, equations 1 and 2).

    For a row i of queries q and positives d, with cosine s and temperature t:

        L_i = -log( exp(s(q_i, d_i) / t) / Z_i )
        Z_i = exp(s(q_i, d_i) / t)
            + sum_k    m_ik exp(s(q_i, d-_ik) / t)     its own hard negatives
            + sum_j!=i m_ij exp(s(q_i, q_j) / t)       other queries
            + sum_j!=i m_ij exp(s(d_i, d_j) / t)       other positives against its positive
            + sum_j!=i m_ij exp(s(q_i, d_j) / t)       other positives against its query

    The mask m is 0, for a likely false negative, where the term's own score exceeds s(q_i, d_i) + margin or
    the document equals d_i; it carries no gradient.
    """

    temperature: float = 0.02
    margin: float | None = 0.1
    """None turns the mask on scores off; equal documents never count as negatives."""
    within: bool = True
    """Whether the second and third sums count: queries, and documents, among each other."""

    def __call__(self, batch: ContrastiveBatch) -> Tensor:
        """Mean over the rows: []."""
        queries, positives = F.normalize(batch.queries, dim=-1), F.normalize(batch.positives, dim=-1)
        negatives = F.normalize(batch.negatives, dim=-1)
        across = queries @ positives.T
        own = across.diagonal()[:, None]
        same = batch.positive_ids[:, None] == batch.positive_ids[None, :]
        absent = (batch.negative_ids < 0) | (batch.negative_ids == batch.positive_ids[:, None])
        terms = [
            self._masked(torch.einsum("ne,nke->nk", queries, negatives), absent, own),
            self._masked(across, same, own),
        ]
        if self.within:
            terms.append(self._masked(queries @ queries.T, same, own))
            terms.append(self._masked(positives @ positives.T, same, own))
        logits = torch.cat([own, *terms], dim=1) / self.temperature
        return (torch.logsumexp(logits, dim=1) - logits[:, 0]).mean()

    def _masked(self, scores: Tensor, excluded: Tensor, own: Tensor) -> Tensor:
        if self.margin is not None:
            excluded = excluded | (scores.detach() > own.detach() + self.margin)
        return scores.masked_fill(excluded, -torch.inf)


@dataclass(frozen=True, slots=True)
class Matryoshka:
    """A loss over several cuts of the vectors, added up (Kusupati et al., arXiv:2205.13147, equation 1).

    L = sum_m w_m loss(vectors[:m]), divided by sum_m w_m.
    """

    loss: Callable[[ContrastiveBatch], Tensor]
    dimensions: Sequence[int]
    weights: Sequence[float] | None = None
    """None weighs all alike."""

    def __call__(self, batch: ContrastiveBatch) -> Tensor:
        """The weighted mean over the dimensions: []."""
        weights = [1.0] * len(self.dimensions) if self.weights is None else list(self.weights)
        losses = [w * self.loss(batch.cut(d)) for d, w in zip(self.dimensions, weights, strict=True)]
        return torch.stack(losses).sum() / sum(weights)


def cosine_distillation(student: Tensor, teacher: Tensor) -> Tensor:
    """1 - cosine to the teacher's vector, in the mean: [N, E] and [N, E] to []."""
    return (1 - F.cosine_similarity(student, teacher, dim=-1)).mean()


def similarity_distillation(
    student_queries: Tensor,
    student_documents: Tensor,
    teacher_queries: Tensor,
    teacher_documents: Tensor,
    temperature: float,
) -> Tensor:
    """Cross-entropy of the student's shares of the batch's documents for a query, against the teacher's.

    [N, E] each, the teacher's of any width, to []:
    L = -mean_i sum_j softmax_j(T_ij / t) log softmax_j(S_ij / t), cosines T and S.
    """
    wanted = _cosines(teacher_queries, teacher_documents) / temperature
    found = _cosines(student_queries, student_documents) / temperature
    return F.cross_entropy(found, wanted.softmax(dim=1))


def _cosines(queries: Tensor, documents: Tensor) -> Tensor:
    return F.normalize(queries, dim=-1) @ F.normalize(documents, dim=-1).T


def yes_no(logits: Tensor, labels: Tensor) -> Tensor:
    """Supervised fine-tuning of a reranker (the report, section 3.2): L = -log p(label | query, document).

    logits [N, 2] of "no" and "yes", labels [N] 0 or 1 (or a probability of "yes" between), to [].
    """
    return F.binary_cross_entropy_with_logits(logits[:, 1] - logits[:, 0], labels.to(logits.dtype))


def listwise(logits: Tensor, labels: Tensor, present: Tensor) -> Tensor:
    """Softmax cross-entropy over the documents of a query (ListNet, Cao et al. 2007, top-one probabilities).

    logits [N, D, 2] of "no" and "yes", labels [N, D] relevance of at least 0, present [N, D] bool, to []:
    L = -mean_i sum_j p_ij log softmax_j(yes_ij - no_ij), where p_i are row i's labels divided by their sum.
    Rows without a relevant document do not count.
    """
    scores = (logits[..., 1] - logits[..., 0]).masked_fill(~present, -torch.inf)
    labels = (labels * present).to(logits.dtype)
    total = labels.sum(dim=1)
    counted = total > 0
    log_shares = scores.log_softmax(dim=1).masked_fill(~present, 0.0)
    losses = -(labels * log_shares).sum(dim=1) / total.clamp(min=torch.finfo(logits.dtype).tiny)
    return losses[counted].mean() if counted.any() else scores.new_zeros(())
