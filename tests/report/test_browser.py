# SPDX-License-Identifier: Apache-2.0
"""The page in a real browser, opened from a file: quiet, without network, usable by keyboard, linkable."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from qualify.report.html import render
from tests.report.sample import build, with_stale
from tests.report.test_html import hostile_page

if TYPE_CHECKING:
    from playwright import sync_api
else:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed (apt-get install chromium)"),
]

SWITCHES = ["--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"]


@pytest.fixture(scope="module")
def browser() -> Iterator[sync_api.Browser]:
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--no-first-run", *SWITCHES]
        )
        yield started
        started.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    path: Path = tmp_path_factory.mktemp("report") / "r.html"
    path.write_text(render(build()), encoding="utf-8")
    return path.as_uri()


class Watched:
    """A page with everything that it should not do: complain, or ask for anything but itself."""

    def __init__(self, browser: sync_api.Browser, **options: Any) -> None:
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.noise: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.noise.append(message.text))
        self.page.on("pageerror", lambda error: self.noise.append(str(error)))
        self.page.on("dialog", self._dismiss)
        self.page.on("request", lambda request: self.requests.append(request.url))

    def _dismiss(self, dialog: sync_api.Dialog) -> None:
        self.noise.append(dialog.message)
        dialog.dismiss()

    def open(self, address: str) -> sync_api.Page:
        self.page.goto(address)
        return self.page


@pytest.fixture
def watched(browser: sync_api.Browser) -> Iterator[Watched]:
    made = Watched(browser, viewport={"width": 1500, "height": 1000})
    yield made
    made.context.close()
    assert made.noise == []
    assert {url.partition("#")[0].partition(":")[0] for url in made.requests} <= {"file", "data"}
    assert len([url for url in made.requests if url.startswith("file:")]) <= 2


def link(pair: str, scenario: str = "") -> str:
    return "#" + quote(pair, safe="") + (f"/{scenario}" if scenario else "")


def test_opens_quietly(watched: Watched, address: str) -> None:
    page = watched.open(address)
    assert page.title() == "upstream – qualify"
    assert page.locator("td.sq").count() == 144
    assert page.locator("#panel").is_hidden()
    assert page.locator("form.filters").is_visible()


def test_twelve_releases_need_no_sideways_scrolling(watched: Watched, address: str) -> None:
    page = watched.open(address)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate("(g => g.scrollWidth <= g.clientWidth)(document.getElementById('grid'))")


@pytest.mark.parametrize("width", [390, 800, 1200])
def test_a_narrow_window_scrolls_the_grid_not_the_page(browser: sync_api.Browser, address: str, width: int) -> None:
    made = Watched(browser, viewport={"width": width, "height": 800})
    page = made.open(address)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    made.context.close()


def test_keyboard_opens_and_closes_the_details(watched: Watched, address: str) -> None:
    page = watched.open(address)
    page.locator("td.sq a").first.focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowDown", "ArrowRight"):
        page.keyboard.press(key)
    page.keyboard.press("Enter")
    assert page.locator("#panel-title").inner_text() == "6.18.15 → 6.17.8 rollback"
    assert page.evaluate("document.activeElement.id") == "panel-title"
    assert "bits 4096 to 32767 are not seen" in page.locator("#panel").inner_text()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.locator("tr.detail:visible").count() == 1
    page.keyboard.press("Escape")
    assert page.locator("#panel").is_hidden()
    assert page.evaluate("document.activeElement.closest('td').cellIndex") == 2


def test_arrow_keys_stay_in_the_grid(watched: Watched, address: str) -> None:
    page = watched.open(address)
    page.locator("td.sq a").first.focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowLeft")
    assert page.evaluate("document.activeElement.closest('td').dataset.pair") == "0"
    assert page.locator("td.sq a[tabindex='0']").count() == 1


def test_deep_link_to_a_scenario(watched: Watched, address: str) -> None:
    page = watched.open(address + link("6.18.15→6.17.8", "baseline"))
    panel = page.locator("#panel")
    assert page.locator("tr.detail:visible").count() == 1
    text = panel.inner_text()
    for expected in ("5a5a5a5a5a5a", "different: contents", "KHO002", "not-carried", "6.18.15 → itself", "What to do"):
        assert expected in text
    page.evaluate("location.hash = '#7.0.13->6.17.8/files-128'")
    panel.get_by_text("and 87 more").click()
    assert "qual/0x7f" in panel.inner_text()


def test_a_link_that_leads_nowhere_opens_nothing(watched: Watched, address: str) -> None:
    page = watched.open(address + "#%E0%A4%A/x")
    assert page.locator("#panel").is_hidden()
    page.evaluate("location.hash = '#nosuch→7.3.4'")
    assert page.locator("#panel").is_hidden()


def test_the_panel_says_which_results_are_stale(watched: Watched, tmp_path: Path) -> None:
    path = tmp_path / "stale.html"
    path.write_text(render(with_stale(2)), encoding="utf-8")
    page = watched.open(path.as_uri())
    for number, marked in ((0, 2), (1, 0)):
        page.locator("td.sq a").nth(number).click()
        text = page.locator("#panel").inner_text()
        assert ("2 results were measured with another version of schema" in text) == bool(marked)
        assert text.count("· stale") == marked
        page.keyboard.press("Escape")


def test_back_closes_the_details(watched: Watched, address: str) -> None:
    page = watched.open(address)
    page.locator("td.sq a").first.click()
    assert page.locator("#panel").is_visible()
    page.go_back()
    assert page.locator("#panel").is_hidden()


def test_filters(watched: Watched, address: str) -> None:
    page = watched.open(address)
    page.select_option("select[name=scenario]", "memfd-dense")
    square = page.locator("td.sq[data-pair='0']")
    assert "UNSUPPORTED" in square.inner_text()
    assert "v-UNSUPPORTED" in (square.get_attribute("class") or "")
    page.uncheck("input[value=UNSUPPORTED]")
    page.uncheck("input[value=same]")
    assert "dim" in (square.get_attribute("class") or "")
    assert page.locator("form.filters output").inner_text().endswith("of 144 pairs")
    page.get_by_role("button", name="Show all").click()
    page.wait_for_function("document.querySelectorAll('td.dim').length === 0")
    assert "RESTORED" in square.inner_text()


def test_hostile_names_run_nothing(watched: Watched, tmp_path: Path) -> None:
    path = tmp_path / "hostile.html"
    path.write_text(hostile_page(), encoding="utf-8")
    page = watched.open(path.as_uri())
    page.locator("td.sq a").click()
    assert page.locator("img").count() == 0
    assert "<img src=x onerror=alert(2)>" in page.locator("#panel").inner_text()


CONTRAST = """() => {
  const parse = (c) => c.match(/[\\d.]+/g).map(Number);
  const linear = (v) => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => [r, g, b].map((v) => linear(v / 255))
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      const style = getComputedStyle(e), c = parse(style.backgroundColor);
      if (style.backgroundImage !== "none") return parse(style.backgroundImage.match(/rgb\\([^)]*\\)/)[0]);
      if (c.length < 4 || c[3] > 0) return c;
    }
    return [255, 255, 255];
  };
  return [...document.querySelectorAll("body *")].filter((e) => e.checkVisibility()
    && [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim())).map((e) => {
      const [a, b] = [light(parse(getComputedStyle(e).color)), light(behind(e))];
      return [(Math.max(a, b) + .05) / (Math.min(a, b) + .05), e.className, e.textContent.slice(0, 40)];
    }).filter(([ratio]) => ratio < 4.5);
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_is_wcag_aa(browser: sync_api.Browser, address: str, scheme: str) -> None:
    made = Watched(browser, viewport={"width": 1500, "height": 1000}, color_scheme=scheme)
    page = made.open(address + link("6.18.15→6.17.8", "baseline"))
    page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    assert page.evaluate(CONTRAST) == []
    made.context.close()


def test_without_scripts_the_page_is_complete(browser: sync_api.Browser, address: str) -> None:
    made = Watched(browser, java_script_enabled=False)
    page = made.open(address)
    assert "Scripts are off" in page.locator("main").inner_text()
    assert page.locator("form.filters").is_hidden()
    assert page.locator("td.sq").count() == 144
    made.context.close()


def test_print_shows_the_whole_grid(watched: Watched, address: str) -> None:
    page = watched.open(address + link("6.18.15→6.17.8"))
    page.emulate_media(media="print")
    assert page.locator("#panel").is_hidden()
    assert page.evaluate("getComputedStyle(document.getElementById('grid')).overflow") == "visible"
