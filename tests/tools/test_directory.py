"""The tools file while it is in use: read again when it changes."""

import json
import os
from pathlib import Path

import pytest

from jikko.ports.tools import ToolName, ToolNotFound
from jikko.tools.directory import ToolsDirectory, reported_usage
from tests.store.in_memory import AppsInMemory
from tests.tools.scene import Scene, api, scene

pytestmark = pytest.mark.anyio

CODE = "code-of-the-served-app"


def written(tools: Scene, text: str) -> None:
    """As editors write: another file takes the place of the old one."""
    new = tools.file.with_suffix(".new")
    new.write_text(text, encoding="utf-8")
    os.replace(new, tools.file)


async def test_a_tool_that_is_added_is_there_at_once(tmp_path: Path) -> None:
    async with scene(tmp_path) as tools:
        with pytest.raises(ToolNotFound, match=r"add under 'tools:' in the tools file .*: \"a\": \{type: api"):
            await tools.find("api", "a", "x")
        written(tools, json.dumps({"tools": {"a": api("http://a.test", "x")}}))

        assert (await tools.find("api", "a", "x")).name.tool == "x"


async def test_the_type_of_a_provider_is_no_name_of_one(tmp_path: Path) -> None:
    async with scene(tmp_path) as tools:
        with pytest.raises(ToolNotFound, match=r"'builtin' is a type .* of the tool 検索; .*: audio, code, time, webs"):
            await tools.find("builtin", "builtin", "検索")


async def test_all_that_is_listed_is_of_the_file_as_it_is_now(tmp_path: Path) -> None:
    a = ToolName(provider_type="api", provider="a", tool="")
    async with scene(tmp_path, {"a": api("http://a.test", "x")}) as tools:
        directory = ToolsDirectory(tools.file, {}, AppsInMemory())
        written(tools, json.dumps({"tools": {"a": api("http://a.test", "y")}, "mcp_servers": {CODE: {"app": "猫"}}}))

        assert [tool.name.tool for tool in await tools.tools.offered(a)] == ["y"]
        served = await directory.served(CODE)
        assert served is not None
        assert served.app == "猫"


async def test_what_is_not_known_any_more_is_asked_for_and_not_guessed(tmp_path: Path) -> None:
    name = ToolName(provider_type="api", provider="a", tool="x")
    async with scene(tmp_path, {"a": api("http://a.test", "x")}) as tools:
        assert tools.tools.known(name) is not None
        written(tools, "{}")

        assert tools.tools.known(name) is None
        with pytest.raises(ToolNotFound):
            await tools.tools.find(name)


@pytest.mark.parametrize("broken", ["tools: [", "tools: {a: {type: nothing}}", None])
async def test_a_file_that_cannot_be_read_any_more_goes_on_to_hold(
    broken: str | None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with scene(tmp_path, {"a": api("http://a.test", "x")}) as tools:
        if broken is None:
            tools.file.unlink()
        else:
            written(tools, broken)

        assert (await tools.find("api", "a", "x")).name.tool == "x"
        assert "The previous contents stay in effect." in caplog.text
        written(tools, json.dumps({"tools": {"b": api("http://b.test", "y")}}))
        assert (await tools.find("api", "b", "y")).name.tool == "y"


async def test_a_provider_of_another_type_is_none(tmp_path: Path) -> None:
    async with scene(tmp_path, {"a": api("http://a.test", "x")}) as tools:
        for kind in ("mcp", "workflow", "app", "dataset-retrieval", "nonsense"):
            with pytest.raises(ToolNotFound, match=f"{kind} provider a"):
                await tools.find(kind, "a", "x")


async def test_icons_are_told_at_once_and_are_never_an_error(tmp_path: Path) -> None:
    entries = {"a": api("http://a.test", "x"), "b": api("http://a.test", "x", icon={"content": "b"})}
    async with scene(tmp_path, entries) as tools:

        def icon(kind: str, provider: str) -> object:
            return tools.tools.icon(ToolName(provider_type=kind, provider=provider, tool=""))

        assert icon("api", "a") == {"content": "🔧", "background": "#FFEAD5"}
        assert icon("api", "b") == {"content": "b"}
        assert str(icon("builtin", "time")).startswith("data:image/svg+xml,")
        assert [icon("api", "none"), icon("builtin", "none"), icon("odd", "a")] == [None] * 3


@pytest.mark.parametrize(
    ("reported", "price"),
    [
        (1e-05, "0.00001"),
        (0.5, "0.5"),
        ("0.0002", "0.0002"),
        (3, "3"),
        (None, "0"),
        (-1.5, "0"),
        ("多い", "0"),
        (1e300, "0"),
    ],
)
def test_a_reported_price_counts_if_it_is_a_number_of_usual_size(reported: object, price: str) -> None:
    assert reported_usage({"total_price": reported}).total_price == price
