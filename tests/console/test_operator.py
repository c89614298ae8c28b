"""Operator's work by hand: every kind of input, environment values, secrets, documents."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.acceptance.workflows import app, end, node, start, template, with_environment
from tests.console.apps import placed
from tests.console.conftest import SMALL, Site, Visit
from tests.console.gallery import INPUTS
from tests.console.pictures import png

EVERYTHING = app(
    "Everything",
    [
        node("start", "start", variables=INPUTS),
        template("say", "{{ line }}/{{ size }}/{{ n }}/{{ sure }}", line="start.line", size="start.size",
                 n="start.count", sure="start.sure"),
        end(text="say.output", more="start.more", letter="start.letter", pictures="start.pictures"),
    ],
    "start>say>end",
)  # fmt: skip
ENVIRONMENT = with_environment(
    app("Set up", [start("q"), template("say", "{{ m }}", m="env.MODE"), end(text="say.output")], "start>say>end"),
    MODE=("string", "slow"),
    TOKEN=("secret", ""),
    REGION=("string", "of the file"),
)


@pytest.fixture(scope="module")
def made(site: Site) -> dict[str, str]:
    """The ids of more apps, by name."""
    files = [("files", (f"{n}.yml", placed(text).encode())) for n, text in enumerate((EVERYTHING, ENVIRONMENT))]
    assert site.api("POST", "apps", files=files).status_code == 200
    return {one["name"]: one["id"] for one in site.api("GET", "apps").json()["data"]}


def test_a_run_takes_an_input_of_every_kind_and_takes_them_over_the_next_time(
    site: Site, visit: Visit, made: dict[str, str], tmp_path: Path
) -> None:
    page = visit(f"/w/{made['Everything']}")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_label("One line")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("One line").fill("行 🍓 \ue000")
    page.get_by_label("Some text").fill("several\nlines")
    page.get_by_label("Size").select_option("large")
    page.get_by_label("How many").fill("2.5")
    page.get_by_label("Sure").check()
    page.get_by_role("textbox", name="More").fill("{broken")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("This is not JSON")
    page.get_by_role("textbox", name="More").fill('{"a": [1, "二"]}')
    letter, picture = tmp_path / "手紙.txt", tmp_path / "bild.png"
    letter.write_text("Dear all", encoding="utf-8")
    picture.write_bytes(png(8, 8))
    page.get_by_label("Letter").set_input_files(letter)
    page.get_by_label("Pictures").set_input_files([picture, letter])
    expect(page.get_by_text("bild.png")).to_be_visible()
    expect(page.get_by_text("手紙.txt")).to_have_count(2)
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator(".runhead .pill")).to_contain_text("Succeeded")
    run = site.wait(page.url.rpartition("/runs/")[2].partition("?")[0])
    assert run["outputs"]["text"].startswith("行 🍓 \ue000/large/2.5/")
    assert run["outputs"]["more"] == {"a": [1, "二"]}
    assert run["outputs"]["letter"]["filename"] == "手紙.txt"
    assert [one["filename"] for one in run["outputs"]["pictures"]] == ["bild.png", "手紙.txt"]

    page.go_back()
    page.get_by_role("button", name="Inputs of the last run").click()
    expect(page.get_by_label("One line")).to_have_value("行 🍓 \ue000")
    expect(page.get_by_label("Size")).to_have_value("large")
    expect(page.get_by_label("Sure")).to_be_checked()
    page.get_by_label("One line").fill("another")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator(".runhead .pill")).to_contain_text("Succeeded")

    # Not those of the last one, but of the run whose page it was.
    page.goto(f"{site.url}/runs/{run['id']}")
    page.get_by_role("button", name="More").click()
    page.get_by_role("menuitem", name="Edit and run again").click()
    expect(page.get_by_label("One line")).to_have_value("行 🍓 \ue000")
    expect(page.get_by_label("One line")).to_be_focused()
    page.get_by_label("Some text").fill("edited")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator(".runhead .pill")).to_contain_text("Succeeded")
    edited = site.wait(page.url.rpartition("/runs/")[2].partition("?")[0])
    assert edited["outputs"]["text"].startswith("行 🍓 \ue000/large/2.5/")
    assert (run["inputs"]["text"], edited["inputs"]["text"]) == ("several\nlines", "edited\n")
    assert [one["filename"] for one in edited["inputs"]["pictures"]] == ["bild.png", "手紙.txt"]


def test_a_text_that_is_left_empty_is_an_empty_text(site: Site, visit: Visit, made: dict[str, str]) -> None:
    page = visit(f"/w/{made['Hostile']}")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator(".runhead .pill")).to_contain_text("Succeeded")
    run = site.wait(page.url.rpartition("/runs/")[2].partition("?")[0])
    assert run["inputs"]["q"] == ""


def test_values_of_the_environment_are_set_and_taken_back_by_keyboard(
    site: Site, visit: Visit, made: dict[str, str]
) -> None:
    page = visit(f"/w/{made['Set up']}")
    variables = page.locator("section").filter(has=page.get_by_role("heading", name="Environment"))
    expect(variables.get_by_role("listitem").filter(has_text="MODE")).to_contain_text("from the file")
    expect(variables.get_by_role("listitem").filter(has_text="REGION")).to_contain_text(
        "Overridden by JIKKO_ENV_REGION"
    )
    page.get_by_role("button", name="Change MODE").focus()
    page.keyboard.press("Enter")
    field = page.get_by_label("Value of MODE")
    expect(field).to_be_focused()
    field.fill("速い")
    page.keyboard.press("Enter")
    expect(variables.get_by_role("listitem").filter(has_text="MODE")).to_contain_text("速い")
    page.get_by_role("button", name="Change TOKEN").click()
    page.get_by_label("Value of TOKEN").fill("sk-nobody-may-read-this")
    page.get_by_role("button", name="Save").click()
    expect(variables.get_by_role("listitem").filter(has_text="TOKEN")).to_contain_text("set here")
    assert "nobody-may-read" not in page.content()
    started = site.api("POST", f"apps/{made['Set up']}/runs", json={"inputs": {"q": "x"}}).json()
    assert site.wait(started["run_id"])["outputs"] == {"text": "速い"}
    page.get_by_role("button", name="Reset MODE").click()
    expect(variables.get_by_role("listitem").filter(has_text="MODE")).to_contain_text("slow")


def test_the_secret_of_call_backs_is_replaced_and_shown_once(visit: Visit, made: dict[str, str]) -> None:
    page = visit(f"/w/{made['Set up']}", size=SMALL)
    page.get_by_role("button", name="New callback secret").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Receivers that check signatures")
    dialog.get_by_role("button", name="Replace").click()
    secret = page.locator(".once code").inner_text()
    assert len(secret) > 20
    page.reload()
    expect(page.get_by_role("button", name="New callback secret")).to_be_visible()
    assert secret not in page.content()


def test_a_document_is_added_indexed_and_found(site: Site, visit: Visit, handbook: str, tmp_path: Path) -> None:
    page = visit(f"/knowledge/{handbook}")
    (tmp_path / "出張規程.md").write_text("Travel to Osaka is booked by the office.", encoding="utf-8")
    (tmp_path / "virus.exe").write_bytes(b"MZ")
    page.get_by_label("Add documents").set_input_files([tmp_path / "virus.exe", tmp_path / "出張規程.md"])
    expect(page.get_by_role("alert")).to_contain_text("virus.exe")
    row = page.get_by_role("row").filter(has_text="出張規程.md")
    expect(row).to_contain_text("Ready")
    row.get_by_role("button").click()
    expect(page.get_by_role("article").filter(has_text="Travel to Osaka")).to_be_visible()
    page.get_by_label("What a workflow would ask").fill("Who books travel to Osaka?")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").get_by_role("article").first).to_contain_text("出張規程.md")
    expect(page.get_by_role("status").locator("b").first).to_have_text(re.compile(r"^\d\.\d{3}$"))


def test_a_conversation_is_removed_and_its_run_stays(site: Site, visit: Visit, made: dict[str, str]) -> None:
    turn = site.api("POST", f"apps/{made['Talks']}/messages", json={"query": "forget me", "inputs": {}}).json()
    site.wait(turn["run_id"])
    page = visit(f"/chat/{made['Talks']}/{turn['conversation_id']}")
    expect(page.get_by_role("article")).to_contain_text("forget me")
    page.get_by_role("button", name="More").click()
    page.get_by_role("menuitem", name="Delete the conversation").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    page.wait_for_url(f"**/chat/{made['Talks']}")
    assert site.api("GET", f"conversations/{turn['conversation_id']}/messages").status_code == 404
    assert site.api("GET", f"runs/{turn['run_id']}").status_code == 200
    page.go_back()
    expect(page.get_by_role("alert")).to_be_visible()


def test_the_search_follows_the_button_back(site: Site, visit: Visit) -> None:
    site.run("greets", name="searched for")
    page = visit("/runs?t=all&user=someone")
    expect(page.get_by_role("button", name="Without User someone")).to_be_visible()
    field = page.get_by_label("Text in inputs and outputs")
    field.fill("searched")
    page.wait_for_url("**q=searched*")
    page.get_by_role("button", name=re.compile("^Succeeded")).click()
    page.wait_for_url("**status=succeeded*")
    page.go_back()
    page.wait_for_url(lambda url: "status" not in url)
    expect(field).to_have_value("searched")
    page.get_by_role("button", name="Without User someone").click()
    page.wait_for_url(lambda url: "user" not in url)
    assert json.dumps(page.url).count("searched") == 1
