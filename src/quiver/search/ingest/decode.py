r"""Decode: bytes of unknown origin to text with ``\n`` between lines, or the reason why they are none."""

import codecs
import re

from charset_normalizer import from_bytes

from quiver.errors import UnreadableFile

MARKS = (  # UTF-32 first: its mark begins with that of UTF-16
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
SAMPLE_BYTES = 32 * 1024
LITTLE_EVIDENCE = 32
"""With fewer bytes beyond ASCII than this, guesses are worse than the web's usual encoding."""
USUAL_ENCODING = "cp1252"
DECLARED = re.compile(rb"""(?:charset\s*=\s*["']?|coding[:=]\s*|encoding\s*=\s*["'])([\w.-]{2,40})""", re.I)
BEYOND_ASCII = bytes(range(128, 256))
CONTROLS = bytes(set(range(32)) - set(b"\t\n\v\f\r\b\x1b"))
MOST_CONTROLS = 0.02


def decode(data: bytes, *, declares: bool = False) -> str:
    """The text; with ``declares``, a charset that is named in the first bytes is tried before any guess."""
    return normalized(_text(data, declares))


def normalized(text: str) -> str:
    """The text with one kind of line end and without NUL, which no database takes."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.replace("\0", "\ufffd") if "\0" in text else text


def check_is_text(data: bytes) -> None:
    """Raise UnreadableFile for the bytes of something else, whatever its name says."""
    if data.startswith(tuple(mark for mark, _ in MARKS[1:])):
        return
    if b"\0" in data:
        raise UnreadableFile("it is binary: it has NUL bytes")
    if len(data) - len(data.translate(None, CONTROLS)) > MOST_CONTROLS * len(data):
        raise UnreadableFile("it is binary: it is full of control characters")


def _text(data: bytes, declares: bool) -> str:
    check_is_text(data)
    for mark, encoding in MARKS:
        if data.startswith(mark):
            return _decoded(data, encoding)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        return _decoded(data, _encoding(data, error.start, declares))


def _decoded(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except (UnicodeDecodeError, LookupError):
        raise UnreadableFile(f"it is neither UTF-8 nor {encoding}; convert it to UTF-8") from None


def _encoding(data: bytes, first_bad: int, declares: bool) -> str:
    """The encoding that is declared, or else the likeliest one by the text around the first strange byte."""
    declared = DECLARED.search(data, 0, 2048) if declares else None
    if declared and _is_text_encoding(declared[1].decode()):
        return declared[1].decode()
    begin = max(0, first_bad - SAMPLE_BYTES // 2)
    sample = data[begin : begin + SAMPLE_BYTES]
    if len(sample) - len(sample.translate(None, BEYOND_ASCII)) < LITTLE_EVIDENCE:
        return USUAL_ENCODING
    best = from_bytes(sample).best()
    return best.encoding if best else USUAL_ENCODING


def _is_text_encoding(name: str) -> bool:
    """Whether it is known, and other than UTF-8, which has been tried (Python also knows ``base64``)."""
    try:
        info = codecs.lookup(name)
    except LookupError:
        return False
    return info.name not in ("utf-8", "utf-8-sig") and getattr(info, "_is_text_encoding", True)
