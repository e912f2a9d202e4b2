import json
from pathlib import Path

import pytest

from quiver.errors import InputError
from quiver.train.answers import AnswerFile, request_digest


def test_answers_stay(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    with AnswerFile(path) as answers:
        answers.add("a", "one\n\u2028")
        assert path.read_bytes().count(b"\n") == 1
        answers.add("b", "two")
        assert answers.bought == 2
    with AnswerFile(path) as answers:
        assert (len(answers), answers.bought) == (2, 0)
        assert [answers.get(name) for name in "abc"] == ["one\n\u2028", "two", None]


def test_a_line_that_was_cut_at_any_place_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    first, second = (json.dumps({"request": name, "answer": "x"}).encode() + b"\n" for name in ("a", "b"))
    for kept in range(len(second)):
        path.write_bytes(first + second[:kept])
        with AnswerFile(path) as answers:
            assert len(answers) == 1
            answers.add("c", "y")
        with AnswerFile(path) as answers:
            assert [answers.get(name) for name in "abc"] == ["x", None, "y"]


@pytest.mark.parametrize(
    "content", [b"my notes", b"my notes\n", b'{"query": "q"}\n', b'{"request": 1, "answer": "a"}\n', b"[]\n"]
)
def test_a_file_of_something_else_is_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(content)
    with pytest.raises(InputError, match="something else"):
        AnswerFile(path)
    assert path.read_bytes() == content


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none" / "answers.jsonl"):
        with pytest.raises(InputError, match="cannot be used"):
            AnswerFile(path)


def test_requests_differ_by_every_part() -> None:
    digests = {request_digest(*parts) for parts in (("a", "b"), ("ab", ""), ("", "ab"), ("b", "a"))}
    assert len(digests) == 4
