"""Exports of a run: as a test, as its workflow, and as a program that starts another."""

import json
import re
from pathlib import Path

from playwright.sync_api import Download, Page, expect

from tests.console.conftest import SMALL, Site, Visit


def kept(page: Page, entry: str, folder: Path, more: str = "More") -> Path:
    """The file that an entry of the menu downloads."""
    page.get_by_role("button", name=more).press("Enter")
    with page.expect_download() as download:
        page.get_by_role("menuitem", name=entry).press("Enter")
    found: Download = download.value
    found.save_as(folder / found.suggested_filename)
    return folder / found.suggested_filename


def test_a_run_becomes_a_test_that_passes_beside_its_workflow(site: Site, visit: Visit, tmp_path: Path) -> None:
    page = visit(f"/runs/{site.run('greets', name='Ada 🙂')}")
    expect(page.locator(".runhead .pill")).to_contain_text("Succeeded")
    test = kept(page, "Make a test of this run", tmp_path)
    assert kept(page, "Download the workflow file", tmp_path).name == "version-1.yml"
    outcome = site.command("test", test)
    assert (outcome.code, "1 passed" in outcome.out) == (0, True), outcome


def test_a_run_is_saved_as_json(site: Site, visit: Visit, tmp_path: Path) -> None:
    run = site.run("greets", name="花子 🙂")
    page = visit(f"/runs/{run}", locale="ja-JP", size=SMALL)
    expect(page.locator(".runhead")).to_contain_text("成功")
    saved = kept(page, "エクスポート", tmp_path, more="その他")
    assert saved.name == f"run-{run}.json"
    found = json.loads(saved.read_text(encoding="utf-8"))
    assert (found["id"], found["inputs"]["name"], found["outputs"]) == (run, "花子 🙂", {"text": "Hello, 花子 🙂!"})


def test_a_program_makes_the_same_run_again(site: Site, visit: Visit) -> None:
    run = site.run("greets", name="Ada's 🙂")
    page = visit(f"/runs/{run}")
    page.get_by_role("button", name="More").press("Enter")
    page.get_by_role("menuitem", name="Call by API").press("Enter")
    dialog = page.get_by_role("dialog", name="Call by API")
    expect(dialog).to_contain_text("/v1/workflows/run")
    code = dialog.locator("pre").inner_text()
    body = re.search(r"-d '(.*)'", code, re.DOTALL)
    assert body is not None
    assert json.loads(body[1].replace("'\\''", "'"))["inputs"] == {"name": "Ada's 🙂"}
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(page.get_by_role("button", name="More")).to_be_focused()
