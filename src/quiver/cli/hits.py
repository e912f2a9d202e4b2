"""Hits out: as JSONL, as paths, and for the eye with the words that matched."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from quiver.cli.tables import write_page
from quiver.cli.target import open_target
from quiver.cli.terminal import one_line
from quiver.cli.write import exact, write_records

if TYPE_CHECKING:
    from rich.text import Text

    from quiver.search.hits import Hit
    from quiver.search.passages import Passage

SHOWN_CHARACTERS = 400
"""Of a passage in the table."""


def write_hits(hits: "Sequence[Hit]", chosen: str) -> None:
    """Print hits as ``table``, ``jsonl`` or ``paths``."""
    with open_target(None) as target:
        if chosen == "jsonl":
            write_records(target, (_record(rank, hit) for rank, hit in enumerate(hits, start=1)))
        elif chosen == "paths":
            paths = dict.fromkeys(hit.passage.path for hit in hits)
            target.write("".join(f"{path}\n" for path in paths).encode(errors="surrogateescape"))
        else:
            write_page(target, [line for rank, hit in enumerate(hits, 1) for line in _lines(rank, hit)])


def place(passage: "Passage") -> str:
    """Where a passage stands, as editors and compilers write it."""
    if passage.page is not None:
        return f"{passage.path} p.{passage.page}"
    return passage.path if passage.first_line is None else f"{passage.path}:{passage.first_line}"


def _record(rank: int, hit: "Hit") -> dict[str, Any]:
    record: dict[str, Any] = {"rank": rank, "score": exact(hit.score), "stage": hit.stage}
    passage = {field.name: getattr(hit.passage, field.name) for field in dataclasses.fields(hit.passage)}
    record |= passage | {"headings": list(hit.passage.headings), "metadata": dict(hit.passage.metadata)}
    if hit.span is not None:
        record["span"] = [hit.span.start, hit.span.stop]
        record["words"] = [list(word) for word in hit.span.words]
    if hit.other_paths:
        record["other_paths"] = list(hit.other_paths)
    if hit.stages:
        record["stages"] = {
            each.stage: {"rank": each.rank, "score": exact(each.score)} for each in hit.stages
        }
    return record


def _lines(rank: int, hit: "Hit") -> "Iterator[Text]":
    from rich.text import Text

    above = " > ".join(filter(None, hit.passage.headings)) or hit.passage.title
    head = Text(f"{rank:>3}  {hit.score:.4f}  ", no_wrap=True, overflow="ellipsis")
    head.append(one_line(place(hit.passage)), style="bold")
    head.append(f"  {one_line(above)}", style="dim")
    yield head
    if hit.other_paths:
        yield Text(
            f"     also {one_line(', '.join(hit.other_paths))}",
            style="dim",
            no_wrap=True,
            overflow="ellipsis",
        )
    if hit.stages:
        stages = ", ".join(f"{each.stage} {each.rank}. ({each.score:.4f})" for each in hit.stages)
        yield Text(f"     {stages}", style="dim")
    yield Text("     ").append_text(_excerpt(hit))


def _excerpt(hit: "Hit") -> "Text":
    """The span with its words highlighted, or else the beginning."""
    from rich.text import Text

    text = hit.passage.text
    if hit.span is None:
        return Text(one_line(text[:SHOWN_CHARACTERS]))
    excerpt, at = Text(), hit.span.start
    stop = min(hit.span.stop, hit.span.start + SHOWN_CHARACTERS)
    for start, end in hit.span.words:
        if end <= stop:
            excerpt.append(_inline(text[at:start])).append(_inline(text[start:end]), style="bold yellow")
            at = end
    return excerpt.append(_inline(text[at:stop]))


def _inline(piece: str) -> str:
    """Part of a line: blanks at its ends stay, as one."""
    before = " " if piece[:1].isspace() else ""
    after = " " if piece[-1:].isspace() and piece.strip() else ""
    return before + one_line(piece) + after
