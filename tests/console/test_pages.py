"""Actions on the other pages: importing, running, comparing, filtering, chatting, administration."""

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.acceptance.client import Client
from tests.acceptance.workflows import app, end, iteration, node, python, start, template
from tests.console.apps import placed
from tests.console.conftest import SMALL, Site, Visit, wait_for
from tests.effort import PATIENCE


def greeting(word: str) -> str:
    """A version of an app that is imported on the page."""
    return placed(
        app(
            "Imported",
            [start("q"), template("say", f"{word} {{{{ q }}}}", q="start.q"), end(text="say.output")],
            "start>say>end",
        )
    )


def test_a_file_is_imported_run_and_a_newer_version_compared_and_taken_back(
    site: Site, visit: Visit, tmp_path: Path
) -> None:
    page = visit("/")
    for word in ("Hello", "Goodbye"):
        (tmp_path / f"{word}.yml").write_text(greeting(word), encoding="utf-8")
        page.get_by_role("button", name="Import a file").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Choose workflow files").set_input_files(tmp_path / f"{word}.yml")
        expect(dialog).to_contain_text("jikko check reports nothing")
        if word == "Hello":
            expect(dialog).to_contain_text("A new workflow.")
        else:
            expect(dialog).to_contain_text("Becomes version 2. Changes from version 1, the current one")
            expect(dialog.locator("del b")).to_have_text("Hello")
            expect(dialog.locator("ins b")).to_have_text("Goodbye")
        dialog.get_by_role("button", name="Import and publish").click()
        expect(dialog.get_by_role("link", name="Open")).to_be_visible()
        dialog.get_by_role("button", name="Close").last.click()
    page.get_by_role("link", name="Imported").click()
    expect(page.get_by_text("version 2 · published")).to_be_visible()

    page.get_by_role("button", name="Compare").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("1 changed")
    expect(dialog.locator("del")).to_contain_text("Hello")
    expect(dialog.locator("ins")).to_contain_text("Goodbye")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Publish this one").click()
    expect(page.get_by_text("version 1 · published")).to_be_visible()

    page.get_by_label("q", exact=False).first.fill("moon")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator(".runhead .pill")).to_contain_text("Succeeded")
    page.get_by_role("tab", name="Answer").click()
    expect(page.get_by_role("tabpanel", name="Answer").get_by_role("paragraph")).to_have_text("Hello moon")


def test_what_is_wrong_with_a_file_is_told_in_the_language_that_is_chosen(visit: Visit, tmp_path: Path) -> None:
    """The texts of messages are loaded by the first page that shows some: that of runs needs none of them."""
    loose = tmp_path / "loose.yml"
    nodes = [start("q"), template("say", "{{ q }}", q="start.q"), end(text="nobody.output")]
    loose.write_text(placed(app("Loose", nodes, "start>say>end")), encoding="utf-8")
    page = visit("/runs", locale="ja-JP")
    expect(page.get_by_role("button", name="English")).to_be_visible()

    for workflows, load, told, other in (
        ("ワークフロー", "ファイルを取り込む", "ノード 'nobody' を参照していますが、ありません", "English"),
        ("Workflows", "Import a file", "refers to node 'nobody', which does not exist", "日本語"),
    ):
        page.get_by_role("link", name=workflows, exact=True).click()
        page.get_by_role("button", name=load).click()
        dialog = page.get_by_role("dialog")
        dialog.locator("input[type=file]").set_input_files(loose)
        expect(dialog).to_contain_text(told)
        page.keyboard.press("Escape")
        page.get_by_role("button", name=other).click()


def test_what_is_wrong_with_inputs_stands_at_its_field(site: Site, visit: Visit) -> None:
    page = visit("/")
    page.get_by_role("link", name="Greets").first.click()
    page.get_by_role("button", name="Run", exact=True).click()
    field = page.get_by_label("name", exact=True)
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_role("alert")).to_have_text("This field is required.")
    field.fill("Dr Ada")
    page.get_by_role("button", name="Run", exact=True).click()
    page.wait_for_url("**/runs/*")


def test_files_are_uploaded_by_the_form_and_reach_the_run(site: Site, visit: Visit, tmp_path: Path) -> None:
    page = visit("/")
    page.get_by_role("link", name="Reads").first.click()
    letter = tmp_path / "手紙.txt"
    letter.write_text("Dear all", encoding="utf-8")
    page.get_by_label("Letter").first.set_input_files(letter)
    expect(page.get_by_text("手紙.txt")).to_be_visible()
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator(".runhead .pill")).to_contain_text("Succeeded")
    page.get_by_role("tab", name="Inputs and outputs").click()
    expect(page.get_by_role("tabpanel", name="Inputs and outputs")).to_contain_text('text: "Dear all"')
    page.go_back()
    page.get_by_role("button", name="Inputs of the last run").click()
    expect(page.get_by_text("手紙.txt")).to_be_visible()
    page.get_by_role("button", name="Remove 手紙.txt").click()
    page.get_by_label("Letter").first.set_input_files(letter)
    expect(page.get_by_text("手紙.txt")).to_be_visible()
    page.get_by_label("Run as user").fill("amelie")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator(".runhead .pill")).to_contain_text("Succeeded")
    first = page.url
    page.get_by_role("button", name="Run again", exact=True).click()
    page.wait_for_url(lambda url: url.partition("?")[0] != first.partition("?")[0])
    expect(page.locator(".runhead .pill")).to_contain_text("Succeeded")


def test_workflows_are_filtered_on_a_small_screen_too(visit: Visit) -> None:
    page = visit("/", size=SMALL)
    page.get_by_label("Filter workflows").fill("gree")
    expect(page.get_by_role("link", name="Greets").first).to_be_visible()
    expect(page.get_by_role("link", name="Rounds")).to_have_count(0)
    assert page.evaluate("document.documentElement.scrollWidth") <= SMALL["width"]


def test_no_figure_stands_alone_in_a_row_of_a_small_screen(visit: Visit) -> None:
    figures = visit("/", size=SMALL, locale="ja-JP").locator(".facts > *")
    expect(figures).to_have_count(5)
    tops = figures.evaluate_all("all => all.map(one => one.getBoundingClientRect().top)")
    assert tops == [tops[0]] * 3 + [tops[4]] * 2


def test_workflows_that_are_used_most_come_first_and_stay_there(site: Site, visit: Visit) -> None:
    for _ in range(2):
        site.run("greets", name="used")
    page = visit("/")
    links = page.locator("a.rowlink")
    expect(links.first).to_be_visible()
    shown = [str(link.get_attribute("href")).rpartition("/")[2] for link in links.all()]
    runs = {one["id"]: one["day"]["runs"] for one in site.api("GET", "apps").json()["data"]}
    counts = [runs[app_id] for app_id in shown]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] >= 2
    asks = next(one["id"] for one in site.api("GET", "apps").json()["data"] if one["name"] == "Asks")
    for _ in range(counts[0] + 1 - runs[asks]):
        site.start("asks", q="used even more")
    row = page.get_by_role("row").filter(has=page.locator(f'a[href$="{asks}"]'))
    expect(row.locator("td").nth(4)).to_have_text(f"{counts[0] + 1:,}")
    assert [str(link.get_attribute("href")).rpartition("/")[2] for link in links.all()] == shown


def test_a_call_back_that_was_given_up_is_told_and_sent_again(site: Site, visit: Visit) -> None:
    refused = f"{site.echo.url}/nobody-takes-posts"
    with closing(Client(site.server.url, site.keys["greets"])) as client:
        body = {**client.body("async", {"name": "told"}), "callback_url": refused}
        run = client.request("POST", "/v1/workflows/run", json=body).json()["workflow_run_id"]
    database = site.command.home / "jikko.db"
    tried = "SELECT attempts FROM callbacks WHERE run_id = ?"
    wait_for(lambda: bool((rows(database, tried, run) or [(0,)])[0][0]))
    # It is given up after a day.
    rows(database, "UPDATE callbacks SET state = 2, finished_at = next_at WHERE run_id = ?", run)
    page = visit("/system")
    page.get_by_role("button", name="Refresh").click()
    row = page.get_by_role("row").filter(has_text=run[-8:])
    expect(row).to_contain_text(refused)
    expect(page.get_by_text("callback was given up")).to_be_visible()
    before = rows(database, tried, run)[0][0]
    row.get_by_role("button", name="Send again").click()
    expect(row).to_have_count(0)
    wait_for(lambda: rows(database, tried, run)[0][0] != before)
    rows(database, "UPDATE callbacks SET state = 2, finished_at = next_at WHERE run_id = ?", run)
    page.reload()
    expect(page.locator(".mend")).to_contain_text("given up, the last to")
    page.get_by_role("button", name="Send all again").click()
    expect(page.get_by_text("given up, the last to")).to_have_count(0)


def rows(database: Path, statement: str, run: str) -> list[tuple[int, ...]]:
    with closing(sqlite3.connect(database, timeout=PATIENCE)) as connection, connection:
        return connection.execute(statement, (bytes.fromhex(run.replace("-", "")),)).fetchall()


def test_a_key_is_shown_once_and_revoked(site: Site, visit: Visit) -> None:
    page = visit("/")
    page.get_by_role("link", name="Greets").first.click()
    page.get_by_role("button", name="New key").click()
    shown = page.locator(".once code")
    expect(shown).to_have_text(re.compile("^app-"))
    key = shown.inner_text()
    page.reload()
    expect(page.get_by_role("button", name="New key")).to_be_visible()
    assert key not in page.content()
    page.get_by_role("button", name=re.compile("^Revoke app-")).last.click()
    before = page.get_by_role("button", name=re.compile("^Revoke app-")).count()
    page.get_by_role("dialog").get_by_role("button", name="Revoke", exact=True).click()
    expect(page.get_by_role("button", name=re.compile("^Revoke app-"))).to_have_count(before - 1)


HALTS = """
def main(item):
    if item == '3':
        raise ValueError('no ' + item)
    return {'text': 'one\\ntwo   three'}
"""


def own_app(site: Site, folder: Path, text: str) -> str:
    """Import an app. Returns its id; it can be started by the name of its file, ``own``."""
    file = folder / "own.yml"
    file.write_text(text, encoding="utf-8")
    [entry] = site.command.json("apps", "import", file)
    site.keys["own"] = entry.get("api_key") or site.keys["own"]
    return next(str(one["id"]) for one in site.api("GET", "apps").json()["data"] if one["name"] == entry["name"])


def test_rounds_that_never_began_do_not_wait_and_texts_keep_their_lines(
    site: Site, visit: Visit, tmp_path: Path
) -> None:
    split = python(
        "split", "def main():\n    return {'items': [str(n) for n in range(20)]}\n", {"items": "array[string]"}
    )
    look = python("look", HALTS, {"text": "string"}, item="each.item")
    each = iteration("each", "split.items", "look.text", look, parallel=2)
    own_app(
        site,
        tmp_path,
        app("Halts", [start("q"), split, *each, end(got="each.output")], "start>split>each each-start>look"),
    )
    run = site.run("own", q="x")
    for locale, words in (("en-US", "rounds did not run"), ("ja-JP", "件のラウンドは実行されませんでした")):
        page = visit(f"/runs/{run}", locale=locale)
        row = page.get_by_role("treeitem").filter(has_text="each")
        row.click()
        page.keyboard.press("ArrowRight")
        expect(page.get_by_role("treeitem").last).to_contain_text(words)
    page = visit(f"/runs/{run}?node=each")
    expect(page.get_by_role("button", name="Round 20, Skipped")).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("Queued"))).to_have_count(0)
    # One stop of Tab for all rounds; arrows lead through them and their rows.
    grid = page.get_by_role("toolbar", name="All rounds").get_by_role("button")
    expect(page.locator(".roundgrid [tabindex='0']")).to_have_count(1)
    grid.first.press("End")
    expect(grid.last).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".roundgrid :focus")).to_be_visible()
    expect(grid.last).not_to_be_focused()
    page.keyboard.press("Home")
    expect(grid.first).to_be_focused()
    page.keyboard.press("Enter")
    page.locator(".inside button").first.press("Enter")
    text = page.locator(".inspector .json .s, .inspector .msg p").first
    expect(text).to_contain_text("one")
    assert "one\ntwo   three" in text.inner_text()


def test_the_focus_stays_in_a_form_that_is_refused_and_an_icon_is_no_word(
    site: Site, visit: Visit, tmp_path: Path
) -> None:
    """What is wrong with a model is said once for both nodes that ask it."""
    content = json.loads(app("Rocket", [start("q", required=True), *map(asks_nobody, "ab")], "start>a>b"))
    content["app"] |= {"icon_type": "emoji", "icon": "rocket"}
    app_id = own_app(site, tmp_path, json.dumps(content))
    page = visit(f"/w/{app_id}")
    expect(page.get_by_role("heading", name="Rocket")).to_be_visible()
    expect(page.get_by_text("rocket", exact=True)).to_have_count(0)
    alike = page.locator(".prob").filter(has=page.get_by_role("button", name="Ask a")).first
    expect(alike.get_by_role("button", name="Ask b")).to_be_visible()
    button = page.get_by_role("button", name="Run", exact=True)
    button.focus()
    page.keyboard.press("Enter")
    expect(page.locator('[aria-invalid="true"]')).to_be_focused()


def asks_nobody(name: str) -> dict[str, Any]:
    model = {"provider": "langgenius/nobody/nobody", "name": "none", "mode": "chat", "completion_params": {}}
    prompt = [{"role": "user", "text": "{{#start.q#}}"}]
    return node(name, "llm", title=f"Ask {name}", model=model, prompt_template=prompt, context={"enabled": False})


def test_one_escape_closes_the_search_and_keys_are_told_by_where_they_act(site: Site, visit: Visit) -> None:
    page = visit("/runs")
    expect(page.get_by_role("heading", name="Runs")).to_be_visible()
    page.keyboard.press("Control+k")
    page.get_by_role("combobox", name="Jump to").fill("Greets")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keys")
    for name, key in (("Everywhere", "Jump to anything"), ("Runs", "Select the run"), ("Steps", "Open the step")):
        expect(dialog.get_by_role("region", name=name, exact=True)).to_contain_text(key)


@pytest.mark.parametrize(
    ("locale", "words"),
    [
        ("en-US", {"trace": "Runs", "ISSUE": "Runs that failed", "health": "System"}),
        ("ja-JP", {"トレース": "実行", "エラー": "失敗した実行"}),
    ],
)
def test_pages_are_found_by_the_words_that_people_look_for(visit: Visit, locale: str, words: dict[str, str]) -> None:
    page = visit("/", locale=locale)
    expect(page.get_by_role("main")).to_be_visible()
    for word, name in words.items():
        page.keyboard.press("Control+k")
        page.get_by_role("combobox").fill(word)
        expect(page.get_by_role("option").filter(has=page.get_by_text(name, exact=True))).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)


def test_back_leads_to_the_place_in_the_list_with_the_pages_that_were_loaded(site: Site, visit: Visit) -> None:
    for number in range(60):
        site.start("greets", name=f"of many {number}")
    page = visit("/runs?t=all")
    rows = page.locator("[data-row]")
    expect(rows).to_have_count(50)
    page.get_by_role("button", name="Older").click()
    expect(rows.nth(55)).to_be_visible()
    rows.nth(55).scroll_into_view_if_needed()
    place = page.evaluate("scrollY")
    assert place > 0
    rows.nth(55).click()
    expect(page.get_by_role("tree")).to_be_visible()
    page.go_back()
    expect(rows.nth(55)).to_be_in_viewport()
    wait_for(lambda: abs(page.evaluate("scrollY") - place) < 100)


def test_new_runs_wait_for_a_click_and_no_row_moves(site: Site, visit: Visit) -> None:
    site.run("greets", name="the first of them")
    page = visit("/runs?t=all")
    rows = page.locator("[data-row]")
    expect(rows.first).to_be_visible()
    expect(page.get_by_text("live", exact=True)).to_be_visible()
    first = rows.first.get_attribute("data-row")
    new = site.run("greets", name="a later one")
    button = page.get_by_role("button", name=re.compile("new run"))
    expect(button).to_be_visible()
    assert rows.first.get_attribute("data-row") == first
    button.click()
    expect(page.locator(f'[data-row="{new}"]')).to_be_visible()
    expect(button).to_have_count(0)


def test_new_runs_come_by_themselves_once_they_are_followed(site: Site, visit: Visit) -> None:
    page = visit("/runs?t=all")
    follow = page.get_by_role("button", name="Live tail")
    follow.focus()
    page.keyboard.press("Enter")
    expect(follow).to_have_attribute("aria-pressed", "true")
    page.wait_for_url("**follow=1*")
    page.reload()
    expect(page.get_by_text("live", exact=True)).to_be_visible()
    for name in ("追う 🙂", "later"):
        new = site.run("greets", name=name)
        expect(page.locator("[data-row]").first).to_have_attribute("data-row", new)
    expect(page.get_by_role("button", name=re.compile("new run$"))).to_have_count(0)
    follow.press("Enter")
    site.run("greets", name="waits")
    expect(page.get_by_role("button", name="1 new run")).to_be_visible()


def test_the_list_is_walked_and_filtered_by_keyboard_and_says_so_in_its_address(site: Site, visit: Visit) -> None:
    failed = site.run("fails", q="to be found")
    page = visit("/runs?t=all")
    page.get_by_role("button", name=re.compile("^Failed")).click()
    page.wait_for_url("**status=failed*")
    expect(page.locator(f'[data-row="{failed}"]')).to_be_visible()
    page.reload()
    expect(page.locator(f'[data-row="{failed}"]')).to_be_visible()
    page.keyboard.press("j")
    expect(page.locator("[data-row]").first).to_be_focused()
    page.keyboard.press("k")
    page.keyboard.press("/")
    expect(page.get_by_label("Text in inputs and outputs")).to_be_focused()
    page.keyboard.type(failed)
    page.wait_for_url(f"**q={failed}*")
    expect(page.locator("[data-row]")).to_have_count(1)
    page.locator("[data-row]").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".strip")).to_contain_text("Check policy")
    page.keyboard.press("Control+k")
    palette = page.get_by_role("combobox")
    expect(palette).to_be_focused()
    palette.fill("Greets")
    expect(page.get_by_role("option", name="Greets").first).to_be_visible()
    palette.press("Enter")
    expect(page.get_by_role("heading", name="Greets")).to_be_visible()


def test_the_neighbours_of_a_run_are_those_of_the_list_that_it_was_opened_from(site: Site, visit: Visit) -> None:
    app_id = next(one["id"] for one in site.api("GET", "apps").json()["data"] if one["name"] == "Greets")
    runs = []
    for user in ("neighbour", "stranger", "neighbour"):
        body = {"inputs": {"name": "Ada"}, "user": user}
        runs.append(site.api("POST", f"apps/{app_id}/runs", json=body).json()["run_id"])
        site.wait(runs[-1])
    page = visit(f"/runs/{runs[2]}?user=neighbour&t=all")
    expect(page.get_by_role("tree")).to_be_focused()
    page.keyboard.press("]")
    page.wait_for_url(f"**/runs/{runs[0]}?*")
    # Keys are those of the run before until the new one is shown.
    expect(page.get_by_text(runs[0])).to_be_visible()
    expect(page.get_by_role("tree")).to_be_focused()
    page.keyboard.press("[")
    page.wait_for_url(f"**/runs/{runs[2]}?*")


def test_a_run_is_removed(site: Site, visit: Visit) -> None:
    kept, run = site.run("greets", name="stays"), site.run("greets", name="to be removed")
    page = visit("/runs?t=all&status=succeeded")
    page.locator(f'[data-row="{run}"]').click()
    page.get_by_role("button", name="More").click()
    page.get_by_role("menuitem", name="Delete the run").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    page.wait_for_url("**/console/runs?t=all&status=succeeded")
    expect(page.locator(f'[data-row="{kept}"]')).to_be_visible()
    expect(page.locator(f'[data-row="{run}"]')).to_have_count(0)
    page.go_back()
    page.wait_for_url("**/console/runs?t=all&status=succeeded")
    assert site.api("GET", f"runs/{run}").status_code == 404
    page.goto(f"{site.url}/runs/{run}")
    expect(page.get_by_role("heading", name="No such run")).to_be_visible()


def test_a_question_is_asked_and_the_run_behind_its_answer_shown(site: Site, visit: Visit) -> None:
    page = visit("/chat")
    page.get_by_label("Message", exact=True).fill("what is 6 × 7?")
    page.keyboard.press("Enter")
    answer = page.get_by_role("article").last
    expect(answer).to_contain_text("You said: what is 6 × 7?")
    expect(answer).to_contain_text("Succeeded")
    behind = page.get_by_label("Run of this answer")
    expect(behind).to_contain_text("answer")
    page.get_by_label("Message", exact=True).fill("and again")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("article")).to_have_count(2)
    expect(page.get_by_role("article").last).to_contain_text("You said: and again")
    behind.get_by_role("link", name="Open").click()
    expect(page.locator(".runhead .pill")).to_contain_text("Succeeded")


def test_the_system_page_tells_the_store_checks_the_sandbox_and_makes_tokens(site: Site, visit: Visit) -> None:
    page = visit("/system")
    expect(page.get_by_role("heading", name="To fix")).to_be_visible()
    tried = re.compile(r"\d+ checks? passed|Fails|Not available here")
    expect(page.get_by_text(tried)).to_be_visible()
    page.get_by_role("button", name="Check again").click()
    expect(page.get_by_text(tried)).to_be_visible()
    page.get_by_label("Name of a token").fill("for a script")
    page.get_by_role("button", name="New token").click()
    token = page.locator(".once code")
    expect(token).to_have_text(re.compile("^jko_"))
    expect(page.get_by_role("cell", name="for a script", exact=True)).to_be_visible()
    page.get_by_role("button", name="Revoke for a script").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke", exact=True).click()
    expect(page.get_by_role("cell", name="for a script", exact=True)).to_have_count(0)


def test_the_address_of_a_page_that_is_not_there_says_so(visit: Visit) -> None:
    page = visit("/nowhere")
    expect(page.get_by_role("heading", name="No such page")).to_be_visible()


def test_a_request_that_fails_is_told_in_its_panel_and_tried_again(site: Site, visit: Visit) -> None:
    page = visit("/")
    expect(page.get_by_role("link", name="Greets").first).to_be_visible()
    fails = json.dumps({"code": "storage_busy", "message": "The disk is full.", "status": 503})
    page.route(
        "**/console/api/runs?*", lambda route: route.fulfill(status=400, content_type="application/json", body=fails)
    )
    page.get_by_role("link", name="Runs").click()
    expect(page.get_by_role("alert")).to_contain_text("The disk is full.")
    page.unroute("**/console/api/runs?*")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("heading", name="Runs")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)
