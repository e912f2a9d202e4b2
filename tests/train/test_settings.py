from typing import Any

import pytest

from quiver.errors import InputError
from quiver.train.embedder import ContrastSettings, checked_dimensions
from quiver.train.settings import LoraSettings, TrainingSettings


@pytest.mark.parametrize(
    "settings",
    [
        {"batch_size": 0},
        {"token_budget": 0},
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
        {"epochs": float("inf")},
        {"warmup": 1.0},
        {"snapshots": -1},
        {"last_layers": 0},
        {"last_layers": 1, "lora": LoraSettings()},
        {"last_layers": 1, "fsdp": True},
    ],
)
def test_settings_that_cannot_be_are_refused_by_name(settings: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(settings))):
        TrainingSettings(**settings)


def test_adapters_and_contrasts_that_cannot_be_are_refused() -> None:
    with pytest.raises(InputError, match="rank 0"):
        LoraSettings(rank=0)
    with pytest.raises(InputError, match="temperature"):
        ContrastSettings(temperature=0)


def test_dimensions_are_halved_down_to_64_unless_given() -> None:
    assert checked_dimensions(None, 1024) == (1024, 512, 256, 128, 64)
    assert checked_dimensions(None, 48) == (48,)
    assert checked_dimensions((32, 256, 32), 256) == (256, 32)
    for wrong in ((), (0,), (257,)):
        with pytest.raises(InputError, match="between 1 and 256"):
            checked_dimensions(wrong, 256)
