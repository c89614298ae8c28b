"""No way out of a workflow leads inside, whatever the workflow and its inputs say: a server that listens there hears
nothing, with the settings as they are."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest

from jikko.assemble import Assembly, assemble
from jikko.errors import JikkoError
from jikko.ports.stores.run_store import StartOptions
from jikko.runs.runs import StartRequest
from jikko.settings import Settings
from tests.effort import PATIENCE
from tests.runs.workflows import Node, dsl, end, node

pytestmark = pytest.mark.anyio

SPELLINGS: Final = ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]", "127.0.0.1.", "①②⑦.0.0.1"]


class Trap:
    """A server inside, which counts who comes."""

    def __init__(self) -> None:
        self.connections = 0
        self.port = 0

    async def _came(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        writer.close()

    async def listen(self) -> asyncio.Server:
        server = await asyncio.start_server(self._came, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return server


@pytest.fixture
async def trap(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Trap]:
    made = Trap()
    server = await made.listen()
    # What the environment names as a proxy is no proxy of workflows.
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{made.port}")
    yield made
    server.close()


@pytest.fixture
async def assembly(tmp_path: Path) -> AsyncIterator[Assembly]:
    async with assemble(Settings(home=tmp_path)) as assembly:
        yield assembly


def start_node(*, with_file: bool = False) -> Node:
    ways = {"allowed_file_types": ["document"], "allowed_file_upload_methods": ["remote_url", "local_file"]}
    variables = [{"variable": "u", "label": "u", "type": "paragraph", "required": False}]
    if with_file:
        variables.append({"variable": "f", "label": "f", "type": "file", "required": False, **ways})
    return node("start", "start", variables=variables)


def request(**data: Any) -> Node:
    common = {"method": "get", "url": "http://a.invalid/", "headers": "", "params": "", "body": {"type": "none"}}
    return node("way", "http-request", authorization={"type": "no-auth"}, **(common | data))


CODE: Final = """
import {client}
def main(u):
    for call in ({client}.get, {client}.post):
        try:
            call(u)
        except Exception:
            continue
        return {{"said": "reached"}}
    raise ValueError("refused")
"""
BINARY: Final = {"type": "binary", "data": [{"type": "file", "file": ["start", "f"]}]}


def program(client: str) -> Node:
    variables = [{"variable": "u", "value_selector": ["start", "u"]}]
    code = CODE.format(client=client)
    outputs = {"said": {"type": "string"}}
    return node("way", "code", code_language="python3", code=code, variables=variables, outputs=outputs)


WAYS: Final[dict[str, Node]] = {
    "an address": request(url="{{#start.u#}}"),
    "the body of a request": request(method="post", url="http://example.invalid/", body=BINARY),
    "a document": node("way", "document-extractor", variable_selector=["start", "f"]),
    "requests": program("requests"),
    "httpx": program("httpx"),
}


async def tries(assembly: Assembly, way: str, hosts: list[str], port: int) -> list[str]:
    """How runs end that take a way out to each of these hosts; "refused" if there is none."""
    nodes = [start_node(with_file=True), WAYS[way], end(x=["start", "u"])]
    app = (await assembly.apps.publish(dsl(nodes, ["start --> way", "way --> end"]), source="t")).app
    found = []
    for host in hosts:
        url = f"http://{host}:{port}/a.txt"
        inputs: dict[str, Any] = {"u": url}
        if way in ("the body of a request", "a document"):
            inputs["f"] = {"type": "document", "transfer_method": "remote_url", "url": url}
        try:
            live = await assembly.runs.start(app, StartRequest(inputs=inputs, user="u"))
        except JikkoError:
            found.append("refused")  # a file is looked at before there is a run
            continue
        async with asyncio.timeout(PATIENCE):
            await live.ended()
        found.append((await assembly.runs.records.any_record(live.record.identity.run_id)).status)
    return found


@pytest.mark.parametrize("way", WAYS)
async def test_no_way_out_leads_inside_however_it_is_spelled(assembly: Assembly, trap: Trap, way: str) -> None:
    assert set(await tries(assembly, way, SPELLINGS, trap.port)) <= {"failed", "refused"}
    assert trap.connections == 0


@pytest.mark.parametrize("way", WAYS)
async def test_each_of_them_leads_there_once_that_is_allowed(tmp_path: Path, trap: Trap, way: str) -> None:
    async with assemble(Settings(home=tmp_path, http_allow=("127.0.0.1",))) as assembly:
        await tries(assembly, way, ["127.0.0.1"], trap.port)
    assert trap.connections > 0


async def test_no_call_back_leads_inside_however_it_is_spelled(assembly: Assembly, trap: Trap) -> None:
    app = (await assembly.apps.publish(dsl([start_node(), end(x=["start", "u"])], ["start --> end"]), source="t")).app
    for host in SPELLINGS:
        options = StartOptions(callback_url=f"http://{host}:{trap.port}/")
        live = await assembly.runs.start(app, StartRequest(inputs={}, user="u"), options)
        await live.ended()

    assert await assembly.upkeep.callbacks.deliver(lambda _: b"{}") == len(SPELLINGS)
    assert [callback.state async for callback in assembly.upkeep.callbacks.undelivered()] == ["pending"] * len(
        SPELLINGS
    )
    assert trap.connections == 0
