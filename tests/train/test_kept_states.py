"""States that were kept are found again, also after a kill, and half of the disk stays free."""

import shutil
from pathlib import Path

import pytest
import torch

from quiver.train.kept_states import KeptStates

FIRST, SECOND = torch.tensor([1, 2, 3]), torch.tensor([1, 2])
STATES = torch.arange(12.0).view(3, 4)


def test_states_are_found_by_their_tokens(tmp_path: Path) -> None:
    kept = KeptStates(tmp_path, 4)
    kept.add(FIRST, STATES)
    kept.add(SECOND, STATES[:2] + 100)
    for again in (kept, KeptStates(tmp_path, 4)):
        for sequence, states in ((FIRST, STATES), (SECOND, STATES[:2] + 100)):
            found = again.get(sequence)
            assert found is not None
            assert torch.equal(found, states)
        assert again.get(torch.tensor([3, 2, 1])) is None


@pytest.mark.parametrize("file", ["states", "records"])
def test_what_a_kill_cut_off_is_forgotten(tmp_path: Path, file: str) -> None:
    kept = KeptStates(tmp_path, 4)
    kept.add(FIRST, STATES)
    kept.add(SECOND, STATES[:2])
    with (tmp_path / file).open("r+b") as stream:
        stream.truncate(stream.seek(0, 2) - 5)
    again = KeptStates(tmp_path, 4)
    assert again.get(FIRST) is not None
    assert again.get(SECOND) is None
    again.add(SECOND, STATES[1:])
    found = KeptStates(tmp_path, 4).get(SECOND)
    assert found is not None
    assert torch.equal(found, STATES[1:])


def test_half_of_the_disk_stays_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=2 * STATES.nbytes + 6)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    kept = KeptStates(tmp_path, 4)
    kept.add(FIRST, STATES)
    kept.add(SECOND, STATES[:2])
    assert kept.get(FIRST) is not None
    assert kept.get(SECOND) is None
