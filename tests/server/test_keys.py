from pathlib import Path

import pytest

from quiver.errors import InputError
from quiver.server.keys import ENVIRONMENT, KeyRing, collect_keys, presented_key


def test_a_ring_knows_its_keys() -> None:
    ring = KeyRing(["first", "second", "first"])
    assert ring.name_of("first") == "key-1"
    assert ring.name_of("second") == "key-2"
    assert ring.name_of("third") is None
    assert ring.name_of("") is None
    assert ring
    assert not KeyRing()


def test_a_ring_does_not_show_its_keys() -> None:
    ring = KeyRing(["secret"])
    assert "secret" not in repr(ring) + str(vars(ring))


@pytest.mark.parametrize(
    ("headers", "key"),
    [
        ({"authorization": "Bearer abc"}, "abc"),
        ({"authorization": "bearer  abc "}, "abc"),
        ({"x-api-key": "abc"}, "abc"),
        ({"api-key": "abc"}, "abc"),
        ({"authorization": "Basic abc", "api-key": "def"}, "def"),
        ({"authorization": "Bearer "}, None),
        ({}, None),
    ],
)
def test_where_clients_put_a_key(headers: dict[str, str], key: str | None) -> None:
    assert presented_key(headers) == key


def test_keys_come_from_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "keys"
    file.write_text("# ours\n\n from-file \n")
    monkeypatch.setenv(ENVIRONMENT, "one,two three")
    assert collect_keys(["given"], file) == ["given", "one", "two", "three", "from-file"]


def test_mistakes_with_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    with pytest.raises(InputError, match="cannot be read: No such file"):
        collect_keys([], tmp_path / "absent")
    (tmp_path / "empty").write_text("# nothing\n")
    with pytest.raises(InputError, match="holds none"):
        collect_keys([], tmp_path / "empty")
    for key in ("", "two words", "schlüssel"):
        with pytest.raises(InputError, match="printable ASCII") as caught:
            collect_keys([key], None)
        assert not key or key not in str(caught.value)
