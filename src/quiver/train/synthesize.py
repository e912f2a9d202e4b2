"""Synthesis: queries for documents, written by a chat model, filtered by an embedder.

The way of the Qwen3 Embedding report (arXiv:2506.05176, section 3.3): an embedder finds the readers of a
library who are nearest to a document, a chat model chooses one of them with a type and a difficulty and then
writes the query, and pairs of a cosine above 0.7 are kept.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from quiver.embedder import Embedder
from quiver.errors import InputError
from quiver.progress import progress_bar
from quiver.results import Floats
from quiver.text.tokenizer import check_texts
from quiver.train.answers import AnswerFile
from quiver.train.chat import ChatEndpoint
from quiver.train.drafts import Draft, Drafter, write_drafts
from quiver.train.query_writing import SAME_LANGUAGE
from quiver.train.rows import TrainingRow

READERS_OFFERED = 5
PERSONAS = Path(__file__).parent / "personas.txt"


@dataclass(frozen=True, slots=True, kw_only=True)
class SynthesisReport:
    """What became of the documents; each is counted once in the last four."""

    answers_bought: int
    """Requests that the endpoint answered in this run."""
    answers_known: int
    """Answers that the file held before."""
    kept: int
    distant: int
    """Pairs whose cosine was not above the threshold."""
    unusable: dict[str, int]
    """Answers that gave no query, by reason. They are not asked for again."""
    unanswered: dict[str, int]
    """Requests that failed after all retries, by reason. The next run asks for them again."""


@dataclass(frozen=True, slots=True)
class Synthesized:
    """Rows of a query and its document, and how it went."""

    rows: list[TrainingRow]
    report: SynthesisReport


def synthesize(
    documents: Iterable[str],
    embedder: Embedder,
    endpoint: ChatEndpoint,
    *,
    answers: str | Path,
    personas: Sequence[str] | None = None,
    languages: Sequence[str] = (SAME_LANGUAGE,),
    instruction: str | None = None,
    task: str = "synthesized",
    threshold: float = 0.7,
    seed: int = 0,
    show_progress_bar: bool | None = None,
) -> Synthesized:
    """A query for each different document, where the pair's cosine is above ``threshold``.

    ``answers`` is a file that keeps every answer as it comes: a run that was stopped goes on there, and
    another threshold costs nothing. ``personas`` None takes the library that ships with Quiver;
    ``instruction`` stands before the queries and in the rows. Raises EndpointError if the endpoint refuses or
    is down.
    """
    texts = list(dict.fromkeys(text for text in documents if text.strip()))
    check_texts(texts, what="document")
    library = default_personas() if personas is None else list(personas)
    if not texts or not library or not languages:
        raise InputError("queries need documents, personas and languages: at least one of each")
    vectors = _document_vectors(embedder, texts, show_progress_bar)
    nearest = _nearest(vectors, embedder.encode_document(library, show_progress_bar=False))
    with AnswerFile(answers) as known:
        before = len(known)
        drafter = Drafter(known, languages, seed)
        offers = [[library[number] for number in row] for row in nearest]
        with progress_bar("Writing queries", len(texts), show_progress_bar, unit="documents") as advance:
            drafts = write_drafts(texts, offers, drafter, endpoint, advance)
        bought = known.bought
    rows, distant = _filter(embedder, texts, vectors, drafts, instruction, task, threshold)
    report = SynthesisReport(
        answers_bought=bought,
        answers_known=before,
        kept=len(rows),
        distant=distant,
        unusable=dict(Counter(draft.unusable for draft in drafts if draft.unusable).most_common()),
        unanswered=dict(Counter(draft.unanswered for draft in drafts if draft.unanswered).most_common()),
    )
    return Synthesized(rows, report)


def default_personas() -> list[str]:
    """The kinds of readers that ship with Quiver."""
    return read_personas(PERSONAS)


def read_personas(path: str | Path) -> list[str]:
    """Kinds of readers from a text file, one a line; raises InputError if it cannot be read."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8; convert it first, with iconv for example") from error
    return [line.strip() for line in lines if line.strip()]


def _document_vectors(embedder: Embedder, texts: Sequence[str], show: bool | None) -> Floats:
    return np.concatenate([np.asarray(b) for b in embedder.encode_stream(texts, show_progress_bar=show)])


def _nearest(documents: Floats, personas: Floats) -> list[list[int]]:
    """Numbers of the personas nearest to each document, the nearest first."""
    cosines = documents @ np.asarray(personas).T
    found: list[list[int]] = np.argsort(-cosines, axis=1, kind="stable")[:, :READERS_OFFERED].tolist()
    return found


def _filter(
    embedder: Embedder,
    documents: Sequence[str],
    vectors: Floats,
    drafts: Sequence[Draft],
    instruction: str | None,
    task: str,
    threshold: float,
) -> tuple[list[TrainingRow], int]:
    """Rows above the threshold, and how many others there were."""
    written = [number for number, draft in enumerate(drafts) if draft.plan is not None]
    queries = embedder.encode_query([drafts[n].query for n in written], instruction=instruction)
    cosines = (np.asarray(queries) * vectors[written]).sum(axis=1)
    rows = []
    for number, cosine in zip(written, cosines.tolist(), strict=True):
        draft = drafts[number]
        if cosine > threshold and draft.plan is not None:
            origin = {**asdict(draft.plan), "cosine": round(cosine, 4)}
            row = TrainingRow(draft.query, (documents[number],), (), instruction, task, {"synthesis": origin})
            rows.append(row)
    return rows, len(written) - len(rows)
