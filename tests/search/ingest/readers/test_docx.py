from pathlib import Path

import pytest

from quiver.errors import UnreadableFile
from tests.search.ingest.made import passages, with_member, word_file

WORDS = "word " * 30
BLOCKS = [
    ("Title", "On arrows"),
    ("Normal", WORDS),
    ("Heading 1", "Making"),
    ("Normal", WORDS),
    ("Heading 2", "Feathers"),
    ("List Bullet", WORDS),
]
BODY = "word/document.xml"


def test_heading_styles_stand_above_their_text(tmp_path: Path) -> None:
    found = passages(tmp_path / "a.docx", word_file(BLOCKS, table=[["name", "size"], ["goose", "9"]]))
    assert [passage.headings for passage in found] == [
        ("On arrows",),
        ("On arrows", "Making"),
        ("On arrows", "Making", "Feathers"),
    ]
    assert found[-1].text.endswith("name | size\ngoose | 9")
    assert {passage.title for passage in found} == {"On arrows"}


def test_a_title_in_the_properties_is_the_title(tmp_path: Path) -> None:
    assert passages(tmp_path / "a.docx", word_file(BLOCKS, title="Quivers"))[0].title == "Quivers"


ENTITIES = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
BILLION_LAUGHS = (
    f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e0 "ha">{ENTITIES}]>'
    '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body><w:p><w:r>'
    "<w:t>&e9;</w:t></w:r></w:p></w:body></w:document>"
)
WHOLE = word_file(BLOCKS)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no DOCX"),
        (b"PK\x03\x04 plain text", "no DOCX"),
        (WHOLE[: len(WHOLE) // 2], "no DOCX"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 old", "encrypted"),
        (with_member(WHOLE, BODY, b" " * 50_000_000), "ZIP bomb"),
        (with_member(WHOLE, BODY, b"<not xml"), "no DOCX"),
        (with_member(WHOLE, "[Content_Types].xml", b"<Types/>"), "no DOCX"),
    ],
)
def test_what_cannot_be_read_has_a_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    with pytest.raises(UnreadableFile, match=reason):
        passages(tmp_path / "a.docx", content)


def test_a_billion_laughs_are_not_laughed(tmp_path: Path) -> None:
    try:
        found = passages(tmp_path / "a.docx", with_member(WHOLE, BODY, BILLION_LAUGHS.encode()))
    except UnreadableFile:
        return
    assert sum(len(passage.text) for passage in found) < 1000


def test_elements_may_be_nested_deeply(tmp_path: Path) -> None:
    nested = f"<a>{'<b>' * 100_000}"
    with pytest.raises(UnreadableFile, match="no DOCX"):
        passages(tmp_path / "a.docx", with_member(WHOLE, BODY, nested.encode()))
