"""SQLite's documentation as training rows, and the questions beside it as an evaluation set.

    python examples/domain/prepare.py DOCS WORK

DOCS is the folder of HTML pages (Debian: apt-get download sqlite3-doc; dpkg-deb -x sqlite3-doc_*.deb .).
WORK gets pairs.jsonl (title and heading -> section, and some words of a sentence -> its section),
dev.jsonl (pairs set aside to choose the best weights by) and questions/ (all sections, and for each question
those of the page that answers it), which training never sees.
"""

import json
import random
import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple

from quiver.train.rows import TrainingRow, write_rows

LISTS = re.compile(r"doc_\w+|keyword_index|sitemap|requirements|syntaxdiagrams?|changes|oldnews|chronology")
MOST_CHARACTERS, FEWEST_CHARACTERS = 1200, 80
MOST_WORDS = 8
SENTENCE = re.compile(r"[A-Z][^.?!\n]{40,250}[.?!](?=\s|$)")
DEV_PAIRS = 300


class Section(NamedTuple):
    """A piece of a page under one heading."""

    page: str
    title: str
    heading: str
    text: str


class Page(HTMLParser):
    """Headings and the texts below them."""

    def __init__(self) -> None:
        super().__init__()
        self.title, self.parts = "", [["", ""]]
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        """Begin a part at a heading, a line at anything that breaks one."""
        if tag in ("h1", "h2", "h3", "h4"):
            self.parts.append(["", ""])
        if tag in ("p", "li", "tr", "br", "div", "dt", "dd", "pre"):
            self.parts[-1][1] += "\n"
        if tag in ("title", "script", "style", "svg", "h1", "h2", "h3", "h4"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Leave what is open."""
        if tag in self._open:
            del self._open[self._open.index(tag) :]

    def handle_data(self, data: str) -> None:
        """Text goes to the title, a heading or a part."""
        inside = self._open[-1] if self._open else ""
        if inside == "title":
            self.title += data
        elif inside.startswith("h"):
            self.parts[-1][0] += data
        elif not inside:
            self.parts[-1][1] += data


def sections(folder: Path) -> Iterator[Section]:
    """All pieces of all pages, in order."""
    for path in sorted(folder.rglob("*.html")):
        if LISTS.fullmatch(path.stem) or path.parent != folder:
            continue
        page = Page()
        page.feed(path.read_text(encoding="utf-8", errors="replace"))
        for heading, text in page.parts:
            for piece in pieces(text):
                yield Section(path.name, one_line(page.title), one_line(heading), piece)


def pieces(text: str) -> Iterator[str]:
    """Whole lines together, up to a length."""
    together = ""
    for line in filter(None, map(one_line, text.split("\n"))):
        if together and len(together) + len(line) > MOST_CHARACTERS:
            yield together
            together = ""
        together += "\n" * bool(together) + line
    if len(together) >= FEWEST_CHARACTERS:
        yield together


def one_line(text: str) -> str:
    """Text with single spaces."""
    return " ".join(text.split())


def write_questions(folder: Path, found: list[Section]) -> None:
    """The evaluation set, in the format of ``quiver evaluate``."""
    folder.mkdir(parents=True, exist_ok=True)
    questions = [json.loads(line) for line in Path(__file__).with_name("questions.jsonl").open()]
    meta = {"name": "sqlite-questions", "type": "retrieval", "main_metric": "ndcg@10", "languages": ["en"]}
    (folder / "meta.json").write_text(json.dumps(meta))
    with (folder / "corpus.jsonl").open("w") as corpus:
        for number, section in enumerate(found):
            title = f"{section.title}: {section.heading}"
            record = {"_id": str(number), "title": title, "text": section.text}
            corpus.write(json.dumps(record) + "\n")
    with (folder / "queries.jsonl").open("w") as queries, (folder / "qrels.tsv").open("w") as judged:
        judged.write("query-id\tcorpus-id\tscore\n")
        for number, question in enumerate(questions):
            queries.write(json.dumps({"_id": str(number), "text": question["query"]}) + "\n")
            for place, section in enumerate(found):
                if section.page == question["page"]:
                    judged.write(f"{number}\t{place}\t1\n")


def rows_of(found: list[Section], chance: random.Random) -> Iterator[TrainingRow]:
    """What a section is called, and some words of up to two of its sentences, each with the section."""
    for section in found:
        above = f"{section.title}: {section.heading}" if section.heading else section.title
        yield TrainingRow(above, (section.text,), task="heading")
        sentences = SENTENCE.findall(section.text)
        for sentence in chance.sample(sentences, min(2, len(sentences))):
            words = sentence.split()
            kept = sorted(chance.sample(range(len(words)), min(MOST_WORDS, (len(words) + 1) // 2)))
            query = " ".join(words[place] for place in kept)
            yield TrainingRow(query, (f"{above}\n{section.text}",), task="words")


def main() -> None:
    """Write the three."""
    docs, work = map(Path, sys.argv[1:3])
    found = list(sections(docs))
    chance = random.Random(0)
    rows = list(rows_of(found, chance))
    chance.shuffle(rows)
    write_questions(work / "questions", found)
    write_rows(work / "pairs.jsonl", rows[DEV_PAIRS:])
    write_rows(work / "dev.jsonl", rows[:DEV_PAIRS])
    print(f"{len(found):,} sections of {len({s.page for s in found})} pages")


if __name__ == "__main__":
    main()
