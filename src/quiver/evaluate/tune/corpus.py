"""Corpus: the documents that labels speak of, from folders of texts, files of lines and files of rows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from quiver.errors import InputError
from quiver.evaluate.lines import Line, read_lines
from quiver.evaluate.tune.rows import read_rows, texts_of

ID_FIELDS = ("_id", "id", "document_id", "doc_id", "corpus-id")
TEXT_FIELDS = ("text", "content", "passage", "document")
LINES = (".txt", ".text")


@dataclass(slots=True)
class Corpus:
    """Documents with their ids, found by id or by text."""

    ids: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    _by_id: dict[str, int] = field(default_factory=dict)
    _by_text: dict[str, int] = field(default_factory=dict)

    def add(self, own: str | None, text: str, where: str) -> int:
        """Add a document and return its position; without an id of its own it is known by its text."""
        position = len(self.ids)
        if own is None and text.strip() in self._by_text:
            return self._by_text[text.strip()]
        if own is not None and own in self._by_id:
            raise InputError(f"{where}: the id {own!r} stands at another document too")
        self.ids.append(str(position) if own is None else own)
        self.texts.append(text)
        if own is not None:
            self._by_id[own] = position
        self._by_text.setdefault(text.strip(), position)
        return position

    def find(self, name: str) -> int | None:
        """Position of the document with this id, else with this text."""
        found = self._by_id.get(name)
        return self._by_text.get(name.strip()) if found is None else found


def read_corpus(paths: Sequence[Path]) -> Corpus:
    """Read all documents.

    A folder holds a text in each file, known by its path below the folder; a ``.txt`` file holds a text in
    each line; ``.jsonl``, ``.csv``, ``.tsv`` and ``.parquet`` hold rows with a text, perhaps a title, and
    perhaps an id.
    """
    corpus = Corpus()
    for path in paths:
        for own, text, where in _documents(path):
            if text.strip():
                corpus.add(own, text, where)
    if not corpus.ids:
        raise InputError(f"no documents in {', '.join(map(str, paths))}")
    return corpus


def _documents(path: Path) -> Iterator[tuple[str | None, str, str]]:
    """Id, text and place of each document."""
    if path.is_dir():
        for file in sorted(file for file in path.rglob("*") if file.is_file()):
            name = file.relative_to(path)
            if not any(part.startswith(".") for part in name.parts):
                yield name.as_posix(), "\n".join(line for _, line in read_lines(file)), str(file)
    elif path.suffix.lower() in LINES:
        for number, line in read_lines(path):
            yield None, line, f"{path}, line {number}"
    else:
        for row in read_rows(path):
            yield _id(row), _text(row), row.where


def _id(row: Line) -> str | None:
    name = next((name for name in ID_FIELDS if row.fields.get(name) is not None), None)
    return None if name is None else texts_of(row, name)[0]


def _text(row: Line) -> str:
    """Title and text, joined as in mteb."""
    name = next((name for name in TEXT_FIELDS if name in row.fields), TEXT_FIELDS[0])
    title = row.text("title") if row.fields.get("title") is not None else ""
    return f"{title} {row.text(name)}".strip()
