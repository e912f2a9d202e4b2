"""A headless Chromium, for what only a browser knows of a page."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

REQUIRED = os.environ.get("QUIVER_REQUIRE_BROWSER") == "1"
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--force-color-profile=srgb",
)


@contextmanager
def browser(profile: Path) -> Iterator[Any]:
    """A driver of Chromium; skips the test where there is none, unless QUIVER_REQUIRE_BROWSER=1 is set."""
    programs = shutil.which("chromium"), shutil.which("chromedriver")
    if None in programs and not REQUIRED:
        pytest.skip("needs Debian's chromium and chromium-driver")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = programs[0] or "chromium"
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    driver = webdriver.Chrome(options, webdriver.ChromeService(programs[1] or "chromedriver"))
    try:
        yield driver
    finally:
        driver.quit()


def show(driver: Any, address: str, width: int, *, dark: bool = False, media: str = "screen") -> None:
    """Open a page at a width in CSS pixels, which Chromium's window alone cannot have below 500."""
    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False},
    )
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": [scheme]})
    driver.get(address)
