"""Moderation extensions: requests, their limits, and defaults of incomplete answers."""

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from jikko.conversations.extension_calls import ExtensionCalls
from jikko.conversations.moderation import ExtensionVerdict, Moderation
from jikko.errors import InvalidParam
from jikko.ports.extensions import Extension
from jikko.ports.http import HttpFailure, HttpResponse, OutgoingRequest, Timeouts
from jikko.providers.other_models import FakeModerator

pytestmark = pytest.mark.anyio


class Server:
    """Answers as it is told, and keeps what it was asked."""

    def __init__(self, body: bytes = b"{}", status: int = 200, failure: HttpFailure | None = None) -> None:
        self.body, self.status, self.failure = body, status, failure
        self.asked: list[OutgoingRequest] = []

    async def send(self, request: OutgoingRequest) -> HttpResponse:
        self.asked.append(request)
        if self.failure is not None:
            raise self.failure
        return HttpResponse(self.status, (), self.body)

    async def close(self) -> None:
        """There is nothing to close."""


def asking(server: Server, **extensions: Extension) -> Moderation:
    known: Mapping[str, Extension] = extensions or {"guard": Extension("http://guard.test/hook", "key-1")}
    return Moderation(ExtensionCalls(known, server), FakeModerator(), {})


async def verdict(body: bytes) -> ExtensionVerdict:
    return await asking(Server(body)).verdict("guard", "app-1", "output", {"text": "text"})


async def test_it_is_asked_once_within_bounds_of_time_and_size() -> None:
    server = Server()
    await asking(server).verdict("guard", "app-1", "input", {"inputs": {"a": "良い"}, "query": "why?"})

    [request] = server.asked
    assert request == OutgoingRequest(
        method="POST",
        url="http://guard.test/hook",
        headers=(
            ("Content-Type", "application/json"),
            ("Accept", "application/json"),
            ("Authorization", "Bearer key-1"),
        ),
        body=request.body,
        timeouts=Timeouts(connect=10.0, read=60.0, write=60.0, total=120.0),
        max_bytes=4 << 20,
        app_id="app-1",
        follow_redirects=False,
    )
    assert isinstance(request.body, bytes)
    assert msgspec.json.decode(request.body) == {
        "point": "app.moderation.input",
        "params": {"app_id": "app-1", "inputs": {"a": "良い"}, "query": "why?"},
    }


async def test_one_without_a_key_is_sent_none() -> None:
    server = Server()
    await asking(server, guard=Extension("http://guard.test/", "")).verdict(
        "guard", "app-1", "output", {"text": "text"}
    )

    [request] = server.asked
    assert [name for name, _ in request.headers] == ["Content-Type", "Accept"]
    assert isinstance(request.body, bytes)
    assert msgspec.json.decode(request.body) == {
        "point": "app.moderation.output",
        "params": {"app_id": "app-1", "text": "text"},
    }


async def test_one_that_says_nothing_has_nothing_against_it() -> None:
    said = await verdict(b"{}")

    assert not said.flagged
    assert said.action == "direct_output"
    assert said.preset_response == ""
    assert (said.inputs, said.query, said.text) == (None, None, None)


async def test_what_it_says_is_taken() -> None:
    said = await verdict(
        b'{"flagged": true, "action": "overridden", "inputs": {"a": 1}, "query": "q", "text": "t", "more": 2}'
    )

    assert said == ExtensionVerdict(flagged=True, action="overridden", inputs={"a": 1}, query="q", text="t")


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"action": "none"}', b'{"preset_response": null}', b'{"text": "\xff"}', b"[" * 100_000]
)
async def test_an_answer_that_cannot_be_used_is_told(body: bytes) -> None:
    with pytest.raises(InvalidParam, match="'guard' that moderates this app gave an answer that cannot be used"):
        await verdict(body)


@pytest.mark.parametrize("status", [201, 204, 302, 404, 500])
async def test_so_is_one_that_is_no_success(status: int) -> None:
    with pytest.raises(InvalidParam, match=f"answered {status}"):
        await asking(Server(status=status)).verdict("guard", "app-1", "output", {"text": "text"})


async def test_so_is_one_that_never_comes() -> None:
    server = Server(failure=HttpFailure("no connection", kind="connect"))

    with pytest.raises(InvalidParam, match="'guard' that moderates this app cannot be asked: no connection"):
        await asking(server).verdict("guard", "app-1", "output", {"text": "text"})


async def test_its_own_entry_comes_before_the_one_for_all() -> None:
    server = Server()
    extensions: dict[str, Any] = {"*": Extension("http://all.test/", ""), "guard": Extension("http://guard.test/", "")}
    asked = asking(server, **extensions)
    await asked.verdict("guard", "app-1", "output", {"text": "text"})
    await asked.verdict("other", "app-1", "output", {"text": "text"})

    assert [request.url for request in server.asked] == ["http://guard.test/", "http://all.test/"]
    with pytest.raises(InvalidParam, match="The extension 'other'"):
        await asking(server, guard=extensions["guard"]).verdict("other", "app-1", "output", {"text": "text"})
