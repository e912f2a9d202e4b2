"""Texts for the benchmarks: of exact token lengths, in many scripts, real ones, or from a file."""

import bisect
import json
import random
from collections.abc import Sequence
from pathlib import Path
from pydoc_data import topics

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


DOCUMENTS_OF_A_SET = 300
"""How many of each corpus are looked at for texts of the wanted lengths."""


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


def real_texts(folder: Path, data: Path | None, count: int, shortest: int, longest: int) -> list[str]:
    """Real texts whose lengths in tokens are spread evenly over the logarithm, in mixed order.

    They come from the corpora of the sets in ``data``, else from the manual that Python carries with it. Each
    length takes the shortest text that has it and is still free, cut there; no two begin alike.
    """
    tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    found = _read_corpora(data) if data else _read_manual()
    texts = list({text[:20]: text for text in reversed(found)}.values())  # of those, the first
    encoded = tokenizer.encode_batch(texts, add_special_tokens=False)
    ends = [[end for _, end in each.offsets] for each in encoded]
    free = sorted(zip(texts, ends, strict=True), key=lambda pair: len(pair[1]))
    steps = max(count - 1, 1)
    chosen: list[str] = []
    for i in range(count):
        length = round(shortest * (longest / shortest) ** (i / steps))
        place = bisect.bisect_left(free, length, key=lambda pair: len(pair[1]))
        if place == len(free):
            raise BenchmarkError(f"no text of {length:,} tokens is left; ask for fewer or for shorter ones")
        text, text_ends = free.pop(place)
        chosen.append(text[: text_ends[length - 1]])
    random.Random(0).shuffle(chosen)
    return chosen


def _read_manual() -> list[str]:
    """Python's language reference: its pages, and the paragraphs of each."""
    pages = list(topics.topics.values())
    return pages + [paragraph for page in pages for paragraph in page.split("\n\n") if len(paragraph) > 20]


def _read_corpora(data: Path) -> list[str]:
    """Documents of every set that has a ``corpus.jsonl``, about as many of each."""
    files = sorted(data.glob("*/corpus.jsonl"))
    if not files:
        raise BenchmarkError(f"no folder in {data} has a corpus.jsonl")
    corpora = [_read_jsonl(path) for path in files]
    return [text for corpus in corpora for text in _spread(corpus, min(len(corpus), DOCUMENTS_OF_A_SET))]


def read_texts(path: Path, count: int) -> list[str]:
    """Distinct, non-empty texts of a JSONL file, its field ``text``, from all over the file."""
    distinct = _read_jsonl(path)
    if len(distinct) < count:
        raise BenchmarkError(f"{path} has {len(distinct)} distinct texts, {count} are needed")
    return _spread(distinct, count)


def _read_jsonl(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
        texts = [str(json.loads(line)["text"]) for line in lines if line]
    except OSError as error:
        raise BenchmarkError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise BenchmarkError(f'{path} must hold one JSON object with a field "text" a line') from error
    return list(dict.fromkeys(text for text in texts if text.strip()))


def _spread(texts: Sequence[str], count: int) -> list[str]:
    """Evenly chosen over the file, so that neighbours of one source do not dominate."""
    return [texts[i * len(texts) // count] for i in range(count)]
