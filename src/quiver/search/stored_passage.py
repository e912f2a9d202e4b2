"""Stored passage: from a passage to what any store keeps of it, and back."""

import json
from collections.abc import Mapping
from typing import Any

from quiver.search.described import heading_trail
from quiver.search.passages import Passage


def columns_of(number: int, passage: Passage) -> dict[str, Any]:
    """What every store keeps of a file's passage, all but its path; ``details`` is JSON."""
    return {
        "number": number,
        "text": passage.text,
        "title": passage.title,
        "headings": heading_trail(passage),
        "first_line": passage.first_line,
        "last_line": passage.last_line,
        "page": passage.page,
        "start": passage.start,
        "details": json.dumps(
            {"headings": list(passage.headings), "metadata": dict(passage.metadata)}, ensure_ascii=False
        ),
    }


def passage_of(row: Mapping[str, Any]) -> Passage:
    """The passage of a row; raises ValueError, KeyError or TypeError if its JSON of details is damaged."""
    details = json.loads(row["details"])
    return Passage(
        text=row["text"],
        path=row["path"],
        title=row["title"],
        headings=tuple(details["headings"]),
        first_line=row["first_line"],
        last_line=row["last_line"],
        page=row["page"],
        start=row["start"],
        metadata=details["metadata"],
    )
