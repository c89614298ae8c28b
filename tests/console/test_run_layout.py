"""The parts of the page of a run take the room that its reader gives them, and its graph names the branches."""

from playwright.sync_api import Locator, expect

from tests.acceptance.workflows import app, end, node, start
from tests.console.conftest import SMALL, Site, Visit, wait_for


def height(part: Locator) -> float:
    box = part.bounding_box()
    assert box is not None
    return box["height"]


def width(part: Locator) -> float:
    box = part.bounding_box()
    assert box is not None
    return box["width"]


def test_graph_and_inspector_are_sized_by_keys_and_pointer_and_kept(site: Site, visit: Visit) -> None:
    page = visit(f"/runs/{site.run('greets', name='x')}")
    graph, inspector = page.locator(".left .top"), page.get_by_label("Inspector")
    expect(page.locator(".react-flow__node").first).to_be_visible()
    before = height(graph)
    line = page.get_by_role("separator", name="Height of the graph")
    line.press("ArrowDown")
    line.press("ArrowDown")
    wait_for(lambda: abs(height(graph) - before - 48) < 2)

    side = page.get_by_role("separator", name="Width of the right side")
    narrow, box = width(inspector), side.bounding_box()
    assert box is not None
    page.mouse.move(box["x"], box["y"] + 200)
    page.mouse.down()
    page.mouse.move(box["x"] - 150, box["y"] + 200, steps=4)
    page.mouse.up()
    wait_for(lambda: abs(width(inspector) - narrow - 150) < 3)

    page.reload()
    expect(page.locator(".react-flow__node").first).to_be_visible()
    wait_for(lambda: abs(height(graph) - before - 48) < 2 and abs(width(inspector) - narrow - 150) < 3)
    line.press("Enter")
    wait_for(lambda: abs(height(graph) - before) < 2)
    side.dblclick()
    wait_for(lambda: abs(width(inspector) - narrow) < 2)


def test_neither_part_can_be_lost(site: Site, visit: Visit) -> None:
    page = visit(f"/runs/{site.run('greets', name='x')}")
    graph, line = page.locator(".left .top"), page.get_by_role("separator", name="Height of the graph")
    expect(page.locator(".react-flow__node").first).to_be_visible()
    for _ in range(60):
        line.press("ArrowUp")
    wait_for(lambda: height(graph) >= 100)
    for _ in range(60):
        line.press("ArrowDown")
    expect(page.get_by_role("tree")).to_be_visible()
    wait_for(lambda: height(page.locator(".steps")) >= 100)
    # Nor in a window that is made smaller than what was chosen.
    page.set_viewport_size({"width": 1000, "height": 560})
    wait_for(lambda: height(page.locator(".steps")) >= 100)
    page.set_viewport_size(SMALL)
    expect(line).to_be_hidden()
    wait_for(lambda: 200 <= height(graph) <= 230)


def test_branches_are_named_and_the_graph_fills_the_screen(site: Site, visit: Visit) -> None:
    judge = node(
        "judge",
        "question-classifier",
        query_variable_selector=["start", "q"],
        model={"provider": "openai", "name": "gpt-4o", "mode": "chat", "completion_params": {}},
        classes=[{"id": "1", "name": "返品 📦"}, {"id": "2", "name": "Everything else that people write about"}],
    )
    text = app("Sorted", [start("q"), judge, end("one"), end("two")], "start>judge judge:1>one judge:2>two")
    answer = site.api("POST", "apps", files=[("files", ("sorted.yml", text.encode()))]).json()["data"][0]
    page = visit(f"/w/{answer['app_id']}")
    expect(page.locator(".branch")).to_have_text(["返品 📦", "Everything else that peo…"])
    page.get_by_role("button", name="Full screen").click()
    wait_for(lambda: page.evaluate("document.fullscreenElement?.className") == "graph")
    page.get_by_role("button", name="Full screen").click()
    wait_for(lambda: page.evaluate("document.fullscreenElement") is None)
    page.set_viewport_size(SMALL)
    page.get_by_role("button", name="Full screen").press("Enter")
    wait_for(lambda: page.evaluate("document.fullscreenElement?.className") == "graph")
