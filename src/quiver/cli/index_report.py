"""What a run of ``quiver index`` did: in lines for the eye, and whole as JSON."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from quiver.cli.summary import counted

if TYPE_CHECKING:
    from quiver.search.index import IndexReport
    from quiver.search.passages import Skipped

REASONS_NAMED = 20
FILES_NAMED = 3
"""Of each reason; the JSON has all."""


def report_lines(report: "IndexReport") -> list[str]:
    """What was done, and why files were skipped."""
    return [_done(report), *_skipped(report.skipped)]


def report_record(report: "IndexReport") -> dict[str, Any]:
    """The whole report, every skipped file included."""
    return {
        "added": report.added,
        "changed": report.changed,
        "removed": report.removed,
        "unchanged": report.unchanged,
        "passages": report.passages,
        "tokens": report.usage.tokens_in,
        "seconds": report.seconds,
        "skipped": [{"path": each.path, "reason": each.reason} for each in report.skipped],
    }


def _done(report: "IndexReport") -> str:
    return (
        f"{counted(report.added, 'file')} added, {report.changed:,} changed, {report.removed:,} removed, "
        f"{report.unchanged:,} unchanged, {len(report.skipped):,} skipped; "
        f"{counted(report.passages, 'passage')} of {report.usage.tokens_in:,} tokens embedded, "
        f"{report.tokens_per_second:,.0f} tokens/s"
    )


def _skipped(skipped: "Iterable[Skipped]") -> Iterator[str]:
    """A line a reason, the most frequent first, with some of its files."""
    paths: dict[str, list[str]] = {}
    for each in skipped:
        paths.setdefault(each.reason, []).append(each.path)
    by_count = sorted(paths.items(), key=lambda entry: -len(entry[1]))
    for reason, own in by_count[:REASONS_NAMED]:
        more = len(own) - FILES_NAMED
        named = ", ".join(own[:FILES_NAMED]) + (f" and {more:,} more" if more > 0 else "")
        yield f"skipped {named}: {reason}"
    unnamed = by_count[REASONS_NAMED:]
    if unnamed:
        files = sum(len(own) for _, own in unnamed)
        yield f"skipped {counted(files, 'other file')} for other reasons; --format jsonl names all"
