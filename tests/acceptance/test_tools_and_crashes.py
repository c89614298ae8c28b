"""Tool nodes of a server killed during a tool's call."""

import json
from pathlib import Path

import pytest

from tests.acceptance.client import Client
from tests.acceptance.echo import EchoServer
from tests.acceptance.faults import until
from tests.acceptance.processes import Command, Server
from tests.acceptance.workflows import app, end, fetch, start
from tests.tools.running import outer, tool
from tests.tools.scene import api

RUN = "{{#sys.workflow_run_id#}}"


@pytest.fixture
def tools(tmp_path: Path, echo: EchoServer) -> str:
    """A tools file: an API, and the app ``Inner``."""
    file = tmp_path / "tools.yml"
    entries = {
        "echo": api(echo.url, "x", "hold/tool"),
        "inner": {"type": "workflow", "name": "inner", "app": "Inner"},
    }
    file.write_text(json.dumps({"tools": entries}))
    return str(file)


def imported(jikko: Command, tmp_path: Path, *texts: str) -> list[str]:
    """API keys of apps."""
    return [*jikko.imported(tmp_path, {str(number): text for number, text in enumerate(texts)}).values()]


def test_a_call_is_made_again_and_what_was_called_before_is_not(
    jikko: Command, tmp_path: Path, echo: EchoServer, tools: str
) -> None:
    first, second = (tool(name, "api", "echo", at) for name, at in (("one", "x"), ("two", "hold/tool")))
    text = app("Outer", [start("q"), first, second, end(r="two.text")], "start>one one>two two>end")
    [key] = imported(jikko, tmp_path, text)
    server = Server(jikko.home, settings={"JIKKO_TOOLS": tools})
    client = Client(server.url, key)
    run = client.run("async", q="a")["workflow_run_id"]
    echo.wait_for_calls("/hold/tool")
    server.kill()
    client.close()

    again = Server(jikko.home, settings={"JIKKO_TOOLS": tools})
    client = Client(again.url, key)
    try:
        echo.wait_for_calls("/hold/tool", 2)
        echo.release("/hold/tool")
        assert client.finished(run)["status"] == "succeeded"
        assert len(echo.calls("/x")) == 1
    finally:
        client.close()
        again.close()


def test_a_workflow_that_was_called_is_found_and_waited_for(
    jikko: Command, tmp_path: Path, echo: EchoServer, tools: str
) -> None:
    inner = app(
        "Inner", [start("q"), fetch("wait", f"{echo.url}/hold/{RUN}"), end(a="wait.body")], "start>wait wait>end"
    )
    key, inner_key = imported(jikko, tmp_path, outer(tool(given={"q": "start.q"})), inner)
    server = Server(jikko.home, settings={"JIKKO_TOOLS": tools})
    client, inside = Client(server.url, key), Client(server.url, inner_key)
    run = client.run("async", q="a")["workflow_run_id"]
    until(lambda: bool(inside.get("/v1/workflows/logs")["data"]), "the workflow was called")
    [entry] = inside.get("/v1/workflows/logs")["data"]
    inner_run = entry["workflow_run"]["id"]
    echo.wait_for_calls(f"/hold/{inner_run}")
    server.kill()
    client.close()
    inside.close()

    again = Server(jikko.home, settings={"JIKKO_TOOLS": tools})
    client, inside = Client(again.url, key), Client(again.url, inner_key)
    try:
        echo.wait_for_calls(f"/hold/{inner_run}", 2)
        echo.release(f"/hold/{inner_run}")
        assert client.finished(run)["status"] == "succeeded"
        assert [one["workflow_run"]["id"] for one in inside.get("/v1/workflows/logs")["data"]] == [inner_run]
    finally:
        client.close()
        inside.close()
        again.close()
