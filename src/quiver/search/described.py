"""Described: the text by which a passage is found. Vectors, words and the reranker all see this one."""

from quiver.search.passages import Passage

TRAIL = " > "


def heading_trail(passage: Passage) -> str:
    """The headings above the passage on one line."""
    return TRAIL.join(passage.headings)


def described(passage: Passage) -> str:
    """The passage under its title and headings, without which many a paragraph has no subject."""
    above = passage.headings if passage.title in passage.headings else (passage.title, *passage.headings)
    trail = TRAIL.join(filter(None, above))
    return f"{trail}\n{passage.text}" if trail else passage.text
