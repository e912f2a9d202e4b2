import csv
import io
import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quiver.errors import InputError
from quiver.rows import parse

BOM = b"\xef\xbb\xbf"
texts = st.text(st.characters(exclude_categories=["Cs"]))


def quiet(message: str) -> None:
    pass


def lines(content: bytes) -> list[str]:
    return list(parse.lines(io.BytesIO(content), "a.txt"))


def jsonl(content: bytes, field: str | None = None, say: Callable[[str], None] = quiet) -> list[str]:
    return list(parse.jsonl(io.BytesIO(content), "a.jsonl", field, say))


def table(content: bytes, field: str | None = None, delimiter: str = ",") -> list[str]:
    return list(parse.table(io.BytesIO(content), "a.csv", field, quiet, delimiter=delimiter))


def test_every_line_of_a_text_file_is_a_text() -> None:
    assert lines(b"one\n\n  two \r\nthree") == ["one", "", "  two ", "three"]
    assert lines("caf\u00e9\u2028x\x85y\x0cz\n".encode()) == ["caf\u00e9\u2028x\x85y\x0cz"]
    assert lines(b"nul\x00inside\n") == ["nul\x00inside"]
    assert lines(b"") == []


def test_a_byte_order_mark_is_no_text() -> None:
    assert lines(BOM + b"one\n") == ["one"]
    assert lines(BOM) == []
    assert jsonl(BOM + b'"one"\n') == ["one"]
    assert table(BOM + b"text\none\n") == ["one"]
    assert lines(b"a\n" + BOM + b"b") == ["a", "\ufeffb"]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n")), min_size=1))
def test_text_lines_round_trip(given_texts: list[str]) -> None:
    content = "".join(f"{text}\n" for text in given_texts).encode()
    assert lines(content) == [given_texts[0].removeprefix("\ufeff"), *given_texts[1:]]


@given(st.lists(texts), st.booleans(), st.booleans())
def test_jsonl_round_trips(given_texts: list[str], as_objects: bool, ascii_only: bool) -> None:
    records = [{"id": 1, "text": text} if as_objects else text for text in given_texts]
    content = "".join(json.dumps(record, ensure_ascii=ascii_only) + "\n" for record in records)
    assert jsonl(content.encode()) == given_texts


@given(st.lists(texts), st.sampled_from([",", "\t"]))
def test_csv_round_trips(given_texts: list[str], delimiter: str) -> None:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, delimiter=delimiter)
    writer.writerows([["id", "text"], *([number, text] for number, text in enumerate(given_texts))])
    assert table(stream.getvalue().encode(), delimiter=delimiter) == given_texts


def test_jsonl_takes_strings_and_objects_and_passes_over_blank_lines() -> None:
    assert jsonl(b'"one"\n\n{"text": "two"}\r\n \n') == ["one", "two"]


@pytest.mark.parametrize("name", parse.DEFAULT_FIELDS)
def test_the_usual_fields_are_found_and_named(name: str) -> None:
    said: list[str] = []
    content = json.dumps({"id": "x", name: "body"}).encode()
    assert jsonl(content, say=said.append) == ["body"]
    assert said == [f"a.jsonl: reading the field '{name}'"]


def test_the_usual_fields_have_an_order() -> None:
    assert jsonl(b'{"query": "q", "content": "c", "text": "t"}') == ["t"]
    assert table(b"query,passage\nq,p\n") == ["p"]


def test_a_field_that_was_asked_for_is_not_announced() -> None:
    said: list[str] = []
    assert jsonl(b'{"text": "t", "body": "b"}', "body", said.append) == ["b"]
    assert said == []


def test_very_long_csv_fields_are_read() -> None:
    long = "x" * 1_000_000
    assert table(f"id,text\n1,{long}\n".encode()) == [long]


def test_csv_fields_may_span_lines_and_hold_quotes() -> None:
    assert table(b'id,text\r\n1,"say ""hi"",\nthen go"\r\n\r\n2,bye\r\n') == ['say "hi",\nthen go', "bye"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'"ok"\n{"text": "x"', "a.jsonl, line 2: malformed JSON at character"),
        (b'{"text": "x"}\n{"body": "y", "id": 2}', "line 2: no field 'text'; found 'body', 'id'"),
        (b'{"body": "y"}', "line 1: none of the fields text, content.*; found 'body'.*--field"),
        (b"{}", "line 1: none of the fields .*; found no fields at all"),
        (b'{"text": 3}', "line 1: the field 'text' is a number, not a string"),
        (b'{"text": true}', "the field 'text' is a boolean"),
        (b'{"text": null}', "the field 'text' is null"),
        (b'{"text": ["x"]}', "the field 'text' is an array"),
        (b'["x"]', "line 1: an array, not a string or an object"),
        (b"7", "line 1: a number, not a string or an object"),
        (b'"a\xff"', "a.jsonl, line 1: byte 3 is not UTF-8"),
        (b'"\\ud800"', r"line 1: character 1 is no text but the lone surrogate U\+D800"),
        (b"9" * 5000, "line 1: JSON that cannot be read"),
        (b"[" * 100_000, "line 1: JSON that cannot be read"),
        (b'"\xe2\x80\xa8', "line 1: malformed JSON"),
    ],
)
def test_bad_jsonl_is_refused_with_place_and_reason(content: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        jsonl(content)


@pytest.mark.parametrize(
    ("content", "field", "message"),
    [
        (b"id,body\n1,x\n", None, "a.csv, line 1: none of the fields .*; found 'id', 'body'.*--field"),
        (b"id,body\n1,x\n", "text", "a.csv, line 1: no field 'text'; found 'id', 'body'"),
        (b"text,text\n1,x\n", None, "line 1: 2 columns are named 'text'"),
        (b"id,text\n1,x\n2\n", None, "a.csv, line 3: 1 fields where the first line names 2"),
        (b"id,text\n1,yes, and no\n", None, "line 2: 3 fields where the first line names 2; .* need quotes"),
        (b'id,text\n1,"open\n', None, "malformed unexpected end of data"),
        (b"id,text\n1,x\n2,\xe9\n", None, "a.csv, line 3: byte 3 is not UTF-8; .*from its own encoding"),
    ],
)
def test_bad_csv_is_refused_with_place_and_reason(content: bytes, field: str | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        table(content, field)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "latin-1"])
def test_other_encodings_are_refused(encoding: str) -> None:
    content = "caf\u00e9 \u00fc".encode(encoding)
    with pytest.raises(InputError, match=r"a.txt, line 1: byte \d+ is not UTF-8") as refused:
        lines(content)
    assert ("from UTF-16 to UTF-8" in str(refused.value)) == (encoding == "utf-16")


def test_texts_come_one_by_one() -> None:
    class Endless(io.BytesIO):
        def __iter__(self) -> "Endless":
            return self

        def __next__(self) -> bytes:
            return b"line\n"

    drawn = parse.lines(Endless(), "a.txt")
    assert [next(drawn) for _ in range(3)] == ["line"] * 3
