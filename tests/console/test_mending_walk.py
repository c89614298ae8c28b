"""From a failed run to one that succeeds: cause, change, again, by keyboard alone and without a terminal."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import FileChooser, Locator, Page, expect

from tests.acceptance.echo import EchoServer
from tests.acceptance.workflows import app, end, start, template
from tests.console.album import picture
from tests.console.conftest import Site, Visit, site_in
from tests.console.gallery import providers
from tests.console.test_live_text import asks
from tests.console.test_retry_page import BROKEN, FIXED, publish
from tests.providers.fake_model import streamed
from tests.providers.model_thread import Model

BROKEN_TEMPLATE, FIXED_TEMPLATE = (
    app("Mended", [start("q"), template("greet", text, q="start.q"), end(text="greet.output")], "start>greet>end")
    for text in ("{{ q.name.first }}", "やあ {{ q }} 🙂")
)
WITHOUT_PROVIDER, WITH_PROVIDER = (
    app("Mended", [start("q"), asks("llm", "{{#start.q#}}", provider), end(text="llm.text")], "start>llm>end")
    for provider in ("missing/provider/anywhere", "langgenius/openai/openai")
)
WORDS: Final = {
    "en-US": (
        "Source",
        "More",
        "Import a file",
        "Choose workflow files",
        "Import and publish",
        "Retry from failed",
        "Succeeded",
    ),
    "ja-JP": (
        "定義",
        "その他",
        "ファイルを取り込む",
        "ワークフローのファイルを選択",
        "取り込んで公開",
        "失敗から再試行",
        "成功",
    ),
}


CASES: Final = {
    "code": (BROKEN, FIXED, "return 1 / 0"),
    "template": (BROKEN_TEMPLATE, FIXED_TEMPLATE, "q.name.first"),
    "provider": (WITHOUT_PROVIDER, WITH_PROVIDER, "missing/provider/anywhere"),
}


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory, echo: EchoServer, built: Path) -> Iterator[Site]:
    """A server with a provider."""
    folder = tmp_path_factory.mktemp("mended")
    model = Model(streamed("はい 🙂"))
    (folder / "providers.yml").write_text(providers(model.model.url), encoding="utf-8")
    site = site_in(folder, echo, {}, settings={"JIKKO_PROVIDERS": str(folder / "providers.yml")})
    yield site
    site.server.close()
    model.close()


@pytest.mark.parametrize(("case", "locale"), list(zip(CASES, [*WORDS, "en-US"], strict=True)))
def test_a_newcomer_mends_a_run(own: Site, visit: Visit, tmp_path: Path, locale: str, case: str) -> None:
    source, more, load, choose, go_live, retry, done = WORDS[locale]
    broken, fixed, cause = CASES[case]
    publish(own, tmp_path, broken)
    failed = own.run("mended", q="the lamp")
    (tmp_path / "fixed.yml").write_text(fixed, encoding="utf-8")
    page = visit(f"/runs?app={own.api('GET', f'runs/{failed}').json()['app']['id']}", at=own, locale=locale)
    # Choosers are taken over from now on: what is asked of the page later comes behind that.
    page.on("filechooser", lambda _: None)

    # Why: the first of the list, its failed step, and what the file says of it.
    expect(page.locator(f'a[href*="{failed}"]').first).to_be_visible()
    to(page, page.locator(f'a[href*="{failed}"]').first)
    page.keyboard.press("Enter")
    expect(page.get_by_role("tree")).to_be_focused()
    page.keyboard.press("f")
    to(page, page.get_by_role("tab", selected=True).last)
    for _ in range(2):
        page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name=source, selected=True)).to_be_focused()
    expect(page.get_by_role("tabpanel", name=source)).to_contain_text(cause)
    picture(page, f"walk-{case}-{locale}-why")

    # Change: the mended file, and what it changes, before it is published.
    to(page, page.get_by_role("button", name=more, exact=True))
    page.keyboard.press("Enter")
    to(page, page.get_by_role("menuitem", name=load), "ArrowDown")
    page.keyboard.press("Enter")
    field = page.get_by_label(choose)
    to(page, field)
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chosen: FileChooser = chooser.value
    chosen.set_files(tmp_path / "fixed.yml")
    expect(page.get_by_role("dialog").locator("del b").first).to_be_visible()
    picture(page, f"walk-{case}-{locale}-change")
    to(page, page.get_by_role("button", name=go_live, exact=True))
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog").get_by_role("link")).to_be_visible()
    expect(page.get_by_role("dialog")).to_contain_text(re.compile("Published as version|として公開しました"))
    page.keyboard.press("Escape")

    # Again: from the failed step, by the new version.
    button = page.get_by_role("button", name=retry)
    expect(button).to_contain_text(re.compile("version|バージョン"))
    to(page, button)
    page.keyboard.press("Enter")

    page.wait_for_url(re.compile(rf"/runs/(?!{failed})"))
    expect(page.locator(".runhead .pill")).to_contain_text(done)
    picture(page, f"walk-{case}-{locale}-again")


def test_who_chooses_no_file_after_all_is_still_where_files_are_chosen(site: Site, visit: Visit) -> None:
    page = visit("/")
    page.get_by_role("button", name="Import a file").click()
    field = page.get_by_label("Choose workflow files")
    # As browsers tell it once their chooser is closed.
    field.evaluate("one => one.dispatchEvent(new Event('cancel', {bubbles: true}))")
    expect(page.get_by_role("dialog", name="Import a file")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def to(page: Page, target: Locator, key: str = "Tab") -> None:
    """Go there by a key."""
    target.wait_for()
    for _ in range(120):
        if target.evaluate("one => one === document.activeElement"):
            return
        page.keyboard.press(key)
    raise AssertionError(f"{target} cannot be reached by keyboard")
