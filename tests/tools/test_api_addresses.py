"""URL of an API tool's request: a value fills exactly one path segment, whatever it contains."""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from jikko.ports.tools import ToolFailure
from tests.outbound.server import Received, answer, serving
from tests.tools.scene import scene

pytestmark = pytest.mark.anyio

KEY = {"type": "api_key_header", "header": "X-Key", "value": "secret-key"}


async def asked(
    tmp_path: Path, values: dict[str, Any], path: str = "/api/{q}", base: str = "", **parameter: Any
) -> list[Received]:
    """What a server received of a tool with the parameters ``values``."""
    placed = [
        {"in": "path", "schema": {"type": "string"}, "required": True, **parameter, "name": name} for name in values
    ]
    operation = {"operationId": "x", "parameters": placed}
    async with serving(defaultdict(lambda: answer(b"hello", Content_Type="text/plain"))) as server:
        document = {"servers": [{"url": server.url(base)}], "paths": {path: {"get": operation}}}
        entry = {"type": "api", "schema": json.dumps(document), "auth": KEY}
        async with scene(tmp_path, {"a": entry}) as tools:
            await tools.call("api", "a", "x", **values)
        return server.requests


@pytest.mark.parametrize(
    "value",
    [
        "a/b?c=d#e",
        "/",
        "//evil.test",
        "@evil.test:80",
        "%2e%2e",
        "%2E%2e%2Fadmin",
        "..;",
        "...",
        "a\\b",
        "日本 🎌",
        "a\r\nX-Admin: 1",
        "\x00\x7f",
        "{other}",
        "a b+c&d=e;f",
        "https://evil.test/",
    ],
)
async def test_a_value_is_one_segment(value: str, tmp_path: Path) -> None:
    (request,) = await asked(tmp_path, {"q": value, "other": "x"})

    folder, segment = request.target[:5], request.target[5:]
    assert (folder, unquote(segment)) == ("/api/", value)
    assert not set(segment) & set("/?#\\ ")
    assert "x-admin" not in request.headers


async def test_half_a_character_is_replaced(tmp_path: Path) -> None:
    (request,) = await asked(tmp_path, {"q": "a\ud83d/b"})

    assert request.target == "/api/a%3F%2Fb"


async def test_an_empty_value_is_an_empty_segment(tmp_path: Path) -> None:
    (request,) = await asked(tmp_path, {"q": ""}, "/api/{q}/x")

    assert request.target == "/api//x"


@pytest.mark.parametrize("value", [".", "..", "../../../admin", "a/../../b", "..\\admin", "x/.."])
@pytest.mark.parametrize("parameter", [{}, {"allowReserved": True}])
async def test_dots_that_lead_elsewhere_are_refused_before_anything_is_sent(
    value: str, parameter: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(ToolFailure, match="the parameter q goes into a path: it cannot hold the segments"):
        await asked(tmp_path, {"q": value}, **parameter)


@pytest.mark.parametrize(
    ("path", "values"), [("/api/{a}{b}", (".", ".")), ("/api/.{a}/x", ("", "")), ("/{a}./x", ("", "."))]
)
async def test_dots_that_parameters_make_together_are_refused(
    path: str, values: tuple[str, str], tmp_path: Path
) -> None:
    with pytest.raises(ToolFailure, match=r"'\.\.'|path"):
        await asked(tmp_path, dict(zip("ab", values, strict=True)), path)


async def test_a_value_may_have_dots_inside(tmp_path: Path) -> None:
    (request,) = await asked(tmp_path, {"q": "v1.2..3"}, "/api/{q}.json")

    assert request.target == "/api/v1.2..3.json"


async def test_a_parameter_with_reserved_characters_has_several_segments_but_no_query(tmp_path: Path) -> None:
    (request,) = await asked(tmp_path, {"q": "org/model:1?x=y#z"}, allowReserved=True)

    assert request.target == "/api/org/model:1%3Fx=y%23z"


async def test_a_placeholder_in_a_query_takes_one_value(tmp_path: Path) -> None:
    (request,) = await asked(tmp_path, {"q": "a&admin=1#b"}, "/api?q={q}")

    assert request.target == "/api?q=a%26admin%3D1%23b"


async def test_a_value_cannot_add_a_cookie(tmp_path: Path) -> None:
    (request,) = await asked(tmp_path, {"session": 'a=b; admin=1, "日"\r\nX-Admin: 1'}, "/api", **{"in": "cookie"})

    assert request.headers["cookie"] == "session=a=b%3B%20admin=1%2C%20%22%E6%97%A5%22%0D%0AX-Admin:%201"
    assert "x-admin" not in request.headers


@pytest.mark.parametrize("value", ["a\r\nX-Admin: 1", "a\nb", "\x00"])
async def test_a_value_cannot_add_a_header(value: str, tmp_path: Path) -> None:
    with pytest.raises(ToolFailure, match="control characters"):
        await asked(tmp_path, {"X-Name": value}, "/api", **{"in": "header"})


@pytest.mark.parametrize("value", ["a&admin=1#b", "a\r\nb", "\ud83d", "日本"])
async def test_a_value_cannot_add_to_a_query(value: str, tmp_path: Path) -> None:
    (request,) = await asked(tmp_path, {"q": value}, "/api", **{"in": "query"})

    assert request.target.count("=") == 1
    assert not set(request.target) & set("&#\r\n")
