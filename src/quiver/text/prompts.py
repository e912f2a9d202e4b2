"""Prompts: the exact texts the published models were trained with (model card, Transformers examples)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from quiver.errors import CheckpointError, InputError
from quiver.models.json_file import read_json

DEFAULT_INSTRUCTION = "Given a web search query, retrieve relevant passages that answer the query"

RERANKER_PREFIX = (
    "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the "
    'Instruct provided. Note that the answer can only be "yes" or "no".<|im_end|>\n<|im_start|>user\n'
)
RERANKER_SUFFIX = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"

DOCUMENT_PROMPT_NAMES = ("document", "passage", "corpus")


def query_prompt(instruction: str) -> str:
    r"""What stands before a query: ``Instruct: {instruction}\nQuery:`` (no space, as in the model card)."""
    if not instruction.strip():
        raise InputError('the instruction is empty; to embed a query without one, pass prompt=""')
    return f"Instruct: {instruction}\nQuery:"


@dataclass(frozen=True, slots=True)
class PromptedText:
    """A text with what stands before it, tokenised together as one string.

    ``template`` comes from the model or the program and may hold special tokens; in ``text``, which comes
    from users, their spellings are plain text. A cut never reaches the template and the first ``protected``
    characters of the text.
    """

    template: str
    text: str
    protected: int = 0
    fields: tuple[str, ...] = ()
    """Of a pair: instruction, query, document, for servers that put the text together themselves."""

    @classmethod
    def instructed_query(cls, instruction: str, query: str) -> "PromptedText":
        """A query behind an instruction, which users may write and which is therefore text."""
        before = query_prompt(instruction)
        return cls("", before + query, len(before))

    @classmethod
    def reranker_body(cls, instruction: str, query: str, document: str) -> "PromptedText":
        """The user's turn of the reranker: all of it is users' text, and the document alone may be cut."""
        question = f"<Instruct>: {instruction}\n<Query>: {query}\n<Document>: "
        return cls("", question + document, len(question), (instruction, query, document))


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
        settings = read_json(path)
        if settings is None:
            return cls()
        try:
            by_name = dict(settings.get("prompts") or {})
            default_name = settings.get("default_prompt_name")
        except (ValueError, AttributeError, TypeError) as error:
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
