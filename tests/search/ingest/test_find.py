import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from quiver.search.ingest import find_files
from quiver.search.passages import Skipped, SourceFile
from tests.search.ingest.made import touch


def found(*paths: Path) -> list[str]:
    return [each.path for each in find_files(paths) if isinstance(each, SourceFile)]


def names(folder: Path) -> list[str]:
    return [Path(path).relative_to(folder).as_posix() for path in found(folder)]


def skipped(folder: Path) -> dict[str, str]:
    every = (each for each in find_files([folder]) if isinstance(each, Skipped))
    return {Path(each.path).relative_to(folder).as_posix(): each.reason for each in every}


def test_files_come_in_one_order_with_what_tells_a_change(tmp_path: Path) -> None:
    touch(tmp_path, "b.txt", "a/2.txt", "a/10.txt", "a-b.txt", "README")
    assert names(tmp_path) == ["README", "a/10.txt", "a/2.txt", "a-b.txt", "b.txt"]
    first = next(iter(find_files([tmp_path])))
    assert isinstance(first, SourceFile)
    assert first.size == len("some text")
    assert first.digest == "b94f6f125c79e3a5ffaa826f584c10d52ada669e6762051b826b55776d05aed2"


def test_paths_are_as_the_user_would_type_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "docs/a.txt", "note.txt")
    monkeypatch.chdir(tmp_path)
    assert found(Path("docs"), Path("note.txt")) == ["docs/a.txt", "note.txt"]
    assert found(Path(".")) == ["docs/a.txt", "note.txt"]


def test_a_file_that_is_given_twice_comes_once(tmp_path: Path) -> None:
    touch(tmp_path, "a/b.txt")
    assert len(found(tmp_path / "a", tmp_path, tmp_path / "a" / "b.txt")) == 1


def test_a_file_that_is_given_may_have_any_name(tmp_path: Path) -> None:
    touch(tmp_path, ".hidden", "notes.xyz", ".gitignore")
    assert names(tmp_path) == []
    assert len(found(tmp_path / ".hidden", tmp_path / "notes.xyz")) == 2


def test_what_editors_and_downloads_leave_is_passed_over_unless_given(tmp_path: Path) -> None:
    left = [
        "notes.txt~",
        "#notes.txt#",
        ".#notes.txt",
        "~$report.docx",
        "book.pdf.part",
        "Book.pdf.CRDOWNLOAD",
    ]
    touch(tmp_path, "notes.txt", "chapter.part/1.txt", *left)
    assert names(tmp_path) == ["chapter.part/1.txt", "notes.txt"]
    assert skipped(tmp_path) == {}
    assert found(tmp_path / "notes.txt~") == [str(tmp_path / "notes.txt~")]


def test_what_no_reader_takes_is_skipped(tmp_path: Path) -> None:
    touch(tmp_path, "picture.PNG", "archive.tar.gz", "manual.pdf.gz", "page.html.gz")
    assert skipped(tmp_path) == {
        "picture.PNG": "no reader for .PNG files",
        "archive.tar.gz": "no reader for .gz files",
        "manual.pdf.gz": "no reader for .gz files",
    }


def test_what_gitignore_names_is_passed_over(tmp_path: Path) -> None:
    touch(
        tmp_path,
        ".git/config.txt",
        "build/a.txt",
        "x.log",
        "keep.log",
        "sub/x.log",
        "sub/y.txt",
        "sub/in/y.txt",
    )
    (tmp_path / ".gitignore").write_text("build/\n*.log\n!keep.log\n")
    (tmp_path / "sub" / ".gitignore").write_text("!x.log\n/y.txt\n")
    assert names(tmp_path) == ["keep.log", "sub/in/y.txt", "sub/x.log"]


def test_the_rules_of_the_repository_around_hold(tmp_path: Path) -> None:
    touch(tmp_path, ".git/HEAD", "docs/a.txt", "docs/a.log", "docs/deep/b.txt")
    (tmp_path / ".gitignore").write_text("*.log\ndocs/deep\n")
    assert names(tmp_path / "docs") == ["a.txt"]


def test_rules_above_a_folder_that_is_in_no_repository_are_not_ours(tmp_path: Path) -> None:
    touch(tmp_path, "docs/a.log")
    (tmp_path / ".gitignore").write_text("*.log\n")
    assert names(tmp_path / "docs") == ["a.log"]


def test_git_agrees(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "a.txt",
        "b/a.txt",
        "b/c.txt",
        "b/d/e.txt",
        "b/d/f.md",
        "x y.txt",
        "g/h.txt",
        "#i.txt",
        "build/z.txt",
    )
    (tmp_path / ".gitignore").write_text(
        "/a.txt\nb/**/f.md\nx\\ y.txt\n\\#i.txt\nbuild/*\n!build/z.txt\n# comment\n\n"
    )
    (tmp_path / "b" / ".gitignore").write_text("c.*\n!/c.txt\n")
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    command = ["git", "-C", str(tmp_path), "ls-files", "-z", "--others", "--exclude-standard"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\0")
    assert sorted(names(tmp_path)) == sorted(name for name in listed if name and ".gitignore" not in name)


@pytest.mark.parametrize("rules", [b"!\n/\n[\n\\\n*.log\n", b"\xff\xfe\n\0\n*.log\n", b"*.log"])
def test_rules_that_are_no_rules_do_no_harm(tmp_path: Path, rules: bytes) -> None:
    touch(tmp_path, "a.txt", "b.log")
    (tmp_path / ".gitignore").write_bytes(rules)
    assert names(tmp_path) == ["a.txt"]


def test_symbolic_links_are_not_followed_but_named(tmp_path: Path) -> None:
    touch(tmp_path, "real/a.txt")
    (tmp_path / "real" / "loop").symlink_to(tmp_path)
    (tmp_path / "link.txt").symlink_to("real/a.txt")
    (tmp_path / "dangling.txt").symlink_to("nothing")
    assert names(tmp_path) == ["real/a.txt"]
    assert set(skipped(tmp_path)) == {"dangling.txt", "link.txt", "real/loop"}
    assert "symbolic link" in skipped(tmp_path)["link.txt"]


def test_a_link_that_is_given_is_followed(tmp_path: Path) -> None:
    touch(tmp_path, "real/a.txt")
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "a.txt").symlink_to("real/a.txt")
    assert found(tmp_path / "link") == [f"{tmp_path}/link/a.txt"]
    assert found(tmp_path / "a.txt") == [f"{tmp_path}/a.txt"]


def test_pipes_and_devices_are_skipped(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    assert "pipe" in skipped(tmp_path)["pipe.txt"]
    (given,) = find_files(["/dev/zero"])
    assert isinstance(given, Skipped)
    (given,) = find_files([tmp_path / "pipe.txt"])
    assert isinstance(given, Skipped)


def test_a_file_of_2_gb_is_skipped_unread(tmp_path: Path) -> None:
    with (tmp_path / "large.txt").open("wb") as stream:
        stream.truncate(2 * 10**9)
    assert skipped(tmp_path) == {
        "large.txt": "2,000 MB are too much for one file (text: at most 50 MB); split it"
    }


def test_names_that_are_not_utf8_are_skipped(tmp_path: Path) -> None:
    touch(tmp_path, b"caf\xe9.txt", b"caf\xe9/a.txt", b"two\nlines.txt")
    assert skipped(tmp_path) == {
        "caf\\xe9.txt": "its name is not UTF-8; rename it",
        "caf\\xe9/a.txt": "its name is not UTF-8; rename it",
        "two\\nlines.txt": "its name is not UTF-8; rename it",
    }


def test_paths_that_do_not_exist_are_skipped(tmp_path: Path) -> None:
    assert list(find_files([tmp_path / "no"])) == [Skipped(f"{tmp_path}/no", "No such file or directory")]
    (impossible,) = find_files(["a\0b"])
    assert isinstance(impossible, Skipped)
    (endless,) = find_files(["x" * 5000])
    assert endless == Skipped("x" * 5000, "File name too long")


def test_what_may_not_be_read_is_skipped(tmp_path: Path) -> None:
    touch(tmp_path, "a.txt", "closed/b.txt", "c.txt")
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)
    (tmp_path / "a.txt").chmod(0)
    (tmp_path / "closed").chmod(0)
    with as_nobody():
        every = list(find_files([tmp_path]))
    assert [getattr(each, "reason", "read") for each in every] == [
        "Permission denied",
        "read",
        "Permission denied",
    ]


@contextmanager
def as_nobody() -> Iterator[None]:
    """Root may read everything, and so would not notice."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_files_that_vanish_are_skipped(tmp_path: Path) -> None:
    touch(tmp_path, "a.txt", "b.txt", "c/d.txt")
    finding = find_files([tmp_path])
    next(finding)
    (tmp_path / "b.txt").unlink()
    (tmp_path / "c" / "d.txt").unlink()
    (tmp_path / "c").rmdir()
    assert all(each.reason == "No such file or directory" for each in finding if isinstance(each, Skipped))


def test_folders_may_be_deep(tmp_path: Path) -> None:
    touch(tmp_path, "d/" * 500 + "a.txt")
    assert len(found(tmp_path)) == 1
