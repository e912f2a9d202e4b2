"""Trains the embedder's last layer: English by a third teacher's cosines, the rest by the embedder's own.

all-MiniLM-L6-v2 knows how people ask, so English texts' cosines among each other are to be its own, mixed
with a share of the embedder's. Queries are to find their documents, too, but this counts less: it is learnt
by heart. At several numbers of dimensions. The layers below stay, so a step costs little: about a second.
WORK/embedder is what `refine.py` gave; ALL/rows.jsonl are all of `texts.py`'s rows.

    python repool.py --cache CACHE --rows ALL/rows.jsonl --work WORK
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch.nn.functional import cross_entropy, normalize
from transformers import Qwen3Model

from collected import Asked, Collected, Reading, Text, collected, course_parser
from descent import descend
from embedder import TEMPERATURE, relation
from english import EnglishTeacher, minilm_folder
from extract import package_of
from network import Network
from pooling import Pooling
from prompts import WEB_SEARCH, embedder_query
from readings import bare_query
from refine import CUTS, write
from states import States, states_of
from tokenizer import END_OF_TEXT, token_id

_OWN_SHARE = 0.3
"""How much of English's cosines is the embedder's own"""
_FIND_SHARE, _OTHER_FIND_SHARE, _NEARER = 0.25, 0.15, 0.1
_ENGLISH_GROUPS, _ENGLISH_ASKED, _OTHER_ASKED, _SINGLE, _ACROSS = 4, 48, 64, 96, 256
_RATE, _DECAY = 1e-3, 0.01
_LONGEST, _AT_ONCE, _TELL_STEPS = 400, 256, 50


@dataclass(frozen=True)
class Group:
    """Documents and the queries that are to find one of them each, by their numbers; or single texts."""

    documents: Sequence[int]
    queries: Sequence[int]
    own: Sequence[int]
    english: bool

    @property
    def texts(self) -> list[int]:
        """All of them, documents first."""
        return [*self.documents, *self.queries]

    @staticmethod
    def of(asked: Iterable[Asked], *, english: bool) -> Group:
        """Put pairs together."""
        asked = list(asked)
        place = {number: i for i, number in enumerate(dict.fromkeys(one.document for one in asked))}
        queries = [query for one in asked for query in one.queries]
        own = [place[one.document] for one in asked for _ in one.queries]
        return Group(list(place), queries, own, english)


class Drawn:
    """Draws what a step learns from: English by source, others by source and mixed, single texts."""

    def __init__(self, texts: Collected) -> None:
        self._english, self._others = defaultdict(list), defaultdict(list)
        for asked in texts.english:
            self._english[package_of(asked.source)].append(asked)
        for asked in texts.others:
            self._others[asked.source.removesuffix("-parallel")].append(asked)
        self._single = [
            [number for number in texts.single if texts.texts[number].english == english]
            for english in (True, False)
        ]

    def groups(self, generator: random.Random) -> list[Group]:
        """Draw a step's groups."""
        made = [
            Group.of(self._of_one(self._english, _ENGLISH_ASKED, generator), english=True)
            for _ in range(_ENGLISH_GROUPS)
        ]
        made.append(Group.of(self._of_one(self._others, _OTHER_ASKED, generator), english=False))
        sources = generator.choices(list(self._others), _weights(self._others), k=_OTHER_ASKED)
        mixed = [generator.sample(self._others[source], 1)[0] for source in sources]
        made.append(Group.of(mixed, english=False))
        for numbers, english in zip(self._single, (True, False), strict=True):
            made.append(Group(generator.sample(numbers, _SINGLE), (), (), english))
        return made

    @staticmethod
    def _of_one(by_source: dict[str, list[Asked]], count: int, generator: random.Random) -> list[Asked]:
        (source,) = generator.choices(list(by_source), _weights(by_source))
        return generator.sample(by_source[source], min(count, len(by_source[source])))


def _weights(by_source: dict[str, list[Asked]]) -> list[float]:
    return [len(found) ** 0.5 for found in by_source.values()]


class Lesson:
    """What the vectors of a step's groups are to be like, whole and cut; a cut named twice counts twice."""

    def __init__(self, own: torch.Tensor, taught: torch.Tensor, cuts: Sequence[int] = CUTS) -> None:
        self._own, self._taught, self._cuts = own, taught, cuts

    def target(self, numbers: Sequence[int], *, english: bool) -> torch.Tensor:
        """Give vectors whose cosines among each other are to be learnt."""
        if not english:
            return self._own[numbers]
        parts = ((1 - _OWN_SHARE) ** 0.5 * self._taught[numbers], _OWN_SHARE**0.5 * self._own[numbers])
        return torch.cat(parts, 1)

    def loss(self, vectors: torch.Tensor, groups: Sequence[Group], generator: random.Random) -> torch.Tensor:
        """Give the loss of groups, and of English texts of all groups among each other."""
        losses, english_vectors, english_texts = [], [], []
        split = vectors.split([len(group.texts) for group in groups])
        for found, group in zip(split, groups, strict=True):
            target = self.target(group.texts, english=group.english)
            losses.append(self._related(found, target))
            if group.queries:
                share = _FIND_SHARE if group.english else _OTHER_FIND_SHARE
                losses.append(share * finding(found, target, group, self._cuts))
            if group.english:
                english_vectors.append(found)
                english_texts += group.texts
        some = generator.sample(range(len(english_texts)), min(_ACROSS, len(english_texts)))
        target = self.target([english_texts[i] for i in some], english=True)
        losses.append(self._related(torch.cat(english_vectors)[some], target))
        return torch.stack(losses).sum()

    def _related(self, found: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return torch.stack([relation(found[:, :cut], target) for cut in self._cuts]).mean()


def finding(found: torch.Tensor, target: torch.Tensor, group: Group, cuts: Sequence[int]) -> torch.Tensor:
    """Give InfoNCE of queries; documents that the teachers put nearer than a query's own are no negatives."""
    count, own = len(group.documents), torch.tensor(group.own)
    taught = target[count:] @ target[:count].T
    rows = torch.arange(len(own))
    masked = taught > taught[rows, own][:, None] + _NEARER
    masked[rows, own] = False
    losses = []
    for cut in cuts:
        documents, queries = (normalize(part[:, :cut], dim=-1) for part in (found[:count], found[count:]))
        scores = (queries @ documents.T / TEMPERATURE).masked_fill(masked, -1e4)
        losses.append(cross_entropy(scores, own))
    return torch.stack(losses).mean()


def token_rows(texts: Sequence[Text], file: Path) -> tuple[list[NDArray[np.int32]], int]:
    """Give texts as the network reads them, and the end token."""
    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.post_processor = None
    end = token_id(tokenizer, END_OF_TEXT)
    rows = []
    for text in texts:
        if text.reading == Reading.QUERY:
            ids = bare_query(text.text, tokenizer)
        else:
            instructed = text.reading == Reading.INSTRUCTED
            ids = tokenizer.encode(embedder_query(WEB_SEARCH, text.text) if instructed else text.text).ids
        rows.append(np.array([*ids[:_LONGEST], end], dtype=np.int32))
    return rows, end


@torch.no_grad()
def embedded(pooling: Pooling, states: States) -> torch.Tensor:
    """Embed all texts whose states are kept, to length 1."""
    parts = [
        pooling(states.read(range(start, min(start + _AT_ONCE, len(states)))))
        for start in range(0, len(states), _AT_ONCE)
    ]
    return normalize(torch.cat(parts), dim=-1)


def taught_vectors(texts: Sequence[Text], cache: Path, file: Path) -> torch.Tensor:
    """Give the English teacher's vectors, zeros for other languages, making them at first use."""
    if not file.exists():
        english = list(dict.fromkeys(text.text for text in texts if text.english))
        made = EnglishTeacher(minilm_folder(cache)).vectors(english)
        place = {text: i for i, text in enumerate(english)}
        vectors = torch.zeros(len(texts), made.shape[1])
        for number, text in enumerate(texts):
            if text.english:
                vectors[number] = made[place[text.text]]
        torch.save(vectors, file)
    found: torch.Tensor = torch.load(file, weights_only=True)
    return found


def learn(pooling: Pooling, states: States, lesson: Lesson, drawn: Drawn, steps: int) -> None:
    """Train the layer: about a second a step."""
    optimizer = torch.optim.AdamW(pooling.parameters(), betas=(0.9, 0.98), weight_decay=_DECAY)
    generator = random.Random(0)

    def loss_of_step() -> torch.Tensor:
        groups = drawn.groups(generator)
        vectors = pooling(states.read([number for group in groups for number in group.texts]))
        return lesson.loss(vectors, groups, generator)

    descend(optimizer, loss_of_step, rate=_RATE, steps=steps, label="last layer", tell_steps=_TELL_STEPS)


def main() -> None:
    """Train the last layer of WORK/embedder and write the whole to WORK/repooled."""
    arguments = course_parser(__doc__, 700).parse_args()
    work: Path = arguments.work
    texts = collected(arguments.cache, arguments.rows, work)
    model = Qwen3Model.from_pretrained(work / "embedder", dtype=torch.float32).eval()
    rows, end = token_rows(texts.texts, work / "tokenizer.json")
    states = states_of(work / "states", Network(model), rows, end)
    taught = taught_vectors(texts.texts, arguments.cache, work / "taught.pt")
    lesson = Lesson(embedded(Pooling.plain(model), states), taught)
    pooling = Pooling(model)
    learn(pooling, states, lesson, Drawn(texts), arguments.steps)
    pooling.put_into(model)
    write(model, work / "embedder", work / "repooled")


if __name__ == "__main__":
    main()
