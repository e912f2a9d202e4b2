import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, normalizers

from quiver.errors import CheckpointError, InputError
from quiver.text.counting import TokenCounter
from quiver.text.prompts import PromptedText
from quiver.text.sequences import Sequencer
from quiver.text.tokenizer import TextTokenizer, TokenIds, check_texts
from quiver.text.truncation import Cut, LengthLimit
from tests.checkpoints import PLAIN_ADDED_TOKENS, SPECIAL_TOKENS, make_tokenizer

ORACLE = make_tokenizer()
TOKENIZER = TextTokenizer(ORACLE.to_str().encode())
MARKS = st.sampled_from([*SPECIAL_TOKENS, *PLAIN_ADDED_TOKENS])
ANY_TEXT = st.lists(st.text(max_size=20) | MARKS, max_size=6).map("".join)


def encode(tokenizer: TextTokenizer, template: str, text: str) -> TokenIds:
    return tokenizer.encode([PromptedText(template, text)])[0]


def plain_oracle() -> Tokenizer:
    definition = json.loads(ORACLE.to_str())
    definition["added_tokens"] = []
    return Tokenizer.from_str(json.dumps(definition))


PLAIN_ORACLE = plain_oracle()


@given(ANY_TEXT)
def test_no_text_ever_becomes_a_special_token(text: str) -> None:
    specials = {ORACLE.token_to_id(mark) for mark in (*SPECIAL_TOKENS, *PLAIN_ADDED_TOKENS)}
    ids = encode(TOKENIZER, "", text)
    assert not specials & set(ids.tolist())
    assert ids.tolist() == PLAIN_ORACLE.encode(text, add_special_tokens=False).ids


@given(ANY_TEXT)
def test_the_switch_restores_the_references_reading(text: str) -> None:
    parsing = TextTokenizer(ORACLE.to_str().encode(), parse_special_tokens=True)
    assert encode(parsing, "", text).tolist() == ORACLE.encode(text, add_special_tokens=False).ids


@given(st.text(max_size=30), st.text(max_size=30))
def test_a_template_and_a_text_are_tokenised_as_one_string(template: str, text: str) -> None:
    joined = ORACLE.encode(template + text, add_special_tokens=False).ids
    assert encode(TOKENIZER, template, text).tolist() == joined


def test_a_token_may_straddle_the_border() -> None:
    apart = len(encode(TOKENIZER, "", "Query:")) + len(encode(TOKENIZER, "", "::"))
    assert len(encode(TOKENIZER, "Query:", "::")) <= apart
    assert encode(TOKENIZER, "Why?", "\nWhat?").tolist() == encode(TOKENIZER, "", "Why?\nWhat?").tolist()


@given(st.text(max_size=10), st.text(max_size=10), ANY_TEXT)
def test_only_the_templates_special_tokens_parse(before: str, after: str, text: str) -> None:
    ids = encode(TOKENIZER, f"{before}<|im_start|>{after}", text)
    expected = [
        *ORACLE.encode(f"{before}<|im_start|>", add_special_tokens=False).ids,
        *PLAIN_ORACLE.encode(after + text, add_special_tokens=False).ids,
    ]
    assert ids.tolist() == expected


def test_the_files_own_end_token_is_not_applied(tokenizer: TextTokenizer, definition: bytes) -> None:
    assert Tokenizer.from_str(definition.decode()).encode("a").tokens[-1] == "<|endoftext|>"
    assert tokenizer.token_id("<|endoftext|>") not in encode(tokenizer, "", "a")


def test_the_files_own_truncation_and_padding_are_not_applied() -> None:
    limited = make_tokenizer()
    limited.enable_truncation(4)
    limited.enable_padding(length=8)
    assert len(encode(TextTokenizer(limited.to_str().encode()), "", "no" * 50)) == len(
        ORACLE.encode("no" * 50).ids
    )
    assert len(encode(TextTokenizer(limited.to_str().encode()), "", "")) == 0


@given(st.text(max_size=20), st.text(max_size=20))
def test_protected_length_counts_the_tokens_of_template_and_question(question: str, document: str) -> None:
    text = PromptedText("<|im_start|>", question + document, len(question))
    protected = TOKENIZER.protected_length(text)
    whole = TOKENIZER.encode([text])[0]
    assert 1 <= protected <= len(whole)
    if document.isascii() and question.isascii() and document:
        kept = ORACLE.decode(whole[1:protected].tolist(), skip_special_tokens=False)
        assert kept.startswith(question)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\0",
        "a\0b",
        "\u202eright to left\u202c",
        "e\u0301\u0301\u0301",
        "👩‍👩‍👧",
        "\ufeff",
        "שלום مرحبا",
        "\U0010ffff",
    ],
)
def test_unusual_text_works(text: str) -> None:
    check_texts([text])
    ids = encode(TOKENIZER, "", text)
    assert ids.dtype == np.int32
    assert ids.tolist() == ORACLE.encode(text, add_special_tokens=False).ids


def test_a_lone_surrogate_is_named_with_its_place() -> None:
    with pytest.raises(InputError, match="text 6 has a lone surrogate at character 2"):
        check_texts(["fine", "ab\ud800c"], first=5)


@pytest.mark.parametrize("item", [None, 3, b"bytes", ["list"]])
def test_what_is_no_string_is_refused(item: object) -> None:
    with pytest.raises(InputError, match="text 1 is"):
        check_texts(["fine", item])


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"model": {"type": "Magic"}}', b"\xff\xfe"])
def test_a_damaged_definition_is_a_checkpoint_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "tokenizer.json").write_bytes(content)
    with pytest.raises(CheckpointError, match="not a tokenizer definition"):
        TextTokenizer.from_folder(tmp_path)


def test_an_absent_definition_says_how_to_write_one(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="save_pretrained"):
        TextTokenizer.from_folder(tmp_path)


def test_a_missing_token_is_a_checkpoint_error(tokenizer: TextTokenizer) -> None:
    with pytest.raises(CheckpointError, match="no token '<missing>'"):
        tokenizer.token_id("<missing>")


class TestPieces:
    def test_they_are_the_tokens_and_the_text(self, tokenizer: TextTokenizer) -> None:
        for text in ("", "naïve words, 北京!", "closed <|im_end|>"):
            pieces = tokenizer.pieces(PromptedText("", text))
            (ids,) = tokenizer.encode([PromptedText("", text)])
            assert [piece.token_id for piece in pieces] == ids.tolist()
            for piece in pieces:
                assert text[piece.start : piece.stop] == piece.text
            assert not pieces or (pieces[0].start, pieces[-1].stop) == (0, len(text))

    def test_what_a_prompt_brings_has_no_place_in_the_text(self, tokenizer: TextTokenizer) -> None:
        prompted = PromptedText("<|im_start|>Find: ", "words")
        pieces = tokenizer.pieces(prompted)
        (ids,) = tokenizer.encode([prompted])
        assert [piece.token_id for piece in pieces] == ids.tolist()
        assert pieces[0].text == "<|im_start|>"
        assert pieces[0].start is None
        assert pieces[-1].stop == len("words")


def with_marks(marks: str) -> bytes:
    tokenizer = make_tokenizer()
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Prepend(marks)])
    return tokenizer.to_str().encode()


class TestMarksBeforeEveryText:
    """A definition may set marks before every text, as the built-in embedder's does."""

    definition = with_marks("\x01\x02")
    tokenizer = TextTokenizer(definition)

    def test_most_definitions_set_none(self, tokenizer: TextTokenizer) -> None:
        assert len(tokenizer.opening) == 0
        assert self.tokenizer.opening.tolist() == encode(TOKENIZER, "", "\x01\x02").tolist()

    @given(st.text(min_size=1, max_size=20))
    def test_they_are_pieces_without_text(self, text: str) -> None:
        pieces = self.tokenizer.pieces(PromptedText("", text))
        assert [piece.token_id for piece in pieces] == encode(self.tokenizer, "", text).tolist()
        assert [(piece.text, piece.start) for piece in pieces[:2]] == [("", None)] * 2
        assert pieces[2].start == 0
        assert all(piece.text == text[piece.start : piece.stop] for piece in pieces[2:])

    @given(st.text(max_size=10), st.text(min_size=1, max_size=20))
    def test_they_are_protected_like_a_prompt(self, template: str, text: str) -> None:
        protected = self.tokenizer.protected_length(PromptedText(template, text))
        pieces = self.tokenizer.pieces(PromptedText(template, text))
        assert protected == next(i for i, piece in enumerate(pieces) if piece.start is not None)

    def test_token_lists_have_them_or_not(self) -> None:
        ids = encode(self.tokenizer, "", "words")
        assert self.tokenizer.opening_length(ids) == 2
        assert self.tokenizer.opening_length(ids[1:]) == 0
        assert self.tokenizer.opening_length(ids[:1]) == 0

    @pytest.mark.parametrize("as_tokens", [False, True])
    def test_a_cut_at_the_start_keeps_them(self, as_tokens: bool) -> None:
        limit = LengthLimit(6, "truncate_start")
        sequencer = Sequencer.for_embedder(self.tokenizer, limit)
        texts = [PromptedText("", "0123456789")]
        bodies = self.tokenizer.encode(texts)
        prepared = sequencer.limited_tokens(bodies) if as_tokens else sequencer.limited(texts)
        assert prepared.sequences[0].tolist() == sequencer.whole([PromptedText("", "789")])[0].tolist()
        assert prepared.cuts == (Cut(0, 13, 6),)

    def test_they_are_not_counted_as_text(self, definition: bytes) -> None:
        texts = ["", "naïve café", "x"]
        assert TokenCounter(self.definition)(texts) == TokenCounter(definition)(texts)
