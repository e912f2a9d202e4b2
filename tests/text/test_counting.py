"""Counting tokens, here and in another process."""

import pickle

from quiver.text.counting import TokenCounter
from quiver.text.prompts import PromptedText
from quiver.text.tokenizer import TextTokenizer

TEXTS = ["", "What is the capital of China?", "<|im_end|> 北京", "naïve café"]


def test_the_numbers_are_the_tokenizers(definition: bytes, tokenizer: TextTokenizer) -> None:
    expected = [len(ids) for ids in tokenizer.encode([PromptedText("", text) for text in TEXTS])]
    assert TokenCounter(definition)(TEXTS) == expected


def test_it_pickles(definition: bytes) -> None:
    counter = TokenCounter(definition)
    assert pickle.loads(pickle.dumps(counter))(TEXTS) == counter(TEXTS)


def test_special_tokens_count_as_the_embedder_reads_them(definition: bytes) -> None:
    assert TokenCounter(definition, parse_special_tokens=True)(["<|im_end|>"]) == [1]
    assert TokenCounter(definition)(["<|im_end|>"])[0] > 1
