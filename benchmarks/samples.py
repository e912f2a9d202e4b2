"""Texts for the benchmarks: of exact token lengths, in many scripts, or from a file of the user's."""

import json
import random
from collections.abc import Sequence
from pathlib import Path

import tokenizers

from benchmarks.command import BenchmarkError

WORDS = (
    "the of and to in a is that for it as was with be by on not he his but at are this have from or had "
    "an they which one you were all her she there would their we him been has when who will no more if "
    "out so up said what its about than into them can only other time new some could these two may first "
    "then do any like my now over such our man me even most made after also well many must before back "
    "see through way where get much go good day people life world work water place house number system "
    "order"
).split()

MIXED = (
    "Gravity is a force that attracts two bodies towards each other.",
    "北京是中华人民共和国的首都，也是全国的政治中心和文化中心。",
    "東京の夏は蒸し暑く、夕立がよく降ります。",
    "한국어 문장은 띄어쓰기가 중요합니다.",
    "Быстрая коричневая лиса перепрыгивает через ленивую собаку.",
    "اللغة العربية تُكتب من اليمين إلى اليسار.",
    "हिन्दी देवनागरी लिपि में लिखी जाती है।",
    "ภาษาไทยไม่มีการเว้นวรรคระหว่างคำ",
    "Die Grundstücksverkehrsgenehmigungszuständigkeitsübertragungsverordnung galt bis 2007.",
    "Zażółć gęślą jaźń; příliš žluťoučký kůň; cafe\u0301 nai\u0308ve",
    "def area(r: float) -> float:\n    return 3.14159 * r ** 2\n",
    '{"name": "quiver", "arrows": [1, 2, 3], "full": true}',
    "👩‍👩‍👧‍👦 🏹 flags 🇨🇳🇫🇷 and marks ?!?!\n\n\n",
    "   leading blanks, a tab\there, trailing blanks   ",
    "x",
    "Is it ?\nOr not ?\n",
    "1,234,567.89 + 0.000001 = 1234567.890001",
    "the the the the the the the the the the the the",
)
"""Short texts whose tokenisation is awkward in different ways."""

QUERIES = (
    "What is the capital of China?",
    "Explain gravity",
    "how to reverse a list in python",
    "why is the sky blue?\n",
    "symptoms of iron deficiency",
    "Wer hat das Fahrrad erfunden?",
    "量子计算的原理是什么？",
    "cheap flights to Lisbon in May",
    "difference between TCP and UDP",
    "",
    "What is the capital of China and how many people live in it?",
    "best way to clean a cast iron pan",
)

INSTRUCTIONS = (
    "Given a web search query, retrieve relevant passages that answer the query",
    "Given a question, retrieve the Python code that answers it",
    "Retrieve semantically similar text.",
)


class TextMaker:
    """Makes texts of an exact number of tokens, from words that are one token each; repeatable by seed."""

    def __init__(self, folder: Path, seed: int = 0) -> None:
        tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._words = [
            word for word in WORDS if len(tokenizer.encode(f" {word}", add_special_tokens=False).ids) == 1
        ]
        if len(self._words) < 20:
            raise BenchmarkError(f"the tokenizer of {folder} splits common English words; no texts to make")
        self._random = random.Random(seed)

    def text(self, tokens: int) -> str:
        """A text of that many tokens, special ones not counted."""
        return "".join(f" {word}" for word in self._random.choices(self._words, k=tokens))

    def texts(self, count: int, shortest: int, longest: int) -> list[str]:
        """Texts whose lengths are spread evenly over the logarithm, in mixed order."""
        steps = max(count - 1, 1)
        lengths = [round(shortest * (longest / shortest) ** (i / steps)) for i in range(count)]
        self._random.shuffle(lengths)
        return [self.text(length) for length in lengths]


def read_texts(path: Path, count: int) -> list[str]:
    """The first distinct, non-empty texts of a JSONL file: its field ``text``."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
        texts = [str(json.loads(line)["text"]) for line in lines if line]
    except OSError as error:
        raise BenchmarkError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise BenchmarkError(f'{path} must hold one JSON object with a field "text" a line') from error
    distinct = list(dict.fromkeys(text for text in texts if text.strip()))
    if len(distinct) < count:
        raise BenchmarkError(f"{path} has {len(distinct)} distinct texts, {count} are needed")
    return _spread(distinct, count)


def _spread(texts: Sequence[str], count: int) -> list[str]:
    """Evenly chosen over the file, so that neighbours of one source do not dominate."""
    return [texts[i * len(texts) // count] for i in range(count)]
