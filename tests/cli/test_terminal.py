import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quiver.cli.terminal import LONGEST_CELL, neutralise, one_line


@pytest.mark.parametrize(
    "text", ["\x1b[31mred", "bell\x07", "csi\x9b2J", "back\b\b", "\u202ereversed", "\u2066", "\ud800", "\x7f"]
)
def test_what_steers_a_terminal_is_replaced(text: str) -> None:
    assert "\ufffd" in neutralise(text)
    assert len(neutralise(text)) == len(text)


@pytest.mark.parametrize("text", ["plain", "北京是中国的首都。", "naïve", "👩\u200d🚀", "می\u200cخواهم"])
def test_text_of_every_script_is_left_alone(text: str) -> None:
    assert neutralise(text) == text


@given(st.text())
def test_a_cell_is_one_harmless_line(text: str) -> None:
    shown = one_line(text)
    assert not any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in shown)
    assert len(shown) <= LONGEST_CELL


def test_white_space_is_one_space() -> None:
    assert one_line("  a\n\n\tb\r\nc ") == "a b c"
