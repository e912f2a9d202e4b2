"""Plain text: the file as it is, cut at blank lines."""

from quiver.search.ingest.document import Document


def read_plain(text: str, title: str) -> Document:
    """The text under the title that is given."""
    return Document(text=text, title=title)
