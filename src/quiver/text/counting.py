"""Counting: the number of tokens of texts, as a function that other processes can be given."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from quiver.text.prompts import PromptedText
from quiver.text.tokenizer import TextTokenizer


@dataclass(frozen=True, slots=True)
class TokenCounter:
    """Counts the tokens of texts, without a model's own around them; it pickles."""

    definition: bytes
    """The content of ``tokenizer.json``."""
    parse_special_tokens: bool = False

    def __call__(self, texts: Sequence[str]) -> list[int]:
        """The number of tokens of each text."""
        tokenizer = _open(self.definition, self.parse_special_tokens)
        encoded = tokenizer.encode([PromptedText("", text) for text in texts])
        return [len(ids) - tokenizer.opening_length(ids) for ids in encoded]


@cache
def _open(definition: bytes, parse_special_tokens: bool) -> TextTokenizer:
    return TextTokenizer(definition, parse_special_tokens=parse_special_tokens)
