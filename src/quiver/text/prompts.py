"""Prompts: the exact texts the published models were trained with (Transformers examples of the model card)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from quiver.errors import CheckpointError, InputError

DEFAULT_INSTRUCTION = "Given a web search query, retrieve relevant passages that answer the query"

RERANKER_PREFIX = (
    "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the "
    'Instruct provided. Note that the answer can only be "yes" or "no".<|im_end|>\n<|im_start|>user\n'
)
RERANKER_SUFFIX = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"

DOCUMENT_PROMPT_NAMES = ("document", "passage", "corpus")


def query_prompt(instruction: str) -> str:
    """What stands before a query: ``Instruct: {instruction}\\nQuery:`` (no space, as in the model card)."""
    if not instruction.strip():
        raise InputError('the instruction is empty; to embed a query without one, pass prompt=""')
    return f"Instruct: {instruction}\nQuery:"


def reranker_question(instruction: str, query: str) -> str:
    """What stands before the document in a reranker's user turn."""
    return f"<Instruct>: {instruction}\n<Query>: {query}\n<Document>: "


@dataclass(frozen=True, slots=True)
class Prompts:
    """The prompts of one embedding checkpoint, by name, as in ``config_sentence_transformers.json``."""

    by_name: Mapping[str, str] = field(default_factory=dict)
    default_name: str | None = None

    @classmethod
    def from_folder(cls, folder: Path) -> "Prompts":
        """Read the folder's prompts; a folder without the file has none.

        Raises CheckpointError if the file is malformed.
        """
        path = folder / "config_sentence_transformers.json"
        if not path.exists():
            return cls()
        try:
            settings = json.loads(path.read_bytes())
            by_name = dict(settings.get("prompts") or {})
            default_name = settings.get("default_prompt_name")
        except (OSError, ValueError, AttributeError, TypeError) as error:
            raise CheckpointError(f"{path} is malformed: {error}") from error
        if not all(isinstance(text, str) for text in (*by_name, *by_name.values())):
            raise CheckpointError(f"{path}: every prompt must be a string")
        if default_name is not None and default_name not in by_name:
            raise CheckpointError(f"{path}: default_prompt_name {default_name!r} names no prompt")
        return cls(by_name, default_name)

    @property
    def query(self) -> str:
        """What stands before a query when the caller gives no instruction."""
        return self.by_name.get("query") or query_prompt(DEFAULT_INSTRUCTION)

    @property
    def document(self) -> str:
        """What stands before a document: nothing, unless the checkpoint says otherwise."""
        names = (name for name in DOCUMENT_PROMPT_NAMES if name in self.by_name)
        return self.by_name.get(next(names, ""), "")

    def named(self, name: str | None) -> str:
        """The prompt of that name; None means the checkpoint's default, else none.

        Raises InputError for an unknown name.
        """
        if name is None:
            return self.by_name[self.default_name] if self.default_name else ""
        if name in self.by_name:
            return self.by_name[name]
        if name == "query":
            return self.query
        if name in DOCUMENT_PROMPT_NAMES:
            return self.document
        known = ", ".join(sorted({"query", "document", *self.by_name}))
        raise InputError(f"the model has no prompt named {name!r}; it has: {known}")


def per_text(value: str | Sequence[str], count: int, what: str) -> list[str]:
    """Spread one setting over ``count`` texts, or check that there is one for each."""
    if isinstance(value, str):
        return [value] * count
    if len(value) != count:
        raise InputError(f"{len(value)} {what}s were given for {count} texts; give one, or one for each")
    return list(value)
