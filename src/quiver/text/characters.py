"""Characters: texts for servers that tokenise for themselves, in the place of token sequences.

A sequence is then the text itself, one code point an element, so that everything between tokenizer and
engine works as it does on tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from quiver.errors import InputError
from quiver.text.prompts import PromptedText
from quiver.text.sequences import Prepared
from quiver.text.tokenizer import TokenIds
from quiver.text.truncation import LengthLimit, TooLongPolicy

BETWEEN = 0x110000
"""Parts a pair's fields: the first number that is no character, which no text can hold."""


@dataclass(frozen=True, slots=True)
class CharacterSequencer:
    """A ``Sequencer`` for texts whose tokens are another machine's to decide."""

    limit: LengthLimit = LengthLimit(2**31 - 1, "error")  # noqa: RUF009  (it is frozen)

    def whole(self, texts: Sequence[PromptedText]) -> list[TokenIds]:
        """Tokens are not known here; raises InputError."""
        raise InputError(
            "the server's tokens are not known here: name the model, so that its tokenizer is read"
        )

    def limited(
        self, texts: Sequence[PromptedText], *, first: int = 0, limit: LengthLimit | None = None
    ) -> Prepared:
        """The texts, or the fields of pairs; nothing is cut."""
        return Prepared([_code_points(text) for text in texts], (), first)

    def limited_tokens(self, bodies: Sequence[TokenIds], *, limit: LengthLimit | None = None) -> Prepared:
        """Raises InputError as ``whole`` does."""
        raise InputError("token ids need the model's name beside the server's, so that its tokenizer is read")

    def limit_for(
        self,
        on_too_long: TooLongPolicy | None,
        max_length: int | None = None,
        max_text_tokens: int | None = None,
    ) -> LengthLimit:
        """No limit; raises InputError where a call asks for one."""
        if max_length is not None or max_text_tokens is not None or on_too_long not in (None, "error"):
            raise InputError(
                "limits count tokens, which are the server's: name the model, or cut texts before"
            )
        return self.limit


def text_of(sequence: TokenIds) -> str:
    """The text that a sequence of one text is."""
    return sequence.astype("<u4").tobytes().decode("utf-32-le")


def fields_of(sequence: TokenIds) -> list[str]:
    """The fields that a sequence of a pair is."""
    ends = [*np.flatnonzero(sequence == BETWEEN).tolist(), len(sequence)]
    starts = [0, *(end + 1 for end in ends)]
    return [text_of(sequence[start:end]) for start, end in zip(starts, ends, strict=False)]


def _code_points(text: PromptedText) -> TokenIds:
    parts = [_characters(part) for part in text.fields or (text.template + text.text,)]
    between = np.asarray([BETWEEN], dtype=np.int32)
    return np.concatenate([array for part in parts for array in (between, part)][1:])


def _characters(text: str) -> TokenIds:
    return np.frombuffer(text.encode("utf-32-le"), dtype="<u4").astype(np.int32)
