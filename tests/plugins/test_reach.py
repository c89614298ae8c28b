"""Reach of a plugin: files of its call, and the network by the address policy."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.plugins.calling import world

pytestmark = pytest.mark.anyio


FETCH = """
import json, os, urllib.request
result = {}
proxy = os.environ["http_proxy"]
opener = urllib.request.build_opener(urllib.request.ProxyHandler({"http": proxy}))
try:
    result["content"] = opener.open(given["file"]["url"], timeout=20).read().decode()
except Exception as error:
    result["error"] = repr(error)
result["url"] = given["file"]["url"]
"""


async def test_a_stored_file_is_fetched_from_the_gate_while_the_call_goes_on(home: Path) -> None:
    async with world(home) as here:
        file = await here.files.make(
            "内容 📄".encode(), app_id="app", end_user_id="user", name="a.txt", mime_type="text/plain"
        )
        [message] = await here.messages_of("run", code=FETCH, file=file)
        assert message.value["content"] == "内容 📄"
        assert message.value["url"].startswith("http://127.0.0.1:")
        again = {**file, "related_id": None, "url": message.value["url"]}
        [message] = await here.messages_of("run", code=FETCH, file=again)
        assert "404" in message.value.get("error", ""), message.value


async def test_a_file_of_another_app_is_not_there(home: Path) -> None:
    async with world(home) as here:
        file = await here.files.make(
            b"x", app_id="other", end_user_id="somebody of that app", name="a.txt", mime_type="text/plain"
        )
        [message] = await here.messages_of("run", code=FETCH, file=file)
    assert "404" in message.value.get("error", ""), message.value


async def test_a_file_that_a_plugin_sends_is_stored_for_the_app(home: Path) -> None:
    code = """
import os, urllib.request
body = b"\\r\\n".join([
    b"--b",
    b'Content-Disposition: form-data; name="file"; filename="x.png"',
    b"Content-Type: image/png",
    b"",
    b"\\x89PNG",
    b"--b--",
    b"",
])
proxy = urllib.request.ProxyHandler({"http": os.environ["http_proxy"]})
request = urllib.request.Request(given["url"], data=body, headers={"Content-Type": "multipart/form-data; boundary=b"})
answer = urllib.request.build_opener(proxy).open(request, timeout=20)
import json
result = {"status": answer.status, **json.loads(answer.read())}
"""
    inner = """
import __main__, json
answer = __main__.ask(session, "upload_file", {"filename": "絵.png", "mimetype": "image/png"})
given["url"] = json.loads(answer)[0]["url"]
"""
    async with world(home) as here:
        [message] = await here.messages_of("run", code=inner + code)
        assert message.value["status"] == 201
        assert (message.value["name"], message.value["size"], message.value["extension"]) == ("絵.png", 4, "png")
        assert await here.files.read(message.value["id"], app_id="app", end_user_id="user") == b"\x89PNG"


# The network.

CONNECT = """
import os, urllib.request
proxy = urllib.request.ProxyHandler({"http": os.environ["http_proxy"], "https": os.environ["https_proxy"]})
try:
    result = urllib.request.build_opener(proxy).open(given["url"], timeout=20).read().decode()
except Exception as error:
    result = f"{error} {getattr(error, 'read', lambda: b'')().decode()}"
"""


DIRECTLY = """
import urllib.request
try:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    result = opener.open(given["url"], timeout=20).read().decode()
except Exception as error:
    result = str(error)
"""


@asynccontextmanager
async def web() -> AsyncIterator[str]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
        except asyncio.IncompleteReadError:
            writer.close()
            return
        body = head.encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/a?b=c"
    server.close()


async def test_a_plugin_reaches_the_network_by_the_address_policy(home: Path) -> None:
    async with web() as url:
        async with world(home, http_allow=("127.0.0.0/8",)) as here:
            [message] = await here.messages_of("run", code=CONNECT, url=url)
            assert message.value.startswith("GET /a?b=c HTTP/1.1")
            assert "Proxy-Authorization" not in message.value
        async with world(home) as here:
            [message] = await here.messages_of("run", code=CONNECT, url=url)
            assert "403" in message.value
            assert "The address 127.0.0.1 may not be reached" in message.value
            assert "JIKKO_HTTP_ALLOW" in message.value
            [message] = await here.messages_of("run", code=CONNECT, url=url.replace("http:", "https:"))
            assert "JIKKO_HTTP_ALLOW" in message.value
            [message] = await here.messages_of("run", code=CONNECT, url="http://169.254.169.254/latest/meta-data")
            assert "may not be reached" in message.value


async def test_a_plugin_that_connects_by_itself_does_so_only_if_the_file_says_so(home: Path) -> None:
    async with web() as url:
        async with world(home, http_allow=("127.0.0.0/8",)) as here:
            [message] = await here.messages_of("run", code=DIRECTLY, url=url)
            assert "Permission denied" in message.value
        async with world(home, plugins="plugins: {tester/stand_in: {network: direct}}") as here:
            [message] = await here.messages_of("run", code=DIRECTLY, url=url)
            assert message.value.startswith("GET /a?b=c")


HOARD = """
import base64, os, socket
from urllib.parse import urlsplit
proxy, target = urlsplit(os.environ["http_proxy"]), urlsplit(given["url"]).netloc
key = base64.b64encode(f"{proxy.username}:{proxy.password}".encode()).decode()
__import__("__main__").held = held = []
while True:
    made = socket.create_connection(("127.0.0.1", proxy.port))
    made.sendall(f"CONNECT {target} HTTP/1.1\\r\\nProxy-Authorization: Basic {key}\\r\\n\\r\\n".encode())
    answer = made.recv(1000).decode()
    if " 200 " not in answer:
        break
    held.append(made)
try:
    socket.create_connection(("127.0.0.1", given["other"]), timeout=5)
    result = [len(held), answer, "connected"]
except OSError as error:
    result = [len(held), answer, str(error)]
"""


async def test_a_plugin_with_all_its_connections_open_shuts_the_gate_for_no_other_and_reaches_no_other_gate(
    home: Path,
) -> None:
    mine = "tester/keyed/stand_in"
    entry = "plugins: {tester/keyed: {credentials: {key: right}}}"
    port = "import os; result = int(os.environ['http_proxy'].rpartition(':')[2])"
    async with web() as url, world(home, plugins=entry, http_allow=("127.0.0.0/8",)) as here:
        [other] = await here.messages_of("run", code=port)
        [message] = await here.messages_of("run", provider=mine, code=HOARD, url=url, other=other.value)
        count, answer, elsewhere = message.value
        assert count == 128
        assert answer.startswith("HTTP/1.1 503 This plugin has 128 connections open")
        assert "Permission denied" in elsewhere
        [message] = await here.messages_of("run", code=CONNECT, url=url)
        assert message.value.startswith("GET /a?b=c HTTP/1.1")
