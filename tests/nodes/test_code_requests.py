"""Requests of programs: made as those of HTTP Request nodes, and recorded with the node."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec
import pytest

from jikko.masking import MASK
from jikko.nodes.contract import NodeFailure, Result
from jikko.nodes.data.code import Code
from jikko.outbound.outbound_client import AiohttpClient
from jikko.ports.http import HttpFailure, HttpResponse
from jikko.ports.node_ports import ValueLimits
from jikko.sandbox.client import ForkServerSandbox
from jikko.sandbox.limits import SandboxLimits
from jikko.values import Json
from tests.effort import PATIENCE
from tests.nodes.context import FakeContext, ScriptedHttp, fields

pytestmark = pytest.mark.anyio

SECRET = "sk-0123456789-日本"
ENV: Mapping[str, Mapping[str, Json]] = {"env": {"KEY": SECRET, "HOOK": "https://hooks.test/T0/SECRET"}}


@pytest.fixture(scope="module")
async def sandbox(anyio_backend: str) -> AsyncIterator[ForkServerSandbox]:
    made = ForkServerSandbox(SandboxLimits(wall_seconds=PATIENCE))
    yield made
    await made.close()


def code(text: str, *names: str, **outputs: str) -> Code:
    variables = [{"variable": name.lower(), "value_selector": ["env", name]} for name in names]
    data = fields(
        {
            "code_language": "python3",
            "code": text,
            "variables": variables,
            "outputs": {name: {"type": kind} for name, kind in (outputs or {"r": "string"}).items()},
        }
    )
    node = Code.from_dsl(data)
    assert data.problems == []
    return node


async def run(
    node: Code,
    sandbox: ForkServerSandbox,
    http: Any,
    *,
    secrets: frozenset[str] = frozenset(),
    limits: ValueLimits | None = None,
) -> Result:
    ctx = FakeContext(ENV, http=http, secrets=secrets, limits=limits)
    replaced: Any = {"sandbox": sandbox}
    ctx.ports = msgspec.structs.replace(ctx.ports, **replaced)
    return await node.run(ctx)


POST = code(
    """
import requests
def main():
    a = requests.post("http://u:p@api.test/x?q=1", json={"名": 1}, headers={"X-Api-Key": "k123", "X-Plain": "v"})
    return {"r": a.text}
"""
)


async def test_a_request_is_recorded_with_the_node(sandbox: ForkServerSandbox) -> None:
    http = ScriptedHttp(HttpResponse(201, (), "日本".encode()))

    result = await run(POST, sandbox, http)

    assert result.outputs == {"r": "日本"}
    [record] = result.process_data["requests"]
    assert (record["status_code"], record["size"]) == (201, 6)
    lines = record["request"].split("\r\n")
    assert lines[:2] == ["POST /x?q=1 HTTP/1.1", "Host: api.test"]
    assert {"X-Api-Key: ****", "X-Plain: v", f"Authorization: {'*' * len('Basic dTpw')}"} <= set(lines)
    assert lines[-1] == '{"\\u540d": 1}'
    [sent] = http.requests
    assert (sent.app_id, sent.max_bytes) == ("app", 10_485_760)


async def test_a_program_without_requests_has_no_process_data(sandbox: ForkServerSandbox) -> None:
    result = await run(code("def main(): return {'r': 'x'}"), sandbox, ScriptedHttp())

    assert result.process_data == {}


async def test_requests_are_recorded_also_of_a_program_that_fails(sandbox: ForkServerSandbox) -> None:
    http = ScriptedHttp(HttpFailure("no such host: api.test", kind="connect"))

    with pytest.raises(NodeFailure, match=r"requests\.exceptions\.ConnectionError: no such host") as caught:
        await run(POST, sandbox, http)

    assert caught.value.process_data["requests"][0]["error"] == "no such host: api.test"


async def test_requests_are_recorded_also_of_a_program_with_a_wrong_result(sandbox: ForkServerSandbox) -> None:
    with pytest.raises(NodeFailure, match="Output other is missing") as caught:
        await run(msgspec.structs.replace(POST, outputs=code("", other="string").outputs), sandbox, ScriptedHttp())

    assert len(caught.value.process_data["requests"]) == 1


@pytest.mark.parametrize(
    "use",
    [
        "requests.get(f'https://api.test/{key}')",
        "requests.get('https://api.test/', params={'k': key})",
        "requests.post('https://api.test/', json={'k': key})",
        "requests.post('https://api.test/', data={'k': key})",
        "requests.get('https://api.test/', auth=('user', key.encode()))",
        "requests.get('https://api.test/' + key.encode().hex() + base64.b64encode(key.encode()).decode())",
        "requests.get('https://api.test/', headers={'X-A': base64.b64encode(key.encode()).decode()})",
    ],
)
async def test_a_secret_is_sent_and_recorded_in_no_form(use: str, sandbox: ForkServerSandbox) -> None:
    http = ScriptedHttp(HttpResponse(200, (), b""))
    node = code(f"import base64, requests\ndef main(key):\n    {use}\n    return {{'r': ''}}", "KEY")

    result = await run(node, sandbox, http, secrets=frozenset({"KEY"}))

    [record] = result.process_data["requests"]
    method = "POST" if "post" in use else "GET"
    summary = f"{method} to api.test; the rest is not recorded, as the program was given a secret"
    assert record == {"request": summary, "status_code": 200, "size": 0}
    assert result.inputs["key"] != SECRET
    assert http.requests


@pytest.mark.parametrize("call", ["requests.get(hook)", "httpx.get(hook)", "urllib3.request('GET', hook, retries=2)"])
async def test_an_address_that_is_a_secret_is_not_recorded_nor_told(call: str, sandbox: ForkServerSandbox) -> None:
    http = ScriptedHttp(HttpFailure("no such host: hooks.test", kind="connect"))
    node = code(f"import httpx, requests, urllib3\ndef main(hook):\n    {call}\n    return {{'r': ''}}", "HOOK")

    with pytest.raises(NodeFailure) as caught:
        await run(node, sandbox, http, secrets=frozenset({"HOOK"}))

    assert "hooks.test" not in str(caught.value)
    assert "hooks.test" not in str(caught.value.process_data)
    assert "there is no such host" in str(caught.value)


@pytest.mark.parametrize(
    "use",
    [
        "requests.get(hook).raise_for_status()",
        "requests.get(hook.replace('https://hooks', 'HTTPS://Hooks')).raise_for_status()",
        "httpx.get(hook.replace('.test', '.test:443')).raise_for_status()",
        "requests.get('https://api.test/', params={'k': key}).raise_for_status()",
        "httpx.get('https://api.test/', params={'k': key}).raise_for_status()",
        "requests.get(f'https://api.test/{key}').raise_for_status()",
        "requests.get(key)",
        "requests.get(f'x-{key}://a')",
        "urllib3.HTTPConnectionPool('other.test').urlopen('GET', hook)",
        "raise ValueError(repr(key), json.dumps(key), hook)",
    ],
)
async def test_a_failure_of_the_program_does_not_tell_its_secrets(use: str, sandbox: ForkServerSandbox) -> None:
    text = f"import httpx, json, requests, urllib3\ndef main(hook, key):\n    {use}\n    return {{'r': ''}}"
    http = ScriptedHttp(HttpResponse(404, (), b""))

    with pytest.raises(NodeFailure) as caught:
        await run(code(text, "HOOK", "KEY"), sandbox, http, secrets=frozenset({"HOOK", "KEY"}))

    told = str(caught.value)
    assert MASK in told
    assert not any(part in told for part in ("T0", "0123456789"))


async def test_a_failure_of_the_program_is_told_in_full_without_secrets(sandbox: ForkServerSandbox) -> None:
    text = "def main(key): raise ValueError('see https://hooks.test/help, sk-01')"

    with pytest.raises(NodeFailure, match=r"ValueError: see https://hooks\.test/help, sk-01"):
        await run(code(text, "KEY"), sandbox, ScriptedHttp(), secrets=frozenset({"KEY"}))


async def test_a_secret_that_the_program_was_not_given_hides_nothing(sandbox: ForkServerSandbox) -> None:
    result = await run(POST, sandbox, ScriptedHttp(), secrets=frozenset({"KEY"}))

    assert result.process_data["requests"][0]["request"].startswith("POST /x?q=1")


async def test_there_is_a_limit_of_requests(sandbox: ForkServerSandbox) -> None:
    http = ScriptedHttp()
    node = code("import httpx\ndef main():\n    for _ in range(4): httpx.get('http://h/')\n    return {'r': ''}")

    with pytest.raises(NodeFailure, match=r"ConnectError: .*more than 3 requests \(set by JIKKO_CODE_REQUESTS\)"):
        await run(node, sandbox, http, limits=ValueLimits(max_code_requests=3))
    with pytest.raises(NodeFailure, match="switched off"):
        await run(node, sandbox, http, limits=ValueLimits(max_code_requests=0))

    assert len(http.requests) == 3


@pytest.mark.parametrize(("kind", "limit"), [("text/plain", "max_http_text"), ("image/png", "max_http_file")])
async def test_an_answer_is_as_large_as_one_of_a_node_may_be(kind: str, limit: str, sandbox: ForkServerSandbox) -> None:
    http = ScriptedHttp(HttpResponse(200, (("Content-Type", kind),), b"x" * 101))
    limits = ValueLimits(**{"max_http_text": 1000, "max_http_file": 1000, limit: 100})

    with pytest.raises(NodeFailure, match="The answer is too large: 101 bytes, and at most 100 bytes"):
        await run(POST, sandbox, http, limits=limits)


async def test_a_private_address_is_refused_at_each_hop(sandbox: ForkServerSandbox) -> None:
    async with await asyncio.start_server(_redirects_inwards, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        node = code(f"import requests\ndef main():\n    return {{'r': requests.get('http://127.0.0.1:{port}/').text}}")
        closed, opened = AiohttpClient(), AiohttpClient(allow=("127.0.0.1/32",))
        try:
            with pytest.raises(NodeFailure, match=r"ConnectionError: .*127\.0\.0\.1 may not be reached"):
                await run(node, sandbox, closed)
            with pytest.raises(NodeFailure, match=r"169\.254\.169\.254 may not be reached") as caught:
                await run(node, sandbox, opened)
        finally:
            await closed.close()
            await opened.close()

    assert [record.get("status_code") for record in caught.value.process_data["requests"]] == [302, None]


async def _redirects_inwards(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/latest\r\nContent-Length: 0\r\n\r\n")
    await writer.drain()
    writer.close()


@pytest.mark.parametrize(
    ("text", "has"),
    [("import requests", True), ("import httpx as h", True), ("import json", False), ("x = 1", False)],
)
def test_only_a_program_that_may_make_requests_has_effects(text: str, has: bool) -> None:
    assert code(text).has_effects is has
