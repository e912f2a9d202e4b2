"""Examine: does a server give the vectors and scores that its model should?

Without the model at hand the checks are those that need no weights: limits that cut silently, dimensions
that are ignored, results that depend on the batch, answers that are plainly wrong. With it, vectors and
scores are compared with our own, and with what known mistakes would give.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from quiver.doctor import DOCUMENTS, QUERIES, Check, Diagnosis
from quiver.embedder import Embedder, normalize
from quiver.engine.remote.connection import Connection
from quiver.engine.remote.first_look import ALONE_TOLERANCE, ANSWERED, LEAST_COSINE
from quiver.engine.remote.served import (
    DECLINED,
    ServedScores,
    ServedVectors,
    find_scores,
    find_vectors,
    models_to_try,
    unknown_server,
)
from quiver.models.checkpoint import open_checkpoint
from quiver.remote import mistakes
from quiver.reranker import Reranker
from quiver.results import Floats
from quiver.text.tokenizer import END_TOKEN

FILLER = ("one", "two", "and", "then", "the", "same", "again", "with")
"""Words that are one token in most vocabularies."""
WORDS_OF_LONG_TEXTS = (200, 450, 1000, 3000)
SAME = 1e-6
LARGEST_DIFFERENCE = 0.02
SHORT_DIMENSION = 32


def examine_server(
    connection: Connection, *, served_as: str | None = None, reference: str | Path | None = None
) -> list[Diagnosis]:
    """Check what a server embeds and reranks, one diagnosis for each that it does.

    ``served_as`` is the model's name there (None: the first that it lists), ``reference`` the same model
    at hand, by hub name or folder. Raises EndpointError if the server does neither.
    """
    models = models_to_try(connection, served_as, None)
    kind = open_checkpoint(reference).kind if reference is not None else None
    embeds, reasons = find_vectors(connection, models)
    reranks, more = find_scores(connection, models)
    if embeds is None and reranks is None:
        raise unknown_server(connection.url, "", [*reasons, *more])
    diagnoses = []
    if embeds is not None:
        embedder = Embedder(reference) if kind == "embedder" else None
        vectors, _ = embeds
        checks = list(_examine_embedding(vectors, embedder))
        diagnoses.append(Diagnosis(vectors.model, "embedder", connection.url, checks))
    if reranks is not None:
        reranker = Reranker(reference) if kind == "reranker" else None
        scores, _ = reranks
        checks = list(_examine_reranking(scores, reranker))
        diagnoses.append(Diagnosis(scores.model, "reranker", connection.url, checks))
    return diagnoses


def _examine_embedding(served: ServedVectors, reference: Embedder | None) -> Iterator[Check]:
    questions, answers = zip(*ANSWERED, strict=True)
    together = served(*questions, *answers).rows
    dimension = together.shape[1]
    yield Check("dialect", True, f"{served.dialect.name}, {served.dialect.path}, {dimension} dimensions")
    finite = bool(np.isfinite(together).all())
    yield Check("finite", finite, "no NaN or infinity" if finite else "NaN or infinity in the vectors")
    if not finite:
        return
    lengths = np.linalg.norm(together, axis=1)
    is_unit = bool(np.abs(lengths - 1).max() < ALONE_TOLERANCE)
    yield Check("unit length", is_unit or None, f"lengths from {lengths.min():.3f} to {lengths.max():.3f}")
    unit = normalize(together)
    alone = np.concatenate([served(text).rows for text in (*questions, *answers)])
    yield _alike("batch invariance", float(np.abs(normalize(alone) - unit).max()))
    yield _finds_answers(unit[: len(questions)] @ unit[len(questions) :].T)
    yield _embeds_whole_texts(served)
    yield _honours_dimensions(served, dimension)
    yield _counts_end_token(served)
    if reference is not None:
        yield _vectors_as_at_hand(served, reference)


def _examine_reranking(served: ServedScores, reference: Reranker | None) -> Iterator[Check]:
    questions, answers = zip(*ANSWERED, strict=True)
    scores = np.stack([served(question, *answers).scores for question in questions])
    yield Check("dialect", True, f"{served.dialect.name}, {served.dialect.path}")
    finite = bool(np.isfinite(scores).all())
    yield Check("finite", finite, "no NaN or infinity" if finite else "NaN or infinity in the scores")
    if not finite:
        return
    alone = [served(questions[0], answer).scores for answer in answers]
    yield _alike("batch invariance", float(np.abs(np.concatenate(alone) - scores[0]).max()))
    yield _finds_answers(scores)
    yield _spreads(scores)
    yield _reranks_whole_texts(served)
    if reference is not None:
        yield _scores_as_at_hand(served, reference)


def _alike(name: str, difference: float) -> Check:
    detail = f"alone and in a batch differ by {difference:.1e} (at most {ALONE_TOLERANCE:.0e} allowed)"
    return Check(name, difference <= ALONE_TOLERANCE, detail)


def _finds_answers(scores: Floats) -> Check:
    found = int((scores.argmax(axis=1) == np.arange(len(scores))).sum())
    detail = f"{found} of {len(scores)} easy questions have their answer on top"
    if found < len(scores) - 1:
        detail += ": a wrong template, wrong pooling, or no model of this kind?"
        return Check("easy answers", False, detail)
    return Check("easy answers", True, detail)


def _spreads(scores: Floats) -> Check:
    right, others = np.diag(scores), scores[~np.eye(len(scores), dtype=bool)]
    detail = f"answers score {right.mean():.3f}, other documents {others.mean():.3f}"
    return Check("spread", bool(right.mean() > others.mean() + LARGEST_DIFFERENCE), detail)


def _long_text(words: int, last: str) -> str:
    return " ".join([f"item{i % 97}" for i in range(words)] + [last])


def _embeds_whole_texts(served: ServedVectors) -> Check:
    def are_alike(first: str, second: str) -> bool:
        one, other = normalize(served(first, second).rows)
        return bool(np.abs(one - other).max() < SAME)

    return _ends_count(are_alike, "a volcano erupts", "they cut the wedding cake")


def _reranks_whole_texts(served: ServedScores) -> Check:
    (question, answer), _, (_, other_answer), *_ = ANSWERED

    def are_alike(first: str, second: str) -> bool:
        one, other = map(float, served(question, first, second).scores)
        return abs(one - other) <= SAME * abs(one)

    return _ends_count(are_alike, answer, other_answer)


def _ends_count(are_alike: Callable[[str, str], bool], end: str, other_end: str) -> Check:
    """Texts that differ at their end only must differ, or be refused."""
    name = "whole texts"
    for words in WORDS_OF_LONG_TEXTS:
        start = " ".join(FILLER[number % len(FILLER)] for number in range(words))
        try:
            is_cut = are_alike(f"{start} {end}", f"{start} {other_end}")
        except DECLINED as error:
            return Check(name, True, f"a text of {words} words is refused, not cut: {error}")
        if is_cut:
            return Check(name, False, f"it is cut: the end of a text of {words} words changes nothing")
    return Check(name, True, f"the end of a text of {WORDS_OF_LONG_TEXTS[-1]} words counts")


def _honours_dimensions(served: ServedVectors, dimension: int) -> Check:
    if dimension <= SHORT_DIMENSION:
        return Check("dimensions", None, f"only {dimension} to begin with")
    try:
        short = served(QUERIES[0], dimension=SHORT_DIMENSION).rows
    except DECLINED as error:
        return Check("dimensions", None, f"{SHORT_DIMENSION} are refused: {error}")
    if short.shape[1] != SHORT_DIMENSION:
        return Check("dimensions", False, f"{SHORT_DIMENSION} asked for, {short.shape[1]} given")
    full = served(QUERIES[0]).rows
    difference = float(np.abs(normalize(short) - normalize(full[:, :SHORT_DIMENSION])).max())
    detail = f"{SHORT_DIMENSION} differ from the first of the whole vector by {difference:.1e}"
    return Check("dimensions", difference <= ALONE_TOLERANCE, detail)


def _counts_end_token(served: ServedVectors) -> Check:
    """One token for the word and one for the end; the end token's name, as text, is several."""
    tokens = served("Hello").tokens
    written = served(f"Hello{END_TOKEN}").tokens
    if tokens is None or written is None:
        return Check("end token", None, "the server does not count tokens")
    if written - tokens == 1:
        return Check("end token", False, f"{END_TOKEN} in a text is read as the special token")
    detail = f'"Hello" counts {tokens}: '
    if tokens == 1:
        return Check("end token", False, f"{detail}no end token follows")
    return Check("end token", True, f"{detail}a closing token is there")


def _vectors_as_at_hand(served: ServedVectors, reference: Embedder) -> Check:
    texts = [*DOCUMENTS, *(reference.prompts.query + query for query in QUERIES)]
    rows = normalize(served(*texts).rows)
    size = reference.checkpoint.config.hidden_size
    if rows.shape[1] > size:
        return Check(
            "reference", False, f"{rows.shape[1]} dimensions, {reference.checkpoint.name} has {size}"
        )
    cosines = {
        name: float((rows * normalize(wanted[:, : rows.shape[1]])).sum(axis=1).min())
        for name, wanted in mistakes.vectors_by_reading(reference, texts)
    }
    right = cosines.pop(mistakes.RIGHT)
    detail = f"cosine {right:.4f} to {reference.checkpoint.name} at hand"
    if right >= LEAST_COSINE:
        return Check("reference", True, detail)
    name, best = max(cosines.items(), key=lambda item: item[1])
    likely = f"; {best:.4f} to texts read {name}" if best > LEAST_COSINE else "; no known mistake explains it"
    return Check("reference", False, detail + likely)


def _scores_as_at_hand(served: ServedScores, reference: Reranker) -> Check:
    pairs = [(query, document) for query in QUERIES for document in DOCUMENTS]
    scores = np.concatenate([served(query, *DOCUMENTS).scores for query in QUERIES])
    differences = {
        name: float(np.abs(scores - wanted).max())
        for name, wanted in mistakes.scores_by_reading(reference, pairs)
    }
    right = differences.pop(mistakes.RIGHT)
    detail = f"scores differ by {right:.4f} from {reference.checkpoint.name} at hand"
    if right <= LARGEST_DIFFERENCE:
        return Check("reference", True, detail)
    name, least = min(differences.items(), key=lambda item: item[1])
    likely = f"; by {least:.4f} from pairs read {name}"
    return Check("reference", False, detail + (likely if least <= LARGEST_DIFFERENCE else ""))
