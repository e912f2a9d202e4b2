from pathlib import Path

from tests.search.ingest.made import passages


def test_plain_text_is_called_by_its_file(tmp_path: Path) -> None:
    (passage,) = passages(tmp_path / "git.txt", "Undo a commit.\n")
    assert (passage.title, passage.headings, passage.text) == ("git", (), "Undo a commit.")
    assert (passage.first_line, passage.last_line, passage.page, passage.start) == (1, 1, None, 0)


WORDS = "word " * 30


def test_markdown_headings_stand_above_their_text(tmp_path: Path) -> None:
    text = f"""# The *Guide*

{WORDS}

## Use [it](x.html) {{#use}}

```sh
# no heading
```

{WORDS}

Below
-----
{WORDS}
"""
    found = passages(tmp_path / "a.md", text)
    assert [passage.headings for passage in found] == [
        ("The Guide",),
        ("The Guide", "Use it"),
        ("The Guide", "Below"),
    ]
    assert found[1].first_line == 5
    assert found[1].text.startswith("## Use [it]")
    assert {passage.title for passage in found} == {"The Guide"}


def test_markdown_front_matter_names_the_title(tmp_path: Path) -> None:
    text = f'---\nlayout: post\ntitle: "On quivers"\n---\n\n# Heading\n\n{WORDS}'
    first, *_ = passages(tmp_path / "a.md", text)
    assert first.title == "On quivers"
    last = passages(tmp_path / "a.md", text)[-1]
    assert (last.headings, last.last_line) == (("Heading",), 8)


def test_markdown_list_items_stay_whole(tmp_path: Path) -> None:
    items = "".join(f"- item {number} {'word ' * 12}\n  {'more ' * 8}\n" for number in range(8))
    assert all(passage.text.startswith("- item") for passage in passages(tmp_path / "a.md", items))


def test_rst_headings_have_lines_below_and_above(tmp_path: Path) -> None:
    text = f"""=====
Title
=====

{WORDS}

First :ref:`part <x>`
=====================

{WORDS}

Inner
-----

{WORDS}

a table is no heading
---------------------
====  ====
a     b
====  ====
{WORDS}
"""
    headings = [passage.headings for passage in passages(tmp_path / "a.rst", text)]
    assert headings[:3] == [("Title",), ("Title", "First part"), ("Title", "First part", "Inner")]


def test_man_pages_lose_their_macros_and_keep_their_lines(tmp_path: Path) -> None:
    text = f""".\\" comment
.TH GREP 1 "2020"
.SH NAME
grep \\- print lines
.SH OPTIONS
.TP
.BR \\-i ", " \\-\\-ignore\\-case
Ignore \\fIcase\\fP. {WORDS}
.SS "More of it"
{WORDS}
"""
    found = passages(tmp_path / "grep.1", text)
    assert {passage.title for passage in found} == {"grep(1)"}
    assert found[-1].headings == ("OPTIONS", "More of it")
    options = next(passage for passage in found if "Ignore case." in passage.text)
    assert options.headings == ("OPTIONS",)
    assert "-i ,  --ignore-case" in options.text
    assert options.last_line == 8
