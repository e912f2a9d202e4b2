"""Cut: a document into spans that keep its structure and never exceed a number of tokens.

    tiny neighbours join -> pack by an estimate of characters a token -> count -> cut again what is too long

Spans tile the text: none of it is lost and none of it comes twice. Nearly every character is counted once,
since counting costs more than all the rest.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import ceil

from quiver.search.corpus import CountTokens
from quiver.search.ingest.boundaries import Boundaries, levels
from quiver.search.ingest.document import Document, common_trail

Span = tuple[int, int]

FILL = 0.85
"""How full the pieces of a long text are meant to be; the rest is room for an estimate that is too low."""
TINY = 0.125
"""A section below this share of a passage joins its neighbour."""
SAMPLE_CHARACTERS, SAMPLED_SHARE, MOST_SAMPLES = 500, 8, 64
USUAL_CHARACTERS = 4.0
"""Characters a token, where there is no telling."""


def cut(document: Document, count_tokens: CountTokens, max_tokens: int) -> list[Span]:
    """Where the passages start and end, in order; white space at their ends is left out.

    A span has more than ``max_tokens`` only if it is a single code point.
    """
    text, within = document.text, levels(document)
    budget = max(1, int(max_tokens * characters_a_token(text, count_tokens)))
    packed = [
        span
        for start, end in _joined(document, budget)
        for span in _trimmed(text, _packed(within, start, end, budget))
    ]
    return _fitting(text, within, packed, count_tokens, max_tokens)


def characters_a_token(text: str, count_tokens: CountTokens) -> float:
    """An estimate from samples all over the text."""
    samples_wanted = min(1 + len(text) // (SAMPLED_SHARE * SAMPLE_CHARACTERS), MOST_SAMPLES)
    step = 1 + len(text) // samples_wanted
    samples = [text[at : at + SAMPLE_CHARACTERS].strip() for at in range(0, len(text), step)]
    tokens = sum(count_tokens(samples))
    return sum(map(len, samples)) / tokens if tokens else USUAL_CHARACTERS


def _joined(document: Document, budget: int) -> Iterator[Span]:
    """Sections; tiny ones together with their siblings, or with the first section that they lead into."""
    sections, end_of_text = document.sections, len(document.text)
    ends = [*(section.start for section in sections[1:]), end_of_text]
    begun, trail = 0, sections[0].headings
    for (before, section), end in zip(pairwise(sections), ends[1:], strict=True):
        common = common_trail([trail, section.headings])
        leads = section.headings[: len(before.headings)] == before.headings
        siblings = len(common) >= max(len(before.headings), len(section.headings)) - 1
        tiny_before, tiny = (
            size < TINY * budget for size in (section.start - before.start, end - section.start)
        )
        joins = tiny_before and (leads or (tiny and siblings and end - begun <= budget))
        if joins and not document.rows:
            trail = section.headings if common == trail else common
        else:
            yield begun, section.start
            begun, trail = section.start, section.headings
    yield begun, end_of_text


def _packed(within: Sequence[Boundaries], start: int, end: int, budget: int) -> Iterator[Span]:
    """Spans of about equal size within the budget, cut at the best boundaries that allow it."""
    if end - start <= budget or not within:
        yield start, end
        return
    tiny = TINY * budget if len(within) > 1 else 0
    goal = (end - start) / ceil((end - start) / (FILL * budget))
    begun = reached = start
    for stop in (*within[0](start, end), end):
        overfull = stop - begun > budget or (reached + stop) / 2 - begun > goal
        if overfull and reached - begun > tiny:
            yield begun, reached
            begun = reached
        if stop - begun > budget:  # One block is too much, and what is tiny before it goes with it.
            yield from _packed(within[1:], begun, stop, budget)
            begun = stop
        reached = stop
    if begun < end:
        yield begun, end


def _trimmed(text: str, spans: Iterator[Span]) -> Iterator[Span]:
    """Spans without blank lines before and white space after; the first line keeps its indentation."""
    for start, end in spans:
        content = text[start:end].rstrip()
        if content:
            blank = content[: len(content) - len(content.lstrip())]
            yield start + blank.rfind("\n") + 1, start + len(content)


def _fitting(
    text: str, within: Sequence[Boundaries], spans: list[Span], count_tokens: CountTokens, max_tokens: int
) -> list[Span]:
    """The spans, those with too many tokens cut again until they fit."""
    fitting: list[Span] = []
    while spans:
        again: list[Span] = []
        for (start, end), count in zip(spans, _counts(text, spans, count_tokens, max_tokens), strict=True):
            size = end - start
            budget = min(size - 1, int(size * max_tokens / count)) if count > max_tokens else size
            pieces = list(_trimmed(text, _packed(within, start, end, max(1, budget))))
            (again if len(pieces) > 1 or pieces != [(start, end)] else fitting).extend(pieces)
        spans = again
    return sorted(fitting)


def _counts(text: str, spans: Sequence[Span], count_tokens: CountTokens, max_tokens: int) -> list[int]:
    """Tokens of each span; a short one of ASCII has no more tokens than characters, and is not counted."""
    texts = [text[start:end] for start, end in spans]
    uncounted = [index for index, each in enumerate(texts) if len(each) > max_tokens or not each.isascii()]
    counts = [0] * len(spans)
    for index, count in zip(uncounted, count_tokens([texts[i] for i in uncounted]), strict=True):
        counts[index] = count
    return counts
