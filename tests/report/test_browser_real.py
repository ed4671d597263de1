# SPDX-License-Identifier: Apache-2.0
"""Cells of real kernels in a browser: side by side, and every log one click away from where it is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from qualify.model import Verdict
from qualify.report.filetext import LIMIT
from qualify.report.html import render
from qualify.store import open_store
from tests.report.real_sample import Ran, cell_of, fill, page_data, report_of
from tests.report.test_browser import CHROMIUM, CLIPPED, CONTRAST, SIDEWAYS, SWITCHES, WIDTHS, Watched, link

if TYPE_CHECKING:
    from playwright import sync_api
else:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed (apt-get install chromium)"),
]


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
    folder = tmp_path_factory.mktemp("real")
    path = folder / "r.html"
    path.write_text(render(page_data(folder)), encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def watched(browser: sync_api.Browser) -> Iterator[Watched]:
    made = Watched(browser, viewport={"width": 1400, "height": 1000})
    yield made
    made.context.close()
    assert made.noise == []
    assert {url.partition(":")[0] for url in made.requests} <= {"file", "data"}


def test_what_breaks_is_on_the_first_screen(watched: Watched, address: str) -> None:
    page = watched.open(address)
    bottom = "e => e.getBoundingClientRect().bottom"
    for seen in ("#real", ".contradictions li", ".failures li"):
        assert page.locator(seen).count()
        assert all(0 < e.evaluate(bottom) < 450 for e in page.locator(seen).all()), seen
    assert page.locator("table.grid").evaluate(bottom) < 1000
    page.locator(".contradictions a", has_text="7.1.13 → 7.3.4").click()
    assert page.locator("#panel-title").inner_text() == "7.1.13 → 7.3.4 upgrade"
    assert page.locator("tr.detail:visible").count() == 1


def test_predicted_simulated_and_vm_stand_side_by_side(watched: Watched, address: str) -> None:
    page = watched.open(address + link("7.1.13→7.3.4", "baseline"))
    assert page.locator(".cells thead").first.inner_text().strip().split("\t") == [
        "scenario", "predicted", "simulated", "vm", "7.1.13 → itself",
    ]  # fmt: skip
    row = page.locator(".cells > tbody > tr:not(.detail)").first
    cells = [td.inner_text() for td in row.locator("td").all()]
    assert cells[:2] == ["RESTORED", "✓ RESTORED"]
    assert "PANIC" in cells[2]
    assert "≠ predicted" in cells[2]
    assert "≠ simulated" in cells[2]
    detail = page.locator("tr.detail:visible").inner_text()
    assert "vm and simulator differ" in detail
    assert "simulated by simulator:" in detail
    assert page.locator(".cells > tbody > tr:not(.detail)").count() == 2


def test_a_log_opens_within_the_page_and_runs_nothing(watched: Watched, address: str) -> None:
    page = watched.open(address)
    page.locator(".contradictions li", has_text="7.1.13 → 7.3.4").get_by_role("button", name="log").click()
    dialog = page.locator("#file")
    page.wait_for_function("document.querySelector('#file pre').textContent.includes('Kernel panic')")
    text = dialog.inner_text()
    assert "</script><script>alert(1)</script><img src=x onerror=alert(2)>" in text
    assert "\\x1bc\\x1b[?7l" in text
    assert page.locator("img").count() == 0
    assert "real.sqlite.artefacts/" in text
    assert "qualify db artefact " in text
    page.keyboard.press("Escape")
    assert not dialog.is_visible()


def test_escape_closes_the_log_and_not_the_panel_below_it(watched: Watched, address: str) -> None:
    page = watched.open(address + link("6.19.11→7.1.13", "memfd-dense"))
    files = page.locator("tr.detail:visible .files").first
    assert "source/out/fdt 64 B qualify db artefact" in " ".join(files.inner_text().split())
    files.get_by_role("button", name="results.ktap").click()
    page.wait_for_function("document.querySelector('#file pre').textContent.startsWith('KTAP version 1')")
    page.keyboard.press("Escape")
    assert page.locator("#panel").is_visible()
    page.keyboard.press("Escape")
    assert page.locator("#panel").is_hidden()


def test_failures_stand_apart_with_message_and_log(watched: Watched, address: str) -> None:
    page = watched.open(address + link("6.18.15→7.3.4", "baseline"))
    panel = page.locator("#panel")
    assert "1 cell without a verdict (ERROR, TIMEOUT)" in panel.inner_text()
    page.locator("tr.detail:visible details summary").filter(has_text="TIMEOUT").click()
    text = page.locator("tr.detail:visible details").filter(has_text="control run").inner_text()
    assert "says nothing about the kernels" in text
    assert "the control run did not answer either" in text
    page.locator("tr.detail:visible .files button", has_text="serial.log").first.click()
    page.wait_for_function("document.querySelector('#file pre').textContent.includes('6.18.15 says line 7')")


def test_an_unstable_cell_shows_every_repeat_with_its_log(watched: Watched, address: str) -> None:
    page = watched.open(address + link("7.3.4→7.3.4", "baseline"))
    repeats = page.locator(".repeats li")
    assert [r.inner_text().split()[1] for r in repeats.all()] == ["LOST", "RESTORED"]
    repeats.first.get_by_role("button", name="log").click()
    page.wait_for_function("document.querySelector('#file pre').textContent.includes('once lost')")


def test_a_cut_log_says_so(watched: Watched, tmp_path: Path) -> None:
    log = b"first\n" + b"middle\n" * LIMIT + b"last\n"
    with open_store(tmp_path / "db.sqlite") as store:
        ran = Ran(Verdict.RESTORED, files=(("serial.log", log),))
        fill(store, [(cell_of("7.1.13", "7.1.13"), ran)])
        path = tmp_path / "r.html"
        path.write_text(render(report_of(store, "qemu")), encoding="utf-8")
    page = watched.open(path.as_uri() + link("7.1.13→7.1.13", "baseline"))
    assert "of it left out" in page.locator(".files").inner_text()
    page.locator(".files button").click()
    page.wait_for_function("document.querySelector('#file pre').textContent.endsWith('last\\n')")
    assert "1.5 MiB from its middle are left out here." in page.locator("#file").inner_text()
    page.get_by_role("button", name="To the end").click()
    assert page.evaluate(
        "(p => p.scrollTop + p.clientHeight >= p.scrollHeight - 2)(document.querySelector('#file pre'))"
    )


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_clipped(browser: sync_api.Browser, address: str, width: int) -> None:
    made = Watched(browser, viewport={"width": width, "height": 1000})
    page = made.open(address)
    assert page.evaluate(CLIPPED) == []
    assert not page.evaluate(SIDEWAYS)
    page.evaluate("location.hash = '#7.1.13→7.3.4/baseline'")
    page.wait_for_function("!document.getElementById('panel').hidden")
    assert page.evaluate("(p => p.scrollWidth <= p.clientWidth)(document.getElementById('panel'))")
    page.locator("#panel .files button").first.click()
    assert page.evaluate("(p => p.scrollWidth <= p.clientWidth)(document.getElementById('file'))")
    made.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast(browser: sync_api.Browser, address: str, scheme: str) -> None:
    made = Watched(browser, viewport={"width": 1400, "height": 1000}, color_scheme=scheme)
    page = made.open(address + link("7.3.4→7.3.4", "baseline"))
    page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    assert page.evaluate(CONTRAST) == []
    page.locator(".files button").first.click()
    assert page.evaluate(CONTRAST) == []
    made.context.close()
