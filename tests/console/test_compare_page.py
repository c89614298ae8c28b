"""Two versions or two runs compared on the page: on one graph, and in words."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.acceptance.workflows import node, template
from tests.console.album import keep
from tests.console.apps import console_apps
from tests.console.conftest import SMALL, Site, Visit
from tests.console.test_coverage import of_node, routed

DROP = """([text, name]) => {
    const transfer = new DataTransfer()
    if (name === 'text') transfer.setData('text/plain', text)
    else transfer.items.add(new File([text], 'second.yml'))
    const [type, target] = name === 'drop' ? ['drop', document.querySelector('main')] : ['paste', document.body]
    const data = type === 'drop' ? { dataTransfer: transfer } : { clipboardData: transfer }
    target.dispatchEvent(new (type === 'drop' ? DragEvent : ClipboardEvent)(type, { ...data, bubbles: true }))
}"""
"""What browsers tell the page of a file that is dropped, or of a clipboard with a file or a text."""
HIDDEN = """lines => lines.flatMap(line => {
    const [svg, all] = [line.ownerSVGElement, []]
    Object.assign(line.style, { pointerEvents: 'stroke', strokeDasharray: 'none', strokeWidth: '9px' })
    for (let at = 0.05; at < 1; at += 0.05) {
        const point = line.getPointAtLength(line.getTotalLength() * at).matrixTransform(line.getScreenCTM())
        const met = document.elementFromPoint(point.x, point.y)
        if (met?.closest('.node')) all.push(met.textContent)
    }
    return all
})"""
"""What covers a line, at 19 places along it."""


def first(name: str) -> str:
    return routed().replace('"Routed"', f'"{name}"')


def second(name: str) -> str:
    """A step is gone, one is in its place, one has another title, and a new one cannot run."""
    content = json.loads(first(name))
    graph = content["workflow"]["graph"]
    calm = template("calm", "{{ q }} 🌊", q="start.q")
    model = {"provider": "missing/provider/anywhere", "name": "m", "mode": "chat", "completion_params": {}}
    judge = node("judge", "llm", model=model, prompt_template=[{"role": "user", "text": "{{#start.q#}}"}])
    for entry, title, x, y in ((calm, "落ち着く 🌊", 638, 280), (judge, "Judge", 942, 480)):
        entry["data"]["title"] = title
        entry |= {"position": {"x": x, "y": y}, "width": 244, "height": 90}
    graph["nodes"] = [entry for entry in graph["nodes"] if entry["id"] != "urgent"] + [calm, judge]
    for entry in graph["nodes"]:
        if entry["id"] == "way":
            entry["data"]["title"] = "How urgent is it?"
        if entry["id"] == "paged":
            entry["data"]["outputs"][0]["value_selector"] = ["calm", "output"]
    gone = ("start", "kept")
    graph["edges"] = [
        edge
        for edge in graph["edges"]
        if "urgent" not in (edge["source"], edge["target"]) and edge["target"] not in gone
    ]
    for source, handle, target in (
        ("way", "true", "calm"),
        ("calm", "source", "paged"),
        ("way", "false", "judge"),
        ("judge", "source", "kept"),
    ):
        graph["edges"].append({"id": f"{source}-{target}", "source": source, "sourceHandle": handle, "target": target})
    return json.dumps(content, ensure_ascii=False)


def publish(site: Site, text: str) -> str:
    """Publish a version. Returns the id of its app."""
    [entry] = site.api("POST", "apps", files=[("files", ("flow.yml", text.encode()))]).json()["data"]
    return str(entry["app_id"])


def run(site: Site, app: str, q: str) -> str:
    started = str(site.api("POST", f"apps/{app}/runs", json={"inputs": {"q": q}}).json()["run_id"])
    site.wait(started)
    return started


def numbers(site: Site, app: str) -> list[tuple[int, bool]]:
    """The versions of an app, newest first, and whether each is the current one."""
    return [(one["number"], one["current"]) for one in site.api("GET", f"apps/{app}/versions").json()["data"]]


def has_the_difference(box: Locator) -> None:
    """The second version beside the first, on the graph and in words."""
    frame = {"落ち着く 🌊": "added", "Judge": "added", "至急 🚨": "removed", "How urgent is it?": "changed"}
    for name, change in frame.items():
        shown = box.locator(".graph button.node", has_text=name)
        expect(shown).to_have_class(re.compile(rf"\b{change}\b"))
        expect(shown.locator(".state")).to_contain_text(change)
    expect(box.locator(".graph button.node", has_text="Judge").locator(".state")).to_contain_text("A run may fail")
    expect(box.locator(".graph button.node", has_text="start").locator(".state")).to_be_empty()
    expect(box.locator(".edge.added")).to_have_count(4)
    expect(box.locator(".edge.removed")).to_have_count(3)
    expect(box.locator(".branch", has_text="−").first).to_be_attached()
    expect(box.get_by_role("region", name="Differences")).to_contain_text("How urgent? How urgent is it?")


@pytest.mark.parametrize("way", ["drop", "paste", "text"])
def test_what_an_import_changes_is_drawn_before_it_is_kept_or_published(site: Site, visit: Visit, way: str) -> None:
    app = publish(site, first(f"Imported by {way}"))
    page = visit("/")
    expect(page.get_by_role("button", name="Import a file")).to_be_visible()
    page.evaluate(DROP, ["A note: 休暇 🙂", "text"])
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.evaluate(DROP, [second(f"Imported by {way}"), way])
    dialog = page.get_by_role("dialog", name="Import a file")
    has_the_difference(dialog)
    assert numbers(site, app) == [(1, True)]

    # Settings of what is new and of what is gone, and no line that a node hides.
    words = dialog.get_by_role("region", name="Differences")
    expect(words.locator("ins", has_text="{{ q }} 🌊")).to_have_count(1)
    expect(words.locator("ins", has_text="missing/provider/anywhere")).to_have_count(1)
    expect(words.locator("del", has_text="{{ q }}!")).to_have_count(1)
    assert dialog.locator(".edge.removed").evaluate_all(HIDDEN) == []

    words.get_by_role("button", name="至急 🚨").focus()
    page.keyboard.press("Enter")
    expect(words.get_by_text("至急 🚨").first.locator("xpath=ancestor::*[@aria-current]")).to_have_count(1)
    expect(of_node(page, "至急 🚨")).to_have_attribute("aria-pressed", "true")
    expect(of_node(page, "至急 🚨")).to_be_in_viewport(ratio=1)
    of_node(page, "start").click()
    expect(words.get_by_role("status")).to_have_text("start is not changed.")

    keep_it = dialog.get_by_role("button", name="Import", exact=True)
    (dialog.get_by_role("button", name="Import and publish") if way == "drop" else keep_it).press("Enter")
    expect(dialog.get_by_role("link", name="Open")).to_be_visible()
    assert numbers(site, app) == ([(2, True), (1, False)] if way == "drop" else [(2, False), (1, True)])


@pytest.mark.parametrize("locale", ["en-US", "ja-JP"])
def test_an_import_overwrites_no_version_whose_difference_was_not_shown(
    site: Site, visit: Visit, axe: str, locale: str
) -> None:
    look, publish_it, late = {
        "en-US": ("Show the changes", "Import and publish", "Somebody else has published another version"),
        "ja-JP": ("変更点を表示", "取り込んで公開", "別のバージョンが公開された"),
    }[locale]
    name = f"Two people 🙂 {locale}"
    app = publish(site, first(name))
    page = visit("/", locale=locale)
    expect(page.locator("main .btn").first).to_be_visible()
    page.evaluate(DROP, [second(name), "drop"])
    dialog = page.get_by_role("dialog")
    expect(dialog.locator(".edge.removed")).to_have_count(3)
    publish(site, first(name).replace("How urgent?", "How very urgent?"))
    dialog.get_by_role("button", name=publish_it).press("Enter")
    expect(dialog.get_by_role("alert")).to_contain_text(late)
    assert numbers(site, app) == [(2, True), (1, False)]
    keep(page, f"import-late-{locale}", axe)
    dialog.get_by_role("button", name=look).press("Enter")
    expect(dialog.get_by_role("alert")).to_have_count(0)
    expect(dialog).to_contain_text("How very urgent?")
    dialog.get_by_role("button", name=publish_it, disabled=False).press("Enter")
    expect(dialog.get_by_role("link")).to_be_visible()
    assert numbers(site, app)[0] == (3, True)


def test_of_two_new_files_of_one_name_the_second_is_not_published_over_the_first(
    site: Site, visit: Visit, tmp_path: Path
) -> None:
    files = [tmp_path / "one.yml", tmp_path / "two.yml"]
    for file, title in zip(files, ("How urgent?", "Urgent?"), strict=True):
        file.write_text(first("Twins").replace("How urgent?", title), encoding="utf-8")
    page = visit("/")
    page.get_by_role("button", name="Import a file").click()
    page.get_by_label("Choose workflow files").set_input_files(files)
    dialog = page.get_by_role("dialog", name="Import a file")
    dialog.get_by_role("button", name="Import and publish", disabled=False).press("Enter")
    dialog.get_by_role("alert").get_by_role("button").press("Enter")
    expect(dialog).to_contain_text("Version 1 is this file already.")
    dialog.get_by_role("button", name="Graph", expanded=False).press("Enter")
    expect(dialog).to_contain_text("Changes from version 1")


def test_an_app_whose_name_has_a_slash_is_published_too(site: Site, visit: Visit) -> None:
    page = visit("/")
    expect(page.get_by_role("button", name="Import a file")).to_be_visible()
    page.evaluate(DROP, [first("A/B 🙂"), "drop"])
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Import and publish", disabled=False).press("Enter")
    expect(dialog.get_by_role("link", name="Open")).to_be_visible()


def test_a_file_of_another_kind_than_its_app_is_refused_before_it_is_published(site: Site, visit: Visit) -> None:
    publish(site, first("Kinds"))
    page = visit("/")
    expect(page.get_by_role("button", name="Import a file")).to_be_visible()
    page.evaluate(DROP, [console_apps("")["chat"].replace("Talks", "Kinds"), "drop"])
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("is of mode workflow")
    expect(dialog.get_by_role("button", name="Import and publish")).to_be_disabled()


def test_an_import_that_is_cancelled_leaves_all_as_it_was(site: Site, visit: Visit, axe: str, tmp_path: Path) -> None:
    app = publish(site, first("Cancelled"))
    (tmp_path / "second.yml").write_text(second("Cancelled"), encoding="utf-8")
    (tmp_path / "new.yml").write_text(first("Never imported"), encoding="utf-8")
    page = visit("/")
    page.get_by_role("button", name="Import a file").click()
    page.get_by_label("Choose workflow files").set_input_files([tmp_path / "second.yml", tmp_path / "new.yml"])
    dialog = page.get_by_role("dialog", name="Import a file")
    has_the_difference(dialog)
    keep(page, "import", axe)
    dialog.get_by_role("button", name="Graph", expanded=False).press("Enter")
    expect(dialog).to_contain_text("A new workflow.")
    expect(of_node(page, "至急 🚨")).to_be_visible()
    expect(dialog.locator(".graph .removed")).to_have_count(0)
    dialog.get_by_role("button", name="Cancel").press("Enter")
    expect(dialog).to_have_count(0)
    assert numbers(site, app) == [(1, True)]
    assert "Never imported" not in site.api("GET", "apps").text


@pytest.mark.parametrize(("locale", "said"), [("en-US", "Judge"), ("ja-JP", "追加")])
def test_two_versions_are_one_graph_light_and_dark_large_and_small(
    site: Site, visit: Visit, axe: str, locale: str, said: str
) -> None:
    app = publish(site, first(f"Versions {locale}"))
    publish(site, second(f"Versions {locale}"))
    token = site.operator if locale == "en-US" else site.viewer
    page = visit(f"/w/{app}?compare=last", token=token, locale=locale)
    dialog = page.get_by_role("dialog")
    if token == site.operator:
        has_the_difference(dialog)
    else:
        # A viewer may not read files: what changed, without values.
        expect(dialog.locator(".diff")).to_contain_text("/title")
        expect(dialog.locator(".diff")).to_contain_text("値の表示にはスコープ apps:write が必要です。")
        expect(dialog.locator(".diff :is(ins, del, .values)")).to_have_count(0)
    expect(dialog).to_contain_text(said)
    # A telephone cannot show all of it: the first change is in view.
    page.set_viewport_size(SMALL)
    page.reload()
    first_change = dialog.locator(".graph button.node.added").first
    expect(first_change).to_be_in_viewport(ratio=0.99)
    expect(first_change).to_have_attribute("aria-pressed", "false")
    # In English the same parts are looked at in the dialog of imports.
    keep(page, f"versions-{locale}", axe)


@pytest.mark.parametrize("locale", ["en-US", "ja-JP"])
def test_paths_of_two_runs_lie_over_one_graph(site: Site, visit: Visit, axe: str, locale: str) -> None:
    app = publish(site, first(f"Paths {locale}"))
    earlier, later = run(site, app, "fire"), run(site, app, "お茶 🍵")
    page = visit(f"/runs/{later}?compare={earlier}", locale=locale)
    dialog = page.get_by_role("dialog")
    for name, frame, letters in (("至急 🚨", "first", "A"), ("kept", "second", "B"), ("How urgent?", "", "AB")):
        shown = dialog.locator(".graph button.node", has_text=name)
        if frame:
            expect(shown).to_have_class(re.compile(rf"\b{frame}\b"))
        expect(shown.locator(".state b")).to_have_text([letters, "≠"])
    expect(dialog.locator(".edge.first")).to_have_count(2)
    expect(dialog.locator(".edge.second")).to_have_count(1)
    expect(dialog.locator(".edge.taken")).to_have_count(1)
    # The first difference has the focus, and its values are there.
    expect(dialog.locator(".diff button").first).to_be_focused()
    expect(of_node(page, "start").nth(1)).to_have_attribute("aria-pressed", "true")
    sides = dialog.locator(".both > section")
    expect(sides.first).to_contain_text("fire")
    expect(sides.last).to_contain_text("お茶 🍵")
    keep(page, f"paths-{locale}", axe)


def test_runs_of_two_versions_lie_over_the_graph_of_both(site: Site, visit: Visit) -> None:
    app = publish(site, first("Both versions"))
    earlier = run(site, app, "fire")
    publish(site, second("Both versions"))
    later = run(site, app, "fire")
    page = visit(f"/runs/{later}?compare={earlier}", size=SMALL)
    dialog = page.get_by_role("dialog")
    expect(dialog.locator(".graph button.node.first", has_text="至急 🚨")).to_be_attached()
    expect(dialog.locator(".graph button.node.second", has_text="落ち着く 🌊")).to_be_attached()
    dialog.get_by_role("button", name="落ち着く 🌊", exact=True).press("Enter")
    sides = dialog.locator(".both > section")
    expect(sides.first).to_contain_text("did not run")
    expect(sides.last).to_contain_text("fire 🌊")


def test_a_failed_run_is_compared_with_the_last_that_succeeded_by_keyboard(site: Site, visit: Visit) -> None:
    done = site.call(n=2)["runs"][0]
    failed = site.call(n=0)["runs"][0]
    page = visit(f"/runs/{failed}")
    expect(page.get_by_role("treeitem").first).to_be_visible()
    page.get_by_role("button", name="More").press("Enter")
    page.get_by_role("menuitem", name="Compare with the last success").press("Enter")
    dialog = page.get_by_role("dialog", name="Compare runs")
    expect(dialog).to_contain_text("ZeroDivisionError")
    expect(dialog.get_by_role("link", name="Succeeded")).to_have_attribute("href", f"/console/runs/{done}")
    other = visit(page.url.partition("/console")[2], locale="ja-JP")
    expect(other.get_by_role("dialog", name="実行を比較")).to_contain_text("ZeroDivisionError")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)


def test_a_retry_is_compared_with_the_run_that_it_repeats(site: Site, visit: Visit) -> None:
    delivery = site.call(n=0)
    retry = site.api("POST", f"deliveries/{delivery['id']}/replay").json()["run_id"]
    site.wait(retry)
    page = visit(f"/runs/{retry}")
    page.get_by_role("button", name="Compare", exact=True).click()
    expect(page.get_by_role("dialog")).to_contain_text("No differences.")
    expect(page.get_by_role("dialog").get_by_role("link", name="Failed")).to_have_count(2)
