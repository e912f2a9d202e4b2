import os
from pathlib import Path

import pytest

from quiver.cache import cache_folder, create_private, open_private


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def test_the_folder_is_this_users_alone(home: Path) -> None:
    folder = cache_folder("things")
    assert folder == home / "quiver" / "things"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert cache_folder("things") == folder


@pytest.mark.parametrize("given", ["", "relative/folder"])
def test_without_a_good_variable_it_is_in_the_home_folder(
    given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", given)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder("things") == tmp_path / ".cache" / "quiver" / "things"


def test_a_user_without_a_home_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    with pytest.raises(OSError, match="set XDG_CACHE_HOME"):
        cache_folder("things")


def test_a_folder_that_others_may_write_to_is_refused(home: Path) -> None:
    cache_folder("things").chmod(0o777)
    with pytest.raises(PermissionError, match="chmod go-w"):
        cache_folder("things")


def test_what_is_written_is_private_and_read_back(home: Path) -> None:
    path = home / "file"
    with create_private(path) as stream:
        stream.write(b"content")
    assert path.stat().st_mode & 0o777 == 0o600
    with open_private(path) as stream:
        assert stream.read() == b"content"


@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_a_file_that_others_may_write_to_is_refused(home: Path, mode: int) -> None:
    path = home / "file"
    path.touch()
    path.chmod(mode)
    with pytest.raises(PermissionError, match="others may write"):
        open_private(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file away")
def test_a_file_of_another_user_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = home / "file"
    path.touch()
    os.chown(path, 12345, -1)
    with pytest.raises(PermissionError, match="belongs to another user"):
        open_private(path)


def test_a_link_is_not_followed(home: Path) -> None:
    (home / "target").touch()
    (home / "link").symlink_to(home / "target")
    with pytest.raises(OSError, match="link"):
        open_private(home / "link")
    with pytest.raises(OSError, match="link"):
        create_private(home / "link")
