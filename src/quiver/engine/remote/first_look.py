"""First look: a few small requests that tell a server which is plainly wrong before it is relied upon.

``quiver doctor --url`` looks longer. What is certain is an error, what is likely a warning.
"""

import warnings
from collections.abc import Callable

import numpy as np

from quiver.engine.base import Floats
from quiver.engine.remote.served import DECLINED, ServedScores, ServedVectors
from quiver.errors import EndpointError, EndpointWarning
from quiver.text.prompts import PromptedText
from quiver.text.tokenizer import END_TOKEN, TextTokenizer

ANSWERED = (
    ("How many legs does a spider have?", "Spiders are arachnids; all of them walk on eight legs."),
    ("When does water boil?", "At sea level water turns into steam at 100 degrees Celsius."),
    ("Who wrote Hamlet?", "Hamlet is a tragedy by the English playwright William Shakespeare."),
    ("What do bees make?", "From the nectar of flowers bees make honey, which they store in combs."),
    ("Which planet is the largest?", "Jupiter has more mass than all other planets of the sun together."),
    ("What is bread made of?", "A baker mixes flour, water, salt and yeast into the dough of a loaf."),
)
"""Easy questions, each with the one passage that answers it."""

ALONE_TOLERANCE = 1e-2
LEAST_COSINE = 0.99
LEAST_SPREAD = 0.02
QUESTIONS_TO_RERANK = 2


def look_at_vectors(served: ServedVectors) -> None:
    """Raise EndpointError for vectors that are no numbers or depend on the batch; warn of useless ones."""
    questions, answers = zip(*ANSWERED, strict=True)
    together = served(*questions, *answers).rows
    if not np.isfinite(together).all():
        raise _wrong(served, "its vectors hold NaN or infinity (float16 that overflows?)")
    unit = _unit(together)
    alone = _unit(served(questions[0]).rows)[0]
    difference = float(np.abs(alone - unit[0]).max())
    if difference > ALONE_TOLERANCE:
        raise _wrong(served, f"a text alone and in a batch differ by {difference:.1e} (attended padding?)")
    found = (unit[: len(questions)] @ unit[len(questions) :].T).argmax(axis=1) == np.arange(len(questions))
    if found.sum() < len(questions) - 1:
        _warn(
            served,
            f"only {found.sum()} of {len(found)} easy questions have their answer on top (wrong pooling, no "
            "end token, or another kind of model?)",
        )


def reads_token_ids(served: ServedVectors, tokenizer: TextTokenizer, name: str) -> bool:
    """Whether token ids of this tokenizer can be sent.

    Raises EndpointError if the server takes them and reads something else.
    """
    if not served.dialect.takes_token_ids:
        return False
    text = ANSWERED[0][1]
    try:
        by_ids = _unit(served.ask([sequence_of(tokenizer, text)]).rows)[0]
    except DECLINED:
        return False
    # A server whose own reading of texts lacks the end token takes it from their spelling.
    cosines = [_cosine(by_ids, served, spelling) for spelling in (text, text + END_TOKEN)]
    if max(cosines) < LEAST_COSINE:
        raise _wrong(
            served,
            f"token ids of {name} and their text give different vectors (cosine {max(cosines):.2f}): another "
            "model or tokenizer, another pooling than the last token's, or a prompt that it adds to texts",
        )
    return True


def check_reading_of_texts(served: ServedVectors, tokenizer: TextTokenizer, name: str) -> None:
    """Raise EndpointError if the server counts other tokens than this tokenizer and one end token."""
    text = ANSWERED[0][1]
    counted, own = served(text).tokens, len(sequence_of(tokenizer, text))
    if counted is None or counted == own:
        return
    likely = "no end token" if counted == own - 1 else "another tokenizer, or tokens that it adds"
    raise _wrong(served, f"it counts {counted} tokens where {name} has {own}: {likely}")


def look_at_scores(served: ServedScores) -> None:
    """Raise EndpointError for scores that are no probabilities or depend on company; warn of useless ones."""
    questions, answers = zip(*ANSWERED, strict=True)
    asked = questions[:QUESTIONS_TO_RERANK]
    scores = np.stack([served(question, *answers).scores for question in asked])
    if not np.isfinite(scores).all():
        raise _wrong(served, "its scores hold NaN or infinity")
    if scores.min() < 0 or scores.max() > 1:
        raise _wrong(
            served, f"it scores from {scores.min():.2f} to {scores.max():.2f}, which are no probabilities"
        )
    alone = float(served(questions[0], answers[0]).scores[0])
    if abs(alone - scores[0, 0]) > ALONE_TOLERANCE:
        raise _wrong(served, f"a document alone and among others scores {alone:.3f} and {scores[0, 0]:.3f}")
    right = np.array([scores[row, row] for row in range(len(asked))])
    others = (scores.sum(axis=1) - right) / (len(answers) - 1)
    if (right < others + LEAST_SPREAD).any():
        _warn(served, "answers score no higher than other documents (the template is missing?)")


def sequence_of(tokenizer: TextTokenizer, text: str) -> list[int]:
    """The whole sequence of a bare document."""
    ids: list[int] = tokenizer.encode([PromptedText("", text)])[0].tolist()
    return [*ids, tokenizer.token_id(END_TOKEN)]


def quietly(look: Callable[..., None], *given: object) -> None:
    """A look at a server that answered before; a refusal now is an error to tell."""
    try:
        look(*given)
    except DECLINED as error:
        raise EndpointError(f"the server declines small requests: {error}") from None


def _cosine(vector: Floats, served: ServedVectors, text: str) -> float:
    return float(vector @ _unit(served(text).rows)[0])


def _unit(rows: Floats) -> Floats:
    unit: Floats = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    return unit


def _wrong(served: ServedVectors | ServedScores, what: str) -> EndpointError:
    return EndpointError(
        f"{served.connection.url} gives wrong numbers for {served.model}: {what}; `quiver doctor --url` "
        "tells more, and Remote(..., check=False) takes them as they are"
    )


def _warn(served: ServedVectors | ServedScores, what: str) -> None:
    warnings.warn(
        f"{served.connection.url} may be wrong about {served.model}: {what}; see `quiver doctor --url`",
        EndpointWarning,
        stacklevel=2,
    )
