"""The playground in a real browser. Pictures stay in build/playground (or PLAYGROUND_PICTURES)."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from quiver.server.models import OpenedModels
from quiver.server.settings import Settings
from tests.browser import browser, show
from tests.server.running import Running, running

PICTURES = Path(os.environ.get("PLAYGROUND_PICTURES") or Path(__file__).parents[2] / "build" / "playground")
HOSTILE = '<img src=x onerror="document.title=1">'


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture
def page(driver: Any, server: Running) -> Any:
    show(driver, server.url, 1280)
    wait(driver, lambda: cells(driver))
    return driver


def wait(driver: Any, condition: Callable[[], object]) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(driver, 30).until(lambda _: condition())


def cells(driver: Any) -> list[str]:
    return [each.text for each in driver.find_elements("css selector", ".heat [data-place]")]


def text_of(driver: Any, selector: str) -> str:
    return str(driver.find_element("css selector", selector).text)


def order_of(driver: Any, side: str) -> list[str]:
    found = driver.find_elements("css selector", f"ol[aria-label='{side}\\'s order'] .number")
    return [each.text for each in found]


def picture(driver: Any, name: str) -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    driver.save_screenshot(str(PICTURES / f"{name}.png"))


def press(driver: Any, *keys: str) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    ActionChains(driver).send_keys(*keys).perform()


def test_the_first_look_shows_a_finished_comparison(page: Any) -> None:
    assert len(cells(page)) == 15
    assert sorted(order_of(page, "Embedder")) == sorted(order_of(page, "Reranker"))
    assert len(page.find_elements("css selector", "#map g")) == 8
    assert "Instruct:" in text_of(page, "#prompt")
    assert len(page.find_elements("css selector", ".heat .is-best")) == 3
    assert page.get_log("browser") == []
    picture(page, "desktop")


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_page_says_how_programs_ask_the_same(page: Any) -> None:
    """The line works as it stands, whatever the query holds."""
    fields = page.find_elements("css selector", "#queries textarea")
    fields[0].clear()
    fields[0].send_keys('it\'s $HOME "quoted"')
    wait(page, lambda: "quoted" in text_of(page, "#curl"))
    answer = subprocess.run(["sh", "-c", text_of(page, "#curl") + " -s"], capture_output=True, check=True)
    assert len(json.loads(answer.stdout)["data"][0]["embedding"]) > 0


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [360, 768, 1280])
def test_nothing_is_wider_than_the_window(driver: Any, server: Running, width: int, dark: bool) -> None:
    show(driver, server.url, width, dark=dark)
    wait(driver, lambda: cells(driver))
    assert driver.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    picture(driver, f"{width}-{'dark' if dark else 'light'}")


def test_the_dimension_is_live(page: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    before = cells(page)
    page.find_element("id", "dimension").send_keys(Keys.HOME)
    assert text_of(page, "#dimension-value").startswith("32 of")
    wait(page, lambda: cells(page) != before)


def test_an_instruction_changes_what_stands_before_a_query(page: Any) -> None:
    page.find_element("id", "instruction").send_keys("Find recipes")
    wait(page, lambda: "Find recipes" in text_of(page, "#prompt"))


def test_the_keyboard_alone_adds_a_text_and_walks_the_map_of_similarities(page: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    boxes = page.find_elements("css selector", "#queries textarea")
    boxes[-1].send_keys(Keys.ENTER)
    press(page, "When does the museum open?")
    wait(page, lambda: len(cells(page)) == 20)
    page.find_element("css selector", ".heat [tabindex='0']").send_keys(Keys.ARROW_RIGHT)
    press(page, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_DOWN)
    focused = page.switch_to.active_element
    assert focused.get_attribute("aria-label").startswith("Query 4, document 2:")
    press(page, Keys.ENTER)
    assert text_of(page, "#ranking-query") == "When does the museum open?"


def test_texts_are_never_markup(page: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    page.find_elements("css selector", "#documents textarea")[-1].send_keys(Keys.ENTER)
    press(page, HOSTILE)
    wait(page, lambda: len(cells(page)) == 18)
    assert HOSTILE in text_of(page, ".heat")
    assert not page.find_elements("css selector", "img")
    assert page.title == "Quiver playground"


def test_files_become_documents(page: Any, tmp_path: Path) -> None:
    lines, whole = tmp_path / "lines.txt", tmp_path / "whole.md"
    lines.write_text("first line\n\nsecond line\n")
    whole.write_text("# One\n\ndocument\n")
    page.find_element("id", "files").send_keys(f"{lines}\n{whole}")
    wait(page, lambda: len(cells(page)) == 24)
    broken = tmp_path / "broken.txt"
    broken.write_bytes(b"\xff\xfe\xfd")
    page.find_element("id", "files").send_keys(str(broken))
    wait(page, lambda: "broken.txt is not UTF-8 text" in text_of(page, "#status"))


def test_tokens_are_shown_on_demand(page: Any) -> None:
    page.find_element("css selector", "#tokens summary").click()
    wait(page, lambda: page.find_elements("css selector", "#tokens details[open] .pieces span"))
    pieces = page.find_element("css selector", "#tokens details[open] .pieces")
    assert pieces.get_attribute("textContent") == "How do I keep bread fresh?"


def test_a_server_with_keys_asks_for_one(driver: Any, opened: OpenedModels) -> None:
    with running(opened, Settings(api_keys=["arrow"])) as server:
        show(driver, server.url, 1280)
        wait(driver, lambda: driver.find_element("id", "key").is_displayed())
        press(driver, "wrong", "\ue007")
        wait(driver, lambda: "does not know this key" in text_of(driver, "#key-problem"))
        press(driver, "arrow", "\ue007")
        wait(driver, lambda: cells(driver))


def test_search_is_offered_only_with_an_index(page: Any) -> None:
    assert not page.find_element("id", "search").is_displayed()
