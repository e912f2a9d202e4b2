"""Stored passage: from a row of any store back to a passage."""

import json
from collections.abc import Mapping
from typing import Any

from quiver.search.passages import Passage


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
