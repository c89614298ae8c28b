"""Request observers: called once for each request, whatever its fate."""

import asyncio
import math
from typing import Any

import httpx
import pytest

from jikko.http.operation import Operation, all_operations
from jikko.http.request_observer import RequestObserver
from jikko.http.requests import Request
from jikko.http.responses import Headers
from jikko.http.served import SERVED
from tests.http.scene import RUN, body, client_of
from tests.runs.world import World, until

pytestmark = pytest.mark.anyio

ALL = [operation for operation in all_operations(SERVED) if operation.described]
NOTHING = "0199a1b2-0000-7000-8000-000000000000"


class Seen(RequestObserver):
    """Keeps what it is told, by request."""

    def __init__(self) -> None:
        self.began_with: dict[Request, Operation | None] = {}
        self.answered_with: dict[Request, int] = {}
        self.ended_with: dict[Request, tuple[int | None, int, float]] = {}
        self.calls: list[str] = []

    def began(self, request: Request, operation: Operation | None) -> None:
        self.began_with[request] = operation
        self.calls.append("began")

    def responding(self, request: Request, status: int, headers: Headers) -> None:
        assert request in self.began_with
        self.answered_with[request] = status
        self.calls.append("responding")

    def ended(self, request: Request, status: int | None, size: int, seconds: float) -> None:
        assert request in self.began_with
        self.ended_with[request] = status, size, seconds
        self.calls.append("ended")

    @property
    def only(self) -> tuple[Operation | None, int | None, int]:
        """Operation, status and bytes of the one request that it saw, from its beginning to its end."""
        assert self.calls == ["began", "responding", "ended"]
        ((request, operation),) = self.began_with.items()
        status, size, seconds = self.ended_with[request]
        assert self.answered_with[request] == status
        assert 0 <= seconds < math.inf
        return operation, status, size


@pytest.mark.parametrize("operation", ALL, ids=lambda operation: f"{operation.method} {operation.path}")
async def test_every_operation_is_seen_once(world: World, operation: Operation) -> None:
    seen, app, process = Seen(), await world.chain(), world.process()
    run = (await process.start(app)).record.identity.run_id
    await world.ended(run)
    path = operation.path.format_map(Names(workflow_run_id=run))
    async with client_of(world, app, process, observers=[seen]) as client:
        answer = await client.request(operation.method, path, json=body())

    found, status, size = seen.only
    assert found is not None
    assert (found.method, found.path) == (operation.method, operation.path)
    assert (status, size) == (answer.status_code, len(answer.content))
    assert status != 500


class Names(dict[str, str]):
    """Values for the parts of paths."""

    def __missing__(self, name: str) -> str:
        return NOTHING


@pytest.mark.parametrize("mode", ["blocking", "streaming", "async"])
async def test_every_way_to_start_a_run_is_seen_with_its_bytes(world: World, mode: str) -> None:
    seen = Seen()
    async with client_of(world, await world.chain(), observers=[seen]) as client:
        answer = await client.post(RUN, json=body(mode))

    assert seen.only[1:] == (answer.status_code, len(answer.content))
    assert len(answer.content) > 100


REFUSED: dict[str, tuple[str, str, dict[str, Any], int]] = {
    "no key": ("GET", f"{RUN}/{NOTHING}", {"headers": {"Authorization": ""}}, 401),
    "an unknown key": ("GET", f"{RUN}/{NOTHING}", {"headers": {"Authorization": "Bearer app-unknown"}}, 401),
    "no such run": ("GET", f"{RUN}/{NOTHING}", {}, 404),
    "a body that is not JSON": ("POST", RUN, {"content": b"{", "headers": {"Content-Type": "application/json"}}, 400),
    "a body that is too large": ("POST", RUN, {"json": {"x": "x" * (1 << 20)}}, 413),
    "another method": ("DELETE", RUN, {}, 405),
    "asking for methods": ("OPTIONS", RUN, {}, 200),
    "no such address": ("GET", "/v1/nothing", {}, 404),
    "an encoded slash": ("POST", "/v1/workflows%2Frun", {}, 404),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_what_is_refused_is_seen_too(world: World, case: str) -> None:
    method, path, given, status = REFUSED[case]
    seen = Seen()
    async with client_of(world, await world.chain(), observers=[seen]) as client:
        answer = await client.request(method, path, **given)

    assert answer.status_code == status
    assert seen.only[1:] == (status, len(answer.content))


async def test_head_has_no_bytes(world: World) -> None:
    seen = Seen()
    async with client_of(world, await world.chain(), observers=[seen]) as client:
        await client.head("/v1/info")

    assert seen.only[1:] == (200, 0)


async def test_so_is_what_the_limit_of_a_key_refuses(world: World) -> None:
    seen = Seen()
    async with client_of(world, await world.chain(), requests_per_minute=2, observers=[seen]) as client:
        answers = [await client.get(path) for path in ("/v1/info", f"{RUN}/{NOTHING}", f"{RUN}/{NOTHING}")]

    assert [answer.status_code for answer in answers] == [200, 404, 429]
    assert [status for status, _, _ in seen.ended_with.values()] == [200, 404, 429]


async def test_so_is_a_fault_of_the_server(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(app_id: str) -> Any:
        raise ZeroDivisionError("secret")

    seen, app = Seen(), await world.chain()
    async with client_of(world, app, observers=[seen]) as client:
        monkeypatch.setattr(world.app_store, "app_of_key", broken)
        answer = await client.get("/v1/info")

    assert (answer.status_code, answer.json()["code"]) == (500, "internal_server_error")
    assert "secret" not in answer.text
    assert seen.only[1] == 500


async def test_a_client_that_leaves_in_the_middle_of_a_stream_ends_the_request(world: World) -> None:
    seen, app, process = Seen(), await world.chain(), world.process()
    world.script.held = {"a"}
    left = asyncio.Event()
    async with client_of(world, app, process, observers=[seen]) as client:
        application = client._transport.app  # type: ignore[attr-defined]  # httpx reads all of an answer before it tells
        key = client.headers["authorization"].encode()
        pieces: list[bytes] = []

        async def receive() -> dict[str, Any]:
            if not pieces:
                return {"type": "http.request", "body": b'{"inputs": {}, "user": "u", "response_mode": "streaming"}'}
            await left.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            pieces.append(message.get("body", b""))
            if len(pieces) > 2:
                left.set()

        headers = [(b"host", b"x"), (b"authorization", key), (b"content-type", b"application/json")]
        scope = {"type": "http", "method": "POST", "path": RUN, "raw_path": RUN.encode(), "query_string": b""}
        scope |= {"headers": headers, "scheme": "http", "server": ("x", 1), "root_path": ""}
        await application(scope, receive, send)
        assert process.runs.executor._held

    assert seen.only[1:] == (200, len(b"".join(pieces)))


async def test_an_observer_can_add_headers_to_every_answer(world: World) -> None:
    class Naming(RequestObserver):
        def responding(self, request: Request, status: int, headers: Headers) -> None:
            headers.append((b"x-counted", b"7"))

    async with client_of(world, await world.chain(), observers=[Naming()]) as client:
        answers = [await client.post(RUN, json=body(mode)) for mode in ("blocking", "streaming", "async", "wrong")] + [
            await client.options(RUN),
            await client.get("/health"),
            await client.get("/v1/nothing"),
        ]

    assert {answer.headers.get("x-counted") for answer in answers} == {"7"}


async def test_an_observer_that_fails_changes_nothing_for_the_client(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    class Failing(RequestObserver):
        def began(self, request: Request, operation: Operation | None) -> None:
            raise ZeroDivisionError

        responding = ended = began  # type: ignore[assignment]

    seen = Seen()
    async with client_of(world, await world.chain(), observers=[Failing(), seen]) as client:
        answer = await client.get("/v1/info")

    assert answer.status_code == 200
    assert seen.only[1] == 200
    assert caplog.text.count("an observer of requests failed") == 3


async def test_requests_side_by_side_are_told_apart(world: World) -> None:
    seen, app, process = Seen(), await world.chain(), world.process()
    world.script.held = {"a"}
    async with client_of(world, app, process, observers=[seen]) as client, asyncio.TaskGroup() as group:
        long = group.create_task(client.post(RUN, json=body()))
        await until(lambda: world.script.ran["a"] == 1)
        short = await client.get("/v1/info")
        ended = [len(seen.began_with), [status for status, _, _ in seen.ended_with.values()]]
        world.script.release("a")

    assert ended == [2, [200]]
    sizes = [size for _, size, _ in seen.ended_with.values()]
    assert sizes == [len(short.content), len(long.result().content)]


async def test_the_class_itself_does_nothing(client: httpx.AsyncClient, world: World) -> None:
    async with client_of(world, await world.chain("Other"), observers=[RequestObserver()]) as observed:
        answers = [await each.get("/v1/meta", headers={"X-Request-Id": "1"}) for each in (client, observed)]

    assert answers[0].content == answers[1].content
    assert answers[0].headers == answers[1].headers
