"""Terminal: users' texts and file names made harmless before they are shown.

A document may hold escape sequences that recolour, retitle or rewrite the terminal, and marks that reverse
the reading direction of everything behind them. None of them is printed.
"""

import unicodedata

DIRECTION_MARKS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
UNPRINTABLE_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})
LONGEST_CELL = 1000
"""Characters of a text that a table looks at; no terminal is wider."""


def neutralise(text: str) -> str:
    """Replace every character that could steer a terminal by U+FFFD."""
    if text.isascii() and text.isprintable():
        return text
    return "".join("\ufffd" if _steers(character) else character for character in text)


def one_line(text: str) -> str:
    """A text as a table shows it: on one line, harmless, of bounded length."""
    return neutralise(" ".join(text[:LONGEST_CELL].split()))


def _steers(character: str) -> bool:
    return character in DIRECTION_MARKS or unicodedata.category(character) in UNPRINTABLE_CATEGORIES
