import pytest

from quiver.errors import UnreadableFile
from quiver.search.ingest.decode import decode

GERMAN = "Die Bücher über Käse müssen größer und schöner werden, weil wir sie lieben. " * 4
RUSSIAN = "Съешь же ещё этих мягких французских булок, да выпей чаю. " * 4
JAPANESE = "これは日本語の文章です。検索のために読まれます。" * 4


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-be"])
def test_unicode_is_known_by_itself_or_its_mark(encoding: str) -> None:
    data = ("\ufeff" + GERMAN).encode(encoding) if encoding == "utf-16-be" else GERMAN.encode(encoding)
    assert decode(data) == GERMAN


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (GERMAN, "cp1252"),
        (RUSSIAN, "cp1251"),
        (RUSSIAN, "koi8-r"),
        (JAPANESE, "shift_jis"),
        (JAPANESE, "euc-jp"),
    ],
)
def test_older_encodings_are_guessed(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)) == text


def test_with_little_evidence_the_usual_encoding_is_taken() -> None:
    assert decode("café".encode("cp1252")) == "café"


@pytest.mark.parametrize("declaration", ['<meta charset="iso-8859-2">', "# -*- coding: latin2 -*-\n"])
def test_a_declared_encoding_is_believed(declaration: str) -> None:
    text = declaration + "Příliš žluťoučký"
    assert decode(text.encode("iso-8859-2"), declares=True) == text


@pytest.mark.parametrize("name", ["utf-8", "base64", "no-such", "rot13"])
def test_a_wrong_declaration_is_not(name: str) -> None:
    text = f'<meta charset="{name}">é'
    assert decode(text.encode("cp1252"), declares=True) == text


def test_lines_end_in_one_way() -> None:
    assert decode(b"a\r\nb\rc\n") == "a\nb\nc\n"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x7fELF\x02\x01\x01\0\0\0", "NUL"),
        (b"text and then a NUL\0", "NUL"),
        (bytes(range(1, 32)) * 10, "control characters"),
        ("no mark".encode("utf-16-le"), "NUL"),
        (b"\xff\xfe\x00", "utf-16"),
        (b"\x81\x8d\x8f" * 3, "cp1252"),
    ],
)
def test_what_is_no_text_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(UnreadableFile, match=reason):
        decode(data)


def test_a_nul_that_only_an_encoding_can_express_is_replaced() -> None:
    assert decode("a\0b".encode("utf-16")) == "a\ufffdb"
