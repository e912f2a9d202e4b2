import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from quiver.cli.target import Target
from quiver.cli.vectors import EmbeddedBlock, JsonlVectors, NpyVectors, open_writer
from quiver.cli.write import OutputFormat
from quiver.engine.plan import Usage
from quiver.results import Embeddings
from quiver.text.truncation import Cut
from tests.cli.fakes import fingerprint

TEXTS = ["first", "second\n[red]", "third \x1b[2J", "fourth", "北京"]
FILES = [OutputFormat.JSONL, OutputFormat.NPY, OutputFormat.PARQUET]


def vectors(count: int, dimension: int = 6) -> npt.NDArray[np.float32]:
    return np.random.default_rng(0).standard_normal((count, dimension)).astype(np.float32)


def blocks(
    texts: Sequence[str], rows: npt.NDArray[np.float32], *, size: int = 2, cuts: Sequence[Cut] = ()
) -> Iterator[EmbeddedBlock]:
    for first in range(0, len(texts), size):
        end = first + size
        inside = [cut for cut in cuts if first <= cut.index < end]
        block = Embeddings(rows[first:end], Usage(), inside, fingerprint(rows.shape[1]))
        yield EmbeddedBlock(first, texts[first:end], block)


def save(path: Path, chosen: OutputFormat, found: Iterator[EmbeddedBlock]) -> None:
    with open_writer(chosen, path, "some/model") as writer:
        for block in found:
            writer.write(block)


def load(path: Path, chosen: OutputFormat) -> npt.NDArray[np.float32]:
    if chosen is OutputFormat.NPY:
        loaded: npt.NDArray[np.float32] = np.load(path)
        return loaded
    if chosen is OutputFormat.PARQUET:
        column = pq.read_table(path)["embedding"].combine_chunks()
        return np.asarray(column.flatten()).reshape(len(column), -1)
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    return np.asarray([json.loads(line)["embedding"] for line in lines], dtype=np.float32)


@pytest.mark.parametrize("chosen", FILES)
@pytest.mark.parametrize("size", [1, 2, 5])
def test_vectors_come_back_exactly_whatever_the_blocks(
    tmp_path: Path, chosen: OutputFormat, size: int
) -> None:
    rows, path = vectors(5), tmp_path / "a"
    save(path, chosen, blocks(TEXTS, rows, size=size))
    loaded = load(path, chosen)
    assert loaded.dtype == np.float32
    np.testing.assert_array_equal(loaded, rows)


finite = st.floats(width=32, allow_nan=False, allow_infinity=False)


@settings(max_examples=30)
@given(arrays.arrays(np.float32, st.tuples(st.integers(1, 5), st.integers(1, 5)), elements=finite))
def test_every_float_survives_json(rows: npt.NDArray[np.float32]) -> None:
    stream = io.BytesIO()
    writer = JsonlVectors(Target(stream, "a", rewritable=True))
    for block in blocks(["x"] * len(rows), rows):
        writer.write(block)
    written = [json.loads(line)["embedding"] for line in stream.getvalue().splitlines()]
    np.testing.assert_array_equal(np.asarray(written, dtype=np.float32), rows)


def test_json_lines_hold_texts_and_cuts(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    save(path, OutputFormat.JSONL, blocks(TEXTS, vectors(5), cuts=[Cut(3, 10, 4)]))
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]
    assert [record["text"] for record in records] == TEXTS
    assert [record["index"] for record in records] == [0, 1, 2, 3, 4]
    assert [record.get("tokens_cut") for record in records] == [None, None, None, 6, None]


def test_parquet_holds_texts_cuts_model_and_fingerprint(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    save(path, OutputFormat.PARQUET, blocks(TEXTS, vectors(5), cuts=[Cut(3, 10, 4)]))
    table = pq.read_table(path)
    assert table.column_names == ["index", "text", "tokens_cut", "embedding"]
    assert table["text"].to_pylist() == TEXTS
    assert table["index"].to_pylist() == [0, 1, 2, 3, 4]
    assert table["tokens_cut"].to_pylist() == [0, 0, 0, 6, 0]
    assert str(table.schema.field("embedding").type) == "fixed_size_list<element: float>[6]"
    assert table.schema.metadata[b"quiver.model"] == b"some/model"
    assert table.schema.metadata[b"quiver.fingerprint"] == str(fingerprint(6)).encode()


def test_npy_can_be_mapped_into_memory(tmp_path: Path) -> None:
    rows, path = vectors(5), tmp_path / "a.npy"
    save(path, OutputFormat.NPY, blocks(TEXTS, rows))
    np.testing.assert_array_equal(np.load(path, mmap_mode="r"), rows)


@pytest.mark.parametrize("count", [9, 10, 99_999_999, 10**15])
def test_the_npy_header_never_grows(count: int) -> None:
    stream = io.BytesIO()
    writer = NpyVectors(Target(stream, "a", rewritable=True))
    writer.write(next(blocks(["x"], vectors(1))))
    size = len(stream.getvalue())
    writer._shape = (count, 6)
    writer.finish()
    assert len(stream.getvalue()) == size
    assert f"({count}, 6)".encode() in stream.getvalue()


@pytest.mark.parametrize("chosen", FILES)
def test_a_pipe_gets_the_same_bytes(
    tmp_path: Path, chosen: OutputFormat, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    path = tmp_path / "a"
    save(path, chosen, blocks(TEXTS, vectors(5)))
    with open_writer(chosen, None, "some/model") as writer:
        for block in blocks(TEXTS, vectors(5)):
            writer.write(block)
    assert capsysbinary.readouterr().out == path.read_bytes()


def test_an_unfinished_file_is_none(tmp_path: Path) -> None:
    def broken() -> Iterator[EmbeddedBlock]:
        yield next(blocks(TEXTS, vectors(5)))
        raise ZeroDivisionError

    for chosen in FILES:
        with pytest.raises(ZeroDivisionError):
            save(tmp_path / "a", chosen, broken())
    assert list(tmp_path.iterdir()) == []


def test_the_table_is_short_and_harmless(capsys: pytest.CaptureFixture[str]) -> None:
    rows = np.tile(np.asarray([[0.5, -0.25, 0, 1, 7, 8]], dtype=np.float32), (5, 1))
    with open_writer(OutputFormat.TABLE, None, "m") as writer:
        for block in blocks(TEXTS, rows):
            writer.write(block)
    out = capsys.readouterr().out
    assert "embedding (6 values)" in out
    assert "+0.5000 -0.2500 +0.0000 +1.0000 \u2026" in out
    assert "second [red]" in out
    assert "third \ufffd[2J" in out
    assert "\x1b" not in out


def test_the_table_shows_short_vectors_whole(capsys: pytest.CaptureFixture[str]) -> None:
    with open_writer(OutputFormat.TABLE, None, "m") as writer:
        writer.write(next(blocks(["x"], np.asarray([[1, 0]], dtype=np.float32))))
    assert "+1.0000 +0.0000       x" in capsys.readouterr().out
