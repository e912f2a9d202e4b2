"""Tells the writing system of a text."""

from __future__ import annotations

_SCRIPT_RANGES = (
    ("kana", 0x3040, 0x30FF),
    ("hangul", 0xAC00, 0xD7AF),
    ("han", 0x3400, 0x9FFF),
    ("cyrillic", 0x0400, 0x052F),
    ("arabic", 0x0600, 0x06FF),
    ("devanagari", 0x0900, 0x097F),
    ("greek", 0x0370, 0x03FF),
)


def script_of(text: str) -> str:
    """Tell the writing system of a text by its rarest sign of one."""
    counts = {name: sum(low <= ord(sign) <= high for sign in text) for name, low, high in _SCRIPT_RANGES}
    for name, _, _ in _SCRIPT_RANGES:
        if counts[name] * 8 > len(text):
            return name
    return "other" if sum(ord(sign) > 0x24F for sign in text) * 3 > len(text) else "latin"
