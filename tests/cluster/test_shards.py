"""Cutting files: the pieces together are what one reader reads, wherever the cuts fall."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("fsspec", reason="fsspec is not installed: pip install 'quiver-embed[ray]'")

from quiver.cli.read import InputChoice, open_texts
from quiver.cluster.shards import numbered, pieces_of, source_of, texts_of
from quiver.errors import InputError

TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r")), min_size=1)


def cut(path: Path, rows: int, field: str | None = None) -> list[str]:
    """All texts, piece by piece."""
    shards = numbered([pieces_of(source_of(str(path), None, field), rows)])
    assert [shard.first for shard in shards] == [
        sum(other.piece.rows for other in shards[:number]) for number in range(len(shards))
    ]
    if path.suffix in (".txt", ".jsonl"):
        assert all(shard.piece.rows <= rows for shard in shards)
    return [text for shard in shards for text in texts_of(shard.piece)]


def whole(path: Path) -> list[str]:
    return list(open_texts(InputChoice(files=[path]), lambda message: None))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(TEXTS, st.integers(1, 5), st.sampled_from(["", "\ufeff"]), st.booleans())
def test_lines(tmp_path: Path, texts: list[str], rows: int, mark: str, ended: bool) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes((mark + "\n".join(texts) + "\n" * ended).encode())
    expected = whole(path) if path.stat().st_size > len(mark.encode()) else []
    assert cut(path, rows) == expected


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(TEXTS, st.integers(1, 5), st.data())
def test_json_lines_with_blank_ones_between(
    tmp_path: Path, texts: list[str], rows: int, data: st.DataObject
) -> None:
    path = tmp_path / "a.jsonl"
    forms = [json.dumps(text) if data.draw(st.booleans()) else json.dumps({"text": text}) for text in texts]
    blank = ["\n" * data.draw(st.integers(0, 2)) for _ in texts]
    path.write_text("".join(f"{gap}{form}\n" for gap, form in zip(blank, forms, strict=True)))
    assert cut(path, rows) == texts


def test_the_first_object_settles_the_field_of_every_piece(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    records = [{"content": "a", "x": 1}, {"text": "no", "content": "b"}, {"content": "c"}]
    path.write_text("".join(f"{json.dumps(each)}\n" for each in records))
    assert cut(path, 1) == ["a", "b", "c"] == whole(path)


@pytest.mark.parametrize("group", [3, 7, 100])
def test_parquet(tmp_path: Path, group: int) -> None:
    path = tmp_path / "a.parquet"
    texts = [f"text {number}" for number in range(50)]
    pq.write_table(pa.table({"id": range(50), "text": texts}), path, row_group_size=group)
    assert cut(path, 5) == texts == whole(path)


def test_csv_is_one_piece(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('text,n\n"one\nline",1\ntwo,2\n')
    assert cut(path, 1) == ["one\nline", "two"] == whole(path)


def test_a_file_that_changed_meanwhile_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("one\ntwo\n")
    pieces = pieces_of(source_of(str(path), None, None), 1)
    path.write_text("one\n")
    with pytest.raises(InputError, match="has changed since the job began"):
        list(texts_of(pieces[1]))


@pytest.mark.parametrize(
    ("name", "message"),
    [("absent.txt", "does not exist"), ("", "is a folder"), ("odd.xyz", "its name does not say")],
)
def test_files_that_cannot_be_read(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "odd.xyz").write_text("a")
    with pytest.raises(InputError, match=message):
        source_of(str(tmp_path / name), None, None)
