"""Test bench of one HTTP request node: its requests, and its handling of responses."""

import pytest

from jikko.nodes.contract import NodeFailure, Result
from jikko.nodes.http.http_request import HttpRequest
from jikko.ports.http import HttpResponse, OutgoingRequest
from jikko.ports.node_ports import ValueLimits
from jikko.values import Json
from tests.nodes.context import FakeContext, FilesOfOneUser, ScriptedHttp, fields, file

START: dict[str, Json] = {
    "s": "a b&c=/",
    "lines": "one\nX-Two: two",
    "n": 3,
    "key": "k:ü",
    "blank": " ",
    "half": "\ud83d",
    "none": None,
    "f": file("a.txt", size=11),
    "fl": [file("a.txt"), file("b.png", mime_type="")],
    "remote": file("r.txt", transfer_method="remote_url", related_id=None, remote_url="http://files.test/r.txt"),
    "made_up": file("x.txt", related_id=None),
}


class Bench:
    """Runs a node with a scripted server."""

    def __init__(self, **data: Json) -> None:
        self.http = ScriptedHttp()
        self.files = FilesOfOneUser({"a.txt": b"hello world", "b.png": b"\x89PNG"})
        self.data: dict[str, Json] = {"method": "get", "url": "http://api.test/x", **data}
        self.limits = ValueLimits()

    async def run(self) -> Result:
        data = fields(self.data)
        node = HttpRequest.from_dsl(data)
        assert data.problems == []
        return await node.run(FakeContext({"start": START}, http=self.http, files=self.files, limits=self.limits))

    async def sent(self) -> OutgoingRequest:
        await self.run()
        return self.http.requests[0]

    async def recorded(self) -> str:
        return str((await self.run()).process_data["request"])

    async def failure(self) -> NodeFailure:
        with pytest.raises(NodeFailure) as caught:
            await self.run()
        return caught.value

    def answers(self, body: bytes = b"", status: int = 200, **headers: str) -> "Bench":
        pairs = tuple((name.replace("_", "-"), value) for name, value in headers.items())
        self.http.answer = HttpResponse(status, pairs, body)
        return self


def body(kind: str, *items: dict[str, Json]) -> dict[str, Json]:
    return {"type": kind, "data": [{"key": "", "type": "text", "value": "", **item} for item in items]}


def key(kind: str, value: str, header: str = "") -> dict[str, Json]:
    return {"type": "api-key", "config": {"type": kind, "api_key": value, "header": header}}
