r"""Tokenizer: text to token ids, with users' text kept apart from special tokens.

A special-token string inside a user's text (``<|im_end|>``) is plain text here, so that no document can
close its own turn. Prompts are the model's own and may hold special tokens. Both are tokenised as *one*
string, since a token may straddle the border (``?\n`` is one token of Qwen3).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tokenizers

from quiver.errors import CheckpointError, InputError
from quiver.text.prompts import PromptedText

TokenIds = npt.NDArray[np.int32]

END_TOKEN = "<|endoftext|>"
_UNLIKE = ("a", "1", ".")


@dataclass(frozen=True, slots=True)
class TokenPiece:
    """One token, and the characters that it stands for."""

    token_id: int
    text: str
    start: int | None
    """Where it begins in the user's text, in characters; None within a prompt or for a mark before it."""
    stop: int | None


class TextTokenizer:
    """The tokenizer of one checkpoint, read from its ``tokenizer.json``.

    ``parse_special_tokens=True`` restores the reference's behaviour: special-token strings in users'
    text become special tokens.
    """

    def __init__(self, definition: bytes, *, parse_special_tokens: bool = False) -> None:
        self._marked = marked = _load(definition)
        self._plain = marked if parse_special_tokens else _without_added_tokens(marked)
        self._added_tokens = [token.content for token in marked.get_added_tokens_decoder().values()]
        self.parses_special_tokens = parse_special_tokens
        self.opening = self._find_opening()
        """Marks that the definition sets before every text (by its normalizer); no cut takes them."""

    @classmethod
    def from_folder(cls, folder: Path, *, parse_special_tokens: bool = False) -> "TextTokenizer":
        """Read ``folder/tokenizer.json``; raises CheckpointError if it is absent or unusable."""
        return cls(read_definition(folder), parse_special_tokens=parse_special_tokens)

    def token_id(self, token: str) -> int:
        """The id of one token; raises CheckpointError if the vocabulary lacks it."""
        found = self._marked.token_to_id(token)
        if found is None:
            raise CheckpointError(f"the tokenizer has no token {token!r}, which the model's format needs")
        return int(found)

    def encode_trusted(self, text: str) -> TokenIds:
        """Token ids of a text of the model's own (a template), special tokens parsed."""
        return _ids(self._marked.encode(text, add_special_tokens=False))

    def encode(self, texts: Sequence[PromptedText]) -> list[TokenIds]:
        """Token ids of each template and text, without any end token.

        The texts must have passed ``check_texts``.
        """
        split = {template: self._split_after_special(template) for template in {t.template for t in texts}}
        heads = {template: self.encode_trusted(head) for template, (head, _) in split.items() if head}
        plain = [split[t.template][1] + t.text for t in texts]
        encoded = self._plain.encode_batch_fast(plain, add_special_tokens=False)
        bodies = [_ids(encoding) for encoding in encoded]
        if not heads:
            return bodies
        empty = np.empty(0, dtype=np.int32)
        return [np.concatenate([heads.get(t.template, empty), b]) for t, b in zip(texts, bodies, strict=True)]

    def spell(self, ids: TokenIds, *, read_as_plain: bool) -> str:
        """The text that reads as these tokens where special-token strings are special (or plain).

        Raises InputError if there is none: a user's text holds such a string, or was cut within a character.
        """
        text: str = self._marked.decode(ids.tolist(), skip_special_tokens=False)
        reader = self._plain if read_as_plain else self._marked
        if reader.encode(text, add_special_tokens=False).ids != ids.tolist():
            found = ", ".join(token for token in self._added_tokens if token in text)
            reason = f"it holds {found}, which would become a special token" if found else "it was cut"
            raise InputError(f"a text cannot be sent to a server that takes no token ids: {reason}")
        return text

    def pieces(self, text: PromptedText) -> list[TokenPiece]:
        """The tokens of template and text as pieces of them, without any end token."""
        head, tail = self._split_after_special(text.template)
        trusted = self._marked.encode(head, add_special_tokens=False)
        before = [
            TokenPiece(token, head[a:b], None, None)
            for token, (a, b) in zip(trusted.ids, trusted.offsets, strict=True)
        ]
        whole, shift = tail + text.text, len(tail)
        encoded = self._encode(whole)
        read = list(zip(encoded.ids, encoded.offsets, strict=True))
        marks = len(self.opening)
        return [
            *before,
            *(TokenPiece(token, "", None, None) for token, _ in read[:marks]),
            *(
                TokenPiece(token, whole[a:b], *((a - shift, b - shift) if a >= shift else (None, None)))
                for token, (a, b) in read[marks:]
            ),
        ]

    def protected_length(self, text: PromptedText) -> int:
        """How many of a text's tokens are marks before it or begin within what no cut may reach."""
        head, tail = self._split_after_special(text.template)
        characters = len(tail) + text.protected
        before = len(self.encode_trusted(head))
        if not characters:
            return before + len(self.opening)
        return before + sum(start < characters for start, _ in self._encode(tail + text.text).offsets)

    def opening_length(self, ids: TokenIds) -> int:
        """How many tokens of a text that came as tokens are marks before it."""
        length = len(self.opening)
        return length if np.array_equal(ids[:length], self.opening) else 0

    def _find_opening(self) -> TokenIds:
        """What texts that have nothing in common begin with alike."""
        own = [self._encode(text).ids[:-1] for text in _UNLIKE]
        alike = takewhile(lambda ids: len(set(ids)) == 1, zip(*own, strict=False))
        return np.asarray([ids[0] for ids in alike], dtype=np.int32)

    def _encode(self, text: str) -> tokenizers.Encoding:
        """With offsets; of the library's calls only the one for batches lets other threads run."""
        (encoding,) = self._plain.encode_batch([text], add_special_tokens=False)
        return encoding

    def _split_after_special(self, prompt: str) -> tuple[str, str]:
        """Cut a prompt behind its last special token: no token can straddle that point."""
        ends = [prompt.rfind(t) + len(t) for t in self._added_tokens if t in prompt]
        cut = max(ends, default=0)
        return prompt[:cut], prompt[cut:]


def read_definition(folder: Path) -> bytes:
    """The bytes of ``tokenizer.json``; raises CheckpointError if there is none."""
    path = folder / "tokenizer.json"
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise CheckpointError(
            f"{folder} has no tokenizer.json; write one with "
            "transformers.AutoTokenizer.from_pretrained(folder).save_pretrained(folder)"
        ) from None
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error}") from error


def check_texts(texts: Iterable[object], *, first: int = 0, what: str = "text") -> None:
    """Raise InputError for the first item that is not a string of valid Unicode.

    ``first`` is the number of the first item in the message, ``what`` its name.
    """
    for index, text in enumerate(texts, first):
        if not isinstance(text, str):
            raise InputError(f"{what} {index} is {type(text).__name__}, not a string")
        if text.isascii():
            continue
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InputError(
                f"{what} {index} has a lone surrogate at character {error.start}, so it is no valid "
                'Unicode; decode its source again, or repair it: text.encode(errors="replace").decode()'
            ) from None


def _load(definition: bytes) -> tokenizers.Tokenizer:
    """The tokenizer as defined, but for what it would do to a text's length."""
    try:
        tokenizer = tokenizers.Tokenizer.from_buffer(definition)
    except Exception as error:  # the library raises bare Exception for a malformed definition
        raise CheckpointError(f"tokenizer.json is not a tokenizer definition: {error}") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.post_processor = None
    return tokenizer


def _without_added_tokens(marked: tokenizers.Tokenizer) -> tokenizers.Tokenizer:
    """The same tokenizer for plain text; the two hold one vocabulary, which takes long to read."""
    plain = tokenizers.Tokenizer(marked.model)
    plain.normalizer = marked.normalizer
    plain.pre_tokenizer = marked.pre_tokenizer
    return plain


def _ids(encoding: tokenizers.Encoding) -> TokenIds:
    return np.asarray(encoding.ids, dtype=np.int32)
