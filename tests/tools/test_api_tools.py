"""Tools of OpenAPI documents, over real sockets, beyond the recordings."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from jikko.ports.tools import ToolFailure, ToolNotFound
from tests.effort import PATIENCE
from tests.nodes.context import file
from tests.outbound.server import RawServer, Received, answer, redirect, serving
from tests.tools.scene import api, scene

pytestmark = pytest.mark.anyio

HELLO = answer(b'{"hello": "\xe4\xb8\x96\xe7\x95\x8c"}', Content_Type="application/json")
KEY = "sk-a-secret-of-the-provider"
IN_HEADER = {"type": "api_key_header", "header": "X-Key", "value": "${KEY}"}


async def test_an_object_is_told_as_text_and_as_json(tmp_path: Path) -> None:
    async with serving({"/hello": HELLO}) as server, scene(tmp_path, {"a": api(server.url(""), "hello")}) as tools:
        collected = await tools.call("api", "a", "hello", q="世界 & co")

    assert (collected.text, collected.json) == ('{"hello": "世界"}', [{"hello": "世界"}])
    assert server.requests[0].target == "/hello?q=%E4%B8%96%E7%95%8C+%26+co"


@pytest.mark.parametrize(
    ("auth", "header", "query"),
    [
        ({"type": "api_key_header", "value": KEY}, ("authorization", KEY), ""),
        ({**IN_HEADER, "value": KEY, "prefix": "bearer"}, ("x-key", f"Bearer {KEY}"), ""),
        ({"type": "api_key_query", "param": "k", "value": KEY}, ("x-key", None), f"k={KEY}&q=1"),
    ],
)
async def test_the_key_of_a_provider_goes_along(
    auth: dict[str, str], header: tuple[str, str | None], query: str, tmp_path: Path
) -> None:
    async with (
        serving({"/hello": HELLO}) as server,
        scene(tmp_path, {"a": api(server.url(""), "hello", auth=auth)}) as tools,
    ):
        await tools.call("api", "a", "hello", q="1")

    [request] = server.requests
    assert request.headers.get(header[0]) == header[1]
    assert not query or request.target == f"/hello?{query}"


async def test_a_key_of_the_environment_that_is_not_set_is_named(tmp_path: Path) -> None:
    async with scene(tmp_path, {"a": api("http://a.test", "hello", auth=IN_HEADER)}) as tools:
        with pytest.raises(ToolNotFound, match="needs KEY, not set in the environment"):
            await tools.call("api", "a", "hello")


async def test_each_app_has_its_own_key_and_no_other_gets_it(tmp_path: Path) -> None:
    own = {app: {"auth": {**IN_HEADER, "value": f"key of {app}"}} for app in ("one", "two")}
    async with (
        serving({"/hello": HELLO}) as server,
        scene(
            tmp_path,
            {
                "private": api(server.url(""), "hello", apps=own),
                "shared": api(server.url(""), "hello", apps=own, auth={**IN_HEADER, "value": "key of all"}),
            },
            apps=("one", "two", "three"),
        ) as tools,
    ):
        for provider, app in (("private", "two"), ("shared", "one"), ("shared", "three")):
            await tools.call("api", provider, "hello", app_id=f"id-{app}")
        assert [one.headers["x-key"] for one in server.requests] == ["key of two", "key of one", "key of all"]

        for stranger in ("id-three", "id-of-nobody", ""):
            with pytest.raises(ToolNotFound, match="only for the apps that it names"):
                await tools.call("api", "private", "hello", app_id=stranger)
    assert len(server.requests) == 3


async def test_the_key_stays_with_the_server_when_it_redirects_elsewhere(tmp_path: Path) -> None:
    async with (
        serving({"/hello": HELLO}) as other,
        serving({"/hello": redirect(other.url("/hello"))}) as server,
        scene(tmp_path, {"a": api(server.url(""), "hello", auth={**IN_HEADER, "value": KEY})}) as tools,
    ):
        await tools.call("api", "a", "hello")

    assert server.requests[0].headers["x-key"] == KEY
    assert "x-key" not in other.requests[0].headers


async def test_no_failure_tells_the_key(tmp_path: Path) -> None:
    async def echo(writer: asyncio.StreamWriter, request: Received) -> None:
        writer.write(answer(request.headers["x-key"].encode(), "400 Bad"))
        await writer.drain()

    async with (
        serving({"/hello": echo}) as server,
        scene(tmp_path, {"a": api(server.url(""), "hello", auth={**IN_HEADER, "value": KEY})}) as tools,
    ):
        with pytest.raises(ToolFailure) as failure:
            await tools.call("api", "a", "hello")

    assert "status code 400" in str(failure.value)
    assert KEY not in str(failure.value)


async def test_a_parameter_does_not_replace_the_key(tmp_path: Path) -> None:
    document = {
        "servers": [{"url": ""}],
        "paths": {"/": {"get": {"operationId": "x", "parameters": [{"name": "x-KEY", "in": "header"}]}}},
    }
    async with serving({"/": HELLO}) as server:
        document["servers"] = [{"url": server.url("")}]
        entry = {"type": "api", "schema": json.dumps(document), "auth": {**IN_HEADER, "value": KEY}}
        async with scene(tmp_path, {"a": entry}) as tools:
            await tools.call("api", "a", "x", **{"x-KEY": "another"})

    assert server.requests[0].headers["x-key"] == KEY


UPLOAD = {
    "operationId": "upload",
    "requestBody": {
        "content": {
            "multipart/form-data": {
                "schema": {
                    "properties": {
                        "title": {"type": "string"},
                        "one": {"type": "string", "format": "binary"},
                        "more": {"type": "array", "items": {"type": "string", "format": "binary"}},
                    }
                }
            }
        }
    },
}


def uploading(server: RawServer) -> dict[str, Any]:
    document = {"servers": [{"url": server.url("")}], "paths": {"/": {"post": UPLOAD}}}
    return {"a": {"type": "api", "schema": json.dumps(document)}}


async def test_files_go_along_as_parts_of_a_form(tmp_path: Path) -> None:
    remote = file("remote.txt", transfer_method="remote_url", related_id=None)
    async with serving({"/": HELLO, "/file": answer(b"from elsewhere")}) as server:
        remote["remote_url"] = server.url("/file")
        async with scene(tmp_path, uploading(server), files={"a.txt": b"from here"}) as tools:
            await tools.call("api", "a", "upload", title="題", one=file("a.txt"), more=[remote])

    body = server.requests[-1].body.decode()
    assert 'name="title"\r\n\r\n題\r\n' in body
    assert body.index("from here") < body.index("from elsewhere")
    assert 'name="one"; filename="a.txt"' in body


@pytest.mark.parametrize("value", [None, "text", file("of-somebody-else.txt"), {**file("x"), "related_id": None}])
async def test_a_file_that_is_none_fails_before_anything_is_sent(value: Any, tmp_path: Path) -> None:
    async with serving({"/": HELLO}) as server, scene(tmp_path, uploading(server)) as tools:
        with pytest.raises(ToolFailure):
            await tools.call("api", "a", "upload", one=value)

    assert server.requests == []


async def test_an_address_that_is_private_is_refused_also_behind_a_redirect(tmp_path: Path) -> None:
    async with serving({"/there": redirect("http://169.254.169.254/latest/meta-data")}) as server:
        entries = {"near": api(server.url(""), "there"), "far": api("http://10.0.0.1", "x")}
        async with scene(tmp_path, entries) as tools:
            for provider, tool in (("near", "there"), ("far", "x")):
                with pytest.raises(ToolFailure, match="may not be reached"):
                    await tools.call("api", provider, tool)


async def _hang(writer: asyncio.StreamWriter, request: Received) -> None:
    await writer.drain()
    await asyncio.sleep(PATIENCE)


async def _trickle(writer: asyncio.StreamWriter, request: Received) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("act", [_hang, _trickle])
async def test_a_server_that_does_not_come_to_an_end_meets_the_deadline(act: Any, tmp_path: Path) -> None:
    async with (
        serving({"/x": act}) as server,
        scene(tmp_path, {"a": api(server.url(""), "x")}, tool_seconds=0.3) as tools,
    ):
        with pytest.raises(ToolFailure, match=r"0\.3 s"):
            await tools.call("api", "a", "x")


async def test_a_gigabyte_is_not_read(tmp_path: Path) -> None:
    async def flood(writer: asyncio.StreamWriter, request: Received) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        await server.pour(writer, b"100000\r\n" + b"x" * 0x100000 + b"\r\n", 1024)

    async with serving({"/x": flood}) as server:
        async with scene(tmp_path, {"a": api(server.url(""), "x")}, http_max_file=1 << 20) as tools:
            with pytest.raises(ToolFailure, match="larger than"):
                await tools.call("api", "a", "x")
        assert server.sent < 64 << 20


@pytest.mark.parametrize(
    "lie",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFF\r\nx",
        b"no HTTP at all",
    ],
)
async def test_a_server_that_lies_about_lengths_fails(lie: bytes, tmp_path: Path) -> None:
    async def act(writer: asyncio.StreamWriter, request: Received) -> None:
        writer.write(lie)
        await writer.drain()

    async with serving({"/x": act}) as server, scene(tmp_path, {"a": api(server.url(""), "x")}) as tools:
        with pytest.raises(ToolFailure):
            await tools.call("api", "a", "x")


async def test_json_that_is_too_deep_is_only_text(tmp_path: Path) -> None:
    deep = b'{"a":' * 50_000 + b"1" + b"}" * 50_000
    async with (
        serving({"/x": answer(deep, Content_Type="application/json")}) as server,
        scene(tmp_path, {"a": api(server.url(""), "x")}) as tools,
    ):
        collected = await tools.call("api", "a", "x")

    assert (len(collected.text), collected.json) == (len(deep), [])


async def test_json_of_very_many_elements_fails_the_call(tmp_path: Path) -> None:
    wide = answer(b'{"\xe5\x80\xa4": [%b0]}' % (b"0," * 200_000), Content_Type="application/json")
    async with serving({"/hello": wide}) as server, scene(tmp_path, {"a": api(server.url(""), "hello")}) as tools:
        with pytest.raises(ToolFailure, match="more than 200000 elements of arrays and objects"):
            await tools.call("api", "a", "hello")
