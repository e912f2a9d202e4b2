"""The page in a real browser: nothing overflows, every figure is labelled, names are never markup."""

import base64
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from quiver.evaluate.report import read_runs, report, to_html
from tests.browser import browser, show
from tests.evaluate.report.made import everywhere, results, varied, write

HOSTILE = (
    "</title><script>window.hurt = 1</script>",
    "\"><img src=x onerror='window.hurt = 1'>",
    "{{ 7 * 7 }}{% raw %}</style></svg>",
    "an-extraordinarily-long-name-of-a-model-without-any-place-to-break-" * 3,
    "名前がとても長いモデル" * 6,
)


class Strict(HTMLParser):
    """Notes elements and whatever a page would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.fetched += [
            f"{tag} {name}" for name, _ in attributes if name in ("src", "href", "srcset", "data")
        ]


def hostile_page(folder: Path) -> str:
    groups = [results(name, {**everywhere(0.5), name: 0.4}) for name in HOSTILE]
    return to_html(report(read_runs([write(folder / "hostile.json", *groups)]), title=HOSTILE[0]))


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture
def pages(tmp_path: Path) -> dict[str, Path]:
    contents = {
        "varied": to_html(report(read_runs(varied(tmp_path, name="quiver-embedding-mini")))),
        "hostile": hostile_page(tmp_path),
    }
    paths = {name: tmp_path / f"{name}.html" for name in contents}
    for name, path in paths.items():
        path.write_text(contents[name])
    return paths


def test_names_cannot_become_markup(tmp_path: Path) -> None:
    page = hostile_page(tmp_path)
    seen = Strict()
    seen.feed(page)
    assert "script" not in seen.elements
    assert "img" not in seen.elements
    assert seen.elements.count("style") == 1
    assert "{{ 7 * 7 }}" in page


def test_a_page_asks_for_nothing_else(pages: dict[str, Path]) -> None:
    content = pages["varied"].read_text()
    seen = Strict()
    seen.feed(content)
    assert seen.fetched == []
    assert not re.search(r"https?:|url\(|@import", content)


@pytest.mark.parametrize("page", ["varied", "hostile"])
@pytest.mark.parametrize("width", [1280, 768, 390, 320])
def test_nothing_overflows(driver: Any, pages: dict[str, Path], page: str, width: int) -> None:
    show(driver, pages[page].as_uri(), width)
    assert driver.execute_script("return document.documentElement.scrollWidth") <= width
    beyond = """
        const within = e => e.closest('.scroll') || e.closest('svg');
        return [...document.querySelectorAll('body *')]
            .filter(e => !within(e) && e.getBoundingClientRect().right > innerWidth + 1)
            .map(e => e.outerHTML.slice(0, 80))"""
    assert driver.execute_script(beyond) == []
    cut = """
        return [...document.querySelectorAll('svg.chart')].flatMap(chart => {
            const paper = chart.getBoundingClientRect();
            return [...chart.querySelectorAll('text')].filter(word => {
                const own = word.getBoundingClientRect();
                return own.left < paper.left - 1 || own.right > paper.right + 1
                    || own.top < paper.top - 1 || own.bottom > paper.bottom + 1;
            }).map(word => word.textContent)})"""
    assert driver.execute_script(cut) == []


def test_every_figure_is_labelled(driver: Any, pages: dict[str, Path]) -> None:
    show(driver, pages["varied"].as_uri(), 1280)
    figures = driver.execute_script("""
        return [...document.querySelectorAll('figure')].map(figure => ({
            title: figure.querySelector('h3').textContent,
            named: figure.querySelector('h3').id === figure.getAttribute('aria-labelledby'),
            alt: figure.querySelector('svg[role=img]').getAttribute('aria-label'),
            axes: [...figure.querySelectorAll('text.title')].map(e => e.textContent).filter(Boolean).length,
            caption: figure.querySelector('figcaption').textContent,
            rows: figure.querySelectorAll('tbody tr').length,
            marks: figure.querySelectorAll('svg.chart path.mark').length}))""")
    assert len(figures) == 5
    for figure in figures:
        assert figure["named"], figure
        assert all(figure[what] for what in ("title", "alt", "caption", "rows", "marks")), figure
        assert figure["axes"] == 2, figure


def test_hostile_names_do_nothing(driver: Any, pages: dict[str, Path]) -> None:
    show(driver, pages["hostile"].as_uri(), 1280)
    assert driver.execute_script("return window.hurt === undefined")
    assert driver.title == HOSTILE[0]


def test_light_and_dark_have_contrast(driver: Any, pages: dict[str, Path]) -> None:
    """WCAG's 4.5 for words and 3 for marks, against the paper of either scheme."""
    for dark in (False, True):
        show(driver, pages["varied"].as_uri(), 1280, dark=dark)
        paper = colour(driver, "body", "backgroundColor")
        assert (luminance(paper) < 0.1) is dark
        for words in ("h1", "header p", "figcaption", "th"):
            assert contrast(colour(driver, words, "color"), paper) >= 4.5, words
        for number in range(3):
            assert contrast(colour(driver, f".mark.c{number}", "fill"), paper) >= 3, number


def test_a_printed_page_is_light_whatever_the_screen(driver: Any, pages: dict[str, Path]) -> None:
    show(driver, pages["varied"].as_uri(), 800, dark=True, media="print")
    assert luminance(colour(driver, "body", "backgroundColor")) == pytest.approx(1)
    printed = driver.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})
    assert base64.b64decode(printed["data"]).startswith(b"%PDF")


def colour(driver: Any, selector: str, name: str) -> list[float]:
    text = driver.execute_script(
        f"return getComputedStyle(document.querySelector({selector!r})).{name}",
    )
    return [int(part) / 255 for part in re.findall(r"\d+", text)[:3]]


def luminance(channels: list[float]) -> float:
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: list[float], second: list[float]) -> float:
    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)
