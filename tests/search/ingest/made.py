"""Files made for the tests, and a tokenizer that can be counted by hand."""

import hashlib
import io
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path

import docx

from quiver.search.ingest import read_passages
from quiver.search.passages import Passage, SourceFile


def count_words(texts: Sequence[str]) -> list[int]:
    return [len(text.split()) for text in texts]


def count_characters(texts: Sequence[str]) -> list[int]:
    return [len(text) for text in texts]


def source(path: Path) -> SourceFile:
    """The file as it is now."""
    state = path.stat()
    return SourceFile(
        path=path.name,
        location=path,
        size=state.st_size,
        modified_ns=state.st_mtime_ns,
        digest=hashlib.sha256(path.read_bytes()).hexdigest(),
    )


def passages(path: Path, content: bytes | str, *, max_tokens: int = 50) -> list[Passage]:
    """What the file is read as, once it has this content."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_passages(source(path), count_words, max_tokens)


def pdf(
    pages: Sequence[str], *, bookmarks: Sequence[tuple[str, int]] = (), title: str = "", trailer: str = ""
) -> bytes:
    """A PDF with one line of text for each line of a page, and bookmarks to pages, counted from 0."""
    objects = {1: "<< /Type /Catalog /Pages 2 0 R /Outlines 4 0 R >>"}
    objects[3] = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"
    page_numbers = [10 + 2 * index for index in range(len(pages))]
    kids = " ".join(f"{number} 0 R" for number in page_numbers)
    objects[2] = f"<< /Type /Pages /Count {len(pages)} /Kids [{kids}] >>"
    for number, text in zip(page_numbers, pages, strict=True):
        lines = " ".join(f"({line}) Tj 0 -14 Td" for line in text.splitlines())
        stream = f"BT /F 12 Tf 72 720 Td {lines} ET"
        objects[number] = (
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {number + 1} 0 R "
            "/Resources << /Font << /F 3 0 R >> >> >>"
        )
        objects[number + 1] = f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream"
    first = 10 + 2 * len(pages)
    last = first + len(bookmarks) - 1
    objects[4] = f"<< /Type /Outlines /First {first} 0 R /Last {last} 0 R >>" if bookmarks else "<< >>"
    for index, (name, page) in enumerate(bookmarks):
        after = f"/Next {first + index + 1} 0 R" if first + index < last else ""
        objects[first + index] = (
            f"<< /Title ({name}) /Parent 4 0 R /Dest [{page_numbers[page]} 0 R /XYZ 0 0 0] {after} >>"
        )
    objects[5] = f"<< /Title ({title}) >>"
    return _pdf_file(objects, trailer)


def _pdf_file(objects: dict[int, str], trailer: str) -> bytes:
    body, offsets = b"%PDF-1.4\n", {}
    for number, content in sorted(objects.items()):
        offsets[number] = len(body)
        body += f"{number} 0 obj\n{content}\nendobj\n".encode()
    size = max(objects) + 1
    rows = (
        f"{offsets[number]:010d} 00000 n \n" if number in offsets else "0000000000 65535 f \n"
        for number in range(size)
    )
    end = f"trailer\n<< /Size {size} /Root 1 0 R /Info 5 0 R {trailer} >>\nstartxref\n{len(body)}\n%%EOF\n"
    return body + f"xref\n0 {size}\n{''.join(rows)}{end}".encode()


def encrypted_pdf() -> bytes:
    """A PDF that no empty password opens."""
    nothing = "00" * 32
    keys = f"/Filter /Standard /V 1 /R 2 /P -4 /O <{nothing}> /U <{nothing}>"
    return pdf(["secret"], trailer=f"/Encrypt << {keys} >> /ID [<{nothing}> <{nothing}>]")


def word_file(
    blocks: Sequence[tuple[str, str]], *, title: str = "", table: Sequence[Sequence[str]] = ()
) -> bytes:
    """A DOCX of paragraphs, each with its style, and a table at the end."""
    document = docx.Document()
    document.core_properties.title = title
    for style, text in blocks:
        document.add_paragraph(text, style=style)
    if table:
        made = document.add_table(rows=0, cols=len(table[0]))
        for row in table:
            for cell, text in zip(made.add_row().cells, row, strict=True):
                cell.text = text
    stream = io.BytesIO()
    document.save(stream)
    return stream.getvalue()


def with_member(archive: bytes, name: str, content: bytes) -> bytes:
    """The ZIP archive with one member replaced."""
    stream = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(archive)) as old,
        zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for member in old.infolist():
            new.writestr(member.filename, content if member.filename == name else old.read(member))
    return stream.getvalue()


def touch(folder: Path, *names: str | bytes) -> None:
    """Small text files, with the folders above them."""
    for name in names:
        path = os.path.join(os.fsencode(folder), os.fsencode(name))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as stream:
            stream.write(b"some text")
