# SPDX-License-Identifier: Apache-2.0
"""The page in a real browser, opened from a file: quiet, without network, usable by keyboard, linkable."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from qualify.model import Consequence, Evidence, Verdict
from qualify.report.html import render
from tests.report.sample import build, with_stale
from tests.report.test_html import hostile_page, rebuilt

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


SIDEWAYS = "document.documentElement.scrollWidth > innerWidth"

CLIPPED = """() => [...document.querySelectorAll("td.sq")].flatMap((square) => {
  const outer = square.getBoundingClientRect(), found = [];
  if (square.querySelector("a").getBoundingClientRect().height > outer.height + 1) found.push("too high");
  for (const node of square.querySelectorAll("a *")) {
    const range = document.createRange(), style = getComputedStyle(node);
    let hidden = !node.checkVisibility();
    for (let e = node; e !== square; e = e.parentElement) hidden ||= getComputedStyle(e).clipPath !== "none";
    if (hidden) continue;
    for (const text of node.childNodes) {
      if (text.nodeType !== 3 || !text.data.trim()) continue;
      range.selectNodeContents(text);
      const box = range.getBoundingClientRect();
      if (box.left < outer.left || box.right > outer.right || box.bottom > outer.bottom + 1) found.push(text.data);
      if (parseFloat(style.fontSize) < 12) found.push(`${text.data} in ${style.fontSize}`);
    }
  }
  return found.map((what) => [square.dataset.pair, what]);
})"""

# a phone, a small laptop, what most people have, and large
WIDTHS = [360, 400, 900, 1100, 1400, 1920]


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A page whose squares hold as much as a square can: three bands, every mark, mixed evidence."""
    data = build(accidents=False)
    cells = []
    for c in (c for p in data.pairs for c in p.cells):
        if (c.source, c.target) == ("7.1.3", "7.1.13-nomemfd") and c.scenario == "memfd-dense":
            c = replace(c, verdict=Verdict.LOST, agrees=False)
        if c.target == "7.1.3":
            c = replace(c, evidence=Evidence.VM)
        if c.scenario == "baseline" and c.source == "7.3.4" and c.target != "7.3.4":
            c = replace(c, verdict=Verdict.DEGRADED, consequences=tuple(Consequence))
        cells.append(c)
    path: Path = tmp_path_factory.mktemp("crowded") / "r.html"
    path.write_text(render(rebuilt(data, cells)), encoding="utf-8")
    return path.as_uri()


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_clipped_and_nothing_overflows(
    browser: sync_api.Browser, address: str, crowded: str, width: int
) -> None:
    made = Watched(browser, viewport={"width": width, "height": 1000})
    for page in (made.open(address), made.open(crowded)):
        for view in ("", ":evidence", ":consequences", "memfd-dense"):
            page.select_option("select[name=scenario]", view)
            assert page.evaluate(CLIPPED) == []
            assert not page.evaluate(SIDEWAYS)
            assert page.evaluate("(g => g.scrollWidth <= g.clientWidth)(document.getElementById('grid'))")
        page.evaluate("location.hash = '#6.18.15→6.17.8/baseline'")
        page.wait_for_function("!document.getElementById('panel').hidden")
        assert page.evaluate(CLIPPED) == []
        assert not page.evaluate(SIDEWAYS)
        assert page.evaluate("(p => p.scrollWidth <= p.clientWidth)(document.getElementById('panel'))")
    made.context.close()


def test_rows_are_equally_high(watched: Watched, address: str) -> None:
    page = watched.open(address)
    heights = page.evaluate("[...document.querySelectorAll('tbody tr')].map((r) => Math.round(r.offsetHeight))")
    assert max(heights) - min(heights) <= 2


def test_the_first_screen_answers(browser: sync_api.Browser, address: str) -> None:
    """At 1400 x 1000: counts, findings by name with their verdicts, and the grid, without scrolling."""
    made = Watched(browser, viewport={"width": 1400, "height": 1000})
    page = made.open(address)
    bottom = "e => e.getBoundingClientRect().bottom"
    for seen in ("header .tally", "#disagree", ".lines li", ".lines .tally", "table.grid thead"):
        assert page.locator(seen).count()
        assert all(0 < page.evaluate(bottom, e) < 550 for e in page.locator(seen).element_handles()), seen
    rows = page.locator("table.grid tbody tr").element_handles()
    assert sum(page.evaluate(bottom, row) <= 1000 for row in rows) >= 8
    made.context.close()


def test_without_accidents_the_whole_grid_is_on_the_first_screen(browser: sync_api.Browser, tmp_path: Path) -> None:
    path = tmp_path / "r.html"
    path.write_text(render(build(accidents=False)), encoding="utf-8")
    made = Watched(browser, viewport={"width": 1400, "height": 1000})
    page = made.open(path.as_uri())
    assert page.evaluate("document.querySelector('table.grid').getBoundingClientRect().bottom <= 1000")
    made.context.close()


def test_heads_stay_while_the_page_scrolls(browser: sync_api.Browser, address: str) -> None:
    made = Watched(browser, viewport={"width": 1100, "height": 700})
    page = made.open(address)
    page.evaluate("document.querySelector('tbody tr:nth-child(9)').scrollIntoView()")
    assert page.evaluate("Math.round(document.querySelector('thead th').getBoundingClientRect().top)") == 0
    made.context.close()


def test_more_releases_than_fit_scroll_in_a_frame_that_says_so(browser: sync_api.Browser, address: str) -> None:
    made = Watched(browser, viewport={"width": 320, "height": 700})
    page = made.open(address)
    assert not page.evaluate(SIDEWAYS)
    assert page.evaluate("(g => g.scrollWidth > g.clientWidth)(document.getElementById('grid'))")
    assert page.locator(".hint-scroll").is_visible()
    page.evaluate("document.getElementById('grid').scrollTo(200, 200)")
    left = "e => e.getBoundingClientRect().left"
    frame, heads = page.locator("#grid"), page.locator(".corner, tbody th")
    assert all(abs(head.evaluate(left) - frame.evaluate(left)) < 3 for head in heads.all())
    made.context.close()


@pytest.mark.parametrize("width", [1000, 1100, 1400])
@pytest.mark.parametrize("pair", ["6.19.11→7.0.13", "7.3.4→7.3.4", "6.16.12→7.3.4"])
def test_the_panel_leaves_its_square_in_sight(browser: sync_api.Browser, address: str, pair: str, width: int) -> None:
    made = Watched(browser, viewport={"width": width, "height": 800})
    page = made.open(address + link(pair))
    square = page.locator("td.sq.open").bounding_box()
    panel = page.locator("#panel").bounding_box()
    assert square is not None
    assert panel is not None
    assert square["x"] + square["width"] <= panel["x"]
    assert 0 <= square["y"] <= 800 - square["height"]
    made.context.close()


def test_a_phone_gets_a_panel_of_its_own_width(browser: sync_api.Browser, address: str) -> None:
    made = Watched(browser, viewport={"width": 375, "height": 700}, has_touch=True, is_mobile=True)
    page = made.open(address + link("6.18.15→6.17.8", "baseline"))
    assert page.evaluate(
        "(p => p.scrollWidth <= p.clientWidth && p.clientWidth === 375)(document.getElementById('panel'))"
    )
    assert page.get_by_role("button", name="Close the details").inner_text() == "Close"
    assert "source → itself" in page.evaluate(
        "getComputedStyle(document.querySelector('.cells td:nth-child(3)'), '::before').content"
    )
    made.context.close()


def test_the_panel_shows_the_bytes(watched: Watched, address: str) -> None:
    page = watched.open(address + link("6.18.15→6.17.8"))
    text = page.locator("#panel .part").first.inner_text()
    for expected in (
        "Pages beyond 16 MiB of each 128 MiB window",  # what the receiver does
        "Load the target with kho=off and drain the host. KHO002",  # the rule's own advice
        "6.18.15 writes",
        "32,768 bits · 4,096 bytes",
        "4,096 bits · 512 bytes",
        "u32 · 4 bytes at 8",
        "u32 · 4 bytes at 12",
        "16 bytes",
    ):
        assert expected in text
    wide = page.evaluate("[...document.querySelectorAll('.ruler')[0].querySelectorAll('i')].map((i) => i.style.width)")
    assert wide == ["100%", "12.5%"]


def test_ages_are_worked_out_when_somebody_looks(browser: sync_api.Browser, address: str) -> None:
    """And never stand alone: the date is beside them."""
    for day, age in (
        ("2026-11-20T13:00:00Z", " (1 h ago)"),
        ("2027-02-28T12:00:00Z", " (100 d ago)"),
        ("2026-01-01", ""),
    ):
        made = Watched(browser, viewport={"width": 1400, "height": 1000})
        made.page.clock.set_fixed_time(day)
        page = made.open(address)
        assert (
            page.locator("header .ago").inner_text() == age.strip() or page.locator("header .ago").text_content() == age
        )
        assert "2026-11-20 12:00 UTC" in page.locator("header").inner_text()
        made.context.close()


@pytest.mark.parametrize(
    ("where", "kept"),
    [("any", "baseline worst"), ("baseline", "baseline"), ("worst", "worst")],
)
def test_filters_look_at_the_baseline_or_the_worst(watched: Watched, address: str, where: str, kept: str) -> None:
    page = watched.open(address)
    # baseline RESTORED, worst CORRUPT; then baseline CORRUPT
    restored, corrupt = (page.locator(f"td.sq:has(a[href='#{p}'])") for p in ("6.18.15→6.19.8", "6.18.15→6.17.8"))
    for box in page.locator("input[name=verdict]").all():
        box.uncheck()
    page.check("input[value=CORRUPT]")
    page.select_option("select[name=where]", where)
    assert ("dim" in (restored.get_attribute("class") or "")) == ("worst" not in kept)
    assert "dim" not in (corrupt.get_attribute("class") or "")
    page.uncheck("input[value=CORRUPT]")
    page.check("input[value=RESTORED]")
    assert ("dim" in (restored.get_attribute("class") or "")) == ("baseline" not in kept)
    assert "dim" in (corrupt.get_attribute("class") or "")


def test_one_scenario_shows_source_to_source_beside_every_verdict(watched: Watched, address: str) -> None:
    page = watched.open(address)
    page.select_option("select[name=scenario]", "regions-37")
    own = page.locator("td.sq:has(a[href='#6.18.15→7.3.4']) .own")
    assert own.inner_text() == "↺✗"
    assert own.get_attribute("title") == "source → source: CORRUPT"
    assert page.locator("td.sq:has(a[href='#6.18.15→6.19.8']) .own").inner_text() == "="
    assert page.locator("td.sq .own").count() == 144
    assert "2026-12-01" in page.locator("td.sq").first.inner_text()


def test_a_finding_points_at_its_pairs(watched: Watched, address: str) -> None:
    page = watched.open(address)
    page.locator("a[data-finding='0']").hover()
    assert page.locator("td.sq.hit").count() == 10
    page.locator("h1").hover()
    assert page.locator("td.sq.hit").count() == 0


def test_keyboard_opens_and_closes_the_details(watched: Watched, address: str) -> None:
    page = watched.open(address)
    page.locator("td.sq a").first.focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowDown", "ArrowRight"):
        page.keyboard.press(key)
    page.keyboard.press("Enter")
    assert page.locator("#panel-title").inner_text() == "6.18.15 → 6.17.8 rollback"
    assert page.evaluate("document.activeElement.id") == "panel-title"
    assert "bits 4096 to 32767 are not seen" in page.locator("#panel").inner_text()
    for _ in ("the button that closes", "the bytes", "the first scenario"):
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


def test_a_link_that_leads_nowhere_opens_nothing_and_says_so(watched: Watched, address: str) -> None:
    page = watched.open(address)
    notice = page.locator("#notice")
    assert notice.is_hidden()
    for bad in ("%E0%A4%A/x", "nosuch→7.3.4", "6.18→9.9"):
        page.evaluate("hash => { location.hash = hash; }", f"#{bad}")
        page.wait_for_function("text => document.getElementById('notice').textContent.includes(text)", arg=bad[-5:])
        assert page.locator("#panel").is_hidden()
        assert "names no pair of this report" in notice.inner_text()
        assert "6.18.15" in notice.inner_text()
    page.evaluate("location.hash = '#6.18.15→7.3.4/nosuch'")
    page.wait_for_function("!document.getElementById('panel').hidden")
    assert "no scenario “nosuch”" in notice.inner_text()
    page.keyboard.press("Escape")
    assert notice.is_hidden()


@pytest.mark.parametrize("hash_", ["#6.18→7.0", "#6.18->7.0/baseline", "#6.18.15→7.0.13", link("6.18→7.0.13")])
def test_a_link_may_name_releases_by_alias(watched: Watched, address: str, hash_: str) -> None:
    page = watched.open(address + hash_)
    assert page.locator("#panel-title").inner_text() == "6.18.15 → 7.0.13 upgrade"
    assert page.evaluate("decodeURIComponent(location.hash)").startswith("#6.18.15→7.0.13")
    assert page.locator("#notice").is_hidden()


def test_a_link_to_a_finding_unfolds_it(watched: Watched, address: str) -> None:
    page = watched.open(address)
    assert page.locator("#class-true-refusal article").first.is_hidden()
    page.locator("a[href='#class-true-refusal']").click()
    page.locator("#class-true-refusal article").first.wait_for()
    page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = false; })")
    page.locator("a[href='#finding-0']").click()
    page.locator("#finding-0").wait_for()
    assert page.locator("#notice").is_hidden()


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
    assert square.locator(".band.v-UNSUPPORTED").count() == square.locator(".band").count() == 1
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
    # the paper's width: 297 mm less margins
    page.set_viewport_size({"width": 1062, "height": 733})
    assert page.evaluate("parseFloat(getComputedStyle(document.querySelector('.sq .band')).fontSize)") >= 11
    assert page.evaluate("document.querySelector('table.grid').getBoundingClientRect().bottom < innerHeight * 1.4")
    order = "document.querySelector('.lines').compareDocumentPosition(document.querySelector('table.grid'))"
    assert page.evaluate(order) == 4
    assert len(re.findall(rb"/Type\s*/Page\b", page.pdf(prefer_css_page_size=True))) <= 4
