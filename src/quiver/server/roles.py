"""Roles: what a text is (query, document), and so what stands before it.

Every dialect has its own words for it; they all end here.
"""

from dataclasses import dataclass

from quiver.server.errors import Refusal
from quiver.text.prompts import DOCUMENT_PROMPT_NAMES

QUERY, DOCUMENT, TOKENS = "query", "document", "tokens"


@dataclass(frozen=True, slots=True)
class Role:
    """What a request's texts are."""

    name: str = DOCUMENT
    """``query``, ``document``, ``tokens`` (which bring their own prompt), or a prompt of the model's own."""
    instruction: str | None = None
    """The task, for queries; None is the model's default."""
    stated: bool = True
    """Whether the client said so; else it is the default."""

    def __str__(self) -> str:
        return self.name if self.stated else f"{self.name}; default"


def choose_role(*wishes: str | None, instruction: str | None = None) -> Role:
    """The role that a request's fields and its model's suffix agree on: a bare document if none says.

    An instruction makes queries of texts of which nothing else is said. Raises Refusal if the wishes differ.
    """
    named = {_usual(wish) for wish in wishes if wish is not None}
    if len(named) > 1:
        raise Refusal("invalid", f"the request calls its texts both {' and '.join(sorted(named))}")
    if instruction is not None and named - {QUERY}:
        raise Refusal(
            "invalid", f"an instruction stands before queries, not before {named.pop()}", field="instruction"
        )
    if instruction is not None:
        return Role(QUERY, instruction)
    return Role(named.pop()) if named else Role(stated=False)


def _usual(name: str) -> str:
    return DOCUMENT if name in DOCUMENT_PROMPT_NAMES else name
