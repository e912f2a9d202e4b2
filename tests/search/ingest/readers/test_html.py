from pathlib import Path

import pytest

from tests.search.ingest.made import passages

WORDS = "word " * 40
PAGE = f"""<!DOCTYPE html><html><head><title>json — Docs</title><style>p {{}}</style></head><body>
<header>Site</header><nav>Home About</nav>
<main><h1>json<a class="headerlink" href="#x">¶</a></h1><p>Some   <b>bold</b>
text.</p><script>alert(1)</script>
<h2>Use</h2><pre>def f():
    return 1</pre><p>{WORDS}</p>
<dl><dt id="dumps">dumps(obj)</dt><dd>{WORDS}</dd></dl>
<table><tr><th>a</th><td>b</td></tr></table></main><footer>Copyright</footer></body></html>"""


def test_the_main_part_is_read_without_navigation(tmp_path: Path) -> None:
    found = passages(tmp_path / "a.html", PAGE)
    everything = "\n".join(passage.text for passage in found)
    assert found[0].text.startswith("json\n\nSome bold text.")
    for absent in ("Site", "Home", "alert", "Copyright", "¶"):
        assert absent not in everything
    assert "def f():\n    return 1" in everything
    assert "a | b" in everything


def test_headings_and_terms_stand_above_their_text(tmp_path: Path) -> None:
    found = passages(tmp_path / "a.html", PAGE)
    assert found[-1].headings == ("json", "Use", "dumps(obj)")
    assert {passage.title for passage in found} == {"json"}
    assert found[0].first_line is None


def test_pages_without_a_main_part_are_read_whole(tmp_path: Path) -> None:
    (passage,) = passages(tmp_path / "a.htm", "<title>T</title>one<p>two<p>three<br>four<main></main>")
    assert (passage.text, passage.title) == ("one\ntwo\n\nthree\nfour", "T")


MENU = "<ul><li><a href=a>Home</a><li><a href=b>About us</a><li><a href=c>Download</a></ul>"


def test_menus_above_the_first_heading_are_left_out(tmp_path: Path) -> None:
    inside = f"<div>{MENU}</div><ol><li>Products {MENU}</ol>"
    (passage,) = passages(tmp_path / "a.html", f"{inside}<p>Before.</p><h2>Tar</h2><p>{WORDS}</p>{MENU}")
    assert "Before." in passage.text
    above, below = passage.text.split("Tar")
    assert "About us" not in above
    assert "About us" in below


def test_lists_of_links_stay_where_there_is_more(tmp_path: Path) -> None:
    (page,) = passages(tmp_path / "links.html", MENU)
    assert page.text == "Home\nAbout us\nDownload"
    told = MENU.replace("</a>", "</a> tells of it at length")
    assert "Download tells" in passages(tmp_path / "told.html", f"{told}<h1>Tar</h1>")[0].text


@pytest.mark.parametrize(
    "text", ["", "<", "<html>", "<!-- nothing", "<frameset>", "<title>T</title>", "&#0;&#xD800;"]
)
def test_strange_pages_do_no_harm(tmp_path: Path, text: str) -> None:
    passages(tmp_path / "a.html", text)


def test_elements_may_be_nested_deeply(tmp_path: Path) -> None:
    (passage,) = passages(tmp_path / "a.html", "<i><b>" * 20_000 + "inside")
    assert passage.text == "inside"


def test_the_encoding_that_a_page_declares_is_used(tmp_path: Path) -> None:
    page = '<meta charset="windows-1251"><p>Привет'.encode("cp1251")
    assert passages(tmp_path / "a.html", page)[0].text == "Привет"
