"""Rows that tiny models can learn in seconds: every query shares words with its own document only."""

from quiver.train.rows import TrainingRow

SUBJECTS = (
    "Beijing China gravity bodies capital retrieve passages answer document query judge meets web search "
    "requirements provided note based naïve café"
).split()


def make_rows(count: int, *, negatives: int = 0, instruction: str | None = None) -> list[TrainingRow]:
    """Rows about different pairs of words."""
    pairs = [(a, b) for a in SUBJECTS for b in SUBJECTS if a != b]
    chosen = [pairs[(7 * place) % len(pairs)] for place in range(count)]
    documents = [f"The document of {a} is about {b}." for a, b in chosen]
    return [
        TrainingRow(
            f"What is {a} {b}?",
            (documents[place],),
            tuple(documents[(place + step) % count] for step in range(1, negatives + 1)),
            instruction,
        )
        for place, (a, b) in enumerate(chosen)
    ]
