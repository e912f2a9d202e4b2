import gzip
import os
import pickle
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quiver.errors import UnreadableFile
from quiver.search.ingest import find_files, read_passages
from quiver.search.ingest.formats import SUFFIXES
from quiver.search.passages import SourceFile
from tests.search.ingest.made import count_words, passages, pdf, source, touch, word_file


def test_a_folder_of_every_format_becomes_passages(tmp_path: Path) -> None:
    touch(tmp_path, "a.txt", "b.md", "c.html", "d.py", "e.rst", "f.1", "README")
    (tmp_path / "g.pdf").write_bytes(pdf(["some text"]))
    (tmp_path / "h.docx").write_bytes(word_file([("Normal", "some text")]))
    (tmp_path / "i.csv").write_text("text\nsome text\n")
    (tmp_path / "j.md.gz").write_bytes(gzip.compress(b"some text"))
    files = [file for file in find_files([tmp_path]) if isinstance(file, SourceFile)]
    read = [read_passages(file, count_words, 50) for file in files]
    assert [[passage.text for passage in each] for each in read] == [["some text"]] * 11
    assert [each[0].path for each in read] == [file.path for file in files]


def test_passages_go_to_other_processes(tmp_path: Path) -> None:
    found = passages(tmp_path / "a.md", "# A\n\ntext")
    assert pickle.loads(pickle.dumps(found)) == found


@pytest.mark.parametrize("suffix", sorted(SUFFIXES))
def test_empty_files_have_no_passages_or_a_reason(tmp_path: Path, suffix: str) -> None:
    try:
        assert passages(tmp_path / f"a{suffix}", b"") == []
    except UnreadableFile:
        assert suffix in (".pdf", ".docx", ".parquet")


@pytest.mark.parametrize(
    "suffix", [".txt", ".md", ".html", ".py", ".rst", ".1", ".pdf", ".docx", ".csv", ".jsonl"]
)
@given(
    data=st.one_of(
        st.binary(max_size=300), st.text(max_size=300).map(lambda text: text.encode("utf-8", "replace"))
    )
)
def test_any_bytes_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, data: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / f"any{suffix}"
    try:
        found = passages(path, data)
    except UnreadableFile as error:
        reasons, found = str(error).splitlines(), []
        assert len(reasons) == 1
    assert all(count_words([passage.text])[0] <= 50 for passage in found)
    pickle.dumps([passage.text.encode() for passage in found])


def test_a_program_that_is_called_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match="binary"):
        passages(tmp_path / "a.txt", Path("/proc/self/exe").read_bytes()[:100_000])


def test_a_file_that_vanished_has_a_reason(tmp_path: Path) -> None:
    touch(tmp_path, "a.txt")
    file = source(tmp_path / "a.txt")
    (tmp_path / "a.txt").unlink()
    with pytest.raises(UnreadableFile, match="No such file"):
        read_passages(file, count_words, 50)


@pytest.mark.parametrize("name", ["a.txt", "a.parquet"])
def test_a_file_that_changed_is_for_the_next_run(tmp_path: Path, name: str) -> None:
    passages(tmp_path / "b.txt", "text")
    path = tmp_path / name
    path.write_bytes(b"text")
    file = replace(source(path), modified_ns=1)
    with pytest.raises(UnreadableFile, match=r"changed|Parquet"):
        read_passages(file, count_words, 50)


def test_a_pipe_in_the_place_of_a_file_does_not_block(tmp_path: Path) -> None:
    touch(tmp_path, "a.txt")
    file = source(tmp_path / "a.txt")
    (tmp_path / "a.txt").unlink()
    os.mkfifo(tmp_path / "a.txt")
    with pytest.raises(UnreadableFile, match="changed"):
        read_passages(file, count_words, 50)


def test_a_gzip_bomb_is_refused(tmp_path: Path) -> None:
    bomb = zlib.compressobj(9, wbits=31)
    content = b"".join(bomb.compress(b"word " * 200_000) for _ in range(60)) + bomb.flush()
    with pytest.raises(UnreadableFile, match="too much"):
        passages(tmp_path / "a.txt.gz", content)


def test_a_gzip_file_that_lost_its_end_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match="gzip"):
        passages(tmp_path / "a.txt.gz", gzip.compress(b"text" * 100)[:-9])
