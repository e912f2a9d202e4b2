"""Summary: what a run cost and what it cut, in one line for standard error."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quiver.engine.plan import Usage
    from quiver.text.truncation import Cut

CUTS_NAMED = 3
"""The results hold all of them."""


@dataclass(slots=True)
class Summary:
    """Adds up over the blocks of a run."""

    tokens_in: int = 0
    tokens_computed: int = 0
    cuts: int = 0
    first_cuts: list["Cut"] = field(default_factory=list)

    def add(self, usage: "Usage", cuts: Iterable["Cut"]) -> None:
        """Count a block."""
        self.tokens_in += usage.tokens_in
        self.tokens_computed += usage.tokens_computed
        for cut in cuts:
            self.cuts += 1
            if self.cuts <= CUTS_NAMED:
                self.first_cuts.append(cut)

    def line(self, done: str) -> str:
        """The whole run, behind what was ``done``."""
        saved = self.tokens_in - self.tokens_computed
        parts = [
            f"{done}: {self.tokens_in:,} tokens in, {self.tokens_computed:,} computed, {saved:,} saved",
            self._cuts(),
        ]
        return "; ".join(filter(None, parts))

    def _cuts(self) -> str:
        if not self.cuts:
            return ""
        named = ", ".join(
            f"{cut.index} ({cut.kept:,} of {cut.tokens:,} tokens kept)" for cut in self.first_cuts
        )
        more = "" if self.cuts <= CUTS_NAMED else f" and {self.cuts - CUTS_NAMED:,} more"
        return f"{counted(self.cuts, 'text')} cut: index {named}{more}"


def counted(count: int, noun: str) -> str:
    """A number with its noun: 1 text, 2 texts."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
