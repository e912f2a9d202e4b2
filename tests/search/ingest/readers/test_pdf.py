from pathlib import Path

import pytest

from quiver.errors import UnreadableFile
from tests.search.ingest.made import encrypted_pdf, passages, pdf

WORDS = "\n".join(["word " * 10] * 4)


def test_passages_know_their_page_and_title(tmp_path: Path) -> None:
    found = passages(tmp_path / "a.pdf", pdf([WORDS, "Second page.\n" + WORDS], title="On PDF"))
    assert [(passage.page, passage.title) for passage in found] == [(1, "On PDF"), (2, "On PDF")]
    assert found[1].text.startswith("Second page.")
    assert found[1].first_line is None


def test_bookmarks_stand_above_their_text(tmp_path: Path) -> None:
    page = f"{WORDS}\nThe end\n{WORDS}"
    content = pdf([WORDS, page], bookmarks=[("Begin", 0), ("The End", 1)])
    found = passages(tmp_path / "a.pdf", content)
    assert [passage.headings for passage in found] == [("Begin",), ("Begin",), ("The End",)]
    assert found[2].text.startswith("The end")


def test_short_pages_share_a_passage(tmp_path: Path) -> None:
    (passage,) = passages(tmp_path / "a.pdf", pdf(["One.", "Two.", "Three."]))
    assert (passage.page, passage.text.split()) == (1, ["One.", "Two.", "Three."])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (encrypted_pdf(), "password"),
        (b"", "no PDF"),
        (b"plain text", "no PDF"),
        (pdf(["text"])[:200], "no PDF"),
        (pdf(["", ""]), "no text on its 2 pages"),
    ],
)
def test_what_cannot_be_read_has_a_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    with pytest.raises(UnreadableFile, match=reason):
        passages(tmp_path / "a.pdf", content)


def test_a_table_of_contents_that_is_wrong_is_made_anew(tmp_path: Path) -> None:
    content = pdf(["Some text."])
    shifted = content.replace(b"%PDF-1.4\n", b"%PDF-1.4\n% more\n")
    assert passages(tmp_path / "a.pdf", shifted)[0].text == "Some text."
