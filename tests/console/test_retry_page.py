"""Retrying a failed run of a fixed workflow: choice of version, and reuse of the first run."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.acceptance.workflows import app, end, python, start, template
from tests.console.conftest import SMALL, Site, Visit


def mending(code: str, *inputs: str) -> str:
    """A workflow whose second step runs a program."""
    look = template("look", "about {{ q }}", q="start.q")
    look["data"]["title"] = "Look up 📖"
    judge = python("judge", code, {"text": "string"}, q="look.output")
    judge["data"]["title"] = "Check policy"
    begin = start("q", required=True)
    begin["data"]["variables"] += [
        {**begin["data"]["variables"][0], "variable": name, "label": name} for name in inputs
    ]
    return app("Mended", [begin, look, judge, end(text="judge.text")], "start>look>judge>end")


BROKEN = mending("def main(q):\n    return 1 / 0\n")
FIXED = mending("def main(q):\n    return {'text': q + ' is fine'}\n")
WITH_MORE = mending("def main(q):\n    return {'text': q}\n", "who")


def publish(site: Site, folder: Path, text: str, app: str = "mended") -> None:
    """Publish a version. ``app``: what its key is called, which is printed for the first one only."""
    file = folder / f"{app}.yml"
    file.write_text(text, encoding="utf-8")
    [entry] = site.command.json("apps", "import", file)
    if entry.get("api_key"):
        site.keys[app] = entry["api_key"]


@pytest.fixture
def failed(site: Site, tmp_path: Path) -> str:
    """A run of the newest version, which fails."""
    publish(site, tmp_path, BROKEN)
    return site.run("mended", q="the lamp")


def app_of(site: Site, run: str) -> str:
    return str(site.api("GET", f"runs/{run}").json()["app"]["id"])


def version(site: Site, run: str) -> int:
    return int(site.api("GET", f"runs/{run}").json()["version"])


def repeated(page: Page, site: Site, run: str) -> str:
    """The run that the page shows once it has left the first one. Waits for its end."""
    page.wait_for_url(lambda url: "/runs/" in url and run not in url)
    again = page.url.partition("/runs/")[2].partition("?")[0]
    site.wait(again)
    return again


def test_the_button_says_what_is_taken_over(site: Site, visit: Visit, failed: str) -> None:
    page = visit(f"/runs/{failed}")
    button = page.get_by_role("button", name="Retry from failed")

    expect(button).to_have_text("Retry from failedreuses 2 steps")
    expect(button).to_have_attribute("title", re.compile(r"Reused: start, Look up 📖\nRuns again.*: Check policy$"))
    page.get_by_role("button", name="More").click()
    expect(page.get_by_role("menuitem", name=re.compile("with version"))).to_have_count(0)


def test_after_a_fix_the_current_version_runs(site: Site, visit: Visit, failed: str, tmp_path: Path) -> None:
    before = version(site, failed)
    page = visit(f"/runs/{failed}")
    expect(page.get_by_role("button", name="Retry from failed")).to_contain_text("reuses")
    publish(site, tmp_path, FIXED)
    button = page.get_by_role("button", name="Retry from failed")
    # Whoever comes back from the editor looks at the page again.
    page.evaluate("window.dispatchEvent(new Event('visibilitychange'))")
    expect(button).to_contain_text(f"version {before + 1} · reuses 2 steps")
    button.click()
    again = repeated(page, site, failed)

    expect(page.locator(".runhead .pill")).to_contain_text("Succeeded")
    assert version(site, again) == before + 1
    assert site.api("GET", f"runs/{again}").json()["outputs"] == {"text": "about the lamp is fine"}


def test_the_version_of_the_run_can_be_chosen(site: Site, visit: Visit, failed: str, tmp_path: Path) -> None:
    own = version(site, failed)
    publish(site, tmp_path, FIXED)
    page = visit(f"/runs/{failed}")
    expect(page.get_by_role("button", name="Retry from failed")).to_contain_text(f"version {own + 1}")
    page.get_by_role("button", name="More").click()
    page.get_by_role("menuitem", name=f"Retry with version {own}").click()

    assert version(site, repeated(page, site, failed)) == own


@pytest.mark.parametrize("which", ["current", "own"])
def test_so_it_is_from_any_step_on(site: Site, visit: Visit, failed: str, tmp_path: Path, which: str) -> None:
    own = version(site, failed)
    publish(site, tmp_path, FIXED)
    page = visit(f"/runs/{failed}?node=judge")
    panel = page.get_by_role("tabpanel", name="Output")
    expect(panel.get_by_role("button", name=f"Retry from here · version {own + 1}")).to_be_visible()
    name = f"Retry from here · version {own + 1}" if which == "current" else f"Retry with version {own}"
    panel.get_by_role("button", name=name).click()

    assert version(site, repeated(page, site, failed)) == own + (which == "current")


def test_inputs_that_no_longer_fit_leave_the_version_of_the_run_and_say_why(
    site: Site, visit: Visit, failed: str, tmp_path: Path
) -> None:
    own = version(site, failed)
    publish(site, tmp_path, WITH_MORE)
    page = visit(f"/runs/{failed}")
    button = page.get_by_role("button", name="Retry from failed")
    expect(button).to_contain_text(f"version {own} · reuses 2 steps")
    expect(button).to_have_attribute("title", re.compile(f"Version {own + 1} cannot: .*who is required"))


@pytest.mark.parametrize("seen", ["no fix", "a fix"])
def test_what_was_published_since_the_page_was_looked_at_runs_nothing_and_is_offered(
    site: Site, visit: Visit, failed: str, tmp_path: Path, seen: str
) -> None:
    if seen == "a fix":
        publish(site, tmp_path, FIXED)
    page = visit(f"/runs/{failed}")
    button = page.get_by_role("button", name="Retry from failed")
    expect(button).to_contain_text("reuses 2 steps")
    publish(site, tmp_path, FIXED.replace("is fine", "is well"))
    newest = max(entry["number"] for entry in site.api("GET", f"apps/{app_of(site, failed)}/versions").json()["data"])
    button.click()

    expect(page.get_by_role("alert")).to_contain_text(f"Version {newest} was published meanwhile")
    expect(button).to_contain_text(f"version {newest}")


def test_it_is_said_in_japanese_and_fits_a_telephone(site: Site, visit: Visit, failed: str, tmp_path: Path) -> None:
    own = version(site, failed)
    publish(site, tmp_path, FIXED)
    page = visit(f"/runs/{failed}", size=SMALL, locale="ja-JP")
    button = page.get_by_role("button", name="失敗から再試行")

    expect(button).to_contain_text(f"バージョン {own + 1} · 2 ステップを引き継ぎ")
    expect(button).to_be_in_viewport(ratio=1)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_what_is_deleted_is_no_longer_offered(site: Site, visit: Visit, tmp_path: Path) -> None:
    publish(site, tmp_path, BROKEN.replace("Mended", "Short-lived 🕯"), "short")
    first = site.run("short", q="the lamp")
    retry = site.api("POST", f"runs/{first}/retry", json={}).json()["run_id"]
    site.wait(retry)
    page = visit(f"/runs/{retry}?node=judge")
    head, menu = page.locator(".runhead"), page.get_by_role("menuitem")
    expect(head.get_by_role("link", name=f"retries {first[-4:]}")).to_be_visible()
    expect(head.get_by_role("button", name="Compare")).to_be_visible()

    # The run that it retries; then its workflow.
    site.api("DELETE", f"runs/{first}")
    page.reload()
    expect(head).to_contain_text(f"version 1· retries {first[-4:]} (deleted)")
    expect(head.get_by_role("button", name="Compare")).to_have_count(0)
    page.get_by_role("button", name="More").click()
    expect(menu.filter(has_text="Compare")).to_have_text("Compare with the last success")
    expect(menu.filter(has_text=re.compile("again|workflow|Call|Import"))).to_have_count(6)

    site.api("DELETE", f"apps/{app_of(site, retry)}")
    page.reload()
    expect(page.locator(".graphpane")).to_have_text("The workflow has been deleted, and its graph with it.")
    expect(head).not_to_contain_text("version")
    expect(page.get_by_role("button", name=re.compile("again|Retry|Edit"))).to_have_count(0)
    expect(head.get_by_role("link")).to_have_count(1)
    page.get_by_role("button", name="More").click()
    expect(menu).to_have_text(["Shared link", "Export", "Runs of the same user", "Delete the run"])
    page.keyboard.press("Escape")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.method))
    page.locator("[role=tree]").press("r")
    page.locator("[role=tree]").press("e")
    expect(page.get_by_role("tabpanel", name="Events")).to_be_visible()
    assert "POST" not in sent
