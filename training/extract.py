"""Readers of the sources: each turns one unpacked package into pairs of texts that belong together.

A pair is (query, document) with its kind: `retrieval` (a title, question or description and the
text that it names), `parallel` (a text and its English translation, English second) or
`symmetric` (two texts that say the same). Cost: about a minute for everything.
"""

from __future__ import annotations

import ast
import html
import json
import random
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_TAG = re.compile(r"<[^>]+>")
_SPACE = re.compile(r"\s+")
_BLOCK = re.compile(r"<(h[1-6]|p|dd|pre)\b([^>]*)>(.*?)</\1>", re.DOTALL)
_BLOCK_ID = re.compile(r'id="([^"]+)"')
_PAGE_BLOCK = re.compile(r"<(title|desc|p)\b[^>]*>(.*?)</\1>", re.DOTALL)
_CEDICT_LINE = re.compile(
    r"([^\s\x00-\x7f]+) ([^\s\x00-\x7f]+) \[[^\]]+\] /([^/\x00-\x1f]+)(?:/([^/\x00-\x1f]+))?/"
)
_EDICT_LINE = re.compile(r"^(\S+) (?:\[[^\]]+\] )?/((?:\([^)]*\) )*)([^/]+)/(?:([^/]+)/)?")
_NOTE = re.compile(r"\([^)]*\)\s*")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_WORD_OF_NAME = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_ASKED_FORMS = ("{}", "python {}", "how to {} in python", "{} python", "function to {}")
_MAX_SECTION = 1600


@dataclass(frozen=True)
class Pair:
    """Two texts that belong together, with what they are to each other and where they are from."""

    query: str
    document: str
    kind: str
    source: str


def package_of(source: str) -> str:
    """Give the package that a pair's source is a kind of pairs of."""
    return re.sub("-(names|docstrings|sentences)$", "", source)


def clean(markup: str) -> str:
    """Give the plain text of a fragment of HTML or XML."""
    return _SPACE.sub(" ", html.unescape(_TAG.sub(" ", markup))).replace("¶", "").strip()


def help_paragraphs(page: Path) -> dict[str, str]:
    """Give a LibreOffice help page's headings and paragraphs by their id."""
    found: dict[str, str] = {}
    for _, attributes, body in _BLOCK.findall(page.read_text("utf-8", errors="replace")):
        identity = _BLOCK_ID.search(attributes)
        if identity and (text := clean(body)):
            found[identity.group(1)] = text
    return found


def libreoffice_parallel(english: Path, other: Path, name: str) -> Iterator[Pair]:
    """Pair paragraphs of a translated help with the English ones of the same page and id."""
    root = next(english.rglob("help/en-US"))
    translated = next(path for path in other.glob("usr/share/libreoffice/help/*/text")).parent
    for page in sorted(root.rglob("*.html")):
        twin = translated / page.relative_to(root)
        if not twin.exists():
            continue
        originals = help_paragraphs(page)
        for identity, text in help_paragraphs(twin).items():
            original = originals.get(identity, "")
            if len(original) > 12 and original != text:
                yield Pair(text, original, "parallel", name)


def html_sections(root: Path, name: str) -> Iterator[Pair]:
    """Pair headings of HTML pages (with the page's first heading) with the text below."""
    for page in sorted(root.rglob("*.html")):
        title, heading, body = "", "", ""
        for tag, _, inner in _BLOCK.findall(page.read_text("utf-8", errors="replace")):
            text = clean(inner)
            if not tag.startswith("h"):
                body = f"{body} {text}".strip() if len(body) < _MAX_SECTION else body
                continue
            if _is_section(heading, body):
                yield _section(title, heading, body, name)
            title, heading, body = title or text, text, ""
        if _is_section(heading, body):
            yield _section(title, heading, body, name)


def _is_section(heading: str, body: str) -> bool:
    return bool(heading) and len(body) > 60 and "debug info" not in heading


def _section(title: str, heading: str, body: str, name: str) -> Pair:
    query = heading if heading == title or len(heading) > 24 else f"{title}: {heading}"
    return Pair(query, body[:_MAX_SECTION], "retrieval", name)


def gnome_help(root: Path, name: str) -> Iterator[Pair]:
    """Pair page titles with bodies in every language, and paragraphs with the English ones."""
    base = next(root.rglob("help/C")).parent
    for language in sorted(folder.name for folder in base.iterdir()):
        for page in sorted((base / language).rglob("*.page")):
            blocks = _page_blocks(page)
            if len(blocks) > 2:
                body = " ".join(blocks[2:])[:_MAX_SECTION]
                yield Pair(blocks[0], body, "retrieval", f"{name}-{language}")
            original = base / "C" / page.relative_to(base / language)
            if language == "C" or not original.exists():
                continue
            english = _page_blocks(original)
            if len(english) == len(blocks):
                for ours, theirs in zip(blocks, english, strict=True):
                    if ours != theirs:
                        yield Pair(ours, theirs, "parallel", f"{name}-{language}")


def _page_blocks(page: Path) -> list[str]:
    source = page.read_text("utf-8", errors="replace")
    source = re.sub(r"<(info|credit)\b.*?</\1>", "", source, flags=re.DOTALL)
    return [text for _, body in _PAGE_BLOCK.findall(source) if (text := clean(body))]


def wordnet(root: Path, name: str) -> Iterator[Pair]:
    """Pair words with their definitions, now bare, now as a question."""
    forms = ("{}", "what is {}?", "define {}", "meaning of {}", "{}")
    for part in ("noun", "verb", "adj", "adv"):
        file = next(root.rglob(f"data.{part}"))
        for number, line in enumerate(file.read_text("utf-8").splitlines()):
            head, _, gloss = line.partition(" | ")
            fields = head.split()
            if not gloss or line.startswith("  "):
                continue
            words = [
                re.sub(r"\(.*\)$", "", fields[4 + 2 * i]).replace("_", " ") for i in range(int(fields[3], 16))
            ]
            query = forms[number % len(forms)].format(", ".join(words[:3]))
            yield Pair(query, gloss.strip(), "retrieval", name)


def cedict(root: Path, name: str) -> Iterator[Pair]:
    """Pair Chinese words, in either script, with their English meaning."""
    # The dictionary is a pickle of lines; reading the lines as text runs none of its code.
    raw = next(root.rglob("dump.dat")).read_bytes().decode("utf-8", errors="ignore")
    for number, (old, simple, first, second) in enumerate(_CEDICT_LINE.findall(raw)):
        word = simple if number % 3 else old
        if "variant of" not in first:
            meaning = "; ".join(part for part in (first, second) if part)
            yield Pair(word, _NOTE.sub("", meaning) or meaning, "parallel", name)


def edict(root: Path, name: str) -> Iterator[Pair]:
    """Pair Japanese words with their English meaning."""
    file = next(path for path in root.rglob("edict") if path.is_file())
    for line in file.read_text("euc-jp", errors="ignore").splitlines()[1:]:
        if match := _EDICT_LINE.match(line):
            yield Pair(match.group(1), _NOTE.sub("", match.group(3)), "parallel", name)


def python_functions(root: Path, name: str) -> Iterator[Pair]:
    """Pair what docstrings say first with the function without them and with what they say next.

    And the words of a function's name, as someone would ask for it, with the whole function.
    """
    generator = random.Random(name)
    for file in sorted(root.rglob("*.py")):
        try:
            tree = ast.parse(file.read_text("utf-8"))
        except (SyntaxError, ValueError, RecursionError, FileNotFoundError):
            continue
        for node in ast.walk(tree):
            if not isinstance(node, ast.FunctionDef | ast.ClassDef) or len(node.body) < 2:
                continue
            description, _, more = (ast.get_docstring(node) or "").partition("\n\n")
            if not 12 < len(description) < 400:
                continue
            description, more = _SPACE.sub(" ", description), _SPACE.sub(" ", more)
            if len(asked := _words_of(node.name)) > 1:
                form = generator.choice(_ASKED_FORMS).format(" ".join(asked))
                yield Pair(form, ast.unparse(node)[:_MAX_SECTION], "retrieval", f"{name}-names")
            if len(more) > 80:
                yield Pair(description, more[:_MAX_SECTION], "retrieval", f"{name}-docstrings")
            node.body = node.body[1:]
            yield Pair(description, ast.unparse(node)[:_MAX_SECTION], "retrieval", name)


def _words_of(identifier: str) -> list[str]:
    return [word.lower() for word in _WORD_OF_NAME.findall(identifier)]


def sentences(sections: Iterable[Pair]) -> Iterator[Pair]:
    """Pair a sentence of a section with the rest of it (the inverse cloze task, arXiv 1906.00300)."""
    generator = random.Random(0)
    for section in sections:
        if found := asked_by_sentence(section, generator):
            yield Pair(found.query, found.document, "retrieval", f"{section.source}-sentences")


def asked_by_sentence(section: Pair, generator: random.Random) -> Pair | None:
    """Take a sentence out of a section as its question; None where the section has too few."""
    sentences = [part for part in _SENTENCE_END.split(section.document) if 40 < len(part) < 200]
    if len(sentences) <= 3:
        return None
    asked = generator.choice(sentences)
    return Pair(asked, section.document.replace(asked, " "), "retrieval", "sentences")


def pair_set(folder: Path) -> Iterator[Pair]:
    """Read a `pairs.jsonl` set; translations are told by the set's name."""
    name = folder.name
    kind = "retrieval"
    if name in {"tldr-translation", "ntrex-other-languages", "tatoeba-other-languages"}:
        kind = "parallel"
    elif name.startswith(("jsts", "jnli")):
        kind = "symmetric"
    with (folder / "pairs.jsonl").open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            yield Pair(row["query"], row["positive"][:_MAX_SECTION], kind, name)
