"""Datasets page: documents with their states, segments, and search results."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.console.album import keep
from tests.console.conftest import HANDBOOK, LARGE, SMALL, Site, Visit


def test_documents_tell_what_became_of_them_and_show_their_segments(site: Site, visit: Visit, handbook: str) -> None:
    page = visit("/knowledge")
    page.get_by_role("link", name="handbook").click()
    expect(page.get_by_role("heading", name="handbook")).to_be_visible()
    rows = page.get_by_role("row")
    for name in HANDBOOK:
        expect(rows.filter(has_text=name)).to_contain_text("Ready")
    expect(rows.filter(has_text="broken.pdf")).to_contain_text("Error")
    page.get_by_role("button", name="休暇規程").click()
    expect(page.get_by_role("article")).to_contain_text("有給休暇は年間二十日です。")
    page.get_by_role("button", name="broken.pdf").click()
    segments = page.locator("section").filter(has=page.get_by_role("heading", name="Segments"))
    expect(segments).to_contain_text("Failed to extract text from PDF")
    page.set_viewport_size({**SMALL, "height": 500})
    page.get_by_role("button", name="休暇規程").click()
    expect(segments.get_by_role("heading")).to_be_in_viewport()
    page.get_by_role("button", name="broken.pdf").click()
    page.set_viewport_size(LARGE)
    other = visit(page.url.partition("/console")[2])
    expect(other.locator("tr[aria-selected=true]")).to_contain_text("broken.pdf")
    page.get_by_label("Filter documents").fill("refunds")
    expect(rows.filter(has_text="broken.pdf")).to_have_count(0)
    expect(rows.filter(has_text="refunds.md")).to_be_visible()


def test_a_question_finds_segments_with_their_scores(site: Site, visit: Visit, handbook: str) -> None:
    page = visit(f"/knowledge/{handbook}")
    question = page.get_by_label("What a workflow would ask")
    question.fill("How many days do refunds take?")
    question.press("Enter")
    hit = page.get_by_role("article").first
    expect(hit).to_contain_text("Refunds take ten days.")
    expect(hit).to_contain_text("refunds.md")
    found = site.api("POST", f"datasets/{handbook}/search", json={"query": "How many days do refunds take?"}).json()
    expect(hit.locator("b")).to_have_text(f"{found['data'][0]['score']:.3f}")
    question.fill("zzzz")
    page.get_by_role("button", name="Find").click()
    expect(page.get_by_text("Nothing was found.")).to_be_visible()


def test_a_viewer_searches_nothing(site: Site, visit: Visit, handbook: str) -> None:
    page = visit(f"/knowledge/{handbook}", token=site.viewer)
    expect(page.get_by_role("button", name="refunds.md")).to_be_visible()
    expect(page.get_by_label("What a workflow would ask")).to_have_count(0)
    page.goto(f"{site.url}/knowledge")
    expect(page.get_by_role("link", name="handbook")).to_be_visible()
    expect(page.get_by_label("Name of a new dataset")).to_have_count(0)


@pytest.mark.parametrize(
    ("size", "locale", "name", "add", "ready"),
    [
        (LARGE, "en-US", "Name of a new dataset", "Add documents", "Ready"),
        (SMALL, "ja-JP", "新しいデータセットの名前", "ドキュメントを追加", "利用可"),
    ],
    ids=["1440", "390"],
)
def test_a_dataset_is_made_and_fed_by_keyboard(
    site: Site, visit: Visit, tmp_path: Path, axe: str, size: object, locale: str, name: str, add: str, ready: str
) -> None:
    called = f"規程 📘 \ue000 {locale}"
    page = visit("/knowledge", size=size, locale=locale)
    page.get_by_label(name).focus()
    page.keyboard.type(called)
    keep(page, f"new-dataset-{locale}", axe)
    page.set_viewport_size(size)  # type: ignore[arg-type]
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="規程 📘")).to_be_visible()
    (tmp_path / "返品.md").write_text("Refunds take ten days.", encoding="utf-8")
    page.get_by_label(add).set_input_files(tmp_path / "返品.md")
    expect(page.get_by_role("row").filter(has_text="返品.md")).to_contain_text(ready)

    page.goto(f"{site.url}/knowledge")
    page.get_by_label(name).fill(called)
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("already exists")
    expect(page.get_by_label(name)).to_have_value(called)
